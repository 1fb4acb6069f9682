package tenanterror

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// A Place is a kind of request to the tenant. One code has different meanings at
// different places.
type Place string

// The places.
const (
	Elsewhere        Place = "elsewhere"                  // no code has a special meaning
	PushedRequest    Place = "pushed request"             // RFC 9126
	LoginCode        Place = "code of a login"            // RFC 6749, Section 4.1.3
	Refresh          Place = "refresh"                    // requests with the tokens of a session
	TokenVault       Place = "Token Vault"                // third-party tokens
	ConnectedAccount Place = "completion of a connection" // of the My Account API
	Grant            Place = "grant"                      // logins and tokens without a browser
	AppToken         Place = "client credentials"         // RFC 6749, Section 4.4
	TokenExchange    Place = "token exchange"             // RFC 8693
	SecondFactor     Place = "second factor"              // factors and challenges
	UserInfo         Place = "userinfo"                   // OpenID Connect Core 1.0, Section 5.3
)

// A meaning is one row of the table. A failure without a row is between the tenant and
// the application: the tenant is unreachable, or sends an unexpected response.
type meaning struct {
	where  Place
	code   string // or anyCode
	status func(int) bool
	row    refusal.Row // unset if the failure is between tenant and application
}

const anyCode = "*" // no tenant sends it

var unset refusal.Row

// table is searched from its beginning, first for the place of the request and then
// for the place that follows it.
var table = []meaning{
	// Here the tenant reports to the application an error that it otherwise reports to
	// the browser. No user was asked yet, so no user was rejected.
	{PushedRequest, "", always, unset},
	{PushedRequest, "invalid_client", always, unset},
	{PushedRequest, "unauthorized_client", always, unset},
	{PushedRequest, anyCode, rejects, refusal.ByTenant},

	// A rejected code is between the visitor and the tenant.
	{LoginCode, "invalid_grant", always, refusal.Code},

	// An Action or a policy of the tenant requires another login, where the tenant
	// tells the user why, or admits the user. The code decides, whatever the status:
	// Auth0 has sent 500. But access_denied with 401 is Auth0's response to wrong
	// client credentials.
	{Refresh, "access_denied", except401, refusal.SessionTokenExpired},
	{Refresh, "unmet_authentication_requirements", always, refusal.SessionTokenExpired},
	{Refresh, "interaction_required", always, refusal.SessionTokenExpired},
	{Refresh, "unauthorized", decides, refusal.SessionTokenExpired},
	{Refresh, "invalid_grant", decides, refusal.SessionTokenExpired},

	// With 401 the tenant reports that the user has no account at the third party, or
	// that it has no token of the account. Several codes mean this. Other statuses
	// concern the rights of the application.
	{TokenVault, "access_denied", is401, unset},
	{TokenVault, "invalid_client", is401, unset},
	{TokenVault, "unauthorized", is401, refusal.SessionTokenExpired},
	{TokenVault, anyCode, is401, refusal.NotConnected},

	{ConnectedAccount, anyCode, is400or404, refusal.ConnectCode},

	{UserInfo, anyCode, is401, refusal.UserInfoToken},

	// An application without a user is denied by its settings, and not because of a
	// user.
	{AppToken, "access_denied", except401, refusal.Grant},

	// The token to exchange is wrong.
	{TokenExchange, "invalid_request", decides, refusal.SubjectToken},
	{TokenExchange, "invalid_grant", decides, refusal.SubjectToken},
	{TokenExchange, "invalid_target", decides, refusal.Grant},

	// The rejected credential is the MFA token itself.
	{SecondFactor, "invalid_grant", decides, refusal.MFAExpired},

	// An outage of the tenant rejects no user. For limited attempts, or while the
	// tenant waits for the user, the code decides, whatever the status.
	{Grant, "invalid_grant", decides, refusal.Credentials},
	{Grant, "access_denied", except401, refusal.Denied},
	{Grant, "unauthorized", decides, refusal.Blocked},
	{Grant, "too_many_attempts", always, refusal.Attempts},
	{Grant, "too_many_logins", always, refusal.Attempts},
	{Grant, "password_leaked", decides, refusal.Leaked},
	{Grant, "requires_verification", decides, refusal.Verification},
	{Grant, "mfa_required", decides, refusal.MFA},
	{Grant, "expired_token", decides, refusal.MFAExpired},
	{Grant, "authorization_pending", always, refusal.Pending},
	{Grant, "slow_down", always, refusal.Pending},
	{Grant, "unauthorized_client", decides, refusal.Grant},
	{Grant, "unsupported_grant_type", decides, refusal.Grant},
	{Grant, "invalid_request", decides, refusal.Grant},
	{Grant, "invalid_scope", decides, refusal.Grant},
	{Grant, "endpoint_disabled", decides, refusal.Grant},
	{Grant, "unsupported_challenge_type", decides, refusal.Grant},
	{Grant, "association_required", decides, refusal.Grant},
	{Grant, "bad.connection", decides, refusal.Grant},
	{Grant, "bad.email", decides, refusal.Address},
	{Grant, "bad.phone_number", decides, refusal.Address},
}

// follows maps a place to the place where the search continues.
var follows = map[Place]Place{
	TokenVault: Refresh, ConnectedAccount: Refresh,
	AppToken: Grant, TokenExchange: Grant, SecondFactor: Grant, UserInfo: Grant,
}

// The statuses of a row.
func always(int) bool           { return true }
func is401(status int) bool     { return status == http.StatusUnauthorized }
func except401(status int) bool { return status != http.StatusUnauthorized }
func is400or404(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusNotFound
}

// decides reports whether the same request would fail again.
func decides(status int) bool { return !(&tenantapi.Error{Status: status}).Temporary() }

// rejects reports whether the status rejects the request itself.
func rejects(status int) bool {
	return decides(status) && status >= 400 && status != http.StatusUnauthorized
}

// row returns the row of the table, unset if the failure is between the tenant and
// the application.
func (e Error) row(where Place) refusal.Row {
	for ; where != ""; where = follows[where] {
		for _, m := range table {
			if m.where == where && (m.code == e.Code || m.code == anyCode) && m.status(e.Status) {
				return m.row
			}
		}
	}
	return unset
}

// Meaning returns the refusal that the error of a request means. It returns a refusal
// unchanged.
func Meaning(where Place, err error) error {
	if _, decided := errors.AsType[*refusal.Refusal](err); err == nil || decided {
		return err
	}
	e, answered := Of(err)
	switch {
	case answered:
		return e.meaning(where)
	case errors.Is(err, context.Canceled):
		return refusal.Canceled.Wrap(context.Canceled)
	case errors.Is(err, fetch.ErrBodyTooLarge), errors.Is(err, tenantapi.ErrUnexpectedJSON):
		return refusal.TenantAnswer.Wrap(fetch.Cause(err))
	case errors.Is(err, tenantapi.ErrUnsendable):
		return refusal.Internal.Wrap(err)
	}
	return refusal.TenantDown.Wrap(fetch.Cause(err))
}

func (e Error) meaning(where Place) *refusal.Refusal {
	row := e.setup(where)
	if row == unset {
		row = e.row(where)
	}
	switch {
	case row != unset:
	case e.Status == http.StatusTooManyRequests:
		row = refusal.TenantBusy
	case decides(e.Status):
		row = refusal.TenantAnswer
	default:
		row = refusal.TenantDown
	}
	out := e.Refusal(row)
	out.Err = Advise(where, e)
	if row == refusal.Pending && out.RetryAfter == 0 {
		out.RetryAfter = pollInterval
		if e.Code == "slow_down" {
			out.RetryAfter = 2 * pollInterval
		}
	}
	return out
}

// pollInterval is the wait before the next poll, and the increase after slow_down (RFC
// 8628, Sections 3.2 and 3.5).
const pollInterval = 5 * time.Second
