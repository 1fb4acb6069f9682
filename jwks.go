package auth0

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
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
	"github.com/seed-15d5a55c/auth0/internal/refresh"
)

// A KeySet holds the public keys of one issuer. It fetches them when it is
// first asked, and again in the background before they are old; readers do not
// wait for that. While the issuer is out of reach it uses the keys it has for
// a day.
//
// A key id that is not in the set makes it fetch at once, so that a new key
// works from its first token, but at most twice in a row and then once in half
// a minute: anybody can make up key ids. A signature that does not fit never
// makes it fetch.
//
// A KeySet can be used where go-oidc asks for an oidc.KeySet.
type KeySet struct {
	issuer  *namespace
	current *refresh.Value[*keySnapshot]
	unknown unknownKeys
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

func newKeySet(n *namespace, client *http.Client, log *slog.Logger) *KeySet {
	k := &KeySet{issuer: n}
	k.current = refresh.New(func(ctx context.Context) (s *keySnapshot, life refresh.Life, err error) {
		defer func() { k.unknown.settle(err == nil) }()
		ep, err := n.endpoints(ctx)
		if err != nil {
			return nil, refresh.Life{}, err
		}
		return fetchKeys(ctx, client, ep.JWKSURI, log)
	}, refresh.Policy{
		Timeout:    keysTimeout,
		MinBackoff: time.Second, MaxBackoff: 30 * time.Second, MaxRetryAfter: time.Minute,
		Failed: func(err error, stale bool) {
			log.Warn("auth0: keys cannot be fetched", "err", clip(err.Error()), "using_old_keys", stale)
		},
	})
	return k
}

// VerifySignature returns the payload of a token if the issuer has signed it.
// It checks the signature and the form of the token, and not one claim: use
// [API.Verify] for access tokens. The error is an [*Error].
func (k *KeySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	m, err := jwt.Parse(token)
	if err != nil {
		err = parseFault(err)
	} else {
		err = k.verify(ctx, m)
	}
	if err != nil {
		return nil, asError("signature", asBearerError(err))
	}
	return []byte(m.Payload), nil
}

// verify checks the signature of a token whose algorithm the caller allows. It
// is the one place where a signature is accepted.
func (k *KeySet) verify(ctx context.Context, m jwt.Message) error {
	candidates, err := k.find(ctx, m.KeyID, m.Algorithm)
	if err != nil {
		return err
	}
	for _, key := range candidates {
		if key.verify(m) {
			return nil
		}
	}
	return faultSignature
}

// find returns the keys that a token with this header may be signed with.
func (k *KeySet) find(ctx context.Context, id, alg string) ([]*publicKey, error) {
	snapshot, err := k.current.Get(ctx)
	if err != nil {
		return nil, keysUnavailable(ctx, err)
	}
	candidates, err := snapshot.find(id, alg)
	if err != errUnknownKey {
		return candidates, err
	}
	if snapshot, err = k.fetchUnknown(ctx, snapshot, id); err != nil {
		return nil, err
	}
	candidates, err = snapshot.find(id, alg)
	if err == errUnknownKey {
		k.unknown.remember(snapshot, id)
		return nil, faultUnknownKey.because("kid %.80q is not among the %d keys of the issuer", id, len(snapshot.all))
	}
	return candidates, err
}

// fetchUnknown gets newer keys, if it may, for a key id that the snapshot has
// not. The error is the fault that answers the token if it may not.
func (k *KeySet) fetchUnknown(ctx context.Context, snapshot *keySnapshot, id string) (*keySnapshot, error) {
	if k.unknown.remembers(snapshot, id) {
		return nil, faultUnknownKey.because("kid %.80q was looked for a moment ago", id)
	}
	if newer, ok := k.current.Peek(); ok && newer != snapshot {
		return newer, nil // somebody else has just waited for it
	}
	waiting, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	newer, err := k.current.RefreshIf(waiting, func() bool { return k.unknown.take(time.Now()) })
	switch {
	case err == nil:
		return newer, nil
	case errors.Is(err, refresh.ErrNotAllowed):
		return nil, faultUnknownKey.because("kid %.80q is unknown, and keys were fetched too often for such to try again", id)
	}
	if k.current.Due() || ctx.Err() != nil {
		// These keys are older than they should be: the id may well be good.
		return nil, keysUnavailable(ctx, err)
	}
	return nil, faultUnknownKey.because("kid %.80q is unknown, and newer keys cannot be had: %v", id, err)
}

// keysUnavailable tells a caller who has gone away from keys that cannot be had.
func keysUnavailable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return faultKeys.because("%w", err)
}

// unknownKeys bounds what made-up key ids can cause: a bucket of two fetches
// that gains one in half a minute, and a memory of ids that were looked for in
// vain.
type unknownKeys struct {
	mu       sync.Mutex
	spent    float64
	at       time.Time
	pending  bool         // the fetch under way was paid for out of the bucket
	snapshot *keySnapshot // the one in which ids were looked for
	missed   map[string]time.Time
}

const (
	unknownBurst    = 2
	unknownInterval = 30 * time.Second
	missedLife      = 30 * time.Second
	maxMissed       = 256
)

func (u *unknownKeys) take(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.spent = max(0, u.spent-now.Sub(u.at).Seconds()/unknownInterval.Seconds())
	u.at = now
	if u.spent > unknownBurst-1 {
		return false
	}
	u.spent++
	u.pending = true
	return true
}

// settle gives back what a fetch that failed has cost: the outage of the issuer
// must not use up what a rotation after it will need. What counts is the fetch,
// not whether those who wait for it have the patience.
func (u *unknownKeys) settle(fetched bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending && !fetched {
		u.spent = max(0, u.spent-1)
	}
	u.pending = false
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

// A keySnapshot is the keys of one fetch. It is immutable.
type keySnapshot struct {
	all  []*publicKey
	byID map[string][]*publicKey
}

var errUnknownKey = errors.New("no key with that id")

// find returns the keys for an id that can make signatures of an algorithm. A
// token without an id is for the one key that fits: with several, each would
// have to be tried, at the caller's pleasure.
func (s *keySnapshot) find(id, alg string) ([]*publicKey, error) {
	const maxTried = 4
	keys := s.byID[id]
	if id == "" {
		keys = s.all
	} else if len(keys) == 0 {
		return nil, errUnknownKey
	}
	var fit []*publicKey
	for _, key := range keys {
		if slices.Contains(key.algorithms, alg) {
			fit = append(fit, key)
		}
	}
	switch {
	case len(fit) == 0 && id == "":
		return nil, faultUnknownKey.because("no kid, and no key of the issuer fits %s", alg)
	case len(fit) == 0:
		return nil, faultKeyUnusable.because("key %.80q is not for %s", id, alg)
	case id == "" && len(fit) > 1:
		return nil, faultAmbiguousKey.because("no kid, and %d keys of the issuer fit", len(fit))
	}
	return fit[:min(len(fit), maxTried)], nil
}

func fetchKeys(ctx context.Context, client *http.Client, jwksURI string, log *slog.Logger) (*keySnapshot, refresh.Life, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	header, err := fetch.GetJSON(ctx, client, jwksURI, &doc)
	if err != nil {
		return nil, refresh.Life{}, err
	}
	s, err := newKeySnapshot(doc.Keys, log)
	if err != nil {
		return nil, refresh.Life{}, fmt.Errorf("%s: %w", jwksURI, err)
	}
	return s, refresh.Life{Due: dueAfter(header), Stale: keysStale}, nil
}

// dueAfter is when keys should be fetched again: at four fifths of their time,
// give or take a tenth, so that many processes that were started together do
// not ask together.
func dueAfter(h http.Header) time.Duration {
	life := keysDue
	for directive := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		if seconds, ok := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); ok {
			if n, err := strconv.ParseInt(seconds, 10, 32); err == nil {
				life = min(max(time.Duration(n)*time.Second, keysDueLeast), keysDueMost)
			}
		}
	}
	due := life * 8 / 10
	due += rand.N(due/5+1) - due/10
	return max(due, keysDueLeast)
}

// newKeySnapshot takes the keys that can be used. One that cannot must not cost
// the others: issuers add kinds that nobody has heard of. A document without
// any is a failure, so that the keys we have are kept.
func newKeySnapshot(raw []json.RawMessage, log *slog.Logger) (*keySnapshot, error) {
	if len(raw) > maxKeys {
		log.Warn("auth0: the issuer has too many keys; only the first are used", "keys", len(raw), "used", maxKeys)
		raw = raw[:maxKeys]
	}
	s := &keySnapshot{byID: map[string][]*publicKey{}}
	var skipped []error
	for _, text := range raw {
		key, err := newPublicKey(text)
		if err != nil {
			skipped = append(skipped, err)
			continue
		}
		s.all = append(s.all, key)
		if key.id != "" {
			s.byID[key.id] = append(s.byID[key.id], key)
		}
	}
	if len(s.all) == 0 {
		return nil, fmt.Errorf("none of %d keys can be used: %w", len(raw), errors.Join(skipped...))
	}
	if len(skipped) > 0 {
		log.Debug("auth0: some keys of the issuer cannot be used", "err", clip(errors.Join(skipped...).Error()))
	}
	return s, nil
}

// A publicKey is a key that was checked, and the algorithms it may be used with.
type publicKey struct {
	id         string
	algorithms []string
	key        crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// newPublicKey reads a JWK (RFC 7517). What package jwk accepts is checked
// again: it takes points that are off their curve, short RSA keys, private keys
// and shared secrets.
func newPublicKey(text json.RawMessage) (*publicKey, error) {
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return nil, errors.New("not a key that is known") // the error may quote the key
	}
	id, _ := parsed.KeyID()
	if len(id) > 256 {
		return nil, errors.New("a key id is longer than 256 bytes")
	}
	if use, ok := parsed.KeyUsage(); ok && use != "sig" {
		return nil, fmt.Errorf("key %.80q is for %.20q", id, use)
	}
	if ops, ok := parsed.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return nil, fmt.Errorf("key %.80q is not for verifying", id)
	}
	var raw any
	if err := jwk.Export(parsed, &raw); err != nil {
		return nil, fmt.Errorf("key %.80q cannot be read", id)
	}
	algorithms, err := algorithmsOf(raw)
	if err != nil {
		return nil, fmt.Errorf("key %.80q %w", id, err)
	}
	// A key that names its algorithm is for no other (RFC 8725, Section 3.1).
	// Auth0 can be told not to name it.
	if alg, ok := parsed.Algorithm(); ok {
		if !slices.Contains(algorithms, alg.String()) {
			return nil, fmt.Errorf("key %.80q is for %.20q", id, alg)
		}
		algorithms = []string{alg.String()}
	}
	return &publicKey{id: id, algorithms: algorithms, key: raw}, nil
}

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
func (k *publicKey) verify(m jwt.Message) bool {
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		h := hashOf(m.Algorithm)
		if strings.HasPrefix(m.Algorithm, "PS") {
			return rsa.VerifyPSS(key, h, digest(h, m.SigningInput), m.Signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(key, h, digest(h, m.SigningInput), m.Signature) == nil
	case *ecdsa.PublicKey:
		size := (key.Params().BitSize + 7) / 8
		if len(m.Signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(m.Signature[:size]), new(big.Int).SetBytes(m.Signature[size:])
		return ecdsa.Verify(key, digest(hashOf(m.Algorithm), m.SigningInput), r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(m.SigningInput), m.Signature)
	}
	return false
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

func digest(h crypto.Hash, text string) []byte {
	d := h.New()
	d.Write([]byte(text))
	return d.Sum(nil)
}
