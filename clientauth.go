package auth0

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"golang.org/x/oauth2"
)

// A ClientAuthentication is the way an application authenticates to the tenant in
// token requests, revocations and pushed authorization requests. Set
// [Config].ClientAuthentication to the method in the tenant's settings of the
// application. The zero value stands for the secret in [Config].ClientSecret.
//
// Prefer [PrivateKeyJWT] or [MutualTLS] if the tenant's plan has them: they send nothing
// that an attacker could replay. The two methods with a secret are equally safe:
// [ClientSecretPost] is Auth0's default, and some other providers require
// [ClientSecretBasic].
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

// PublicClient is for an application that cannot keep a secret, because its users have
// copies of it. Only PKCE then protects a login, and anyone can claim to be the
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

// A ProofKey is the key to which the tenant binds the tokens of an application (DPoP,
// RFC 9449). A bound token is useless to a thief, because each request with it needs a
// proof signed with the key. The zero value stands for bearer tokens.
//
// Formatting or logging a ProofKey shows nothing of the key, wherever it is.
type ProofKey struct {
	perLogin bool
	key      prover.Key
	fault    error
}

// ProofKeyPerSession makes a key on P-256 for each login. The key is encrypted in the
// login transaction and then stored in the session, beside the refresh token. So every
// instance can use it, and a copy of one session's key is useless for another session.
// Tokens outside a session, as of [Application.ClientCredentials], are bound to a key of
// this process.
func ProofKeyPerSession() ProofKey { return ProofKey{perLogin: true} }

// ProofKeyOf uses one key for all tokens of the application. It can be in an HSM, and
// many goroutines use it. Instances of one application need the same key. It is a key on
// P-256 (ES256), or an RSA key of 2048 bits or more (RS256) if the provider lists RS256 in
// dpop_signing_alg_values_supported of its metadata. Auth0 lists only ES256.
//
// To change the key, restart all instances with the new one. A confidential application
// gets new tokens by its refresh tokens, which are bound to its authentication. In a
// public one, users log in again, because the refresh tokens are bound to the old key
// (RFC 9449, Section 5).
func ProofKeyOf(key crypto.Signer) ProofKey {
	made, err := prover.Of(key)
	return ProofKey{key: made, fault: err}
}

// newProofKeys returns the keys of an application. A provider named by URL has its list of
// algorithms in its metadata, so that its first login or token request checks the key.
func newProofKeys(p *problems, given ProofKey, tenant *provider.Tenant, now func() time.Time) *prover.Keys {
	if given.fault != nil {
		p.add("ProofKey", "%v", given.fault)
	} else if tenant.Static != nil {
		if err := given.key.Check(tenant.Static.ProofAlgorithms); err != nil {
			p.add("ProofKey", "%v", err)
		}
	}
	return prover.NewKeys(given.perLogin, given.key, now)
}

// A ProofTransport adds a token of Source to each request. If the token is bound to a
// key, it adds a proof of possession (RFC 9449, Section 7). Use it for clients that call
// APIs with the tokens of this package:
//
//	client := &http.Client{Transport: &auth0.ProofTransport{Source: source}, Timeout: 30 * time.Second}
//
// A token from this package carries its key. A bearer token needs none, and is sent as
// package oauth2 sends it.
//
// An API that requires a nonce answers 401 with use_dpop_nonce. The request is then sent
// once more, if it has no body or [http.Request].GetBody. The nonce is cached, so that
// later requests cost nothing more. Package net/http sends some requests again if a
// connection was closed. If the API rejects the repeated proof, the request is sent once
// more with a fresh one. All other responses reach the caller.
//
// A redirect to another scheme, host or port fails before anything is sent there, with
// Reason redirect_refused. A bound token is sent to https URLs, and to http URLs on this
// machine only. A request that already has the header Authorization or DPoP fails then.
// These errors are of type [*Error], inside the [url.Error] of package net/http.
type ProofTransport struct {
	// Base makes the requests. Default: [http.DefaultTransport].
	Base http.RoundTripper
	// Source supplies the tokens: [Strategy.TokenSource],
	// [Application.ClientCredentials], or [oauth2.StaticTokenSource].
	Source oauth2.TokenSource
	// Key is the key of [ProofKeyOf] for bound tokens that the program has stored, which
	// no longer carry theirs.
	Key ProofKey
}

// RoundTrip implements [http.RoundTripper].
func (t *ProofTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := prover.Transport{Base: t.Base, Credential: t.credential}.RoundTrip(r)
	if refused, ok := err.(*refusal.Refusal); ok { // and not one inside the error of Source
		return nil, asError("token", refused)
	}
	return resp, err
}

func (t *ProofTransport) credential() (prover.Credential, error) {
	if t.Source == nil {
		return prover.Credential{}, refusal.Misconfigured.Because("ProofTransport.Source is nil")
	}
	if t.Key.fault != nil {
		return prover.Credential{}, refusal.Misconfigured.Because("ProofTransport.Key %w", t.Key.fault)
	}
	token, err := t.Source.Token()
	if err != nil {
		return prover.Credential{}, err
	}
	return prover.CredentialOf(token, t.Key.key)
}
