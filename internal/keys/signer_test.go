package keys

import (
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
)

// TestFixedSize: signatures of ECDSA have one size for all numbers.
func TestFixedSize(t *testing.T) {
	t.Parallel()
	type numbers struct{ R, S *big.Int }
	encode := func(v any) []byte {
		der, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	greatest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	got, err := fixedSize(encode(numbers{big.NewInt(1), greatest}), 64)
	want := strings.Repeat("\x00", 31) + "\x01" + strings.Repeat("\xff", 32)
	if err != nil || string(got) != want {
		t.Errorf("%x, %v", got, err)
	}
	if got, err := fixedSize(encode(numbers{greatest, big.NewInt(0)}), 64); err != nil ||
		string(got) != strings.Repeat("\xff", 32)+strings.Repeat("\x00", 32) {
		t.Errorf("%x, %v", got, err)
	}
	if got, err := fixedSize(encode(numbers{big.NewInt(0), greatest}), 64); err != nil ||
		string(got) != strings.Repeat("\x00", 32)+strings.Repeat("\xff", 32) {
		t.Errorf("%x, %v", got, err)
	}
	tooGreat := new(big.Int).Lsh(big.NewInt(1), 256)
	for why, der := range map[string][]byte{
		"no ASN.1":    []byte("signature"),
		"bytes after": append(encode(numbers{big.NewInt(1), big.NewInt(1)}), 0),
		"negative R":  encode(numbers{big.NewInt(-1), big.NewInt(1)}),
		"negative S":  encode(numbers{big.NewInt(1), big.NewInt(-1)}),
		"R too great": encode(numbers{tooGreat, big.NewInt(1)}),
		"S too great": encode(numbers{big.NewInt(1), tooGreat}),
	} {
		if got, err := fixedSize(der, 64); err == nil || err.Error() != "the key has not made an ECDSA signature" {
			t.Errorf("%s: %x, %v", why, got, err)
		}
	}
}
