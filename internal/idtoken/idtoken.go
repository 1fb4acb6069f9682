// Package idtoken checks ID tokens (OpenID Connect Core 1.0, Section 3.1.3.7) and logout
// tokens (OpenID Connect Back-Channel Logout 1.0, Section 2.6), and tells the kinds of
// tokens apart.
//
// The package does not know cookies, sessions or login transactions: the caller passes
// the expected values of a token.
//
// One issuer signs several kinds of tokens with one key, so each verifier tells its kind
// from the others (RFC 8725, Section 3.12). It uses three marks: typ in the header, a
// claim that names the kind, and claims that only one kind has. Some issuers put a mark
// of one kind into tokens of another. That mark decides only if no stronger mark is
// there.
package idtoken

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/seed-15d5a55c/auth0/internal/condition"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// maxSubject is the most bytes of a sub (OpenID Connect Core 1.0, Section 2). It also
// bounds sid.
const maxSubject = 255

// optional are claims that decide nothing. checkAuthentication requires an acr that the
// login requested.
const optional = jwt.ACR | jwt.AMR

// An Identity is a verified ID token.
type Identity struct {
	Claims    jwt.Claims
	algorithm string
	Raw       string // the token
	Payload   string // the JSON text that was signed
}

// A Verifier checks ID tokens and logout tokens for one application.
type Verifier struct {
	ClientID   string
	Algorithms []string // accepted values of alg
	Leeway     time.Duration
	Keys       *keys.Set
	Now        func() time.Time
}

// An Expect holds the values that tie an ID token to a login.
type Expect struct {
	Nonce  string
	ACR    []string // acr must be one of them, unless there are none
	MaxAge *int     // seconds since the authentication; 0 requires one in this login
	Began  int64    // start of the login, in Unix seconds
}

// Verify checks the ID token of a login in the browser. Origin names its sender. The
// numbers in this file are the items of OpenID Connect Core 1.0, Section 3.1.3.7.
func (v *Verifier) Verify(ctx context.Context, ep discovery.Metadata, raw string, origin keys.Origin, e Expect) (Identity, error) {
	id, err := v.Check(ctx, ep, raw, origin)
	if err != nil {
		return Identity{}, err
	}
	for _, check := range []error{
		checkNonce(id.Claims, e.Nonce),      // 11
		v.checkAuthentication(id.Claims, e), // 12, 13
	} {
		if check != nil {
			return Identity{}, check
		}
	}
	return id, nil
}

// VerifyGranted checks the ID token of a grant without a browser. The grant sent no
// nonce, so a token with one belongs to another login.
func (v *Verifier) VerifyGranted(ctx context.Context, ep discovery.Metadata, raw string, e Expect) (Identity, error) {
	id, err := v.Check(ctx, ep, raw, keys.FromTenant)
	if err != nil {
		return Identity{}, err
	}
	for _, check := range []error{checkNoNonce(id.Claims), v.checkAuthentication(id.Claims, e)} {
		if check != nil {
			return Identity{}, check
		}
	}
	return id, nil
}

// Check makes the checks of an ID token that do not depend on a login. This package
// decides, because it reads claim names case-sensitively and allows for clock skew.
// Package go-oidc must then reach the same result.
func (v *Verifier) Check(ctx context.Context, ep discovery.Metadata, raw string, origin keys.Origin) (Identity, error) {
	m, err := jwt.Parse(raw)
	if err != nil {
		return Identity{}, err
	}
	// RFC 8725, Section 3.11: other kinds of tokens have their own typ.
	if m.Type != "" && !strings.EqualFold(m.Type, "JWT") {
		return Identity{}, fault.Type.Because("typ is %.40q", m.Type)
	}
	if !slices.Contains(v.Algorithms, m.Algorithm) { // 7, 8
		return Identity{}, fault.Algorithm.Because("alg is %.40q, Config.Algorithms has %q", m.Algorithm, v.Algorithms)
	}
	c, err := jwt.ParseClaims(m.Payload, true, optional|jwt.ID)
	if err != nil {
		return Identity{}, err
	}
	if c.Issuer != ep.Issuer { // 2
		return Identity{}, fault.Issuer.Because("iss is %.100q, want %q", c.Issuer, ep.Issuer)
	}
	if err := checkAudience(c, v.ClientID); err != nil { // 3, 4, 5
		return Identity{}, err
	}
	if err := checkIDTokenKind(&c, ep.UserInfoEndpoint); err != nil {
		return Identity{}, err
	}
	if err := CheckTimes(&c, v.Now(), v.Leeway); err != nil { // 9, 10
		return Identity{}, err
	}
	if !c.Has(jwt.IssuedAt) { // Section 2
		return Identity{}, fault.Claim.Because("no iat")
	}
	if len(c.Subject) == 0 || len(c.Subject) > maxSubject {
		return Identity{}, fault.Claim.Because("sub is missing or longer than %d bytes", maxSubject)
	}
	if _, err := v.Keys.Verify(ctx, m, origin); err != nil { // 6
		return Identity{}, keys.AsOutage(err)
	}
	verifier := oidc.NewVerifier(ep.Issuer, signedPayload(m.Payload), &oidc.Config{
		ClientID:             v.ClientID,
		SupportedSigningAlgs: []string{m.Algorithm},
		SkipExpiryCheck:      true, // item 9 is done, with leeway
	})
	other, err := verifier.Verify(ctx, raw)
	if err != nil {
		return Identity{}, fault.Malformed.Because("go-oidc: %v", err)
	}
	if other.Issuer != c.Issuer || other.Subject != c.Subject || other.Nonce != c.Nonce || !slices.Equal(other.Audience, c.Audience) {
		return Identity{}, fault.Claim.Because("two readers of the token disagree")
	}
	return Identity{Claims: c, algorithm: m.Algorithm, Raw: raw, Payload: m.Payload}, nil
}

// A signedPayload is the payload of a token whose signature was checked. Go-oidc
// compares it with the claims that it parsed, and needs no keys.
type signedPayload string

func (p signedPayload) VerifySignature(context.Context, string) ([]byte, error) {
	return []byte(p), nil
}

// checkAudience requires that the token is for this application. A token with several
// audiences must have azp. An azp must name this application.
func checkAudience(c jwt.Claims, clientID string) error {
	if !slices.Contains(c.Audience, clientID) {
		return fault.Audience.Because("aud is %.200q, want the client id %q", c.Audience, clientID)
	}
	if len(c.Audience) > 1 && !c.Has(jwt.AuthorizedParty) {
		return fault.Claim.Because("several audiences and no azp")
	}
	if c.Has(jwt.AuthorizedParty) && c.AuthorizedParty != clientID {
		return fault.Claim.Because("azp is %.100q, want the client id %q", c.AuthorizedParty, clientID)
	}
	return nil
}

// CheckTimes requires and checks exp, and checks nbf and iat if present.
func CheckTimes(c *jwt.Claims, now time.Time, leeway time.Duration) error {
	at, slack := Unix(now), leeway.Seconds()
	switch {
	case !c.Has(jwt.Expiry):
		return fault.Claim.Because("no exp")
	case at >= c.Expiry+slack:
		return fault.Expired.Because("exp was %.0f s ago; if the token should still be valid, check the clock of this machine", at-c.Expiry)
	case c.Has(jwt.NotBefore) && c.NotBefore > at+slack:
		return fault.NotYet.Because("nbf is %.0f s ahead; check the clock of this machine", c.NotBefore-at)
	case c.Has(jwt.IssuedAt) && c.IssuedAt > at+slack:
		return fault.IssuedAhead.Because("iat is %.0f s ahead; check the clock of this machine", c.IssuedAt-at)
	}
	return nil
}

// Unix returns a time as a NumericDate (RFC 7519, Section 2): in seconds, with
// milliseconds as a fraction.
func Unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// FromUnix returns the time of a NumericDate, the zero time for 0.
func FromUnix(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000))
}

// checkNonce requires the nonce of this login. It rejects a token without a nonce,
// because every login sends one.
func checkNonce(c jwt.Claims, nonce string) error {
	if nonce == "" || subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1 {
		return fault.Nonce
	}
	return nil
}

// checkNoNonce rejects a token with a nonce, for a grant that sent none: the token
// belongs to another login (OpenID Connect Core 1.0, Section 3.1.3.7, item 11).
func checkNoNonce(c jwt.Claims) error {
	if c.Has(jwt.Nonce) {
		return fault.Nonce
	}
	return nil
}

// checkAuthentication requires that the user has authenticated as the login requested:
// strongly enough, and recently enough.
func (v *Verifier) checkAuthentication(c jwt.Claims, e Expect) error {
	demand := condition.Demand{MaxAge: e.MaxAge, Began: e.Began, ACR: e.ACR}
	if bad := demand.Check(Facts(&c), v.Now(), v.Leeway); bad != nil {
		return bad
	}
	return nil
}

// Facts returns the properties of the authentication in an ID token.
func Facts(c *jwt.Claims) condition.Facts {
	return condition.Facts{Time: c.AuthTime, ACR: c.ACR, AMR: c.AMR, OrgID: c.OrgID, OrgName: c.OrgName}
}

// CheckHash compares at_hash or c_hash with the access token or code that came with the
// ID token. It accepts a token without the claim.
func CheckHash(id Identity, name jwt.Name, value string) error {
	if !id.Claims.Has(name) {
		return nil
	}
	claimed := id.Claims.AccessTokenHash
	if name == jwt.CodeHash {
		claimed = id.Claims.CodeHash
	}
	if subtle.ConstantTimeCompare([]byte(claimed), []byte(leftHalfHash(id.algorithm, value))) != 1 {
		return fault.Hash
	}
	return nil
}

// RequireHash is [CheckHash] for values that came through the browser. The claim is then
// required (OpenID Connect Core 1.0, Sections 3.2.2.10 and 3.3.2.11).
func RequireHash(id Identity, name jwt.Name, value string) error {
	if !id.Claims.Has(name) {
		return fault.Hash.Because("the ID token has no hash of the code or the access token")
	}
	return CheckHash(id, name, value)
}

// leftHalfHash returns the value of at_hash or c_hash: the left half of the hash,
// with the hash function of the signature of the token (OpenID Connect Core 1.0,
// Section 3.1.3.6).
func leftHalfHash(algorithm, value string) string {
	sum := keys.Digest(algorithm, value)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// VerifyLogout checks a logout token (OpenID Connect Back-Channel Logout 1.0, Section
// 2.6). Auth0's logout tokens have the typ JWT, and both sid and sub.
func (v *Verifier) VerifyLogout(ctx context.Context, issuer, raw string) (*jwt.Claims, error) {
	m, err := jwt.Parse(raw)
	if err != nil {
		return nil, err
	}
	if !isLogoutTokenType(m.Type) {
		return nil, fault.Type.Because("typ is %.40q", m.Type)
	}
	if !slices.Contains(v.Algorithms, m.Algorithm) {
		return nil, fault.Algorithm.Because("alg is %.40q, Config.Algorithms has %q", m.Algorithm, v.Algorithms)
	}
	// The header is checked before the claims are parsed: anyone can post long claims.
	c, err := jwt.ParseClaims(m.Payload, true, optional)
	if err != nil {
		return nil, err
	}
	if c.Issuer != issuer {
		return nil, fault.Issuer.Because("iss is %.100q, want %q", c.Issuer, issuer)
	}
	if !slices.Contains(c.Audience, v.ClientID) {
		return nil, fault.Audience.Because("aud is %.200q, want the client id %q", c.Audience, v.ClientID)
	}
	if err := v.checkLogoutTimes(&c); err != nil {
		return nil, err
	}
	if err := checkLogoutClaims(&c); err != nil {
		return nil, err
	}
	if _, err := v.Keys.Verify(ctx, m, keys.FromAnybody); err != nil { // Section 2.4: signed as ID tokens are
		return nil, keys.AsOutage(err)
	}
	return &c, nil
}

// isLogoutTokenType reports whether a logout token can have the typ. The specification
// has logout+jwt, but only recommends it (Section 2.4).
func isLogoutTokenType(typ string) bool {
	typ = strings.ToLower(typ)
	return typ == "" || typ == "jwt" || strings.TrimPrefix(typ, "application/") == "logout+jwt"
}

// LogoutTokenAge is the longest accepted time since the iat of a logout token.
const LogoutTokenAge = 5 * time.Minute

// checkLogoutTimes rejects an old logout token: a delayed token must not end sessions
// that began later.
func (v *Verifier) checkLogoutTimes(c *jwt.Claims) error {
	if err := CheckTimes(c, v.Now(), v.Leeway); err != nil {
		return err
	}
	if !c.Has(jwt.IssuedAt) {
		return fault.Claim.Because("no iat")
	}
	if age := Unix(v.Now()) - c.IssuedAt; math.Abs(age) > (LogoutTokenAge + v.Leeway).Seconds() {
		return fault.TooOld.Because("iat was %.0f s ago", age)
	}
	return nil
}

// checkLogoutClaims checks the kind of a logout token, and the claims that name the
// sessions to end.
func checkLogoutClaims(c *jwt.Claims) error {
	if err := checkLogoutKind(c); err != nil {
		return err
	}
	switch {
	case c.ID == "":
		return fault.Claim.Because("no jti")
	case !c.Has(jwt.SessionID) && !c.Has(jwt.Subject):
		return fault.Claim.Because("neither sid nor sub")
	case c.Has(jwt.SessionID) && (c.SessionID == "" || len(c.SessionID) > maxSubject):
		return fault.Claim.Because("sid is empty or too long")
	case len(c.Subject) > maxSubject:
		return fault.Claim.Because("sub is too long")
	}
	return nil
}

// protocolClaims are the claims that only the login needs (RFC 7519, Section 4.1;
// OpenID Connect Core 1.0, Sections 2 and 3.3.2.11).
var protocolClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "at_hash", "c_hash", "s_hash",
	"sid", "auth_time", "acr", "amr", "cnf", "events",
}

// Kept returns a JSON object with the claims for which keep returns true. If keep is
// nil, it contains all claims except those of the protocol.
func (id Identity) Kept(keep func(name string) bool) json.RawMessage {
	if keep == nil {
		keep = func(name string) bool { return !slices.Contains(protocolClaims, name) }
	}
	b := append(make([]byte, 0, len(id.Payload)), '{')
	jsonscan.Object(id.Payload, func(name, value string) error { // it has been parsed before
		if keep(name) {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(jsonscan.AppendString(b, name), ':'), value...)
		}
		return nil
	})
	return append(b, '}')
}

// SessionExpiry returns the time at which the tenant requires the session to end, in
// Unix seconds, from the claim session_expiry (OpenID Connect IPSIE, SL1). It returns 0
// if the claim is missing or implausible: an error of the tenant, such as milliseconds,
// must not lock all users out.
func (id Identity) SessionExpiry() int64 {
	raw, _ := RawClaim(id.Payload, "session_expiry")
	at, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || at <= 0 || at >= 1e10 {
		return 0
	}
	return at
}

// RawClaim returns the JSON text of a claim. Of a repeated claim it returns the last, as
// package json does.
func RawClaim(payload, name string) (raw string, ok bool) {
	jsonscan.Object(payload, func(member, value string) error {
		if member == name {
			raw, ok = value, true
		}
		return nil
	})
	return raw, ok
}

// Refused returns the refusal of a login or a refresh for the fault of its ID token. If
// fetching the keys fails, nothing is known about the token, and the refusal is an
// outage. Refused returns an error other than a fault unchanged.
func Refused(err error) error {
	f, ok := errors.AsType[*fault.Fault](err)
	switch {
	case !ok:
		return err
	case f.Reason == fault.Keys.Reason:
		return Outage(f, refusal.IDTokenKeys)
	}
	row := refusal.IDToken
	switch f.Description {
	case fault.Organization.Description:
		row = refusal.OtherOrganization
	case fault.AuthTime.Description, fault.ACR.Description:
		row = refusal.NotConfirmed
	}
	row.Reason = f.Reason
	return row.Wrap(f)
}

// Outage returns a refusal with a time to retry after, for a fault that the token did
// not cause.
func Outage(f *fault.Fault, row refusal.Row) *refusal.Refusal {
	return row.Later(5*time.Second, f)
}
