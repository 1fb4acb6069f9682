package emulator_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

func TestDatabaseLogin(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddUser(emulator.User{Connection: database, Email: "nopassword@acme.example"}))
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request("login_hint", "jane@acme.example")))
	equal(t, "path", page.url.Path, "/u/login")
	contains(t, page.body, `value="jane@acme.example"`)
	contains(t, page.body, "Continue with Google")
	if strings.Contains(page.body, "Continue with Customer Corp") {
		t.Error("an enterprise connection without show_as_button has a button")
	}

	for _, fields := range [][]string{
		{"username", "jane@acme.example", "password", "wrong"},
		{"username", "nobody@acme.example", "password", password},
		{"username", "grace@gmail.example", "password", ""},
		{"username", "auth0|65f0c1d2", "password", password},
		{"username", "nopassword@acme.example", "password", ""},
		{},
	} {
		wrong := b.submit(page, fields...)
		equal(t, "status", wrong.status, 400)
		contains(t, wrong.body, `<p class="error" id="problem" role="alert">Wrong email or password.</p>`)
		contains(t, wrong.body, `aria-describedby="problem"`)
	}

	got := callbackParams(t, b.submit(page, "username", "JANE@acme.example", "password", password))
	if got.Get("code") == "" || got.Get("state") != "xyz" {
		t.Errorf("callback with %v", got)
	}

	again := b.submit(page, "username", "jane@acme.example", "password", password)
	equal(t, "status of a second use", again.status, 400)
	contains(t, again.body, "This page has expired")
}

func TestTransactionsEnd(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t)
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request()))
	c.add(61 * time.Minute)
	contains(t, b.open(page.url.String()).body, "This page has expired")
	contains(t, b.open(base+"/u/login?state=guess").body, "This page has expired")
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	page := newBrowser(t, tn).open(authorizeURL(request()))
	form := url.Values{"username": {"jane@acme.example"}, "password": {password}}
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		equal(t, strings.Join(headers, " "), postForm(tn, page.url.String(), form, headers...).status, 403)
	}
	equal(t, "without headers", postForm(tn, page.url.String(), form).status, 302)
}

func TestSocialLogin(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	b.open(authorizeURL(request()))
	page := b.open(authorizeURL(request()))
	target := page.url.ResolveReference(&url.URL{Path: "/u/provider",
		RawQuery: page.url.RawQuery + "&connection=google-oauth2"})
	contains(t, page.body, `href="/u/provider?connection=google-oauth2&amp;state=`)
	provider := b.open(target.String())
	contains(t, provider.body, "<h1>Simulated Google sign-in</h1>")
	contains(t, provider.body, "Grace Hopper")
	contains(t, provider.body, "<title>Simulated Google sign-in · acme.auth0.example (local demo tenant)</title>")

	// Accounts of other connections do not exist here.
	equal(t, "status", b.submit(provider, "account", "auth0|65f0c1d2").status, 200)

	code := callbackParams(t, b.submit(provider, "account", "google-oauth2|1018")).Get("code")
	_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "sub", claims["sub"], any("google-oauth2|1018"))
}

func TestSocialLoginIsDenied(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request("connection", "google-oauth2")))
	equal(t, "path", page.url.Path, "/u/provider")
	got := callbackParams(t, b.submit(page, "cancel", "cancel"))
	equal(t, "error", got.Get("error"), "access_denied")
	equal(t, "error_description", got.Get("error_description"), "User did not authorize the request")
	equal(t, "state", got.Get("state"), "xyz")
	contains(t, b.submit(page, "account", "google-oauth2|1018").body, "This page has expired")
}

func TestConnectionOfARequestCannotBeChanged(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request("connection", database)))
	if strings.Contains(page.body, "Continue with") {
		t.Error("the page offers other connections")
	}
	other := strings.Replace(page.url.String(), "/u/login", "/u/provider", 1) + "&connection=google-oauth2"
	contains(t, b.open(other).body, "the connection was not found")
}

func TestHomeRealmDiscovery(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request()))
	saml := b.submit(page, "username", "someone@Customer.example", "password", "")
	contains(t, saml.body, "<h1>Simulated Customer Corp sign-in</h1>")

	contains(t, page.body, `href="/u/sso?state=`)
	sso := b.open(strings.Replace(page.url.String(), "/u/login", "/u/sso", 1))
	unknown := b.submit(sso, "email", "jane@acme.example")
	equal(t, "status", unknown.status, 400)
	contains(t, unknown.body, "Single sign-on is not set up for this address.")
	saml = b.submit(sso, "email", "carol@customer.example")
	code := callbackParams(t, b.submit(saml, "account", "samlp|customer-saml|carol@customer.example")).Get("code")
	_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "sub", claims["sub"], any("samlp|customer-saml|carol@customer.example"))
}

func TestSignup(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request("screen_hint", "signup")))
	equal(t, "path", page.url.Path, "/u/signup")
	for _, test := range []struct{ email, password, problem string }{
		{"nonsense", "long enough", "Enter a valid email address."},
		{"new@acme.example", "short", "The password must have at least 8 characters."},
		{"jane@acme.example", "long enough", "An account with this email address exists already."},
	} {
		wrong := b.submit(page, "email", test.email, "password", test.password)
		equal(t, "status", wrong.status, 400)
		contains(t, wrong.body, test.problem)
	}
	code := callbackParams(t, b.submit(page, "email", "new@acme.example", "password", "long enough")).Get("code")
	_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	equal(t, "email", claims["email"], any("new@acme.example"))
	equal(t, "email_verified", claims["email_verified"], any(false))

	login := newBrowser(t, tn)
	res := login.submit(login.open(authorizeURL(request())), "username", "new@acme.example", "password", "long enough")
	if callbackParams(t, res).Get("code") == "" {
		t.Error("the new user cannot log in")
	}

	must(t, tn.AddConnection(emulator.Connection{Name: database, Strategy: "auth0", Options: map[string]any{"disable_signup": true}}))
	contains(t, b.open(authorizeURL(request("screen_hint", "signup", "prompt", "login"))).body, "<h1>Log in</h1>")
}

func TestSignupsAreBounded(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	signUp := func(i int) {
		page := b.open(authorizeURL(request("screen_hint", "signup", "prompt", "login")))
		b.submit(page, "email", "u"+strings.Repeat("x", i%100)+string(rune('a'+i/100))+"@acme.example", "password", "long enough")
	}
	for i := range 1001 {
		signUp(i)
	}
	if _, ok := tn.Subject("ua@acme.example"); ok {
		t.Error("the oldest of 1001 new users is still there")
	}
	if _, ok := tn.Subject("uxa@acme.example"); !ok {
		t.Error("the second oldest is gone")
	}
	if _, ok := tn.Subject("jane@acme.example"); !ok {
		t.Error("a configured user is gone")
	}
}

func TestPasswordless(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	must(t, tn.AddConnection(emulator.Connection{Name: "email", Strategy: "email"}))
	must(t, tn.AddConnection(emulator.Connection{Name: "sms", Strategy: "sms"}))
	c := webApp()
	c.Connections = append(c.Connections, "email", "sms")
	must(t, tn.AddClient(c))

	for _, test := range []struct{ connection, wrong, problem, address, claim string }{
		{"email", "nonsense", "Enter a valid email address.", "eve@acme.example", "email"},
		{"sms", "0123", "Enter a phone number with its country code", "+44 20 7946 0000", "phone_number"},
	} {
		t.Run(test.connection, func(t *testing.T) {
			b := newBrowser(t, tn)
			page := b.open(authorizeURL(request("connection", test.connection, "scope", "openid email phone")))
			equal(t, "path", page.url.Path, "/u/passwordless")
			wrong := b.submit(page, "address", test.wrong)
			equal(t, "status", wrong.status, 400)
			contains(t, wrong.body, test.problem)

			codePage := b.submit(page, "address", test.address)
			contains(t, codePage.body, "A code was sent to")
			equal(t, "status of a wrong code", b.submit(codePage, "code", "abc").status, 400)
			contains(t, b.submit(codePage, "restart", "restart").body, "<h1>Log in</h1>")
			codePage = b.submit(page, "address", test.address)
			code := callbackParams(t, b.submit(codePage, "code", shownCode(t, codePage))).Get("code")
			_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
			equal(t, test.claim, claims[test.claim], any(test.address))
			if !strings.HasPrefix(claims["sub"].(string), test.connection+"|") {
				t.Errorf("sub %v", claims["sub"])
			}
		})
	}
}

func TestAccountChoice(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b := newBrowser(t, tn)
	b.login(request())
	page := b.open(authorizeURL(request("prompt", "select_account")))
	contains(t, page.body, "Jane Doe")
	if callbackParams(t, b.submit(page, "keep", "keep")).Get("code") == "" {
		t.Error("no code for the same account")
	}
	page = b.submit(b.open(authorizeURL(request("prompt", "select_account"))), "other", "other")
	contains(t, page.body, "<h1>Log in</h1>")
}

func TestDemoHintsAreForDemosOnly(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	if body := newBrowser(t, tn).open(authorizeURL(request())).body; strings.Contains(body, password) {
		t.Error("the page tells a password")
	}
	demo, err := emulator.New(emulator.Config{Host: "acme.auth0.example"})
	must(t, err)
	must(t, demo.AddDemo(emulator.Demo{ClientID: "web", ClientSecret: "s3cret", BaseURL: app, Audience: api}))
	body := newBrowser(t, demo).open(authorizeURL(request("redirect_uri", app+"/auth/callback"))).body
	contains(t, body, "<code>ada@acme.example</code>, password <code>correct horse</code>")
}

// TestPagesEscape puts markup into every value that a page shows.
func TestPagesEscape(t *testing.T) {
	t.Parallel()
	const xss = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`
	tn, err := emulator.New(emulator.Config{Host: "acme.auth0.example"})
	must(t, err)
	for _, c := range []emulator.Connection{
		{Name: database, DisplayName: xss, Strategy: "auth0"},
		{Name: "social", DisplayName: xss, Strategy: "oauth2"},
		{Name: "corp", DisplayName: xss, Strategy: "samlp", DomainAliases: []string{"corp.example"}},
		{Name: "email", DisplayName: xss, Strategy: "email"},
	} {
		must(t, tn.AddConnection(c))
	}
	must(t, tn.AddAPI(emulator.API{Audience: api, Name: xss, Scopes: []string{"<script>alert(1)</script>"}}))
	must(t, tn.AddClient(emulator.Client{ID: "web", Secret: "x", Name: xss, CallbackURLs: []string{callback, "https://app.example/%22%3E?a='b"}, OrganizationUsage: "allow",
		Connections: []string{database, "social", "corp", "email"}}))
	for _, c := range []string{database, "social", "corp"} {
		must(t, tn.AddUser(emulator.User{Connection: c, ID: xss, Email: xss + "@acme.example", Name: xss, Password: password, MFA: c == "corp", Organizations: []string{"org_1"}}))
	}
	must(t, tn.AddOrganization(emulator.Organization{ID: "org_1", Name: "o", DisplayName: xss,
		Connections: []emulator.OrganizationConnection{{Name: database, AssignMembershipOnLogin: true}}}))

	b := newBrowser(t, tn)
	var pages []response
	open := func(pairs ...string) response {
		page := b.open(authorizeURL(request(append([]string{"login_hint", xss, "state", xss}, pairs...)...)))
		pages = append(pages, page)
		return page
	}
	submit := func(page response, fields ...string) response {
		next := b.submit(page, fields...)
		pages = append(pages, next)
		return next
	}
	login := open()
	submit(login, "username", xss, "password", xss)
	submit(open("screen_hint", "signup"), "email", xss, "password", xss)
	pages = append(pages, b.open(strings.Replace(login.url.String(), "/u/login", "/u/sso", 1)))
	submit(pages[len(pages)-1], "email", xss)
	open("organization", "org_1")
	submit(open("connection", "email"), "address", xss)
	mfa := submit(open("connection", "corp"), "account", "samlp|corp|"+xss)
	contains(t, mfa.body, "Verify your identity")
	consent := submit(open("connection", "social", "prompt", "consent", "audience", api, "scope", "openid <script>alert(1)</script>"), "account", "oauth2|social|"+xss)
	contains(t, consent.body, "Authorize ")
	submit(consent, "accept", "accept")
	open("prompt", "select_account", "connection", "social")
	pages = append(pages, b.open(base+"/oidc/logout?client_id=web"))
	open("client_id", xss)
	open("redirect_uri", "https://evil.example/"+xss)
	open("response_mode", "form_post", "prompt", "none")
	open("response_mode", "form_post", "redirect_uri", "https://app.example/%22%3E?a='b", "connection", "nope")
	open("response_mode", "web_message", "prompt", "none")
	open("response_mode", "web_message", "prompt", "none", "connection", "nope", "state", "</script><script>alert(1)</script>")
	for _, behavior := range []string{"pre_login_prompt", "post_login_prompt"} {
		must(t, tn.EditClient("web", func(c *emulator.Client) { c.OrganizationRequireBehavior = behavior }))
		page := open("prompt", "login", "connection", "social")
		if behavior == "pre_login_prompt" {
			submit(page, "organization", xss)
			continue
		}
		memberships := submit(page, "account", "oauth2|social|"+xss)
		contains(t, memberships.body, "Select your organization")
	}
	tn.DenyNext(xss, xss)
	open("response_mode", "form_post")
	pages = append(pages, get(tn, base+"/v2/logout?client_id="+url.QueryEscape(xss)), get(tn, base+"/v2/logout?returnTo="+url.QueryEscape(xss)),
		get(tn, base+"/avatars/"+url.PathEscape("<b>")+".svg"), get(tn, base+"/client/web.js"))

	html := 0
	for _, page := range pages {
		for _, bad := range []string{"<script>alert", "<img", `"'>`, "</script><script>a", "<b>.svg"} {
			if strings.Contains(page.body, bad) {
				t.Errorf("%s: %q in\n%s", page.url, bad, page.body)
			}
		}
		if strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
			html++
			policy := page.header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe-") || !strings.Contains(policy, "base-uri 'none'") {
				t.Errorf("%s: policy %s", page.url, policy)
			}
			contains(t, page.body, "(local demo tenant)</title>")
		}
	}
	if html < 20 {
		t.Errorf("only %d pages were looked at", html)
	}
}

func TestNativeCallbackIsAllowedByThePolicy(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	c := webApp()
	c.CallbackURLs = []string{"com.example.app://callback"}
	must(t, tn.AddClient(c))
	page := newBrowser(t, tn).open(authorizeURL(request("redirect_uri", "com.example.app://callback")))
	contains(t, page.header.Get("Content-Security-Policy"), "form-action 'self' http: https: com.example.app:;")
	refused := get(tn, authorizeURL(request("redirect_uri", "com.example.app://callback", "response_mode", "web_message", "prompt", "none")))
	equal(t, "status", refused.status, 200)
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	tn, err := emulator.New(emulator.Config{URL: "http://localhost:3000/tenant-less/"})
	must(t, err)
	equal(t, "issuer", tn.Issuer(), "http://localhost:3000/tenant-less/")
	must(t, tn.AddDemo(emulator.Demo{ClientID: "web", ClientSecret: "s3cret", BaseURL: app}))
	res := serve(tn, httptest.NewRequest("GET", "/tenant-less/authorize?"+request("redirect_uri", app+"/auth/callback").Encode(), nil))
	if location := res.header.Get("Location"); !strings.HasPrefix(location, "/tenant-less/u/login?state=") {
		t.Errorf("Location %q", location)
	}
	page := serve(tn, httptest.NewRequest("GET", res.header.Get("Location"), nil))
	contains(t, page.body, `href="/tenant-less/u/signup?state=`)
	contains(t, serve(tn, httptest.NewRequest("GET", "/tenant-less/.well-known/openid-configuration", nil)).body, `"http://localhost:3000/tenant-less/oauth/token"`)
	equal(t, "file of a client", serve(tn, httptest.NewRequest("GET", "/tenant-less/client/web.js", nil)).status, 200)
	equal(t, "management", serve(tn, httptest.NewRequest("GET", "/tenant-less/api/v2/connections", nil)).status, 401)
	equal(t, "outside", serve(tn, httptest.NewRequest("GET", "/authorize", nil)).status, 404)
}
