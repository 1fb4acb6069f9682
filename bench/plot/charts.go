package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A chart is one picture: panels with bars, one below the other.
type chart struct {
	file, title string
	panels      []panel
}

// A panel shows one contest.
type panel struct {
	title         string
	table, column string
	// reference is drawn as a line across the bars, if it is not a bar.
	reference string
}

const (
	floor      = "signature only"
	securely   = "gorilla/securecookie"
	our        = "this library"
	tableFirst = "Verification, first sight of a token"
	tableAgain = "Verification, the same token again"
	tableRead  = "Reading a session of about 2 KiB"
	tableWrite = "Writing it"
	tableProof = "DPoP: a bound token with a proof, over httptest.ResponseRecorder, RS256 and ES256"
)

var charts = []chart{
	{
		file: "verification", title: "Verifying an access token (RS256)",
		panels: []panel{
			{"First time the token is seen", tableFirst, "RS256", floor},
			{"The same token again", tableAgain, "RS256", floor},
		},
	},
	{
		file: "sessions", title: "A session of about 2 KiB",
		panels: []panel{
			{"Reading it from a request", tableRead, "read", ""},
			{"Writing a change", tableWrite, "write", ""},
		},
	},
	{
		file: "dpop", title: "A request with a DPoP proof",
		panels: []panel{
			{"First time the token is seen", tableProof, "first sight", floor},
			{"The same token, another proof", tableProof, "again", floor},
		},
	},
}

// A bar is the time of one contender.
type bar struct {
	name string
	µs   float64
	ours bool
}

// A drawing is a panel with its figures.
type drawing struct {
	panel
	bars []bar // the shortest first
	line bar   // the reference
}

func (r *results) drawings(c chart) ([]drawing, error) {
	var all []drawing
	for _, p := range c.panels {
		d, err := r.drawing(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.file, err)
		}
		all = append(all, d)
	}
	return all, nil
}

func (r *results) drawing(p panel) (drawing, error) {
	d := drawing{panel: p}
	for _, c := range r.Contests {
		if c.Table != p.table || c.Column != p.column {
			continue
		}
		for _, name := range c.Names {
			s, ok := c.Of[name]
			if !ok {
				continue
			}
			b := bar{name, s.NS / 1000, strings.HasPrefix(name, our)}
			if name == p.reference {
				d.line = b
				continue
			}
			d.bars = append(d.bars, b)
		}
	}
	if len(d.bars) == 0 || p.reference != "" && d.line.µs == 0 {
		return d, fmt.Errorf("no figures for %q, %q", p.table, p.column)
	}
	slices.SortStableFunc(d.bars, func(a, b bar) int { return cmp.Compare(a.µs, b.µs) })
	return d, nil
}

// label has only significant digits.
func (b bar) label() string {
	if b.µs < 10 {
		return fmt.Sprintf("%.1f µs", b.µs)
	}
	return fmt.Sprintf("%.0f µs", math.Round(b.µs))
}

// describe returns the content of a chart in words.
func describe(c chart, r *results, all []drawing) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Bar chart, time per operation in microseconds, shorter is better. Measured %s with %s on %s.", r.Made, r.Go, r.Processor)
	for _, d := range all {
		var each []string
		for _, b := range d.bars {
			each = append(each, b.name+" "+b.label())
		}
		fmt.Fprintf(&text, " %s: %s", d.title, strings.Join(each, ", "))
		if d.panel.reference != "" {
			fmt.Fprintf(&text, "; the dashed line, %s, is at %s", d.line.name, d.line.label())
		}
		text.WriteString(".")
	}
	return text.String()
}
