package mcpauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/mcpauth"
)

// An MCP server whose tools need different tokens.
func Example() {
	api, err := auth0.NewAPI(auth0.APIConfig{
		Domain:          "acme.eu.auth0.com",
		Audience:        "https://mcp.example.com/mcp", // the URL of the server
		MetadataURL:     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
		ScopesSupported: []string{"read:notes", "write:notes"},
		ResourceName:    "Notes",
	})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := mcpauth.New(api, mcpauth.Options{
		Scopes: []string{"read:notes"},
		Tools: map[string]mcpauth.Need{
			"list_notes":   {},
			"add_note":     {Scopes: []string{"write:notes"}},
			"delete_notes": {Permissions: []string{"delete:notes"}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	server.AddReceivingMiddleware(guard.Middleware)
	mcp.AddTool(server, &mcp.Tool{Name: "list_notes", Description: "Lists your notes"}, listNotes)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)

	mux := http.NewServeMux()
	mux.Handle("/mcp", guard.Handler(handler))
	mux.Handle("/.well-known/oauth-protected-resource/mcp", api.MetadataHandler())
	log.Fatal(http.ListenAndServe("localhost:3001", mux))
}

func listNotes(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	token, _ := auth0.TokenFrom(ctx)
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "notes of " + token.Subject()}}}, nil, nil
}

// A tool calls another API on behalf of the user. The application is registered at the
// tenant and may exchange tokens.
func ExampleAccessTokenFrom() {
	var app *auth0.Application
	tool := func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		text, ok := mcpauth.AccessTokenFrom(req)
		if !ok {
			return nil, nil, auth0.ErrNoToken
		}
		token, err := app.ExchangeToken(ctx, auth0.TokenExchange{
			SubjectToken: text,
			Audience:     "https://calendar.example.com/",
			Scopes:       []string{"read:events"},
		})
		if err != nil {
			return nil, nil, err
		}
		return nil, fmt.Sprint(token.Expiry), nil // call the API with token.AccessToken
	}
	mcp.AddTool(mcp.NewServer(&mcp.Implementation{Name: "notes"}, nil), &mcp.Tool{Name: "events"}, tool)
}

// The SDK's own middleware, for a program that cannot use [mcpauth.Guard.Handler].
func ExampleTokenVerifier() {
	var api *auth0.API
	var handler http.Handler
	guarded := auth.RequireBearerToken(mcpauth.TokenVerifier(api), &auth.RequireBearerTokenOptions{
		ResourceMetadataURL: "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
	})
	http.Handle("/mcp", guarded(handler))
}
