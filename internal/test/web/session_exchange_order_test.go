package web_test

import (
	"errors"
	"fmt"
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

// TestLastWordOfAHandler: one handler calls StartSession, EndSession, SaveSession
// and AccessToken in any order. The last call that starts or ends a session decides
// the cookies; the others change none of that.
func TestLastWordOfAHandler(t *testing.T) {
	t.Parallel()
	for _, m := range []testkit.Mode{
		{Name: "in cookies", Edit: testkit.InCookies},
		{Name: "in a store", Edit: testkit.InStore},
		{Name: "in a plain store that is looked into", Edit: func(c *auth0.Config) { c.Store = testkit.NewWatchedStore() }},
	} {
		t.Run(m.Name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { lastWords(t, m) }) })
	}
}

func lastWords(t *testing.T, m testkit.Mode) {
	var e *testkit.Env
	var steps []string
	var errs map[string]error
	handler := func(w http.ResponseWriter, r *http.Request) {
		errs = map[string]error{}
		before, _ := e.Strategy.Session(r)
		for i, step := range steps {
			var err error
			switch step {
			case "start":
				e.SignInAtTenant("bob@acme.example")
				err = e.Strategy.StartSession(w, r, exchangedLogin(e, t))
			case "again":
				e.SignInAtTenant("ada@acme.example")
				err = e.Strategy.StartSession(w, r, exchangedLogin(e, t))
			case "end":
				err = e.Strategy.EndSession(w, r)
			case "save":
				before.Data["x"] = "y"
				err = e.Strategy.SaveSession(w, r, before)
			case "token":
				_, err = e.Strategy.AccessToken(w, r)
			case "refresh":
				_, err = e.Strategy.AccessToken(w, r, auth0.ForceRefresh())
			}
			errs[fmt.Sprintf("%d %s", i, step)] = err
		}
	}
	e = testkit.SignedInRefreshing(t, m.Edit, testkit.CheapTokens)
	e.Mux.HandleFunc("GET /do", handler)
	all := []string{"start", "again", "end", "save", "token", "refresh"}
	var orders [][]string
	for _, a := range all {
		orders = append(orders, []string{a})
		for _, b := range all {
			orders = append(orders, []string{a, b})
			for _, c := range all {
				orders = append(orders, []string{a, b, c})
			}
		}
	}
	others := 0 // sessions of the rows before
	for _, steps = range orders {
		e.SignInAtTenant("ada@acme.example")
		b := e.Browser().MustLogin()
		copied := b.Clone()
		b.Page("/do")
		want, replaced := "home true ada@acme.example", false
		ended := false
		for i, step := range steps {
			err := errs[fmt.Sprintf("%d %s", i, step)]
			var expected error
			switch step {
			case "start":
				want, replaced, ended = "home true bob@acme.example", true, false
			case "again":
				want, replaced, ended = "home true ada@acme.example", true, false
			case "end":
				want, replaced, ended = "home false ", true, true
			case "save":
				if ended {
					expected = auth0.ErrNoSession
				} else if replaced {
					if err == nil || !strings.Contains(err.Error(), "internal") && !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "belongs to another request") {
						t.Errorf("%q, step %d: %v", steps, i, err)
					}
					continue
				}
			case "token", "refresh":
				if ended {
					expected = auth0.ErrNoSession
				}
			}
			if !errors.Is(err, expected) {
				t.Errorf("%q, step %d: %v, want %v", steps, i, err, expected)
			}
		}
		if got := b.Page("/").Body; got != want {
			t.Errorf("%q: %q, want %q", steps, got, want)
		}
		if store, ok := e.Config.Store.(*testkit.WatchedStore); ok {
			alive := 1
			if ended {
				alive = 0
			}
			if n := len(store.Sessions()) - others; n != alive {
				t.Errorf("%q: %d sessions are in the store, want %d", steps, n, alive)
			}
			others += alive
		}
		if got := copied.LoggedIn(); got == replaced {
			t.Errorf("%q: a copy of the cookie from before is logged in: %v", steps, got)
		}
	}
}

// exchangedLogin is a login of the user at the tenant, without HTTP.
func exchangedLogin(e *testkit.Env, t *testing.T) *auth0.Login {
	authURL, sealed, err := e.Strategy.Application().AuthCodeURL(t.Context(), testkit.CallbackURL)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(authURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := e.Strategy.Application().Exchange(t.Context(), sealed, e.Browser().AtTenant(u).Query())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestStartSessionAndItsToken: after StartSession the tokens are those of the new
// session.
func TestStartSessionAndItsToken(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		var got, want string
		e.Mux.HandleFunc("GET /do", func(w http.ResponseWriter, r *http.Request) {
			l := exchangedLogin(e, t)
			want = l.Token().AccessToken
			if err := e.Strategy.StartSession(w, r, l); err != nil {
				t.Error(err)
			}
			token, err := e.Strategy.AccessToken(w, r)
			if err != nil {
				t.Fatal(err)
			}
			got = token.AccessToken
		})
		for _, b := range []*testkit.Browser{e.Browser(), e.Browser().MustLogin()} {
			e.SignInAtTenant("bob@acme.example")
			b.Page("/do")
			if got != want {
				t.Error("a token of another session")
			}
			if body := b.Page("/").Body; body != "home true bob@acme.example" {
				t.Error(body)
			}
			e.SignInAtTenant("ada@acme.example")
		}
	})
}

// TestSessionOfAnotherRequest: a stored *Session is not saved into another user's
// response.
func TestSessionOfAnotherRequest(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedIn(t, m.Edit)
		var kept *auth0.Session
		var saved error
		e.Mux.HandleFunc("GET /keep", func(w http.ResponseWriter, r *http.Request) { kept, _ = e.Strategy.Session(r) })
		e.Mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) { saved = e.Strategy.SaveSession(w, r, kept) })
		ada := e.Browser().MustLogin()
		ada.Page("/keep")
		stranger := e.Browser()
		if stranger.Page("/save"); stranger.LoggedIn() || !errors.Is(saved, auth0.ErrNoSession) {
			t.Errorf("a stranger is %q; %v", stranger.Page("/").Body, saved)
		}
		e.SignInAtTenant("bob@acme.example")
		bob := e.Browser().MustLogin()
		if bob.Page("/save"); bob.Page("/").Body != "home true bob@acme.example" || saved == nil {
			t.Errorf("bob is %q; %v", bob.Page("/").Body, saved)
		}
		if ada.Page("/save"); saved != nil {
			t.Errorf("in another request of the same session: %v", saved)
		}
	})
}

// TestLogoutIsNotUndone: a request that began before a logout and ends after it
// does not restore the browser's session.
func TestLogoutIsNotUndone(t *testing.T) {
	t.Parallel()
	for _, m := range append(testkit.Modes, testkit.Mode{Name: "revocable", Edit: testkit.Revocable}) {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedInRefreshing(t, m.Edit)
				var b *testkit.Browser
				logout := func() { b.Clone().Logout() } // in another tab
				var saved, refreshed error
				handle := func(path string, f http.HandlerFunc) {
					e.Mux.Handle("GET "+path, e.Strategy.RequireSession(f))
				}
				handle("/events", func(http.ResponseWriter, *http.Request) { logout() })
				handle("/save", func(w http.ResponseWriter, r *http.Request) {
					s, _ := e.Strategy.Session(r)
					logout()
					saved = e.Strategy.SaveSession(w, r, s)
				})
				handle("/refresh", func(w http.ResponseWriter, r *http.Request) {
					e.Tenant.EditTokenResponse(func(*int, map[string]any) { logout() })
					_, refreshed = e.Strategy.AccessToken(w, r, auth0.ForceRefresh())
				})
				for _, path := range []string{"/events", "/save", "/refresh"} {
					e.Tenant.EditTokenResponse(nil)
					b = e.Browser().MustLogin()
					old := b.Clone()
					time.Sleep(6 * time.Minute) // the session is due to be written
					b.Do("GET", path, nil, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty")
					if b.LoggedIn() {
						t.Errorf("%s: the answer has brought the session back", path)
					}
					if old.LoggedIn() {
						t.Errorf("%s: a copy from before is logged in", path)
					}
				}
				if !errors.Is(saved, auth0.ErrNoSession) || !errors.Is(refreshed, auth0.ErrNoSession) {
					t.Errorf("SaveSession: %v; AccessToken: %v", saved, refreshed)
				}
				// Each logout revokes a refresh token, and no one can use the token from the
				// last refresh.
				synctest.Wait()
				if n := e.Tenant.Calls(testkit.RevokeEndpoint); n != 3+1 {
					t.Errorf("%d refresh tokens were revoked, want 4", n)
				}
			})
		})
	}
}

// TestOutsideLoadUser has a row for each method that can write a session. Outside LoadUser
// and the guards, nothing knows the session of the response, which can have other data or
// another user. So each method fails before it changes anything, for everybody.
func TestOutsideLoadUser(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit, testkit.CheapTokens)
		s := e.Strategy
		methods := map[string]func(http.ResponseWriter, *http.Request) error{
			"AccessToken": func(w http.ResponseWriter, r *http.Request) error { _, err := s.AccessToken(w, r); return err },
			"TokenSource": func(w http.ResponseWriter, r *http.Request) error { _, err := s.TokenSource(w, r).Token(); return err },
			"SaveSession": func(w http.ResponseWriter, r *http.Request) error {
				found, err := s.Session(r)
				if err != nil {
					return err
				}
				found.Data["a"] = "1"
				return s.SaveSession(w, r, found)
			},
			"StartSession": func(w http.ResponseWriter, r *http.Request) error { return s.StartSession(w, r, exchangedLogin(e, t)) },
			"ImportSession": func(w http.ResponseWriter, r *http.Request) error {
				return s.ImportSession(w, r, auth0.ImportedSession{User: auth0.User{Subject: "auth0|eve"}, LoggedInAt: time.Now()})
			},
			"EndSession":        s.EndSession,
			"ConnectedAccounts": func(w http.ResponseWriter, r *http.Request) error { _, err := s.ConnectedAccounts(w, r); return err },
			"DisconnectAccount": func(w http.ResponseWriter, r *http.Request) error { return s.DisconnectAccount(w, r, "google-oauth2") },
		}
		withoutAccounts := []string{"ConnectedAccounts", "DisconnectAccount"} // the tenant does not allow them here
		anyone := func(auth0.User) bool { return true }
		inside := map[string]func(http.Handler) http.Handler{
			"LoadUser": s.LoadUser, "RequireLogin": s.RequireLogin, "RequireSession": s.RequireSession, "RequireUser": s.RequireUser(anyone),
			"RequireLoginWith": s.RequireLoginWith(), "TrySilentLogin": s.TrySilentLogin, "RequireTokenOrSession": e.NewAPI().RequireTokenOrSession(s),
		}
		for name, method := range methods {
			b := e.Browser().MustLogin()
			before := b.Cookies[testkit.SessionCookie]
			w := httptest.NewRecorder()
			err := method(w, b.Request("/do"))
			if found, ok := errors.AsType[*auth0.Error](err); !ok || found.Reason != "misconfigured" || found.Status != 500 || !strings.Contains(err.Error(), "Strategy.LoadUser") {
				t.Errorf("%s outside: %v", name, err)
			}
			if len(w.Header()) > 0 || b.Cookies[testkit.SessionCookie] != before || !b.LoggedIn() {
				t.Errorf("%s outside: the session changed; %v", name, w.Header())
			}
			for guard, with := range inside {
				b := e.Browser().MustLogin()
				with(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { err = method(w, r) })).ServeHTTP(httptest.NewRecorder(), b.Request("/do"))
				if works := err == nil; works == slices.Contains(withoutAccounts, name) {
					t.Errorf("%s inside %s: %v", name, guard, err)
				}
			}
		}
	})
}

// TestEndSessionInErrorHandler: the routes of this library work outside LoadUser, and so do
// the methods that Config.ErrorHandler calls for them.
func TestEndSessionInErrorHandler(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		var e *testkit.Env
		handled := 0
		e = testkit.SignedIn(t, m.Edit, testkit.CheapTokens, func(c *auth0.Config) {
			c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, refused *auth0.Error) {
				handled++
				if err := e.Strategy.EndSession(w, r); err != nil {
					t.Error(err)
				}
				http.Error(w, "you are logged out", refused.Status)
			}
		})
		b := e.Browser().MustLogin()
		copied := b.Clone()
		e.App = e.Mux
		b.Do("POST", "/auth/logout", url.Values{}, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
		e.App = e.Strategy.LoadUser(e.Mux)
		if handled != 1 || b.LoggedIn() || copied.LoggedIn() {
			t.Errorf("%d errors; logged in: %v, a copy: %v", handled, b.LoggedIn(), copied.LoggedIn())
		}
	})
}

// TestWriteErrorOutsideLoadUser: the page has a link to another login, and the link works.
func TestWriteErrorOutsideLoadUser(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedIn(t, m.Edit, testkit.CheapTokens)
		e.Mux.HandleFunc("GET /fails", func(w http.ResponseWriter, r *http.Request) { e.Strategy.WriteError(w, r, auth0.ErrTokenExpired) })
		b := e.Browser().MustLogin()
		inside := e.App
		e.App = e.Mux
		if resp := b.Page("/fails"); resp.Status != http.StatusUnauthorized || !strings.Contains(resp.Body, "/auth/login") {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
		e.App = inside
		if resp := b.Page("/auth/login"); !strings.Contains(resp.Header.Get("Location"), "/authorize") {
			t.Errorf("the login route answers %d to %s", resp.Status, resp.Header.Get("Location"))
		}
	})
}
