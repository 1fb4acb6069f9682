package program_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
	"golang.org/x/oauth2"
)

// TestRenew: the source of the application's own tokens replaces one that is too old
// for the caller.
func TestRenew(t *testing.T) {
	t.Parallel()
	type renewer interface {
		Renew(context.Context, time.Duration) (*oauth2.Token, error)
	}
	of := func(s *auth0.Strategy) renewer {
		return s.Application().ClientCredentials(auth0.ClientCredentials{Audience: "https://" + testkit.TenantHost + "/api/v2/"}).(renewer)
	}
	testkit.InBubble(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		source := of(e.Strategy)
		for _, tt := range []struct {
			wait, age time.Duration
			requests  int // in all
		}{{0, time.Minute, 1}, {time.Minute, time.Minute, 1}, {time.Second, time.Minute, 2}, {0, 0, 3}} {
			time.Sleep(tt.wait)
			token, err := source.Renew(t.Context(), tt.age)
			if n := e.Tenant.Calls(testkit.TokenEndpoint); err != nil || token.AccessToken == "" || n != tt.requests {
				t.Errorf("%v after %v: %d requests, %v", tt.age, tt.wait, n, err)
			}
		}
		e.Tenant.Fail(testkit.TokenEndpoint, 503)
		if _, err := source.Renew(t.Context(), 0); !errors.Is(err, auth0.ErrTenantUnavailable) {
			t.Errorf("503: %v", err)
		}
	})
	if _, err := of(new(auth0.Strategy)).Renew(t.Context(), 0); err == nil {
		t.Error("a Strategy that New has not made has tokens")
	}
}

// TestDropToken: an API can reject a token before it expires, because the keys were
// revoked or a scope was added. The token is replaced when the program drops it.
// Concurrent callers with that token share one request. A token that is still good
// stays.
func TestDropToken(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	wish := auth0.ClientCredentials{Audience: testkit.Audience}
	app := e.Strategy.Application()
	get := func() *oauth2.Token { return testkit.Must(app.ClientCredentials(wish).Token()) }
	api := testkit.Must(auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, HTTPClient: e.Config.HTTPClient}))
	first := get()
	app.DropToken(wish, nil)
	app.DropToken(wish, &oauth2.Token{AccessToken: "another"})
	app.DropToken(auth0.ClientCredentials{Audience: testkit.Audience, Scopes: []string{"read:protected"}}, first)
	if get().AccessToken != first.AccessToken || e.Tenant.Calls(testkit.TokenEndpoint) != 1 {
		t.Fatal("a token was dropped that nobody has rejected")
	}
	e.Tenant.RotateKeys()
	e.Tenant.RevokeOldKeys()
	if _, err := api.Verify(t.Context(), first.AccessToken); err == nil {
		t.Fatalf("the token of a revoked key: %v", err)
	}
	for round := range 2 { // the second round is late
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				app.DropToken(wish, first)
				if token, err := app.ClientCredentials(wish).Token(); err != nil || token.AccessToken == first.AccessToken {
					t.Errorf("round %d: the token was not replaced: %v", round, err)
				}
			})
		}
		wg.Wait()
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 2 {
		t.Errorf("%d token requests, want 2", n)
	}
	if _, err := api.Verify(t.Context(), get().AccessToken); err != nil {
		t.Errorf("the new token: %v", err)
	}
	new(auth0.Application).DropToken(wish, first) // does nothing
}

// TestOwnTokenBehindSlowProxy: the timeout of the program's client counts for tokens of
// the application.
func TestOwnTokenBehindSlowProxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		timeout time.Duration
		ok      bool
	}{{0, false}, {30 * time.Second, true}} {
		testkit.InBubble(t, func(t *testing.T) {
			e := testkit.SignedIn(t, func(c *auth0.Config) { c.HTTPClient.Timeout = tt.timeout })
			e.Tenant.Delay(testkit.TokenEndpoint, 6*time.Second)
			begin := time.Now()
			_, err := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: "https://" + testkit.TenantHost + "/api/v2/"}).Token()
			if took := time.Since(begin); (err == nil) != tt.ok || took != map[bool]time.Duration{false: 5 * time.Second, true: 6 * time.Second}[tt.ok] {
				t.Errorf("timeout %v: %v after %v", tt.timeout, err, took)
			}
		})
	}
}
