package auth0test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// A ProofKey is the key of a client to which DPoP binds access tokens (RFC 9449).
// [NewProofKey] makes one. Its curve is P-256, as Auth0 requires.
type ProofKey struct{ key *ecdsa.PrivateKey }

// NewProofKey returns a new key.
func NewProofKey() ProofKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // unreachable: the system's random source does not fail
	}
	return ProofKey{key}
}

// Proof returns a DPoP proof for one request with an access token: the value of the
// header DPoP. The token goes into the header Authorization with the scheme DPoP. An
// empty token is for a request to the token endpoint, whose proof has no ath.
//
// The URL is the one that the client calls. Its query does not matter. Every proof has
// a new jti, so an API accepts it once. Options make a proof that an API must reject,
// for example Claim("htm", nil) or Header("typ", "JWT"). The signature is valid for
// the changed proof.
func (k ProofKey) Proof(method, url, token string, options ...TokenOption) string {
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": k.jwk()}
	claims := map[string]any{"htm": method, "htu": url, "iat": time.Now().Unix(), "jti": rand.Text()}
	if token != "" {
		claims["ath"] = sum256([]byte(token))
	}
	for _, o := range options {
		o(header, claims)
	}
	maps.DeleteFunc(header, func(_ string, v any) bool { return v == nil })
	proof, err := signed(k.key, header, claims)
	if err != nil {
		panic("auth0test: Proof: " + err.Error())
	}
	return proof
}

func (k ProofKey) jwk() map[string]string {
	point, err := k.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err) // unreachable: NewProofKey has made the key
	}
	return map[string]string{"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}
}

// thumbprint is the hash of the key's members, sorted by name (RFC 7638, Section 3).
func (k ProofKey) thumbprint() string {
	text, err := json.Marshal(k.jwk()) // sorts by name
	if err != nil {
		panic(err) // unreachable: a map of texts
	}
	return sum256(text)
}

func sum256(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// BoundTo binds an access token to a key, with the claim cnf of RFC 9449, Section 6.
func BoundTo(key ProofKey) TokenOption { return confirm("jkt", key.thumbprint()) }

// BoundToCertificate binds an access token to a client certificate, with the claim cnf
// of RFC 8705, Section 3.1.
func BoundToCertificate(cert *x509.Certificate) TokenOption {
	return confirm("x5t#S256", emulator.Thumbprint(cert.Raw))
}

// confirm adds a member to cnf.
func confirm(name, thumbprint string) TokenOption {
	return func(_, claims map[string]any) {
		old, _ := claims["cnf"].(map[string]any)
		cnf := maps.Clone(old)
		if cnf == nil {
			cnf = map[string]any{}
		}
		cnf[name] = thumbprint
		claims["cnf"] = cnf
	}
}

// RequireDPoP makes the tenant issue no access token to the applications without a
// DPoP proof, as the setting Require Token Sender-Constraining does. Without it, the
// tenant binds access tokens whose request has a proof, and issues bearer tokens to
// other requests.
func (t *Tenant) RequireDPoP() {
	t.editClients(func(c *emulator.Client) { c.RequireProofOfPossession = true })
}
