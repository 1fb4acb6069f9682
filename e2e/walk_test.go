package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// TestWalk walks the example as two users do, one after the other, in the same browser.
func TestWalk(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	tb := newBrowser(t)

	tb.open(app.url + "/")
	tb.reads("Log in to Fieldnotes")
	tb.shot("home")
	buttons := []string{"Username and password", "Continue with GitHub", "Continue with Google", "Continue with Partner Ltd", "Continue with Fabrikam"}
	if got := tb.names("link"); !slices.Equal(got[1:], buttons) { // the first is the name of the application
		t.Errorf("the buttons are %q, want %q", got[1:], buttons)
	}

	// Ada mistypes her password once.
	tb.click("link", "Username and password")
	tb.at(tenant + "u/login")
	tb.reads("Log in", "to continue to Fieldnotes")
	tb.shot("tenant-login")
	tb.fill("Email address", "ada@acme.example")
	tb.fill("Password", "correct donkey")
	tb.click("button", "Continue")
	tb.reads("Wrong email or password.")
	tb.shot("tenant-wrong-password")
	tb.fill("Password", "correct horse")
	tb.enter()
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
	tb.shot("home-logged-in")

	tb.click("link", "Your profile")
	tb.at(app.url + "/profile")
	tb.reads("Ada Lovelace", "ada@acme.example", "verified")
	tb.shot("profile")

	tb.click("link", "API")
	tb.at(app.url + "/calls")
	tb.shot("calls")
	for _, c := range []struct{ name, answer string }{
		{"open", "This is open to everybody."},
		{"members-only", "You have an access token for this API."},
		{"protected", "You have the permission read:protected."},
	} {
		tb.click("button", "GET /api/"+c.name)
		tb.reads("200 /api/"+c.name, c.answer)
		tb.shot("calls-" + c.name)
	}

	tb.click("button", "Log out")
	tb.at(app.url + "/")
	tb.reads("Log in to Fieldnotes")
	tb.hides("Ada")

	// Grace logs in with Google and has no permission.
	tb.click("link", "Continue with Google")
	tb.at(tenant + "u/provider")
	tb.reads("Simulated Google sign-in")
	tb.shot("tenant-google")
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.at(app.url + "/")
	tb.reads("Good to see you, Grace")
	tb.click("link", "Call the API")
	tb.at(app.url + "/calls")
	tb.click("button", "GET /api/open")
	tb.reads("200 /api/open")
	tb.click("button", "GET /api/members-only")
	tb.reads("200 /api/members-only")
	tb.click("button", "GET /api/protected")
	tb.reads("403 /api/protected", `"error":"insufficient_scope"`)
	tb.shot("calls-403")

	// A logout in another tab, and then clicks in this one.
	other := tb.newTab()
	other.open(app.url + "/")
	other.click("button", "Log out")
	other.reads("Log in to Fieldnotes")
	for _, name := range []string{"members-only", "protected", "open"} {
		tb.click("button", "GET /api/"+name)
		tb.reads("401 /api/"+name, "login_required")
	}
	tb.shot("calls-401")

	// The link on the page leads back to the page.
	tb.click("link", "Log in again")
	tb.at(tenant + "u/login")
	tb.reads("Continue with GitHub")
	tb.shot("tenant-all-connections")
	tb.click("link", "Continue with GitHub")
	tb.reads("Simulated GitHub sign-in")
	tb.click("button", "Linus Jensen linus@github.example")
	tb.at(app.url + "/calls")
	tb.click("button", "GET /api/protected")
	tb.reads("200 /api/protected")
	tb.click("button", "Log out")
	tb.reads("Log in to Fieldnotes")

	// An anonymous script calls the API directly.
	for path, want := range map[string]int{"/api/open": 200, "/api/members-only": 401, "/api/protected": 401, "/call/open": 401} {
		if got := eval[int](tb, "fetch('"+path+"').then(r => r.status)"); got != want {
			t.Errorf("fetch(%q) without a session: %d, want %d", path, got, want)
		}
	}
	tb.open(app.url + "/call/open") // not a page: no login begins
	tb.reads("Log in to continue")
	tb.at(app.url + "/call/open")
}

// TestDirectLinkToProfile is a visitor's bookmark: the login comes first, and then the
// page.
func TestDirectLinkToProfile(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	tb := newBrowser(t)
	tb.open(app.url + "/profile?tab=claims")
	tb.at(tenant + "u/login")
	asAda(tb)
	tb.at(app.url + "/profile?tab=claims")
	tb.reads("ada@acme.example")
	tb.shot("profile")
	if d := tb.last(app.url + "/profile?tab=claims"); d.status != http.StatusOK || !strings.Contains(d.header.Get("Cache-Control"), "no-store") {
		t.Errorf("the profile is answered with %d, Cache-Control %q", d.status, d.header.Get("Cache-Control"))
	}
}

// TestLooks takes pictures of the pages on a desktop and on a phone, in light and in
// dark. No page may be wider than its screen.
func TestLooks(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	for _, look := range []struct {
		name          string
		width, height int64
		dark          bool
	}{
		{"desktop", 1280, 800, false},
		{"desktop-dark", 1280, 800, true},
		{"phone", 390, 844, false},
		{"phone-dark", 390, 844, true},
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
			shot("home")
			tb.click("link", "Continue with Google")
			tb.reads("Simulated Google sign-in")
			shot("tenant-google")
			tb.open(app.url + "/profile")
			tb.reads("Continue with Fabrikam")
			shot("tenant-login")
			tb.fill("Email address", "ada@acme.example")
			tb.fill("Password", "wrong")
			tb.click("button", "Continue")
			tb.reads("Wrong email or password.")
			shot("tenant-wrong-password")
			tb.fill("Password", "correct horse")
			tb.click("button", "Continue")
			tb.at(app.url + "/profile")
			shot("profile")
			tb.click("link", "API")
			tb.at(app.url + "/calls")
			tb.click("button", "GET /api/protected")
			tb.reads("200 /api/protected")
			shot("calls")
			tb.open(app.url + "/")
			tb.reads("Good to see you")
			shot("home-logged-in")
			tb.click("button", "Log out")
			tb.reads("Log in to Fieldnotes")
			tb.open(app.url + "/auth/callback?state=x&code=y")
			tb.reads("Log in again")
			tb.shot("callback-of-nothing") // plain text has no width
		})
	}
}

// TestKeyboard uses the pages without a mouse. A button keeps the focus.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.tabTo("Continue with GitHub")
	tb.shot("focus")
	tb.enter()
	tb.at(tenant + "u/provider")
	tb.tabTo("Linus Jensen")
	tb.shot("tenant-focus")
	tb.enter()
	tb.at(app.url + "/")
	tb.reads("Good to see you, Linus")
	tb.tabTo("Call the API")
	tb.enter()
	tb.at(app.url + "/calls")
	tb.tabTo("GET /api/open")
	tb.enter()
	tb.reads("200 /api/open")
	if got := tb.focus(); got != "GET /api/open" {
		t.Errorf("after the button was used, the focus is on %q", got)
	}
	tb.tabTo("Log out")
	tb.enter()
	tb.reads("Log in to Fieldnotes")
}

// TestWithoutScripts: login and logout need no scripts.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	tb := newBrowser(t)
	call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})

	tb.open(app.url + "/")
	tb.click("link", "Username and password")
	tb.at(tenant + "u/login")
	asAda(tb)
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
	tb.click("link", "Your profile")
	tb.reads("ada@acme.example")
	tb.shot("profile")
	tb.click("link", "API")
	tb.reads("Calling the API from this page needs JavaScript.") // proves that scripts are off
	tb.shot("calls")
	tb.click("button", "Log out")
	tb.at(app.url + "/")
	tb.reads("Log in to Fieldnotes")
	tb.open(app.url + "/profile")
	tb.at(tenant + "u/login")
}

// TestWorkEmail: the domain of an email address leads to the company's own login.
func TestWorkEmail(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	tb := newBrowser(t)

	tb.open(app.url + "/")
	tb.fill("Your work email", "frank@fabrikam.example")
	tb.shot("address-typed")
	tb.click("button", "Continue")
	tb.at(tenant + "u/provider")
	tb.reads("Simulated Fabrikam sign-in")
	tb.shot("fabrikam")
	// A real provider would fill in its own form with the address.
	if got := tb.last(tenant + "authorize").url; !strings.Contains(got, "login_hint=frank%40fabrikam.example") {
		t.Errorf("the tenant was not told the address: %s", got)
	}
	tb.click("button", "Frank Okafor frank@fabrikam.example")
	tb.at(app.url + "/")
	tb.reads("Good to see you, Frank")
	tb.click("button", "Log out")

	// A company without a button is found too.
	tb.reads("Log in to Fieldnotes")
	tb.fill("Your work email", "Carol@Customer.Example")
	tb.enter()
	tb.reads("Simulated Customer Corp sign-in")

	// For the address of no company, the tenant's login page appears with the address filled in.
	tb.open(app.url + "/")
	tb.fill("Your work email", "ada@acme.example")
	tb.click("button", "Continue")
	tb.at(tenant + "u/login")
	tb.shot("unknown-company")
	if got := eval[string](tb, "document.querySelector('input[type=email]').value"); got != "ada@acme.example" {
		t.Errorf("the address is %q on the tenant's page", got)
	}
	tb.fill("Password", "correct horse")
	tb.click("button", "Continue")
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
}
