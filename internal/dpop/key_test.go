package dpop

import (
	"bytes"
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
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
)

// A hsm is a key that a program cannot read.
type hsm struct {
	crypto.Signer
	err error
}

func (h hsm) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if h.err != nil {
		return nil, h.err
	}
	return h.Signer.Sign(r, digest, opts)
}

// parts decodes a proof.
func parts(t *testing.T, proof string) (header, claims map[string]any, signed string, signature []byte) {
	t.Helper()
	texts := strings.Split(proof, ".")
	if len(texts) != 3 {
		t.Fatalf("%d parts", len(texts))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(texts[i])), into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims, texts[0] + "." + texts[1], must(base64.RawURLEncoding.DecodeString(texts[2]))
}

func equalJSON(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := string(must(json.Marshal(got))), string(must(json.Marshal(want))); g != w {
		t.Errorf("%s: %s, want %s", what, g, w)
	}
}

// TestSign: a proof has the form of RFC 9449, Section 4.2.
func TestSign(t *testing.T) {
	t.Parallel()
	p256, fresh := ec(elliptic.P256()), must(NewKey())
	point := must(p256.PublicKey.Bytes())
	ecJWK := map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	rsaJWK := map[string]any{"kty": "RSA", "n": b64(rsaKey().N.Bytes()), "e": "AQAB"}
	verifyEC := func(digest, signature []byte) bool {
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return len(signature) == 64 && ecdsa.Verify(&p256.PublicKey, digest, r, s)
	}
	seen := map[any]bool{}
	for _, tt := range []struct {
		why    string
		key    *Key
		alg    string
		jwk    map[string]any
		verify func(digest, signature []byte) bool
	}{
		{"P-256", must(KeyOf(p256)), "ES256", ecJWK, verifyEC},
		{"P-256 in an HSM", must(KeyOf(hsm{Signer: p256})), "ES256", ecJWK, verifyEC},
		{"P-256 of a scalar", must(OpenKey(must(p256.Bytes()))), "ES256", ecJWK, verifyEC},
		{"RSA", must(KeyOf(rsaKey())), "RS256", rsaJWK, func(digest, signature []byte) bool {
			return rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, digest, signature) == nil
		}},
	} {
		proof, err := Sign(tt.key, Claims{Method: "POST", URL: "https://api.example/x?y=1#z", Token: "token", Nonce: `n"1`, Now: at})
		if err != nil {
			t.Fatalf("%s: %v", tt.why, err)
		}
		header, claims, signed, signature := parts(t, proof)
		equalJSON(t, tt.why, header, map[string]any{"typ": "dpop+jwt", "alg": tt.alg, "jwk": tt.jwk})
		if digest := sha256.Sum256([]byte(signed)); !tt.verify(digest[:], signature) {
			t.Errorf("%s: the signature is wrong", tt.why)
		}
		if jti, _ := claims["jti"].(string); len(jti) < 26 || seen[jti] { // 128 bits
			t.Errorf("%s: jti %q", tt.why, jti)
		}
		seen[claims["jti"]] = true
		delete(claims, "jti")
		sum := sha256.Sum256([]byte("token"))
		equalJSON(t, tt.why, claims, map[string]any{"htm": "POST", "htu": "https://api.example/x", "iat": at.Unix(), "ath": b64(sum[:]), "nonce": `n"1`})
		if tt.key.Algorithm() != tt.alg {
			t.Errorf("%s: %s", tt.why, tt.key.Algorithm())
		}
	}
	// A proof without a token and a nonce lacks their members.
	_, claims, _, _ := parts(t, must(Sign(fresh, Claims{Method: "GET", URL: "https://api.example", Now: at})))
	delete(claims, "jti")
	equalJSON(t, "no token", claims, map[string]any{"htm": "GET", "htu": "https://api.example/", "iat": at.Unix()})
}

func TestSignedURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://api.example":                   "https://api.example/",
		"https://api.example?x":                 "https://api.example/",
		"https://api.example:8443/a%2fb?c=d#e":  "https://api.example:8443/a%2fb",
		"https://user:password@api.example/a b": "https://api.example/a%20b",
		"http://127.0.0.1:3000/v1/?":            "http://127.0.0.1:3000/v1/",
		"":                                      "", "/x": "", "//api.example/x": "", "https:///x": "", "mailto:x": "", "https://api.example/%zz": "",
	} {
		got, err := signedURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if proof, err := Sign(must(NewKey()), Claims{URL: text}); (err == nil) != (want != "") || err != nil && proof != "" {
			t.Errorf("Sign for %q: %v", text, err)
		}
	}
}

// TestKeys has the keys that can sign proofs, and others.
func TestKeys(t *testing.T) {
	t.Parallel()
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	for _, tt := range []struct {
		why  string
		key  crypto.Signer
		want string
	}{
		{"no key", nil, "has no key"},
		{"no EC key", (*ecdsa.PrivateKey)(nil), "has no key"},
		{"an empty RSA key", &rsa.PrivateKey{}, "has an empty RSA key"},
		{"an empty EC key", &ecdsa.PrivateKey{}, "has a key that does not fit the algorithm ES256"},
		{"P-384", ec(elliptic.P384()), "has a key that does not fit the algorithm ES256"},
		{"Ed25519", edwards, "has a key that does not fit the algorithm ES256"},
		{"2047 bits in as many bytes", ofBits(2047), "has 2047 bits"},
		{"1024 bits", ofBits(1024), "has an RSA key of 1024 bits; 2048 are the least"},
	} {
		if k, err := KeyOf(tt.key); k != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.why, err)
		}
	}
	for _, n := range []int{0, 31, 33} {
		if k, err := OpenKey(make([]byte, n)); k != nil || err == nil {
			t.Errorf("a scalar of %d bytes is a key", n)
		}
	}
	if k, err := OpenKey(make([]byte, 32)); k != nil || err == nil { // the point at infinity
		t.Error("zero is a key")
	}
}

func ofBits(bits uint) crypto.Signer {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return publicOnly{&rsa.PublicKey{N: n.Or(n, big.NewInt(0x1234567)), E: 65537}}
}

type publicOnly struct{ public crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.public }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }

// TestScalar: another process restores the key of a session.
func TestScalar(t *testing.T) {
	t.Parallel()
	k := must(NewKey())
	if len(k.Scalar()) != 32 {
		t.Fatalf("%d bytes", len(k.Scalar()))
	}
	again := must(OpenKey(k.Scalar()))
	k.Scalar()[0]++ // is a copy
	if !bytes.Equal(k.Scalar(), again.Scalar()) {
		t.Error("a caller changes the key")
	}
	if again.Thumbprint() != k.Thumbprint() || len(k.Thumbprint()) != 43 || k.Thumbprint() == must(NewKey()).Thumbprint() {
		t.Errorf("%s, %s", again.Thumbprint(), k.Thumbprint())
	}
	if must(KeyOf(ec(elliptic.P256()))).Scalar() != nil {
		t.Error("the key of the application can be taken away")
	}
}

// TestBrokenSigner: a key in an HSM that does not sign.
func TestBrokenSigner(t *testing.T) {
	t.Parallel()
	broken := errors.New("the HSM is broken")
	k := must(KeyOf(hsm{ec(elliptic.P256()), broken}))
	if proof, err := Sign(k, Claims{Method: "GET", URL: "https://api.example/", Now: at}); proof != "" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", proof, err)
	}
}

// TestKeyDoesNotPrint: no text contains a part of the private key.
func TestKeyDoesNotPrint(t *testing.T) {
	t.Parallel()
	scalar := must(ec(elliptic.P256()).Bytes())
	k := must(OpenKey(scalar))
	type holder struct {
		Public  *Key
		private *Key
		value   Key
	}
	for _, value := range []any{k, *k, holder{k, k, *k}, &holder{k, k, *k}, []any{k, *k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t"} {
			expectHidden(t, verb, fmt.Sprintf(verb, value), scalar)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		expectHidden(t, "JSON", string(text), scalar)
	}
}

func expectHidden(t *testing.T, what, text string, scalar []byte) {
	t.Helper()
	for _, form := range []string{string(scalar), b64(scalar), fmt.Sprintf("%x", scalar), fmt.Sprintf("%X", scalar), fmt.Sprint(scalar), new(big.Int).SetBytes(scalar).String()} {
		if strings.Contains(text, form) || strings.Contains(text, strings.Trim(form, "[]")) {
			t.Errorf("%s: %s", what, text)
		}
	}
}

func TestConcurrentSign(t *testing.T) {
	t.Parallel()
	k := must(NewKey())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := Sign(k, Claims{Method: "GET", URL: "https://api.example/", Now: at}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
