// Package refusal holds the table of all refusals: the HTTP status, the error code of
// the protocol, a reason for logs and metrics, and a sentence for the rejected user or
// program. An engine returns a refusal as an error.
//
// The package does not know how a refusal is answered.
package refusal

import (
	"fmt"
	"strings"
	"time"
)

// A Row is one row of the table.
type Row struct {
	Status                    int
	Code, Reason, Description string
}

// A Refusal is a row with the details of one case.
type Refusal struct {
	Row
	Op           string // the operation that failed, if it differs from the caller's
	Scope        string // scopes or permissions that were needed
	RetryAfter   time.Duration
	TenantStatus int    // status of the tenant's response
	Tenant       Said   // the tenant's own words
	StepUp       string // parameters of a challenge (RFC 9470, Section 3)
	Next         any    // the next step of the caller, such as a challenge for a second factor
	Also         Row    // a second row that describes the case, for callers that compare
	Err          error  // the cause, for logs only
}

// Said holds the error code and the description of a tenant's error response. They are
// untrusted texts: pages must escape them.
type Said struct {
	Code        string `json:"c,omitempty"`
	Description string `json:"d,omitempty"`
}

// NewSaid returns the words of a tenant, clipped. A user has to read them, and a
// browser may have to keep them.
func NewSaid(code, description string) Said {
	return Said{clip(code, 64), clip(description, 512)}
}

func clip(s string, limit int) string {
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}

// A Link is a way to continue for a rejected user.
type Link struct{ Text, URL string }

// IsOfAccount reports whether the account was the reason for a rejected login. Another
// attempt with that account would fail again, and single sign-on would choose it again.
func (r Row) IsOfAccount() bool {
	switch r.Description {
	case OtherOrganization.Description, NotMember.Description:
		return true
	case Cancelled.Description, LoginSetup.Description, NotConfirmed.Description:
		return false
	}
	return r.Status == 403 && r.Reason != CrossOrigin.Reason
}

// IsOfRequest reports whether a login was rejected because of what it asked for. A
// login that asks for the same would be rejected again.
func (r Row) IsOfRequest() bool {
	return r.Description == LoginSetup.Description || r.Description == SiteSetup.Description || r.Description == StaleInvitation.Description
}

// IsOf reports whether an error is a refusal of this row. Only the outermost error
// counts, because one inside can come from a function of the application.
func (r Row) IsOf(err error) bool {
	refused, ok := err.(*Refusal)
	return ok && refused.Row == r
}

// New returns the refusal without a cause.
func (r Row) New() *Refusal { return &Refusal{Row: r} }

// Wrap returns the refusal with its cause.
func (r Row) Wrap(err error) *Refusal { return &Refusal{Row: r, Err: err} }

// Later returns the refusal of something that can be tried again after a while.
func (r Row) Later(wait time.Duration, err error) *Refusal {
	return &Refusal{Row: r, RetryAfter: wait, Err: err}
}

// Because returns the refusal with a cause, which is formatted at once.
func (r Row) Because(format string, args ...any) *Refusal { return r.Wrap(fmt.Errorf(format, args...)) }

// Error returns a text for logs.
func (r *Refusal) Error() string {
	if r.Err != nil {
		return r.Description + ": " + r.Err.Error()
	}
	return r.Description
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Refusals of requests with and without access tokens. Code and status are
// those of RFC 6750, Section 3.1.
var (
	NoToken             = Row{401, "unauthorized", "missing_token", "authentication required"}
	Header              = Row{400, "invalid_request", "invalid_request", "malformed Authorization header"}
	Several             = Row{400, "invalid_request", "invalid_request", "more than one credential"}
	Form                = Row{400, "invalid_request", "invalid_request", "malformed form body"}
	Credential          = Row{400, "invalid_request", "invalid_request", "malformed credential"}
	ProofWithBearer     = Row{400, "invalid_request", "invalid_request", "DPoP proof sent with Bearer scheme"}
	ProofRequired       = Row{401, "unauthorized", "dpop_required", "authentication required"}
	Replays             = Row{503, "temporarily_unavailable", "replay_store_unavailable", "replay store unavailable"}
	Keys                = Row{503, "temporarily_unavailable", "keys_unavailable", "signing keys unavailable"}
	Scope               = Row{403, "insufficient_scope", "insufficient_scope", "insufficient scope"}
	Permission          = Row{403, "insufficient_scope", "insufficient_permissions", "insufficient scope"}
	Claim               = Row{403, "access_denied", "claim_requirement", "claim requirement not met"}
	Forbidden           = Row{403, "access_denied", "forbidden", "not allowed"}
	Organization        = Row{403, "access_denied", "organization", "organization not allowed"}
	CrossOrigin         = Row{403, "access_denied", "cross_site", "requests from other sites are not allowed"}
	StepUp              = Row{401, "insufficient_user_authentication", "insufficient_user_authentication", "stronger authentication required"}
	Misconfigured       = Row{500, "server_error", "misconfigured", "this route is not set up correctly"}
	Internal            = Row{500, "server_error", "internal", "internal error"}
	Canceled            = Row{503, "temporarily_unavailable", "canceled", "the request was canceled before we could answer it. Try again"}
	Outage              = Row{503, "temporarily_unavailable", "unavailable", "we cannot answer this right now. Try again in a minute"}
	LoginRequired       = Row{401, "login_required", "no_session", "log in to continue"}
	OrganizationLogin   = Row{401, "login_required", "other_organization", "log in to the organization of this page to continue"}
	SessionToken        = Row{401, "login_required", "missing_token", "log in again to continue"}
	SessionTokenExpired = Row{401, "login_required", "token_expired", "log in again to continue"}
	UserForbidden       = Row{403, "access_denied", "claim_requirement", "your account is not allowed to see this page"}
	UnknownHost         = Row{400, "invalid_request", "unknown_host", "this address is not set up for logins"}
	NotFound            = Row{404, "invalid_request", "not_found", "there is nothing at this address"}
	Method              = Row{405, "invalid_request", "method_not_allowed", "this page cannot be opened directly"}
	LoginOption         = Row{400, "invalid_request", "login_option", "this login link is invalid"}
	Loop                = Row{400, "login_required", "login_loop", "you were sent to log in several times. If your browser blocks cookies for this site, allow them, then log in again"}
	Parameters          = Row{400, "invalid_request", "invalid_request", "the login response is incomplete. Log in again"}
	MissingState        = Row{400, "invalid_request", "missing_state", "the login response is incomplete. Log in again"}
	NoTransaction       = Row{400, "invalid_request", "transaction_not_found", "we could not match this login to your browser. It may have taken too long, or cookies are blocked. Log in again"}
	Issuer              = Row{400, "invalid_request", "issuer_mismatch", "the login response came from an unexpected service. Log in again"}
	ByTenant            = Row{400, "", "authorization_error", "the login was not completed. Try again"}
	SiteSetup           = Row{502, "", "misconfigured", "this site is not set up correctly, so nobody can log in. Contact the site's administrator"}
	Denied              = Row{403, "", "authorization_denied", "you canceled the login, or you do not have access. Log in with another account, or contact the site's administrator"}
	Cancelled           = Row{403, "", "authorization_denied", "you canceled the login, or you did not allow the access that this site requested"}
	Unverified          = Row{403, "", "authorization_denied", "your email address is not verified yet. Open the link in the verification email, then log in again"}
	NotMember           = Row{403, "", "authorization_denied", "your account is not in an organization that can use this site. Log in with another account, or contact the site's administrator"}
	BlockedAtTenant     = Row{403, "", "authorization_denied", "your account is blocked. Log in with another account, or contact the site's administrator"}
	LoginSetup          = Row{400, "", "authorization_error", "this site's login is not set up correctly, and trying again will not help. Contact the site's administrator"}
	StaleInvitation     = Row{400, "", "authorization_error", "this invitation was already used, or it has expired. Ask for a new one"}
	TenantTrouble       = Row{503, "temporarily_unavailable", "tenant_unavailable", "the login service has a problem right now. Try again in a minute"}
	Code                = Row{400, "invalid_grant", "invalid_grant", "this login is already finished, or it took too long. Log in again"}
	TenantDown          = Row{503, "temporarily_unavailable", "tenant_unavailable", "we cannot reach the login service. Try again in a minute"}
	IDTokenKeys         = Row{503, "temporarily_unavailable", "keys_unavailable", "we cannot reach the login service. Try again in a minute"}
	Clock               = Row{503, "temporarily_unavailable", "clock_skew", "this server and the login service disagree on the time. Try again in a minute"}
	NoCredential        = Row{503, "temporarily_unavailable", "credentials_unavailable", "we cannot use the login service right now. Try again in a minute"}
	TenantAnswer        = Row{502, "server_error", "tenant_answer", "the login service sent an unexpected response. Try again"}
	TokenNotBound       = Row{502, "server_error", "token_not_bound", "the login service sent an unexpected response. Try again"}
	Redirected          = Row{502, "server_error", "redirect_refused", "the response redirects to another server, which must not receive the token"}
	OtherOrganization   = Row{403, "access_denied", "", "your account is not a member of the organization that you tried to log in to"}
	NotConfirmed        = Row{403, "insufficient_user_authentication", "", "the login did not confirm your identity as this page requires. Log in again. If this repeats, contact the site's administrator"}
	IDToken             = Row{400, "invalid_token", "", "we could not verify the login. Log in again"}
	AfterLogin          = Row{403, "access_denied", "after_login", "your account is not allowed to use this site"}
	TooLarge            = Row{500, "server_error", "session_too_large", "we could not save your session. Contact the site's administrator"}
	Store               = Row{503, "temporarily_unavailable", "store_unavailable", "we cannot read your session right now. Try again in a minute"}
	StoreFull           = Row{503, "temporarily_unavailable", "store_unavailable", "too many users are logged in right now. Try again later"}
	StoreWrite          = Row{503, "temporarily_unavailable", "store_unavailable", "we could not save your session. Try again in a minute"}
	Connections         = Row{503, "temporarily_unavailable", "connections_unavailable", "the connections cannot be listed"}
	InvalidConnection   = Row{400, "invalid_request", "invalid_connection", "the connection is not valid"}
	NotConnected        = Row{403, "access_denied", "not_connected", "connect your account at the other service to continue"}
	CrossSite           = Row{403, "invalid_request", "cross_site", "log out with the button on this site"}
	CrossSiteConnect    = Row{403, "invalid_request", "cross_site", "connect accounts with the button on this site"}
	ConnectParameters   = Row{400, "invalid_request", "invalid_request", "we could not connect your account, because the response was incomplete. Try again"}
	ConnectGone         = Row{400, "invalid_request", "transaction_not_found", "we could not connect your account. This took too long, was already finished, or began in another browser. Try again"}
	ConnectByTenant     = Row{400, "", "authorization_error", "we could not connect your account. Try again"}
	ConnectDenied       = Row{403, "", "authorization_denied", "we did not connect your account, because you canceled or this is not allowed"}
	ConnectCode         = Row{400, "invalid_grant", "invalid_grant", "we could not connect your account. This took too long, or was already finished. Try again"}
	OtherUser           = Row{403, "access_denied", "other_user", "another user has logged in since you started. Try again"}
	Ceiling             = Row{400, "login_required", "session_expired", "the login service does not allow a longer session. Log in again"}
	LogoutToken         = Row{400, "invalid_request", "invalid_logout_token", "the logout token is not valid"}
	LogoutFailed        = Row{400, "invalid_request", "logout_failed", "the sessions could not be ended"}
	LogoutStore         = Row{503, "temporarily_unavailable", "store_unavailable", "you are logged out in this browser, but we could not end your session on the server"}
	TenantBusy          = Row{503, "temporarily_unavailable", "tenant_unavailable", "the login service is busy. Try again in a minute"}
	LogoutEndpoint      = Row{500, "server_error", "no_end_session_endpoint", "you are logged out here, but we could not log you out at the login service"}
)

// Refusals of grants that are not part of a login in the browser.
var (
	GrantRequest  = Row{400, "invalid_request", "invalid_request", "the request is incomplete"}
	Credentials   = Row{401, "invalid_grant", "wrong_credentials", "wrong user name, password or code. Try again"}
	Attempts      = Row{429, "too_many_attempts", "too_many_attempts", "too many attempts. Try again later"}
	Blocked       = Row{403, "unauthorized", "user_blocked", "your account is blocked"}
	MFA           = Row{403, "mfa_required", "mfa_required", "a second factor is required"}
	MFAExpired    = Row{400, "expired_token", "mfa_expired", "this login took too long. Log in again"}
	Pending       = Row{400, "authorization_pending", "authorization_pending", "you have not confirmed the login yet"}
	Grant         = Row{500, "unauthorized_client", "grant_not_allowed", "this login method is not set up"}
	Leaked        = Row{403, "password_leaked", "password_leaked", "this password appeared in a data leak. Choose another"}
	Verification  = Row{403, "requires_verification", "verification_required", "log in on the login page"}
	Address       = Row{400, "invalid_request", "bad_address", "we cannot send anything to this address"}
	SubjectToken  = Row{400, "invalid_request", "subject_token", "the token cannot be exchanged"}
	UserInfoToken = Row{401, "invalid_token", "token_not_accepted", "log in again to continue"}
	UserInfo      = Row{502, "server_error", "invalid_userinfo", "the login service sent an unexpected response. Try again"}
)
