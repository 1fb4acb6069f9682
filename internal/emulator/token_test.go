package emulator_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	bodyUnauthorized = `{"error":"access_denied","error_description":"Unauthorized"}`
	bodyInvalidCode  = `{"error":"invalid_grant","error_description":"Invalid authorization code"}`
	bodyVerifier     = `{"error":"invalid_grant","error_description":"Failed to verify code verifier"}`
	bodyRefresh      = `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`
)

func codeFor(t *testing.T, tn *emulator.Tenant, pairs ...string) string {
	t.Helper()
	must(t, tn.LogIn("jane@acme.example"))
	return callbackParams(t, get(tn, authorizeURL(request(pairs...)))).Get("code")
}

func TestCodeExchange(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	res := redeem(tn, codeFor(t, tn, "scope", "openid profile email offline_access"))
	equal(t, "status", res.status, 200)
	equal(t, "Cache-Control", res.header.Get("Cache-Control"), "no-store")
	body := res.json(t)
	equal(t, "token_type", body["token_type"], any("Bearer"))
	equal(t, "expires_in", body["expires_in"], any(86400.0))
	equal(t, "scope", body["scope"], any("openid profile email offline_access"))
	if len(body["refresh_token"].(string)) < 40 || strings.Count(body["access_token"].(string), ".") != 4 {
		t.Errorf("tokens %v", body)
	}
	header, claims := verify(t, tn, body["id_token"].(string))
	equal(t, "typ", header["typ"], any("JWT"))
	equal(t, "kid", header["kid"], any(tn.KeyID()))
	now := float64(c.Now().Unix())
	for name, want := range map[string]any{
		"iss": issuer, "sub": "auth0|65f0c1d2", "aud": "web", "iat": now, "exp": now + 36000, "nonce": "n-1",
		"name": "Jane Doe", "given_name": "Jane", "family_name": "Doe", "nickname": "jane",
		"email": "jane@acme.example", "email_verified": true, "updated_at": "2026-01-01T00:00:00.000Z",
		"picture": base + "/avatars/JD.svg",
		"azp":     nil, "at_hash": nil, "auth_time": nil, "acr": nil, "amr": nil, "org_id": nil,
	} {
		equal(t, name, claims[name], want)
	}
	if sid, _ := claims["sid"].(string); len(sid) != 32 {
		t.Errorf("sid %v", claims["sid"])
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	public := webApp()
	public.ID, public.Secret, public.Public = "spa", "", true
	must(t, tn.AddClient(public))
	codeOnly := webApp()
	codeOnly.ID, codeOnly.GrantTypes = "code-only", []string{"authorization_code"}
	must(t, tn.AddClient(codeOnly))
	basicOnly := webApp()
	basicOnly.ID, basicOnly.AuthMethod = "basic-only", "client_secret_basic"
	must(t, tn.AddClient(basicOnly))

	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, Appendix B
	s256 := []string{"code_challenge", challenge, "code_challenge_method", "S256"}

	for _, test := range []struct {
		name    string
		request []string // of the code
		pairs   []string // of the token request
		headers []string
		status  int
		body    string // empty: success
	}{
		{name: "success", status: 200},
		{name: "unknown code", pairs: []string{"code", "guess"}, status: 403, body: bodyInvalidCode},
		{name: "no code", pairs: []string{"code", ""}, status: 403, body: bodyInvalidCode},
		{name: "foreign code", pairs: []string{"client_id", "code-only"}, status: 403, body: bodyInvalidCode},
		{name: "redirect_uri differs", pairs: []string{"redirect_uri", callback + "/"}, status: 403, body: bodyInvalidCode},
		{name: "redirect_uri missing", pairs: []string{"redirect_uri", ""}, status: 403, body: bodyInvalidCode},
		{name: "S256", request: s256, pairs: []string{"code_verifier", verifier}, status: 200},
		{name: "S256, wrong verifier", request: s256, pairs: []string{"code_verifier", challenge}, status: 403, body: bodyVerifier},
		{name: "S256, no verifier", request: s256, status: 403, body: bodyVerifier},
		{name: "verifier without a challenge", pairs: []string{"code_verifier", verifier}, status: 403, body: bodyVerifier},
		{name: "plain", request: []string{"code_challenge", verifier}, pairs: []string{"code_verifier", verifier}, status: 200},
		{name: "plain, wrong verifier", request: []string{"code_challenge", verifier, "code_challenge_method", "plain"}, pairs: []string{"code_verifier", "x"}, status: 403, body: bodyVerifier},
		{name: "wrong secret", pairs: []string{"client_secret", "wrong"}, status: 401, body: bodyUnauthorized},
		{name: "no secret", pairs: []string{"client_secret", ""}, status: 401, body: bodyUnauthorized},
		{name: "unknown client", pairs: []string{"client_id", "nope"}, status: 401, body: bodyUnauthorized},
		{name: "no client", pairs: []string{"client_id", ""}, status: 401, body: bodyUnauthorized},
		{name: "public client", request: append([]string{"client_id", "spa"}, s256...), pairs: []string{"client_id", "spa", "client_secret", "", "code_verifier", verifier}, status: 200},
		{name: "public client, no verifier", request: append([]string{"client_id", "spa"}, s256...), pairs: []string{"client_id", "spa", "client_secret", ""}, status: 403, body: bodyVerifier},
		{name: "basic", pairs: []string{"client_id", "", "client_secret", ""}, headers: []string{"Authorization", basic("web", "s3cret")}, status: 200},
		{name: "basic, form-encoded", pairs: []string{"client_id", "", "client_secret", ""}, headers: []string{"Authorization", basic("%77eb", "s3%63ret")}, status: 200},
		{name: "basic, wrong secret", pairs: []string{"client_id", "", "client_secret", ""}, headers: []string{"Authorization", basic("web", "wrong")}, status: 401, body: bodyUnauthorized},
		{name: "basic, bad escape", pairs: []string{"client_id", "", "client_secret", ""}, headers: []string{"Authorization", basic("web", "s3cret%")}, status: 401, body: bodyUnauthorized},
		{name: "basic for another client", pairs: []string{"client_id", "spa", "client_secret", ""}, headers: []string{"Authorization", basic("web", "s3cret")}, status: 401, body: bodyUnauthorized},
		{name: "two methods", headers: []string{"Authorization", basic("web", "s3cret")}, status: 400, body: `{"error":"invalid_request","error_description":"Only one client authentication method is allowed"}`},
		{name: "bearer", pairs: []string{"client_secret", ""}, headers: []string{"Authorization", "Bearer x"}, status: 401, body: bodyUnauthorized},
		{name: "post where basic is demanded", request: []string{"client_id", "basic-only"}, pairs: []string{"client_id", "basic-only"}, status: 401, body: bodyUnauthorized},
		{name: "no grant type", pairs: []string{"grant_type", ""}, status: 400, body: `{"error":"invalid_request","error_description":"Missing required parameter: grant_type"}`},
		{name: "unknown grant type", pairs: []string{"grant_type", "magic"}, status: 501, body: `{"error":"unsupported_grant_type","error_description":"Unsupported grant type: magic"}`},
		{name: "grant type off", pairs: []string{"client_id", "code-only", "grant_type", "client_credentials"}, status: 403, body: `{"error":"unauthorized_client","error_description":"Grant type 'client_credentials' not allowed for the client."}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"web"}, "client_secret": {"s3cret"},
				"code": {codeFor(t, tn, test.request...)}, "redirect_uri": {callback}}
			for i := 0; i < len(test.pairs); i += 2 {
				form.Del(test.pairs[i])
				if test.pairs[i+1] != "" {
					form.Set(test.pairs[i], test.pairs[i+1])
				}
			}
			res := postForm(tn, base+"/oauth/token", form, test.headers...)
			equal(t, "status", res.status, test.status)
			if test.body != "" {
				sameJSON(t, res.body, test.body)
			}
		})
	}

	t.Run("expired code", func(t *testing.T) {
		code := codeFor(t, tn)
		c.add(10*time.Minute + time.Second)
		res := redeem(tn, code)
		equal(t, "status", res.status, 403)
		sameJSON(t, res.body, bodyInvalidCode)
	})
	t.Run("repeated parameter", func(t *testing.T) {
		res := postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"authorization_code", "authorization_code"}})
		equal(t, "status", res.status, 400)
		sameJSON(t, res.body, `{"error":"invalid_request","error_description":"The parameter grant_type is repeated"}`)
	})
	t.Run("GET", func(t *testing.T) {
		res := get(tn, base+"/oauth/token")
		equal(t, "status", res.status, 405)
		equal(t, "Allow", res.header.Get("Allow"), "POST")
	})
	t.Run("too large", func(t *testing.T) {
		res := postForm(tn, base+"/oauth/token", url.Values{"code": {strings.Repeat("x", 64<<10)}})
		equal(t, "status", res.status, 413)
	})
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestCodeIsSingleUse(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	code := codeFor(t, tn, "scope", "openid offline_access")
	first := redeem(tn, code).json(t)
	res := redeem(tn, code)
	equal(t, "status", res.status, 403)
	sameJSON(t, res.body, bodyInvalidCode)
	// The reuse also revokes the refresh token of the first use.
	res = refresh(tn, first["refresh_token"].(string))
	equal(t, "status", res.status, 403)
	sameJSON(t, res.body, bodyRefresh)
}

func TestTokenRequestInJSON(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	post := func(body string) response {
		r := httptest.NewRequest("POST", base+"/oauth/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		return serve(tn, r)
	}
	code := codeFor(t, tn)
	equal(t, "status", post(`{"grant_type":"authorization_code","client_id":"web","client_secret":"s3cret","code":"`+code+`","redirect_uri":"`+callback+`"}`).status, 200)
	equal(t, "status", post(`{"grant_type":`).status, 400)
	equal(t, "status", post(`{"grant_type":["authorization_code"]}`).status, 400)
	equal(t, "client_id", tn.LastTokenRequest().Get("client_id"), "web")
}

func refresh(tn *emulator.Tenant, token string, pairs ...string) response {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"web"}, "client_secret": {"s3cret"}, "refresh_token": {token}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return postForm(tn, base+"/oauth/token", form)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	body := tokens(t, tn, "audience", api, "scope", "openid profile email offline_access read:things", "max_age", "60", "acr_values", mfaACR)
	token := body["refresh_token"].(string)
	_, first := verify(t, tn, body["id_token"].(string))
	c.add(time.Hour)

	res := refresh(tn, token)
	equal(t, "status", res.status, 200)
	body = res.json(t)
	equal(t, "refresh_token", body["refresh_token"], nil)
	equal(t, "scope", body["scope"], any("openid profile email offline_access read:things"))
	_, claims := verify(t, tn, body["id_token"].(string))
	equal(t, "sub", claims["sub"], first["sub"])
	equal(t, "sid", claims["sid"], first["sid"])
	for _, name := range []string{"nonce", "amr", "acr", "auth_time"} {
		equal(t, name, claims[name], nil)
	}
	_, access := verify(t, tn, body["access_token"].(string))
	equal(t, "gty", access["gty"], any("refresh_token"))

	body = refresh(tn, token, "scope", "openid read:things write:things magic", "audience", "https://elsewhere.example").json(t)
	equal(t, "scope", body["scope"], any("openid read:things"))
	_, access = verify(t, tn, body["access_token"].(string))
	equal(t, "aud", has(access["aud"], api), true)

	for name, res := range map[string]response{
		"unknown": refresh(tn, "guess"),
		"foreign": func() response {
			c := webApp()
			c.ID = "other"
			must(t, tn.AddClient(c))
			return refresh(tn, token, "client_id", "other")
		}(),
	} {
		equal(t, name, res.status, 403)
		sameJSON(t, res.body, bodyRefresh)
	}

	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Blocked: true}))
	res = refresh(tn, token)
	equal(t, "blocked", res.status, 403)
	sameJSON(t, res.body, `{"error":"unauthorized","error_description":"user is blocked"}`)
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", DenyReason: "out of hours"}))
	sameJSON(t, refresh(tn, token).body, `{"error":"access_denied","error_description":"out of hours"}`)
	tn.RemoveUser("auth0|65f0c1d2")
	res = refresh(tn, token)
	equal(t, "deleted", res.status, 403)
	sameJSON(t, res.body, `{"error":"invalid_grant","error_description":"The refresh_token was generated for a user who doesn't exist anymore."}`)
}

func TestRefreshTokensExpire(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	token := tokens(t, tn, "scope", "openid offline_access")["refresh_token"].(string)
	for _, want := range []int{200, 200, 403} { // used within the idle time, but 30 days old at last
		c.add(10*24*time.Hour + time.Minute)
		equal(t, "status", refresh(tn, token).status, want)
	}
	token = tokens(t, tn, "scope", "openid offline_access")["refresh_token"].(string)
	c.add(16 * 24 * time.Hour)
	equal(t, "status after 16 idle days", refresh(tn, token).status, 403)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	web := webApp()
	web.RotatingRefreshTokens = true
	must(t, tn.AddClient(web))
	first := tokens(t, tn, "scope", "openid offline_access")["refresh_token"].(string)
	second := refresh(tn, first).json(t)["refresh_token"].(string)
	third := refresh(tn, second).json(t)["refresh_token"].(string)
	if first == second || second == third {
		t.Fatal("the token does not change")
	}
	sameJSON(t, refresh(tn, first).body, bodyRefresh)
	sameJSON(t, refresh(tn, third).body, bodyRefresh) // the whole family is revoked

	web.RefreshTokenLeeway = time.Minute
	must(t, tn.AddClient(web))
	first = tokens(t, tn, "scope", "openid offline_access")["refresh_token"].(string)
	second = refresh(tn, first).json(t)["refresh_token"].(string)
	c.add(30 * time.Second)
	equal(t, "successor within the leeway", refresh(tn, first).json(t)["refresh_token"], any(second))
	third = refresh(tn, second).json(t)["refresh_token"].(string)
	sameJSON(t, refresh(tn, first).body, bodyRefresh) // not the immediately previous one
	sameJSON(t, refresh(tn, third).body, bodyRefresh)
}

func TestRefreshTokenForSeveralAPIs(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddAPI(emulator.API{Audience: "https://second.example", Scopes: []string{"read:more"}}))
	c := webApp()
	c.RefreshTokenPolicies = []emulator.ClientGrant{{Audience: "https://second.example", Scopes: []string{"read:more"}}}
	must(t, tn.AddClient(c))
	token := tokens(t, tn, "audience", api, "scope", "openid offline_access read:things")["refresh_token"].(string)
	body := refresh(tn, token, "audience", "https://second.example").json(t)
	equal(t, "scope", body["scope"], any("openid offline_access read:more"))
	_, access := verify(t, tn, body["access_token"].(string))
	equal(t, "aud", has(access["aud"], "https://second.example"), true)
}

func TestRefreshTokenNeedsPermission(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddAPI(emulator.API{Audience: "https://strict.example"}))
	body := tokens(t, tn, "audience", "https://strict.example", "scope", "openid offline_access")
	equal(t, "refresh_token", body["refresh_token"], nil)
	equal(t, "scope", body["scope"], any("openid"))
	c := webApp()
	c.GrantTypes = []string{"authorization_code"}
	must(t, tn.AddClient(c))
	equal(t, "refresh_token", tokens(t, tn, "scope", "openid offline_access")["refresh_token"], nil)
}

func TestNoScope(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	body := tokens(t, tn, "scope", "")
	equal(t, "number of members", len(body), 3)
	for _, name := range []string{"access_token", "expires_in", "token_type"} {
		if body[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	res := get(tn, base+"/userinfo", "Authorization", "Bearer "+body["access_token"].(string))
	equal(t, "status", res.status, 200)
	sameJSON(t, res.body, `{}`)
}

func TestAccessTokens(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	now := float64(c.Now().Unix())
	must(t, tn.AddAPI(emulator.API{Audience: "https://rbac.example", Scopes: []string{"read:things", "write:things"}, RBAC: true, Lifetime: time.Hour}))
	must(t, tn.AddAPI(emulator.API{Audience: "https://rfc.example", Dialect: "rfc9068_profile"}))
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Password: password,
		Permissions: map[string][]string{"https://rbac.example": {"read:things", "delete:things"}}}))

	body := tokens(t, tn, "audience", api, "scope", "openid read:things unknown:scope")
	equal(t, "scope", body["scope"], any("openid read:things"))
	header, claims := verify(t, tn, body["access_token"].(string))
	equal(t, "typ", header["typ"], any("JWT"))
	equal(t, "aud", len(claims["aud"].([]any)), 2)
	equal(t, "aud", has(claims["aud"], base+"/userinfo"), true)
	for name, want := range map[string]any{"iss": issuer, "sub": "auth0|65f0c1d2", "iat": now, "exp": now + 86400,
		"azp": "web", "scope": "openid read:things", "permissions": nil, "gty": nil, "client_id": nil} {
		equal(t, name, claims[name], want)
	}

	body = tokens(t, tn, "audience", api, "scope", "unknown:scope")
	equal(t, "scope", body["scope"], nil)
	_, claims = verify(t, tn, body["access_token"].(string))
	equal(t, "aud", claims["aud"], any(api))
	if _, ok := claims["scope"]; ok {
		t.Error("an empty scope claim")
	}

	body = tokens(t, tn, "audience", "https://rbac.example", "scope", "openid read:things write:things")
	equal(t, "scope", body["scope"], any("openid read:things"))
	equal(t, "expires_in", body["expires_in"], any(3600.0))
	_, claims = verify(t, tn, body["access_token"].(string))
	equal(t, "permissions", len(claims["permissions"].([]any)), 2)
	equal(t, "permissions", has(claims["permissions"], "delete:things"), true)

	header, claims = verify(t, tn, tokens(t, tn, "audience", "https://rfc.example")["access_token"].(string))
	equal(t, "typ", header["typ"], any("at+jwt"))
	equal(t, "client_id", claims["client_id"], any("web"))
	equal(t, "azp", claims["azp"], nil)
	if claims["jti"] == nil {
		t.Error("no jti")
	}
}

func TestHS256IDToken(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	c := webApp()
	c.IDTokenAlg = "HS256"
	must(t, tn.AddClient(c))
	raw := tokens(t, tn)["id_token"].(string)
	header, _ := decode(t, raw)
	equal(t, "alg", header["alg"], any("HS256"))
	i := strings.LastIndex(raw, ".")
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write([]byte(raw[:i]))
	equal(t, "MAC", raw[i+1:], base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	equal(t, "as a hint", get(tn, base+"/oidc/logout?id_token_hint="+raw).status, 302)

	c.Secret, c.SecretEncoded = base64.RawURLEncoding.EncodeToString([]byte("\xff\x00 bytes")), true
	must(t, tn.AddClient(c))
	raw = tn.IDToken(c.ID, "jane@acme.example")
	i = strings.LastIndex(raw, ".")
	mac = hmac.New(sha256.New, []byte("\xff\x00 bytes"))
	mac.Write([]byte(raw[:i]))
	equal(t, "MAC with a decoded secret", raw[i+1:], base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	equal(t, "as a hint", get(tn, base+"/oidc/logout?id_token_hint="+raw).status, 302)
	c.Secret = "not base64url!"
	if err := tn.AddClient(c); err == nil {
		t.Error("a secret that cannot be decoded is accepted")
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddAPI(emulator.API{Audience: "https://rbac.example", Scopes: []string{"read:things"}, RBAC: true}))
	must(t, tn.AddOrganization(emulator.Organization{ID: "org_1", Name: "acme"}))
	c := webApp()
	c.Grants = []emulator.ClientGrant{{Audience: mgmt, Scopes: []string{"read:connections", "read:clients"}}, {Audience: "https://rbac.example", Scopes: []string{"read:things"}}}
	must(t, tn.AddClient(c))
	spa := webApp()
	spa.ID, spa.Public = "spa", true
	must(t, tn.AddClient(spa))

	for _, test := range []struct {
		name   string
		pairs  []string
		status int
		body   string
	}{
		{"unknown API", []string{"audience", "https://unknown.example.com"}, 403, `{"error":"access_denied","error_description":"Service not found: https://unknown.example.com"}`},
		{"no grant", []string{"audience", api}, 403, `{"error":"access_denied","error_description":"Client \"web\" is not authorized to access resource server \"https://api.example/\". You need to create a \"client-grant\" associated to this API."}`},
		{"no audience", nil, 403, `{"error":"access_denied","error_description":"Non-global clients are not allowed access to APIv1"}`},
		{"scope outside the grant", []string{"audience", mgmt, "scope", "read:clients write:things"}, 403, `{"error":"access_denied","error_description":"Client has not been granted scopes: write:things"}`},
		{"public client", []string{"audience", mgmt, "client_id", "spa"}, 403, `{"error":"unauthorized_client","error_description":"Grant type 'client_credentials' not allowed for the client."}`},
		{"wrong secret", []string{"audience", mgmt, "client_secret", "wrong"}, 401, bodyUnauthorized},
		{"unknown organization", []string{"audience", mgmt, "organization", "org_2"}, 400, `{"error":"invalid_request","error_description":"invalid organization"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := clientCredentials(tn, test.pairs...)
			equal(t, "status", res.status, test.status)
			sameJSON(t, res.body, test.body)
		})
	}

	body := clientCredentials(tn, "audience", mgmt).json(t)
	equal(t, "scope", body["scope"], any("read:connections read:clients"))
	equal(t, "number of members", len(body), 4)
	_, claims := verify(t, tn, body["access_token"].(string))
	for name, want := range map[string]any{"sub": "web@clients", "aud": mgmt, "azp": "web", "gty": "client-credentials",
		"scope": "read:connections read:clients", "permissions": nil, "org_id": nil} {
		equal(t, name, claims[name], want)
	}
	body = clientCredentials(tn, "audience", mgmt, "scope", "read:clients", "organization", "org_1").json(t)
	equal(t, "scope", body["scope"], any("read:clients"))
	_, claims = verify(t, tn, body["access_token"].(string))
	equal(t, "org_id", claims["org_id"], any("org_1"))
	_, claims = verify(t, tn, clientCredentials(tn, "audience", "https://rbac.example").json(t)["access_token"].(string))
	equal(t, "permissions", has(claims["permissions"], "read:things"), true)
}

func clientCredentials(tn *emulator.Tenant, pairs ...string) response {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"web"}, "client_secret": {"s3cret"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return postForm(tn, base+"/oauth/token", form)
}

func TestDefaultAudience(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t, func(c *emulator.Config) { c.DefaultAudience = api })
	_, claims := verify(t, tn, tokens(t, tn)["access_token"].(string))
	equal(t, "aud", has(claims["aud"], api), true)
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	token := tokens(t, tn, "scope", "openid offline_access")["refresh_token"].(string)
	form := func(pairs ...string) url.Values {
		f := url.Values{"client_id": {"web"}, "client_secret": {"s3cret"}, "token": {token}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	res := postForm(tn, base+"/oauth/revoke", form("client_secret", "wrong"))
	equal(t, "status", res.status, 401)
	sameJSON(t, res.body, bodyUnauthorized)
	equal(t, "status without a token", postForm(tn, base+"/oauth/revoke", form("token", "")).status, 400)
	equal(t, "still works", refresh(tn, token).status, 200)
	for range 2 { // the second time the token is unknown, which is not an error
		res = postForm(tn, base+"/oauth/revoke", form())
		equal(t, "status", res.status, 200)
		equal(t, "body", res.body, "")
	}
	sameJSON(t, refresh(tn, token).body, bodyRefresh)
}

func TestRevokeRefreshTokens(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	token := tokens(t, tn, "scope", "openid offline_access")["refresh_token"].(string)
	tn.RevokeRefreshTokens("grace@gmail.example")
	equal(t, "another user's", refresh(tn, token).status, 200)
	tn.RevokeRefreshTokens("jane@acme.example")
	sameJSON(t, refresh(tn, token).body, bodyRefresh)
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t, func(c *emulator.Config) { c.OrganizationNames = true })
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", EmailVerified: true, Password: password,
		GivenName: "Jane", FamilyName: "Doe", Claims: map[string]any{"https://acme.example/plan": "gold"}}))
	opaque := tokens(t, tn)["access_token"].(string)
	want := `{"sub":"auth0|65f0c1d2","given_name":"Jane","family_name":"Doe","nickname":"jane","name":"Jane Doe",
		"picture":"https://acme.auth0.example/avatars/JD.svg","updated_at":"2026-01-01T00:00:00.000Z",
		"email":"jane@acme.example","email_verified":true,"https://acme.example/plan":"gold"}`
	sameJSON(t, get(tn, base+"/userinfo", "Authorization", "Bearer "+opaque).body, want)
	sameJSON(t, postForm(tn, base+"/userinfo", nil, "Authorization", "bearer "+opaque).body, want)
	jwt := tokens(t, tn, "audience", api)["access_token"].(string)
	sameJSON(t, get(tn, base+"/userinfo", "Authorization", "Bearer "+jwt).body, want)
	jwt = tokens(t, tn, "audience", api, "scope", "openid")["access_token"].(string)
	sameJSON(t, get(tn, base+"/userinfo", "Authorization", "Bearer "+jwt).body, `{"sub":"auth0|65f0c1d2","https://acme.example/plan":"gold"}`)

	apiOnly := tokens(t, tn, "audience", api, "scope", "read:things")["access_token"].(string)
	c.add(25 * time.Hour)
	for name, header := range map[string]string{
		"no token": "", "basic": basic("a", "b"), "unknown": "Bearer x", "empty": "Bearer ", "expired opaque": "Bearer " + opaque,
		"expired": "Bearer " + jwt, "other audience": "Bearer " + apiOnly,
		"ID token": "Bearer " + tn.IDToken("web", "jane@acme.example"),
		"foreign issuer": "Bearer " + tn.AccessToken("jane@acme.example", base+"/userinfo", func(_, claims map[string]any) {
			claims["iss"] = "https://evil.example/"
		}),
	} {
		res := get(tn, base+"/userinfo", "Authorization", header)
		equal(t, name, res.status, 401)
		equal(t, name, res.body, "Unauthorized")
		contains(t, res.header.Get("Content-Type"), "text/plain")
	}
}

func TestUserInfoRateLimit(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	tn.LimitRate(emulator.UserInfo, 10, 12*time.Second)
	jane := "Bearer " + tn.AccessToken("jane@acme.example", base+"/userinfo", openid)
	grace := "Bearer " + tn.AccessToken("grace@gmail.example", base+"/userinfo", openid)
	for range 10 {
		equal(t, "status", get(tn, base+"/userinfo", "Authorization", jane).status, 200)
	}
	res := get(tn, base+"/userinfo", "Authorization", jane)
	equal(t, "status of the eleventh", res.status, 429)
	equal(t, "remaining", res.header.Get("X-RateLimit-Remaining"), "0")
	equal(t, "status of another user", get(tn, base+"/userinfo", "Authorization", grace).status, 200)
	c.add(12 * time.Second)
	equal(t, "status after a refill", get(tn, base+"/userinfo", "Authorization", jane).status, 200)
	equal(t, "status after that", get(tn, base+"/userinfo", "Authorization", jane).status, 429)
	tn.LimitRate(emulator.UserInfo, 0, 0)
	equal(t, "status without a limit", get(tn, base+"/userinfo", "Authorization", jane).status, 200)
}

func openid(_, claims map[string]any) { claims["scope"] = "openid" }
