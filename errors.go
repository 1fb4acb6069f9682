package auth0

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-15d5a55c/auth0/internal/browser"
	"github.com/seed-15d5a55c/auth0/internal/cookie"
	"github.com/seed-15d5a55c/auth0/internal/fault"
	"github.com/seed-15d5a55c/auth0/internal/session"
)

// An Error is why a login, a session, a token or a request to the tenant was
// refused or failed. All errors that this package returns for them are of this
// type; use [errors.As] to get at it, or [errors.Is] with one of the variables
// of this package.
type Error struct {
	// Op is what was being done: login, callback, logout, session, bearer,
	// connections, token, userinfo, accounts, connect, backchannel,
	// claims, signature, keys, metadata.
	Op string
	// Status is the HTTP status that answers the request.
	Status int
	// Code is the error code of the protocol, as far as there is one: of
	// RFC 6749, Section 4.1.2.1 and Section 5.2, RFC 6750, Section 3.1 or
	// OpenID Connect Core 1.0, Section 3.1.2.6. From the tenant it may be any.
	Code string
	// Reason is finer, and one of a fixed set of words, fit for metric labels.
	Reason string
	// Description is a fixed text that may be shown to anybody.
	Description string
	// Scope are the scopes or permissions that were needed, separated by spaces,
	// if that was the fault.
	Scope string
	// RetryAfter is how long to wait, if that is known.
	RetryAfter time.Duration
	// TenantStatus is the status of the tenant's answer, if that was the fault.
	TenantStatus int
	// ReturnTo and AppState are those of the login that failed, once it is known
	// which one it was.
	ReturnTo string
	AppState json.RawMessage
	// MFA is how to go on, if the tenant wants a second factor.
	MFA *MFA
	// stepUp are the parameters of a challenge of RFC 9470.
	stepUp string
	// Err is the cause. Its text is for logs, not for visitors: it may quote
	// what came from outside.
	Err error
}

// Error returns a text for logs. It holds no token, code, cookie or secret.
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

// Is reports whether target is an [*Error] with the same Reason that says
// nothing more, as the variables of this package do.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Op == "" && t.Status == 0 && t.Err == nil && t.Reason == e.Reason
}

// Errors to compare with, for the branches that callers take.
var (
	// ErrNoSession: nobody is logged in.
	ErrNoSession = sentinel("no_session")
	// ErrNoToken: the request has no access token, or the session has none.
	ErrNoToken = sentinel("missing_token")
	// ErrTokenExpired: the token was good, but is no longer.
	ErrTokenExpired = sentinel("token_expired")
	// ErrKeysUnavailable: the issuer's keys cannot be had, so nothing is known
	// about the token.
	ErrKeysUnavailable = sentinel("keys_unavailable")
	// ErrForbidden is for [APIConfig].Validate to return: the token is good, and
	// its owner may not do this.
	ErrForbidden = sentinel("forbidden")
	// ErrTransactionNotFound: the callback belongs to no login that this
	// browser has begun, or to one that is over.
	ErrTransactionNotFound = sentinel("transaction_not_found")
	// ErrStoreUnavailable: the [Store] does not answer, so nothing is known about
	// the session.
	ErrStoreUnavailable = sentinel("store_unavailable")
	// ErrNotConnected: the person has no account at the provider of a connection
	// whose tokens could be used, or has to connect it again.
	ErrNotConnected = sentinel("not_connected")
	// ErrSessionTooLarge: the session does not fit into cookies.
	ErrSessionTooLarge = sentinel("session_too_large")
	// ErrWrongCredentials: the password, the one-time code or whatever else was
	// shown to the tenant is wrong, or used up. Which, it does not say.
	ErrWrongCredentials = sentinel("wrong_credentials")
	// ErrTooManyAttempts: the tenant protects an account, or itself, from guessing.
	ErrTooManyAttempts = sentinel("too_many_attempts")
	// ErrTenantUnavailable: the tenant, or what is between, does not answer, or has
	// had enough requests. It is temporary; [Error].RetryAfter is how long, if the
	// tenant has said so.
	ErrTenantUnavailable = sentinel("tenant_unavailable")
	// ErrUserBlocked: the account is blocked by the tenant's administrators.
	ErrUserBlocked = sentinel("user_blocked")
	// ErrMFARequired: the tenant wants a second factor; see [Error].MFA.
	ErrMFARequired = sentinel("mfa_required")
	// ErrAuthorizationPending: the person has not answered yet. Ask again after
	// [Error].RetryAfter.
	ErrAuthorizationPending = sentinel("authorization_pending")
	// ErrGrantNotAllowed: the application, the connection or the person is not
	// set up for this grant at the tenant, or there is no such connection.
	ErrGrantNotAllowed = sentinel("grant_not_allowed")
)

// A marked error is also one of the variables above.
type marked struct{ err, as error }

func (m marked) Error() string   { return m.err.Error() }
func (m marked) Unwrap() []error { return []error{m.err, m.as} }

// sentinel says nothing but a reason.
func sentinel(reason string) error { return &Error{Reason: reason} }

// A refusal is one row of the tables below.
type refusal struct {
	status                    int
	code, reason, description string
}

func (r refusal) error() *Error {
	return &Error{Status: r.status, Code: r.code, Reason: r.reason, Description: r.description}
}

// is reports whether an error is this refusal. Only the outermost Error of a chain
// counts: one inside may come from a function or a store of the application.
func (r refusal) is(err error) bool {
	e := outermost(err)
	return e != nil && e.Reason == r.reason && e.Status == r.status
}

// wrap returns the refusal with its cause.
func (r refusal) wrap(err error) *Error {
	e := r.error()
	e.Err = err
	return e
}

func (r refusal) because(format string, args ...any) *Error {
	return r.wrap(fmt.Errorf(format, args...))
}

// Refusals of requests with and without access tokens. Code and status are
// those of RFC 6750, Section 3.1.
var (
	refuseNoToken             = refusal{401, "unauthorized", "missing_token", "authentication required"}
	refuseHeader              = refusal{400, "invalid_request", "invalid_request", "malformed Authorization header"}
	refuseSeveral             = refusal{400, "invalid_request", "invalid_request", "more than one credential"}
	refuseForm                = refusal{400, "invalid_request", "invalid_request", "malformed form body"}
	refuseCredential          = refusal{400, "invalid_request", "invalid_request", "malformed credential"}
	refuseKeys                = refusal{503, "temporarily_unavailable", "keys_unavailable", "token keys unavailable"}
	refuseScope               = refusal{403, "insufficient_scope", "insufficient_scope", "insufficient scope"}
	refusePermission          = refusal{403, "insufficient_scope", "insufficient_permissions", "insufficient scope"}
	refuseClaim               = refusal{403, "access_denied", "claim_requirement", "claim requirement not met"}
	refuseForbidden           = refusal{403, "access_denied", "forbidden", "not allowed"}
	refuseOrganization        = refusal{403, "access_denied", "organization", "organization not allowed"}
	refuseCrossOrigin         = refusal{403, "access_denied", "cross_site", "requests from other sites are not allowed"}
	refuseStepUp              = refusal{401, "insufficient_user_authentication", "insufficient_user_authentication", "stronger authentication required"}
	refuseMisconfigured       = refusal{500, "server_error", "misconfigured", "this route is not set up correctly"}
	refuseInternal            = refusal{500, "server_error", "internal", "internal error"}
	refuseCanceled            = refusal{503, "temporarily_unavailable", "canceled", "the request was canceled before it could be answered; please try again"}
	refuseOutage              = refusal{503, "temporarily_unavailable", "unavailable", "this cannot be answered at the moment; please try again in a minute"}
	refuseLoginRequired       = refusal{401, "login_required", "no_session", "log in to continue"}
	refuseSessionToken        = refusal{401, "login_required", "missing_token", "log in again to continue"}
	refuseSessionTokenExpired = refusal{401, "login_required", "token_expired", "log in again to continue"}
	refuseUserForbidden       = refusal{403, "access_denied", "claim_requirement", "your account is not allowed to see this page"}
	refuseUnknownHost         = refusal{400, "invalid_request", "unknown_host", "this address is not set up for logins"}
	refuseMethod              = refusal{405, "invalid_request", "method_not_allowed", "this address does not take such requests"}
	refuseLoginOption         = refusal{400, "invalid_request", "login_option", "the link to this login is not valid"}
	refuseLoop                = refusal{400, "login_required", "login_loop", "you were sent to log in several times in a row; your browser may be blocking cookies for this site; allow them, then log in again"}
	refuseParameters          = refusal{400, "invalid_request", "invalid_request", "the answer to the login is not complete; please log in again"}
	refuseMissingState        = refusal{400, "invalid_request", "missing_state", "the answer to the login is not complete; please log in again"}
	refuseNoTransaction       = refusal{400, "invalid_request", "transaction_not_found", "this login was begun in another browser, took longer than ten minutes, or is finished already; cookies may also be blocked for this site; please log in again"}
	refuseIssuer              = refusal{400, "invalid_request", "issuer_mismatch", "the answer to the login came from an unexpected place; please log in again"}
	refuseByTenant            = refusal{400, "", "authorization_error", "the login was not completed; please try again"}
	refuseDenied              = refusal{403, "", "authorization_denied", "the login was cancelled, or you are not allowed to log in; please try again, or ask the owner of this site"}
	refuseCode                = refusal{400, "invalid_grant", "invalid_grant", "this login is finished already or took too long; please log in again"}
	refuseTenantDown          = refusal{502, "temporarily_unavailable", "tenant_unavailable", "the login service cannot be reached; please try again in a minute"}
	refuseIDTokenKeys         = refusal{503, "temporarily_unavailable", "keys_unavailable", "the login service cannot be reached; please try again in a minute"}
	refuseClock               = refusal{503, "temporarily_unavailable", "clock_skew", "this server and the login service do not agree on the time; please try again in a minute"}
	refuseNoCredential        = refusal{503, "temporarily_unavailable", "credentials_unavailable", "the login service cannot be asked; please try again in a minute"}
	refuseTenantAnswer        = refusal{502, "server_error", "tenant_answer", "the login service gave an unexpected answer; please try again"}
	refuseIDToken             = refusal{400, "invalid_token", "", "the login could not be verified; please log in again"}
	refuseAfterLogin          = refusal{403, "access_denied", "after_login", "your account is not allowed to use this site"}
	refuseTooLarge            = refusal{500, "server_error", "session_too_large", "the login could not be kept; tell the owner of this site"}
	refuseStore               = refusal{503, "temporarily_unavailable", "store_unavailable", "sessions cannot be read at the moment; please try again in a minute"}
	refuseStoreFull           = refusal{503, "temporarily_unavailable", "store_unavailable", "too many people are logged in at the moment; please try again later"}
	refuseStoreWrite          = refusal{500, "server_error", "store_unavailable", "the login could not be kept; please try again in a minute"}
	refuseConnections         = refusal{503, "temporarily_unavailable", "connections_unavailable", "the ways to log in cannot be listed"}
	refuseInvalidConnection   = refusal{400, "invalid_request", "invalid_connection", "the connection is not valid"}
	refuseNotConnected        = refusal{403, "access_denied", "not_connected", "connect your account at the other service to continue"}
	refuseCrossSite           = refusal{403, "invalid_request", "cross_site", "log out with the button on this site"}
	refuseCrossSiteConnect    = refusal{403, "invalid_request", "cross_site", "connect accounts with the button on this site"}
	refuseConnectParameters   = refusal{400, "invalid_request", "invalid_request", "the account was not connected, because the answer of the login service is not complete; please try again"}
	refuseConnectGone         = refusal{400, "invalid_request", "transaction_not_found", "the account was not connected: this was begun in another browser, took longer than ten minutes, or is finished already; please try again"}
	refuseConnectByTenant     = refusal{400, "", "authorization_error", "the account was not connected; please try again"}
	refuseConnectDenied       = refusal{403, "", "authorization_denied", "the account was not connected, because that was cancelled or is not allowed"}
	refuseConnectCode         = refusal{400, "invalid_grant", "invalid_grant", "the account was not connected, because it took too long, or was finished already; please try again"}
	refuseOtherUser           = refusal{403, "access_denied", "other_user", "somebody else has logged in since you began; please try again"}
	refuseCeiling             = refusal{400, "login_required", "session_expired", "the login service does not let this session go on; please log in again"}
	refuseLogoutToken         = refusal{400, "invalid_request", "invalid_logout_token", "the logout token is not valid"}
	refuseLogoutFailed        = refusal{400, "invalid_request", "logout_failed", "the sessions could not be ended"}
	refuseLogoutEndpoint      = refusal{500, "server_error", "no_end_session_endpoint", "you are logged out here, but could not be logged out at the login service"}
)

// Refusals of grants that are not part of a login in the browser.
var (
	refuseGrantRequest  = refusal{400, "invalid_request", "invalid_request", "the request is not complete"}
	refuseCredentials   = refusal{401, "invalid_grant", "wrong_credentials", "what you entered is not correct; please try again"}
	refuseAttempts      = refusal{429, "too_many_attempts", "too_many_attempts", "there were too many attempts; please try again later"}
	refuseBlocked       = refusal{403, "unauthorized", "user_blocked", "your account is blocked"}
	refuseMFA           = refusal{403, "mfa_required", "mfa_required", "a second factor is needed"}
	refuseMFAExpired    = refusal{400, "expired_token", "mfa_expired", "this login took too long; please log in again"}
	refusePending       = refusal{400, "authorization_pending", "authorization_pending", "you have not confirmed the login yet"}
	refuseGrant         = refusal{500, "unauthorized_client", "grant_not_allowed", "this way to log in is not set up"}
	refuseLeaked        = refusal{403, "password_leaked", "password_leaked", "this password was found in a data leak; please choose another"}
	refuseVerification  = refusal{403, "requires_verification", "verification_required", "please log in on the login page"}
	refuseAddress       = refusal{400, "invalid_request", "bad_address", "nothing can be sent to this address"}
	refuseSubjectToken  = refusal{400, "invalid_request", "subject_token", "the token cannot be exchanged"}
	refuseUserInfoToken = refusal{401, "invalid_token", "token_not_accepted", "log in again to continue"}
	refuseUserInfo      = refusal{502, "server_error", "invalid_userinfo", "the login service gave an unexpected answer; please try again"}
)

// bearerFault makes the fault of an access token an Error.
func bearerFault(f *fault.Fault) *Error {
	if f.Reason == fault.Keys.Reason {
		e := refuseKeys.wrap(f.Cause)
		e.RetryAfter = 5 * time.Second
		return e
	}
	return &Error{Op: "bearer", Status: 401, Code: "invalid_token", Reason: f.Reason, Description: f.Description, Err: f.Cause}
}

// idTokenFault makes the fault of an ID token an Error.
func idTokenFault(f *fault.Fault) *Error {
	if f.Reason == fault.Keys.Reason {
		return faultOutage(f, refuseIDTokenKeys)
	}
	r := refuseIDToken
	r.reason = f.Reason
	return r.wrap(f)
}

// faultOutage makes an Error of a fault that says nothing about the token.
func faultOutage(f *fault.Fault, r refusal) *Error {
	e := r.wrap(f)
	e.RetryAfter = 5 * time.Second
	return e
}

// asError returns the Error in err. Whatever is none is a fault of ours.
func asError(op string, err error) *Error {
	e := outermost(err)
	switch {
	case e != nil:
		if e.Op != "" && e.Status >= 400 && e.Status <= 599 && e.Description != "" {
			return e // nothing to add
		}
		copied := *e // shared rows must not be changed
		e = &copied
	case errors.Is(err, context.Canceled):
		e = refuseCanceled.wrap(err)
	case errors.Is(err, context.DeadlineExceeded):
		e = outage(err)
	default:
		e = refuseInternal.wrap(err)
	}
	if e.Op == "" {
		e.Op = op
	}
	// The application may have made this one.
	if e.Status < 400 || e.Status > 599 {
		e.Status = http.StatusInternalServerError
	}
	if e.Description == "" {
		e.Description = strings.ToLower(cmp.Or(http.StatusText(e.Status), "refused"))
	}
	return e
}

// outermost returns the Error that decides what an error means: the first in its
// chain that is one, or that an engine has made. Errors further inside may come
// from a function or a store of the application. It is nil if there is none.
func outermost(err error) *Error {
	for err != nil {
		switch x := err.(type) {
		case *Error:
			return x
		case *session.Error:
			return sessionError(x)
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

// sessionError is the Error of a session that could not be read or written.
func sessionError(f *session.Error) *Error {
	row, wait := refuseInternal, time.Duration(0)
	switch f.Kind {
	case session.Ended:
		row = refuseLoginRequired
	case session.StoreDown:
		row, wait = refuseStore, 5*time.Second
	case session.NotWritten:
		row = refuseStoreWrite
	case session.StoreFull:
		row, wait = refuseStoreFull, time.Minute
	case session.TooLarge:
		row = refuseTooLarge
	}
	e := row.wrap(f.Err)
	e.RetryAfter = wait
	return e
}

// errorOf is asError for the request with the context ctx. Only that context
// can tell that the request was canceled. A store or a function of the application
// can return [context.Canceled] because something of its own has ended; nothing is
// then known, and that is an outage.
func errorOf(ctx context.Context, op string, err error) *Error {
	e := asError(op, err)
	if e.Reason != refuseCanceled.reason {
		return e
	}
	row, wait := refuseCanceled, time.Second
	if ctx.Err() == nil {
		row, wait = refuseOutage, outageWait
	}
	copied := *e
	copied.Status, copied.Code, copied.Reason, copied.Description = row.status, row.code, row.reason, row.description
	copied.RetryAfter = wait
	return &copied
}

// outageWait is when to try again after an outage of unknown length.
const outageWait = 5 * time.Second

func outage(err error) *Error {
	e := refuseOutage.wrap(err)
	e.RetryAfter = outageWait
	return e
}

// An exit writes the responses of a Strategy or an API for everything that is
// refused or failed. No other line of this package writes one.
type exit struct {
	log     *slog.Logger
	handler func(http.ResponseWriter, *http.Request, *Error)

	// challenge returns the value of WWW-Authenticate, or nothing.
	challenge func(*Error) string
	// loginURL, of a Strategy, is where to begin again.
	loginURL func(*http.Request, *Error) string
}

// logger is for values that no constructor has made: they refuse everything,
// and say so.
func (x exit) logger() *slog.Logger {
	if x.log == nil {
		return slog.Default()
	}
	return x.log
}

// fail ends a request. The log gets everything, once; the client gets constants.
//
// It always writes a status of 400 or more, also if the request was canceled: a
// handler that writes nothing has answered 200, and the client may still be there
// to take that for a yes. It can have closed only its half of the connection, or
// the server can be shutting down (net/http.Server.BaseContext).
func (x exit) fail(w http.ResponseWriter, r *http.Request, op string, err error) {
	e := errorOf(r.Context(), op, err)
	reference := x.record(r, e)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	if x.challenge != nil {
		if value := x.challenge(e); value != "" {
			h.Set("WWW-Authenticate", value)
		}
	}
	if x.loginURL != nil {
		cookie.Uncacheable(h)
		h.Set("Referrer-Policy", "no-referrer") // the URL of a callback has a code
	}
	// A Strategy answers people and scripts, an API programs.
	page := x.loginURL != nil && e.Reason != refuseLoginRequired.reason && (e.Op == "callback" || browser.ShowsPage(r))
	switch {
	case x.handler != nil && (page || x.loginURL == nil):
		x.handle(w, r, e)
	case page:
		x.writePage(w, r, e, reference)
	default:
		writeJSON(w, r, e)
	}
}

// handle calls the ErrorHandler of the application. One that writes a body and no
// status, or nothing, must not turn the refusal into 200.
func (x exit) handle(w http.ResponseWriter, r *http.Request, e *Error) {
	refused := &refusedWriter{ResponseWriter: w, status: e.Status}
	x.handler(refused, r, e)
	refused.begin()
}

// A refusedWriter writes a status of its own if a handler begins the response
// without one. It is around ErrorHandler alone; a [http.ResponseController] finds
// what else the writer within can do.
type refusedWriter struct {
	http.ResponseWriter
	status int
	begun  bool
}

func (w *refusedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *refusedWriter) begin() {
	if !w.begun {
		w.WriteHeader(w.status)
	}
}

func (w *refusedWriter) WriteHeader(status int) {
	w.begun = w.begun || status >= 200 || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

func (w *refusedWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// Flush also begins a response.
func (w *refusedWriter) Flush() { w.FlushError() }

func (w *refusedWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *refusedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.begun = w.begun || err == nil
	return conn, rw, err
}

// record writes the one log line; see [Config].Logger for its level.
func (x exit) record(r *http.Request, e *Error) (reference string) {
	log, level, reference := x.line(r.Context(), e)
	if log == nil {
		return reference
	}
	attrs := []slog.Attr{
		slog.String("op", e.Op), slog.Int("status", e.Status), slog.String("reason", e.Reason),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("reference", reference),
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

// writePage tells a person what to do next. It is plain text: nothing in it
// can be markup.
func (x exit) writePage(w http.ResponseWriter, r *http.Request, e *Error, reference string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(e.Status)
	if r.Method == http.MethodHead {
		return
	}
	first, size := utf8.DecodeRuneInString(e.Description)
	text := string(unicode.ToUpper(first)) + e.Description[size:] + "."
	fmt.Fprintf(w, "%s\n\nIf it keeps happening, quote this reference: %s\n\n%s\n", text, reference, x.loginURL(r, e))
}

func writeJSON(w http.ResponseWriter, r *http.Request, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	body, _ := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, e.Description})
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// hookError reads the error of a function of the application, in the same way for
// all of them. An [*Error] with a status chooses the response. [ErrForbidden]
// refuses. A deadline, and the variables of this package that stand for an outage,
// mean that the function could not decide. What any other error means is up to
// the caller.
func hookError(err error, forbidden refusal, other func(error) error) error {
	var e *Error
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &e) && e.Status != 0:
		return e
	case errors.Is(err, ErrForbidden):
		return forbidden.wrap(err)
	case errors.Is(err, context.Canceled):
		return err // see errorOf
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(),
		errors.Is(err, ErrStoreUnavailable), errors.Is(err, ErrKeysUnavailable), errors.Is(err, ErrTenantUnavailable):
		return outage(err)
	}
	return other(err)
}

// outageError is for hooks whose plain errors are outages.
func outageError(err error) error { return outage(err) }
