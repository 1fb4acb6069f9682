package idtoken

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
)

const (
	issuer   = "https://tenant.example/"
	clientID = "the-client-id"
	userInfo = "https://tenant.example/userinfo"
	nonce    = "the nonce of this login"

	now    = 1_800_000_000 // the time of every test, in Unix seconds
	leeway = 60
)

// The keys of the issuer have the names of their algorithms. The foreign key is not one of
// them.
var (
	edwards = ed25519.NewKeyFromSeed([]byte("a seed for tests, of 32 bytes ..."[:32]))
	foreign = ed25519.NewKeyFromSeed([]byte("another seed for tests, of 32 ..."[:32]))
	p256    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func ecJWK(id string, key *ecdsa.PrivateKey) map[string]string {
	point := must(key.PublicKey.Bytes())[1:]
	return map[string]string{"kid": id, "kty": "EC", "crv": key.Params().Name, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:])}
}

// jwks is the document with the keys of the issuer.
var jwks = sync.OnceValue(func() []byte {
	return must(json.Marshal(map[string]any{"keys": []any{
		map[string]string{"kid": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": b64(edwards.Public().(ed25519.PublicKey))},
		ecJWK("ES256", p256()), ecJWK("ES384", p384()),
	}}))
})

// signatureOf signs a text with the key of the issuer for an algorithm.
func signatureOf(alg, text string) []byte {
	var key *ecdsa.PrivateKey
	var digest []byte
	switch alg {
	case "ES256":
		sum := sha256.Sum256([]byte(text))
		key, digest = p256(), sum[:]
	case "ES384":
		sum := sha512.Sum384([]byte(text))
		key, digest = p384(), sum[:]
	default:
		return ed25519.Sign(edwards, []byte(text))
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	size := (key.Params().BitSize + 7) / 8
	return append(must(r, err).FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// foreignSignature signs a text with a key that the issuer does not have.
func foreignSignature(text string) []byte { return ed25519.Sign(foreign, []byte(text)) }

// A change replaces members of a header or of claims, and removes nil members.
type change map[string]any

// with returns the members after a change.
func with(members map[string]any, c change) map[string]any {
	members = maps.Clone(members)
	for name, value := range c {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	return members
}

// idClaims are the claims of a good ID token.
var idClaims = map[string]any{
	"iss": issuer, "aud": clientID, "sub": "auth0|ada", "nonce": nonce,
	"exp": now + 3600, "iat": now, "sid": "a session", "email": "ada@acme.example",
}

// logoutClaims are the claims of a good logout token.
var logoutClaims = map[string]any{
	"iss": issuer, "aud": clientID, "sub": "auth0|ada", "sid": "a session", "jti": "a logout",
	"exp": now + 120, "iat": now, "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
}

// token returns a signed token. The header names the key of its algorithm.
func token(claims map[string]any, header, edit change) string {
	return tokenOf(header, string(must(json.Marshal(with(claims, edit)))))
}

// tokenOf returns a signed token with a payload.
func tokenOf(header change, payload string) string {
	h := with(map[string]any{"alg": "EdDSA", "kid": "EdDSA", "typ": "JWT"}, header)
	if alg, changed := header["alg"]; changed && header["kid"] == nil {
		h["kid"] = alg
	}
	text := b64(must(json.Marshal(h))) + "." + b64([]byte(payload))
	return text + "." + b64(signatureOf(h["alg"].(string), text))
}

// newVerifier returns a Verifier with the keys of the issuer, which accepts EdDSA.
func newVerifier() *Verifier {
	return &Verifier{
		ClientID: clientID, Algorithms: []string{"EdDSA"}, Leeway: leeway * time.Second,
		Keys: must(keys.Static(jwks())), Now: func() time.Time { return time.Unix(now, 0) },
	}
}

var metadata = discovery.Metadata{Issuer: issuer, UserInfoEndpoint: userInfo}

// claimsOf reads a payload.
func claimsOf(t *testing.T, payload string) *jwt.Claims {
	t.Helper()
	c, err := jwt.ParseClaims(payload, true, 0)
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return &c
}

// expect compares the fault of an error, nil for none, and looks for a text in its cause.
func expect(t *testing.T, why string, err error, want *fault.Fault, cause string) {
	t.Helper()
	got, _ := errors.AsType[*fault.Fault](err)
	switch {
	case want == nil && err != nil:
		t.Errorf("%s: %v", why, err)
	case want == nil:
	case got == nil || got.Reason != want.Reason || got.Description != want.Description || !strings.Contains(err.Error(), cause):
		t.Errorf("%s: %v, want %v: %s", why, err, want, cause)
	}
}

// A keyServer serves the keys of the issuer without a network.
type keyServer struct {
	err error

	mu       sync.Mutex
	requests int
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(jwks()))), Request: r}, nil
}

// verifier returns a Verifier that fetches its keys from the server.
func (s *keyServer) verifier() *Verifier {
	v := newVerifier()
	v.Keys = keys.New(keys.Source{
		URL:     func(context.Context) (string, error) { return "https://tenant.example/jwks.json", nil },
		Client:  &http.Client{Transport: s},
		Observe: func(context.Context, keys.Event) {},
		Log:     slog.New(slog.DiscardHandler),
	})
	return v
}
