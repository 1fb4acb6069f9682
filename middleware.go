package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// An APIConfig describes an API as it is registered at Auth0. Domain and
// Audience are needed; the zero value of every other field is a safe default.
type APIConfig struct {
	_ [0]func() // keeps out literals without field names, and ==

	// Domain is the tenant's domain, see [Config].Domain. Access tokens must
	// have been issued by it.
	Domain string
	// Audience is the identifier of the API. Access tokens must be for it, or
	// for one of Audiences.
	Audience  string
	Audiences []string

	// Keys are the keys of the issuer, if there is a [Strategy] for it in the
	// program: strategy.KeySet(). By default the API fetches its own.
	Keys *KeySet
	// Algorithms are those that access tokens may be signed with. Default: RS256.
	Algorithms []string
	// Leeway is how far the clocks of tenant and API may differ. Default: 5
	// seconds; at most 5 minutes. It takes [None].
	Leeway time.Duration
	// Realm is told to clients in challenges. Default: "api".
	Realm string
	// EndpointOrigins are origins beside the issuer's on which the keys of an
	// OpenID provider named by URL may be.
	EndpointOrigins []string

	// HTTPClient, Logger, ErrorHandler and Now are as in [Config]. Before
	// ErrorHandler is called, WWW-Authenticate and Retry-After are set. By
	// default errors are answered with a JSON object that has error and
	// error_description.
	HTTPClient   *http.Client
	Logger       *slog.Logger
	ErrorHandler func(http.ResponseWriter, *http.Request, *Error)
	Now          func() time.Time
}

// An API checks the access tokens of requests. Create it with [NewAPI]. Its
// methods may be called concurrently.
type API struct {
	namespace  *namespace
	audiences  []string
	algorithms []string
	leeway     time.Duration
	keys       *KeySet
	exit       exit
	now        func() time.Time
}

// NewAPI checks a configuration and returns an API for it. It makes no request.
// The error has every mistake, each named by its field.
func NewAPI(c APIConfig) (*API, error) {
	p := problems{of: "APIConfig"}
	a := &API{keys: c.Keys, algorithms: checkAlgorithms(&p, c.Algorithms), now: c.Now}
	log := c.Logger
	if log == nil {
		log = slog.Default()
	}
	if a.now == nil {
		a.now = time.Now
	}
	issuer := newNamespace(&p, c.Domain)
	client := fetch.NewClient(c.HTTPClient, outgoing(issuer.base, false))
	issuer.discoverWith(&p, client, c.EndpointOrigins, log)
	switch {
	case a.keys == nil:
		a.keys = newKeySet(&issuer, client, log)
	case a.keys.issuer == nil || strings.TrimSuffix(a.keys.issuer.base, "/") != strings.TrimSuffix(issuer.base, "/"):
		p.add("Keys", "are not those of the Domain %q", c.Domain)
		a.keys = nil
	}
	if a.keys != nil {
		a.namespace = a.keys.issuer
	}
	if c.Audience != "" {
		a.audiences = []string{c.Audience}
	}
	a.audiences = append(a.audiences, c.Audiences...)
	if len(a.audiences) == 0 || slices.Contains(a.audiences, "") {
		p.add("Audience", "is missing; it is the identifier of the API, such as https://api.example.com/")
	}
	a.leeway = checkedLeeway(&p, c.Leeway, 5*time.Second)
	setDefault(&c.Realm, "api")
	if !isQuotable(c.Realm) {
		p.add("Realm", "%q has characters that cannot be quoted", c.Realm)
	}
	a.exit = exit{log: log, handler: c.ErrorHandler, challenge: bearerChallenge(c.Realm)}
	if err := p.joined(); err != nil {
		return nil, err
	}
	return a, nil
}

// isQuotable follows RFC 6750, Section 3: what may stand in a quoted value.
func isQuotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// bearerChallenge returns what writes WWW-Authenticate (RFC 6750, Section 3).
// All of it is constants and what the program was configured with.
func bearerChallenge(realm string) func(*Error) string {
	return func(e *Error) string {
		value := `Bearer realm="` + realm + `"`
		switch {
		case e.Reason == refuseNoToken.reason:
			return value
		case e.Code != "invalid_request" && e.Code != "invalid_token" && e.Code != "insufficient_scope":
			return ""
		}
		value += `, error="` + e.Code + `"`
		if isQuotable(e.Description) {
			value += `, error_description="` + e.Description + `"`
		}
		if e.Scope != "" {
			value += `, scope="` + e.Scope + `"`
		}
		return value
	}
}

// RequireAuth lets a request pass if it has a good access token, which
// [TokenFrom] then returns. The token is taken from the Authorization header
// (RFC 6750, Section 2.1). Without one the answer is 401 with a challenge; with
// a bad one 401 or 400; and 503 if the keys to check it cannot be had.
//
// A CORS preflight passes: browsers send it without a token.
//
// There is no list of paths to leave out. Give the routes that need no token to
// one mux and this handler with the others to another.
func (a *API) RequireAuth(next http.Handler) http.Handler {
	return a.guard(next, func(*Token) error { return nil })
}

// RequireScope lets a request pass if its access token has every one of the
// scopes. Without them the answer is 403 and names them.
//
// A scope that is none, or no scope at all, is a mistake that is logged now and
// answered with 500 on every request.
func (a *API) RequireScope(scopes ...string) func(http.Handler) http.Handler {
	return a.requireAll(refuseScope, scopes, (*Token).HasScope)
}

// RequirePermissions is [API.RequireScope] for the claim permissions, which
// Auth0 adds to access tokens of APIs with role-based access control.
func (a *API) RequirePermissions(permissions ...string) func(http.Handler) http.Handler {
	return a.requireAll(refusePermission, permissions, (*Token).HasPermission)
}

// RequireClaim lets a request pass if its access token has a claim that the
// check agrees with. Otherwise the answer is 403.
func (a *API) RequireClaim(name string, check ClaimCheck) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return a.guard(next, func(t *Token) error {
			if value, ok := t.Claim(name); !ok || !check(value) {
				return refuseClaim.because("claim %.100q", name)
			}
			return nil
		})
	}
}

func (a *API) requireAll(r refusal, names []string, has func(*Token, string) bool) func(http.Handler) http.Handler {
	names = slices.Clone(names)
	usable := len(names) > 0
	for _, name := range names {
		usable = usable && isScope(name)
	}
	if !usable {
		err := refuseMisconfigured.because("unusable list of scopes or permissions %.200q", names)
		a.exit.logger().Error("auth0: a route is guarded by an unusable list of scopes or permissions and answers every request with an error", "list", names)
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.exit.fail(w, r, "bearer", err) })
		}
	}
	list := strings.Join(names, " ")
	return func(next http.Handler) http.Handler {
		return a.guard(next, func(t *Token) error {
			for _, name := range names {
				if !has(t, name) {
					e := r.error()
					e.Scope = list
					return e
				}
			}
			return nil
		})
	}
}

// guard is the one handler behind every Require method.
func (a *API) guard(next http.Handler, allow func(*Token) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isPreflight(r) {
			next.ServeHTTP(w, r)
			return
		}
		token, err := a.authenticate(r)
		if err == nil {
			err = allow(token)
		}
		if err != nil {
			a.exit.fail(w, r, "bearer", err)
			return
		}
		if verifiedBy(r.Context(), a) == nil {
			r = r.WithContext(context.WithValue(r.Context(), verifiedKey{}, &verified{by: a, token: token, decoded: &decodedClaims{}}))
		}
		next.ServeHTTP(w, r)
	})
}

// authenticate returns the token of a request, which an outer guard of the same
// API may have checked already.
func (a *API) authenticate(r *http.Request) (*Token, error) {
	if token := verifiedBy(r.Context(), a); token != nil {
		return token, nil
	}
	raw, err := bearerToken(r)
	if err != nil {
		return nil, err
	}
	return a.verify(r.Context(), raw)
}

// isPreflight: a CORS preflight asks whether a request may be made; see the
// Fetch standard, CORS-preflight fetch.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// bearerToken reads the Authorization header (RFC 6750, Section 2.1; RFC 9110,
// Section 11.4). A scheme that is not ours is as good as no credentials (RFC
// 6750, Section 3.1).
func bearerToken(r *http.Request) (string, error) {
	const scheme = "Bearer"
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", refuseNoToken.error()
	}
	if len(values) > 1 {
		return "", refuseHeader.because("%d Authorization headers", len(values))
	}
	value := values[0]
	if value == "" {
		return "", refuseNoToken.error()
	}
	name, rest, spaced := strings.Cut(value, " ")
	switch {
	case !spaced && strings.EqualFold(value, scheme):
		return "", refuseHeader.because("the scheme has no token")
	case !spaced && len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) && isToken68(value):
		// Some other scheme whose name begins like ours.
		return "", refuseNoToken.error()
	case !spaced && !strings.Contains(value, ".") && isToken68(value):
		return "", refuseNoToken.error()
	case !spaced:
		return "", refuseHeader.because("a token without a scheme; send Authorization: Bearer TOKEN")
	case !strings.EqualFold(name, scheme):
		// What stands there is not quoted: it may be a token without a scheme.
		return "", refuseNoToken.because("the scheme is not Bearer")
	}
	token := strings.TrimLeft(rest, " ")
	if token == "" || !isToken68(token) {
		return "", refuseHeader.because("characters that no token has")
	}
	return token, nil
}

// isToken68 follows token68 of RFC 9110, Section 11.2.
func isToken68(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") == ""
}

// Verify checks an access token that did not come with an HTTP request, and
// returns it. The error is an [*Error] whose Status and Code are those of the
// response that [API.RequireAuth] would give.
func (a *API) Verify(ctx context.Context, raw string) (*Token, error) {
	t, err := a.verify(ctx, raw)
	if err != nil {
		return nil, asError("bearer", err)
	}
	return t, nil
}

func (a *API) verify(ctx context.Context, raw string) (*Token, error) {
	t, err := a.check(ctx, raw)
	if err != nil {
		return nil, asBearerError(err)
	}
	return t, nil
}

func asBearerError(err error) error {
	if fault, ok := errors.AsType[*tokenFault](err); ok {
		return fault.bearer()
	}
	return err
}

// check does everything that needs no key first: a token that is expired, or
// not for us, costs neither a signature nor a request. What it reads before the
// signature is checked can only refuse. See RFC 9068, Section 4, and RFC 8725.
func (a *API) check(ctx context.Context, raw string) (*Token, error) {
	if a.keys == nil {
		return nil, refuseMisconfigured.because("this API was not made by NewAPI")
	}
	m, err := jwt.Parse(raw)
	if err != nil {
		return nil, a.explained(raw, err)
	}
	if !slices.Contains(a.algorithms, m.Algorithm) {
		return nil, faultAlgorithm.because("alg is %.40q, APIConfig.Algorithms has %q", m.Algorithm, a.algorithms)
	}
	if !isAccessTokenType(m.Type) {
		return nil, faultType.because("typ is %.40q", m.Type)
	}
	c, err := jwt.ParseClaims(m.Payload, false)
	if err != nil {
		return nil, parseFault(err)
	}
	if c.Has(jwt.Nonce | jwt.AccessTokenHash | jwt.CodeHash | jwt.StateHash | jwt.Events) {
		return nil, faultType.because("this is an ID token or a logout token; request an access token with your API's audience")
	}
	ep, err := a.namespace.endpoints(ctx)
	if err != nil {
		return nil, keysUnavailable(ctx, err)
	}
	if err := a.checkClaims(c, ep.Issuer); err != nil {
		return nil, err
	}
	if err := a.keys.verify(ctx, m); err != nil {
		return nil, err
	}
	// A token that is bound to a key or a certificate proves nothing by itself
	// (RFC 9449, Section 7.1; RFC 8705, Section 3).
	if c.Has(jwt.Confirmation) {
		return nil, faultBound.because("the token has cnf; it is not a bearer token")
	}
	return &Token{claims: c, payload: m.Payload, keyID: m.KeyID}, nil
}

// explained tells the owner of the API what people most often send instead of
// an access token.
func (a *API) explained(raw string, err error) error {
	fault := parseFault(err).(*tokenFault)
	if dots := strings.Count(raw, "."); dots == 0 || dots == 4 {
		return fault.because("this is an opaque token; the client must request one with the audience %q", a.audiences[0])
	}
	return fault
}

func isAccessTokenType(typ string) bool {
	switch strings.ToLower(typ) {
	case "", "jwt", "at+jwt", "application/at+jwt":
		return true
	}
	return false
}

func (a *API) checkClaims(c jwt.Claims, issuer string) error {
	if !c.Has(jwt.Issuer) {
		return faultClaim.because("no iss")
	}
	if c.Issuer != issuer {
		return faultIssuer.because("iss is %.100q, want %q", c.Issuer, issuer)
	}
	if err := checkTimes(c, a.now(), a.leeway); err != nil {
		return err
	}
	if !slices.ContainsFunc(c.Audience, func(aud string) bool { return slices.Contains(a.audiences, aud) }) {
		return faultAudience.because("aud is %.200q, want one of %q; if that is a client id, this is an ID token: request an access token with your API's audience", c.Audience, a.audiences)
	}
	return nil
}

// A Token is an access token that was checked. It does not change and may be
// kept and shared.
type Token struct {
	claims  jwt.Claims
	payload string
	keyID   string
}

// Issuer returns iss, the tenant that issued the token.
func (t *Token) Issuer() string { return t.claims.Issuer }

// Subject returns sub: at Auth0 a user such as "auth0|65f0c1d2e3a4b5c6d7e8f901"
// or, for a token of the client credentials grant, an application such as
// "CLIENT_ID@clients".
func (t *Token) Subject() string { return t.claims.Subject }

// Audience returns the values of aud.
func (t *Token) Audience() iter.Seq[string] { return slices.Values(t.claims.Audience) }

// ClientID returns the application that the token was issued to: client_id
// (RFC 9068) or else azp (Auth0).
func (t *Token) ClientID() string {
	if t.claims.ClientID != "" {
		return t.claims.ClientID
	}
	return t.claims.AuthorizedParty
}

// ID returns jti, empty if the token has none.
func (t *Token) ID() string { return t.claims.ID }

// ExpiresAt returns exp.
func (t *Token) ExpiresAt() time.Time { return fromUnix(t.claims.Expiry) }

// IssuedAt returns iat, the zero time if the token has none.
func (t *Token) IssuedAt() time.Time { return fromUnix(t.claims.IssuedAt) }

func fromUnix(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000))
}

// Scope returns the scopes, separated by spaces.
func (t *Token) Scope() string { return t.claims.Scope }

// HasScope reports whether the token has the scope.
func (t *Token) HasScope(scope string) bool {
	for s := range strings.SplitSeq(t.claims.Scope, " ") {
		if s == scope && s != "" {
			return true
		}
	}
	return false
}

// Permissions returns the values of the claim permissions.
func (t *Token) Permissions() iter.Seq[string] { return slices.Values(t.claims.Permissions) }

// HasPermission reports whether the token has the permission.
func (t *Token) HasPermission(permission string) bool {
	return slices.Contains(t.claims.Permissions, permission)
}

// OrgID returns org_id, the organization that the token is for, if any.
func (t *Token) OrgID() string { return t.claims.OrgID }

// KeyID returns the kid of the key that has signed the token.
func (t *Token) KeyID() string { return t.keyID }

// Claim returns any claim, as package encoding/json decodes it, and whether it
// is there. Names are exact, and may be URLs. To decode several into a struct
// see [Claims].
func (t *Token) Claim(name string) (value any, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(t.payload), &members) != nil {
		return nil, false
	}
	raw, ok := members[name]
	if !ok || json.Unmarshal(raw, &value) != nil {
		return nil, false
	}
	return value, true
}

// Format shows who the token is about, and nothing that could be used.
func (t *Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "auth0.Token(%q)", t.claims.Subject) }

// LogValue does the same for package slog.
func (t *Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sub", t.claims.Subject), slog.String("client_id", t.ClientID()))
}

type verifiedKey struct{}

type verified struct {
	by      *API
	token   *Token
	decoded *decodedClaims
}

func verifiedBy(ctx context.Context, a *API) *Token {
	if v, _ := ctx.Value(verifiedKey{}).(*verified); v != nil && v.by == a {
		return v.token
	}
	return nil
}

// TokenFrom returns the access token that a Require method of an [API] has
// checked for this request.
func TokenFrom(ctx context.Context) (*Token, bool) {
	if v, _ := ctx.Value(verifiedKey{}).(*verified); v != nil {
		return v.token, true
	}
	return nil, false
}

// Claims decodes the claims of what authenticated the request into a T, as
// package encoding/json does: those of the access token, or else those of the
// ID token that the session keeps. They are decoded once per request and T; a
// T with pointers, maps or slices is shared by whoever asks. The error is
// [ErrNoToken] if there is neither.
func Claims[T any](ctx context.Context) (T, error) {
	var none T
	text, decoded := claimsOf(ctx)
	if decoded == nil {
		return none, asError("claims", refuseNoToken.error())
	}
	claims, err := decoded.as(reflect.TypeFor[T](), func() (any, error) {
		var claims T
		err := json.Unmarshal(text, &claims)
		return claims, err
	})
	if err != nil {
		return none, asError("claims", refuseClaim.wrap(err))
	}
	return claims.(T), nil
}

// claimsOf returns the JSON text of the claims of a request, and where what was
// decoded of it is kept.
func claimsOf(ctx context.Context) ([]byte, *decodedClaims) {
	if v, _ := ctx.Value(verifiedKey{}).(*verified); v != nil {
		return []byte(v.token.payload), v.decoded
	}
	if loaded, _ := ctx.Value(loadedKey{}).(*loadedSession); loaded != nil && loaded.record != nil {
		return loaded.record.Claims, loaded.decoded
	}
	return nil, nil
}

// decodedClaims keeps the claims of one request by the type they were decoded
// into.
type decodedClaims struct {
	mu     sync.Mutex
	byType map[reflect.Type]any
}

func (d *decodedClaims) as(t reflect.Type, decode func() (any, error)) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if claims, ok := d.byType[t]; ok {
		return claims, nil
	}
	claims, err := decode()
	if err != nil {
		return nil, err
	}
	if d.byType == nil {
		d.byType = map[reflect.Type]any{}
	}
	d.byType[t] = claims
	return claims, nil
}

// A ClaimCheck decides about the value of a claim, as package encoding/json
// decodes it. It is not called if the claim is not there.
type ClaimCheck func(value any) bool

// Equals agrees with one value.
func Equals[T string | float64 | bool](want T) ClaimCheck {
	return func(value any) bool { return value == any(want) }
}

// IncludesAll agrees with an array, or a text of words separated by spaces, that
// has all of the values.
func IncludesAll(values ...string) ClaimCheck {
	values = slices.Clone(values)
	return func(value any) bool {
		has := members(value)
		for _, v := range values {
			if !slices.Contains(has, v) {
				return false
			}
		}
		return len(values) > 0
	}
}

// IncludesAny agrees with an array, or a text of words separated by spaces, that
// has one of the values.
func IncludesAny(values ...string) ClaimCheck {
	values = slices.Clone(values)
	return func(value any) bool {
		return slices.ContainsFunc(members(value), func(m string) bool { return slices.Contains(values, m) })
	}
}

// members of an array that are strings, or words of a string; of other types none.
func members(value any) []string {
	switch value := value.(type) {
	case string:
		return strings.Fields(value)
	case []any:
		var list []string
		for _, v := range value {
			if s, ok := v.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// RequireLogin lets a request pass if somebody is logged in, which [UserFrom]
// then returns. A browser that navigates to a page is sent to log in and comes
// back; anything else, such as a fetch of a script or a POST, whose redirect
// could not be followed or would lose its body, is answered with 401.
//
// It works with [Strategy.LoadUser] around it or without.
func (s *Strategy) RequireLogin(next http.Handler) http.Handler {
	return s.requireUser(next, true, func(User) bool { return true })
}

// RequireSession is [Strategy.RequireLogin] for what scripts call: it never
// redirects and answers 401 if nobody is logged in.
func (s *Strategy) RequireSession(next http.Handler) http.Handler {
	return s.requireUser(next, false, func(User) bool { return true })
}

// RequireUser is [Strategy.RequireLogin] for people whom allow agrees with. To
// others the answer is 403; logging in again would not help them.
func (s *Strategy) RequireUser(allow func(User) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return s.requireUser(next, true, allow) }
}

// RequireUserClaim is [Strategy.RequireUser] for people of whom the session
// keeps a claim that the check agrees with.
func (s *Strategy) RequireUserClaim(name string, check ClaimCheck) func(http.Handler) http.Handler {
	return s.RequireUser(func(u User) bool {
		value, ok := u.Claim(name)
		return ok && check(value)
	})
}

func (s *Strategy) requireUser(next http.Handler, mayRedirect bool, allow func(User) bool) http.Handler {
	return s.LoadUser(s.handler("session", func(w http.ResponseWriter, r *http.Request) error {
		user, ok := UserFrom(r.Context())
		switch {
		case !ok && mayRedirect && isNavigation(r):
			return s.sendToLogin(w, r)
		case !ok:
			return s.loginRequired(w, r)
		case !allow(user):
			return refuseUserForbidden.error()
		}
		// What only some may see is not for caches, nor for the back button
		// after a logout.
		cookie.Uncacheable(w.Header())
		next.ServeHTTP(w, r)
		return nil
	}))
}

// isNavigation reports whether a browser is about to show the response to a
// person as a page of its own. A script that accepts everything is none.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Upgrade") != "" {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		dest := r.Header.Get("Sec-Fetch-Dest")
		return mode == "navigate" && (dest == "" || dest == "document")
	}
	accept := strings.ToLower(r.Header.Get("Accept"))
	return (strings.Contains(accept, "text/html") || strings.Contains(accept, "application/xhtml+xml")) && !strings.EqualFold(r.Header.Get("X-Requested-With"), "XMLHttpRequest")
}

// isPage reports whether a person will see the response, whatever the method.
func isPage(r *http.Request) bool {
	return isNavigation(r) || r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// sendToLogin redirects to the login route, which leads back here. A browser
// that loses the session cookie each time would go round for ever, since the
// tenant lets it through without asking; after three times it gets a page
// instead.
func (s *Strategy) sendToLogin(w http.ResponseWriter, r *http.Request) error {
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	// EscapedPath, because Path may have become "//host" by decoding; and one
	// slash at the beginning, because a request for "//host" is a path of ours.
	here := site.path + "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")
	if r.URL.RawQuery != "" {
		here += "?" + r.URL.RawQuery
	}
	if count, _ := s.lostLogins(r); count >= maxLostLogins {
		s.forgetLostLogins(w, r) // whoever follows the advice is not held up
		e := refuseLoop.error()
		e.ReturnTo = s.cleanReturnTo(site, here)
		return e
	}
	redirect(w, site.path+s.config.LoginPath+"?returnTo="+url.QueryEscape(here), http.StatusFound)
	return nil
}

// Logins that were completed, and whose session did not come back, are counted
// in a cookie of a minute. Whoever merely opens many pages, or logs in and out,
// is not counted.
const (
	maxLostLogins   = 3
	lostLoginWindow = time.Minute
)

func (s *Strategy) lostLoginCookie() cookie.Cookie {
	c := s.sessions.cookie
	c.Name += "_tries"
	return c
}

func (s *Strategy) lostLogins(r *http.Request) (count int, since int64) {
	now := s.now().Unix()
	for _, value := range s.lostLoginCookie().Values(r) {
		n, at, _ := strings.Cut(value, "-")
		held, err1 := strconv.Atoi(n)
		from, err2 := strconv.ParseInt(at, 10, 64)
		if err1 == nil && err2 == nil && from <= now && now-from < int64(lostLoginWindow/time.Second) {
			return held, from
		}
	}
	return 0, now
}

// expectSession notes a login whose session must come back.
func (s *Strategy) expectSession(w http.ResponseWriter, r *http.Request) error {
	count, since := s.lostLogins(r)
	value := strconv.Itoa(count+1) + "-" + strconv.FormatInt(since, 10)
	if err := s.lostLoginCookie().Set(w, r, value, lostLoginWindow); err != nil {
		return refuseInternal.wrap(err)
	}
	return nil
}

// forgetLostLogins is for a session that has come back.
func (s *Strategy) forgetLostLogins(w http.ResponseWriter, r *http.Request) {
	if c := s.lostLoginCookie(); c.Present(r) {
		c.Delete(w, r)
	}
}

// loginRequired answers what cannot be sent to a login page. The scheme of the
// challenge is one that browsers do not know, so that they show no dialog.
func (s *Strategy) loginRequired(w http.ResponseWriter, r *http.Request) error {
	site, err := s.siteOf(r)
	if err != nil {
		return err
	}
	w.Header().Set("WWW-Authenticate", `Session login="`+site.path+s.config.LoginPath+`"`)
	return refuseLoginRequired.error()
}
