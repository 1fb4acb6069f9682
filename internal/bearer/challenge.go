package bearer

import (
	"slices"

	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// A Challenge makes values of the header WWW-Authenticate (RFC 6750, Section 3).
type Challenge struct{ begin, end string }

// NewChallenge returns the Challenge of an API. The metadata URL can be empty (RFC
// 9728, Section 5.1). Both must be texts that can be quoted.
func NewChallenge(realm, metadataURL string) Challenge {
	c := Challenge{begin: `Bearer realm="` + realm + `"`}
	if metadataURL != "" {
		c.end = `, resource_metadata="` + metadataURL + `"`
	}
	return c
}

// ForNoToken returns the challenge for a request without a token. It has no error
// code. It has the scope that the route needs, if any.
func (c Challenge) ForNoToken(scope string) string { return c.begin + scopeParameter(scope) + c.end }

func scopeParameter(scope string) string {
	if scope == "" {
		return ""
	}
	return `, scope="` + scope + `"`
}

// For returns the challenge for an error. It returns nothing for a code that no
// challenge has. Step is the parameters of RFC 9470. Description is left out if it
// cannot be quoted.
func (c Challenge) For(code, description, scope, step string) string {
	if !slices.Contains(codes, code) {
		return ""
	}
	value := c.begin + `, error="` + code + `"`
	if syntax.IsQuotable(description) {
		value += `, error_description="` + description + `"`
	}
	return value + scopeParameter(scope) + step + c.end
}

// codes are the error codes of RFC 6750, Section 3.1, and RFC 9470, Section 3.
var codes = []string{"invalid_request", "invalid_token", "insufficient_scope", "insufficient_user_authentication"}
