package auth0_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// Limits of the work of a Strategy for one request, for any input. They are counts, so a
// slow machine passes too.
const (
	maxCookieReads = 1
	maxSealsTried  = 20
	maxCookieLines = 8 + 4 // deletions, and a session of up to four parts or a login
	maxAllocations = 700
	maxLogged      = 8 << 10
)

// manyCookies are headers that are cheap to send: in HTTP/2, a repeated cookie is one
// byte.
func manyCookies(t testing.TB) map[string]string {
	session := testkit.SignedIn(t).Browser().MustLogin().Cookies[testkit.SessionCookie]
	repeat := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+"; ", i)
		}
		return b.String()
	}
	return map[string]string{
		"none":                                  "",
		"60 transactions":                       repeat(60, "__Host-auth0_txn_%016d=v3.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
		"2,990 transactions":                    repeat(2990, "__Host-auth0_txn_%016d=x"),
		"2,990 of which 64 differ":              strings.Repeat(repeat(64, "__Host-auth0_txn_%016d=x"), 47),
		"2,990 sessions":                        strings.Repeat(testkit.SessionCookie+"="+session[:200]+"; ", 2990),
		"50 sessions":                           strings.Repeat(testkit.SessionCookie+"="+session+"; ", 50),
		"2,990 parts":                           repeat(2990, testkit.SessionCookie+".%d=2:x"),
		"60 parts that are all the first":       strings.Repeat(testkit.SessionCookie+".0=2:x; "+testkit.SessionCookie+".1=y; ", 30),
		"2,990 counters":                        strings.Repeat(testkit.SessionCookie+"_tries=v3.AAAA; ", 2990),
		"2,990 others":                          repeat(2990, "other%d=x"),
		"100 KB of semicolons":                  strings.Repeat(";", 100_000),
		"100 KB in one value":                   testkit.SessionCookie + "=v3." + strings.Repeat("A", 100_000),
		"a real session among 2,000 of the app": testkit.SessionCookie + "=" + session + "; " + repeat(2000, "other%d=x"),
	}
}

// TestCostOfARequest sends expensive requests to every route and guard.
func TestCostOfARequest(t *testing.T) {
	headers := manyCookies(t)
	for _, m := range []testkit.Mode{{Name: "in cookies", Edit: testkit.InCookies}, {Name: "in a store", Edit: testkit.InStore}, {Name: "revocable", Edit: testkit.Revocable}} {
		e := testkit.SignedIn(t, m.Edit)
		work := auth0.CountWork(e.Strategy)
		e.Mux.Handle("/silent", e.Strategy.TrySilentLogin(http.NotFoundHandler()))
		e.Mux.Handle("/session", e.Strategy.RequireSession(http.NotFoundHandler()))
		e.Mux.HandleFunc("/handler", func(w http.ResponseWriter, r *http.Request) {
			e.Strategy.Session(r)
			e.Strategy.AccessToken(w, r)
			e.Strategy.EndSession(w, r)
		})
		for _, alone := range []bool{false, true} {
			app := e.App
			if alone {
				app = e.Mux // without LoadUser
			}
			for _, target := range []string{"/", "/private", "/silent", "/session", "/handler", "/auth/login", "/auth/logout", "/auth/callback?state=x&code=y", "/auth/callback?state=x&error=access_denied"} {
				for name, header := range headers {
					request := func() (*http.Request, *httptest.ResponseRecorder) {
						r := httptest.NewRequest("GET", target, nil)
						r.Host = "app.example"
						if header != "" {
							r.Header.Set("Cookie", header)
						}
						r.Header.Set("Sec-Fetch-Mode", "navigate")
						r.Header.Set("Sec-Fetch-Site", "same-origin")
						return r, httptest.NewRecorder()
					}
					r, w := request()
					work.Reset()
					app.ServeHTTP(w, r)
					where := fmt.Sprintf("%s, %s, LoadUser %v, %s", m.Name, target, !alone, name)
					reads := int64(maxCookieReads)
					if alone && target == "/handler" {
						reads = 3 * 2 // each call of the application reads the cookies again
					}
					if n := work.CookieReads.Load(); n > reads {
						t.Errorf("%s: the cookies are read %d times", where, n)
					}
					if n := work.Seals.Load(); n > maxSealsTried {
						t.Errorf("%s: %d seals", where, n)
					}
					if n := len(w.Header()["Set-Cookie"]); n > maxCookieLines {
						t.Errorf("%s: %d Set-Cookie lines", where, n)
					}
					if w.Code >= 500 {
						t.Errorf("%s: status %d", where, w.Code)
					}
					n := testing.AllocsPerRun(1, func() {
						r, w := request()
						app.ServeHTTP(w, r)
					})
					if n > maxAllocations {
						t.Errorf("%s: %.0f allocations", where, n)
					}
				}
			}
		}
	}
}

// TestOldLoginsMakeRoom: a new login deletes the oldest abandoned logins, a few at a
// time. Logins of another application stay.
func TestOldLoginsMakeRoom(t *testing.T) {
	e := testkit.SignedIn(t)
	b := e.Browser()
	// A restored window with many tabs: all logins begin before the browser has a cookie.
	all := map[string]string{}
	for range 20 {
		tab := e.Browser()
		tab.Begin("/auth/login")
		for name, value := range tab.Cookies {
			all[name] = value
		}
	}
	b.Cookies = all
	foreign := "__Host-auth0_txn_AAAAAAAAAAAAAAAA"
	b.Cookies[foreign] = "v3.of-another-application"
	for range 12 {
		resp := b.Page("/auth/login")
		if n := len(resp.Header.Values("Set-Cookie")); n > 1+8 {
			t.Fatalf("%d Set-Cookie lines", n)
		}
	}
	if n := len(b.Transactions()); n > 4+1 || b.Cookies[foreign] == "" {
		t.Errorf("%d logins in progress; the cookie of the other application is still there: %v", n, b.Cookies[foreign] != "")
	}
}

// A counter counts outgoing requests.
type counter struct {
	next http.RoundTripper
	n    atomic.Int64
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(r)
}

// FuzzCost sends any input to every route and guard, and counts the work: cookie reads,
// seals tried, requests to the tenant, bytes of log, and allocations. No count grows
// faster than the request.
func FuzzCost(f *testing.F) {
	sent := &counter{}
	e := testkit.SignedIn(f, func(c *auth0.Config) {
		c.AcceptOrganizationLinks, c.LogoutEndpoint, c.Store = true, "v2", auth0.NewMemoryStore(1000)
		sent.next, c.HTTPClient = c.HTTPClient.Transport, &http.Client{Transport: sent}
	})
	work := auth0.CountWork(e.Strategy)
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, HTTPClient: e.Config.HTTPClient, Logger: e.Config.Logger})
	if err != nil {
		f.Fatal(err)
	}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	e.Mux.Handle("/api", api.RequireAuth(ok))
	e.Mux.Handle("/either", api.RequireTokenOrSession(e.Strategy)(ok))
	e.Mux.Handle("/silent", e.Strategy.TrySilentLogin(ok))
	targets := []string{"/", "/private", "/silent", "/api", "/either", "/auth/login", "/auth/callback", "/auth/logout", "/auth/backchannel-logout"}
	cookies := manyCookies(f)
	names := slices.Sorted(maps.Keys(cookies))
	token := testkit.Segment(`{"alg":"RS256","kid":"x"}`) + "." + testkit.Segment(`{"iss":"https://`+testkit.TenantHost+`/"}`) + ".AAAA"
	for i := range targets {
		for _, name := range names {
			f.Add(uint8(i), "GET", "state=x&code=y", cookies[name], "", "")
		}
		f.Add(uint8(i), "POST", "", "", "Bearer "+token, "logout_token="+token)
		f.Add(uint8(i), "OPTIONS", strings.Repeat("a=b&", 5000), "", "Bearer "+strings.Repeat("A.", 4000), strings.Repeat("a=b&", 5000))
	}
	f.Fuzz(func(t *testing.T, target uint8, method, query, cookie, authorization, body string) {
		path := targets[int(target)%len(targets)]
		serve := func() *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", path, strings.NewReader(body))
			r.Method, r.Host, r.URL.RawQuery = method, "app.example", query
			r.Header.Set("Cookie", cookie)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			w := httptest.NewRecorder()
			e.App.ServeHTTP(w, r)
			return w
		}
		work.Reset()
		requests := sent.n.Load()
		e.Log.Reset()
		w := serve()
		if n := len(e.Log.String()); n > maxLogged {
			t.Errorf("%s: %d bytes of log", path, n)
		}
		if n := work.CookieReads.Load(); n > maxCookieReads {
			t.Errorf("%s: the cookies are read %d times", path, n)
		}
		if n := work.Seals.Load(); n > maxSealsTried {
			t.Errorf("%s: %d seals", path, n)
		}
		if n := sent.n.Load() - requests; n > 2 {
			t.Errorf("%s: %d requests to the tenant", path, n)
		}
		if n := len(w.Header()["Set-Cookie"]); n > maxCookieLines {
			t.Errorf("%s: %d Set-Cookie lines", path, n)
		}
		size := len(method) + len(query) + len(cookie) + len(authorization) + len(body)
		if n := int(testing.AllocsPerRun(1, func() { serve() })); n > maxAllocations+size/8 {
			t.Errorf("%s: %d allocations for a request of %d bytes", path, n, size)
		}
	})
}
