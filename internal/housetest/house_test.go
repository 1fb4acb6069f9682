// Package housetest holds the structure of the module to bounds: which package
// imports which, how the files of the root depend on each other, how many methods
// one type has, and how many names cross the border of a package. A bound may only
// be lowered, except that a feature with new public names may raise the numbers of names,
// methods, lines and arrows of the root.
//
// It has tests only. `go test -v -run TestHouse ./internal/housetest` prints the
// figures.
package housetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/seed-15d5a55c/auth0"

// A listed package has the fields of `go list`.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Export     string
}

// A checked package was read and checked by the type checker.
type checked struct {
	listed
	files []*ast.File
	pkg   *types.Package
	info  *types.Info
}

// A house is every package of the module, without tests.
type house struct {
	fset     *token.FileSet
	packages map[string]*checked
}

var loadOnce struct {
	sync.Once
	house *house
}

// load reads the module once for all tests.
func load(t *testing.T) *house {
	t.Helper()
	loadOnce.Do(func() { loadOnce.house = read(t) })
	if loadOnce.house == nil {
		t.Fatal("the module could not be read")
	}
	return loadOnce.house
}

// read checks the packages of the module from their source, so that no test waits
// until the compiler has made them. Of all other packages it reads the output
// of the compiler in the build cache.
func read(t *testing.T) *house {
	t.Helper()
	h := &house{fset: token.NewFileSet(), packages: map[string]*checked{}}
	for _, p := range list(t, "-json=ImportPath,Dir,GoFiles,Imports", "./...") {
		h.packages[p.ImportPath] = &checked{listed: p}
	}
	outside := map[string]bool{}
	for _, p := range h.packages {
		for _, path := range p.Imports {
			outside[path] = h.packages[path] == nil && path != "unsafe"
		}
	}
	maps.DeleteFunc(outside, func(_ string, is bool) bool { return !is })
	exports := map[string]string{}
	for _, p := range list(t, append([]string{"-export", "-deps", "-json=ImportPath,Export"}, slices.Sorted(maps.Keys(outside))...)...) {
		exports[p.ImportPath] = p.Export
	}
	compiled := importer.ForCompiler(h.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range h.packages {
		h.check(t, p, compiled)
	}
	if len(h.packages) < 10 {
		t.Fatalf("%d packages", len(h.packages))
	}
	return h
}

func list(t *testing.T, args ...string) (packages []listed) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// An importFunc is a types.Importer.
type importFunc func(path string) (*types.Package, error)

func (f importFunc) Import(path string) (*types.Package, error) { return f(path) }

// check checks a package, and before it those of the module that it imports.
func (h *house) check(t *testing.T, p *checked, compiled types.Importer) {
	t.Helper()
	if p.pkg != nil {
		return
	}
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(h.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, f)
	}
	p.info = &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	imports := importFunc(func(path string) (*types.Package, error) {
		own := h.packages[path]
		if own == nil {
			return compiled.Import(path)
		}
		h.check(t, own, compiled)
		return own.pkg, nil
	})
	var err error
	if p.pkg, err = (&types.Config{Importer: imports}).Check(p.ImportPath, h.fset, p.files, p.info); err != nil {
		t.Fatal(err)
	}
}

// file is the name of the file that an object is declared in.
func (h *house) file(pos token.Pos) string { return filepath.Base(h.fset.Position(pos).Filename) }

// arrows are the dependencies between the files of a package: one uses a name, a
// field or a method that the other declares.
func (h *house) arrows(p *checked) map[string]map[string]bool {
	found := map[string]map[string]bool{}
	for _, f := range p.files {
		found[h.file(f.Pos())] = map[string]bool{}
	}
	for ident, object := range p.info.Uses {
		if object.Pkg() != p.pkg || !object.Pos().IsValid() {
			continue
		}
		if from, to := h.file(ident.Pos()), h.file(object.Pos()); from != to && found[to] != nil {
			found[from][to] = true
		}
	}
	return found
}

// ring is the largest set of files that all reach each other.
func ring(arrows map[string]map[string]bool) []string {
	reaches := map[string]map[string]bool{}
	var visit func(from, at string)
	visit = func(from, at string) {
		for next := range arrows[at] {
			if !reaches[from][next] {
				reaches[from][next] = true
				visit(from, next)
			}
		}
	}
	for file := range arrows {
		reaches[file] = map[string]bool{}
		visit(file, file)
	}
	var largest []string
	for file := range arrows {
		var set []string
		for other := range arrows {
			if other == file || reaches[file][other] && reaches[other][file] {
				set = append(set, other)
			}
		}
		if len(set) > len(largest) {
			largest = set
		}
	}
	slices.Sort(largest)
	return largest
}

// A receiver is a type with methods.
type receiver struct {
	name                 string
	exported, unexported int
	files                map[string]bool
}

func (h *house) receivers(p *checked) []receiver {
	found := map[string]*receiver{}
	for _, object := range p.info.Defs {
		f, ok := object.(*types.Func)
		if !ok || f.Signature().Recv() == nil {
			continue
		}
		named := named(f.Signature().Recv().Type())
		if named == nil || types.IsInterface(named) {
			continue
		}
		r := found[named.Obj().Name()]
		if r == nil {
			r = &receiver{name: named.Obj().Name(), files: map[string]bool{}}
			found[r.name] = r
		}
		r.files[h.file(f.Pos())] = true
		if f.Exported() {
			r.exported++
		} else {
			r.unexported++
		}
	}
	var list []receiver
	for _, r := range found {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b receiver) int {
		return cmp.Or(cmp.Compare(b.exported+b.unexported, a.exported+a.unexported), strings.Compare(a.name, b.name))
	})
	return list
}

func named(t types.Type) *types.Named {
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	n, _ := t.(*types.Named)
	return n
}

// exported counts the names for users: types and functions, methods, fields,
// constants and variables. Methods of interfaces are not counted.
func exported(p *checked) (sum int, parts string) {
	var tops, methods, fields, values int
	scope := p.pkg.Scope()
	for _, name := range scope.Names() {
		object := scope.Lookup(name)
		if !object.Exported() {
			continue
		}
		switch object := object.(type) {
		case *types.Func:
			tops++
		case *types.Const, *types.Var:
			values++
		case *types.TypeName:
			tops++
			if n, ok := object.Type().(*types.Named); ok && !object.IsAlias() && !types.IsInterface(n) {
				for m := range n.Methods() {
					if m.Exported() {
						methods++
					}
				}
			}
			if s, ok := object.Type().Underlying().(*types.Struct); ok {
				for f := range s.Fields() {
					if f.Exported() {
						fields++
					}
				}
			}
		}
	}
	return tops + methods + fields + values, fmt.Sprintf("%d types and functions, %d methods, %d fields, %d constants and variables", tops, methods, fields, values)
}

// widths counts, for each package of the module, its names that other packages use.
func (h *house) widths() map[string][]string {
	used := map[string]map[string]bool{}
	for _, p := range h.packages {
		for _, object := range p.info.Uses {
			if object.Pkg() == nil || object.Pkg().Path() == p.ImportPath || h.packages[object.Pkg().Path()] == nil || !object.Exported() {
				continue
			}
			if _, isPackage := object.(*types.PkgName); isPackage {
				continue
			}
			set := used[object.Pkg().Path()]
			if set == nil {
				set = map[string]bool{}
				used[object.Pkg().Path()] = set
			}
			at := h.fset.Position(object.Pos())
			set[fmt.Sprintf("%s (%s:%d)", object.Name(), filepath.Base(at.Filename), at.Line)] = true
		}
	}
	widths := map[string][]string{}
	for path, set := range used {
		widths[path] = slices.Sorted(maps.Keys(set))
	}
	return widths
}

func short(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

// lines counts the lines of the files of a package.
func lines(t *testing.T, p *checked) int {
	t.Helper()
	n := 0
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(text, []byte("\n"))
	}
	return n
}

// bounds of the root package, see the comment of this package.
var bounds = struct{ ring, arrows, files, lines, exported, methods, unexported int }{
	ring: 3, arrows: 87, files: 24, lines: 5849, exported: 462, methods: 38, unexported: 6,
}

func TestHouse(t *testing.T) {
	h := load(t)
	p := h.packages[module]
	arrows := h.arrows(p)
	sum := 0
	for _, to := range arrows {
		sum += len(to)
	}
	files := ring(arrows)
	exports, parts := exported(p)
	receivers := h.receivers(p)
	unexported := 0
	for _, r := range receivers {
		if r.name == "Strategy" {
			unexported = r.unexported
		}
	}
	for _, row := range []struct {
		what       string
		got, bound int
	}{
		{"files in the largest ring", len(files), bounds.ring},
		{"arrows between files", sum, bounds.arrows},
		{"files", len(p.GoFiles), bounds.files},
		{"lines", lines(t, p), bounds.lines},
		{"exported names", exports, bounds.exported},
		{"methods of one type", receivers[0].exported + receivers[0].unexported, bounds.methods},
		{"unexported methods of Strategy", unexported, bounds.unexported},
	} {
		t.Logf("root: %5d %s, bound %d", row.got, row.what, row.bound)
		switch {
		case row.got > row.bound:
			t.Errorf("the root has %d %s, the bound is %d", row.got, row.what, row.bound)
		case row.got < row.bound-row.bound/20:
			t.Errorf("the root has %d %s, the bound is %d: lower it", row.got, row.what, row.bound)
		}
	}
	t.Logf("root: exported: %s", parts)
	t.Logf("root: the ring: %s", strings.Join(files, " "))
	for _, r := range receivers[:min(len(receivers), 8)] {
		t.Logf("root: %s has %d exported and %d unexported methods in %d files", r.name, r.exported, r.unexported, len(r.files))
	}
}

// TestWidths bounds the names that cross the border of each internal package.
func TestWidths(t *testing.T) {
	h := load(t)
	widths := h.widths()
	for _, path := range slices.Sorted(maps.Keys(h.packages)) {
		name := short(path)
		if !strings.HasPrefix(name, "internal/") || exempt(name) {
			continue
		}
		width := len(widths[path])
		t.Logf("%3d names of %s are used elsewhere", width, name)
		bound := maxWidth
		if wide := tooWide[name]; wide > 0 {
			bound = wide
		}
		if width > bound {
			t.Errorf("%d names of %s are used elsewhere, the bound is %d: %s", width, name, bound, strings.Join(widths[path], ", "))
		}
	}
}

const maxWidth = 60

// tooWide has bounds of packages that are too wide. They may only be lowered.
var tooWide = map[string]int{}

// TestReceivers bounds the methods of one type in every package but the root, whose
// bounds are in TestHouse. Promoted methods do not count: they are declared, and
// read, elsewhere.
func TestReceivers(t *testing.T) {
	h := load(t)
	found := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(h.packages)) {
		name := short(path)
		if name == "" {
			continue
		}
		for i, r := range h.receivers(h.packages[path]) {
			methods := r.exported + r.unexported
			if i == 0 {
				t.Logf("%3d methods of %s.%s in %d files", methods, name, r.name, len(r.files))
			}
			bound := maxMethods
			if many, ok := tooMany[name+"."+r.name]; ok {
				bound = many
				found[name+"."+r.name] = true
				if methods < many {
					t.Errorf("%s.%s has %d methods, the bound is %d: lower it, or remove it at %d", name, r.name, methods, many, maxMethods)
				}
			}
			if methods > bound {
				t.Errorf("%s.%s has %d methods, the bound is %d", name, r.name, methods, bound)
			}
		}
	}
	for name := range tooMany {
		if !found[name] {
			t.Errorf("%s is in the table of types with too many methods, and there is no such type", name)
		}
	}
}

const maxMethods = 45

// tooMany has bounds of types with too many methods. They may only be lowered.
var tooMany = map[string]int{}

// TestAliases rejects an exported alias of a type of an internal package: its
// documentation shows no fields.
func TestAliases(t *testing.T) {
	h := load(t)
	for path, p := range h.packages {
		if strings.Contains(path, "/internal/") {
			continue
		}
		for _, name := range p.pkg.Scope().Names() {
			object, ok := p.pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok || !object.Exported() || !object.IsAlias() {
				continue
			}
			if n := named(types.Unalias(object.Type())); n != nil && n.Obj().Pkg() != nil && strings.Contains(n.Obj().Pkg().Path(), module+"/internal/") {
				t.Errorf("%s.%s is an alias of %s", path, name, n)
			}
		}
	}
}

// TestEmulator bounds the ring of the emulator, whose width does not count.
func TestEmulator(t *testing.T) {
	h := load(t)
	arrows := h.arrows(h.packages[module+"/internal/emulator"])
	files := ring(arrows)
	t.Logf("emulator: %d of %d files in the largest ring, bound %d: %s", len(files), len(arrows), maxEmulatorRing, strings.Join(files, " "))
	if len(files) > maxEmulatorRing {
		t.Errorf("the emulator has %d files in the largest ring, the bound is %d", len(files), maxEmulatorRing)
	}
}

// maxEmulatorRing may only be lowered.
const maxEmulatorRing = 2

// exempt are packages that only tests and examples use, and tables, whose rows are
// their names.
func exempt(name string) bool {
	return name == "internal/refusal" || name == "internal/emulator" || strings.HasPrefix(name, "internal/test")
}
