package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestCallback(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser()
	u := b.AtTenant(b.Begin("/auth/login?returnTo=/private"))
	resp := b.Callback(u)
	if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" {
		t.Fatalf("callback: %d to %q; body %q; log:\n%s", resp.Status, resp.Header.Get("Location"), resp.Body, e.Log)
	}
	if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control: %s", got)
	}
	if n := len(b.Transactions()); n != 0 {
		t.Errorf("%d transactions are left", n)
	}
	c := resp.SetCookies(t)["__Host-auth0_session"]
	if c == nil || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 24*60*60 {
		t.Errorf("session cookie %v", c)
	}
	if page := b.Page("/private"); page.Status != 200 || !strings.HasPrefix(page.Body, "private auth0|") {
		t.Errorf("private page: %d %q", page.Status, page.Body)
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

// TestCallbackAgain is the back button, the reload, the bookmark and the replay.
func TestCallbackAgain(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser()
	u := b.AtTenant(b.Begin("/auth/login?returnTo=/private"))
	b.Callback(u)
	before := b.Cookies["__Host-auth0_session"]
	for range 3 {
		resp := b.Callback(u)
		if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" {
			t.Errorf("callback again, logged in: %d to %q, want the page of the first", resp.Status, resp.Header.Get("Location"))
		}
	}
	if b.Cookies["__Host-auth0_session"] != before {
		t.Error("the session changed")
	}
	delete(b.Cookies, "__Host-auth0_session")
	if resp := b.Callback(u); resp.Status != http.StatusBadRequest {
		t.Errorf("callback again, logged out: %d, want 400", resp.Status)
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
}

// TestCallbackWithoutTransaction is a login that did not start in this browser: an
// attacker's code, or blocked cookies.
func TestCallbackWithoutTransaction(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	attacker := e.Browser()
	u := attacker.AtTenant(attacker.Begin("/auth/login"))
	resp := e.Browser().Callback(u)
	const want = "<p>We could not match this login to your browser. It may have taken too long, or cookies are blocked. Log in again.</p>"
	if resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, want) || !strings.Contains(resp.Body, "If it keeps happening, quote this reference: ") ||
		resp.Links()["Log in again"] != "https://app.example/auth/login" {
		t.Errorf("%d %q", resp.Status, resp.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin",
		"X-Frame-Options": "DENY", "Cache-Control": "private, no-store", "Location": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 0 {
		t.Errorf("%d token requests, want none", n)
	}
	// Another state does not match the transaction of this browser, and leaves it.
	b := e.Browser()
	own := b.Begin("/auth/login")
	if resp := b.Callback(u); resp.Status != http.StatusBadRequest || len(b.Transactions()) != 1 {
		t.Errorf("foreign state: %d, %d transactions left", resp.Status, len(b.Transactions()))
	}
	// The attacker's own state with another code: PKCE does not match.
	mixed := *u
	q := u.Query()
	q.Set("state", own.Query().Get("state"))
	mixed.RawQuery = q.Encode()
	if resp := b.Callback(&mixed); resp.Status != http.StatusBadRequest || b.LoggedIn() {
		t.Errorf("own state, foreign code: %d, logged in %v", resp.Status, b.LoggedIn())
	}
}

func TestCallbackParameters(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	for why, edit := range map[string]func(url.Values){
		"no state":           func(q url.Values) { q.Del("state") },
		"empty state":        func(q url.Values) { q.Set("state", "") },
		"state twice":        func(q url.Values) { q.Add("state", q.Get("state")) },
		"other state":        func(q url.Values) { q.Set("state", strings.Repeat("A", 43)) },
		"state of 10 kB":     func(q url.Values) { q.Set("state", strings.Repeat("A", 10_000)) },
		"no code":            func(q url.Values) { q.Del("code") },
		"empty code":         func(q url.Values) { q.Set("code", "") },
		"code twice":         func(q url.Values) { q.Add("code", q.Get("code")) },
		"code of 10 kB":      func(q url.Values) { q.Set("code", strings.Repeat("A", 10_000)) },
		"error twice":        func(q url.Values) { q["error"] = []string{"a", "b"} },
		"iss of another":     func(q url.Values) { q.Set("iss", "https://evil.example/") },
		"iss without slash":  func(q url.Values) { q.Set("iss", "https://acme.auth0.example") },
		"iss twice":          func(q url.Values) { q["iss"] = []string{"https://acme.auth0.example/", "https://acme.auth0.example/"} },
		"error and code":     func(q url.Values) { q.Set("error", "invalid_request") },
		"description of 1MB": func(q url.Values) { q.Set("error", "x"); q.Set("error_description", strings.Repeat("A", 1<<20)) },
	} {
		b := e.Browser()
		u := b.AtTenant(b.Begin("/auth/login"))
		q := u.Query()
		edit(q)
		u.RawQuery = q.Encode()
		calls := e.Tenant.Calls(testkit.TokenEndpoint)
		resp := b.Callback(u)
		if resp.Status != http.StatusBadRequest || b.LoggedIn() || e.Tenant.Calls(testkit.TokenEndpoint) != calls {
			t.Errorf("%s: status %d, logged in %v, %d token requests", why, resp.Status, b.LoggedIn(), e.Tenant.Calls(testkit.TokenEndpoint)-calls)
		}
		if len(resp.Body) > 3000 {
			t.Errorf("%s: a page of %d bytes", why, len(resp.Body))
		}
	}
	// The right issuer is accepted, and so are unknown parameters.
	b := e.Browser()
	u := b.AtTenant(b.Begin("/auth/login"))
	u.RawQuery += "&iss=" + url.QueryEscape("https://acme.auth0.example/") + "&session_state=x&future=y"
	if resp := b.Callback(u); resp.Status != http.StatusSeeOther {
		t.Errorf("with iss: %d %s", resp.Status, resp.Body)
	}
}

func TestCallbackMethods(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.App = e.Strategy.LoadUser(e.Strategy.Handler())
	b := e.Browser()
	u := b.AtTenant(b.Begin("/auth/login"))
	for _, method := range []string{"POST", "HEAD", "PUT"} {
		resp := b.Do(method, "/auth/callback", u.Query())
		if resp.Status != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET" {
			t.Errorf("%s: status %d, Allow %q", method, resp.Status, resp.Header.Get("Allow"))
		}
	}
	if resp := b.Callback(u); resp.Status != http.StatusSeeOther {
		t.Errorf("GET after that: %d", resp.Status)
	}
}

func TestFormPost(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.ResponseMode = "form_post" })
	begin := func() (*testkit.Browser, url.Values) {
		b := e.Browser()
		resp := b.Page("/auth/login")
		u := resp.Location(t)
		if got := u.Query().Get("response_mode"); got != "form_post" {
			t.Errorf("response_mode %q", got)
		}
		for name, c := range resp.SetCookies(t) {
			if !strings.HasPrefix(name, "__Host-auth0_txn_") || c.SameSite != http.SameSiteNoneMode || !c.Secure || !c.HttpOnly {
				t.Errorf("transaction cookie %s", c)
			}
		}
		// The tenant would answer with a form, whose fields are those of a query.
		q := u.Query()
		q.Set("response_mode", "query")
		u.RawQuery = q.Encode()
		return b, b.AtTenant(u).Query()
	}
	b, form := begin()
	resp := b.Do("POST", "/auth/callback", form, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "https://acme.auth0.example")
	if resp.Status != http.StatusSeeOther || !b.LoggedIn() {
		t.Errorf("form: %d %s", resp.Status, resp.Body)
	}
	if c := resp.SetCookies(t)["__Host-auth0_session"]; c == nil || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("session cookie %v, want SameSite=Lax", c)
	}
	e.App = e.Strategy.LoadUser(e.Strategy.Handler())
	bad := map[string]struct {
		status int
		do     func(b *testkit.Browser, form url.Values) *testkit.Response
	}{
		"empty form": {400, func(b *testkit.Browser, _ url.Values) *testkit.Response {
			return b.Do("POST", "/auth/callback", url.Values{})
		}},
		"GET": {400, func(b *testkit.Browser, form url.Values) *testkit.Response {
			return b.Page("/auth/callback?" + form.Encode())
		}},
		"query of a POST": {400, func(b *testkit.Browser, form url.Values) *testkit.Response {
			return b.Do("POST", "/auth/callback?"+form.Encode(), url.Values{})
		}},
		"JSON": {400, func(b *testkit.Browser, form url.Values) *testkit.Response {
			return b.Do("POST", "/auth/callback", form, "Content-Type", "application/json")
		}},
		"multipart": {400, func(b *testkit.Browser, form url.Values) *testkit.Response {
			return b.Do("POST", "/auth/callback", form, "Content-Type", "multipart/form-data; boundary=x")
		}},
		"100 kB": {400, func(b *testkit.Browser, form url.Values) *testkit.Response {
			form.Set("x", strings.Repeat("x", 100<<10))
			return b.Do("POST", "/auth/callback", form)
		}},
	}
	for why, tt := range bad {
		b, form := begin()
		if resp := tt.do(b, form); resp.Status != tt.status {
			t.Errorf("%s: status %d, want %d", why, resp.Status, tt.status)
		}
	}
	// On localhost a Secure cookie goes over http too, so there is no warning.
	cfg := e.Config
	cfg.BaseURL = "http://localhost:3000"
	before := len(e.Log.String())
	if _, err := auth0.New(cfg); err != nil || len(e.Log.String()) > before {
		t.Errorf("form_post on localhost: %v\n%s", err, e.Log.String()[before:])
	}
	cfg.BaseURL, cfg.InsecureHTTP = "http://192.0.2.7:3000", true
	if _, err := auth0.New(cfg); err == nil || !strings.Contains(err.Error(), "form_post needs https") {
		t.Errorf("form_post over http on another machine: %v", err)
	}
}

func TestErrorsFromTenant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code, description string
		status            int
		reason            string
	}{
		{"access_denied", "You are not allowed", 403, "authorization_denied"},
		{"unauthorized", "user is blocked", 403, "authorization_denied"},
		{"login_required", "Login required", 400, "authorization_error"},
		{"consent_required", "Consent required", 400, "authorization_error"},
		{"interaction_required", "Interaction is needed", 400, "authorization_error"},
		{"invalid_request", "the connection was not found", 400, "authorization_error"},
		{"code_of_the_tests", "described by the tests", 400, "authorization_error"},
		{"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, 400, "authorization_error"},
		{"x\r\nSet-Cookie: a=b", "line\nlevel=ERROR msg=forged \x1b[31m", 400, "authorization_error"},
	}
	for _, tt := range tests {
		var handled *auth0.Error
		e := testkit.SignedIn(t)
		b := e.Browser()
		u := b.Begin("/auth/login?returnTo=/private")
		e.Tenant.DenyNext(tt.code, tt.description)
		answer := b.AtTenant(u)
		resp := b.Clone().Callback(answer)
		if resp.Status != tt.status || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%.20q: status %d, %s", tt.code, resp.Status, resp.Header.Get("Content-Type"))
		}
		if strings.Contains(resp.Body, tt.code) || strings.Contains(resp.Body, tt.description) || strings.Contains(resp.Body, "alert(1)") || strings.Contains(resp.Body, "<img") {
			t.Errorf("%.20q: the page quotes the tenant: %s", tt.code, resp.Body)
		}
		if link := loginLink(t, resp); !strings.HasPrefix(link, "/auth/login?returnTo=%2Fprivate") ||
			strings.Contains(link, "prompt=login") != (tt.status == 403) {
			t.Errorf("%.20q: the page leads to %q", tt.code, link)
		}
		if strings.Contains(resp.Header.Get("Set-Cookie"), "a=b") {
			t.Error("a header was injected")
		}
		// The log has the error, on one line.
		found := false
		for line := range strings.Lines(e.Log.String()) {
			found = found || strings.Contains(line, "reason="+tt.reason) && strings.Contains(line, "op=callback")
			if strings.HasPrefix(line, "level=ERROR") || strings.ContainsAny(line, "\x1b\r") {
				t.Errorf("%.20q forged a log line: %q", tt.code, line)
			}
		}
		if !found {
			t.Errorf("%.20q is not in the log:\n%s", tt.code, e.Log)
		}
		// An application's own page gets the whole error.
		cfg := e.Config
		cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err *auth0.Error) {
			handled = err
			w.WriteHeader(err.Status)
			fmt.Fprint(w, "own page")
		}
		strategy, err := auth0.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		e.App = strategy.Handler()
		if resp := b.Callback(answer); resp.Status != tt.status || resp.Body != "own page" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%.20q: own page: %d %q", tt.code, resp.Status, resp.Body)
		}
		if handled == nil {
			t.Fatal("the handler was not called")
		}
		wantCode := tt.code
		if strings.ContainsAny(tt.code, "<\r") {
			wantCode = "unknown_error"
		}
		if handled.Op != "callback" || handled.Code != wantCode || handled.ReturnTo != "/private" || handled.Status != tt.status {
			t.Errorf("%.20q: the handler gets %+v", tt.code, handled)
		}
		if !strings.ContainsAny(tt.description, "\"\n") && !strings.Contains(handled.Err.Error(), tt.description) {
			t.Errorf("%.20q: the cause %v has not the description", tt.code, handled.Err)
		}
		if !strings.ContainsAny(tt.description, "\n") && (handled.TenantCode != tt.code || handled.TenantDescription != tt.description) {
			t.Errorf("%.20q: the handler gets %q, %q", tt.code, handled.TenantCode, handled.TenantDescription)
		}
		if link := loginLink(t, &testkit.Response{Body: handled.LoginURL}); !strings.HasPrefix(link, "/auth/login?returnTo=%2Fprivate") {
			t.Errorf("%.20q: the handler gets the link %q", tt.code, handled.LoginURL)
		}
		// Loading the page again shows the same refusal.
		first := *handled
		if resp := b.Callback(answer); resp.Status != tt.status || handled.Reason != first.Reason || handled.Description != first.Description ||
			handled.Code != first.Code || handled.ReturnTo != "/private" || handled.TenantCode != first.TenantCode {
			t.Errorf("%.20q: then %d, %+v", tt.code, resp.Status, handled)
		}
	}
}

func TestErrorHasAppState(t *testing.T) {
	t.Parallel()
	var handled *auth0.Error
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *auth0.Error) {
			handled = err
			w.WriteHeader(err.Status)
		}
	})
	e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(auth0.WithAppState(map[string]int{"a": 1}), auth0.WithReturnTo("/x")))
	b := e.Browser()
	u := b.Begin("/begin")
	e.Tenant.DenyNext("access_denied", "no")
	b.Callback(b.AtTenant(u))
	if handled == nil || handled.ReturnTo != "/x" || string(handled.AppState) != `{"a":1}` {
		t.Errorf("the handler gets %+v", handled)
	}
}

func TestTokenEndpointFaults(t *testing.T) {
	t.Parallel()
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	const js = "application/json"
	tests := []struct {
		why    string
		h      http.HandlerFunc
		status int
		reason string
	}{
		{"invalid code, as Auth0 says it", answer(403, js, `{"error":"invalid_grant","error_description":"Invalid authorization code"}`), 400, "invalid_grant"},
		{"invalid code, as RFC 6749 says it", answer(400, js, `{"error":"invalid_grant"}`), 400, "invalid_grant"},
		{"wrong client secret", answer(401, js, `{"error":"access_denied","error_description":"Unauthorized"}`), 502, "tenant_answer"},
		{"wrong client", answer(401, js, `{"error":"invalid_client"}`), 502, "tenant_answer"},
		{"grant not allowed", answer(403, js, `{"error":"unauthorized_client"}`), 502, "tenant_answer"},
		{"rate limit", answer(429, js, `{"error":"too_many_requests"}`), 503, "tenant_unavailable"},
		{"server error", answer(500, "text/html", "<html>SECRET-BODY"), 503, "tenant_unavailable"},
		{"server error in JSON", answer(503, js, `{"error":"temporarily_unavailable"}`), 503, "tenant_unavailable"},
		{"plain text", answer(401, "text/plain", "Unauthorized"), 502, "tenant_answer"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
		}, 502, "tenant_answer"},
		{"HTML with 200", answer(200, "text/html", "<html>"), 502, "tenant_answer"},
		{"no JSON", answer(200, js, "SECRET-BODY"), 502, "tenant_answer"},
		{"array", answer(200, js, "[]"), 502, "tenant_answer"},
		{"empty object", answer(200, js, "{}"), 502, "tenant_answer"},
		{"empty", answer(200, js, ""), 502, "tenant_answer"},
		{"error with 200", answer(200, js, `{"error":"invalid_grant"}`), 400, "invalid_grant"},
		{"no ID token", answer(200, js, `{"access_token":"SECRET-BODY","token_type":"Bearer","expires_in":1}`), 502, "tenant_answer"},
		{"ID token that is no text", answer(200, js, `{"access_token":"SECRET-BODY","token_type":"Bearer","id_token":1}`), 502, "tenant_answer"},
		{"other token type", answer(200, js, `{"access_token":"SECRET-BODY","token_type":"MAC","id_token":"a.b.c"}`), 502, "tenant_answer"},
		{"bound token that nobody asked for", answer(200, js, `{"access_token":"SECRET-BODY","token_type":"DPoP","id_token":"a.b.c"}`), 502, "token_not_bound"},
		{"lifetime that is not a number", answer(200, js, `{"access_token":"SECRET-BODY","token_type":"Bearer","expires_in":"soon","id_token":"a.b.c"}`), 502, "tenant_answer"},
		{"ID token that is none", answer(200, js, `{"access_token":"SECRET-BODY","token_type":"Bearer","expires_in":5,"id_token":"abc"}`), 400, "token_malformed"},
		{"2 MiB", answer(200, js, `{"access_token":"`+strings.Repeat("x", 2<<20)+`"}`), 502, "tenant_answer"},
	}
	for _, tt := range tests {
		e := testkit.SignedIn(t)
		b := e.Browser()
		u := b.AtTenant(b.Begin("/auth/login"))
		calls := 0
		e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) { calls++; tt.h(w, r) })
		resp := b.Callback(u)
		if resp.Status != tt.status || !strings.Contains(e.Log.String(), "reason="+tt.reason) {
			t.Errorf("%s: status %d, want %d and %s; log:\n%s", tt.why, resp.Status, tt.status, tt.reason, e.Log)
		}
		if calls != 1 {
			t.Errorf("%s: %d token requests, want 1: a code is never tried twice", tt.why, calls)
		}
		if b.LoggedIn() {
			t.Errorf("%s: logged in", tt.why)
		}
		// Loading the page again sends another request only if the tenant has not
		// decided, and after the time in its Retry-After.
		if resp := b.Callback(u); resp.Status != tt.status || (calls == 2) != (tt.status >= 500 && tt.why != "rate limit") {
			t.Errorf("%s: again: status %d, %d token requests", tt.why, resp.Status, calls)
		}
		for _, secret := range []string{"-SECRET", u.Query().Get("code"), u.Query().Get("state")} {
			if strings.Contains(e.Log.String(), secret) || strings.Contains(resp.Body, secret) {
				t.Errorf("%s: %q is in the log or on the page", tt.why, secret)
			}
		}
	}
}

func TestTokenEndpointOutOfReach(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.HTTPClient = &http.Client{Transport: testkit.Hosts{}} })
	b := e.Browser()
	u := b.AtTenant(b.Begin("/auth/login"))
	if resp := b.Callback(u); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", resp.Status)
	}
}

// TestSlowTenant: the answer comes within the time limit.
func TestSlowTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		b := e.Browser()
		u := b.AtTenant(b.Begin("/auth/login"))
		e.Tenant.Delay(testkit.TokenEndpoint, time.Hour)
		begin := time.Now()
		if resp := b.Callback(u); resp.Status != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", resp.Status)
		}
		if d := time.Since(begin); d > 5500*time.Millisecond {
			t.Errorf("after %v", d)
		}
	})
}

// TestCallerGone: a browser that goes away during the exchange has no session
// afterwards.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser()
	u := b.AtTenant(b.Begin("/auth/login"))
	ctx, cancel := context.WithCancel(t.Context())
	e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	next := e.App
	e.App = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r.WithContext(ctx)) })
	resp := b.Callback(u)
	if resp.SetCookies(t)["__Host-auth0_session"] != nil || resp.Status != 503 {
		t.Errorf("cookies %v, status %d", resp.Header.Values("Set-Cookie"), resp.Status)
	}
}

func TestTwoTabs(t *testing.T) {
	t.Parallel()
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		e := testkit.SignedIn(t)
		b := e.Browser()
		begun := []*url.URL{b.Begin("/auth/login?returnTo=/one"), b.Begin("/auth/login?returnTo=/two")}
		for _, i := range order {
			resp := b.Callback(b.AtTenant(begun[i]))
			if want := []string{"/one", "/two"}[i]; resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != want {
				t.Errorf("order %v: %d to %q, want %s", order, resp.Status, resp.Header.Get("Location"), want)
			}
		}
		if !b.LoggedIn() || len(b.Transactions()) != 0 {
			t.Errorf("order %v: logged in %v, %d transactions left", order, b.LoggedIn(), len(b.Transactions()))
		}
	}
}

func TestTransactionExpires(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]int{3599 * time.Second: 303, 3600 * time.Second: 400, 48 * time.Hour: 400} {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t)
			b := e.Browser() // it never deletes cookies, as a thief would not
			u := b.Begin("/auth/login")
			time.Sleep(age)
			if resp := b.Callback(b.AtTenant(u)); resp.Status != want {
				t.Errorf("after %v: %d, want %d", age, resp.Status, want)
			}
		})
	}
}

// TestDamagedTransaction: a damaged cookie gets the same answer as none.
func TestDamagedTransaction(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	session := e.Browser().MustLogin().Cookies["__Host-auth0_session"]
	for why, damage := range map[string]func(string) string{
		"empty":        func(string) string { return "" },
		"garbage":      func(string) string { return "garbage" },
		"cut":          func(s string) string { return s[:len(s)-1] },
		"longer":       func(s string) string { return s + "A" },
		"changed":      func(s string) string { return s[:len(s)-9] + strings.Repeat("A", 9) },
		"version":      func(s string) string { return "v2" + s[2:] },
		"a session":    func(string) string { return session },
		"large":        func(string) string { return strings.Repeat("A", 60<<10) },
		"in quotes":    func(s string) string { return `"` + s + "A" + `"` },
		"percent sign": func(s string) string { return strings.ReplaceAll(s, "v", "%76") },
	} {
		b := e.Browser()
		u := b.AtTenant(b.Begin("/auth/login"))
		for _, name := range b.Transactions() {
			b.Cookies[name] = damage(b.Cookies[name])
		}
		if resp := b.Callback(u); resp.Status != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", why, resp.Status)
		}
	}
	// A login transaction is not a session.
	b := e.Browser()
	b.Begin("/auth/login")
	for _, name := range b.Transactions() {
		b.Cookies["__Host-auth0_session"] = b.Cookies[name]
	}
	if b.LoggedIn() {
		t.Error("a transaction opens as a session")
	}
}

// TestTransactionIsForOneApplication: tenant, application and secret must be the
// same as at the start; a newer secret in front does not matter.
func TestTransactionIsForOneApplication(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	for why, tt := range map[string]struct {
		edit   func(*auth0.Config)
		status int
	}{
		"other tenant":      {func(c *auth0.Config) { c.Domain = "other.auth0.example" }, 400},
		"other application": {func(c *auth0.Config) { c.ClientID = "other" }, 400},
		"other secret":      {func(c *auth0.Config) { c.Secrets = []string{"other-secret-of-the-tests-that-is-new"} }, 400},
		"new secret in front": {func(c *auth0.Config) {
			c.Secrets = []string{"other-secret-of-the-tests-that-is-new", testkit.CookieSecret}
		}, 303},
		"other cookie name":     {func(c *auth0.Config) { c.CookieName = "second" }, 400},
		"base URL has changed":  {func(c *auth0.Config) { c.BaseURL = "https://new.example" }, 303},
		"nothing has":           {func(*auth0.Config) {}, 303},
		"default return to has": {func(c *auth0.Config) { c.DefaultReturnTo = "/new" }, 303},
	} {
		b := e.Browser()
		u := b.AtTenant(b.Begin("/auth/login"))
		cfg := e.Config
		tt.edit(&cfg)
		strategy, err := auth0.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		old := e.App
		e.App = strategy.Handler()
		if resp := b.Callback(u); resp.Status != tt.status {
			t.Errorf("%s: %d, want %d", why, resp.Status, tt.status)
		}
		if got := e.Tenant.LastTokenRequest().Get("redirect_uri"); tt.status == 303 && got != "https://app.example/auth/callback" {
			t.Errorf("%s: redirect_uri %q at the token endpoint", why, got)
		}
		e.App = old
	}
}

// TestTwoStrategies on one mux do not see each other.
func TestTwoStrategies(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	cfg := e.Config
	cfg.CookieName, cfg.LoginPath, cfg.CallbackPath, cfg.LogoutPath = "staff_session", "/staff/login", "/staff/callback", "/staff/logout"
	staff, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	staff.Register(e.Mux)
	e.Mux.Handle("GET /staff", staff.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "staff") })))
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
		c.CallbackURLs = append(c.CallbackURLs, "https://app.example/staff/callback")
	}); err != nil {
		t.Fatal(err)
	}
	b := e.Browser()
	one, two := b.Begin("/auth/login"), b.Begin("/staff/login")
	if resp := b.Callback(b.AtTenant(one)); resp.Status != http.StatusSeeOther {
		t.Fatalf("first: %d", resp.Status)
	}
	if resp := b.Page("/staff"); resp.Status != http.StatusFound {
		t.Errorf("logged in to the first only, the second answers %d", resp.Status)
	}
	if resp := b.Callback(b.AtTenant(two)); resp.Status != http.StatusSeeOther {
		t.Errorf("second: %d", resp.Status)
	}
	if resp := b.Page("/staff"); resp.Status != 200 {
		t.Errorf("logged in to both: %d", resp.Status)
	}
	b.Page("/staff/logout")
	if !b.LoggedIn() {
		t.Error("logout of the second ended the first")
	}
}

func TestAfterLogin(t *testing.T) {
	t.Parallel()
	var got *auth0.Login
	var refuse error
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.AfterLogin = func(ctx context.Context, l *auth0.Login) error {
			got = l
			l.Data["plan"] = "pro"
			l.User.Subject = "auth0|somebody-else"
			if l.ReturnTo == "/first" {
				l.ReturnTo = "/welcome"
			}
			if l.ReturnTo == "/evil" {
				l.ReturnTo = "https://evil.example/"
			}
			return refuse
		}
	})
	e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(auth0.WithAppState([]int{1, 2})))
	e.Mux.HandleFunc("GET /data", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.Strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(w, "%s %s", s.Data["plan"], s.User.Subject)
	})
	b := e.Browser()
	if resp := b.Login("/begin?returnTo=/first"); resp.Header.Get("Location") != "/welcome" {
		t.Errorf("sent to %q", resp.Header.Get("Location"))
	}
	if got.Token().AccessToken == "" || string(got.AppState) != "[1,2]" || got.User.Email != "ada@acme.example" {
		t.Errorf("the hook gets %v with state %s", got, got.AppState)
	}
	if body := b.Page("/data").Body; !strings.HasPrefix(body, "pro auth0|") || strings.Contains(body, "somebody-else") {
		t.Errorf("session %q: want the data of the hook, and the user of the token", body)
	}
	if resp := e.Browser().Login("/auth/login?returnTo=/evil"); resp.Header.Get("Location") != "/" {
		t.Errorf("a hook that passes on a bad URL: sent to %q", resp.Header.Get("Location"))
	}
	for _, tt := range []struct {
		err    error
		status int
	}{{errors.New("no answer"), 503}, {&auth0.Error{Status: 402, Reason: "unpaid", Description: "pay first"}, 402}, {fmt.Errorf("wrapped: %w", &auth0.Error{Status: 418}), 418},
		{auth0.ErrForbidden, 403}, {fmt.Errorf("not you: %w", auth0.ErrForbidden), 403}, {fmt.Errorf("wrapped: %w", auth0.ErrNoToken), 503}} {
		refuse = tt.err
		b := e.Browser()
		resp := b.Login("/auth/login")
		if resp.Status != tt.status || resp.SetCookies(t)["__Host-auth0_session"] != nil || b.LoggedIn() {
			t.Errorf("%v: status %d, logged in %v", tt.err, resp.Status, b.LoggedIn())
		}
	}
}

func TestSessionAtLogin(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Mux.HandleFunc("GET /note", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.Strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		if note := r.FormValue("note"); note != "" {
			s.Data["note"] = note
			if err := e.Strategy.SaveSession(w, r, s); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprintf(w, "%q", s.Data)
	})
	b := e.Browser().MustLogin()
	b.Page("/note?note=mine")
	before := b.Cookies["__Host-auth0_session"]
	b.Login("/auth/login?prompt=login")
	if after := b.Cookies["__Host-auth0_session"]; after == before || b.Page("/note").Body != `map["note":"mine"]` {
		t.Errorf("same person again: data %s, same cookie %v", b.Page("/note").Body, after == before)
	}
	e.SignInAtTenant("bob@acme.example")
	b.Login("/auth/login?prompt=login")
	if got := b.Page("/note").Body; got != "map[]" {
		t.Errorf("another person finds %s", got)
	}
	if body := b.Page("/").Body; body != "home true bob@acme.example" {
		t.Errorf("logged in as %q", body)
	}
}

// TestInterleavedUsers logs in and opens pages as two users at once.
func TestInterleavedUsers(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	var wg sync.WaitGroup
	emails := []string{"ada@acme.example", "bob@acme.example"}
	var browsers []*testkit.Browser
	for _, email := range emails {
		e.SignInAtTenant(email)
		browsers = append(browsers, e.Browser().MustLogin())
	}
	for i := range 8 {
		wg.Go(func() {
			b := browsers[i%2].Clone()
			for range 500 {
				if got, want := b.Page("/").Body, "home true "+emails[i%2]; got != want {
					t.Errorf("%q, want %q", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	with := func(claims map[string]any) func(_, c map[string]any) {
		return func(_, c map[string]any) {
			delete(c, "org_id")
			delete(c, "org_name")
			for k, v := range claims {
				c[k] = v
			}
		}
	}
	tests := []struct {
		why, asked string
		claims     map[string]any
		status     int
	}{
		{"id", "org_1", map[string]any{"org_id": "org_1"}, 303},
		{"other id", "org_1", map[string]any{"org_id": "org_2"}, 403},
		{"id in another case", "org_1", map[string]any{"org_id": "ORG_1"}, 403},
		{"no claim", "org_1", nil, 403},
		{"name only, id asked", "org_1", map[string]any{"org_name": "org_1"}, 403},
		{"number", "org_1", map[string]any{"org_id": 1}, 400},
		{"name", "acme", map[string]any{"org_id": "org_1", "org_name": "acme"}, 303},
		{"name in another case", "ACME", map[string]any{"org_id": "org_1", "org_name": "acme"}, 303},
		{"other name", "acme", map[string]any{"org_id": "org_1", "org_name": "acme2"}, 403},
		{"no name", "acme", map[string]any{"org_id": "org_1"}, 403},
		{"none asked, one given", "", map[string]any{"org_id": "org_1"}, 303},
	}
	for _, tt := range tests {
		e := testkit.SignedIn(t)
		e.Tenant.EditIDToken(with(tt.claims))
		var opts []auth0.LoginOption
		if tt.asked != "" {
			opts = append(opts, auth0.WithOrganization(tt.asked))
		}
		if status := loginWith(e, opts...); status != tt.status {
			t.Errorf("%s: %d, want %d", tt.why, status, tt.status)
		}
	}
	asked := ""
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.CheckOrganization = func(_ context.Context, id string) error {
			asked = id
			if id == "org_good" {
				return nil
			}
			return fmt.Errorf("unknown customer: %w", auth0.ErrForbidden)
		}
	})
	for id, want := range map[any]int{"org_good": 303, "org_bad": 403, "": 403, nil: 403} {
		claims := map[string]any{}
		if id != nil {
			claims["org_id"] = id
		}
		e.Tenant.EditIDToken(with(claims))
		asked = ""
		if status := loginWith(e); status != want || id != nil && asked != id {
			t.Errorf("CheckOrganization with %v: %d, want %d; it was asked about %q", id, status, want, asked)
		}
	}
}

// loginWith logs in with options and returns the status of the callback. The
// tenant does not see the options.
func loginWith(e *testkit.Env, opts ...auth0.LoginOption) int {
	e.T.Helper()
	b := e.Browser()
	e.App = e.Strategy.LoginHandler(opts...)
	u := b.Begin("/")
	e.App = e.Strategy.LoadUser(e.Mux)
	q := u.Query()
	for _, name := range []string{"organization", "invitation", "max_age", "acr_values", "connection"} {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return b.Callback(b.AtTenant(u)).Status
}

func TestUserClaims(t *testing.T) {
	t.Parallel()
	extra := map[string]any{
		"https://acme.example/roles": []string{"admin"}, "act": map[string]any{"sub": "auth0|support"}, "org_id": "org_1", "plan": "pro",
		"email_verified": "true", "name": 7, "big": json.Number("9007199254740993"),
	}
	edit := func(_, c map[string]any) {
		for k, v := range extra {
			c[k] = v
		}
	}
	var claims map[string]any
	var typed struct {
		Big  int64    `json:"big"`
		Role []string `json:"https://acme.example/roles"`
	}
	var user auth0.User
	read := func(e *testkit.Env) {
		e.Mux.HandleFunc("GET /claims", func(w http.ResponseWriter, r *http.Request) {
			var err error
			if claims, err = auth0.Claims[map[string]any](r.Context()); err != nil {
				t.Error(err)
			}
			typed, err = auth0.Claims[struct {
				Big  int64    `json:"big"`
				Role []string `json:"https://acme.example/roles"`
			}](r.Context())
			if err != nil {
				t.Error(err)
			}
			user, _ = auth0.UserFrom(r.Context())
		})
		e.Tenant.EditIDToken(edit)
		b := e.Browser().MustLogin()
		b.Page("/claims")
	}
	read(testkit.SignedIn(t))
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nonce", "sid", "at_hash", "azp", "auth_time"} {
		if _, ok := claims[name]; ok {
			t.Errorf("the session keeps %s", name)
		}
	}
	for _, name := range []string{"https://acme.example/roles", "act", "org_id", "plan", "email"} {
		if _, ok := claims[name]; !ok {
			t.Errorf("the session does not keep %s", name)
		}
	}
	if typed.Big != 9007199254740993 || len(typed.Role) != 1 {
		t.Errorf("typed claims %+v", typed)
	}
	if user.EmailVerified || user.Name != "" || user.OrgID != "org_1" || user.Issuer != "https://acme.auth0.example/" {
		t.Errorf("user %+v: a text is not a JSON true, a number is not a name", user)
	}
	if v, ok := user.Claim("plan"); !ok || v != "pro" {
		t.Errorf("Claim(plan) = %v, %v", v, ok)
	}
	if _, ok := user.Claim("Plan"); ok {
		t.Error("names of claims are exact")
	}
	read(testkit.SignedIn(t, func(c *auth0.Config) {
		c.KeepClaim = func(name string) bool { return name == "plan" || name == "iss" || name == "big" }
	}))
	if len(claims) != 3 || claims["iss"] != "https://acme.auth0.example/" || claims["plan"] != "pro" || user.Email != "" {
		t.Errorf("own filter keeps %v", claims)
	}
}
