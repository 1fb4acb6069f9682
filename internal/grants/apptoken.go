package grants

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/cached"
	"github.com/seed-15d5a55c/auth0/internal/clientauth"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"golang.org/x/oauth2"
)

// An appToken is an access token of the application itself.
type appToken struct {
	value   secret.Text
	key     prover.Key
	scope   string
	expires time.Time
}

func (t appToken) token() *oauth2.Token {
	token := &oauth2.Token{AccessToken: t.value.Reveal(), TokenType: t.key.TokenType(), Expiry: t.expires}
	return prover.Attach(token, t.key, map[string]any{"scope": t.scope})
}

// An AppTokens is a source of access tokens for the application itself (client
// credentials). Concurrent callers share one request (single-flight), and the next token
// is requested in the background before the current one expires.
type AppTokens struct {
	find func() *cached.Value[appToken]
}

// Get returns the token. It requests one if none is cached, and returns the error of
// that request.
func (s AppTokens) Get(ctx context.Context) (*oauth2.Token, error) {
	return tokenOf(s.find().Get(ctx))
}

// Renew returns a new token, or the cached one unless it is older than age.
func (s AppTokens) Renew(ctx context.Context, age time.Duration) (*oauth2.Token, error) {
	return tokenOf(s.find().Renew(ctx, age))
}

// Drop deletes the cached token if it is the given one, which an API has rejected.
func (s AppTokens) Drop(rejected string) {
	s.find().Drop(func(t appToken) bool { return t.value.Reveal() == rejected })
}

func tokenOf(t appToken, err error) (*oauth2.Token, error) {
	if err != nil {
		return nil, err
	}
	return t.token(), nil
}

// NewAppTokens returns the source of a client's tokens for an API, with all granted
// scopes.
func NewAppTokens(c *provider.Client, audience string) AppTokens {
	v := appCredentials{Audience: audience}.cached(c)
	return AppTokens{func() *cached.Value[appToken] { return v }}
}

// AppTokens returns the source of the tokens for an API. Sources with the same arguments
// share the token.
func (g *Grants) AppTokens(audience, organization string, scopes []string) AppTokens {
	key, _ := json.Marshal(appCredentials{audience, organization, slices.Sorted(slices.Values(scopes))}) // texts, so it cannot fail
	return AppTokens{func() *cached.Value[appToken] { return g.apps.Value(string(key)) }}
}

// maxAppTokens bounds the tokens of one application. Beyond it, the least recently used
// token is dropped, and requested again on its next use.
const maxAppTokens = 1000

// newAppTokens returns the tokens of a client by their appCredentials as JSON.
func newAppTokens(c *provider.Client) *cached.Group[appToken] {
	return cached.NewGroup(maxAppTokens, func(key string) *cached.Value[appToken] {
		var credentials appCredentials
		json.Unmarshal([]byte(key), &credentials)
		return credentials.cached(c)
	})
}

// appCredentials are a request of the client credentials grant (RFC 6749, Section 4.4).
type appCredentials struct {
	Audience     string
	Organization string
	Scopes       []string
}

// key returns the key to which the token is bound. Auth0's Management API takes bearer
// tokens only.
func (a appCredentials) key(c *provider.Client) prover.Key {
	if c.IsManagementAPI(a.Audience) {
		return prover.Key{}
	}
	return c.Proofs.ForProgram()
}

// cached keeps a token. It is refreshed after four fifths of its life.
func (a appCredentials) cached(c *provider.Client) *cached.Value[appToken] {
	return cached.New(func(ctx context.Context) (appToken, cached.Life, error) {
		if c.Auth.Name == clientauth.PublicClient {
			return appToken{}, cached.Life{}, refusal.Misconfigured.Because("a public client gets no token for itself; for the Management API set Config.ManagementClientID and ManagementClientSecret")
		}
		scope := strings.Join(a.Scopes, " ")
		form := provider.GrantForm("client_credentials")
		provider.SetText(form, "audience", a.Audience)
		provider.SetText(form, "organization", a.Organization)
		provider.SetText(form, "scope", scope)
		got, err := c.Tokens(ctx, a.key(c), form)
		if err != nil {
			return appToken{}, cached.Life{}, err
		}
		life := got.Life()
		t := appToken{secret.OfText(got.AccessToken), got.Key, got.Granted(scope), time.Now().Add(life).Round(0)}
		return t, cached.Life{Due: life * 4 / 5, Stale: life - life/20}, nil
	}, cached.Policy{
		Timeout:    fetch.Limit(c.HTTP, fetch.Timeout, 2), // discovery can come first
		MinBackoff: time.Second, MaxBackoff: time.Minute, MaxRetryAfter: time.Minute,
	})
}
