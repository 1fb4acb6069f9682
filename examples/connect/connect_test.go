package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// protocols are the protocols of Connect. Clients of all three call the same handlers.
var protocols = map[string][]connect.ClientOption{
	"Connect":           nil,
	"Connect with JSON": {connect.WithProtoJSON()},
	"gRPC":              {connect.WithGRPC()},
	"gRPC-Web":          {connect.WithGRPCWeb()},
}

// serve starts the API with HTTP/2, which gRPC requires.
func serve(t *testing.T) (*auth0test.Tenant, *httptest.Server) {
	t.Helper()
	tenant := auth0test.NewTenant(t)
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(allowOrigin(origin, routes(api)))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return tenant, server
}

// request makes a request, with a token if given. A request is for one call, because the
// client adds headers to it.
func request(token string) *connect.Request[wrapperspb.StringValue] {
	if token == "" {
		return connect.NewRequest(wrapperspb.String("a"))
	}
	return withToken(token, "a")
}

// call makes a unary call. Function stream reads a whole stream.
func call(t *testing.T, server *httptest.Server, options []connect.ClientOption, procedure, token string) (string, error) {
	t.Helper()
	client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](server.Client(), server.URL+procedure, options...)
	response, err := client.CallUnary(t.Context(), request(token))
	if err != nil {
		return "", err
	}
	return response.Msg.GetValue(), nil
}

func stream(t *testing.T, server *httptest.Server, options []connect.ClientOption, procedure, token string) (string, error) {
	t.Helper()
	client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](server.Client(), server.URL+procedure, options...)
	s, err := client.CallServerStream(t.Context(), request(token))
	if err != nil {
		return "", err
	}
	defer s.Close()
	var values []string
	for s.Receive() {
		values = append(values, s.Msg().GetValue())
	}
	return strings.Join(values, "; "), s.Err()
}

func TestProcedures(t *testing.T) {
	t.Parallel()
	tenant, server := serve(t)
	const none = connect.Code(0)
	token := func(options ...auth0test.TokenOption) string {
		return tenant.AccessToken(append(options, auth0test.Subject("auth0|7"))...)
	}
	for protocol, options := range protocols {
		for _, tt := range []struct {
			name      string
			call      func(*testing.T, *httptest.Server, []connect.ClientOption, string, string) (string, error)
			procedure string
			token     string
			want      string
			code      connect.Code
		}{
			{"unary", call, readProcedure, token(auth0test.Scope("read:files")), "a, read by auth0|7", none},
			{"unary without a token", call, readProcedure, "", "", connect.CodeUnauthenticated},
			{"unary with a bad token", call, readProcedure, "abcdefgh", "", connect.CodeUnauthenticated},
			{"unary without the scope", call, readProcedure, token(auth0test.Scope("other")), "", connect.CodePermissionDenied},
			{"unary, the scope of another procedure", call, deleteProcedure, token(auth0test.Scope("read:files")), "", connect.CodePermissionDenied},
			{"unary with the permission", call, deleteProcedure, token(auth0test.Permissions("delete:files")), "a, deleted", none},
			{"stream", stream, watchProcedure, token(auth0test.Scope("read:files")), "a, version 1, watched by auth0|7; a, version 2, watched by auth0|7", none},
			{"stream without a token", stream, watchProcedure, "", "", connect.CodeUnauthenticated},
			{"stream without the scope", stream, watchProcedure, token(), "", connect.CodePermissionDenied},
			{"a procedure without a line", call, "/acme.files.v1.FilesService/Other", token(auth0test.Scope("read:files")), "", connect.CodeUnimplemented},
		} {
			got, err := tt.call(t, server, options, tt.procedure, tt.token)
			if got != tt.want || err != nil && connect.CodeOf(err) != tt.code || err == nil && tt.code != none {
				t.Errorf("%s, %s: %q, %v; want %q, %v", protocol, tt.name, got, err, tt.want, tt.code)
			}
		}
	}
}

// Without keys, the client learns that it can retry.
func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	tenant, server := serve(t)
	tenant.FailJWKS(503)
	token := tenant.AccessToken(auth0test.Scope("read:files"))
	for protocol, options := range protocols {
		if _, err := call(t, server, options, readProcedure, token); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s, unary: %v", protocol, err)
		}
		if _, err := stream(t, server, options, watchProcedure, token); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s, stream: %v", protocol, err)
		}
	}
}

// A browser sends a preflight without a token before it calls. The CORS handler outside
// the guards answers it. A guard alone would reject it.
func TestPreflight(t *testing.T) {
	t.Parallel()
	tenant := auth0test.NewTenant(t)
	api, err := auth0.NewAPI(tenant.APIConfig(auth0test.Audience))
	if err != nil {
		t.Fatal(err)
	}
	inside := routes(api)
	outside := allowOrigin(origin, inside)
	for _, tt := range []struct {
		name    string
		handler http.Handler
		origin  string
		status  int
		allowed string
	}{
		{"the CORS handler outside", outside, origin, 204, origin},
		{"a page of another origin", outside, "https://evil.example", 401, ""},
		{"no CORS handler", inside, origin, 401, ""},
	} {
		r := httptest.NewRequest("OPTIONS", readProcedure, nil)
		r.Header.Set("Origin", tt.origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization,content-type,x-grpc-web")
		w := httptest.NewRecorder()
		tt.handler.ServeHTTP(w, r)
		h := w.Header()
		if w.Code != tt.status || h.Get("Access-Control-Allow-Origin") != tt.allowed {
			t.Errorf("%s: %d, %v", tt.name, w.Code, h)
		}
		for _, name := range []string{"Authorization", "Content-Type", "X-Grpc-Web"} {
			if strings.Contains(h.Get("Access-Control-Allow-Headers"), name) != (tt.allowed != "") {
				t.Errorf("%s: %s in %v", tt.name, name, h)
			}
		}
	}

	// The next call has a token, and the page can read the response, even an error.
	for token, status := range map[string]int{tenant.AccessToken(auth0test.Scope("read:files")): 200, "abcdefgh": 401} {
		r := httptest.NewRequest("POST", readProcedure, strings.NewReader(`"a"`))
		r.Header.Set("Origin", origin)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		outside.ServeHTTP(w, r)
		if h := w.Header(); w.Code != status || h.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
			t.Errorf("call: %d, %v, %s", w.Code, h, w.Body)
		}
	}
}

// The program prints the text of README.md.
func TestRun(t *testing.T) {
	t.Setenv("PORT", "0")
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, writer)
		writer.Close()
	}()
	var out strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(out.String(), "ANYBODY CAN GET A TOKEN"); {
		n, err := reader.Read(buffer)
		out.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	cancel()
	go io.Copy(io.Discard, reader)
	if err := <-done; err != nil {
		t.Error(err)
	}
	text := out.String()
	for _, want := range []string{
		"Read without a token:           unauthenticated\n",
		"Read with the scope read:files:  notes.txt, read by auth0|",
		"Delete with the same token:     permission_denied\n",
		"Watch with the scope read:files: notes.txt, version 2, watched by auth0|",
		readProcedure,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
