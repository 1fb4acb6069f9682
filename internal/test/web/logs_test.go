package web_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A brokenStore returns long errors.
type brokenStore struct{ text string }

func (s brokenStore) Find(string) ([]byte, bool, error)      { return nil, false, errors.New(s.text) }
func (s brokenStore) Commit(string, []byte, time.Time) error { return errors.New(s.text) }
func (s brokenStore) Delete(string) error                    { return errors.New(s.text) }

// TestLogLinesAreShort sends texts of 6 KB to every route and every guard, in every
// part of a request. The tenant, a store and the hooks of the application answer
// with the same texts.
func TestLogLinesAreShort(t *testing.T) {
	t.Parallel()
	const longest = 4 << 10
	passed := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	isUser := func(auth0.User) bool { return false }
	for name, unit := range map[string]string{"letters": "A", "quotes": `"`, "controls": "\n\x00", "direction": "\u202e", "no UTF-8": "\xff", "wide": "\U0010FFFF"} {
		long := strings.Repeat(unit, 6_000/len(unit))
		configs := map[string]func(*auth0.Config){
			"plain": func(c *auth0.Config) { c.BaseURLs = []string{"https://other.app.example"} },
			"one site": func(c *auth0.Config) {
				c.CheckOrganization = func(context.Context, string) error { return errors.New(long) }
			},
			"store":     func(c *auth0.Config) { c.Store = brokenStore{long} },
			"provider":  func(c *auth0.Config) { c.Domain = "https://id.example/" + strings.Repeat("a", 6_000) },
			"pushed":    func(c *auth0.Config) { c.PushedAuthorizationRequests = true },
			"form post": func(c *auth0.Config) { c.ResponseMode = "form_post" },
			"hook": func(c *auth0.Config) {
				c.AfterLogin = func(context.Context, *auth0.Login) error { return errors.New(long) }
			},
			"own error": func(c *auth0.Config) {
				c.AfterLogin = func(context.Context, *auth0.Login) error {
					return &auth0.Error{Status: 418, Op: long, Reason: long, Code: long, Err: errors.New(long)}
				}
			},
			"hook panic": func(c *auth0.Config) { c.CountsAsUse = func(*http.Request) bool { panic(long) } },
		}
		for config, edit := range configs {
			if config != "plain" && name != "quotes" {
				continue // each text once, and each configuration once
			}
			e := testkit.SignedIn(t, edit)
			e.Tenant.AllowPushedRequests(true)
			api := faultlessAPI(t, e, func(c *auth0.APIConfig) {
				c.Validate = func(context.Context, *auth0.Token) error { return errors.New(long) }
			})
			session := e.Browser()
			if config != "provider" && config != "form post" {
				session.Login("/auth/login")
			}
			guards := map[string]http.Handler{
				"RequireLogin":          e.Strategy.RequireLogin(passed),
				"RequireSession":        e.Strategy.RequireSession(passed),
				"RequireUser":           e.Strategy.RequireUser(isUser)(passed),
				"RequireAuth":           api.RequireAuth(passed),
				"RequireScope":          api.RequireScope("a")(passed),
				"RequirePermissions":    api.RequirePermissions("a")(passed),
				"RequireTokenOrSession": api.RequireTokenOrSession(e.Strategy)(passed),
				"unusable guard":        api.RequireScope(long)(passed),
				"unusable login":        e.Strategy.LoginHandler(auth0.WithLoginHint(long)),
				"unusable logout":       e.Strategy.LogoutHandler(auth0.WithLogoutParam("x", long)),
				"login":                 e.Strategy.LoginHandler(),
				"callback":              e.Strategy.CallbackHandler(),
				"logout":                e.Strategy.LogoutHandler(),
				"back-channel":          e.Strategy.BackchannelLogoutHandler(),
				"cacheable": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "public, "+long)
				}),
			}
			form := url.Values{"logout_token": {long}, "state": {long}, "code": {long}, "error": {long}, "error_description": {long}, "returnTo": {long}, "connection": {long}, "organization": {long}, "ui_locales": {long}, "prompt": {long}}.Encode()
			for _, guard := range guards {
				for _, method := range []string{"GET", "POST", "OPTIONS", strings.Repeat("M", 6_000)} {
					for _, names := range [][]string{{testkit.SessionCookie}, {testkit.SessionCookie + "_tries", "__Host-auth0_txn_0123456789abcdef"}, nil} {
						r := httptest.NewRequest("GET", "/", strings.NewReader(form))
						r.Method, r.Host, r.URL.Path, r.URL.RawQuery = method, long, "/files/"+long, form
						r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
						for _, h := range []string{"Origin", "Referer", "X-Forwarded-Host", "User-Agent"} {
							r.Header.Set(h, long)
						}
						r.Header.Set("Sec-Fetch-Mode", "navigate")
						r.Header.Set("Sec-Fetch-Site", "same-origin")
						if len(names) == 2 {
							r.Header.Set("Authorization", "Bearer "+long)
							r.Header.Set("Sec-Fetch-Site", long)
						}
						for _, name := range names {
							value, ok := session.Cookies[name]
							if !ok {
								value = "3-" + fmt.Sprint(time.Now().Unix())
							}
							r.AddCookie(&http.Cookie{Name: name, Value: value})
						}
						e.Strategy.LoadUser(guard).ServeHTTP(httptest.NewRecorder(), r)
						r.Host, r.URL.RawQuery = "app.example", ""
						e.Strategy.LoadUser(guard).ServeHTTP(httptest.NewRecorder(), r)
					}
				}
			}
			// The tenant's own words, and the outages.
			e.Tenant.DenyNext(strings.ToValidUTF8(long, "?"), strings.ToValidUTF8(long, "?"))
			if config != "provider" && config != "form post" {
				e.Browser().Login("/auth/login")
			}
			for _, endpoint := range []testkit.Endpoint{testkit.TokenEndpoint, testkit.JWKSEndpoint, testkit.DiscoveryEndpoint, testkit.ManagementEndpoint, testkit.PAREndpoint} {
				e.Tenant.Replace(endpoint, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(400)
					fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, strings.ToValidUTF8(long, "?"), strings.ToValidUTF8(long, "?"))
				})
			}
			if config == "plain" || config == "store" {
				e.Browser().Login("/auth/login")
			}
			e.Browser().Page("/auth/login")
			e.Strategy.GetConnections(t.Context())
			api.Verify(t.Context(), testkit.GoodToken())
			lines := 0
			for line := range strings.Lines(e.Log.String()) {
				if lines++; len(line) > longest {
					t.Errorf("%s, %s: a line of %d bytes: %.200s", name, config, len(line), line)
				}
			}
			if lines < 50 {
				t.Errorf("%s, %s: %d lines", name, config, lines)
			}
		}
	}
}

// faultlessAPI returns an API of the tenant of e, which logs to the log of e.
func faultlessAPI(t *testing.T, e *testkit.Env, edit ...func(*auth0.APIConfig)) *auth0.API {
	t.Helper()
	c := auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, HTTPClient: e.Config.HTTPClient, Logger: e.Config.Logger}
	for _, f := range edit {
		f(&c)
	}
	api, err := auth0.NewAPI(c)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// accessToken returns a token that the API of e accepts.
func accessToken(e *testkit.Env) string {
	subject, _ := e.Tenant.Subject("ada@acme.example")
	return e.Tenant.AccessToken(subject, testkit.Audience)
}

// TestLogSaysTheCauseOnce: if strangers can cause a rejection, the first one in a
// minute is a warning, and the others are at debug level.
func TestLogSaysTheCauseOnce(t *testing.T) {
	t.Parallel()
	passed := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	foreign := func(c *auth0.Config) { c.BaseURLs = []string{"https://other.app.example"} }
	for _, tt := range []struct {
		name    string
		edit    func(*auth0.Config)
		request func(*testkit.Env) func()
		reason  string
		levels  string // of three requests, and of one after a minute
	}{
		{"callback without a login", nil, func(e *testkit.Env) func() {
			return func() { e.Browser().Page("/auth/callback?state=x&code=y") }
		}, "transaction_not_found", "WARN DEBUG DEBUG WARN"},
		{"callback without parameters", nil, func(e *testkit.Env) func() { return func() { e.Browser().Page("/auth/callback") } }, "missing_state", "WARN DEBUG DEBUG WARN"},
		{"callback of the wrong form", nil, func(e *testkit.Env) func() {
			return func() { e.Browser().Page("/auth/callback?state=x&state=y") }
		}, "invalid_request", "WARN DEBUG DEBUG WARN"},
		{"other host", foreign, func(e *testkit.Env) func() {
			return func() { e.Browser().Page("https://evil.example/auth/login") }
		}, "unknown_host", "WARN DEBUG DEBUG WARN"},
		{"logout from another site", nil, func(e *testkit.Env) func() {
			return func() { e.Browser().Page("/auth/logout", "Sec-Fetch-Site", "cross-site") }
		}, "cross_site", "WARN DEBUG DEBUG WARN"},
		{"user who is not allowed", nil, func(e *testkit.Env) func() {
			e.Mux.Handle("GET /staff", e.Strategy.RequireUser(func(auth0.User) bool { return false })(passed))
			b := e.Browser().MustLogin()
			return func() { b.Page("/staff") }
		}, "claim_requirement", "WARN DEBUG DEBUG WARN"},
		{"provider that does not answer", func(c *auth0.Config) { c.Domain = "https://down.example" }, func(e *testkit.Env) func() {
			return func() { e.Browser().Page("/auth/login") }
		}, "tenant_unavailable", "WARN DEBUG DEBUG WARN"},
		{"token for another API", nil, func(e *testkit.Env) func() {
			h := faultlessAPI(t, e, func(c *auth0.APIConfig) { c.Audience = "https://other.example/" }).RequireAuth(passed)
			return func() { h.ServeHTTP(httptest.NewRecorder(), testkit.BearerRequest(accessToken(e))) }
		}, "invalid_audience", "WARN DEBUG DEBUG WARN"},
		{"malformed token", nil, func(e *testkit.Env) func() {
			h := faultlessAPI(t, e).RequireAuth(passed)
			return func() { h.ServeHTTP(httptest.NewRecorder(), testkit.BearerRequest("undefined")) }
		}, "token_malformed", "WARN DEBUG DEBUG WARN"},
		{"scope", nil, func(e *testkit.Env) func() {
			h := faultlessAPI(t, e).RequireScope("other")(passed)
			return func() { h.ServeHTTP(httptest.NewRecorder(), testkit.BearerRequest(accessToken(e))) }
		}, "insufficient_scope", "WARN DEBUG DEBUG WARN"},
		{"no token", nil, func(e *testkit.Env) func() {
			h := faultlessAPI(t, e).RequireAuth(passed)
			return func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) }
		}, "missing_token", "DEBUG DEBUG DEBUG DEBUG"},
		{"nobody logged in", nil, func(e *testkit.Env) func() {
			e.Mux.Handle("GET /me", e.Strategy.RequireSession(passed))
			return func() { e.Browser().Do("GET", "/me", nil) }
		}, "no_session", "DEBUG DEBUG DEBUG DEBUG"},
		{"fault of the program", nil, func(e *testkit.Env) func() {
			e.Mux.Handle("GET /broken", e.Strategy.LoginHandler(nil))
			return func() { e.Browser().Page("/broken") }
		}, "misconfigured", "ERROR ERROR ERROR ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tt.edit == nil {
					tt.edit = func(*auth0.Config) {}
				}
				e := testkit.SignedIn(t, tt.edit)
				request := tt.request(e)
				for i := range 4 {
					if i == 3 {
						time.Sleep(time.Minute)
					}
					request()
				}
				synctest.Wait()
				var levels []string
				for line := range strings.Lines(e.Log.String()) {
					if strings.Contains(line, "reason="+tt.reason) {
						_, level, _ := strings.Cut(line, "level=")
						level, _, _ = strings.Cut(level, " ")
						levels = append(levels, level)
					}
				}
				if got := strings.Join(levels, " "); got != tt.levels {
					t.Errorf("levels %q, want %q\n%s", got, tt.levels, e.Log)
				}
			})
		})
	}
}

// TestWarningsBesideRefusalsAreHeldBack: a warning that each visitor causes is also
// written once in a minute.
func TestWarningsBesideRefusalsAreHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = brokenStore{"no answer"} })
		for range 50 {
			b := e.Browser()
			b.Cookies[testkit.SessionCookie] = strings.Repeat("x", 60)
			b.Page("/auth/logout?returnTo=//evil.example")
			b.Page("/private")
		}
		if n := strings.Count(e.Log.String(), "level=WARN"); n > 5 {
			t.Errorf("%d warnings for 50 visitors:\n%s", n, e.Log)
		}
	})
}

// TestPageQuotesALineOfTheLog: the reference of an error page is in the log at the
// default level, also if the line of that request is not.
func TestPageQuotesALineOfTheLog(t *testing.T) {
	t.Parallel()
	log := &testkit.Log{}
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	for range 3 {
		body := e.Browser().Page("/auth/callback?state=x&code=y").Body
		line := log.String()
		if strings.Count(line, "\n") != 1 {
			t.Fatalf("log %q, want one line", line)
		}
		_, reference, _ := strings.Cut(strings.TrimSpace(line), "reference=")
		reference, _, _ = strings.Cut(reference, " ")
		if len(reference) != 8 || !strings.Contains(body, reference) {
			t.Errorf("the page has no reference of the log %q: %s", line, body)
		}
	}
}

// TestReasonsWithoutEnd: an application whose errors have ever new reasons grows
// neither the memory of written lines nor the log.
func TestReasonsWithoutEnd(t *testing.T) {
	t.Parallel()
	n := 0
	e := testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) {
		c.AfterLogin = func(context.Context, *auth0.Login) error {
			n++
			return &auth0.Error{Status: 403, Reason: fmt.Sprint("reason-", n)}
		}
	})
	for range 400 {
		e.Browser().Login("/auth/login")
	}
	if n := strings.Count(e.Log.String(), "level=WARN"); n > 260 {
		t.Errorf("%d warnings", n)
	}
}
