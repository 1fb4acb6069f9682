package auth0test_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// TestMirrors compares the constants with those of the emulator. The compiler compares
// the types, because it converts them.
func TestMirrors(t *testing.T) {
	for ours, theirs := range map[auth0test.Endpoint]emulator.Endpoint{
		auth0test.Discovery: emulator.Discovery, auth0test.JWKS: emulator.JWKS, auth0test.Authorize: emulator.Authorize,
		auth0test.PAR: emulator.PAR, auth0test.Token: emulator.Token, auth0test.UserInfo: emulator.UserInfo,
		auth0test.Revoke: emulator.Revoke, auth0test.Logout: emulator.Logout, auth0test.Management: emulator.Management,
		auth0test.ClientFile: emulator.ClientFile, auth0test.MFA: emulator.MFA, auth0test.Passwordless: emulator.Passwordless,
		auth0test.MyAccount: emulator.MyAccount,
	} {
		if string(ours) != string(theirs) {
			t.Errorf("%q is %q in the emulator", ours, theirs)
		}
	}
	if auth0test.OneTimeCode != emulator.OneTimeCode {
		t.Error("OneTimeCode differs")
	}
}

// TestAppPaths runs an application that changes all paths.
func TestAppPaths(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	tenant.AllowCallback("/login/done", "https://other.acme.example/login/done")
	tenant.AllowLogout("/bye")
	tenant.UseBackchannelLogout("/told")
	edit := func(c *auth0.Config) {
		c.LoginPath, c.CallbackPath, c.LogoutPath, c.BackchannelLogoutPath = "/login", "/login/done", "/logout", "/told"
		c.PostLogoutURLs = []string{auth0test.AppURL + "/bye"}
		c.Store = auth0.NewMemoryStore(100)
	}
	handler := app(t, tenant, edit)
	bye := http.NewServeMux()
	bye.Handle("/", handler)
	bye.HandleFunc("GET /bye", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "bye") })
	tenant.LogIn("ada@acme.example")
	browser := tenant.Browser(bye)
	if status, body := get(t, browser, auth0test.AppURL+"/profile"); status != 200 || body != "ada@acme.example" {
		t.Fatalf("login: %d %q", status, body)
	}
	tenant.BackchannelLogout(bye, "ada@acme.example")
	if status, body := get(t, browser, auth0test.AppURL+"/"); status != 200 || body != "false " {
		t.Errorf("after the back-channel logout: %d %q", status, body)
	}
	// The application logs in by its login route and logs out, twice.
	for range 2 {
		if status, body := get(t, browser, auth0test.AppURL+"/login?returnTo=/profile"); status != 200 || body != "ada@acme.example" {
			t.Errorf("the login route: %d %q", status, body)
		}
		resp, err := browser.Do(ownForm(t, auth0test.AppURL, "/logout"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || string(body) != "bye" || resp.Request.URL.Path != "/bye" {
			t.Errorf("the logout route: %v %d at %s: %q", err, resp.StatusCode, resp.Request.URL, body)
		}
		if status, body := get(t, browser, auth0test.AppURL+"/"); status != 200 || body != "false " {
			t.Errorf("after the logout: %d %q", status, body)
		}
	}
	logout := tenant.URL() + "v2/logout?client_id=" + tenant.Config().ClientID + "&returnTo=" + auth0test.AppURL
	if status, body := get(t, browser, logout+"/bye"); status != 200 || body != "bye" {
		t.Errorf("logout: %d %q", status, body)
	}
	if status, _ := get(t, browser, logout+"/elsewhere"); status != 400 {
		t.Errorf("logout to a URL that is not allowed: %d", status)
	}

	other := app(t, tenant, edit, func(c *auth0.Config) { c.BaseURL = "https://other.acme.example" })
	if status, body := get(t, tenant.Browser(other), "https://other.acme.example/profile"); status != 200 || body != "ada@acme.example" {
		t.Errorf("another host: %d %q", status, body)
	}
	if status, body := get(t, tenant.Browser(app(t, tenant, func(c *auth0.Config) { c.CallbackPath = "/third" })), auth0test.AppURL+"/profile"); status != 403 || !strings.Contains(body, "Callback URL mismatch") {
		t.Errorf("a callback that is not allowed: %d %q", status, body)
	}
}

// ownForm returns the request of a form on a page of the application.
func ownForm(t *testing.T, base, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", base)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// TestPlainPaths runs a program with /callback and /logout, the paths of older samples.
func TestPlainPaths(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	edit := func(c *auth0.Config) { c.LoginPath, c.CallbackPath, c.LogoutPath = "/login", "/callback", "/logout" }
	tenant.LogIn("ada@acme.example")
	if status, body := get(t, tenant.Browser(app(t, tenant, edit)), auth0test.AppURL+"/profile"); status != 403 || !strings.Contains(body, "Callback URL mismatch") {
		t.Errorf("before the tenant allows it: %d %q", status, body)
	}
	tenant.AllowCallback("/callback")
	browser := tenant.Browser(app(t, tenant, edit))
	for range 2 {
		if status, body := get(t, browser, auth0test.AppURL+"/profile"); status != 200 || body != "ada@acme.example" {
			t.Errorf("login: %d %q", status, body)
		}
		resp, err := browser.Do(ownForm(t, auth0test.AppURL, "/logout"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if status, body := get(t, browser, auth0test.AppURL+"/"); resp.StatusCode != 200 || status != 200 || body != "false " {
			t.Errorf("logout: %d, then %d %q", resp.StatusCode, status, body)
		}
	}
}

// TestRealDomains: the package rejects settings that would give everybody access to a
// real application.
func TestRealDomains(t *testing.T) {
	for _, raw := range []string{"https://app.acme.com", "http://192.0.2.1:3000", "https://user@app.acme.example", "app.acme.example", "http://[::1"} {
		if got := failureOf(func(tb auth0test.TB) { auth0test.NewTenant(tb).AllowCallback(raw) }); !strings.Contains(got, raw) {
			t.Errorf("AllowCallback(%q): %q", raw, got)
		}
		if tenant, err := auth0test.Serve("127.0.0.1:0", raw); err == nil {
			tenant.Close()
			t.Errorf("Serve takes the application at %q", raw)
		}
	}
	if got := failureOf(func(tb auth0test.TB) {
		auth0test.NewTenant(tb).AllowCallback("com.acme.app://callback", "http://localhost:3000/cb", "https://app.acme.test/cb", "/cb")
	}); got != "-" {
		t.Error(got)
	}
	if tenant, err := auth0test.Serve(":0", "http://localhost:3000"); err == nil || !strings.Contains(err.Error(), "other machines") {
		if err == nil {
			tenant.Close()
		}
		t.Errorf("Serve on every address of the machine: %v", err)
	}
}

// TestEditAccessToken: an edit can be removed.
func TestEditAccessToken(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	tenant.AllowClientCredentials(auth0test.Audience, "read:protected")
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		edit func(header, claims map[string]any)
		ok   bool
	}{
		{func(header, _ map[string]any) { header["alg"] = "none" }, false},
		{func(_, claims map[string]any) { delete(claims, "exp") }, false},
		{nil, true},
	} {
		tenant.EditAccessToken(tt.edit)
		resp, err := tenant.Config().HTTPClient.PostForm(tenant.URL()+"oauth/token", url.Values{"grant_type": {"client_credentials"},
			"client_id": {tenant.Config().ClientID}, "client_secret": {tenant.Config().ClientSecret}, "audience": {auth0test.Audience}})
		if err != nil {
			t.Fatal(err)
		}
		var token struct {
			AccessToken string `json:"access_token"`
		}
		err = json.NewDecoder(resp.Body).Decode(&token)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := api.Verify(t.Context(), token.AccessToken); (err == nil) != tt.ok {
			t.Errorf("accepted %v, want %v: %v", err == nil, tt.ok, err)
		}
	}
}
