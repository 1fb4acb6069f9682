package web_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// thumbprints returns the keys of accepted proofs.
func thumbprints(list []testkit.Proof) (keys []string) {
	for _, p := range list {
		keys = append(keys, p.Thumbprint)
	}
	return keys
}

// TestRefreshElsewhere: another process with the same secrets refreshes with the key of
// the session, in a cookie or in a store.
func TestRefreshElsewhere(t *testing.T) {
	t.Parallel()
	for _, mode := range testkit.Modes {
		e := newEnv(t, nil, mode.Edit)
		b := e.Browser().MustLogin()
		other := e.again(func(*auth0.Config) {})
		moved := other.at(b)
		if resp := moved.Fetch("/token?force=1"); resp.Body != "DPoP" {
			t.Errorf("%s: %d %s; %s", mode.Name, resp.Status, resp.Body, e.Log)
		}
		keys := thumbprints(e.accepted(testkit.TokenEndpoint))
		if len(keys) != 2 || keys[0] != keys[1] {
			t.Errorf("%s: the keys %q", mode.Name, keys)
		}
		if resp := moved.Fetch("/call"); resp.Status != 200 || !strings.Contains(resp.Body, keys[0]) {
			t.Errorf("%s: the API answers %d %s", mode.Name, resp.Status, resp.Body)
		}
	}
}

// TestChanges: the setting changes during a session. Before and After are the types of
// the token, and Logins the number of logins until there is a token again.
func TestChanges(t *testing.T) {
	t.Parallel()
	first, _ := ownKey()
	second, _ := ownKey()
	none, each := auth0.ProofKey{}, auth0.ProofKeyPerSession()
	for _, row := range []struct {
		name        string
		from, to    auth0.ProofKey
		public      bool
		kept, fresh string // of the token of the session, and after a refresh; or the reason
		same        bool   // the key goes on
		afterLogin  string
	}{
		{"on, key for each session", none, each, false, "Bearer", "Bearer", false, "DPoP"},
		{"on, key of the application", none, first, false, "Bearer", "Bearer", false, "DPoP"},
		{"off, key for each session", each, none, false, "DPoP", "DPoP", true, "Bearer"},
		{"off, key for each session, public", each, none, true, "DPoP", "DPoP", true, "Bearer"},
		{"off, key of the application", first, none, false, "Bearer", "Bearer", false, "Bearer"},
		{"off, key of the application, public", first, none, true, "token_expired", "token_expired", false, "Bearer"},
		{"another key", first, second, false, "DPoP", "DPoP", false, "DPoP"},
		{"another key, public", first, second, true, "token_expired", "token_expired", false, "DPoP"},
		{"the same key", first, first, false, "DPoP", "DPoP", true, "DPoP"},
		{"to a key for each session", first, each, false, "DPoP", "DPoP", false, "DPoP"},
		{"to a key of the application", each, first, false, "DPoP", "DPoP", true, "DPoP"},
	} {
		for _, mode := range testkit.Modes {
			edits := []func(*auth0.Config){mode.Edit}
			var client func(*testkit.TenantClient)
			if row.public {
				client, edits = public, append(edits, withoutSecret)
			}
			e := newEnvWith(t, row.from, client, edits...)
			b := e.Browser().MustLogin()
			before := thumbprints(e.accepted(testkit.TokenEndpoint))
			now := e.again(func(c *auth0.Config) { c.ProofKey = row.to })
			b = now.at(b)
			for i, want := range []string{row.kept, row.fresh} {
				if resp := b.Fetch([]string{"/token", "/token?force=1"}[i]); resp.Body != want {
					t.Errorf("%s, %s, %d: %d %s, want %s; %s", row.name, mode.Name, i, resp.Status, resp.Body, want, e.Log)
				}
			}
			if row.fresh == "DPoP" {
				after := thumbprints(e.accepted(testkit.TokenEndpoint))
				if (after[len(after)-1] == before[0]) != row.same {
					t.Errorf("%s, %s: the keys %q, before %q", row.name, mode.Name, after, before)
				}
				if resp := b.Fetch("/call"); resp.Status != 200 {
					t.Errorf("%s, %s: the API answers %d %s", row.name, mode.Name, resp.Status, resp.Body)
				}
			}
			if resp := b.Login("/auth/login?prompt=login"); resp.Status != 303 {
				t.Errorf("%s, %s: the login ends with %d", row.name, mode.Name, resp.Status)
			}
			if resp := b.Fetch("/token"); resp.Body != row.afterLogin {
				t.Errorf("%s, %s: after a login %d %s", row.name, mode.Name, resp.Status, resp.Body)
			}
		}
	}
}

// TestLoginOnce: after the key of a public application has changed, a page that needs a
// token redirects its user to log in once.
func TestLoginOnce(t *testing.T) {
	t.Parallel()
	first, _ := ownKey()
	second, _ := ownKey()
	e := newEnvWith(t, first, public, withoutSecret)
	b := e.Browser().MustLogin()
	now := e.again(func(c *auth0.Config) { c.ProofKey = second })
	now.Mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		if _, err := now.Strategy.AccessToken(w, r); errors.Is(err, auth0.ErrTokenExpired) {
			http.Redirect(w, r, "/auth/login?returnTo=/page", http.StatusSeeOther)
		}
	})
	b = now.at(b)
	if resp := b.Page("/page"); resp.Status != 303 || resp.Header.Get("Location") != "/auth/login?returnTo=/page" {
		t.Fatalf("%d; %s", resp.Status, e.Log)
	}
	if resp := b.Login("/auth/login?returnTo=/page"); resp.Status != 303 {
		t.Fatalf("%d; %s", resp.Status, e.Log)
	}
	if resp := b.Page("/page"); resp.Status != 200 {
		t.Errorf("after the login %d", resp.Status)
	}
}

// TestTenantDemandsProofs: a session without a key needs another login if the tenant
// accepts no refresh without a proof any more.
func TestTenantDemandsProofs(t *testing.T) {
	t.Parallel()
	e := newEnvWith(t, auth0.ProofKey{}, nil)
	b := e.Browser().MustLogin()
	e.EditClient(func(c *testkit.TenantClient) { c.RequireProofOfPossession = true })
	if resp := e.again(func(*auth0.Config) {}).at(b).Fetch("/token?force=1"); resp.Body != "tenant_answer" {
		t.Errorf("an application without a key: %d %s", resp.Status, resp.Body)
	}
	now := e.again(func(c *auth0.Config) { c.ProofKey = auth0.ProofKeyPerSession() })
	b = now.at(b)
	if resp := b.Fetch("/token?force=1"); resp.Body != "token_expired" {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if resp := b.Login("/auth/login"); resp.Status != 303 {
		t.Errorf("the login ends with %d", resp.Status)
	}
	if resp := b.Fetch("/token"); resp.Body != "DPoP" {
		t.Errorf("after the login %d %s", resp.Status, resp.Body)
	}
}

// TestManyCalls: 50 calls at the expiry of the token cost one refresh, and each has its own
// proof.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil, testkit.InStore)
		var mu sync.Mutex
		var proofs []string
		e.api.guarded = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
		e.Mux.HandleFunc("GET /many", func(w http.ResponseWriter, r *http.Request) {
			client := e.Strategy.Client(w, r)
			client.Transport.(*auth0.ProofTransport).Base = testkit.Hosts{"api.example": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				proofs = append(proofs, r.Header.Get("DPoP"))
			})}
			resp, err := client.Get("https://api.example/")
			write(w, resp, err)
		})
		if err := e.Tenant.EditAPI(testkit.Audience, func(a *testkit.TenantAPI) { a.Lifetime = 10 * time.Minute }); err != nil {
			t.Fatal(err)
		}
		b := e.Browser().MustLogin()
		time.Sleep(10 * time.Minute)
		tabs := testkit.Tabs(b, 50)
		testkit.Together(50, func(i int) {
			if resp := tabs[i].Fetch("/many"); resp.Status != 200 {
				t.Errorf("%d %s", resp.Status, resp.Body)
			}
		})
		slices.Sort(proofs)
		if n := e.Refreshes(); n != 1 || len(slices.Compact(proofs)) != 50 {
			t.Errorf("%d refreshes, %d proofs; %s", n, len(slices.Compact(proofs)), e.Log)
		}
	})
}

// TestVault: the token of a third party is a bearer token, in a session with a key too.
func TestVault(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	var got string
	e.Mux.HandleFunc("GET /third", func(w http.ResponseWriter, r *http.Request) {
		token, err := e.Strategy.AccessToken(w, r, auth0.ForConnection("google-oauth2"))
		if err != nil {
			got = testkit.ReasonOf(err)
			return
		}
		got = token.TokenType + " " + token.AccessToken
		if token.Extra("auth0_proof_key") != nil {
			t.Error("the token of a third party has a key")
		}
	})
	for _, row := range []struct{ body, want string }{
		{`{"access_token":"theirs","token_type":"Bearer","expires_in":600}`, "Bearer theirs"},
		{`{"access_token":"theirs","token_type":"DPoP","expires_in":600}`, "token_not_bound"},
	} {
		e.Tenant.Replace(testkit.TokenEndpoint, nil)
		b := e.Browser().MustLogin()
		e.Tenant.Replace(testkit.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(row.body))
		})
		b.Fetch("/third")
		if got != row.want {
			t.Errorf("%s: %s, want %s; %s", row.body, got, row.want, e.Log)
		}
	}
	sent := e.tap.All("/oauth/token")
	if last := sent[len(sent)-1]; last.Header.Get("DPoP") == "" {
		t.Error("the exchange has no proof")
	}
}

// TestImported: a session of another system has no key. Its bearer token is used, and its
// bound token is not.
func TestImported(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"": "Bearer", "Bearer": "Bearer", "DPoP": "missing_token"} {
		testImported(t, kind, want)
	}
}

func testImported(t *testing.T, kind, want string) {
	e := newEnv(t, nil)
	e.Mux.HandleFunc("GET /import", func(w http.ResponseWriter, r *http.Request) {
		if err := e.Strategy.ImportSession(w, r, auth0.ImportedSession{
			User: auth0.User{Subject: "auth0|x"}, LoggedInAt: time.Now(), Token: imported(kind),
		}); err != nil {
			t.Error(err)
		}
	})
	e.Mux.HandleFunc("GET /show", e.showToken)
	b := e.Browser()
	b.Page("/import")
	if resp := b.Fetch("/show"); resp.Body != want {
		t.Errorf("%q: %d %s", kind, resp.Status, resp.Body)
	}
}
