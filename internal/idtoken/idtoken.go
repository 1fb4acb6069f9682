// Package idtoken checks ID tokens (OpenID Connect Core 1.0, Section 3.1.3.7) and logout
// tokens (OpenID Connect Back-Channel Logout 1.0, Section 2.6), and tells the kinds of
// tokens apart.
//
// The package does not know cookies, sessions or login transactions: a caller hands
// in what a token must agree with.
//
// One issuer signs tokens of several kinds with one key, so each verifier tells its
// own kind from the others (RFC 8725, Section 3.12). It goes by all marks together:
// typ in the header, a claim by which the token names its kind, and claims that
// only one kind has. A claim that issuers also put into tokens of the other kind
// decides only if nothing tells more.
package idtoken

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
)

// maxSubject is from OpenID Connect Core 1.0, Section 2.
const maxSubject = 255

// An Identity is an ID token that was verified.
type Identity struct {
	Claims    jwt.Claims
	algorithm string
	Raw       string
	Payload   string // the JSON text that was signed
}

// An Verifier checks ID tokens and logout tokens for one application.
type Verifier struct {
	ClientID   string
	Algorithms []string
	Leeway     time.Duration
	Keys       *keys.Set
	Now        func() time.Time
}

// An Expect is what an ID token must agree with to belong to a login.
type Expect struct {
	Nonce  string
	ACR    []string // one of them, if there are any
	MaxAge *int     // seconds since the authentication; 0 asks for one in this login
	Began  int64    // when the login began, in Unix seconds
}

// Verify checks an ID token for a login, wherever it came from. The numbers are the
// items of OpenID Connect Core 1.0, Section 3.1.3.7.
func (v *Verifier) Verify(ctx context.Context, ep discovery.Metadata, raw string, origin keys.Origin, e Expect) (Identity, error) {
	id, err := v.Check(ctx, ep, raw, origin)
	if err != nil {
		return Identity{}, err
	}
	for _, check := range []error{
		checkNonce(id.Claims, e.Nonce), // 11
		checkACR(id.Claims, e.ACR),     // 12
		v.checkAuthTime(id.Claims, e),  // 13
	} {
		if check != nil {
			return Identity{}, check
		}
	}
	return id, nil
}

// VerifyGranted is verify for a grant without a browser: no nonce was sent, so a
// token that has one belongs to another login.
func (v *Verifier) VerifyGranted(ctx context.Context, ep discovery.Metadata, raw string, e Expect) (Identity, error) {
	id, err := v.Check(ctx, ep, raw, keys.FromTenant)
	if err != nil {
		return Identity{}, err
	}
	for _, check := range []error{CheckNoNonce(id.Claims), checkACR(id.Claims, e.ACR), v.checkAuthTime(id.Claims, e)} {
		if check != nil {
			return Identity{}, check
		}
	}
	return id, nil
}

// Check does what does not depend on the login. Our own reading decides,
// because it takes each claim by its exact name and allows for clocks that
// differ; go-oidc then has to come to the same conclusion.
func (v *Verifier) Check(ctx context.Context, ep discovery.Metadata, raw string, origin keys.Origin) (Identity, error) {
	m, err := jwt.Parse(raw)
	if err != nil {
		return Identity{}, err
	}
	// RFC 8725, Section 3.11: other kinds of tokens say what they are.
	if m.Type != "" && !strings.EqualFold(m.Type, "JWT") {
		return Identity{}, fault.Type.Because("typ is %.40q", m.Type)
	}
	if !slices.Contains(v.Algorithms, m.Algorithm) { // 7, 8
		return Identity{}, fault.Algorithm.Because("alg is %.40q, Config.Algorithms has %q", m.Algorithm, v.Algorithms)
	}
	c, err := jwt.ParseClaims(m.Payload, true)
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

// A signedPayload is that of a token whose signature was checked. Go-oidc compares
// it with its own reading, and does not look for keys a second time.
type signedPayload string

func (p signedPayload) VerifySignature(context.Context, string) ([]byte, error) {
	return []byte(p), nil
}

// checkAudience: the token must be for us, and where it is for others too, or
// names the party it was issued to, that party must be us.
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

// CheckTimes checks exp, which must be there, and nbf and iat if they are.
func CheckTimes(c *jwt.Claims, now time.Time, leeway time.Duration) error {
	at, slack := Unix(now), leeway.Seconds()
	switch {
	case !c.Has(jwt.Expiry):
		return fault.Claim.Because("no exp")
	case at >= c.Expiry+slack:
		return fault.Expired.Because("exp was %.0f s ago", at-c.Expiry)
	case c.Has(jwt.NotBefore) && c.NotBefore > at+slack:
		return fault.NotYet.Because("nbf is %.0f s ahead; check the clock of this machine", c.NotBefore-at)
	case c.Has(jwt.IssuedAt) && c.IssuedAt > at+slack:
		return fault.IssuedAhead.Because("iat is %.0f s ahead; check the clock of this machine", c.IssuedAt-at)
	}
	return nil
}

// Unix returns t in seconds, with fractions, as NumericDate has them.
func Unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// checkNonce: the token was issued for this login. One without a nonce is
// refused, because we always send one.
func checkNonce(c jwt.Claims, nonce string) error {
	if nonce == "" || subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1 {
		return fault.Nonce
	}
	return nil
}

func checkACR(c jwt.Claims, required []string) error {
	if len(required) > 0 && !slices.Contains(required, c.ACR) {
		return fault.ACR.Because("acr is %.100q, want one of %q", c.ACR, required)
	}
	return nil
}

// checkAuthTime: a max_age of 0 asks for an authentication in this very login.
func (v *Verifier) checkAuthTime(c jwt.Claims, e Expect) error {
	if e.MaxAge == nil {
		return nil
	}
	leeway := v.Leeway.Seconds()
	switch {
	case !c.Has(jwt.AuthTime):
		return fault.Claim.Because("max_age was asked for, and there is no auth_time")
	case *e.MaxAge == 0 && c.AuthTime < float64(e.Began)-leeway:
		return fault.AuthTime.Because("auth_time is before the login was begun")
	case *e.MaxAge > 0 && Unix(v.Now()) > c.AuthTime+float64(*e.MaxAge)+leeway:
		return fault.AuthTime.Because("auth_time is %.0f s ago, max_age is %d", Unix(v.Now())-c.AuthTime, *e.MaxAge)
	}
	return nil
}

// CheckHash compares at_hash or c_hash, where the token has it, with what came
// beside the token.
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

// RequireHash is checkHash for a token that came with the value through the
// browser, where the hash is required.
func RequireHash(id Identity, name jwt.Name, value string) error {
	if !id.Claims.Has(name) {
		return fault.Hash.Because("the ID token has no hash of what came with it")
	}
	return CheckHash(id, name, value)
}

// leftHalfHash is the hash of at_hash and c_hash: with the hash function of the
// token's own signature (OpenID Connect Core 1.0, Section 3.1.3.6).
func leftHalfHash(algorithm, value string) string {
	sum := keys.Digest(algorithm, value)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// VerifyLogout is Section 2.6 of OpenID Connect Back-Channel Logout 1.0, as Auth0 sends the
// token: its typ is JWT, and it has both sid and sub.
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
	// What the header says is looked at first: anybody can post long claims here.
	c, err := jwt.ParseClaims(m.Payload, true)
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
	_, err = v.Keys.Verify(ctx, m, keys.FromAnybody) // Section 2.4: signed as ID tokens are
	return &c, keys.AsOutage(err)
}

func isLogoutTokenType(typ string) bool {
	typ = strings.ToLower(typ)
	return typ == "" || typ == "jwt" || strings.TrimPrefix(typ, "application/") == "logout+jwt"
}

// LogoutTokenAge is how long after its iat a logout token is accepted.
const LogoutTokenAge = 5 * time.Minute

// checkLogoutTimes: a logout token is for now. One that was kept back must not
// end sessions that were begun since.
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

func checkLogoutClaims(c *jwt.Claims) error {
	if err := checkLogoutKind(c); err != nil {
		return err
	}
	switch {
	case !c.Has(jwt.ID) || c.ID == "":
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

// protocolClaims serve the login alone; see RFC 7519, Section 4.1, and OpenID
// Connect Core 1.0, Sections 2 and 3.3.2.11.
var protocolClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "at_hash", "c_hash", "s_hash", "sid", "auth_time", "acr", "amr", "cnf", "events"}

// Kept returns the claims that a session keeps: those that keep names or, if it is
// nil, all but those of the protocol.
func (id Identity) Kept(keep func(name string) bool) json.RawMessage {
	if keep == nil {
		keep = func(name string) bool { return !slices.Contains(protocolClaims, name) }
	}
	var b bytes.Buffer
	b.WriteByte('{')
	jsonscan.Object(id.Payload, func(name, value string) error { // was parsed before
		if keep(name) {
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			quoted, _ := json.Marshal(name)
			b.Write(quoted)
			b.WriteByte(':')
			b.WriteString(value)
		}
		return nil
	})
	b.WriteByte('}')
	return b.Bytes()
}

// SessionExpiry reads the claim by which a tenant says when sessions must end
// (OpenID Connect IPSIE, SL1). What is no plausible time is ignored: a mistake
// there, such as milliseconds, should not keep everybody out.
func (id Identity) SessionExpiry() int64 {
	raw, _ := RawClaim(id.Payload, "session_expiry")
	at, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || at <= 0 || at >= 1e10 {
		return 0
	}
	return at
}

// RawClaim returns the JSON text of a claim. Of one that is there twice the last
// counts, as for whoever decodes the payload.
func RawClaim(payload, name string) (raw string, ok bool) {
	jsonscan.Object(payload, func(member, value string) error {
		if member == name {
			raw, ok = value, true
		}
		return nil
	})
	return raw, ok
}

func FromUnix(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000))
}

// CheckNoNonce: none was sent, so a token that has one is of some other login
// (OpenID Connect Core 1.0, Section 3.1.3.7, item 11).
func CheckNoNonce(c jwt.Claims) error {
	if c.Has(jwt.Nonce) {
		return fault.Nonce
	}
	return nil
}
