package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refresh"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// ClientCredentials say what an application gets for itself, not for a person,
// by the client credentials grant (RFC 6749, Section 4.4). Allow the application
// the API in the dashboard.
type ClientCredentials struct {
	// Audience is the identifier of the API.
	Audience string
	// Organization is the id, or the name, of the organization to act for.
	Organization string
	// Scopes are what is asked for. None means all that are granted.
	Scopes []string
}

// ClientCredentials returns a source of access tokens for the application
// itself. A token is kept until it is about to expire; it is renewed in the
// background before, and one request gets it however many ask. Sources for the
// same share it. After a failure the tenant is left alone for a second, and
// longer if it fails again or asks for that.
//
// The errors of the source are of type [*Error]: [ErrGrantNotAllowed] if the tenant
// does not know the API, or does not let the application have what it asks for, and
// [ErrTenantUnavailable] with [Error].RetryAfter if it has had its quota of tokens.
func (s *Strategy) ClientCredentials(c ClientCredentials) oauth2.TokenSource {
	c.Scopes = slices.Sorted(slices.Values(c.Scopes))
	key, _ := json.Marshal(c) // three fields of text
	return ownTokenSource{s, string(key)}
}

// An ownTokenSource is a source of tokens for the application itself.
type ownTokenSource struct {
	strategy *Strategy
	key      string // of Strategy.ownTokens
}

func (o ownTokenSource) Token() (*oauth2.Token, error) {
	return o.get(func(v *refresh.Value[ownToken]) (ownToken, error) {
		return v.Get(context.Background()) // which has a time limit
	})
}

// Renew replaces a token that is older than age and returns the new one. Package
// management looks for this method when the tenant rejects a token.
func (o ownTokenSource) Renew(ctx context.Context, age time.Duration) (*oauth2.Token, error) {
	return o.get(func(v *refresh.Value[ownToken]) (ownToken, error) { return renewed(ctx, v, age) })
}

func (o ownTokenSource) get(ask func(*refresh.Value[ownToken]) (ownToken, error)) (*oauth2.Token, error) {
	if err := o.strategy.ready(); err != nil {
		return nil, asError("token", err)
	}
	got, err := ask(o.strategy.ownTokens.Value(o.key))
	if err != nil {
		return nil, asError("token", grantError(err, ownRefusals))
	}
	return got.token(), nil
}

// renewed returns a new token, or the cached one unless that is older than age.
func renewed(ctx context.Context, v *refresh.Value[ownToken], age time.Duration) (ownToken, error) {
	if state := v.State(); state.OK && age > 0 && time.Since(state.FetchedAt) <= age {
		return state.Value, nil
	}
	return v.Refresh(ctx)
}

// maxOwnTokens bounds the tokens of the application itself. Beyond it, the one
// that was used longest ago is got again when it is next needed.
const maxOwnTokens = 1000

func (s *Strategy) newOwnTokens() *refresh.Group[ownToken] {
	return refresh.NewGroup(maxOwnTokens, func(key string) *refresh.Value[ownToken] {
		var c ClientCredentials
		json.Unmarshal([]byte(key), &c)
		return s.application.clientCredentials(c.Audience, c.Organization, c.Scopes)
	})
}

// An ownToken is an access token for the application itself.
type ownToken struct {
	value   secret.Text
	scope   string
	expires time.Time
}

func (t ownToken) token() *oauth2.Token {
	token := &oauth2.Token{AccessToken: t.value.Reveal(), TokenType: "Bearer", Expiry: t.expires}
	return token.WithExtra(map[string]any{"scope": t.scope})
}

// clientCredentials keeps a token of the client credentials grant. One request
// gets it, whoever asks, and it is renewed in the background before it expires.
func (a *application) clientCredentials(audience, organization string, scopes []string) *refresh.Value[ownToken] {
	return refresh.New(func(ctx context.Context) (ownToken, refresh.Life, error) {
		if a.authentication.method == publicClient {
			return ownToken{}, refresh.Life{}, refusal.Misconfigured.Because("a public client gets no token for itself; for the Management API set Config.ManagementClientID and ManagementClientSecret")
		}
		form := grantForm("client_credentials")
		setText(form, "audience", audience)
		setText(form, "organization", organization)
		setText(form, "scope", strings.Join(scopes, " "))
		got, err := a.requestTokens(ctx, form)
		if err != nil {
			return ownToken{}, refresh.Life{}, err
		}
		// The next one is due after four fifths of the life of this one.
		life := got.life()
		t := ownToken{secret.OfText(got.AccessToken), got.scope(scopes), time.Now().Add(life)}
		return t, refresh.Life{Due: life * 4 / 5, Stale: life - life/20}, nil
	}, refresh.Policy{
		Timeout:    fetch.Timeout,
		MinBackoff: time.Second, MaxBackoff: time.Minute, MaxRetryAfter: time.Minute,
	})
}

// grantForm begins every token request. Who asks is added when it is sent.
func grantForm(grantType string) url.Values { return url.Values{"grant_type": {grantType}} }

// setText leaves out what is empty: the tenant may take it for something.
func setText(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

// A tokenResponse is the successful answer of the token endpoint (RFC 6749,
// Section 5.1).
type tokenResponse struct {
	AccessToken  string  `json:"access_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    float64 `json:"expires_in"`
	RefreshToken string  `json:"refresh_token"`
	IDToken      string  `json:"id_token"`
	Scope        *string `json:"scope"`
	// IssuedTokenType is of a token exchange (RFC 8693, Section 2.2.1).
	IssuedTokenType string `json:"issued_token_type"`
	// RecoveryCode is Auth0's, for the one that was used up.
	RecoveryCode string `json:"recovery_code"`

	members map[string]any // all of them
}

// life is how long the access token is good. Out of range means unknown, and
// unknown means not long.
func (t tokenResponse) life() time.Duration {
	const unknown, year = 5 * time.Minute, 365 * 24 * 60 * 60
	if t.ExpiresIn <= 0 || t.ExpiresIn > year {
		return unknown
	}
	return time.Duration(t.ExpiresIn * float64(time.Second))
}

// scope is what was granted. Without one it is what was asked for (RFC 6749,
// Section 5.1).
func (t tokenResponse) scope(asked []string) string {
	if t.Scope != nil {
		return *t.Scope
	}
	return strings.Join(asked, " ")
}

// token makes a token of package oauth2 of the response, with all its members.
func (t tokenResponse) token(now time.Time) *oauth2.Token {
	token := &oauth2.Token{AccessToken: t.AccessToken, TokenType: t.TokenType, RefreshToken: t.RefreshToken, Expiry: now.Add(t.life())}
	return token.WithExtra(t.members)
}

// requestTokens makes one request to the token endpoint, with the client id and
// what proves it added to the form. It is never repeated: what it sends may be
// good for one use. The error is a tenantError if the tenant has answered, and an
// Error if there was nothing to send. Header is names and values in turn.
func (a *application) requestTokens(ctx context.Context, form url.Values, header ...string) (tokenResponse, error) {
	got, err := a.requestAnyToken(ctx, form, header...)
	if err == nil && !strings.EqualFold(got.TokenType, "Bearer") {
		return tokenResponse{}, errNoBearerToken
	}
	return got, err
}

var errNoBearerToken = errors.New("the token response has no bearer token")

// requestAnyToken is requestTokens for a token that may be of no use at an API:
// the type of such a one is N_A (RFC 8693, Section 2.2.1).
func (a *application) requestAnyToken(ctx context.Context, form url.Values, header ...string) (tokenResponse, error) {
	resp, err := a.post(ctx, tokenEndpoint, form, header...)
	if err != nil {
		return tokenResponse{}, err
	}
	if resp.Status != http.StatusOK {
		return tokenResponse{}, parseTenantError(resp.Status, resp.Header, resp.Body)
	}
	var got tokenResponse
	known := func() bool {
		return strings.EqualFold(got.TokenType, "Bearer") || strings.EqualFold(got.TokenType, "N_A")
	}
	if json.Unmarshal(resp.Body, &got) != nil || json.Unmarshal(resp.Body, &got.members) != nil || got.AccessToken == "" || !known() {
		return tokenResponse{}, errNoBearerToken
	}
	return got, nil
}

// postForm sends a form together with a proof, which has the last word on who
// sends it.
func postForm(ctx context.Context, client *http.Client, target string, form url.Values, p proof, header ...string) (*fetch.Response, error) {
	all := maps.Clone(form)
	maps.Copy(all, p.params)
	return post(ctx, client, target, "application/x-www-form-urlencoded", all.Encode(), p, header...)
}

// postJSON makes one request to an endpoint of Auth0's that takes JSON and
// authenticates the client as the token endpoint does. It gives an error unless
// the answer is 200. It is not repeated: it may send somebody a message.
func (a *application) postJSON(ctx context.Context, target string, body map[string]any, header ...string) (*fetch.Response, error) {
	_, p, err := a.prove(ctx, tokenEndpoint)
	if err != nil {
		return nil, err
	}
	body = maps.Clone(body)
	body["client_id"] = a.id
	for name := range p.params {
		body[name] = p.params.Get(name)
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, errors.New("the request cannot be encoded")
	}
	resp, err := post(ctx, a.client, target, "application/json", string(encoded), p, header...)
	if err == nil && resp.Status != http.StatusOK {
		err = parseTenantError(resp.Status, resp.Header, resp.Body)
	}
	return resp, err
}

func post(ctx context.Context, client *http.Client, target, contentType, body string, p proof, header ...string) (*fetch.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("unusable endpoint")
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	p.addTo(r)
	return fetch.Do(client, r)
}

// A tenantError is what the tenant said was wrong. Auth0's endpoints answer in
// several shapes, and its edge in HTML.
type tenantError struct {
	status      int
	code        string // of RFC 6749, or the errorCode of the Management API
	description string // for logs only: it may change, and may quote users
	retryAfter  time.Duration
	mfa         *mfaDemand // if it wants a second factor
}

// parseTenantError reads every known shape of an error response. It never fails: the
// status alone is an answer.
func parseTenantError(status int, h http.Header, body []byte) tenantError {
	e := tenantErrorOf(tenantapi.ParseError(status, h, body))
	if e.code != "mfa_required" {
		return e
	}
	var members map[string]json.RawMessage
	json.Unmarshal(body, &members) // which ParseError has done
	var token string
	if json.Unmarshal(members["mfa_token"], &token); token != "" {
		e.mfa = &mfaDemand{token: secret.OfText(token)}
		json.Unmarshal(members["mfa_requirements"], &e.mfa.requirements)
	}
	return e
}

// tenantErrorOf is the inverse of said.
func tenantErrorOf(e *tenantapi.Error) tenantError {
	return tenantError{status: e.Status, code: e.Code, description: e.Description, retryAfter: e.Wait}
}

func (e tenantError) said() *tenantapi.Error {
	return &tenantapi.Error{Status: e.status, Code: e.code, Description: e.description, Wait: e.retryAfter}
}

func (e tenantError) Error() string { return e.said().Error() }

// As lets packages that do not know this type find what the tenant said.
func (e tenantError) As(target any) bool {
	said, ok := target.(**tenantapi.Error)
	if ok {
		*said = e.said()
	}
	return ok
}

// temporary reports whether the same request can succeed later.
func (e tenantError) temporary() bool { return e.said().Temporary() }

// apiError makes an error of package tenantapi one of this package.
func apiError(err error) error {
	if said, ok := err.(*tenantapi.Error); ok {
		return tenantErrorOf(said)
	}
	switch err {
	case tenantapi.ErrUnsendable:
		return refusal.Internal.Wrap(err)
	case tenantapi.ErrUnexpectedJSON:
		return refusal.TenantAnswer.Wrap(err)
	}
	return err
}

// RetryAfter lets package refresh leave the tenant alone for as long as it asks.
func (e tenantError) RetryAfter() time.Duration { return e.retryAfter }

// as returns the refusal that the tenant's answer means.
func (e tenantError) as(r refusal.Row) *refusal.Refusal {
	out := r.Wrap(e)
	out.TenantStatus, out.RetryAfter = e.status, e.retryAfter
	if e.code != "" {
		out.Code = syntax.Code(e.code)
	}
	return out
}

// isDecided reports whether an error is a refusal already.
func isDecided(err error) bool {
	_, decided := errors.AsType[*refusal.Refusal](err)
	return decided
}

// answered returns what the tenant has said, if nobody has said yet what that
// means.
func answered(err error) (tenantError, bool) {
	if isDecided(err) {
		return tenantError{}, false
	}
	return errors.AsType[tenantError](err)
}

// requestError says what a failed request to the tenant means where no code of its
// has a meaning of its own: it is between the tenant and us.
func requestError(err error) error {
	if isDecided(err) {
		return err
	}
	e, ok := errors.AsType[tenantError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return refusal.Canceled.Wrap(context.Canceled)
	case errors.Is(err, errNoBearerToken):
		return refusal.TenantAnswer.Wrap(err)
	case !ok:
		return refusal.TenantDown.Wrap(fetch.Cause(err))
	case e.temporary():
		return e.as(refusal.TenantDown)
	}
	return e.as(refusal.TenantAnswer)
}

// tokens are what the token endpoint gave for a code.
type tokens struct {
	*oauth2.Token
	rawIDToken string
}

// A tokenClient is where a code is redeemed and what the request has to carry.
type tokenClient struct {
	target string
	proof  proof
}

// tokenClient prepares to redeem the code of an answer, if it may have one.
func (s *Strategy) tokenClient(ctx context.Context, t *transaction, a answer) (tokenClient, error) {
	if !t.hasCode() || a.code == "" || a.errorCode != "" {
		return tokenClient{}, nil
	}
	target, p, err := s.application.prove(ctx, tokenEndpoint)
	if err == nil {
		err = s.redeeming.take()
	}
	return tokenClient{target, p}, err
}

// exchange redeems the code (RFC 6749, Section 4.1.3; RFC 7636, Section 4.5).
// The redirect URI is the one that was sent then, whatever the configuration
// says now. It is never tried twice: a code is good for one request.
func (s *Strategy) exchange(ctx context.Context, ep discovery.Metadata, c tokenClient, t *transaction, code authCode) (tokens, error) {
	config := s.oauth2(ep, t)
	config.Endpoint.TokenURL = c.target
	opts := append(c.proof.configure(config), oauth2.VerifierOption(t.Verifier))
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.client)
	token, err := config.Exchange(ctx, string(code), opts...)
	if err != nil {
		err = tokenEndpointError(ctx, err)
		s.redeeming.settle(err)
		return tokens{}, err
	}
	s.redeeming.giveBack() // a code that is good was not made up
	if kind := token.Type(); kind != "Bearer" {
		return tokens{}, refusal.TenantAnswer.Because("the token type is %.40q, not Bearer", kind)
	}
	const year = 365 * 24 * 60 * 60
	if token.ExpiresIn < 0 || token.ExpiresIn > year {
		return tokens{}, refusal.TenantAnswer.Because("expires_in is %d", token.ExpiresIn)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return tokens{}, refusal.TenantAnswer.Because("the token response has no id_token")
	}
	return tokens{token, raw}, nil
}

// tokenEndpointError says what a failed request to the token endpoint means for
// the login: a code that is not accepted is between the visitor and the tenant,
// everything else is between us and the tenant.
func tokenEndpointError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		// Package oauth2 does not wrap what keeps it from reading an answer.
		return refusal.Canceled.Wrap(context.Canceled)
	}
	re, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return requestError(err)
	}
	e := parseTenantError(re.Response.StatusCode, re.Response.Header, re.Body)
	if e.code == "invalid_grant" {
		return e.as(refusal.Code)
	}
	return requestError(e)
}

// bearerRequest makes a request with an access token. It sends a body other than nil
// as JSON.
func bearerRequest(ctx context.Context, client *http.Client, token secret.Text, method, target string, query url.Values, body any) (*fetch.Response, error) {
	resp, err := tenantapi.Do(ctx, client, token.Reveal(), method, target, query, body)
	return resp, apiError(err)
}

// readAnswer decodes a response into out, unless that is nil. The error is a
// tenantError if the tenant reports an error.
func readAnswer(resp *fetch.Response, out any) error { return apiError(tenantapi.Decode(resp, out)) }

// An mfaDemand is what mfa_required comes with.
type mfaDemand struct {
	token        secret.Text
	requirements mfaRequirements
}

type mfaRequirements struct {
	Challenge []mfaFactor `json:"challenge"`
	Enroll    []mfaFactor `json:"enroll"`
}

type mfaFactor struct {
	Type string `json:"type"`
}

// deniesPerson reports whether it is the person who gets no token: the account is
// blocked, or the refresh token is not good any more.
func (e tenantError) deniesPerson() bool {
	return e.deniesByPolicy() || e.code == "unauthorized" || e.code == "invalid_grant"
}

// deniesByPolicy reports whether an Action or a policy of the tenant wants another
// login. The code says so, whatever the status: Auth0 has sent 500 with it. But
// with 401 access_denied is Auth0's answer to wrong credentials of the
// application.
func (e tenantError) deniesByPolicy() bool {
	switch e.code {
	case "access_denied":
		return e.status != http.StatusUnauthorized
	case "unmet_authentication_requirements", "interaction_required":
		return true
	}
	return false
}
