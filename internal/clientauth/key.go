package clientauth

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// WithKey returns private_key_jwt.
func WithKey(key crypto.Signer, algorithm, keyID string) Method {
	m := Method{Name: privateKeyJWT}
	if m.signer, m.Fault = keys.NewSigner(key, algorithm); m.Fault != nil {
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
	return m
}

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, Section 2.2
	assertionLife = time.Minute
	// maxAssertion is the most bytes of an assertion that Auth0 reads.
	maxAssertion = 2048
)

// CheckSize reports an error if an assertion is too large for a tenant. The size
// depends on the key, the client id and the issuer.
func (m Method) CheckSize(id, issuer string, now time.Time) error {
	if m.Name != privateKeyJWT {
		return nil
	}
	_, err := m.assertionInput(id, issuer, now)
	return err
}

// assertion makes the JWT of RFC 7523, Section 3.
func (m Method) assertion(id, issuer string, now time.Time) (string, error) {
	input, err := m.assertionInput(id, issuer, now)
	if err != nil {
		return "", err
	}
	signature, err := m.signer.Sign(input)
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// assertionInput returns the signing input. Its audience is the issuer as a
// single string. With an endpoint in the audience, a server that lies about its
// endpoints could replay the assertion.
func (m Method) assertionInput(id, issuer string, now time.Time) (string, error) {
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
	if size := len(input) + 1 + base64.RawURLEncoding.EncodedLen(m.signer.Size); size > maxAssertion {
		return "", fmt.Errorf("has a key so long that an assertion has %d bytes, more than the %d that tenants read", size, maxAssertion)
	}
	return input, nil
}

// ParseKeyPEM reads an RSA or EC key in the formats that openssl writes. Its
// errors quote no part of the text.
func ParseKeyPEM(text string) (crypto.Signer, error) {
	// A line of an environment file cannot contain line breaks.
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
