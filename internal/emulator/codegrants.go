package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// codeGrants answer the grant types of RFC 6749 that need no password, and the
// revocation endpoint.
type codeGrants struct {
	*site
	clientAuth    *clientAuth
	directory     *directory
	refreshTokens *refreshTokens
	responses     *responses
	mfa           *secondFactors
	settings      *settings
	tokens        *tokens
}

var (
	errInvalidCode = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Invalid authorization code"}}
	errVerifier    = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Failed to verify code verifier"}}
)

// exchangeCode redeems an authorization code (RFC 6749, Section 4.1.3).
func (cg *codeGrants) exchangeCode(c *Client, form url.Values) (map[string]any, *tokenError) {
	code, err := cg.takeCode(c, form)
	if err != nil {
		return nil, err
	}
	return cg.refreshTokens.issueGrant(c, code.grant)
}

// takeCode checks a code and marks it used. A second use revokes the tokens of the
// first (RFC 6749, Section 4.1.2), and a failed check uses the code up.
func (cg *codeGrants) takeCode(c *Client, form url.Values) (authorizationCode, *tokenError) {
	resource := ""
	if !cg.settings.is(&cg.settings.noResource) {
		resource = form.Get("resource")
	}
	cg.mu.Lock()
	defer cg.mu.Unlock()
	code, ok := cg.responses.codes.get(form.Get("code"))
	if !ok || code.client != c.ID {
		return code, errInvalidCode
	}
	if code.used {
		cg.refreshTokens.revokeFamily(code.family)
		return code, errInvalidCode
	}
	code.used = true
	cg.responses.codes.put(form.Get("code"), code)
	switch {
	case cg.now().After(code.expires), form.Get("redirect_uri") != code.redirectURI, cg.directory.data.users[code.user] == nil:
		return code, errInvalidCode
	case !verifies(code, form.Get("code_verifier")):
		return code, errVerifier
	case resource != "" && resource != code.audience:
		return code, errTarget
	case code.jkt != "" && code.jkt != c.shown.jkt: // RFC 9449, Section 10
		return code, errOtherKey
	}
	return code, nil
}

// exchangeRefreshToken answers the refresh_token grant (RFC 6749, Section 6).
func (cg *codeGrants) exchangeRefreshToken(c *Client, form url.Values) (map[string]any, *tokenError) {
	rt, err := cg.refreshTokens.useRefreshToken(c, form.Get("refresh_token"))
	if err != nil {
		return nil, err
	}
	g := cg.refreshTokens.narrow(rt.grant, c, form)
	g.gty = "refresh_token"
	if user, ok := cg.directory.user(g.user); ok && user.MFAOnRefresh {
		return cg.mfa.demandFactor(g, user)
	}
	body, err := cg.tokens.tokenSet(c, g)
	if err == nil && c.RotatingRefreshTokens {
		body["refresh_token"] = rt.next
	}
	return body, err
}

// clientCredentials answers the client_credentials grant (RFC 6749, Section 4.4).
func (cg *codeGrants) clientCredentials(c *Client, form url.Values) (map[string]any, *tokenError) {
	audience := cg.settings.audienceOf(form)
	if audience == "" {
		audience = cg.cfg.DefaultAudience
	}
	if audience == "" {
		return nil, denied("Non-global clients are not allowed access to APIv1")
	}
	if _, ok := cg.directory.api(audience); !ok {
		return nil, denied("Service not found: " + audience)
	}
	allowed, ok := c.grantFor(audience)
	if !ok {
		return nil, denied(`Client "` + c.ID + `" is not authorized to access resource server "` + audience +
			`". You need to create a "client-grant" associated to this API.`)
	}
	g := grant{client: c.ID, audience: audience, scope: allowed.Scopes, gty: "client-credentials"}
	if requested := strings.Fields(form.Get("scope")); len(requested) > 0 {
		excess := slices.DeleteFunc(slices.Clone(requested), func(s string) bool { return slices.Contains(allowed.Scopes, s) })
		if len(excess) > 0 {
			return nil, denied("Client has not been granted scopes: " + strings.Join(excess, ", "))
		}
		g.scope = requested
	}
	if wanted := form.Get("organization"); wanted != "" {
		cg.mu.Lock()
		org := cg.directory.data.organization(wanted)
		cg.mu.Unlock()
		if org == nil {
			return nil, badRequest("invalid organization")
		}
		g.orgID, g.orgName = org.ID, org.Name
	}
	return cg.tokens.tokenSet(c, g)
}

// revoke ends a refresh token and its family (RFC 7009). Unknown tokens are not an
// error, and access tokens cannot be revoked.
func (cg *codeGrants) revoke(w http.ResponseWriter, r *http.Request) {
	if err := cg.revokeToken(r); err != nil {
		writeJSON(w, err.status, err.oauthError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (cg *codeGrants) revokeToken(r *http.Request) *tokenError {
	form, err := requestForm(r)
	if err != nil {
		return err
	}
	id, secret, method, err := clientCredentialsOf(r, form)
	if err != nil {
		return err
	}
	client, err := cg.clientAuth.authenticateClient(id, secret, method)
	if err != nil {
		return err
	}
	token := form.Get("token")
	if token == "" {
		return badRequest("Missing required parameter: token")
	}
	cg.mu.Lock()
	defer cg.mu.Unlock()
	if rt, ok := cg.refreshTokens.refresh.get(token); ok && rt.client == client.ID {
		cg.refreshTokens.revokeFamily(rt.family)
	}
	return nil
}
