package auth0

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// A KeySet holds the keys with which an issuer's tokens are checked. That of
// [Application.KeySet], and the one that an [API] makes by itself, fetches them when
// it is first asked, and again in the background before they are old; readers
// do not wait for that. While the issuer is out of reach it uses the keys it has
// for a day. It has no goroutine but that of a fetch, which ends within five
// seconds, so there is nothing to close.
//
// A kid that is not in the set makes it fetch at once, so that a new key works
// from its first token, but at most twice in a row and then once in half a minute:
// anybody can make up a kid. The ID tokens that a [Strategy] itself gets from the
// token endpoint are counted apart, so that tokens of strangers cannot keep its
// logins and refreshes from the keys they need. The signature of an access token
// that does not fit never makes it fetch.
//
// [StaticKeys] and [SharedSecret] make one that never fetches.
//
// A KeySet can be used where go-oidc asks for an oidc.KeySet.
type KeySet struct {
	set    *keys.Set
	issuer *provider.Tenant // nil for a set that never fetches
}

func newKeySet(n *provider.Tenant, client *http.Client, log *slog.Logger, observer Observer) *KeySet {
	return &KeySet{issuer: n, set: keys.New(keys.Source{
		URL: func(ctx context.Context) (string, error) {
			ep, err := n.Endpoints(ctx)
			return ep.JWKSURI, err
		},
		Client: client,
		First:  n.First,
		NotYet: errNewIssuers,
		Observe: func(ctx context.Context, e keys.Event) {
			observer.tell(ctx, Event{Kind: KeysFetched, Issuer: n.Issuer, Reason: e.Reason, Keys: e.Keys, Duration: e.Duration, Err: e.Err})
		},
		Log: log,
	})}
}

var (
	errZeroKeySet = errors.New("this KeySet was made by none of Application.KeySet, StaticKeys and SharedSecret")
	errNewIssuers = errors.New("too many issuers were looked up of which no token was good yet; should ResolveIssuer trust them all?")
)

// isOf reports whether the keys can be those of an issuer, as those of StaticKeys can.
func (k *KeySet) isOf(issuer string) bool {
	return k.issuer == nil || strings.TrimSuffix(k.issuer.Issuer, "/") == strings.TrimSuffix(issuer, "/")
}

// StaticKeys returns a KeySet that never fetches, for tests, for programs that
// live too short to fetch, and for networks without a way to the issuer. The
// document is a JWK Set (RFC 7517, Section 5), or public keys or certificates in
// PEM (RFC 7468, Sections 13 and 5), which fit a token whatever its kid. When the
// issuer changes its keys, the program needs a new document.
func StaticKeys(document []byte) (*KeySet, error) {
	set, err := keys.Static(document)
	if err != nil {
		return nil, fmt.Errorf("auth0: StaticKeys: %w", err)
	}
	return &KeySet{set: set}, nil
}

// SharedSecret returns a KeySet for tokens that are signed with a secret, HS256
// (RFC 7518, Section 3.2), as old applications and APIs at Auth0 may still be set
// up. Everybody who can check such a token can also make one, so change them to
// RS256 where you can. The bytes of the text are the key; there must be at least 32.
func SharedSecret(key string) (*KeySet, error) {
	set, err := keys.Shared(key)
	if err != nil {
		return nil, fmt.Errorf("auth0: SharedSecret: %w", err)
	}
	return &KeySet{set: set}, nil
}

// Warm fetches the keys if there are none that can be used, so that the first
// request need not wait. Nothing else depends on it. The error says what could
// not be fetched.
func (k *KeySet) Warm(ctx context.Context) error {
	return k.do(func() error { return k.set.Warm(ctx) })
}

// Refresh fetches the keys now, and waits until they are there. From then on keys
// that the issuer's document does not have are not used any more, neither for new
// tokens nor for those whose verified signature was cached. Call it after a key of
// the issuer was revoked, because it is compromised; a rotation needs no call.
//
// It makes a request each time, also shortly after a failed fetch, so do not call
// it on the word of a stranger. Concurrent calls share one. If it fails, the keys
// stay as they are, and the error says so. A document without a single usable key
// is a failure too: without keys, every token is refused. For the set of
// [StaticKeys] or [SharedSecret] it does nothing.
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

// A KeyStatus tells how a [KeySet] is doing, for readiness probes and status
// pages.
type KeyStatus struct {
	Issuer string // empty for a set that never fetches
	Keys   int    // how many can be used now; tokens cannot be checked without any

	FetchedAt time.Time // when those keys were fetched
	RefreshAt time.Time // when newer ones will be asked for, at the next use
	ExpiresAt time.Time // until when these are used if newer ones cannot be had
	Err       error     // why the last fetch failed, nil if it has not
}

// Status returns how the set is doing. It makes no request.
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

// Format hides what a KeySet holds from every verb of package fmt.
func (k *KeySet) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "auth0.KeySet(%s)", k.Status().Issuer) }

// VerifySignature returns the payload of a token if the issuer has signed it.
// It checks the signature and the form of the token, and not one claim: use
// [API.Verify] for access tokens. The error is an [*Error].
func (k *KeySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	if k.set == nil {
		return nil, asError("signature", refusal.Misconfigured.Wrap(errZeroKeySet))
	}
	m, err := jwt.Parse(token)
	if err == nil {
		_, err = k.set.Verify(ctx, m, keys.FromAnybody)
	}
	if err != nil {
		return nil, asError("signature", asBearerError(err))
	}
	return []byte(m.Payload), nil
}
