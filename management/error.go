package management

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/tenantapi"
)

// An Error is a failed call. All errors of the methods of [API] are of this type.
type Error struct {
	// Status is the HTTP status of the tenant's response, for example 404, or 409 if
	// the name of a connection is taken. It is 0 if there was no response.
	Status int
	// Code is the error code of the Management API, for example
	// inexistent_connection, or of the token endpoint if the tenant issued no token.
	// It is empty if the response has none.
	Code string
	// Description is the tenant's text, at most 300 bytes. It is for logs: it may
	// quote users.
	Description string
	// Scope is the scope that the token lacked, if that is the cause. It is a list
	// separated by spaces if any one of several scopes is enough.
	Scope string
	// RetryAfter is the wait before the next call. It is 0 if the tenant does not
	// name one.
	RetryAfter time.Duration
	// Err is the cause, for logs. If the token source failed, it wraps the error of
	// the source, except an *oauth2.RetrieveError, whose text contains the whole
	// response.
	Err error

	kind error // one of the variables below, or nil
}

// Errors to compare with, for the branches that callers take.
var (
	// ErrInvalid: an argument is not valid, or it does not belong to a custom OAuth2
	// connection. Nothing was changed.
	ErrInvalid = errors.New("management: invalid argument")
	// ErrNotConnected: the user has no account of that connection.
	ErrNotConnected = errors.New("management: the user has no account of that connection")
	// ErrUnavailable: the tenant is unreachable, fails, or limits the request rate.
	// This is temporary. [Error].RetryAfter is the wait, if the tenant names one. It
	// is unknown whether a change was made, except after 429: then it was not.
	ErrUnavailable = errors.New("management: the tenant is not available")
)

// Error returns a text for logs. It contains no token and no secret.
func (e *Error) Error() string {
	text := "management"
	if e.Err != nil {
		text += ": " + strings.TrimPrefix(e.Err.Error(), "management: ")
	}
	if e.Scope != "" {
		text += "; the token lacks the scope " + strings.ReplaceAll(e.Scope, " ", " or ")
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the variable of this package that names the kind of
// the error.
func (e *Error) Is(target error) bool { return e.kind != nil && e.kind == target }

func invalid(format string, args ...any) *Error {
	return &Error{kind: ErrInvalid, Err: fmt.Errorf(format, args...)}
}

// asError makes an Error from the error of a request.
func asError(err error) *Error {
	e := &Error{Err: err}
	said, ok := errors.AsType[*tenantapi.Error](err)
	if refused, is := errors.AsType[*oauth2.RetrieveError](err); !ok && is && refused.Response != nil {
		// The text of a RetrieveError contains the whole response.
		said, ok = tenantapi.ParseError(refused.Response.StatusCode, refused.Response.Header, refused.Body), true
		e.Err = fmt.Errorf("no token for the Management API: %w", said)
	}
	switch {
	case errors.Is(err, context.Canceled):
	case ok && said.Temporary(), !ok && unreachable(err):
		e.kind = ErrUnavailable
	}
	if ok {
		e.Status, e.Code, e.Description = said.Status, code(said), line(said.Description)
		e.Scope, e.RetryAfter = said.MissingScope(), said.Wait
	}
	return e
}

// unreachable reports whether a request had no response.
func unreachable(err error) bool {
	_, ours := errors.AsType[*fetch.Error](err)
	_, theirs := errors.AsType[*url.Error](err)
	return ours || theirs || errors.Is(err, context.DeadlineExceeded)
}

// code returns the error code of a response if it consists of the characters of RFC
// 6749, Section 5.2, so that no log has to escape it.
func code(e *tenantapi.Error) string {
	switch {
	case e.Code == http.StatusText(e.Status):
		return "" // the response has no errorCode
	case len(e.Code) > 64 || strings.Trim(e.Code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") != "":
		return "unknown_error"
	}
	return e.Code
}

// line makes a tenant's text fit for one line of a log.
func line(s string) string {
	const limit = 300
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
