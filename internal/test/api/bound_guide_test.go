package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGuide: the programs in docs/proof-of-possession.md are compiled as examples, and its table of
// reasons has those that the documentation of the observer has.
func TestGuide(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile("../../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	guide, observer := read("docs/proof-of-possession.md"), read("observer.go")
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	compiled := squeeze(read("example_bound_test.go"))
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(guide, -1)
	if len(programs) != 4 {
		t.Fatalf("%d programs, want 4", len(programs))
	}
	for _, p := range programs {
		if !strings.Contains(compiled, squeeze(p[1])) {
			t.Errorf("this program is not in example_bound_test.go:\n%s", p[1])
		}
	}
	reasons := regexp.MustCompile("(?m)^\\|.*\\| `([a-z_]+)` \\|$").FindAllStringSubmatch(guide[strings.Index(guide, "## Answers"):], -1)
	if len(reasons) != 10 {
		t.Fatalf("%d reasons, want 10", len(reasons))
	}
	for _, r := range reasons {
		if !regexp.MustCompile(`//\t.*\b` + r[1] + `\b`).MatchString(observer) {
			t.Errorf("%s is not in the documentation of Event", r[1])
		}
	}
}
