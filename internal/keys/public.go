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

// A PublicKey is a checked public key that is in no [Set]. Its signature proves that the
// sender has the private key, but not the sender's identity.
type PublicKey struct{ key Key }

// Verify reports whether the key made a signature with an algorithm. The caller has
// checked that the algorithm is allowed.
func (p *PublicKey) Verify(algorithm, input string, signature []byte) bool {
	return slices.Contains(p.key.algorithms, algorithm) && p.key.made(signature, algorithm, input)
}

// A JWK has the members of a public key (RFC 7517, Section 4). A key has one text for
// each: without padding, with the full length of its curve, and without leading zeros
// for RSA (RFC 7518, Sections 6.2.1 and 6.3.1; RFC 8037, Section 2). So it has one
// thumbprint. The members of a parsed JWK are base64url. [JWK.Key] checks everything
// else.
type JWK struct{ kty, crv, x, y, n, e string }

// JWKOf returns the JWK of a program's own key, if the key passes the checks for keys of
// others.
func JWKOf(public crypto.PublicKey) (JWK, error) {
	if _, err := algorithmsOf(public); err != nil {
		return JWK{}, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return JWK{}, err
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		return JWK{kty: "EC", crv: key.Params().Name, x: b64(x), y: b64(y)}, nil
	case *rsa.PublicKey:
		return JWK{kty: "RSA", n: b64(key.N.Bytes()), e: b64(big.NewInt(int64(key.E)).Bytes())}, nil
	case ed25519.PublicKey:
		return JWK{kty: "OKP", crv: "Ed25519", x: b64(key)}, nil
	}
	return JWK{}, errKind
}

// ParseJWK reads a public JWK. Members that are not part of a public key, such as kid
// and x5c, have no meaning here. ParseJWK rejects a private or shared key, because its
// sender has disclosed it. The error completes a sentence that begins with the name of the
// key, and quotes no part of the key.
func ParseJWK(text string) (JWK, error) {
	all, err := readMembers(text)
	if err != nil {
		return JWK{}, err
	}
	switch all.kty {
	case "EC":
		if curves[all.crv] == nil {
			return JWK{}, errCurve
		}
		return JWK{kty: all.kty, crv: all.crv, x: all.x, y: all.y}, nil
	case "OKP":
		if all.crv != "Ed25519" {
			return JWK{}, errCurve
		}
		return JWK{kty: all.kty, crv: all.crv, x: all.x}, nil
	case "RSA":
		return JWK{kty: all.kty, n: all.n, e: all.e}, nil
	}
	return JWK{}, errKind
}

// Fits reports whether the key is of the kind that an algorithm uses.
func (j *JWK) Fits(algorithm string) bool {
	switch j.kty {
	case "EC":
		return slices.Contains(ofCurve[curves[j.crv]], algorithm)
	case "OKP":
		return slices.Contains(ofEdwards, algorithm)
	}
	return slices.Contains(ofRSA, algorithm)
}

// String returns the required members in the form of RFC 7638, Section 3.
func (j *JWK) String() string { return string(j.append(nil)) }

// Thumbprint returns the SHA-256 thumbprint of the key (RFC 7638, Section 3), as
// base64url.
func (j *JWK) Thumbprint() string {
	var array [2048]byte // enough for every accepted key
	sum := sha256.Sum256(j.append(array[:0]))
	return string(base64.RawURLEncoding.AppendEncode(array[:0], sum[:]))
}

// append appends the required members in the order of RFC 7638, Section 3.2, and RFC
// 8037, Appendix A.3. No value has a character that JSON escapes.
func (j *JWK) append(dst []byte) []byte {
	open := `{"`
	for _, member := range [...][2]string{{"crv", j.crv}, {"e", j.e}, {"kty", j.kty}, {"n", j.n}, {"x", j.x}, {"y", j.y}} {
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

// Key returns the key, if it is usable: it has the right size, is on its curve, and does
// not have low order. The error is like that of [ParseJWK].
func (j *JWK) Key() (*PublicKey, error) {
	var public crypto.PublicKey
	var err error
	switch j.kty {
	case "EC":
		if public, err = j.ec(); err != nil {
			return nil, err
		}
		// Package ecdsa has checked the point, which algorithmsOf would do again.
		return &PublicKey{Key{algorithms: ofCurve[curves[j.crv]], key: public}}, nil
	case "OKP":
		public, err = j.edwards()
	default:
		public, err = j.rsa()
	}
	if err != nil {
		return nil, err
	}
	algorithms, err := algorithmsOf(public)
	if err != nil {
		return nil, err
	}
	return &PublicKey{Key{algorithms: algorithms, key: public}}, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (j *JWK) ec() (*ecdsa.PublicKey, error) {
	curve := curves[j.crv]
	size := (curve.Params().BitSize + 7) / 8
	var array [1 + 2*66]byte // enough for P-521
	point, ok1 := base64url.Append(append(array[:0], 4), j.x, size)
	point, ok2 := base64url.Append(point, j.y, size)
	if !ok1 || !ok2 {
		return nil, errForm
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("is not on its curve")
	}
	return key, nil
}

func (j *JWK) edwards() (ed25519.PublicKey, error) {
	x, ok := base64url.Append(nil, j.x, ed25519.PublicKeySize)
	if !ok {
		return nil, errForm
	}
	return x, nil
}

func (j *JWK) rsa() (*rsa.PublicKey, error) {
	const maxModulus, maxExponent = 8192 / 8, 4
	n, ok1 := base64url.Append(nil, j.n, -1)
	e, ok2 := base64url.Append(nil, j.e, -1)
	if !ok1 || !ok2 || len(n) == 0 || len(e) == 0 || n[0] == 0 || e[0] == 0 || len(n) > maxModulus || len(e) > maxExponent {
		return nil, errForm
	}
	exponent := 0
	for _, b := range e {
		if exponent >= 1<<23 { // the next byte would not fit 31 bits
			return nil, errForm
		}
		exponent = exponent<<8 | int(b)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}, nil
}

var (
	errTwice = errors.New("has a member twice") // stops the reading of a JWK
	errKind  = errors.New("is of no kind that is used here")
	errCurve = errors.New("is on a curve that is not used here")
	errForm  = errors.New("has coordinates or numbers of the wrong form")
)

// readMembers reads the members that make a public key of any kind. Their values have
// no quotation marks, so that two keys cannot have one thumbprint.
func readMembers(jwk string) (all JWK, err error) {
	var bad error
	err = jsonscan.Object(jwk, func(name, value string) error {
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
		case len(name) == 1 && !base64url.IsValid(text):
			bad = errForm
		}
		*member = text
		return nil
	})
	switch {
	case err == errTwice:
		return JWK{}, err
	case err != nil:
		return JWK{}, errors.New("is not a JSON object")
	}
	return all, bad
}
