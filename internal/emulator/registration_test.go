package emulator_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// newOpenTenant accepts registrations, and has an API that third parties can call.
func newOpenTenant(t *testing.T) *emulator.Tenant {
	t.Helper()
	tn, _ := newTenant(t)
	tn.AllowRegistration(true)
	must(t, tn.PromoteConnection(database))
	must(t, tn.EditAPI(api, func(a *emulator.API) { a.ThirdPartyScopes = []string{"read:things"} }))
	return tn
}

func register(tn *emulator.Tenant, body string) response {
	r := httptest.NewRequest("POST", base+"/oidc/register", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return serve(tn, r)
}

const registerBody = `{"client_name":"Editor","redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_id":"mine"}`

// strictRequest is an authorization request of a strict third party.
func strictRequest(id string, pairs ...string) url.Values {
	return request(append([]string{"client_id", id, "resource", api, "scope", "read:things write:things openid offline_access",
		"code_challenge", s256(accountPKCE), "code_challenge_method", "S256"}, pairs...)...)
}

// TestRegisteredApplication: an application registers, its user consents, and it gets the
// scopes of the default client grant, for the API named as resource.
func TestRegisteredApplication(t *testing.T) {
	t.Parallel()
	tn := newOpenTenant(t)
	res := register(tn, registerBody)
	equal(t, "status", res.status, 201)
	equal(t, "Cache-Control", res.header.Get("Cache-Control"), "no-store")
	doc := res.json(t)
	id := doc["client_id"].(string)
	if !strings.HasPrefix(id, "tpc_") {
		t.Errorf("client_id %q", id)
	}
	for name, want := range map[string]string{"client_name": `"Editor"`, "redirect_uris": `["` + callback + `"]`, "token_endpoint_auth_method": `"none"`,
		"grant_types": `["authorization_code","refresh_token"]`, "response_types": `["code"]`, "client_secret": "null"} {
		got, err := json.Marshal(doc[name])
		must(t, err)
		equal(t, name, string(got), want)
	}

	b := newBrowser(t, tn)
	page := b.login(strictRequest(id))
	contains(t, page.body, "<h1>Authorize Editor</h1>")
	code := callbackParams(t, b.submit(page, "accept", "accept")).Get("code")
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {accountPKCE}, "resource": {api}}
	body := ask(tn, form).json(t)
	equal(t, "scope", body["scope"], any("read:things offline_access"))
	equal(t, "id_token", body["id_token"], nil)
	_, claims := verify(t, tn, body["access_token"].(string))
	equal(t, "aud", claims["aud"], any(api))
	equal(t, "azp", claims["azp"], any(id))
	refreshed := ask(tn, url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {body["refresh_token"].(string)}, "resource": {api}})
	equal(t, "refresh", refreshed.status, 200)
	equal(t, "scope after the refresh", refreshed.json(t)["scope"], any("read:things offline_access"))

	doc = register(tn, `{"client_name":"Server","redirect_uris":["`+callback+`"]}`).json(t)
	equal(t, "default method", doc["token_endpoint_auth_method"], any("client_secret_post"))
	equal(t, "client_secret_expires_at", doc["client_secret_expires_at"], any(0.0))
	confidential := url.Values{"grant_type": {"refresh_token"}, "client_id": {doc["client_id"].(string)}, "client_secret": {doc["client_secret"].(string)}, "refresh_token": {"x"}}
	equal(t, "grant that it has not registered", ask(tn, confidential).json(t)["error"], any("unauthorized_client"))
}

func TestRegistrationRefusals(t *testing.T) {
	t.Parallel()
	tn := newOpenTenant(t)
	with := func(member string) string {
		return `{"client_name":"Editor","redirect_uris":["` + callback + `"],` + member + `}`
	}
	const metadata, redirects = "invalid_client_metadata", "invalid_redirect_uri"
	for name, tt := range map[string]struct{ body, code string }{
		"no JSON":            {"{", metadata},
		"a list":             {"[]", metadata},
		"no name":            {`{"redirect_uris":["` + callback + `"]}`, metadata},
		"no callback":        {`{"client_name":"Editor"}`, metadata},
		"unknown method":     {with(`"token_endpoint_auth_method":"private_key_jwt"`), metadata},
		"unknown grant":      {with(`"grant_types":["password"]`), metadata},
		"implicit grant":     {with(`"grant_types":["authorization_code","implicit"]`), metadata},
		"response type":      {with(`"response_types":["token"]`), metadata},
		"relative callback":  {`{"client_name":"Editor","redirect_uris":["/callback"]}`, redirects},
		"callback, fragment": {`{"client_name":"Editor","redirect_uris":["https://a.example/#b"]}`, redirects},
		"callback, wildcard": {`{"client_name":"Editor","redirect_uris":["https://*.example/"]}`, redirects},
		"placeholder":        {`{"client_name":"Editor","redirect_uris":["https://{organization_name}.example/"]}`, redirects},
		"callback, control":  {`{"client_name":"Editor","redirect_uris":["https://a.example/\u0001"]}`, redirects},
	} {
		res := register(tn, tt.body)
		if res.status != 400 || res.json(t)["error"] != tt.code {
			t.Errorf("%s: %d %s", name, res.status, res.body)
		}
	}
	tn.AllowRegistration(false)
	res := register(tn, registerBody)
	equal(t, "switched off", res.status, 403)
	sameJSON(t, res.body, `{"error":"access_denied","error_description":"Dynamic client registration is not enabled for this tenant."}`)
}

// TestManyRegistrations: anybody can register, so a new registration removes the oldest.
func TestManyRegistrations(t *testing.T) {
	t.Parallel()
	tn := newOpenTenant(t)
	first := register(tn, registerBody).json(t)["client_id"].(string)
	known := func(id string) bool {
		return get(tn, authorizeURL(strictRequest(id))).status == 302
	}
	equal(t, "first", known(first), true)
	var last string
	for range 200 {
		last = register(tn, registerBody).json(t)["client_id"].(string)
	}
	equal(t, "first, afterwards", known(first), false)
	equal(t, "last", known(last), true)
	equal(t, "the owner's application", get(tn, authorizeURL(request())).status, 302)
}

// TestStrictThirdParties: a forbidden request of a third party ends on a page of the
// tenant.
func TestStrictThirdParties(t *testing.T) {
	t.Parallel()
	tn := newOpenTenant(t)
	must(t, tn.AddAPI(emulator.API{Audience: "https://closed.example/", Scopes: []string{"x"}}))
	must(t, tn.AddClient(emulator.Client{ID: "https://client.example/app.json", Name: "Editor", Public: true, ThirdParty: true, Strict: true,
		CallbackURLs: []string{callback}, GrantTypes: []string{"authorization_code"},
		Grants: []emulator.ClientGrant{{Audience: "https://own.example/", Scopes: []string{"own"}}}}))
	must(t, tn.AddAPI(emulator.API{Audience: "https://own.example/", Scopes: []string{"own", "other"}, PerAppAuthorization: true, ThirdPartyScopes: []string{"other"}}))
	must(t, tn.LogIn("jane@acme.example"))
	ask := func(pairs ...string) response {
		return get(tn, authorizeURL(strictRequest("https://client.example/app.json", pairs...)))
	}
	for name, tt := range map[string]struct {
		pairs []string
		page  string
	}{
		"parameter":             {[]string{"organization", "org_x"}, "The parameter organization is not allowed for this client"},
		"response mode":         {[]string{"response_mode", "form_post"}, "The parameter response_mode is not allowed for this client"},
		"no PKCE":               {[]string{"code_challenge", "", "code_challenge_method", ""}, "Missing required parameter: code_challenge"},
		"plain PKCE":            {[]string{"code_challenge_method", "plain"}, "This client must use code_challenge_method S256"},
		"API without a grant":   {[]string{"resource", "https://closed.example/"}, "Client is not authorized to access resource server"},
		"unknown API":           {[]string{"resource", "https://unknown.example/"}, "Service not found"},
		"token in the redirect": {[]string{"response_type", "token"}, "Grant type &#39;implicit&#39; not allowed"},
		"silent":                {[]string{"prompt", "none", "max_age", "0"}, "Login required"},
	} {
		res := ask(tt.pairs...)
		if res.status != 400 || !strings.Contains(res.body, tt.page) {
			t.Errorf("%s: %d %s", name, res.status, res.body)
		}
	}
	scopeFor := func(pairs ...string) any {
		code := callbackParams(t, ask(pairs...)).Get("code")
		res := postForm(tn, tokenURL, url.Values{"grant_type": {"authorization_code"}, "client_id": {"https://client.example/app.json"}, "code": {code},
			"redirect_uri": {callback}, "code_verifier": {accountPKCE}})
		return res.json(t)["scope"]
	}
	equal(t, "default grant", scopeFor("ext-a", "b"), any("read:things"))
	equal(t, "own grant precedes", scopeFor("resource", "https://own.example/", "scope", "own other openid"), any("own"))
	equal(t, "no API", scopeFor("resource", "", "scope", "openid profile"), nil)
	if tn.AddClient(emulator.Client{ID: "x", Public: true, Strict: true}) == nil {
		t.Error("a strict first party was accepted")
	}
}

// TestResource: the parameter names the API as audience does, if the tenant's profile
// allows it.
func TestResource(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddAPI(emulator.API{Audience: certAPI, Scopes: []string{"read:certs"}}))
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.Grants = []emulator.ClientGrant{{Audience: api}}
		c.RefreshTokenPolicies = []emulator.ClientGrant{{Audience: certAPI}}
	}))
	audienceOf := func(res response) any {
		t.Helper()
		token, _ := res.json(t)["access_token"].(string)
		if strings.Count(token, ".") != 2 {
			return fmt.Sprint(res.status, " opaque")
		}
		_, claims := decode(t, token)
		return claims["aud"]
	}
	login := func(pairs ...string) string {
		return codeFor(t, tn, append([]string{"scope", "offline_access"}, pairs...)...)
	}
	refreshToken := redeem(tn, login("audience", api)).json(t)["refresh_token"].(string)
	refreshed := func() any {
		return audienceOf(ask(tn, grantRequest("refresh_token", "refresh_token", refreshToken, "resource", certAPI)))
	}

	equal(t, "resource", audienceOf(redeem(tn, login("resource", api))), any(api))
	equal(t, "audience precedes", audienceOf(redeem(tn, login("audience", api, "resource", certAPI))), any(api))
	equal(t, "repeated with the code", audienceOf(redeem(tn, login("resource", api), "resource", api)), any(api))
	equal(t, "refresh", refreshed(), any(certAPI))
	equal(t, "client credentials", audienceOf(ask(tn, grantRequest("client_credentials", "resource", api))), any(api))
	res := redeem(tn, login("resource", api), "resource", certAPI)
	equal(t, "another one with the code", res.status, 400)
	sameJSON(t, res.body, `{"error":"invalid_target","error_description":"The resource is not that of the authorization"}`)

	tn.IgnoreResource(true)
	equal(t, "profile off", audienceOf(redeem(tn, login("resource", api))), any("200 opaque"))
	equal(t, "profile off, with the code", audienceOf(redeem(tn, login("audience", api), "resource", certAPI)), any(api))
	equal(t, "profile off, refresh", refreshed(), any(api))
	equal(t, "profile off, client credentials", ask(tn, grantRequest("client_credentials", "resource", api)).status, 403)
}

// TestIssuerInResponses: RFC 9207.
func TestIssuerInResponses(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.LogIn("jane@acme.example"))
	const member = "authorization_response_iss_parameter_supported"
	metadata := func() map[string]any { return get(tn, base+"/.well-known/oauth-authorization-server").json(t) }
	answer := func(pairs ...string) url.Values {
		return callbackParams(t, get(tn, authorizeURL(request(pairs...))))
	}
	equal(t, "off", answer().Has("iss"), false)
	equal(t, "member", metadata()[member], nil)
	tn.IncludeIssuer(true)
	equal(t, "on", answer().Get("iss"), issuer)
	equal(t, "in a fragment", answer("response_type", "id_token").Get("iss"), issuer)
	equal(t, "of an error", answer("prompt", "what").Get("iss"), issuer)
	equal(t, "member", metadata()[member], any(true))
}

func TestMetadataDocuments(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	const member = "client_id_metadata_document_supported"
	equal(t, "off", get(tn, base+"/.well-known/oauth-authorization-server").json(t)[member], nil)
	tn.AllowMetadataDocuments(true)
	equal(t, "on", get(tn, base+"/.well-known/oauth-authorization-server").json(t)[member], any(true))
	if tn.PromoteConnection("nothing") == nil {
		t.Error("an unknown connection was promoted")
	}
}

// TestMetadataOfPath: clients find the metadata of an issuer with a path by both rules,
// OpenID Connect Discovery and RFC 8414.
func TestMetadataOfPath(t *testing.T) {
	t.Parallel()
	tn, err := emulator.New(emulator.Config{URL: "http://127.0.0.1:4001/eu/acme"})
	must(t, err)
	for path, want := range map[string]int{
		"/eu/acme/.well-known/openid-configuration":          200,
		"/eu/acme/.well-known/oauth-authorization-server":    200,
		"/.well-known/openid-configuration/eu/acme":          200,
		"/.well-known/oauth-authorization-server/eu/acme":    200,
		"/.well-known/oauth-authorization-server/eu/other":   404,
		"/.well-known/oauth-authorization-server":            404,
		"/.well-known/jwks.json/eu/acme":                     404,
		"/x/.well-known/oauth-authorization-server/eu/acme":  404,
		"/eu/acme/.well-known/oauth-authorization-server/eu": 404,
	} {
		res := get(tn, "http://127.0.0.1:4001"+path)
		equal(t, path, res.status, want)
		if want == 200 {
			equal(t, "issuer", res.json(t)["issuer"], any("http://127.0.0.1:4001/eu/acme/"))
		}
	}
}
