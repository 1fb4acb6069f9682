package idtoken

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// CheckAccessAudience checks that an access token is for one of the audiences of an API
// (RFC 9068, Section 4). A token without aud is accepted from the given clients only,
// which are none by default. The cause of a refusal says what the owner of the client
// can correct.
func CheckAccessAudience(m jwt.Message, c *jwt.Claims, audiences, clients []string) error {
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
	// The kind is not the reason for the refusal, but it can be the reason for the aud.
	if kind, ok := errors.AsType[*fault.Fault](CheckAccessKind(m, c)); ok {
		return fault.Audience.Because("aud is %.200q, want one of %q; %w", c.Audience, audiences, kind.Cause)
	}
	for _, aud := range c.Audience {
		if slices.Contains(audiences, strings.TrimSuffix(aud, "/")) || slices.Contains(audiences, aud+"/") {
			return fault.Audience.Because("aud is %.200q, want one of %q; they differ in the slash at the end", c.Audience, audiences)
		}
	}
	return fault.Audience.Because("aud is %.200q, want one of %q; the client must request an access token for that audience; the aud of an ID token is a client id", c.Audience, audiences)
}
