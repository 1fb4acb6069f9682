package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

// A watchedStore has only what a Store must have. Tests can see what is in it and
// what was asked of it, and make it fail.
type watchedStore struct {
	mu      sync.Mutex
	values  map[string]storedValue
	finds   int
	commits []time.Time // expiries
	deleted int
	fail    map[string]error // by operation: find, commit, delete
	onFind  func(key string) // called first, without the lock
}

type storedValue struct {
	value  []byte
	expiry time.Time
}

func newWatchedStore() *watchedStore {
	return &watchedStore{values: map[string]storedValue{}, fail: map[string]error{}}
}

func (s *watchedStore) Find(key string) ([]byte, bool, error) {
	s.mu.Lock()
	hook := s.onFind
	s.mu.Unlock()
	if hook != nil {
		hook(key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finds++
	v, ok := s.values[key]
	if s.fail["find"] != nil || !ok || !time.Now().Before(v.expiry) {
		return nil, false, s.fail["find"]
	}
	return v.value, true, nil
}

func (s *watchedStore) Commit(key string, value []byte, expiry time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail["commit"] != nil {
		return s.fail["commit"]
	}
	s.commits = append(s.commits, expiry)
	s.values[key] = storedValue{slices.Clone(value), expiry}
	return nil
}

func (s *watchedStore) Delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted++
	if s.fail["delete"] == nil {
		delete(s.values, key)
	}
	return s.fail["delete"]
}

// breakWith makes an operation fail, or work again.
func (s *watchedStore) breakWith(operation string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[operation] = err
}

func (s *watchedStore) written() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commits)
}

func (s *watchedStore) deletes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted
}

// sessions returns the keys of sessions.
func (s *watchedStore) sessions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if strings.HasPrefix(key, "auth0:session:") {
			keys = append(keys, key)
		}
	}
	return keys
}

func (s *watchedStore) change(edit func(map[string]storedValue)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(s.values)
}

func (s *watchedStore) edit(c *auth0.Config) { c.Store = s }

func TestStoreWithoutSession(t *testing.T) {
	store := newWatchedStore()
	e := newEnv(t, store.edit)
	for range 3 {
		e.browser().page("/")
		e.browser().page("/private")
		e.browser().page("/auth/logout")
	}
	if store.finds != 0 || len(store.written()) != 0 || store.deletes() != 0 {
		t.Errorf("nobody is logged in: %d finds, %d writes, %d deletions", store.finds, len(store.written()), store.deletes())
	}
}

// TestStoredSession: the cookie has an id, the store has the rest, and neither
// can be read from the other.
func TestStoredSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatchedStore()
		e := newRefreshEnv(t, store.edit, func(c *auth0.Config) { c.KeepIDToken = true })
		e.tenant.EditIDToken(func(_, c map[string]any) { c["big"] = strings.Repeat("x", 20_000/4) })
		b := e.browser()
		resp := b.login("/auth/login")
		cookie := resp.setCookies(t)[sessionName]
		if cookie == nil || len(cookie.Value) > 200 || cookie.MaxAge != 86400 {
			t.Fatalf("cookie %v", cookie)
		}
		keys := store.sessions()
		if len(keys) != 1 {
			t.Fatalf("sessions %q", keys)
		}
		v := store.values[keys[0]]
		if d := time.Until(v.expiry); d != 24*time.Hour {
			t.Errorf("kept for %v, the cookie for a day", d)
		}
		for _, text := range append(e.cfg.HTTPClient.Transport.(*tokenSpy).seen(), "ada@acme.example", "Lovelace", "xxxxxxxx", cookie.Value, cookie.Value[10:40]) {
			if strings.Contains(string(v.value), text) || strings.Contains(keys[0], text) {
				t.Errorf("the store shows %.20q", text)
			}
		}
		if len(keys[0]) > 80 || strings.Trim(keys[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:") != "" {
			t.Errorf("key %q", keys[0])
		}
		// A key is no cookie.
		for _, value := range []string{keys[0], strings.TrimPrefix(keys[0], "auth0:session:"), string(v.value)} {
			thief := e.browser()
			thief.cookies[sessionName] = value
			if thief.loggedIn() {
				t.Errorf("%.30q from the store works as a cookie", value)
			}
		}
		// It lives as long in the store as in the browser.
		time.Sleep(time.Hour)
		cookie = b.page("/").setCookies(t)[sessionName]
		if d := time.Until(store.values[keys[0]].expiry); cookie == nil || cookie.MaxAge != 86400 || d != 24*time.Hour {
			t.Errorf("prolonged: cookie %v, store %v", cookie, d)
		}
		b.logout()
		if n := len(store.sessions()); n != 0 || b.loggedIn() {
			t.Errorf("after the logout there are %d sessions", n)
		}
	})
}

// TestStoredLimits: the limits of today hold for sessions in a store too.
func TestStoredLimits(t *testing.T) {
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
		inEachMode(t, func(t *testing.T, m mode) {
			e := newEnv(t, m.edit)
			b := e.browser().mustLogin()
			time.Sleep(2 * time.Hour)
			b.e = newEnv(t, func(c *auth0.Config) { c.Store = e.cfg.Store; tt.edit(c) })
			if got := b.loggedIn(); got != tt.want {
				t.Errorf("%s: logged in %v", why, got)
			}
			if got := b.cookies[sessionName] != ""; got != tt.want {
				t.Errorf("%s: cookie there %v", why, got)
			}
		})
	}
	for why, visits := range map[string][]time.Duration{
		"idle for a day": {24 * time.Hour},
		"used every day, for a week": {20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour,
			20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 9 * time.Hour},
	} {
		inEachMode(t, func(t *testing.T, m mode) {
			b := newEnv(t, m.edit).browser().mustLogin()
			for i, pause := range visits {
				time.Sleep(pause - time.Second)
				if !b.loggedIn() && i < len(visits)-1 {
					t.Fatalf("%s: ended at visit %d", why, i)
				}
				time.Sleep(time.Second)
			}
			if b.loggedIn() && len(visits) > 1 {
				t.Errorf("%s: still logged in", why)
			}
		})
	}
}

// TestLengthenedTimeout does not bring back what was over.
func TestLengthenedTimeout(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newEnv(t, m.edit, func(c *auth0.Config) { c.IdleTimeout = time.Hour })
		b := e.browser().mustLogin()
		time.Sleep(time.Hour)
		b.e = newEnv(t, func(c *auth0.Config) { c.Store = e.cfg.Store })
		if b.loggedIn() {
			t.Error("the session goes on")
		}
	})
}

// TestStoreHasOneSession for each login, whatever was there before.
func TestStoreHasOneSession(t *testing.T) {
	store := newWatchedStore()
	e := newEnv(t, store.edit, func(c *auth0.Config) {
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { l.Data["logins"] += "x"; return nil }
	})
	dataOf := func(b *browser) string {
		s, err := e.strategy.Session(b.request("/"))
		if err != nil {
			t.Error(err)
			return ""
		}
		return s.Data["logins"]
	}
	b := e.browser().mustLogin()
	old, key := b.clone(), store.sessions()[0]
	b.login("/auth/login?prompt=login")
	if keys := store.sessions(); len(keys) != 1 || keys[0] == key || dataOf(b) != "xx" {
		t.Errorf("same person: %d sessions, id is new: %v, data %q", len(keys), keys[0] != key, dataOf(b))
	}
	if old.loggedIn() {
		t.Error("the cookie of before the login still works")
	}
	key = store.sessions()[0]
	e.as("bob@acme.example")
	b.login("/auth/login?prompt=login")
	if keys := store.sessions(); len(keys) != 1 || keys[0] == key || dataOf(b) != "x" {
		t.Errorf("another person: %d sessions, id is new: %v, data %q", len(keys), keys[0] != key, dataOf(b))
	}
}

// TestPlantedSession: a cookie that somebody else has put into the browser is
// not the one of the login that follows.
func TestPlantedSession(t *testing.T) {
	for _, gone := range []bool{false, true} {
		store := newWatchedStore()
		e := newEnv(t, store.edit)
		attacker, _ := e.loginAs("bob@acme.example")
		if gone { // an id that is not in the store is not taken into use either
			store.change(func(values map[string]storedValue) { clear(values) })
		}
		victim := attacker.clone()
		e.as("ada@acme.example")
		if resp := victim.login("/auth/login?prompt=login"); resp.status != http.StatusSeeOther {
			t.Fatalf("login: %d", resp.status)
		}
		if victim.cookies[sessionName] == attacker.cookies[sessionName] || attacker.page("/").body == "home true ada@acme.example" {
			t.Errorf("session gone %v: the attacker has the session of the victim", gone)
		}
		if len(store.sessions()) != 1 {
			t.Errorf("session gone %v: %d sessions", gone, len(store.sessions()))
		}
	}
}

// TestStoreAnswersWrong: nobody is logged in by what a store returns by mistake.
func TestStoreAnswersWrong(t *testing.T) {
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
			mine[100] = flip4(mine[100])[0]
			return mine
		}},
		{"somebody else's record", func(_, other []byte) []byte { return other }},
	}
	for _, tt := range tests {
		store := newWatchedStore()
		e := newEnv(t, store.edit)
		other, _ := e.loginAs("bob@acme.example")
		theirs := store.sessions()[0]
		b, _ := e.loginAs("ada@acme.example")
		store.change(func(values map[string]storedValue) {
			for key, v := range values {
				if key != theirs {
					v.value = tt.edit(v.value, values[theirs].value)
					values[key] = v
				}
			}
		})
		if resp := b.page("/"); resp.status != 200 || resp.body != "home false " || resp.setCookies(t)[sessionName].MaxAge >= 0 {
			t.Errorf("%s: %d %q, cookies %v", tt.why, resp.status, resp.body, resp.header.Values("Set-Cookie"))
		}
		if resp := b.page("/private"); resp.status != http.StatusFound {
			t.Errorf("%s: protected page: %d", tt.why, resp.status)
		}
		if !other.loggedIn() {
			t.Errorf("%s: the other session ended", tt.why)
		}
	}
}

// TestStoreFailsToRead: it is not known whether somebody is logged in. Nobody is
// logged out by that.
func TestStoreFailsToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatchedStore()
		e := newRefreshEnv(t, store.edit)
		b := e.browser().mustLogin()
		before := b.cookies[sessionName]
		store.breakWith("find", errors.New("connection lost"))
		for range 10 {
			time.Sleep(6 * time.Minute)
			resp := b.page("/private")
			if resp.status != 503 || resp.header.Get("Retry-After") != "5" || resp.header.Get("Location") != "" {
				t.Errorf("protected page: %d, Retry-After %q", resp.status, resp.header.Get("Retry-After"))
			}
			if resp := b.page("/"); resp.status != 200 || resp.body != "home false " {
				t.Errorf("public page: %d %q", resp.status, resp.body)
			}
			b.noToken(503, "store_unavailable")
		}
		if !strings.Contains(e.log.String(), "connection lost") {
			t.Error("nothing in the log")
		}
		store.breakWith("find", nil)
		if b.cookies[sessionName] != before || !b.loggedIn() {
			t.Errorf("afterwards: cookie kept %v, logged in %v", b.cookies[sessionName] == before, b.loggedIn())
		}
	})
}

// TestStoreFailsToWrite: no cookie names what is not there.
func TestStoreFailsToWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatchedStore()
		e := newEnv(t, store.edit)
		store.breakWith("commit", errors.New("disk full"))
		b := e.browser()
		resp := b.login("/auth/login")
		if resp.status != 500 || resp.setCookies(t)[sessionName] != nil || b.loggedIn() {
			t.Errorf("login: %d, cookies %v", resp.status, resp.header.Values("Set-Cookie"))
		}
		store.breakWith("commit", nil)
		b.mustLogin()

		// A page does not depend on whether the session can be prolonged.
		before := b.cookies[sessionName]
		store.breakWith("commit", errors.New("disk full"))
		time.Sleep(time.Hour)
		if resp := b.page("/private"); resp.status != 200 || b.cookies[sessionName] != before {
			t.Errorf("page: %d, cookie written %v", resp.status, b.cookies[sessionName] != before)
		}
		if log := e.log.String(); !strings.Contains(log, "could not be prolonged") {
			t.Errorf("log:\n%s", log)
		}
		store.breakWith("commit", nil)

		// A login that replaces a session does not depend on its deletion.
		store.breakWith("delete", errors.New("disk full"))
		if resp := b.login("/auth/login?prompt=login"); resp.status != http.StatusSeeOther || !b.loggedIn() {
			t.Errorf("second login: %d", resp.status)
		}
	})
}

// TestStoreFailsAtLogout: the browser forgets the session, and is told that this
// was not all.
func TestStoreFailsAtLogout(t *testing.T) {
	for _, operation := range []string{"commit", "delete"} {
		store := newWatchedStore()
		e := newEnv(t, store.edit)
		b := e.browser().mustLogin()
		store.breakWith(operation, errors.New("disk full"))
		resp := b.page("/auth/logout")
		if resp.status != 503 || b.cookies[sessionName] != "" || resp.header.Get("Location") != "" {
			t.Errorf("%s fails: %d, cookie %q", operation, resp.status, b.cookies[sessionName])
		}
		if b.loggedIn() {
			t.Errorf("%s fails: still logged in", operation)
		}
	}
}

// TestLogoutMeanwhile: a request that found the session before a logout neither
// writes it again nor leaves the browser with its cookie.
func TestLogoutMeanwhile(t *testing.T) {
	for _, m := range []mode{{"in a store", inStore}, {"in a plain store", inPlainStore}} {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnv(t, m.edit)
				var saved error
				var tab *browser
				e.mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
					s, err := e.strategy.Session(r)
					if err != nil {
						t.Error(err)
						return
					}
					tab.logout()
					s.Data["x"] = "y"
					saved = e.strategy.SaveSession(w, r, s)
				})
				b := e.browser().mustLogin()
				tab = b.clone()
				copied := b.clone()
				b.page("/save")
				if !errors.Is(saved, auth0.ErrNoSession) || b.loggedIn() || copied.loggedIn() {
					t.Errorf("saved after the logout: %v, logged in %v", saved, copied.loggedIn())
				}
			})
		})
	}
}

// TestLogoutBeforeProlonging is the same for the library's own writing, at each
// moment between reading and writing.
func TestLogoutBeforeProlonging(t *testing.T) {
	for moment := 2; moment <= 3; moment++ {
		synctest.Test(t, func(t *testing.T) {
			store := newWatchedStore()
			e := newEnv(t, store.edit)
			b := e.browser().mustLogin()
			time.Sleep(time.Hour)
			key, finds := store.sessions()[0], 0
			store.onFind = func(asked string) {
				if asked != key {
					return
				}
				if finds++; finds == moment {
					store.change(func(values map[string]storedValue) { delete(values, key) })
				}
			}
			resp := b.page("/")
			if c := resp.setCookies(t)[sessionName]; finds < moment || c == nil || c.MaxAge >= 0 || len(store.sessions()) != 0 {
				t.Errorf("before find %d of %d: cookie %v, %d sessions", moment, finds, c, len(store.sessions()))
			}
		})
	}
}

// TestSavedByTwoRequests: each keeps what it has changed.
func TestSavedByTwoRequests(t *testing.T) {
	for _, m := range []mode{{"in a store", inStore}, {"in a plain store", inPlainStore}} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, m.edit)
			ready := make(chan struct{})
			e.mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
				s, err := e.strategy.Session(r)
				if err != nil {
					t.Error(err)
					return
				}
				ready <- struct{}{} // all have read before one writes
				name := r.URL.Query().Get("name")
				s.Data[name] = "new"
				delete(s.Data, "old "+name)
				if err := e.strategy.SaveSession(w, r, s); err != nil {
					t.Error(err)
				}
			})
			e.mux.HandleFunc("GET /begin", func(w http.ResponseWriter, r *http.Request) {
				s, err := e.strategy.Session(r)
				if err != nil {
					t.Error(err)
					return
				}
				s.Data = map[string]string{"untouched": "old"}
				for i := range 10 {
					s.Data[fmt.Sprint("old ", i)] = "old"
				}
				if err := e.strategy.SaveSession(w, r, s); err != nil {
					t.Error(err)
				}
			})
			b := e.browser().mustLogin()
			b.page("/begin")
			tabs := tabs(b, 10)
			go func() {
				synctest.Wait()
				for range 10 {
					<-ready
				}
			}()
			together(10, func(i int) { tabs[i].page(fmt.Sprint("/save?name=", i)) })
			s, err := e.strategy.Session(b.request("/"))
			if err != nil || len(s.Data) != 11 || s.Data["untouched"] != "old" || s.Data["7"] != "new" {
				t.Errorf("%s: %v, data %v", m.name, err, s.Data)
			}
		})
	}
}

// TestStoreIsNotWrittenOften: using the application is not the same as writing.
func TestStoreIsNotWrittenOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatchedStore()
		e := newEnv(t, store.edit)
		b := e.browser().mustLogin()
		const pages = 1000
		for range pages {
			time.Sleep(3 * time.Second)
			b.page("/")
		}
		if n := len(store.written()) - 1; n > 10 {
			t.Errorf("%d writes for %d pages in 50 minutes", n, pages)
		}
	})
}

// TestFromCookiesToStore and back: nobody sees an error, and whoever logged in
// in cookies stays so.
func TestFromCookiesToStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatchedStore()
		cookies := newRefreshEnv(t)
		stored := newRefreshEnv(t, func(c *auth0.Config) {
			*c = cookies.cfg
			c.Store, c.CookieSessionsUntil = store, time.Now().Add(time.Hour)
		})
		b := cookies.browser().mustLogin()
		token := b.token()
		inCookie := b.clone()
		b.e = stored
		if b.token() != token {
			t.Error("the token is lost")
		}
		if resp := b.page("/"); resp.body != "home true ada@acme.example" || len(b.cookies[sessionName]) > 200 || len(store.sessions()) != 1 {
			t.Errorf("%q, cookie of %d bytes, %d sessions in the store", resp.body, len(b.cookies[sessionName]), len(store.sessions()))
		}
		// The old cookie is of the same session, with the tokens of now.
		time.Sleep(tokenLife)
		token = b.token()
		inCookie.e = stored
		if inCookie.token() != token || len(store.sessions()) != 1 {
			t.Errorf("the old cookie has another token, or is another session: %d sessions", len(store.sessions()))
		}
		stored.expectSessionOver(b, inCookie)

		// Refreshed before any page has moved it.
		b = cookies.browser().mustLogin()
		b.e = stored
		time.Sleep(tokenLife)
		token = b.token()
		if b.token() != token || len(store.sessions()) != 1 {
			t.Errorf("refreshed by a fetch: %d sessions in the store", len(store.sessions()))
		}
		b.page("/")
		if b.token() != token {
			t.Error("moving the session has lost its token")
		}

		// Back again: the id says nothing without a store.
		b.e = cookies
		if resp := b.page("/"); resp.status != 200 || resp.body != "home false " || len(resp.header.Values("Set-Cookie")) != 0 {
			t.Errorf("back: %d %q %v", resp.status, resp.body, resp.header.Values("Set-Cookie"))
		}
		if resp := b.page("/private"); resp.status != http.StatusFound {
			t.Errorf("back: %d", resp.status)
		}
		if b.mustLogin(); len(b.cookies) == 0 {
			t.Error("no cookie")
		}
		b.logout()
		if log := cookies.log.String() + stored.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// expectSessionOver logs out in one browser, and expects that the other, which
// has the same session, is out too.
func (e *env) expectSessionOver(b, same *browser) {
	e.t.Helper()
	b.logout()
	if b.loggedIn() || same.loggedIn() || same.fetch("/token").status == 200 {
		e.t.Error("the session goes on in another cookie")
	}
}

// TestSecretRotationInStore: cookies and records are sealed anew, and nobody is
// logged out, as long as both secrets are there.
func TestSecretRotationInStore(t *testing.T) {
	first, second := testSecret, "second-secret-of-the-tests-after-the-first"
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		b := e.browser().mustLogin()
		with := func(secrets ...string) {
			b.e = newRefreshEnv(t, func(c *auth0.Config) { *c = e.cfg; c.Secrets = secrets })
		}
		with(first, second)
		before := b.cookies[sessionName]
		if !b.loggedIn() || b.cookies[sessionName] != before {
			t.Errorf("another secret behind: logged in %v, sealed again %v", b.loggedIn(), b.cookies[sessionName] != before)
		}
		with(second, first)
		if !b.loggedIn() || b.cookies[sessionName] == before {
			t.Errorf("new secret in front: logged in %v, sealed again %v", b.loggedIn(), b.cookies[sessionName] != before)
		}
		with(second)
		time.Sleep(tokenLife)
		if !b.loggedIn() || b.token() == "" {
			t.Error("the session was not sealed with the first secret")
		}
		with(first)
		if resp := b.page("/"); resp.status != 200 || resp.body != "home false " {
			t.Errorf("secret that is gone: %d %q", resp.status, resp.body)
		}
	})
}

// TestClocksOfInstances may differ: nobody is logged out by that.
func TestClocksOfInstances(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		base := newEnv(t, m.edit)
		var instances []*env
		for _, ahead := range []time.Duration{-2 * time.Minute, -time.Minute, 0, time.Minute, 2 * time.Minute} {
			instances = append(instances, newEnv(t, func(c *auth0.Config) {
				c.Store, c.Now = base.cfg.Store, func() time.Time { return time.Now().Add(ahead) }
			}))
		}
		b := base.browser().mustLogin()
		for i := range 50 {
			time.Sleep(20 * time.Minute)
			if b.e = instances[i*3%len(instances)]; !b.loggedIn() {
				t.Fatalf("logged out at page %d", i)
			}
		}
	})
}

// TestTooLargeSessionAtLogin leaves the session that is there alone.
func TestTooLargeSessionAtLogin(t *testing.T) {
	size := 0
	edit := func(c *auth0.Config) {
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { l.Data["x"] = strings.Repeat("y", size); return nil }
	}
	e := newEnv(t, edit)
	b := e.browser().mustLogin()
	before := b.cookies[sessionName]
	size = 20_000
	resp := b.login("/auth/login?prompt=login")
	if resp.status != 500 || !b.loggedIn() || b.cookies[sessionName] != before {
		t.Errorf("in cookies: %d, session untouched %v", resp.status, b.cookies[sessionName] == before)
	}
	e = newEnv(t, edit, inStore)
	if b = e.browser().mustLogin(); !b.loggedIn() {
		t.Error("in a store: not logged in")
	}
}

// TestSplicedSession: parts of two good cookies do not make a third.
func TestSplicedSession(t *testing.T) {
	for _, edit := range []func(*auth0.Config){inCookies, inStore} {
		e := newEnv(t, edit)
		one, two := e.browser().mustLogin().cookies[sessionName], e.browser().mustLogin().cookies[sessionName]
		for at := 1; at < min(len(one), len(two)); at++ {
			r := httptest.NewRequest("GET", "/", nil)
			spliced := one[:at] + two[at:]
			r.AddCookie(&http.Cookie{Name: sessionName, Value: spliced})
			if _, err := e.strategy.Session(r); err == nil && spliced != one && spliced != two {
				t.Fatalf("%d characters of one and %d of the other make a session", at, len(two)-at)
			}
			for _, cut := range []string{one[:at], one[at:]} {
				r := httptest.NewRequest("GET", "/", nil)
				r.AddCookie(&http.Cookie{Name: sessionName, Value: cut})
				if _, err := e.strategy.Session(r); !errors.Is(err, auth0.ErrNoSession) {
					t.Fatalf("%d characters of a cookie: %v", len(cut), err)
				}
			}
		}
	}
}
