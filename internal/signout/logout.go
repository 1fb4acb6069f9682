package signout

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/logout"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// Logout ends the session here, and sends the browser to the tenant, which ends the
// session there. The session here ends first, because the tenant may not answer.
func (s *Routes) Logout(w http.ResponseWriter, r *http.Request, options *logout.Request) error {
	if r.Method == http.MethodHead || browser.Prefetches(r) {
		browser.NoContent(w)
		return nil
	}
	base, err := s.c.Site.Of(r)
	if err != nil {
		return err
	}
	form, err := readLogout(w, r)
	if err != nil {
		return err
	}
	l := logout.Logout{Request: options, Asked: form.returnTo, Origin: base.Origin, Home: base.String()}
	known, err := browser.LogoutOrigin(r, base)
	if err != nil {
		return refusal.CrossSite.Wrap(err)
	}
	record, err := s.c.Visits.Record(r)
	if !known && (record == nil || !s.c.Confirmations.Accepts(form.confirmation, record.ID)) {
		return s.askLogout(w, l, record, err)
	}
	if l.Ended, err = s.endHere(w, r, record); err != nil {
		if s.c.Row(err).Reason == refusal.LogoutStore.Reason {
			err = refusal.LogoutStore.Later(storeWait, err) // the cookies are deleted all the same
		}
		return err
	}
	target, err := s.c.Policy.URL(r.Context(), l)
	if err != nil {
		return err
	}
	switch {
	case form.confirmation != "": // of a page whose policy forbids a redirect
		browser.WriteLeavePage(w, target, loggedOut)
	case strings.HasPrefix(target, base.Origin+"/") && browser.CallerOf(r) != browser.HTMX:
		browser.Redirect(w, target, http.StatusSeeOther)
	default:
		browser.Leave(w, r, target, loggedOut)
	}
	return nil
}

const loggedOut = "You are logged out"

// storeWait is the time until a store may answer again.
const storeWait = 5 * time.Second

// A logoutForm holds the parameters of a logout link or form.
type logoutForm struct {
	returnTo     string
	confirmation string // of the page that askLogout writes
}

func readLogout(w http.ResponseWriter, r *http.Request) (logoutForm, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return logoutForm{}, refusal.Method.New()
	}
	f := logoutForm{returnTo: r.URL.Query().Get("returnTo")}
	// The user is logged out even if the form cannot be read.
	if form, err := browser.Values(w, r); err == nil {
		f.returnTo = cmp.Or(form.Get("returnTo"), f.returnTo)
		if r.Method == http.MethodPost {
			f.confirmation = form.Get(confirmField)
		}
	}
	return f, nil
}

// endHere ends the session of a request, and the login transactions of this browser. It
// revokes the refresh token. The returned hints are nil if there was no session.
func (s *Routes) endHere(w http.ResponseWriter, r *http.Request, record *session.Record) (*logout.Hints, error) {
	loaded, err := s.c.Visits.Loaded(r)
	if err != nil {
		return nil, err
	}
	if record != nil {
		if newest, err := s.c.Visits.Sessions.Newest(r.Context(), record); err == nil {
			record = newest // its refresh token is the one to revoke
		}
	}
	err = s.c.Visits.Sessions.Destroy(r.Context(), w, loaded)
	s.c.Transactions.Forget(w, loaded.Jar)
	s.c.Visits.Marks.NoteSilent(w, loaded.Jar) // or the next page could log the user in again
	if record == nil {
		return nil, err
	}
	if record.RefreshToken != "" {
		s.c.Visits.Tokens.Revoke(r.Context(), record.RefreshToken)
	}
	sid, idToken := record.LogoutHints()
	return &logout.Hints{SessionID: sid, IDToken: secret.OfText(idToken)}, err
}

// confirmField is the field of the form that askLogout writes.
const confirmField = "confirm"

// askLogout answers a request that a page of another site may have caused. It writes a
// confirmation page, whose button sends a confirmation. The error is the reason for a
// missing session.
func (s *Routes) askLogout(w http.ResponseWriter, l logout.Logout, record *session.Record, err error) error {
	switch {
	case s.c.Row(err).Reason == refusal.LoginRequired.Reason:
		// A request like this must not end the session at the tenant.
		browser.Redirect(w, s.c.Policy.ReturnURL(l), http.StatusSeeOther)
		return nil
	case err != nil:
		return err
	}
	fields := url.Values{confirmField: {s.c.Confirmations.New(record.ID)}}
	if l.Asked != "" {
		fields.Set("returnTo", l.Asked)
	}
	browser.WritePage(w, http.StatusOK, browser.Page{Title: "Log out?", Button: "Log out", Hidden: fields})
	return nil
}
