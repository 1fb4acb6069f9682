package dpop

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"
)

// TestAllocations: the cost of a proof beside the verification of its signature. The test
// is not parallel, because it counts the allocations of the process.
func TestAllocations(t *testing.T) {
	digest := sha256.Sum256([]byte("text"))
	der := must(ecdsa.SignASN1(rand.Reader, p256(), digest[:]))
	floor := testing.AllocsPerRun(50, func() { ecdsa.VerifyASN1(&p256().PublicKey, digest[:], der) })
	text, e := proof(nil, nil), expected()
	allocations := func(reader func() *Reader) float64 {
		return testing.AllocsPerRun(50, func() {
			p := must(reader().Parse(text))
			if use, err := p.Verify(e); err != nil || use.Key == "" {
				t.Fatal(err)
			}
		}) - floor
	}
	newer, same := make(chan *Reader, 100), NewReader(all)
	for range cap(newer) {
		newer <- NewReader(all)
	}
	if n := allocations(func() *Reader { return <-newer }); n > 18 {
		t.Errorf("%v allocations for a new key", n)
	}
	known := allocations(func() *Reader { return same })
	if known > 4 {
		t.Errorf("%v allocations for a known key", known)
	}
	// The API makes nonces once in a window.
	e.Nonces = must(NewNonces("api", []string{newSecret, oldSecret}))
	text = proof(nil, members{"nonce": e.Nonces.Current(at)})
	if n := allocations(func() *Reader { return same }); n > known {
		t.Errorf("%v allocations with a nonce, %v without", n, known)
	}
	memory := NewMemory(100_000, time.Now, nil)
	use := must(check(text, e))
	if n := testing.AllocsPerRun(50, func() { memory.AddCtx(t.Context(), use.Key, use.Expiry) }); n > 0 {
		t.Errorf("%v allocations of the memory", n)
	}
}
