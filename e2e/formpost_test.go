package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/internal/testproc"
)

// formpostEnvironment returns the variables with which the example uses a tenant. They
// include no client secret.
func formpostEnvironment(tenant *auth0test.Tenant) []string {
	cfg := tenant.Config()
	return []string{
		"AUTH0_DOMAIN=" + cfg.Domain,
		"AUTH0_CLIENT_ID=" + cfg.ClientID,
		"AUTH0_SECRET=" + rand.Text() + rand.Text(),
		"APP_BASE_URL=" + cfg.BaseURL,
	}
}

// TestFormPost walks the example as a user does.
func TestFormPost(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "formpost", testproc.FreePort(t))
	tenant := app.tenantURL(t)
	tb := newBrowser(t)
	refused := func(why string) {
		t.Helper()
		before := tb.visited("")
		tb.click("button", "Call API")
		tb.reads("401 /api/time", `"error":"login_required"`, "Log in again")
		if tb.visited("") != before || tb.url() != app.url+"/" {
			t.Errorf("%s: the page was left for %s", why, tb.url())
		}
	}

	tb.open(app.url + "/")
	tb.reads("Log in to Postcard")
	tb.shot("home")
	refused("nobody is logged in")
	tb.shot("call-401")
	if got := eval[string](tb, "fetch('/api/time', {redirect: 'manual'}).then(r => r.status + ' ' + r.type + ' ' + r.headers.get('Content-Type'))"); got != "401 basic application/json" {
		t.Errorf("a script gets %q", got)
	}

	tb.click("link", "Log in again")
	tb.at(tenant + "u/login")
	tb.reads("to continue to Postcard")
	for _, c := range tb.cookies() {
		if strings.HasPrefix(c.Name, "auth0_txn_") && (c.SameSite != network.CookieSameSiteNone || !c.Secure || !c.HTTPOnly) {
			t.Errorf("cookie of the login: SameSite %q, Secure %v, HttpOnly %v", c.SameSite, c.Secure, c.HTTPOnly)
		}
	}
	asAda(tb)
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
	tb.shot("home-logged-in")
	// The response came by POST, so no URL contains any of it.
	if d := tb.last(app.url + "/auth/callback"); d.status != http.StatusSeeOther || d.url != app.url+"/auth/callback" {
		t.Errorf("the callback %s was answered with %d", d.url, d.status)
	}
	if names := tb.cookieNames("localhost", "auth0_txn_"); len(names) != 0 {
		t.Errorf("cookies of logins are left: %q", names)
	}
	session := tb.session("localhost")
	if session.SameSite != network.CookieSameSiteLax || !session.HTTPOnly {
		t.Errorf("session cookie: SameSite %q, HttpOnly %v", session.SameSite, session.HTTPOnly)
	}

	tb.click("button", "Call API")
	tb.reads("200 /api/time", "Hello, Ada.")
	tb.shot("call-200")
	tb.click("link", "Your profile")
	tb.at(app.url + "/profile")
	tb.reads("Ada Lovelace", "ada@acme.example", "verified", "What the ID token says about you")
	tb.shot("profile")

	// A damaged cookie, or an invented one.
	tb.open(app.url + "/")
	good := session.Value
	for why, value := range map[string]string{
		"changed": good[:len(good)-8] + "AAAAAAAA",
		"cut":     good[:len(good)/2],
		"garbage": "garbage",
		"empty":   "",
	} {
		tb.setSession(app.url, value)
		refused(why)
	}
	tb.shot("call-garbage-cookie")
	tb.click("link", "Log in again") // the tenant still has a session
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
	tb.click("button", "Call API")
	tb.reads("200 /api/time")

	tb.click("button", "Log out")
	tb.reads("Log in to Postcard")
	refused("after the logout")
	tb.open(app.url + "/profile")
	tb.at(tenant + "u/login")
	asAda(tb)
	tb.at(app.url + "/profile")
}

// TestFormPostExpired: the session ends while the page is open.
func TestFormPostExpired(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	tenant := serveTenant(t, "http://localhost:"+port)
	env := formpostEnvironment(tenant)
	app := startNamed(t, "formpost", port, env...)
	app.stdout.waitFor(t, "Tenant  "+tenant.URL(), "Open    "+app.url)
	tb := newBrowser(t)
	tb.open(app.url + "/login?returnTo=/")
	tb.at(tenant.URL() + "u/login")
	asAda(tb)
	tb.reads("Good to see you, Ada")

	tb.setSession(app.url, shortSession(t, tenant, strings.TrimPrefix(env[2], "AUTH0_SECRET=")))
	tb.click("button", "Call API")
	tb.reads("200 /api/time")
	tb.until("the session to be over", func() (bool, string) {
		status := eval[int](tb, "fetch('/api/time').then(r => r.status)")
		return status == http.StatusUnauthorized, fmt.Sprint(status)
	})
	tb.click("button", "Call API")
	tb.reads("401 /api/time", "Log in again")
	tb.shot("call-expired")
	if names := tb.cookieNames("localhost", "auth0_session"); len(names) != 0 {
		t.Errorf("the cookie of a session that is over is left: %q", names)
	}
	tb.click("link", "Log in again")
	tb.at(tenant.URL() + "u/login")
	asAda(tb)
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
	tb.click("button", "Call API")
	tb.reads("200 /api/time", "Hello, Ada.")
}

// shortSession logs in to an application with the same secrets whose sessions end
// after seconds, and returns its cookie.
func shortSession(t *testing.T, tenant *auth0test.Tenant, secret string) string {
	t.Helper()
	cfg := tenant.Config()
	cfg.Secrets, cfg.IdleTimeout, cfg.AbsoluteTimeout = []string{secret}, auth0.None, 4*time.Second
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tenant.LogIn("ada@acme.example")
	defer tenant.LogOut()
	begun := httptest.NewRecorder()
	strategy.Handler().ServeHTTP(begun, httptest.NewRequest("GET", cfg.BaseURL+"/auth/login", nil))
	client := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), cfg.BaseURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := client.Get(begun.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	callback := httptest.NewRequest("GET", u.RequestURI(), nil)
	for _, c := range begun.Result().Cookies() {
		callback.AddCookie(c)
	}
	ended := httptest.NewRecorder()
	strategy.Handler().ServeHTTP(ended, callback)
	for _, c := range ended.Result().Cookies() {
		if c.Name == "auth0_session" {
			return c.Value
		}
	}
	t.Fatalf("no session: %d %s", ended.Code, ended.Body)
	return ""
}

// TestFormPostCloud runs the example as in production: https, and a tenant with its own
// host name, so that the form really comes from another site.
func TestFormPostCloud(t *testing.T) {
	t.Parallel()
	c := startNamedCloud(t, "formpost", formpostEnvironment, nil)
	tb := newBrowser(t, c.flags...)
	tb.open(auth0test.AppURL + "/")
	tb.click("link", "Log in")
	tb.at("https://acme.auth0.example/u/login")
	found := false
	for _, cookie := range tb.cookies() {
		if strings.Contains(cookie.Name, "_txn_") {
			found = strings.HasPrefix(cookie.Name, "__Host-auth0_txn_") && cookie.SameSite == network.CookieSameSiteNone && cookie.Secure && cookie.HTTPOnly
		}
	}
	if !found {
		t.Error("there is no cookie of the login as it should be")
	}
	asAda(tb)
	tb.at(auth0test.AppURL + "/")
	tb.reads("Good to see you, Ada")
	tb.click("button", "Call API")
	tb.reads("200 /api/time")
	if n := c.tenant.Calls(auth0test.Token); n != 0 {
		t.Errorf("%d token requests", n)
	}
	tb.click("button", "Log out")
	tb.at(auth0test.AppURL)
	tb.reads("Log in to Postcard")
}

// TestFormPostCancel: an error also comes by POST, and the example shows its own page for
// it.
func TestFormPostCancel(t *testing.T) {
	t.Parallel()
	port := testproc.FreePort(t)
	tenant := serveTenant(t, "http://localhost:"+port)
	app := startNamed(t, "formpost", port, formpostEnvironment(tenant)...)
	tb := newBrowser(t)
	tenant.DenyLogin("access_denied", "<b>no</b>")
	tb.open(app.url + "/login")
	tb.at(app.url + "/auth/callback")
	tb.reads("Login failed", "You canceled the login")
	tb.hides("<b>no</b>")
	tb.shot("denied")
	if d := tb.last(app.url + "/auth/callback"); d.status != http.StatusForbidden {
		t.Errorf("the answer is %d", d.status)
	}
	tb.click("link", "Log in")
	tb.at(tenant.URL() + "u/login")
	asAda(tb)
	tb.at(app.url + "/")
	tb.reads("Good to see you, Ada")
}

// TestFormPostLooks takes pictures on a desktop and on a phone, in light and in dark.
func TestFormPostLooks(t *testing.T) {
	t.Parallel()
	app := startNamed(t, "formpost", testproc.FreePort(t))
	tb := newBrowser(t)
	look := func(name string) {
		for _, dark := range []bool{false, true} {
			for _, width := range []int64{1280, 360} {
				tb.size(width, 800)
				tb.dark(dark)
				tb.fits(width)
				tb.shot(fmt.Sprintf("%s-%d-dark-%v", name, width, dark))
			}
		}
	}
	tb.open(app.url + "/")
	tb.click("button", "Call API")
	tb.reads("401 /api/time")
	look("anonymous")
	tb.size(1280, 800)
	tb.click("link", "Log in")
	asAda(tb)
	tb.reads("Good to see you, Ada")
	tb.click("button", "Call API")
	tb.reads("200 /api/time")
	look("logged-in")
	tb.open(app.url + "/profile")
	look("profile")
}

// session returns the session cookie of the example on this machine.
func (tb *tab) session(host string) *network.Cookie {
	tb.t.Helper()
	for _, c := range tb.cookies() {
		if c.Domain == host && c.Name == "auth0_session" {
			return c
		}
	}
	tb.t.Fatal("there is no session cookie")
	return nil
}

// setSession replaces the session cookie.
func (tb *tab) setSession(url, value string) {
	tb.t.Helper()
	tb.setCookies(&network.CookieParam{
		Name: "auth0_session", Value: value, URL: url + "/", Path: "/", HTTPOnly: true, SameSite: network.CookieSameSiteLax,
	})
}
