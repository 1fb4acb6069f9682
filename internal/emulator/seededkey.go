package emulator

import (
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
	"math/rand/v2"
)

// seededKey returns an RSA key that depends only on the seed and the number. Package
// rsa ignores the random source of its caller, so that no program comes to rely on the
// bytes that it reads.
func seededKey(seed string, n int) *rsa.PrivateKey {
	stream := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "RSA key\x00%d\x00%s", n, seed)))
	const exponent = 65537
	p := seededPrime(stream, exponent)
	q := seededPrime(stream, exponent)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: exponent},
		D:         new(big.Int).ModInverse(big.NewInt(exponent), phi),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	return key
}

// seededPrime returns a prime of 1024 bits, of which the two highest are set, so that a
// product of two has 2048.
func seededPrime(stream *rand.ChaCha8, exponent int64) *big.Int {
	raw := make([]byte, 128)
	stream.Read(raw)
	raw[0] |= 0xc0
	raw[len(raw)-1] |= 1
	p, two, e := new(big.Int).SetBytes(raw), big.NewInt(2), big.NewInt(exponent)
	for ; ; p.Add(p, two) {
		// The exponent is a prime: it must not divide p-1 (RFC 8017, Section 3.1).
		if new(big.Int).Mod(p, e).Int64() != 1 && p.ProbablyPrime(20) {
			return p
		}
	}
}
