package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

const usersDirectory = "Username-Password-Authentication"

// TestOrganizations: a user chooses an organization at the tenant, and the application
// shows the choice.
func TestOrganizations(t *testing.T) {
	t.Parallel()
	app := startExample(t, "ORGANIZATIONS=1")
	tenant := app.tenantURL(t)
	tb := newBrowser(t)
	tb.open(app.url + "/profile")
	tb.at(tenant + "u/login")
	asAda(tb)
	tb.at(tenant + "u/memberships")
	tb.reads("Select your organization", "to continue to Fieldnotes", "Logged in as ada@acme.example")
	tb.hides("without one")
	if got, want := tb.names("button"), []string{"Acme Europe acme-eu", "Acme Labs acme-labs"}; !slices.Equal(got, want) {
		t.Errorf("the choices are %q, want %q", got, want)
	}
	tb.shot("choice")
	tb.fits(1280)
	tb.click("button", "Acme Labs acme-labs")
	tb.at(app.url + "/profile")
	tb.reads("acme-labs", "org_id", "org_name")
	tb.hides("acme-eu")
	tb.shot("profile")
	tb.open(app.url + "/")
	tb.reads("Good to see you, Ada", "acme-labs")
	tb.shot("home")

	// Another login allows another choice.
	tb.open(app.url + "/auth/login?prompt=login&returnTo=/profile")
	tb.at(tenant + "u/login")
	asAda(tb)
	tb.at(tenant + "u/memberships")
	tb.click("button", "Acme Europe acme-eu")
	tb.at(app.url + "/profile")
	tb.reads("acme-eu")
	tb.hides("acme-labs")

	// Bob belongs to no organization.
	bob := newBrowser(t)
	bob.open(app.url + "/profile")
	bob.at(tenant + "u/login")
	withPassword(bob, "bob@acme.example")
	bob.at(app.url + "/auth/callback")
	bob.reads("Login failed", "Your account is not in an organization that can use this site")
	bob.hides("membership", "invalid_request")
	bob.shot("nobody")
	if d := bob.last(app.url + "/auth/callback"); d.status != http.StatusBadRequest {
		t.Errorf("the answer is %d", d.status)
	}
	app.stderr.waitFor(t, "user does not belong to any organization")
	bob.click("link", "Log in") // the tenant asks again: another login as Bob would fail
	bob.at(tenant + "u/login")
	asAda(bob)
	bob.reads("acme-eu", "acme-labs")
}

// TestOrganizationByName: the tenant asks for the name of the organization first, and the
// user can skip the question.
func TestOrganizationByName(t *testing.T) {
	t.Parallel()
	a := startApp(t, nil)
	a.tenant.UseOrganizations("allow", "pre_login_prompt")
	tb := newBrowser(t)
	tb.open(a.url + "/profile")
	tb.at(a.tenant.URL() + "u/organization")
	tb.reads("Enter your organization", "acme-eu", "acme-labs")
	tb.shot("question")
	tb.fill("Organization name", "umbrella")
	tb.click("button", "Continue")
	tb.reads("The organization you entered is invalid.")
	tb.shot("unknown")
	tb.fill("Organization name", "Acme-EU")
	tb.enter()
	tb.at(a.tenant.URL() + "u/login")
	tb.reads("Acme Europe, to continue to")
	tb.hides("Google") // the organization has other connections than the application
	tb.shot("login")
	asAda(tb)
	tb.at(a.url + "/profile")
	tb.reads("Logged in as ada@acme.example of acme-eu")

	tb.click("button", "Log out")
	tb.reads("Nobody is logged in")
	tb.open(a.url + "/profile")
	tb.click("button", "Continue without one")
	tb.click("link", "Continue with Google")
	tb.click("button", "Grace Hopper grace@gmail.example")
	tb.at(a.url + "/profile")
	tb.reads("Logged in as grace@gmail.example")
	tb.hides(" of ")
}

// TestInvitation follows the link in the email to a page of the organization.
func TestInvitation(t *testing.T) {
	t.Parallel()
	a := startApp(t, func(c *auth0.Config) { c.AcceptOrganizationLinks = true })
	a.tenant.UseOrganizations("require", "post_login_prompt")
	a.tenant.AddOrganization(auth0test.Organization{ID: "org_umbrella0000000", Name: "umbrella", DisplayName: "Umbrella",
		Connections: []auth0test.OrganizationConnection{{Name: usersDirectory}},
		Invitations: []auth0test.Invitation{
			{Ticket: "for-bob", Email: "bob@acme.example", Expires: time.Now().Add(time.Hour)},
			{Ticket: "late", Expires: time.Now().Add(-time.Hour)},
		}})
	link := func(ticket string) string {
		return fmt.Sprintf("%s/auth/login?invitation=%s&organization=org_umbrella0000000&organization_name=umbrella", a.url, ticket)
	}
	tb := newBrowser(t)

	// Ada got hold of Bob's link.
	tb.open(link("for-bob"))
	tb.at(a.tenant.URL() + "u/login")
	tb.reads("Umbrella, to continue to")
	tb.shot("invited")
	asAda(tb)
	tb.at(a.url + "/auth/callback")
	tb.reads("You canceled the login, or you do not have access")

	tb.open(link("for-bob"))
	tb.at(a.tenant.URL() + "u/login")
	if got := eval[string](tb, "document.getElementById('username').value"); got != "bob@acme.example" {
		t.Errorf("the page is filled in for %q", got)
	}
	withPassword(tb, "bob@acme.example")
	tb.reads("Logged in as bob@acme.example of umbrella")

	for _, ticket := range []string{"for-bob", "late"} {
		tb.open(link(ticket))
		tb.at(a.url + "/auth/callback")
		tb.reads("This invitation was already used, or it has expired")
	}
	// He is still logged in, and a member of one organization: the tenant need not ask
	// for it.
	tb.open(a.url + "/profile")
	tb.reads("Logged in as bob@acme.example of umbrella")
	tb.click("button", "Log out")
	tb.reads("Nobody is logged in")
	tb.open(a.url + "/profile")
	withPassword(tb, "bob@acme.example")
	tb.at(a.url + "/profile")
	tb.reads("Logged in as bob@acme.example of umbrella")
}

// TestOrganizationsLooks takes pictures on a desktop and on a phone, in light and in
// dark.
func TestOrganizationsLooks(t *testing.T) {
	t.Parallel()
	app := startExample(t, "ORGANIZATIONS=1")
	tb := newBrowser(t)
	look := func(name string) {
		for _, dark := range []bool{false, true} {
			for _, width := range []int64{1280, 360} {
				tb.size(width, 800)
				tb.dark(dark)
				tb.fits(width)
				tb.shot(fmt.Sprintf("%s-%d-dark-%v", name, width, dark))
			}
		}
		tb.size(1280, 800)
	}
	tb.open(app.url + "/profile")
	asAda(tb)
	tb.reads("Select your organization")
	look("choice")
	tb.click("button", "Acme Europe acme-eu")
	tb.reads("Ada Lovelace")
	look("profile")
	tb.open(app.url + "/")
	look("home")
}
