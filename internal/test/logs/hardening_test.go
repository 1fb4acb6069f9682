package logs_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// FuzzRoutes sends anything to every route: no panic, no answer of 500 and
// above, nobody logged in, no redirect to anywhere but the tenant and ourselves,
// and nothing of the input in the page or in a header.
func FuzzRoutes(f *testing.F) {
	e := testkit.SignedIn(f, func(c *auth0.Config) {
		c.Organizations = true
		c.LogoutEndpoint = "v2" // a fuzzer is no load test of the tenant's discovery
	})
	b := e.Browser().MustLogin()
	redirects := reflect.TypeOf(http.RedirectHandler("/", http.StatusFound))
	f.Add("GET", "/auth/login", "returnTo=/x&connection=github&prompt=login", "", "")
	f.Add("GET", "/auth/login", "returnTo=//evil.example&screen_hint=signup&invitation=a&organization=org_1", "a=b", "")
	f.Add("GET", "/auth/callback", "state=x&code=y", testkit.SessionCookie+"=v1.AAAA; __Host-auth0_txn_AAAAAAAAAAAAAAAA=v1.AAAA", "")
	f.Add("GET", "/auth/callback", "state=x&error=%3Cscript%3E&error_description=%00%0d%0a", testkit.SessionCookie+".0=2:a; "+testkit.SessionCookie+".1=b", "")
	f.Add("POST", "/auth/logout", "returnTo=https://evil.example/", testkit.SessionCookie+"="+b.Cookies[testkit.SessionCookie][:100], "a=b")
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
		if h, _ := e.Mux.Handler(r); reflect.TypeOf(h) == redirects {
			return // http.ServeMux redirects to the clean path, with the query as it is
		}
		r.Header.Set("Cookie", cookies)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Site", "none")
		w := httptest.NewRecorder()
		e.App.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("status %d; log %s", w.Code, e.Log)
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
		if h := location.Host; h != "" && h != testkit.TenantHost && h != "app.example" {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		b := e.Browser().MustLogin()
		e.Strategy.GetConnections(t.Context())
		for range 500 {
			b.Page("/")
			e.Browser().Page("/auth/login")
			e.Browser().Page("/auth/callback?state=x&code=y")
		}
	})
}

// TestLogHasNoSecrets logs at the lowest level while everything that can go
// wrong does, and looks for secrets afterwards.
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience, c.KeepIDToken = testkit.Audience, true })
	var forbidden []string
	remember := func(texts ...string) { forbidden = append(forbidden, texts...) }
	remember("client-secret-SECRET", testkit.CookieSecret)
	e.Mux.Handle("GET /token", e.Strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, err := e.Strategy.AccessToken(w, r); err == nil {
			remember(token.AccessToken, strings.Split(token.AccessToken, ".")[1])
		}
	})))
	faults := []func(){
		func() {},
		func() { e.Tenant.EditIDToken(testkit.Claim("nonce", "other")) },
		func() { e.Tenant.EditIDToken(testkit.Claim("aud", "other")) },
		func() { e.Tenant.EditIDToken(testkit.Header("kid", "other")) },
		func() { e.Tenant.EditIDToken(testkit.ClaimIn("exp", -1000)) },
		func() { e.Tenant.SignWithForeignKey(true) },
		func() { e.Tenant.Fail(testkit.TokenEndpoint, 500) },
		func() { e.Tenant.Fail(testkit.TokenEndpoint, 403) },
		func() { e.Tenant.Fail(testkit.JWKSEndpoint, 500) },
		func() { e.Tenant.Fail(testkit.DiscoveryEndpoint, 500) },
		func() { e.Tenant.Fail(testkit.ManagementEndpoint, 403) },
		func() {
			e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["token_type"] = "odd" })
		},
	}
	for _, fault := range faults {
		fault()
		b := e.Browser()
		u := b.Begin("/auth/login?returnTo=/private")
		for _, v := range b.Cookies {
			remember(v)
		}
		answer := b.AtTenant(u)
		remember(u.Query().Get("state"), u.Query().Get("nonce"), answer.Query().Get("code"))
		for range 2 {
			b.Callback(answer)
		}
		b.Page("/token")
		for _, v := range b.Cookies {
			remember(v)
		}
		e.Strategy.GetConnections(t.Context())
		b.Logout()
		if form := e.Tenant.LastTokenRequest(); form != nil {
			remember(form.Get("code_verifier"))
		}
		e.Tenant.EditIDToken(nil)
		e.Tenant.EditTokenResponse(nil)
		e.Tenant.SignWithForeignKey(false)
		for _, endpoint := range []testkit.Endpoint{testkit.TokenEndpoint, testkit.JWKSEndpoint, testkit.DiscoveryEndpoint, testkit.ManagementEndpoint} {
			e.Tenant.Fail(endpoint, 0)
		}
	}
	if len(forbidden) < 60 {
		t.Fatalf("only %d secrets were collected", len(forbidden))
	}
	log := e.Log.String()
	if strings.Count(log, "\n") < 15 {
		t.Errorf("hardly anything was logged:\n%s", log)
	}
	for _, secret := range forbidden {
		if len(secret) > 3 && strings.Contains(log, secret) {
			t.Errorf("the log has %.60q", secret)
		}
	}
}
