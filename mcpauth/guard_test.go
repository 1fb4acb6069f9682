package mcpauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/mcpauth"
)

const (
	audience    = "https://mcp.acme.example/mcp"
	metadataURL = "https://mcp.acme.example/.well-known/oauth-protected-resource/mcp"
	issuer      = "https://acme.auth0.example/"
	end         = `, resource_metadata="` + metadataURL + `"`
)

// options have a tool for each kind of need. The server also has the tool unlisted.
func options() mcpauth.Options {
	return mcpauth.Options{Tools: map[string]mcpauth.Need{
		"open":  {},
		"read":  {Scopes: []string{"read:x"}},
		"write": {Scopes: []string{"write:x"}},
		"both":  {Scopes: []string{"read:x", "write:x"}},
		"admin": {Permissions: []string{"p", "q"}},
		"mixed": {Scopes: []string{"write:x"}, Permissions: []string{"p"}},
	}}
}

var allTools = []string{"admin", "both", "mixed", "open", "read", "unlisted", "write"}

// A server is an MCP server behind a guard, with a record of its tools' calls.
type server struct {
	t       *testing.T
	tenant  *auth0test.Tenant
	api     *auth0.API
	guard   *mcpauth.Guard
	mcp     *mcp.Server
	sdk     http.Handler
	handler http.Handler
	log     *bytes.Buffer
	events  []auth0.Event

	mu    sync.Mutex
	calls []seen
}

// A seen is a tool's view of a call.
type seen struct {
	tool     string
	subject  string // of the token in the context
	mine     string // of the token in the request
	raw      string
	ctxRaw   bool // the context has the text of the token
	userID   string
	headers  string
	rendered string // the output of package fmt for the request
}

type setup struct {
	config    func(*auth0.APIConfig)
	options   func(*mcpauth.Options)
	stateful  bool
	unwatched bool // without the Middleware
}

func newServer(t *testing.T, by setup) *server {
	t.Helper()
	s := &server{t: t, tenant: auth0test.NewTenant(t), log: &bytes.Buffer{}}
	config := s.tenant.APIConfig(audience)
	config.MetadataURL, config.ScopesSupported = metadataURL, []string{"read:x", "write:x"}
	config.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Observer = func(_ context.Context, e auth0.Event) { s.events = append(s.events, e) }
	if by.config != nil {
		by.config(&config)
	}
	var err error
	if s.api, err = auth0.NewAPI(config); err != nil {
		t.Fatal(err)
	}
	o := options()
	if by.options != nil {
		by.options(&o)
	}
	if s.guard, err = mcpauth.New(s.api, o); err != nil {
		t.Fatal(err)
	}
	s.mcp = mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	if !by.unwatched {
		s.mcp.AddReceivingMiddleware(s.guard.Middleware)
	}
	for _, name := range allTools {
		mcp.AddTool(s.mcp, &mcp.Tool{Name: name}, s.call)
	}
	s.sdk = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.mcp },
		&mcp.StreamableHTTPOptions{JSONResponse: true, Stateless: !by.stateful, MaxRequestBodyBytes: 8 << 20})
	s.handler = s.guard.Handler(s.sdk)
	return s
}

func (s *server) call(ctx context.Context, req *mcp.CallToolRequest, _ map[string]any) (*mcp.CallToolResult, any, error) {
	was := seen{tool: req.Params.Name, userID: req.Extra.TokenInfo.UserID, headers: fmt.Sprint(req.Extra.Header)}
	if token, ok := auth0.TokenFrom(ctx); ok {
		was.subject = token.Subject()
	}
	if token, ok := mcpauth.TokenFrom(req); ok {
		was.mine = token.Subject()
	}
	was.raw, _ = mcpauth.AccessTokenFrom(req)
	_, was.ctxRaw = auth0.AccessTokenFrom(ctx)
	inJSON, _ := json.Marshal(req.Extra.TokenInfo)
	was.rendered = fmt.Sprintf("%v %+v %#v %s", req.Extra, *req.Extra.TokenInfo, *req.Extra.TokenInfo, inJSON)
	for _, value := range req.Extra.TokenInfo.Extra {
		was.rendered += fmt.Sprintf("%v %+v %#v %s", value, value, value, value)
	}
	s.mu.Lock()
	s.calls = append(s.calls, was)
	s.mu.Unlock()
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done " + was.tool}}}, nil, nil
}

// ran returns the tool calls since the last call of ran.
func (s *server) ran() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func request(body, token string) *http.Request {
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func (s *server) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func calling(tool string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

const (
	list       = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`

	denied    = `{"jsonrpc":"2.0","id":7,"error":{"code":-32010,"message":"not allowed","data":{"error":"access_denied"}}}`
	badBody   = `{"error":"invalid_request","error_description":"malformed request"}`
	badClaims = `{"error":"invalid_token","error_description":"token claims invalid"}`
)

// lacks returns the response to a call whose next token must have the scopes.
func lacks(scopes string) (challenge, body string) {
	return `Bearer realm="api", error="insufficient_scope", error_description="insufficient scope", scope="` + scopes + `"` + end,
		`{"jsonrpc":"2.0","id":7,"error":{"code":-32010,"message":"insufficient scope","data":{"error":"insufficient_scope","scope":"` + scopes + `"}}}`
}

func TestCalls(t *testing.T) {
	t.Parallel()
	type option = auth0test.TokenOption
	scope, permissions := auth0test.Scope, auth0test.Permissions
	needsWrite, needsWriteBody := lacks("write:x")
	needsBoth, needsBothBody := lacks("read:x write:x")
	for _, tt := range []struct {
		why       string
		body      string
		token     []option
		edit      func(*mcpauth.Options)
		status    int
		challenge string
		answer    string // the whole body, or empty for a response of the SDK
		ran       []string
	}{
		{"open tool", calling("open"), nil, nil, 200, "", "", []string{"open"}},
		{"scope", calling("read"), []option{scope("openid", "read:x")}, nil, 200, "", "", []string{"read"}},
		{"scope missing", calling("write"), nil, nil, 403, needsWrite, needsWriteBody, nil},
		{"scope missing, another is kept", calling("write"), []option{scope("openid", "read:x", "foreign")}, nil, 403, needsBoth, needsBothBody, nil},
		{"one of two scopes missing", calling("both"), []option{scope("write:x")}, nil, 403, needsBoth, needsBothBody, nil},
		{"scope of another case", calling("read"), []option{scope("READ:X", "write:x")}, nil, 403, needsBoth, needsBothBody, nil},
		{"permissions", calling("admin"), []option{permissions("q", "p")}, nil, 200, "", "", []string{"admin"}},
		{"permission missing", calling("admin"), []option{permissions("p")}, nil, 403, "", denied, nil},
		{"scopes are no permissions", calling("admin"), []option{scope("p", "q")}, nil, 403, "", denied, nil},
		{"permission and scope", calling("mixed"), []option{permissions("p"), scope("write:x")}, nil, 200, "", "", []string{"mixed"}},
		{"permission and scope missing", calling("mixed"), nil, nil, 403, "", denied, nil},
		{"scope missing beside a permission", calling("mixed"), []option{permissions("p")}, nil, 403, needsWrite, needsWriteBody, nil},
		{"unlisted", calling("unlisted"), []option{scope("read:x", "write:x"), permissions("p", "q")}, nil, 403, "", denied, nil},
		{"unlisted, accepted", calling("unlisted"), nil, func(o *mcpauth.Options) { o.AcceptUnlisted = true }, 200, "", "", []string{"unlisted"}},
		{"listed, unlisted accepted", calling("write"), nil, func(o *mcpauth.Options) { o.AcceptUnlisted = true }, 403, needsWrite, needsWriteBody, nil},
		{"unknown to the server", calling("unknown"), nil, nil, 403, "", denied, nil},
		{"no tools", calling("open"), nil, func(o *mcpauth.Options) { *o = mcpauth.Options{} }, 403, "", denied, nil},
		{"scope of every request", calling("open"), []option{scope("base", "read:x")}, func(o *mcpauth.Options) { o.Scopes = []string{"base"} }, 200, "", "", []string{"open"}},
		{"scope of every request is kept", calling("write"), []option{scope("base")}, func(o *mcpauth.Options) { o.Scopes = []string{"base"} }, 403,
			strings.Replace(needsWrite, `"write:x"`, `"base write:x"`, 1), strings.Replace(needsWriteBody, `"write:x"`, `"base write:x"`, 1), nil},
		{"scope of every request missing", list, nil, func(o *mcpauth.Options) { o.Scopes = []string{"base"} }, 403,
			`Bearer realm="api", error="insufficient_scope", error_description="insufficient scope", scope="base"` + end, `{"error":"insufficient_scope","error_description":"insufficient scope"}`, nil},
		{"text for an id", strings.Replace(calling("admin"), "7", `"a<b"`, 1), nil, nil, 403, "", strings.Replace(denied, "7", `"a\u003cb"`, 1), nil},
		{"object for an id", strings.Replace(calling("admin"), "7", `{"a":1}`, 1), nil, nil, 403, "", strings.Replace(denied, "7", "null", 1), nil},
		{"long id", strings.Replace(calling("admin"), "7", `"`+strings.Repeat("a", 300)+`"`, 1), nil, nil, 403, "", strings.Replace(denied, "7", "null", 1), nil},
		{"no id", strings.Replace(calling("admin"), `"id":7,`, "", 1), nil, nil, 403, "", strings.Replace(denied, "7", "null", 1), nil},
		{"two calls", "[" + calling("open") + "," + strings.Replace(calling("read"), "7", "8", 1) + "]", []option{scope("read:x")}, nil, 200, "", "", []string{"open", "read"}},
		{"two calls, one refused", "[" + calling("open") + "," + calling("admin") + "]", nil, nil, 403, "", strings.Replace(denied, "7", "null", 1), nil},
		{"two calls, the first refused", "[" + calling("admin") + "," + calling("open") + "]", nil, nil, 403, "", strings.Replace(denied, "7", "null", 1), nil},
		{"other methods", list, nil, nil, 200, "", "", nil},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, setup{options: tt.edit})
			w := s.do(request(tt.body, s.tenant.AccessToken(tt.token...)))
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || tt.answer != "" && w.Body.String() != tt.answer {
				t.Errorf("got %d %q\n%s\nwant %d %q\n%s", w.Code, w.Header().Get("WWW-Authenticate"), w.Body, tt.status, tt.challenge, tt.answer)
			}
			if tt.status != 200 && (w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store") {
				t.Errorf("headers %v", w.Header())
			}
			var ran []string
			for _, call := range s.ran() {
				ran = append(ran, call.tool)
			}
			if slices.Sort(ran); !slices.Equal(ran, tt.ran) {
				t.Errorf("ran %q, want %q", ran, tt.ran)
			}
			if last := s.events[len(s.events)-1]; last.Status != tt.status || tt.status != 200 && last.Kind != auth0.GuardRefused {
				t.Errorf("the last event is %+v", last)
			}
		})
	}
}

// Only the log has the cause of a rejected call.
func TestCausesAreLogged(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{})
	for tool, want := range map[string]string{
		"admin":    `the tool \"admin\" needs the permissions [\"q\"], and the token has only [\"p\"]`,
		"unlisted": `the tool \"unlisted\" is not in Options.Tools`,
		"read":     `tools [\"read\"]: scope is \"foreign\", which lacks [\"read:x\"]`,
	} {
		s.log.Reset()
		s.do(request(calling(tool), s.tenant.AccessToken(auth0test.Permissions("p"), auth0test.Scope("foreign"))))
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("%s: the log is %s", tool, s.log)
		}
	}
}

// An ErrorHandler decides the status and the headers of a rejected call.
func TestErrorHandler(t *testing.T) {
	t.Parallel()
	for why, write := range map[string]bool{"which writes": true, "which writes nothing": false} {
		var got *auth0.Error
		s := newServer(t, setup{config: func(c *auth0.APIConfig) {
			c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *auth0.Error) {
				got = e
				w.Header().Set("X-Own", "yes")
				w.Header().Set("Content-Type", "text/html")
				if write {
					w.Header().Set("Content-Length", "6")
					w.WriteHeader(e.Status)
					fmt.Fprint(w, "my")
					fmt.Fprint(w, " own")
				}
			}
		}})
		w := s.do(request(calling("admin"), s.tenant.AccessToken()))
		if w.Code != 403 || w.Body.String() != denied || w.Header().Get("X-Own") != "yes" || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != "" {
			t.Errorf("%s: %d %v %s", why, w.Code, w.Header(), w.Body)
		}
		if got == nil || got.Op != "bearer" || got.Reason != "insufficient_permissions" || got.Code != "access_denied" {
			t.Errorf("%s: the error is %+v", why, got)
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const call = `"method":"tools/call","params":{"name":"open"}`
	large := func(n int) string {
		body := strings.Replace(calling("open"), `{}`, `{"a":"`+"%"+`"}`, 1)
		return strings.Replace(body, "%", strings.Repeat("a", n-len(body)+1), 1)
	}
	for _, tt := range []struct {
		why, body string
		status    int
	}{
		{"good", `{"jsonrpc":"2.0","id":1,` + call + `}`, 200},
		{"spaces around", " \r\n\t" + `{"jsonrpc":"2.0","id":1,` + call + `}` + "\n ", 200},
		{"escaped name", `{"jsonrpc":"2.0","id":1,"\u006dethod":"tools\/call","params":{"name":"ope\u006e"}}`, 200},
		{"method beside the call in another case", `{"jsonrpc":"2.0","id":1,` + call + `,"Method":"x"}`, 400},
		{"params beside the call in another case", `{"jsonrpc":"2.0","id":1,` + call + `,"paramſ":{"name":"admin"}}`, 400},
		{"name beside the name in another case", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","Name":"admin"}}`, 400},
		{"call in another case beside a method", `{"jsonrpc":"2.0","id":1,"method":"tools/list","METHOD":"tools/call","params":{"name":"admin"}}`, 400},
		{"call in another case alone", `{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"admin"}}`, 400},
		{"arguments of any case", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","arguments":{"Name":"a","name":"b"}}}`, 200},
		{"largest", large(1 << 20), 200},
		{"too large", large(1<<20 + 1), 413},
		{"method twice", `{"jsonrpc":"2.0","id":1,"method":"tools/list",` + call + `}`, 400},
		{"method twice, the call first", `{"jsonrpc":"2.0","id":1,` + call + `,"method":"tools/list"}`, 400},
		{"method twice, escaped", `{"jsonrpc":"2.0","id":1,` + call + `,"metho\u0064":"tools/list"}`, 400},
		{"params twice", `{"jsonrpc":"2.0","id":1,` + call + `,"params":{"name":"admin"}}`, 400},
		{"id twice", `{"jsonrpc":"2.0","id":1,"id":2,` + call + `}`, 400},
		{"name twice", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","name":"admin"}}`, 400},
		{"arguments twice", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","arguments":{},"arguments":{}}}`, 400},
		{"name of another case", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"open"}}`, 400},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, 400},
		{"params in an array", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["open"]}`, 400},
		{"null params", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}`, 400},
		{"no name", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, 400},
		{"empty name", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}`, 400},
		{"name is a number", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}`, 400},
		{"method is a number", `{"jsonrpc":"2.0","id":1,"method":5}`, 400},
		{"method is null", `{"jsonrpc":"2.0","id":1,"method":null}`, 400},
		{"two values", `{"jsonrpc":"2.0","id":1,` + call + `}{}`, 400},
		{"something after", `{"jsonrpc":"2.0","id":1,` + call + `}x`, 400},
		{"something after an array", `[{"jsonrpc":"2.0","id":1,` + call + `}]]`, 400},
		{"cut off", `{"jsonrpc":"2.0","id":1,` + call, 400},
		{"array cut off", `[{"jsonrpc":"2.0","id":1,` + call + `}`, 400},
		{"comma at the end", `[{"jsonrpc":"2.0","id":1,` + call + `},]`, 400},
		{"not UTF-8", `{"jsonrpc":"2.0","id":1,` + call + `,"x":"` + "\xff" + `"}`, 400},
		{"BOM", "\ufeff" + `{"jsonrpc":"2.0","id":1,` + call + `}`, 400},
		{"text", `"tools/call"`, 400},
		{"null", `null`, 400},
		{"spaces alone", "  ", 400},
		{"array of arrays", `[[{"jsonrpc":"2.0","id":1,` + call + `}]]`, 400},
		{"array with null", `[null]`, 400},
		{"64 messages", "[" + strings.Repeat(`{"jsonrpc":"2.0","method":"notifications/cancelled"},`, 63) + `{"jsonrpc":"2.0","id":1,` + call + "}]", 200},
		{"65 messages", "[" + strings.Repeat(`{"jsonrpc":"2.0","method":"notifications/cancelled"},`, 64) + `{"jsonrpc":"2.0","id":1,` + call + "}]", 400},
		{"deep", `{"jsonrpc":"2.0","id":1,` + call + `,"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", 400},
		{"form", "method=tools/call", 400},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, setup{})
			sum := sha256.Sum256([]byte(tt.body))
			sdk, reached := s.sdk, false
			s.handler = s.guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if reached = true; err != nil || sha256.Sum256(body) != sum {
					t.Errorf("the body has changed: %d bytes, %v", len(body), err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				sdk.ServeHTTP(w, r)
			}))
			w := s.do(request(tt.body, s.tenant.AccessToken()))
			if w.Code != tt.status || reached != (tt.status == 200) || len(s.ran()) > 0 != (tt.status == 200) {
				t.Fatalf("got %d %s, reached %v", w.Code, w.Body, reached)
			}
			want, description := badBody, "malformed request"
			if tt.status == 413 {
				want, description = `{"error":"invalid_request","error_description":"request too large"}`, "request too large"
			}
			challenge := `Bearer realm="api", error="invalid_request", error_description="` + description + `"` + end
			if tt.status != 200 && (w.Body.String() != want || w.Header().Get("WWW-Authenticate") != challenge) {
				t.Errorf("got %s %q", w.Body, w.Header().Get("WWW-Authenticate"))
			}
		})
	}
}

func TestMaxBody(t *testing.T) {
	t.Parallel()
	body := calling("open")
	for limit, want := range map[int64]int{int64(len(body)): 200, int64(len(body)) - 1: 413} {
		s := newServer(t, setup{options: func(o *mcpauth.Options) { o.MaxBody = limit }})
		if w := s.do(request(body, s.tenant.AccessToken())); w.Code != want {
			t.Errorf("%d of %d bytes: %d %s", limit, len(body), w.Code, w.Body)
		}
	}
}

// The guard does not read the body of a request without a good token.
func TestBodyIsReadLast(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{})
	r := request("", "")
	r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) {
		t.Error("the body was read")
		return 0, io.EOF
	}))
	if w := s.do(r); w.Code != 401 {
		t.Errorf("got %d", w.Code)
	}
	r = request("", s.tenant.AccessToken())
	r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
	if w := s.do(r); w.Code != 400 || w.Body.String() != badBody {
		t.Errorf("a body that breaks off: %d %s", w.Code, w.Body)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Headers of the protocol do not decide which tool a request calls.
func TestHeadersAreNotTrusted(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{})
	r := request(calling("admin"), s.tenant.AccessToken())
	r.Header.Set("Mcp-Method", "tools/list")
	r.Header.Set("Mcp-Name", "open")
	if w := s.do(r); w.Code != 403 || len(s.ran()) != 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// The guard checks every method, and reads a body with any method.
func TestMethods(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{})
	var reached bool
	s.handler = s.guard.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	for _, tt := range []struct {
		method, body string
		token        bool
		status       int
	}{
		{"GET", "", true, 200}, {"GET", "", false, 401}, {"DELETE", "", true, 200}, {"DELETE", "", false, 401},
		{"OPTIONS", "", false, 401}, {"HEAD", "", false, 401}, {"POST", "", true, 200}, {"POST", "", false, 401},
		{"PUT", calling("admin"), true, 403}, {"GET", calling("admin"), true, 403}, {"PATCH", calling("open"), true, 200}, {"POST", calling("open"), false, 401},
	} {
		r := httptest.NewRequest(tt.method, "/mcp", strings.NewReader(tt.body))
		if tt.body == "" {
			r.Body = nil
		}
		if tt.token {
			r.Header.Set("Authorization", "Bearer "+s.tenant.AccessToken())
		}
		reached = false
		if w := s.do(r); w.Code != tt.status || reached != (tt.status == 200) {
			t.Errorf("%s %q: %d, reached %v", tt.method, tt.body, w.Code, reached)
		}
	}
}

// The API answers requests without a good token.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	bad := func(description string) (string, string) {
		return `Bearer realm="api", error="invalid_token", error_description="` + description + `"` + end, `{"error":"invalid_token","error_description":"` + description + `"}`
	}
	expired, expiredBody := bad("token expired")
	claims, _ := bad("token claims invalid")
	const missing = `{"error":"unauthorized","error_description":"authentication required"}`
	with := func(options ...auth0test.TokenOption) func(*server) string {
		return func(s *server) string { return s.tenant.AccessToken(options...) }
	}
	const year = 365 * 24 * time.Hour
	now := time.Now()
	expiring := func(in time.Duration) func(*server) string {
		return with(auth0test.Claim("iat", now.Add(in-2*time.Hour).Unix()), auth0test.Claim("exp", now.Add(in).Unix()))
	}
	at := func(clock time.Time, leeway time.Duration) setup {
		return setup{config: func(c *auth0.APIConfig) { c.Leeway, c.Now = leeway, func() time.Time { return clock } }}
	}
	for _, tt := range []struct {
		why       string
		token     func(*server) string
		by        setup
		status    int
		challenge string
		body      string
	}{
		{"no token", nil, setup{}, 401, `Bearer realm="api"` + end, missing},
		{"no token, scopes of the configuration", nil, setup{config: func(c *auth0.APIConfig) { c.ChallengeScopes = []string{"read:x"} }}, 401, `Bearer realm="api", scope="read:x"` + end, missing},
		{"no token, scopes of the Options", nil, setup{options: func(o *mcpauth.Options) { o.Scopes = []string{"a", "b"} }}, 401, `Bearer realm="api", scope="a b"` + end, missing},
		{"within the leeway", expiring(-3 * time.Second), at(now, 5*time.Second), 200, "", ""},
		{"beyond the leeway", expiring(-6 * time.Second), at(now, 5*time.Second), 401, expired, expiredBody},
		{"minutes over, large leeway", expiring(-4 * time.Minute), at(now, 5*time.Minute), 200, "", ""},
		{"years over, but not by the clock of the API", expiring(-20 * year), at(now.Add(-20*year-time.Hour), 5*time.Second), 200, "", ""},
		{"another audience", with(auth0test.Claim("aud", "https://other.example/")), setup{}, 401, `Bearer realm="api", error="invalid_token", error_description="audience not accepted"` + end, `{"error":"invalid_token","error_description":"audience not accepted"}`},
		{"no subject and no client", with(auth0test.Claim("sub", nil), auth0test.Claim("azp", nil)), setup{}, 401, claims, badClaims},
		{"keys unavailable", func(s *server) string {
			s.tenant.FailJWKS(503)
			return s.tenant.AccessToken()
		}, setup{}, 503, "", `{"error":"temporarily_unavailable","error_description":"signing keys unavailable"}`},
		{"Validate denies access", with(), setup{config: func(c *auth0.APIConfig) {
			c.Validate = func(context.Context, *auth0.Token) error { return auth0.ErrForbidden }
		}}, 403, "", `{"error":"access_denied","error_description":"not allowed"}`},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tt.by)
			token := ""
			if tt.token != nil {
				token = tt.token(s)
			}
			w := s.do(request(calling("open"), token))
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || tt.body != "" && w.Body.String() != tt.body {
				t.Errorf("got %d %q %s", w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
			}
			if tt.status == 503 && w.Header().Get("Retry-After") != "5" {
				t.Errorf("headers %v", w.Header())
			}
			if (len(s.ran()) == 1) != (tt.status == 200) {
				t.Error("whether the tool has run does not fit the status")
			}
		})
	}
}

// The caller as a tool sees it.
func TestCaller(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		token  []auth0test.TokenOption
		userID string
	}{
		{"user", []auth0test.TokenOption{auth0test.Subject("auth0|1")}, issuer + " auth0|1"},
		{"application", []auth0test.TokenOption{auth0test.Subject("c1@clients")}, issuer + " c1@clients"},
		{"client_id alone", []auth0test.TokenOption{auth0test.Claim("sub", nil), auth0test.Claim("client_id", "c1")}, issuer + " client:c1"},
		{"azp alone", []auth0test.TokenOption{auth0test.Claim("sub", nil), auth0test.Claim("azp", "c2")}, issuer + " client:c2"},
	} {
		for _, query := range []bool{false, true} {
			s := newServer(t, setup{config: func(c *auth0.APIConfig) {
				c.TokenExtractors = []auth0.TokenExtractor{auth0.FromHeader(), auth0.FromFunc(func(r *http.Request) (string, error) { return r.Header.Get("X-Token"), nil })}
			}})
			token := s.tenant.AccessToken(tt.token...)
			r := request(calling("open"), token)
			r.Header.Set("DPoP", "a proof")
			if query {
				r.Header.Del("Authorization")
				r.Header.Set("X-Token", token)
			}
			r.Header.Set("X-Other", "kept")
			sent := r.Header.Clone()
			w := s.do(r)
			ran := s.ran()
			if w.Code != 200 || len(ran) != 1 {
				t.Fatalf("%s: %d %s", tt.why, w.Code, w.Body)
			}
			got := ran[0]
			subject := ""
			if _, sub, ok := strings.Cut(tt.userID, " "); ok && !strings.HasPrefix(sub, "client:") {
				subject = sub
			}
			if got.userID != tt.userID || got.subject != subject || got.mine != subject || got.raw != token {
				t.Errorf("%s: got %+v", tt.why, got)
			}
			if got.ctxRaw {
				t.Errorf("%s: the context has the text of the token", tt.why)
			}
			part := token[len(token)-40:]
			for what, text := range map[string]string{"headers": got.headers, "fmt and JSON": got.rendered, "log": s.log.String()} {
				if strings.Contains(text, part) || strings.Contains(text, "a proof") {
					t.Errorf("%s: the token is in %s: %s", tt.why, what, text)
				}
			}
			if !strings.Contains(got.headers, "Bearer verified") || !strings.Contains(got.headers, "kept") {
				t.Errorf("%s: headers %s", tt.why, got.headers)
			}
			if fmt.Sprint(r.Header) != fmt.Sprint(sent) {
				t.Errorf("%s: the headers of the request have changed: %v", tt.why, r.Header)
			}
		}
	}
}

// A token bound to the client's key passes with a proof, and the SDK sees no difference.
func TestDPoP(t *testing.T) {
	t.Parallel()
	key := auth0test.NewProofKey()
	allowed := setup{config: func(c *auth0.APIConfig) {
		c.DPoP = auth0.DPoP{Mode: auth0.BindingAllowed, BaseURLs: []string{"https://mcp.acme.example"}}
	}}
	const (
		algs   = `, algs="ES256 ES384 EdDSA PS256 RS256"`
		bearer = `Bearer realm="api"` + end
		dpop   = `DPoP realm="api"` + algs + end
	)
	for _, tt := range []struct {
		why        string
		by         setup
		tool       string
		scheme     string
		proof      bool
		status     int
		challenges []string
	}{
		{"proof", allowed, "open", "DPoP", true, 200, nil},
		{"another case of the scheme", allowed, "open", "dpop", true, 200, nil},
		{"no proof", allowed, "open", "DPoP", false, 401, []string{bearer, `DPoP realm="api"` + algs + `, error="invalid_dpop_proof", error_description="DPoP proof invalid"` + end}},
		{"as a bearer token", allowed, "open", "Bearer", false, 401, []string{`Bearer realm="api", error="invalid_token", error_description="token is sender-constrained"` + end, dpop}},
		{"scope missing", allowed, "write", "DPoP", true, 403, []string{bearer, `DPoP realm="api"` + algs + `, error="insufficient_scope", error_description="insufficient scope", scope="read:x write:x"` + end}},
		{"permission missing", allowed, "admin", "DPoP", true, 403, nil},
		{"off", setup{}, "open", "Bearer", true, 401, []string{`Bearer realm="api", error="invalid_token", error_description="token is sender-constrained"` + end}},
		{"off, scheme DPoP", setup{}, "open", "DPoP", true, 401, []string{bearer}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tt.by)
			token := s.tenant.AccessToken(auth0test.BoundTo(key), auth0test.Scope("read:x"))
			r := request(calling(tt.tool), "")
			r.Header.Set("Authorization", tt.scheme+" "+token)
			proof := key.Proof("POST", audience, token)
			if tt.proof {
				r.Header.Set("DPoP", proof)
			}
			w := s.do(r)
			if got := w.Result().Header.Values("WWW-Authenticate"); w.Code != tt.status || !slices.Equal(got, tt.challenges) {
				t.Errorf("got %d %q %s", w.Code, got, w.Body)
			}
			ran := s.ran()
			if (len(ran) == 1) != (tt.status == 200) {
				t.Fatalf("ran %+v", ran)
			}
			if len(ran) == 1 && (ran[0].raw != token || strings.Contains(ran[0].headers, proof[len(proof)-40:])) {
				t.Errorf("the tool has seen %+v", ran[0])
			}
		})
	}
}

// A page of the server's site calls it with a session. The session has a token for the
// API, but no tool sees its text.
func TestSessionOfASite(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{})
	config := s.tenant.Config()
	config.Audience = audience
	strategy, err := auth0.New(config)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", strategy.Handler())
	mux.Handle("/mcp", s.api.RequireTokenOrSession(strategy)(s.handler))
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	s.tenant.LogIn("ada@acme.example")
	browser := s.tenant.Browser(mux)
	login, err := browser.Get(auth0test.AppURL + "/auth/login")
	if err != nil || login.StatusCode != 200 {
		t.Fatalf("%v, %v", login, err)
	}
	login.Body.Close()
	for tool, want := range map[string]int{"open": 200, "admin": 403} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", auth0test.AppURL+"/mcp", strings.NewReader(calling(tool)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = request("", "").Header
		r.Header.Set("Origin", auth0test.AppURL)
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		ran := s.ran()
		if err != nil || resp.StatusCode != want || (len(ran) == 1) != (want == 200) {
			t.Fatalf("%s: %s %s %v", tool, resp.Status, body, err)
		}
		if want == 200 && (ran[0].raw != "" || ran[0].ctxRaw || ran[0].mine == "" || ran[0].subject != ran[0].mine || ran[0].userID != issuer+" "+ran[0].mine || strings.Contains(ran[0].headers, "Cookie")) {
			t.Errorf("the tool has seen %+v", ran[0])
		}
	}
}

// One subject at two issuers means two users.
func TestTwoIssuers(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{config: func(c *auth0.APIConfig) {
		c.Issuers = []auth0.Issuer{{Domain: "https://id.example", JWKSURI: issuer + ".well-known/jwks.json"}}
	}})
	for _, token := range []string{s.tenant.AccessToken(auth0test.Subject("u")), s.tenant.AccessToken(auth0test.Subject("u"), auth0test.Claim("iss", "https://id.example"))} {
		if w := s.do(request(calling("open"), token)); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	ran := s.ran()
	if ran[0].userID != issuer+" u" || ran[1].userID != "https://id.example u" {
		t.Errorf("got %q and %q", ran[0].userID, ran[1].userID)
	}
}

// A session belongs to the user who began it.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{stateful: true})
	ada, bob := s.tenant.AccessToken(auth0test.Subject("auth0|ada")), s.tenant.AccessToken(auth0test.Subject("auth0|bob"))
	w := s.do(request(initialize, ada))
	id := w.Header().Get("Mcp-Session-Id")
	if w.Code != 200 || id == "" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	in := func(method, body, token, session string) *httptest.ResponseRecorder {
		r := request(body, token)
		r.Method = method
		r.Header.Set("Mcp-Session-Id", session)
		r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		return s.do(r)
	}
	if w := in("POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, ada, id); w.Code != 202 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	newer := s.tenant.AccessToken(auth0test.Subject("auth0|ada"), auth0test.Scope("read:x"))
	old := s.tenant.AccessToken(auth0test.Subject("auth0|ada"), auth0test.ExpiresIn(-time.Minute))
	for _, tt := range []struct {
		why, method, body, token, session string
		status                            int
		ran                               bool
	}{
		{"owner", "POST", calling("open"), ada, id, 200, true},
		{"owner with a newer token", "POST", calling("read"), newer, id, 200, true},
		{"owner with the old token again", "POST", calling("read"), ada, id, 403, false},
		{"expired token", "POST", calling("open"), old, id, 401, false},
		{"new token after that", "POST", calling("read"), newer, id, 200, true},
		{"another user", "POST", calling("open"), bob, id, 403, false},
		{"another user ends it", "DELETE", "", bob, id, 403, false},
		{"unknown session", "POST", calling("open"), ada, "unknown", 404, false},
		{"nobody", "DELETE", "", "", id, 401, false},
		{"owner ends it", "DELETE", "", ada, id, 204, false},
		{"it is over", "POST", calling("open"), ada, id, 404, false},
	} {
		w := in(tt.method, tt.body, tt.token, tt.session)
		ran := s.ran()
		if w.Code != tt.status || (len(ran) == 1) != tt.ran {
			t.Errorf("%s: %d %s, ran %v", tt.why, w.Code, w.Body, ran)
		}
		if tt.ran && (ran[0].raw != tt.token || ran[0].subject != "auth0|ada") {
			t.Errorf("%s: the tool has seen another token: %+v", tt.why, ran[0])
		}
	}
}

// Without the Middleware, a tool of a later request cannot mistake the first request's
// token for its own. A function that chooses a server sees the token of its request.
func TestContextOfASession(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{stateful: true, unwatched: true})
	var chosen []string
	s.handler = s.guard.Handler(mcp.NewStreamableHTTPHandler(func(r *http.Request) *mcp.Server {
		token, _ := auth0.TokenFrom(r.Context())
		raw, _ := auth0.AccessTokenFrom(r.Context())
		chosen = append(chosen, token.Subject()+" "+raw)
		return s.mcp
	}, &mcp.StreamableHTTPOptions{JSONResponse: true}))
	token := s.tenant.AccessToken(auth0test.Subject("auth0|ada"))
	w := s.do(request(initialize, token))
	r := request(calling("open"), token)
	r.Header.Set("Mcp-Session-Id", w.Header().Get("Mcp-Session-Id"))
	s.do(request(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, token))
	if w := s.do(r); w.Code != 200 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if ran := s.ran(); len(ran) != 1 || ran[0].subject != "" || ran[0].ctxRaw || ran[0].mine != "auth0|ada" || ran[0].raw != token {
		t.Errorf("got %+v", ran)
	}
	if len(chosen) == 0 || slices.ContainsFunc(chosen, func(c string) bool { return c != "auth0|ada "+token }) {
		t.Errorf("servers were chosen for %q", chosen)
	}
}

// An open stream outlives its token, and the next request requires another token.
func TestStreamOutlivesToken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var clock sync.Mutex
	s := newServer(t, setup{stateful: true, config: func(c *auth0.APIConfig) {
		c.Now = func() time.Time {
			clock.Lock()
			defer clock.Unlock()
			return now
		}
	}})
	web := httptest.NewServer(s.handler)
	defer web.Close()
	token := s.tenant.AccessToken()
	send := func(method, body, session string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, web.URL+"/mcp", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = request("", token).Header
		r.Header.Set("Mcp-Session-Id", session)
		if session == "" {
			r.Header.Del("Mcp-Session-Id")
		}
		resp, err := web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first := send("POST", initialize, "")
	first.Body.Close()
	id := first.Header.Get("Mcp-Session-Id")
	send("POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, id).Body.Close()
	stream := send("GET", "", id)
	defer stream.Body.Close()
	if stream.StatusCode != 200 || stream.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %v", stream.StatusCode, stream.Header)
	}
	clock.Lock()
	now = now.Add(2 * time.Hour)
	clock.Unlock()
	next := send("POST", calling("open"), id)
	next.Body.Close()
	if next.StatusCode != 401 || len(s.ran()) != 0 {
		t.Errorf("got %d", next.StatusCode)
	}
	// The stream still carries the server's messages.
	mcp.AddTool(s.mcp, &mcp.Tool{Name: "later"}, s.call)
	buffer := make([]byte, 4096)
	var text string
	for !strings.Contains(text, "notifications/tools/list_changed") {
		n, err := stream.Body.Read(buffer)
		if text += string(buffer[:n]); err != nil {
			t.Fatalf("%v after %q", err, text)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why   string
		token []auth0test.TokenOption
		edit  func(*mcpauth.Options)
		want  []string
	}{
		{"no scope", nil, nil, []string{"both", "open", "read", "write"}},
		{"a permission", []auth0test.TokenOption{auth0test.Permissions("p")}, nil, []string{"both", "mixed", "open", "read", "write"}},
		{"scopes and permissions", []auth0test.TokenOption{auth0test.Scope("read:x", "write:x"), auth0test.Permissions("p", "q")}, nil, []string{"admin", "both", "mixed", "open", "read", "write"}},
		{"unlisted accepted", nil, func(o *mcpauth.Options) { o.AcceptUnlisted = true }, []string{"both", "open", "read", "unlisted", "write"}},
		{"none", nil, func(o *mcpauth.Options) { o.Tools = nil }, []string{}},
	} {
		s := newServer(t, setup{options: tt.edit})
		w := s.do(request(list, s.tenant.AccessToken(tt.token...)))
		var got struct {
			Result struct {
				Tools      []struct{ Name string }
				CacheScope string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Result.CacheScope != "private" || got.Result.Tools == nil {
			t.Errorf("%s: %v, %s", tt.why, err, w.Body)
		}
		names := []string{}
		for _, tool := range got.Result.Tools {
			names = append(names, tool.Name)
		}
		if !slices.Equal(names, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.why, names, tt.want)
		}
	}
}

// The Middleware decides alone where no handler has decided.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{options: func(o *mcpauth.Options) { o.Scopes, o.AcceptUnlisted = []string{"base"}, true }})
	bare := auth.RequireBearerToken(mcpauth.TokenVerifier(s.api), nil)(s.sdk)
	for _, tt := range []struct {
		why, tool string
		h         http.Handler
		token     []auth0test.TokenOption
		answer    string // part of the body
		ran       bool
	}{
		{"no token at all", "open", s.sdk, nil, `"error":{"code":-32010,"message":"authentication required","data":{"error":"unauthorized"}}`, false},
		{"scope", "read", bare, []auth0test.TokenOption{auth0test.Scope("base", "read:x")}, "done read", true},
		{"scope missing", "write", bare, []auth0test.TokenOption{auth0test.Scope("base", "read:x")},
			`"error":{"code":-32010,"message":"insufficient scope","data":{"error":"insufficient_scope","scope":"base read:x write:x"}}`, false},
		{"scope of every request missing", "open", bare, nil, `"data":{"error":"insufficient_scope","scope":"base"}`, false},
		{"permission missing", "admin", bare, []auth0test.TokenOption{auth0test.Scope("base")}, `"data":{"error":"access_denied"}`, false},
	} {
		w := httptest.NewRecorder()
		tt.h.ServeHTTP(w, request(calling(tt.tool), s.tenant.AccessToken(tt.token...)))
		ran := len(s.ran()) > 0
		if w.Code != 200 || !strings.Contains(w.Body.String(), tt.answer) || ran != tt.ran {
			t.Errorf("%s: %d %s, ran %v", tt.why, w.Code, w.Body, ran)
		}
	}
	w := httptest.NewRecorder()
	s.sdk.ServeHTTP(w, request(list, ""))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"tools":[]`) {
		t.Errorf("the list for nobody: %d %s", w.Code, w.Body)
	}
}

func TestTokenVerifier(t *testing.T) {
	t.Parallel()
	var deny error
	s := newServer(t, setup{config: func(c *auth0.APIConfig) {
		c.Validate = func(context.Context, *auth0.Token) error { return deny }
	}})
	h := auth.RequireBearerToken(mcpauth.TokenVerifier(s.api), &auth.RequireBearerTokenOptions{ResourceMetadataURL: metadataURL})(s.sdk)
	send := func(token string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(calling("open"), token))
		return w
	}
	good := s.tenant.AccessToken()
	for _, tt := range []struct {
		why    string
		token  string
		deny   error
		status int
		body   string
	}{
		{"good", good, nil, 200, "done open"},
		{"expired", s.tenant.AccessToken(auth0test.ExpiresIn(-time.Hour)), nil, 401, "invalid token: token expired\n"},
		{"malformed", "a.b", nil, 401, "invalid token: token malformed\n"},
		{"bound to a key", s.tenant.AccessToken(auth0test.Claim("cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})), nil, 401, "invalid token: token is sender-constrained\n"},
		{"of nobody", s.tenant.AccessToken(auth0test.Claim("sub", nil), auth0test.Claim("azp", nil)), nil, 401, "invalid token: token claims invalid\n"},
		{"denied", good, fmt.Errorf("secret: %w", auth0.ErrForbidden), 400, "oauth error: not allowed\n"},
		{"outage", good, fmt.Errorf("secret: %w", auth0.ErrStoreUnavailable), 500, "we cannot answer this right now. Try again in a minute\n"},
	} {
		deny = tt.deny
		if w := send(tt.token); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || tt.status != 200 && w.Body.String() != tt.body {
			t.Errorf("%s: %d %q", tt.why, w.Code, w.Body)
		}
	}
	if ran := s.ran(); len(ran) != 1 || ran[0].raw != good || ran[0].userID == "" || ran[0].subject == "" {
		t.Errorf("the tool has seen %+v", ran)
	}
}

// Requests that passed no guard have no token.
func TestNoCaller(t *testing.T) {
	t.Parallel()
	for why, req := range map[string]mcp.Request{
		"nil": nil, "no extra": &mcp.CallToolRequest{}, "of a client": &mcp.ElicitRequest{},
		"no token":      &mcp.CallToolRequest{Extra: &mcp.RequestExtra{}},
		"foreign token": &mcp.CallToolRequest{Extra: &mcp.RequestExtra{TokenInfo: &auth.TokenInfo{UserID: "u", Extra: map[string]any{"auth0": "x"}}}},
	} {
		if token, ok := mcpauth.TokenFrom(req); token != nil || ok {
			t.Errorf("%s: %v", why, token)
		}
		if raw, ok := mcpauth.AccessTokenFrom(req); raw != "" || ok {
			t.Errorf("%s: a text", why)
		}
	}
}

// A Guard not made by New rejects everything.
func TestZeroGuard(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{})
	var zero mcpauth.Guard
	s.handler = zero.Handler(s.sdk)
	if w := s.do(request(calling("open"), s.tenant.AccessToken())); w.Code != 401 || len(s.ran()) != 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	inside := zero.Middleware(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		t.Error("the tool was called")
		return nil, nil
	})
	if _, err := inside(t.Context(), "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "open"}}); err == nil {
		t.Error("no error")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{})
	_, err := mcpauth.New(nil, mcpauth.Options{
		Scopes: []string{"a b", ""}, MaxBody: -1,
		Tools: map[string]mcpauth.Need{"": {}, "x": {Scopes: []string{`a"`}, Permissions: []string{"\n"}}, "y": {Permissions: []string{"é"}}},
	})
	want := []string{
		"mcpauth: the API is nil; make one with auth0.NewAPI",
		"mcpauth: Options.MaxBody -1 is negative",
		`mcpauth: Options.Scopes: "a b" is empty or has`,
		`mcpauth: Options.Scopes: "" is empty or has`,
		"mcpauth: Options.Tools has a tool without a name",
		`mcpauth: Options.Tools["x"].Scopes: "a\"" is empty or has`,
		`mcpauth: Options.Tools["x"].Permissions: "\n" is empty or has`,
		`mcpauth: Options.Tools["y"].Permissions: "é" is empty or has`,
	}
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %q", lines)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("got %q, want %q", line, want[i])
		}
	}
	// Later changes by the program do not reach a guard.
	o := options()
	o.Scopes = []string{"base"}
	guard, err := mcpauth.New(s.api, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Scopes[0], o.Tools["read"].Scopes[0] = "x", "x"
	delete(o.Tools, "open")
	s.handler = guard.Handler(s.sdk)
	for _, tool := range []string{"open", "read"} {
		if w := s.do(request(calling(tool), s.tenant.AccessToken(auth0test.Scope("base", "read:x")))); w.Code != 200 {
			t.Errorf("%s: %d %s", tool, w.Code, w.Body)
		}
	}
}
