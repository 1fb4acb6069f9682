package auth0

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/login"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
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

// tokens are what the token endpoint gave for a code.
type tokens struct {
	*oauth2.Token
	rawIDToken string
}

// A tokenClient is where a code is redeemed and what the request has to carry.
type tokenClient struct {
	target string
	proof  provider.Credentials
}

// tokenClient prepares to redeem the code of an answer, if it may have one.
func (s *Strategy) tokenClient(ctx context.Context, t *login.Transaction, a login.Answer) (tokenClient, error) {
	if !t.HasCode() || a.Code == "" || a.ErrorCode != "" {
		return tokenClient{}, nil
	}
	target, p, err := s.application.Authenticate(ctx, provider.TokenEndpoint)
	if err == nil {
		err = s.redeeming.Take()
	}
	return tokenClient{target, p}, err
}

// exchange redeems the code (RFC 6749, Section 4.1.3; RFC 7636, Section 4.5).
// The redirect URI is the one that was sent then, whatever the configuration
// says now. It is never tried twice: a code is good for one request.
func (s *Strategy) exchange(ctx context.Context, ep discovery.Metadata, c tokenClient, t *login.Transaction, code login.Code) (tokens, error) {
	config := s.oauth2(ep, t)
	config.Endpoint.TokenURL = c.target
	opts := append(c.proof.Configure(config), oauth2.VerifierOption(t.Verifier))
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.client)
	token, err := config.Exchange(ctx, string(code), opts...)
	if err != nil {
		err = provider.CodeError(ctx, err)
		s.redeeming.Settle(err)
		return tokens{}, err
	}
	s.redeeming.GiveBack() // a code that is good was not made up
	if kind := token.Type(); kind != "Bearer" {
		return tokens{}, refusal.TenantAnswer.Because("the token type is %.40q, not Bearer", kind)
	}
	const year = 365 * 24 * 60 * 60
	if token.ExpiresIn < 0 || token.ExpiresIn > year {
		return tokens{}, refusal.TenantAnswer.Because("expires_in is %d", token.ExpiresIn)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return tokens{}, refusal.TenantAnswer.Because("the token response has no id_token")
	}
	return tokens{token, raw}, nil
}
