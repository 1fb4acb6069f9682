package grpcauth_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The programs of the guide are those that are compiled here, and in the example of
// Connect.
func TestGuide(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	guide := read("../docs/grpc.md")
	compiled, connect := squeeze(read("example_test.go")), squeeze(read("../examples/connect/files.go"))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(guide, -1)
	if len(blocks) < 4 {
		t.Errorf("%d programs", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(compiled, squeeze(b[1])) {
			t.Errorf("this program is not in example_test.go:\n%s", b[1])
		}
	}
	_, indented, _ := strings.Cut(guide, "\n\n    ")
	if program, _, _ := strings.Cut(indented, "\n\n"); !strings.Contains(connect, squeeze(program)) {
		t.Errorf("this program is not in examples/connect:\n%s", program)
	}
}
