package auth0

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// Handler serves the routes of the strategy, and 404 for all other paths. It is
// meant for a prefix: mux.Handle("/auth/", strategy.Handler()). It looks at the
// path that this process sees; the path of [Config].BaseURL is only added to
// what is sent to browsers.
//
// A mux that has a pattern such as "GET /" takes "/auth/" for a conflict. Use
// [Strategy.Register] there.
func (s *Strategy) Handler() http.Handler {
	if s.ready() != nil {
		return s.handler("login", nil) // which refuses
	}
	routes := map[string]http.Handler{
		s.site.Login:    s.LoginHandler(),
		s.site.Callback: s.CallbackHandler(),
		s.site.Logout:   s.LogoutHandler(),
	}
	if s.canRevoke() {
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
	mux.Handle(s.callbackMethod()+" "+s.site.Callback, s.CallbackHandler())
	mux.Handle("GET "+s.site.Logout, s.LogoutHandler())
	mux.Handle("POST "+s.site.Logout, s.LogoutHandler())
	if s.canRevoke() {
		mux.Handle("POST "+s.site.BackchannelLogout, s.BackchannelLogoutHandler())
	}
}

// canRevoke reports whether there is somewhere to note that a session has ended.
func (s *Strategy) canRevoke() bool { return s.sessions != nil && s.sessions.CanRevoke() }

// LoginHandler sends the browser to the tenant to log in. Options given here
// hold for every request; of the query, or of a form that is posted, it takes
//
//	returnTo       where to go after the login
//	connection     as WithConnection, if it is one of the application
//	login_hint, screen_hint, prompt, ui_locales
//	organization, invitation       if Config.AcceptOrganizationLinks is set
//	what Config.ForwardParams lists
//
// and ignores the rest: a link from anywhere must not choose the audience or
// the scopes of somebody's login. Who is logged in already is sent on without
// a detour, unless the request asks for something that only the tenant can do.
//
// A request that only prefetches is answered with 204 and begins nothing.
func (s *Strategy) LoginHandler(opts ...LoginOption) http.Handler {
	if _, err := s.pageRequest(opts); err != nil {
		s.exit.logger().Error("auth0: LoginHandler has unusable options and answers every request with an error", "err", err)
		return s.handler("login", func(http.ResponseWriter, *http.Request) error { return refusal.Misconfigured.Wrap(err) })
	}
	return s.handler("login", func(w http.ResponseWriter, r *http.Request) error { return s.login(w, r, opts) })
}

// CallbackHandler takes the tenant's answer, begins a session and sends the
// browser to where the login was to return to.
func (s *Strategy) CallbackHandler() http.Handler {
	return s.handler("callback", s.callback)
}

// LogoutHandler ends the session here and then at the tenant. It takes POST
// from the application's own pages and GET only as a navigation from there, so
// that no other site can log people out. If the request does not say where it comes
// from, the handler asks with a page, whose button logs out. The query of a link, or
// the form, may have returnTo, one of [Config].PostLogoutURLs.
//
// Ending the session here never depends on the tenant.
func (s *Strategy) LogoutHandler(opts ...LogoutOption) http.Handler {
	options, err := newLogoutRequest(s.logoutOptions, opts)
	if err != nil {
		s.exit.logger().Error("auth0: LogoutHandler has unusable options and answers every request with an error", "err", err)
		return s.handler("logout", func(http.ResponseWriter, *http.Request) error { return refusal.Misconfigured.Wrap(err) })
	}
	return s.handler("logout", func(w http.ResponseWriter, r *http.Request) error { return s.logout(w, r, options) })
}

func (s *Strategy) handler(op string, f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.ready()
		if err == nil {
			r = s.visits.WithJar(r)
			err = f(w, r)
		}
		if err != nil {
			s.exit.fail(w, r, op, err)
		}
	})
}

// ready refuses to work for a Strategy that New has not made.
func (s *Strategy) ready() error {
	if s.sessions == nil {
		return refusal.Misconfigured.Because("this Strategy was not made by New")
	}
	return nil
}

// login is the Authentication Request of OpenID Connect Core 1.0, Section
// 3.1.2.1, with PKCE (RFC 7636).
func (s *Strategy) login(w http.ResponseWriter, r *http.Request, opts []LoginOption) error {
	if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodHead}, r.Method) {
		w.Header().Set("Allow", "GET, POST")
		return refusal.Method.New()
	}
	// A login that nobody asked for would push out the cookie of one that
	// somebody did.
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	base, err := s.site.Of(r)
	if err != nil {
		return err
	}
	values, err := browser.Values(w, r)
	if err != nil {
		return refusal.LoginOption.Wrap(err)
	}
	a, err := s.pageRequest(s.linkOptions(values), opts)
	if err != nil {
		return err
	}
	if target, ok := s.alreadyThere(r, base, a, opts); ok {
		browser.Redirect(w, target, http.StatusSeeOther)
		return nil
	}
	authURL, t, err := s.app.flow.Begin(r.Context(), s.placeOf(base, a), a)
	if err != nil {
		return err
	}
	if err := s.keepTransaction(w, r, t); err != nil {
		return err
	}
	// 303, so that a POST is not sent on to the tenant with its body.
	status := http.StatusSeeOther
	if r.Method == http.MethodGet {
		status = http.StatusFound
	}
	browser.Redirect(w, authURL, status)
	return nil
}

// pageRequest is loginRequest for a login that ends at the callback.
func (s *Strategy) pageRequest(layers ...[]LoginOption) (*authrequest.Request, error) {
	a, err := s.app.loginRequest(layers...)
	if err != nil {
		return nil, err
	}
	return a, s.app.flow.CheckPage(a)
}

// linkOptions reads the parameters of the login route.
func (s *Strategy) linkOptions(query url.Values) []LoginOption {
	var opts []LoginOption
	for _, o := range s.links.Options(query) {
		opts = append(opts, loginOption(o))
	}
	return opts
}

// alreadyThere reports whether the request can be sent on at once: somebody is
// logged in, and nothing is asked for that only the tenant can do.
func (s *Strategy) alreadyThere(r *http.Request, base browser.Base, a *authrequest.Request, opts []LoginOption) (target string, ok bool) {
	session, err := s.Session(r)
	if err != nil || len(opts) > 0 || !a.IsMetBy(session.User.OrgID, session.User.OrgName) {
		return "", false
	}
	return s.site.ReturnTo(base, a.ReturnTo()), true
}

// placeOf says where the answer to a login goes that begins on one of the sites.
func (s *Strategy) placeOf(base browser.Base, a *authrequest.Request) login.Place {
	return login.Place{RedirectURI: base.URL(s.site.Callback), ReturnTo: s.site.ReturnTo(base, a.ReturnTo())}
}

// callback is the Authorization Code Flow from the redirect back to us onwards:
// OpenID Connect Core 1.0, Sections 3.1.2.5 to 3.1.3.8; or, with an ID token in
// the answer itself, Sections 3.2.2.5 to 3.2.2.11 and 3.3.2.5 to 3.3.3.7. Each
// step consumes what the one before has returned.
func (s *Strategy) callback(w http.ResponseWriter, r *http.Request) error {
	a, err := s.receiveAnswer(w, r)
	if err != nil {
		return err
	}
	t, err := s.findTransaction(r, a.State, s.app.flow.ResponseType)
	if err != nil {
		return s.withoutTransaction(w, r, a, err)
	}
	// Without the provider's metadata, or credentials of our own, nothing has been
	// used up yet: the transaction stays, and loading the page again can succeed.
	pending, err := s.app.flow.Prepare(r.Context(), t, a)
	if err != nil {
		return failedLogin(t, err)
	}
	s.app.transactions.Drop(w, s.visits.Jar(r), t) // single use, whatever comes of it
	got, err := pending.Complete(r.Context())
	var l *Login
	if err == nil {
		l = s.app.newLogin(t, got)
		err = s.enter(w, r, l)
	}
	switch {
	case t.Silent && isSilentRefusal(err):
		s.log.Info("auth0: a silent login was refused", "err", err)
		browser.Redirect(w, s.app.returnPath(t), http.StatusSeeOther)
	case t.Popup != nil:
		s.answerPopup(w, r, t, l, failedLogin(t, err))
	case err != nil:
		return failedLogin(t, err)
	default:
		browser.Redirect(w, l.ReturnTo, http.StatusSeeOther)
	}
	return nil
}

// enter begins the session of a login that was completed.
func (s *Strategy) enter(w http.ResponseWriter, r *http.Request, l *Login) error {
	if err := s.startSession(w, r, l); err != nil {
		return err
	}
	jar := s.visits.Jar(r)
	if err := s.visits.Marks.ExpectSession(w, jar); err != nil {
		return err
	}
	s.visits.Marks.ForgetSilent(w, jar)
	return nil
}

// withoutTransaction is for callbacks that belong to no login of this browser.
// With a session that is the back button, a reload, or a tab that was restored,
// and nothing is wrong. Otherwise a page says so: beginning anew by ourselves
// could go round in circles.
func (s *Strategy) withoutTransaction(w http.ResponseWriter, r *http.Request, a login.Answer, err error) error {
	base, siteErr := s.site.Of(r)
	if siteErr == nil && s.silent.Load() && slices.Contains(silentRefusals, a.ErrorCode) {
		// A browser without cookies, which was never asked whether it wants to
		// log in, must not see an error, and must not be sent round again.
		browser.Redirect(w, s.site.Home(base)+"?"+silentMarker, http.StatusSeeOther)
		return nil
	}
	if _, sessionErr := s.Session(r); sessionErr != nil || siteErr != nil || !isRefused(err, refusal.NoTransaction) {
		return err
	}
	browser.Redirect(w, s.site.Home(base), http.StatusSeeOther)
	return nil
}

// keepTransaction hands a transaction to the browser. It notes the session that the
// browser has, which the login ends.
func (s *Strategy) keepTransaction(w http.ResponseWriter, r *http.Request, t *login.Transaction) error {
	jar := s.visits.Jar(r)
	if record, err := s.visits.Record(r); err == nil {
		t.Session, t.Parts = record.ID, len(s.cookies.Session.Names(jar))
	}
	return s.app.transactions.Keep(w, jar, t)
}

// findTransaction returns the transaction of a callback.
func (s *Strategy) findTransaction(r *http.Request, state, responseType string) (*login.Transaction, error) {
	t, err := s.app.transactions.Find(s.visits.Jar(r), state, responseType)
	if err != nil {
		return nil, err
	}
	return t, s.site.CheckHost(r, t.RedirectURI)
}

func (s *Strategy) callbackMethod() string {
	if s.app.flow.ResponseMode == "form_post" {
		return http.MethodPost
	}
	return http.MethodGet
}

// receiveAnswer takes the parameters from where the response mode puts them,
// and from nowhere else.
func (s *Strategy) receiveAnswer(w http.ResponseWriter, r *http.Request) (login.Answer, error) {
	if r.Method != s.callbackMethod() {
		w.Header().Set("Allow", s.callbackMethod())
		return login.Answer{}, refusal.Method.New()
	}
	if r.Method == http.MethodGet {
		return login.ParseAnswer(r.URL.Query())
	}
	form, err := browser.Form(w, r)
	if err != nil {
		return login.Answer{}, refusal.Parameters.Wrap(err)
	}
	return login.ParseAnswer(form)
}

// SendLink sends a link by e-mail that logs in, and keeps the login for this
// browser: the link must be opened in it, and leads to
// [Strategy.CallbackHandler]. Options are those of a login in the browser. Of
// to, Scopes and Audience are left out. SendLink must be called before the first
// byte of the response is written.
func (s *Strategy) SendLink(w http.ResponseWriter, r *http.Request, to PasswordlessLogin, opts ...LoginOption) error {
	_, err := op("login", s, func() (struct{}, error) {
		if err := to.checkLink(); err != nil {
			return struct{}{}, err
		}
		base, err := s.site.Of(r)
		if err != nil {
			return struct{}{}, err
		}
		a, err := s.pageRequest(opts)
		if err != nil {
			return struct{}{}, err
		}
		request, t := s.app.flow.Authentication(s.placeOf(base, a), a)
		// First the cookie: a link without it is of no use to anybody.
		if err := s.keepTransaction(w, r, t); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.app.sendLink(r.Context(), to, request)
	})
	return err
}
