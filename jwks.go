package auth0

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
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

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/recent"
	"github.com/seed-15d5a55c/auth0/internal/refresh"
)

// A KeySet holds the keys with which an issuer's tokens are checked. That of
// [Strategy.KeySet], and the one that an [API] makes by itself, fetches them when
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
	fixed *keySnapshot // of a set that never fetches

	issuer   *namespace
	current  *refresh.Value[*keySnapshot]
	unknown  unknownKeys
	observer Observer
}

// How long keys are good. Auth0 sends max-age=15 with them, which would mean a
// request every few seconds, so what the server says counts within limits.
const (
	keysDue      = 10 * time.Minute
	keysDueLeast = 5 * time.Minute
	keysDueMost  = time.Hour
	keysStale    = 24 * time.Hour

	keysTimeout = 5 * time.Second
	// keyWait bounds how long a request waits for a key id that is not known.
	keyWait = 3 * time.Second
	maxKeys = 100
)

func newKeySet(n *namespace, client *http.Client, log *slog.Logger, observer Observer) *KeySet {
	k := &KeySet{issuer: n, observer: observer}
	k.unknown.ofAnybody = fetchBucket{burst: unknownBurst, every: unknownInterval}
	k.unknown.ofTenant = fetchBucket{burst: unknownBurst, every: unknownInterval}
	k.current = refresh.New(func(ctx context.Context) (*keySnapshot, refresh.Life, error) {
		begin := time.Now()
		held, _ := k.current.Peek()
		s, life, err := k.fetch(ctx, client, log, held)
		k.unknown.settle(err == nil)
		k.observeFetch(ctx, time.Since(begin), held, s, err)
		return s, life, err
	}, refresh.Policy{
		Timeout:    keysTimeout,
		MinBackoff: time.Second, MaxBackoff: 30 * time.Second, MaxRetryAfter: time.Minute,
		First: n.first,
		Failed: func(err error, stale bool) {
			log.Warn("auth0: keys cannot be fetched", "err", clip(err.Error()), "using_old_keys", stale)
		},
	})
	return k
}

// StaticKeys returns a KeySet that never fetches, for tests, for programs that
// live too short to fetch, and for networks without a way to the issuer. The
// document is a JWK Set (RFC 7517, Section 5), or public keys or certificates in
// PEM (RFC 7468, Sections 13 and 5), which fit a token whatever its kid. When the
// issuer changes its keys, the program needs a new document.
func StaticKeys(document []byte) (*KeySet, error) {
	s, err := staticSnapshot(document)
	if err != nil {
		return nil, fmt.Errorf("auth0: StaticKeys: %w", err)
	}
	return &KeySet{fixed: s}, nil
}

func staticSnapshot(document []byte) (*keySnapshot, error) {
	if block, rest := pem.Decode(document); block != nil {
		s, err := pemSnapshot(block, rest)
		// What cannot be decoded is passed over, as text between blocks is.
		if begun := bytes.Count(document, []byte("-----BEGIN ")); err == nil && begun != len(s.all) {
			err = fmt.Errorf("%d of %d PEM blocks can be read", len(s.all), begun)
		}
		return s, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("the document is neither a JWK Set nor PEM")
	}
	// Nobody will replace a key that was left out here, so none is.
	s, skipped := newKeySnapshot(set.Keys, nil)
	if len(skipped) > 0 || len(s.all) == 0 || len(set.Keys) > maxKeys {
		return nil, usableKeys(len(s.all), len(set.Keys), skipped)
	}
	return s, nil
}

// usableKeys says how many of the keys of a document can be used, and why the
// others cannot.
func usableKeys(usable, all int, skipped []error) error {
	return errors.Join(append([]error{fmt.Errorf("%d of %d keys can be used", usable, all)}, skipped...)...)
}

func pemSnapshot(block *pem.Block, rest []byte) (*keySnapshot, error) {
	s := &keySnapshot{nameless: true}
	for ; block != nil; block, rest = pem.Decode(rest) {
		key, err := pemKey(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d %w", len(s.all)+1, err)
		}
		s.add(key)
	}
	return s, nil
}

func pemKey(block *pem.Block) (*verifyingKey, error) {
	var public any
	switch block.Type {
	case "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("is not a public key")
		}
		public = key
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("is not a certificate")
		}
		public = certificate.PublicKey
	default:
		return nil, errors.New("is neither a PUBLIC KEY nor a CERTIFICATE")
	}
	algorithms, err := algorithmsOf(public)
	if err != nil {
		return nil, err
	}
	return &verifyingKey{algorithms: algorithms, key: public}, nil
}

// SharedSecret returns a KeySet for tokens that are signed with a secret, HS256
// (RFC 7518, Section 3.2), as old applications and APIs at Auth0 may still be set
// up. Whoever can check such a token can also make one, so change them to RS256
// where you can. The bytes of the text are the key; there must be at least 32.
func SharedSecret(key string) (*KeySet, error) {
	if len(key) < sha256.Size {
		return nil, fmt.Errorf("auth0: SharedSecret: the secret has %d bytes, fewer than %d", len(key), sha256.Size)
	}
	s := &keySnapshot{nameless: true, symmetric: true}
	s.add(&verifyingKey{algorithms: []string{symmetricAlgorithm}, key: newSecret(key)})
	return &KeySet{fixed: s}, nil
}

// isShared reports whether the keys are a secret, with which tokens could also
// be made.
func (k *KeySet) isShared() bool { return k.fixed != nil && k.fixed.symmetric }

// Warm fetches the keys if there are none that can be used, so that the first
// request need not wait. Nothing else depends on it. The error says what could
// not be fetched.
func (k *KeySet) Warm(ctx context.Context) error {
	if _, err := k.snapshot(ctx); err != nil {
		return asError("keys", asBearerError(err))
	}
	return nil
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
	switch {
	case k.fixed != nil:
		return nil
	case k.current == nil:
		return asError("keys", refuseMisconfigured.wrap(errZeroKeySet))
	}
	_, err := k.current.Force(ctx)
	if err == nil {
		return nil
	}
	held := 0
	if s, ok := k.current.Peek(); ok {
		held = len(s.all)
	}
	err = keysUnavailable(ctx, fmt.Errorf("the keys could not be fetched, and %d of before stay in use: %w", held, err))
	return asError("keys", asBearerError(err))
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
	if k.fixed != nil {
		return KeyStatus{Keys: len(k.fixed.all)}
	}
	if k.current == nil {
		return KeyStatus{Err: errZeroKeySet}
	}
	state := k.current.State()
	status := KeyStatus{Issuer: k.issuer.base, FetchedAt: state.FetchedAt, RefreshAt: state.DueAt, ExpiresAt: state.UnusableAt, Err: state.Err}
	if state.OK {
		status.Keys = len(state.Value.all)
	}
	return status
}

// Format hides what a KeySet holds from every verb of package fmt.
func (k *KeySet) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "auth0.KeySet(%s)", k.Status().Issuer) }

// VerifySignature returns the payload of a token if the issuer has signed it.
// It checks the signature and the form of the token, and not one claim: use
// [API.Verify] for access tokens. The error is an [*Error].
func (k *KeySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	m, err := jwt.Parse(token)
	if err != nil {
		err = parseFault(err)
	} else {
		_, err = k.verify(ctx, m, fromAnybody)
	}
	if err != nil {
		return nil, asError("signature", asBearerError(err))
	}
	return []byte(m.Payload), nil
}

// A tokenOrigin says on whose word keys are fetched for a kid that is unknown.
type tokenOrigin int

const (
	fromAnybody tokenOrigin = iota // also from those who made it up
	fromTenant                     // from the token endpoint, over TLS
)

// verify checks the signature of a token whose algorithm the caller allows, and
// returns the key it was made with. It is the one place where a signature is
// accepted.
func (k *KeySet) verify(ctx context.Context, m jwt.Message, origin tokenOrigin) (*verifyingKey, error) {
	candidates, err := k.find(ctx, m.KeyID, m.Algorithm, origin)
	if err != nil {
		return nil, err
	}
	return verifyWith(candidates, m)
}

func verifyWith(candidates []*verifyingKey, m jwt.Message) (*verifyingKey, error) {
	for _, key := range candidates {
		if key.verify(m) {
			return key, nil
		}
	}
	return nil, faultSignature
}

// confirm checks once more a token from the token endpoint whose signature did
// not fit, with keys that were fetched after it came. A wrong signature is
// certain only then: until then the kid can have been given to another key.
func (k *KeySet) confirm(ctx context.Context, m jwt.Message) error {
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
		return faultKeys.because("the signature fits none of the keys that were given, which have no kid")
	}
	candidates, err := snapshot.find(m.KeyID, m.Algorithm)
	if err == errUnknownKey {
		return faultUnknownKey.because("kid %.80q is not among the %d keys of the issuer any more", m.KeyID, len(snapshot.all))
	}
	if err == nil {
		_, err = verifyWith(candidates, m)
	}
	return err
}

// stillHas reports whether a token with this header could be signed with the key
// today.
func (k *KeySet) stillHas(ctx context.Context, id, alg string, key *verifyingKey) (bool, error) {
	snapshot, err := k.snapshot(ctx)
	if err != nil {
		return false, err
	}
	fit, err := snapshot.find(id, alg)
	return err == nil && slices.Contains(fit, key), nil
}

var errZeroKeySet = errors.New("this KeySet was made by none of Strategy.KeySet, StaticKeys and SharedSecret")

var errNewIssuers = errors.New("too many issuers were looked up of which no token was good yet; should ResolveIssuer trust them all?")

// snapshot returns the keys, and waits only if there are none.
func (k *KeySet) snapshot(ctx context.Context) (*keySnapshot, error) {
	switch {
	case k.fixed != nil:
		return k.fixed, nil
	case k.current == nil:
		return nil, refuseMisconfigured.wrap(errZeroKeySet)
	}
	s, err := k.current.Get(ctx)
	if errors.Is(err, refresh.ErrNotAllowed) {
		k.observeThrottled(ctx)
		err = errNewIssuers
	}
	if err != nil {
		return nil, keysUnavailable(ctx, err)
	}
	return s, nil
}

// find returns the keys that a token with this header may be signed with. If no
// key has its kid, the fault is an unsettledKey unless the keys were fetched
// after the token came.
func (k *KeySet) find(ctx context.Context, id, alg string, origin tokenOrigin) ([]*verifyingKey, error) {
	snapshot, err := k.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	candidates, err := snapshot.find(id, alg)
	if err != errUnknownKey {
		return candidates, err
	}
	switch {
	case k.fixed != nil:
	case origin == fromTenant:
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
		return nil, faultUnknownKey.because("kid %.80q is not among the %d keys of the issuer", id, len(snapshot.all))
	}
	return candidates, err
}

// An unsettledKey is the fault of a token whose kid is not in the set, while newer
// keys could not be fetched. Whether the issuer has such a key is not known. An
// API answers it as any other unknown kid, because most were made up and the time
// is bounded. For the ID tokens of a login it is an outage.
type unsettledKey struct{ fault *tokenFault }

func (u unsettledKey) Error() string { return u.fault.Error() }
func (u unsettledKey) Unwrap() error { return u.fault }

// asOutage says of an unsettledKey that nothing is known, and leaves other
// errors as they are.
func asOutage(err error) error {
	if u, ok := errors.AsType[unsettledKey](err); ok {
		return faultKeys.because("%w", u.fault)
	}
	return err
}

// fetchUnknown gets newer keys, if it may, for the kid of anybody's token that
// the snapshot has not. The error is the fault that answers the token if it may
// not.
func (k *KeySet) fetchUnknown(ctx context.Context, snapshot *keySnapshot, id string) (*keySnapshot, error) {
	if k.unknown.remembers(snapshot, id) {
		return nil, unsettledKey{faultUnknownKey.because("kid %.80q was looked for a moment ago", id)}
	}
	if newer, ok := k.current.Peek(); ok && newer != snapshot {
		return newer, nil // somebody else has just waited for it
	}
	waiting, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	newer, err := k.current.RefreshIf(waiting, func() bool { return k.unknown.take(&k.unknown.ofAnybody) })
	switch {
	case err == nil:
		return newer, nil
	case errors.Is(err, refresh.ErrNotAllowed):
		k.observeThrottled(ctx)
		return nil, unsettledKey{faultUnknownKey.because("kid %.80q is unknown, and keys were fetched too often for such to try again", id)}
	}
	if k.current.Due() || ctx.Err() != nil {
		// These keys are older than they should be: the id may well be good.
		return nil, keysUnavailable(ctx, err)
	}
	return nil, unsettledKey{faultUnknownKey.because("kid %.80q is unknown, and newer keys cannot be had: %v", id, err)}
}

// fetchForTenant returns keys whose fetch began after a token from the token
// endpoint came, or that have its kid already. Without id, only the first will do.
func (k *KeySet) fetchForTenant(ctx context.Context, id string) (*keySnapshot, error) {
	waiting, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	// A fetch that was under way when the token came can have been answered before
	// the key was published. The one behind it cannot.
	for joined := 0; ; joined++ {
		begun := false
		newer, err := k.current.RefreshIf(waiting, func() bool {
			begun = k.unknown.take(&k.unknown.ofTenant)
			return begun
		})
		switch {
		case errors.Is(err, refresh.ErrNotAllowed):
			k.observeThrottled(ctx)
			return nil, faultKeys.because("keys were fetched too often to look for those of a token response again")
		case err != nil:
			return nil, keysUnavailable(ctx, err)
		case begun, joined > 0, id != "" && newer.ids[id]:
			return newer, nil
		}
	}
}

func (k *KeySet) observeThrottled(ctx context.Context) {
	e := KeyEvent{Issuer: k.issuer.base, Reason: "throttled"}
	if held, ok := k.current.Peek(); ok {
		e.Keys = len(held.all)
	}
	k.observer.keys(ctx, e)
}

// keysUnavailable tells a caller who has gone away from keys that cannot be had.
func keysUnavailable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return faultKeys.because("%w", err)
}

// unknownKeys bounds what unknown key ids can cause: a bucket of fetches for
// tokens of anybody, one for those of the tenant, which nobody else can empty, and
// a memory of ids that were looked for in vain.
type unknownKeys struct {
	ofAnybody, ofTenant fetchBucket

	mu       sync.Mutex
	paid     *fetchBucket // out of which the fetch under way was paid for
	snapshot *keySnapshot // the one in which ids were looked for
	missed   map[string]time.Time
}

const (
	unknownBurst    = 2
	unknownInterval = 30 * time.Second
	missedLife      = 30 * time.Second
	maxMissed       = 256
)

func (u *unknownKeys) take(b *fetchBucket) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !b.take(time.Now()) {
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
		u.paid.giveBack()
	}
	u.paid = nil
}

func (u *unknownKeys) remember(s *keySnapshot, id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.snapshot != s {
		u.snapshot, u.missed = s, map[string]time.Time{}
	}
	if len(u.missed) < maxMissed {
		u.missed[id] = time.Now()
	}
}

func (u *unknownKeys) remembers(s *keySnapshot, id string) bool {
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

// A keySnapshot is the keys of one fetch. It is immutable once it is used.
type keySnapshot struct {
	all []*verifyingKey
	fit map[keyHeader][]*verifyingKey
	ids map[string]bool

	nameless  bool // the keys have no ids, and the ids of tokens do not count
	symmetric bool
}

// A keyHeader is what the header of a token says about its key.
type keyHeader struct{ id, alg string }

func (s *keySnapshot) add(key *verifyingKey) {
	// More keys with one id are not tried: a token would cost its sender
	// nothing, and us a signature for each.
	const maxTried = 4
	if s.fit == nil {
		s.fit = map[keyHeader][]*verifyingKey{}
	}
	s.all = append(s.all, key)
	s.know(key.id)
	headers := []string{""}
	if key.id != "" {
		headers = append(headers, key.id)
	}
	for _, alg := range key.algorithms {
		for _, id := range headers {
			if h := (keyHeader{id, alg}); len(s.fit[h]) < maxTried {
				s.fit[h] = append(s.fit[h], key)
			}
		}
	}
}

// know notes that the issuer has a key with the id, usable or not.
func (s *keySnapshot) know(id string) {
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	s.ids[id] = true
}

var errUnknownKey = errors.New("no key with that id")

// find returns the keys for an id that can make signatures of an algorithm. A
// token without an id is for the one key that fits: with several, each would
// have to be tried, at the caller's pleasure.
func (s *keySnapshot) find(id, alg string) ([]*verifyingKey, error) {
	if s.nameless {
		id = ""
	}
	fit := s.fit[keyHeader{id, alg}]
	switch {
	case id == "" && len(fit) > 1 && !s.nameless:
		return nil, faultAmbiguousKey.because("no kid, and several keys of the issuer fit")
	case len(fit) > 0:
		return fit, nil
	case id == "":
		return nil, faultUnknownKey.because("no kid, and no key of the issuer fits %s", alg)
	case s.ids[id]:
		return nil, faultKeyUnusable.because("key %.80q is not for %s", id, alg)
	}
	return nil, errUnknownKey
}

// known returns the same key as it was in an earlier snapshot, if it was there.
// To whoever remembers what a key has signed, one key is then one pointer.
func (s *keySnapshot) known(key *verifyingKey) *verifyingKey {
	if s != nil {
		for _, k := range s.all {
			if k.equal(key) {
				return k
			}
		}
	}
	return key
}

func (k *KeySet) fetch(ctx context.Context, client *http.Client, log *slog.Logger, held *keySnapshot) (*keySnapshot, refresh.Life, error) {
	ep, err := k.issuer.endpoints(ctx)
	if err != nil {
		return nil, refresh.Life{}, err
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, ep.JWKSURI, nil)
	if err != nil {
		return nil, refresh.Life{}, errors.New("unusable jwks_uri")
	}
	if held != nil {
		// What is wanted is what has changed, also if a cache on the way has not
		// noticed (RFC 9111, Section 5.2.1.4).
		r.Header.Set("Cache-Control", "no-cache")
	}
	header, err := fetch.JSON(client, r, &doc)
	if err != nil {
		return nil, refresh.Life{}, err
	}
	if len(doc.Keys) > maxKeys {
		log.Warn("auth0: the issuer has too many keys; only the first are used", "keys", len(doc.Keys), "used", maxKeys)
	}
	s, skipped := newKeySnapshot(doc.Keys, held)
	if len(s.all) == 0 {
		// A failure, so that the keys we have are kept.
		return nil, refresh.Life{}, fmt.Errorf("%s: %w", ep.JWKSURI, usableKeys(0, len(doc.Keys), skipped))
	}
	if len(skipped) > 0 {
		log.Debug("auth0: some keys of the issuer cannot be used", "err", clip(errors.Join(skipped...).Error()))
	}
	return s, refresh.Life{Due: dueAfter(header), Stale: keysStale}, nil
}

func (k *KeySet) observeFetch(ctx context.Context, took time.Duration, held, fetched *keySnapshot, err error) {
	e := KeyEvent{Issuer: k.issuer.base, Reason: "fetched", Duration: took, Err: err}
	switch {
	case err != nil:
		e.Reason, fetched = "failed", held
	case held != nil && !maps.Equal(held.ids, fetched.ids):
		e.Reason = "rotated"
	}
	if fetched != nil {
		e.Keys = len(fetched.all)
	}
	k.observer.keys(ctx, e)
}

// dueAfter is when keys should be fetched again: at about four fifths of their
// time, and never before keysDueLeast. Chance makes it up to a fifth later, so
// that many processes that were started together do not ask together; also at
// that least, which is what Auth0's max-age=15 comes to.
func dueAfter(h http.Header) time.Duration {
	life := keysDue
	for directive := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		if seconds, ok := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); ok {
			if n, err := strconv.ParseInt(seconds, 10, 32); err == nil {
				life = min(max(time.Duration(n)*time.Second, keysDueLeast), keysDueMost)
			}
		}
	}
	due := max(life*72/100, keysDueLeast)
	return due + rand.N(due/5+1)
}

// newKeySnapshot takes the keys that can be used, and says why the others cannot.
// One that cannot must not cost the others: issuers add kinds that nobody has
// heard of.
func newKeySnapshot(raw []json.RawMessage, held *keySnapshot) (s *keySnapshot, skipped []error) {
	s = &keySnapshot{}
	for _, text := range raw[:min(len(raw), maxKeys)] {
		key, err := newVerifyingKey(text)
		if err != nil {
			var named struct {
				KeyType string `json:"kty"`
				KeyID   string `json:"kid"`
			}
			json.Unmarshal(text, &named) // what cannot be read has no name
			skipped = append(skipped, fmt.Errorf("key %.80q of type %.20q %w", named.KeyID, named.KeyType, err))
			// A token that names it is refused at once: fetching would not help.
			s.know(named.KeyID)
			continue
		}
		s.add(held.known(key))
	}
	return s, skipped
}

// A verifyingKey is a key that was checked, and the algorithms it may be used
// with.
type verifyingKey struct {
	id         string
	algorithms []string
	key        any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or secret
}

func (k *verifyingKey) equal(other *verifyingKey) bool {
	public, ok := k.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.id == other.id && slices.Equal(k.algorithms, other.algorithms) && public.Equal(other.key)
}

// newVerifyingKey reads a JWK (RFC 7517). What package jwk accepts is checked
// again: it takes private keys and shared secrets, and earlier versions took
// short RSA keys and points that are off their curve. The error says why the key
// cannot be used, and nothing that is in it.
func newVerifyingKey(text json.RawMessage) (*verifyingKey, error) {
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return nil, errors.New("is not one that is known") // its error may quote the key
	}
	id, _ := parsed.KeyID()
	if len(id) > 256 {
		return nil, errors.New("has an id that is longer than 256 bytes")
	}
	if use, ok := parsed.KeyUsage(); ok && use != "sig" {
		return nil, fmt.Errorf("is for %.20q", use)
	}
	if ops, ok := parsed.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return nil, errors.New("is not for verifying")
	}
	var raw any
	if err := jwk.Export(parsed, &raw); err != nil {
		return nil, errors.New("cannot be read")
	}
	algorithms, err := algorithmsOf(raw)
	if err != nil {
		return nil, err
	}
	// A key that names its algorithm is for no other (RFC 8725, Section 3.1).
	// Auth0 can be told not to name it.
	if alg, ok := parsed.Algorithm(); ok {
		if !slices.Contains(algorithms, alg.String()) {
			return nil, fmt.Errorf("is for %.20q", alg)
		}
		algorithms = []string{alg.String()}
	}
	return &verifyingKey{id: id, algorithms: algorithms, key: raw}, nil
}

// symmetricAlgorithm is the one that is checked with a [SharedSecret].
const symmetricAlgorithm = "HS256"

// asymmetricAlgorithms are those of RFC 7518, Section 3.1, and RFC 8037 that
// are checked with a public key.
var asymmetricAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// algorithmsOf checks a key, and returns what it can be used with.
func algorithmsOf(key any) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		// Shorter keys are too weak (RFC 7518, Section 3.3); longer ones cost
		// milliseconds per token.
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
			return nil, fmt.Errorf("has %d bits", bits)
		}
		if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
			return nil, errors.New("has an unusable exponent")
		}
		if hasROCAFingerprint(key.N) {
			return nil, errors.New("can be factored (CVE-2017-15361)")
		}
		return asymmetricAlgorithms[:6], nil
	case *ecdsa.PublicKey:
		if _, err := key.ECDH(); err != nil {
			return nil, errors.New("is not on its curve")
		}
		switch key.Curve {
		case elliptic.P256():
			return []string{"ES256"}, nil
		case elliptic.P384():
			return []string{"ES384"}, nil
		case elliptic.P521():
			return []string{"ES512"}, nil
		}
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("has the wrong length")
		}
		if lowOrder(key) {
			return nil, errors.New("has low order") // signatures for it fit everything
		}
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("is of no kind that is used here")
}

// lowOrderPoints are the encodings, without the sign bit, of the points of
// Ed25519 whose order divides 8, the two that are not canonical included.
var lowOrderPoints = []string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
}

func lowOrder(key ed25519.PublicKey) bool {
	point := []byte(key)
	point = append(point[:31:31], point[31]&0x7f)
	return slices.Contains(lowOrderPoints, string(point))
}

// verify reports whether the signature of a token is by this key. It is made
// with the standard library, which is stricter than wrappers around it: the
// salt of PSS has the length of the hash, and signatures have one length (RFC
// 7518, Sections 3.3 to 3.5).
func (k *verifyingKey) verify(m jwt.Message) bool {
	// Both stay on the stack.
	var hashed [sha512.Size]byte
	var array [8192 / 8]byte // the longest signature that can be good
	signature := m.AppendSignature(array[:0])
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		digest := appendInputDigest(hashed[:0], m)
		if strings.HasPrefix(m.Algorithm, "PS") {
			return rsa.VerifyPSS(key, hashOf(m.Algorithm), digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(key, hashOf(m.Algorithm), digest, signature) == nil
	case *ecdsa.PublicKey:
		size := (key.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		var der [160]byte // enough for P-521
		digest := appendInputDigest(hashed[:0], m)
		return ecdsa.VerifyASN1(key, digest, appendDER(der[:0], signature[:size], signature[size:]))
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(m.SigningInput), signature)
	case secret:
		mac := hmac.New(sha256.New, []byte(key.reveal()))
		mac.Write([]byte(m.SigningInput))
		return hmac.Equal(mac.Sum(nil), signature)
	}
	return false
}

// appendDER appends r and s as ASN.1 has them (RFC 3279, Section 2.2.3), which is
// how the standard library reads a signature fastest.
func appendDER(dst, r, s []byte) []byte {
	length := 0
	for _, integer := range [...]*[]byte{&r, &s} {
		for len(*integer) > 1 && (*integer)[0] == 0 {
			*integer = (*integer)[1:]
		}
		length += 2 + len(*integer) + int((*integer)[0]>>7)
	}
	dst = append(dst, 0x30)
	if length > 127 {
		dst = append(dst, 0x81)
	}
	dst = append(dst, byte(length))
	for _, integer := range [...][]byte{r, s} {
		sign := integer[0] >> 7 // a first bit of 1 would make it negative
		dst = append(dst, 0x02, byte(len(integer))+sign)
		dst = append(dst, make([]byte, sign)...)
		dst = append(dst, integer...)
	}
	return dst
}

// hashOf returns the hash of an algorithm. Names end in its size, but for EdDSA,
// whose curve here is Ed25519 (RFC 8032, Section 5.1).
func hashOf(alg string) crypto.Hash {
	switch {
	case strings.HasSuffix(alg, "384"):
		return crypto.SHA384
	case strings.HasSuffix(alg, "512"), alg == "EdDSA":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// appendInputDigest appends the hash that a signature is over.
func appendInputDigest(dst []byte, m jwt.Message) []byte {
	h := hashOf(m.Algorithm)
	if h == crypto.SHA256 && m.SHA256 != [32]byte{} {
		return append(dst, m.SHA256[:]...)
	}
	return appendDigest(dst, h, m.SigningInput)
}

// appendDigest appends the hash of a text.
func appendDigest(dst []byte, h crypto.Hash, text string) []byte {
	switch h {
	case crypto.SHA256:
		sum := recent.SumOf(text)
		return append(dst, sum[:]...)
	case crypto.SHA384:
		sum := sha512.Sum384([]byte(text))
		return append(dst, sum[:]...)
	}
	sum := sha512.Sum512([]byte(text))
	return append(dst, sum[:]...)
}
