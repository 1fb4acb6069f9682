// Package cached keeps values that are fetched from elsewhere: keys,
// metadata, lists.
//
// Readers never wait for a refresh while there is a value that may be used.
// One fetch runs at a time for all callers, and no caller's cancellation ends it.
// When fetching fails the value is served until it is too old, and the next
// attempt is held back, so that an outage costs the other side one request per
// step and not one per visitor.
//
// The age of a value follows the wall clock: the clock that Go compares by default
// stands still while the machine sleeps. Its age counts from the beginning of its
// fetch, because the process can be frozen before the answer is read.
//
// The package does not know what a value is, nor where it comes from.
package cached

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A Fetch gets a new value, and says how long it is good for.
type Fetch[T any] func(ctx context.Context) (T, Life, error)

// A Life says when to fetch again.
type Life struct {
	// Due is after how long the next value should be fetched, in the background.
	Due time.Duration
	// Stale is after how long this one must not be served any more, if the next
	// cannot be had. It is at least Due.
	Stale time.Duration
}

// A Policy bounds a [Value]. Every field is needed, except First and Failed.
type Policy struct {
	// Timeout bounds one fetch.
	Timeout time.Duration
	// After a failure, no fetch begins for MinBackoff, doubled for each further
	// failure up to MaxBackoff. An error with a method RetryAfter() of type
	// time.Duration can ask for more, up to MaxRetryAfter.
	MinBackoff, MaxBackoff, MaxRetryAfter time.Duration
	// First, if not nil, is asked before each fetch while there is no value yet. If
	// it does not agree, the error is [ErrNotAllowed].
	First func() bool
	// Failed, if not nil, is told of every failed fetch, and whether there is a
	// value to serve meanwhile. It is not called concurrently.
	Failed func(err error, stale bool)
}

// A Value holds the result of a Fetch. Create it with [New].
type Value[T any] struct {
	fetch   Fetch[T]
	policy  Policy
	clock   func() time.Time
	current atomic.Pointer[entry[T]]

	mu       sync.Mutex
	flight   *flight[T] // nil when no fetch is under way
	failures int        // since the last success
	retryAt  time.Time  // no fetch before
	lastErr  error
}

// entry is immutable.
type entry[T any] struct {
	value      T
	fetchedAt  time.Time
	dueAt      time.Time
	unusableAt time.Time
}

type flight[T any] struct {
	forced bool          // begun by Force
	done   chan struct{} // closed when the two fields below are set
	value  T
	err    error
}

// New returns a Value. It fetches nothing before it is asked.
func New[T any](fetch Fetch[T], policy Policy) *Value[T] {
	return &Value[T]{fetch: fetch, policy: policy, clock: time.Now}
}

// passed reports whether now is not before a time, by the wall clock or by the clock
// that nobody sets. The first one goes on while the machine sleeps, and the second one
// when somebody sets the first one back.
func passed(now, at time.Time) bool {
	return !now.Before(at) || !now.Round(0).Before(at.Round(0))
}

// Get returns the value. It waits, for as long as ctx allows, only if there is
// none that may be used. A value that is due is returned and refreshed in the
// background.
func (v *Value[T]) Get(ctx context.Context) (T, error) {
	now := v.clock()
	if e := v.current.Load(); e != nil && !passed(now, e.unusableAt) {
		if passed(now, e.dueAt) {
			v.start(now, always)
		}
		return e.value, nil
	}
	return v.wait(ctx, now)
}

// Peek returns the value if there is one that may be used, and starts nothing.
func (v *Value[T]) Peek() (value T, ok bool) {
	if e := v.current.Load(); e != nil && !passed(v.clock(), e.unusableAt) {
		return e.value, true
	}
	return value, false
}

// Refresh fetches now, or joins the fetch under way, and waits for the result
// for as long as ctx allows. It does not fetch while a failure holds it back;
// then it returns the error of that failure.
func (v *Value[T]) Refresh(ctx context.Context) (T, error) {
	return v.wait(ctx, v.clock())
}

// Renew returns a new value, or the cached one if that is not older than age.
func (v *Value[T]) Renew(ctx context.Context, age time.Duration) (T, error) {
	if state := v.State(); state.OK && age > 0 && !passed(v.clock(), state.FetchedAt.Add(age+1)) {
		return state.Value, nil
	}
	return v.Refresh(ctx)
}

// Drop forgets the value if it is the one that reject means. The next call that needs a
// value fetches it. Of many callers with the same value, the first one drops it, and the
// others drop nothing.
func (v *Value[T]) Drop(reject func(T) bool) {
	if e := v.current.Load(); e != nil && reject(e.value) {
		v.current.CompareAndSwap(e, nil)
	}
}

// RefreshIf is Refresh, but begins a fetch only if allow agrees. It joins one
// that is under way without asking. If allow does not agree, it returns
// [ErrNotAllowed].
func (v *Value[T]) RefreshIf(ctx context.Context, allow func() bool) (value T, err error) {
	f, err := v.start(v.clock(), allow)
	if err != nil {
		return value, err
	}
	return f.wait(ctx)
}

// Force fetches now, also while a failure holds fetches back, and waits for the
// result for as long as ctx allows. A fetch that was begun for another reason is
// waited for and does not count: it can have been answered before whatever Force
// is called for. Concurrent calls share one fetch.
func (v *Value[T]) Force(ctx context.Context) (value T, err error) {
	for {
		v.mu.Lock()
		f := v.flight
		if f == nil {
			f = v.begin()
			f.forced = true
		}
		v.mu.Unlock()
		value, err = f.wait(ctx)
		if f.forced || ctx.Err() != nil {
			return value, err
		}
	}
}

// ErrNotAllowed is returned by [Value.RefreshIf], and if [Policy].First does not
// agree.
var ErrNotAllowed = errors.New("cached: not allowed now")

// Due reports whether the value is missing or older than its fetch wished.
func (v *Value[T]) Due() bool {
	e := v.current.Load()
	return e == nil || passed(v.clock(), e.dueAt)
}

// A State tells how a [Value] is doing.
type State[T any] struct {
	Value T
	OK    bool // whether Value may be used

	FetchedAt  time.Time
	DueAt      time.Time
	UnusableAt time.Time
	Err        error // of the last fetch, nil if that has succeeded
}

// State returns how the Value is doing, and starts nothing.
func (v *Value[T]) State() State[T] {
	v.mu.Lock()
	s := State[T]{Err: v.lastErr}
	v.mu.Unlock()
	if e := v.current.Load(); e != nil {
		s.FetchedAt, s.DueAt, s.UnusableAt = e.fetchedAt, e.dueAt, e.unusableAt
		if !passed(v.clock(), e.unusableAt) {
			s.Value, s.OK = e.value, true
		}
	}
	return s
}

func always() bool { return true }

func (v *Value[T]) wait(ctx context.Context, now time.Time) (value T, err error) {
	f, err := v.start(now, always)
	if err != nil {
		return value, err
	}
	return f.wait(ctx)
}

func (f *flight[T]) wait(ctx context.Context) (value T, err error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return value, context.Cause(ctx)
	}
}

// start returns the fetch under way, or begins one, or returns the error that
// holds it back.
func (v *Value[T]) start(now time.Time, allow func() bool) (*flight[T], error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.flight != nil {
		return v.flight, nil
	}
	if !passed(now, v.retryAt) {
		return nil, v.lastErr
	}
	if !allow() || v.current.Load() == nil && v.policy.First != nil && !v.policy.First() {
		return nil, ErrNotAllowed
	}
	return v.begin(), nil
}

// begin starts a fetch. The caller has the lock, and there is none under way.
func (v *Value[T]) begin() *flight[T] {
	f := &flight[T]{done: make(chan struct{})}
	v.flight = f
	go v.run(f)
	return f
}

// run fetches, and fetches once more if the process was frozen or the machine slept in
// the meantime: then the time of the fetch is over before its answer was looked at, or
// the value is too old already.
func (v *Value[T]) run(f *flight[T]) {
	begin := v.clock()
	value, life, err := v.boundedFetch()
	now := v.clock()
	lost := err != nil && passed(now, begin.Add(v.policy.Timeout+frozen))
	old := err == nil && passed(now, begin.Add(max(life.Due, life.Stale))) && passed(now, begin.Add(frozen))
	if lost || old {
		begin = v.clock()
		value, life, err = v.boundedFetch()
	}
	v.finish(f, begin, value, life, err)
}

// frozen is how much longer than its time a fetch takes at most, unless something has
// held it up.
const frozen = time.Second

// boundedFetch fetches on its own context: the caller who happens to be first may go
// away without failing those who wait with him.
func (v *Value[T]) boundedFetch() (T, Life, error) {
	ctx, cancel := context.WithTimeout(context.Background(), v.policy.Timeout)
	defer cancel()
	return v.guardedFetch(ctx)
}

// guardedFetch turns a panic into an error: on this goroutine it would end the
// process, where net/http would have ended one request.
func (v *Value[T]) guardedFetch(ctx context.Context) (value T, life Life, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while fetching: %v", p)
		}
	}()
	return v.fetch(ctx)
}

func (v *Value[T]) finish(f *flight[T], begin time.Time, value T, life Life, err error) {
	now := v.clock()
	f.value, f.err = value, err
	if err != nil && v.policy.Failed != nil {
		_, stale := v.Peek()
		v.policy.Failed(err, stale)
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	defer close(f.done)
	v.flight = nil
	if err != nil {
		v.retryAt, v.lastErr = now.Add(v.policy.backoff(v.failures, err)), err
		v.failures++
		return
	}
	v.retryAt, v.lastErr, v.failures = time.Time{}, nil, 0
	v.current.Store(&entry[T]{
		value:      value,
		fetchedAt:  begin,
		dueAt:      begin.Add(life.Due),
		unusableAt: begin.Add(max(life.Due, life.Stale)),
	})
}

func (p Policy) backoff(failures int, err error) time.Duration {
	d := p.MinBackoff << min(failures, 16)
	d = min(d, p.MaxBackoff)
	// Up to a tenth more, so that many processes do not come back together.
	d += rand.N(d/10 + 1)
	var hint interface{ RetryAfter() time.Duration }
	if errors.As(err, &hint) {
		d = max(d, min(hint.RetryAfter(), p.MaxRetryAfter))
	}
	return d
}

// A Group holds one [Value] per key, at most a fixed number of them.
type Group[T any] struct {
	create func(key string) *Value[T]
	limit  int

	mu     sync.Mutex
	values map[string]*member[T]
	clock  uint64
}

type member[T any] struct {
	value *Value[T]
	used  uint64
}

// NewGroup returns a Group that calls create for a key it does not hold. When
// there are more than limit, the one used longest ago is dropped.
func NewGroup[T any](limit int, create func(key string) *Value[T]) *Group[T] {
	return &Group[T]{create: create, limit: limit, values: map[string]*member[T]{}}
}

// Value returns the Value for a key.
func (g *Group[T]) Value(key string) *Value[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.values[key]
	if m == nil {
		m = &member[T]{value: g.create(key)}
		g.values[key] = m
	}
	g.clock++
	m.used = g.clock
	if len(g.values) > g.limit {
		g.dropOldest()
	}
	return m.value
}

// Peek is [Value.Peek] of the Value for a key, if the Group holds one. Asking
// neither adds one nor keeps one: keys may come from anybody.
func (g *Group[T]) Peek(key string) (value T, ok bool) {
	g.mu.Lock()
	m := g.values[key]
	g.mu.Unlock()
	if m == nil {
		return value, false
	}
	return m.value.Peek()
}

// dropOldest spares values that are being fetched: their callers wait, and
// the next caller must join them.
func (g *Group[T]) dropOldest() {
	oldest, used := "", g.clock
	for key, m := range g.values {
		if m.used < used && !m.value.inFlight() {
			oldest, used = key, m.used
		}
	}
	if used != g.clock {
		delete(g.values, oldest)
	}
}

func (v *Value[T]) inFlight() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.flight != nil
}
