package auth0

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/renew"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A TokenOption says which access token of a session is wanted. One with an empty
// value is an error of whatever it is given to: with a setting that is missing, a
// token must not go to the wrong place.
type TokenOption interface{ applyToken(*tokenWish) }

type tokenOption func(*tokenWish)

func (o tokenOption) applyToken(w *tokenWish) { o(w) }

// ForAudience asks for a token for another API than the one that the login was
// for, and with at least these scopes. The tenant gives it for a multi-resource
// refresh token: allow the application the API in its refresh token policies. Each
// audience and set of scopes is kept in the session until it expires, eight of
// them at most.
func ForAudience(audience string, scopes ...string) TokenOption {
	scopes = slices.Clone(scopes)
	return tokenOption(func(w *tokenWish) {
		if audience == "" {
			w.fail("ForAudience: the audience is empty")
		}
		w.Audience, w.Scopes = audience, scopes
	})
}

// ForceRefresh asks for a token that is new, for the case that claims in it have
// changed. If only a login can bring one, the error is [ErrTokenExpired].
func ForceRefresh() TokenOption { return tokenOption(func(w *tokenWish) { w.Force = true }) }

// ForConnection asks for an access token of the provider of a connection, to
// call that provider's API as the person who is logged in. They connect their
// account there with [Strategy.ConnectAccountHandler], also if they log in with it:
// a login puts nothing into the tenant's Token Vault, from where the token comes.
// The tenant gives it for the refresh token of the session, which must not be a
// rotating one. Allow the application the Token Vault grant, and the connection
// the Token Vault.
//
// A person may have several accounts at the provider; loginHint, of which there
// is one at most, says which one is wanted.
//
// Each token is kept in the session until it expires, eight of them at most.
// The error is [ErrNoToken] if the session has no refresh token, and
// [ErrNotConnected] if there is no account, or the provider does not accept it
// any more, and [ErrTokenExpired] if the tenant gives the person nothing without
// another login.
func ForConnection(connection string, loginHint ...string) TokenOption {
	loginHint = slices.Clone(loginHint)
	return tokenOption(func(w *tokenWish) {
		w.Connection, w.LoginHint = connection, strings.Join(loginHint, "")
		switch {
		case connection == "":
			w.fail("ForConnection: the name of the connection is empty")
		case !syntax.IsConnectionName(connection):
			w.fail("ForConnection: %.40q is no name of a connection", connection)
		case len(loginHint) > 1:
			w.fail("ForConnection: there are %d login hints, and one account at most is wanted", len(loginHint))
		case len(w.LoginHint) > 320 || !syntax.CleanText(w.LoginHint):
			w.fail("ForConnection: the login hint is too long or has control characters")
		}
	})
}

// A tokenWish is what options ask for, and what is wrong with them.
type tokenWish struct {
	renew.Wish
	errs []error
}

func newTokenWish(opts []TokenOption) (renew.Wish, error) {
	var w tokenWish
	for _, o := range opts {
		if o == nil {
			w.fail("a token option is nil")
			continue
		}
		o.applyToken(&w)
	}
	if w.Connection != "" && (w.Audience != "" || len(w.Scopes) > 0) {
		w.fail("ForConnection and ForAudience ask for different tokens")
	}
	if len(w.errs) > 0 {
		return renew.Wish{}, refusal.Internal.Wrap(errors.Join(w.errs...))
	}
	return w.Wish, nil
}

func (w *tokenWish) fail(format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf(format, args...))
}

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
