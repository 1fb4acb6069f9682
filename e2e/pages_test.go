package e2e

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// npmFile returns a file of an npm package.
func npmFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("node_modules", filepath.FromSlash(name)))
	if err != nil {
		t.Fatalf("run npm ci in e2e: %v", err)
	}
	return string(text)
}

// libraryPages adds the routes that the library answers, and pages that use them.
func (a *app) libraryPages(mux *http.ServeMux, s *auth0.Strategy, show func(string, template.HTML) http.HandlerFunc) {
	const form = `<form method="post" action="/write"><label>Note <textarea name="note"></textarea></label><button>Save</button></form>`
	mux.Handle("GET /write", s.RequireLogin(show("Write", form)))
	mux.Handle("POST /write", s.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/saved?note="+url.QueryEscape(r.FormValue("note")), http.StatusSeeOther) // Turbo needs a redirect
	})))
	mux.HandleFunc("GET /saved", func(w http.ResponseWriter, r *http.Request) {
		show("Saved", template.HTML("<p>Note: "+template.HTMLEscapeString(r.FormValue("note"))+"</p>"))(w, r)
	})
	mux.Handle("GET /boss", s.RequireUser(func(auth0.User) bool { return false })(show("Boss", "")))
	mux.Handle("GET /broken-login", s.LoginHandler(auth0.WithOrganization("\n")))
	logout := s.LogoutHandler()
	quiet := func(w http.ResponseWriter, r *http.Request) { // in a browser that does not report the request's origin
		for _, name := range []string{"Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User", "Referer"} {
			r.Header.Del(name)
		}
		logout.ServeHTTP(w, r)
	}
	mux.HandleFunc("GET /quiet-logout", quiet)
	mux.HandleFunc("POST /quiet-logout", quiet)
	mux.Handle("GET /popup", s.LoginHandler(auth0.WithPopup(a.url)))
	mux.Handle("GET /part", s.RequireLogin(show("Part", `<turbo-frame id="part">The part</turbo-frame>`)))
	mux.Handle("GET /htmx", show("Page with htmx", `<script src="/npm/htmx.org/dist/htmx.min.js"></script>
<button hx-get="/part" hx-target="this">Show the part</button> <button hx-get="/auth/login?returnTo=/htmx%3Fdone">Log in with htmx</button>`))
	mux.Handle("GET /turbo", show("Page with Turbo", `<script src="/npm/@hotwired/turbo/dist/turbo.es2017-umd.js"></script>
<a href="/profile">My profile</a> <a href="/auth/login?returnTo=/turbo">Log in by a link</a><turbo-frame id="part"><a href="/part">Show the part</a></turbo-frame>`+form))
	mux.Handle("GET /npm/", http.StripPrefix("/npm/", http.FileServer(http.Dir("node_modules"))))
}

// A violation is one finding of axe.
type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// accessible fails if axe finds anything in a part of the page. The browser's tools load
// axe past the policy of the page.
func (tb *tab) accessible(what, part string) {
	tb.t.Helper()
	eval[bool](tb, npmFile(tb.t, "axe-core/axe.min.js")+"; true")
	text := eval[string](tb, `axe.run("`+part+`", {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations))`)
	var found []violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		tb.t.Fatal(err)
	}
	for _, v := range found {
		tb.t.Errorf("%s: axe: %s: %s: %+v", what, v.ID, v.Help, v.Nodes)
	}
}

// TestAxeFinds: axe is installed and finds mistakes.
func TestAxeFinds(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	tb.open(app.url + "/")
	eval[bool](tb, npmFile(t, "axe-core/axe.min.js")+"; true")
	got := eval[string](tb, `document.body.innerHTML = '<a style="color:#eee;background:#fff" href="/x">pale</a><img src="data:,">', axe.run().then(r => r.violations.map(v => v.id).join(" "))`)
	for _, want := range []string{"color-contrast", "image-alt", "landmark-one-main"} {
		if !strings.Contains(got, want) {
			t.Errorf("axe does not find %s: %s", want, got)
		}
	}
}

// TestPagesOfTheLibrary: each page of the library is readable on a narrow screen, in
// light and in dark, and axe finds nothing. Only the last page of a pop-up runs a script.
func TestPagesOfTheLibrary(t *testing.T) {
	t.Parallel()
	app, down, lossy := startApp(t, refuseBob), startApp(t, nil), startApp(t, nil)
	down.tenant.Fail(auth0test.Token, http.StatusServiceUnavailable)
	lossy.loseCookie("auth0_session")
	for _, tt := range []struct {
		name, heading string
		open          func(*tab) // until the page is there
	}{
		{"callback", "The login did not work", func(tb *tab) { tb.open(app.url + "/auth/callback?code=x&state=y") }},
		{"options", "The login did not work", func(tb *tab) { tb.open(app.url + "/broken-login") }},
		{"form", "Your form was not sent", func(tb *tab) {
			tb.open(app.url + "/turbo")
			eval[bool](tb, `(() => { const f = document.querySelector("form[action='/write']"); f.dataset.turbo = "false"; f.submit(); return true })()`)
		}},
		{"forbidden", "You have no access to this page", func(tb *tab) {
			tb.open(app.url + "/boss")
			asAda(tb)
		}},
		{"refused", "The login did not work", func(tb *tab) {
			tb.open(app.url + "/profile")
			withPassword(tb, "bob@acme.example")
		}},
		{"outage", "Try again in a minute", func(tb *tab) {
			tb.open(down.url + "/profile")
			asAda(tb)
		}},
		{"loop", "The login did not work", func(tb *tab) {
			tb.open(lossy.url + "/profile")
			asAda(tb)
		}},

		{"popup-refused", "The login was not completed", func(tb *tab) {
			tb.open(app.url + "/popup")
			withPassword(tb, "bob@acme.example")
		}},
		{"ask", "Log out?", func(tb *tab) {
			tb.open(app.url + "/profile")
			asAda(tb)
			tb.reads("Logged in as ada@acme.example")
			tb.open(app.url + "/quiet-logout")
		}},
		{"leave", "You are logged out", func(tb *tab) {
			tb.open(app.url + "/profile")
			asAda(tb)
			tb.reads("Logged in as ada@acme.example")
			stop := tb.holdAt(app.tenant.URL() + "*")
			tb.click("button", "Log out")
			stop()
		}},
		{"popup", "You are logged in", func(tb *tab) {
			tb.open(app.url + "/popup")
			asAda(tb)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tb := newBrowser(t)
			tt.open(tb)
			tb.until("the page", func() (bool, string) {
				heading, err := tryEval[string](tb, `document.querySelector("main h1")?.textContent ?? ""`)
				return heading == tt.heading, fmt.Sprint(heading, err)
			})
			for _, look := range []struct {
				name          string
				width, height int64
				dark          bool
			}{{"wide", 1280, 800, false}, {"wide-dark", 1280, 800, true}, {"narrow", 320, 568, false}, {"narrow-dark", 320, 568, true}} {
				tb.size(look.width, look.height)
				tb.dark(look.dark)
				tb.fits(look.width)
				tb.accessible(tt.name+", "+look.name, "html")
				tb.shot(look.name)
			}
			if !strings.HasPrefix(tt.name, "popup") && eval[int](tb, `document.querySelectorAll("script").length`) != 0 {
				t.Error("the page has a script")
			}
			// The text is as large as on any page.
			if size := eval[string](tb, `getComputedStyle(document.querySelector("main")).fontSize`); size != "16px" {
				t.Errorf("the letters are %s high", size)
			}
		})
	}
}

// TestFormIsKept: a user posts a long form after the session has ended, follows the
// advice of the page, goes back, and finds the form filled in.
func TestFormIsKept(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	const note = "A long note that nobody wants to write twice."
	tb.open(app.url + "/write")
	asAda(tb)
	tb.reads("Write")
	tb.fill("Note", note)
	tb.endSession()
	tb.click("button", "Save")
	tb.reads("Your form was not sent", "go back in this tab and send the form again")
	if d := tb.last(app.url + "/write"); d.status != http.StatusUnauthorized {
		t.Errorf("status %d", d.status)
	}
	tb.click("link", "Log in in a new tab")
	login := tb.opened(app.url + "/write") // the tenant has a session of ada
	login.reads("Logged in as ada@acme.example")
	call(tb, page.BringToFront, cdp.Empty{})
	tb.back()
	if got := eval[string](tb, `document.querySelector("textarea").value`); got != note {
		t.Fatalf("the form has %q", got)
	}
	tb.click("button", "Save")
	tb.reads("Saved", "Note: "+note)
}

// endSession ends the session while the page stays, as another tab can.
func (tb *tab) endSession() {
	tb.t.Helper()
	eval[bool](tb, `fetch("/unguarded-logout", {method: "POST"}).then(() => true)`)
}

// TestHTMX: a visitor clicks on an element that htmx fetches, logs in, and returns to the
// open page.
func TestHTMX(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	for button, end := range map[string]string{"Show the part": "/htmx?tab=2", "Log in with htmx": "/htmx?done"} {
		for _, ended := range []bool{false, true} {
			tb := newBrowser(t)
			if ended {
				tb.open(app.url + "/profile")
				asAda(tb)
				tb.reads("Logged in as ada@acme.example")
			}
			tb.open(app.url + "/htmx?tab=2")
			if ended {
				tb.endSession()
			}
			tb.click("button", button)
			if !ended { // otherwise the tenant has a session of ada
				asAda(tb)
			}
			tb.at(app.url + end)
			tb.reads("Page with htmx", "Logged in as ada@acme.example")
			if got := tb.last(app.url + end).status; got != http.StatusOK {
				t.Errorf("the answer is %d", got)
			}
			if ended && tb.visited(app.url+"/auth/callback") != 2 {
				t.Errorf("%d logins", tb.visited(app.url+"/auth/callback"))
			}
		}
	}
}

// TestTurbo does the same for the three kinds of requests that Turbo makes.
func TestTurbo(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	for link, end := range map[string]string{"My profile": "/profile", "Log in by a link": "/turbo", "Show the part": "/part"} {
		t.Run(end[1:], func(t *testing.T) {
			tb := newBrowser(t)
			tb.open(app.url + "/turbo")
			tb.click("link", link)
			if end == "/part" { // a frame: Turbo shows the response in place of the page
				tb.reads("You need to log in")
				tb.click("link", "Log in")
			}
			asAda(tb)
			tb.at(app.url + end)
			tb.reads("Logged in as ada@acme.example")
		})
	}
	t.Run("ended", func(t *testing.T) {
		for link, end := range map[string]string{"My profile": "/profile", "Show the part": "/part"} {
			tb := newBrowser(t)
			tb.open(app.url + "/profile")
			asAda(tb)
			tb.reads("Logged in as ada@acme.example")
			tb.open(app.url + "/turbo")
			tb.endSession()
			tb.click("link", link)
			if end == "/part" {
				tb.reads("You need to log in")
				tb.click("link", "Log in")
			}
			tb.at(app.url + end) // the tenant has a session of ada
			tb.reads("Logged in as ada@acme.example")
		}
	})
	t.Run("form", func(t *testing.T) {
		const note = "A note"
		tb := newBrowser(t)
		tb.open(app.url + "/turbo")
		tb.fill("Note", note)
		for range 2 { // the second message replaces the first
			tb.click("button", "Save")
			tb.reads("Your form was not sent", "Page with Turbo")
		}
		if got := eval[string](tb, `document.querySelector("textarea").value + document.querySelectorAll("#auth0-message").length`); got != note+"1" {
			t.Errorf("the form has %q", got)
		}
		tb.accessible("message", "#auth0-message")
		tb.shot("message")
		tb.click("link", "Log in in a new tab")
		login := tb.opened(app.tenant.URL())
		asAda(login)
		login.reads("Logged in as ada@acme.example")
		call(tb, page.BringToFront, cdp.Empty{})
		tb.click("button", "Save")
		tb.reads("Saved", "Note: "+note)
	})
}
