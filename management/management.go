// Package management calls the Management API of an Auth0 tenant to manage custom OAuth2
// connections, for OAuth 2.0 providers without a ready-made Auth0 connection.
//
// [New] needs the tenant's own domain and a source of access tokens for the API
// with the identifier https://DOMAIN/api/v2/. An application gets them with its own
// credentials from Application.ClientCredentials of package auth0:
//
//	source := strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: "https://acme.eu.auth0.com/api/v2/"})
//	api, err := management.New("acme.eu.auth0.com", source)
//
// The API rejects tokens that a custom domain issued. A program whose application
// uses a custom domain, or another application for the API, creates the source with
// package golang.org/x/oauth2/clientcredentials:
//
//	config := clientcredentials.Config{
//		ClientID: clientID, ClientSecret: clientSecret,
//		TokenURL:       "https://acme.eu.auth0.com/oauth/token",
//		EndpointParams: url.Values{"audience": {"https://acme.eu.auth0.com/api/v2/"}},
//	}
//	api, err := management.New("acme.eu.auth0.com", config.TokenSource(ctx))
//
// Authorize the application in the dashboard for the Auth0 Management API, with the
// scopes that the methods name.
package management

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// An API is the Management API of a tenant. Create it with [New]. Its methods may be
// called concurrently.
//
// Each method makes one to a few requests. All programs of a tenant share the rate
// limit of the API, which is two requests a second for small tenants. After a 429 a
// method retries at most twice. It waits only if Retry-After is three seconds or
// less and ctx allows it. If the API rejects the token, or the token lacks a scope,
// the method retries once with a new token if the source returns one. It retries
// nothing else. Errors are of type [*Error].
type API struct{ api *tenantapi.API }

// An Option changes how an [API] sends requests.
type Option func(*options)

type options struct{ client *http.Client }

// WithHTTPClient sends requests with the transport and the timeout of client, for
// example through a proxy. The default is a client with a timeout of five seconds.
// Redirects are never followed, and responses longer than 1 MiB are rejected.
func WithHTTPClient(client *http.Client) Option { return func(o *options) { o.client = client } }

// New returns the Management API of a tenant. Domain is the tenant's own domain, such
// as acme.eu.auth0.com, not a custom domain. It may also be a URL without a path: of
// a tenant for tests, with the scheme https, or http on this machine.
//
// Source supplies the access tokens. It should cache them, as the sources of
// Application.ClientCredentials and of package clientcredentials do. If the source has
// the method
//
//	Renew(ctx context.Context, age time.Duration) (*oauth2.Token, error)
//
// which replaces a token that is older than age, the API calls it when the tenant
// rejects a token, and when a scope is missing and the token is older than a minute.
// The source of Application.ClientCredentials has it.
//
// New makes no request. It returns an error if domain is malformed or source is nil.
func New(domain string, source oauth2.TokenSource, opts ...Option) (*API, error) {
	base, err := baseURL(domain)
	if err != nil {
		return nil, err
	}
	if source == nil {
		return nil, errors.New("management: the token source is nil")
	}
	var o options
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	client := fetch.NewClient(o.client, fetch.Options{UserAgent: tenantapi.UserAgent})
	return &API{&tenantapi.API{Client: client, Base: base, Tokens: newTokens(source)}}, nil
}

// baseURL returns the URL of a tenant with a slash at the end.
func baseURL(domain string) (string, error) {
	if !strings.Contains(domain, "://") {
		host := strings.ToLower(domain)
		if err := cmp.Or(discovery.CheckASCII(host), syntax.CheckHostName(host)); err != nil {
			return "", fmt.Errorf("management: the domain %s %w", quoted(domain), err)
		}
		return "https://" + host + "/", nil
	}
	origin, err := discovery.Origin(domain)
	if err != nil {
		return "", fmt.Errorf("management: the domain %s: %w", quoted(domain), err)
	}
	if u, err := url.Parse(domain); err != nil || strings.Trim(u.Path, "/") != "" || strings.ContainsAny(domain, "?#") {
		return "", fmt.Errorf("management: the domain %s must have no path, no query and no fragment", quoted(domain))
	}
	return origin + "/", nil
}

// quoted quotes a URL for an error, unless it can contain a password.
func quoted(raw string) string {
	if strings.Contains(raw, "@") {
		return "(with a user name)"
	}
	return fmt.Sprintf("%.200q", raw)
}

// call makes one request.
func (a *API) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	if a == nil || a.api == nil {
		return invalid("the API was not created with New")
	}
	if err := a.api.Call(ctx, method, path, query, body, out); err != nil {
		return asError(err)
	}
	return nil
}

// pathTo returns the path of one document of a collection.
func pathTo(collection, id string) (string, error) {
	if id == "" || id == "." || id == ".." { // another document, or none
		return "", invalid("the id %q is not one", id)
	}
	return collection + "/" + url.PathEscape(id), nil
}

// IdentityProviderToken returns the access token that the provider of a connection
// issued at the user's last login with that connection. It is for tenants without
// Token Vault. Subject is the user's id at Auth0, such as auth0|65f0c1d2e3a4b5c6d7e8f901.
//
// Auth0 does not refresh that token and does not report its expiry. The error matches
// [ErrNotConnected] if the user has no account of that connection.
//
// It needs the scopes read:users and read:user_idp_tokens. Without the second scope
// the tenant leaves the token out, as it does for a connection whose tokens are in
// the Token Vault; then [Error].Scope is read:user_idp_tokens.
func (a *API) IdentityProviderToken(ctx context.Context, subject, connection string) (*oauth2.Token, error) {
	var user struct {
		Identities []struct {
			Connection   string `json:"connection"`
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
		} `json:"identities"`
	}
	path, err := pathTo("users", subject)
	if err != nil {
		return nil, err
	}
	query := url.Values{"fields": {"identities"}, "include_fields": {"true"}}
	if err := a.call(ctx, http.MethodGet, path, query, nil, &user); err != nil {
		return nil, err
	}
	// The name of the connection decides, not the position. The first identity is
	// only the account to which others were linked.
	for _, identity := range user.Identities {
		if identity.Connection != connection {
			continue
		}
		if identity.AccessToken == "" {
			return nil, &Error{Scope: "read:user_idp_tokens", Err: errors.New("the identity has no token: the scope is missing, or the token is in the Token Vault, from which auth0.ForConnection gets it")}
		}
		return &oauth2.Token{AccessToken: identity.AccessToken, RefreshToken: identity.RefreshToken, TokenType: "Bearer"}, nil
	}
	return nil, &Error{kind: ErrNotConnected, Err: fmt.Errorf("the user has no identity of connection %.128q", connection)}
}

// EnableConnection lets applications, given by their client ids, log users in with a
// connection. The login pages of package auth0 show it within five minutes. It needs
// the scope update:connections.
//
// It sends 50 client ids per request. If a request fails, those of earlier requests
// stay enabled. Without any client id the error matches [ErrInvalid].
func (a *API) EnableConnection(ctx context.Context, id string, clientIDs ...string) error {
	return a.setClients(ctx, id, clientIDs, true)
}

// DisableConnection undoes [API.EnableConnection].
func (a *API) DisableConnection(ctx context.Context, id string, clientIDs ...string) error {
	return a.setClients(ctx, id, clientIDs, false)
}

func (a *API) setClients(ctx context.Context, id string, clientIDs []string, on bool) error {
	const perRequest = 50 // the limit of the API
	path, err := pathTo("connections", id)
	if err != nil {
		return err
	}
	if len(clientIDs) == 0 {
		return invalid("the client id is missing; give the id of the application")
	}
	type status struct {
		ClientID string `json:"client_id"`
		Status   bool   `json:"status"`
	}
	for part := range slices.Chunk(clientIDs, perRequest) {
		var body []status
		for _, clientID := range part {
			body = append(body, status{clientID, on})
		}
		if err := a.call(ctx, http.MethodPatch, path+"/clients", nil, body, nil); err != nil {
			return err
		}
	}
	return nil
}

// tokens supplies the tokens of a source. Functions hold the source, so that package
// fmt cannot reach a token in it.
type tokens struct {
	token func() (*oauth2.Token, error)
	renew func(context.Context, time.Duration) (*oauth2.Token, error)
}

func newTokens(source oauth2.TokenSource) tokens {
	t := tokens{token: source.Token, renew: func(context.Context, time.Duration) (*oauth2.Token, error) { return source.Token() }}
	if renewer, ok := source.(interface {
		Renew(context.Context, time.Duration) (*oauth2.Token, error)
	}); ok {
		t.renew = renewer.Renew
	}
	return t
}

func (t tokens) Token(ctx context.Context) (string, error) { return await(ctx, t.token) }

func (t tokens) Renew(ctx context.Context, age time.Duration) (string, error) {
	return await(ctx, func() (*oauth2.Token, error) { return t.renew(ctx, age) })
}

// await calls get and waits for its result no longer than ctx allows, because the method
// of oauth2.TokenSource takes no context. An abandoned call ends when the source
// returns.
func await(ctx context.Context, get func() (*oauth2.Token, error)) (string, error) {
	type result struct {
		token *oauth2.Token
		err   error
	}
	done := make(chan result, 1)
	go func() {
		token, err := get()
		done <- result{token, err}
	}()
	select {
	case r := <-done:
		if r.err == nil && (r.token == nil || r.token.AccessToken == "") {
			r.err = errors.New("the token source returned no token")
		}
		if r.err == nil && strings.EqualFold(r.token.TokenType, "DPoP") {
			r.err = errors.New("the token is bound to a key (DPoP), and the Management API takes bearer tokens")
		}
		if r.err != nil {
			return "", r.err
		}
		return r.token.AccessToken, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
