package api_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// rocaModulus is a number of the given length that is a power of 65537 modulo
// each prime from 3 to most.
func rocaModulus(bits int, power, most int64) *big.Int {
	m := big.NewInt(1)
	for p := int64(3); p <= most; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
		}
	}
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.Sub(n, new(big.Int).Mod(n, m)).Add(n, m)
	n.Add(n, new(big.Int).Exp(big.NewInt(65537), big.NewInt(power), m))
	if n.Bit(0) == 0 {
		n.Add(n, m)
	}
	return n
}

// A publicOnly signer is a key whose signatures do not matter.
type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }
func (p publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 256), nil
}

// TestKeysThatCanBeFactored: keys with the fingerprint of CVE-2017-15361 are never
// used. Keys with the fingerprint for some of the primes are.
func TestKeysThatCanBeFactored(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		n      *big.Int
		usable bool
	}{
		{"2,048 bits", rocaModulus(2048, 1_000_003, 167), false},
		{"2,048 bits, the power 0", rocaModulus(2048, 0, 167), false},
		{"2,048 bits, more primes than are needed", rocaModulus(2048, 77, 701), false},
		{"3,072 bits", rocaModulus(3072, 12345, 167), false},
		{"4,096 bits", rocaModulus(4096, 999_999_937, 167), false},
		{"8,192 bits", rocaModulus(8192, 5, 167), false},
		// Modulo 167, half of the residues are powers of 65537.
		{"all primes but the last", notAPower(rocaModulus(2048, 1_000_003, 163), 163, 167), true},
		{"an honest key", testkit.RSAKey1().N, true},
		{"another", testkit.RSAKey2().N, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			public := &rsa.PublicKey{N: tt.n, E: 65537}
			expect := func(where string, err error) {
				t.Helper()
				if (err == nil) != tt.usable {
					t.Errorf("%s: %v, want usable %v", where, err, tt.usable)
				} else if err != nil && (!strings.Contains(err.Error(), "CVE-2017-15361") || strings.Contains(err.Error(), base64.RawURLEncoding.EncodeToString(tt.n.Bytes()))) {
					t.Errorf("%s: the error is %v", where, err)
				}
			}
			_, err := auth0.StaticKeys([]byte(jwksOf(t, testkit.RSAJWK("x", public))))
			expect("key set", err)
			_, err = auth0.StaticKeys([]byte(publicPEM(t, public)))
			expect("PEM", err)

			f := testkit.NewAPIEnv(t)
			f.Publish(testkit.RSAJWK("x", public), testkit.RSAJWK("k1", &testkit.RSAKey1().PublicKey))
			f.ExpectToken(t, testkit.GoodToken(), testkit.AnswerOK) // the other key is used
			want := testkit.AnswerUnknownKey
			if tt.usable {
				want = testkit.AnswerBadSignature
			}
			f.ExpectToken(t, testkit.Compact(testkit.GoodHeader.Set("kid", `"x"`).String(), testkit.GoodClaims(testkit.Noon).String(), testkit.Constant(make([]byte, 256))), want)

			cfg := testkit.SignedIn(t).Config
			cfg.ClientSecret, cfg.ClientAuthentication = "", auth0.PrivateKeyJWT(publicOnly{public}, "RS256", "k")
			_, err = auth0.New(cfg)
			expect("client authentication", err)
		})
	}
}

// notAPower adds a multiple of the primes up to one, until the number is no power
// of 65537 modulo another.
func notAPower(n *big.Int, most, prime int64) *big.Int {
	powers := map[int64]bool{}
	for x := int64(1); !powers[x]; x = x * 65537 % prime {
		powers[x] = true
	}
	m := big.NewInt(2)
	for p := int64(3); p <= most; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
		}
	}
	for powers[new(big.Int).Mod(n, big.NewInt(prime)).Int64()] {
		n.Add(n, m)
	}
	return n
}
