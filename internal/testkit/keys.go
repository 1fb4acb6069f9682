package testkit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"sync"
)

var ClientRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return Must(rsa.GenerateKey(rand.Reader, 2048)) })

var RSAKey1 = sync.OnceValue(func() *rsa.PrivateKey { return NewRSAKey(2048) })

var RSAKey2 = sync.OnceValue(func() *rsa.PrivateKey { return NewRSAKey(2048) })

var RSAForeign = sync.OnceValue(func() *rsa.PrivateKey { return NewRSAKey(2048) })

var RSAShort = sync.OnceValue(func() *rsa.PrivateKey { return NewRSAKey(1024) })

var ECKey = sync.OnceValue(func() *ecdsa.PrivateKey { return NewECKey(elliptic.P256()) })

var ECKey384 = sync.OnceValue(func() *ecdsa.PrivateKey { return NewECKey(elliptic.P384()) })

var ECKey521 = sync.OnceValue(func() *ecdsa.PrivateKey { return NewECKey(elliptic.P521()) })

var EdKey = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) })

var AllAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func NewRSAKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func NewECKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// A JWK is a public key as issuers publish it.
type JWK map[string]any

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

func RSAJWK(kid string, key *rsa.PublicKey) JWK {
	return JWK{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": Segment(string(key.N.Bytes())), "e": Segment(string(big.NewInt(int64(key.E)).Bytes()))}
}

func ECJWK(kid, alg string, key *ecdsa.PublicKey) JWK {
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	size := len(point) / 2
	return JWK{"kty": "EC", "use": "sig", "alg": alg, "kid": kid, "crv": key.Params().Name,
		"x": Segment(string(point[1 : 1+size])), "y": Segment(string(point[1+size:]))}
}

func EdJWK(kid string, key []byte) JWK {
	return JWK{"kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": kid, "crv": "Ed25519", "x": Segment(string(key))}
}
