package auth0_test

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
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// An idTokenCase is a login whose ID token was changed before it was signed.
type idTokenCase struct {
	why    string
	edit   func(header, claims map[string]any)
	reason string // empty if the login must succeed
}

func claim(name string, value any) func(_, c map[string]any) {
	return func(_, c map[string]any) {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
}

func header(name string, value any) func(h, _ map[string]any) {
	return func(h, _ map[string]any) { h[name] = value }
}

// in returns a claim so many seconds from now.
func in(name string, seconds float64) func(_, c map[string]any) {
	return func(_, c map[string]any) { c[name] = float64(time.Now().Unix()) + seconds }
}

// loginReason logs in and returns why that was refused, and the status.
func (e *env) loginReason(opts ...auth0.LoginOption) (reason string, status int) {
	e.t.Helper()
	before := len(e.log.String())
	status = e.loginWith(opts...)
	for line := range strings.Lines(e.log.String()[before:]) {
		if _, rest, ok := strings.Cut(line, " reason="); ok {
			reason, _, _ = strings.Cut(rest, " ")
		}
	}
	return reason, status
}

func TestIDToken(t *testing.T) {
	tests := []idTokenCase{
		{"unchanged", func(_, _ map[string]any) {}, ""},
		{"no typ", header("typ", nil), ""},
		{"typ in lower case", header("typ", "jwt"), ""},
		{"typ of an access token", header("typ", "at+jwt"), "invalid_type"},
		{"typ of a logout token", header("typ", "logout+jwt"), "invalid_type"},
		{"typ is a number", header("typ", 1), "invalid_type"},
		{"none", header("alg", "none"), "invalid_alg"},
		{"HS256", header("alg", "HS256"), "invalid_alg"},
		{"RS512", header("alg", "RS512"), "invalid_alg"},
		{"PS256", header("alg", "PS256"), "invalid_alg"},
		{"rs256", header("alg", "rs256"), "invalid_alg"},
		{"crit", header("crit", []string{"exp"}), "unsupported_crit"},
		{"b64", header("b64", false), "unsupported_crit"},
		{"unknown kid", header("kid", "nobody"), "unknown_kid"},
		{"no kid, two keys", header("kid", nil), "ambiguous_kid"},

		{"no iss", claim("iss", nil), "invalid_issuer"},
		{"other iss", claim("iss", "https://evil.example/"), "invalid_issuer"},
		{"iss without slash", claim("iss", "https://acme.auth0.example"), "invalid_issuer"},
		{"iss in upper case", claim("iss", "https://ACME.auth0.example/"), "invalid_issuer"},
		{"iss is a list", claim("iss", []string{"https://acme.auth0.example/"}), "invalid_claim"},
		{"iss right only in another case", func(_, c map[string]any) { c["Iss"] = c["iss"]; c["iss"] = "https://evil.example/" }, "invalid_claim"},

		{"no aud", claim("aud", nil), "invalid_audience"},
		{"other aud", claim("aud", "client999"), "invalid_audience"},
		{"aud of an API", claim("aud", testAudience), "invalid_audience"},
		{"empty aud", claim("aud", ""), "invalid_audience"},
		{"no audiences", claim("aud", []string{}), "invalid_audience"},
		{"aud is a number", claim("aud", 5), "invalid_claim"},
		{"one audience in a list", claim("aud", []string{testClientID}), ""},
		{"two audiences without azp", claim("aud", []string{testClientID, "other"}), "invalid_claim"},
		{"two audiences with azp", func(_, c map[string]any) { c["aud"] = []string{"other", testClientID}; c["azp"] = testClientID }, ""},
		{"two audiences, other azp", func(_, c map[string]any) { c["aud"] = []string{testClientID, "other"}; c["azp"] = "other" }, "invalid_claim"},
		{"other azp", claim("azp", "other"), "invalid_claim"},
		{"own azp", claim("azp", testClientID), ""},

		{"no exp", claim("exp", nil), "invalid_claim"},
		{"exp is text", claim("exp", "1999999999"), "invalid_claim"},
		{"negative exp", claim("exp", -5), "invalid_claim"},
		{"exp with a fraction", in("exp", 3600.5), ""},
		{"exp in milliseconds", claim("exp", time.Now().Add(time.Hour).UnixMilli()), "invalid_claim"},
		{"expired within leeway", in("exp", -55), ""},
		{"expired", in("exp", -65), "token_expired"},
		{"no iat", claim("iat", nil), "invalid_claim"},
		{"iat is text", claim("iat", "x"), "invalid_claim"},
		{"iat within leeway", in("iat", 55), ""},
		{"iat ahead", in("iat", 65), "issued_in_future"},
		{"nbf within leeway", in("nbf", 55), ""},
		{"nbf ahead", in("nbf", 65), "token_not_yet_valid"},
		{"nbf is text", claim("nbf", "x"), "invalid_claim"},

		{"no sub", claim("sub", nil), "invalid_claim"},
		{"empty sub", claim("sub", ""), "invalid_claim"},
		{"sub is a number", claim("sub", 42), "invalid_claim"},
		{"sub with a control character", claim("sub", "a\nb"), "invalid_claim"},
		{"sub of 255 bytes", claim("sub", strings.Repeat("a", 255)), ""},
		{"sub of 256 bytes", claim("sub", strings.Repeat("a", 256)), "invalid_claim"},

		{"no nonce", claim("nonce", nil), "nonce_mismatch"},
		{"empty nonce", claim("nonce", ""), "nonce_mismatch"},
		{"other nonce", claim("nonce", strings.Repeat("A", 43)), "nonce_mismatch"},
		{"beginning of the nonce", func(_, c map[string]any) { c["nonce"] = c["nonce"].(string)[:42] }, "nonce_mismatch"},
		{"nonce is a number", claim("nonce", 1), "invalid_claim"},

		{"wrong at_hash", claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "invalid_hash"},
		{"empty at_hash", claim("at_hash", ""), "invalid_hash"},
		{"at_hash is a number", claim("at_hash", 1), "invalid_claim"},
		{"sid is a number", claim("sid", 1), "invalid_claim"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			e := newEnv(t)
			e.tenant.EditIDToken(tt.edit)
			reason, status := e.loginReason()
			want := http.StatusBadRequest
			if tt.reason == "" {
				want = http.StatusSeeOther
			}
			if status != want || reason != tt.reason {
				t.Errorf("status %d, reason %q; want %d, %q; log:\n%s", status, reason, want, tt.reason, e.log)
			}
		})
	}
}

// TestIDTokenText changes the text of a token that was signed.
func TestIDTokenText(t *testing.T) {
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
		{"signature changed", func(s string) string { i := strings.LastIndexByte(s, '.'); return s[:i+5] + flip4(s[i+5]) + s[i+6:] }, "invalid_signature"},
		{"payload of another token", func(s string) string {
			parts := strings.Split(s, ".")
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(decode(parts[1])), "ada@", "eve@", 1)))
			return strings.Join(parts, ".")
		}, "invalid_signature"},
		{"name twice", func(s string) string {
			parts := strings.Split(s, ".")
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(decode(parts[1])), "{", `{"plan":1,"plan":2,`, 1)))
			return strings.Join(parts, ".")
		}, "token_malformed"},
		{"too large", func(s string) string { return s + strings.Repeat("A", 17<<10) }, "token_too_large"},
	} {
		e := newEnv(t)
		e.tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["id_token"] = tt.change(body["id_token"].(string)) })
		if reason, status := e.loginReason(); reason != tt.reason || (status == http.StatusSeeOther) != (tt.reason == "") {
			t.Errorf("%s: status %d, reason %q, want %q", tt.why, status, reason, tt.reason)
		}
	}
}

// flip changes the unused bits of the last character of a 256-byte signature.
func flip(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^1])
}

// flip4 changes bits that count.
func flip4(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^16])
}

func decode(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// TestIDTokenSignature: the signature counts also for a token that comes
// straight from the token endpoint.
func TestIDTokenSignature(t *testing.T) {
	e := newEnv(t)
	e.tenant.SignWithForeignKey(true)
	if reason, status := e.loginReason(); reason != "invalid_signature" || status != http.StatusBadRequest {
		t.Errorf("foreign key, own kid: %d %q", status, reason)
	}
	if n := e.tenant.Calls(emulator.JWKS); n != 1 {
		t.Errorf("%d key fetches, want 1: a bad signature is no reason for another", n)
	}
}

func TestIDTokenHashes(t *testing.T) {
	e := newEnv(t)
	var accessToken string
	e.tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		accessToken = body["access_token"].(string)
		sum := sha256.Sum256([]byte(accessToken))
		parts := strings.Split(body["id_token"].(string), ".")
		payload := strings.Replace(string(decode(parts[1])), "{", `{"at_hash":"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`",`, 1)
		body["id_token"] = e.tenant.Sign(nil, asClaims(t, payload))
	})
	if reason, status := e.loginReason(); status != http.StatusSeeOther {
		t.Errorf("right at_hash: %d %q", status, reason)
	}
	// The hash is that of the signature's algorithm, not always SHA-256.
	e = newEnv(t, func(c *auth0.Config) { c.Algorithms = []string{"RS256", "RS512"} })
	e.tenant.EditJWKS(func(doc map[string]any) {
		for _, key := range doc["keys"].([]map[string]any) {
			delete(key, "alg")
		}
	})
	e.tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		sum := sha512.Sum512([]byte(body["access_token"].(string)))
		parts := strings.Split(body["id_token"].(string), ".")
		claims := asClaims(t, string(decode(parts[1])))
		claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:32])
		body["id_token"] = e.tenant.Sign(map[string]any{"alg": "RS512"}, claims)
	})
	if reason, status := e.loginReason(); status != http.StatusSeeOther {
		t.Errorf("right at_hash of RS512: %d %q\n%s", status, reason, e.log)
	}
}

func TestMaxAge(t *testing.T) {
	tests := []struct {
		why      string
		maxAge   time.Duration
		authTime any // seconds from now
		reason   string
	}{
		{"0, authenticated now", 0, 0.0, ""},
		{"0, authenticated just before the login", 0, -30.0, ""},
		{"0, authenticated before", 0, -120.0, "auth_too_old"},
		{"0, no auth_time", 0, nil, "invalid_claim"},
		{"0, text", 0, "x", "invalid_claim"},
		{"a minute, 30 s ago", time.Minute, -30.0, ""},
		{"a minute, 10 min ago", time.Minute, -600.0, "auth_too_old"},
		{"a minute, 115 s ago, with leeway", time.Minute, -115.0, ""},
		{"a minute, 125 s ago", time.Minute, -125.0, "auth_too_old"},
		{"a minute, no auth_time", time.Minute, nil, "invalid_claim"},
	}
	for _, tt := range tests {
		e := newEnv(t)
		switch at := tt.authTime.(type) {
		case float64:
			e.tenant.EditIDToken(in("auth_time", at))
		default:
			e.tenant.EditIDToken(claim("auth_time", at))
		}
		if reason, status := e.loginReason(auth0.WithMaxAge(tt.maxAge)); reason != tt.reason || (status == http.StatusSeeOther) != (tt.reason == "") {
			t.Errorf("%s: status %d, reason %q, want %q", tt.why, status, reason, tt.reason)
		}
	}
	e := newEnv(t)
	e.tenant.EditIDToken(in("auth_time", -100_000))
	if reason, status := e.loginReason(); status != http.StatusSeeOther {
		t.Errorf("not asked for: %d %q", status, reason)
	}
}

func TestACR(t *testing.T) {
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
		e := newEnv(t)
		e.tenant.EditIDToken(claim("acr", tt.acr))
		if reason, status := e.loginReason(tt.option); reason != tt.reason || (status == http.StatusSeeOther) != (tt.reason == "") {
			t.Errorf("acr %v: status %d, reason %q, want %q", tt.acr, status, reason, tt.reason)
		}
	}
}

// TestKeyRotationAtLogin: the first login after a rotation works, and made-up
// key ids do not make us fetch without end.
func TestKeyRotationAtLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.browser().mustLogin()
		e.tenant.RotateKeys() // the next key was published before
		e.browser().mustLogin()
		if n := e.tenant.Calls(emulator.JWKS); n != 1 {
			t.Errorf("%d key fetches, want 1", n)
		}
		e.tenant.RotateKeys()
		e.browser().mustLogin()
		if n := e.tenant.Calls(emulator.JWKS); n != 2 {
			t.Errorf("%d key fetches, want 2", n)
		}
		for i := range 100 {
			e.tenant.EditIDToken(header("kid", fmt.Sprint("made-up-", i)))
			// Once they can no longer be looked for, nobody can tell.
			want := map[string]int{"unknown_kid": http.StatusBadRequest, "keys_unavailable": http.StatusServiceUnavailable}
			if reason, status := e.loginReason(); status != want[reason] || (i == 0) != (reason == "unknown_kid") {
				t.Fatalf("unknown kid %d: %d %q", i, status, reason)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := e.tenant.Calls(emulator.JWKS); n > 4 {
			t.Errorf("%d key fetches after 100 made-up kids in 10 s, want at most 4", n)
		}
		e.tenant.EditIDToken(nil)
		e.browser().mustLogin()
	})
}

// TestKeysUnavailable: a login that cannot be checked is nobody's fault but the
// tenant's.
func TestKeysUnavailable(t *testing.T) {
	e := newEnv(t)
	e.tenant.Fail(emulator.JWKS, 503)
	if reason, status := e.loginReason(); reason != "keys_unavailable" || status != http.StatusServiceUnavailable {
		t.Errorf("status %d, reason %q", status, reason)
	}
}

// TestGenericProvider is a provider named by URL: everything by discovery.
func TestGenericProvider(t *testing.T) {
	const base = "http://127.0.0.1:4999"
	setup := func(t *testing.T, edit func(doc map[string]any), domain string, more ...func(*auth0.Config)) *env {
		ten, err := emulator.New(emulator.Config{URL: base})
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			ten.EditDiscovery(edit)
		}
		edits := append([]func(*auth0.Config){func(c *auth0.Config) {
			c.Domain = domain
			c.HTTPClient = &http.Client{Transport: hosts{"127.0.0.1:4999": ten}}
		}}, more...)
		e := newEnv(t, edits...)
		e.tenant = ten
		if err := ten.AddDemo(emulator.Demo{ClientID: testClientID, ClientSecret: "client-secret-SECRET", BaseURL: appBase, Audience: testAudience}); err != nil {
			t.Fatal(err)
		}
		e.as("ada@acme.example")
		return e
	}
	login := func(e *env) *response {
		b := e.browser()
		resp := b.page("/auth/login")
		if resp.status != http.StatusFound {
			return resp
		}
		client := &http.Client{Transport: hosts{"127.0.0.1:4999": e.tenant}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if r.URL.Host == "app.example" {
				return http.ErrUseLastResponse
			}
			return nil
		}}
		answer, err := client.Get(resp.location(e.t).String())
		if err != nil {
			e.t.Fatal(err)
		}
		u, err := answer.Location()
		if err != nil {
			e.t.Fatal(err)
		}
		return b.callback(u)
	}
	for _, domain := range []string{base, base + "/"} {
		synctest.Test(t, func(t *testing.T) {
			e := setup(t, nil, domain)
			for range 20 {
				if resp := login(e); resp.status != http.StatusSeeOther {
					t.Fatalf("domain %s: %d %s\n%s", domain, resp.status, resp.body, e.log)
				}
			}
			if n := e.tenant.Calls(emulator.Discovery); n != 1 {
				t.Errorf("%d discoveries for 20 logins", n)
			}
			time.Sleep(10 * time.Minute)
			login(e)
			synctest.Wait()
			if n := e.tenant.Calls(emulator.Discovery); n != 2 {
				t.Errorf("%d discoveries after ten minutes, want 2", n)
			}
			// While it cannot be had, the old document serves.
			e.tenant.Fail(emulator.Discovery, 503)
			time.Sleep(20 * time.Hour)
			if resp := login(e); resp.status != http.StatusSeeOther {
				t.Errorf("stale metadata: %d", resp.status)
			}
			time.Sleep(5 * time.Hour)
			if resp := login(e); resp.status != http.StatusBadGateway || len(resp.header.Values("Set-Cookie")) != 0 {
				t.Errorf("metadata that is too old: %d", resp.status)
			}
			e.tenant.Fail(emulator.Discovery, 0)
			time.Sleep(time.Minute)
			if resp := login(e); resp.status != http.StatusSeeOther {
				t.Errorf("after the outage: %d", resp.status)
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
		if resp := login(setup(t, edit, base)); resp.status != http.StatusBadGateway {
			t.Errorf("%s: %d, want 502", why, resp.status)
		}
	}
	// RFC 9207: who promises iss must send it, and it must be right.
	promise := func(doc map[string]any) { doc["authorization_response_iss_parameter_supported"] = true }
	e := setup(t, promise, base)
	if resp := login(e); resp.status != http.StatusBadRequest || !strings.Contains(e.log.String(), "issuer_mismatch") {
		t.Errorf("promised iss is missing: %d", resp.status)
	}
	// The document's spelling of the issuer binds tokens.
	e = setup(t, nil, base)
	e.tenant.EditIDToken(claim("iss", base))
	if resp := login(e); resp.status != http.StatusBadRequest || !strings.Contains(e.log.String(), "invalid_issuer") {
		t.Errorf("iss as configured, not as discovered: %d", resp.status)
	}
}

// TestDiscoveryDownAtCallback leaves the transaction: nothing is used up yet,
// and loading the page again can succeed.
func TestDiscoveryDownAtCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const base = "http://127.0.0.1:4999"
		ten, err := emulator.New(emulator.Config{URL: base})
		if err != nil {
			t.Fatal(err)
		}
		if err := ten.AddDemo(emulator.Demo{ClientID: testClientID, ClientSecret: "client-secret-SECRET", BaseURL: appBase, Audience: testAudience}); err != nil {
			t.Fatal(err)
		}
		generic := func(c *auth0.Config) {
			c.Domain = base
			c.HTTPClient = &http.Client{Transport: hosts{"127.0.0.1:4999": ten}}
		}
		e := newEnv(t, generic)
		b := e.browser()
		u := b.begin("/auth/login")
		// Another instance has not discovered anything yet.
		cold := newEnv(t, generic)
		ten.Fail(emulator.Discovery, 503)
		b.e = cold
		answer := &url.URL{Scheme: "https", Host: "app.example", Path: "/auth/callback", RawQuery: url.Values{"code": {"x"}, "state": {u.Query().Get("state")}}.Encode()}
		for range 2 {
			if resp := b.callback(answer); resp.status != http.StatusBadGateway || len(b.transactions()) != 1 {
				t.Errorf("discovery down: %d, %d transactions left; want 502 and 1", resp.status, len(b.transactions()))
			}
		}
		ten.Fail(emulator.Discovery, 0)
		time.Sleep(2 * time.Second)
		if resp := b.callback(answer); resp.status != http.StatusBadRequest || len(b.transactions()) != 0 {
			t.Errorf("discovery up, code unknown: %d, %d transactions left; want 400 and 0", resp.status, len(b.transactions()))
		}
		if n := ten.Calls(emulator.Token); n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
}

// TestLoginNeedsNoDiscovery: with an Auth0 domain nothing is looked up.
func TestLoginNeedsNoDiscovery(t *testing.T) {
	e := newEnv(t)
	e.tenant.Fail(emulator.Discovery, 503)
	e.browser().mustLogin()
	if n := e.tenant.Calls(emulator.Discovery); n != 0 {
		t.Errorf("%d discoveries", n)
	}
}
