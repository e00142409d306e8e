package plot

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Role says what a bar stands for, and so its color.
type Role int

// The roles.
const (
	Own   Role = iota // Carillon
	Peer              // whom it is compared with
	Floor             // what bounds them all
)

// Bar is one of a chart of bars.
type Bar struct {
	Label string
	Value float64
	Err   float64 // half the length of the whisker; 0 is none
	Role  Role
}

const (
	chartWidth = 560
	rowHeight  = 26
	letter     = 7.2 // the width of one, about
)

// Bars draws horizontal bars, in the order given, from zero.
func Bars(title, unit string, bars []Bar) string {
	most, widest := 0.0, 0
	for _, b := range bars {
		most = max(most, b.Value+b.Err)
		widest = max(widest, utf8.RuneCountInString(b.Label))
	}
	const top, bottom, right = 34, 40, 70
	left := 16 + letter*float64(widest)
	height := top + bottom + rowHeight*float64(len(bars))
	d := begin(chartWidth, height, title)
	d.text(0, 16, "start", "t", title)
	scale := 0.0
	if most > 0 {
		scale = (chartWidth - left - right) / most
	}
	foot := height - bottom
	for _, v := range ticks(most, 6) {
		d.line("g", left+v*scale, top-4, left+v*scale, foot+4)
		d.text(left+v*scale, foot+19, "middle", "m s", Short(v))
	}
	d.text(left, height-4, "start", "m s", unit)
	for i, b := range bars {
		y := top + rowHeight*float64(i)
		tip := fmt.Sprintf("%s: %s ± %s %s", b.Label, Short(b.Value), Short(b.Err), unit)
		d.text(left-8, y+17, "end", "", b.Label)
		d.rect(fmt.Sprintf("b%d", b.Role), left, y+4, b.Value*scale, rowHeight-8, tip)
		if b.Err > 0 {
			whisker(d, left+(b.Value-b.Err)*scale, left+(b.Value+b.Err)*scale, y+rowHeight/2)
		}
		d.text(left+(b.Value+b.Err)*scale+7, y+17, "start", "m", Short(b.Value))
	}
	return d.end()
}

func whisker(d *drawing, from, to, y float64) {
	d.line("e", from, y, to, y)
	d.line("e", from, y-4, from, y+4)
	d.line("e", to, y-4, to, y+4)
}

// Mark is a figure beside its target.
type Mark struct {
	Label string
	Part  float64 // of the target: 1 is just met, less is better
	Err   float64
	Met   bool
	Tip   string
}

// Marks draws each as a bar that should end before the line of the target.
func Marks(title string, marks []Mark) string {
	const width, top, bottom, left, right, row = 900, 44, 24, 470, 60, 24
	most := 1.25
	for _, m := range marks {
		most = max(most, min(m.Part+m.Err, 3)) // what is worse is cut off
	}
	height := top + bottom + row*float64(len(marks))
	d := begin(width, height, title)
	d.text(0, 16, "start", "t", title)
	scale := (width - left - right) / most
	at := func(v float64) float64 { return left + min(v, most)*scale }
	d.text(at(1), 34, "middle", "m s", "target")
	for i, m := range marks {
		y := top + row*float64(i)
		class := "no"
		if m.Met {
			class = "ok"
		}
		d.text(left-10, y+16, "end", "s", m.Label)
		d.rect(class, left, y+4, at(m.Part)-left, row-9, m.Tip)
		if m.Err > 0 {
			whisker(d, at(max(0, m.Part-m.Err)), at(m.Part+m.Err), y+row/2-.5)
		}
		d.text(width, y+16, "end", "m s", Short(math.Round(m.Part*100)/100))
	}
	d.line("r", at(1), top-6, at(1), height-bottom+4)
	return d.end()
}
