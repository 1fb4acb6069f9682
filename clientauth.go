package auth0

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
)

// A ClientAuthentication is the way an application authenticates to the tenant in
// token requests, revocations and pushed authorization requests. Set
// [Config].ClientAuthentication to the method in the tenant's settings of the
// application. The zero value stands for the secret in [Config].ClientSecret.
//
// Prefer [PrivateKeyJWT] or [MutualTLS] if the tenant's plan has them: they send
// nothing that an attacker could use a second time. The two methods with a secret are
// equally safe: [ClientSecretPost] is Auth0's default, and some other providers
// require [ClientSecretBasic].
//
// Formatting or logging a ClientAuthentication shows only the method. In an
// unexported field of another struct it shows no secret and no key either.
type ClientAuthentication struct{ method clientauth.Method }

// ClientSecretPost sends a secret in the body (client_secret_post), as
// [Config].ClientSecret does.
func ClientSecretPost(secret string) ClientAuthentication {
	return ClientAuthentication{clientauth.WithSecret(clientauth.ClientSecretPost, secret)}
}

// ClientSecretBasic sends a secret in the Authorization header (client_secret_basic).
func ClientSecretBasic(secret string) ClientAuthentication {
	return ClientAuthentication{clientauth.WithSecret(clientauth.ClientSecretBasic, secret)}
}

// PrivateKeyJWT signs a short-lived assertion for each request (private_key_jwt, RFC
// 7523, Section 2.2), so that the tenant needs only the public key. Many goroutines
// use the key, which can be in an HSM. The algorithm is RS256, RS384 or PS256, as
// registered at the tenant for this key. Other providers can also accept ES256. KeyID
// is the tenant's id of the key. It can be empty if the application has only one key
// there.
func PrivateKeyJWT(key crypto.Signer, algorithm, keyID string) ClientAuthentication {
	return ClientAuthentication{clientauth.WithKey(key, algorithm, keyID)}
}

// MutualTLS uses the certificate that the transport of [Config].HTTPClient presents
// (tls_client_auth or self_signed_tls_client_auth, RFC 8705). Requests go to the
// mtls_endpoint_aliases that the tenant publishes. If an Auth0 tenant has none, the
// login fails. Aliases must be on the tenant's host, on a host below it, or on one of
// [Config].EndpointOrigins.
func MutualTLS() ClientAuthentication {
	return ClientAuthentication{clientauth.Method{Name: clientauth.MutualTLS}}
}

// PublicClient is for an application that cannot keep a secret, because its users
// have copies of it. Only PKCE then protects a login, and anybody can claim to be the
// application. Do not use it for a program on a server.
func PublicClient() ClientAuthentication {
	return ClientAuthentication{clientauth.Method{Name: clientauth.PublicClient}}
}

// ClientAuthenticationFunc calls f before each request, so that a secret or a key can
// rotate while the application runs. Many goroutines call f, so f should cache values
// that it fetches. If f fails, the request fails with status 503, and the text of the
// error is logged.
func ClientAuthenticationFunc(f func(context.Context) (ClientAuthentication, error)) ClientAuthentication {
	if f == nil {
		return ClientAuthentication{clientauth.Method{Name: clientauth.AskEachTime, Fault: errors.New("has no function")}}
	}
	return ClientAuthentication{clientauth.Method{Name: clientauth.AskEachTime, Current: func(ctx context.Context) (clientauth.Method, error) {
		a, err := f(ctx)
		return a.method, err
	}}}
}

// Format shows the method for every verb.
func (a ClientAuthentication) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, a.method)
}
