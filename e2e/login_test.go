package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/auth0test"
)

// TestTwoTabs begins two logins before either ends. Each tab must end where it began, and
// the last login decides the user.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"first-begun-first", "last-begun-first"} {
		t.Run(order, func(t *testing.T) {
			app := startExample(t)
			tenant := app.tenantURL(t)
			one := newBrowser(t)
			two := one.newTab()
			one.open(app.url + "/profile")
			one.at(tenant + "u/login")
			two.open(app.url + "/calls")
			two.at(tenant + "u/login")
			if names := one.cookieNames("localhost", "auth0_txn_"); len(names) != 2 {
				t.Errorf("two logins on their way have the cookies %q", names)
			}
			finishOne := func() {
				withPassword(one, "bob@acme.example")
				one.at(app.url + "/profile")
				one.reads("bob@acme.example")
				one.shot("first-tab")
			}
			finishTwo := func() {
				two.click("link", "Continue with Google")
				two.click("button", "Grace Hopper grace@gmail.example")
				two.at(app.url + "/calls")
				two.reads("Call the API")
				two.shot("second-tab")
			}
			last := "grace@gmail.example"
			if order == "first-begun-first" {
				finishOne()
				finishTwo()
			} else {
				finishTwo()
				finishOne()
				last = "bob@acme.example"
			}
			if names := one.cookieNames("localhost", "auth0_txn_"); len(names) != 0 {
				t.Errorf("after both logins there are still the cookies %q", names)
			}
			for _, tb := range []*tab{one, two} {
				tb.open(app.url + "/profile")
				tb.reads(last)
			}
		})
	}
}

// TestManyTabs: a restored browser window has many login transactions. The browser keeps
// those of four tabs. The oldest of five tabs has to log in again, and the others finish.
func TestManyTabs(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	first := newBrowser(t)
	tabs := []*tab{first, first.newTab(), first.newTab(), first.newTab(), first.newTab()}
	page := func(i int) string { return fmt.Sprintf("%s/orders?tab=%d", app.url, i) }
	for i, tb := range tabs {
		tb.open(page(i))
		tb.at(app.tenant.URL() + "u/login")
	}
	asAda(first)
	first.at(app.url + "/auth/callback")
	first.reads("Log in again")
	for i, tb := range tabs[1:] {
		asAda(tb)
		tb.at(page(i + 1))
		tb.reads("Logged in as ada@acme.example")
	}
	first.open(page(0))
	first.reads("Logged in as ada@acme.example")
}

// TestCallbackAgain loads the callback a second time, as by the back button, a restored
// tab or a bookmark.
func TestCallbackAgain(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	tb.open(app.url + "/orders")
	asAda(tb)
	tb.at(app.url + "/orders")
	tb.reads("Logged in as ada@acme.example")
	callback := tb.last(app.url + "/auth/callback")
	if callback.status != http.StatusSeeOther {
		t.Errorf("the callback answers %d", callback.status)
	}
	if got := app.tenant.Calls(auth0test.Token); got != 1 {
		t.Fatalf("%d requests to the token endpoint for one login", got)
	}

	for _, time := range []string{"second", "third"} {
		tb.open(callback.url)
		tb.at(app.url + "/orders")
		tb.reads("Orders", "Logged in as ada@acme.example")
		tb.shot(time + "-time")
		tb.reload()
		tb.at(app.url + "/orders")
		tb.reads("Logged in as ada@acme.example")
		if got := app.tenant.Calls(auth0test.Token); got != 1 {
			t.Errorf("%s time: %d requests to the token endpoint", time, got)
		}
	}

	// First in a second tab, and then by the back button from another page.
	other := tb.newTab()
	other.open(callback.url)
	other.at(app.url + "/orders")
	other.reads("Logged in as ada@acme.example")
	other.open(app.url + "/profile")
	other.back()
	other.at(app.url + "/orders")
	other.reads("Logged in as ada@acme.example")

	// Before the callback, the history has a page of the tenant. That page cannot be used
	// again, and visiting it ends no session.
	tb.open(app.url + "/auth/login?connection=github&prompt=login")
	tb.reads("Simulated GitHub sign-in")
	tb.click("button", "Linus Jensen linus@github.example")
	tb.at(app.url + "/")
	tb.reads("Logged in as linus@github.example")
	tb.back()
	tb.shot("back-at-tenant")
	tb.open(app.url + "/profile")
	tb.reads("Logged in as linus@github.example")
	if got := app.tenant.Calls(auth0test.Token); got != 2 {
		t.Errorf("%d requests to the token endpoint for two logins", got)
	}
}

// TestForeignCallback is login CSRF: an attacker sends the callback URL of their own
// login to a victim, who would then work in the attacker's account.
func TestForeignCallback(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	attacker := newBrowser(t)
	released := attacker.holdAt(app.url + "/auth/callback*")
	attacker.open(app.url + "/auth/login?connection=google-oauth2")
	attacker.click("button", "Grace Hopper grace@gmail.example")
	callback := released()
	if !strings.Contains(callback, "code=") || !strings.Contains(callback, "state=") {
		t.Fatalf("the callback is %s", callback)
	}

	victim := newBrowser(t)
	victim.open(callback)
	d := victim.last(app.url + "/auth/callback")
	if d.status != http.StatusBadRequest || d.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the answer is %d, %s", d.status, d.header.Get("Content-Type"))
	}
	victim.reads("We could not match this login to your browser", "cookies are blocked", "Log in again")
	if got, want := eval[string](victim, `document.querySelector("a").href`), app.url+"/auth/login"; got != want {
		t.Errorf("the first link is %q, want %q", got, want)
	}
	victim.shot("page")
	victim.reload()
	victim.reads("We could not match this login to your browser")
	if got := app.tenant.Calls(auth0test.Token); got != 0 {
		t.Errorf("%d requests to the token endpoint", got)
	}
	if names := victim.cookieNames("localhost", "auth0_"); len(names) != 0 {
		t.Errorf("there are the cookies %q", names)
	}
	victim.open(app.url + "/")
	victim.reads("Nobody is logged in")

	// A logged-in user keeps their session.
	victim.open(app.url + "/profile")
	asAda(victim)
	victim.reads("Logged in as ada@acme.example")
	victim.open(callback)
	victim.at(app.url + "/")
	victim.reads("Logged in as ada@acme.example")
	victim.hides("grace")

	// The code stayed valid: it works in the browser that began the login.
	attacker.open(callback)
	attacker.at(app.url + "/")
	attacker.reads("Logged in as grace@gmail.example")
}

// TestCancel cancels the login at the provider.
func TestCancel(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.click("link", "Continue with Google")
	tb.at(tenant + "u/provider")
	tb.click("button", "Cancel")
	tb.at(app.url + "/auth/callback")
	tb.reads("You canceled the login, or you did not allow the access that this site requested")
	tb.shot("page")
	tb.hides("User did not authorize the request") // only the log shows the tenant's description
	app.stderr.waitFor(t, "access_denied", "User did not authorize the request")
	d := tb.last(app.url + "/auth/callback")
	if d.status != http.StatusForbidden || d.header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("the answer is %d, Cache-Control %q", d.status, d.header.Get("Cache-Control"))
	}
	// Only the transaction cookie stays, for a reload of the page.
	if names := tb.cookieNames("localhost", "auth0_"); len(names) != 1 || !strings.HasPrefix(names[0], "auth0_txn_") {
		t.Errorf("after the refusal there are the cookies %q", names)
	}
	tb.click("link", "Home")
	tb.reads("Log in to Fieldnotes")

	// The user then logs in after all.
	tb.click("link", "Continue with Google")
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.reads("Good to see you, Grace")
}

// TestScriptsInCallback puts markup into every parameter of a callback. No script must
// run, and no page must contain the markup.
func TestScriptsInCallback(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	const attack = `"><script>window.attacked=1</script><img src=x onerror=window.attacked=1>attackmark`

	check := func(t *testing.T, url string, status int) {
		t.Helper()
		tb.during(t)
		tb.open(url)
		tb.reads("quote this reference") // the page is complete
		d := tb.last(app.url + "/auth/callback")
		if d.status != status {
			t.Errorf("the answer is %d, want %d", d.status, status)
		}
		for name, want := range map[string]string{
			"Content-Type":           "text/html; charset=utf-8",
			"X-Content-Type-Options": "nosniff",
			"Cache-Control":          "private, no-store",
			"Referrer-Policy":        "strict-origin",
		} {
			if got := d.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if !strings.Contains(d.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("Content-Security-Policy is %q", d.header.Get("Content-Security-Policy"))
		}
		if eval[bool](tb, "window.attacked === 1 || document.scripts.length > 0 || document.images.length > 0") {
			t.Error("the attack has run")
		}
		tb.hides("attackmark", "attacked", "<script")
	}

	for _, name := range []string{"error", "error_description", "error_uri", "state", "code", "iss"} {
		t.Run("foreign/"+name, func(t *testing.T) {
			v := url.Values{"state": {"s"}, "code": {"c"}}
			v.Set(name, attack)
			check(t, app.url+"/auth/callback?"+v.Encode(), http.StatusBadRequest)
		})
	}

	// With the state of this browser's login transaction, the callback checks the values
	// one by one.
	for name, status := range map[string]int{
		"error": http.StatusBadRequest, "error_description": http.StatusForbidden,
		"code": http.StatusBadRequest, "iss": http.StatusBadRequest,
	} {
		t.Run("own/"+name, func(t *testing.T) {
			tb.during(t)
			tb.open(app.url + "/auth/login")
			request, err := url.Parse(tb.last(app.tenant.URL() + "authorize").url)
			if err != nil {
				t.Fatal(err)
			}
			v := url.Values{"state": {request.Query().Get("state")}}
			switch name {
			case "error_description":
				v.Set("error", "access_denied")
			case "iss":
				v.Set("code", "c")
			}
			v.Set(name, attack)
			check(t, app.url+"/auth/callback?"+v.Encode(), status)
		})
	}

	// The tenant itself sends the markup.
	t.Run("tenant", func(t *testing.T) {
		app.tenant.DenyLogin("access_denied", attack)
		check(t, app.url+"/auth/login", http.StatusForbidden)
		tb.shot("page")
	})

	// The tenant's pages show some of their parameters.
	t.Run("tenant-pages", func(t *testing.T) {
		tb.during(t)
		for _, v := range []url.Values{
			{"login_hint": {attack}},
			{"screen_hint": {"signup"}, "login_hint": {attack}},
		} {
			tb.open(app.url + "/auth/login?" + v.Encode())
			tb.at(app.tenant.URL() + "u/")
			if eval[bool](tb, "window.attacked === 1 || document.scripts.length > 0 || document.images.length > 0") {
				t.Errorf("the attack has run on %s", tb.url())
			}
		}
	})
}

// TestManyLogins: repeated logins and logouts are not mistaken for a redirect loop.
func TestManyLogins(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	for range 5 {
		tb.open(app.url + "/profile")
		tb.at(app.tenant.URL() + "u/login")
		asAda(tb)
		tb.at(app.url + "/profile")
		tb.reads("Logged in as ada@acme.example")
		tb.click("button", "Log out")
		tb.reads("Nobody is logged in")
	}
}

// TestBlockedCookies: a browser without cookies gets a page that says so, and no endless
// redirects between application and tenant.
func TestBlockedCookies(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowserWith(t, `{"profile":{"default_content_setting_values":{"cookies":2}}}`)
	tb.open(app.url + "/profile")
	tb.at(app.tenant.URL() + "u/login")
	asAda(tb)
	tb.at(app.url + "/auth/callback")
	tb.reads("cookies are blocked")
	tb.shot("page")
	if n := len(tb.cookies()); n != 0 {
		t.Fatalf("the browser has kept %d cookies, so this test says nothing", n)
	}
	if n := app.tenant.Calls(auth0test.Token); n != 0 {
		t.Errorf("%d requests to the token endpoint", n)
	}
}

// TestLostSession: the browser keeps every cookie except the session cookie, for example
// because a proxy removes it. The tenant would log the user in silently, again and again.
func TestLostSession(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	app.loseCookie("auth0_session")
	tb := newBrowser(t)
	tb.open(app.url + "/profile")
	tb.at(app.tenant.URL() + "u/login")
	asAda(tb)
	tb.reads("If your browser blocks cookies for this site, allow them")
	tb.shot("page")
	if n := tb.visited(app.url + "/auth/callback"); n > 4 {
		t.Errorf("the browser went round %d times", n)
	}
}
