package auth0

import (
	"net/http"
	"net/url"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
)

// RequireLogin lets a request pass if somebody is logged in, which [UserFrom]
// then returns. A browser that navigates to a page is sent to log in and comes
// back; anything else, such as a fetch of a script or a POST, whose redirect
// could not be followed or would lose its body, is answered with 401.
//
// A request with the header Upgrade, such as a WebSocket handshake, must have the
// Origin of the site. Otherwise the answer is 403: browsers send cookies with the
// handshakes of other sites, and let their scripts read what comes back. Other
// methods than GET and HEAD are not checked for their origin; wrap routes that
// change something with [http.CrossOriginProtection].
//
// It works with [Strategy.LoadUser] around it or without.
func (s *Strategy) RequireLogin(next http.Handler) http.Handler {
	return s.requireUser(next, true, func(User) bool { return true })
}

// RequireSession is [Strategy.RequireLogin] for what scripts call: it never
// redirects and answers 401 if nobody is logged in.
func (s *Strategy) RequireSession(next http.Handler) http.Handler {
	return s.requireUser(next, false, func(User) bool { return true })
}

// RequireUser is [Strategy.RequireLogin] for people whom allow agrees with. To
// others the answer is 403; logging in again would not help them.
func (s *Strategy) RequireUser(allow func(User) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return s.requireUser(next, true, allow) }
}

// RequireUserClaim is [Strategy.RequireUser] for people of whom the session
// keeps a claim that the check agrees with.
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
			// Sending somebody to log in, who is logged in, would help nobody.
			return s.visits.In(r.Context()).Err
		case !ok && mayRedirect && browser.Navigates(r):
			return s.sendToLogin(w, r)
		case !ok:
			return s.loginRequired(w, r)
		case !allow(user):
			return refusal.UserForbidden.New()
		}
		// What only some may see is not for caches, nor for the back button
		// after a logout.
		cookie.Uncacheable(w.Header())
		next.ServeHTTP(w, r)
		return nil
	}))
}

// TrySilentLogin logs people in who are logged in at the tenant already, for
// another application say, when they come to a page. The browser makes the way
// to the tenant and back without a question (prompt=none, OpenID Connect Core
// 1.0, Section 3.1.2.1); who is not logged in there sees the page as before. It
// is tried once in five minutes, and not after a logout.
//
// Put it inside [Strategy.LoadUser], around the pages that anybody may see.
func (s *Strategy) TrySilentLogin(next http.Handler) http.Handler {
	if s.ready() == nil {
		s.silent.Store(true)
	}
	return s.LoadUser(s.handler("login", func(w http.ResponseWriter, r *http.Request) error {
		if answered, err := s.signin.Silently(w, r); answered {
			return err
		}
		next.ServeHTTP(w, r)
		return nil
	}))
}

// sendToLogin redirects to the login route, which leads back here. A browser
// that loses the session cookie each time would go round for ever, since the
// tenant lets it through without asking; after three times it gets a page
// instead.
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
	browser.Redirect(w, base.Path+s.site.Login+"?returnTo="+url.QueryEscape(here), http.StatusFound)
	return nil
}

// WriteError answers a request with an error in the way of the guards: a page, or JSON
// for a script, or [Config].ErrorHandler, and the line in the log. It never redirects.
//
// The errors of this package have their status. [ErrNoSession] is answered with 401,
// and [ErrForbidden] with 403. A deadline and the variables that stand for an outage,
// such as [ErrStoreUnavailable], are answered with 503. Any other error, or nil, is a
// mistake of the program and is answered with 500. The text of an error goes to the log
// only.
func (s *Strategy) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	err = writtenError(err, ErrNoSession, refusal.LoginRequired, refusal.UserForbidden)
	if isRefused(err, refusal.LoginRequired) && s.ready() == nil {
		if other := s.loginRequired(w, r); !isRefused(other, refusal.LoginRequired) {
			err = other
		}
	}
	s.exit.fail(w, r, "session", err)
}

// loginRequired answers what cannot be sent to a login page. The scheme of the
// challenge is one that browsers do not know, so that they show no dialog.
func (s *Strategy) loginRequired(w http.ResponseWriter, r *http.Request) error {
	base, err := s.site.Of(r)
	if err != nil {
		return err
	}
	w.Header().Set("WWW-Authenticate", `Session login="`+base.Path+s.site.Login+`"`)
	return refusal.LoginRequired.New()
}
