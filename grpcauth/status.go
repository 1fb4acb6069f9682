package grpcauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seed-15d5a55c/auth0"
)

// reject returns the status of a refusal, sets its challenges, and writes its log line.
//
// A server of net/http, see grpc.Server.ServeHTTP, sends no trailer of that name, since
// HTTP does not allow it as a trailer (RFC 9110, Section 6.5.1). There it is a header.
// The other transport of grpc-go sends the trailers of a rejected call as headers.
func (a *Auth) refuse(ctx context.Context, method string, err error, setHeader, setTrailer func(metadata.MD) error) error {
	e, ok := errors.AsType[*auth0.Error](err)
	if !ok { // unreachable: the methods of the API return no other
		return status.Error(codes.Internal, "internal error")
	}
	if lines := a.challenges(ctx, method, e); len(lines) > 0 {
		set := setTrailer
		if ctx.Value(http.ServerContextKey) != nil {
			set = setHeader
		}
		_ = set(metadata.MD{"www-authenticate": lines}) // too late only for the header of a stream that has begun
	}
	return statusOf(ctx, e).Err()
}

// challenges returns the challenges of the API's HTTP response. The API writes the log
// line.
func (a *Auth) challenges(ctx context.Context, method string, e *auth0.Error) []string {
	w := headerWriter{}
	a.api.WriteError(w, requestFor(ctx, method), e)
	return w.Header().Values("WWW-Authenticate")
}

// requestFor returns a call as an HTTP request for the API.
func requestFor(ctx context.Context, method string) *http.Request {
	u := &url.URL{Path: method}
	r := &http.Request{
		Method: http.MethodPost, URL: u, RequestURI: u.RequestURI(), Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: http.Header{"Authorization": metadata.ValueFromIncomingContext(ctx, authorization)}, Body: http.NoBody,
	}
	return r.WithContext(ctx)
}

// A headerWriter keeps the header of a response and drops the rest.
type headerWriter http.Header

func (w headerWriter) Header() http.Header         { return http.Header(w) }
func (w headerWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w headerWriter) WriteHeader(int)             {}

// retryDelay is the time to wait before a retry, if it is unknown.
const retryDelay = 5 * time.Second

// statusOf returns the status for an error. Its texts are public.
func statusOf(ctx context.Context, e *auth0.Error) *status.Status {
	code := codeOf(ctx, e)
	info := &errdetails.ErrorInfo{Reason: strings.ToUpper(valid(e.Reason)), Domain: "auth0", Metadata: map[string]string{}}
	for name, value := range map[string]string{"error": e.Code, "scope": e.Scope} {
		if value != "" {
			info.Metadata[name] = valid(value)
		}
	}
	details := []protoadapt.MessageV1{info}
	if code == codes.Unavailable {
		delay := e.RetryAfter
		if delay <= 0 {
			delay = retryDelay
		}
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	}
	st := status.New(code, valid(e.Description))
	if detailed, err := st.WithDetails(details...); err == nil {
		return detailed
	}
	return st // unreachable: all texts are UTF-8
}

// valid returns a text that a protobuf message can hold. The application can have made
// the error.
func valid(s string) string { return strings.ToValidUTF8(s, "?") }

// codeOf returns the code for an error. A function of the application can choose any
// status: an unlisted one below 500 is a rejection, and any other a programming error.
func codeOf(ctx context.Context, e *auth0.Error) codes.Code {
	switch e.Status {
	case 400:
		return codes.InvalidArgument
	case 401:
		return codes.Unauthenticated
	case 429, 499, 502, 503, 504:
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return codes.DeadlineExceeded
		case ctx.Err() != nil || e.Status == 499:
			return codes.Canceled
		}
		return codes.Unavailable
	}
	if e.Status < 500 {
		return codes.PermissionDenied
	}
	return codes.Internal
}
