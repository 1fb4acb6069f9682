package auth0_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// FuzzRoutes sends anything to every route: no panic, no answer of 500 and
// above, nobody logged in, no redirect to anywhere but the tenant and ourselves,
// and nothing of the input in the page or in a header.
func FuzzRoutes(f *testing.F) {
	e := newEnv(f, func(c *auth0.Config) {
		c.Organizations = true
		c.LogoutEndpoint = "v2" // a fuzzer is no load test of the tenant's discovery
	})
	b := e.browser().mustLogin()
	redirects := reflect.TypeOf(http.RedirectHandler("/", http.StatusFound))
	f.Add("GET", "/auth/login", "returnTo=/x&connection=github&prompt=login", "", "")
	f.Add("GET", "/auth/login", "returnTo=//evil.example&screen_hint=signup&invitation=a&organization=org_1", "a=b", "")
	f.Add("GET", "/auth/callback", "state=x&code=y", sessionName+"=v1.AAAA; __Host-auth0_txn_AAAAAAAAAAAAAAAA=v1.AAAA", "")
	f.Add("GET", "/auth/callback", "state=x&error=%3Cscript%3E&error_description=%00%0d%0a", sessionName+".0=2:a; "+sessionName+".1=b", "")
	f.Add("POST", "/auth/logout", "returnTo=https://evil.example/", sessionName+"="+b.cookies[sessionName][:100], "a=b")
	f.Add("POST", "/auth/callback", "", "", "state=x&code=y&id_token=z")
	f.Add("GET", "/private", "x=y", "__Host-auth0_session_tries=3-99999999999", "")
	f.Add("GET", "//", "#%", "", "")
	f.Add("GET", "/auth/../", "#%", "", "")
	f.Add("GET", "/", "%zz&;", `"; \x00=; __Host-auth0_session="quoted"`, "")
	f.Fuzz(func(t *testing.T, method, target, query, cookies, body string) {
		u, err := url.ParseRequestURI("/" + strings.TrimPrefix(target, "/") + "?" + query)
		if err != nil {
			return // net/http answers it
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.Host = method, "app.example"
		r.URL = u
		if h, _ := e.mux.Handler(r); reflect.TypeOf(h) == redirects {
			return // http.ServeMux redirects to the clean path, with the query as it is
		}
		r.Header.Set("Cookie", cookies)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Site", "none")
		w := httptest.NewRecorder()
		e.app.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("status %d; log %s", w.Code, e.log)
		}
		if strings.HasPrefix(w.Body.String(), "home true") || strings.HasPrefix(w.Body.String(), "private") {
			t.Fatal("logged in")
		}
		for name, values := range w.Result().Header {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					t.Fatalf("%s: %q", name, v)
				}
			}
		}
		location, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if h := location.Host; h != "" && h != tenantHost && h != "app.example" {
			t.Fatalf("sent to %s", location)
		}
		if strings.HasPrefix(w.Header().Get("Location"), "//") {
			t.Fatalf("sent to %s", location)
		}
	})
}

// TestNoLeaks: requests leave no goroutine behind, and logins that nobody
// finishes nothing on the server.
//
// The bubble fails if a goroutine of it is left when the test function returns.
func TestNoLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		b := e.browser().mustLogin()
		e.strategy.GetConnections(t.Context())
		for range 500 {
			b.page("/")
			e.browser().page("/auth/login")
			e.browser().page("/auth/callback?state=x&code=y")
		}
	})
}

// TestLogHasNoSecrets logs at the lowest level while everything that can go
// wrong does, and looks for secrets afterwards.
func TestLogHasNoSecrets(t *testing.T) {
	e := newEnv(t, func(c *auth0.Config) { c.Audience, c.KeepIDToken = testAudience, true })
	var forbidden []string
	remember := func(texts ...string) { forbidden = append(forbidden, texts...) }
	remember("client-secret-SECRET", testSecret)
	e.mux.Handle("GET /token", e.strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, err := e.strategy.AccessToken(w, r); err == nil {
			remember(token.AccessToken, strings.Split(token.AccessToken, ".")[1])
		}
	})))
	faults := []func(){
		func() {},
		func() { e.tenant.EditIDToken(claim("nonce", "other")) },
		func() { e.tenant.EditIDToken(claim("aud", "other")) },
		func() { e.tenant.EditIDToken(header("kid", "other")) },
		func() { e.tenant.EditIDToken(in("exp", -1000)) },
		func() { e.tenant.SignWithForeignKey(true) },
		func() { e.tenant.Fail(emulator.Token, 500) },
		func() { e.tenant.Fail(emulator.Token, 403) },
		func() { e.tenant.Fail(emulator.JWKS, 500) },
		func() { e.tenant.Fail(emulator.Discovery, 500) },
		func() { e.tenant.Fail(emulator.Management, 403) },
		func() {
			e.tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["token_type"] = "odd" })
		},
	}
	for _, fault := range faults {
		fault()
		b := e.browser()
		u := b.begin("/auth/login?returnTo=/private")
		for _, v := range b.cookies {
			remember(v)
		}
		answer := b.atTenant(u)
		remember(u.Query().Get("state"), u.Query().Get("nonce"), answer.Query().Get("code"))
		for range 2 {
			b.callback(answer)
		}
		b.page("/token")
		for _, v := range b.cookies {
			remember(v)
		}
		e.strategy.GetConnections(t.Context())
		b.logout()
		if form := e.tenant.LastTokenRequest(); form != nil {
			remember(form.Get("code_verifier"))
		}
		e.tenant.EditIDToken(nil)
		e.tenant.EditTokenResponse(nil)
		e.tenant.SignWithForeignKey(false)
		for _, endpoint := range []emulator.Endpoint{emulator.Token, emulator.JWKS, emulator.Discovery, emulator.Management} {
			e.tenant.Fail(endpoint, 0)
		}
	}
	if len(forbidden) < 60 {
		t.Fatalf("only %d secrets were collected", len(forbidden))
	}
	log := e.log.String()
	if strings.Count(log, "\n") < 15 {
		t.Errorf("hardly anything was logged:\n%s", log)
	}
	for _, secret := range forbidden {
		if len(secret) > 3 && strings.Contains(log, secret) {
			t.Errorf("the log has %.60q", secret)
		}
	}
}
