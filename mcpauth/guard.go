package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-15d5a55c/auth0"
)

// Options list the requirements for requests to an MCP server. With the zero value, no
// tool can be called.
type Options struct {
	// Scopes are required of every request, whatever its method. The first 401 of a
	// client names them, so a client requests them with its first token.
	Scopes []string
	// Tools are the tools by name, with the requirements of each in addition to Scopes.
	Tools map[string]Need
	// AcceptUnlisted lets a token with Scopes call any tool that is not in Tools. By
	// default that call is rejected, so that a tool added later is not open by mistake.
	AcceptUnlisted bool
	// MaxBody is the largest accepted body of a request, in bytes. A larger one gets
	// 413. The SDK has its own limit, mcp.StreamableHTTPOptions.MaxRequestBodyBytes.
	// Default: 1 MiB.
	MaxBody int64
}

// A Need lists the scopes and the permissions that a tool requires, all of them.
// Permissions are the claim of that name, which Auth0 adds to the tokens of APIs with
// role-based access control. The zero value requires only a valid token.
type Need struct{ Scopes, Permissions []string }

// A Guard protects an MCP server. Create it with [New]. Its methods can be called
// concurrently.
type Guard struct {
	api      *auth0.API
	scopes   []string
	tools    map[string]Need
	unlisted bool
	maxBody  int64
	known    []string // all scopes of the Options, sorted
}

// New checks the options and returns a Guard. The error lists every mistake.
func New(api *auth0.API, o Options) (*Guard, error) {
	g := &Guard{api: api, scopes: slices.Clone(o.Scopes), tools: map[string]Need{}, unlisted: o.AcceptUnlisted, maxBody: o.MaxBody}
	if g.maxBody == 0 {
		g.maxBody = 1 << 20
	}
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("mcpauth: "+format, args...)) }
	if api == nil {
		add("the API is nil; make one with auth0.NewAPI")
	}
	if o.MaxBody < 0 {
		add("Options.MaxBody %d is negative", o.MaxBody)
	}
	checkNames(add, "Options.Scopes", o.Scopes)
	known := slices.Clone(o.Scopes)
	for _, name := range slices.Sorted(maps.Keys(o.Tools)) {
		need := o.Tools[name]
		if name == "" {
			add("Options.Tools has a tool without a name")
		}
		checkNames(add, fmt.Sprintf("Options.Tools[%q].Scopes", name), need.Scopes)
		checkNames(add, fmt.Sprintf("Options.Tools[%q].Permissions", name), need.Permissions)
		g.tools[name] = Need{slices.Clone(need.Scopes), slices.Clone(need.Permissions)}
		known = append(known, need.Scopes...)
	}
	slices.Sort(known)
	g.known = slices.Compact(known)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return g, nil
}

func checkNames(add func(format string, args ...any), field string, names []string) {
	for _, name := range names {
		if !isName(name) {
			add("%s: %q is empty or has characters that a scope cannot have (RFC 6749, Section 3.3)", field, name)
		}
	}
}

// isName reports whether a text can stand in a challenge unescaped. It is a scope-token
// of RFC 6749, Section 3.3.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
}

// decide returns nil if a token may call all of the tools. Its errors are those of the
// answer: their texts are constants, and their causes are for the log.
func (g *Guard) decide(t *auth0.Token, tools ...string) error {
	missing := lacking(g.scopes, t.HasScope)
	for _, tool := range tools {
		need, listed := g.tools[tool]
		if !listed && !g.unlisted {
			return refused("access_denied", "forbidden", "not allowed", "", "the tool %.100q is not in Options.Tools", tool)
		}
		if lacks := lacking(need.Permissions, t.HasPermission); lacks != nil {
			return refused("access_denied", "insufficient_permissions", "not allowed", "", "the tool %.100q needs the permissions %.200q, and the token has only %.200q", tool, lacks, slices.Collect(t.Permissions()))
		}
		missing = append(missing, lacking(need.Scopes, t.HasScope)...)
	}
	if missing == nil {
		return nil
	}
	// With the missing scopes alone, the client's next token would lose scopes for other
	// tools. Scopes that the Options do not name are not repeated: the header must not
	// contain a text of a token.
	var next []string
	for _, scope := range g.known {
		if t.HasScope(scope) || slices.Contains(missing, scope) {
			next = append(next, scope)
		}
	}
	return refused("insufficient_scope", "insufficient_scope", "insufficient scope", strings.Join(next, " "), "tools %.200q: scope is %.200q, which lacks %.200q", tools, t.Scope(), missing)
}

// lacking returns nil if a token has all of the names.
func lacking(names []string, has func(string) bool) (missing []string) {
	for _, name := range names {
		if !has(name) {
			missing = append(missing, name)
		}
	}
	return missing
}

func refused(code, reason, description, scope, because string, args ...any) error {
	return &auth0.Error{Status: http.StatusForbidden, Code: code, Reason: reason, Description: description, Scope: scope, Err: fmt.Errorf(because, args...)}
}

// authenticate is the outer guard, which answers requests without a valid token.
func (g *Guard) authenticate(api *auth0.API, next http.Handler) http.Handler {
	if len(g.scopes) == 0 {
		return api.RequireAuth(next)
	}
	return api.RequireScope(g.scopes...)(next)
}

// allow decides about a request with a valid token.
func (g *Guard) allow(ctx context.Context, t *auth0.Token) error {
	c := callIn(ctx)
	switch {
	case c == nil:
		return errors.New("mcpauth: a request without its calls") // unreachable
	case c.err != nil:
		return c.err
	case userID(t) == "":
		return &auth0.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: "invalid_claim", Description: "token claims invalid",
			Err: errors.New("the token has neither sub nor client_id, so its sessions would have no owner")}
	}
	raw, _ := auth0.AccessTokenFrom(ctx)
	c.from = &caller{t, raw}
	c.refused = g.decide(t, c.tools...)
	return c.refused
}
