package keys

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func publicPEM(public any) string {
	return block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(public)))
}

func certificatePEM() string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, &p256().PublicKey, p256())))
}

// TestStatic has one row for each form of document, and for each reason to reject one.
func TestStatic(t *testing.T) {
	good := publicPEM(&rsa1().PublicKey)
	var ids []string
	for i := range maxKeys + 1 {
		ids = append(ids, fmt.Sprint("k", i))
	}
	for why, row := range map[string]struct {
		document string
		keys     int
		err      string
	}{
		"JWK Set":                 {edJWKS("a", "b"), 2, ""},
		"100 keys":                {edJWKS(ids[:maxKeys]...), maxKeys, ""},
		"101 keys":                {edJWKS(ids...), 0, "100 of 101 keys"},
		"an unusable key":         {jwks(jwkText("a", edwards().Public(), nil), `{"kty":"LWE","kid":"named"}`), 0, `1 of 2 keys can be used` + "\n" + `key "named" of type "LWE" is not one`},
		"no keys":                 {jwks(), 0, "0 of 0 keys"},
		"no JWK Set":              {`{}`, 0, "0 of 0 keys"},
		"no document":             {``, 0, "neither a JWK Set nor PEM"},
		"text":                    {`keys`, 0, "neither a JWK Set nor PEM"},
		"PEM":                     {good, 1, ""},
		"PEM with text around":    {"text\n" + good + "text\n" + publicPEM(&p256().PublicKey) + "text", 2, ""},
		"certificate":             {certificatePEM(), 1, ""},
		"damaged key":             {good + block("PUBLIC KEY", []byte("x")), 0, "PEM block 2 is not a public key"},
		"damaged certificate":     {block("CERTIFICATE", []byte("x")), 0, "PEM block 1 is not a certificate"},
		"private key":             {block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(edwards()))), 0, "PEM block 1 is neither a PUBLIC KEY nor a CERTIFICATE"},
		"short key":               {publicPEM(&rsa.PublicKey{N: modulus(1024), E: 65537}), 0, "PEM block 1 has 1024 bits"},
		"block that is not PEM":   {good + strings.Replace(good, "-----END", "----END", 1), 0, "1 of 2 PEM blocks"},
		"first block is not PEM":  {strings.Replace(good, "-----END PUBLIC KEY-----", "-----END PRIVATE KEY-----", 1) + good, 0, "1 of 2 PEM blocks"},
		"only block is not PEM":   {strings.Replace(good, "-----END", "----END", 1), 0, "neither a JWK Set nor PEM"},
		"JWK Set of private keys": {jwks(jwkText("a", edwards().Public(), change{"d": b64(edwards().Seed())})), 0, "0 of 1 keys"},
	} {
		set, err := Static([]byte(row.document))
		switch {
		case row.err == "" && err != nil, row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)):
			t.Errorf("%s: %v, want %q", why, err, row.err)
		case err == nil && (set.Status() != Status{Keys: row.keys} || !set.IsFixed() || set.IsShared()):
			t.Errorf("%s: %+v, fixed %v, shared %v", why, set.Status(), set.IsFixed(), set.IsShared())
		}
	}
}

func TestShared(t *testing.T) {
	if _, err := Shared(secret[:MinSecret-1]); err == nil || !strings.Contains(err.Error(), "has 31 bytes, fewer than 32") {
		t.Errorf("31 bytes: %v", err)
	}
	set, err := Shared(secret[:MinSecret])
	if err != nil {
		t.Fatal(err)
	}
	if !set.IsShared() || !set.IsFixed() || set.Status().Keys != 1 {
		t.Errorf("shared %v, fixed %v, %+v", set.IsShared(), set.IsFixed(), set.Status())
	}
}

// TestFind has one row for each reason why a snapshot has no key for a token.
func TestFind(t *testing.T) {
	set := must(Static([]byte(jwks(
		jwkText("rsa", &rsa1().PublicKey, nil), jwkText("ed", edwards().Public(), nil),
		jwkText("es1", &p256().PublicKey, nil), jwkText("es2", &p256().PublicKey, nil),
	))))
	nameless := must(Static([]byte(publicPEM(&p256().PublicKey) + publicPEM(&must(rsa.GenerateKey(rand.Reader, 2048)).PublicKey) + publicPEM(&rsa1().PublicKey))))
	for _, row := range []struct {
		why     string
		set     *Set
		id, alg string
		keys    int
		want    *fault.Fault
	}{
		{"by id", set, "rsa", "PS512", 1, nil},
		{"one key fits", set, "", "EdDSA", 1, nil},
		{"several keys fit", set, "", "ES256", 0, fault.AmbiguousKey},
		{"no key fits", set, "", "ES384", 0, fault.UnknownKey},
		{"another algorithm", set, "rsa", "ES256", 0, fault.KeyUnusable},
		{"unknown id", set, "other", "ES256", 0, fault.UnknownKey},
		{"nameless, any id", nameless, "other", "ES256", 1, nil},
		{"nameless, no id", nameless, "", "RS256", 2, nil},
		{"nameless, no key fits", nameless, "other", "EdDSA", 0, fault.UnknownKey},
		{"secret", must(Shared(secret)), "other", Symmetric, 1, nil},
		{"secret for another algorithm", must(Shared(secret)), "", "RS256", 0, fault.UnknownKey},
	} {
		for _, origin := range []Origin{FromAnybody, FromTenant} {
			found, err := row.set.find(t.Context(), row.id, row.alg, origin)
			expect(t, row.why, err, row.want)
			if len(found) != row.keys {
				t.Errorf("%s: %d keys, want %d", row.why, len(found), row.keys)
			}
		}
	}
	// Verify tries each key without a kid.
	if _, err := nameless.Verify(t.Context(), signed("any", "RS256", rsa1()), FromAnybody); err != nil {
		t.Errorf("second key without a name: %v", err)
	}
}

// TestKeysOfOneID: Verify tries four of the keys with one kid.
func TestKeysOfOneID(t *testing.T) {
	s := &snapshot{}
	for range 6 {
		s.add(must(newKey(json.RawMessage(jwkText("a", newEdwards().Public(), nil)))))
	}
	found, err := s.find("a", "EdDSA")
	if err != nil || len(found) != 4 || found[0] != s.all[0] || found[3] != s.all[3] {
		t.Errorf("%d keys, %v", len(found), err)
	}
	if len(s.all) != 6 {
		t.Errorf("%d keys in all", len(s.all))
	}
	if _, err := s.find("", "EdDSA"); err == nil {
		t.Error("a token without a kid finds several keys")
	}
}

// TestUnusableKeyIsKnown: the kid of an unusable key causes no fetch. The other keys stay
// usable.
func TestUnusableKeyIsKnown(t *testing.T) {
	raw := []json.RawMessage{json.RawMessage(`{"kty":"LWE","kid":"strange"}`), json.RawMessage(`17`), json.RawMessage(jwkText("a", edwards().Public(), nil))}
	s, skipped := newSnapshot(raw, nil)
	if len(s.all) != 1 || len(skipped) != 2 || !strings.Contains(skipped[0].Error(), `key "strange" of type "LWE"`) || !strings.Contains(skipped[1].Error(), `key "" of type ""`) {
		t.Errorf("%d keys, %v", len(s.all), skipped)
	}
	_, err := s.find("strange", "EdDSA")
	expect(t, "an unusable key", err, fault.KeyUnusable)
	if _, err = s.find("other", "EdDSA"); err != errUnknownKey {
		t.Errorf("another id: %v", err)
	}
}
