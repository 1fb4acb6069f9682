package auth0

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A LoginOption sets a parameter of the authorization request, or something
// that the callback needs to know of it. Of two options for the same parameter
// the later one counts. An option with an unusable value is an error of
// whatever it is given to. So is an option that names something and is empty.
type LoginOption interface{ applyLogin(*authrequest.Request) }

type loginOption authrequest.Option

func (o loginOption) applyLogin(r *authrequest.Request) { o(r) }

// optionsOf returns options as the engines take them.
func optionsOf(opts []LoginOption) []authrequest.Option {
	var options []authrequest.Option
	for _, o := range opts {
		if o == nil {
			options = append(options, nil) // which authrequest refuses
			continue
		}
		options = append(options, o.applyLogin)
	}
	return options
}

// WithConnection skips the tenant's choice of connections: the person goes
// straight to the identity provider, or the login form, of the named one.
func WithConnection(name string) LoginOption {
	return loginOption(authrequest.Connection(name))
}

// WithOrganization logs in to an organization, by its id (org_...) or, if the
// tenant allows that, by its name. The callback refuses an ID token for any
// other.
//
// Without it, the tenant may let people pick one, which the application's
// settings there say ("Prompt for Organization" or "Prompt for Credentials").
// That picker knows who belongs where; an application cannot list that for
// somebody who is not logged in. [User].OrgID is what was picked, and
// [Config].CheckOrganization has a say in it.
func WithOrganization(idOrName string) LoginOption {
	return loginOption(authrequest.Organization(idOrName))
}

// WithInvitation accepts the invitation with the given ticket to the
// organization with the given id, as the links in invitation e-mails ask. The
// login then returns to the default page.
//
// It asks for credentials, unless WithPrompt asks for something else: an
// invitation that meets the tenant's session of another account is used up, and
// nobody has joined.
func WithInvitation(ticket, orgID string) LoginOption {
	return loginOption(authrequest.Invitation(ticket, orgID))
}

// WithLoginHint fills in an e-mail address, or what else the person logs in
// with. It has at most 320 bytes.
func WithLoginHint(hint string) LoginOption {
	return loginOption(authrequest.Hint(hint))
}

// WithPrompt says what the tenant must show: "login" asks for credentials even
// if the person is logged in there, "consent" and "select_account" for those,
// and "none" for nothing, in which case the login may fail with the code
// login_required, consent_required or interaction_required. Several are
// separated by spaces. See OpenID Connect Core 1.0, Section 3.1.2.1.
func WithPrompt(prompt string) LoginOption {
	return loginOption(authrequest.Prompt(prompt))
}

// WithScreenHint begins with the named screen: "signup" or "login". With
// somebody logged in at the tenant it needs WithPrompt("login") too.
func WithScreenHint(screen string) LoginOption {
	return loginOption(authrequest.ScreenHint(screen))
}

// WithUILocales asks for languages, as BCP 47 tags separated by spaces.
func WithUILocales(locales string) LoginOption {
	return loginOption(authrequest.UILocales(locales))
}

// WithMaxAge asks for an authentication that is no older, in whole seconds; 0
// asks for a new one. The callback refuses an ID token whose auth_time is
// missing or too old.
func WithMaxAge(age time.Duration) LoginOption {
	return loginOption(authrequest.MaxAge(age))
}

// WithACRValues prefers authentication context classes. The tenant may answer
// with another one; to insist see [WithRequiredACR].
func WithACRValues(values ...string) LoginOption {
	return loginOption(authrequest.ACR(false, values...))
}

// WithRequiredACR asks for authentication context classes, and the callback
// refuses an ID token that has none of them as its acr.
func WithRequiredACR(values ...string) LoginOption {
	return loginOption(authrequest.ACR(true, values...))
}

// WithScopes replaces [Config].Scopes. The scope openid is always asked for.
func WithScopes(scopes ...string) LoginOption {
	return loginOption(authrequest.Scopes(scopes...))
}

// WithAudience replaces [Config].Audience: the API that the access token is for.
func WithAudience(identifier string) LoginOption {
	return loginOption(authrequest.Audience(identifier))
}

// WithReturnTo says where the browser goes after the login: a path as the browser
// sees it, with that of [Config].BaseURL, or a URL on one of
// [Config].ReturnToOrigins. Anything else, as in a value that was made by somebody
// else, leads to the default.
func WithReturnTo(target string) LoginOption {
	return loginOption(authrequest.ReturnTo(target))
}

// WithAppState keeps a value of the application until the callback, which hands
// it to [Config].AfterLogin. It is encoded as JSON, in at most 1,024 bytes, and
// is encrypted on the way; the tenant does not see it.
func WithAppState(state any) LoginOption {
	return loginOption(authrequest.AppState(state))
}

// WithForwardedFor says where the person is who logs in without a browser, so that the
// tenant counts attempts by that address and does not block this server. It is for
// [Application.LoginWithPassword], [Application.SendCode], [Application.LoginWithCode]
// and SendLink. The tenant believes the address if the application has the setting
// "Trust Token Endpoint IP Header".
func WithForwardedFor(addr netip.Addr) LoginOption {
	return loginOption(authrequest.ForwardedFor(addr))
}

// WithPopup is for a login route that a page opens in a window of its own. Mount
// one with it beside the others:
//
//	mux.Handle("GET /auth/popup", strategy.LoginHandler(auth0.WithPopup("https://app.example.com")))
//
// The callback then ends with a page that posts a message to the window that has
// opened it, if that has the given origin, and closes. The session has begun by
// then. The message is one of
//
//	{type: "auth0:login", ok: true, returnTo: "/"}
//	{type: "auth0:login", ok: false, error: "authorization_denied"}
//
// where error is an [Error].Reason. Whoever listens must check the origin of the
// message, and must open the window in a click, or browsers block it:
//
//	button.onclick = () => open("/auth/popup", "login", "popup,width=480,height=700")
//	addEventListener("message", (e) => {
//	  if (e.origin === location.origin && e.data?.type === "auth0:login") location.reload()
//	})
//
// Identity providers, and the page itself, can cut the tie between the windows
// with Cross-Origin-Opener-Policy. The page that opens the window must not send
// same-origin; same-origin-allow-popups is fine. A provider that sends it leaves
// the callback without an opener. If the origins are the same, the message is
// then sent on the BroadcastChannel "auth0:login", on which a page may listen
// too; in any case the window says that it can be closed, and has a link to
// go on in it. A redirect works always: offer it beside the pop-up.
//
// The message holds no token. A page that has to have one names it: tokens may
// be "access_token" and "id_token", which the message then has as members. Any
// script of that origin can read it.
func WithPopup(openerOrigin string, tokens ...string) LoginOption {
	return loginOption(authrequest.PopUp(openerOrigin, tokens...))
}

// WithParam sets a parameter that has no option of its own. The empty value is
// sent too. Without a value it takes back what an earlier option has set, also one
// that has a name of its own. Parameters that make the login safe are refused.
func WithParam(name string, value ...string) LoginOption {
	return loginOption(authrequest.Param(name, value...))
}

// A LogoutOption changes how a logout ends the session at the tenant.
type LogoutOption interface{ applyLogout(*logout.Request) }

type logoutOption func(*logout.Request)

func (o logoutOption) applyLogout(l *logout.Request) { o(l) }

// newLogoutRequest applies layers of options, later ones over earlier ones.
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

// WithFederatedLogout logs out at the identity provider too, where Auth0 and
// the provider support that.
func WithFederatedLogout() LogoutOption {
	return logoutOption(func(l *logout.Request) { l.Federated = true })
}

// WithLogoutReturnTo says where the logout leads: a path as the browser sees it,
// with that of [Config].BaseURL, or one of [Config].PostLogoutURLs. The tenant must
// know it as an Allowed Logout URL.
func WithLogoutReturnTo(target string) LogoutOption {
	return logoutOption(func(l *logout.Request) { l.ReturnTo = target })
}

// WithLogoutParam adds a parameter to the URL that ends the session at the
// tenant, such as state or ui_locales. No values take it back, also
// id_token_hint and logout_hint, which are sent otherwise.
func WithLogoutParam(name string, values ...string) LogoutOption {
	values = slices.Clone(values)
	return logoutOption(func(l *logout.Request) { l.SetParam(name, values) })
}

// A TokenOption says which access token of a session is wanted. One with an empty
// value is an error of whatever it is given to: with a setting that is missing, a
// token must not go to the wrong place.
type TokenOption interface{ applyToken(*tokenWish) }

type tokenOption func(*tokenWish)

func (o tokenOption) applyToken(w *tokenWish) { o(w) }

// ForAudience asks for a token for another API than the one that the login was
// for, and with at least these scopes. The tenant gives it for a multi-resource
// refresh token: allow the application the API in its refresh token policies. Each
// audience and set of scopes is kept in the session until it expires, eight of
// them at most.
func ForAudience(audience string, scopes ...string) TokenOption {
	scopes = slices.Clone(scopes)
	return tokenOption(func(w *tokenWish) {
		if audience == "" {
			w.fail("ForAudience: the audience is empty")
		}
		w.Audience, w.Scopes = audience, scopes
	})
}

// ForceRefresh asks for a token that is new, for the case that claims in it have
// changed. If only a login can bring one, the error is [ErrTokenExpired].
func ForceRefresh() TokenOption { return tokenOption(func(w *tokenWish) { w.Force = true }) }

// ForConnection asks for an access token of the provider of a connection, to
// call that provider's API as the person who is logged in. They connect their
// account there with [Strategy.ConnectAccountHandler], also if they log in with it:
// a login puts nothing into the tenant's Token Vault, from where the token comes.
// The tenant gives it for the refresh token of the session, which must not be a
// rotating one. Allow the application the Token Vault grant, and the connection
// the Token Vault.
//
// A person may have several accounts at the provider; loginHint, of which there
// is one at most, says which one is wanted.
//
// Each token is kept in the session until it expires, eight of them at most.
// The error is [ErrNoToken] if the session has no refresh token, and
// [ErrNotConnected] if there is no account, or the provider does not accept it
// any more, and [ErrTokenExpired] if the tenant gives the person nothing without
// another login.
func ForConnection(connection string, loginHint ...string) TokenOption {
	loginHint = slices.Clone(loginHint)
	return tokenOption(func(w *tokenWish) {
		w.Connection, w.LoginHint = connection, strings.Join(loginHint, "")
		switch {
		case connection == "":
			w.fail("ForConnection: the name of the connection is empty")
		case !syntax.IsConnectionName(connection):
			w.fail("ForConnection: %.40q is no name of a connection", connection)
		case len(loginHint) > 1:
			w.fail("ForConnection: there are %d login hints, and one account at most is wanted", len(loginHint))
		case len(w.LoginHint) > 320 || !syntax.CleanText(w.LoginHint):
			w.fail("ForConnection: the login hint is too long or has control characters")
		}
	})
}

// A tokenWish is what options ask for, and what is wrong with them.
type tokenWish struct {
	renew.Wish
	errs []error
}

func newTokenWish(opts []TokenOption) (renew.Wish, error) {
	var w tokenWish
	for _, o := range opts {
		if o == nil {
			w.fail("a token option is nil")
			continue
		}
		o.applyToken(&w)
	}
	if w.Connection != "" && (w.Audience != "" || len(w.Scopes) > 0) {
		w.fail("ForConnection and ForAudience ask for different tokens")
	}
	if len(w.errs) > 0 {
		return renew.Wish{}, refusal.Internal.Wrap(errors.Join(w.errs...))
	}
	return w.Wish, nil
}

func (w *tokenWish) fail(format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf(format, args...))
}
