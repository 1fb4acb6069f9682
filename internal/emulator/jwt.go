package emulator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"strings"

	_ "crypto/sha512" // RS512, ES512 and their kin

	"github.com/seed-15d5a55c/auth0/internal/multiprime"
)

// Sign returns a compact JWT. The header begins as {"alg":"RS256","typ":"JWT",
// "kid": the current one}; members of header override, and nil values remove.
//
// The kid chooses among the published keys, and an unknown one is signed with
// the current key. The alg need not fit the key, so that a verifier can be
// tried with what attackers send: "none" gives an empty signature, an HMAC
// algorithm is keyed with the public key in PEM form, and an algorithm that the
// key cannot produce gets an RS256 signature.
func (ks *keys) Sign(header, claims map[string]any) string {
	return ks.sign(header, claims, nil)
}

// sign is Sign with the secret of applications whose ID tokens have a MAC.
func (ks *keys) sign(header, claims map[string]any, secret []byte) string {
	ks.mu.Lock()
	key, foreign := ks.ring.current, ks.ring.foreign
	h := map[string]any{"alg": "RS256", "typ": "JWT", "kid": key.kid}
	maps.Copy(h, header)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	kid, _ := h["kid"].(string)
	if named := ks.ring.find(kid); named != nil {
		key = named
	}
	ks.mu.Unlock()

	private := key.private()
	if foreign && key.signer == nil {
		private = multiprime.Signer{PrivateKey: pool.foreign()}
	}
	alg, _ := h["alg"].(string)
	input := b64(marshal(h)) + "." + b64(marshal(claims))
	return input + "." + b64(signature(alg, private, secret, input))
}

// signature computes the signature of alg (RFC 7518, Section 3; RFC 8037), or
// of RS256 if the key cannot do alg.
func signature(alg string, key crypto.Signer, secret []byte, input string) []byte {
	if alg == "none" {
		return nil
	}
	hash := crypto.SHA256
	if strings.HasSuffix(alg, "384") {
		hash = crypto.SHA384
	} else if strings.HasSuffix(alg, "512") {
		hash = crypto.SHA512
	}
	if strings.HasPrefix(alg, "HS") {
		if secret == nil {
			secret = publicPEM(key)
		}
		mac := hmac.New(hash.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
	digest := hash.New()
	digest.Write([]byte(input))
	sum := digest.Sum(nil)
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(input))
	case *ecdsa.PrivateKey:
		return ecdsaSignature(key, sum)
	}
	var opts crypto.SignerOpts = hash
	if strings.HasPrefix(alg, "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	sig, _ := key.Sign(rand.Reader, sum, opts)
	return sig
}

// ecdsaSignature returns r and s side by side, each as long as the curve's
// order (RFC 7518, Section 3.4).
func ecdsaSignature(key *ecdsa.PrivateKey, sum []byte) []byte {
	der, err := ecdsa.SignASN1(rand.Reader, key, sum)
	if err != nil {
		return nil
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil // unreachable: SignASN1 wrote it
	}
	size := (key.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	sig.R.FillBytes(out[:size])
	sig.S.FillBytes(out[size:])
	return out
}

func publicPEM(key crypto.Signer) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

var (
	errMalformed = errors.New("malformed token")
	errSignature = errors.New("bad signature")
)

// verify checks the signature of a token of this tenant and returns its claims.
// The MAC of an ID token is checked with the secret of the client in its aud.
// Times and audiences are left to the caller.
func (ks *keys) verify(raw string) (map[string]any, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errMalformed
	}
	var header struct{ Alg, Kid string }
	var claims map[string]any
	if decodePart(parts[0], &header) != nil || decodePart(parts[1], &claims) != nil || claims == nil {
		return nil, errMalformed
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, errMalformed
	}
	input := parts[0] + "." + parts[1]
	aud, _ := claims["aud"].(string)

	ks.mu.Lock()
	key := ks.ring.find(header.Kid)
	client := ks.directory.data.clients[aud]
	ks.mu.Unlock()
	switch {
	case header.Alg == "HS256" && client != nil && client.IDTokenAlg == "HS256":
		if !hmac.Equal(sig, signature("HS256", nil, client.macKey(), input)) {
			return nil, errSignature
		}
	case header.Alg == "RS256" && key != nil && key.signer == nil:
		sum := sha256.Sum256([]byte(input))
		public := key.private().Public().(*rsa.PublicKey)
		if rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig) != nil {
			return nil, errSignature
		}
	default:
		return nil, errSignature
	}
	return claims, nil
}

func decodePart(part string, v any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// halfHash returns the left half of the SHA-256 hash of a value, for at_hash
// and c_hash (OpenID Connect Core 1.0, Section 3.3.2.11).
func halfHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return b64(sum[:len(sum)/2])
}

// audiences returns the aud claim, which is a string or a list.
func audiences(claims map[string]any) []string {
	switch aud := claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var list []string
		for _, a := range aud {
			if s, ok := a.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// challengeOf returns the S256 challenge of a verifier (RFC 7636, Section 4.2).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return b64(sum[:])
}
