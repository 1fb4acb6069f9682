package docstest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const llms = "llms.txt"

var (
	guideRow  = regexp.MustCompile(`^\| (.+) \| \[([^\]]+)\]\(([^)]+)\) \|$`)
	guidePart = regexp.MustCompile(`^## (.+)$`)
)

// index makes the list of guides for tools from the map of the guides.
func index(guides string) (string, int) {
	var text strings.Builder
	text.WriteString("# auth0\n\n> Go library for Auth0: login and sessions for web applications, access-token checks for APIs, and a tenant for their tests.\n\n" +
		"- [README](README.md): complete programs for a web application, an API and a test\n" +
		"- [Notes for coding agents](AGENTS.md): where to start, and mistakes that compile\n")
	rows := 0
	for line := range strings.Lines(guides) {
		line = strings.TrimSuffix(line, "\n")
		if m := guidePart.FindStringSubmatch(line); m != nil {
			fmt.Fprintf(&text, "\n## %s\n\n", m[1])
		}
		if m := guideRow.FindStringSubmatch(line); m != nil {
			rows++
			fmt.Fprintf(&text, "- [%s](docs/%s): %s\n", m[2], m[3], m[1])
		}
	}
	return text.String(), rows
}

// TestLLMs: llms.txt is the map of the guides. Run the test with -update to write it.
func TestLLMs(t *testing.T) {
	t.Parallel()
	guides, err := os.ReadFile(filepath.Join(root, "docs/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, rows := index(string(guides))
	if rows < 20 {
		t.Fatalf("only %d guides", rows)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, llms), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(root, llms))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not made from docs/README.md: go test ./internal/docstest -run TestLLMs -update", llms)
	}
}

const llmsFull = "llms-full.txt"

// full makes one text of the README and of all guides, in the order of their map. Tables of
// states, which a test writes, are left out.
func full(t *testing.T, guides string) string {
	t.Helper()
	var text strings.Builder
	add := func(name string) {
		page, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "<!-- %s -->\n\n%s\n", name, page)
	}
	add("README.md")
	add("AGENTS.md")
	for line := range strings.Lines(guides) {
		if m := guideRow.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil && m[3] != "states.md" {
			add("docs/" + m[3])
		}
	}
	return text.String()
}

// TestLLMsFull: llms-full.txt is the text of the guides. Run the test with -update to
// write it.
func TestLLMsFull(t *testing.T) {
	t.Parallel()
	guides, err := os.ReadFile(filepath.Join(root, "docs/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := full(t, string(guides))
	if strings.Count(want, "<!-- docs/") < 20 {
		t.Fatal("guides are missing")
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, llmsFull), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(root, llmsFull))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not the text of the guides: go test ./internal/docstest -run TestLLMs -update", llmsFull)
	}
}
