package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

const silentName = "__Host-auth0_session_silent"

// silentEnv has a public page at /open that tries to log its visitors in.
func silentEnv(t *testing.T, edit ...func(*auth0.Config)) *testkit.Env {
	e := testkit.SignedIn(t, edit...)
	e.Mux.Handle("/open", e.Strategy.TrySilentLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "open %v %s", ok, user.Email)
	})))
	return e
}

// knownAtTenant returns a function that visits the tenant in a browser with a
// session there.
func knownAtTenant(t *testing.T, e *testkit.Env) func(*url.URL) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Jar:           jar,
		Transport:     testkit.Hosts{testkit.TenantHost: e.Tenant},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error { return testkit.StopAtApp(r) },
	}
	visit := func(u *url.URL) *url.URL {
		resp, err := client.Get(u.String())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		back, err := resp.Location()
		if err != nil {
			t.Fatalf("the tenant answers %d without a redirect: %v", resp.StatusCode, err)
		}
		return back
	}
	visit(e.Browser().Begin("/auth/login"))
	return visit
}

func TestSilentLogin(t *testing.T) {
	t.Parallel()
	e := silentEnv(t)
	visit := knownAtTenant(t, e)
	b := e.Browser()
	resp := b.Page("/open?a=b&c=%2F")
	target := resp.Location(t)
	if resp.Status != http.StatusFound || target.Host != testkit.TenantHost || target.Query().Get("prompt") != "none" || resp.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d to %s", resp.Status, target)
	}
	marker := resp.SetCookies(t)[silentName]
	if marker == nil || marker.MaxAge != 300 || !marker.HttpOnly || !marker.Secure || marker.SameSite != http.SameSiteLaxMode {
		t.Errorf("the marker is %v", marker)
	}
	resp = b.Callback(visit(target))
	if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/open?a=b&c=%2F" {
		t.Fatalf("callback: %d to %q; %s", resp.Status, resp.Header.Get("Location"), resp.Body)
	}
	if c := resp.SetCookies(t)[silentName]; c == nil || c.MaxAge >= 0 {
		t.Errorf("the marker of a login that came about is %v, want it deleted", c)
	}
	if body := b.Page("/open").Body; body != "open true ada@acme.example" {
		t.Errorf("after it: %q", body)
	}
}

// TestSilentLoginIsNotTried for requests without a page, or in a loop of redirects.
func TestSilentLoginIsNotTried(t *testing.T) {
	t.Parallel()
	e := silentEnv(t)
	tests := []struct {
		why, method, target string
		header              []string
		cookie              string
	}{
		{"script", "GET", "/open", []string{"Sec-Fetch-Mode", "cors", "Accept", "*/*"}, ""},
		{"anything", "GET", "/open", []string{"Accept", "*/*"}, ""},
		{"form", "POST", "/open", testkit.Navigation, ""},
		{"HEAD", "HEAD", "/open", testkit.Navigation, ""},
		{"prefetch", "GET", "/open", append([]string{"Sec-Purpose", "prefetch"}, testkit.Navigation...), ""},
		{"frame", "GET", "/open", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, ""},
		{"tried a moment ago", "GET", "/open", testkit.Navigation, silentName},
		{"browser without cookies, back from trying", "GET", "/open?silent_login=failed", testkit.Navigation, ""},
	}
	for _, tt := range tests {
		b := e.Browser()
		if tt.cookie != "" {
			b.Begin("/open")
			if b.Cookies[tt.cookie] == "" {
				t.Fatalf("no cookie %s", tt.cookie)
			}
		}
		resp := b.Do(tt.method, tt.target, nil, tt.header...)
		if resp.Status != http.StatusOK || tt.method != "HEAD" && resp.Body != "open false " || resp.Header.Get("Location") != "" {
			t.Errorf("%s: %d %q, to %q", tt.why, resp.Status, resp.Body, resp.Header.Get("Location"))
		}
	}
	if body := e.Browser().MustLogin().Page("/open").Body; body != "open true ada@acme.example" {
		t.Errorf("logged in: %q", body)
	}
}

// TestSilentLoginIsRefused: a visitor without a session at the tenant sees the
// page.
func TestSilentLoginIsRefused(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"login_required", "interaction_required", "consent_required", "account_selection_required"} {
		e := silentEnv(t)
		e.Tenant.LogOut()
		e.Tenant.DenyNext(code, "no")
		b := e.Browser()
		resp := b.Callback(b.AtTenant(b.Begin("/open?x=y")))
		if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/open?x=y" || len(b.Transactions()) != 0 {
			t.Errorf("%s: %d to %q, %d transactions left; %s", code, resp.Status, resp.Header.Get("Location"), len(b.Transactions()), resp.Body)
		}
		if body := b.Page("/open?x=y").Body; body != "open false " {
			t.Errorf("%s: then %q", code, body)
		}
	}
}

// TestSilentLoginIsUnwanted: the visitor did not ask to log in. If the tenant or
// the application denies access, the visitor sees the page as before.
func TestSilentLoginIsUnwanted(t *testing.T) {
	t.Parallel()
	refuse := func(context.Context, *auth0.Login) error { return errors.New("not you") }
	for why, edit := range map[string]func(*auth0.Config){
		"the tenant": func(*auth0.Config) {},
		"AfterLogin": func(c *auth0.Config) { c.AfterLogin = refuse },
		"AfterLogin, with a variable": func(c *auth0.Config) {
			c.AfterLogin = func(context.Context, *auth0.Login) error { return auth0.ErrForbidden }
		},
	} {
		var edits []func(*auth0.Config)
		if why != "the tenant" {
			edits = append(edits, edit)
		}
		e := silentEnv(t, edits...)
		if why == "the tenant" {
			e.Tenant.DenyNext("access_denied", "no")
		}
		b := e.Browser()
		resp := b.Callback(b.AtTenant(b.Begin("/open?x=y")))
		if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/open?x=y" || b.LoggedIn() {
			t.Errorf("%s: %d to %q, logged in %v; %s", why, resp.Status, resp.Header.Get("Location"), b.LoggedIn(), resp.Body)
		}
		if body := b.Page("/open?x=y").Body; body != "open false " {
			t.Errorf("%s: then %q", why, body)
		}
	}
}

// TestSilentLoginFails: a visitor of a public page sees the page, whatever fault the
// login has. The log names the fault.
func TestSilentLoginFails(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*testkit.Env){
		"nonce_mismatch":      func(e *testkit.Env) { e.Tenant.EditIDToken(testkit.Claim("nonce", "another")) },
		"authorization_error": func(e *testkit.Env) { e.Tenant.DenyNext("invalid_request", "no") },
		"tenant_unavailable":  func(e *testkit.Env) { e.Tenant.Fail(testkit.TokenEndpoint, 503) },
		"invalid_grant":       func(e *testkit.Env) { e.Tenant.Replace(testkit.TokenEndpoint, badCode) },
		"keys_unavailable":    func(e *testkit.Env) { e.Tenant.Fail(testkit.JWKSEndpoint, 503) },
	} {
		e := silentEnv(t)
		visit := knownAtTenant(t, e)
		spoil(e)
		b := e.Browser()
		resp := b.Callback(visit(b.Begin("/open?a=b")))
		if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/open?a=b" || b.LoggedIn() {
			t.Errorf("%s: %d to %q", why, resp.Status, resp.Header.Get("Location"))
		}
		if body := b.Page("/open?a=b").Body; body != "open false " {
			t.Errorf("%s: then %q", why, body)
		}
		if e.LastReason() != why {
			t.Errorf("%s: the log has %s", why, e.LastReason())
		}
	}
	// A user who has asked to log in sees the same answer as an error.
	e := silentEnv(t)
	e.Tenant.DenyNext("login_required", "no")
	b := e.Browser()
	if resp := b.Callback(b.AtTenant(b.Begin("/auth/login"))); resp.Status != http.StatusBadRequest {
		t.Errorf("a login by hand: %d", resp.Status)
	}
}

func TestSilentLoginAfterLogout(t *testing.T) {
	t.Parallel()
	e := silentEnv(t)
	b := e.Browser().MustLogin()
	b.Do("POST", "/auth/logout", nil, "Sec-Fetch-Site", "same-origin")
	if body := b.Page("/open").Body; body != "open false " {
		t.Errorf("the page after a logout: %q", body)
	}
	delete(b.Cookies, silentName) // five minutes later
	if resp := b.Page("/open"); resp.Status != http.StatusFound {
		t.Errorf("after the marker: %d", resp.Status)
	}
	// Without silent logins, a logout sets no such cookie.
	plain := testkit.SignedIn(t).Browser().MustLogin()
	if c := plain.Do("POST", "/auth/logout", nil, "Sec-Fetch-Site", "same-origin").SetCookies(t)[silentName]; c != nil {
		t.Errorf("without silent logins: %v", c)
	}
}

// badCode is the answer of the tenant to a code that it does not accept.
func badCode(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, `{"error":"invalid_grant"}`)
}

// TestSilentLoginWithoutCookies: one redirect, no error page, and no loop.
func TestSilentLoginWithoutCookies(t *testing.T) {
	t.Parallel()
	e := silentEnv(t)
	e.Tenant.LogOut()
	e.Tenant.DenyNext("login_required", "no")
	target := e.Browser().AtTenant(e.Browser().Begin("/open?x=y"))
	resp := e.Browser().Callback(target)
	if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/open?x=y&silent_login=failed" {
		t.Fatalf("%d to %q; %s", resp.Status, resp.Header.Get("Location"), resp.Body)
	}
	if page := e.Browser().Page(resp.Header.Get("Location")); page.Status != 200 || page.Body != "open false " {
		t.Errorf("then %d to %q", page.Status, page.Header.Get("Location"))
	}
	// The state of another application selects no page of this one.
	other := silentEnv(t, func(c *auth0.Config) { c.Secrets = []string{"another-secret-of-the-tests-that-is-good"} })
	if resp := other.Browser().Callback(target); resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, "Log in again") {
		t.Errorf("another application: %d %q", resp.Status, resp.Body)
	}
}

// anyEnv has a route that accepts a token or a session.
func anyEnv(t *testing.T) *testkit.Env {
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet()})
	if err != nil {
		t.Fatal(err)
	}
	e.Mux.Handle("/any", api.RequireTokenOrSession(e.Strategy)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, byToken := auth0.TokenFrom(r.Context())
		_, bySession := auth0.UserFrom(r.Context())
		claims, err := auth0.Claims[struct{ Aud, Email any }](r.Context())
		fmt.Fprintf(w, "token %v session %v claims %v %v %v", byToken, bySession, claims.Aud != nil, claims.Email != nil, err)
	})))
	return e
}

func TestRequireTokenOrSession(t *testing.T) {
	t.Parallel()
	e := anyEnv(t)
	b := e.Browser().MustLogin()
	token := "Bearer " + e.Tenant.AccessToken("bob@acme.example", testkit.Audience)
	expired := "Bearer " + e.Tenant.AccessToken("bob@acme.example", testkit.Audience, testkit.ClaimIn("exp", -60))
	const missing, challenge = `{"error":"unauthorized","error_description":"authentication required"}`, `Bearer realm="api"`
	tests := []struct {
		why, method string
		browser     *testkit.Browser
		header      []string
		status      int
		body        string
	}{
		{"token", "POST", e.Browser(), []string{"Authorization", token}, 200, "token true session false claims true false <nil>"},
		{"token of a stranger's page", "POST", e.Browser(), []string{"Authorization", token, "Sec-Fetch-Site", "cross-site"}, 200, "token true session false claims true false <nil>"},
		{"session", "GET", b, nil, 200, "token false session true claims false true <nil>"},
		{"session, POST of ours", "POST", b, []string{"Sec-Fetch-Site", "same-origin"}, 200, "token false session true claims false true <nil>"},
		{"session, old browser, POST of ours", "POST", b, []string{"Origin", testkit.AppURL}, 200, "token false session true claims false true <nil>"},
		{"session, GET of a stranger's page", "GET", b, []string{"Sec-Fetch-Site", "cross-site"}, 200, "token false session true claims false true <nil>"},
		{"neither", "GET", e.Browser(), nil, 401, missing},
		{"neither, a page", "GET", e.Browser(), testkit.Navigation, 401, missing},
		{"another scheme", "GET", e.Browser(), []string{"Authorization", "Basic dTpw"}, 401, missing},
		{"another scheme and a session", "GET", b, []string{"Authorization", "Basic dTpw"}, 200, "token false session true claims false true <nil>"},
		{"another scheme and a session, POST of a stranger's page", "POST", b, []string{"Authorization", "Basic dTpw", "Sec-Fetch-Site", "cross-site"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"bad token and a session", "GET", b, []string{"Authorization", expired}, 401, `{"error":"invalid_token","error_description":"token expired"}`},
		{"session, POST of a stranger's page", "POST", b, []string{"Sec-Fetch-Site", "cross-site"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"session, POST of a sibling", "DELETE", b, []string{"Sec-Fetch-Site", "same-site"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"session, old browser, POST of another", "POST", b, []string{"Origin", "https://evil.example"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"session, old browser, POST by http", "POST", b, []string{"Origin", "http://app.example"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
	}
	for _, tt := range tests {
		resp := tt.browser.Do(tt.method, "/any", nil, tt.header...)
		if resp.Status != tt.status || resp.Body != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.why, resp.Status, resp.Body, tt.status, tt.body)
		}
		if tt.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), challenge) {
			t.Errorf("%s: challenge %q", tt.why, resp.Header.Get("WWW-Authenticate"))
		}
		if tt.status == 200 && strings.HasPrefix(tt.why, "session") && resp.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: Cache-Control %q", tt.why, resp.Header.Get("Cache-Control"))
		}
	}
	preflight := []string{"Origin", "https://spa.example", "Access-Control-Request-Method", "POST"}
	if resp := e.Browser().Do("OPTIONS", "/any", nil, preflight...); resp.Status != 401 {
		t.Errorf("preflight: %d", resp.Status)
	}
}
