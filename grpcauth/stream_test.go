package grpcauth_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

// A rejected stream never reaches its handler, and the server reads no message of it.
func TestStreams(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{
		Methods: map[string]grpcauth.Need{list: {}, put: {}, chat: {Scopes: []string{"chat"}}},
		Public:  []string{healthService + "Watch"},
	})
	e.files.stream = func(ss grpc.ServerStream) error {
		subject := "none"
		if token, ok := auth0.TokenFrom(ss.Context()); ok {
			subject = token.Subject()
		}
		if _, err := auth0.Claims[map[string]any](ss.Context()); err != nil {
			return err
		}
		return ss.SendMsg(wrapperspb.String(subject))
	}
	token := e.tenant.AccessToken
	for _, method := range []string{list, put, chat} {
		for _, tt := range []struct {
			name   string
			values []string
			want   result
		}{
			{"a token", []string{"Bearer " + token(auth0test.Subject("auth0|7"), auth0test.Scope("chat"))}, ok},
			{"no token", nil, missing},
			{"two values", []string{"Bearer a", "Bearer b"}, malformed},
			{"expired", []string{"Bearer " + token(auth0test.ExpiresIn(-time.Minute))}, invalid("token expired", "TOKEN_EXPIRED")},
		} {
			want := tt.want
			if method == chat && want.code == codes.Unauthenticated {
				want.scope, want.trailer = "chat", []string{want.trailer[0] + `, scope="chat"`}
			}
			out, got := e.open(t, with(t.Context(), tt.values...), method)
			if !got.equal(want) {
				t.Errorf("%s, %s:\ngot  %+v\nwant %+v", method, tt.name, got, want)
			}
			if called := e.files.called(); (called == 1) != (got.code == codes.OK) || called == 1 && out != "auth0|7" {
				t.Errorf("%s, %s: %d calls of the handler, answer %q", method, tt.name, called, out)
			}
		}
	}
	lacks := result{codes.PermissionDenied, "insufficient scope", "INSUFFICIENT_SCOPE", "insufficient_scope", "chat", 0,
		[]string{bearer + `, error="insufficient_scope", error_description="insufficient scope", scope="chat"`}}
	if _, got := e.open(t, with(t.Context(), "Bearer "+token()), chat); !got.equal(lacks) || e.files.called() > 0 {
		t.Errorf("without the scope: %+v", got)
	}
}

// Public streams of other services, and unlisted streams.
func TestHealthAndReflection(t *testing.T) {
	t.Parallel()
	const reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	for _, tt := range []struct {
		name         string
		public       []string
		check, watch codes.Code
		reflect      codes.Code // InvalidArgument is the answer of the service: the request has no question
	}{
		{"none", nil, codes.Unauthenticated, codes.Unauthenticated, codes.Unauthenticated},
		{"one method", []string{"/grpc.health.v1.Health/Check"}, codes.OK, codes.Unauthenticated, codes.Unauthenticated},
		{"Health", grpcauth.Health, codes.OK, codes.OK, codes.Unauthenticated},
		{"Reflection", grpcauth.Reflection, codes.Unauthenticated, codes.Unauthenticated, codes.InvalidArgument},
	} {
		e := newEnv(t, grpcauth.Options{Public: tt.public, EndStreams: true})
		for _, values := range [][]string{nil, {"Bearer bad"}} {
			ctx := with(t.Context(), values...)
			if got := e.call(t, ctx, "/grpc.health.v1.Health/Check"); got.code != tt.check {
				t.Errorf("%s: Check: %+v", tt.name, got)
			}
			if got := e.first(t, ctx, "/grpc.health.v1.Health/Watch"); got.code != tt.watch {
				t.Errorf("%s: Watch: %+v", tt.name, got)
			}
			if _, got := e.open(t, ctx, reflection); got.code != tt.reflect {
				t.Errorf("%s: reflection: %+v", tt.name, got)
			}
		}
	}
}

// first opens a stream and waits for its first message.
func (e *env) first(t *testing.T, ctx context.Context, method string) result {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := e.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	s.SendMsg(wrapperspb.String("x"))
	s.CloseSend()
	return resultOf(t, s.RecvMsg(&wrapperspb.StringValue{}), nil)
}

// A stream ends when its token expires, even if its handler blocks.
func TestEndStreams(t *testing.T) {
	t.Parallel()
	over := invalid("token expired", "TOKEN_EXPIRED")
	canceled := errors.New("the test has waited for long enough")
	// The handlers block in different ways, and none checks the time.
	handlers := map[string]func(ss grpc.ServerStream) error{
		"waits for a message": func(ss grpc.ServerStream) error {
			for {
				if err := ss.RecvMsg(&wrapperspb.StringValue{}); err != nil {
					return err
				}
			}
		},
		"waits for the context": func(ss grpc.ServerStream) error {
			<-ss.Context().Done()
			return ss.Context().Err()
		},
		"sends": func(ss grpc.ServerStream) error {
			for {
				if err := ss.SendMsg(wrapperspb.String("x")); err != nil {
					return err
				}
				time.Sleep(100 * time.Millisecond)
			}
		},
		"swallows the error": func(ss grpc.ServerStream) error {
			for ss.RecvMsg(&wrapperspb.StringValue{}) == nil {
			}
			return nil
		},
		"goes on after the error": func(ss grpc.ServerStream) error {
			for range 4 {
				ss.RecvMsg(&wrapperspb.StringValue{})
				ss.SendMsg(wrapperspb.String("x"))
			}
			return nil
		},
		"returns another error": func(ss grpc.ServerStream) error {
			<-ss.Context().Done()
			return status.Error(codes.DataLoss, "other")
		},
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, tt := range []struct {
					end     bool
					leeway  time.Duration
					seconds float64
				}{
					{true, 0, 2 + 5},
					{true, auth0.None, 2},
					{true, 20 * time.Second, 2 + 20},
					{false, 0, 60},
				} {
					e := newEnv(t, grpcauth.Options{EndStreams: tt.end}, func(c *auth0.APIConfig) { c.Leeway = tt.leeway })
					e.files.stream = handler
					good := "Bearer " + e.tenant.AccessToken(auth0test.ExpiresIn(2*time.Second))
					ctx, cancel := context.WithTimeoutCause(with(t.Context(), good), time.Minute, canceled)
					begin := time.Now()
					got := e.until(t, ctx)
					seconds := time.Since(begin).Seconds()
					cancel()
					want := over
					if !tt.end {
						want = result{code: codes.DeadlineExceeded, message: got.message} // of the client or the server
					}
					// The exp of a token has whole seconds.
					if !got.equal(want) || seconds < tt.seconds-1 || seconds > tt.seconds+0.2 {
						t.Errorf("end %v, leeway %v: after %.1f s %+v", tt.end, tt.leeway, seconds, got)
					}
					if events := e.taken(); len(events) != 1 {
						t.Errorf("%d events", len(events))
					}
					e.conn.Close()
					e.server.Stop()
				}
			})
		})
	}
}

// until opens a stream, sends a message, and waits for the end.
func (e *env) until(t *testing.T, ctx context.Context) result {
	t.Helper()
	s, err := e.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, chat)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(wrapperspb.String("x")); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = s.RecvMsg(&wrapperspb.StringValue{})
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return resultOf(t, err, s.Trailer())
}

// A client that does not read its stream cannot keep it open.
func TestEndStreamsOfASlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, grpcauth.Options{EndStreams: true})
		began, ended := time.Now(), make(chan time.Time, 1)
		e.files.stream = func(ss grpc.ServerStream) error {
			for {
				if err := ss.SendMsg(wrapperspb.String(strings.Repeat("x", 50<<10))); err != nil {
					ended <- time.Now()
					return err
				}
			}
		}
		good := "Bearer " + e.tenant.AccessToken(auth0test.ExpiresIn(2*time.Second))
		s, err := e.conn.NewStream(with(t.Context(), good), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, chat)
		if err != nil {
			t.Fatal(err)
		}
		if seconds := (<-ended).Sub(began).Seconds(); seconds < 6 || seconds > 7.1 {
			t.Errorf("the handler waited for %.1f s", seconds)
		}
		for err == nil {
			err = s.RecvMsg(&wrapperspb.StringValue{})
		}
		if got := resultOf(t, err, s.Trailer()); got.code != codes.Unauthenticated || got.message != "token expired" {
			t.Errorf("%+v", got)
		}
		e.conn.Close()
		e.server.Stop()
	})
}

// Until its token expires, a stream works as without EndStreams.
func TestEndStreamsLater(t *testing.T) {
	t.Parallel()
	e := newEnv(t, grpcauth.Options{EndStreams: true})
	e.files.stream = nil
	good := with(t.Context(), "Bearer "+e.tenant.AccessToken())
	if out, got := e.open(t, good, chat); !got.equal(ok) || out != "end" {
		t.Errorf("%q, %+v", out, got)
	}
	// The caller leaves while the handler waits for a message.
	began, ended := make(chan struct{}), make(chan error, 1)
	e.files.stream = func(ss grpc.ServerStream) error {
		in := &wrapperspb.StringValue{}
		if err := ss.RecvMsg(in); err != nil || in.GetValue() != "x" {
			t.Errorf("%q, %v", in.GetValue(), err)
		}
		close(began)
		err := ss.RecvMsg(in)
		ended <- err
		return err
	}
	ctx, cancel := context.WithCancel(good)
	go func() { <-began; cancel() }()
	if got := e.until(t, ctx); got.code != codes.Canceled {
		t.Errorf("%+v", got)
	}
	if err := <-ended; status.Code(err) != codes.Canceled {
		t.Errorf("the handler got %v", err)
	}
}

// A panic of a handler or a codec reaches the outer interceptors, in their goroutine.
func TestPanics(t *testing.T) {
	t.Parallel()
	for _, end := range []bool{false, true} {
		e := newAuth(t, grpcauth.Options{EndStreams: end})
		caught := make(chan any, 1)
		catch := func() {
			if p := recover(); p != nil {
				caught <- p
			}
		}
		listener := e.listen(t,
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
				defer catch()
				return h(ctx, req)
			}, e.auth.Unary()),
			grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
				defer catch()
				return h(srv, panicking{ss})
			}, e.auth.Stream()))
		e.conn = e.dial(t, listener, plain)
		good := with(t.Context(), "Bearer "+e.tenant.AccessToken())
		e.files.unary = func(context.Context, string) (string, error) { panic("unary") }
		e.call(t, good, get)
		if p := <-caught; p != "unary" {
			t.Errorf("caught %v", p)
		}
		e.files.stream = func(grpc.ServerStream) error { panic("stream") }
		e.open(t, good, list)
		if p := <-caught; p != "stream" {
			t.Errorf("caught %v", p)
		}
		e.files.stream = nil
		e.open(t, good, list)
		if p := <-caught; p != "codec" {
			t.Errorf("caught %v", p)
		}
	}
}

// A panicking stream has a faulty codec.
type panicking struct{ grpc.ServerStream }

func (panicking) RecvMsg(any) error { panic("codec") }

// Interceptors before and after ours, and the handler, share their values.
func TestOtherInterceptors(t *testing.T) {
	t.Parallel()
	type before struct{}
	type after struct{}
	e := newAuth(t, grpcauth.Options{EndStreams: true})
	listener := e.listen(t,
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			return h(context.WithValue(ctx, before{}, "b"), req)
		}, e.auth.Unary(), func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			return h(context.WithValue(ctx, after{}, "a"), req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return h(srv, valued{ss, context.WithValue(ss.Context(), before{}, "b")})
		}, e.auth.Stream(), func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return h(srv, valued{ss, context.WithValue(ss.Context(), after{}, "a")})
		}))
	e.conn = e.dial(t, listener, plain)
	values := func(ctx context.Context) string {
		token, _ := auth0.TokenFrom(ctx)
		b, _ := ctx.Value(before{}).(string)
		a, _ := ctx.Value(after{}).(string)
		md, _ := metadata.FromIncomingContext(ctx)
		return strings.Join([]string{token.Subject(), b, a, strings.Join(md.Get("other"), "")}, " ")
	}
	e.files.unary = func(ctx context.Context, _ string) (string, error) { return values(ctx), nil }
	e.files.stream = func(ss grpc.ServerStream) error { return ss.SendMsg(wrapperspb.String(values(ss.Context()))) }
	good := metadata.AppendToOutgoingContext(with(t.Context(), "Bearer "+e.tenant.AccessToken(auth0test.Subject("s"))), "other", "o")
	if got := e.echo(t, good, get); got != "s b a o" {
		t.Errorf("unary: %q", got)
	}
	if got, _ := e.open(t, good, list); got != "s b a o" {
		t.Errorf("stream: %q", got)
	}
}

// A valued stream has another context.
type valued struct {
	grpc.ServerStream
	ctx context.Context
}

func (v valued) Context() context.Context { return v.ctx }
