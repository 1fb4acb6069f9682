package dpop

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"testing"
	"time"
)

// BenchmarkFloor is one ES256 verification. No check of a proof costs less.
func BenchmarkFloor(b *testing.B) {
	digest := sha256.Sum256([]byte("text"))
	der := must(ecdsa.SignASN1(nil, p256(), digest[:]))
	b.ReportAllocs()
	for b.Loop() {
		if !ecdsa.VerifyASN1(&p256().PublicKey, digest[:], der) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text, reader := proof(nil, nil), NewReader(all)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reader.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRSA(b *testing.B) {
	text := sign(rsaKey(), "RS256", headerOf("RS256", rsaKey()).text(), good().text())
	reader := NewReader(all)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reader.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProof is an API's whole work on a proof.
func BenchmarkProof(b *testing.B) {
	text, reader, memory := proof(nil, nil), NewReader(all), NewMemory(100_000, time.Now, nil)
	bases, _ := NewBases([]string{"https://api.example"})
	b.ReportAllocs()
	for b.Loop() {
		e := expected()
		p, err := reader.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		e.URL, e.Root, _ = bases.URL("api.example", "/x?y=1")
		use, err := p.Verify(e)
		if err != nil {
			b.Fatal(err)
		}
		memory.AddCtx(b.Context(), use.Key, use.Expiry)
	}
}
