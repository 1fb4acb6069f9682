package grpcauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

// The methods of the service of the tests.
const (
	get           = "/test.v1.Files/Get"
	list          = "/test.v1.Files/List"  // server stream
	put           = "/test.v1.Files/Put"   // client stream
	chat          = "/test.v1.Files/Chat"  // both
	write         = "/test.v1.Files/Write" // unary, not in the table of options
	healthService = "/grpc.health.v1.Health/"
)

// table is the table of most tests.
func table() map[string]grpcauth.Need {
	return map[string]grpcauth.Need{get: {}, list: {}, put: {}, chat: {}}
}

// files implements the service. Nil functions return an answer.
type files struct {
	unary  func(ctx context.Context, in string) (string, error)
	stream func(ss grpc.ServerStream) error
	lock   sync.Mutex
	calls  int
}

func (f *files) count() {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.calls++
}

// called returns the number of calls that reached a handler, and resets it.
func (f *files) called() int {
	f.lock.Lock()
	defer f.lock.Unlock()
	n := f.calls
	f.calls = 0
	return n
}

func (f *files) get(ctx context.Context, in *wrapperspb.StringValue) (any, error) {
	f.count()
	if f.unary == nil {
		return in, nil
	}
	out, err := f.unary(ctx, in.GetValue())
	return wrapperspb.String(out), err
}

func unary(name string) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, decode func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
		in := &wrapperspb.StringValue{}
		if err := decode(in); err != nil {
			return nil, err
		}
		handler := func(ctx context.Context, req any) (any, error) {
			return srv.(*files).get(ctx, req.(*wrapperspb.StringValue))
		}
		if i == nil {
			return handler(ctx, in)
		}
		return i(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/test.v1.Files/" + name}, handler)
	}}
}

// serveStream reads all messages and answers once.
func serveStream(srv any, ss grpc.ServerStream) error {
	f := srv.(*files)
	f.count()
	if f.stream != nil {
		return f.stream(ss)
	}
	for {
		in := &wrapperspb.StringValue{}
		if err := ss.RecvMsg(in); errors.Is(err, io.EOF) {
			return ss.SendMsg(wrapperspb.String("end"))
		} else if err != nil {
			return err
		}
	}
}

var filesDesc = grpc.ServiceDesc{
	ServiceName: "test.v1.Files",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{unary("Get"), unary("Write")},
	Streams: []grpc.StreamDesc{
		{StreamName: "List", Handler: serveStream, ServerStreams: true},
		{StreamName: "Put", Handler: serveStream, ClientStreams: true},
		{StreamName: "Chat", Handler: serveStream, ServerStreams: true, ClientStreams: true},
	},
}

// plain is a connection without TLS.
var plain = grpc.WithTransportCredentials(insecure.NewCredentials())

// An env is a server with its tenant and a client.
type env struct {
	tenant *auth0test.Tenant
	api    *auth0.API
	auth   *grpcauth.Auth
	files  *files
	server *grpc.Server
	conn   *grpc.ClientConn
	log    *logText

	inHeader bool // the challenges are in the header; else in the trailer

	lock   sync.Mutex
	events []auth0.Event
}

func (e *env) challengesIn(header, trailer metadata.MD) metadata.MD {
	if e.inHeader {
		return header
	}
	return trailer
}

// A logText is the log of an API and its interceptors.
type logText struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(b)
}

// take returns the log so far, and clears it.
func (l *logText) take() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// taken returns the events of tokens so far, and clears them.
func (e *env) taken() []auth0.Event {
	e.lock.Lock()
	defer e.lock.Unlock()
	events := slices.DeleteFunc(e.events, func(e auth0.Event) bool { return e.Kind == auth0.KeysFetched })
	e.events = nil
	return events
}

// newAPI makes the tenant and the API.
func newAPI(t testing.TB, edits ...func(*auth0.APIConfig)) *env {
	t.Helper()
	e := &env{tenant: auth0test.NewTenant(t), log: &logText{}, files: &files{}}
	cfg := e.tenant.APIConfig(auth0test.Audience)
	cfg.Logger = slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Observer = func(_ context.Context, event auth0.Event) {
		e.lock.Lock()
		defer e.lock.Unlock()
		e.events = append(e.events, event)
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	var err error
	if e.api, err = auth0.NewAPI(cfg); err != nil {
		t.Fatal(err)
	}
	return e
}

// newAuth also makes the interceptors. Without methods, it uses those of table.
func newAuth(t testing.TB, o grpcauth.Options, edits ...func(*auth0.APIConfig)) *env {
	t.Helper()
	e := newAPI(t, edits...)
	if o.Methods == nil {
		o.Methods = table()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(e.log, nil))
	}
	var err error
	if e.auth, err = grpcauth.New(e.api, o); err != nil {
		t.Fatal(err)
	}
	return e
}

// newEnv also makes the server and the client, without TLS.
func newEnv(t testing.TB, o grpcauth.Options, edits ...func(*auth0.APIConfig)) *env {
	t.Helper()
	e := newAuth(t, o, edits...)
	e.serve(t)
	return e
}

func (e *env) serve(t testing.TB, options ...grpc.ServerOption) {
	t.Helper()
	listener := e.listen(t, append(options, grpc.ChainUnaryInterceptor(e.auth.Unary()), grpc.ChainStreamInterceptor(e.auth.Stream()))...)
	e.conn = e.dial(t, listener, plain)
}

func (e *env) listen(t testing.TB, options ...grpc.ServerOption) *bufconn.Listener {
	t.Helper()
	e.server = grpc.NewServer(append(options, grpc.WaitForHandlers(true))...)
	e.server.RegisterService(&filesDesc, e.files)
	registerWellKnown(e.server)
	listener := bufconn.Listen(1 << 16)
	go e.server.Serve(listener)
	t.Cleanup(e.server.Stop)
	return listener
}

func (e *env) dial(t testing.TB, l *bufconn.Listener, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
	conn, err := grpc.NewClient("passthrough:///files.acme.example", append(options, dial)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// registerWellKnown registers the services for health checks and reflection. The clients
// of the tests ask for the health of "x".
func registerWellKnown(server *grpc.Server) {
	s := health.NewServer()
	s.SetServingStatus("x", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, s)
	reflection.Register(server)
}

// A result is the client's view of a call.
type result struct {
	code    codes.Code
	message string
	reason  string // of the ErrorInfo
	err     string // its metadata error
	scope   string // its metadata scope
	retry   int    // seconds of the RetryInfo
	trailer []string
}

// resultOf returns the result of a call, and reports unexpected details.
func resultOf(t testing.TB, err error, trailer metadata.MD) result {
	t.Helper()
	st := status.Convert(err)
	r := result{code: st.Code(), message: st.Message(), trailer: trailer.Get("www-authenticate")}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			r.reason, r.err, r.scope = d.GetReason(), d.GetMetadata()["error"], d.GetMetadata()["scope"]
			for name, value := range d.GetMetadata() {
				if value == "" {
					t.Errorf("the metadata %q is empty", name)
				}
			}
			if d.GetDomain() != "auth0" {
				t.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.RetryInfo:
			r.retry = int(d.GetRetryDelay().AsDuration().Seconds())
		default:
			t.Errorf("detail %T", detail)
		}
	}
	return r
}

func (r result) equal(other result) bool {
	return slices.Equal(r.trailer, other.trailer) && r.code == other.code && r.message == other.message && r.reason == other.reason && r.err == other.err && r.scope == other.scope && r.retry == other.retry
}

// with returns a context with values of the metadata authorization.
func with(ctx context.Context, values ...string) context.Context {
	for _, v := range values {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
	}
	return ctx
}

// incoming returns a context with metadata in the form that an interceptor gets.
func incoming(ctx context.Context, values ...string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.MD{"authorization": values})
}

// call makes a unary call.
func (e *env) call(t testing.TB, ctx context.Context, method string) result {
	t.Helper()
	var header, trailer metadata.MD
	out := &wrapperspb.StringValue{}
	err := e.conn.Invoke(ctx, method, wrapperspb.String("x"), out, grpc.Header(&header), grpc.Trailer(&trailer))
	return resultOf(t, err, e.challengesIn(header, trailer))
}

// open opens a stream, sends a message and closes its side.
func (e *env) open(t testing.TB, ctx context.Context, method string) (received string, r result) {
	t.Helper()
	s, err := e.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(wrapperspb.String("x")); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	s.CloseSend()
	out := &wrapperspb.StringValue{}
	for {
		in := &wrapperspb.StringValue{}
		if err = s.RecvMsg(in); err != nil {
			break
		}
		out = in
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	header, _ := s.Header()
	return out.GetValue(), resultOf(t, err, e.challengesIn(header, s.Trailer()))
}

// echo makes a unary call that must succeed, and returns the answer.
func (e *env) echo(t testing.TB, ctx context.Context, method string) string {
	t.Helper()
	out := &wrapperspb.StringValue{}
	if err := e.conn.Invoke(ctx, method, wrapperspb.String("x"), out); err != nil {
		t.Fatal(err)
	}
	return out.GetValue()
}

// errorHandler answers as an application could.
func errorHandler(w http.ResponseWriter, r *http.Request, e *auth0.Error) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Add("WWW-Authenticate", "Other "+r.URL.Path+string(body))
	w.WriteHeader(418)
	io.WriteString(w, "teapot")
}

// scoped returns the result at a method that requires scopes.
func (r result) scoped(scopes string) result {
	r.scope, r.trailer = scopes, []string{r.trailer[0] + `, scope="` + scopes + `"`}
	return r
}
