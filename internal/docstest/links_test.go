package docstest

import (
	"bytes"
	"fmt"
	"go/types"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)`)
	reference    = regexp.MustCompile(`^\s*\[[^\]]+\]:\s+(\S+)`)
	attribute    = regexp.MustCompile(`\b(?:href|src|srcset)="([^"]+)"`)
	heading      = regexp.MustCompile(`^ {0,3}#{1,6} +(.*?) *#*$`)
	anchor       = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	command      = regexp.MustCompile(`go (?:-C (\S+) )?(?:run|test|vet|build) (?:\./((?:examples|cmd|bench)[\w/-]*)|\.)`)
	apiName      = regexp.MustCompile("^`(?:\\*)?([A-Za-z]\\w*(?:\\.[A-Z]\\w*)+)(?:\\(.*\\)|\\[\\w+\\])?`$")
)

// papers are documents beside those of this package. Their links are checked too.
func papers(t *testing.T) (list []document) {
	t.Helper()
	for _, pattern := range []string{"*.md", "bench/*.md", ".github/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if name := strings.TrimPrefix(filepath.ToSlash(file), root+"/"); name != "README.md" {
				d, _ := parse(name, string(text))
				list = append(list, d)
			}
		}
	}
	if len(list) < 5 {
		t.Fatalf("only %d papers", len(list))
	}
	return list
}

// A web has all documents with the anchors of each.
type web struct {
	anchors  map[string]map[string]bool
	packages map[string]*types.Package
}

func newWeb(t *testing.T, list []document) *web {
	t.Helper()
	l, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	w := &web{anchors: map[string]map[string]bool{}, packages: map[string]*types.Package{}}
	for _, d := range list {
		w.anchors[d.path] = anchors(d)
	}
	for _, p := range []string{module, module + "/auth0test", module + "/management"} {
		if w.packages[path.Base(p)], err = l.Import(p); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// anchors are the headings of a document, as GitHub names them.
func anchors(d document) map[string]bool {
	set := map[string]bool{}
	for _, line := range d.prose {
		if m := heading.FindStringSubmatch(line); m != nil {
			name := slug(m[1])
			for n := 1; set[name]; n++ {
				name = fmt.Sprintf("%s-%d", slug(m[1]), n)
			}
			set[name] = true
		}
		for _, m := range anchor.FindAllStringSubmatch(line, -1) {
			set[m[1]] = true
		}
	}
	return set
}

var linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

func slug(title string) string {
	title = strings.ToLower(linkText.ReplaceAllString(title, "$1"))
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127 && r != '’' && r != '–' && r != '—' && r != '·' && r != '…':
			return r
		}
		return -1
	}, title)
}

// TestLinks: links, images, commands and names of the API lead somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	list := append(documents(t), papers(t)...)
	w, count := newWeb(t, list), 0
	linked := map[string]bool{}
	for _, d := range list {
		mistakes := append(w.checkLinks(d, linked), w.checkNames(d)...)
		mistakes = append(mistakes, checkCommands(d)...)
		for _, m := range mistakes {
			t.Errorf("%s: %s", d.path, m)
		}
		count += len(links(d))
	}
	if count < 50 {
		t.Errorf("only %d links", count)
	}
	checkDead(t, linked)
}

// A link is the target of a link, and its line.
type link struct {
	target string
	line   int
}

func links(d document) (list []link) {
	for i, line := range d.prose {
		line = spans.ReplaceAllString(line, "")
		for _, pattern := range []*regexp.Regexp{markdownLink, reference, attribute} {
			for _, m := range pattern.FindAllStringSubmatch(line, -1) {
				list = append(list, link{m[1], i + 1})
			}
		}
	}
	return list
}

// checkLinks also adds the linked files to linked.
func (w *web) checkLinks(d document, linked map[string]bool) (mistakes []string) {
	for _, l := range links(d) {
		add := func(format string, args ...any) {
			mistakes = append(mistakes, fmt.Sprintf("line %d: ", l.line)+fmt.Sprintf(format, args...))
		}
		u, err := url.Parse(l.target)
		switch {
		case err != nil:
			add("%v", err)
		case u.Host == "pkg.go.dev" && strings.HasPrefix(u.Path, "/"+module):
			if !w.hasName(strings.TrimPrefix(u.Path, "/"+module), u.Fragment) {
				add("the documentation of the module has no %s", l.target)
			}
		case u.Scheme == "https" || u.Scheme == "mailto":
		case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
			add("%s is neither https nor a relative link", l.target)
		default:
			name := d.path
			if u.Path != "" {
				name = path.Join(path.Dir(d.path), u.Path)
			}
			linked[name] = true
			if m := w.checkFile(name, u.Fragment); m != "" {
				add("%s", m)
			}
		}
	}
	return mistakes
}

// checkFile checks a file or directory with the anchor in it.
func (w *web) checkFile(name, fragment string) string {
	switch {
	case strings.HasPrefix(name, ".."):
		return name + " is outside of the module"
	case !exists(name):
		return "there is no " + name
	case fragment == "":
		return ""
	case !strings.HasSuffix(name, ".md"):
		return "#" + fragment + " of " + name + " is no heading: name the function instead of a line"
	}
	if set, ok := w.anchors[name]; ok && !set[fragment] {
		return name + " has no heading #" + fragment
	}
	return ""
}

// hasName looks a name up in the documentation of a package, which can be one of another
// module below this one.
func (w *web) hasName(dir, name string) bool {
	dir = strings.TrimPrefix(dir, "/")
	if !exists(dir) || name == "" {
		return exists(dir)
	}
	if name == "pkg-overview" || name == "pkg-examples" || strings.HasPrefix(name, "example-") {
		return true
	}
	if p := w.packages[path.Base(module+"/"+dir)]; p != nil {
		return lookup(p, name)
	}
	files, _ := filepath.Glob(filepath.Join(root, dir, "*.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		kind, member, _ := strings.Cut(name, ".")
		if err == nil && (find(text, name) != nil || member != "" && bytes.Contains(find(text, kind), []byte(member))) {
			return true
		}
	}
	return false
}

// lookup finds Name, Type.Member and Type.Field.Member.
func lookup(p *types.Package, name string) bool {
	parts := strings.Split(name, ".")
	object := p.Scope().Lookup(parts[0])
	for _, part := range parts[1:] {
		if object == nil {
			return false
		}
		object, _, _ = types.LookupFieldOrMethod(object.Type(), true, p, part)
	}
	return object != nil && object.Exported()
}

// checkNames looks up the names of the API that stand in backticks: those with a package,
// and those with a type of the root.
func (w *web) checkNames(d document) (mistakes []string) {
	if d.path == "CHANGELOG.md" || d.path == "ARCHITECTURE.md" { // old names; names of internal packages
		return nil
	}
	for i, line := range d.prose {
		for _, span := range spans.FindAllString(line, -1) {
			m := apiName.FindStringSubmatch(span)
			if m == nil {
				continue
			}
			first, rest, _ := strings.Cut(m[1], ".")
			p, name := w.packages[first], rest
			if p == nil {
				p, name = w.packages["auth0"], m[1]
				if object, ok := p.Scope().Lookup(first).(*types.TypeName); !ok || !object.Exported() {
					continue // of another package
				}
			}
			if !lookup(p, name) {
				mistakes = append(mistakes, fmt.Sprintf("line %d: there is no %s", i+1, m[1]))
			}
		}
	}
	return mistakes
}

// checkCommands finds the programs of commands, in blocks too.
func checkCommands(d document) (mistakes []string) {
	for i, line := range strings.Split(d.text, "\n") {
		for _, m := range command.FindAllStringSubmatch(line, -1) {
			dir := path.Join(m[1], m[2])
			if dir == "" || strings.HasPrefix(dir, "..") {
				continue
			}
			here, _ := filepath.Glob(filepath.Join(root, path.Dir(d.path), dir, "*.go")) // of a document beside its module
			if files, _ := filepath.Glob(filepath.Join(root, dir, "*.go")); len(files)+len(here) == 0 {
				mistakes = append(mistakes, fmt.Sprintf("line %d: there is no program in %s", i+1, dir))
			}
		}
	}
	return mistakes
}

// checkDead: each file in docs is linked from a document.
func checkDead(t *testing.T, linked map[string]bool) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if err == nil && slices.Contains([]string{"testdata", "migrate"}, entry.Name()) {
				return filepath.SkipDir
			}
			return err
		}
		files++
		if name = strings.TrimPrefix(filepath.ToSlash(name), root+"/"); !linked[name] {
			t.Errorf("no document links to %s", name)
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("%d files in docs: %v", files, err)
	}
}

func TestMistakesOfLinks(t *testing.T) {
	t.Parallel()
	other, _ := parse("docs/grpc.md", "# gRPC & `Connect`\n## A server\n## A server\n<a id=\"here\"></a>\n")
	w := newWeb(t, []document{other})
	for _, row := range []struct{ text, want string }{
		{"[a](grpc.md), [b](grpc.md#a-server) [c](grpc.md#a-server-1) [d](grpc.md#grpc--connect) [e](grpc.md#here)", ""},
		{"[a](grpc.md#a-server-2)", "docs/grpc.md has no heading #a-server-2"},
		{"[a](nobody.md)", "there is no docs/nobody.md"},
		{"[a][b]\n\n[b]: nobody.md", "there is no docs/nobody.md"},
		{"![a](images/nobody.png)", "there is no docs/images/nobody.png"},
		{"<picture><source srcset=\"nobody.png\"><img src=\"../README.md\"></picture>", "there is no docs/nobody.png"},
		{"[a](../../other)", "../other is outside of the module"},
		{"[a](/docs/grpc.md)", "neither https nor a relative link"},
		{"[a](http://example.com/)", "neither https nor a relative link"},
		{"[a](../auth0.go#L10)", "name the function instead of a line"},
		{"`[a](nobody.md)`", ""},
		{"```sh\n[a](nobody.md)\n```", ""},
		{"[a](https://pkg.go.dev/github.com/seed-15d5a55c/auth0#Config.Secrets)", ""},
		{"[a](https://pkg.go.dev/github.com/seed-15d5a55c/auth0/grpcauth#Options.Methods)", ""},
		{"[a](https://pkg.go.dev/github.com/seed-15d5a55c/auth0/grpcauth#Options.Nobody)", "has no https://"},
		{"[a](https://pkg.go.dev/github.com/seed-15d5a55c/auth0#Config.Nobody)", "has no https://"},
		{"[a](https://pkg.go.dev/github.com/seed-15d5a55c/auth0/nobody)", "has no https://"},
		{"`auth0.New`, `auth0.PrivateKeyJWT(...)`, `Config.Store`, `auth0.Claims[T]`, `http.Nobody`, `Strategy.LoadUser`, `*auth0.Error`, `APIConfig.DPoP.Mode`", ""},
		{"`Config.Nobody`", "there is no Config.Nobody"},
		{"`auth0.Nobody(...)`", "there is no auth0.Nobody"},
		{"`auth0test.Tenant.Nobody`", "there is no auth0test.Tenant.Nobody"},
		{"`go run ./examples/webapp`, `go -C examples/otel run .`, `go test ./...`, `go run .`", ""},
		{"```sh\ngo run ./examples/nobody\n```", "there is no program in examples/nobody"},
		{"`go -C examples/nobody run .`", "there is no program in examples/nobody"},
	} {
		d, _ := parse("docs/a.md", row.text)
		mistakes := append(append(w.checkLinks(d, map[string]bool{}), w.checkNames(d)...), checkCommands(d)...)
		all := strings.Join(mistakes, "\n")
		if row.want == "" && all != "" || !strings.Contains(all, row.want) {
			t.Errorf("%q: the mistakes are %q, want %q", row.text, all, row.want)
		}
	}
}
