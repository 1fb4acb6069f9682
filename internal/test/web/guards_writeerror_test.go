package web_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/internal/testkit"
)

// answer is the whole response, and the line of the log without its level and its
// reference: the second line of a minute has another level.
func answer(log *testkit.Log, h http.Handler, r *http.Request) string {
	log.Take()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	header := maps.Clone(w.Header())
	header.Del("Vary")
	line, _, _ := strings.Cut(log.Take(), " reference=")
	_, line, _ = strings.Cut(line, " msg=")
	body, _, _ := strings.Cut(w.Body.String(), "quote this reference")
	return fmt.Sprintln(w.Code, header, body, line)
}

// WriteError answers as the guards do.
func TestWriteErrorOfAnAPIAnswersAsAGuard(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*auth0.APIConfig){
		"by default": func(*auth0.APIConfig) {},
		"metadata":   func(c *auth0.APIConfig) { c.Realm, c.MetadataURL = "acme", "https://api.example/.well-known/metadata" },
		"ErrorHandler": func(c *auth0.APIConfig) {
			c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *auth0.Error) { http.Error(w, e.Reason, e.Status) }
		},
	} {
		f := testkit.NewAPIEnv(t, edit)
		own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := f.API.Verify(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			f.API.WriteError(w, r, fmt.Errorf("my own guard: %w", err))
		})
		for why, token := range map[string]string{
			"expired":  testkit.Signed(testkit.GoodHeader, testkit.WithClaim("exp", testkit.NoonPlus(-60))),
			"audience": testkit.Signed(testkit.GoodHeader, testkit.WithClaim("aud", `"x"`)),
			"opaque":   "abc",
		} {
			got, want := answer(f.Log, own, testkit.BearerRequest(token)), answer(f.Log, f.API.RequireAuth(f), testkit.BearerRequest(token))
			if got != want {
				t.Errorf("%s, %s:\n got %s\nwant %s", name, why, got, want)
			}
		}
		none := httptest.NewRequest("GET", "/", nil)
		missing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.API.WriteError(w, r, auth0.ErrNoToken) })
		got, want := answer(f.Log, missing, none), answer(f.Log, f.API.RequireAuth(f), none)
		if got, _, _ = strings.Cut(got, " err="); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s, no token:\n got %s\nwant %s", name, got, want)
		}
	}
}

type timeout struct{ error }

func (timeout) Timeout() bool { return true }

func TestWriteErrorOfAnAPI(t *testing.T) {
	t.Parallel()
	const cause = "CAUSE-0123456789"
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	f := testkit.NewAPIEnv(t)
	const internal, unavailable = `{"error":"server_error","error_description":"internal error"}`, `{"error":"temporarily_unavailable","error_description":"we cannot answer this right now. Try again in a minute"}`
	for _, tt := range []struct {
		why       string
		ctx       context.Context
		err       error
		status    int
		challenge string
		body      string
	}{
		{"no token", t.Context(), auth0.ErrNoToken, 401, `Bearer realm="api"`, `{"error":"unauthorized","error_description":"authentication required"}`},
		{"no token, wrapped", t.Context(), fmt.Errorf("%s: %w", cause, auth0.ErrNoToken), 401, `Bearer realm="api"`, `{"error":"unauthorized","error_description":"authentication required"}`},
		{"forbidden", t.Context(), fmt.Errorf("%s: %w", cause, auth0.ErrForbidden), 403, "", `{"error":"access_denied","error_description":"not allowed"}`},
		{"own status", t.Context(), &auth0.Error{Status: 409, Code: "conflict", Reason: "conflict", Description: "somebody else was faster", Err: errors.New(cause)}, 409, "", `{"error":"conflict","error_description":"somebody else was faster"}`},
		{"own scope", t.Context(), &auth0.Error{Status: 403, Code: "insufficient_scope", Description: "d", Scope: "read:x"}, 403, `Bearer realm="api", error="insufficient_scope", error_description="d", scope="read:x"`, `{"error":"insufficient_scope","error_description":"d"}`},
		{"no session", t.Context(), &auth0.Error{Op: "session", Status: 401, Code: "login_required", Reason: "no_session", Description: "log in to continue"}, 401, "", `{"error":"login_required","error_description":"log in to continue"}`},
		{"store", t.Context(), fmt.Errorf("%s: %w", cause, auth0.ErrStoreUnavailable), 503, "", unavailable},
		{"keys", t.Context(), auth0.ErrKeysUnavailable, 503, "", unavailable},
		{"tenant", t.Context(), auth0.ErrTenantUnavailable, 503, "", unavailable},
		{"deadline", t.Context(), context.DeadlineExceeded, 503, "", unavailable},
		{"timeout", t.Context(), timeout{errors.New(cause)}, 503, "", unavailable},
		{"connection refused", t.Context(), fmt.Errorf("%s: %w", cause, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}), 503, "", unavailable},
		{"no such host", t.Context(), fmt.Errorf("%s: %w", cause, &net.DNSError{Err: "no such host", IsNotFound: true}), 503, "", unavailable},
		{"no such file", t.Context(), fmt.Errorf("%s: %w", cause, syscall.ENOENT), 500, "", internal},
		{"canceled elsewhere", t.Context(), context.Canceled, 503, "", unavailable},
		{"canceled", canceled, context.Canceled, 503, "", `{"error":"temporarily_unavailable","error_description":"the request was canceled before we could answer it. Try again"}`},
		{"other", t.Context(), errors.New(cause), 500, "", internal},
		{"nil", t.Context(), nil, 500, "", internal},
	} {
		w := httptest.NewRecorder()
		f.Log.Take()
		f.API.WriteError(w, httptest.NewRequest("GET", "/", nil).WithContext(tt.ctx), tt.err)
		if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("WWW-Authenticate") != tt.challenge || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s:\n got %d %s %q\nwant %d %s %q", tt.why, w.Code, w.Body, w.Header(), tt.status, tt.body, tt.challenge)
		}
		if (w.Header().Get("Retry-After") != "") != (tt.status == 503) {
			t.Errorf("%s: Retry-After %q", tt.why, w.Header().Get("Retry-After"))
		}
		if log := f.Log.Take(); tt.err != nil && strings.Contains(tt.err.Error(), cause) && !strings.Contains(log, cause) {
			t.Errorf("%s: the log has no cause: %s", tt.why, log)
		}
	}
	// A zero API answers too.
	w := httptest.NewRecorder()
	if new(auth0.API).WriteError(w, httptest.NewRequest("GET", "/", nil), auth0.ErrNoToken); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("zero API: %d %q", w.Code, w.Header())
	}
}

// The Observer gets the event of a token from Verify. WriteError does not report it
// twice.
func TestWriteErrorTellsNoObserver(t *testing.T) {
	t.Parallel()
	events := 0
	f := testkit.NewAPIEnv(t, func(c *auth0.APIConfig) { c.Observer = func(context.Context, auth0.Event) { events++ } })
	_, err := f.API.Verify(t.Context(), "abc")
	f.API.WriteError(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), err)
	if events != 1 {
		t.Errorf("%d events, want 1", events)
	}
}

func TestWriteErrorOfAStrategy(t *testing.T) {
	t.Parallel()
	const challenge = `Session login="/auth/login"`
	page := []string{"Sec-Fetch-Mode", "navigate", "Accept", "text/html"}
	text := []string{"Sec-Fetch-Mode", "navigate", "Accept", "text/plain"}
	json := []string{"Sec-Fetch-Mode", "navigate", "Accept", "application/json"}
	e := testkit.SignedIn(t, func(c *auth0.Config) { c.BaseURLs = []string{"https://beta.example"} })
	for _, tt := range []struct {
		why       string
		err       error
		host      string
		header    []string
		status    int
		challenge string
		body      string // a part of it
	}{
		{"no session", auth0.ErrNoSession, "app.example", nil, 401, challenge, `{"error":"login_required","error_description":"log in to continue"}`},
		{"no session, page", fmt.Errorf("mine: %w", auth0.ErrNoSession), "app.example", page, 401, challenge, "<h1>You need to log in</h1>\n<p>Log in to continue.</p>\n<p><a href=\"https://app.example/auth/login\">Log in</a></p>"},
		{"no session, page, as JSON", auth0.ErrNoSession, "app.example", json, 401, challenge, `{"error":"login_required"`},
		{"no session, unknown host", auth0.ErrNoSession, "evil.example", nil, 400, "", `{"error":"invalid_request","error_description":"this address is not set up for logins"}`},
		{"token expired", &auth0.Error{Status: 401, Code: "login_required", Reason: "token_expired", Description: "log in again to continue"}, "app.example", nil, 401, challenge,
			`{"error":"login_required","error_description":"log in again to continue"}`},
		{"token expired, page", &auth0.Error{Status: 401, Code: "login_required", Reason: "token_expired", Description: "log in again to continue"}, "app.example", page, 401, challenge,
			"<h1>You need to log in</h1>\n<p>Log in again to continue.</p>\n<p><a href=\"https://app.example/auth/login\">Log in</a></p>"},
		{"forbidden", auth0.ErrForbidden, "app.example", nil, 403, "", `{"error":"access_denied","error_description":"your account is not allowed to see this page"}`},
		{"forbidden, page", auth0.ErrForbidden, "app.example", page, 403, "", "<p>Your account is not allowed to see this page.</p>\n<p><a href=\"https://app.example/auth/login?login_ticket="},
		{"forbidden, page, as text", auth0.ErrForbidden, "app.example", text, 403, "", "You have no access to this page.\n\nYour account is not allowed to see this page.\n\nLog in with another account: https://app.example/auth/login?login_ticket="},
		{"forbidden, text", auth0.ErrForbidden, "app.example", []string{"Accept", "text/plain"}, 403, "", "You have no access to this page.\n"},
		{"own status, page", &auth0.Error{Status: 409, Description: "somebody else was faster"}, "app.example", page, 409, "", "<p>Somebody else was faster.</p>\n"},
		{"store", auth0.ErrStoreUnavailable, "app.example", nil, 503, "", `{"error":"temporarily_unavailable"`},
		{"deadline", context.DeadlineExceeded, "app.example", page, 503, "", "<h1>Try again in a minute</h1>\n<p>We cannot answer this right now. "},
		{"other", errors.New("CAUSE-0123456789"), "app.example", nil, 500, "", `{"error":"server_error","error_description":"internal error"}`},
		{"nil", nil, "app.example", page, 500, "", "<h1>Something went wrong</h1>\n<p>Internal error.</p>\n"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tt.host
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		w := httptest.NewRecorder()
		e.Log.Take()
		e.Strategy.WriteError(w, r, tt.err)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || w.Header().Get("WWW-Authenticate") != tt.challenge {
			t.Errorf("%s:\n got %d %s %q\nwant %d %s %q", tt.why, w.Code, w.Body, w.Header(), tt.status, tt.body, tt.challenge)
		}
		if cache := w.Header().Get("Cache-Control"); !strings.Contains(cache, "no-store") {
			t.Errorf("%s: Cache-Control %q", tt.why, cache)
		}
		log := e.Log.Take()
		if strings.Contains(w.Body.String(), "CAUSE") || tt.why == "other" && !strings.Contains(log, "CAUSE-0123456789") {
			t.Errorf("%s: body %s\nlog %s", tt.why, w.Body, log)
		}
	}
	// WriteError answers an error of Session as RequireSession does.
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "app.example"
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := e.Strategy.Session(r)
		e.Strategy.WriteError(w, r, err)
	})
	if got, want := answer(e.Log, own, r), answer(e.Log, e.Strategy.RequireSession(own), r); got != want {
		t.Errorf("no session:\n got %s\nwant %s", got, want)
	}
	// ErrorHandler answers for pages.
	e = testkit.SignedIn(t, func(c *auth0.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *auth0.Error) { fmt.Fprint(w, "handled ", err.Reason) }
	})
	for i := 0; i < len(page); i += 2 {
		r.Header.Set(page[i], page[i+1])
	}
	w := httptest.NewRecorder()
	if e.Strategy.WriteError(w, r, auth0.ErrForbidden); w.Code != 403 || w.Body.String() != "handled claim_requirement" {
		t.Errorf("ErrorHandler: %d %s", w.Code, w.Body)
	}
	// A zero Strategy answers too.
	w = httptest.NewRecorder()
	if new(auth0.Strategy).WriteError(w, r, auth0.ErrNoSession); w.Code != 401 {
		t.Errorf("zero Strategy: %d", w.Code)
	}
}
