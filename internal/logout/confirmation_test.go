package logout

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/seal"
)

// TestConfirmations: a value is good for its session, its cookie, its secret and its time,
// and for nothing else.
func TestConfirmations(t *testing.T) {
	t.Parallel()
	keyring := func(secret string) seal.Keyring {
		k, err := seal.New([]string{secret})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	const secret = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	begin := time.Unix(1_800_000_000, 0)
	now := begin
	c := Confirmations{Keyring: keyring(secret), Cookie: "__Host-app_session", Now: func() time.Time { return now }}
	value := c.New("session-1")
	sealed := func(purpose, plain string) string { return c.Keyring.Seal(purpose, c.Cookie, []byte(plain)) }
	other := c
	other.Keyring = keyring(strings.ToUpper(secret[32:]) + secret[:32])
	otherCookie := c
	otherCookie.Cookie = "__Host-other_session"
	for _, tt := range []struct {
		why, value, session string
		age                 time.Duration
		want                bool
	}{
		{"at once", value, "session-1", 0, true},
		{"in time", value, "session-1", 599 * time.Second, true},
		{"after ten minutes", value, "session-1", 600 * time.Second, false},
		{"clock behind", value, "session-1", -59 * time.Second, true},
		{"from the future", value, "session-1", -60 * time.Second, false},
		{"another session", value, "session-2", 0, false},
		{"no session", value, "", 0, false},
		{"nothing", "", "session-1", 0, false},
		{"nonsense", "x", "session-1", 0, false},
		{"cut", value[:len(value)-1], "session-1", 0, false},
		{"another secret", other.New("session-1"), "session-1", 0, false},
		{"another cookie", otherCookie.New("session-1"), "session-1", 0, false},
		{"made by hand", sealed("logout", `{"id":"session-1","iat":1800000000}`), "session-1", 0, true},
		{"another purpose", sealed("session", `{"id":"session-1","iat":1800000000}`), "session-1", 0, false},
		{"no time", sealed("logout", `{"id":"session-1"}`), "session-1", 0, false},
		{"no JSON", sealed("logout", `{"id":"session-1","iat":1800000000}}`), "session-1", 0, false},
		{"no JSON object, no session", sealed("logout", "x"), "", -1_800_000_000 * time.Second, false},
	} {
		now = begin.Add(tt.age)
		if got := c.Accepts(tt.value, tt.session); got != tt.want {
			t.Errorf("%s: %v", tt.why, got)
		}
	}
}
