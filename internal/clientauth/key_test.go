package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

func ecP256() *ecdsa.PrivateKey { return ecKey(elliptic.P256()) }

// TestKeys: the keys for each algorithm.
func TestKeys(t *testing.T) {
	t.Parallel()
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	var noRSA *rsa.PrivateKey
	var noEC *ecdsa.PrivateKey
	for _, tt := range []struct {
		why       string
		key       crypto.Signer
		algorithm string
		id        string
		want      string
	}{
		{"RS256", rsaKey(), "RS256", "", ""},
		{"RS384", rsaKey(), "RS384", "k", ""},
		{"PS256", rsaKey(), "PS256", "k", ""},
		{"ES256", ecP256(), "ES256", "k", ""},
		{"an HSM", ofBits(2048), "RS256", "k", ""},
		{"one bit less in as many bytes", ofBits(2041), "RS256", "k", ""},

		{"RS512", rsaKey(), "RS512", "", `has the algorithm "RS512", which is not RS256, RS384, PS256 or ES256`},
		{"none", rsaKey(), "none", "", `has the algorithm "none", which is not RS256, RS384, PS256 or ES256`},
		{"no algorithm", rsaKey(), "", "", `has the algorithm "", which is not RS256, RS384, PS256 or ES256`},
		{"no key", nil, "RS256", "", "has no key"},
		{"no RSA key", noRSA, "RS256", "", "has no key"},
		{"no EC key", noEC, "ES256", "", "has no key"},
		{"a short key", ofBits(2040), "RS256", "", "has an RSA key of 2040 bits; 2048 are the least"},
		{"a short key for PS256", ofBits(1024), "PS256", "", "has an RSA key of 1024 bits; 2048 are the least"},
		{"a factorable key", factorable(), "RS256", "", "has an RSA key that can be factored (CVE-2017-15361)"},
		{"RSA for ES256", rsaKey(), "ES256", "", "has a key that does not fit the algorithm ES256"},
		{"a short RSA key for ES256", ofBits(1024), "ES256", "", "has a key that does not fit the algorithm ES256"},
		{"a factorable key for ES256", factorable(), "ES256", "", "has a key that does not fit the algorithm ES256"},
		{"EC for RS256", ecP256(), "RS256", "", "has a key that does not fit the algorithm RS256"},
		{"another curve", ecKey(elliptic.P384()), "ES256", "", "has a key that does not fit the algorithm ES256"},
		{"Ed25519", edKey, "ES256", "", "has a key that does not fit the algorithm ES256"},
		{"a line break", rsaKey(), "RS256", "k\n", "has a key id that is not plain text"},
	} {
		got := ""
		if fault := WithKey(tt.key, tt.algorithm, tt.id).Fault; fault != nil {
			got = fault.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
}

// TestAssertion: the assertion is the JWT of RFC 7523, Section 3, signed
// with the algorithm of the key.
func TestAssertion(t *testing.T) {
	t.Parallel()
	ec := ecP256()
	seen := map[string]bool{}
	for _, tt := range []struct {
		key           crypto.Signer
		algorithm, id string
		header        string
		verify        func(input, signature []byte) bool
	}{
		{rsaKey(), "RS256", "", `{"alg":"RS256","typ":"JWT"}`, func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, digest[:], signature) == nil
		}},
		{rsaKey(), "RS384", "key-1", `{"alg":"RS384","typ":"JWT","kid":"key-1"}`, func(input, signature []byte) bool {
			digest := sha512.Sum384(input)
			return rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA384, digest[:], signature) == nil
		}},
		{rsaKey(), "PS256", "key-1", `{"alg":"PS256","typ":"JWT","kid":"key-1"}`, func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPSS(&rsaKey().PublicKey, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32}) == nil
		}},
		{ec, "ES256", "key-1", `{"alg":"ES256","typ":"JWT","kid":"key-1"}`, func(input, signature []byte) bool {
			digest := sha256.Sum256(input)
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			return len(signature) == 64 && ecdsa.Verify(&ec.PublicKey, digest[:], r, s)
		}},
	} {
		c, err := WithKey(tt.key, tt.algorithm, tt.id).Credentials("client", "https://tenant.example/", at)
		if err != nil {
			t.Fatal(err)
		}
		if c.Params.Get("client_id") != "client" || len(c.Params) != 3 ||
			c.Params.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("%s: %v", tt.algorithm, c.Params)
		}
		parts := strings.Split(c.Params.Get("client_assertion"), ".")
		if len(parts) != 3 {
			t.Fatalf("%s: %d parts", tt.algorithm, len(parts))
		}
		var decoded [3][]byte
		for i, part := range parts {
			if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
				t.Fatal(err)
			}
		}
		if string(decoded[0]) != tt.header {
			t.Errorf("%s: header %s", tt.algorithm, decoded[0])
		}
		var claims struct {
			Iss, Sub, Jti string
			Aud           any
			Iat, Exp      int64
		}
		if err := json.Unmarshal(decoded[1], &claims); err != nil {
			t.Fatal(err)
		}
		// The audience is one text, and the assertion expires after a minute.
		if claims.Iss != "client" || claims.Sub != "client" || claims.Aud != "https://tenant.example/" ||
			claims.Iat != at.Unix() || claims.Exp != at.Unix()+60 || len(claims.Jti) != 22 || seen[claims.Jti] {
			t.Errorf("%s: %s", tt.algorithm, decoded[1])
		}
		seen[claims.Jti] = true
		if !tt.verify([]byte(parts[0]+"."+parts[1]), decoded[2]) {
			t.Errorf("%s: the signature is wrong", tt.algorithm)
		}
	}
}

// TestBrokenKey: a key in an HSM that does not sign.
func TestBrokenKey(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"RS256", "PS256", "ES256"} {
		key := signer{ofBits(2048).public, broken}
		if algorithm == "ES256" {
			key.public = ecP256().Public()
		}
		m := WithKey(key, algorithm, "")
		if c, err := m.Credentials("client", "https://tenant.example/", at); !errors.Is(err, errBroken) ||
			!strings.HasPrefix(err.Error(), "the key does not sign: ") || c.Params != nil {
			t.Errorf("%s: %v, %v", algorithm, c, err)
		}
		if err := m.CheckSize("client", "https://tenant.example/", at); err != nil {
			t.Errorf("%s: the check asks the key: %v", algorithm, err)
		}
	}
}

// TestForeignSignature: a key in an HSM that makes signatures of another form.
func TestForeignSignature(t *testing.T) {
	t.Parallel()
	bad := signer{ecP256().Public(), func() ([]byte, error) { return []byte("signature"), nil }}
	if _, err := WithKey(bad, "ES256", "").Credentials("client", "https://tenant.example/", at); err == nil {
		t.Error("an HSM without ASN.1 signs")
	}
}

// TestSize: Auth0 reads 2048 bytes of an assertion, and nothing of a longer one.
func TestSize(t *testing.T) {
	t.Parallel()
	longest, shortest := 0, 1<<20 // of the accepted assertion and the rejected one
	for _, keyID := range []string{"", "k", "kk", "kkk"} {
		m := WithKey(ofBits(8192), "RS256", keyID)
		for n := 300; n < 400; n++ {
			issuer := "https://" + strings.Repeat("x", n) + ".example/"
			refused := m.CheckSize("client", issuer, at)
			c, err := m.Credentials("client", issuer, at)
			if (refused == nil) != (err == nil) {
				t.Fatalf("checked: %v, made: %v", refused, err)
			}
			if err == nil {
				longest = max(longest, len(c.Params.Get("client_assertion")))
				continue
			}
			var size int
			const text = "has a key so long that an assertion has %d bytes, more than the 2048 that tenants read"
			if _, err := fmt.Sscanf(err.Error(), text, &size); err != nil {
				t.Fatalf("%v: %v", refused, err)
			}
			shortest = min(shortest, size)
		}
	}
	if longest != 2048 || shortest != 2049 {
		t.Errorf("up to %d bytes are accepted, and %d refused", longest, shortest)
	}
	// The size of the key counts too, and other methods have no limit.
	if err := WithKey(ofBits(16384), "RS256", "").CheckSize("client", "https://tenant.example/", at); err == nil {
		t.Error("a long key is not found")
	}
	if err := WithSecret(ClientSecretPost, "s").CheckSize(strings.Repeat("x", 3000), "https://tenant.example/", at); err != nil {
		t.Errorf("a secret: %v", err)
	}
}

// TestParseKeyPEM: the key formats of openssl.
func TestParseKeyPEM(t *testing.T) {
	t.Parallel()
	ec := ecP256()
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	der := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	form := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	x25519 := "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n"
	pkcs8 := form("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(rsaKey())))
	for _, tt := range []struct {
		why, text string
		want      crypto.Signer
		err       string
	}{
		{"PKCS #1", form("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), rsaKey(), ""},
		{"PKCS #8", pkcs8, rsaKey(), ""},
		{"in one line", strings.ReplaceAll(pkcs8, "\n", `\n`), rsaKey(), ""},
		{"after other text", "# key of the application\n" + pkcs8, rsaKey(), ""},
		{"SEC 1", form("EC PRIVATE KEY", der(x509.MarshalECPrivateKey(ec))), ec, ""},
		{"EC in PKCS #8", form("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(ec))), ec, ""},
		{"Ed25519", form("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(edKey))), edKey, ""},
		{"no PEM", "CANARY-0123456789", nil, "is not a key in PEM form"},
		{"nothing", "", nil, "is not a key in PEM form"},
		{"a public key", form("PUBLIC KEY", der(x509.MarshalPKIXPublicKey(ec.Public()))), nil,
			"is not an RSA or EC private key in PEM form, or has a password"},
		{"a key that does not sign", x25519, nil, "is not an RSA or EC private key in PEM form, or has a password"},
		{"garbage", form("RSA PRIVATE KEY", []byte("CANARY-0123456789")), nil, "is not an RSA or EC private key in PEM form, or has a password"},
	} {
		got, err := ParseKeyPEM(tt.text)
		if tt.err != "" {
			if got != nil || err == nil || err.Error() != tt.err {
				t.Errorf("%s: %v, %v", tt.why, got, err)
			}
			continue
		}
		if err != nil || !tt.want.(interface{ Equal(crypto.PrivateKey) bool }).Equal(got) {
			t.Errorf("%s: another key, %v", tt.why, err)
		}
	}
}

// TestClock: the assertion has the caller's time.
func TestClock(t *testing.T) {
	t.Parallel()
	c, err := WithKey(rsaKey(), "RS256", "").Credentials("client", "https://tenant.example/", at.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(c.Params.Get("client_assertion"), ".")[1])
	if !strings.Contains(string(payload), `"iat":1893557045,"exp":1893557105`) {
		t.Errorf("%s", payload)
	}
}
