package web_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestLogoutAtTenant(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser().MustLogin()
	b.Begin("/auth/login?prompt=login") // a login in another tab
	b.Cookies["__Host-other_txn_AAAAAAAAAAAAAAAA"] = "of another strategy"
	old := b.Clone()
	u := b.Logout()
	if got := u.Scheme + "://" + u.Host + u.Path; got != "https://acme.auth0.example/oidc/logout" {
		t.Errorf("sent to %s", got)
	}
	q := u.Query()
	if q.Get("client_id") != testkit.ClientID || q.Get("post_logout_redirect_uri") != "https://app.example" || q.Get("logout_hint") == "" || q.Get("id_token_hint") != "" || len(q) != 3 {
		t.Errorf("parameters %v", q)
	}
	maps.DeleteFunc(b.Cookies, func(name, _ string) bool { return strings.HasPrefix(name, "__Host-auth0_session_ended_") }) // for a second
	if b.LoggedIn() || len(b.Cookies) != 1 || b.Cookies["__Host-other_txn_AAAAAAAAAAAAAAAA"] == "" {
		t.Errorf("logged in %v, cookies %v", b.LoggedIn(), b.Cookies)
	}
	// The tenant accepts the request, and its session ends too.
	client := &http.Client{Transport: testkit.Hosts{testkit.TenantHost: e.Tenant}, CheckRedirect: func(r *http.Request, _ []*http.Request) error { return testkit.StopAtApp(r) }}
	resp, err := client.Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Location"); got != "https://app.example" {
		t.Errorf("the tenant answers %d and leads to %q", resp.StatusCode, got)
	}
	// This process has recorded that the session ended. Other processes have not; that
	// is documented.
	if old.Clone().LoggedIn() {
		t.Error("a copy of the cookie works after the logout")
	}
	old.Env = testkit.SignedIn(t, func(c *auth0.Config) { *c = e.Config })
	if !old.LoggedIn() {
		t.Error("a copy of the cookie does not work at another instance; the documentation says that it does")
	}
}

func TestLogoutEndpoints(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why     string
		variant testkit.Variant
		edit    func(*auth0.Config)
		want    string // beginning of the target
		status  int
	}{
		{"tenant with end_session_endpoint", testkit.StandardTenant, nil, "https://acme.auth0.example/oidc/logout?client_id=", 303},
		{"tenant without", testkit.OldTenant, nil, "https://acme.auth0.example/v2/logout?client_id=client-of-the-tests&returnTo=https%3A%2F%2Fapp.example", 303},
		{"v2 chosen", testkit.StandardTenant, func(c *auth0.Config) { c.LogoutEndpoint = "v2" }, "https://acme.auth0.example/v2/logout?client_id=client-of-the-tests&returnTo=https%3A%2F%2Fapp.example", 303},
		{"oidc chosen", testkit.StandardTenant, func(c *auth0.Config) { c.LogoutEndpoint = "oidc" }, "https://acme.auth0.example/oidc/logout?", 303},
		{"oidc chosen, not there", testkit.OldTenant, func(c *auth0.Config) { c.LogoutEndpoint = "oidc" }, "", 500},
		{"local", testkit.StandardTenant, func(c *auth0.Config) { c.LogoutEndpoint = "local" }, "https://app.example", 303},
		{"local, own target", testkit.StandardTenant, func(c *auth0.Config) {
			c.LogoutEndpoint, c.PostLogoutURLs = "local", []string{"https://www.example/bye", "https://app.example/bye"}
		}, "https://www.example/bye", 303},
		{"federated", testkit.StandardTenant, func(c *auth0.Config) {
			c.LogoutEndpoint, c.LogoutOptions = "v2", []auth0.LogoutOption{auth0.WithFederatedLogout()}
		}, "https://acme.auth0.example/v2/logout?client_id=client-of-the-tests&returnTo=https%3A%2F%2Fapp.example&federated", 303},
		{"state is not for v2", testkit.OldTenant, func(c *auth0.Config) { c.LogoutOptions = []auth0.LogoutOption{auth0.WithLogoutParam("state", "s")} }, "https://acme.auth0.example/v2/logout?client_id=client-of-the-tests&returnTo=https%3A%2F%2Fapp.example", 303},
	}
	for _, tt := range tests {
		var edits []func(*auth0.Config)
		if tt.edit != nil {
			edits = append(edits, tt.edit)
		}
		e := testkit.SignedInAt(t, testkit.TenantConfig{Host: testkit.TenantHost, Discovery: tt.variant}, edits...)
		b := e.Browser().MustLogin()
		resp := b.Page("/auth/logout")
		if got := resp.Header.Get("Location"); resp.Status != tt.status || !strings.HasPrefix(got, tt.want) || tt.want != "https://acme.auth0.example/oidc/logout?" && !strings.HasSuffix(tt.want, "client_id=") && got != tt.want {
			t.Errorf("%s: %d to %s\nwant %s", tt.why, resp.Status, got, tt.want)
		}
		if b.LoggedIn() {
			t.Errorf("%s: still logged in", tt.why)
		}
		// Without a session here, the tenant's session can still exist.
		resp = e.Browser().Page("/auth/logout")
		if resp.Status != tt.status || tt.status == 303 && (resp.Location(t).Query().Has("id_token_hint") || resp.Location(t).Query().Has("logout_hint")) {
			t.Errorf("%s: anonymous: %d to %s", tt.why, resp.Status, resp.Header.Get("Location"))
		}
	}
}

func TestLogoutHints(t *testing.T) {
	t.Parallel()
	big := ""
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.KeepIDToken = true })
	e.Tenant.EditIDToken(func(_, c map[string]any) { c["big"] = big })
	u := e.Browser().MustLogin().Logout()
	if q := u.Query(); strings.Count(q.Get("id_token_hint"), ".") != 2 || q.Get("logout_hint") == "" {
		t.Errorf("hints %v", q)
	}
	// A URL of more than 4 KiB would be rejected, and the user would stay logged in.
	big = strings.Repeat("x", 2500)
	u = e.Browser().MustLogin().Logout()
	if q := u.Query(); q.Has("id_token_hint") || q.Get("logout_hint") == "" || len(u.String()) > 4096 {
		t.Errorf("large token: URL of %d bytes, id_token_hint %v", len(u.String()), q.Has("id_token_hint"))
	}
	// No sid, no hint.
	e = testkit.SignedIn(t)
	e.Tenant.EditIDToken(testkit.Claim("sid", nil))
	if q := e.Browser().MustLogin().Logout().Query(); q.Has("logout_hint") {
		t.Errorf("hint %q without a sid", q.Get("logout_hint"))
	}
}

func TestLogoutOptions(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.KeepIDToken = true
		c.PostLogoutURLs = []string{"https://app.example/bye", "https://www.example/", "https://app.example/other"}
		c.LogoutOptions = []auth0.LogoutOption{auth0.WithLogoutParam("ui_locales", "de"), auth0.WithLogoutParam("x", "1")}
	})
	tests := []struct {
		why  string
		opts []auth0.LogoutOption
		path string
		want map[string]string // "-" for absent
	}{
		{"defaults", nil, "", map[string]string{"post_logout_redirect_uri": "https://app.example/bye", "ui_locales": "de", "x": "1"}},
		{"later one counts", []auth0.LogoutOption{auth0.WithLogoutParam("x", "2")}, "", map[string]string{"x": "2"}},
		{"empty is sent", []auth0.LogoutOption{auth0.WithLogoutParam("x", "")}, "", map[string]string{"x": ""}},
		{"taken back", []auth0.LogoutOption{auth0.WithLogoutParam("x")}, "", map[string]string{"x": "-"}},
		{"hints taken back", []auth0.LogoutOption{auth0.WithLogoutParam("id_token_hint"), auth0.WithLogoutParam("logout_hint")}, "", map[string]string{"id_token_hint": "-", "logout_hint": "-"}},
		{"state", []auth0.LogoutOption{auth0.WithLogoutParam("state", "s")}, "", map[string]string{"state": "s"}},
		{"relative target", []auth0.LogoutOption{auth0.WithLogoutReturnTo("/gone")}, "", map[string]string{"post_logout_redirect_uri": "https://app.example/gone"}},
		{"listed target", []auth0.LogoutOption{auth0.WithLogoutReturnTo("https://www.example/")}, "", map[string]string{"post_logout_redirect_uri": "https://www.example/"}},
		{"target that is not listed", []auth0.LogoutOption{auth0.WithLogoutReturnTo("https://evil.example/")}, "", map[string]string{"post_logout_redirect_uri": "https://app.example/bye"}},
		{"listed target in the query", nil, "?returnTo=https://www.example/", map[string]string{"post_logout_redirect_uri": "https://www.example/"}},
		{"listed path in the query", nil, "?returnTo=/other", map[string]string{"post_logout_redirect_uri": "https://app.example/other"}},
		{"path in the query that is not listed", nil, "?returnTo=/gone", map[string]string{"post_logout_redirect_uri": "https://app.example/bye"}},
		{"foreign target in the query", nil, "?returnTo=https://evil.example/", map[string]string{"post_logout_redirect_uri": "https://app.example/bye"}},
		{"protocol-relative target in the query", nil, "?returnTo=//evil.example/", map[string]string{"post_logout_redirect_uri": "https://app.example/bye"}},
		{"option before query", []auth0.LogoutOption{auth0.WithLogoutReturnTo("/gone")}, "?returnTo=https://www.example/", map[string]string{"post_logout_redirect_uri": "https://app.example/gone"}},
	}
	for _, tt := range tests {
		b := e.Browser().MustLogin()
		old := e.App
		e.App = e.Strategy.LogoutHandler(tt.opts...)
		q := b.Page("/auth/logout" + tt.path).Location(t).Query()
		e.App = old
		for name, want := range tt.want {
			if got := q.Get(name); want == "-" && q.Has(name) || want != "-" && (got != want || len(q[name]) != 1) {
				t.Errorf("%s: %s is %q, want %q", tt.why, name, q[name], want)
			}
		}
		if q.Get("client_id") != testkit.ClientID {
			t.Errorf("%s: client_id %q", tt.why, q.Get("client_id"))
		}
	}
	// The button of a form has the parameter as a link does. Any form logs out.
	for why, tt := range map[string]struct{ query, form, kind, want string }{
		"form":              {"", "returnTo=https://www.example/", "application/x-www-form-urlencoded", "https://www.example/"},
		"form before query": {"?returnTo=/other", "returnTo=https://www.example/", "application/x-www-form-urlencoded", "https://www.example/"},
		"query of the form": {"?returnTo=/other", "", "application/x-www-form-urlencoded", "https://app.example/other"},
		"foreign":           {"", "returnTo=https://evil.example/", "application/x-www-form-urlencoded", "https://app.example/bye"},
		"unreadable":        {"", "returnTo=%zz", "application/x-www-form-urlencoded", "https://app.example/bye"},
		"too large":         {"", "returnTo=https://www.example/&x=" + strings.Repeat("x", 70_000), "application/x-www-form-urlencoded", "https://app.example/bye"},
		"no form":           {"", "{}", "application/json", "https://app.example/bye"},
	} {
		b := e.Browser().MustLogin()
		r := httptest.NewRequest("POST", testkit.AppURL+"/auth/logout"+tt.query, strings.NewReader(tt.form))
		r.Header.Set("Content-Type", tt.kind)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for name, value := range b.Cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		resp := b.Send(r, r.URL)
		if got := resp.Location(t).Query().Get("post_logout_redirect_uri"); resp.Status != http.StatusSeeOther || got != tt.want || b.LoggedIn() {
			t.Errorf("%s: %d to %q, want %q; logged in %v", why, resp.Status, got, tt.want, b.LoggedIn())
		}
	}
	for why, option := range map[string]auth0.LogoutOption{
		"nil": nil, "client_id": auth0.WithLogoutParam("client_id", "x"), "target": auth0.WithLogoutParam("post_logout_redirect_uri", "x"), "returnTo": auth0.WithLogoutParam("returnTo", "x"),
		"CR LF": auth0.WithLogoutParam("x", "a\r\nb"), "no name": auth0.WithLogoutParam("", "x"), "long": auth0.WithLogoutParam("x", strings.Repeat("x", 1025)),
	} {
		cfg := e.Config
		cfg.LogoutOptions = []auth0.LogoutOption{option}
		if _, err := auth0.New(cfg); err == nil || !strings.Contains(err.Error(), "Config.LogoutOptions ") {
			t.Errorf("%s: New returns %v", why, err)
		}
		b := e.Browser().MustLogin()
		old := e.App
		e.App = e.Strategy.LogoutHandler(option)
		if resp := b.Page("/"); resp.Status != http.StatusInternalServerError {
			t.Errorf("%s: LogoutHandler answers %d", why, resp.Status)
		}
		e.App = old
	}
}

// TestLogoutFromOutside: no other site can log users out.
func TestLogoutFromOutside(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.App = e.Strategy.LoadUser(wholeApp(e))
	tests := []struct {
		why, method string
		header      []string
		status      int
	}{
		{"button", "POST", []string{"Sec-Fetch-Site", "same-origin", "Origin", testkit.AppURL}, 303},
		{"button, old browser", "POST", []string{"Origin", testkit.AppURL}, 303},
		{"button, proxy changes the host", "POST", []string{"Origin", testkit.AppURL, "Host", "internal:8080"}, 303},
		{"program", "POST", nil, 303},
		{"form of another site", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"form of another site, old browser", "POST", []string{"Origin", "https://evil.example"}, 403},
		{"form of a sister site", "POST", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://www.app.example"}, 403},
		{"form without origin", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
		{"form of the same host over http", "POST", []string{"Origin", "http://app.example"}, 403},
		{"link", "GET", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate"}, 303},
		{"typed", "GET", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1"}, 303},
		{"link in a mail program", "GET", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"}, 200},
		{"link, old browser", "GET", []string{"Referer", testkit.AppURL + "/page"}, 303},
		{"link on another site", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403},
		{"link on a sister site", "GET", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate"}, 403},
		{"image", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		{"own image", "GET", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		{"old browser says nothing", "GET", nil, 403},
		{"old browser, other site", "GET", []string{"Referer", "https://evil.example/https://app.example/"}, 403},
		{"old browser, longer name", "GET", []string{"Referer", testkit.AppURL + ".evil.example/"}, 403},
		{"old browser, same host over http", "GET", []string{"Referer", "http://app.example/"}, 403},
		{"HEAD", "HEAD", []string{"Sec-Fetch-Site", "same-origin"}, 204},
		{"prefetch", "GET", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch"}, 204},
		{"PUT", "PUT", []string{"Sec-Fetch-Site", "same-origin"}, 405},
	}
	for _, tt := range tests {
		b := e.Browser().MustLogin()
		resp := b.Do(tt.method, "/auth/logout", nil, tt.header...)
		if resp.Status != tt.status {
			t.Errorf("%s: %d, want %d", tt.why, resp.Status, tt.status)
		}
		if got := b.LoggedIn(); got != (tt.status != 303) {
			t.Errorf("%s: logged in %v", tt.why, got)
		}
	}
}

// wholeApp mounts the routes without methods, as a prefix does.
func wholeApp(e *testkit.Env) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", e.Strategy.Handler())
	mux.Handle("/", e.Mux)
	return mux
}

// TestLogoutWhileTenantIsDown: the session here ends at once.
func TestLogoutWhileTenantIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, fault := range []func(*testkit.Tenant){
			func(ten *testkit.Tenant) { ten.Fail(testkit.DiscoveryEndpoint, 503) },
			func(ten *testkit.Tenant) { ten.Delay(testkit.DiscoveryEndpoint, time.Hour) },
		} {
			e := testkit.SignedIn(t)
			b := e.Browser().MustLogin()
			b.Begin("/auth/login?prompt=login")
			fault(e.Tenant)
			begin := time.Now()
			if u := b.Logout(); u.String() != "https://app.example" {
				t.Errorf("sent to %s", u)
			}
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("after %v", d)
			}
			if b.LoggedIn() || len(b.Transactions()) != 0 || !strings.Contains(e.Log.String(), "session at the tenant is not ended") {
				t.Errorf("logged in %v, %d transactions, log:\n%s", b.LoggedIn(), len(b.Transactions()), e.Log)
			}
		}
	})
}

// TestEndIsNoticed: each response that ends a session changes a cookie that no login has
// set. Otherwise Chromium would keep the page before for the back button. A response that
// ends none changes nothing.
func TestEndIsNoticed(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	names := map[string]bool{}
	ended := regexp.MustCompile(`^__Host-auth0_session_ended_[A-Z0-9]{8}=1; Path=/; Max-Age=1; HttpOnly; Secure; SameSite=Lax$`)
	for range 2 {
		b := e.Browser().MustLogin()
		for _, want := range []int{1, 0} { // the second time, there is no session
			var found []string
			for _, line := range b.Page("/auth/logout").Header.Values("Set-Cookie") {
				if ended.MatchString(line) {
					found = append(found, line)
				}
			}
			if len(found) != want || want == 1 && names[found[0]] {
				t.Errorf("%d cookies of an ended session, want %d with a new name: %q", len(found), want, found)
			}
			for _, line := range found {
				names[line] = true
			}
		}
	}
}

// TestLogoutCookiePath: a logout deletes the cookie at the path where it was set.
func TestLogoutCookiePath(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.CookiePath = "/app" })
	b := e.Browser().MustLogin()
	b.Begin("/auth/login?prompt=login")
	resp := b.Page("/auth/logout")
	lines := slices.DeleteFunc(resp.Header.Values("Set-Cookie"), func(line string) bool { return strings.HasPrefix(line, "__Host-auth0_session_94lK-M_ended_") })
	if len(lines) != 2 {
		t.Errorf("%d deletions, want 2", len(lines))
	}
	for _, line := range lines {
		path := "/app"
		if strings.HasPrefix(line, "__Host-auth0_txn_") {
			path = "/" // only the callback needs it
		}
		if !strings.Contains(line, "; Path="+path+"; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("deletion %s", line)
		}
	}
}
