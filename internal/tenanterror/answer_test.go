package tenanterror

import (
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// TestAnswer has a row for each sentence. The code decides status and reason, and the
// description only the text of the page.
func TestAnswer(t *testing.T) {
	t.Parallel()
	const denied, failed = "authorization_denied", "authorization_error"
	for _, row := range []struct {
		code, description string
		status            int
		reason, sentence  string
	}{
		{"access_denied", "", 403, denied, "you canceled the login, or you do not have access. Log in with another account, or contact the site's administrator"},
		{"access_denied", "not on the list", 403, denied, refusal.Denied.Description},
		{"unauthorized", "any", 403, denied, refusal.Denied.Description},
		{"unauthorized", "user is blocked", 403, denied, refusal.BlockedAtTenant.Description},
		{"other", "user is blocked", 400, failed, refusal.ByTenant.Description},
		{"access_denied", "User did not authorize the request", 403, denied, refusal.Cancelled.Description},
		{"access_denied", "Please VERIFY your email before logging in.", 403, denied, refusal.Unverified.Description},
		{"unauthorized", "Please verify your email before logging in.", 403, denied, refusal.Unverified.Description},
		{"access_denied", "User does not belong to any organization", 403, denied, refusal.NotMember.Description},
		{"invalid_request", "user auth0|1 is not part of the org_1 organization", 400, failed, refusal.NotMember.Description},
		{"access_denied", "Service not found: https://api.example", 502, "misconfigured", refusal.SiteSetup.Description},
		{"access_denied", "Service not enabled within domain: https://api.example", 403, denied, refusal.LoginSetup.Description},
		{"invalid_request", "invitation not found or already used", 400, failed, refusal.StaleInvitation.Description},
		{"invalid_request", "the connection was not found", 400, failed, refusal.LoginSetup.Description},
		{"invalid_request", "parameter organization is required for this client", 400, failed, refusal.LoginSetup.Description},
		{"invalid_request", `Client is not authorized to access resource server "https://api.example"`, 400, failed, refusal.LoginSetup.Description},
		{"invalid_request", "any", 400, failed, refusal.ByTenant.Description},
		{"invalid_scope", "", 400, failed, refusal.LoginSetup.Description},
		{"invalid_target", "", 400, failed, refusal.LoginSetup.Description},
		{"unauthorized_client", "", 400, failed, refusal.LoginSetup.Description},
		{"unsupported_response_type", "", 400, failed, refusal.LoginSetup.Description},
		{"server_error", "", 503, "tenant_unavailable", refusal.TenantTrouble.Description},
		{"temporarily_unavailable", "", 503, "tenant_unavailable", refusal.TenantTrouble.Description},
		{"login_required", "Login required", 400, failed, refusal.ByTenant.Description},
		{"*", "", 400, failed, refusal.ByTenant.Description},
	} {
		got := Answer(row.code, row.description)
		if got.Status != row.status || got.Reason != row.reason || got.Description != row.sentence {
			t.Errorf("%s, %q: %+v", row.code, row.description, got.Row)
		}
		if got.Tenant != (refusal.Said{Code: row.code, Description: row.description}) {
			t.Errorf("%s, %q: the tenant says %q", row.code, row.description, got.Tenant)
		}
		if (got.Also == refusal.Blocked) != (got.Description == refusal.BlockedAtTenant.Description) {
			t.Errorf("%s, %q: also %+v", row.code, row.description, got.Also)
		}
	}
	// Every text is clipped, and the code has a safe form.
	got := Answer("<script>"+strings.Repeat("x", 1000), strings.Repeat("ä", 1000))
	if got.Code != "unknown_error" || len(got.Tenant.Code) != 64 || len(got.Tenant.Description) != 512 || len(got.Err.Error()) > 700 {
		t.Errorf("%+v", got)
	}
}

// TestWordsOfATenant: the refusal of a response has the texts too.
func TestWordsOfATenant(t *testing.T) {
	t.Parallel()
	got, _ := Meaning(Grant, Error{Status: 403, Code: "access_denied", Description: "no subscription"}).(*refusal.Refusal)
	if got == nil || got.Tenant != (refusal.Said{Code: "access_denied", Description: "no subscription"}) {
		t.Errorf("%+v", got)
	}
}
