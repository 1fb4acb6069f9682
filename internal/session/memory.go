package session

import (
	"container/heap"
	"container/list"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A Memory is a [Store] in the memory of one process. Its values are lost when the
// process ends. It has all the additional methods of a store. It is safe for
// concurrent use. Create it with [NewMemory].
type Memory struct {
	limit    int
	perOwner int
	maxMarks int

	mu       sync.RWMutex
	entries  map[string]*memoryEntry
	marks    int                   // entries of RaiseCtx
	added    int                   // entries of AddCtx
	owned    map[string]*list.List // entries of an owner, written longest ago first
	byExpiry expiryHeap            // of all entries

	leaseMu     sync.Mutex
	leases      map[string]*memoryLease
	leasesSwept time.Time
}

type memoryEntry struct {
	key    string
	value  string // a text, so that readers can share it
	expiry time.Time
	kind   entryKind
	owner  string
	age    *list.Element // in owned, nil without an owner
	place  int           // in byExpiry
}

// An entryKind is the method that created an entry.
type entryKind int

const (
	committed entryKind = iota
	raised
	added
)

// A memoryLease is compared by its address, since two can end at the same time.
type memoryLease struct{ until time.Time }

const (
	// One user can have memorySessionsPerUser sessions in a Memory, or one
	// memoryShareOfUser-th of its limit if that is less.
	memorySessionsPerUser = 100
	memoryShareOfUser     = 10
	// memoryMarks is the number of marks of logouts that a Memory can hold, for
	// each session that it can hold. A mark takes about 300 bytes.
	memoryMarks = 10
)

// NewMemory returns a Memory for at most limit sessions, at least one, and ten
// times as many marks of logouts. A mark is a small value that outlives its
// session. A logout adds one mark, and so does a login that replaces a session. A
// back-channel logout adds two.
//
// A user has at most 100 sessions, or a tenth of limit if that is less, and at
// least one. A further login removes the session of that user that was written
// longest ago. A login to a full Memory does the same. It fails with [ErrStoreFull]
// if the user has no session to remove. No other value is removed before it
// expires. Changes of stored sessions still succeed. If the Memory is full of
// marks, a logout fails with ErrStoreFull after the session was deleted.
func NewMemory(limit int) *Memory {
	limit = max(limit, 1)
	marks := memoryMarks * limit
	if marks/memoryMarks != limit { // overflow
		marks = math.MaxInt
	}
	return &Memory{
		limit: limit, perOwner: min(max(limit/memoryShareOfUser, 1), memorySessionsPerUser), maxMarks: marks,
		entries: map[string]*memoryEntry{}, owned: map[string]*list.List{}, leases: map[string]*memoryLease{},
	}
}

// Format hides the values from package fmt, which would read them without the lock.
func (m *Memory) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "(store in memory, limit %d)", m.limit) }

// Find implements [Store].
func (m *Memory) Find(key string) ([]byte, bool, error) {
	value, found := m.find(key)
	if !found {
		return nil, false, nil
	}
	return []byte(value), true, nil
}

// find is Find without a copy.
func (m *Memory) find(key string) (value string, found bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.live(key, time.Now())
	if e == nil {
		return "", false
	}
	return e.value, true
}

// hasAny reports whether one of several keys is present.
func (m *Memory) hasAny(keys []string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	now := time.Now()
	return slices.ContainsFunc(keys, func(key string) bool { return m.live(key, now) != nil })
}

// live returns the entry of a key, or nil if it is absent or has expired.
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
		m.change(e, string(value), expiry)
		return nil
	}
	m.dropExpired(now)
	if e := m.entries[key]; e != nil {
		m.remove(e) // expired
	}
	own := m.owned[owner]
	if full := len(m.entries)-m.marks-m.added >= m.limit; full || own != nil && own.Len() >= m.perOwner {
		if own == nil {
			return fmt.Errorf("%w (now %d sessions)", ErrStoreFull, m.limit)
		}
		m.remove(own.Front().Value.(*memoryEntry))
	}
	e := &memoryEntry{key: key, value: string(value), expiry: expiry, owner: owner}
	m.add(e)
	if owner != "" {
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

func (m *Memory) change(e *memoryEntry, value string, expiry time.Time) {
	e.value, e.expiry = value, expiry
	heap.Fix(&m.byExpiry, e.place)
	if e.age != nil {
		m.owned[e.owner].MoveToBack(e.age)
	}
}

func (m *Memory) remove(e *memoryEntry) {
	delete(m.entries, e.key)
	heap.Remove(&m.byExpiry, e.place)
	switch e.kind {
	case raised:
		m.marks--
	case added:
		m.added--
	}
	if e.age != nil {
		own := m.owned[e.owner]
		if own.Remove(e.age); own.Len() == 0 {
			delete(m.owned, e.owner)
		}
	}
}

// dropExpired removes expired entries, so that a Memory needs no goroutine. It removes a
// limited number at a time, because other callers wait for the lock.
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

// FindCtx is [Memory.Find].
func (m *Memory) FindCtx(_ context.Context, key string) ([]byte, bool, error) {
	return m.Find(key)
}

// FindAllCtx returns the values of several keys, nil for each that is absent.
func (m *Memory) FindAllCtx(_ context.Context, keys ...string) ([][]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	now := time.Now()
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if e := m.live(key, now); e != nil {
			values[i] = []byte(e.value)
		}
	}
	return values, nil
}

// CommitCtx is [Memory.Commit].
func (m *Memory) CommitCtx(_ context.Context, key string, value []byte, expiry time.Time) error {
	return m.Commit(key, value, expiry)
}

// CommitOwnedCtx commits a session of an owner, within the limits of [NewMemory].
func (m *Memory) CommitOwnedCtx(_ context.Context, key, owner string, value []byte, expiry time.Time) error {
	return m.commit(key, owner, value, expiry)
}

// DeleteCtx is [Memory.Delete].
func (m *Memory) DeleteCtx(_ context.Context, key string) error { return m.Delete(key) }

// UpdateCtx replaces a value and reports whether it was there.
func (m *Memory) UpdateCtx(_ context.Context, key string, value []byte, expiry time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.live(key, time.Now())
	if e == nil {
		return false, nil
	}
	m.change(e, string(value), expiry)
	return true, nil
}

// RaiseCtx stores the greater of two numbers and the later of two expiries. A value
// that is not a number stays.
func (m *Memory) RaiseCtx(_ context.Context, key string, number int64, expiry time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if e := m.live(key, now); e != nil {
		value := e.value
		if old, err := strconv.ParseInt(value, 10, 64); err == nil && old < number {
			value = strconv.FormatInt(number, 10)
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
	m.add(&memoryEntry{key: key, value: strconv.FormatInt(number, 10), expiry: expiry, kind: raised})
	m.marks++
	return nil
}

// AddCtx adds a key without a value, and reports whether it was absent. A Memory holds as
// many of these keys as marks. When it is full of them, AddCtx fails with ErrStoreFull.
func (m *Memory) AddCtx(_ context.Context, key string, expiry time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.live(key, now) != nil {
		return false, nil
	}
	m.dropExpired(now)
	if e := m.entries[key]; e != nil {
		m.remove(e) // expired
	}
	if m.added >= m.maxMarks {
		return false, fmt.Errorf("%w (now %d keys of AddCtx)", ErrStoreFull, m.maxMarks)
	}
	m.add(&memoryEntry{key: key, expiry: expiry, kind: added})
	m.added++
	return true, nil
}

// LeaseCtx reports whether the caller holds the lease of a key. One caller holds it
// at a time, until it calls release or d has passed.
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
		if m.leases[key] == lease { // else another caller holds the lease now
			delete(m.leases, key)
		}
	}, true, nil
}

// sweepLeases removes leases that have expired, once a minute.
func (m *Memory) sweepLeases(now time.Time) {
	if now.Sub(m.leasesSwept) < time.Minute {
		return
	}
	m.leasesSwept = now
	maps.DeleteFunc(m.leases, func(_ string, l *memoryLease) bool { return !now.Before(l.until) })
}

// An expiryHeap orders entries by expiry, the earliest first.
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
