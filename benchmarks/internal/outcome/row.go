package outcome

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/benchmarks/internal/stats"
)

// Verdict says how a row came out.
type Verdict string

// The verdicts.
const (
	Met    Verdict = "met"
	Missed Verdict = "missed"
	Absent Verdict = "not measured"
)

// Row is one target, and what was measured of it.
type Row struct {
	Name    string // as TARGETS.md says it
	Beside  string // what it is compared with, "" for a figure of its own
	Metric  string
	Unit    string `json:",omitempty"` // of a figure of its own; a ratio has none
	Target  float64
	AtLeast bool    `json:",omitempty"` // the target is a lower bound
	Value   float64 // median
	StdErr  float64 // of Value; 0 where it cannot be told
	N       int     // rounds
	Verdict Verdict
	Note    string `json:",omitempty"`
}

// Target is a row to be. Floors are servers that do as little as can be done: where one
// was measured too, and is not what the target is held against, the row says how it
// compares with that.
type Target struct {
	Name     string
	Workload string // or Curve
	Curve    string
	Metric   Metric
	Beside   []string // servers; the best of them counts. None: the figure itself
	Label    string   // of Beside, where there are several
	Value    float64
	AtLeast  bool
	Unit     string
	Subject  string // the server that is judged
	Floors   []string
}

// Judge makes the row.
func (t Target) Judge(o *Outcome) Row {
	row := Row{Name: t.Name, Beside: t.Label, Metric: string(t.Metric), Unit: t.Unit, Target: t.Value, AtLeast: t.AtLeast, Verdict: Absent}
	if row.Beside == "" && len(t.Beside) > 0 {
		row.Beside = t.Beside[0]
	}
	values, note := t.values(o)
	row.Note = note
	values = slices.DeleteFunc(values, func(v float64) bool { return v != v })
	if len(values) == 0 {
		return row
	}
	row.Value, row.N = stats.Median(values), len(values)
	if e := stats.StdErr(values); e == e {
		row.StdErr = e
	}
	row.Verdict = Missed
	if row.Value <= t.Value && !t.AtLeast || row.Value >= t.Value && t.AtLeast {
		row.Verdict = Met
	}
	return row
}

// values are the ratios or figures of all rounds, and what is to be said of them.
func (t Target) values(o *Outcome) ([]float64, string) {
	if t.Curve != "" {
		c := o.Curve(t.Curve)
		if c == nil {
			return nil, ""
		}
		return c.Growth(), c.Note
	}
	w := o.Workload(t.Workload)
	if w == nil {
		return nil, ""
	}
	subject := w.Server(t.Subject)
	if subject == nil {
		return nil, ""
	}
	if len(t.Beside) == 0 {
		return subject.Values(t.Metric), ""
	}
	best := w.Best(t.Beside, t.Metric)
	if best == nil {
		return nil, "no server to compare with was measured"
	}
	var notes []string
	if len(t.Beside) > 1 {
		notes = append(notes, "the best is "+best.Name)
		if missing := t.missing(w); missing != nil {
			notes = append(notes, "without "+join(missing))
		}
	}
	if floor := w.Best(t.Floors, t.Metric); floor != nil && floor != best {
		if ratios := Ratios(floor, best, t.Metric); len(ratios) > 0 {
			notes = append(notes, fmt.Sprintf("C epoll itself: %.2f", stats.Median(ratios)))
		}
	}
	return Ratios(subject, best, t.Metric), strings.Join(notes, "; ")
}

func (t Target) missing(w *Workload) []string {
	var missing []string
	for _, name := range t.Beside {
		if w.Server(name) == nil {
			missing = append(missing, name)
		}
	}
	return missing
}

func join(names []string) string {
	switch n := len(names); n {
	case 1:
		return names[0]
	default:
		return fmt.Sprintf("%s and %s", joinCommas(names[:n-1]), names[n-1])
	}
}

func joinCommas(names []string) string {
	s := names[0]
	for _, name := range names[1:] {
		s += ", " + name
	}
	return s
}
