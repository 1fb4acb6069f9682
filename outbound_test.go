package auth0_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// TestStrangersCauseFewRequests: what anybody can ask an application for causes a
// bounded number of requests to the tenant, however often it is asked for.
func TestStrangersCauseFewRequests(t *testing.T) {
	const asked = 1000
	pushed := func(c *auth0.Config) { c.PushedAuthorizationRequests = true }
	provider := func(c *auth0.Config) { c.Domain = "https://" + tenantHost }
	login := func(e *env, i int) { e.browser().page("/auth/login") }
	for _, tt := range []struct {
		name     string
		edit     func(*auth0.Config)
		prepare  func(*env)
		request  func(*env, int)
		endpoint emulator.Endpoint
		most     int
	}{
		{"logins with pushed requests", pushed, nil, login, emulator.PAR, 100},
		{"logins with pushed requests, when the tenant has had enough", pushed, func(e *env) { e.tenant.Fail(emulator.PAR, 429) }, login, emulator.PAR, 1},
		{"logins with pushed requests, during an outage", pushed, func(e *env) { e.tenant.Fail(emulator.PAR, 503) }, login, emulator.PAR, 100},
		{"pages that begin a login", pushed, nil, func(e *env, i int) { e.browser().page("/private") }, emulator.PAR, 100},
		{"silent logins", pushed, func(e *env) {
			e.mux.Handle("GET /public", e.strategy.TrySilentLogin(http.NotFoundHandler()))
		}, func(e *env, i int) { e.browser().page("/public") }, emulator.PAR, 100},
		{"logins while the provider does not answer", provider, func(e *env) { e.tenant.Fail(emulator.Discovery, 503) }, login, emulator.Discovery, 1},
		{"logouts while the provider does not answer", provider, func(e *env) { e.tenant.Fail(emulator.Discovery, 503) }, func(e *env, i int) {
			e.browser().do("POST", "/auth/logout", url.Values{}, "Origin", appBase)
		}, emulator.Discovery, 1},
		{"logouts without a session", nil, nil, func(e *env, i int) {
			e.browser().do("POST", "/auth/logout", url.Values{}, "Origin", appBase)
		}, emulator.Revoke, 0},
		{"callbacks without a login", nil, nil, func(e *env, i int) {
			e.browser().page("/auth/callback?state=x&code=" + strconv.Itoa(i))
		}, emulator.Token, 0},
		{"callbacks with made-up codes", nil, nil, func(e *env, i int) {
			b := e.browser()
			state := b.begin("/auth/login").Query().Get("state")
			b.page("/auth/callback?state=" + state + "&code=" + strconv.Itoa(i))
		}, emulator.Token, 100},
		{"callbacks with made-up codes, when the tenant has had enough", nil, func(e *env) { e.tenant.Fail(emulator.Token, 429) }, func(e *env, i int) {
			b := e.browser()
			state := b.begin("/auth/login").Query().Get("state")
			b.page("/auth/callback?state=" + state + "&code=" + strconv.Itoa(i))
		}, emulator.Token, 1},
		{"connections while the tenant refuses", nil, func(e *env) { e.tenant.Fail(emulator.Management, 503) }, func(e *env, i int) {
			e.strategy.GetConnections(e.t.(*testing.T).Context())
		}, emulator.Management, 1},
		{"connections of organizations that do not exist", nil, nil, func(e *env, i int) {
			e.strategy.GetConnections(e.t.(*testing.T).Context(), auth0.WithOrganization(fmt.Sprintf("org_%016d", i)))
		}, emulator.Management, 50 * 3},
		{"connections of organizations, when the tenant has had enough", nil, func(e *env) { e.tenant.Fail(emulator.Management, 429) }, func(e *env, i int) {
			e.strategy.GetConnections(e.t.(*testing.T).Context(), auth0.WithOrganization(fmt.Sprintf("org_%016d", i)))
		}, emulator.Management, 3},
		{"links to connections of organizations", func(c *auth0.Config) { c.Organizations = true }, nil, func(e *env, i int) {
			e.browser().page(fmt.Sprintf("/auth/login?connection=x&organization=org_%016d", i))
		}, emulator.Management, 0},
		{"back-channel logouts with made-up keys", func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) }, nil, func(e *env, i int) {
			now := time.Now().Unix()
			e.browser().do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {e.tenant.LogoutToken(testClientID, "ada@acme.example", "", func(h, c map[string]any) {
				h["kid"], c["iat"], c["exp"] = fmt.Sprint("k", i), now, now+60
			})}})
		}, emulator.JWKS, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tt.edit == nil {
					tt.edit = func(*auth0.Config) {}
				}
				e := newEnv(t, tt.edit)
				e.tenant.AllowPushedRequests(true)
				if tt.prepare != nil {
					tt.prepare(e)
				}
				for i := range asked {
					tt.request(e, i)
				}
				synctest.Wait()
				if n := e.tenant.Calls(tt.endpoint); n > tt.most {
					t.Errorf("%d requests for %d, want %d at most", n, asked, tt.most)
				}
			})
		})
	}
}

// TestHeldBackLogin: whoever meets the bound is told when to come back, and then
// the login works. The bound of a bucket refills.
func TestHeldBackLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
		e.tenant.AllowPushedRequests(true)
		e.tenant.Fail(emulator.PAR, 429)
		first := e.browser().page("/auth/login")
		e.tenant.Fail(emulator.PAR, 0)
		held := e.browser().page("/auth/login")
		wait, err := strconv.Atoi(held.header.Get("Retry-After"))
		if first.header.Get("Retry-After") == "" || held.status != 503 || err != nil || wait < 1 || wait > 60 || len(held.setCookies(t)) > 0 {
			t.Fatalf("first %d %v; then %d %v", first.status, first.header, held.status, held.header)
		}
		if _, _, err := e.strategy.AuthCodeURL(t.Context()); !errors.Is(err, auth0.ErrTenantUnavailable) {
			t.Errorf("AuthCodeURL: %v", err)
		}
		time.Sleep(time.Duration(wait) * time.Second)
		e.browser().mustLogin()

		for range 150 {
			held = e.browser().page("/auth/login")
		}
		if held.status != 503 || held.header.Get("Retry-After") != "1" {
			t.Fatalf("%d, Retry-After %q", held.status, held.header.Get("Retry-After"))
		}
		before := e.tenant.Calls(emulator.PAR)
		time.Sleep(time.Second)
		for range 150 {
			e.browser().page("/auth/login")
		}
		if n := e.tenant.Calls(emulator.PAR) - before; n != 20 {
			t.Errorf("%d requests after a second, want 20", n)
		}
	})
}

// TestHoldIsBounded: a tenant cannot keep everybody out for a day with one header,
// and one that has had enough and does not say how long is left alone for a second.
func TestHoldIsBounded(t *testing.T) {
	for _, tt := range []struct {
		status       int
		header, want string
	}{{429, "86400", "60"}, {429, "", "1"}, {429, "7", "7"}, {503, "7", "7"}, {503, "", ""}} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
			e.tenant.AllowPushedRequests(true)
			e.tenant.Replace(emulator.PAR, func(w http.ResponseWriter, r *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
			})
			e.browser().page("/auth/login")
			if got := e.browser().page("/auth/login").header.Get("Retry-After"); got != tt.want {
				t.Errorf("%d with Retry-After %q became %q, want %q", tt.status, tt.header, got, tt.want)
			}
			if n := e.tenant.Calls(emulator.PAR); (n == 1) != (tt.want != "") {
				t.Errorf("%d with Retry-After %q: %d requests", tt.status, tt.header, n)
			}
		})
	}
}

// TestGoodLoginsAreNotBounded: a site with many logins, and no strangers, never
// meets the bound of refused codes.
func TestGoodLoginsAreNotBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		for range 150 {
			e.browser().mustLogin()
		}
	})
}

// TestMadeUpCodesKeepTheTransaction: a person who comes back from the tenant while
// codes are held back has not lost the login.
func TestMadeUpCodesKeepTheTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		person := e.browser()
		answer := person.atTenant(person.begin("/auth/login"))
		for i := range 150 {
			b := e.browser()
			b.page("/auth/callback?state=" + b.begin("/auth/login").Query().Get("state") + "&code=" + strconv.Itoa(i))
		}
		if resp := person.callback(answer); resp.status != 503 || resp.header.Get("Retry-After") == "" || len(person.transactions()) != 1 {
			t.Fatalf("%d %v; %d transactions", resp.status, resp.header, len(person.transactions()))
		}
		time.Sleep(time.Second)
		if resp := person.callback(answer); resp.status != http.StatusSeeOther || !person.loggedIn() {
			t.Errorf("%d %s", resp.status, resp.body)
		}
	})
}

// TestUnknownOrganizationIsHeldBack: the error says when to come back, and is not
// one of what the application is allowed.
func TestUnknownOrganizationIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		var err error
		for i := range 60 {
			_, err = e.strategy.GetConnections(t.Context(), auth0.WithOrganization(fmt.Sprintf("org_%016d", i)))
		}
		got, _ := errors.AsType[*auth0.Error](err)
		if got == nil || got.Reason != "connections_unavailable" || got.RetryAfter <= 0 || strings.Contains(err.Error(), "read:connections") {
			t.Errorf("%v", err)
		}
	})
}
