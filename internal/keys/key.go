package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/seed-15d5a55c/auth0/internal/memo"
)

// A sharedKey is a secret behind a function. Package fmt prints the fields of every
// value that it reaches, but only the address of a function.
type sharedKey func() string

// A Key is a checked public key or secret with the algorithms that it is for.
type Key struct {
	id         string
	algorithms []string
	key        any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or sharedKey
}

func (k *Key) equal(other *Key) bool {
	public, ok := k.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.id == other.id && slices.Equal(k.algorithms, other.algorithms) && public.Equal(other.key)
}

// newKey reads a JWK (RFC 7517). It does not rely on the checks of package jwk,
// which accepts private keys and shared secrets, and in earlier versions accepted
// short RSA keys and points off their curve. The error quotes no part of the key.
func newKey(text json.RawMessage) (*Key, error) {
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return nil, errors.New("is not one that is known") // its error may quote the key
	}
	id, _ := parsed.KeyID()
	if len(id) > 256 {
		return nil, errors.New("has an id that is longer than 256 bytes")
	}
	if use, ok := parsed.KeyUsage(); ok && use != "sig" {
		return nil, fmt.Errorf("is for %.20q", use)
	}
	if ops, ok := parsed.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return nil, errors.New("is not for verifying")
	}
	var raw any
	if err := jwk.Export(parsed, &raw); err != nil {
		return nil, errors.New("cannot be read")
	}
	algorithms, err := algorithmsOf(raw)
	if err != nil {
		return nil, err
	}
	// A key with an alg is for that algorithm only (RFC 8725, Section 3.1). A
	// tenant can leave alg out.
	if alg, ok := parsed.Algorithm(); ok {
		if !slices.Contains(algorithms, alg.String()) {
			return nil, fmt.Errorf("is for %.20q", alg)
		}
		algorithms = []string{alg.String()}
	}
	return &Key{id: id, algorithms: algorithms, key: raw}, nil
}

// Symmetric is the algorithm of a shared secret.
const Symmetric = "HS256"

// Asymmetric lists the algorithms of RFC 7518, Section 3.1, and RFC 8037 whose
// signatures are verified with a public key.
var Asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// The algorithms of each kind of key (RFC 7518, Section 3.1; RFC 8037, Section 3.1).
var (
	ofCurve   = map[elliptic.Curve][]string{elliptic.P256(): {"ES256"}, elliptic.P384(): {"ES384"}, elliptic.P521(): {"ES512"}}
	ofEdwards = []string{"EdDSA"}
	ofRSA     = Asymmetric[:6]
)

// algorithmsOf checks a key and returns its algorithms.
func algorithmsOf(key any) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		// Shorter keys are too weak (RFC 7518, Section 3.3). Longer keys cost
		// milliseconds per token.
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
			return nil, fmt.Errorf("has %d bits", bits)
		}
		if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
			return nil, errors.New("has an unusable exponent")
		}
		if fips140.Enforced() && (key.N.BitLen()%2 == 1 || key.E <= 1<<16) {
			return nil, errors.New("has an odd size or an exponent below 65537, which GODEBUG=fips140=only does not allow")
		}
		if Factorable(key.N) {
			return nil, errors.New("can be factored (CVE-2017-15361)")
		}
		return ofRSA, nil
	case *ecdsa.PublicKey:
		if _, err := key.ECDH(); err != nil {
			return nil, errors.New("is not on its curve")
		}
		if algorithms := ofCurve[key.Curve]; algorithms != nil {
			return algorithms, nil
		}
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("has the wrong length")
		}
		if lowOrder(key) {
			return nil, errors.New("has low order") // one signature then fits any message
		}
		return ofEdwards, nil
	}
	return nil, errKind
}

// lowOrderPoints lists the points of Ed25519 whose order divides 8, encoded without
// the sign bit. Two of the encodings are not canonical.
var lowOrderPoints = []string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
}

func lowOrder(key ed25519.PublicKey) bool {
	point := []byte(key)
	point = append(point[:31:31], point[31]&0x7f)
	return slices.Contains(lowOrderPoints, string(point))
}

// maxSignature is the length of the longest possible signature.
const maxSignature = 8192 / 8

// made reports whether the key made a signature of the signing input. It calls the
// standard library directly, because wrappers are less strict. The salt of PSS must have the length of the hash, and an ECDSA
// signature must have the length of its curve (RFC 7518, Sections 3.4 and 3.5).
func (k *Key) made(signature []byte, algorithm, input string) bool {
	var array [sha512.Size + maxDER]byte // for all hashes and encodings here
	hashed := array[:0:sha512.Size]
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		digest := appendDigest(hashed, hashOf(algorithm), input)
		if strings.HasPrefix(algorithm, "PS") {
			return rsa.VerifyPSS(key, hashOf(algorithm), digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(key, hashOf(algorithm), digest, signature) == nil
	case *ecdsa.PublicKey:
		size := (key.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		digest := appendDigest(hashed, hashOf(algorithm), input)
		return ecdsa.VerifyASN1(key, digest, appendDER(array[sha512.Size:sha512.Size], signature[:size], signature[size:]))
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(input), signature)
	case sharedKey:
		mac := hmac.New(sha256.New, []byte(key()))
		mac.Write([]byte(input))
		return hmac.Equal(mac.Sum(nil), signature)
	}
	return false
}

// maxDER is enough for P-521.
const maxDER = 160

// appendDER appends r and s in ASN.1 (RFC 3279, Section 2.2.3), the form of
// ecdsa.VerifyASN1. Other functions of package ecdsa convert to it with more
// allocations.
func appendDER(dst, r, s []byte) []byte {
	length := 0
	for _, integer := range [...]*[]byte{&r, &s} {
		for len(*integer) > 1 && (*integer)[0] == 0 {
			*integer = (*integer)[1:]
		}
		length += 2 + len(*integer) + int((*integer)[0]>>7)
	}
	dst = append(dst, 0x30)
	if length > 127 {
		dst = append(dst, 0x81)
	}
	dst = append(dst, byte(length))
	for _, integer := range [...][]byte{r, s} {
		sign := integer[0] >> 7 // a first bit of 1 would make the integer negative
		dst = append(dst, 0x02, byte(len(integer))+sign)
		dst = append(dst, make([]byte, sign)...)
		dst = append(dst, integer...)
	}
	return dst
}

// hashOf returns the hash of an algorithm, whose name ends in the size of the hash.
// EdDSA is Ed25519 here, which uses SHA-512 (RFC 8032, Section 5.1).
func hashOf(alg string) crypto.Hash {
	switch {
	case strings.HasSuffix(alg, "384"):
		return crypto.SHA384
	case strings.HasSuffix(alg, "512"), alg == "EdDSA":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// appendDigest appends the hash of a text.
func appendDigest(dst []byte, h crypto.Hash, text string) []byte {
	switch h {
	case crypto.SHA256:
		sum := memo.SumOf(text)
		return append(dst, sum[:]...)
	case crypto.SHA384:
		sum := sha512.Sum384([]byte(text))
		return append(dst, sum[:]...)
	}
	sum := sha512.Sum512([]byte(text))
	return append(dst, sum[:]...)
}

// Digest returns the hash of a text, with the hash function of an algorithm.
func Digest(alg, text string) []byte { return appendDigest(nil, hashOf(alg), text) }
