package web_test

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
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

func TestNoSession(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	resp := e.Browser().Page("/")
	if resp.Body != "home false " || len(resp.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("%q, cookies %q", resp.Body, resp.Header.Values("Set-Cookie"))
	}
	if got := resp.Header.Get("Cache-Control"); got != "" {
		t.Errorf("Cache-Control %q on a page for everybody", got)
	}
	if got := resp.Header.Get("Vary"); got != "Cookie" {
		t.Errorf("Vary: %q", got)
	}
	if _, err := e.Strategy.Session(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, auth0.ErrNoSession) {
		t.Errorf("Session: %v", err)
	}
}

// TestDamagedSession: a damaged cookie is not a session. The response deletes no
// cookie that another instance could open.
func TestDamagedSession(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	good := e.Browser().MustLogin().Cookies[testkit.SessionCookie]
	other := testkit.SignedIn(t, func(c *auth0.Config) { c.Secrets = []string{"another-secret-of-the-tests-of-others"} }).Browser().MustLogin().Cookies[testkit.SessionCookie]
	renamed := testkit.SignedIn(t, func(c *auth0.Config) { c.CookieName = "renamed" }).Browser().MustLogin().Cookies["__Host-renamed"]
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
		b := e.Browser()
		b.Cookies[testkit.SessionCookie] = value
		resp := b.Page("/")
		if resp.Status != 200 || resp.Body != "home false " || len(resp.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %q, cookies %q", why, resp.Status, resp.Body, resp.Header.Values("Set-Cookie"))
		}
		if resp := b.Page("/private"); resp.Status != http.StatusFound {
			t.Errorf("%s: private page answers %d", why, resp.Status)
		}
	}
	// No byte of it can be changed. (Package seal tests every bit.)
	for i := 0; i < len(good); i += 37 {
		b := e.Browser()
		b.Cookies[testkit.SessionCookie] = good[:i] + testkit.Flip4(good[i]) + good[i+1:]
		if b.LoggedIn() && good[i] != '.' {
			t.Fatalf("logged in with character %d changed", i)
		}
	}
	// The value of another cookie of ours is not a session.
	b := e.Browser()
	b.Cookies["__Host-auth0_txn_AAAAAAAAAAAAAAAA"] = good
	if b.LoggedIn() {
		t.Error("logged in under the name of a transaction")
	}
	if log := e.Log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
		t.Errorf("damaged cookies fill the log:\n%s", log)
	}
}

func TestManyCookies(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser().MustLogin()
	for i := range 2000 {
		b.Cookies[fmt.Sprintf("other%d", i)] = "x"
		if i%80 == 0 {
			b.Cookies[fmt.Sprintf("%s.%d", testkit.SessionCookie, i)] = "stale"
			b.Cookies[fmt.Sprintf("__Host-auth0_txn_%016d", i)] = "stale"
		}
	}
	if !b.LoggedIn() {
		t.Error("2,000 other cookies and 50 stale ones end the session")
	}
	for i := range 14 {
		b.Cookies[fmt.Sprintf("__Host-auth0_txn_B%015d", i)] = "stale"
	}
	resp := b.Page("/")
	if resp.Body != "home false " || len(resp.Header.Values("Set-Cookie")) > 0 {
		t.Errorf("more cookies of ours than any browser has: %q, %q", resp.Body, resp.Header.Values("Set-Cookie"))
	}
}

// TestShadowedSession: a browser can hold the cookie for two paths, and sends both.
// Of one session the newest state counts; of two, neither.
func TestShadowedSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		b := e.Browser().MustLogin()
		old := b.Cookies[testkit.SessionCookie]
		time.Sleep(time.Hour)
		b.Page("/")
		young := b.Cookies[testkit.SessionCookie]
		time.Sleep(time.Minute)
		e.SignInAtTenant("bob@acme.example")
		foreign := e.Browser().MustLogin().Cookies[testkit.SessionCookie]
		for _, tt := range []struct{ first, second, want string }{
			{old, young, "ada@acme.example"},
			{young, old, "ada@acme.example"},
			{young, foreign, ""},
			{foreign, young, ""},
		} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", testkit.SessionCookie+"="+tt.first+"; "+testkit.SessionCookie+"="+tt.second)
			s, err := e.Strategy.Session(r)
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
		// Nothing is deleted: the owner of the cookies is unknown.
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", testkit.SessionCookie+"="+young+"; "+testkit.SessionCookie+"="+foreign)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		e.App.ServeHTTP(w, r)
		if w.Body.String() != "home false " || len(w.Header().Values("Set-Cookie")) > 0 {
			t.Errorf("%q, %q", w.Body, w.Header().Values("Set-Cookie"))
		}
	})
}

func TestSecretRotation(t *testing.T) {
	t.Parallel()
	first, second := testkit.CookieSecret, "second-secret-of-the-tests-after-the-first"
	e := testkit.SignedIn(t)
	b := e.Browser().MustLogin()
	with := func(secrets ...string) *testkit.Env {
		n := testkit.SignedIn(t, func(c *auth0.Config) { c.Secrets = secrets })
		b.Env = n
		return n
	}
	with(second, first)
	before := b.Cookies[testkit.SessionCookie]
	if !b.LoggedIn() || b.Cookies[testkit.SessionCookie] == before {
		t.Errorf("new secret in front: logged in %v, sealed again %v", b.LoggedIn(), b.Cookies[testkit.SessionCookie] != before)
	}
	with(second)
	if !b.LoggedIn() {
		t.Error("the cookie was not sealed with the first secret")
	}
	with(first)
	if b.LoggedIn() {
		t.Error("opened with a secret that is gone")
	}
}

func TestIdleAndAbsoluteTimeout(t *testing.T) {
	t.Parallel()
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
			e := testkit.SignedIn(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = tt.idle, tt.absolute })
			b := e.Browser().MustLogin()
			got := true
			for _, pause := range tt.visits {
				time.Sleep(pause)
				got = b.LoggedIn()
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

// TestMaxAgeOfCookie never exceeds the remaining time of the session.
func TestMaxAgeOfCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = 10*time.Hour, 24*time.Hour })
		b := e.Browser()
		resp := b.Login("/auth/login")
		for _, want := range []int{10 * 3600, 10 * 3600, 8 * 3600, 0} {
			c := resp.SetCookies(t)[testkit.SessionCookie]
			if c == nil || want > 0 && c.MaxAge != want || want == 0 && c.MaxAge >= 0 {
				t.Fatalf("cookie %v, want Max-Age %d", c, want)
			}
			time.Sleep(8 * time.Hour)
			resp = b.Page("/")
		}
	})
}

// TestFixedEndStays: without an idle timeout, writing the session again does
// not move its end.
func TestFixedEndStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = auth0.None, 10*time.Hour })
		e.Mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
			s, err := e.Strategy.Session(r)
			if err != nil {
				http.Error(w, "gone", http.StatusUnauthorized)
				return
			}
			s.Data["n"] += "x"
			if err := e.Strategy.SaveSession(w, r, s); err != nil {
				t.Error(err)
			}
		})
		b := e.Browser().MustLogin()
		for i := range 9 {
			time.Sleep(time.Hour)
			resp := b.Page("/save")
			if c := resp.SetCookies(t)[testkit.SessionCookie]; resp.Status != 200 || c == nil || c.MaxAge != (9-i)*3600 {
				t.Fatalf("write %d: %d, cookie %v", i, resp.Status, c)
			}
		}
		time.Sleep(time.Hour)
		if resp := b.Page("/save"); resp.Status != http.StatusUnauthorized {
			t.Errorf("after the end: %d", resp.Status)
		}
	})
}

// TestShortenedTimeout holds for sessions that started before.
func TestShortenedTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := testkit.SignedIn(t).Browser().MustLogin()
		time.Sleep(2 * time.Hour)
		for why, edit := range map[string]func(*auth0.Config){
			"idle":     func(c *auth0.Config) { c.IdleTimeout = time.Hour },
			"absolute": func(c *auth0.Config) { c.AbsoluteTimeout = time.Hour },
		} {
			old := b.Clone()
			old.Env = testkit.SignedIn(t, edit)
			if old.LoggedIn() {
				t.Errorf("%s timeout was shortened, and the session goes on", why)
			}
		}
		if !b.LoggedIn() {
			t.Error("the session ended where nothing was shortened")
		}
	})
}

// TestExpiredCookieIsDeletedOnce, by a page. A cookie that cannot be opened is left
// alone.
func TestExpiredCookieIsDeletedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		b := e.Browser().MustLogin()
		time.Sleep(25 * time.Hour)
		if resp := b.Do("GET", "/", nil, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"); len(resp.Header.Values("Set-Cookie")) != 0 {
			t.Error("an image deletes the cookie")
		}
		resp := b.Page("/")
		if c := resp.SetCookies(t)[testkit.SessionCookie]; c == nil || c.MaxAge != -1 || resp.Body != "home false " {
			t.Errorf("%q, cookie %v", resp.Body, c)
		}
		if c := resp.SetCookies(t)[testkit.SessionCookie]; c != nil && (!c.Secure || !c.HttpOnly || c.Path != "/" || c.Expires.Unix() != 0) {
			t.Errorf("the deletion %v has other attributes than the cookie", c)
		}
		if resp := b.Page("/"); len(resp.Header.Values("Set-Cookie")) != 0 {
			t.Error("deleted twice")
		}
	})
}

// TestProlonging: use of the application prolongs a session, and writes it rarely.
func TestProlonging(t *testing.T) {
	t.Parallel()
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
			e := testkit.SignedIn(t, func(c *auth0.Config) {
				c.CountsAsUse = func(r *http.Request) bool { return r.Header.Get("X-Poll") == "" }
			})
			e.Mux.HandleFunc("POST /{$}", func(http.ResponseWriter, *http.Request) {})
			b := e.Browser().MustLogin()
			time.Sleep(tt.after)
			resp := b.Do(tt.method, "/", nil, tt.header...)
			if got := resp.SetCookies(t)[testkit.SessionCookie] != nil; got != tt.want {
				t.Errorf("%s: written %v, want %v", tt.why, got, tt.want)
			}
			if tt.want && resp.Header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: Cache-Control %q", tt.why, resp.Header.Get("Cache-Control"))
			}
			if resp := b.Do(tt.method, "/", nil, tt.header...); tt.want && resp.SetCookies(t)[testkit.SessionCookie] != nil {
				t.Errorf("%s: written twice in a row", tt.why)
			}
		})
	}
}

// TestClockSetBack: a session that was used in the future goes on, and is
// written with today's time.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Now = func() time.Time { return now } })
	b := e.Browser().MustLogin()
	now = now.Add(-4 * time.Minute)
	resp := b.Page("/")
	if resp.Body == "home false " || resp.SetCookies(t)[testkit.SessionCookie] == nil {
		t.Errorf("%q, cookies %v", resp.Body, resp.Header.Values("Set-Cookie"))
	}
	now = now.Add(23 * time.Hour)
	if !b.LoggedIn() {
		t.Error("the session ended too early")
	}
	now = now.Add(25 * time.Hour)
	if b.LoggedIn() {
		t.Error("the session did not end")
	}
}

// TestSessionFromTheFuture: the absolute limit counts from the beginning of a
// session, so a clock that was ahead then must not prolong it.
func TestSessionFromTheFuture(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		now := testkit.NewClock()
		e := testkit.SignedIn(t, m.Edit, func(c *auth0.Config) { c.Now = now.Now })
		now.Add(360 * 86400)
		e.Tenant.EditIDToken(func(_, c map[string]any) { c["iat"], c["exp"] = now.Now().Unix(), now.Now().Unix()+600 })
		b := e.Browser().MustLogin()
		now.Add(-360 * 86400)
		resp := b.Page("/")
		if resp.Body != "home false " || len(resp.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("the clock was set right: %q, %q", resp.Body, resp.Header.Values("Set-Cookie"))
		}
		e.Tenant.EditIDToken(nil)
		other := e.Browser().MustLogin()
		for range 12 { // 240 hours
			now.Add(20 * 3600)
			other.Page("/")
			if b.LoggedIn() {
				t.Fatal("the session from the future is alive")
			}
		}
		if other.LoggedIn() {
			t.Error("alive after 240 hours; the absolute limit is 168")
		}
	})
}

func TestSessionCookieAttributes(t *testing.T) {
	t.Parallel()
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
		e := testkit.SignedIn(t, tt.edit)
		b := e.Browser()
		resp := b.Login("/auth/login")
		line := sessionLine(resp)
		name, rest, _ := strings.Cut(line, "=")
		_, rest, _ = strings.Cut(rest, ";")
		if got := name + "=;" + rest; got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.why, got, tt.want)
		}
		// The deletion has the same attributes.
		resp = b.Page("/auth/logout")
		deletion := strings.Replace(strings.Replace(tt.want, " Max-Age=86400;", "", 1), " HttpOnly", " Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly", 1)
		if got := sessionLine(resp); got != deletion {
			t.Errorf("%s: deletion %s\nwant %s", tt.why, got, deletion)
		}
	}
}

// sessionLine returns the Set-Cookie line of the session.
func sessionLine(resp *testkit.Response) string {
	for _, line := range resp.Header.Values("Set-Cookie") {
		if !strings.Contains(line, "_txn_") && !strings.Contains(line, "_tries=") {
			return line
		}
	}
	return ""
}

// TestSessionOnlyStillExpires: the browser's idea of a session does not replace
// ours.
func TestSessionOnlyStillExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.CookieSessionOnly = true })
		b := e.Browser().MustLogin()
		time.Sleep(25 * time.Hour)
		if b.LoggedIn() {
			t.Error("the session did not end")
		}
	})
}

// TestLargeSession is split over several cookies, and loses the ID token before it
// fails.
func TestLargeSession(t *testing.T) {
	t.Parallel()
	size, data := 0, ""
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.KeepIDToken = true
		c.AfterLogin = func(_ context.Context, l *auth0.Login) error { l.Data["x"] = data; return nil }
	})
	e.Tenant.EditIDToken(func(_, c map[string]any) { c["big"] = strings.Repeat("x", size) })
	var idToken bool
	for _, tt := range []struct {
		size, parts int
		idToken     bool
	}{{0, 1, true}, {1000, 2, true}, {2500, 2, false}, {6500, 3, false}, {100, 1, true}} {
		size = tt.size
		b := e.Browser()
		b.Page("/")
		if resp := b.Login("/auth/login"); resp.Status != http.StatusSeeOther || !b.LoggedIn() {
			t.Fatalf("%d bytes: %d %s", size, resp.Status, e.Log)
		}
		parts := 0
		for name := range b.Cookies {
			if strings.HasPrefix(name, testkit.SessionCookie) {
				parts++
			}
		}
		idToken = strings.Contains(b.Page("/auth/logout").Header.Get("Location"), "id_token_hint=")
		if parts != tt.parts || idToken != tt.idToken {
			t.Errorf("claim of %d bytes: %d cookies, ID token kept %v; want %d, %v", size, parts, idToken, tt.parts, tt.idToken)
		}
	}
	if n := strings.Count(e.Log.String(), "larger than 6 KiB"); n != 1 {
		t.Errorf("%d warnings about size, want 1", n)
	}
	data = strings.Repeat("y", 14_000)
	b := e.Browser()
	resp := b.Login("/auth/login")
	if resp.Status != http.StatusInternalServerError || b.LoggedIn() || !strings.Contains(e.Log.String(), "session_too_large") {
		t.Errorf("a session that does not fit: %d, logged in %v", resp.Status, b.LoggedIn())
	}
}

func TestSaveSession(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	var saveErr error
	data := ""
	e.Mux.HandleFunc("GET /save", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.Strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		s.Data["x"] = data
		saveErr = e.Strategy.SaveSession(w, r, s)
	})
	e.Mux.HandleFunc("GET /read", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.Strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(w, s.Data["x"])
	})
	e.Mux.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) { e.Strategy.EndSession(w, r) })
	b := e.Browser().MustLogin()
	for _, data = range []string{"one", "žluťoučký 你好 \x00\"; Path=/", strings.Repeat("big", 2000), ""} {
		resp := b.Page("/save")
		if saveErr != nil || resp.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%.10q: %v, Cache-Control %q", data, saveErr, resp.Header.Get("Cache-Control"))
		}
		if got := b.Page("/read").Body; got != data {
			t.Errorf("read %.20q, want %.20q", got, data)
		}
	}
	// Data that are too large change nothing.
	data = "kept"
	b.Page("/save")
	before := b.Clone().Cookies
	data = strings.Repeat("y", 20_000)
	resp := b.Page("/save")
	if !errors.Is(saveErr, auth0.ErrSessionTooLarge) || len(resp.Header.Values("Set-Cookie")) != 0 || !reflect.DeepEqual(b.Cookies, before) || b.Page("/read").Body != "kept" {
		t.Errorf("too large: %v, cookies written %d", saveErr, len(resp.Header.Values("Set-Cookie")))
	}
	if b.Page("/end"); b.LoggedIn() {
		t.Error("saving nil does not end the session")
	}
	if err := e.Strategy.SaveSession(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), &auth0.Session{}); err == nil {
		t.Error("a session out of thin air is saved")
	}
}

func TestAccessToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lifetime := any(3600)
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience = testkit.Audience })
		e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) {
			if lifetime == nil {
				delete(body, "expires_in")
			} else if body["expires_in"] != nil {
				body["expires_in"] = lifetime
			}
		})
		var got error
		token := ""
		e.Mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
			tok, err := e.Strategy.AccessToken(w, r)
			if got = err; err == nil {
				token = tok.AccessToken
				if tok.TokenType != "Bearer" || !tok.Valid() {
					t.Errorf("token type %q, expiry %v", tok.TokenType, tok.Expiry)
				}
			}
		})
		b := e.Browser()
		b.Page("/token")
		if !errors.Is(got, auth0.ErrNoSession) {
			t.Errorf("logged out: %v", got)
		}
		b.MustLogin()
		if b.Page("/token"); got != nil || strings.Count(token, ".") != 2 {
			t.Errorf("logged in: %v", got)
		}
		time.Sleep(time.Hour)
		if b.Page("/token"); !errors.Is(got, auth0.ErrTokenExpired) || !b.LoggedIn() {
			t.Errorf("after an hour: %v, logged in %v", got, b.LoggedIn())
		}
		// An unknown lifetime counts as short, not as over.
		lifetime = nil
		b = e.Browser().MustLogin()
		if b.Page("/token"); got != nil {
			t.Errorf("lifetime not known: %v", got)
		}
		time.Sleep(5 * time.Minute)
		if b.Page("/token"); !errors.Is(got, auth0.ErrTokenExpired) {
			t.Errorf("lifetime not known, after five minutes: %v", got)
		}
	})
}

// TestLoadUserTwice does the work once.
func TestLoadUserTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		e.App = e.Strategy.LoadUser(e.App)
		b := e.Browser().MustLogin()
		time.Sleep(time.Hour)
		resp := b.Page("/")
		if resp.Body != "home true ada@acme.example" || len(resp.Header.Values("Set-Cookie")) != 1 || len(resp.Header.Values("Vary")) != 1 {
			t.Errorf("%q, cookies %d, Vary %q", resp.Body, len(resp.Header.Values("Set-Cookie")), resp.Header.Values("Vary"))
		}
	})
}

// TestCacheableResponse: a handler that lets caches store a response with a session
// cookie is logged.
func TestCacheableResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		e.Mux.HandleFunc("GET /cached", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Cache-Control", "public, max-age=60") })
		b := e.Browser().MustLogin()
		if b.Page("/cached"); strings.Contains(e.Log.String(), "cacheable") {
			t.Error("reported although no cookie was written")
		}
		time.Sleep(time.Hour)
		if b.Page("/cached"); !strings.Contains(e.Log.String(), "level=ERROR") || !strings.Contains(e.Log.String(), `cache_control="public, max-age=60"`) {
			t.Errorf("not reported:\n%s", e.Log)
		}
	})
}

// TestResponseWriterIsPassedOn: handlers get the ResponseWriter of net/http, not a
// wrapper.
func TestResponseWriterIsPassedOn(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	var got http.ResponseWriter
	h := e.Strategy.LoadUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = w }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got != http.ResponseWriter(w) {
		t.Errorf("the handler gets a %T", got)
	}
}

// TestStreaming: the response has the cookie although the handler sends its first
// byte at once.
func TestStreaming(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		e.Mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
			http.NewResponseController(w).Flush()
			fmt.Fprint(w, "data")
		})
		b := e.Browser().MustLogin()
		time.Sleep(time.Hour)
		if resp := b.Page("/stream"); resp.SetCookies(t)[testkit.SessionCookie] == nil || resp.Body != "data" {
			t.Errorf("%d %q, cookies %v", resp.Status, resp.Body, resp.Header.Values("Set-Cookie"))
		}
	})
}

// TestSessionIsACopy: one handler does not see the changes that another makes to
// its session.
func TestSessionIsACopy(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.EditIDToken(testkit.Claim("amr", []string{"pwd", "mfa"}))
	e.Mux.HandleFunc("GET /race", func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := e.Strategy.Session(r)
				if err != nil {
					t.Error(err)
					return
				}
				s.Data["x"], s.AMR[0] = "y", "changed"
			})
		}
		wg.Wait()
		s, err := e.Strategy.Session(r)
		if err != nil || len(s.Data) != 0 || !reflect.DeepEqual(s.AMR, []string{"pwd", "mfa"}) {
			t.Errorf("session %v %v, %v", s.Data, s.AMR, err)
		}
	})
	e.Browser().MustLogin().Page("/race")
}

func TestSessionFields(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	e.Tenant.EditIDToken(func(h, c map[string]any) {
		testkit.ClaimIn("auth_time", -30)(h, c)
		testkit.Claim("acr", "urn:mfa")(h, c)
		testkit.Claim("amr", []string{"mfa"})(h, c)
	})
	e.Mux.HandleFunc("GET /fields", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.Strategy.Session(r)
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
	e.Browser().MustLogin().Page("/fields")
}

// TestSecretsDoNotPrint formats every value with a secret, with every verb and in
// every kind of holder, and logs it.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) {
		c.Audience, c.KeepIDToken = testkit.Audience, true
		c.ManagementClientID, c.ManagementClientSecret = "m2m", "management-SECRET"
	})
	var values []any
	var secrets []string
	var login *auth0.Login
	e.Mux.HandleFunc("GET /collect", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.Strategy.Session(r)
		if err != nil {
			t.Error(err)
			return
		}
		tok, err := e.Strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet()})
		if err != nil {
			t.Error(err)
			return
		}
		token, err := api.Verify(r.Context(), tok.AccessToken)
		if err != nil {
			t.Error(err)
			return
		}
		secrets = []string{"client-secret-SECRET", "management-SECRET", testkit.CookieSecret, tok.AccessToken, strings.Split(tok.AccessToken, ".")[2]}
		values = []any{e.Config, e.Strategy, s, token, api, login}
	})
	cfg := e.Config
	cfg.AfterLogin = func(_ context.Context, l *auth0.Login) error { login = l; return nil }
	strategy, err := auth0.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Strategy, e.Config = strategy, cfg
	mux := http.NewServeMux()
	strategy.Register(mux)
	mux.Handle("/", e.Mux)
	e.App = strategy.LoadUser(mux)
	b := e.Browser()
	if resp := b.Login("/auth/login"); resp.Status != http.StatusSeeOther {
		t.Fatal(resp.Status)
	}
	if b.Page("/collect"); len(values) == 0 {
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
		// A Config has its secrets as plain text, so that it can be written as one
		// literal. The values made of it hide them everywhere.
		if _, isConfig := v.(auth0.Config); !isConfig {
			holders, verbs = append(holders, hidden{v}, &hidden{v}), verbs+"p"
		}
		for _, holder := range holders {
			for _, verb := range verbs {
				for _, flag := range []string{"", "+", "#"} {
					check(fmt.Sprintf("%%%s%c of %T", flag, verb, v), fmt.Sprintf("%"+flag+string(verb), holder))
				}
			}
			var out testkit.Log
			slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", holder)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", holder)
			check(fmt.Sprintf("slog of %T", v), out.String())
		}
		if text, err := json.Marshal(v); err == nil {
			check(fmt.Sprintf("JSON of %T", v), string(text))
		}
	}
	check("the log", e.Log.String())
}
