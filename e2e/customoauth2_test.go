package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"

	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// startCustomOAuth2 runs the example and returns the URL of the provider.
func startCustomOAuth2(t *testing.T, flags ...string) (app *example, pictor string) {
	t.Helper()
	app = startWith(t, "customoauth2", flags, testproc.FreePort(t))
	app.stdout.waitFor(t, "Provider  embedded, at ", "Open ")
	_, rest, _ := strings.Cut(app.stdout.String(), "Provider  embedded, at ")
	pictor, _, _ = strings.Cut(rest, "\n")
	return app, pictor
}

// TestCustomOAuth2 logs in with a custom OAuth 2.0 provider by redirects, and calls its
// API as the logged-in user.
func TestCustomOAuth2(t *testing.T) {
	t.Parallel()
	app, pictor := startCustomOAuth2(t)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.reads("Make an album of your photos", "Continue with Pictor")
	tb.shot("home")

	// A user who refuses returns to a page that says so.
	tb.click("link", "Continue with Pictor")
	tb.at(pictor + "/authorize")
	tb.reads("You are Iris Lind. Let Albums use:", "me", "photos")
	tb.shot("provider")
	tb.click("button", "Refuse")
	tb.at(app.url + "/auth/callback")
	tb.reads("That did not work", "You canceled the login")
	tb.shot("refused")

	tb.open(app.url + "/")
	tb.click("link", "Continue with Pictor")
	tb.at(pictor + "/authorize")
	tb.click("button", "Agree")
	tb.at(app.url + "/")
	tb.reads("Good to see you, Iris Lind", "oauth2|pictor|4711")
	tb.shot("home-logged-in")
	// The login gives no access to the photos. The connected account does.
	tb.click("link", "Your photos at Pictor")
	tb.at(app.url + "/photos")
	tb.reads("No photos yet", "Pictor has confirmed who you are.")
	tb.shot("not-connected")
	tb.connectPictor(pictor)
	tb.at(app.url + "/photos")
	tb.reads("Harbour at dawn", "Birches", "Night ferry")
	tb.hides("pictor-") // the prefix of the provider's tokens
	tb.shot("photos")
	tb.reload()
	tb.reads("Harbour at dawn")
	if log := app.stderr.String() + app.stdout.String(); strings.Contains(log, "pictor-") || anyToken.MatchString(log) {
		t.Errorf("the log has a token:\n%s", log)
	}
	tb.click("button", "Log out")
	tb.reads("Make an album of your photos")

	// Ada has no account at Pictor.
	tb.click("link", "Other ways to log in")
	tb.reads("Continue with Pictor") // on the tenant's page too
	tb.shot("tenant-login")
	asAda(tb)
	tb.reads("Good to see you, Ada")
	tb.click("link", "Photos")
	tb.reads("You have not logged in with Pictor")
	tb.shot("nothing-there")
}

// connectPictor connects the account, from a page that offers it.
func (tb *tab) connectPictor(pictor string) {
	tb.t.Helper()
	tb.click("button", "Connect your Pictor account")
	tb.at(pictor + "/authorize")
	tb.click("button", "Agree")
}

// TestCustomOAuth2Accounts: Ada logs in with a password, connects her account at the
// provider, sees her photos, and disconnects it.
func TestCustomOAuth2Accounts(t *testing.T) {
	t.Parallel()
	app, pictor := startCustomOAuth2(t)
	tb := newBrowser(t)
	// After a login, the request comes from another site, so no connection begins.
	tb.open(app.url + "/connect?connection=pictor")
	asAda(tb)
	tb.at(app.url + "/connect")
	tb.reads("Connect accounts with the button on this site.")
	tb.click("link", "Accounts")
	tb.at(app.url + "/accounts")
	tb.reads("You log in to Albums as Ada Lovelace", "No account is connected.")
	tb.shot("none")
	tb.click("button", "Connect your Pictor account")
	tb.at(pictor + "/authorize")
	tb.reads("You are Iris Lind. Let Albums use:", "me", "photos")
	tb.click("button", "Refuse")
	tb.at(app.url + "/connect")
	tb.reads("That did not work", "We did not connect your account")
	tb.shot("refused")
	tb.click("link", "Go back")
	tb.at(app.url + "/accounts")
	tb.reads("No account is connected.")

	// The connection begins at the page of the photos, and returns there.
	tb.click("link", "Photos")
	tb.reads("No photos yet", "You have not logged in with Pictor")
	tb.click("button", "Connect your Pictor account")
	tb.at(pictor + "/authorize")
	tb.click("button", "Agree")
	tb.at(app.url + "/photos")
	tb.reads("Harbour at dawn", "Night ferry")
	tb.hides("pictor-") // the prefix of the provider's tokens
	tb.shot("photos")
	tb.click("link", "Accounts")
	tb.reads("Pictor", "Albums may use: me, photos", "Connected on "+time.Now().UTC().Format("2 January 2006"))
	tb.shot("connected")
	tb.dark(true)
	tb.size(390, 844)
	tb.fits(390)
	tb.shot("connected-phone-dark")
	tb.dark(false)
	tb.size(1280, 800)

	// The account is Ada's in any browser, and she is still logged in as Ada.
	tb.click("link", "Albums")
	tb.reads("Good to see you, Ada Lovelace", "auth0|")
	tb.shot("home")
	tb.click("button", "Log out")
	tb.click("link", "Other ways to log in")
	asAda(tb)
	tb.click("link", "Photos")
	tb.reads("Harbour at dawn")

	tb.click("link", "Accounts")
	tb.click("button", "Disconnect")
	tb.reads("No account is connected.")
	tb.click("link", "Photos")
	tb.reads("No photos yet")
	if log := app.stderr.String() + app.stdout.String(); strings.Contains(log, "pictor-") || anyToken.MatchString(log) {
		t.Errorf("the log has a token:\n%s", log)
	}
}

// TestCustomOAuth2Popup does the same in a pop-up window.
func TestCustomOAuth2Popup(t *testing.T) {
	t.Parallel()
	app, pictor := startCustomOAuth2(t)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.click("button", "Continue in a pop-up")
	popup := tb.opened(pictor + "/authorize")
	popup.reads("You are Iris Lind")
	popup.size(480, 700)
	popup.fits(480)
	popup.shot("provider")
	popup.click("button", "Refuse")
	tb.windows(1)
	tb.reads("The login was canceled.")
	tb.shot("refused")

	tb.click("button", "Continue in a pop-up")
	tb.opened(pictor+"/authorize").click("button", "Agree")
	tb.at(app.url + "/photos")
	tb.windows(1)
	tb.connectPictor(pictor)
	tb.at(app.url + "/photos")
	tb.reads("Harbour at dawn", "Night ferry")
	tb.shot("photos")
	// One cookie stays for a while, so that the page of the rejected login can be
	// reloaded.
	if names := tb.cookieNames("localhost", "auth0_txn_"); len(names) != 1 {
		t.Errorf("the cookies of logins are %q", names)
	}
	if len(tb.cookieNames("localhost", "auth0_session")) == 0 {
		t.Error("there is no session")
	}
}

// TestCustomOAuth2PopupWithoutOpener: the provider isolates the window from its opener,
// and the page still learns of the login.
func TestCustomOAuth2PopupWithoutOpener(t *testing.T) {
	t.Parallel()
	app, pictor := startCustomOAuth2(t, "-isolate")
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.click("button", "Continue in a pop-up")
	popup := tb.opened(pictor + "/authorize")
	popup.reads("You are Iris Lind")
	if eval[bool](popup, "window.opener !== null") {
		t.Fatal("the window has its opener yet, so this test shows nothing")
	}
	popup.click("button", "Agree")
	tb.at(app.url + "/photos")
	tb.reads("Pictor has confirmed who you are.")
	tb.shot("logged-in")
}

// TestCustomOAuth2PopupAlone opens the URL of the pop-up as a page. The page says that it
// can be closed, and has a link to go on.
func TestCustomOAuth2PopupAlone(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		app, pictor := startCustomOAuth2(t)
		tb := newBrowser(t)
		if !scripts {
			call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		}
		tb.open(app.url + "/")
		tb.open(app.url + "/auth/popup?returnTo=/photos")
		tb.at(pictor + "/authorize")
		tb.click("button", "Agree")
		tb.at(app.url + "/auth/callback")
		tb.reads("You are logged in", "You can close this window.")
		tb.shot("alone")
		tb.click("link", "Go on in this window")
		tb.at(app.url + "/photos")
		tb.connectPictor(pictor)
		tb.reads("Harbour at dawn")
	}
}
