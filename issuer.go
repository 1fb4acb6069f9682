package auth0

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-15d5a55c/auth0/internal/jwt"
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
	namespace  *namespace
	keys       *KeySet
	audiences  []string
	algorithms []string
}

func (a *API) newTrusted(p *problems, source Issuer) *trusted {
	t := &trusted{source: source, keys: source.Keys, audiences: slices.Clone(source.Audiences)}
	n := newNamespace(p, source.Domain)
	n.discoverWith(p, a.client, a.config.EndpointOrigins, a.log)
	t.namespace = &n
	switch keys := t.keys; {
	case keys == nil:
		t.keys = newKeySet(&n, a.client, a.log, a.config.Observer)
	case keys.fixed == nil && keys.issuer == nil:
		p.add("Keys", "%v", errZeroKeySet)
	case keys.issuer != nil && !sameIssuer(keys.issuer.base, n.base):
		p.add("Keys", "are not those of the Domain %q", source.Domain)
	case keys.issuer != nil:
		t.namespace = keys.issuer // what was discovered is shared too
	}
	shared := t.keys.isShared()
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
	if t.namespace.static != nil || t.keys.fixed != nil {
		return []string{t.namespace.base}
	}
	bare := strings.TrimSuffix(t.namespace.base, "/")
	return []string{bare, bare + "/"}
}

// accepts compares iss exactly, which may take a request for the document of a
// provider named by URL; but none where the keys are given.
func (t *trusted) accepts(ctx context.Context, iss string) error {
	if iss == t.namespace.base && (t.namespace.static != nil || t.keys.fixed != nil) {
		return nil
	}
	ep, err := t.namespace.endpoints(ctx)
	if err != nil {
		return keysUnavailable(ctx, err)
	}
	if iss != ep.Issuer {
		return faultIssuer.because("iss is %.100q, want %q", iss, ep.Issuer)
	}
	return nil
}

// issuerOf returns whom a token is from, as far as it claims. It causes no
// request: anybody can write any issuer into a token.
func (a *API) issuerOf(ctx context.Context, iss string) (*trusted, error) {
	if t := a.byName[iss]; t != nil {
		return t, nil
	}
	if a.config.ResolveIssuer == nil {
		return nil, faultIssuer.because("iss is %.100q, want %s", iss, a.issuerNames())
	}
	source, err := a.config.ResolveIssuer(ctx, iss)
	switch {
	case err != nil:
		return nil, keysUnavailable(ctx, fmt.Errorf("ResolveIssuer: %w", err))
	case source == nil:
		return nil, faultIssuer.because("iss is %.100q, which ResolveIssuer does not trust", iss)
	}
	t, err := a.resolved.get(iss, *source, a.newTrusted)
	if err != nil {
		return nil, refuseMisconfigured.wrap(err)
	}
	if !slices.Contains(t.names(), iss) {
		return nil, faultIssuer.because("iss is %.100q, and ResolveIssuer has returned Domain %q", iss, source.Domain)
	}
	return t, nil
}

func (a *API) issuerNames() string {
	var names []string
	for _, t := range a.issuers {
		names = append(names, t.namespace.base)
	}
	return strings.Join(names, ", ")
}

// resolvedIssuers keeps what was made of the answers of a resolver, so that an
// issuer has one key set for as long as the answer stays the same. Reading
// takes no lock.
type resolvedIssuers struct {
	mu  sync.Mutex // for writing
	all atomic.Pointer[map[string]*trusted]
}

// maxResolved bounds the issuers that are kept. Beyond it an arbitrary one is
// dropped, whose keys are fetched again when they are next needed.
const maxResolved = 10_000

func (r *resolvedIssuers) get(iss string, source Issuer, create func(*problems, Issuer) *trusted) (*trusted, error) {
	if t := r.find(iss, source); t != nil {
		return t, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.find(iss, source); t != nil {
		return t, nil
	}
	source.Audiences, source.Algorithms = slices.Clone(source.Audiences), slices.Clone(source.Algorithms)
	p := problems{of: "Issuer"}
	t := create(&p, source)
	if err := p.joined(); err != nil {
		return nil, err
	}
	all := map[string]*trusted{iss: t}
	if old := r.all.Load(); old != nil {
		for name, other := range *old {
			if name != iss && len(all) < maxResolved {
				all[name] = other
			}
		}
	}
	r.all.Store(&all)
	return t, nil
}

func (r *resolvedIssuers) find(iss string, source Issuer) *trusted {
	all := r.all.Load()
	if all == nil {
		return nil
	}
	if t := (*all)[iss]; t != nil && t.source.equal(source) {
		return t
	}
	return nil
}

func (t *trusted) checkAlgorithm(m jwt.Message) error {
	if !slices.Contains(t.algorithms, m.Algorithm) {
		return faultAlgorithm.because("alg is %.40q, want one of %q", m.Algorithm, t.algorithms)
	}
	return nil
}

func (t *trusted) checkAudience(c *jwt.Claims) error {
	for _, aud := range c.Audience {
		if slices.Contains(t.audiences, aud) {
			return nil
		}
	}
	return faultAudience.because("aud is %.200q, want one of %q; if that is a client id, this is an ID token: request an access token with your API's audience", c.Audience, t.audiences)
}
