package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// jwks is the JWK Set with the public key of an application (RFC 7517).
func jwks(t *testing.T, key crypto.Signer, algorithm string, x5c ...string) map[string]any {
	t.Helper()
	jwk := map[string]any{"kid": "client", "use": "sig"}
	if algorithm != "" {
		jwk["alg"] = algorithm
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["e"], jwk["n"] = "RSA", "AQAB", base64.RawURLEncoding.EncodeToString(public.N.Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		jwk["kty"], jwk["crv"] = "EC", "P-256"
		jwk["x"], jwk["y"] = base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	default:
		t.Fatalf("a key of type %T", public)
	}
	if len(x5c) > 0 {
		jwk["x5c"] = x5c
	}
	return map[string]any{"keys": []any{jwk}}
}

func newRSAKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// testLogin logs in with every kind of response, signature and client authentication.
func testLogin(t *testing.T, p *provider) {
	rsaKey, ecKey := newRSAKey(t), newECKey(t)
	formPost := func(c *auth0.Config) { c.ResponseMode = auth0.ResponseModeFormPost }
	algorithm := func(name string) func(*auth0.Config) {
		return func(c *auth0.Config) { c.Algorithms = []string{name} }
	}
	authentication := func(method auth0.ClientAuthentication) func(*auth0.Config) {
		return func(c *auth0.Config) { c.ClientSecret, c.ClientAuthentication = "", method }
	}
	push := func(c *auth0.Config) { c.PushedAuthorizationRequests = true }
	for _, test := range []struct {
		name     string
		metadata metadata
		edit     []func(*auth0.Config)
		sent     string // part of the authorization request in the browser
		form     bool   // the response comes in a form
	}{
		{name: "code", sent: "code_challenge_method=S256"},
		{name: "code in a form", edit: []func(*auth0.Config){formPost}, sent: "response_mode=form_post", form: true},
		{name: "code and ID token", metadata: metadata{"grant_types": []string{"authorization_code", "implicit"}, "response_types": []string{"code id_token"}},
			edit: []func(*auth0.Config){func(c *auth0.Config) { c.ResponseType = auth0.ResponseTypeCodeIDToken }}, sent: "response_type=code+id_token", form: true},
		{name: "ID token", metadata: metadata{"grant_types": []string{"implicit"}, "response_types": []string{"id_token"}, "token_endpoint_auth_method": "none"},
			edit: []func(*auth0.Config){func(c *auth0.Config) { c.ResponseType = auth0.ResponseTypeIDToken }}, sent: "response_type=id_token", form: true},

		{name: "PS256", metadata: metadata{"id_token_signed_response_alg": "PS256"}, edit: []func(*auth0.Config){algorithm("PS256")}},
		{name: "ES256", metadata: metadata{"id_token_signed_response_alg": "ES256"}, edit: []func(*auth0.Config){algorithm("ES256")}},
		{name: "EdDSA", metadata: metadata{"id_token_signed_response_alg": "EdDSA"}, edit: []func(*auth0.Config){algorithm("EdDSA")}},
		{name: "HS256", metadata: metadata{"id_token_signed_response_alg": "HS256"}, edit: []func(*auth0.Config){func(c *auth0.Config) {
			var err error
			if c.Keys, err = auth0.SharedSecret(c.ClientSecret); err != nil {
				t.Error(err)
			}
		}}},

		{name: "client_secret_basic", metadata: metadata{"token_endpoint_auth_method": "client_secret_basic"},
			edit: []func(*auth0.Config){func(c *auth0.Config) { authentication(auth0.ClientSecretBasic(c.ClientSecret))(c) }}},
		{name: "private_key_jwt with RS256", metadata: metadata{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "RS256", "jwks": jwks(t, rsaKey, "RS256")},
			edit: []func(*auth0.Config){authentication(auth0.PrivateKeyJWT(rsaKey, "RS256", "client"))}},
		{name: "private_key_jwt with PS256", metadata: metadata{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "PS256", "jwks": jwks(t, rsaKey, "PS256")},
			edit: []func(*auth0.Config){authentication(auth0.PrivateKeyJWT(rsaKey, "PS256", "client"))}},
		{name: "private_key_jwt with ES256", metadata: metadata{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256", "jwks": jwks(t, ecKey, "ES256")},
			edit: []func(*auth0.Config){authentication(auth0.PrivateKeyJWT(ecKey, "ES256", ""))}},
		{name: "public", metadata: metadata{"token_endpoint_auth_method": "none"}, edit: []func(*auth0.Config){authentication(auth0.PublicClient())}},

		{name: "pushed", metadata: metadata{"require_pushed_authorization_requests": true}, edit: []func(*auth0.Config){push}, sent: "request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A"},
		{name: "pushed with private_key_jwt, in a form", form: true,
			metadata: metadata{"require_pushed_authorization_requests": true, "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(t, rsaKey, "")},
			edit:     []func(*auth0.Config){push, formPost, authentication(auth0.PrivateKeyJWT(rsaKey, "RS256", ""))}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := p.app(t, test.metadata, test.edit...), p.browser(t, "ada")
			var sent string
			b.before = func(u *url.URL) {
				if u.Path == "/auth" {
					sent = u.RawQuery
				}
			}
			b.expect(b.open(a.url+"/private"), 200, "ada|")
			pages := "login consent"
			if test.form {
				pages += " form"
			}
			if got := b.saw(); got != pages {
				t.Errorf("the provider showed %q", got)
			}
			if sent == "" || !strings.Contains(sent, test.sent) {
				t.Errorf("the request was %q", sent)
			}
			b.expect(b.open(a.url+"/private"), 200, "ada|")
			if got := b.saw(); got != "" {
				t.Errorf("the session is not used: the provider showed %q", got)
			}
		})
	}
}

// testAlgorithm: the signature of an ID token is good, and its algorithm is not the one of
// the configuration.
func testAlgorithm(t *testing.T, p *provider) {
	a, b := p.app(t, metadata{"id_token_signed_response_alg": "ES256"}), p.browser(t, "ada")
	if got := b.open(a.url + "/private"); got.status == 200 || got.url.Path != "/auth/callback" {
		t.Errorf("%s", got)
	}
	a.refused(t, "invalid_alg")
	b.expect(b.open(a.url+"/"), 200, "nobody")
}

// testClaims: the claims of the scopes profile and email. With the response type code, this
// provider returns them from userinfo alone (OpenID Connect Core 1.0, Section 5.4), unless
// the request names them (Section 5.5). Auth0 puts them into every ID token.
func testClaims(t *testing.T, p *provider) {
	a, b := p.app(t, nil), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada||")
	b.expect(b.open(a.url+"/userinfo"), 200, "ada|ada of Acme|ada@acme.example")

	a, b = p.app(t, nil, func(c *auth0.Config) {
		c.LoginOptions = []auth0.LoginOption{auth0.WithParam("claims", `{"id_token":{"name":null,"email":null}}`)}
	}), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|ada of Acme|ada@acme.example")

	// Without an access token there is no userinfo, so the ID token has the claims.
	a, b = p.app(t, metadata{"grant_types": []string{"implicit"}, "response_types": []string{"id_token"}, "token_endpoint_auth_method": "none"},
		func(c *auth0.Config) { c.ResponseType = auth0.ResponseTypeIDToken }), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|ada of Acme|ada@acme.example")
}

// testFresh: max_age makes the provider ask for the password again, and send auth_time.
func testFresh(t *testing.T, p *provider) {
	a, b := p.app(t, nil, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithMaxAge(0)} }), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	if got := b.saw(); got != "login consent" {
		t.Errorf("the provider showed %q", got)
	}
	b.expect(b.open(a.url+"/auth/login?returnTo=/private"), 200, "ada|")
	if got := b.saw(); got != "login" {
		t.Errorf("the second login: the provider showed %q", got)
	}
	before := time.Now().Add(-time.Minute)
	b.expect(b.open(a.url+"/authenticated"), 200, "at ")
	if got := b.open(a.url + "/authenticated").body; got < "at "+before.UTC().Format(time.RFC3339) {
		t.Errorf("authenticated %s", got)
	}
	b.expect(b.open(a.url+"/stepup"), 200, "ada|")
	if got := b.saw(); got != "" {
		t.Errorf("a session of this minute is not recent: the provider showed %q", got)
	}

	// Without the option, only the provider knows when the user was there.
	a = p.app(t, nil)
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	if got := b.saw(); got != "consent" {
		t.Errorf("the provider showed %q", got)
	}
	b.expect(b.open(a.url+"/stepup"), 200, "ada|")
	if got := b.saw(); got != "" {
		t.Errorf("the provider showed %q", got)
	}
	b.expect(b.open(a.url+"/authenticated"), 200, "at 20")
}

// testSilent: prompt=none with and without a session at the provider.
func testSilent(t *testing.T, p *provider) {
	a, b := p.app(t, nil), p.browser(t, "ada")
	b.expect(b.open(a.url+"/silent"), 200, "nobody")
	got := b.open(a.url + "/auth/login?prompt=none&returnTo=/private")
	if got.status == 200 || got.url.Path != "/auth/callback" || got.url.Query().Get("error") != "login_required" {
		t.Errorf("without a session: %s", got)
	}
	if got := b.saw(); got != "" {
		t.Errorf("prompt=none showed %q", got)
	}

	b.expect(b.open(a.url+"/private"), 200, "ada|")
	if got := b.saw(); got != "login consent" {
		t.Errorf("the provider showed %q", got)
	}
	again := p.browser(t, "ada")
	again.client.Jar = onlyOf(t, b, p.issuer) // the session of the application is over
	again.expect(again.open(a.url+"/"), 200, "nobody")
	again.expect(again.open(a.url+"/silent"), 200, "ada|")
	again.expect(again.open(a.url+"/private"), 200, "ada|")
	if got := again.saw(); got != "" {
		t.Errorf("the silent login showed %q", got)
	}

	// The user has not agreed to the second application.
	other := p.app(t, nil)
	if got := again.open(other.url + "/auth/login?prompt=none"); got.url.Query().Get("error") != "consent_required" || got.status == 200 {
		t.Errorf("without consent: %s", got)
	}
}

// testDenied: the user cancels at the provider. The link of the error page logs in.
func testDenied(t *testing.T, p *provider) {
	for _, test := range []struct {
		name string
		edit func(*auth0.Config)
	}{
		{"query", func(*auth0.Config) {}},
		{"form", func(c *auth0.Config) { c.ResponseMode = auth0.ResponseModeFormPost }},
		{"pushed", func(c *auth0.Config) { c.PushedAuthorizationRequests = true }},
	} {
		a, b := p.app(t, nil, test.edit), p.browser(t, "ada")
		b.cancel = true
		got := b.open(a.url + "/private")
		if got.status != 403 || got.url.Path != "/auth/callback" || strings.Contains(got.body, "End-User") {
			t.Errorf("%s: %s", test.name, got)
		}
		a.refused(t, "authorization_denied")
		b.expect(b.open(a.url+"/"), 200, "nobody")
		b.cancel = false
		b.expect(b.open(a.url+"/private"), 200, "ada|")
	}
}

// testMixedUp: the provider names itself in each response (RFC 9207). A response with a
// good state and a good code, which another provider seems to have sent, is refused.
func testMixedUp(t *testing.T, p *provider) {
	for reason, edits := range map[string][]func(url.Values){
		"issuer_mismatch": {
			func(q url.Values) { q.Set("iss", "https://other.example") },
			func(q url.Values) { q.Set("iss", p.issuer+"/") },
			func(q url.Values) { q.Del("iss") },
		},
		"transaction_not_found": {func(q url.Values) { q.Set("state", q.Get("state")[1:]) }},
		"invalid_grant":         {func(q url.Values) { q.Set("code", q.Get("code")[1:]) }},
	} {
		for _, edit := range edits {
			a, b := p.app(t, nil), p.browser(t, "ada")
			b.before = func(u *url.URL) {
				if u.Path == "/auth/callback" {
					q := u.Query()
					if q.Get("iss") != p.issuer {
						t.Errorf("the response has the issuer %q", q.Get("iss"))
					}
					edit(q)
					u.RawQuery = q.Encode()
				}
			}
			if got := b.open(a.url + "/private"); got.status != 400 || got.url.Path != "/auth/callback" {
				t.Errorf("%s: %s", reason, got)
			}
			a.refused(t, reason)
			b.expect(b.open(a.url+"/"), 200, "nobody")
		}
	}
}
