package signin

import (
	"maps"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// startSession starts the session of a login that the callback has completed.
func (s *Routes) startSession(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	if err := s.beginSession(w, r, l); err != nil {
		return err
	}
	jar := s.c.Visits.Jar(r)
	if err := s.c.Visits.Marks.ExpectSession(w, jar); err != nil {
		return err
	}
	s.c.Visits.Marks.ForgetSilent(w, jar)
	return nil
}

// Start starts the session of a login that did not come through the callback. If the login
// completes a refresh, Start continues the session of that refresh.
func (s *Routes) Start(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	start := s.beginSession
	if l.Continued != nil {
		start = s.continueSession
	}
	if err := start(w, r, l); err != nil {
		return err
	}
	s.c.Visits.Marks.ForgetSilent(w, s.c.Visits.Jar(r))
	return nil
}

// beginSession starts the session of a login, in place of the browser's earlier one. Its id
// is new, so that an attacker who planted an id before the login has no session after it
// (session fixation). Application data survives only if the same user logs in again, to the
// same organization.
func (s *Routes) beginSession(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	id := l.Identity
	c := id.Claims
	l.Data = map[string]string{}
	loaded, err := s.c.Visits.Loaded(r)
	if err != nil {
		return err
	}
	maps.Copy(l.Data, s.c.Visits.Sessions.DataFor(r.Context(), &c, loaded.Jar, l.Session))
	if err := s.askApplication(r, l); err != nil {
		return err
	}
	record, err := session.NewRecord(&c, id.SessionExpiry(), s.c.Now())
	if err != nil {
		return err
	}
	raw := ""
	if s.c.KeepIDToken {
		raw = id.Raw
	}
	record.SetIdentity(&c, l.Claims(s.c.KeepClaim), raw)
	record.Data, record.Persistent = l.Data, l.Persistent
	if token := l.Token; token != nil {
		record.RefreshToken, record.ProofKey = token.RefreshToken, prover.KeyOf(token).Kept()
		record.Tokens = []session.Token{renew.OfLogin(token, l.Audience, l.Scope, s.c.Now())}
	}
	l.Began = record.ID
	if len(l.Cookies) > 0 { // with a form posted by the tenant, browsers do not send them
		loaded.Jar = loaded.Jar.With(l.Cookies)
	}
	return s.c.Visits.Sessions.Begin(r.Context(), w, loaded, record, l.Session)
}

// askApplication lets the application decide about a login. A return URL that it chooses
// must be as safe as one from a link.
func (s *Routes) askApplication(r *http.Request, l *login.Accepted) error {
	if s.c.AfterLogin == nil {
		return nil
	}
	before := l.ReturnTo
	if err := s.c.AfterLogin(r.Context(), l); err != nil {
		return err
	}
	if l.ReturnTo == before {
		return nil
	}
	base, err := s.c.Site.Of(r)
	if err != nil {
		return err
	}
	l.ReturnTo = s.c.Site.ReturnTo(base, l.ReturnTo)
	return nil
}

// continueSession completes a refresh that required a second factor: it adds the tokens to
// the session of the refresh. The session gets a new id, as after any authentication.
func (s *Routes) continueSession(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	previous, loaded, err := s.c.Visits.Current(r)
	if err != nil && s.c.Row(err).Reason != refusal.LoginRequired.Reason {
		return err
	}
	if previous == nil || previous.ID != l.Session {
		return refusal.LoginRequired.Because("the session of this refresh has ended")
	}
	return s.c.Visits.Sessions.Renew(r.Context(), w, loaded, previous, func(renewed *session.Record) error {
		return idtoken.Refused(s.c.Visits.Tokens.Continue(r.Context(), renewed, *l.Continued, l.Audience, l.Scope))
	})
}
