package auth0

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// An Issuer is one more tenant, or one more domain of a tenant, whose access
// tokens an API accepts.
type Issuer struct {
	// Domain is as in [Config].
	Domain string
	// Audiences and Algorithms are as in [APIConfig]. Default: those of the API.
	Audiences  []string
	Algorithms []string
	// Keys are as in [APIConfig].
	Keys *KeySet
}

func (i Issuer) equal(o Issuer) bool {
	return i.Domain == o.Domain && i.Keys == o.Keys && slices.Equal(i.Audiences, o.Audiences) && slices.Equal(i.Algorithms, o.Algorithms)
}

// A trusted issuer is an [Issuer] that was checked.
type trusted struct {
	source     Issuer
	namespace  *provider.Tenant
	keys       *KeySet
	audiences  []string
	algorithms []string

	// The rest is of one that a resolver has named. Lookups are those that were
	// paid for out of the API's bucket; proven is whether a token of it was good.
	lookups *keys.Bucket
	mu      sync.Mutex
	proven  bool
	paid    int
	used    atomic.Bool // since the table was last searched for one to drop
}

// mayLookUp is asked before a request for the keys or the document of an issuer
// that a resolver has named, and of which there are none yet: anybody can write
// any name that the resolver trusts into a token.
func (t *trusted) mayLookUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.proven {
		return true
	}
	if !t.lookups.Take(time.Now()) {
		return false
	}
	t.paid++
	return true
}

func (t *trusted) isProven() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.proven
}

// prove notes that a token of the issuer was good, and gives back what it has
// taken from the bucket. It reports whether that is new.
func (t *trusted) prove() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lookups == nil || t.proven {
		return false
	}
	t.proven = true
	for range t.paid {
		t.lookups.GiveBack()
	}
	return true
}

// newTrusted checks an issuer. Lookups is nil for one of the configuration.
func (a *API) newTrusted(p *problems, source Issuer, lookups *keys.Bucket) *trusted {
	t := &trusted{source: source, keys: source.Keys, audiences: slices.Clone(source.Audiences), lookups: lookups}
	n := provider.NewTenant(p.add, source.Domain)
	if lookups != nil {
		n.First = t.mayLookUp
	}
	n.DiscoverWith(p.add, a.client, a.config.EndpointOrigins, a.log)
	t.namespace = &n
	switch given := t.keys; {
	case given == nil:
		t.keys = newKeySet(&n, a.client, a.log, a.config.Observer)
	case given.set == nil:
		p.add("Keys", "%v", errZeroKeySet)
	case given.issuer != nil && !sameIssuer(given.issuer.Issuer, n.Issuer):
		p.add("Keys", "are not those of the Domain %q", source.Domain)
	case given.issuer != nil:
		t.namespace = given.issuer // what was discovered is shared too
	}
	shared := t.keys.set != nil && t.keys.set.IsShared()
	if source.Algorithms == nil && !shared {
		source.Algorithms = a.config.Algorithms
	}
	t.algorithms = checkAlgorithms(p, source.Algorithms, shared)
	if len(t.audiences) == 0 {
		t.audiences = a.audience
	}
	// Of Domain itself it is said of the field Audience.
	if source.Domain != a.config.Domain && (len(t.audiences) == 0 || slices.Contains(t.audiences, "")) {
		p.add("Audiences", "are missing, and so are those of the API")
	}
	return t
}

func sameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

// names are the values of iss for which a token may be of this issuer. Which of
// the two spellings a provider named by URL uses, its own document says.
func (t *trusted) names() []string {
	if t.namespace.Static != nil || t.keys.set.IsFixed() {
		return []string{t.namespace.Issuer}
	}
	bare := strings.TrimSuffix(t.namespace.Issuer, "/")
	return []string{bare, bare + "/"}
}

// accepts compares iss exactly, which may take a request for the document of a
// provider named by URL; but none where the keys are given.
func (t *trusted) accepts(ctx context.Context, iss string) error {
	if iss == t.namespace.Issuer && (t.namespace.Static != nil || t.keys.set.IsFixed()) {
		return nil
	}
	ep, err := t.namespace.Endpoints(ctx)
	if errors.Is(err, cached.ErrNotAllowed) {
		err = errNewIssuers
	}
	if err != nil {
		return keys.Unavailable(ctx, err)
	}
	if iss != ep.Issuer {
		return fault.Issuer.Because("iss is %.100q, want %q", iss, ep.Issuer)
	}
	return nil
}

// issuerOf returns whom a token is from, as far as it claims. It causes no request
// and keeps nothing: anybody can write any issuer into a token.
func (a *API) issuerOf(ctx context.Context, iss string) (*trusted, error) {
	if t := a.byName[iss]; t != nil {
		return t, nil
	}
	if a.config.ResolveIssuer == nil {
		return nil, fault.Issuer.Because("iss is %.100q, want %s", iss, a.issuerNames())
	}
	source, err := a.config.ResolveIssuer(ctx, iss)
	switch {
	case err != nil:
		return nil, hookError(err, refusal.Forbidden, func(err error) error {
			return keys.Unavailable(ctx, fmt.Errorf("ResolveIssuer: %w", err))
		})
	case source == nil:
		return nil, fault.Issuer.Because("iss is %.100q, which ResolveIssuer does not trust", iss)
	}
	t := a.resolved.find(iss, *source)
	if t == nil {
		p := problems{of: "Issuer"}
		own := *source
		own.Audiences, own.Algorithms = slices.Clone(own.Audiences), slices.Clone(own.Algorithms)
		t = a.newTrusted(&p, own, a.lookups)
		if err := p.joined(); err != nil {
			return nil, refusal.Misconfigured.Wrap(err)
		}
	}
	if !slices.Contains(t.names(), iss) {
		return nil, fault.Issuer.Because("iss is %.100q, and ResolveIssuer has returned Domain %q", iss, source.Domain)
	}
	return t, nil
}

func (a *API) issuerNames() string {
	var names []string
	for _, t := range a.issuers {
		names = append(names, t.namespace.Issuer)
	}
	return strings.Join(names, ", ")
}

// resolvedIssuers keeps what was made of the answers of a resolver, so that an
// issuer has one key set for as long as the answer stays the same. Those of which
// no token was good yet are kept apart, and few of them, so that they cannot take
// the place of others. The work for a token does not grow with the table.
type resolvedIssuers struct {
	mu      sync.RWMutex
	all     map[string]*trusted
	fresh   issuerQueue // of which no token was good
	settled issuerQueue
}

const (
	// maxResolved bounds the issuers that are kept. Beyond it one that was not used
	// lately is dropped, whose keys are fetched again when they are next needed.
	maxResolved = 10_000
	// maxUnproven bounds those of which no token was good yet.
	maxUnproven = 1_000

	// Requests for the keys and documents of those: sixteen at once, and five in
	// a second. Each that leads to a good token is given back.
	lookupBurst    = 16
	lookupInterval = 200 * time.Millisecond
)

// find returns what is kept of an issuer, if it was made of the same answer.
func (r *resolvedIssuers) find(iss string, source Issuer) *trusted {
	t := r.held(iss)
	if t == nil || !t.source.equal(source) {
		return nil
	}
	if !t.used.Load() {
		t.used.Store(true)
	}
	return t
}

func (r *resolvedIssuers) held(iss string) *trusted {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all[iss]
}

// admit keeps an issuer whose token is good as far as that can be told without a
// key. Of several that were made at the same time, all get the first.
func (r *resolvedIssuers) admit(iss string, t *trusted) *trusted {
	if t.lookups == nil || r.held(iss) == t {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.all[iss]; other != nil && other.source.equal(t.source) {
		return other
	}
	r.put(&r.fresh, maxUnproven, iss, t)
	return t
}

// settle keeps an issuer one of whose tokens was good in earnest.
func (r *resolvedIssuers) settle(iss string, t *trusted) {
	if !t.prove() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.all[iss]; other != nil && other != t && other.source.equal(t.source) {
		return // this one was dropped meanwhile
	}
	r.put(&r.settled, maxResolved, iss, t)
}

// put keeps an issuer, and drops others beyond the limit. Whatever was used since it
// was last looked at stays: on average one is looked at for each that is put.
func (r *resolvedIssuers) put(q *issuerQueue, most int, iss string, t *trusted) {
	if r.all == nil {
		r.all = map[string]*trusted{}
	}
	r.all[iss] = t
	q.push(queuedIssuer{iss, t})
	for q.len() > most {
		old := q.pop()
		switch {
		case r.all[old.iss] != old.trusted || q == &r.fresh && old.trusted.isProven():
			// It has another place by now, or another has its.
		case q == &r.settled && old.trusted.used.Swap(false):
			q.push(old)
		default:
			delete(r.all, old.iss)
		}
	}
}

// An issuerQueue has first what was pushed first.
type issuerQueue struct {
	items []queuedIssuer
	begin int
}

type queuedIssuer struct {
	iss     string
	trusted *trusted
}

func (q *issuerQueue) len() int { return len(q.items) - q.begin }

func (q *issuerQueue) push(i queuedIssuer) { q.items = append(q.items, i) }

func (q *issuerQueue) pop() queuedIssuer {
	i := q.items[q.begin]
	q.items[q.begin] = queuedIssuer{}
	if q.begin++; q.begin > len(q.items)/2 {
		n := copy(q.items, q.items[q.begin:])
		clear(q.items[n:])
		q.items, q.begin = q.items[:n], 0
	}
	return i
}

func (t *trusted) checkAlgorithm(m jwt.Message) error {
	if !slices.Contains(t.algorithms, m.Algorithm) {
		return fault.Algorithm.Because("alg is %.40q, want one of %q", m.Algorithm, t.algorithms)
	}
	return nil
}

func (t *trusted) checkAudience(c *jwt.Claims) error {
	for _, aud := range c.Audience {
		if slices.Contains(t.audiences, aud) {
			return nil
		}
	}
	return fault.Audience.Because("aud is %.200q, want one of %q; if that is a client id, this is an ID token: request an access token with your API's audience", c.Audience, t.audiences)
}
