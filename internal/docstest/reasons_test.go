package docstest

import (
	"flag"
	"fmt"
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
)

var update = flag.Bool("update", false, "write the lines of docs/troubleshooting.md that come from the code")

const troubleshooting = "docs/troubleshooting.md"

// An answer is one way in which a reason reaches the client.
type answer struct{ status, text string }

func (a answer) String() string { return fmt.Sprintf("%s `%s`", a.status, a.text) }

// rowOf names the refusals that answer the faults of ID tokens alone, and of keys.
var rowOf = map[string]string{
	"Nonce": "IDToken", "Hash": "IDToken", "AuthTime": "NotConfirmed", "ACR": "NotConfirmed", "Organization": "OtherOrganization", "Keys": "Keys",
}

// reasons reads the tables of refusals and of the faults of tokens. A fault of an access
// token gets 401. A fault of an ID token becomes a row of the table of refusals.
func reasons(t *testing.T) map[string][]answer {
	t.Helper()
	all := map[string][]answer{"method_not_listed": {{"403", "method not listed"}}} // of package grpcauth
	refusals := map[string]answer{}                                                 // by the name of their variable
	for _, table := range []struct {
		file, kind string
		read       func(name string, texts []string) (reason string, a answer)
	}{
		{"internal/refusal/refusal.go", "Row", func(name string, v []string) (string, answer) {
			refusals[name] = answer{v[0], v[3]}
			return v[2], refusals[name]
		}},
		{"internal/fault/fault.go", "Fault", func(name string, v []string) (string, answer) {
			row, ok := rowOf[name]
			if !ok {
				return v[0], answer{"401", v[1]}
			}
			if refusals[row].text == "" {
				t.Errorf("there is no refusal %s", row)
			}
			return v[0], refusals[row]
		}},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, table.file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		rows, variable := 0, ""
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				variable = v.Names[0].Name
			}
			literal, ok := n.(*ast.CompositeLit)
			if name, isName := typeName(literal); !ok || !isName || name != table.kind || len(literal.Elts) < 3 {
				return true
			}
			var texts []string
			for _, e := range literal.Elts {
				if l, ok := e.(*ast.BasicLit); ok {
					text, err := strconv.Unquote(l.Value)
					if err != nil {
						text = l.Value // a number
					}
					texts = append(texts, text)
				}
			}
			if len(texts) < 2 {
				return true // made of variables
			}
			rows++
			if reason, a := table.read(variable, texts); reason != "" && !slices.Contains(all[reason], a) {
				all[reason] = append(all[reason], a)
			}
			return true
		})
		if rows < 25 {
			t.Fatalf("%s has only %d rows", table.file, rows)
		}
	}
	return all
}

func typeName(l *ast.CompositeLit) (string, bool) {
	if l == nil {
		return "", false
	}
	id, ok := l.Type.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name, true
}

// An entry is the section of a reason in the guide.
type entry struct {
	answers, cause, fix string
	line                int
}

var section = regexp.MustCompile("(?m)^### `([a-z_0-9]+)`\n\n(.*)\n\n\\*\\*Cause:\\*\\* (.+)\n\n\\*\\*Fix:\\*\\* (.+)\n")

// entries reads the sections of the guide.
func entries(text string) map[string]entry {
	found := map[string]entry{}
	for _, m := range section.FindAllStringSubmatchIndex(text, -1) {
		at := func(i int) string { return text[m[2*i]:m[2*i+1]] }
		found[at(1)] = entry{answers: at(2), cause: at(3), fix: at(4), line: strings.Count(text[:m[0]], "\n") + 1}
	}
	return found
}

// checkReasons compares the guide with the tables.
func checkReasons(text string, known map[string][]answer) (mistakes []string) {
	have := entries(text)
	for reason, answers := range known {
		e, ok := have[reason]
		if !ok {
			mistakes = append(mistakes, fmt.Sprintf("the reason %s has no entry", reason))
			continue
		}
		if want := line(answers); e.answers != want {
			mistakes = append(mistakes, fmt.Sprintf("line %d: the answers of %s are %q, not %q", e.line, reason, want, e.answers))
		}
		mistakes = append(mistakes, checkSettings(reason, e)...)
	}
	for reason := range have {
		if _, ok := known[reason]; !ok {
			mistakes = append(mistakes, fmt.Sprintf("the entry %s has no reason", reason))
		}
	}
	if n := strings.Count(text, "\n### "); n != len(have) {
		mistakes = append(mistakes, fmt.Sprintf("%d of %d entries have the form of an entry", len(have), n))
	}
	slices.Sort(mistakes)
	return mistakes
}

func line(answers []answer) string {
	var texts []string
	for _, a := range answers {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, "<br>")
}

var setting = regexp.MustCompile(`\b(Config|APIConfig|DPoP|TokenExchange|Error)\.([A-Z]\w*)`)

// checkSettings finds names of fields and methods that do not exist.
func checkSettings(reason string, e entry) (mistakes []string) {
	types := map[string]reflect.Type{
		"Config": reflect.TypeFor[auth0.Config](), "APIConfig": reflect.TypeFor[auth0.APIConfig](), "DPoP": reflect.TypeFor[auth0.DPoP](),
		"TokenExchange": reflect.TypeFor[auth0.TokenExchange](), "Error": reflect.TypeFor[*auth0.Error](),
	}
	for _, m := range setting.FindAllStringSubmatch(e.cause+" "+e.fix, -1) {
		typ := types[m[1]]
		_, isMethod := typ.MethodByName(m[2])
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if _, isField := typ.FieldByName(m[2]); !isField && !isMethod {
			mistakes = append(mistakes, fmt.Sprintf("line %d: %s names %s, which does not exist", e.line, reason, m[0]))
		}
	}
	return mistakes
}

// TestTroubleshooting: every reason that a log line or a metric can have is explained,
// and each explanation belongs to a reason.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	name := filepath.Join(root, troubleshooting)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	known := reasons(t)
	if *update {
		text = []byte(section.ReplaceAllStringFunc(string(text), func(s string) string {
			m := section.FindStringSubmatch(s)
			return strings.Replace(s, "\n\n"+m[2]+"\n\n", "\n\n"+line(known[m[1]])+"\n\n", 1)
		}))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range checkReasons(string(text), known) {
		t.Errorf("%s: %s", troubleshooting, m)
	}
}

// rowNames returns the variables of the table of refusals, by reason.
func rowNames(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "internal/refusal/refusal.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t([A-Z]\w+) += Row\{\d+, "[^"]*", "([^"]*)"`).FindAllSubmatch(text, -1) {
		names[string(m[2])] = append(names[string(m[2])], "refusal."+string(m[1]))
	}
	if len(names) < 40 {
		t.Fatalf("only %d reasons", len(names))
	}
	return names
}

// TestReasonsAreProvoked: each reason of the guide, or a row of the table that has it, is
// in a test of the module.
func TestReasonsAreProvoked(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "internal/test/*/*_test.go", "internal/test/*/testdata/*", "grpcauth/*_test.go"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			if info, err := os.Stat(name); err != nil || info.IsDir() {
				continue
			}
			if strings.HasPrefix(name, filepath.Join(root, "internal/docstest")) || filepath.Base(name) == "refusal_test.go" {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	names := rowNames(t)
	for reason := range reasons(t) {
		provoked := func(text string) bool { return strings.Contains(tests.String(), text) }
		if !slices.ContainsFunc(append(names[reason], reason), provoked) {
			t.Errorf("no test has the reason %s", reason)
		}
	}
}

func TestMistakesOfReasons(t *testing.T) {
	t.Parallel()
	known := map[string][]answer{"token_expired": {{"401", "token expired"}}}
	const good = "\n### `token_expired`\n\n401 `token expired`\n\n**Cause:** It has expired.\n\n**Fix:** Set `Config.Scopes`.\n"
	for _, row := range []struct{ name, text, want string }{
		{"a good entry", good, ""},
		{"no entry", "", "the reason token_expired has no entry"},
		{"an entry without a reason", good + strings.ReplaceAll(good, "token_expired", "gone"), "the entry gone has no reason"},
		{"another text", strings.Replace(good, "`token expired`", "`expired`", 1), "line 2: the answers of token_expired are \"401 `token expired`\", not \"401 `expired`\""},
		{"no remedy", good + "\n### `x`\n\n401\n\n**Cause:** a\n", "1 of 2 entries have the form of an entry"},
		{"an unknown field", strings.Replace(good, "Config.Scopes", "Config.Scope", 1), "line 2: token_expired names Config.Scope, which does not exist"},
	} {
		if got := strings.Join(checkReasons(row.text, known), "; "); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
