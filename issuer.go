package auth0

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// An Issuer is a tenant, or another issuer of access tokens, that an API accepts.
type Issuer struct {
	// Domain is as in [Config]. With Keys or JWKSURI, a URL must be the exact iss of the
	// tokens.
	Domain string
	// JWKSURI is the URL of the JWKS, for an issuer that publishes no discovery document,
	// or keys at another URL than its document says. The document is then not fetched.
	// The URL can be on any host, because the configuration names it. Default: jwks_uri
	// of the discovery document, which for Auth0 domains is known without a request.
	JWKSURI string
	// Audiences and Algorithms are as in [APIConfig]. Default: those of the API.
	Audiences  []string
	Algorithms []string
	// Keys are as in [APIConfig]. They exclude JWKSURI.
	Keys *KeySet

	// AcceptMissingAudienceFrom are client ids. A token without aud is accepted if its
	// client_id, or else its azp, is one of them. Some providers issue such access
	// tokens, for example Amazon Cognito. A token with an aud must have an accepted
	// audience all the same. Default: no token without aud is accepted.
	//
	// This gives up the check that a token is for this API (RFC 8725, Section 3.9). A
	// token that one of these applications has for another API of the issuer is accepted
	// too, and so another API can use the tokens that it receives here. Guards for
	// scopes restrict that only if each scope belongs to one API.
	AcceptMissingAudienceFrom []string
}

func (i Issuer) equal(o Issuer) bool {
	return i.Domain == o.Domain && i.JWKSURI == o.JWKSURI && i.Keys == o.Keys && slices.Equal(i.Audiences, o.Audiences) &&
		slices.Equal(i.Algorithms, o.Algorithms) && slices.Equal(i.AcceptMissingAudienceFrom, o.AcceptMissingAudienceFrom)
}

// clone copies the slices, so that later changes by the caller do not reach the API.
func (i Issuer) clone() Issuer {
	i.Audiences, i.Algorithms = slices.Clone(i.Audiences), slices.Clone(i.Algorithms)
	i.AcceptMissingAudienceFrom = slices.Clone(i.AcceptMissingAudienceFrom)
	return i
}

// A trustedIssuer is a checked [Issuer].
type trustedIssuer struct {
	source     Issuer
	tenant     *provider.Tenant
	keys       *KeySet
	audiences  []string
	algorithms []string
	trial      *issuers.Trial // nil unless ResolveIssuer returned the issuer
}

// Trial and Equal are for the table of the issuers from ResolveIssuer.
func (t *trustedIssuer) Trial() *issuers.Trial       { return t.trial }
func (t *trustedIssuer) Equal(o *trustedIssuer) bool { return t.source.equal(o.source) }

// isExact reports whether the configuration has the exact iss of the tokens. For a
// provider configured by URL, its discovery document decides whether iss ends in a
// slash, unless that document is not needed for the keys.
func (t *trustedIssuer) isExact() bool {
	return t.tenant.Static != nil || t.source.JWKSURI != "" || t.keys.set.IsFixed()
}

// needs returns the requirements for the issuer's tokens.
func (t *trustedIssuer) needs() access.Issuer {
	return access.Issuer{Audiences: t.audiences, Algorithms: t.algorithms, Clients: t.source.AcceptMissingAudienceFrom}
}

// issValues returns the values of iss that a token of this issuer can have.
func (t *trustedIssuer) issValues() []string {
	if t.isExact() {
		return []string{t.tenant.Issuer}
	}
	bare := strings.TrimSuffix(t.tenant.Issuer, "/")
	return []string{bare, bare + "/"}
}

// accepts compares iss exactly. For a provider configured by URL it can fetch the
// discovery document, unless the keys or their URL are given.
func (t *trustedIssuer) accepts(ctx context.Context, iss string) error {
	if iss == t.tenant.Issuer && t.isExact() {
		return nil
	}
	ep, err := t.tenant.Endpoints(ctx)
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

// trustedIssuers are the issuers whose tokens an API accepts. Each API has its own.
type trustedIssuers struct {
	own        Issuer // Domain, Audiences and Algorithms of the API
	given      []*trustedIssuer
	byName     map[string]*trustedIssuer // given, by the iss of their tokens
	algorithms []string                  // of all given issuers; nil with ResolveIssuer

	resolve  func(context.Context, string) (*Issuer, error)
	resolved *issuers.Table[*trustedIssuer]

	client   *http.Client
	log      *slog.Logger
	observer Observer
	origins  []string // further origins of keys
}

// add adds an issuer of the configuration.
func (is *trustedIssuers) add(p *problems, source Issuer) {
	t := is.newTrusted(p, source.clone(), nil)
	for _, name := range t.issValues() {
		if is.byName[name] != nil {
			p.add("Domain", "%q is repeated", source.Domain)
			return
		}
		is.byName[name] = t
	}
	is.given = append(is.given, t)
	if is.resolve == nil {
		is.algorithms = append(is.algorithms, t.algorithms...)
	}
}

// newTrusted checks an issuer, whose slices it keeps. The trial is nil for an issuer of
// the configuration.
func (is *trustedIssuers) newTrusted(p *problems, source Issuer, trial *issuers.Trial) *trustedIssuer {
	t := &trustedIssuer{source: source, keys: source.Keys, audiences: source.Audiences, trial: trial}
	n := provider.NewTenant(p.add, source.Domain)
	if trial != nil {
		n.First = trial.MayLookUp
	}
	n.DiscoverWith(p.add, is.client, is.origins, is.log)
	t.tenant = &n
	if _, err := discovery.Origin(source.JWKSURI); err != nil && source.JWKSURI != "" {
		p.add("JWKSURI", "%q: %v", source.JWKSURI, err)
	}
	switch given := t.keys; {
	case given == nil:
		t.keys = newKeySet(&n, source.JWKSURI, is.client, is.log, is.observer)
	case source.JWKSURI != "":
		p.add("JWKSURI", "and Keys exclude each other")
	case given.set == nil:
		p.add("Keys", "%v", errZeroKeySet)
	case !given.isOf(n.Issuer):
		p.add("Keys", "belong to another issuer than the Domain %q", source.Domain)
	case given.issuer != nil:
		t.tenant = given.issuer // shares the discovery document too
	}
	shared := t.keys.set != nil && t.keys.set.IsShared()
	if source.Algorithms == nil && !shared {
		source.Algorithms = is.own.Algorithms
	}
	t.algorithms = checkAlgorithms(p, source.Algorithms, shared)
	if len(t.audiences) == 0 {
		t.audiences = is.own.Audiences
	}
	if slices.Contains(source.AcceptMissingAudienceFrom, "") {
		p.add("AcceptMissingAudienceFrom", "has an empty client id")
	}
	needed := len(source.AcceptMissingAudienceFrom) == 0
	// An error in Domain itself is reported for the field Audience.
	if source.Domain != is.own.Domain && (len(t.audiences) == 0 && needed || slices.Contains(t.audiences, "")) {
		p.add("Audiences", "are missing, and the API has none")
	}
	return t
}

// all returns the issuers of the configuration.
func (is *trustedIssuers) all() []*trustedIssuer {
	if is == nil {
		return nil
	}
	return is.given
}

// held returns an issuer of the configuration, or a cached one from ResolveIssuer. It
// returns nil for any other name.
func (is *trustedIssuers) held(name string) *trustedIssuer {
	if is == nil {
		return nil
	}
	if t := is.byName[name]; t != nil {
		return t
	}
	return is.resolved.Held(name)
}

// find returns the issuer that a token names. It makes no request and caches nothing,
// because anyone can write any issuer into a token.
func (is *trustedIssuers) find(ctx context.Context, iss string) (*trustedIssuer, error) {
	if t := is.byName[iss]; t != nil {
		return t, nil
	}
	if is.resolve == nil {
		return nil, fault.Issuer.Because("iss is %.100q, want %s", iss, is.names())
	}
	source, err := is.resolve(ctx, iss)
	switch {
	case err != nil:
		return nil, hookError(err, refusal.Forbidden, func(err error) error {
			return keys.Unavailable(ctx, fmt.Errorf("ResolveIssuer: %w", err))
		})
	case source == nil:
		return nil, fault.Issuer.Because("iss is %.100q, which ResolveIssuer does not trust", iss)
	}
	t, err := is.resolvedTo(iss, *source)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(t.issValues(), iss) {
		return nil, fault.Issuer.Because("iss is %.100q, and ResolveIssuer has returned Domain %q", iss, source.Domain)
	}
	return t, nil
}

// resolvedTo returns the cached issuer for an answer of ResolveIssuer, or makes a new
// one.
func (is *trustedIssuers) resolvedTo(iss string, source Issuer) (*trustedIssuer, error) {
	if t := is.resolved.Held(iss); t != nil && t.source.equal(source) {
		t.trial.Use()
		return t, nil
	}
	p := problems{of: "Issuer"}
	t := is.newTrusted(&p, source.clone(), is.resolved.NewTrial())
	if err := p.joined(); err != nil {
		return nil, refusal.Misconfigured.Wrap(err)
	}
	return t, nil
}

func (is *trustedIssuers) names() string {
	var names []string
	for _, t := range is.given {
		names = append(names, t.tenant.Issuer)
	}
	return strings.Join(names, ", ")
}

// settled returns the issuers of ResolveIssuer with a valid token so far, by name.
func (is *trustedIssuers) settled() []*trustedIssuer {
	if is == nil {
		return nil
	}
	return slices.SortedFunc(slices.Values(is.resolved.Settled()), func(a, b *trustedIssuer) int {
		return strings.Compare(a.tenant.Issuer, b.tenant.Issuer)
	})
}

// warm fetches the missing keys of an issuer, by the iss of its tokens. The program
// vouches for an issuer of ResolveIssuer that it names, so that the limit for new
// issuers does not apply.
func (is *trustedIssuers) warm(ctx context.Context, iss string) error {
	t, err := is.find(ctx, iss)
	if err == nil {
		t = is.resolved.Admit(iss, t)
		is.resolved.Settle(iss, t)
		err = t.accepts(ctx, iss)
	}
	if err != nil {
		return fmt.Errorf("%.200q: %w", iss, errorOf(ctx, "keys", asBearerError(err)))
	}
	return t.keys.Warm(ctx)
}
