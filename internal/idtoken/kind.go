package idtoken

import (
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/jsonscan"
	"github.com/seed-15d5a55c/auth0/internal/jwt"
)

// A tokenKind is a kind of token, as named in the token.
type tokenKind string

const (
	unnamedKind tokenKind = ""
	accessToken tokenKind = "access token"
	idToken     tokenKind = "ID token"
	logoutToken tokenKind = "logout token"
	otherToken  tokenKind = "refresh token"
)

// namedKind returns the kind that a token names, and the claim that names it.
// Keycloak uses typ, and Cognito token_use. With any other value the claim means
// something else and names no kind.
func namedKind(c *jwt.Claims) (kind tokenKind, claim string) {
	switch strings.ToLower(c.TypeClaim) {
	case "bearer", "dpop":
		return accessToken, "typ"
	case "id":
		return idToken, "typ"
	case "logout":
		return logoutToken, "typ"
	case "refresh", "offline":
		return otherToken, "typ"
	}
	switch c.TokenUse {
	case "access":
		return accessToken, "token_use"
	case "id":
		return idToken, "token_use"
	case "refresh":
		return otherToken, "token_use"
	}
	return unnamedKind, ""
}

// notNamed rejects claims that name another kind than the expected one.
func notNamed(c *jwt.Claims, wanted tokenKind) error {
	if kind, claim := namedKind(c); kind != unnamedKind && kind != wanted {
		return fault.Type.Because("the claim %s says that this is no %s but %s", claim, wanted, withArticle(kind))
	}
	return nil
}

func withArticle(k tokenKind) string {
	if k == accessToken || k == idToken {
		return "an " + string(k)
	}
	return "a " + string(k)
}

// hashOfIDToken returns the name of a claim that only ID tokens have, or an empty
// text. Each of these claims is a hash of a value that comes with an ID token (OpenID
// Connect Core 1.0, Sections 3.1.3.6 and 3.3.2.11; FAPI 1.0 Part 2, Section 5.1).
func hashOfIDToken(c *jwt.Claims) string {
	switch {
	case c.Has(jwt.AccessTokenHash):
		return "at_hash"
	case c.Has(jwt.CodeHash):
		return "c_hash"
	case c.Has(jwt.StateHash):
		return "s_hash"
	}
	return ""
}

// isSecurityEvent reports whether events is an object, as in a Security Event Token
// (RFC 8417, Section 2.2), such as a logout token. In another form, events is a claim
// of the application.
func isSecurityEvent(c *jwt.Claims) bool { return strings.HasPrefix(c.Events, "{") }

// IsAccessTokenType reports whether typ is the media type of an access token (RFC
// 9068, Section 2.1).
func IsAccessTokenType(typ string) bool {
	return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
}

// CheckAccessKind rejects tokens other than access tokens. Old versions of Keycloak
// put the nonce of the login into access tokens too. These name their kind, so a
// nonce decides only for a token that does not.
func CheckAccessKind(m jwt.Message, c *jwt.Claims) error {
	if err := notNamed(c, accessToken); err != nil {
		return err
	}
	if name := hashOfIDToken(c); name != "" {
		return fault.Type.Because("there is %s, which only ID tokens have", name)
	}
	named, _ := namedKind(c)
	explicit := IsAccessTokenType(m.Type) || named == accessToken
	switch {
	case isSecurityEvent(c) && (!explicit || isLogoutEvent(c.Events)):
		return fault.Type.Because("there is events, as in a logout token")
	case c.Has(jwt.Nonce) && !explicit:
		return fault.Type.Because("there is nonce, as in an ID token, and nothing says that this is an access token")
	}
	return nil
}

// checkIDTokenKind rejects tokens other than ID tokens. UserInfo is the URL of the
// UserInfo endpoint, which Auth0 puts into aud of access tokens.
func checkIDTokenKind(c *jwt.Claims, userInfo string) error {
	if err := notNamed(c, idToken); err != nil {
		return err
	}
	switch {
	case isSecurityEvent(c):
		return fault.Type.Because("there is events, as in a logout token")
	case userInfo != "" && slices.Contains(c.Audience, userInfo):
		return fault.Type.Because("aud has the UserInfo endpoint, as in an access token")
	case c.Has(jwt.Nonce) || hashOfIDToken(c) != "":
		return nil
	}
	if marks := accessMarks(c); len(marks) > 1 {
		return fault.Type.Because("there are %s, as in an access token", strings.Join(marks, " and "))
	}
	return nil
}

// accessMarks returns the names of the claims of access tokens (RFC 9068, Section
// 2.2; gty and permissions are claims of Auth0). An application can put each of them
// into its ID tokens, so a single one decides nothing.
func accessMarks(c *jwt.Claims) (names []string) {
	for _, mark := range [...]struct {
		has  bool
		name string
	}{
		{c.Has(jwt.Scope | jwt.Scp), "scope"}, {c.Has(jwt.ClientID), "client_id"},
		{c.Has(jwt.Permissions), "permissions"}, {c.Has(jwt.GrantType), "gty"},
	} {
		if mark.has {
			names = append(names, mark.name)
		}
	}
	return names
}

// checkLogoutKind rejects tokens other than logout tokens (OpenID Connect
// Back-Channel Logout 1.0, Section 2.4).
func checkLogoutKind(c *jwt.Claims) error {
	if err := notNamed(c, logoutToken); err != nil {
		return err
	}
	switch name := hashOfIDToken(c); {
	case !isLogoutEvent(c.Events):
		return fault.Type.Because("events does not have the logout event")
	case c.Has(jwt.Nonce):
		return fault.Type.Because("there is nonce, as in an ID token")
	case name != "":
		return fault.Type.Because("there is %s, which only ID tokens have", name)
	}
	if marks := accessMarks(c); len(marks) > 1 {
		return fault.Type.Because("there are %s, as in an access token", strings.Join(marks, " and "))
	}
	return nil
}

// isLogoutEvent reports whether events is an object with a member for the logout
// event, whose value is an object (OpenID Connect Back-Channel Logout 1.0, Section
// 2.4).
func isLogoutEvent(events string) bool {
	found := false
	err := jsonscan.Object(events, func(name, value string) error {
		if name == "http://schemas.openid.net/event/backchannel-logout" {
			found = strings.HasPrefix(value, "{")
		}
		return nil
	})
	return err == nil && found
}
