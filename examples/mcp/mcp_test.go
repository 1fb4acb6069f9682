package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// start starts the server and its tenant, and returns the URL of the endpoint.
func start(t *testing.T, user string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	base := "http://localhost:" + port
	tenant, err := embedded(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tenant.Close() })
	tenant.LogIn(user)
	handler, err := newHandler(configFor(tenant.APIConfig(base+endpoint), tenant.URL()), base)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return base + endpoint
}

// A browser opens the URLs of a client, and records the scopes of each login.
type browser struct {
	t      *testing.T
	mu     sync.Mutex
	scopes []string
	done   sync.WaitGroup
}

// logins returns the scopes of all logins.
func (b *browser) logins() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.scopes, ", ")
}

func (b *browser) open(at string) {
	u, err := url.Parse(at)
	if err != nil {
		b.t.Error(err)
		return
	}
	scopes := strings.Fields(u.Query().Get("scope"))
	slices.Sort(scopes)
	b.mu.Lock()
	b.scopes = append(b.scopes, strings.Join(scopes, " "))
	b.mu.Unlock()
	b.done.Go(func() {
		resp, err := http.Get(at)
		if err != nil {
			b.t.Error(err)
			return
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "You can close this page.\n" {
			b.t.Errorf("the login has ended at %s with %s: %v", resp.Request.URL.Path, resp.Status, err)
		}
	})
}

func TestLoginAndStepUp(t *testing.T) {
	t.Parallel()
	for user, mayDelete := range map[string]bool{writer: false, owner: true} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			b := &browser{t: t}
			c, err := connect(t.Context(), start(t, user), b.open)
			if err != nil {
				t.Fatal(err)
			}
			defer b.done.Wait()
			defer c.Close()
			tools, err := c.session.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, tool := range tools.Tools {
				names = append(names, tool.Name)
			}
			want := []string{"add_note", "list_notes"}
			if mayDelete {
				want = []string{"add_note", "delete_notes", "list_notes"}
			}
			if !slices.Equal(names, want) {
				t.Errorf("tools %q, want %q", names, want)
			}
			for _, step := range []struct{ tool, answer, scopes string }{
				{"list_notes", "0 notes: ", "read:notes"},
				{"add_note", "added", "read:notes, read:notes write:notes"},
				{"list_notes", "1 notes: buy milk", "read:notes, read:notes write:notes"},
			} {
				answer, err := c.call(t.Context(), step.tool)
				if scopes := b.logins(); err != nil || answer != step.answer || scopes != step.scopes {
					t.Errorf("%s: %q, %v, after logins for %s", step.tool, answer, err, scopes)
				}
			}
			answer, err := c.call(t.Context(), "delete_notes")
			refused, _ := errors.AsType[*jsonrpc.Error](err)
			if mayDelete && (err != nil || answer != "deleted") || !mayDelete && (refused == nil || refused.Message != "not allowed") {
				t.Errorf("delete_notes: %q, %v", answer, err)
			}
			if _, err := c.call(t.Context(), "list_notes"); err != nil || b.logins() != "read:notes, read:notes write:notes" {
				t.Errorf("after that: %v, logins for %s", err, b.logins())
			}
		})
	}
}

// Without a token, the server says how to get one.
func TestNoToken(t *testing.T) {
	t.Parallel()
	server := start(t, writer)
	resp, err := http.Post(server, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	base := strings.TrimSuffix(server, endpoint)
	want := `Bearer realm="api", scope="read:notes", resource_metadata="` + base + `/.well-known/oauth-protected-resource/mcp"`
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || got != want {
		t.Errorf("got %s %s, want %s", resp.Status, got, want)
	}
}
