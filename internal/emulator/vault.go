package emulator

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The names of the Token Vault exchange.
const (
	vaultGrant        = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
	vaultTokenType    = "http://auth0.com/oauth/token-type/federated-connection-access-token"
	typeRefreshToken  = "urn:ietf:params:oauth:token-type:refresh_token"
	typeAccessToken   = "urn:ietf:params:oauth:token-type:access_token"
	vaultTokenDefault = time.Hour
)

var errNoAccount = &tokenError{http.StatusUnauthorized, oauthError{"federated_connection_refresh_token_not_found", "Federated connection Refresh Token not found."}}

// A vault hands out the tokens of third parties (Token Vault).
type vault struct {
	*site
	directory     *directory
	keys          *keys
	providers     *providers
	refreshTokens *refreshTokens
}

// exchangeForConnection gives out a token of a third party for a token of the
// tenant.
func (v *vault) exchangeForConnection(c *Client, form url.Values) (map[string]any, *tokenError) {
	switch {
	case form.Get("requested_token_type") == "":
		return nil, badRequest("requested_token_type is required")
	case form.Get("requested_token_type") != vaultTokenType:
		return nil, badRequest("requested_token_type is not supported")
	case form.Get("connection") == "":
		return nil, badRequest("connection is required")
	case c.Public, c.ThirdParty, c.RotatingRefreshTokens:
		return nil, denied("The application is not allowed to exchange tokens of connections.")
	}
	subject, err := v.subjectOfToken(c, form.Get("subject_token"), form.Get("subject_token_type"))
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	conn := v.directory.data.connection(form.Get("connection"))
	v.mu.Unlock()
	if conn == nil || !conn.ConnectedAccounts {
		return nil, errNoAccount
	}
	accounts, hint := v.directory.accountsOf(subject, conn.Name), form.Get("login_hint")
	i := slices.IndexFunc(accounts, func(a thirdParty) bool { return hint == "" || strings.EqualFold(a.email, hint) || a.id == hint })
	if i < 0 {
		return nil, errNoAccount
	}
	account, ok := v.freshAccount(conn, accounts[i])
	if !ok {
		return nil, errNoAccount
	}
	left := vaultTokenDefault
	if !account.expires.IsZero() {
		left = account.expires.Sub(v.now())
	}
	return map[string]any{"access_token": account.token, "scope": account.scope, "expires_in": int64(left / time.Second),
		"issued_token_type": vaultTokenType, "token_type": "Bearer"}, nil
}

func (v *vault) subjectOfToken(c *Client, token, kind string) (string, *tokenError) {
	switch kind {
	case typeRefreshToken:
		rt, err := v.refreshTokens.useRefreshToken(c, token)
		if err != nil {
			return "", errNoAccount
		}
		return rt.user, nil
	case typeAccessToken:
		// Only the API that the token is for may do this.
		claims, err := v.keys.verify(token)
		if err != nil || expired(claims, v.now()) || c.ResourceServer == "" || !slices.Contains(audiences(claims), c.ResourceServer) {
			return "", errNoAccount
		}
		subject, _ := claims["sub"].(string)
		return subject, nil
	}
	return "", badRequest("subject_token_type is not supported")
}

// freshAccount refreshes a token that has expired, if the provider lets it.
func (v *vault) freshAccount(c *Connection, a thirdParty) (thirdParty, bool) {
	if a.expires.IsZero() || v.now().Before(a.expires) {
		return a, true
	}
	if a.refresh == "" || !c.isLive() {
		return a, false
	}
	got, err := v.providers.upstreamTokens(context.Background(), c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.refresh}})
	if err != nil {
		return a, false
	}
	next := got.account(v.now())
	a.token, a.life, a.expires = next.token, next.life, next.expires
	if next.refresh != "" {
		a.refresh = next.refresh
	}
	v.directory.keepAccount(a)
	return a, true
}
