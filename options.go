package auth0

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/renew"
)

// A LoginOption sets a parameter of the authorization request, or a value that the
// callback needs. Of two options for one parameter, the later one counts. The
// function that gets an option reports an error for an unusable value, and for an
// empty value of an option that names something.
type LoginOption interface{ applyLogin(*authrequest.Request) }

type loginOption authrequest.Option

func (o loginOption) applyLogin(r *authrequest.Request) { o(r) }

// optionsOf returns options for the engines.
func optionsOf(opts []LoginOption) []authrequest.Option {
	var options []authrequest.Option
	for _, o := range opts {
		if o == nil {
			options = append(options, nil) // authrequest rejects nil
			continue
		}
		options = append(options, o.applyLogin)
	}
	return options
}

// WithConnection skips the tenant's choice of connections: the user goes straight to
// the identity provider, or to the login form, of this connection.
func WithConnection(name string) LoginOption {
	return loginOption(authrequest.Connection(name))
}

// WithOrganization logs in to an organization, by its id (org_...) or, if the tenant
// allows that, by its name. The callback rejects an ID token for any other
// organization, with status 403. [Strategy.RequireOrganization] requires one for a page.
//
// Without it, the tenant can let users pick an organization, as the application's
// settings say ("Prompt for Organization" or "Prompt for Credentials"). The tenant's
// picker knows the organizations of a user; an application cannot list them before a
// login. [User].OrgID is the picked organization, and [Config].CheckOrganization can
// reject it.
func WithOrganization(idOrName string) LoginOption {
	return loginOption(authrequest.Organization(idOrName))
}

// WithInvitation accepts an invitation to an organization, by the ticket and the
// organization id in the link of an invitation email. The login then returns to the
// default page.
//
// It sends prompt=login, unless WithPrompt sets another prompt: an invitation that
// meets the tenant's session of another account is used up, and no user has joined.
func WithInvitation(ticket, orgID string) LoginOption {
	return loginOption(authrequest.Invitation(ticket, orgID))
}

// WithLoginHint fills in the email address, or another identifier of the user. It has
// at most 320 bytes.
func WithLoginHint(hint string) LoginOption {
	return loginOption(authrequest.Hint(hint))
}

// WithPrompt selects what the tenant must show (OpenID Connect Core 1.0, Section
// 3.1.2.1). "login" asks for credentials even if the user has a session at the
// tenant. "consent" and "select_account" ask for those. "none" shows no page; the
// login can then fail with the code login_required, consent_required or
// interaction_required. "create" shows the sign-up page of providers that support it.
// Several values are separated by spaces. Values of providers are accepted if they
// consist of lower-case letters, digits and underscores.
func WithPrompt(prompt string) LoginOption {
	return loginOption(authrequest.Prompt(prompt))
}

// WithScreenHint selects the first page: "signup" or "login". For a user with a
// session at the tenant, add WithPrompt("login").
func WithScreenHint(screen string) LoginOption {
	return loginOption(authrequest.ScreenHint(screen))
}

// WithUILocales requests languages, as BCP 47 tags separated by spaces.
func WithUILocales(locales string) LoginOption {
	return loginOption(authrequest.UILocales(locales))
}

// WithMaxAge limits the age of the authentication, in whole seconds; 0 requires a new
// authentication. The callback rejects an ID token whose auth_time is missing or too
// old, with status 403 and the Reason auth_too_old. [Strategy.RequireStepUp] requires
// an age for a page.
func WithMaxAge(age time.Duration) LoginOption {
	return loginOption(authrequest.MaxAge(age))
}

// WithACRValues requests authentication context classes. The tenant can choose
// another class. [WithRequiredACR] enforces them.
func WithACRValues(values ...string) LoginOption {
	return loginOption(authrequest.ACR(false, values...))
}

// WithRequiredACR requests authentication context classes. The callback rejects an ID
// token whose acr is none of them, with status 403 and the Reason invalid_acr. An ID
// token with mfa in its amr meets [ACRMultiFactor] too. [Strategy.RequireStepUp]
// requires classes for a page.
func WithRequiredACR(values ...string) LoginOption {
	return loginOption(authrequest.ACR(true, values...))
}

// WithScopes replaces [Config].Scopes. The scope openid is always requested.
func WithScopes(scopes ...string) LoginOption {
	return loginOption(authrequest.Scopes(scopes...))
}

// WithAudience replaces [Config].Audience, the API of the access token.
func WithAudience(identifier string) LoginOption {
	return loginOption(authrequest.Audience(identifier))
}

// WithReturnTo sets the return URL of the login: a path as the browser sees it,
// including the path of [Config].BaseURL, or a URL on one of
// [Config].ReturnToOrigins. Any other value, for example one made by an attacker,
// leads to the default.
func WithReturnTo(target string) LoginOption {
	return loginOption(authrequest.ReturnTo(target))
}

// WithAppState passes a value of the application to [Config].AfterLogin at the
// callback. It is encoded as JSON, in at most 1,024 bytes, and encrypted in the
// browser. The tenant does not see it.
func WithAppState(state any) LoginOption {
	return loginOption(authrequest.AppState(state))
}

// WithPersistentCookie chooses whether the session cookie of this login outlives the
// browser ("keep me logged in") or ends when the browser closes. Default: it outlives
// the browser, unless [Config].CookieSessionOnly is set. The choice holds until the
// session ends, and changes neither [Config].IdleTimeout nor AbsoluteTimeout. Browsers
// that restore their tabs can restore cookies that have ended.
//
// For a box in a form of the application:
//
//	strategy.LoginHandler(auth0.WithPersistentCookie(r.PostFormValue("remember") != "")).ServeHTTP(w, r)
func WithPersistentCookie(on bool) LoginOption {
	return loginOption(authrequest.Persistent(on))
}

// WithForwardedFor sets the address of a user who logs in without a browser, so that
// the tenant counts attempts by that address and does not block this server. It is
// for [Application.LoginWithPassword], [Application.SendCode],
// [Application.LoginWithCode] and SendLink. The tenant believes the address if the
// application has the setting "Trust Token Endpoint IP Header".
func WithForwardedFor(addr netip.Addr) LoginOption {
	return loginOption(authrequest.ForwardedFor(addr))
}

// WithPopup is for a login route that a page opens in a pop-up window. Mount it beside
// the others:
//
//	mux.Handle("GET /auth/popup", strategy.LoginHandler(auth0.WithPopup("https://app.example.com")))
//
// The callback starts the session. Then it answers with a page that posts a message to
// its opener, if that has the given origin, and closes. The message is one of
//
//	{type: "auth0:login", ok: true, returnTo: "/"}
//	{type: "auth0:login", ok: false, error: "authorization_denied"}
//
// where error is an [Error].Reason. The opener must check the origin of the message, and
// must open the window in a click handler, or browsers block it:
//
//	button.onclick = () => open("/auth/popup", "login", "popup,width=480,height=700")
//	addEventListener("message", (e) => {
//	  if (e.origin === location.origin && e.data?.type === "auth0:login") location.reload()
//	})
//
// Cross-Origin-Opener-Policy can separate the two windows. The page that opens the
// window must not send same-origin; same-origin-allow-popups is fine. If an identity
// provider sends it, the callback has no opener. If the origins are the same, the
// message is then sent on the BroadcastChannel "auth0:login". A page can listen there
// too. The window also says that it can be closed, and has a link to continue in it.
// A redirect always works: offer it beside the pop-up.
//
// The message contains no token, unless tokens names one: "access_token" and
// "id_token" become members of the message. Any script of that origin can read them.
func WithPopup(openerOrigin string, tokens ...string) LoginOption {
	return loginOption(authrequest.PopUp(openerOrigin, tokens...))
}

// WithParam sets a parameter for which there is no option. An empty value is sent too.
// Without a value it removes the parameter, even if another option has set it.
// Parameters that protect the login are rejected.
func WithParam(name string, value ...string) LoginOption {
	return loginOption(authrequest.Param(name, value...))
}

// A LogoutOption changes how a logout ends the session at the tenant.
type LogoutOption interface{ applyLogout(*logout.Request) }

type logoutOption func(*logout.Request)

func (o logoutOption) applyLogout(l *logout.Request) { o(l) }

// newLogoutRequest applies layers of options. A later option takes precedence.
func newLogoutRequest(layers ...[]LogoutOption) (*logout.Request, error) {
	l := &logout.Request{}
	for _, o := range slices.Concat(layers...) {
		if o == nil {
			l.Fail("a logout option is nil")
			continue
		}
		o.applyLogout(l)
	}
	return l, l.Err()
}

// WithFederatedLogout also logs out at the identity provider, where Auth0 and the
// provider support it.
func WithFederatedLogout() LogoutOption {
	return logoutOption(func(l *logout.Request) { l.Federated = true })
}

// WithLogoutReturnTo sets the return URL of the logout: a path as the browser sees
// it, including the path of [Config].BaseURL, or one of [Config].PostLogoutURLs. It
// must be an Allowed Logout URL at the tenant.
func WithLogoutReturnTo(target string) LogoutOption {
	return logoutOption(func(l *logout.Request) { l.ReturnTo = target })
}

// WithLogoutParam adds a parameter, such as state or ui_locales, to the URL that ends
// the session at the tenant. Without values it removes the parameter, including
// id_token_hint and logout_hint, which are sent by default.
func WithLogoutParam(name string, values ...string) LogoutOption {
	values = slices.Clone(values)
	return logoutOption(func(l *logout.Request) { l.SetParam(name, values) })
}

// A TokenOption selects an access token of a session. An empty audience or connection
// is an error, because a missing setting must not send a token to the wrong place.
type TokenOption interface{ applyToken(*renew.Choice) }

type tokenOption renew.Option

func (o tokenOption) applyToken(c *renew.Choice) { o(c) }

// wishOf returns the token that options select.
func wishOf(opts []TokenOption) (renew.Wish, error) {
	var c renew.Choice
	for _, o := range opts {
		if o == nil {
			c.Fail("a token option is nil")
			continue
		}
		o.applyToken(&c)
	}
	return c.Wish()
}

// ForAudience requests a token for another API than the API of the login, with at least
// these scopes. The tenant issues it for a multi-resource refresh token: allow the
// application the API in its refresh token policies. The session caches each audience
// and set of scopes until it expires, at most eight of them. The error is [ErrNoToken]
// if the session has no refresh token: another login brings one only if it requests
// offline_access.
func ForAudience(audience string, scopes ...string) TokenOption {
	return tokenOption(renew.ForAudience(audience, scopes...))
}

// ForceRefresh skips the cached token, for example after the user's permissions
// changed. If only a login can bring a new token, the error is [ErrTokenExpired].
func ForceRefresh() TokenOption { return tokenOption(renew.Force()) }

// ForConnection requests an access token of the connection's provider, to call that
// provider's API on behalf of the user. The user connects the account with
// [Strategy.ConnectAccountHandler], even if the user logs in with it: the token comes
// from the tenant's Token Vault, and a login stores nothing there. The tenant issues
// it for the session's refresh token, which must not be a rotating one (grant type
// federated-connection-access-token). Allow the application the Token Vault grant, and
// enable the Token Vault for the connection.
//
// A user can have several accounts at the provider. LoginHint, at most one, selects
// an account.
//
// The session caches each token until it expires, at most eight of them. The error is
// [ErrNoToken] if the session has no refresh token. It is [ErrNotConnected] if there
// is no account, or the provider no longer accepts it. It is [ErrTokenExpired] if the
// tenant requires another login.
func ForConnection(connection string, loginHint ...string) TokenOption {
	return tokenOption(renew.ForConnection(connection, loginHint...))
}
