package emulator_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	realmGrant    = "http://auth0.com/oauth/grant-type/password-realm"
	otpGrant      = "http://auth0.com/oauth/grant-type/mfa-otp"
	oobGrant      = "http://auth0.com/oauth/grant-type/mfa-oob"
	recoveryGrant = "http://auth0.com/oauth/grant-type/mfa-recovery-code"
	codeGrant     = "http://auth0.com/oauth/grant-type/passwordless/otp"
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessToken   = "urn:ietf:params:oauth:token-type:access_token"
)

// newGrantTenant returns a tenant whose application has every grant, and a user for each
// refusal.
func newGrantTenant(t *testing.T) (*emulator.Tenant, *clock) {
	t.Helper()
	tn, c := newTenant(t, func(cfg *emulator.Config) { cfg.DefaultDirectory = database })
	must(t, tn.AddConnection(emulator.Connection{Name: "email", Strategy: "email"}))
	must(t, tn.AddConnection(emulator.Connection{Name: "sms", Strategy: "sms"}))
	web := webApp()
	web.Connections = append(web.Connections, "email", "sms")
	web.GrantTypes = []string{"authorization_code", "refresh_token", "client_credentials", "password", realmGrant, otpGrant, oobGrant, recoveryGrant, codeGrant, exchangeGrant}
	web.TrustForwardedFor = true
	must(t, tn.AddClient(web))
	few := webApp()
	few.ID = "few"
	must(t, tn.AddClient(few))
	for _, u := range []emulator.User{
		{Email: "mfa@acme.example", MFA: true, Factors: []string{"otp", "sms", "push", "recovery-code"}, Phone: "+15555550142", RecoveryCode: "17EQHNZC2SZDYG7X4QXVX9SW"},
		{Email: "bare@acme.example", MFA: true, Factors: []string{}},
		{Email: "blocked@acme.example", Blocked: true},
		{Email: "denied@acme.example", DenyReason: "not on Sundays"},
		{Email: "leaked@acme.example", Protection: "password_leaked"},
		{Email: "robot@acme.example", Protection: "requires_verification"},
		{Email: "odd@acme.example", Protection: "suspicious"},
	} {
		u.Connection, u.Password = database, password
		must(t, tn.AddUser(u))
	}
	return tn, c
}

// grantRequest returns the form of a token request. Later pairs win, and an empty value
// removes a parameter.
func grantRequest(grantType string, pairs ...string) url.Values {
	form := url.Values{"grant_type": {grantType}, "client_id": {"web"}, "client_secret": {"s3cret"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return form
}

func passwordRequest(pairs ...string) url.Values {
	return grantRequest(realmGrant, append([]string{"realm", database, "username", "jane@acme.example", "password", password, "scope", "openid profile email"}, pairs...)...)
}

func ask(tn *emulator.Tenant, form url.Values, header ...string) response {
	return postForm(tn, base+"/oauth/token", form, header...)
}

func TestPasswordGrants(t *testing.T) {
	t.Parallel()
	tn, _ := newGrantTenant(t)
	for _, form := range []url.Values{passwordRequest(), passwordRequest("grant_type", "password", "realm", "")} {
		res := ask(tn, form)
		equal(t, "status", res.status, 200)
		_, claims := verify(t, tn, res.json(t)["id_token"].(string))
		equal(t, "sub", claims["sub"], any("auth0|65f0c1d2"))
		equal(t, "aud", claims["aud"], any("web"))
		equal(t, "nonce", claims["nonce"], any(nil))
		equal(t, "sid", claims["sid"], any(nil))
	}
	// Without requested scopes, the tenant grants all of them and reports them.
	body := ask(tn, passwordRequest("scope", "", "audience", api)).json(t)
	equal(t, "scope", body["scope"], any("read:things write:things"))
	_, claims := verify(t, tn, body["access_token"].(string))
	equal(t, "gty", claims["gty"], any("password"))
	refreshed := ask(tn, passwordRequest("scope", "openid offline_access")).json(t)
	equal(t, "refreshed", ask(tn, grantRequest("refresh_token", "refresh_token", refreshed["refresh_token"].(string))).status, 200)
}

func TestPasswordRefusals(t *testing.T) {
	t.Parallel()
	tn, _ := newGrantTenant(t)
	noDirectory, _ := newTenant(t)
	plain := webApp()
	plain.GrantTypes = []string{"password"}
	must(t, noDirectory.AddClient(plain))
	for _, test := range []struct {
		name   string
		tn     *emulator.Tenant
		form   url.Values
		status int
		body   string
	}{
		{"wrong password", tn, passwordRequest("password", "wrong"), 403, `{"error":"invalid_grant","error_description":"Wrong email or password."}`},
		{"unknown user", tn, passwordRequest("username", "nobody@acme.example"), 403, `{"error":"invalid_grant","error_description":"Wrong email or password."}`},
		{"user of another connection", tn, passwordRequest("username", "grace@gmail.example"), 403, `{"error":"invalid_grant","error_description":"Wrong email or password."}`},
		{"grant not enabled", tn, passwordRequest("client_id", "few", "grant_type", "password"), 403, `{"error":"unauthorized_client","error_description":"Grant type 'password' not allowed for the client."}`},
		{"realm grant not enabled", tn, passwordRequest("client_id", "few"), 403, `{"error":"unauthorized_client","error_description":"Grant type 'http://auth0.com/oauth/grant-type/password-realm' not allowed for the client."}`},
		{"no default directory", noDirectory, passwordRequest("grant_type", "password"), 500, `{"error":"server_error","error_description":"Authorization server not configured with default connection."}`},
		{"unknown realm", tn, passwordRequest("realm", "nope"), 403, `{"error":"invalid_request","error_description":"Unknown realm 'nope'"}`},
		{"no realm", tn, passwordRequest("realm", ""), 400, `{"error":"invalid_request","error_description":"Missing required parameter: realm"}`},
		{"no passwords there", tn, passwordRequest("realm", "google-oauth2"), 400, `{"error":"invalid_request","error_description":"specified strategy does not support requested operation"}`},
		{"no password", tn, passwordRequest("password", ""), 400, `{"error":"invalid_request","error_description":"Missing required parameter: password"}`},
		{"blocked", tn, passwordRequest("username", "blocked@acme.example"), 403, `{"error":"unauthorized","error_description":"user is blocked"}`},
		{"denied", tn, passwordRequest("username", "denied@acme.example"), 403, `{"error":"access_denied","error_description":"not on Sundays"}`},
		{"suspicious", tn, passwordRequest("username", "odd@acme.example"), 429, `{"error":"too_many_attempts","error_description":"We have detected suspicious login behavior and further attempts will be blocked. Please contact the administrator."}`},
		{"leaked", tn, passwordRequest("username", "leaked@acme.example"), 401, `{"error":"password_leaked","error_description":"This login attempt has been blocked because the password you're using was previously disclosed through a data breach (not in this application). Please check your email for more information."}`},
		{"bot", tn, passwordRequest("username", "robot@acme.example"), 401, `{"error":"requires_verification","error_description":"Suspicious request requires verification"}`},
		{"unknown API", tn, passwordRequest("audience", "https://unknown.example.com"), 403, `{"error":"access_denied","error_description":"Service not found: https://unknown.example.com"}`},
		{"wrong secret", tn, passwordRequest("client_secret", "wrong"), 401, bodyUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := ask(test.tn, test.form)
			equal(t, "status", res.status, test.status)
			sameJSON(t, res.body, test.body)
		})
	}
}

// TestBruteForce: failures count by account and address. The address is the user's if the
// tenant trusts the application to send it.
func TestBruteForce(t *testing.T) {
	t.Parallel()
	tn, _ := newGrantTenant(t)
	for range 10 {
		equal(t, "status", ask(tn, passwordRequest("password", "wrong"), "auth0-forwarded-for", "203.0.113.7").status, 403)
	}
	res := ask(tn, passwordRequest(), "auth0-forwarded-for", "203.0.113.7")
	equal(t, "status", res.status, 429)
	sameJSON(t, res.body, `{"error":"too_many_attempts","error_description":"Your account has been blocked after multiple consecutive login attempts. We've sent you a notification via your preferred contact method with instructions on how to unblock it."}`)
	equal(t, "from elsewhere", ask(tn, passwordRequest(), "auth0-forwarded-for", "203.0.113.8").status, 200)
	equal(t, "another account", ask(tn, passwordRequest("username", "denied@acme.example"), "auth0-forwarded-for", "203.0.113.7").json(t)["error"], any("access_denied"))

	must(t, tn.EditClient("web", func(c *emulator.Client) { c.TrustForwardedFor = false }))
	for range 10 {
		ask(tn, passwordRequest("password", "wrong"), "auth0-forwarded-for", "203.0.113.9")
	}
	equal(t, "not trusted", ask(tn, passwordRequest(), "auth0-forwarded-for", "203.0.113.10").status, 429)
}

// mfaToken begins a login that requires a second factor.
func mfaToken(t *testing.T, tn *emulator.Tenant, pairs ...string) string {
	t.Helper()
	res := ask(tn, passwordRequest(append([]string{"username", "mfa@acme.example"}, pairs...)...))
	equal(t, "status", res.status, 403)
	body := res.json(t)
	token, _ := body["mfa_token"].(string)
	if !strings.HasPrefix(token, "Fe26.2*") {
		t.Fatalf("no mfa_token in %s", res.body)
	}
	delete(body, "mfa_token")
	if pairs == nil {
		text, err := json.Marshal(body)
		must(t, err)
		sameJSON(t, string(text), `{"error":"mfa_required","error_description":"Multifactor authentication required","mfa_requirements":{"challenge":[{"type":"otp"},{"type":"phone"},{"type":"push-notification"},{"type":"recovery-code"}]}}`)
	}
	return token
}

func challenge(tn *emulator.Tenant, token string, pairs ...string) response {
	object := map[string]string{"mfa_token": token, "client_id": "web", "client_secret": "s3cret", "challenge_type": "oob otp"}
	for i := 0; i < len(pairs); i += 2 {
		object[pairs[i]] = pairs[i+1]
	}
	return postObject(tn, base+"/mfa/challenge", object)
}

func postObject(tn *emulator.Tenant, target string, object any) response {
	body, _ := json.Marshal(object)
	r := httptest.NewRequest("POST", target, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	return serve(tn, r)
}

func TestAuthenticators(t *testing.T) {
	t.Parallel()
	tn, _ := newGrantTenant(t)
	token := mfaToken(t, tn)
	res := get(tn, base+"/mfa/authenticators", "Authorization", "Bearer "+token)
	equal(t, "status", res.status, 200)
	var list []map[string]any
	must(t, json.Unmarshal([]byte(res.body), &list))
	ids := map[string]string{}
	for i, want := range []map[string]any{
		{"authenticator_type": "otp", "active": true},
		{"authenticator_type": "oob", "oob_channel": "sms", "name": "XXXX0142", "active": true},
		{"authenticator_type": "oob", "oob_channel": "auth0", "name": "Phone of mfa@acme.example", "active": true},
		{"authenticator_type": "recovery-code", "active": true},
	} {
		id, _ := list[i]["id"].(string)
		kind, _, _ := strings.Cut(id, "|dev_")
		ids[kind] = id
		delete(list[i], "id")
		if !maps.Equal(list[i], want) {
			t.Errorf("%d: got %v, want %v", i, list[i], want)
		}
	}
	equal(t, "unknown", get(tn, base+"/mfa/authenticators", "Authorization", "Bearer x").status, 403)
	equal(t, "none", get(tn, base+"/mfa/authenticators").status, 401)

	sameJSON(t, challenge(tn, token).body, `{"challenge_type":"otp"}`)
	equal(t, "by id", challenge(tn, token, "authenticator_id", ids["sms"]).json(t)["binding_method"], any("prompt"))
	equal(t, "push", challenge(tn, token, "authenticator_id", ids["push"]).json(t)["binding_method"], any(nil))
	for _, test := range []struct {
		name   string
		res    response
		status int
		code   string
	}{
		{"type", challenge(tn, token, "challenge_type", "webauthn"), 400, "unsupported_challenge_type"},
		{"id", challenge(tn, token, "authenticator_id", "sms|dev_other"), 400, "unsupported_challenge_type"},
		{"no factor", challenge(tn, ask(tn, passwordRequest("username", "bare@acme.example")).json(t)["mfa_token"].(string)), 400, "association_required"},
		{"token", challenge(tn, "x"), 403, "invalid_grant"},
		{"client", challenge(tn, token, "client_secret", "wrong"), 401, "access_denied"},
	} {
		equal(t, test.name, test.res.status, test.status)
		equal(t, test.name, test.res.json(t)["error"], any(test.code))
	}
}

func TestFactors(t *testing.T) {
	t.Parallel()
	tn, c := newGrantTenant(t)
	token := mfaToken(t, tn)
	refused := func(form url.Values, status int, body string) {
		t.Helper()
		res := ask(tn, form)
		equal(t, "status", res.status, status)
		sameJSON(t, res.body, body)
	}
	otp := func(token, code string) url.Values { return grantRequest(otpGrant, "mfa_token", token, "otp", code) }
	refused(otp(token, "000000"), 403, `{"error":"invalid_grant","error_description":"Invalid otp_code."}`)
	refused(otp("Fe26.2*x", emulator.OneTimeCode), 403, `{"error":"invalid_grant","error_description":"Malformed mfa_token"}`)
	body := ask(tn, otp(token, emulator.OneTimeCode)).json(t)
	_, claims := verify(t, tn, body["id_token"].(string))
	equal(t, "email", claims["email"], any("mfa@acme.example"))
	equal(t, "amr", claims["amr"], any(nil))
	refused(otp(token, emulator.OneTimeCode), 403, `{"error":"invalid_grant","error_description":"Malformed mfa_token"}`)

	token = mfaToken(t, tn)
	c.add(10*time.Minute + time.Second)
	refused(otp(token, emulator.OneTimeCode), 401, `{"error":"expired_token","error_description":"mfa_token is expired"}`)

	token = mfaToken(t, tn)
	for range 10 {
		equal(t, "status", ask(tn, otp(token, "1")).status, 403)
	}
	equal(t, "too many", ask(tn, otp(token, emulator.OneTimeCode)).status, 429)

	// A text message.
	token = mfaToken(t, tn)
	var list []map[string]any
	must(t, json.Unmarshal([]byte(get(tn, base+"/mfa/authenticators", "Authorization", "Bearer "+token).body), &list))
	oob := challenge(tn, token, "authenticator_id", list[1]["id"].(string)).json(t)["oob_code"].(string)
	sent, _ := tn.Mail("+15555550142")
	message := func(code string) url.Values {
		return grantRequest(oobGrant, "mfa_token", token, "oob_code", oob, "binding_code", code)
	}
	refused(message("x"), 403, `{"error":"invalid_grant","error_description":"Invalid binding_code."}`)
	equal(t, "message", ask(tn, message(sent)).status, 200)

	// A push notification.
	for _, approve := range []bool{true, false} {
		token = mfaToken(t, tn)
		oob = challenge(tn, token, "authenticator_id", list[2]["id"].(string)).json(t)["oob_code"].(string)
		push := grantRequest(oobGrant, "mfa_token", token, "oob_code", oob)
		refused(push, 400, `{"error":"authorization_pending","error_description":"Authorization pending: please repeat the request in a few seconds."}`)
		equal(t, "too soon", ask(tn, push).json(t)["error"], any("slow_down"))
		c.add(10 * time.Second)
		equal(t, "pending", ask(tn, push).json(t)["error"], any("authorization_pending"))
		tn.AnswerPush("mfa@acme.example", approve)
		if approve {
			equal(t, "approved", ask(tn, push).status, 200)
		} else {
			refused(push, 400, `{"error":"access_denied","error_description":"MFA Authorization rejected."}`)
		}
	}

	// A recovery code, which a new one replaces.
	recovery := func(code string) url.Values {
		return grantRequest(recoveryGrant, "mfa_token", mfaToken(t, tn), "recovery_code", code)
	}
	next, _ := ask(tn, recovery("17EQHNZC2SZDYG7X4QXVX9SW")).json(t)["recovery_code"].(string)
	equal(t, "next", len(next), 24)
	refused(recovery("17EQHNZC2SZDYG7X4QXVX9SW"), 403, `{"error":"invalid_grant","error_description":"MFA Authorization rejected."}`)
	equal(t, "next", ask(tn, recovery(next)).status, 200)
}

func TestRefreshWithFactor(t *testing.T) {
	t.Parallel()
	tn, _ := newGrantTenant(t)
	refresh := ask(tn, passwordRequest("scope", "openid offline_access")).json(t)["refresh_token"].(string)
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Password: password, MFAOnRefresh: true}))
	res := ask(tn, grantRequest("refresh_token", "refresh_token", refresh))
	equal(t, "status", res.status, 403)
	equal(t, "error", res.json(t)["error"], any("mfa_required"))
	body := ask(tn, grantRequest(otpGrant, "mfa_token", res.json(t)["mfa_token"].(string), "otp", emulator.OneTimeCode)).json(t)
	if body["id_token"] == nil || body["refresh_token"] == nil {
		t.Errorf("tokens %v", body)
	}
}

func TestPasswordlessGrant(t *testing.T) {
	t.Parallel()
	tn, c := newGrantTenant(t)
	start := func(pairs ...any) response {
		object := map[string]any{"client_id": "web", "client_secret": "s3cret", "connection": "email", "email": "new@acme.example", "send": "code"}
		for i := 0; i < len(pairs); i += 2 {
			object[pairs[i].(string)] = pairs[i+1]
		}
		return postObject(tn, base+"/passwordless/start", object)
	}
	res := start()
	equal(t, "status", res.status, 200)
	equal(t, "email", res.json(t)["email"], any("new@acme.example"))
	equal(t, "email_verified", res.json(t)["email_verified"], any(false))
	sms := start("connection", "sms", "phone_number", "+15555550199").json(t)
	equal(t, "phone_number", sms["phone_number"], any("+15555550199"))
	for _, test := range []struct {
		name, code string
		pairs      []any
		status     int
	}{
		{"connection", "bad.connection", []any{"connection", "google-oauth2"}, 400},
		{"email", "bad.email", []any{"email", "nobody"}, 400},
		{"phone", "bad.phone_number", []any{"connection", "sms", "phone_number", "12"}, 400},
		{"client", "access_denied", []any{"client_secret", "wrong"}, 401},
		{"authParams", "invalid_request", []any{"authParams", map[string]any{"scope": 1}}, 400},
	} {
		res := start(test.pairs...)
		equal(t, test.name, res.status, test.status)
		equal(t, test.name, res.json(t)["error"], any(test.code))
	}

	redeem := func(pairs ...string) response {
		return ask(tn, grantRequest(codeGrant, append([]string{"realm", "email", "username", "new@acme.example", "scope", "openid email"}, pairs...)...))
	}
	code, link := tn.Mail("new@acme.example")
	equal(t, "link", link, "")
	wrong := redeem("otp", "x")
	equal(t, "status", wrong.status, 403)
	sameJSON(t, wrong.body, `{"error":"invalid_grant","error_description":"Wrong email or verification code."}`)
	sameJSON(t, redeem("otp", "x", "realm", "sms").body, `{"error":"invalid_grant","error_description":"Wrong phone number or verification code."}`)
	equal(t, "realm", redeem("otp", code, "realm", database).json(t)["error"], any("invalid_request"))
	_, claims := verify(t, tn, redeem("otp", code).json(t)["id_token"].(string))
	equal(t, "email", claims["email"], any("new@acme.example"))
	equal(t, "again", redeem("otp", code).status, 403)
	start()
	code, _ = tn.Mail("new@acme.example")
	c.add(5*time.Minute + time.Second)
	equal(t, "late", redeem("otp", code).status, 403)

	// A link logs in to the application that requested it.
	start("send", "link", "authParams", map[string]any{"response_type": "code", "redirect_uri": callback, "state": "s", "scope": "openid"})
	_, link = tn.Mail("new@acme.example")
	values := newBrowser(t, tn).open(link).location(t).Query()
	equal(t, "state", values.Get("state"), "s")
	equal(t, "code", redeemCode(tn, values.Get("code")).status, 200)
	equal(t, "used", newBrowser(t, tn).open(link).status, 400)
}

func redeemCode(tn *emulator.Tenant, code string) response {
	return ask(tn, grantRequest("authorization_code", "code", code, "redirect_uri", callback))
}

func TestTokenExchange(t *testing.T) {
	t.Parallel()
	tn, _ := newGrantTenant(t)
	const kind = "urn:acme:legacy-token"
	must(t, tn.AddTokenExchange(kind, func(token string) (string, bool) {
		name, ok := strings.CutPrefix(token, "legacy:")
		return name, ok
	}))
	if tn.AddTokenExchange("urn:ietf:x", nil) == nil {
		t.Error("a reserved type was accepted")
	}
	exchange := func(pairs ...string) response {
		return ask(tn, grantRequest(exchangeGrant, append([]string{"subject_token", "legacy:jane@acme.example", "subject_token_type", kind, "audience", api, "scope", "openid offline_access read:things"}, pairs...)...))
	}
	body := exchange().json(t)
	equal(t, "issued_token_type", body["issued_token_type"], any(accessToken))
	if body["id_token"] == nil || body["refresh_token"] == nil {
		t.Errorf("tokens %v", body)
	}
	if body := exchange("actor_token", "a", "actor_token_type", "urn:acme:actor").json(t); body["refresh_token"] != nil || body["access_token"] == nil {
		t.Errorf("with an actor: %v", body)
	}
	subject := body["access_token"].(string)
	behalf := func(pairs ...string) response {
		return exchange(append([]string{"subject_token", subject, "subject_token_type", accessToken, "requested_token_type", accessToken, "scope", "", "audience", "https://next.example/"}, pairs...)...)
	}
	must(t, tn.AddAPI(emulator.API{Audience: "https://next.example/", Scopes: []string{"read:next"}}))
	equal(t, "no API client", behalf().json(t)["error"], any("unauthorized_client"))
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.ResourceServer = api }))
	next := behalf().json(t)
	_, claims := verify(t, tn, next["access_token"].(string))
	equal(t, "sub", claims["sub"], any("auth0|65f0c1d2"))
	equal(t, "act", claims["act"].(map[string]any)["sub"], any("web"))
	equal(t, "scope", next["scope"], any("read:next"))

	deep := tn.AccessToken("jane@acme.example", api, func(_, claims map[string]any) {
		claims["act"] = map[string]any{"sub": "1", "act": map[string]any{"sub": "2", "act": map[string]any{"sub": "3", "act": map[string]any{"sub": "4"}}}}
	})
	for _, test := range []struct {
		name   string
		res    response
		status int
		body   string
	}{
		{"unknown type", exchange("subject_token_type", "urn:acme:other"), 400, `{"error":"invalid_request","error_description":"Invalid subject_token_type"}`},
		{"bad token", exchange("subject_token", "x"), 400, `{"error":"invalid_request","error_description":"Invalid subject_token"}`},
		{"no token", exchange("subject_token", ""), 400, `{"error":"invalid_request","error_description":"Missing required parameter: subject_token"}`},
		{"half an actor", exchange("actor_token", "x"), 400, `{"error":"invalid_request","error_description":"actor_token and actor_token_type go together"}`},
		{"blocked", exchange("subject_token", "legacy:blocked@acme.example"), 403, `{"error":"unauthorized","error_description":"user is blocked"}`},
		{"no requested type", behalf("requested_token_type", ""), 400, `{"error":"invalid_request","error_description":"requested_token_type is required"}`},
		{"foreign token", behalf("subject_token", "x"), 400, `{"error":"invalid_request","error_description":"Invalid subject_token"}`},
		{"for another API", behalf("subject_token", next["access_token"].(string)), 400, `{"error":"invalid_request","error_description":"Invalid subject_token"}`},
		{"too deep", behalf("subject_token", deep), 400, "{\"error\":\"invalid_request\",\"error_description\":\"Delegation chain (`act` claim) depth exceeds the maximum allowed limit of 4\"}"},
	} {
		equal(t, test.name, test.res.status, test.status)
		sameJSON(t, test.res.body, test.body)
	}
}
