// Command behave measures how Carillon and its peers stand what clients and
// handlers should not do, and prints a row for each server:
//
//   - a client that sends 9 MiB of pipelined requests and reads nothing for a
//     while: by how much the server's memory (VmRSS) grows, and whether all
//     answers come in the end, in order;
//   - idle keep-alive connections that made one request: memory for each, and
//     goroutines;
//   - a client that leaves while a handler waits for just that: how long until
//     the handler hears of it;
//   - a handler that panics: what the client gets, and whether the process lives.
//
// Each measurement has a fresh process, with GOMAXPROCS=1 on one CPU.
//
//	go run ./behave                     # from the folder benchmarks
//	go run ./behave -servers subject,nethttp
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/command"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/table"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

const defaultServers = "subject,nethttp,fasthttp,hertz,hertz-sense,nbio,nbio-default"

type options struct {
	servers     []peers.Server
	connections int           // idle ones
	hold        time.Duration // in which a client reads nothing
	cpu         int
}

func main() {
	command.Main("behave", func(args []string, stderr io.Writer) (func(context.Context) error, error) {
		o, err := parseFlags(args, stderr)
		return func(ctx context.Context) error { return behave(ctx, o, os.Stdout, os.Stderr) }, err
	})
}

func parseFlags(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("behave", flag.ContinueOnError)
	flags.SetOutput(stderr)
	servers := flags.String("servers", defaultServers, "what to measure; hertz-sense is hertz told to look for clients that leave, nbio runs handlers on its poller, nbio-default on goroutines")
	flags.IntVar(&o.connections, "connections", 2000, "idle connections")
	flags.DurationVar(&o.hold, "hold", 3*time.Second, "how long the stuck client reads nothing")
	flags.IntVar(&o.cpu, "server-cpu", 0, "CPU of the servers")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.servers, err = peers.Parse(*servers); err != nil {
		return o, err
	}
	for _, s := range o.servers {
		if !s.Has(peers.Plaintext | peers.HTTP) {
			return o, fmt.Errorf("%s has not all endpoints of HTTP: there is nothing to measure here", s.Name)
		}
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("what is %q? there are only flags", flags.Arg(0))
	case o.connections < 1:
		return o, errors.New("-connections must be at least 1")
	case o.hold <= 0 || o.hold > drainTime:
		return o, fmt.Errorf("-hold is %v: want more than 0 and at most %v", o.hold, drainTime)
	case o.cpu < 0:
		return o, errors.New("-server-cpu counts from 0")
	}
	return o, nil
}

func behave(ctx context.Context, o options, out, progress io.Writer) error {
	dir, err := os.MkdirTemp("", "behave")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := table.Table{Head: []string{
		"server", fmt.Sprintf("stuck client: growth in %v", o.hold), "its answers in the end",
		fmt.Sprintf("bytes of each of %d idle connections", o.connections), "their goroutines",
		"handler hears that its client left", "handler panics",
	}}
	for _, s := range o.servers {
		fmt.Fprintf(progress, "measuring %s\n", s.Name)
		row, err := measure(ctx, o, s, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		t.Rows = append(t.Rows, append([]string{s.Name}, row...))
	}
	_, err = t.WriteTo(out)
	return err
}

// measure is the row of one server.
func measure(ctx context.Context, o options, peer peers.Server, dir string) ([]string, error) {
	program, err := launch.Build(ctx, dir, peer)
	if err != nil {
		return nil, err
	}
	var row []string
	for _, step := range []func(*launch.Server) ([]string, error){
		func(s *launch.Server) ([]string, error) { return two(stuckClient(ctx, s, stuckBytes, o.hold)) },
		func(s *launch.Server) ([]string, error) { return two(idleConnections(ctx, s, o.connections)) },
		func(s *launch.Server) ([]string, error) { return one(clientLeaves(ctx, s)) },
		func(s *launch.Server) ([]string, error) { return one(handlerPanics(ctx, s)) },
	} {
		s, err := launch.Start(ctx, peer, program, o.cpu)
		if err != nil {
			return nil, err
		}
		cells, err := step(s)
		s.Stop()
		if err != nil {
			return nil, err
		}
		row = append(row, cells...)
	}
	return row, nil
}

func one(a string, err error) ([]string, error)    { return []string{a}, err }
func two(a, b string, err error) ([]string, error) { return []string{a, b}, err }
