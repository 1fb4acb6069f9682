package auth0_test

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
)

// strategyNames are the names of the cookies of a configuration in these tests.
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
// store, which differ in one thing. What is sealed for one is nothing to the
// others, and they leave it alone. An instance with the same configuration is the
// control.
func TestSealedValuesBelongToOneApplication(t *testing.T) {
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
	for _, m := range []mode{{"in cookies", inCookies}, {"in a store", func(c *auth0.Config) { c.Store = store }}, {"revocable", func(c *auth0.Config) { c.Revocations = marks }}} {
		e := newGrantEnv(t, m.edit)
		e.mux.Handle("GET /silent", e.strategy.TrySilentLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "seen") })))
		sessionOf, transactionOf, triesOf, silentOf := cookieNames(e.cfg)
		for _, o := range others {
			cfg := e.cfg
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
					t.Errorf("%s, %s, %s: accepted %v, want %v", m.name, o.why, what, accepted, o.same)
				}
			}

			b := e.browser().mustLogin()
			w := open(app, "/", session, b.cookies[sessionOf])
			check("session", w.Body.String() == "passed")
			for _, line := range w.Header()["Set-Cookie"] {
				if !o.same && strings.HasPrefix(line, session+"=") {
					t.Errorf("%s, %s: a foreign session is not left alone: %s", m.name, o.why, line)
				}
			}
			if !b.loggedIn() {
				t.Errorf("%s, %s: the session is gone", m.name, o.why)
			}

			authURL, sealed, err := e.strategy.AuthCodeURL(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(authURL)
			answer := url.Values{"state": u.Query()["state"], "error": {"access_denied"}}
			_, err = other.Exchange(t.Context(), sealed, answer)
			check("transaction", !errors.Is(err, auth0.ErrTransactionNotFound))

			b = e.browser()
			u = b.begin("/auth/login")
			id := strings.TrimPrefix(b.transactions()[0], transactionOf)
			callback := other.CallbackHandler()
			w = open(callback, "/auth/callback?error=access_denied&state="+u.Query().Get("state"), transaction+id, b.cookies[transactionOf+id])
			check("cookie of a transaction", !strings.Contains(w.Body.String(), "not found") && w.Code == http.StatusForbidden)

			_, err = e.strategy.LoginWithPassword(t.Context(), auth0.PasswordLogin{Username: mfaUser, Password: demoPass})
			var e2 *auth0.Error
			if !errors.As(err, &e2) || e2.MFA == nil {
				t.Fatalf("no MFA: %v", err)
			}
			factor, err := e2.MFA.Seal()
			if err != nil {
				t.Fatal(err)
			}
			_, err = other.OpenMFA(factor)
			check("MFA", err == nil)

			b = e.browser()
			for range 3 {
				b.login("/auth/login?prompt=login")
				delete(b.cookies, sessionOf)
			}
			w = open(app, "/page", tries, b.cookies[triesOf])
			check("counter of lost logins", w.Code == http.StatusBadRequest)

			b = e.browser()
			b.begin("/silent")
			w = open(other.LoadUser(other.TrySilentLogin(http.NotFoundHandler())), "/page", silent, b.cookies[silentOf])
			check("mark of a silent login", w.Code == http.StatusNotFound && len(w.Header()["Set-Cookie"]) == 0)
		}
	}
}

// TestStoredSessionsBelongToOneApplication: applications that share a store find
// nothing of each other in it, not even when one knows the id of a session.
func TestStoredSessionsBelongToOneApplication(t *testing.T) {
	store := newWatchedStore()
	e := newEnv(t, func(c *auth0.Config) { c.Store = store })
	b := e.browser().mustLogin()
	staff := newEnv(t, func(c *auth0.Config) { *c = e.cfg; c.ClientID = "staff-application" })
	// As if an id of the other application had been found out: the record is put
	// where the cookie of this one leads.
	store.mu.Lock()
	records := map[string]storedValue{}
	for key, value := range store.values {
		if strings.HasPrefix(key, "auth0:session:") {
			records[key] = value
		}
	}
	store.mu.Unlock()
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	if s, err := staff.strategy.Session(requestWithCookies(b.cookies)); err == nil {
		t.Errorf("session of %v", s)
	}
}

// TestCookiesOfTheSameName: applications whose session cookies have one name, in two
// paths or for two domains, with one secret.
func TestCookiesOfTheSameName(t *testing.T) {
	for _, tt := range []struct{ path, domain, otherPath, otherDomain string }{
		{"/one", "", "/two", ""},
		{"", "app.example", "", "example"},
		{"/one", "app.example", "/one", "example"},
	} {
		e := newEnv(t, func(c *auth0.Config) { c.CookiePath, c.CookieDomain = tt.path, tt.domain })
		other := newEnv(t, func(c *auth0.Config) { *c = e.cfg; c.CookiePath, c.CookieDomain = tt.otherPath, tt.otherDomain })
		b := e.browser()
		b.login("/auth/login")
		r := requestWithCookies(b.cookies)
		if _, err := e.strategy.Session(r); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		if s, err := other.strategy.Session(r); err == nil {
			t.Errorf("%+v: the other has the session of %v", tt, s)
		}
	}
}

func requestWithCookies(cookies map[string]string) *http.Request {
	r := httptest.NewRequest("GET", appBase+"/", nil)
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// TestLoginCookiesAreForThisHost: with a domain or a path for the session, a sibling
// host or another path could plant the cookie of a login that it has begun itself,
// and have somebody work in its account.
func TestLoginCookiesAreForThisHost(t *testing.T) {
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
		e := newEnv(t, tt.edit)
		e.mux.Handle("GET /silent", e.strategy.TrySilentLogin(http.NotFoundHandler()))
		b := e.browser()
		responses := []*response{b.page("/auth/login"), e.browser().page("/silent")}
		u := responses[0].location(t)
		if e.cfg.ResponseMode != "form_post" {
			responses = append(responses, b.callback(b.atTenant(u)))
		}
		seen := 0
		for _, resp := range responses {
			for _, line := range resp.header.Values("Set-Cookie") {
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
// session, do not disturb each other's logins.
func TestApplicationsInTwoPaths(t *testing.T) {
	names := map[string]bool{}
	for _, path := range []string{"/one", "/two"} {
		e := newEnv(t, func(c *auth0.Config) { c.CookiePath = path })
		b := e.browser()
		b.begin("/auth/login")
		name := b.transactions()[0]
		names[name[:len(name)-16]] = true
	}
	if len(names) != 2 {
		t.Errorf("prefixes of transactions: %v", names)
	}
}

// TestCookieSessionsMoveUntil: once sessions are in a store, one in a cookie is
// accepted until the time that the configuration has, because such a cookie can be
// forged with a stolen secret.
func TestCookieSessionsMoveUntil(t *testing.T) {
	now := newClock()
	withClock := func(c *auth0.Config) { c.Now = now.now }
	old := newEnv(t, withClock).browser().mustLogin()
	for _, tt := range []struct {
		why   string
		until time.Time
		want  bool
	}{
		{"not said", time.Time{}, false},
		{"over", now.now().Add(-time.Second), false},
		{"now", now.now(), false},
		{"in an hour", now.now().Add(time.Hour), true},
	} {
		b := newEnv(t, withClock, inStore, func(c *auth0.Config) { c.CookieSessionsUntil = tt.until }).browser()
		b.cookies = map[string]string{sessionName: old.cookies[sessionName]}
		if got := b.loggedIn(); got != tt.want {
			t.Errorf("%s: logged in %v", tt.why, got)
		}
		if b.cookies[sessionName] == "" {
			t.Errorf("%s: the cookie was deleted", tt.why)
		}
		if moved := b.cookies[sessionName] != old.cookies[sessionName]; moved != tt.want {
			t.Errorf("%s: moved %v", tt.why, moved)
		}
		// Who has moved stays.
		now.add(2 * 3600)
		if got := b.loggedIn(); got != tt.want {
			t.Errorf("%s: two hours later logged in %v", tt.why, got)
		}
		now.add(-2 * 3600)
	}
	cfg := newEnv(t).cfg
	cfg.CookieSessionsUntil = now.now()
	if _, err := auth0.New(cfg); err == nil || !strings.Contains(err.Error(), "CookieSessionsUntil") {
		t.Errorf("without a store: %v", err)
	}
}

// TestDataStaysInItsOrganization: somebody who is an administrator in an
// organization of their own, and says so in Data, is none in another.
func TestDataStaysInItsOrganization(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		for _, keep := range []func(string) bool{nil, func(name string) bool { return name == "email" }} {
			var data map[string]string
			e := newEnv(t, m.edit, func(c *auth0.Config) {
				c.Organizations, c.KeepClaim = true, keep
				c.AfterLogin = func(_ context.Context, l *auth0.Login) error { data = l.Data; return nil }
			})
			e.mux.HandleFunc("GET /admin", func(w http.ResponseWriter, r *http.Request) {
				s, _ := e.strategy.Session(r)
				s.Data["admin"] = "yes"
				if err := e.strategy.SaveSession(w, r, s); err != nil {
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
				b := e.browser()
				b.login("/auth/login" + step.first)
				b.page("/admin")
				b.login("/auth/login" + step.second)
				if data["admin"] != step.want || !b.loggedIn() {
					t.Errorf("login %q, then %q: Data %v, logged in %v", step.first, step.second, data, b.loggedIn())
				}
			}
		}
	})
}

// TestLoginEndsTheSessionBefore: a copy of the cookie from before a login is good
// for nothing after it, whichever way the answer comes.
func TestLoginEndsTheSessionBefore(t *testing.T) {
	for _, responseMode := range []string{"query", "form_post"} {
		inEachMode(t, func(t *testing.T, m mode) {
			size := 0
			e := newEnv(t, m.edit, func(c *auth0.Config) {
				c.ResponseMode = responseMode
				c.AfterLogin = func(_ context.Context, l *auth0.Login) error {
					l.Data = map[string]string{"x": strings.Repeat("y", size)}
					return nil
				}
			})
			login := func(b *browser) *response {
				u := b.begin("/auth/login?prompt=login")
				if responseMode == "query" {
					return b.callback(b.atTenant(u))
				}
				return b.post(b.formAtTenant(u))
			}
			b := e.browser()
			size = 9000
			login(b)
			if !b.loggedIn() {
				t.Fatal("not logged in")
			}
			before := b.clone()
			size = 1
			login(b)
			if !b.loggedIn() {
				t.Errorf("%s: not logged in after the second login: %v", responseMode, slices.Collect(maps.Keys(b.cookies)))
			}
			if before.loggedIn() {
				t.Errorf("%s: the copy from before is logged in", responseMode)
			}
			for name := range b.cookies {
				if strings.HasPrefix(name, sessionName+".") {
					t.Errorf("%s: %s has stayed behind", responseMode, name)
				}
			}
		})
	}
}

// TestEndSessionsOf ends the sessions of one user of one issuer in one application,
// and lets them log in again.
func TestEndSessionsOf(t *testing.T) {
	for _, m := range []mode{{"in a store", inStore}, {"in a plain store", inPlainStore}, {"revocable", revocable}} {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t, m.edit)
				other := newEnv(t, func(c *auth0.Config) { *c = e.cfg; c.ClientID = "staff-application" })
				first, second := e.browser().mustLogin(), e.browser().mustLogin()
				e.as("bob@acme.example")
				bob := e.browser().mustLogin()
				e.as("ada@acme.example")
				ada, _ := e.strategy.Session(requestWithCookies(first.cookies))
				time.Sleep(time.Minute)
				for _, wrong := range []struct{ issuer, subject string }{{"https://other.example/", ada.User.Subject}, {ada.User.Issuer, ada.User.Subject + "x"}} {
					if err := e.strategy.EndSessionsOf(t.Context(), wrong.issuer, wrong.subject); err != nil {
						t.Fatal(err)
					}
				}
				if err := other.strategy.EndSessionsOf(t.Context(), ada.User.Issuer, ada.User.Subject); err != nil {
					t.Fatal(err)
				}
				if !first.clone().loggedIn() {
					t.Error("the sessions of somebody else were to end")
				}
				if err := e.strategy.EndSessionsOf(t.Context(), ada.User.Issuer, ada.User.Subject); err != nil {
					t.Fatal(err)
				}
				if first.loggedIn() || second.loggedIn() {
					t.Error("logged in after it")
				}
				if !bob.loggedIn() {
					t.Error("another user is logged out")
				}
				time.Sleep(time.Second)
				if first.mustLogin(); !first.loggedIn() {
					t.Error("cannot log in again")
				}
				for _, wrong := range []struct{ issuer, subject string }{{"", ada.User.Subject}, {ada.User.Issuer, ""}} {
					if err := e.strategy.EndSessionsOf(t.Context(), wrong.issuer, wrong.subject); err == nil {
						t.Errorf("%+v: no error", wrong)
					}
				}
			})
		})
	}
	if err := newEnv(t).strategy.EndSessionsOf(t.Context(), "https://"+tenantHost+"/", "x"); err == nil || !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "Config.Revocations") {
		t.Errorf("with neither store: %v", err)
	}
	down := newWatchedStore()
	down.fail["commit"] = errors.New("down")
	if err := newEnv(t, func(c *auth0.Config) { c.Revocations = down }).strategy.EndSessionsOf(t.Context(), "https://"+tenantHost+"/", "x"); !errors.Is(err, auth0.ErrStoreUnavailable) {
		t.Errorf("store down: %v", err)
	}
}
