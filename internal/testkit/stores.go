package testkit

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// A FullStore has every method that a store can have.
type FullStore interface {
	auth0.Store
	FindCtx(ctx context.Context, key string) ([]byte, bool, error)
	CommitCtx(ctx context.Context, key string, value []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, key string) error
	FindAllCtx(ctx context.Context, keys ...string) ([][]byte, error)
	UpdateCtx(ctx context.Context, key string, value []byte, expiry time.Time) (bool, error)
	LeaseCtx(ctx context.Context, key string, d time.Duration) (func(), bool, error)
	RaiseCtx(ctx context.Context, key string, number int64, expiry time.Time) error
	AddCtx(ctx context.Context, key string, expiry time.Time) (bool, error)
	CommitOwnedCtx(ctx context.Context, key, owner string, value []byte, expiry time.Time) error
}

// NewFullStore returns a store in memory for tests that embed it, or that call its
// additional methods.
func NewFullStore(limit int) FullStore { return auth0.NewMemoryStore(limit).(FullStore) }

// A PlainStore has only the methods of auth0.Store.
type PlainStore struct{ auth0.Store }

// A HalfStore fails as FailWith says, except for deletions.
type HalfStore struct {
	auth0.Store
	failure atomic.Pointer[error]
}

// FailWith makes Find and Commit fail, or work again if err is nil. An abandoned
// call can still be running.
func (s *HalfStore) FailWith(err error) { s.failure.Store(&err) }

func (s *HalfStore) err() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Find implements auth0.Store.
func (s *HalfStore) Find(key string) ([]byte, bool, error) {
	if err := s.err(); err != nil {
		return nil, false, err
	}
	return s.Store.Find(key)
}

// Commit implements auth0.Store.
func (s *HalfStore) Commit(key string, value []byte, until time.Time) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Commit(key, value, until)
}

// A WatchedStore has only the required methods of a Store. Tests can inspect its
// contents and its calls, and make it fail.
type WatchedStore struct {
	mu      sync.Mutex
	values  map[string]StoredValue
	Finds   int
	commits []time.Time // expiries
	deleted int
	fail    map[string]error // by operation: find, commit, delete
	OnFind  func(key string) // called first, without the lock
}

// A StoredValue is the value of one key in a WatchedStore.
type StoredValue struct {
	Value  []byte
	Expiry time.Time
}

// NewWatchedStore returns an empty store.
func NewWatchedStore() *WatchedStore {
	return &WatchedStore{values: map[string]StoredValue{}, fail: map[string]error{}}
}

// Find implements auth0.Store.
func (s *WatchedStore) Find(key string) ([]byte, bool, error) {
	s.mu.Lock()
	hook := s.OnFind
	s.mu.Unlock()
	if hook != nil {
		hook(key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Finds++
	v, ok := s.values[key]
	if s.fail["find"] != nil || !ok || !time.Now().Before(v.Expiry) {
		return nil, false, s.fail["find"]
	}
	return v.Value, true, nil
}

// Commit implements auth0.Store.
func (s *WatchedStore) Commit(key string, value []byte, expiry time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail["commit"] != nil {
		return s.fail["commit"]
	}
	s.commits = append(s.commits, expiry)
	s.values[key] = StoredValue{slices.Clone(value), expiry}
	return nil
}

// Delete implements auth0.Store.
func (s *WatchedStore) Delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted++
	if s.fail["delete"] == nil {
		delete(s.values, key)
	}
	return s.fail["delete"]
}

// BreakWith makes an operation fail, or work again.
func (s *WatchedStore) BreakWith(operation string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[operation] = err
}

// Written returns the expiries of all written values, in order.
func (s *WatchedStore) Written() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commits)
}

// Deletes returns how often Delete was called.
func (s *WatchedStore) Deletes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted
}

// Sessions returns the keys of sessions.
func (s *WatchedStore) Sessions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if strings.HasPrefix(key, "auth0:session:") {
			keys = append(keys, key)
		}
	}
	return keys
}

// Value returns the value of a key.
func (s *WatchedStore) Value(key string) StoredValue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// Change edits the stored values.
func (s *WatchedStore) Change(edit func(map[string]StoredValue)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(s.values)
}

// Use is an edit of the configuration: sessions are stored in the store.
func (s *WatchedStore) Use(c *auth0.Config) { c.Store = s }
