package emulator_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// loggedIn reports whether the browser has a session at the tenant.
func (b *browser) loggedIn() bool {
	b.t.Helper()
	return callbackParams(b.t, b.open(authorizeURL(request("prompt", "none")))).Has("code")
}

// signedIn returns a browser with a session, and its ID token.
func signedIn(t *testing.T, tn *emulator.Tenant) (*browser, string) {
	t.Helper()
	b := newBrowser(t, tn)
	code := callbackParams(t, b.login(request())).Get("code")
	return b, redeem(tn, code).json(t)["id_token"].(string)
}

func TestLegacyLogout(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t, func(c *emulator.Config) { c.LogoutURLs = []string{"https://tenant.example/bye"} })
	for _, test := range []struct {
		name, query string
		status      int
		location    string
	}{
		{"application's URL", "client_id=web&returnTo=" + url.QueryEscape(app+"/"), 302, app + "/"},
		{"query is not compared", "client_id=web&returnTo=" + url.QueryEscape(app+"/?from=logout#top"), 302, app + "/?from=logout#top"},
		{"federated", "federated&client_id=web&returnTo=" + url.QueryEscape(app+"/"), 302, app + "/"},
		{"application's first URL", "client_id=web", 302, app + "/"},
		{"tenant's URL", "returnTo=" + url.QueryEscape("https://tenant.example/bye"), 302, "https://tenant.example/bye"},
		{"tenant's first URL", "", 302, "https://tenant.example/bye"},
		{"not the application's", "client_id=web&returnTo=" + url.QueryEscape("https://tenant.example/bye"), 400, ""},
		{"not the tenant's", "returnTo=" + url.QueryEscape(app+"/"), 400, ""},
		{"prefix", "client_id=web&returnTo=" + url.QueryEscape(app+"/more"), 400, ""},
		{"foreign", "client_id=web&returnTo=" + url.QueryEscape("https://evil.example/"), 400, ""},
		{"unknown application", "client_id=nope", 400, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _ := signedIn(t, tn)
			res := b.open(base + "/v2/logout?" + test.query)
			equal(t, "status", res.status, test.status)
			equal(t, "Location", res.header.Get("Location"), test.location)
			equal(t, "still logged in", b.loggedIn(), test.status != 302)
			if test.status == 400 {
				contains(t, res.body, "Oops!, something went wrong")
			}
		})
	}
	empty, _ := newTenant(t)
	b, _ := signedIn(t, empty)
	contains(t, b.open(base+"/v2/logout").body, "<h1>You are logged out</h1>")
	equal(t, "still logged in", b.loggedIn(), false)
}

func TestRPInitiatedLogout(t *testing.T) {
	t.Parallel()
	tn, c := newTenant(t, func(c *emulator.Config) { c.LogoutURLs = []string{"https://tenant.example/bye"} })
	web := webApp()
	web.ID = "other"
	must(t, tn.AddClient(web))
	home := url.QueryEscape(app + "/")
	for _, test := range []struct {
		name, query string // ID_TOKEN and SID stand for values of the session
		status      int
		location    string // empty: an error page or the confirmation page
	}{
		{"ID token", "id_token_hint=ID_TOKEN&post_logout_redirect_uri=" + home + "&state=a%26b", 302, app + "/?state=a%26b"},
		{"ID token and agreeing hints", "id_token_hint=ID_TOKEN&client_id=web&logout_hint=SID&post_logout_redirect_uri=" + home, 302, app + "/"},
		{"sid and client", "logout_hint=SID&client_id=web&post_logout_redirect_uri=" + home, 302, app + "/"},
		{"no URL", "id_token_hint=ID_TOKEN", 302, app + "/"},
		{"tenant's URL", "logout_hint=SID&post_logout_redirect_uri=" + url.QueryEscape("https://tenant.example/bye"), 302, "https://tenant.example/bye"},
		{"query is compared", "id_token_hint=ID_TOKEN&post_logout_redirect_uri=" + home + "%3Fa", 400, ""},
		{"foreign URL", "id_token_hint=ID_TOKEN&post_logout_redirect_uri=" + url.QueryEscape("https://evil.example/"), 400, ""},
		{"application's URL without a hint", "client_id=web&post_logout_redirect_uri=" + home, 400, ""},
		{"hint of garbage", "id_token_hint=x.y.z", 400, ""},
		{"hint of another application", "id_token_hint=ID_TOKEN&client_id=other", 400, ""},
		{"hint of another session", "id_token_hint=ID_TOKEN&logout_hint=other", 400, ""},
		{"unknown client", "client_id=nope", 400, ""},
		{"no hint", "", 200, ""},
		{"wrong sid", "logout_hint=other&client_id=web&post_logout_redirect_uri=" + home, 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, idToken := signedIn(t, tn)
			_, claims := decode(t, idToken)
			c.add(11 * time.Hour) // the tenant accepts an expired ID token
			res := b.open(base + "/oidc/logout?" + strings.NewReplacer("ID_TOKEN", idToken, "SID", claims["sid"].(string)).Replace(test.query))
			equal(t, "status", res.status, test.status)
			equal(t, "Location", res.header.Get("Location"), test.location)
			equal(t, "still logged in", b.loggedIn(), test.status != 302)
			if test.status == 200 {
				contains(t, res.body, "<h1>Log out?</h1>")
				contains(t, res.body, "Jane Doe")
			}
		})
	}
	t.Run("forged hint", func(t *testing.T) {
		b, _ := signedIn(t, tn)
		tn.SignWithForeignKey(true)
		forged := tn.IDToken("web", "jane@acme.example")
		tn.SignWithForeignKey(false)
		equal(t, "status", b.open(base+"/oidc/logout?id_token_hint="+forged).status, 400)
		equal(t, "still logged in", b.loggedIn(), true)
	})
	t.Run("POST", func(t *testing.T) {
		_, idToken := signedIn(t, tn)
		res := postForm(tn, base+"/oidc/logout", url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {app + "/"}})
		equal(t, "Location", res.header.Get("Location"), app+"/")
	})
	t.Run("no session", func(t *testing.T) {
		res := get(tn, base+"/oidc/logout?post_logout_redirect_uri="+url.QueryEscape("https://tenant.example/bye"))
		equal(t, "Location", res.header.Get("Location"), "https://tenant.example/bye")
	})
}

func TestLogoutConfirmation(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	b, _ := signedIn(t, tn)
	ask := func() response {
		return b.open(base + "/oidc/logout?client_id=web&logout_hint=x&state=s&post_logout_redirect_uri=" + url.QueryEscape(app+"/"))
	}
	page := ask()
	contains(t, b.submit(page, "decline", "decline").body, "<h1>You are still logged in</h1>")
	equal(t, "still logged in", b.loggedIn(), true)
	contains(t, b.submit(page, "accept", "accept").body, "This page has expired")

	page = ask()
	equal(t, "form of another site", postForm(tn, page.url.String(), url.Values{"accept": {"accept"}}, "Sec-Fetch-Site", "cross-site").status, 403)
	equal(t, "Location", b.submit(page, "accept", "accept").header.Get("Location"), app+"/?state=s")
	equal(t, "still logged in", b.loggedIn(), false)
}

func TestSessionsOfTwoBrowsersAreApart(t *testing.T) {
	t.Parallel()
	tn, _ := newTenant(t)
	one, _ := signedIn(t, tn)
	two, _ := signedIn(t, tn)
	one.open(base + "/v2/logout?client_id=web")
	equal(t, "first", one.loggedIn(), false)
	equal(t, "second", two.loggedIn(), true)
}
