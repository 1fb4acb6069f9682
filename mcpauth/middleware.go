package mcpauth

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-15d5a55c/auth0"
)

// Middleware is an mcp.Middleware for the messages that a server receives:
//
//	server.AddReceivingMiddleware(guard.Middleware)
//
// It decides about each call of a tool as [Guard.Handler] does, by the name that the SDK
// has parsed. A refusal is a JSON-RPC error with the code -32010. Its data are the error
// code and the scopes of the challenge.
//
// It removes from the answer to tools/list the tools that the user may not call, and
// marks the list as private. A tool for which only a scope is missing stays in the list:
// a client gets the scope when it calls the tool, and it calls only listed tools.
//
// It gives next a context with the token of the message, for [auth0.TokenFrom] and
// [auth0.Claims], but without its text: see [AccessTokenFrom]. If the message has no
// token, because its transport is not guarded, no tool can be called, and the list of
// tools is empty.
func (g *Guard) Middleware(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		token, ok := TokenFrom(req)
		if ok {
			ctx = auth0.ContextWithToken(ctx, token)
		}
		switch method {
		case "tools/call":
			params, known := req.GetParams().(*mcp.CallToolParamsRaw)
			if !ok || !known || params == nil {
				return nil, rpcError(&auth0.Error{Code: "unauthorized", Description: "authentication required"})
			}
			if err := g.decide(token, params.Name); err != nil {
				return nil, rpcError(err)
			}
		case "tools/list":
			result, err := next(ctx, method, req)
			if err != nil {
				return nil, err
			}
			list, known := result.(*mcp.ListToolsResult)
			if !known || list == nil {
				return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
			}
			return g.shorten(list, token), nil
		}
		return next(ctx, method, req)
	}
}

// shorten returns a list without the tools for which no other token of the user would
// help. The list is valid for that user only, so no cache may share it.
func (g *Guard) shorten(list *mcp.ListToolsResult, token *auth0.Token) *mcp.ListToolsResult {
	shorter := *list
	shorter.CacheScope = "private"
	shorter.Tools = []*mcp.Tool{}
	for _, tool := range list.Tools {
		if token != nil && !isFinal(g.decide(token, tool.Name)) {
			shorter.Tools = append(shorter.Tools, tool)
		}
	}
	return &shorter
}

// isFinal reports whether an error of decide applies to every token of the user.
func isFinal(err error) bool {
	e, _ := errors.AsType[*auth0.Error](err)
	return e != nil && e.Code != "insufficient_scope"
}
