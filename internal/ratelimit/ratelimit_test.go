package ratelimit

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// takeAll takes requests up to the first refusal.
func takeAll(l *Limit) (n int, refused *refusal.Refusal) {
	for n = 0; n < 10_000; n++ {
		if err := l.Take(); err != nil {
			refused, _ = err.(*refusal.Refusal)
			return n, refused
		}
	}
	return n, nil
}

// TestLimits: the number of requests that each limit allows at once, and per second after
// that.
func TestLimits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limit            func() *Limit
		burst, perSecond int
	}{
		"pushed requests": {PushedRequests, 100, 20},
		"codes":           {Codes, 100, 20},
		"organizations":   {Organizations, 50, 10},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := tt.limit()
			for _, round := range []struct {
				wait time.Duration
				want int
			}{
				{0, tt.burst},
				{0, 0},
				{time.Second, tt.perSecond},
				{500 * time.Millisecond, tt.perSecond / 2},
				{time.Hour, tt.burst}, // the bucket does not overflow
			} {
				time.Sleep(round.wait)
				n, refused := takeAll(l)
				if n != round.want {
					t.Errorf("%s, after %v: %d requests, want %d", name, round.wait, n, round.want)
				}
				if refused == nil || refused.Row != refusal.TenantBusy || refused.TenantStatus != 0 ||
					!strings.Contains(refused.Error(), "limit the requests per address") {
					t.Errorf("%s: %+v", name, refused)
				}
			}
		})
	}
}

// TestRetryAfter: the refusal has the wait for one request, in full seconds.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			perSecond float64
			want      time.Duration
		}{{20, time.Second}, {1, time.Second}, {0.3, 4 * time.Second}} {
			l := newLimit(5, tt.perSecond)
			n, refused := takeAll(l)
			if n != 5 || refused.RetryAfter != tt.want {
				t.Fatalf("%v in a second: after %d requests %v, want %v", tt.perSecond, n, refused.RetryAfter, tt.want)
			}
			time.Sleep(refused.RetryAfter)
			if err := l.Take(); err != nil {
				t.Errorf("%v in a second: after the wait: %v", tt.perSecond, err)
			}
		}
		// Part of the wait is over.
		l := newLimit(1, 0.1)
		takeAll(l)
		time.Sleep(4 * time.Second)
		if _, refused := takeAll(l); refused.RetryAfter != 6*time.Second {
			t.Errorf("after 4 of 10 seconds: %v", refused.RetryAfter)
		}
	})
}

// TestGiveBack: a request that was given back can be taken again, but no more than that.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := Codes()
		takeAll(l)
		for range 3 {
			l.GiveBack()
		}
		if n, _ := takeAll(l); n != 3 {
			t.Errorf("%d requests after three were given back", n)
		}
		l = Codes()
		for range 10 {
			l.GiveBack()
		}
		if n, _ := takeAll(l); n != 100 {
			t.Errorf("%d requests of a bucket that was full", n)
		}
	})
}

// TestSettle: the time for which a response makes the limit leave the tenant alone.
func TestSettle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why  string
		err  error
		want time.Duration
	}{
		{"no error", nil, 0},
		{"another error", errors.New("another"), 0},
		{"too many requests", tenanterror.Error{Status: 429, Wait: 20 * time.Second}, 20 * time.Second},
		{"for no time", tenanterror.Error{Status: 429}, time.Second},
		{"for a moment", tenanterror.Error{Status: 429, Wait: time.Millisecond}, time.Second},
		{"for hours", tenanterror.Error{Status: 429, Wait: 3 * time.Hour}, time.Minute},
		{"out of order", tenanterror.Error{Status: 503, Wait: 20 * time.Second}, 20 * time.Second},
		{"out of order, the least status", tenanterror.Error{Status: 500, Wait: 20 * time.Second}, 20 * time.Second},
		{"out of order for no time", tenanterror.Error{Status: 503}, 0},
		{"a refusal", tenanterror.Error{Status: 400, Wait: 20 * time.Second}, 0},
		{"a refusal, the greatest status", tenanterror.Error{Status: 499, Wait: 20 * time.Second}, 0},
		{"inside a refusal", refusal.TenantDown.Wrap(tenanterror.Error{Status: 429, Wait: 20 * time.Second}), 20 * time.Second},
		{"inside another error", fmt.Errorf("x: %w", tenanterror.Error{Status: 429, Wait: 20 * time.Second}), 20 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := Codes()
			l.Settle(tt.err)
			err := l.Take()
			if tt.want == 0 {
				if err != nil {
					t.Errorf("%s: %v", tt.why, err)
				}
				return
			}
			said, _ := tenanterror.Of(tt.err)
			got, _ := err.(*refusal.Refusal)
			if want := map[bool]refusal.Row{true: refusal.TenantBusy, false: refusal.TenantDown}[said.Status == 429]; got == nil || got.Row != want {
				t.Errorf("%s: %v, want %v", tt.why, err, want)
			}
			if got == nil || got.Reason != "tenant_unavailable" || got.RetryAfter != tt.want || got.TenantStatus != said.Status {
				t.Fatalf("%s: %+v", tt.why, got)
			}
			time.Sleep(tt.want - time.Millisecond)
			if got, _ = l.Take().(*refusal.Refusal); got == nil || got.RetryAfter != time.Millisecond {
				t.Errorf("%s, shortly before the end: %+v", tt.why, got)
			}
			time.Sleep(time.Millisecond)
			if n, _ := takeAll(l); n != 100 {
				t.Errorf("%s, at the end: %d requests; those that were refused do not count", tt.why, n)
			}
		})
	}
}

// TestTogether counts the requests of many goroutines.
func TestTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := Codes()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 10 {
					if l.Take() == nil {
						l.GiveBack()
					}
					l.Settle(nil)
				}
			})
		}
		wg.Wait()
		if n, _ := takeAll(l); n != 100 {
			t.Errorf("%d requests", n)
		}
	})
}
