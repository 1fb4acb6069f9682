package seal

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestTypedSecretsAreRefused has each secret with the reason in the error.
func TestTypedSecretsAreRefused(t *testing.T) {
	const few, again, run = "too few different", "repeated", "alphabet or a keyboard"
	for secret, want := range map[string]string{
		strings.Repeat("a", 64):                         few,
		strings.Repeat("password", 4):                   few,
		strings.Repeat("xyz", 20):                       few,
		strings.Repeat("changeme", 5):                   few,
		strings.Repeat("0", 63) + "1":                   few,
		"xxxxxxxxxxyyyyyyyyyyzzzzzzzzzzwwwwwwwwww":      few,
		strings.Repeat("correct horse ", 3):             again,
		strings.Repeat("0123456789", 7):                 again,
		strings.Repeat("0123456789abcdef", 4):           again,
		strings.Repeat("0123456789abcdef", 5)[:70]:      again,
		strings.Repeat("my-very-secret-", 3):            again,
		"supersecretkey1supersecretkey2supersecretkey3": again,
		"k3Qz!pV8wLm0Rt5Yb#Xck3Qz!pV8wLm0Rt5Yb#Xc":      again, // exactly twice
		// Repeated letters, exactly two thirds of the text.
		"abyz17abyz28abyz39abyz40abyz53abyz86": again,
		// Exactly half of the characters follow the keyboard.
		"12qw12er12ty12ui12op12as12df12gh12jk":            run,
		"Supersecret.SUPERSECRET.supersecret.SuperSecret": again,
		"abcdefghijklmnopqrstuvwxyz0123456789":            run,
		"zyxwvutsrqponmlkjihgfedcba9876543210":            run,
		"qwertyuiopasdfghjklzxcvbnm1234567890":            run,
		"0987654321mnbvcxzlkjhgfdsapoiuytrewq":            run,
		"QWERTYUIOPASDFGHJKLZXCVBNM!@#%^&*()_+":           run,
	} {
		if _, err := New([]string{secret}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret[:12]) {
			t.Errorf("%q: %v, want %q", secret, err, want)
		}
	}
}

// TestDrawnSecretsAreAccepted: output of generators, and phrases.
func TestDrawnSecretsAreAccepted(t *testing.T) {
	r := rand.New(rand.NewChaCha8([32]byte{7}))
	draw := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	const lower = "abcdefghijklmnopqrstuvwxyz"
	for range 2000 {
		raw := []byte(draw("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x0f\xf0\x5a\xa5", 32))
		for i := range raw {
			raw[i] ^= byte(r.Uint32())
		}
		for _, s := range []string{hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), string(raw),
			draw(lower+strings.ToUpper(lower)+"0123456789", 32), draw(lower, 32), draw(lower+"234567", 52), draw("0123456789", 80)} {
			if _, err := New([]string{s}); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
		}
	}
	for _, s := range []string{"correct horse battery staple, said nobody", secretA, secretB, randomHex, "žluťoučký kůň pěl ďábelské ódy"} {
		if _, err := New([]string{s}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}
