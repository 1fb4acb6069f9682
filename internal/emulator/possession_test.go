package emulator_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

const (
	bodyOtherKey  = `{"error":"invalid_grant","error_description":"The grant is bound to another key than that of the DPoP proof"}`
	bodyNotProven = `{"error":"invalid_request","error_description":"Proof of possession is required"}`
	bodyNonce     = `{"error":"use_dpop_nonce","error_description":"Authorization server requires nonce in DPoP proof"}`
	userinfoURL   = base + "/userinfo"
	tokenURL      = base + "/oauth/token"
)

// A prover signs DPoP proofs with its key.
type prover struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	at  func() time.Time
}

func newProver(t *testing.T, c *clock) prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return prover{t, key, c.Now}
}

func (p prover) jwk() map[string]any {
	point, err := p.key.PublicKey.Bytes()
	must(p.t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
}

func (p prover) thumbprint() string {
	jwk := p.jwk()
	sum := sha256.Sum256([]byte(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, jwk["x"], jwk["y"])))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// proof returns a proof for a request, with a unique jti.
func (p prover) proof(method, url, token string, edits ...emulator.TokenEdit) string {
	p.t.Helper()
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk()}
	claims := map[string]any{"htm": method, "htu": url, "iat": p.at().Unix(), "jti": rand.Text()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	for _, edit := range edits {
		edit(header, claims)
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		must(p.t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	must(p.t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (p prover) forToken(edits ...emulator.TokenEdit) string {
	return p.proof("POST", tokenURL, "", edits...)
}

func withNonce(nonce string) emulator.TokenEdit {
	return func(_, claims map[string]any) { claims["nonce"] = nonce }
}

func claimOf(name string, value any) emulator.TokenEdit {
	return func(_, claims map[string]any) {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
}

func headOf(name string, value any) emulator.TokenEdit {
	return func(header, _ map[string]any) { header[name] = value }
}

// newBoundTenant has an API with DPoP-bound access tokens, one with certificate-bound
// tokens, and a public application beside the web application.
func newBoundTenant(t *testing.T, edits ...func(*emulator.Config)) (*emulator.Tenant, *clock) {
	t.Helper()
	tn, c := newTenant(t, edits...)
	grants := []emulator.ClientGrant{{Audience: api, Scopes: []string{"read:things"}}, {Audience: certAPI}, {Audience: mgmt, Scopes: []string{"read:clients"}}}
	must(t, tn.EditAPI(api, func(a *emulator.API) { a.ProofOfPossession.Mechanism = "dpop" }))
	must(t, tn.AddAPI(emulator.API{Audience: certAPI, ProofOfPossession: emulator.ProofOfPossession{Mechanism: "mtls"}}))
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.Grants = grants }))
	spa := webApp()
	spa.ID, spa.Secret, spa.Public = "spa", "", true
	must(t, tn.AddClient(spa))
	return tn, c
}

const certAPI = "https://cert.example/"

func credentials(pairs ...string) url.Values {
	return grantRequest("client_credentials", append([]string{"audience", api}, pairs...)...)
}

func TestProofs(t *testing.T) {
	t.Parallel()
	tn, c := newBoundTenant(t)
	key := newProver(t, c)
	other := newProver(t, c)
	rsaKey := map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB"}
	jwkWith := func(name string, value any) emulator.TokenEdit {
		return func(header, _ map[string]any) {
			jwk := key.jwk()
			jwk[name] = value
			header["jwk"] = jwk
		}
	}
	recut := func(header, _ map[string]any) { // the same point with another thumbprint
		jwk := key.jwk()
		point, err := key.key.PublicKey.Bytes()
		must(t, err)
		jwk["x"], jwk["y"] = base64.RawURLEncoding.EncodeToString(point[1:32]), base64.RawURLEncoding.EncodeToString(point[32:])
		header["jwk"] = jwk
	}
	iat := func(d time.Duration) emulator.TokenEdit { return claimOf("iat", c.Now().Add(d).Unix()) }
	broken := func(s string, edit func([]string)) string {
		parts := strings.Split(s, ".")
		edit(parts)
		return strings.Join(parts, ".")
	}
	for _, tt := range []struct {
		name  string
		proof string
		why   string // empty: accepted
	}{
		{"good", key.forToken(), ""},
		{"query and fragment do not count", key.forToken(claimOf("htu", tokenURL+"?a=b#c")), ""},
		{"case of scheme and host, default port", key.forToken(claimOf("htu", "HTTPS://ACME.auth0.example:443/oauth/token")), ""},
		{"a clock that is a little ahead", key.forToken(iat(30 * time.Second)), ""},
		{"a proof of five minutes ago", key.forToken(iat(-5 * time.Minute)), ""},
		{"members that are ignored", key.forToken(headOf("kid", "x"), claimOf("exp", 1)), ""},

		{"empty", "", "it is not a JWT"},
		{"two parts", "a.b", "it is not a JWT"},
		{"no JSON", "a.b.c", "it is not a JWT"},
		{"too long", key.forToken(claimOf("x", strings.Repeat("x", 8<<10))), "it is not a JWT"},
		{"no typ", key.forToken(headOf("typ", nil)), "typ must be dpop+jwt"},
		{"typ of another token", key.forToken(headOf("typ", "JWT")), "typ must be dpop+jwt"},
		{"alg none", key.forToken(headOf("alg", "none")), "alg must be ES256"},
		{"alg that is not listed", key.forToken(headOf("alg", "ES384")), "alg must be ES256"},
		{"no jwk", key.forToken(headOf("jwk", nil)), "jwk must be a key of the curve P-256"},
		{"RSA jwk", key.forToken(headOf("jwk", rsaKey)), "jwk must be a key of the curve P-256"},
		{"jwk of another curve", key.forToken(jwkWith("crv", "P-384")), "jwk must be a key of the curve P-256"},
		{"short coordinate", key.forToken(jwkWith("x", "AQAB")), "jwk must be a key of the curve P-256"},
		{"coordinates cut at another place", key.forToken(recut), "jwk must be a key of the curve P-256"},
		{"point off the curve", key.forToken(jwkWith("y", key.jwk()["x"])), "jwk must be a key of the curve P-256"},
		{"private key", key.forToken(jwkWith("d", "AQAB")), "jwk must be a public key"},
		{"signed by another key", key.forToken(headOf("jwk", other.jwk())), "bad signature"},
		{"signature that is no base64url", broken(key.forToken(), func(p []string) { p[2] = "***" }), "bad signature"},
		{"short signature", broken(key.forToken(), func(p []string) { p[2] = p[2][:64] }), "bad signature"},
		{"another method", key.forToken(claimOf("htm", "GET")), "htm must be POST"},
		{"method in lower case", key.forToken(claimOf("htm", "post")), "htm must be POST"},
		{"no htm", key.forToken(claimOf("htm", nil)), "htm must be POST"},
		{"another URL", key.forToken(claimOf("htu", userinfoURL)), "htu must be " + tokenURL},
		{"another host", key.forToken(claimOf("htu", "https://evil.example/oauth/token")), "htu must be " + tokenURL},
		{"another port", key.forToken(claimOf("htu", "https://acme.auth0.example:8443/oauth/token")), "htu must be " + tokenURL},
		{"htu with userinfo", key.forToken(claimOf("htu", "https://a@acme.auth0.example/oauth/token")), "htu must be " + tokenURL},
		{"no htu", key.forToken(claimOf("htu", nil)), "htu must be " + tokenURL},
		{"no jti", key.forToken(claimOf("jti", nil)), "jti is missing"},
		{"no iat", key.forToken(claimOf("iat", nil)), "iat must be a number"},
		{"iat as text", key.forToken(claimOf("iat", "1")), "iat must be a number"},
		{"old", key.forToken(iat(-5*time.Minute - time.Second)), "iat is too long ago"},
		{"from the future", key.forToken(iat(31 * time.Second)), "iat is in the future"},
	} {
		res := ask(tn, credentials(), "DPoP", tt.proof)
		if tt.why == "" {
			if res.status != 200 || res.json(t)["token_type"] != "DPoP" {
				t.Errorf("%s: %d %s", tt.name, res.status, res.body)
			}
			continue
		}
		if want := `{"error":"invalid_dpop_proof","error_description":"Invalid DPoP proof: ` + tt.why + `"}`; res.status != 400 || res.body != want {
			t.Errorf("%s: %d %s", tt.name, res.status, res.body)
		}
	}

	t.Run("two headers", func(t *testing.T) {
		r := httptest.NewRequest("POST", tokenURL, strings.NewReader(credentials().Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header["Dpop"] = []string{key.forToken(), key.forToken()}
		contains(t, serve(tn, r).body, "the header DPoP must occur once")
	})
	t.Run("used before", func(t *testing.T) {
		proof := key.forToken(claimOf("jti", "one"))
		equal(t, "first", ask(tn, credentials(), "DPoP", proof).status, 200)
		res := ask(tn, credentials(), "DPoP", proof)
		equal(t, "second", res.status, 400)
		contains(t, res.body, "it was used before")
		equal(t, "same jti of another key", ask(tn, credentials(), "DPoP", other.forToken(claimOf("jti", "one"))).status, 200)
	})
	t.Run("client that is not authenticated", func(t *testing.T) {
		equal(t, "status", ask(tn, credentials("client_secret", "wrong"), "DPoP", key.forToken()).status, 401)
	})
}

// TestBoundTokens: the binding of an access token depends on the proof in the request, on
// the application and on the API.
func TestBoundTokens(t *testing.T) {
	t.Parallel()
	const none, allowed, required, ofPublic = "none", "allowed", "required", "required of public clients"
	for _, tt := range []struct {
		api, client string // of the API: none ... ; of the client: "" or required
		public      bool
		proof       bool
		want        string // token_type; empty: rejected
	}{
		{"", "", false, false, "Bearer"},
		{"", "", false, true, "DPoP"},
		{"", required, false, false, ""},
		{"", required, false, true, "DPoP"},
		{none, "", false, false, "Bearer"},
		{none, "", false, true, "Bearer"},
		{none, required, false, false, ""},
		{none, required, false, true, ""},
		{allowed, "", false, false, "Bearer"},
		{allowed, "", false, true, "DPoP"},
		{allowed, required, false, false, ""},
		{allowed, required, false, true, "DPoP"},
		{required, "", false, false, ""},
		{required, "", false, true, "DPoP"},
		{required, required, false, true, "DPoP"},
		{ofPublic, "", false, false, "Bearer"},
		{ofPublic, "", true, false, ""},
		{ofPublic, "", true, true, "DPoP"},
	} {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			tn, c := newBoundTenant(t)
			key := newProver(t, c)
			setting := map[string]emulator.ProofOfPossession{
				allowed: {Mechanism: "dpop"}, required: {Mechanism: "dpop", Required: true, RequiredFor: "all_clients"},
				ofPublic: {Mechanism: "dpop", Required: true, RequiredFor: "public_clients"},
			}
			must(t, tn.EditAPI(api, func(a *emulator.API) { a.ProofOfPossession = setting[tt.api] }))
			id := "web"
			if tt.public {
				id = "spa"
			}
			must(t, tn.EditClient(id, func(c *emulator.Client) { c.RequireProofOfPossession = tt.client == required }))
			audience := api
			if tt.api == "" {
				audience = ""
			}
			body := grantRequest("authorization_code", "client_id", id, "redirect_uri", callback,
				"code", codeFor(t, tn, "client_id", id, "audience", audience, "code_challenge", s256(accountPKCE), "code_challenge_method", "S256"), "code_verifier", accountPKCE)
			var headers []string
			if tt.proof {
				headers = []string{"DPoP", key.forToken(withNonce(nonceFor(t, tn, key)))}
			}
			res := ask(tn, body, headers...)
			if tt.want == "" {
				equal(t, "status", res.status, 400)
				sameJSON(t, res.body, bodyNotProven)
				return
			}
			equal(t, "status", res.status, 200)
			equal(t, "token_type", res.json(t)["token_type"], any(tt.want))
			if tt.api == "" {
				return
			}
			_, claims := verify(t, tn, res.json(t)["access_token"].(string))
			cnf, _ := claims["cnf"].(map[string]any)
			jkt := any(nil)
			if tt.want == "DPoP" {
				jkt = key.thumbprint()
			}
			equal(t, "cnf.jkt", cnf["jkt"], jkt)
		})
	}
}

// nonceFor gets a nonce for a public application.
func nonceFor(t *testing.T, tn *emulator.Tenant, key prover) string {
	t.Helper()
	res := ask(tn, url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {"x"}}, "DPoP", key.forToken())
	equal(t, "status", res.status, 400)
	sameJSON(t, res.body, bodyNonce)
	return res.header.Get("DPoP-Nonce")
}

// TestProofOfEveryGrant: each grant binds to the proof of its request.
func TestProofOfEveryGrant(t *testing.T) {
	t.Parallel()
	tn, c := newGrantTenant(t)
	key := newProver(t, c)
	must(t, tn.EditAPI(api, func(a *emulator.API) { a.ProofOfPossession.Mechanism = "dpop" }))
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.Grants, c.ResourceServer = []emulator.ClientGrant{{Audience: api}}, "https://first.example/"
	}))
	must(t, tn.AddAPI(emulator.API{Audience: "https://first.example/"}))
	must(t, tn.AddTokenExchange("urn:acme:legacy", func(string) (string, bool) { return "jane@acme.example", true }))
	subject := tn.AccessToken("jane@acme.example", "https://first.example/", claimOf("cnf", map[string]any{"jkt": newProver(t, c).thumbprint()}))
	mfaToken := func() string {
		return ask(tn, passwordRequest("username", "mfa@acme.example", "audience", api)).json(t)["mfa_token"].(string)
	}
	mailed := func() string {
		postForm(tn, base+"/passwordless/start", url.Values{"client_id": {"web"}, "client_secret": {"s3cret"}, "connection": {"email"}, "email": {"jo@acme.example"}, "send": {"code"}})
		code, _ := tn.Mail("jo@acme.example")
		return code
	}
	refreshToken := redeem(tn, codeFor(t, tn, "audience", api, "scope", "openid offline_access")).json(t)["refresh_token"].(string)
	for name, form := range map[string]url.Values{
		"code":                grantRequest("authorization_code", "code", codeFor(t, tn, "audience", api), "redirect_uri", callback),
		"refresh":             grantRequest("refresh_token", "refresh_token", refreshToken),
		"client credentials":  credentials(),
		"password":            grantRequest("password", "username", "jane@acme.example", "password", password, "audience", api),
		"password of a realm": passwordRequest("audience", api),
		"one-time code":       grantRequest(otpGrant, "mfa_token", mfaToken(), "otp", emulator.OneTimeCode),
		"recovery code":       grantRequest(recoveryGrant, "mfa_token", mfaToken(), "recovery_code", "17EQHNZC2SZDYG7X4QXVX9SW"),
		"passwordless":        grantRequest(codeGrant, "realm", "email", "username", "jo@acme.example", "otp", mailed(), "audience", api),
		"exchange":            grantRequest(exchangeGrant, "subject_token", "x", "subject_token_type", "urn:acme:legacy", "audience", api),
		"on behalf of": grantRequest(exchangeGrant, "subject_token", subject, "subject_token_type", accessToken,
			"requested_token_type", accessToken, "audience", api),
	} {
		res := ask(tn, form, "DPoP", key.forToken())
		if res.status != 200 {
			t.Errorf("%s: %d %s", name, res.status, res.body)
			continue
		}
		_, claims := verify(t, tn, res.json(t)["access_token"].(string))
		cnf, _ := claims["cnf"].(map[string]any)
		equal(t, name+": token_type", res.json(t)["token_type"], any("DPoP"))
		equal(t, name+": cnf.jkt", cnf["jkt"], any(key.thumbprint()))
	}
}

func TestNonces(t *testing.T) {
	t.Parallel()
	tn, c := newBoundTenant(t)
	key := newProver(t, c)
	request := func(id string, edits ...emulator.TokenEdit) response {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {"s3cret"}, "audience": {api}}
		if id == "spa" {
			form = url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {"x"}}
		}
		return ask(tn, form, "DPoP", key.forToken(edits...))
	}
	// passes checks whether the tenant accepted the nonce. The public application then
	// fails with its refresh token.
	passes := func(what string, res response, want bool) {
		t.Helper()
		if got := res.status == 200 || res.status == 403; got != want || !want && res.body != bodyNonce {
			t.Errorf("%s: %d %s", what, res.status, res.body)
		}
	}
	passes("confidential application without one", request("web"), true)
	nonce := nonceFor(t, tn, key)
	if len(nonce) < 20 {
		t.Fatalf("nonce %q", nonce)
	}
	passes("public application", request("spa", withNonce(nonce)), true)
	passes("confidential application", request("web", withNonce(nonce)), true)
	passes("confidential application with a made-up one", request("web", withNonce("made-up")), false)
	passes("a number", request("web", claimOf("nonce", 5)), false)

	c.add(5 * time.Minute)
	res := request("spa", withNonce(nonce))
	passes("that of before", res, true)
	next := res.header.Get("DPoP-Nonce")
	if next == "" || next == nonce {
		t.Errorf("the response has the nonce %q after %q", next, nonce)
	}
	res = request("spa", withNonce(next))
	passes("the next", res, true)
	equal(t, "no news", res.header.Get("DPoP-Nonce"), "")
	c.add(5 * time.Minute)
	passes("an old one", request("spa", withNonce(nonce)), false)

	tn.UseNonces(emulator.NonceForAll)
	res = request("web")
	passes("demanded of all", res, false)
	passes("and given", request("web", withNonce(res.header.Get("DPoP-Nonce"))), true)

	tn.UseNonces(emulator.NonceAgain)
	first := request("web")
	passes("demanded again", first, false)
	second := request("web", withNonce(first.header.Get("DPoP-Nonce")))
	passes("and again", second, false)
	if first.header.Get("DPoP-Nonce") == "" || first.header.Get("DPoP-Nonce") == second.header.Get("DPoP-Nonce") {
		t.Errorf("nonces %v and %v", first.header, second.header)
	}

	tn.UseNonces(emulator.NonceUntold)
	res = request("web")
	passes("demanded and not told", res, false)
	equal(t, "no nonce", res.header.Get("DPoP-Nonce"), "")
}

// TestCodeBoundToKey: dpop_jkt names the key that must redeem the code.
func TestCodeBoundToKey(t *testing.T) {
	t.Parallel()
	tn, c := newBoundTenant(t)
	tn.AllowPushedRequests(true)
	key, other := newProver(t, c), newProver(t, c)
	plain := func() string { return codeFor(t, tn, "dpop_jkt", key.thumbprint()) }
	pushed := func() string {
		form := request("dpop_jkt", key.thumbprint(), "client_secret", "s3cret")
		uri := postForm(tn, base+"/oauth/par", form).json(t)["request_uri"].(string)
		must(t, tn.LogIn("jane@acme.example"))
		return callbackParams(t, get(tn, authorizeURL(url.Values{"client_id": {"web"}, "request_uri": {uri}, "dpop_jkt": {other.thumbprint()}}))).Get("code")
	}
	for name, code := range map[string]func() string{"in the URL": plain, "pushed": pushed} {
		form := func() url.Values {
			return grantRequest("authorization_code", "code", code(), "redirect_uri", callback)
		}
		equal(t, name, ask(tn, form(), "DPoP", key.forToken()).status, 200)
		for why, headers := range map[string][]string{"another key": {"DPoP", other.forToken()}, "no proof": nil} {
			res := ask(tn, form(), headers...)
			equal(t, name+": "+why, res.status, 400)
			sameJSON(t, res.body, bodyOtherKey)
		}
	}
	// A proof without a nonce does not consume the code.
	tn.UseNonces(emulator.NonceForAll)
	form := grantRequest("authorization_code", "code", plain(), "redirect_uri", callback)
	nonce := ask(tn, form, "DPoP", key.forToken()).header.Get("DPoP-Nonce")
	equal(t, "second try", ask(tn, form, "DPoP", key.forToken(withNonce(nonce))).status, 200)

	for _, jkt := range []string{"x", "AQAB", key.thumbprint() + "=", strings.Repeat("!", 43)} {
		params := callbackParams(t, get(tn, authorizeURL(request("dpop_jkt", jkt))))
		equal(t, "dpop_jkt "+jkt, params.Get("error_description"), "dpop_jkt is not a thumbprint")
	}
}

// TestRefreshBoundToKey: the refresh token of a public application is bound to the key.
// That of a confidential application is not bound.
func TestRefreshBoundToKey(t *testing.T) {
	t.Parallel()
	for _, rotates := range []bool{false, true} {
		tn, c := newBoundTenant(t)
		key, other := newProver(t, c), newProver(t, c)
		for _, id := range []string{"web", "spa"} {
			must(t, tn.EditClient(id, func(c *emulator.Client) { c.RotatingRefreshTokens = rotates }))
		}
		nonce := withNonce(nonceFor(t, tn, key))
		login := func(id string, headers ...string) map[string]any {
			code := codeFor(t, tn, "client_id", id, "audience", api, "scope", "openid offline_access", "code_challenge", s256(accountPKCE), "code_challenge_method", "S256")
			return ask(tn, grantRequest("authorization_code", "client_id", id, "code", code, "redirect_uri", callback, "code_verifier", accountPKCE), headers...).json(t)
		}
		refresh := func(id string, body map[string]any, headers ...string) response {
			return ask(tn, grantRequest("refresh_token", "client_id", id, "refresh_token", body["refresh_token"].(string)), headers...)
		}
		// A public application.
		body := login("spa", "DPoP", key.forToken(nonce))
		for why, headers := range map[string][]string{"another key": {"DPoP", other.forToken(nonce)}, "no proof": nil} {
			res := refresh("spa", body, headers...)
			equal(t, why, res.status, 400)
			sameJSON(t, res.body, bodyOtherKey)
		}
		res := refresh("spa", body, "DPoP", key.forToken(nonce))
		equal(t, "its key", res.status, 200)
		equal(t, "token_type", res.json(t)["token_type"], any("DPoP"))
		if rotates {
			equal(t, "next token, another key", refresh("spa", res.json(t), "DPoP", other.forToken(nonce)).status, 400)
			equal(t, "next token", refresh("spa", res.json(t), "DPoP", key.forToken(nonce)).status, 200)
		}
		// A login without a proof.
		body = login("spa")
		equal(t, "unbound", refresh("spa", body).status, 200)
		// A confidential application changes its key.
		body = login("web", "DPoP", key.forToken())
		res = refresh("web", body, "DPoP", other.forToken())
		equal(t, "another key", res.status, 200)
		_, claims := verify(t, tn, res.json(t)["access_token"].(string))
		equal(t, "binding", claims["cnf"].(map[string]any)["jkt"], any(other.thumbprint()))
	}
}

// TestBoundUserinfo calls both resources of the tenant with bound and unbound tokens.
func TestBoundUserinfo(t *testing.T) {
	t.Parallel()
	tn, c := newBoundTenant(t)
	key, other := newProver(t, c), newProver(t, c)
	code := func(audience string) url.Values {
		return grantRequest("authorization_code", "code", codeFor(t, tn, "audience", audience), "redirect_uri", callback)
	}
	bound := ask(tn, code(api), "DPoP", key.forToken()).json(t)["access_token"].(string)
	opaque := ask(tn, code(""), "DPoP", key.forToken()).json(t)["access_token"].(string)
	bearer := ask(tn, code(api)).json(t)["access_token"].(string)
	cnf := func(value any) emulator.TokenEdit {
		return func(_, claims map[string]any) { claims["scope"], claims["cnf"] = accountScopes, value }
	}
	account := tn.AccessToken("jane@acme.example", meAudience, cnf(map[string]any{"jkt": key.thumbprint()}))
	unusable := tn.AccessToken("jane@acme.example", meAudience, cnf("x"))
	certified := tn.AccessToken("jane@acme.example", meAudience, cnf(map[string]any{"x5t#S256": emulator.Thumbprint([]byte("certificate"))}))
	const meURL = me + "accounts"

	const dpopInvalid, dpopProof, bearerInvalid = `DPoP realm="%s", error="invalid_token", algs="ES256"`, `DPoP realm="%s", error="invalid_dpop_proof", algs="ES256"`, `Bearer realm="%s", error="invalid_token"`
	for _, tt := range []struct {
		name, url, scheme, token string
		proof                    string
		challenge                string // empty: 200
	}{
		{"opaque token", userinfoURL, "DPoP", opaque, key.proof("GET", userinfoURL, opaque), ""},
		{"JWT", userinfoURL, "dpop", bound, key.proof("GET", userinfoURL, bound), ""},
		{"bearer token", userinfoURL, "Bearer", bearer, "", ""},
		{"bearer token with a proof beside it", userinfoURL, "Bearer", bearer, key.proof("GET", userinfoURL, bearer), ""},
		{"bound token as bearer", userinfoURL, "Bearer", bound, key.proof("GET", userinfoURL, bound), dpopInvalid},
		{"bound opaque token as bearer", userinfoURL, "Bearer", opaque, "", dpopInvalid},
		{"bearer token as DPoP", userinfoURL, "DPoP", bearer, key.proof("GET", userinfoURL, bearer), bearerInvalid},
		{"no proof", userinfoURL, "DPoP", bound, "", dpopProof},
		{"no ath", userinfoURL, "DPoP", bound, key.proof("GET", userinfoURL, ""), dpopProof},
		{"ath of another token", userinfoURL, "DPoP", bound, key.proof("GET", userinfoURL, opaque), dpopProof},
		{"another key", userinfoURL, "DPoP", bound, other.proof("GET", userinfoURL, bound), dpopInvalid},
		{"proof for the token endpoint", userinfoURL, "DPoP", bound, key.proof("POST", tokenURL, bound), dpopProof},
		{"My Account API", meURL, "DPoP", account, key.proof("GET", meURL, account), ""},
		{"My Account API, as bearer", meURL, "Bearer", account, "", dpopInvalid},
		{"My Account API, no proof", meURL, "DPoP", account, "", dpopProof},
		{"cnf that cannot be used", meURL, "Bearer", unusable, "", dpopInvalid},
		{"cnf that cannot be used, with a proof", meURL, "DPoP", unusable, key.proof("GET", meURL, unusable), dpopInvalid},
		{"token of a certificate, without it", meURL, "Bearer", certified, "", bearerInvalid},
	} {
		headers := []string{"Authorization", tt.scheme + " " + tt.token}
		if tt.proof != "" {
			headers = append(headers, "DPoP", tt.proof)
		}
		realm, status := "Users", 200
		if strings.HasPrefix(tt.url, me) {
			realm = "My Account API"
		}
		want := strings.Replace(tt.challenge, "%s", realm, 1)
		if want != "" {
			status = 401
		}
		if res := get(tn, tt.url, headers...); res.status != status || res.header.Get("WWW-Authenticate") != want {
			t.Errorf("%s: %d %q, want %q", tt.name, res.status, res.header.Get("WWW-Authenticate"), want)
		}
	}

	t.Run("nonces", func(t *testing.T) {
		fromToken := ask(tn, credentials(), "DPoP", key.forToken(withNonce("?"))).header.Get("DPoP-Nonce")
		tn.UseNonces(emulator.NonceForAll)
		call := func(edits ...emulator.TokenEdit) response {
			return get(tn, userinfoURL, "Authorization", "DPoP "+bound, "DPoP", key.proof("GET", userinfoURL, bound, edits...))
		}
		res := call(withNonce(fromToken))
		equal(t, "nonce of the token endpoint", res.status, 401)
		equal(t, "challenge", res.header.Get("WWW-Authenticate"), `DPoP realm="Users", error="use_dpop_nonce", algs="ES256"`)
		equal(t, "its own", call(withNonce(res.header.Get("DPoP-Nonce"))).status, 200)
		tn.UseNonces(emulator.NonceForPublic)
	})
	t.Run("Management API", func(t *testing.T) {
		token := tn.AccessToken("web@clients", mgmt, claimOf("cnf", map[string]any{"jkt": key.thumbprint()}))
		equal(t, "bound token as bearer", get(tn, mgmt+"clients/web", "Authorization", "Bearer "+token).status, 401)
		equal(t, "tokens are not bound", ask(tn, credentials("audience", mgmt), "DPoP", key.forToken()).json(t)["token_type"], any("Bearer"))
	})
}

// TestReceivedProofs: tests can read the received keys, and their nonces.
func TestReceivedProofs(t *testing.T) {
	t.Parallel()
	tn, c := newBoundTenant(t)
	key := newProver(t, c)
	nonce := nonceFor(t, tn, key)
	ask(tn, credentials(), "DPoP", key.forToken(claimOf("jti", "j2"), withNonce(nonce)))
	ask(tn, credentials(), "DPoP", "malformed")
	ask(tn, credentials())
	got := tn.Proofs(emulator.Token)
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	equal(t, "first", got[0], emulator.Proof{Thumbprint: key.thumbprint(), ID: got[0].ID})
	equal(t, "second", got[1], emulator.Proof{Thumbprint: key.thumbprint(), ID: "j2", Nonce: nonce, Accepted: true})

	code := grantRequest("authorization_code", "code", codeFor(t, tn), "redirect_uri", callback)
	token := ask(tn, code, "DPoP", key.forToken()).json(t)["access_token"].(string)
	get(tn, userinfoURL, "Authorization", "DPoP "+token, "DPoP", key.proof("GET", userinfoURL, token, claimOf("jti", "u")))
	got = tn.Proofs(emulator.UserInfo)
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	equal(t, "at /userinfo", got[0], emulator.Proof{Scheme: "DPoP", Thumbprint: key.thumbprint(), ID: "u", Accepted: true})
}

// TestVaultTokensStayBearer: the token belongs to a third party without the key.
func TestVaultTokensStayBearer(t *testing.T) {
	t.Parallel()
	tn, c, _ := newAccountTenant(t)
	must(t, tn.ConnectAccount("jane@acme.example", emulator.ConnectedAccount{Connection: "google-oauth2", Email: "jane@gmail.example", AccessToken: "theirs"}))
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.RequireProofOfPossession = true }))
	key := newProver(t, c)
	code := grantRequest("authorization_code", "code", codeFor(t, tn, "scope", "openid offline_access"), "redirect_uri", callback)
	refreshToken := ask(tn, code, "DPoP", key.forToken()).json(t)["refresh_token"].(string)
	body := ask(tn, grantRequest(vaultGrant, "connection", "google-oauth2", "subject_token", refreshToken,
		"subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "requested_token_type", vaultType), "DPoP", key.forToken()).json(t)
	equal(t, "access_token", body["access_token"], any("theirs"))
	equal(t, "token_type", body["token_type"], any("Bearer"))
}

// TestOldTenantTakesNoProofs: a plan without the feature ignores proofs.
func TestOldTenantTakesNoProofs(t *testing.T) {
	t.Parallel()
	tn, c := newBoundTenant(t, func(cfg *emulator.Config) { cfg.Discovery = emulator.Old })
	key := newProver(t, c)
	code := codeFor(t, tn, "audience", api, "dpop_jkt", key.thumbprint())
	res := ask(tn, grantRequest("authorization_code", "code", code, "redirect_uri", callback), "DPoP", key.forToken())
	equal(t, "status", res.status, 200)
	equal(t, "token_type", res.json(t)["token_type"], any("Bearer"))
}

// TestImplicitTokens: an access token of the authorization endpoint is never bound.
func TestImplicitTokens(t *testing.T) {
	t.Parallel()
	tn, _ := newBoundTenant(t)
	must(t, tn.LogIn("jane@acme.example"))
	ask := func() url.Values {
		return callbackParams(t, get(tn, authorizeURL(request("response_type", "token", "audience", api))))
	}
	equal(t, "token_type", ask().Get("token_type"), "Bearer")
	must(t, tn.EditAPI(api, func(a *emulator.API) { a.ProofOfPossession.Required = true }))
	equal(t, "error of the API", ask().Get("error_description"), "Proof of possession is required")
	must(t, tn.EditAPI(api, func(a *emulator.API) { a.ProofOfPossession.Required = false }))
	must(t, tn.EditClient("web", func(c *emulator.Client) { c.RequireProofOfPossession = true }))
	equal(t, "error of the application", ask().Get("error_description"), "Proof of possession is required")
}

// TestCertificateBoundTokens: RFC 8705.
func TestCertificateBoundTokens(t *testing.T) {
	t.Parallel()
	tn, c := newBoundTenant(t, func(cfg *emulator.Config) { cfg.Discovery = emulator.Enterprise })
	must(t, tn.EditClient("web", func(c *emulator.Client) {
		c.AuthMethod, c.Certificates = "self_signed_tls_client_auth", []string{emulator.Thumbprint([]byte("certificate"))}
	}))
	const alias = "https://mtls.acme.auth0.example"
	over := func(method, target, body, certificate string, headers ...string) response {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		r.TLS = &tls.ConnectionState{}
		if certificate != "" {
			r.TLS.PeerCertificates = []*x509.Certificate{{Raw: []byte(certificate)}}
		}
		return serve(tn, r)
	}
	form := func(audience string) string {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {"web"}, "audience": {audience}}.Encode()
	}
	cnf := func(res response) any {
		t.Helper()
		_, claims := verify(t, tn, res.json(t)["access_token"].(string))
		return claims["cnf"]
	}
	res := over("POST", alias+"/oauth/token", form(certAPI), "certificate")
	equal(t, "token_type", res.json(t)["token_type"], any("Bearer"))
	got, _ := cnf(res).(map[string]any)
	equal(t, "x5t#S256", got["x5t#S256"], any(emulator.Thumbprint([]byte("certificate"))))
	equal(t, "an API with DPoP", cnf(over("POST", alias+"/oauth/token", form(api), "certificate")), nil)

	// The htu of a proof is the URL that the application called.
	key := newProver(t, c)
	equal(t, "htu of the alias", over("POST", alias+"/oauth/token", form(api), "certificate", "DPoP", key.proof("POST", alias+"/oauth/token", "")).status, 200)
	equal(t, "htu of the host", over("POST", alias+"/oauth/token", form(api), "certificate", "DPoP", key.forToken()).status, 400)

	// A token for /userinfo is bound if the application requires it.
	for _, required := range []bool{false, true} {
		must(t, tn.EditClient("web", func(c *emulator.Client) { c.RequireProofOfPossession = required }))
		code := url.Values{"grant_type": {"authorization_code"}, "client_id": {"web"}, "code": {codeFor(t, tn)}, "redirect_uri": {callback}}
		token := over("POST", alias+"/oauth/token", code.Encode(), "certificate").json(t)["access_token"].(string)
		other := map[bool]int{false: 200, true: 401}[required]
		for certificate, want := range map[string]int{"certificate": 200, "other": other, "": other} {
			res := over("GET", alias+"/userinfo", "", certificate, "Authorization", "Bearer "+token)
			equal(t, fmt.Sprintf("required %t, certificate %q", required, certificate), res.status, want)
			if want == http.StatusUnauthorized {
				equal(t, "challenge", res.header.Get("WWW-Authenticate"), `Bearer realm="Users", error="invalid_token"`)
			}
		}
	}
}

func TestUnusablePossession(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	for why, p := range map[string]emulator.ProofOfPossession{
		"mechanism":   {Mechanism: "magic"},
		"RequiredFor": {Mechanism: "dpop", RequiredFor: "some"},
		"nothing":     {Required: true},
	} {
		if tn.AddAPI(emulator.API{Audience: "https://x.example/", ProofOfPossession: p}) == nil {
			t.Errorf("%s: accepted", why)
		}
	}
}
