package emulator

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The limits of client assertions (RFC 7523).
const (
	maxAssertion     = 2048
	assertionType    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionSkew    = 10 * time.Second
	maxAssertionLife = 5 * time.Minute
)

// clientCredentialsOf returns the credentials of the client and its authentication
// method: the secret, in the Authorization header, whose halves are form-encoded
// (RFC 6749, Section 2.3.1), or in the form; an assertion (RFC 7523, Section
// 2.2); or the thumbprint of its certificate (RFC 8705, Section 3.1).
func clientCredentialsOf(r *http.Request, form url.Values) (id, shown, method string, err *tokenError) {
	id, shown = form.Get("client_id"), form.Get("client_secret")
	method = "none"
	methods := 0
	if shown != "" {
		method = "client_secret_post"
		methods++
	}
	if r.Header.Get("Authorization") != "" {
		basicID, secret, ok := decodeBasic(r)
		if !ok || id != "" && id != basicID {
			return id, "", "", errUnauthorized
		}
		id, shown, method = basicID, secret, "client_secret_basic"
		methods++
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		shown, method = form.Get("client_assertion"), privateKeyJWT
		if form.Get("client_assertion_type") != assertionType {
			return id, "", "", badRequest("Unsupported client_assertion_type")
		}
		if id == "" { // RFC 7521, Section 4.2: it is optional
			claims, _ := assertionClaims(shown)
			id, _ = claims["sub"].(string)
		}
		methods++
	}
	if thumbprint := clientCertificate(r); thumbprint != "" {
		if methods == 0 {
			shown, method = thumbprint, tlsClientAuth
		}
	}
	if methods > 1 { // RFC 6749, Section 2.3: one method per request
		return id, "", "", badRequest("Only one client authentication method is allowed")
	}
	return id, shown, method, nil
}

func decodeBasic(r *http.Request) (id, secret string, ok bool) {
	id, secret, ok = r.BasicAuth()
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	return id, secret, ok && err1 == nil && err2 == nil
}

// clientCertificate returns the thumbprint of the client certificate of a request
// to the tenant's mTLS alias. The tenant's own host requests no certificate.
func clientCertificate(r *http.Request) string {
	if !strings.HasPrefix(r.Host, "mtls.") || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	return Thumbprint(r.TLS.PeerCertificates[0].Raw)
}

// Thumbprint returns the x5t#S256 of a certificate in DER form.
func Thumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return b64(sum[:])
}

// A clientAuth authenticates applications.
type clientAuth struct {
	*site
	directory *directory

	assertions *bounded[struct{}] // used jti
}

func (ca *clientAuth) authenticateClient(id, shown, method string) (*Client, *tokenError) {
	c, ok := ca.directory.client(id)
	switch {
	case !ok:
		return nil, errUnauthorized
	case c.Public:
		return c, nil
	case c.AuthMethod == privateKeyJWT && method == privateKeyJWT:
		if err := ca.checkAssertion(c, shown); err != nil {
			return nil, &tokenError{http.StatusUnauthorized, oauthError{"invalid_client", err.Error()}}
		}
		return c, nil
	case (c.AuthMethod == tlsClientAuth || c.AuthMethod == selfSignedTLS) && method == tlsClientAuth:
		if !slices.Contains(c.Certificates, shown) {
			return nil, &tokenError{http.StatusUnauthorized, oauthError{"invalid_client", "The client certificate is not registered"}}
		}
		return c, nil
	case method == "none", method == privateKeyJWT, method == tlsClientAuth, !c.hasSecret(),
		c.AuthMethod != "" && c.AuthMethod != method:
		return nil, errUnauthorized
	case subtle.ConstantTimeCompare([]byte(shown), []byte(c.Secret)) != 1:
		return nil, errUnauthorized
	}
	return c, nil
}

// checkAssertion checks an assertion as Auth0 does, and uses its jti up (RFC
// 7523, Section 3).
func (ca *clientAuth) checkAssertion(c *Client, raw string) error {
	if len(raw) > maxAssertion {
		return errors.New("The client assertion is too long")
	}
	if !assertedBy(c.Keys, raw) {
		return errors.New("The client assertion is not signed with a registered key")
	}
	claims, err := assertionClaims(raw)
	if err != nil {
		return err
	}
	now := ca.now()
	jti, _ := claims["jti"].(string)
	exp, ok := claims["exp"].(float64)
	switch {
	case claims["iss"] != c.ID || claims["sub"] != c.ID || len(c.ID) > 64:
		return errors.New("iss and sub of the client assertion must be the client_id")
	case claims["aud"] != ca.Issuer():
		return errors.New("aud of the client assertion must be the issuer, as a string")
	case !ok || int64(exp) <= now.Unix():
		return errors.New("The client assertion has expired")
	case int64(exp) > now.Add(maxAssertionLife).Unix():
		return errors.New("exp of the client assertion is too far ahead")
	case jti == "" || len(jti) > 64:
		return errors.New("jti of the client assertion is missing or too long")
	}
	for _, name := range []string{"iat", "nbf"} {
		if at, ok := claims[name].(float64); ok && int64(at) > now.Add(assertionSkew).Unix() {
			return errors.New(name + " of the client assertion is in the future")
		}
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if _, used := ca.assertions.get(c.ID + "\x00" + jti); used {
		return errors.New("The client assertion was used before")
	}
	ca.assertions.put(c.ID+"\x00"+jti, struct{}{})
	return nil
}

func assertionClaims(raw string) (map[string]any, error) {
	var claims map[string]any
	if parts := strings.Split(raw, "."); len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(text, &claims) == nil {
			return claims, nil
		}
	}
	return nil, errors.New("The client assertion is malformed")
}

// assertedBy reports whether one of the keys has signed with its algorithm. A kid
// chooses among them.
func assertedBy(keys []ClientKey, raw string) bool {
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header struct {
		Algorithm string  `json:"alg"`
		KeyID     *string `json:"kid"`
	}
	if err != nil || json.Unmarshal(text, &header) != nil {
		return false
	}
	dot := strings.LastIndexByte(raw, '.')
	signature, err := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	if err != nil {
		return false
	}
	hash := crypto.SHA256
	if header.Algorithm == "RS384" {
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write([]byte(raw[:dot]))
	digest := h.Sum(nil)
	for _, key := range keys {
		if key.Algorithm != header.Algorithm || header.KeyID != nil && *header.KeyID != key.ID {
			continue
		}
		if key.Algorithm == "PS256" {
			err = rsa.VerifyPSS(key.Public, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			err = rsa.VerifyPKCS1v15(key.Public, hash, digest, signature)
		}
		if err == nil {
			return true
		}
	}
	return false
}

// clientRequest reads a request of an application to an endpoint other than the
// token endpoint.
func (ca *clientAuth) clientRequest(r *http.Request) (*Client, url.Values, *tokenError) {
	form, err := requestForm(r)
	if err != nil {
		return nil, nil, err
	}
	id, secret, method, err := clientCredentialsOf(r, form)
	if err != nil {
		return nil, nil, err
	}
	c, err := ca.authenticateClient(id, secret, method)
	return c, form, err
}
