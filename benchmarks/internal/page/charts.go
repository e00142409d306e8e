// Package page writes an outcome for people to read: Markdown, charts, and one HTML
// page that holds everything.
package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/internal/plot"
	"github.com/carillon-go/carillon/benchmarks/internal/stats"
)

// Chart is a drawing and the name of its file, without the ending.
type Chart struct {
	Name string
	SVG  string
}

// Subject is the name of Carillon's own server in an outcome.
const Subject = "subject"

// Floors are the names of the servers that bound the others.
var Floors = []string{"cepoll", "cepoll-ws"}

// shown is how a server is called in front of people.
func shown(name string) string {
	switch name {
	case Subject:
		return "Carillon"
	case "cepoll", "cepoll-ws":
		return "C epoll"
	case "nethttp":
		return "net/http"
	case "nbio-ws":
		return "nbio"
	default:
		return name
	}
}

// TargetsChart shows each row that was measured beside its target.
func TargetsChart(o *outcome.Outcome) Chart {
	var marks []plot.Mark
	for _, r := range o.Rows {
		if r.Verdict == outcome.Absent {
			continue
		}
		m := plot.Mark{Label: r.Name, Part: part(r), Met: r.Verdict == outcome.Met, Tip: fmt.Sprintf("%s of %s", figure(r), bound(r))}
		switch {
		case strings.HasPrefix(r.Beside, "best of"):
			m.Label += " / the best peer"
		case r.Beside != "":
			m.Label += " / " + shown(r.Beside)
		}
		if r.Value > 0 {
			m.Err = m.Part * r.StdErr / r.Value
		}
		marks = append(marks, m)
	}
	return Chart{"targets", plot.Marks("What was measured, as a part of its target: shorter is better", marks)}
}

// part is what was measured as a part of the target, below 1 when it is met.
func part(r outcome.Row) float64 {
	switch {
	case r.AtLeast:
		return r.Target / r.Value
	case r.Target > 0:
		return r.Value / r.Target
	default: // nothing is allowed
		return min(r.Value, 1) * 2
	}
}

// WorkloadChart shows what each server takes, the least first.
func WorkloadChart(w *outcome.Workload) Chart {
	metric, unit := Main(w)
	var bars []plot.Bar
	for _, s := range w.Servers {
		if len(s.Samples) == 0 {
			continue
		}
		values := s.Values(metric)
		b := plot.Bar{Label: shown(s.Name), Value: stats.Median(values), Role: plot.Peer}
		if e := stats.StdErr(values); !math.IsNaN(e) {
			b.Err = e
		}
		switch {
		case s.Name == Subject:
			b.Role = plot.Own
		case slices.Contains(Floors, s.Name):
			b.Role = plot.Floor
		}
		bars = append(bars, b)
	}
	slices.SortStableFunc(bars, func(a, b plot.Bar) int {
		switch {
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return 0
	})
	return Chart{"workload-" + w.Name, plot.Bars(w.Title, unit, bars)}
}

// Main is the metric that a workload is about, and its unit.
func Main(w *outcome.Workload) (outcome.Metric, string) {
	switch {
	case w.Per == "connection" && w.Bytes():
		return outcome.Bytes, "bytes of the server's memory a connection"
	default:
		return outcome.CPU, "µs of the server's CPU time a " + w.Per
	}
}

// percentiles are the places of the latency chart.
var percentiles = []struct {
	name string
	of   func(outcome.Sample) float64
}{
	{"p50", func(s outcome.Sample) float64 { return s.P50 }},
	{"p90", func(s outcome.Sample) float64 { return s.P90 }},
	{"p99", func(s outcome.Sample) float64 { return s.P99 }},
	{"p99.9", func(s outcome.Sample) float64 { return s.P999 }},
}

// LatencyChart shows the percentiles of the first four servers of a workload.
func LatencyChart(w *outcome.Workload) Chart {
	axes := plot.Axes{Title: w.Title, Y: "µs", X: "percentile of the requests", LogY: true}
	for _, p := range percentiles {
		axes.Names = append(axes.Names, p.name)
	}
	var lines []plot.Line
	for _, s := range w.Servers[:min(4, len(w.Servers))] {
		if len(s.Samples) == 0 {
			continue
		}
		l := plot.Line{Name: shown(s.Name)}
		for i, p := range percentiles {
			var values []float64
			for _, sample := range s.Samples {
				values = append(values, p.of(sample))
			}
			l.Points = append(l.Points, plot.Point{X: float64(i + 1), Y: stats.Median(values)})
		}
		lines = append(lines, l)
	}
	return Chart{"latency-" + w.Name, plot.Lines(axes, lines)}
}

// CurveChart shows a figure against its size.
func CurveChart(c *outcome.Curve) Chart {
	l := plot.Line{Name: c.Title}
	for _, p := range c.Points {
		at := plot.Point{X: p.X, Y: stats.Median(p.Values)}
		if e := stats.StdErr(p.Values); !math.IsNaN(e) {
			at.Err = e
		}
		l.Points = append(l.Points, at)
	}
	return Chart{"curve-" + c.Name, plot.Lines(plot.Axes{Title: c.Title, X: c.XName, Y: c.Unit, LogX: true}, []plot.Line{l})}
}

// Charts are all of an outcome.
func Charts(o *outcome.Outcome) []Chart {
	charts := []Chart{TargetsChart(o)}
	for i := range o.Workloads {
		w := &o.Workloads[i]
		if !measured(w) {
			continue
		}
		charts = append(charts, WorkloadChart(w))
		if w.Name == "latency" {
			charts = append(charts, LatencyChart(w))
		}
	}
	for i := range o.Curves {
		charts = append(charts, CurveChart(&o.Curves[i]))
	}
	return charts
}

// measured says whether any server has a sample.
func measured(w *outcome.Workload) bool {
	return slices.ContainsFunc(w.Servers, func(s outcome.Server) bool { return len(s.Samples) > 0 })
}
