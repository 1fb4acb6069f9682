package signin

import (
	"context"
	"maps"
	"net/http"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// enter begins the session of a login that the callback has completed.
func (s *Routes) enter(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	if err := s.begin(w, r, l); err != nil {
		return err
	}
	jar := s.c.Visits.Jar(r)
	if err := s.c.Visits.Marks.ExpectSession(w, jar); err != nil {
		return err
	}
	s.c.Visits.Marks.ForgetSilent(w, jar)
	return nil
}

// Start begins the session of a login that did not come through the callback. A login
// that completes a refresh goes on with the session that there is.
func (s *Routes) Start(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	start := s.begin
	if l.Continued != nil {
		start = s.goOn
	}
	if err := start(w, r, l); err != nil {
		return err
	}
	s.c.Visits.Marks.ForgetSilent(w, s.c.Visits.Jar(r))
	return nil
}

// begin begins the session of a login, in the place of the one that the browser had.
// Its id is new: an id that somebody planted before the login is worth nothing after
// it. Data of the application survives only if the same person logs in again, to the
// same organization.
func (s *Routes) begin(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	id := l.Identity
	c := id.Claims
	l.Data = map[string]string{}
	jar := s.c.Visits.Jar(r)
	// Somebody may be an administrator in an organization that they have made, and a
	// guest in another.
	if before := s.before(r.Context(), jar, l); before != nil && before.Issuer == c.Issuer && before.Subject == c.Subject && before.Organization == c.OrgID {
		maps.Copy(l.Data, before.Data)
	}
	if err := s.askApplication(r, l); err != nil {
		return err
	}
	record := &session.Record{
		ID:              secret.Random(),
		Issuer:          c.Issuer,
		Subject:         c.Subject,
		CreatedAt:       s.c.Now().Unix(),
		SID:             c.SessionID,
		IDTokenIssuedAt: int64(c.IssuedAt),
		AuthTime:        int64(c.AuthTime),
		ACR:             c.ACR,
		AMR:             c.AMR,
		Claims:          id.Kept(s.c.KeepClaim),
		Data:            l.Data,
		Organization:    c.OrgID,
		Nonce:           c.Nonce,
		Ceiling:         id.SessionExpiry(),
	}
	if token := l.Token; token != nil {
		record.RefreshToken = token.RefreshToken
		record.Tokens = []session.Token{renew.OfLogin(token, l.Audience, l.Scope, s.c.Now())}
	}
	if record.Ceiling > 0 && record.Ceiling <= s.loginTime(c.IssuedAt)+session.CeilingLeeway {
		return refusal.Ceiling.Because("session_expiry is %d", record.Ceiling)
	}
	if s.c.KeepIDToken {
		record.IDToken = id.Raw
	}
	return s.c.Sessions.Begin(r.Context(), w, jar.With(l.Cookies), record, append(s.c.Sessions.IDs(jar), l.Session)...)
}

// askApplication lets the application decide about a login. A return URL that it
// chooses must be as safe as one from a link.
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

// before returns the session that a login replaces, nil if there is none. With a form
// that the tenant has posted, the browser sends no session cookie; then it is the one
// that the browser had when the login began.
func (s *Routes) before(ctx context.Context, jar cookie.Jar, l *login.Accepted) *session.Record {
	if previous := s.c.Sessions.Load(ctx, jar).Record; previous != nil || l.Session == "" || !s.c.Sessions.HasStore() {
		return previous
	}
	previous, err := s.c.Sessions.Find(ctx, l.Session)
	if err != nil {
		s.c.Log.Warn("auth0: the session before this login could not be read", "err", err)
	}
	return previous
}

// loginTime is when the tenant issued the ID token, by its own clock if that is
// plausible.
func (s *Routes) loginTime(issuedAt float64) int64 {
	if issuedAt > 0 && issuedAt < 1e10 {
		return int64(issuedAt)
	}
	return s.c.Now().Unix()
}

// goOn adds what a refresh has brought in the end to the session that it was for.
// The session's id is new, as after any authentication.
func (s *Routes) goOn(w http.ResponseWriter, r *http.Request, l *login.Accepted) error {
	previous, err := s.c.Visits.Current(w, r)
	if err != nil && s.c.Row(err).Reason != refusal.LoginRequired.Reason {
		return err
	}
	if previous == nil || previous.ID != l.Session {
		return refusal.LoginRequired.Because("the session whose refresh this was is over")
	}
	previous, _, err = s.c.Sessions.Newest(r.Context(), previous)
	if err != nil {
		return err
	}
	record := previous.Clone()
	record.ID = secret.Random()
	if err := s.c.Tokens.Continue(r.Context(), record, *l.Continued, l.Audience, l.Scope); err != nil {
		return idtoken.Refused(err)
	}
	return s.c.Sessions.Begin(r.Context(), w, s.c.Visits.Jar(r), record, previous.ID)
}
