package auth0

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/guard"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// RequireLogin admits a request if it has a session. [UserFrom] then returns the user. A
// browser that navigates to a page is redirected to the login and comes back. Other
// requests, such as a fetch of a script or a POST, get 401: a script could not follow the
// redirect, and a POST would lose its body. A user who posted a form gets a page that says
// so and opens the login in another tab, see [Config].ErrorHandler. htmx gets the header
// HX-Redirect, and comes back to the page that was open.
//
// A login ends only at the base URL. A browser that navigates to another host of the
// application is redirected to the login at [Config].BaseURL, and the log has a warning.
//
// A request with the header Upgrade, such as a WebSocket handshake, must have the Origin
// of the site. Otherwise the answer is 403: browsers send cookies with handshakes of other
// sites, and let the scripts there read the answers. RequireLogin checks no other origins:
// wrap routes that change state with [http.CrossOriginProtection].
//
// If the [Store] is unreachable, the answer is 503. RequireLogin works inside
// [Strategy.LoadUser] and without it.
//
// [Strategy.RequireStepUp] also requires a recent or strong authentication,
// [Strategy.RequireOrganization] a login to an organization, and [Strategy.RequireUser]
// certain users. [Strategy.RequireLoginWith] has options for the login.
func (s *Strategy) RequireLogin(next http.Handler) http.Handler {
	return s.requireUser(next, true, guard.Demand{}, anyUser)
}

// RequireSession is [Strategy.RequireLogin] for requests of scripts: it never
// redirects. Without a session the answer is 401, with a login URL in WWW-Authenticate.
func (s *Strategy) RequireSession(next http.Handler) http.Handler {
	return s.requireUser(next, false, guard.Demand{}, anyUser)
}

// RequireUser is [Strategy.RequireLogin] for users that allow accepts. Other users
// get 403, because another login would not help them.
func (s *Strategy) RequireUser(allow func(User) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return s.requireUser(next, true, guard.Demand{}, allow) }
}

// RequireUserClaim is [Strategy.RequireUser] for users whose session has the claim,
// if check accepts the value.
func (s *Strategy) RequireUserClaim(name string, check ClaimCheck) func(http.Handler) http.Handler {
	return s.RequireUser(func(u User) bool {
		value, ok := u.Claim(name)
		return ok && check(value)
	})
}

// ACRMultiFactor is the authentication context class that requests a second factor at
// Auth0, for [Strategy.RequireStepUp], [WithRequiredACR] and [WithACRValues]. A login has
// it if its ID token has this acr, or mfa in its amr.
const ACRMultiFactor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

// RequireStepUp is [Strategy.RequireLogin] for pages that need a recent or a strong
// authentication, such as a payment. The user must have authenticated at the tenant within
// maxAge, a second or more, and with one of the authentication context classes (acr).
// Without classes, any class is accepted. With a maxAge of 0, any time is accepted.
// [Config].Leeway is allowed on top. A session without [Session].AuthenticatedAt is not
// recent: the tenant sends the time for logins that request an age, so the first visit to
// a page of this kind is a login.
//
//	mux.Handle("GET /payments", strategy.RequireStepUp(5*time.Minute)(payments))
//	mux.Handle("GET /admin", strategy.RequireStepUp(0, auth0.ACRMultiFactor)(admin))
//
// At Auth0, an Action must read acr_values and ask for the second factor: see the
// page on step-up authentication in Auth0's documentation. [Session].ACR and
// [Session].AMR hold until the next login. So a class without maxAge does not prove
// that the user is there now.
//
// A browser that navigates to the page is sent to the tenant, with max_age and acr_values,
// and comes back to the URL of the page. If another user answers, the login ends at the
// default page. A user who is logged in to an organization stays in it. The callback makes
// the same check. If the tenant ignores the request, the callback answers 403 with the
// Reason auth_too_old or invalid_acr, and the session stays.
//
// Other requests get 401 with the code insufficient_user_authentication. A script finds
// the login in the header WWW-Authenticate:
//
//	Session login="/auth/login?returnTo=%2Fpage&login_ticket=...", acr_values="...", max_age="300"
//
// Let the browser navigate to it within ten minutes. It leads back to the page that sent
// the request, as far as the header Referer tells. Without a session the code is
// login_required. The body of a posted form is lost, and the page says so: guard the page
// that shows the form too.
//
// The answer to HEAD and to a prefetch of a page is 204, and no login starts.
//
// Guards can be nested in any order, and a login meets the conditions of all of them.
// Guards that no session can pass at once answer 500. So does, at every request, a guard
// with an unusable argument, which is logged when the program starts.
func (s *Strategy) RequireStepUp(maxAge time.Duration, acr ...string) func(http.Handler) http.Handler {
	var opts []LoginOption
	if maxAge != 0 {
		opts = append(opts, WithMaxAge(maxAge))
	}
	if len(acr) > 0 {
		opts = append(opts, WithRequiredACR(acr...))
	}
	return s.requireLogin("RequireStepUp", len(opts) > 0, opts)
}

// RequireOrganization is [Strategy.RequireLogin] for users who are logged in to one of
// the organizations, by id (org_...). The organization of a session is the one of its
// login.
//
// With one id, a user without a session logs in to that organization. A user who is
// logged in elsewhere, and navigates to the page, is sent to the tenant for it, and
// comes back. Other requests get 401 with the code login_required, and the login in
// the header WWW-Authenticate, as with [Strategy.RequireStepUp]. The callback answers
// 403 if the tenant logs in to another organization.
//
// With several ids, it is unknown which one to log in to. A user without a session logs
// in as with RequireLogin, and one who is logged in elsewhere gets 403.
func (s *Strategy) RequireOrganization(ids ...string) func(http.Handler) http.Handler {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	usable := len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool { return !strings.HasPrefix(id, "org_") })
	if len(ids) == 1 {
		return s.requireLogin("RequireOrganization", usable, []LoginOption{WithOrganization(ids[0])})
	}
	return s.requireLogin("RequireOrganization", usable, nil, ids...)
}

// RequireLoginWith is [Strategy.RequireLogin] with options for the login. Three of them
// are conditions that the session must meet too: [WithMaxAge], [WithRequiredACR] and
// [WithOrganization]. A session that does not gets the answers of
// [Strategy.RequireStepUp]. The others shape the login only: a session that began with
// another connection passes.
//
//	strategy.RequireLoginWith(auth0.WithConnection("google-oauth2"), auth0.WithMaxAge(time.Hour))(page)
//
// The login leads back to the page, so [WithReturnTo] is not accepted. [WithPopup] and
// [WithInvitation] are options of [Strategy.LoginHandler]. The link of an error page
// keeps the options.
func (s *Strategy) RequireLoginWith(opts ...LoginOption) func(http.Handler) http.Handler {
	return s.requireLogin("RequireLoginWith", true, slices.Clone(opts))
}

// requireUser makes the guards of pages. They require a login that meets the demand, and
// then check the user.
func (s *Strategy) requireUser(next http.Handler, page bool, d guard.Demand, allow func(User) bool) http.Handler {
	return s.LoadUser(s.handler("session", func(w http.ResponseWriter, r *http.Request) error {
		r, err := s.guards.Admit(w, r, d, page)
		if r == nil {
			return err
		}
		if user, _ := UserFrom(r.Context()); !allow(user) {
			return refusal.UserForbidden.New()
		}
		// Neither a cache nor the back button after a logout may show the page.
		cookie.Uncacheable(w.Header())
		next.ServeHTTP(w, r)
		return nil
	}))
}

// requireLogin makes the guards whose options can be unusable, see [API.guardIf].
func (s *Strategy) requireLogin(name string, usable bool, opts []LoginOption, organizations ...string) func(http.Handler) http.Handler {
	var d guard.Demand
	err := s.ready()
	if err == nil {
		if d, err = s.guards.NewDemand(optionsOf(opts), organizations...); err == nil && !usable {
			err = errors.New("its arguments are empty or invalid")
		}
		if err != nil {
			s.log.Error("auth0: a guard of pages cannot be used; every request to its route gets 500", "guard", name, "err", err)
			err = refusal.Misconfigured.Wrap(err)
		}
	}
	return func(next http.Handler) http.Handler {
		if err != nil {
			return s.handler("session", func(http.ResponseWriter, *http.Request) error { return err })
		}
		return s.requireUser(next, true, d, anyUser)
	}
}

func anyUser(User) bool { return true }

// TrySilentLogin logs in visitors with a session at the tenant, for example from another
// application, when they open a page. The browser is redirected to the tenant and back
// without a page (prompt=none, OpenID Connect Core 1.0, Section 3.1.2.1). A visitor
// without a session there sees the page as before, and so does every visitor if the tenant
// fails or the browser keeps no cookies. It tries once in five minutes, and not after a
// logout. In a browser without cookies the page then has the parameter silent_login=failed
// in its URL. Do not redirect that request to a URL without it. TrySilentLogin does not
// try for a URL of more than about 1,400 bytes.
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

// WriteError answers a request with an error as the guards do: a page, or JSON for a
// script, or [Config].ErrorHandler, and the log line. It never redirects.
//
// An error of this package has its own status, and so has each variable of this package:
// [ErrNoSession] is answered with 401, and [ErrForbidden] with 403. A timeout and errors
// for an outage, such as [ErrStoreUnavailable], are answered with 503. Any other error, or
// nil, is a programming error and is answered with 500. The text of an error goes to the
// log only.
//
// If another login helps, as after [ErrTokenExpired], the page has a link to it. A script
// finds the path of the login in the header WWW-Authenticate, Session login="/auth/login",
// and can add returnTo to come back.
func (s *Strategy) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	err = writtenError(err, refusal.UserForbidden,
		sentinelRow{ErrNoSession, refusal.LoginRequired}, sentinelRow{ErrNoToken, refusal.SessionToken}, sentinelRow{ErrTokenExpired, refusal.SessionTokenExpired})
	if s.ready() == nil && isRefused(err, refusal.SessionTokenExpired) {
		err = cmp.Or(s.visits.NoteLogin(w, r), err) // the program can have learned elsewhere that the token is no longer valid
	}
	if e := outermost(err); e != nil && e.Status == refusal.LoginRequired.Status && e.Code == refusal.LoginRequired.Code && s.ready() == nil {
		if other := s.guards.LoginRequired(w, r); !isRefused(other, refusal.LoginRequired) {
			err = other
		}
	}
	s.errors.fail(w, r, "session", err)
}
