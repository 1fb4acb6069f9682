package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestLoginRequest(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
	b := e.Browser()
	resp := b.Page("/auth/login")
	if resp.Status != http.StatusFound {
		t.Fatalf("status %d", resp.Status)
	}
	u := resp.Location(t)
	if got := u.Scheme + "://" + u.Host + u.Path; got != "https://acme.auth0.example/authorize" {
		t.Errorf("authorization endpoint %s", got)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"client_id": testkit.ClientID, "response_type": "code", "scope": "openid profile email", "audience": testkit.Audience,
		"redirect_uri": "https://app.example/auth/callback", "code_challenge_method": "S256",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name := range q {
		if !slices.Contains([]string{"client_id", "response_type", "scope", "audience", "redirect_uri", "code_challenge_method", "code_challenge", "state", "nonce"}, name) {
			t.Errorf("unexpected parameter %s", name)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if raw, err := base64.RawURLEncoding.DecodeString(q.Get(name)); err != nil || len(raw) != 32 {
			t.Errorf("%s is not 32 bytes: %q", name, q.Get(name))
		}
	}
	if q.Get("state") == q.Get("nonce") {
		t.Error("state and nonce are the same")
	}
	if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control: %s", got)
	}
	if got := resp.Header.Get("Pragma"); got != "no-cache" {
		t.Errorf("Pragma: %s", got)
	}

	// The cookie's name is a hash of the state, not the state.
	hash := sha256.Sum256([]byte(q.Get("state")))
	name := "__Host-auth0_txn_" + base64.RawURLEncoding.EncodeToString(hash[:])[:16]
	c := resp.SetCookies(t)[name]
	if c == nil || len(resp.SetCookies(t)) != 1 {
		t.Fatalf("cookies %v, want %s alone", resp.Header.Values("Set-Cookie"), name)
	}
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 25*60*60 || c.Domain != "" {
		t.Errorf("transaction cookie %s", c)
	}
	if strings.Contains(c.Value, q.Get("state")) || strings.Contains(c.Value, q.Get("nonce")) {
		t.Error("the cookie shows what is in it")
	}
}

// TestVerifierFits: the code verifier sent to the token endpoint matches the hash
// sent to the authorization endpoint.
func TestVerifierFits(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser()
	u := b.Begin("/auth/login")
	if resp := b.Callback(b.AtTenant(u)); resp.Status != http.StatusSeeOther {
		t.Fatalf("callback: %d %s", resp.Status, resp.Body)
	}
	form := e.Tenant.LastTokenRequest()
	hash := sha256.Sum256([]byte(form.Get("code_verifier")))
	if got, want := base64.RawURLEncoding.EncodeToString(hash[:]), u.Query().Get("code_challenge"); got != want {
		t.Errorf("challenge %q does not belong to the verifier", want)
	}
	if len(form.Get("code_verifier")) < 43 {
		t.Errorf("verifier of %d characters", len(form.Get("code_verifier")))
	}
	for name, want := range map[string]string{"grant_type": "authorization_code", "client_id": testkit.ClientID, "client_secret": "client-secret-SECRET", "redirect_uri": "https://app.example/auth/callback"} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestStateAndNonceAreUnique(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	seen := map[string]bool{}
	const n = 2_000
	for range n {
		authURL, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(authURL)
		if err != nil {
			t.Fatal(err)
		}
		seen[u.Query().Get("state")] = true
		seen[u.Query().Get("nonce")] = true
		seen[u.Query().Get("code_challenge")] = true
	}
	if len(seen) != 3*n {
		t.Errorf("%d logins have %d different values, want %d", n, len(seen), 3*n)
	}
}

// TestForwardedParameters are the parameters that the login route accepts from a
// link.
func TestForwardedParameters(t *testing.T) {
	t.Parallel()
	connections := func(c *auth0.Config) { c.Connections = []auth0.Connection{{Name: "github"}, {Name: "odd name"}} }
	orgs := func(c *auth0.Config) { c.AcceptOrganizationLinks = true }
	ext := func(c *auth0.Config) { c.ForwardParams = []string{"ext-campaign"} }
	long := strings.Repeat("x", 400)
	tests := []struct {
		why, query string
		edit       func(*auth0.Config)
		want       string // of the parameters beside the core, encoded
	}{
		{"nothing", "", nil, ""},
		{"screen hint", "screen_hint=signup", nil, "screen_hint=signup"},
		{"unknown screen hint", "screen_hint=evil", nil, ""},
		{"login hint", "login_hint=a@b.example", nil, "login_hint=a%40b.example"},
		{"login hint too long", "login_hint=" + long, nil, ""},
		{"login hint with a control character", "login_hint=a%0d%0ab", nil, ""},
		{"locales", "ui_locales=de-AT%20en", nil, "ui_locales=de-AT+en"},
		{"locales with other characters", "ui_locales=%3Cscript%3E", nil, ""},
		{"prompt", "prompt=login", nil, "prompt=login"},
		{"two prompts", "prompt=login%20consent", nil, "prompt=login+consent"},
		{"unknown prompt", "prompt=evil", nil, ""},
		{"connection, no list at hand", "connection=github", nil, "connection=github"},
		{"connection that is no name", "connection=a%20b", nil, ""},
		{"connection with markup", "connection=%3Cb%3E", nil, ""},
		{"connection on the list", "connection=github", connections, "connection=github"},
		{"connection on the list with an odd name", "connection=odd+name", connections, "connection=odd+name"},
		{"connection not on the list", "connection=facebook", connections, ""},
		{"organization while off", "organization=org_1&invitation=inv", nil, ""},
		{"organization", "organization=org_1", orgs, "organization=org_1"},
		{"invitation", "invitation=inv&organization=org_1&organization_name=acme", orgs, "invitation=inv&organization=org_1&prompt=login"},
		{"listed parameter", "ext-campaign=spring", ext, "ext-campaign=spring"},
		{"parameter not listed", "ext-other=1", ext, ""},
		{"audience", "audience=https://evil.example/", nil, ""},
		{"scope", "scope=admin", nil, ""},
		{"acr_values and max_age", "acr_values=x&max_age=0", nil, ""},
		{"session transfer token", "session_transfer_token=x", nil, ""},
		{"core parameters", "client_id=x&redirect_uri=https://evil.example/&state=x&nonce=x&code_challenge=x&code_challenge_method=plain&response_type=token&response_mode=fragment&request=x&request_uri=x&dpop_jkt=x", nil, ""},
		{"return URL is not sent", "returnTo=/x", nil, ""},
		{"parameters in the return URL", "returnTo=" + url.QueryEscape("/&scope=admin&audience=x"), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			var edits []func(*auth0.Config)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			e := testkit.SignedIn(t, edits...)
			q := e.Browser().Begin("/auth/login?" + tt.query).Query()
			for name, want := range map[string]string{"client_id": testkit.ClientID, "redirect_uri": "https://app.example/auth/callback", "scope": "openid profile email", "response_type": "code", "code_challenge_method": "S256"} {
				if len(q[name]) != 1 || q.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, q[name], want)
				}
				q.Del(name)
			}
			for _, name := range []string{"state", "nonce", "code_challenge"} {
				if len(q[name]) != 1 || len(q.Get(name)) != 43 {
					t.Errorf("%s is %q", name, q[name])
				}
				q.Del(name)
			}
			if got := q.Encode(); got != tt.want {
				t.Errorf("further parameters %q, want %q", got, tt.want)
			}
		})
	}
}

func TestInvitationNeedsItsOrganization(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.AcceptOrganizationLinks = true })
	resp := e.Browser().Page("/auth/login?invitation=inv")
	if resp.Status != http.StatusBadRequest || resp.Header.Get("Location") != "" || len(resp.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("status %d, headers %v; want 400 and nothing begun", resp.Status, resp.Header)
	}
}

func TestLoginOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why  string
		cfg  []auth0.LoginOption
		opts []auth0.LoginOption
		want string
	}{
		{"of the configuration", []auth0.LoginOption{auth0.WithUILocales("de")}, nil, "ui_locales=de"},
		{"later one counts", []auth0.LoginOption{auth0.WithUILocales("de")}, []auth0.LoginOption{auth0.WithUILocales("fr")}, "ui_locales=fr"},
		{"taken back", []auth0.LoginOption{auth0.WithUILocales("de")}, []auth0.LoginOption{auth0.WithParam("ui_locales")}, ""},
		{"empty value is sent", nil, []auth0.LoginOption{auth0.WithParam("ext-x", "")}, "ext-x="},
		{"max_age of 0 is sent", nil, []auth0.LoginOption{auth0.WithMaxAge(0)}, "max_age=0"},
		{"max_age", []auth0.LoginOption{auth0.WithMaxAge(time.Hour)}, []auth0.LoginOption{auth0.WithMaxAge(90 * time.Second)}, "max_age=90"},
		{"max_age taken back", []auth0.LoginOption{auth0.WithMaxAge(0)}, []auth0.LoginOption{auth0.WithParam("max_age")}, ""},
		{"acr", nil, []auth0.LoginOption{auth0.WithACRValues("a", "b")}, "acr_values=a+b"},
		{"required acr", nil, []auth0.LoginOption{auth0.WithRequiredACR("a")}, "acr_values=a"},
		{"connection", nil, []auth0.LoginOption{auth0.WithConnection("an old name")}, "connection=an+old+name"},
		{"organization", nil, []auth0.LoginOption{auth0.WithOrganization("org_1")}, "organization=org_1"},
		{"invitation", nil, []auth0.LoginOption{auth0.WithInvitation("inv", "org_1")}, "invitation=inv&organization=org_1&prompt=login"},
		{"invitation, other prompt", nil, []auth0.LoginOption{auth0.WithPrompt("select_account"), auth0.WithInvitation("inv", "org_1")}, "invitation=inv&organization=org_1&prompt=select_account"},
		{"hint, screen, prompt", nil, []auth0.LoginOption{auth0.WithLoginHint("a@b"), auth0.WithScreenHint("signup"), auth0.WithPrompt("login")}, "login_hint=a%40b&prompt=login&screen_hint=signup"},
		{"audience", nil, []auth0.LoginOption{auth0.WithAudience("https://x/")}, "audience=https%3A%2F%2Fx%2F"},
		{"return URL and state stay here", nil, []auth0.LoginOption{auth0.WithReturnTo("/x"), auth0.WithAppState(map[string]int{"a": 1})}, ""},
		{"nothing can add parameters through a value", nil, []auth0.LoginOption{auth0.WithParam("ext-x", "1&scope=admin")}, "ext-x=1%26scope%3Dadmin"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e := testkit.SignedIn(t, func(c *auth0.Config) { c.LoginOptions = tt.cfg })
			authURL, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(authURL)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			for _, name := range []string{"client_id", "redirect_uri", "scope", "response_type", "code_challenge_method", "code_challenge", "state", "nonce"} {
				if len(q[name]) != 1 {
					t.Errorf("%s is %q", name, q[name])
				}
				q.Del(name)
			}
			if got := q.Encode(); got != tt.want {
				t.Errorf("further parameters %q, want %q", got, tt.want)
			}
		})
	}
	e := testkit.SignedIn(t)
	authURL, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithScopes("read:m  openid read:m", "write:m"))
	if err != nil || !strings.Contains(authURL, "scope=read%3Am+openid+write%3Am&") {
		t.Errorf("scopes: %s, %v; want each once, in order", authURL, err)
	}
	authURL, _, err = e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithScopes("read:m"))
	if err != nil || !strings.Contains(authURL, "scope=openid+read%3Am&") {
		t.Errorf("scopes without openid: %s, %v; want it to be added", authURL, err)
	}
}

func TestLoginOptionsRefused(t *testing.T) {
	t.Parallel()
	var bad = map[string]auth0.LoginOption{
		"nil":                       nil,
		"negative max_age":          auth0.WithMaxAge(-time.Second),
		"unusable prompt":           auth0.WithPrompt("Evil"),
		"empty prompt":              auth0.WithPrompt(""),
		"locales":                   auth0.WithUILocales("<b>"),
		"control character":         auth0.WithConnection("a\nb"),
		"invalid UTF-8":             auth0.WithLoginHint("\xff"),
		"long hint":                 auth0.WithLoginHint(strings.Repeat("x", 321)),
		"invitation alone":          auth0.WithInvitation("inv", ""),
		"empty required acr":        auth0.WithRequiredACR(),
		"blank required acr":        auth0.WithRequiredACR(""),
		"bad scope":                 auth0.WithScopes(`a"b`),
		"large state":               auth0.WithAppState(strings.Repeat("x", 1023)),
		"state that is no JSON":     auth0.WithAppState(func() {}),
		"parameter without name":    auth0.WithParam("", "x"),
		"parameter with a space":    auth0.WithParam("a b", "x"),
		"parameter with CR LF":      auth0.WithParam("ext-x", "a\r\nSet-Cookie: b=c"),
		"parameter with long":       auth0.WithParam("ext-x", strings.Repeat("x", 1025)),
		"parameter of an option":    auth0.WithParam("max_age", "0"),
		"parameter of an option2":   auth0.WithParam("scope", "admin"),
		"parameter with two values": auth0.WithParam("ext-x", "1", "2"),
	}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge", "code_challenge_method", "request", "request_uri", "dpop_jkt", "client_secret"} {
		bad["parameter "+name] = auth0.WithParam(name, "x")
	}
	e := testkit.SignedIn(t)
	for why, option := range bad {
		if _, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, option); err == nil {
			t.Errorf("%s: AuthCodeURL accepts it", why)
		}
		cfg := e.Config
		cfg.LoginOptions = []auth0.LoginOption{option}
		if _, err := auth0.New(cfg); err == nil || !strings.Contains(err.Error(), "Config.LoginOptions") {
			t.Errorf("%s: New returns %v, want an error that names Config.LoginOptions", why, err)
		}
		// A handler with the invalid option fails closed, and the log says so at once.
		h := e.Strategy.LoginHandler(option)
		if !strings.Contains(e.Log.String(), "LoginHandler has unusable options") {
			t.Errorf("%s: nothing in the log", why)
		}
		e.Mux = http.NewServeMux()
		e.Mux.Handle("/login", h)
		e.App = e.Mux
		if resp := e.Browser().Page("/login"); resp.Status != http.StatusInternalServerError {
			t.Errorf("%s: status %d, want 500", why, resp.Status)
		}
	}
}

func TestLoginMethods(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	if resp := e.Browser().Do("POST", "/auth/login", url.Values{}); resp.Status != http.StatusSeeOther || resp.Location(t).Host != testkit.TenantHost {
		t.Errorf("POST: status %d, want 303 to the tenant", resp.Status)
	}
	resp := e.Browser().Do("POST", "/auth/login?connection=ignored&prompt=login", url.Values{"connection": {"github"}, "login_hint": {"a@b.example"}, "scope": {"admin"}})
	if q := resp.Location(t).Query(); q.Get("connection") != "github" || q.Get("login_hint") != "a@b.example" || q.Get("scope") != "openid profile email" || q.Get("prompt") != "login" {
		t.Errorf("form: sent with %v", q)
	}
	for why, form := range map[string]url.Values{"100 kB": {"x": {strings.Repeat("x", 100<<10)}}} {
		if resp := e.Browser().Do("POST", "/auth/login", form); resp.Status != http.StatusBadRequest {
			t.Errorf("form of %s: %d", why, resp.Status)
		}
	}
	nothing := []struct {
		why    string
		method string
		header []string
	}{
		{"HEAD", "HEAD", nil},
		{"prefetch", "GET", []string{"Sec-Purpose", "prefetch"}},
		{"prerender", "GET", []string{"Sec-Purpose", "prefetch;prerender"}},
		{"older prefetch", "GET", []string{"Purpose", "prefetch"}},
		{"oldest prefetch", "GET", []string{"X-Moz", "prefetch"}},
	}
	for _, tt := range nothing {
		resp := e.Browser().Do(tt.method, "/auth/login", nil, tt.header...)
		if resp.Status != http.StatusNoContent || len(resp.Header.Values("Set-Cookie")) != 0 || resp.Header.Get("Location") != "" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, headers %v; want 204 and nothing begun", tt.why, resp.Status, resp.Header)
		}
	}
	e.App = e.Strategy.Handler()
	if resp := e.Browser().Do("DELETE", "/auth/login", nil); resp.Status != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, POST" {
		t.Errorf("DELETE: status %d, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
}

// TestHandlerAndRegister serve the same routes and nothing else.
func TestHandlerAndRegister(t *testing.T) {
	t.Parallel()
	paths := func(c *auth0.Config) {
		c.LoginPath, c.CallbackPath, c.LogoutPath = "/in", "/back", "/out/here"
	}
	e := testkit.SignedIn(t, paths)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", http.NotFound)
	e.Strategy.Register(mux)
	for name, h := range map[string]http.Handler{"Register": mux, "Handler": e.Strategy.Handler()} {
		e.App = h
		for path, want := range map[string]int{"/in": 302, "/back": 400, "/out/here": 303, "/auth/login": 404, "/auth/callback": 404, "/auth/logout": 404, "/": 404, "/in/": 404, "/IN": 404} {
			if resp := e.Browser().Page(path); resp.Status != want {
				t.Errorf("%s: GET %s: status %d, want %d", name, path, resp.Status, want)
			}
		}
	}
	e.App = mux
	if got := e.Browser().Begin("/in").Query().Get("redirect_uri"); got != "https://app.example/back" {
		t.Errorf("redirect_uri %q", got)
	}
}

// TestBaseURLWithPath: a proxy mounts the application below a path and strips the
// path from requests.
func TestBaseURLWithPath(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://app.example/notes", "https://app.example/notes/"} {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.BaseURL = base })
		if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) {
			c.CallbackURLs = []string{"https://app.example/notes/auth/callback"}
		}); err != nil {
			t.Fatal(err)
		}
		inner := e.App
		e.App = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/notes")
			inner.ServeHTTP(w, r)
		})
		b := e.Browser()
		resp := b.Page("/private?x=1")
		if got := resp.Header.Get("Location"); got != "/notes/auth/login?returnTo="+url.QueryEscape("/notes/private?x=1") {
			t.Errorf("redirect to %s", got)
		}
		resp = b.Login("/auth/login?returnTo=" + url.QueryEscape("/notes/private?x=1"))
		if got := resp.Header.Get("Location"); got != "/notes/private?x=1" {
			t.Errorf("after the login: %s", got)
		}
		if got := e.Browser().Login("/auth/login").Header.Get("Location"); got != "/notes/" {
			t.Errorf("default after the login: %s", got)
		}
		if got := e.Browser().Login("/auth/login?returnTo=/notes/auth/logout").Header.Get("Location"); got != "/notes/" {
			t.Errorf("own route: %s", got)
		}
	}
}

func TestReturnTo(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ReturnToOrigins = []string{"https://admin.example"}
		c.DefaultReturnTo = "/start"
	})
	for target, want := range map[string]string{
		"":                                    "/start",
		"/x?a=1&b=2%20#f":                     "/x?a=1&b=2%20#f",
		"https://app.example/y":               "/y",
		"https://admin.example/z":             "https://admin.example/z",
		"https://evil.example/":               "/start",
		"//evil.example":                      "/start",
		`/\evil.example`:                      "/start",
		"/\t/evil.example":                    "/start",
		"/%2fevil.example":                    "/start",
		"javascript:alert(1)":                 "/start",
		"/auth/logout":                        "/start",
		"/auth/callback?code=x&state=y":       "/start",
		"/a\r\nSet-Cookie: a=b":               "/start",
		"/" + strings.Repeat("long/", 420):    "/start",
		"/search?next=https://evil.example/x": "/search?next=https://evil.example/x",
	} {
		b := e.Browser()
		if got := b.Login("/auth/login?returnTo=" + url.QueryEscape(target)).Header.Get("Location"); got != want {
			t.Errorf("returnTo %.60q: sent to %.60q, want %q", target, got, want)
		}
		// A user with a session gets the same redirect.
		resp := b.Page("/auth/login?returnTo=" + url.QueryEscape(target))
		if got := resp.Header.Get("Location"); resp.Status != http.StatusSeeOther || got != want {
			t.Errorf("returnTo %.60q when logged in: %d to %.60q, want %q", target, resp.Status, got, want)
		}
	}
}

// TestAlreadyLoggedIn: a user with a session is redirected without the tenant,
// unless the link needs the tenant.
func TestAlreadyLoggedIn(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.AcceptOrganizationLinks = true; c.Audience = testkit.Audience })
	b := e.Browser().MustLogin()
	for query, local := range map[string]bool{
		"":                                 true,
		"?returnTo=/private":               true,
		"?screen_hint=signup":              true,
		"?ui_locales=de":                   true,
		"?prompt=login":                    false,
		"?prompt=none":                     false,
		"?connection=github":               false,
		"?login_hint=bob@acme.example":     false,
		"?organization=org_1":              false,
		"?invitation=x&organization=org_1": false,
	} {
		resp := b.Page("/auth/login" + query)
		if got := resp.Location(t).Host != testkit.TenantHost; got != local {
			t.Errorf("/auth/login%s: sent to %s", query, resp.Header.Get("Location"))
		}
	}
	for why, option := range map[string]auth0.LoginOption{
		"max_age": auth0.WithMaxAge(0), "acr": auth0.WithRequiredACR("x"), "scopes": auth0.WithScopes("openid calendar"),
		"audience": auth0.WithAudience("https://other.example/"), "state": auth0.WithAppState(1),
	} {
		e.Mux.Handle("GET /"+why, e.Strategy.LoginHandler(option))
		if got := b.Page("/" + why).Location(t).Host; got != testkit.TenantHost {
			t.Errorf("LoginHandler with %s: sent to %s, want the tenant", why, got)
		}
	}
}

// TestAlreadyInOrganization: the shortcut needs the same organization.
func TestAlreadyInOrganization(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.AcceptOrganizationLinks = true })
	id := addOrganization(e, "umbrella")
	b := e.Browser()
	if resp := b.Login("/auth/login?organization=" + id); resp.Status != http.StatusSeeOther {
		t.Fatalf("login: %d %s\n%s", resp.Status, resp.Body, e.Log)
	}
	for query, local := range map[string]bool{
		"?organization=" + id: true, "?organization=umbrella": true, "?organization=UMBRELLA": true, "": true,
		"?organization=org_other": false, "?organization=other": false,
	} {
		if got := b.Page("/auth/login"+query).Location(t).Host != testkit.TenantHost; got != local {
			t.Errorf("/auth/login%s: stays here %v, want %v", query, got, local)
		}
	}
}

// addOrganization makes ada a member of a new organization and returns its id.
func addOrganization(e *testkit.Env, name string) string {
	e.T.Helper()
	id := "org_" + strings.ReplaceAll(name, "-", "") + "0000"
	err := errors.Join(
		e.Tenant.AddOrganization(testkit.Organization{ID: id, Name: name, DisplayName: name, Connections: []testkit.OrganizationConnection{{Name: "Username-Password-Authentication", AssignMembershipOnLogin: true}}}),
		e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.OrganizationUsage = "allow" }),
	)
	if err != nil {
		e.T.Fatal(err)
	}
	return id
}

// TestOrganizationOfEveryLogin: a link cannot change the organization.
func TestOrganizationOfEveryLogin(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.AcceptOrganizationLinks = true
		c.LoginOptions = []auth0.LoginOption{auth0.WithOrganization("org_ours")}
	})
	for _, query := range []string{"", "?organization=org_theirs", "?organization=org_theirs&invitation=ticket", "?organization=org_ours"} {
		if got := e.Browser().Begin("/auth/login" + query).Query(); got.Get("organization") != "org_ours" || got.Has("invitation") {
			t.Errorf("%s: %v", query, got)
		}
	}
	if got := e.Browser().Begin("/auth/login?organization=org_ours&invitation=ticket").Query(); got.Get("invitation") != "ticket" {
		t.Errorf("an invitation to it: %v", got)
	}
}

// TestEveryMethodOfZeroValues calls every method of the values that a constructor
// must make. None panics, and none works.
func TestEveryMethodOfZeroValues(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest("GET", "/", nil)
	given := []any{t.Context(), request, httptest.NewRecorder(), http.NotFoundHandler(), http.NewServeMux(), url.Values{}}
	arguments := func(f reflect.Type) (in []reflect.Value) {
		for i := range f.NumIn() {
			if f.IsVariadic() && i == f.NumIn()-1 {
				break
			}
			value := reflect.Zero(f.In(i))
			for _, g := range given {
				if reflect.TypeOf(g).AssignableTo(f.In(i)) {
					value = reflect.ValueOf(g)
					break
				}
			}
			in = append(in, value)
		}
		return in
	}
	methods := 0
	for _, zero := range []any{&auth0.Strategy{}, &auth0.Application{}, (*auth0.Application)(nil), &auth0.MFA{}} {
		s := reflect.ValueOf(zero)
		for i := range s.NumMethod() {
			name := s.Type().Method(i).Name
			if name == "Format" || name == "Register" { // which panics as http.ServeMux does
				continue
			}
			methods++
			t.Run(s.Type().Elem().Name()+"."+name, func(t *testing.T) {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("panic: %v", p)
					}
				}()
				for _, out := range s.Method(i).Call(arguments(s.Method(i).Type())) {
					switch out := out.Interface().(type) {
					case func(http.Handler) http.Handler:
						expectServerError(t, out(http.NotFoundHandler()))
					case http.Handler:
						expectServerError(t, out)
					case oauth2.TokenSource:
						if _, err := out.Token(); err == nil {
							t.Error("a token")
						}
					case *auth0.Login:
						if out != nil {
							t.Error("a login")
						}
					}
				}
			})
		}
	}
	if methods < 60 {
		t.Errorf("%d methods", methods)
	}
}

func expectServerError(t *testing.T, h http.Handler) {
	t.Helper()
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest("GET", "/auth/login", nil)); w.Code != http.StatusInternalServerError && w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}

// TestTrustedProxies: a prefix contains a peer in either notation, and a peer
// without an address is not trusted.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		prefix, peer string
		believed     bool
	}{
		{"10.0.0.0/8", "10.1.2.3:4000", true},
		{"10.9.9.9/8", "10.1.2.3:4000", true},
		{"10.0.0.0/8", "[::ffff:10.1.2.3]:4000", true},
		{"::ffff:10.0.0.0/104", "10.1.2.3:4000", true},
		{"::ffff:10.0.0.0/104", "[::ffff:10.1.2.3]:4000", true},
		{"::ffff:10.0.0.0/104", "11.1.2.3:4000", false},
		{"::ffff:0.0.0.0/96", "203.0.113.9:1", true},
		{"::ffff:0.0.0.0/96", "[2001:db8::1]:1", false},
		{"fe80::/10", "[fe80::1%eth0]:4000", true},
		{"fe80::/10", "[fe80::1]:4000", true},
		{"fe80::/10", "[2001:db8::1%eth0]:4000", false},
		{"0.0.0.0/0", "203.0.113.9:1", true},
		{"0.0.0.0/0", "[2001:db8::1]:1", false},
		{"::/0", "203.0.113.9:1", false},
		{"::/0", "@", false},
		{"::/0", "", false},
		{"0.0.0.0/0", "/run/app.sock", false},
		{"10.0.0.0/8", "10.1.2.3", false},
	} {
		e := testkit.SignedIn(t, func(c *auth0.Config) {
			c.BaseURLs = []string{"https://beta.example"}
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(tt.prefix)}
		})
		e.App = fromAddr(tt.peer, e.Mux)
		q := e.Browser().Begin("/auth/login").Query() // without the header
		if got := q.Get("redirect_uri"); got != "https://app.example/auth/callback" {
			t.Errorf("%s, %s: %s", tt.prefix, tt.peer, got)
		}
		resp := e.Browser().Page("/auth/login", "X-Forwarded-Host", "beta.example")
		if got := resp.Location(t).Query().Get("redirect_uri") == "https://beta.example/auth/callback"; got != tt.believed {
			t.Errorf("%s, %s: believed %v", tt.prefix, tt.peer, got)
		}
	}
}

func TestSeveralBaseURLs(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.BaseURLs = []string{"https://beta.example", "https://gamma.example:8443"}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	redirectURI := func(resp *testkit.Response) string {
		if resp.Status != http.StatusFound {
			return fmt.Sprint(resp.Status)
		}
		return resp.Location(t).Query().Get("redirect_uri")
	}
	tests := []struct {
		why, target string
		header      []string
		want        string
	}{
		{"first", "https://app.example/auth/login", nil, "https://app.example/auth/callback"},
		{"second", "https://beta.example/auth/login", nil, "https://beta.example/auth/callback"},
		{"with port", "https://gamma.example:8443/auth/login", nil, "https://gamma.example:8443/auth/callback"},
		{"case of the host", "https://BETA.example/auth/login", nil, "https://beta.example/auth/callback"},
		{"other host", "https://evil.example/auth/login", nil, "400"},
		{"other port", "https://beta.example:444/auth/login", nil, "400"},
		{"suffix", "https://app.example.evil.example/auth/login", nil, "400"},
		{"empty host", "https://app.example/auth/login", []string{"Host", ""}, "400"},
		{"host with a path", "https://app.example/auth/login", []string{"Host", "app.example/x"}, "400"},
		{"forwarded host from a stranger", "https://app.example/auth/login", []string{"X-Forwarded-Host", "beta.example"}, "https://app.example/auth/callback"},
	}
	for _, tt := range tests {
		if got := redirectURI(e.Browser().Page(tt.target, tt.header...)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.why, got, tt.want)
		}
	}
	for forwarded, want := range map[string]string{
		"beta.example":               "https://beta.example/auth/callback",
		"evil.example, beta.example": "https://beta.example/auth/callback",
		"beta.example, evil.example": "400",
		"evil.example":               "400",
		"":                           "400",
	} {
		b := e.Browser()
		e.App = fromAddr("10.1.2.3:4000", e.Mux)
		if got := redirectURI(b.Page("https://app.example/auth/login", "X-Forwarded-Host", forwarded)); forwarded != "" && got != want {
			t.Errorf("X-Forwarded-Host %q from a proxy: %s, want %s", forwarded, got, want)
		}
	}
	e.App = e.Strategy.LoadUser(e.Mux)

	// A login stays on the host on which it started.
	b := e.Browser()
	u := atTenantOf(b, b.Begin("https://beta.example/auth/login"), "https://beta.example/auth/callback")
	u.Host = "app.example"
	if resp := b.Callback(u); resp.Status != http.StatusBadRequest {
		t.Errorf("callback on another host: status %d, want 400", resp.Status)
	}
}

// atTenantOf is Browser.AtTenant for a callback URL that is not registered at the
// tenant yet.
func atTenantOf(b *testkit.Browser, authURL *url.URL, callback string) *url.URL {
	b.Env.T.Helper()
	if err := b.Env.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.CallbackURLs = append(c.CallbackURLs, callback) }); err != nil {
		b.Env.T.Fatal(err)
	}
	return b.AtTenant(authURL)
}

func fromAddr(addr string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = addr
		next.ServeHTTP(w, r)
	})
}

// TestOneBaseURLIgnoresHeaders: with one base URL, no header of a request can change
// the target of the redirect. It is the tenant with the callback of the base URL, or
// first the base URL.
func TestOneBaseURLIgnoresHeaders(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	for _, header := range [][]string{
		{"Host", "evil.example"}, {"Host", "evil.example:8080"}, {"Host", "a@b"}, {"Host", ""}, {"Host", "app.example/../x"},
		{"X-Forwarded-Host", "evil.example"}, {"X-Forwarded-Proto", "http"}, {"Forwarded", "host=evil.example"}, {"X-Forwarded-Prefix", "/evil.example"}, {"X-Original-URL", "/evil.example"},
	} {
		resp := e.Browser().Page("/auth/login", header...)
		if to := resp.Location(t); to.String() == testkit.AppURL+"/auth/login?from_other_host=1" && header[0] == "Host" {
			resp = e.Browser().Page(to.String(), header...)
		}
		if got := resp.Location(t).Query().Get("redirect_uri"); got != "https://app.example/auth/callback" {
			t.Errorf("%q: redirect_uri %s", header, got)
		}
		if resp := e.Browser().Page("/auth/logout", header...); strings.Contains(resp.Header.Get("Location"), "evil.example") {
			t.Errorf("%q: logout to %s", header, resp.Header.Get("Location"))
		}
		if resp := e.Browser().Page("/private", header...); strings.Contains(resp.Header.Get("Location"), "evil.example") {
			t.Errorf("%q: login at %s", header, resp.Header.Get("Location"))
		}
	}
}

func TestTransactionLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		b := e.Browser()
		// A user opens many tabs and logs in in none of them.
		var begun []*url.URL
		for range 50 {
			begun = append(begun, b.Begin("/auth/login?returnTo=/"+strings.Repeat("x", 200)))
			time.Sleep(time.Second)
			size := 0
			for name, value := range b.Cookies {
				size += len(name) + len(value)
			}
			if n := len(b.Transactions()); n > 4 || size > 3500 {
				t.Fatalf("%d transactions of %d bytes", n, size)
			}
		}
		if n := len(b.Transactions()); n != 4 {
			t.Errorf("%d transactions are kept, want 4", n)
		}
		for i, u := range begun[len(begun)-5:] {
			resp := b.Clone().Callback(b.AtTenant(u))
			if want := map[bool]int{true: http.StatusBadRequest, false: http.StatusSeeOther}[i == 0]; resp.Status != want {
				t.Errorf("login %d of the last five: status %d, want %d", i+1, resp.Status, want)
			}
		}
	})
}

func TestTransactionsShareTheSpace(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser()
	for range 6 {
		b.Begin("/auth/login?returnTo=/" + strings.Repeat("y", 1200))
		size := 0
		for name, value := range b.Cookies {
			size += len(name) + len(value)
		}
		if size > 3500 {
			t.Fatalf("transactions of %d bytes", size)
		}
	}
}

// TestTransactionTooLarge leaves out the return URL first, and then the state of
// the application.
func TestTransactionTooLarge(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.DefaultReturnTo = "/start" })
	long := "/" + strings.Repeat("z", 2000)
	e.Mux.Handle("GET /some", e.Strategy.LoginHandler(auth0.WithAppState(strings.Repeat("s", 900))))
	b := e.Browser()
	resp := b.Callback(b.AtTenant(b.Begin("/some?returnTo=" + long)))
	if got := resp.Header.Get("Location"); resp.Status != http.StatusSeeOther || got != "/start" {
		t.Errorf("login with too much to keep: %d to %.40s, want the default page", resp.Status, got)
	}
	if _, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithAppState(strings.Repeat("s", 1000)), auth0.WithAudience(strings.Repeat("a", 600)), auth0.WithScopes(strings.Repeat("b", 1500))); err == nil {
		t.Error("a transaction that cannot fit is no error")
	}
}

func TestAuthCodeURLAndExchange(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	authURL, transaction, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithReturnTo("/there"), auth0.WithAppState("state"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(authURL)
	if err != nil {
		t.Fatal(err)
	}
	b := e.Browser()
	answer := b.AtTenant(u).Query()
	login, err := e.Strategy.Application().Exchange(t.Context(), transaction, answer)
	if err != nil {
		t.Fatal(err)
	}
	if login.User.Email != "ada@acme.example" || login.ReturnTo != "/there" || string(login.AppState) != `"state"` || login.Token().AccessToken == "" {
		t.Errorf("login of %q to %q with state %s", login.User.Email, login.ReturnTo, login.AppState)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, login); strings.Contains(text, login.Token().AccessToken) {
			t.Errorf("%s prints the access token", verb)
		}
	}
	// The code was used: the transaction cannot be used again.
	if _, err := e.Strategy.Application().Exchange(t.Context(), transaction, answer); testkit.ReasonOf(err) != "invalid_grant" {
		t.Errorf("second exchange: %v", err)
	}
	for why, values := range map[string]url.Values{
		"no state":    {"code": answer["code"]},
		"other state": {"code": answer["code"], "state": {strings.Repeat("x", 43)}},
		"no code":     {"state": answer["state"]},
		"nothing":     {},
	} {
		calls := e.Tenant.Calls(testkit.TokenEndpoint)
		if _, err := e.Strategy.Application().Exchange(t.Context(), transaction, values); err == nil || e.Tenant.Calls(testkit.TokenEndpoint) != calls {
			t.Errorf("%s: error %v after %d token requests", why, err, e.Tenant.Calls(testkit.TokenEndpoint)-calls)
		}
	}
	for _, garbage := range []string{"", "v3.", transaction[:20], transaction + "A", strings.ToUpper(transaction)} {
		if _, err := e.Strategy.Application().Exchange(t.Context(), garbage, answer); !errors.Is(err, auth0.ErrTransactionNotFound) {
			t.Errorf("transaction %.10q: %v", garbage, err)
		}
	}
}

// TestZeroStrategy rejects every request, and does not panic.
func TestZeroStrategy(t *testing.T) {
	t.Parallel()
	var s auth0.Strategy
	reached := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") })
	for name, h := range map[string]http.Handler{
		"LoginHandler": s.LoginHandler(), "CallbackHandler": s.CallbackHandler(), "LogoutHandler": s.LogoutHandler(),
		"LoadUser": s.LoadUser(reached), "RequireLogin": s.RequireLogin(reached), "RequireSession": s.RequireSession(reached),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}
