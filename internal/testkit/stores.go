package testkit

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// A PlainStore has only the methods of auth0.Store.
type PlainStore struct{ auth0.Store }

// A HalfStore fails as FailWith says, except for deletions.
type HalfStore struct {
	auth0.Store
	failure atomic.Pointer[error]
}

// FailWith makes Find and Commit fail, or work again if err is nil. A call that
// nobody waits for any more can be under way meanwhile.
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

// A WatchedStore has only what a Store must have. Tests can see what is in it and
// what was asked of it, and make it fail.
type WatchedStore struct {
	Mu      sync.Mutex
	Values  map[string]StoredValue
	Finds   int
	commits []time.Time // expiries
	deleted int
	Fail    map[string]error // by operation: find, commit, delete
	OnFind  func(key string) // called first, without the lock
}

// A StoredValue is what one key has in a WatchedStore.
type StoredValue struct {
	Value  []byte
	Expiry time.Time
}

// NewWatchedStore returns an empty store.
func NewWatchedStore() *WatchedStore {
	return &WatchedStore{Values: map[string]StoredValue{}, Fail: map[string]error{}}
}

// Find implements auth0.Store.
func (s *WatchedStore) Find(key string) ([]byte, bool, error) {
	s.Mu.Lock()
	hook := s.OnFind
	s.Mu.Unlock()
	if hook != nil {
		hook(key)
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Finds++
	v, ok := s.Values[key]
	if s.Fail["find"] != nil || !ok || !time.Now().Before(v.Expiry) {
		return nil, false, s.Fail["find"]
	}
	return v.Value, true, nil
}

// Commit implements auth0.Store.
func (s *WatchedStore) Commit(key string, value []byte, expiry time.Time) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.Fail["commit"] != nil {
		return s.Fail["commit"]
	}
	s.commits = append(s.commits, expiry)
	s.Values[key] = StoredValue{slices.Clone(value), expiry}
	return nil
}

// Delete implements auth0.Store.
func (s *WatchedStore) Delete(key string) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.deleted++
	if s.Fail["delete"] == nil {
		delete(s.Values, key)
	}
	return s.Fail["delete"]
}

// BreakWith makes an operation fail, or work again.
func (s *WatchedStore) BreakWith(operation string, err error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Fail[operation] = err
}

// Written returns the expiries of all values that were written, in order.
func (s *WatchedStore) Written() []time.Time {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return slices.Clone(s.commits)
}

// Deletes returns how often Delete was called.
func (s *WatchedStore) Deletes() int {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return s.deleted
}

// Sessions returns the keys of sessions.
func (s *WatchedStore) Sessions() []string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(s.Values)) {
		if strings.HasPrefix(key, "auth0:session:") {
			keys = append(keys, key)
		}
	}
	return keys
}

// Change edits what is in the store.
func (s *WatchedStore) Change(edit func(map[string]StoredValue)) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	edit(s.Values)
}

// Use is an edit of the configuration: sessions are kept in the store.
func (s *WatchedStore) Use(c *auth0.Config) { c.Store = s }
