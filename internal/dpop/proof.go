package dpop

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/keys"
)

const (
	maxProof     = 8 << 10
	maxHeader    = 2 << 10
	maxID        = 256
	maxSignature = 8192 / 8 // of an RSA key of the longest size
)

// Algorithms are those that a proof can be signed with. EdDSA is Ed25519.
var Algorithms = []string{"ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"}

// Accepted returns the algorithms that an API accepts: those of its configuration, or
// the default. The error completes a sentence that begins with the name of the setting.
func Accepted(algorithms []string) ([]string, error) {
	if len(algorithms) == 0 {
		return []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"}, nil
	}
	for _, alg := range algorithms {
		if !slices.Contains(Algorithms, alg) {
			return nil, fmt.Errorf("%.40q is not one of %q", alg, Algorithms)
		}
	}
	return slices.Clone(algorithms), nil
}

// A Proof has the parts of a proof, and the key that it brings. Nothing of it is
// verified.
type Proof struct {
	key       *keys.PublicKey
	algorithm string
	input     string // what is signed: characters of the proof itself
	claims    string
	signature string // encoded, and well-formed
}

// tooLong is made once, because anybody can send such a text.
var tooLong = fault.Proof.Because("header: the proof has more than %d bytes", maxProof)

// Parse takes the value of the header DPoP apart (RFC 9449, Section 4.3, items 2, 4, 5
// and 7).
// It checks all that needs no access token: the form, typ, alg, and the key. The errors
// are [fault.Proof]; the cause begins with the name of the check that failed.
func Parse(text string, algorithms []string) (Proof, error) {
	if len(text) > maxProof {
		return Proof{}, tooLong
	}
	head, rest, _ := strings.Cut(text, ".")
	body, signature, _ := strings.Cut(rest, ".")
	if head == "" || body == "" || signature == "" || base64url.DecodedLen(head) > maxHeader || !base64url.IsValid(signature) {
		return Proof{}, fault.Proof.Because("header: not three parts in base64url, of which the first has at most %d bytes", maxHeader)
	}
	header, ok1, claims, ok2 := base64url.DecodeTwo(head, body)
	if !ok1 || !ok2 {
		return Proof{}, fault.Proof.Because("header: a part is not in base64url without padding")
	}
	h, err := readHeader(header)
	if err != nil {
		return Proof{}, err
	}
	alg, key, err := h.key(algorithms)
	if err != nil {
		return Proof{}, err
	}
	return Proof{key, alg, text[:len(text)-len(signature)-1], claims, signature}, nil
}

// errTwice stops the reading of an object.
var errTwice = errors.New("a member is there twice")

// A header has the parameters that count, as JSON. The proof alone decides which key
// made it, so kid, jku, x5u and x5c have no meaning here.
type header struct{ typ, alg, jwk string }

func readHeader(text string) (h header, err error) {
	extension := ""
	err = jsonscan.Object(text, func(name, value string) error {
		var member *string
		switch name {
		case "typ":
			member = &h.typ
		case "alg":
			member = &h.alg
		case "jwk":
			member = &h.jwk
		case "crit", "b64", "zip", "cty": // which change what is signed, whether crit lists them or not
			extension = name
			return nil
		default:
			return nil
		}
		if *member != "" {
			return errTwice
		}
		*member = value
		return nil
	})
	switch {
	case err != nil:
		return h, fault.Proof.Because("header: not one JSON object with each of typ, alg and jwk once")
	case extension != "":
		return h, fault.Proof.Because("header: it has %s, which is not supported", extension)
	}
	return h, nil
}

// key checks the header, and returns the algorithm and the key of the proof.
func (h header) key(algorithms []string) (alg string, key *keys.PublicKey, err error) {
	typ, _ := jsonscan.String(h.typ)
	if !strings.EqualFold(typ, "dpop+jwt") && !strings.EqualFold(typ, "application/dpop+jwt") {
		return "", nil, fault.Proof.Because("typ: %.40q, want dpop+jwt", typ)
	}
	alg, _ = jsonscan.String(h.alg)
	if !slices.Contains(algorithms, alg) {
		return "", nil, fault.Proof.Because("alg: %.40q, want one of %q", alg, algorithms)
	}
	key, err = keys.ParsePublicKey(h.jwk)
	switch {
	case err != nil:
		return "", nil, fault.Proof.Because("jwk: the key %w", err)
	case !key.Fits(alg):
		return "", nil, fault.Proof.Because("alg: %.40q does not fit the key in jwk", alg)
	}
	return alg, key, nil
}

// Thumbprint returns the RFC 7638 thumbprint of the key of the proof, for the comparison
// with the claim cnf of the access token.
func (p *Proof) Thumbprint() string { return p.key.Thumbprint() }

// Expect is what the proof of a request must say.
type Expect struct {
	Method         string
	URL            string   // see [Bases.URL]
	TokenSum       [32]byte // the SHA-256 of the access token
	Now            time.Time
	MaxAge, Leeway time.Duration
	Nonces         *Nonces // nil for none
}

// A Use is one use of a proof. The proof is good if a memory of the past uses has no
// entry for the Key, and keeps one until Expiry.
type Use struct {
	Key    string
	Expiry time.Time
	Nonce  string // for the response, if the client needs a newer one
}

// Verify checks a proof of which the key is the one that the access token is bound to
// (RFC 9449, Section 4.3, items 3, 6 and 8 to 12): the claims, the nonce, and the signature as
// the last one. The errors are [fault.Proof] and [fault.ProofNonce].
func (p *Proof) Verify(e Expect) (Use, error) {
	c, err := readClaims(p.claims)
	if err != nil {
		return Use{}, err
	}
	if err := c.check(e); err != nil {
		return Use{}, err
	}
	nonce, err := e.Nonces.check(c.nonce, e.Now)
	if err != nil {
		return Use{}, err
	}
	var array [maxSignature]byte
	signature, _ := base64url.Append(array[:0], p.signature, -1)
	if !p.key.Verify(p.algorithm, p.input, signature) {
		return Use{}, fault.Proof.Because("signature: not made by the key in jwk")
	}
	return Use{Key: useKey(p.Thumbprint(), c.id), Expiry: c.until(e), Nonce: nonce}, nil
}

// useKey returns the name of a proof. It does not reveal the proof, and has one form
// whatever a client has chosen.
func useKey(thumbprint, id string) string {
	var array [64 + 1 + maxID]byte
	text := append(append(append(array[:0], thumbprint...), 0), id...)
	sum := sha256.Sum256(text)
	name := append(array[:0], "dpop:"...)
	return string(base64.RawURLEncoding.AppendEncode(name, sum[:]))
}

// claims has those that count, zero if they are absent or of another type. So exp, nbf
// and what the client adds mean nothing.
type claims struct {
	method, url, id, tokenHash, nonce string

	issuedAt float64 // Unix seconds
}

func readClaims(text string) (c claims, err error) {
	seen := 0
	err = jsonscan.Object(text, func(name, value string) error {
		bit := 0
		switch name {
		case "htm":
			bit = 1
			c.method, _ = jsonscan.String(value)
		case "htu":
			bit = 2
			c.url, _ = jsonscan.String(value)
		case "jti":
			bit = 4
			c.id, _ = jsonscan.String(value)
		case "ath":
			bit = 8
			c.tokenHash, _ = jsonscan.String(value)
		case "nonce":
			bit = 16
			c.nonce, _ = jsonscan.String(value)
		case "iat":
			bit = 32
			c.issuedAt, _ = jsonscan.Number(value)
		}
		if seen&bit != 0 {
			return errTwice
		}
		seen |= bit
		return nil
	})
	if err != nil {
		return claims{}, fault.Proof.Because("header: the claims are not one JSON object with each claim once")
	}
	return c, nil
}

// check compares the claims with the request.
func (c *claims) check(e Expect) error {
	if c.method == "" || c.method != e.Method {
		return fault.Proof.Because("htm: %.40q, want %.40q", c.method, e.Method)
	}
	if e.URL == "" || !sameURL(c.url, e.URL) {
		return fault.Proof.Because("htu: %.300q, want %.300q", c.url, e.URL)
	}
	if now := unix(e.Now); c.issuedAt < now-e.MaxAge.Seconds() || c.issuedAt > now+e.Leeway.Seconds() {
		return fault.Proof.Because("iat: %.0f s ago, want %.0f to %.0f s ago; compare the clocks of the client and of this machine", now-c.issuedAt, -e.Leeway.Seconds(), e.MaxAge.Seconds())
	}
	if c.id == "" || len(c.id) > maxID {
		return fault.Proof.Because("jti: it has %d bytes, want a text of 1 to %d", len(c.id), maxID)
	}
	var array [sha256.Size]byte
	if hash, ok := base64url.Append(array[:0], c.tokenHash, sha256.Size); !ok || subtle.ConstantTimeCompare(hash, e.TokenSum[:]) != 1 {
		return fault.Proof.Because("ath: not the hash of the access token")
	}
	return nil
}

func unix(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// until returns when no API accepts the proof any more. The clocks of several instances
// may differ by the leeway.
func (c *claims) until(e Expect) time.Time {
	issued := time.UnixMilli(int64(c.issuedAt * 1e3))
	return issued.Add(e.MaxAge + e.Leeway + time.Second)
}
