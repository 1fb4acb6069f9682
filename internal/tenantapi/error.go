package tenantapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/syntax"
)

// An Error is an error response of a tenant. Auth0's endpoints use several formats, and
// its edge answers in HTML.
type Error struct {
	Status int
	// Code is the error code of RFC 6749, or the errorCode of the Management API.
	// It is empty if the response has none.
	Code string
	// Description is for logs only: it may change, and may quote users.
	Description string
	// Wait is the wait that the tenant requests, 0 if it names none.
	Wait time.Duration
}

// ParseError reads every known form of an error response. It never fails: the status
// alone is an answer.
func ParseError(status int, h http.Header, body []byte) *Error {
	e := &Error{Status: status, Wait: fetch.RetryAfter(h, time.Now())}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return e
	}
	text := func(name string) string {
		var s string
		json.Unmarshal(members[name], &s) // other types count as absent
		return s
	}
	first := func(names ...string) string {
		for _, name := range names {
			if s := text(name); s != "" {
				return s
			}
		}
		return ""
	}
	// The Management API sends errorCode and error; its error is only the text of
	// the status.
	e.Code = first("errorCode", "error", "code", "name")
	e.Description = first("error_description", "message", "description", "detail", "title")
	if e.Code == "" {
		// RFC 9457, as of the My Account API. The end of the type tells such errors
		// apart, for example A0E-401-0002.
		_, e.Code, _ = strings.Cut(text("type"), "#")
	}
	var invalid []struct{ Field, Detail string }
	json.Unmarshal(members["validation_errors"], &invalid)
	for _, v := range invalid {
		e.Description += "; " + v.Field + ": " + v.Detail
	}
	for _, name := range []string{"error_description", "description"} {
		// Some are objects, for example if a password is too weak.
		if e.Description == "" {
			e.Description = string(members[name])
		}
	}
	return e
}

func (e *Error) Error() string {
	switch {
	case e.Code != "":
		return fmt.Sprintf("the tenant answered %d, %.100q: %.300q", e.Status, e.Code, e.Description)
	case e.Description != "":
		return fmt.Sprintf("the tenant answered %d: %.300q", e.Status, e.Description)
	}
	return fmt.Sprintf("the tenant answered %d", e.Status)
}

// Temporary reports whether the same request can succeed later. 501 is not
// temporary: RFC 6749 has no status for an unsupported request, and Auth0 uses 501.
func (e *Error) Temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= 500 && e.Status != http.StatusNotImplemented
}

// RetryAfter returns Wait, for packages that look for this method.
func (e *Error) RetryAfter() time.Duration { return e.Wait }

const codeInsufficientScope = "insufficient_scope"

// MissingScope returns the scopes that the token lacked, separated by spaces: the
// request needs one of them. It returns an empty text for another error. The tenant
// names the scopes in its description only.
func (e *Error) MissingScope() string {
	_, list, ok := strings.Cut(e.Description, "expected any of: ")
	if e.Code != codeInsufficientScope || !ok {
		return ""
	}
	var scopes []string
	for _, scope := range strings.Split(list, ",") {
		if scope = strings.TrimSpace(scope); !syntax.IsScope(scope) || len(scope) > 64 {
			return ""
		}
		scopes = append(scopes, scope)
	}
	return strings.Join(scopes, " ")
}

var (
	// ErrUnsendable is returned for a request that cannot be built.
	ErrUnsendable = errors.New("the request has an unusable URL or body")
	// ErrUnexpectedJSON is matched by the error for a successful response whose body is
	// not the expected JSON.
	ErrUnexpectedJSON = fetch.ErrNotJSON
)
