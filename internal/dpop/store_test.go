package dpop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type storeFunc func(ctx context.Context, key string, expiry time.Time) (bool, error)

func (f storeFunc) AddCtx(ctx context.Context, key string, expiry time.Time) (bool, error) {
	return f(ctx, key, expiry)
}

// TestTimely: a call returns the store's result, or an error within a second.
func TestTimely(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		why   string
		store storeFunc
		added bool
		want  string // a part of the error
	}{
		{"new", func(_ context.Context, key string, expiry time.Time) (bool, error) {
			return key == "k" && expiry.Equal(at), nil
		}, true, ""},
		{"known", func(context.Context, string, time.Time) (bool, error) { return false, nil }, false, ""},
		{"slow", func(context.Context, string, time.Time) (bool, error) {
			time.Sleep(900 * time.Millisecond)
			return true, nil
		}, true, ""},
		{"error", func(context.Context, string, time.Time) (bool, error) { return true, broken }, true, "broken"},
		{"panic", func(context.Context, string, time.Time) (bool, error) { panic("mine") }, false, "panicked: mine"},
		{"hangs", func(context.Context, string, time.Time) (bool, error) { time.Sleep(time.Minute); return true, nil }, false, "not answered within 1s"},
		{"hangs until the context ends", func(ctx context.Context, _ string, _ time.Time) (bool, error) { <-ctx.Done(); return true, ctx.Err() }, false, "not answered within 1s"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				added, err := Timely(tt.store).AddCtx(t.Context(), "k", at)
				if took := time.Since(began); took > time.Second {
					t.Errorf("the call took %v", took)
				}
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || err == nil && added != tt.added {
					t.Errorf("%v, %v; want %v, %q", added, err, tt.added, tt.want)
				}
				time.Sleep(2 * time.Minute) // the goroutine of a hanging call ends before the bubble
			})
		})
	}
}

// TestTimelyBusy: the number of hanging calls is limited, and a canceled request waits for
// none.
func TestTimelyBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := Timely(storeFunc(func(context.Context, string, time.Time) (bool, error) {
			calls++
			time.Sleep(time.Hour)
			return true, nil
		}))
		for range maxCalls {
			go s.AddCtx(t.Context(), "k", at)
			synctest.Wait()
		}
		if _, err := s.AddCtx(t.Context(), "k", at); !errors.Is(err, errStoreBusy) {
			t.Errorf("one call more: %v", err)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.AddCtx(canceled, "k", at); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		if calls != maxCalls {
			t.Errorf("%d calls of the store, want %d", calls, maxCalls)
		}
		time.Sleep(2 * time.Hour)
	})
}
