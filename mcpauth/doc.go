// Package mcpauth protects an MCP server with access tokens of Auth0. The server uses
// the Go SDK of the Model Context Protocol, github.com/modelcontextprotocol/go-sdk.
//
//	const audience = "https://mcp.example.com/mcp" // the URL of the server
//
//	api, err := auth0.NewAPI(auth0.APIConfig{
//		Domain:          "acme.eu.auth0.com",
//		Audience:        audience,
//		MetadataURL:     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
//		ScopesSupported: []string{"read:notes", "write:notes"},
//	})
//	...
//	guard, err := mcpauth.New(api, mcpauth.Options{
//		Scopes: []string{"read:notes"}, // of every request
//		Tools: map[string]mcpauth.Need{
//			"list_notes":   {},
//			"add_note":     {Scopes: []string{"write:notes"}},
//			"delete_notes": {Permissions: []string{"delete:notes"}},
//		},
//	})
//	...
//	server := mcp.NewServer(&mcp.Implementation{Name: "notes"}, nil)
//	server.AddReceivingMiddleware(guard.Middleware)
//	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
//
//	mux := http.NewServeMux()
//	mux.Handle("/mcp", guard.Handler(handler))
//	mux.Handle("/.well-known/oauth-protected-resource/mcp", api.MetadataHandler())
//
// A guard has two sides, and a server needs both. [Guard.Handler] decides about HTTP
// requests, before the SDK sees them. [Guard.Middleware] decides again inside the SDK,
// hides the tools that a user may not call, and passes the caller's token to the tools.
//
// # How a client gets a token
//
// A client without a token gets 401. The challenge names the URL of the metadata and the
// scopes for a first token (RFC 9728, Section 5.1). The metadata name the tenant. The
// client registers there, sends the user to log in, and calls again with the token. If a
// tool needs another scope, the answer is 403 with the code insufficient_scope. The
// challenge names the scopes for the next token: the missing ones, and those of the old
// token that the Options name. So a client that requests a new token loses no scope.
// Therefore name every scope that a tool checks in the Options.
//
// If a permission is missing, or the tool is not in the Options, no other token would
// help. The answer is then 403 with the code access_denied, and a client does not send
// the user to log in again.
//
// The guide docs/mcp.md of the repository describes the settings of the tenant, and the
// meaning of each refusal.
//
// # In a tool
//
// The Middleware gives a tool a context with the token of the call, for
// [auth0.TokenFrom] and [auth0.Claims]. [TokenFrom] and [AccessTokenFrom] of this
// package read the token from the request of the call. The text of the token is a
// secret. Only AccessTokenFrom returns it, for example to call another API on behalf of
// the user, see [auth0.TokenExchange]. The headers that a tool sees do not contain it.
//
// A session of the SDK belongs to one user of one issuer: the SDK answers a request of
// another user with 403. A session outlives its token. After the token has expired, the
// next request gets 401, and continues in the same session with a new token. An open
// stream stays open.
//
// # What the guard leaves to you
//
// The guard decides about tools. For prompts, resources and the other methods, a token
// with the scopes of [Options] suffices.
//
// The guard does not check the Origin header. A browser sends no token by itself. Only a
// server on a user's machine, or one that accepts a site's session, needs more than the
// token: wrap it in [http.CrossOriginProtection]. For clients in browsers put CORS
// middleware around the guard, because a preflight request has no token. It must let
// scripts read the header WWW-Authenticate.
//
// Other guards of the API go outside:
//
//	mux.Handle("/mcp", api.RequireOrganization("org_1")(guard.Handler(handler)))
//
// Then the outermost guard answers a request without a token. Its challenge names no
// scopes, unless auth0.APIConfig.ChallengeScopes is set.
package mcpauth
