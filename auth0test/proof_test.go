package auth0test_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// TestProofKey gets a token with a proof and calls the tenant with it.
func TestProofKey(t *testing.T) {
	t.Parallel()
	tenant := auth0test.NewTenant(t)
	tenant.AllowClientCredentials(auth0test.Audience, "read:protected")
	tenant.RequireDPoP()
	key, tokenURL := auth0test.NewProofKey(), tenant.URL()+"oauth/token"
	ask := func(proof string) (int, map[string]any) {
		t.Helper()
		cfg := tenant.Config()
		r, err := http.NewRequest("POST", tokenURL, strings.NewReader(url.Values{"grant_type": {"client_credentials"},
			"client_id": {cfg.ClientID}, "client_secret": {cfg.ClientSecret}, "audience": {auth0test.Audience}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if proof != "" {
			r.Header.Set("DPoP", proof)
		}
		resp := must(cfg.HTTPClient.Do(r))
		return resp.StatusCode, object(t, resp)
	}
	if status, body := ask(""); status != 400 || body["error"] != "invalid_request" {
		t.Errorf("without a proof: %d %v", status, body)
	}
	status, body := ask(key.Proof("POST", tokenURL, ""))
	if status != 200 || body["token_type"] != "DPoP" {
		t.Fatalf("%d %v", status, body)
	}
	// The token has the thumbprint that BoundTo sets.
	want, got := claimsOf(t, tenant.AccessToken(auth0test.BoundTo(key)))["cnf"], claimsOf(t, body["access_token"].(string))["cnf"]
	if text(t, want) != text(t, got) || got == nil {
		t.Errorf("cnf %v, BoundTo has %v", got, want)
	}
	for name, option := range map[string]auth0test.TokenOption{
		"no typ":         auth0test.Header("typ", nil),
		"algorithm":      auth0test.Header("alg", "RS256"),
		"no jwk":         auth0test.Header("jwk", nil),
		"no jti":         auth0test.Claim("jti", nil),
		"another method": auth0test.Claim("htm", "GET"),
		"another URL":    auth0test.Claim("htu", auth0test.AppURL),
		"old":            auth0test.Claim("iat", 1),
	} {
		if status, body := ask(key.Proof("POST", tokenURL, "", option)); status != 400 || body["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
}

// TestRequireDPoP logs in to an application with keys, and to one without.
func TestRequireDPoP(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		key  auth0.ProofKey
		want int
	}{"with keys": {auth0.ProofKeyPerSession(), 200}, "without": {auth0.ProofKey{}, 502}} {
		tenant := auth0test.NewTenant(t)
		tenant.RequireDPoP()
		tenant.LogIn("ada@acme.example")
		browser := tenant.Browser(app(t, tenant, func(c *auth0.Config) { c.ProofKey = tt.key }))
		if status, body := get(t, browser, auth0test.AppURL+"/profile"); status != tt.want || tt.want == 200 && body != "ada@acme.example" {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
}

// TestBoundBoth binds a token to a key and to a certificate.
func TestBoundBoth(t *testing.T) {
	t.Parallel()
	tenant := auth0test.NewTenant(t)
	key := auth0test.NewProofKey()
	cert := &x509.Certificate{Raw: []byte("certificate")}
	cnf := func(options ...auth0test.TokenOption) string {
		return text(t, claimsOf(t, tenant.AccessToken(options...))["cnf"])
	}
	both, ofCert := cnf(auth0test.BoundTo(key), auth0test.BoundToCertificate(cert)), cnf(auth0test.BoundToCertificate(cert))
	ofKey := cnf(auth0test.BoundTo(key))
	if want := strings.TrimSuffix(ofKey, "}") + "," + strings.TrimPrefix(ofCert, "{"); both != want {
		t.Errorf("%s, want %s", both, want)
	}
	if other := cnf(auth0test.BoundTo(auth0test.NewProofKey())); other == ofKey {
		t.Error("two keys have one thumbprint")
	}
}

// TestBoundTokensAtAPI: the library accepts exactly the tokens and proofs of BoundTo,
// BoundToCertificate and Proof.
func TestBoundTokensAtAPI(t *testing.T) {
	t.Parallel()
	tenant := auth0test.NewTenant(t)
	cfg := tenant.APIConfig(auth0test.Audience)
	cfg.DPoP = auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://api.acme.example"}}
	cfg.Certificates = auth0.Certificates{Mode: auth0.BindingAllowed}
	api, err := auth0.NewAPI(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://api.acme.example/x"
	key, other := auth0test.NewProofKey(), auth0test.NewProofKey()
	cert := &x509.Certificate{Raw: []byte("certificate")}
	ofKey, ofCert := tenant.AccessToken(auth0test.BoundTo(key)), tenant.AccessToken(auth0test.BoundToCertificate(cert))
	ofBoth := tenant.AccessToken(auth0test.BoundToCertificate(cert), auth0test.BoundTo(key))
	for name, tt := range map[string]struct {
		authorization, proof string
		cert                 *x509.Certificate
		want                 int
	}{
		"bearer token":               {"Bearer " + tenant.AccessToken(), "", nil, 200},
		"key":                        {"DPoP " + ofKey, key.Proof("GET", url, ofKey), nil, 200},
		"key, as bearer":             {"Bearer " + ofKey, "", nil, 401},
		"another key":                {"DPoP " + ofKey, other.Proof("GET", url, ofKey), nil, 401},
		"no hash of the token":       {"DPoP " + ofKey, key.Proof("GET", url, ""), nil, 401},
		"hash of another":            {"DPoP " + ofKey, key.Proof("GET", url, ofCert), nil, 401},
		"another method":             {"DPoP " + ofKey, key.Proof("POST", url, ofKey), nil, 401},
		"another URL":                {"DPoP " + ofKey, key.Proof("GET", url+"/y", ofKey), nil, 401},
		"no jti":                     {"DPoP " + ofKey, key.Proof("GET", url, ofKey, auth0test.Claim("jti", nil)), nil, 401},
		"wrong typ":                  {"DPoP " + ofKey, key.Proof("GET", url, ofKey, auth0test.Header("typ", "JWT")), nil, 401},
		"certificate":                {"Bearer " + ofCert, "", cert, 200},
		"another certificate":        {"Bearer " + ofCert, "", &x509.Certificate{Raw: []byte("other")}, 401},
		"both":                       {"DPoP " + ofBoth, key.Proof("GET", url, ofBoth), cert, 200},
		"both, without certificate":  {"DPoP " + ofBoth, key.Proof("GET", url, ofBoth), nil, 401},
		"both, without proof of key": {"Bearer " + ofBoth, "", cert, 401},
	} {
		r := httptest.NewRequest("GET", url, nil)
		r.Header.Set("Authorization", tt.authorization)
		if tt.proof != "" {
			r.Header.Set("DPoP", tt.proof)
		}
		if tt.cert != nil {
			r.TLS.PeerCertificates = []*x509.Certificate{tt.cert}
		}
		w := httptest.NewRecorder()
		api.RequireAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
