package emulator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/emulator"
)

// newOrgTenant has four organizations. Jane, a user of the database connection, is a
// member of those with the given ids.
func newOrgTenant(t *testing.T, usage, behavior string, memberships ...string) (*emulator.Tenant, *clock) {
	t.Helper()
	tn, c := newTenant(t, func(c *emulator.Config) { c.OrganizationNames = true })
	app := webApp()
	app.OrganizationUsage, app.OrganizationRequireBehavior = usage, behavior
	must(t, tn.AddClient(app))
	for _, o := range []emulator.Organization{
		{ID: "org_eu", Name: "acme-eu", DisplayName: "Acme Europe", Connections: []emulator.OrganizationConnection{{Name: database}}},
		{ID: "org_labs", Name: "acme-labs", DisplayName: "Acme Labs", Connections: []emulator.OrganizationConnection{{Name: database}}},
		{ID: "org_social", Name: "social", Connections: []emulator.OrganizationConnection{{Name: "google-oauth2"}}},
		{ID: "org_empty", Name: "empty"},
	} {
		must(t, tn.AddOrganization(o))
	}
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Password: password, Organizations: memberships}))
	return tn, c
}

// orgOf redeems the code of an answer and returns the organization that the ID
// token names.
func orgOf(t *testing.T, tn *emulator.Tenant, res response) string {
	t.Helper()
	code := callbackParams(t, res).Get("code")
	if code == "" {
		t.Fatalf("no code: %s", res.header.Get("Location"))
	}
	_, claims := verify(t, tn, redeem(tn, code).json(t)["id_token"].(string))
	id, _ := claims["org_id"].(string)
	if _, named := claims["org_name"]; named != (id != "") {
		t.Errorf("org_id %q, org_name %v", id, claims["org_name"])
	}
	return id
}

const (
	pre  = "<h1>Enter your organization</h1>"
	post = "<h1>Select your organization</h1>"
)

// TestPreLoginPrompt: the tenant asks for the organization first.
func TestPreLoginPrompt(t *testing.T) {
	t.Parallel()
	tn, _ := newOrgTenant(t, "require", "pre_login_prompt", "org_eu")
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request()))
	contains(t, page.body, pre)
	contains(t, page.body, "to continue to <strong>Web app</strong>")
	if strings.Contains(page.body, "without one") || strings.Contains(page.body, "acme-eu") {
		t.Errorf("the page shows too much:\n%s", page.body)
	}
	for _, name := range []string{"nope", "", "org_eu", "Acme Europe"} {
		again := b.submit(page, "organization", name)
		equal(t, "status of "+name, again.status, 400)
		contains(t, again.body, "The organization you entered is invalid.")
		contains(t, again.body, `value="`+name+`"`)
	}
	equal(t, "status without one", b.submit(page, "skip", "skip").status, 400)
	login := b.submit(page, "organization", " ACME-eu ")
	contains(t, login.body, "<h1>Log in</h1>")
	contains(t, login.body, "<strong>Acme Europe</strong>")
	if strings.Contains(login.body, "Google") {
		t.Error("the page shows connections that the organization has not")
	}
	equal(t, "organization", orgOf(t, tn, b.submit(login, "username", "jane@acme.example", "password", password)), "org_eu")

	// The tenant repeats the question, but not the login.
	page = b.open(authorizeURL(request()))
	contains(t, page.body, pre)
	equal(t, "organization with a session", orgOf(t, tn, b.submit(page, "organization", "acme-eu")), "org_eu")
	equal(t, "organization that is named", orgOf(t, tn, b.open(authorizeURL(request("organization", "acme-eu")))), "org_eu")

	got := callbackParams(t, b.submit(b.open(authorizeURL(request())), "organization", "acme-labs"))
	equal(t, "error of a stranger", got.Get("error"), "access_denied")
	equal(t, "error_description", got.Get("error_description"), "user auth0|65f0c1d2 is not part of the org_labs organization")
	got = callbackParams(t, b.open(authorizeURL(request("prompt", "none"))))
	equal(t, "error without pages", got.Get("error"), "interaction_required")
	for name, want := range map[string]string{"social": "the connection was not found", "empty": "the connection was not found"} {
		got = callbackParams(t, b.submit(b.open(authorizeURL(request("connection", database))), "organization", name))
		equal(t, "error_description", got.Get("error_description"), want)
	}
	got = callbackParams(t, b.submit(b.open(authorizeURL(request())), "organization", "empty"))
	equal(t, "error_description", got.Get("error_description"), "no connections enabled for the client")

	// A late form has no effect.
	contains(t, b.submit(page, "organization", "acme-eu").body, "This page has expired")
}

// TestPreLoginPromptIsOptional: the application accepts logins with and without an
// organization.
func TestPreLoginPromptIsOptional(t *testing.T) {
	t.Parallel()
	tn, _ := newOrgTenant(t, "allow", "pre_login_prompt", "org_eu")
	b := newBrowser(t, tn)
	page := b.open(authorizeURL(request()))
	contains(t, page.body, pre)
	login := b.submit(page, "skip", "skip")
	contains(t, login.body, "Continue with Google")
	equal(t, "organization", orgOf(t, tn, b.submit(login, "username", "jane@acme.example", "password", password)), "")
	page = b.open(authorizeURL(request()))
	equal(t, "organization with a session", orgOf(t, tn, b.submit(page, "organization", "acme-eu")), "org_eu")
}

// TestPostLoginPrompt has a row for each outcome of a login without an organization.
func TestPostLoginPrompt(t *testing.T) {
	t.Parallel()
	const none = "client requires organization membership, but user does not belong to any organization"
	for _, tt := range []struct {
		why, usage, behavior string
		memberships          []string
		asks, optional       bool
		org, problem         string
	}{
		{"nowhere", "require", "post_login_prompt", nil, false, false, "", none},
		{"in one that is gone", "require", "post_login_prompt", []string{"org_gone"}, false, false, "", none},
		{"in one", "require", "post_login_prompt", []string{"org_eu"}, false, false, "org_eu", ""},
		{"in two", "require", "post_login_prompt", []string{"org_eu", "org_labs"}, true, false, "", ""},
		{"nowhere, and need not", "allow", "post_login_prompt", nil, false, false, "", ""},
		{"in one, and need not", "allow", "post_login_prompt", []string{"org_eu"}, true, true, "", ""},
		{"without prompt", "allow", "no_prompt", []string{"org_eu", "org_labs"}, false, false, "", ""},
		{"without prompt by default", "allow", "", []string{"org_eu", "org_labs"}, false, false, "", ""},
		{"without organizations", "deny", "post_login_prompt", []string{"org_eu", "org_labs"}, false, false, "", ""},
		{"without organizations by default", "", "pre_login_prompt", []string{"org_eu", "org_labs"}, false, false, "", ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tn, _ := newOrgTenant(t, tt.usage, tt.behavior, tt.memberships...)
			b := newBrowser(t, tn)
			res := b.login(request())
			if tt.problem != "" {
				got := callbackParams(t, res)
				equal(t, "error", got.Get("error"), "invalid_request")
				equal(t, "error_description", got.Get("error_description"), tt.problem)
				equal(t, "state", got.Get("state"), "xyz")
				return
			}
			if strings.Contains(res.body, post) != tt.asks {
				t.Fatalf("asks: want %v:\n%s", tt.asks, res.body)
			}
			equal(t, "optional", strings.Contains(res.body, "Continue without one"), tt.optional)
			if !tt.asks {
				equal(t, "organization", orgOf(t, tn, res), tt.org)
				return
			}
			contains(t, res.body, "Acme Europe")
			contains(t, res.body, "jane@acme.example")
			for _, id := range []string{"", "org_social", "acme-eu"} {
				contains(t, b.submit(res, "organization", id).body, post)
			}
			if !tt.optional {
				contains(t, b.submit(res, "skip", "skip").body, post)
			}
			equal(t, "chosen", orgOf(t, tn, b.submit(res, "organization", tt.memberships[len(tt.memberships)-1])), tt.memberships[len(tt.memberships)-1])

			// With a session at the tenant, only this question remains.
			res = b.open(authorizeURL(request()))
			contains(t, res.body, post)
			got := callbackParams(t, b.open(authorizeURL(request("prompt", "none"))))
			equal(t, "error without pages", got.Get("error"), "interaction_required")
			if tt.optional {
				equal(t, "none chosen", orgOf(t, tn, b.submit(res, "skip", "skip")), "")
			}
			equal(t, "named", orgOf(t, tn, b.open(authorizeURL(request("organization", "acme-eu")))), "org_eu")
		})
	}
}

// TestPostLoginConnection: if the chosen organization lacks the user's connection, the
// user logs in there again.
func TestPostLoginConnection(t *testing.T) {
	t.Parallel()
	tn, _ := newOrgTenant(t, "require", "post_login_prompt", "org_eu", "org_social", "org_empty")
	b := newBrowser(t, tn)
	page := b.login(request())
	contains(t, page.body, post)
	login := b.submit(page, "organization", "org_social")
	contains(t, login.body, "Continue with Google")
	if strings.Contains(login.body, `name="password"`) {
		t.Errorf("the page asks for a password:\n%s", login.body)
	}
	got := callbackParams(t, b.submit(b.login(request()), "organization", "org_empty"))
	equal(t, "error_description", got.Get("error_description"), "no connections enabled for the client")

	// The tenant enters a single organization without a question, and requires the same
	// login.
	tn, _ = newOrgTenant(t, "require", "post_login_prompt", "org_social")
	contains(t, newBrowser(t, tn).login(request()).body, "Continue with Google")
}

// TestPromptsOutOfTurn: a page out of turn redirects to the current page.
func TestPromptsOutOfTurn(t *testing.T) {
	t.Parallel()
	for _, behavior := range []string{"", "pre_login_prompt", "post_login_prompt"} {
		for _, path := range []string{"/u/organization", "/u/memberships"} {
			tn, _ := newOrgTenant(t, "allow", behavior, "org_eu", "org_labs")
			b := newBrowser(t, tn)
			page := b.open(authorizeURL(request()))
			if strings.Contains(page.body, pre) {
				page = b.submit(page, "skip", "skip")
			}
			own := page.url.Path
			for i := range 2 { // before and after the login
				other := *page.url
				other.Path = path
				page = b.open(other.String())
				if page.url == nil || page.status != 200 || page.url.Path != own {
					t.Fatalf("%q, %s: %d at %v, want %s", behavior, path, page.status, page.url, own)
				}
				page.url = &other
				page = b.submit(page, "organization", []string{"acme-eu", "org_eu"}[i])
				if i == 1 {
					break
				}
				if page.url.Path != own || strings.Contains(page.body, "Acme Europe") {
					t.Fatalf("%q, %s: at %v, want %s", behavior, path, page.url, own)
				}
				// The consent page comes after the login.
				page = b.open(authorizeURL(request("prompt", "consent")))
				if strings.Contains(page.body, pre) {
					page = b.submit(page, "skip", "skip")
				}
				page = b.submit(page, "username", "jane@acme.example", "password", password)
				if strings.Contains(page.body, post) {
					page = b.submit(page, "skip", "skip")
				}
				own = page.url.Path
				equal(t, "page after the login", own, "/u/consent")
			}
			equal(t, "organization", orgOf(t, tn, b.submit(page, "accept", "accept")), "")
		}
	}
}

func TestManyMemberships(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 25 {
		ids = append(ids, fmt.Sprintf("org_%d", i))
	}
	tn, _ := newOrgTenant(t, "require", "post_login_prompt", ids...)
	for i, id := range ids {
		must(t, tn.AddOrganization(emulator.Organization{ID: id, Name: fmt.Sprintf("o%d", i), Connections: []emulator.OrganizationConnection{{Name: database}}}))
	}
	equal(t, "choices", strings.Count(newBrowser(t, tn).login(request()).body, `name="organization"`), 20)
}

// TestPromptsOfAutomaticSignIn: the tenant asks no question, and chooses the first
// organization.
func TestPromptsOfAutomaticSignIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		usage       string
		memberships []string
		org         string
		problem     bool
	}{
		{"require", []string{"org_labs", "org_eu"}, "org_labs", false},
		{"allow", []string{"org_labs", "org_eu"}, "org_labs", false},
		{"allow", nil, "", false},
		{"require", nil, "", true},
	} {
		for _, behavior := range []string{"pre_login_prompt", "post_login_prompt"} {
			tn, _ := newOrgTenant(t, tt.usage, behavior, tt.memberships...)
			must(t, tn.LogIn("jane@acme.example"))
			res := get(tn, authorizeURL(request()))
			if tt.problem {
				equal(t, behavior, callbackParams(t, res).Get("error"), "invalid_request")
				continue
			}
			equal(t, behavior+" "+tt.usage, orgOf(t, tn, res), tt.org)
		}
	}
}

// TestInvitations: a ticket is valid for its organization, its address and its time, and
// for one login.
func TestInvitations(t *testing.T) {
	t.Parallel()
	const gone = "invitation not found or already used"
	const other = "the specified account is not allowed to accept the current invitation"
	for _, tt := range []struct {
		why       string
		pairs     []string
		after     time.Duration
		code      string
		problem   string
		uses      bool
		atLogin   bool // instead of before the login
		loginHint string
	}{
		{"good", []string{"organization", "org_eu", "invitation", "plain"}, 0, "", "", true, true, ""},
		{"by name", []string{"organization", "acme-eu", "invitation", "plain"}, 0, "", "", true, true, ""},
		{"for her", []string{"organization", "org_eu", "invitation", "jane"}, 0, "", "", true, true, "jane@acme.example"},
		{"for her, in time", []string{"organization", "org_eu", "invitation", "brief"}, time.Hour - time.Second, "", "", true, true, ""},
		{"late", []string{"organization", "org_eu", "invitation", "brief"}, time.Hour, "invalid_request", gone, false, false, ""},
		{"for another", []string{"organization", "org_eu", "invitation", "john"}, 0, "access_denied", other, false, true, "john@acme.example"},
		{"unknown", []string{"organization", "org_eu", "invitation", "nope"}, 0, "invalid_request", gone, false, false, ""},
		{"to another organization", []string{"organization", "org_labs", "invitation", "plain"}, 0, "invalid_request", gone, false, false, ""},
		{"without organization", []string{"invitation", "plain"}, 0, "invalid_request", "parameter organization is required with parameter invitation", false, false, ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tn, c := newOrgTenant(t, "require", "post_login_prompt")
			must(t, tn.AddOrganization(emulator.Organization{ID: "org_eu", Name: "acme-eu", Connections: []emulator.OrganizationConnection{{Name: database}},
				Invitations: []emulator.Invitation{
					{Ticket: "plain"},
					{Ticket: "jane", Email: "Jane@acme.example"},
					{Ticket: "john", Email: "john@acme.example"},
					{Ticket: "brief", Expires: c.Now().Add(time.Hour)},
				}}))
			c.add(tt.after)
			b := newBrowser(t, tn)
			res := b.open(authorizeURL(request(tt.pairs...)))
			if tt.atLogin {
				contains(t, res.body, "<h1>Log in</h1>")
				contains(t, strings.ToLower(res.body), `value="`+tt.loginHint+`"`)
				res = b.submit(res, "username", "jane@acme.example", "password", password)
			}
			if tt.problem != "" {
				got := callbackParams(t, res)
				equal(t, "error", got.Get("error"), tt.code)
				equal(t, "error_description", got.Get("error_description"), tt.problem)
			} else {
				equal(t, "organization", orgOf(t, tn, res), "org_eu")
			}
			got := callbackParams(t, newBrowser(t, tn).login(request("organization", "org_eu")))
			equal(t, "a member now", got.Get("code") != "", tt.uses)
			if tt.uses {
				got = callbackParams(t, get(tn, authorizeURL(request(tt.pairs...))))
				equal(t, "error_description of the second use", got.Get("error_description"), gone)
			}
		})
	}
}

// TestRolesOfAMembership compares the tokens of logins with and without an
// organization.
func TestRolesOfAMembership(t *testing.T) {
	t.Parallel()
	const claim = "https://acme.example/roles"
	tn, _ := newOrgTenant(t, "allow", "no_prompt")
	must(t, tn.EditAPI(api, func(a *emulator.API) { a.RBAC = true }))
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Password: password, Roles: []string{"reader"},
		Permissions: map[string][]string{api: {"read:things"}}, Claims: map[string]any{"https://acme.example/plan": "free"}}))
	membership := emulator.Membership{Roles: []string{"reader", "admin"}, Permissions: map[string][]string{api: {"write:things"}},
		Claims: map[string]any{"https://acme.example/plan": "pro"}}
	must(t, tn.AddMember("jane@acme.example", "acme-eu", membership))
	membership.Permissions[api][0] = "changed later"
	must(t, tn.LogIn("jane@acme.example"))

	of := func(pairs ...string) string {
		t.Helper()
		body := tokens(t, tn, append([]string{"audience", api, "scope", "openid read:things write:things"}, pairs...)...)
		_, id := verify(t, tn, body["id_token"].(string))
		_, access := verify(t, tn, body["access_token"].(string))
		info := get(tn, base+"/userinfo", "Authorization", "Bearer "+body["access_token"].(string)).json(t)
		return strings.TrimSpace(fmt.Sprintln(id[claim], access[claim], info[claim], id["https://acme.example/plan"], info["https://acme.example/plan"], access["permissions"], access["scope"]))
	}
	equal(t, "before SetRolesClaim", of(), "<nil> <nil> <nil> free free [read:things] openid read:things")
	tn.SetRolesClaim(claim)
	equal(t, "without an organization", of(), "[reader] [reader] [reader] free free [read:things] openid read:things")
	equal(t, "in the organization", of("organization", "org_eu"),
		"[reader admin] [reader admin] [reader admin] pro pro [read:things write:things] openid read:things write:things")
	// A membership survives a change of the user, and can be replaced.
	must(t, tn.AddUser(emulator.User{Connection: database, ID: "65f0c1d2", Email: "jane@acme.example", Organizations: []string{"org_eu"}}))
	equal(t, "after a change", of("organization", "org_eu"), "[reader admin] [reader admin] [reader admin] pro pro [write:things] openid write:things")
	must(t, tn.AddMember("jane@acme.example", "org_eu", emulator.Membership{}))
	equal(t, "after another", of("organization", "org_eu"), "[] [] [] <nil> <nil> [] openid")

	for _, err := range []error{
		tn.AddMember("nobody@acme.example", "acme-eu", membership),
		tn.AddMember("jane@acme.example", "nowhere", membership),
		tn.AddMember("jane@acme.example", "acme-eu", emulator.Membership{Claims: map[string]any{"f": func() {}}}),
	} {
		if err == nil {
			t.Error("a wrong membership is taken")
		}
	}
}
