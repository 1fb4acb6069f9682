package auth0_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	oldSecret = "client-secret-of-an-old-application-SECRET"
	// encodedSecret stands for bytes that are no text.
	encodedSecret = "_-7dzLuqmYh3ZlVEMyIRAP_u3cy7qpmId2ZVRDMiEQD_7t3M"
)

// oldApplication makes the tenant sign the ID tokens with the client's secret.
func oldApplication(e *env, secret string, encoded bool) {
	e.t.Helper()
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) {
		c.IDTokenAlg, c.Secret, c.SecretEncoded = "HS256", secret, encoded
	}); err != nil {
		e.t.Fatal(err)
	}
}

func TestHS256(t *testing.T) {
	tests := []struct {
		why                string
		secret, configured string
		encoded            bool // at the tenant
		hs256              string
		edit               func(header, claims map[string]any)
		reason             string
	}{
		{"text", oldSecret, oldSecret, false, "text", nil, ""},
		{"text that could be decoded", encodedSecret, encodedSecret, false, "text", nil, ""},
		{"decoded", encodedSecret, encodedSecret, true, "base64url", nil, ""},
		{"a kid", oldSecret, oldSecret, false, "text", header("kid", "x"), ""},

		{"not asked for", oldSecret, oldSecret, false, "", nil, "invalid_alg"},
		{"decoded here only", encodedSecret, encodedSecret, false, "base64url", nil, "invalid_signature"},
		{"decoded there only", encodedSecret, encodedSecret, true, "text", nil, "invalid_signature"},
		{"RS256", oldSecret, oldSecret, false, "text", func(h, _ map[string]any) { h["alg"] = "RS256"; delete(h, "kid") }, "invalid_alg"},
		{"HS384", oldSecret, oldSecret, false, "text", header("alg", "HS384"), "invalid_alg"},
		{"HS512", oldSecret, oldSecret, false, "text", header("alg", "HS512"), "invalid_alg"},
		{"none", oldSecret, oldSecret, false, "text", header("alg", "none"), "invalid_alg"},
		{"expired", oldSecret, oldSecret, false, "text", in("exp", -65), "token_expired"},
		{"other nonce", oldSecret, oldSecret, false, "text", claim("nonce", "x"), "nonce_mismatch"},
		{"other aud", oldSecret, oldSecret, false, "text", claim("aud", "other"), "invalid_audience"},
	}
	for _, tt := range tests {
		for _, byForm := range []bool{false, true} {
			e := newEnv(t, func(c *auth0.Config) {
				c.ClientSecret, c.HS256 = tt.configured, tt.hs256
				if byForm {
					c.ResponseType = "id_token"
				}
			})
			oldApplication(e, tt.secret, tt.encoded)
			e.tenant.EditIDToken(tt.edit)
			b := e.browser()
			u := b.begin("/auth/login")
			var resp *response
			if byForm {
				resp = b.post(b.formAtTenant(u))
			} else {
				resp = b.callback(b.atTenant(u))
			}
			if e.lastReason() != tt.reason || (resp.status == http.StatusSeeOther) != (tt.reason == "") || b.loggedIn() != (tt.reason == "") {
				t.Errorf("%s, by form %v: %d %q, want %q; log:\n%s", tt.why, byForm, resp.status, e.lastReason(), tt.reason, e.log)
			}
			// The tenant's keys have nothing to do with it.
			if n := e.tenant.Calls(emulator.JWKS); n != 0 {
				t.Errorf("%s: the keys were fetched %d times", tt.why, n)
			}
		}
	}
}

// TestHS256IsNotRS256: with the opt-in, tokens with the tenant's signature are
// refused; and without, those with a MAC of anything, the public key included.
func TestHS256IsNotRS256(t *testing.T) {
	e := newEnv(t, func(c *auth0.Config) { c.ClientSecret, c.HS256 = oldSecret, "text" })
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) { c.Secret = oldSecret }); err != nil {
		t.Fatal(err)
	}
	if reason, status := e.loginReason(); status != http.StatusBadRequest || reason != "invalid_alg" {
		t.Errorf("RS256: %d %q", status, reason)
	}
	e = newEnv(t)
	e.tenant.EditIDToken(header("alg", "HS256")) // with the public key as its key
	if reason, status := e.loginReason(); status != http.StatusBadRequest || reason != "invalid_alg" {
		t.Errorf("public key as a secret: %d %q", status, reason)
	}
	e = newEnv(t, func(c *auth0.Config) { c.ClientSecret, c.HS256 = oldSecret, "text" })
	if err := e.tenant.EditClient(testClientID, func(c *emulator.Client) { c.Secret = oldSecret }); err != nil {
		t.Fatal(err)
	}
	e.tenant.EditIDToken(header("alg", "HS256"))
	if reason, status := e.loginReason(); status != http.StatusBadRequest || reason != "invalid_signature" {
		t.Errorf("public key as a secret, with the opt-in: %d %q", status, reason)
	}
}

func TestHS256Config(t *testing.T) {
	type C = auth0.Config
	bytes31 := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("s", 31)))
	for _, tt := range []struct {
		why   string
		edit  func(*C)
		field string // empty if it is good
	}{
		{"text", func(c *C) { c.HS256 = "text" }, ""},
		{"base64url", func(c *C) { c.HS256, c.ClientSecret = "base64url", encodedSecret }, ""},
		{"base64url, padded", func(c *C) {
			c.HS256, c.ClientSecret = "base64url", base64.URLEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))
		}, ""},
		{"said twice", func(c *C) { c.HS256, c.Algorithms = "text", []string{"HS256"} }, ""},

		{"other word", func(c *C) { c.HS256 = "yes" }, "HS256"},
		{"short secret", func(c *C) { c.HS256, c.ClientSecret = "text", strings.Repeat("s", 31) }, "HS256"},
		{"short when decoded", func(c *C) { c.HS256, c.ClientSecret = "base64url", bytes31 }, "HS256"},
		{"not base64url", func(c *C) { c.HS256, c.ClientSecret = "base64url", strings.Repeat("s", 40)+"+/" }, "HS256"},
		{"no secret", func(c *C) { c.HS256, c.ClientSecret, c.ResponseType = "text", "", "id_token" }, "HS256"},
		{"RS256 too", func(c *C) { c.HS256, c.Algorithms = "text", []string{"HS256", "RS256"} }, "Algorithms"},
		{"RS256 instead", func(c *C) { c.HS256, c.Algorithms = "text", []string{"RS256"} }, "Algorithms"},
		{"by the algorithm alone", func(c *C) { c.Algorithms = []string{"HS256"} }, "Algorithms"},
	} {
		c := goodConfig()
		c.ClientSecret = oldSecret
		tt.edit(&c)
		_, err := auth0.New(c)
		if tt.field == "" && err != nil || tt.field != "" && (err == nil || !strings.Contains(err.Error(), "auth0: Config."+tt.field+" ")) {
			t.Errorf("%s: %v, want an error of %q", tt.why, err, tt.field)
		}
		if err != nil && c.ClientSecret != "" && strings.Contains(err.Error(), c.ClientSecret) {
			t.Errorf("%s: the error has the secret", tt.why)
		}
	}
}

// TestHS256Logout: what ends sessions has the MAC too, and nothing else does.
func TestHS256Logout(t *testing.T) {
	e := newEnv(t, func(c *auth0.Config) {
		c.ClientSecret, c.HS256, c.Store = oldSecret, "text", auth0.NewMemoryStore(10)
	})
	oldApplication(e, oldSecret, false)
	b := e.browser().mustLogin()
	for why, tt := range map[string]struct {
		token  string
		status int
	}{
		"RS256":      {e.tenant.LogoutToken(testClientID, "ada@acme.example", "", header("alg", "RS256")), 400},
		"public key": {e.tenant.Sign(map[string]any{"alg": "HS256"}, nil), 400},
	} {
		if resp := b.do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {tt.token}}); resp.status != tt.status || !b.loggedIn() {
			t.Errorf("%s: %d", why, resp.status)
		}
	}
	token := e.tenant.LogoutToken(testClientID, "ada@acme.example", "", func(_, c map[string]any) { delete(c, "sid") })
	if resp := b.do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {token}}); resp.status != http.StatusOK || b.loggedIn() {
		t.Errorf("HS256: %d %s, logged in %v; log:\n%s", resp.status, resp.body, b.loggedIn(), e.log)
	}
}

// TestHS256LeavesAccessTokensAlone: the keys that an API gets of the strategy are
// the tenant's, not the secret with which anybody's ID tokens could be made.
func TestHS256LeavesAccessTokensAlone(t *testing.T) {
	e := newEnv(t, func(c *auth0.Config) { c.ClientSecret, c.HS256, c.Audience = oldSecret, "text", testAudience })
	oldApplication(e, oldSecret, false)
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: tenantHost, Audience: testAudience, Keys: e.strategy.KeySet()})
	if err != nil {
		t.Fatal(err)
	}
	e.mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		token, err := e.strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := api.Verify(r.Context(), token.AccessToken); err != nil {
			t.Errorf("the API refuses the access token: %v", err)
		}
	})
	e.browser().mustLogin().page("/token")
	if _, err := api.Verify(t.Context(), e.tenant.IDToken(testClientID, "ada@acme.example", claim("aud", testAudience))); reasonOf(err) != "invalid_alg" {
		t.Errorf("an HS256 token for the API: %v", err)
	}
}
