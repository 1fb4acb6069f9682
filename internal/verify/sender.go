package verify

import (
	"crypto/x509"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/clientcert"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// checkScheme rejects a token without the scheme DPoP, if the API requires it.
func (ch *Checker) checkScheme(p Presented) error {
	if ch.Proofs != nil && ch.Proofs.Required && p.How != InSession && !p.DPoP {
		return refusal.ProofRequired.Because("the token did not come with the scheme DPoP and a proof, which APIConfig.DPoP requires")
	}
	return nil
}

// readProof returns the unverified proof that came with a token. It is nil for a token
// that needs none.
func (ch *Checker) readProof(p Presented) (*dpop.Proof, error) {
	if ch.Proofs == nil || p.How == InSession || !p.DPoP {
		return nil, nil
	}
	return ch.Proofs.Read(p.Request)
}

// checkSender compares the binding of a verified token with the evidence that came with
// it.
func (ch *Checker) checkSender(p Presented, proof *dpop.Proof, c *jwt.Claims) error {
	switch _, _, bound := c.Confirmation(); {
	case p.How == InSession:
		return nil
	case p.How == Alone && bound:
		return fault.Bound.Because("the token has cnf, and API.Verify does not know the sender")
	}
	thumbprint := ""
	if proof != nil {
		var err error
		if thumbprint, err = proof.Thumbprint(); err != nil {
			return err
		}
	}
	if err := access.CheckKey(c, thumbprint); err != nil {
		return err
	}
	certificate, err := ch.certificateFor(p, c)
	if err != nil {
		return err
	}
	if err := ch.Rules.CheckCertificate(c, certificate); err != nil {
		return err
	}
	if proof == nil && ch.AcceptsDPoP() && p.How == InRequest && len(p.Request.Header.Values(dpop.Header)) > 0 {
		return refusal.ProofWithBearer.Because("the token is not bound to a key; a client that sends proofs must request its tokens with one")
	}
	return nil
}

// certificateFor returns the certificate that came with a token, if the token needs one.
func (ch *Checker) certificateFor(p Presented, c *jwt.Claims) (*x509.Certificate, error) {
	if _, thumbprint, _ := c.Confirmation(); p.How != InRequest || thumbprint == "" {
		return p.Certificate, nil
	}
	if ch.Certificate == nil {
		return clientcert.FromTLS(p.Request), nil
	}
	return ch.Certificate(p.Request)
}
