package provider

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// withAPI is the configuration of an application that calls an API. The provider takes the
// API from the parameter resource (RFC 8707), which Auth0 names audience.
func withAPI(audience string, scopes ...string) func(*auth0.Config) {
	return func(c *auth0.Config) {
		c.Audience = audience
		c.Scopes = append([]string{"openid"}, scopes...)
		c.LoginOptions = append(c.LoginOptions, auth0.WithParam("resource", audience))
	}
}

// offline adds a refresh token to a login. The provider requires the user's consent for
// each (OpenID Connect Core 1.0, Section 11), and ignores the scope otherwise.
func offline(c *auth0.Config) {
	c.Scopes = append(c.Scopes, "offline_access")
	c.LoginOptions = append(c.LoginOptions, auth0.WithPrompt("consent"))
}

// api returns an API of the library, with the strict rules of RFC 9068.
func (p *provider) api(t *testing.T, audience string, edit ...func(*auth0.APIConfig)) *auth0.API {
	t.Helper()
	c := auth0.APIConfig{Domain: p.issuer, Audience: audience, StrictProfile: true, HTTPClient: p.client(t), Logger: newOutput(t).logger()}
	for _, e := range edit {
		e(&c)
	}
	api, err := auth0.NewAPI(c)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// verify verifies a token, and compares the reason of the error, empty for none.
func verify(t *testing.T, api *auth0.API, raw, reason string) *auth0.Token {
	t.Helper()
	token, err := api.Verify(t.Context(), raw)
	if got := reasonOf(err); got != reason {
		t.Errorf("the reason is %q, want %q: %v", got, reason, err)
	}
	return token
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	var e *auth0.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err.Error()
}

// testAPI: an access token is for one API.
func testAPI(t *testing.T, p *provider) {
	a, b := p.app(t, nil, withAPI(orders, "read:orders")), p.browser(t, "ada")
	api := p.api(t, orders)
	mux := http.NewServeMux()
	mux.Handle("/orders", api.RequireScope("read:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth0.TokenFrom(r.Context())
		w.Write([]byte(token.Subject() + " by " + token.ClientID()))
	})))
	mux.Handle("/change", api.RequireScope("write:orders")(http.NotFoundHandler()))
	mux.Handle("/invoices", p.api(t, invoices).RequireAuth(http.NotFoundHandler()))
	server := p.serve(t, mux)
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	b.expect(b.open(a.url+"/call?url="+server+"/orders"), 200, "ada by "+a.config.ClientID)
	b.expect(b.open(a.url+"/call?url="+server+"/change"), 403, "insufficient_scope")
	b.expect(b.open(a.url+"/call?url="+server+"/invoices"), 401, "audience not accepted")

	both := p.serve(t, api.RequireTokenOrSession(a.Strategy)(api.RequireScope("read:orders")(http.HandlerFunc(a.home))))
	b.expect(b.open(both), 200, "ada|")
	p.browser(t, "ada").expect(p.browser(t, "ada").open(both), 401, "")

	raw := b.open(a.url + "/token").body
	if header := decode(t, raw, 0); header["typ"] != "at+jwt" || header["alg"] != "RS256" {
		t.Errorf("the header is %v", header)
	}
	verify(t, api, raw[:len(raw)-8]+strings.Repeat("A", 8), "invalid_signature")

	// The ID token is in the logout request. Even an API with the identifier of the
	// application refuses it: its typ is not at+jwt.
	var idToken string
	b.before = func(u *url.URL) {
		if u.Path == "/session/end" {
			idToken = u.Query().Get("id_token_hint")
		}
	}
	b.post(a.url + "/auth/logout")
	if claims := decode(t, idToken, 1); claims["aud"] != a.config.ClientID || claims["sub"] != "ada" {
		t.Errorf("the ID token has %v", claims)
	}
	verify(t, p.api(t, a.config.ClientID), idToken, "invalid_type")
	verify(t, p.api(t, a.config.ClientID, func(c *auth0.APIConfig) { c.StrictProfile = false }), idToken, "invalid_type")

	// Another API of the provider has tokens with ES256.
	a, b = p.app(t, nil, withAPI(invoices, "read:invoices")), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	raw = b.open(a.url + "/token").body
	token := verify(t, p.api(t, invoices, func(c *auth0.APIConfig) { c.Algorithms = []string{"ES256"} }), raw, "")
	if token != nil && token.Subject() != "ada" {
		t.Errorf("the subject is %q", token.Subject())
	}
	verify(t, p.api(t, invoices), raw, "invalid_alg")

	// Without an API the token is opaque.
	a, b = p.app(t, nil), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	verify(t, api, b.open(a.url+"/token").body, "token_malformed")
}

// decode returns a part of a token.
func decode(t *testing.T, token string, part int) map[string]any {
	t.Helper()
	var members map[string]any
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// testRefresh: each refresh token is valid once. If the library used one again, the
// provider would revoke them all.
func testRefresh(t *testing.T, p *provider) {
	for _, test := range []struct {
		name     string
		metadata metadata
		edit     func(*auth0.Config)
	}{
		{"in a store", nil, func(*auth0.Config) {}},
		{"in cookies", nil, func(c *auth0.Config) { c.Store = nil }},
		{"public", metadata{"token_endpoint_auth_method": "none"}, func(c *auth0.Config) { c.ClientSecret, c.ClientAuthentication = "", auth0.PublicClient() }},
	} {
		a, b := p.app(t, test.metadata, withAPI(orders, "read:orders"), offline, test.edit), p.browser(t, "ada")
		api := p.api(t, orders)
		b.expect(b.open(a.url+"/private"), 200, "ada|")
		seen := map[string]bool{}
		for _, path := range []string{"/token", "/token", "/token?refresh", "/token?refresh", "/token?refresh"} {
			got := b.open(a.url + path)
			if token := verify(t, api, got.body, ""); token == nil || token.Subject() != "ada" {
				t.Errorf("%s: %s: %s", test.name, path, got)
			}
			seen[got.body] = true
		}
		if len(seen) != 4 {
			t.Errorf("%s: %d tokens", test.name, len(seen))
		}

		// Requests of one browser at the same time.
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				resp, err := b.client.Get(a.url + "/token?refresh")
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("%s: at the same time: status %d", test.name, resp.StatusCode)
				}
			})
		}
		wait.Wait()
		if got := b.open(a.url + "/token?refresh"); got.status != 200 {
			t.Errorf("%s: after that: %s", test.name, got)
		}
	}

	// Without prompt=consent the provider issues no refresh token, and another login brings
	// the next access token.
	a, b := p.app(t, nil, withAPI(orders, "read:orders", "offline_access")), p.browser(t, "ada")
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	b.expect(b.open(a.url+"/token?refresh"), 401, "")
	a.refused(t, "token_expired")
	b.expect(b.open(a.url+"/auth/login?returnTo=/token"), 200, "ey")
	b.expect(b.open(a.url+"/private"), 200, "ada|")
}

// testProgram: a login without a Strategy, and its refresh token until its end.
func testProgram(t *testing.T, p *provider) {
	var answer url.Values
	server := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer = r.URL.Query() }))
	id, secret := p.register(t, metadata{"redirect_uris": []string{server + "/done"}, "grant_types": []string{"authorization_code", "refresh_token"},
		"token_endpoint_auth_method": "client_secret_post"})
	program, err := auth0.NewApplication(auth0.Config{Domain: p.issuer, ClientID: id, ClientSecret: secret, HTTPClient: p.client(t)})
	if err != nil {
		t.Fatal(err)
	}
	target, transaction, err := program.AuthCodeURL(t.Context(), server+"/done", auth0.WithScopes("openid", "profile", "offline_access"), auth0.WithPrompt("consent"))
	if err != nil {
		t.Fatal(err)
	}
	b := p.browser(t, "ada")
	b.open(target)
	login, err := program.Exchange(t.Context(), transaction, answer)
	if err != nil {
		t.Fatal(err)
	}
	if login.User.Subject != "ada" || login.User.Issuer != p.issuer {
		t.Errorf("the user is %q of %q", login.User.Subject, login.User.Issuer)
	}
	user, err := program.UserInfo(t.Context(), login.Token(), login.User.Subject)
	if err != nil || user.Name != "ada of Acme" || user.Email != "" {
		t.Errorf("userinfo: %q, %q, %v", user.Name, user.Email, err)
	}
	if _, err := program.UserInfo(t.Context(), login.Token(), "bob"); reasonOf(err) != "invalid_userinfo" {
		t.Errorf("userinfo of another user: %v", err)
	}
	// The response is valid once: the provider refuses the code.
	if _, err := program.Exchange(t.Context(), transaction, answer); err == nil {
		t.Error("a code is accepted twice")
	}

	if _, err := program.Grant(t.Context(), "refresh_token", url.Values{"refresh_token": {login.Token().RefreshToken}}); err == nil {
		t.Error("the refresh token of a code that was used twice is valid")
	}

	target, transaction, err = program.AuthCodeURL(t.Context(), server+"/done", auth0.WithScopes("openid", "offline_access"), auth0.WithPrompt("consent"))
	if err != nil {
		t.Fatal(err)
	}
	b.open(target)
	if login, err = program.Exchange(t.Context(), transaction, answer); err != nil {
		t.Fatal(err)
	}
	again, err := program.Grant(t.Context(), "refresh_token", url.Values{"refresh_token": {login.Token().RefreshToken}})
	if err != nil || again.RefreshToken == "" || again.RefreshToken == login.Token().RefreshToken {
		t.Fatalf("the refresh token is not rotated: %v", err)
	}
	if err := program.Revoke(t.Context(), again.RefreshToken); err != nil {
		t.Error(err)
	}
	if _, err := program.Grant(t.Context(), "refresh_token", url.Values{"refresh_token": {again.RefreshToken}}); err == nil {
		t.Error("a revoked refresh token is valid")
	}
	if _, err := program.UserInfo(t.Context(), again, "ada"); reasonOf(err) != "token_not_accepted" {
		t.Errorf("userinfo with a revoked token: %v", err)
	}
}

// testDPoP: the provider binds the tokens to the key of the session (RFC 9449).
func testDPoP(t *testing.T, p *provider) {
	key := newECKey(t)
	for _, test := range []struct {
		name     string
		metadata metadata
		edit     func(*auth0.Config)
	}{
		{"a key of the session", nil, func(c *auth0.Config) { c.ProofKey = auth0.ProofKeyPerSession() }},
		{"one key", nil, func(c *auth0.Config) { c.ProofKey = auth0.ProofKeyOf(key) }},
		{"nonces", metadata{"client_name": "nonces"}, func(c *auth0.Config) { c.ProofKey = auth0.ProofKeyPerSession() }},
		{"pushed", metadata{"require_pushed_authorization_requests": true}, func(c *auth0.Config) {
			c.ProofKey, c.PushedAuthorizationRequests = auth0.ProofKeyPerSession(), true
		}},
		{"public", metadata{"token_endpoint_auth_method": "none"}, func(c *auth0.Config) {
			c.ProofKey, c.ClientSecret, c.ClientAuthentication = auth0.ProofKeyPerSession(), "", auth0.PublicClient()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := metadata{"dpop_bound_access_tokens": true}
			for name, value := range test.metadata {
				m[name] = value
			}
			a, b := p.app(t, m, withAPI(orders, "read:orders"), offline, test.edit), p.browser(t, "ada")
			var handler http.Handler
			server := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
			api := p.api(t, orders, func(c *auth0.APIConfig) {
				c.DPoP = auth0.DPoP{Mode: auth0.BindingRequired, BaseURLs: []string{server}}
			})
			handler = api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token, _ := auth0.TokenFrom(r.Context())
				w.Write([]byte("called by " + token.Subject()))
			}))
			b.expect(b.open(a.url+"/private"), 200, "ada|")
			b.expect(b.open(a.url+"/call?url="+server), 200, "called by ada")
			raw := b.open(a.url + "/token").body
			b.expect(b.open(a.url+"/token?refresh"), 200, "ey")
			b.expect(b.open(a.url+"/call?url="+server), 200, "called by ada")
			if again := b.open(a.url + "/token").body; again == raw {
				t.Error("the token is not refreshed")
			}
			verify(t, api, raw, "dpop_required")
			verify(t, p.api(t, orders), raw, "dpop_required")

			a, b = p.app(t, m, test.edit), p.browser(t, "ada")
			b.expect(b.open(a.url+"/private"), 200, "ada|")
			b.expect(b.open(a.url+"/userinfo"), 200, "ada|ada of Acme|ada@acme.example")
		})
	}

	// The provider does not list RS256, so the library does not send the browser there.
	a, b := p.app(t, nil, func(c *auth0.Config) { c.ProofKey = auth0.ProofKeyOf(newRSAKey(t)) }), p.browser(t, "ada")
	if got := b.open(a.url + "/private"); got.status != 500 || got.url.Path != "/auth/login" {
		t.Errorf("with an RSA key: %s", got)
	}
}

// testCertificate: the application authenticates with its certificate, to which the
// provider binds the tokens (RFC 8705).
func testCertificate(t *testing.T, p *provider) {
	pair, _, _ := newCertificate(t)
	client := p.client(t)
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = append(client.Transport.(*http.Transport).TLSClientConfig.Certificates, pair)
	m := metadata{"token_endpoint_auth_method": "self_signed_tls_client_auth", "tls_client_certificate_bound_access_tokens": true,
		"jwks": jwks(t, pair.PrivateKey.(crypto.Signer), "", base64.StdEncoding.EncodeToString(pair.Certificate[0]))}
	useCertificate := func(c *auth0.Config) {
		c.ClientSecret, c.ClientAuthentication, c.HTTPClient = "", auth0.MutualTLS(), client
	}
	a, b := p.app(t, m, withAPI(orders, "read:orders"), offline, useCertificate), p.browser(t, "ada")
	api := p.api(t, orders, func(c *auth0.APIConfig) { c.Certificates.Mode = auth0.BindingRequired })
	server := p.serve(t, api.RequireAuth(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("called")) })))
	b.expect(b.open(a.url+"/private"), 200, "ada|")
	b.expect(b.open(a.url+"/call?url="+server), 200, "called")
	b.expect(b.open(a.url+"/token?refresh"), 200, "ey")
	b.expect(b.open(a.url+"/call?url="+server), 200, "called")
	raw := b.open(a.url + "/token").body
	for reason, certificate := range map[string]*x509.Certificate{"certificate_required": nil, "certificate_mismatch": p.certificate.Leaf, "": pair.Leaf} {
		if _, err := api.VerifyWithCertificate(t.Context(), raw, certificate); reasonOf(err) != reason {
			t.Errorf("want the reason %q: %v", reason, err)
		}
	}

	// Another certificate, which the provider does not know.
	a, b = p.app(t, m, useCertificate, func(c *auth0.Config) {
		other := p.client(t)
		other.Transport.(*http.Transport).TLSClientConfig.Certificates = append(other.Transport.(*http.Transport).TLSClientConfig.Certificates, p.certificate)
		c.HTTPClient = other
	}), p.browser(t, "ada")
	if got := b.open(a.url + "/private"); got.status != 502 || got.url.Path != "/auth/callback" || !strings.Contains(a.log.String(), "invalid_client") {
		t.Errorf("with an unknown certificate: %s", got)
	}
}

// testMachine: tokens of an application itself.
func testMachine(t *testing.T, p *provider) {
	id, secret := p.register(t, metadata{"redirect_uris": []string{}, "response_types": []string{}, "grant_types": []string{"client_credentials"},
		"token_endpoint_auth_method": "client_secret_post"})
	config := auth0.Config{Domain: p.issuer, ClientID: id, ClientSecret: secret, HTTPClient: p.client(t)}
	program, err := auth0.NewApplication(config)
	if err != nil {
		t.Fatal(err)
	}
	api := p.api(t, orders)
	token, err := program.ClientCredentials(auth0.ClientCredentials{Audience: orders, Scopes: []string{"read:orders"}}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if got := verify(t, api, token.AccessToken, ""); got != nil && (got.ClientID() != id || !got.HasScope("read:orders") || got.HasScope("write:orders")) {
		t.Errorf("the token is of %q, with %q", got.ClientID(), got.Scope())
	}
	if token, err = program.Grant(t.Context(), "client_credentials", url.Values{"resource": {invoices}, "scope": {"read:invoices"}}); err != nil {
		t.Fatal(err)
	}
	verify(t, api, token.AccessToken, "invalid_alg")
	if _, err := program.ClientCredentials(auth0.ClientCredentials{Audience: "https://unknown.example.com/"}).Token(); err == nil {
		t.Error("a token for an unknown API")
	}

	config.ProofKey = auth0.ProofKeyPerSession()
	if program, err = auth0.NewApplication(config); err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	server := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	handler = p.api(t, orders, func(c *auth0.APIConfig) {
		c.DPoP = auth0.DPoP{Mode: auth0.BindingRequired, BaseURLs: []string{server}}
	}).RequireScope("write:orders")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	client := &http.Client{Transport: &auth0.ProofTransport{
		Base: config.HTTPClient.Transport, Source: program.ClientCredentials(auth0.ClientCredentials{Audience: orders, Scopes: []string{"write:orders"}}),
	}}
	if resp, err := client.Get(server); err != nil {
		t.Error(err)
	} else if body := read(t, resp); resp.StatusCode != http.StatusNoContent {
		t.Errorf("with a bound token: status %d: %s", resp.StatusCode, body)
	}

	config.ClientSecret = secret + "x"
	if program, err = auth0.NewApplication(config); err != nil {
		t.Fatal(err)
	}
	_, err = program.ClientCredentials(auth0.ClientCredentials{Audience: orders}).Token()
	var e *auth0.Error
	if !errors.As(err, &e) || e.TenantStatus != 401 || e.TenantCode != "invalid_client" {
		t.Errorf("with a wrong secret: %v", err)
	}
}

// testDevice: a device without a browser asks until the user has agreed elsewhere (RFC
// 8628).
func testDevice(t *testing.T, p *provider) {
	const grant = "urn:ietf:params:oauth:grant-type:device_code"
	id, secret := p.register(t, metadata{"redirect_uris": []string{}, "response_types": []string{}, "grant_types": []string{grant},
		"token_endpoint_auth_method": "client_secret_post"})
	program, err := auth0.NewApplication(auth0.Config{Domain: p.issuer, ClientID: id, ClientSecret: secret, HTTPClient: p.client(t)})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.client(t).PostForm(p.issuer+"/device/auth", url.Values{"client_id": {id}, "client_secret": {secret}, "scope": {"openid"}, "resource": {orders}})
	if err != nil {
		t.Fatal(err)
	}
	var device struct {
		Code string `json:"device_code"`
		URL  string `json:"verification_uri_complete"`
	}
	if body := read(t, resp); json.Unmarshal([]byte(body), &device) != nil || device.Code == "" {
		t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	ask := func() (string, error) {
		token, err := program.Grant(t.Context(), grant, url.Values{"device_code": {device.Code}})
		if err != nil {
			return "", err
		}
		return token.AccessToken, nil
	}
	if _, err := ask(); !errors.Is(err, auth0.ErrAuthorizationPending) {
		t.Errorf("before the user has agreed: %v", err)
	}
	b := p.browser(t, "ada")
	b.expect(b.open(device.URL), 200, "Sign-in Success")
	raw, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if token := verify(t, p.api(t, orders), raw, ""); token != nil && token.Subject() != "ada" {
		t.Errorf("the subject is %q", token.Subject())
	}
}

// TestRotation: a new key works from its first token, while the tokens of the old one stay
// valid. They are refused when the provider publishes that key no more. The issuer has a
// path, as those of providers with several tenants have.
func TestRotation(t *testing.T) {
	t.Parallel()
	p := start(t, "/realms/acme")
	a := p.app(t, nil, withAPI(orders, "read:orders"))
	api := p.api(t, orders, func(c *auth0.APIConfig) { c.TokenCache = auth0.None })
	login := func() (token, kid string) {
		b := p.browser(t, "ada")
		b.expect(b.open(a.url+"/private"), 200, "ada|")
		token = b.open(a.url + "/token").body
		kid, _ = decode(t, token, 0)["kid"].(string)
		return token, kid
	}
	first, kid := login()
	verify(t, api, first, "")
	if kid != "RS256-1" {
		t.Errorf("the kid is %q", kid)
	}

	p.rotate(t, "RS256-2")
	second, kid := login()
	if kid != "RS256-2" {
		t.Errorf("the kid is %q", kid)
	}
	verify(t, api, second, "")
	verify(t, api, first, "")

	p.rotate(t, "RS256-3")
	verify(t, api, first, "") // the keys are cached
	if err := api.KeySet(p.issuer).Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	verify(t, api, first, "unknown_kid")
	verify(t, api, second, "")
}

// rotate makes the provider sign with a new key, and waits for it.
func (p *provider) rotate(t *testing.T, kid string) {
	t.Helper()
	p.process.Signal(t, syscall.SIGHUP)
	client := p.client(t)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get(p.issuer + "/jwks")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(read(t, resp), kid) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the provider does not rotate its keys")
		}
	}
}
