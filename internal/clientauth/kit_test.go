package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"sync"
	"time"
)

// at is the time of the tests.
var at = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// A signer is a key in an HSM: a public key, and a signing function.
type signer struct {
	public crypto.PublicKey
	sign   func() ([]byte, error)
}

func (s signer) Public() crypto.PublicKey { return s.public }

func (s signer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return s.sign() }

var errBroken = errors.New("the HSM is broken")

func broken() ([]byte, error) { return nil, errBroken }

// ofBits returns an HSM with an RSA key of a size. No test verifies its signatures.
func ofBits(bits uint) signer {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.Or(n, big.NewInt(0x1234567))
	return signer{&rsa.PublicKey{N: n, E: 65537}, func() ([]byte, error) { return make([]byte, (bits+7)/8), nil }}
}

// factorable returns an HSM with the fault of CVE-2017-15361: its modulus is a power of
// 65537 modulo each small prime.
func factorable() signer {
	m := big.NewInt(1)
	for p := int64(3); p <= 167; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
		}
	}
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.Sub(n, new(big.Int).Mod(n, m)).Add(n, m)
	n.Add(n, new(big.Int).Exp(big.NewInt(65537), big.NewInt(5), m))
	for n.Bit(0) == 0 {
		n.Add(n, m)
	}
	return signer{&rsa.PublicKey{N: n, E: 65537}, broken}
}
