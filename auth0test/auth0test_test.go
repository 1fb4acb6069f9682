package auth0test_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// app is a small application of the tenant.
func app(t *testing.T, tenant *auth0test.Tenant, edit ...func(*auth0.Config)) http.Handler {
	t.Helper()
	cfg := tenant.Config()
	for _, f := range edit {
		f(&cfg)
	}
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, ok := auth0.UserFrom(r.Context())
		fmt.Fprint(w, ok, " ", user.Email)
	})
	mux.Handle("GET /profile", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := auth0.UserFrom(r.Context())
		fmt.Fprint(w, user.Email)
	})))
	return strategy.LoadUser(mux)
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestBrowser(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	browser := tenant.Browser(app(t, tenant))
	if status, body := get(t, browser, auth0test.AppURL+"/"); status != 200 || body != "false " {
		t.Errorf("logged out: %d %q", status, body)
	}
	// Without LogIn, the login ends at the tenant's page.
	if status, body := get(t, browser, auth0test.AppURL+"/profile"); status != 200 || !strings.Contains(body, "<form") {
		t.Errorf("nobody signed in: %d %.200q", status, body)
	}
	tenant.LogIn("grace@gmail.example")
	if status, body := get(t, browser, auth0test.AppURL+"/profile"); status != 200 || body != "grace@gmail.example" {
		t.Errorf("signed in: %d %q", status, body)
	}
	if _, body := get(t, tenant.Browser(app(t, tenant)), auth0test.AppURL+"/"); body != "false " {
		t.Errorf("another browser: %q", body)
	}
	if status, body := get(t, browser, auth0test.AppURL+"/auth/logout"); status != 200 || body != "false " {
		t.Errorf("logout: %d %q", status, body)
	}
	tenant.LogOut()
	tenant.LogIn("ada@acme.example")
	tenant.DenyLogin("access_denied", "not today")
	if status, body := get(t, browser, auth0test.AppURL+"/profile"); status != 403 || strings.Contains(body, "not today") {
		t.Errorf("denied: %d %q", status, body)
	}
	if status, body := get(t, browser, auth0test.AppURL+"/profile"); status != 200 || body != "ada@acme.example" {
		t.Errorf("the time after: %d %q", status, body)
	}
	if _, err := browser.Get("https://elsewhere.example/"); err == nil {
		t.Error("a host that is not there was reached")
	}
}

func TestFixtures(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	tenant.AddConnection(auth0test.Connection{Name: "newcomer", Strategy: "oauth2", DisplayName: "Newcomer"})
	tenant.AddUser(auth0test.User{Connection: "newcomer", Email: "new@newcomer.example", EmailVerified: true, Claims: map[string]any{"https://acme.example/plan": "pro"}})
	tenant.AddOrganization(auth0test.Organization{ID: "org_newcomer00000000", Name: "newcomer", Connections: []auth0test.OrganizationConnection{{Name: "newcomer", AssignMembershipOnLogin: true}}})
	tenant.LogIn("new@newcomer.example")
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	buttons, err := strategy.GetConnections(t.Context())
	if err != nil || len(buttons) != 6 {
		t.Errorf("%d buttons, %v; want 6", len(buttons), err)
	}
	if status, body := get(t, tenant.Browser(app(t, tenant)), auth0test.AppURL+"/profile"); status != 200 || body != "new@newcomer.example" {
		t.Errorf("%d %q", status, body)
	}
}

// TestOrganizations: a row says which organization a user can or must log in to.
func TestOrganizations(t *testing.T) {
	for _, tt := range []struct {
		usage, behavior, email, link string
		status                       int
	}{
		{"deny", "", "ada@acme.example", "", 200},
		{"deny", "", "ada@acme.example", "?organization=acme-eu", 400},
		{"require", "no_prompt", "ada@acme.example", "", 400},
		{"require", "pre_login_prompt", "ada@acme.example", "", 200},
		{"require", "post_login_prompt", "ada@acme.example", "", 200},
		{"require", "post_login_prompt", "bob@acme.example", "", 400},
		{"allow", "post_login_prompt", "bob@acme.example", "", 200},
		{"allow", "no_prompt", "ada@acme.example", "?organization=acme-labs", 200},
		{"allow", "no_prompt", "bob@acme.example", "?organization=acme-labs", 403},
		{"require", "no_prompt", "bob@acme.example", "?organization=org_newcomer00000000&invitation=for-bob", 200},
		{"require", "no_prompt", "ada@acme.example", "?organization=org_newcomer00000000&invitation=for-bob", 403},
	} {
		tenant := auth0test.NewTenant(t)
		tenant.UseOrganizations(tt.usage, tt.behavior)
		tenant.AddOrganization(auth0test.Organization{ID: "org_newcomer00000000", Name: "newcomer",
			Connections: []auth0test.OrganizationConnection{{Name: "Username-Password-Authentication"}},
			Invitations: []auth0test.Invitation{{Ticket: "for-bob", Email: "bob@acme.example", Expires: time.Now().Add(time.Hour)}}})
		tenant.LogIn(tt.email)
		browser := tenant.Browser(app(t, tenant, func(c *auth0.Config) { c.AcceptOrganizationLinks = true }))
		if status, body := get(t, browser, auth0test.AppURL+"/auth/login"+tt.link); status != tt.status || (body == "true "+tt.email) != (status == 200) {
			t.Errorf("%s, %s: %s at %q gets %d %q", tt.usage, tt.behavior, tt.email, tt.link, status, body)
		}
	}
	if got := failureOf(func(tb auth0test.TB) { auth0test.NewTenant(tb).UseOrganizations("require", "later") }); !strings.Contains(got, `"later"`) {
		t.Errorf("an unknown behavior: %q", got)
	}
}

// TestSPAClient logs in as a page that is its own OAuth client, and calls an API.
func TestSPAClient(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	tenant.NameApp("Fieldnotes")
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		t.Fatal(err)
	}
	callbacks := make(chan url.Values, 1)
	browser := tenant.Browser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { callbacks <- r.URL.Query() }))
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, Appendix B
	for _, path := range []string{"", "/", "/callback"} {
		request := url.Values{
			"client_id": {auth0test.SPAClientID}, "redirect_uri": {auth0test.AppURL + path}, "response_type": {"code"},
			"scope": {"openid"}, "audience": {auth0test.Audience}, "state": {"x"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		}
		tenant.LogOut()
		if _, body := get(t, browser, tenant.URL()+"authorize?"+request.Encode()); !strings.Contains(body, "Fieldnotes") {
			t.Errorf("%q: the page does not name the application: %.300s", path, body)
		}
		tenant.LogIn("ada@acme.example")
		if status, body := get(t, browser, tenant.URL()+"authorize?"+request.Encode()); status != 200 {
			t.Fatalf("%q: %d %.300s", path, status, body)
		}
		form := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {auth0test.SPAClientID}, "code": {(<-callbacks).Get("code")},
			"redirect_uri": request["redirect_uri"], "code_verifier": {verifier},
		}
		r, err := http.NewRequestWithContext(t.Context(), "POST", tenant.URL()+"oauth/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", auth0test.AppURL)
		resp, err := tenant.Config().HTTPClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var tokens struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%q: the token endpoint answers %d, %v", path, resp.StatusCode, err)
		}
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != auth0test.AppURL {
			t.Errorf("%q: Access-Control-Allow-Origin is %q", path, got)
		}
		token, err := api.Verify(t.Context(), tokens.AccessToken)
		if err != nil || token.ClientID() != auth0test.SPAClientID || !token.HasPermission("read:protected") {
			t.Errorf("%q: %v, %v", path, token, err)
		}
	}
}

// TestAccessToken: a token is for the API requested last, and each option has the effect
// it names.
func TestAccessToken(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	const audience = "https://other.example/"
	api, err := auth0.NewAPI(tenant.APIConfig(audience))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		why     string
		options []auth0test.TokenOption
		status  int // 0 for a good token
	}{
		{"plain", nil, 0},
		{"everything", []auth0test.TokenOption{auth0test.Subject("auth0|x"), auth0test.Scope("a", "b"), auth0test.Permissions("p"), auth0test.Claim("org_id", "org_1")}, 0},
		{"expired", []auth0test.TokenOption{auth0test.ExpiresIn(-time.Minute)}, 401},
		{"other audience", []auth0test.TokenOption{auth0test.Claim("aud", "x")}, 401},
		{"no expiry", []auth0test.TokenOption{auth0test.Claim("exp", nil)}, 401},
		{"other type", []auth0test.TokenOption{auth0test.Header("typ", "dpop+jwt")}, 401},
		{"unsigned", []auth0test.TokenOption{auth0test.Header("alg", "none")}, 401},
		{"unknown key", []auth0test.TokenOption{auth0test.Header("kid", "x")}, 401},
	}
	for _, tt := range tests {
		token, err := api.Verify(t.Context(), tenant.AccessToken(tt.options...))
		if tt.status == 0 && err != nil || tt.status != 0 && (err == nil || err.(*auth0.Error).Status != tt.status) {
			t.Errorf("%s: %v", tt.why, err)
		}
		if tt.why == "everything" && (token.Subject() != "auth0|x" || token.Scope() != "a b" || !token.HasPermission("p") || token.OrgID() != "org_1") {
			t.Errorf("%s: %v", tt.why, token)
		}
		if tt.why == "plain" && (token.Scope() != "" || token.HasPermission("read:protected") || !strings.HasPrefix(token.Subject(), "auth0|")) {
			t.Errorf("%s: %v with scope %q", tt.why, token, token.Scope())
		}
	}
	if _, err := api.Verify(t.Context(), tenant.IDToken()); err == nil || !strings.Contains(err.Error(), "the client must request an access token for that audience; the aud of an ID token is a client id") {
		t.Errorf("ID token: %v", err)
	}
	tenant.SignWithForeignKey(true)
	if _, err := api.Verify(t.Context(), tenant.AccessToken()); err == nil || err.(*auth0.Error).Reason != "invalid_signature" {
		t.Errorf("forged: %v", err)
	}
}

func TestKeysAndFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.NewTenant(t)
		api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
		if err != nil {
			t.Fatal(err)
		}
		verify := func() error {
			_, err := api.Verify(t.Context(), tenant.AccessToken())
			return err
		}
		tenant.FailJWKS(503)
		if err := verify(); err == nil || err.(*auth0.Error).Status != 503 || tenant.JWKSFetches() != 1 {
			t.Errorf("keys fail: %v after %d fetches", err, tenant.JWKSFetches())
		}
		tenant.FailJWKS(0)
		time.Sleep(2 * time.Second)
		if err := verify(); err != nil {
			t.Error(err)
		}
		old := tenant.AccessToken()
		tenant.RotateKeys()
		tenant.RotateKeys()
		if err := verify(); err != nil {
			t.Errorf("after rotations: %v", err)
		}
		tenant.RevokeKeys()
		time.Sleep(time.Hour)
		verify()
		synctest.Wait()
		if _, err := api.Verify(t.Context(), old); err == nil {
			t.Error("a token of a revoked key is good")
		}
		tenant.Delay(auth0test.Token, time.Hour)
		tenant.LogIn("ada@acme.example")
		begin := time.Now()
		if status, _ := get(t, tenant.Browser(app(t, tenant)), auth0test.AppURL+"/profile"); status != 503 || time.Since(begin) > 6*time.Second {
			t.Errorf("slow token endpoint: %d after %v", status, time.Since(begin))
		}
		tenant.Delay(auth0test.Token, 0)
		tenant.EditTokenResponse(func(_ *int, body map[string]any) { delete(body, "id_token") })
		if status, _ := get(t, tenant.Browser(app(t, tenant)), auth0test.AppURL+"/profile"); status != 502 {
			t.Errorf("no ID token: %d", status)
		}
		tenant.EditTokenResponse(nil)
		tenant.EditIDToken(func(_, claims map[string]any) { claims["nonce"] = "x" })
		if status, _ := get(t, tenant.Browser(app(t, tenant)), auth0test.AppURL+"/profile"); status != 400 {
			t.Errorf("other nonce: %d", status)
		}
		if n := tenant.Calls(auth0test.Token); n != 3 {
			t.Errorf("%d token requests", n)
		}
	})
}

// TestServe: a served tenant, as in examples, listens on a TCP address.
func TestServe(t *testing.T) {
	page := httptest.NewUnstartedServer(nil)
	base := "http://" + page.Listener.Addr().String()
	tenant, err := auth0test.Serve("127.0.0.1:0", base)
	if err != nil {
		t.Fatal(err)
	}
	page.Config.Handler = app(t, tenant)
	page.Start()
	defer page.Close()
	tenant.LogIn("ada@acme.example")
	r, _ := http.NewRequest("GET", base+"/profile", nil)
	r.Header.Set("Accept", "text/html")
	client := page.Client()
	client.Jar = jar{}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "ada@acme.example" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	strategy, err := auth0.New(tenant.Config())
	if err != nil {
		t.Fatal(err)
	}
	if list, err := strategy.GetConnections(t.Context()); err != nil || len(list) != 5 {
		t.Errorf("%d connections, %v", len(list), err)
	}
	if err := tenant.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(tenant.URL()); err == nil {
		t.Error("it answers after Close")
	}
	if _, err := auth0test.Serve("256.0.0.1:0", base); err == nil {
		t.Error("an impossible address is taken")
	}
	if err := auth0test.NewTenant(t).Close(); err != nil {
		t.Error(err)
	}
}

// jar keeps every cookie for every host, which is enough for one test.
type jar map[string]*http.Cookie

func (j jar) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		if j[c.Name] = c; c.MaxAge < 0 {
			delete(j, c.Name)
		}
	}
}

func (j jar) Cookies(_ *url.URL) []*http.Cookie {
	var list []*http.Cookie
	for _, c := range j {
		list = append(list, c)
	}
	return list
}

// TestNoTestingCode: a program that serves a tenant links no testing package.
func TestNoTestingCode(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 100 {
		t.Fatalf("only %d packages", len(deps))
	}
	for _, dep := range deps {
		if dep == "testing" || dep == "net/http/httptest" || strings.Contains(dep, "testify") {
			t.Errorf("auth0test links %s", dep)
		}
	}
}

// TestPanicsAreReported: a panic becomes an error of the request, because no server can
// end the connection.
func TestPanicsAreReported(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	browser := tenant.Browser(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
	if _, err := browser.Get(auth0test.AppURL); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	browser = tenant.Browser(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	r, _ := http.NewRequestWithContext(ctx, "GET", auth0test.AppURL, nil)
	if _, err := browser.Do(r); err == nil {
		t.Error("a handler that hangs is waited for")
	}
}

// TestConnectAccount connects an account, uses it, and disconnects it.
func TestConnectAccount(t *testing.T) {
	tenant := auth0test.NewTenant(t)
	tenant.AllowConnectedAccounts("/connect")
	cfg := tenant.Config()
	cfg.Scopes = []string{"openid", "profile", "email", "offline_access"}
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("/connect", strategy.RequireLogin(strategy.ConnectAccountHandler()))
	mux.Handle("GET /calendar", strategy.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
		list, listErr := strategy.ConnectedAccounts(w, r)
		fmt.Fprint(w, errors.Is(err, auth0.ErrNotConnected), len(list), listErr)
	})))
	mux.HandleFunc("GET /disconnect", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strategy.DisconnectAccount(w, r, "google-oauth2"))
	})
	browser := tenant.Browser(strategy.LoadUser(mux))
	tenant.LogIn("ada@acme.example")
	open := func(path string, status int, want string) {
		t.Helper()
		if got, body := get(t, browser, auth0test.AppURL+path); got != status || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q", path, got, body)
		}
	}
	open("/calendar", 200, "true 0 <nil>")
	tenant.DenyLogin("access_denied", "not today")
	connect := func(status int, want string) {
		t.Helper()
		resp, err := browser.PostForm(auth0test.AppURL+"/connect", url.Values{"connection": {"google-oauth2"}, "returnTo": {"/calendar"}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != status || !strings.Contains(string(body), want) {
			t.Errorf("connect: %d %q", resp.StatusCode, body)
		}
	}
	connect(403, "We did not connect your account")
	connect(200, "false 1 <nil>")
	calls := tenant.Calls(auth0test.MyAccount)
	tenant.Fail(auth0test.MyAccount, 503)
	open("/calendar", 200, "the tenant answered 503")
	if tenant.Calls(auth0test.MyAccount) != calls+1 {
		t.Error("calls are not counted")
	}
	tenant.Fail(auth0test.MyAccount, 0)
	open("/disconnect", 200, "<nil>")
	open("/calendar", 200, "true 0 <nil>")
}
