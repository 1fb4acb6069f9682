package emulator_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertion signs header and claims with the key of the application.
func assertion(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		must(t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch header["alg"] {
	case "PS256":
		sig, err = rsa.SignPSS(rand.Reader, appKey(), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "RS384":
		long := sha512.Sum384([]byte(input))
		sig, err = rsa.SignPKCS1v15(rand.Reader, appKey(), crypto.SHA384, long[:])
	default:
		sig, err = rsa.SignPKCS1v15(rand.Reader, appKey(), crypto.SHA256, sum[:])
	}
	must(t, err)
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func keyedApp(t *testing.T, tn *emulator.Tenant, algorithm string) {
	t.Helper()
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.AuthMethod = "private_key_jwt"
		c.Keys = []emulator.ClientKey{{ID: "key-1", Algorithm: algorithm, Public: &appKey().PublicKey}}
		c.Grants = []emulator.ClientGrant{{Audience: api, Scopes: []string{"read:things"}}}
	}))
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	const refused = `{"error":"invalid_client","error_description":"`
	tests := []struct {
		why            string
		header, claims map[string]any
		want           string // part of the description; empty for success
	}{
		{"good", nil, nil, ""},
		{"no kid", map[string]any{"kid": nil}, nil, ""},
		{"iat and nbf", nil, map[string]any{"iat": now + 10, "nbf": now}, ""},
		{"five minutes", nil, map[string]any{"exp": now + 300}, ""},
		{"other kid", map[string]any{"kid": "key-2"}, nil, "The client assertion is not signed with a registered key"},
		{"other algorithm", map[string]any{"alg": "PS256"}, nil, "The client assertion is not signed with a registered key"},
		{"none", map[string]any{"alg": "none"}, nil, "The client assertion is not signed with a registered key"},
		{"other iss", nil, map[string]any{"iss": "x"}, "iss and sub of the client assertion must be the client_id"},
		{"no sub", nil, map[string]any{"sub": nil}, "iss and sub of the client assertion must be the client_id"},
		{"aud is an array", nil, map[string]any{"aud": []string{issuer}}, "aud of the client assertion must be the issuer, as a string"},
		{"aud is the endpoint", nil, map[string]any{"aud": issuer + "oauth/token"}, "aud of the client assertion must be the issuer, as a string"},
		{"aud without a slash", nil, map[string]any{"aud": base}, "aud of the client assertion must be the issuer, as a string"},
		{"no exp", nil, map[string]any{"exp": nil}, "The client assertion has expired"},
		{"expired", nil, map[string]any{"exp": now}, "The client assertion has expired"},
		{"too long", nil, map[string]any{"exp": now + 301}, "exp of the client assertion is too far ahead"},
		{"no jti", nil, map[string]any{"jti": nil}, "jti of the client assertion is missing or too long"},
		{"long jti", nil, map[string]any{"jti": strings.Repeat("x", 65)}, "jti of the client assertion is missing or too long"},
		{"iat ahead", nil, map[string]any{"iat": now + 11}, "iat of the client assertion is in the future"},
		{"nbf ahead", nil, map[string]any{"nbf": now + 11}, "nbf of the client assertion is in the future"},
		{"2 KiB", nil, map[string]any{"x": strings.Repeat("x", 1400)}, "The client assertion is too long"},
	}
	for _, tt := range tests {
		tn, _ := newTenant(t)
		keyedApp(t, tn, "RS256")
		header := map[string]any{"alg": "RS256", "kid": "key-1"}
		claims := map[string]any{"iss": "web", "sub": "web", "aud": issuer, "jti": "a", "exp": now + 60}
		maps.Copy(header, tt.header)
		maps.Copy(claims, tt.claims)
		for _, m := range []map[string]any{header, claims} {
			maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
		}
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"web"}, "audience": {api},
			"client_assertion_type": {assertionType}, "client_assertion": {assertion(t, header, claims)}}
		res := postForm(tn, base+"/oauth/token", form)
		if tt.want == "" && res.status != 200 || tt.want != "" && (res.status != 401 || res.body != refused+tt.want+`"}`) {
			t.Errorf("%s: %d %s", tt.why, res.status, res.body)
		}
		// A jti works once.
		if res := postForm(tn, base+"/oauth/token", form); tt.want == "" && (res.status != 401 || res.body != refused+`The client assertion was used before"}`) {
			t.Errorf("%s, again: %d %s", tt.why, res.status, res.body)
		}
	}
	for _, algorithm := range []string{"RS384", "PS256"} {
		tn, _ := newTenant(t)
		keyedApp(t, tn, algorithm)
		raw := assertion(t, map[string]any{"alg": algorithm}, map[string]any{"iss": "web", "sub": "web", "aud": issuer, "jti": "a", "exp": now + 60})
		// client_id is optional (RFC 7521, Section 4.2).
		if res := postForm(tn, base+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "audience": {api}, "client_assertion_type": {assertionType}, "client_assertion": {raw}}); res.status != 200 {
			t.Errorf("%s: %d %s", algorithm, res.status, res.body)
		}
	}
}

// TestClientMethods: an application has one method, and can use one at a time.
func TestClientMethods(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	good := func() string {
		return assertion(t, map[string]any{"alg": "RS256"}, map[string]any{"iss": "web", "sub": "web", "aud": issuer, "jti": rand.Text(), "exp": now + 60})
	}
	jwt := func() url.Values {
		return url.Values{"client_id": {"web"}, "client_assertion_type": {assertionType}, "client_assertion": {good()}}
	}
	post := url.Values{"client_id": {"web"}, "client_secret": {"s3cret"}}
	const unauthorized = `{"error":"access_denied","error_description":"Unauthorized"}`
	const several = `{"error":"invalid_request","error_description":"Only one client authentication method is allowed"}`
	basic := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("web:s3cret"))}
	tests := []struct {
		why    string
		keyed  bool
		form   url.Values
		header []string
		status int
		body   string
	}{
		{"assertion", true, jwt(), nil, 200, ""},
		{"secret of an application with a key", true, post, nil, 401, unauthorized},
		{"nothing, with a key", true, url.Values{"client_id": {"web"}}, nil, 401, unauthorized},
		{"assertion of an application with a secret", false, jwt(), nil, 401, unauthorized},
		{"secret", false, post, nil, 200, ""},
		{"header", false, url.Values{}, basic, 200, ""},
		{"nothing", false, url.Values{"client_id": {"web"}}, nil, 401, unauthorized},
		{"secret twice", false, post, basic, 400, several},
		{"secret and assertion", true, func() url.Values { f := jwt(); f.Set("client_secret", "s3cret"); return f }(), nil, 400, several},
		{"header and assertion", true, jwt(), basic, 400, several},
		{"assertion of an unknown kind", true, func() url.Values { f := jwt(); f.Set("client_assertion_type", "x"); return f }(), nil, 400, `{"error":"invalid_request","error_description":"Unsupported client_assertion_type"}`},
		{"assertion that is none", true, func() url.Values { f := jwt(); f.Set("client_assertion", "x"); return f }(), nil, 401, `{"error":"invalid_client","error_description":"The client assertion is not signed with a registered key"}`},
	}
	for _, tt := range tests {
		for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/par"} {
			tn, _ := newTenant(t, func(c *emulator.Config) { c.Discovery = emulator.Enterprise })
			must(t, tn.EditClient("web", func(c *emulator.Client) {
				c.Grants = []emulator.ClientGrant{{Audience: api, Scopes: []string{"read:things"}}}
			}))
			if tt.keyed {
				keyedApp(t, tn, "RS256")
			}
			form := maps.Clone(tt.form)
			for name, value := range map[string]map[string]string{
				"/oauth/token":  {"grant_type": "client_credentials", "audience": api},
				"/oauth/revoke": {"token": "x"},
				"/oauth/par":    {"response_type": "code", "redirect_uri": callback, "scope": "openid"},
			}[path] {
				form.Set(name, value)
			}
			res := postForm(tn, base+path, form, tt.header...)
			want := tt.status
			if path == "/oauth/par" && want == 200 {
				want = 201
			}
			if res.status != want || tt.body != "" && res.body != tt.body {
				t.Errorf("%s at %s: %d %s", tt.why, path, res.status, res.body)
			}
		}
	}
}

// TestClientCertificate: a certificate counts only at the alias.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t, func(c *emulator.Config) { c.Discovery = emulator.Enterprise })
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.AuthMethod, c.Certificates = "self_signed_tls_client_auth", []string{emulator.Thumbprint([]byte("certificate"))}
	}))
	tests := []struct {
		why, host, certificate string
		status                 int
		body                   string
	}{
		{"at the alias", "mtls.acme.auth0.example", "certificate", 200, ""},
		{"at the ordinary host", "acme.auth0.example", "certificate", 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
		{"another one", "mtls.acme.auth0.example", "other", 401, `{"error":"invalid_client","error_description":"The client certificate is not registered"}`},
		{"none", "mtls.acme.auth0.example", "", 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("POST", "https://"+tt.host+"/oauth/revoke", strings.NewReader("client_id=web&token=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.TLS = &tls.ConnectionState{}
		if tt.certificate != "" {
			r.TLS.PeerCertificates = []*x509.Certificate{{Raw: []byte(tt.certificate)}}
		}
		if res := serve(tn, r); res.status != tt.status || res.body != tt.body {
			t.Errorf("%s: %d %s", tt.why, res.status, res.body)
		}
	}
}

func TestClientsThatCannotAuthenticate(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	key := emulator.ClientKey{Algorithm: "RS256", Public: &appKey().PublicKey}
	for why, c := range map[string]emulator.Client{
		"no key":               {AuthMethod: "private_key_jwt"},
		"three keys":           {AuthMethod: "private_key_jwt", Keys: []emulator.ClientKey{key, key, key}},
		"key without a key":    {AuthMethod: "private_key_jwt", Keys: []emulator.ClientKey{{Algorithm: "RS256"}}},
		"key for ES256":        {AuthMethod: "private_key_jwt", Keys: []emulator.ClientKey{{Algorithm: "ES256", Public: key.Public}}},
		"no secret":            {AuthMethod: "client_secret_basic"},
		"unknown method":       {AuthMethod: "client_secret_jwt", Secret: "x"},
		"public with a method": {Public: true, AuthMethod: "private_key_jwt", Keys: []emulator.ClientKey{key}},
	} {
		c.ID = "x"
		if tn.AddClient(c) == nil {
			t.Errorf("%s: accepted", why)
		}
	}
}

func TestPushedRequests(t *testing.T) {
	t.Parallel()
	tn, clock := newTenant(t, func(c *emulator.Config) { c.Discovery = emulator.Enterprise })
	must(t, tn.LogIn("jane@acme.example"))
	push := func(pairs ...string) response {
		form := request(pairs...)
		form.Set("client_secret", "s3cret")
		return postForm(tn, base+"/oauth/par", form)
	}
	res := push()
	got := res.json(t)
	uri, _ := got["request_uri"].(string)
	if res.status != 201 || len(got) != 2 || got["expires_in"] != 30.0 || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || res.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", res.status, res.body)
	}
	// The tenant ignores the other parameters of the URL.
	u := base + "/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {uri}, "scope": {"other"}, "redirect_uri": {"https://evil.example/"}}.Encode()
	if q := callbackParams(t, get(tn, u)); q.Get("code") == "" || q.Get("state") != "xyz" {
		t.Errorf("answer %v", q)
	}
	again := get(tn, u)
	equal(t, "the second time", again.status, 400)
	contains(t, again.body, "The request_uri is invalid or has expired")

	stale, _ := push().json(t)["request_uri"].(string)
	clock.add(30 * time.Second)
	equal(t, "after 30 seconds", get(tn, base+"/authorize?"+url.Values{"client_id": {"web"}, "request_uri": {stale}}.Encode()).status, 400)
	foreign, _ := push().json(t)["request_uri"].(string)
	equal(t, "of another client", get(tn, base+"/authorize?"+url.Values{"client_id": {"x"}, "request_uri": {foreign}}.Encode()).status, 400)

	for _, tt := range []struct {
		why   string
		pairs []string
		body  string
	}{
		{"callback", []string{"redirect_uri", "https://evil.example/"}, `{"error":"invalid_request","error_description":"The provided redirect_uri is not in the list of allowed callback URLs: https://evil.example/"}`},
		{"scopes", []string{"scope", "openid online_access offline_access"}, `{"error":"invalid_request","error_description":"Cannot request both online_access and offline_access scopes"}`},
		{"connection", []string{"connection", "nope"}, `{"error":"invalid_request","error_description":"the connection was not found"}`},
		{"reference", []string{"request_uri", "urn:x"}, `{"error":"invalid_request","error_description":"The parameter request_uri is not allowed here"}`},
	} {
		if res := push(tt.pairs...); res.status != 400 || res.body != tt.body {
			t.Errorf("%s: %d %s", tt.why, res.status, res.body)
		}
	}

	must(t, tn.EditClient("web", func(c *emulator.Client) { c.RequirePushedRequests = true }))
	q := callbackParams(t, get(tn, authorizeURL(request())))
	equal(t, "not pushed", q.Get("error")+" "+q.Get("error_description"), "invalid_request Pushed Authorization Requests are required by the configured compliance level")
	uri, _ = push().json(t)["request_uri"].(string)
	tn.DenyNext("access_denied", "no")
	equal(t, "pushed", push().status, 201) // the denial waits for the authorization request
	if q := callbackParams(t, get(tn, base+"/authorize?"+url.Values{"client_id": {"web"}, "request_uri": {uri}}.Encode())); q.Get("error") != "access_denied" {
		t.Errorf("denied: %v", q)
	}

	tn.Fail(emulator.PAR, 429)
	res = push()
	equal(t, "limit", res.body, `{"error":"too_many_requests","error_description":"Rate limit exceeded."}`)
	equal(t, "Retry-After", res.header.Get("Retry-After"), "1")
	tn.Fail(emulator.PAR, 0)

	tn.AllowPushedRequests(false)
	equal(t, "turned off", push().status, 404)
	if _, ok := get(tn, base+"/.well-known/openid-configuration").json(t)["pushed_authorization_request_endpoint"]; ok {
		t.Error("it is advertised")
	}
	q = callbackParams(t, get(tn, authorizeURL(request("request_uri", "urn:x"))))
	equal(t, "reference where there are none", q.Get("error"), "request_uri_not_supported")
}
