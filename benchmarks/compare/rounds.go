package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// options are those of the command line.
type options struct {
	workload    workload
	servers     []peers.Server
	connections int
	rounds      int
	slice       time.Duration // of one server in one round
	warmUp      time.Duration // of each server before the first round
	serverCPU   int
	loadCPU     int
}

// session is the servers of a comparison, all running, and what drives them.
type session struct {
	options
	load    load
	dir     string // of the programs and scripts
	running []*launch.Server
	log     io.Writer
}

// newSession builds and starts everything. Whoever calls it calls close, also
// after an error.
func newSession(ctx context.Context, o options, log io.Writer) (s *session, err error) {
	s = &session{options: o, log: log}
	wrk, err := findWrk()
	if err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp("", "compare"); err != nil {
		return s, err
	}
	script, err := o.workload.writeScript(s.dir)
	if err != nil {
		return s, err
	}
	s.load = load{wrk: wrk, cpu: o.loadCPU, connections: o.connections, script: script, args: o.workload.args}
	for _, server := range o.servers {
		program, err := launch.Build(ctx, s.dir, server)
		if err != nil {
			return s, err
		}
		running, err := launch.Start(ctx, server, program, o.serverCPU)
		if err != nil {
			return s, err
		}
		s.running = append(s.running, running)
		if err := o.workload.check(ctx, running); err != nil {
			return s, err
		}
	}
	return s, nil
}

// close ends the servers and removes the programs.
func (s *session) close() {
	for _, server := range s.running {
		server.Stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// run measures all rounds. Each round visits every server once, and begins with
// another, so that what changes with time on the machine hits all alike.
func (s *session) run(ctx context.Context) ([]sample, error) {
	if s.warmUp > 0 {
		for _, server := range s.running {
			if _, err := measure(ctx, s.load, server, s.workload.pathOn(server.Server), s.warmUp); err != nil {
				return nil, err
			}
		}
	}
	var samples []sample
	for round := range s.rounds {
		for _, server := range rotate(s.running, round) {
			got, err := measure(ctx, s.load, server, s.workload.pathOn(server.Server), s.slice)
			if err != nil {
				return nil, err
			}
			got.Round = round
			samples = append(samples, got)
			fmt.Fprintf(s.log, "round %d/%d %-12s %7.2f µs %9.0f/s\n", round+1, s.rounds, got.Server, got.cost(), got.Rate)
		}
	}
	return samples, nil
}

// rotate returns list from element n on, and then those before.
func rotate[T any](list []T, n int) []T {
	n %= len(list)
	return slices.Concat(list[n:], list[:n])
}
