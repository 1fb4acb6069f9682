package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/base64url"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
)

// A PublicKey is a checked public key that is in no [Set]. A signature that it made
// shows that its sender has the private key, and nothing about who that is.
type PublicKey struct {
	key        Key
	members    members
	thumbprint string
}

// NewPublicKey returns the public half of a key that a program has.
func NewPublicKey(public crypto.PublicKey) (*PublicKey, error) {
	algorithms, err := algorithmsOf(public)
	if err != nil {
		return nil, err
	}
	m, err := membersOf(public)
	if err != nil {
		return nil, err
	}
	return newPublicKey(public, algorithms, m), nil
}

// ParsePublicKey reads a public JWK (RFC 7517, Section 4). Members that are not part
// of a public key, such as kid and x5c, have no meaning here. A private or shared key
// is refused, because whoever sends one has given it away. The error completes a
// sentence that begins with the name of the key, and quotes nothing of it.
func ParsePublicKey(jwk string) (*PublicKey, error) {
	m, err := readMembers(jwk)
	if err != nil {
		return nil, err
	}
	public, algorithms, err := m.public()
	if err != nil {
		return nil, err
	}
	return newPublicKey(public, algorithms, m), nil
}

func newPublicKey(public crypto.PublicKey, algorithms []string, m members) *PublicKey {
	var array [2048]byte // enough for every key that is accepted
	sum := sha256.Sum256(m.appendJWK(array[:0]))
	thumbprint := string(base64.RawURLEncoding.AppendEncode(array[:0], sum[:]))
	return &PublicKey{Key{algorithms: algorithms, key: public}, m, thumbprint}
}

// Fits reports whether the key is of the kind that an algorithm uses.
func (p *PublicKey) Fits(algorithm string) bool {
	return slices.Contains(p.key.algorithms, algorithm)
}

// Verify reports whether the key made a signature with an algorithm. The caller has
// checked that the algorithm is allowed.
func (p *PublicKey) Verify(algorithm, input string, signature []byte) bool {
	return p.Fits(algorithm) && p.key.made(signature, algorithm, input, [32]byte{})
}

// JWK returns the members that make the key, in the form of RFC 7638, Section 3.
func (p *PublicKey) JWK() string { return string(p.members.appendJWK(nil)) }

// Thumbprint returns the SHA-256 thumbprint of the key (RFC 7638, Section 3), as
// base64url.
func (p *PublicKey) Thumbprint() string { return p.thumbprint }

// members has the members of a public JWK. A key has one text for each: without
// padding, with the full length of its curve, and without leading zeros for RSA (RFC
// 7518, Sections 6.2.1 and 6.3.1; RFC 8037, Section 2). So it has one thumbprint.
type members struct{ kty, crv, x, y, n, e string }

// appendJWK appends the required members in the order of RFC 7638, Section 3.2, and
// RFC 8037, Appendix A.3. No value has a character that JSON escapes.
func (m *members) appendJWK(dst []byte) []byte {
	open := `{"`
	for _, member := range [...][2]string{{"crv", m.crv}, {"e", m.e}, {"kty", m.kty}, {"n", m.n}, {"x", m.x}, {"y", m.y}} {
		if member[1] != "" {
			dst = append(dst, open...)
			dst = append(dst, member[0]...)
			dst = append(dst, `":"`...)
			dst = append(dst, member[1]...)
			open = `","`
		}
	}
	return append(dst, `"}`...)
}

var (
	errTwice = errors.New("has a member twice") // stops the reading of a JWK
	errCurve = errors.New("is on a curve that is not used here")
	errForm  = errors.New("has coordinates or numbers of the wrong form")
)

// readMembers reads the members that make a public key. It drops those of other kinds
// of keys.
func readMembers(jwk string) (members, error) {
	var all, m members
	var bad error
	err := jsonscan.Object(jwk, func(name, value string) error {
		var member *string
		switch name {
		case "kty":
			member = &all.kty
		case "crv":
			member = &all.crv
		case "x":
			member = &all.x
		case "y":
			member = &all.y
		case "n":
			member = &all.n
		case "e":
			member = &all.e
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
			bad = errors.New("is not public")
			return nil
		default:
			return nil
		}
		text, ok := jsonscan.String(value)
		switch {
		case *member != "":
			return errTwice
		case !ok || text == "":
			bad = errors.New("has a member that is not a text")
		}
		*member = text
		return nil
	})
	switch {
	case err == errTwice:
		return m, err
	case err != nil:
		return m, errors.New("is not a JSON object")
	case bad != nil:
		return m, bad
	}
	switch all.kty {
	case "EC":
		m = members{kty: all.kty, crv: all.crv, x: all.x, y: all.y}
	case "OKP":
		m = members{kty: all.kty, crv: all.crv, x: all.x}
	case "RSA":
		m = members{kty: all.kty, n: all.n, e: all.e}
	default:
		return m, errors.New("is of no kind that is used here")
	}
	return m, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// public returns the key, checked, and its algorithms.
func (m *members) public() (crypto.PublicKey, []string, error) {
	switch m.kty {
	case "EC":
		return m.ec()
	case "OKP":
		return m.edwards()
	}
	return m.rsa()
}

func (m *members) ec() (crypto.PublicKey, []string, error) {
	curve := curves[m.crv]
	if curve == nil {
		return nil, nil, errCurve
	}
	size := (curve.Params().BitSize + 7) / 8
	var array [1 + 2*66]byte // enough for P-521
	point, ok1 := base64url.Append(append(array[:0], 4), m.x, size)
	point, ok2 := base64url.Append(point, m.y, size)
	if !ok1 || !ok2 {
		return nil, nil, errForm
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, nil, errors.New("is not on its curve")
	}
	return key, ofCurve[curve], nil // algorithmsOf would look for the curve again
}

func (m *members) edwards() (crypto.PublicKey, []string, error) {
	if m.crv != "Ed25519" {
		return nil, nil, errCurve
	}
	x, ok := base64url.Append(nil, m.x, ed25519.PublicKeySize)
	if !ok {
		return nil, nil, errForm
	}
	key := ed25519.PublicKey(x)
	algorithms, err := algorithmsOf(key)
	return key, algorithms, err
}

func (m *members) rsa() (crypto.PublicKey, []string, error) {
	const maxModulus, maxExponent = 8192 / 8, 4
	n, ok1 := base64url.Append(nil, m.n, -1)
	e, ok2 := base64url.Append(nil, m.e, -1)
	if !ok1 || !ok2 || len(n) == 0 || len(e) == 0 || n[0] == 0 || e[0] == 0 || len(n) > maxModulus || len(e) > maxExponent {
		return nil, nil, errForm
	}
	exponent := 0
	for _, b := range e {
		if exponent >= 1<<23 { // the next byte would not fit 31 bits
			return nil, nil, errForm
		}
		exponent = exponent<<8 | int(b)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}
	algorithms, err := algorithmsOf(key)
	return key, algorithms, err
}

// membersOf returns the members of the JWK of a key.
func membersOf(public crypto.PublicKey) (members, error) {
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return members{}, errors.New("is not on its curve")
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		return members{kty: "EC", crv: key.Params().Name, x: b64(x), y: b64(y)}, nil
	case *rsa.PublicKey:
		return members{kty: "RSA", n: b64(key.N.Bytes()), e: b64(big.NewInt(int64(key.E)).Bytes())}, nil
	case ed25519.PublicKey:
		return members{kty: "OKP", crv: "Ed25519", x: b64(key)}, nil
	}
	return members{}, errors.New("is of no kind that is used here")
}
