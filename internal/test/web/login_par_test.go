package web_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestPushedRequest: the parameters of the URL are posted, and the URL has only a
// reference.
func TestPushedRequest(t *testing.T) {
	t.Parallel()
	login := []auth0.LoginOption{auth0.WithParam("ext-campaign", "spring & all"), auth0.WithMaxAge(0), auth0.WithConnection("Username-Password-Authentication"), auth0.WithUILocales("de en")}
	plain, _ := testkit.SignedInTapped(t, nil, func(c *auth0.Config) { c.LoginOptions, c.PushedAuthorizationRequests = login, false })
	e, p := testkit.SignedInTapped(t, nil, func(c *auth0.Config) { c.LoginOptions = login })
	b := e.Browser()
	u := b.Begin("/auth/login?login_hint=ada@acme.example")
	q := u.Query()
	if got := u.Scheme + "://" + u.Host + u.Path; got != "https://acme.auth0.example/authorize" || len(q) != 2 || q.Get("client_id") != testkit.ClientID || !strings.HasPrefix(q.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
		t.Fatalf("sent to %s", u)
	}
	pushed := p.All("/oauth/par")[0]
	if got := pushed.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
		t.Errorf("Content-Type %q", got)
	}
	want := plain.Browser().Begin("/auth/login?login_hint=ada@acme.example").Query()
	form := maps.Clone(pushed.Form)
	if form.Get("client_secret") != "client-secret-SECRET" {
		t.Error("no client authentication")
	}
	form.Del("client_secret")
	for _, random := range []string{"state", "nonce", "code_challenge"} {
		if len(form.Get(random)) != 43 {
			t.Errorf("%s is %q", random, form.Get(random))
		}
		form.Set(random, want.Get(random))
	}
	if form.Encode() != want.Encode() {
		t.Errorf("pushed %s\nwant   %s", form.Encode(), want.Encode())
	}
	if resp := b.Callback(b.AtTenant(u)); resp.Status != http.StatusSeeOther || !b.LoggedIn() {
		t.Errorf("callback: %d %s; %s", resp.Status, resp.Body, e.Log)
	}

	authURL, transaction, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithReturnTo("/x"))
	if err != nil {
		t.Fatal(err)
	}
	u = testkit.Must(url.Parse(authURL))
	if len(u.Query()) != 2 {
		t.Errorf("AuthCodeURL: %s", u)
	}
	l, err := e.Strategy.Application().Exchange(t.Context(), transaction, b.AtTenant(u).Query())
	if err != nil || l.ReturnTo != "/x" {
		t.Errorf("%v, %v", l, err)
	}
}

// TestPushedRequestKeepsTheQuery of an authorization endpoint that has one (RFC
// 6749, Section 3.1).
func TestPushedRequestKeepsTheQuery(t *testing.T) {
	t.Parallel()
	e, p := testkit.SignedInTapped(t, nil, func(c *auth0.Config) { c.Domain = "https://" + testkit.TenantHost })
	e.Tenant.EditDiscovery(func(doc map[string]any) {
		doc["authorization_endpoint"] = "https://" + testkit.TenantHost + "/authorize?tenant=a"
	})
	u := e.Browser().Begin("/auth/login")
	if q := u.Query(); len(q) != 3 || q.Get("tenant") != "a" || q.Get("client_id") != testkit.ClientID || q.Get("request_uri") == "" {
		t.Errorf("sent to %s", u)
	}
	if form := p.All("/oauth/par")[0].Form; form.Has("tenant") || form.Get("response_type") != "code" {
		t.Errorf("pushed %v", form)
	}
}

// TestPushedRequestRefused: the login ends on an error page, and leaves no cookie.
func TestPushedRequestRefused(t *testing.T) {
	t.Parallel()
	answer := func(status int, kind, body string, header ...string) func(*testkit.Env) {
		return func(e *testkit.Env) {
			e.Tenant.Replace(testkit.PAREndpoint, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", kind)
				for i := 0; i < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			})
		}
	}
	const js = "application/json"
	const uri = `"urn:ietf:params:oauth:request_uri:x"`
	tests := []struct {
		why    string
		broken func(*testkit.Env)
		status int
		reason string
		code   string
		tenant int
		calls  int
	}{
		{"not advertised", func(e *testkit.Env) { e.Tenant.AllowPushedRequests(false) }, 500, "misconfigured", "server_error", 0, 0},
		{"on another origin", func(e *testkit.Env) {
			e.Tenant.EditDiscovery(func(doc map[string]any) {
				doc["pushed_authorization_request_endpoint"] = "https://evil.example/par"
			})
		}, 503, "tenant_unavailable", "temporarily_unavailable", 0, 0},
		{"discovery is down", func(e *testkit.Env) { e.Tenant.Fail(testkit.DiscoveryEndpoint, 503) }, 503, "tenant_unavailable", "temporarily_unavailable", 0, 0},
		{"client not believed", answer(401, js, `{"error":"access_denied","error_description":"Unauthorized"}`), 502, "tenant_answer", "access_denied", 401, 1},
		{"client not believed, newer", answer(401, js, `{"error":"invalid_client"}`), 502, "tenant_answer", "invalid_client", 401, 1},
		{"client not believed, with 400", answer(400, js, `{"error":"invalid_client"}`), 502, "tenant_answer", "invalid_client", 400, 1},
		{"client not allowed", answer(403, js, `{"error":"unauthorized_client"}`), 502, "tenant_answer", "unauthorized_client", 403, 1},
		{"text", answer(401, "text/plain", "Unauthorized"), 502, "tenant_answer", "server_error", 401, 1},
		{"request not good", answer(400, js, `{"error":"invalid_request","error_description":"the connection was not found"}`), 400, "authorization_error", "invalid_request", 400, 1},
		{"API unknown", answer(403, js, `{"error":"access_denied","error_description":"Service not found: x"}`), 502, "misconfigured", "access_denied", 403, 1},
		{"code with markup", answer(400, js, `{"error":"<script>"}`), 400, "authorization_error", "unknown_error", 400, 1},
		{"404 of the edge", answer(404, "text/html", "<html>"), 502, "tenant_answer", "server_error", 404, 1},
		{"rate limit", answer(429, js, `{"error":"too_many_requests"}`, "Retry-After", "7"), 503, "tenant_unavailable", "too_many_requests", 429, 1},
		{"server error", answer(500, "text/html", "<html>"), 503, "tenant_unavailable", "temporarily_unavailable", 500, 1},
		{"200", answer(200, js, `{"request_uri":`+uri+`,"expires_in":30}`), 502, "tenant_answer", "server_error", 200, 1},
		{"redirect", answer(307, "", "", "Location", "https://evil.example/"), 502, "tenant_answer", "server_error", 307, 1},
		{"no JSON", answer(201, js, "x"), 502, "tenant_answer", "server_error", 0, 1},
		{"no reference", answer(201, js, `{"expires_in":30}`), 502, "tenant_answer", "server_error", 0, 1},
		{"reference that is no text", answer(201, js, `{"request_uri":1}`), 502, "tenant_answer", "server_error", 0, 1},
		{"long reference", answer(201, js, `{"request_uri":"`+strings.Repeat("x", 2049)+`"}`), 502, "tenant_answer", "server_error", 0, 1},
		{"2 MiB", answer(201, js, `{"request_uri":"`+strings.Repeat("x", 2<<20)+`"}`), 502, "tenant_answer", "server_error", 0, 1},
		{"no answer", func(e *testkit.Env) { e.Tenant.Delay(testkit.PAREndpoint, time.Hour) }, 503, "tenant_unavailable", "temporarily_unavailable", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e, p := testkit.SignedInTapped(t, nil, func(c *auth0.Config) {
				if tt.why == "no answer" {
					c.HTTPClient.Timeout = 100 * time.Millisecond
				}
			})
			tt.broken(e)
			resp := e.Browser().Page("/auth/login?returnTo=/x")
			if resp.Status != tt.status || !strings.Contains(e.Log.String(), "reason="+tt.reason) {
				t.Errorf("status %d, want %d and %s; log %s", resp.Status, tt.status, tt.reason, e.Log)
			}
			if resp.Header.Get("Location") != "" || len(resp.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("headers %v", resp.Header)
			}
			want := map[bool]string{true: resp.Links()["Log in again"], false: resp.Links()["Try again"]}[tt.status < 500]
			if !strings.HasPrefix(want, "https://app.example/auth/login") && tt.status != 500 {
				t.Errorf("the page does not lead on: %q", resp.Body)
			}
			if got := resp.Header.Get("Retry-After"); (got == "7") != (tt.tenant == 429) {
				t.Errorf("Retry-After %q", got)
			}
			if got := len(p.All("/oauth/par")); got != tt.calls {
				t.Errorf("%d requests, want %d: they are not repeated", got, tt.calls)
			}
			_, transaction, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
			got, _ := errors.AsType[*auth0.Error](err)
			if tt.tenant == 429 {
				tt.status = 503 // the application waits, and sends no request
			}
			if got == nil || transaction != "" || got.Op != "login" || got.Status != tt.status || got.Reason != tt.reason || got.Code != tt.code || got.TenantStatus != tt.tenant {
				t.Errorf("AuthCodeURL: %+v", got)
			}
		})
	}
}

// TestPushedRequestBack: after an outage the next login works.
func TestPushedRequestBack(t *testing.T) {
	t.Parallel()
	e, _ := testkit.SignedInTapped(t, nil)
	e.Tenant.Fail(testkit.PAREndpoint, 503)
	if resp := e.Browser().Page("/auth/login"); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("%d", resp.Status)
	}
	e.Tenant.Fail(testkit.PAREndpoint, 0)
	e.Browser().MustLogin()
}

// TestPushedSilentLogin: a public page does not depend on the request.
func TestPushedSilentLogin(t *testing.T) {
	t.Parallel()
	e, p := testkit.SignedInTapped(t, nil)
	page := e.Strategy.TrySilentLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") }))
	e.Mux.Handle("GET /page", page)
	b := e.Browser()
	if resp := b.Page("/page"); resp.Status != http.StatusFound || p.All("/oauth/par")[0].Form.Get("prompt") != "none" {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	e.Tenant.Fail(testkit.PAREndpoint, 503)
	b = e.Browser()
	for range 3 {
		if resp := b.Page("/page"); resp.Status != 200 || resp.Body != "page" {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
	}
	if got := len(p.All("/oauth/par")); got != 2 {
		t.Errorf("%d requests, want 2: it is tried once in five minutes", got)
	}
}

// TestPushedByPublicClient sends the client id alone (RFC 9126, Section 2.1).
func TestPushedByPublicClient(t *testing.T) {
	t.Parallel()
	e, p := testkit.SignedInTapped(t, func(c *testkit.TenantClient) { c.Public = true }, func(c *auth0.Config) {
		c.ClientSecret, c.ClientAuthentication = "", auth0.PublicClient()
	})
	e.Browser().MustLogin()
	form := p.All("/oauth/par")[0].Form
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		if slices.Contains(slices.Collect(maps.Keys(form)), name) {
			t.Errorf("%s is sent", name)
		}
	}
}
