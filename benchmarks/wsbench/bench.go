package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
)

// sample is one slice of one server.
type sample struct {
	server string
	round  int       // from 0
	values []float64 // of the workload's figures
	fault  error     // then there are no values
}

type bench struct {
	options
	*fleet.Fleet
	log io.Writer
}

// newBench builds and starts the servers. Whoever calls it calls close, also after
// an error.
func newBench(ctx context.Context, o options, log io.Writer) (b *bench, err error) {
	b = &bench{options: o, log: log}
	if b.Fleet, err = fleet.Build(ctx, "wsbench", o.servers); err != nil {
		return b, err
	}
	return b, b.StartAll(ctx, o.serverCPU, nil)
}

func (b *bench) close() {
	if b.Fleet != nil {
		b.Fleet.Close()
	}
}

// run measures all rounds of one workload. A slice in which something went wrong
// is no sample but does not end the run, unless ctx has.
func (b *bench) run(ctx context.Context, w workload) ([]sample, error) {
	var order []int // indexes of the servers that can be measured
	for i, s := range b.Servers {
		if s.Has(w.needs) {
			order = append(order, i)
		}
	}
	if len(order) == 0 {
		return nil, fmt.Errorf("none of the servers has what %s needs", w.name)
	}
	var samples []sample
	for round := range b.rounds {
		for _, i := range fleet.Rotate(order, round) {
			s := sample{server: b.Servers[i].Name, round: round}
			s.values, s.fault = b.slice(ctx, w, i)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			samples = append(samples, s)
			b.tell(w, s)
		}
	}
	return samples, nil
}

func (b *bench) slice(ctx context.Context, w workload, i int) ([]float64, error) {
	if w.fresh {
		s, err := b.Start(ctx, i, b.serverCPU)
		if err != nil {
			return nil, err
		}
		defer s.Stop()
		return w.measure(ctx, s, b.options)
	}
	s := b.Running[i]
	values, err := w.measure(ctx, s, b.options)
	if ended := s.Ended(); ended != nil {
		return nil, ended
	}
	if err != nil {
		return nil, err
	}
	return values, awaitQuiet(ctx, s)
}

const (
	quiet     = 50 * time.Millisecond // without a tick of CPU time
	quietTime = 5 * time.Second       // at most
)

// awaitQuiet waits until the server has done with the connections that were closed:
// the next one's slice is on the same CPU.
func awaitQuiet(ctx context.Context, s *launch.Server) error {
	ctx, cancel := context.WithTimeout(ctx, quietTime)
	defer cancel()
	ticker := time.NewTicker(quiet)
	defer ticker.Stop()
	before, err := proc.ReadCPU(s.PID)
	for err == nil {
		select {
		case <-ctx.Done(): // it is never quiet: so be it
			return nil
		case <-ticker.C:
		}
		var now proc.CPU
		if now, err = proc.ReadCPU(s.PID); now == before {
			return err
		}
		before = now
	}
	return err
}

func (b *bench) tell(w workload, s sample) {
	fmt.Fprintf(b.log, "%s round %d/%d %-10s", w.name, s.round+1, b.rounds, s.server)
	if s.fault != nil {
		fmt.Fprintf(b.log, " %v\n", s.fault)
		return
	}
	for i, f := range w.figures {
		if math.IsNaN(s.values[i]) {
			continue
		}
		fmt.Fprintf(b.log, " %s %.*f", f.head, f.decimals, s.values[i])
	}
	fmt.Fprintln(b.log)
}
