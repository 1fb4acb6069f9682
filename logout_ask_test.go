package auth0_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// askedFields returns the fields of the form of a page that asks whether to log out.
func askedFields(t *testing.T, resp *response) url.Values {
	t.Helper()
	if resp.status != http.StatusOK || !strings.Contains(resp.body, `<form method="post">`) {
		t.Fatalf("%d %q", resp.status, resp.body)
	}
	fields := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(resp.body, -1) {
		fields.Set(m[1], html.UnescapeString(m[2]))
	}
	return fields
}

// What a browser that says nothing sends, be it because it is old, or because of
// Referrer-Policy: no-referrer, or because a program has opened the link.
var unknownOrigins = map[string]struct {
	method string
	header []string
}{
	"form, no referrer":      {"POST", []string{"Origin", "null", "Accept", "text/html"}},
	"link, no referrer":      {"GET", []string{"Accept", "text/html,application/xhtml+xml"}},
	"link in a mail program": {"GET", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}},
}

// TestLogoutAsks: a logout whose origin nobody knows asks, and the second request
// logs out.
func TestLogoutAsks(t *testing.T) {
	for why, tt := range unknownOrigins {
		e := newEnv(t, func(c *auth0.Config) {
			c.PostLogoutURLs = []string{appBase + "/bye", appBase + "/other?a=1&b=%3C%22x%22%3E"}
		})
		b := e.browser().mustLogin()
		resp := b.do(tt.method, "/auth/logout?returnTo="+url.QueryEscape("/other?a=1&b=%3C%22x%22%3E"), nil, tt.header...)
		fields := askedFields(t, resp)
		if !b.loggedIn() || len(fields) != 2 {
			t.Errorf("%s: logged in %v, fields %v", why, b.loggedIn(), fields)
		}
		h := resp.header
		if h.Get("Cache-Control") != "private, no-store" || h.Get("X-Frame-Options") != "DENY" || h.Get("Content-Type") != "text/html; charset=utf-8" ||
			!regexp.MustCompile(`^default-src 'none'; style-src 'nonce-[A-Z2-7]+'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$`).MatchString(h.Get("Content-Security-Policy")) {
			t.Errorf("%s: %v", why, h)
		}
		for _, part := range []string{"<title>", `<html lang="en">`, "width=device-width", "color-scheme:light dark", "<button>"} {
			if !strings.Contains(resp.body, part) {
				t.Errorf("%s: no %s in %q", why, part, resp.body)
			}
		}
		if strings.Contains(resp.body, "<script") || strings.Contains(resp.body, `<"x">`) {
			t.Errorf("%s: %q", why, resp.body)
		}
		// The same browser says as little the second time. The answer is no redirect,
		// which form-action 'self' would stop.
		resp = b.do("POST", "/auth/logout", fields, "Origin", "null", "Accept", "text/html")
		if b.loggedIn() || resp.status != 200 || !strings.Contains(resp.body, `content="0; url=https://acme.auth0.example/oidc/logout?client_id=`) || !strings.Contains(resp.body, url.QueryEscape("/other?a=1")) {
			t.Errorf("%s: %d %q, logged in %v", why, resp.status, resp.body, b.loggedIn())
		}
	}
}

// The button is good for its session, for ten minutes, and for nothing else.
func TestLogoutButtonIsBound(t *testing.T) {
	clock := newClock()
	e := newEnv(t, func(c *auth0.Config) { c.Now, c.IdleTimeout = clock.now, auth0.None })
	say := unknownOrigins["form, no referrer"].header
	ask := func(b *browser) url.Values { return askedFields(t, b.do("POST", "/auth/logout", nil, say...)) }
	b := e.browser().mustLogin()
	stranger := e.browser().mustLogin()
	fields := ask(b)
	if resp := stranger.do("POST", "/auth/logout", fields, say...); !stranger.loggedIn() {
		t.Errorf("the button of another session: %d", resp.status)
	}
	for why, value := range map[string]string{"none": "", "nonsense": "x", "a cookie": b.cookies[sessionName], "cut": fields.Get("confirm")[:40]} {
		if b.do("POST", "/auth/logout", url.Values{"confirm": {value}}, say...); !b.loggedIn() {
			t.Errorf("%s: logged out", why)
		}
	}
	if b.do("GET", "/auth/logout?"+fields.Encode(), nil, "Accept", "text/html"); !b.loggedIn() {
		t.Error("in a link: logged out")
	}
	// Where another site is known to have asked, the button does not help it.
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null", "Sec-Fetch-Site", "cross-site"}} {
		if resp := b.do("POST", "/auth/logout", fields, append(header, "Accept", "text/html")...); resp.status != 403 || !b.loggedIn() {
			t.Errorf("%v: %d, logged in %v", header, resp.status, b.loggedIn())
		}
	}
	clock.add(601)
	if resp := b.do("POST", "/auth/logout", fields, say...); !b.loggedIn() || resp.status != 200 {
		t.Errorf("after ten minutes: %d, logged in %v", resp.status, b.loggedIn())
	}
	clock.add(-700)
	if b.do("POST", "/auth/logout", fields, say...); !b.loggedIn() {
		t.Error("from the future: logged out")
	}
	clock.add(100)
	if b.do("POST", "/auth/logout", fields, say...); b.loggedIn() {
		t.Error("in time: still logged in")
	}
	// Scripts are not asked: they could not answer.
	b = e.browser().mustLogin()
	for _, header := range [][]string{{"Origin", "null"}, {"Origin", "null", "Accept", "*/*"}, {"Origin", "null", "Accept", "text/html", "X-Requested-With", "XMLHttpRequest"}} {
		if resp := b.do("POST", "/auth/logout", nil, header...); resp.status != 403 || !b.loggedIn() {
			t.Errorf("%v: %d", header, resp.status)
		}
	}
	// With a store that does not answer, nobody knows whether there is something to end.
	store := &walkStore{Store: auth0.NewMemoryStore(10)}
	e = newEnv(t, func(c *auth0.Config) { c.Store = store })
	b = e.browser().mustLogin()
	store.fail(http.ErrHandlerTimeout)
	if resp := b.do("POST", "/auth/logout", nil, say...); resp.status != 503 {
		t.Errorf("no answer from the store: %d", resp.status)
	}
}

// TestLogoutWithoutSession never ends at the error page of the tenant, which goes by
// the tenant's own list of URLs if it is not told whose session to end.
func TestLogoutWithoutSession(t *testing.T) {
	for _, tt := range []struct {
		why     string
		variant emulator.Variant
		edit    func(*auth0.Config)
		claims  func(header, claims map[string]any)
		login   bool
		want    string // beginning of the target
	}{
		{"nobody", emulator.Standard, nil, nil, false, "https://acme.auth0.example/v2/logout?"},
		{"nobody, oidc chosen", emulator.Standard, func(c *auth0.Config) { c.LogoutEndpoint = "oidc" }, nil, false, "https://acme.auth0.example/v2/logout?"},
		{"nobody, local", emulator.Standard, func(c *auth0.Config) { c.LogoutEndpoint = "local" }, nil, false, appBase},
		{"session without sid", emulator.Standard, nil, claim("sid", nil), true, "https://acme.auth0.example/v2/logout?"},
		{"hints taken back", emulator.Standard, func(c *auth0.Config) {
			c.Logout = []auth0.LogoutOption{auth0.WithLogoutParam("logout_hint"), auth0.WithLogoutParam("id_token_hint")}
		}, nil, true, "https://acme.auth0.example/v2/logout?"},
		{"session", emulator.Standard, nil, nil, true, "https://acme.auth0.example/oidc/logout?"},
		{"nobody, another provider", emulator.Standard, func(c *auth0.Config) { c.Domain = "https://" + tenantHost }, nil, false, appBase},
		{"session, another provider", emulator.Standard, func(c *auth0.Config) { c.Domain = "https://" + tenantHost }, nil, true, "https://acme.auth0.example/oidc/logout?"},
	} {
		var edits []func(*auth0.Config)
		if tt.edit != nil {
			edits = append(edits, tt.edit)
		}
		e := newEnvOf(t, emulator.Config{Host: tenantHost, Discovery: tt.variant}, edits...)
		e.tenant.EditIDToken(tt.claims)
		for _, do := range []func(*browser) *response{
			func(b *browser) *response { return b.page("/auth/logout") },
			func(b *browser) *response { return b.do("POST", "/auth/logout", url.Values{}, "Origin", appBase) },
		} {
			b := e.browser()
			if tt.login {
				b.mustLogin()
			}
			resp := do(b)
			to := resp.location(t)
			if resp.status != 303 || !strings.HasPrefix(to.String(), tt.want) {
				t.Fatalf("%s: %d to %s, want %s", tt.why, resp.status, to, tt.want)
			}
			if to.Host != tenantHost {
				continue
			}
			w := httptest.NewRecorder()
			e.tenant.ServeHTTP(w, httptest.NewRequest("GET", to.RequestURI(), nil))
			if back := w.Header().Get("Location"); back != appBase {
				t.Errorf("%s: the tenant answers %d and leads to %q", tt.why, w.Code, back)
			}
		}
	}
	// Of a request that may come from anywhere, and has no session, nobody hears.
	for why, tt := range unknownOrigins {
		if resp := newEnv(t).browser().do(tt.method, "/auth/logout", nil, tt.header...); resp.status != 303 || resp.header.Get("Location") != appBase {
			t.Errorf("%s: %d to %q", why, resp.status, resp.header.Get("Location"))
		}
	}
}

// The pages of another base URL may be those of another customer: they end no session
// here, connect no account, and change nothing.
func TestAnotherBaseURLIsAnotherOrigin(t *testing.T) {
	const other = "https://other.app.example"
	e := newEnv(t, func(c *auth0.Config) { c.BaseURLs = []string{other} })
	reached := 0
	e.mux.Handle("/any", e.api().RequireTokenOrSession(e.strategy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })))
	e.mux.Handle("/connect", e.strategy.ConnectAccountHandler())
	b := e.browser().mustLogin()
	for _, header := range [][]string{
		{"Origin", other, "Sec-Fetch-Site", "same-site"},
		{"Origin", other},
		{"Origin", other, "Sec-Fetch-Site", "cross-site"},
	} {
		for _, path := range []string{"/auth/logout", "/any", "/connect?connection=github"} {
			if resp := b.do("POST", path, url.Values{}, header...); resp.status != 403 || !b.loggedIn() {
				t.Errorf("POST %s %v: %d", path, header, resp.status)
			}
		}
	}
	for _, header := range [][]string{{"Referer", other + "/"}, {"Origin", other}, {"Referer", other + "/", "Sec-Fetch-Site", "same-site"}} {
		if resp := b.do("GET", "/auth/logout", nil, append(header, "Accept", "text/html")...); resp.status != 403 || !b.loggedIn() {
			t.Errorf("GET %v: %d", header, resp.status)
		}
	}
	if reached != 0 {
		t.Error("the handler was reached")
	}
	// Its own pages do, behind a proxy that names the host, too.
	if b.do("POST", "/any", url.Values{}, "Origin", appBase); reached != 1 {
		t.Error("a page of ours is refused")
	}
	if resp := b.do("POST", "/auth/logout", url.Values{}, "Origin", appBase, "Sec-Fetch-Site", "same-origin"); resp.status != 303 || b.loggedIn() {
		t.Errorf("the button: %d", resp.status)
	}
	there := e.browser()
	resp := there.do("POST", other+"/auth/logout", url.Values{}, "Origin", other)
	if resp.status != 303 || !strings.Contains(resp.header.Get("Location"), url.QueryEscape(other)) {
		t.Errorf("at the other base URL: %d to %s", resp.status, resp.header.Get("Location"))
	}
	// A host that is no site of ours has no origin.
	if resp := b.do("POST", "/any", url.Values{}, "Host", "evil.example", "Origin", "https://evil.example"); resp.status < 400 || reached != 1 {
		t.Errorf("unknown host: %d", resp.status)
	}
}
