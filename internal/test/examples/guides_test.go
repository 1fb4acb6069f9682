package examples_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGuides: the programs in a guide are parts of compiled examples.
func TestGuides(t *testing.T) {
	t.Parallel()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for guide, source := range map[string]string{
		"proof-of-possession-client.md": "example_proofkey_test.go",
	} {
		text, err := os.ReadFile("../../../docs/" + guide)
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := os.ReadFile("../../../" + source)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no program", guide)
		}
		for _, b := range blocks {
			if !strings.Contains(squeeze(string(compiled)), squeeze(b[1])) {
				t.Errorf("%s: this program is not in %s:\n%s", guide, source, b[1])
			}
		}
	}
}
