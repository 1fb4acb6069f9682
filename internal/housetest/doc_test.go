package housetest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDocumentation compares the public documentation of the root with the record
// in testdata, so that each change of it is deliberate. After one,
// `go doc -all . > internal/housetest/testdata/doc.txt` makes the record anew.
func TestDocumentation(t *testing.T) {
	cmd := exec.Command("go", "doc", "-all", ".")
	cmd.Dir = root(t)
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/doc.txt")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("line %d of the documentation is\n\t%s\nand in the record\n\t%s", i+1, gotLines[i], wantLines[i])
		}
	}
	t.Fatalf("the documentation has %d lines, the record %d", len(gotLines), len(wantLines))
}
