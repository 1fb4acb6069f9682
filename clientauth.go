package auth0

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
)

// A ClientAuthentication is how an application shows the tenant that it is the
// one with its client id, wherever it asks for something itself: for tokens, for
// their revocation, and when it pushes an authorization request. Set the field of
// [Config] to the method that the application has in the tenant's settings; there
// is one. The zero value stands for the secret in [Config].ClientSecret.
//
// [PrivateKeyJWT] and [MutualTLS] send nothing that could be used a second time;
// they are what to choose where the tenant's plan has them. Between the two that
// send a secret there is no difference in safety: [ClientSecretPost] is what
// Auth0 sets up, [ClientSecretBasic] what some other providers insist on.
//
// Formatting or logging a ClientAuthentication shows the method alone. It shows no
// secret and no key in an unexported field of another struct either.
type ClientAuthentication struct{ method clientauth.Method }

// ClientSecretPost sends a secret in the body. [Config].ClientSecret does the
// same.
func ClientSecretPost(secret string) ClientAuthentication {
	return ClientAuthentication{clientauth.WithSecret(clientauth.ClientSecretPost, secret)}
}

// ClientSecretBasic sends a secret in the header Authorization.
func ClientSecretBasic(secret string) ClientAuthentication {
	return ClientAuthentication{clientauth.WithSecret(clientauth.ClientSecretBasic, secret)}
}

// PrivateKeyJWT signs a short-lived assertion for each request (RFC 7523, Section
// 2.2), so that the tenant needs only the public key. The key is used from many
// goroutines, and may be in an HSM. The algorithm is RS256, RS384 or PS256, the
// one that the tenant has for this key; other providers may take ES256 too. KeyID
// is the id that the tenant has given to the key, and may be empty if it has only
// one of the application.
func PrivateKeyJWT(key crypto.Signer, algorithm, keyID string) ClientAuthentication {
	return ClientAuthentication{clientauth.WithKey(key, algorithm, keyID)}
}

// MutualTLS relies on the certificate that the transport of [Config].HTTPClient
// presents (RFC 8705). Requests go to the mtls_endpoint_aliases that the tenant
// publishes; an Auth0 tenant that has none fails the login. They must be on the
// tenant's host, on one below it, or on one of [Config].EndpointOrigins.
func MutualTLS() ClientAuthentication {
	return ClientAuthentication{clientauth.Method{Name: clientauth.MutualTLS}}
}

// PublicClient is for an application that can keep no secret, because people have
// copies of it. Nothing but PKCE then ties a login to it, and anybody can claim
// to be it: a program on a server should not use this.
func PublicClient() ClientAuthentication {
	return ClientAuthentication{clientauth.Method{Name: clientauth.PublicClient}}
}

// ClientAuthenticationFunc asks f before each request, so that a secret or a key
// can be replaced while the application runs. F is called from many goroutines;
// what it has to fetch it should keep for a while. Its error fails the request
// with status 503, and its text gets into the log.
func ClientAuthenticationFunc(f func(context.Context) (ClientAuthentication, error)) ClientAuthentication {
	if f == nil {
		return ClientAuthentication{clientauth.Method{Name: clientauth.AskEachTime, Fault: errors.New("has no function")}}
	}
	return ClientAuthentication{clientauth.Method{Name: clientauth.AskEachTime, Current: func(ctx context.Context) (clientauth.Method, error) {
		a, err := f(ctx)
		return a.method, err
	}}}
}

// Format shows the method, whatever the verb.
func (a ClientAuthentication) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, a.method)
}
