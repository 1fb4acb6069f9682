package emulator

import (
	"slices"
	"time"
)

// An authorization is a checked authorization request.
type authorization struct {
	client      *Client
	redirectURI string // where the answer goes
	sentURI     string // as sent, which the token request must repeat

	code, token, idToken bool   // response_type
	mode                 string // response_mode
	state                string
	hasState             bool
	nonce                string

	scope    []string
	api      *API
	audience string

	org        *Organization
	invitation string
	connection string
	loginHint  string
	signup     bool

	prompt []string
	maxAge time.Duration // negative: not asked for
	mfa    bool          // acr_values asks for a second factor

	challenge, challengeMethod string
	jkt                        string // dpop_jkt

	pushing bool // rather than asking
}

func (a *authorization) prompts(value string) bool { return slices.Contains(a.prompt, value) }

// orgPrompt returns when the login asks for an organization: preLogin, postLogin,
// or never.
func (a *authorization) orgPrompt() string {
	usage, behavior := a.client.OrganizationUsage, a.client.OrganizationRequireBehavior
	if a.org != nil || behavior == "no_prompt" || usage != "allow" && usage != "require" {
		return ""
	}
	return behavior
}

// orgOptional reports whether the login may continue without an organization.
func (a *authorization) orgOptional() bool { return a.client.OrganizationUsage == "allow" }

// orgID returns the id of the organization of the request, or "".
func (a *authorization) orgID() string {
	if a.org == nil {
		return ""
	}
	return a.org.ID
}
