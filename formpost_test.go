package auth0_test

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// idTokenOnly is the form-post login of an application without a client secret.
func idTokenOnly(c *auth0.Config) { c.ResponseType, c.ClientSecret = "id_token", "" }

// hybrid has an ID token and a code.
func hybrid(c *auth0.Config) { c.ResponseType = "code id_token" }

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// formAtTenant opens an authorization URL and returns the fields of the form that
// the tenant has the browser post.
func (b *browser) formAtTenant(authURL *url.URL) url.Values {
	b.e.t.Helper()
	resp, err := (&http.Client{Transport: hosts{tenantHost: b.e.tenant}}).Get(authURL.String())
	if err != nil {
		b.e.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.e.t.Fatalf("the tenant answers %d, %v, not with a form", resp.StatusCode, err)
	}
	form := url.Values{}
	for _, m := range hiddenInput.FindAllStringSubmatch(string(page), -1) {
		form.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return form
}

// post sends the form to the callback, as the tenant's page does. Of cookies it
// brings those that are SameSite=None.
func (b *browser) post(form url.Values) *response {
	b.e.t.Helper()
	held := map[string]string{}
	for name, value := range b.cookies {
		if strings.HasPrefix(name, sessionName) { // they are SameSite=Lax
			held[name] = value
			delete(b.cookies, name)
		}
	}
	resp := b.do("POST", "/auth/callback", form, "Origin", "https://"+tenantHost,
		"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html")
	for name, value := range held {
		if resp.setCookies(b.e.t)[name] == nil {
			b.cookies[name] = value
		}
	}
	return resp
}

// lastReason returns why the last refusal was, according to the log.
func (e *env) lastReason() (reason string) {
	for line := range strings.Lines(e.log.String()) {
		if _, rest, ok := strings.Cut(line, " reason="); ok {
			reason, _, _ = strings.Cut(rest, " ")
		}
	}
	return reason
}

func TestIDTokenByForm(t *testing.T) {
	var login *auth0.Login
	e := newEnv(t, idTokenOnly, func(c *auth0.Config) {
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { login = l; return nil }
	})
	b := e.browser()
	resp := b.page("/auth/login?returnTo=/private")
	q := resp.location(t).Query()
	for name, want := range map[string]string{"response_type": "id_token", "response_mode": "form_post", "code_challenge": "", "code_challenge_method": ""} {
		if got := q.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(q.Get("nonce")) != 43 || len(q.Get("state")) != 43 || q.Get("nonce") == q.Get("state") {
		t.Errorf("nonce %q, state %q", q.Get("nonce"), q.Get("state"))
	}
	for name, c := range resp.setCookies(t) {
		if !strings.HasPrefix(name, "__Host-auth0_txn_") || c.SameSite != http.SameSiteNoneMode || !c.Secure || !c.HttpOnly {
			t.Errorf("cookie of the login %s", c)
		}
	}
	form := b.formAtTenant(resp.location(t))
	resp = b.post(form)
	if resp.status != http.StatusSeeOther || resp.header.Get("Location") != "/private" {
		t.Fatalf("callback: %d to %q, %s; log:\n%s", resp.status, resp.header.Get("Location"), resp.body, e.log)
	}
	if n := len(b.transactions()); n != 0 {
		t.Errorf("%d transactions are left", n)
	}
	if page := b.page("/private"); page.status != http.StatusOK || !strings.HasPrefix(page.body, "private auth0|") {
		t.Errorf("private page: %d %q", page.status, page.body)
	}
	if n := e.tenant.Calls(emulator.Token); n != 0 {
		t.Errorf("%d token requests, want none", n)
	}
	if login == nil || login.Token() != nil || login.User.Email != "ada@acme.example" {
		t.Errorf("AfterLogin gets %v", login)
	}
	// The same form again, as the back button sends it: the browser does not show
	// the session with it, so this cannot be told from a stranger's.
	if resp := b.post(form); resp.status != http.StatusBadRequest || !b.loggedIn() {
		t.Errorf("the form again: %d, logged in %v", resp.status, b.loggedIn())
	}
}

// TestNoTokenToHave: a login by id_token has no access token, and says so.
func TestNoTokenToHave(t *testing.T) {
	for why, edit := range map[string]func(*auth0.Config){
		"in cookies":  func(*auth0.Config) {},
		"in a store":  func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(10) },
		"for offline": func(c *auth0.Config) { c.Scopes = []string{"openid", "offline_access"} },
	} {
		e := newEnv(t, idTokenOnly, edit)
		var err error
		e.mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
			_, err = e.strategy.AccessToken(w, r)
			if _, other := e.strategy.AccessToken(w, r, auth0.ForAudience(testAudience)); !errors.Is(other, auth0.ErrNoToken) {
				t.Errorf("%s, for another API: %v", why, other)
			}
		})
		b := e.browser()
		b.post(b.formAtTenant(b.begin("/auth/login")))
		b.page("/token")
		if !errors.Is(err, auth0.ErrNoToken) {
			t.Errorf("%s: %v, want ErrNoToken", why, err)
		}
		if n := e.tenant.Calls(emulator.Token); n != 0 {
			t.Errorf("%s: %d token requests", why, n)
		}
	}
}

func TestHybridByForm(t *testing.T) {
	e := newEnv(t, hybrid)
	var token string
	e.mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		got, err := e.strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		token = got.AccessToken
	})
	b := e.browser()
	u := b.begin("/auth/login")
	q := u.Query()
	if q.Get("response_type") != "code id_token" || q.Get("response_mode") != "form_post" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("sent with %v", q)
	}
	if resp := b.post(b.formAtTenant(u)); resp.status != http.StatusSeeOther || !b.loggedIn() {
		t.Fatalf("callback: %d %s; log:\n%s", resp.status, resp.body, e.log)
	}
	if b.page("/token"); token == "" || e.tenant.Calls(emulator.Token) != 1 {
		t.Errorf("token %q after %d requests", token, e.tenant.Calls(emulator.Token))
	}
}

// TestFormRefusals has a row per check of an ID token that comes through the
// browser.
func TestFormRefusals(t *testing.T) {
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
		{"unchanged", idTokenOnly, same, nil, "", 0},
		{"no nonce", idTokenOnly, claim("nonce", nil), nil, "nonce_mismatch", 0},
		{"other nonce", idTokenOnly, claim("nonce", strings.Repeat("A", 43)), nil, "nonce_mismatch", 0},
		{"other iss", idTokenOnly, claim("iss", "https://evil.example/"), nil, "invalid_issuer", 0},
		{"other aud", idTokenOnly, claim("aud", "other"), nil, "invalid_audience", 0},
		{"other azp", idTokenOnly, claim("azp", "other"), nil, "invalid_claim", 0},
		{"expired", idTokenOnly, in("exp", -65), nil, "token_expired", 0},
		{"no iat", idTokenOnly, claim("iat", nil), nil, "invalid_claim", 0},
		{"no sub", idTokenOnly, claim("sub", nil), nil, "invalid_claim", 0},
		{"none", idTokenOnly, header("alg", "none"), nil, "invalid_alg", 0},
		{"HS256", idTokenOnly, header("alg", "HS256"), nil, "invalid_alg", 0},
		{"unknown kid", idTokenOnly, header("kid", "nobody"), nil, "unknown_kid", 0},
		{"an access token", idTokenOnly, header("typ", "at+jwt"), nil, "invalid_type", 0},
		{"no id_token", idTokenOnly, same, drop("id_token"), "invalid_request", 0},
		{"id_token twice", idTokenOnly, same, twice("id_token"), "invalid_request", 0},
		{"id_token of 20 kB", idTokenOnly, same, func(v url.Values) { v.Set("id_token", v.Get("id_token")+strings.Repeat("A", 20<<10)) }, "token_too_large", 0},
		{"id_token of 40 kB", idTokenOnly, same, func(v url.Values) { v.Set("id_token", strings.Repeat("A", 40<<10)) }, "invalid_request", 0},
		{"a code instead", idTokenOnly, same, func(v url.Values) { v.Del("id_token"); v.Set("code", "x") }, "invalid_request", 0},
		{"an error beside it", idTokenOnly, same, func(v url.Values) { v.Set("error", "server_error") }, "authorization_error", 0},
		{"iss of another", idTokenOnly, same, func(v url.Values) { v.Set("iss", "https://evil.example/") }, "issuer_mismatch", 0},
		{"no state", idTokenOnly, same, drop("state"), "missing_state", 0},
		{"state twice", idTokenOnly, same, twice("state"), "invalid_request", 0},
		{"other state", idTokenOnly, same, func(v url.Values) { v.Set("state", strings.Repeat("A", 43)) }, "transaction_not_found", 0},

		{"unchanged, with a code", hybrid, same, nil, "", 1},
		{"no c_hash", hybrid, claim("c_hash", nil), nil, "invalid_hash", 0},
		{"empty c_hash", hybrid, front(claim("c_hash", "")), nil, "invalid_hash", 0},
		{"wrong c_hash", hybrid, front(claim("c_hash", "AAAAAAAAAAAAAAAAAAAAAA")), nil, "invalid_hash", 0},
		{"code of another login", hybrid, same, func(v url.Values) { v.Set("code", strings.Repeat("x", 43)) }, "invalid_hash", 0},
		{"no nonce in the first", hybrid, front(claim("nonce", nil)), nil, "nonce_mismatch", 0},
		{"first one expired", hybrid, front(in("exp", -65)), nil, "token_expired", 0},
		{"no nonce in the second", hybrid, back(claim("nonce", nil)), nil, "nonce_mismatch", 1},
		{"second one expired", hybrid, back(in("exp", -65)), nil, "token_expired", 1},
		{"second one with a wrong at_hash", hybrid, back(claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")), nil, "invalid_hash", 1},
		{"second one of another person", hybrid, back(claim("sub", "auth0|somebody-else")), nil, "invalid_claim", 1},
		{"no code", hybrid, same, drop("code"), "invalid_request", 0},
		{"code twice", hybrid, same, twice("code"), "invalid_request", 0},
		{"no id_token beside the code", hybrid, same, drop("id_token"), "invalid_request", 0},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e := newEnv(t, tt.cfg)
			e.tenant.EditIDToken(tt.edit)
			b := e.browser()
			form := b.formAtTenant(b.begin("/auth/login"))
			if tt.form != nil {
				tt.form(form)
			}
			resp := b.post(form)
			want := http.StatusBadRequest
			if tt.reason == "" {
				want = http.StatusSeeOther
			}
			if resp.status != want || e.lastReason() != tt.reason || b.loggedIn() != (tt.reason == "") {
				t.Errorf("status %d, reason %q, logged in %v; want %d, %q; log:\n%s", resp.status, e.lastReason(), b.loggedIn(), want, tt.reason, e.log)
			}
			if n := e.tenant.Calls(emulator.Token); n != tt.calls {
				t.Errorf("%d token requests, want %d", n, tt.calls)
			}
		})
	}
}

// TestFormSignature: an ID token from the browser is worth its signature.
func TestFormSignature(t *testing.T) {
	for _, cfg := range []func(*auth0.Config){idTokenOnly, hybrid} {
		e := newEnv(t, cfg)
		e.tenant.SignWithForeignKey(true)
		b := e.browser()
		if resp := b.post(b.formAtTenant(b.begin("/auth/login"))); resp.status != http.StatusBadRequest || e.lastReason() != "invalid_signature" || e.tenant.Calls(emulator.Token) != 0 {
			t.Errorf("foreign key: %d %q, %d token requests", resp.status, e.lastReason(), e.tenant.Calls(emulator.Token))
		}
	}
}

// TestFormOptions: what a login insists on is checked without a code too.
func TestFormOptions(t *testing.T) {
	for _, tt := range []struct {
		why    string
		opts   []auth0.LoginOption
		edit   func(header, claims map[string]any)
		reason string
	}{
		{"age", []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, claim("auth_time", nil), "invalid_claim"},
		{"old", []auth0.LoginOption{auth0.WithMaxAge(time.Minute)}, in("auth_time", -600), "auth_too_old"},
		{"acr", []auth0.LoginOption{auth0.WithRequiredACR("urn:x")}, claim("acr", "urn:y"), "invalid_acr"},
		{"organization", []auth0.LoginOption{auth0.WithOrganization("acme-eu")}, claim("org_name", "other"), "invalid_claim"},
		{"organization, by id", []auth0.LoginOption{auth0.WithOrganization("acme-eu")}, func(_, c map[string]any) { delete(c, "org_name") }, "invalid_claim"},
	} {
		for _, cfg := range []func(*auth0.Config){idTokenOnly, hybrid} {
			e := newEnv(t, cfg)
			e.mux.Handle("GET /begin", e.strategy.LoginHandler(tt.opts...))
			e.tenant.EditIDToken(tt.edit)
			b := e.browser()
			if resp := b.post(b.formAtTenant(b.begin("/begin"))); resp.status != http.StatusBadRequest || e.lastReason() != tt.reason {
				t.Errorf("%s: %d %q, want %q; log:\n%s", tt.why, resp.status, e.lastReason(), tt.reason, e.log)
			}
		}
	}
}

// TestResponseTypesAreApart: a login that was begun for one kind of answer does
// not end with another.
func TestResponseTypesAreApart(t *testing.T) {
	e := newEnv(t)
	other := newEnv(t, idTokenOnly, func(c *auth0.Config) { c.HTTPClient = &http.Client{Transport: hosts{tenantHost: e.tenant}} })
	both := newEnv(t, hybrid, func(c *auth0.Config) { c.HTTPClient = &http.Client{Transport: hosts{tenantHost: e.tenant}} })
	begin := func(s *auth0.Strategy) (string, url.Values) {
		authURL, transaction, err := s.AuthCodeURL(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(authURL)
		if err != nil {
			t.Fatal(err)
		}
		if s == e.strategy {
			return transaction, e.browser().atTenant(u).Query()
		}
		return transaction, e.browser().formAtTenant(u)
	}
	for i, from := range []*env{e, other, both} {
		for j, to := range []*env{e, other, both} {
			transaction, answer := begin(from.strategy)
			_, err := to.strategy.Exchange(t.Context(), transaction, answer)
			if i == j && err != nil || i != j && !errors.Is(err, auth0.ErrTransactionNotFound) {
				t.Errorf("begun with %d, ended with %d: %v", i, j, err)
			}
		}
	}
}

func TestResponseTypeConfig(t *testing.T) {
	type C = auth0.Config
	for _, tt := range []struct {
		why   string
		edit  func(*C)
		field string // empty if it is good
	}{
		{"id_token", func(c *C) { c.ResponseType = "id_token" }, ""},
		{"id_token without a secret", idTokenOnly, ""},
		{"said twice", func(c *C) { c.ResponseType, c.ResponseMode = "id_token", "form_post" }, ""},
		{"hybrid", hybrid, ""},
		{"code", func(c *C) { c.ResponseType = "code" }, ""},
		{"this machine", func(c *C) { idTokenOnly(c); c.BaseURL = "http://localhost:3000" }, ""},

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
		c := goodConfig()
		tt.edit(&c)
		_, err := auth0.New(c)
		if tt.field == "" && err != nil || tt.field != "" && (err == nil || !strings.Contains(err.Error(), "auth0: Config."+tt.field+" ")) {
			t.Errorf("%s: %v, want an error of %q", tt.why, err, tt.field)
		}
	}
}

// TestFormAndCrossOriginProtection: the form comes from the tenant's site. What
// is documented for that lets it pass and nothing else.
func TestFormAndCrossOriginProtection(t *testing.T) {
	for bypass, want := range map[string]int{"": http.StatusForbidden, "POST /auth/callback": http.StatusSeeOther} {
		e := newEnv(t, idTokenOnly)
		protection := http.NewCrossOriginProtection()
		if bypass != "" {
			protection.AddInsecureBypassPattern(bypass)
		}
		e.app = protection.Handler(e.strategy.LoadUser(e.mux))
		b := e.browser()
		if resp := b.post(b.formAtTenant(b.begin("/auth/login"))); resp.status != want {
			t.Errorf("bypass %q: %d, want %d", bypass, resp.status, want)
		}
		if resp := b.do("POST", "/auth/logout", url.Values{}, "Sec-Fetch-Site", "cross-site"); resp.status != http.StatusForbidden {
			t.Errorf("bypass %q: a foreign logout: %d", bypass, resp.status)
		}
	}
}

// TestConnectionsWithoutSecret: there is nobody to ask the Management API as.
func TestConnectionsWithoutSecret(t *testing.T) {
	e := newEnv(t, idTokenOnly)
	if _, err := e.strategy.GetConnections(t.Context()); err == nil || !strings.Contains(err.Error(), "set Config.ManagementClientID") || e.tenant.Calls(emulator.Token) != 0 {
		t.Errorf("without a secret: %v, %d token requests", err, e.tenant.Calls(emulator.Token))
	}
	e = newEnv(t, idTokenOnly, func(c *auth0.Config) {
		c.ManagementClientID, c.ManagementClientSecret = testClientID, "client-secret-SECRET"
	})
	if list, err := e.strategy.GetConnections(t.Context()); err != nil || len(list) == 0 {
		t.Errorf("with credentials of its own: %v, %v", list, err)
	}
}
