package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/growth"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
)

// curve is a figure of Carillon's against a size.
type curve struct {
	name  string
	title string
	xName string
	unit  string
	sizes []float64
	note  string
	// begin returns what measures one size, on servers, and what ends those.
	begin func(*session) (at func(size float64) (float64, error), end func())
	// inside, where there is no begin, measures all sizes in this process.
	inside func(ctx context.Context, sizes []int, rounds int) (growth.Curve, error)
}

// pipelined is how many requests are sent at once to servers of many routes: as
// ordinary clients do, one.
const pipelined = 1

// insideRounds is how many samples of a curve within this process there are for each
// round: they are short.
const insideRounds = 3

func curves() []curve {
	return []curve{
		{name: "connections", title: "CPU a request against connections, 100 of them at work beyond 64", xName: "connections", unit: "µs",
			sizes: []float64{64, 1000, crowd}, begin: atConnections},
		{name: "routes", title: "CPU a request against routes", xName: "routes", unit: "µs", sizes: []float64{10, 1000, 10_000},
			inside: func(ctx context.Context, sizes []int, rounds int) (growth.Curve, error) {
				return growth.Routes(ctx, sizes, rounds, pipelined)
			}},
		{name: "topics", title: "CPU of publishing to a topic of 10 against topics", xName: "topics", unit: "µs", sizes: []float64{1, 100, 10_000}, inside: growth.Topics},
		{name: "timers", title: "CPU of adding and cancelling a timer against timers", xName: "timers", unit: "µs",
			sizes: []float64{1000, 10_000, 100_000, 1_000_000}, inside: growth.Timers},
		{name: "loops", title: "requests for each CPU second against loops", xName: "loops", unit: "requests a second", sizes: []float64{1, 2}, begin: atLoops,
			note: "from the CPU time of a request with one loop and with two, times the loops: this machine has no further CPUs for the load"},
	}
}

// measureCurve keeps a curve, or notes why there is none.
func (s *session) measureCurve(c *curve) error {
	measure := s.onServers
	if c.begin == nil {
		measure = s.inside
	}
	result, err := measure(c)
	if over := s.over(); over != nil {
		return over
	}
	if err != nil {
		s.note("%s is not measured: %v", c.name, err)
		return nil
	}
	s.result.Curves = append(s.result.Curves, result)
	return nil
}

func (c *curve) empty() outcome.Curve {
	return outcome.Curve{Name: c.name, Title: c.title, XName: c.xName, Unit: c.unit, Note: c.note}
}

// inside has package growth measure.
func (s *session) inside(c *curve) (outcome.Curve, error) {
	var sizes []int
	for _, x := range c.sizes {
		sizes = append(sizes, int(x))
	}
	result := c.empty()
	got, err := c.inside(s.ctx, sizes, insideRounds*s.rounds)
	for _, p := range got.Points {
		point := outcome.Point{X: float64(p.X)}
		for _, nanos := range p.Samples {
			point.Values = append(point.Values, nanos/1e3)
		}
		result.Points = append(result.Points, point)
		fmt.Fprintf(s.log, "%-14s       %12d %-12s %9.3f %s\n", c.name, p.X, c.xName, p.Nanos/1e3, c.unit)
	}
	return result, err
}

// onServers visits the sizes in turn, round by round. A round counts when all of its
// sizes could be measured.
func (s *session) onServers(c *curve) (outcome.Curve, error) {
	at, end := c.begin(s)
	defer end()
	result := c.empty()
	for _, x := range c.sizes {
		result.Points = append(result.Points, outcome.Point{X: x})
	}
	var failed error
	for round := range s.rounds {
		values := make([]float64, len(c.sizes))
		whole := true
		for _, x := range fleet.InTurn(c.sizes, round) {
			y, err := at(x)
			if over := s.over(); over != nil {
				return result, over
			}
			if err != nil {
				failed, whole = fmt.Errorf("%s, round %d at %v: %w", c.name, round+1, x, err), false
				s.note("%v", failed)
				continue
			}
			values[slices.Index(c.sizes, x)] = y
			fmt.Fprintf(s.log, "%-14s %2d/%d %12.0f %-12s %9.3f %s\n", c.name, round+1, s.rounds, x, c.xName, y, c.unit)
		}
		for i := range values {
			if whole {
				result.Points[i].Values = append(result.Points[i].Values, values[i])
			}
		}
	}
	if len(result.Points[0].Values) == 0 {
		return result, failed
	}
	return result, nil
}

// atConnections has plaintext on some connections of many. Each size is a process of
// its own, so that none has the leftovers of another.
func atConnections(s *session) (func(float64) (float64, error), func()) {
	return s.variants(func(float64) (*server, error) { return s.start(subject, s.serverCPU) },
		func(x float64, target *server) (float64, error) {
			sample, err := s.sliceOn(plaintextOf(int(x)), target)
			return sample.CPU, err
		})
}

// plaintextOf is plaintext on n connections, all of them up to 64, else 100.
func plaintextOf(n int) *workload {
	w := workloads()[0]
	w.job.Connections = n
	if n > 64 {
		w.job.Connections = 100
		w.job.Silent = n - 100
	}
	return &w
}

// atLoops has plaintext on a server of one loop, on the servers' CPU, and of two, on
// all CPUs. The second loop shares that of the load: what can be told then is how
// many requests a second of CPU time is good for.
func atLoops(s *session) (func(float64) (float64, error), func()) {
	return s.variants(func(x float64) (*server, error) { return s.startLoops(int(x)) },
		func(x float64, target *server) (float64, error) {
			sample, err := s.sliceOn(plaintextOf(64), target)
			return x * 1e6 / sample.CPU, err
		})
}

// variants has a process for each size, from its first slice on.
func (s *session) variants(start func(x float64) (*server, error), measure func(x float64, target *server) (float64, error)) (at func(float64) (float64, error), end func()) {
	running := map[float64]*server{}
	at = func(x float64) (float64, error) {
		target := running[x]
		if target == nil {
			var err error
			if target, err = start(x); err != nil {
				return 0, err
			}
			running[x] = target
		}
		return measure(x, target)
	}
	end = func() {
		for _, target := range running {
			target.Stop()
		}
	}
	return at, end
}

// startLoops starts the subject with that many loops.
func (s *session) startLoops(n int) (*server, error) {
	cpu := s.serverCPU
	if n > 1 {
		cpu = launch.AnyCPU
	}
	return s.start(subject, cpu, fmt.Sprintf("GOMAXPROCS=%d", n))
}

// cpus is how many this process may use.
func cpus() int { return runtime.NumCPU() }
