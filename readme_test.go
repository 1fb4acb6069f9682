package auth0_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestREADME: the programs in the README are those that are compiled and run as
// examples.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	compiled := squeeze(string(source))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d programs in the README, want 3 or more", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(compiled, squeeze(b[1])) {
			t.Errorf("this program is not in example_test.go:\n%s", b[1])
		}
	}
	if lines := strings.Split(string(readme), "\n"); !strings.Contains(strings.Join(lines[:20], "\n"), "go run ./examples/webapp") || !strings.Contains(strings.Join(lines[:20], "\n"), "go test ./...") {
		t.Error("the two commands are not on the first screen")
	}
}
