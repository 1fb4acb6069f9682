package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

var at = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

const token = "the.access.token"

// all are the algorithms of the tests.
var all = []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func ec(curve elliptic.Curve) *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(curve, rand.Reader)) }

// Each process makes each kind of key once.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256    = sync.OnceValue(func() *ecdsa.PrivateKey { return ec(elliptic.P256()) })
	p384    = sync.OnceValue(func() *ecdsa.PrivateKey { return ec(elliptic.P384()) })
	p521    = sync.OnceValue(func() *ecdsa.PrivateKey { return ec(elliptic.P521()) })
	edwards = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

// members are those of a JSON object. A nil value stands for an absent member.
type members map[string]any

func (m members) with(changes members) members {
	changed := maps.Clone(m)
	maps.Copy(changed, changes)
	return changed
}

func (m members) text() string {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return string(must(json.Marshal(m)))
}

// raw is the JSON text of a value.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

func jwkOf(public crypto.PublicKey) members {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return members{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PublicKey:
		point := must(key.Bytes())[1:]
		return members{"kty": "EC", "crv": key.Params().Name, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:])}
	}
	return members{"kty": "OKP", "crv": "Ed25519", "x": b64(public.(ed25519.PublicKey))}
}

// headerOf returns the header of a valid proof.
func headerOf(alg string, key crypto.Signer) members {
	return members{"typ": "dpop+jwt", "alg": alg, "jwk": jwkOf(key.Public())}
}

// good are the claims of a valid proof for GET https://api.example/x.
func good() members {
	sum := sha256.Sum256([]byte(token))
	return members{"htm": "GET", "htu": "https://api.example/x", "iat": at.Unix(), "jti": rand.Text(), "ath": b64(sum[:])}
}

// expected fits the claims of good.
func expected() Expect {
	return Expect{
		Method: "GET", URL: "https://api.example/x", TokenSum: sha256.Sum256([]byte(token)),
		Now: at, MaxAge: 300 * time.Second, Leeway: 30 * time.Second,
	}
}

// sign makes a proof of two JSON texts, with an algorithm that fits the key.
func sign(key crypto.Signer, alg, header, claims string) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	return input + "." + b64(signature(key, alg, input))
}

// signature signs with a key, as an algorithm requires or as the key can.
func signature(key crypto.Signer, alg, input string) []byte {
	h := crypto.SHA256
	switch alg {
	case "ES384":
		h = crypto.SHA384
	case "ES512":
		h = crypto.SHA512
	}
	sum := h.New()
	sum.Write([]byte(input))
	digest := sum.Sum(nil)
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(input))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		size := (key.Params().BitSize + 7) / 8
		both := make([]byte, 2*size)
		must(r, err).FillBytes(both[:size])
		s.FillBytes(both[size:])
		return both
	case *rsa.PrivateKey:
		if alg == "PS256" {
			return must(key.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}))
		}
	}
	return must(key.Sign(rand.Reader, digest, h))
}

// proof makes a proof with a P-256 key.
func proof(header, claims members) string {
	return sign(p256(), "ES256", headerOf("ES256", p256()).with(header).text(), good().with(claims).text())
}

// check does an API's whole work on a proof.
func check(text string, e Expect) (Use, error) {
	p, err := NewReader(all).Parse(text)
	if err != nil {
		return Use{}, err
	}
	return p.Verify(e)
}

// refused expects the refusal of one check.
func refused(t *testing.T, why string, err error, want *fault.Fault, check string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || !errors.Is(err, want) || f.Cause == nil || !strings.HasPrefix(f.Cause.Error(), check+": ") {
		t.Errorf("%s: %v, want %v because of %s", why, err, want, check)
		return
	}
	if n := len(err.Error()); n > 1200 {
		t.Errorf("%s: the error has %d bytes", why, n)
	}
}
