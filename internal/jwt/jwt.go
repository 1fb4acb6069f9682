// Package jwt takes a signed JSON Web Token apart, strictly and without
// trusting it.
//
// A token is not one text for every library: padding, the other base64
// alphabet, line breaks, spare bits, repeated and differently cased names are
// read by some and not by others, so that what was verified and what is used
// can differ. Here a token has one form (RFC 7515, Section 7.1, compact) or is
// refused, and is decoded once.
//
// Nothing in this package checks a signature.
package jwt

import (
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

const (
	// MaxSize is the longest token looked at. It is checked before anything is
	// split or decoded. Auth0 tokens with many permissions reach 10 kB.
	MaxSize = 16 << 10

	maxHeader = 1 << 10
	maxKeyID  = 256
)

// A Message is a token taken apart. Its strings are not verified.
type Message struct {
	Algorithm string
	KeyID     string // empty if the header has none
	Type      string // empty if the header has none

	// SigningInput is what the signature is over (RFC 7515, Section 5.2):
	// the token's own characters, not an encoding made anew.
	SigningInput string
	// SHA256 is that of SigningInput if somebody had it already, else zero.
	SHA256 [32]byte
	// Payload is the decoded text of the claims.
	Payload string

	signature string // encoded, and well-formed
}

// AppendSignature appends the bytes of the signature to dst.
func (m *Message) AppendSignature(dst []byte) []byte {
	n := decodedLen(m.signature)
	dst = slices.Grow(dst, n)
	end := len(dst)
	decode(dst[end:end+n], m.signature)
	return dst[:end+n]
}

// Parse takes a token apart. Its errors are those of this package.
func Parse(token string) (Message, error) {
	if len(token) > MaxSize {
		return Message{}, fault.Size
	}
	header, rest, ok1 := strings.Cut(token, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || header == "" || payload == "" {
		return Message{}, fault.Malformed
	}
	if decodedLen(header) > maxHeader {
		return Message{}, fault.Malformed
	}
	m := Message{SigningInput: token[:len(token)-len(signature)-1], signature: signature}
	header, ok1, m.Payload, ok2 = decodeTwo(header, payload)
	if !ok1 {
		return Message{}, fault.Malformed
	}
	if err := m.readHeader(header); err != nil {
		return Message{}, err
	}
	if strings.EqualFold(m.Algorithm, "none") {
		return Message{}, fault.Algorithm
	}
	if !ok2 || signature == "" || !wellFormed(signature) { // what the header says comes first
		return Message{}, fault.Malformed
	}
	return m, nil
}

// readHeader takes the parameters that have a meaning here. Those that offer a
// key (jwk, jku, x5u, x5c) are ignored, as RFC 8725, Section 3.10 asks: keys
// come from the issuer. Those that change what the signature is over are
// refused, listed in crit or not.
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
				bad = fault.HeaderAlg
			}
		case "kid":
			bit = kid
			if m.KeyID, ok = jsonscan.String(value); !ok {
				bad = fault.Malformed
			} else if len(m.KeyID) > maxKeyID {
				bad = fault.UnknownKey
			}
		case "typ":
			bit = typ
			if m.Type, ok = jsonscan.String(value); !ok {
				bad = fault.HeaderType
			}
		case "crit":
			// RFC 7515, Section 4.1.11: we understand no extension.
			bit, bad = crit, fault.Extension
		case "b64":
			bit, bad = b64, fault.Extension
		case "zip":
			bit, bad = zip, fault.Extension
		case "cty":
			// RFC 7519, Section 5.2: a token inside this one.
			bit, bad = cty, fault.Extension
		}
		if bit&seen != 0 {
			return fault.Malformed
		}
		seen |= bit
		return nil
	})
	switch {
	case err != nil:
		return fault.Malformed
	case bad != nil:
		return bad
	case seen&alg == 0:
		return fault.HeaderAlg
	}
	return nil
}
