// Package jwt parses a signed JSON Web Token, strictly and without trusting it.
//
// Libraries differ in the tokens that they read: some accept padding, the other
// base64 alphabet, line breaks, spare bits, repeated names or names in another case.
// The token that one of them verifies can then differ from the token that another
// uses. This package accepts one form of a token (RFC 7515, Section 7.1, compact),
// rejects every other, and decodes a token once. Its errors are of type
// [*fault.Fault].
//
// The package checks no signature. It does not know keys, or the meaning of a claim
// for an application.
package jwt

import (
	"errors"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

const (
	// maxSize is the length of the longest accepted token. It is checked before
	// anything is split or decoded. Tokens of Auth0 with many permissions
	// reach 10 kB.
	maxSize = 16 << 10

	maxHeader = 1 << 10
	maxKeyID  = 256
)

// A Message has the parts of a token. None of them is verified.
type Message struct {
	Algorithm string
	KeyID     string // empty if the header has none
	Type      string // empty if the header has none

	// SigningInput is the signed text (RFC 7515, Section 5.2): characters of the
	// token itself, not a new encoding.
	SigningInput string
	// Payload is the decoded text of the claims.
	Payload string

	signature string // encoded, and not empty
}

// AppendSignature appends the bytes of the signature to dst. It fails if the signature is
// not base64url.
func (m *Message) AppendSignature(dst []byte) ([]byte, error) {
	dst, ok := base64url.Append(dst, m.signature, -1)
	if !ok {
		return nil, malformed(m.SigningInput + "." + m.signature)
	}
	return dst, nil
}

// tooLarge is made once, because attackers send long texts for free.
var tooLarge = fault.Size.Because("the token has more than %d bytes", maxSize)

// Parse parses a token.
func Parse(token string) (Message, error) {
	m, err := ParseInput(token)
	if err == nil && !base64url.IsValid(m.signature) {
		err = malformed(token)
	}
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

// ParseInput is Parse without the check that the signature is base64url. It is for
// callers that decode the signature, with [Message.AppendSignature], before they accept
// the token.
func ParseInput(token string) (Message, error) {
	if len(token) > maxSize {
		return Message{}, tooLarge
	}
	header, rest, ok1 := strings.Cut(token, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || header == "" || payload == "" || base64url.DecodedLen(header) > maxHeader || strings.Contains(signature, ".") {
		return Message{}, malformed(token)
	}
	m := Message{SigningInput: token[:len(token)-len(signature)-1], signature: signature}
	header, ok1, m.Payload, ok2 = base64url.DecodeTwo(header, payload)
	if !ok1 {
		return Message{}, malformed(token)
	}
	if err := m.readHeader(header); err != nil {
		return Message{}, err
	}
	if strings.EqualFold(m.Algorithm, "none") {
		return Message{}, fault.Algorithm.Because("alg is %.40q: the token is not signed", m.Algorithm)
	}
	if !ok2 || signature == "" { // after the header, whose faults are more precise
		return Message{}, malformed(token)
	}
	return m, nil
}

// readHeader reads the relevant parameters. It ignores parameters that offer a key (jwk,
// jku, x5u, x5c), as RFC 8725, Section 3.10 requires: keys come from the issuer. It rejects parameters that change the signed text, whether crit
// lists them or not.
func (m *Message) readHeader(text string) error {
	const (
		alg = 1 << iota
		kid
		typ
		crit
		b64
		zip
		cty
	)
	seen := 0
	var bad error
	err := jsonscan.Object(text, func(name, value string) error {
		var ok bool
		bit := 0
		switch name {
		case "alg":
			bit = alg
			if m.Algorithm, ok = jsonscan.String(value); !ok || m.Algorithm == "" {
				bad = fault.HeaderAlg.Because("alg is %s, want a name such as RS256", form(value))
			}
		case "kid":
			bit = kid
			if m.KeyID, ok = jsonscan.String(value); !ok {
				bad = fault.Malformed.Because("kid in the header is %s, want a string", form(value))
			} else if len(m.KeyID) > maxKeyID {
				bad = fault.UnknownKey.Because("kid has %d bytes, more than %d", len(m.KeyID), maxKeyID)
			}
		case "typ":
			bit = typ
			if m.Type, ok = jsonscan.String(value); !ok {
				bad = fault.HeaderType.Because("typ in the header is %s, want a string", form(value))
			}
		case "crit":
			// RFC 7515, Section 4.1.11: no extension is understood here.
			bit, bad = crit, unsupported(name)
		case "b64":
			bit, bad = b64, unsupported(name)
		case "zip":
			bit, bad = zip, unsupported(name)
		case "cty":
			// RFC 7519, Section 5.2: a token inside this one.
			bit, bad = cty, unsupported(name)
		}
		if bit&seen != 0 {
			return fault.Malformed.Because("the header has %s twice", name)
		}
		seen |= bit
		return nil
	})
	switch {
	case errors.Is(err, fault.Malformed):
		return err
	case err != nil:
		return fault.Malformed.Because("the header is not a JSON object")
	case bad != nil:
		return bad
	case seen&alg == 0:
		return fault.HeaderAlg.Because("the header has no alg")
	}
	return nil
}

func unsupported(name string) error {
	return fault.Extension.Because("the header has %s, which is not supported", name)
}
