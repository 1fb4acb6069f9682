package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestStoreWithoutSession(t *testing.T) {
	t.Parallel()
	store := testkit.NewWatchedStore()
	e := testkit.SignedIn(t, testkit.CheapTokens, store.Use)
	for range 3 {
		e.Browser().Page("/")
		e.Browser().Page("/private")
		e.Browser().Page("/auth/logout")
	}
	if store.Finds != 0 || len(store.Written()) != 0 || store.Deletes() != 0 {
		t.Errorf("nobody is logged in: %d finds, %d writes, %d deletions", store.Finds, len(store.Written()), store.Deletes())
	}
}

// TestStoredSession: the cookie has an id, the store has the rest, and neither can
// be read from the other.
func TestStoredSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedInRefreshing(t, store.Use, func(c *auth0.Config) { c.KeepIDToken = true })
		e.Tenant.EditIDToken(testkit.Claim("big", strings.Repeat("x", 20_000/4)))
		b := e.Browser()
		resp := b.Login("/auth/login")
		cookie := resp.SetCookies(t)[testkit.SessionCookie]
		if cookie == nil || len(cookie.Value) > 200 || cookie.MaxAge != 86400 {
			t.Fatalf("cookie %v", cookie)
		}
		keys := store.Sessions()
		if len(keys) != 1 {
			t.Fatalf("sessions %q", keys)
		}
		v := store.Value(keys[0])
		if d := time.Until(v.Expiry); d != 24*time.Hour {
			t.Errorf("kept for %v, the cookie for a day", d)
		}
		for _, text := range append(e.Config.HTTPClient.Transport.(*testkit.TokenSpy).Seen(), "ada@acme.example", "Ada Lovelace", "xxxxxxxxxxxx", cookie.Value, cookie.Value[10:40]) {
			if strings.Contains(string(v.Value), text) || strings.Contains(keys[0], text) {
				t.Errorf("the store shows %.20q", text)
			}
		}
		if len(keys[0]) > 80 || strings.Trim(keys[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:") != "" {
			t.Errorf("key %q", keys[0])
		}
		// A key does not work as a cookie.
		for _, value := range []string{keys[0], strings.TrimPrefix(keys[0], "auth0:session:"), string(v.Value)} {
			thief := e.Browser()
			thief.Cookies[testkit.SessionCookie] = value
			if thief.LoggedIn() {
				t.Errorf("%.30q from the store works as a cookie", value)
			}
		}
		// The store keeps the session as long as the browser keeps the cookie.
		time.Sleep(time.Hour)
		cookie = b.Page("/").SetCookies(t)[testkit.SessionCookie]
		if d := time.Until(store.Value(keys[0]).Expiry); cookie == nil || cookie.MaxAge != 86400 || d != 24*time.Hour {
			t.Errorf("prolonged: cookie %v, store %v", cookie, d)
		}
		b.Logout()
		if n := len(store.Sessions()); n != 0 || b.LoggedIn() {
			t.Errorf("after the logout there are %d sessions", n)
		}
	})
}

// TestStoredLimits: the configured limits of today hold for sessions in a store
// too.
func TestStoredLimits(t *testing.T) {
	t.Parallel()
	for why, tt := range map[string]struct {
		edit func(*auth0.Config)
		want bool
	}{
		"as before":               {func(*auth0.Config) {}, true},
		"idle limit shortened":    {func(c *auth0.Config) { c.IdleTimeout = time.Hour }, false},
		"idle limit long enough":  {func(c *auth0.Config) { c.IdleTimeout = 3 * time.Hour }, true},
		"absolute limit shorter":  {func(c *auth0.Config) { c.AbsoluteTimeout = 2 * time.Hour }, false},
		"both limits made longer": {func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = 48*time.Hour, 240*time.Hour }, true},
	} {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedIn(t, testkit.CheapTokens, m.Edit)
			b := e.Browser().MustLogin()
			time.Sleep(2 * time.Hour)
			b.Env = testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store = e.Config.Store; tt.edit(c) })
			if got := b.LoggedIn(); got != tt.want {
				t.Errorf("%s: logged in %v", why, got)
			}
			if got := b.Cookies[testkit.SessionCookie] != ""; got != tt.want {
				t.Errorf("%s: cookie there %v", why, got)
			}
		})
	}
	for why, visits := range map[string][]time.Duration{
		"idle for a day": {24 * time.Hour},
		"used every day, for a week": {20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour,
			20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 9 * time.Hour},
	} {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			b := testkit.SignedIn(t, testkit.CheapTokens, m.Edit).Browser().MustLogin()
			for i, pause := range visits {
				time.Sleep(pause - time.Second)
				if !b.LoggedIn() && i < len(visits)-1 {
					t.Fatalf("%s: ended at visit %d", why, i)
				}
				time.Sleep(time.Second)
			}
			if b.LoggedIn() && len(visits) > 1 {
				t.Errorf("%s: still logged in", why)
			}
		})
	}
}

// TestLengthenedTimeout does not restore an ended session.
func TestLengthenedTimeout(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedIn(t, testkit.CheapTokens, m.Edit, func(c *auth0.Config) { c.IdleTimeout = time.Hour })
		b := e.Browser().MustLogin()
		time.Sleep(time.Hour)
		b.Env = testkit.SignedIn(t, testkit.CheapTokens, func(c *auth0.Config) { c.Store = e.Config.Store })
		if b.LoggedIn() {
			t.Error("the session goes on")
		}
	})
}

// TestStoreHasOneSession for each login, whatever session was there before.
func TestStoreHasOneSession(t *testing.T) {
	t.Parallel()
	store := testkit.NewWatchedStore()
	e := testkit.SignedIn(t, testkit.CheapTokens, store.Use, func(c *auth0.Config) {
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { l.Data["logins"] += "x"; return nil }
	})
	dataOf := func(b *testkit.Browser) string {
		s, err := e.Strategy.Session(b.Request("/"))
		if err != nil {
			t.Error(err)
			return ""
		}
		return s.Data["logins"]
	}
	b := e.Browser().MustLogin()
	old, key := b.Clone(), store.Sessions()[0]
	b.Login("/auth/login?prompt=login")
	if keys := store.Sessions(); len(keys) != 1 || keys[0] == key || dataOf(b) != "xx" {
		t.Errorf("same person: %d sessions, id is new: %v, data %q", len(keys), keys[0] != key, dataOf(b))
	}
	if old.LoggedIn() {
		t.Error("the cookie of before the login still works")
	}
	key = store.Sessions()[0]
	e.SignInAtTenant("bob@acme.example")
	b.Login("/auth/login?prompt=login")
	if keys := store.Sessions(); len(keys) != 1 || keys[0] == key || dataOf(b) != "x" {
		t.Errorf("another person: %d sessions, id is new: %v, data %q", len(keys), keys[0] != key, dataOf(b))
	}
}

// TestPlantedSession: a cookie that an attacker has planted in the browser is not
// the cookie of the login after it.
func TestPlantedSession(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, testkit.CheapTokens, store.Use)
		attacker, _ := e.LoginAs("bob@acme.example")
		if gone { // an id that is not in the store is not accepted either
			store.Change(func(values map[string]testkit.StoredValue) { clear(values) })
		}
		victim := attacker.Clone()
		e.SignInAtTenant("ada@acme.example")
		if resp := victim.Login("/auth/login?prompt=login"); resp.Status != http.StatusSeeOther {
			t.Fatalf("login: %d", resp.Status)
		}
		if victim.Cookies[testkit.SessionCookie] == attacker.Cookies[testkit.SessionCookie] || attacker.Page("/").Body == "home true ada@acme.example" {
			t.Errorf("session gone %v: the attacker has the session of the victim", gone)
		}
		if len(store.Sessions()) != 1 {
			t.Errorf("session gone %v: %d sessions", gone, len(store.Sessions()))
		}
	}
}

// TestStoreAnswersWrong: a wrong value from a store logs no user in.
func TestStoreAnswersWrong(t *testing.T) {
	t.Parallel()
	tests := []struct {
		why  string
		edit func(mine, other []byte) []byte
	}{
		{"nothing", func(_, _ []byte) []byte { return nil }},
		{"empty value", func(_, _ []byte) []byte { return []byte{} }},
		{"garbage", func(_, _ []byte) []byte { return []byte("garbage") }},
		{"JSON", func(_, _ []byte) []byte { return []byte(`{"v":1,"sub":"auth0|x","iss":"https://acme.auth0.example/"}`) }},
		{"half of it", func(mine, _ []byte) []byte { return mine[:len(mine)/2] }},
		{"one byte changed", func(mine, _ []byte) []byte {
			mine = slices.Clone(mine)
			mine[100] = testkit.Flip4(mine[100])[0]
			return mine
		}},
		{"somebody else's record", func(_, other []byte) []byte { return other }},
	}
	for _, tt := range tests {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, testkit.CheapTokens, store.Use)
		other, _ := e.LoginAs("bob@acme.example")
		theirs := store.Sessions()[0]
		b, _ := e.LoginAs("ada@acme.example")
		store.Change(func(values map[string]testkit.StoredValue) {
			for key, v := range values {
				if key != theirs {
					v.Value = tt.edit(v.Value, values[theirs].Value)
					values[key] = v
				}
			}
		})
		if resp := b.Page("/"); resp.Status != 200 || resp.Body != "home false " || resp.SetCookies(t)[testkit.SessionCookie].MaxAge >= 0 {
			t.Errorf("%s: %d %q, cookies %v", tt.why, resp.Status, resp.Body, resp.Header.Values("Set-Cookie"))
		}
		if resp := b.Page("/private"); resp.Status != http.StatusFound {
			t.Errorf("%s: protected page: %d", tt.why, resp.Status)
		}
		if !other.LoggedIn() {
			t.Errorf("%s: the other session ended", tt.why)
		}
	}
}

// TestStoreFailsToRead: whether there is a session is unknown, and no session ends.
func TestStoreFailsToRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedInRefreshing(t, store.Use)
		b := e.Browser().MustLogin()
		before := b.Cookies[testkit.SessionCookie]
		store.BreakWith("find", errors.New("connection lost"))
		for range 10 {
			time.Sleep(6 * time.Minute)
			resp := b.Page("/private")
			if resp.Status != 503 || resp.Header.Get("Retry-After") != "5" || resp.Header.Get("Location") != "" {
				t.Errorf("protected page: %d, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
			}
			if resp := b.Page("/"); resp.Status != 200 || resp.Body != "home false " {
				t.Errorf("public page: %d %q", resp.Status, resp.Body)
			}
			b.NoToken(503, "store_unavailable")
		}
		if !strings.Contains(e.Log.String(), "connection lost") {
			t.Error("nothing in the log")
		}
		store.BreakWith("find", nil)
		if b.Cookies[testkit.SessionCookie] != before || !b.LoggedIn() {
			t.Errorf("afterwards: cookie kept %v, logged in %v", b.Cookies[testkit.SessionCookie] == before, b.LoggedIn())
		}
	})
}

// TestStoreFailsToWrite: no cookie names a missing record.
func TestStoreFailsToWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, testkit.CheapTokens, store.Use)
		store.BreakWith("commit", errors.New("disk full"))
		b := e.Browser()
		resp := b.Login("/auth/login")
		if resp.Status != 503 || resp.SetCookies(t)[testkit.SessionCookie] != nil || b.LoggedIn() {
			t.Errorf("login: %d, cookies %v", resp.Status, resp.Header.Values("Set-Cookie"))
		}
		store.BreakWith("commit", nil)
		b.MustLogin()

		// A page does not depend on whether the session can be prolonged.
		before := b.Cookies[testkit.SessionCookie]
		store.BreakWith("commit", errors.New("disk full"))
		time.Sleep(time.Hour)
		if resp := b.Page("/private"); resp.Status != 200 || b.Cookies[testkit.SessionCookie] != before {
			t.Errorf("page: %d, cookie written %v", resp.Status, b.Cookies[testkit.SessionCookie] != before)
		}
		if log := e.Log.String(); !strings.Contains(log, "could not be prolonged") {
			t.Errorf("log:\n%s", log)
		}
		store.BreakWith("commit", nil)

		// A login that replaces a session does not depend on its deletion.
		store.BreakWith("delete", errors.New("disk full"))
		if resp := b.Login("/auth/login?prompt=login"); resp.Status != http.StatusSeeOther || !b.LoggedIn() {
			t.Errorf("second login: %d", resp.Status)
		}
	})
}

// TestStoreFailsAtLogout: the browser loses the session, and the page says that the
// logout is not complete.
func TestStoreFailsAtLogout(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"commit", "delete"} {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, testkit.CheapTokens, store.Use)
		b := e.Browser().MustLogin()
		store.BreakWith(operation, errors.New("disk full"))
		resp := b.Page("/auth/logout")
		if resp.Status != 503 || b.Cookies[testkit.SessionCookie] != "" || resp.Header.Get("Location") != "" {
			t.Errorf("%s fails: %d, cookie %q", operation, resp.Status, b.Cookies[testkit.SessionCookie])
		}
		if b.LoggedIn() {
			t.Errorf("%s fails: still logged in", operation)
		}
	}
}

// TestLogoutMeanwhile: a request that found the session before a logout neither
// writes it again nor leaves the browser its cookie.
func TestLogoutMeanwhile(t *testing.T) {
	t.Parallel()
	for _, m := range []testkit.Mode{{Name: "in a store", Edit: testkit.InStore}, {Name: "in a plain store", Edit: testkit.InPlainStore}} {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedIn(t, testkit.CheapTokens, m.Edit)
				var saved error
				var tab *testkit.Browser
				e.Mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
					s, err := e.Strategy.Session(r)
					if err != nil {
						t.Error(err)
						return
					}
					tab.Logout()
					s.Data["x"] = "y"
					saved = e.Strategy.SaveSession(w, r, s)
				})
				b := e.Browser().MustLogin()
				tab = b.Clone()
				copied := b.Clone()
				b.Page("/save")
				if !errors.Is(saved, auth0.ErrNoSession) || b.LoggedIn() || copied.LoggedIn() {
					t.Errorf("saved after the logout: %v, logged in %v", saved, copied.LoggedIn())
				}
			})
		})
	}
}

// TestLogoutBeforeProlonging is the same for the library's own writes, at each
// moment between reading and writing.
func TestLogoutBeforeProlonging(t *testing.T) {
	t.Parallel()
	for moment := 2; moment <= 3; moment++ {
		synctest.Test(t, func(t *testing.T) {
			store := testkit.NewWatchedStore()
			e := testkit.SignedIn(t, testkit.CheapTokens, store.Use)
			b := e.Browser().MustLogin()
			time.Sleep(time.Hour)
			key, finds := store.Sessions()[0], 0
			store.OnFind = func(asked string) {
				if asked != key {
					return
				}
				if finds++; finds == moment {
					store.Change(func(values map[string]testkit.StoredValue) { delete(values, key) })
				}
			}
			resp := b.Page("/")
			if c := resp.SetCookies(t)[testkit.SessionCookie]; finds < moment || c == nil || c.MaxAge >= 0 || len(store.Sessions()) != 0 {
				t.Errorf("before find %d of %d: cookie %v, %d sessions", moment, finds, c, len(store.Sessions()))
			}
		})
	}
}

// TestSavedByTwoRequests: each request keeps its changes.
func TestSavedByTwoRequests(t *testing.T) {
	t.Parallel()
	for _, m := range []testkit.Mode{{Name: "in a store", Edit: testkit.InStore}, {Name: "in a plain store", Edit: testkit.InPlainStore}} {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t, testkit.CheapTokens, m.Edit)
			ready := make(chan struct{})
			e.Mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
				s, err := e.Strategy.Session(r)
				if err != nil {
					t.Error(err)
					return
				}
				ready <- struct{}{} // every request has read before one writes
				name := r.URL.Query().Get("name")
				s.Data[name] = "new"
				delete(s.Data, "old "+name)
				if err := e.Strategy.SaveSession(w, r, s); err != nil {
					t.Error(err)
				}
			})
			e.Mux.HandleFunc("GET /begin", func(w http.ResponseWriter, r *http.Request) {
				s, err := e.Strategy.Session(r)
				if err != nil {
					t.Error(err)
					return
				}
				s.Data = map[string]string{"untouched": "old"}
				for i := range 10 {
					s.Data[fmt.Sprint("old ", i)] = "old"
				}
				if err := e.Strategy.SaveSession(w, r, s); err != nil {
					t.Error(err)
				}
			})
			b := e.Browser().MustLogin()
			b.Page("/begin")
			tabs := testkit.Tabs(b, 10)
			go func() {
				synctest.Wait()
				for range 10 {
					<-ready
				}
			}()
			testkit.Together(10, func(i int) { tabs[i].Page(fmt.Sprint("/save?name=", i)) })
			s, err := e.Strategy.Session(b.Request("/"))
			if err != nil || len(s.Data) != 11 || s.Data["untouched"] != "old" || s.Data["7"] != "new" {
				t.Errorf("%s: %v, data %v", m.Name, err, s.Data)
			}
		})
	}
}

// TestStoreIsNotWrittenOften: not every request writes the session.
func TestStoreIsNotWrittenOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, testkit.CheapTokens, store.Use)
		b := e.Browser().MustLogin()
		const pages = 1000
		for range pages {
			time.Sleep(3 * time.Second)
			b.Page("/")
		}
		if n := len(store.Written()) - 1; n > 10 {
			t.Errorf("%d writes for %d pages in 50 minutes", n, pages)
		}
	})
}

// TestFromCookiesToStore and back: no user sees an error, and users with a session
// in a cookie stay logged in.
func TestFromCookiesToStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		cookies := testkit.SignedInRefreshing(t)
		stored := testkit.SignedInRefreshing(t, func(c *auth0.Config) {
			*c = cookies.Config
			c.Store, c.CookieSessionsUntil = store, time.Now().Add(time.Hour)
		})
		b := cookies.Browser().MustLogin()
		token := b.Token()
		inCookie := b.Clone()
		b.Env = stored
		if b.Token() != token {
			t.Error("the token is lost")
		}
		if resp := b.Page("/"); resp.Body != "home true ada@acme.example" || len(b.Cookies[testkit.SessionCookie]) > 200 || len(store.Sessions()) != 1 {
			t.Errorf("%q, cookie of %d bytes, %d sessions in the store", resp.Body, len(b.Cookies[testkit.SessionCookie]), len(store.Sessions()))
		}
		// The old cookie is of the same session, with the current tokens.
		time.Sleep(testkit.TokenLife)
		token = b.Token()
		inCookie.Env = stored
		if inCookie.Token() != token || len(store.Sessions()) != 1 {
			t.Errorf("the old cookie has another token, or is another session: %d sessions", len(store.Sessions()))
		}
		expectSessionOver(stored, b, inCookie)

		// The tokens are refreshed before a page has moved the session.
		b = cookies.Browser().MustLogin()
		b.Env = stored
		time.Sleep(testkit.TokenLife)
		token = b.Token()
		if b.Token() != token || len(store.Sessions()) != 1 {
			t.Errorf("refreshed by a fetch: %d sessions in the store", len(store.Sessions()))
		}
		b.Page("/")
		if b.Token() != token {
			t.Error("moving the session has lost its token")
		}

		// Back again: without a store, the id is not a session.
		b.Env = cookies
		if resp := b.Page("/"); resp.Status != 200 || resp.Body != "home false " || len(resp.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("back: %d %q %v", resp.Status, resp.Body, resp.Header.Values("Set-Cookie"))
		}
		if resp := b.Page("/private"); resp.Status != http.StatusFound {
			t.Errorf("back: %d", resp.Status)
		}
		if b.MustLogin(); len(b.Cookies) == 0 {
			t.Error("no cookie")
		}
		b.Logout()
		if log := cookies.Log.String() + stored.Log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// expectSessionOver logs out in one browser, and expects that the session in the
// other browser has ended too.
func expectSessionOver(e *testkit.Env, b, same *testkit.Browser) {
	e.T.Helper()
	b.Logout()
	if b.LoggedIn() || same.LoggedIn() || same.Fetch("/token").Status == 200 {
		e.T.Error("the session goes on in another cookie")
	}
}

// TestSecretRotationInStore: cookies and records are sealed anew, and users stay
// logged in, as long as both secrets are configured.
func TestSecretRotationInStore(t *testing.T) {
	t.Parallel()
	first, second := testkit.CookieSecret, "second-secret-of-the-tests-after-the-first"
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		b := e.Browser().MustLogin()
		with := func(secrets ...string) {
			b.Env = testkit.SignedInRefreshing(t, func(c *auth0.Config) { *c = e.Config; c.Secrets = secrets })
		}
		with(first, second)
		before := b.Cookies[testkit.SessionCookie]
		if !b.LoggedIn() || b.Cookies[testkit.SessionCookie] != before {
			t.Errorf("another secret behind: logged in %v, sealed again %v", b.LoggedIn(), b.Cookies[testkit.SessionCookie] != before)
		}
		with(second, first)
		if !b.LoggedIn() || b.Cookies[testkit.SessionCookie] == before {
			t.Errorf("new secret in front: logged in %v, sealed again %v", b.LoggedIn(), b.Cookies[testkit.SessionCookie] != before)
		}
		with(second)
		time.Sleep(testkit.TokenLife)
		if !b.LoggedIn() || b.Token() == "" {
			t.Error("the session was not sealed with the first secret")
		}
		with(first)
		if resp := b.Page("/"); resp.Status != 200 || resp.Body != "home false " {
			t.Errorf("secret that is gone: %d %q", resp.Status, resp.Body)
		}
	})
}

// TestClocksOfInstances can differ: no session ends early.
func TestClocksOfInstances(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		base := testkit.SignedIn(t, testkit.CheapTokens, m.Edit)
		var instances []*testkit.Env
		for _, ahead := range []time.Duration{-2 * time.Minute, -time.Minute, 0, time.Minute, 2 * time.Minute} {
			instances = append(instances, testkit.SignedIn(t, func(c *auth0.Config) {
				c.Store, c.Now = base.Config.Store, func() time.Time { return time.Now().Add(ahead) }
			}))
		}
		b := base.Browser().MustLogin()
		for i := range 50 {
			time.Sleep(20 * time.Minute)
			if b.Env = instances[i*3%len(instances)]; !b.LoggedIn() {
				t.Fatalf("logged out at page %d", i)
			}
		}
	})
}

// TestTooLargeSessionAtLogin leaves the existing session alone.
func TestTooLargeSessionAtLogin(t *testing.T) {
	t.Parallel()
	size := 0
	edit := func(c *auth0.Config) {
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { l.Data["x"] = strings.Repeat("y", size); return nil }
	}
	e := testkit.SignedIn(t, edit)
	b := e.Browser().MustLogin()
	before := b.Cookies[testkit.SessionCookie]
	size = 20_000
	resp := b.Login("/auth/login?prompt=login")
	if resp.Status != 500 || !b.LoggedIn() || b.Cookies[testkit.SessionCookie] != before {
		t.Errorf("in cookies: %d, session untouched %v", resp.Status, b.Cookies[testkit.SessionCookie] == before)
	}
	e = testkit.SignedIn(t, edit, testkit.InStore)
	if b = e.Browser().MustLogin(); !b.LoggedIn() {
		t.Error("in a store: not logged in")
	}
}

// TestSplicedSession: parts of two good cookies do not make a third.
func TestSplicedSession(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*auth0.Config){testkit.InCookies, testkit.InStore} {
		e := testkit.SignedIn(t, edit)
		one, two := e.Browser().MustLogin().Cookies[testkit.SessionCookie], e.Browser().MustLogin().Cookies[testkit.SessionCookie]
		for at := 1; at < min(len(one), len(two)); at++ {
			r := httptest.NewRequest("GET", "/", nil)
			spliced := one[:at] + two[at:]
			r.AddCookie(&http.Cookie{Name: testkit.SessionCookie, Value: spliced})
			if _, err := e.Strategy.Session(r); err == nil && spliced != one && spliced != two {
				t.Fatalf("%d characters of one and %d of the other make a session", at, len(two)-at)
			}
			for _, cut := range []string{one[:at], one[at:]} {
				r := httptest.NewRequest("GET", "/", nil)
				r.AddCookie(&http.Cookie{Name: testkit.SessionCookie, Value: cut})
				if _, err := e.Strategy.Session(r); !errors.Is(err, auth0.ErrNoSession) {
					t.Fatalf("%d characters of a cookie: %v", len(cut), err)
				}
			}
		}
	}
}
