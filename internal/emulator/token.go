package emulator

import (
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A grantHandler answers one grant type for an authenticated client. A map
// returned with an error holds further members of the error response.
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
	possession    *possession
	mfa           *secondFactors
	tokenExchange *tokenExchange
	vault         *vault
	withheld      *withheld

	grants map[string]grantHandler
	quotas *bounded[quota]
}

// grantTable returns the handlers of the token endpoint by grant_type.
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

		deviceGrant: e.withheld.grant(deviceGrant),
		cibaGrant:   e.withheld.grant(cibaGrant),
		jwtGrant:    e.withheld.grant(jwtGrant),
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
		return nil, notAllowed(grantType)
	}
	shown, err := e.possession.shownIn(w, r, client.Public)
	if err != nil {
		return nil, err
	}
	if grantType == "client_credentials" && !e.takeQuota(w, client) {
		return nil, errQuota
	}
	asking := *client
	asking.caller, asking.shown = callerOf(r, client, method), shown
	return handle(&asking, form)
}

// A quota is the number of tokens that an application can still get in an hour.
type quota struct {
	left   int
	resets time.Time
}

var errQuota = &tokenError{http.StatusTooManyRequests, oauthError{"too_many_requests", "Client quota exceeded"}}

// takeQuota counts a request for client credentials, and sets the header with the
// rest of the quota.
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
