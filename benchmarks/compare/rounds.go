package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
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
	*fleet.Fleet
	load load
	log  io.Writer
}

// newSession builds and starts everything. Whoever calls it calls close, also
// after an error.
func newSession(ctx context.Context, o options, log io.Writer) (s *session, err error) {
	s = &session{options: o, log: log}
	wrk, err := findWrk()
	if err != nil {
		return s, err
	}
	if s.Fleet, err = fleet.Build(ctx, "compare", o.servers); err != nil {
		return s, err
	}
	script, err := o.workload.writeScript(s.Dir)
	if err != nil {
		return s, err
	}
	s.load = load{wrk: wrk, cpu: o.loadCPU, connections: o.connections, script: script, args: o.workload.args}
	return s, s.StartAll(ctx, o.serverCPU, o.workload.check)
}

// close ends the servers and removes the programs.
func (s *session) close() {
	if s.Fleet != nil {
		s.Fleet.Close()
	}
}

// run measures all rounds. Each visits every server once.
func (s *session) run(ctx context.Context) ([]sample, error) {
	if s.warmUp > 0 {
		for _, server := range s.Running {
			if _, err := measure(ctx, s.load, server, s.workload.pathOn(server.Server), s.warmUp); err != nil {
				return nil, err
			}
		}
	}
	var samples []sample
	for round := range s.rounds {
		for _, server := range fleet.Rotate(s.Running, round) {
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
