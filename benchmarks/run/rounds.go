package main

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/gen"
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
)

// measure measures all that the options want.
func (s *session) measure() error {
	for _, w := range workloads() {
		if s.wants(w.name) {
			if err := s.measureWorkload(&w); err != nil {
				return err
			}
		}
	}
	for _, m := range memories() {
		if s.wants(m.name) {
			if err := s.measureMemory(&m); err != nil {
				return err
			}
		}
	}
	for _, c := range curves() {
		if s.wants(c.name) {
			if err := s.measureCurve(&c); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureWorkload has all rounds of one workload. A slice in which something went
// wrong is no sample, and is told; it does not end the run, unless the context has
// ended or the load is gone.
func (s *session) measureWorkload(w *workload) error {
	list := s.willing(w)
	if len(list) == 0 {
		return s.ctx.Err()
	}
	result := outcome.Workload{Name: w.name, Title: w.title, Per: w.per}
	for _, target := range list {
		result.Servers = append(result.Servers, outcome.Server{Name: target.Name})
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	for round := range s.rounds {
		for _, i := range fleet.InTurn(order, round) {
			sample, err := s.sliceOn(w, list[i])
			if over := s.over(); over != nil {
				return over
			}
			of := &result.Servers[i]
			if err != nil {
				of.Faults = append(of.Faults, fmt.Sprintf("round %d: %v", round+1, err))
				fmt.Fprintf(s.log, "%-14s %2d/%d %-12s %v\n", w.name, round+1, s.rounds, of.Name, err)
				continue
			}
			sample.Round = round
			of.Samples = append(of.Samples, sample)
			fmt.Fprintf(s.log, "%-14s %2d/%d %-12s %9.2f µs %9.0f/s   p99 %9.0f µs   load %6.2f µs\n", w.name, round+1, s.rounds, of.Name,
				sample.CPU, sample.Rate(), sample.P99, sample.LoadCPU)
		}
	}
	s.result.Workloads = append(s.result.Workloads, result)
	return nil
}

// willing are the servers that run and, asked once, answer as they should; the
// others are noted.
func (s *session) willing(w *workload) []*server {
	of := s.plain
	if w.tls {
		of = s.secure
	}
	var list []*server
	for _, name := range w.on(&s.options) {
		target := of[name]
		if target == nil {
			continue // noted when it was not built, or did not start
		}
		if err := s.check(w, target); err != nil {
			s.note("%s is left out of %s: %v", name, w.name, err)
			continue
		}
		list = append(list, target)
	}
	return list
}

// sliceOn is one slice of one server.
func (s *session) sliceOn(w *workload, target *server) (outcome.Sample, error) {
	measure := w.measure
	if measure == nil {
		measure = oneJob
	}
	sample, err := measure(s, w, target)
	if ended := target.Ended(); ended != nil {
		return sample, ended
	}
	if err != nil {
		return sample, err
	}
	return sample, awaitQuiet(s.ctx, target)
}

func oneJob(s *session, w *workload, target *server) (outcome.Sample, error) {
	return s.do(w.jobOn(s, target), target)
}

// do has the load do one job that has a window.
func (s *session) do(j gen.Job, target *server) (outcome.Sample, error) {
	r, err := s.load.Run(s.ctx, j, nil)
	if err != nil {
		return outcome.Sample{}, err
	}
	rss, err := target.rss()
	if err != nil {
		return outcome.Sample{}, err
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(r.Done) }
	return outcome.Sample{
		Done: r.Done, Seconds: r.Window.Seconds(), CPU: each(r.CPU), LoadCPU: each(r.LoadCPU), RSS: float64(rss), Offered: j.Rate,
		P50: r.Latency.P50, P90: r.Latency.P90, P99: r.Latency.P99, P999: r.Latency.P999, Max: r.Latency.Max,
	}, nil
}

// atHalf finds a server's capacity by what a request costs it in a closed loop, and has
// half of that as an open one: in each round anew, since a shared machine's capacity
// changes.
func atHalf(s *session, w *workload, target *server) (outcome.Sample, error) {
	j := w.jobOn(s, target)
	probe := j
	probe.Kind, probe.Time, probe.WarmUp = gen.Closed, j.Time/4, j.WarmUp/4
	full, err := s.do(probe, target)
	if err != nil {
		return outcome.Sample{}, fmt.Errorf("capacity: %w", err)
	}
	capacity := 1e6 / full.CPU // requests a second on its CPU, whatever the load could do
	j.Rate = capacity / 2
	return s.do(j, target)
}

// rss is the resident memory of all of a server's processes, in bytes.
func (s *server) rss() (int64, error) {
	var sum int64
	for _, pid := range s.pids {
		n, err := proc.ReadRSS(pid)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func (s *server) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range s.pids {
		used, err := proc.CPU(pid)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

const (
	quiet     = 20 * time.Millisecond // in which a server uses next to no CPU time
	nothing   = quiet / 20
	quietTime = 5 * time.Second // at most
)

// awaitQuiet waits until the server has done with the connections that were closed:
// the next one's slice is on the same CPU.
func awaitQuiet(ctx context.Context, target *server) error {
	ctx, cancel := context.WithTimeout(ctx, quietTime)
	defer cancel()
	ticker := time.NewTicker(quiet)
	defer ticker.Stop()
	before, err := target.cpu()
	for err == nil {
		select {
		case <-ctx.Done(): // it is never quiet: so be it
			return nil
		case <-ticker.C:
		}
		var now time.Duration
		if now, err = target.cpu(); now-before < nothing {
			return err
		}
		before = now
	}
	return err
}
