// Package access has the checks of an access token that need no key (RFC 9068, Section
// 4): header, times, audience, kind, and the requirements of the configuration and of a
// route.
//
// The package does not know which issuer is trusted, keys, caches, or a request.
package access

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/idtoken"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// Rules are the requirements of an API, see the fields of the same names in its
// configuration.
type Rules struct {
	Algorithms      []string // of all issuers; empty if they are not known yet
	Leeway          time.Duration
	MaxAge          time.Duration // 0 for no limit
	Strict          bool
	Required        []string
	RejectAnonymous bool
	Key             Binding // to a key (DPoP)
	Certificate     Binding
}

// Check reports the mistakes in the requirements of an API.
func (ru *Rules) Check(report func(field, format string, args ...any)) {
	if ru.MaxAge < 0 {
		report("MaxTokenAge", "%v is negative", ru.MaxAge)
	}
	if slices.Contains(ru.Required, "") {
		report("RequiredClaims", "has an empty name")
	}
}

// An Issuer has the requirements for tokens of an issuer.
type Issuer struct {
	Audiences  []string
	Algorithms []string
	// Clients are the clients whose tokens may lack an audience.
	Clients []string
}

// Optional are claims that do not decide whether an access token is valid. A guard or a
// field of the configuration can require one of them. It then rejects a token without it.
const Optional = jwt.ID | jwt.SessionID | jwt.ACR | jwt.AMR | jwt.AuthTime

// CheckHeader checks the header, before the issuer is known.
func (ru *Rules) CheckHeader(m jwt.Message) error {
	if len(ru.Algorithms) > 0 && !slices.Contains(ru.Algorithms, m.Algorithm) {
		return fault.Algorithm.Because("alg is %.40q, want one of %q", m.Algorithm, ru.Algorithms)
	}
	profile := idtoken.IsAccessTokenType(m.Type)
	if !profile && (ru.Strict || m.Type != "" && !strings.EqualFold(m.Type, "JWT")) {
		return fault.Type.Because("typ is %.40q", m.Type)
	}
	return nil
}

// CheckClaims checks the claims of a token of an issuer.
func (ru *Rules) CheckClaims(from Issuer, m jwt.Message, c *jwt.Claims, now time.Time) error {
	if !slices.Contains(from.Algorithms, m.Algorithm) {
		return fault.Algorithm.Because("alg is %.40q, want one of %q", m.Algorithm, from.Algorithms)
	}
	if err := ru.CheckAge(c, now); err != nil {
		return err
	}
	if err := checkAudience(m, c, from.Audiences, from.Clients); err != nil {
		return err
	}
	if err := idtoken.CheckAccessKind(m, c); err != nil {
		return err
	}
	return ru.checkProfile(m, c)
}

// CheckAge runs the checks whose result depends on the time.
func (ru *Rules) CheckAge(c *jwt.Claims, now time.Time) error {
	if err := idtoken.CheckTimes(c, now, ru.Leeway); err != nil {
		return err
	}
	limit := ru.MaxAge
	switch {
	case limit == 0:
	case !c.Has(jwt.IssuedAt):
		return fault.Claim.Because("no iat, which APIConfig.MaxTokenAge needs")
	case idtoken.Unix(now) > c.IssuedAt+(limit+ru.Leeway).Seconds():
		return fault.TooOld.Because("iat was %.0f s ago, APIConfig.MaxTokenAge is %v", idtoken.Unix(now)-c.IssuedAt, limit)
	}
	return nil
}

// checkProfile checks the optional requirements of the configuration.
func (ru *Rules) checkProfile(m jwt.Message, c *jwt.Claims) error {
	if ru.Strict {
		for i, name := range [...]jwt.Name{jwt.Subject, jwt.ClientID, jwt.IssuedAt, jwt.ID, jwt.Audience} {
			if !c.Has(name) {
				return fault.Claim.Because("no usable %s, which APIConfig.StrictProfile needs (RFC 9068, Section 2.2)",
					[...]string{"sub", "client_id", "iat", "jti", "aud"}[i])
			}
		}
		if c.Expiry < c.IssuedAt {
			return fault.Claim.Because("exp is before iat")
		}
	}
	if ru.RejectAnonymous && IsAnonymous(c.Subject) {
		return fault.Claim.Because("sub belongs to an anonymous session, and APIConfig.RejectAnonymous is set")
	}
	for _, name := range ru.Required {
		if raw, ok := idtoken.RawClaim(m.Payload, name); !ok || raw == "null" {
			return fault.Claim.Because("no %.100q, which is one of APIConfig.RequiredClaims", name)
		}
	}
	return nil
}

// checkAudience checks that an access token is for one of the audiences of an API
// (RFC 9068, Section 4). A token without aud is accepted only from the given clients, by
// default none. The cause of a refusal tells the client's developer the correction.
func checkAudience(m jwt.Message, c *jwt.Claims, audiences, clients []string) error {
	for _, aud := range c.Audience {
		if slices.Contains(audiences, aud) {
			return nil
		}
	}
	client := cmp.Or(c.ClientID, c.AuthorizedParty)
	switch {
	case !c.Has(jwt.Audience) && len(clients) == 0:
		return fault.Audience.Because("no aud, want one of %q; for issuers whose access tokens have none, see Issuer.AcceptMissingAudienceFrom", audiences)
	case !c.Has(jwt.Audience) && slices.Contains(clients, client):
		return nil
	case !c.Has(jwt.Audience):
		return fault.Audience.Because("no aud, and the client id is %.100q, want one of Issuer.AcceptMissingAudienceFrom: %q", client, clients)
	}
	// The kind is not the reason for the refusal, but it can explain the aud.
	if kind, ok := errors.AsType[*fault.Fault](idtoken.CheckAccessKind(m, c)); ok {
		return fault.Audience.Because("aud is %.200q, want one of %q; %w", c.Audience, audiences, kind.Cause)
	}
	for _, aud := range c.Audience {
		if slices.Contains(audiences, strings.TrimSuffix(aud, "/")) || slices.Contains(audiences, aud+"/") {
			return fault.Audience.Because("aud is %.200q, want one of %q; they differ in the slash at the end", c.Audience, audiences)
		}
	}
	return fault.Audience.Because("aud is %.200q, want one of %q; the client must request an access token for that audience; the aud of an ID token is a client id", c.Audience, audiences)
}

// IsAnonymous reports whether a subject is an anonymous session of Auth0.
func IsAnonymous(subject string) bool { return strings.HasPrefix(subject, "anon@") }
