package auth0

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/provider"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/session"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"golang.org/x/oauth2"
)

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
		w.connection, w.loginHint = connection, strings.Join(loginHint, "")
		switch {
		case connection == "":
			w.fail("ForConnection: the name of the connection is empty")
		case !syntax.IsConnectionName(connection):
			w.fail("ForConnection: %.40q is no name of a connection", connection)
		case len(loginHint) > 1:
			w.fail("ForConnection: there are %d login hints, and one account at most is wanted", len(loginHint))
		case len(w.loginHint) > 320 || !syntax.CleanText(w.loginHint):
			w.fail("ForConnection: the login hint is too long or has control characters")
		}
	})
}

// ConnectionToken is what [ForConnection] asks for, for an access token that an
// API has received, instead of a session. The application must be linked to
// that API at the tenant. Nothing is kept: ask once for each use, or keep the
// token until its Expiry.
func (s *Strategy) ConnectionToken(ctx context.Context, accessToken, connection, loginHint string) (*oauth2.Token, error) {
	if accessToken == "" {
		return nil, asError("token", refusal.SessionToken.Because("there is no access token to exchange"))
	}
	if err := s.ready(); err != nil {
		return nil, asError("token", err)
	}
	wish, err := newTokenWish([]TokenOption{ForConnection(connection, loginHint)})
	if err != nil {
		return nil, asError("token", err)
	}
	v, err := s.exchangeForConnection(ctx, accessToken, tokenTypeAccessToken, wish)
	if err != nil {
		return nil, asError("token", connectionTokenError(err))
	}
	return &oauth2.Token{AccessToken: v.Token, TokenType: "Bearer", Expiry: time.Unix(v.ExpiresAt, 0)}, nil
}

// vaulted returns the place of the token for a wish, -1 if there is none.
func vaulted(r *session.Record, wish tokenWish) int {
	return slices.IndexFunc(r.Vault, func(v session.VaultToken) bool { return v.Connection == wish.connection && v.Hint == wish.loginHint })
}

// vaultToken returns the token for a wish that is good at a time.
func vaultToken(r *session.Record, wish tokenWish, at time.Time) (session.Token, bool) {
	i := vaulted(r, wish)
	if i < 0 || r.Vault[i].ExpiresAt <= at.Unix() {
		return session.Token{}, false
	}
	v := r.Vault[i]
	return session.Token{Scope: v.Scope, Type: "Bearer", Token: v.Token, ExpiresAt: v.ExpiresAt}, true
}

// keepVaultToken puts a token in the place of the one it replaces. Beyond eight,
// the one that expires first is dropped.
func keepVaultToken(r *session.Record, wish tokenWish, v session.VaultToken) {
	const most = 8
	dropVaultToken(r, wish)
	r.Vault = append(r.Vault, v)
	if len(r.Vault) > most {
		first := 0
		for i := range r.Vault[:most] { // not the new one
			if r.Vault[i].ExpiresAt < r.Vault[first].ExpiresAt {
				first = i
			}
		}
		r.Vault = slices.Delete(r.Vault, first, first+1)
	}
	r.Refreshes++
}

func dropVaultToken(r *session.Record, wish tokenWish) {
	if i := vaulted(r, wish); i >= 0 {
		r.Vault = slices.Delete(r.Vault, i, i+1)
		r.Refreshes++
	}
}

// connectionToken is accessToken for the token of a third party. What the
// session ends with does not bound its life: the provider has said how long it
// is good.
func (s *Strategy) connectionToken(w http.ResponseWriter, r *http.Request, record *session.Record, wish tokenWish) (session.Token, error) {
	if t, ok := vaultToken(record, wish, s.now().Add(refreshEarly)); ok && !wish.force {
		return t, nil
	}
	if record.RefreshToken == "" && !s.sessions.HasStore() {
		return session.Token{}, refusal.SessionToken.Because("the session has no refresh token; ask for offline_access at the login")
	}
	changed, err := s.refreshing.do(r.Context(), wish.key(record.ID), func(ctx context.Context) (*session.Record, error) {
		return s.renewVaultToken(ctx, record, wish)
	})
	// Also if it has failed: then the token that is no good is gone.
	if changed != nil {
		if err := s.sessions.SendTokens(w, s.visits.Jar(r), record, changed); err != nil {
			return session.Token{}, err
		}
	}
	if err != nil {
		if t, ok := vaultToken(record, wish, s.now()); ok && !isRefused(err, refusal.LoginRequired) && changed == nil {
			s.log.Warn("auth0: a token of a third party could not be renewed before it expires", "err", err)
			return t, nil
		}
		return session.Token{}, err
	}
	if t, ok := vaultToken(changed, wish, s.now()); ok {
		return t, nil
	}
	return session.Token{}, refusal.TenantAnswer.Because("the tenant gave a token that has expired")
}

// renewVaultToken exchanges the refresh token, unless somebody else has. A
// refusal comes with the session as it is without the token.
func (s *Strategy) renewVaultToken(ctx context.Context, record *session.Record, wish tokenWish) (*session.Record, error) {
	var refused error
	changed, err := s.sessions.Change(ctx, record, func(newest *session.Record) error {
		enough := !wish.force || newest.Refreshes > record.Refreshes
		if _, ok := vaultToken(newest, wish, s.now().Add(refreshEarly)); ok && enough {
			return session.ErrUnchanged
		}
		if newest.RefreshToken == "" {
			return refusal.SessionToken.Because("the session has no refresh token; ask for offline_access at the login")
		}
		v, err := s.exchangeForConnection(ctx, newest.RefreshToken, tokenTypeRefreshToken, wish)
		if err == nil {
			keepVaultToken(newest, wish, v)
			return nil
		}
		err = connectionTokenError(err)
		if e := asError("token", err); e.TenantStatus == 0 || e.Reason == refusal.TenantDown.Reason {
			return err // temporary; what there is stays
		}
		refused = err
		if vaulted(newest, wish) < 0 {
			return session.ErrUnchanged
		}
		dropVaultToken(newest, wish)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, refused
}

// What Auth0 calls the exchange.
const (
	grantTokenVault     = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
	requestedVaultToken = "http://auth0.com/oauth/token-type/federated-connection-access-token"
)

func (s *Strategy) exchangeForConnection(ctx context.Context, subject, kind string, wish tokenWish) (session.VaultToken, error) {
	form := url.Values{
		"grant_type":           {grantTokenVault},
		"subject_token":        {subject},
		"subject_token_type":   {kind},
		"requested_token_type": {requestedVaultToken},
		"connection":           {wish.connection},
	}
	if wish.loginHint != "" {
		form.Set("login_hint", wish.loginHint)
	}
	got, err := s.application.Tokens(ctx, form)
	if err != nil {
		return session.VaultToken{}, err
	}
	v := session.VaultToken{Connection: wish.connection, Hint: wish.loginHint, Token: got.AccessToken, ExpiresAt: s.now().Add(got.Life()).Unix()}
	if got.Scope != nil {
		v.Scope = *got.Scope
	}
	return v, nil
}

// connectionTokenError says what a refusal means. With 401 the tenant tells
// that there is no account, or that it has none of the tokens that it would
// need, and there are several codes for it; other refusals are about what the
// application may do.
func connectionTokenError(err error) error {
	if e, ok := provider.Answered(err); ok && e.Status == http.StatusUnauthorized && !slices.Contains([]string{"access_denied", "invalid_client", "unauthorized"}, e.Code) {
		return e.Refusal(refusal.NotConnected)
	}
	return refreshError(err)
}
