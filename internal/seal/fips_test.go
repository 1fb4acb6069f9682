package seal

import (
	"bytes"
	"crypto/fips140"
	"encoding/base64"
	"testing"
)

// TestVersions: every program opens both forms, and none of them as the other.
func TestVersions(t *testing.T) {
	t.Parallel()
	k := ring(t, secretA)
	want := "v1."
	if fips140.Enforced() {
		want = "v2."
	}
	if got := k.Seal("session", "s", []byte("data"))[:3]; got != want {
		t.Errorf("version %q, want %q", got, want)
	}
	if got, _, ok := k.Open("p", "n", golden); !ok || string(got) != "data" {
		t.Errorf("the value of version 1: %q, %v", got, ok)
	}
	two := k.seal("v2.", "session", "s", []byte("data"))
	if got, current, ok := k.Open("session", "s", two); !ok || !current || string(got) != "data" || two[:3] != "v2." {
		t.Errorf("a value of version 2: %q, %v, %v", got, current, ok)
	}
	for _, moved := range []string{"v1." + two[3:], "v2." + golden[3:], "v3." + two[3:], two[3:], "v2", ""} {
		if _, _, ok := k.Open("session", "s", moved); ok {
			t.Errorf("%.20q opens", moved)
		}
	}
	if _, _, ok := k.Open("session", "other", two); ok {
		t.Error("opens under another name")
	}
	raw, err := base64.RawURLEncoding.DecodeString(two[3:])
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		forged := bytes.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		if _, _, ok := k.Open("session", "s", "v2."+base64.RawURLEncoding.EncodeToString(forged)); ok {
			t.Fatalf("opens with bit %d flipped", bit)
		}
	}
	for n := range raw {
		if _, _, ok := k.Open("session", "s", "v2."+base64.RawURLEncoding.EncodeToString(raw[:n])); ok {
			t.Fatalf("opens with %d bytes", n)
		}
	}
}
