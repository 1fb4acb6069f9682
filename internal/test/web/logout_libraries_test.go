package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// TestLogoutByLibraries: a logout that htmx or Turbo has posted ends the session here,
// and leads on to the tenant in a way that they follow.
func TestLogoutByLibraries(t *testing.T) {
	t.Parallel()
	own := []string{"Origin", testkit.AppURL, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}
	htmx, turbo := append([]string{"HX-Request", "true"}, own...), append([]string{"Accept", "text/vnd.turbo-stream.html, text/html"}, own...)
	const atTenant = "https://acme.auth0.example/oidc/logout?"
	e := testkit.SignedIn(t)
	b := e.Browser().MustLogin()
	resp := b.Do("POST", "/auth/logout", url.Values{}, htmx...)
	if to := resp.Header.Get("HX-Redirect"); resp.Status != http.StatusOK || !strings.HasPrefix(to, atTenant) || b.LoggedIn() {
		t.Errorf("htmx: %d to %q", resp.Status, to)
	}
	b = e.Browser().MustLogin()
	resp = b.Do("POST", "/auth/logout", url.Values{}, turbo...)
	if to := resp.Body; resp.Status != http.StatusOK || !strings.Contains(to, "<strong>You are logged out</strong>") || !strings.Contains(to, `href="`+atTenant) || b.LoggedIn() {
		t.Errorf("Turbo: %d %s", resp.Status, to)
	}
	// A redirect within this site would make htmx put the page into an element, too.
	e = testkit.SignedIn(t, func(c *auth0.Config) {
		c.LogoutEndpoint, c.PostLogoutURLs = "local", []string{testkit.AppURL + "/bye"}
	})
	b = e.Browser().MustLogin()
	if resp := b.Do("POST", "/auth/logout", url.Values{}, htmx...); resp.Header.Get("HX-Redirect") != testkit.AppURL+"/bye" || b.LoggedIn() {
		t.Errorf("htmx, local: %d %v", resp.Status, resp.Header)
	}
	b = e.Browser().MustLogin()
	if resp := b.Do("POST", "/auth/logout", url.Values{}, turbo...); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != testkit.AppURL+"/bye" || b.LoggedIn() {
		t.Errorf("Turbo, local: %d %v", resp.Status, resp.Header)
	}
}

// TestLogoutFromAnErrorPage: after a rejected login there is no session here. The
// user can still log out at the tenant with a link of the page, in an old browser
// too. The page sends its origin, and not its URL, which has a code.
func TestLogoutFromAnErrorPage(t *testing.T) {
	t.Parallel()
	e := testkit.SignedIn(t)
	b := e.Browser()
	u := b.Begin("/auth/login")
	e.Tenant.DenyNext("access_denied", "not you")
	page := b.Callback(b.AtTenant(u))
	if policy := page.Header.Get("Referrer-Policy"); page.Status != http.StatusForbidden || policy != "strict-origin" {
		t.Errorf("%d, Referrer-Policy %q", page.Status, policy)
	}
	for why, header := range map[string][]string{
		"browser":     {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Referer", testkit.AppURL + "/"},
		"old browser": {"Accept", "text/html", "Referer", testkit.AppURL + "/"},
	} {
		if to := b.Do("GET", "/auth/logout", nil, header...).Location(t); !strings.HasPrefix(to.String(), "https://acme.auth0.example/v2/logout?client_id=") {
			t.Errorf("%s: %s", why, to)
		}
	}
}
