package auth0

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
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
// Keys are at most 80 characters from A-Z, a-z, 0-9, "-", "_" and ":", and differ
// in upper and lower case; the columns that some stores of scs suggest, CHAR(43) in
// MySQL for one, are too narrow. No key can be used as a cookie, and values are
// encrypted. Package auth0test has a test of stores, TestStore.
//
// A session that is not found is over, and its cookie is deleted. A store that
// reads from replicas which lag behind can therefore cost somebody a session
// that has just begun.
type Store interface {
	// Find returns the value of a key that was committed and has not expired.
	Find(key string) (value []byte, found bool, err error)
	// Commit adds a value, or replaces it, until expiry.
	Commit(key string, value []byte, expiry time.Time) error
	// Delete removes a value. It is no error if there is none.
	Delete(key string) error
}

// What a store may have beyond Store.
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
	store Store
	slots chan struct{}
}

func newBoundStore(s Store) *boundStore {
	if s == nil {
		return nil
	}
	return &boundStore{store: s, slots: make(chan struct{}, maxStoreCalls)}
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
// when the process ends. It has everything that a store may have. Create it with
// [NewMemoryStore].
type MemoryStore struct {
	limit int

	mu     sync.Mutex
	values map[string]*list.Element // of memoryEntry
	order  *list.List               // committed longest ago first
	swept  time.Time
	leases map[string]*memoryLease
}

// A memoryLease is known by its address: two may well end at the same time.
type memoryLease struct{ until time.Time }

type memoryEntry struct {
	key    string
	value  []byte
	expiry time.Time
}

// NewMemoryStore returns a MemoryStore for at most limit values. One more pushes
// out the one that was written longest ago, so leave room: a session is one
// value, and each logout one more until the session would have ended.
func NewMemoryStore(limit int) *MemoryStore {
	return &MemoryStore{limit: max(limit, 1), values: map[string]*list.Element{}, order: list.New(), leases: map[string]*memoryLease{}}
}

// Find implements [Store].
func (m *MemoryStore) Find(key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entry(key)
	if e == nil {
		return nil, false, nil
	}
	return append([]byte{}, e.value...), true, nil
}

// entry returns what is there and has not expired.
func (m *MemoryStore) entry(key string) *memoryEntry {
	element := m.values[key]
	if element == nil {
		return nil
	}
	e := element.Value.(*memoryEntry)
	if !time.Now().Before(e.expiry) {
		m.remove(element)
		return nil
	}
	return e
}

func (m *MemoryStore) remove(element *list.Element) {
	m.order.Remove(element)
	delete(m.values, element.Value.(*memoryEntry).key)
}

// Commit implements [Store].
func (m *MemoryStore) Commit(key string, value []byte, expiry time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, value, expiry)
	return nil
}

func (m *MemoryStore) put(key string, value []byte, expiry time.Time) {
	if element := m.values[key]; element != nil {
		m.remove(element)
	}
	m.sweep()
	if len(m.values) >= m.limit {
		m.remove(m.order.Front())
	}
	m.values[key] = m.order.PushBack(&memoryEntry{key, append([]byte{}, value...), expiry})
}

// sweep drops what has expired, once a minute, so that it neither takes places
// nor needs a goroutine.
func (m *MemoryStore) sweep() {
	now := time.Now()
	if now.Sub(m.swept) < time.Minute {
		return
	}
	m.swept = now
	for element := m.order.Front(); element != nil; {
		next := element.Next()
		if !now.Before(element.Value.(*memoryEntry).expiry) {
			m.remove(element)
		}
		element = next
	}
	for key, lease := range m.leases {
		if !now.Before(lease.until) {
			delete(m.leases, key)
		}
	}
}

// Delete implements [Store].
func (m *MemoryStore) Delete(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if element := m.values[key]; element != nil {
		m.remove(element)
	}
	return nil
}

// FindCtx is Find.
func (m *MemoryStore) FindCtx(_ context.Context, key string) ([]byte, bool, error) {
	return m.Find(key)
}

// FindAllCtx finds several values at once, see [Store].
func (m *MemoryStore) FindAllCtx(_ context.Context, keys ...string) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if e := m.entry(key); e != nil {
			values[i] = append([]byte{}, e.value...)
		}
	}
	return values, nil
}

// CommitCtx is Commit.
func (m *MemoryStore) CommitCtx(_ context.Context, key string, value []byte, expiry time.Time) error {
	return m.Commit(key, value, expiry)
}

// DeleteCtx is Delete.
func (m *MemoryStore) DeleteCtx(_ context.Context, key string) error { return m.Delete(key) }

// UpdateCtx replaces a value that is there, see [Store].
func (m *MemoryStore) UpdateCtx(_ context.Context, key string, value []byte, expiry time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entry(key) == nil {
		return false, nil
	}
	m.put(key, value, expiry)
	return true, nil
}

// LeaseCtx lets one caller at a time work on a key, see [Store].
func (m *MemoryStore) LeaseCtx(_ context.Context, key string, d time.Duration) (release func(), ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if held := m.leases[key]; held != nil && now.Before(held.until) {
		return nil, false, nil
	}
	lease := &memoryLease{now.Add(d)}
	m.leases[key] = lease
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.leases[key] == lease { // else it is somebody else's by now
			delete(m.leases, key)
		}
	}, true, nil
}
