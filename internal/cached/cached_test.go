package cached

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A source counts fetches and has a configured result.
type source struct {
	mu    sync.Mutex
	calls int
	delay time.Duration
	err   error
}

func (s *source) fetch(ctx context.Context) (int, Life, error) {
	s.mu.Lock()
	s.calls++
	n, delay, err := s.calls, s.delay, s.err
	s.mu.Unlock()
	select {
	case <-time.After(delay):
		return n, life, err
	case <-ctx.Done():
		return 0, Life{}, ctx.Err()
	}
}

func (s *source) set(delay time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay, s.err = delay, err
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

var life = Life{Due: 10 * time.Minute, Stale: 24 * time.Hour}

var policy = Policy{
	Timeout:       5 * time.Second,
	MinBackoff:    time.Second,
	MaxBackoff:    30 * time.Second,
	MaxRetryAfter: time.Minute,
}

var errDown = errors.New("down")

func TestColdStartIsOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{delay: 100 * time.Millisecond}
		v := New(s.fetch, policy)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if got, err := v.Get(t.Context()); got != 1 || err != nil {
					t.Errorf("Get = %d, %v", got, err)
				}
			})
		}
		wg.Wait()
		for range 10000 {
			v.Get(t.Context())
		}
		if n := s.count(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestRefreshAheadDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := New(s.fetch, policy)
		v.Get(t.Context())
		time.Sleep(10 * time.Minute)
		s.set(4*time.Second, nil)
		begin := time.Now()
		for range 100 {
			if got, err := v.Get(t.Context()); got != 1 || err != nil {
				t.Fatalf("Get = %d, %v; want the old value", got, err)
			}
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("readers waited %v", waited)
		}
		time.Sleep(5 * time.Second)
		if got, _ := v.Get(t.Context()); got != 2 || s.count() != 2 {
			t.Errorf("after the refresh: value %d, %d fetches", got, s.count())
		}
	})
}

func TestCallerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{delay: time.Second}
		v := New(s.fetch, policy)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := v.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("first caller: %v", err)
		}
		if got, err := v.Get(t.Context()); got != 1 || err != nil {
			t.Errorf("second caller: %d, %v", got, err)
		}
		if n := s.count(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

// TestOutage serves the stale value for a day, with few attempts, and then returns the
// failure.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		failed, unserved := 0, 0
		p := policy
		p.Failed = func(err error, stale bool) {
			failed++
			if !stale {
				unserved++
			}
		}
		v := New(s.fetch, p)
		v.Get(t.Context())
		s.set(0, errDown)
		for range 24*60*6 - 1 {
			time.Sleep(10 * time.Second)
			if got, err := v.Get(t.Context()); got != 1 || err != nil {
				t.Fatalf("Get = %d, %v", got, err)
			}
		}
		synctest.Wait()
		if n := s.count(); n < 1000 || n > 24*60*2+20 {
			t.Errorf("%d fetches in a day of outage", n)
		}
		time.Sleep(10 * time.Second)
		if _, err := v.Get(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("after a day: %v, want the cause", err)
		}
		time.Sleep(time.Minute)
		v.Get(t.Context())
		if failed != s.count()-1 || unserved == 0 {
			t.Errorf("%d failures reported of %d, %d without a value", failed, s.count()-1, unserved)
		}
		s.set(0, nil)
		time.Sleep(34 * time.Second)
		if got, err := v.Get(t.Context()); got != s.count() || err != nil {
			t.Errorf("after the outage: %d, %v", got, err)
		}
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{err: errDown}
		v := New(s.fetch, policy)
		for range 100 {
			if _, err := v.Get(t.Context()); !errors.Is(err, errDown) {
				t.Fatal(err)
			}
		}
		if _, err := v.Refresh(t.Context()); !errors.Is(err, errDown) {
			t.Fatal(err)
		}
		if n := s.count(); n != 1 {
			t.Errorf("%d fetches before the backoff is over", n)
		}
		time.Sleep(1101 * time.Millisecond)
		v.Get(t.Context())
		time.Sleep(1101 * time.Millisecond)
		v.Get(t.Context())
		if n := s.count(); n != 2 {
			t.Errorf("%d fetches, want the second step to be twice as long", n)
		}
	})
}

type hint struct{ d time.Duration }

func (h hint) Error() string             { return "busy" }
func (h hint) RetryAfter() time.Duration { return h.d }

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ asked, held time.Duration }{{20 * time.Second, 20 * time.Second}, {time.Hour, time.Minute}} {
			s := &source{err: fmt.Errorf("wrapped: %w", hint{tt.asked})}
			v := New(s.fetch, policy)
			v.Get(t.Context())
			time.Sleep(tt.held - time.Millisecond)
			v.Get(t.Context())
			if n := s.count(); n != 1 {
				t.Errorf("asked for %v: %d fetches within %v", tt.asked, n, tt.held)
			}
			time.Sleep(time.Millisecond)
			v.Get(t.Context())
			if n := s.count(); n != 2 {
				t.Errorf("asked for %v: %d fetches after %v", tt.asked, n, tt.held)
			}
		}
	})
}

func TestRefreshJoinsAndForces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := New(s.fetch, policy)
		v.Get(t.Context())
		s.set(time.Second, nil)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got, err := v.Refresh(t.Context()); got != 2 || err != nil {
					t.Errorf("Refresh = %d, %v", got, err)
				}
			})
		}
		wg.Wait()
		if n := s.count(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestRefreshIf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{delay: time.Second}
		v := New(s.fetch, policy)
		no := func() bool { return false }
		if _, err := v.RefreshIf(t.Context(), no); !errors.Is(err, ErrNotAllowed) || s.count() != 0 {
			t.Errorf("not allowed: %v after %d fetches", err, s.count())
		}
		go v.Get(t.Context())
		synctest.Wait()
		if got, err := v.RefreshIf(t.Context(), no); got != 1 || err != nil {
			t.Errorf("joining: %d, %v", got, err)
		}
		if got, err := v.RefreshIf(t.Context(), func() bool { return true }); got != 2 || err != nil {
			t.Errorf("allowed: %d, %v", got, err)
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{delay: time.Hour}
		v := New(s.fetch, policy)
		begin := time.Now()
		if _, err := v.Get(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(begin); d != policy.Timeout {
			t.Errorf("gave up after %v, want %v", d, policy.Timeout)
		}
	})
}

func TestPanicIsAnError(t *testing.T) {
	v := New(func(context.Context) (int, Life, error) { panic("boom") }, policy)
	if _, err := v.Get(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestPeekStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := New(s.fetch, policy)
		if _, ok := v.Peek(); ok || s.count() != 0 || !v.Due() {
			t.Error("Peek before the first fetch")
		}
		v.Get(t.Context())
		if got, ok := v.Peek(); !ok || got != 1 || v.Due() {
			t.Errorf("Peek = %d, %v", got, ok)
		}
		time.Sleep(time.Hour)
		if got, ok := v.Peek(); !ok || got != 1 || s.count() != 1 || !v.Due() {
			t.Errorf("Peek of a value that is due = %d, %v after %d fetches", got, ok, s.count())
		}
		time.Sleep(23 * time.Hour)
		if _, ok := v.Peek(); ok {
			t.Error("Peek returns a value that is too old")
		}
	})
}

// TestGroupPeek: Peek neither adds a member nor keeps one.
func TestGroupPeek(t *testing.T) {
	g := NewGroup(2, func(key string) *Value[string] {
		return New(func(context.Context) (string, Life, error) { return "of " + key, Life{Due: time.Hour}, nil }, Policy{})
	})
	for _, key := range []string{"a", "b"} {
		if _, err := g.Value(key).Get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		if _, ok := g.Peek("x"); ok {
			t.Error("a value for a key that nobody has used")
		}
		if v, ok := g.Peek("a"); !ok || v != "of a" {
			t.Errorf("Peek(a) = %q, %v", v, ok)
		}
	}
	g.Value("c") // takes the place of a, which Peek alone has read
	if _, ok := g.Peek("a"); ok {
		t.Error("Peek has kept a")
	}
	if _, ok := g.Peek("b"); !ok {
		t.Error("b is gone")
	}
}

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		created := 0
		g := NewGroup(3, func(key string) *Value[string] {
			created++
			return New(func(context.Context) (string, Life, error) {
				time.Sleep(time.Second)
				return key, life, nil
			}, policy)
		})
		slow := g.Value("slow")
		go slow.Get(t.Context())
		synctest.Wait()
		for i := range 100 {
			key := fmt.Sprint(i)
			if got := g.Value(key); got != g.Value(key) {
				t.Fatal("two values for one key")
			}
			if len(g.values) > 3 {
				t.Fatalf("%d values, the limit is 3", len(g.values))
			}
		}
		if g.Value("slow") != slow {
			t.Error("a value was dropped while it was being fetched")
		}
		if got, err := g.Value("a").Get(t.Context()); got != "a" || err != nil {
			t.Errorf("Get = %q, %v", got, err)
		}
		if created != 102 {
			t.Errorf("%d values created, want 102", created)
		}
	})
}

func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := New(s.fetch, policy)
		if st := v.State(); st != (State[int]{}) || s.count() != 0 {
			t.Errorf("before the first fetch %+v, and %d fetches", st, s.count())
		}
		value, err := v.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		st := v.State()
		if !st.OK || st.Value != value || !st.FetchedAt.Equal(begin) || !st.DueAt.After(begin) || !st.UnusableAt.After(st.DueAt) || st.Err != nil {
			t.Errorf("after a fetch %+v", st)
		}
		s.set(0, errDown)
		v.Refresh(t.Context())
		if st := v.State(); !st.OK || st.Err != errDown {
			t.Errorf("after a failure %+v", st)
		}
		time.Sleep(time.Until(st.UnusableAt))
		if st := v.State(); st.OK || st.Value != 0 || st.FetchedAt != begin {
			t.Errorf("at the end %+v", st)
		}
	})
}

func TestForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{delay: time.Second}
		v := New(s.fetch, policy)
		// Concurrent calls share one fetch.
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if n, err := v.Force(t.Context()); n != 1 || err != nil {
					t.Errorf("got %d, %v", n, err)
				}
			})
		}
		wg.Wait()
		// A fetch for another reason does not count, and no second one starts.
		go v.Refresh(t.Context())
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				if n, err := v.Force(t.Context()); n != 3 || err != nil {
					t.Errorf("got %d, %v, want the fetch behind the one under way", n, err)
				}
			})
		}
		wg.Wait()
		if s.count() != 3 {
			t.Errorf("%d fetches, want 3", s.count())
		}
		// A failure starts the backoff, and keeps the value.
		s.set(time.Second, errDown)
		for range 3 {
			if _, err := v.Force(t.Context()); !errors.Is(err, errDown) {
				t.Errorf("got %v, want errDown", err)
			}
		}
		if n, err := v.Get(t.Context()); n != 3 || err != nil || s.count() != 6 {
			t.Errorf("got %d, %v after %d fetches", n, err, s.count())
		}
		s.set(time.Second, nil)
		if n, err := v.Force(t.Context()); n != 7 || err != nil {
			t.Errorf("held back: %d, %v", n, err)
		}
		// A caller that leaves does not end the fetch.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := v.Force(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n, ok := v.Peek(); n != 8 || !ok {
			t.Errorf("got %d", n)
		}
	})
}

// First runs while there is no value, once for each fetch.
func TestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{delay: time.Second}
		asked, agrees := 0, false
		p := policy
		p.First = func() bool { asked++; return agrees }
		v := New(s.fetch, p)
		if _, err := v.Get(t.Context()); err != ErrNotAllowed || s.count() != 0 {
			t.Errorf("got %v after %d fetches", err, s.count())
		}
		agrees = true
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := v.Get(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		agrees = false
		time.Sleep(11 * time.Minute)
		if _, err := v.Get(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := v.Refresh(t.Context()); err != nil || asked != 2 || s.count() != 2 {
			t.Errorf("%v; asked %d times for %d fetches", err, asked, s.count())
		}
	})
}

// TestDrop: many callers drop a value, and one fetch follows. Any other value stays.
func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{delay: time.Second}
		v := New(s.fetch, policy)
		v.Drop(func(int) bool { t.Error("asked about no value"); return true })
		v.Get(t.Context())
		is := func(n int) func(int) bool { return func(got int) bool { return got == n } }
		v.Drop(is(7))
		if got, ok := v.Peek(); got != 1 || !ok {
			t.Errorf("another value was dropped: %d, %v", got, ok)
		}
		for late := range 2 {
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					v.Drop(is(1))
					if got, err := v.Get(t.Context()); got != 2 || err != nil {
						t.Errorf("%d, %v", got, err)
					}
				})
			}
			wg.Wait()
			if n := s.count(); n != 2 {
				t.Errorf("round %d: %d fetches", late, n)
			}
		}
	})
}
