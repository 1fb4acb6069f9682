package seal

import (
	"bytes"
	"crypto/fips140"
	"encoding/base64"
	"testing"
)

// TestVersions: every program opens both forms, and neither as the other.
func TestVersions(t *testing.T) {
	t.Parallel()
	k := ring(t, secretA)
	want := "v3."
	if fips140.Enforced() {
		want = "v4."
	}
	if got := k.Seal("session", "s", []byte("data"))[:3]; got != want {
		t.Errorf("version %q, want %q", got, want)
	}
	if got, _, ok := k.Open("p", "n", golden); !ok || string(got) != "data" {
		t.Errorf("the value with the nonce zero: %q, %v", got, ok)
	}
	random := k.seal("v4.", "session", "s", []byte("data"))
	if got, current, ok := k.Open("session", "s", random); !ok || !current || string(got) != "data" || random[:3] != "v4." {
		t.Errorf("a value with a random nonce: %q, %v, %v", got, current, ok)
	}
	for _, moved := range []string{"v3." + random[3:], "v4." + golden[3:], "v5." + random[3:], random[3:], "v4", ""} {
		if _, _, ok := k.Open("session", "s", moved); ok {
			t.Errorf("%.20q opens", moved)
		}
	}
	if _, _, ok := k.Open("session", "other", random); ok {
		t.Error("opens under another name")
	}
	raw, err := base64.RawURLEncoding.DecodeString(random[3:])
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		forged := bytes.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		if _, _, ok := k.Open("session", "s", "v4."+base64.RawURLEncoding.EncodeToString(forged)); ok {
			t.Fatalf("opens with bit %d flipped", bit)
		}
	}
	for n := range raw {
		if _, _, ok := k.Open("session", "s", "v4."+base64.RawURLEncoding.EncodeToString(raw[:n])); ok {
			t.Fatalf("opens with %d bytes", n)
		}
	}
}
