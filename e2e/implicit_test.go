package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// implicitEnvironment returns the variables with which examples/implicit uses a tenant.
func implicitEnvironment(tenant *auth0test.Tenant) []string {
	return append(pageEnvironment(tenant), "AUTH0_SECRET="+rand.Text()+rand.Text())
}

// clean fails if any part of a response is in a place that outlives the moment.
func (tb *tab) clean(app *example) {
	tb.t.Helper()
	for _, e := range call(tb, page.GetNavigationHistory, cdp.Empty{}).Entries {
		if strings.HasPrefix(e.URL, app.url) && strings.ContainsAny(e.URL, "#") {
			tb.t.Errorf("the history has %s", e.URL)
		}
	}
	if got := eval[string](tb, "location.href + document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + history.state"); got != app.url+"/callback{}{}null" {
		tb.t.Errorf("a script finds %q", got)
	}
	if anyToken.MatchString(tb.html()) {
		tb.t.Error("the page has a token")
	}
	if names := tb.cookieNames("localhost", "implicit"); len(names) != 0 {
		tb.t.Errorf("the cookie of the login is left: %q", names)
	}
}

// TestImplicit walks the example as a user does, by both buttons.
func TestImplicit(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "implicit", testproc.FreePort(t))
	tenant := app.tenantURL(t)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	tb.reads("Log in the old way", "What to use instead", "examples/api", "RFC 9700")
	tb.shot("home")
	tb.click("link", "Log in")
	tb.at(tenant + "u/login")
	tb.reads("to continue to Heirloom")
	found := false
	for _, c := range tb.cookies() {
		if c.Domain == "localhost" {
			found = c.Name == "implicit" && c.HTTPOnly && c.SameSite == network.CookieSameSiteLax
		}
	}
	if !found {
		t.Error("there is no cookie of the login as it should be")
	}
	if sent := tb.last(tenant + "authorize?").url; !strings.Contains(sent, "response_type=id_token+token&") || !strings.Contains(sent, "nonce=") {
		t.Errorf("the login asks for %s", sent)
	}
	asAda(tb)
	tb.at(app.url + "/callback")
	tb.reads("Ada Lovelace", "ada@acme.example", "verified", "What the ID token says about you", "What the access token grants", "read:protected", "https://api.acme.example/")
	tb.shot("login")
	tb.clean(app)
	if d := tb.last(app.url + "/callback"); d.header.Get("Referrer-Policy") != "no-referrer" || d.header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(d.header.Get("Content-Security-Policy"), "default-src 'self'; ") {
		t.Errorf("headers of the page: %v", d.header)
	}
	tb.reload()
	tb.reads("Login failed", "The address of this page contains no login response")
	tb.hides("Ada")
	tb.shot("reloaded")

	tb.click("link", "Home")
	tb.click("link", "Get a token") // the tenant still has a session
	tb.at(app.url + "/callback")
	tb.reads("You have an access token", "An access token alone is not a login", "read:protected")
	tb.hides("Lovelace", "ada@acme.example")
	tb.shot("token")
	tb.clean(app)
	if sent := tb.last(tenant + "authorize?").url; !strings.Contains(sent, "response_type=token&") {
		t.Errorf("the login asks for %s", sent)
	}
	tb.back()
	tb.hides("Lovelace", "read:protected")
}

// TestImplicitDenied: a user without access reads the reason, and can go on.
func TestImplicitDenied(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	tenant := serveTenant(t, "http://localhost:"+port)
	app := startNamed(t, "implicit", port, implicitEnvironment(tenant)...)
	tb := newBrowser(t)
	for _, button := range []string{"Log in", "Get a token"} {
		tb.open(app.url + "/")
		tb.click("link", button)
		tb.at(tenant.URL() + "u/login")
		tb.click("link", "Continue with Google")
		tb.click("button", "Cancel")
		tb.at(app.url + "/callback")
		tb.reads("Login failed", "You canceled the login")
		tb.hides("access_denied")
		tb.shot("cancelled")
		tb.clean(app)
	}
	tenant.DenyLogin("access_denied", "<b>no</b>")
	tb.open(app.url + "/login?response_type=token")
	tb.at(app.url + "/callback")
	tb.reads("Login failed")
	tb.hides("<b>no</b>")

	tb.open(app.url + "/login?response_type=code")
	tb.reads("Login failed", "This login link is invalid.")
	tb.shot("bad-link")
	tb.click("link", "Home")
	tb.click("link", "Log in")
	asAda(tb)
	tb.reads("Ada Lovelace")
}

// caught begins a login with a button, and intercepts the response before the page gets
// it.
func (tb *tab) caught(app *example, button string) (fragment url.Values) {
	tb.t.Helper()
	tb.open(app.url + "/")
	held := make(chan string, 9)
	ctx, stop := context.WithCancel(tb.ctx)
	defer stop()
	if err := chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*fetch.EventRequestPaused); ok {
			go func() {
				// The request must fail first. Otherwise the page gets the response after
				// the test has stopped intercepting.
				try(tb, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonAborted})
				held <- e.Request.URLFragment
			}()
		}
	}); err != nil {
		tb.t.Fatal(err)
	}
	call(tb, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: app.url + "/callback*"}}})
	defer call(tb, fetch.Disable, cdp.Empty{})
	tb.click("link", button)
	select {
	case got := <-held:
		values, err := url.ParseQuery(strings.TrimPrefix(got, "#"))
		if err != nil || !values.Has("access_token") {
			tb.t.Fatalf("the fragment is %q, %v", got, err)
		}
		return values
	case <-time.After(patience):
		tb.t.Fatalf("no answer to the login; the page is %s", tb.url())
		return nil
	}
}

// TestImplicitTampered changes a response on its way to the page.
func TestImplicitTampered(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	tenant := serveTenant(t, "http://localhost:"+port)
	tenant.LogIn("ada@acme.example")
	app := startNamed(t, "implicit", port, implicitEnvironment(tenant)...)
	tb := newBrowser(t)
	spoil := func(name string) func(url.Values) {
		return func(v url.Values) {
			token := v.Get(name)
			i := strings.LastIndexByte(token, '.') + 10 // within the signature
			other := "A"
			if token[i] == 'A' {
				other = "B"
			}
			v.Set(name, token[:i]+other+token[i+1:])
		}
	}
	for _, tt := range []struct {
		why, button string
		change      func(url.Values)
		says        string // "" if it must be accepted
	}{
		{"nothing", "Log in", func(url.Values) {}, ""},
		{"nothing", "Get a token", func(url.Values) {}, ""},
		{"access token", "Log in", spoil("access_token"), "We could not verify the login"},
		{"access token", "Get a token", spoil("access_token"), "The access token was not accepted: signature invalid"},
		{"ID token", "Log in", spoil("id_token"), "We could not verify the login"},
		{"access token of another", "Log in", func(v url.Values) { v.Set("access_token", tenant.AccessToken()) }, "We could not verify the login"},
		{"token of another API", "Get a token", func(v url.Values) {
			v.Set("access_token", tenant.AccessToken(auth0test.Claim("aud", "https://other.example/")))
		}, "The access token was not accepted: audience"},
		{"state", "Get a token", func(v url.Values) { v.Set("state", strings.Repeat("A", 43)) }, "We could not match this login to your browser"},
		{"no state", "Log in", func(v url.Values) { v.Del("state") }, "The login response is incomplete"},
		{"no ID token", "Log in", func(v url.Values) { v.Del("id_token") }, "The login response is incomplete"},
	} {
		fragment := tb.caught(app, tt.button)
		tt.change(fragment)
		tb.open(app.url + "/callback#" + fragment.Encode())
		if tt.says == "" {
			tb.reads("What the access token grants")
			continue
		}
		tb.reads("Login failed", tt.says)
		tb.hides("Lovelace", "read:protected")
		tb.shot(strings.ReplaceAll(tt.why, " ", "-"))
		tb.clean(app)
	}
}

// TestImplicitReplay: a response works once, and only in the browser that began the
// login.
func TestImplicitReplay(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	tenant := serveTenant(t, "http://localhost:"+port)
	tenant.LogIn("ada@acme.example")
	app := startNamed(t, "implicit", port, implicitEnvironment(tenant)...)
	tb := newBrowser(t)
	for _, button := range []string{"Log in", "Get a token"} {
		answer := app.url + "/callback#" + tb.caught(app, button).Encode()
		stranger := newBrowser(t)
		stranger.open(answer)
		stranger.reads("Login failed", "We could not match this login to your browser")
		stranger.clean(app)

		tb.open(answer)
		tb.reads("What the access token grants")
		tb.open(answer) // loads nothing: the page stays, and gets a new fragment
		tb.reads("Login failed", "We could not match this login to your browser")
		tb.hides("Lovelace", "read:protected")
		tb.clean(app)
		tb.open(app.url + "/")
		tb.open(answer)
		tb.reads("Login failed", "We could not match this login to your browser")
		tb.shot("replayed")
		tb.clean(app)
	}
	tb.click("link", "Log in")
	tb.reads("Ada Lovelace")
	// Another site cannot have a response checked, or end a login of this browser.
	req, err := http.NewRequestWithContext(t.Context(), "POST", app.url+"/verify", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("another site gets %d %v", resp.StatusCode, resp.Header)
	}
}

// TestImplicitCloud runs the example as in production.
func TestImplicitCloud(t *testing.T) {
	t.Parallel()
	c := startNamedCloud(t, "implicit", implicitEnvironment, nil)
	tb := newBrowser(t, c.flags...)
	tb.open(auth0test.AppURL + "/")
	tb.click("link", "Log in")
	tb.at("https://acme.auth0.example/u/login")
	found := false
	for _, cookie := range tb.cookies() {
		if cookie.Domain == "app.acme.example" {
			found = cookie.Name == "__Host-implicit" && cookie.HTTPOnly && cookie.Secure && cookie.SameSite == network.CookieSameSiteLax
		}
	}
	if !found {
		t.Error("there is no cookie of the login as it should be")
	}
	asAda(tb)
	tb.at(auth0test.AppURL + "/callback")
	tb.reads("Ada Lovelace", "read:protected")
	if n := c.tenant.Calls(auth0test.Token); n != 0 {
		t.Errorf("%d token requests", n)
	}
}

// TestImplicitLooks takes pictures on a desktop and on a phone, in light and in dark.
func TestImplicitLooks(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "implicit", testproc.FreePort(t))
	tb := newBrowser(t)
	look := func(name string) {
		for _, dark := range []bool{false, true} {
			for _, width := range []int64{1280, 360} {
				tb.size(width, 900)
				tb.dark(dark)
				tb.fits(width)
				tb.shot(fmt.Sprintf("%s-%d-dark-%v", name, width, dark))
			}
		}
		tb.size(1280, 800)
	}
	tb.open(app.url + "/")
	look("home")
	tb.click("link", "Log in")
	asAda(tb)
	tb.reads("Ada Lovelace")
	look("login")
	tb.open(app.url + "/")
	tb.click("link", "Get a token")
	tb.reads("You have an access token")
	look("token")
	tb.open(app.url + "/callback")
	tb.reload()
	tb.reads("Login failed")
	look("problem")
}
