package emulator

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// userinfo answers /userinfo (OpenID Connect Core 1.0, Section 5.3). A wrong
// token gets plain text, and a token without the openid scope an empty object.
func (t *Tenant) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Users"`)
		writeText(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	g, ok := t.bearer(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Users", error="invalid_token"`)
		writeText(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	if !t.spend(w, UserInfo, g.user) {
		return
	}
	claims := map[string]any{}
	if g.has("openid") {
		maps.Copy(claims, t.profileClaims(g))
		claims["sub"] = g.user
		t.addOrganization(claims, g)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, claims)
}

// bearer returns the grant of an access token that is good for /userinfo: an
// opaque one, or a JWT with that audience.
func (t *Tenant) bearer(token string) (grant, bool) {
	now := t.now()
	t.mu.Lock()
	g, ok := t.opaque.get(token)
	t.mu.Unlock()
	if !ok {
		claims, err := t.verify(token)
		if err != nil || claims["iss"] != t.Issuer() || expired(claims, now) {
			return grant{}, false
		}
		if !slices.Contains(audiences(claims), t.userinfoAudience()) {
			return grant{}, false
		}
		g = grantOf(claims)
	} else if now.After(g.expires) {
		return grant{}, false
	}
	_, exists := t.user(g.user)
	return g, exists
}

// expired reports whether exp is missing or in the past.
func expired(claims map[string]any, now time.Time) bool {
	exp, ok := claims["exp"].(float64)
	return !ok || now.Unix() >= int64(exp)
}

// grantOf reads back from an access token what it was issued for.
func grantOf(claims map[string]any) grant {
	text := func(name string) string {
		s, _ := claims[name].(string)
		return s
	}
	return grant{user: text("sub"), scope: strings.Fields(text("scope")), orgID: text("org_id"), orgName: text("org_name")}
}
