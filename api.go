package auth0

import (
	"cmp"
	"context"
	"crypto/x509"
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
	"github.com/seed-15d5a55c/auth0/internal/clientcert"
	"github.com/seed-15d5a55c/auth0/internal/dpop"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/logging"
	"github.com/seed-15d5a55c/auth0/internal/memo"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
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
	checker    *checker
	places     bearer.Places // where a request can have a token
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
		issuers: newTrustedIssuers(&p, c, log), observer: c.Observer, scope: strings.Join(c.ChallengeScopes, " "),
		errors:     errorWriter{log: log, handler: c.ErrorHandler},
		challenges: bearer.NewChallenges(c.Realm, c.MetadataURL),
	}
	a.errors.challenge = a.challenge
	a.checker = newChecker(&p, c, a.issuers)
	a.checker.proofs = newProofs(&p, c, a.checker.now, log)
	a.places = checkExtractors(&p, c.TokenExtractors, a.checker.acceptsDPoP())
	if proofs := a.checker.proofs; proofs != nil {
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
	if proofs := a.checker.proofs; proofs != nil {
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
		DPoP:    a.checker.acceptsDPoP() && usesDPoP(r, a.issuers),
		NoToken: e.Reason == refusal.NoToken.Reason || e.Code == refusal.ProofRequired.Code && e.Reason == refusal.ProofRequired.Reason,
		Code:    e.Code, Description: e.Description, Scope: e.Scope, StepUp: e.stepUp,
	})
	if lines != nil {
		h["Www-Authenticate"] = lines
	}
	if e.Reason == fault.ProofNonce.Reason && a.checker.acceptsDPoP() {
		if nonce := a.checker.proofs.NewestNonce(); nonce != "" {
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
	return a.verifyAlone(ctx, presented{Credential: bearer.Credential{Token: raw}})
}

// verifyAlone verifies a token without an HTTP request.
func (a *API) verifyAlone(ctx context.Context, p presented) (*Token, error) {
	if p.Token == "" {
		err := refusal.NoToken.New()
		a.observe(ctx, Event{Kind: TokenChecked}, err)
		return nil, errorOf(ctx, "bearer", err)
	}
	o, err := a.verify(ctx, p)
	if err != nil {
		return nil, errorOf(ctx, "bearer", err)
	}
	return o.token, nil
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

// verify verifies a token and reports the result to the observer.
func (a *API) verify(ctx context.Context, p presented) (outcome, error) {
	observed := a.observer != nil
	var begin time.Time
	if observed {
		begin = time.Now()
	}
	o, err := a.checker.check(ctx, p)
	if err != nil {
		if err = asBearerError(err); p.IsMalformed() {
			err = malformedHeader(err)
		}
	}
	if observed {
		event := o.event(TokenChecked)
		event.Duration = time.Since(begin)
		a.observe(ctx, event, err)
	}
	return o, err
}

// malformedHeader returns the refusal of an Authorization header whose token has
// characters that no token has, for the reason why the token was rejected.
func malformedHeader(err error) error {
	if why, ok := errors.AsType[*refusal.Refusal](err); ok && why.Err != nil {
		return refusal.Header.Wrap(why.Err)
	}
	return refusal.Header.Because("characters that no token has")
}

// An outcome is the result of a check.
type outcome struct {
	token  *Token          // nil for a rejected token
	from   *issuers.Issuer // nil for an untrusted issuer
	input  string          // the signed part of the text; set for a token that was not cached
	cached bool
	proof  *dpop.Proof // that came with the token, unverified; nil for none
	nonce  string      // for the next DPoP proof, if the client needs another one
}

// event returns the event of a valid token. observe changes it for a rejection.
func (o outcome) event(kind EventKind) Event {
	e := Event{Kind: kind, Status: http.StatusOK, Reason: "ok", Cached: o.cached}
	if o.from != nil {
		e.Issuer = o.from.Tenant.Issuer
	}
	if o.token != nil {
		e.Algorithm, e.KeyID = o.token.algorithm, o.token.keyID
	}
	return e
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
		event = outcome{token: t, from: t.from}.event(GuardRefused)
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
	return a.checker.rules.Leeway
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

// A checker verifies the tokens of an API.
type checker struct {
	issuers *issuers.Trusted
	cache   *memo.Cache[remembered] // tokens with a verified signature; nil for no cache
	rules   access.Rules
	proofs  *dpop.Verifier // nil if DPoP is off
	// certificate returns the certificate of a request, see [Certificates].From.
	certificate func(*http.Request) (*x509.Certificate, error)
	validate    func(context.Context, *Token) error
	now         func() time.Time
}

func newChecker(p *problems, c APIConfig, trusted *issuers.Trusted) *checker {
	const defaultCache, maxCache = 1024, 1 << 20
	ch := &checker{
		issuers: trusted, validate: c.Validate, now: c.Now,
		rules: access.Rules{
			Algorithms: trusted.Algorithms, Leeway: checkedLeeway(p, c.Leeway, 5*time.Second), MaxAge: c.MaxTokenAge,
			Strict: c.StrictProfile, Required: c.RequiredClaims, RejectAnonymous: c.RejectAnonymous,
			Key: checkBinding(p, "DPoP.Mode", c.DPoP.Mode), Certificate: checkBinding(p, "Certificates.Mode", c.Certificates.Mode),
		},
		certificate: c.Certificates.From,
	}
	if ch.certificate == nil {
		ch.certificate = func(r *http.Request) (*x509.Certificate, error) { return clientcert.FromTLS(r), nil }
	}
	if ch.now == nil {
		ch.now = time.Now
	}
	if c.MaxTokenAge < 0 {
		p.add("MaxTokenAge", "%v is negative", c.MaxTokenAge)
	}
	if slices.Contains(c.RequiredClaims, "") {
		p.add("RequiredClaims", "has an empty name")
	}
	switch n := c.TokenCache; {
	case n == 0:
		ch.cache = memo.New[remembered](defaultCache)
	case n > 0 && n <= maxCache:
		ch.cache = memo.New[remembered](n)
	case n != None:
		p.add("TokenCache", "%d must be between 1 and %d, or None", n, maxCache)
	}
	return ch
}

// check verifies a token and its proof. For a cached token it repeats only the checks
// whose result can change between two uses. The cheapest checks come first: a client
// without a valid token cannot make the API verify the signature of a proof, and cannot
// add to the memory of proofs. The authentication uses the proof up, even if Validate or a
// guard denies access.
func (ch *checker) check(ctx context.Context, p presented) (o outcome, err error) {
	if ch == nil {
		return outcome{}, refusal.Misconfigured.Because("this API was not made by NewAPI")
	}
	if err := ch.checkScheme(p); err != nil {
		return outcome{}, err
	}
	now := ch.now()
	if ch.remembers(p.Token) {
		o, err = ch.checkOnce(ctx, p, now)
	} else {
		o, err = ch.checkToken(ctx, p, now)
	}
	if err == nil {
		err = ch.checkSender(p, o.proof, o.token)
	}
	if err == nil && o.proof != nil {
		o.nonce, err = ch.proofs.Use(ctx, p.Request, p.Token, o.proof, now)
	}
	if err == nil && ch.validate != nil {
		err = validateError(ch.validate(ctx, o.token))
	}
	if err != nil {
		o.token = nil
	}
	return o, err
}

// maxRemembered is the length of the longest cached token, because the cache keeps
// its claims in memory.
const maxRemembered = 8 << 10

func (ch *checker) remembers(raw string) bool { return ch.cache != nil && len(raw) <= maxRemembered }

// A remembered is a token in the cache. The cache has its text without the signature, and
// the SHA-256 of the rest. Neither can be used as a token.
type remembered struct {
	token *Token
	input string // the signed text
}

// is reports whether raw is the cached token. sum is the hash of its signature part. The
// hashes are compared first: without the signature, an attacker learns nothing from the time.
func (held *remembered) is(raw string, sum memo.Sum) bool {
	n := len(held.input)
	return n < len(raw) && memo.SumOf(raw[n:]) == sum && raw[:n] == held.input
}

// checkOnce caches a valid token. It hashes only a valid token, and a token with the same
// end as a cached one.
func (ch *checker) checkOnce(ctx context.Context, p presented, now time.Time) (outcome, error) {
	place := ch.cache.SlotOf(p.Token)
	if held, ok := ch.cache.Find(place, func(held remembered, sum memo.Sum) bool { return held.is(p.Token, sum) }); ok {
		t := held.token
		o := outcome{token: t, from: t.from, cached: true}
		still, err := ch.recheck(ctx, t, now)
		if err == nil && still {
			o.proof, err = ch.readProof(p)
		}
		if still || err != nil {
			return o, err
		}
	}
	o, err := ch.checkToken(ctx, p, now)
	if err == nil {
		ch.cache.Put(place, memo.SumOf(p.Token[len(o.input):]), remembered{o.token, strings.Clone(o.input)})
	}
	return o, err
}

func validateError(err error) error {
	if err == nil {
		return nil
	}
	return hookError(err, refusal.Forbidden, func(err error) error { return fault.Claim.Because("Validate: %w", err) })
}

// recheck reports whether a cached token can be used without the full check. If an
// issuer or a key has changed, the full check finds the reason.
func (ch *checker) recheck(ctx context.Context, t *Token, now time.Time) (bool, error) {
	from, err := ch.issuers.Find(ctx, t.claims.Issuer)
	if err != nil || from != t.from {
		return false, err
	}
	if err := from.Accepts(ctx, t.claims.Issuer); err != nil {
		return false, err
	}
	// One pointer is one key. A revoked key, or a kid that was reassigned to another key,
	// has another pointer or none.
	if has, err := from.Keys.Set.StillHas(ctx, t.keyID, t.algorithm, t.key); !has || err != nil {
		return false, err
	}
	return true, ch.rules.CheckAge(&t.claims, now)
}

// checkToken runs every check that needs no key first: an expired token, or a token
// for another API, costs neither a signature nor a request. Claims that are read
// before the signature is verified can only reject the token. See RFC 9068, Section 4,
// and RFC 8725. The form of a proof is checked between the two, so that a token that was
// already rejected costs no work on its proof.
func (ch *checker) checkToken(ctx context.Context, p presented, now time.Time) (o outcome, err error) {
	parse := jwt.ParseInput // the signature is decoded once, when it is verified
	if p.DPoP {
		parse = jwt.Parse // a malformed token is rejected before its proof
	}
	m, err := parse(p.Token)
	if err != nil {
		return outcome{}, ch.explained(err)
	}
	if err := ch.rules.CheckHeader(m); err != nil {
		return outcome{}, err
	}
	c, err := jwt.ParseClaims(m.Payload, false, access.Optional)
	if err != nil {
		return outcome{}, err
	}
	if !c.Has(jwt.Issuer) {
		return outcome{}, fault.Claim.Because("no iss")
	}
	if o.from, err = ch.issuers.Find(ctx, c.Issuer); err != nil {
		return outcome{}, err
	}
	if err := ch.rules.CheckClaims(o.from.Needs, m, &c, now); err != nil {
		return o, err
	}
	if o.proof, err = ch.readProof(p); err != nil {
		return o, err
	}
	o.from = ch.issuers.Admit(c.Issuer, o.from)
	if err := o.from.Accepts(ctx, c.Issuer); err != nil {
		return o, err
	}
	key, err := o.from.Keys.Set.Verify(ctx, m, keys.FromAnybody)
	if err != nil {
		return o, err
	}
	ch.issuers.Settle(c.Issuer, o.from)
	if err := ch.rules.CheckConfirmation(&c); err != nil {
		return o, err
	}
	o.input = m.SigningInput
	o.token = newToken(Token{claims: c, payload: m.Payload, keyID: m.KeyID, algorithm: m.Algorithm, from: o.from, key: key})
	return o, nil
}

// explained adds a hint for the developer of a client that sends an opaque token
// instead of a signed access token.
func (ch *checker) explained(err error) error {
	if bad, ok := errors.AsType[*fault.Fault](err); ok && errors.Is(bad.Cause, jwt.ErrOpaque) {
		return bad.Because("%w; the client must request an access token with the audience %q", bad.Cause, ch.issuers.Defaults.Audiences)
	}
	return err
}
