package auth0

import (
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/session"
)

// AccessToken returns an access token of a request's session, by default for the
// API that the login was for. If it has expired, or is about to, a new one is
// got with the refresh token, which the session has if the login had the scope
// offline_access. However many requests of a session ask, the tenant is asked
// once.
//
// It must be called before the first byte of the response is written, because
// it may have to write the session.
//
// The error is [ErrNoSession] if nobody is logged in, [ErrNoToken] if there is
// no token, and [ErrTokenExpired] if the person has to log in again to get
// another; they remain logged in for pages. That error is [ErrUserBlocked] too if
// the tenant says that it has blocked the account. It is [ErrMFARequired] if the
// tenant wants a second factor first; see [MFA]. Others are temporary, or mistakes
// in the settings; [ErrTenantUnavailable] has [Error].RetryAfter if the tenant has
// said when to come back. What the tenant has refused is not asked again for a
// minute, or, if it has had enough, for as long as it wants.
//
// Sessions in cookies: the token endpoint may give a new refresh token each time
// (rotation) and take the old one for an attack, while other requests with the
// old cookie are under way. One process gives them the new tokens for a minute.
// Several processes need a [Store], or an overlap period of 30 seconds or more in
// the tenant's settings.
func (s *Strategy) AccessToken(w http.ResponseWriter, r *http.Request, opts ...TokenOption) (*oauth2.Token, error) {
	t, err := s.accessToken(w, r, opts)
	if err != nil {
		return nil, asError("token", err)
	}
	return &oauth2.Token{AccessToken: t.Token, TokenType: t.Type, Expiry: time.Unix(t.ExpiresAt, 0)}, nil
}

// accessToken finds the session of a request, and sends the session that has changed.
func (s *Strategy) accessToken(w http.ResponseWriter, r *http.Request, opts []TokenOption) (session.Token, error) {
	wish, err := newTokenWish(opts)
	if err != nil {
		return session.Token{}, err
	}
	record, err := s.visits.Current(w, r)
	if err != nil {
		return session.Token{}, err
	}
	token, newest, err := s.tokens.Get(r.Context(), record, wish)
	if newest != nil {
		if err := s.sessions.SendTokens(w, s.visits.Jar(r), record, newest); err != nil {
			return session.Token{}, err
		}
	}
	return token, err
}

// TokenSource returns a source of the tokens that [Strategy.AccessToken] returns
// for a request. It is good until the request is answered.
func (s *Strategy) TokenSource(w http.ResponseWriter, r *http.Request, opts ...TokenOption) oauth2.TokenSource {
	return tokenSourceFunc(func() (*oauth2.Token, error) { return s.AccessToken(w, r, opts...) })
}

type tokenSourceFunc func() (*oauth2.Token, error)

func (f tokenSourceFunc) Token() (*oauth2.Token, error) { return f() }

// Client returns an HTTP client that adds the access token of a request's session
// to what it sends. It does not follow redirects to another host, which would
// get the token too. It is good until the request is answered.
func (s *Strategy) Client(w http.ResponseWriter, r *http.Request, opts ...TokenOption) *http.Client {
	return &http.Client{
		Transport: &oauth2.Transport{Source: s.TokenSource(w, r, opts...)},
		Timeout:   30 * time.Second,
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			if len(via) >= 10 || to.URL.Scheme != via[0].URL.Scheme || to.URL.Host != via[0].URL.Host {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}
