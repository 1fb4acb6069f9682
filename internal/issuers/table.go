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

// A trial limits the requests for an issuer until its first valid token.
type trial struct {
	lookups *bucket.Bucket // of the table
	mu      sync.Mutex
	proven  bool
	paid    int         // requests taken out of lookups
	used    atomic.Bool // since the table last looked for an entry to drop
}

// mayLookUp is called before a request for the keys or the document of the issuer.
func (t *trial) mayLookUp() bool {
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

// use notes a use of the issuer.
func (t *trial) use() {
	if !t.used.Load() {
		t.used.Store(true)
	}
}

func (t *trial) isProven() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.proven
}

// prove notes a valid token of the issuer, and gives back the requests that the issuer has
// taken. It reports whether that is new.
func (t *trial) prove() bool {
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

// A table caches issuers by the name in their tokens, so that an issuer keeps one set of keys
// as long as the application's answer stays the same. Fresh issuers, without a valid token,
// are kept separately and in small number, so that they cannot evict the others. The work for
// a token does not grow with the table. Its methods may be called concurrently.
type table struct {
	lookups *bucket.Bucket

	mu      sync.RWMutex
	all     map[string]*Issuer
	fresh   queue // without a valid token
	settled queue
}

// newTable returns an empty table.
func newTable() *table {
	return &table{
		lookups: bucket.New(lookupBurst, lookupInterval), all: map[string]*Issuer{},
		fresh: queue{most: maxFresh}, settled: queue{most: maxSettled},
	}
}

// newTrial returns the trial of a new issuer.
func (r *table) newTrial() *trial { return &trial{lookups: r.lookups} }

// held returns the issuer cached under a name, nil if there is none.
func (r *table) held(name string) *Issuer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all[name]
}

// proven returns the issuers with a valid token, in no order.
func (r *table) proven() (list []*Issuer) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, t := range r.all {
		if t.trial.isProven() {
			list = append(list, t)
		}
	}
	return list
}

// admit caches an issuer whose token is valid as far as can be checked without a key. It
// returns the issuer to continue with: of several made at the same time, all callers get the
// first.
func (r *table) admit(name string, t *Issuer) *Issuer {
	if t.trial == nil || r.held(name) == t {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.all[name]; ok && other.source.equal(t.source) {
		return other
	}
	r.put(&r.fresh, name, t)
	return t
}

// settle moves an issuer with a valid token to the settled ones.
func (r *table) settle(name string, t *Issuer) {
	if t.trial == nil || !t.trial.prove() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.all[name]; ok && other != t && other.source.equal(t.source) {
		return // t was dropped meanwhile
	}
	r.put(&r.settled, name, t)
}

// put adds an issuer, and drops others beyond the limit. A settled issuer used since the
// table last looked at it stays. On average the table looks at one per addition.
func (r *table) put(q *queue, name string, t *Issuer) {
	r.all[name] = t
	q.push(queued{name, t})
	for q.len() > q.most {
		old := q.pop()
		switch {
		case r.all[old.name] != old.issuer || q == &r.fresh && old.issuer.trial.isProven():
			// The name now belongs to another issuer, or the issuer is in the other queue.
		case q == &r.settled && old.issuer.trial.used.Swap(false):
			q.push(old)
		default:
			delete(r.all, old.name)
		}
	}
}

// A queue returns first what was pushed first (FIFO).
type queue struct {
	most  int
	items []queued
	begin int
}

type queued struct {
	name   string
	issuer *Issuer
}

func (q *queue) len() int { return len(q.items) - q.begin }

func (q *queue) push(i queued) { q.items = append(q.items, i) }

func (q *queue) pop() queued {
	i := q.items[q.begin]
	q.items[q.begin] = queued{}
	if q.begin++; q.begin > len(q.items)/2 {
		n := copy(q.items, q.items[q.begin:])
		clear(q.items[n:])
		q.items, q.begin = q.items[:n], 0
	}
	return i
}
