package session

import (
	"container/heap"
	"container/list"
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"sync"
	"time"
)

// A Memory is a [Store] for programs of one process. What it holds is lost
// when the process ends. It has everything that a store may have. Its methods may
// be called concurrently. Create it with [NewMemoryStore].
type Memory struct {
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

// NewMemory returns a MemoryStore for at most limit sessions, at least one,
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
func NewMemory(limit int) *Memory {
	limit = max(limit, 1)
	return newMemory(limit, min(max(limit/memoryShareOfUser, 1), memorySessionsPerUser), false)
}

// newCache returns a MemoryStore of which one value more than limit pushes
// out the one that was written longest ago. It is for what can be lost.
func newCache(limit int) *Memory { return newMemory(limit, limit, true) }

func newMemory(limit, perOwner int, cache bool) *Memory {
	marks := memoryMarks * limit
	if marks/memoryMarks != limit { // overflow
		marks = math.MaxInt
	}
	return &Memory{
		limit: limit, perOwner: perOwner, maxMarks: marks, cache: cache,
		entries: map[string]*memoryEntry{}, owned: map[string]*list.List{}, leases: map[string]*memoryLease{},
	}
}

// Find implements [Store].
func (m *Memory) Find(key string) ([]byte, bool, error) {
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
func (m *Memory) live(key string, now time.Time) *memoryEntry {
	if e := m.entries[key]; e != nil && now.Before(e.expiry) {
		return e
	}
	return nil
}

// Commit implements [Store].
func (m *Memory) Commit(key string, value []byte, expiry time.Time) error {
	return m.commit(key, "", value, expiry)
}

func (m *Memory) commit(key, owner string, value []byte, expiry time.Time) error {
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
			return fmt.Errorf("%w (now %d sessions)", ErrStoreFull, m.limit)
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

func (m *Memory) add(e *memoryEntry) {
	m.entries[e.key] = e
	heap.Push(&m.byExpiry, e)
}

func (m *Memory) change(e *memoryEntry, value []byte, expiry time.Time) {
	e.value, e.expiry = append([]byte{}, value...), expiry
	heap.Fix(&m.byExpiry, e.place)
	if e.age != nil {
		m.owned[e.owner].MoveToBack(e.age)
	}
}

func (m *Memory) remove(e *memoryEntry) {
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
func (m *Memory) dropExpired(now time.Time) {
	const most = 64
	for range most {
		if len(m.byExpiry) == 0 || now.Before(m.byExpiry[0].expiry) {
			return
		}
		m.remove(m.byExpiry[0])
	}
}

// Delete implements [Store].
func (m *Memory) Delete(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[key]; e != nil {
		m.remove(e)
	}
	return nil
}

// FindCtx is Find.
func (m *Memory) FindCtx(_ context.Context, key string) ([]byte, bool, error) {
	return m.Find(key)
}

// FindAllCtx finds several values at once, see [Store].
func (m *Memory) FindAllCtx(_ context.Context, keys ...string) ([][]byte, error) {
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
func (m *Memory) CommitCtx(_ context.Context, key string, value []byte, expiry time.Time) error {
	return m.Commit(key, value, expiry)
}

// CommitOwnedCtx commits a session of an owner, see [Store] and [NewMemoryStore].
func (m *Memory) CommitOwnedCtx(_ context.Context, key, owner string, value []byte, expiry time.Time) error {
	return m.commit(key, owner, value, expiry)
}

// DeleteCtx is Delete.
func (m *Memory) DeleteCtx(_ context.Context, key string) error { return m.Delete(key) }

// UpdateCtx replaces a value that is there, see [Store].
func (m *Memory) UpdateCtx(_ context.Context, key string, value []byte, expiry time.Time) (bool, error) {
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
func (m *Memory) RaiseCtx(_ context.Context, key string, number int64, expiry time.Time) error {
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
		return fmt.Errorf("%w (now %d sessions and %d marks of logouts)", ErrStoreFull, m.limit, m.maxMarks)
	}
	m.add(&memoryEntry{key: key, value: strconv.AppendInt(nil, number, 10), expiry: expiry, mark: true})
	m.marks++
	return nil
}

// LeaseCtx lets one caller at a time work on a key, see [Store].
func (m *Memory) LeaseCtx(_ context.Context, key string, d time.Duration) (release func(), ok bool, err error) {
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
func (m *Memory) sweepLeases(now time.Time) {
	if now.Sub(m.leasesSwept) < time.Minute {
		return
	}
	m.leasesSwept = now
	maps.DeleteFunc(m.leases, func(_ string, l *memoryLease) bool { return !now.Before(l.until) })
}

// An expiryHeap has first what expires first.
type expiryHeap []*memoryEntry

func (h expiryHeap) Len() int { return len(h) }

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
