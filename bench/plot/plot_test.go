package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

// TestPlots: the files in ../plots are the plots of ../results.json.
func TestPlots(t *testing.T) {
	t.Parallel()
	r, err := readResults(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := drawAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2*len(charts) {
		t.Errorf("%d files for %d charts", len(files), len(charts))
	}
	page, err := os.ReadFile("../RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if !bytes.Contains(page, []byte("plots/"+name)) {
			t.Errorf("RESULTS.md does not show %s", name)
		}
		got, err := os.ReadFile(filepath.Join(plotsFolder, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not drawn from results.json (%v); run go run . in bench/plot", name, err)
		}
		if len(want) > 60_000 {
			t.Errorf("%s has %d bytes", name, len(want))
		}
	}
	there, err := os.ReadDir(plotsFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range there {
		if files[f.Name()] == nil {
			t.Errorf("%s belongs to no chart", f.Name())
		}
	}
}

// TestPictures: each picture is well-formed, has a name and a description, and writes
// every name and figure as text.
func TestPictures(t *testing.T) {
	t.Parallel()
	r, err := readResults(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := drawAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range charts {
		all, err := r.drawings(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, theme := range themes {
			name := c.file + "-" + theme.suffix + ".svg"
			texts, err := textsOf(files[name])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := texts["title"]; len(got) != 1 || got[0] != c.title {
				t.Errorf("%s: the title is %q", name, got)
			}
			description := strings.Join(texts["desc"], "")
			written := "\n" + strings.Join(texts["text"], "\n") + "\n"
			for _, d := range all {
				for _, b := range d.bars {
					if !strings.Contains(description, b.name+" "+b.label()) {
						t.Errorf("%s: the description does not say %s %s", name, b.name, b.label())
					}
					if !strings.Contains(written, "\n"+b.name+"\n") || !strings.Contains(written, "\n"+b.label()+"\n") {
						t.Errorf("%s: the picture does not say %s %s", name, b.name, b.label())
					}
				}
				if d.panel.reference != "" && !strings.Contains(written, "\n"+d.line.name+": "+d.line.label()+"\n") {
					t.Errorf("%s: the picture does not name its line", name)
				}
			}
			if n, m := bytes.Count(files[name], []byte("font-family:")), bytes.Count(files[name], []byte("sans-serif;")); n == 0 || n != m {
				t.Errorf("%s: %d fonts, %d of them with another to take its place", name, n, m)
			}
		}
	}
}

// textsOf returns the contents of a picture's elements, by their names.
func textsOf(svg []byte) (map[string][]string, error) {
	texts := map[string][]string{}
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	var open []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" && len(open) > 0 {
				name := open[len(open)-1]
				texts[name] = append(texts[name], text)
			}
		}
	}
}

// TestDrawing: missing figures are an error, never a picture without them.
func TestDrawing(t *testing.T) {
	t.Parallel()
	type figures = map[string]struct{ NS, Ratio float64 }
	table := func(of figures) *results {
		return &results{Contests: []contest{{Table: tableFirst, Column: "RS256", Names: []string{floor, "slow", "quick", "absent"}, Of: of}}}
	}
	p := panel{"", tableFirst, "RS256", floor}
	d, err := table(figures{floor: {NS: 1000}, "slow": {NS: 20_000}, "quick": {NS: 1234}}).drawing(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.bars) != 2 || d.bars[0].name != "quick" || d.bars[0].label() != "1.2 µs" || d.bars[1].label() != "20 µs" || d.line.µs != 1 {
		t.Errorf("%+v", d)
	}
	for name, r := range map[string]*results{
		"no bars":      table(figures{floor: {NS: 1000}}),
		"no reference": table(figures{"slow": {NS: 1000}}),
		"no table":     {},
	} {
		if _, err := r.drawing(p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestBeside: no line crosses a label.
func TestBeside(t *testing.T) {
	t.Parallel()
	s := themes[0].text(themes[0].ink, textSize, regular)
	for _, tt := range []struct{ end, line, want vg.Length }{
		{100, 50, 105}, {100, 300, 105}, {100, 102, 107}, {100, 120, 125},
	} {
		if got := s.beside(tt.end, tt.line, "163 µs"); got != tt.want {
			t.Errorf("a bar to %v and a line at %v: the label is at %v, want %v", tt.end, tt.line, got, tt.want)
		}
	}
}

// TestContrast: text has a contrast of 4.5 to the page, bars and lines have 3 (WCAG 2.2,
// 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	t.Parallel()
	for _, theme := range themes {
		for _, tt := range []struct {
			name  string
			of    rgba
			least float64
		}{
			{"ink", theme.ink, 4.5}, {"faint", theme.faint, 4.5},
			{"ours", theme.ours, 3}, {"other", theme.other, 3}, {"line", theme.line, 3},
		} {
			if got := contrast(tt.of, theme.page); got < tt.least {
				t.Errorf("%s, %s: %.2f, want %.1f", theme.suffix, tt.name, got, tt.least)
			}
		}
	}
}

type rgba = color.RGBA

func contrast(a, b rgba) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance returns the relative luminance of WCAG 2.2.
func luminance(c rgba) float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}
