package base64url

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// reference is the standard library's result for a text. Line breaks, which the library
// skips, are an error.
func reference(text string) ([]byte, bool) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return data, err == nil && !strings.ContainsAny(text, "\r\n")
}

func sameAsReference(t *testing.T, text string) {
	t.Helper()
	ok := IsValid(text)
	want, wantOK := reference(text)
	if ok != wantOK {
		t.Fatalf("IsValid(%q) = %v", text, ok)
	}
	// The bytes behind the end must not change.
	buf := append(make([]byte, DecodedLen(text)), "behind"...)
	got := buf[:DecodedLen(text)]
	if decoded := decode(got, text); decoded != wantOK || decoded && !slices.Equal(got, want) {
		t.Errorf("decode(%q) = %x, %v; want %x, %v", text, got, decoded, want, wantOK)
	}
	if behind := buf[len(got):]; string(behind) != "behind" {
		t.Errorf("decode(%q) has written %q behind the end", text, behind)
	}
}

func TestDecode(t *testing.T) {
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, text := range []string{"", "A", "AA", "AAA", "AAAA", "AAAAA", "_-", "_-8", "AA==", "AAA=", "AA\n", "A\nA", "AAAA\r\n", "a b", "+/8", "Ä", alphabet, alphabet + alphabet[:3]} {
		sameAsReference(t, text)
	}
	for c := range 256 { // every byte in every place
		for place := range 15 {
			text := []byte("AAAAAAAAAAAAAAA")
			text[place] = byte(c)
			for n := range len(text) {
				sameAsReference(t, string(text[n:]))
			}
		}
	}
}

func TestDecodeTwo(t *testing.T) {
	for _, n := range []int{0, 1, 2040, 2048, 2049, 9000} {
		first, second := strings.Repeat("x", n), strings.Repeat("y", 9)
		a, ok1, b, ok2 := DecodeTwo(b64(first), b64(second))
		if a != first || b != second || !ok1 || !ok2 {
			t.Errorf("%d and 9 bytes: %d and %d", n, len(a), len(b))
		}
	}
}

// TestDecodeTwoAllocates once for texts that fit on the stack, up to the last byte.
func TestDecodeTwoAllocates(t *testing.T) {
	for n, want := range map[int]float64{100: 1, 2048: 1, 2049: 2} {
		first, second := b64(strings.Repeat("x", n-9)), b64(strings.Repeat("y", 9))
		if got := testing.AllocsPerRun(20, func() { DecodeTwo(first, second) }); got != want {
			t.Errorf("%d bytes: %v allocations, want %v", n, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9")
	f.Add("AB")
	f.Fuzz(sameAsReference)
}

// TestAppendText compares with package base64: each length, and each byte in each place.
func TestAppendText(t *testing.T) {
	for n := range 40 {
		for c := range 256 {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(c + i*37)
			}
			want := "before" + base64.RawURLEncoding.EncodeToString(data)
			if got := AppendText([]byte("before"), data); string(got) != want {
				t.Fatalf("%x: %q, want %q", data, got, want)
			}
			if got := EncodedLen(n); got != len(want)-len("before") {
				t.Fatalf("EncodedLen(%d) = %d", n, got)
			}
		}
	}
}

func FuzzAppendText(f *testing.F) {
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := AppendText(nil, data); string(got) != base64.RawURLEncoding.EncodeToString(data) {
			t.Errorf("%q", got)
		}
	})
}

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		size int
		want string
		ok   bool
	}{
		{"YWJj", -1, "beforeabc", true},
		{"YWJj", 3, "beforeabc", true},
		{"", 0, "before", true},
		{"YWJj", 2, "before", false},
		{"YWJj", 4, "before", false},
		{"YW+j", -1, "", false},
		{"YWJjZ", -1, "", false},
	} {
		got, ok := Append([]byte("before"), tt.text, tt.size)
		if ok != tt.ok || tt.want != "" && string(got) != tt.want {
			t.Errorf("%q, %d: %q, %t", tt.text, tt.size, got, ok)
		}
	}
}
