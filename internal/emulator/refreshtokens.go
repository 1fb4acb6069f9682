package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// refreshTokens issues, rotates and revokes refresh tokens.
type refreshTokens struct {
	*site
	directory *directory
	settings  *settings
	tokens    *tokens

	refresh *bounded[refreshToken]
}

// A refreshToken belongs to a family: the tokens that followed one another by
// rotation, and the code they all come from.
type refreshToken struct {
	grant
	created  time.Time // of the family, which rotation does not extend
	lastUsed time.Time
	rotated  time.Time // when the next one was issued; zero for the youngest
	next     string
}

const (
	refreshAbsolute = 30 * 24 * time.Hour
	refreshIdle     = 15 * 24 * time.Hour
)

var errRefreshToken = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Unknown or invalid refresh token."}}

// newRefreshToken issues a refresh token. A non-rotating one serves until it
// expires.
func (rf *refreshTokens) newRefreshToken(c *Client, g grant, created time.Time) string {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return rf.putRefreshToken(c, g, created)
}

// putRefreshToken is newRefreshToken for a caller who holds the lock. The token of a
// public client is bound to the key that it shows, that of another one to its
// credentials (RFC 9449, Section 5).
func (rf *refreshTokens) putRefreshToken(c *Client, g grant, created time.Time) string {
	token := randomID(45)
	g.bound = binding{}
	if c.Public {
		g.bound.jkt = c.shown.jkt
	}
	g.nonce, g.mfa, g.authTime, g.gty = "", false, time.Time{}, ""
	rf.refresh.put(token, refreshToken{grant: g, created: created, lastUsed: rf.now()})
	return token
}

// revokeFamily ends all refresh tokens of a family. The caller holds the lock.
func (rf *refreshTokens) revokeFamily(family string) {
	rf.refresh.deleteFunc(func(rt refreshToken) bool { return rt.family == family })
}

// RevokeRefreshTokens makes all refresh tokens of a user worthless, as the owner
// of a tenant can. The user is named by email address or subject.
func (rf *refreshTokens) RevokeRefreshTokens(user string) {
	subject := rf.directory.named(user)
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.refresh.deleteFunc(func(rt refreshToken) bool { return rt.user == subject })
}

// useRefreshToken checks a refresh token and, where they rotate, issues the next
// one, both under one lock: of two requests with the same token, one is reuse.
// The reuse of a rotated token outside the leeway revokes its family: one of the
// two users is a thief (RFC 9700, Section 4.14.2).
func (rf *refreshTokens) useRefreshToken(c *Client, token string) (refreshToken, *tokenError) {
	now := rf.now()
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rt, ok := rf.refresh.get(token)
	if !ok || rt.client != c.ID {
		return rt, errRefreshToken
	}
	if rt.bound.jkt != "" && rt.bound.jkt != c.shown.jkt {
		return rt, errOtherKey
	}
	if now.Sub(rt.created) > refreshAbsolute || now.Sub(rt.lastUsed) > refreshIdle {
		rf.refresh.delete(token)
		return rt, errRefreshToken
	}
	if !rt.rotated.IsZero() {
		next, _ := rf.refresh.get(rt.next)
		previous := !next.created.IsZero() && next.rotated.IsZero() // nobody has used the next one yet
		if !previous || now.Sub(rt.rotated) >= c.RefreshTokenLeeway {
			rf.revokeFamily(rt.family)
			return rt, errRefreshToken
		}
	}
	user := rf.directory.data.users[rt.user]
	switch {
	case user == nil:
		return rt, errUserGone
	case user.Blocked:
		return rt, &tokenError{http.StatusForbidden, oauthError{"unauthorized", "user is blocked"}}
	case user.DenyReason != "":
		return rt, denied(user.DenyReason)
	}
	switch {
	case user.MFAOnRefresh: // nothing is issued yet, so nothing is used up
	case !c.RotatingRefreshTokens:
		rt.lastUsed = now
	case rt.next == "": // else the request is repeated within the leeway
		rt.rotated, rt.next = now, rf.putRefreshToken(c, rt.grant, rt.created)
	}
	rf.refresh.put(token, rt)
	return rt, nil
}

// narrow applies scope and audience of a refresh request. Scopes beyond the grant
// are dropped silently, and so is an audience for which the application has no
// refresh token policy: the token is then for the audience of the login.
func (rf *refreshTokens) narrow(g grant, c *Client, form url.Values) grant {
	allowed, audience := g.scope, rf.settings.audienceOf(form)
	for _, policy := range c.RefreshTokenPolicies {
		if policy.Audience == audience {
			g.audience = policy.Audience
			allowed = slices.DeleteFunc(slices.Clone(g.scope), func(s string) bool {
				return !slices.Contains(oidcScopes, s) && s != "offline_access"
			})
			allowed = append(allowed, policy.Scopes...)
		}
	}
	g.scope = allowed
	if requested := strings.Fields(form.Get("scope")); len(requested) > 0 {
		g.scope = slices.DeleteFunc(requested, func(s string) bool { return !slices.Contains(allowed, s) })
	}
	return g
}

func (rf *refreshTokens) issueGrant(c *Client, g grant) (map[string]any, *tokenError) {
	body, err := rf.tokens.tokenSet(c, g)
	if err == nil && g.has("offline_access") {
		body["refresh_token"] = rf.newRefreshToken(c, g, rf.now())
	}
	return body, err
}

var errUserGone = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "The refresh_token was generated for a user who doesn't exist anymore."}}
