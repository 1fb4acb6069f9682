package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/bearer"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/logging"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/verify"
)

// An APIConfig describes an API as it is registered at Auth0. The zero value of every
// field but the following is a safe default.
//
// At least one of Domain, Issuers and ResolveIssuer is required. Use Domain and
// Audience for one tenant. Use Issuers, with or without Domain, if the issuers are
// known when the program starts, such as the custom domains of a tenant or a second
// provider. Use ResolveIssuer if they become known while it runs, such as the tenants
// of your customers. Domain requires Audience or Audiences. Each other issuer uses
// them too, unless it has its own Audiences.
type APIConfig struct {
	_ [0]func() // prevents literals without field names, and ==

	// Domain is the tenant's domain, see [Config].Domain. Its access tokens are
	// accepted.
	Domain string
	// Audience is the identifier of the API. An access token must be for Audience or for
	// one of Audiences.
	Audience  string
	Audiences []string

	// Issuers are further accepted issuers, such as the tenant's custom domains. Each
	// has its own keys.
	Issuers []Issuer
	// ResolveIssuer decides about tokens of an issuer that is neither Domain nor one of
	// Issuers, for programs that serve many tenants. It returns nil for an untrusted
	// issuer. It is called for each of these tokens, before any part of the token is
	// verified, so it should look issuers up in memory. If it fails, the answer is 503,
	// or 403 for [ErrForbidden]. An [*Error] chooses the status.
	//
	// Look the exact text up in a table of your tenants. Never decide by a pattern, such
	// as a suffix of the host name: the owner of any matching host could then issue
	// tokens, and any client could cause requests to it. JWKS requests for issuers without
	// a valid token so far are limited to 16 at once and 5 per second. Beyond that the
	// answer is 503. The keys of 10,000 issuers are cached.
	ResolveIssuer func(ctx context.Context, issuer string) (*Issuer, error)

	// Keys are the keys of Domain: [Application.KeySet] to share a cache, [StaticKeys]
	// or [SharedSecret]. By default the API fetches its own.
	Keys *KeySet
	// Algorithms are the accepted signature algorithms of access tokens. Default: RS256.
	// With keys of [SharedSecret] it is HS256 alone.
	Algorithms []string

	// Leeway is the accepted difference between the clocks of tenant and API. Default: 5
	// seconds; at most 5 minutes. It accepts [None].
	Leeway time.Duration
	// MaxTokenAge rejects older tokens by their iat, and tokens without iat. Default: no
	// limit except exp.
	MaxTokenAge time.Duration
	// StrictProfile accepts only tokens of RFC 9068, Section 2: typ is at+jwt, and iss,
	// exp, aud, sub, client_id, iat and jti are present. At Auth0, select the token
	// dialect "rfc9068_profile" of the API.
	StrictProfile bool
	// RequiredClaims are names of claims that a token must have. A null value counts as
	// absent.
	RequiredClaims []string
	// RejectAnonymous rejects tokens of anonymous sessions, see [Token.IsAnonymous].
	RejectAnonymous bool
	// Validate, if not nil, is called for every otherwise valid token, at each use. If
	// it returns an error, the token is rejected with 401, or with 403 for
	// [ErrForbidden]. An [*Error] chooses the status. The answer is 503 if Validate
	// cannot decide. That holds for timeouts, for failed connections ([net.OpError],
	// [net.DNSError]), and for [ErrStoreUnavailable], [ErrKeysUnavailable] and
	// [ErrTenantUnavailable]. It also holds for [context.Canceled], if the request itself
	// was not canceled. The error goes to the log only.
	Validate func(context.Context, *Token) error

	// TokenCache is the number of cached tokens. The API does not verify the signature of
	// a cached token again. All other checks run at each use. Tokens longer than 8 KiB
	// are not cached. Default: 1,024; at most 1,048,576. It accepts [None].
	TokenCache int
	// TokenExtractors are the places where a request can have a token. Default:
	// [FromHeader] alone. A request with more than one token is rejected.
	TokenExtractors []TokenExtractor

	// DPoP and Certificates control whether the API accepts access tokens that are bound
	// to a key or to a certificate of the client. By default it rejects them. A token that
	// is bound to both needs both.
	DPoP         DPoP
	Certificates Certificates

	// Realm is the realm in challenges. Default: "api".
	Realm string
	// MetadataURL is the URL of [API.MetadataHandler]. Challenges then contain it, so
	// that clients can find the authorization server (RFC 9728, Section 5.1). It must
	// fit Audience, or else the first of Audiences, because clients compare the two
	// (Sections 3.1 and 3.3). For the Audience https://api.example.com/v1 it is
	// https://api.example.com/.well-known/oauth-protected-resource/v1.
	MetadataURL string
	// ScopesSupported are the scopes in that metadata. ResourceName is a name of the API,
	// and ResourceDocumentation is the URL of a page for developers. Clients show both
	// to users.
	ScopesSupported       []string
	ResourceName          string
	ResourceDocumentation string
	// ChallengeScopes are the scopes that the 401 of [API.RequireAuth] names, so that a
	// client can request them with its first token. Default: none. The guards for scopes
	// name their own.
	ChallengeScopes []string
	// AuthorizationServers are the issuers in that metadata from which clients can get
	// tokens. Default: Domain and Issuers.
	AuthorizationServers []string
	// EndpointOrigins are accepted origins, in addition to the issuer's, for the JWKS
	// endpoint of an OpenID provider named by URL.
	EndpointOrigins []string

	// HTTPClient, Logger, ErrorHandler and Now are as in [Config]. WWW-Authenticate,
	// DPoP-Nonce and Retry-After are set before ErrorHandler is called. By default, the body of an
	// error is a JSON object with error and error_description.
	//
	// Logger gets the cause of each rejection: the wrong claim, header or setting, and the
	// fault in it. The first rejection of each [Error].Reason within a minute is at
	// level Warn, and further ones are at level Debug. Requests without a token are at
	// level Debug only.
	HTTPClient   *http.Client
	Logger       *slog.Logger
	ErrorHandler func(http.ResponseWriter, *http.Request, *Error)
	Now          func() time.Time
	// Observer gets an [Event] for every check of a token, every rejection, and every
	// fetch of keys, except for given Keys. Default: none.
	Observer Observer
}

// An API verifies the access tokens of requests. Create it with [NewAPI]. Its methods
// are safe for concurrent use.
type API struct {
	issuers    *issuers.Trusted // nil, like checker, in a zero API
	checker    *verify.Checker
	validate   func(context.Context, *Token) error // nil for none
	places     bearer.Places                       // where a request can have a token
	challenges bearer.Challenges
	scope      string // for the challenge of RequireAuth
	metadata   bearer.Metadata
	path       string // of the metadata; empty for any
	observer   Observer
	errors     errorWriter
}

// NewAPI checks a configuration and returns an API. It makes no request. The error
// lists every mistake, with its field.
func NewAPI(c APIConfig) (*API, error) {
	p := problems{of: "APIConfig"}
	c = c.clone()
	log := logging.New(c.Logger)
	c.Realm = cmp.Or(c.Realm, "api")
	a := &API{
		issuers: newTrustedIssuers(&p, c, log), validate: c.Validate, observer: c.Observer, scope: strings.Join(c.ChallengeScopes, " "),
		errors:     errorWriter{log: log, handler: c.ErrorHandler},
		challenges: bearer.NewChallenges(c.Realm, c.MetadataURL),
	}
	a.errors.challenge = a.challenge
	a.checker = newChecker(&p, c, a.issuers, log)
	a.places = checkExtractors(&p, c.TokenExtractors, a.checker.AcceptsDPoP())
	if proofs := a.checker.Proofs; proofs != nil {
		a.challenges = a.challenges.WithDPoP(proofs.Algorithms, proofs.Required)
	}
	if !syntax.IsQuotable(c.Realm) {
		p.add("Realm", "%q has characters that cannot be quoted", c.Realm)
	}
	for _, scope := range c.ChallengeScopes {
		if !syntax.IsScope(scope) {
			p.add("ChallengeScopes", "%q is not a scope", scope)
		}
	}
	a.metadata = newMetadata(&p, c, a)
	a.path = bearer.MetadataPath(c.MetadataURL)
	if err := p.joined(); err != nil {
		return nil, err
	}
	return a, nil
}

// clone copies the slices, so that later changes by the caller do not reach the API.
func (c APIConfig) clone() APIConfig {
	c.Audiences = slices.Clone(c.Audiences)
	c.Algorithms = slices.Clone(c.Algorithms)
	c.RequiredClaims = slices.Clone(c.RequiredClaims)
	c.ScopesSupported = slices.Clone(c.ScopesSupported)
	c.ChallengeScopes = slices.Clone(c.ChallengeScopes)
	c.AuthorizationServers = slices.Clone(c.AuthorizationServers)
	c.EndpointOrigins = slices.Clone(c.EndpointOrigins)
	return c
}

// newTrustedIssuers checks the issuers of a configuration.
func newTrustedIssuers(p *problems, c APIConfig, log *slog.Logger) *issuers.Trusted {
	audiences := c.Audiences
	if c.Audience != "" {
		audiences = slices.Concat([]string{c.Audience}, c.Audiences)
	}
	client := fetch.NewClient(c.HTTPClient, provider.Outgoing("", false))
	trusted := issuers.New(issuers.Settings{
		Domain: c.Domain, Defaults: access.Issuer{Audiences: audiences, Algorithms: c.Algorithms}, Resolve: resolver(c.ResolveIssuer),
		NewKeys: func(t *provider.Tenant, jwksURI string) issuers.Keys {
			return newKeySet(t, jwksURI, client, log, c.Observer).given()
		},
		Client: client, Log: log, Origins: c.EndpointOrigins,
	})
	needsDomain := c.Domain != "" || len(c.Issuers) == 0 && c.ResolveIssuer == nil
	if len(audiences) == 0 && needsDomain || slices.Contains(audiences, "") {
		p.add("Audience", "is missing; it is the identifier of the API, such as https://api.example.com/")
	}
	checkTexts(p, "Audience", c.Audience)
	for _, audience := range c.Audiences {
		checkTexts(p, "Audiences", audience)
	}
	if needsDomain {
		trusted.Add(p.add, Issuer{Domain: c.Domain, Keys: c.Keys, Algorithms: c.Algorithms}.source())
	}
	for i, issuer := range c.Issuers {
		sub := problems{of: fmt.Sprintf("APIConfig.Issuers[%d]", i)}
		trusted.Add(sub.add, issuer.source())
		p.errs = append(p.errs, sub.errs...)
	}
	return trusted
}

// newMetadata returns the metadata of the API.
func newMetadata(p *problems, c APIConfig, a *API) bearer.Metadata {
	m := bearer.Metadata{
		AuthorizationServers: c.AuthorizationServers, ScopesSupported: c.ScopesSupported, BearerMethods: a.places.Methods(),
		ResourceName: c.ResourceName, ResourceDocumentation: c.ResourceDocumentation,
		CertificateBound: c.Certificates.Mode != BindingOff,
	}
	if proofs := a.checker.Proofs; proofs != nil {
		m.ProofAlgorithms, m.ProofRequired = proofs.Algorithms, proofs.Required
	}
	if audiences := a.issuers.Defaults.Audiences; len(audiences) > 0 {
		m.Resource = audiences[0]
	}
	m.Check(p.add, c.MetadataURL)
	if m.AuthorizationServers == nil {
		m.AuthorizationServers = []string{}
		for _, t := range a.issuers.Configured() {
			m.AuthorizationServers = append(m.AuthorizationServers, t.Tenant.Issuer)
		}
	}
	return m
}

// challenge sets the headers of a refusal that a client needs to try again: a nonce and
// the challenges, which consist of constants and configured values.
func (a *API) challenge(h http.Header, r *http.Request, e *Error) {
	if e.Op != "bearer" {
		return
	}
	lines := a.challenges.For(bearer.Refusal{
		DPoP:    a.checker.AcceptsDPoP() && usesDPoP(r, a.issuers),
		NoToken: e.Reason == refusal.NoToken.Reason || e.Code == refusal.ProofRequired.Code && e.Reason == refusal.ProofRequired.Reason,
		Code:    e.Code, Description: e.Description, Scope: e.Scope, StepUp: e.stepUp,
	})
	if lines != nil {
		h["Www-Authenticate"] = lines
	}
	if e.Reason == fault.ProofNonce.Reason && a.checker.AcceptsDPoP() {
		if nonce := a.checker.Proofs.NewestNonce(); nonce != "" {
			h.Set(dpop.NonceHeader, nonce)
		}
	}
}

// Verify verifies an access token without an HTTP request, and returns it. The token
// is the text without the scheme Bearer. The error is an [*Error] with the Status and
// Code of the response of [API.RequireAuth]. For an empty text it is [ErrNoToken].
//
// Verify does not know the sender, so it rejects every token that is bound to a key or to
// a certificate. See [API.VerifyRequest] and [API.VerifyWithCertificate].
func (a *API) Verify(ctx context.Context, raw string) (*Token, error) {
	return a.verifyAlone(ctx, verify.Presented{Credential: bearer.Credential{Token: raw}})
}

// verifyAlone verifies a token without an HTTP request.
func (a *API) verifyAlone(ctx context.Context, p verify.Presented) (*Token, error) {
	if p.Token == "" {
		err := refusal.NoToken.New()
		a.observe(ctx, Event{Kind: TokenChecked}, err)
		return nil, errorOf(ctx, "bearer", err)
	}
	t, _, err := a.verify(ctx, p)
	if err != nil {
		return nil, errorOf(ctx, "bearer", err)
	}
	return t, nil
}

// WriteError answers a request with an error like [API.RequireAuth]: status,
// headers, challenge, body or [APIConfig].ErrorHandler, and log line. It is for
// programs that call [API.Verify] themselves, and for handlers behind a guard.
//
// Errors of this package, also its variables, have their own status: [ErrNoToken] and
// [ErrTokenExpired] get 401, and [ErrForbidden] gets 403. Errors that mean 503 for
// [APIConfig].Validate get 503. Any other error, or nil, is a mistake of the program and
// gets 500. A 401 names
// [APIConfig].ChallengeScopes, unless the error names scopes. The text of an error goes to
// the log only. The Observer is not called.
func (a *API) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	written := writtenError(err, refusal.Forbidden,
		sentinelRow{ErrNoToken, refusal.NoToken}, sentinelRow{ErrNoSession, refusal.NoToken}, sentinelRow{ErrTokenExpired, bearerFault(fault.Expired).Row})
	a.errors.fail(w, r, "bearer", withScope(written, a.scope))
}

// verify verifies a token and reports the result to the observer. It returns a nonce if
// the client needs another one for its next DPoP proof.
func (a *API) verify(ctx context.Context, p verify.Presented) (t *Token, nonce string, err error) {
	observed := a.observer != nil
	var begin time.Time
	if observed {
		begin = time.Now()
	}
	checked, err := a.checker.Check(ctx, p)
	if err == nil {
		t = checked.Token.Public.(*Token)
		err = a.validated(ctx, t)
	}
	if err != nil {
		t, checked.Token = nil, nil
		if err = asBearerError(err); p.IsMalformed() {
			err = malformedHeader(err)
		}
	}
	if observed {
		event := eventOf(TokenChecked, checked)
		event.Duration = time.Since(begin)
		a.observe(ctx, event, err)
	}
	return t, checked.Nonce, err
}

// validated returns the refusal of [APIConfig].Validate.
func (a *API) validated(ctx context.Context, t *Token) error {
	if a.validate == nil {
		return nil
	}
	if err := a.validate(ctx, t); err != nil {
		return hookError(err, refusal.Forbidden, func(err error) error { return fault.Claim.Because("Validate: %w", err) })
	}
	return nil
}

// malformedHeader returns the refusal of an Authorization header whose token has
// characters that no token has, for the reason why the token was rejected.
func malformedHeader(err error) error {
	if why, ok := errors.AsType[*refusal.Refusal](err); ok && why.Err != nil {
		return refusal.Header.Wrap(why.Err)
	}
	return refusal.Header.Because("characters that no token has")
}

// eventOf returns the event of a valid token. observe changes it for a rejection.
func eventOf(kind EventKind, checked verify.Result) Event {
	e := Event{Kind: kind, Status: http.StatusOK, Reason: "ok", Cached: checked.Cached}
	if checked.From != nil {
		e.Issuer = checked.From.Tenant.Issuer
	}
	if t := checked.Token; t != nil {
		e.Algorithm, e.KeyID = t.Algorithm, t.KeyID
	}
	return e
}

// refusedByGuard returns the event of a valid token that a guard rejects.
func refusedByGuard(t *Token) Event {
	return eventOf(GuardRefused, verify.Result{Token: &t.verified, From: t.verified.From})
}

// observe reports an event to the Observer. If err is not nil, the event is a rejection.
func (a *API) observe(ctx context.Context, event Event, err error) {
	if err != nil && a.observer != nil {
		e := errorOf(ctx, "bearer", err)
		event.Status, event.Reason, event.Err = e.Status, e.Reason, e
	}
	a.observer.tell(ctx, event)
}

// Refuse is for programs that decide about a token of [API.Verify] or its siblings
// without a guard. It reports to the Observer that a request with the token is rejected
// (GuardRefused). It returns the [*Error] for [API.WriteError]. The argument err has the
// same meaning as for [API.Require]: an error without a status is 403.
func (a *API) Refuse(ctx context.Context, t *Token, err error) error {
	err = hookError(err, refusal.Forbidden, func(err error) error { return refusal.Forbidden.Wrap(err) })
	event := Event{Kind: GuardRefused}
	if t != nil {
		event = refusedByGuard(t)
	}
	a.observe(ctx, event, err)
	return errorOf(ctx, "bearer", err)
}

// Leeway returns [APIConfig].Leeway, or its default. The API rejects a token when that
// time has passed since its exp.
func (a *API) Leeway() time.Duration {
	if a.checker == nil {
		return 0
	}
	return a.checker.Rules.Leeway
}

// Warm fetches the missing keys of the configured issuers, so that the first request
// need not wait. It also fetches the keys of the named issuers, by the iss of their
// tokens, if [APIConfig].ResolveIssuer trusts them. Warm is optional. Its error names the
// failed fetches.
//
// If the API has only ResolveIssuer and no issuer is named, there are no keys to fetch.
// Warm then returns an error whose Reason is "misconfigured", so that a readiness probe
// does not pass.
func (a *API) Warm(ctx context.Context, issuers ...string) error {
	var fetches []func() error
	for _, t := range a.issuers.Configured() {
		fetches = append(fetches, func() error { return keySetOf(t).Warm(ctx) })
	}
	for _, iss := range issuers {
		fetches = append(fetches, func() error {
			t, err := a.issuers.Vouch(ctx, iss)
			if err != nil {
				return fmt.Errorf("%.200q: %w", iss, errorOf(ctx, "keys", asBearerError(err)))
			}
			return keySetOf(t).Warm(ctx)
		})
	}
	if len(fetches) == 0 {
		return asError("keys", refusal.Misconfigured.Because("there is no issuer to fetch keys of; name the issuers that ResolveIssuer trusts"))
	}
	errs := make([]error, len(fetches))
	slots := make(chan struct{}, 16) // requests at once
	var all sync.WaitGroup
	for i, fetch := range fetches {
		all.Go(func() {
			slots <- struct{}{}
			errs[i] = fetch()
			<-slots
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Status returns the state of the keys of the configured issuers, and then of those
// issuers of [APIConfig].ResolveIssuer that have sent a valid token or were named to
// [API.Warm], for readiness probes. It makes no request.
func (a *API) Status() []KeyStatus {
	var list []KeyStatus
	for _, t := range slices.Concat(a.issuers.Configured(), a.issuers.Settled()) {
		status := keySetOf(t).Status()
		status.Issuer = t.Tenant.Issuer
		list = append(list, status)
	}
	return list
}

// KeySet returns the keys of an issuer, by the iss of its tokens, for example to drop
// revoked keys with [KeySet.Refresh]. It returns nil for an issuer that is not
// configured, unless [APIConfig].ResolveIssuer trusts it and it has sent a token.
func (a *API) KeySet(issuer string) *KeySet {
	if t := a.issuers.Held(issuer); t != nil {
		return keySetOf(t)
	}
	return nil
}

// MetadataHandler serves the protected resource metadata of the API (RFC 9728,
// Section 3), by which clients find the authorization server. Mount it at
// "/.well-known/oauth-protected-resource", followed by the path of the API's
// identifier, if any, and set [APIConfig].MetadataURL. The metadata lists the methods
// of RFC 6750 in [APIConfig].TokenExtractors. It lists none for cookies.
//
// If MetadataURL is set, the answer at any other path is 404: clients request only the
// path that fits the identifier.
//
// Scripts of every origin can read the document, with any request header: the handler
// answers CORS preflights itself.
func (a *API) MetadataHandler() http.Handler {
	text, _ := json.Marshal(a.metadata)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, _ := site.Asked(r); a.path != "" && path != a.path {
			a.errors.fail(w, r, "metadata", refusal.NotFound.Because("the metadata is at the path %q; mount the handler there", a.path))
			return
		}
		if !bearer.ServeMetadata(w, r, text) {
			a.errors.fail(w, r, "metadata", refusal.Method.New())
		}
	})
}

func newChecker(p *problems, c APIConfig, trusted *issuers.Trusted, log *slog.Logger) *verify.Checker {
	now := c.Now
	if now == nil {
		now = time.Now
	}
	rules := access.Rules{
		Algorithms: trusted.Algorithms, Leeway: checkedLeeway(p, c.Leeway, 5*time.Second), MaxAge: c.MaxTokenAge,
		Strict: c.StrictProfile, Required: c.RequiredClaims, RejectAnonymous: c.RejectAnonymous,
		Key: checkBinding(p, "DPoP.Mode", c.DPoP.Mode), Certificate: checkBinding(p, "Certificates.Mode", c.Certificates.Mode),
	}
	rules.Check(p.add)
	return &verify.Checker{
		Issuers: trusted, Rules: rules, Cache: verify.NewCache(p.add, c.TokenCache), Proofs: newProofs(p, c, now, log),
		Certificate: certificateFrom(c.Certificates.From), Publish: newToken, Now: now,
	}
}
