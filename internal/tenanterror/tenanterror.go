// Package tenanterror reads the error responses of a tenant. It holds the one table
// of their meanings: the kind of the request, the error code and the status select a
// row of package refusal.
//
// The package makes no request. It knows neither the user nor the application of a
// request, nor how a refusal is answered.
package tenanterror

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/secret"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
	"golang.org/x/oauth2"
)

// An Error is an error response of a tenant. Its fields are those of
// [tenantapi.Error], and the second factor that the tenant demands.
type Error struct {
	Status      int
	Code        string // of RFC 6749, or the errorCode of the Management API
	Description string // it may change, and may quote users
	Wait        time.Duration
	MFA         *MFADemand // if the tenant demands a second factor
}

// An MFADemand is the tenant's response with the code mfa_required. Challenge lists
// the factors that the user can use, and Enroll the factors that the user can add.
type MFADemand struct {
	Token             secret.Text
	Challenge, Enroll []string
}

// Parse reads every known form of an error response. It never fails: the status alone
// is an answer.
func Parse(status int, h http.Header, body []byte) Error {
	e := errorOf(tenantapi.ParseError(status, h, body))
	if e.Code == "mfa_required" {
		e.MFA = parseDemand(body)
	}
	return e
}

// parseDemand returns nil if the response has no MFA token.
func parseDemand(body []byte) *MFADemand {
	// A member of another type counts as absent.
	var members map[string]json.RawMessage
	json.Unmarshal(body, &members)
	var token string
	json.Unmarshal(members["mfa_token"], &token)
	if token == "" {
		return nil
	}
	type factor struct {
		Type string `json:"type"`
	}
	var factors struct {
		Challenge []factor `json:"challenge"`
		Enroll    []factor `json:"enroll"`
	}
	json.Unmarshal(members["mfa_requirements"], &factors) // which may be missing
	kinds := func(list []factor) (kinds []string) {
		for _, f := range list {
			kinds = append(kinds, syntax.Code(f.Type))
		}
		return kinds
	}
	return &MFADemand{Token: secret.OfText(token), Challenge: kinds(factors.Challenge), Enroll: kinds(factors.Enroll)}
}

// Of returns the tenant's response inside an error. Packages tenantapi and oauth2
// have their own types for it.
func Of(err error) (Error, bool) {
	if e, ok := errors.AsType[Error](err); ok {
		return e, true
	}
	if e, ok := errors.AsType[*tenantapi.Error](err); ok {
		return errorOf(e), true
	}
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok && e.Response != nil {
		return Parse(e.Response.StatusCode, e.Response.Header, e.Body), true
	}
	return Error{}, false
}

// errorOf is the inverse of said.
func errorOf(e *tenantapi.Error) Error {
	return Error{Status: e.Status, Code: e.Code, Description: e.Description, Wait: e.Wait}
}

func (e Error) said() *tenantapi.Error {
	return &tenantapi.Error{Status: e.Status, Code: e.Code, Description: e.Description, Wait: e.Wait}
}

func (e Error) Error() string { return e.said().Error() }

// As lets packages that do not know this type find a [tenantapi.Error].
func (e Error) As(target any) bool {
	said, ok := target.(**tenantapi.Error)
	if ok {
		*said = e.said()
	}
	return ok
}

// RetryAfter returns Wait, for packages that look for this method.
func (e Error) RetryAfter() time.Duration { return e.Wait }

// Refusal returns the refusal for the response, with the tenant's code.
func (e Error) Refusal(row refusal.Row) *refusal.Refusal {
	out := row.Wrap(e)
	out.TenantStatus, out.Tenant = e.Status, refusal.NewSaid(e.Code, e.Description)
	if row == refusal.SessionTokenExpired {
		// Another login is needed, whatever the code, and needs no wait.
		if e.Code == "unauthorized" {
			out.Also = refusal.Blocked
		}
		return out
	}
	out.RetryAfter = e.Wait
	if e.Code != "" {
		out.Code = syntax.Code(e.Code)
	}
	return out
}
