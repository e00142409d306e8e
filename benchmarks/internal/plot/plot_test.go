package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// wellFormed reads all of a drawing, and counts its elements.
func wellFormed(t *testing.T, svg string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for in := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		counts[start.Name.Local]++
		for _, a := range start.Attr {
			if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
				t.Errorf("%s has %s=%q", start.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

func TestBars(t *testing.T) {
	svg := Bars("a <title> & more", "µs", []Bar{{"own", 5, 1, Own}, {"peer", 10, 0, Peer}, {"none", 0, 0, Floor}})
	if got := wellFormed(t, svg); got["rect"] != 3 || !strings.Contains(svg, "a &lt;title&gt; &amp; more") {
		t.Errorf("%v in %s", got, svg)
	}
	wellFormed(t, Bars("empty", "µs", nil))
	wellFormed(t, Bars("zero", "µs", []Bar{{"a", 0, 0, Own}}))
}

// Twice the value is twice as long.
func TestBarsAreToScale(t *testing.T) {
	var widths []float64
	svg := Bars("t", "µs", []Bar{{"a", 5, 0, Own}, {"b", 10, 0, Peer}})
	for in := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := in.Token()
		if err != nil {
			break
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "rect" {
			for _, a := range start.Attr {
				if a.Name.Local == "width" {
					widths = append(widths, atof(t, a.Value))
				}
			}
		}
	}
	if len(widths) != 2 || math.Abs(widths[1]-2*widths[0]) > .2 {
		t.Errorf("%v", widths)
	}
}

func TestMarks(t *testing.T) {
	svg := Marks("t", []Mark{{"good", .5, .1, true, "x"}, {"bad", 1.5, 0, false, "y"}, {"far off", 400, 3, false, "z"}, {"nothing", 0, 0, true, ""}})
	if got := wellFormed(t, svg); got["rect"] != 4 {
		t.Errorf("%v", got)
	}
	wellFormed(t, Marks("empty", nil))
}

func TestLines(t *testing.T) {
	line := Line{"a", []Point{{10, 1, .1}, {1000, 2, 0}, {10_000, 1.5, 3}}}
	for _, a := range []Axes{{}, {LogX: true}, {LogY: true}, {LogX: true, LogY: true, Names: []string{"p50", "p99", "p99.9"}}} {
		if got := wellFormed(t, Lines(a, []Line{line, {"b", line.Points}})); got["polyline"] != 2 || got["circle"] != 8 {
			t.Errorf("%+v: %v", a, got)
		}
	}
	wellFormed(t, Lines(Axes{LogX: true, LogY: true}, nil))
	wellFormed(t, Lines(Axes{LogX: true}, []Line{{"one", []Point{{1, 1, 0}}}}))
	wellFormed(t, Lines(Axes{}, []Line{{"zero", []Point{{1, 0, 0}, {2, 0, 0}}}}))
}

func TestTicks(t *testing.T) {
	tests := []struct {
		most float64
		want []float64
	}{
		{10, []float64{0, 2, 4, 6, 8, 10}},
		{0.9, []float64{0, .2, .4, .6000000000000001, .8}},
		{230, []float64{0, 50, 100, 150, 200}},
		{0, []float64{0}},
		{math.NaN(), []float64{0}},
	}
	for _, tt := range tests {
		if got := ticks(tt.most, 5); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.most, got, tt.want)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3: "3", 3.14159: "3.14", 31.4159: "31.4", 314.159: "314", 9999: "9999", 12345: "12.3k", 1e6: "1M", 2.5e6: "2.50M"} {
		if got := Short(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func atof(t *testing.T, s string) float64 {
	t.Helper()
	var v float64
	if err := xml.Unmarshal([]byte("<v>"+s+"</v>"), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
