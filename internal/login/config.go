package login

import (
	"cmp"
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/discovery"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Response is the content of the tenant's response to a login (response_type), and the
// way in which it comes (response_mode).
type Response struct{ Type, Mode string }

// Checked returns the response with defaults. An ID token must not come in a URL, which
// ends up in logs and histories (OAuth 2.0 Multiple Response Type Encoding Practices,
// Sections 3 and 5). BaseURLs are those of the application. Report gets the mistakes.
func (r Response) Checked(report func(field, format string, args ...any), baseURLs []string) Response {
	r.Type = cmp.Or(r.Type, "code")
	switch r.Type {
	case "code":
		r.Mode = cmp.Or(r.Mode, "query")
	case "id_token", "code id_token":
		r.Mode = cmp.Or(r.Mode, "form_post")
		if r.Mode == "query" {
			report("ResponseMode", `must be "form_post" for the response type %q`, r.Type)
		}
	default:
		report("ResponseType", `is %q; it must be "code", "id_token" or "code id_token"`, r.Type)
	}
	switch r.Mode {
	case "", "query":
	case "form_post":
		for _, base := range baseURLs {
			if _, err := discovery.Origin(base); err != nil {
				report("ResponseMode", "form_post needs https: browsers send the cookie of the login transaction only over https, and %s is http", base)
			}
		}
	default:
		report("ResponseMode", `is %q; it must be "query" or "form_post"`, r.Mode)
	}
	return r
}

// HasCode reports whether the response has a code, which a token request redeems.
func (r Response) HasCode() bool { return r.Type != "id_token" }

// CheckScopes returns the scopes of every login.
func CheckScopes(report func(field, format string, args ...any), scopes []string) []string {
	if scopes == nil {
		return []string{"openid", "profile", "email"}
	}
	set, err := syntax.Scopes(scopes)
	if err != nil {
		report("Scopes", "%v", err)
	} else if !slices.Contains(set, "openid") {
		report("Scopes", "must contain openid")
	}
	return set
}
