package dpop

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/peer"
	"github.com/seed-15d5a55c/auth0/internal/publicsecret"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// The headers of RFC 9449, Sections 4.1 and 8.1.
const (
	Header      = "Dpop" // in the form of [http.CanonicalHeaderKey]
	NonceHeader = "DPoP-Nonce"
)

// Settings are the fields of the same names in the configuration of an API.
type Settings struct {
	Off            bool // no proof is accepted; the other fields are checked all the same
	Required       bool // bearer tokens are rejected
	BaseURLs       []string
	TrustedProxies []netip.Prefix
	Algorithms     []string
	MaxAge         time.Duration // 0 for the default
	Leeway         time.Duration
	Replays        Store // nil for a memory in the process
	ReplayMemory   int   // 0 for the default
	NonceSecrets   []string

	Realm string // of the nonces
	Now   func() time.Time
	// Evicted is called after a memory of so many proofs has dropped one, see [NewMemory].
	Evicted func(ctx context.Context, limit int)
}

// A Verifier checks the proofs in the requests to an API. It is safe for concurrent use.
type Verifier struct {
	Required       bool // bearer tokens are rejected
	Algorithms     []string
	reader         *Reader
	bases          Bases
	proxies        []netip.Prefix
	maxAge, leeway time.Duration
	nonces         *Nonces // nil for none
	used           Store
	now            func() time.Time
}

// NewVerifier reports the mistakes in the settings of an API. It returns nil if they turn
// proofs off.
func NewVerifier(report func(field, format string, args ...any), s Settings) *Verifier {
	v := &Verifier{
		Required: s.Required, maxAge: acceptedAge(report, s.MaxAge), leeway: s.Leeway, now: s.Now,
		proxies: peer.Networks(s.TrustedProxies, func(format string, args ...any) { report("TrustedProxies", format, args...) }),
	}
	var err error
	if v.Algorithms, err = accepted(s.Algorithms); err != nil {
		report("Algorithms", "%v", err)
	}
	v.reader = NewReader(v.Algorithms)
	v.bases = acceptedBases(report, s)
	v.nonces = acceptedNonces(report, s)
	v.used = newStore(report, s)
	if s.Off {
		return nil
	}
	return v
}

func acceptedAge(report func(field, format string, args ...any), age time.Duration) time.Duration {
	const byDefault, most = 5 * time.Minute, 10 * time.Minute
	if age = cmp.Or(age, byDefault); age < time.Second || age > most {
		report("MaxAge", "%v must be between 1s and %v", age, most)
	}
	return age
}

func acceptedBases(report func(field, format string, args ...any), s Settings) Bases {
	const most = 32
	switch n := len(s.BaseURLs); {
	case n == 0 && !s.Off:
		report("BaseURLs", "is missing; it is where clients reach the API, such as https://api.example.com")
	case n > most:
		report("BaseURLs", "has %d URLs, more than %d", n, most)
	case n == 1 && len(s.TrustedProxies) > 0:
		report("TrustedProxies", "has no effect with one of BaseURLs; leave it out")
	}
	bases, mistakes := NewBases(s.BaseURLs)
	for _, err := range mistakes {
		report("BaseURLs", "%v", err)
	}
	return bases
}

func acceptedNonces(report func(field, format string, args ...any), s Settings) *Nonces {
	if len(s.NonceSecrets) == 0 {
		return nil
	}
	if _, err := seal.New(s.NonceSecrets); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			report("NonceSecrets", "%s", line)
		}
	}
	if slices.ContainsFunc(s.NonceSecrets, publicsecret.Has) {
		report("NonceSecrets", "has a secret that everybody can read in documentation; make one with: openssl rand -hex 32")
	}
	nonces, err := NewNonces(s.Realm, s.NonceSecrets)
	if err != nil {
		report("NonceSecrets", "cannot be used: %v", err)
	}
	return nonces
}

func newStore(report func(field, format string, args ...any), s Settings) Store {
	const least, byDefault, most = 1_000, 100_000, 10_000_000
	size := cmp.Or(s.ReplayMemory, byDefault)
	switch {
	case size < least || size > most:
		report("ReplayMemory", "%d must be between %d and %d", size, least, most)
	case s.Replays != nil && s.ReplayMemory != 0:
		report("ReplayMemory", "and Replays exclude each other")
	case s.Off:
	case s.Replays != nil:
		return Timely(s.Replays)
	default:
		return NewMemory(size, s.Now, func(ctx context.Context) { s.Evicted(ctx, size) })
	}
	return nil
}

// Read returns the unverified proof of a request.
func (v *Verifier) Read(r *http.Request) (*Proof, error) {
	lines := r.Header[Header]
	if len(lines) != 1 {
		return nil, fault.Proof.Because("header: %d headers DPoP, want 1", len(lines))
	}
	return v.reader.Parse(lines[0])
}

// Use verifies the proof of a request with the key to which the access token is bound, and
// makes it unusable. It returns a nonce if the client needs another one for its next proof.
func (v *Verifier) Use(ctx context.Context, r *http.Request, token string, proof *Proof, now time.Time) (nonce string, err error) {
	// The host of the request, which a client can choose, is part of the URL only if it is
	// the host of a base URL.
	url, root, err := v.bases.URL(peer.Host(r, v.proxies), cmp.Or(r.RequestURI, r.URL.EscapedPath()))
	if err != nil {
		return "", err
	}
	use, err := proof.Verify(Expect{
		Method: r.Method, URL: url, Root: root, TokenSum: memo.SumOf(token), Now: now, MaxAge: v.maxAge, Leeway: v.leeway, Nonces: v.nonces,
	})
	if err != nil {
		return "", err
	}
	added, err := v.used.AddCtx(ctx, use.Key, use.Expiry)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", refusal.Replays.Later(outageWait, err)
	case !added:
		return "", fault.Proof.Because("replay: the proof was used before")
	}
	return use.Nonce, nil
}

// outageWait is the time until a client can try again.
const outageWait = 5 * time.Second

// NewestNonce returns the nonce for the next proof of a client, an empty text without
// nonces.
func (v *Verifier) NewestNonce() string { return v.nonces.Current(v.now()) }
