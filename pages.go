package auth0

import (
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
)

// RequireLogin lets a request pass if it has a session. [UserFrom] then returns the
// user. A browser that navigates to a page is redirected to the login and comes back.
// Other requests, such as a fetch of a script or a POST, get 401: a script could not
// follow the redirect, and a POST would lose its body. A person who has posted a form
// gets a page that says so and opens the login in another tab, see
// [Config].ErrorHandler. htmx gets the header HX-Redirect, and comes back to the page
// that was open.
//
// A login ends only at the base URL. A browser that navigates to another host of the
// application is redirected to the login at [Config].BaseURL, and the log has a warning.
//
// A request with the header Upgrade, such as a WebSocket handshake, must have the
// Origin of the site. Otherwise the answer is 403: browsers send cookies with
// handshakes of other sites, and let the scripts there read the answers. RequireLogin
// checks no other origins; wrap routes that change something with
// [http.CrossOriginProtection].
//
// If the [Store] is unreachable, the answer is 503. RequireLogin works inside
// [Strategy.LoadUser] and without it.
func (s *Strategy) RequireLogin(next http.Handler) http.Handler {
	return s.requireUser(next, true, func(User) bool { return true })
}

// RequireSession is [Strategy.RequireLogin] for requests of scripts: it never
// redirects. Without a session the answer is 401.
func (s *Strategy) RequireSession(next http.Handler) http.Handler {
	return s.requireUser(next, false, func(User) bool { return true })
}

// RequireUser is [Strategy.RequireLogin] for users that allow accepts. Other users
// get 403, because another login would not help them.
func (s *Strategy) RequireUser(allow func(User) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return s.requireUser(next, true, allow) }
}

// RequireUserClaim is [Strategy.RequireUser] for users whose session has the claim,
// if check accepts the value.
func (s *Strategy) RequireUserClaim(name string, check ClaimCheck) func(http.Handler) http.Handler {
	return s.RequireUser(func(u User) bool {
		value, ok := u.Claim(name)
		return ok && check(value)
	})
}

func (s *Strategy) requireUser(next http.Handler, mayRedirect bool, allow func(User) bool) http.Handler {
	return s.LoadUser(s.handler("session", func(w http.ResponseWriter, r *http.Request) error {
		user, ok := UserFrom(r.Context())
		switch {
		case !ok && isRefused(s.visits.In(r.Context()).Err, refusal.LoginRequired):
			// The principal is a token: a login would change nothing.
			return s.loginRequired(w, r)
		case !ok && s.visits.In(r.Context()).Err != nil:
			// The user can be logged in. Another login would not help.
			return s.visits.In(r.Context()).Err
		case !ok && mayRedirect && browser.Navigates(r):
			return s.sendToLogin(w, r)
		case !ok:
			return s.loginRequired(w, r)
		case !allow(user):
			return refusal.UserForbidden.New()
		}
		// Neither a cache nor the back button after a logout may show the page.
		cookie.Uncacheable(w.Header())
		next.ServeHTTP(w, r)
		return nil
	}))
}

// TrySilentLogin logs in visitors with a session at the tenant, for example from
// another application, when they open a page. The browser is redirected to the tenant
// and back without a page (prompt=none, OpenID Connect Core 1.0, Section 3.1.2.1). A
// visitor without a session there sees the page as before, and so does everybody if
// the tenant fails or the browser keeps no cookies. It tries once in five minutes, and
// not after a logout. In a browser without cookies the page then has the parameter
// silent_login=failed in its URL. Do not redirect such a request to a URL without it.
// TrySilentLogin does not try for a URL of more than about 1,400 bytes.
//
// Put it inside [Strategy.LoadUser], around the pages for all visitors.
func (s *Strategy) TrySilentLogin(next http.Handler) http.Handler {
	if s.ready() == nil {
		s.silent.Store(true)
	}
	return s.LoadUser(s.handler("login", func(w http.ResponseWriter, r *http.Request) error {
		if !s.signin.Silently(w, r) {
			next.ServeHTTP(w, r)
		}
		return nil
	}))
}

// sendToLogin redirects to the login route, which leads back here. If a browser loses
// the session cookie each time, the redirects would never end, because the tenant
// lets it through without a page. After three times the visitor gets a page instead.
func (s *Strategy) sendToLogin(w http.ResponseWriter, r *http.Request) error {
	base, err := s.site.Of(r)
	if err != nil {
		return err
	}
	here := site.Here(base, r)
	if s.visits.Marks.LosesLogins(w, s.visits.Jar(r)) {
		e := asError("session", refusal.Loop.New())
		e.ReturnTo = s.site.ReturnTo(base, here)
		return e
	}
	target := s.site.LoginPath(base, here)
	if there, ok := s.site.OtherHost(r, target); ok {
		target = there
	}
	browser.Redirect(w, target, http.StatusFound)
	return nil
}

// WriteError answers a request with an error as the guards do: a page, or JSON for a
// script, or [Config].ErrorHandler, and the log line. It never redirects.
//
// An error of this package has its own status. [ErrNoSession] is answered with 401,
// and [ErrForbidden] with 403. If another login helps, as after [ErrTokenExpired], the
// page has a link to it, and a script finds its path in the header WWW-Authenticate:
// Session login="/auth/login". Add returnTo to come back. A timeout and errors for an outage, such as
// [ErrStoreUnavailable], are answered with 503. Any other error, or nil, is a mistake
// of the program and is answered with 500. The text of an error goes to the log only.
func (s *Strategy) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	err = writtenError(err, ErrNoSession, refusal.LoginRequired, refusal.UserForbidden)
	if e := outermost(err); e != nil && e.Status == refusal.LoginRequired.Status && e.Code == refusal.LoginRequired.Code && s.ready() == nil {
		if other := s.loginRequired(w, r); !isRefused(other, refusal.LoginRequired) {
			err = other
		}
	}
	s.errors.fail(w, r, "session", err)
}

// loginRequired answers requests that cannot be redirected to a login page. RFC 9110,
// Section 15.5.2 requires a challenge with 401.
func (s *Strategy) loginRequired(w http.ResponseWriter, r *http.Request) error {
	base, err := s.site.Of(r)
	if err != nil {
		return err
	}
	return s.site.LoginRequired(w, r, base, s.site.LoginFor(base, r))
}
