// Package keys holds the keys of an issuer, and is the one place where the
// signature of a token is accepted. A [Set] fetches a JWK Set (RFC 7517, Section 5)
// when it is first asked, refreshes it in the background, keeps it through an
// outage of the issuer, and bounds the requests that made-up key ids can cause.
//
// The package does not know whose keys they are, what a claim means, or that there
// are HTTP handlers.
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

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/refresh"
)

// How long keys are good. Auth0 sends max-age=15 with them, which would mean a
// request every few seconds, so what the server says counts within limits.
const (
	due      = 10 * time.Minute
	dueLeast = 5 * time.Minute
	dueMost  = time.Hour
	stale    = 24 * time.Hour

	timeout = 5 * time.Second
	// keyWait bounds how long a request waits for a key id that is not known.
	keyWait = 3 * time.Second
	maxKeys = 100
)

// A Source says where a Set gets its keys.
type Source struct {
	// URL returns the address of the JWK Set.
	URL    func(context.Context) (string, error)
	Client *http.Client
	// First, if not nil, is asked before a fetch while there are no keys yet. NotYet
	// is the error if it says no.
	First  func() bool
	NotYet error
	// Observe is called with each fetch, and with each that was not made.
	Observe func(context.Context, Event)
	Log     *slog.Logger
}

// An Event is the outcome of a fetch: "fetched", "rotated" if the key ids differ
// from those before, "failed", or "throttled" if it was not made, because unknown
// key ids had caused too many.
type Event struct {
	Reason   string
	Keys     int // that can be used now
	Duration time.Duration
	Err      error
}

// A Set holds the keys of one issuer. It is safe for concurrent use.
type Set struct {
	fixed *snapshot // of a set that never fetches

	source  Source
	fetched *refresh.Value[*snapshot]
	unknown unknownKeys
}

// New returns a Set that fetches its keys when they are first needed.
func New(source Source) *Set {
	k := &Set{source: source}
	k.unknown.ofAnybody = NewBucket(unknownBurst, unknownInterval)
	k.unknown.ofTenant = NewBucket(unknownBurst, unknownInterval)
	k.fetched = refresh.New(func(ctx context.Context) (*snapshot, refresh.Life, error) {
		begin := time.Now()
		held, _ := k.fetched.Peek()
		s, life, err := k.fetch(ctx, held)
		k.unknown.settle(err == nil)
		k.observeFetch(ctx, time.Since(begin), held, s, err)
		return s, life, err
	}, refresh.Policy{
		Timeout:    timeout,
		MinBackoff: time.Second, MaxBackoff: 30 * time.Second, MaxRetryAfter: time.Minute,
		First: source.First,
		Failed: func(err error, stale bool) {
			source.Log.Warn("auth0: keys cannot be fetched", "err", err, "using_old_keys", stale)
		},
	})
	return k
}

// Static returns a Set that never fetches. The document is a JWK Set, or public
// keys or certificates in PEM (RFC 7468, Sections 13 and 5).
func Static(document []byte) (*Set, error) {
	s, err := staticSnapshot(document)
	if err != nil {
		return nil, err
	}
	return &Set{fixed: s}, nil
}

// Shared returns a Set for HS256 with a secret of [MinSecret] bytes or more.
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

// IsFixed reports whether the set never fetches.
func (k *Set) IsFixed() bool { return k.fixed != nil }

// IsShared reports whether the keys are a secret, with which tokens could also
// be made.
func (k *Set) IsShared() bool { return k.fixed != nil && k.fixed.symmetric }

// Warm fetches the keys if there are none that can be used.
func (k *Set) Warm(ctx context.Context) error {
	_, err := k.current(ctx)
	return err
}

// Refresh fetches the keys now. If it fails, the keys stay as they are.
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

// A Status tells how a set is doing.
type Status struct {
	Keys                            int
	FetchedAt, RefreshAt, ExpiresAt time.Time
	Err                             error // of the last fetch
}

// Status returns how the set is doing. It makes no request.
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

// An Origin says on whose word keys are fetched for a kid that is unknown.
type Origin int

const (
	// FromAnybody is for tokens that a caller sent. Anybody can make up a kid.
	FromAnybody Origin = iota
	// FromTenant is for tokens that came from the token endpoint, over TLS.
	FromTenant
)

// Verify checks the signature of a token whose algorithm the caller allows, and
// returns the key it was made with. It is the one place where a signature is
// accepted.
func (k *Set) Verify(ctx context.Context, m jwt.Message, origin Origin) (*Key, error) {
	candidates, err := k.find(ctx, m.KeyID, m.Algorithm, origin)
	if err != nil {
		return nil, err
	}
	return verifyWith(candidates, m)
}

func verifyWith(candidates []*Key, m jwt.Message) (*Key, error) {
	for _, key := range candidates {
		if key.verify(m) {
			return key, nil
		}
	}
	return nil, fault.Signature
}

// Confirm checks once more a token from the token endpoint whose signature did
// not fit, with keys that were fetched after it came. A wrong signature is
// certain only then: until then the kid can have been given to another key.
func (k *Set) Confirm(ctx context.Context, m jwt.Message) error {
	snapshot := k.fixed
	switch {
	case snapshot == nil:
		var err error
		if snapshot, err = k.fetchForTenant(ctx, ""); err != nil {
			return err
		}
	case snapshot.nameless:
		// Any kid is taken to mean these keys, which nobody replaces when the
		// issuer rotates its own.
		return fault.Keys.Because("the signature fits none of the keys that were given, which have no kid")
	}
	candidates, err := snapshot.find(m.KeyID, m.Algorithm)
	if err == errUnknownKey {
		return fault.UnknownKey.Because("kid %.80q is not among the %d keys of the issuer any more", m.KeyID, len(snapshot.all))
	}
	if err == nil {
		_, err = verifyWith(candidates, m)
	}
	return err
}

// StillHas reports whether a token with this header could be signed with the key
// today.
func (k *Set) StillHas(ctx context.Context, id, alg string, key *Key) (bool, error) {
	snapshot, err := k.current(ctx)
	if err != nil {
		return false, err
	}
	fit, err := snapshot.find(id, alg)
	return err == nil && slices.Contains(fit, key), nil
}

// current returns the keys, and waits only if there are none.
func (k *Set) current(ctx context.Context) (*snapshot, error) {
	if k.fixed != nil {
		return k.fixed, nil
	}
	s, err := k.fetched.Get(ctx)
	if errors.Is(err, refresh.ErrNotAllowed) {
		k.observeThrottled(ctx)
		err = k.source.NotYet
	}
	if err != nil {
		return nil, Unavailable(ctx, err)
	}
	return s, nil
}

// find returns the keys that a token with this header may be signed with. If no
// key has its kid, the fault is an unsettled unless the keys were fetched
// after the token came.
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

// An unsettled is the fault of a token whose kid is not in the set, while newer
// keys could not be fetched. Whether the issuer has such a key is not known. An
// API answers it as any other unknown kid, because most were made up and the time
// is bounded. For the ID tokens of a login it is an outage.
type unsettled struct{ bad *fault.Fault }

func (u unsettled) Error() string { return u.bad.Error() }

func (u unsettled) Unwrap() error { return u.bad }

// AsOutage says of an unsettled that nothing is known, and leaves other
// errors as they are.
func AsOutage(err error) error {
	if u, ok := errors.AsType[unsettled](err); ok {
		return fault.Keys.Because("%w", u.bad)
	}
	return err
}

// fetchUnknown gets newer keys, if it may, for the kid of anybody's token that
// the snapshot has not. The error is the fault that answers the token if it may
// not.
func (k *Set) fetchUnknown(ctx context.Context, snapshot *snapshot, id string) (*snapshot, error) {
	if k.unknown.remembers(snapshot, id) {
		return nil, unsettled{fault.UnknownKey.Because("kid %.80q was looked for a moment ago", id)}
	}
	if newer, ok := k.fetched.Peek(); ok && newer != snapshot {
		return newer, nil // somebody else has just waited for it
	}
	waiting, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	newer, err := k.fetched.RefreshIf(waiting, func() bool { return k.unknown.take(k.unknown.ofAnybody) })
	switch {
	case err == nil:
		return newer, nil
	case errors.Is(err, refresh.ErrNotAllowed):
		k.observeThrottled(ctx)
		return nil, unsettled{fault.UnknownKey.Because("kid %.80q is unknown, and keys were fetched too often for such to try again", id)}
	}
	if k.fetched.Due() || ctx.Err() != nil {
		// These keys are older than they should be: the id may well be good.
		return nil, Unavailable(ctx, err)
	}
	return nil, unsettled{fault.UnknownKey.Because("kid %.80q is unknown, and newer keys cannot be had: %v", id, err)}
}

// fetchForTenant returns keys whose fetch began after a token from the token
// endpoint came, or that have its kid already. Without id, only the first will do.
func (k *Set) fetchForTenant(ctx context.Context, id string) (*snapshot, error) {
	waiting, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	// A fetch that was under way when the token came can have been answered before
	// the key was published. The one behind it cannot.
	for joined := 0; ; joined++ {
		begun := false
		newer, err := k.fetched.RefreshIf(waiting, func() bool {
			begun = k.unknown.take(k.unknown.ofTenant)
			return begun
		})
		switch {
		case errors.Is(err, refresh.ErrNotAllowed):
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

// Unavailable tells a caller who has gone away from keys that cannot be had.
func Unavailable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fault.Keys.Because("%w", err)
}

// unknownKeys bounds what unknown key ids can cause: a bucket of fetches for
// tokens of anybody, one for those of the tenant, which nobody else can empty, and
// a memory of ids that were looked for in vain.
type unknownKeys struct {
	ofAnybody, ofTenant *Bucket

	mu       sync.Mutex
	paid     *Bucket   // out of which the fetch under way was paid for
	snapshot *snapshot // the one in which ids were looked for
	missed   map[string]time.Time
}

const (
	unknownBurst    = 2
	unknownInterval = 30 * time.Second
	missedLife      = 30 * time.Second
	maxMissed       = 256
)

func (u *unknownKeys) take(b *Bucket) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !b.Take(time.Now()) {
		return false
	}
	u.paid = b
	return true
}

// settle gives back what a fetch that failed has cost: the outage of the issuer
// must not use up what a rotation after it will need. What counts is the fetch,
// not whether those who wait for it have the patience.
func (u *unknownKeys) settle(fetched bool) {
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
		u.missed[id] = time.Now()
	}
}

func (u *unknownKeys) remembers(s *snapshot, id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.snapshot != s {
		return false
	}
	at, ok := u.missed[id]
	if ok && time.Since(at) >= missedLife {
		delete(u.missed, id)
		return false
	}
	return ok
}

var errUnknownKey = errors.New("no key with that id")

func (k *Set) fetch(ctx context.Context, held *snapshot) (*snapshot, refresh.Life, error) {
	url, err := k.source.URL(ctx)
	if err != nil {
		return nil, refresh.Life{}, err
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, refresh.Life{}, errors.New("unusable jwks_uri")
	}
	if held != nil {
		// A cache on the way must not answer with the old document (RFC 9111,
		// Section 5.2.1.4).
		r.Header.Set("Cache-Control", "no-cache")
	}
	header, err := fetch.JSON(k.source.Client, r, &doc)
	if err != nil {
		return nil, refresh.Life{}, err
	}
	if len(doc.Keys) > maxKeys {
		k.source.Log.Warn("auth0: the issuer has too many keys; only the first are used", "keys", len(doc.Keys), "used", maxKeys)
	}
	s, skipped := newSnapshot(doc.Keys, held)
	if len(s.all) == 0 {
		// A failure, so that the cached keys are kept.
		return nil, refresh.Life{}, fmt.Errorf("%s: %w", url, usableKeys(0, len(doc.Keys), skipped))
	}
	if len(skipped) > 0 {
		k.source.Log.Debug("auth0: some keys of the issuer cannot be used", "err", errors.Join(skipped...))
	}
	return s, refresh.Life{Due: dueAfter(header), Stale: stale}, nil
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

// dueAfter is when keys should be fetched again: at about four fifths of their
// time, and never before dueLeast. Chance makes it up to a fifth later, so
// that many processes that were started together do not ask together; also at
// that least, which is what Auth0's max-age=15 comes to.
func dueAfter(h http.Header) time.Duration {
	life := due
	for directive := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		if seconds, ok := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); ok {
			if n, err := strconv.ParseInt(seconds, 10, 32); err == nil {
				life = min(max(time.Duration(n)*time.Second, dueLeast), dueMost)
			}
		}
	}
	due := max(life*72/100, dueLeast)
	return due + rand.N(due/5+1)
}
