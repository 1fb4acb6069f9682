package auth0_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
)

const sessionName = "__Host-auth0_session"

func TestNoSession(t *testing.T) {
	e := newEnv(t)
	resp := e.browser().page("/")
	if resp.body != "home false " || len(resp.header.Values("Set-Cookie")) != 0 {
		t.Errorf("%q, cookies %q", resp.body, resp.header.Values("Set-Cookie"))
	}
	if got := resp.header.Get("Cache-Control"); got != "" {
		t.Errorf("Cache-Control %q on a page for everybody", got)
	}
	if got := resp.header.Get("Vary"); got != "Cookie" {
		t.Errorf("Vary: %q", got)
	}
	if _, err := e.strategy.Session(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, auth0.ErrNoSession) {
		t.Errorf("Session: %v", err)
	}
}

// TestDamagedSession: whatever the cookie is, nobody is logged in, and nothing
// is deleted that another instance may be able to read.
func TestDamagedSession(t *testing.T) {
	e := newEnv(t)
	good := e.browser().mustLogin().cookies[sessionName]
	other := newEnv(t, func(c *auth0.Config) { c.Secrets = []string{"another-secret-of-the-tests-of-others"} }).browser().mustLogin().cookies[sessionName]
	renamed := newEnv(t, func(c *auth0.Config) { c.CookieName = "renamed" }).browser().mustLogin().cookies["__Host-renamed"]
	for why, value := range map[string]string{
		"empty":        "",
		"garbage":      "garbage",
		"cut":          good[:len(good)-1],
		"longer":       good + "A",
		"version":      "v2" + good[2:],
		"in lower":     strings.ToLower(good),
		"other secret": other,
		"other name":   renamed,
		"60 KB":        strings.Repeat("A", 60<<10),
		"part":         "2:" + good,
	} {
		b := e.browser()
		b.cookies[sessionName] = value
		resp := b.page("/")
		if resp.status != 200 || resp.body != "home false " || len(resp.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %q, cookies %q", why, resp.status, resp.body, resp.header.Values("Set-Cookie"))
		}
		if resp := b.page("/private"); resp.status != http.StatusFound {
			t.Errorf("%s: private page answers %d", why, resp.status)
		}
	}
	// Not a byte of it may be changed. (Every bit is tried in package seal.)
	for i := 0; i < len(good); i += 37 {
		b := e.browser()
		b.cookies[sessionName] = good[:i] + flip4(good[i]) + good[i+1:]
		if b.loggedIn() && good[i] != '.' {
			t.Fatalf("logged in with character %d changed", i)
		}
	}
	// The name of another cookie of ours does not make it a session.
	b := e.browser()
	b.cookies["__Host-auth0_txn_AAAAAAAAAAAAAAAA"] = good
	if b.loggedIn() {
		t.Error("logged in under the name of a transaction")
	}
	if log := e.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
		t.Errorf("damaged cookies fill the log:\n%s", log)
	}
}

func TestManyCookies(t *testing.T) {
	e := newEnv(t)
	b := e.browser().mustLogin()
	for i := range 2000 {
		b.cookies[fmt.Sprintf("other%d", i)] = "x"
		if i%80 == 0 {
			b.cookies[fmt.Sprintf("%s.%d", sessionName, i)] = "stale"
			b.cookies[fmt.Sprintf("__Host-auth0_txn_%016d", i)] = "stale"
		}
	}
	if !b.loggedIn() {
		t.Error("2,000 other cookies and 50 stale ones end the session")
	}
	for i := range 14 {
		b.cookies[fmt.Sprintf("__Host-auth0_txn_B%015d", i)] = "stale"
	}
	resp := b.page("/")
	if resp.body != "home false " || len(resp.header.Values("Set-Cookie")) > 0 {
		t.Errorf("more cookies of ours than any browser has: %q, %q", resp.body, resp.header.Values("Set-Cookie"))
	}
}

// TestShadowedSession: a browser may hold the cookie for two paths, and sends
// both. Of one session the state counts that was used last; of two, neither.
func TestShadowedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		b := e.browser().mustLogin()
		old := b.cookies[sessionName]
		time.Sleep(time.Hour)
		b.page("/")
		young := b.cookies[sessionName]
		time.Sleep(time.Minute)
		e.as("bob@acme.example")
		foreign := e.browser().mustLogin().cookies[sessionName]
		for _, tt := range []struct{ first, second, want string }{
			{old, young, "ada@acme.example"},
			{young, old, "ada@acme.example"},
			{young, foreign, ""},
			{foreign, young, ""},
		} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", sessionName+"="+tt.first+"; "+sessionName+"="+tt.second)
			s, err := e.strategy.Session(r)
			if tt.want == "" {
				if !errors.Is(err, auth0.ErrNoSession) {
					t.Errorf("two people: session of %v, %v", s, err)
				}
				continue
			}
			if err != nil || s.User.Email != tt.want || s.ExpiresAt.Before(time.Now().Add(24*time.Hour-2*time.Minute)) {
				t.Errorf("session of %v, %v", s, err)
			}
		}
		// Nothing is deleted: whose it was is not known.
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", sessionName+"="+young+"; "+sessionName+"="+foreign)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		e.app.ServeHTTP(w, r)
		if w.Body.String() != "home false " || len(w.Header().Values("Set-Cookie")) > 0 {
			t.Errorf("%q, %q", w.Body, w.Header().Values("Set-Cookie"))
		}
	})
}

func TestSecretRotation(t *testing.T) {
	first, second := testSecret, "second-secret-of-the-tests-after-the-first"
	e := newEnv(t)
	b := e.browser().mustLogin()
	with := func(secrets ...string) *env {
		n := newEnv(t, func(c *auth0.Config) { c.Secrets = secrets })
		b.e = n
		return n
	}
	with(second, first)
	before := b.cookies[sessionName]
	if !b.loggedIn() || b.cookies[sessionName] == before {
		t.Errorf("new secret in front: logged in %v, sealed again %v", b.loggedIn(), b.cookies[sessionName] != before)
	}
	with(second)
	if !b.loggedIn() {
		t.Error("the cookie was not sealed with the first secret")
	}
	with(first)
	if b.loggedIn() {
		t.Error("opened with a secret that is gone")
	}
}

func TestIdleAndAbsoluteTimeout(t *testing.T) {
	day := 24 * time.Hour
	tests := []struct {
		why            string
		idle, absolute time.Duration // of the configuration
		visits         []time.Duration
		want           bool
	}{
		{"within a day", 0, 0, []time.Duration{23 * time.Hour}, true},
		{"after a day", 0, 0, []time.Duration{24 * time.Hour}, false},
		{"daily for six days", 0, 0, []time.Duration{20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour}, true},
		{"daily for more than a week", 0, 0, []time.Duration{20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 20 * time.Hour, 9 * time.Hour}, false},
		{"own idle timeout kept", time.Hour, 0, []time.Duration{59 * time.Minute, 59 * time.Minute}, true},
		{"own idle timeout missed", time.Hour, 0, []time.Duration{59 * time.Minute, time.Hour}, false},
		{"no idle timeout, before the end", auth0.None, 2 * day, []time.Duration{47 * time.Hour}, true},
		{"no idle timeout, at the end", auth0.None, 2 * day, []time.Duration{day, day}, false},
		{"no absolute timeout", day, auth0.None, monthly(), true},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = tt.idle, tt.absolute })
			b := e.browser().mustLogin()
			got := true
			for _, pause := range tt.visits {
				time.Sleep(pause)
				got = b.loggedIn()
			}
			if got != tt.want {
				t.Errorf("%s: logged in %v, want %v", tt.why, got, tt.want)
			}
		})
	}
}

func monthly() []time.Duration {
	var visits []time.Duration
	for range 30 {
		visits = append(visits, 23*time.Hour)
	}
	return visits
}

// TestMaxAgeOfCookie never exceeds what is left of the session.
func TestMaxAgeOfCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = 10*time.Hour, 24*time.Hour })
		b := e.browser()
		resp := b.login("/auth/login")
		for _, want := range []int{10 * 3600, 10 * 3600, 8 * 3600, 0} {
			c := resp.setCookies(t)[sessionName]
			if c == nil || want > 0 && c.MaxAge != want || want == 0 && c.MaxAge >= 0 {
				t.Fatalf("cookie %v, want Max-Age %d", c, want)
			}
			time.Sleep(8 * time.Hour)
			resp = b.page("/")
		}
	})
}

// TestFixedEndStays: without an idle timeout, writing the session again does
// not move its end.
func TestFixedEndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = auth0.None, 10*time.Hour })
		e.mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
			s, err := e.strategy.Session(r)
			if err != nil {
				http.Error(w, "gone", http.StatusUnauthorized)
				return
			}
			s.Data["n"] += "x"
			if err := e.strategy.SaveSession(w, r, s); err != nil {
				t.Error(err)
			}
		})
		b := e.browser().mustLogin()
		for i := range 9 {
			time.Sleep(time.Hour)
			resp := b.page("/save")
			if c := resp.setCookies(t)[sessionName]; resp.status != 200 || c == nil || c.MaxAge != (9-i)*3600 {
				t.Fatalf("write %d: %d, cookie %v", i, resp.status, c)
			}
		}
		time.Sleep(time.Hour)
		if resp := b.page("/save"); resp.status != http.StatusUnauthorized {
			t.Errorf("after the end: %d", resp.status)
		}
	})
}

// TestShortenedTimeout holds for sessions that were begun before.
func TestShortenedTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEnv(t).browser().mustLogin()
		time.Sleep(2 * time.Hour)
		for why, edit := range map[string]func(*auth0.Config){
			"idle":     func(c *auth0.Config) { c.IdleTimeout = time.Hour },
			"absolute": func(c *auth0.Config) { c.AbsoluteTimeout = time.Hour },
		} {
			old := b.clone()
			old.e = newEnv(t, edit)
			if old.loggedIn() {
				t.Errorf("%s timeout was shortened, and the session goes on", why)
			}
		}
		if !b.loggedIn() {
			t.Error("the session ended where nothing was shortened")
		}
	})
}

// TestExpiredCookieIsDeletedOnce, by a page; what did not open is left alone.
func TestExpiredCookieIsDeletedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		b := e.browser().mustLogin()
		time.Sleep(25 * time.Hour)
		if resp := b.do("GET", "/", nil, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"); len(resp.header.Values("Set-Cookie")) != 0 {
			t.Error("an image deletes the cookie")
		}
		resp := b.page("/")
		if c := resp.setCookies(t)[sessionName]; c == nil || c.MaxAge != -1 || resp.body != "home false " {
			t.Errorf("%q, cookie %v", resp.body, c)
		}
		if c := resp.setCookies(t)[sessionName]; c != nil && (!c.Secure || !c.HttpOnly || c.Path != "/" || c.Expires.Unix() != 0) {
			t.Errorf("the deletion %v has other attributes than the cookie", c)
		}
		if resp := b.page("/"); len(resp.header.Values("Set-Cookie")) != 0 {
			t.Error("deleted twice")
		}
	})
}

// TestProlonging happens when somebody uses the application, and not often.
func TestProlonging(t *testing.T) {
	navigate := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none"}
	tests := []struct {
		why    string
		after  time.Duration
		method string
		header []string
		want   bool
	}{
		{"page at once", 0, "GET", navigate, false},
		{"page before five minutes", 299 * time.Second, "GET", navigate, false},
		{"page after five minutes", 300 * time.Second, "GET", navigate, true},
		{"form after five minutes", 300 * time.Second, "POST", navigate, true},
		{"fetch of the same origin", 300 * time.Second, "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}, true},
		{"old browser, page", 300 * time.Second, "GET", []string{"Accept", "text/html,*/*"}, true},
		{"old browser, something else", 300 * time.Second, "GET", []string{"Accept", "*/*"}, false},
		{"fetch of another origin", 300 * time.Second, "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "cross-site"}, false},
		{"style sheet", 300 * time.Second, "GET", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "style", "Sec-Fetch-Site", "same-origin"}, false},
		{"HEAD", 300 * time.Second, "HEAD", navigate, false},
		{"prefetch", 300 * time.Second, "GET", append([]string{"Sec-Purpose", "prefetch"}, navigate...), false},
		{"upgrade to WebSocket", 300 * time.Second, "GET", append([]string{"Upgrade", "websocket"}, navigate...), false},
		{"page that does not count", 300 * time.Second, "GET", append([]string{"X-Poll", "1"}, navigate...), false},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t, func(c *auth0.Config) {
				c.CountsAsUse = func(r *http.Request) bool { return r.Header.Get("X-Poll") == "" }
			})
			e.mux.HandleFunc("POST /{$}", func(http.ResponseWriter, *http.Request) {})
			b := e.browser().mustLogin()
			time.Sleep(tt.after)
			resp := b.do(tt.method, "/", nil, tt.header...)
			if got := resp.setCookies(t)[sessionName] != nil; got != tt.want {
				t.Errorf("%s: written %v, want %v", tt.why, got, tt.want)
			}
			if tt.want && resp.header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: Cache-Control %q", tt.why, resp.header.Get("Cache-Control"))
			}
			if resp := b.do(tt.method, "/", nil, tt.header...); tt.want && resp.setCookies(t)[sessionName] != nil {
				t.Errorf("%s: written twice in a row", tt.why)
			}
		})
	}
}

// TestClockSetBack: a session that was used in the future goes on, and is
// written with today's time.
func TestClockSetBack(t *testing.T) {
	now := time.Now()
	e := newEnv(t, func(c *auth0.Config) { c.Now = func() time.Time { return now } })
	b := e.browser().mustLogin()
	now = now.Add(-4 * time.Minute)
	resp := b.page("/")
	if resp.body == "home false " || resp.setCookies(t)[sessionName] == nil {
		t.Errorf("%q, cookies %v", resp.body, resp.header.Values("Set-Cookie"))
	}
	now = now.Add(23 * time.Hour)
	if !b.loggedIn() {
		t.Error("the session ended too early")
	}
	now = now.Add(25 * time.Hour)
	if b.loggedIn() {
		t.Error("the session did not end")
	}
}

// TestSessionFromTheFuture: the absolute limit counts from the beginning of a
// session, so a clock that was ahead then must not prolong it.
func TestSessionFromTheFuture(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		now := newClock()
		e := newEnv(t, m.edit, func(c *auth0.Config) { c.Now = now.now })
		now.add(360 * 86400)
		e.tenant.EditIDToken(func(_, c map[string]any) { c["iat"], c["exp"] = now.now().Unix(), now.now().Unix()+600 })
		b := e.browser().mustLogin()
		now.add(-360 * 86400)
		resp := b.page("/")
		if resp.body != "home false " || len(resp.header.Values("Set-Cookie")) > 0 {
			t.Errorf("the clock was set right: %q, %q", resp.body, resp.header.Values("Set-Cookie"))
		}
		e.tenant.EditIDToken(nil)
		other := e.browser().mustLogin()
		for range 12 { // 240 hours
			now.add(20 * 3600)
			other.page("/")
			if b.loggedIn() {
				t.Fatal("the session from the future is alive")
			}
		}
		if other.loggedIn() {
			t.Error("alive after 240 hours; the absolute limit is 168")
		}
	})
}

func TestSessionCookieAttributes(t *testing.T) {
	for _, tt := range []struct {
		why  string
		edit func(*auth0.Config)
		want string // of the line without the value
	}{
		{"https", func(*auth0.Config) {}, "__Host-auth0_session=; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
		{"own attributes", func(c *auth0.Config) {
			c.CookieName, c.CookiePath, c.CookieDomain, c.CookieSameSite = "mine", "/app", "app.example", http.SameSiteNoneMode
		}, "__Secure-mine=; Path=/app; Domain=app.example; Max-Age=86400; HttpOnly; Secure; SameSite=None"},
		{"until the browser is closed", func(c *auth0.Config) { c.CookieSessionOnly = true }, "__Host-auth0_session=; Path=/; HttpOnly; Secure; SameSite=Lax"},
	} {
		e := newEnv(t, tt.edit)
		b := e.browser()
		resp := b.login("/auth/login")
		line := sessionLine(resp)
		name, rest, _ := strings.Cut(line, "=")
		_, rest, _ = strings.Cut(rest, ";")
		if got := name + "=;" + rest; got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.why, got, tt.want)
		}
		// The deletion has the same attributes.
		resp = b.page("/auth/logout")
		deletion := strings.Replace(strings.Replace(tt.want, " Max-Age=86400;", "", 1), " HttpOnly", " Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly", 1)
		if got := sessionLine(resp); got != deletion {
			t.Errorf("%s: deletion %s\nwant %s", tt.why, got, deletion)
		}
	}
}

// sessionLine returns the Set-Cookie line of the session.
func sessionLine(resp *response) string {
	for _, line := range resp.header.Values("Set-Cookie") {
		if !strings.Contains(line, "_txn_") && !strings.Contains(line, "_tries=") {
			return line
		}
	}
	return ""
}

// TestSessionOnlyStillExpires: the browser's idea of a session does not replace
// ours.
func TestSessionOnlyStillExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, func(c *auth0.Config) { c.CookieSessionOnly = true })
		b := e.browser().mustLogin()
		time.Sleep(25 * time.Hour)
		if b.loggedIn() {
			t.Error("the session did not end")
		}
	})
}

// TestLargeSession goes through several cookies, and gives up the ID token
// before it fails.
func TestLargeSession(t *testing.T) {
	size, data := 0, ""
	e := newEnv(t, func(c *auth0.Config) {
		c.KeepIDToken = true
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { l.Data["x"] = data; return nil }
	})
	e.tenant.EditIDToken(func(_, c map[string]any) { c["big"] = strings.Repeat("x", size) })
	var idToken bool
	for _, tt := range []struct {
		size, parts int
		idToken     bool
	}{{0, 1, true}, {1000, 2, true}, {2500, 2, false}, {6500, 3, false}, {100, 1, true}} {
		size = tt.size
		b := e.browser()
		b.page("/")
		if resp := b.login("/auth/login"); resp.status != http.StatusSeeOther || !b.loggedIn() {
			t.Fatalf("%d bytes: %d %s", size, resp.status, e.log)
		}
		parts := 0
		for name := range b.cookies {
			if strings.HasPrefix(name, sessionName) {
				parts++
			}
		}
		idToken = strings.Contains(b.page("/auth/logout").header.Get("Location"), "id_token_hint=")
		if parts != tt.parts || idToken != tt.idToken {
			t.Errorf("claim of %d bytes: %d cookies, ID token kept %v; want %d, %v", size, parts, idToken, tt.parts, tt.idToken)
		}
	}
	if n := strings.Count(e.log.String(), "larger than 6 KiB"); n != 1 {
		t.Errorf("%d warnings about size, want 1", n)
	}
	data = strings.Repeat("y", 14_000)
	b := e.browser()
	resp := b.login("/auth/login")
	if resp.status != http.StatusInternalServerError || b.loggedIn() || !strings.Contains(e.log.String(), "session_too_large") {
		t.Errorf("a session that does not fit: %d, logged in %v", resp.status, b.loggedIn())
	}
}

func TestSaveSession(t *testing.T) {
	e := newEnv(t)
	var saveErr error
	data := ""
	e.mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		s.Data["x"] = data
		saveErr = e.strategy.SaveSession(w, r, s)
	})
	e.mux.HandleFunc("GET /read", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(w, s.Data["x"])
	})
	e.mux.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) { e.strategy.EndSession(w, r) })
	b := e.browser().mustLogin()
	for _, data = range []string{"one", "žluťoučký 你好 \x00\"; Path=/", strings.Repeat("big", 2000), ""} {
		resp := b.page("/save")
		if saveErr != nil || resp.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%.10q: %v, Cache-Control %q", data, saveErr, resp.header.Get("Cache-Control"))
		}
		if got := b.page("/read").body; got != data {
			t.Errorf("read %.20q, want %.20q", got, data)
		}
	}
	// What is too large changes nothing.
	data = "kept"
	b.page("/save")
	before := b.clone().cookies
	data = strings.Repeat("y", 20_000)
	resp := b.page("/save")
	if !errors.Is(saveErr, auth0.ErrSessionTooLarge) || len(resp.header.Values("Set-Cookie")) != 0 || !reflect.DeepEqual(b.cookies, before) || b.page("/read").body != "kept" {
		t.Errorf("too large: %v, cookies written %d", saveErr, len(resp.header.Values("Set-Cookie")))
	}
	if b.page("/end"); b.loggedIn() {
		t.Error("saving nil does not end the session")
	}
	if err := e.strategy.SaveSession(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), &auth0.Session{}); err == nil {
		t.Error("a session out of thin air is saved")
	}
}

func TestAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lifetime := any(3600)
		e := newEnv(t, func(c *auth0.Config) { c.Audience = testAudience })
		e.tenant.EditTokenResponse(func(_ *int, body map[string]any) {
			if lifetime == nil {
				delete(body, "expires_in")
			} else if body["expires_in"] != nil {
				body["expires_in"] = lifetime
			}
		})
		var got error
		token := ""
		e.mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
			tok, err := e.strategy.AccessToken(w, r)
			if got = err; err == nil {
				token = tok.AccessToken
				if tok.TokenType != "Bearer" || !tok.Valid() {
					t.Errorf("token type %q, expiry %v", tok.TokenType, tok.Expiry)
				}
			}
		})
		b := e.browser()
		b.page("/token")
		if !errors.Is(got, auth0.ErrNoSession) {
			t.Errorf("logged out: %v", got)
		}
		b.mustLogin()
		if b.page("/token"); got != nil || strings.Count(token, ".") != 2 {
			t.Errorf("logged in: %v", got)
		}
		time.Sleep(time.Hour)
		if b.page("/token"); !errors.Is(got, auth0.ErrTokenExpired) || !b.loggedIn() {
			t.Errorf("after an hour: %v, logged in %v", got, b.loggedIn())
		}
		// A lifetime that is not known is taken to be short, not over.
		lifetime = nil
		b = e.browser().mustLogin()
		if b.page("/token"); got != nil {
			t.Errorf("lifetime not known: %v", got)
		}
		time.Sleep(5 * time.Minute)
		if b.page("/token"); !errors.Is(got, auth0.ErrTokenExpired) {
			t.Errorf("lifetime not known, after five minutes: %v", got)
		}
	})
}

// TestLoadUserTwice does the work once.
func TestLoadUserTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.app = e.strategy.LoadUser(e.app)
		b := e.browser().mustLogin()
		time.Sleep(time.Hour)
		resp := b.page("/")
		if resp.body != "home true ada@acme.example" || len(resp.header.Values("Set-Cookie")) != 1 || len(resp.header.Values("Vary")) != 1 {
			t.Errorf("%q, cookies %d, Vary %q", resp.body, len(resp.header.Values("Set-Cookie")), resp.header.Values("Vary"))
		}
	})
}

// TestCacheableResponse: a handler that lets a response with a session cookie be
// stored is told on.
func TestCacheableResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.mux.HandleFunc("GET /cached", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Cache-Control", "public, max-age=60") })
		b := e.browser().mustLogin()
		if b.page("/cached"); strings.Contains(e.log.String(), "cacheable") {
			t.Error("reported although no cookie was written")
		}
		time.Sleep(time.Hour)
		if b.page("/cached"); !strings.Contains(e.log.String(), "level=ERROR") || !strings.Contains(e.log.String(), `cache_control="public, max-age=60"`) {
			t.Errorf("not reported:\n%s", e.log)
		}
	})
}

// TestResponseWriterIsPassedOn: handlers get what net/http gives, not a wrapper.
func TestResponseWriterIsPassedOn(t *testing.T) {
	e := newEnv(t)
	var got http.ResponseWriter
	h := e.strategy.LoadUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = w }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got != http.ResponseWriter(w) {
		t.Errorf("the handler gets a %T", got)
	}
}

// TestStreaming: the cookie is there although the handler sends its first byte
// at once.
func TestStreaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
			http.NewResponseController(w).Flush()
			fmt.Fprint(w, "data")
		})
		b := e.browser().mustLogin()
		time.Sleep(time.Hour)
		if resp := b.page("/stream"); resp.setCookies(t)[sessionName] == nil || resp.body != "data" {
			t.Errorf("%d %q, cookies %v", resp.status, resp.body, resp.header.Values("Set-Cookie"))
		}
	})
}

// TestSessionIsACopy: what one handler does to its session, another does not see.
func TestSessionIsACopy(t *testing.T) {
	e := newEnv(t)
	e.tenant.EditIDToken(claim("amr", []string{"pwd", "mfa"}))
	e.mux.HandleFunc("GET /race", func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := e.strategy.Session(r)
				if err != nil {
					t.Error(err)
					return
				}
				s.Data["x"], s.AMR[0] = "y", "changed"
			})
		}
		wg.Wait()
		s, err := e.strategy.Session(r)
		if err != nil || len(s.Data) != 0 || !reflect.DeepEqual(s.AMR, []string{"pwd", "mfa"}) {
			t.Errorf("session %v %v, %v", s.Data, s.AMR, err)
		}
	})
	e.browser().mustLogin().page("/race")
}

func TestSessionFields(t *testing.T) {
	e := newEnv(t)
	e.tenant.EditIDToken(func(h, c map[string]any) {
		in("auth_time", -30)(h, c)
		claim("acr", "urn:mfa")(h, c)
		claim("amr", []string{"mfa"})(h, c)
	})
	e.mux.HandleFunc("GET /fields", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		if time.Since(s.CreatedAt) > time.Minute || time.Until(s.ExpiresAt) < 23*time.Hour || s.ACR != "urn:mfa" || !reflect.DeepEqual(s.AMR, []string{"mfa"}) {
			t.Errorf("session %+v", s)
		}
		if d := time.Since(s.AuthenticatedAt); d < 29*time.Second || d > time.Minute {
			t.Errorf("authenticated %v ago", d)
		}
	})
	e.browser().mustLogin().page("/fields")
}

// TestSecretsDoNotPrint formats everything that holds a secret, with every verb
// and in every kind of holder, and logs it.
func TestSecretsDoNotPrint(t *testing.T) {
	e := newEnv(t, func(c *auth0.Config) {
		c.Audience, c.KeepIDToken = testAudience, true
		c.ManagementClientID, c.ManagementClientSecret = "m2m", "management-SECRET"
	})
	var values []any
	var secrets []string
	var login *auth0.Login
	e.mux.HandleFunc("GET /collect", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		tok, err := e.strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		api, err := auth0.NewAPI(auth0.APIConfig{Domain: tenantHost, Audience: testAudience, Keys: e.strategy.KeySet()})
		if err != nil {
			t.Error(err)
			return
		}
		token, err := api.Verify(r.Context(), tok.AccessToken)
		if err != nil {
			t.Error(err)
			return
		}
		secrets = []string{"client-secret-SECRET", "management-SECRET", testSecret, tok.AccessToken, strings.Split(tok.AccessToken, ".")[2]}
		values = []any{e.cfg, e.strategy, s, token, api, login}
	})
	cfg := e.cfg
	cfg.AfterLogin = func(_ context.Context, l *auth0.Login) error { login = l; return nil }
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.strategy, e.cfg = strategy, cfg
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("/", e.mux)
	e.app = strategy.LoadUser(mux)
	b := e.browser()
	if resp := b.login("/auth/login"); resp.status != http.StatusSeeOther {
		t.Fatal(resp.status)
	}
	if b.page("/collect"); len(values) == 0 {
		t.Fatal("nothing was collected")
	}
	check := func(how, text string) {
		t.Helper()
		for _, secret := range secrets {
			for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprint([]byte(secret)), "[]")} {
				if strings.Contains(text, form) {
					t.Errorf("%s shows a secret: %.300s", how, text)
				}
			}
		}
	}
	for _, v := range values {
		type exported struct{ V any }
		type hidden struct{ v any }
		holders, verbs := []any{v, &v, []any{v}, map[string]any{"v": v}, exported{v}, fmt.Errorf("%v", v)}, "vsdqxXtbceEfFgGoUT"
		// A Config has its secrets as plain texts, so that it can be written as
		// one literal; what is made of it hides them everywhere.
		if _, isConfig := v.(auth0.Config); !isConfig {
			holders, verbs = append(holders, hidden{v}, &hidden{v}), verbs+"p"
		}
		for _, holder := range holders {
			for _, verb := range verbs {
				for _, flag := range []string{"", "+", "#"} {
					check(fmt.Sprintf("%%%s%c of %T", flag, verb, v), fmt.Sprintf("%"+flag+string(verb), holder))
				}
			}
			var out logBuffer
			slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", holder)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", holder)
			check(fmt.Sprintf("slog of %T", v), out.String())
		}
		if text, err := json.Marshal(v); err == nil {
			check(fmt.Sprintf("JSON of %T", v), string(text))
		}
	}
	check("the log", e.log.String())
}
