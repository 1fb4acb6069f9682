package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestRequireLoginAnonymous redirects clients that can follow, and no others.
func TestRequireLoginAnonymous(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	reached := false
	e.Mux.Handle("/any", e.Strategy.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })))
	tests := []struct {
		why, method string
		header      []string
		redirect    bool
	}{
		{"page", "GET", testkit.Navigation, true},
		{"HEAD of a page", "HEAD", testkit.Navigation, true},
		{"old browser", "GET", []string{"Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}, true},
		{"XHTML", "GET", []string{"Accept", "application/xhtml+xml"}, true},
		{"JSON", "GET", []string{"Accept", "application/json"}, false},
		{"anything", "GET", []string{"Accept", "*/*"}, false},
		{"axios", "GET", []string{"Accept", "application/json, text/plain, */*"}, false},
		{"nothing said", "GET", nil, false},
		{"fetch", "GET", []string{"Sec-Fetch-Mode", "cors", "Accept", "*/*"}, false},
		{"fetch that says it takes HTML", "GET", []string{"Sec-Fetch-Mode", "cors", "Accept", "text/html"}, false},
		{"XMLHttpRequest that takes HTML", "GET", []string{"X-Requested-With", "XMLHttpRequest", "Accept", "text/html"}, false},
		{"frame", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, false},
		{"image", "GET", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false},
		{"WebSocket", "GET", []string{"Upgrade", "websocket", "Connection", "Upgrade", "Accept", "text/html"}, false},
		{"PUT", "PUT", testkit.Navigation, false},
		{"DELETE", "DELETE", testkit.Navigation, false},
	}
	login := "/auth/login?returnTo=" + url.QueryEscape("/any?a=b&c=%2F")
	for _, tt := range tests {
		challenge := `Session login="/auth/login"` // the open page is unknown
		if slices.Contains([]string{"anything", "nothing said", "frame"}, tt.why) {
			challenge = `Session login="` + login + `"`
		}
		resp := e.Browser().Do(tt.method, "/any?a=b&c=%2F", nil, tt.header...)
		if tt.redirect {
			if resp.Status != http.StatusFound || resp.Header.Get("Location") != login || resp.Header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: %d to %q", tt.why, resp.Status, resp.Header.Get("Location"))
			}
			continue
		}
		if resp.Status != http.StatusUnauthorized || resp.Header.Get("Location") != "" || len(resp.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d to %q, cookies %q; want 401 and no more", tt.why, resp.Status, resp.Header.Get("Location"), resp.Header.Values("Set-Cookie"))
		}
		if resp.Body != `{"error":"login_required","error_description":"log in to continue"}` || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("WWW-Authenticate") != challenge {
			t.Errorf("%s: %q, %q, %q", tt.why, resp.Body, resp.Header.Get("Content-Type"), resp.Header.Get("WWW-Authenticate"))
		}
	}
	if reached {
		t.Error("the handler was reached")
	}
}

func TestRequireLoginLoggedIn(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser().MustLogin()
	// With LoadUser around it and without.
	for _, app := range []http.Handler{e.App, e.Mux} {
		e.App = app
		resp := b.Page("/private")
		if resp.Status != 200 || !strings.HasPrefix(resp.Body, "private auth0|") || resp.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%d %q, Cache-Control %q", resp.Status, resp.Body, resp.Header.Get("Cache-Control"))
		}
		if resp := b.Do("GET", "/private", nil, "Sec-Fetch-Mode", "cors"); resp.Status != 200 || resp.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("fetch: %d, Cache-Control %q", resp.Status, resp.Header.Get("Cache-Control"))
		}
		if resp := e.Browser().Page("/private"); resp.Status != http.StatusFound {
			t.Errorf("anonymous: %d", resp.Status)
		}
	}
}

func TestRequireSessionNeverRedirects(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/data", e.Strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "data") })))
	for _, header := range [][]string{testkit.Navigation, {"Accept", "text/html"}, nil} {
		if resp := e.Browser().Do("GET", "/data", nil, header...); resp.Status != http.StatusUnauthorized || resp.Header.Get("Location") != "" {
			t.Errorf("%q: %d", header, resp.Status)
		}
	}
	if resp := e.Browser().MustLogin().Do("POST", "/data", nil); resp.Status != 200 || resp.Body != "data" {
		t.Errorf("logged in: %d", resp.Status)
	}
}

// TestReturnToOfRequest builds the return URL from requests of attackers.
func TestReturnToOfRequest(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	app := e.Strategy.RequireLogin(http.NotFoundHandler())
	for target, want := range map[string]string{
		"/a?x=1&y=%26":         "/a?x=1&y=%26",
		"//google.com":         "/google.com",
		"///google.com/%2e%2e": "/google.com/%2e%2e",
		"/%2fevil.example":     "/%2fevil.example",
		"/?next=//h&scope=x":   "/?next=//h&scope=x",
		"/caf%C3%A9":           "/caf%C3%A9",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.RequestURI = "app.example", target
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		for i := 0; i < len(testkit.Navigation); i += 2 {
			r.Header.Set(testkit.Navigation[i], testkit.Navigation[i+1])
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		location, err := url.Parse(w.Header().Get("Location"))
		if err != nil || location.Path != "/auth/login" || location.Host != "" {
			t.Fatalf("%s: sent to %q", target, w.Header().Get("Location"))
		}
		if got := location.Query()["returnTo"]; len(location.Query()) != 1 || len(got) != 1 || got[0] != want && target[:2] != "//" {
			t.Errorf("%s: returnTo %q, want %q", target, got, want)
		}
	}
	// Through the login, a host in the path stays a path, or is left out.
	for target, want := range map[string]string{"//google.com": "/google.com", "/%2fevil.example": "/", "/a?x=1&y=%26z": "/a?x=1&y=%26z", "/a?returnTo=/b&audience=x": "/a?returnTo=/b&audience=x"} {
		b := e.Browser()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL, _ = url.ParseRequestURI(target)
		r.Host, r.RequestURI = "app.example", target
		if strings.HasPrefix(target, "//") {
			r.URL = &url.URL{Path: target}
		}
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if got := b.Login(w.Header().Get("Location")).Header.Get("Location"); got != want {
			t.Errorf("%s: after the login at %q, want %q", target, got, want)
		}
	}
}

// TestLoginLoop: a browser that loses the session each time gets a page that says
// so, not a fourth redirect.
func TestLoginLoop(t *testing.T) {
	t.Parallel()
	now := testkit.NewClock()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Now = now.Now })
	e.Tenant.EditIDToken(func(_, c map[string]any) { testkit.ClaimIn("exp", 3600)(nil, c) })
	b := e.Browser()
	for i := range 3 {
		resp := b.Page("/private")
		if resp.Status != http.StatusFound {
			t.Fatalf("redirect %d: %d", i, resp.Status)
		}
		now.Add(10)
		b.Login(resp.Header.Get("Location"))
		delete(b.Cookies, testkit.SessionCookie) // as if it were too large, or blocked
	}
	resp := b.Page("/private")
	if resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, "blocks cookies") || resp.Links()["Log in again"] != "https://app.example/auth/login?returnTo=%2Fprivate" {
		t.Errorf("fourth time: %d %q", resp.Status, resp.Body)
	}
	// A user who follows the advice is not held up.
	if resp := b.Page("/private"); resp.Status != http.StatusFound {
		t.Errorf("after the page: %d", resp.Status)
	}
	b = e.Browser()
	for i := range 10 {
		resp := b.Page("/private")
		if resp.Status != http.StatusFound {
			t.Fatalf("a lost session every 25 s, redirect %d: %d", i, resp.Status)
		}
		b.Login(resp.Header.Get("Location"))
		delete(b.Cookies, testkit.SessionCookie)
		now.Add(25)
	}
	// Many tabs, and many logins that work, are no loop.
	b = e.Browser()
	for i := range 10 {
		if resp := b.Page("/private"); resp.Status != http.StatusFound {
			t.Fatalf("tab %d: %d", i, resp.Status)
		}
	}
	for i := range 10 {
		b.MustLogin()
		b.Logout()
		if resp := b.Page("/private"); resp.Status != http.StatusFound {
			t.Fatalf("after logout %d: %d", i, resp.Status)
		}
	}
	for why, value := range map[string]string{"planted": fmt.Sprint("3-", now.Now().Unix()), "garbage": "x", "sealed by nobody": "v3." + strings.Repeat("A", 80)} {
		b := e.Browser()
		b.Cookies["__Host-auth0_session_tries"] = value
		if resp := b.Page("/private"); resp.Status != http.StatusFound {
			t.Errorf("%s counter: %d", why, resp.Status)
		}
	}
}

func TestRequireUser(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.EditIDToken(func(_, c map[string]any) {
		c["plan"], c["level"], c["beta"], c["none"] = "pro", 3, true, nil
		c["https://acme.example/roles"] = []any{"admin", "editor", 7}
		c["groups"], c["object"], c["__proto__"] = "staff board", map[string]any{"admin": true}, "x"
	})
	b := e.Browser().MustLogin()
	const roles = "https://acme.example/roles"
	tests := []struct {
		why   string
		guard func(http.Handler) http.Handler
		ok    bool
	}{
		{"equal text", e.Strategy.RequireUserClaim("plan", auth0.Equals("pro")), true},
		{"other text", e.Strategy.RequireUserClaim("plan", auth0.Equals("free")), false},
		{"equal number", e.Strategy.RequireUserClaim("level", auth0.Equals(3.0)), true},
		{"number as text", e.Strategy.RequireUserClaim("level", auth0.Equals("3")), false},
		{"equal bool", e.Strategy.RequireUserClaim("beta", auth0.Equals(true)), true},
		{"other bool", e.Strategy.RequireUserClaim("beta", auth0.Equals(false)), false},
		{"null", e.Strategy.RequireUserClaim("none", auth0.Equals("")), false},
		{"no such claim", e.Strategy.RequireUserClaim("nope", auth0.Equals("")), false},
		{"other case of the name", e.Strategy.RequireUserClaim("Plan", auth0.Equals("pro")), false},
		{"a name of JavaScript's", e.Strategy.RequireUserClaim("hasOwnProperty", func(any) bool { return true }), false},
		{"another one, as a claim", e.Strategy.RequireUserClaim("__proto__", auth0.Equals("x")), true},
		{"all of an array", e.Strategy.RequireUserClaim(roles, auth0.IncludesAll("editor", "admin")), true},
		{"not all of an array", e.Strategy.RequireUserClaim(roles, auth0.IncludesAll("admin", "owner")), false},
		{"all of nothing", e.Strategy.RequireUserClaim(roles, auth0.IncludesAll()), false},
		{"number in an array", e.Strategy.RequireUserClaim(roles, auth0.IncludesAll("7")), false},
		{"any of an array", e.Strategy.RequireUserClaim(roles, auth0.IncludesAny("owner", "admin")), true},
		{"none of an array", e.Strategy.RequireUserClaim(roles, auth0.IncludesAny("owner")), false},
		{"any of nothing", e.Strategy.RequireUserClaim(roles, auth0.IncludesAny()), false},
		{"all of words", e.Strategy.RequireUserClaim("groups", auth0.IncludesAll("board", "staff")), true},
		{"part of a word", e.Strategy.RequireUserClaim("groups", auth0.IncludesAny("boar")), false},
		{"object", e.Strategy.RequireUserClaim("object", auth0.IncludesAny("admin")), false},
		{"own function agrees", e.Strategy.RequireUser(func(u auth0.User) bool { return strings.HasSuffix(u.Email, "@acme.example") }), true},
		{"own function does not", e.Strategy.RequireUser(func(u auth0.User) bool { return u.EmailVerified && u.Name == "" }), false},
	}
	for _, tt := range tests {
		e.App = tt.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "in") }))
		resp := b.Page("/")
		if tt.ok && (resp.Status != 200 || resp.Body != "in") {
			t.Errorf("%s: %d %q", tt.why, resp.Status, resp.Body)
		}
		// Not 401, and not the login: that would not help.
		if !tt.ok && (resp.Status != http.StatusForbidden || resp.Header.Get("Location") != "" || !strings.Contains(resp.Body, "<p>Your account is not allowed to see this page.</p>")) {
			t.Errorf("%s: %d %q", tt.why, resp.Status, resp.Body)
		}
		if resp := b.Do("GET", "/", nil, "Sec-Fetch-Mode", "cors"); !tt.ok && (resp.Status != 403 || resp.Body != `{"error":"access_denied","error_description":"your account is not allowed to see this page"}`) {
			t.Errorf("%s: fetch: %d %q", tt.why, resp.Status, resp.Body)
		}
		if resp := e.Browser().Page("/"); resp.Status != http.StatusFound {
			t.Errorf("%s: anonymous: %d", tt.why, resp.Status)
		}
	}
	// The check is not called for visitors without a session.
	e.App = e.Strategy.RequireUser(func(auth0.User) bool { t.Error("asked"); return true })(http.NotFoundHandler())
	e.Browser().Page("/")
}

// TestPanicsPass: panics reach net/http, and no second response is written.
func TestPanicsPass(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.App = e.Strategy.LoadUser(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the panic did not pass")
		}
	}()
	e.Browser().Page("/")
}
