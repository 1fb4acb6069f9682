package testkit

import (
	"crypto/fips140"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0"
)

// A Mode is a way to keep sessions. Each use of it has its own stores.
type Mode struct {
	Name string
	Edit func(*auth0.Config)
}

// InCookies keeps sessions in cookies.
func InCookies(*auth0.Config) {}

// InStore keeps sessions in the store of NewMemoryStore.
func InStore(c *auth0.Config) { c.Store = auth0.NewMemoryStore(5000) }

// Revocable keeps sessions in cookies, with a store of revocations.
func Revocable(c *auth0.Config) { c.Revocations = auth0.NewMemoryStore(5000) }

// InPlainStore is a store with only the required methods of a Store.
func InPlainStore(c *auth0.Config) { c.Store = PlainStore{auth0.NewMemoryStore(5000)} }

// Modes are the ways to keep sessions.
var Modes = []Mode{{"in cookies", InCookies}, {"in a store", InStore}, {"in a plain store", InPlainStore}}

// InBubble runs a test in a bubble, unless the FIPS module is on. Its random generator
// measures time to begin, and the clock of a bubble stands still.
func InBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("the random generator of the FIPS module needs a clock that moves")
	}
	synctest.Test(t, test)
}

// InEachModeBubble runs a test once for each way to keep sessions, each time in a
// bubble.
func InEachModeBubble(t *testing.T, f func(t *testing.T, m Mode)) {
	for _, m := range Modes {
		t.Run(m.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, m) })
		})
	}
}

// InBothBubbles runs a test with sessions in cookies and in a store, each time in a
// bubble.
func InBothBubbles(t *testing.T, test func(t *testing.T, edit func(*auth0.Config))) {
	for name, edit := range map[string]func(*auth0.Config){
		"cookies": func(*auth0.Config) {},
		"store":   func(c *auth0.Config) { c.Store = auth0.NewMemoryStore(100) },
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, edit) }) })
	}
}
