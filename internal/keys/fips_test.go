package keys

import (
	"crypto/fips140"
	"crypto/rsa"
	"math/big"
	"testing"
)

// TestFIPSKeys: package crypto/rsa verifies nothing with some keys if a program enforces
// FIPS 140-3. A Set ignores them. Their tokens have an unknown key, not a wrong signature.
func TestFIPSKeys(t *testing.T) {
	t.Parallel()
	odd := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(rsa1().N, 1), 0, 1), E: 65537}
	for why, tt := range map[string]struct {
		key      *rsa.PublicKey
		approved bool
	}{
		"2,048 bits":     {&rsa1().PublicKey, true},
		"2,049 bits":     {odd, false},
		"exponent 3":     {&rsa.PublicKey{N: rsa1().N, E: 3}, false},
		"exponent 65535": {&rsa.PublicKey{N: rsa1().N, E: 65535}, false},
	} {
		if _, err := algorithmsOf(tt.key); (err == nil) != (tt.approved || !fips140.Enforced()) {
			t.Errorf("%s: %v", why, err)
		}
	}
}
