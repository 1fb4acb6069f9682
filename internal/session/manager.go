// Package session stores sessions, either completely in encrypted cookies or in a
// store with an id in the cookie. It reads and writes the cookies, serializes the
// changes of one session across requests and instances, and records which sessions
// have ended.
//
// The package does not know logins, tenants, the tokens that a caller needs, or the
// text of an error page.
package session

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

const (
	purposeID     = "sid"    // of a cookie that has only the id
	purposeRecord = "record" // of a value in a store
)

// A Manager reads and writes the sessions of one application. It is safe for
// concurrent use. Create it with [New].
type Manager struct {
	cookie   cookie.Cookie
	keyring  seal.Keyring
	idle     time.Duration // 0: use does not extend a session
	absolute time.Duration // 0: no limit
	countsAs func(*http.Request) bool
	now      func() time.Time
	log      *slog.Logger
	warned   atomic.Bool // of large cookies

	store   *boundStore  // nil if sessions are in cookies
	until   time.Time    // end of the migration from cookies to the store
	revoked *revocations // nil if there is no store for marks
	ended   *endedSessions
	// recent caches the tokens of refreshes in this process for a minute, because
	// requests under way have cookies with the old tokens.
	recent *boundStore
	locks  keyLocks
	// headers guards the headers of responses. Several goroutines of one request
	// can refresh tokens at once, and http.Header is not safe for concurrent use.
	headers sync.Mutex
}

// A Config configures a [Manager]. All fields are required, except where noted.
type Config struct {
	Cookie  cookie.Cookie
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
	ss := &Manager{
		cookie: c.Cookie, keyring: c.Keyring, idle: c.Idle, absolute: c.Absolute, countsAs: c.CountsAsUse, now: c.Now, log: c.Log,
		store: newBoundStore(c.Store), until: c.CookiesUntil, recent: newBoundStore(newCache(maxRecent)),
	}
	marks := newBoundStore(c.Revocations)
	if marks == nil {
		marks = ss.store
	}
	if marks != nil {
		ss.revoked = &revocations{store: marks, client: c.Client, life: ss.longestLife(), now: c.Now}
	}
	ss.ended = &endedSessions{life: ss.longestLife(), now: c.Now, known: map[endedID]struct{}{}}
	return ss
}

// maxRecent is the number of sessions whose newest tokens are cached.
const maxRecent = 10_000

// Watch calls f for each value that the Manager seals or opens. It is for tests
// that count them.
func (ss *Manager) Watch(f func()) { ss.keyring = ss.keyring.Watch(f) }

// HasStore reports whether sessions are in a store and not in cookies.
func (ss *Manager) HasStore() bool { return ss.store != nil }

// WasEnded reports whether this process has ended a session.
func (ss *Manager) WasEnded(id string) bool { return ss.ended.has(id) }

// Load finds the session among the cookies of a request. It ignores cookies that do
// not open: another application, another version, or an instance with a newer
// secret may have set them.
func (ss *Manager) Load(ctx context.Context, jar cookie.Jar) *Loaded {
	found := &Loaded{Jar: jar}
	for _, value := range ss.cookie.Values(jar) {
		o := ss.open(ctx, value)
		switch {
		case o.err != nil:
			found.Err = o.err
		case o.gone, o.record != nil && ss.expired(o.record):
			found.Over = found.Record == nil
		case o.record == nil || ss.early(o.record):
		case found.Record == nil || o.record.ID == found.Record.ID && o.record.isNewer(found.Record):
			found.Record, found.Current, found.Over = o.record, o.current, false
		case o.record.ID != found.Record.ID:
			// An attacker who can set cookies for this host has added one. Nothing
			// tells which session is the user's.
			ss.log.Debug("auth0: a request with two sessions counts as one without")
			return &Loaded{Jar: jar}
		}
	}
	if found.Record == nil {
		found.Over = found.Over && found.Err == nil
		return found
	}
	found.Err = nil
	over, err := ss.isEnded(ctx, found.Record)
	if over || err != nil {
		found.Record, found.Over, found.Err = nil, over, readError(ctx, err)
	}
	return found
}

// A Loaded is the result of [Manager.Load].
type Loaded struct {
	Jar     cookie.Jar
	Record  *Record // nil if nobody is logged in
	Current bool    // sealed with the first secret, and where it belongs
	Over    bool    // there was a session, and its time is up
	Err     error   // why it is not known whether somebody is logged in
}

// isEnded reports whether a session has ended although its cookie is good.
func (ss *Manager) isEnded(ctx context.Context, r *Record) (bool, error) {
	if ss.ended.has(r.ID) {
		return true, nil
	}
	return ss.revoked.cover(ctx, r)
}

// opened is the result of opening one cookie.
type opened struct {
	record  *Record
	current bool
	gone    bool // the cookie is ours, and its session is no longer in the store
	err     error
}

func (ss *Manager) open(ctx context.Context, value string) opened {
	if ss.store != nil {
		if id, current, ok := ss.keyring.Open(purposeID, ss.cookie.Name, value); ok {
			record, err := ss.Find(ctx, string(id))
			return opened{record: record, current: current, gone: record == nil && err == nil, err: err}
		}
		if !ss.now().Before(ss.until) {
			return opened{}
		}
	}
	record, current := ss.openRecord(value)
	// A session in a cookie is not current if there is a store, so that it moves
	// there.
	return opened{record: record, current: current && ss.store == nil}
}

// openRecord returns the session in a cookie, or nil if the cookie does not open.
func (ss *Manager) openRecord(value string) (record *Record, current bool) {
	plain, current, ok := ss.keyring.Open(purposeSession, ss.cookie.Name, value)
	if !ok {
		return nil, false
	}
	if record = decodeRecord(plain); record != nil {
		record.inCookie = true
	}
	return record, current
}

// Find returns the stored record of an id, or nil if there is none. A record that
// the store returns for the wrong key does not open, because it is sealed for its
// key.
func (ss *Manager) Find(ctx context.Context, id string) (*Record, error) {
	key := recordKey(id)
	value, err := ss.store.find(ctx, key)
	if err != nil {
		return nil, readError(ctx, err)
	}
	plain, _, ok := ss.keyring.Open(purposeRecord, key, string(value))
	if !ok {
		return nil, nil
	}
	record := decodeRecord(plain)
	if record == nil || record.ID != id {
		return nil, nil
	}
	return record, nil
}

func recordKey(id string) string { return storeKey("session", id) }

// expired reports whether a session is past its limits. It applies the limits in
// the record and those of today's configuration, so that a shortened limit takes
// effect at once.
func (ss *Manager) expired(r *Record) bool {
	now := ss.now().Unix()
	return now >= r.ExpiresAt || now >= ss.endsAt(r, min(r.TouchedAt, now))
}

// early reports whether a session began in the future, by more than instances'
// clocks may differ. The absolute limit counts from the beginning, so a clock that
// was ahead would extend the session.
func (ss *Manager) early(r *Record) bool {
	const leeway = 5 * time.Minute
	return r.CreatedAt > ss.now().Add(leeway).Unix()
}

// endsAt returns the end of a session that was last used at the given time.
func (ss *Manager) endsAt(r *Record, touched int64) int64 {
	end := int64(1 << 62)
	if ss.idle > 0 {
		end = touched + int64(ss.idle/time.Second)
	}
	if ss.absolute > 0 {
		end = min(end, r.CreatedAt+int64(ss.absolute/time.Second))
	}
	if r.Ceiling > 0 {
		end = min(end, r.Ceiling-CeilingLeeway)
	}
	return end
}

// Due reports whether the response should write the session again. Not every
// response does, because one that is under way during a logout would undo it.
func (ss *Manager) Due(l *Loaded, r *http.Request) bool {
	if !l.Current {
		return true
	}
	if ss.idle == 0 {
		return false
	}
	const often = 5 * time.Minute
	unused := time.Duration(ss.now().Unix()-l.Record.TouchedAt) * time.Second
	if unused < 0 {
		return true // the clock was set back; what is written now is right
	}
	return unused >= min(ss.idle/20, often) && ss.isUse(r)
}

// isUse reports whether a request counts as use of its session. If the
// application's function panics, the request counts: ending the session would be
// worse than extending it.
func (ss *Manager) isUse(r *http.Request) (use bool) {
	if ss.countsAs == nil {
		return true
	}
	defer func() {
		if p := recover(); p != nil {
			ss.log.Error("auth0: Config.CountsAsUse has panicked", "panic", p)
			use = true
		}
	}()
	return ss.countsAs(r)
}

// Touch sets the last use of a session to now, and its end accordingly.
func (ss *Manager) Touch(r *Record) {
	r.TouchedAt = ss.now().Unix()
	r.ExpiresAt = ss.endsAt(r, r.TouchedAt)
}

// Begin stores a new session, sets its cookie, and then ends the sessions that it
// replaces. The order matters: a cookie must not name a session that was not
// stored, and a session that fails to begin must not end another. If a replaced
// session cannot be ended, Begin logs a warning and succeeds.
func (ss *Manager) Begin(ctx context.Context, w http.ResponseWriter, jar cookie.Jar, record *Record, replaced ...string) error {
	ss.Touch(record)
	if ss.store != nil {
		if err := ss.commit(ctx, record); err != nil {
			return err
		}
	}
	replaced = append(replaced, ss.sent(w).id) // that of the same response
	if err := ss.Send(w, jar, record); err != nil {
		return err
	}
	if err := ss.removeAll(ctx, replaced); err != nil {
		ss.log.Warn("auth0: the session before this login could not be ended", "err", err)
	}
	return nil
}

// Renew writes a session that is due, with now as its last use. If the session has
// ended meanwhile, Renew deletes the cookie.
func (ss *Manager) Renew(w http.ResponseWriter, r *http.Request, l *Loaded) error {
	// A page does not wait long, since the next request can renew the session too.
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	record, err := ss.Change(ctx, l.Record, func(newest *Record) (bool, error) {
		ss.Touch(newest)
		return true, nil
	})
	if IsEnded(err) {
		ss.cookie.Delete(w, l.Jar) // somebody has logged out meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	return ss.Send(w, l.Jar, record)
}

// Change calls apply with a copy of the newest state of a session, and stores the
// copy if apply reports that it has changed it. It returns the state that then holds,
// together with the error of apply: a change can be worth storing although something
// has failed. Changes of one session take turns.
//
// If the Manager itself fails, Change returns its failure, and no state. A session in
// a cookie is written by [Manager.Send] or [Manager.SendTokens] only.
func (ss *Manager) Change(ctx context.Context, record *Record, apply func(*Record) (changed bool, err error)) (*Record, error) {
	unlock, err := ss.lock(ctx, record.ID)
	if err != nil {
		return nil, readError(ctx, err)
	}
	defer unlock()
	newest, kept, err := ss.Newest(ctx, record)
	if err != nil {
		return nil, err
	}
	applied := newest.Clone()
	changed, err := apply(applied)
	switch {
	case changed:
		if failed := ss.keep(ctx, applied, kept); failed != nil {
			return nil, failed
		}
		return applied, err
	case err != nil:
		return newest, err
	}
	if failed := ss.keepLate(ctx, newest, kept); failed != nil {
		return nil, failed
	}
	return newest, nil
}

// lock excludes other goroutines from changing a session, and other processes if
// the store has leases.
func (ss *Manager) lock(ctx context.Context, id string) (unlock func(), err error) {
	const leaseTime = 15 * time.Second // longer than a token request may take
	release, err := ss.locks.lock(ctx, id)
	if err != nil || ss.store == nil {
		return release, err
	}
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, 400*time.Millisecond) {
		end, ok, err := ss.store.lease(ctx, storeKey("lease", id), leaseTime)
		if err != nil {
			release()
			return nil, err
		}
		if ok {
			return func() { end(); release() }, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			release()
			return nil, context.Cause(ctx)
		}
	}
}

// Newest returns the newest state of a session that this process knows, and the
// state in the store or cookie. They differ if this process has newer tokens that
// are not stored.
func (ss *Manager) Newest(ctx context.Context, record *Record) (newest, kept *Record, err error) {
	if ss.store != nil {
		stored, err := ss.Find(ctx, record.ID)
		switch {
		case err != nil:
			return nil, nil, err
		case stored != nil:
			record = stored
		case !record.inCookie:
			return nil, nil, errEnded()
		}
	}
	if value, _ := ss.recent.find(ctx, recordKey(record.ID)); value != nil {
		if known := decodeRecord(value); known != nil && known.Refreshes > record.Refreshes {
			return record.withTokensOf(known), record, nil
		}
	}
	return record, record, nil
}

// keep stores a changed record. New tokens are cached in this process first. The
// refresh token that they replace is used up, so they must not be lost if the store
// fails: then this process caches them until a write succeeds or the session ends.
func (ss *Manager) keep(ctx context.Context, changed, before *Record) error {
	const overlap = time.Minute
	if ss.ended.has(changed.ID) {
		return errEnded() // meanwhile
	}
	refreshed := changed.Refreshes != before.Refreshes
	if refreshed {
		if err := ss.remember(ctx, changed, overlap); err != nil {
			return err
		}
	}
	if ss.store == nil {
		return nil
	}
	err := ss.write(ctx, changed, before)
	if err != nil && refreshed && !IsEnded(err) {
		left := time.Duration(changed.ExpiresAt-ss.now().Unix()) * time.Second
		if err := ss.remember(ctx, changed, left); err != nil {
			return err
		}
	}
	return err
}

// keepLate stores tokens that an earlier change could not store. If the store fails
// again, keepLate logs a warning, and the caller can use the tokens all the same.
func (ss *Manager) keepLate(ctx context.Context, newest, kept *Record) error {
	if ss.store == nil || newest.Refreshes == kept.Refreshes {
		return nil
	}
	err := ss.keep(ctx, newest, kept)
	if err != nil && !IsEnded(err) {
		ss.log.Warn("auth0: new tokens of a session could still not be kept", "err", errors.Unwrap(err))
		return nil
	}
	return err
}

func (ss *Manager) remember(ctx context.Context, r *Record, d time.Duration) error {
	value, err := r.encode()
	if err != nil {
		return err
	}
	if err := ss.recent.commit(ctx, recordKey(r.ID), value, time.Now().Add(d)); err != nil {
		return refusal.Internal.Wrap(err)
	}
	return nil
}

// write updates a record in the store, or adds one that was in a cookie.
func (ss *Manager) write(ctx context.Context, changed, before *Record) error {
	if before.inCookie {
		return ss.commit(ctx, changed)
	}
	value, err := ss.sealRecord(changed)
	if err != nil {
		return err
	}
	updated, err := ss.store.update(ctx, recordKey(changed.ID), value, time.Unix(changed.ExpiresAt, 0))
	switch {
	case err != nil:
		return refusal.StoreWrite.Wrap(err)
	case !updated:
		return errEnded()
	}
	return nil
}

// commit adds a record to the store.
func (ss *Manager) commit(ctx context.Context, record *Record) error {
	value, err := ss.sealRecord(record)
	if err != nil {
		return err
	}
	record.inCookie = false
	owner := storeKey("user", record.Issuer, record.Subject)
	if err := ss.store.commitOwned(ctx, recordKey(record.ID), owner, value, time.Unix(record.ExpiresAt, 0)); err != nil {
		return addError(err)
	}
	return nil
}

func (ss *Manager) sealRecord(record *Record) ([]byte, error) {
	plain, err := record.encode()
	if err != nil {
		return nil, err
	}
	return []byte(ss.keyring.Seal(purposeRecord, recordKey(record.ID), plain)), nil
}

// Send sets the cookie of a session. It fails with [refusal.TooLarge] if the session
// does not fit into cookies.
func (ss *Manager) Send(w http.ResponseWriter, jar cookie.Jar, record *Record) error {
	ss.headers.Lock()
	defer ss.headers.Unlock()
	return ss.setCookie(w, jar, record)
}

// SendTokens sets the cookie of a session in cookies whose tokens have changed. It
// does nothing if the response already has newer tokens, or another session.
func (ss *Manager) SendTokens(w http.ResponseWriter, jar cookie.Jar, before, changed *Record) error {
	if ss.store != nil || changed.Refreshes == before.Refreshes {
		return nil
	}
	ss.headers.Lock()
	defer ss.headers.Unlock()
	switch sent := ss.sentNow(w); {
	case sent.id == "":
		return ss.setCookie(w, jar, changed)
	case sent.id == changed.ID && sent.record.Refreshes < changed.Refreshes:
		return ss.setCookie(w, jar, sent.record.withTokensOf(changed))
	}
	return nil
}

func (ss *Manager) setCookie(w http.ResponseWriter, jar cookie.Jar, record *Record) error {
	value, err := ss.cookieValue(record)
	if err != nil {
		return err
	}
	left := time.Duration(record.ExpiresAt-ss.now().Unix()) * time.Second
	if err := ss.cookie.Set(w, jar, value, left); err != nil {
		return refusal.TooLarge.Wrap(err)
	}
	return nil
}

// A sentSession is the session in the cookies of a response.
type sentSession struct {
	id     string  // empty if it sets none
	record *Record // the session, if it is in the cookie
}

// sent returns the session that a response sets so far.
func (ss *Manager) sent(w http.ResponseWriter) sentSession {
	ss.headers.Lock()
	defer ss.headers.Unlock()
	return ss.sentNow(w)
}

// Current returns the session that a response sets, or that of the request if it
// sets none. The error is as for [IsEnded] if the session of the response is no
// longer in the store.
func (ss *Manager) Current(ctx context.Context, w http.ResponseWriter, requested func() (*Record, error)) (*Record, error) {
	sent := ss.sent(w)
	if sent.record != nil {
		return sent.record, nil
	}
	record, err := requested()
	if sent.id == "" || err == nil && record.ID == sent.id {
		return record, err
	}
	if record, err = ss.Find(ctx, sent.id); err == nil && record == nil {
		err = errEnded()
	}
	return record, err
}

func (ss *Manager) sentNow(w http.ResponseWriter) sentSession {
	for _, value := range ss.cookie.Values(ss.cookie.Sent(w.Header())) {
		if ss.store != nil {
			id, _, _ := ss.keyring.Open(purposeID, ss.cookie.Name, value)
			return sentSession{id: string(id)}
		}
		if record, _ := ss.openRecord(value); record != nil {
			return sentSession{id: record.ID, record: record}
		}
	}
	return sentSession{}
}

// cookieValue returns the sealed id or record. A large record loses its ID token,
// its third-party tokens and all access tokens but the first, which can be fetched
// again.
func (ss *Manager) cookieValue(record *Record) (string, error) {
	const comfortable = 6 << 10
	if ss.store != nil {
		return ss.keyring.Seal(purposeID, ss.cookie.Name, []byte(record.ID)), nil
	}
	value, err := ss.sealCookie(record)
	if err != nil {
		return "", err
	}
	if len(value) > comfortable && (record.IDToken != "" || len(record.Tokens) > 1 || len(record.Vault) > 0) {
		smaller := *record
		smaller.IDToken, smaller.Vault = "", nil
		smaller.Tokens = record.Tokens[:min(len(record.Tokens), 1)]
		if value, err = ss.sealCookie(&smaller); err != nil {
			return "", err
		}
	}
	if len(value) > comfortable && ss.warned.CompareAndSwap(false, true) {
		ss.log.Warn("auth0: session cookies are larger than 6 KiB, which some servers and proxies refuse; keep fewer claims with Config.KeepClaim, or less data, or set Config.Store", "bytes", len(value))
	}
	return value, nil
}

func (ss *Manager) sealCookie(record *Record) (string, error) {
	plain, err := record.encode()
	if err != nil {
		return "", err
	}
	return ss.keyring.Seal(purposeSession, ss.cookie.Name, plain), nil
}

// End ends the sessions of a request and of its response, for every copy of their
// cookies. It deletes the cookie also if the store fails. The error is then
// [refusal.Store].
func (ss *Manager) End(ctx context.Context, w http.ResponseWriter, jar cookie.Jar) error {
	ids := append(ss.IDs(jar), ss.sent(w).id)
	ss.headers.Lock()
	ss.cookie.Delete(w, jar)
	ss.headers.Unlock()
	return readError(ctx, ss.removeAll(ctx, ids))
}

// removeAll ends sessions. It skips empty and repeated ids.
func (ss *Manager) removeAll(ctx context.Context, ids []string) error {
	slices.Sort(ids)
	var errs []error
	for _, id := range slices.Compact(ids) {
		if id != "" {
			errs = append(errs, ss.remove(ctx, id))
		}
	}
	return errors.Join(errs...)
}

// IDs returns the id of the session in each cookie of a jar, empty for a cookie
// that does not open.
func (ss *Manager) IDs(jar cookie.Jar) []string {
	var ids []string
	for _, value := range ss.cookie.Values(jar) {
		ids = append(ids, ss.idOf(value))
	}
	return ids
}

func (ss *Manager) idOf(value string) string {
	if id, _, ok := ss.keyring.Open(purposeID, ss.cookie.Name, value); ok {
		return string(id)
	}
	if record, _ := ss.openRecord(value); record != nil {
		return record.ID
	}
	return ""
}

// remove ends a session. The mark is written before the record is deleted, because
// a request under way can write the record again.
func (ss *Manager) remove(ctx context.Context, id string) error {
	// A user who logs out and closes the window is logged out.
	ctx = context.WithoutCancel(ctx)
	ss.ended.add(id)
	err := ss.revoked.revoke(ctx, revokedSession(id), ss.now().Unix())
	if ss.store != nil {
		err = errors.Join(err, ss.store.delete(ctx, recordKey(id)))
	}
	return err
}

// isNewer reports whether r is a later state of the session than other.
func (r *Record) isNewer(other *Record) bool {
	if r.Refreshes != other.Refreshes {
		return r.Refreshes > other.Refreshes
	}
	return r.TouchedAt > other.TouchedAt
}

// Clone returns a copy that shares no slice or map with r, except Claims.
func (r *Record) Clone() *Record {
	copied := *r
	copied.AMR = slices.Clone(r.AMR)
	copied.Tokens = slices.Clone(r.Tokens)
	copied.Vault = slices.Clone(r.Vault)
	copied.Data = maps.Clone(r.Data)
	return &copied
}

// withTokensOf returns a copy of the record with the tokens and claims of a newer
// state.
func (r *Record) withTokensOf(newer *Record) *Record {
	copied := r.Clone()
	copied.RefreshToken, copied.Tokens, copied.Refreshes = newer.RefreshToken, newer.Tokens, newer.Refreshes
	copied.Vault = newer.Vault
	copied.IDToken, copied.Claims, copied.AuthTime = newer.IDToken, newer.Claims, max(copied.AuthTime, newer.AuthTime)
	return copied
}

// keyLocks has a lock for each key that a goroutine holds or waits for.
type keyLocks struct {
	mu   sync.Mutex
	held map[string]*keyLock
}

type keyLock struct {
	token chan struct{} // holds one value while nobody has the lock
	users int
}

// lock waits for the lock of a key, for as long as ctx allows.
func (k *keyLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	l := k.enter(key)
	select {
	case <-l.token:
		return func() { l.token <- struct{}{}; k.leave(key, l) }, nil
	case <-ctx.Done():
		k.leave(key, l)
		return nil, context.Cause(ctx)
	}
}

func (k *keyLocks) enter(key string) *keyLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil {
		k.held = map[string]*keyLock{}
	}
	l := k.held[key]
	if l == nil {
		l = &keyLock{token: make(chan struct{}, 1)}
		l.token <- struct{}{}
		k.held[key] = l
	}
	l.users++
	return l
}

func (k *keyLocks) leave(key string, l *keyLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(k.held, key)
	}
}
