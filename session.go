package auth0

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/signin"
	"github.com/seed-15d5a55c/auth0/internal/visit"
	"golang.org/x/oauth2"
)

// A Session is what is remembered of a person who is logged in.
type Session struct {
	User User
	// Data belongs to the application. It is kept in the cookie, encrypted, so
	// it should be small. It is lost when another person logs in, or the same one
	// to another organization. A change is kept by [Strategy.SaveSession].
	Data map[string]string

	// CreatedAt is when the person logged in here, ExpiresAt when the session
	// ends if it is not used until then.
	CreatedAt time.Time
	ExpiresAt time.Time
	// AuthenticatedAt is when the person last proved who they are to the tenant,
	// if the tenant has said so. It does for logins with WithMaxAge.
	AuthenticatedAt time.Time
	// ACR and AMR are how they proved it: at Auth0, AMR has "mfa" after a second
	// factor.
	ACR string
	AMR []string

	record secret.Box[*session.Record] // it has tokens
}

// Format hides the tokens from every verb of package fmt.
func (s *Session) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Session(%q)", s.User.Subject)
}

// Session returns the session of a request. The error is [ErrNoSession] if
// nobody is logged in, and [ErrStoreUnavailable] if that cannot be known.
func (s *Strategy) Session(r *http.Request) (*Session, error) {
	return op("session", s, func() (*Session, error) {
		record, err := s.visits.Record(r)
		if err != nil {
			return nil, err
		}
		return newSession(record), nil
	})
}

// SaveSession keeps the changes to a session that [Strategy.Session] returned
// for this request: its Data. It must be called before the first byte of the
// response is written. To end a session see [Strategy.EndSession]. A session of
// another request, and one that this response has replaced, is refused.
//
// Of two requests at the same time that save, each keeps the entries of Data
// that it has changed, if sessions are in a [Store]; in cookies, the later
// response wins. The error is [ErrSessionTooLarge] if the data does not fit, and
// [ErrNoSession] if the session was ended meanwhile; nothing is then changed.
func (s *Strategy) SaveSession(w http.ResponseWriter, r *http.Request, edited *Session) error {
	return do("session", s, func() error {
		if edited == nil || edited.record.IsEmpty() {
			return refusal.Internal.Because("the session does not come from Strategy.Session")
		}
		before, after := edited.record.Reveal(), maps.Clone(edited.Data)
		current, err := s.visits.Current(w, r)
		if err != nil {
			return err
		}
		if current.ID != before.ID {
			return refusal.Internal.Because("the session is not that of this request; a session cannot be kept from one request to another")
		}
		return s.sessions.Commit(r.Context(), w, s.visits.Jar(r), current, before, after)
	})
}

// EndSession logs the person out here, and not at the tenant; for that there is
// [Strategy.LogoutHandler]. It must be called before the first byte of the response
// is written. An error means that a [Store] did not answer: then this browser has
// forgotten the session, and a copy of its cookie may still be good.
func (s *Strategy) EndSession(w http.ResponseWriter, r *http.Request) error {
	return do("session", s, func() error { return s.sessions.Destroy(r.Context(), w, s.visits.Jar(r)) })
}

// EndSessionsOf ends every session of a user in this application that began before
// now, on all devices. Each ends at its next request. A session that begins within
// the same second can end too.
//
// It needs [Config.Store] or [Config.Revocations], and the error says so if there is
// neither. The user's sessions at the tenant go on, so a login can succeed without
// a prompt. DELETE /api/v2/users/{id}/sessions of Auth0's Management API ends those.
//
// Issuer and subject are those of [User]. The error is [ErrStoreUnavailable] if the
// store does not answer; then nothing may have ended.
func (s *Strategy) EndSessionsOf(ctx context.Context, issuer, subject string) error {
	return do("session", s, func() error {
		switch {
		case !s.sessions.CanRevoke():
			return refusal.Misconfigured.Because("EndSessionsOf needs Config.Store or Config.Revocations")
		case issuer == "" || subject == "":
			return refusal.Internal.Because("EndSessionsOf: issuer or subject is empty")
		}
		return s.sessions.DestroyUser(ctx, issuer, subject)
	})
}

// LoadUser makes the session of each request known to [UserFrom] and [Claims],
// and prolongs it while it is used. Wrap the whole application with it.
//
// It never refuses a request: a cookie that is damaged, foreign or too old
// means that nobody is logged in, and so does a [Store] that does not answer.
// [Strategy.RequireLogin] then answers 503, and the cookie is left alone. So does
// a request with the header Upgrade whose Origin is not the site's.
//
// Before the next handler runs, every response gets Vary: Cookie, and that to a user
// who is logged in Cache-Control: private. A handler whose response depends on no
// session, such as a file server, can set its own headers, or stand outside LoadUser.
//
// For pages and for requests that a page of the same origin makes, a session
// that is due is written, and the response is marked private and not to be
// stored, before the next handler runs. A handler that answers such a request
// with a Cache-Control of its own that allows storing would hand one person's
// session to another; that is reported in the log.
func (s *Strategy) LoadUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.ready(); err != nil {
			s.exit.fail(w, r, "session", err)
			return
		}
		if s.visits.In(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		r, wrote := s.visits.Load(w, r)
		next.ServeHTTP(w, r)
		if wrote && !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			s.log.Error("auth0: a handler made a response cacheable that sets the session cookie", "path", r.URL.Path, "cache_control", w.Header().Get("Cache-Control"))
		}
	})
}

// UserFrom returns who is logged in, as [Strategy.LoadUser] or
// [Strategy.RequireLogin] have found out for this request.
func UserFrom(ctx context.Context) (User, bool) {
	loaded := visit.In(ctx)
	if loaded == nil || loaded.Record == nil {
		return User{}, false
	}
	return userOf(loaded.Record), true
}

func userOf(r *session.Record) User { return newUser(r.Issuer, r.Subject, r.Claims) }

// samePerson reports whether the session is of a user of an issuer.
func samePerson(r *session.Record, issuer, subject string) bool {
	return r != nil && r.Issuer == issuer && r.Subject == subject
}

// newSession is the public view of a record. It shares nothing with it that a
// caller could change.
func newSession(r *session.Record) *Session {
	s := &Session{User: userOf(r), Data: maps.Clone(r.Data), record: secret.Of(r)}
	s.CreatedAt, s.ExpiresAt = r.Life()
	s.AuthenticatedAt, s.ACR, s.AMR = r.Authentication()
	if s.Data == nil {
		s.Data = map[string]string{}
	}
	return s
}

// StartSession begins the session of a login that did not come through
// [Strategy.CallbackHandler], or that of [Application.Exchange]. The session has a
// new id, whatever the browser had, and [Config].AfterLogin is called first. A
// login that completes a refresh goes on with the session that there is, without
// AfterLogin; the error is [ErrNoSession] if that is over.
//
// StartSession must be called before the first byte of the response is written.
// Then send the browser to [Login].ReturnTo.
func (s *Strategy) StartSession(w http.ResponseWriter, r *http.Request, l *Login) error {
	return do("login", s, func() error {
		switch {
		case l == nil || l.accepted.IsEmpty():
			return refusal.Internal.Because("the login was not made by this package")
		case l.by != s.app.flow:
			return refusal.Internal.Because("the login was made by another application than Strategy.Application")
		}
		accepted := l.accepted.Reveal()
		accepted.ReturnTo = l.ReturnTo
		if err := s.signin.Start(w, r, accepted); err != nil {
			return err
		}
		l.ReturnTo, l.Data = accepted.ReturnTo, accepted.Data
		return nil
	})
}

// An ImportedSession is a session of another session system, see
// [Strategy.ImportSession]. Formatting or logging it does not show the tokens, unless
// it is in an unexported field of another struct, see [Config].
type ImportedSession struct {
	// User is the person who is logged in. Subject is needed. Issuer may be empty: it
	// is then the tenant's.
	User User
	// Claims are further claims of the ID token that the old session has kept, such as
	// roles, for [User.Claim] and [Claims].
	Claims map[string]any
	// Token has the refresh token, and the access token for [Config].Audience, if the
	// old session has any. Without an Expiry, the access token is not used.
	Token *oauth2.Token
	// Data is the application's own, see [Session].
	Data map[string]string
	// LoggedInAt is when the person has logged in. [Config].AbsoluteTimeout counts from
	// it. It is needed.
	LoggedInAt time.Time
	// SessionID is the claim sid of the ID token, if there was one. A back-channel
	// logout of the tenant's session then ends this one.
	SessionID string
}

// ImportSession makes a session of another session system a session of this one, so
// that nobody has to log in again when an application moves here. Call it in a
// middleware inside [Strategy.LoadUser], for a request without a session whose old
// session is good, and delete the old session's cookie then. From the next request on
// the session is like any other, and [Strategy.AccessToken] renews its tokens.
//
// No ID token is checked, and AfterLogin is not called: the caller vouches for the
// person. So pass only what the old system has verified and kept where a browser
// cannot change it, as in a signed cookie or a store.
//
// It must be called before the first byte of the response is written. The error is
// [ErrNoSession] if the session is older than [Config].AbsoluteTimeout; the person then
// has to log in.
func (s *Strategy) ImportSession(w http.ResponseWriter, r *http.Request, old ImportedSession) error {
	return do("session", s, func() error {
		if old.User.Subject == "" || old.LoggedInAt.IsZero() {
			return refusal.Internal.Because("ImportSession: User.Subject and LoggedInAt are needed")
		}
		kept, err := old.User.with(old.Claims)
		if err != nil {
			return refusal.Internal.Wrap(err)
		}
		u := old.User
		return s.signin.Import(w, r, signin.Imported{
			Claims: jwt.Claims{Issuer: cmp.Or(u.Issuer, s.app.Issuer()), Subject: u.Subject, OrgID: u.OrgID, SessionID: old.SessionID},
			Kept:   kept, Token: old.Token, Audience: s.app.grants.Audience, Scope: strings.Join(s.app.flow.Scopes, " "),
			Data: maps.Clone(old.Data), LoggedInAt: old.LoggedInAt,
		})
	})
}

// Format hides the tokens from every verb of package fmt.
func (i ImportedSession) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.ImportedSession(%q)", i.User.Subject)
}

// MarshalJSON hides the tokens from packages json and slog.
func (i ImportedSession) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }
