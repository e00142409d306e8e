package plot

import (
	"fmt"
	"math"
	"strings"
)

// Line is a series. At most four are told apart.
type Line struct {
	Name   string
	Points []Point
}

// Point is one of a line, with half the length of its whisker.
type Point struct{ X, Y, Err float64 }

// Axes says how lines are drawn.
type Axes struct {
	Title string
	X, Y  string
	// LogX and LogY have logarithmic axes; else they begin with zero.
	LogX, LogY bool
	// Names, if there are any, are written below the points, in place of their X.
	Names []string
}

// span is one axis: where a value lies.
type span struct {
	log        bool
	from, to   float64 // of values
	start, end float64 // of coordinates
}

func (s span) at(v float64) float64 {
	part := (v - s.from) / (s.to - s.from)
	if s.log {
		part = math.Log(v/s.from) / math.Log(s.to/s.from)
	}
	return s.start + part*(s.end-s.start)
}

// marks are where the axis has its numbers.
func (s span) marks() []float64 {
	if !s.log {
		return ticks(s.to, 5)
	}
	var list []float64
	for v := math.Pow(10, math.Ceil(math.Log10(s.from)-1e-9)); v <= s.to*1.0001; v *= 10 {
		list = append(list, v)
	}
	return list
}

// newSpan covers the values, all positive where it is logarithmic.
func newSpan(log bool, values []float64, start, end float64) span {
	s := span{log: log, start: start, end: end, from: math.Inf(1)}
	for _, v := range values {
		s.from, s.to = min(s.from, v), max(s.to, v)
	}
	if !log {
		s.from, s.to = 0, s.to*1.1
	} else {
		s.from, s.to = s.from/1.3, s.to*1.3
	}
	if !(s.to > s.from) || math.IsInf(s.from, 0) { // nothing to be told apart
		s.from, s.to = 1, 2
	}
	return s
}

// Lines draws lines through points.
func Lines(a Axes, lines []Line) string {
	const height, left, right, top, bottom = 320, 66, 24, 58, 50
	var xs, ys []float64
	for _, l := range lines {
		for _, p := range l.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y+p.Err)
			if p.Y-p.Err > 0 || !a.LogY {
				ys = append(ys, p.Y-p.Err)
			}
		}
	}
	x := newSpan(a.LogX, xs, left, chartWidth-right)
	y := newSpan(a.LogY, ys, height-bottom, top)
	d := begin(chartWidth, height, a.Title)
	d.text(0, 16, "start", "t", a.Title)
	d.text(0, 38, "start", "m s", a.Y)
	d.text((left+chartWidth-right)/2, height-6, "middle", "m s", a.X)
	for _, v := range y.marks() {
		d.line("g", left, y.at(v), chartWidth-right, y.at(v))
		d.text(left-8, y.at(v)+4, "end", "m s", Short(v))
	}
	drawX(d, a, x, lines, height-bottom)
	for i, l := range lines {
		drawLine(d, fmt.Sprint(i%4), l, x, y)
	}
	if len(lines) > 1 {
		legend(d, lines)
	}
	return d.end()
}

func drawX(d *drawing, a Axes, x span, lines []Line, foot float64) {
	if len(lines) == 0 {
		return
	}
	for i, p := range lines[0].Points {
		name := Short(p.X)
		if i < len(a.Names) {
			name = a.Names[i]
		}
		d.line("g", x.at(p.X), foot, x.at(p.X), foot+5)
		d.text(x.at(p.X), foot+20, "middle", "m s", name)
	}
}

func drawLine(d *drawing, color string, l Line, x, y span) {
	var path []string
	for _, p := range l.Points {
		path = append(path, number(x.at(p.X))+","+number(y.at(p.Y)))
	}
	fmt.Fprintf(d, `<polyline class="l%s" points="%s"/>`, color, strings.Join(path, " "))
	for _, p := range l.Points {
		if p.Err > 0 && (!y.log || p.Y > p.Err) {
			d.line("e", x.at(p.X), y.at(p.Y-p.Err), x.at(p.X), y.at(p.Y+p.Err))
		}
		d.dot("d"+color, x.at(p.X), y.at(p.Y), fmt.Sprintf("%s at %s: %s ± %s", l.Name, Short(p.X), Short(p.Y), Short(p.Err)))
	}
}

func legend(d *drawing, lines []Line) {
	at := chartWidth - 24.0
	for i := len(lines) - 1; i >= 0; i-- {
		at -= letter*float64(len(lines[i].Name)) + 22
		fmt.Fprintf(d, `<circle class="d%d" cx="%s" cy="34" r="5"/>`, i%4, number(at))
		d.text(at+9, 38, "start", "s", lines[i].Name)
	}
}
