package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// WithKey returns private_key_jwt.
func WithKey(key crypto.Signer, algorithm, keyID string) Method {
	m := Method{Name: privateKeyJWT, algorithm: algorithm}
	hash, ok := map[string]crypto.Hash{
		"RS256": crypto.SHA256, "RS384": crypto.SHA384, "PS256": crypto.SHA256, "ES256": crypto.SHA256,
	}[algorithm]
	if !ok {
		m.Fault = fmt.Errorf("has the algorithm %.40q, which is not RS256, RS384, PS256 or ES256", algorithm)
		return m
	}
	if m.size, m.Fault = signatureSize(key, algorithm); m.Fault != nil {
		return m
	}
	if !syntax.CleanText(keyID) {
		m.Fault = errors.New("has a key id that is not plain text")
		return m
	}
	m.header, _ = json.Marshal(struct { // three texts, so it cannot fail
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid,omitempty"`
	}{algorithm, "JWT", keyID})
	m.sign = func(input string) ([]byte, error) {
		h := hash.New()
		h.Write([]byte(input))
		switch algorithm[:2] {
		case "PS": // RFC 7518, Section 3.5: the salt is as long as the hash
			return key.Sign(rand.Reader, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
		case "ES":
			der, err := key.Sign(rand.Reader, h.Sum(nil), hash)
			if err != nil {
				return nil, err
			}
			return fixedSize(der, m.size)
		}
		return key.Sign(rand.Reader, h.Sum(nil), hash)
	}
	return m
}

// signatureSize checks that a key fits an algorithm, and returns the size of its
// signatures. RFC 7518, Section 3.3, and tenants refuse shorter RSA keys. With a key
// that can be factored, anybody could claim to be the client.
func signatureSize(key crypto.Signer, algorithm string) (int, error) {
	switch k := key.(type) {
	case nil:
		return 0, errors.New("has no key")
	case *rsa.PrivateKey:
		if k == nil {
			return 0, errors.New("has no key")
		}
	case *ecdsa.PrivateKey:
		if k == nil {
			return 0, errors.New("has no key")
		}
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if algorithm != "ES256" && keys.Factorable(public.N) {
			return 0, errors.New("has an RSA key that can be factored (CVE-2017-15361)")
		}
		if algorithm != "ES256" && public.Size() >= 256 {
			return public.Size(), nil
		}
		if algorithm != "ES256" {
			return 0, fmt.Errorf("has an RSA key of %d bits; 2048 are the least", public.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if algorithm == "ES256" && public.Curve == elliptic.P256() {
			return 64, nil
		}
	}
	return 0, fmt.Errorf("has a key that does not fit the algorithm %s", algorithm)
}

// fixedSize turns an ECDSA signature of a [crypto.Signer] into the form of RFC 7518,
// Section 3.4.
func fixedSize(der []byte, size int) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 || sig.R.Sign() < 0 || sig.S.Sign() < 0 ||
		sig.R.BitLen() > size*4 || sig.S.BitLen() > size*4 {
		return nil, errors.New("the key has not made an ECDSA signature")
	}
	out := make([]byte, size)
	sig.R.FillBytes(out[:size/2])
	sig.S.FillBytes(out[size/2:])
	return out, nil
}

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, Section 2.2
	assertionLife = time.Minute
	// maxAssertion is how many bytes of an assertion Auth0 reads.
	maxAssertion = 2048
)

// CheckSize reports an error if tenants do not read an assertion because of its
// size. The size depends on the key, the client id and the issuer.
func (m Method) CheckSize(id, issuer string, now time.Time) error {
	if m.Name != privateKeyJWT {
		return nil
	}
	m.sign = func(string) ([]byte, error) { return nil, nil }
	_, err := m.assertion(id, issuer, now)
	return err
}

// assertion makes the JWT of RFC 7523, Section 3. Its audience is the issuer as a
// single string: another server, which lies about its endpoints, could use an
// assertion that also names an endpoint.
func (m Method) assertion(id, issuer string, now time.Time) (string, error) {
	jti := make([]byte, 16)
	rand.Read(jti)                     // never fails, see crypto/rand
	claims, _ := json.Marshal(struct { // texts and numbers, so it cannot fail
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
		Expiry   int64  `json:"exp"`
	}{id, id, issuer, base64.RawURLEncoding.EncodeToString(jti), now.Unix(), now.Add(assertionLife).Unix()})
	input := base64.RawURLEncoding.EncodeToString(m.header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	if size := len(input) + 1 + base64.RawURLEncoding.EncodedLen(m.size); size > maxAssertion {
		return "", fmt.Errorf("has a key so long that an assertion has %d bytes, more than the %d that tenants read", size, maxAssertion)
	}
	signature, err := m.sign(input)
	if err != nil {
		return "", fmt.Errorf("the key does not sign: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// ParseKeyPEM reads an RSA or EC key in the forms that openssl writes. Its errors
// quote nothing of the text.
func ParseKeyPEM(text string) (crypto.Signer, error) {
	// A line of an environment file cannot have line breaks.
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, errors.New("is not a key in PEM form")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(crypto.Signer); ok {
		return signer, nil
	}
	return nil, errors.New("is not an RSA or EC private key in PEM form, or has a password")
}
