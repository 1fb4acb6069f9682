package tenanterror

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// TestAdvice: the error of a mistake in the settings names the setting. Others have no
// advice.
func TestAdvice(t *testing.T) {
	t.Parallel()
	const credentials = "Config.ClientSecret (AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET)"
	const audience = `no API with the identifier "https://x.example"`
	for _, tt := range []struct {
		where Place
		e     Error
		row   refusal.Row
		want  string // none if empty
	}{
		{LoginCode, Error{Status: 401, Code: "access_denied", Description: "Unauthorized"}, refusal.TenantAnswer, credentials},
		{LoginCode, Error{Status: 401, Code: "invalid_client"}, refusal.TenantAnswer, credentials},
		{Refresh, Error{Status: 401, Code: "access_denied"}, refusal.TenantAnswer, credentials},
		{TokenVault, Error{Status: 401, Code: "access_denied"}, refusal.TenantAnswer, credentials},
		{PushedRequest, Error{Status: 400, Code: "invalid_client"}, refusal.TenantAnswer, credentials},
		{AppToken, Error{Status: 401, Code: "access_denied"}, refusal.TenantAnswer, credentials},
		{Grant, Error{Status: 401, Code: "invalid_client"}, refusal.TenantAnswer, credentials},
		{Grant, Error{Status: 403, Code: "access_denied", Description: "x"}, refusal.Denied, ""},
		{LoginCode, Error{Status: 403, Code: "access_denied", Description: "x"}, refusal.TenantAnswer, ""},
		{LoginCode, Error{Status: 403, Code: "invalid_grant"}, refusal.Code, ""},
		{LoginCode, Error{Status: 400, Code: "invalid_dpop_proof"}, refusal.TenantAnswer, "Config.ProofKey: compare the clock of this machine"},
		{Refresh, Error{Status: 400, Code: "invalid_dpop_proof"}, refusal.TenantAnswer, "Config.ProofKey: compare the clock of this machine"},
		{Grant, Error{Status: 400, Code: "invalid_dpop_proof"}, refusal.TenantAnswer, "Config.ProofKey: compare the clock of this machine"},
		{UserInfo, Error{Status: 401, Code: "invalid_client"}, refusal.UserInfoToken, ""},
		{ConnectedAccount, Error{Status: 400, Code: "invalid_client"}, refusal.ConnectCode, ""},
		{Elsewhere, Error{Status: 401, Code: "invalid_client"}, refusal.TenantAnswer, ""},

		{PushedRequest, Error{Status: 403, Code: "access_denied", Description: "Service not found: https://x.example"}, refusal.SiteSetup, audience},
		{Grant, Error{Status: 403, Code: "access_denied", Description: "Service not found: https://x.example"}, refusal.Grant, audience},
		{AppToken, Error{Status: 403, Code: "access_denied", Description: "Service not found: https://x.example"}, refusal.Grant, audience},
		{TokenExchange, Error{Status: 403, Code: "access_denied", Description: "Service not found: https://x.example"}, refusal.Grant, audience},
		{SecondFactor, Error{Status: 403, Code: "access_denied", Description: "Service not found: https://x.example"}, refusal.Grant, audience},
		{Refresh, Error{Status: 403, Code: "access_denied", Description: "Service not found: https://x.example"}, refusal.SessionTokenExpired, audience},
		{AppToken, Error{Status: 403, Code: "access_denied", Description: "Service not found: https://login.acme.example/api/v2/"}, refusal.Grant, "set Config.TenantDomain (AUTH0_TENANT_DOMAIN)"},
		{Grant, Error{Status: 403, Code: "unauthorized", Description: "Service not found: https://x.example"}, refusal.Blocked, ""},
		{Grant, Error{Status: 403, Code: "access_denied", Description: "no Service not found: x"}, refusal.Denied, ""},
	} {
		got, _ := errors.AsType[*refusal.Refusal](Meaning(tt.where, tt.e))
		if got == nil || got.Row.Reason != tt.row.Reason || got.Status != tt.row.Status {
			t.Errorf("%s, %+v: %+v", tt.where, tt.e, got)
			continue
		}
		if text := got.Error(); tt.want != "" && !strings.Contains(text, tt.want) || tt.want == "" && strings.Contains(text, "Config.") {
			t.Errorf("%s, %+v: %s", tt.where, tt.e, text)
		}
		if e, ok := Of(got); !ok || e.Code != tt.e.Code {
			t.Errorf("%s, %+v: the answer is lost", tt.where, tt.e)
		}
	}
	plain := errors.New("plain")
	if got := Advise(LoginCode, plain); got != plain {
		t.Errorf("%v", got)
	}
}

// TestLongAudience: the audience comes from the tenant's answer, which an attacker can send
// through a browser.
func TestLongAudience(t *testing.T) {
	t.Parallel()
	advice, ok := UnknownAudience("access_denied", "Service not found: \n"+strings.Repeat("x", 5000))
	if !ok || len(advice) > 500 || strings.Contains(advice, "\n") {
		t.Errorf("%d bytes, %v", len(advice), ok)
	}
}
