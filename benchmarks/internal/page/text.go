package page

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/internal/plot"
	"github.com/carillon-go/carillon/benchmarks/internal/report"
	"github.com/carillon-go/carillon/benchmarks/internal/stats"
	"github.com/carillon-go/carillon/benchmarks/internal/table"
)

// figure is what a row measured, with its error.
func figure(r outcome.Row) string {
	if r.Verdict == outcome.Absent {
		return "–"
	}
	decimals := 2
	if r.Unit != "" {
		decimals = 0
	}
	text := fmt.Sprintf("%.*f", decimals, r.Value)
	if r.StdErr > 0 {
		text += fmt.Sprintf(" ± %.*f", decimals, r.StdErr)
	}
	if r.Unit != "" {
		text += " " + r.Unit
	}
	return text
}

func bound(r outcome.Row) string {
	sign := "≤"
	if r.AtLeast {
		sign = "≥"
	}
	text := fmt.Sprintf("%s %g", sign, r.Target)
	if r.Unit != "" {
		text += " " + r.Unit
	}
	return text
}

// count is how many rows came out so.
func count(o *outcome.Outcome, v outcome.Verdict) int {
	n := 0
	for _, r := range o.Rows {
		if r.Verdict == v {
			n++
		}
	}
	return n
}

// summary is one line on how it was measured.
func summary(o *outcome.Outcome) string {
	quick := ""
	if o.Quick {
		quick = "a quick run, "
	}
	return fmt.Sprintf("%s, %s%d rounds of slices of %v, in %v; servers on CPU %d with GOMAXPROCS=1, load on CPU %d of %d; %s",
		o.When.UTC().Format("2 January 2006 15:04 MST"), quick, o.Rounds, o.Slice, o.Took.Round(time.Second), o.ServerCPU, o.LoadCPU, o.CPUs, o.Machine)
}

// Targets is the table of the rows.
func Targets(o *outcome.Outcome) *table.Table {
	t := &table.Table{Head: []string{"what", "beside", "figure", "target", "measured", "samples", ""}}
	for _, r := range o.Rows {
		verdict := string(r.Verdict)
		if r.Verdict == outcome.Missed {
			verdict = fmt.Sprintf("**missed** by %.0f %%", 100*(part(r)-1))
		}
		if r.Note != "" {
			verdict += " (" + r.Note + ")"
		}
		t.Rows = append(t.Rows, []string{r.Name, shown(r.Beside), r.Metric, bound(r), figure(r), fmt.Sprint(r.N), verdict})
	}
	return t
}

// Figures is the table of one workload.
func Figures(w *outcome.Workload) *table.Table {
	if w.Bytes() {
		return memoryFigures(w)
	}
	t := &table.Table{Head: []string{"server", "CPU µs a " + w.Per, "a second", "p50 µs", "p99 µs", "p99.9 µs", "RSS MiB", "load's CPU µs", "CPU, Carillon / it"}, Numbers: true}
	subject := w.Server(Subject)
	for i := range w.Servers {
		s := &w.Servers[i]
		if len(s.Samples) == 0 {
			continue
		}
		short := func(m outcome.Metric) string { return plot.Short(stats.Median(s.Values(m))) }
		t.Rows = append(t.Rows, []string{
			shown(s.Name), report.Cell(2, s.Values(outcome.CPU)), report.Cell(0, s.Values(outcome.Rate)), short(outcome.P50), short(outcome.P99),
			short(outcome.P999), fmt.Sprintf("%.1f", stats.Median(s.Values(outcome.RSS))/(1<<20)), short(outcome.LoadCPU), ratio(subject, s, outcome.CPU),
		})
	}
	return t
}

func memoryFigures(w *outcome.Workload) *table.Table {
	t := &table.Table{Head: []string{"server", "bytes a connection", "goroutines a connection", "RSS MiB in the end", "bytes, Carillon / it"}, Numbers: true}
	subject := w.Server(Subject)
	for i := range w.Servers {
		s := &w.Servers[i]
		if len(s.Samples) == 0 {
			continue
		}
		t.Rows = append(t.Rows, []string{
			shown(s.Name), report.Cell(0, s.Values(outcome.Bytes)), fmt.Sprintf("%g", stats.Median(s.Values(outcome.Goroutines))),
			fmt.Sprintf("%.1f", stats.Median(s.Values(outcome.RSS))/(1<<20)), ratio(subject, s, outcome.Bytes),
		})
	}
	return t
}

func ratio(subject, s *outcome.Server, m outcome.Metric) string {
	if subject == nil || s.Name == subject.Name {
		return ""
	}
	ratios := outcome.Ratios(subject, s, m)
	if len(ratios) == 0 {
		return ""
	}
	return report.Cell(2, ratios)
}

// Growth is the table of a curve.
func Growth(c *outcome.Curve) *table.Table {
	t := &table.Table{Head: []string{c.XName, c.Unit}, Numbers: true}
	for _, p := range c.Points {
		t.Rows = append(t.Rows, []string{plot.Short(p.X), report.Cell(3, p.Values)})
	}
	return t
}

// faults are the slices of an outcome that are no samples.
func faults(o *outcome.Outcome) []string {
	var list []string
	for _, w := range o.Workloads {
		for _, s := range w.Servers {
			for _, f := range s.Faults {
				list = append(list, fmt.Sprintf("%s, %s, %s", w.Name, shown(s.Name), f))
			}
		}
	}
	return list
}

// Markdown writes all tables.
func Markdown(w io.Writer, o *outcome.Outcome) error {
	var out strings.Builder
	fmt.Fprintf(&out, "# Carillon, measured\n\n%s.\n\n", summary(o))
	fmt.Fprintf(&out, "Of %d targets %d are met, %d missed, %d not measured. Medians ± standard error; ratios are paired by round, and below 1 Carillon takes less.\n\n",
		len(o.Rows), count(o, outcome.Met), count(o, outcome.Missed), count(o, outcome.Absent))
	add := func(t *table.Table) {
		_, _ = t.WriteTo(&out) // a strings.Builder does not fail
		out.WriteString("\n")
	}
	add(Targets(o))
	for i := range o.Workloads {
		if !measured(&o.Workloads[i]) {
			continue
		}
		fmt.Fprintf(&out, "## %s\n\n", title(o.Workloads[i].Title))
		add(Figures(&o.Workloads[i]))
	}
	for i := range o.Curves {
		fmt.Fprintf(&out, "## %s\n\n", title(o.Curves[i].Title))
		add(Growth(&o.Curves[i]))
		if note := o.Curves[i].Note; note != "" {
			fmt.Fprintf(&out, "%s.\n\n", title(note))
		}
	}
	bullets(&out, "Left out", o.Notes)
	bullets(&out, "Slices that are no samples", faults(o))
	_, err := io.WriteString(w, out.String())
	return err
}

func bullets(out *strings.Builder, head string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(out, "## %s\n\n", head)
	for _, text := range list {
		fmt.Fprintf(out, "- %s\n", strings.ReplaceAll(text, "\n", " "))
	}
	out.WriteString("\n")
}

// title has a capital at its beginning.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
