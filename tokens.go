package auth0

import (
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/prover"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// AccessToken returns an access token of a request's session, by default for the API
// of the login. If the token has expired or expires within 30 seconds, AccessToken
// refreshes it with the refresh token, which the session has if the login requested
// offline_access. Concurrent requests share one refresh (single-flight).
//
// It can write the session, so call it where [Strategy.SaveSession] can be called. If
// sessions are in cookies, a response that has begun cannot carry new tokens. This
// process then keeps them in memory, for at most 10,000 sessions, until a request shows
// that the browser has them. Other instances lack them, and with rotating refresh tokens
// the user may have to log in again: several instances need a [Store].
//
// If the token is bound to a key, its TokenType is DPoP. Use it only with
// [Strategy.Client], [ProofTransport] and [Application.UserInfo], because each request
// needs a proof. A token of [ForConnection] is always a bearer token.
//
// The error is [ErrNoSession] if the request has no session, and [ErrNoToken] if the
// session has no token, or no refresh token for a token that the login does not bring.
// It is [ErrTokenExpired] if only another login can bring a token: redirect the browser
// to the login route. The user stays logged in for pages. That error is also
// [ErrUserBlocked] if the tenant has blocked the account. It is [ErrMFARequired] if the
// tenant requires a second factor, see [MFA]. Other errors are temporary, or caused by
// settings. [ErrTenantUnavailable] has [Error].RetryAfter if the tenant sent it. A
// refresh rejected by the tenant is not repeated for a minute. After a rate limit, it is
// not repeated until RetryAfter, at most a minute.
//
// Sessions in cookies: if the tenant rotates refresh tokens, it can mistake concurrent
// requests with the old cookie for an attack. Within one process they get the new tokens
// for a minute. Several processes need a [Store], or an overlap period of 30 seconds or
// more in the tenant's settings.
func (s *Strategy) AccessToken(w http.ResponseWriter, r *http.Request, opts ...TokenOption) (*oauth2.Token, error) {
	t, key, err := s.accessToken(w, r, opts)
	if err != nil {
		return nil, asError("token", err)
	}
	token := &oauth2.Token{AccessToken: t.Token, TokenType: key.TokenType(), Expiry: time.Unix(t.ExpiresAt, 0)}
	if key.IsZero() {
		return token, nil
	}
	return prover.Attach(token, key, nil), nil
}

// accessToken returns the token that the options select, and the key to which it is bound.
func (s *Strategy) accessToken(w http.ResponseWriter, r *http.Request, opts []TokenOption) (session.Token, prover.Key, error) {
	wish, err := wishOf(opts)
	if err != nil {
		return session.Token{}, prover.Key{}, err
	}
	return s.visits.AccessToken(w, r, wish)
}

// TokenSource returns a source with the tokens of [Strategy.AccessToken] for a request.
// It is valid until the request is answered.
func (s *Strategy) TokenSource(w http.ResponseWriter, r *http.Request, opts ...TokenOption) oauth2.TokenSource {
	return tokenSourceFunc(func() (*oauth2.Token, error) { return s.AccessToken(w, r, opts...) })
}

type tokenSourceFunc func() (*oauth2.Token, error)

func (f tokenSourceFunc) Token() (*oauth2.Token, error) { return f() }

// Client returns an HTTP client that adds the access token of a request's session to
// its requests, and a proof if the token is bound to a key. Its Transport is a
// [*ProofTransport]. It has a timeout of 30 seconds. It does not follow redirects to
// another host or scheme, which would get the token too. It is valid until the request
// is answered.
func (s *Strategy) Client(w http.ResponseWriter, r *http.Request, opts ...TokenOption) *http.Client {
	return &http.Client{
		Transport: &ProofTransport{Source: s.TokenSource(w, r, opts...)},
		Timeout:   30 * time.Second,
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			if len(via) >= 10 || to.URL.Scheme != via[0].URL.Scheme || to.URL.Host != via[0].URL.Host {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}
