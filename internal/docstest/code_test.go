package docstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// languages are the languages of blocks that are not Go. Without this list, no test would
// check a block without a language, or with another name of Go.
var languages = []string{"sh", "nginx", "caddy", "yaml", "json", "html", "hcl", "text", "diff", "js", "ts", "sql", "dockerfile", "ini", "dotenv", "python", "http", "css", "templ", "toml"}

// ignored counts the Go blocks of a document that nothing checks. A number may only be
// lowered.
var ignored = map[string]int{}

// A library has the code that blocks are compared with, and the packages they import.
type library struct {
	examples map[string][][]string // the lines of the bodies, by the name of the function

	mu       sync.Mutex
	fset     *token.FileSet
	own      map[string]listed // packages of this module
	checked  map[string]*types.Package
	compiled types.Importer // of all other packages
}

// A listed package has the fields of `go list`.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, Imports        []string
}

var loadOnce = sync.OnceValues(func() (*library, error) {
	l := &library{examples: map[string][][]string{}, fset: token.NewFileSet(), own: map[string]listed{}, checked: map[string]*types.Package{}}
	return l, errors.Join(l.readExamples(), l.listPackages())
})

// readExamples reads the Example functions of the module and of those below it.
func (l *library) readExamples() error {
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "node_modules", "testdata"}, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(text, []byte("\nfunc Example")) {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example") {
				body := text[fset.Position(f.Body.Lbrace).Offset+1 : fset.Position(f.Body.Rbrace).Offset]
				l.examples[f.Name.Name] = append(l.examples[f.Name.Name], codeLines(string(body)))
			}
		}
		return nil
	})
}

// listPackages finds the packages that complete programs may import: those of this
// module, its dependencies, and a few of the standard library. Packages of this
// module are read from their source, so that no test waits until they are compiled.
func (l *library) listPackages() error {
	own, err := list("-deps", "-json=ImportPath,Dir,GoFiles,Imports", ".", "./auth0test", "./management")
	if err != nil {
		return err
	}
	outside := []string{"log/slog", "os/signal", "testing", "net/http/httptest", "embed", "expvar"}
	for _, p := range own {
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			l.own[p.ImportPath] = p
			outside = append(outside, p.Imports...)
		}
	}
	slices.Sort(outside)
	outside = slices.DeleteFunc(slices.Compact(outside), func(path string) bool { return strings.HasPrefix(path, module) || path == "unsafe" })
	others, err := list(append([]string{"-export", "-deps", "-json=ImportPath,Export"}, outside...)...)
	if err != nil {
		return err
	}
	exports := map[string]string{}
	for _, p := range others {
		exports[p.ImportPath] = p.Export
	}
	l.compiled = importer.ForCompiler(l.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("a program here can import the packages of this module and of its dependencies, and %s is not among them: use example= or file=", path)
		}
		return os.Open(exports[path])
	})
	return nil
}

func list(args ...string) (packages []listed, err error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %v\n%s", err, stderr.Bytes())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// Import makes the library the importer of complete programs.
func (l *library) Import(path string) (*types.Package, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.load(path)
}

// load checks the declarations of a package of this module, without the bodies of its
// functions.
func (l *library) load(path string) (*types.Package, error) {
	p, ok := l.own[path]
	if !ok {
		return l.compiled.Import(path)
	}
	if pkg := l.checked[path]; pkg != nil {
		return pkg, nil
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(l.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	pkg, err := (&types.Config{Importer: importFunc(l.load), IgnoreFuncBodies: true}).Check(path, l.fset, files, nil)
	l.checked[path] = pkg
	return pkg, err
}

// An importFunc is a types.Importer.
type importFunc func(path string) (*types.Package, error)

func (f importFunc) Import(path string) (*types.Package, error) { return f(path) }

// codeLines are the lines of a text without their indentation, and without empty ones.
func codeLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// contains reports whether whole has the lines of part, one after the other.
func contains(whole, part []string) bool {
	for i := 0; i+len(part) <= len(whole); i++ {
		if len(part) > 0 && slices.Equal(whole[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

// TestPrograms: every Go block of every document compiles.
func TestPrograms(t *testing.T) {
	t.Parallel()
	l, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	blocks, count := 0, map[string]int{}
	for _, d := range documents(t) {
		for _, m := range l.checkBlocks(d) {
			t.Errorf("%s: %s", d.path, m)
		}
		for _, b := range d.blocks {
			if b.language == "go" {
				blocks++
			}
			if b.options["ignore"] != "" {
				count[d.path]++
			}
		}
		if count[d.path] != ignored[d.path] {
			t.Errorf("%s: %d Go blocks are ignored, and %d in the table, which may only be lowered", d.path, count[d.path], ignored[d.path])
		}
	}
	t.Logf("%d Go blocks, %d Example functions", blocks, len(l.examples))
	if blocks < 10 || len(l.examples) < 10 {
		t.Errorf("only %d Go blocks and %d Example functions", blocks, len(l.examples))
	}
}

// checkBlocks checks the blocks of a document.
func (l *library) checkBlocks(d document) (mistakes []string) {
	programs := map[string][]block{}
	for _, b := range d.blocks {
		if b.language != "go" {
			if !slices.Contains(languages, b.language) {
				mistakes = append(mistakes, b.mistake("the language %q is not in the list of languages", b.language))
			}
			continue
		}
		for name := range b.options {
			if !slices.Contains([]string{"example", "file", "program", "ignore"}, name) {
				mistakes = append(mistakes, b.mistake("there is no option %q", name))
			}
		}
		m := ""
		switch {
		case len(codeLines(b.text)) == 0:
			m = b.mistake("the block is empty")
		case b.options["ignore"] != "":
			if len(strings.Fields(b.options["ignore"])) < 2 {
				m = b.mistake("ignore has no reason")
			}
		case b.options["example"] != "":
			m = l.checkExample(b)
		case b.options["file"] != "":
			m = checkFile(b)
		default:
			name := b.options["program"]
			if name == "" {
				name = fmt.Sprint(b.line)
			}
			programs[name] = append(programs[name], b)
		}
		if m != "" {
			mistakes = append(mistakes, m)
		}
	}
	for _, blocks := range programs {
		mistakes = append(mistakes, l.checkProgram(blocks)...)
	}
	return mistakes
}

func (l *library) checkExample(b block) string {
	name := b.options["example"]
	bodies := l.examples[name]
	if len(bodies) == 0 {
		return b.mistake("there is no function %s in a test", name)
	}
	for _, body := range bodies {
		if contains(body, codeLines(b.text)) {
			return ""
		}
	}
	return b.mistake("these lines are not in %s", name)
}

// checkFile compares a block with a file that is compiled.
func checkFile(b block) string {
	name, declaration, named := strings.Cut(b.options["file"], "#")
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil || !strings.HasSuffix(name, ".go") || strings.Contains(name, "testdata/") || strings.Contains(name, "..") {
		return b.mistake("%s is not a Go file of the module", name)
	}
	if named {
		if text = find(text, declaration); text == nil {
			return b.mistake("%s has no declaration %s", name, declaration)
		}
	}
	if !contains(codeLines(string(text)), codeLines(b.text)) {
		return b.mistake("these lines are not in %s", b.options["file"])
	}
	return ""
}

// find returns a declaration with its comment: a function, a method (Type.Method), a
// type, a variable or a constant. It returns nil if there is none.
func find(source []byte, name string) []byte {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	for _, d := range file.Decls {
		from := d.Pos()
		if names, doc := declared(d); slices.Contains(names, name) {
			if doc != nil {
				from = doc.Pos()
			}
			return source[fset.Position(from).Offset:fset.Position(d.End()).Offset]
		}
	}
	return nil
}

func declared(d ast.Decl) (names []string, doc *ast.CommentGroup) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*") + "." + name
		}
		return []string{name}, d.Doc
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
		return names, d.Doc
	}
	return nil, nil
}

// checkProgram checks the files of a program by their types.
func (l *library) checkProgram(blocks []block) (mistakes []string) {
	fset, files := token.NewFileSet(), []*ast.File(nil)
	for _, b := range blocks {
		if _, err := parser.ParseFile(token.NewFileSet(), "", b.text, parser.PackageClauseOnly); err != nil {
			mistakes = append(mistakes, b.mistake("a block that is no program needs example=, file= or ignore="))
			continue
		}
		file, err := parser.ParseFile(fset, fmt.Sprintf("block%d.go", b.line), b.text, parser.SkipObjectResolution)
		if err != nil {
			mistakes = append(mistakes, b.mistake("%v", err))
			continue
		}
		if formatted, err := format.Source([]byte(b.text)); err != nil || strings.TrimSpace(string(formatted)) != strings.TrimSpace(b.text) {
			mistakes = append(mistakes, b.mistake("gofmt would change the program"))
		}
		files = append(files, file)
	}
	if len(mistakes) > 0 {
		return mistakes
	}
	config := types.Config{
		Importer: l,
		Error: func(err error) {
			if len(mistakes) < 5 {
				mistakes = append(mistakes, blocks[0].mistake("%v", err))
			}
		},
	}
	pkg, _ := config.Check("program", fset, files, nil)
	if len(mistakes) == 0 && pkg.Name() == "main" && pkg.Scope().Lookup("main") == nil {
		mistakes = append(mistakes, blocks[0].mistake("the program has no function main"))
	}
	return mistakes
}

func TestMistakesOfPrograms(t *testing.T) {
	t.Parallel()
	l, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	const program = "package main\n\nimport \"github.com/seed-15d5a55c/auth0\"\n\nfunc main() { auth0.ConfigFromEnv() }\n"
	for _, row := range []struct{ text, want string }{
		{"```go\n" + program + "```", ""},
		{"1. A list:\n\n   ```go\n   package main\n\n   func main() {}\n   ```\n", ""},
		{"```go\n" + strings.Replace(program, "ConfigFromEnv", "ConfigFromNobody", 1) + "```", "undefined: auth0.ConfigFromNobody"},
		{"```go\n" + strings.Replace(program, "func main", "func other", 1) + "```", "has no function main"},
		{"```go\n" + strings.Replace(program, "{ ", "{", 1) + "```", "gofmt would change"},
		{"```go\npackage main\n\nimport \"fmt\"\n\nfunc main() {}\n```", "imported and not used"},
		{"```go\npackage main\n\nimport \"example.com/a\"\n\nfunc main() { a.A() }\n```", "example.com/a is not among them"},
		{"```go\npackage main\n\nfunc main() {\n```", "expected '}'"},
		{"```go program=a\npackage main\n\nfunc main() { other() }\n```\n```go program=a\npackage main\n\nfunc other() {}\n```", ""},
		{"```go program=a\npackage main\n\nfunc main() { other() }\n```\n```go program=b\npackage main\n\nfunc other() {}\n```", "undefined: other"},
		{"```go\nauth0.ConfigFromEnv()\n```", "needs example=, file= or ignore="},
		{"```go example=ExampleDPoP_instances\n\tvar redis auth0.ReplayStore // for example redisstore.New(client, \"api:\")\n```", ""},
		{"```go example=ExampleDPoP_instances\nvar redis auth0.ReplayStore\n```", "these lines are not in ExampleDPoP_instances"},
		{"```go example=ExampleNobody\nfunc()\n```", "there is no function ExampleNobody"},
		{"```go file=auth0.go#Config.Format\nfunc (c Config) Format(f fmt.State, _ rune) {\n```", ""},
		{"```go file=auth0.go#Config.MarshalJSON\nfunc (c Config) Format(f fmt.State, _ rune) {\n```", "these lines are not in auth0.go#Config.MarshalJSON"},
		{"```go file=auth0.go#LogoutEndpointV2\n\t// LogoutEndpointV2 is Auth0's /v2/logout.\n```", ""},
		{"```go file=auth0.go#Nobody\na\n```", "auth0.go has no declaration Nobody"},
		{"```go file=nobody.go\na\n```", "nobody.go is not a Go file"},
		{"```go file=../other/main.go\na\n```", "is not a Go file of the module"},
		{"```go\n\n```", "the block is empty"},
		{"```go ignore=none\na\n```", "ignore has no reason"},
		{"```go ignore=code of the old version\na\n```", ""},
		{"```go exmaple=ExampleDPoP\na\n```", `there is no option "exmaple"`},
		{"```golang\na\n```", `the language "golang"`},
		{"```\na\n```", `the language ""`},
		{"```go\npackage main\n\nfunc main() {}\n", "the block does not end"},
		{"~~~go\na := 1\n~~~\n", "needs a fence"},
		{"It is:\n\n    api, err := auth0.NewAPI(cfg)\n", "needs a fence"},
		{"It is:\n\n    go run ./examples/webapp\n", ""},
	} {
		d, mistakes := parse("a.md", row.text)
		mistakes = append(mistakes, l.checkBlocks(d)...)
		all := strings.Join(mistakes, "\n")
		if row.want == "" && all != "" || !strings.Contains(all, row.want) {
			t.Errorf("%q: the mistakes are %q, want %q", row.text, all, row.want)
		}
	}
}
