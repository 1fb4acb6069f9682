package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// The client of an httptest.Server takes every host below example.com to
	// that server, so that contenders see an issuer as they do in production.
	issuer   = "https://acme.example.com/"
	audience = "https://api.acme.example/"
	jwksPath = "/.well-known/jwks.json"
)

// A tenant publishes keys like Auth0, and counts the requests for them.
type tenant struct {
	ring   *keyring
	client *http.Client
	server *httptest.Server

	published atomic.Pointer[[]byte]
	fetches   atomic.Int64
	failing   atomic.Bool
	delay     func(fetch int64) time.Duration
}

// newTenant starts a tenant. The delay holds the first fetch of the keys,
// the second, and so on.
func newTenant(ring *keyring, delay func(fetch int64) time.Duration) (*tenant, error) {
	t := &tenant{ring: ring, delay: delay}
	if err := t.publish(ring.current, ring.next); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+jwksPath, t.serveKeys)
	mux.HandleFunc("GET /.well-known/openid-configuration", t.serveDiscovery)
	t.server = httptest.NewTLSServer(mux)
	t.client = t.server.Client()
	return t, nil
}

func promptly(int64) time.Duration { return 0 }

func (t *tenant) close() { t.server.Close() }

func (t *tenant) serveKeys(w http.ResponseWriter, r *http.Request) {
	time.Sleep(t.delay(t.fetches.Add(1)))
	if t.failing.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(*t.published.Load())
}

func (t *tenant) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(discoveryOf(t.ring.alg))
}

func discoveryOf(alg string) map[string]any {
	return map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "authorize",
		"token_endpoint":                        issuer + "oauth/token",
		"jwks_uri":                              jwksURL(),
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{alg},
	}
}

func jwksURL() string { return strings.TrimSuffix(issuer, "/") + jwksPath }

// publish replaces the key set.
func (t *tenant) publish(keys ...*signingKey) error {
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	for _, k := range keys {
		jwk, err := k.jwk()
		if err != nil {
			return err
		}
		set.Keys = append(set.Keys, jwk)
	}
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	t.published.Store(&text)
	return nil
}

// A keyring has the keys of every tenant with the same algorithm.
type keyring struct {
	alg string
	// current and next are published from the start, later is not.
	current, next, later *signingKey
	// forger is a foreign key with the id of current.
	forger *signingKey
}

func newKeyring(alg string) (*keyring, error) {
	r := &keyring{alg: alg}
	for _, k := range []struct {
		id  string
		key **signingKey
	}{{"current", &r.current}, {"next", &r.next}, {"later", &r.later}, {"current", &r.forger}} {
		private, err := generate(alg)
		if err != nil {
			return nil, err
		}
		*k.key = &signingKey{id: "kid-" + k.id, alg: alg, private: private}
	}
	return r, nil
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case "RS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return nil, fmt.Errorf("no key type for %s", alg)
}

type signingKey struct {
	id, alg string
	private crypto.Signer
}

// withID returns the same key under another name.
func (k *signingKey) withID(id string) *signingKey {
	return &signingKey{id: id, alg: k.alg, private: k.private}
}

// jwk returns the public half (RFC 7518, Section 6).
func (k *signingKey) jwk() (map[string]string, error) {
	jwk := map[string]string{"kid": k.id, "alg": k.alg, "use": "sig"}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"] = "RSA"
		jwk["n"] = encode(public.N.Bytes())
		jwk["e"] = encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y: SEC 1, Section 2.3.3
		if err != nil {
			return nil, err
		}
		half := (len(point) - 1) / 2
		jwk["kty"], jwk["crv"] = "EC", "P-256"
		jwk["x"], jwk["y"] = encode(point[1:1+half]), encode(point[1+half:])
	}
	return jwk, nil
}

// sign makes a signature (RFC 7518, Sections 3.3 and 3.4).
func (k *signingKey) sign(text string) ([]byte, error) {
	sum := sha256.Sum256([]byte(text))
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			return nil, err
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
	}
	return nil, errors.New("no such key type")
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// A token is the input of a contender, with the values that are computed outside of the
// measured time.
type token struct {
	raw       string
	header    http.Header // with the token
	dpop      string      // the value of Authorization for a bound token
	signed    []byte      // the signed bytes, for the floor
	signature []byte
}

func newToken(raw string) *token {
	return &token{raw: raw, header: http.Header{"Authorization": {"Bearer " + raw}}, dpop: "DPoP " + raw}
}

// mint signs an access token like Auth0's, about 1 KB long.
func mint(key *signingKey, user int, edits map[string]any) (*token, error) {
	now := time.Now()
	claims := map[string]any{
		"iss":                              issuer,
		"sub":                              fmt.Sprintf("auth0|%024x", user),
		"aud":                              []string{audience, issuer + "userinfo"},
		"iat":                              now.Unix(),
		"exp":                              now.Add(24 * time.Hour).Unix(),
		"azp":                              "9aXkT2mWq7RzB4vLcN8sYhE1dPfJu6Go",
		"scope":                            "openid profile email " + goodScope,
		"permissions":                      []string{goodScope, "write:messages"},
		planClaim:                          goodPlan,
		"https://acme.example.com/padding": strings.Repeat("x", 70),
	}
	maps.Copy(claims, edits)
	return signClaims(key.alg, key.id, claims, key.sign)
}

func signClaims(alg, id string, claims map[string]any, sign func(string) ([]byte, error)) (*token, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	header := fmt.Sprintf(`{"alg":%q,"typ":"JWT","kid":%q}`, alg, id)
	signed := encode([]byte(header)) + "." + encode(payload)
	signature, err := sign(signed)
	if err != nil {
		return nil, err
	}
	t := newToken(signed + "." + encode(signature))
	t.signed, t.signature = []byte(signed), signature
	return t, nil
}

const (
	goodScope = "read:messages"
	goodPlan  = "gold"
	planClaim = "https://acme.example.com/plan"
)

// appClaims are the claims that a program reads beside the registered ones.
type appClaims struct {
	Scope       string   `json:"scope"`
	Permissions []string `json:"permissions"`
	Plan        string   `json:"https://acme.example.com/plan"`
}
