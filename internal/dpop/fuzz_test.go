package dpop

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// FuzzProof: a text is never good if nobody has signed it with the key that it names.
// The fuzzer has no private key, so it can reach a good proof only as a text that it
// was given, or with the claims and the header of such a text.
func FuzzProof(f *testing.F) {
	seeds := map[string]bool{}
	add := func(text string) {
		seeds[text] = true
		f.Add(text)
	}
	add(proof(nil, members{"jti": "j"}))
	add(sign(edwards(), "EdDSA", headerOf("EdDSA", edwards()).text(), good().text()))
	add(sign(rsaKey(), "RS256", headerOf("RS256", rsaKey()).text(), good().text()))
	f.Add("a.b.c")
	f.Add(proof(members{"jwk": nil}, nil))
	f.Add(proof(members{"alg": "none"}, nil))
	f.Add(proof(nil, members{"htu": "HTTPS://api.example:443/./x?y"}))
	signed := map[string]bool{} // what was signed here
	for text := range seeds {
		signed[text[:strings.LastIndexByte(text, '.')]] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text, all)
		if err != nil {
			if p != (Proof{}) {
				t.Error("an error and a proof")
			}
			return
		}
		use, err := p.Verify(expected())
		if err != nil {
			if use != (Use{}) {
				t.Error("an error and a use")
			}
			return
		}
		if !strings.HasPrefix(use.Key, "dpop:") || len(use.Key) != 48 {
			t.Errorf("%q", use.Key)
		}
		input, _, _ := cutLast(text)
		if !signed[input] && !madeBySomebody(t, text) {
			t.Errorf("nobody has signed %q", text)
		}
	})
}

func cutLast(text string) (before, after string, ok bool) {
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 {
		return text, "", false
	}
	return text[:dot], text[dot+1:], true
}

// madeBySomebody checks the signature with the standard library alone, as a second
// opinion about seeds that a later run has kept.
func madeBySomebody(t *testing.T, text string) bool {
	input, last, _ := cutLast(text)
	first, _, _ := strings.Cut(text, ".")
	signature, err := base64.RawURLEncoding.DecodeString(last)
	if err != nil {
		return false
	}
	var header struct {
		JWK struct{ Kty, Crv, X, Y string }
	}
	decoded, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || json.Unmarshal(decoded, &header) != nil {
		return false
	}
	x, _ := base64.RawURLEncoding.DecodeString(header.JWK.X)
	y, _ := base64.RawURLEncoding.DecodeString(header.JWK.Y)
	switch header.JWK.Kty {
	case "OKP":
		return len(x) == 32 && ed25519.Verify(x, []byte(input), signature)
	case "EC":
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil || len(signature) != 64 {
			return false
		}
		return ecdsa.Verify(key, sum256(input), new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	}
	return false
}
