package multiprime

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"math/big"
	chacha "math/rand/v2"
	"testing"
	"time"
)

func stream(n byte) *chacha.ChaCha8 { return chacha.NewChaCha8([32]byte{n}) }

func made(t testing.TB, n byte) *rsa.PrivateKey {
	t.Helper()
	key, err := New(stream(n))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestNew(t *testing.T) {
	for n := range byte(2) {
		key := made(t, n)
		if key.N.BitLen() != 2048 || len(key.Primes) != 4 || key.E != 65537 {
			t.Errorf("key %d: %d bits, %d primes, exponent %d", n, key.N.BitLen(), len(key.Primes), key.E)
		}
		if !key.Equal(made(t, n)) {
			t.Errorf("key %d: the same bytes make another key", n)
		}
		if key.Equal(made(t, n+1)) {
			t.Errorf("key %d: other bytes make the same key", n)
		}
	}
	lowest := new(big.Int).Lsh(big.NewInt(0xe0), 504)
	if lowest.Exp(lowest, big.NewInt(4), nil).BitLen() != 2048 {
		t.Error("the product of four smallest primes is too short")
	}
}

// Random bytes that repeat themselves would make a modulus with a square.
func TestNewRefuses(t *testing.T) {
	if _, err := New(bytes.NewReader(make([]byte, 255))); err == nil {
		t.Error("a key was made from too few bytes")
	}
	if _, err := New(bytes.NewReader(bytes.Repeat([]byte{7}, 256))); err == nil {
		t.Error("a key was made of equal primes")
	}
}

var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

func digest(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// PKCS #1 v1.5 has no random part, so package crypto/rsa makes the same signature.
func TestSignPKCS1v15(t *testing.T) {
	two, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	three := made(t, 1)
	three = &rsa.PrivateKey{PublicKey: rsa.PublicKey{E: exponent}, Primes: three.Primes[:3]}
	three.N = big.NewInt(1)
	phi := big.NewInt(1)
	for _, p := range three.Primes {
		three.N.Mul(three.N, p)
		phi.Mul(phi, new(big.Int).Sub(p, big.NewInt(1)))
	}
	three.D = new(big.Int).ModInverse(big.NewInt(exponent), phi)
	three.Precompute()
	for name, key := range map[string]*rsa.PrivateKey{"two primes": two, "three": three, "four": made(t, 1), "four again": made(t, 2)} {
		for _, hash := range hashes {
			for _, text := range []string{"", "a", "header.claims"} {
				sum := digest(hash, text)
				got, err := SignPKCS1v15(key, hash, sum)
				if err != nil {
					t.Fatal(err)
				}
				want, err := rsa.SignPKCS1v15(nil, key, hash, sum)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s, %v, %q: another signature than that of crypto/rsa", name, hash, text)
				}
			}
		}
	}
}

func TestSignRefuses(t *testing.T) {
	key := made(t, 1)
	short := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(3 * 5 * 7), E: 11}, D: big.NewInt(35), Primes: []*big.Int{big.NewInt(3), big.NewInt(5), big.NewInt(7)}}
	for name, sign := range map[string]func() ([]byte, error){
		"a digest of another hash": func() ([]byte, error) { return SignPKCS1v15(key, crypto.SHA256, make([]byte, 31)) },
		"no digest":                func() ([]byte, error) { return SignPKCS1v15(key, crypto.SHA256, nil) },
		"an unknown hash":          func() ([]byte, error) { return SignPKCS1v15(key, crypto.SHA1, make([]byte, 20)) },
		"no hash":                  func() ([]byte, error) { return Signer{key}.Sign(nil, make([]byte, 32), crypto.Hash(0)) },
		"a key that is too short":  func() ([]byte, error) { return SignPKCS1v15(short, crypto.SHA256, make([]byte, 32)) },
	} {
		if sig, err := sign(); err == nil || sig != nil {
			t.Errorf("%s: signature %x, error %v", name, sig, err)
		}
	}
}

func TestSigner(t *testing.T) {
	signer := Signer{made(t, 3)}
	public := signer.Public().(*rsa.PublicKey)
	for _, hash := range hashes {
		sum := digest(hash, "text")
		sig, err := signer.Sign(rand.Reader, sum, hash)
		if err != nil || rsa.VerifyPKCS1v15(public, hash, sum, sig) != nil {
			t.Errorf("%v: PKCS #1 v1.5: %v", hash, err)
		}
		sig, err = signer.Sign(rand.Reader, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
		if err != nil || rsa.VerifyPSS(public, hash, sum, sig, nil) != nil {
			t.Errorf("%v: PSS: %v", hash, err)
		}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<31, 0), BasicConstraintsValid: true, IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		t.Error(err)
	}
}

// Keys are kept in files in the form of PKCS #1.
func TestKeptKey(t *testing.T) {
	key := made(t, 4)
	read, err := x509.ParsePKCS1PrivateKey(x509.MarshalPKCS1PrivateKey(key))
	if err != nil {
		t.Fatal(err)
	}
	sum := digest(crypto.SHA256, "text")
	sig, err := SignPKCS1v15(read, crypto.SHA256, sum)
	if err != nil || rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum, sig) != nil {
		t.Errorf("a key that was kept signs wrong: %v", err)
	}
}

func BenchmarkSign(b *testing.B) {
	two, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	sum := digest(crypto.SHA256, "text")
	for name, key := range map[string]*rsa.PrivateKey{"primes=2": two, "primes=4": made(b, 1)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				SignPKCS1v15(key, crypto.SHA256, sum)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	random := stream(1)
	for b.Loop() {
		New(random)
	}
}
