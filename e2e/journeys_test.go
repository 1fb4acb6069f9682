package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// refuseBob makes an application that denies only Bob access.
func refuseBob(c *auth0.Config) {
	c.AfterLogin = func(_ context.Context, l *auth0.Login) error {
		if l.User.Email == "bob@acme.example" {
			return auth0.ErrForbidden
		}
		return nil
	}
}

// TestNoReferrer logs in and out on pages with Referrer-Policy: no-referrer. On this
// machine and over https, the browser sends other headers about the origin of a request.
// Over http it sends none, so the application asks before it logs out.
func TestNoReferrer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host string
		asks bool
	}{{"localhost", false}, {"app.acme.example", true}} {
		t.Run(tt.host, func(t *testing.T) {
			t.Parallel()
			app := startAppAt(t, tt.host, func(c *auth0.Config) { c.InsecureHTTP = tt.asks })
			tb := newBrowser(t, "host-resolver-rules=MAP *.example 127.0.0.1")
			for _, way := range []struct{ role, name string }{{"button", "Log out"}, {"link", "Log out by a link"}} {
				tb.open(app.url + "/no-referrer")
				tb.click("button", "Log in by a form")
				asAda(tb)
				tb.at(app.url + "/no-referrer")
				tb.reads("Logged in as ada@acme.example")
				app.forget()
				tb.click(way.role, way.name)
				if tt.asks {
					tb.reads("Log out?")
					tb.shot("question")
					if r := app.seen(t, "the logout", func(r request) bool { return r.path == "/auth/logout" }); r.site != "" || len(r.setCookie) != 0 {
						t.Errorf("the logout came as %+v", r)
					}
					tb.click("button", "Log out")
				}
				tb.at(app.url + "/")
				tb.reads("Nobody is logged in")
				tb.open(app.url + "/profile")
				tb.at(app.tenant.URL() + "u/login") // the tenant has no session either
			}
		})
	}
}

// TestLogoutInOtherTab: two tabs are logged in, and one logs out. Every action in the
// other one then works, and shows nothing of the session.
func TestLogoutInOtherTab(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	for _, tt := range []struct {
		name string
		use  func(tb *tab)
	}{
		{"page", func(tb *tab) {
			tb.open(app.url + "/orders")
			asAda(tb)
			tb.at(app.url + "/orders")
			tb.reads("Logged in as ada@acme.example")
		}},
		{"reload", func(tb *tab) {
			tb.reload()
			tb.at(app.tenant.URL() + "u/login")
			asAda(tb)
			tb.at(app.url + "/profile")
			tb.reads("Logged in as ada@acme.example")
		}},
		{"logout", func(tb *tab) {
			tb.click("button", "Log out")
			tb.at(app.url + "/")
			tb.reads("Nobody is logged in")
			tb.hides("ada")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			one := newBrowser(t)
			two := one.newTab()
			one.open(app.url + "/profile")
			two.open(app.url + "/profile") // both begin before either ends
			asAda(one)
			one.at(app.url + "/profile")
			asAda(two)
			two.at(app.url + "/profile")
			two.reads("Logged in as ada@acme.example")
			one.click("button", "Log out")
			one.at(app.url + "/")
			one.reads("Nobody is logged in")
			two.reads("Logged in as ada@acme.example") // the old page
			tt.use(two)
			two.shot("end")
		})
	}
}

// TestBackAndReload presses the back button and reloads the page at each step of a login.
// Each time the user can go on from there.
func TestBackAndReload(t *testing.T) {
	t.Parallel()
	begin := func(tb *tab, app *app) {
		tb.open(app.url + "/")
		tb.open(app.url + "/orders")
		tb.at(app.tenant.URL() + "u/login")
	}
	in := func(tb *tab, app *app) {
		tb.t.Helper()
		tb.at(app.url + "/orders")
		tb.reads("Orders", "Logged in as ada@acme.example")
	}
	refused := func(tb *tab, app *app) {
		begin(tb, app)
		withPassword(tb, "bob@acme.example")
		tb.at(app.url + "/auth/callback")
		tb.reads("The login did not work", "Your account is not allowed to use this site")
	}
	otherAccount := func(tb *tab, app *app) {
		tb.click("link", "Log in with another account")
		tb.click("button", "Use another account") // at the tenant's prompt
		asAda(tb)
		in(tb, app)
	}
	down := func(tb *tab, app *app) {
		begin(tb, app)
		app.tenant.Fail(auth0test.Token, http.StatusServiceUnavailable)
		asAda(tb)
		tb.at(app.url + "/auth/callback")
		tb.reads("Try again in a minute")
		if d := tb.last(app.url + "/auth/callback"); d.status != http.StatusServiceUnavailable {
			tb.t.Errorf("the answer is %d", d.status)
		}
	}
	loggedOut := func(tb *tab, app *app) {
		begin(tb, app)
		asAda(tb)
		in(tb, app)
		tb.click("button", "Log out")
		tb.at(app.url + "/")
		tb.reads("Nobody is logged in")
	}
	for _, tt := range []struct {
		name string
		walk func(tb *tab, app *app)
	}{
		{"tenant/back", func(tb *tab, app *app) {
			begin(tb, app)
			tb.back()
			tb.at(app.url + "/")
			tb.open(app.url + "/orders")
			asAda(tb)
			in(tb, app)
		}},
		{"tenant/reload", func(tb *tab, app *app) {
			begin(tb, app)
			tb.reload()
			asAda(tb)
			in(tb, app)
		}},
		{"page/reload", func(tb *tab, app *app) {
			begin(tb, app)
			asAda(tb)
			in(tb, app)
			tb.reload()
			in(tb, app)
		}},
		{"page/back", func(tb *tab, app *app) {
			begin(tb, app)
			asAda(tb)
			in(tb, app)
			tb.back() // a page of the tenant, whose login has ended
			tb.shot("back")
			tb.open(app.url + "/orders")
			in(tb, app)
		}},
		{"logout/back", func(tb *tab, app *app) {
			loggedOut(tb, app)
			tb.back()
			tb.hides("Logged in as")
		}},
		{"logout/reload", func(tb *tab, app *app) {
			loggedOut(tb, app)
			tb.reload()
			tb.at(app.url + "/")
			tb.reads("Nobody is logged in")
		}},
		{"refusal/reload", func(tb *tab, app *app) {
			refused(tb, app)
			tb.reload()
			tb.reads("The login did not work", "Your account is not allowed to use this site")
			otherAccount(tb, app)
		}},
		{"refusal/back", func(tb *tab, app *app) {
			refused(tb, app)
			tb.click("link", "Log in with another account")
			tb.at(app.tenant.URL() + "u/account")
			tb.back()
			tb.reads("The login did not work", "Your account is not allowed to use this site")
			otherAccount(tb, app)
		}},
		{"outage/reload", func(tb *tab, app *app) {
			down(tb, app)
			tb.reload()
			tb.reads("Try again in a minute")
			tb.shot("still")
			app.tenant.Fail(auth0test.Token, 0)
			tb.reload() // the tenant's response is still valid
			in(tb, app)
		}},
		{"outage/link", func(tb *tab, app *app) {
			down(tb, app)
			app.tenant.Fail(auth0test.Token, 0)
			tb.click("link", "Log in again")
			in(tb, app) // the tenant has a session
		}},
		{"outage/back", func(tb *tab, app *app) {
			down(tb, app)
			app.tenant.Fail(auth0test.Token, 0)
			tb.back() // a page of the tenant
			tb.open(app.url + "/orders")
			in(tb, app)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			app := startApp(t, refuseBob)
			tb := newBrowser(t)
			tt.walk(tb, app)
			tb.shot("end")
		})
	}
}

// TestKeyboardPages uses the pages of the library without a mouse: a login, the question
// before a logout, and an error page. The focus is visible.
func TestKeyboardPages(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	login := func() {
		tb.t.Helper()
		tb.at(app.tenant.URL() + "u/login")
		tb.showsFocus() // the focus begins in the first field
		tb.types("ada@acme.example")
		tb.key("Tab", "", 9)
		tb.showsFocus()
		tb.types("correct horse")
		tb.enter()
	}

	tb.open(app.url + "/auth/callback?code=x&state=y")
	tb.tabTo("Log in again")
	tb.shot("error")
	tb.enter()
	login()
	tb.at(app.url + "/")
	tb.reads("Logged in as ada@acme.example")

	tb.open(app.url + "/quiet-logout")
	tb.tabTo("Log out")
	tb.shot("question")
	tb.dark(true)
	tb.showsFocus()
	tb.shot("question-dark")
	tb.dark(false)
	tb.enter()
	tb.at(app.url + "/")
	tb.reads("Nobody is logged in")

	tb.tabTo("Log in")
	tb.enter()
	login()
	tb.at(app.url + "/")
	tb.tabTo("Log out")
	tb.enter()
	tb.reads("Nobody is logged in")
	if strings.Contains(tb.text(), "ada") {
		t.Error("the page has not forgotten her")
	}
}
