package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestScriptsAtTheLoginRoute: a script cannot follow the redirect to the tenant. It gets
// an answer that leads its user to the login. It gets no transaction, so it cannot push
// out that of a user.
func TestScriptsAtTheLoginRoute(t *testing.T) {
	t.Parallel()
	fetch := []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}
	const query = "?returnTo=%2Fprivate"
	clock := testkit.NewClock()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Now = clock.Now })
	e.Mux.Handle("GET /own-login", e.Strategy.LoginHandler(auth0.WithPrompt("login")))
	e.Mux.Handle("POST /own-login", e.Strategy.LoginHandler(auth0.WithPrompt("login")))
	b := e.Browser()
	begun := b.Begin("/auth/login")
	for _, tt := range []struct {
		why, method, path string
		header            []string
		redirect, kind    string // HX-Redirect and Content-Type
	}{
		{"fetch", "GET", "/auth/login", append([]string{"Accept", "*/*"}, fetch...), "", "application/json"},
		{"fetch that accepts HTML", "GET", "/auth/login", append([]string{"Accept", "text/html"}, fetch...), "", "application/json"},
		{"posted by fetch", "POST", "/auth/login", append([]string{"Accept", "*/*"}, fetch...), "", "application/json"},
		{"image", "GET", "/auth/login", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, "", "application/json"},
		{"axios in an old browser", "GET", "/auth/login", []string{"Accept", "application/json, text/plain, */*"}, "", "application/json"},
		{"XMLHttpRequest in an old browser", "GET", "/auth/login", []string{"Accept", "*/*", "X-Requested-With", "XMLHttpRequest"}, "", "application/json"},
		{"htmx", "GET", "/auth/login", append([]string{"HX-Request", "true"}, fetch...), "/auth/login" + query, "application/json"},
		{"htmx, form", "POST", "/auth/login", append([]string{"HX-Request", "true"}, fetch...), "/auth/login" + query, "application/json"},
		{"htmx, route with options", "GET", "/own-login", append([]string{"HX-Request", "true"}, fetch...), "/own-login" + query, "application/json"},
		{"visit of Turbo", "GET", "/auth/login", append([]string{"X-Turbo-Request-Id", "1", "Accept", "text/html, application/xhtml+xml"}, fetch...), "", "application/json"},
		{"frame of Turbo", "GET", "/auth/login", append([]string{"Turbo-Frame", "a", "Accept", "text/html, application/xhtml+xml"}, fetch...), "", "text/html; charset=utf-8"},
		{"form of Turbo", "POST", "/auth/login", append([]string{"Accept", "text/vnd.turbo-stream.html, text/html"}, fetch...), "", "text/vnd.turbo-stream.html; charset=utf-8"},
	} {
		clock.Add(1)
		path, form := tt.path+query, url.Values(nil)
		if tt.method == "POST" {
			path, form = tt.path, url.Values{"returnTo": {"/private"}}
		}
		resp := b.Do(tt.method, path, form, tt.header...)
		h := resp.Header
		if resp.Status != http.StatusUnauthorized || h.Get("HX-Redirect") != tt.redirect || h.Get("Content-Type") != tt.kind || h.Get("Location") != "" || len(h.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %v %s", tt.why, resp.Status, h, resp.Body)
		}
		if tt.redirect != "" {
			if to := e.Browser().Login(tt.redirect).Header.Get("Location"); to != "/private" {
				t.Errorf("%s: the login ends at %q", tt.why, to)
			}
		}
	}
	if resp := b.Callback(b.AtTenant(begun)); resp.Status != http.StatusSeeOther || !b.LoggedIn() {
		t.Errorf("the login of a person was pushed out: %d", resp.Status)
	}
	// A user with a session is redirected as before, because the target is on this
	// site.
	if resp := b.Do("GET", "/auth/login"+query, nil, fetch...); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" {
		t.Errorf("logged in: %d to %q", resp.Status, resp.Header.Get("Location"))
	}
	// Users of any browser, programs without these headers, and frames can log in.
	for why, header := range map[string][]string{
		"old browser": {"Accept", "text/html"}, "nothing said": nil, "curl": {"Accept", "*/*"},
		"frame": {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"},
	} {
		if resp := e.Browser().Do("GET", "/auth/login", nil, header...); resp.Status != http.StatusFound || resp.Location(t).Host != testkit.TenantHost {
			t.Errorf("%s: %d", why, resp.Status)
		}
	}
}

// TestLinksOfErrorPages follows each link that a page offers until it has worked.
func TestLinksOfErrorPages(t *testing.T) {
	t.Parallel()
	follow := func(t *testing.T, b *testkit.Browser, link string) string {
		t.Helper()
		resp := b.Page(link)
		for range 6 {
			to := resp.Header.Get("Location")
			switch {
			case to == "":
				return resp.Body
			case resp.Location(t).Host == testkit.TenantHost:
				resp = b.Callback(b.AtTenant(resp.Location(t)))
			default:
				resp = b.Page(resp.Location(t).String())
			}
		}
		t.Fatalf("%s goes round in circles", link)
		return ""
	}
	store := &testkit.HalfStore{Store: auth0.NewMemoryStore(100)}
	e, _ := testkit.SignedInTapped(t, nil, func(c *auth0.Config) { c.Store = store })
	tests := []struct {
		why         string
		fail        func()
		page        func(b *testkit.Browser) *testkit.Response
		mend        func()
		status      int
		title, text string
		link, end   string // the text of the link, and the page at the end
	}{
		{"store down at a page", func() { store.FailWith(http.ErrHandlerTimeout) }, func(b *testkit.Browser) *testkit.Response { return b.Page("/private") },
			func() { store.FailWith(nil) }, 503, "Try again in a minute", "We cannot read your session right now", "Try again", "private auth0|"},
		{"store down at the end of a login", nil, func(b *testkit.Browser) *testkit.Response {
			u := b.AtTenant(b.Begin("/auth/login?returnTo=/private&prompt=login"))
			store.FailWith(http.ErrHandlerTimeout)
			return b.Callback(u)
		}, func() { store.FailWith(nil) }, 503, "Try again in a minute", "We could not save your session", "Log in again", "private auth0|"},
		{"tenant busy", func() { e.Tenant.Fail(testkit.PAREndpoint, 429) }, func(b *testkit.Browser) *testkit.Response {
			return b.Page("/auth/login?returnTo=/private&prompt=login")
		}, func() { e.Tenant.Fail(testkit.PAREndpoint, 0) }, 503, "Try again in a minute", "The login service is busy", "", ""},
		{"tenant down", func() { e.Tenant.Fail(testkit.PAREndpoint, 500) }, func(b *testkit.Browser) *testkit.Response {
			return b.Page("/auth/login?returnTo=/private&prompt=login")
		}, func() { e.Tenant.Fail(testkit.PAREndpoint, 0) }, 503, "Try again in a minute", "We cannot reach the login service", "Try again", "private auth0|"},
		{"strange callback", nil, func(b *testkit.Browser) *testkit.Response { return e.Browser().Page("/auth/callback?code=x&state=y") },
			nil, 400, "The login did not work", "We could not match this login to your browser", "Log in again", "home true"},
		{"logout of another site", nil, func(b *testkit.Browser) *testkit.Response {
			return b.Page("/auth/logout", "Sec-Fetch-Site", "cross-site")
		}, nil, 403, "You are still logged in", "Log out with the button on this site", "Go to the start page", "home true"},
	}
	for _, tt := range tests {
		if tt.why == "tenant busy" {
			continue // the tenant is left alone for a while, see below
		}
		b := e.Browser().MustLogin()
		if tt.fail != nil {
			tt.fail()
		}
		resp := tt.page(b)
		if resp.Status != tt.status || resp.Title() != tt.title || !strings.Contains(resp.Body, "<p>"+tt.text) || !strings.Contains(resp.Body, "quote this reference: ") {
			t.Errorf("%s: %d %s", tt.why, resp.Status, resp.Body)
		}
		if tt.mend != nil {
			tt.mend()
		}
		if end := follow(t, b, resp.Links()[tt.link]); !strings.HasPrefix(end, tt.end) {
			t.Errorf("%s: %v, and the link ends at %q", tt.why, resp.Links(), end)
		}
	}
	// A logout while the store is down says which part has happened.
	store.FailWith(http.ErrHandlerTimeout)
	resp := e.Browser().Do("POST", "/auth/logout", url.Values{}, append([]string{"Origin", testkit.AppURL}, testkit.Navigation...)...)
	store.FailWith(nil)
	if resp.Status != http.StatusSeeOther && resp.Status != http.StatusOK {
		t.Errorf("nobody was logged in: %d %s", resp.Status, resp.Body)
	}
	b := e.Browser().MustLogin()
	store.FailWith(http.ErrHandlerTimeout)
	resp = b.Do("POST", "/auth/logout", url.Values{}, append([]string{"Origin", testkit.AppURL}, testkit.Navigation...)...)
	store.FailWith(nil)
	if resp.Status != 503 || resp.Title() != "The logout is not complete" || !strings.Contains(resp.Body, "You are logged out in this browser, but") || b.LoggedIn() {
		t.Errorf("logout: %d %s", resp.Status, resp.Body)
	}
	busy := tests[2]
	busy.fail()
	if resp := busy.page(e.Browser()); resp.Status != busy.status || resp.Title() != busy.title || !strings.Contains(resp.Body, "<p>"+busy.text) || resp.Links()["Try again"] == "" {
		t.Errorf("%s: %d %s", busy.why, resp.Status, resp.Body)
	}
}
