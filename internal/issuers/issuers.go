// Package issuers caches the issuers that a function of the application trusts. Anyone can
// write an issuer's name into a token. So the package limits the number of cached issuers,
// and the number of requests for them.
//
// The package knows neither the contents of an issuer nor which token is valid.
package issuers

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/bucket"
)

const (
	// maxSettled bounds the cached issuers. Beyond it the table drops one that was not used
	// recently. Its keys are fetched again on its next use.
	maxSettled = 10_000
	// maxFresh bounds the issuers without a valid token so far.
	maxFresh = 1_000

	// Limits for requests for the keys and documents of fresh issuers: a burst of sixteen,
	// and five per second. A request that leads to a valid token is given back.
	lookupBurst    = 16
	lookupInterval = 200 * time.Millisecond
)

// A Trial limits the requests for an issuer until its first valid token.
type Trial struct {
	lookups *bucket.Bucket // of the table
	mu      sync.Mutex
	proven  bool
	paid    int         // requests taken out of lookups
	used    atomic.Bool // since the table last looked for an entry to drop
}

// MayLookUp is called before a request for the keys or the document of the issuer.
func (t *Trial) MayLookUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.proven {
		return true
	}
	if _, ok := t.lookups.Take(time.Now()); !ok {
		return false
	}
	t.paid++
	return true
}

// Use notes a use of the issuer.
func (t *Trial) Use() {
	if !t.used.Load() {
		t.used.Store(true)
	}
}

func (t *Trial) isProven() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.proven
}

// prove notes a valid token of the issuer, and gives back the requests that the issuer has
// taken. It reports whether that is new.
func (t *Trial) prove() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.proven {
		return false
	}
	t.proven = true
	for range t.paid {
		t.lookups.GiveBack()
	}
	return true
}

// An Issuer is an entry of a Table.
type Issuer[T any] interface {
	comparable
	// Trial returns nil for an issuer that the application has configured. The table
	// does not keep such an issuer.
	Trial() *Trial
	// Equal reports whether both were made from the same answer of the application.
	Equal(T) bool
}

// A Table caches issuers by the name in their tokens, so that an issuer keeps one set of keys
// as long as the application's answer stays the same. Fresh issuers, without a valid token,
// are kept separately and in small number, so that they cannot evict the others. The work for
// a token does not grow with the table. Its methods may be called concurrently.
type Table[T Issuer[T]] struct {
	lookups *bucket.Bucket

	mu      sync.RWMutex
	all     map[string]T
	fresh   queue[T] // without a valid token
	settled queue[T]
}

// NewTable returns an empty Table.
func NewTable[T Issuer[T]]() *Table[T] {
	return &Table[T]{
		lookups: bucket.New(lookupBurst, lookupInterval), all: map[string]T{},
		fresh: queue[T]{most: maxFresh}, settled: queue[T]{most: maxSettled},
	}
}

// NewTrial returns the Trial of a new issuer.
func (r *Table[T]) NewTrial() *Trial { return &Trial{lookups: r.lookups} }

// Held returns the issuer cached under a name, the zero T if there is none.
func (r *Table[T]) Held(name string) T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all[name]
}

// Settled returns the issuers with a valid token, in no order.
func (r *Table[T]) Settled() (list []T) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, t := range r.all {
		if t.Trial().isProven() {
			list = append(list, t)
		}
	}
	return list
}

// Admit caches an issuer whose token is valid as far as can be checked without a key. It
// returns the issuer to continue with: of several made at the same time, all callers get the
// first.
func (r *Table[T]) Admit(name string, t T) T {
	if t.Trial() == nil || r.Held(name) == t {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.all[name]; ok && other.Equal(t) {
		return other
	}
	r.put(&r.fresh, name, t)
	return t
}

// Settle moves an issuer with a valid token to the settled ones.
func (r *Table[T]) Settle(name string, t T) {
	if t.Trial() == nil || !t.Trial().prove() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.all[name]; ok && other != t && other.Equal(t) {
		return // t was dropped meanwhile
	}
	r.put(&r.settled, name, t)
}

// put adds an issuer, and drops others beyond the limit. A settled issuer used since the
// table last looked at it stays. On average the table looks at one per addition.
func (r *Table[T]) put(q *queue[T], name string, t T) {
	r.all[name] = t
	q.push(queued[T]{name, t})
	for q.len() > q.most {
		old := q.pop()
		switch {
		case r.all[old.name] != old.issuer || q == &r.fresh && old.issuer.Trial().isProven():
			// The name now belongs to another issuer, or the issuer is in the other queue.
		case q == &r.settled && old.issuer.Trial().used.Swap(false):
			q.push(old)
		default:
			delete(r.all, old.name)
		}
	}
}

// A queue returns first what was pushed first (FIFO).
type queue[T any] struct {
	most  int
	items []queued[T]
	begin int
}

type queued[T any] struct {
	name   string
	issuer T
}

func (q *queue[T]) len() int { return len(q.items) - q.begin }

func (q *queue[T]) push(i queued[T]) { q.items = append(q.items, i) }

func (q *queue[T]) pop() queued[T] {
	i := q.items[q.begin]
	q.items[q.begin] = queued[T]{}
	if q.begin++; q.begin > len(q.items)/2 {
		n := copy(q.items, q.items[q.begin:])
		clear(q.items[n:])
		q.items, q.begin = q.items[:n], 0
	}
	return i
}
