package testkit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"math/big"
	"runtime/debug"
	"sync"
)

// keysPEM holds the RSA keys of the tests: generating one takes a twentieth of a second,
// in each of the processes that `go test ./...` starts. The first twelve are of package
// multiprime: with others, the tests would spend a quarter of their time on RSA.
//
//go:embed keys.pem
var keysPEM []byte

// The first keys of keys.pem are for the emulator, and the others have names here.
const emulatorKeys = 9

func init() {
	keysFrom(func(i int) *rsa.PrivateKey { return rsaKeys()[i]() })
	// The heap of a test is small, and a sixth of its time would go to collecting it.
	debug.SetGCPercent(400)
}

// rsaKeys returns the keys of keys.pem, each parsed when first needed.
var rsaKeys = sync.OnceValue(func() []func() *rsa.PrivateKey {
	var keys []func() *rsa.PrivateKey
	for block, rest := pem.Decode(keysPEM); block != nil; block, rest = pem.Decode(rest) {
		keys = append(keys, sync.OnceValue(func() *rsa.PrivateKey { return Must(x509.ParsePKCS1PrivateKey(block.Bytes)) }))
	}
	return keys
})

// The keys of the issuers that tests set up by hand. RSAKey1 and RSAKey2 are
// published as k1 and k2, RSAForeign is published nowhere, RSAShort is too short, and
// ClientRSAKey is the key of an application. They are read or made when first needed.
var (
	RSAKey1      = func() *rsa.PrivateKey { return rsaKeys()[emulatorKeys]() }
	RSAKey2      = func() *rsa.PrivateKey { return rsaKeys()[emulatorKeys+1]() }
	RSAForeign   = func() *rsa.PrivateKey { return rsaKeys()[emulatorKeys+2]() }
	ClientRSAKey = func() *rsa.PrivateKey { return rsaKeys()[emulatorKeys+3]() }
	RSAShort     = func() *rsa.PrivateKey { return rsaKeys()[emulatorKeys+4]() }
	ECKey        = sync.OnceValue(func() *ecdsa.PrivateKey { return NewECKey(elliptic.P256()) })
	ECKey384     = sync.OnceValue(func() *ecdsa.PrivateKey { return NewECKey(elliptic.P384()) })
	ECKey521     = sync.OnceValue(func() *ecdsa.PrivateKey { return NewECKey(elliptic.P521()) })
	EdKey        = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) })
)

// AnyRSAKey returns one of thirteen keys of 2,048 bits, for a test that needs many
// keys of any owner. The last four are RSAKey1, RSAKey2, RSAForeign and ClientRSAKey.
func AnyRSAKey(i int) *rsa.PrivateKey { return rsaKeys()[:emulatorKeys+4][i]() }

// AllAlgorithms are the signature algorithms that the library knows.
var AllAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// NewRSAKey generates a further key.
func NewRSAKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// NewECKey generates a key of a curve.
func NewECKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// A JWK is a public key as issuers publish it.
type JWK map[string]any

// With returns the key with a member set, or without it if value is nil.
func (k JWK) With(name string, value any) JWK {
	other := JWK{name: value}
	for n, v := range k {
		if n != name {
			other[n] = v
		}
	}
	if value == nil {
		delete(other, name)
	}
	return other
}

// RSAJWK publishes an RSA key for RS256.
func RSAJWK(kid string, key *rsa.PublicKey) JWK {
	return JWK{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": Segment(string(key.N.Bytes())), "e": Segment(string(big.NewInt(int64(key.E)).Bytes()))}
}

// ECJWK publishes a key of a curve.
func ECJWK(kid, alg string, key *ecdsa.PublicKey) JWK {
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	size := len(point) / 2
	return JWK{"kty": "EC", "use": "sig", "alg": alg, "kid": kid, "crv": key.Params().Name,
		"x": Segment(string(point[1 : 1+size])), "y": Segment(string(point[1+size:]))}
}

// EdJWK publishes an Ed25519 key.
func EdJWK(kid string, key []byte) JWK {
	return JWK{"kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": kid, "crv": "Ed25519", "x": Segment(string(key))}
}
