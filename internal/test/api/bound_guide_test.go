package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGuide: the table of reasons in docs/proof-of-possession.md has the reasons of
// the documentation of the observer.
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
