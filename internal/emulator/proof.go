package emulator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxProof  = 8 << 10
	proofAge  = 5 * time.Minute
	proofSkew = 30 * time.Second // of a clock that is ahead
)

// A receivedProof is a well-formed DPoP proof with a valid signature (RFC 9449,
// Section 4.2).
type receivedProof struct {
	thumbprint string
	claims     map[string]any
}

func (p receivedProof) text(claim string) string {
	s, _ := p.claims[claim].(string)
	return s
}

// proofOf reads the proof of a request and checks what needs no knowledge of the
// request: items 1 to 7 of RFC 9449, Section 4.3.
func proofOf(r *http.Request) (receivedProof, error) {
	var p receivedProof
	lines := r.Header.Values("DPoP")
	if len(lines) != 1 {
		return p, errors.New("the header DPoP must occur once")
	}
	parts := strings.Split(lines[0], ".")
	var header map[string]any
	if len(parts) != 3 || len(lines[0]) > maxProof || decodePart(parts[0], &header) != nil || decodePart(parts[1], &p.claims) != nil {
		return p, errors.New("it is not a JWT")
	}
	if header["typ"] != "dpop+jwt" {
		return p, errors.New("typ must be dpop+jwt")
	}
	if header["alg"] != "ES256" {
		return p, errors.New("alg must be ES256")
	}
	jwk, _ := header["jwk"].(map[string]any)
	key, err := publicKeyOf(jwk)
	if err != nil {
		return p, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || len(signature) != 64 ||
		!ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return p, errors.New("bad signature")
	}
	p.thumbprint = jwkThumbprint(jwk)
	return p, nil
}

// publicKeyOf reads a key of P-256. It rejects a private key, because the sender has
// disclosed it.
func publicKeyOf(jwk map[string]any) (*ecdsa.PublicKey, error) {
	if jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
		return nil, errors.New("jwk must be a key of the curve P-256")
	}
	if _, private := jwk["d"]; private {
		return nil, errors.New("jwk must be a public key")
	}
	point := []byte{4}
	for _, name := range []string{"x", "y"} {
		text, _ := jwk[name].(string)
		coordinate, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(coordinate) != 32 {
			return nil, errors.New("jwk must be a key of the curve P-256")
		}
		point = append(point, coordinate...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, errors.New("jwk must be a key of the curve P-256")
	}
	return key, nil
}

// jwkThumbprint is the thumbprint of a key of P-256 (RFC 7638, Section 3).
func jwkThumbprint(jwk map[string]any) string {
	sum := sha256.Sum256(marshal(map[string]any{"crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"], "y": jwk["y"]}))
	return b64(sum[:])
}

// fits compares the claims with the request: items 8 to 11 of RFC 9449, Section 4.3,
// without the nonce.
func (p receivedProof) fits(method, address, token string, now time.Time) error {
	at, ok := p.claims["iat"].(float64)
	age := float64(now.Unix()) - at
	ath := sha256.Sum256([]byte(token))
	switch {
	case p.claims["htm"] != method:
		return errors.New("htm must be " + method)
	case normalURL(p.text("htu")) != normalURL(address):
		return errors.New("htu must be " + address)
	case p.text("jti") == "":
		return errors.New("jti is missing")
	case !ok:
		return errors.New("iat must be a number")
	case age > proofAge.Seconds():
		return errors.New("iat is too long ago")
	case -age > proofSkew.Seconds():
		return errors.New("iat is in the future")
	case token != "" && p.claims["ath"] != b64(ath[:]):
		return errors.New("ath must be the hash of the access token")
	}
	return nil
}

// normalURL drops the parts that htu ignores: query, fragment, the case of scheme and
// host, the default port.
func normalURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil {
		return raw
	}
	host := strings.ToLower(u.Host)
	switch scheme := strings.ToLower(u.Scheme); scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.ToLower(u.Scheme) + "://" + host + path
}
