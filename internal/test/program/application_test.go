package program_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// bare is the configuration of a program that has no pages: no base URL, no secret.
func bare(e *testkit.Env) auth0.Config {
	c := e.Config
	c.BaseURL, c.Secrets = "", nil
	return c
}

func newApplication(t *testing.T, c auth0.Config) *auth0.Application {
	t.Helper()
	a, err := auth0.NewApplication(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestNewApplication: three fields are enough, and the error names each wrong one.
func TestNewApplication(t *testing.T) {
	t.Parallel()
	good := auth0.Config{Domain: testkit.TenantHost, ClientID: "worker", ClientSecret: "worker-secret-SECRET"}
	for why, tt := range map[string]struct {
		edit  func(*auth0.Config)
		field string
	}{
		"three fields":          {func(*auth0.Config) {}, ""},
		"fields for a browser":  {func(c *auth0.Config) { c.IdleTimeout, c.CookieName, c.PostLogoutURLs = 1, "a b", []string{"x"} }, ""},
		"no domain":             {func(c *auth0.Config) { c.Domain = "" }, "Domain"},
		"no client id":          {func(c *auth0.Config) { c.ClientID = "" }, "ClientID"},
		"no secret":             {func(c *auth0.Config) { c.ClientSecret = "" }, "ClientSecret"},
		"a bad base URL":        {func(c *auth0.Config) { c.BaseURL = "app.example" }, "BaseURL"},
		"a guessable secret":    {func(c *auth0.Config) { c.Secrets = []string{strings.Repeat("a", 32)} }, "Secrets"},
		"unusable login option": {func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{nil} }, "LoginOptions"},
		"unusable scope":        {func(c *auth0.Config) { c.Scopes = []string{"a b"} }, "Scopes"},
		"unusable algorithm":    {func(c *auth0.Config) { c.Algorithms = []string{"none"} }, "Algorithms"},
		"unusable leeway":       {func(c *auth0.Config) { c.Leeway = 1 << 60 }, "Leeway"},
		"zero keys":             {func(c *auth0.Config) { c.Keys = &auth0.KeySet{} }, "Keys"},
	} {
		c := good
		tt.edit(&c)
		a, err := auth0.NewApplication(c)
		if tt.field == "" && (err != nil || a == nil) || tt.field != "" && (a != nil || err == nil || !strings.Contains(err.Error(), "auth0: Config."+tt.field+" ")) {
			t.Errorf("%s: %v, want an error that names %q", why, err, tt.field)
		}
	}
}

// TestLoginWithoutPages logs in by a redirect to a program, which keeps the
// transaction itself.
func TestLoginWithoutPages(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	a := newApplication(t, bare(e))
	begin := func(opts ...auth0.LoginOption) (answer url.Values, transaction string) {
		authURL, transaction, err := a.AuthCodeURL(t.Context(), testkit.CallbackURL, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return e.Browser().AtTenant(testkit.Must(url.Parse(authURL))).Query(), transaction
	}
	answer, transaction := begin(auth0.WithReturnTo("/there?x=1"))
	l, err := a.Exchange(t.Context(), transaction, answer)
	if err != nil || l.User.Email != "ada@acme.example" || l.ReturnTo != "/there?x=1" || l.Token().AccessToken == "" {
		t.Fatalf("%v, %+v", err, l)
	}

	for why, target := range map[string]string{"another host": "https://evil.example/", "two slashes": "//evil.example", "nothing": ""} {
		answer, transaction := begin(auth0.WithReturnTo(target))
		if l, err := a.Exchange(t.Context(), transaction, answer); err != nil || l.ReturnTo != "/" {
			t.Errorf("%s: %v, return to %q", why, err, l.ReturnTo)
		}
	}

	// Without Secrets, only this application opens its sealed transactions.
	answer, transaction = begin()
	if _, err := newApplication(t, bare(e)).Exchange(t.Context(), transaction, answer); testkit.ReasonOf(err) != "transaction_not_found" {
		t.Errorf("another process: %v", err)
	}
	c := bare(e)
	c.Secrets = []string{testkit.CookieSecret}
	authURL, transaction, err := newApplication(t, c).AuthCodeURL(t.Context(), testkit.CallbackURL)
	if err != nil {
		t.Fatal(err)
	}
	answer = e.Browser().AtTenant(testkit.Must(url.Parse(authURL))).Query()
	if _, err := newApplication(t, c).Exchange(t.Context(), transaction, answer); err != nil {
		t.Errorf("another process with the same secret: %v", err)
	}
	// A transaction that a strategy with the same secret has sealed belongs to its
	// cookies.
	if _, err := e.Strategy.Application().Exchange(t.Context(), transaction, answer); testkit.ReasonOf(err) != "transaction_not_found" {
		t.Errorf("a strategy: %v", err)
	}
}

// TestRedirectURI: an invalid redirect URI starts no login. A program without a base
// URL can have any, an application with one has those below it.
func TestRedirectURI(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	for _, tt := range []struct {
		uri        string
		bare, page bool // accepted
	}{
		{testkit.CallbackURL, true, true},
		{testkit.AppURL + "/other?x=1", true, true},
		{"http://127.0.0.1:4711/callback", true, false},
		{"com.example.app:/callback", true, false},
		{"https://app.example.evil.example/auth/callback", true, false},
		{testkit.AppURL, true, false},
		{testkit.CallbackURL + "#x", false, false},
		{"/auth/callback", false, false},
		{"", false, false},
		{"https://app.example/\x00", false, false},
	} {
		for accepted, a := range map[bool]*auth0.Application{tt.bare: newApplication(t, bare(e))} {
			if _, _, err := a.AuthCodeURL(t.Context(), tt.uri); (err == nil) != accepted || err != nil && testkit.ReasonOf(err) != "login_option" {
				t.Errorf("without a base URL, %q: %v", tt.uri, err)
			}
		}
		if _, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), tt.uri); (err == nil) != tt.page || err != nil && testkit.ReasonOf(err) != "login_option" {
			t.Errorf("with a base URL, %q: %v", tt.uri, err)
		}
	}
}

// TestStartSessionOfAnotherApplication: a session starts only with a login of the
// strategy's own application, whose configuration has checked it.
func TestStartSessionOfAnotherApplication(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	other := newApplication(t, bare(e))
	e.Mux.HandleFunc("GET /begin", func(w http.ResponseWriter, r *http.Request) {
		a := e.Strategy.Application()
		if r.FormValue("other") != "" {
			a = other
		}
		l, err := a.LoginWithPassword(r.Context(), "ada@acme.example", testkit.Password)
		if err != nil {
			t.Errorf("login: %v", err)
			return
		}
		if err := e.Strategy.StartSession(w, r, l); err != nil {
			http.Error(w, testkit.ReasonOf(err), http.StatusInternalServerError)
		}
	})
	b := e.Browser()
	if resp := b.Page("/begin?other=1"); resp.Status != http.StatusInternalServerError || b.LoggedIn() {
		t.Errorf("login of another application: %d %s", resp.Status, resp.Body)
	}
	if resp := b.Page("/begin"); resp.Status != http.StatusOK || !b.LoggedIn() {
		t.Errorf("login of the strategy's application: %d %s", resp.Status, resp.Body)
	}
}

// TestEndpoint: other libraries get the fields they need.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	a := newApplication(t, bare(e))
	ep, err := a.Endpoint(t.Context())
	if err != nil || ep.AuthURL != "https://"+testkit.TenantHost+"/authorize" || ep.TokenURL != "https://"+testkit.TenantHost+"/oauth/token" {
		t.Errorf("%+v, %v", ep, err)
	}
	if a.Issuer() != "https://"+testkit.TenantHost+"/" {
		t.Errorf("issuer %q", a.Issuer())
	}
	c := bare(e)
	c.Domain = "https://silent.example"
	c.HTTPClient = &http.Client{Transport: testkit.Hosts{}}
	if _, err := newApplication(t, c).Endpoint(t.Context()); !errors.Is(err, auth0.ErrTenantUnavailable) {
		t.Errorf("a provider that is silent: %v", err)
	}
}

// TestRevoke: the method revokes a refresh token, and sends no other request.
func TestRevoke(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t, func(c *auth0.Config) { c.Scopes = []string{"openid", "offline_access"} })
	a := newApplication(t, bare(e))
	l, err := a.LoginWithPassword(t.Context(), "ada@acme.example", testkit.Password)
	if err != nil || l.Token().RefreshToken == "" {
		t.Fatalf("%v", err)
	}
	refresh := func() error {
		_, err := a.Grant(t.Context(), "refresh_token", url.Values{"refresh_token": {l.Token().RefreshToken}})
		return err
	}
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	if err := a.Revoke(t.Context(), l.Token().RefreshToken); err != nil {
		t.Fatal(err)
	}
	if err := refresh(); !errors.Is(err, auth0.ErrWrongCredentials) {
		t.Errorf("after it was revoked: %v", err)
	}
	if err := a.Revoke(t.Context(), ""); testkit.ReasonOf(err) != "invalid_request" {
		t.Errorf("no token: %v", err)
	}
	c := bare(e)
	c.Domain = "https://" + testkit.TenantHost // as for any provider, by discovery
	e.Tenant.EditDiscovery(func(doc map[string]any) { doc["issuer"] = c.Domain; delete(doc, "revocation_endpoint") })
	if err := newApplication(t, c).Revoke(t.Context(), "x"); !errors.Is(err, auth0.ErrGrantNotAllowed) {
		t.Errorf("a provider without the endpoint: %v", err)
	}
	e.Tenant.Fail(testkit.RevokeEndpoint, http.StatusServiceUnavailable)
	if err := a.Revoke(t.Context(), "x"); !errors.Is(err, auth0.ErrTenantUnavailable) {
		t.Errorf("a tenant that is down: %v", err)
	}
}

// TestStaticKeys: the application uses the keys of the configuration, and fetches
// none.
func TestStaticKeys(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	resp, err := e.Config.HTTPClient.Get("https://" + testkit.TenantHost + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	document := testkit.Must(io.ReadAll(resp.Body))
	other := testkit.Must(testkit.NewTenant(testkit.TenantConfig{Host: "other.auth0.example"}))
	w := httptest.NewRecorder()
	other.ServeHTTP(w, httptest.NewRequest("GET", "https://other.auth0.example/.well-known/jwks.json", nil))
	for _, tt := range []struct {
		why, reason string
		document    []byte
	}{
		{"the tenant's keys", "", document},
		{"keys of another tenant", "unknown_kid", w.Body.Bytes()},
	} {
		c := bare(e)
		c.Keys = testkit.Must(auth0.StaticKeys(tt.document))
		a := newApplication(t, c)
		authURL, transaction, err := a.AuthCodeURL(t.Context(), testkit.CallbackURL)
		if err != nil {
			t.Fatal(err)
		}
		before := e.Tenant.Calls(testkit.JWKSEndpoint)
		answer := e.Browser().AtTenant(testkit.Must(url.Parse(authURL))).Query()
		_, err = a.Exchange(t.Context(), transaction, answer)
		if (err == nil) != (tt.reason == "") || err != nil && testkit.ReasonOf(err) != tt.reason {
			t.Errorf("%s: %v, want %q", tt.why, err, tt.reason)
		}
		if n := e.Tenant.Calls(testkit.JWKSEndpoint) - before; n != 0 {
			t.Errorf("%s: %d fetches", tt.why, n)
		}
		if a.KeySet() != c.Keys {
			t.Errorf("%s: KeySet returns other keys", tt.why)
		}
	}
}

// TestOptionsWithoutBrowser: a login without a browser accepts the options that
// apply there, and rejects the others.
func TestOptionsWithoutBrowser(t *testing.T) {
	t.Parallel()
	e := testkit.SignedInForGrants(t)
	a := newApplication(t, bare(e))
	login := func(opts ...auth0.LoginOption) (*auth0.Login, error) {
		return a.LoginWithPassword(t.Context(), "ada@acme.example", testkit.Password, opts...)
	}
	for why, tt := range map[string]struct {
		option auth0.LoginOption
		reason string // empty if the login succeeds
	}{
		"connection":         {auth0.WithConnection(testkit.Realm), ""},
		"audience":           {auth0.WithAudience(testkit.Audience), ""},
		"scopes":             {auth0.WithScopes("email"), ""},
		"address":            {auth0.WithForwardedFor(netip.MustParseAddr("203.0.113.9")), ""},
		"return URL":         {auth0.WithReturnTo("/x"), ""},
		"state":              {auth0.WithAppState(1), ""},
		"no address":         {auth0.WithForwardedFor(netip.Addr{}), "login_option"},
		"prompt":             {auth0.WithPrompt("login"), "login_option"},
		"hint":               {auth0.WithLoginHint("a@b.example"), "login_option"},
		"screen":             {auth0.WithScreenHint("signup"), "login_option"},
		"languages":          {auth0.WithUILocales("en"), "login_option"},
		"invitation":         {auth0.WithInvitation("ticket", "org_1"), "login_option"},
		"pop-up":             {auth0.WithPopup(testkit.AppURL), "login_option"},
		"parameter":          {auth0.WithParam("ext-x", "y"), "login_option"},
		"nil":                {nil, "login_option"},
		"age, not shown":     {auth0.WithMaxAge(time.Minute), "auth_too_old"},
		"acr, not shown":     {auth0.WithRequiredACR("urn:x"), "invalid_acr"},
		"other organization": {auth0.WithOrganization("org_other"), "invalid_claim"},
	} {
		l, err := login(tt.option)
		if tt.reason == "" && (err != nil || l.User.Email != "ada@acme.example") || tt.reason != "" && (l != nil || testkit.ReasonOf(err) != tt.reason) {
			t.Errorf("%s: %v, want %q", why, err, tt.reason)
		}
	}
	l, err := login(auth0.WithReturnTo("/there"), auth0.WithAppState("state"), auth0.WithScopes("email"))
	if err != nil || l.ReturnTo != "/there" || string(l.AppState) != `"state"` || l.Token().Extra("scope") != "openid email" {
		t.Errorf("%v, %+v, scope %v", err, l, l.Token().Extra("scope"))
	}
	if l, err := login(auth0.WithReturnTo("https://evil.example/")); err != nil || l.ReturnTo != "/" {
		t.Errorf("%v, %+v", err, l)
	}
	to := auth0.PasswordlessLogin{Email: "new@acme.example"}
	if _, err := a.LoginWithCode(t.Context(), to, "123456", auth0.WithConnection("email")); testkit.ReasonOf(err) != "login_option" {
		t.Errorf("a code with a connection: %v", err)
	}
	if err := a.SendCode(t.Context(), to, auth0.WithPrompt("login")); testkit.ReasonOf(err) != "login_option" {
		t.Errorf("SendCode with a prompt: %v", err)
	}
	if _, _, err := a.AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithForwardedFor(netip.MustParseAddr("203.0.113.9"))); testkit.ReasonOf(err) != "login_option" {
		t.Errorf("AuthCodeURL with an address: %v", err)
	}
}
