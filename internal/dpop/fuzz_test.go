package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// FuzzProof: a valid text has a signature of the key in its header. The fuzzer has no
// private key. Only a text from its corpus can lead it to a valid proof, and package dpop
// must agree with the standard library about that.
func FuzzProof(f *testing.F) {
	add := func(text string) {
		parts := strings.Split(text, ".")
		f.Add(string(decoded(parts[0])), string(decoded(parts[1])), decoded(parts[2]))
	}
	add(proof(nil, nil))
	add(sign(edwards(), "EdDSA", headerOf("EdDSA", edwards()).text(), good().text()))
	add(sign(rsaKey(), "RS256", headerOf("RS256", rsaKey()).text(), good().text()))
	add(sign(p384(), "ES384", headerOf("ES384", p384()).text(), good().text()))
	add(proof(members{"jwk": nil}, nil))
	add(proof(members{"alg": "none"}, nil))
	add(proof(nil, members{"htu": "HTTPS://api.example:443/./x?y"}))
	f.Fuzz(func(t *testing.T, header, claims string, signature []byte) {
		text := b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64(signature)
		p, err := NewReader(all).Parse(text)
		if err != nil {
			if p != nil {
				t.Error("an error and a proof")
			}
			return
		}
		switch use, err := p.Verify(expected()); {
		case err != nil && use != (Use{}):
			t.Error("an error and a use")
		case err == nil && (!strings.HasPrefix(use.Key, "dpop:") || len(use.Key) != 48):
			t.Errorf("%q", use.Key)
		case err == nil && !isSigned(text):
			t.Errorf("nobody has signed %q", text)
		}
	})
}

func decoded(text string) []byte {
	b, _ := base64.RawURLEncoding.DecodeString(text)
	return b
}

// isSigned is a second opinion about a proof with one of the algorithms of FuzzProof.
func isSigned(text string) bool {
	input, last := text[:strings.LastIndexByte(text, '.')], text[strings.LastIndexByte(text, '.')+1:]
	first, _, _ := strings.Cut(text, ".")
	var header struct {
		Alg string
		JWK struct{ X, Y, N string }
	}
	if json.Unmarshal(decoded(first), &header) != nil {
		return false
	}
	signature, key := decoded(last), header.JWK
	switch header.Alg {
	case "EdDSA":
		return ed25519.Verify(decoded(key.X), []byte(input), signature)
	case "RS256":
		digest := sha256.Sum256([]byte(input))
		return rsa.VerifyPKCS1v15(&rsa.PublicKey{N: new(big.Int).SetBytes(decoded(key.N)), E: 65537}, crypto.SHA256, digest[:], signature) == nil
	case "ES256", "ES384":
		curve, hash := elliptic.P256(), crypto.SHA256
		if header.Alg == "ES384" {
			curve, hash = elliptic.P384(), crypto.SHA384
		}
		public, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, decoded(key.X)...), decoded(key.Y)...))
		if err != nil {
			return false
		}
		h, half := hash.New(), len(signature)/2
		h.Write([]byte(input))
		return ecdsa.Verify(public, h.Sum(nil), new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	return false
}
