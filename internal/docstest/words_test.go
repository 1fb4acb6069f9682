package docstest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// avoided are words that hide the actor, the term of the field or the instruction, and
// British spellings. They count in prose, not in code and not in quotations.
var avoided = regexp.MustCompile(`(?i)\b(?:` + strings.Join([]string{
	`sign(?:ing|s)?[ -](?:in|out)`, `whoever`, `whatever`, `thereof`, `in any case`, `besides`, `as it is`, `at all`,
	`of (?:its|one's|their|your) own`, `of yours`, `begun`, `gone`, `had`, `simply`, `just`, `easily`, `secure by default`,
	`e-mails?`, `licence`, `cancelled`, `behaviour`, `colour`, `authoris\w+`, `such(?: as\b)?`,
}, "|") + `)\b`)

// beginnings are sentences that begin without their noun. A question may.
var beginnings = regexp.MustCompile(`(?:^|[.:;] )(What|Who|Whoever|That of|Those of)\b[^.?]*(?:[.?]|$)`)

// quotations are the texts of pages and programs that a document cites.
var quotations = regexp.MustCompile(`"[^"]*"`)

// exceptions counts the avoided words of documents that have not been revised. A number
// may only be lowered.
var exceptions = map[string]int{}

func TestWords(t *testing.T) {
	t.Parallel()
	prose := 0
	for _, d := range documents(t) {
		if slices.Contains(generated, d.path) {
			continue
		}
		for _, line := range d.prose {
			prose += len(strings.Fields(line))
		}
		found := checkWords(d)
		if len(found) == exceptions[d.path] {
			continue
		}
		t.Errorf("%s: %d avoided words, and %d in the table, which may only be lowered", d.path, len(found), exceptions[d.path])
		for _, m := range found {
			t.Errorf("%s: %s", d.path, m)
		}
	}
	if prose < 2000 {
		t.Errorf("the documents have only %d words", prose)
	}
}

// checkWords returns the avoided words of a document.
func checkWords(d document) (mistakes []string) {
	for i, line := range d.prose {
		text := quotations.ReplaceAllString(spans.ReplaceAllString(line, "``"), `""`)
		for _, word := range avoided.FindAllString(text, -1) {
			if !strings.EqualFold(word, "such as") {
				mistakes = append(mistakes, fmt.Sprintf("line %d: %q", i+1, word))
			}
		}
		if strings.HasPrefix(text, "#") || strings.HasPrefix(text, "|") {
			continue
		}
		before := strings.TrimSpace(d.prose[max(i-1, 0)])
		begins := i == 0 || before == "" || strings.HasSuffix(before, ".") || strings.HasSuffix(before, ":")
		for _, m := range beginnings.FindAllStringSubmatchIndex(text, -1) {
			if sentence := text[m[0]:m[1]]; !strings.HasSuffix(sentence, "?") && (m[0] > 0 || begins) {
				mistakes = append(mistakes, fmt.Sprintf("line %d: a sentence begins with %q", i+1, text[m[2]:m[3]]))
			}
		}
	}
	return mistakes
}

func TestMistakesOfWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text string
		want int
	}{
		{"Users log in, and tokens such as these expire.", 0},
		{"Users sign in. Then they signed out.", 1},
		{"Such tokens expire.", 1},
		{"It is simply secure by default.", 2},
		{"The session has a key of its own", 1},
		{"`had` and \"just do it\"", 0},
		{"```sh\njust\n```", 0},
		{"What the tenant sends is checked.", 1},
		{"It checks tokens. What the tenant sends is checked.", 1},
		{"What is a token? It is a text.", 0},
		{"## What is checked", 0},
		{"| What | Just |", 1},
		{"The API checks\nWhat the tenant sends.", 0},
		{"It is checked.\nWhat the tenant sends, too.", 1},
	} {
		d, _ := parse("a.md", row.text)
		if got := checkWords(d); len(got) != row.want {
			t.Errorf("%q: %q, want %d", row.text, got, row.want)
		}
	}
}
