package auth0

import (
	"container/heap"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"sync"
	"time"
)

// A Store keeps values by key until they expire, for all instances of a program.
// Any store of github.com/alexedwards/scs is one, for Redis, PostgreSQL and
// many others. Where a store has FindCtx, CommitCtx and DeleteCtx, which scs
// calls a CtxStore, those are used.
//
// A store can do more by having further methods, with which several instances
// agree where they otherwise may not; package redisstore of this project has all
// of them:
//
//	UpdateCtx(ctx, key, value, expiry) (updated bool, err error)
//
// replaces a value only if there is one, so that a request that is still under
// way cannot bring back a session that a logout has deleted. (Without it such a
// session is found to be revoked when it is read.)
//
//	LeaseCtx(ctx, key, duration) (release func(), ok bool, err error)
//
// lets one caller at a time work on a key, until release is called or the
// duration is over, so that one instance alone refreshes the tokens of a session.
//
//	FindAllCtx(ctx, keys...) (values [][]byte, err error)
//
// finds several values in one request, nil for those that are not there.
//
//	RaiseCtx(ctx, key, number int64, expiry) error
//
// stores a number as decimal text, in one atomic step: the greater of the stored
// number and this one, until the later of the two expiries. The number is between
// 0 and 1<<53. A stored value that is not a number stays as it is. RaiseCtx records
// logouts. (Without it a back-channel logout writes about 20 values instead of
// one, so that two instances cannot undo each other's logout, and a request of a
// user who has logged in again after one reads as many.)
//
//	CommitOwnedCtx(ctx, key, owner, value, expiry) error
//
// is CommitCtx for a new session of the user whom owner stands for, so that the
// store can limit the sessions of one user. The owner is a key like others, a hash.
//
// Keys are at most 80 characters from A-Z, a-z, 0-9, "-", "_" and ":", and differ
// in upper and lower case; the columns that some stores of scs suggest, CHAR(43) in
// MySQL for one, are too narrow. No key can be used as a cookie, and values are
// encrypted. Package auth0test has a test of stores, TestStore.
//
// A session that is not found is over, and its cookie is deleted. A store that
// reads from replicas which lag behind can therefore cost somebody a session
// that has just begun.
//
// A logout is a fact that the store holds: the record of the session is deleted,
// and a mark says that the session is over. An attacker with write access to the
// store cannot make a session, because records are sealed with [Config].Secrets.
// The attacker can undo a logout: with the old record written back and the mark
// deleted, a copy of the session cookie works again until the session's own end.
// A backup that is restored does the same for every logout since it was made. So
// after a restore, or after somebody else had write access, either delete all
// values whose keys begin with "auth0:session:", or replace all Config.Secrets.
// Sessions in cookies with [Config].Revocations end only with the secrets. Both
// log out every user.
type Store interface {
	// Find returns the value of a key that was committed and has not expired.
	Find(key string) (value []byte, found bool, err error)
	// Commit adds a value, or replaces it, until expiry.
	Commit(key string, value []byte, expiry time.Time) error
	// Delete removes a value. It is no error if there is none.
	Delete(key string) error
}

// A sessionStore has the methods of [Store].
type sessionStore interface {
	Find(key string) (value []byte, found bool, err error)
	Commit(key string, value []byte, expiry time.Time) error
	Delete(key string) error
}

// What a store may have beyond that.
type (
	contextStore interface {
		FindCtx(ctx context.Context, key string) ([]byte, bool, error)
		CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error
		DeleteCtx(ctx context.Context, key string) error
	}
	updateStore interface {
		UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error)
	}
	leaseStore interface {
		LeaseCtx(ctx context.Context, key string, d time.Duration) (func(), bool, error)
	}
	findAllStore interface {
		FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error)
	}
	raiseStore interface {
		RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error
	}
	ownedStore interface {
		CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error
	}
)

const (
	// storeTimeout bounds one call of a store: a page that waits longer for a
	// session is no better than one that says so.
	storeTimeout = time.Second
	// maxStoreCalls bounds the calls under way, since some go on after nobody
	// waits for them.
	maxStoreCalls = 128
)

var (
	errStoreBusy    = errors.New("too many calls of the store are under way")
	errStoreTimeout = fmt.Errorf("the store has not answered within %v", storeTimeout)
)

// A boundStore is a Store that always answers, within a second.
type boundStore struct {
	store  sessionStore
	slots  chan struct{}
	direct bool // the store never waits, so its calls need no goroutine
}

func newBoundStore(s sessionStore) *boundStore {
	if s == nil {
		return nil
	}
	_, direct := s.(*MemoryStore)
	return &boundStore{store: s, slots: make(chan struct{}, maxStoreCalls), direct: direct}
}

// find returns the value of a key, nil if there is none.
func (b *boundStore) find(ctx context.Context, key string) ([]byte, error) {
	return call(ctx, b, func(ctx context.Context) (value []byte, err error) {
		var found bool
		if s, ok := b.store.(contextStore); ok {
			value, found, err = s.FindCtx(ctx, key)
		} else {
			value, found, err = b.store.Find(key)
		}
		if err != nil || !found {
			return nil, err
		}
		return value, nil
	})
}

// findAll returns the values of several keys, nil for those that are not there.
func (b *boundStore) findAll(ctx context.Context, keys []string) (values [][]byte, err error) {
	if s, ok := b.store.(findAllStore); ok {
		values, err = call(ctx, b, func(ctx context.Context) ([][]byte, error) { return s.FindAllCtx(ctx, keys...) })
		if err == nil && len(values) != len(keys) {
			err = fmt.Errorf("the store returned %d values for %d keys", len(values), len(keys))
		}
		return values, err
	}
	values = make([][]byte, len(keys))
	errs := make([]error, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		all.Go(func() { values[i], errs[i] = b.find(ctx, key) })
	}
	all.Wait()
	return values, errors.Join(errs...)
}

func (b *boundStore) commit(ctx context.Context, key string, value []byte, expiry time.Time) error {
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		if s, ok := b.store.(contextStore); ok {
			return struct{}{}, s.CommitCtx(ctx, key, value, notPast(expiry))
		}
		return struct{}{}, b.store.Commit(key, value, notPast(expiry))
	})
	return err
}

// commitOwned is commit for a new session of an owner.
func (b *boundStore) commitOwned(ctx context.Context, key, owner string, value []byte, expiry time.Time) error {
	s, ok := b.store.(ownedStore)
	if !ok {
		return b.commit(ctx, key, value, expiry)
	}
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.CommitOwnedCtx(ctx, key, owner, value, notPast(expiry))
	})
	return err
}

// raises reports whether the store can keep the greater of two numbers.
func (b *boundStore) raises() bool {
	_, ok := b.store.(raiseStore)
	return ok
}

// raise keeps the greater of two numbers and the later of two expiries. A store
// that cannot do so atomically replaces the value.
func (b *boundStore) raise(ctx context.Context, key string, number int64, expiry time.Time) error {
	s, ok := b.store.(raiseStore)
	if !ok {
		return b.commit(ctx, key, strconv.AppendInt(nil, number, 10), expiry)
	}
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.RaiseCtx(ctx, key, number, notPast(expiry))
	})
	return err
}

// update replaces a value that is still there. A store that cannot say so
// atomically is asked first.
func (b *boundStore) update(ctx context.Context, key string, value []byte, expiry time.Time) (updated bool, err error) {
	if s, ok := b.store.(updateStore); ok {
		return call(ctx, b, func(ctx context.Context) (bool, error) { return s.UpdateCtx(ctx, key, value, notPast(expiry)) })
	}
	if old, err := b.find(ctx, key); old == nil || err != nil {
		return false, err
	}
	return true, b.commit(ctx, key, value, expiry)
}

// notPast keeps what expires right now from being kept for ever: that is what
// some stores make of a time that has passed.
func notPast(expiry time.Time) time.Time {
	if soon := time.Now().Add(time.Second); expiry.Before(soon) {
		return soon
	}
	return expiry
}

func (b *boundStore) delete(ctx context.Context, key string) error {
	_, err := call(ctx, b, func(ctx context.Context) (struct{}, error) {
		if s, ok := b.store.(contextStore); ok {
			return struct{}{}, s.DeleteCtx(ctx, key)
		}
		return struct{}{}, b.store.Delete(key)
	})
	return err
}

// lease reports whether the caller may work on a key. Without leases everybody
// may.
func (b *boundStore) lease(ctx context.Context, key string, d time.Duration) (release func(), ok bool, err error) {
	s, has := b.store.(leaseStore)
	if !has {
		return func() {}, true, nil
	}
	end, err := call(ctx, b, func(ctx context.Context) (func(), error) {
		end, ok, err := s.LeaseCtx(ctx, key, d)
		if err != nil || !ok {
			return nil, err
		}
		if ctx.Err() != nil {
			end() // nobody waits for it any more
		}
		return end, context.Cause(ctx)
	})
	if end == nil || err != nil {
		return nil, false, err
	}
	return func() { b.release(ctx, end) }, true, nil
}

// release gives a lease back. If that fails it ends by itself.
func (b *boundStore) release(ctx context.Context, end func()) {
	call(context.WithoutCancel(ctx), b, func(context.Context) (struct{}, error) { end(); return struct{}{}, nil })
}

// call runs one call of the store, and leaves it alone when it takes too long:
// some stores take no context, and some take one and wait all the same, as those
// of go-redis do unless its ContextTimeoutEnabled is set.
func call[T any](ctx context.Context, b *boundStore, f func(context.Context) (T, error)) (answer T, err error) {
	if b.direct {
		if ctx.Err() != nil {
			return answer, context.Cause(ctx)
		}
		return f(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, storeTimeout, errStoreTimeout)
	defer cancel()
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		if err = context.Cause(ctx); err == errStoreTimeout {
			err = errStoreBusy
		}
		return answer, err
	}
	type result struct {
		answer T
		err    error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-b.slots }()
		defer func() {
			// On this goroutine a panic would end the process, where net/http
			// would have ended one request.
			if p := recover(); p != nil {
				done <- result{err: fmt.Errorf("the store has panicked: %v", p)}
			}
		}()
		answer, err := f(ctx)
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil {
			return answer, context.Cause(ctx)
		}
		return r.answer, r.err
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	}
}

// storeKey makes a key of what must not stand in a store: whoever reads one
// learns no id that a cookie could have, and no name of a person.
func storeKey(kind string, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return "auth0:" + kind + ":" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// A MemoryStore is a [Store] for programs of one process. What it holds is lost
// when the process ends. It has everything that a store may have. Its methods may
// be called concurrently. Create it with [NewMemoryStore].
type MemoryStore struct {
	limit    int
	perOwner int
	maxMarks int
	cache    bool // see newMemoryCache

	mu       sync.RWMutex
	entries  map[string]*memoryEntry
	marks    int                   // entries that RaiseCtx has made
	owned    map[string]*list.List // entries of an owner, written longest ago first
	byExpiry expiryHeap            // of all entries

	leaseMu     sync.Mutex
	leases      map[string]*memoryLease
	leasesSwept time.Time
}

type memoryEntry struct {
	key    string
	value  []byte // replaced, never written to
	expiry time.Time
	mark   bool
	owner  string
	age    *list.Element // in owned, nil without an owner
	place  int           // in byExpiry
}

// A memoryLease is known by its address: two may well end at the same time.
type memoryLease struct{ until time.Time }

const (
	// Sessions that one user can have in a MemoryStore: this many, or this share
	// of its limit if that is less.
	memorySessionsPerUser = 100
	memoryShareOfUser     = 10
	// memoryMarks is how many marks of logouts a MemoryStore holds for each
	// session that it could. A mark takes about 300 bytes.
	memoryMarks = 10
)

// errStoreFull is the cause when a MemoryStore refuses a new entry.
var errStoreFull = errors.New("the MemoryStore is full: raise the limit of NewMemoryStore")

// storeWriteError is the failure of a login whose session the store did not take.
func storeWriteError(err error) error {
	if errors.Is(err, errStoreFull) {
		return failure(failedFull, err)
	}
	return failure(failedWrite, err)
}

// NewMemoryStore returns a MemoryStore for at most limit sessions, at least one,
// and ten times as many marks of logouts. A mark is a small value that outlives
// the session. A logout adds one, and so does a login that replaces a session. A
// back-channel logout adds two.
//
// Nothing is removed before it expires, with one exception: a user has at most
// 100 sessions, or a tenth of limit if that is less, and at least one. One login
// more ends the session of the same user that was written longest ago. When the
// store has limit sessions, a login does the same; a user without a session gets
// 503, and the log names this limit. Sessions that are there go on, and can be
// changed. When the store is full of marks, a logout gets 503. The browser's
// cookie and the session in the store are deleted all the same.
func NewMemoryStore(limit int) *MemoryStore {
	limit = max(limit, 1)
	return newMemoryStore(limit, min(max(limit/memoryShareOfUser, 1), memorySessionsPerUser), false)
}

// newMemoryCache returns a MemoryStore of which one value more than limit pushes
// out the one that was written longest ago. It is for what can be lost.
func newMemoryCache(limit int) *MemoryStore { return newMemoryStore(limit, limit, true) }

func newMemoryStore(limit, perOwner int, cache bool) *MemoryStore {
	marks := memoryMarks * limit
	if marks/memoryMarks != limit { // overflow
		marks = math.MaxInt
	}
	return &MemoryStore{
		limit: limit, perOwner: perOwner, maxMarks: marks, cache: cache,
		entries: map[string]*memoryEntry{}, owned: map[string]*list.List{}, leases: map[string]*memoryLease{},
	}
}

// Find implements [Store].
func (m *MemoryStore) Find(key string) ([]byte, bool, error) {
	m.mu.RLock()
	e := m.live(key, time.Now())
	var value []byte
	if e != nil {
		value = e.value
	}
	m.mu.RUnlock()
	if e == nil {
		return nil, false, nil
	}
	return append([]byte{}, value...), true, nil
}

// live returns what is there and has not expired.
func (m *MemoryStore) live(key string, now time.Time) *memoryEntry {
	if e := m.entries[key]; e != nil && now.Before(e.expiry) {
		return e
	}
	return nil
}

// Commit implements [Store].
func (m *MemoryStore) Commit(key string, value []byte, expiry time.Time) error {
	return m.commit(key, "", value, expiry)
}

func (m *MemoryStore) commit(key, owner string, value []byte, expiry time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if e := m.live(key, now); e != nil {
		m.change(e, value, expiry)
		return nil
	}
	m.dropExpired(now)
	if e := m.entries[key]; e != nil {
		m.remove(e) // expired
	}
	own := m.owned[owner]
	if full := len(m.entries)-m.marks >= m.limit; full || own != nil && own.Len() >= m.perOwner {
		if own == nil {
			return fmt.Errorf("%w (now %d sessions)", errStoreFull, m.limit)
		}
		m.remove(own.Front().Value.(*memoryEntry))
	}
	e := &memoryEntry{key: key, value: append([]byte{}, value...), expiry: expiry, owner: owner}
	m.add(e)
	if owner != "" || m.cache {
		if m.owned[owner] == nil {
			m.owned[owner] = list.New()
		}
		e.age = m.owned[owner].PushBack(e)
	}
	return nil
}

func (m *MemoryStore) add(e *memoryEntry) {
	m.entries[e.key] = e
	heap.Push(&m.byExpiry, e)
}

func (m *MemoryStore) change(e *memoryEntry, value []byte, expiry time.Time) {
	e.value, e.expiry = append([]byte{}, value...), expiry
	heap.Fix(&m.byExpiry, e.place)
	if e.age != nil {
		m.owned[e.owner].MoveToBack(e.age)
	}
}

func (m *MemoryStore) remove(e *memoryEntry) {
	delete(m.entries, e.key)
	heap.Remove(&m.byExpiry, e.place)
	if e.mark {
		m.marks--
	}
	if e.age != nil {
		own := m.owned[e.owner]
		if own.Remove(e.age); own.Len() == 0 {
			delete(m.owned, e.owner)
		}
	}
}

// dropExpired makes room, so that no goroutine has to. It does not do everything
// at once, because others wait for the lock.
func (m *MemoryStore) dropExpired(now time.Time) {
	const most = 64
	for range most {
		if len(m.byExpiry) == 0 || now.Before(m.byExpiry[0].expiry) {
			return
		}
		m.remove(m.byExpiry[0])
	}
}

// Delete implements [Store].
func (m *MemoryStore) Delete(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[key]; e != nil {
		m.remove(e)
	}
	return nil
}

// FindCtx is Find.
func (m *MemoryStore) FindCtx(_ context.Context, key string) ([]byte, bool, error) {
	return m.Find(key)
}

// FindAllCtx finds several values at once, see [Store].
func (m *MemoryStore) FindAllCtx(_ context.Context, keys ...string) ([][]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	now := time.Now()
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if e := m.live(key, now); e != nil {
			values[i] = append([]byte{}, e.value...)
		}
	}
	return values, nil
}

// CommitCtx is Commit.
func (m *MemoryStore) CommitCtx(_ context.Context, key string, value []byte, expiry time.Time) error {
	return m.Commit(key, value, expiry)
}

// CommitOwnedCtx commits a session of an owner, see [Store] and [NewMemoryStore].
func (m *MemoryStore) CommitOwnedCtx(_ context.Context, key, owner string, value []byte, expiry time.Time) error {
	return m.commit(key, owner, value, expiry)
}

// DeleteCtx is Delete.
func (m *MemoryStore) DeleteCtx(_ context.Context, key string) error { return m.Delete(key) }

// UpdateCtx replaces a value that is there, see [Store].
func (m *MemoryStore) UpdateCtx(_ context.Context, key string, value []byte, expiry time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.live(key, time.Now())
	if e == nil {
		return false, nil
	}
	m.change(e, value, expiry)
	return true, nil
}

// RaiseCtx keeps the greater number until the later expiry, see [Store].
func (m *MemoryStore) RaiseCtx(_ context.Context, key string, number int64, expiry time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if e := m.live(key, now); e != nil {
		value := e.value
		if old, err := strconv.ParseInt(string(value), 10, 64); err == nil && old < number {
			value = strconv.AppendInt(nil, number, 10)
		}
		if expiry.Before(e.expiry) {
			expiry = e.expiry
		}
		m.change(e, value, expiry)
		return nil
	}
	m.dropExpired(now)
	if e := m.entries[key]; e != nil {
		m.remove(e) // expired
	}
	if m.marks >= m.maxMarks {
		return fmt.Errorf("%w (now %d sessions and %d marks of logouts)", errStoreFull, m.limit, m.maxMarks)
	}
	m.add(&memoryEntry{key: key, value: strconv.AppendInt(nil, number, 10), expiry: expiry, mark: true})
	m.marks++
	return nil
}

// LeaseCtx lets one caller at a time work on a key, see [Store].
func (m *MemoryStore) LeaseCtx(_ context.Context, key string, d time.Duration) (release func(), ok bool, err error) {
	m.leaseMu.Lock()
	defer m.leaseMu.Unlock()
	now := time.Now()
	m.sweepLeases(now)
	if held := m.leases[key]; held != nil && now.Before(held.until) {
		return nil, false, nil
	}
	lease := &memoryLease{now.Add(d)}
	m.leases[key] = lease
	return func() {
		m.leaseMu.Lock()
		defer m.leaseMu.Unlock()
		if m.leases[key] == lease { // else it is somebody else's by now
			delete(m.leases, key)
		}
	}, true, nil
}

// sweepLeases forgets leases that were not released, once a minute.
func (m *MemoryStore) sweepLeases(now time.Time) {
	if now.Sub(m.leasesSwept) < time.Minute {
		return
	}
	m.leasesSwept = now
	maps.DeleteFunc(m.leases, func(_ string, l *memoryLease) bool { return !now.Before(l.until) })
}

// An expiryHeap has first what expires first.
type expiryHeap []*memoryEntry

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expiry.Before(h[j].expiry) }

func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *expiryHeap) Push(x any) {
	e := x.(*memoryEntry)
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
