package emulator_test

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// commonMembers are in every discovery document.
var commonMembers = strings.Fields(`issuer authorization_endpoint token_endpoint device_authorization_endpoint
	userinfo_endpoint mfa_challenge_endpoint jwks_uri registration_endpoint revocation_endpoint scopes_supported
	response_types_supported code_challenge_methods_supported response_modes_supported subject_types_supported
	token_endpoint_auth_methods_supported token_endpoint_auth_signing_alg_values_supported claims_supported
	request_uri_parameter_supported request_parameter_supported id_token_signing_alg_values_supported`)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	logout := strings.Fields(`backchannel_logout_supported backchannel_logout_session_supported end_session_endpoint
		global_token_revocation_endpoint global_token_revocation_endpoint_auth_methods_supported dpop_signing_alg_values_supported`)
	enterprise := strings.Fields(`claims_parameter_supported require_request_uri_registration tls_client_certificate_bound_access_tokens
		request_object_signing_alg_values_supported pushed_authorization_request_endpoint mtls_endpoint_aliases
		backchannel_authentication_endpoint backchannel_token_delivery_modes_supported`)
	for variant, members := range map[emulator.Variant][]string{
		emulator.Standard:   slices.Concat(commonMembers, logout, []string{"grant_types_supported"}),
		emulator.Enterprise: slices.Concat(commonMembers, logout, enterprise),
		emulator.Old:        commonMembers,
	} {
		t.Run(string(variant), func(t *testing.T) {
			tn, _ := newTenant(t, func(c *emulator.Config) { c.Discovery = variant })
			res := get(tn, base+"/.well-known/openid-configuration")
			equal(t, "status", res.status, 200)
			equal(t, "Cache-Control", res.header.Get("Cache-Control"), "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
			contains(t, res.header.Get("Content-Type"), "application/json")
			doc := res.json(t)
			got, want := slices.Sorted(maps.Keys(doc)), slices.Sorted(slices.Values(members))
			if !slices.Equal(got, want) {
				t.Errorf("members %v\nwant    %v", got, want)
			}
			equal(t, "issuer", doc["issuer"], any("https://acme.auth0.example/"))
			equal(t, "token_endpoint", doc["token_endpoint"], any("https://acme.auth0.example/oauth/token"))
			equal(t, "web_message", has(doc["response_modes_supported"], "web_message"), false)
			equal(t, "alias", get(tn, base+"/.well-known/oauth-authorization-server").body, res.body)
			if variant == emulator.Enterprise {
				equal(t, "mTLS", doc["mtls_endpoint_aliases"].(map[string]any)["token_endpoint"], any("https://mtls.acme.auth0.example/oauth/token"))
			}
		})
	}
}

// TestEverythingAdvertisedAnswers follows every endpoint and every grant type of each
// discovery document. An unknown path is 404, and an unknown grant type is 501.
func TestEverythingAdvertisedAnswers(t *testing.T) {
	t.Parallel()
	for _, variant := range []emulator.Variant{emulator.Standard, emulator.Enterprise, emulator.Old} {
		tn, _ := newTenant(t, func(c *emulator.Config) { c.Discovery = variant })
		doc := get(tn, base+"/.well-known/openid-configuration").json(t)
		endpoints := map[string]string{}
		collect := func(members map[string]any) {
			for name, value := range members {
				if strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri") {
					endpoints[name+" "+value.(string)] = strings.ReplaceAll(value.(string), "{connectionName}", "customer-saml")
				}
			}
		}
		collect(doc)
		if aliases, ok := doc["mtls_endpoint_aliases"].(map[string]any); ok {
			collect(aliases)
		}
		if len(endpoints) < 8 {
			t.Errorf("%s: endpoints %v", variant, endpoints)
		}
		for name, target := range endpoints {
			got, posted := get(tn, target), postForm(tn, target, url.Values{})
			if got.status == 404 || posted.status == 404 || got.status == 405 && posted.status == 405 || got.status >= 500 || posted.status >= 500 {
				t.Errorf("%s: %s: GET %d, POST %d", variant, name, got.status, posted.status)
			}
		}
		equal(t, "no endpoint", postForm(tn, base+"/oauth/nothing", url.Values{}).status, 404)
		grants, _ := doc["grant_types_supported"].([]any)
		if variant == emulator.Standard && len(grants) < 13 {
			t.Errorf("grants %v", grants)
		}
		for _, grant := range grants {
			res := postForm(tn, base+"/oauth/token", url.Values{"grant_type": {grant.(string)}, "client_id": {"web"}, "client_secret": {"s3cret"}})
			if grant != "implicit" && (res.status == 501 || res.json(t)["error"] == "unsupported_grant_type") { // it has no token request
				t.Errorf("%s: %d %s", grant, res.status, res.body)
			}
		}
	}
}

// TestWithheldFeatures: a disabled feature answers as Auth0 does to a client without
// access to it.
func TestWithheldFeatures(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t, func(c *emulator.Config) { c.Discovery = emulator.Enterprise })
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.GrantTypes = append(c.GrantTypes, "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:jwt-bearer")
	}))
	credentials := url.Values{"client_id": {"web"}, "client_secret": {"s3cret"}}
	wrong := url.Values{"client_id": {"web"}, "client_secret": {"wrong"}}
	with := func(grant string) url.Values {
		return url.Values{"grant_type": {grant}, "client_id": {"web"}, "client_secret": {"s3cret"}}
	}
	for _, tt := range []struct {
		path   string
		form   url.Values
		status int
		body   string
	}{
		{"/oauth/device/code", credentials, 403, `{"error":"unauthorized_client","error_description":"Grant type 'urn:ietf:params:oauth:grant-type:device_code' not allowed for the client."}`},
		{"/oauth/device/code", wrong, 401, "access_denied"},
		{"/bc-authorize", credentials, 403, `{"error":"unauthorized_client","error_description":"Grant type 'urn:openid:params:grant-type:ciba' not allowed for the client."}`},
		{"/bc-authorize", wrong, 401, "access_denied"},
		{"/oauth/token", with("urn:ietf:params:oauth:grant-type:device_code"), 403, "unauthorized_client"},
		{"/oauth/token", with("urn:openid:params:grant-type:ciba"), 403, "unauthorized_client"},
		{"/oauth/token", with("urn:ietf:params:oauth:grant-type:jwt-bearer"), 403, "unauthorized_client"},
		{"/oidc/register", url.Values{}, 403, "access_denied"},
		{"/oauth/global-token-revocation/connection/customer-saml", url.Values{}, 401, "invalid_token"},
	} {
		res := postForm(tn, base+tt.path, tt.form)
		equal(t, tt.path, res.status, tt.status)
		contains(t, res.body, tt.body)
	}
}

func TestEditedDocuments(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	tn.EditDiscovery(func(doc map[string]any) { doc["issuer"] = "https://evil.example/" })
	tn.EditJWKS(func(doc map[string]any) { doc["keys"] = doc["keys"].([]map[string]any)[:1] })
	equal(t, "issuer", get(tn, base+"/.well-known/openid-configuration").json(t)["issuer"], any("https://evil.example/"))
	equal(t, "keys", len(keys(t, tn)), 1)
	tn.EditDiscovery(nil)
	tn.EditJWKS(nil)
	equal(t, "issuer", get(tn, base+"/.well-known/openid-configuration").json(t)["issuer"], any(issuer))
	equal(t, "keys", len(keys(t, tn)), 2)
}

func TestKeySet(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	res := get(tn, base+"/.well-known/jwks.json")
	equal(t, "Cache-Control", res.header.Get("Cache-Control"), "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
	var doc struct {
		Keys []struct {
			Kty, Use, N, E, Kid, X5t, Alg string
			X5c                           []string
		}
	}
	must(t, json.Unmarshal([]byte(res.body), &doc))
	equal(t, "number of keys", len(doc.Keys), 2)
	for i, k := range doc.Keys {
		equal(t, "kty, use, e, alg", k.Kty+" "+k.Use+" "+k.E+" "+k.Alg, "RSA sig AQAB RS256")
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{21}$`).MatchString(k.Kid) {
			t.Errorf("kid %q", k.Kid)
		}
		equal(t, "certificates", len(k.X5c), 1)
		der, err := base64.StdEncoding.DecodeString(k.X5c[0])
		must(t, err)
		cert, err := x509.ParseCertificate(der)
		must(t, err)
		must(t, cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature))
		equal(t, "common name", cert.Subject.CommonName, "acme.auth0.example")
		equal(t, "key of the certificate", keys(t, tn)[k.Kid].Equal(cert.PublicKey.(*rsa.PublicKey)), true)
		sum := sha1.Sum(der)
		equal(t, "x5t", k.X5t, base64.RawURLEncoding.EncodeToString(sum[:]))
		if i == 0 {
			equal(t, "first kid", k.Kid, tn.KeyID())
			block, _ := pem.Decode([]byte(get(tn, base+"/pem").body))
			equal(t, "PEM", string(block.Bytes), string(der))
		}
	}
	if doc.Keys[0].N == doc.Keys[1].N {
		t.Error("both keys are the same")
	}
	equal(t, "served again", get(tn, base+"/.well-known/jwks.json").body, res.body)
}

func TestRotateKeys(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	sign := func() string { return tn.IDToken("web", "jane@acme.example") }
	old, oldKid := sign(), tn.KeyID()
	next := slices.DeleteFunc(slices.Collect(maps.Keys(keys(t, tn))), func(kid string) bool { return kid == oldKid })

	tn.RotateKeys()
	equal(t, "current key", tn.KeyID(), next[0])
	equal(t, "number of keys", len(keys(t, tn)), 3)
	young := sign()
	equal(t, "old token", verifies(t, tn, old), true)
	equal(t, "young token", verifies(t, tn, young), true)

	tn.RevokeOldKeys()
	equal(t, "number of keys", len(keys(t, tn)), 2)
	equal(t, "old token", verifies(t, tn, old), false)
	equal(t, "young token", verifies(t, tn, young), true)

	seen := map[string]bool{}
	for range 20 { // a set never has two equal keys, and stays small
		tn.RotateKeys()
		set := keys(t, tn)
		if len(set) > 7 {
			t.Fatalf("%d keys", len(set))
		}
		moduli := map[string]bool{}
		for kid, k := range set {
			moduli[k.N.String()] = true
			seen[kid] = true
		}
		equal(t, "different keys", len(moduli), len(set))
		equal(t, "token", verifies(t, tn, sign()), true)
	}
	equal(t, "kids ever", len(seen), 22)
}

func TestTenantsDoNotAcceptEachOthersTokens(t *testing.T) {
	t.Parallel()
	one, _ := newTenant(t)
	two, _ := newTenant(t)
	raw := one.IDToken("web", "jane@acme.example")
	equal(t, "own", verifies(t, one, raw), true)
	equal(t, "foreign", verifies(t, two, raw), false)
}

func TestForeignKey(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	tn.SignWithForeignKey(true)
	raw := tn.AccessToken("jane@acme.example", api)
	header, _ := decode(t, raw)
	equal(t, "kid", header["kid"], any(tn.KeyID()))
	equal(t, "verifies", verifies(t, tn, raw), false)
	tn.SignWithForeignKey(false)
	equal(t, "verifies", verifies(t, tn, tn.AccessToken("jane@acme.example", api)), true)
}

func TestClientFile(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddConnection(emulator.Connection{Name: "linked-only", Strategy: "oauth2", Inactive: true}))
	must(t, tn.AddConnection(emulator.Connection{Name: "not-enabled", Strategy: "github"}))
	c := webApp()
	c.Connections = append(c.Connections, "linked-only")
	must(t, tn.AddClient(c))
	res := get(tn, base+"/client/web.js?t1767225600000")
	equal(t, "status", res.status, 200)
	contains(t, res.header.Get("Content-Type"), "javascript")
	text, ok := strings.CutPrefix(res.body, "Auth0.setClient(")
	text, ok2 := strings.CutSuffix(text, ");")
	if !ok || !ok2 {
		t.Fatalf("body %s", res.body)
	}
	sameJSON(t, text, `{"id":"web","tenant":"acme","subscription":"enterprise","authorize":"https://acme.auth0.example/authorize",
		"callback":"https://app.example/callback","hasAllowedOrigins":true,"strategies":[
		{"name":"auth0","connections":[{"name":"Username-Password-Authentication","domain":null,
			"forgot_password_url":"https://acme.auth0.example/lo/forgot?wtrealm=urn:auth0:acme:Username-Password-Authentication",
			"signup_url":"https://acme.auth0.example/lo/signup?wtrealm=urn:auth0:acme:Username-Password-Authentication",
			"passwordPolicy":"good","password_complexity_options":{"min_length":8},"showSignup":true,"showForgot":true,"requires_username":false}]},
		{"name":"google-oauth2","connections":[{"name":"google-oauth2","scope":["email","profile"]}]},
		{"name":"samlp","connections":[{"name":"customer-saml","display_name":"Customer Corp","domain":"customer.example","domain_aliases":["customer.example"]}]}]}`)

	unknown := get(tn, base+"/client/nope.js")
	equal(t, "status", unknown.status, 403)
	contains(t, unknown.body, "<Code>AccessDenied</Code>")

	hiding, _ := newTenant(t, func(c *emulator.Config) { c.HideEnterpriseConnections = true })
	if strings.Contains(get(hiding, base+"/client/web.js").body, "customer-saml") {
		t.Error("the connection with domains is in the file")
	}
}

func TestCrossOriginCalls(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	preflight := func(path, origin string) response {
		r := httptest.NewRequest("OPTIONS", base+path, nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type")
		return serve(tn, r)
	}
	res := preflight("/oauth/token", app)
	equal(t, "status", res.status, 204)
	equal(t, "origin", res.header.Get("Access-Control-Allow-Origin"), app)
	contains(t, res.header.Get("Access-Control-Allow-Headers"), "Content-Type")
	equal(t, "foreign origin", preflight("/oauth/token", "https://evil.example").header.Get("Access-Control-Allow-Origin"), "")
	equal(t, "calls", tn.Calls(emulator.Token), 1) // valid preflights are not counted
	equal(t, "keys", get(tn, base+"/.well-known/jwks.json", "Origin", "https://evil.example").header.Get("Access-Control-Allow-Origin"), "https://evil.example")
	equal(t, "Vary", get(tn, base+"/userinfo", "Origin", app).header.Get("Vary"), "Origin")
}

// TestSinglePageApplication acts as the script of a public client: the browser must let
// it read every response, good or bad.
func TestSinglePageApplication(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddClient(emulator.Client{ID: "spa", Public: true, CallbackURLs: []string{callback},
		WebOrigins: []string{"https://preview.example", "https://*.preview.example"}, Connections: []string{database}}))
	must(t, tn.LogIn("jane@acme.example"))
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, Appendix B

	for _, responseType := range []string{"code", "code id_token"} {
		got := callbackParams(t, get(tn, authorizeURL(request("client_id", "spa", "response_type", responseType))))
		equal(t, "error", got.Get("error"), "invalid_request")
		equal(t, "error_description", got.Get("error_description"), "Missing required parameter: code_challenge")
		equal(t, "state", got.Get("state"), "xyz")
	}
	code := callbackParams(t, get(tn, authorizeURL(request("client_id", "spa", "audience", api, "scope", "openid email read:things",
		"code_challenge", challenge, "code_challenge_method", "S256")))).Get("code")

	redeemFrom := func(origin, code string) response {
		res := postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"spa"},
			"code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}, "Origin", origin)
		contains(t, res.header.Get("Vary"), "Origin")
		return res
	}
	for _, origin := range []string{app, "https://preview.example", "https://pr-7.preview.example"} {
		res := redeemFrom(origin, "guess")
		equal(t, "status", res.status, 403)
		sameJSON(t, res.body, bodyInvalidCode)
		equal(t, origin, res.header.Get("Access-Control-Allow-Origin"), origin)
	}
	for _, origin := range []string{"https://evil.example", "https://a.b.preview.example", "http://app.example", "https://app.example:8443", "null"} {
		equal(t, origin, redeemFrom(origin, "guess").header.Get("Access-Control-Allow-Origin"), "")
	}
	tn.Fail(emulator.Token, 503)
	equal(t, "an outage is readable", redeemFrom(app, code).header.Get("Access-Control-Allow-Origin"), app)
	tn.Fail(emulator.Token, 0)

	res := redeemFrom(app, code)
	equal(t, "status", res.status, 200)
	equal(t, "token response", res.header.Get("Access-Control-Allow-Origin"), app)
	equal(t, "with cookies", res.header.Get("Access-Control-Allow-Credentials"), "")
	_, claims := verify(t, tn, res.json(t)["access_token"].(string))
	equal(t, "azp", claims["azp"], any("spa"))
	equal(t, "for the API", has(claims["aud"], api), true)

	// Browsers send an Authorization header only after a preflight.
	ask := httptest.NewRequest("OPTIONS", base+"/userinfo", nil)
	ask.Header.Set("Origin", app)
	ask.Header.Set("Access-Control-Request-Method", "GET")
	ask.Header.Set("Access-Control-Request-Headers", "authorization")
	preflight := serve(tn, ask)
	equal(t, "status", preflight.status, 204)
	contains(t, preflight.header.Get("Access-Control-Allow-Headers"), "Authorization")
	contains(t, preflight.header.Get("Access-Control-Allow-Methods"), "GET")
	for _, token := range []string{res.json(t)["access_token"].(string), "guess"} {
		userinfo := get(tn, base+"/userinfo", "Origin", app, "Authorization", "Bearer "+token)
		equal(t, "userinfo", userinfo.header.Get("Access-Control-Allow-Origin"), app)
		equal(t, "userinfo", userinfo.status == 200, token != "guess")
	}
	equal(t, "discovery", get(tn, base+"/.well-known/openid-configuration", "Origin", app).header.Get("Access-Control-Allow-Origin"), app)
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	for _, path := range []string{"/", "/oauth/par", "/oauth/device", "/passwordless/verify", "/mfa/associate", "/api/v2", "/client/", "/client/web.json"} {
		res := get(tn, base+path)
		equal(t, path, res.status, 404)
		sameJSON(t, res.body, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`)
	}
}

// TestSeed: the keys, including later ones, are the same in every run and on every
// platform.
func TestSeed(t *testing.T) {
	t.Parallel()
	seeded := func(seed string) *emulator.Tenant {
		tn, _ := newTenant(t, func(c *emulator.Config) { c.Seed = seed })
		return tn
	}
	one, again, other := seeded("1"), seeded("1"), seeded("2")
	first := one.KeyID()
	set := keys(t, one)
	if sum := sha256.Sum256(set[first].N.Bytes()); hex.EncodeToString(sum[:8]) != "647503b9173fa572" {
		t.Errorf("the key of seed 1 has changed: %x", sum[:8])
	}
	equal(t, "bits", set[first].N.BitLen(), 2048)
	equal(t, "own token", verifies(t, one, one.IDToken("web", "jane@acme.example")), true)

	equal(t, "key id", first, "9SzsebTi127MqCISr0p6I")
	equal(t, "key id of the same seed", again.KeyID(), first)
	one.RotateKeys()
	again.RotateKeys()
	equal(t, "key id after a rotation", again.KeyID(), one.KeyID())
	for _, kid := range []string{first, one.KeyID()} {
		if other.KeyID() == kid {
			t.Errorf("another seed has the same key id %s", kid)
		}
		other.RotateKeys()
	}
	if set[one.KeyID()] == nil || set[one.KeyID()].N.Cmp(set[first].N) == 0 {
		t.Error("the next key is not another one")
	}
}
