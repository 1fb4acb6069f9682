package emulator

import "net/http"

// An oauthError is the error body of the Authentication API (RFC 6749, Section 5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// An apiError is the error body of the Management API and of unknown routes.
type apiError struct {
	Status  int    `json:"statusCode"`
	Error   string `json:"error"` // filled from Status
	Message string `json:"message"`
	Code    string `json:"errorCode,omitempty"`
}

// A problem is the error body of the My Account API, which resembles RFC 9457. The
// end of its type identifies it. Auth0 documents only those for a bad token and for
// a conflict; a client must not depend on the others.
type problem struct {
	Type       string       `json:"type"`
	Title      string       `json:"title"`
	Status     int          `json:"status"`
	Detail     string       `json:"detail"`
	Validation []validation `json:"validation_errors,omitempty"`
}

// A validation is a mistake in one part of a request.
type validation struct {
	Detail  string `json:"detail"`
	Field   string `json:"field,omitempty"`
	Pointer string `json:"pointer,omitempty"`
	Source  string `json:"source"` // "body" or "query"
}

func newProblem(code string, status int, detail string) *problem {
	return &problem{Type: "https://auth0.com/api-errors#A0E-" + code, Title: http.StatusText(status), Status: status, Detail: detail}
}

func invalidField(source, field, detail string) *problem {
	p := newProblem("400-0003", http.StatusBadRequest, "Invalid request")
	v := validation{Detail: detail, Field: field, Source: source}
	if source == "body" {
		v.Pointer = "/" + field
	}
	p.Validation = []validation{v}
	return p
}

// A tokenError is a refusal of the token endpoint.
type tokenError struct {
	status int
	oauthError
}

// errUnauthorized is a failed client authentication. Auth0 answers access_denied
// where RFC 6749, Section 5.2 has invalid_client, and 403 where it has 400.
var errUnauthorized = &tokenError{http.StatusUnauthorized, oauthError{"access_denied", "Unauthorized"}}

func denied(description string) *tokenError {
	return &tokenError{http.StatusForbidden, oauthError{"access_denied", description}}
}

func badRequest(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, oauthError{"invalid_request", description}}
}

var (
	errNotProven = &tokenError{http.StatusBadRequest, oauthError{"invalid_request", "Proof of possession is required"}}
	errTarget    = &tokenError{http.StatusBadRequest, oauthError{"invalid_target", "The resource is not that of the authorization"}}
	errOtherKey  = &tokenError{http.StatusBadRequest, oauthError{"invalid_grant", "The grant is bound to another key than that of the DPoP proof"}}
)

// maxAttempts is how many failures one address may have at one account.
const maxAttempts = 10

var (
	errTooManyAttempts = &tokenError{http.StatusTooManyRequests, oauthError{"too_many_attempts", "Your account has been blocked after multiple consecutive login attempts. We've sent you a notification via your preferred contact method with instructions on how to unblock it."}}
	userRefused        = oauthError{Code: "access_denied", Description: "User did not authorize the request"}
)
