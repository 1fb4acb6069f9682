package signin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/authrequest"
	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// silentMarker in a query notes that a silent login has failed, for browsers that keep
// no cookies.
const silentMarker = "silent_login=failed"

// maySilently reports whether a silent login may be tried for a request.
func (s *Routes) maySilently(r *http.Request) bool {
	v := s.c.Visits.In(r.Context())
	return v.Record == nil && v.Err == nil && browser.Navigates(r) && r.Method == http.MethodGet && !browser.Prefetches(r) &&
		!s.c.Visits.Marks.TriedSilent(v.Jar) && !strings.Contains(r.URL.RawQuery, silentMarker)
}

// Silently starts a silent login if the request allows one. Its session must have been
// loaded by [visit.Visits.Load]. It reports whether it has answered the request. It
// does not answer if the login cannot start, because the page is public.
func (s *Routes) Silently(w http.ResponseWriter, r *http.Request) (answered bool) {
	if !s.maySilently(r) {
		return false
	}
	if base, err := s.c.Site.Of(r); err == nil {
		if target, ok := s.c.Site.OtherHost(r, site.Here(base, r)); ok {
			browser.Redirect(w, target, http.StatusFound)
			return true
		}
	}
	authURL, t, err := s.beginSilently(w, r)
	if err == nil {
		err = s.Keep(w, r, t)
	}
	if err != nil {
		s.c.Log.Warn("auth0: a silent login could not start", "err", err)
		return false
	}
	browser.Redirect(w, authURL, http.StatusFound)
	return true
}

// beginSilently notes the attempt of a silent login, even one that cannot start.
func (s *Routes) beginSilently(w http.ResponseWriter, r *http.Request) (string, *transaction.Transaction, error) {
	s.c.Visits.Marks.NoteSilent(w, s.c.Visits.Jar(r))
	base, err := s.c.Site.Of(r)
	if err != nil {
		return "", nil, err
	}
	here, ok := s.c.Site.Clean(base, site.Here(base, r))
	if !ok {
		return "", nil, refusal.LoginOption.Because("a login cannot return to the URL of this page")
	}
	a, err := s.request(authrequest.ReturnTo(here), authrequest.Silent)
	if err != nil {
		return "", nil, err
	}
	at := s.place(base, a)
	at.ReturnTo = "" // the state holds it
	if at.Note, err = s.notePage(here); err != nil {
		return "", nil, err
	}
	return s.c.Flow.Begin(r.Context(), at, a)
}

const (
	pagePurpose = "silent page"
	// maxNote bounds the bytes that a page adds to the state.
	maxNote = 2048
)

// notePage returns the end of the state of a silent login: the requested page, sealed.
// A browser that keeps no cookies, such as a crawler, must reach that page too, and an
// attacker must not choose it.
func (s *Routes) notePage(page string) (string, error) {
	note := "." + s.c.Transactions.Keyring.Seal(pagePurpose, s.c.Visits.Cookies.Session.Name, []byte(page))
	if len(note) > maxNote {
		return "", refusal.LoginOption.Because("the URL of this page has %d bytes, too many for a silent login", len(page))
	}
	return note, nil
}

// pageOf returns the page in the state of a silent login, and an empty text for any
// other state.
func (s *Routes) pageOf(state string) string {
	_, note, _ := strings.Cut(state, ".")
	if len(note) > maxNote {
		return ""
	}
	page, _, _ := s.c.Transactions.Keyring.Open(pagePurpose, s.c.Visits.Cookies.Session.Name, note)
	return string(page)
}

// hide ends a failed silent login at the requested page, because the user did not ask
// to log in. It is normal that the tenant requires interaction or rejects an account.
func (s *Routes) hide(w http.ResponseWriter, r *http.Request, target string, err error) {
	if row := s.c.Row(err); row.Status == http.StatusForbidden || row.Reason == refusal.ByTenant.Reason && slices.Contains(silentRefusals, row.Code) {
		s.c.Log.Info("auth0: a silent login was refused", "err", err)
	} else {
		s.c.Refused(r, err)
	}
	browser.Redirect(w, target, http.StatusSeeOther)
}

// silentRefusals are the error codes for required interaction (OpenID Connect Core 1.0,
// Section 3.1.2.6).
var silentRefusals = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}
