package emulator_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

func TestAuthorizeDeliversErrors(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddAPI(emulator.API{Audience: "https://closed.example", PerAppAuthorization: true}))
	must(t, tn.AddConnection(emulator.Connection{Name: "other", Strategy: "github"}))
	must(t, tn.AddConnection(emulator.Connection{Name: "linked-only", Strategy: "oauth2", Inactive: true}))
	c := webApp()
	c.Connections = append(c.Connections, "linked-only")
	must(t, tn.AddClient(c))
	c.ID, c.OrganizationUsage = "orgs", "require"
	must(t, tn.AddClient(c))
	c.ID, c.OrganizationUsage, c.GrantTypes = "codeless", "", []string{"implicit"}
	must(t, tn.AddClient(c))
	c.ID, c.Connections, c.GrantTypes = "lonely", nil, nil
	must(t, tn.AddClient(c))
	must(t, tn.AddOrganization(emulator.Organization{ID: "org_1", Name: "acme", Connections: []emulator.OrganizationConnection{{Name: database}}}))

	for _, test := range []struct {
		name              string
		pairs             []string
		code, description string
	}{
		{"no session", []string{"prompt", "none"}, "login_required", "Login required"},
		{"response_type missing", []string{"response_type", ""}, "invalid_request", "Missing required parameter: response_type"},
		{"response_type unknown", []string{"response_type", "code foo"}, "unsupported_response_type", "Unsupported response type: code foo"},
		{"response_type twice", []string{"response_type", "code code"}, "unsupported_response_type", "Unsupported response type: code code"},
		{"response_mode unknown", []string{"response_mode", "jwt"}, "invalid_request", "Unsupported response mode: jwt"},
		{"query for a token", []string{"response_type", "token", "response_mode", "query"}, "invalid_request", "response_mode query is not allowed for response_type token"},
		{"implicit without nonce", []string{"response_type", "id_token", "nonce", ""}, "invalid_request", "Missing required parameter: nonce"},
		{"hybrid without nonce", []string{"response_type", "code id_token", "nonce", ""}, "invalid_request", "Missing required parameter: nonce"},
		{"id_token without openid", []string{"response_type", "id_token", "scope", "email"}, "invalid_request", "The scope openid is required for response_type id_token"},
		{"grant type off", []string{"client_id", "codeless"}, "unauthorized_client", "Grant type 'authorization_code' not allowed for the client."},
		{"both kinds of access", []string{"scope", "openid online_access offline_access"}, "invalid_request", "Cannot request both online_access and offline_access scopes"},
		{"unknown audience", []string{"audience", "https://api.acme.example"}, "access_denied", "Service not found: https://api.acme.example"},
		{"unknown resource", []string{"resource", "https://api.acme.example"}, "access_denied", "Service not found: https://api.acme.example"},
		{"API closed to the application", []string{"audience", "https://closed.example"}, "invalid_request", `Client is not authorized to access resource server "https://closed.example"`},
		{"organization missing", []string{"client_id", "orgs"}, "invalid_request", "parameter organization is required for this client"},
		{"organization by name", []string{"client_id", "orgs", "organization", "acme"}, "invalid_request", "authorization request parameter organization must be an organization id"},
		{"organization denied", []string{"organization", "org_1"}, "invalid_request", "parameter organization is not allowed for this client"},
		{"organization unknown", []string{"client_id", "orgs", "organization", "org_2"}, "invalid_request", "invalid organization"},
		{"invitation stale", []string{"client_id", "orgs", "organization", "org_1", "invitation", "gone"}, "invalid_request", "invitation not found or already used"},
		{"connection unknown", []string{"connection", "nope"}, "invalid_request", "the connection was not found"},
		{"connection of others", []string{"connection", "other"}, "invalid_request", "the connection was not found"},
		{"connection inactive", []string{"connection", "linked-only"}, "invalid_request", "the connection was disabled"},
		{"no connection at all", []string{"client_id", "lonely"}, "invalid_request", "no connections enabled for the client"},
		{"prompt unknown", []string{"prompt", "create"}, "invalid_request", "Unsupported prompt value: create"},
		{"prompt none and more", []string{"prompt", "none login"}, "invalid_request", "prompt none cannot be combined with other values"},
		{"max_age is no number", []string{"max_age", "-1"}, "invalid_request", "max_age must be a number of seconds"},
		{"challenge method unknown", []string{"code_challenge", "x", "code_challenge_method", "S512"}, "invalid_request", "Unsupported code_challenge_method: S512"},
		{"request object", []string{"request", "eyJ"}, "request_not_supported", "Request objects are not supported"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := callbackParams(t, get(tn, authorizeURL(request(test.pairs...))))
			equal(t, "error", got.Get("error"), test.code)
			equal(t, "error_description", got.Get("error_description"), test.description)
			equal(t, "state", got.Get("state"), "xyz")
		})
	}
}

func TestAuthorizeRefusesRepeatedParameters(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	got := callbackParams(t, get(tn, authorizeURL(request())+"&scope=email"))
	equal(t, "error_description", got.Get("error_description"), "The parameter scope is repeated")
	res := get(tn, authorizeURL(request())+"&redirect_uri="+url.QueryEscape("https://evil.example/"))
	equal(t, "status", res.status, 400)
}

func TestAuthorizeKeepsErrorsOnTheTenant(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	for _, test := range []struct {
		name   string
		pairs  []string
		status int
		text   string
	}{
		{"no client", []string{"client_id", ""}, 400, "Missing required parameter: client_id"},
		{"unknown client", []string{"client_id", "nope"}, 400, "Unknown client: nope"},
		{"foreign callback", []string{"redirect_uri", "https://evil.example/"}, 403, "Callback URL mismatch."},
		{"callback with a query", []string{"redirect_uri", callback + "?a=b"}, 403, "Callback URL mismatch."},
		{"callback without its path", []string{"redirect_uri", app}, 403, "Callback URL mismatch."},
		{"callback with a slash", []string{"redirect_uri", callback + "/"}, 403, "Callback URL mismatch."},
		{"upper case", []string{"redirect_uri", strings.ToUpper(callback)}, 403, "Callback URL mismatch."},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := get(tn, authorizeURL(request(test.pairs...)))
			equal(t, "status", res.status, test.status)
			equal(t, "Location", res.header.Get("Location"), "")
			contains(t, res.body, "Oops!, something went wrong")
			contains(t, res.body, test.text)
		})
	}
}

func TestCallbackPatterns(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	c := webApp()
	c.CallbackURLs = []string{"https://*.app.example/cb", "https://{organization_name}.app.test/cb", "com.example.app://callback", callback}
	c.OrganizationUsage = "allow"
	must(t, tn.AddClient(c))
	must(t, tn.AddOrganization(emulator.Organization{ID: "org_1", Name: "acme"}))
	for uri, status := range map[string]int{
		"https://a.app.example/cb":           302,
		"https://a-1.app.example/cb":         302,
		"https://a.b.app.example/cb":         403,
		"https://.app.example/cb":            403,
		"https://app.example/cb":             403,
		"https://evil.test/.app.example/cb":  403,
		"https://a.app.example/cb/more":      403,
		"https://evil.test#.app.example/cb":  403,
		"https://acme.app.test/cb":           302,
		"https://other.app.test/cb":          403,
		"com.example.app://callback":         302,
		"https://app.example/callback#there": 302,
	} {
		res := get(tn, authorizeURL(request("redirect_uri", uri, "organization", "org_1")))
		equal(t, uri, res.status, status)
	}
}

func TestResponseModes(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.LogIn("jane@acme.example"))
	for _, test := range []struct {
		responseType, mode, delivered string
		members                       []string
	}{
		{"code", "", "query", []string{"code"}},
		{"code", "query", "query", []string{"code"}},
		{"code", "fragment", "fragment", []string{"code"}},
		{"code", "form_post", "form_post", []string{"code"}},
		{"code", "web_message", "web_message", []string{"code"}},
		{"token", "", "fragment", []string{"access_token", "token_type", "expires_in", "scope"}},
		{"id_token", "", "fragment", []string{"id_token"}},
		{"id_token", "form_post", "form_post", []string{"id_token"}},
		{"token id_token", "", "fragment", []string{"access_token", "token_type", "expires_in", "scope", "id_token"}},
		{"id_token token", "", "fragment", []string{"access_token", "token_type", "expires_in", "scope", "id_token"}},
		{"code token", "", "fragment", []string{"code", "access_token", "token_type", "expires_in", "scope"}},
		{"id_token code", "", "fragment", []string{"code", "id_token"}},
		{"code id_token token", "form_post", "form_post", []string{"code", "access_token", "token_type", "expires_in", "scope", "id_token"}},
	} {
		t.Run(test.responseType+" "+test.mode, func(t *testing.T) {
			res := get(tn, authorizeURL(request("response_type", test.responseType, "response_mode", test.mode)))
			var got url.Values
			switch test.delivered {
			case "form_post":
				equal(t, "status", res.status, 200)
				var action string
				action, got = hiddenForm(t, res)
				equal(t, "action", action, callback)
				contains(t, res.body, "<script>document.forms[0].submit()</script>")
				contains(t, res.body, `<button class="primary" type="submit">Continue</button>`)
			case "web_message":
				equal(t, "status", res.status, 200)
				contains(t, res.body, `"type":"authorization_response"`)
				contains(t, res.body, `"https://app.example"`)
				contains(t, res.body, `"state":"xyz"`)
				return
			default:
				equal(t, "in the fragment", res.location(t).Fragment != "", test.delivered == "fragment")
				got = callbackParams(t, res)
			}
			equal(t, "state", got.Get("state"), "xyz")
			equal(t, "number of members", len(got), len(test.members)+1)
			for _, name := range test.members {
				if got.Get(name) == "" {
					t.Errorf("%s is missing in %v", name, got)
				}
			}
			if got.Has("token_type") {
				equal(t, "token_type", got.Get("token_type"), "Bearer")
				equal(t, "expires_in", got.Get("expires_in"), "86400")
			}
			if got.Has("id_token") {
				_, claims := verify(t, tn, got.Get("id_token"))
				equal(t, "nonce", claims["nonce"], any("n-1"))
				equal(t, "c_hash", claims["c_hash"], hashOf(got.Get("code")))
				equal(t, "at_hash", claims["at_hash"], hashOf(got.Get("access_token")))
			}
		})
	}
}

// hashOf computes at_hash and c_hash as in OpenID Connect Core 1.0, Section 3.1.3.6, or
// returns nil for no value.
func hashOf(value string) any {
	if value == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func TestErrorsFollowTheResponseMode(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	fragment := get(tn, authorizeURL(request("response_type", "id_token", "prompt", "none")))
	if !strings.Contains(fragment.header.Get("Location"), "#error=login_required") {
		t.Errorf("Location %s", fragment.header.Get("Location"))
	}
	_, form := hiddenForm(t, get(tn, authorizeURL(request("response_mode", "form_post", "prompt", "none"))))
	equal(t, "error", form.Get("error"), "login_required")
	equal(t, "state", form.Get("state"), "xyz")
}

func TestStateIsEchoed(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.LogIn("jane@acme.example"))
	for _, state := range []string{"a b+c%20", "ü\u2028<>&\"'", strings.Repeat("s", 3000), "\x01\xff", ""} {
		q := request()
		q.Set("state", state)
		got := callbackParams(t, get(tn, authorizeURL(q)))
		equal(t, "state", got.Get("state"), state)
		equal(t, "state is there", got.Has("state"), true)
	}
	if got := callbackParams(t, get(tn, authorizeURL(request("state", "")))); got.Has("state") {
		t.Error("a state that was not sent came back")
	}
}

func TestRedirectKeepsTheQueryOfTheCallback(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	c := webApp()
	c.CallbackURLs = []string{callback + "?b=%20&a"}
	must(t, tn.AddClient(c))
	must(t, tn.LogIn("jane@acme.example"))
	res := get(tn, authorizeURL(request("redirect_uri", callback+"?b=%20&a")))
	if location := res.header.Get("Location"); !strings.HasPrefix(location, callback+"?b=%20&a&code=") {
		t.Errorf("Location %s", location)
	}
}

func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.LogIn("jane@acme.example"))
	if callbackParams(t, postForm(tn, base+"/authorize", request())).Get("code") == "" {
		t.Error("no code")
	}
}

func TestDenyNext(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.LogIn("jane@acme.example"))
	tn.DenyNext("server_error", "taken back")
	tn.DenyNext("", "")
	if callbackParams(t, get(tn, authorizeURL(request()))).Get("code") == "" {
		t.Error("a denial that was taken back")
	}
	tn.DenyNext("access_denied", "no & <why>")
	got := callbackParams(t, get(tn, authorizeURL(request())))
	equal(t, "error", got.Get("error"), "access_denied")
	equal(t, "error_description", got.Get("error_description"), "no & <why>")
	if callbackParams(t, get(tn, authorizeURL(request()))).Get("code") == "" {
		t.Error("the second request was denied as well")
	}
}

func TestSingleSignOn(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	b := newBrowser(t, tn)
	if callbackParams(t, b.login(request())).Get("code") == "" {
		t.Fatal("no code")
	}
	for _, test := range []struct {
		name  string
		pairs []string
		page  string // heading of the page; empty: redirect without a page
	}{
		{"again", nil, ""},
		{"silently", []string{"prompt", "none"}, ""},
		{"same connection", []string{"connection", database}, ""},
		{"sign-up hint", []string{"screen_hint", "signup"}, ""},
		{"young enough", []string{"max_age", "60"}, ""},
		{"prompt login", []string{"prompt", "login"}, "Log in"},
		{"prompt login and sign-up hint", []string{"prompt", "login", "screen_hint", "signup"}, "Sign up"},
		{"max_age 0", []string{"max_age", "0"}, "Log in"},
		{"another connection", []string{"connection", "google-oauth2"}, "Simulated Google sign-in"},
		{"account choice", []string{"prompt", "select_account"}, "Choose an account"},
		{"consent", []string{"prompt", "consent"}, "Authorize Web app"},
		{"second factor", []string{"acr_values", mfaACR}, "Verify your identity"},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := b.open(authorizeURL(request(test.pairs...)))
			if test.page != "" {
				contains(t, res.body, "<h1>"+test.page+"</h1>")
			} else if callbackParams(t, res).Get("code") == "" {
				t.Errorf("no code: %v", res.header)
			}
		})
	}
	t.Run("too old", func(t *testing.T) {
		c.add(2 * time.Minute)
		contains(t, b.open(authorizeURL(request("max_age", "60"))).body, "<h1>Log in</h1>")
		got := callbackParams(t, b.open(authorizeURL(request("max_age", "60", "prompt", "none"))))
		equal(t, "error", got.Get("error"), "login_required")
	})
	t.Run("second factor, silently", func(t *testing.T) {
		got := callbackParams(t, b.open(authorizeURL(request("acr_values", mfaACR, "prompt", "none"))))
		equal(t, "error", got.Get("error"), "interaction_required")
	})
	t.Run("expired session", func(t *testing.T) {
		c.add(4 * 24 * time.Hour)
		got := callbackParams(t, b.open(authorizeURL(request("prompt", "none"))))
		equal(t, "error", got.Get("error"), "login_required")
	})
}

func TestAuthTimeIsToldOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	b := newBrowser(t, tn)
	code := callbackParams(t, b.login(request())).Get("code")
	_, first := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "auth_time without max_age", first["auth_time"], nil)

	start := c.Now().Unix()
	c.add(10 * time.Second)
	code = callbackParams(t, b.open(authorizeURL(request("max_age", "60")))).Get("code")
	_, second := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "auth_time with max_age", second["auth_time"], any(float64(start)))
	equal(t, "sid", second["sid"], first["sid"])

	code = callbackParams(t, b.login(request("prompt", "login"))).Get("code")
	_, third := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "auth_time with prompt=login", third["auth_time"], any(float64(start+10)))
	equal(t, "sid of the same user", third["sid"], first["sid"])
}

func TestUsersWhoMayNotLogIn(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddUser(emulator.User{Connection: database, Email: "blocked@acme.example", Password: password, Blocked: true}))
	must(t, tn.AddUser(emulator.User{Connection: database, Email: "denied@acme.example", Password: password, DenyReason: "out of hours"}))
	for email, want := range map[string][2]string{
		"blocked@acme.example": {"unauthorized", "user is blocked"},
		"denied@acme.example":  {"access_denied", "out of hours"},
	} {
		b := newBrowser(t, tn)
		got := callbackParams(t, b.submit(b.open(authorizeURL(request())), "username", email, "password", password))
		equal(t, "error", got.Get("error"), want[0])
		equal(t, "error_description", got.Get("error_description"), want[1])
		equal(t, "state", got.Get("state"), "xyz")
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	c := webApp()
	c.ThirdParty = true
	must(t, tn.AddClient(c))
	b := newBrowser(t, tn)
	page := b.login(request())
	contains(t, page.body, "<h1>Authorize Web app</h1>")
	got := callbackParams(t, b.submit(page, "decline", "decline"))
	equal(t, "error", got.Get("error"), "access_denied")
	equal(t, "error_description", got.Get("error_description"), "User did not authorize the request")

	// Declining also ended the login, so the user logs in again.
	page = b.login(request())
	if callbackParams(t, b.submit(page, "accept", "accept")).Get("code") == "" {
		t.Fatal("no code after consent")
	}
	if callbackParams(t, b.open(authorizeURL(request("prompt", "none")))).Get("code") == "" {
		t.Error("consent was not remembered")
	}
	got = callbackParams(t, b.open(authorizeURL(request("prompt", "none", "audience", api, "scope", "openid read:things"))))
	equal(t, "error for more scopes", got.Get("error"), "consent_required")
	equal(t, "error_description", got.Get("error_description"), "Consent required")
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	idToken := func(res response) map[string]any {
		t.Helper()
		_, claims := verify(t, tn, redeem(tn, callbackParams(t, res).Get("code")).json(t)["id_token"].(string))
		return claims
	}
	page := b.login(request("acr_values", mfaACR))
	contains(t, page.body, "<h1>Verify your identity</h1>")
	wrong := b.submit(page, "code", "000000x")
	equal(t, "status of a wrong code", wrong.status, 400)
	contains(t, wrong.body, "The code is wrong. Try again.")
	claims := idToken(b.submit(page, "code", shownCode(t, page)))
	equal(t, "acr", claims["acr"], any(mfaACR))
	equal(t, "amr", has(claims["amr"], "mfa"), true)
	claims = idToken(b.open(authorizeURL(request("prompt", "none"))))
	equal(t, "amr after a silent login", claims["amr"], nil)

	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Password: password, MFA: true}))
	other := newBrowser(t, tn)
	page = other.login(request())
	contains(t, page.body, "<h1>Verify your identity</h1>")
	idToken(other.submit(page, "code", shownCode(t, page)))
	idToken(other.open(authorizeURL(request()))) // once per session

	page = newBrowser(t, tn).login(request())
	for range 4 {
		equal(t, "status", b.submit(page, "code", "x").status, 400)
	}
	equal(t, "status of the fifth", b.submit(page, "code", "x").status, 429)
	equal(t, "status afterwards", b.submit(page, "code", "x").status, 400)
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t, func(c *emulator.Config) { c.OrganizationNames = true })
	c := webApp()
	c.OrganizationUsage = "allow"
	must(t, tn.AddClient(c))
	must(t, tn.AddOrganization(emulator.Organization{ID: "org_1", Name: "acme-eu", DisplayName: "Acme Europe",
		Connections: []emulator.OrganizationConnection{{Name: database}}, Invitations: []emulator.Invitation{{Ticket: "ticket"}}}))
	must(t, tn.AddOrganization(emulator.Organization{ID: "org_2", Name: "open",
		Connections: []emulator.OrganizationConnection{{Name: database, AssignMembershipOnLogin: true}}}))

	got := callbackParams(t, newBrowser(t, tn).login(request("organization", "org_1")))
	equal(t, "error", got.Get("error"), "access_denied")
	equal(t, "error_description", got.Get("error_description"), "user auth0|65f0c1d2 is not part of the org_1 organization")

	b := newBrowser(t, tn)
	contains(t, b.open(authorizeURL(request("organization", "acme-eu", "invitation", "ticket"))).body, "Acme Europe")
	for _, pairs := range [][]string{
		{"organization", "acme-eu", "invitation", "ticket"}, // by name, with the invitation
		{"organization", "org_1"},                           // as a member
		{"organization", "org_2"},                           // joins by this login
	} {
		code := callbackParams(t, newBrowser(t, tn).login(request(pairs...))).Get("code")
		_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
		if want := map[string]string{"acme-eu": "org_1", "org_1": "org_1", "org_2": "org_2"}[pairs[1]]; claims["org_id"] != want {
			t.Errorf("org_id %v, want %s", claims["org_id"], want)
		}
		if claims["org_name"] == nil {
			t.Error("no org_name")
		}
	}
	got = callbackParams(t, get(tn, authorizeURL(request("organization", "org_1", "invitation", "ticket"))))
	equal(t, "used invitation", got.Get("error_description"), "invitation not found or already used")
}

func TestAutomaticSignIn(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	if err := tn.LogIn("nobody@acme.example"); err == nil {
		t.Error("an unknown user was accepted")
	}
	must(t, tn.LogIn("grace@gmail.example"))
	b := newBrowser(t, tn)
	code := callbackParams(t, b.open(authorizeURL(request("acr_values", mfaACR, "prompt", "login consent")))).Get("code")
	_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "sub", claims["sub"], any("google-oauth2|1018"))
	equal(t, "amr", has(claims["amr"], "mfa"), true)

	// The session is Grace's, but LogIn now names Jane.
	must(t, tn.LogIn("jane@acme.example"))
	code = callbackParams(t, b.open(authorizeURL(request()))).Get("code")
	_, claims = verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "sub", claims["sub"], any("auth0|65f0c1d2"))

	got := callbackParams(t, get(tn, authorizeURL(request("connection", "google-oauth2"))))
	equal(t, "error without an account in the connection", got.Get("error"), "access_denied")
	got = callbackParams(t, get(tn, authorizeURL(request("prompt", "none"))))
	equal(t, "error without a session", got.Get("error"), "login_required")

	tn.LogOut()
	contains(t, b.open(authorizeURL(request())).body, "<h1>Log in</h1>")
	got = callbackParams(t, b.open(authorizeURL(request("prompt", "none"))))
	equal(t, "error after LogOut", got.Get("error"), "login_required")
}

func TestSessionCookieChangesWithEveryLogin(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	cookie := func() *http.Cookie {
		u, err := url.Parse(base)
		must(t, err)
		return b.jar.Cookies(u)[0]
	}
	works := func(c *http.Cookie) bool {
		res := get(tn, authorizeURL(request("prompt", "none")), "Cookie", c.String())
		return callbackParams(t, res).Has("code")
	}
	b.login(request())
	first := cookie()
	b.open(authorizeURL(request()))
	equal(t, "cookie after single sign-on", cookie().Value, first.Value)
	b.login(request("prompt", "login"))
	equal(t, "cookie changed", cookie().Value != first.Value, true)
	equal(t, "new cookie works", works(cookie()), true)
	equal(t, "old cookie works", works(first), false)
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cfg  emulator.Config
		want string
	}{
		{emulator.Config{Host: "acme.auth0.example"}, "; Path=/; Max-Age=259200; HttpOnly; Secure; SameSite=None"},
		{emulator.Config{URL: "http://127.0.0.1:4001"}, "; Path=/; Max-Age=259200; HttpOnly; SameSite=Lax"},
		{emulator.Config{URL: "http://localhost:3000/tenant-less"}, "; Path=/tenant-less; Max-Age=259200; HttpOnly; SameSite=Lax"},
	} {
		tn, err := emulator.New(test.cfg)
		must(t, err)
		must(t, tn.AddDemo(emulator.Demo{ClientID: "web", ClientSecret: "s3cret", BaseURL: app}))
		must(t, tn.LogIn("ada@acme.example"))
		target := tn.Issuer() + "authorize?" + request("redirect_uri", app+"/auth/callback").Encode()
		res := serve(tn, httptest.NewRequest("GET", target, nil))
		cookie := res.header.Get("Set-Cookie")
		if !strings.HasPrefix(cookie, "auth0=") || !strings.HasSuffix(cookie, test.want) {
			t.Errorf("Set-Cookie %s", cookie)
		}
	}
}

// TestOwnErrorPage: a tenant can have a custom page for errors that it does not send to
// the application.
func TestOwnErrorPage(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	const page = "https://errors.acme.example/oops?from=tenant"
	tn.UseErrorPage(page)
	for _, test := range []struct{ name, value, description string }{
		{"client_id", "nope", "invalid_request Unknown client: nope"},
		{"redirect_uri", "https://evil.example/", "Callback URL mismatch. The provided redirect_uri is not in the list of allowed callback URLs: https://evil.example/"},
	} {
		q := request(test.name, test.value)
		res := get(tn, authorizeURL(q))
		equal(t, test.name+": status", res.status, http.StatusFound)
		to := res.location(t)
		got := to.Query()
		equal(t, test.name+": page", to.Scheme+"://"+to.Host+to.Path+"?from="+got.Get("from"), page)
		equal(t, test.name+": error", got.Get("error"), "invalid_request")
		equal(t, test.name+": error_description", got.Get("error_description"), test.description)
		equal(t, test.name+": client_id", got.Get("client_id"), q.Get("client_id"))
		equal(t, test.name+": tracking", len(got.Get("tracking")) > 8, true)
	}
	tn.UseErrorPage("")
	equal(t, "status of the tenant's page", get(tn, authorizeURL(request("client_id", "nope"))).status, http.StatusBadRequest)
}

// TestDate: the tenant sends the time of its clock.
func TestDate(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	for range 2 {
		date, err := http.ParseTime(get(tn, base+"/.well-known/jwks.json").header.Get("Date"))
		must(t, err)
		equal(t, "Date", date.Unix(), c.Now().Unix())
		c.add(time.Hour)
	}
}
