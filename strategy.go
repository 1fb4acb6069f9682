package auth0

import (
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/seed-15d5a55c/auth0/internal/connect"
	"github.com/seed-15d5a55c/auth0/internal/directory"
	"github.com/seed-15d5a55c/auth0/internal/guard"
	"github.com/seed-15d5a55c/auth0/internal/logging"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/signin"
	"github.com/seed-15d5a55c/auth0/internal/signout"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/visit"
)

// A Strategy logs users in to one web application. Create it with [New]. Its methods
// can be called concurrently.
type Strategy struct {
	app      *Application
	site     *site.Site
	visits   *visit.Visits
	sessions *session.Manager

	signin        *signin.Routes
	guards        *guard.Guards
	organization  string       // for every login, empty for none
	silent        *atomic.Bool // whether TrySilentLogin is used
	signout       *signout.Routes
	accounts      *connect.Routes
	logoutOptions []LogoutOption
	connections   *directory.List
	errors        errorWriter
	log           *slog.Logger
}

// New checks a configuration and returns a Strategy. It makes no request, so an
// application starts while its tenant is unreachable. The error lists every mistake,
// with its field.
func New(c Config) (*Strategy, error) {
	p := problems{of: "Config"}
	c = c.clone()
	log := logging.New(c.Logger)
	where := newSite(&p, c, log)
	response := checkResponse(&p, c, where)
	cookies := newCookies(&p, c, where, response)
	app := newApplication(&p, c, where, response, cookies)
	s := &Strategy{
		app: app, site: where, silent: &atomic.Bool{}, log: log,
		sessions:      newSessions(&p, c, cookies, app.keyring, app.now, log),
		logoutOptions: c.LogoutOptions,
		connections:   newConnectionList(&p, c, app.client, log),
		errors:        errorWriter{log: log, handler: c.ErrorHandler, page: pageOf(where)},
	}
	// Other providers need the ID token to end their session.
	keepIDToken := c.KeepIDToken || app.client.Tenant.Static == nil
	tokens := renew.New(renew.Config{
		Sessions: s.sessions, Stored: c.Store != nil, Client: app.client, IDTokens: app.idTokens, KeepClaim: c.KeepClaim, KeepIDToken: keepIDToken,
		MFA: app.mfaOfRefresh, Now: app.now, Log: log,
	})
	s.visits = &visit.Visits{
		Cookies: cookies, Sessions: s.sessions, Tokens: tokens, Log: log, Origin: where.Origin,
		Marks: visit.Marks{Cookies: cookies, Keyring: app.keyring, Now: app.now, Log: log, Silent: s.silent},
	}
	links := newLinks(&p, c, app.logins.Options, s.connections, log)
	s.organization = links.Organization
	s.signin = signin.New(signin.Config{
		Site: where, Visits: s.visits, Flow: app.logins.Flow, Transactions: app.logins.Transactions,
		Links: links, Options: app.logins.Options,
		AfterLogin: app.loginHook(c.AfterLogin), KeepClaim: c.KeepClaim, KeepIDToken: keepIDToken,
		Row: rowOf, Refused: s.errors.refused, Now: app.now, Log: log,
	})
	s.guards = guard.New(guard.Config{Site: where, Visits: s.visits, Signin: s.signin, Leeway: app.idTokens.Leeway, Row: rowOf, Now: app.now})
	s.errors.links, s.errors.login = s.signin.LoginLinks, s.guards.LoginLink
	s.signout = signout.New(signout.Config{
		Site: where, Visits: s.visits, Transactions: app.logins.Transactions, Policy: newLogouts(&p, c, app.client, where, log),
		Confirmations: logout.Confirmations{Keyring: app.keyring, Cookie: cookies.Session.Name, Now: app.now},
		Client:        app.client, IDTokens: app.idTokens, Row: rowOf, Log: log,
	})
	s.accounts = &connect.Routes{Site: where, Visits: s.visits, Signin: s.signin, Flow: app.logins.Flow, Row: rowOf}
	if err := p.joined(); err != nil {
		return nil, err
	}
	return s, nil
}

// Application returns the strategy's application.
func (s *Strategy) Application() *Application { return s.app }

// Handler serves the routes of the strategy, and 404 for all other paths. Mount it
// below a prefix: mux.Handle("/auth/", strategy.Handler()). Handler matches the path
// that this process sees. It adds the path of [Config].BaseURL only to URLs for
// browsers.
//
// A mux with a pattern such as "GET /" reports a conflict with "/auth/". Use
// [Strategy.Register] there.
func (s *Strategy) Handler() http.Handler {
	if s.ready() != nil {
		return s.handler("login", nil) // rejects every request
	}
	routes := map[string]http.Handler{
		s.site.Login:    s.LoginHandler(),
		s.site.Callback: s.CallbackHandler(),
		s.site.Logout:   s.LogoutHandler(),
	}
	if s.sessions.CanRevoke() {
		routes[s.site.BackchannelLogout] = s.BackchannelLogoutHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := routes[r.URL.Path]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

// Register registers the routes of the strategy on mux, each with its methods.
func (s *Strategy) Register(mux *http.ServeMux) {
	if s.ready() != nil {
		mux.Handle("/", s.Handler())
		return
	}
	mux.Handle("GET "+s.site.Login, s.LoginHandler())
	mux.Handle("POST "+s.site.Login, s.LoginHandler())
	mux.Handle("GET "+s.site.Callback, s.CallbackHandler())
	mux.Handle("POST "+s.site.Callback, s.CallbackHandler())
	mux.Handle("GET "+s.site.Logout, s.LogoutHandler())
	mux.Handle("POST "+s.site.Logout, s.LogoutHandler())
	if s.sessions.CanRevoke() {
		mux.Handle("POST "+s.site.BackchannelLogout, s.BackchannelLogoutHandler())
	}
}

// LoginHandler redirects the browser to the tenant's login page. The options hold for
// every request. From the query, or from a posted form, LoginHandler accepts
//
//	returnTo       the return URL after the login
//	connection     as WithConnection, if it is one of the application
//	login_hint, screen_hint, prompt, ui_locales
//	organization, invitation       if Config.AcceptOrganizationLinks is set
//	the parameters in Config.ForwardParams
//	login_ticket   sealed options, in a link of an error page or of a guard
//
// It ignores all others, because a link from anywhere must not choose the audience or
// the scopes of a login. Without options, a user with a session is redirected straight
// to returnTo, unless the request needs the tenant, or the session lacks the tokens of
// a login. It lacks them if the access token has expired and there is no refresh token,
// after [ErrTokenExpired], and if a release has changed [Config].Audience or added to
// [Config].Scopes.
//
// The answer to HEAD and to a prefetch is 204, and no login starts. A script, which
// cannot follow the redirect to the tenant, gets 401, and no login starts: let the
// browser navigate to the URL. htmx follows the header HX-Redirect of that answer, and
// Turbo makes a navigation of a link. A form that Turbo posts needs data-turbo="false".
//
// A request to another host than [Config].BaseURL is sent to the same path and query
// there, because a login can only end where it started.
func (s *Strategy) LoginHandler(opts ...LoginOption) http.Handler {
	if s.ready() != nil {
		return s.handler("login", nil) // rejects every request
	}
	options := optionsOf(opts)
	if err := s.signin.Check(options); err != nil {
		s.log.Error("auth0: LoginHandler has unusable options; every request gets 500", "err", err)
		return s.handler("login", func(http.ResponseWriter, *http.Request) error { return refusal.Misconfigured.Wrap(err) })
	}
	return s.handler("login", func(w http.ResponseWriter, r *http.Request) error { return s.signin.Login(w, r, options) })
}

// CallbackHandler verifies the tenant's response, starts the session and redirects the
// browser to the return URL of the login.
func (s *Strategy) CallbackHandler() http.Handler {
	return s.handler("callback", func(w http.ResponseWriter, r *http.Request) error { return s.signin.Callback(w, r) })
}

// LogoutHandler ends the session here and then at the tenant. It accepts POST from the
// application's own pages, and GET only as a navigation from there, so that no other
// site can log users out. If the origin of a request is unknown, the handler answers
// with a page whose button logs out. The query, or the form, can contain returnTo, one
// of [Config].PostLogoutURLs.
//
// The session here ends even if the tenant is unreachable.
func (s *Strategy) LogoutHandler(opts ...LogoutOption) http.Handler {
	options, err := newLogoutRequest(s.logoutOptions, opts)
	if err != nil {
		s.errors.logger().Error("auth0: LogoutHandler has unusable options; every request gets 500", "err", err)
		return s.handler("logout", func(http.ResponseWriter, *http.Request) error { return refusal.Misconfigured.Wrap(err) })
	}
	return s.handler("logout", func(w http.ResponseWriter, r *http.Request) error { return s.signout.Logout(w, r, options) })
}

// BackchannelLogoutHandler accepts the tenant's logout tokens (OpenID Connect
// Back-Channel Logout 1.0). It requires [Config].Store or [Config].Revocations, where
// it records the logout: of the session that the token names, or of all sessions of
// the user if it names none. Register its URL as the Back-Channel Logout URI. The
// tenant must be able to reach it.
func (s *Strategy) BackchannelLogoutHandler() http.Handler {
	if s.ready() == nil && !s.sessions.CanRevoke() {
		s.log.Error("auth0: BackchannelLogoutHandler needs Config.Store or Config.Revocations; every request gets 500")
		return s.handler("backchannel", func(http.ResponseWriter, *http.Request) error {
			return refusal.Misconfigured.Because("neither Config.Store nor Config.Revocations is set")
		})
	}
	return s.handler("backchannel", func(w http.ResponseWriter, r *http.Request) error { return s.signout.Backchannel(w, r) })
}

func (s *Strategy) handler(op string, f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.ready()
		if err == nil {
			r = s.visits.Prepare(r)
			err = f(w, r)
		}
		if err != nil {
			s.errors.fail(w, r, op, err)
		}
	})
}

// ready returns an error for a Strategy that was not made by New.
func (s *Strategy) ready() error {
	if s.sessions == nil {
		return refusal.Misconfigured.Because("this Strategy was not made by New")
	}
	return nil
}

// SendLink emails a link that logs in, and stores the login transaction in a cookie
// of this browser. The link leads to [Strategy.CallbackHandler] and works in this
// browser only. Options are the options of a login in the browser, and
// [WithForwardedFor]. SendLink must be called before the first byte of the response
// is written.
func (s *Strategy) SendLink(w http.ResponseWriter, r *http.Request, to PasswordlessLogin, opts ...LoginOption) error {
	return do("login", s, func() error {
		if err := to.recipient().CheckLink(); err != nil {
			return err
		}
		request, forwardedFor, err := s.signin.Link(w, r, optionsOf(opts))
		if err != nil {
			return err
		}
		return s.app.logins.Grants.SendLink(r.Context(), to.recipient(), forwardedFor, request)
	})
}
