package auth0_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// TestLastWordOfAHandler: StartSession, EndSession, SaveSession and AccessToken in
// one handler, in any order, leave the browser as the last that begins or ends a
// session has it; the others change nothing of that.
func TestLastWordOfAHandler(t *testing.T) {
	for _, m := range append(modes, mode{"in a store that is looked into", func(c *auth0.Config) { c.Store = newWatchedStore() }}) {
		t.Run(m.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { lastWords(t, m) }) })
	}
}

func lastWords(t *testing.T, m mode) {
	var e *env
	var steps []string
	var errs map[string]error
	handler := func(w http.ResponseWriter, r *http.Request) {
		errs = map[string]error{}
		before, _ := e.strategy.Session(r)
		for i, step := range steps {
			var err error
			switch step {
			case "start":
				e.as("bob@acme.example")
				err = e.strategy.StartSession(w, r, e.exchanged(t))
			case "again":
				e.as("ada@acme.example")
				err = e.strategy.StartSession(w, r, e.exchanged(t))
			case "end":
				err = e.strategy.EndSession(w, r)
			case "save":
				before.Data["x"] = "y"
				err = e.strategy.SaveSession(w, r, before)
			case "token":
				_, err = e.strategy.AccessToken(w, r)
			case "refresh":
				_, err = e.strategy.AccessToken(w, r, auth0.ForceRefresh())
			}
			errs[fmt.Sprintf("%d %s", i, step)] = err
		}
	}
	e = newRefreshEnv(t, m.edit)
	e.mux.HandleFunc("GET /do", handler)
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
		e.as("ada@acme.example")
		b := e.browser().mustLogin()
		copied := b.clone()
		b.page("/do")
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
					if err == nil || !strings.Contains(err.Error(), "internal") && !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "not that of this request") {
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
		if got := b.page("/").body; got != want {
			t.Errorf("%q: %q, want %q", steps, got, want)
		}
		if store, ok := e.cfg.Store.(*watchedStore); ok {
			alive := 1
			if ended {
				alive = 0
			}
			if n := len(store.sessions()) - others; n != alive {
				t.Errorf("%q: %d sessions are in the store, want %d", steps, n, alive)
			}
			others += alive
		}
		if got := copied.loggedIn(); got == replaced {
			t.Errorf("%q: a copy of the cookie from before is logged in: %v", steps, got)
		}
	}
}

// exchanged is a login of who is signed in at the tenant, without HTTP.
func (e *env) exchanged(t *testing.T) *auth0.Login {
	authURL, sealed, err := e.strategy.AuthCodeURL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(authURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := e.strategy.Exchange(t.Context(), sealed, e.browser().atTenant(u).Query())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestStartSessionAndItsToken: after StartSession the tokens are those of the new
// session.
func TestStartSessionAndItsToken(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		var got, want string
		e.mux.HandleFunc("GET /do", func(w http.ResponseWriter, r *http.Request) {
			l := e.exchanged(t)
			want = l.Token().AccessToken
			if err := e.strategy.StartSession(w, r, l); err != nil {
				t.Error(err)
			}
			token, err := e.strategy.AccessToken(w, r)
			if err != nil {
				t.Fatal(err)
			}
			got = token.AccessToken
		})
		for _, b := range []*browser{e.browser(), e.browser().mustLogin()} {
			e.as("bob@acme.example")
			b.page("/do")
			if got != want {
				t.Error("a token of another session")
			}
			if body := b.page("/").body; body != "home true bob@acme.example" {
				t.Error(body)
			}
			e.as("ada@acme.example")
		}
	})
}

// TestSessionOfAnotherRequest: a *Session that was kept is not saved into another
// person's response.
func TestSessionOfAnotherRequest(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newEnv(t, m.edit)
		var kept *auth0.Session
		var saved error
		e.mux.HandleFunc("GET /keep", func(w http.ResponseWriter, r *http.Request) { kept, _ = e.strategy.Session(r) })
		e.mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) { saved = e.strategy.SaveSession(w, r, kept) })
		ada := e.browser().mustLogin()
		ada.page("/keep")
		stranger := e.browser()
		if stranger.page("/save"); stranger.loggedIn() || !errors.Is(saved, auth0.ErrNoSession) {
			t.Errorf("a stranger is %q; %v", stranger.page("/").body, saved)
		}
		e.as("bob@acme.example")
		bob := e.browser().mustLogin()
		if bob.page("/save"); bob.page("/").body != "home true bob@acme.example" || saved == nil {
			t.Errorf("bob is %q; %v", bob.page("/").body, saved)
		}
		if ada.page("/save"); saved != nil {
			t.Errorf("in another request of the same session: %v", saved)
		}
	})
}

// TestLogoutIsNotUndone: a request that began before a logout and ends after it
// does not give the browser its session back.
func TestLogoutIsNotUndone(t *testing.T) {
	for _, m := range append(modes, mode{"revocable", revocable}) {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newRefreshEnv(t, m.edit)
				var b *browser
				logout := func() { b.clone().logout() } // in another tab
				var saved, refreshed error
				handle := func(path string, f http.HandlerFunc) {
					e.mux.Handle("GET "+path, e.strategy.RequireSession(f))
				}
				handle("/events", func(http.ResponseWriter, *http.Request) { logout() })
				handle("/save", func(w http.ResponseWriter, r *http.Request) {
					s, _ := e.strategy.Session(r)
					logout()
					saved = e.strategy.SaveSession(w, r, s)
				})
				handle("/refresh", func(w http.ResponseWriter, r *http.Request) {
					e.tenant.EditTokenResponse(func(*int, map[string]any) { logout() })
					_, refreshed = e.strategy.AccessToken(w, r, auth0.ForceRefresh())
				})
				for _, path := range []string{"/events", "/save", "/refresh"} {
					e.tenant.EditTokenResponse(nil)
					b = e.browser().mustLogin()
					old := b.clone()
					time.Sleep(6 * time.Minute) // the session is due to be written
					b.do("GET", path, nil, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty")
					if b.loggedIn() {
						t.Errorf("%s: the answer has brought the session back", path)
					}
					if old.loggedIn() {
						t.Errorf("%s: a copy from before is logged in", path)
					}
				}
				if !errors.Is(saved, auth0.ErrNoSession) || !errors.Is(refreshed, auth0.ErrNoSession) {
					t.Errorf("SaveSession: %v; AccessToken: %v", saved, refreshed)
				}
				// Each logout revokes a refresh token; and nobody can use the one that
				// the last refresh has brought.
				synctest.Wait()
				if n := e.tenant.Calls(emulator.Revoke); n != 3+1 {
					t.Errorf("%d refresh tokens were revoked, want 4", n)
				}
			})
		})
	}
}
