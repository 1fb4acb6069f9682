package auth0

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/logging"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
	"golang.org/x/oauth2"
)

// An Application is an application registered at the tenant. Its methods need neither a
// session nor net/http: the grants of OAuth 2.0, logins of programs without net/http,
// token exchange, userinfo. [New] makes one as part of a [Strategy]. [NewApplication]
// makes one for a program without web pages: a worker, a command, a service. Its
// methods can be called concurrently.
type Application struct {
	client       *provider.Client
	keys         *KeySet
	idTokens     *idtoken.Verifier
	flow         *login.Flow
	site         *site.Site
	transactions *transaction.Jar
	keyring      seal.Keyring
	grants       *grants.Grants
	vault        *renew.Tokens        // for tokens without a session
	options      []authrequest.Option // for every login
	keepClaim    func(name string) bool
	log          *slog.Logger
	now          func() time.Time
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
func newApplication(p *problems, c Config, where *site.Site, answers answers, cookies *cookie.Names) *Application {
	a := &Application{site: where, log: where.Log(), now: c.Now, keepClaim: c.KeepClaim}
	if a.now == nil {
		a.now = time.Now
	}
	tenant := provider.NewTenant(p.add, c.Domain)
	client := fetch.NewClient(c.HTTPClient, provider.Outgoing(tenant.Issuer, c.Telemetry))
	tenant.DiscoverWith(p.add, client, c.EndpointOrigins, a.log)
	a.client = &provider.Client{
		ID: c.ClientID, Auth: checkClient(p, c, answers), Tenant: &tenant, HTTP: client, Base: c.HTTPClient, Now: a.now,
	}
	a.client.Proofs = newProofKeys(p, c.ProofKey, &tenant, a.now)
	p.require("ClientID", c.ClientID)
	if c.ClientAuthentication.method.Name != "" {
		if err := a.client.Check(a.client.Auth); err != nil {
			p.add("ClientAuthentication", "%v", err)
		}
	}
	checkCredentials(p, c)
	if c.Audience != "" {
		a.options = []authrequest.Option{authrequest.Audience(c.Audience)}
	}
	a.options = append(a.options, optionsOf(c.LoginOptions)...)
	if _, err := authrequest.New(a.options...); err != nil {
		p.add("LoginOptions", "%v", err)
	}
	a.keyring = newKeyring(p, c, tenant.Issuer, cookies)
	life, err := transaction.CheckLife(c.LoginTimeout)
	if err != nil {
		p.add("LoginTimeout", "%v", err)
	}
	a.transactions = &transaction.Jar{Cookies: cookies, Keyring: a.keyring, Issuer: tenant.Issuer, ClientID: c.ClientID, Life: life, Now: a.now}
	a.keys = newKeySet(&tenant, "", client, a.log, c.Observer)
	idTokenKeys := checkKeys(p, c.Keys, a.keys)
	if !idTokenKeys.set.IsShared() {
		a.keys = idTokenKeys
	}
	a.idTokens = &idtoken.Verifier{
		ClientID: c.ClientID, Algorithms: checkAlgorithms(p, c.Algorithms, idTokenKeys.set.IsShared()), Leeway: checkedLeeway(p, c.Leeway, time.Minute),
		Keys: idTokenKeys.set, Now: a.now,
	}
	a.flow = login.NewFlow(login.Config{
		Client: a.client, IDTokens: a.idTokens, ResponseType: string(answers.responseType), ResponseMode: string(answers.responseMode), Scopes: checkScopes(p, c.Scopes),
		Pushed: c.PushedAuthorizationRequests, CheckOrganization: organizationHook(c.CheckOrganization), Now: a.now,
	})
	if r, err := authrequest.New(a.options...); err == nil && a.client.Proofs.Binds() {
		if err := a.flow.CheckPage(r); err != nil {
			p.add("LoginOptions", "%v", errors.Unwrap(err))
		}
	}
	a.grants = grants.New(grants.Config{
		Client: a.client, Scopes: a.flow.Scopes, Audience: c.Audience, Keyring: a.keyring, Now: a.now,
		MFA: func(m grants.MFA) any { return a.newMFA(m) },
	})
	a.vault = renew.New(renew.Config{Client: a.client, Now: a.now, Log: a.log})
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
	begun, err := op("login", a, func() (begunLogin, error) {
		r, err := a.loginRequest(opts)
		if err != nil {
			return begunLogin{}, err
		}
		if err := a.flow.CheckPlain(r); err != nil {
			return begunLogin{}, err
		}
		return a.begin(ctx, redirectURI, "", r)
	})
	return begun.url, begun.transaction, err
}

// A begunLogin is the authorization URL and the transaction of a login.
type begunLogin struct{ url, transaction string }

func (a *Application) begin(ctx context.Context, redirectURI, responseType string, r *authrequest.Request) (begunLogin, error) {
	at, err := a.place(redirectURI, responseType, r)
	if err != nil {
		return begunLogin{}, err
	}
	authURL, t, err := a.flow.Begin(ctx, at, r)
	if err != nil {
		return begunLogin{}, err
	}
	transaction, err := a.transactions.Seal(t)
	return begunLogin{authURL, transaction}, err
}

// place returns the redirect URI, the return URL and the response type of a login.
func (a *Application) place(redirectURI, responseType string, r *authrequest.Request) (transaction.Place, error) {
	if err := a.site.CheckRedirectURI(redirectURI); err != nil {
		return transaction.Place{}, refusal.LoginOption.Wrap(err)
	}
	return transaction.Place{RedirectURI: redirectURI, ReturnTo: a.site.ReturnFor(redirectURI, r.ReturnTo()), ResponseType: responseType}, nil
}

// loginRequest applies the options of one login after the options of every login.
func (a *Application) loginRequest(opts []LoginOption) (*authrequest.Request, error) {
	if err := a.ready(); err != nil {
		return nil, err
	}
	r, err := authrequest.New(slices.Concat(a.options, optionsOf(opts))...)
	if err != nil {
		return nil, refusal.LoginOption.Wrap(err)
	}
	return r, nil
}

// Exchange completes a login that [Application.AuthCodeURL] started. Answer holds the
// parameters that the tenant sent to the redirect URI, in the query or in a form. A
// transaction is valid for one response: the caller must delete it, unless
// [Error].Status is 500 or more. The same response can then succeed later.
func (a *Application) Exchange(ctx context.Context, transaction string, answer url.Values) (*Login, error) {
	return op("callback", a, func() (*Login, error) {
		t, got, err := a.complete(ctx, transaction, answer, a.flow.ResponseType)
		if err != nil {
			return nil, err
		}
		return a.newLogin(t, got), nil
	})
}

// complete verifies the response to a login of one of the response types.
func (a *Application) complete(ctx context.Context, sealed string, values url.Values, types ...string) (*transaction.Transaction, login.Result, error) {
	answer, err := login.ParseAnswer(values)
	if err != nil {
		return nil, login.Result{}, answer.Stray(err)
	}
	t, err := a.transactions.Open(sealed, answer.State, types...)
	if err != nil {
		return nil, login.Result{}, answer.Stray(err)
	}
	pending, err := a.flow.Prepare(ctx, t, answer)
	if err != nil {
		return nil, login.Result{}, t.Failed(err)
	}
	got, err := pending.Complete(ctx)
	return t, got, t.Failed(err)
}

// newLogin returns the Login for a verified response.
func (a *Application) newLogin(t *transaction.Transaction, got login.Result) *Login {
	return a.loginOf(login.Accept(a.transactions, t, got, a.returnPath(t)))
}

// loginOf returns the public view of a login.
func (a *Application) loginOf(l *login.Accepted) *Login {
	c := l.Identity.Claims
	return &Login{
		User: newUser(c.Issuer, c.Subject, l.Claims(a.keepClaim)), ReturnTo: l.ReturnTo, AppState: l.AppState, Data: l.Data,
		by: a.flow, accepted: secret.Of(l),
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

// returnPath returns the return URL of a transaction. If the URL was too long to keep,
// it returns the default of the site.
func (a *Application) returnPath(t *transaction.Transaction) string {
	return cmp.Or(t.ReturnTo, a.site.ReturnFor(t.RedirectURI, ""))
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
		if token == nil || token.AccessToken == "" || subject == "" {
			return User{}, refusal.GrantRequest.Because("an access token and a subject are needed")
		}
		ep, err := a.client.Endpoints(ctx)
		if err != nil {
			return User{}, err
		}
		if ep.UserInfoEndpoint == "" {
			return User{}, refusal.Grant.Because("the provider has no userinfo endpoint")
		}
		credential, err := credentialOf(token, a.client.Proofs.OfApplication())
		if err != nil {
			return User{}, err
		}
		resp, err := tenantapi.Do(ctx, a.client.HTTP, credential, http.MethodGet, ep.UserInfoEndpoint, nil, nil)
		if err != nil {
			return User{}, tenanterror.Meaning(tenanterror.UserInfo, err)
		}
		return readUserInfo(resp, ep.Issuer, subject)
	})
}

// readUserInfo reads and checks a userinfo response.
func readUserInfo(resp *fetch.Response, issuer, subject string) (User, error) {
	if resp.Status != http.StatusOK {
		return User{}, tenanterror.Meaning(tenanterror.UserInfo, tenanterror.Parse(resp.Status, resp.Header, resp.Body))
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/jwt" {
		return User{}, refusal.UserInfo.Because("the answer is signed (application/jwt), which is not supported; register the application for plain userinfo answers")
	}
	var sub string
	var isText bool
	err := jsonscan.Object(string(resp.Body), func(name, value string) error {
		if name != "sub" {
			return nil
		}
		if isText {
			return errors.New("sub is there twice")
		}
		sub, isText = jsonscan.String(value)
		return nil
	})
	switch {
	case err != nil:
		return User{}, refusal.UserInfo.Because("the answer is %.60q and not the expected JSON", kind)
	case !isText || sub == "":
		return User{}, refusal.UserInfo.Because("the answer has no sub; the access token needs the scope openid")
	case sub != subject:
		return User{}, refusal.UserInfo.Because("the response is about another subject than the access token's user")
	}
	return newUser(issuer, sub, string(resp.Body)), nil
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
	begun, err := op("login", a, func() (begunLogin, error) {
		r, err := a.loginRequest(opts)
		if err != nil {
			return begunLogin{}, err
		}
		if a.site.IsCallback(redirectURI) {
			return begunLogin{}, refusal.LoginOption.Because("%q is the callback of the Strategy; the page needs another URL", redirectURI)
		}
		if err := a.flow.CheckImplicit(responseType, r); err != nil {
			return begunLogin{}, err
		}
		return a.begin(ctx, redirectURI, responseType, r)
	})
	return begun.url, begun.transaction, err
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
		t, got, err := a.complete(ctx, transaction, values, login.ImplicitTypes...)
		if err != nil {
			return nil, err
		}
		g := &ImplicitGrant{ReturnTo: a.returnPath(t), AppState: t.AppState, token: secret.Of(got.Token)}
		if got.Identity != nil {
			g.Login = a.newLogin(t, got)
		}
		return g, nil
	})
}
