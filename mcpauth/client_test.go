package mcpauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/mcpauth"
)

// A network connects a client to the tenant, and to one handler at the host of the
// audience.
type network struct {
	tenant  http.RoundTripper
	handler http.Handler

	mu       sync.Mutex
	requests []string // status, method and path of each, and the content of a challenge
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "mcp.acme.example" {
		return n.tenant.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	inbound := r.Clone(r.Context())
	inbound.RequestURI = r.URL.RequestURI()
	n.handler.ServeHTTP(w, inbound)
	n.mu.Lock()
	n.requests = append(n.requests, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", w.Code, r.Method, r.URL.Path, w.Header().Get("WWW-Authenticate"))))
	n.mu.Unlock()
	return w.Result(), nil
}

func (n *network) refusals() (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.requests {
		if strings.HasPrefix(line, "40") && !strings.HasPrefix(line, "405") {
			list = append(list, line)
		}
	}
	n.requests = nil
	return list
}

// The SDK's client finds the tenant by the 401, registers, logs in with PKCE, and gets a
// further scope when a tool requires it.
func TestClient(t *testing.T) {
	t.Parallel()
	s := newServer(t, setup{stateful: true, options: func(o *mcpauth.Options) { o.Scopes = []string{"read:x"} }, config: func(c *auth0.APIConfig) {
		c.AuthorizationServers = []string{strings.TrimSuffix(issuer, "/")} // the SDK's client builds no URL from one with a slash
	}})
	s.tenant.AllowThirdParties(audience, "read:x", "write:x")
	s.tenant.AddUser(auth0test.User{Connection: "Username-Password-Authentication", Email: "joan@acme.example",
		Permissions: map[string][]string{audience: {"read:x", "write:x", "p"}}})
	s.tenant.LogIn("joan@acme.example")
	mux := http.NewServeMux()
	mux.Handle("/mcp", s.handler)
	mux.Handle("/.well-known/oauth-protected-resource/mcp", s.api.MetadataHandler())
	net := &network{tenant: s.tenant.Config().HTTPClient.Transport, handler: mux}
	client := &http.Client{Transport: net}

	const callback = "http://127.0.0.1:8765/callback"
	var logins []url.Values
	oauth, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			RedirectURIs: []string{callback}, ClientName: "Editor", TokenEndpointAuthMethod: "none",
		}},
		AuthorizationCodeFetcher: func(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			at, err := url.Parse(args.URL)
			if err != nil {
				return nil, err
			}
			logins = append(logins, at.Query())
			answer, err := follow(client, args.URL, callback)
			if err != nil {
				return nil, err
			}
			return &auth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
		},
		Client: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: audience, HTTPClient: client, OAuthHandler: oauth, DisableStandaloneSSE: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	call := func(tool string) (string, error) {
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool})
		if err != nil {
			return "", err
		}
		return result.Content[0].(*mcp.TextContent).Text, nil
	}

	missing := `401 POST /mcp Bearer realm="api", scope="read:x"` + end
	if got := net.refusals(); len(got) != 1 || got[0] != missing {
		t.Errorf("refused while connecting: %q", got)
	}
	if len(logins) != 1 || logins[0].Get("scope") != "read:x" || logins[0].Get("resource") != audience || logins[0].Get("code_challenge_method") != "S256" {
		t.Errorf("logins: %v", logins)
	}
	tools, err := session.ListTools(t.Context(), nil)
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
	}
	if err != nil || !slices.Equal(names, []string{"both", "mixed", "open", "read", "write"}) {
		t.Errorf("tools: %q, %v", names, err)
	}
	if text, err := call("open"); text != "done open" || err != nil {
		t.Errorf("open: %q, %v", text, err)
	}
	if got := net.refusals(); got != nil {
		t.Errorf("refused: %q", got)
	}

	text, err := call("write")
	if text != "done write" || err != nil {
		t.Errorf("write: %q, %v", text, err)
	}
	challenge, _ := lacks("read:x write:x")
	if got := net.refusals(); len(got) != 1 || got[0] != "403 POST /mcp "+challenge {
		t.Errorf("refused: %q", got)
	}
	if len(logins) != 2 || !slices.Equal(slices.Sorted(slices.Values(strings.Fields(logins[1].Get("scope")))), []string{"read:x", "write:x"}) {
		t.Errorf("logins: %v", logins)
	}
	if text, err := call("read"); text != "done read" || err != nil {
		t.Errorf("a tool of the first scope: %q, %v", text, err)
	}

	// A missing permission is not a reason to log in, and the session continues.
	_, err = call("admin")
	var refused *jsonrpc.Error
	if !errors.As(err, &refused) || refused.Code != -32010 || refused.Message != "not allowed" || len(logins) != 2 {
		t.Errorf("admin: %v, %d logins", err, len(logins))
	}
	if text, err := call("open"); text != "done open" || err != nil {
		t.Errorf("after a refusal: %q, %v", text, err)
	}
	if subjects := s.ran(); len(subjects) != 4 || slices.ContainsFunc(subjects, func(c seen) bool { return c.userID != subjects[0].userID || c.subject == "" }) {
		t.Errorf("tools have seen %+v", subjects)
	}
}

// follow opens a URL and follows redirects until one leads to the callback.
func follow(client *http.Client, at, callback string) (url.Values, error) {
	var answer url.Values
	stop := *client
	stop.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			answer = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}
	resp, err := stop.Get(at)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if answer == nil {
		return nil, fmt.Errorf("the tenant has answered %s at %s", resp.Status, resp.Request.URL)
	}
	return answer, nil
}
