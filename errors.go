package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/errorpage"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/logging"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
	"github.com/seed-15d5a55c/auth0/internal/site"
	"github.com/seed-15d5a55c/auth0/internal/transaction"
)

// An Error reports that a login, a session, a token or a request to the tenant was rejected
// or has failed. All errors of this kind in this package have this type. Use [errors.As] to
// get it, or [errors.Is] with a variable of this package.
type Error struct {
	// Op is the failed operation: login, callback, logout, session, bearer, connections,
	// token, userinfo, endpoint, revoke, accounts, connect, backchannel, claims,
	// signature, keys, metadata.
	Op string
	// Status is the HTTP status of the answer.
	Status int
	// Code is the error code of the protocol, if there is one: from RFC 6749,
	// Sections 4.1.2.1 and 5.2, RFC 6750, Section 3.1, or OpenID Connect Core 1.0,
	// Section 3.1.2.6. The tenant can send any other code.
	Code string
	// Reason is a word from a fixed set, which you can use as a metric label. It
	// distinguishes more cases than Code.
	Reason string
	// Description is a fixed text that anyone may read.
	Description string
	// Scope lists the scopes or permissions that the route requires, separated by spaces. A
	// guard that names some sets it for the status 403. A guard that names scopes also sets
	// it for 401.
	Scope string
	// RetryAfter is the time to wait before trying again. It is 0 if it is unknown.
	RetryAfter time.Duration
	// TenantStatus is the status of the tenant's response, if that response is the
	// reason, else 0.
	TenantStatus int
	// TenantCode and TenantDescription are the error code and the description that the
	// tenant sent, if it rejected the login or the request. The description can be a text
	// of an Action, such as the reason of api.access.deny. Both are untrusted texts,
	// clipped to 64 and 512 bytes: write them into pages with html/template only, and do
	// not decide by a description.
	TenantCode        string
	TenantDescription string
	// LoginURL is a URL of this site for the link of an error page. It starts the login
	// again, with the options of the failed login and the requested page. If the account
	// was rejected, the tenant lets the user choose another one. The state of
	// [WithAppState] stays in the browser, so the URL has it in that browser only. It is
	// set when [Config].ErrorHandler is called, and lasts as long as [Config].LoginTimeout.
	LoginURL string
	// ReturnTo and AppState are values of the failed login. They are empty if the login is
	// unknown.
	ReturnTo string
	AppState json.RawMessage
	// links are the next steps, LoginURL with its text.
	links []refusal.Link
	// next continues the rejected operation, see the method MFA.
	next any
	// also is a second reason of the error for [errors.Is].
	also string
	// stepUp contains the parameters of a challenge (RFC 9470).
	stepUp string
	// Err is the cause. Its text is for logs, not for visitors: it can quote untrusted
	// texts.
	Err error
}

// Error returns a text for logs. It contains no token, code, cookie or secret.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("auth0")
	for _, part := range []string{e.Op, cmp.Or(e.Description, e.Reason)} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is one of the variables of this package, or another
// [*Error] without Op, Status and Err, and has the same Reason.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Op == "" && t.Status == 0 && t.Err == nil && (t.Reason == e.Reason || t.Reason != "" && t.Reason == e.also)
}

// Errors for comparisons with [errors.Is].
var (
	// ErrNoSession: the request has no session.
	ErrNoSession = sentinel("no_session")
	// ErrNoToken: the request has no access token, or the session has none.
	ErrNoToken = sentinel("missing_token")
	// ErrTokenExpired: the token was valid and has expired. If it is a token of a
	// session, redirect the browser to [Config].LoginPath with the query parameter
	// returnTo: the user logs in again, and comes back with a new token.
	ErrTokenExpired = sentinel("token_expired")
	// ErrKeysUnavailable: the issuer's keys cannot be fetched, so the token could not be
	// verified.
	ErrKeysUnavailable = sentinel("keys_unavailable")
	// ErrForbidden is for functions of the application, such as [APIConfig].Validate:
	// the token or the login is valid, but access is denied.
	ErrForbidden = sentinel("forbidden")
	// ErrTransactionNotFound: this browser did not start the login of the callback, or that
	// login is already completed, or older than [Config].LoginTimeout.
	ErrTransactionNotFound = sentinel("transaction_not_found")
	// ErrStoreUnavailable: the [Store] is unreachable, so it is unknown whether there is
	// a session.
	ErrStoreUnavailable = sentinel("store_unavailable")
	// ErrNotConnected: the user has not connected an account of the provider, or must
	// connect it again.
	ErrNotConnected = sentinel("not_connected")
	// ErrSessionTooLarge: the session does not fit into cookies.
	ErrSessionTooLarge = sentinel("session_too_large")
	// ErrWrongCredentials: the tenant rejected the password, the one-time code or
	// another credential: it is wrong or already used. The tenant does not say which.
	ErrWrongCredentials = sentinel("wrong_credentials")
	// ErrTooManyAttempts: the tenant has blocked further attempts to protect an account
	// or itself.
	ErrTooManyAttempts = sentinel("too_many_attempts")
	// ErrTenantUnavailable: the tenant is unreachable or limits the request rate. Try
	// again after [Error].RetryAfter.
	ErrTenantUnavailable = sentinel("tenant_unavailable")
	// ErrUserBlocked: an administrator of the tenant has blocked the account.
	ErrUserBlocked = sentinel("user_blocked")
	// ErrMFARequired: the tenant requires a second factor. See [Error.MFA].
	ErrMFARequired = sentinel("mfa_required")
	// ErrAuthorizationPending: the user has not answered yet. Try again after
	// [Error].RetryAfter.
	ErrAuthorizationPending = sentinel("authorization_pending")
	// ErrGrantNotAllowed: the tenant does not allow this grant for the application, the
	// connection or the user, or has no such connection.
	ErrGrantNotAllowed = sentinel("grant_not_allowed")
)

// sentinel returns an Error that has only a reason.
func sentinel(reason string) error { return &Error{Reason: reason} }

// isRefused reports whether the outermost refusal of an error is the given one. An
// inner refusal can come from a function or a store of the application.
func isRefused(err error, row refusal.Row) bool {
	e := outermost(err)
	return e != nil && e.Reason == row.Reason && e.Status == row.Status
}

// bearerFault returns the refusal for an access token with a fault.
func bearerFault(f *fault.Fault) *refusal.Refusal {
	if f.Reason == fault.Keys.Reason {
		return refusal.Keys.Later(outageWait, f.Cause)
	}
	code := "invalid_token"
	if f.Reason == fault.Proof.Reason || f.Reason == fault.ProofNonce.Reason {
		code = f.Reason // RFC 9449, Sections 7.1 and 9
	}
	return &refusal.Refusal{Op: "bearer", Row: refusal.Row{Status: 401, Code: code, Reason: f.Reason, Description: f.Description}, Err: f.Cause}
}

// rowOf returns the row that answers an error, the zero row for nil.
func rowOf(err error) refusal.Row {
	if err == nil {
		return refusal.Row{}
	}
	e := asError("", err)
	return refusal.Row{Status: e.Status, Code: e.Code, Reason: e.Reason, Description: e.Description}
}

// asBearerError returns the refusal of an access token for an error that contains a
// fault. It returns any other error unchanged.
func asBearerError(err error) error {
	if bad, ok := errors.AsType[*fault.Fault](err); ok {
		return bearerFault(bad)
	}
	return err
}

// op runs the body of an exported method. Every error leaves it as an [*Error].
func op[T any](name string, a interface{ ready() error }, body func() (T, error)) (T, error) {
	err := a.ready()
	if err == nil {
		var result T
		if result, err = body(); err == nil {
			return result, nil
		}
	}
	var none T
	return none, asError(name, err)
}

// do is op for a method that returns nothing but an error.
func do(name string, a interface{ ready() error }, body func() error) error {
	_, err := op(name, a, func() (struct{}, error) { return struct{}{}, body() })
	return err
}

// asError returns the Error in the chain of err. Any other error is a programming error,
// with status 500.
func asError(op string, err error) *Error {
	e := outermost(err)
	switch {
	case e != nil:
		if _, failed := errors.AsType[*transaction.Failure](err); !failed && e.Op != "" && e.Status >= 400 && e.Status <= 599 && e.Description != "" {
			return e // nothing to add
		}
		copied := *e // shared rows must not be changed
		e = &copied
	case errors.Is(err, context.Canceled):
		e = refusedError(refusal.Canceled.Wrap(err))
	case errors.Is(err, context.DeadlineExceeded):
		e = refusedError(outage(err))
	default:
		e = refusedError(refusal.Internal.Wrap(err))
	}
	if e.Op == "" {
		e.Op = op
	}
	if f, ok := errors.AsType[*transaction.Failure](err); ok {
		e.ReturnTo, e.AppState, e.links = f.ReturnTo, f.AppState, f.Links
	}
	// The application can have made this Error.
	if e.Status < 400 || e.Status > 599 {
		e.Status = http.StatusInternalServerError
	}
	if e.Description == "" {
		e.Description = strings.ToLower(cmp.Or(http.StatusText(e.Status), "refused"))
	}
	return e
}

// outermost returns the Error that decides the answer: the first Error in the chain,
// or the public form of the first refusal of an engine. An inner error can come from
// a function or a store of the application. It returns nil if there is none.
func outermost(err error) *Error {
	for err != nil {
		switch x := err.(type) {
		case *Error:
			return x
		case *refusal.Refusal:
			return refusedError(x)
		}
		switch x := err.(type) {
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			for _, inside := range x.Unwrap() {
				if e := outermost(inside); e != nil {
					return e
				}
			}
			return nil
		default:
			return nil
		}
	}
	return nil
}

// refusedError returns the public form of a refusal.
func refusedError(r *refusal.Refusal) *Error {
	return &Error{
		Op: r.Op, Status: r.Status, Code: r.Code, Reason: r.Reason, Description: r.Description,
		Scope: r.Scope, RetryAfter: r.RetryAfter,
		TenantStatus: r.TenantStatus, TenantCode: r.Tenant.Code, TenantDescription: r.Tenant.Description, also: r.Also.Reason, next: r.Next, stepUp: r.StepUp, Err: r.Err,
	}
}

// errorOf is asError for the request with the context ctx. Only that context tells
// whether the request was canceled. A store or a function of the application can
// return [context.Canceled] for another reason. Nothing is then known about the
// request, so errorOf makes it an outage.
func errorOf(ctx context.Context, op string, err error) *Error {
	e := asError(op, err)
	if e.Reason != refusal.Canceled.Reason {
		return e
	}
	row, wait := refusal.Canceled, time.Second
	if ctx.Err() == nil {
		row, wait = refusal.Outage, outageWait
	}
	copied := *e
	copied.Status, copied.Code, copied.Reason, copied.Description = row.Status, row.Code, row.Reason, row.Description
	copied.RetryAfter = wait
	return &copied
}

// outageWait is the time until a caller can try again, if the length of an outage is
// unknown.
const outageWait = 5 * time.Second

func outage(err error) *refusal.Refusal { return refusal.Outage.Later(outageWait, err) }

// An errorWriter writes the answer of a Strategy or an API to a rejected or failed request,
// and the log line.
type errorWriter struct {
	log     *slog.Logger
	handler func(http.ResponseWriter, *http.Request, *Error)

	// challenge sets WWW-Authenticate, and DPoP-Nonce. A Strategy has none.
	challenge func(http.Header, *http.Request, *Error)
	// links returns links to the login. An API has none.
	links func(r *http.Request, returnTo string, row refusal.Row) []refusal.Link
	// login returns the next step after a request that a login helps.
	login func(r *http.Request) []refusal.Link
	// page makes the page for a user. An API has none.
	page func(r *http.Request, e *Error, reference string) browser.Page
}

// logger returns the default logger for a Strategy or an API that was not made by a
// constructor. Such a value rejects every request, and the log must say why.
func (x errorWriter) logger() *slog.Logger {
	if x.log == nil {
		return slog.Default()
	}
	return x.log
}

// fail ends a request. The log gets the cause, once. The client gets constant texts.
//
// It always writes a status of 400 or more, even if the request was canceled. A handler
// that writes nothing answers 200, and a client that still reads would mistake that for
// success: it can have closed only its half of the connection, or the server can be
// shutting down (net/http.Server.BaseContext).
func (x errorWriter) fail(w http.ResponseWriter, r *http.Request, op string, err error) {
	e := errorOf(r.Context(), op, err)
	reference := x.writeLog(r, e)
	h := w.Header()
	fixed := []string{"no-store", "nosniff"} // one allocation, because strangers cause most refusals
	h["Cache-Control"], h["X-Content-Type-Options"] = fixed[:1:1], fixed[1:]
	wait := e.RetryAfter
	if wait <= 0 && e.Status == http.StatusServiceUnavailable {
		wait = outageWait
	}
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	if x.challenge != nil {
		x.challenge(h, r, e)
	}
	if x.page != nil {
		cookie.Uncacheable(h)
		// The URL of a callback contains a code, which must not leak. The logout route
		// needs the origin to recognize an old browser that followed a link of this page.
		h.Set("Referrer-Policy", "strict-origin")
	}
	e = x.withLinks(r, e)
	// The specification of back-channel logout defines its answer (Section 2.8).
	if x.handler != nil && e.Op != "backchannel" && x.handle(w, r, e) {
		return
	}
	page := func() browser.Page { return x.page(r, e, reference) }
	if x.page == nil || !browser.WriteError(w, r, e.Status, e.Op == "callback", page) {
		errorpage.WriteJSON(w, r, refusal.Row{Status: e.Status, Code: e.Code, Reason: e.Reason, Description: e.Description})
	}
}

// withLinks adds the next steps. The refusal of a login has its own.
func (x errorWriter) withLinks(r *http.Request, e *Error) *Error {
	if x.links == nil {
		return e
	}
	copied := *e // the caller's error must not be changed
	switch {
	case copied.links != nil:
	case e.Status == http.StatusUnauthorized && e.Op != "login" && e.Op != "callback" && e.ReturnTo == "":
		copied.links = x.login(r)
	default:
		var row refusal.Row
		if e.Op == "session" || e.Op == "callback" {
			row = rowOf(e)
		}
		copied.links = x.links(r, e.ReturnTo, row)
	}
	copied.LoginURL = copied.links[0].URL
	return &copied
}

// rejected writes the log line for an error of a callback whose answer signin writes.
func (x errorWriter) refused(r *http.Request, err error) refusal.Row {
	e := errorOf(r.Context(), "callback", err)
	x.writeLog(r, e)
	return rowOf(e)
}

// handle calls the ErrorHandler of the application, and reports whether that started the
// answer. An ErrorHandler that writes no status must not turn the refusal into 200.
func (x errorWriter) handle(w http.ResponseWriter, r *http.Request, e *Error) bool {
	refused := errorpage.NewWriter(w, e.Status)
	x.handler(refused, r, e)
	return refused.Begun()
}

// pageOf returns the function that makes the page of an error.
func pageOf(where *site.Site) func(*http.Request, *Error, string) browser.Page {
	return func(r *http.Request, e *Error, reference string) browser.Page {
		return errorpage.New(where, r, errorpage.Refusal{Row: rowOf(e), Op: e.Op, ReturnTo: e.ReturnTo, Login: e.links[0]}, reference)
	}
}

// writeLog writes the log line of a refusal and returns its reference.
func (x errorWriter) writeLog(r *http.Request, e *Error) (reference string) {
	path, _ := site.Asked(r)
	log, level, reference := logging.Line(r.Context(), x.logger(), logLevel(e), e.Op, e.Reason)
	if log == nil {
		return reference
	}
	attrs := []slog.Attr{
		slog.String("op", e.Op), slog.Int("status", e.Status), slog.String("reason", e.Reason),
		slog.String("method", r.Method), slog.String("path", path), slog.String("reference", reference),
	}
	if e.Code != "" {
		attrs = append(attrs, slog.String("code", e.Code))
	}
	if e.TenantStatus != 0 {
		attrs = append(attrs, slog.Int("tenant_status", e.TenantStatus))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	log.LogAttrs(r.Context(), level, "auth0: refused", attrs...)
	return reference
}

// logLevel returns the level of the log line of a refusal, see [Config].Logger.
func logLevel(e *Error) slog.Level {
	switch {
	case e.Reason == refusal.Canceled.Reason, e.Reason == refusal.LoginRequired.Reason,
		e.Op == "bearer" && (e.Reason == refusal.NoToken.Reason || e.Reason == fault.ProofNonce.Reason),
		e.Op == "session" && (e.Reason == refusal.StepUp.Reason || e.Reason == refusal.OrganizationLogin.Reason):
		return slog.LevelDebug // normal requests: canceled, before the login, or the first of a client
	case e.Status == refusal.Internal.Status:
		return slog.LevelError // a programming error, which is logged each time
	}
	return slog.LevelWarn // strangers can cause it, so one per minute is at level Warn
}

// hookError returns the refusal for an error of a function of the application. An
// [*Error] with a status chooses the status. [ErrForbidden] denies access. A timeout, a
// failed connection, or a variable of this package for an outage means that the
// function could not decide. The caller decides about any other error.
func hookError(err error, forbidden refusal.Row, other func(error) error) error {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Status != 0:
		return e
	case errors.Is(err, ErrForbidden):
		return forbidden.Wrap(err)
	case errors.Is(err, context.Canceled):
		return err // see errorOf
	case fetch.IsOutage(err), errors.Is(err, ErrStoreUnavailable), errors.Is(err, ErrKeysUnavailable), errors.Is(err, ErrTenantUnavailable):
		return outage(err)
	}
	return other(err)
}

// A sentinelRow is the refusal for a variable of this package.
type sentinelRow struct {
	is  error
	row refusal.Row
}

// sentinelRows are for WriteError. The variables for an outage are in hookError. Those
// that a Strategy and an API answer differently are beside their methods.
var sentinelRows = []sentinelRow{
	{ErrTransactionNotFound, refusal.NoTransaction},
	{ErrNotConnected, refusal.NotConnected},
	{ErrSessionTooLarge, refusal.TooLarge},
	{ErrWrongCredentials, refusal.Credentials},
	{ErrTooManyAttempts, refusal.Attempts},
	{ErrUserBlocked, refusal.Blocked},
	{ErrMFARequired, refusal.MFA},
	{ErrAuthorizationPending, refusal.Pending},
	{ErrGrantNotAllowed, refusal.Grant},
}

// writtenError returns the refusal for the argument of WriteError. It is hookError, and
// the variables of this package stand for refusals too. Any other error stays unchanged.
func writtenError(err error, forbidden refusal.Row, own ...sentinelRow) error {
	return hookError(err, forbidden, func(err error) error {
		for _, s := range slices.Concat(own, sentinelRows) {
			if errors.Is(err, s.is) {
				return s.row.Wrap(err)
			}
		}
		return err
	})
}

// outageError is the last argument of hookError for functions whose other errors are
// outages.
func outageError(err error) error { return outage(err) }
