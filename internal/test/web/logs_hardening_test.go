package web_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestNoLeaks: requests leave no goroutine behind, and abandoned logins leave
// nothing on the server.
//
// The bubble fails if a goroutine of it is left when the test function returns.
func TestNoLeaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := testkit.SignedIn(t)
		b := e.Browser().MustLogin()
		e.Strategy.GetConnections(t.Context())
		for range 500 {
			b.Page("/")
			e.Browser().Page("/auth/login")
			e.Browser().Page("/auth/callback?state=x&code=y")
		}
	})
}

// TestLogHasNoSecrets logs at the lowest level while every operation fails, and
// looks for secrets afterwards.
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.Audience, c.KeepIDToken = testkit.Audience, true })
	var forbidden []string
	remember := func(texts ...string) { forbidden = append(forbidden, texts...) }
	remember("client-secret-SECRET", testkit.CookieSecret)
	e.Mux.Handle("GET /token", e.Strategy.RequireSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, err := e.Strategy.AccessToken(w, r); err == nil {
			remember(token.AccessToken, strings.Split(token.AccessToken, ".")[1])
		}
	})))
	faults := []func(){
		func() {},
		func() { e.Tenant.EditIDToken(testkit.Claim("nonce", "other")) },
		func() { e.Tenant.EditIDToken(testkit.Claim("aud", "other")) },
		func() { e.Tenant.EditIDToken(testkit.Header("kid", "other")) },
		func() { e.Tenant.EditIDToken(testkit.ClaimIn("exp", -1000)) },
		func() { e.Tenant.SignWithForeignKey(true) },
		func() { e.Tenant.Fail(testkit.TokenEndpoint, 500) },
		func() { e.Tenant.Fail(testkit.TokenEndpoint, 403) },
		func() { e.Tenant.Fail(testkit.JWKSEndpoint, 500) },
		func() { e.Tenant.Fail(testkit.DiscoveryEndpoint, 500) },
		func() { e.Tenant.Fail(testkit.ManagementEndpoint, 403) },
		func() {
			e.Tenant.EditTokenResponse(func(_ *int, body map[string]any) { body["token_type"] = "odd" })
		},
	}
	for _, fault := range faults {
		fault()
		b := e.Browser()
		u := b.Begin("/auth/login?returnTo=/private")
		for _, v := range b.Cookies {
			remember(v)
		}
		answer := b.AtTenant(u)
		remember(u.Query().Get("state"), u.Query().Get("nonce"), answer.Query().Get("code"))
		for range 2 {
			b.Callback(answer)
		}
		b.Page("/token")
		for _, v := range b.Cookies {
			remember(v)
		}
		e.Strategy.GetConnections(t.Context())
		b.Logout()
		if form := e.Tenant.LastTokenRequest(); form != nil {
			remember(form.Get("code_verifier"))
		}
		e.Tenant.EditIDToken(nil)
		e.Tenant.EditTokenResponse(nil)
		e.Tenant.SignWithForeignKey(false)
		for _, endpoint := range []testkit.Endpoint{testkit.TokenEndpoint, testkit.JWKSEndpoint, testkit.DiscoveryEndpoint, testkit.ManagementEndpoint} {
			e.Tenant.Fail(endpoint, 0)
		}
	}
	if len(forbidden) < 60 {
		t.Fatalf("only %d secrets were collected", len(forbidden))
	}
	log := e.Log.String()
	if strings.Count(log, "\n") < 15 {
		t.Errorf("hardly anything was logged:\n%s", log)
	}
	for _, secret := range forbidden {
		if len(secret) > 3 && strings.Contains(log, secret) {
			t.Errorf("the log has %.60q", secret)
		}
	}
}
