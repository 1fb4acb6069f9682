package web_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// An idTokenCase is a login whose ID token was changed before it was signed.
type idTokenCase struct {
	why    string
	edit   func(header, claims map[string]any)
	reason string // empty if the login must succeed
}

// loginReason logs in and returns the reason for a rejection, and the status.
func loginReason(e *testkit.Env, opts ...auth0.LoginOption) (reason string, status int) {
	e.T.Helper()
	before := len(e.Log.String())
	status = loginWith(e, opts...)
	for line := range strings.Lines(e.Log.String()[before:]) {
		if _, rest, ok := strings.Cut(line, " reason="); ok {
			reason, _, _ = strings.Cut(rest, " ")
		}
	}
	return reason, status
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	tests := []idTokenCase{
		{"unchanged", func(_, _ map[string]any) {}, ""},
		{"no typ", testkit.Header("typ", nil), ""},
		{"typ in lower case", testkit.Header("typ", "jwt"), ""},
		{"typ of an access token", testkit.Header("typ", "at+jwt"), "invalid_type"},
		{"typ of a logout token", testkit.Header("typ", "logout+jwt"), "invalid_type"},
		{"typ is a number", testkit.Header("typ", 1), "invalid_type"},
		{"none", testkit.Header("alg", "none"), "invalid_alg"},
		{"HS256", testkit.Header("alg", "HS256"), "invalid_alg"},
		{"RS512", testkit.Header("alg", "RS512"), "invalid_alg"},
		{"PS256", testkit.Header("alg", "PS256"), "invalid_alg"},
		{"rs256", testkit.Header("alg", "rs256"), "invalid_alg"},
		{"crit", testkit.Header("crit", []string{"exp"}), "unsupported_crit"},
		{"b64", testkit.Header("b64", false), "unsupported_crit"},
		{"unknown kid", testkit.Header("kid", "nobody"), "unknown_kid"},
		{"no kid, two keys", testkit.Header("kid", nil), "ambiguous_kid"},

		{"no iss", testkit.Claim("iss", nil), "invalid_issuer"},
		{"other iss", testkit.Claim("iss", "https://evil.example/"), "invalid_issuer"},
		{"iss without slash", testkit.Claim("iss", "https://acme.auth0.example"), "invalid_issuer"},
		{"iss in upper case", testkit.Claim("iss", "https://ACME.auth0.example/"), "invalid_issuer"},
		{"iss is a list", testkit.Claim("iss", []string{"https://acme.auth0.example/"}), "invalid_claim"},
		{"iss right only in another case", func(_, c map[string]any) { c["Iss"] = c["iss"]; c["iss"] = "https://evil.example/" }, "invalid_claim"},

		{"no aud", testkit.Claim("aud", nil), "invalid_audience"},
		{"other aud", testkit.Claim("aud", "client999"), "invalid_audience"},
		{"aud of an API", testkit.Claim("aud", testkit.Audience), "invalid_audience"},
		{"empty aud", testkit.Claim("aud", ""), "invalid_audience"},
		{"no audiences", testkit.Claim("aud", []string{}), "invalid_audience"},
		{"aud is a number", testkit.Claim("aud", 5), "invalid_claim"},
		{"one audience in a list", testkit.Claim("aud", []string{testkit.ClientID}), ""},
		{"two audiences without azp", testkit.Claim("aud", []string{testkit.ClientID, "other"}), "invalid_claim"},
		{"two audiences with azp", func(_, c map[string]any) { c["aud"] = []string{"other", testkit.ClientID}; c["azp"] = testkit.ClientID }, ""},
		{"two audiences, other azp", func(_, c map[string]any) { c["aud"] = []string{testkit.ClientID, "other"}; c["azp"] = "other" }, "invalid_claim"},
		{"other azp", testkit.Claim("azp", "other"), "invalid_claim"},
		{"own azp", testkit.Claim("azp", testkit.ClientID), ""},

		{"no exp", testkit.Claim("exp", nil), "invalid_claim"},
		{"exp is text", testkit.Claim("exp", "1999999999"), "invalid_claim"},
		{"negative exp", testkit.Claim("exp", -5), "invalid_claim"},
		{"exp with a fraction", testkit.ClaimIn("exp", 3600.5), ""},
		{"exp in milliseconds", testkit.Claim("exp", time.Now().Add(time.Hour).UnixMilli()), "invalid_claim"},
		{"expired within leeway", testkit.ClaimIn("exp", -55), ""},
		{"expired", testkit.ClaimIn("exp", -65), "token_expired"},
		{"no iat", testkit.Claim("iat", nil), "invalid_claim"},
		{"iat is text", testkit.Claim("iat", "x"), "invalid_claim"},
		{"iat within leeway", testkit.ClaimIn("iat", 55), ""},
		{"iat ahead", testkit.ClaimIn("iat", 65), "issued_in_future"},
		{"nbf within leeway", testkit.ClaimIn("nbf", 55), ""},
		{"nbf ahead", testkit.ClaimIn("nbf", 65), "token_not_yet_valid"},
		{"nbf is text", testkit.Claim("nbf", "x"), "invalid_claim"},

		{"no sub", testkit.Claim("sub", nil), "invalid_claim"},
		{"empty sub", testkit.Claim("sub", ""), "invalid_claim"},
		{"sub is a number", testkit.Claim("sub", 42), "invalid_claim"},
		{"sub with a control character", testkit.Claim("sub", "a\nb"), "invalid_claim"},
		{"sub of 255 bytes", testkit.Claim("sub", strings.Repeat("a", 255)), ""},
		{"sub of 256 bytes", testkit.Claim("sub", strings.Repeat("a", 256)), "invalid_claim"},

		{"no nonce", testkit.Claim("nonce", nil), "nonce_mismatch"},
		{"empty nonce", testkit.Claim("nonce", ""), "nonce_mismatch"},
		{"other nonce", testkit.Claim("nonce", strings.Repeat("A", 43)), "nonce_mismatch"},
		{"beginning of the nonce", func(_, c map[string]any) { c["nonce"] = c["nonce"].(string)[:42] }, "nonce_mismatch"},
		{"nonce is a number", testkit.Claim("nonce", 1), "invalid_claim"},

		{"wrong at_hash", testkit.Claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "invalid_hash"},
		{"empty at_hash", testkit.Claim("at_hash", ""), "invalid_hash"},
		{"at_hash is a number", testkit.Claim("at_hash", 1), "invalid_claim"},
		{"sid is a number", testkit.Claim("sid", 1), "invalid_claim"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e := testkit.SignedIn(t)
			e.Tenant.EditIDToken(tt.edit)
			reason, status := loginReason(e)
			want := http.StatusBadRequest
			if tt.reason == "" {
				want = http.StatusSeeOther
			}
			if status != want || reason != tt.reason {
				t.Errorf("status %d, reason %q; want %d, %q; log:\n%s", status, reason, want, tt.reason, e.Log)
			}
		})
	}
}

// TestIDTokenText changes the text of a token that was signed.
func TestIDTokenText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		change func(string) string
		reason string
	}{
		{"unchanged", func(s string) string { return s }, ""},
		{"not a token", func(string) string { return "abc" }, "token_malformed"},
		{"five segments", func(s string) string { return s + ".AA.AA" }, "token_malformed"},
		{"line feed", func(s string) string { return s[:20] + "\n" + s[20:] }, "token_malformed"},
		{"padding", func(s string) string { return s + "=" }, "token_malformed"},
		{"spare bits", func(s string) string { return s[:len(s)-1] + flip(s[len(s)-1]) }, "token_malformed"},
		{"signature changed", func(s string) string {
			i := strings.LastIndexByte(s, '.')
			return s[:i+5] + testkit.Flip4(s[i+5]) + s[i+6:]
		}, "invalid_signature"},
		{"payload of another token", func(s string) string {
			parts := strings.Split(s, ".")
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(testkit.DecodeSegment(parts[1])), "ada@", "eve@", 1)))
			return strings.Join(parts, ".")
		}, "invalid_signature"},
		{"name twice", func(s string) string {
			parts := strings.Split(s, ".")
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(testkit.DecodeSegment(parts[1])), "{", `{"plan":1,"plan":2,`, 1)))
			return strings.Join(parts, ".")
		}, "token_malformed"},
		{"too large", func(s string) string { return s + strings.Repeat("A", 17<<10) }, "token_too_large"},
	} {
		e := testkit.SignedIn(t)
		e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["id_token"] = tt.change(body["id_token"].(string)) })
		if reason, status := loginReason(e); reason != tt.reason || (status == http.StatusSeeOther) != (tt.reason == "") {
			t.Errorf("%s: status %d, reason %q, want %q", tt.why, status, reason, tt.reason)
		}
	}
}

// flip changes the unused bits of the last character of a 256-byte signature.
func flip(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^1])
}

// TestIDTokenSignature: the callback also checks the signature of a token straight
// from the token endpoint.
func TestIDTokenSignature(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.SignWithForeignKey(true)
	if reason, status := loginReason(e); reason != "invalid_signature" || status != http.StatusBadRequest {
		t.Errorf("foreign key, own kid: %d %q", status, reason)
	}
	if n := e.Tenant.Calls(testkit.JWKSEndpoint); n != 1 {
		t.Errorf("%d key fetches, want 1: a bad signature is no reason for another", n)
	}
}

func TestIDTokenHashes(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	var accessToken string
	e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		accessToken = body["access_token"].(string)
		sum := sha256.Sum256([]byte(accessToken))
		parts := strings.Split(body["id_token"].(string), ".")
		payload := strings.Replace(string(testkit.DecodeSegment(parts[1])), "{", `{"at_hash":"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`",`, 1)
		body["id_token"] = e.Tenant.Sign(nil, testkit.DecodeClaims(t, payload))
	})
	if reason, status := loginReason(e); status != http.StatusSeeOther {
		t.Errorf("right at_hash: %d %q", status, reason)
	}
	// The hash belongs to the signature's algorithm. It is not always SHA-256.
	e = testkit.SignedIn(t, func(c *auth0.Config) { c.Algorithms = []string{"RS256", "RS512"} })
	e.Tenant.EditJWKS(func(doc map[string]any) {
		for _, key := range doc["keys"].([]map[string]any) {
			delete(key, "alg")
		}
	})
	e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		sum := sha512.Sum512([]byte(body["access_token"].(string)))
		parts := strings.Split(body["id_token"].(string), ".")
		claims := testkit.DecodeClaims(t, string(testkit.DecodeSegment(parts[1])))
		claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:32])
		body["id_token"] = e.Tenant.Sign(map[string]any{"alg": "RS512"}, claims)
	})
	if reason, status := loginReason(e); status != http.StatusSeeOther {
		t.Errorf("right at_hash of RS512: %d %q\n%s", status, reason, e.Log)
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why      string
		maxAge   time.Duration
		authTime any // seconds from now
		reason   string
	}{
		{"0, authenticated now", 0, 0.0, ""},
		{"0, authenticated just before the login", 0, -30.0, ""},
		{"0, authenticated before", 0, -120.0, "auth_too_old"},
		{"0, no auth_time", 0, nil, "auth_too_old"},
		{"0, text", 0, "x", "invalid_claim"},
		{"a minute, 30 s ago", time.Minute, -30.0, ""},
		{"a minute, 10 min ago", time.Minute, -600.0, "auth_too_old"},
		{"a minute, 115 s ago, with leeway", time.Minute, -115.0, ""},
		{"a minute, 125 s ago", time.Minute, -125.0, "auth_too_old"},
		{"a minute, no auth_time", time.Minute, nil, "auth_too_old"},
	}
	for _, tt := range tests {
		e := testkit.SignedIn(t)
		switch at := tt.authTime.(type) {
		case float64:
			e.Tenant.EditIDToken(testkit.ClaimIn("auth_time", at))
		default:
			e.Tenant.EditIDToken(testkit.Claim("auth_time", at))
		}
		if reason, status := loginReason(e, auth0.WithMaxAge(tt.maxAge)); reason != tt.reason || (status == http.StatusSeeOther) != (tt.reason == "") {
			t.Errorf("%s: status %d, reason %q, want %q", tt.why, status, reason, tt.reason)
		}
	}
	e := testkit.SignedIn(t)
	e.Tenant.EditIDToken(testkit.ClaimIn("auth_time", -100_000))
	if reason, status := loginReason(e); status != http.StatusSeeOther {
		t.Errorf("not asked for: %d %q", status, reason)
	}
}

func TestACR(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		option auth0.LoginOption
		acr    any
		reason string
	}{
		{auth0.WithRequiredACR("a", "b"), "b", ""},
		{auth0.WithRequiredACR("a", "b"), "c", "invalid_acr"},
		{auth0.WithRequiredACR("a", "b"), "a b", "invalid_acr"},
		{auth0.WithRequiredACR("a"), nil, "invalid_acr"},
		{auth0.WithACRValues("a"), nil, ""},
		{auth0.WithACRValues("a"), "b", ""},
	} {
		e := testkit.SignedIn(t)
		e.Tenant.EditIDToken(testkit.Claim("acr", tt.acr))
		if reason, status := loginReason(e, tt.option); reason != tt.reason || (status == http.StatusSeeOther) != (tt.reason == "") {
			t.Errorf("acr %v: status %d, reason %q, want %q", tt.acr, status, reason, tt.reason)
		}
	}
}

// TestKeyRotationAtLogin: the first login after a rotation works, and made-up key
// ids cause a bounded number of fetches.
func TestKeyRotationAtLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		e.Browser().MustLogin()
		e.Tenant.RotateKeys() // the next key was published before
		e.Browser().MustLogin()
		if n := e.Tenant.Calls(testkit.JWKSEndpoint); n != 1 {
			t.Errorf("%d key fetches, want 1", n)
		}
		e.Tenant.RotateKeys()
		e.Browser().MustLogin()
		if n := e.Tenant.Calls(testkit.JWKSEndpoint); n != 2 {
			t.Errorf("%d key fetches, want 2", n)
		}
		for i := range 100 {
			e.Tenant.EditIDToken(testkit.Header("kid", fmt.Sprint("made-up-", i)))
			// Without another fetch, the library cannot know whether the key exists.
			want := map[string]int{"unknown_kid": http.StatusBadRequest, "keys_unavailable": http.StatusServiceUnavailable}
			if reason, status := loginReason(e); status != want[reason] || (i == 0) != (reason == "unknown_kid") {
				t.Fatalf("unknown kid %d: %d %q", i, status, reason)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := e.Tenant.Calls(testkit.JWKSEndpoint); n > 4 {
			t.Errorf("%d key fetches after 100 made-up kids in 10 s, want at most 4", n)
		}
		e.Tenant.EditIDToken(nil)
		e.Browser().MustLogin()
	})
}

// TestKeysUnavailable: a login that cannot be checked is the tenant's fault alone.
func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.Fail(testkit.JWKSEndpoint, 503)
	if reason, status := loginReason(e); reason != "keys_unavailable" || status != http.StatusServiceUnavailable {
		t.Errorf("status %d, reason %q", status, reason)
	}
}

// TestGenericProvider is a provider named by URL: discovery supplies every
// endpoint.
func TestGenericProvider(t *testing.T) {
	t.Parallel()
	const base = "http://127.0.0.1:4999"
	setup := func(t *testing.T, edit func(doc map[string]any), domain string, more ...func(*auth0.Config)) *testkit.Env {
		ten, err := testkit.NewTenant(testkit.TenantConfig{URL: base})
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			ten.EditDiscovery(edit)
		}
		edits := append([]func(*auth0.Config){func(c *auth0.Config) {
			c.Domain = domain
			c.HTTPClient = &http.Client{Transport: testkit.Hosts{"127.0.0.1:4999": ten}}
		}}, more...)
		e := testkit.SignedIn(t, edits...)
		e.Tenant = ten
		if err := ten.AddDemo(testkit.Demo{ClientID: testkit.ClientID, ClientSecret: "client-secret-SECRET", BaseURL: testkit.AppURL, Audience: testkit.Audience}); err != nil {
			t.Fatal(err)
		}
		e.SignInAtTenant("ada@acme.example")
		return e
	}
	login := func(e *testkit.Env) *testkit.Response {
		b := e.Browser()
		resp := b.Page("/auth/login")
		if resp.Status != http.StatusFound {
			return resp
		}
		client := &http.Client{Transport: testkit.Hosts{"127.0.0.1:4999": e.Tenant}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if r.URL.Host == "app.example" {
				return http.ErrUseLastResponse
			}
			return nil
		}}
		answer, err := client.Get(resp.Location(e.T).String())
		if err != nil {
			e.T.Fatal(err)
		}
		u, err := answer.Location()
		if err != nil {
			e.T.Fatal(err)
		}
		return b.Callback(u)
	}
	for _, domain := range []string{base, base + "/"} {
		synctest.Test(t, func(t *testing.T) {
			e := setup(t, nil, domain)
			for range 20 {
				if resp := login(e); resp.Status != http.StatusSeeOther {
					t.Fatalf("domain %s: %d %s\n%s", domain, resp.Status, resp.Body, e.Log)
				}
			}
			if n := e.Tenant.Calls(testkit.DiscoveryEndpoint); n != 1 {
				t.Errorf("%d discoveries for 20 logins", n)
			}
			time.Sleep(10 * time.Minute)
			login(e)
			synctest.Wait()
			if n := e.Tenant.Calls(testkit.DiscoveryEndpoint); n != 2 {
				t.Errorf("%d discoveries after ten minutes, want 2", n)
			}
			// While the document is unavailable, the cached one is used.
			e.Tenant.Fail(testkit.DiscoveryEndpoint, 503)
			time.Sleep(20 * time.Hour)
			if resp := login(e); resp.Status != http.StatusSeeOther {
				t.Errorf("stale metadata: %d", resp.Status)
			}
			time.Sleep(5 * time.Hour)
			if resp := login(e); resp.Status != http.StatusServiceUnavailable || len(resp.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("metadata that is too old: %d", resp.Status)
			}
			e.Tenant.Fail(testkit.DiscoveryEndpoint, 0)
			time.Sleep(time.Minute)
			if resp := login(e); resp.Status != http.StatusSeeOther {
				t.Errorf("after the outage: %d", resp.Status)
			}
		})
	}
	for why, edit := range map[string]func(doc map[string]any){
		"other issuer":      func(doc map[string]any) { doc["issuer"] = "https://evil.example/" },
		"two slashes":       func(doc map[string]any) { doc["issuer"] = base + "//" },
		"no issuer":         func(doc map[string]any) { delete(doc, "issuer") },
		"keys elsewhere":    func(doc map[string]any) { doc["jwks_uri"] = "https://evil.example/jwks" },
		"token elsewhere":   func(doc map[string]any) { doc["token_endpoint"] = "http://127.0.0.1:5000/token" },
		"no token endpoint": func(doc map[string]any) { delete(doc, "token_endpoint") },
		"2 MiB":             func(doc map[string]any) { doc["x"] = strings.Repeat("x", 2<<20) },
	} {
		if resp := login(setup(t, edit, base)); resp.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d, want 503", why, resp.Status)
		}
	}
	// RFC 9207: a provider that promises iss must send it, and it must be right.
	promise := func(doc map[string]any) { doc["authorization_response_iss_parameter_supported"] = true }
	e := setup(t, promise, base)
	if resp := login(e); resp.Status != http.StatusBadRequest || !strings.Contains(e.Log.String(), "issuer_mismatch") {
		t.Errorf("promised iss is missing: %d", resp.Status)
	}
	// The document's spelling of the issuer is required in tokens.
	e = setup(t, nil, base)
	e.Tenant.EditIDToken(testkit.Claim("iss", base))
	if resp := login(e); resp.Status != http.StatusBadRequest || !strings.Contains(e.Log.String(), "invalid_issuer") {
		t.Errorf("iss as configured, not as discovered: %d", resp.Status)
	}
}

// TestDiscoveryDownAtCallback leaves the transaction: the code is unused, and
// loading the page again can succeed.
func TestDiscoveryDownAtCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const base = "http://127.0.0.1:4999"
		ten, err := testkit.NewTenant(testkit.TenantConfig{URL: base})
		if err != nil {
			t.Fatal(err)
		}
		if err := ten.AddDemo(testkit.Demo{ClientID: testkit.ClientID, ClientSecret: "client-secret-SECRET", BaseURL: testkit.AppURL, Audience: testkit.Audience}); err != nil {
			t.Fatal(err)
		}
		generic := func(c *auth0.Config) {
			c.Domain = base
			c.HTTPClient = &http.Client{Transport: testkit.Hosts{"127.0.0.1:4999": ten}}
		}
		e := testkit.SignedIn(t, generic)
		b := e.Browser()
		u := b.Begin("/auth/login")
		// Another instance has no cached document yet.
		cold := testkit.SignedIn(t, generic)
		ten.Fail(testkit.DiscoveryEndpoint, 503)
		b.Env = cold
		answer := &url.URL{Scheme: "https", Host: "app.example", Path: "/auth/callback", RawQuery: url.Values{"code": {"x"}, "state": {u.Query().Get("state")}}.Encode()}
		for range 2 {
			if resp := b.Callback(answer); resp.Status != http.StatusServiceUnavailable || len(b.Transactions()) != 1 {
				t.Errorf("discovery down: %d, %d transactions left; want 503 and 1", resp.Status, len(b.Transactions()))
			}
		}
		ten.Fail(testkit.DiscoveryEndpoint, 0)
		time.Sleep(2 * time.Second)
		if resp := b.Callback(answer); resp.Status != http.StatusBadRequest {
			t.Errorf("discovery up, code unknown: %d; want 400", resp.Status)
		}
		if n := ten.Calls(testkit.TokenEndpoint); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
}

// TestLoginNeedsNoDiscovery: with an Auth0 domain no document is fetched.
func TestLoginNeedsNoDiscovery(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.Fail(testkit.DiscoveryEndpoint, 503)
	e.Browser().MustLogin()
	if n := e.Tenant.Calls(testkit.DiscoveryEndpoint); n != 0 {
		t.Errorf("%d discoveries", n)
	}
}
