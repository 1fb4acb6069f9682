package emulator_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// write sends a JSON body to the Management API.
func write(tn http.Handler, method, path, auth, body string) response {
	r := httptest.NewRequest(method, mgmt+path, strings.NewReader(body))
	r.Header.Set("Authorization", auth)
	r.Header.Set("Content-Type", "application/json")
	return serve(tn, r)
}

const writeScopes = "create:connections update:connections update:connections_options delete:connections read:connections read:connections_options read:clients"

// The documented request, and the content of the documented response.
const (
	createRequest = `{"name":"partner-two","display_name":"Partner Ltd","strategy":"oauth2","is_domain_connection":false,"options":{"client_id":"acme-at-partner","client_secret":"s3cret","authorizationURL":"https://idp.partner.example/oauth2/authorize?tenant=1","tokenURL":"https://idp.partner.example/oauth2/token","scope":["email","openid","profile"],"useOauthSpecScope":true,"pkce_enabled":true,"icon_url":"https://cdn.partner.example/logo.png","set_user_root_attributes":"on_each_login","customHeaders":{"X-Partner":"acme"},"authParams":{"static_param":"x"},"authParamsMap":{"custom_param":"access_type"},"upstream_params":{"login_hint":{"alias":"login_hint"}},"scripts":{"fetchUserProfile":"function fetchUserProfile(accessToken, context, callback) { request.get('https://idp.partner.example/me', ...) }"}}}`
	partnerItem   = `{"id":%q,"options":{"client_id":"acme-at-partner","client_secret":"s3cret","authorizationURL":"https://idp.partner.example/oauth2/authorize?tenant=1","tokenURL":"https://idp.partner.example/oauth2/token","scope":["email","openid","profile"],"useOauthSpecScope":true,"pkce_enabled":true,"icon_url":"https://cdn.partner.example/logo.png","set_user_root_attributes":"on_each_login","customHeaders":{"X-Partner":"acme"},"authParams":{"static_param":"x"},"authParamsMap":{"custom_param":"access_type"},"upstream_params":{"login_hint":{"alias":"login_hint"}},"strategy_version":2,"scripts":{"fetchUserProfile":"function fetchUserProfile(accessToken, context, callback) { request.get('https://idp.partner.example/me', ...) }"}},"strategy":"oauth2","name":"partner-two","display_name":"Partner Ltd","is_domain_connection":false,"authentication":{"active":true},"connected_accounts":{"active":false},"realms":["partner-two"]%s}`
)

func TestConnectionWrites(t *testing.T) {
	t.Parallel()
	tn, _ := newManagedTenant(t)
	auth := manager(tn, writeScopes)
	made := write(tn, "POST", "connections", auth, createRequest)
	equal(t, "status", made.status, 201)
	id, _ := made.json(t)["id"].(string)
	sameJSON(t, made.body, fmt.Sprintf(partnerItem, id, `,"enabled_clients":[]`))
	sameJSON(t, get(tn, mgmt+"connections/"+id, "Authorization", auth).body, fmt.Sprintf(partnerItem, id, ""))
	if _, ok := write(tn, "POST", "connections", manager(tn, "create:connections"), `{"name":"x","strategy":"oauth2","options":{"client_secret":"s"}}`).json(t)["options"]; ok {
		t.Error("options without the scope for them")
	}

	// The tenant replaces options as a whole, and the display name falls back.
	changed := write(tn, "PATCH", "connections/"+id, auth, `{"options":{"client_id":"other"},"connected_accounts":{"active":true},"metadata":{"tier":"gold"}}`)
	equal(t, "status", changed.status, 200)
	sameJSON(t, changed.body, `{"id":"`+id+`","options":{"client_id":"other"},"strategy":"oauth2","name":"partner-two","is_domain_connection":false,"authentication":{"active":true},"connected_accounts":{"active":true},"realms":["partner-two"],"metadata":{"tier":"gold"}}`)

	equal(t, "enable", write(tn, "PATCH", "connections/"+id+"/clients", auth, `[{"client_id":"web","status":true},{"client_id":"many","status":false}]`).status, 204)
	sameJSON(t, get(tn, mgmt+"connections/"+id+"/clients", "Authorization", auth).body, `{"clients":[{"client_id":"web"}]}`)
	contains(t, get(tn, mgmt+"clients/web/connections", "Authorization", auth).body, `"partner-two"`)
	equal(t, "disable", write(tn, "PATCH", "connections/"+id+"/clients", auth, `[{"client_id":"web","status":false}]`).status, 204)
	sameJSON(t, get(tn, mgmt+"connections/"+id+"/clients", "Authorization", auth).body, `{"clients":[]}`)

	write(tn, "PATCH", "connections/"+id+"/clients", auth, `[{"client_id":"web","status":true}]`)
	must(t, tn.AddUser(emulator.User{Connection: "partner-two", ID: "1", Email: "a@partner.example"}))
	gone := write(tn, "DELETE", "connections/"+id, auth, "")
	equal(t, "status", gone.status, 202)
	sameJSON(t, gone.body, `{"deleted_at":"2026-01-01T00:00:00.000Z"}`)
	equal(t, "deleted", get(tn, mgmt+"connections/"+id, "Authorization", auth).status, 404)
	if _, ok := tn.Subject("a@partner.example"); ok || strings.Contains(get(tn, mgmt+"clients/web/connections", "Authorization", auth).body, "partner-two") {
		t.Error("users or applications still have the connection")
	}
}

func TestConnectionWriteErrors(t *testing.T) {
	t.Parallel()
	tn, _ := newManagedTenant(t)
	all := manager(tn, writeScopes)
	without := func(scope string) string {
		return manager(tn, strings.Join(strings.Fields(strings.ReplaceAll(" "+writeScopes+" ", " "+scope+" ", " ")), " "))
	}
	const insufficient = `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: %s","errorCode":"insufficient_scope"}`
	const invalid = `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: '%s'.","errorCode":"invalid_body"}`
	const unknown = `{"statusCode":404,"error":"Not Found","message":"The connection does not exist","errorCode":"inexistent_connection"}`
	const partner = "connections/con_Custom000000Acme"
	for _, tt := range []struct {
		method, path, auth, body string
		status                   int
		want                     string
	}{
		{"POST", "connections", without("create:connections"), createRequest, 403, fmt.Sprintf(insufficient, "create:connections")},
		{"PATCH", partner, without("update:connections"), `{}`, 403, fmt.Sprintf(insufficient, "update:connections")},
		{"PATCH", partner, without("update:connections_options"), `{"options":{}}`, 403, fmt.Sprintf(insufficient, "update:connections_options")},
		{"PATCH", partner + "/clients", without("update:connections"), `[]`, 403, fmt.Sprintf(insufficient, "update:connections")},
		{"DELETE", partner, without("delete:connections"), "", 403, fmt.Sprintf(insufficient, "delete:connections")},
		{"POST", "connections", all, `{"name":"partner-idp","strategy":"oauth2"}`, 409, `{"statusCode":409,"error":"Conflict","message":"A connection with the same name already exists"}`},
		{"POST", "connections", all, `{"strategy":"oauth2"}`, 400, fmt.Sprintf(invalid, "Missing required property: name")},
		{"POST", "connections", all, `{"name":"x"}`, 400, fmt.Sprintf(invalid, "Missing required property: strategy")},
		{"POST", "connections", all, `{"name":"x","strategy":"oauth2","enabled_clients":[]}`, 400, fmt.Sprintf(invalid, "Additional properties not allowed: enabled_clients")},
		{"POST", "connections", all, `{`, 400, `{"statusCode":400,"error":"Bad Request","message":"Invalid request payload JSON format","errorCode":"invalid_body"}`},
		{"PATCH", partner, all, `{"name":"y"}`, 400, fmt.Sprintf(invalid, "Additional properties not allowed: name")},
		{"PATCH", partner, all, `{"strategy":"oidc"}`, 400, fmt.Sprintf(invalid, "Additional properties not allowed: strategy")},
		{"PATCH", "connections/con_nope", all, `{}`, 404, unknown},
		{"DELETE", "connections/con_nope", all, ``, 404, unknown},
		{"PATCH", "connections/con_nope/clients", all, `[{"client_id":"web","status":true}]`, 404, unknown},
		{"PATCH", partner + "/clients", all, `[{"client_id":"web","status":false},{"client_id":"nope","status":true}]`, 404, `{"statusCode":404,"error":"Not Found","message":"The client does not exist","errorCode":"inexistent_client"}`},
		{"PATCH", partner + "/clients", all, `[]`, 400, fmt.Sprintf(invalid, "Array must have 1 to 50 items, has 0")},
		{"PATCH", partner + "/clients", all, `[{"client_id":"web"}]`, 400, fmt.Sprintf(invalid, "Missing required property: client_id or status")},
		{"PUT", partner, all, `{}`, 404, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`},
	} {
		res := write(tn, tt.method, tt.path, tt.auth, tt.body)
		equal(t, tt.method+" "+tt.path+" "+tt.body, res.status, tt.status)
		sameJSON(t, res.body, tt.want)
	}
	for _, name := range []string{"-a", "a-", "a--b", "a_b", "a b", "ä", strings.Repeat("a", 129)} {
		body, _ := json.Marshal(map[string]any{"name": name, "strategy": "oauth2"})
		res := write(tn, "POST", "connections", all, string(body))
		if equal(t, name, res.status, 400); !strings.Contains(res.body, "on property name") {
			t.Errorf("%s: %s", name, res.body)
		}
	}
}

// A partner is the provider of a custom connection.
type partner struct {
	forms   []url.Values
	headers []http.Header
	profile string
	status  int // of the token endpoint
	expires int
}

func (p *partner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	p.headers = append(p.headers, r.Header)
	switch r.URL.Path {
	case "/oauth2/token":
		p.forms = append(p.forms, r.PostForm)
		w.WriteHeader(p.status)
		fmt.Fprintf(w, `{"access_token":"partner-%d","refresh_token":"partner-refresh","expires_in":%d,"token_type":"Bearer"}`, len(p.forms), p.expires)
	case "/me":
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer partner-%d", len(p.forms)) {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, p.profile)
	default:
		w.WriteHeader(404)
	}
}

func (p *partner) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "idp.partner.example" {
		return nil, errors.New("no such host")
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// newLiveTenant has an enabled custom connection with a live provider.
func newLiveTenant(t *testing.T, edits ...func(*emulator.Config)) (*emulator.Tenant, *clock, *partner) {
	t.Helper()
	p := &partner{profile: `{"id":7,"name":"Iris Lind","email":"iris@partner.example","email_verified":true}`, status: 200, expires: 3600}
	tn, c := newTenant(t, append(edits, func(cfg *emulator.Config) { cfg.Upstream = &http.Client{Transport: p} })...)
	auth := manager(tn, writeScopes)
	id, _ := write(tn, "POST", "connections", auth, createRequest).json(t)["id"].(string)
	equal(t, "enable", write(tn, "PATCH", "connections/"+id+"/clients", auth, `[{"client_id":"web","status":true}]`).status, 204)
	equal(t, "vault", write(tn, "PATCH", "connections/"+id, auth, `{"connected_accounts":{"active":true}}`).status, 200)
	return tn, c, p
}

// upstream begins a login and returns the request to the provider.
func upstream(t *testing.T, b *browser, pairs ...string) url.Values {
	t.Helper()
	u := b.open(authorizeURL(request(append([]string{"connection", "partner-two"}, pairs...)...))).location(t)
	if u.Scheme+"://"+u.Host+u.Path != "https://idp.partner.example/oauth2/authorize" {
		t.Fatalf("the browser is sent to %s", u)
	}
	return u.Query()
}

func (b *browser) back(state string, pairs ...string) response {
	b.t.Helper()
	query := url.Values{"state": {state}}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return b.open(base + "/login/callback?" + query.Encode())
}

// TestUpstream: the tenant is a client of the provider.
func TestUpstream(t *testing.T) {
	t.Parallel()
	tn, _, p := newLiveTenant(t)
	b := newBrowser(t, tn)
	sent := upstream(t, b)
	for name, want := range map[string]string{"response_type": "code", "client_id": "acme-at-partner", "redirect_uri": base + "/login/callback",
		"scope": "email openid profile", "static_param": "x", "tenant": "1", "code_challenge_method": "S256"} {
		equal(t, name, sent.Get(name), want)
	}
	if len(sent.Get("state")) != 43 || len(sent.Get("code_challenge")) != 43 {
		t.Errorf("state %q, challenge %q", sent.Get("state"), sent.Get("code_challenge"))
	}
	code := callbackParams(t, b.back(sent.Get("state"), "code", "c0de")).Get("code")
	form := p.forms[0]
	for name, want := range map[string]string{"grant_type": "authorization_code", "code": "c0de", "redirect_uri": base + "/login/callback",
		"client_id": "acme-at-partner", "client_secret": "s3cret"} {
		equal(t, name, form.Get(name), want)
	}
	equal(t, "challenge", s256(form.Get("code_verifier")), sent.Get("code_challenge"))
	equal(t, "header", p.headers[0].Get("X-Partner"), "acme")
	_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "sub", claims["sub"], any("oauth2|partner-two|7"))
	equal(t, "name", claims["name"], any("Iris Lind"))
	equal(t, "email_verified", claims["email_verified"], any(true))
	contains(t, b.back(sent.Get("state"), "code", "c0de").body, "This page has expired") // one response only

	// At the next login, the provider's profile takes precedence over the stored user.
	must(t, tn.AddUser(emulator.User{Connection: "partner-two", ID: "7", Email: "iris@partner.example"}))
	p.profile = `{"user_id":"7","name":"Iris Lind-Berg"}`
	b = newBrowser(t, tn)
	code = callbackParams(t, b.back(upstream(t, b).Get("state"), "code", "x")).Get("code")
	_, claims = verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "name", claims["name"], any("Iris Lind-Berg"))
	// The session at the tenant also logs in to the next application.
	equal(t, "silent", callbackParams(t, b.open(authorizeURL(request("connection", "partner-two", "prompt", "none")))).Get("error"), "")
}

func TestUpstreamFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name              string
		edit              func(*partner)
		answer            []string
		code, description string
	}{
		{"refused", nil, []string{"error", "access_denied", "error_description", "no"}, "access_denied", "no"},
		{"token endpoint", func(p *partner) { p.status = 400 }, []string{"code", "x"}, "invalid_request", "failed to obtain access token"},
		{"no user", func(p *partner) { p.profile = `{"name":"x"}` }, []string{"code", "x"}, "invalid_request", "the profile has no user_id"},
		{"no JSON", func(p *partner) { p.profile = `x` }, []string{"code", "x"}, "invalid_request", "failed to fetch user profile"},
	} {
		tn, _, p := newLiveTenant(t)
		if tt.edit != nil {
			tt.edit(p)
		}
		b := newBrowser(t, tn)
		got := callbackParams(t, b.back(upstream(t, b).Get("state"), tt.answer...))
		equal(t, tt.name, got.Get("error")+": "+got.Get("error_description"), tt.code+": "+tt.description)
		equal(t, tt.name+": state", got.Get("state"), "xyz")
	}
	tn, c, _ := newLiveTenant(t)
	b := newBrowser(t, tn)
	contains(t, b.back("nope", "code", "x").body, "This page has expired")
	state := upstream(t, b).Get("state")
	c.add(2 * time.Hour)
	contains(t, b.back(state, "code", "x").body, "This page has expired")
	// LogIn does not answer for the user here: the tenant redirects to the provider.
	must(t, tn.LogIn("jane@acme.example"))
	upstream(t, newBrowser(t, tn))
}

// TestUpstreamHook uses a function in place of the script.
func TestUpstreamHook(t *testing.T) {
	t.Parallel()
	var got string
	tn, _, _ := newLiveTenant(t, func(c *emulator.Config) {
		c.FetchUserProfile = func(_ context.Context, connection, token string) (map[string]any, error) {
			got = connection + " " + token
			return map[string]any{"user_id": "abc", "email": "x@partner.example"}, nil
		}
	})
	b := newBrowser(t, tn)
	callbackParams(t, b.back(upstream(t, b).Get("state"), "code", "x"))
	equal(t, "hook", got, "partner-two partner-1")
	if subject, _ := tn.Subject("x@partner.example"); subject != "oauth2|partner-two|abc" {
		t.Errorf("subject %q", subject)
	}
}

const (
	vaultGrant = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
	vaultType  = "http://auth0.com/oauth/token-type/federated-connection-access-token"
)

// TestVault exchanges the tenant's token for the provider's.
func TestVault(t *testing.T) {
	t.Parallel()
	tn, c, p := newLiveTenant(t)
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.GrantTypes = append(c.GrantTypes, vaultGrant) }))
	b := newBrowser(t, tn)
	code := callbackParams(t, b.back(upstream(t, b, "scope", "openid offline_access").Get("state"), "code", "x")).Get("code")
	refresh, _ := redeem(tn, code).json(t)["refresh_token"].(string)
	exchange := func(pairs ...string) response {
		form := url.Values{"grant_type": {vaultGrant}, "client_id": {"web"}, "client_secret": {"s3cret"}, "connection": {"partner-two"}, "subject_token": {refresh},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type": {vaultType}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return postForm(tn, base+"/oauth/token", form)
	}
	// A login never adds a token to the vault, even with a connection that has one.
	equal(t, "a login alone", exchange().status, 401)
	must(t, tn.ConnectAccount("iris@partner.example", emulator.ConnectedAccount{Connection: "partner-two", Email: "iris@partner.example",
		AccessToken: "partner-1", RefreshToken: "partner-refresh", Scope: "email openid profile", ExpiresIn: time.Hour}))
	res := exchange()
	equal(t, "status", res.status, 200)
	sameJSON(t, res.body, `{"access_token":"partner-1","scope":"email openid profile","expires_in":3600,"issued_token_type":"`+vaultType+`","token_type":"Bearer"}`)
	equal(t, "hint", exchange("login_hint", "Iris@partner.example").status, 200)
	must(t, tn.ConnectAccount("iris@partner.example", emulator.ConnectedAccount{Connection: "partner-two", Email: "other@partner.example", AccessToken: "other"}))
	equal(t, "other account", exchange("login_hint", "other@partner.example").json(t)["access_token"], any("other"))

	const none = `{"error":"federated_connection_refresh_token_not_found","error_description":"Federated connection Refresh Token not found."}`
	for _, tt := range []struct {
		pairs  []string
		status int
		want   string
	}{
		{[]string{"requested_token_type", ""}, 400, `{"error":"invalid_request","error_description":"requested_token_type is required"}`},
		{[]string{"requested_token_type", "x"}, 400, `{"error":"invalid_request","error_description":"requested_token_type is not supported"}`},
		{[]string{"subject_token_type", "x"}, 400, `{"error":"invalid_request","error_description":"subject_token_type is not supported"}`},
		{[]string{"connection", ""}, 400, `{"error":"invalid_request","error_description":"connection is required"}`},
		{[]string{"connection", "google-oauth2"}, 401, none},
		{[]string{"subject_token", "x"}, 401, none},
		{[]string{"login_hint", "nobody@partner.example"}, 401, none},
		{[]string{"subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "subject_token", tn.AccessToken("iris@partner.example", api)}, 401, none},
		{[]string{"client_secret", "x"}, 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
	} {
		res := exchange(tt.pairs...)
		equal(t, strings.Join(tt.pairs[:2], " "), res.status, tt.status)
		sameJSON(t, res.body, tt.want)
	}
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.ResourceServer = api }))
	equal(t, "access token", exchange("subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "subject_token", tn.AccessToken("iris@partner.example", api), "login_hint", "iris@partner.example").status, 200)

	// The tenant refreshes an expired token at the provider.
	c.add(time.Hour)
	equal(t, "refreshed", exchange("login_hint", "iris@partner.example").json(t)["access_token"], any("partner-2"))
	equal(t, "grant", p.forms[1].Get("grant_type")+" "+p.forms[1].Get("refresh_token"), "refresh_token partner-refresh")
	p.status = 400
	c.add(2 * time.Hour)
	equal(t, "not refreshed", exchange("login_hint", "iris@partner.example").status, 401)

	must(t, tn.EditClient("web", func(c *emulator.Client) { c.RotatingRefreshTokens = true }))
	equal(t, "rotating", exchange().status, 403)
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.RotatingRefreshTokens, c.GrantTypes = false, []string{"authorization_code"}
	}))
	res = exchange()
	sameJSON(t, res.body, `{"error":"unauthorized_client","error_description":"Grant type '`+vaultGrant+`' not allowed for the client."}`)
	equal(t, "grant type", res.status, 403)
}

// TestIdentities: identities have tokens only with the scope, and never tokens of the
// vault.
func TestIdentities(t *testing.T) {
	t.Parallel()
	tn, _, _ := newLiveTenant(t)
	b := newBrowser(t, tn)
	callbackParams(t, b.back(upstream(t, b).Get("state"), "code", "x"))
	read := func(scopes string) string {
		res := get(tn, mgmt+"users/"+url.PathEscape("oauth2|partner-two|7")+"?fields=identities", "Authorization", manager(tn, scopes))
		equal(t, scopes, res.status, 200)
		return res.body
	}
	const identity = `{"identities":[{"provider":"oauth2","connection":"partner-two","user_id":"partner-two|7","isSocial":true%s}]}`
	sameJSON(t, read("read:users read:user_idp_tokens"), fmt.Sprintf(identity, ""))
	auth := manager(tn, writeScopes)
	for _, c := range get(tn, mgmt+"connections?name=partner-two&take=1", "Authorization", auth).json(t)["connections"].([]any) {
		write(tn, "PATCH", "connections/"+c.(map[string]any)["id"].(string), auth, `{"connected_accounts":{"active":false}}`)
	}
	sameJSON(t, read("read:users"), fmt.Sprintf(identity, ""))
	sameJSON(t, read("read:users read:user_idp_tokens"), fmt.Sprintf(identity, `,"access_token":"partner-1","refresh_token":"partner-refresh","expires_in":3600`))
	sameJSON(t, get(tn, mgmt+"users/x", "Authorization", manager(tn, "read:users")).body, `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`)
	equal(t, "scope", get(tn, mgmt+"users/x", "Authorization", manager(tn, "read:user_idp_tokens")).status, 403)
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
