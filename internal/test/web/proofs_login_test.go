package web_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestLogin: the authorization request has the thumbprint of the key that then signs the
// proof of the token request, and each login has its own key. With pushed requests the
// browser does not carry it.
func TestLogin(t *testing.T) {
	t.Parallel()
	for _, pushed := range []bool{false, true} {
		e := newEnv(t, nil, func(c *auth0.Config) { c.PushedAuthorizationRequests = pushed })
		var thumbprints []string
		for range 2 {
			b := e.Browser()
			u := b.Begin("/auth/login")
			asked := u.Query()
			if pushed {
				if asked.Has("dpop_jkt") {
					t.Error("the browser carries dpop_jkt")
				}
				list := e.tap.All("/oauth/par")
				asked = list[len(list)-1].Form
				if list[len(list)-1].Header["Dpop"] != nil {
					t.Error("a pushed request has a proof")
				}
			}
			if resp := b.Callback(b.AtTenant(u)); resp.Status != http.StatusSeeOther || !b.LoggedIn() {
				t.Fatalf("%d %s; %s", resp.Status, resp.Body, e.Log)
			}
			proofs := e.accepted(testkit.TokenEndpoint)
			got := proofs[len(proofs)-1].Thumbprint
			if asked.Get("dpop_jkt") != got || len(got) != 43 {
				t.Errorf("dpop_jkt is %q, the proof has the key %q", asked.Get("dpop_jkt"), got)
			}
			thumbprints = append(thumbprints, got)
			if resp := b.Fetch("/call"); resp.Status != 200 || !strings.Contains(resp.Body, "key "+got) {
				t.Errorf("the API answers %d %s", resp.Status, resp.Body)
			}
		}
		if thumbprints[0] == thumbprints[1] {
			t.Error("two logins have one key")
		}
	}
}

// TestBearerLogin: without a key there is no parameter, no proof, and nothing in the
// cookies.
func TestBearerLogin(t *testing.T) {
	t.Parallel()
	e := newEnvWith(t, auth0.ProofKey{}, nil)
	b := e.Browser()
	u := b.Begin("/auth/login")
	b.Callback(b.AtTenant(u))
	if u.Query().Has("dpop_jkt") || !b.LoggedIn() || len(e.Tenant.Proofs(testkit.TokenEndpoint)) != 0 {
		t.Errorf("%s", u)
	}
	if sent := e.tap.All("/oauth/token"); len(sent) != 1 || sent[0].Header["Dpop"] != nil {
		t.Errorf("%v", sent)
	}
	if resp := b.Fetch("/call"); resp.Status != 401 || e.api.calls[0] != "GET / Bearer" {
		t.Errorf("%d, %q", resp.Status, e.api.calls)
	}
}

// TestOtherKeyAtCallback: a code that is bound to another key does not log in.
func TestOtherKeyAtCallback(t *testing.T) {
	t.Parallel()
	first, _ := ownKey()
	second, _ := ownKey()
	e := newEnvWith(t, first, nil)
	b := e.Browser()
	answer := b.AtTenant(b.Begin("/auth/login"))
	moved := e.again(func(c *auth0.Config) { c.ProofKey = second }).at(b)
	resp := moved.Callback(answer)
	if resp.Status != 400 || moved.LoggedIn() || !strings.Contains(e.Log.String(), "invalid_grant") {
		t.Errorf("%d %s; %s", resp.Status, resp.Body, e.Log)
	}
}

// TestNonces: a public application needs a nonce for its first proof. The code stays
// unused, and the next refresh is one request.
func TestNonces(t *testing.T) {
	t.Parallel()
	e := newEnv(t, public, withoutSecret)
	e.Mux.HandleFunc("GET /show", e.showToken)
	b := e.Browser().MustLogin()
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 2 {
		t.Errorf("%d token requests for a login", n)
	}
	sent := e.tap.All("/oauth/token")
	if sent[0].Form.Get("code") == "" || sent[0].Form.Get("code") != sent[1].Form.Get("code") {
		t.Errorf("%v", sent)
	}
	if resp := b.Fetch("/show?force=1"); resp.Body != "DPoP" {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if n := e.Tenant.Calls(testkit.TokenEndpoint); n != 3 {
		t.Errorf("%d token requests for a login and a refresh", n)
	}
	proofs := e.Tenant.Proofs(testkit.TokenEndpoint)
	if len(proofs) != 3 || proofs[0].Nonce != "" || proofs[1].Nonce == "" || proofs[2].Nonce == "" || proofs[0].ID == proofs[1].ID {
		t.Errorf("%+v", proofs)
	}
}

// TestNonceDemands: the answers of the tenant that end a login.
func TestNonceDemands(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		set      func(e *env)
		requests int
		status   int
	}{
		{"of everybody", func(e *env) { e.Tenant.UseNonces(testkit.NonceForAll) }, 2, 303},
		{"never good enough", func(e *env) { e.Tenant.UseNonces(testkit.NonceAgain) }, 2, 502},
		{"without a nonce", func(e *env) { e.Tenant.UseNonces(testkit.NonceUntold) }, 1, 502},
	} {
		e := newEnv(t, nil)
		row.set(e)
		b := e.Browser()
		resp := b.Login("/auth/login")
		if n := e.Tenant.Calls(testkit.TokenEndpoint); resp.Status != row.status || n != row.requests || b.LoggedIn() != (row.status == 303) {
			t.Errorf("%s: %d, %d requests", row.name, resp.Status, n)
		}
		if row.status == 502 && !strings.Contains(e.Log.String(), "tenant_status=400") {
			t.Errorf("%s: %s", row.name, e.Log)
		}
	}
}

// TestAssertions: a second try has a new client assertion and a new proof.
func TestAssertions(t *testing.T) {
	t.Parallel()
	key := testkit.ClientRSAKey()
	e := newEnv(t, func(c *testkit.TenantClient) {
		c.AuthMethod, c.Secret = "private_key_jwt", ""
		c.Keys = []testkit.ClientKey{{Algorithm: "RS256", Public: &key.PublicKey}}
	}, func(c *auth0.Config) {
		c.ClientSecret, c.ClientAuthentication = "", auth0.PrivateKeyJWT(key, "RS256", "")
	})
	e.Tenant.UseNonces(testkit.NonceForAll)
	e.Browser().MustLogin()
	sent := e.tap.All("/oauth/token")
	if len(sent) != 2 || sent[0].Form.Get("client_assertion") == sent[1].Form.Get("client_assertion") || sent[1].Form.Get("client_assertion") == "" {
		t.Errorf("%d token requests", len(sent))
	}
}

// TestNotBound: if a tenant answers with a bearer token, the login fails.
func TestNotBound(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	if err := e.Tenant.EditAPI(testkit.Audience, func(a *testkit.TenantAPI) { a.ProofOfPossession = testkit.ProofOfPossession{} }); err != nil {
		t.Fatal(err)
	}
	b := e.Browser()
	resp := b.Login("/auth/login")
	if resp.Status != 502 || b.LoggedIn() || e.LastReason() != "token_not_bound" || !strings.Contains(e.Log.String(), "sender-constraining") {
		t.Errorf("%d, %s", resp.Status, e.Log)
	}
	_, err := e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience}).Token()
	if reason := testkit.ReasonOf(err); reason != "token_not_bound" {
		t.Errorf("client credentials: %v", err)
	}
}

// TestConfiguration: unusable keys, and options that exclude a key.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	popup := auth0.WithPopup("https://app.example", "access_token")
	own, _ := ownKey()
	for _, row := range []struct {
		name string
		key  auth0.ProofKey
		edit func(*auth0.Config)
		want string // a part of the error, empty for none
	}{
		{"P-256", own, nil, ""},
		{"one for each session", auth0.ProofKeyPerSession(), nil, ""},
		{"P-384", auth0.ProofKeyOf(testkit.NewECKey(elliptic.P384())), nil, "auth0: Config.ProofKey "},
		{"no key", auth0.ProofKeyOf(nil), nil, "auth0: Config.ProofKey "},
		{"RSA of 1024 bits", auth0.ProofKeyOf(testkit.NewRSAKey(1024)), nil, "auth0: Config.ProofKey "},
		{"RSA at Auth0", auth0.ProofKeyOf(testkit.ClientRSAKey()), nil, `dpop_signing_alg_values_supported of the tenant's metadata has ["ES256"]`},
		{"RSA at another provider", auth0.ProofKeyOf(testkit.ClientRSAKey()), func(c *auth0.Config) { c.Domain = "https://id.example" }, ""},
		{"popup without an access token", own, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithPopup("https://app.example")} }, ""},
		{"popup with an access token", own, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{popup} }, "auth0: Config.LoginOptions WithPopup"},
		{"popup with a bearer token", auth0.ProofKey{}, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{popup} }, ""},
	} {
		c := testkit.GoodConfig()
		c.ProofKey = row.key
		if row.edit != nil {
			row.edit(&c)
		}
		_, err := auth0.New(c)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	e := newEnv(t, nil)
	e.Mux.Handle("GET /popup", e.Strategy.LoginHandler(popup))
	if resp := e.Browser().Page("/popup"); resp.Status != 500 {
		t.Errorf("a popup with an access token: %d", resp.Status)
	}
	if _, _, err := e.Strategy.Application().ImplicitURL(t.Context(), "id_token token", testkit.AppURL+"/page"); testkit.ReasonOf(err) != "login_option" {
		t.Errorf("implicit grant: %v", err)
	}
	if _, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL, auth0.WithParam("dpop_jkt", "x")); err == nil {
		t.Error("the caller sets dpop_jkt")
	}
}

// TestMetadata: the metadata of another provider decide about a key of the application
// when it is first used.
func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		key    auth0.ProofKey
		listed any
		want   bool
	}{
		{auth0.ProofKeyOf(testkit.Must(rsa.GenerateKey(rand.Reader, 2048))), []string{"ES256"}, false},
		{auth0.ProofKeyOf(testkit.Must(rsa.GenerateKey(rand.Reader, 2048))), []string{"ES256", "RS256"}, true},
		{auth0.ProofKeyPerSession(), []string{"RS256"}, false},
		{auth0.ProofKeyPerSession(), nil, true},
	} {
		e := newEnvWith(t, row.key, nil, func(c *auth0.Config) { c.Domain = "https://" + testkit.TenantHost })
		e.Tenant.EditDiscovery(func(doc map[string]any) { doc["dpop_signing_alg_values_supported"] = row.listed })
		_, _, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
		if (err == nil) != row.want || err != nil && !strings.Contains(err.Error(), "dpop_signing_alg_values_supported") {
			t.Errorf("login, %v: %v", row.listed, err)
		}
		if row.want {
			continue
		}
		_, err = e.Strategy.Application().ClientCredentials(auth0.ClientCredentials{Audience: testkit.Audience}).Token()
		if err == nil || !strings.Contains(err.Error(), "dpop_signing_alg_values_supported") || e.Tenant.Calls(testkit.TokenEndpoint) != 0 {
			t.Errorf("client credentials, %v: %v", row.listed, err)
		}
	}
}

// TestLoginsOfPrograms: a program without pages gets its token with the key, which is in
// the transaction.
func TestLoginsOfPrograms(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	app := e.Strategy.Application()
	authURL, transaction, err := app.AuthCodeURL(t.Context(), testkit.CallbackURL)
	if err != nil {
		t.Fatal(err)
	}
	u := testkit.Must(url.Parse(authURL))
	other := e.again(func(*auth0.Config) {}).Strategy.Application() // another process
	l, err := other.Exchange(t.Context(), transaction, e.Browser().AtTenant(u).Query())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &auth0.ProofTransport{Base: testkit.Hosts{"api.example": e.api}, Source: static(l.Token())}}
	resp, err := client.Get("https://api.example/")
	if err != nil || resp.StatusCode != 200 || l.Token().TokenType != "DPoP" {
		t.Errorf("%v, %v", resp, err)
	}
	for _, shown := range []string{fmt.Sprintf("%+v %#v", l, l.Token()), testkit.AsJSON(l.Token())} {
		if strings.Contains(shown, keptIn(t, l.Token())) {
			t.Error("the key is shown")
		}
	}
}
