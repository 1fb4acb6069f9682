// Package issuers has the issuers whose tokens an API accepts: those of its configuration,
// and those that a function of the application trusts. Anyone can write an issuer's name
// into a token. So the package limits the number of cached issuers, and the number of
// requests for them.
//
// The package does not know which token is good, or how a request is answered.
package issuers

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
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// Keys are the keys of an issuer.
type Keys struct {
	Set    *keys.Set
	Tenant *provider.Tenant // nil for a Set that never fetches
	Public any              // the keys as the application has them, nil for none
}

// IsOf reports whether the keys can belong to an issuer. Keys that never change can belong
// to any.
func (k Keys) IsOf(issuer string) bool {
	return k.Tenant == nil || strings.TrimSuffix(k.Tenant.Issuer, "/") == strings.TrimSuffix(issuer, "/")
}

var (
	// ErrZeroKeys is the mistake of Keys without a Set.
	ErrZeroKeys = errors.New("this is a zero KeySet; use Application.KeySet, StaticKeys or SharedSecret")
	// ErrTooMany is the reason why no request is made for an issuer without a valid token.
	ErrTooMany = errors.New("too many key requests for issuers without a valid token so far; does ResolveIssuer trust too many?")
)

// A Source is an issuer as the application describes it.
type Source struct {
	Domain  string
	JWKSURI string // if it is empty, the discovery document names the URL
	Keys    Keys   // zero for those of the JWKS
	access.Issuer
}

func (s Source) equal(o Source) bool {
	return s.Domain == o.Domain && s.JWKSURI == o.JWKSURI && s.Keys == o.Keys && slices.Equal(s.Audiences, o.Audiences) &&
		slices.Equal(s.Algorithms, o.Algorithms) && slices.Equal(s.Clients, o.Clients)
}

// clone copies the slices, so that later changes by the application have no effect.
func (s Source) clone() Source {
	s.Audiences, s.Algorithms, s.Clients = slices.Clone(s.Audiences), slices.Clone(s.Algorithms), slices.Clone(s.Clients)
	return s
}

// An Issuer is a checked Source.
type Issuer struct {
	Tenant *provider.Tenant
	Keys   Keys
	Needs  access.Issuer // the requirements for its tokens
	source Source
	trial  *trial // nil for an issuer of the configuration
}

// isExact reports whether the configuration has the exact iss of the tokens. For a
// provider configured by URL, its discovery document decides whether iss ends in a
// slash, unless that document is not needed for the keys.
func (i *Issuer) isExact() bool {
	return i.Tenant.Static != nil || i.source.JWKSURI != "" || i.Keys.Set != nil && i.Keys.Set.IsFixed()
}

// names returns the values of iss that a token of this issuer can have.
func (i *Issuer) names() []string {
	if i.isExact() {
		return []string{i.Tenant.Issuer}
	}
	bare := strings.TrimSuffix(i.Tenant.Issuer, "/")
	return []string{bare, bare + "/"}
}

// Accepts compares iss exactly. For a provider configured by URL it can fetch the
// discovery document, unless the keys or their URL are given.
func (i *Issuer) Accepts(ctx context.Context, iss string) error {
	if iss == i.Tenant.Issuer && i.isExact() {
		return nil
	}
	ep, err := i.Tenant.Endpoints(ctx)
	if errors.Is(err, cached.ErrNotAllowed) {
		err = ErrTooMany
	}
	if err != nil {
		return keys.Unavailable(ctx, err)
	}
	if iss != ep.Issuer {
		return fault.Issuer.Because("iss is %.100q, want %q", iss, ep.Issuer)
	}
	return nil
}

// Settings are what all issuers of an API share.
type Settings struct {
	Domain   string        // of the API, empty for none
	Defaults access.Issuer // audiences and algorithms of an issuer without its own
	// Resolve returns the issuer of a name that is not configured, and whether the
	// application trusts it. It is nil if the application has no such function.
	Resolve func(ctx context.Context, name string) (source Source, trusted bool, err error)
	// NewKeys returns keys that are fetched on first use.
	NewKeys func(t *provider.Tenant, jwksURI string) Keys
	Client  *http.Client
	Log     *slog.Logger
	Origins []string // further origins of keys
}

// Trusted are the issuers whose tokens an API accepts. Each API has its own.
type Trusted struct {
	Algorithms []string // of all configured issuers; nil with Resolve
	Settings
	given    []*Issuer
	byName   map[string]*Issuer // given, by the iss of their tokens
	resolved *table
}

// New returns a Trusted without an issuer.
func New(s Settings) *Trusted {
	return &Trusted{Settings: s, byName: map[string]*Issuer{}, resolved: newTable()}
}

// Add adds an issuer of the configuration.
func (is *Trusted) Add(report func(field, format string, args ...any), source Source) {
	i := is.newIssuer(report, source.clone(), nil)
	for _, name := range i.names() {
		if is.byName[name] != nil {
			report("Domain", "%q is repeated", source.Domain)
			return
		}
		is.byName[name] = i
	}
	is.given = append(is.given, i)
	if is.Resolve == nil {
		is.Algorithms = append(is.Algorithms, i.Needs.Algorithms...)
	}
}

// newIssuer checks an issuer, whose slices it keeps. The trial is nil for an issuer of the
// configuration.
func (is *Trusted) newIssuer(report func(field, format string, args ...any), source Source, trial *trial) *Issuer {
	i := &Issuer{source: source, Keys: source.Keys, Needs: source.Issuer, trial: trial}
	n := provider.NewTenant(report, source.Domain)
	if trial != nil {
		n.First = trial.mayLookUp
	}
	n.DiscoverWith(report, is.Client, is.Origins, is.Log)
	i.Tenant = &n
	if _, err := discovery.Origin(source.JWKSURI); err != nil && source.JWKSURI != "" {
		report("JWKSURI", "%q: %v", source.JWKSURI, err)
	}
	switch given := i.Keys; {
	case given.Public == nil:
		i.Keys = is.NewKeys(&n, source.JWKSURI)
	case source.JWKSURI != "":
		report("JWKSURI", "and Keys exclude each other")
	case given.Set == nil:
		report("Keys", "cannot be used: %v", ErrZeroKeys)
	case !given.IsOf(n.Issuer):
		report("Keys", "belong to another issuer than the Domain %q", source.Domain)
	case given.Tenant != nil:
		i.Tenant = given.Tenant // shares the discovery document too
	}
	shared := i.Keys.Set != nil && i.Keys.Set.IsShared()
	if i.Needs.Algorithms == nil && !shared {
		i.Needs.Algorithms = is.Defaults.Algorithms
	}
	var err error
	if i.Needs.Algorithms, err = keys.Accepted(i.Needs.Algorithms, shared); err != nil {
		report("Algorithms", "%v", err)
	}
	if len(i.Needs.Audiences) == 0 {
		i.Needs.Audiences = is.Defaults.Audiences
	}
	if slices.Contains(i.Needs.Clients, "") {
		report("AcceptMissingAudienceFrom", "has an empty client id")
	}
	needed := len(i.Needs.Clients) == 0
	// An error in Domain itself is reported for the field Audience.
	if source.Domain != is.Domain && (len(i.Needs.Audiences) == 0 && needed || slices.Contains(i.Needs.Audiences, "")) {
		report("Audiences", "are missing, and the API has none")
	}
	return i
}

// Configured returns the issuers of the configuration.
func (is *Trusted) Configured() []*Issuer {
	if is == nil {
		return nil
	}
	return is.given
}

// Settled returns the issuers from Resolve with a valid token so far, by name.
func (is *Trusted) Settled() []*Issuer {
	if is == nil {
		return nil
	}
	return slices.SortedFunc(slices.Values(is.resolved.proven()), func(a, b *Issuer) int {
		return strings.Compare(a.Tenant.Issuer, b.Tenant.Issuer)
	})
}

// Held returns an issuer of the configuration, or a cached one from Resolve. It returns nil
// for any other name.
func (is *Trusted) Held(name string) *Issuer {
	if is == nil {
		return nil
	}
	if i := is.byName[name]; i != nil {
		return i
	}
	return is.resolved.held(name)
}

// Find returns the issuer that a token names. It makes no request and caches nothing,
// because anyone can write any issuer into a token.
func (is *Trusted) Find(ctx context.Context, iss string) (*Issuer, error) {
	if i := is.byName[iss]; i != nil {
		return i, nil
	}
	if is.Resolve == nil {
		return nil, fault.Issuer.Because("iss is %.100q, want %s", iss, is.list())
	}
	source, trusted, err := is.Resolve(ctx, iss)
	switch {
	case err != nil:
		return nil, err
	case !trusted:
		return nil, fault.Issuer.Because("iss is %.100q, which ResolveIssuer does not trust", iss)
	}
	i, err := is.resolvedTo(iss, source)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(i.names(), iss) {
		return nil, fault.Issuer.Because("iss is %.100q, and ResolveIssuer has returned Domain %q", iss, source.Domain)
	}
	return i, nil
}

// resolvedTo returns the cached issuer for an answer of Resolve, or makes a new one.
func (is *Trusted) resolvedTo(iss string, source Source) (*Issuer, error) {
	if i := is.resolved.held(iss); i != nil && i.source.equal(source) {
		i.trial.use()
		return i, nil
	}
	var mistakes []error
	i := is.newIssuer(func(field, format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("auth0: Issuer."+field+" "+format, args...))
	}, source.clone(), is.resolved.newTrial())
	if len(mistakes) > 0 {
		return nil, refusal.Misconfigured.Wrap(errors.Join(mistakes...))
	}
	return i, nil
}

// list returns the names of the configured issuers.
func (is *Trusted) list() string {
	var names []string
	for _, i := range is.given {
		names = append(names, i.Tenant.Issuer)
	}
	return strings.Join(names, ", ")
}

// Admit caches an issuer from Resolve whose token is valid as far as can be checked without
// a key. It returns the issuer to continue with: of several made at the same time, all
// callers get the first.
func (is *Trusted) Admit(iss string, i *Issuer) *Issuer { return is.resolved.admit(iss, i) }

// Settle notes a valid token of an issuer from Resolve.
func (is *Trusted) Settle(iss string, i *Issuer) { is.resolved.settle(iss, i) }

// Vouch returns an issuer that the program itself names, by the iss of its tokens. So the
// limit for issuers without a valid token does not apply.
func (is *Trusted) Vouch(ctx context.Context, iss string) (*Issuer, error) {
	i, err := is.Find(ctx, iss)
	if err != nil {
		return nil, err
	}
	i = is.Admit(iss, i)
	is.Settle(iss, i)
	return i, i.Accepts(ctx, iss)
}
