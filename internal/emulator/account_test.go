package emulator_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	me            = "https://acme.auth0.example/me/v1/connected-accounts/"
	meAudience    = "https://acme.auth0.example/me/"
	accountScopes = "create:me:connected_accounts read:me:connected_accounts delete:me:connected_accounts"
	accountBack   = "https://app.example/connect"
	accountPKCE   = "a-verifier-that-is-longer-than-forty-three-characters"

	invalidToken = `{"type":"https://auth0.com/api-errors#A0E-401-0002","title":"Unauthorized","status":401,"detail":"Invalid token"}`
	noAccount    = `{"type":"https://auth0.com/api-errors#A0E-404-0001","title":"Not Found","status":404,"detail":"Connected account not found"}`
	wrongField   = `{"type":"https://auth0.com/api-errors#A0E-400-0003","title":"Bad Request","status":400,"detail":"Invalid request","validation_errors":[{"detail":%q,"field":%q,"pointer":"/%[2]s","source":"body"}]}`
	wrongQuery   = `{"type":"https://auth0.com/api-errors#A0E-400-0003","title":"Bad Request","status":400,"detail":"Invalid request","validation_errors":[{"detail":%q,"field":%q,"source":"query"}]}`
)

// newAccountTenant has a live connection and one with a simulated provider. Users can
// connect accounts at both.
func newAccountTenant(t *testing.T) (*emulator.Tenant, *clock, *partner) {
	t.Helper()
	tn, c, p := newLiveTenant(t)
	must(t, tn.AddConnection(emulator.Connection{Name: "google-oauth2", Strategy: "google-oauth2", Scope: []string{"email", "profile"}, ConnectedAccounts: true}))
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.CallbackURLs = append(c.CallbackURLs, accountBack)
		c.GrantTypes = append(c.GrantTypes, vaultGrant)
		c.RefreshTokenPolicies = []emulator.ClientGrant{{Audience: meAudience, Scopes: strings.Fields(accountScopes)}}
	}))
	return tn, c, p
}

// person returns an Authorization header of a user for the My Account API.
func person(tn *emulator.Tenant, user string, edits ...emulator.TokenEdit) string {
	edits = append([]emulator.TokenEdit{func(_, claims map[string]any) { claims["scope"] = accountScopes }}, edits...)
	return "Bearer " + tn.AccessToken(user, meAudience, edits...)
}

func asJane(tn *emulator.Tenant) string { return person(tn, "jane@acme.example") }

// myAccount makes a request to the My Account API.
func myAccount(tn *emulator.Tenant, method, path, auth, body string) response {
	r := httptest.NewRequest(method, me+path, strings.NewReader(body))
	r.Header.Set("Authorization", auth)
	return serve(tn, r)
}

func connectBody(connection, more string) string {
	return fmt.Sprintf(`{"connection":%q,"redirect_uri":%q,"state":"xyz","code_challenge":%q,"code_challenge_method":"S256"%s}`, connection, accountBack, s256(accountPKCE), more)
}

func completeBody(session, code string) string {
	return fmt.Sprintf(`{"auth_session":%q,"connect_code":%q,"redirect_uri":%q,"code_verifier":%q}`, session, code, accountBack, accountPKCE)
}

// begin requests an account connection and returns the URL for the browser.
func begin(t *testing.T, tn *emulator.Tenant, auth, body string) (session, target string) {
	t.Helper()
	res := myAccount(tn, "POST", "connect", auth, body)
	if res.status != 201 {
		t.Fatalf("connect: %d %s", res.status, res.body)
	}
	got := res.json(t)
	session, _ = got["auth_session"].(string)
	params, _ := got["connect_params"].(map[string]any)
	return session, fmt.Sprintf("%s?ticket=%s", got["connect_uri"], params["ticket"])
}

// returned checks that the browser is redirected back to the application.
func returned(t *testing.T, res response) url.Values {
	t.Helper()
	u := res.location(t)
	if got := u.Scheme + "://" + u.Host + u.Path; got != accountBack || u.Query().Get("state") != "xyz" || u.Fragment != "" {
		t.Fatalf("redirect to %s", u)
	}
	return u.Query()
}

// agreed connects Grace's account at Google and returns the values that complete
// requires.
func agreed(t *testing.T, tn *emulator.Tenant, auth string) (session, code string) {
	t.Helper()
	b := newBrowser(t, tn)
	session, target := begin(t, tn, auth, connectBody("google-oauth2", ""))
	return session, returned(t, b.submit(b.open(target), "account", "google-oauth2|1018")).Get("connect_code")
}

// connect performs the whole connection and returns the id of the account.
func connect(t *testing.T, tn *emulator.Tenant, auth string) string {
	t.Helper()
	session, code := agreed(t, tn, auth)
	res := myAccount(tn, "POST", "complete", auth, completeBody(session, code))
	if res.status != 201 {
		t.Fatalf("complete: %d %s", res.status, res.body)
	}
	id, _ := res.json(t)["id"].(string)
	return id
}

// vault exchanges Jane's refresh token for a token of a third party.
func vault(tn *emulator.Tenant, refresh any, connection string) response {
	return postForm(tn, base+"/oauth/token", url.Values{"grant_type": {vaultGrant}, "client_id": {"web"}, "client_secret": {"s3cret"}, "connection": {connection},
		"subject_token": {fmt.Sprint(refresh)}, "subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type": {vaultType}})
}

// TestConnectLive performs the whole connection with a live provider.
func TestConnectLive(t *testing.T) {
	t.Parallel()
	tn, c, p := newAccountTenant(t)
	refresh := tokens(t, tn, "scope", "openid offline_access")["refresh_token"]
	equal(t, "before", vault(tn, refresh, "partner-two").status, 401)

	// The refresh token gives the token for this API.
	got := postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"web"}, "client_secret": {"s3cret"},
		"refresh_token": {fmt.Sprint(refresh)}, "audience": {meAudience}, "scope": {accountScopes}}).json(t)
	equal(t, "scope", got["scope"], any(accountScopes))
	auth := fmt.Sprint("Bearer ", got["access_token"])

	res := myAccount(tn, "POST", "connect", auth, connectBody("partner-two", `,"scopes":["photos","email"],"authorization_params":{"prompt":"consent","state":"ours","scope":"all"}`))
	equal(t, "status", res.status, 201)
	began := res.json(t)
	equal(t, "connect_uri", began["connect_uri"], any("https://acme.auth0.example/connected-accounts/connect"))
	equal(t, "expires_in", began["expires_in"], any(300.0))
	session, _ := began["auth_session"].(string)
	ticket := began["connect_params"].(map[string]any)["ticket"].(string)
	if len(session) != 64 || len(ticket) != 36 || len(began) != 4 {
		t.Errorf("%v", began)
	}
	b := newBrowser(t, tn)
	there := b.open(base + "/connected-accounts/connect?ticket=" + ticket).location(t)
	sent := there.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": "acme-at-partner", "redirect_uri": base + "/login/callback",
		"scope": "photos email", "static_param": "x", "tenant": "1", "prompt": "consent", "code_challenge_method": "S256"} {
		equal(t, name, sent.Get(name), want)
	}
	if there.Host != "idp.partner.example" || sent.Get("state") == "ours" || strings.Contains(there.String(), session) {
		t.Errorf("the browser is sent to %s", there)
	}
	answer := returned(t, b.back(sent.Get("state"), "code", "c0de"))
	equal(t, "challenge at the provider", s256(p.forms[0].Get("code_verifier")), sent.Get("code_challenge"))
	contains(t, b.back(sent.Get("state"), "code", "c0de").body, "This page has expired") // one response only

	equal(t, "not connected yet", vault(tn, refresh, "partner-two").status, 401)
	c.add(time.Minute)
	res = myAccount(tn, "POST", "complete", auth, completeBody(session, answer.Get("connect_code")))
	equal(t, "status", res.status, 201)
	equal(t, "cache", res.header.Get("Cache-Control"), "no-store")
	id, _ := res.json(t)["id"].(string)
	if !strings.HasPrefix(id, "cac_") || len(id) != 26 {
		t.Errorf("id %q", id)
	}
	item := fmt.Sprintf(`{"id":%q,"connection":"partner-two","access_type":"offline","scopes":["photos","email"],"created_at":"2026-01-01T00:01:00.000Z"}`, id)
	sameJSON(t, res.body, item)
	sameJSON(t, myAccount(tn, "GET", "accounts", auth, "").body, `{"accounts":[`+item+`]}`)
	if _, ok := tn.Subject("iris@partner.example"); ok {
		t.Error("the account has become a user")
	}

	// The account's token is in the vault, and the tenant refreshes it.
	sameJSON(t, vault(tn, refresh, "partner-two").body, `{"access_token":"partner-1","scope":"photos email","expires_in":3540,"issued_token_type":"`+vaultType+`","token_type":"Bearer"}`)
	c.add(time.Hour)
	equal(t, "refreshed", vault(tn, refresh, "partner-two").json(t)["access_token"], any("partner-2"))
	auth = asJane(tn)
	sameJSON(t, myAccount(tn, "GET", "accounts", auth, "").body, `{"accounts":[`+item+`]}`)

	// Without the account, the vault issues no token.
	res = myAccount(tn, "DELETE", "accounts/"+id, auth, "")
	equal(t, "status", res.status, 204)
	equal(t, "body", res.body, "")
	equal(t, "after", vault(tn, refresh, "partner-two").status, 401)
	sameJSON(t, myAccount(tn, "GET", "accounts", auth, "").body, `{"accounts":[]}`)
	sameJSON(t, myAccount(tn, "DELETE", "accounts/"+id, auth, "").body, noAccount)

	// Without requested scopes, the connection's scopes apply.
	_, target := begin(t, tn, auth, connectBody("partner-two", ""))
	equal(t, "scope", newBrowser(t, tn).open(target).location(t).Query().Get("scope"), "email openid profile")
}

// TestConnectWithoutAddress: the id distinguishes accounts without an email address.
func TestConnectWithoutAddress(t *testing.T) {
	t.Parallel()
	tn, _, p := newAccountTenant(t)
	auth := asJane(tn)
	b := newBrowser(t, tn)
	for _, tt := range []struct{ id, status int }{{8, 201}, {9, 201}, {9, 409}} {
		p.profile = fmt.Sprintf(`{"id":%d}`, tt.id)
		session, target := begin(t, tn, auth, connectBody("partner-two", ""))
		code := returned(t, b.back(b.open(target).location(t).Query().Get("state"), "code", "x")).Get("connect_code")
		equal(t, p.profile, myAccount(tn, "POST", "complete", auth, completeBody(session, code)).status, tt.status)
	}
	_, target := begin(t, tn, auth, connectBody("partner-two", ""))
	state := b.open(target).location(t).Query().Get("state")
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.Connections = nil }))
	contains(t, b.back(state, "code", "x").body, "the connection was not found")
}

// TestConnectPage simulates the provider with a page.
func TestConnectPage(t *testing.T) {
	t.Parallel()
	tn, _, _ := newAccountTenant(t)
	auth := asJane(tn)
	b := newBrowser(t, tn)
	session, target := begin(t, tn, auth, connectBody("google-oauth2", `,"scopes":["https://google.example/calendar"]`))
	page := b.open(target)
	equal(t, "path", page.url.Path, "/u/connect")
	for _, text := range []string{"<h1>Simulated Google sign-in</h1>", "Choose the account that <strong>Web app</strong> may use", "<li>https://google.example/calendar</li>", "grace@gmail.example"} {
		contains(t, page.body, text)
	}
	if strings.Contains(page.url.String(), session) || strings.Contains(target, session) {
		t.Error("the browser gets to know auth_session")
	}
	contains(t, b.open(target).body, "This page has expired") // a ticket works once
	contains(t, b.submit(page, "account", "auth0|65f0c1d2").body, "Choose the account")
	equal(t, "form of another site", postForm(tn, page.url.String(), url.Values{"account": {"google-oauth2|1018"}}, "Sec-Fetch-Site", "cross-site").status, 403)

	code := returned(t, b.submit(page, "account", "google-oauth2|1018")).Get("connect_code")
	contains(t, b.submit(page, "cancel", "cancel").body, "This page has expired") // only one of two responses counts
	res := myAccount(tn, "POST", "complete", auth, completeBody(session, code))
	sameJSON(t, res.body, fmt.Sprintf(`{"id":%q,"connection":"google-oauth2","access_type":"offline","scopes":["https://google.example/calendar"],"created_at":"2026-01-01T00:00:00.000Z"}`, res.json(t)["id"]))
	refresh := tokens(t, tn, "scope", "openid offline_access")["refresh_token"]
	if token, _ := vault(tn, refresh, "google-oauth2").json(t)["access_token"].(string); !strings.HasPrefix(token, "simulated-") {
		t.Errorf("token %q", token)
	}

	// A canceled request, with the scopes of the connection.
	session, target = begin(t, tn, auth, connectBody("google-oauth2", ""))
	page = b.open(target)
	contains(t, page.body, "<li>profile</li>")
	got := returned(t, b.submit(page, "cancel", "cancel"))
	equal(t, "error", got.Get("error")+": "+got.Get("error_description"), "access_denied: User did not authorize the request")
	sameJSON(t, myAccount(tn, "POST", "complete", auth, completeBody(session, "x")).body, fmt.Sprintf(wrongField, "is invalid or has expired", "auth_session"))

	// The page of a login is unchanged.
	if login := b.open(authorizeURL(request("connection", "google-oauth2"))); strings.Contains(login.body, "may use") || !strings.Contains(login.body, "to continue to <strong>Web app</strong>") {
		t.Errorf("the page of a login:\n%s", login.body)
	}
}

// TestConnectAutomatically connects without pages, for tests.
func TestConnectAutomatically(t *testing.T) {
	t.Parallel()
	tn, _, _ := newAccountTenant(t)
	must(t, tn.LogIn("jane@acme.example"))
	auth := asJane(tn)
	email := func() any {
		session, target := begin(t, tn, auth, connectBody("google-oauth2", ""))
		code := returned(t, newBrowser(t, tn).open(target)).Get("connect_code")
		equal(t, "complete", myAccount(tn, "POST", "complete", auth, completeBody(session, code)).status, 201)
		refresh := tokens(t, tn, "scope", "openid offline_access")["refresh_token"]
		must(t, tn.LogIn("jane@acme.example"))
		return vault(tn, refresh, "google-oauth2").json(t)["access_token"]
	}
	first := email()
	must(t, tn.AddUser(emulator.User{Connection: "google-oauth2", Email: "jane@acme.example"}))
	if second := email(); first == second {
		t.Error("Jane has an account of her own, and it was not taken")
	}
	must(t, tn.AddConnection(emulator.Connection{Name: "empty", Strategy: "github", ConnectedAccounts: true}))
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.Connections = append(c.Connections, "empty") }))
	_, target := begin(t, tn, auth, connectBody("empty", ""))
	equal(t, "no accounts", returned(t, newBrowser(t, tn).open(target)).Get("error"), "access_denied")

	tn.DenyNext("server_error", "broken")
	_, target = begin(t, tn, auth, connectBody("google-oauth2", ""))
	got := returned(t, newBrowser(t, tn).open(target))
	equal(t, "denied", got.Get("error")+": "+got.Get("error_description"), "server_error: broken")
}

// TestConnectUpstreamFails: the browser returns even if the provider fails.
func TestConnectUpstreamFails(t *testing.T) {
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
	} {
		tn, _, p := newAccountTenant(t)
		if tt.edit != nil {
			tt.edit(p)
		}
		b := newBrowser(t, tn)
		session, target := begin(t, tn, asJane(tn), connectBody("partner-two", ""))
		got := returned(t, b.back(b.open(target).location(t).Query().Get("state"), tt.answer...))
		equal(t, tt.name, got.Get("error")+": "+got.Get("error_description"), tt.code+": "+tt.description)
		equal(t, tt.name+": complete", myAccount(tn, "POST", "complete", asJane(tn), completeBody(session, "x")).status, 400)
	}
	tn, _, _ := newAccountTenant(t)
	auth := manager(tn, writeScopes)
	for _, c := range get(tn, mgmt+"connections?name=partner-two&take=1", "Authorization", auth).json(t)["connections"].([]any) {
		write(tn, "PATCH", "connections/"+c.(map[string]any)["id"].(string), auth, `{"connected_accounts":{"active":true},"options":{"authorizationURL":"/x","scripts":{"fetchUserProfile":"'https://idp.partner.example/me'"}}}`)
	}
	_, target := begin(t, tn, asJane(tn), connectBody("partner-two", ""))
	equal(t, "no URL", returned(t, newBrowser(t, tn).open(target)).Get("error_description"), "the connection has no usable authorizationURL")
}

// TestConnectExpires: the whole connection has five minutes.
func TestConnectExpires(t *testing.T) {
	t.Parallel()
	tn, c, _ := newAccountTenant(t)
	b := newBrowser(t, tn)
	fresh := func() string { return asJane(tn) }

	_, target := begin(t, tn, fresh(), connectBody("google-oauth2", ""))
	c.add(299 * time.Second)
	page := b.open(target)
	contains(t, page.body, "Choose the account")
	c.add(time.Second)
	contains(t, b.submit(page, "account", "google-oauth2|1018").body, "This page has expired")

	_, target = begin(t, tn, fresh(), connectBody("google-oauth2", ""))
	c.add(300 * time.Second)
	contains(t, b.open(target).body, "This page has expired")

	_, target = begin(t, tn, fresh(), connectBody("partner-two", ""))
	state := b.open(target).location(t).Query().Get("state")
	c.add(300 * time.Second)
	contains(t, b.back(state, "code", "x").body, "This page has expired")

	session, code := agreed(t, tn, fresh())
	c.add(300 * time.Second)
	sameJSON(t, myAccount(tn, "POST", "complete", fresh(), completeBody(session, code)).body, fmt.Sprintf(wrongField, "is invalid or has expired", "auth_session"))
	contains(t, b.open(base+"/connected-accounts/connect?ticket=nope").body, "This page has expired")
	contains(t, b.open(base+"/u/connect?state=nope").body, "This page has expired")
}

// TestConnectRefused: the error tells the application which value the tenant rejected.
func TestConnectRefused(t *testing.T) {
	t.Parallel()
	tn, _, _ := newAccountTenant(t)
	must(t, tn.AddConnection(emulator.Connection{Name: "off", Strategy: "github"}))
	must(t, tn.AddConnection(emulator.Connection{Name: "elsewhere", Strategy: "github", ConnectedAccounts: true}))
	must(t, tn.AddConnection(emulator.Connection{Name: "people", Strategy: "auth0", ConnectedAccounts: true}))
	must(t, tn.AddConnection(emulator.Connection{Name: "no-login", Strategy: "github", ConnectedAccounts: true, Inactive: true}))
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.Connections = append(c.Connections, "off", "people", "no-login") }))
	const notFound = "was not found, or is not enabled for connected accounts"
	body := func(old, new string) string { return strings.Replace(connectBody("google-oauth2", ""), old, new, 1) }
	for _, tt := range []struct{ name, body, want string }{
		{"no JSON", `{`, `{"type":"https://auth0.com/api-errors#A0E-400-0001","title":"Bad Request","status":400,"detail":"Invalid request payload"}`},
		{"unknown member", connectBody("google-oauth2", `,"nonce":"x"`), fmt.Sprintf(wrongField, "Additional properties not allowed", "nonce")},
		{"no connection", body("google-oauth2", ""), fmt.Sprintf(wrongField, "is required", "connection")},
		{"no redirect_uri", body(accountBack, ""), fmt.Sprintf(wrongField, "is required", "redirect_uri")},
		{"foreign redirect_uri", body(accountBack, "https://evil.example/connect"), fmt.Sprintf(wrongField, "is not in the list of allowed callback URLs", "redirect_uri")},
		{"longer redirect_uri", body(accountBack, accountBack+"/x"), fmt.Sprintf(wrongField, "is not in the list of allowed callback URLs", "redirect_uri")},
		{"no challenge", body(s256(accountPKCE), ""), fmt.Sprintf(wrongField, "is required with code_challenge_method", "code_challenge")},
		{"plain", body("S256", "plain"), fmt.Sprintf(wrongField, "must be S256", "code_challenge_method")},
		{"no method", body("S256", ""), fmt.Sprintf(wrongField, "must be S256", "code_challenge_method")},
		{"unknown connection", body("google-oauth2", "nope"), fmt.Sprintf(wrongField, notFound, "connection")},
		{"not for accounts", body("google-oauth2", "off"), fmt.Sprintf(wrongField, notFound, "connection")},
		{"not enabled", body("google-oauth2", "elsewhere"), fmt.Sprintf(wrongField, notFound, "connection")},
		{"a database", body("google-oauth2", "people"), fmt.Sprintf(wrongField, notFound, "connection")},
	} {
		res := myAccount(tn, "POST", "connect", asJane(tn), tt.body)
		equal(t, tt.name, res.status, 400)
		sameJSON(t, res.body, tt.want)
	}
	equal(t, "not for logins", myAccount(tn, "POST", "connect", asJane(tn), body("google-oauth2", "no-login")).status, 201)
	equal(t, "without PKCE and state", myAccount(tn, "POST", "connect", asJane(tn), `{"connection":"google-oauth2","redirect_uri":"`+accountBack+`"}`).status, 201)
}

// TestCompleteRefused: another user and a repeated request get nothing. After wrong
// values, the attempt is over.
func TestCompleteRefused(t *testing.T) {
	t.Parallel()
	tn, _, _ := newAccountTenant(t)
	must(t, tn.AddClient(emulator.Client{ID: "other", Secret: "x", CallbackURLs: []string{accountBack}, Connections: []string{"google-oauth2"}}))
	jane, grace := asJane(tn), person(tn, "grace@gmail.example")
	otherApp := person(tn, "jane@acme.example", func(_, claims map[string]any) { claims["azp"] = "other" })
	const gone = "is invalid or has expired"
	for _, tt := range []struct {
		name, auth, old, new, detail, field string
		usedUp                              bool
	}{
		{"unknown member", jane, "auth_session", "session", "Additional properties not allowed", "session", false},
		{"another person", grace, "", "", gone, "auth_session", false},
		{"another application", otherApp, "", "", gone, "auth_session", false},
		{"unknown session", jane, `{"auth_session":"`, `{"auth_session":"x`, gone, "auth_session", false},
		{"empty session", jane, "SESSION", "", "is required", "auth_session", false},
		{"empty code", jane, "CODE", "", "is required", "connect_code", false},
		{"empty redirect_uri", jane, accountBack, "", "is required", "redirect_uri", false},
		{"another code", jane, `"connect_code":"`, `"connect_code":"x`, "is invalid", "connect_code", true},
		{"another redirect_uri", jane, accountBack, callback, "is not the one of the request", "redirect_uri", true},
		{"another verifier", jane, accountPKCE, "another-verifier", "does not fit the code_challenge", "code_verifier", true},
		{"no verifier", jane, accountPKCE, "", "does not fit the code_challenge", "code_verifier", true},
	} {
		session, code := agreed(t, tn, jane)
		body := completeBody(session, code)
		old := strings.NewReplacer("SESSION", session, "CODE", code).Replace(tt.old)
		res := myAccount(tn, "POST", "complete", tt.auth, strings.Replace(body, old, tt.new, 1))
		equal(t, tt.name, res.status, 400)
		sameJSON(t, res.body, fmt.Sprintf(wrongField, tt.detail, tt.field))
		want := 201
		if tt.usedUp {
			want = 400
		}
		res = myAccount(tn, "POST", "complete", jane, body)
		equal(t, tt.name+", then right", res.status, want)
		if id, _ := res.json(t)["id"].(string); id != "" {
			equal(t, "again", myAccount(tn, "POST", "complete", jane, body).status, 400) // a code works once
			myAccount(tn, "DELETE", "accounts/"+id, jane, "")
		}
	}
	// Before the provider has responded, the tenant rejects every code.
	session, target := begin(t, tn, jane, connectBody("google-oauth2", ""))
	equal(t, "too early", myAccount(tn, "POST", "complete", jane, completeBody(session, "x")).status, 400)
	b := newBrowser(t, tn)
	code := returned(t, b.submit(b.open(target), "account", "google-oauth2|1018")).Get("connect_code")
	equal(t, "then", myAccount(tn, "POST", "complete", jane, completeBody(session, code)).status, 201)

	// A verifier without a challenge.
	session, target = begin(t, tn, grace, fmt.Sprintf(`{"connection":"google-oauth2","redirect_uri":%q,"state":"xyz"}`, accountBack))
	code = returned(t, b.submit(b.open(target), "account", "google-oauth2|1018")).Get("connect_code")
	equal(t, "verifier", myAccount(tn, "POST", "complete", grace, completeBody(session, code)).status, 400)

	// A user can connect an account at the provider once. Another user can connect it
	// too.
	session, code = agreed(t, tn, jane)
	res := myAccount(tn, "POST", "complete", jane, completeBody(session, code))
	equal(t, "already", res.status, 409)
	sameJSON(t, res.body, `{"type":"https://auth0.com/api-errors#A0E-409-0001","title":"Conflict","status":409,"detail":"The account is connected already"}`)
	connect(t, tn, grace)

	must(t, tn.ConnectAccount("carol@customer.example", emulator.ConnectedAccount{Connection: "google-oauth2", Email: "Grace@gmail.example", AccessToken: "x"}))
	session, code = agreed(t, tn, person(tn, "carol@customer.example"))
	equal(t, "by address", myAccount(tn, "POST", "complete", person(tn, "carol@customer.example"), completeBody(session, code)).status, 409)

	// A connection turned off meanwhile cannot be completed.
	session, code = agreed(t, tn, person(tn, "carol@customer.example"))
	must(t, tn.AddConnection(emulator.Connection{Name: "google-oauth2", Strategy: "google-oauth2"}))
	sameJSON(t, myAccount(tn, "POST", "complete", person(tn, "carol@customer.example"), completeBody(session, code)).body,
		fmt.Sprintf(wrongField, "is for a connection that is not enabled any more", "auth_session"))
}

// TestMyAccountTokens: the API accepts only users' tokens for this API.
func TestMyAccountTokens(t *testing.T) {
	t.Parallel()
	tn, c, _ := newAccountTenant(t)
	edited := func(name string, value any) string {
		return person(tn, "jane@acme.example", func(_, claims map[string]any) { claims[name] = value })
	}
	good := asJane(tn)
	for name, auth := range map[string]string{
		"none":          "",
		"basic":         basic("web", "s3cret"),
		"no scheme":     strings.TrimPrefix(good, "Bearer "),
		"no token":      "Bearer x",
		"signature":     good[:len(good)-8] + "AAAAAAAA",
		"expired":       edited("exp", c.Now().Unix()),
		"audience":      "Bearer " + tn.AccessToken("jane@acme.example", api, func(_, claims map[string]any) { claims["scope"] = accountScopes }),
		"issuer":        edited("iss", "https://login.acme.example/"),
		"user":          edited("sub", "auth0|gone"),
		"application":   edited("azp", "gone"),
		"no person":     "Bearer " + tn.AccessToken("web@clients", meAudience, func(_, claims map[string]any) { claims["scope"] = accountScopes }),
		"an ID token":   "Bearer " + tn.IDToken("web", "jane@acme.example"),
		"of management": manager(tn, accountScopes),
	} {
		res := myAccount(tn, "GET", "accounts", auth, "")
		equal(t, name, res.status, 401)
		sameJSON(t, res.body, invalidToken)
	}
	equal(t, "good", myAccount(tn, "GET", "accounts", good, "").status, 200)
	for _, tt := range []struct{ method, path, scope string }{
		{"POST", "connect", "create:me:connected_accounts"},
		{"POST", "complete", "create:me:connected_accounts"},
		{"GET", "accounts", "read:me:connected_accounts"},
		{"GET", "connections", "read:me:connected_accounts"},
		{"DELETE", "accounts/cac_1", "delete:me:connected_accounts"},
	} {
		res := myAccount(tn, tt.method, tt.path, edited("scope", strings.Replace(accountScopes, tt.scope, "", 1)), "")
		equal(t, tt.path, res.status, 403)
		sameJSON(t, res.body, `{"type":"https://auth0.com/api-errors#A0E-403-0002","title":"Forbidden","status":403,"detail":"Insufficient scope, expected: `+tt.scope+`"}`)
		if alone := myAccount(tn, tt.method, tt.path, edited("scope", tt.scope), ""); alone.status == 401 || alone.status == 403 {
			t.Errorf("%s with its scope alone: %d", tt.path, alone.status)
		}
	}
	for _, tt := range []struct{ method, path string }{{"GET", "connect"}, {"POST", "accounts"}, {"DELETE", "accounts"}, {"GET", "accounts/cac_1"}, {"GET", ""}, {"DELETE", "accounts/cac_1/x"}, {"DELETE", "accounts%2Fcac_1"}} {
		res := myAccount(tn, tt.method, tt.path, good, "")
		equal(t, tt.method+" "+tt.path, res.status, 404)
		sameJSON(t, res.body, `{"type":"https://auth0.com/api-errors#A0E-404-0001","title":"Not Found","status":404,"detail":"Not Found"}`)
	}
	if err := tn.AddAPI(emulator.API{Audience: meAudience}); err == nil {
		t.Error("an API in its place")
	}
	// Without a refresh token policy, an application gets no token for this API.
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.RefreshTokenPolicies = nil }))
	refresh := tokens(t, tn, "scope", "openid offline_access", "audience", api)["refresh_token"]
	got := postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"web"}, "client_secret": {"s3cret"},
		"refresh_token": {fmt.Sprint(refresh)}, "audience": {meAudience}}).json(t)
	if _, claims := decode(t, got["access_token"].(string)); has(claims["aud"], meAudience) || claims["aud"] == meAudience {
		t.Errorf("aud %v", claims["aud"])
	}
}

// TestConnectedAccountList pages, filters, and separates users.
func TestConnectedAccountList(t *testing.T) {
	t.Parallel()
	tn, c, _ := newAccountTenant(t)
	var want []string
	for i := range 25 {
		must(t, tn.ConnectAccount("jane@acme.example", emulator.ConnectedAccount{Connection: "google-oauth2", Email: fmt.Sprintf("%d@gmail.example", i), AccessToken: "x"}))
		c.add(time.Second)
	}
	must(t, tn.ConnectAccount("jane@acme.example", emulator.ConnectedAccount{Connection: "partner-two", Email: "jane@partner.example", AccessToken: "x"}))
	graces := connect(t, tn, person(tn, "grace@gmail.example"))
	jane := asJane(tn)
	list := func(query string) (ids []string, next string) {
		t.Helper()
		res := myAccount(tn, "GET", "accounts"+query, jane, "")
		if res.status != 200 {
			t.Fatalf("%s: %d %s", query, res.status, res.body)
		}
		body := res.json(t)
		for _, a := range body["accounts"].([]any) {
			ids = append(ids, a.(map[string]any)["id"].(string))
		}
		next, _ = body["next"].(string)
		return ids, next
	}
	for _, tt := range []struct {
		query string
		pages []int
	}{
		{"?", []int{10, 10, 6}},
		{"?take=20", []int{20, 6}},
		{"?take=13", []int{13, 13}},
		{"?take=20&connection=google-oauth2", []int{20, 5}},
		{"?connection=partner-two", []int{1}},
		{"?connection=nope", []int{0}},
	} {
		var sizes []int
		seen := map[string]bool{graces: true}
		for from := ""; ; {
			ids, next := list(tt.query + from)
			sizes = append(sizes, len(ids))
			for _, id := range ids {
				if seen[id] {
					t.Errorf("%s: %s is there twice, or is somebody else's", tt.query, id)
				}
				seen[id] = true
			}
			if tt.query == "?take=20" {
				want = append(want, ids...)
			}
			if next == "" {
				break
			}
			from = "&from=" + url.QueryEscape(next)
		}
		equal(t, tt.query, fmt.Sprint(sizes), fmt.Sprint(tt.pages))
	}
	for query, body := range map[string]string{
		"?take=21":   fmt.Sprintf(wrongQuery, "must be an integer from 1 to 20", "take"),
		"?take=0":    fmt.Sprintf(wrongQuery, "must be an integer from 1 to 20", "take"),
		"?take=x":    fmt.Sprintf(wrongQuery, "must be an integer from 1 to 20", "take"),
		"?from=nope": fmt.Sprintf(wrongQuery, "unknown checkpoint", "from"),
		"?page=1":    fmt.Sprintf(wrongQuery, "Additional properties not allowed", "page"),
	} {
		res := myAccount(tn, "GET", "accounts"+query, jane, "")
		equal(t, query, res.status, 400)
		sameJSON(t, res.body, body)
	}
	// The account of another user cannot be deleted.
	for _, id := range []string{graces, "cac_nope", "auth0|65f0c1d2"} {
		res := myAccount(tn, "DELETE", "accounts/"+url.PathEscape(id), jane, "")
		equal(t, id, res.status, 404)
		sameJSON(t, res.body, noAccount)
	}
	equal(t, "own", myAccount(tn, "DELETE", "accounts/"+want[0], jane, "").status, 204)
	if ids, _ := list("?take=20"); ids[0] != want[1] {
		t.Error("another one was deleted")
	}
	// Deleting a user deletes the connected accounts.
	tn.RemoveUser("auth0|65f0c1d2")
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example"}))
	if ids, _ := list(""); len(ids) != 0 {
		t.Errorf("%d accounts of somebody who is gone", len(ids))
	}
}

// TestLoginIsNoAccount: the account of a login is not in the list, and cannot be
// disconnected here.
func TestLoginIsNoAccount(t *testing.T) {
	t.Parallel()
	tn, _, _ := newAccountTenant(t)
	b := newBrowser(t, tn)
	callbackParams(t, b.back(upstream(t, b).Get("state"), "code", "x"))
	iris := person(tn, "iris@partner.example")
	sameJSON(t, myAccount(tn, "GET", "accounts", iris, "").body, `{"accounts":[]}`)
	equal(t, "delete", myAccount(tn, "DELETE", "accounts/"+url.PathEscape("oauth2|partner-two|7"), iris, "").status, 404)
}

func TestConnectableConnections(t *testing.T) {
	t.Parallel()
	tn, _, _ := newAccountTenant(t)
	all := `{"name":"google-oauth2","strategy":"google-oauth2","scopes":["email","profile"]},{"name":"partner-two","strategy":"oauth2","scopes":["email","openid","profile"]}`
	sameJSON(t, myAccount(tn, "GET", "connections", asJane(tn), "").body, `{"connections":[`+all+`]}`)
	sameJSON(t, myAccount(tn, "GET", "connections?take=1", asJane(tn), "").body, `{"connections":[{"name":"google-oauth2","strategy":"google-oauth2","scopes":["email","profile"]}],"next":"google-oauth2"}`)
	equal(t, "take", myAccount(tn, "GET", "connections?take=99", asJane(tn), "").status, 400)
}

// TestMyAccountFaults injects the faults that every endpoint can have.
func TestMyAccountFaults(t *testing.T) {
	t.Parallel()
	tn, _, _ := newAccountTenant(t)
	auth := asJane(tn)
	equal(t, "calls", tn.Calls(emulator.MyAccount), 0)
	tn.Fail(emulator.MyAccount, 403)
	res := myAccount(tn, "GET", "accounts", auth, "")
	sameJSON(t, res.body, `{"type":"https://auth0.com/api-errors#A0E-403-0001","title":"Forbidden","status":403,"detail":"Forbidden"}`)
	tn.Fail(emulator.MyAccount, 503)
	if res := myAccount(tn, "GET", "accounts", auth, ""); res.status != 503 || !strings.HasPrefix(res.body, "<html>") {
		t.Errorf("%d %s", res.status, res.body)
	}
	tn.Fail(emulator.MyAccount, 0)
	tn.LimitRate(emulator.MyAccount, 1, 10*time.Second)
	equal(t, "first", myAccount(tn, "GET", "accounts", auth, "").status, 200)
	res = myAccount(tn, "GET", "accounts", auth, "")
	equal(t, "limited", res.status, 429)
	equal(t, "Retry-After", res.header.Get("Retry-After"), "10")
	equal(t, "kind", res.header.Get("x-auth0-error-kind"), "global-rate-limit")
	sameJSON(t, res.body, `{"type":"https://auth0.com/api-errors#A0E-429-0001","title":"Too Many Requests","status":429,"detail":"Global limit has been reached"}`)
	equal(t, "calls", tn.Calls(emulator.MyAccount), 4)

	// Scripts of the application can call the API. Scripts of other origins cannot.
	for origin, want := range map[string]string{app: app, "https://evil.example": ""} {
		r := httptest.NewRequest("OPTIONS", me+"accounts", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "DELETE")
		equal(t, origin, serve(tn, r).header.Get("Access-Control-Allow-Origin"), want)
	}
}
