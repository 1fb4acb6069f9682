package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// startBelow runs an example with its own tenant, which browsers reach below a path of
// an https host: a proxy strips the path.
func startBelow(t *testing.T, name, path string) (app *example, flags []string) {
	t.Helper()
	port := testproc.FreePort(t)
	certificate, _ := newCertificate(t, "app.acme.example")
	secure := serve(t, http.StripPrefix(path, forward("http://localhost:"+port, nil)), &tls.Config{Certificates: []tls.Certificate{certificate}})
	app = startNamed(t, name, port, "APP_BASE_URL="+auth0test.AppURL+path)
	app.url = auth0test.AppURL + path
	return app, []string{"host-resolver-rules=MAP app.acme.example " + secure, "ignore-certificate-errors="}
}

// TestBelowPath walks each example on a narrow screen, below a path of an https host: it
// logs in, uses the example and logs out. No page is wider than the screen, in light or
// in dark, and axe finds nothing.
func TestBelowPath(t *testing.T) {
	t.Parallel()
	const base = auth0test.AppURL + "/shop"
	for _, tt := range []struct {
		name string
		walk func(tb *tab, look func(string))
	}{
		{"webapp", func(tb *tab, look func(string)) {
			look("home")
			tb.click("link", "Username and password")
			asAda(tb)
			tb.at(base + "/")
			tb.reads("Good to see you, Ada")
			look("logged-in")
			tb.click("link", "Your profile")
			tb.at(base + "/profile")
			tb.until("the picture", func() (bool, string) {
				width := eval[int](tb, "document.querySelector('img.face').naturalWidth")
				return width > 0, fmt.Sprint(width)
			})
			look("profile")
			tb.click("link", "API")
			tb.click("button", "GET /api/protected")
			tb.reads("200 /api/protected")
			look("calls")
			tb.back()
			tb.at(base + "/profile")
			tb.open(base + "/auth/callback?code=x&state=y") // of no login: redirects home
			tb.at(base + "/")
			tb.click("button", "Log out")
			tb.at(base)
			tb.reads("You are logged out.", "Log in to Fieldnotes")
			look("logged-out")
			tb.reload()
			tb.hides("You are logged out.")
			tb.open(base + "/auth/callback?code=x&state=y")
			tb.reads("Login failed")
			look("failed")
			tb.click("link", "Log in")
			tb.reads("Continue with GitHub")
			tb.open(base + "/")
			tb.fill("Your work email", "frank@fabrikam.example")
			tb.click("button", "Continue")
			tb.click("button", "Frank Okafor frank@fabrikam.example")
			tb.at(base + "/")
			tb.reads("Good to see you, Frank")
		}},
		{"sessions", func(tb *tab, look func(string)) {
			look("home")
			tb.click("link", "Log in")
			asAda(tb)
			tb.at(base + "/")
			tb.reads("Good to see you, Ada")
			look("logged-in")
			tb.click("button", "Log out")
			tb.reads("You are logged out.", "Log in to Doorbell")
			look("logged-out")
		}},
		{"formpost", func(tb *tab, look func(string)) {
			look("home")
			tb.click("link", "Log in")
			asAda(tb)
			tb.at(base + "/")
			tb.reads("Good to see you, Ada")
			tb.click("button", "Call API")
			tb.reads("200 /api/time", "Hello, Ada.")
			look("call")
			tb.click("link", "Your profile")
			tb.at(base + "/profile")
			look("profile")
			tb.click("button", "Log out")
			tb.reads("You are logged out.", "Log in to Postcard")
			tb.click("button", "Call API")
			tb.reads("401 /api/time")
			look("logged-out")
			tb.open(base + "/auth/callback") // Enter, in the address bar after a failure
			tb.at(base + "/")
		}},
		{"implicit", func(tb *tab, look func(string)) {
			look("home")
			tb.click("link", "Log in")
			asAda(tb)
			tb.at(base + "/callback")
			tb.reads("Ada Lovelace", "What the access token grants")
			look("login")
			tb.reload()
			tb.reads("Login failed")
			look("failed")
			tb.click("link", "Home")
			tb.at(base + "/")
			tb.click("link", "Get a token")
			tb.reads("You have an access token")
		}},
		{"api", func(tb *tab, look func(string)) {
			look("home")
			tb.click("button", "GET /api/members-only")
			tb.reads("401 /api/members-only")
			look("refused")
			tb.click("button", "Log in")
			asAda(tb)
			tb.at(base + "/")
			tb.reads("Good to see you, Ada")
			tb.click("button", "GET /api/protected")
			tb.reads("200 /api/protected")
			look("logged-in")
			tb.click("button", "Log out")
			tb.at(base + "/")
			tb.reads("You are logged out.", "Call the API")
			look("logged-out")
			tb.reload()
			tb.hides("You are logged out.")
		}},
		{"bff", func(tb *tab, look func(string)) {
			tb.expectFault("401") // the page asks whether there is a session
			tb.reads("Log in to Shopping")
			look("home")
			tb.click("link", "Log in")
			asAda(tb)
			tb.at(base + "/")
			tb.reads("The list of Ada")
			tb.fill("Another item", "Tea")
			tb.click("button", "Add")
			tb.until("the item", func() (bool, string) {
				list := eval[string](tb, "document.querySelector('#list').textContent")
				return list == "Tea", list
			})
			look("list")
			tb.click("button", "Log out")
			tb.at(base)
			tb.reads("Log in to Shopping")
		}},
		{"stepup", func(tb *tab, look func(string)) {
			look("home")
			tb.click("link", "Log in")
			asAda(tb)
			tb.at(base + "/")
			tb.reads("Good to see you, Ada")
			look("logged-in")
			tb.click("link", "Pay 12 euros")
			tb.at(base + "/pay")
			tb.reads("less than a minute ago")
			look("pay")
			tb.click("button", "Pay")
			tb.reads("Nobody was charged")
			tb.click("link", "Home")
			tb.expectFault("403")
			tb.click("link", "The books")
			tb.at(base + "/books")
			look("refused")
		}},
		{"customoauth2", func(tb *tab, look func(string)) {
			look("home")
			tb.click("link", "Continue with Pictor")
			look("provider")
			tb.click("button", "Refuse")
			tb.reads("That did not work")
			look("refused")
			tb.click("link", "Home")
			tb.click("link", "Continue with Pictor")
			tb.click("button", "Agree")
			tb.at(base + "/")
			tb.reads("Good to see you, Iris Lind")
			look("logged-in")
			tb.click("link", "Photos")
			tb.at(base + "/photos")
			tb.reads("No photos yet")
			look("not-connected")
			tb.click("button", "Connect your Pictor account")
			tb.click("button", "Agree")
			tb.at(base + "/photos")
			tb.reads("Harbour at dawn")
			look("photos")
			tb.click("link", "Accounts")
			tb.at(base + "/accounts")
			look("accounts")
			tb.click("button", "Disconnect")
			tb.reads("No account is connected.")
			tb.click("button", "Connect your Pictor account")
			tb.click("button", "Agree")
			tb.at(base + "/accounts")
			tb.click("button", "Log out")
			tb.reads("You are logged out.", "Make an album of your photos")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, flags := startBelow(t, tt.name, "/shop")
			tb := newBrowser(t, flags...)
			tb.size(320, 800)
			tb.expectFault("Mixed Content: The page at '" + base) // the pictures of a tenant on this machine
			tb.open(base + "/")
			tt.walk(tb, tb.examine)
		})
	}
}

// TestSessionsElsewhere ends the session of one browser from another one, in the
// application and at the tenant.
func TestSessionsElsewhere(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "sessions", testproc.FreePort(t))
	app.stdout.waitFor(t, "PUBLIC PASSWORDS", "Open    "+app.url)
	one, other := newBrowser(t), newBrowser(t)
	for _, button := range []string{"Log out everywhere", "Change password"} {
		for _, tb := range []*tab{one, other} {
			tb.open(app.url + "/")
			tb.click("link", "Log in")
			if tb.settled(); tb.url() != app.url+"/" { // after the first round, the tenant may have a session
				asAda(tb)
			}
			tb.reads("Good to see you, Ada", "This session began at")
		}
		one.shot("logged-in")
		one.click("button", button)
		one.reads("Log in to Doorbell")
		now := time.Now().Unix()
		other.reads("Good to see you, Ada") // the old page
		other.reload()
		other.reads("Log in to Doorbell")
		other.hides("Ada")
		other.shot("ended")
		// A session that begins in the same second as the logout has ended too.
		other.until("the next second", func() (bool, string) { return time.Now().Unix() > now, "it is the same" })
	}
	app.stderr.waitFor(t, "sessions were ended by the tenant")
}
