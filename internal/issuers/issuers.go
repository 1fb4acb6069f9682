// Package issuers keeps the issuers that a function of the application trusts. Anybody
// can write the name of each of them into a token. So the package limits how many are
// kept, and how many requests are made for them.
//
// The package does not know what an issuer has, or which token is good.
package issuers

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/bucket"
)

const (
	// maxSettled bounds the issuers that are kept. Beyond it the table drops one that
	// was not used lately. Its keys are fetched again when they are next needed.
	maxSettled = 10_000
	// maxFresh bounds the issuers of which no token was good yet.
	maxFresh = 1_000

	// Requests for the keys and documents of fresh issuers: sixteen at once, and five
	// in a second. A request that leads to a good token is given back.
	lookupBurst    = 16
	lookupInterval = 200 * time.Millisecond
)

// A Trial limits the requests for an issuer until one of its tokens was good.
type Trial struct {
	lookups *bucket.Bucket // of the table
	mu      sync.Mutex
	proven  bool
	paid    int         // requests that were taken out of lookups
	used    atomic.Bool // since the table last looked for one to drop
}

// MayLookUp is asked before a request for the keys or the document of the issuer.
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

// Use notes that the issuer is used.
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

// prove notes that a token of the issuer was good, and gives back the requests that
// the issuer has taken. It reports whether that is new.
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

// An Issuer is what a Table keeps.
type Issuer[T any] interface {
	comparable
	// Trial returns nil for an issuer that the application has configured. The table
	// does not keep such an issuer.
	Trial() *Trial
	// Equal reports whether both were made of the same answer of the application.
	Equal(T) bool
}

// A Table keeps issuers by the name in their tokens, so that an issuer has one set of
// keys as long as the answer of the application stays the same. Issuers of which no
// token was good are kept apart, and few of them, so that they cannot take the place
// of others. The work for a token does not grow with the table. Its methods may be
// called concurrently.
type Table[T Issuer[T]] struct {
	lookups *bucket.Bucket

	mu      sync.RWMutex
	all     map[string]T
	fresh   queue[T] // of which no token was good
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

// Held returns the issuer that is kept under a name, the zero T if there is none.
func (r *Table[T]) Held(name string) T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all[name]
}

// Settled returns the issuers of which a token was good, in no order.
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

// Admit keeps an issuer whose token is good as far as that is known without a key. It
// returns the issuer to go on with: of several that were made at the same time, all
// callers get the first.
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

// Settle keeps an issuer of which a token was good.
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

// put keeps an issuer, and drops others beyond the limit. A settled issuer that was
// used since the table last looked at it stays. On average the table looks at one for
// each that it keeps.
func (r *Table[T]) put(q *queue[T], name string, t T) {
	r.all[name] = t
	q.push(queued[T]{name, t})
	for q.len() > q.most {
		old := q.pop()
		switch {
		case r.all[old.name] != old.issuer || q == &r.fresh && old.issuer.Trial().isProven():
			// The name belongs to another issuer by now, or the issuer is in the other queue.
		case q == &r.settled && old.issuer.Trial().used.Swap(false):
			q.push(old)
		default:
			delete(r.all, old.name)
		}
	}
}

// A queue has first what was pushed first.
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
