package e2e

import (
	"html/template"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
)

// TestLogout is a shared computer: after a logout, neither the back button nor the login
// buttons show the user's pages to the next user.
func TestLogout(t *testing.T) {
	t.Parallel()
	app := startExample(t)
	tenant := app.tenantURL(t)
	tb := newBrowser(t)

	// A new account, because the tenant's login page shows the addresses of its
	// predefined users.
	const email, password = "eve.newcomer@acme.example", "a new password"
	tb.open(app.url + "/")
	tb.click("link", "Username and password")
	tb.click("link", "Sign up")
	tb.reads("Create account")
	tb.shot("sign-up")
	tb.fill("Email address", email)
	tb.fill("Password", password)
	tb.click("button", "Create account")
	tb.at(app.url + "/")
	tb.reads("Good to see you")

	// With a session at the tenant, the tenant asks for no password. The password prompt
	// below is therefore an effect of the logout.
	for _, name := range tb.cookieNames("localhost", "auth0_") {
		call(tb, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: app.url})
	}
	tb.open(app.url + "/")
	tb.reads("Log in to Fieldnotes")
	tb.click("link", "Username and password")
	tb.at(app.url + "/")
	tb.reads("Good to see you", email)

	tb.click("link", "Call the API")
	tb.reads("Call the API")
	tb.click("button", "GET /api/members-only")
	tb.reads("200 /api/members-only")
	tb.click("link", "Profile")
	tb.reads(email)
	before := tb.cookies()
	tb.click("button", "Log out")
	tb.at(app.url + "/")
	tb.reads("Log in to Fieldnotes")
	tb.shot("logged-out")
	if names := tb.cookieNames("localhost", "auth0_session"); len(names) != 0 {
		t.Errorf("after the logout there are the cookies %q", names)
	}
	if names := tb.cookieNames("127.0.0.1", "auth0"); len(names) != 0 {
		t.Errorf("after the logout the tenant has the cookies %q", names)
	}

	// Back, page by page, through every page of the user.
	for _, page := range []string{"profile", "calls", "home"} {
		tb.back()
		tb.shot("back-from-" + page)
		tb.hides("eve.newcomer", "Good to see you", "You have an access token")
	}

	// Protected pages require a login, and the tenant requires the password.
	tb.open(app.url + "/profile")
	tb.at(tenant + "u/login")
	tb.reads("Password")
	tb.open(app.url + "/")
	tb.click("link", "Username and password")
	tb.at(tenant + "u/login")
	tb.reads("Password")
	tb.shot("password-asked-for-again")

	// A copy of the tenant's cookies is worthless: the session ended at the tenant, and
	// not only in the browser.
	var kept []*network.CookieParam
	for _, c := range before {
		if c.Domain == "127.0.0.1" {
			kept = append(kept, &network.CookieParam{Name: c.Name, Value: c.Value, URL: tenant, HTTPOnly: c.HTTPOnly})
		}
	}
	if len(kept) == 0 {
		t.Fatal("the tenant had no cookie")
	}
	tb.setCookies(kept...)
	tb.open(app.url + "/")
	tb.click("link", "Username and password")
	tb.at(tenant + "u/login")
	tb.reads("Password")
}

// TestBackAfterLogout is the control of the test above. The browser shows a page again if
// the page removes the library's cache headers, so the other test would notice one in the
// example.
func TestBackAfterLogout(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	for path, shown := range map[string]bool{"/careless": true, "/profile": false} {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			tb := newBrowser(t)
			tb.open(app.url + "/auth/login?connection=google-oauth2")
			tb.click("button", "Grace Hopper grace@gmail.example")
			tb.reads("Logged in as grace@gmail.example")
			tb.open(app.url + path)
			tb.reads("Logged in as grace@gmail.example")
			// The logout is in another tab, so that this page does not learn of it.
			other := tb.newTab()
			other.open(app.url + "/")
			other.click("button", "Log out")
			other.reads("Nobody is logged in")
			tb.open(app.url + "/")
			tb.reads("Nobody is logged in")
			tb.back()
			tb.shot("back")
			if got := strings.Contains(tb.text(), "grace@gmail.example"); got != shown {
				t.Errorf("after going back to %s the address is shown: %v, want %v:\n%s", path, got, shown, tb.text())
			}
		})
	}
}

// attacks are pages of another site that try to end a user's session.
var attacks = map[string]string{
	"image":  `<img src="{{.}}" onerror="document.title='done'" onload="document.title='done'">`,
	"form":   `<form method="post" action="{{.}}"></form><script>document.forms[0].submit()</script>`,
	"link":   `<a href="{{.}}">Your prize</a>`,
	"frame":  `<iframe src="{{.}}" onload="document.title='done'"></iframe>`,
	"fetch":  `<script>fetch("{{.}}",{method:"POST",mode:"no-cors",credentials:"include"}).finally(()=>{document.title="done"})</script>`,
	"script": `<script>location.replace("{{.}}")</script>`,
}

// startAttacker serves the attacks on the URL given in the query.
func startAttacker(t *testing.T) (port string) {
	t.Helper()
	mux := http.NewServeMux()
	for name, body := range attacks {
		page := template.Must(template.New(name).Parse(`<!doctype html><html lang="en"><title>Another site</title><link rel="icon" href="data:,">` + body + `</html>`))
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			page.Execute(w, r.FormValue("target"))
		})
	}
	mux.HandleFunc("GET /redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.FormValue("target"), http.StatusFound)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	t.Cleanup(func() { server.Close() })
	go server.Serve(listener)
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port
}

// TestForeignLogout: no other site ends a session. That includes a cross-site page, and a
// page on another port of the host, which is same-site and gets the cookies.
func TestForeignLogout(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	port := startAttacker(t)
	tb := newBrowser(t)
	login := func() {
		tb.t.Helper()
		tb.open(app.url + "/auth/login")
		if strings.HasPrefix(tb.url(), app.tenant.URL()) {
			asAda(tb)
		}
		tb.at(app.url + "/")
		tb.reads("Logged in as ada@acme.example")
	}
	attack := func(host, name, target string) request {
		tb.t.Helper()
		app.forget()
		tb.open("http://" + host + ":" + port + "/" + name + "?target=" + app.url + target)
		switch name {
		case "link":
			tb.click("link", "Your prize")
		case "image", "frame", "fetch":
			tb.until("the attack to be over", func() (bool, string) {
				title := eval[string](tb, "document.title")
				return title == "done", title
			})
		}
		if name == "link" || name == "form" || name == "script" {
			tb.at(app.url + target) // only then has the browser processed the response
		}
		return app.seen(tb.t, "the attack", func(r request) bool { return r.path == target })
	}
	survived := func() bool {
		tb.t.Helper()
		tb.open(app.url + "/")
		tb.reads("Start")
		return strings.Contains(tb.text(), "Logged in as ada@acme.example")
	}
	for _, site := range []struct {
		name, host string
		// The attacks that work on an unguarded route. The browser sends cookies from a
		// foreign site only with plain navigations.
		dangerous map[string]bool
	}{
		{"cross-site", "127.0.0.1", map[string]bool{"link": true, "script": true}},
		{"same-site", "localhost", map[string]bool{"image": true, "form": true, "link": true, "frame": true, "fetch": true, "script": true}},
	} {
		for name := range attacks {
			t.Run(site.name+"/"+name, func(t *testing.T) {
				tb.during(t)
				tb.expectFault("frame-ancestors 'none'")
				login()
				r := attack(site.host, name, "/auth/logout")
				if r.status != http.StatusForbidden || r.site != site.name || len(r.setCookie) != 0 {
					t.Errorf("the attack came as %+v", r)
				}
				if name == "link" || name == "form" {
					tb.reads("og out with the button on this site")
					tb.shot("refused")
				}
				if !survived() {
					t.Error("the session is gone")
				}
				if attack(site.host, name, "/unguarded-logout"); survived() == site.dangerous[name] {
					t.Errorf("an unguarded route: session survived, dangerous is %v", site.dangerous[name])
				}
			})
		}
	}

	// The application's own link and form work.
	t.Run("own", func(t *testing.T) {
		tb.during(t)
		login()
		tb.open(app.url + "/")
		eval[string](tb, `document.body.innerHTML = '<a href="/auth/logout">Log out by a link</a>'`)
		tb.click("link", "Log out by a link")
		tb.reads("Nobody is logged in")
		login()
		tb.click("button", "Log out")
		tb.reads("Nobody is logged in")
	})
}

// TestPrefetch: prefetching begins no login and ends no session.
func TestPrefetch(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	for _, kind := range []string{"prefetch", "prerender"} {
		t.Run(kind, func(t *testing.T) {
			tb.during(t)
			app.forget()
			tb.open(app.url + "/" + kind)
			// The second URL on the page proves that the browser prefetches.
			ahead := app.seen(t, "a "+kind, func(r request) bool { return r.path == "/"+kind+"ed" })
			if !strings.Contains(ahead.purpose, "prefetch") {
				t.Fatalf("the browser says %q", ahead.purpose)
			}
			login := app.seen(t, "the login", func(r request) bool { return r.path == "/auth/login" })
			if login.status != http.StatusNoContent || len(login.setCookie) != 0 {
				t.Errorf("the login came as %+v", login)
			}
			if names := tb.cookieNames("localhost", ""); len(names) != 0 {
				t.Errorf("there are the cookies %q", names)
			}
		})
	}
	t.Run("logout", func(t *testing.T) {
		tb.during(t)
		tb.open(app.url + "/auth/login")
		asAda(tb)
		tb.reads("Logged in as ada@acme.example")
		app.forget()
		eval[bool](tb, `(() => { const l = document.createElement("link"); l.rel = "prefetch"; l.href = "/auth/logout"; document.head.append(l); return true })()`)
		r := app.seen(t, "the logout", func(r request) bool { return r.path == "/auth/logout" })
		if r.status != http.StatusNoContent || len(r.setCookie) != 0 {
			t.Errorf("the logout came as %+v", r)
		}
		tb.open(app.url + "/profile")
		tb.reads("Logged in as ada@acme.example")
	})
}

// TestFormsUnderPolicy: pages with form-action 'self' in their policy, as hardening
// guides recommend, log in and out by forms. Chromium applies that policy to redirects
// after a form.
func TestFormsUnderPolicy(t *testing.T) {
	t.Parallel()
	app := startApp(t, nil)
	tb := newBrowser(t)
	tb.open(app.url + "/strict")
	if policy := tb.last(app.url + "/strict").header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self'") {
		t.Fatalf("the page has the policy %q", policy)
	}
	tb.shot("before")
	tb.click("button", "Log in")
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.at(app.url + "/strict")
	tb.reads("Logged in as grace@gmail.example")
	tb.shot("logged-in")
	tb.click("button", "Log out")
	tb.at(app.url + "/")
	tb.reads("Nobody is logged in")
	tb.shot("logged-out")
	// The session at the tenant has ended too: the next login asks.
	tb.open(app.url + "/strict")
	tb.click("button", "Log in")
	tb.reads("Grace Hopper")
}
