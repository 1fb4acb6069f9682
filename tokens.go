package auth0

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/provider"
)

// ClientCredentials say what an application gets for itself, not for a person,
// by the client credentials grant (RFC 6749, Section 4.4). Allow the application
// the API in the dashboard.
type ClientCredentials struct {
	// Audience is the identifier of the API.
	Audience string
	// Organization is the id, or the name, of the organization to act for.
	Organization string
	// Scopes are what is asked for. None means all that are granted.
	Scopes []string
}

// ClientCredentials returns a source of access tokens for the application
// itself. A token is kept until it is about to expire; it is renewed in the
// background before, and one request gets it however many ask. Sources for the
// same share it. After a failure the tenant is left alone for a second, and
// longer if it fails again or asks for that.
//
// The errors of the source are of type [*Error]: [ErrGrantNotAllowed] if the tenant
// does not know the API, or does not let the application have what it asks for, and
// [ErrTenantUnavailable] with [Error].RetryAfter if it has had its quota of tokens.
func (s *Strategy) ClientCredentials(c ClientCredentials) oauth2.TokenSource {
	c.Scopes = slices.Sorted(slices.Values(c.Scopes))
	key, _ := json.Marshal(c) // three fields of text
	return ownTokenSource{s, string(key)}
}

// An ownTokenSource is a source of tokens for the application itself.
type ownTokenSource struct {
	strategy *Strategy
	key      string // of Strategy.ownTokens
}

func (o ownTokenSource) Token() (*oauth2.Token, error) {
	return o.get(func(v *cached.Value[provider.AppToken]) (provider.AppToken, error) {
		return v.Get(context.Background()) // which has a time limit
	})
}

// Renew replaces a token that is older than age and returns the new one. Package
// management looks for this method when the tenant rejects a token.
func (o ownTokenSource) Renew(ctx context.Context, age time.Duration) (*oauth2.Token, error) {
	return o.get(func(v *cached.Value[provider.AppToken]) (provider.AppToken, error) { return renewed(ctx, v, age) })
}

func (o ownTokenSource) get(ask func(*cached.Value[provider.AppToken]) (provider.AppToken, error)) (*oauth2.Token, error) {
	if err := o.strategy.ready(); err != nil {
		return nil, asError("token", err)
	}
	got, err := ask(o.strategy.ownTokens.Value(o.key))
	if err != nil {
		return nil, asError("token", grantError(err, ownRefusals))
	}
	return got.Token(), nil
}

// renewed returns a new token, or the cached one unless that is older than age.
func renewed(ctx context.Context, v *cached.Value[provider.AppToken], age time.Duration) (provider.AppToken, error) {
	if state := v.State(); state.OK && age > 0 && time.Since(state.FetchedAt) <= age {
		return state.Value, nil
	}
	return v.Refresh(ctx)
}

// maxOwnTokens bounds the tokens of the application itself. Beyond it, the one
// that was used longest ago is got again when it is next needed.
const maxOwnTokens = 1000

func (s *Strategy) newOwnTokens() *cached.Group[provider.AppToken] {
	return cached.NewGroup(maxOwnTokens, func(key string) *cached.Value[provider.AppToken] {
		var c ClientCredentials
		json.Unmarshal([]byte(key), &c)
		return s.application.ClientCredentials(c.Audience, c.Organization, c.Scopes)
	})
}
