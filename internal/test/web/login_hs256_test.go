package web_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

const (
	oldSecret = "client-secret-of-an-old-application-SECRET"
)

// secretKeys returns the keys of an old application: its secret as text, or the
// bytes that the text encodes.
func secretKeys(secret, written string) *auth0.KeySet {
	switch written {
	case "":
		return nil
	case "base64url":
		decoded, err := base64.RawURLEncoding.DecodeString(secret)
		if err != nil {
			panic(err)
		}
		secret = string(decoded)
	}
	keys, err := auth0.SharedSecret(secret)
	if err != nil {
		panic(err)
	}
	return keys
}

func otherKeys() *auth0.KeySet {
	c := testkit.GoodConfig()
	c.Domain = "other.auth0.example"
	s, err := auth0.New(c)
	if err != nil {
		panic(err)
	}
	return s.Application().KeySet()
}

func TestHS256(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why                string
		secret, configured string
		encoded            bool // at the tenant
		hs256              string
		edit               func(header, claims map[string]any)
		reason             string
	}{
		{"text", oldSecret, oldSecret, false, "text", nil, ""},
		{"text that could be decoded", testkit.EncodedSecret, testkit.EncodedSecret, false, "text", nil, ""},
		{"decoded", testkit.EncodedSecret, testkit.EncodedSecret, true, "base64url", nil, ""},
		{"a kid", oldSecret, oldSecret, false, "text", testkit.Header("kid", "x"), ""},

		{"not asked for", oldSecret, oldSecret, false, "", nil, "invalid_alg"},
		{"decoded here only", testkit.EncodedSecret, testkit.EncodedSecret, false, "base64url", nil, "invalid_signature"},
		{"decoded there only", testkit.EncodedSecret, testkit.EncodedSecret, true, "text", nil, "invalid_signature"},
		{"RS256", oldSecret, oldSecret, false, "text", func(h, _ map[string]any) { h["alg"] = "RS256"; delete(h, "kid") }, "invalid_alg"},
		{"HS384", oldSecret, oldSecret, false, "text", testkit.Header("alg", "HS384"), "invalid_alg"},
		{"HS512", oldSecret, oldSecret, false, "text", testkit.Header("alg", "HS512"), "invalid_alg"},
		{"none", oldSecret, oldSecret, false, "text", testkit.Header("alg", "none"), "invalid_alg"},
		{"expired", oldSecret, oldSecret, false, "text", testkit.ClaimIn("exp", -65), "token_expired"},
		{"other nonce", oldSecret, oldSecret, false, "text", testkit.Claim("nonce", "x"), "nonce_mismatch"},
		{"other aud", oldSecret, oldSecret, false, "text", testkit.Claim("aud", "other"), "invalid_audience"},
	}
	for _, tt := range tests {
		for _, byForm := range []bool{false, true} {
			e := testkit.SignedIn(t, func(c *auth0.Config) {
				c.ClientSecret, c.Keys = tt.configured, secretKeys(tt.configured, tt.hs256)
				if byForm {
					c.ResponseType = "id_token"
				}
			})
			testkit.OldApplication(e, tt.secret, tt.encoded)
			e.Tenant.EditIDToken(tt.edit)
			b := e.Browser()
			u := b.Begin("/auth/login")
			var resp *testkit.Response
			if byForm {
				resp = b.Post(b.FormAtTenant(u))
			} else {
				resp = b.Callback(b.AtTenant(u))
			}
			if e.LastReason() != tt.reason || (resp.Status == http.StatusSeeOther) != (tt.reason == "") || b.LoggedIn() != (tt.reason == "") {
				t.Errorf("%s, by form %v: %d %q, want %q; log:\n%s", tt.why, byForm, resp.Status, e.LastReason(), tt.reason, e.Log)
			}
			// The login does not use the tenant's keys.
			if n := e.Tenant.Calls(testkit.JWKSEndpoint); n != 0 {
				t.Errorf("%s: the keys were fetched %d times", tt.why, n)
			}
		}
	}
}

// TestHS256IsNotRS256: with the opt-in, the library rejects tokens with the
// tenant's signature. Without it, it rejects tokens with any MAC, also one keyed
// with the public key.
func TestHS256IsNotRS256(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.ClientSecret, c.Keys = oldSecret, secretKeys(oldSecret, "text") })
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.Secret = oldSecret }); err != nil {
		t.Fatal(err)
	}
	if reason, status := loginReason(e); status != http.StatusBadRequest || reason != "invalid_alg" {
		t.Errorf("RS256: %d %q", status, reason)
	}
	e = testkit.SignedIn(t)
	e.Tenant.EditIDToken(testkit.Header("alg", "HS256")) // with the public key as its key
	if reason, status := loginReason(e); status != http.StatusBadRequest || reason != "invalid_alg" {
		t.Errorf("public key as a secret: %d %q", status, reason)
	}
	e = testkit.SignedIn(t, func(c *auth0.Config) { c.ClientSecret, c.Keys = oldSecret, secretKeys(oldSecret, "text") })
	if err := e.Tenant.EditClient(testkit.ClientID, func(c *testkit.TenantClient) { c.Secret = oldSecret }); err != nil {
		t.Fatal(err)
	}
	e.Tenant.EditIDToken(testkit.Header("alg", "HS256"))
	if reason, status := loginReason(e); status != http.StatusBadRequest || reason != "invalid_signature" {
		t.Errorf("public key as a secret, with the opt-in: %d %q", status, reason)
	}
}

func TestHS256Config(t *testing.T) {
	t.Parallel()
	type C = auth0.Config
	for _, tt := range []struct {
		why   string
		edit  func(*C)
		field string // empty if it is good
	}{
		{"text", func(c *C) { c.Keys = secretKeys(oldSecret, "text") }, ""},
		{"base64url", func(c *C) {
			c.Keys, c.ClientSecret = secretKeys(testkit.EncodedSecret, "base64url"), testkit.EncodedSecret
		}, ""},
		{"said twice", func(c *C) { c.Keys, c.Algorithms = secretKeys(oldSecret, "text"), []string{"HS256"} }, ""},
		{"no client secret", func(c *C) { c.Keys, c.ClientSecret, c.ResponseType = secretKeys(oldSecret, "text"), "", "id_token" }, ""},

		{"zero", func(c *C) { c.Keys = &auth0.KeySet{} }, "Keys"},
		{"keys of another tenant", func(c *C) { c.Keys = otherKeys() }, "Keys"},
		{"RS256 too", func(c *C) { c.Keys, c.Algorithms = secretKeys(oldSecret, "text"), []string{"HS256", "RS256"} }, "Algorithms"},
		{"RS256 instead", func(c *C) { c.Keys, c.Algorithms = secretKeys(oldSecret, "text"), []string{"RS256"} }, "Algorithms"},
		{"by the algorithm alone", func(c *C) { c.Algorithms = []string{"HS256"} }, "Algorithms"},
	} {
		c := testkit.GoodConfig()
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

// TestHS256Logout: a logout token has the MAC too, and no other ends sessions.
func TestHS256Logout(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ClientSecret, c.Keys, c.Store = oldSecret, secretKeys(oldSecret, "text"), auth0.NewMemoryStore(10)
	})
	testkit.OldApplication(e, oldSecret, false)
	b := e.Browser().MustLogin()
	for why, tt := range map[string]struct {
		token  string
		status int
	}{
		"RS256":      {e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.Header("alg", "RS256")), 400},
		"public key": {e.Tenant.Sign(map[string]any{"alg": "HS256"}, nil), 400},
	} {
		if resp := b.Do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {tt.token}}); resp.Status != tt.status || !b.LoggedIn() {
			t.Errorf("%s: %d", why, resp.Status)
		}
	}
	token := e.Tenant.LogoutToken(testkit.ClientID, "ada@acme.example", "", testkit.WithoutSID)
	if resp := b.Do("POST", "/auth/backchannel-logout", url.Values{"logout_token": {token}}); resp.Status != http.StatusOK || b.LoggedIn() {
		t.Errorf("HS256: %d %s, logged in %v; log:\n%s", resp.Status, resp.Body, b.LoggedIn(), e.Log)
	}
}

// TestHS256LeavesAccessTokensAlone: an API that uses the keys of the strategy gets
// the tenant's keys, not the secret, which can sign ID tokens of any user.
func TestHS256LeavesAccessTokensAlone(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.ClientSecret, c.Keys, c.Audience = oldSecret, secretKeys(oldSecret, "text"), testkit.Audience
	})
	testkit.OldApplication(e, oldSecret, false)
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet()})
	if err != nil {
		t.Fatal(err)
	}
	e.Mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		token, err := e.Strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := api.Verify(r.Context(), token.AccessToken); err != nil {
			t.Errorf("the API refuses the access token: %v", err)
		}
	})
	e.Browser().MustLogin().Page("/token")
	if _, err := api.Verify(t.Context(), e.Tenant.IDToken(testkit.ClientID, "ada@acme.example", testkit.Claim("aud", testkit.Audience))); testkit.ReasonOf(err) != "invalid_alg" {
		t.Errorf("an HS256 token for the API: %v", err)
	}
}
