// Package fault lists the faults of JSON Web Tokens. A fault is a value, so that
// the program compares faults and not texts.
//
// The package does not know the verifier of a token. It has no HTTP status and no
// text for a visitor.
package fault

import "fmt"

// A Fault is a reason to reject a token. An API sends its description in the
// challenge for an access token (RFC 6750, Section 3).
type Fault struct {
	// Reason is a word for metrics and logs. Description contains no text of the
	// token. Cause is for the log only, and can be nil.
	Reason, Description string
	Cause               error
}

func (f *Fault) Error() string {
	if f.Cause != nil {
		return f.Description + ": " + f.Cause.Error()
	}
	return f.Description
}

// Is reports whether target is the row of the table from which f was made.
func (f *Fault) Is(target error) bool {
	row, ok := target.(*Fault)
	return ok && row.Cause == nil && row.Reason == f.Reason && row.Description == f.Description
}

// Because returns a copy of the fault with a cause, which is formatted when it is
// read.
func (f *Fault) Because(format string, args ...any) *Fault {
	return &Fault{f.Reason, f.Description, &cause{format, args}}
}

// A cause is formatted when Error is called. Most faults are not logged, and
// formatting takes as long as checking a token.
type cause struct {
	format string
	args   []any
}

func (c *cause) Error() string { return fmt.Errorf(c.format, c.args...).Error() }

// Unwrap returns the error among the arguments, of which there is at most one.
func (c *cause) Unwrap() error {
	for _, arg := range c.args {
		if err, ok := arg.(error); ok {
			return err
		}
	}
	return nil
}

// The faults. Some share a description and differ in the reason, to reveal no more
// than necessary to a client.
var (
	Malformed    = &Fault{"token_malformed", "token malformed", nil}
	Size         = &Fault{"token_too_large", "token malformed", nil}
	HeaderAlg    = &Fault{"invalid_alg", "token malformed", nil}
	Extension    = &Fault{"unsupported_crit", "token malformed", nil}
	HeaderType   = &Fault{"invalid_type", "token malformed", nil}
	Type         = &Fault{"invalid_type", "token type not accepted", nil}
	Algorithm    = &Fault{"invalid_alg", "algorithm not accepted", nil}
	UnknownKey   = &Fault{"unknown_kid", "signing key unknown", nil}
	KeyUnusable  = &Fault{"key_unusable", "signing key unknown", nil}
	AmbiguousKey = &Fault{"ambiguous_kid", "signing key unknown", nil}
	Signature    = &Fault{"invalid_signature", "signature invalid", nil}
	TooOld       = &Fault{"token_too_old", "token expired", nil}
	Expired      = &Fault{"token_expired", "token expired", nil}
	NotYet       = &Fault{"token_not_yet_valid", "token not yet valid", nil}
	IssuedAhead  = &Fault{"issued_in_future", "token not yet valid", nil}
	Issuer       = &Fault{"invalid_issuer", "issuer not trusted", nil}
	Audience     = &Fault{"invalid_audience", "audience not accepted", nil}
	Claim        = &Fault{"invalid_claim", "token claims invalid", nil}
	Duplicate    = &Fault{"token_malformed", "token claims invalid", nil}
	Bound        = &Fault{"dpop_required", "token is sender-constrained", nil}
	NoKey        = &Fault{"dpop_binding_mismatch", "token not bound to a key", nil}
	OtherKey     = &Fault{"dpop_binding_mismatch", "token not bound to this key", nil}
	Keys         = &Fault{"keys_unavailable", "signing keys unavailable", nil}
	Nonce        = &Fault{"nonce_mismatch", "nonce does not belong to this login", nil}
	AuthTime     = &Fault{"auth_too_old", "authentication is too old", nil}
	ACR          = &Fault{"invalid_acr", "authentication is not strong enough", nil}
	Hash         = &Fault{"invalid_hash", "hash of access token or code does not fit", nil}
	Organization = &Fault{"invalid_claim", "organization does not fit", nil}

	NoCertificate      = &Fault{"certificate_required", "client certificate required", nil}
	OtherCertificate   = &Fault{"certificate_mismatch", "client certificate mismatch", nil}
	CertificateBinding = &Fault{"certificate_binding_required", "client certificate binding required", nil}
	Proof              = &Fault{"invalid_dpop_proof", "DPoP proof invalid", nil}
	ProofNonce         = &Fault{"use_dpop_nonce", "nonce required", nil}
)
