package emulator

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	accessTokenType = "urn:ietf:params:oauth:token-type:access_token"
	maxActors       = 4
)

// A tokenExchange answers the token exchange grant (RFC 8693).
type tokenExchange struct {
	*site
	directory   *directory
	grantLogins *grantLogins
	keys        *keys
	settings    *settings
	tokens      *tokens

	exchanges map[string]func(token string) (user string, ok bool) // by subject_token_type
}

// AddTokenExchange adds a token exchange profile for a type of subject tokens. The
// function stands for the Action: it names the user of a token by email address or
// subject.
func (x *tokenExchange) AddTokenExchange(subjectTokenType string, user func(token string) (user string, ok bool)) error {
	for _, reserved := range []string{"http://auth0.com", "https://auth0.com", "http://okta.com", "https://okta.com", "urn:ietf", "urn:auth0", "urn:okta"} {
		if subjectTokenType == "" || strings.HasPrefix(subjectTokenType, reserved) {
			return errors.New("tenant: the subject token type " + subjectTokenType + " is reserved")
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.exchanges == nil {
		x.exchanges = map[string]func(string) (string, bool){}
	}
	x.exchanges[subjectTokenType] = user
	return nil
}

// exchangeToken answers a token exchange (RFC 8693, Section 2).
func (x *tokenExchange) exchangeToken(c *Client, form url.Values) (map[string]any, *tokenError) {
	token, kind := form.Get("subject_token"), form.Get("subject_token_type")
	switch {
	case token == "":
		return nil, badRequest("Missing required parameter: subject_token")
	case kind == "":
		return nil, badRequest("Missing required parameter: subject_token_type")
	case (form.Get("actor_token") == "") != (form.Get("actor_token_type") == ""):
		return nil, badRequest("actor_token and actor_token_type go together")
	case kind == accessTokenType:
		return x.onBehalfOf(c, form)
	}
	x.mu.Lock()
	find := x.exchanges[kind]
	x.mu.Unlock()
	if find == nil {
		return nil, badRequest("Invalid subject_token_type")
	}
	name, ok := find(token)
	subject := x.directory.named(name)
	user, known := x.directory.user(subject)
	if !ok || !known {
		return nil, badRequest("Invalid subject_token")
	}
	body, err := x.grantLogins.loginByGrant(c, form, user, subject, "")
	if err == nil {
		body["issued_token_type"] = accessTokenType
		if form.Get("actor_token") != "" {
			delete(body, "refresh_token")
		}
	}
	return body, err
}

// onBehalfOf gives an API a token for another API and the same user. The act claim
// names the APIs that have handled it (RFC 8693, Section 4.1).
func (x *tokenExchange) onBehalfOf(c *Client, form url.Values) (map[string]any, *tokenError) {
	claims, invalid := x.keys.verify(form.Get("subject_token"))
	audience := x.settings.audienceOf(form)
	api, known := x.directory.api(audience)
	switch {
	case c.ResourceServer == "":
		return nil, &tokenError{http.StatusForbidden, oauthError{"unauthorized_client", "Grant type '" + form.Get("grant_type") + "' not allowed for the client."}}
	case form.Get("requested_token_type") != accessTokenType:
		return nil, badRequest("requested_token_type is required")
	case invalid != nil || claims["iss"] != x.Issuer() || expired(claims, x.now()) || !slices.Contains(audiences(claims), c.ResourceServer):
		return nil, badRequest("Invalid subject_token")
	case audience == "":
		return nil, badRequest("Missing required parameter: audience")
	case !known:
		return nil, denied("Service not found: " + audience)
	case actorsIn(claims["act"]) >= maxActors:
		return nil, badRequest("Delegation chain (`act` claim) depth exceeds the maximum allowed limit of 4")
	}
	g := grantOf(claims)
	user, ok := x.directory.user(g.user)
	if !ok {
		return nil, badRequest("Invalid subject_token")
	}
	wanted := strings.Fields(form.Get("scope"))
	if len(wanted) == 0 {
		wanted = api.Scopes
	}
	g.client, g.audience = c.ID, api.Audience
	g.scope = slices.DeleteFunc(grantedScopes(wanted, c, user, g.orgID, api), func(s string) bool { return slices.Contains(oidcScopes, s) || s == "offline_access" })
	act := map[string]any{"sub": c.ID}
	if claims["act"] != nil {
		act["act"] = claims["act"]
	}
	g.act = act
	body, err := x.tokens.tokenSet(c, g) // bound to the proof of this request, not to the key of the subject token
	if err == nil {
		body["issued_token_type"] = accessTokenType
	}
	return body, err
}

// actorsIn counts the actors of a chain.
func actorsIn(act any) int {
	n := 0
	for {
		object, ok := act.(map[string]any)
		if !ok {
			return n
		}
		n++
		act = object["act"]
	}
}
