package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// A Session is what is remembered of a person who is logged in.
type Session struct {
	User User
	// Data belongs to the application. It is kept in the cookie, encrypted, so
	// it should be small; and it is lost when another person logs in. A change
	// is kept by [Strategy.SaveSession].
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

	sid     string
	idToken secret
	record  func() *sessionRecord // behind a function, because it has tokens
}

// Format hides the tokens from every verb of package fmt.
func (s *Session) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.Session(%q)", s.User.Subject)
}

// Session returns the session of a request. The error is [ErrNoSession] if
// nobody is logged in.
func (s *Strategy) Session(r *http.Request) (*Session, error) {
	loaded := loadedBy(r.Context(), s)
	if loaded == nil {
		loaded = s.sessions.read(r)
	}
	if loaded.record == nil {
		return nil, asError("session", refuseLoginRequired.error())
	}
	return s.sessions.session(loaded.record), nil
}

// SaveSession keeps the changes to a session that [Strategy.Session] returned
// for this request: its Data. A nil session ends it here, not at the tenant.
// SaveSession must be called before the first byte of the response is written.
//
// Of two requests at the same time that save, the later response wins. The
// error is [ErrSessionTooLarge] if the data does not fit; the session is then
// as it was before.
func (s *Strategy) SaveSession(w http.ResponseWriter, r *http.Request, session *Session) error {
	if session == nil {
		s.sessions.end(w, r)
		return nil
	}
	if session.record == nil {
		return asError("session", refuseInternal.because("the session does not come from Strategy.Session"))
	}
	record := s.sessions.touched(session.record())
	record.Data = session.Data
	if err := s.sessions.write(w, r, record); err != nil {
		return asError("session", err)
	}
	return nil
}

// AccessToken returns the access token of a request's session, for the API that
// the login was for. The error is [ErrNoSession] if nobody is logged in,
// [ErrNoToken] if there is no token, and [ErrTokenExpired] if it has expired
// and the person has to log in again to get another.
//
// It must be called before the first byte of the response is written, because
// it may have to write the session.
func (s *Strategy) AccessToken(w http.ResponseWriter, r *http.Request) (*oauth2.Token, error) {
	loaded := loadedBy(r.Context(), s)
	if loaded == nil {
		loaded = s.sessions.read(r)
	}
	if loaded.record == nil {
		return nil, asError("session", refuseLoginRequired.error())
	}
	tokens := loaded.record.Tokens
	if len(tokens) == 0 {
		return nil, asError("session", refuseSessionToken.error())
	}
	t := tokens[0]
	if t.ExpiresAt <= s.now().Unix() {
		return nil, asError("session", refuseSessionTokenExpired.error())
	}
	return &oauth2.Token{AccessToken: t.Token, TokenType: t.Type, Expiry: time.Unix(t.ExpiresAt, 0)}, nil
}

// LoadUser makes the session of each request known to [UserFrom] and [Claims],
// and prolongs it while it is used. Wrap the whole application with it.
//
// It never refuses a request: a cookie that is damaged, foreign or too old
// means that nobody is logged in.
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
		if loadedBy(r.Context(), s) != nil {
			next.ServeHTTP(w, r)
			return
		}
		r, wrote := s.load(w, r)
		next.ServeHTTP(w, r)
		if wrote && !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			s.log.Error("auth0: a handler made a response cacheable that sets the session cookie", "path", r.URL.Path, "cache_control", clip(w.Header().Get("Cache-Control")))
		}
	})
}

// load reads the session, writes it if it is due, and returns the request with
// the session in its context.
func (s *Strategy) load(w http.ResponseWriter, r *http.Request) (_ *http.Request, wrote bool) {
	loaded := s.sessions.read(r)
	if mayTouch(r) {
		cookie.VaryCookie(w.Header())
		switch {
		case loaded.over:
			s.sessions.cookie.Delete(w, r)
			wrote = true
		case loaded.record != nil:
			cookie.Uncacheable(w.Header())
			s.forgetLostLogins(w, r)
			if wrote = s.sessions.due(loaded, r); wrote {
				if err := s.sessions.write(w, r, s.sessions.touched(loaded.record)); err != nil {
					s.log.Warn("auth0: the session could not be prolonged", "err", clip(err.Error()))
				}
			}
		}
	}
	loaded.strategy = s
	return r.WithContext(context.WithValue(r.Context(), loadedKey{}, loaded)), wrote
}

// mayTouch reports whether a request is somebody using the application. What a
// page pulls in, or a browser asks for ahead of time, is not; and its response
// may well be meant for caches.
func mayTouch(r *http.Request) bool {
	if r.Method == http.MethodHead || r.Header.Get("Upgrade") != "" || isPrefetch(r) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Mode") {
	case "navigate":
		return true
	case "":
		return strings.Contains(r.Header.Get("Accept"), "text/html")
	}
	return r.Header.Get("Sec-Fetch-Site") == "same-origin" && r.Header.Get("Sec-Fetch-Dest") == "empty"
}

type loadedKey struct{}

// A loadedSession is what was found in a request. It is not changed once it is
// in a context.
type loadedSession struct {
	strategy *Strategy
	record   *sessionRecord // nil if nobody is logged in
	current  bool           // sealed with the first secret
	over     bool           // there was a session, and its time is up
	decoded  *decodedClaims
}

// loadedBy returns what LoadUser of this strategy has found.
func loadedBy(ctx context.Context, s *Strategy) *loadedSession {
	loaded, _ := ctx.Value(loadedKey{}).(*loadedSession)
	if loaded == nil || loaded.strategy != s {
		return nil
	}
	return loaded
}

// UserFrom returns who is logged in, as [Strategy.LoadUser] or
// [Strategy.RequireLogin] have found out for this request.
func UserFrom(ctx context.Context) (User, bool) {
	loaded, _ := ctx.Value(loadedKey{}).(*loadedSession)
	if loaded == nil || loaded.record == nil {
		return User{}, false
	}
	return loaded.record.user(), true
}

// A sessionRecord is the payload of the session cookie. Times are Unix seconds.
type sessionRecord struct {
	Version int    `json:"v"`
	ID      string `json:"id"` // new at every login
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`

	CreatedAt int64 `json:"iat"`
	TouchedAt int64 `json:"uat"`
	ExpiresAt int64 `json:"exp"`

	SID             string          `json:"sid,omitempty"` // the tenant's session
	IDTokenIssuedAt int64           `json:"id_iat"`
	AuthTime        int64           `json:"auth_time,omitempty"`
	ACR             string          `json:"acr,omitempty"`
	AMR             []string        `json:"amr,omitempty"`
	Claims          json.RawMessage `json:"claims"`
	IDToken         string          `json:"id_token,omitempty"`
	RefreshToken    string          `json:"refresh_token,omitempty"`
	// Tokens are access tokens; the first is that of the login.
	Tokens []tokenRecord     `json:"tokens,omitempty"`
	Data   map[string]string `json:"data,omitempty"`
}

type tokenRecord struct {
	Audience string `json:"aud,omitempty"`
	// Asked and Scope are kept apart: the tenant leaves out of Scope what it
	// does not grant, and nobody should ask for that again and again.
	Asked     string `json:"asked,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Type      string `json:"type"`
	Token     string `json:"token"`
	ExpiresAt int64  `json:"exp"`
}

const (
	sessionVersion = 1
	purposeSession = "session"
)

func (r *sessionRecord) user() User { return newUser(r.Issuer, r.Subject, r.Claims) }

// samePerson reports whether two records are of one user of one issuer.
func (r *sessionRecord) samePerson(issuer, subject string) bool {
	return r != nil && r.Issuer == issuer && r.Subject == subject
}

// sessions keeps the sessions of a Strategy in cookies.
type sessions struct {
	cookie   cookie.Cookie
	keyring  seal.Keyring
	idle     time.Duration // 0: sessions are not prolonged
	absolute time.Duration // 0: no limit
	countsAs func(*http.Request) bool
	now      func() time.Time
	log      *slog.Logger
	warned   atomic.Bool // that cookies are large
}

// read finds the session of a request. Cookies that do not open are left
// alone: they may be those of another version, or of another instance with a
// newer secret.
func (ss *sessions) read(r *http.Request) *loadedSession {
	found := &loadedSession{decoded: &decodedClaims{}}
	for _, value := range ss.cookie.Values(r) {
		record, current, ok := ss.open(value)
		if !ok {
			continue
		}
		if ss.expired(record) {
			found.over = found.record == nil
			continue
		}
		// A browser may send the cookie of a parent path too.
		if found.record == nil || record.TouchedAt > found.record.TouchedAt {
			found.record, found.current, found.over = record, current, false
		}
	}
	return found
}

func (ss *sessions) open(value string) (record *sessionRecord, current, ok bool) {
	plain, current, ok := ss.keyring.Open(purposeSession, ss.cookie.Name, value)
	if !ok {
		return nil, false, false
	}
	record = &sessionRecord{}
	if json.Unmarshal(plain, record) != nil || record.Version != sessionVersion || record.Subject == "" || record.Issuer == "" {
		return nil, false, false
	}
	return record, current, true
}

// expired applies what was promised when the session was written and what the
// configuration says today: a limit that was shortened holds at once.
func (ss *sessions) expired(r *sessionRecord) bool {
	now := ss.now().Unix()
	return now >= r.ExpiresAt || now >= ss.endsAt(r.CreatedAt, min(r.TouchedAt, now))
}

// endsAt is when a session ends that was begun and last used at the given times.
func (ss *sessions) endsAt(created, touched int64) int64 {
	end := int64(1 << 62)
	if ss.idle > 0 {
		end = touched + int64(ss.idle/time.Second)
	}
	if ss.absolute > 0 {
		end = min(end, created+int64(ss.absolute/time.Second))
	}
	return end
}

// due reports whether the session should be written for this request. Not at
// every one: a response that is still on its way would undo a logout.
func (ss *sessions) due(l *loadedSession, r *http.Request) bool {
	if !l.current {
		return true
	}
	if ss.idle == 0 {
		return false
	}
	const often = 5 * time.Minute
	unused := time.Duration(ss.now().Unix()-l.record.TouchedAt) * time.Second
	if unused < 0 {
		return true // the clock was set back; what is written now is right
	}
	return unused >= min(ss.idle/20, often) && (ss.countsAs == nil || ss.countsAs(r))
}

// touched returns a copy of the record that was used now.
func (ss *sessions) touched(r *sessionRecord) *sessionRecord {
	copied := *r
	copied.TouchedAt = ss.now().Unix()
	copied.ExpiresAt = ss.endsAt(copied.CreatedAt, copied.TouchedAt)
	return &copied
}

// write seals a record into the cookie. What is too large loses what can be
// done without, and then fails, before anything is written.
func (ss *sessions) write(w http.ResponseWriter, r *http.Request, record *sessionRecord) error {
	const comfortable = 6 << 10
	value, err := ss.seal(record)
	if err != nil {
		return err
	}
	if len(value) > comfortable && (record.IDToken != "" || len(record.Tokens) > 1) {
		smaller := *record
		smaller.IDToken = ""
		smaller.Tokens = record.Tokens[:min(len(record.Tokens), 1)]
		if value, err = ss.seal(&smaller); err != nil {
			return err
		}
	}
	if len(value) > comfortable && ss.warned.CompareAndSwap(false, true) {
		ss.log.Warn("auth0: session cookies are larger than 6 KiB, which some servers and proxies refuse; keep fewer claims with Config.KeepClaim, or less data", "bytes", len(value))
	}
	left := time.Duration(record.ExpiresAt-ss.now().Unix()) * time.Second
	if err := ss.cookie.Set(w, r, value, left); err != nil {
		return refuseTooLarge.wrap(err)
	}
	return nil
}

func (ss *sessions) seal(record *sessionRecord) (string, error) {
	plain, err := json.Marshal(record)
	if err != nil {
		return "", refuseInternal.wrap(err)
	}
	return ss.keyring.Seal(purposeSession, ss.cookie.Name, plain), nil
}

// end deletes the session of a request.
func (ss *sessions) end(w http.ResponseWriter, r *http.Request) { ss.cookie.Delete(w, r) }

// session is the public view of a record. It shares nothing with it that a
// caller could change.
func (ss *sessions) session(r *sessionRecord) *Session {
	s := &Session{
		User:      r.user(),
		Data:      maps.Clone(r.Data),
		CreatedAt: time.Unix(r.CreatedAt, 0),
		ExpiresAt: time.Unix(r.ExpiresAt, 0),
		ACR:       r.ACR,
		AMR:       slices.Clone(r.AMR),
		sid:       r.SID,
		idToken:   newSecret(r.IDToken),
		record:    func() *sessionRecord { return r },
	}
	if s.Data == nil {
		s.Data = map[string]string{}
	}
	if r.AuthTime > 0 {
		s.AuthenticatedAt = time.Unix(r.AuthTime, 0)
	}
	return s
}

// startSession begins the session of a login. Its id is new, whatever the
// browser had: an id that somebody planted before the login is worth nothing
// after it. Data of the application survives only if the same person logs in
// again.
func (s *Strategy) startSession(w http.ResponseWriter, r *http.Request, l *Login) error {
	id := l.identity()
	c := id.claims
	l.Data = map[string]string{}
	if previous := s.sessions.read(r).record; previous.samePerson(c.Issuer, c.Subject) {
		maps.Copy(l.Data, previous.Data)
	}
	if s.config.AfterLogin != nil {
		chosen := l.ReturnTo
		if err := s.config.AfterLogin(r.Context(), l); err != nil {
			return hookError(err)
		}
		if l.ReturnTo != chosen {
			site, err := s.siteOf(r)
			if err != nil {
				return err
			}
			l.ReturnTo = s.cleanReturnTo(site, l.ReturnTo)
		}
	}
	now := s.now().Unix()
	record := &sessionRecord{
		Version:         sessionVersion,
		ID:              randomText(),
		Issuer:          c.Issuer,
		Subject:         c.Subject,
		CreatedAt:       now,
		SID:             c.SessionID,
		IDTokenIssuedAt: int64(c.IssuedAt),
		AuthTime:        int64(c.AuthTime),
		ACR:             c.ACR,
		AMR:             c.AMR,
		Claims:          s.keptClaims(id),
		RefreshToken:    l.Token().RefreshToken,
		Tokens:          []tokenRecord{newTokenRecord(l, now)},
		Data:            l.Data,
	}
	if s.config.KeepIDToken {
		record.IDToken = id.raw
	}
	return s.sessions.write(w, r, s.sessions.touched(record))
}

// newTokenRecord: without expires_in the lifetime is not known, and is taken
// to be short; without scope it is what was asked for (RFC 6749, Section 5.1).
func newTokenRecord(l *Login, now int64) tokenRecord {
	const unknown = 5 * 60
	given := l.Token()
	t := tokenRecord{Audience: l.audience, Asked: l.scope, Scope: l.scope, Type: given.Type(), Token: given.AccessToken, ExpiresAt: now + unknown}
	if given.ExpiresIn > 0 {
		t.ExpiresAt = now + given.ExpiresIn
	}
	if granted, ok := given.Extra("scope").(string); ok {
		t.Scope = granted
	}
	return t
}

// protocolClaims serve the login alone; see RFC 7519, Section 4.1, and OpenID
// Connect Core 1.0, Sections 2 and 3.3.2.11.
var protocolClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "at_hash", "c_hash", "s_hash", "sid", "auth_time", "acr", "amr", "cnf", "events"}

// keptClaims returns the claims of an ID token that the session keeps.
func (s *Strategy) keptClaims(id identity) json.RawMessage {
	keep := s.config.KeepClaim
	if keep == nil {
		keep = func(name string) bool { return !slices.Contains(protocolClaims, name) }
	}
	var b bytes.Buffer
	b.WriteByte('{')
	jsonscan.Object(id.payload, func(name, value string) error { // was parsed before
		if keep(name) {
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			quoted, _ := json.Marshal(name)
			b.Write(quoted)
			b.WriteByte(':')
			b.WriteString(value)
		}
		return nil
	})
	b.WriteByte('}')
	return b.Bytes()
}

// checkSession settles cookies and durations.
func (s *Strategy) checkSession(p *problems, c Config) Config {
	keyring, err := seal.New(c.Secrets)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			p.add("Secrets", "%s", line)
		}
	}
	s.keyring = keyring
	setDefault(&c.CookieName, "auth0_session")
	setDefault(&c.CookiePath, "/")
	setDefault(&c.CookieSameSite, http.SameSiteLaxMode)
	secure := len(s.sites) > 0 && s.sites[0].secure()
	session := cookie.Cookie{Name: c.CookieName, Path: c.CookiePath, Domain: c.CookieDomain, Secure: secure, SameSite: c.CookieSameSite, SessionOnly: c.CookieSessionOnly}
	if err := session.Check(); err != nil {
		p.add("CookieName", "and the other fields of the session cookie: %v", err)
	}
	if c.CookieSameSite == http.SameSiteStrictMode {
		p.add("CookieSameSite", "Strict is not possible: the redirect that ends a login comes from another site, and the first page after it would have no session")
	}
	s.transaction = cookie.Cookie{Name: strings.TrimSuffix(c.CookieName, "_session") + "_txn_", Path: c.CookiePath, Domain: c.CookieDomain, Secure: secure, SameSite: http.SameSiteLaxMode}
	if c.ResponseMode == "form_post" {
		// A form that another site posts to us brings only such cookies.
		s.transaction.SameSite, s.transaction.Secure = http.SameSiteNoneMode, true
		if !secure {
			s.log.Warn("auth0: form_post without https works on this machine only")
		}
	}
	s.transaction = s.transaction.WithHostPrefix()
	s.sessions = &sessions{
		cookie:   session.WithHostPrefix(),
		keyring:  keyring,
		countsAs: c.CountsAsUse,
		now:      s.now,
		log:      s.log,
	}
	s.sessions.idle = checkedLimit(p, "IdleTimeout", c.IdleTimeout, 24*time.Hour)
	s.sessions.absolute = checkedLimit(p, "AbsoluteTimeout", c.AbsoluteTimeout, 7*24*time.Hour)
	if s.sessions.idle == 0 && s.sessions.absolute == 0 {
		p.add("AbsoluteTimeout", "and IdleTimeout cannot both be None: a session must end")
	}
	if i, a := s.sessions.idle, s.sessions.absolute; a > 0 && i > a && c.IdleTimeout != 0 {
		s.log.Warn("auth0: Config.IdleTimeout is longer than Config.AbsoluteTimeout and has no effect")
	}
	if s.namespace.static == nil {
		c.KeepIDToken = true // other providers need it to end their session
	}
	if c.InsecureHTTP && !secure {
		s.log.Warn("auth0: Config.InsecureHTTP is set: cookies and codes can be read on the way")
	}
	return c
}

func checkedLimit(p *problems, field string, d, byDefault time.Duration) time.Duration {
	switch {
	case d == None:
		return 0
	case d == 0:
		return byDefault
	case d < time.Second:
		p.add(field, "%v must be at least a second, 0 for the default, or None", d)
	}
	return d
}
