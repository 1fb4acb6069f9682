package web_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// A tenant can set the end of a session in the claim session_expiry. The session
// ends half a minute before that.

// sessionExpiry makes the tenant set the end, counted from now.
func sessionExpiry(e *testkit.Env, d time.Duration) {
	at := time.Now().Add(d).Unix()
	e.Tenant.EditIDToken(func(_, c map[string]any) { c["session_expiry"] = at })
}

func TestSessionExpiry(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedIn(t, m.Edit)
		sessionExpiry(e, 2*time.Hour)
		b := e.Browser()
		resp := b.Login("/auth/login")
		const life = 2*3600 - 30
		if c := resp.SetCookies(t)[testkit.SessionCookie]; c == nil || c.MaxAge != life {
			t.Fatalf("cookie %v, want Max-Age %d", c, life)
		}
		s, err := e.Strategy.Session(b.Request("/"))
		if err != nil || time.Until(s.ExpiresAt) != life*time.Second {
			t.Errorf("session until %v, %v", s.ExpiresAt, err)
		}
		// Using the session does not move the end.
		time.Sleep(time.Hour)
		if c := b.Page("/").SetCookies(t)[testkit.SessionCookie]; c == nil || c.MaxAge != life-3600 {
			t.Errorf("prolonged: cookie %v, want Max-Age %d", c, life-3600)
		}
		time.Sleep((life - 3601) * time.Second)
		if !b.LoggedIn() {
			t.Error("ended a second too early")
		}
		time.Sleep(time.Second)
		resp = b.Page("/")
		if c := resp.SetCookies(t)[testkit.SessionCookie]; resp.Body != "home false " || c == nil || c.MaxAge >= 0 {
			t.Errorf("at the end: %q, cookie %v", resp.Body, c)
		}
	})
}

// TestSessionExpiryInStore: an ended session is not kept either.
func TestSessionExpiryInStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := testkit.NewWatchedStore()
		e := testkit.SignedIn(t, store.Use)
		sessionExpiry(e, 2*time.Hour)
		e.Browser().MustLogin()
		if d := time.Until(store.Written()[0]); d != 2*time.Hour-30*time.Second {
			t.Errorf("kept for %v", d)
		}
	})
}

// TestSessionExpiryAtLogin: a login whose session has expired before it starts.
func TestSessionExpiryAtLogin(t *testing.T) {
	t.Parallel()
	const now = 946684800 // when the time of a bubble begins
	tests := []struct {
		why    string
		claims map[string]any
		good   bool
	}{
		{"over", map[string]any{"session_expiry": now - 1}, false},
		{"over now", map[string]any{"session_expiry": now}, false},
		{"over in half a minute", map[string]any{"session_expiry": now + 30}, false},
		{"over a second later", map[string]any{"session_expiry": now + 31}, true},
		{"the tenant's clock counts", map[string]any{"session_expiry": now + 60, "iat": now + 30}, false},
		{"the tenant's clock counts, too", map[string]any{"session_expiry": now + 31, "iat": now - 10}, true},
	}
	for _, tt := range tests {
		testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
			e := testkit.SignedIn(t, m.Edit)
			e.Tenant.EditIDToken(func(_, c map[string]any) {
				for name, value := range tt.claims {
					c[name] = value
				}
			})
			b := e.Browser()
			resp := b.Login("/auth/login?returnTo=/private")
			if tt.good {
				if resp.Status != http.StatusSeeOther || resp.SetCookies(t)[testkit.SessionCookie] == nil {
					t.Errorf("%s: %d %q", tt.why, resp.Status, resp.Body)
				}
				return
			}
			if resp.Status != 400 || resp.SetCookies(t)[testkit.SessionCookie] != nil || resp.Header.Get("Location") != "" || !strings.Contains(e.Log.String(), "reason=session_expired") {
				t.Errorf("%s: %d, cookies %v; log:\n%s", tt.why, resp.Status, resp.Header.Values("Set-Cookie"), e.Log)
			}
			if b.LoggedIn() {
				t.Errorf("%s: logged in", tt.why)
			}
		})
	}
}

// TestSessionExpiryIgnored: a mistake in the claim prevents no login.
func TestSessionExpiryIgnored(t *testing.T) {
	t.Parallel()
	for why, value := range map[string]any{
		"text":           "946684801",
		"fraction":       946684801.5,
		"zero":           0,
		"negative":       -946684801,
		"milliseconds":   int64(946684801000),
		"far too large":  math.MaxFloat64,
		"just too large": int64(10_000_000_000),
		"null":           nil,
		"true":           true,
		"list":           []int{946684801},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := testkit.SignedIn(t)
			e.Tenant.EditIDToken(func(_, c map[string]any) { c["session_expiry"] = value })
			b := e.Browser()
			if c := b.Login("/auth/login").SetCookies(t)[testkit.SessionCookie]; c == nil || c.MaxAge != 86400 || !b.LoggedIn() {
				t.Errorf("%s: cookie %v", why, c)
			}
		})
	}
}

// TestSessionExpiryAndRefresh: a refresh neither moves the end nor goes beyond it.
func TestSessionExpiryAndRefresh(t *testing.T) {
	t.Parallel()
	testkit.InEachModeBubble(t, func(t *testing.T, m testkit.Mode) {
		e := testkit.SignedInRefreshing(t, m.Edit)
		sessionExpiry(e, 25*time.Minute+30*time.Second)
		b := e.Browser().MustLogin()
		sessionExpiry(e, 5*time.Hour) // of the ID tokens of refreshes
		for range 2 {
			time.Sleep(testkit.TokenLife)
			b.Token()
		}
		s, err := e.Strategy.Session(b.Request("/"))
		if err != nil || time.Until(s.ExpiresAt) != 5*time.Minute {
			t.Errorf("session for another %v, %v", time.Until(s.ExpiresAt), err)
		}
		sessionExpiry(e, time.Minute)
		b.Token("force")
		time.Sleep(5*time.Minute - time.Second)
		b.Token()
		if !b.LoggedIn() {
			t.Error("a refresh has moved the end")
		}
		calls := e.Tenant.Calls(testkit.TokenEndpoint)
		time.Sleep(time.Second)
		b.NoToken(401, "no_session")
		b.NoToken(401, "no_session", "force")
		if e.Tenant.Calls(testkit.TokenEndpoint) != calls {
			t.Error("the tenant was asked for a token of a session that is over")
		}
	})
}

// TestSessionExpiryWithoutLimits: the claim also counts without an idle timeout.
func TestSessionExpiryWithoutLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = auth0.None, 30*24*time.Hour })
		sessionExpiry(e, time.Hour)
		b := e.Browser().MustLogin()
		time.Sleep(time.Hour - 30*time.Second)
		if b.LoggedIn() {
			t.Error("the session goes on")
		}
	})
}
