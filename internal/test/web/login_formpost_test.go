package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// hybrid has an ID token and a code.
func hybrid(c *auth0.Config) { c.ResponseType = "code id_token" }

func TestIDTokenByForm(t *testing.T) {
	t.Parallel()
	var login *auth0.Login
	e := testkit.SignedIn(t, testkit.IDTokenOnly, func(c *auth0.Config) {
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { login = l; return nil }
	})
	b := e.Browser()
	resp := b.Page("/auth/login?returnTo=/private")
	q := resp.Location(t).Query()
	for name, want := range map[string]string{"response_type": "id_token", "response_mode": "form_post", "code_challenge": "", "code_challenge_method": ""} {
		if got := q.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(q.Get("nonce")) != 43 || len(q.Get("state")) != 43 || q.Get("nonce") == q.Get("state") {
		t.Errorf("nonce %q, state %q", q.Get("nonce"), q.Get("state"))
	}
	for name, c := range resp.SetCookies(t) {
		if !strings.HasPrefix(name, "__Host-auth0_txn_") || c.SameSite != http.SameSiteNoneMode || !c.Secure || !c.HttpOnly {
			t.Errorf("cookie of the login %s", c)
		}
	}
	form := b.FormAtTenant(resp.Location(t))
	resp = b.Post(form)
	if resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/private" {
		t.Fatalf("callback: %d to %q, %s; log:\n%s", resp.Status, resp.Header.Get("Location"), resp.Body, e.Log)
	}
	if n := len(b.Transactions()); n != 0 {
		t.Errorf("%d transactions are left", n)
	}
	if page := b.Page("/private"); page.Status != http.StatusOK || !strings.HasPrefix(page.Body, "private auth0|") {
		t.Errorf("private page: %d %q", page.Status, page.Body)
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 0 {
		t.Errorf("%d token requests, want none", n)
	}
	if login == nil || login.Token() != nil || login.User.Email != "ada@acme.example" {
		t.Errorf("AfterLogin gets %v", login)
	}
	// The same form again, as the back button sends it. The browser sends no session
	// cookie with it, so the callback cannot tell it from an attacker's.
	if resp := b.Post(form); resp.Status != http.StatusBadRequest || !b.LoggedIn() {
		t.Errorf("the form again: %d, logged in %v", resp.Status, b.LoggedIn())
	}
}

// TestNoTokenToHave: a login by id_token has no access token, and the error says
// so.
func TestNoTokenToHave(t *testing.T) {
	t.Parallel()
	for why, edit := range map[string]func(*auth0.Config){
		"in cookies":  func(*auth0.Config) {},
		"in a store":  func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) },
		"for offline": func(c *auth0.Config) { c.Scopes = []string{"openid", "offline_access"} },
	} {
		e := testkit.SignedIn(t, testkit.IDTokenOnly, edit)
		var err error
		e.Mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
			_, err = e.Strategy.AccessToken(w, r)
			if _, other := e.Strategy.AccessToken(w, r, auth0.ForAudience(testkit.Audience)); !errors.Is(other, auth0.ErrNoToken) {
				t.Errorf("%s, for another API: %v", why, other)
			}
		})
		b := e.Browser()
		b.Post(b.FormAtTenant(b.Begin("/auth/login")))
		b.Page("/token")
		if !errors.Is(err, auth0.ErrNoToken) {
			t.Errorf("%s: %v, want ErrNoToken", why, err)
		}
		if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 0 {
			t.Errorf("%s: %d token requests", why, n)
		}
	}
}

func TestHybridByForm(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, hybrid)
	var token string
	e.Mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		got, err := e.Strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		token = got.AccessToken
	})
	b := e.Browser()
	u := b.Begin("/auth/login")
	q := u.Query()
	if q.Get("response_type") != "code id_token" || q.Get("response_mode") != "form_post" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("sent with %v", q)
	}
	if resp := b.Post(b.FormAtTenant(u)); resp.Status != http.StatusSeeOther || !b.LoggedIn() {
		t.Fatalf("callback: %d %s; log:\n%s", resp.Status, resp.Body, e.Log)
	}
	if b.Page("/token"); token == "" || e.Tenant.Calls(testkit.TokenEndpoint) != 1 {
		t.Errorf("token %q after %d requests", token, e.Tenant.Calls(testkit.TokenEndpoint))
	}
}

// TestFormRefusals has a row per check of an ID token that comes through the
// browser.
func TestFormRefusals(t *testing.T) {
	t.Parallel()
	front := func(edit func(h, c map[string]any)) func(h, c map[string]any) {
		return func(h, c map[string]any) {
			if _, ok := c["c_hash"]; ok {
				edit(h, c)
			}
		}
	}
	back := func(edit func(h, c map[string]any)) func(h, c map[string]any) {
		return func(h, c map[string]any) {
			if _, ok := c["c_hash"]; !ok {
				edit(h, c)
			}
		}
	}
	same := func(_, _ map[string]any) {}
	drop := func(name string) func(url.Values) { return func(v url.Values) { v.Del(name) } }
	twice := func(name string) func(url.Values) { return func(v url.Values) { v.Add(name, v.Get(name)) } }
	tests := []struct {
		why    string
		cfg    func(*auth0.Config)
		edit   func(header, claims map[string]any)
		form   func(url.Values)
		reason string // empty if the login must succeed
		calls  int    // of the token endpoint
	}{
		{"unchanged", testkit.IDTokenOnly, same, nil, "", 0},
		{"no nonce", testkit.IDTokenOnly, testkit.Claim("nonce", nil), nil, "nonce_mismatch", 0},
		{"other nonce", testkit.IDTokenOnly, testkit.Claim("nonce", strings.Repeat("A", 43)), nil, "nonce_mismatch", 0},
		{"other iss", testkit.IDTokenOnly, testkit.Claim("iss", "https://evil.example/"), nil, "invalid_issuer", 0},
		{"other aud", testkit.IDTokenOnly, testkit.Claim("aud", "other"), nil, "invalid_audience", 0},
		{"other azp", testkit.IDTokenOnly, testkit.Claim("azp", "other"), nil, "invalid_claim", 0},
		{"expired", testkit.IDTokenOnly, testkit.ClaimIn("exp", -65), nil, "token_expired", 0},
		{"no iat", testkit.IDTokenOnly, testkit.Claim("iat", nil), nil, "invalid_claim", 0},
		{"no sub", testkit.IDTokenOnly, testkit.Claim("sub", nil), nil, "invalid_claim", 0},
		{"none", testkit.IDTokenOnly, testkit.Header("alg", "none"), nil, "invalid_alg", 0},
		{"HS256", testkit.IDTokenOnly, testkit.Header("alg", "HS256"), nil, "invalid_alg", 0},
		{"unknown kid", testkit.IDTokenOnly, testkit.Header("kid", "nobody"), nil, "unknown_kid", 0},
		{"an access token", testkit.IDTokenOnly, testkit.Header("typ", "at+jwt"), nil, "invalid_type", 0},
		{"no id_token", testkit.IDTokenOnly, same, drop("id_token"), "invalid_request", 0},
		{"id_token twice", testkit.IDTokenOnly, same, twice("id_token"), "invalid_request", 0},
		{"id_token of 20 kB", testkit.IDTokenOnly, same, func(v url.Values) { v.Set("id_token", v.Get("id_token")+strings.Repeat("A", 20<<10)) }, "token_too_large", 0},
		{"id_token of 40 kB", testkit.IDTokenOnly, same, func(v url.Values) { v.Set("id_token", strings.Repeat("A", 40<<10)) }, "invalid_request", 0},
		{"a code instead", testkit.IDTokenOnly, same, func(v url.Values) { v.Del("id_token"); v.Set("code", "x") }, "invalid_request", 0},
		{"an error beside it", testkit.IDTokenOnly, same, func(v url.Values) { v.Set("error", "invalid_request") }, "authorization_error", 0},
		{"iss of another", testkit.IDTokenOnly, same, func(v url.Values) { v.Set("iss", "https://evil.example/") }, "issuer_mismatch", 0},
		{"no state", testkit.IDTokenOnly, same, drop("state"), "missing_state", 0},
		{"state twice", testkit.IDTokenOnly, same, twice("state"), "invalid_request", 0},
		{"other state", testkit.IDTokenOnly, same, func(v url.Values) { v.Set("state", strings.Repeat("A", 43)) }, "transaction_not_found", 0},

		{"unchanged, with a code", hybrid, same, nil, "", 1},
		{"no c_hash", hybrid, testkit.Claim("c_hash", nil), nil, "invalid_hash", 0},
		{"empty c_hash", hybrid, front(testkit.Claim("c_hash", "")), nil, "invalid_hash", 0},
		{"wrong c_hash", hybrid, front(testkit.Claim("c_hash", "AAAAAAAAAAAAAAAAAAAAAA")), nil, "invalid_hash", 0},
		{"code of another login", hybrid, same, func(v url.Values) { v.Set("code", strings.Repeat("x", 43)) }, "invalid_hash", 0},
		{"no nonce in the first", hybrid, front(testkit.Claim("nonce", nil)), nil, "nonce_mismatch", 0},
		{"first one expired", hybrid, front(testkit.ClaimIn("exp", -65)), nil, "token_expired", 0},
		{"no nonce in the second", hybrid, back(testkit.Claim("nonce", nil)), nil, "nonce_mismatch", 1},
		{"second one expired", hybrid, back(testkit.ClaimIn("exp", -65)), nil, "token_expired", 1},
		{"second one with a wrong at_hash", hybrid, back(testkit.Claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")), nil, "invalid_hash", 1},
		{"second one of another person", hybrid, back(testkit.Claim("sub", "auth0|somebody-else")), nil, "invalid_claim", 1},
		{"no code", hybrid, same, drop("code"), "invalid_request", 0},
		{"code twice", hybrid, same, twice("code"), "invalid_request", 0},
		{"no id_token beside the code", hybrid, same, drop("id_token"), "invalid_request", 0},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e := testkit.SignedIn(t, tt.cfg)
			e.Tenant.EditIDToken(tt.edit)
			b := e.Browser()
			form := b.FormAtTenant(b.Begin("/auth/login"))
			if tt.form != nil {
				tt.form(form)
			}
			resp := b.Post(form)
			want := http.StatusBadRequest
			if tt.reason == "" {
				want = http.StatusSeeOther
			}
			if resp.Status != want || e.LastReason() != tt.reason || b.LoggedIn() != (tt.reason == "") {
				t.Errorf("status %d, reason %q, logged in %v; want %d, %q; log:\n%s", resp.Status, e.LastReason(), b.LoggedIn(), want, tt.reason, e.Log)
			}
			if n := e.Tenant.Calls(testkit.TokenEndpoint); n != tt.calls {
				t.Errorf("%d token requests, want %d", n, tt.calls)
			}
		})
	}
}

// TestFormSignature: an ID token from the browser needs a valid signature.
func TestFormSignature(t *testing.T) {
	t.Parallel()
	for _, cfg := range []func(*auth0.Config){testkit.IDTokenOnly, hybrid} {
		e := testkit.SignedIn(t, cfg)
		e.Tenant.SignWithForeignKey(true)
		b := e.Browser()
		if resp := b.Post(b.FormAtTenant(b.Begin("/auth/login"))); resp.Status != http.StatusBadRequest || e.LastReason() != "invalid_signature" || e.Tenant.Calls(testkit.TokenEndpoint) != 0 {
			t.Errorf("foreign key: %d %q, %d token requests", resp.Status, e.LastReason(), e.Tenant.Calls(testkit.TokenEndpoint))
		}
	}
}

// TestFormOptions: the callback checks the requirements of a login without a code
// too.
func TestFormOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		opts   []auth0.LoginOption
		edit   func(header, claims map[string]any)
		reason string
	}{
		{"age", []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, testkit.Claim("auth_time", nil), "auth_too_old"},
		{"old", []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, testkit.ClaimIn("auth_time", -600), "auth_too_old"},
		{"acr", []auth0.LoginOption{auth0.WithRequiredACR("urn:x")}, testkit.Claim("acr", "urn:y"), "invalid_acr"},
		{"organization", []auth0.LoginOption{auth0.WithOrganization("acme-eu")}, testkit.Claim("org_name", "other"), "invalid_claim"},
		{"organization, by id", []auth0.LoginOption{auth0.WithOrganization("acme-eu")}, testkit.Claim("org_name", nil), "invalid_claim"},
	} {
		for _, cfg := range []func(*auth0.Config){testkit.IDTokenOnly, hybrid} {
			e := testkit.SignedIn(t, cfg)
			e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(tt.opts...))
			e.Tenant.EditIDToken(tt.edit)
			b := e.Browser()
			if resp := b.Post(b.FormAtTenant(b.Begin("/begin"))); resp.Status != http.StatusForbidden || e.LastReason() != tt.reason {
				t.Errorf("%s: %d %q, want %q; log:\n%s", tt.why, resp.Status, e.LastReason(), tt.reason, e.Log)
			}
		}
	}
}

// TestResponseTypesAreApart: a login for one response type does not end with
// another.
func TestResponseTypesAreApart(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	other := testkit.SignedIn(t, testkit.IDTokenOnly, func(c *auth0.Config) {
		c.HTTPClient = &http.Client{Transport: testkit.Hosts{testkit.TenantHost: e.Tenant}}
	})
	both := testkit.SignedIn(t, hybrid, func(c *auth0.Config) {
		c.HTTPClient = &http.Client{Transport: testkit.Hosts{testkit.TenantHost: e.Tenant}}
	})
	begin := func(s *auth0.Strategy) (string, url.Values) {
		authURL, transaction, err := s.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(authURL)
		if err != nil {
			t.Fatal(err)
		}
		if s == e.Strategy {
			return transaction, e.Browser().AtTenant(u).Query()
		}
		return transaction, e.Browser().FormAtTenant(u)
	}
	for i, from := range []*testkit.Env{e, other, both} {
		for j, to := range []*testkit.Env{e, other, both} {
			transaction, answer := begin(from.Strategy)
			_, err := to.Strategy.Application().Exchange(t.Context(), transaction, answer)
			if i == j && err != nil || i != j && !errors.Is(err, auth0.ErrTransactionNotFound) {
				t.Errorf("begun with %d, ended with %d: %v", i, j, err)
			}
		}
	}
}

func TestResponseTypeConfig(t *testing.T) {
	t.Parallel()
	type C = auth0.Config
	for _, tt := range []struct {
		why   string
		edit  func(*C)
		field string // empty if it is good
	}{
		{"id_token", func(c *C) { c.ResponseType = "id_token" }, ""},
		{"id_token without a secret", testkit.IDTokenOnly, ""},
		{"said twice", func(c *C) { c.ResponseType, c.ResponseMode = "id_token", "form_post" }, ""},
		{"hybrid", hybrid, ""},
		{"code", func(c *C) { c.ResponseType = "code" }, ""},
		{"this machine", func(c *C) { testkit.IDTokenOnly(c); c.BaseURL = "http://localhost:3000" }, ""},

		{"hybrid without a secret", func(c *C) { hybrid(c); c.ClientSecret = "" }, "ClientSecret"},
		{"code without a secret", func(c *C) { c.ResponseType = "code"; c.ClientSecret = "" }, "ClientSecret"},
		{"id_token in a URL", func(c *C) { c.ResponseType, c.ResponseMode = "id_token", "query" }, "ResponseMode"},
		{"hybrid in a URL", func(c *C) { hybrid(c); c.ResponseMode = "query" }, "ResponseMode"},
		{"fragment", func(c *C) { c.ResponseType, c.ResponseMode = "id_token", "fragment" }, "ResponseMode"},
		{"other order", func(c *C) { c.ResponseType = "id_token code" }, "ResponseType"},
		{"token", func(c *C) { c.ResponseType = "token" }, "ResponseType"},
		{"id_token token", func(c *C) { c.ResponseType = "id_token token" }, "ResponseType"},
		{"nonsense", func(c *C) { c.ResponseType = "x" }, "ResponseType"},
		{"form by http", func(c *C) { c.ResponseMode, c.BaseURL, c.InsecureHTTP = "form_post", "http://app.lan", true }, "ResponseMode"},
		{"id_token by http", func(c *C) { c.ResponseType, c.BaseURL, c.InsecureHTTP = "id_token", "http://app.lan", true }, "ResponseMode"},
	} {
		c := testkit.GoodConfig()
		tt.edit(&c)
		_, err := auth0.New(c)
		if tt.field == "" && err != nil || tt.field != "" && (err == nil || !strings.Contains(err.Error(), "auth0: Config."+tt.field+" ")) {
			t.Errorf("%s: %v, want an error of %q", tt.why, err, tt.field)
		}
	}
}

// TestFormAndCrossOriginProtection: the form comes from the tenant's site. The
// documented exception accepts it and nothing else.
func TestFormAndCrossOriginProtection(t *testing.T) {
	t.Parallel()
	for bypass, want := range map[string]int{"": http.StatusForbidden, "POST /auth/callback": http.StatusSeeOther} {
		e := testkit.SignedIn(t, testkit.IDTokenOnly)
		protection := http.NewCrossOriginProtection()
		if bypass != "" {
			protection.AddInsecureBypassPattern(bypass)
		}
		e.App = protection.Handler(e.Strategy.LoadUser(e.Mux))
		b := e.Browser()
		if resp := b.Post(b.FormAtTenant(b.Begin("/auth/login"))); resp.Status != want {
			t.Errorf("bypass %q: %d, want %d", bypass, resp.Status, want)
		}
		if resp := b.Do("POST", "/auth/logout", url.Values{}, "Sec-Fetch-Site", "cross-site"); resp.Status != http.StatusForbidden {
			t.Errorf("bypass %q: a foreign logout: %d", bypass, resp.Status)
		}
	}
}

// TestConnectionsWithoutSecret: the application has no credentials for the
// Management API.
func TestConnectionsWithoutSecret(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, testkit.IDTokenOnly)
	if _, err := e.Strategy.GetConnections(t.Context()); err == nil || !strings.Contains(err.Error(), "set Config.ManagementClientID") || e.Tenant.Calls(testkit.TokenEndpoint) != 0 {
		t.Errorf("without a secret: %v, %d token requests", err, e.Tenant.Calls(testkit.TokenEndpoint))
	}
	e = testkit.SignedIn(t, testkit.IDTokenOnly, func(c *auth0.Config) {
		c.ManagementClientID, c.ManagementClientSecret = testkit.ClientID, "client-secret-SECRET"
	})
	if list, err := e.Strategy.GetConnections(t.Context()); err != nil || len(list) == 0 {
		t.Errorf("with credentials of its own: %v, %v", list, err)
	}
}
