package emulator

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
)

// The errors of password logins. They do not tell whether an account exists.
var (
	errPassword          = &tokenError{http.StatusForbidden, oauthError{"invalid_grant", "Wrong email or password."}}
	errNoDirectory       = &tokenError{http.StatusInternalServerError, oauthError{"server_error", "Authorization server not configured with default connection."}}
	errNoPasswords       = badRequest("specified strategy does not support requested operation")
	errUserBlocked       = &tokenError{http.StatusForbidden, oauthError{"unauthorized", "user is blocked"}}
	errSuspicious        = &tokenError{http.StatusTooManyRequests, oauthError{"too_many_attempts", "We have detected suspicious login behavior and further attempts will be blocked. Please contact the administrator."}}
	errPasswordLeaked    = &tokenError{http.StatusUnauthorized, oauthError{"password_leaked", "This login attempt has been blocked because the password you're using was previously disclosed through a data breach (not in this application). Please check your email for more information."}}
	errNeedsVerification = &tokenError{http.StatusUnauthorized, oauthError{"requires_verification", "Suspicious request requires verification"}}
)

// passwords answers the grant types that carry the user's password.
type passwords struct {
	*site
	directory   *directory
	grantLogins *grantLogins

	attempts *bounded[int] // failed logins, by account and address
}

// password answers the resource owner password credentials grant (RFC 6749,
// Section 4.3), for the default directory.
func (pw *passwords) password(c *Client, form url.Values) (map[string]any, *tokenError) {
	pw.mu.Lock()
	conn := pw.directory.data.connection(pw.cfg.DefaultDirectory)
	pw.mu.Unlock()
	if conn == nil {
		return nil, errNoDirectory
	}
	return pw.passwordLogin(c, form, conn)
}

// passwordRealm answers Auth0's variant, which names the connection.
func (pw *passwords) passwordRealm(c *Client, form url.Values) (map[string]any, *tokenError) {
	realm := form.Get("realm")
	if realm == "" {
		return nil, badRequest("Missing required parameter: realm")
	}
	pw.mu.Lock()
	enabled := pw.directory.data.enabledFor(c, nil)
	pw.mu.Unlock()
	for _, conn := range enabled {
		if conn.Name != realm || conn.Inactive {
			continue
		}
		switch conn.Strategy {
		case "auth0", "ad", "auth0-adldap", "adfs", "waad":
			return pw.passwordLogin(c, form, conn)
		}
		return nil, errNoPasswords
	}
	return nil, &tokenError{http.StatusForbidden, oauthError{"invalid_request", "Unknown realm '" + realm + "'"}}
}

func (pw *passwords) passwordLogin(c *Client, form url.Values, conn *Connection) (map[string]any, *tokenError) {
	for _, name := range []string{"username", "password"} {
		if form.Get(name) == "" {
			return nil, badRequest("Missing required parameter: " + name)
		}
	}
	user, subject, err := pw.checkAttempt(c, form, conn)
	if err != nil {
		return nil, err
	}
	switch user.Protection {
	case "password_leaked":
		return nil, errPasswordLeaked
	case "requires_verification":
		return nil, errNeedsVerification
	}
	return pw.grantLogins.loginByGrant(c, form, user, subject, "password")
}

// checkAttempt checks the password, unless that was tried too often.
func (pw *passwords) checkAttempt(c *Client, form url.Values, conn *Connection) (*storedUser, string, *tokenError) {
	pw.mu.Lock()
	defer pw.mu.Unlock()
	key := strings.Join([]string{conn.Name, strings.ToLower(form.Get("username")), c.caller}, "\x00")
	failures, _ := pw.attempts.get(key)
	subject, found := pw.directory.data.subject(form.Get("username"), conn.Name)
	user := pw.directory.data.users[subject]
	switch {
	case failures >= maxAttempts:
		return nil, "", errTooManyAttempts
	case found && user.Protection == "suspicious":
		return nil, "", errSuspicious
	case !found || !user.hasAddress(form.Get("username")) || user.Password == "" ||
		subtle.ConstantTimeCompare([]byte(user.Password), []byte(form.Get("password"))) != 1:
		pw.attempts.put(key, failures+1)
		return nil, "", errPassword
	}
	pw.attempts.delete(key)
	return user, subject, nil
}

// grantLogins log a user in for a grant type that has no page.
type grantLogins struct {
	refreshTokens *refreshTokens
	requests      *requests
	mfa           *secondFactors
}

// loginByGrant ends every grant that logs a user in.
func (gl *grantLogins) loginByGrant(c *Client, form url.Values, user *storedUser, subject, gty string) (map[string]any, *tokenError) {
	switch {
	case user.Blocked:
		return nil, errUserBlocked
	case user.DenyReason != "":
		return nil, denied(user.DenyReason)
	}
	g, err := gl.userGrant(c, form, user, subject)
	if err != nil {
		return nil, err
	}
	g.gty = gty
	if user.MFA {
		return gl.mfa.demandFactor(g, user)
	}
	return gl.refreshTokens.issueGrant(c, g)
}

// userGrant reads audience and scopes of a token request. A request without scopes
// gets all of the API.
func (gl *grantLogins) userGrant(c *Client, form url.Values, user *storedUser, subject string) (grant, *tokenError) {
	req := &authorization{client: c}
	if err := gl.requests.checkAudience(req, form); err != nil {
		status := http.StatusForbidden
		if err.Code == "invalid_request" {
			status = http.StatusBadRequest
		}
		return grant{}, &tokenError{status, *err}
	}
	scopes := strings.Fields(form.Get("scope"))
	if len(scopes) == 0 && req.api != nil {
		scopes = req.api.Scopes
	}
	return grant{
		client: c.ID, user: subject, audience: req.audience, scope: grantedScopes(scopes, c, user, "", req.api),
		family: randomID(22),
	}, nil
}
