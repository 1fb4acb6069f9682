package auth0_test

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
)

const silentName = "__Host-auth0_session_silent"

// silentEnv has an open page at /open that tries to log its visitors in.
func silentEnv(t *testing.T, edit ...func(*auth0.Config)) *env {
	e := newEnv(t, edit...)
	e.mux.Handle("/open", e.strategy.TrySilentLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := auth0.UserFrom(r.Context())
		fmt.Fprintf(w, "open %v %s", ok, user.Email)
	})))
	return e
}

// knownAtTenant returns what goes to the tenant and back in a browser that has a
// session there.
func knownAtTenant(t *testing.T, e *env) func(*url.URL) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Jar:           jar,
		Transport:     hosts{tenantHost: e.tenant},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error { return stopAtApp(r) },
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
	visit(e.browser().begin("/auth/login"))
	return visit
}

func TestSilentLogin(t *testing.T) {
	e := silentEnv(t)
	visit := knownAtTenant(t, e)
	b := e.browser()
	resp := b.page("/open?a=b&c=%2F")
	target := resp.location(t)
	if resp.status != http.StatusFound || target.Host != tenantHost || target.Query().Get("prompt") != "none" || resp.header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d to %s", resp.status, target)
	}
	marker := resp.setCookies(t)[silentName]
	if marker == nil || marker.MaxAge != 300 || !marker.HttpOnly || !marker.Secure || marker.SameSite != http.SameSiteLaxMode {
		t.Errorf("the marker is %v", marker)
	}
	resp = b.callback(visit(target))
	if resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/open?a=b&c=%2F" {
		t.Fatalf("callback: %d to %q; %s", resp.status, resp.header.Get("Location"), resp.body)
	}
	if c := resp.setCookies(t)[silentName]; c == nil || c.MaxAge >= 0 {
		t.Errorf("the marker of a login that came about is %v, want it deleted", c)
	}
	if body := b.page("/open").body; body != "open true ada@acme.example" {
		t.Errorf("after it: %q", body)
	}
}

// TestSilentLoginIsNotTried for what is no page, or would go round in circles.
func TestSilentLoginIsNotTried(t *testing.T) {
	e := silentEnv(t)
	tests := []struct {
		why, method, target string
		header              []string
		cookie              string
	}{
		{"script", "GET", "/open", []string{"Sec-Fetch-Mode", "cors", "Accept", "*/*"}, ""},
		{"anything", "GET", "/open", []string{"Accept", "*/*"}, ""},
		{"form", "POST", "/open", asNavigation, ""},
		{"HEAD", "HEAD", "/open", asNavigation, ""},
		{"prefetch", "GET", "/open", append([]string{"Sec-Purpose", "prefetch"}, asNavigation...), ""},
		{"frame", "GET", "/open", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, ""},
		{"tried a moment ago", "GET", "/open", asNavigation, silentName},
		{"browser without cookies, back from trying", "GET", "/open?silent_login=failed", asNavigation, ""},
	}
	for _, tt := range tests {
		b := e.browser()
		if tt.cookie != "" {
			b.begin("/open")
			if b.cookies[tt.cookie] == "" {
				t.Fatalf("no cookie %s", tt.cookie)
			}
		}
		resp := b.do(tt.method, tt.target, nil, tt.header...)
		if resp.status != http.StatusOK || tt.method != "HEAD" && resp.body != "open false " || resp.header.Get("Location") != "" {
			t.Errorf("%s: %d %q, to %q", tt.why, resp.status, resp.body, resp.header.Get("Location"))
		}
	}
	if body := e.browser().mustLogin().page("/open").body; body != "open true ada@acme.example" {
		t.Errorf("logged in: %q", body)
	}
}

// TestSilentLoginIsRefused: who is not logged in at the tenant sees the page.
func TestSilentLoginIsRefused(t *testing.T) {
	for _, code := range []string{"login_required", "interaction_required", "consent_required", "account_selection_required"} {
		e := silentEnv(t)
		e.tenant.SignOut()
		e.tenant.DenyNext(code, "no")
		b := e.browser()
		resp := b.callback(b.atTenant(b.begin("/open?x=y")))
		if resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/open?x=y" || len(b.transactions()) != 0 {
			t.Errorf("%s: %d to %q, %d transactions left; %s", code, resp.status, resp.header.Get("Location"), len(b.transactions()), resp.body)
		}
		if body := b.page("/open?x=y").body; body != "open false " {
			t.Errorf("%s: then %q", code, body)
		}
	}
}

// TestSilentLoginIsUnwanted: nobody has asked to log in, so whom the tenant or the
// application turns away sees the page as before.
func TestSilentLoginIsUnwanted(t *testing.T) {
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
			e.tenant.DenyNext("access_denied", "no")
		}
		b := e.browser()
		resp := b.callback(b.atTenant(b.begin("/open?x=y")))
		if resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/open?x=y" || b.loggedIn() {
			t.Errorf("%s: %d to %q, logged in %v; %s", why, resp.status, resp.header.Get("Location"), b.loggedIn(), resp.body)
		}
		if body := b.page("/open?x=y").body; body != "open false " {
			t.Errorf("%s: then %q", why, body)
		}
	}
}

// TestSilentLoginFails: what is wrong is not passed over in silence.
func TestSilentLoginFails(t *testing.T) {
	for why, spoil := range map[string]func(*env){
		"nonce":      func(e *env) { e.tenant.EditIDToken(claim("nonce", "another")) },
		"asked code": func(e *env) { e.tenant.DenyNext("server_error", "no") },
	} {
		e := silentEnv(t)
		visit := knownAtTenant(t, e)
		spoil(e)
		b := e.browser()
		if resp := b.callback(visit(b.begin("/open"))); resp.status < 400 || resp.header.Get("Location") != "" {
			t.Errorf("%s: %d to %q", why, resp.status, resp.header.Get("Location"))
		}
	}
	// The same answer to a login that somebody has asked for is told.
	e := silentEnv(t)
	e.tenant.DenyNext("login_required", "no")
	b := e.browser()
	if resp := b.callback(b.atTenant(b.begin("/auth/login"))); resp.status != http.StatusBadRequest {
		t.Errorf("a login by hand: %d", resp.status)
	}
}

func TestSilentLoginAfterLogout(t *testing.T) {
	e := silentEnv(t)
	b := e.browser().mustLogin()
	b.do("POST", "/auth/logout", nil, "Sec-Fetch-Site", "same-origin")
	if body := b.page("/open").body; body != "open false " {
		t.Errorf("the page after a logout: %q", body)
	}
	delete(b.cookies, silentName) // five minutes later
	if resp := b.page("/open"); resp.status != http.StatusFound {
		t.Errorf("after the marker: %d", resp.status)
	}
	// Where nobody wants silent logins, a logout sets no such cookie.
	plain := newEnv(t).browser().mustLogin()
	if c := plain.do("POST", "/auth/logout", nil, "Sec-Fetch-Site", "same-origin").setCookies(t)[silentName]; c != nil {
		t.Errorf("without silent logins: %v", c)
	}
}

// TestSilentLoginWithoutCookies: one redirect, no error page, and no circle.
func TestSilentLoginWithoutCookies(t *testing.T) {
	e := silentEnv(t)
	e.tenant.SignOut()
	e.tenant.DenyNext("login_required", "no")
	target := e.browser().atTenant(e.browser().begin("/open?x=y"))
	resp := e.browser().callback(target)
	if resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/?silent_login=failed" {
		t.Fatalf("%d to %q; %s", resp.status, resp.header.Get("Location"), resp.body)
	}
	// A strategy that never tries answers such a callback with its page.
	if resp := newEnv(t).browser().callback(target); resp.status != http.StatusBadRequest || !strings.Contains(resp.body, "log in again") {
		t.Errorf("without silent logins: %d %q", resp.status, resp.body)
	}
}

// anyEnv has a route that takes a token or a session.
func anyEnv(t *testing.T) *env {
	e := newEnv(t, func(c *auth0.Config) { c.Audience = testAudience })
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: tenantHost, Audience: testAudience, Keys: e.strategy.KeySet()})
	if err != nil {
		t.Fatal(err)
	}
	e.mux.Handle("/any", api.RequireTokenOrSession(e.strategy)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, byToken := auth0.TokenFrom(r.Context())
		_, bySession := auth0.UserFrom(r.Context())
		claims, err := auth0.Claims[struct{ Aud, Email any }](r.Context())
		fmt.Fprintf(w, "token %v session %v claims %v %v %v", byToken, bySession, claims.Aud != nil, claims.Email != nil, err)
	})))
	return e
}

func TestRequireTokenOrSession(t *testing.T) {
	e := anyEnv(t)
	b := e.browser().mustLogin()
	token := "Bearer " + e.tenant.AccessToken("bob@acme.example", testAudience)
	expired := "Bearer " + e.tenant.AccessToken("bob@acme.example", testAudience, in("exp", -60))
	const missing, challenge = `{"error":"unauthorized","error_description":"authentication required"}`, `Bearer realm="api"`
	tests := []struct {
		why, method string
		browser     *browser
		header      []string
		status      int
		body        string
	}{
		{"token", "POST", e.browser(), []string{"Authorization", token}, 200, "token true session false claims true false <nil>"},
		{"token of a stranger's page", "POST", e.browser(), []string{"Authorization", token, "Sec-Fetch-Site", "cross-site"}, 200, "token true session false claims true false <nil>"},
		{"session", "GET", b, nil, 200, "token false session true claims false true <nil>"},
		{"session, POST of ours", "POST", b, []string{"Sec-Fetch-Site", "same-origin"}, 200, "token false session true claims false true <nil>"},
		{"session, old browser, POST of ours", "POST", b, []string{"Origin", appBase}, 200, "token false session true claims false true <nil>"},
		{"session, GET of a stranger's page", "GET", b, []string{"Sec-Fetch-Site", "cross-site"}, 200, "token false session true claims false true <nil>"},
		{"neither", "GET", e.browser(), nil, 401, missing},
		{"neither, a page", "GET", e.browser(), asNavigation, 401, missing},
		{"another scheme", "GET", e.browser(), []string{"Authorization", "Basic dTpw"}, 401, missing},
		{"another scheme and a session", "GET", b, []string{"Authorization", "Basic dTpw"}, 200, "token false session true claims false true <nil>"},
		{"another scheme and a session, POST of a stranger's page", "POST", b, []string{"Authorization", "Basic dTpw", "Sec-Fetch-Site", "cross-site"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"bad token and a session", "GET", b, []string{"Authorization", expired}, 401, `{"error":"invalid_token","error_description":"token expired"}`},
		{"session, POST of a stranger's page", "POST", b, []string{"Sec-Fetch-Site", "cross-site"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"session, POST of a sibling", "DELETE", b, []string{"Sec-Fetch-Site", "same-site"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"session, old browser, POST of another", "POST", b, []string{"Origin", "https://evil.example"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
		{"session, old browser, POST by http", "POST", b, []string{"Origin", "http://app.example"}, 403, `{"error":"access_denied","error_description":"requests from other sites are not allowed"}`},
	}
	for _, tt := range tests {
		resp := tt.browser.do(tt.method, "/any", nil, tt.header...)
		if resp.status != tt.status || resp.body != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.why, resp.status, resp.body, tt.status, tt.body)
		}
		if tt.status == 401 && !strings.HasPrefix(resp.header.Get("WWW-Authenticate"), challenge) {
			t.Errorf("%s: challenge %q", tt.why, resp.header.Get("WWW-Authenticate"))
		}
		if tt.status == 200 && strings.HasPrefix(tt.why, "session") && resp.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: Cache-Control %q", tt.why, resp.header.Get("Cache-Control"))
		}
	}
	preflight := []string{"Origin", "https://spa.example", "Access-Control-Request-Method", "POST"}
	if resp := e.browser().do("OPTIONS", "/any", nil, preflight...); resp.status != 401 {
		t.Errorf("preflight: %d", resp.status)
	}
}
