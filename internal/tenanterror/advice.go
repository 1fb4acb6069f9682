package tenanterror

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
)

// unknownAPI begins the description with which Auth0 rejects an unknown audience. The
// code is access_denied, as if a user had been rejected.
const unknownAPI = "Service not found: "

// UnknownAudience returns the correction if the tenant does not know the audience of a
// request, and reports whether that is so. Until the correction, no user can log in.
func UnknownAudience(code, description string) (advice string, ok bool) {
	audience, ok := strings.CutPrefix(description, unknownAPI)
	if !ok || code != "access_denied" {
		return "", false
	}
	if strings.HasSuffix(audience, "/api/v2/") {
		return fmt.Sprintf("the tenant knows its Management API only at its own domain, and not as %.200q: at a custom domain, set Config.TenantDomain (AUTH0_TENANT_DOMAIN), or use the tenant's own domain in the audience", audience), true
	}
	return fmt.Sprintf("the tenant has no API with the identifier %.200q: register it in the dashboard under Applications, APIs, or correct Config.Audience (AUTH0_AUDIENCE) or the option that names it", audience), true
}

// Advise adds to the error of a request the setting that the developer has to correct.
// It returns an error unchanged if no known setting causes it.
func Advise(where Place, err error) error {
	e, answered := Of(err)
	if !answered {
		return err
	}
	if advice, ok := UnknownAudience(e.Code, e.Description); ok {
		return fmt.Errorf("%w; %s", err, advice)
	}
	if e.Code == "invalid_dpop_proof" {
		return fmt.Errorf("%w; the tenant does not accept the proof of Config.ProofKey: compare the clock of this machine with the right time", err)
	}
	if e.rejectsClient(where) {
		return fmt.Errorf("%w; the tenant does not accept the credentials of the application: compare Config.ClientID and Config.ClientSecret (AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET), or ClientAuthentication, with the application in the dashboard", err)
	}
	return err
}

// rejectsClient reports whether the tenant rejects the credentials of the application.
// Auth0 sends access_denied where RFC 6749, Section 5.2, has invalid_client.
func (e Error) rejectsClient(where Place) bool {
	switch where {
	case Elsewhere, UserInfo, ConnectedAccount: // these authenticate with a token
		return false
	}
	return e.Code == "invalid_client" || e.Code == "access_denied" && e.Status == http.StatusUnauthorized
}

// setup returns the row of an error that only the developer can correct, and that the
// table would mistake for the rejection of a user. It is unset for other errors.
func (e Error) setup(where Place) refusal.Row {
	_, unknown := UnknownAudience(e.Code, e.Description)
	switch {
	case !unknown:
	case where == PushedRequest:
		return refusal.SiteSetup
	case where == Grant, follows[where] == Grant && where != UserInfo:
		return refusal.Grant
	}
	return unset
}
