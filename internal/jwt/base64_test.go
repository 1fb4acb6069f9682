package jwt

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// reference is what the standard library makes of a text, without the line
// breaks that it takes.
func reference(text string) ([]byte, bool) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return data, err == nil && !strings.ContainsAny(text, "\r\n")
}

func sameAsReference(t *testing.T, text string) {
	t.Helper()
	ok := wellFormed(text)
	want, wantOK := reference(text)
	if ok != wantOK {
		t.Fatalf("wellFormed(%q) = %v", text, ok)
	}
	got := make([]byte, decodedLen(text))
	if !ok {
		return
	}
	if decode(got, text); !slices.Equal(got, want) {
		t.Errorf("decode(%q) = %x; want %x", text, got, want)
	}
}

func TestDecode(t *testing.T) {
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, text := range []string{"", "A", "AA", "AAA", "AAAA", "AAAAA", "_-", "_-8", "AA==", "AAA=", "AA\n", "A\nA", "AAAA\r\n", "a b", "+/8", "Ä", alphabet, alphabet + alphabet[:3]} {
		sameAsReference(t, text)
	}
	for c := range 256 { // every byte in every place
		for place := range 7 {
			text := []byte("AAAAAAA")
			text[place] = byte(c)
			sameAsReference(t, string(text))
			sameAsReference(t, string(text[:6]))
			sameAsReference(t, string(text[:5]))
		}
	}
}

func TestDecodeTwo(t *testing.T) {
	for _, n := range []int{0, 1, 2040, 2048, 2049, 9000} {
		first, second := strings.Repeat("x", n), strings.Repeat("y", 9)
		a, b := decodeTwo(b64(first), b64(second))
		if a != first || b != second {
			t.Errorf("%d and 9 bytes: %d and %d", n, len(a), len(b))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9")
	f.Add("AB")
	f.Fuzz(sameAsReference)
}
