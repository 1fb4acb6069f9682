package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// lifetimeOf returns the lifetime of the session cookie in a response: the seconds of
// Max-Age, "browser" for a cookie that ends with the browser, or "" if it sets none.
func lifetimeOf(t *testing.T, resp *testkit.Response) string {
	t.Helper()
	life := ""
	for _, line := range resp.Header.Values("Set-Cookie") {
		if !strings.HasPrefix(line, testkit.SessionCookie+"=") {
			continue
		}
		_, after, persistent := strings.Cut(line, "; Max-Age=")
		if life, _, _ = strings.Cut(after, ";"); !persistent {
			life = "browser"
		}
		if strings.Contains(line, "Expires=") {
			t.Errorf("%s", line)
		}
	}
	return life
}

// TestPersistentCookie: one login chooses whether the cookie outlives the browser. The
// choice stays when the session is prolonged, saved or gets new tokens, and the limits
// of the session do not change.
func TestPersistentCookie(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why         string
		sessionOnly bool // of the application
		opts        []auth0.LoginOption
		persistent  bool
	}{
		{"default", false, nil, true},
		{"default of the application", true, nil, false},
		{"keep me logged in", true, []auth0.LoginOption{auth0.WithPersistentCookie(true)}, true},
		{"do not", false, []auth0.LoginOption{auth0.WithPersistentCookie(false)}, false},
		{"the last counts", false, []auth0.LoginOption{auth0.WithPersistentCookie(true), auth0.WithPersistentCookie(false)}, false},
	} {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedInRefreshing(t, testkit.CheapTokens, m.Edit, func(c *auth0.Config) { c.CookieSessionOnly = tt.sessionOnly })
			e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(tt.opts...))
			e.Mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
				s, err := e.Strategy.Session(r)
				if err != nil {
					t.Error(err)
					return
				}
				s.Data["saved"] = "yes"
				if err := e.Strategy.SaveSession(w, r, s); err != nil {
					t.Error(err)
				}
			})
			check := func(what string, resp *testkit.Response, maxAge string) {
				t.Helper()
				if !tt.persistent {
					maxAge = "browser"
				}
				if got := lifetimeOf(t, resp); got != maxAge {
					t.Errorf("%s, %s: the cookie lives for %q, want %q", tt.why, what, got, maxAge)
				}
			}
			b := e.Browser()
			check("login", b.Login("/begin"), "86400")
			time.Sleep(6 * time.Minute)
			check("prolonged", b.Page("/"), "86400")
			time.Sleep(time.Minute)
			check("saved", b.Page("/save"), "86400")
			time.Sleep(testkit.TokenLife)
			resp := b.Fetch("/token")
			if resp.Status != 200 {
				t.Errorf("%s: token: %d %s", tt.why, resp.Status, resp.Body)
			}
			check("refreshed", resp, "86400")
			time.Sleep(24*time.Hour - time.Second) // after the request for the token
			check("prolonged at the last moment", b.Page("/"), "86400")
			time.Sleep(24 * time.Hour)
			if b.LoggedIn() {
				t.Errorf("%s: the session does not end at its limit", tt.why)
			}
		})
	}
}

// TestPersistentCookieElsewhere: logins without the callback, imported sessions, and a
// store that takes over a session.
func TestPersistentCookieElsewhere(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		want := map[bool]string{true: "86400", false: "browser"}[on]
		e := testkit.SignedInForGrants(t, testkit.CheapTokens, func(c *auth0.Config) { c.CookieSessionOnly = on })
		start := func(why string, login func(w http.ResponseWriter, r *http.Request) (*auth0.Login, error)) {
			t.Helper()
			mux := http.NewServeMux()
			mux.HandleFunc("GET /start", func(w http.ResponseWriter, r *http.Request) {
				l, err := login(w, r)
				if l == nil && err == nil {
					return // started already
				}
				if err == nil {
					err = e.Strategy.StartSession(w, r, l)
				}
				if err != nil {
					t.Errorf("%s: %v", why, err)
				}
			})
			e.App = e.Strategy.LoadUser(mux)
			if got := lifetimeOf(t, e.Browser().Page("/start")); got != want {
				t.Errorf("%s, %v: the cookie lives for %q, want %q", why, on, got, want)
			}
		}
		app := e.Strategy.Application()
		choice := auth0.WithPersistentCookie(on)
		start("password", func(_ http.ResponseWriter, r *http.Request) (*auth0.Login, error) {
			return app.LoginWithPassword(r.Context(), "ada@acme.example", testkit.Password, choice)
		})
		start("password and second factor", func(_ http.ResponseWriter, r *http.Request) (*auth0.Login, error) {
			_, err := app.LoginWithPassword(r.Context(), testkit.MFAUser, testkit.Password, choice)
			sealed, err := e.ExpectError(err, auth0.ErrMFARequired).MFA().Seal()
			if err != nil {
				return nil, err
			}
			factor, err := app.OpenMFA(sealed)
			if err != nil {
				return nil, err
			}
			return factor.LoginWithOTP(r.Context(), testkit.OneTimeCode)
		})
		start("Exchange", func(_ http.ResponseWriter, r *http.Request) (*auth0.Login, error) {
			authURL, transaction, err := app.AuthCodeURL(r.Context(), testkit.CallbackURL, choice)
			if err != nil {
				return nil, err
			}
			return app.Exchange(r.Context(), transaction, e.Browser().AtTenant(testkit.Must(url.Parse(authURL))).Query())
		})
		start("imported", func(w http.ResponseWriter, r *http.Request) (*auth0.Login, error) {
			return nil, e.Strategy.ImportSession(w, r, auth0.ImportedSession{
				User: auth0.User{Subject: "auth0|ada"}, LoggedInAt: time.Now(), PersistentCookie: &on,
				Token: &oauth2.Token{RefreshToken: "refresh"},
			})
		})
	}
	// A link cannot choose.
	if _, err := testkit.SignedIn(t).Strategy.GetConnections(t.Context(), auth0.WithPersistentCookie(true)); err == nil {
		t.Error("an option that a link does not have is accepted for links")
	}
	// Sessions that move to a store keep the choice.
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, testkit.CheapTokens)
		e.Mux.Handle("GET /begin", e.Strategy.LoginHandler(auth0.WithPersistentCookie(false)))
		b := e.Browser()
		b.Login("/begin")
		cfg := e.Config
		cfg.Store, cfg.CookieSessionsUntil = auth0.NewMemoryStore(10), time.Now().Add(time.Hour)
		moved := testkit.SignedIn(t, func(c *auth0.Config) { *c = cfg })
		b.Env = moved
		time.Sleep(6 * time.Minute)
		if got := lifetimeOf(t, b.Page("/")); got != "browser" || !b.LoggedIn() {
			t.Errorf("moved to a store: the cookie lives for %q", got)
		}
	})
}
