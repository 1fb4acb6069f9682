package docstest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	getenv   = regexp.MustCompile(`(?i:getenv|lookupenv|\benv)\("([A-Z][A-Z0-9_]*)"`)
	variable = regexp.MustCompile(`\b(?:AUTH0_[A-Z0-9_]*[A-Z0-9]|APP_BASE_URL)\b`)
	firstRow = regexp.MustCompile("^\\| *((?:`[A-Z][A-Z0-9_]*`(?:, *)?)+)")
)

// foreign are variables that documents name and this module does not read.
var foreign = map[string]string{
	"AUTH0_SESSION_SECRET": "another name of AUTH0_SECRET in other SDKs",
}

// readVariables returns the variables that ConfigFromEnv, the examples and the commands
// read. Those of the commands are for their own documents, and so are those that a command
// sets for another program.
func readVariables(t *testing.T) (table, all []string) {
	t.Helper()
	for _, dir := range []string{".", "internal/environment", "examples", "cmd"} {
		if !exists(dir) {
			continue
		}
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && dir == "." && name != root:
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(name)
			if dir == "cmd" {
				all = append(all, variable.FindAllString(string(text), -1)...)
			}
			for _, m := range getenv.FindAllStringSubmatch(string(text), -1) {
				all = append(all, m[1])
				if dir != "cmd" {
					table = append(table, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(table)
	return slices.Compact(table), all
}

// tableVariables are the names in the first cells of the tables whose first column is
// called Variable.
func tableVariables(d document) (names []string) {
	inside := false
	for _, line := range d.prose {
		switch {
		case strings.HasPrefix(line, "| Variable "):
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside:
			if m := firstRow.FindStringSubmatch(line); m != nil {
				for _, span := range spans.FindAllString(m[1], -1) {
					names = append(names, strings.Trim(span, "`"))
				}
			}
		}
	}
	return names
}

// TestEnvironment: the table of README.md has every variable that the code reads, and no
// document names another one.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	want, all := readVariables(t)
	if len(want) < 10 {
		t.Fatalf("the code reads only %q", want)
	}
	for _, d := range documents(t) {
		for _, m := range checkVariables(d, all) {
			t.Errorf("%s: %s", d.path, m)
		}
		if d.path != "README.md" {
			continue
		}
		got := tableVariables(d)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the table of README.md has\n\t%q\nand the code reads\n\t%q", got, want)
		}
	}
}

func checkVariables(d document, known []string) (mistakes []string) {
	for _, name := range tableVariables(d) {
		if !slices.Contains(known, name) {
			mistakes = append(mistakes, name+" is in a table, and nothing reads it")
		}
	}
	for i, line := range strings.Split(d.text, "\n") {
		for _, name := range variable.FindAllString(line, -1) {
			if !slices.Contains(known, name) && foreign[name] == "" {
				mistakes = append(mistakes, fmt.Sprintf("line %d: nothing reads or sets %s", i+1, name))
			}
		}
	}
	return mistakes
}

func TestMistakesOfVariables(t *testing.T) {
	t.Parallel()
	_, known := readVariables(t)
	for _, row := range []struct{ text, want string }{
		{"| Variable | Meaning |\n|---|---|\n| `AUTH0_DOMAIN`, `PORT` | a |\n", ""},
		{"```sh\nexport AUTH0_SECRET=a APP_BASE_URL=b HOME=c\n```", ""},
		{"| Variable | Meaning |\n|---|---|\n| `NOBODY` | a |\n", "NOBODY is in a table, and nothing reads it"},
		{"`AUTH0_NOBODY`", "line 1: nothing reads or sets AUTH0_NOBODY"},
	} {
		d, _ := parse("docs/a.md", row.text)
		if all := strings.Join(checkVariables(d, known), "\n"); row.want == "" && all != "" || !strings.Contains(all, row.want) {
			t.Errorf("%q: the mistakes are %q, want %q", row.text, all, row.want)
		}
	}
}
