// Package multiprime makes RSA keys of four primes (RFC 8017, Section 3) and signs with
// them. They are for test tenants: a key, and a signature with it, are made in less than
// half the time of those of two primes. The public key is an RSA key of 2,048 bits like any
// other, so that nobody who checks a signature sees the difference.
//
// Package crypto/rsa reads such keys and signs with them, but without the advantage of
// the primes. It allows none of them with fips140=only.
//
// The code is not constant-time: a key of this package must not sign anything that
// protects real users.
//
// It knows nothing of tokens and tenants.
package multiprime

import (
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
)

const (
	primes   = 4
	bits     = 2048
	exponent = 65537
)

// New makes a key from the bytes of random alone: the same bytes make the same key.
func New(random io.Reader) (*rsa.PrivateKey, error) {
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(1), E: exponent}}
	one, phi := big.NewInt(1), big.NewInt(1)
	for len(key.Primes) < primes {
		p, err := prime(random)
		if err != nil {
			return nil, err
		}
		key.Primes = append(key.Primes, p)
		key.N.Mul(key.N, p)
		phi.Mul(phi, new(big.Int).Sub(p, one))
	}
	key.D = new(big.Int).ModInverse(big.NewInt(exponent), phi)
	key.Precompute()
	// Two equal primes end here, if random repeats itself.
	return key, key.Validate()
}

// prime returns a prime of 512 bits. Its first byte is high enough for a product of
// four to have 2,048 bits: (0xe0/0x100)^4 is more than a half.
func prime(random io.Reader) (*big.Int, error) {
	raw := make([]byte, bits/primes/8)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, err
	}
	raw[0] |= 0xe0
	raw[len(raw)-1] |= 1
	p, two, e := new(big.Int).SetBytes(raw), big.NewInt(2), big.NewInt(exponent)
	for ; ; p.Add(p, two) {
		// The exponent is a prime: it must not divide p-1 (RFC 8017, Section 3.1).
		if new(big.Int).Mod(p, e).Int64() != 1 && p.ProbablyPrime(5) {
			return p, nil
		}
	}
}

// A Signer signs with a key of any number of primes.
type Signer struct{ *rsa.PrivateKey }

// Sign makes a signature of PKCS #1 v1.5 with SignPKCS1v15, and any other one with
// package crypto/rsa.
func (s Signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) (sig []byte, err error) {
	if _, ok := opts.(*rsa.PSSOptions); ok {
		// The key protects nobody, and with fips140=only it would be refused.
		fips140.WithoutEnforcement(func() { sig, err = s.PrivateKey.Sign(random, digest, opts) })
		return sig, err
	}
	return SignPKCS1v15(s.PrivateKey, opts.HashFunc(), digest)
}

// The beginnings of DigestInfo (RFC 8017, Section 9.2, note 1).
var prefixes = map[crypto.Hash]string{
	crypto.SHA256: "3031300d060960864801650304020105000420",
	crypto.SHA384: "3041300d060960864801650304020205000430",
	crypto.SHA512: "3051300d060960864801650304020305000440",
}

// SignPKCS1v15 signs a digest of SHA-256, SHA-384 or SHA-512 (RFC 8017, Section 8.2). It
// is as fast as package crypto/rsa for a key of two primes, which it leaves to it.
func SignPKCS1v15(key *rsa.PrivateKey, hash crypto.Hash, digest []byte) ([]byte, error) {
	if len(key.Primes) < 3 {
		return rsa.SignPKCS1v15(nil, key, hash, digest)
	}
	prefix, err := hex.DecodeString(prefixes[hash])
	if err != nil || len(prefix) == 0 || len(digest) != hash.Size() {
		return nil, errors.New("multiprime: unknown hash, or a digest of another one")
	}
	// Section 9.2: 00 01 ff ... ff 00 DigestInfo.
	info := append(prefix, digest...)
	start := key.Size() - len(info)
	if start < 11 {
		return nil, rsa.ErrMessageTooLong
	}
	message := make([]byte, key.Size())
	message[1] = 1
	for i := 2; i < start-1; i++ {
		message[i] = 0xff
	}
	copy(message[start:], info)
	return power(key, new(big.Int).SetBytes(message)).FillBytes(message), nil
}

// power raises m to the private exponent (RFC 8017, Section 5.2.1, step 2b).
func power(key *rsa.PrivateKey, m *big.Int) *big.Int {
	values := &key.Precomputed
	p, q := key.Primes[0], key.Primes[1]
	s1, s := new(big.Int).Exp(m, values.Dp, p), new(big.Int).Exp(m, values.Dq, q)
	h := s1.Sub(s1, s)
	h.Mod(h.Mul(h, values.Qinv), p)
	s.Add(s, h.Mul(h, q))
	//lint:ignore SA1019 Precompute fills them in, and only package crypto/rsa does not use them.
	for i, value := range values.CRTValues {
		prime := key.Primes[i+2]
		h := new(big.Int).Exp(m, value.Exp, prime)
		h.Sub(h, s)
		h.Mod(h.Mul(h, value.Coeff), prime)
		s.Add(s, h.Mul(h, value.R))
	}
	return s
}
