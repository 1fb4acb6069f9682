package emulator

import (
	"errors"
	"fmt"
	"slices"
)

// A binding is the proof required of a token's holder: the key of a DPoP proof (RFC
// 9449, Section 6), or a certificate (RFC 8705, Section 3.1). It is zero for a bearer
// token.
type binding struct {
	jkt string // thumbprint of the key
	x5t string // thumbprint of the certificate
}

// claim returns the cnf claim.
func (b binding) claim() map[string]any {
	cnf := map[string]any{}
	if b.jkt != "" {
		cnf["jkt"] = b.jkt
	}
	if b.x5t != "" {
		cnf["x5t#S256"] = b.x5t
	}
	return cnf
}

// tokenType is the token_type of an access token.
func (b binding) tokenType() string {
	if b.jkt != "" {
		return "DPoP"
	}
	return "Bearer"
}

// noKey is the thumbprint of no key. It stands for an unusable cnf, so that nothing
// satisfies it.
const noKey = "-"

// bindingOf reads the cnf claim of an access token.
func bindingOf(claims map[string]any) binding {
	if claims["cnf"] == nil {
		return binding{}
	}
	cnf, _ := claims["cnf"].(map[string]any)
	jkt, _ := cnf["jkt"].(string)
	x5t, _ := cnf["x5t#S256"].(string)
	if jkt == "" && x5t == "" {
		return binding{jkt: noKey}
	}
	return binding{jkt, x5t}
}

// A ProofOfPossession is the setting of that name of an API: whether its access tokens
// are bound to the application that gets them.
type ProofOfPossession struct {
	// Mechanism is "dpop" or "mtls". Empty means that access tokens of the API are
	// always bearer tokens.
	Mechanism string

	// Required rejects requests without a proof.
	Required bool

	// RequiredFor is "all_clients" (also the empty string) or "public_clients".
	RequiredFor string
}

func (p ProofOfPossession) check() error {
	switch {
	case !slices.Contains([]string{"", "dpop", "mtls"}, p.Mechanism):
		return fmt.Errorf("unknown mechanism %q of ProofOfPossession", p.Mechanism)
	case !slices.Contains([]string{"", "all_clients", "public_clients"}, p.RequiredFor):
		return fmt.Errorf("unknown RequiredFor %q of ProofOfPossession", p.RequiredFor)
	case p.Mechanism == "" && p.Required:
		return errors.New("ProofOfPossession without a mechanism cannot be required")
	}
	return nil
}

// requiredOf reports whether the API requires a sender-constrained token of a client.
func (p ProofOfPossession) requiredOf(public bool) bool {
	return p.Required && (public || p.RequiredFor != "public_clients")
}

// accepted returns the part of a request's proof to which the API binds tokens.
func (p ProofOfPossession) accepted(shown binding) binding {
	switch p.Mechanism {
	case "dpop":
		return binding{jkt: shown.jkt}
	case "mtls":
		return binding{x5t: shown.x5t}
	}
	return binding{}
}
