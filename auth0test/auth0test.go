// Package auth0test runs an Auth0-shaped tenant inside a test or an example
// program, so that logins and access tokens can be tried with no account and no
// network.
//
// For an API:
//
//	tenant := auth0test.NewTenant(t)
//	api, err := auth0.NewAPI(tenant.APIConfig("https://api.acme.example/"))
//	...
//	r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.Permissions("read:protected")))
//
// For a web application, [Tenant.Browser] gives a client with cookies that
// reaches both the application and the tenant, and [Tenant.SignIn] says who
// will log in:
//
//	tenant := auth0test.NewTenant(t)
//	strategy, err := auth0.New(tenant.Config())
//	...
//	tenant.SignIn("ada@acme.example")
//	resp, err := tenant.Browser(app).Get(auth0test.AppURL + "/profile")
//
// The tenant answers as Auth0 does, also when something is wrong: see
// [Tenant.Fail], [Tenant.Delay], [Tenant.EditIDToken] and the others. The code
// under test is the one that runs in production; only the HTTP client differs.
// It works inside [testing/synctest] too.
//
// [Serve] makes a tenant listen on an address, for real browsers.
//
// Every tenant begins with the same people, an API, and two applications at
// [AppURL] or the address given to Serve: the web application of
// [Tenant.Config], and a single-page application, [SPAClientID], for a test in
// which the page itself logs in.
//
//	ada@acme.example     database, password "correct horse", has the permission read:protected
//	bob@acme.example     database, password "correct horse", has no permission
//	grace@gmail.example  Google, has no permission
//	linus@github.example GitHub, has the permission read:protected
//
// and one each for the connections partner-idp, fabrikam-entra and
// customer-saml. Ada belongs to the organizations acme-eu and acme-labs.
package auth0test

import (
	"crypto/rsa"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/internal/publicsecret"
)

// What every tenant begins with.
const (
	// AppURL is the base URL of the application in [Tenant.Config].
	AppURL = "https://app.acme.example"
	// Audience is the identifier of the API.
	Audience = "https://api.acme.example/"
	// SPAClientID is the client id of a single-page application. It has no
	// secret and must use PKCE, scripts of its origin may call the tenant, and
	// it is called back at its base URL, with or without a slash at the end, or
	// at /callback below it.
	SPAClientID = "Qw3nT8xKfV5rYc1uJm7ZbE0sLhD6iGpA"

	directory    = "Username-Password-Authentication"
	host         = "acme.auth0.example"
	clientID     = "9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go"
	clientSecret = publicsecret.TestClient
	cookieSecret = publicsecret.TestCookie
)

// TB is the part of [testing.TB] that is needed. It is declared here so that
// programs that use [Serve] do not link package testing.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// What a tenant is made of. See the fields of each.
type (
	User                   = emulator.User
	Connection             = emulator.Connection
	Organization           = emulator.Organization
	OrganizationConnection = emulator.OrganizationConnection
	Invitation             = emulator.Invitation
	ConnectedAccount       = emulator.ConnectedAccount
	// An Endpoint names a part of the tenant for switches and counters.
	Endpoint = emulator.Endpoint
)

// The parts of a tenant.
const (
	Discovery  = emulator.Discovery
	JWKS       = emulator.JWKS
	Authorize  = emulator.Authorize
	PAR        = emulator.PAR
	Token      = emulator.Token
	UserInfo   = emulator.UserInfo
	Revoke     = emulator.Revoke
	Logout     = emulator.Logout
	Management = emulator.Management
	ClientFile = emulator.ClientFile
	MFA        = emulator.MFA

	Passwordless = emulator.Passwordless
	MyAccount    = emulator.MyAccount
)

// OneTimeCode is what every authenticator app shows, for a [User] with MFA.
const OneTimeCode = emulator.OneTimeCode

// A Tenant is an Auth0-shaped tenant. Its methods may be called concurrently.
type Tenant struct {
	t      *emulator.Tenant
	tb     TB
	config auth0.Config
	stop   func() error

	mu       sync.Mutex
	audience string // of the last APIConfig
}

// NewTenant returns a tenant that is reached through the HTTP client in
// [Tenant.Config] and nowhere else. Its domain is acme.auth0.example.
func NewTenant(t TB) *Tenant {
	t.Helper()
	inner, err := emulator.New(emulator.Config{Host: host, OrganizationNames: true, DefaultDirectory: directory})
	if err != nil {
		t.Fatalf("auth0test: %v", err)
	}
	made, err := newTenant(inner, AppURL)
	if err != nil {
		t.Fatalf("auth0test: %v", err)
	}
	made.tb = t
	made.config.Domain = host
	made.config.HTTPClient = &http.Client{Transport: network{host: inner}}
	return made
}

// Serve makes a tenant listen on a TCP address, such as "127.0.0.1:0", for the
// application at appURL, such as "http://localhost:3000". [Tenant.Config] is
// then for a provider on this machine. Close stops it.
func Serve(addr, appURL string) (*Tenant, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	base := "http://" + listener.Addr().String()
	inner, err := emulator.New(emulator.Config{URL: base, OrganizationNames: true, DefaultDirectory: directory})
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	made, err := newTenant(inner, appURL)
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	made.config.Domain = inner.Issuer()
	made.config.TenantDomain = inner.Issuer()
	server := &http.Server{Handler: inner, ReadHeaderTimeout: 5 * time.Second}
	made.stop = server.Close
	go server.Serve(listener)
	return made, nil
}

func newTenant(inner *emulator.Tenant, appURL string) (*Tenant, error) {
	err := inner.AddDemo(emulator.Demo{ClientID: clientID, ClientSecret: clientSecret, SPAClientID: SPAClientID, BaseURL: appURL, Audience: Audience})
	if err != nil {
		return nil, err
	}
	return &Tenant{t: inner, audience: Audience, config: auth0.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		BaseURL:      appURL,
		Secrets:      []string{cookieSecret},
		Audience:     Audience,
	}}, nil
}

// Close stops a tenant that [Serve] has started.
func (t *Tenant) Close() error {
	if t.stop == nil {
		return nil
	}
	return t.stop()
}

// Config returns a configuration for the tenant's application. Change what the
// test is about. The cookie secret in it is the same everywhere and protects
// nothing: a program that people can reach needs one of its own.
func (t *Tenant) Config() auth0.Config { return t.config }

// APIConfig returns a configuration for an API of the tenant. If there is none
// with that identifier, there is one from now on. Tokens of [Tenant.AccessToken]
// are for the API that was asked for last.
func (t *Tenant) APIConfig(audience string) auth0.APIConfig {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.audience = audience
	if audience != Audience && audience != "" {
		t.must(t.t.AddAPI(emulator.API{Audience: audience, Name: audience, RBAC: true, AllowOfflineAccess: true}))
	}
	return auth0.APIConfig{Domain: t.config.Domain, Audience: audience, HTTPClient: t.config.HTTPClient}
}

func (t *Tenant) must(err error) {
	switch {
	case err == nil:
	case t.tb != nil:
		t.tb.Helper()
		t.tb.Fatalf("auth0test: %v", err)
	default:
		panic(fmt.Sprintf("auth0test: %v", err))
	}
}

// URL returns the issuer, which is where the tenant is, with a slash at the end.
func (t *Tenant) URL() string { return t.t.Issuer() }

// NameApp sets the name by which the tenant's pages call the applications.
func (t *Tenant) NameApp(name string) {
	t.editClients(func(c *emulator.Client) { c.Name = name })
}

func (t *Tenant) editClients(edit func(*emulator.Client)) {
	for _, id := range []string{clientID, SPAClientID} {
		t.must(t.t.EditClient(id, edit))
	}
}

// AddUser adds a person, or replaces the one with the same connection and id.
func (t *Tenant) AddUser(u User) { t.must(t.t.AddUser(u)) }

// AddOrganization adds an organization, or replaces the one with the same id.
func (t *Tenant) AddOrganization(o Organization) { t.must(t.t.AddOrganization(o)) }

// UseOrganizations sets what Auth0 calls organization_usage of the applications:
// "deny", "allow", as in the beginning, or "require"; and for logins that name no
// organization organization_require_behavior: "no_prompt", as in the beginning,
// "pre_login_prompt", a page that asks for the name of one, or
// "post_login_prompt", a page on which people choose among theirs. Whoever
// [Tenant.SignIn] has named enters the first.
func (t *Tenant) UseOrganizations(usage, behavior string) {
	t.editClients(func(c *emulator.Client) { c.OrganizationUsage, c.OrganizationRequireBehavior = usage, behavior })
}

// AddConnection adds a connection, or replaces the one with the same name, and
// enables it for the applications.
func (t *Tenant) AddConnection(c Connection) {
	t.must(t.t.AddConnection(c))
	t.editClients(func(client *emulator.Client) {
		if !slices.Contains(client.Connections, c.Name) {
			client.Connections = append(slices.Clip(client.Connections), c.Name)
		}
	})
}

// AllowClientCredentials lets the application have access tokens of its own for
// an API.
func (t *Tenant) AllowClientCredentials(audience string, scopes ...string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		c.Grants = append(c.Grants, emulator.ClientGrant{Audience: audience, Scopes: scopes})
	}))
}

// AddTokenExchange adds a token exchange profile for subject tokens of a type,
// as an Action would: user returns the email address of whose token it is.
func (t *Tenant) AddTokenExchange(subjectTokenType string, user func(token string) (email string, ok bool)) {
	t.must(t.t.AddTokenExchange(subjectTokenType, user))
}

// ExchangesTokensOf makes the application the API of an identifier, so that it
// may exchange the access tokens that it receives.
func (t *Tenant) ExchangesTokensOf(audience string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) { c.ResourceServer = audience }))
}

// Mail returns the code and the link that the tenant has sent to an email
// address or a phone number last. They are empty if it has sent none.
func (t *Tenant) Mail(address string) (code, link string) { return t.t.Mail(address) }

// AnswerPush answers the push notifications of a person whose second factor
// that is.
func (t *Tenant) AnswerPush(email string, approve bool) { t.t.AnswerPush(email, approve) }

// AllowManagement lets the web application do more with the Management API than
// list connections: it has these scopes from now on, beside those it has.
func (t *Tenant) AllowManagement(scopes ...string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		for i := range c.Grants {
			if c.Grants[i].Audience == t.t.Issuer()+"api/v2/" {
				c.Grants[i].Scopes = append(c.Grants[i].Scopes, scopes...)
			}
		}
	}))
}

// ConnectAccount gives a person an account at a third party, for tokens with
// [auth0.ForConnection]. The connection must have ConnectedAccounts set, as
// google-oauth2 has.
func (t *Tenant) ConnectAccount(email string, a ConnectedAccount) {
	t.must(t.t.ConnectAccount(email, a))
}

// AllowConnectedAccounts turns on what [auth0.Strategy.ConnectAccountHandler]
// needs, mounted at a path of the web application: the browser may come back
// there, and refresh tokens get tokens for the My Account API. Accounts can be
// connected at connections that have ConnectedAccounts set.
func (t *Tenant) AllowConnectedAccounts(path string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		c.CallbackURLs = append(c.CallbackURLs, strings.TrimSuffix(t.config.BaseURL, "/")+path)
		c.RefreshTokenPolicies = append(c.RefreshTokenPolicies, emulator.ClientGrant{Audience: t.t.Issuer() + "me/",
			Scopes: []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}})
	}))
}

// SignIn makes the named person log in wherever the tenant would show a page,
// until [Tenant.SignOut]. At a third party that is not there the person agrees,
// and connects the account with the same email address, or else the first one.
func (t *Tenant) SignIn(email string) { t.must(t.t.SignIn(email)) }

// SignOut undoes [Tenant.SignIn] and ends every session at the tenant.
func (t *Tenant) SignOut() { t.t.SignOut() }

// UseKey makes the application authenticate with a key, as
// [auth0.PrivateKeyJWT] does. Its secret is then no good, as at Auth0.
func (t *Tenant) UseKey(public *rsa.PublicKey, algorithm, keyID string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		c.AuthMethod = "private_key_jwt"
		c.Keys = []emulator.ClientKey{{ID: keyID, Algorithm: algorithm, Public: public}}
	}))
}

// AllowPushedRequests turns on what [auth0.Config].PushedAuthorizationRequests
// needs.
func (t *Tenant) AllowPushedRequests() { t.t.AllowPushedRequests(true) }

// DenyLogin makes the next login, or the next account that is to be connected,
// come back with an error, such as "access_denied".
func (t *Tenant) DenyLogin(code, description string) { t.t.DenyNext(code, description) }

// RotateKeys makes the tenant sign with its next key. The old one stays good
// until [Tenant.RevokeKeys].
func (t *Tenant) RotateKeys() { t.t.RotateKeys() }

// RevokeKeys takes the keys back that were used before the last rotation.
func (t *Tenant) RevokeKeys() { t.t.RevokeOldKeys() }

// Fail makes every answer of an endpoint have the given status, and the body
// that goes with it, until it is called with 0.
func (t *Tenant) Fail(e Endpoint, status int) { t.t.Fail(e, status) }

// FailJWKS is Fail for the keys.
func (t *Tenant) FailJWKS(status int) { t.t.Fail(JWKS, status) }

// Delay makes an endpoint wait before it answers.
func (t *Tenant) Delay(e Endpoint, d time.Duration) { t.t.Delay(e, d) }

// Calls returns how many requests an endpoint has had.
func (t *Tenant) Calls(e Endpoint) int { return t.t.Calls(e) }

// JWKSFetches returns how often the keys were fetched.
func (t *Tenant) JWKSFetches() int { return t.t.Calls(JWKS) }

// EditIDToken changes every ID token before it is signed; nil ends that.
func (t *Tenant) EditIDToken(edit func(header, claims map[string]any)) { t.t.EditIDToken(edit) }

// EditTokenResponse changes every answer of the token endpoint; nil ends that.
func (t *Tenant) EditTokenResponse(edit func(status *int, body map[string]any)) {
	t.t.EditTokenResponse(edit)
}

// SignWithForeignKey makes the tenant sign with a key that is not one of its
// own, as a forger would.
func (t *Tenant) SignWithForeignKey(on bool) { t.t.SignWithForeignKey(on) }

// SetTokenLifetime sets for how long access tokens for an API are good.
func (t *Tenant) SetTokenLifetime(audience string, d time.Duration) {
	t.must(t.t.EditAPI(audience, func(a *emulator.API) { a.Lifetime = d }))
}

// RotateRefreshTokens makes refresh tokens good for one use. The one before the
// last works for the overlap time; any other reuse revokes all that came from
// the same login.
func (t *Tenant) RotateRefreshTokens(overlap time.Duration) {
	t.editClients(func(c *emulator.Client) { c.RotatingRefreshTokens, c.RefreshTokenLeeway = true, overlap })
}

// RevokeRefreshTokens makes all refresh tokens of a person worthless.
func (t *Tenant) RevokeRefreshTokens(email string) { t.t.RevokeRefreshTokens(email) }

// AllowRefreshFor lets refresh tokens of the applications get tokens for another
// API too, with [auth0.ForAudience]. If there is none with that identifier,
// there is one from now on.
func (t *Tenant) AllowRefreshFor(audience string, scopes ...string) {
	if t.t.EditAPI(audience, func(*emulator.API) {}) != nil {
		t.must(t.t.AddAPI(emulator.API{Audience: audience, Name: audience, Scopes: scopes, AllowOfflineAccess: true}))
	}
	t.editClients(func(c *emulator.Client) {
		c.RefreshTokenPolicies = append(slices.Clip(c.RefreshTokenPolicies), emulator.ClientGrant{Audience: audience, Scopes: scopes})
	})
}

// BackchannelLogout ends the sessions of a person at the tenant and tells the
// application, as Auth0 does when a password was changed: for each it posts a
// logout token to /auth/backchannel-logout. App is the application, or nil for
// one that listens at the address given to [Serve]. It fails the test if the
// person has no session or the application does not accept the token; see
// [Tenant.LogoutToken] for tokens that it should not accept.
func (t *Tenant) BackchannelLogout(app http.Handler, email string) {
	client := &http.Client{}
	if app != nil {
		client.Transport = network{strings.TrimPrefix(AppURL, "https://"): app}
	}
	t.must(t.t.BackchannelLogout(client, clientID, email))
}

// A TokenOption changes a token that is made without a login.
type TokenOption func(header, claims map[string]any)

// AccessToken returns an access token for the API of the last
// [Tenant.APIConfig]. Without options it is good for an hour, for ada, with no
// scope and no permission.
func (t *Tenant) AccessToken(options ...TokenOption) string {
	t.mu.Lock()
	audience := t.audience
	t.mu.Unlock()
	subject, _ := t.t.Subject("ada@acme.example")
	return t.t.AccessToken(subject, audience, func(header, claims map[string]any) {
		delete(claims, "permissions")
		delete(claims, "scope")
		claims["azp"] = clientID
		claims["exp"] = time.Now().Add(time.Hour).Unix()
		for _, o := range options {
			o(header, claims)
		}
	})
}

// IDToken returns an ID token of ada for the application. APIs must refuse it.
func (t *Tenant) IDToken(options ...TokenOption) string {
	subject, _ := t.t.Subject("ada@acme.example")
	return t.t.IDToken(clientID, subject, func(header, claims map[string]any) {
		for _, o := range options {
			o(header, claims)
		}
	})
}

// LogoutToken returns a logout token (OpenID Connect Back-Channel Logout 1.0) as
// the tenant posts it when all sessions of ada end: to name one, set the claim
// sid.
func (t *Tenant) LogoutToken(options ...TokenOption) string {
	return t.t.LogoutToken(clientID, "ada@acme.example", "", func(header, claims map[string]any) {
		for _, o := range options {
			o(header, claims)
		}
	})
}

// Subject sets sub.
func Subject(sub string) TokenOption { return Claim("sub", sub) }

// Scope sets scope.
func Scope(scopes ...string) TokenOption { return Claim("scope", strings.Join(scopes, " ")) }

// Permissions sets permissions.
func Permissions(permissions ...string) TokenOption { return Claim("permissions", permissions) }

// ExpiresIn sets exp, counted from now. A negative duration makes a token that
// has expired.
func ExpiresIn(d time.Duration) TokenOption {
	return func(_, claims map[string]any) { claims["exp"] = time.Now().Add(d).Unix() }
}

// Claim sets any claim; nil removes it.
func Claim(name string, value any) TokenOption {
	return func(_, claims map[string]any) {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
}

// Header sets any member of the JOSE header; nil removes it.
func Header(name string, value any) TokenOption {
	return func(header, _ map[string]any) { header[name] = value }
}

// Browser returns a client that keeps cookies, follows redirects and reaches
// the application at [AppURL] and the tenant. It sends what a browser sends
// when somebody types an address.
func (t *Tenant) Browser(app http.Handler) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // unreachable: without options it cannot fail
	}
	hosts := network{strings.TrimPrefix(AppURL, "https://"): app}
	if u, err := url.Parse(t.t.Issuer()); err == nil {
		hosts[u.Host] = t.t
	}
	return &http.Client{Jar: jar, Transport: navigation{hosts}}
}

// navigation adds the headers of a browser that loads a page whose address a person
// has typed.
type navigation struct{ next http.RoundTripper }

func (n navigation) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range map[string]string{
		"Accept":         "text/html,application/xhtml+xml,*/*;q=0.8",
		"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none", "Sec-Fetch-User": "?1",
	} {
		if r.Header.Get(name) == "" {
			r.Header.Set(name, value)
		}
	}
	return n.next.RoundTrip(r)
}
