package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// A Binding is an API's policy for one kind of sender-constrained tokens.
type Binding int

const (
	Off      Binding = iota // only unbound tokens
	Allowed                 // both
	Required                // only bound tokens
)

// CheckConfirmation rejects a token whose binding is not checked. Possession of a bound
// token is not sufficient (RFC 9449, Section 7.1; RFC 8705, Section 3).
func (ru *Rules) CheckConfirmation(c *jwt.Claims) error {
	switch key, certificate, bound := c.Confirmation(); {
	case !bound:
		return nil
	case key == "" && certificate == "":
		return fault.Bound.Because("the token has cnf without jkt and x5t#S256; it is not a bearer token")
	case key != "" && ru.Key == Off:
		return fault.Bound.Because("the token has cnf with jkt; it is not a bearer token, and APIConfig.DPoP is off")
	case certificate != "" && ru.Certificate == Off:
		return fault.Bound.Because("the token has cnf with x5t#S256; it is not a bearer token, and APIConfig.Certificates is off")
	}
	return nil
}

// CheckKey compares the key of a token with the key of its proof. The thumbprint of the
// proof's key is empty for a token without a proof.
func CheckKey(c *jwt.Claims, thumbprint string) error {
	switch key, _, _ := c.Confirmation(); {
	case thumbprint == "" && key != "":
		return fault.Bound.Because("the token is bound to a key, and was not sent with the scheme DPoP and a proof")
	case thumbprint != "" && key == "":
		return fault.NoKey.Because("the token has no cnf with jkt; the client must request it with a DPoP proof")
	case !equal(key, thumbprint):
		return fault.OtherKey.Because("the proof has another key than the token request")
	}
	return nil
}

// CheckCertificate compares the certificate of a token with the one that the client
// presented, nil for none. Chain, names and dates of the certificate do not
// matter: the TLS handshake has proved that the client holds the key.
func (ru *Rules) CheckCertificate(c *jwt.Claims, certificate *x509.Certificate) error {
	_, thumbprint, _ := c.Confirmation()
	switch {
	case thumbprint == "" && ru.Certificate == Required:
		return fault.CertificateBinding.Because("the token has no cnf with x5t#S256, and APIConfig.Certificates requires it")
	case thumbprint == "":
		return nil
	case certificate == nil:
		return fault.NoCertificate.Because("the client has presented no certificate; is tls.Config.ClientAuth at least RequestClientCert?")
	}
	sum := sha256.Sum256(certificate.Raw)
	if !equal(thumbprint, base64.RawURLEncoding.EncodeToString(sum[:])) {
		return fault.OtherCertificate.Because("the client has presented another certificate than in the token request")
	}
	return nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
