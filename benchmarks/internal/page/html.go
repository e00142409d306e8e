package page

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/internal/table"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// view is what the template shows.
type view struct {
	Summary             string
	Met, Missed, Absent int
	Share               int // of those measured that are met, in percent
	Targets             template.HTML
	Rows                []rowView
	Workloads, Memory   []section
	Curves              []section
	Notes, Faults       []string
}

type rowView struct {
	Name, Beside, Metric, Target, Figure, Note string
	Rounds                                     int
	Class, Verdict                             string
}

type section struct {
	Title  string
	Charts []template.HTML
	Table  *table.Table
	Note   string
}

// HTML writes the page, which needs nothing beside it.
func HTML(w io.Writer, o *outcome.Outcome) error {
	v := view{
		Summary: summary(o), Met: count(o, outcome.Met), Missed: count(o, outcome.Missed), Absent: count(o, outcome.Absent),
		Targets: drawn(TargetsChart(o)), Notes: o.Notes, Faults: faults(o),
	}
	if n := v.Met + v.Missed; n > 0 {
		v.Share = 100 * v.Met / n
	}
	for _, r := range o.Rows {
		v.Rows = append(v.Rows, rowView{
			Name: r.Name, Beside: shown(r.Beside), Metric: r.Metric, Target: bound(r), Figure: figure(r), Note: r.Note, Rounds: r.N,
			Class: classes[r.Verdict], Verdict: string(r.Verdict),
		})
	}
	for i := range o.Workloads {
		load := &o.Workloads[i]
		if !measured(load) {
			continue // its faults are told
		}
		s := section{Title: title(load.Title), Charts: []template.HTML{drawn(WorkloadChart(load))}, Table: Figures(load)}
		if load.Name == "latency" {
			s.Charts = append(s.Charts, drawn(LatencyChart(load)))
		}
		if load.Bytes() {
			v.Memory = append(v.Memory, s)
		} else {
			v.Workloads = append(v.Workloads, s)
		}
	}
	for i := range o.Curves {
		c := &o.Curves[i]
		v.Curves = append(v.Curves, section{Title: title(c.Title), Charts: []template.HTML{drawn(CurveChart(c))}, Table: Growth(c), Note: c.Note})
	}
	return pageTemplate.Execute(w, v)
}

var classes = map[outcome.Verdict]string{outcome.Met: "met", outcome.Missed: "missed", outcome.Absent: "absent"}

// drawn is a chart within the page: package plot has escaped what it was given.
func drawn(c Chart) template.HTML { return template.HTML(c.SVG) }
