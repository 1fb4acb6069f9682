// Package grpcauth protects gRPC servers with the access tokens of package auth0, and
// sends access tokens with the calls of a gRPC client.
//
//	api, err := auth0.NewAPI(auth0.APIConfig{Domain: "acme.eu.auth0.com", Audience: "https://api.acme.example/"})
//	...
//	auth, err := grpcauth.New(api, grpcauth.Options{
//		Methods: map[string]grpcauth.Need{
//			"/acme.files.v1.Files/Read":  {Scopes: []string{"read:files"}},
//			"/acme.files.v1.Files/Write": {Permissions: []string{"write:files"}},
//		},
//		Public: grpcauth.Health,
//	})
//	...
//	server := grpc.NewServer(grpc.Creds(tls), grpc.ChainUnaryInterceptor(auth.Unary()), grpc.ChainStreamInterceptor(auth.Stream()))
//
// In a handler, [auth0.TokenFrom] returns the token of the call, and [auth0.Claims]
// decodes its claims.
//
// # What is rejected
//
// The token is in the metadata authorization, with the scheme Bearer. It is checked as
// [auth0.API.RequireAuth] checks the token of an HTTP request. The errors have these
// codes:
//
//	InvalidArgument    the metadata is malformed, or has two values
//	Unauthenticated    there is no token, or an invalid one
//	PermissionDenied   the token lacks what the method needs, or the method is not in the table
//	Unavailable        it cannot be known whether the token is valid, for example without keys
//	Canceled           the caller has canceled the call
//	DeadlineExceeded   the deadline of the call has passed
//	Internal           a mistake of the program
//
// The message is [auth0.Error].Description, a fixed text. The details contain an
// ErrorInfo: its reason is [auth0.Error].Reason in upper case, its domain is "auth0",
// and its metadata are the error code of the protocol (error) and the scopes or
// permissions that the method requires (scope). Unavailable has a RetryInfo too. The
// trailer www-authenticate contains the challenges of an HTTP response. It is a header
// for clients of [grpc.Server.ServeHTTP].
//
// The API logs and observes calls as it does HTTP requests. The path in the log is the
// full name of the method. [auth0.APIConfig].ErrorHandler is called too. It can change
// the challenges. The rest of its output is dropped.
//
// # Certificates and DPoP
//
// A token that is bound to a certificate is compared with the certificate of the TLS
// connection (RFC 8705, Section 3). A token that is bound to a key by DPoP is rejected:
// RFC 9449 defines proofs for HTTP requests only. An API that requires DPoP rejects every
// call that needs a token.
package grpcauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/seed-15d5a55c/auth0"
)

// Health and Reflection are the methods of the services of grpc-go for health checks and
// for reflection, for [Options].Public. Unlisted, they require a token like any other
// method.
var (
	Health = []string{
		"/grpc.health.v1.Health/Check",
		"/grpc.health.v1.Health/List",
		"/grpc.health.v1.Health/Watch",
	}
	Reflection = []string{
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
	}
)

// Options list the requirements of each method.
type Options struct {
	_ [0]func() // keeps out literals without field names, and ==

	// Methods are the methods that require a token, by full name, such as
	// "/acme.files.v1.Files/Read". Names are compared exactly: there are no patterns.
	Methods map[string]Need
	// Public are the full names of methods without a token. A token sent nevertheless is
	// ignored, so the handler finds none. See [Health] and [Reflection].
	Public []string
	// AcceptUnlisted admits a call with a valid token if its method is neither in
	// Methods nor in Public. By default that call is rejected, so that a method added
	// later is not open by mistake.
	AcceptUnlisted bool
	// EndStreams ends a stream with Unauthenticated when its token expires:
	// [auth0.APIConfig].Leeway after its exp, by the clock of this machine. The context
	// of the stream is then done, and SendMsg and RecvMsg return the error, so that the
	// handler returns. Do not reuse a message of a RecvMsg with an error. By default a
	// token is checked once, when a stream begins.
	EndStreams bool
	// Logger gets a warning for each called method that is not listed, once for each
	// name. Default: [slog.Default].
	Logger *slog.Logger
}

// A Need lists the scopes and permissions that a token must have, all of them. Every
// valid token meets the zero Need.
type Need struct {
	Scopes, Permissions []string
}

// An Auth makes the interceptors of a server. An Auth that was not made by [New] rejects
// every call.
type Auth struct {
	api        *auth0.API
	rules      map[string]rule // by full name
	folded     map[string]bool // the same names in lower case
	unlisted   bool            // a valid token admits calls of other methods
	endStreams bool
	warn       *warnings
}

// A rule is the requirement of a method.
type rule struct {
	public bool
	scope  string // scope named in the challenge of an Unauthenticated
	check  func(*auth0.Token) error
}

// New checks the options and returns an Auth. The error lists every mistake.
func New(api *auth0.API, o Options) (*Auth, error) {
	t := table{rules: map[string]rule{}, folded: map[string]bool{}}
	if api == nil {
		t.add("the API is nil")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Methods)) {
		t.list("Methods", name, t.ruleOf(name, o.Methods[name]))
	}
	for _, name := range o.Public {
		if _, listed := o.Methods[name]; listed {
			t.add("Public: %q is in Methods too", name)
			continue
		}
		t.list("Public", name, rule{public: true})
	}
	if t.problems != nil {
		return nil, errors.Join(t.problems...)
	}
	return &Auth{
		api: api, rules: t.rules, folded: t.folded, unlisted: o.AcceptUnlisted, endStreams: o.EndStreams,
		warn: &warnings{log: cmp.Or(o.Logger, slog.Default())},
	}, nil
}

// A table is the table of an Auth while New makes it.
type table struct {
	rules    map[string]rule
	folded   map[string]bool
	problems []error
}

func (t *table) add(format string, args ...any) {
	t.problems = append(t.problems, fmt.Errorf("grpcauth: Options."+format, args...))
}

// list adds a method. Two names that differ only in case cannot both be right, because
// generated Go code cannot have both.
func (t *table) list(field, name string, r rule) {
	if !isFullName(name) {
		t.add(`%s: %q is not the full name of a method, such as "/acme.files.v1.Files/Read"`, field, name)
		return
	}
	lower := strings.ToLower(name)
	if _, same := t.rules[name]; !same && t.folded[lower] {
		t.add("%s: %q and another name differ only in case", field, name)
	}
	t.rules[name], t.folded[lower] = r, true
}

// isFullName reports whether a text is a well-formed full method name. It rejects an
// asterisk, which looks like a pattern.
func isFullName(name string) bool {
	service, method, ok := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	return ok && strings.HasPrefix(name, "/") && service != "" && method != "" && !strings.Contains(method, "/") &&
		!strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || c == '*' })
}

// ruleOf returns the rule for a need.
func (t *table) ruleOf(method string, n Need) rule {
	n = Need{slices.Clone(n.Scopes), slices.Clone(n.Permissions)}
	t.checkNames(method, "Scopes", n.Scopes)
	t.checkNames(method, "Permissions", n.Permissions)
	if len(n.Scopes)+len(n.Permissions) == 0 {
		return rule{}
	}
	return rule{scope: strings.Join(n.Scopes, " "), check: n.check}
}

func (t *table) checkNames(method, field string, names []string) {
	for _, name := range names {
		if !isScope(name) {
			t.add("Methods: %q: %s has %q, which is empty or has characters that a scope cannot have", method, field, name)
		}
	}
}

// isScope reports whether a text can be a scope (RFC 6749, Section 3.3).
func isScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
}

// check returns the refusal of a token that does not meet the need, with the texts of
// the API's RequireScope and RequirePermissions.
func (n Need) check(t *auth0.Token) error {
	for _, scope := range n.Scopes {
		if !t.HasScope(scope) {
			return lack("insufficient_scope", n.Scopes, "scope is %.200q, want %.200q", t.Scope(), n.Scopes)
		}
	}
	for _, permission := range n.Permissions {
		if !t.HasPermission(permission) {
			if _, has := t.Claim("permissions"); !has {
				return lack("insufficient_permissions", n.Permissions,
					`no claim permissions, want %.200q; at Auth0, enable RBAC and "Add Permissions in the Access Token" for the API`, n.Permissions)
			}
			return lack("insufficient_permissions", n.Permissions, "permissions are %.200q, want %.200q", slices.Collect(t.Permissions()), n.Permissions)
		}
	}
	return nil
}

func lack(reason string, names []string, format string, args ...any) error {
	return &auth0.Error{
		Op: "bearer", Status: 403, Code: "insufficient_scope", Reason: reason, Description: "insufficient scope",
		Scope: strings.Join(names, " "), Err: fmt.Errorf(format, args...),
	}
}

// ruleFor returns the rule of a method. AcceptUnlisted never weakens a need: a malformed
// name, or one that differs from a listed name only in case, is rejected.
func (a *Auth) ruleFor(ctx context.Context, method string) rule {
	if r, ok := a.rules[method]; ok {
		return r
	}
	if a.unlisted && isFullName(method) && !a.folded[strings.ToLower(method)] {
		return rule{}
	}
	a.warn.unlisted(ctx, method)
	return rule{check: notListed}
}

func notListed(*auth0.Token) error {
	return &auth0.Error{Op: "bearer", Status: 403, Code: "access_denied", Reason: "method_not_listed", Description: "method not listed"}
}

// Check compares the table with the services registered at a server, so that a mistake
// is found when the program starts. The error names each method of the table that the
// server lacks, except those of [Health] and [Reflection]. Without AcceptUnlisted it
// also names each method of the server that is not in the table.
func (a *Auth) Check(s *grpc.Server) error {
	a = a.orRefusing()
	served := map[string]string{} // full names, keyed by their lower case form
	var problems []error
	for service, info := range s.GetServiceInfo() {
		for _, m := range info.Methods {
			name := "/" + service + "/" + m.Name
			served[strings.ToLower(name)] = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.rules)) {
		switch found := served[strings.ToLower(name)]; {
		case found == name || slices.Contains(Health, name) || slices.Contains(Reflection, name):
		case found != "":
			problems = append(problems, fmt.Errorf("grpcauth: the server does not have the method %q, but %q", name, found))
		default:
			problems = append(problems, fmt.Errorf("grpcauth: the server does not have the method %q", name))
		}
	}
	for _, name := range slices.Sorted(maps.Values(served)) {
		if _, listed := a.rules[name]; !listed && !a.unlisted {
			problems = append(problems, fmt.Errorf("grpcauth: the method %q is neither in Options.Methods nor in Options.Public, so every call is rejected", name))
		}
	}
	return errors.Join(problems...)
}
