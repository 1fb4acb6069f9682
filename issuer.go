package auth0

import (
	"context"
	"fmt"

	"github.com/seed-15d5a55c/auth0/internal/access"
	"github.com/seed-15d5a55c/auth0/internal/issuers"
	"github.com/seed-15d5a55c/auth0/internal/keys"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// An Issuer is a tenant, or another issuer of access tokens, that an API accepts.
type Issuer struct {
	// Domain is as in [Config]. With Keys or JWKSURI, a URL must be the exact iss of the
	// tokens.
	Domain string
	// JWKSURI is the URL of the JWKS, for an issuer that publishes no discovery document,
	// or keys at another URL than its document says. The document is then not fetched.
	// The URL can be on any host, because the configuration names it. Default: jwks_uri
	// of the discovery document, which for Auth0 domains is known without a request.
	JWKSURI string
	// Audiences and Algorithms are as in [APIConfig]. Default: those of the API.
	Audiences  []string
	Algorithms []string
	// Keys are as in [APIConfig]. They exclude JWKSURI.
	Keys *KeySet

	// AcceptMissingAudienceFrom are client ids. A token without aud is accepted if its
	// client_id, or else its azp, is one of them. Some providers issue such access
	// tokens, for example Amazon Cognito. A token with an aud must have an accepted
	// audience all the same. Default: no token without aud is accepted.
	//
	// This gives up the check that a token is for this API (RFC 8725, Section 3.9). A
	// token that one of these applications has for another API of the issuer is accepted
	// too, and so another API can use the tokens that it receives here. Guards for
	// scopes restrict that only if each scope belongs to one API.
	AcceptMissingAudienceFrom []string
}

// source returns the issuer as package issuers reads it. It copies no slice.
func (i Issuer) source() issuers.Source {
	return issuers.Source{
		Domain: i.Domain, JWKSURI: i.JWKSURI, Keys: i.Keys.given(),
		Issuer: access.Issuer{Audiences: i.Audiences, Algorithms: i.Algorithms, Clients: i.AcceptMissingAudienceFrom},
	}
}

// resolver returns [APIConfig].ResolveIssuer for package issuers, nil for none.
func resolver(resolve func(context.Context, string) (*Issuer, error)) func(context.Context, string) (issuers.Source, bool, error) {
	if resolve == nil {
		return nil
	}
	return func(ctx context.Context, iss string) (issuers.Source, bool, error) {
		i, err := resolve(ctx, iss)
		switch {
		case err != nil:
			return issuers.Source{}, false, hookError(err, refusal.Forbidden, func(err error) error {
				return keys.Unavailable(ctx, fmt.Errorf("ResolveIssuer: %w", err))
			})
		case i == nil:
			return issuers.Source{}, false, nil
		}
		return i.source(), true, nil
	}
}
