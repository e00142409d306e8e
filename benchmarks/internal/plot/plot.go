// Package plot draws the few kinds of charts that the report needs, as SVG that
// stands alone or within a page, and follows the reader's choice of light or dark.
package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// style is in each drawing, so that it can also be shown as an image. Colors of
// series are distinct in both schemes, and in their lightness.
const style = `<style>
.c{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2430}
.m{fill:#667085}.t{font-size:15px;font-weight:600}.s{font-size:12px}
.g{stroke:#d9dee7;stroke-width:1}.e{stroke:#1f2430;stroke-width:1.5;opacity:.65;fill:none}
.b0{fill:#2563eb}.b1{fill:#94a3b8}.b2{fill:#c9d1dd}.ok{fill:#15915b}.no{fill:#d1453b}
.l0,.l1,.l2,.l3{fill:none;stroke-width:2.5}.l0{stroke:#2563eb}.l1{stroke:#d97706}.l2{stroke:#0f9f8f}.l3{stroke:#9333ea}
.d0{fill:#2563eb}.d1{fill:#d97706}.d2{fill:#0f9f8f}.d3{fill:#9333ea}.r{stroke:#1f2430;stroke-width:1.5;stroke-dasharray:4 3}
@media (prefers-color-scheme:dark){.c{fill:#e6e9f0}.m{fill:#9aa4b5}.g{stroke:#333b4a}.e,.r{stroke:#e6e9f0}
.b0{fill:#5b93ff}.b1{fill:#7b8799}.b2{fill:#4a5466}.ok{fill:#3cc48a}.no{fill:#ff7b70}
.l0{stroke:#5b93ff}.l1{stroke:#f5a524}.l2{stroke:#2cc5b2}.l3{stroke:#c084fc}.d0{fill:#5b93ff}.d1{fill:#f5a524}.d2{fill:#2cc5b2}.d3{fill:#c084fc}}
</style>`

// drawing is an SVG under way.
type drawing struct {
	strings.Builder
	width, height float64
}

func begin(width, height float64, title string) *drawing {
	d := &drawing{width: width, height: height}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-label="%s">%s`,
		number(width), number(height), html.EscapeString(title), style)
	return d
}

func (d *drawing) end() string {
	d.WriteString("</svg>\n")
	return d.String()
}

// text writes s; anchor is start, middle or end.
func (d *drawing) text(x, y float64, anchor, class, s string) {
	fmt.Fprintf(d, `<text class="c %s" x="%s" y="%s" text-anchor="%s">%s</text>`, class, number(x), number(y), anchor, html.EscapeString(s))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, number(x1), number(y1), number(x2), number(y2))
}

// rect has a text that a mouse shows.
func (d *drawing) rect(class string, x, y, width, height float64, tip string) {
	fmt.Fprintf(d, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="2"><title>%s</title></rect>`,
		class, number(x), number(y), number(max(0, width)), number(height), html.EscapeString(tip))
}

func (d *drawing) dot(class string, x, y float64, tip string) {
	fmt.Fprintf(d, `<circle class="%s" cx="%s" cy="%s" r="4"><title>%s</title></circle>`, class, number(x), number(y), html.EscapeString(tip))
}

// number writes a coordinate.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// Short writes v with about three digits, and k or M for large ones.
func Short(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case a >= 1e6:
		return digits(v/1e6) + "M"
	case a >= 1e4:
		return digits(v/1e3) + "k"
	default:
		return digits(v)
	}
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == math.Trunc(a):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// ticks are round values from 0 to most, about n of them.
func ticks(most float64, n int) []float64 {
	if most <= 0 || math.IsInf(most, 0) || math.IsNaN(most) {
		return []float64{0}
	}
	step := math.Pow(10, math.Floor(math.Log10(most/float64(n))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if most/(step*factor) <= float64(n) {
			step *= factor
			break
		}
	}
	var list []float64
	for i := 0; float64(i)*step <= most*1.0001; i++ {
		list = append(list, float64(i)*step)
	}
	return list
}
