package grpcauth_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

// The observer gets the same events of gRPC calls as of HTTP requests.
func TestObserver(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{Methods: map[string]grpcauth.Need{get: {}, list: {}, write: {Scopes: []string{"s"}}, chat: {Permissions: []string{"p"}}}, Public: grpcauth.Health})
	good := "Bearer " + e.tenant.AccessToken()
	for _, tt := range []struct {
		name   string
		method string
		values []string
		want   string // kind, status and reason of each event
	}{
		{"a token", get, []string{good}, "token_checked 200 ok"},
		{"a token of a stream", list, []string{good}, "token_checked 200 ok"},
		{"no token", get, nil, "token_checked 401 missing_token"},
		{"malformed", get, []string{"Bearer"}, "token_checked 400 invalid_request"},
		{"two words", get, []string{"Bearer a b"}, "token_checked 400 invalid_request"},
		{"expired", list, []string{"Bearer " + e.tenant.AccessToken(auth0test.ExpiresIn(-time.Minute))}, "token_checked 401 token_expired"},
		{"lacks the scope", write, []string{good}, "token_checked 200 ok, guard_refused 403 insufficient_scope"},
		{"lacks the permission", chat, []string{good}, "token_checked 200 ok, guard_refused 403 insufficient_permissions"},
		{"not listed", put, []string{good}, "token_checked 200 ok, guard_refused 403 method_not_listed"},
		{"not listed, no token", put, nil, "token_checked 401 missing_token"},
		{"public", healthService + "Check", []string{"Bearer bad"}, ""},
	} {
		e.open(t, with(t.Context(), tt.values...), tt.method)
		var events []string
		for _, event := range e.taken() {
			events = append(events, fmt.Sprintf("%s %d %s", event.Kind, event.Status, event.Reason))
			if (event.Err != nil) != (event.Status != 200) {
				t.Errorf("%s: %+v", tt.name, event)
			}
			if event.Kind == auth0.GuardRefused && (event.Issuer == "" || event.Algorithm != "RS256") {
				t.Errorf("%s: %+v", tt.name, event)
			}
		}
		if got := strings.Join(events, ", "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// The log of the API has the cause of a rejected call, and the full name of the method.
func TestLog(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{Methods: map[string]grpcauth.Need{write: {Scopes: []string{"s"}}, chat: {Permissions: []string{"p"}}}})
	for _, tt := range []struct {
		method string
		token  string
		want   []string
	}{
		{write, e.tenant.AccessToken(auth0test.Scope("z")), []string{"level=WARN", "reason=insufficient_scope", "path=" + write, `scope is \"z\", want [\"s\"]`}},
		{chat, e.tenant.AccessToken(auth0test.Permissions("z")), []string{"level=WARN", "reason=insufficient_permissions", "path=" + chat, `permissions are [\"z\"], want [\"p\"]`}},
		{chat, e.tenant.AccessToken(), []string{"reason=insufficient_permissions", "enable RBAC"}},
		{put, e.tenant.AccessToken(), []string{"level=WARN", "reason=method_not_listed", "path=" + put, "method=" + put}},
		{write, e.tenant.AccessToken(auth0test.Claim("aud", "https://other.example/")), []string{"reason=invalid_audience", "https://other.example/"}},
		{write, "", []string{"level=DEBUG", "reason=missing_token"}},
	} {
		var values []string
		if tt.token != "" {
			values = []string{"Bearer " + tt.token}
		}
		e.open(t, with(t.Context(), values...), tt.method)
		text := e.log.take()
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", tt.method, want, text)
			}
		}
		if tt.token != "" && strings.Contains(text, tt.token) {
			t.Errorf("%s: the log has the token", tt.method)
		}
	}
}

// A canceled call and a late call end with their codes, and the fetch of the JWKS
// continues for other callers.
func TestCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newAuth(t, grpcauth.Options{})
		unary := e.auth.Unary()
		handler := func(context.Context, any) (any, error) { return nil, nil }
		call := func(ctx context.Context) result {
			_, err := unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: get}, handler)
			return resultOf(t, err, nil)
		}
		e.tenant.Delay(auth0test.JWKS, 3*time.Second)
		good := incoming(t.Context(), "Bearer "+e.tenant.AccessToken())
		begin := time.Now()
		canceled, cancel := context.WithCancel(good)
		time.AfterFunc(time.Second, cancel)
		if got := call(canceled); got.code != codes.Canceled || got.retry != 0 {
			t.Errorf("canceled: %+v", got)
		}
		late, cancel := context.WithTimeout(good, time.Second)
		defer cancel()
		if got := call(late); got.code != codes.DeadlineExceeded || got.retry != 0 {
			t.Errorf("late: %+v", got)
		}
		if waited := time.Since(begin); waited != 2*time.Second {
			t.Errorf("the callers waited for %v", waited)
		}
		if got := call(good); got.code != codes.OK || time.Since(begin) != 3*time.Second {
			t.Errorf("after %v: %+v", time.Since(begin), got)
		}
		if n := e.tenant.JWKSFetches(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// For any metadata, no call panics, every code is one of the documentation, and the log
// has no token.
func TestRandomMetadata(t *testing.T) {
	t.Parallel()
	e := newAuth(t, grpcauth.Options{Methods: map[string]grpcauth.Need{get: {}, write: {Scopes: []string{"s"}}}})
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	token := e.tenant.AccessToken()
	parts := []string{"Bearer", "bearer", "Basic", "DPoP", " ", "  ", "\t", ",", ":", "=", ".", "\x00", "\xff", "é", "\r\n", token, token[:40], strings.Repeat("a", 20<<10), "e30", "null", ""}
	value := func() string {
		var b strings.Builder
		for range random.IntN(6) {
			switch part := parts[random.IntN(len(parts))]; random.IntN(4) {
			case 0:
				noise := make([]byte, random.IntN(40))
				for i := range noise {
					noise[i] = byte(random.Uint32())
				}
				b.Write(noise)
			case 1:
				b.WriteString(base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"alg":"RS256","kid":"k","n":%d}`, random.Int()))) + ".")
			default:
				b.WriteString(part)
			}
		}
		if random.IntN(2) == 0 {
			return "Bearer " + b.String()
		}
		return b.String()
	}
	unary, called := e.auth.Unary(), 0
	handler := func(context.Context, any) (any, error) { called++; return nil, nil }
	possible := []codes.Code{codes.OK, codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied}
	seen := map[codes.Code]int{}
	var values []string
	for i := range 10_000 {
		values = values[:0]
		for range 1 + random.IntN(10)/9 {
			values = append(values, value())
		}
		method := []string{get, write, list}[i%3]
		_, err := unary(incoming(t.Context(), values...), nil, &grpc.UnaryServerInfo{FullMethod: method}, handler)
		got := resultOf(t, err, nil)
		seen[got.code]++
		if !slices.Contains(possible, got.code) || got.code == codes.OK && (len(values) != 1 || !strings.HasSuffix(values[0], " "+token)) {
			t.Fatalf("%q at %s: %+v", values, method, got)
		}
		if strings.Contains(got.message, token[:12]) {
			t.Fatalf("%q: %+v", values, got)
		}
	}
	if called != seen[codes.OK] {
		t.Errorf("the handler ran %d times", called)
	}
	for _, code := range possible {
		if seen[code] == 0 {
			t.Errorf("no call ended with %v: %v", code, seen)
		}
	}
	text := e.log.take()
	if signature := token[strings.LastIndex(token, ".")+1:]; strings.Contains(text, signature[:12]) || strings.Contains(text, token[:40]) || !strings.Contains(text, "reason=token_malformed") {
		t.Error("the log has a token, or nothing")
	}
}
