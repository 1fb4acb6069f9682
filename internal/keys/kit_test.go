package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// Each process makes each kind of key once.
var (
	rsa1    = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	edwards = sync.OnceValue(func() ed25519.PrivateKey { return newEdwards() })
)

const secret = "a shared secret of more than 32 bytes"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newEdwards() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// A change replaces members of a JWK.
type change map[string]any

// jwkText returns a public key as a JWK.
func jwkText(id string, public crypto.PublicKey, changes change) string {
	members := map[string]any{}
	if id != "" {
		members["kid"] = id
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		members["kty"], members["n"], members["e"] = "RSA", b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(key.Bytes())[1:]
		members["kty"], members["crv"] = "EC", key.Params().Name
		members["x"], members["y"] = b64(point[:len(point)/2]), b64(point[len(point)/2:])
	case ed25519.PublicKey:
		members["kty"], members["crv"], members["x"] = "OKP", "Ed25519", b64(key)
	}
	maps.Copy(members, changes)
	return string(must(json.Marshal(members)))
}

func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// edJWKS returns a document with Ed25519 keys under the given ids.
func edJWKS(ids ...string) string {
	var list []string
	for _, id := range ids {
		list = append(list, jwkText(id, edwards().Public(), nil))
	}
	return jwks(list...)
}

// privateFor returns the key that makes signatures of an algorithm.
func privateFor(alg string) any {
	switch alg {
	case "ES256":
		return p256()
	case "ES384":
		return p384()
	case "ES512":
		return p521()
	case "EdDSA":
		return edwards()
	case "HS256":
		return secret
	}
	return rsa1()
}

// signatureOf signs a text with an algorithm.
func signatureOf(alg string, key any, text string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:min(5, len(alg))]]
	digest := func() []byte { h := hash.New(); h.Write([]byte(text)); return h.Sum(nil) }
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			return must(rsa.SignPSS(rand.Reader, key, hash, digest(), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(nil, key, hash, digest()))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest())
		size := (key.Params().BitSize + 7) / 8
		return append(must(r, err).FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(text))
	}
	mac := hmac.New(sha256.New, []byte(key.(string)))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// input returns the signed part of a token.
func input(id, alg string) string {
	header := map[string]string{"alg": alg}
	if id != "" {
		header["kid"] = id
	}
	return b64(must(json.Marshal(header))) + "." + b64([]byte(`{"sub":"ada"}`))
}

func messageOf(signingInput string, signature []byte) jwt.Message {
	return must(jwt.Parse(signingInput + "." + b64(signature)))
}

// signed returns a token with a valid signature.
func signed(id, alg string, key any) jwt.Message {
	text := input(id, alg)
	return messageOf(text, signatureOf(alg, key, text))
}

// ed returns a token with a signature of the Ed25519 key of edJWKS.
func ed(id string) jwt.Message { return signed(id, "EdDSA", edwards()) }

// An issuer serves a document without a network. A test changes its fields only while no
// request is under way.
type issuer struct {
	document string
	status   int
	header   http.Header
	err      error
	delay    time.Duration // before each response

	mu       sync.Mutex
	requests []*http.Request
	events   []Event
	log      bytes.Buffer
}

func (is *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	is.mu.Lock()
	is.requests = append(is.requests, r)
	document, status, header, err := is.document, is.status, is.header, is.err
	is.mu.Unlock()
	select {
	case <-time.After(is.delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: max(status, 200), Header: header, Body: io.NopCloser(strings.NewReader(document)), Request: r}, nil
}

func (is *issuer) Write(p []byte) (int, error) {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.log.Write(p)
}

func (is *issuer) logged() string {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.log.String()
}

// source returns a Source for the issuer.
func (is *issuer) source() Source {
	return Source{
		URL:    func(context.Context) (string, error) { return "https://tenant.example/jwks.json", nil },
		Client: &http.Client{Transport: is},
		Observe: func(_ context.Context, e Event) {
			is.mu.Lock()
			defer is.mu.Unlock()
			is.events = append(is.events, e)
		},
		Log: slog.New(slog.NewTextHandler(is, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// expectFetches compares the number of requests so far.
func (is *issuer) expectFetches(t *testing.T, n int) {
	t.Helper()
	synctest.Wait()
	is.mu.Lock()
	defer is.mu.Unlock()
	if len(is.requests) != n {
		t.Errorf("%d requests, want %d", len(is.requests), n)
	}
}

// reasons returns the reasons of all events so far.
func (is *issuer) reasons() string {
	synctest.Wait()
	is.mu.Lock()
	defer is.mu.Unlock()
	var reasons []string
	for _, e := range is.events {
		reasons = append(reasons, e.Reason)
	}
	return strings.Join(reasons, " ")
}

// inBubble runs a test with a Set of an issuer that has the keys a and b, in fake
// time.
func inBubble(t *testing.T, f func(t *testing.T, is *issuer, set *Set)) {
	t.Helper()
	document := edJWKS("a", "b")
	synctest.Test(t, func(t *testing.T) {
		is := &issuer{document: document}
		f(t, is, New(is.source()))
		time.Sleep(timeout) // for fetches in the background
	})
}

// expect compares the fault of an error, nil for none.
func expect(t *testing.T, why string, err error, want *fault.Fault) {
	t.Helper()
	got, _ := errors.AsType[*fault.Fault](err)
	switch {
	case want == nil && err != nil:
		t.Errorf("%s: %v", why, err)
	case want != nil && (got == nil || got.Reason != want.Reason || got.Description != want.Description):
		t.Errorf("%s: %v, want %v", why, err, want)
	}
}
