package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

// An app is an application with the library, configured by the variables alone.
type app struct {
	server *httptest.Server
	routes *http.ServeMux
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{routes: http.NewServeMux()}
	a.server = httptest.NewServer(a.routes)
	t.Cleanup(a.server.Close)
	return a
}

// configure reads the variables as an application does.
func (a *app) configure(t *testing.T, env map[string]string) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	cfg, err := auth0.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: cfg.Domain, Audience: cfg.Audience})
	if err != nil {
		t.Fatal(err)
	}
	strategy.Register(a.routes)
	a.routes.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		token, err := strategy.AccessToken(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		checked, err := api.Verify(r.Context(), token.AccessToken)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		io.WriteString(w, user.Email+" may "+strings.Join(slices.Collect(checked.Permissions()), " ")+" in ["+user.OrgName+"]")
	})))
}

// TestButtons: an application that only the variables configure lists the connections of
// the tenant.
func TestButtons(t *testing.T) {
	for name, value := range begin(t).env {
		t.Setenv(name, value)
	}
	cfg, err := auth0.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	list, err := strategy.GetConnections(t.Context())
	if err != nil || len(list) < 2 {
		t.Errorf("the connections are %v, %v", list, err)
	}
}

// A browser follows redirects and keeps cookies.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return browser{t, &http.Client{Jar: jar, Transport: transport}}
}

// A page is a response with its URL.
type page struct {
	status int
	url    *url.URL
	body   string
}

func (b browser) open(address string) page { return b.read(http.MethodGet, address, nil) }

func (b browser) submit(p page, form url.Values) page {
	return b.read(http.MethodPost, p.url.String(), form)
}

func (b browser) read(method, address string, form url.Values) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	p := page{resp.StatusCode, resp.Request.URL, string(body)}
	// The response to a form continues by a page, so that the policy form-action holds.
	if found := regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)"`).FindStringSubmatch(p.body); found != nil {
		return b.open(html.UnescapeString(found[1]))
	}
	return p
}

// login fills in the tenant's page.
func (b browser) login(address, email, password string) page {
	b.t.Helper()
	p := b.open(address)
	if p.url.Path != "/u/login" {
		b.t.Fatalf("the browser is at %s:\n%s", p.url, p.body)
	}
	return b.submit(p, url.Values{"username": {email}, "password": {password}})
}

// TestLogin: an application that knows only the variables logs in with each kind of
// option.
func TestLogin(t *testing.T) {
	a := newApp(t)
	users := filepath.Join(t.TempDir(), "users.json")
	err := os.WriteFile(users, []byte(`[
		{"email": "eve@acme.example", "password": "a password of eve", "name": "Eve", "permissions": ["write:messages"], "organizations": ["acme-eu", "eves-team"]},
		{"email": "adam@acme.example", "password": "a password of adam", "organizations": ["eves-team"]},
		{"email": "kain@acme.example", "password": "a password of kain", "denied": "not here"}]`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, "-app", a.server.URL, "-users", users, "-organizations", "-logout", "/bye", "-callback", "/auth/back")
	a.configure(t, r.env)

	t.Run("password, then one of two organizations", func(t *testing.T) {
		b := newBrowser(t)
		p := b.login(a.server.URL+"/profile", "eve@acme.example", "a password of eve")
		if !strings.Contains(p.body, "Acme Europe") || !strings.Contains(p.body, "eves-team") {
			t.Fatalf("%s shows no organizations:\n%s", p.url, p.body)
		}
		choice := regexp.MustCompile(`value="(org_[^"]+)"[^\n]*eves-team`).FindStringSubmatch(p.body)
		if choice == nil {
			t.Fatalf("no button in:\n%s", p.body)
		}
		p = b.submit(p, url.Values{"organization": {choice[1]}})
		if want := "eve@acme.example may write:messages in [eves-team]"; p.status != 200 || p.body != want {
			t.Errorf("status %d at %s: %s", p.status, p.url, p.body)
		}
	})
	t.Run("the others of the file", func(t *testing.T) {
		p := newBrowser(t).login(a.server.URL+"/profile", "adam@acme.example", "a password of adam")
		if want := regexp.MustCompile(`value="(org_[^"]+)"`).FindAllString(p.body, -1); len(want) != 1 && !strings.HasPrefix(p.body, "adam@acme.example may ") {
			t.Errorf("status %d at %s: %s", p.status, p.url, p.body)
		}
		p = newBrowser(t).login(a.server.URL+"/profile", "kain@acme.example", "a password of kain")
		if p.status != http.StatusForbidden {
			t.Errorf("status %d at %s: %s", p.status, p.url, p.body)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		p := newBrowser(t).login(a.server.URL+"/profile", "ada@acme.example", "wrong horse")
		if p.url.Path != "/u/login" || p.status < 400 {
			t.Errorf("status %d at %s", p.status, p.url)
		}
	})
	t.Run("callback and logout URLs", func(t *testing.T) {
		for _, test := range []struct {
			path    string
			allowed bool
		}{
			{"/auth/callback", true}, {"/auth/back", true}, {"/callback", true}, {"/oauth2/callback", true}, {"/signin-oidc", true}, {"/elsewhere", false},
		} {
			q := url.Values{"response_type": {"code"}, "client_id": {r.env["AUTH0_CLIENT_ID"]}, "scope": {"openid"}, "redirect_uri": {a.server.URL + test.path}}
			if p := newBrowser(t).open(r.env["AUTH0_DOMAIN"] + "/authorize?" + q.Encode()); (p.status == 200) != test.allowed {
				t.Errorf("%s: status %d", test.path, p.status)
			}
		}
		for to, allowed := range map[string]bool{a.server.URL: true, a.server.URL + "/bye": true, a.server.URL + "/profile": false} {
			q := url.Values{"client_id": {r.env["AUTH0_CLIENT_ID"]}, "returnTo": {to}}
			p := newBrowser(t).open(r.env["AUTH0_DOMAIN"] + "/v2/logout?" + q.Encode())
			if got := "http://"+p.url.Host == a.server.URL; got != allowed {
				t.Errorf("%s: the browser is at %s", to, p.url)
			}
		}
	})
}

// TestUsersFields: each field of the file reaches the tokens or the login.
func TestUsersFields(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users.json")
	err := os.WriteFile(users, []byte(`[
		{"email": "eve@acme.example", "connection": "github", "user_id": "7", "email_verified": false, "name": "Eve A", "given_name": "Eve",
		 "family_name": "A", "nickname": "e", "picture": "https://img.acme.example/e.png", "claims": {"https://acme.example/plan": "gold"}},
		{"phone_number": "+15551234567", "connection": "github"},
		{"email": "grace@gmail.example", "connection": "google-oauth2", "name": "Another Grace"}]`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-users", users})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := newTenant(o, newIdentity(""), "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	tenant.IDToken("x", "eve@acme.example", func(_, c map[string]any) { claims = c })
	for name, want := range map[string]any{"sub": "github|7", "email": "eve@acme.example", "email_verified": false, "name": "Eve A", "given_name": "Eve",
		"family_name": "A", "nickname": "e", "picture": "https://img.acme.example/e.png", "https://acme.example/plan": "gold"} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	tenant.IDToken("x", "grace@gmail.example", func(_, c map[string]any) { claims = c })
	if claims["name"] != "Another Grace" || claims["email_verified"] != true || claims["sub"] != "google-oauth2|101854370229911764483" {
		t.Errorf("the user of the demonstration is not replaced: %v", claims)
	}
	if _, ok := tenant.Subject("+15551234567"); !ok {
		t.Error("the user with a number is not there")
	}
}

// TestVariables: the tenant accepts the API and the application without a secret that the
// variables name.
func TestVariables(t *testing.T) {
	t.Parallel()
	r := begin(t, "-app", "http://localhost:3000/shop/", "-audience", "https://shop.acme.example/api")
	if r.env["APP_BASE_URL"] != "http://localhost:3000/shop" || r.env["AUTH0_AUDIENCE"] != "https://shop.acme.example/api" {
		t.Errorf("the variables are %q", r.env)
	}
	names := []string{"APP_BASE_URL", "AUTH0_AUDIENCE", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_DOMAIN", "AUTH0_ISSUER_BASE_URL",
		"AUTH0_SECRET", "AUTH0_SPA_CLIENT_ID", "AUTH0_TENANT_CONTROL", "AUTH0_TENANT_DOMAIN"}
	for name := range r.env {
		if !slices.Contains(names, name) {
			t.Errorf("a variable %s", name)
		}
	}
	if len(r.env) != len(names) {
		t.Errorf("%d variables", len(r.env))
	}
	q := url.Values{"response_type": {"code"}, "client_id": {r.env["AUTH0_SPA_CLIENT_ID"]}, "scope": {"openid"}, "audience": {r.env["AUTH0_AUDIENCE"]},
		"code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"}, "redirect_uri": {"http://localhost:3000/shop/callback"}}
	if p := newBrowser(t).open(r.env["AUTH0_DOMAIN"] + "/authorize?" + q.Encode()); p.status != 200 || p.url.Path != "/u/login" {
		t.Errorf("status %d at %s", p.status, p.url)
	}
}
