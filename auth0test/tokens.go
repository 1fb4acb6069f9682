package auth0test

import (
	"strings"
	"time"
)

// A TokenOption changes a token of [Tenant.AccessToken], [Tenant.IDToken] or
// [Tenant.LogoutToken].
type TokenOption func(header, claims map[string]any)

// AccessToken returns an access token for the API of the last
// [Tenant.APIConfig]. Without options it is for ada@acme.example, is valid for an
// hour, and has no scope and no permission.
func (t *Tenant) AccessToken(options ...TokenOption) string {
	t.mu.Lock()
	audience := t.audience
	t.mu.Unlock()
	subject, _ := t.t.Subject("ada@acme.example")
	return t.t.AccessToken(subject, audience, func(header, claims map[string]any) {
		delete(claims, "permissions")
		delete(claims, "scope")
		claims["azp"] = clientID
		claims["exp"] = time.Now().Add(time.Hour).Unix()
		for _, o := range options {
			o(header, claims)
		}
	})
}

// IDToken returns an ID token of ada@acme.example for the application. APIs must
// reject it.
func (t *Tenant) IDToken(options ...TokenOption) string {
	subject, _ := t.t.Subject("ada@acme.example")
	return t.t.IDToken(clientID, subject, func(header, claims map[string]any) {
		for _, o := range options {
			o(header, claims)
		}
	})
}

// LogoutToken returns a logout token (OpenID Connect Back-Channel Logout 1.0) as
// the tenant posts it when all sessions of ada@acme.example end. To end one session,
// set the claim sid.
func (t *Tenant) LogoutToken(options ...TokenOption) string {
	return t.t.LogoutToken(clientID, "ada@acme.example", "", func(header, claims map[string]any) {
		for _, o := range options {
			o(header, claims)
		}
	})
}

// Subject sets sub.
func Subject(sub string) TokenOption { return Claim("sub", sub) }

// Scope sets scope.
func Scope(scopes ...string) TokenOption { return Claim("scope", strings.Join(scopes, " ")) }

// Permissions sets permissions.
func Permissions(permissions ...string) TokenOption { return Claim("permissions", permissions) }

// ExpiresIn sets exp, relative to now. A negative duration makes an expired token.
func ExpiresIn(d time.Duration) TokenOption {
	return func(_, claims map[string]any) { claims["exp"] = time.Now().Add(d).Unix() }
}

// Claim sets a claim. The value nil removes it.
func Claim(name string, value any) TokenOption {
	return func(_, claims map[string]any) {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
}

// Header sets a header parameter. The value nil removes it.
func Header(name string, value any) TokenOption {
	return func(header, _ map[string]any) { header[name] = value }
}
