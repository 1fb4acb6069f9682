package web_test

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
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestStrangersCauseFewRequests: each request that a stranger can cause leads to a
// bounded number of requests to the tenant, however often it is repeated.
func TestStrangersCauseFewRequests(t *testing.T) {
	t.Parallel()
	const asked = 400 // more than any bound
	pushed := func(c *auth0.Config) { c.PushedAuthorizationRequests = true }
	provider := func(c *auth0.Config) { c.Domain = "https://" + testkit.TenantHost }
	login := func(e *testkit.Env, i int) { e.Browser().Page("/auth/login") }
	for _, tt := range []struct {
		name     string
		edit     func(*auth0.Config)
		prepare  func(*testkit.Env)
		request  func(*testkit.Env, int)
		endpoint testkit.Endpoint
		most     int
	}{
		{"logins with pushed requests", pushed, nil, login, testkit.PAREndpoint, 100},
		{"logins with pushed requests, when the tenant has had enough", pushed, func(e *testkit.Env) { e.Tenant.Fail(testkit.PAREndpoint, 429) }, login, testkit.PAREndpoint, 1},
		{"logins with pushed requests, during an outage", pushed, func(e *testkit.Env) { e.Tenant.Fail(testkit.PAREndpoint, 503) }, login, testkit.PAREndpoint, 100},
		{"pages that begin a login", pushed, nil, func(e *testkit.Env, i int) { e.Browser().Page("/private") }, testkit.PAREndpoint, 100},
		{"silent logins", pushed, func(e *testkit.Env) {
			e.Mux.Handle("GET /public", e.Strategy.TrySilentLogin(http.NotFoundHandler()))
		}, func(e *testkit.Env, i int) { e.Browser().Page("/public") }, testkit.PAREndpoint, 100},
		{"logins while the provider does not answer", provider, func(e *testkit.Env) { e.Tenant.Fail(testkit.DiscoveryEndpoint, 503) }, login, testkit.DiscoveryEndpoint, 1},
		{"logouts while the provider does not answer", provider, func(e *testkit.Env) { e.Tenant.Fail(testkit.DiscoveryEndpoint, 503) }, func(e *testkit.Env, i int) {
			e.Browser().Do("POST", "/auth/logout", url.Values{}, "Origin", testkit.AppURL)
		}, testkit.DiscoveryEndpoint, 1},
		{"logouts without a session", nil, nil, func(e *testkit.Env, i int) {
			e.Browser().Do("POST", "/auth/logout", url.Values{}, "Origin", testkit.AppURL)
		}, testkit.RevokeEndpoint, 0},
		{"callbacks without a login", nil, nil, func(e *testkit.Env, i int) {
			e.Browser().Page("/auth/callback?state=x&code=" + strconv.Itoa(i))
		}, testkit.TokenEndpoint, 0},
		{"callbacks with made-up codes", nil, nil, func(e *testkit.Env, i int) {
			b := e.Browser()
			state := b.Begin("/auth/login").Query().Get("state")
			b.Page("/auth/callback?state=" + state + "&code=" + strconv.Itoa(i))
		}, testkit.TokenEndpoint, 100},
		{"callbacks with made-up codes, when the tenant has had enough", nil, func(e *testkit.Env) { e.Tenant.Fail(testkit.TokenEndpoint, 429) }, func(e *testkit.Env, i int) {
			b := e.Browser()
			state := b.Begin("/auth/login").Query().Get("state")
			b.Page("/auth/callback?state=" + state + "&code=" + strconv.Itoa(i))
		}, testkit.TokenEndpoint, 1},
		{"connections while the tenant refuses", nil, func(e *testkit.Env) { e.Tenant.Fail(testkit.ManagementEndpoint, 503) }, func(e *testkit.Env, i int) {
			e.Strategy.GetConnections(e.T.(*testing.T).Context())
		}, testkit.ManagementEndpoint, 1},
		{"connections of organizations that do not exist", nil, nil, func(e *testkit.Env, i int) {
			e.Strategy.GetConnections(e.T.(*testing.T).Context(), auth0.WithOrganization(fmt.Sprintf("org_%016d", i)))
		}, testkit.ManagementEndpoint, 50 * 3},
		{"connections of organizations, when the tenant has had enough", nil, func(e *testkit.Env) { e.Tenant.Fail(testkit.ManagementEndpoint, 429) }, func(e *testkit.Env, i int) {
			e.Strategy.GetConnections(e.T.(*testing.T).Context(), auth0.WithOrganization(fmt.Sprintf("org_%016d", i)))
		}, testkit.ManagementEndpoint, 3},
		{"links to connections of organizations", func(c *auth0.Config) { c.AcceptOrganizationLinks = true }, nil, func(e *testkit.Env, i int) {
			e.Browser().Page(fmt.Sprintf("/auth/login?connection=x&organization=org_%016d", i))
		}, testkit.ManagementEndpoint, 0},
		{"back-channel logouts with made-up keys", func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) }, nil, func(e *testkit.Env, i int) {
			header := testkit.GoodHeader.Set("typ", `"logout+jwt"`).Set("kid", strconv.Quote(fmt.Sprint("k", i)))
			now := strconv.FormatInt(time.Now().Unix(), 10)
			claims := testkit.Object{
				{"iss", strconv.Quote("https://" + testkit.TenantHost + "/")}, {"aud", strconv.Quote(testkit.ClientID)}, {"sub", `"auth0|u"`}, {"jti", strconv.Quote(now)},
				{"iat", now}, {"exp", strconv.FormatInt(time.Now().Unix()+60, 10)}, {"events", `{"` + testkit.LogoutEvent + `":{}}`},
			}
			e.EndByToken(testkit.Compact(header.String(), claims.String(), testkit.Constant(make([]byte, 256))))
		}, testkit.JWKSEndpoint, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tt.edit == nil {
					tt.edit = func(*auth0.Config) {}
				}
				e := testkit.SignedIn(t, tt.edit)
				e.Tenant.AllowPushedRequests(true)
				if tt.prepare != nil {
					tt.prepare(e)
				}
				for i := range asked {
					tt.request(e, i)
				}
				synctest.Wait()
				if n := e.Tenant.Calls(tt.endpoint); n > tt.most {
					t.Errorf("%d requests for %d, want %d at most", n, asked, tt.most)
				}
			})
		})
	}
}

// TestHeldBackLogin: a visitor who meets the bound reads when to come back, and
// then the login works. The bound of a bucket refills.
func TestHeldBackLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
		e.Tenant.AllowPushedRequests(true)
		e.Tenant.Fail(testkit.PAREndpoint, 429)
		first := e.Browser().Page("/auth/login")
		e.Tenant.Fail(testkit.PAREndpoint, 0)
		held := e.Browser().Page("/auth/login")
		wait, err := strconv.Atoi(held.Header.Get("Retry-After"))
		if first.Header.Get("Retry-After") == "" || held.Status != 503 || err != nil || wait < 1 || wait > 60 || len(held.SetCookies(t)) > 0 {
			t.Fatalf("first %d %v; then %d %v", first.Status, first.Header, held.Status, held.Header)
		}
		if _, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL); !errors.Is(err, auth0.ErrTenantUnavailable) {
			t.Errorf("AuthCodeURL: %v", err)
		}
		time.Sleep(time.Duration(wait) * time.Second)
		e.Browser().MustLogin()

		for range 150 {
			held = e.Browser().Page("/auth/login")
		}
		if held.Status != 503 || held.Header.Get("Retry-After") != "1" {
			t.Fatalf("%d, Retry-After %q", held.Status, held.Header.Get("Retry-After"))
		}
		before := e.Tenant.Calls(testkit.PAREndpoint)
		time.Sleep(time.Second)
		for range 150 {
			e.Browser().Page("/auth/login")
		}
		if n := e.Tenant.Calls(testkit.PAREndpoint) - before; n != 20 {
			t.Errorf("%d requests after a second, want 20", n)
		}
	})
}

// TestHoldIsBounded: a tenant cannot stop all logins for a day with one header. After
// a 429 without a time, the application waits a second. An outage without a time is
// tried again at once; only visitors are asked to wait.
func TestHoldIsBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status       int
		header, want string
	}{{429, "86400", "60"}, {429, "", "1"}, {429, "7", "7"}, {503, "7", "7"}, {503, "", "5"}} {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t, func(c *auth0.Config) { c.PushedAuthorizationRequests = true })
			e.Tenant.AllowPushedRequests(true)
			e.Tenant.Replace(testkit.PAREndpoint, func(w http.ResponseWriter, r *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
			})
			e.Browser().Page("/auth/login")
			if got := e.Browser().Page("/auth/login").Header.Get("Retry-After"); got != tt.want {
				t.Errorf("%d with Retry-After %q became %q, want %q", tt.status, tt.header, got, tt.want)
			}
			if n := e.Tenant.Calls(testkit.PAREndpoint); (n == 1) != (tt.want != "5") {
				t.Errorf("%d with Retry-After %q: %d requests", tt.status, tt.header, n)
			}
		})
	}
}

// TestGoodLoginsAreNotBounded: a site with many logins, and no strangers, never
// meets the bound of rejected codes.
func TestGoodLoginsAreNotBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, testkit.CheapTokens)
		for range 150 {
			e.Browser().MustLogin()
		}
	})
}

// TestMadeUpCodesKeepTheTransaction: a user who comes back from the tenant while
// codes are held back has not lost the login.
func TestMadeUpCodesKeepTheTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		person := e.Browser()
		answer := person.AtTenant(person.Begin("/auth/login"))
		for i := range 150 {
			b := e.Browser()
			b.Page("/auth/callback?state=" + b.Begin("/auth/login").Query().Get("state") + "&code=" + strconv.Itoa(i))
		}
		if resp := person.Callback(answer); resp.Status != 503 || resp.Header.Get("Retry-After") == "" || len(person.Transactions()) != 1 {
			t.Fatalf("%d %v; %d transactions", resp.Status, resp.Header, len(person.Transactions()))
		}
		time.Sleep(time.Second)
		if resp := person.Callback(answer); resp.Status != http.StatusSeeOther || !person.LoggedIn() {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
	})
}

// TestUnknownOrganizationIsHeldBack: the error says when to come back, and
// names no missing scope.
func TestUnknownOrganizationIsHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		var err error
		for i := range 60 {
			_, err = e.Strategy.GetConnections(t.Context(), auth0.WithOrganization(fmt.Sprintf("org_%016d", i)))
		}
		got, _ := errors.AsType[*auth0.Error](err)
		if got == nil || got.Reason != "connections_unavailable" || got.RetryAfter <= 0 || strings.Contains(err.Error(), "read:connections") {
			t.Errorf("%v", err)
		}
	})
}
