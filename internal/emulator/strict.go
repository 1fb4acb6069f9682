package emulator

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// strictParams are the parameters of authorization requests that a strict third-party
// application may use, beside those that begin with ext-.
var strictParams = []string{"acr_values", "audience", "authorization_details", "client_id", "code_challenge", "code_challenge_method",
	"connection", "correlation_id", "display", "dpop_jkt", "login_hint", "max_age", "nonce", "prompt", "redirect_uri", "resource",
	"response_type", "scope", "state", "ui_locales"}

// checkStrict applies the rules for strict third-party applications: few parameters,
// PKCE, a client grant for every API, and no scope outside the grant. They get no
// scopes of OpenID Connect, and so no ID tokens.
func checkStrict(req *authorization, params url.Values) *oauthError {
	if !req.client.Strict {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(strictParams, name) && !strings.HasPrefix(name, "ext-") {
			return invalidRequest("The parameter " + name + " is not allowed for this client")
		}
	}
	if req.challenge == "" || req.challengeMethod != "S256" {
		return invalidRequest("This client must use code_challenge_method S256")
	}
	var allowed []string
	if req.api != nil {
		grant, ok := strictGrant(req.client, req.api)
		if !ok {
			return &oauthError{"unauthorized_client", `Client is not authorized to access resource server "` + req.audience + `"`}
		}
		allowed = grant.Scopes
	}
	req.scope = slices.DeleteFunc(req.scope, func(s string) bool { return s != "offline_access" && !slices.Contains(allowed, s) })
	return nil
}

// strictGrant returns the client grant of a strict application: its own, or that of all
// third parties.
func strictGrant(c *Client, api *API) (ClientGrant, bool) {
	if own, ok := c.grantFor(api.Audience); ok {
		return own, true
	}
	return ClientGrant{api.Audience, api.ThirdPartyScopes}, api.ThirdPartyScopes != nil
}
