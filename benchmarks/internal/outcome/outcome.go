// Package outcome is what a run of the benchmarks gave: the samples, and the rows of
// targets that they are held against. It is what the JSON file holds.
package outcome

import (
	"math"
	"slices"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/stats"
)

// Outcome is one run.
type Outcome struct {
	When      time.Time
	Took      time.Duration
	Machine   string
	CPUs      int
	ServerCPU int
	LoadCPU   int
	Quick     bool
	Rounds    int
	Slice     time.Duration
	Workloads []Workload
	Curves    []Curve
	Rows      []Row
	Notes     []string // what was left out, and why
}

// Workload is all that was measured of one kind of load.
type Workload struct {
	Name    string
	Title   string
	Per     string // what the CPU time is of: "request", "message"
	Servers []Server
}

// Server is one server's part of that.
type Server struct {
	Name    string
	Samples []Sample
	Faults  []string // of the slices that are no samples
}

// Sample is one slice. NaN would not be JSON: what was not measured is absent, and
// read as zero.
type Sample struct {
	Round      int
	Done       int64   `json:",omitempty"`
	Seconds    float64 `json:",omitempty"`
	CPU        float64 `json:",omitempty"` // µs of the server's for each
	LoadCPU    float64 `json:",omitempty"` // µs of the load's for each
	P50        float64 `json:",omitempty"` // µs
	P90        float64 `json:",omitempty"`
	P99        float64 `json:",omitempty"`
	P999       float64 `json:",omitempty"`
	Max        float64 `json:",omitempty"`
	RSS        float64 `json:",omitempty"` // bytes, while the connections were there or just after
	Offered    float64 `json:",omitempty"` // requests a second of an open loop
	Bytes      float64 // an idle connection's
	Goroutines float64 // an idle connection's
}

// Rate is requests a second.
func (s Sample) Rate() float64 { return float64(s.Done) / s.Seconds }

// Metric names one figure of a sample.
type Metric string

// The metrics.
const (
	CPU        Metric = "CPU time"
	LoadCPU    Metric = "the load's CPU time"
	Rate       Metric = "requests a second"
	P50        Metric = "p50"
	P99        Metric = "p99"
	P999       Metric = "p99.9"
	RSS        Metric = "RSS"
	Bytes      Metric = "bytes a connection"
	Goroutines Metric = "goroutines a connection"
)

// Of is that figure of a sample.
func (m Metric) Of(s Sample) float64 {
	switch m {
	case CPU:
		return s.CPU
	case LoadCPU:
		return s.LoadCPU
	case Rate:
		return s.Rate()
	case P50:
		return s.P50
	case P99:
		return s.P99
	case P999:
		return s.P999
	case RSS:
		return s.RSS
	case Bytes:
		return s.Bytes
	case Goroutines:
		return s.Goroutines
	default:
		return math.NaN()
	}
}

// Values are a metric of all of a server's samples.
func (s *Server) Values(m Metric) []float64 {
	var values []float64
	for _, sample := range s.Samples {
		values = append(values, m.Of(sample))
	}
	return values
}

// Workload finds one by its name; nil without.
func (o *Outcome) Workload(name string) *Workload {
	for i := range o.Workloads {
		if o.Workloads[i].Name == name {
			return &o.Workloads[i]
		}
	}
	return nil
}

// Server finds one by its name; nil without, or when it has no sample.
func (w *Workload) Server(name string) *Server {
	i := slices.IndexFunc(w.Servers, func(s Server) bool { return s.Name == name && len(s.Samples) > 0 })
	if i < 0 {
		return nil
	}
	return &w.Servers[i]
}

// Best is the server of those named whose median is lowest; nil when none was
// measured.
func (w *Workload) Best(names []string, m Metric) *Server {
	var best *Server
	for _, name := range names {
		s := w.Server(name)
		if s != nil && (best == nil || stats.Median(s.Values(m)) < stats.Median(best.Values(m))) {
			best = s
		}
	}
	return best
}

// Ratios are a's figure through b's, of the rounds that both have: a pair shares its
// noise.
func Ratios(a, b *Server, m Metric) []float64 {
	of := map[int]float64{}
	for _, s := range b.Samples {
		of[s.Round] = m.Of(s)
	}
	var ratios []float64
	for _, s := range a.Samples {
		if v, ok := of[s.Round]; ok {
			ratios = append(ratios, m.Of(s)/v)
		}
	}
	return ratios
}

// Curve is a figure of Carillon's against a size.
type Curve struct {
	Name   string
	Title  string
	XName  string
	Unit   string
	Points []Point
	Note   string `json:",omitempty"`
}

// Point is one size, and the figure in each round.
type Point struct {
	X      float64
	Values []float64
}

// Growth is the last point's figure through the first's, round by round.
func (c *Curve) Growth() []float64 {
	if len(c.Points) < 2 {
		return nil
	}
	first, last := c.Points[0].Values, c.Points[len(c.Points)-1].Values
	n := min(len(first), len(last))
	return stats.Ratios(last[:n], first[:n])
}

// Curve finds one by its name; nil without.
func (o *Outcome) Curve(name string) *Curve {
	for i := range o.Curves {
		if o.Curves[i].Name == name {
			return &o.Curves[i]
		}
	}
	return nil
}

// Bytes says whether w is about memory.
func (w *Workload) Bytes() bool {
	return slices.ContainsFunc(w.Servers, func(s Server) bool {
		return slices.ContainsFunc(s.Samples, func(x Sample) bool { return x.Bytes != 0 })
	})
}
