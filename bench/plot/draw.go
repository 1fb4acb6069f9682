package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"regexp"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A theme has the colors of Okabe and Ito, which readers with every kind of color vision
// can distinguish. Names and figures still stand beside the bars.
type theme struct {
	suffix                        string
	page, ink, faint, ours, other color.RGBA
	line                          color.RGBA
}

var themes = []theme{
	{
		suffix: "light",
		page:   color.RGBA{0xff, 0xff, 0xff, 0xff}, ink: color.RGBA{0x1f, 0x23, 0x28, 0xff}, faint: color.RGBA{0x59, 0x63, 0x6e, 0xff},
		ours: color.RGBA{0x00, 0x72, 0xb2, 0xff}, other: color.RGBA{0x8c, 0x95, 0x9f, 0xff}, line: color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	},
	{
		suffix: "dark",
		page:   color.RGBA{0x0d, 0x11, 0x17, 0xff}, ink: color.RGBA{0xf0, 0xf6, 0xfc, 0xff}, faint: color.RGBA{0x9d, 0xa7, 0xb3, 0xff},
		ours: color.RGBA{0x56, 0xb4, 0xe9, 0xff}, other: color.RGBA{0x6e, 0x76, 0x81, 0xff}, line: color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	},
}

// Sizes in units of the picture. It is as wide as a small screen, so that its text can be
// read there.
const (
	width     = vg.Length(440)
	margin    = vg.Length(12)
	names     = vg.Length(182) // the column of names
	figures   = vg.Length(60)  // to the right of the longest bar
	row       = vg.Length(23)
	thickness = vg.Length(15)
	head      = vg.Length(44)
	panelHead = vg.Length(36)
	panelFoot = vg.Length(24)

	titleSize = vg.Length(18)
	textSize  = vg.Length(14)
	smallSize = vg.Length(12)
)

// drawAll returns the files by their names.
func drawAll(r *results) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, c := range charts {
		all, err := r.drawings(c)
		if err != nil {
			return nil, err
		}
		for _, t := range themes {
			svg, err := t.draw(c, r, all)
			if err != nil {
				return nil, err
			}
			files[c.file+"-"+t.suffix+".svg"] = svg
		}
	}
	return files, nil
}

func (t theme) draw(c chart, r *results, all []drawing) ([]byte, error) {
	height := head + margin
	for _, d := range all {
		height += d.height()
	}
	svg := vgsvg.New(width, height)
	page := draw.New(svg)
	page.FillPolygon(t.page, []vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}})
	t.text(t.ink, titleSize, bold).at(page, margin, height-22, c.title)
	t.text(t.faint, smallSize, regular).at(page, margin, height-41, "Time per operation, shorter is better. "+r.Go+", "+r.Processor)
	top, longest := height-head, longest(all)
	for _, d := range all {
		if err := t.panel(page, d, top, longest); err != nil {
			return nil, err
		}
		top -= d.height()
	}
	var out bytes.Buffer
	if _, err := svg.WriteTo(&out); err != nil {
		return nil, err
	}
	return finished(out.Bytes(), height, c.title, describe(c, r, all))
}

func (d drawing) height() vg.Length {
	height := panelHead + row*vg.Length(len(d.bars))
	if d.panel.reference != "" {
		height += panelFoot
	}
	return height
}

// longest is the end of the scale, which all panels share.
func longest(all []drawing) float64 {
	end := 0.0
	for _, d := range all {
		for _, b := range append(d.bars, d.line) {
			end = max(end, b.µs)
		}
	}
	return end
}

func (t theme) panel(page draw.Canvas, d drawing, top vg.Length, end float64) error {
	t.text(t.ink, textSize, bold).at(page, margin, top-22, d.title)
	n := len(d.bars)
	area := page
	area.Max = vg.Point{X: width - margin - figures, Y: top - panelHead}
	area.Min = vg.Point{X: margin + names, Y: area.Max.Y - row*vg.Length(n)}
	p := plot.New()
	p.X.Min, p.X.Max = 0, end
	p.Y.Min, p.Y.Max = -float64(n)+0.5, 0.5 // the first bar is at 0, the others are below
	x, y := p.Transforms(&area)
	line := x(d.line.µs)
	if d.panel.reference != "" {
		dashed := draw.LineStyle{Color: t.line, Width: 2, Dashes: []vg.Length{5, 3}}
		defer page.StrokeLine2(dashed, line, area.Max.Y, line, area.Min.Y-5)
		t.text(t.ink, smallSize, regular).at(page, line-4, area.Min.Y-19, d.line.name+": "+d.line.label())
	}
	for i, b := range d.bars {
		drawn, err := plotter.NewBarChart(plotter.Values{b.µs}, thickness)
		if err != nil {
			return err
		}
		drawn.Horizontal, drawn.XMin, drawn.LineStyle.Width = true, -float64(i), 0
		weight := regular
		if drawn.Color = t.other; b.ours {
			drawn.Color, weight = t.ours, bold
		}
		drawn.Plot(area, p)
		base := y(-float64(i)) - textSize*0.35
		t.text(t.ink, textSize, weight).at(page, margin, base, b.name)
		label := t.text(t.ink, textSize, weight)
		label.at(page, label.beside(x(b.µs), line, b.label()), base, b.label())
	}
	return nil
}

// beside returns where a label begins at the end of a bar, or else beyond the line that
// would cross it.
func (s style) beside(end, line vg.Length, label string) vg.Length {
	const gap = 5
	if begin := end + gap; line < begin-gap || line > begin+text.Style(s).Width(label)+gap {
		return begin
	}
	return line + gap
}

type weight = xfont.Weight

const (
	regular = xfont.WeightNormal
	bold    = xfont.WeightBold
)

type style text.Style

func (t theme) text(ink color.Color, size vg.Length, w weight) style {
	return style{Color: ink, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size, Weight: w}, Handler: plot.DefaultTextHandler}
}

// at writes a text that begins at x and stands on y.
func (s style) at(c draw.Canvas, x, y vg.Length, txt string) {
	c.FillText(text.Style(s), vg.Point{X: x, Y: y}, txt)
}

var opening = regexp.MustCompile(`(?s)^.*?<svg .*?>\n`)

// finished gives the picture a name and a description for screen readers, and fonts for
// machines without the original one.
func finished(svg []byte, height vg.Length, title, description string) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]g" height="%[2]g" viewBox="0 0 %[1]g %[2]g" role="img" aria-labelledby="title desc">`+"\n", width.Points(), height.Points())
	for _, e := range []struct{ name, text string }{{"title", title}, {"desc", description}} {
		fmt.Fprintf(&out, `<%[1]s id="%[1]s">`, e.name)
		if err := xml.EscapeText(&out, []byte(e.text)); err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "</%s>\n", e.name)
	}
	found := opening.FindIndex(svg)
	if found == nil {
		return nil, errors.New("the picture does not begin with an svg element")
	}
	const family = "font-family:Liberation Sans;"
	out.Write(bytes.ReplaceAll(svg[found[1]:], []byte(family), []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")))
	return out.Bytes(), nil
}
