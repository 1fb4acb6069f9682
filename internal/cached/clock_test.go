package cached

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// started has a monotonic clock reading. Times in a bubble have none.
var started = time.Now()

// A machine is a clock in a bubble. Slept is how long its machine has slept, or how far an
// operator has set its clock. The wall clock differs by that time, and the monotonic clock
// does not.
type machine struct {
	begin time.Time
	slept time.Duration
}

func newMachine() *machine { return &machine{begin: time.Now()} }

func (m *machine) now() time.Time {
	now := started.Add(time.Since(m.begin))
	later := now
	const seconds = 30 // bits of nanoseconds below the seconds, see the source of package time
	*(*uint64)(unsafe.Pointer(&later)) += uint64(int64(m.slept/time.Second)) << seconds
	if later.Sub(now) != 0 || later.Round(0).Sub(now.Round(0)) != m.slept {
		panic("package time has changed")
	}
	return later
}

// TestMachineSleeps: values also age while the machine sleeps and its monotonic clock
// stands still. A clock that was set back makes none younger.
func TestMachineSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name         string
			sleep, awake time.Duration
			old, gone    bool
		}{
			{"awake", 0, 0, false, false},
			{"a nap", 9 * time.Minute, 0, false, false},
			{"a while", 10 * time.Minute, 0, true, false},
			{"the weekend", 48 * time.Hour, 0, true, true},
			{"in part", 5 * time.Minute, 5*time.Minute + time.Second, true, false},
			{"set back, old", -1000 * time.Hour, 10 * time.Minute, true, false},
			{"set back, gone", -1000 * time.Hour, 24 * time.Hour, true, true},
			{"set back", -1000 * time.Hour, time.Minute, false, false},
		} {
			s := &source{}
			v := New(s.fetch, policy)
			m := newMachine()
			v.clock = m.now
			v.Get(t.Context())
			m.slept = tt.sleep
			time.Sleep(tt.awake)
			_, ok := v.Peek()
			state := v.State()
			if ok == tt.gone || state.OK == tt.gone || v.Due() != tt.old {
				t.Errorf("%s: usable %v, %v, due %v", tt.name, ok, state.OK, v.Due())
			}
			got, err := v.Get(t.Context())
			synctest.Wait()
			if want := map[bool]int{false: 1, true: 2}[tt.gone]; got != want || err != nil || s.count() != map[bool]int{false: 1, true: 2}[tt.old] {
				t.Errorf("%s: %d, %v, after %d fetches", tt.name, got, err, s.count())
			}
		}
	})
}

// TestSleepAndBackoff: the backoff after a failure ends by either clock.
func TestSleepAndBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name         string
			sleep, awake time.Duration
			fetches      int
		}{
			{"at once", 0, 0, 1}, {"awake", 0, 2 * time.Second, 2}, {"asleep", time.Hour, 0, 2}, {"set back", -time.Hour, 2 * time.Second, 2},
		} {
			s := &source{err: errDown}
			v := New(s.fetch, policy)
			m := newMachine()
			v.clock = m.now
			v.Get(t.Context())
			m.slept = tt.sleep
			time.Sleep(tt.awake)
			v.Get(t.Context())
			if s.count() != tt.fetches {
				t.Errorf("%s: %d fetches, want %d", tt.name, s.count(), tt.fetches)
			}
		}
	})
}

// TestRenewAfterSleep: the age of a value follows the wall clock.
func TestRenewAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		v := New(s.fetch, policy)
		m := newMachine()
		v.clock = m.now
		v.Get(t.Context())
		for _, tt := range []struct {
			slept time.Duration
			want  int
		}{{0, 1}, {time.Minute, 1}, {61 * time.Second, 2}} {
			m.slept = tt.slept
			if got, err := v.Renew(t.Context(), time.Minute); got != tt.want || err != nil {
				t.Errorf("after %v: %d, %v", tt.slept, got, err)
			}
		}
	})
}

// TestFrozenProcess: the process freezes, or the machine sleeps, during a fetch. Its
// callers get the value of a second fetch. A failed fetch is not repeated, and neither is
// the second one.
func TestFrozenProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("the connection is dead")
		for _, tt := range []struct {
			name    string
			frozen  time.Duration // of the first fetch, by the monotonic clock
			asleep  time.Duration // the same by the wall clock alone
			err     error         // of the first fetch
			second  error
			fetches int
			want    int
		}{
			{"frozen", time.Hour, 0, context.DeadlineExceeded, nil, 2, 2},
			{"asleep", 0, time.Hour, lost, nil, 2, 2},
			{"frozen for days, and answered", 48 * time.Hour, 0, nil, nil, 2, 2},
			{"frozen, and answered", time.Hour, 0, nil, nil, 1, 1},
			{"down after it", time.Hour, 0, lost, errDown, 2, 0},
			{"down", 0, 0, errDown, nil, 1, 0},
			{"timed out", policy.Timeout, 0, context.DeadlineExceeded, nil, 1, 0},
		} {
			m := newMachine()
			fetches := 0
			v := New(func(ctx context.Context) (int, Life, error) {
				if fetches++; fetches == 1 {
					time.Sleep(tt.frozen)
					m.slept = tt.asleep
					return 1, life, tt.err
				}
				if ctx.Err() != nil {
					t.Errorf("%s: the second fetch has no time: %v", tt.name, ctx.Err())
				}
				return 2, life, tt.second
			}, policy)
			v.clock = m.now
			got, err := v.Get(t.Context())
			if (err == nil) != (tt.want > 0) || err == nil && got != tt.want || fetches != tt.fetches {
				t.Errorf("%s: %d, %v, after %d fetches", tt.name, got, err, fetches)
			}
			if state := v.State(); tt.name == "frozen, and answered" && m.now().Sub(state.FetchedAt) != time.Hour {
				t.Errorf("%s: the value counts as fetched at %v", tt.name, state.FetchedAt)
			}
		}
	})
}
