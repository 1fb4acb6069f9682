package grants

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
)

// TestAppToken: the request of the client credentials grant, and its token.
func TestAppToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			audience, organization string
			scopes                 []string
			answer                 string // further members
			form                   url.Values
			scope                  string
			life                   time.Duration
		}{
			{"https://api.example/", "", nil, `"expires_in":600`, url.Values{"audience": {"https://api.example/"}}, "", 10 * time.Minute},
			{"https://api.example/", "org_1", []string{"b", "a"}, `"expires_in":600`,
				url.Values{"audience": {"https://api.example/"}, "organization": {"org_1"}, "scope": {"a b"}}, "a b", 10 * time.Minute},
			{"https://api.example/", "", []string{"a", "b"}, `"scope":"a"`,
				url.Values{"audience": {"https://api.example/"}, "scope": {"a b"}}, "a", 5 * time.Minute},
		} {
			g, s := newGrants(t, 200, `{"access_token":"access","token_type":"Bearer",`+tt.answer+`}`)
			got, err := g.AppTokens(tt.audience, tt.organization, tt.scopes).Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessToken != "access" || got.TokenType != "Bearer" || got.RefreshToken != "" ||
				!got.Expiry.Equal(time.Now().Add(tt.life)) || got.Extra("scope") != tt.scope {
				t.Errorf("%+v, scope %q", got, got.Extra("scope"))
			}
			tt.form.Set("grant_type", "client_credentials")
			tt.form.Set("client_id", "client")
			tt.form.Set("client_secret", "the-secret")
			if text := s.last().text; text != tt.form.Encode() {
				t.Errorf("%s, want %s", text, tt.form.Encode())
			}
		}
	})
}

// TestAppTokenIsShared: sources with the same parameters share a token, for any order of
// the scopes. Other sources do not.
func TestAppTokenIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGrants(t, 200, bearer)
		scopes := []string{"b", "a"}
		first := g.AppTokens("x", "y", scopes)
		for why, tokens := range map[string]AppTokens{"itself": first, "the same": g.AppTokens("x", "y", []string{"a", "b"})} {
			if _, err := tokens.Get(t.Context()); err != nil || len(s.requests) != 1 {
				t.Errorf("%s: %v, %d requests", why, err, len(s.requests))
			}
		}
		if scopes[0] != "b" {
			t.Error("the scopes of the caller have changed")
		}
		for i, tokens := range []AppTokens{
			g.AppTokens("x2", "y", scopes), g.AppTokens("x", "y2", scopes), g.AppTokens("x", "y", []string{"a"}),
			g.AppTokens("x", "y", nil), NewAppTokens(g.Client, "x"),
		} {
			if _, err := tokens.Get(t.Context()); err != nil || len(s.requests) != i+2 {
				t.Errorf("%d: %v, %d requests", i, err, len(s.requests))
			}
		}
		s.requests = nil
		var wg sync.WaitGroup
		other := g.AppTokens("z", "", nil)
		for range 20 {
			wg.Go(func() { other.Get(t.Context()) })
		}
		wg.Wait()
		s.last()
	})
}

// TestAppTokenLife: a token serves for nineteen twentieths of its life. A refresh in the
// background comes after four fifths.
func TestAppTokenLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGrants(t, 200, bearer) // 600 seconds
		tokens := g.AppTokens("x", "", nil)
		for _, tt := range []struct {
			wait     time.Duration
			requests int
		}{{0, 1}, {480*time.Second - time.Millisecond, 1}, {time.Millisecond, 2}} {
			time.Sleep(tt.wait)
			if _, err := tokens.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(s.requests) != tt.requests {
				t.Errorf("after %v: %d requests", tt.wait, len(s.requests))
			}
		}
		// The tenant is down: the second token serves until it expires.
		s.status = 503
		time.Sleep(570*time.Second - time.Millisecond)
		if _, err := tokens.Get(t.Context()); err != nil {
			t.Errorf("shortly before the end: %v", err)
		}
		synctest.Wait()
		time.Sleep(2 * time.Millisecond)
		got, err := tokens.Get(t.Context())
		if e, ok := tenanterror.Of(err); !ok || e.Status != 503 || got != nil {
			t.Errorf("after the end: %v, %v", got, err)
		}
	})
}

// TestAppTokenOutage: the next attempt comes after a second, and later ones after longer
// pauses, a minute at most.
func TestAppTokenOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGrants(t, 503, ``)
		tokens := g.AppTokens("x", "", nil)
		ask := func(d time.Duration) int {
			s.requests = nil
			for range int(d / (100 * time.Millisecond)) {
				tokens.Get(t.Context())
				time.Sleep(100 * time.Millisecond)
			}
			return len(s.requests)
		}
		if n := ask(500 * time.Millisecond); n != 1 {
			t.Errorf("%d requests at once", n)
		}
		if n := ask(3 * time.Second); n == 0 {
			t.Error("no request after a second")
		}
		ask(10 * time.Minute)
		if n := ask(10 * time.Minute); n < 9 || n > 11 {
			t.Errorf("%d requests in ten minutes", n)
		}
	})
}

// TestAppTokenRenew replaces a token that is older than age.
func TestAppTokenRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGrants(t, 200, bearer)
		tokens := NewAppTokens(g.Client, "https://tenant.example/api/v2/")
		for _, tt := range []struct {
			wait, age time.Duration
			requests  int
		}{{0, time.Minute, 1}, {30 * time.Second, time.Minute, 1}, {31 * time.Second, time.Minute, 2}, {0, 0, 3}} {
			time.Sleep(tt.wait)
			got, err := tokens.Renew(t.Context(), tt.age)
			if err != nil || got.AccessToken != "access" || len(s.requests) != tt.requests {
				t.Errorf("%+v: %v, %v, %d requests", tt, got, err, len(s.requests))
			}
		}
		if text := s.requests[0].text; !strings.Contains(text, "audience=https%3A%2F%2Ftenant.example%2Fapi%2Fv2%2F&") ||
			strings.Contains(text, "scope") || strings.Contains(text, "organization") {
			t.Error(text)
		}
		s.status, s.body = 403, `{"error":"access_denied"}`
		got, err := tokens.Renew(t.Context(), 0)
		if e, ok := err.(tenanterror.Error); !ok || e.Code != "access_denied" || got != nil {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// TestAppTokenDrop: a token that an API has rejected is dropped for all equal sources. A
// later token is not.
func TestAppTokenDrop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGrants(t, 200, bearer)
		get := func(want string, requests int) {
			t.Helper()
			got, err := g.AppTokens("x", "", []string{"b", "a"}).Get(t.Context())
			if err != nil || got.AccessToken != want || len(s.requests) != requests {
				t.Errorf("%v, %v, %d requests", got, err, len(s.requests))
			}
		}
		equal := g.AppTokens("x", "", []string{"a", "b"})
		equal.Drop("access") // nothing is there
		get("access", 1)
		equal.Drop("another")
		g.AppTokens("y", "", nil).Drop("access")
		get("access", 1)
		equal.Drop("access")
		s.body = `{"access_token":"next","token_type":"Bearer","expires_in":600}`
		get("next", 2)
		equal.Drop("access")
		get("next", 2)
	})
}

// TestAppTokenErrors: answers without a token, and an application that cannot authenticate.
func TestAppTokenErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGrants(t, 200, `{"access_token":"a","token_type":"N_A"}`)
		got, err := g.AppTokens("x", "", nil).Get(t.Context())
		checkRefused(t, "N_A", err, refusal.TenantAnswer, `token_type is "N_A", not Bearer`)
		if got != nil {
			t.Errorf("%v", got)
		}
		g, s := newGrants(t, 200, bearer)
		g.Client.Auth = clientauth.Method{Name: clientauth.PublicClient}
		_, err = g.AppTokens("x", "", nil).Get(t.Context())
		checkRefused(t, "a public client", err, refusal.Misconfigured, "a public client gets no token for itself")
		if len(s.requests) > 0 {
			t.Errorf("%d requests", len(s.requests))
		}
	})
}

// TestAppTokenBound: the cache holds a thousand tokens, and evicts the least recently used.
func TestAppTokenBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, s := newGrants(t, 200, bearer)
		get := func(n int) {
			t.Helper()
			if _, err := g.AppTokens(fmt.Sprint(n), "", nil).Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 1000 {
			get(n)
		}
		get(0)
		if len(s.requests) != 1000 {
			t.Fatalf("%d requests", len(s.requests))
		}
		get(1000)
		get(0)
		if len(s.requests) != 1001 {
			t.Errorf("%d requests", len(s.requests))
		}
		get(1)
		if len(s.requests) != 1002 {
			t.Errorf("the token that was used longest ago is still there")
		}
	})
}

// TestAppTokenDoesNotPrint: the cache holds tokens.
func TestAppTokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGrants(t, 200, `{"access_token":"CANARY-0123456789","token_type":"Bearer"}`)
		tokens := g.AppTokens("x", "", nil)
		if _, err := tokens.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		state := tokens.find().State()
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			if text := fmt.Sprintf(verb, state); strings.Contains(text, "CANARY-0123456789") {
				t.Errorf("%s: %s", verb, text)
			}
		}
	})
}
