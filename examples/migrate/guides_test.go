package migrate_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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
