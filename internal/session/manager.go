// Package session stores sessions, either completely in encrypted cookies or in a
// store with an id in the cookie. It reads and writes the cookies, serializes the
// changes of one session across requests and instances, and records which sessions
// have ended.
//
// The package does not know the steps of a login, tenants, which tokens a caller needs,
// or the answer to a refusal.
package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

// A Manager reads and writes the sessions of one application. It is safe for
// concurrent use. Create it with [New].
type Manager struct {
	cookies cookies
	records *records // nil if sessions are in cookies
	limits  limits
	ended   endings
	recent  recentTokens
	turns   turns
	until   time.Time // end of the migration from cookies to the store
	log     *slog.Logger
}

// A Config configures a [Manager]. All fields are required, except where noted.
type Config struct {
	Cookies *cookie.Names // without a name of the cookie Ended, that is not set
	Keyring seal.Keyring
	Client  string // id of the application
	// Store holds the sessions. If it is nil, they are in cookies. Revocations
	// holds the marks of ended sessions. If it is nil, they are in Store.
	Store, Revocations Store
	// CookiesUntil ends the migration of sessions from cookies to Store. A session
	// in a cookie is not accepted after it.
	CookiesUntil time.Time
	// Idle is the longest time without a request, and Absolute the longest life of
	// a session. With an Idle of 0, use does not extend a session. With an Absolute
	// of 0, there is no such limit. CountsAsUse, if not nil, reports whether a
	// request counts as use.
	Idle, Absolute time.Duration
	CountsAsUse    func(*http.Request) bool
	Now            func() time.Time
	Log            *slog.Logger
}

// New returns a Manager. It calls no store.
func New(c Config) *Manager {
	m := &Manager{
		limits: limits{idle: c.Idle, absolute: c.Absolute, countsAs: c.CountsAsUse, now: c.Now, log: c.Log},
		until:  c.CookiesUntil, log: c.Log,
	}
	store := newBoundStore(c.Store)
	if store != nil {
		m.records = &records{store: store, keyring: c.Keyring}
	}
	m.cookies.cookie, m.cookies.keyring, m.cookies.idsOnly = c.Cookies.Session, c.Keyring, store != nil
	m.cookies.ended = c.Cookies.Ended
	m.cookies.left, m.cookies.log = m.limits.left, c.Log
	m.turns.store = store
	marks, life := newBoundStore(c.Revocations), m.limits.longestLife()
	if marks == nil {
		marks = store
	}
	if marks != nil {
		m.ended.marks = &revocations{store: marks, client: c.Client, life: life, now: c.Now}
	}
	m.ended.here = &endedSessions{life: life, now: c.Now, known: map[endedID]struct{}{}}
	return m
}

// Watch calls f for each value that the Manager seals or opens. It is for tests
// that count them.
func (m *Manager) Watch(f func()) {
	m.cookies.keyring = m.cookies.keyring.Watch(f)
	if m.records != nil {
		m.records.keyring = m.cookies.keyring
	}
}

// CanRevoke reports whether there is a store for marks, which all processes read.
func (m *Manager) CanRevoke() bool { return m.ended.marks != nil }

// A Loaded is the session of one request, and the session that its response sets.
// [Manager.Load] finds the first one, the methods that write a session note the second one.
// Give every method for one response the same Loaded. After Load, the methods can be called
// at the same time, unless Jar is changed.
type Loaded struct {
	Jar    cookie.Jar // of the request
	Record *Record    // nil if no user is logged in
	Err    error      // the store failed: whether a user is logged in is unknown

	current bool // sealed with the first secret, and where it belongs
	over    bool // there was a session, and it has expired

	// mu guards the headers of the response, too. Several goroutines of one request can
	// refresh tokens at once, and http.Header is not safe for concurrent use.
	mu   sync.Mutex
	sent *Record // the session that the response sets, nil for none
}

// send notes the session that the response sets from now on, nil for none. It returns the
// id of the one before, empty for none. The caller has the lock.
func (l *Loaded) send(record *Record) (before string) {
	if l.sent != nil {
		before = l.sent.ID
	}
	l.sent = record
	return before
}

// Load finds the session among the cookies of the jar. It ignores cookies that do
// not open: another application, another version, or an instance with a newer
// secret may have set them.
func (m *Manager) Load(ctx context.Context, l *Loaded) {
	var room [cookie.MaxValues]string
	for _, value := range m.cookies.cookie.AppendValues(room[:0], l.Jar) {
		o := m.open(ctx, value)
		switch {
		case o.err != nil:
			l.Err = o.err
		case o.gone, o.record != nil && m.limits.expired(o.record):
			l.over = l.Record == nil
		case o.record == nil || m.limits.early(o.record):
		case l.Record == nil || o.record.ID == l.Record.ID && o.record.isNewer(l.Record):
			l.Record, l.current, l.over = o.record, o.current, false
		case o.record.ID != l.Record.ID:
			// An attacker who can set cookies for this host has added one. The user's
			// session cannot be told from it.
			m.log.Debug("auth0: a request with two sessions counts as one without")
			l.Record, l.Err, l.current, l.over = nil, nil, false, false
			return
		}
	}
	if l.Record == nil {
		l.over = l.over && l.Err == nil
		return
	}
	l.Err = nil
	over, err := m.ended.isEnded(ctx, l.Record)
	if over || err != nil {
		l.Record, l.over, l.Err = nil, over, readError(ctx, err)
		return
	}
	if m.records == nil {
		l.Record = m.recent.shown(l.Record)
	}
}

// opened is the result of opening one cookie.
type opened struct {
	record  *Record
	current bool
	gone    bool // the cookie opens, and its session is no longer in the store
	err     error
}

func (m *Manager) open(ctx context.Context, value string) opened {
	if m.records != nil {
		if id, current, ok := m.cookies.openID(value); ok {
			record, err := m.records.find(ctx, id)
			return opened{record: record, current: current, gone: record == nil && err == nil, err: err}
		}
		if !m.limits.now().Before(m.until) {
			return opened{}
		}
	}
	record, current := m.cookies.open(value)
	// A session in a cookie is not current if there is a store, so that it moves
	// there.
	return opened{record: record, current: current && m.records == nil}
}

// DataFor returns the application's data that a login takes over from the session that
// it replaces. It returns nothing if that session was of another user. The session is the
// one in the jar. With a form posted by the tenant, the browser sends no session cookie.
// Then the session is the one with the given id, if the store has it.
func (m *Manager) DataFor(ctx context.Context, c *jwt.Claims, jar cookie.Jar, id string) map[string]string {
	l := Loaded{Jar: jar}
	m.Load(ctx, &l)
	replaced := l.Record
	if replaced == nil && id != "" && m.records != nil {
		var err error
		if replaced, err = m.records.find(ctx, id); err != nil {
			m.log.Warn("auth0: the session before this login could not be read", "err", err)
		}
	}
	if replaced == nil || !replaced.isOf(c) {
		return nil
	}
	return replaced.Data
}

// Current returns the session that a response sets, or the session of the request if it
// sets none. The error is as for [IsEnded] if this process has ended the session
// meanwhile.
func (m *Manager) Current(l *Loaded, requested func() (*Record, error)) (*Record, error) {
	l.mu.Lock()
	record := l.sent
	l.mu.Unlock()
	if record == nil {
		var err error
		if record, err = requested(); err != nil {
			return nil, err
		}
	}
	if m.ended.here.has(record.ID) {
		return nil, refusal.LoginRequired.Because("the session was ended while this request was under way")
	}
	return record, nil
}

// Newest returns the newest state of a session that this process knows.
func (m *Manager) Newest(ctx context.Context, record *Record) (*Record, error) {
	newest, _, err := m.newest(ctx, record)
	return newest, err
}

// newest returns the newest state of a session that this process knows, and the
// state in the store or cookie. They differ if this process has newer tokens that
// are not stored.
func (m *Manager) newest(ctx context.Context, record *Record) (newest, kept *Record, err error) {
	if m.records != nil {
		stored, err := m.records.find(ctx, record.ID)
		switch {
		case err != nil:
			return nil, nil, err
		case stored != nil:
			record = stored
		case !record.inCookie:
			return nil, nil, errEnded()
		}
	}
	return m.recent.addTo(record), record, nil
}

// Begin stores a new session, sets its cookie, and then ends the sessions that it
// replaces: those of the request, of the response, and the given ones. The order
// matters: a cookie must not name a session that was not stored, and a session that
// fails to begin must not end another. If a replaced session cannot be ended, Begin
// logs a warning and succeeds.
func (m *Manager) Begin(ctx context.Context, w http.ResponseWriter, l *Loaded, record *Record, replaced ...string) error {
	m.ended.marks.beginAfterMark(ctx, record)
	m.limits.touch(record)
	if m.limits.left(record) <= 0 {
		return refusal.LoginRequired.Because("the time of the session is up before it begins")
	}
	if m.records != nil {
		if err := m.records.add(ctx, record); err != nil {
			return err
		}
	}
	before, err := m.cookies.set(w, l, record)
	if err != nil {
		return err
	}
	replaced = append(append(m.cookies.ids(l.Jar), replaced...), before)
	if err := m.end(ctx, replaced); err != nil {
		m.log.Warn("auth0: the session before this login could not be ended", "err", err)
	}
	return nil
}

// Renew gives a session a new id, as after any authentication. It calls apply with a
// copy of the newest state, and begins that in place of the session. If apply fails,
// Renew returns its error, and the session stays.
func (m *Manager) Renew(ctx context.Context, w http.ResponseWriter, l *Loaded, record *Record, apply func(*Record) error) error {
	newest, err := m.Newest(ctx, record)
	if err != nil {
		return err
	}
	renewed := newest.clone()
	renewed.ID = secret.Random()
	if err := apply(renewed); err != nil {
		return err
	}
	return m.Begin(ctx, w, l, renewed, record.ID)
}

// Touch writes the session of a request with now as its last use, if that is due. It
// writes tokens that this process has and the browser does not. It deletes the cookie of
// a session that is over. It reports whether a write was due, also with an error.
func (m *Manager) Touch(w http.ResponseWriter, r *http.Request, l *Loaded) (wrote bool, err error) {
	switch {
	case l.over:
		m.cookies.delete(w, l)
		return true, nil
	case l.Record == nil:
		return false, nil
	case !l.current || m.limits.due(l.Record, r):
		return true, m.prolong(w, r, l)
	case l.Record.undelivered:
		// An earlier response could not carry the tokens. That does not prolong the session.
		_, err := m.cookies.set(w, l, l.Record)
		return true, err
	}
	return false, nil
}

// prolong writes a session with now as its last use. If the session has ended
// meanwhile, prolong deletes the cookie.
func (m *Manager) prolong(w http.ResponseWriter, r *http.Request, l *Loaded) error {
	// A page does not wait long, since the next request can prolong the session too.
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	record, err := m.Change(ctx, l.Record, func(newest *Record) (bool, error) {
		m.limits.touch(newest)
		return true, nil
	})
	if isEnded(err) {
		m.cookies.delete(w, l) // the user has logged out meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	_, err = m.cookies.set(w, l, record)
	return err
}

// Commit stores the changes of the application's data from before to data, with now
// as the last use of the session, and sets the cookie. Changes that another request
// has made to other entries stay.
func (m *Manager) Commit(ctx context.Context, w http.ResponseWriter, l *Loaded, record, before *Record, data map[string]string) error {
	changed, err := m.Change(ctx, record, func(newest *Record) (bool, error) {
		newest.Data = mergeData(before.Data, data, newest.Data)
		m.limits.touch(newest)
		return true, nil
	})
	if err != nil {
		return err
	}
	_, err = m.cookies.set(w, l, changed)
	return err
}

// Change calls apply with a copy of the newest state of a session, and stores the
// copy if apply reports a change. It returns the resulting state together with the error
// of apply: a change can be worth storing although apply failed. Changes of one session
// take turns.
//
// If the Manager itself fails, Change returns its failure, and no state. Change does
// not write to the browser. [Manager.SendTokens] does.
func (m *Manager) Change(ctx context.Context, record *Record, apply func(*Record) (changed bool, err error)) (*Record, error) {
	end, err := m.turns.take(ctx, record.ID)
	if err != nil {
		return nil, readError(ctx, err)
	}
	defer end()
	newest, kept, err := m.newest(ctx, record)
	if err != nil {
		return nil, err
	}
	applied := newest.clone()
	changed, err := apply(applied)
	switch {
	case changed:
		if failed := m.keep(ctx, applied, kept); failed != nil {
			return nil, failed
		}
		return applied, err
	case err != nil:
		return newest, err
	}
	if failed := m.keepLate(ctx, newest, kept); failed != nil {
		return nil, failed
	}
	return newest, nil
}

// keep stores a changed record. New tokens are kept in this process first. The
// refresh token that they replace is used up, so they must not be lost. If the store
// fails, or if the response has begun and cannot carry them, this process keeps them
// until a write succeeds, until the browser sends them, or until the session ends.
func (m *Manager) keep(ctx context.Context, changed, before *Record) error {
	if m.ended.here.has(changed.ID) {
		return errEnded() // meanwhile
	}
	refreshed := changed.Refreshes != before.Refreshes
	if refreshed {
		m.recent.keep(changed, m.limits.left(changed))
	}
	if m.records == nil {
		return nil
	}
	err := m.records.write(ctx, changed, before)
	if kept := m.recent.find(changed.ID); kept != nil && (err == nil || isEnded(err)) {
		m.recent.release(kept)
	}
	return err
}

// keepLate stores tokens that an earlier change could not store. If the store fails
// again, keepLate logs a warning, and the caller can still use the tokens.
func (m *Manager) keepLate(ctx context.Context, newest, kept *Record) error {
	if m.records == nil || newest.Refreshes == kept.Refreshes {
		return nil
	}
	err := m.keep(ctx, newest, kept)
	if err != nil && !isEnded(err) {
		m.log.Warn("auth0: new tokens of a session could still not be kept", "err", errors.Unwrap(err))
		return nil
	}
	return err
}

// SendTokens sets the cookie of a session in cookies whose tokens have changed, or have
// not reached the browser. It does nothing if the response already has these tokens,
// newer ones, or another session.
func (m *Manager) SendTokens(w http.ResponseWriter, l *Loaded, before, changed *Record) error {
	if m.records != nil || changed.Refreshes == before.Refreshes && !before.undelivered {
		return nil
	}
	return m.cookies.setTokens(w, l, changed)
}

// Destroy ends the sessions of a request and of its response, for every copy of their
// cookies. It deletes the cookie also if the store fails. The error is then
// [refusal.Store].
func (m *Manager) Destroy(ctx context.Context, w http.ResponseWriter, l *Loaded) error {
	ids := append(m.cookies.ids(l.Jar), m.cookies.delete(w, l))
	return readError(ctx, m.end(ctx, ids))
}

// DestroyUser ends all sessions of a user that began until now. [Manager.CanRevoke]
// must be true.
func (m *Manager) DestroyUser(ctx context.Context, issuer, subject string) error {
	return m.ended.marks.endUser(ctx, issuer, subject)
}

// DestroyAt ends sessions for a logout token of the tenant: those of the sid or,
// without a sid, those of the subject, if they were issued until the given time.
// The jti is recorded until last, the end of the token. The same token again writes
// nothing. [Manager.CanRevoke] must be true.
func (m *Manager) DestroyAt(ctx context.Context, issuer, subject, sid, jti string, until int64, last time.Time) error {
	return m.ended.marks.endAt(ctx, issuer, subject, sid, jti, until, last)
}

// end ends sessions. It skips empty and repeated ids.
func (m *Manager) end(ctx context.Context, ids []string) error {
	// A user who logs out and closes the window is logged out.
	ctx = context.WithoutCancel(ctx)
	slices.Sort(ids)
	var errs []error
	for _, id := range slices.Compact(ids) {
		if id == "" {
			continue
		}
		// The mark is written before the record is deleted, because a request under
		// way can write the record again.
		err := m.ended.add(ctx, id)
		m.recent.forget(id)
		if m.records != nil {
			err = errors.Join(err, m.records.store.delete(ctx, recordKey(id)))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
