package grpcauth

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/seed-15d5a55c/auth0"
)

// Unary returns the interceptor for unary calls.
func (a *Auth) Unary() grpc.UnaryServerInterceptor {
	a = a.orRefusing()
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		t, err := a.admit(ctx, info.FullMethod)
		if err != nil {
			// Outside a server, as in tests of handlers, there is no metadata to set.
			if s := grpc.ServerTransportStreamFromContext(ctx); s != nil {
				return nil, a.refuse(ctx, info.FullMethod, err, s.SetHeader, s.SetTrailer)
			}
			return nil, a.refuse(ctx, info.FullMethod, err, discard, discard)
		}
		if t != nil {
			ctx = auth0.ContextWithToken(ctx, t)
		}
		return handler(ctx, req)
	}
}

// Stream returns the interceptor for streams. It decides before the handler runs, and
// before a message is read.
func (a *Auth) Stream() grpc.StreamServerInterceptor {
	a = a.orRefusing()
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		t, err := a.admit(ss.Context(), info.FullMethod)
		if err == nil {
			if err = a.handle(srv, ss, t, handler); err != errTokenOver {
				return err
			}
			err = &auth0.Error{Op: "bearer", Status: 401, Code: "invalid_token", Reason: "token_expired", Description: "token expired"}
		}
		return a.refuse(ss.Context(), info.FullMethod, err, ss.SetHeader, func(md metadata.MD) error { ss.SetTrailer(md); return nil })
	}
}

// handle runs the handler of a stream. It returns errTokenOver if the stream ended
// because its token expired.
func (a *Auth) handle(srv any, ss grpc.ServerStream, t *auth0.Token, handler grpc.StreamHandler) error {
	switch {
	case t == nil:
		return handler(srv, ss)
	case a.endStreams:
		return handleUntil(srv, ss, t, t.ExpiresAt().Add(a.api.Leeway()), handler)
	}
	return handler(srv, &stream{ss, auth0.ContextWithToken(ss.Context(), t)})
}

func discard(metadata.MD) error { return nil }

// orRefusing returns an Auth that rejects every call if this one was not made by New.
func (a *Auth) orRefusing() *Auth {
	if a == nil || a.api == nil {
		return &Auth{api: &auth0.API{}} // which was not made by NewAPI, and reports that
	}
	return a
}

// admit decides about a call. It returns no token for a public method. The error is an
// *auth0.Error.
func (a *Auth) admit(ctx context.Context, method string) (*auth0.Token, error) {
	r := a.ruleFor(ctx, method)
	if r.public {
		return nil, nil
	}
	t, err := a.verify(ctx, method)
	switch e, _ := errors.AsType[*auth0.Error](err); {
	case e != nil && e.Status == 401 && r.check != nil:
		scoped := *e
		scoped.Scope = r.scope // RFC 6750, Section 3
		return nil, &scoped
	case err != nil:
		return nil, err
	case r.check == nil:
		return t, nil
	}
	if err := r.check(t); err != nil {
		return nil, a.api.Refuse(ctx, t, err)
	}
	return t, nil
}

// verify verifies the token of a call. The API rejects a malformed bearer token for the
// same reasons as in the header of an HTTP request.
func (a *Auth) verify(ctx context.Context, method string) (*auth0.Token, error) {
	values := metadata.ValueFromIncomingContext(ctx, authorization)
	if len(values) == 1 {
		if raw, ok := bearerToken(values[0]); ok {
			return a.api.VerifyWithCertificate(ctx, raw, certificateOf(ctx))
		}
	}
	if _, err := a.api.VerifyRequest(requestFor(ctx, method)); err != nil {
		return nil, err
	}
	// The API has found a token at a place where it was not configured to look.
	return nil, a.api.Refuse(ctx, nil, &auth0.Error{
		Op: "bearer", Status: 401, Code: "unauthorized", Reason: "missing_token", Description: "authentication required",
		Err: errors.New("the metadata authorization has no bearer token"),
	})
}

// authorization is the name of the metadata with the token.
const authorization = "authorization"

// bearerToken returns the token of a value with the scheme Bearer (RFC 6750, Section
// 2.1). The token is a token68 of RFC 9110, Section 11.2.
func bearerToken(value string) (token string, ok bool) {
	scheme, rest, _ := strings.Cut(value, " ")
	token = strings.TrimLeft(rest, " ")
	return token, strings.EqualFold(scheme, "Bearer") && isToken68(token)
}

func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		switch c := body[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return body != ""
}

// certificateOf returns the client certificate of the caller's connection.
func certificateOf(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}

// A stream has a context with a token.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *stream) Context() context.Context { return s.ctx }

// errTokenOver is the cause of the end of a stream whose token has expired. The handler
// gets it too.
var errTokenOver = status.Error(codes.Unauthenticated, "token expired")

// handleUntil runs a handler until the token expires. It returns errTokenOver if it
// ended the stream.
func handleUntil(srv any, ss grpc.ServerStream, t *auth0.Token, end time.Time, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithDeadlineCause(ss.Context(), end, errTokenOver)
	defer cancel()
	s := &endingStream{stream{ss, auth0.ContextWithToken(ctx, t)}}
	err := handler(srv, s)
	if over := s.over(); over != nil {
		return over
	}
	return err
}

// An endingStream is a stream that ends when its context does.
type endingStream struct{ stream }

// over returns errTokenOver if the token has expired. It does not report the end of the
// call itself, about which the inner stream knows more.
func (s *endingStream) over() error {
	if context.Cause(s.ctx) == errTokenOver {
		return errTokenOver
	}
	return nil
}

func (s *endingStream) SendMsg(m any) error { return s.wait(s.ServerStream.SendMsg, m) }
func (s *endingStream) RecvMsg(m any) error { return s.wait(s.ServerStream.RecvMsg, m) }

// wait sends or receives a message, and waits until that is done or the token has
// expired. After an error m must not be used: a message can still arrive in it.
func (s *endingStream) wait(pass func(any) error, m any) error {
	if err := s.over(); err != nil {
		return err // an earlier call may still wait for the stream inside
	}
	done := make(chan func() error, 1)
	go func() {
		// A panic of a codec belongs to the handler's goroutine, where other
		// interceptors can catch it.
		defer func() {
			if p := recover(); p != nil {
				done <- func() error { panic(p) }
			}
		}()
		err := pass(m)
		done <- func() error { return err }
	}()
	var result func() error
	select {
	case result = <-done:
	case <-s.ctx.Done():
		if err := s.over(); err != nil {
			return err
		}
		result = <-done // the call has ended, so the stream inside ends too
	}
	if err := s.over(); err != nil {
		return err
	}
	return result()
}

// Warnings report unlisted methods: one for each name, and at most 64 names, because a
// client of a forwarding server can send any name.
type warnings struct {
	log  *slog.Logger
	lock sync.Mutex
	seen map[string]bool
}

const maxWarnings = 64

func (w *warnings) unlisted(ctx context.Context, method string) {
	if w == nil {
		return
	}
	w.lock.Lock()
	known := w.seen[method] || len(w.seen) >= maxWarnings
	if !known {
		if w.seen == nil {
			w.seen = map[string]bool{}
		}
		w.seen[method] = true
	}
	w.lock.Unlock()
	if !known {
		w.log.WarnContext(ctx, "grpcauth: a method is neither in Options.Methods nor in Options.Public; every call is rejected", "method", clip(method))
	}
}

func clip(s string) string { return s[:min(len(s), 200)] }
