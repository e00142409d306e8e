package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
)

// curve is a figure of Carillon's against a size: one of the points each time.
type curve struct {
	name  string
	title string
	xName string
	unit  string
	sizes []float64
	note  string
	// begin prepares, and returns what measures one size and what ends it.
	begin func(*session) (at func(ctx context.Context, size float64) (float64, error), end func(), err error)
}

func curves() []curve {
	return []curve{
		{name: "connections", title: "CPU a request against connections, 100 of them at work beyond 64", xName: "connections", unit: "µs",
			sizes: []float64{64, 1000, crowd}, begin: atConnections},
		{name: "loops", title: "requests for each CPU second against loops", xName: "loops", unit: "requests", sizes: []float64{1, 2}, begin: atLoops,
			note: "from the CPU time of a request with one loop and with two, times the loops: this machine has no further CPUs for the load"},
	}
}

// measureCurve visits the sizes in turn, round by round.
func (s *session) measureCurve(c *curve) error {
	at, end, err := c.begin(s)
	if err != nil {
		s.note("%s is not measured: %v", c.name, err)
		return s.ctx.Err()
	}
	defer end()
	result := outcome.Curve{Name: c.name, Title: c.title, XName: c.xName, Unit: c.unit, Note: c.note}
	for _, x := range c.sizes {
		result.Points = append(result.Points, outcome.Point{X: x})
	}
	for round := range s.rounds {
		for _, x := range fleet.Rotate(c.sizes, round) {
			y, err := at(s.ctx, x)
			if s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			if err != nil {
				s.note("%s is not measured at %v: %v", c.name, x, err)
				return nil
			}
			i := slices.Index(c.sizes, x)
			result.Points[i].Values = append(result.Points[i].Values, y)
			fmt.Fprintf(s.log, "%-14s %2d/%d %12.0f %-12s %9.3f %s\n", c.name, round+1, s.rounds, x, c.xName, y, c.unit)
		}
	}
	s.result.Curves = append(s.result.Curves, result)
	return nil
}

// atConnections has plaintext on some connections of many. Each size is a process of
// its own, so that none has the leftovers of another.
func atConnections(s *session) (func(context.Context, float64) (float64, error), func(), error) {
	running := map[float64]*server{}
	end := func() {
		for _, target := range running {
			target.Stop()
		}
	}
	at := func(_ context.Context, x float64) (float64, error) {
		target := running[x]
		if target == nil {
			var err error
			if target, err = s.start(subject, s.serverCPU); err != nil {
				return 0, err
			}
			running[x] = target
		}
		w := plaintextOf(int(x))
		sample, err := s.sliceOn(w, target)
		return sample.CPU, err
	}
	return at, end, nil
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
func atLoops(s *session) (func(context.Context, float64) (float64, error), func(), error) {
	running := map[float64]*server{}
	end := func() {
		for _, target := range running {
			target.Stop()
		}
	}
	at := func(_ context.Context, x float64) (float64, error) {
		target := running[x]
		if target == nil {
			var err error
			if target, err = s.startLoops(int(x)); err != nil {
				return 0, err
			}
			running[x] = target
		}
		sample, err := s.sliceOn(plaintextOf(64), target)
		return x * 1e6 / sample.CPU, err
	}
	return at, end, nil
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
