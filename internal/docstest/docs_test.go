// Package docstest holds the documents of the module to its code: README.md, docs and
// the README.md of each example. Every Go block compiles, every link leads somewhere,
// and every environment variable is one that the code reads.
//
// The info string of a Go block is one of these:
//
//	go                        a program or a test of it, with a package clause. It is checked by the type checker
//	go program=name           a file of a program that has several blocks with that name
//	go example=ExampleThing   consecutive lines of the body of an Example function, of this module or a nested one
//	go file=path#name         consecutive lines of a declaration in a file that is compiled; without #name, of the file
//	go ignore=reason          not checked, and counted in the table of ignored blocks
//
// It has tests only.
package docstest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	module = "github.com/seed-15d5a55c/auth0"
	root   = "../.."
)

// limits has the lines that a document can have. An example without a row has
// exampleLimit.
var limits = map[string]int{
	"AGENTS.md":                          80,
	"CHANGELOG.md":                       400,
	"SECURITY.md":                        60,
	"skills/auth0-go/SKILL.md":           150,
	"README.md":                          200,
	"docs/README.md":                     60,
	"docs/compatibility.md":              70,
	"docs/doctor.md":                     100,
	"docs/from-auth0-sample.md":          130,
	"docs/from-go-jwt-middleware.md":     150,
	"docs/from-go-oidc.md":               90,
	"docs/from-goth.md":                  90,
	"docs/grpc.md":                       130,
	"docs/htmx.md":                       70,
	"docs/instances.md":                  70,
	"docs/mcp.md":                        130,
	"docs/migrate/README.md":             40,
	"docs/observability.md":              110,
	"docs/organizations.md":              120,
	"docs/production.md":                 50,
	"docs/proof-of-possession-client.md": 100,
	"docs/proof-of-possession.md":        180,
	"docs/proxy.md":                      80,
	"docs/reference.md":                  400,
	"docs/roles.md":                      100,
	"docs/security-model.md":             290,
	"docs/serverless.md":                 60,
	"docs/sessions.md":                   150,
	"docs/spa-bff.md":                    130,
	"docs/start.md":                      160,
	"docs/states.md":                     500,
	"docs/stepup-mfa.md":                 110,
	"docs/tenant.md":                     90,
	"docs/testing.md":                    140,
	"docs/tokens.md":                     140,
	"docs/troubleshooting.md":            900,
	"examples/mcp/README.md":             45,
	"examples/README.md":                 70,
	"examples/connect/README.md":         35,
}

const exampleLimit = 30

// generated are documents that a test writes. Their words are those of the code.
var generated = []string{"docs/states.md"}

// A document is a Markdown file.
type document struct {
	path   string // from the root of the module, with slashes
	text   string
	prose  []string // the lines, those of blocks and comments empty
	blocks []block
}

// A block is a fenced block of code.
type block struct {
	language string
	options  map[string]string
	text     string
	line     int // of the fence
}

func (b block) mistake(format string, args ...any) string {
	return fmt.Sprintf("line %d: ", b.line) + fmt.Sprintf(format, args...)
}

// unfenced is Go in an indented block, which would not be checked.
var unfenced = regexp.MustCompile(`^(?:\t| {4})\s*(?:[\w, ]+ :=|func |import |package |type \w+ struct|if err |mux\.)`)

// parse reads a document. The mistakes are blocks that do not end, and Go that is not in
// a fence of three backticks.
func parse(name, text string) (d document, mistakes []string) {
	d = document{path: name, text: text, prose: strings.Split(text, "\n")}
	var open *block
	var indent string
	for i, line := range d.prose {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case open != nil && strings.TrimRight(trimmed, " ") == "```":
			d.blocks = append(d.blocks, *open)
			open = nil
			d.prose[i] = ""
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
			d.prose[i] = ""
		case strings.HasPrefix(trimmed, "```"):
			indent = strings.Repeat(" ", len(line)-len(trimmed))
			open = newBlock(strings.TrimPrefix(trimmed, "```"), i+1)
			d.prose[i] = ""
		case strings.HasPrefix(trimmed, "~~~") || unfenced.MatchString(line):
			mistakes = append(mistakes, fmt.Sprintf("line %d: code needs a fence of three backticks", i+1))
		}
	}
	if open != nil {
		mistakes = append(mistakes, open.mistake("the block does not end"))
	}
	return d, mistakes
}

func newBlock(info string, line int) *block {
	language, rest, _ := strings.Cut(strings.TrimSpace(info), " ")
	b := &block{language: language, options: map[string]string{}, line: line}
	for strings.TrimSpace(rest) != "" {
		name, value, _ := strings.Cut(strings.TrimSpace(rest), "=")
		value, rest, _ = strings.Cut(value, " ")
		if name == "ignore" { // its reason is a sentence
			value, rest = value+" "+rest, ""
		}
		b.options[name] = value
	}
	return b
}

// documents reads all documents of the module.
func documents(t *testing.T) []document {
	t.Helper()
	names := []string{"README.md", "AGENTS.md", "SECURITY.md", "CHANGELOG.md", "skills/auth0-go/SKILL.md"}
	for _, dir := range []string{"docs", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, entry fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".md") && (dir == "docs" || entry.Name() == "README.md") {
				names = append(names, filepath.ToSlash(strings.TrimPrefix(name, filepath.FromSlash(root+"/"))))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(names) < 8 {
		t.Fatalf("there are only %d documents: %q", len(names), names)
	}
	var list []document
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		d, mistakes := parse(name, string(text))
		for _, m := range mistakes {
			t.Errorf("%s: %s", name, m)
		}
		list = append(list, d)
	}
	return list
}

// TestLengths bounds the lines of each document.
func TestLengths(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		if m := checkLength(d); m != "" {
			t.Errorf("%s %s", d.path, m)
		}
	}
}

func checkLength(d document) string {
	limit, ok := limits[d.path]
	if !ok && strings.HasPrefix(d.path, "examples/") {
		limit, ok = exampleLimit, true
	}
	lines := strings.Count(d.text, "\n")
	switch {
	case !ok:
		return "has no row in the table of limits"
	case lines > limit:
		return fmt.Sprintf("has %d lines, the limit is %d", lines, limit)
	case lines < 8:
		return fmt.Sprintf("has only %d lines", lines)
	}
	return ""
}

func TestMistakesOfLength(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		path  string
		lines int
		want  string
	}{
		{"README.md", 200, ""},
		{"README.md", 201, "has 201 lines, the limit is 200"},
		{"examples/a/README.md", 31, "has 31 lines, the limit is 30"},
		{"docs/nobody.md", 20, "has no row in the table of limits"},
		{"docs/start.md", 3, "has only 3 lines"},
	} {
		if got := checkLength(document{path: row.path, text: strings.Repeat("a\n", row.lines)}); got != row.want {
			t.Errorf("%s with %d lines: %q, want %q", row.path, row.lines, got, row.want)
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
	return err == nil
}

var spans = regexp.MustCompile("`[^`\n]*`")
