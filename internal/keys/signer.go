package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// A Signer signs tokens of the application with one algorithm. Its private key is
// inside a function, because package fmt prints every other value that it can reach.
type Signer struct {
	Algorithm string
	Size      int // of a signature, in bytes

	sign func(digest []byte) ([]byte, error)
}

// NewSigner returns a Signer for RS256, RS384, PS256 or ES256. The key can be in an
// HSM. The error completes a sentence that begins with the name of the setting.
func NewSigner(key crypto.Signer, algorithm string) (Signer, error) {
	size, err := signatureSize(key, algorithm)
	if err != nil {
		return Signer{}, err
	}
	hash := hashOf(algorithm)
	s := Signer{Algorithm: algorithm, Size: size}
	s.sign = func(digest []byte) ([]byte, error) {
		switch algorithm[:2] {
		case "PS": // RFC 7518, Section 3.5: the salt is as long as the hash
			return key.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
		case "ES":
			der, err := key.Sign(rand.Reader, digest, hash)
			if err != nil {
				return nil, err
			}
			return fixedSize(der, size)
		}
		return key.Sign(rand.Reader, digest, hash)
	}
	return s, nil
}

// Sign returns the signature of a text.
func (s Signer) Sign(input string) ([]byte, error) {
	signature, err := s.sign(Digest(s.Algorithm, input))
	if err != nil {
		return nil, fmt.Errorf("the key does not sign: %w", err)
	}
	return signature, nil
}

// IsAbsent reports whether a key is nil or a nil pointer.
func IsAbsent(key crypto.Signer) bool {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k == nil
	case *ecdsa.PrivateKey:
		return k == nil
	}
	return key == nil
}

// signatureSize checks that a key fits an algorithm, and returns the size of its
// signatures. RFC 7518, Section 3.3, and tenants reject shorter RSA keys. An attacker who
// factors the key can impersonate the client.
func signatureSize(key crypto.Signer, algorithm string) (int, error) {
	switch algorithm {
	case "RS256", "RS384", "PS256", "ES256":
	default:
		return 0, fmt.Errorf("has the algorithm %.40q, which is not RS256, RS384, PS256 or ES256", algorithm)
	}
	if IsAbsent(key) {
		return 0, errors.New("has no key")
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if public.N == nil {
			return 0, errors.New("has an empty RSA key")
		}
		if algorithm != "ES256" && Factorable(public.N) {
			return 0, errors.New("has an RSA key that can be factored (CVE-2017-15361)")
		}
		if algorithm != "ES256" && public.Size() >= 256 {
			return public.Size(), nil
		}
		if algorithm != "ES256" {
			return 0, fmt.Errorf("has an RSA key of %d bits; 2048 are the least", public.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if algorithm == "ES256" && public.Curve == elliptic.P256() {
			return 64, nil
		}
	}
	return 0, fmt.Errorf("has a key that does not fit the algorithm %s", algorithm)
}

// fixedSize turns an ECDSA signature of a [crypto.Signer] into the form of RFC 7518,
// Section 3.4.
func fixedSize(der []byte, size int) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 || sig.R.Sign() < 0 || sig.S.Sign() < 0 ||
		sig.R.BitLen() > size*4 || sig.S.BitLen() > size*4 {
		return nil, errors.New("the key has not made an ECDSA signature")
	}
	out := make([]byte, size)
	sig.R.FillBytes(out[:size/2])
	sig.S.FillBytes(out[size/2:])
	return out, nil
}
