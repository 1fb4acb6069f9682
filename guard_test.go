package auth0_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

var asNavigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Accept", "text/html"}

// TestRequireLoginAnonymous redirects whoever can follow, and nobody else.
func TestRequireLoginAnonymous(t *testing.T) {
	e := newEnv(t)
	reached := false
	e.mux.Handle("/any", e.strategy.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })))
	tests := []struct {
		why, method string
		header      []string
		redirect    bool
	}{
		{"page", "GET", asNavigation, true},
		{"HEAD of a page", "HEAD", asNavigation, true},
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
		{"form", "POST", asNavigation, false},
		{"PUT", "PUT", asNavigation, false},
		{"DELETE", "DELETE", asNavigation, false},
	}
	for _, tt := range tests {
		resp := e.browser().do(tt.method, "/any?a=b&c=%2F", nil, tt.header...)
		if tt.redirect {
			if resp.status != http.StatusFound || resp.header.Get("Location") != "/auth/login?returnTo="+url.QueryEscape("/any?a=b&c=%2F") || resp.header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: %d to %q", tt.why, resp.status, resp.header.Get("Location"))
			}
			continue
		}
		if resp.status != http.StatusUnauthorized || resp.header.Get("Location") != "" || len(resp.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d to %q, cookies %q; want 401 and no more", tt.why, resp.status, resp.header.Get("Location"), resp.header.Values("Set-Cookie"))
		}
		if resp.body != `{"error":"login_required","error_description":"log in to continue"}` || resp.header.Get("Content-Type") != "application/json" || resp.header.Get("WWW-Authenticate") != `Session login="/auth/login"` {
			t.Errorf("%s: %q, %q, %q", tt.why, resp.body, resp.header.Get("Content-Type"), resp.header.Get("WWW-Authenticate"))
		}
	}
	if reached {
		t.Error("the handler was reached")
	}
}

func TestRequireLoginLoggedIn(t *testing.T) {
	e := newEnv(t)
	b := e.browser().mustLogin()
	// With LoadUser around it and without.
	for _, app := range []http.Handler{e.app, e.mux} {
		e.app = app
		resp := b.page("/private")
		if resp.status != 200 || !strings.HasPrefix(resp.body, "private auth0|") || resp.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%d %q, Cache-Control %q", resp.status, resp.body, resp.header.Get("Cache-Control"))
		}
		if resp := b.do("GET", "/private", nil, "Sec-Fetch-Mode", "cors"); resp.status != 200 || resp.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("fetch: %d, Cache-Control %q", resp.status, resp.header.Get("Cache-Control"))
		}
		if resp := e.browser().page("/private"); resp.status != http.StatusFound {
			t.Errorf("anonymous: %d", resp.status)
		}
	}
}

func TestRequireSessionNeverRedirects(t *testing.T) {
	e := newEnv(t)
	e.mux.Handle("/data", e.strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "data") })))
	for _, header := range [][]string{asNavigation, {"Accept", "text/html"}, nil} {
		if resp := e.browser().do("GET", "/data", nil, header...); resp.status != http.StatusUnauthorized || resp.header.Get("Location") != "" {
			t.Errorf("%q: %d", header, resp.status)
		}
	}
	if resp := e.browser().mustLogin().do("POST", "/data", nil); resp.status != 200 || resp.body != "data" {
		t.Errorf("logged in: %d", resp.status)
	}
}

// TestReturnToOfRequest builds the return URL from requests that attackers like.
func TestReturnToOfRequest(t *testing.T) {
	e := newEnv(t)
	app := e.strategy.RequireLogin(http.NotFoundHandler())
	for target, want := range map[string]string{
		"/a?x=1&y=%26":         "/a?x=1&y=%26",
		"//google.com":         "/google.com",
		"///google.com/%2e%2e": "/google.com/%2e%2e",
		"/%2fevil.example":     "/%2fevil.example",
		"/?next=//h&scope=x":   "/?next=//h&scope=x",
		"/caf%C3%A9":           "/caf%C3%A9",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = target
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		for i := 0; i < len(asNavigation); i += 2 {
			r.Header.Set(asNavigation[i], asNavigation[i+1])
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
	// And through the login: a host in the path stays a path, or is given up.
	for target, want := range map[string]string{"//google.com": "/google.com", "/%2fevil.example": "/", "/a?x=1&y=%26z": "/a?x=1&y=%26z", "/a?returnTo=/b&audience=x": "/a?returnTo=/b&audience=x"} {
		b := e.browser()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL, _ = url.ParseRequestURI(target)
		if strings.HasPrefix(target, "//") {
			r.URL = &url.URL{Path: target}
		}
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if got := b.login(w.Header().Get("Location")).header.Get("Location"); got != want {
			t.Errorf("%s: after the login at %q, want %q", target, got, want)
		}
	}
}

// TestLoginLoop: a browser that loses the session each time gets a page that
// says so, not a fourth redirect.
func TestLoginLoop(t *testing.T) {
	now := newClock()
	e := newEnv(t, func(c *auth0.Config) { c.Now = now.now })
	e.tenant.EditIDToken(func(_, c map[string]any) { in("exp", 3600)(nil, c) })
	b := e.browser()
	for i := range 3 {
		resp := b.page("/private")
		if resp.status != http.StatusFound {
			t.Fatalf("redirect %d: %d", i, resp.status)
		}
		now.add(10)
		b.login(resp.header.Get("Location"))
		delete(b.cookies, sessionName) // as if it were too large, or blocked
	}
	resp := b.page("/private")
	if resp.status != http.StatusBadRequest || !strings.Contains(resp.body, "blocking cookies") || !strings.HasSuffix(resp.body, "https://app.example/auth/login?returnTo=%2Fprivate\n") {
		t.Errorf("fourth time: %d %q", resp.status, resp.body)
	}
	// A person who follows the advice is not held up.
	if resp := b.page("/private"); resp.status != http.StatusFound {
		t.Errorf("after the page: %d", resp.status)
	}
	b = e.browser()
	for i := range 10 {
		resp := b.page("/private")
		if resp.status != http.StatusFound {
			t.Fatalf("a lost session every 25 s, redirect %d: %d", i, resp.status)
		}
		b.login(resp.header.Get("Location"))
		delete(b.cookies, sessionName)
		now.add(25)
	}
	// Many tabs, and many logins that work, are no loop.
	b = e.browser()
	for i := range 10 {
		if resp := b.page("/private"); resp.status != http.StatusFound {
			t.Fatalf("tab %d: %d", i, resp.status)
		}
	}
	for i := range 10 {
		b.mustLogin()
		b.logout()
		if resp := b.page("/private"); resp.status != http.StatusFound {
			t.Fatalf("after logout %d: %d", i, resp.status)
		}
	}
	for why, value := range map[string]string{"planted": fmt.Sprint("3-", now.now().Unix()), "garbage": "x", "sealed by nobody": "v1." + strings.Repeat("A", 80)} {
		b := e.browser()
		b.cookies["__Host-auth0_session_tries"] = value
		if resp := b.page("/private"); resp.status != http.StatusFound {
			t.Errorf("%s counter: %d", why, resp.status)
		}
	}
}

func TestRequireUser(t *testing.T) {
	e := newEnv(t)
	e.tenant.EditIDToken(func(_, c map[string]any) {
		c["plan"], c["level"], c["beta"], c["none"] = "pro", 3, true, nil
		c["https://acme.example/roles"] = []any{"admin", "editor", 7}
		c["groups"], c["object"], c["__proto__"] = "staff board", map[string]any{"admin": true}, "x"
	})
	b := e.browser().mustLogin()
	const roles = "https://acme.example/roles"
	tests := []struct {
		why   string
		guard func(http.Handler) http.Handler
		ok    bool
	}{
		{"equal text", e.strategy.RequireUserClaim("plan", auth0.Equals("pro")), true},
		{"other text", e.strategy.RequireUserClaim("plan", auth0.Equals("free")), false},
		{"equal number", e.strategy.RequireUserClaim("level", auth0.Equals(3.0)), true},
		{"number as text", e.strategy.RequireUserClaim("level", auth0.Equals("3")), false},
		{"equal bool", e.strategy.RequireUserClaim("beta", auth0.Equals(true)), true},
		{"other bool", e.strategy.RequireUserClaim("beta", auth0.Equals(false)), false},
		{"null", e.strategy.RequireUserClaim("none", auth0.Equals("")), false},
		{"no such claim", e.strategy.RequireUserClaim("nope", auth0.Equals("")), false},
		{"other case of the name", e.strategy.RequireUserClaim("Plan", auth0.Equals("pro")), false},
		{"a name of JavaScript's", e.strategy.RequireUserClaim("hasOwnProperty", func(any) bool { return true }), false},
		{"another one, as a claim", e.strategy.RequireUserClaim("__proto__", auth0.Equals("x")), true},
		{"all of an array", e.strategy.RequireUserClaim(roles, auth0.IncludesAll("editor", "admin")), true},
		{"not all of an array", e.strategy.RequireUserClaim(roles, auth0.IncludesAll("admin", "owner")), false},
		{"all of nothing", e.strategy.RequireUserClaim(roles, auth0.IncludesAll()), false},
		{"number in an array", e.strategy.RequireUserClaim(roles, auth0.IncludesAll("7")), false},
		{"any of an array", e.strategy.RequireUserClaim(roles, auth0.IncludesAny("owner", "admin")), true},
		{"none of an array", e.strategy.RequireUserClaim(roles, auth0.IncludesAny("owner")), false},
		{"any of nothing", e.strategy.RequireUserClaim(roles, auth0.IncludesAny()), false},
		{"all of words", e.strategy.RequireUserClaim("groups", auth0.IncludesAll("board", "staff")), true},
		{"part of a word", e.strategy.RequireUserClaim("groups", auth0.IncludesAny("boar")), false},
		{"object", e.strategy.RequireUserClaim("object", auth0.IncludesAny("admin")), false},
		{"own function agrees", e.strategy.RequireUser(func(u auth0.User) bool { return strings.HasSuffix(u.Email, "@acme.example") }), true},
		{"own function does not", e.strategy.RequireUser(func(u auth0.User) bool { return u.EmailVerified && u.Name == "" }), false},
	}
	for _, tt := range tests {
		e.app = tt.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "in") }))
		resp := b.page("/")
		if tt.ok && (resp.status != 200 || resp.body != "in") {
			t.Errorf("%s: %d %q", tt.why, resp.status, resp.body)
		}
		// Not 401, and not the login: that would not help.
		if !tt.ok && (resp.status != http.StatusForbidden || resp.header.Get("Location") != "" || !strings.HasPrefix(resp.body, "Your account is not allowed to see this page.")) {
			t.Errorf("%s: %d %q", tt.why, resp.status, resp.body)
		}
		if resp := b.do("GET", "/", nil, "Sec-Fetch-Mode", "cors"); !tt.ok && (resp.status != 403 || resp.body != `{"error":"access_denied","error_description":"your account is not allowed to see this page"}`) {
			t.Errorf("%s: fetch: %d %q", tt.why, resp.status, resp.body)
		}
		if resp := e.browser().page("/"); resp.status != http.StatusFound {
			t.Errorf("%s: anonymous: %d", tt.why, resp.status)
		}
	}
	// It is not asked about people who are not logged in.
	e.app = e.strategy.RequireUser(func(auth0.User) bool { t.Error("asked"); return true })(http.NotFoundHandler())
	e.browser().page("/")
}

// TestHandlersPanicAreTheirs: net/http sees them; nothing is written twice.
func TestPanicsPass(t *testing.T) {
	e := newEnv(t)
	e.app = e.strategy.LoadUser(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the panic did not pass")
		}
	}()
	e.browser().page("/")
}
