package auth0

import (
	"net/http"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
)

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
		if !s.maySilentLogin(r) {
			next.ServeHTTP(w, r)
			return nil
		}
		return s.beginSilentLogin(w, r, next)
	}))
}

// silentMarker, in a query, is for browsers that keep no cookies.
const silentMarker = "silent_login=failed"

// silentRefusals say that the tenant would have to ask the person something
// (OpenID Connect Core 1.0, Section 3.1.2.6).
var silentRefusals = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}

// isSilentRefusal reports whether an error is nobody's business, because nobody has
// asked to log in: the tenant would have to ask something, or the tenant or the
// application does not want this person. An answer that is not good is told.
func isSilentRefusal(err error) bool {
	e := outermost(err)
	return e != nil && (e.Status == http.StatusForbidden || e.Reason == refusal.ByTenant.Reason && slices.Contains(silentRefusals, e.Code))
}

func (s *Strategy) maySilentLogin(r *http.Request) bool {
	loaded := s.visits.In(r.Context())
	return loaded.Record == nil && loaded.Err == nil && browser.Navigates(r) && r.Method == http.MethodGet && !browser.Prefetches(r) &&
		!s.visits.Marks.TriedSilent(loaded.Jar) && !strings.Contains(r.URL.RawQuery, silentMarker)
}

func (s *Strategy) beginSilentLogin(w http.ResponseWriter, r *http.Request, next http.Handler) error {
	base, err := s.site.Of(r)
	if err != nil {
		return err
	}
	back := WithReturnTo(site.Here(base, r))
	a, err := s.app.loginRequest([]LoginOption{back, loginOption(authrequest.Silent)})
	if err != nil {
		return err
	}
	authURL, t, err := s.app.flow.Begin(r.Context(), s.placeOf(base, a), a)
	if err != nil {
		// A tenant that is down must not take away pages that everybody may see.
		s.log.Warn("auth0: a silent login could not begin", "err", err)
		s.visits.Marks.NoteSilent(w, s.visits.Jar(r))
		next.ServeHTTP(w, r)
		return nil
	}
	s.visits.Marks.NoteSilent(w, s.visits.Jar(r))
	if err := s.keepTransaction(w, r, t); err != nil {
		return err
	}
	browser.Redirect(w, authURL, http.StatusFound)
	return nil
}
