package migrate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An optionTable maps the names of a guide's table of options to their packages.
type optionTable struct {
	packages map[string]string // import path to the prefix of its names in the table
	complete []string          // packages whose functions and variables are all in the table, but errors
	except   []string
}

var optionTables = map[string]optionTable{
	"from-go-jwt-middleware.md": {
		packages: map[string]string{
			"github.com/auth0/go-jwt-middleware/v2": "", "github.com/auth0/go-jwt-middleware/v2/jwks": "", "github.com/auth0/go-jwt-middleware/v2/validator": "",
			"github.com/auth0/go-jwt-middleware/v3": "", "github.com/auth0/go-jwt-middleware/v3/jwks": "", "github.com/auth0/go-jwt-middleware/v3/validator": "",
		},
		complete: []string{
			"github.com/auth0/go-jwt-middleware/v2", "github.com/auth0/go-jwt-middleware/v2/jwks", "github.com/auth0/go-jwt-middleware/v2/validator",
			"github.com/auth0/go-jwt-middleware/v3", "github.com/auth0/go-jwt-middleware/v3/jwks", "github.com/auth0/go-jwt-middleware/v3/validator",
		},
		// The constructors are in the code of the guide.
		except: []string{"New", "DefaultErrorHandler", "DPoPHeaderExtractor", "SetIssuerInContext", "DPoPSupportedAlgorithms"},
	},
	"from-goth.md": {
		packages: map[string]string{"github.com/markbates/goth": "goth.", "github.com/markbates/goth/gothic": "gothic."},
		complete: []string{"github.com/markbates/goth/gothic"},
	},
	"from-go-oidc.md": {
		packages: map[string]string{"github.com/coreos/go-oidc/v3/oidc": "oidc.", "golang.org/x/oauth2": "oauth2."},
	},
}

// TestOptionTables: every name in a table of options exists, on both sides, and the table
// has every option of the other library.
func TestOptionTables(t *testing.T) {
	t.Parallel()
	const root = "github.com/seed-15d5a55c/auth0"
	prefixes := map[string]string{root: ""}
	for _, table := range optionTables {
		maps.Copy(prefixes, table.packages)
	}
	packages := readPackages(t, prefixes)
	ours := packages[root].all
	quoted := regexp.MustCompile("`([^`]*)`")
	isName := regexp.MustCompile(`^([a-z]\w*\.)?[A-Z]\w*(\.[A-Z]\w*)?$`)
	for name, table := range optionTables {
		theirs := map[string]bool{}
		var required []string
		for path := range table.packages {
			maps.Copy(theirs, packages[path].all)
			if slices.Contains(table.complete, path) {
				required = append(required, packages[path].values...)
			}
		}
		text, _, _ := strings.Cut(guide(t, name), "\n## Differences\n")
		listed, rows := map[string]bool{}, 0
		for l := range strings.Lines(text) {
			if !strings.HasPrefix(l, "| ") {
				continue
			}
			rows++
			for column, cell := range strings.Split(strings.Trim(l, "| \n"), " | ") {
				for _, q := range quoted.FindAllStringSubmatch(cell, -1) {
					switch {
					case column == 0 && !theirs[q[1]]:
						t.Errorf("%s: the other library has no %s", name, q[1])
					case column > 0 && isName.MatchString(q[1]) && !ours[q[1]] && !theirs[q[1]]:
						t.Errorf("%s: no library has %s", name, q[1])
					case column == 0:
						listed[q[1]] = true
					}
				}
			}
		}
		if rows < 8 {
			t.Errorf("%s: %d rows", name, rows)
		}
		for _, option := range required {
			if !listed[option] && !slices.Contains(table.except, option) && !strings.HasPrefix(option, "Err") {
				t.Errorf("%s does not list %s", name, option)
			}
		}
	}
}

// A goPackage has the exported names of a package, members included, and the names of its
// functions and variables.
type goPackage struct {
	all    map[string]bool
	values []string
}

// readPackages reads packages from their source. Each name gets its prefix.
func readPackages(t *testing.T, prefixes map[string]string) map[string]*goPackage {
	t.Helper()
	args := append([]string{"list", "-f", "{{$p := .}}{{range .GoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}\n{{end}}"}, slices.Collect(maps.Keys(prefixes))...)
	list, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]*goPackage{}
	for l := range strings.Lines(string(list)) {
		path, file, ok := strings.Cut(strings.TrimSpace(l), " ")
		if !ok {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if packages[path] == nil {
			packages[path] = &goPackage{all: map[string]bool{}}
		}
		for _, d := range parsed.Decls {
			packages[path].add(prefixes[path], d)
		}
	}
	for path := range prefixes {
		if packages[path] == nil {
			t.Fatalf("%s has no source", path)
		}
	}
	return packages
}

func (p *goPackage) add(prefix string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			p.all[prefix+receiver(d)+"."+d.Name.Name] = true
			return
		}
		p.value(prefix, d.Name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if p.all[prefix+name.Name] = true; d.Tok == token.VAR {
						p.value(prefix, name)
					}
				}
			case *ast.TypeSpec:
				p.all[prefix+spec.Name.Name] = true
				if fields, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range fields.Fields.List {
						for _, name := range field.Names {
							p.all[prefix+spec.Name.Name+"."+name.Name] = true
						}
					}
				}
			}
		}
	}
}

func (p *goPackage) value(prefix string, name *ast.Ident) {
	if !name.IsExported() {
		return
	}
	p.all[prefix+name.Name] = true
	p.values = append(p.values, prefix+name.Name)
}

// receiver returns the name of the type of a method.
func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, _ := typ.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}
