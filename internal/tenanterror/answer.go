package tenanterror

import (
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A sentence chooses the user's text for a login that the tenant has rejected.
type sentence struct {
	code   string // or anyCode
	phrase string // that the description contains, in lower case
	row    refusal.Row
}

// sentences are for rejections whose reason the user must know. Auth0 has few error
// codes here, and the descriptions may change. So a description chooses the sentence
// only: status and reason are those of the code, and an unknown description gets the
// default sentence.
var sentences = []sentence{
	{anyCode, "did not authorize the request", refusal.Cancelled},
	{anyCode, "not part of the", refusal.NotMember}, // organization
	{anyCode, "does not belong to any organization", refusal.NotMember},
	{"access_denied", "service not enabled", refusal.LoginSetup},
	{"access_denied", "verify your email", refusal.Unverified},
	{"unauthorized", "verify your email", refusal.Unverified},
	{"unauthorized", "user is blocked", refusal.BlockedAtTenant},
	{"invalid_request", "invitation not found", refusal.StaleInvitation},
	{"invalid_request", "the connection was", refusal.LoginSetup}, // not found, or disabled
	{"invalid_request", "parameter organization", refusal.LoginSetup},
	{"invalid_request", "not authorized to access", refusal.LoginSetup},
	{"invalid_scope", "", refusal.LoginSetup},
	{"invalid_target", "", refusal.LoginSetup},
	{"unauthorized_client", "", refusal.LoginSetup},
	{"unsupported_response_type", "", refusal.LoginSetup},
}

// Answer returns the refusal for an error that the tenant sent through the browser
// (OpenID Connect Core 1.0, Section 3.1.2.6).
func Answer(code, description string) *refusal.Refusal {
	row, also := refusal.ByTenant, refusal.Row{}
	switch code {
	case "access_denied", "unauthorized", "unmet_authentication_requirements":
		row = refusal.Denied
	case "server_error", "temporarily_unavailable":
		row = refusal.TenantTrouble
	}
	text := strings.ToLower(description)
	for _, s := range sentences {
		if (s.code == code || s.code == anyCode) && strings.Contains(text, s.phrase) {
			row.Description = s.row.Description
			if s.row == refusal.BlockedAtTenant {
				also = refusal.Blocked
			}
			break
		}
	}
	e := row.Because("%.100q: %.200q", code, description)
	if advice, ok := UnknownAudience(code, description); ok {
		e = refusal.SiteSetup.Because("%.100q: %s", code, advice)
	}
	e.Code, e.Tenant, e.Also = syntax.Code(code), refusal.NewSaid(code, description), also
	return e
}
