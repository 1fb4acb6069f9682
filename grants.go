package auth0

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/grants"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenanterror"
	"golang.org/x/oauth2"
)

// ClientCredentials describe an access token for the application itself, not for a
// user (grant type client_credentials, RFC 6749, Section 4.4), also called
// machine-to-machine. Authorize the application for the API in the dashboard.
type ClientCredentials struct {
	// Audience is the identifier of the API.
	Audience string
	// Organization is the id, or the name, of the organization to act for. It can be
	// empty.
	Organization string
	// Scopes are the requested scopes. Default: all granted scopes.
	Scopes []string
}

// ClientCredentials returns a source of access tokens for the application itself. The
// token is cached, and refreshed in the background after four fifths of its life.
// Concurrent callers share one request (single-flight), and equal sources share one
// token. After a failure the source waits for a second, and for up to a minute after
// further failures or a Retry-After. [Application.DropToken] removes a token that an API
// has rejected.
//
// The errors of the source are of type [*Error]. The error is [ErrGrantNotAllowed] if
// the tenant does not know the API, or does not grant the request to the application.
// It is [ErrTenantUnavailable] with [Error].RetryAfter if the application has used up
// its quota of tokens.
func (a *Application) ClientCredentials(c ClientCredentials) oauth2.TokenSource {
	source := appTokenSource{application: a}
	if a.ready() == nil {
		source.tokens = a.grants.AppTokens(c.Audience, c.Organization, c.Scopes)
	}
	return source
}

// DropToken removes a token of [Application.ClientCredentials] from the cache, after an
// API has rejected it although it has not expired: the tenant's keys were revoked, or
// the application was granted more scopes. The next call of Token of an equal source
// requests a new token. If the cache already has another token, DropToken does nothing.
// So many callers with the same rejected token cause one request.
//
// Drop a token once per call of the API, because tenants limit, and charge for, tokens
// of applications. A client of [oauth2.NewClient] caches a token until it expires. Use a
// client with the transport &ProofTransport{Source: source} instead.
func (a *Application) DropToken(c ClientCredentials, rejected *oauth2.Token) {
	if a.ready() == nil && rejected != nil {
		a.grants.AppTokens(c.Audience, c.Organization, c.Scopes).Drop(rejected.AccessToken)
	}
}

// An appTokenSource is a source of tokens for the application itself.
type appTokenSource struct {
	application *Application
	tokens      grants.AppTokens
}

func (o appTokenSource) Token() (*oauth2.Token, error) {
	return o.get(func() (*oauth2.Token, error) { return o.tokens.Get(context.Background()) }) // Get has a time limit
}

// Renew replaces a token that is older than age and returns the new one. Package
// management calls this method when the tenant rejects a token.
func (o appTokenSource) Renew(ctx context.Context, age time.Duration) (*oauth2.Token, error) {
	return o.get(func() (*oauth2.Token, error) { return o.tokens.Renew(ctx, age) })
}

func (o appTokenSource) get(ask func() (*oauth2.Token, error)) (*oauth2.Token, error) {
	return op("token", o.application, func() (*oauth2.Token, error) {
		got, err := ask()
		return got, tenanterror.Meaning(tenanterror.AppToken, err)
	})
}

// ConnectionToken returns the token of [ForConnection] for an access token that an
// API has received, instead of a session. The application must be linked to that API
// at the tenant. LoginHint can be empty. Nothing is cached: make one call for each
// use, or keep the token until its Expiry.
func (a *Application) ConnectionToken(ctx context.Context, accessToken, connection, loginHint string) (*oauth2.Token, error) {
	return op("token", a, func() (*oauth2.Token, error) {
		if accessToken == "" {
			return nil, refusal.SessionToken.Because("the access token is empty")
		}
		wish, err := wishOf([]TokenOption{ForConnection(connection, loginHint)})
		if err != nil {
			return nil, err
		}
		t, err := a.vault.Exchange(ctx, accessToken, wish)
		if err != nil {
			return nil, err
		}
		return &oauth2.Token{AccessToken: t.Token, TokenType: "Bearer", Expiry: time.Unix(t.ExpiresAt, 0)}, nil
	})
}

// Grant makes a token request with a grant type for which there is no other method. The
// client authenticates as in other requests. Client authentication parameters and
// repeated parameters are rejected. So is the grant type authorization_code:
// [Application.Exchange] verifies its responses.
//
// The token is not verified. Token.Extra returns any member of the response.
func (a *Application) Grant(ctx context.Context, grantType string, params url.Values) (*oauth2.Token, error) {
	return op("token", a, func() (*oauth2.Token, error) {
		r, err := grants.Custom(grantType, params)
		if err != nil {
			return nil, err
		}
		return a.tokenByGrant(ctx, r)
	})
}

// tokenByGrant makes a token request and returns the token.
func (a *Application) tokenByGrant(ctx context.Context, r *grants.Request) (*oauth2.Token, error) {
	got, err := a.grants.Send(ctx, r)
	if err != nil {
		return nil, err
	}
	return got.Token(a.now()), nil
}

// LoginWithPassword logs in with the resource owner password credentials grant (grant
// type password, RFC 6749, Section 4.3). With WithConnection it is password-realm,
// Auth0's grant for a given connection. The ID token is verified as after any login.
// [Strategy.StartSession] then starts a session.
//
// It is for migrating old applications with their own password forms. It has no
// single sign-on and no identity providers, and the tenant can tell users from bots
// only by their addresses. A new application should use [Strategy.LoginHandler]. If
// [Config].LoginOptions require an organization, an age or an acr, the login fails,
// because the grant cannot prove them. Protect the form against posts from other
// sites, for example with [http.CrossOriginProtection]: otherwise an attacker could
// log visitors in to another account.
//
// [WithConnection] names the user's database, or another connection with passwords.
// Default: the tenant's default directory. [WithAudience] and [WithScopes] replace
// the values of the [Config]. The [Login] has the values of [WithReturnTo] and
// [WithAppState]. See [WithForwardedFor] too. Options that need a page of the tenant
// are an error.
//
// Handle [ErrWrongCredentials], [ErrTooManyAttempts], [ErrUserBlocked],
// [ErrGrantNotAllowed] and [ErrMFARequired]. After the Reasons password_leaked and
// verification_required, send the user to the login page.
func (a *Application) LoginWithPassword(ctx context.Context, username, password string, opts ...LoginOption) (*Login, error) {
	return op("login", a, func() (*Login, error) {
		return a.login(a.logins.Password(ctx, username, password, optionsOf(opts)))
	})
}

// A PasswordlessLogin is the recipient of a code or a link. Exactly one field must be
// set. The tenant needs the connection email or sms.
type PasswordlessLogin struct {
	Email       string
	PhoneNumber string // with the country code: "+442079460000"
}

func (p PasswordlessLogin) recipient() grants.Recipient {
	return grants.Recipient{Email: p.Email, PhoneNumber: p.PhoneNumber}
}

// SendCode sends a code for [Application.LoginWithCode] by email or text message. The
// result does not reveal whether the address has an account. The error is
// [ErrGrantNotAllowed] if the tenant has no such connection. Its Reason is
// bad_address if the tenant cannot send to the address.
//
// Every call sends a message. The tenant limits messages by the address of the
// caller, see [WithForwardedFor]. Protect the form against posts from other sites.
func (a *Application) SendCode(ctx context.Context, to PasswordlessLogin, opts ...LoginOption) error {
	return do("login", a, func() error { return a.logins.SendCode(ctx, to.recipient(), optionsOf(opts)) })
}

// LoginWithCode logs in with a code (grant type passwordless/otp) that
// [Application.SendCode] sent to the same address. The error is [ErrWrongCredentials] if
// the code is wrong or expired. It accepts the options of
// [Application.LoginWithPassword], except [WithConnection].
func (a *Application) LoginWithCode(ctx context.Context, to PasswordlessLogin, code string, opts ...LoginOption) (*Login, error) {
	return op("login", a, func() (*Login, error) {
		return a.login(a.logins.Code(ctx, to.recipient(), code, optionsOf(opts)))
	})
}

// SendLink emails a link that logs in, and returns the login transaction. The program
// keeps the transaction for the browser that made the request, and
// [Application.Exchange] completes the login with it. RedirectURI and options are as
// in [Application.AuthCodeURL]. A web application uses [Strategy.SendLink].
func (a *Application) SendLink(ctx context.Context, redirectURI string, to PasswordlessLogin, opts ...LoginOption) (transaction string, err error) {
	return op("login", a, func() (string, error) {
		return a.logins.SendLink(ctx, redirectURI, to.recipient(), optionsOf(opts))
	})
}

// A TokenExchange is a request to exchange one token for another (RFC 8693, Section
// 2.1). Formatting or logging it does not show the tokens, unless it is in an
// unexported field of another struct, see [Config].
type TokenExchange struct {
	// SubjectToken is the token to exchange. Without SubjectTokenType it is an access
	// token of the tenant: an API then calls another API on behalf of the user who
	// called it. For other tokens, SubjectTokenType is the URI of a token exchange
	// profile of the tenant.
	SubjectToken     string
	SubjectTokenType string
	// ActorToken and ActorTokenType identify the party that acts for the subject, if it
	// is not the application itself.
	ActorToken     string
	ActorTokenType string
	// RequestedTokenType is the requested kind of token. Default: an access token.
	RequestedTokenType string

	// Audience is the identifier of the API that the new token is for.
	Audience string
	// Scopes are the requested scopes. Without any, the tenant chooses.
	Scopes []string
	// Organization is the id, or the name, of the organization to log in to.
	Organization string
	// ForwardedFor is the address of the user, see [WithForwardedFor].
	ForwardedFor netip.Addr
	// Extra are further parameters, for the Action of the profile.
	Extra url.Values
}

// Format hides the tokens from every verb of package fmt.
func (x TokenExchange) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth0.TokenExchange(%q for %q)", x.SubjectTokenType, x.Audience)
}

// MarshalJSON hides the tokens from packages json and slog.
func (x TokenExchange) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// ExchangeToken exchanges a token for another one (grant type token-exchange, RFC
// 8693; at Auth0 Custom Token Exchange and On-Behalf-Of). The Reason of the error is
// subject_token if the tenant rejects the given token. The error is
// [ErrGrantNotAllowed] if the exchange is not allowed for the application.
//
// The new token is not verified here: its API verifies it. Token.Extra returns any
// member of the response, such as issued_token_type. Nothing is cached.
func (a *Application) ExchangeToken(ctx context.Context, x TokenExchange) (*oauth2.Token, error) {
	return op("token", a, func() (*oauth2.Token, error) {
		r, err := grants.Exchange(x).Request()
		if err != nil {
			return nil, err
		}
		return a.tokenByGrant(ctx, r)
	})
}

// LoginWithToken exchanges a token for a login, by a token exchange profile that sets
// the user. Default of Scopes and Audience: the values of the Config.
func (a *Application) LoginWithToken(ctx context.Context, x TokenExchange) (*Login, error) {
	return op("login", a, func() (*Login, error) { return a.login(a.logins.Exchange(ctx, grants.Exchange(x))) })
}
