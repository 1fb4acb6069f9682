package dpop

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"
)

// TestAllocations: what a proof costs beside the verification of its signature. The
// test is not parallel, because it counts the allocations of the process.
func TestAllocations(t *testing.T) {
	digest := sha256.Sum256([]byte("text"))
	der := must(ecdsa.SignASN1(rand.Reader, p256(), digest[:]))
	floor := testing.AllocsPerRun(50, func() { ecdsa.VerifyASN1(&p256().PublicKey, digest[:], der) })
	text, e := proof(nil, nil), expected()
	whole := testing.AllocsPerRun(50, func() {
		if use, err := check(text, e); err != nil || use.Key == "" {
			t.Fatal(err)
		}
	})
	if more := whole - floor; more > 13 {
		t.Errorf("%v allocations beside the %v of ecdsa", more, floor)
	}
	// Nonces are made once in a window.
	e.Nonces = must(NewNonces("api", []string{newSecret, oldSecret}))
	text = proof(nil, members{"nonce": e.Nonces.Current(at)})
	if n := testing.AllocsPerRun(50, func() { check(text, e) }); n > whole {
		t.Errorf("%v allocations with a nonce, %v without", n, whole)
	}
	memory := NewMemory(100_000, time.Now, nil)
	use := must(check(text, e))
	if n := testing.AllocsPerRun(50, func() { memory.AddCtx(t.Context(), use.Key, use.Expiry) }); n > 0 {
		t.Errorf("%v allocations of the memory", n)
	}
}
