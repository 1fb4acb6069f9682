package emulator

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	idTokenLifetime = 10 * time.Hour
	codeLifetime    = 10 * time.Minute
)

// multiFactor is the acr value that requests, and reports, a second factor.
const multiFactor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

// A grant is an authorization of an application. Tokens get all claims from it.
type grant struct {
	client   string
	user     string // subject; empty if the application acts for itself
	audience string // empty: an opaque access token
	scope    []string
	orgID    string
	orgName  string
	sid      string
	nonce    string
	authTime time.Time // zero: not to be told
	mfa      bool      // a second factor was shown in this login
	gty      string    // grant type, where access tokens tell it
	act      any       // the actor, if the application acts for the user (RFC 8693)
	bound    binding   // of an access token, and of the refresh token of a public client
	family   string    // refresh tokens and codes that share one fate
	expires  time.Time // of an opaque access token
}

func (g grant) has(scope string) bool { return slices.Contains(g.scope, scope) }

// oidcScopes are the scopes that need no API.
var oidcScopes = []string{"openid", "profile", "email", "address", "phone", "name", "given_name", "family_name",
	"nickname", "email_verified", "picture", "created_at", "identities"}

// grantedScopes drops the requested scopes that cannot be granted: those unknown to
// the API, those the user may not use, and offline_access where refresh tokens are
// off.
func grantedScopes(requested []string, c *Client, u *storedUser, orgID string, api *API) []string {
	var granted []string
	for _, scope := range requested {
		var ok bool
		switch {
		case slices.Contains(oidcScopes, scope):
			ok = true
		case scope == "offline_access":
			ok = c.allows("refresh_token") && (api == nil || api.AllowOfflineAccess)
		case api != nil:
			ok = slices.Contains(api.Scopes, scope) && (!api.RBAC || slices.Contains(u.permissionsIn(orgID, api.Audience), scope))
		}
		if ok && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	return granted
}

// Tokens issues ID tokens, access tokens and logout tokens.
type tokens struct {
	*site
	directory *directory
	faults    *faults
	keys      *keys

	opaque *bounded[grant] // by access token
}

// tokenSet issues the tokens of a grant as the members of a token response. The access
// token is bound to the proof in the application's request.
func (ts *tokens) tokenSet(c *Client, g grant) (map[string]any, *tokenError) {
	api, _ := ts.directory.api(g.audience)
	bound, err := boundTo(c, api)
	if err != nil {
		return nil, err
	}
	g.bound = bound
	body := map[string]any{
		"access_token": ts.issueAccessToken(g, api),
		"token_type":   bound.tokenType(),
		"expires_in":   int64(lifetimeOf(api) / time.Second),
	}
	if len(g.scope) > 0 {
		body["scope"] = strings.Join(g.scope, " ")
	}
	if g.user != "" && g.has("openid") {
		body["id_token"] = ts.issueIDToken(g, nil)
	}
	return body, nil
}

// boundTo returns the binding of an access token, for an application and an API, or
// for /userinfo without one. Both decide whether an application without a proof gets a
// token, as in the table of Auth0.
func boundTo(c *Client, api *API) (binding, *tokenError) {
	bound, required := binding{jkt: c.shown.jkt}, c.RequireProofOfPossession
	switch {
	case api != nil:
		bound = api.ProofOfPossession.accepted(c.shown)
		required = required || api.ProofOfPossession.requiredOf(c.Public)
	case required && bound.jkt == "":
		bound.x5t = c.shown.x5t
	}
	if required && bound == (binding{}) {
		return bound, errNotProven
	}
	return bound, nil
}

func (ts *tokens) issueAccessToken(g grant, api *API) string {
	if api == nil {
		return ts.issueOpaqueToken(g)
	}
	header, claims := ts.accessTokenClaims(g, api)
	ts.mu.Lock()
	edit := ts.faults.editAccessToken
	ts.mu.Unlock()
	if edit != nil {
		edit(header, claims)
	}
	return ts.keys.Sign(header, claims)
}

// issueOpaqueToken returns an access token that only /userinfo understands. It has the
// five parts of a JWE in compact form, as at Auth0, but no content: the grant stays
// with the tenant.
func (ts *tokens) issueOpaqueToken(g grant) string {
	header := marshal(map[string]any{"alg": "dir", "enc": "A256GCM", "iss": ts.Issuer()})
	token := b64(header) + ".." + randomID(16) + "." + randomID(86) + "." + randomID(22)
	g.expires = ts.now().Add(accessTokenLifetime)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.opaque.put(token, g)
	return token
}

func (ts *tokens) accessTokenClaims(g grant, api *API) (header, claims map[string]any) {
	now := ts.now()
	header = map[string]any{}
	claims = map[string]any{
		"iss": ts.Issuer(),
		"sub": cmp.Or(g.user, g.client+"@clients"),
		"aud": api.Audience,
		"iat": now.Unix(),
		"exp": now.Add(lifetimeOf(api)).Unix(),
	}
	if g.has("openid") {
		claims["aud"] = []string{api.Audience, ts.userinfoAudience()}
	}
	if len(g.scope) > 0 {
		claims["scope"] = strings.Join(g.scope, " ")
	}
	if api.Dialect == "rfc9068_profile" {
		header["typ"] = "at+jwt"
		claims["client_id"] = g.client
		claims["jti"] = randomID(22)
	} else {
		claims["azp"] = g.client
		if g.gty != "" {
			claims["gty"] = g.gty
		}
	}
	if api.RBAC {
		claims["permissions"] = ts.permissions(g, api)
	}
	if g.act != nil {
		claims["act"] = g.act
	}
	if g.bound != (binding{}) {
		claims["cnf"] = g.bound.claim()
	}
	ts.addOrganization(claims, g)
	ts.addRoles(claims, g)
	return header, claims
}

// permissions returns the permissions claim: all of the user's for the API, regardless
// of the requested scopes.
func (ts *tokens) permissions(g grant, api *API) []string {
	list := []string{}
	if g.user == "" {
		return append(list, g.scope...)
	}
	if u, ok := ts.directory.user(g.user); ok {
		list = append(list, u.permissionsIn(g.orgID, api.Audience)...)
	}
	return list
}

func (ts *tokens) addOrganization(claims map[string]any, g grant) {
	if g.orgID == "" {
		return
	}
	claims["org_id"] = g.orgID
	if ts.cfg.OrganizationNames {
		claims["org_name"] = g.orgName
	}
}

// addRoles adds the names of the user's roles, as an Action would.
func (ts *tokens) addRoles(claims map[string]any, g grant) {
	u, ok := ts.directory.user(g.user)
	ts.mu.Lock()
	name := ts.directory.data.rolesClaim
	ts.mu.Unlock()
	if ok && name != "" {
		claims[name] = u.rolesIn(g.orgID)
	}
}

// issueIDToken signs an ID token with the claims of the granted scopes and the
// hashes given in extra.
func (ts *tokens) issueIDToken(g grant, extra map[string]any) string {
	header, claims := ts.idTokenClaims(g)
	maps.Copy(claims, extra)
	ts.mu.Lock()
	edit := ts.faults.editIDToken
	client := ts.directory.data.clients[g.client]
	ts.mu.Unlock()
	secret := macHeader(header, client)
	if edit != nil {
		edit(header, claims)
	}
	return ts.keys.sign(header, claims, secret)
}

// macHeader prepares the header of an application with HS256 ID tokens, and
// returns its key.
func macHeader(header map[string]any, client *Client) []byte {
	if client == nil || client.IDTokenAlg != "HS256" {
		return nil
	}
	header["alg"] = "HS256"
	header["kid"] = nil
	return client.macKey()
}

func (ts *tokens) idTokenClaims(g grant) (header, claims map[string]any) {
	now := ts.now()
	claims = ts.profileClaims(g)
	maps.Copy(claims, map[string]any{
		"iss": ts.Issuer(),
		"sub": g.user,
		"aud": g.client,
		"iat": now.Unix(),
		"exp": now.Add(idTokenLifetime).Unix(),
	})
	if g.sid != "" {
		claims["sid"] = g.sid
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if !g.authTime.IsZero() {
		claims["auth_time"] = g.authTime.Unix()
	}
	if g.mfa {
		claims["acr"] = multiFactor
		claims["amr"] = []string{"mfa"}
	}
	ts.addOrganization(claims, g)
	return map[string]any{}, claims
}

// profileClaims returns the user's custom claims and those that the scopes allow
// (OpenID Connect Core 1.0, Section 5.4). Auth0 also grants single claims as scopes,
// and sends updated_at as text.
func (ts *tokens) profileClaims(g grant) map[string]any {
	claims := map[string]any{}
	u, ok := ts.directory.user(g.user)
	if !ok {
		return claims
	}
	maps.Copy(claims, u.Claims)
	if g.orgID != "" {
		maps.Copy(claims, u.memberships[g.orgID].Claims)
	}
	ts.addRoles(claims, g)
	add := func(scope, name string, value any) {
		if value != "" && (g.has(scope) || g.has(name)) {
			claims[name] = value
		}
	}
	add("profile", "name", u.Name)
	add("profile", "given_name", u.GivenName)
	add("profile", "family_name", u.FamilyName)
	add("profile", "nickname", u.Nickname)
	add("profile", "picture", ts.pictureOf(u))
	add("profile", "updated_at", u.updated.UTC().Format("2006-01-02T15:04:05.000Z"))
	if u.Email != "" {
		add("email", "email", u.Email)
		add("email", "email_verified", u.EmailVerified)
	}
	if u.Phone != "" {
		add("phone", "phone_number", u.Phone)
		add("phone", "phone_number_verified", true)
	}
	return claims
}

// AccessToken returns an access token for the API, as the authorization code
// flow would without the openid scope, after the given edits. The user is named
// by email address or subject; an unknown name is used as the subject.
func (ts *tokens) AccessToken(user, audience string, edits ...TokenEdit) string {
	api, ok := ts.directory.api(audience)
	if !ok {
		api = &API{Audience: audience}
	}
	g := grant{client: ts.directory.firstClient(), user: ts.directory.named(user), audience: audience}
	if !strings.HasSuffix(g.user, "@clients") {
		header, claims := ts.accessTokenClaims(g, api)
		return ts.keys.Sign(edited(header, claims, edits))
	}
	g.client, g.user, g.gty = strings.TrimSuffix(g.user, "@clients"), "", "client-credentials"
	if c, ok := ts.directory.client(g.client); ok {
		allowed, _ := c.grantFor(audience)
		g.scope = allowed.Scopes
	}
	header, claims := ts.accessTokenClaims(g, api)
	return ts.keys.Sign(edited(header, claims, edits))
}

// IDToken returns an ID token of the user, as the authorization code flow would
// with the scopes openid, profile and email, after the given edits.
func (ts *tokens) IDToken(clientID, user string, edits ...TokenEdit) string {
	g := grant{client: clientID, user: ts.directory.named(user), scope: []string{"openid", "profile", "email"}, sid: randomID(32)}
	header, claims := ts.idTokenClaims(g)
	client, _ := ts.directory.client(clientID)
	secret := macHeader(header, client)
	header, claims = edited(header, claims, edits)
	return ts.keys.sign(header, claims, secret)
}

func edited(header, claims map[string]any, edits []TokenEdit) (map[string]any, map[string]any) {
	for _, edit := range edits {
		if edit != nil {
			edit(header, claims)
		}
	}
	return header, claims
}

// grantOf reads the grant back from the claims of an access token.
func grantOf(claims map[string]any) grant {
	text := func(name string) string {
		s, _ := claims[name].(string)
		return s
	}
	return grant{user: text("sub"), scope: strings.Fields(text("scope")), orgID: text("org_id"), orgName: text("org_name"), bound: bindingOf(claims)}
}

// expired reports whether exp is missing or in the past.
func expired(claims map[string]any, now time.Time) bool {
	exp, ok := claims["exp"].(float64)
	return !ok || now.Unix() >= int64(exp)
}
