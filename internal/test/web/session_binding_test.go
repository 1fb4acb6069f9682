package web_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// cookieNames returns the names of the cookies of a configuration in these tests.
func cookieNames(cfg auth0.Config) (session, transaction, tries, silent string) {
	name := cfg.CookieName
	if name == "" {
		name = "auth0_session"
	}
	prefix := "__Host-"
	if cfg.CookieDomain != "" || cfg.CookiePath != "" {
		prefix = "__Secure-"
	}
	return prefix + name, "__Host-" + strings.TrimSuffix(name, "_session") + "_txn_", "__Host-" + name + "_tries", "__Host-" + name + "_silent"
}

// TestSealedValuesBelongToOneApplication has applications with one secret and one
// store, which differ in one setting. They ignore the values that one of them has
// sealed, and do not delete them. An instance with the same configuration is the
// control.
func TestSealedValuesBelongToOneApplication(t *testing.T) {
	t.Parallel()
	others := []struct {
		why  string
		same bool
		edit func(*auth0.Config)
	}{
		{"another instance", true, func(*auth0.Config) {}},
		{"another base URL", true, func(c *auth0.Config) { c.BaseURL = "https://www.app.example" }},
		{"client id", false, func(c *auth0.Config) { c.ClientID = "staff-application" }},
		{"tenant", false, func(c *auth0.Config) { c.Domain = "other.auth0.example" }},
		{"tenant by URL", false, func(c *auth0.Config) { c.Domain = "https://other.auth0.example/" }},
		{"name of the cookie", false, func(c *auth0.Config) { c.CookieName = "staff_session" }},
		{"path of the cookie", false, func(c *auth0.Config) { c.CookiePath = "/staff" }},
		{"domain of the cookie", false, func(c *auth0.Config) { c.CookieDomain = "app.example" }},
		{"secret", false, func(c *auth0.Config) { c.Secrets = []string{"another-0123456789-secret-of-the-tests"} }},
	}
	store, marks := auth0.NewMemoryStore(1000), auth0.NewMemoryStore(1000)
	for _, m := range []testkit.Mode{{Name: "in cookies", Edit: testkit.InCookies}, {Name: "in a store", Edit: func(c *auth0.Config) { c.Store = store }}, {Name: "revocable", Edit: func(c *auth0.Config) { c.Revocations = marks }}} {
		e := testkit.SignedInForGrants(t, testkit.CheapTokens, m.Edit)
		e.Mux.Handle("GET /silent", e.Strategy.TrySilentLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "seen") })))
		sessionOf, transactionOf, triesOf, silentOf := cookieNames(e.Config)
		for _, o := range others {
			cfg := e.Config
			o.edit(&cfg)
			other, err := auth0.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			session, transaction, tries, silent := cookieNames(cfg)
			app := other.LoadUser(other.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "passed") })))
			// open sends one cookie to the other application.
			open := func(h http.Handler, target, name, value string) *httptest.ResponseRecorder {
				r := httptest.NewRequest("GET", target, nil)
				r.Header.Set("Cookie", name+"="+value)
				r.Header.Set("Sec-Fetch-Mode", "navigate")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				return w
			}
			check := func(what string, accepted bool) {
				t.Helper()
				if accepted != o.same {
					t.Errorf("%s, %s, %s: accepted %v, want %v", m.Name, o.why, what, accepted, o.same)
				}
			}

			b := e.Browser().MustLogin()
			w := open(app, "/", session, b.Cookies[sessionOf])
			check("session", w.Body.String() == "passed")
			for _, line := range w.Header()["Set-Cookie"] {
				if !o.same && strings.HasPrefix(line, session+"=") {
					t.Errorf("%s, %s: a foreign session is not left alone: %s", m.Name, o.why, line)
				}
			}
			if !b.LoggedIn() {
				t.Errorf("%s, %s: the session is gone", m.Name, o.why)
			}

			authURL, sealed, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(authURL)
			answer := url.Values{"state": u.Query()["state"], "error": {"access_denied"}}
			_, err = other.Application().Exchange(t.Context(), sealed, answer)
			check("transaction", !errors.Is(err, auth0.ErrTransactionNotFound))

			b = e.Browser()
			u = b.Begin("/auth/login")
			id := strings.TrimPrefix(b.Transactions()[0], transactionOf)
			callback := other.CallbackHandler()
			w = open(callback, "/auth/callback?error=access_denied&state="+u.Query().Get("state"), transaction+id, b.Cookies[transactionOf+id])
			check("cookie of a transaction", !strings.Contains(w.Body.String(), "not found") && w.Code == http.StatusForbidden)

			_, err = e.Strategy.Application().LoginWithPassword(t.Context(), testkit.MFAUser, testkit.Password)
			var e2 *auth0.Error
			if !errors.As(err, &e2) || e2.MFA() == nil {
				t.Fatalf("no MFA: %v", err)
			}
			factor, err := e2.MFA().Seal()
			if err != nil {
				t.Fatal(err)
			}
			_, err = other.Application().OpenMFA(factor)
			check("MFA", err == nil)

			b = e.Browser()
			for range 3 {
				b.Login("/auth/login?prompt=login")
				delete(b.Cookies, sessionOf)
			}
			w = open(app, "/page", tries, b.Cookies[triesOf])
			check("counter of lost logins", w.Code == http.StatusBadRequest)
			if !o.same && strings.Contains(strings.Join(w.Header()["Set-Cookie"], " "), tries+"=") {
				t.Errorf("%s, %s: a foreign counter is not left alone", m.Name, o.why)
			}
			// A session that comes back does not delete it either.
			own := e.Browser().MustLogin()
			own.Cookies[triesOf] = "v3.of-another-application"
			if resp := own.Page("/"); resp.SetCookies(t)[triesOf] != nil {
				t.Errorf("%s: a page deletes the counter of another application", m.Name)
			}

			b = e.Browser()
			b.Begin("/silent")
			w = open(other.LoadUser(other.TrySilentLogin(http.NotFoundHandler())), "/page", silent, b.Cookies[silentOf])
			check("mark of a silent login", w.Code == http.StatusNotFound && len(w.Header()["Set-Cookie"]) == 0)
		}
	}
}

// TestStoredSessionsBelongToOneApplication: applications that share a store find no
// session of each other, not even with the id of a session.
func TestStoredSessionsBelongToOneApplication(t *testing.T) {
	t.Parallel()
	store := testkit.NewWatchedStore()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
	b := e.Browser().MustLogin()
	staff := testkit.SignedIn(t, func(c *auth0.Config) { *c = e.Config; c.ClientID = "staff-application" })
	// As if an attacker had the id of a session of the other application: the record
	// is stored at the key of this one's cookie.
	records := map[string]testkit.StoredValue{}
	store.Change(func(values map[string]testkit.StoredValue) {
		for key, value := range values {
			if strings.HasPrefix(key, "auth0:session:") {
				records[key] = value
			}
		}
	})
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	if s, err := staff.Strategy.Session(requestWithCookies(b.Cookies)); err == nil {
		t.Errorf("session of %v", s)
	}
}

// TestCookiesOfTheSameName: applications whose session cookies have one name, in two
// paths or for two domains, with one secret.
func TestCookiesOfTheSameName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, domain, otherPath, otherDomain string }{
		{"/one", "", "/two", ""},
		{"", "app.example", "", "example"},
		{"/one", "app.example", "/one", "example"},
	} {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.CookiePath, c.CookieDomain = tt.path, tt.domain })
		other := testkit.SignedIn(t, func(c *auth0.Config) { *c = e.Config; c.CookiePath, c.CookieDomain = tt.otherPath, tt.otherDomain })
		b := e.Browser()
		b.Login("/auth/login")
		r := requestWithCookies(b.Cookies)
		if _, err := e.Strategy.Session(r); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		if s, err := other.Strategy.Session(r); err == nil {
			t.Errorf("%+v: the other has the session of %v", tt, s)
		}
	}
}

func requestWithCookies(cookies map[string]string) *http.Request {
	r := httptest.NewRequest("GET", testkit.AppURL+"/", nil)
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// TestLoginCookiesAreForThisHost: the session has a domain or a path. A sibling host
// or another path could plant the cookie of a login that it started, and have a user
// work in its account.
func TestLoginCookiesAreForThisHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		edit   func(*auth0.Config)
		prefix string // of the session's cookie
	}{
		{"neither", func(*auth0.Config) {}, "__Host-"},
		{"domain", func(c *auth0.Config) { c.CookieDomain = "app.example" }, "__Secure-"},
		{"path", func(c *auth0.Config) { c.CookiePath = "/app" }, "__Secure-"},
		{"both, posted answers", func(c *auth0.Config) {
			c.CookieDomain, c.CookiePath, c.ResponseMode = "app.example", "/app", "form_post"
		}, "__Secure-"},
		{"for as long as the browser is open", func(c *auth0.Config) { c.CookieDomain, c.CookieSessionOnly = "app.example", true }, "__Secure-"},
	} {
		e := testkit.SignedIn(t, tt.edit)
		e.Mux.Handle("GET /silent", e.Strategy.TrySilentLogin(http.NotFoundHandler()))
		b := e.Browser()
		responses := []*testkit.Response{b.Page("/auth/login"), e.Browser().Page("/silent")}
		u := responses[0].Location(t)
		if e.Config.ResponseMode != "form_post" {
			responses = append(responses, b.Callback(b.AtTenant(u)))
		}
		seen := 0
		for _, resp := range responses {
			for _, line := range resp.Header.Values("Set-Cookie") {
				name, rest, _ := strings.Cut(line, "=")
				if strings.HasSuffix(name, "_session") {
					if !strings.HasPrefix(name, tt.prefix) {
						t.Errorf("%s: session cookie %s", tt.why, name)
					}
					continue
				}
				seen++
				if !strings.HasPrefix(name, "__Host-") || !strings.Contains(rest, "; Path=/;") || strings.Contains(rest, "Domain=") || !strings.Contains(rest, "; Secure") {
					t.Errorf("%s: %s=…%s", tt.why, name, rest[strings.IndexByte(rest, ';'):])
				}
			}
		}
		if seen < 3 {
			t.Errorf("%s: %d cookies seen", tt.why, seen)
		}
	}
}

// TestApplicationsInTwoPaths: applications on one host, each with a path for its
// session, do not break each other's logins.
func TestApplicationsInTwoPaths(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, path := range []string{"/one", "/two"} {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.CookiePath = path })
		b := e.Browser()
		b.Begin("/auth/login")
		name := b.Transactions()[0]
		names[name[:len(name)-16]] = true
	}
	if len(names) != 2 {
		t.Errorf("prefixes of transactions: %v", names)
	}
}

// TestCookieSessionsMoveUntil: once sessions are in a store, a session in a cookie
// is accepted until the configured time, because a stolen secret can forge it.
func TestCookieSessionsMoveUntil(t *testing.T) {
	t.Parallel()
	now := testkit.NewClock()
	withClock := func(c *auth0.Config) { c.Now = now.Now }
	old := testkit.SignedIn(t, withClock).Browser().MustLogin()
	for _, tt := range []struct {
		why   string
		until time.Time
		want  bool
	}{
		{"not said", time.Time{}, false},
		{"over", now.Now().Add(-time.Second), false},
		{"now", now.Now(), false},
		{"in an hour", now.Now().Add(time.Hour), true},
	} {
		b := testkit.SignedIn(t, withClock, testkit.InStore, func(c *auth0.Config) { c.CookieSessionsUntil = tt.until }).Browser()
		b.Cookies = map[string]string{testkit.SessionCookie: old.Cookies[testkit.SessionCookie]}
		if got := b.LoggedIn(); got != tt.want {
			t.Errorf("%s: logged in %v", tt.why, got)
		}
		if b.Cookies[testkit.SessionCookie] == "" {
			t.Errorf("%s: the cookie was deleted", tt.why)
		}
		if moved := b.Cookies[testkit.SessionCookie] != old.Cookies[testkit.SessionCookie]; moved != tt.want {
			t.Errorf("%s: moved %v", tt.why, moved)
		}
		// A session that has moved stays.
		now.Add(2 * 3600)
		if got := b.LoggedIn(); got != tt.want {
			t.Errorf("%s: two hours later logged in %v", tt.why, got)
		}
		now.Add(-2 * 3600)
	}
	cfg := testkit.SignedIn(t).Config
	cfg.CookieSessionsUntil = now.Now()
	if _, err := auth0.New(cfg); err == nil || !strings.Contains(err.Error(), "CookieSessionsUntil") {
		t.Errorf("without a store: %v", err)
	}
}

// TestDataStaysInItsOrganization: a user with administrator rights in Data for one
// organization has none in another.
func TestDataStaysInItsOrganization(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		for _, keep := range []func(string) bool{nil, func(name string) bool { return name == "email" }} {
			var data map[string]string
			e := testkit.SignedIn(t, m.Edit, func(c *auth0.Config) {
				c.AcceptOrganizationLinks, c.KeepClaim = true, keep
				c.AfterLogin = func(_ context.Context, l *auth0.Login) error { data = l.Data; return nil }
			})
			e.Mux.HandleFunc("GET /admin", func(w http.ResponseWriter, r *http.Request) {
				s, _ := e.Strategy.Session(r)
				s.Data["admin"] = "yes"
				if err := e.Strategy.SaveSession(w, r, s); err != nil {
					t.Error(err)
				}
			})
			for _, step := range []struct{ first, second, want string }{
				{"?organization=acme-eu", "?organization=acme-labs&prompt=login", ""},
				{"?organization=acme-eu", "?prompt=login", ""},
				{"", "?organization=acme-eu&prompt=login", ""},
				{"?organization=acme-eu", "?organization=acme-eu&prompt=login", "yes"},
				{"", "?prompt=login", "yes"},
			} {
				b := e.Browser()
				b.Login("/auth/login" + step.first)
				b.Page("/admin")
				b.Login("/auth/login" + step.second)
				if data["admin"] != step.want || !b.LoggedIn() {
					t.Errorf("login %q, then %q: Data %v, logged in %v", step.first, step.second, data, b.LoggedIn())
				}
			}
		}
	})
}

// TestLoginEndsTheSessionBefore: a copied cookie from before a login is rejected
// after it, for each kind of callback.
func TestLoginEndsTheSessionBefore(t *testing.T) {
	t.Parallel()
	for _, responseMode := range []auth0.ResponseMode{"query", "form_post"} {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			size := 0
			e := testkit.SignedIn(t, m.Edit, func(c *auth0.Config) {
				c.ResponseMode = responseMode
				c.AfterLogin = func(_ context.Context, l *auth0.Login) error {
					l.Data = map[string]string{"x": strings.Repeat("y", size)}
					return nil
				}
			})
			login := func(b *testkit.Browser) *testkit.Response {
				u := b.Begin("/auth/login?prompt=login")
				if responseMode == "query" {
					return b.Callback(b.AtTenant(u))
				}
				return b.Post(b.FormAtTenant(u))
			}
			b := e.Browser()
			size = 9000
			login(b)
			if !b.LoggedIn() {
				t.Fatal("not logged in")
			}
			before := b.Clone()
			size = 1
			login(b)
			if !b.LoggedIn() {
				t.Errorf("%s: not logged in after the second login: %v", responseMode, slices.Collect(maps.Keys(b.Cookies)))
			}
			if before.LoggedIn() {
				t.Errorf("%s: the copy from before is logged in", responseMode)
			}
			for name := range b.Cookies {
				if strings.HasPrefix(name, testkit.SessionCookie+".") {
					t.Errorf("%s: %s has stayed behind", responseMode, name)
				}
			}
		})
	}
}

// TestEndSessionsOf ends the sessions of one user of one issuer in one application,
// and lets them log in again.
func TestEndSessionsOf(t *testing.T) {
	t.Parallel()
	for _, m := range []testkit.Mode{{Name: "in a store", Edit: testkit.InStore}, {Name: "in a plain store", Edit: testkit.InPlainStore}, {Name: "revocable", Edit: testkit.Revocable}} {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedIn(t, m.Edit)
				other := testkit.SignedIn(t, func(c *auth0.Config) { *c = e.Config; c.ClientID = "staff-application" })
				first, second := e.Browser().MustLogin(), e.Browser().MustLogin()
				e.SignInAtTenant("bob@acme.example")
				bob := e.Browser().MustLogin()
				e.SignInAtTenant("ada@acme.example")
				ada, _ := e.Strategy.Session(requestWithCookies(first.Cookies))
				time.Sleep(time.Minute)
				for _, wrong := range []struct{ issuer, subject string }{{"https://other.example/", ada.User.Subject}, {ada.User.Issuer, ada.User.Subject + "x"}} {
					if err := e.Strategy.EndSessionsOf(t.Context(), wrong.issuer, wrong.subject); err != nil {
						t.Fatal(err)
					}
				}
				if err := other.Strategy.EndSessionsOf(t.Context(), ada.User.Issuer, ada.User.Subject); err != nil {
					t.Fatal(err)
				}
				if !first.Clone().LoggedIn() {
					t.Error("the sessions of somebody else were to end")
				}
				if err := e.Strategy.EndSessionsOf(t.Context(), ada.User.Issuer, ada.User.Subject); err != nil {
					t.Fatal(err)
				}
				if first.LoggedIn() || second.LoggedIn() {
					t.Error("logged in after it")
				}
				if !bob.LoggedIn() {
					t.Error("another user is logged out")
				}
				time.Sleep(time.Second)
				if first.MustLogin(); !first.LoggedIn() {
					t.Error("cannot log in again")
				}
				for _, wrong := range []struct{ issuer, subject string }{{"", ada.User.Subject}, {ada.User.Issuer, ""}} {
					if err := e.Strategy.EndSessionsOf(t.Context(), wrong.issuer, wrong.subject); err == nil {
						t.Errorf("%+v: no error", wrong)
					}
				}
			})
		})
	}
	if err := testkit.SignedIn(t).Strategy.EndSessionsOf(t.Context(), "https://"+testkit.TenantHost+"/", "x"); err == nil || !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "Config.Revocations") {
		t.Errorf("with neither store: %v", err)
	}
	down := testkit.NewWatchedStore()
	down.BreakWith("commit", errors.New("down"))
	if err := testkit.SignedIn(t, func(c *auth0.Config) { c.Revocations = down }).Strategy.EndSessionsOf(t.Context(), "https://"+testkit.TenantHost+"/", "x"); !errors.Is(err, auth0.ErrStoreUnavailable) {
		t.Errorf("store down: %v", err)
	}
}
