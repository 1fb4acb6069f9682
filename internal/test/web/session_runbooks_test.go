package web_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

const newSecret = "fedcba9876543210-the-next-secret-of-the-tests"

// TestRunbookRotation follows docs/security-model.md: in a rolling deployment old
// and new instances serve the same users, and every user stays logged in.
func TestRunbookRotation(t *testing.T) {
	t.Parallel()
	store := auth0.NewMemoryStore(1000)
	for _, m := range []testkit.Mode{{Name: "in cookies", Edit: testkit.InCookies}, {Name: "in a store", Edit: func(c *auth0.Config) { c.Store = store }}, {Name: "revocable", Edit: testkit.Revocable}} {
		now := testkit.NewClock()
		base := testkit.SignedIn(t, m.Edit, func(c *auth0.Config) { c.Now = now.Now; c.AbsoluteTimeout = auth0.None })
		instance := func(secrets ...string) *testkit.Env {
			e := testkit.SignedIn(t, func(c *auth0.Config) { *c = base.Config; c.Secrets = secrets })
			e.Tenant = base.Tenant
			return e
		}
		base.Tenant.EditIDToken(func(_, c map[string]any) { c["iat"], c["exp"] = now.Now().Unix(), now.Now().Unix()+600 })
		steps := [][]string{{testkit.CookieSecret}, {testkit.CookieSecret, newSecret}, {newSecret, testkit.CookieSecret}, {newSecret}}
		b := instance(steps[0]...).Browser().MustLogin()
		for i := range steps[1:] {
			// While a step is deployed, requests reach instances of both.
			before, after := instance(steps[i]...), instance(steps[i+1]...)
			for j, e := range []*testkit.Env{before, after, before, after, after, before, after} {
				now.Add(400) // long enough for the session to be written
				if b.Env = e; !b.LoggedIn() {
					t.Fatalf("%s: logged out by step %d, request %d", m.Name, i+1, j)
				}
			}
		}
		// The mistake that the document warns of.
		b = instance(testkit.CookieSecret).Browser().MustLogin()
		now.Add(400)
		if b.Env = instance(newSecret, testkit.CookieSecret); !b.LoggedIn() {
			t.Fatal("the new instance does not open the old secret")
		}
		if b.Env = instance(testkit.CookieSecret); b.LoggedIn() {
			t.Errorf("%s: without the first step nobody is logged out", m.Name)
		}
	}
}

// TestRunbookEmergency: a new secret alone ends every session, in cookies and in
// stores, and every user can log in again.
func TestRunbookEmergency(t *testing.T) {
	t.Parallel()
	for _, m := range append(testkit.Modes, testkit.Mode{Name: "revocable", Edit: testkit.Revocable}) {
		e := testkit.SignedIn(t, m.Edit)
		var browsers []*testkit.Browser
		for range 3 {
			browsers = append(browsers, e.Browser().MustLogin())
		}
		after := testkit.SignedIn(t, func(c *auth0.Config) { *c = e.Config; c.Secrets = []string{newSecret} })
		after.Tenant = e.Tenant
		for i, b := range browsers {
			if b.Env = after; b.LoggedIn() {
				t.Errorf("%s: session %d goes on", m.Name, i)
			}
			if b.MustLogin(); !b.LoggedIn() {
				t.Errorf("%s: user %d cannot log in again", m.Name, i)
			}
		}
	}
}

// TestRunbookStore: deleting all records ends every session. A record that is written
// back after a logout makes a copied cookie valid again, unless its mark is there,
// and a new secret ends that.
func TestRunbookStore(t *testing.T) {
	t.Parallel()
	store := testkit.NewWatchedStore()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Store = store })
	b := e.Browser().MustLogin()
	copied := b.Clone()
	saved := map[string]testkit.StoredValue{}
	store.Change(func(values map[string]testkit.StoredValue) { maps.Copy(saved, values) })
	b.Logout()
	restore := func(onto map[string]testkit.StoredValue) {
		store.Change(func(values map[string]testkit.StoredValue) {
			clear(values)
			maps.Copy(values, onto)
			maps.Copy(values, saved)
		})
	}
	now := map[string]testkit.StoredValue{}
	store.Change(func(values map[string]testkit.StoredValue) { maps.Copy(now, values) })
	restart := func(secret string) *testkit.Env {
		return testkit.SignedIn(t, func(c *auth0.Config) { *c = e.Config; c.Secrets = []string{secret} })
	}
	for _, tt := range []struct {
		why    string
		onto   map[string]testkit.StoredValue
		secret string
		want   bool
	}{
		{"the mark is there", now, testkit.CookieSecret, false},
		{"a backup without the mark", map[string]testkit.StoredValue{}, testkit.CookieSecret, true},
		{"the same, and a new secret", map[string]testkit.StoredValue{}, newSecret, false},
	} {
		restore(tt.onto)
		c := copied.Clone()
		if c.Env = restart(tt.secret); c.LoggedIn() != tt.want {
			t.Errorf("%s: logged in %v, want %v; %s", tt.why, !tt.want, tt.want, fmt.Sprint(len(tt.onto), " keys"))
		}
	}
}
