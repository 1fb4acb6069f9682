// Package auth0test runs a tenant that behaves like Auth0 inside a test or an example
// program, so that logins and access tokens can be tried without an account and without
// a network.
//
// For an API:
//
//	tenant := auth0test.NewTenant(t)
//	api, err := auth0.NewAPI(tenant.APIConfig("https://api.acme.example/"))
//	...
//	r.Header.Set("Authorization", "Bearer "+tenant.AccessToken(auth0test.Permissions("read:protected")))
//
// [ProofKey] makes DPoP proofs, and [BoundTo] the tokens that require them.
//
// For a web application, [Tenant.Browser] returns a client with cookies that
// reaches both the application and the tenant, and [Tenant.LogIn] names the user
// who logs in:
//
//	tenant := auth0test.NewTenant(t)
//	strategy, err := auth0.New(tenant.Config())
//	...
//	tenant.LogIn("ada@acme.example")
//	resp, err := tenant.Browser(app).Get(auth0test.AppURL + "/profile")
//
// The tenant answers as Auth0 does, errors included: see [Tenant.Fail],
// [Tenant.Delay], [Tenant.EditIDToken] and [Tenant.EditAccessToken]. The code under
// test is the code that runs in production; only the HTTP client differs. It also
// works inside [testing/synctest].
//
// [Serve] makes a tenant listen on an address, for real browsers.
//
// Every tenant starts with the same users, an API, and two applications at [AppURL] or
// the URL given to Serve: the web application of [Tenant.Config], and a single-page
// application, [SPAClientID], for tests in which the page itself logs in.
//
//	ada@acme.example     database, password "correct horse", has the permission read:protected
//	bob@acme.example     database, password "correct horse", has no permission
//	grace@gmail.example  Google, has no permission
//	linus@github.example GitHub, has the permission read:protected
//
// and one each for the connections partner-idp, fabrikam-entra and
// customer-saml. Ada belongs to the organizations acme-eu and acme-labs; see
// [Tenant.AddMember] for roles and permissions in one of them.
package auth0test

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"html"
	"io"
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

// The names of the application and the API of every tenant.
const (
	// AppURL is the base URL of the application in [Tenant.Config].
	AppURL = "https://app.acme.example"
	// Audience is the identifier of the API.
	Audience = "https://api.acme.example/"
	// SPAClientID is the client id of a single-page application. It has no secret and
	// must use PKCE. Scripts of its origin may call the tenant. Its callback URLs are
	// its base URL, with or without a slash at the end, and /callback below it.
	SPAClientID = "Qw3nT8xKfV5rYc1uJm7ZbE0sLhD6iGpA"

	directory    = "Username-Password-Authentication"
	host         = "acme.auth0.example"
	clientID     = "9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go"
	clientSecret = publicsecret.TestClient
	cookieSecret = publicsecret.TestCookie
)

// TB is the part of [testing.TB] that the package uses. It is declared here so that
// programs with [Serve] do not link package testing.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// A Tenant is an Auth0-shaped tenant. Its methods may be called concurrently.
type Tenant struct {
	faults // with the emulator

	tb     TB
	config auth0.Config
	stop   func() error

	mu       sync.Mutex
	audience string   // of the last APIConfig
	hosts    []string // the application's hosts for browsers and for the tenant
}

// NewTenant returns a tenant that only the HTTP clients of [Tenant.Config],
// [Tenant.APIConfig] and [Tenant.Browser] reach. Its domain is acme.auth0.example.
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

// Serve makes a tenant listen on a TCP address of this machine, such as
// "127.0.0.1:0", for the application at baseURL, such as "http://localhost:3000".
// [Tenant.Config] is then for a provider on this machine. Close stops it.
//
// The tenant lets every user in, so Serve returns an error for an address that other
// machines can reach, and for a baseURL that names neither this machine nor a domain
// reserved for tests (RFC 6761).
func Serve(addr, baseURL string) (*Tenant, error) {
	if _, err := appURL(baseURL); err != nil {
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	base := "http://" + listener.Addr().String()
	if !publicsecret.MayBeUsed(base) {
		listener.Close()
		return nil, fmt.Errorf("auth0test: other machines can reach %s, and the tenant lets every user in; use 127.0.0.1", listener.Addr())
	}
	inner, err := emulator.New(emulator.Config{URL: base, OrganizationNames: true, DefaultDirectory: directory})
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("auth0test: %w", err)
	}
	made, err := newTenant(inner, baseURL)
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

func newTenant(inner *emulator.Tenant, baseURL string) (*Tenant, error) {
	err := inner.AddDemo(emulator.Demo{ClientID: clientID, ClientSecret: clientSecret, SPAClientID: SPAClientID, BaseURL: baseURL, Audience: Audience})
	if err != nil {
		return nil, err
	}
	return &Tenant{faults: faults{t: inner}, audience: Audience, hosts: []string{strings.TrimPrefix(AppURL, "https://")}, config: auth0.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		BaseURL:      baseURL,
		Secrets:      []string{cookieSecret},
		Audience:     Audience,
	}}, nil
}

// Close stops a tenant started by [Serve].
func (t *Tenant) Close() error {
	if t.stop == nil {
		return nil
	}
	return t.stop()
}

// Config returns a configuration for the tenant's web application, which the test
// can change. Its client secret and its cookie secret are published with this
// package and protect nothing: [auth0.New] rejects them for a real domain.
func (t *Tenant) Config() auth0.Config { return t.config }

// APIConfig returns a configuration for an API of the tenant. It adds the API if
// the tenant has none with that identifier. Tokens of [Tenant.AccessToken] are for
// the API of the last call.
func (t *Tenant) APIConfig(audience string) auth0.APIConfig {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.audience = audience
	if audience != "" {
		t.editAPI(audience, func(*emulator.API) {})
	}
	return auth0.APIConfig{Domain: t.config.Domain, Audience: audience, HTTPClient: t.config.HTTPClient}
}

// boundByDPoP is the setting of the APIs: a proof binds the token.
var boundByDPoP = emulator.ProofOfPossession{Mechanism: "dpop"}

// editAPI changes an API, which it adds if the tenant has none with the identifier.
func (t *Tenant) editAPI(audience string, edit func(*emulator.API)) {
	if t.t.EditAPI(audience, edit) == nil {
		return
	}
	api := emulator.API{Audience: audience, Name: audience, RBAC: true, AllowOfflineAccess: true, ProofOfPossession: boundByDPoP}
	edit(&api)
	t.must(t.t.AddAPI(api))
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

// URL returns the issuer, which is the URL of the tenant with a slash at the end.
func (t *Tenant) URL() string { return t.t.Issuer() }

// NameApp sets the name of the applications on the tenant's pages.
func (t *Tenant) NameApp(name string) {
	t.editClients(func(c *emulator.Client) { c.Name = name })
}

func (t *Tenant) editClients(edit func(*emulator.Client)) {
	for _, id := range []string{clientID, SPAClientID} {
		t.must(t.t.EditClient(id, edit))
	}
}

// AddUser adds a user, or replaces the one with the same connection and id.
func (t *Tenant) AddUser(u User) { t.must(t.t.AddUser(emulator.User(u))) }

// AddMember makes the user with the email address a member of an organization,
// which is named by id or name, or replaces the membership. Roles, permissions and
// claims in m are those of logins to the organization only.
func (t *Tenant) AddMember(email, organization string, m Membership) {
	t.must(t.t.AddMember(email, organization, emulator.Membership(m)))
}

// UseRolesClaim sets the claim in which ID tokens, /userinfo and access tokens
// carry the names of the user's roles, for example "https://acme.example/roles".
// Auth0 has no such claim: an Action adds it. The empty name, the default, means
// that no token has roles.
func (t *Tenant) UseRolesClaim(name string) { t.t.SetRolesClaim(name) }

// AddOrganization adds an organization, or replaces the one with the same id.
func (t *Tenant) AddOrganization(o Organization) { t.must(t.t.AddOrganization(organization(o))) }

// UseOrganizations sets two properties of the applications, as Auth0 names them.
//
// organization_usage is "deny", "allow", which is the default, or "require".
//
// organization_require_behavior is for logins that name no organization. It is
// "no_prompt", which is the default, "pre_login_prompt" for a page that asks for the
// name of one, or "post_login_prompt" for a page with the organizations of the user. The
// user of [Tenant.LogIn] enters the first.
func (t *Tenant) UseOrganizations(usage, behavior string) {
	t.editClients(func(c *emulator.Client) { c.OrganizationUsage, c.OrganizationRequireBehavior = usage, behavior })
}

// AddConnection adds a connection, or replaces the one with the same name, and
// enables it for the applications.
func (t *Tenant) AddConnection(c Connection) {
	t.must(t.t.AddConnection(emulator.Connection(c)))
	t.editClients(func(client *emulator.Client) {
		if !slices.Contains(client.Connections, c.Name) {
			client.Connections = append(slices.Clip(client.Connections), c.Name)
		}
	})
}

// AllowClientCredentials lets the application get access tokens for an API by the
// client credentials grant.
func (t *Tenant) AllowClientCredentials(audience string, scopes ...string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		c.Grants = append(c.Grants, emulator.ClientGrant{Audience: audience, Scopes: scopes})
	}))
}

// AddTokenExchange adds a token exchange profile for subject tokens of a type,
// as an Action would: the function returns the email address of the token's user.
func (t *Tenant) AddTokenExchange(subjectTokenType string, user func(token string) (email string, ok bool)) {
	t.must(t.t.AddTokenExchange(subjectTokenType, user))
}

// ExchangesTokensOf makes the application the API with the identifier, so that it
// can exchange the access tokens that it receives.
func (t *Tenant) ExchangesTokensOf(audience string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) { c.ResourceServer = audience }))
}

// Mail returns the code and the link of the last message to an email address or a phone
// number. They are empty if the tenant has sent none.
func (t *Tenant) Mail(address string) (code, link string) { return t.t.Mail(address) }

// AnswerPush answers the push notifications of a user with the factor "push".
func (t *Tenant) AnswerPush(email string, approve bool) { t.t.AnswerPush(email, approve) }

// AllowManagement adds scopes to the web application's scopes for the Management API,
// which let it list connections.
func (t *Tenant) AllowManagement(scopes ...string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		for i := range c.Grants {
			if c.Grants[i].Audience == t.t.Issuer()+"api/v2/" {
				c.Grants[i].Scopes = append(c.Grants[i].Scopes, scopes...)
			}
		}
	}))
}

// ConnectAccount gives a user an account at a third party, for tokens with
// [auth0.ForConnection]. The connection must have ConnectedAccounts set, as
// google-oauth2 has.
func (t *Tenant) ConnectAccount(email string, a ConnectedAccount) {
	t.must(t.t.ConnectAccount(email, emulator.ConnectedAccount(a)))
}

// AllowCallback adds to the callback URLs that the tenant allows the web
// application, for one with another [auth0.Config].CallbackPath than
// /auth/callback. A path stands for the URL below the base URL of [Tenant.Config].
// [Tenant.Browser] reaches the application at the host of every callback URL. A
// host that real users can reach fails the test.
func (t *Tenant) AllowCallback(urls ...string) {
	t.editApp(urls, func(c *emulator.Client, url string) { c.CallbackURLs = append(c.CallbackURLs, url) })
}

// AllowLogout adds to the URLs to which the tenant redirects after a logout of the web
// application. The base URL of [Tenant.Config] is always one of them. It treats urls as
// [Tenant.AllowCallback] does.
func (t *Tenant) AllowLogout(urls ...string) {
	t.editApp(urls, func(c *emulator.Client, url string) { c.LogoutURLs = append(c.LogoutURLs, url) })
}

// UseBackchannelLogout sets the URL to which [Tenant.BackchannelLogout] posts, for
// a web application with another [auth0.Config].BackchannelLogoutPath than
// /auth/backchannel-logout. It treats url as [Tenant.AllowCallback] does.
func (t *Tenant) UseBackchannelLogout(url string) {
	t.editApp([]string{url}, func(c *emulator.Client, url string) { c.BackchannelLogoutURLs = []string{url} })
}

// editApp changes the web application, once for each URL.
func (t *Tenant) editApp(urls []string, edit func(c *emulator.Client, url string)) {
	for _, raw := range urls {
		if strings.HasPrefix(raw, "/") {
			raw = strings.TrimSuffix(t.config.BaseURL, "/") + raw
		}
		u, err := appURL(raw)
		t.must(err)
		t.must(t.t.EditClient(clientID, func(c *emulator.Client) { edit(c, raw) }))
		t.mu.Lock()
		t.hosts = append(t.hosts, u.Host)
		t.mu.Unlock()
	}
}

// appURL parses the URL of an application. It rejects one at a host that real users can
// reach, because the tenant lets every user in. A native application can have its own
// scheme and no host.
func appURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme == "" || u.User != nil:
		return nil, fmt.Errorf("%q is not a URL", raw)
	case u.Scheme != "http" && u.Scheme != "https":
		return u, nil
	case !publicsecret.MayBeUsed(raw):
		return nil, fmt.Errorf("real users can reach %q, and the tenant lets every user in; use localhost, or a name under .example, .test or .localhost", raw)
	}
	return u, nil
}

// AllowConnectedAccounts allows [auth0.Strategy.ConnectAccountHandler] at a path of
// the web application: the path becomes a callback URL, and refresh
// tokens get tokens for the My Account API. Accounts can be connected at
// connections that have ConnectedAccounts set.
func (t *Tenant) AllowConnectedAccounts(path string) {
	t.AllowCallback(path)
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		c.RefreshTokenPolicies = append(c.RefreshTokenPolicies, emulator.ClientGrant{Audience: t.t.Issuer() + "me/",
			Scopes: []string{"create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts"}})
	}))
}

// LogIn makes the user with the email address log in wherever the tenant would show a
// page, until [Tenant.LogOut]. At a simulated third party the user agrees, and connects
// the account with the same email address, or else the first one.
func (t *Tenant) LogIn(email string) { t.must(t.t.LogIn(email)) }

// LogOut undoes [Tenant.LogIn] and ends every session at the tenant.
func (t *Tenant) LogOut() { t.t.LogOut() }

// UseKey makes the application authenticate with a key, as [auth0.PrivateKeyJWT]
// does. The tenant then rejects its secret, as Auth0 does.
func (t *Tenant) UseKey(public *rsa.PublicKey, algorithm, keyID string) {
	t.must(t.t.EditClient(clientID, func(c *emulator.Client) {
		c.AuthMethod = "private_key_jwt"
		c.Keys = []emulator.ClientKey{{ID: keyID, Algorithm: algorithm, Public: public}}
	}))
}

// AllowPushedRequests turns on pushed authorization requests, which
// [auth0.Config].PushedAuthorizationRequests requires.
func (t *Tenant) AllowPushedRequests() { t.t.AllowPushedRequests(true) }

// SetTokenLifetime sets the lifetime of access tokens for an API. The default is 24
// hours.
func (t *Tenant) SetTokenLifetime(audience string, d time.Duration) {
	t.must(t.t.EditAPI(audience, func(a *emulator.API) { a.Lifetime = d }))
}

// RotateRefreshTokens turns on refresh token rotation: a refresh token works once. The
// previous one works for the time overlap. Any other reuse revokes all refresh tokens of
// the login.
func (t *Tenant) RotateRefreshTokens(overlap time.Duration) {
	t.editClients(func(c *emulator.Client) { c.RotatingRefreshTokens, c.RefreshTokenLeeway = true, overlap })
}

// RevokeRefreshTokens revokes all refresh tokens of a user.
func (t *Tenant) RevokeRefreshTokens(email string) { t.t.RevokeRefreshTokens(email) }

// AllowRefreshFor lets refresh tokens of the applications get tokens for another
// API too, with [auth0.ForAudience]. It adds the API if the tenant has none with
// that identifier.
func (t *Tenant) AllowRefreshFor(audience string, scopes ...string) {
	if t.t.EditAPI(audience, func(*emulator.API) {}) != nil {
		t.must(t.t.AddAPI(emulator.API{Audience: audience, Name: audience, Scopes: scopes, AllowOfflineAccess: true, ProofOfPossession: boundByDPoP}))
	}
	t.editClients(func(c *emulator.Client) {
		c.RefreshTokenPolicies = append(slices.Clip(c.RefreshTokenPolicies), emulator.ClientGrant{Audience: audience, Scopes: scopes})
	})
}

// BackchannelLogout ends the sessions of a user at the tenant and notifies the
// application, as Auth0 does after a password change. For each session it posts a logout
// token to /auth/backchannel-logout, or to the URL of [Tenant.UseBackchannelLogout]. App
// is the application, or nil for one that listens at the address given to [Serve]. It
// fails the test if the user has no session or the application rejects the token. See
// [Tenant.LogoutToken] for tokens that it should reject.
func (t *Tenant) BackchannelLogout(app http.Handler, email string) {
	client := &http.Client{}
	if app != nil {
		client.Transport = t.app(app)
	}
	t.must(t.t.BackchannelLogout(client, clientID, email))
}

// Browser returns a client that keeps cookies, and follows redirects and pages that
// redirect at once (a Strategy's answer to a form). It reaches the tenant, and the
// application at [AppURL] and at the hosts of the callback URLs that
// [Tenant.AllowCallback] added. It sends the headers of a browser whose user typed the
// address.
func (t *Tenant) Browser(app http.Handler) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // unreachable: without options it cannot fail
	}
	hosts := t.app(app)
	if u, err := url.Parse(t.t.Issuer()); err == nil {
		hosts[u.Host] = t.t
	}
	return &http.Client{Jar: jar, Transport: navigation{hosts}}
}

// app returns a network that reaches the application at all its hosts.
func (t *Tenant) app(handler http.Handler) network {
	hosts := network{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, host := range t.hosts {
		hosts[host] = handler
	}
	return hosts
}

// navigation adds the headers of a browser that loads a page whose address the user
// typed.
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
	resp, err := n.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK || r.Method != http.MethodPost {
		return resp, err
	}
	return goOn(resp)
}

// goOn turns a page that redirects at once into a redirect. A browser follows that page,
// and http.Client does not.
func goOn(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	_, rest, found := strings.Cut(string(body), `<meta http-equiv="refresh" content="0; url=`)
	if target, _, ok := strings.Cut(rest, `"`); found && ok {
		resp.StatusCode, resp.Status = http.StatusSeeOther, "303 See Other"
		resp.Header.Set("Location", html.UnescapeString(target))
	}
	return resp, nil
}
