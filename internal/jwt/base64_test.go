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
	got := make([]byte, decodedLen(text))
	ok := decode(got, text)
	want, wantOK := reference(text)
	if ok != wantOK || ok && !slices.Equal(got, want) {
		t.Errorf("decode(%q) = %x, %v; want %x, %v", text, got, ok, want, wantOK)
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

func TestDecodeString(t *testing.T) {
	for _, n := range []int{0, 1, 2047, 2048, 2049, 9000} {
		want := strings.Repeat("x", n)
		text := base64.RawURLEncoding.EncodeToString([]byte(want))
		if got, ok := decodeString(text, n); !ok || got != want {
			t.Errorf("%d bytes: %v, %d bytes", n, ok, len(got))
		}
		if n > 0 {
			if got, ok := decodeString(text, n-1); ok || got != "" {
				t.Errorf("%d bytes, one more than allowed: %d bytes", n, len(got))
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9")
	f.Add("AB")
	f.Fuzz(sameAsReference)
}
