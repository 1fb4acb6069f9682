package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Status is the result of a check.
type Status string

const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Advice is one thing to do.
type Advice struct {
	Text string `json:"text"`
	// Command is a line for a shell, or empty.
	Command string `json:"command,omitempty"`
	// ReplacesList: the flag of the command replaces a whole list.
	ReplacesList bool `json:"replaces_list,omitempty"`
}

// A Finding is the result of one check before it is in a report.
type Finding struct {
	Status  Status
	Message string
	Advice  []Advice
}

func ok(message string, advice ...Advice) Finding   { return Finding{OK, message, advice} }
func warn(message string, advice ...Advice) Finding { return Finding{Warn, message, advice} }
func fail(message string, advice ...Advice) Finding { return Finding{Fail, message, advice} }
func skip(message string) Finding                   { return Finding{Status: Skip, Message: message} }

func do(text string) Advice { return Advice{Text: text} }

// A Result is a finding in a report.
type Result struct {
	Check   string   `json:"check"`
	Status  Status   `json:"status"`
	Message string   `json:"message"`
	Advice  []Advice `json:"advice"`
}

// A Report is the result of an examination. Its texts are printable and have no secret.
type Report struct {
	Domain   string   `json:"domain"`
	ClientID string   `json:"client_id"`
	BaseURL  string   `json:"base_url"`
	Results  []Result `json:"checks"`
	Failed   int      `json:"failed"`
	Warnings int      `json:"warnings"`
	Requests int      `json:"requests"`
}

func (r Report) sum() Report {
	for _, result := range r.Results {
		switch result.Status {
		case Fail:
			r.Failed++
		case Warn:
			r.Warnings++
		}
	}
	return r
}

// WriteJSON writes the report as one JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// The sequences of a terminal (ECMA-48, Section 8.3.117).
var colors = map[Status]string{OK: "\x1b[32m", Warn: "\x1b[33m", Fail: "\x1b[1;31m", Skip: "\x1b[2m"}

const (
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

// A page is a report as text.
type page struct {
	strings.Builder
	color bool
}

func (p *page) paint(sequence, text string) string {
	if !p.color {
		return text
	}
	return sequence + text + reset
}

// WriteText writes the report as text: one line per check, then the advice.
func (r Report) WriteText(w io.Writer, color bool) error {
	p := &page{color: color}
	if r.Domain != "" {
		fmt.Fprintf(p, "Tenant       %s\n", p.paint(bold, r.Domain))
	}
	if r.ClientID != "" {
		fmt.Fprintf(p, "Client ID    %s\n", r.ClientID)
	}
	if r.BaseURL != "" {
		fmt.Fprintf(p, "Application  %s\n", r.BaseURL)
	}
	if p.Len() > 0 {
		fmt.Fprintln(p)
	}
	for _, result := range r.Results {
		fmt.Fprintf(p, "%s  %-13s  %s\n", p.paint(colors[result.Status], word(result.Status)), result.Check, result.Message)
	}
	p.writeAdvice("What to do", r.Results, func(s Status) bool { return s == Fail || s == Warn })
	p.writeAdvice("Also possible", r.Results, func(s Status) bool { return s == OK })
	fmt.Fprintf(p, "\n%s\n", p.paint(bold, r.summary()))
	_, err := io.WriteString(w, p.String())
	return err
}

// word returns the status as a report shows it, in four columns.
func word(s Status) string {
	if s == Fail {
		return "FAIL"
	}
	return fmt.Sprintf("%-4s", s)
}

const wholeList = "(This flag replaces the whole list: name all URLs or grants that you want to keep.)"

// writeAdvice writes the advice of the results that count, if there is any.
func (p *page) writeAdvice(title string, results []Result, counts func(Status) bool) {
	for _, result := range results {
		if !counts(result.Status) || len(result.Advice) == 0 {
			continue
		}
		if title != "" {
			fmt.Fprintf(p, "\n%s\n", p.paint(bold, title))
			title = ""
		}
		fmt.Fprintf(p, "\n  %s\n", p.paint(colors[result.Status], result.Check))
		for _, a := range result.Advice {
			fmt.Fprintf(p, "    %s\n", a.Text)
			if a.Command != "" {
				fmt.Fprintf(p, "      %s\n", a.Command)
			}
			if a.ReplacesList {
				fmt.Fprintf(p, "      %s\n", wholeList)
			}
		}
	}
}

func (r Report) summary() string {
	count := func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	verdict := "Everything is well"
	if r.Failed > 0 || r.Warnings > 0 {
		verdict = count(r.Failed, "failure", "failures") + ", " + count(r.Warnings, "warning", "warnings")
	}
	return verdict + ". " + count(r.Requests, "request", "requests") + " made."
}

// maxText is the longest text of a finding, in characters.
const maxText = 500

// printable escapes control sequences and invisible characters, and clips the rest. Only
// print makes sure of it for a text of another party.
func printable(text string) string {
	var b strings.Builder
	n := 0
	for i, r := range text {
		if n++; n > maxText {
			return b.String() + "..."
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shell quotes a word for a POSIX shell.
func shell(text string) string {
	if text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+=,") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
