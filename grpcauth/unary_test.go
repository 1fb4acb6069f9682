package grpcauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

const bearer = `Bearer realm="api"`

// invalid returns the result for a rejected token.
func invalid(description, reason string) result {
	return result{codes.Unauthenticated, description, reason, "invalid_token", "", 0,
		[]string{bearer + `, error="invalid_token", error_description="` + description + `"`}}
}

var (
	ok      = result{code: codes.OK}
	missing = result{codes.Unauthenticated, "authentication required", "MISSING_TOKEN", "unauthorized", "", 0, []string{bearer}}
	// malformed is the result for metadata without a bearer token.
	malformed = result{codes.InvalidArgument, "malformed Authorization header", "INVALID_REQUEST", "invalid_request", "", 0,
		[]string{bearer + `, error="invalid_request", error_description="malformed Authorization header"`}}
	unlisted = result{codes.PermissionDenied, "method not listed", "METHOD_NOT_LISTED", "access_denied", "", 0, nil}
)

func TestUnary(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{
		Methods: map[string]grpcauth.Need{
			get:   {},
			write: {Scopes: []string{"read:x", "write:x"}, Permissions: []string{"p:one", "p:two"}},
		},
		Public: []string{healthService + "Check"},
	})
	token := e.tenant.AccessToken
	for _, tt := range []struct {
		name   string
		method string
		values []string
		want   result
		called bool
	}{
		{"a token", get, []string{"Bearer " + token()}, ok, true},
		{"the scheme in another case, two spaces", get, []string{"bEARER  " + token()}, ok, true},
		{"no metadata", get, nil, missing, false},
		{"an empty value", get, []string{""}, missing, false},
		{"another scheme", get, []string{"Basic YTpi"}, missing, false},
		{"the scheme DPoP", get, []string{"DPoP " + token()}, missing, false},
		{"two values", get, []string{"Bearer " + token(), "Bearer " + token()}, malformed, false},
		{"an empty value and a token", get, []string{"", "Bearer " + token()}, malformed, false},
		{"the scheme alone", get, []string{"Bearer"}, malformed, false},
		{"the scheme and a space", get, []string{"Bearer "}, malformed, false},
		{"two words after the scheme", get, []string{"Bearer a b"}, malformed, false},
		{"a token and a word", get, []string{"Bearer " + token() + " b"}, malformed, false},
		{"a token without a scheme", get, []string{token()}, malformed, false},
		{"two tokens with a comma", get, []string{"Bearer " + token() + ", Bearer " + token()}, malformed, false},
		{"an opaque token", get, []string{"Bearer abcdefgh"}, invalid("token malformed", "TOKEN_MALFORMED"), false},
		{"a token of more than 16 KiB", get, []string{"Bearer " + token(auth0test.Claim("x", strings.Repeat("x", 16<<10)))}, invalid("token malformed", "TOKEN_TOO_LARGE"), false},
		{"expired", get, []string{"Bearer " + token(auth0test.ExpiresIn(-time.Minute))}, invalid("token expired", "TOKEN_EXPIRED"), false},
		{"for another audience", get, []string{"Bearer " + token(auth0test.Claim("aud", "https://other.example/"))}, invalid("audience not accepted", "INVALID_AUDIENCE"), false},
		{"of another issuer", get, []string{"Bearer " + token(auth0test.Claim("iss", "https://evil.example/"))}, invalid("issuer not trusted", "INVALID_ISSUER"), false},
		{"bound to a key", get, []string{"Bearer " + token(auth0test.Claim("cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}))}, invalid("token is sender-constrained", "DPOP_REQUIRED"), false},
		{"all scopes and permissions", write, []string{"Bearer " + token(auth0test.Scope("write:x", "read:x", "z"), auth0test.Permissions("p:two", "p:one"))}, ok, true},
		{"one of two scopes", write, []string{"Bearer " + token(auth0test.Scope("read:x"), auth0test.Permissions("p:two", "p:one"))}, result{
			codes.PermissionDenied, "insufficient scope", "INSUFFICIENT_SCOPE", "insufficient_scope", "read:x write:x", 0,
			[]string{bearer + `, error="insufficient_scope", error_description="insufficient scope", scope="read:x write:x"`},
		}, false},
		{"one of two permissions", write, []string{"Bearer " + token(auth0test.Scope("read:x", "write:x"), auth0test.Permissions("p:two"))}, result{
			codes.PermissionDenied, "insufficient scope", "INSUFFICIENT_PERMISSIONS", "insufficient_scope", "p:one p:two", 0,
			[]string{bearer + `, error="insufficient_scope", error_description="insufficient scope", scope="p:one p:two"`},
		}, false},
		{"no token at a method with scopes", write, nil, result{
			codes.Unauthenticated, "authentication required", "MISSING_TOKEN", "unauthorized", "read:x write:x", 0, []string{bearer + `, scope="read:x write:x"`},
		}, false},
		{"an expired token at a method with scopes", write, []string{"Bearer " + token(auth0test.ExpiresIn(-time.Minute))}, result{
			codes.Unauthenticated, "token expired", "TOKEN_EXPIRED", "invalid_token", "read:x write:x", 0,
			[]string{bearer + `, error="invalid_token", error_description="token expired", scope="read:x write:x"`},
		}, false},
		{"malformed at a method with scopes", write, []string{"Bearer"}, malformed, false},
		{"a public method without a token", healthService + "Check", nil, ok, false},
		{"a public method with a bad token", healthService + "Check", []string{"Bearer bad"}, ok, false},
		{"a public method with two values", healthService + "Check", []string{"Bearer a", "Bearer b"}, ok, false},
		{"a method that is not listed", healthService + "List", []string{"Bearer " + token()}, unlisted, false},
		{"a method that is not listed, without a token", healthService + "List", nil, missing, false},
		{"a method that is not listed, with a bad token", healthService + "List", []string{"Bearer abcdefgh"}, invalid("token malformed", "TOKEN_MALFORMED"), false},
		{"a method that the server does not have", "/test.v1.Files/None", nil, result{code: codes.Unimplemented, message: "unknown method None for service test.v1.Files"}, false},
	} {
		got := e.call(t, with(t.Context(), tt.values...), tt.method)
		if !got.equal(tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
		}
		if called := e.files.called() > 0; called != tt.called {
			t.Errorf("%s: the handler ran: %v", tt.name, called)
		}
		for _, v := range tt.values {
			if _, token, _ := strings.Cut(v, " "); len(token) > 12 && strings.Contains(e.log.take(), token) {
				t.Errorf("%s: the log has the token", tt.name)
			}
		}
	}
}

// The handler finds the token. In a public method it finds none.
func TestHandlerFindsTheToken(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{Methods: map[string]grpcauth.Need{get: {}}, Public: []string{write}})
	type claims struct {
		Color string `json:"https://acme.example/color"`
	}
	e.files.unary = func(ctx context.Context, in string) (string, error) {
		token, ok := auth0.TokenFrom(ctx)
		if !ok {
			return "none", nil
		}
		c, err := auth0.Claims[claims](ctx)
		return token.Subject() + " " + c.Color, err
	}
	good := "Bearer " + e.tenant.AccessToken(auth0test.Subject("auth0|7"), auth0test.Claim("https://acme.example/color", "red"))
	for method, want := range map[string]string{get: "auth0|7 red", write: "none"} {
		if got := e.echo(t, with(t.Context(), good), method); got != want {
			t.Errorf("%s: %q, want %q", method, got, want)
		}
	}
}

func TestAcceptUnlisted(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{Methods: map[string]grpcauth.Need{get: {Scopes: []string{"s"}}}, AcceptUnlisted: true})
	good := "Bearer " + e.tenant.AccessToken()
	for _, tt := range []struct {
		name   string
		method string
		values []string
		want   codes.Code
	}{
		{"a token", write, []string{good}, codes.OK},
		{"no token", write, nil, codes.Unauthenticated},
		{"a bad token", write, []string{"Bearer bad"}, codes.Unauthenticated},
		{"a listed method keeps its need", get, []string{good}, codes.PermissionDenied},
	} {
		if got := e.call(t, with(t.Context(), tt.values...), tt.method); got.code != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	if text := e.log.take(); strings.Contains(text, "neither in") {
		t.Errorf("the log has a warning:\n%s", text)
	}
}

// Unavailable keys are not the caller's fault.
func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{})
	e.tenant.FailJWKS(503)
	good := with(t.Context(), "Bearer "+e.tenant.AccessToken())
	want := result{codes.Unavailable, "signing keys unavailable", "KEYS_UNAVAILABLE", "temporarily_unavailable", "", 5, nil}
	if got := e.call(t, good, get); !got.equal(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if e.files.called() > 0 {
		t.Error("the handler ran")
	}
}

// A function of the application chooses the status of its errors. The resulting code is
// always one of the documentation.
func TestStatusOfTheApplication(t *testing.T) {
	t.Parallel()
	var fail error
	e := newEnv(t, grpcauth.Options{}, func(c *auth0.APIConfig) {
		c.Validate = func(context.Context, *auth0.Token) error { return fail }
	})
	good := with(t.Context(), "Bearer "+e.tenant.AccessToken())
	for status, want := range map[int]codes.Code{
		400: codes.InvalidArgument, 401: codes.Unauthenticated, 402: codes.PermissionDenied, 403: codes.PermissionDenied, 404: codes.PermissionDenied,
		409: codes.PermissionDenied, 429: codes.Unavailable, 499: codes.Canceled, 500: codes.Internal, 501: codes.Internal, 502: codes.Unavailable,
		503: codes.Unavailable, 504: codes.Unavailable,
		200: codes.Internal, 1000: codes.Internal, // no status of a refusal
	} {
		fail = &auth0.Error{Status: status, Code: "c\xff", Reason: "r\xff", Description: "d\xff", Scope: "s\xff", RetryAfter: 7 * time.Second}
		got := e.call(t, good, get)
		if got.code != want || got.message != "d?" || got.reason != "R?" || got.err != "c?" || got.scope != "s?" {
			t.Errorf("%d: %+v, want code %v", status, got, want)
		}
		if got.retry != 0 != (want == codes.Unavailable) || got.retry != 0 && got.retry != 7 {
			t.Errorf("%d: retry after %d s", status, got.retry)
		}
	}
	fail = &auth0.Error{Status: 503, Reason: "unavailable"}
	if got := e.call(t, good, get); got.code != codes.Unavailable || got.retry != 5 {
		t.Errorf("without a time: %+v", got)
	}
	fail = auth0.ErrForbidden
	if got := e.call(t, good, get); got.code != codes.PermissionDenied || got.reason != "FORBIDDEN" {
		t.Errorf("ErrForbidden: %+v", got)
	}
}

// The interceptor calls the ErrorHandler, which can add a challenge. Its body is dropped.
func TestErrorHandler(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{}, func(c *auth0.APIConfig) { c.ErrorHandler = errorHandler })
	want := missing
	want.trailer = []string{bearer, "Other " + get}
	if got := e.call(t, t.Context(), get); !got.equal(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAuthThatNewHasNotMade(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]*grpcauth.Auth{"nil": nil, "zero": {}} {
		e := newAPI(t)
		e.auth = auth
		e.serve(t)
		for _, values := range [][]string{nil, {"Bearer " + e.tenant.AccessToken()}} {
			if got := e.call(t, with(t.Context(), values...), get); got.code == codes.OK || e.files.called() > 0 {
				t.Errorf("%s: %+v", name, got)
			}
			if _, got := e.open(t, with(t.Context(), values...), list); got.code == codes.OK || e.files.called() > 0 {
				t.Errorf("%s, stream: %+v", name, got)
			}
		}
	}
}

// An API can read tokens from other parts of HTTP requests. A call has them only in its
// metadata.
func TestOtherPlaces(t *testing.T) {
	t.Parallel()
	var good string
	e := newEnv(t, grpcauth.Options{}, func(c *auth0.APIConfig) {
		c.TokenExtractors = []auth0.TokenExtractor{auth0.FromFunc(func(*http.Request) (string, error) { return good, nil })}
	})
	good = e.tenant.AccessToken()
	for _, values := range [][]string{nil, {"Basic x"}, {"Bearer"}, {good}} {
		if got := e.call(t, with(t.Context(), values...), get); !got.equal(missing) || e.files.called() > 0 {
			t.Errorf("%q: %+v", values, got)
		}
	}
	if got := e.call(t, with(t.Context(), "Bearer "+good), get); !got.equal(ok) {
		t.Errorf("a token: %+v", got)
	}
}
