package renew

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// TestOneRequestForAll: all callers with the same wish share one request to the tenant.
// Callers with another wish, or of another session, do not.
func TestOneRequestForAll(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why      string
		wishes   []Wish
		requests int
	}{
		{"the login", []Wish{{}, {}}, 1},
		{"scopes in any order", []Wish{{Audience: otherAPI, Scopes: []string{"x", "y"}}, {Audience: otherAPI, Scopes: []string{"y", "x"}}}, 1},
		{"third party", []Wish{vault, vault}, 1},
		{"another API", []Wish{{Audience: otherAPI}, {Audience: "https://third.example/"}}, 2},
		{"other scopes", []Wish{{Audience: otherAPI, Scopes: []string{"x"}}, {Audience: otherAPI, Scopes: []string{"y"}}}, 2},
		{"another connection", []Wish{vault, {Connection: "mail"}}, 2},
		{"another account", []Wish{vault, {Connection: "photos", LoginHint: "ada"}}, 2},
	} {
		inEachMode(t, aged(0), func(e *env) {
			e.set(func() { e.delay = time.Second })
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					token, newest, err := e.tokens.Get(e.Context(), e.record, row.wishes[i%2])
					if err != nil || token.Token != "new" || newest == nil {
						e.Errorf("%s: %+v, %+v, %v", row.why, token, newest, err)
					}
				})
			}
			all.Wait()
			e.expectRequests(row.why, row.requests)
			if n := len(e.tokens.flights.under); n != 0 {
				e.Errorf("%s: %d flights are left", row.why, n)
			}
		})
	}
}

func TestTwoSessionsDoNotShare(t *testing.T) {
	t.Parallel()
	inMode(t, inCookies, aged(0), func(e *env) {
		e.set(func() { e.delay = time.Second })
		other := copyOf(e.record)
		other.ID, other.RefreshToken = "two", "refresh two"
		var all sync.WaitGroup
		for _, r := range []*session.Record{e.record, other} {
			all.Go(func() {
				if _, newest, err := e.tokens.Get(e.Context(), r, Wish{}); err != nil || newest.ID != r.ID {
					t.Errorf("%+v, %v", newest, err)
				}
			})
		}
		all.Wait()
		e.expectRequests("two sessions", 2)
	})
}

// TestCallerLeaves: a caller that leaves gets its own reason at once. The refresh continues
// without it, because a sent refresh token is used up.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	inEachMode(t, aged(0), func(e *env) {
		e.set(func() { e.delay = 5 * time.Second })
		reason := errors.New("a reason")
		ctx, leave := context.WithCancelCause(e.Context())
		time.AfterFunc(time.Second, func() { leave(reason) })
		begin := time.Now()
		if _, newest, err := e.tokens.Get(ctx, e.record, Wish{}); err != reason || newest != nil || time.Since(begin) != time.Second {
			e.Errorf("%+v, %v after %v", newest, err, time.Since(begin))
		}
		token, err := e.get(Wish{})
		e.expectToken("another caller", token, err, "new")
		if time.Since(begin) != 5*time.Second {
			e.Errorf("after %v", time.Since(begin))
		}
		e.expectRequests("another caller", 1)
	})
}

// TestCallerLeavesWithAToken: the caller gets the old token if it is good for a moment.
func TestCallerLeavesWithAToken(t *testing.T) {
	t.Parallel()
	inMode(t, inStore, aged(10*time.Second), func(e *env) {
		e.set(func() { e.delay = time.Hour })
		ctx, leave := context.WithTimeout(e.Context(), time.Second)
		defer leave()
		token, newest, err := e.tokens.Get(ctx, e.record, Wish{})
		e.expectToken("about to expire", token, err, "old")
		if newest != nil {
			e.Errorf("%+v", newest)
		}
		time.Sleep(10 * time.Second) // until the refresh has ended
	})
}

// TestHangingTenant: a caller waits for ten seconds at most.
func TestHangingTenant(t *testing.T) {
	t.Parallel()
	inEachMode(t, aged(0), func(e *env) {
		e.set(func() { e.delay = time.Hour })
		begin := time.Now()
		_, err := e.get(Wish{})
		e.expectRefusal("hangs", err, refusal.TenantDown)
		if d := time.Since(begin); d != 10*time.Second {
			e.Errorf("waited for %v", d)
		}
	})
}

// TestSlowTenant: the timeout of the program's client counts for a refresh, and for a
// revocation.
func TestSlowTenant(t *testing.T) {
	t.Parallel()
	inEachMode(t, aged(0), func(e *env) {
		e.tokens.config.Client.HTTP = fetch.NewClient(&http.Client{Transport: e.tenant, Timeout: 30 * time.Second}, fetch.Options{})
		e.set(func() { e.delay = 25 * time.Second })
		token, err := e.get(Wish{})
		e.expectToken("slow", token, err, "new")
		e.tokens.Revoke(e.Context(), "refresh")
		time.Sleep(time.Minute)
		synctest.Wait()
		if text := e.log.String(); text != "" {
			e.Error(text)
		}
	})
}

// TestHangingRevocation ends after two seconds.
func TestHangingRevocation(t *testing.T) {
	t.Parallel()
	inMode(t, inCookies, nil, func(e *env) {
		e.set(func() { e.hangs = true })
		e.tokens.Revoke(e.Context(), "refresh")
		time.Sleep(2*time.Second - 1)
		synctest.Wait()
		if text := e.log.String(); text != "" {
			e.Error(text)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		e.expectLog("hangs", "WARN", "could not be revoked")
	})
}

// TestPanic: a panic of the work must not end the process.
func TestPanic(t *testing.T) {
	t.Parallel()
	inEachMode(t, aged(0), func(e *env) {
		e.tokens.config.MFA = func(*tenanterror.MFADemand, string, string, *session.Record) any { panic("a mistake") }
		e.set(func() { e.answer = says(403, `{"error":"mfa_required","mfa_token":"m"}`, "") })
		_, err := e.get(Wish{})
		if got := e.expectRefusal("panic", err, refusal.Internal); got.Err.Error() != "panic while refreshing: a mistake" {
			e.Error(got.Err)
		}
		e.set(func() { e.answer = gives("new", nil) })
		token, err := e.get(Wish{})
		e.expectToken("again", token, err, "new")
	})
}
