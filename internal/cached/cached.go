// Package cached caches fetched values: keys, metadata, lists.
//
// Readers never wait for a refresh while a usable value is cached. All callers share one
// fetch (single-flight), and no caller's cancellation ends it. If fetching fails, the
// cached value is served until it is too old, and the next attempt is delayed. An outage
// then costs the server one request per delay and not one per visitor.
//
// The age of a value follows the wall clock, because the clock that Go compares by
// default stops while the machine sleeps. The age counts from the start of the fetch,
// because the process can be frozen before it reads the response.
//
// The package knows neither the values nor their source.
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

// A Fetch gets a new value, and returns its life.
type Fetch[T any] func(ctx context.Context) (T, Life, error)

// A Life says when to fetch again.
type Life struct {
	// Due is the age at which the next value should be fetched, in the background.
	Due time.Duration
	// Stale is the age at which this value must not be served any more, if fetching the
	// next one fails. It is at least Due.
	Stale time.Duration
}

// A Policy bounds a [Value]. Every field is required, except First and Failed.
type Policy struct {
	// Timeout bounds one fetch.
	Timeout time.Duration
	// After a failure, no fetch starts for MinBackoff, doubled for each further failure
	// up to MaxBackoff. An error with a method RetryAfter() of type time.Duration can
	// request more, up to MaxRetryAfter.
	MinBackoff, MaxBackoff, MaxRetryAfter time.Duration
	// First, if not nil, is called before each fetch while there is no value yet. If it
	// returns false, the error is [ErrNotAllowed].
	First func() bool
	// Failed, if not nil, is called after every failed fetch, and learns whether there
	// is a value to serve meanwhile. It is not called concurrently.
	Failed func(err error, stale bool)
}

// A Value holds the result of a Fetch. Create it with [New].
type Value[T any] struct {
	fetch   Fetch[T]
	policy  Policy
	clock   func() time.Time
	current atomic.Pointer[entry[T]]

	mu       sync.Mutex
	flight   *flight[T] // nil if no fetch is running
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
	forced bool          // started by Force
	done   chan struct{} // closed when the two fields below are set
	value  T
	err    error
}

// New returns a Value. It fetches nothing before the first call that needs a value.
func New[T any](fetch Fetch[T], policy Policy) *Value[T] {
	return &Value[T]{fetch: fetch, policy: policy, clock: time.Now}
}

// passed reports whether now has reached a time, by the wall clock or by the monotonic
// clock. The wall clock advances while the machine sleeps, and the monotonic clock when
// an operator sets the wall clock back.
func passed(now, at time.Time) bool {
	return !now.Before(at) || !now.Round(0).Before(at.Round(0))
}

// Get returns the value. It waits, for as long as ctx allows, only if there is no usable
// value. A value that is due is returned, and refreshed in the background.
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

// Peek returns the value if it is usable, and starts nothing.
func (v *Value[T]) Peek() (value T, ok bool) {
	if e := v.current.Load(); e != nil && !passed(v.clock(), e.unusableAt) {
		return e.value, true
	}
	return value, false
}

// Refresh fetches now, or joins the running fetch, and waits for the result for as long
// as ctx allows. While a failure delays the next fetch, it returns the error of that
// failure.
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

// Drop deletes the value if reject returns true for it. The next call that needs a value
// fetches it. Of many callers with the same value, the first one drops it, and the
// others drop nothing.
func (v *Value[T]) Drop(reject func(T) bool) {
	if e := v.current.Load(); e != nil && reject(e.value) {
		v.current.CompareAndSwap(e, nil)
	}
}

// RefreshIf is Refresh, but starts a fetch only if allow returns true. It joins a
// running fetch without calling allow. If allow returns false, the error is
// [ErrNotAllowed].
func (v *Value[T]) RefreshIf(ctx context.Context, allow func() bool) (value T, err error) {
	f, err := v.start(v.clock(), allow)
	if err != nil {
		return value, err
	}
	return f.wait(ctx)
}

// Force fetches now, even while a failure delays fetches, and waits for the result for
// as long as ctx allows. It does not accept the result of a fetch already running, which
// can predate the event for which Force was called. Concurrent calls share one fetch.
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

// ErrNotAllowed is the error of [Value.RefreshIf] and of a [Policy] whose First returns
// false.
var ErrNotAllowed = errors.New("cached: not allowed now")

// Due reports whether the value is missing or older than its Life.Due.
func (v *Value[T]) Due() bool {
	e := v.current.Load()
	return e == nil || passed(v.clock(), e.dueAt)
}

// A State is a snapshot of a [Value].
type State[T any] struct {
	Value T
	OK    bool // whether Value is usable

	FetchedAt  time.Time
	DueAt      time.Time
	UnusableAt time.Time
	Err        error // of the last fetch, nil if it succeeded
}

// State returns the state of the Value, and starts nothing.
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

// start returns the running fetch, or starts one, or returns the error that delays it.
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

// begin starts a fetch. The caller holds the lock, and no fetch is running.
func (v *Value[T]) begin() *flight[T] {
	f := &flight[T]{done: make(chan struct{})}
	v.flight = f
	go v.run(f)
	return f
}

// run fetches, and fetches once more if the process was frozen or the machine slept
// meanwhile. In that case the fetch has timed out before its response was read, or the
// value is already too old.
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

// frozen is the delay beyond its timeout after which a fetch counts as suspended.
const frozen = time.Second

// boundedFetch fetches on its own context, so that the first caller can leave without
// failing those who wait with it.
func (v *Value[T]) boundedFetch() (T, Life, error) {
	ctx, cancel := context.WithTimeout(context.Background(), v.policy.Timeout)
	defer cancel()
	return v.guardedFetch(ctx)
}

// guardedFetch turns a panic into an error: on this goroutine it would end the process,
// while net/http would have ended one request.
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

// NewGroup returns a Group that calls create for a new key. Beyond limit keys, it drops
// the least recently used one.
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

// Peek is [Value.Peek] of the Value for a key, if the Group holds one. It neither adds
// nor keeps a key, because anyone can choose keys.
func (g *Group[T]) Peek(key string) (value T, ok bool) {
	g.mu.Lock()
	m := g.values[key]
	g.mu.Unlock()
	if m == nil {
		return value, false
	}
	return m.value.Peek()
}

// dropOldest spares values that are being fetched: their callers wait, and the next
// caller must join them.
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
