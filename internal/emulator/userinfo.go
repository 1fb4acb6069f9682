package emulator

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A userinfoAPI answers the UserInfo endpoint.
type userinfoAPI struct {
	*site
	directory *directory
	faults    *faults
	keys      *keys
	tokens    *tokens

	possession *possession
}

// userinfo answers /userinfo (OpenID Connect Core 1.0, Section 5.3). A wrong
// token gets plain text, and a token without the openid scope an empty object.
func (ui *userinfoAPI) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme := schemeOf(r)
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "bearer" && scheme != "dpop" || token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Users"`)
		writeText(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	g, ok := ui.bearer(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Users", error="invalid_token"`)
		writeText(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	if fault := ui.possession.admits(w, r, UserInfo, token, g.bound); fault != nil {
		challenge(w, "Users", g.bound, *fault)
		writeText(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	if !ui.faults.spend(w, UserInfo, g.user) {
		return
	}
	claims := map[string]any{}
	if g.has("openid") {
		maps.Copy(claims, ui.tokens.profileClaims(g))
		claims["sub"] = g.user
		ui.tokens.addOrganization(claims, g)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, claims)
}

// bearer returns the grant of an access token for /userinfo: an opaque one, or a JWT
// with that audience.
func (ui *userinfoAPI) bearer(token string) (grant, bool) {
	now := ui.now()
	ui.mu.Lock()
	g, ok := ui.tokens.opaque.get(token)
	ui.mu.Unlock()
	if !ok {
		claims, err := ui.keys.verify(token)
		if err != nil || claims["iss"] != ui.Issuer() || expired(claims, now) {
			return grant{}, false
		}
		if !slices.Contains(audiences(claims), ui.userinfoAudience()) {
			return grant{}, false
		}
		g = grantOf(claims)
	} else if now.After(g.expires) {
		return grant{}, false
	}
	_, exists := ui.directory.user(g.user)
	return g, exists
}
