package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15d5a55c/auth0/internal/fetch"
	"github.com/seed-15d5a55c/auth0/internal/prover"
)

// TestParseError reads the shapes of the error responses of Auth0.
func TestParseError(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   Error
		text   string
	}{
		{"OAuth", 403, `{"error":"invalid_grant","error_description":"Invalid authorization code"}`, Error{Code: "invalid_grant", Description: "Invalid authorization code"}, `the tenant answered 403, "invalid_grant": "Invalid authorization code"`},
		{"Management API", 404, `{"statusCode":404,"error":"Not Found","message":"gone","errorCode":"inexistent_connection"}`, Error{Code: "inexistent_connection", Description: "gone"}, `the tenant answered 404, "inexistent_connection": "gone"`},
		{"no errorCode", 409, `{"statusCode":409,"error":"Conflict","message":"taken"}`, Error{Code: "Conflict", Description: "taken"}, `the tenant answered 409, "Conflict": "taken"`},
		{"RFC 9457", 401, `{"type":"https://auth0.com/api-errors#A0E-401-0002","title":"Unauthorized","detail":"expired"}`, Error{Code: "A0E-401-0002", Description: "expired"}, `the tenant answered 401, "A0E-401-0002": "expired"`},
		{"fields", 400, `{"title":"Invalid","validation_errors":[{"field":"name","detail":"empty"},{"field":"x","detail":"y"}]}`, Error{Description: "Invalid; name: empty; x: y"}, `the tenant answered 400: "Invalid; name: empty; x: y"`},
		{"description as an object", 400, `{"code":"invalid_password","description":{"rules":[1]}}`, Error{Code: "invalid_password", Description: `{"rules":[1]}`}, `the tenant answered 400, "invalid_password": "{\"rules\":[1]}"`},
		{"other types", 400, `{"error":7,"message":["a"],"type":{}}`, Error{}, "the tenant answered 400"},
		{"HTML", 502, `<html>SECRET`, Error{}, "the tenant answered 502"},
		{"an array", 500, `[]`, Error{}, "the tenant answered 500"},
	} {
		got := ParseError(tt.status, http.Header{"Retry-After": {"7"}}, []byte(tt.body))
		tt.want.Status, tt.want.Wait = tt.status, 7*time.Second
		if *got != tt.want || got.Error() != tt.text || got.RetryAfter() != 7*time.Second {
			t.Errorf("%s: %+v, %s", tt.name, *got, got)
		}
	}
	for status, want := range map[int]bool{200: false, 400: false, 403: false, 429: true, 500: true, 501: false, 502: true, 503: true} {
		if got := (&Error{Status: status}).Temporary(); got != want {
			t.Errorf("%d: temporary %v", status, got)
		}
	}
	for description, want := range map[string]string{
		"Insufficient scope, expected any of: create:connections":      "create:connections",
		"Insufficient scope, expected any of: read:clients,read:users": "read:clients read:users",
		"Insufficient scope, expected any of: <b>\a":                   "",
		"expected any of: " + strings.Repeat("a", 65):                  "",
		"Insufficient scope": "",
		"Insufficient scope, expected any of: read:clients, read:users,": "",
	} {
		if got := (&Error{Code: codeInsufficientScope, Description: description}).MissingScope(); got != want {
			t.Errorf("%q: %q", description, got)
		}
		if got := (&Error{Code: "other", Description: description}).MissingScope(); got != "" {
			t.Errorf("%q with another code: %q", description, got)
		}
	}
}

// A server answers requests of a client without sockets.
type server struct {
	requests []string
	bodies   []string
	answer   func(w http.ResponseWriter, r *http.Request, n int)
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		text, _ := io.ReadAll(r.Body)
		body = string(text)
	}
	s.requests = append(s.requests, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
	s.bodies = append(s.bodies, r.Header.Get("Content-Type")+" "+body)
	w := httptest.NewRecorder()
	s.answer(w, r, len(s.requests))
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// counted are tokens with numbers.
type counted struct {
	number, renewals int
	at               time.Time
	err, renewErr    error
}

func (c *counted) Token(context.Context) (string, error) {
	return fmt.Sprint("t", c.number), c.err
}

func (c *counted) Renew(_ context.Context, age time.Duration) (string, error) {
	if c.renewErr != nil {
		return "", c.renewErr
	}
	if age == 0 || time.Since(c.at) > age {
		c.number++
		c.renewals++
		c.at = time.Now()
	}
	return fmt.Sprint("t", c.number), nil
}

func newAPI(answer func(w http.ResponseWriter, r *http.Request, n int)) (*API, *server, *counted) {
	s, c := &server{answer: answer}, &counted{at: time.Now()}
	return &API{Client: fetch.NewClient(&http.Client{Transport: s}, fetch.Options{}), Base: "https://t.example/", Tokens: c}, s, c
}

func TestRequests(t *testing.T) {
	api, s, _ := newAPI(func(w http.ResponseWriter, r *http.Request, _ int) { fmt.Fprint(w, `{"a":1}`) })
	var out struct{ A int }
	if err := api.Get(t.Context(), "x/y", url.Values{"q": {"a b"}}, &out); err != nil || out.A != 1 {
		t.Errorf("%v, %v", out, err)
	}
	if err := api.Call(t.Context(), "POST", "x", nil, map[string]int{"b": 2}, nil); err != nil {
		t.Error(err)
	}
	if s.requests[0] != "GET https://t.example/api/v2/x/y?q=a+b Bearer t0" || s.requests[1] != "POST https://t.example/api/v2/x Bearer t0" || s.bodies[0] != " " || s.bodies[1] != `application/json {"b":2}` {
		t.Errorf("%q, %q", s.requests, s.bodies)
	}
	if err := api.Call(t.Context(), "POST", "x", nil, func() {}, nil); err != ErrUnsendable {
		t.Errorf("a body that is no JSON: %v", err)
	}
	if _, err := Do(t.Context(), api.Client, prover.Credential{Token: "t"}, "GET", "://", nil, nil); err != ErrUnsendable {
		t.Errorf("no URL: %v", err)
	}
	if err := api.Get(t.Context(), "x", nil, &struct{ A string }{}); !errors.Is(err, ErrUnexpectedJSON) {
		t.Errorf("another type: %v", err)
	}
	s.answer = func(w http.ResponseWriter, r *http.Request, _ int) { w.WriteHeader(404) }
	for _, err := range []error{api.Get(t.Context(), "x", nil, nil), api.Call(t.Context(), "DELETE", "x", nil, nil, nil)} {
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 404 {
			t.Errorf("404: %v", err)
		}
	}
	broken := errors.New("broken")
	api.Tokens = &counted{err: broken}
	if err := api.Get(t.Context(), "x", nil, nil); !errors.Is(err, broken) || !strings.Contains(err.Error(), "no token for the Management API") {
		t.Errorf("no token: %v", err)
	}
	if err := api.Call(t.Context(), "GET", "x", nil, nil, nil); !errors.Is(err, broken) {
		t.Errorf("no token: %v", err)
	}
}

// TestRejectedToken: the client replaces a token once. After a missing scope, it does so
// only if the token is older than a minute.
func TestRejectedToken(t *testing.T) {
	const missing = `{"errorCode":"insufficient_scope","message":"Insufficient scope, expected any of: a:b"}`
	for _, tt := range []struct {
		name     string
		age      time.Duration
		status   int
		body     string
		good     int // the number of the first accepted request
		renewErr error
		requests int
		ok       bool
	}{
		{"once", 0, 401, "", 2, nil, 2, true},
		{"always", 0, 401, "", 9, nil, 2, false},
		{"no other token", 0, 401, "", 9, errors.New("broken"), 1, false},
		{"scope, young", time.Minute, 403, missing, 2, nil, 1, false},
		{"scope, old", 61 * time.Second, 403, missing, 2, nil, 2, true},
		{"scope, old, still missing", 61 * time.Second, 403, missing, 9, nil, 2, false},
		{"scope, no other token", 61 * time.Second, 403, missing, 9, errors.New("broken"), 1, false},
		{"another 403", time.Hour, 403, `{"errorCode":"insufficient_entitlement"}`, 2, nil, 1, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			api, s, c := newAPI(func(w http.ResponseWriter, r *http.Request, n int) {
				if n < tt.good {
					w.WriteHeader(tt.status)
					fmt.Fprint(w, tt.body)
				}
			})
			c.renewErr = tt.renewErr
			time.Sleep(tt.age)
			err := api.Call(t.Context(), "DELETE", "x", nil, nil, nil)
			if len(s.requests) != tt.requests || (err == nil) != tt.ok {
				t.Errorf("%s: %q, %v", tt.name, s.requests, err)
			}
			if tt.ok && !strings.HasSuffix(s.requests[1], "t1") {
				t.Errorf("%s: %q", tt.name, s.requests)
			}
		})
	}
}

// TestTurns: Call waits for its turn after 429, Get does not.
func TestTurns(t *testing.T) {
	for _, tt := range []struct {
		name       string
		retryAfter string
		busy       int
		deadline   time.Duration
		requests   int
		took       time.Duration
		ok         bool
	}{
		{"soon", "3", 1, time.Hour, 2, 3 * time.Second, true},
		{"twice", "1", 2, time.Hour, 3, 2 * time.Second, true},
		{"three times", "1", 3, time.Hour, 3, 2 * time.Second, false},
		{"too late", "4", 1, time.Hour, 1, 0, false},
		{"not known", "", 1, time.Hour, 1, 0, false},
		{"after the deadline", "2", 1, 2 * time.Second, 1, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			api, s, _ := newAPI(func(w http.ResponseWriter, r *http.Request, n int) {
				if n <= tt.busy {
					if tt.retryAfter != "" {
						w.Header().Set("Retry-After", tt.retryAfter)
					}
					w.WriteHeader(429)
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
			defer cancel()
			begin := time.Now()
			err := api.Call(ctx, "DELETE", "x", nil, nil, nil)
			if took := time.Since(begin); len(s.requests) != tt.requests || took != tt.took || (err == nil) != tt.ok {
				t.Errorf("%s: %d requests in %v, %v", tt.name, len(s.requests), took, err)
			}
			s.requests = nil
			if err := api.Get(ctx, "x", nil, nil); err == nil || len(s.requests) != 1 {
				t.Errorf("%s: Get makes %d requests: %v", tt.name, len(s.requests), err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		api, _, _ := newAPI(func(w http.ResponseWriter, r *http.Request, n int) {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(429)
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		if err := api.Call(ctx, "DELETE", "x", nil, nil, nil); err == nil || time.Since(begin) != time.Second {
			t.Errorf("canceled after %v: %v", time.Since(begin), err)
		}
	})
}

// TestTimeLimit: a read has three seconds, a change as long as the client allows.
func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _, _ := newAPI(func(w http.ResponseWriter, r *http.Request, n int) {
			select {
			case <-r.Context().Done():
			case <-time.After(4 * time.Second):
			}
		})
		begin := time.Now()
		if err := api.Get(t.Context(), "x", nil, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("GET after %v: %v", time.Since(begin), err)
		}
		if err := api.Call(t.Context(), "POST", "x", nil, nil, nil); err != nil {
			t.Errorf("POST: %v", err)
		}
	})
}

// TestOneRenewalForMany: many requests have the token that the API rejects. One renews it,
// at once or one after the other.
func TestOneRenewalForMany(t *testing.T) {
	api, s, tokens := newAPI(func(w http.ResponseWriter, r *http.Request, n int) {
		if r.Header.Get("Authorization") == "Bearer t0" {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, `{}`)
	})
	// The second request has the old token, and gets its answer after the first one has
	// replaced it.
	inner := s.answer
	s.answer = func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 1 {
			if err := api.Get(t.Context(), "x", nil, nil); err != nil {
				t.Errorf("the other request: %v", err)
			}
		}
		inner(w, r, n)
	}
	if err := api.Get(t.Context(), "x", nil, nil); err != nil || tokens.renewals != 1 {
		t.Errorf("%v, %d renewals, %q", err, tokens.renewals, s.requests)
	}
}

// TestPatience: a GET waits three seconds, or as long as the client of the program allows.
// Others wait as long as the client does.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		method  string
		timeout time.Duration
		want    time.Duration
	}{{"GET", 0, 3 * time.Second}, {"GET", 30 * time.Second, 30 * time.Second}, {"GET", time.Second, time.Second}, {"POST", 0, 5 * time.Second}, {"POST", 30 * time.Second, 30 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			never := roundTrip(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
			api := &API{Client: fetch.NewClient(&http.Client{Transport: never, Timeout: tt.timeout}, fetch.Options{}), Base: "https://t.example/", Tokens: &counted{}}
			begin := time.Now()
			if err := api.Call(t.Context(), tt.method, "x", nil, nil, nil); err == nil {
				t.Error("no error")
			}
			if took := time.Since(begin); took != tt.want {
				t.Errorf("%s with %v: after %v, want %v", tt.method, tt.timeout, took, tt.want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
