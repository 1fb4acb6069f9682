package auth0

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/direct"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/logging"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"github.com/seed-15d5a55c/auth0/internal/userinfo"
	"golang.org/x/oauth2"
)

// An Application is an application registered at the tenant. Its methods need neither a
// session nor net/http: the grants of OAuth 2.0, logins of programs without net/http,
// token exchange, userinfo. [New] makes one as part of a [Strategy]. [NewApplication]
// makes one for a program without web pages: a worker, a command, a service. Its
// methods can be called concurrently.
type Application struct {
	client    *provider.Client
	keys      *KeySet
	idTokens  *idtoken.Verifier
	logins    *direct.Logins
	grants    *grants.Grants
	keyring   seal.Keyring
	vault     *renew.Tokens // for tokens without a session
	keepClaim func(name string) bool
	now       func() time.Time
}

// NewApplication checks a configuration and returns an Application. It makes no
// request. The error lists every mistake, with its field.
//
// It requires Domain, ClientID, and ClientSecret or ClientAuthentication. It ignores
// the fields for routes, cookies, sessions, logouts and lists of connections. BaseURL
// can be empty. Secrets can be empty too: NewApplication then makes a random key for
// this process. Transactions of [Application.AuthCodeURL] and texts of [MFA.Seal]
// then open in this process only.
func NewApplication(c Config) (*Application, error) {
	p := problems{of: "Config"}
	c = c.clone()
	if len(c.Secrets) == 0 {
		c.Secrets = []string{hex.EncodeToString([]byte(rand.Text() + rand.Text()))[:64]}
	}
	log := logging.New(c.Logger)
	where := site.Elsewhere(log)
	if c.BaseURL != "" {
		where = newSite(&p, c, log)
	}
	a := newApplication(&p, c, where, checkResponse(&p, c, where), nil)
	if err := p.joined(); err != nil {
		return nil, err
	}
	return a, nil
}

// newApplication makes the part of a configuration that needs no browser. Cookies is
// nil for an application without cookies.
func newApplication(p *problems, c Config, where *site.Site, response login.Response, cookies *cookie.Names) *Application {
	a := &Application{now: c.Now, keepClaim: c.KeepClaim}
	log := where.Log()
	if a.now == nil {
		a.now = time.Now
	}
	tenant := provider.NewTenant(p.add, c.Domain)
	client := fetch.NewClient(c.HTTPClient, provider.Outgoing(tenant.Issuer, c.Telemetry))
	tenant.DiscoverWith(p.add, client, c.EndpointOrigins, log)
	a.client = &provider.Client{
		ID: c.ClientID, Auth: c.ClientAuthentication.method.OrSecret(p.add, c.ClientSecret, response.HasCode()), Tenant: &tenant, HTTP: client, Base: c.HTTPClient, Now: a.now,
	}
	a.client.Proofs = newProofKeys(p, c.ProofKey, &tenant, a.now)
	p.require("ClientID", c.ClientID)
	if c.ClientAuthentication.method.Name != "" {
		if err := a.client.Check(a.client.Auth); err != nil {
			p.add("ClientAuthentication", "%v", err)
		}
	}
	checkCredentials(p, c)
	options := optionsOf(c.LoginOptions)
	if c.Audience != "" {
		options = slices.Insert(options, 0, authrequest.Audience(c.Audience))
	}
	if _, err := authrequest.New(options...); err != nil {
		p.add("LoginOptions", "%v", err)
	}
	a.keyring = newKeyring(p, c, tenant.Issuer, cookies)
	life, err := transaction.CheckLife(c.LoginTimeout)
	if err != nil {
		p.add("LoginTimeout", "%v", err)
	}
	transactions := &transaction.Jar{Cookies: cookies, Keyring: a.keyring, Issuer: tenant.Issuer, ClientID: c.ClientID, Life: life, Now: a.now}
	a.keys = newKeySet(&tenant, "", client, log, c.Observer)
	idTokenKeys := checkKeys(p, c.Keys, a.keys)
	if !idTokenKeys.set.IsShared() {
		a.keys = idTokenKeys
	}
	a.idTokens = &idtoken.Verifier{
		ClientID: c.ClientID, Algorithms: checkAlgorithms(p, c.Algorithms, idTokenKeys.set.IsShared()), Leeway: checkedLeeway(p, c.Leeway, time.Minute),
		Keys: idTokenKeys.set, Now: a.now,
	}
	flow := login.NewFlow(login.Config{
		Client: a.client, IDTokens: a.idTokens, ResponseType: response.Type, ResponseMode: response.Mode, Scopes: login.CheckScopes(p.add, c.Scopes),
		Pushed: c.PushedAuthorizationRequests, CheckOrganization: organizationHook(c.CheckOrganization), Now: a.now,
	})
	if r, err := authrequest.New(options...); err == nil && a.client.Proofs.Binds() {
		if err := flow.CheckPage(r); err != nil {
			p.add("LoginOptions", "%v", errors.Unwrap(err))
		}
	}
	a.grants = grants.New(grants.Config{
		Client: a.client, Scopes: flow.Scopes, Audience: c.Audience, Keyring: a.keyring, Now: a.now,
		MFA: func(m grants.MFA) any { return a.newMFA(m) },
	})
	a.logins = &direct.Logins{Flow: flow, Grants: a.grants, Site: where, Transactions: transactions, Options: options}
	a.vault = renew.New(renew.Config{Client: a.client, Now: a.now, Log: log})
	return a
}

// ready returns an error for an Application that was not made by a constructor.
func (a *Application) ready() error {
	if a == nil || a.client == nil {
		return refusal.Misconfigured.Because("this Application was not made by NewApplication or New")
	}
	return nil
}

// KeySet returns the tenant's keys, or [Config].Keys unless that is a [SharedSecret].
// Set it as [APIConfig].Keys of an API of the same tenant, so that both share one
// cache.
func (a *Application) KeySet() *KeySet {
	if a.ready() != nil {
		return nil
	}
	return a.keys
}

// Issuer returns the configured issuer: https://DOMAIN/ for an Auth0 tenant, else the
// URL in [Config].Domain.
func (a *Application) Issuer() string {
	if a.ready() != nil {
		return ""
	}
	return a.client.Tenant.Issuer
}

// Endpoint returns the tenant's endpoints for other libraries that use package
// oauth2. For an Auth0 tenant it makes no request. For another provider it fetches
// the discovery document, which is cached. The error is [ErrTenantUnavailable] if the
// fetch fails.
func (a *Application) Endpoint(ctx context.Context) (oauth2.Endpoint, error) {
	return op("endpoint", a, func() (oauth2.Endpoint, error) {
		ep, err := a.client.Endpoints(ctx)
		return oauth2.Endpoint{AuthURL: ep.AuthorizationEndpoint, TokenURL: ep.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams}, err
	})
}

// AuthCodeURL starts a login in a program without net/http, or a login that does not
// start a session, such as the proof of a second account. It returns the authorization
// URL for the browser, and the encrypted login transaction. The program keeps the
// transaction for that browser, and passes it to [Application.Exchange] with the
// tenant's response.
//
// RedirectURI is an Allowed Callback URL of the application, without a fragment (RFC
// 6749, Section 3.1.2). If [Config].BaseURL is set, the redirect URI must be below it
// or below one of BaseURLs. It must not be the route of [Strategy.CallbackHandler],
// which does not have the transaction: it ignores the response and logs a warning.
func (a *Application) AuthCodeURL(ctx context.Context, redirectURI string, opts ...LoginOption) (authURL, transaction string, err error) {
	begun, err := op("login", a, func() (direct.Begun, error) { return a.logins.Begin(ctx, redirectURI, optionsOf(opts)) })
	return begun.URL, begun.Transaction, err
}

// Exchange completes a login that [Application.AuthCodeURL] started. Answer holds the
// parameters that the tenant sent to the redirect URI, in the query or in a form. A
// transaction is valid for one response: the caller must delete it, unless
// [Error].Status is 500 or more. The same response can then succeed later.
func (a *Application) Exchange(ctx context.Context, transaction string, answer url.Values) (*Login, error) {
	return op("callback", a, func() (*Login, error) { return a.login(a.logins.Complete(ctx, transaction, answer)) })
}

// login returns the public view of a login, or the error.
func (a *Application) login(l *login.Accepted, err error) (*Login, error) {
	if err != nil {
		return nil, err
	}
	return a.loginOf(l), nil
}

// loginOf returns the public view of a login.
func (a *Application) loginOf(l *login.Accepted) *Login {
	c := l.Identity.Claims
	return &Login{
		User: newUser(c.Issuer, c.Subject, l.Claims(a.keepClaim)), ReturnTo: l.ReturnTo, AppState: l.AppState, Data: l.Data,
		by: a.logins.Flow, accepted: secret.Of(l),
	}
}

// loginHook returns Config.AfterLogin as a function for the engines.
func (a *Application) loginHook(hook func(context.Context, *Login) error) func(context.Context, *login.Accepted) error {
	if hook == nil {
		return nil
	}
	return func(ctx context.Context, accepted *login.Accepted) error {
		l := a.loginOf(accepted)
		if err := hook(ctx, l); err != nil {
			return hookError(err, refusal.AfterLogin, outageError)
		}
		accepted.ReturnTo, accepted.Data = l.ReturnTo, l.Data
		return nil
	}
}

// Revoke revokes a refresh token at the tenant (RFC 7009). Auth0 also revokes the
// grant behind the token, unless the tenant's settings say otherwise.
// [Strategy.LogoutHandler] revokes the session's refresh token. The error is
// [ErrTenantUnavailable] if the tenant is unreachable; the token can then still be
// valid. It is [ErrGrantNotAllowed] if the provider has no revocation endpoint.
func (a *Application) Revoke(ctx context.Context, refreshToken string) error {
	return do("revoke", a, func() error {
		if refreshToken == "" {
			return refusal.GrantRequest.Because("the refresh token is empty")
		}
		err := a.client.Revoke(ctx, refreshToken)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, provider.ErrNoEndpoint):
			return refusal.Grant.Because("the provider has no revocation endpoint")
		}
		return tenanterror.Meaning(tenanterror.Grant, err)
	})
}

// UserInfo requests the current claims of a user from the tenant (OpenID Connect Core
// 1.0, Section 5.3). The token is an access token with the scope openid, for example of
// [Strategy.AccessToken]. Subject is the user's, from a verified ID token. A response
// about another subject is rejected. Otherwise an attacker who replaces the token could
// replace the user (Section 5.3.2).
//
// Auth0 answers five requests per minute for one user. Put claims that a page needs at
// every request into the ID token, and read them from [Session].
//
// A bound token is sent with a proof, see [Config].ProofKey.
//
// The Reason of the error is token_not_accepted if the tenant rejects the token.
func (a *Application) UserInfo(ctx context.Context, token *oauth2.Token, subject string) (User, error) {
	return op("userinfo", a, func() (User, error) {
		issuer, claims, err := userinfo.Get(ctx, a.client, token, subject)
		if err != nil {
			return User{}, err
		}
		return newUser(issuer, subject, claims), nil
	})
}

// ImplicitURL starts a login by the implicit grant (RFC 6749, Section 4.2), for old
// applications with a page that gets an access token. ResponseType is "token" or
// "id_token token". RedirectURI is the URL of the page, an Allowed Callback URL. The
// tenant redirects the browser there, with its response in the fragment of the URL,
// which only a script of the page sees. The page posts the parameters of the fragment
// to the application, and the application passes them to [Application.VerifyImplicit],
// as in examples/implicit.
//
// Keep the transaction for that browser until then, for example in a cookie that is
// HttpOnly and SameSite=Lax. It is encrypted.
//
// Use it only for existing applications. Tokens in URLs get into histories and other
// scripts, nothing binds them to a client, and only another login renews them; RFC
// 9700, Section 2.1.2 advises against them. A page that needs its own token should
// use the authorization code grant with PKCE, as in examples/api. A page that calls
// only its own server needs a session, but no token.
func (a *Application) ImplicitURL(ctx context.Context, responseType, redirectURI string, opts ...LoginOption) (authURL, transaction string, err error) {
	begun, err := op("login", a, func() (direct.Begun, error) {
		return a.logins.BeginImplicit(ctx, redirectURI, responseType, optionsOf(opts))
	})
	return begun.URL, begun.Transaction, err
}

// An ImplicitGrant is a response that [Application.VerifyImplicit] has verified.
type ImplicitGrant struct {
	// Login is the verified login. It is nil for the response type token: an access
	// token alone does not prove who is present, because anyone can hold it.
	Login *Login
	// ReturnTo is the return URL, the page's next URL.
	ReturnTo string
	// AppState is the value of WithAppState, nil without it.
	AppState json.RawMessage

	token secret.Box[*oauth2.Token]
}

// Token returns the access token. It is not verified: its API verifies it
// ([API.Verify]).
func (g *ImplicitGrant) Token() *oauth2.Token {
	if g.token.IsEmpty() {
		return nil
	}
	return g.token.Reveal()
}

// VerifyImplicit verifies the response to a login that [Application.ImplicitURL]
// started. Values are the parameters of the fragment. The response must belong to the
// transaction (state). For the response type id_token token, the ID token and its nonce
// are verified, and the access token must match at_hash (OpenID Connect Core 1.0,
// Section 3.2.2.9). A token without its transaction is never accepted. The caller must
// delete the transaction, whether or not VerifyImplicit succeeds: nothing else prevents
// a second use.
func (a *Application) VerifyImplicit(ctx context.Context, transaction string, values url.Values) (*ImplicitGrant, error) {
	return op("callback", a, func() (*ImplicitGrant, error) {
		l, err := a.logins.CompleteImplicit(ctx, transaction, values)
		if err != nil {
			return nil, err
		}
		g := &ImplicitGrant{ReturnTo: l.ReturnTo, AppState: l.AppState, token: secret.Of(l.Token)}
		if l.Identity != nil {
			g.Login = a.loginOf(l)
		}
		return g, nil
	})
}
