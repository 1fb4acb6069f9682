package docstest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-15d5a55c/auth0"
	"github.com/seed-15d5a55c/auth0/auth0test"
)

// quoted returns the names in code font of a document: `Name`, `Name(...)`, `Type.Name`.
func quoted(t *testing.T, name string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile("`(?:[A-Za-z]+\\.)?([A-Z]\\w*)").FindAllSubmatch(text, -1) {
		names[string(m[1])] = true
	}
	return names
}

func missing(have map[string]bool, names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return have[n] })
}

func fields(types ...reflect.Type) (names []string) {
	for _, typ := range types {
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

func methods(typ reflect.Type) (names []string) {
	for i := range typ.NumMethod() {
		names = append(names, typ.Method(i).Name)
	}
	return names
}

// TestSurface: documents that list a part of the public API list all of it.
func TestSurface(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		document string
		names    []string
	}{
		{"docs/testing.md", methods(reflect.TypeFor[*auth0test.Tenant]())},
		{"docs/reference.md", fields(reflect.TypeFor[auth0.Config](), reflect.TypeFor[auth0.APIConfig](), reflect.TypeFor[auth0.DPoP](), reflect.TypeFor[auth0.Certificates](), reflect.TypeFor[auth0.Issuer]())},
		{"docs/reference.md", slices.DeleteFunc(slices.Concat(methods(reflect.TypeFor[*auth0.Strategy]()), methods(reflect.TypeFor[*auth0.API]())), func(n string) bool {
			return !strings.HasPrefix(n, "Require") && n != "OptionalAuth" && n != "TrySilentLogin"
		})},
	} {
		if len(row.names) < 10 {
			t.Errorf("%s: only %d names", row.document, len(row.names))
		}
		if lost := missing(quoted(t, row.document), row.names); len(lost) > 0 {
			t.Errorf("%s does not name %q", row.document, lost)
		}
	}
}

// messageArgument is the index of the message among the arguments of a method of slog.
var messageArgument = map[string]int{
	"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "DebugContext": 1, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1, "Log": 2, "LogAttrs": 2,
}

// isLog recognizes a logger by the end of its expression: log, s.log, t.config.Log,
// where.Log(), x.logger(), slog.
func isLog(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return strings.HasSuffix(strings.TrimSuffix(strings.ToLower(e.Name), "ger"), "log")
	case *ast.SelectorExpr:
		return isLog(e.Sel)
	case *ast.CallExpr:
		return isLog(e.Fun)
	}
	return false
}

// constantText returns the value of a text, or of texts joined by +.
func constantText(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		x, isText := constantText(e.X)
		y, areTexts := constantText(e.Y)
		return x + y, e.Op == token.ADD && isText && areTexts
	}
	return "", false
}

var packagePrefix = regexp.MustCompile(`^[a-z0-9]+: `)

// logLines returns the messages of a file, without the prefix of the root package. It reports
// messages that are not constant: nobody finds these in the guide.
func logLines(t *testing.T, name string, src any) (lines []string) {
	t.Helper()
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isLog(method.X) {
			return true
		}
		at, ok := messageArgument[method.Sel.Name]
		if !ok || len(call.Args) <= at {
			return true
		}
		text, isConstant := constantText(call.Args[at])
		if !isConstant || !packagePrefix.MatchString(text) {
			t.Errorf("%s: a log line whose message is not a constant that begins with the name of the package", positions.Position(call.Pos()))
			return true
		}
		lines = append(lines, strings.TrimPrefix(text, "auth0: "))
		return true
	})
	return lines
}

// TestLogLines: the guide has every line that the library logs.
func TestLogLines(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join(root, "docs/observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, pattern := range []string{"*.go", "internal/*/*.go", "management/*.go", "auth0test/*.go", "grpcauth/*.go", "mcpauth/*.go", "redisstore/*.go"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "emulator") || strings.Contains(name, "testkit") {
				continue
			}
			for _, line := range logLines(t, name, nil) {
				lines++
				if line != "refused" && !strings.Contains(string(guide), "`"+line+"`") {
					t.Errorf("docs/observability.md lacks the line of %s: %s", strings.TrimPrefix(name, root+"/"), line)
				}
			}
		}
	}
	if lines < 40 {
		t.Errorf("only %d lines", lines)
	}
	all := logLines(t, "all.go", `package p
func f() {
	log.Warn("auth0: a")
	s.log.ErrorContext(ctx, "auth0: b"+", c", "k", v)
	where.Log().Log(ctx, level, "auth0: d")
	x.logger().LogAttrs(ctx, level, "auth0: e")
	slog.Info("other: f")
	t.config.Log.Debug("auth0: g")
	err.Error()
	status.Error(codes.Internal, "no line")
	where.Log()
}`)
	if want := []string{"a", "b, c", "d", "e", "other: f", "g"}; !slices.Equal(all, want) {
		t.Errorf("found %q, want %q", all, want)
	}
}

// TestNamedTests: the tests and packages that the security model names exist.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	model, err := os.ReadFile(filepath.Join(root, "docs/security-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "internal/test/*/*_test.go"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	named := regexp.MustCompile("`(Test[A-Z]\\w+|internal/[a-z]+)`").FindAllSubmatch(model, -1)
	if len(named) < 30 {
		t.Errorf("only %d names", len(named))
	}
	for _, m := range named {
		name := string(m[1])
		if strings.HasPrefix(name, "internal/") && !exists(name) || strings.HasPrefix(name, "Test") && name != "TestStore" && !strings.Contains(tests.String(), "\nfunc "+name+"(") {
			t.Errorf("there is no %s", name)
		}
	}
}
