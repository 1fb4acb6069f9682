package docstest

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
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

// logged are the texts of log lines, apart from refusals.
var logged = regexp.MustCompile(`[lL]og(?:\(\))?\.(?:Debug|Info|Warn|Error)\("auth0: ([^"]+)"`)

// TestLogLines: the guide has every line that the library logs.
func TestLogLines(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join(root, "docs/observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, pattern := range []string{"*.go", "internal/*/*.go"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "emulator") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range logged.FindAllSubmatch(text, -1) {
				lines++
				if !strings.Contains(string(guide), "`"+string(m[1])) {
					t.Errorf("docs/observability.md lacks the line of %s: %s", strings.TrimPrefix(name, root+"/"), m[1])
				}
			}
		}
	}
	if lines < 30 {
		t.Errorf("only %d lines", lines)
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
