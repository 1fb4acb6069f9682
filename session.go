package auth0

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
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

// A Session is the session of a user who is logged in.
type Session struct {
	User User
	// Data belongs to the application. It is in the cookie, encrypted, unless there is a
	// Store, so keep it small. It is lost when another user logs in, or the same user to
	// another organization. [Strategy.SaveSession] stores changes.
	Data map[string]string

	// CreatedAt is the time of the login here. ExpiresAt is the end of the session if it
	// is not used until then.
	CreatedAt time.Time
	ExpiresAt time.Time
	// AuthenticatedAt is the time of the user's last authentication at the tenant. It is
	// zero if the tenant did not send auth_time, which it sends for WithMaxAge.
	AuthenticatedAt time.Time
	// ACR and AMR describe that authentication. At Auth0, AMR contains "mfa" after a
	// second factor.
	ACR string
	AMR []string

	visit secret.Box[*visit.Visit] // its record has tokens
}

// Format hides the tokens from every verb of package fmt.
func (s *Session) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Session(%q)", s.User.Subject)
}

// Session returns the session of a request. The error is [ErrNoSession] if the
// request has no session, and [ErrStoreUnavailable] if the store is unreachable.
func (s *Strategy) Session(r *http.Request) (*Session, error) {
	return op("session", s, func() (*Session, error) {
		v, err := s.visits.Find(r)
		if err != nil {
			return nil, err
		}
		return newSession(v), nil
	})
}

// SaveSession stores the changes of Data in a session that [Strategy.Session]
// returned for this request. Call it in a handler inside [Strategy.LoadUser] or a guard,
// before the first byte of the response is written. To end a session see
// [Strategy.EndSession]. SaveSession fails for a session of another request, and for one
// that this response has replaced.
//
// With a [Store], each of two concurrent requests keeps the entries of Data that it has
// changed. In cookies, the later response wins. The error is
// [ErrSessionTooLarge] if the data does not fit, and [ErrNoSession] if the session
// was ended meanwhile. Nothing changes in either case.
func (s *Strategy) SaveSession(w http.ResponseWriter, r *http.Request, edited *Session) error {
	return do("session", s, func() error {
		if edited == nil || edited.visit.IsEmpty() {
			return refusal.Internal.Because("the session does not come from Strategy.Session")
		}
		return s.visits.Commit(w, r, edited.visit.Reveal(), maps.Clone(edited.Data))
	})
}

// EndSession ends the session here, but not at the tenant; [Strategy.LogoutHandler]
// ends both. Call it where [Strategy.SaveSession] can be called. If the error is
// [ErrStoreUnavailable], the cookie is deleted, but a copy of it can still be valid.
func (s *Strategy) EndSession(w http.ResponseWriter, r *http.Request) error {
	return do("session", s, func() error { return s.visits.End(w, r) })
}

// EndSessionsOf ends every session of a user in this application that began before
// now, on all devices. Each ends at its next request. A session that begins later stays,
// unless its ID token was issued more than a minute before.
//
// It requires [Config.Store] or [Config.Revocations], and fails without them. The
// user's sessions at the tenant go on, so a login can succeed without a prompt.
// DELETE /api/v2/users/{id}/sessions of Auth0's Management API ends those.
//
// Issuer and subject are the fields of [User]. The error is [ErrStoreUnavailable] if
// the store is unreachable; then possibly no session has ended.
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

// LoadUser finds the session of each request for [UserFrom] and [Claims], and extends
// the session while it is used. Wrap the whole application with it. Methods that can write
// a session, such as [Strategy.AccessToken], fail in handlers outside LoadUser and guards.
//
// It never rejects a request. A damaged, foreign or expired cookie means that no user
// is logged in. So does an unreachable [Store]: the cookie then stays, and
// [Strategy.RequireLogin] answers 503. A request with the header Upgrade has no user
// unless its Origin is the site's.
//
// Before the next handler runs, every response gets Vary: Cookie, and a response to a
// logged-in user also gets Cache-Control: private. A handler that needs no session,
// such as a file server, can set its own headers, or stand outside LoadUser.
//
// For pages and for requests from pages of the same origin, LoadUser writes a session
// that is due, and marks the response as private and not to be stored, before the
// next handler runs. A handler that then sets a Cache-Control that allows storing
// would hand one user's session to another. LoadUser logs that.
func (s *Strategy) LoadUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.ready(); err != nil {
			s.errors.fail(w, r, "session", err)
			return
		}
		if s.visits.In(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		r, wrote := s.visits.Load(w, r)
		next.ServeHTTP(w, r)
		if wrote && !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			s.log.Error("auth0: a handler made a response with the session cookie cacheable", "path", r.URL.Path, "cache_control", w.Header().Get("Cache-Control"))
		}
	})
}

// UserFrom returns the user that [Strategy.LoadUser], [Strategy.RequireLogin] or
// [ContextWithUser] has put into the context.
func UserFrom(ctx context.Context) (User, bool) {
	loaded := visit.In(ctx)
	if loaded == nil || loaded.Record == nil {
		return User{}, false
	}
	return userOf(loaded.Record), true
}

func userOf(r *session.Record) User { return newUser(r.Issuer, r.Subject, r.Claims) }

// samePerson reports whether the session belongs to this user of this issuer.
func samePerson(r *session.Record, issuer, subject string) bool {
	return r != nil && r.Issuer == issuer && r.Subject == subject
}

// newSession is the public view of a record. The caller can change it without
// changing the record.
func newSession(v *visit.Visit) *Session {
	r, facts := v.Record, v.Record.Facts()
	s := &Session{User: userOf(r), Data: make(map[string]string, len(r.Data)), visit: secret.Of(v)}
	maps.Copy(s.Data, r.Data)
	s.CreatedAt, s.ExpiresAt = r.Life()
	s.ACR, s.AMR = facts.ACR, slices.Clone(facts.AMR)
	if facts.Time > 0 {
		s.AuthenticatedAt = time.Unix(int64(facts.Time), 0)
	}
	return s
}

// StartSession begins the session of a login without [Strategy.CallbackHandler], for
// example of [Application.Exchange]. It calls
// [Config].AfterLogin first. The session always has a new id. A login that completes
// a refresh continues the existing session without AfterLogin. The error is
// [ErrNoSession] if that session has ended.
//
// Call StartSession where [Strategy.SaveSession] can be called. Then redirect the browser
// to [Login].ReturnTo.
func (s *Strategy) StartSession(w http.ResponseWriter, r *http.Request, l *Login) error {
	return do("login", s, func() error {
		switch {
		case l == nil || l.accepted.IsEmpty():
			return refusal.Internal.Because("the login was not made by this package")
		case l.by != s.app.logins.Flow:
			return refusal.Internal.Because("the login belongs to another application than Strategy.Application")
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
	// User is the user. Subject is required. An empty Issuer stands for the tenant.
	User User
	// Claims are further claims of the ID token in the old session, such as roles.
	// [User.Claim] and [Claims] return them. [Strategy.RequireStepUp] finds auth_time,
	// acr and amr only here.
	Claims map[string]any
	// Token has the refresh token, and the access token for [Config].Audience, if the
	// old session has any. Without an Expiry, the access token is not used. An access token
	// of type DPoP is not used either. The refresh token then gets access tokens that are
	// bound to a key of [Config].ProofKey.
	Token *oauth2.Token
	// Data belongs to the application, see [Session].
	Data map[string]string
	// LoggedInAt is the time of the login. It is required. [Config].AbsoluteTimeout
	// counts from it.
	LoggedInAt time.Time
	// SessionID is the claim sid of the ID token, if there was one. A back-channel
	// logout of the tenant's session then ends this session.
	SessionID string
	// PersistentCookie is the choice of [WithPersistentCookie], nil for the default.
	PersistentCookie *bool
}

// ImportSession takes over a session of another session system, so that users need
// not log in again when an application moves here. Call it in a middleware inside
// [Strategy.LoadUser], for a request without a session whose old session is valid.
// Delete the old session's cookie then, and redirect the browser to the same URL: the
// session begins with the next request. From then on, it is like any other, and
// [Strategy.AccessToken] refreshes its tokens.
//
// ImportSession verifies no ID token and does not call AfterLogin: the caller vouches
// for the user. So pass only values that the old system has verified and that a browser
// cannot change, as in a signed cookie or a store.
//
// Call it before the first byte of the response is written. The error is
// [ErrNoSession] if the session is older than [Config].AbsoluteTimeout. The user then
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
			Claims: jwt.Claims{Issuer: cmp.Or(u.Issuer, s.app.Issuer()), Subject: u.Subject, OrgID: u.OrgID, OrgName: u.OrgName, SessionID: old.SessionID},
			Kept:   kept, Token: old.Token, Audience: s.app.grants.Audience, Scope: strings.Join(s.app.logins.Flow.Scopes, " "),
			Data: maps.Clone(old.Data), LoggedInAt: old.LoggedInAt, Persistent: old.PersistentCookie,
		})
	})
}

// Format hides the tokens from every verb of package fmt.
func (i ImportedSession) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.ImportedSession(%q)", i.User.Subject)
}

// MarshalJSON hides the tokens from packages json and slog.
func (i ImportedSession) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }
