// Package dpop makes and checks proofs of possession (DPoP, RFC 9449). A proof is a
// small token for one request, signed with a key to which the access token is bound.
//
// A client has a [Key] and signs a proof for each request with [Sign]. An API has a
// [Verifier]: it parses the proof of a request with [Verifier.Read], checks the access
// token, and then uses the proof up with [Verifier.Use]. So a client without a valid token
// cannot make the API verify the signature of a proof. A memory of proofs, such as a
// [Memory], lets each proof pass once. [Nonces] and [Bases] are the values that an API
// expects.
//
// The package does not know the claims of an access token, or the answer to a request.
package dpop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/secret"
)

// A Key signs proofs. It is safe for concurrent use. Packages fmt and encoding/json
// print no part of it.
type Key struct {
	signer     keys.Signer
	scalar     secret.Box[[]byte] // empty for a key of the application
	thumbprint string
	header     string // of all proofs, encoded
}

// NewKey makes a P-256 key.
func NewKey() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return keyOfScalar(private)
}

// OpenKey returns the key of a Scalar, for example from another process.
func OpenKey(scalar []byte) (*Key, error) {
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		return nil, errors.New("dpop: not the scalar of a P-256 key")
	}
	return keyOfScalar(private)
}

func keyOfScalar(private *ecdsa.PrivateKey) (*Key, error) {
	k, err := KeyOf(private)
	if err != nil {
		return nil, err
	}
	scalar, err := private.Bytes()
	if err != nil {
		return nil, err
	}
	k.scalar = secret.Of(scalar)
	return k, nil
}

// KeyOf returns a key of the application, which can be in an HSM: P-256, or RSA with
// at least 2048 bits. The error completes a sentence that begins with the name of the
// setting.
func KeyOf(private crypto.Signer) (*Key, error) {
	algorithm := "ES256"
	if !keys.IsAbsent(private) {
		if _, ok := private.Public().(*rsa.PublicKey); ok {
			algorithm = "RS256"
		}
	}
	signer, err := keys.NewSigner(private, algorithm)
	if err != nil {
		return nil, err
	}
	jwk, err := keys.JWKOf(private.Public())
	if err != nil {
		return nil, err
	}
	header := `{"typ":"dpop+jwt","alg":"` + algorithm + `","jwk":` + jwk.String() + `}`
	return &Key{
		signer: signer, thumbprint: jwk.Thumbprint(),
		header: base64.RawURLEncoding.EncodeToString([]byte(header)),
	}, nil
}

// Scalar returns the 32 secret bytes from which [OpenKey] restores the key, nil for a key
// of the application.
func (k *Key) Scalar() []byte { return bytes.Clone(k.scalar.Reveal()) }

// Algorithm returns ES256 or RS256.
func (k *Key) Algorithm() string { return k.signer.Algorithm }

// Thumbprint returns the RFC 7638 thumbprint by which a token is bound to the key
// (RFC 9449, Section 6.1).
func (k *Key) Thumbprint() string { return k.thumbprint }

// Format hides the key from every verb.
func (k *Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(DPoP key)") }

// Claims are the facts of one request.
type Claims struct {
	Method string
	URL    string // the query and the fragment do not count
	Token  string // the access token of the request, if any
	Nonce  string // the newest nonce of the server, if any
	Now    time.Time
}

// Sign returns a proof for one request (RFC 9449, Section 4.2). It fails if the URL is
// not absolute, or if the key does not sign.
func Sign(k *Key, c Claims) (string, error) {
	target, err := signedURL(c.URL)
	if err != nil {
		return "", err
	}
	var hash string
	if c.Token != "" {
		sum := memo.SumOf(c.Token)
		hash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	claims, _ := json.Marshal(struct { // texts and a number, so it cannot fail
		ID        string `json:"jti"`
		Method    string `json:"htm"`
		URL       string `json:"htu"`
		IssuedAt  int64  `json:"iat"`
		TokenHash string `json:"ath,omitempty"`
		Nonce     string `json:"nonce,omitempty"`
	}{rand.Text(), c.Method, target, c.Now.Unix(), hash, c.Nonce})
	input := k.header + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := k.signer.Sign(input)
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// signedURL returns the URL as the server receives it. An empty path is sent as a slash,
// and servers compare texts.
func signedURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errors.New("dpop: the URL of the request is not absolute")
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return u.Scheme + "://" + u.Host + path, nil
}
