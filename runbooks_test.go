package auth0_test

import (
	"fmt"
	"testing"

	"github.com/seed-15d5a55c/auth0"
)

const newSecret = "fedcba9876543210-the-next-secret-of-the-tests"

// TestRunbookRotation follows docs/security-model.md: in a rolling deployment old
// and new instances serve the same users, and nobody is logged out.
func TestRunbookRotation(t *testing.T) {
	store := auth0.NewMemoryStore(1000)
	for _, m := range []mode{{"in cookies", inCookies}, {"in a store", func(c *auth0.Config) { c.Store = store }}, {"revocable", revocable}} {
		now := newClock()
		base := newEnv(t, m.edit, func(c *auth0.Config) { c.Now = now.now; c.AbsoluteTimeout = auth0.None })
		instance := func(secrets ...string) *env {
			e := newEnv(t, func(c *auth0.Config) { *c = base.cfg; c.Secrets = secrets })
			e.tenant = base.tenant
			return e
		}
		base.tenant.EditIDToken(func(_, c map[string]any) { c["iat"], c["exp"] = now.now().Unix(), now.now().Unix()+600 })
		steps := [][]string{{testSecret}, {testSecret, newSecret}, {newSecret, testSecret}, {newSecret}}
		b := instance(steps[0]...).browser().mustLogin()
		for i := range steps[1:] {
			// While a step is deployed, requests reach instances of both.
			before, after := instance(steps[i]...), instance(steps[i+1]...)
			for j, e := range []*env{before, after, before, after, after, before, after} {
				now.add(400) // long enough for the session to be written
				if b.e = e; !b.loggedIn() {
					t.Fatalf("%s: logged out by step %d, request %d", m.name, i+1, j)
				}
			}
		}
		// What the document warns of.
		b = instance(testSecret).browser().mustLogin()
		now.add(400)
		if b.e = instance(newSecret, testSecret); !b.loggedIn() {
			t.Fatal("the new instance does not open the old secret")
		}
		if b.e = instance(testSecret); b.loggedIn() {
			t.Errorf("%s: without the first step nobody is logged out", m.name)
		}
	}
}

// TestRunbookEmergency: a new secret alone ends every session, in cookies and in
// stores, and everybody can log in again.
func TestRunbookEmergency(t *testing.T) {
	for _, m := range append(modes, mode{"revocable", revocable}) {
		e := newEnv(t, m.edit)
		var browsers []*browser
		for range 3 {
			browsers = append(browsers, e.browser().mustLogin())
		}
		after := newEnv(t, func(c *auth0.Config) { *c = e.cfg; c.Secrets = []string{newSecret} })
		after.tenant = e.tenant
		for i, b := range browsers {
			if b.e = after; b.loggedIn() {
				t.Errorf("%s: session %d goes on", m.name, i)
			}
			if b.mustLogin(); !b.loggedIn() {
				t.Errorf("%s: user %d cannot log in again", m.name, i)
			}
		}
	}
}

// TestRunbookStore: deleting all records logs everybody out; a record that is written
// back after a logout makes a copy of the cookie valid again, unless its mark is
// there, and a new secret ends that.
func TestRunbookStore(t *testing.T) {
	store := newWatchedStore()
	e := newEnv(t, func(c *auth0.Config) { c.Store = store })
	b := e.browser().mustLogin()
	copied := b.clone()
	store.mu.Lock()
	saved := map[string]storedValue{}
	for key, value := range store.values {
		saved[key] = value
	}
	store.mu.Unlock()
	b.logout()
	restore := func(onto map[string]storedValue) {
		store.mu.Lock()
		defer store.mu.Unlock()
		for key, value := range saved {
			onto[key] = value
		}
		store.values = onto
	}
	restart := func(secret string) *env {
		return newEnv(t, func(c *auth0.Config) { *c = e.cfg; c.Secrets = []string{secret} })
	}
	for _, tt := range []struct {
		why    string
		onto   map[string]storedValue
		secret string
		want   bool
	}{
		{"the mark is there", store.values, testSecret, false},
		{"a backup without the mark", map[string]storedValue{}, testSecret, true},
		{"the same, and a new secret", map[string]storedValue{}, newSecret, false},
	} {
		restore(tt.onto)
		c := copied.clone()
		if c.e = restart(tt.secret); c.loggedIn() != tt.want {
			t.Errorf("%s: logged in %v, want %v; %s", tt.why, !tt.want, tt.want, fmt.Sprint(len(tt.onto), " keys"))
		}
	}
}
