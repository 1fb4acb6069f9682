package auth0_test

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
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// TestPushedRequest: what would have been in the URL is posted, and the URL has
// nothing but a reference.
func TestPushedRequest(t *testing.T) {
	login := []auth0.LoginOption{auth0.WithParam("ext-campaign", "spring & all"), auth0.WithMaxAge(0), auth0.WithConnection("Username-Password-Authentication"), auth0.WithUILocales("de en")}
	plain, _ := authEnv(t, nil, func(c *auth0.Config) { c.Login, c.PushedAuthorizationRequests = login, false })
	e, p := authEnv(t, nil, func(c *auth0.Config) { c.Login = login })
	b := e.browser()
	u := b.begin("/auth/login?login_hint=ada@acme.example")
	q := u.Query()
	if got := u.Scheme + "://" + u.Host + u.Path; got != "https://acme.auth0.example/authorize" || len(q) != 2 || q.Get("client_id") != testClientID || !strings.HasPrefix(q.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
		t.Fatalf("sent to %s", u)
	}
	pushed := p.all("/oauth/par")[0]
	if got := pushed.header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
		t.Errorf("Content-Type %q", got)
	}
	want := plain.browser().begin("/auth/login?login_hint=ada@acme.example").Query()
	form := maps.Clone(pushed.form)
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
	if resp := b.callback(b.atTenant(u)); resp.status != http.StatusSeeOther || !b.loggedIn() {
		t.Errorf("callback: %d %s; %s", resp.status, resp.body, e.log)
	}

	authURL, transaction, err := e.strategy.AuthCodeURL(t.Context(), auth0.WithReturnTo("/x"))
	if err != nil {
		t.Fatal(err)
	}
	u = must(url.Parse(authURL))
	if len(u.Query()) != 2 {
		t.Errorf("AuthCodeURL: %s", u)
	}
	l, err := e.strategy.Exchange(t.Context(), transaction, b.atTenant(u).Query())
	if err != nil || l.ReturnTo != "/x" {
		t.Errorf("%v, %v", l, err)
	}
}

// TestPushedRequestKeepsTheQuery of an authorization endpoint that has one (RFC
// 6749, Section 3.1).
func TestPushedRequestKeepsTheQuery(t *testing.T) {
	e, p := authEnv(t, nil, func(c *auth0.Config) { c.Domain = "https://" + tenantHost })
	e.tenant.EditDiscovery(func(doc map[string]any) {
		doc["authorization_endpoint"] = "https://" + tenantHost + "/authorize?tenant=a"
	})
	u := e.browser().begin("/auth/login")
	if q := u.Query(); len(q) != 3 || q.Get("tenant") != "a" || q.Get("client_id") != testClientID || q.Get("request_uri") == "" {
		t.Errorf("sent to %s", u)
	}
	if form := p.all("/oauth/par")[0].form; form.Has("tenant") || form.Get("response_type") != "code" {
		t.Errorf("pushed %v", form)
	}
}

// TestPushedRequestRefused: the login ends on an error page, and leaves nothing
// behind.
func TestPushedRequestRefused(t *testing.T) {
	answer := func(status int, kind, body string, header ...string) func(*env) {
		return func(e *env) {
			e.tenant.Replace(emulator.PAR, func(w http.ResponseWriter, r *http.Request) {
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
		broken func(*env)
		status int
		reason string
		code   string
		tenant int
		calls  int
	}{
		{"not advertised", func(e *env) { e.tenant.AllowPushedRequests(false) }, 500, "misconfigured", "server_error", 0, 0},
		{"on another origin", func(e *env) {
			e.tenant.EditDiscovery(func(doc map[string]any) {
				doc["pushed_authorization_request_endpoint"] = "https://evil.example/par"
			})
		}, 502, "tenant_unavailable", "temporarily_unavailable", 0, 0},
		{"discovery is down", func(e *env) { e.tenant.Fail(emulator.Discovery, 503) }, 502, "tenant_unavailable", "temporarily_unavailable", 0, 0},
		{"client not believed", answer(401, js, `{"error":"access_denied","error_description":"Unauthorized"}`), 502, "tenant_answer", "access_denied", 401, 1},
		{"client not believed, newer", answer(401, js, `{"error":"invalid_client"}`), 502, "tenant_answer", "invalid_client", 401, 1},
		{"client not believed, with 400", answer(400, js, `{"error":"invalid_client"}`), 502, "tenant_answer", "invalid_client", 400, 1},
		{"client not allowed", answer(403, js, `{"error":"unauthorized_client"}`), 502, "tenant_answer", "unauthorized_client", 403, 1},
		{"text", answer(401, "text/plain", "Unauthorized"), 502, "tenant_answer", "server_error", 401, 1},
		{"request not good", answer(400, js, `{"error":"invalid_request","error_description":"the connection was not found"}`), 400, "authorization_error", "invalid_request", 400, 1},
		{"API unknown", answer(403, js, `{"error":"access_denied","error_description":"Service not found: x"}`), 400, "authorization_error", "access_denied", 403, 1},
		{"code with markup", answer(400, js, `{"error":"<script>"}`), 400, "authorization_error", "unknown_error", 400, 1},
		{"404 of the edge", answer(404, "text/html", "<html>"), 502, "tenant_answer", "server_error", 404, 1},
		{"rate limit", answer(429, js, `{"error":"too_many_requests"}`, "Retry-After", "7"), 502, "tenant_unavailable", "too_many_requests", 429, 1},
		{"server error", answer(500, "text/html", "<html>"), 502, "tenant_unavailable", "temporarily_unavailable", 500, 1},
		{"200", answer(200, js, `{"request_uri":`+uri+`,"expires_in":30}`), 502, "tenant_answer", "server_error", 200, 1},
		{"redirect", answer(307, "", "", "Location", "https://evil.example/"), 502, "tenant_answer", "server_error", 307, 1},
		{"no JSON", answer(201, js, "x"), 502, "tenant_answer", "server_error", 0, 1},
		{"no reference", answer(201, js, `{"expires_in":30}`), 502, "tenant_answer", "server_error", 0, 1},
		{"reference that is no text", answer(201, js, `{"request_uri":1}`), 502, "tenant_answer", "server_error", 0, 1},
		{"long reference", answer(201, js, `{"request_uri":"`+strings.Repeat("x", 2049)+`"}`), 502, "tenant_answer", "server_error", 0, 1},
		{"2 MiB", answer(201, js, `{"request_uri":"`+strings.Repeat("x", 2<<20)+`"}`), 502, "tenant_unavailable", "temporarily_unavailable", 0, 1},
		{"no answer", func(e *env) { e.tenant.Delay(emulator.PAR, time.Hour) }, 502, "tenant_unavailable", "temporarily_unavailable", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e, p := authEnv(t, nil, func(c *auth0.Config) { c.HTTPClient.Timeout = 100 * time.Millisecond })
			if tt.why == "2 MiB" {
				e, p = authEnv(t, nil)
			}
			tt.broken(e)
			resp := e.browser().page("/auth/login?returnTo=/x")
			if resp.status != tt.status || !strings.Contains(e.log.String(), "reason="+tt.reason) {
				t.Errorf("status %d, want %d and %s; log %s", resp.status, tt.status, tt.reason, e.log)
			}
			if resp.header.Get("Location") != "" || len(resp.header.Values("Set-Cookie")) > 0 {
				t.Errorf("headers %v", resp.header)
			}
			if !strings.HasSuffix(strings.TrimSpace(resp.body), "https://app.example/auth/login") && tt.status != 500 {
				t.Errorf("the page does not lead on: %q", resp.body)
			}
			if got := resp.header.Get("Retry-After"); (got == "7") != (tt.tenant == 429) {
				t.Errorf("Retry-After %q", got)
			}
			if got := len(p.all("/oauth/par")); got != tt.calls {
				t.Errorf("%d requests, want %d: they are not repeated", got, tt.calls)
			}
			_, transaction, err := e.strategy.AuthCodeURL(t.Context())
			got, _ := errors.AsType[*auth0.Error](err)
			if tt.tenant == 429 {
				tt.status = 503 // the tenant is left alone, and was not asked
			}
			if got == nil || transaction != "" || got.Op != "login" || got.Status != tt.status || got.Reason != tt.reason || got.Code != tt.code || got.TenantStatus != tt.tenant {
				t.Errorf("AuthCodeURL: %+v", got)
			}
		})
	}
}

// TestPushedRequestBack: after an outage the next login works.
func TestPushedRequestBack(t *testing.T) {
	e, _ := authEnv(t, nil)
	e.tenant.Fail(emulator.PAR, 503)
	if resp := e.browser().page("/auth/login"); resp.status != http.StatusBadGateway {
		t.Errorf("%d", resp.status)
	}
	e.tenant.Fail(emulator.PAR, 0)
	e.browser().mustLogin()
}

// TestPushedSilentLogin: a page that everybody may see does not depend on it.
func TestPushedSilentLogin(t *testing.T) {
	e, p := authEnv(t, nil)
	page := e.strategy.TrySilentLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page") }))
	e.mux.Handle("GET /page", page)
	b := e.browser()
	if resp := b.page("/page"); resp.status != http.StatusFound || p.all("/oauth/par")[0].form.Get("prompt") != "none" {
		t.Errorf("%d %s", resp.status, resp.body)
	}
	e.tenant.Fail(emulator.PAR, 503)
	b = e.browser()
	for range 3 {
		if resp := b.page("/page"); resp.status != 200 || resp.body != "page" {
			t.Errorf("%d %s", resp.status, resp.body)
		}
	}
	if got := len(p.all("/oauth/par")); got != 2 {
		t.Errorf("%d requests, want 2: it is tried once in five minutes", got)
	}
}

// TestPushedByPublicClient shows the client id alone (RFC 9126, Section 2.1).
func TestPushedByPublicClient(t *testing.T) {
	e, p := authEnv(t, func(c *emulator.Client) { c.Public = true }, func(c *auth0.Config) {
		c.ClientSecret, c.ClientAuthentication = "", auth0.PublicClient()
	})
	e.browser().mustLogin()
	form := p.all("/oauth/par")[0].form
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		if slices.Contains(slices.Collect(maps.Keys(form)), name) {
			t.Errorf("%s is sent", name)
		}
	}
}
