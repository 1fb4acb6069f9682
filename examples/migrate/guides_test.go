package migrate_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guides are the documents about the programs of this module, with their limits in lines.
var guides = map[string]int{
	"from-auth0-sample.md": 130, "from-go-jwt-middleware.md": 150, "from-goth.md": 90, "from-go-oidc.md": 90,
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func guide(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// line is a line of a table.
func line(cells ...any) string {
	line := "|"
	for _, cell := range cells {
		line += fmt.Sprintf(" %v |", cell)
	}
	return line
}

// guideLists fails unless the section of a guide about differences has these lines in its
// table, and no others, and the number of cases without a difference.
func guideLists(t *testing.T, name string, same int, want []string) {
	t.Helper()
	_, section, found := strings.Cut(guide(t, name), "\n## Differences\n")
	if !found {
		t.Fatalf("%s has no section Differences", name)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	if count := fmt.Sprintf("\n%d other ", same); !strings.Contains(section, count) {
		t.Errorf("%s does not say that %d cases stay", name, same)
	}
	var got []string
	for l := range strings.Lines(section) {
		if strings.HasPrefix(l, "| ") {
			got = append(got, strings.TrimSpace(l))
		}
	}
	if len(want) == 0 || len(got) == 0 {
		t.Fatalf("%s: %d differences, %d in the programs", name, len(got), len(want))
	}
	got = got[1:] // the head of the table
	for _, l := range want {
		if !slices.Contains(got, l) {
			t.Errorf("%s does not list\n%s", name, l)
		}
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("%s lists a difference that the programs do not show:\n%s", name, l)
		}
	}
}

// TestGuides: each block of Go in a guide is a function, a type or a variable of a program
// in this module.
func TestGuides(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?ms)^```go(.*?)\n(.*?)^```$")
	for name, limit := range guides {
		text := guide(t, name)
		if n := strings.Count(text, "\n"); n > limit {
			t.Errorf("%s has %d lines, want at most %d", name, n, limit)
		}
		found := blocks.FindAllStringSubmatch(text, -1)
		if len(found) < 2 {
			t.Errorf("%s has %d programs", name, len(found))
		}
		for _, block := range found {
			file, declaration, ok := strings.Cut(strings.TrimPrefix(block[1], " file=examples/migrate/"), "#")
			if !ok {
				t.Errorf("%s: this block names no declaration: %s", name, block[1])
				continue
			}
			if want := source(t, file, declaration); want != block[2] {
				t.Errorf("%s: %s#%s is\n%s\nin the guide it is\n%s", name, file, declaration, want, block[2])
			}
		}
	}
}

// source returns the text of a declaration, with its comment.
func source(t *testing.T, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		declared, comment := "", (*ast.CommentGroup)(nil)
		switch d := d.(type) {
		case *ast.FuncDecl:
			declared, comment = d.Name.Name, d.Doc
		case *ast.GenDecl:
			comment = d.Doc
			switch spec := d.Specs[0].(type) {
			case *ast.TypeSpec:
				declared = spec.Name.Name
			case *ast.ValueSpec:
				declared = spec.Names[0].Name
			}
		}
		if declared != name {
			continue
		}
		begin := d.Pos()
		if comment != nil {
			begin = comment.Pos()
		}
		return string(text[files.Position(begin).Offset:files.Position(d.End()).Offset]) + "\n"
	}
	t.Fatalf("%s has no %s", file, name)
	return ""
}
