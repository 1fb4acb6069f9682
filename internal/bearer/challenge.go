package bearer

import (
	"net/http"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// Challenges make the lines of the header WWW-Authenticate (RFC 6750, Section 3; RFC
// 9449, Section 7.1). Each scheme has its own line, because clients cannot read two
// challenges in one.
type Challenges struct {
	bearer, dpop string // the beginnings of the lines; empty for a scheme that is not accepted
	end          string
}

// NewChallenges returns the Challenges of an API that accepts the scheme Bearer. The
// metadata URL can be empty (RFC 9728, Section 5.1). Both must be texts that fit into a
// quoted-string.
func NewChallenges(realm, metadataURL string) Challenges {
	c := Challenges{bearer: `Bearer realm="` + realm + `"`}
	if metadataURL != "" {
		c.end = `, resource_metadata="` + metadataURL + `"`
	}
	return c
}

// WithDPoP returns the Challenges of an API that accepts the scheme DPoP too, or alone,
// with the algorithms of proofs.
func (c Challenges) WithDPoP(algorithms []string, alone bool) Challenges {
	c.dpop = "DPoP" + strings.TrimPrefix(c.bearer, "Bearer") + `, algs="` + strings.Join(algorithms, " ") + `"`
	if alone {
		c.bearer = ""
	}
	return c
}

// A Refusal has the content of a challenge. Its texts are constants and configured values.
type Refusal struct {
	// DPoP reports that the request has a token with the scheme DPoP. The line of that
	// scheme has the error.
	DPoP bool
	// NoToken reports that the request has no token. Its challenges have no error.
	NoToken bool
	Code    string
	// Description is left out if it cannot be quoted.
	Description string
	Scope       string // the scope that the route requires, if any
	StepUp      string // parameters of RFC 9470
}

// For returns the challenges of a refusal. It returns none for a code that is not in
// codes.
func (c Challenges) For(x Refusal) (lines []string) {
	var problem [5]string // joined below, with the rest of its line at once
	scope := ""
	switch {
	case x.NoToken:
	case !slices.Contains(codes, x.Code):
		return nil
	case syntax.IsQuotable(x.Description):
		problem = [5]string{`, error="`, x.Code, `", error_description="`, x.Description, `"`}
	default:
		problem = [5]string{`, error="`, x.Code, `"`}
	}
	if x.Scope != "" {
		scope = `, scope="` + x.Scope + `"`
	}
	if c.dpop != "" {
		lines = make([]string, 0, 2)
	}
	onDPoP := c.dpop != "" && (x.DPoP || c.bearer == "")
	for _, line := range [...]struct {
		begin   string
		decides bool // has the error
	}{{c.bearer, !onDPoP}, {c.dpop, onDPoP}} {
		switch {
		case line.begin == "":
		case line.decides:
			lines = append(lines, line.begin+problem[0]+problem[1]+problem[2]+problem[3]+problem[4]+scope+x.StepUp+c.end)
		case x.Code == codeScope:
			// The client has a token of the other scheme, and needs more scopes in it.
			lines = append(lines, line.begin+c.end)
		default:
			lines = append(lines, line.begin+scope+c.end)
		}
	}
	return lines
}

const codeScope = "insufficient_scope"

// codes are the error codes of RFC 6750, Section 3.1, of RFC 9470, Section 3, and of RFC
// 9449, Sections 7.1 and 9.
var codes = []string{"invalid_request", "invalid_token", codeScope, "insufficient_user_authentication", "invalid_dpop_proof", "use_dpop_nonce"}

// IsDPoP reports whether the Authorization header of a request has the scheme DPoP.
func IsDPoP(r *http.Request) bool {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	name, _, _ := strings.Cut(values[0], " ")
	return strings.EqualFold(name, schemeDPoP)
}
