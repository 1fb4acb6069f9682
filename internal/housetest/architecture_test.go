package housetest

import (
	"fmt"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitecture holds ARCHITECTURE.md to the code. The names and files in
// backticks exist where the page has them. Its tables list every internal package and
// no other. A package imports only packages above it.
func TestArchitecture(t *testing.T) {
	h := load(t)
	page := readPage(t, "ARCHITECTURE.md")
	names, mistakes := h.checkNames(page)
	mistakes = append(mistakes, h.checkTables(page)...)
	for _, mistake := range mistakes {
		t.Error("ARCHITECTURE.md: " + mistake)
	}
	t.Logf("%d names with a package or a receiver", names)
	if names < 30 {
		t.Errorf("ARCHITECTURE.md has %d names with a package or a receiver", names)
	}
}

// TestContributing holds the names and files of CONTRIBUTING.md to the code.
func TestContributing(t *testing.T) {
	_, mistakes := load(t).checkNames(readPage(t, "CONTRIBUTING.md"))
	for _, mistake := range mistakes {
		t.Error("CONTRIBUTING.md: " + mistake)
	}
}

// TestMistakesOfPages has one row for each mistake that a page can have.
func TestMistakesOfPages(t *testing.T) {
	const complete = "every package"
	h := load(t)
	good := readPage(t, "ARCHITECTURE.md")
	for _, row := range []struct{ page, want string }{
		{"`login.Flow.Start`", "there is no login.Flow.Start"},
		{"`login.Begin`", "there is no login.Begin"},
		{"`Strategy.callback`", "there is no Strategy.callback"},
		{"`signin.Config.NoSuchField`", "there is no signin.Config.NoSuchField"},
		{"`nobody.Flow`", "there is no nobody.Flow"},
		{"`findTransaction`", "there is no findTransaction"},
		{"`signin.Routes.Callback` (`signin.go`)", "signin.Routes.Callback is in callback.go, not in signin.go"},
		{"`claims.go`", "there is no claims.go"},
		{"`login/transaction.go`", "there is no login/transaction.go"},
		{"`internal/test/nothing/*`", "there is no internal/test/nothing/*"},
		{"see `Strategy` or `*Strategy`", "*Strategy is no name, file, package or command"},
		{strings.Replace(good, "| `seal` |", "| `sealed` |", 1), "there is no sealed"},
		{strings.Replace(good, "| `seal` |", "| seal |", 1), "no table has seal"},
		{strings.Replace(good, "| `keys` |", "| `keys`, `login` |", 1), "two tables have login"},
		{strings.Replace(good, "| `fault` |", "| `fault`, `keys` |", 1), "keys imports cached, which is not above it"},
		{"`Flow`", "there is no Flow"},
		{good, complete},
		{"`login.Flow.Begin`\n```\n`nobody.Flow` in a drawing\n```\n", complete},
		{"`signin.Routes.Callback` (`callback.go`) `Strategy.handler` `API` `renew.accessTokens.renew` `session/store.go` `internal/test/*` `go test .`", complete},
	} {
		_, mistakes := h.checkNames(row.page)
		if strings.Contains(row.page, "\n| ") {
			mistakes = append(mistakes, h.checkTables(row.page)...)
		}
		if row.want == complete && len(mistakes) > 0 || row.want != complete && !slices.Contains(mistakes, row.want) {
			t.Errorf("%.60q: the mistakes are %q, want %q", row.page, mistakes, row.want)
		}
	}
}

var (
	fence  = regexp.MustCompile("(?ms)^```.*?^```")
	spans  = regexp.MustCompile("`([^`\n]+)`")
	placed = regexp.MustCompile("`([\\w.]+)`\\s+\\(`([\\w/]+\\.go)`\\)")
	name   = regexp.MustCompile(`^[A-Za-z]\w*(\.[A-Za-z]\w*)*$`)
	first  = regexp.MustCompile("(?m)^\\| (`[^|]*) \\|") // cell of a row of a table
)

func readPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkNames looks up every name in backticks on a page. It counts the names with a
// package or a receiver.
func (h *house) checkNames(page string) (names int, mistakes []string) {
	page = fence.ReplaceAllString(page, "")
	for _, found := range placed.FindAllStringSubmatch(page, -1) {
		if object := h.object(found[1]); object != nil && h.file(object.Pos()) != found[2] {
			mistakes = append(mistakes, fmt.Sprintf("%s is in %s, not in %s", found[1], h.file(object.Pos()), found[2]))
		}
	}
	page = placed.ReplaceAllString(page, "`$1`") // the file of a name needs no path
	for _, found := range spans.FindAllStringSubmatch(page, -1) {
		span := found[1]
		switch {
		case strings.HasPrefix(span, "go ") || strings.HasPrefix(span, "bash ") || strings.HasPrefix(span, "cd "):
		case isPath(span):
		case strings.HasSuffix(span, ".go") || strings.Contains(span, "/"):
			mistakes = append(mistakes, "there is no "+span)
		case !name.MatchString(span):
			mistakes = append(mistakes, span+" is no name, file, package or command")
		case h.object(span) == nil && h.named(span) == nil:
			mistakes = append(mistakes, "there is no "+span)
		case strings.Contains(span, "."):
			names++
		}
	}
	return names, mistakes
}

// isPath reports whether there is a file or a directory, from the root of the module
// or from internal.
func isPath(span string) bool {
	for _, base := range []string{"../..", ".."} {
		if _, err := os.Stat(filepath.Join(base, strings.TrimSuffix(span, "/*"))); err == nil {
			return true
		}
	}
	return false
}

// named returns the package with a name, nil if there is none.
func (h *house) named(name string) *checked {
	for _, path := range []string{module + "/internal/" + name, module + "/" + name} {
		if p := h.packages[path]; p != nil {
			return p
		}
	}
	if name == "auth0" {
		return h.packages[module]
	}
	return nil
}

// object returns the object of a name with dots: a declaration of a package, then
// a field or a method of it. A name without a package is one of the root.
func (h *house) object(name string) types.Object {
	parts := strings.Split(name, ".")
	p := h.packages[module]
	if named := h.named(parts[0]); named != nil && len(parts) > 1 {
		p, parts = named, parts[1:]
	}
	object := p.pkg.Scope().Lookup(parts[0])
	for _, part := range parts[1:] {
		if object == nil {
			return nil
		}
		object, _, _ = types.LookupFieldOrMethod(object.Type(), true, p.pkg, part)
	}
	return object
}

// checkTables compares the packages in the first cells of tables with those of the
// module.
func (h *house) checkTables(page string) (mistakes []string) {
	var above []string // and the packages of this row
	for _, cell := range first.FindAllStringSubmatch(page, -1) {
		row := spans.FindAllStringSubmatch(cell[1], -1)
		for _, found := range row {
			if slices.Contains(above, found[1]) {
				mistakes = append(mistakes, "two tables have "+found[1])
			}
			above = append(above, found[1])
		}
		for _, found := range row {
			p := h.named(found[1])
			if p == nil {
				continue // checkNames says so
			}
			for _, path := range p.Imports {
				imported := h.packages[path]
				if imported == nil || path == module && slices.Contains(above, "auth0") {
					continue
				}
				if name := strings.TrimPrefix(short(path), "internal/"); !slices.Contains(above, name) {
					mistakes = append(mistakes, fmt.Sprintf("%s imports %s, which is not above it", found[1], name))
				}
			}
		}
	}
	for path := range h.packages {
		name, internal := strings.CutPrefix(short(path), "internal/")
		if internal && !strings.HasPrefix(name, "test/") && !slices.Contains(above, name) {
			mistakes = append(mistakes, "no table has "+name)
		}
	}
	return mistakes
}
