package emulator_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []emulator.Config{
		{},
		{Host: "acme.auth0.example", URL: "http://localhost"},
		{Host: "https://acme.auth0.example"},
		{Host: "acme.auth0.example/"},
		{Host: "Acme.auth0.example"},
		{Host: "user@acme.auth0.example"},
		{URL: "acme.auth0.example"},
		{URL: "ftp://acme.auth0.example"},
		{URL: "http://localhost/?a=b"},
		{URL: "http://localhost/#a"},
		{URL: "http://user@localhost/"},
		{URL: "http:///path"},
		{Host: "acme.auth0.example", Discovery: "new"},
	} {
		if _, err := emulator.New(cfg); err == nil {
			t.Errorf("accepted %+v", cfg)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	client := func(edit func(*emulator.Client)) error {
		c := webApp()
		edit(&c)
		return tn.AddClient(c)
	}
	for name, err := range map[string]error{
		"client without ID":           client(func(c *emulator.Client) { c.ID = "" }),
		"client without secret":       client(func(c *emulator.Client) { c.Secret = "" }),
		"auth method":                 client(func(c *emulator.Client) { c.AuthMethod = "client_secret_jwt" }),
		"public with a method":        client(func(c *emulator.Client) { c.Public, c.AuthMethod = true, "client_secret_post" }),
		"organization behavior":       client(func(c *emulator.Client) { c.OrganizationRequireBehavior = "sometimes" }),
		"organization usage":          client(func(c *emulator.Client) { c.OrganizationUsage = "sometimes" }),
		"ID token algorithm":          client(func(c *emulator.Client) { c.IDTokenAlg = "ES256" }),
		"MAC without secret":          client(func(c *emulator.Client) { c.Public, c.Secret, c.IDTokenAlg = true, "", "HS256" }),
		"relative callback":           client(func(c *emulator.Client) { c.CallbackURLs = []string{"/callback"} }),
		"callback with a fragment":    client(func(c *emulator.Client) { c.CallbackURLs = []string{callback + "#a"} }),
		"callback with a newline":     client(func(c *emulator.Client) { c.CallbackURLs = []string{callback + "\n"} }),
		"API without audience":        tn.AddAPI(emulator.API{}),
		"system API":                  tn.AddAPI(emulator.API{Audience: mgmt}),
		"dialect":                     tn.AddAPI(emulator.API{Audience: api, Dialect: "swiss"}),
		"lifetime":                    tn.AddAPI(emulator.API{Audience: api, Lifetime: -time.Second}),
		"connection name":             tn.AddConnection(emulator.Connection{Name: "a b", Strategy: "oauth2"}),
		"connection without strategy": tn.AddConnection(emulator.Connection{Name: "ab"}),
		"connection options":          tn.AddConnection(emulator.Connection{Name: "ab", Strategy: "oauth2", Options: map[string]any{"f": func() {}}}),
		"connection with a taken ID": func() error {
			must(t, tn.AddConnection(emulator.Connection{ID: "con_1", Name: "one", Strategy: "oauth2"}))
			return tn.AddConnection(emulator.Connection{ID: "con_1", Name: "two", Strategy: "oauth2"})
		}(),
		"user of no connection":     tn.AddUser(emulator.User{Connection: "nope", Email: "a@b.example"}),
		"user without a name":       tn.AddUser(emulator.User{Connection: database}),
		"user with a taken address": tn.AddUser(emulator.User{Connection: database, ID: "other", Email: "Jane@acme.example"}),
		"user claims":               tn.AddUser(emulator.User{Connection: database, Email: "a@b.example", Claims: map[string]any{"f": func() {}}}),
		"organization name":         tn.AddOrganization(emulator.Organization{Name: "Acme Europe"}),
		"organization id":           tn.AddOrganization(emulator.Organization{ID: "acme", Name: "acme"}),
		"organization connection":   tn.AddOrganization(emulator.Organization{Name: "acme", Connections: []emulator.OrganizationConnection{{Name: "nope"}}}),
		"organization with taken name": func() error {
			must(t, tn.AddOrganization(emulator.Organization{ID: "org_1", Name: "acme"}))
			return tn.AddOrganization(emulator.Organization{ID: "org_2", Name: "acme"})
		}(),
		"key without kid": tn.AddKey("", "RS256", ed25519.NewKeyFromSeed(make([]byte, 32))),
		"no key":          tn.AddKey("k", "RS256", nil),
	} {
		if err == nil {
			t.Errorf("accepted: %s", name)
		} else if !strings.HasPrefix(err.Error(), "tenant: ") {
			t.Errorf("%s: error %q", name, err)
		}
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	for strategy, want := range map[string]string{
		"auth0": "auth0|1", "google-oauth2": "google-oauth2|1", "github": "github|1", "waad": "waad|1", "email": "email|1",
		"oauth2": "oauth2|c-oauth2|1", "samlp": "samlp|c-samlp|1", "oidc": "oidc|c-oidc|1", "adfs": "adfs|c-adfs|1",
	} {
		must(t, tn.AddConnection(emulator.Connection{Name: "c-" + strategy, Strategy: strategy}))
		must(t, tn.AddUser(emulator.User{Connection: "c-" + strategy, ID: "1", Email: strategy + "@acme.example"}))
		got, ok := tn.Subject(strings.ToUpper(strategy) + "@acme.example")
		if !ok || got != want {
			t.Errorf("subject %q, want %q", got, want)
		}
	}
	must(t, tn.AddUser(emulator.User{Connection: database, Email: "new@acme.example"}))
	first, _ := tn.Subject("new@acme.example")
	if !regexp.MustCompile(`^auth0\|[0-9a-f]{24}$`).MatchString(first) {
		t.Errorf("derived subject %q", first)
	}
	must(t, tn.AddUser(emulator.User{Connection: database, Email: "new@acme.example", Name: "Later"}))
	second, _ := tn.Subject("new@acme.example")
	equal(t, "subject after an update", second, first)
}

func TestStoredValuesAreCopies(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	c := webApp()
	must(t, tn.AddClient(c))
	c.CallbackURLs[0] = "https://evil.example/"
	c.Connections[0] = "nope"
	equal(t, "status", get(tn, authorizeURL(request())).status, 302)
	claims := map[string]any{"nested": map[string]any{"a": 1}}
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Claims: claims}))
	claims["nested"].(map[string]any)["a"] = 2
	_, got := decode(t, tn.IDToken("web", "jane@acme.example"))
	equal(t, "claim", got["nested"].(map[string]any)["a"], any(1.0))
}

func TestEditClient(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.CallbackURLs[0] = "https://new.example/"
		c.Name = "Renamed"
	}))
	equal(t, "new callback", get(tn, authorizeURL(request("redirect_uri", "https://new.example/"))).status, 302)
	equal(t, "old callback", get(tn, authorizeURL(request())).status, 403)
	if err := tn.EditClient("web", func(c *emulator.Client) { c.Secret = ""; c.CallbackURLs[0] = callback }); err == nil {
		t.Error("an edit to nonsense was accepted")
	}
	equal(t, "callback after a refused edit", get(tn, authorizeURL(request())).status, 403)
	if tn.EditClient("nope", func(*emulator.Client) {}) == nil {
		t.Error("an unknown client was edited")
	}
}

func TestMintedTokens(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	now := float64(c.Now().Unix())
	header, claims := verify(t, tn, tn.AccessToken("jane@acme.example", api, nil, func(_, claims map[string]any) { claims["scope"] = "read:things" }))
	equal(t, "typ", header["typ"], any("JWT"))
	for name, want := range map[string]any{"iss": issuer, "sub": "auth0|65f0c1d2", "aud": api, "azp": "web", "iat": now, "exp": now + 86400, "scope": "read:things"} {
		equal(t, name, claims[name], want)
	}
	_, claims = verify(t, tn, tn.AccessToken("anything", "https://unknown.example"))
	equal(t, "sub", claims["sub"], any("anything"))
	equal(t, "aud", claims["aud"], any("https://unknown.example"))

	_, claims = verify(t, tn, tn.IDToken("web", "jane@acme.example", func(_, claims map[string]any) { claims["nonce"] = "n" }))
	for name, want := range map[string]any{"aud": "web", "sub": "auth0|65f0c1d2", "email": "jane@acme.example", "nonce": "n", "exp": now + 36000} {
		equal(t, name, claims[name], want)
	}

	header, claims = verify(t, tn, tn.LogoutToken("web", "jane@acme.example", "sid-1"))
	equal(t, "typ", header["typ"], any("JWT"))
	for name, want := range map[string]any{"iss": issuer, "aud": "web", "sub": "auth0|65f0c1d2", "sid": "sid-1", "iat": now, "exp": now + 120, "nonce": nil} {
		equal(t, name, claims[name], want)
	}
	if events, ok := claims["events"].(map[string]any); !ok || events["http://schemas.openid.net/event/backchannel-logout"] == nil {
		t.Errorf("events %v", claims["events"])
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(claims["jti"].(string)) {
		t.Errorf("jti %v", claims["jti"])
	}
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(claims["trace_id"].(string)) {
		t.Errorf("trace_id %v", claims["trace_id"])
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	raw := tn.Sign(map[string]any{"kid": nil, "typ": "at+jwt"}, map[string]any{"html": "<&>"})
	header, claims := decode(t, raw)
	if _, ok := header["kid"]; ok {
		t.Error("the header still has a kid")
	}
	equal(t, "typ", header["typ"], any("at+jwt"))
	equal(t, "claim", claims["html"], any("<&>"))

	block, _ := pem.Decode([]byte(get(tn, base+"/pem").body))
	cert, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	must(t, err)
	raw = tn.Sign(map[string]any{"alg": "HS256"}, nil) // key confusion, as old verifiers allow it
	i := strings.LastIndex(raw, ".")
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(raw[:i]))
	equal(t, "MAC with the public key", raw[i+1:], base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))

	raw = tn.Sign(map[string]any{"alg": "PS256"}, nil)
	input, sig := split(t, raw)
	must(t, rsa.VerifyPSS(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, input, sig, &rsa.PSSOptions{SaltLength: 32}))
}

func split(t *testing.T, raw string) (sum, sig []byte) {
	t.Helper()
	i := strings.LastIndex(raw, ".")
	sig, err := base64.RawURLEncoding.DecodeString(raw[i+1:])
	must(t, err)
	digest := sha256.Sum256([]byte(raw[:i]))
	return digest[:], sig
}

func TestAddedKeys(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	must(t, tn.AddKey("ec-1", "ES256", key))
	edward := ed25519.NewKeyFromSeed(make([]byte, 32))
	must(t, tn.AddKey("ed-1", "EdDSA", edward))
	if tn.AddKey("ec-1", "ES256", key) == nil {
		t.Error("two keys with one kid")
	}
	body := get(tn, base+"/.well-known/jwks.json").json(t)
	for _, k := range body["keys"].([]any) {
		switch k := k.(map[string]any); k["kid"] {
		case "ec-1":
			equal(t, "kty, crv, alg", k["kty"].(string)+" "+k["crv"].(string)+" "+k["alg"].(string), "EC P-256 ES256")
			x, err := base64.RawURLEncoding.DecodeString(k["x"].(string))
			must(t, err)
			equal(t, "x", new(big.Int).SetBytes(x).Cmp(key.X), 0)
		case "ed-1":
			equal(t, "kty, crv, alg", k["kty"].(string)+" "+k["crv"].(string)+" "+k["alg"].(string), "OKP Ed25519 EdDSA")
		}
	}
	sum, sig := split(t, tn.Sign(map[string]any{"kid": "ec-1", "alg": "ES256"}, nil))
	equal(t, "length of the signature", len(sig), 64)
	equal(t, "ES256", ecdsa.Verify(&key.PublicKey, sum, new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])), true)
	raw := tn.Sign(map[string]any{"kid": "ed-1", "alg": "EdDSA"}, nil)
	_, sig = split(t, raw)
	equal(t, "EdDSA", ed25519.Verify(edward.Public().(ed25519.PublicKey), []byte(raw[:strings.LastIndex(raw, ".")]), sig), true)
}

func TestDemo(t *testing.T) {
	t.Parallel()
	tn, err := emulator.New(emulator.Config{URL: "http://127.0.0.1:4001"})
	must(t, err)
	must(t, tn.AddDemo(emulator.Demo{ClientID: "web", ClientSecret: "s3cret", BaseURL: "http://127.0.0.1:3000/", Audience: api}))
	must(t, tn.AddDemo(emulator.Demo{ClientID: "web", ClientSecret: "s3cret", BaseURL: "http://127.0.0.1:3000/", Audience: api})) // a second time is allowed
	for email, permission := range map[string]bool{"ada@acme.example": true, "bob@acme.example": false, "grace@gmail.example": false,
		"linus@github.example": true, "paula@partner.example": false, "frank@fabrikam.example": false, "carol@customer.example": false} {
		_, claims := decode(t, tn.AccessToken(email, api))
		equal(t, email, has(claims["permissions"], "read:protected"), permission)
		must(t, tn.LogIn(email))
		res := get(tn, "http://127.0.0.1:4001/authorize?"+request("redirect_uri", "http://127.0.0.1:3000/auth/callback").Encode())
		if !res.location(t).Query().Has("code") {
			t.Errorf("%s cannot log in: %s", email, res.location(t))
		}
	}
	if tn.AddDemo(emulator.Demo{}) == nil {
		t.Error("a demonstration without an application")
	}
}

// TestDependencies keeps the package linkable into programs: only the standard library
// and the RSA keys of multiprime, and no testing package.
func TestDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skip("no go command: ", err)
	}
	const self = "github.com/seed-15d5a55c/auth0/internal/emulator"
	for _, dep := range strings.Fields(string(out)) {
		first, _, _ := strings.Cut(dep, "/")
		if dep == "testing" || dep == "net/http/httptest" ||
			strings.Contains(first, ".") && dep != self && dep != "github.com/seed-15d5a55c/auth0/internal/multiprime" {
			t.Errorf("depends on %s", dep)
		}
	}
}

// FuzzServeHTTP looks for requests that panic, or fail on the tenant's side.
func FuzzServeHTTP(f *testing.F) {
	f.Add("GET", "/authorize", request().Encode(), "", "")
	f.Add("POST", "/oauth/token", "", "grant_type=authorization_code&client_id=web", "Basic d2ViOnMzY3JldA==")
	f.Add("POST", "/oidc/logout", "", "id_token_hint=e30.e30.&state=%00", "")
	f.Add("GET", "/api/v2/clients/web%2F/connections", "take=1&from=x", "", "Bearer e30.e30.e30")
	f.Add("GET", "/u/login", "state=x", "", "")
	f.Add("GET", "/avatars/%ff.svg", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, body, authorization string) {
		tn, _ := newTenant(t)
		r, err := http.NewRequest(method, base, strings.NewReader(body))
		if err != nil {
			t.Skip("no client can send this: ", err)
		}
		u, err := url.Parse(base + "/" + strings.TrimPrefix(path, "/"))
		if err != nil {
			t.Skip("no client can send this: ", err)
		}
		u.RawQuery = query
		r.URL = u
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", authorization)
		if res := serve(tn, r); res.status >= 500 && res.status != 501 {
			t.Errorf("status %d: %s", res.status, res.body)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := emulator.New(emulator.Config{Host: "acme.auth0.example"}); err != nil {
			b.Fatal(err)
		}
	}
}
