package web_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// askedFields returns the fields of the form of a page that asks whether to log out.
func askedFields(t *testing.T, resp *testkit.Response) url.Values {
	t.Helper()
	if resp.Status != http.StatusOK || !strings.Contains(resp.Body, `<form method="post">`) {
		t.Fatalf("%d %q", resp.Status, resp.Body)
	}
	fields := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(resp.Body, -1) {
		fields.Set(m[1], html.UnescapeString(m[2]))
	}
	return fields
}

// Requests of browsers that send no origin: an old browser, Referrer-Policy:
// no-referrer, or a link that a program has opened.
var unknownOrigins = map[string]struct {
	method string
	header []string
}{
	"form, no referrer":      {"POST", []string{"Origin", "null", "Accept", "text/html"}},
	"link, no referrer":      {"GET", []string{"Accept", "text/html,application/xhtml+xml"}},
	"link in a mail program": {"GET", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}},
}

// TestLogoutAsks: a logout of unknown origin asks, and the second request logs out.
func TestLogoutAsks(t *testing.T) {
	t.Parallel()
	for why, tt := range unknownOrigins {
		e := testkit.SignedIn(t, func(c *auth0.Config) {
			c.PostLogoutURLs = []string{testkit.AppURL + "/bye", testkit.AppURL + "/other?a=1&b=%3C%22x%22%3E"}
		})
		b := e.Browser().MustLogin()
		resp := b.Do(tt.method, "/auth/logout?returnTo="+url.QueryEscape("/other?a=1&b=%3C%22x%22%3E"), nil, tt.header...)
		fields := askedFields(t, resp)
		if !b.LoggedIn() || len(fields) != 2 {
			t.Errorf("%s: logged in %v, fields %v", why, b.LoggedIn(), fields)
		}
		h := resp.Header
		if h.Get("Cache-Control") != "private, no-store" || h.Get("X-Frame-Options") != "DENY" || h.Get("Content-Type") != "text/html; charset=utf-8" ||
			!regexp.MustCompile(`^default-src 'none'; style-src 'nonce-[A-Z2-7]+'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$`).MatchString(h.Get("Content-Security-Policy")) {
			t.Errorf("%s: %v", why, h)
		}
		for _, part := range []string{"<title>", `<html lang="en">`, "width=device-width", "color-scheme:light dark", "<button>"} {
			if !strings.Contains(resp.Body, part) {
				t.Errorf("%s: no %s in %q", why, part, resp.Body)
			}
		}
		if strings.Contains(resp.Body, "<script") || strings.Contains(resp.Body, `<"x">`) {
			t.Errorf("%s: %q", why, resp.Body)
		}
		// The same browser sends no origin the second time either. The answer is not a
		// redirect, which form-action 'self' would stop.
		resp = b.Do("POST", "/auth/logout", fields, "Origin", "null", "Accept", "text/html")
		if b.LoggedIn() || resp.Status != 200 || !strings.Contains(resp.Body, `content="0; url=https://acme.auth0.example/oidc/logout?client_id=`) || !strings.Contains(resp.Body, url.QueryEscape("/other?a=1")) {
			t.Errorf("%s: %d %q, logged in %v", why, resp.Status, resp.Body, b.LoggedIn())
		}
	}
}

// The button works for its session, for ten minutes, and for nothing else.
func TestLogoutButtonIsBound(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Now, c.IdleTimeout = clock.Now, auth0.None })
	say := unknownOrigins["form, no referrer"].header
	ask := func(b *testkit.Browser) url.Values { return askedFields(t, b.Do("POST", "/auth/logout", nil, say...)) }
	b := e.Browser().MustLogin()
	stranger := e.Browser().MustLogin()
	fields := ask(b)
	if resp := stranger.Do("POST", "/auth/logout", fields, say...); !stranger.LoggedIn() {
		t.Errorf("the button of another session: %d", resp.Status)
	}
	for why, value := range map[string]string{"none": "", "nonsense": "x", "a cookie": b.Cookies[testkit.SessionCookie], "cut": fields.Get("confirm")[:40]} {
		if b.Do("POST", "/auth/logout", url.Values{"confirm": {value}}, say...); !b.LoggedIn() {
			t.Errorf("%s: logged out", why)
		}
	}
	if b.Do("GET", "/auth/logout?"+fields.Encode(), nil, "Accept", "text/html"); !b.LoggedIn() {
		t.Error("in a link: logged out")
	}
	// If another site is known to have sent the request, the button does not help it.
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null", "Sec-Fetch-Site", "cross-site"}} {
		if resp := b.Do("POST", "/auth/logout", fields, append(header, "Accept", "text/html")...); resp.Status != 403 || !b.LoggedIn() {
			t.Errorf("%v: %d, logged in %v", header, resp.Status, b.LoggedIn())
		}
	}
	clock.Add(601)
	if resp := b.Do("POST", "/auth/logout", fields, say...); !b.LoggedIn() || resp.Status != 200 {
		t.Errorf("after ten minutes: %d, logged in %v", resp.Status, b.LoggedIn())
	}
	clock.Add(-700)
	if b.Do("POST", "/auth/logout", fields, say...); !b.LoggedIn() {
		t.Error("from the future: logged out")
	}
	clock.Add(100)
	if b.Do("POST", "/auth/logout", fields, say...); b.LoggedIn() {
		t.Error("in time: still logged in")
	}
	// Scripts are not asked: they cannot answer.
	b = e.Browser().MustLogin()
	for _, header := range [][]string{{"Origin", "null"}, {"Origin", "null", "Accept", "*/*"}, {"Origin", "null", "Accept", "text/html", "X-Requested-With", "XMLHttpRequest"}} {
		if resp := b.Do("POST", "/auth/logout", nil, header...); resp.Status != 403 || !b.LoggedIn() {
			t.Errorf("%v: %d", header, resp.Status)
		}
	}
	// With a store that does not answer, the session is unknown.
	store := &testkit.HalfStore{Store: auth0.NewMemoryStore(10)}
	e = testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
	b = e.Browser().MustLogin()
	store.FailWith(http.ErrHandlerTimeout)
	if resp := b.Do("POST", "/auth/logout", nil, say...); resp.Status != 503 {
		t.Errorf("no answer from the store: %d", resp.Status)
	}
}

// TestLogoutWithoutSession never ends at the error page of the tenant. Without a
// hint of the session, /oidc/logout checks the tenant's own list of URLs.
func TestLogoutWithoutSession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why     string
		variant testkit.Variant
		edit    func(*auth0.Config)
		claims  func(header, claims map[string]any)
		login   bool
		want    string // beginning of the target
	}{
		{"nobody", testkit.StandardTenant, nil, nil, false, "https://acme.auth0.example/v2/logout?"},
		{"nobody, oidc chosen", testkit.StandardTenant, func(c *auth0.Config) { c.LogoutEndpoint = "oidc" }, nil, false, "https://acme.auth0.example/v2/logout?"},
		{"nobody, local", testkit.StandardTenant, func(c *auth0.Config) { c.LogoutEndpoint = "local" }, nil, false, testkit.AppURL},
		{"session without sid", testkit.StandardTenant, nil, testkit.Claim("sid", nil), true, "https://acme.auth0.example/v2/logout?"},
		{"hints taken back", testkit.StandardTenant, func(c *auth0.Config) {
			c.LogoutOptions = []auth0.LogoutOption{auth0.WithLogoutParam("logout_hint"), auth0.WithLogoutParam("id_token_hint")}
		}, nil, true, "https://acme.auth0.example/v2/logout?"},
		{"session", testkit.StandardTenant, nil, nil, true, "https://acme.auth0.example/oidc/logout?"},
		{"nobody, another provider", testkit.StandardTenant, func(c *auth0.Config) { c.Domain = "https://" + testkit.TenantHost }, nil, false, testkit.AppURL},
		{"session, another provider", testkit.StandardTenant, func(c *auth0.Config) { c.Domain = "https://" + testkit.TenantHost }, nil, true, "https://acme.auth0.example/oidc/logout?"},
	} {
		var edits []func(*auth0.Config)
		if tt.edit != nil {
			edits = append(edits, tt.edit)
		}
		e := testkit.SignedInAt(t, testkit.TenantConfig{Host: testkit.TenantHost, Discovery: tt.variant}, edits...)
		e.Tenant.EditIDToken(tt.claims)
		for _, do := range []func(*testkit.Browser) *testkit.Response{
			func(b *testkit.Browser) *testkit.Response { return b.Page("/auth/logout") },
			func(b *testkit.Browser) *testkit.Response {
				return b.Do("POST", "/auth/logout", url.Values{}, "Origin", testkit.AppURL)
			},
		} {
			b := e.Browser()
			if tt.login {
				b.MustLogin()
			}
			resp := do(b)
			to := resp.Location(t)
			if resp.Status != 303 || !strings.HasPrefix(to.String(), tt.want) {
				t.Fatalf("%s: %d to %s, want %s", tt.why, resp.Status, to, tt.want)
			}
			if to.Host != testkit.TenantHost {
				continue
			}
			w := httptest.NewRecorder()
			e.Tenant.ServeHTTP(w, httptest.NewRequest("GET", to.RequestURI(), nil))
			if back := w.Header().Get("Location"); back != testkit.AppURL {
				t.Errorf("%s: the tenant answers %d and leads to %q", tt.why, w.Code, back)
			}
		}
	}
	// A request of unknown origin without a session never leads to the tenant.
	for why, tt := range unknownOrigins {
		if resp := testkit.SignedIn(t).Browser().Do(tt.method, "/auth/logout", nil, tt.header...); resp.Status != 303 || resp.Header.Get("Location") != testkit.AppURL {
			t.Errorf("%s: %d to %q", why, resp.Status, resp.Header.Get("Location"))
		}
	}
}

// The pages of another base URL can be those of another customer: they end no session
// here, connect no account, and change nothing.
func TestAnotherBaseURLIsAnotherOrigin(t *testing.T) {
	t.Parallel()
	const other = "https://other.app.example"
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.BaseURLs = []string{other} })
	reached := 0
	e.Mux.Handle("/any", e.NewAPI().RequireTokenOrSession(e.Strategy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })))
	e.Mux.Handle("/connect", e.Strategy.ConnectAccountHandler())
	b := e.Browser().MustLogin()
	for _, header := range [][]string{
		{"Origin", other, "Sec-Fetch-Site", "same-site"},
		{"Origin", other},
		{"Origin", other, "Sec-Fetch-Site", "cross-site"},
	} {
		for _, path := range []string{"/auth/logout", "/any", "/connect?connection=github"} {
			if resp := b.Do("POST", path, url.Values{}, header...); resp.Status != 403 || !b.LoggedIn() {
				t.Errorf("POST %s %v: %d", path, header, resp.Status)
			}
		}
	}
	for _, header := range [][]string{{"Referer", other + "/"}, {"Origin", other}, {"Referer", other + "/", "Sec-Fetch-Site", "same-site"}} {
		if resp := b.Do("GET", "/auth/logout", nil, append(header, "Accept", "text/html")...); resp.Status != 403 || !b.LoggedIn() {
			t.Errorf("GET %v: %d", header, resp.Status)
		}
	}
	if reached != 0 {
		t.Error("the handler was reached")
	}
	// Its own pages do, behind a proxy that names the host, too.
	if b.Do("POST", "/any", url.Values{}, "Origin", testkit.AppURL); reached != 1 {
		t.Error("a page of ours is refused")
	}
	if resp := b.Do("POST", "/auth/logout", url.Values{}, "Origin", testkit.AppURL, "Sec-Fetch-Site", "same-origin"); resp.Status != 303 || b.LoggedIn() {
		t.Errorf("the button: %d", resp.Status)
	}
	there := e.Browser()
	resp := there.Do("POST", other+"/auth/logout", url.Values{}, "Origin", other)
	if resp.Status != 303 || !strings.Contains(resp.Header.Get("Location"), url.QueryEscape(other)) {
		t.Errorf("at the other base URL: %d to %s", resp.Status, resp.Header.Get("Location"))
	}
	// A host that is not a base URL of ours has no origin.
	if resp := b.Do("POST", "/any", url.Values{}, "Host", "evil.example", "Origin", "https://evil.example"); resp.Status < 400 || reached != 1 {
		t.Errorf("unknown host: %d", resp.Status)
	}
}
