package docstest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestFigures: the comparison of README.md has the figures and the date of
// bench/RESULTS.md, and the versions that bench has run.
func TestFigures(t *testing.T) {
	t.Parallel()
	results := readText(t, "bench/RESULTS.md")
	contenders := []string{"this library", "go-jwt-middleware v3", "go-oidc"} // in the order of the columns; goth verifies no tokens
	var times, modules [3]string
	for i, name := range contenders {
		first := microseconds(t, cell(t, results, "## Verification, first sight of a token", name))
		again := microseconds(t, cell(t, results, "## Verification, the same token again", name))
		times[i] = first + "; " + again
		modules[i] = cell(t, results, "## Dependencies", name)
	}
	date := regexp.MustCompile(`(?m)^(\d{4}-\d\d-\d\d), go`).FindStringSubmatch(results)
	if date == nil {
		t.Fatal("bench/RESULTS.md has no date")
	}
	_, comparison, _ := strings.Cut(readText(t, "README.md"), "## Comparison\n")
	comparison, _, _ = strings.Cut(comparison, "\n## ")
	for _, text := range []string{
		"On " + date[1] + ", by [bench/RESULTS.md]",
		fmt.Sprintf("| RS256 token, first time; again | %s | %s | - | %s |", times[0], times[1], times[2]),
		fmt.Sprintf("| Modules in an API program | %s | %s | - | %s |", modules[0], modules[1], modules[2]),
		") " + strings.TrimPrefix(cell(t, results, "## Contenders", "go-jwt-middleware v3"), "v") + " |",
		") " + strings.TrimPrefix(cell(t, results, "## Contenders", "go-oidc"), "v") + ", x/oauth2",
	} {
		if !strings.Contains(comparison, text) {
			t.Errorf("the comparison of README.md does not have %q", text)
		}
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// cell returns the cell beside a name, in the table below a heading.
func cell(t *testing.T, text, heading, name string) string {
	t.Helper()
	_, table, _ := strings.Cut(text, "\n"+heading+"\n")
	table, _, _ = strings.Cut(table, "\n## ")
	_, row, found := strings.Cut(table, "\n| "+name+" | ")
	value, _, _ := strings.Cut(row, " |")
	if !found || value == "" {
		t.Fatalf("bench/RESULTS.md: %q has no %s", heading, name)
	}
	return value
}

// microseconds rounds nanoseconds to two digits, or to whole microseconds.
func microseconds(t *testing.T, nanoseconds string) string {
	t.Helper()
	n, err := strconv.ParseFloat(nanoseconds, 64)
	if err != nil {
		t.Fatal(err)
	}
	if n < 10000 {
		return fmt.Sprintf("%.1f µs", n/1000)
	}
	return fmt.Sprintf("%.0f µs", n/1000)
}
