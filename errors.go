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
	"github.com/seed-15d5a55c/auth0/internal/logging"
	"github.com/seed-15d5a55c/auth0/internal/refusal"
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
	// also is a second reason that the error has for [errors.Is].
	also string
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
	return ok && t.Op == "" && t.Status == 0 && t.Err == nil && (t.Reason == e.Reason || t.Reason != "" && t.Reason == e.also)
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

// sentinel says nothing but a reason.
func sentinel(reason string) error { return &Error{Reason: reason} }

// isRefused reports whether an error is a refusal. Only the outermost of a chain counts:
// one inside may come from a function or a store of the application.
func isRefused(err error, row refusal.Row) bool {
	e := outermost(err)
	return e != nil && e.Reason == row.Reason && e.Status == row.Status
}

// bearerFault makes the fault of an access token a refusal.
func bearerFault(f *fault.Fault) *refusal.Refusal {
	if f.Reason == fault.Keys.Reason {
		e := refusal.Keys.Wrap(f.Cause)
		e.RetryAfter = 5 * time.Second
		return e
	}
	return &refusal.Refusal{Op: "bearer", Row: refusal.Row{Status: 401, Code: "invalid_token", Reason: f.Reason, Description: f.Description}, Err: f.Cause}
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
		e = refusedError(refusal.Canceled.Wrap(err))
	case errors.Is(err, context.DeadlineExceeded):
		e = refusedError(outage(err))
	default:
		e = refusedError(refusal.Internal.Wrap(err))
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
		case *refusal.Refusal:
			return refusedError(x)
		case *session.Error:
			return refusedError(sessionRefusal(x))
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

// refusedError is the public form of a refusal.
func refusedError(r *refusal.Refusal) *Error {
	e := &Error{
		Op: r.Op, Status: r.Status, Code: r.Code, Reason: r.Reason, Description: r.Description,
		Scope: r.Scope, RetryAfter: r.RetryAfter, TenantStatus: r.TenantStatus, also: r.Also.Reason, stepUp: r.StepUp, Err: r.Err,
	}
	e.MFA, _ = r.Next.(*MFA)
	return e
}

// sessionRefusal says how a failure of the sessions is answered.
func sessionRefusal(f *session.Error) *refusal.Refusal {
	row, wait := refusal.Internal, time.Duration(0)
	switch f.Kind {
	case session.Ended:
		row = refusal.LoginRequired
	case session.StoreDown:
		row, wait = refusal.Store, 5*time.Second
	case session.NotWritten:
		row = refusal.StoreWrite
	case session.StoreFull:
		row, wait = refusal.StoreFull, time.Minute
	case session.TooLarge:
		row = refusal.TooLarge
	}
	e := row.Wrap(f.Err)
	e.RetryAfter = wait
	return e
}

// errorOf is asError for the request with the context ctx. Only that context
// can tell that the request was canceled. A store or a function of the application
// can return [context.Canceled] because something of its own has ended; nothing is
// then known, and that is an outage.
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

// outageWait is when to try again after an outage of unknown length.
const outageWait = 5 * time.Second

func outage(err error) *refusal.Refusal {
	e := refusal.Outage.Wrap(err)
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
	loginURL func(r *http.Request, returnTo string) string
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
	page := x.loginURL != nil && e.Reason != refusal.LoginRequired.Reason && (e.Op == "callback" || browser.ShowsPage(r))
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

// line decides at what level a refusal is written, and with which reference. The log
// is nil if the line is left out.
func (x exit) line(ctx context.Context, e *Error) (log *slog.Logger, level slog.Level, reference string) {
	switch {
	case e.Reason == refusal.Canceled.Reason, e.Reason == refusal.LoginRequired.Reason, e.Op == "bearer" && e.Reason == refusal.NoToken.Reason:
		level = slog.LevelDebug // a client that goes away, or asks how to log in
	case e.Status == refusal.Internal.Status:
		level = slog.LevelError // a mistake of the program: each one is written
	default:
		level = slog.LevelWarn // strangers cause it: one in a minute
	}
	return logging.Line(ctx, x.logger(), level, e.Op, e.Reason)
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
	fmt.Fprintf(w, "%s\n\nIf it keeps happening, quote this reference: %s\n\n%s\n", text, reference, x.loginURL(r, e.ReturnTo))
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
func hookError(err error, forbidden refusal.Row, other func(error) error) error {
	var e *Error
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &e) && e.Status != 0:
		return e
	case errors.Is(err, ErrForbidden):
		return forbidden.Wrap(err)
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
