package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A tokenError is a refusal of the token endpoint.
type tokenError struct {
	status int
	oauthError
}

// Auth0 answers 403 where RFC 6749, Section 5.2 has 400, and access_denied
// where it has invalid_client.
var (
	errUnauthorized = &tokenError{http.StatusUnauthorized, oauthError{"access_denied", "Unauthorized"}}
	errInvalidCode  = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Invalid authorization code"}}
	errVerifier     = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Failed to verify code verifier"}}
	errRefreshToken = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Unknown or invalid refresh token."}}
	errUserGone     = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "The refresh_token was generated for a user who doesn't exist anymore."}}
)

func denied(description string) *tokenError {
	return &tokenError{http.StatusForbidden, oauthError{"access_denied", description}}
}

func badRequest(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, oauthError{"invalid_request", description}}
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

// A grantHandler answers one grant type for an authenticated client. What it
// returns beside an error are further members of the error.
type grantHandler func(c *Client, form url.Values) (map[string]any, *tokenError)

// A tokenEndpoint authenticates the application and hands the request to the
// function of its grant type.
type tokenEndpoint struct {
	*site
	clientAuth    *clientAuth
	codeGrants    *codeGrants
	faults        *faults
	passwordless  *passwordlessAPI
	passwords     *passwords
	mfa           *secondFactors
	tokenExchange *tokenExchange
	vault         *vault

	grants map[string]grantHandler
	quotas *bounded[quota]
}

// grantTable returns what the token endpoint can do, by grant_type.
func (e *tokenEndpoint) grantTable() map[string]grantHandler {
	return map[string]grantHandler{
		"authorization_code": e.codeGrants.exchangeCode,
		"refresh_token":      e.codeGrants.exchangeRefreshToken,
		"client_credentials": e.codeGrants.clientCredentials,
		"password":           e.passwords.password,
		vaultGrant:           e.vault.exchangeForConnection,

		"http://auth0.com/oauth/grant-type/password-realm":    e.passwords.passwordRealm,
		"http://auth0.com/oauth/grant-type/passwordless/otp":  e.passwordless.passwordlessCode,
		"http://auth0.com/oauth/grant-type/mfa-otp":           e.mfa.otpFactor,
		"http://auth0.com/oauth/grant-type/mfa-oob":           e.mfa.oobFactor,
		"http://auth0.com/oauth/grant-type/mfa-recovery-code": e.mfa.recoveryFactor,
		"urn:ietf:params:oauth:grant-type:token-exchange":     e.tokenExchange.exchangeToken,
	}
}

// token answers the token endpoint (RFC 6749, Section 3.2).
func (e *tokenEndpoint) token(w http.ResponseWriter, r *http.Request) {
	body, err := e.tokenResponse(w, r)
	status := http.StatusOK
	if err != nil {
		status = err.status
		more := body
		body = map[string]any{"error": err.Code, "error_description": err.Description}
		maps.Copy(body, more)
	}
	e.mu.Lock()
	edit := e.faults.editTokenResponse
	e.mu.Unlock()
	if edit != nil {
		edit(&status, body)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, validStatus(status), body)
}

func (e *tokenEndpoint) tokenResponse(w http.ResponseWriter, r *http.Request) (map[string]any, *tokenError) {
	form, err := requestForm(r)
	if err != nil {
		return nil, err
	}
	id, secret, method, authErr := clientCredentialsOf(r, form)
	e.faults.recordTokenRequest(form, id)
	grantType := form.Get("grant_type")
	handle, known := e.grants[grantType]
	switch {
	case grantType == "":
		return nil, badRequest("Missing required parameter: grant_type")
	case !known:
		return nil, &tokenError{http.StatusNotImplemented, oauthError{"unsupported_grant_type", "Unsupported grant type: " + grantType}}
	case authErr != nil:
		return nil, authErr
	}
	client, authErr := e.clientAuth.authenticateClient(id, secret, method)
	if authErr != nil {
		return nil, authErr
	}
	if !client.allows(grantType) {
		return nil, &tokenError{http.StatusForbidden, oauthError{"unauthorized_client", "Grant type '" + grantType + "' not allowed for the client."}}
	}
	if grantType == "client_credentials" && !e.takeQuota(w, client) {
		return nil, errQuota
	}
	asking := *client
	asking.caller = callerOf(r, client, method)
	return handle(&asking, form)
}

// A quota is what an application may still get in an hour.
type quota struct {
	left   int
	resets time.Time
}

var errQuota = &tokenError{http.StatusTooManyRequests, oauthError{"too_many_requests", "Client quota exceeded"}}

// takeQuota counts a request of an application for itself, and tells it what is
// left.
func (e *tokenEndpoint) takeQuota(w http.ResponseWriter, c *Client) bool {
	if c.HourlyTokens <= 0 {
		return true
	}
	now := e.now()
	e.mu.Lock()
	q, ok := e.quotas.get(c.ID)
	if !ok || !now.Before(q.resets) {
		q = quota{c.HourlyTokens, now.Add(time.Hour)}
	}
	allowed := q.left > 0
	if allowed {
		q.left--
	}
	e.quotas.put(c.ID, q)
	e.mu.Unlock()
	wait := int(math.Ceil(q.resets.Sub(now).Seconds()))
	w.Header().Set("Auth0-Client-Quota-Limit", fmt.Sprintf("b=per_hour;q=%d;r=%d;t=%d", c.HourlyTokens, q.left, wait))
	if !allowed {
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		setRateHeaders(w, c.HourlyTokens, 0, q.resets)
	}
	return allowed
}

// callerOf returns the address that failed logins are counted by.
func callerOf(r *http.Request, c *Client, method string) string {
	forwarded, err := netip.ParseAddr(r.Header.Get("auth0-forwarded-for"))
	if err == nil && c.TrustForwardedFor && strings.HasPrefix(method, "client_secret_") && !c.Public {
		return forwarded.String()
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

// requestForm reads the parameters, which Auth0 also takes as a JSON object.
func requestForm(r *http.Request) (url.Values, *tokenError) {
	if contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); contentType == "application/json" {
		return jsonForm(r)
	}
	if err := r.ParseForm(); err != nil {
		return nil, badRequest("The request body is malformed")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 { // RFC 6749, Section 3.2
			return nil, badRequest("The parameter " + name + " is repeated")
		}
	}
	return r.PostForm, nil
}

func jsonForm(r *http.Request) (url.Values, *tokenError) {
	var object map[string]any
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil {
		return nil, badRequest("The request body is malformed")
	}
	form := url.Values{}
	for name, value := range object {
		switch value := value.(type) {
		case nil:
		case string:
			form.Set(name, value)
		case json.Number, bool:
			form.Set(name, fmt.Sprint(value))
		default:
			return nil, badRequest("The parameter " + name + " must be a string")
		}
	}
	return form, nil
}

// CodeGrants answer the grant types of RFC 6749 that need no password, and the
// revocation endpoint.
type codeGrants struct {
	*site
	clientAuth    *clientAuth
	directory     *directory
	refreshTokens *refreshTokens
	responses     *responses
	mfa           *secondFactors
	tokens        *tokens
}

// exchangeCode redeems an authorization code (RFC 6749, Section 4.1.3).
func (cg *codeGrants) exchangeCode(c *Client, form url.Values) (map[string]any, *tokenError) {
	code, err := cg.takeCode(c, form)
	if err != nil {
		return nil, err
	}
	body := cg.tokens.tokenSet(code.grant)
	if code.has("offline_access") {
		body["refresh_token"] = cg.refreshTokens.newRefreshToken(code.grant, cg.now())
	}
	return body, nil
}

// takeCode checks a code and marks it used. A second use revokes what the first
// one brought (RFC 6749, Section 4.1.2), and a failed check uses it up.
func (cg *codeGrants) takeCode(c *Client, form url.Values) (authorizationCode, *tokenError) {
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
	}
	return code, nil
}

// verifies checks the PKCE verifier (RFC 7636, Section 4.6). A verifier without
// a challenge is a sign of an attack, too (RFC 9700, Section 4.8.2).
func verifies(code authorizationCode, verifier string) bool {
	if code.challenge == "" {
		return verifier == ""
	}
	expected := verifier
	if code.challengeMethod == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		expected = b64(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(expected), []byte(code.challenge)) == 1
}

// newRefreshToken issues a refresh token. A non-rotating one serves until it
// expires.
func (rf *refreshTokens) newRefreshToken(g grant, created time.Time) string {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return rf.putRefreshToken(g, created)
}

// putRefreshToken is newRefreshToken for a caller who holds the lock.
func (rf *refreshTokens) putRefreshToken(g grant, created time.Time) string {
	token := randomID(45)
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
	body := cg.tokens.tokenSet(g)
	if c.RotatingRefreshTokens {
		body["refresh_token"] = rt.next
	}
	return body, nil
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
		rt.rotated, rt.next = now, rf.putRefreshToken(rt.grant, rt.created)
	}
	rf.refresh.put(token, rt)
	return rt, nil
}

// narrow applies scope and audience of a refresh request. Scopes beyond the
// grant are dropped without a word, and so is an audience for which the
// application has no refresh token policy: the token is then for the audience of
// the login.
func (rf *refreshTokens) narrow(g grant, c *Client, form url.Values) grant {
	allowed := g.scope
	for _, policy := range c.RefreshTokenPolicies {
		if policy.Audience == form.Get("audience") {
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

// clientCredentials answers the client_credentials grant (RFC 6749, Section 4.4).
func (cg *codeGrants) clientCredentials(c *Client, form url.Values) (map[string]any, *tokenError) {
	audience := form.Get("audience")
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
	return cg.tokens.tokenSet(g), nil
}

// revoke ends a refresh token and its family (RFC 7009). Unknown tokens are no
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
