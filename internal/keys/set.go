// Package keys holds the signing keys of an issuer. It is the only package that
// accepts the signature of a token. A [Set] fetches a JWK Set (RFC 7517, Section 5)
// on first use, refreshes it in the background, and serves cached keys during an
// outage of the issuer. It limits the fetches that tokens with forged kids can
// cause.
//
// The package does not know the issuer, the meaning of a claim, or HTTP handlers.
package keys

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/bucket"
	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// Lifetimes of cached keys. Auth0 sends max-age=15, which would mean a request
// every few seconds, so max-age counts only between dueLeast and dueMost.
const (
	due      = 10 * time.Minute
	dueLeast = 5 * time.Minute
	dueMost  = time.Hour
	stale    = 24 * time.Hour

	timeout = 5 * time.Second
	// keyWait is the time for which a request with an unknown kid waits for a fetch,
	// unless the client allows each request more time.
	keyWait = 3 * time.Second
	maxKeys = 100
)

// A Source tells a Set where to fetch its keys.
type Source struct {
	// URL returns the address of the JWK Set.
	URL    func(context.Context) (string, error)
	Client *http.Client
	// First, if not nil, is called before a fetch while the Set has no keys. If it
	// returns false, nothing is fetched, and the error is NotYet.
	First  func() bool
	NotYet error
	// Observe is called after each fetch, and when a fetch is throttled.
	Observe func(context.Context, Event)
	Log     *slog.Logger
}

// An Event reports one fetch. Its Reason is "fetched", "rotated" if the kids have
// changed since the last fetch, "failed", or "throttled" for a fetch that was not made,
// because unknown kids have caused too many.
type Event struct {
	Reason   string
	Keys     int // usable ones
	Duration time.Duration
	Err      error
}

// A Set holds the keys of one issuer. It is safe for concurrent use.
type Set struct {
	fixed *snapshot // of a set that never fetches

	source  Source
	fetched *cached.Value[*snapshot]
	unknown unknownKeys
}

// New returns a Set that fetches its keys on first use.
func New(source Source) *Set {
	k := &Set{source: source}
	k.unknown.ofAnybody = bucket.New(unknownBurst, unknownInterval)
	k.unknown.ofTenant = bucket.New(unknownBurst, unknownInterval)
	k.fetched = cached.New(func(ctx context.Context) (*snapshot, cached.Life, error) {
		begin := time.Now()
		held, _ := k.fetched.Peek()
		s, life, err := k.fetch(ctx, held)
		k.unknown.done(err == nil)
		k.observeFetch(ctx, time.Since(begin), held, s, err)
		return s, life, err
	}, cached.Policy{
		Timeout:    fetch.Limit(source.Client, timeout, 2), // discovery can be first
		MinBackoff: time.Second, MaxBackoff: 30 * time.Second, MaxRetryAfter: time.Minute,
		First: source.First,
		Failed: func(err error, stale bool) {
			source.Log.Warn("auth0: keys cannot be fetched", "err", err, "using_old_keys", stale)
		},
	})
	return k
}

// Static returns a Set that never fetches. The document is a JWK Set, or public
// keys or certificates in PEM (RFC 7468, Sections 13 and 5). If any of its keys
// cannot be used, Static fails.
func Static(document []byte) (*Set, error) {
	s, err := staticSnapshot(document)
	if err != nil {
		return nil, err
	}
	return &Set{fixed: s}, nil
}

// Shared returns a Set that verifies HS256 with a secret. It fails if the secret
// has fewer than [MinSecret] bytes.
func Shared(secret string) (*Set, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret has %d bytes, fewer than %d", len(secret), MinSecret)
	}
	s := &snapshot{nameless: true, symmetric: true}
	s.add(&Key{algorithms: []string{Symmetric}, key: sharedKey(func() string { return secret })})
	return &Set{fixed: s}, nil
}

// MinSecret is the least number of bytes of a shared secret (RFC 7518, Section 3.2).
const MinSecret = sha256.Size

// IsFixed reports whether the Set never fetches.
func (k *Set) IsFixed() bool { return k.fixed != nil }

// IsShared reports whether the key is a shared secret, which could also sign
// tokens.
func (k *Set) IsShared() bool { return k.fixed != nil && k.fixed.symmetric }

// Warm fetches the keys if the Set has no usable ones.
func (k *Set) Warm(ctx context.Context) error {
	_, err := k.current(ctx)
	return err
}

// Refresh fetches the keys now. If the fetch fails, the cached keys stay in use.
func (k *Set) Refresh(ctx context.Context) error {
	if k.fixed != nil {
		return nil
	}
	_, err := k.fetched.Force(ctx)
	if err == nil {
		return nil
	}
	held := 0
	if s, ok := k.fetched.Peek(); ok {
		held = len(s.all)
	}
	return Unavailable(ctx, fmt.Errorf("the keys could not be fetched, and %d of before stay in use: %w", held, err))
}

// A Status describes the cached keys of a Set. It is the zero value before the
// first fetch.
type Status struct {
	Keys                            int
	FetchedAt, RefreshAt, ExpiresAt time.Time
	Err                             error // of the last fetch
}

// Status describes the cached keys. It makes no request.
func (k *Set) Status() Status {
	if k.fixed != nil {
		return Status{Keys: len(k.fixed.all)}
	}
	state := k.fetched.State()
	status := Status{FetchedAt: state.FetchedAt, RefreshAt: state.DueAt, ExpiresAt: state.UnusableAt, Err: state.Err}
	if state.OK {
		status.Keys = len(state.Value.all)
	}
	return status
}

// An Origin is the kind of sender of a token. Each origin has its own limit of fetches for
// unknown kids.
type Origin int

const (
	// FromAnybody is for tokens from callers. An attacker can forge their kid.
	FromAnybody Origin = iota
	// FromTenant is for tokens from the token endpoint, which came over TLS.
	FromTenant
)

// Verify checks the signature of a token and returns the key that made it. The
// caller has checked that the algorithm is allowed. Verify fails with
// [fault.Signature] if no key fits, with [fault.Keys] if there are no keys, and with
// [fault.Malformed] if the signature is not base64url, before it looks for keys.
func (k *Set) Verify(ctx context.Context, m jwt.Message, origin Origin) (*Key, error) {
	var array [maxSignature]byte // stays on the stack
	signature, err := m.AppendSignature(array[:0])
	if err != nil {
		return nil, err
	}
	candidates, err := k.find(ctx, m.KeyID, m.Algorithm, origin)
	if err != nil {
		return nil, err
	}
	return verifyWith(candidates, m, signature)
}

func verifyWith(candidates []*Key, m jwt.Message, signature []byte) (*Key, error) {
	for _, key := range candidates {
		if key.made(signature, m.Algorithm, m.SigningInput) {
			return key, nil
		}
	}
	return nil, fault.Signature
}

// Confirm repeats the check of a token from the token endpoint whose signature did
// not fit, with keys that were fetched after the token came. Before that fetch a
// wrong signature is not certain: the issuer can have assigned the kid to another
// key.
func (k *Set) Confirm(ctx context.Context, m jwt.Message) error {
	signature, err := m.AppendSignature(nil)
	if err != nil {
		return err
	}
	snapshot := k.fixed
	switch {
	case snapshot == nil:
		if snapshot, err = k.fetchForTenant(ctx, ""); err != nil {
			return err
		}
	case snapshot.nameless:
		// Keys without a kid are tried for every kid, and a rotation of the issuer
		// does not replace them. So the token can be valid.
		return fault.Keys.Because("the signature fits none of the keys that were given, which have no kid")
	}
	candidates, err := snapshot.find(m.KeyID, m.Algorithm)
	if err == errUnknownKey {
		return fault.UnknownKey.Because("kid %.80q is not among the %d keys of the issuer any more", m.KeyID, len(snapshot.all))
	}
	if err == nil {
		_, err = verifyWith(candidates, m, signature)
	}
	return err
}

// StillHas reports whether the key is still among those for a token with this kid
// and alg.
func (k *Set) StillHas(ctx context.Context, id, alg string, key *Key) (bool, error) {
	snapshot, err := k.current(ctx)
	if err != nil {
		return false, err
	}
	fit, err := snapshot.find(id, alg)
	return err == nil && slices.Contains(fit, key), nil
}

// current returns the cached keys. It waits for a fetch only if there are none.
func (k *Set) current(ctx context.Context) (*snapshot, error) {
	if k.fixed != nil {
		return k.fixed, nil
	}
	s, err := k.fetched.Get(ctx)
	if errors.Is(err, cached.ErrNotAllowed) {
		k.observeThrottled(ctx)
		err = k.source.NotYet
	}
	if err != nil {
		return nil, Unavailable(ctx, err)
	}
	return s, nil
}

// find returns the keys for a token with this kid and alg. If no key has the kid,
// and the keys could not be fetched after the token came, the error is an
// unsettled.
func (k *Set) find(ctx context.Context, id, alg string, origin Origin) ([]*Key, error) {
	snapshot, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	candidates, err := snapshot.find(id, alg)
	if err != errUnknownKey {
		return candidates, err
	}
	switch {
	case k.fixed != nil:
	case origin == FromTenant:
		snapshot, err = k.fetchForTenant(ctx, id)
	default:
		snapshot, err = k.fetchUnknown(ctx, snapshot, id)
	}
	if k.fixed == nil && err != nil {
		return nil, err
	}
	candidates, err = snapshot.find(id, alg)
	if err == errUnknownKey {
		k.unknown.remember(snapshot, id)
		return nil, fault.UnknownKey.Because("kid %.80q is not among the %d keys of the issuer", id, len(snapshot.all))
	}
	return candidates, err
}

// An unsettled is the fault of a token with an unknown kid while newer keys cannot
// be fetched. The issuer may have published the key since. An API rejects such a
// token like any other with an unknown kid, because most are forged and the time is
// bounded. For the ID token of a login it is an outage.
type unsettled struct{ bad *fault.Fault }

func (u unsettled) Error() string { return u.bad.Error() }

func (u unsettled) Unwrap() error { return u.bad }

// AsOutage turns an unsettled into [fault.Keys] and returns other errors unchanged.
func AsOutage(err error) error {
	if u, ok := errors.AsType[unsettled](err); ok {
		return fault.Keys.Because("%w", u.bad)
	}
	return err
}

// fetchUnknown returns keys newer than the snapshot, which does not have the kid of
// a caller's token. If the fetch is not allowed or fails, the error is the fault of
// the token.
func (k *Set) fetchUnknown(ctx context.Context, snapshot *snapshot, id string) (*snapshot, error) {
	if k.unknown.remembers(snapshot, id) {
		return nil, unsettled{fault.UnknownKey.Because("kid %.80q was looked for a moment ago", id)}
	}
	if newer, ok := k.fetched.Peek(); ok && newer != snapshot {
		return newer, nil // another request has waited for it
	}
	waiting, cancel := context.WithTimeout(ctx, fetch.Limit(k.source.Client, keyWait, 1))
	defer cancel()
	newer, err := k.fetched.RefreshIf(waiting, func() bool { return k.unknown.take(k.unknown.ofAnybody) })
	switch {
	case err == nil:
		return newer, nil
	case errors.Is(err, cached.ErrNotAllowed):
		k.observeThrottled(ctx)
		return nil, unsettled{fault.UnknownKey.Because("kid %.80q is unknown, and keys were fetched too often for such to try again", id)}
	}
	if k.fetched.Due() || ctx.Err() != nil {
		// The keys are due for a refresh, so the kid may be a new one.
		return nil, Unavailable(ctx, err)
	}
	return nil, unsettled{fault.UnknownKey.Because("kid %.80q is unknown, and newer keys cannot be had: %v", id, err)}
}

// fetchForTenant returns keys for a token from the token endpoint. Their fetch
// began after the token came, or they have its kid. With an empty id, only the
// first is accepted.
func (k *Set) fetchForTenant(ctx context.Context, id string) (*snapshot, error) {
	waiting, cancel := context.WithTimeout(ctx, fetch.Limit(k.source.Client, keyWait, 1))
	defer cancel()
	// The response to a fetch that was under way when the token came can be older
	// than the key. That of the next fetch cannot.
	for joined := 0; ; joined++ {
		begun := false
		newer, err := k.fetched.RefreshIf(waiting, func() bool {
			begun = k.unknown.take(k.unknown.ofTenant)
			return begun
		})
		switch {
		case errors.Is(err, cached.ErrNotAllowed):
			k.observeThrottled(ctx)
			return nil, fault.Keys.Because("keys were fetched too often to look for those of a token response again")
		case err != nil:
			return nil, Unavailable(ctx, err)
		case begun, joined > 0, id != "" && newer.ids[id]:
			return newer, nil
		}
	}
}

func (k *Set) observeThrottled(ctx context.Context) {
	e := Event{Reason: "throttled"}
	if held, ok := k.fetched.Peek(); ok {
		e.Keys = len(held.all)
	}
	k.source.Observe(ctx, e)
}

// Unavailable returns [fault.Keys] with a cause, or the context's error if the
// caller has canceled its request.
func Unavailable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fault.Keys.Because("%w", err)
}

// unknownKeys limits the fetches for unknown kids. It has one bucket for tokens of
// callers and one for tokens of the tenant, which callers cannot empty, and a list
// of kids that a recent fetch did not find.
type unknownKeys struct {
	ofAnybody, ofTenant *bucket.Bucket

	mu       sync.Mutex
	paid     *bucket.Bucket       // the one that paid for the fetch under way
	snapshot *snapshot            // the one without the missed ids
	missed   map[string]time.Time // the times until which ids count as missing
}

const (
	unknownBurst    = 2
	unknownInterval = 30 * time.Second
	missedLife      = 30 * time.Second // at most
	maxMissed       = 256
)

func (u *unknownKeys) take(b *bucket.Bucket) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := b.Take(time.Now()); !ok {
		return false
	}
	u.paid = b
	return true
}

// done refunds a failed fetch: an outage of the issuer must not use up the fetches that a
// later rotation needs. The outcome of the fetch counts, even if its callers have stopped
// waiting.
func (u *unknownKeys) done(fetched bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.paid != nil && !fetched {
		u.paid.GiveBack()
	}
	u.paid = nil
}

func (u *unknownKeys) remember(s *snapshot, id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.snapshot != s {
		u.snapshot, u.missed = s, map[string]time.Time{}
	}
	if len(u.missed) < maxMissed {
		u.missed[id] = s.believed
	}
}

func (u *unknownKeys) remembers(s *snapshot, id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.snapshot != s {
		return false
	}
	until, ok := u.missed[id]
	if ok && !time.Now().Before(until) {
		delete(u.missed, id)
		return false
	}
	return ok
}

var errUnknownKey = errors.New("no key with that id")

func (k *Set) fetch(ctx context.Context, held *snapshot) (*snapshot, cached.Life, error) {
	url, err := k.source.URL(ctx)
	if err != nil {
		return nil, cached.Life{}, err
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, cached.Life{}, errors.New("unusable jwks_uri")
	}
	if held != nil {
		// A cache must not answer with the old document (RFC 9111, Section 5.2.1.4).
		r.Header.Set("Cache-Control", "no-cache")
	}
	begin := time.Now()
	header, err := fetch.JSON(k.source.Client, r, &doc)
	if err != nil {
		return nil, cached.Life{}, err
	}
	if len(doc.Keys) > maxKeys {
		k.source.Log.Warn("auth0: the issuer has too many keys; only the first are used", "keys", len(doc.Keys), "used", maxKeys)
	}
	s, skipped := newSnapshot(doc.Keys, held)
	s.believed = begin.Add(believedFor(header))
	if len(s.all) == 0 {
		// An error keeps the cached keys in use.
		return nil, cached.Life{}, fmt.Errorf("%s: %w", url, usableKeys(0, len(doc.Keys), skipped))
	}
	if len(skipped) > 0 {
		k.source.Log.Debug("auth0: some keys of the issuer cannot be used", "err", errors.Join(skipped...))
	}
	return s, cached.Life{Due: dueAfter(header), Stale: stale}, nil
}

func (k *Set) observeFetch(ctx context.Context, took time.Duration, held, fetched *snapshot, err error) {
	e := Event{Reason: "fetched", Duration: took, Err: err}
	switch {
	case err != nil:
		e.Reason, fetched = "failed", held
	case held != nil && !maps.Equal(held.ids, fetched.ids):
		e.Reason = "rotated"
	}
	if fetched != nil {
		e.Keys = len(fetched.all)
	}
	k.source.Observe(ctx, e)
}

// dueAfter returns the time until the next fetch: 72 % of the lifetime, at least
// dueLeast, and up to a fifth more at random. So processes that were started together
// fetch at different times, also at dueLeast, which Auth0's max-age=15 leads to.
func dueAfter(h http.Header) time.Duration {
	life := due
	if age, ok := cacheSeconds(h, "max-age="); ok {
		life = min(max(age, dueLeast), dueMost)
	}
	due := max(life*72/100, dueLeast)
	return due + rand.N(due/5+1)
}

// believedFor returns the time for which a response proves that the issuer has no other
// key. It is at most the time for which a cache may keep the response (RFC 9111, Section
// 4.2): some caches ignore no-cache in the request, and do not ask the issuer.
func believedFor(h http.Header) time.Duration {
	life := missedLife
	for _, directive := range []string{"max-age=", "s-maxage="} {
		if fresh, ok := cacheSeconds(h, directive); ok {
			age, _ := strconv.ParseInt(strings.TrimSpace(h.Get("Age")), 10, 32)
			life = min(life, max(fresh-time.Duration(max(age, 0))*time.Second, 0))
		}
	}
	return life
}

// cacheSeconds returns the seconds of a directive of Cache-Control.
func cacheSeconds(h http.Header, name string) (d time.Duration, ok bool) {
	for directive := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		if seconds, found := strings.CutPrefix(strings.TrimSpace(directive), name); found {
			if n, err := strconv.ParseInt(seconds, 10, 32); err == nil {
				d, ok = time.Duration(n)*time.Second, true
			}
		}
	}
	return d, ok
}
