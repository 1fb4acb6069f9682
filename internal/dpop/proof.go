package dpop

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/memo"
)

const (
	maxProof     = 8 << 10
	maxHeader    = 2 << 10
	maxID        = 256
	maxSignature = 8192 / 8 // of an RSA key of 8192 bits
)

// usable are the signature algorithms of proofs. EdDSA is Ed25519.
var usable = []string{"ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"}

// accepted returns the algorithms that an API accepts: those of its configuration, or
// the default. The error completes a sentence that begins with the name of the setting.
func accepted(algorithms []string) ([]string, error) {
	if len(algorithms) == 0 {
		return []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"}, nil
	}
	for _, alg := range algorithms {
		if !slices.Contains(usable, alg) {
			return nil, fmt.Errorf("%.40q is not one of %q", alg, usable)
		}
	}
	return slices.Clone(algorithms), nil
}

// A Reader reads the proofs of an API. It is safe for concurrent use.
type Reader struct {
	algorithms []string
	// known are the headers of valid proofs. A client sends the same one with each
	// request. A client without a valid token cannot add one.
	known *memo.Cache[*header]
	seed  maphash.Seed
}

// NewReader returns a Reader that accepts algorithms.
func NewReader(algorithms []string) *Reader {
	const places = 1024 // of about 1 KB
	return &Reader{algorithms, memo.New[*header](places), maphash.MakeSeed()}
}

// A header has the parameters of the header of a proof.
type header struct {
	alg string
	jwk keys.JWK // of an unknown header

	key        *keys.PublicKey // nil until it is needed, as the next one
	thumbprint string
}

// A Proof has the unverified parts of a proof. A Proof is for one goroutine.
type Proof struct {
	reader *Reader
	*header
	own header // of a proof with an unknown header

	// These are characters of the proof, and well-formed base64url.
	input                   string // the signed text
	head, claims, signature string
}

// Format hides the proof, which is valid until it is used.
func (p *Proof) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(DPoP proof)") }

// tooLong is made once, because attackers send long texts for free.
var tooLong = fault.Proof.Because("header: the proof has more than %d bytes", maxProof)

// Parse parses the value of the header DPoP (RFC 9449, Section 4.3, items 2, 4, 5 and 7).
// It checks the form, typ, alg and jwk: everything that requires no access token and no
// arithmetic. The errors are [fault.Proof]. Their cause begins with the name of the failed
// check.
func (r *Reader) Parse(text string) (*Proof, error) {
	if len(text) > maxProof {
		return nil, tooLong
	}
	head, rest, _ := strings.Cut(text, ".")
	body, signature, _ := strings.Cut(rest, ".")
	if head == "" || body == "" || signature == "" || base64url.DecodedLen(head) > maxHeader || !base64url.IsValid(body) || !base64url.IsValid(signature) {
		return nil, fault.Proof.Because("header: not three parts in base64url without padding, of which the first has at most %d bytes", maxHeader)
	}
	p := &Proof{reader: r, input: text[:len(text)-len(signature)-1], head: head, claims: body, signature: signature}
	if slot := r.slot(head); r.known.Has(slot) {
		if known, ok := r.known.Get(slot, memo.SumOf(head)); ok {
			p.header = known
			return p, nil
		}
	}
	decoded, ok, _, _ := base64url.DecodeTwo(head, "")
	if !ok {
		return nil, fault.Proof.Because("header: not in base64url without padding")
	}
	raw, err := readHeader(decoded)
	if err != nil {
		return nil, err
	}
	if p.own, err = raw.check(r.algorithms); err != nil {
		return nil, err
	}
	p.header = &p.own
	return p, nil
}

// slot returns the place of a header. An attacker cannot compute it.
func (r *Reader) slot(head string) memo.Slot { return memo.Slot(maphash.String(r.seed, head)) }

// errTwice stops the reading of an object.
var errTwice = errors.New("a member is there twice")

// A rawHeader has the relevant parameters, as JSON. The key is in jwk alone, so kid, jku,
// x5u and x5c have no meaning here.
type rawHeader struct{ typ, alg, jwk string }

func readHeader(text string) (h rawHeader, err error) {
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
		case "crit", "b64", "zip", "cty": // these change the signed text, whether crit lists them or not
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

func (h rawHeader) check(algorithms []string) (header, error) {
	typ, _ := jsonscan.String(h.typ)
	if !strings.EqualFold(typ, "dpop+jwt") && !strings.EqualFold(typ, "application/dpop+jwt") {
		return header{}, fault.Proof.Because("typ: %.40q, want dpop+jwt", typ)
	}
	alg, _ := jsonscan.String(h.alg)
	if !slices.Contains(algorithms, alg) {
		return header{}, fault.Proof.Because("alg: %.40q, want one of %q", alg, algorithms)
	}
	jwk, err := keys.ParseJWK(h.jwk)
	switch {
	case err != nil:
		return header{}, fault.Proof.Because("jwk: the key %w", err)
	case !jwk.Fits(alg):
		return header{}, fault.Proof.Because("alg: %.40q does not fit the key in jwk", alg)
	}
	return header{alg: alg, jwk: jwk}, nil
}

// Thumbprint returns the RFC 7638 thumbprint of the key of the proof, for the comparison
// with the claim cnf of the access token. It checks the key, which takes longer than
// Parse: a client without a valid token cannot cause that. The error is [fault.Proof].
func (p *Proof) Thumbprint() (string, error) {
	if p.key == nil {
		key, err := p.jwk.Key()
		if err != nil {
			return "", fault.Proof.Because("jwk: the key %w", err)
		}
		p.key, p.thumbprint = key, p.jwk.Thumbprint()
	}
	return p.thumbprint, nil
}

// Expect has the required contents of the proof of a request.
type Expect struct {
	Method         string
	URL            string   // see [Bases.URL]
	Root           bool     // the URL in the proof can lack the last slash
	TokenSum       [32]byte // the SHA-256 of the access token
	Now            time.Time
	MaxAge, Leeway time.Duration
	Nonces         *Nonces // nil for none
}

// A Use is one use of a proof. The proof is valid if a memory of past uses has no entry
// for the Key. The memory then keeps one until Expiry.
type Use struct {
	Key    string
	Expiry time.Time
	Nonce  string // for the response, if the client needs a newer one
}

// Verify checks a proof with the key to which the access token is bound (RFC 9449,
// Section 4.3, items 3, 6 and 8 to 12): the key, the claims, the nonce, and last the
// signature. The errors are [fault.Proof] and [fault.ProofNonce].
func (p *Proof) Verify(e Expect) (Use, error) {
	thumbprint, err := p.Thumbprint()
	if err != nil {
		return Use{}, err
	}
	claims, _, _, _ := base64url.DecodeTwo(p.claims, "")
	c, err := readClaims(claims)
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
	if !p.key.Verify(p.alg, p.input, signature) {
		return Use{}, fault.Proof.Because("signature: not made by the key in jwk")
	}
	use := Use{Key: useKey(thumbprint, c.id), Expiry: c.until(e), Nonce: nonce}
	if p.header == &p.own {
		p.remember()
	}
	return use, nil
}

// remember adds the header of a valid proof to the known ones, and keeps no other part of
// the proof.
func (p *Proof) remember() {
	known := &header{alg: strings.Clone(p.alg), thumbprint: p.thumbprint, key: p.key}
	p.reader.known.Put(p.reader.slot(p.head), memo.SumOf(p.head), known)
}

// useKey returns the key of a proof in a memory. It does not reveal the proof, and its
// form does not depend on the client.
func useKey(thumbprint, id string) string {
	var array [64 + 1 + maxID]byte
	text := append(append(append(array[:0], thumbprint...), 0), id...)
	sum := sha256.Sum256(text)
	name := append(array[:0], "dpop:"...)
	return string(base64.RawURLEncoding.AppendEncode(name, sum[:]))
}

// claims has the relevant claims, zero if they are absent or of another type. So exp, nbf
// and custom claims have no meaning.
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
	if e.URL == "" || !sameURL(c.url, e.URL) && !(e.Root && sameURL(c.url, strings.TrimSuffix(e.URL, "/"))) {
		return fault.Proof.Because("htu: %.300q, want %.300q", withoutQuery(c.url), e.URL) // a query can have secrets
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

// until returns the time at which no API accepts the proof any more. The clocks of
// instances can differ by the leeway.
func (c *claims) until(e Expect) time.Time {
	issued := time.UnixMilli(int64(c.issuedAt * 1e3))
	return issued.Add(e.MaxAge + e.Leeway + time.Second)
}
