package grpcauth_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/seed-15d5a55c/auth0/auth0test"
	"github.com/seed-15d5a55c/auth0/grpcauth"
)

// New finds each mistake alone, and all of them at once.
func TestNew(t *testing.T) {
	t.Parallel()
	e := newAPI(t)
	var all grpcauth.Options
	all.Methods = map[string]grpcauth.Need{}
	for _, tt := range []struct {
		name    string
		methods map[string]grpcauth.Need
		public  []string
		want    string // a part of the error
	}{
		{"no slash", map[string]grpcauth.Need{"test.v1.Files/Get": {}}, nil, `Options.Methods: "test.v1.Files/Get" is not the full name of a method`},
		{"a slash at the end", map[string]grpcauth.Need{"/test.v1.Files/Get/": {}}, nil, `"/test.v1.Files/Get/" is not`},
		{"a service", map[string]grpcauth.Need{"/test.v1.Files": {}}, nil, `"/test.v1.Files" is not`},
		{"a prefix", map[string]grpcauth.Need{"/test.v1.Files/": {}}, nil, `"/test.v1.Files/" is not`},
		{"a pattern", map[string]grpcauth.Need{"/test.v1.Files/*": {}}, nil, `"/test.v1.Files/*" is not`},
		{"no service", map[string]grpcauth.Need{"//Get": {}}, nil, `"//Get" is not`},
		{"a space", map[string]grpcauth.Need{"/test.v1.Files/Get ": {}}, nil, `"/test.v1.Files/Get " is not`},
		{"not ASCII", map[string]grpcauth.Need{"/test.v1.Files/Gét": {}}, nil, `"/test.v1.Files/Gét" is not`},
		{"empty", map[string]grpcauth.Need{"": {}}, nil, `"" is not`},
		{"another case", map[string]grpcauth.Need{"/test.v1.A/Get": {}, "/test.v1.A/get": {}}, nil, `"/test.v1.A/get" and another name differ only in case`},
		{"another case in Public", map[string]grpcauth.Need{"/test.v1.B/Get": {}}, []string{"/test.v1.b/Get"}, `Public: "/test.v1.b/Get" and another name differ only in case`},
		{"in both", map[string]grpcauth.Need{"/test.v1.C/Get": {}}, []string{"/test.v1.C/Get"}, `Public: "/test.v1.C/Get" is in Methods too`},
		{"no slash in Public", nil, []string{"test.v1.D/Get"}, `Options.Public: "test.v1.D/Get" is not`},
		{"an empty scope", map[string]grpcauth.Need{"/test.v1.E/Get": {Scopes: []string{"a", ""}}}, nil, `Methods: "/test.v1.E/Get": Scopes has ""`},
		{"two scopes in one", map[string]grpcauth.Need{"/test.v1.F/Get": {Scopes: []string{"a b"}}}, nil, `"/test.v1.F/Get": Scopes has "a b"`},
		{"a quote in a permission", map[string]grpcauth.Need{"/test.v1.G/Get": {Permissions: []string{`a"`}}}, nil, `"/test.v1.G/Get": Permissions has "a\""`},
		{"a backslash", map[string]grpcauth.Need{"/test.v1.H/Get": {Permissions: []string{`a\`}}}, nil, `"/test.v1.H/Get": Permissions has "a\\"`},
	} {
		auth, err := grpcauth.New(e.api, grpcauth.Options{Methods: tt.methods, Public: tt.public})
		if err == nil || auth != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		for name, need := range tt.methods {
			all.Methods[name] = need
		}
		all.Public = append(all.Public, tt.public...)
	}
	_, err := grpcauth.New(nil, all)
	if n := len(strings.Split(fmt.Sprint(err), "\n")); n != 17+1 {
		t.Errorf("%d mistakes:\n%v", n, err)
	}
	for _, want := range []string{"the API is nil"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// An Auth does not see changes of the options after New.
func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	scopes, public := []string{"s"}, []string{list}
	methods := map[string]grpcauth.Need{get: {Scopes: scopes}}
	e := newEnv(t, grpcauth.Options{Methods: methods, Public: public})
	scopes[0], public[0] = "t", chat
	methods[write] = grpcauth.Need{}
	for scope, want := range map[string]codes.Code{"s": codes.OK, "t": codes.PermissionDenied} {
		ctx := with(t.Context(), "Bearer "+e.tenant.AccessToken(auth0test.Scope(scope)))
		if got := e.call(t, ctx, get); got.code != want {
			t.Errorf("%s: %+v", scope, got)
		}
		if got := e.call(t, ctx, write); got.code != codes.PermissionDenied {
			t.Errorf("a method that was added later: %+v", got)
		}
	}
	if _, got := e.open(t, t.Context(), chat); got.code == codes.OK {
		t.Error("a method became public later")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	everything := map[string]grpcauth.Need{get: {}, write: {}, list: {}, put: {}, chat: {}}
	lower := map[string]grpcauth.Need{"/test.v1.Files/get": {}, write: {}, list: {}, put: {}, chat: {}}
	wellKnown := slices.Concat(grpcauth.Health, grpcauth.Reflection)
	for _, tt := range []struct {
		name string
		o    grpcauth.Options
		bare bool // without health and reflection
		want []string
	}{
		{"clean", grpcauth.Options{Methods: everything, Public: wellKnown}, false, nil},
		{"clean, without health and reflection", grpcauth.Options{Methods: everything}, true, nil},
		{"listed health and reflection that nobody serves", grpcauth.Options{Methods: everything, Public: wellKnown}, true, nil},
		{"a public method that nobody serves", grpcauth.Options{Methods: everything, Public: []string{"/test.v1.Files/Gone"}}, true, []string{
			`grpcauth: the server does not have the method "/test.v1.Files/Gone"`,
		}},
		{"a name in another case", grpcauth.Options{Methods: lower}, true, []string{
			`grpcauth: the server does not have the method "/test.v1.Files/get", but "/test.v1.Files/Get"`,
			`grpcauth: the method "/test.v1.Files/Get" is neither in Options.Methods nor in Options.Public, so every call is rejected`,
		}},
		{"a name in another case, others with a token", grpcauth.Options{Methods: lower, AcceptUnlisted: true}, true, []string{
			`grpcauth: the server does not have the method "/test.v1.Files/get", but "/test.v1.Files/Get"`,
		}},
		{"methods that are not listed", grpcauth.Options{Methods: map[string]grpcauth.Need{get: {}, put: {}}, Public: []string{chat}}, true, []string{
			`grpcauth: the method "/test.v1.Files/List" is neither in Options.Methods nor in Options.Public, so every call is rejected`,
			`grpcauth: the method "/test.v1.Files/Write" is neither in Options.Methods nor in Options.Public, so every call is rejected`,
		}},
		{"methods that are not listed need a token", grpcauth.Options{Methods: map[string]grpcauth.Need{get: {}}, AcceptUnlisted: true}, false, nil},
	} {
		e := newAPI(t)
		auth, err := grpcauth.New(e.api, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		server.RegisterService(&filesDesc, e.files)
		if !tt.bare {
			registerWellKnown(server)
		}
		want := strings.Join(tt.want, "\n")
		if err := auth.Check(server); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.name, err, want)
		}
	}
}

func TestCheckOfAnAuthThatNewHasNotMade(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	server.RegisterService(&filesDesc, &files{})
	for _, auth := range []*grpcauth.Auth{nil, {}} {
		if err := auth.Check(server); err == nil {
			t.Error("there is nothing wrong with it")
		}
	}
}

// Method names that every grpc-go server rejects must not pass with less than their need,
// if another transport allows them. See Options.AcceptUnlisted.
func TestNamesOfAnotherForm(t *testing.T) {
	t.Parallel()
	e := newAuth(t, grpcauth.Options{Methods: map[string]grpcauth.Need{get: {Scopes: []string{"s"}}}, AcceptUnlisted: true})
	unary := e.auth.Unary()
	for name, want := range map[string]codes.Code{
		"/test.v1.Files/Other": codes.OK,
		"/test.v1.Files/get":   codes.PermissionDenied,
		"/Test.v1.Files/Get":   codes.PermissionDenied,
		"test.v1.Files/Get":    codes.PermissionDenied,
		"//test.v1.Files/Get":  codes.PermissionDenied,
		"/test.v1.Files/Get/":  codes.PermissionDenied,
		"/test.v1.Files/Get ":  codes.PermissionDenied,
		"/test.v1.Files/Gét":   codes.PermissionDenied,
		"":                     codes.PermissionDenied,
	} {
		ctx := incoming(t.Context(), "Bearer "+e.tenant.AccessToken())
		_, err := unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: name}, func(context.Context, any) (any, error) { return nil, nil })
		if got := resultOf(t, err, nil); got.code != want {
			t.Errorf("%q: %+v", name, got)
		}
	}
}

// The log has each unlisted method once, and 64 methods at most.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, level := range []slog.Level{slog.LevelWarn, slog.LevelError} {
		text := &logText{}
		e := newAuth(t, grpcauth.Options{Logger: slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: level}))})
		unary := e.auth.Unary()
		for i := range 200 {
			method := fmt.Sprintf("/test.v1.Files/M%d%s", i/2, strings.Repeat("x", 300))
			unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: method}, nil)
		}
		got := text.take()
		if level == slog.LevelError {
			if got != "" {
				t.Errorf("the log has\n%s", got)
			}
			continue
		}
		if n := strings.Count(got, "level=WARN"); n != 64 || strings.Count(got, "Files/M7x") != 1 || strings.Contains(got, strings.Repeat("x", 250)) {
			t.Errorf("%d warnings:\n%s", n, got)
		}
	}
}

// The root module does not depend on gRPC.
func TestModuleOfTheLibrary(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../go.mod", "../go.sum"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range []string{"google.golang.org/", "connectrpc.com/", "golang.org/x/net"} {
			if strings.Contains(string(text), module) {
				t.Errorf("%s has %s", name, module)
			}
		}
	}
}
