package emulator

import (
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"

	"github.com/seed-15d5a55c/auth0/internal/multiprime"
)

// seededKey returns an RSA key that depends only on the seed and the number. Package
// rsa ignores the random source of its caller, so that no program comes to rely on the
// bytes that it reads.
func seededKey(seed string, n int) *rsa.PrivateKey {
	key, err := multiprime.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "RSA key\x00%d\x00%s", n, seed))))
	if err != nil {
		panic(err) // unreachable: the stream does not end, and four equal primes in it are as unlikely as a guessed key
	}
	return key
}
