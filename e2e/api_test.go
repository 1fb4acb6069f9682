package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"

	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// pageEnvironment returns the variables with which examples/api uses a tenant.
func pageEnvironment(tenant *auth0test.Tenant) []string {
	cfg := tenant.Config()
	return []string{
		"AUTH0_DOMAIN=" + cfg.Domain,
		"AUTH0_CLIENT_ID=" + auth0test.SPAClientID,
		"AUTH0_AUDIENCE=" + cfg.Audience,
		"APP_BASE_URL=" + cfg.BaseURL,
	}
}

// startPage runs examples/api with a tenant that the test controls.
func startPage(t *testing.T) (*example, *auth0test.Tenant) {
	t.Helper()
	port := testproc.FreePort(t)
	tenant := serveTenant(t, "http://localhost:"+port)
	return startNamed(t, "api", port, pageEnvironment(tenant)...), tenant
}

// calls presses the three buttons and fails if a status differs.
func calls(tb *tab, open, members, protected string) {
	tb.t.Helper()
	for _, c := range []struct{ name, status string }{{"open", open}, {"members-only", members}, {"protected", protected}} {
		tb.click("button", "GET /api/"+c.name)
		tb.reads(c.status + " /api/" + c.name)
		tb.shot(c.name)
	}
}

// logInAs logs in at the tenant's page.
func logInAs(tb *tab, tenantURL, email, greeting string) {
	tb.t.Helper()
	tb.click("button", "Log in")
	tb.at(tenantURL + "u/login")
	withPassword(tb, email)
	tb.reads(greeting)
}

// TestPage walks the tutorial: a visitor, a user without the permission, a user with the
// permission, and a visitor again.
func TestPage(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "api", testproc.FreePort(t))
	tenantURL := app.tenantURL(t)
	app.stdout.waitFor(t, "Open    "+app.url, "ada@acme.example")
	tb := newBrowser(t)
	home := app.url + "/"

	tb.open(home)
	tb.reads("Call the API")
	tb.hides("lovelace")
	tb.shot("nobody")
	calls(tb, "200", "401", "401")
	tb.reads(`Bearer realm="api"`, `"error": "unauthorized"`, "Log in to call this endpoint.")

	logInAs(tb, tenantURL, "bob@acme.example", "Good to see you, Bob")
	if got := tb.url(); got != home {
		t.Errorf("after the login the address is %s", got)
	}
	tb.reads("bob@acme.example", "after a reload it is gone")
	if text := tb.text(); strings.Contains(text, "Log in\n") || strings.Contains(text, "Anybody may call") {
		t.Errorf("what is for others is shown:\n%s", text)
	}
	tb.shot("bob")
	calls(tb, "200", "200", "403")
	tb.reads(`scope="read:protected"`, "your account lacks the permission")

	// The token is lost with the page. The tenant's session of Bob remains.
	tb.reload()
	tb.reads("Anybody may call")
	calls(tb, "200", "401", "401")
	asked := tb.visited(tenantURL + "u/login")
	tb.click("button", "Log in")
	tb.reads("Good to see you, Bob")
	if got := tb.visited(tenantURL + "u/login"); got != asked {
		t.Error("the tenant has asked again")
	}

	tb.click("button", "Log out")
	tb.at(home)
	tb.reads("Anybody may call")
	tb.shot("logged-out")
	if got := tb.visited(tenantURL + "u/logout"); got != 0 {
		t.Error("the tenant has asked whether to log out")
	}
	calls(tb, "200", "401", "401")

	logInAs(tb, tenantURL, "ada@acme.example", "Good to see you, Ada")
	calls(tb, "200", "200", "200")
	tb.click("button", "Log out")
	tb.reads("Anybody may call")
	calls(tb, "200", "401", "401")

	// The back button does not log Ada in again.
	tb.back()
	tb.hides("Good to see you, Ada")
}

// TestPageSecrets looks for tokens and codes in every place that outlives the page or
// leaves it.
func TestPageSecrets(t *testing.T) {
	t.Parallel()
	app, tenant := startPage(t)
	var tokens safe
	tokens.watch(tenant)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.click("button", "Log in")
	tb.at(tenant.URL() + "u/login")
	sent := tb.last(tenant.URL() + "authorize?").url
	for _, part := range []string{"code_challenge_method=S256", "code_challenge=", "state=", "nonce=", "response_type=code&"} {
		if !strings.Contains(sent, part) {
			t.Errorf("there is no %q in %s", part, sent)
		}
	}
	asAda(tb)
	tb.reads("Good to see you, Ada")
	calls(tb, "200", "200", "200")
	if len(tokens.tokens) != 2 {
		t.Fatalf("the safe has %d tokens, so this test would find none", len(tokens.tokens))
	}
	for what, expression := range map[string]string{
		"document.cookie": "document.cookie",
		"localStorage":    "JSON.stringify(localStorage)",
		"sessionStorage":  "JSON.stringify(sessionStorage)",
		"IndexedDB":       "indexedDB.databases().then(l => l.map(d => d.name).join())",
		"Cache Storage":   "caches.keys().then(l => l.join())",
		"window.name":     "window.name",
		"history.state":   "JSON.stringify(history.state) ?? ''",
	} {
		switch got := eval[string](tb, expression); got {
		case "", "{}", "null":
		default:
			t.Errorf("%s has %q", what, got)
		}
	}
	if found := tokens.findIn(tb.html()); len(found) > 0 {
		t.Errorf("the page has the %q", found)
	}
	tb.click("button", "Log out")
	tb.reads("Anybody may call")
	addresses := ""
	for _, e := range call(tb, page.GetNavigationHistory, cdp.Empty{}).Entries {
		if strings.Contains(e.URL, "code=") {
			t.Errorf("the history has %s", e.URL)
		}
		addresses += e.URL + "\n"
	}
	for _, d := range tb.documents {
		addresses += d.url + "\n"
	}
	if found := tokens.findIn(addresses); len(found) > 0 {
		t.Errorf("the %q are in an address:\n%s", found, addresses)
	}
	if log := app.stderr.String() + app.stdout.String(); anyToken.MatchString(log) {
		t.Errorf("the log has a token:\n%s", log)
	}
	policy := tb.last(app.url + "/").header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'self'; connect-src 'self' "+strings.TrimSuffix(tenant.URL(), "/")+";") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

// TestPagePolicy: the browser blocks everything that the policy forbids.
func TestPagePolicy(t *testing.T) {
	t.Parallel()
	app, _ := startPage(t)
	elsewhere := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for", r.URL)
	}), nil)
	tb := newBrowser(t)
	tb.expectFault("Content Security Policy")
	tb.expectFault("TrustedScript")
	tb.open(app.url + "/")
	tb.reads("Call the API")
	for what, script := range map[string]string{
		"a request to elsewhere": "fetch('http://" + elsewhere + "/fetch').then(() => 'done', () => '')",
		"a picture of elsewhere": "new Promise(r => { const i = new Image(); i.onload = () => r('done'); i.onerror = () => r(''); i.src = 'http://" + elsewhere + "/image' })",
		"an inline script":       "(() => { try { const s = document.createElement('script'); s.textContent = 'window.run = \"done\"'; document.body.append(s) } catch {} return window.run ?? '' })()",
		"an event handler":       "(() => { const b = document.createElement('button'); try { b.setAttribute('onclick', 'window.run = \"done\"') } catch {} b.click(); return window.run ?? '' })()",
	} {
		if got := eval[string](tb, script); got != "" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

const (
	stale       = "started in another tab, or it is already finished"
	unreachable = "The login service cannot be reached. Try again in a minute."
)

// TestPageForeignAnswer: the page rejects responses that this tab did not request, and
// shows none of their text.
func TestPageForeignAnswer(t *testing.T) {
	t.Parallel()
	app, tenant := startPage(t)
	tb := newBrowser(t)
	home := app.url + "/"
	refused := func(query string) {
		t.Helper()
		tb.open(home + query)
		tb.reads(stale, "Anybody may call")
		tb.hides("Please call")
		if got := tb.url(); got != home {
			t.Errorf("the address is %s", got)
		}
	}
	for _, query := range []string{
		"?code=x&state=y", "?code=x", "?code=x&state=", "?code=x&state=null", "?code=x&state=undefined",
		"?error=access_denied&error_description=Please+call+555-1234&state=y",
	} {
		refused(query)
	}
	tb.shot("refused")

	// A login is in progress here, and an attacker injects the response to another one.
	tb.click("button", "Log in")
	tb.at(tenant.URL() + "u/login")
	refused("?code=x&state=y")
	if got := tenant.Calls(auth0test.Token); got != 0 {
		t.Errorf("%d requests to the token endpoint", got)
	}

	// The real response works once.
	logInAs(tb, tenant.URL(), "ada@acme.example", "Good to see you, Ada")
	refused("?" + strings.SplitN(tb.last(home+"?code=").url, "?", 2)[1])
	other := tb.newTab()
	other.open(tb.last(home + "?code=").url)
	other.reads(stale)
	if got := tenant.Calls(auth0test.Token); got != 1 {
		t.Errorf("%d requests to the token endpoint, want 1", got)
	}
}

// TestPageRefusals: the tenant rejects the login, or does not answer.
func TestPageRefusals(t *testing.T) {
	t.Parallel()
	app, tenant := startPage(t)
	tb := newBrowser(t)
	home := app.url + "/"

	tb.open(home)
	tb.click("button", "Log in")
	tb.at(tenant.URL() + "u/login")
	tb.click("link", "Continue with Google")
	tb.click("button", "Cancel")
	tb.reads("You canceled the login, or you don't have access.", "Anybody may call")
	tb.shot("cancelled")
	if got := tb.url(); got != home {
		t.Errorf("the address is %s", got)
	}
	tb.reload()
	tb.reads("Anybody may call")
	tb.hides("You canceled the login")

	tenant.DenyLogin("server_error", "Please call 555-1234")
	tb.click("button", "Log in")
	tb.reads("The login did not work. Try again.")
	tb.hides("Please call")

	tenant.Fail(auth0test.Token, http.StatusServiceUnavailable)
	tb.click("button", "Log in")
	tb.at(tenant.URL() + "u/login")
	asAda(tb)
	tb.reads(unreachable, "Anybody may call")
	tenant.Fail(auth0test.Token, 0)

	tb.reload()
	call(tb, network.ClearBrowserCache, cdp.Empty{})
	tenant.Fail(auth0test.Discovery, http.StatusServiceUnavailable)
	tb.click("button", "Log in")
	tb.reads(unreachable)
	tb.shot("tenant-down")
	tenant.Fail(auth0test.Discovery, 0)
	tb.click("button", "Log in")
	tb.reads("Good to see you, Ada")
	tb.hides(unreachable)
}

// TestPageIDToken: the page accepts only ID tokens that its tenant issued to it in this
// login.
func TestPageIDToken(t *testing.T) {
	t.Parallel()
	app, tenant := startPage(t)
	tenant.LogIn("ada@acme.example")
	tb := newBrowser(t)
	for name, value := range map[string]any{
		"nonce": "another", "iss": tenant.URL() + "x/", "aud": "another", "exp": time.Now().Add(-time.Hour).Unix(),
	} {
		tenant.EditIDToken(func(_, claims map[string]any) { claims[name] = value })
		tb.open(app.url + "/")
		tb.click("button", "Log in")
		tb.reads("The login did not work. Try again.", "Anybody may call")
	}
	tenant.EditIDToken(func(_, claims map[string]any) { claims["aud"] = []string{"another", auth0test.SPAClientID} })
	tb.click("button", "Log in")
	tb.reads("Good to see you, Ada")
}

// TestPageExpiredToken: the API rejects the token, and the page no longer shows a
// logged-in user.
func TestPageExpiredToken(t *testing.T) {
	t.Parallel()
	app, tenant := startPage(t)
	tenant.EditTokenResponse(func(_ *int, body map[string]any) {
		body["access_token"] = tenant.AccessToken(auth0test.ExpiresIn(-time.Hour))
	})
	tb := newBrowser(t)
	tb.open(app.url + "/")
	logInAs(tb, tenant.URL(), "ada@acme.example", "Good to see you, Ada")
	tb.click("button", "GET /api/members-only")
	tb.reads("401 /api/members-only", `error="invalid_token"`, "does not accept your access token. Log in again.", "Anybody may call")
	tb.shot("expired")
	tenant.EditTokenResponse(nil)
	tb.click("button", "Log in")
	tb.reads("Good to see you, Ada")
	calls(tb, "200", "200", "200")
}

// TestPageOldTenant logs out at a tenant whose discovery document has no logout endpoint.
func TestPageOldTenant(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	var handler http.Handler
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }), nil)
	old, err := emulator.New(emulator.Config{URL: "http://" + address, Discovery: emulator.Old})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.AddDemo(emulator.Demo{ClientID: "web", ClientSecret: "x", SPAClientID: "page", BaseURL: "http://localhost:" + port, Audience: auth0test.Audience}); err != nil {
		t.Fatal(err)
	}
	handler = old
	app := startNamed(t, "api", port, "AUTH0_DOMAIN="+old.Issuer(), "AUTH0_CLIENT_ID=page", "AUTH0_AUDIENCE="+auth0test.Audience)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	logInAs(tb, old.Issuer(), "ada@acme.example", "Good to see you, Ada")
	tb.click("button", "Log out")
	tb.at(app.url + "/")
	tb.reads("Anybody may call")
	tb.click("button", "Log in")
	tb.at(old.Issuer() + "u/login") // the session there is over too
}

// TestPageCloud runs the page with a real tenant: host names, https, a proxy.
func TestPageCloud(t *testing.T) {
	t.Parallel()
	c := startNamedCloud(t, "api", pageEnvironment, nil)
	tb := newBrowser(t, c.flags...)
	tb.open(auth0test.AppURL + "/")
	logInAs(tb, "https://acme.auth0.example/", "ada@acme.example", "Good to see you, Ada")
	calls(tb, "200", "200", "200")
	tb.click("button", "Log out")
	tb.at(auth0test.AppURL + "/")
	tb.reads("Anybody may call")
	calls(tb, "200", "401", "401")
}

func TestPageEnvironmentIsIncomplete(t *testing.T) {
	t.Parallel()
	for _, env := range [][]string{
		{"AUTH0_DOMAIN=acme.auth0.example", "AUTH0_CLIENT_ID=x"},
		{"AUTH0_DOMAIN=acme.auth0.example", "AUTH0_AUDIENCE=x"},
	} {
		log, err := startAndFail(t, "api", env...)
		if err == nil || !strings.Contains(log, "set AUTH0_CLIENT_ID and AUTH0_AUDIENCE too") {
			t.Errorf("%v: %v, %s", env, err, log)
		}
	}
	if log, err := startAndFail(t, "api", "AUTH0_DOMAIN=https://a/b?c", "AUTH0_CLIENT_ID=x", "AUTH0_AUDIENCE=x"); err == nil || !strings.Contains(log, "Domain") {
		t.Errorf("%v, %s", err, log)
	}
}

// TestPageLooks takes pictures, as TestLooks does.
func TestPageLooks(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "api", testproc.FreePort(t))
	tenantURL := app.tenantURL(t)
	for _, look := range []struct {
		name          string
		width, height int64
		dark          bool
	}{
		{"desktop", 1280, 800, false},
		{"desktop-dark", 1280, 800, true},
		{"phone", 390, 844, false},
		{"phone-dark", 390, 844, true},
		{"narrow", 320, 640, false},
	} {
		t.Run(look.name, func(t *testing.T) {
			tb := newBrowser(t)
			tb.size(look.width, look.height)
			tb.dark(look.dark)
			shot := func(name string) {
				t.Helper()
				tb.fits(look.width)
				tb.shot(name)
			}
			tb.open(app.url + "/")
			tb.reads("Anybody may call")
			shot("nobody")
			tb.click("button", "GET /api/protected")
			tb.reads("401 /api/protected")
			shot("nobody-401")
			logInAs(tb, tenantURL, "bob@acme.example", "Good to see you, Bob")
			shot("bob")
			tb.click("button", "GET /api/members-only")
			tb.reads("200 /api/members-only")
			shot("bob-200")
			tb.click("button", "GET /api/protected")
			tb.reads("403 /api/protected")
			shot("bob-403")
			tb.click("button", "Log out")
			tb.reads("Anybody may call")
			tb.open(app.url + "/?error=access_denied&state=x")
			tb.reads(stale)
			shot("problem")
		})
	}
}

// TestPageKeyboard uses the page without a mouse. A button keeps the focus, and the page
// announces the API's response.
func TestPageKeyboard(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "api", testproc.FreePort(t))
	tenantURL := app.tenantURL(t)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.reads("Anybody may call")
	tb.tabTo("Log in")
	tb.shot("focus")
	tb.enter()
	tb.at(tenantURL + "u/login")
	tb.tabTo("Continue with GitHub")
	tb.enter()
	tb.tabTo("Linus Jensen")
	tb.enter()
	tb.reads("Good to see you, Linus")
	tb.tabTo("GET /api/protected")
	tb.enter()
	tb.reads("200 /api/protected")
	if got := tb.focus(); got != "GET /api/protected" {
		t.Errorf("after the button was used, the focus is on %q", got)
	}
	if got := eval[bool](tb, "document.getElementById('result').closest('[role=status]') !== null"); !got {
		t.Error("the answer is not announced")
	}
	if got := tb.names("heading"); !slices.Equal(got, []string{"Good to see you, Linus Jensen", "Endpoints"}) {
		t.Errorf("the headings are %q", got)
	}
	tb.open(app.url + "/")
	tb.tabTo("Log in")
	tb.enter()
	tb.reads("Good to see you, Linus")
	tb.tabTo("Log out")
	tb.enter()
	tb.reads("Anybody may call")
}

func TestPageWithoutScripts(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "api", testproc.FreePort(t))
	tb := newBrowser(t)
	call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	tb.open(app.url + "/")
	tb.reads("This page needs JavaScript")
	tb.shot("page")
	if got := tb.names("button"); len(got) != 0 {
		t.Errorf("there are buttons that do nothing: %q", got)
	}
}
