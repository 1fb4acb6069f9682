package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

const umbrella = "org_umbrella0000000"

// newOrgEnv has the organization umbrella, without members, and an invitation. Bob
// is logged in at the tenant.
func newOrgEnv(t *testing.T, edit ...func(*auth0.Config)) *testkit.Env {
	t.Helper()
	e := testkit.SignedIn(t, append([]func(*auth0.Config){func(c *auth0.Config) {
		c.AcceptOrganizationLinks, c.Audience = true, testkit.Audience
	}}, edit...)...)
	if err := e.Tenant.AddOrganization(testkit.Organization{
		ID: umbrella, Name: "umbrella", DisplayName: "Umbrella", Invitations: []testkit.Invitation{
			{Ticket: "ticket-1"}, {Ticket: "for-bob", Email: "bob@acme.example"}, {Ticket: "for-ada", Email: "ada@acme.example"},
			{Ticket: "late", Expires: time.Now().Add(-time.Second)},
		},
		Connections: []testkit.OrganizationConnection{{Name: "Username-Password-Authentication"}},
	}); err != nil {
		t.Fatal(err)
	}
	e.SignInAtTenant("bob@acme.example")
	return e
}

// TestInvitation goes from the link in the email through the login and the session
// to the API for members.
func TestInvitation(t *testing.T) {
	t.Parallel()
	e := newOrgEnv(t)
	const link = "/auth/login?invitation=ticket-1&organization=" + umbrella + "&organization_name=umbrella&returnTo=/private"
	api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet()})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]int{}
	e.Mux.HandleFunc("GET /call", func(w http.ResponseWriter, r *http.Request) {
		token, err := e.Strategy.AccessToken(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		for _, org := range []string{umbrella, "org_other"} {
			call := httptest.NewRequest("GET", "/members", nil)
			token.SetAuthHeader(call)
			rec := httptest.NewRecorder()
			api.RequireOrganization(org)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(rec, call)
			answers[org] = rec.Code
		}
	})
	var user auth0.User
	e.Mux.HandleFunc("GET /who", func(_ http.ResponseWriter, r *http.Request) { user, _ = auth0.UserFrom(r.Context()) })

	// Bob is logged in here already, to no organization, and has no access.
	b := e.Browser().MustLogin()
	if b.Page("/call"); answers[umbrella] != http.StatusForbidden {
		t.Errorf("before the invitation the API answers %v", answers)
	}
	u := b.Begin(link)
	q := u.Query()
	for name, want := range map[string]string{"invitation": "ticket-1", "organization": umbrella, "organization_name": "", "prompt": "login"} {
		if got := q.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if resp := b.Callback(b.AtTenant(u)); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
		t.Fatalf("callback: %d to %q; log:\n%s", resp.Status, resp.Header.Get("Location"), e.Log)
	}
	if b.Page("/who"); user.Email != "bob@acme.example" || user.OrgID != umbrella || user.OrgName != "umbrella" {
		t.Errorf("logged in as %+v", user)
	}
	b.Page("/call")
	if answers[umbrella] != http.StatusOK || answers["org_other"] != http.StatusForbidden {
		t.Errorf("the API answers %v", answers)
	}

	// The link works once.
	again := e.Browser()
	if resp := again.Callback(again.AtTenant(again.Begin(link))); resp.Status != http.StatusBadRequest || e.LastReason() != "authorization_error" || again.LoggedIn() {
		t.Errorf("the link again: %d %q", resp.Status, e.LastReason())
	}
	// Bob is a member now.
	if resp := e.Browser().Login("/auth/login?organization=" + umbrella); resp.Status != http.StatusSeeOther {
		t.Errorf("as a member: %d", resp.Status)
	}
	// Ada is not.
	e.SignInAtTenant("ada@acme.example")
	stranger := e.Browser()
	if resp := stranger.Login("/auth/login?organization=" + umbrella); resp.Status != http.StatusForbidden || e.LastReason() != "authorization_denied" || stranger.LoggedIn() {
		t.Errorf("as a stranger: %d %q", resp.Status, e.LastReason())
	}
}

// TestInvitationToAnother: the callback accepts no other organization than that of
// the invitation, and not none.
func TestInvitationToAnother(t *testing.T) {
	t.Parallel()
	for why, value := range map[string]any{"another": "org_other", "none": nil} {
		e := newOrgEnv(t)
		e.Tenant.EditIDToken(testkit.Claim("org_id", value))
		b := e.Browser()
		if resp := b.Login("/auth/login?invitation=ticket-1&organization=" + umbrella); resp.Status != http.StatusForbidden || e.LastReason() != "invalid_claim" || b.LoggedIn() {
			t.Errorf("%s: %d %q", why, resp.Status, e.LastReason())
		}
	}
}

// TestInvitationRefused: the link is for another user, or is invalid.
func TestInvitationRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		link   string
		status int
		reason string
	}{
		{"invitation=for-bob&organization=" + umbrella, 303, ""},
		{"invitation=for-ada&organization=" + umbrella, 403, "authorization_denied"},
		{"invitation=late&organization=" + umbrella, 400, "authorization_error"},
		{"invitation=unknown&organization=" + umbrella, 400, "authorization_error"},
		{"invitation=ticket-1&organization=org_other", 400, "authorization_error"},
	} {
		e := newOrgEnv(t)
		b := e.Browser()
		if resp := b.Login("/auth/login?" + tt.link); resp.Status != tt.status || e.LastReason() != tt.reason || b.LoggedIn() != (tt.status == 303) {
			t.Errorf("%s: %d %q", tt.link, resp.Status, e.LastReason())
		}
	}
	// Without the organization, the link starts no login.
	e := newOrgEnv(t)
	if resp := e.Browser().Page("/auth/login?invitation=ticket-1"); resp.Status != http.StatusBadRequest || resp.Header.Get("Location") != "" || e.LastReason() != "login_option" {
		t.Errorf("without organization: %d %q", resp.Status, e.LastReason())
	}
}

// TestOrganizationPrompt: the login names no organization, and the tenant asks for one.
// Its answer is in the session and in the token for the API. Config.CheckOrganization
// decides about it. Config.AcceptOrganizationLinks, which is about the login route, does
// not.
func TestOrganizationPrompt(t *testing.T) {
	t.Parallel()
	const ada, bob = "ada@acme.example", "bob@acme.example"
	accept := func(context.Context, string) error { return nil }
	refuse := func(context.Context, string) error { return fmt.Errorf("not a customer: %w", auth0.ErrForbidden) }
	for _, tt := range []struct {
		why             string
		usage, behavior string
		email           string
		edit            func(*auth0.Config)
		status          int
		org, reason     string
	}{
		{"before", "require", "pre_login_prompt", ada, nil, 303, "acme-eu", ""},
		{"after", "require", "post_login_prompt", ada, nil, 303, "acme-eu", ""},
		{"without Config.AcceptOrganizationLinks", "require", "post_login_prompt", ada, func(c *auth0.Config) { c.AcceptOrganizationLinks = false }, 303, "acme-eu", ""},
		{"accepted", "require", "post_login_prompt", ada, func(c *auth0.Config) { c.CheckOrganization = accept }, 303, "acme-eu", ""},
		{"refused", "require", "post_login_prompt", ada, func(c *auth0.Config) { c.CheckOrganization = refuse }, 403, "", "after_login"},
		{"named by the application", "require", "post_login_prompt", ada, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithOrganization("ACME-labs")} }, 303, "acme-labs", ""},
		{"optional", "allow", "post_login_prompt", ada, nil, 303, "acme-eu", ""},
		{"member of none", "require", "post_login_prompt", bob, nil, 400, "", "authorization_error"},
		{"member of none, optional", "allow", "post_login_prompt", bob, nil, 303, "", ""},
		{"none, and it is checked", "allow", "post_login_prompt", bob, func(c *auth0.Config) { c.CheckOrganization = accept }, 403, "", "invalid_claim"},
		{"no prompt", "require", "no_prompt", ada, nil, 400, "", "authorization_error"},
		{"not allowed", "deny", "", ada, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithOrganization("acme-eu")} }, 400, "", "authorization_error"},
		{"stranger", "allow", "", bob, func(c *auth0.Config) { c.LoginOptions = []auth0.LoginOption{auth0.WithOrganization("acme-eu")} }, 403, "", "authorization_denied"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			edits := []func(*auth0.Config){}
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			e := newOrgEnv(t, edits...)
			e.EditClient(func(c *testkit.TenantClient) {
				c.OrganizationUsage, c.OrganizationRequireBehavior = tt.usage, tt.behavior
			})
			e.SignInAtTenant(tt.email)
			api, err := auth0.NewAPI(auth0.APIConfig{Domain: testkit.TenantHost, Audience: testkit.Audience, Keys: e.Strategy.Application().KeySet()})
			if err != nil {
				t.Fatal(err)
			}
			guarded := 0
			e.Mux.HandleFunc("GET /call", func(w http.ResponseWriter, r *http.Request) {
				token, err := e.Strategy.AccessToken(w, r)
				if err != nil {
					t.Error(err)
					return
				}
				user, _ := auth0.UserFrom(r.Context())
				call := httptest.NewRequest("GET", "/members", nil)
				token.SetAuthHeader(call)
				rec := httptest.NewRecorder()
				api.RequireOrganization(user.OrgID, umbrella)(http.NotFoundHandler()).ServeHTTP(rec, call)
				guarded = rec.Code
			})
			b := e.Browser()
			resp := b.Login("/auth/login")
			if resp.Status != tt.status || e.LastReason() != tt.reason || b.LoggedIn() != (tt.status == 303) {
				t.Fatalf("%d %q, want %d %q", resp.Status, e.LastReason(), tt.status, tt.reason)
			}
			if tt.status != 303 {
				return
			}
			if user := e.UserOf(b); user.OrgName != tt.org || strings.HasPrefix(user.OrgID, "org_") != (tt.org != "") {
				t.Errorf("logged in to %q, %q", user.OrgID, user.OrgName)
			}
			if tt.org != "" {
				if b.Page("/call"); guarded != http.StatusNotFound {
					t.Errorf("the API answers a member with %d", guarded)
				}
			}
		})
	}
}

// TestOrganizationPickedAtTenant: the login names no organization, and the user
// picks one at the tenant.
func TestOrganizationPickedAtTenant(t *testing.T) {
	t.Parallel()
	var asked string
	e := newOrgEnv(t, func(c *auth0.Config) {
		c.CheckOrganization = func(_ context.Context, id string) error {
			asked = id
			if id != umbrella {
				return fmt.Errorf("not a customer: %w", auth0.ErrForbidden)
			}
			return nil
		}
	})
	for id, want := range map[string]int{umbrella: http.StatusSeeOther, "org_other": http.StatusForbidden} {
		e.Tenant.EditIDToken(testkit.Claim("org_id", id))
		b := e.Browser()
		u := b.Begin("/auth/login")
		if u.Query().Has("organization") {
			t.Errorf("the login names an organization: %v", u.Query())
		}
		if resp := b.Callback(b.AtTenant(u)); resp.Status != want || asked != id || b.LoggedIn() != (want == http.StatusSeeOther) {
			t.Errorf("%s: %d, want %d; asked about %q", id, resp.Status, want, asked)
		}
	}
}

// TestRefreshKeepsOrganization: a new ID token does not move the session to another
// organization.
func TestRefreshKeepsOrganization(t *testing.T) {
	t.Parallel()
	for why, tt := range map[string]struct {
		value  any
		stored string // of the organization
		log    bool
	}{
		"the same": {umbrella, umbrella, false},
		"another":  {"org_other", umbrella, true},
		"none":     {nil, "", false},
	} {
		e := newOrgEnv(t, func(c *auth0.Config) { c.Scopes = []string{"openid", "offline_access"} })
		var user auth0.User
		e.Mux.HandleFunc("GET /refresh", func(w http.ResponseWriter, r *http.Request) {
			e.Strategy.AccessToken(w, r, auth0.ForceRefresh())
		})
		e.Mux.HandleFunc("GET /who", func(_ http.ResponseWriter, r *http.Request) { user, _ = auth0.UserFrom(r.Context()) })
		b := e.Browser()
		if resp := b.Login("/auth/login?invitation=ticket-1&organization=" + umbrella); resp.Status != http.StatusSeeOther {
			t.Fatalf("%s: %d", why, resp.Status)
		}
		e.Tenant.EditIDToken(testkit.Claim("org_id", tt.value))
		calls := e.Tenant.Calls(testkit.TokenEndpoint)
		b.Page("/refresh")
		if b.Page("/who"); user.OrgID != tt.stored || e.Tenant.Calls(testkit.TokenEndpoint) != calls+1 {
			t.Errorf("%s: the session is of %q after %d token requests, want %q", why, user.OrgID, e.Tenant.Calls(testkit.TokenEndpoint)-calls, tt.stored)
		}
		if strings.Contains(e.Log.String(), "the ID token of a refresh is forged or of another user") != tt.log {
			t.Errorf("%s: log:\n%s", why, e.Log)
		}
	}
}
