package web_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestMistakesInTheSettings: if a login fails because of a mistake in the settings,
// the page blames the site, and the log names the setting.
func TestMistakesInTheSettings(t *testing.T) {
	t.Parallel()
	const unknown = "https://no-such-api.example/"
	for _, tt := range []struct {
		name   string
		edit   func(*auth0.Config)
		status int
		page   string
		log    []string
	}{
		{"unknown audience", func(c *auth0.Config) { c.Audience = unknown }, 502, "site is not set up correctly",
			[]string{"reason=misconfigured", unknown, "Config.Audience (AUTH0_AUDIENCE)", "register it in the dashboard"}},
		{"unknown audience of a pushed request", func(c *auth0.Config) { c.Audience, c.PushedAuthorizationRequests = unknown, true }, 502, "site is not set up correctly",
			[]string{"reason=misconfigured", unknown, "Config.Audience (AUTH0_AUDIENCE)", "register it in the dashboard"}},
		{"wrong client secret", func(c *auth0.Config) { c.ClientSecret = "another-" + c.ClientSecret }, 502, "login service sent an unexpected response",
			[]string{"reason=tenant_answer", "Config.ClientSecret (AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET)"}},
		{"wrong client secret for a pushed request", func(c *auth0.Config) {
			c.ClientSecret, c.PushedAuthorizationRequests = "another-"+c.ClientSecret, true
		}, 502, "login service sent an unexpected response",
			[]string{"reason=tenant_answer", "Config.ClientSecret (AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := testkit.SignedIn(t, tt.edit)
				e.Tenant.AllowPushedRequests(true)
				b := e.Browser()
				resp := b.Page("/auth/login")
				if resp.Status == 302 {
					resp = b.Callback(b.AtTenant(resp.Location(t)))
				}
				if resp.Status != tt.status || !strings.Contains(resp.Body, tt.page) || strings.Contains(resp.Body, "try again in") {
					t.Errorf("%d %s", resp.Status, resp.Body)
				}
				for _, want := range tt.log {
					if !strings.Contains(e.Log.String(), want) {
						t.Errorf("no %q in the log: %s", want, e.Log)
					}
				}
				if strings.Contains(e.Log.String(), "another-client") {
					t.Error("the secret is in the log")
				}
			})
		})
	}
}
