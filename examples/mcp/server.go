package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/mcpauth"
)

const (
	endpoint    = "/mcp"
	readNotes   = "read:notes"
	writeNotes  = "write:notes"
	deleteNotes = "delete:notes"
)

// newHandler returns the server: its endpoint, and the metadata by which clients find
// the tenant.
func newHandler(config auth0.APIConfig, base string) (http.Handler, error) {
	const wellKnown = "/.well-known/oauth-protected-resource" + endpoint
	config.MetadataURL = base + wellKnown
	config.ScopesSupported = []string{readNotes, writeNotes}
	config.ResourceName = "Notes"
	api, err := auth0.NewAPI(config)
	if err != nil {
		return nil, err
	}
	guard, err := mcpauth.New(api, mcpauth.Options{
		Scopes: []string{readNotes}, // of the first login
		Tools: map[string]mcpauth.Need{
			"list_notes":   {},
			"add_note":     {Scopes: []string{writeNotes}},
			"delete_notes": {Permissions: []string{deleteNotes}},
		},
	})
	if err != nil {
		return nil, err
	}

	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	server.AddReceivingMiddleware(guard.Middleware)
	n := &notes{of: map[string][]string{}}
	mcp.AddTool(server, &mcp.Tool{Name: "list_notes", Description: "Lists your notes"}, n.list)
	mcp.AddTool(server, &mcp.Tool{Name: "add_note", Description: "Adds a note"}, n.add)
	mcp.AddTool(server, &mcp.Tool{Name: "delete_notes", Description: "Deletes the notes of all users"}, n.delete)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)

	mux := http.NewServeMux()
	mux.Handle(endpoint, http.NewCrossOriginProtection().Handler(guard.Handler(handler)))
	mux.Handle(wellKnown, api.MetadataHandler())
	return mux, nil
}

// Notes are the notes of each user.
type notes struct {
	mu sync.Mutex
	of map[string][]string
}

// user returns the user of a call. A subject is unique only within its issuer.
func user(ctx context.Context) string {
	token, _ := auth0.TokenFrom(ctx) // the guard has checked that there is one
	return token.Issuer() + " " + token.Subject()
}

func (n *notes) list(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return text("%d notes: %s", len(n.of[user(ctx)]), strings.Join(n.of[user(ctx)], ", "))
}

type newNote struct {
	Text string `json:"text" jsonschema:"the text of the note"`
}

func (n *notes) add(ctx context.Context, _ *mcp.CallToolRequest, note newNote) (*mcp.CallToolResult, any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	const limit = 100
	if mine := n.of[user(ctx)]; len(mine) == limit || len(note.Text) > 1000 {
		return nil, nil, fmt.Errorf("a user can have %d notes of 1,000 bytes", limit)
	}
	n.of[user(ctx)] = append(n.of[user(ctx)], note.Text)
	return text("added")
}

func (n *notes) delete(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.of)
	return text("deleted")
}

func text(format string, args ...any) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}, nil, nil
}
