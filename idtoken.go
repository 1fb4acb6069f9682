package auth0

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

// An identity is an ID token that was verified.
type identity struct {
	claims    jwt.Claims
	algorithm string
	raw       string
	payload   string // the JSON text that was signed
}

// An idVerifier checks ID tokens and logout tokens for one application.
type idVerifier struct {
	ClientID   string
	Algorithms []string
	Leeway     time.Duration
	Keys       *keys.Set
	Now        func() time.Time
}

// An expectation is what an ID token must agree with to belong to a login.
type expectation struct {
	Nonce  string
	ACR    []string // one of them, if there are any
	MaxAge *int     // seconds since the authentication; 0 asks for one in this login
	Began  int64    // when the login began, in Unix seconds
}

// verify checks an ID token for a login, wherever it came from. The numbers are the
// items of OpenID Connect Core 1.0, Section 3.1.3.7.
func (v *idVerifier) verify(ctx context.Context, ep discovery.Metadata, raw string, origin keys.Origin, e expectation) (identity, error) {
	id, err := v.check(ctx, ep, raw, origin)
	if err != nil {
		return identity{}, err
	}
	for _, check := range []error{
		checkNonce(id.claims, e.Nonce), // 11
		checkACR(id.claims, e.ACR),     // 12
		v.checkAuthTime(id.claims, e),  // 13
	} {
		if check != nil {
			return identity{}, check
		}
	}
	return id, nil
}

// verifyGranted is verify for a grant without a browser: no nonce was sent, so a
// token that has one belongs to another login.
func (v *idVerifier) verifyGranted(ctx context.Context, ep discovery.Metadata, raw string, e expectation) (identity, error) {
	id, err := v.check(ctx, ep, raw, keys.FromTenant)
	if err != nil {
		return identity{}, err
	}
	for _, check := range []error{checkNoNonce(id.claims), checkACR(id.claims, e.ACR), v.checkAuthTime(id.claims, e)} {
		if check != nil {
			return identity{}, check
		}
	}
	return id, nil
}

// check does what does not depend on the login. Our own reading decides,
// because it takes each claim by its exact name and allows for clocks that
// differ; go-oidc then has to come to the same conclusion.
func (v *idVerifier) check(ctx context.Context, ep discovery.Metadata, raw string, origin keys.Origin) (identity, error) {
	m, err := jwt.Parse(raw)
	if err != nil {
		return identity{}, fault.OfParse(err)
	}
	// RFC 8725, Section 3.11: other kinds of tokens say what they are.
	if m.Type != "" && !strings.EqualFold(m.Type, "JWT") {
		return identity{}, fault.Type.Because("typ is %.40q", m.Type)
	}
	if !slices.Contains(v.Algorithms, m.Algorithm) { // 7, 8
		return identity{}, fault.Algorithm.Because("alg is %.40q, Config.Algorithms has %q", m.Algorithm, v.Algorithms)
	}
	c, err := jwt.ParseClaims(m.Payload, true)
	if err != nil {
		return identity{}, fault.OfParse(err)
	}
	if c.Issuer != ep.Issuer { // 2
		return identity{}, fault.Issuer.Because("iss is %.100q, want %q", c.Issuer, ep.Issuer)
	}
	if err := checkAudience(c, v.ClientID); err != nil { // 3, 4, 5
		return identity{}, err
	}
	if err := checkIDTokenKind(&c, ep.UserInfoEndpoint); err != nil {
		return identity{}, err
	}
	if err := checkTimes(&c, v.Now(), v.Leeway); err != nil { // 9, 10
		return identity{}, err
	}
	if !c.Has(jwt.IssuedAt) { // Section 2
		return identity{}, fault.Claim.Because("no iat")
	}
	if len(c.Subject) == 0 || len(c.Subject) > maxSubject {
		return identity{}, fault.Claim.Because("sub is missing or longer than %d bytes", maxSubject)
	}
	if _, err := v.Keys.Verify(ctx, m, origin); err != nil { // 6
		return identity{}, keys.AsOutage(err)
	}
	verifier := oidc.NewVerifier(ep.Issuer, signedPayload(m.Payload), &oidc.Config{
		ClientID:             v.ClientID,
		SupportedSigningAlgs: []string{m.Algorithm},
		SkipExpiryCheck:      true, // item 9 is done, with leeway
	})
	other, err := verifier.Verify(ctx, raw)
	if err != nil {
		return identity{}, fault.Malformed.Because("go-oidc: %v", err)
	}
	if other.Issuer != c.Issuer || other.Subject != c.Subject || other.Nonce != c.Nonce || !slices.Equal(other.Audience, c.Audience) {
		return identity{}, fault.Claim.Because("two readers of the token disagree")
	}
	return identity{claims: c, algorithm: m.Algorithm, raw: raw, payload: m.Payload}, nil
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

// checkTimes checks exp, which must be there, and nbf and iat if they are.
func checkTimes(c *jwt.Claims, now time.Time, leeway time.Duration) error {
	at, slack := unix(now), leeway.Seconds()
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

// unix returns t in seconds, with fractions, as NumericDate has them.
func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

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
func (v *idVerifier) checkAuthTime(c jwt.Claims, e expectation) error {
	if e.MaxAge == nil {
		return nil
	}
	leeway := v.Leeway.Seconds()
	switch {
	case !c.Has(jwt.AuthTime):
		return fault.Claim.Because("max_age was asked for, and there is no auth_time")
	case *e.MaxAge == 0 && c.AuthTime < float64(e.Began)-leeway:
		return fault.AuthTime.Because("auth_time is before the login was begun")
	case *e.MaxAge > 0 && unix(v.Now()) > c.AuthTime+float64(*e.MaxAge)+leeway:
		return fault.AuthTime.Because("auth_time is %.0f s ago, max_age is %d", unix(v.Now())-c.AuthTime, *e.MaxAge)
	}
	return nil
}

// checkHash compares at_hash or c_hash, where the token has it, with what came
// beside the token.
func checkHash(id identity, name jwt.Name, value string) error {
	if !id.claims.Has(name) {
		return nil
	}
	claimed := id.claims.AccessTokenHash
	if name == jwt.CodeHash {
		claimed = id.claims.CodeHash
	}
	if subtle.ConstantTimeCompare([]byte(claimed), []byte(leftHalfHash(id.algorithm, value))) != 1 {
		return fault.Hash
	}
	return nil
}

// requireHash is checkHash for a token that came with the value through the
// browser, where the hash is required.
func requireHash(id identity, name jwt.Name, value string) error {
	if !id.claims.Has(name) {
		return fault.Hash.Because("the ID token has no hash of what came with it")
	}
	return checkHash(id, name, value)
}

// leftHalfHash is the hash of at_hash and c_hash: with the hash function of the
// token's own signature (OpenID Connect Core 1.0, Section 3.1.3.6).
func leftHalfHash(algorithm, value string) string {
	sum := keys.Digest(algorithm, value)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// verifyLogout is Section 2.6 of OpenID Connect Back-Channel Logout 1.0, as Auth0 sends the
// token: its typ is JWT, and it has both sid and sub.
func (v *idVerifier) verifyLogout(ctx context.Context, issuer, raw string) (*jwt.Claims, error) {
	m, err := jwt.Parse(raw)
	if err != nil {
		return nil, fault.OfParse(err)
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
		return nil, fault.OfParse(err)
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

// logoutTokenAge is how long after its iat a logout token is accepted.
const logoutTokenAge = 5 * time.Minute

// checkLogoutTimes: a logout token is for now. One that was kept back must not
// end sessions that were begun since.
func (v *idVerifier) checkLogoutTimes(c *jwt.Claims) error {
	if err := checkTimes(c, v.Now(), v.Leeway); err != nil {
		return err
	}
	if !c.Has(jwt.IssuedAt) {
		return fault.Claim.Because("no iat")
	}
	if age := unix(v.Now()) - c.IssuedAt; math.Abs(age) > (logoutTokenAge + v.Leeway).Seconds() {
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

// kept returns the claims that a session keeps: those that keep names or, if it is
// nil, all but those of the protocol.
func (id identity) kept(keep func(name string) bool) json.RawMessage {
	if keep == nil {
		keep = func(name string) bool { return !slices.Contains(protocolClaims, name) }
	}
	var b bytes.Buffer
	b.WriteByte('{')
	jsonscan.Object(id.payload, func(name, value string) error { // was parsed before
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

// sessionExpiry reads the claim by which a tenant says when sessions must end
// (OpenID Connect IPSIE, SL1). What is no plausible time is ignored: a mistake
// there, such as milliseconds, should not keep everybody out.
func (id identity) sessionExpiry() int64 {
	raw, _ := rawClaim(id.payload, "session_expiry")
	at, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || at <= 0 || at >= 1e10 {
		return 0
	}
	return at
}

// rawClaim returns the JSON text of a claim. Of one that is there twice the last
// counts, as for whoever decodes the payload.
func rawClaim(payload, name string) (raw string, ok bool) {
	jsonscan.Object(payload, func(member, value string) error {
		if member == name {
			raw, ok = value, true
		}
		return nil
	})
	return raw, ok
}

func fromUnix(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000))
}

// checkNoNonce: none was sent, so a token that has one is of some other login
// (OpenID Connect Core 1.0, Section 3.1.3.7, item 11).
func checkNoNonce(c jwt.Claims) error {
	if c.Has(jwt.Nonce) {
		return fault.Nonce
	}
	return nil
}
