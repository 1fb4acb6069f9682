package auth0_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// A tenant may say when sessions must end, in the claim session_expiry. They end
// half a minute before that.

// sessionExpiry makes the tenant say when, counted from now.
func (e *env) sessionExpiry(d time.Duration) {
	at := time.Now().Add(d).Unix()
	e.tenant.EditIDToken(func(_, c map[string]any) { c["session_expiry"] = at })
}

func TestSessionExpiry(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newEnv(t, m.edit)
		e.sessionExpiry(2 * time.Hour)
		b := e.browser()
		resp := b.login("/auth/login")
		const life = 2*3600 - 30
		if c := resp.setCookies(t)[sessionName]; c == nil || c.MaxAge != life {
			t.Fatalf("cookie %v, want Max-Age %d", c, life)
		}
		s, err := e.strategy.Session(b.request("/"))
		if err != nil || time.Until(s.ExpiresAt) != life*time.Second {
			t.Errorf("session until %v, %v", s.ExpiresAt, err)
		}
		// Using it does not move the end.
		time.Sleep(time.Hour)
		if c := b.page("/").setCookies(t)[sessionName]; c == nil || c.MaxAge != life-3600 {
			t.Errorf("prolonged: cookie %v, want Max-Age %d", c, life-3600)
		}
		time.Sleep((life - 3601) * time.Second)
		if !b.loggedIn() {
			t.Error("ended a second too early")
		}
		time.Sleep(time.Second)
		resp = b.page("/")
		if c := resp.setCookies(t)[sessionName]; resp.body != "home false " || c == nil || c.MaxAge >= 0 {
			t.Errorf("at the end: %q, cookie %v", resp.body, c)
		}
	})
}

// TestSessionExpiryInStore: what is over is not kept either.
func TestSessionExpiryInStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatchedStore()
		e := newEnv(t, store.edit)
		e.sessionExpiry(2 * time.Hour)
		e.browser().mustLogin()
		if d := time.Until(store.written()[0]); d != 2*time.Hour-30*time.Second {
			t.Errorf("kept for %v", d)
		}
	})
}

// TestSessionExpiryAtLogin: a login whose session is over before it begins.
func TestSessionExpiryAtLogin(t *testing.T) {
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
		inEachMode(t, func(t *testing.T, m mode) {
			e := newEnv(t, m.edit)
			e.tenant.EditIDToken(func(_, c map[string]any) {
				for name, value := range tt.claims {
					c[name] = value
				}
			})
			b := e.browser()
			resp := b.login("/auth/login?returnTo=/private")
			if tt.good {
				if resp.status != http.StatusSeeOther || resp.setCookies(t)[sessionName] == nil {
					t.Errorf("%s: %d %q", tt.why, resp.status, resp.body)
				}
				return
			}
			if resp.status != 400 || resp.setCookies(t)[sessionName] != nil || resp.header.Get("Location") != "" || !strings.Contains(e.log.String(), "reason=session_expired") {
				t.Errorf("%s: %d, cookies %v; log:\n%s", tt.why, resp.status, resp.header.Values("Set-Cookie"), e.log)
			}
			if b.loggedIn() {
				t.Errorf("%s: logged in", tt.why)
			}
		})
	}
}

// TestSessionExpiryIgnored: a mistake in the claim keeps nobody out.
func TestSessionExpiryIgnored(t *testing.T) {
	for why, value := range map[string]any{
		"text":           "946684801",
		"fraction":       946684801.5,
		"zero":           0,
		"negative":       -946684801,
		"milliseconds":   946684801000,
		"far too large":  math.MaxFloat64,
		"just too large": 10_000_000_000,
		"null":           nil,
		"true":           true,
		"list":           []int{946684801},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			e.tenant.EditIDToken(func(_, c map[string]any) { c["session_expiry"] = value })
			b := e.browser()
			if c := b.login("/auth/login").setCookies(t)[sessionName]; c == nil || c.MaxAge != 86400 || !b.loggedIn() {
				t.Errorf("%s: cookie %v", why, c)
			}
		})
	}
}

// TestSessionExpiryAndRefresh: a refresh neither moves the end nor goes beyond it.
func TestSessionExpiryAndRefresh(t *testing.T) {
	inEachMode(t, func(t *testing.T, m mode) {
		e := newRefreshEnv(t, m.edit)
		e.sessionExpiry(25*time.Minute + 30*time.Second)
		b := e.browser().mustLogin()
		e.sessionExpiry(5 * time.Hour) // of the ID tokens of refreshes
		for range 2 {
			time.Sleep(tokenLife)
			b.token()
		}
		s, err := e.strategy.Session(b.request("/"))
		if err != nil || time.Until(s.ExpiresAt) != 5*time.Minute {
			t.Errorf("session for another %v, %v", time.Until(s.ExpiresAt), err)
		}
		e.sessionExpiry(time.Minute)
		b.token("force")
		time.Sleep(5*time.Minute - time.Second)
		b.token()
		if !b.loggedIn() {
			t.Error("a refresh has moved the end")
		}
		calls := e.tenant.Calls(emulator.Token)
		time.Sleep(time.Second)
		b.noToken(401, "no_session")
		b.noToken(401, "no_session", "force")
		if e.tenant.Calls(emulator.Token) != calls {
			t.Error("the tenant was asked for a token of a session that is over")
		}
	})
}

// TestSessionExpiryWithoutLimits of ours.
func TestSessionExpiryWithoutLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, func(c *auth0.Config) { c.IdleTimeout, c.AbsoluteTimeout = auth0.None, 30*24*time.Hour })
		e.sessionExpiry(time.Hour)
		b := e.browser().mustLogin()
		time.Sleep(time.Hour - 30*time.Second)
		if b.loggedIn() {
			t.Error("the session goes on")
		}
	})
}
