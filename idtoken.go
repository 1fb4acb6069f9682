package auth0

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
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

// verifyIDToken checks the ID token that came with the tokens for a code. The
// signature is checked here too, where item 6 of OpenID Connect Core 1.0, Section
// 3.1.3.7 would let us trust TLS.
func (s *Strategy) verifyIDToken(ctx context.Context, ep discovery.Metadata, t *transaction, tok tokens) (identity, error) {
	id, err := s.identify(ctx, ep, t, tok.rawIDToken, keys.FromTenant)
	if err == nil {
		err = checkHash(id, jwt.AccessTokenHash, tok.AccessToken) // Section 3.1.3.8
	}
	if err != nil {
		return identity{}, asIDTokenError(err)
	}
	return id, nil
}

// identify checks an ID token for this login, wherever it came from. The numbers
// are the items of OpenID Connect Core 1.0, Section 3.1.3.7.
func (s *Strategy) identify(ctx context.Context, ep discovery.Metadata, t *transaction, raw string, origin keys.Origin) (identity, error) {
	id, err := s.checkIDToken(ctx, ep, raw, origin)
	if err != nil {
		return identity{}, err
	}
	for _, check := range []error{
		checkNonce(id.claims, t.Nonce),     // 11
		checkACR(id.claims, t.RequiredACR), // 12
		s.checkAuthTime(id.claims, t),      // 13
	} {
		if check != nil {
			return identity{}, check
		}
	}
	return id, nil
}

func asIDTokenError(err error) error {
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return idTokenFault(f)
	}
	return err
}

// checkIDToken does what does not depend on the login. Our own reading decides,
// because it takes each claim by its exact name and allows for clocks that
// differ; go-oidc then has to come to the same conclusion.
func (s *Strategy) checkIDToken(ctx context.Context, ep discovery.Metadata, raw string, origin keys.Origin) (identity, error) {
	m, err := jwt.Parse(raw)
	if err != nil {
		return identity{}, fault.OfParse(err)
	}
	// RFC 8725, Section 3.11: other kinds of tokens say what they are.
	if m.Type != "" && !strings.EqualFold(m.Type, "JWT") {
		return identity{}, fault.Type.Because("typ is %.40q", m.Type)
	}
	if !slices.Contains(s.config.Algorithms, m.Algorithm) { // 7, 8
		return identity{}, fault.Algorithm.Because("alg is %.40q, Config.Algorithms has %q", m.Algorithm, s.config.Algorithms)
	}
	c, err := jwt.ParseClaims(m.Payload, true)
	if err != nil {
		return identity{}, fault.OfParse(err)
	}
	if c.Issuer != ep.Issuer { // 2
		return identity{}, fault.Issuer.Because("iss is %.100q, want %q", c.Issuer, ep.Issuer)
	}
	if err := checkAudience(c, s.config.ClientID); err != nil { // 3, 4, 5
		return identity{}, err
	}
	if err := checkIDTokenKind(&c, ep.UserInfoEndpoint); err != nil {
		return identity{}, err
	}
	if err := checkTimes(&c, s.now(), s.config.Leeway); err != nil { // 9, 10
		return identity{}, err
	}
	if !c.Has(jwt.IssuedAt) { // Section 2
		return identity{}, fault.Claim.Because("no iat")
	}
	if len(c.Subject) == 0 || len(c.Subject) > maxSubject {
		return identity{}, fault.Claim.Because("sub is missing or longer than %d bytes", maxSubject)
	}
	if _, err := s.idTokenKeys.set.Verify(ctx, m, origin); err != nil { // 6
		return identity{}, keys.AsOutage(err)
	}
	verifier := oidc.NewVerifier(ep.Issuer, signedPayload(m.Payload), &oidc.Config{
		ClientID:             s.config.ClientID,
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
func (s *Strategy) checkAuthTime(c jwt.Claims, t *transaction) error {
	if t.MaxAge == nil {
		return nil
	}
	leeway := s.config.Leeway.Seconds()
	switch {
	case !c.Has(jwt.AuthTime):
		return fault.Claim.Because("max_age was asked for, and there is no auth_time")
	case *t.MaxAge == 0 && c.AuthTime < float64(t.IssuedAt)-leeway:
		return fault.AuthTime.Because("auth_time is before the login was begun")
	case *t.MaxAge > 0 && unix(s.now()) > c.AuthTime+float64(*t.MaxAge)+leeway:
		return fault.AuthTime.Because("auth_time is %.0f s ago, max_age is %d", unix(s.now())-c.AuthTime, *t.MaxAge)
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

// checkOrganization: a login to an organization must be one to that
// organization. Its id is compared exactly, its name as Auth0 keeps it, in
// lower case.
func (s *Strategy) checkOrganization(ctx context.Context, t *transaction, id identity) error {
	c := id.claims
	switch asked := t.Organization; {
	case asked == "":
	case strings.HasPrefix(asked, "org_"):
		if c.OrgID != asked {
			return idTokenFault(fault.Organization.Because("org_id is %.100q, the login was to %q", c.OrgID, asked))
		}
	case !c.Has(jwt.OrgName) || !strings.EqualFold(c.OrgName, asked):
		return idTokenFault(fault.Organization.Because("org_name is %.100q, the login was to %q; the tenant must allow organization names", c.OrgName, asked))
	}
	if s.config.CheckOrganization == nil {
		return nil
	}
	if c.OrgID == "" {
		return idTokenFault(fault.Organization.Because("Config.CheckOrganization is set, and the ID token has no org_id"))
	}
	if err := s.config.CheckOrganization(ctx, c.OrgID); err != nil {
		return hookError(err, refusal.AfterLogin, outageError)
	}
	return nil
}

func checkedLeeway(p *problems, leeway, byDefault time.Duration) time.Duration {
	const limit = 5 * time.Minute
	switch {
	case leeway == None:
		return 0
	case leeway == 0:
		return byDefault
	case leeway < 0 || leeway > limit:
		p.add("Leeway", "%v must be between 0 and %v", leeway, limit)
	}
	return leeway
}
