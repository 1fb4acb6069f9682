package docstest

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// without are exported types and functions without an Example, each with the reason. The
// list may only shrink.
var without = map[string]string{
	"auth0.KeyStatus": "API.Status returns it: see its Example",
}

// TestExamples: every exported type of a public package has an Example, and so has each
// guard. An Example of a method, or of a function that makes one, counts for its type. An
// exported function or a type without methods but those of
// formatting has an Example, or is used in one.
func TestExamples(t *testing.T) {
	t.Parallel()
	needed, known, used := 0, map[string]bool{}, map[string]bool{} // used in any of the packages
	for _, dir := range []string{".", "auth0test", "management"} {
		fset := token.NewFileSet()
		names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		var code []*ast.File
		for _, name := range names {
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "_test.go") {
				code = append(code, file)
				continue
			}
			for _, d := range file.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || !strings.HasPrefix(fn.Name.Name, "Example") {
					continue
				}
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						used[s.Sel.Name] = true
					}
					return true
				})
				for _, part := range exampleOf(strings.TrimPrefix(fn.Name.Name, "Example")) {
					have[part] = true
				}
			}
		}
		p, err := doc.NewFromFiles(fset, code, "x")
		if err != nil {
			t.Fatal(err)
		}
		want := func(name string, others ...string) {
			needed++
			have := slices.ContainsFunc(append(others, name), func(n string) bool { return have[n] })
			full := p.Name + "." + name
			known[full] = true
			_, excepted := without[full]
			switch {
			case !have && !excepted:
				t.Errorf("%s has no Example", full)
			case have && excepted:
				t.Errorf("%s has an Example; take it out of the list", full)
			}
		}
		function := func(name string) {
			if !used[name] {
				want(name)
			}
		}
		for _, f := range p.Funcs {
			function(f.Name)
		}
		for _, typ := range p.Types {
			var makers []string
			for _, f := range typ.Funcs {
				function(f.Name)
				makers = append(makers, f.Name)
			}
			formats := func(f *doc.Func) bool {
				return slices.Contains([]string{"Format", "MarshalJSON", "LogValue", "Error", "Is", "Unwrap"}, f.Name)
			}
			if len(slices.DeleteFunc(slices.Clone(typ.Methods), formats)) > 0 || !used[typ.Name] {
				want(typ.Name, makers...)
			}
			for _, m := range typ.Methods {
				if strings.HasPrefix(m.Name, "Require") || slices.Contains([]string{"OptionalAuth", "LoadUser", "TrySilentLogin"}, m.Name) {
					want(typ.Name + "." + m.Name)
				}
			}
		}
	}
	if needed < 30 {
		t.Errorf("only %d names", needed)
	}
	for name, reason := range without {
		if !known[name] || reason == "" {
			t.Errorf("%s is in the list without need, or without a reason", name)
		}
	}
}

// exampleOf returns the names for which an Example counts: for that of Type_Method the
// type, and the method.
func exampleOf(suffix string) []string {
	typ, method, ok := strings.Cut(suffix, "_")
	if !ok || method == "" || !ast.IsExported(method) {
		return []string{typ}
	}
	method, _, _ = strings.Cut(method, "_")
	return []string{typ, typ + "." + method}
}
