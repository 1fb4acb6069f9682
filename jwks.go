package auth0

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A KeySet holds the keys that verify an issuer's tokens. A KeySet of
// [Application.KeySet], or of an [API], fetches the JWKS on first use, and refreshes
// it in the background; readers do not wait for that. While the JWKS endpoint is
// unreachable, it uses the cached keys for 24 hours. Its only goroutine is a fetch,
// which ends within five seconds, or within twice the timeout of HTTPClient if that is
// longer. So there is nothing to close.
//
// An unknown kid causes a fetch at once, so that a new key works from its first token.
// Anyone can make up a kid, so the limit is two of these fetches in a row and then one
// in 30 seconds. ID tokens from the token endpoint have a separate limit, so that
// tokens of strangers cannot keep a [Strategy] from the keys that its logins and
// refreshes need. An access token with a wrong signature never causes a fetch.
//
// A KeySet of [StaticKeys] or [SharedSecret] never fetches.
//
// A KeySet implements the interface KeySet of go-oidc.
type KeySet struct {
	set    *keys.Set
	issuer *provider.Tenant // nil for a set that never fetches
}

// newKeySet returns the keys of an issuer. An empty jwksURI is that of its metadata.
func newKeySet(n *provider.Tenant, jwksURI string, client *http.Client, log *slog.Logger, observer Observer) *KeySet {
	return &KeySet{issuer: n, set: keys.New(keys.Source{
		URL: func(ctx context.Context) (string, error) {
			if jwksURI != "" {
				return jwksURI, nil
			}
			ep, err := n.Endpoints(ctx)
			return ep.JWKSURI, err
		},
		Client: client,
		First:  n.First,
		NotYet: issuers.ErrTooMany,
		Observe: func(ctx context.Context, e keys.Event) {
			observer.tell(ctx, Event{Kind: KeysFetched, Issuer: n.Issuer, Reason: e.Reason, Keys: e.Keys, Duration: e.Duration, Err: e.Err})
		},
		Log: log,
	})}
}

var errZeroKeySet = issuers.ErrZeroKeys

// given returns the keys for package issuers, the zero Keys for nil.
func (k *KeySet) given() issuers.Keys {
	if k == nil {
		return issuers.Keys{}
	}
	return issuers.Keys{Set: k.set, Tenant: k.issuer, Public: k}
}

// keySetOf returns the keys of an issuer, as the application has them.
func keySetOf(i *issuers.Issuer) *KeySet { return i.Keys.Public.(*KeySet) }

// isOf reports whether the keys can belong to an issuer.
func (k *KeySet) isOf(issuer string) bool { return k.given().IsOf(issuer) }

// StaticKeys returns a KeySet that never fetches, for tests, for short-lived
// programs, and for networks without access to the issuer. The document is a JWK Set
// (RFC 7517, Section 5), or public keys or certificates in PEM (RFC 7468, Sections 13
// and 5). A key in PEM fits any kid. When the issuer rotates its keys, the program
// needs a new document.
func StaticKeys(document []byte) (*KeySet, error) {
	set, err := keys.Static(document)
	if err != nil {
		return nil, fmt.Errorf("auth0: StaticKeys: %w", err)
	}
	return &KeySet{set: set}, nil
}

// SharedSecret returns a KeySet for tokens with an HS256 MAC (RFC 7518, Section 3.2),
// as in old applications and APIs at Auth0. Anyone who can verify these tokens can
// also make them, so change them to RS256 when you can. The key is the bytes of the
// text, at least 32.
func SharedSecret(key string) (*KeySet, error) {
	set, err := keys.Shared(key)
	if err != nil {
		return nil, fmt.Errorf("auth0: SharedSecret: %w", err)
	}
	return &KeySet{set: set}, nil
}

// Warm fetches the keys if no usable keys are cached, so that the first request need
// not wait. It is optional. The error says why the fetch failed.
func (k *KeySet) Warm(ctx context.Context) error {
	return k.do(func() error { return k.set.Warm(ctx) })
}

// Refresh fetches the keys now, and waits for them. Keys that the issuer's JWKS no
// longer contains are then rejected, for new tokens and for tokens with a cached
// signature. Call it after a key of the issuer was revoked because it is compromised.
// A rotation needs no call.
//
// It makes a request each time, even shortly after a failed fetch, so do not let
// strangers cause calls. Concurrent calls share one request. If it fails, it returns
// an error and the keys stay unchanged. A JWKS without a usable key is a failure too,
// because it would reject every token. For a KeySet of [StaticKeys] or [SharedSecret]
// it does nothing.
func (k *KeySet) Refresh(ctx context.Context) error {
	return k.do(func() error { return k.set.Refresh(ctx) })
}

func (k *KeySet) do(f func() error) error {
	if k.set == nil {
		return asError("keys", refusal.Misconfigured.Wrap(errZeroKeySet))
	}
	if err := f(); err != nil {
		return asError("keys", asBearerError(err))
	}
	return nil
}

// A KeyStatus is the state of a [KeySet], for readiness probes and status pages.
type KeyStatus struct {
	Issuer string // empty for a set that never fetches
	Keys   int    // number of usable keys; with 0, no token can be verified

	FetchedAt time.Time // time of the last successful fetch
	RefreshAt time.Time // the first use after this time refreshes the keys
	ExpiresAt time.Time // end of their use if every refresh fails
	Err       error     // error of the last fetch, nil if it succeeded
}

// Status returns the state of the set. It makes no request.
func (k *KeySet) Status() KeyStatus {
	if k.set == nil {
		return KeyStatus{Err: errZeroKeySet}
	}
	s := k.set.Status()
	status := KeyStatus{Keys: s.Keys, FetchedAt: s.FetchedAt, RefreshAt: s.RefreshAt, ExpiresAt: s.ExpiresAt, Err: s.Err}
	if k.issuer != nil {
		status.Issuer = k.issuer.Issuer
	}
	return status
}

// Format hides the keys from every verb of package fmt.
func (k *KeySet) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "auth0.KeySet(%s)", k.Status().Issuer) }

// VerifySignature returns the payload of a token that the issuer has signed. It
// verifies the signature and the form of the token, but no claim: use [API.Verify]
// for access tokens. The error is an [*Error].
func (k *KeySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	if k.set == nil {
		return nil, asError("signature", refusal.Misconfigured.Wrap(errZeroKeySet))
	}
	m, err := jwt.ParseInput(token)
	if err == nil {
		_, err = k.set.Verify(ctx, m, keys.FromAnybody)
	}
	if err != nil {
		return nil, asError("signature", asBearerError(err))
	}
	return []byte(m.Payload), nil
}
