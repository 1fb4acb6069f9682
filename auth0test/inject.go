package auth0test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// WithUser returns the request with a user, for a test of a handler that calls
// [auth0.UserFrom] or [auth0.Claims]. That test needs no tenant and no login. The
// guards of a Strategy read the session and not this user, so give the request to the
// handler itself. To test with guards, log in with [Tenant.Browser].
func WithUser(r *http.Request, user auth0.User) *http.Request {
	return r.WithContext(auth0.ContextWithUser(r.Context(), user))
}

// WithToken returns the request with a verified access token, for a test of a handler
// that calls [auth0.TokenFrom] or [auth0.Claims]. The token has the given claims. By
// default its iss is https://tenant.auth0.example/, its aud https://api.example/, its
// sub auth0|1, and it expires in an hour. The test fails if an API would reject a token
// with these claims, for example an expired one.
//
// The guards of an API read the request and not this token, so give the request to the
// handler itself. To test with guards, use [Tenant.AccessToken].
func WithToken(t TB, r *http.Request, claims map[string]any) *http.Request {
	t.Helper()
	token, err := verifiedToken(r.Context(), claims)
	if err != nil {
		t.Fatalf("auth0test: WithToken: %v", err)
	}
	return r.WithContext(auth0.ContextWithToken(r.Context(), token))
}

// injected is a key pair of this process. Tokens of other processes do not match it.
var injected = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })

func verifiedToken(ctx context.Context, claims map[string]any) (*auth0.Token, error) {
	key, err := injected()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	all := map[string]any{
		"iss": "https://tenant.auth0.example/", "aud": "https://api.example/", "sub": "auth0|1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(all, claims)
	issuer, _ := all["iss"].(string)
	audience, _ := all["aud"].(string)
	if list, ok := all["aud"].([]string); ok && len(list) > 0 {
		audience = list[0]
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	keys, err := auth0.StaticKeys(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	if err != nil {
		return nil, err
	}
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: issuer, Audience: audience, Keys: keys, Algorithms: []string{"ES256"}})
	if err != nil {
		return nil, err
	}
	text, err := signed(key, map[string]any{"alg": "ES256", "typ": "JWT"}, all)
	if err != nil {
		return nil, err
	}
	return api.Verify(ctx, text)
}

// signed is a JWT with ES256 (RFC 7518, Section 3.4).
func signed(key *ecdsa.PrivateKey, header, claims map[string]any) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("the header cannot be encoded: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("the claims cannot be encoded: %w", err)
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
