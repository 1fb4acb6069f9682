package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// The requests of browsers and of libraries in them.
var (
	posted      = append([]string{"Origin", testkit.AppURL, "Referer", testkit.AppURL + "/form?x=1"}, testkit.Navigation...)
	postedByOld = []string{"Accept", "text/html,application/xhtml+xml", "Referer", testkit.AppURL + "/form?x=1"}
	fetched     = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
	htmx        = append([]string{"HX-Request", "true", "HX-Current-URL", testkit.AppURL + "/open?tab=2"}, fetched...)
	turboFrame  = append(append([]string{}, fetched...), "Accept", "text/html, application/xhtml+xml", "Turbo-Frame", "list")
	turboForm   = append(append([]string{}, fetched...), "Accept", "text/vnd.turbo-stream.html, text/html, application/xhtml+xml", "Referer", testkit.AppURL+"/form?x=1")
)

// TestFormWithoutSession: a user who has posted a form reads that it was not sent,
// and how to go on. The link of the page leads to a login that works, in another tab,
// and after it the same form is accepted.
func TestFormWithoutSession(t *testing.T) {
	t.Parallel()
	for why, header := range map[string][]string{"browser": posted, "old browser": postedByOld} {
		e := testkit.SignedIn(t)
		saved := ""
		e.Mux.Handle("POST /save", e.Strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { saved = r.FormValue("text") })))
		b := e.Browser()
		form := url.Values{"text": {"a long text"}}
		resp := b.Do("POST", "/save", form, header...)
		if resp.Status != http.StatusUnauthorized || resp.Title() != "Your form was not sent" || saved != "" || resp.Header.Get("Location") != "" ||
			resp.Header.Get("WWW-Authenticate") != `Session login="/auth/login?returnTo=%2Fform%3Fx%3D1"` || strings.Contains(resp.Body, "a long text") {
			t.Errorf("%s: %d %s", why, resp.Status, resp.Body)
		}
		link := resp.Links()["Log in in a new tab"]
		if !strings.Contains(resp.Body, `" target="_blank">Log in in a new tab</a>`) || link != testkit.AppURL+"/auth/login?returnTo="+url.QueryEscape("/form?x=1") {
			t.Fatalf("%s: link %q in %s", why, link, resp.Body)
		}
		if to := b.Login(link).Header.Get("Location"); to != "/form?x=1" {
			t.Errorf("%s: the link ends at %q", why, to)
		}
		if resp := b.Do("POST", "/save", form, header...); resp.Status != http.StatusOK || saved != "a long text" {
			t.Errorf("%s: sent again: %d %q", why, resp.Status, saved)
		}
	}
}

// TestScriptsWithoutSession: each library gets an answer that it follows.
func TestScriptsWithoutSession(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/any", e.Strategy.RequireLogin(http.NotFoundHandler()))
	e.Mux.Handle("/data", e.Strategy.RequireSession(http.NotFoundHandler()))
	e.Mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) { e.Strategy.WriteError(w, r, auth0.ErrNoSession) })
	const json = `{"error":"login_required","error_description":"log in to continue"}`
	for _, path := range []string{"/any", "/data", "/own"} {
		for _, tt := range []struct {
			why, method string
			header      []string
			login       string // of the challenge, and for htmx of HX-Redirect
			kind, part  string
		}{
			{"fetch", "GET", fetched, "/auth/login", "application/json", json},
			{"fetch of a page", "GET", append(append([]string{}, fetched...), "Referer", testkit.AppURL+"/open?tab=2"), "/auth/login?returnTo=" + url.QueryEscape("/open?tab=2"), "application/json", json},
			{"fetch of another site", "GET", append(append([]string{}, fetched...), "Referer", "https://evil.example/open"), "/auth/login", "application/json", json},
			{"fetch of a page with a host in its path", "GET", append(append([]string{}, fetched...), "Referer", testkit.AppURL+"//evil.example/"), "/auth/login", "application/json", json},
			{"fetch of the login route", "GET", append(append([]string{}, fetched...), "Referer", testkit.AppURL+"/auth/login"), "/auth/login", "application/json", json},
			{"htmx", "GET", htmx, "/auth/login?returnTo=" + url.QueryEscape("/open?tab=2"), "application/json", json},
			{"htmx, form", "POST", htmx, "/auth/login?returnTo=" + url.QueryEscape("/open?tab=2"), "application/json", json},
			{"htmx, another site", "GET", append(append([]string{}, htmx...), "HX-Current-URL", "https://evil.example/"), "/auth/login", "application/json", json},
			{"htmx, link of a page", "GET", append(append([]string{}, htmx...), "HX-Boosted", "true"), "/auth/login?returnTo=" + url.QueryEscape(path), "application/json", json},
			{"Turbo, form", "POST", turboForm, "/auth/login?returnTo=" + url.QueryEscape("/form?x=1"), "text/vnd.turbo-stream.html; charset=utf-8", `<p><strong>Your form was not sent</strong></p>`},
			{"Turbo, frame", "GET", turboFrame, "/auth/login?returnTo=" + url.QueryEscape(path), "text/html; charset=utf-8", `<meta name="turbo-visit-control" content="reload">`},
			{"Turbo, visit", "GET", append(append([]string{}, fetched...), "Accept", "text/html, application/xhtml+xml", "X-Turbo-Request-Id", "1"), "/auth/login", "application/json", json},
		} {
			resp := e.Browser().Do(tt.method, path, nil, tt.header...)
			h, redirect := resp.Header, ""
			if strings.HasPrefix(tt.why, "htmx") {
				redirect = tt.login
			}
			if resp.Status != http.StatusUnauthorized || h.Get("HX-Redirect") != redirect || h.Get("Content-Type") != tt.kind || !strings.Contains(resp.Body, tt.part) ||
				h.Get("WWW-Authenticate") != `Session login="`+tt.login+`"` || h.Get("Location") != "" || len(h.Values("Set-Cookie")) != 0 {
				t.Errorf("%s %s: %d %v %s", path, tt.why, resp.Status, h, resp.Body)
			}
		}
	}
	// A session whose access token has expired gets the same answers.
	e.Mux.HandleFunc("/tokens", func(w http.ResponseWriter, r *http.Request) {
		e.Strategy.WriteError(w, r, fmt.Errorf("call: %w", &auth0.Error{Status: 401, Code: "login_required", Reason: "token_expired", Description: "log in again to continue"}))
	})
	if resp := e.Browser().Do("GET", "/tokens", nil, htmx...); resp.Status != 401 || resp.Header.Get("HX-Redirect") != "/auth/login?returnTo="+url.QueryEscape("/open?tab=2") {
		t.Errorf("expired token, htmx: %d %v", resp.Status, resp.Header)
	}
	if resp := e.Browser().Do("POST", "/tokens", nil, posted...); resp.Status != 401 || resp.Title() != "You need to log in" || resp.Links()["Log in in a new tab"] == "" {
		t.Errorf("expired token, form: %d %s", resp.Status, resp.Body)
	}
	// A login of a script ends at the page that was open.
	b := e.Browser()
	challenge := b.Do("GET", "/data", nil, append(append([]string{}, fetched...), "Referer", testkit.AppURL+"/open?tab=2")...).Header.Get("WWW-Authenticate")
	if to := b.Login(strings.Trim(strings.TrimPrefix(challenge, "Session login="), `"`)).Header.Get("Location"); to != "/open?tab=2" {
		t.Errorf("fetch: the login ends at %q", to)
	}
	b = e.Browser()
	if to := b.Login(b.Do("POST", "/any", nil, htmx...).Header.Get("HX-Redirect")).Header.Get("Location"); to != "/open?tab=2" {
		t.Errorf("htmx: the login ends at %q", to)
	}
	// A user without access gets the same forms of an answer, but no login.
	e.Mux.Handle("/boss", e.Strategy.RequireUser(func(auth0.User) bool { return false })(http.NotFoundHandler()))
	b = b.Env.Browser().MustLogin()
	for why, header := range map[string][]string{"htmx": htmx, "fetch": fetched, "form of Turbo": turboForm} {
		if resp := b.Do("POST", "/boss", nil, header...); resp.Status != http.StatusForbidden || resp.Header.Get("HX-Redirect") != "" {
			t.Errorf("%s, not allowed: %d %v", why, resp.Status, resp.Header)
		}
	}
}

// TestErrorHandlerAnswersEverybody: the handler answers users and scripts, and can keep
// or change the headers.
func TestErrorHandlerAnswersEverybody(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err *auth0.Error) {
			w.Header().Set("Content-Type", "text/x-own")
			fmt.Fprintf(w, "own %s %s", err.Reason, w.Header().Get("HX-Redirect"))
		}
	})
	e.Mux.Handle("/any", e.Strategy.RequireLogin(http.NotFoundHandler()))
	for _, tt := range []struct {
		why, method, path string
		header            []string
		status            int
		want              string
	}{
		{"form", "POST", "/any", posted, 401, "own no_session "},
		{"fetch", "GET", "/any", fetched, 401, "own no_session "},
		{"program", "GET", "/any", nil, 401, "own no_session "},
		{"htmx", "GET", "/any", htmx, 401, "own no_session /auth/login?returnTo=%2Fopen%3Ftab%3D2"},
		{"form of Turbo", "POST", "/any", turboForm, 401, "own no_session "},
		{"frame of Turbo", "GET", "/any", turboFrame, 401, "own no_session "},
		{"fetch of the login", "GET", "/auth/login", fetched, 401, "own no_session "},
		{"callback", "GET", "/auth/callback?state=x&code=y", testkit.Navigation, 400, "own transaction_not_found "},
		{"logout by another site", "POST", "/auth/logout", []string{"Origin", "https://evil.example"}, 403, "own cross_site "},
	} {
		resp := e.Browser().Do(tt.method, tt.path, nil, tt.header...)
		if resp.Status != tt.status || resp.Body != tt.want || resp.Header.Get("Content-Type") != "text/x-own" || !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %d %v %q, want %q", tt.why, resp.Status, resp.Header, resp.Body, tt.want)
		}
	}
	// If a handler writes nothing, the library answers.
	e = testkit.SignedIn(t, func(c *auth0.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, _ *auth0.Error) {
			if strings.Contains(r.Header.Get("Accept"), "text/html") {
				fmt.Fprint(w, "own page")
			}
		}
	})
	e.Mux.Handle("/any", e.Strategy.RequireLogin(http.NotFoundHandler()))
	if resp := e.Browser().Do("POST", "/any", nil, posted...); resp.Status != 401 || resp.Body != "own page" {
		t.Errorf("page: %d %s", resp.Status, resp.Body)
	}
	if resp := e.Browser().Do("GET", "/any", nil, fetched...); resp.Status != 401 || resp.Body != `{"error":"login_required","error_description":"log in to continue"}` {
		t.Errorf("script: %d %s", resp.Status, resp.Body)
	}
	// The answer to a logout token is for the tenant, and a specification defines it.
	e = testkit.SignedIn(t, func(c *auth0.Config) {
		c.Store = auth0.NewMemoryStore(10)
		c.ErrorHandler = func(http.ResponseWriter, *http.Request, *auth0.Error) { t.Error("asked for the back-channel") }
	})
	if resp := e.Browser().Do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {"x"}}); resp.Status != 400 || !strings.HasPrefix(resp.Body, `{"error":"invalid_request"`) {
		t.Errorf("back-channel: %d %s", resp.Status, resp.Body)
	}
}

// TestGuardBelowAPrefix: a login leads back to the requested path, and not to the
// path that a router has made of it.
func TestGuardBelowAPrefix(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.DefaultReturnTo = "/start" })
	guarded := e.Strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	e.Mux.Handle("/admin/", http.StripPrefix("/admin", guarded))
	e.Mux.HandleFunc("/old/", func(w http.ResponseWriter, r *http.Request) {
		r2 := r.Clone(r.Context())
		r2.URL.Path, r2.URL.RawPath, r2.URL.RawQuery = "/new", "", "rewritten=1"
		guarded.ServeHTTP(w, r2)
	})
	for _, target := range []string{"/admin/users?a=b&c", "/admin/", "/admin/caf%C3%A9", "/old/x?y"} {
		b := e.Browser()
		to := b.Login(b.Page(target).Header.Get("Location")).Header.Get("Location")
		if to != target || b.Page(to).Status != http.StatusOK {
			t.Errorf("%s ends at %q", target, to)
		}
	}
	// The links of an error page lead there too, and so does a silent login.
	store := &testkit.HalfStore{Store: auth0.NewMemoryStore(10)}
	e = testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
	e.Mux.Handle("/admin/", http.StripPrefix("/admin", e.Strategy.RequireLogin(http.NotFoundHandler())))
	b := e.Browser().MustLogin()
	store.FailWith(http.ErrHandlerTimeout)
	if resp := b.Page("/admin/users?a"); resp.Status != 503 || !strings.Contains(e.Log.String(), " path=/admin/users ") || resp.Links()["Try again"] != testkit.AppURL+"/admin/users?a" {
		t.Errorf("store down: %d %v", resp.Status, resp.Links())
	}
	e = testkit.SignedIn(t)
	e.Mux.Handle("/public/", http.StripPrefix("/public", e.Strategy.TrySilentLogin(http.NotFoundHandler())))
	b = e.Browser()
	if to := b.Login("/public/page?a=b").Header.Get("Location"); to != "/public/page?a=b" {
		t.Errorf("silent login: %q", to)
	}
}

// TestDeepLinks: a user who opens a link gets to it after the login, with any query,
// and with any path that no parser takes for another host.
func TestDeepLinks(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/p/", e.Strategy.RequireLogin(http.NotFoundHandler()))
	long := strings.Repeat("filter=a&", 250)
	for target, want := range map[string]string{
		`/p/a?path=C:\Users`:      "/p/a?path=C:%5CUsers",
		"/p/a?name=Zürich":        "/p/a?name=Z%C3%BCrich",
		"/p/a?name=Z%FCrich":      "/p/a?name=Z%FCrich",
		"/p/files/C:%5CUsers":     "/p/files/C:%5CUsers",
		"/p/caf%E9":               "/p/caf%E9",
		"/p/café":                 "/p/caf%C3%A9",
		"/p/a?q=%zz":              "/p/a?q=%zz",
		"/p/a?" + long[:1800]:     "/p/a?" + long[:1800],
		"/p/a?" + long:            "/p/a",
		"/p/..%2f%5Cevil.example": "/",
		"/p/%E2%80%AEb":           "/",
	} {
		b := e.Browser()
		guarded := b.Page(target)
		if guarded.Status != http.StatusFound {
			t.Fatalf("%.40q: %d", target, guarded.Status)
		}
		if got := b.Login(guarded.Header.Get("Location")).Header.Get("Location"); got != want {
			t.Errorf("%.40q ends at %.60q, want %.60q", target, got, want)
		}
	}
}

// TestGuardAtAnotherHost: the login starts at the base URL, where it can end, and the
// log says so.
func TestGuardAtAnotherHost(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.Handle("/public", e.Strategy.TrySilentLogin(http.NotFoundHandler()))
	const mark = "from_other_host=1"
	for _, host := range []string{"www.app.example", "127.0.0.1:3000"} {
		e.Log.Take()
		there := e.Browser() // with the cookies of that host
		resp := there.Page("https://" + host + "/private?a=b")
		to := resp.Header.Get("Location")
		if resp.Status != http.StatusFound || to != testkit.AppURL+"/auth/login?returnTo="+url.QueryEscape("/private?a=b")+"&"+mark || len(there.Cookies) > 0 {
			t.Errorf("%s: %d to %q, %d cookies", host, resp.Status, to, len(there.Cookies))
		}
		if end := e.Browser().Login(to).Header.Get("Location"); end != "/private?a=b" {
			t.Errorf("%s: the login ends at %q", host, end)
		}
		if line := e.Log.Take(); !strings.Contains(line, "level=WARN") || !strings.Contains(line, host) || !strings.Contains(line, "base_url="+testkit.AppURL) || !strings.Contains(line, "APP_BASE_URL") {
			if host == "www.app.example" { // once a minute
				t.Errorf("%s: log %s", host, line)
			}
		}
		for _, tt := range []struct{ method, path, want string }{
			{"GET", "/auth/login?returnTo=/private&prompt=login", "/auth/login?prompt=login&returnTo=%2Fprivate&" + mark},
			{"GET", "/auth/login", "/auth/login?" + mark},
			{"GET", "/public?a=b", "/public?a=b&" + mark},
		} {
			if resp := there.Page("https://" + host + tt.path); resp.Header.Get("Location") != testkit.AppURL+tt.want || len(there.Cookies) > 0 {
				t.Errorf("%s%s: %d to %q", host, tt.path, resp.Status, resp.Header.Get("Location"))
			}
		}
		// The redirect keeps every parameter that the login reads of a form, and adds no
		// other to a URL. The page that goes on is not a redirect.
		form := url.Values{"returnTo": {"/private"}, "login_hint": {"ada@acme.example"}, "csrf_token": {"a secret"}, "password": {"a secret"}}
		resp = there.Do("POST", "https://"+host+"/auth/login", form, testkit.Navigation...)
		if got := resp.Location(t).String(); resp.Status != http.StatusOK || got != testkit.AppURL+"/auth/login?login_hint=ada%40acme.example&returnTo=%2Fprivate&"+mark {
			t.Errorf("%s: form: %d to %s", host, resp.Status, got)
		}
		// A script cannot follow, and gets no redirect.
		if resp := there.Do("GET", "https://"+host+"/private", nil, fetched...); resp.Status != http.StatusUnauthorized {
			t.Errorf("%s: script: %d", host, resp.Status)
		}
	}
	// A proxy that puts another name into Host makes no loop, and logins work.
	for _, target := range []string{"/private?a=b", "/public?a=b"} {
		b := e.Browser()
		resp := b.Page(target, "Host", "inside:8080")
		for hops := 0; !strings.HasPrefix(resp.Header.Get("Location"), "https://"+testkit.TenantHost); hops++ {
			if hops == 3 {
				t.Fatalf("%s: %d to %q", target, resp.Status, resp.Header.Get("Location"))
			}
			resp = b.Page(resp.Location(t).String(), "Host", "inside:8080")
		}
		back := b.AtTenant(resp.Location(t))
		if end := b.Page(back.String(), "Host", "inside:8080", "Sec-Fetch-Site", "cross-site").Header.Get("Location"); end != target {
			t.Errorf("%s ends at %q", target, end)
		}
	}
	// A user with a session is not redirected, and other base URLs are left alone.
	b := e.Browser().MustLogin()
	if resp := b.Page("/private", "Host", "inside:8080"); resp.Status != http.StatusOK {
		t.Errorf("with a session: %d", resp.Status)
	}
	e = testkit.SignedIn(t, func(c *auth0.Config) { c.BaseURLs = []string{"https://beta.example"} })
	for _, host := range []string{"app.example", "beta.example"} {
		if to := e.Browser().Page("https://" + host + "/private").Header.Get("Location"); to != "/auth/login?returnTo=%2Fprivate" {
			t.Errorf("%s: %s", host, to)
		}
	}
	if resp := e.Browser().Page("https://evil.example/private"); resp.Status != 400 || resp.Links()["Log in again"] != testkit.AppURL+"/auth/login" {
		t.Errorf("unknown host: %d %v", resp.Status, resp.Links())
	}
}
