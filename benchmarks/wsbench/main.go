// Command wsbench measures what WebSocket costs Carillon and its peers:
//
//   - echo-64, echo-1000: echo of messages of 125 B on 64 and on 1,000 connections,
//     each of which sends the next message when the last has come back: CPU time of
//     the server (user and system) for a message, and messages a second;
//   - echo-64k: the same with messages of 64 KiB on 64 connections;
//   - broadcast: a message of 125 B to 10,000 connections, the next when all have
//     it: CPU time of the server, and time until the last receiver has it;
//   - idle: resident memory of the server (slope between 1,000 and 16,000
//     connections, each of which exchanged one message, after GET /gc), and its
//     goroutines.
//
// It runs in the folder benchmarks:
//
//	go run ./wsbench
//	go run ./wsbench -workloads echo-64,broadcast -servers subject,gws -rounds 16
//
// It builds the servers and visits them one after the other, pinned to one CPU with
// GOMAXPROCS=1, in short slices and many rounds; the load, this process, is on
// another CPU. Everything that it started ends with it.
//
// The CPU time comes from /proc/PID/stat in ticks of 10 ms, so a slice of 2 s is
// known to about 1 %. Both sides need one fd a connection: see `ulimit -n`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/command"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

const defaultServers = "subject,gorilla,coder,gws,gobwas,nbio-ws,cepoll-ws"

// options are those of the command line.
type options struct {
	workloads []workload
	servers   []peers.Server
	rounds    int
	slice     time.Duration // of one server in one round
	broadcast int           // connections
	idle      int           // connections at the second reading
	serverCPU int
	loadCPU   int
}

func main() {
	command.Main("wsbench", func(args []string, stderr io.Writer) (func(context.Context) error, error) {
		o, err := parseFlags(args, stderr)
		return func(ctx context.Context) error { return run(ctx, o, os.Stdout, os.Stderr) }, err
	})
}

func parseFlags(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("wsbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("workloads", workloadNames(), "what to measure")
	servers := flags.String("servers", defaultServers, "of what; the first is compared with the others")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds, in each of which every server has one slice of each workload")
	flags.DurationVar(&o.slice, "time", 2*time.Second, "length of a slice")
	flags.IntVar(&o.broadcast, "broadcast", 10_000, "connections of the workload broadcast")
	flags.IntVar(&o.idle, "idle", 16_000, "connections at the second reading of the workload idle")
	flags.IntVar(&o.serverCPU, "server-cpu", 0, "CPU of the servers")
	flags.IntVar(&o.loadCPU, "load-cpu", 1, "CPU of the load")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q? there are only flags", flags.Arg(0))
	}
	for name := range strings.SplitSeq(*names, ",") {
		w, err := findWorkload(strings.TrimSpace(name))
		if err != nil {
			return o, err
		}
		o.workloads = append(o.workloads, w)
	}
	if o.servers, err = peers.Parse(*servers); err != nil {
		return o, err
	}
	return o, o.validate()
}

func (o *options) validate() error {
	for _, s := range o.servers {
		if !s.Has(peers.Echo) {
			return fmt.Errorf("%s has no WebSocket", s.Name)
		}
	}
	switch {
	case o.rounds < 1:
		return errors.New("-rounds must be at least 1")
	case o.slice <= 0:
		return fmt.Errorf("-time is %v", o.slice)
	case o.broadcast < 1:
		return errors.New("-broadcast must be at least 1")
	case o.idle <= idleFrom:
		return fmt.Errorf("-idle must be above %d, the connections at the first reading", idleFrom)
	case o.serverCPU < 0 || o.loadCPU < 0:
		return errors.New("-server-cpu and -load-cpu count from 0")
	case o.serverCPU == o.loadCPU:
		return fmt.Errorf("-server-cpu and -load-cpu are both %d: the load would take the servers' time", o.serverCPU)
	}
	return nil
}

// run measures all workloads, and prints the table of each when it is done.
func run(ctx context.Context, o options, out, progress io.Writer) error {
	b, err := newBench(ctx, o, progress)
	defer b.close()
	if err != nil {
		return err
	}
	if o.loadCPU != launch.AnyCPU {
		if err := launch.PinSelf(o.loadCPU); err != nil {
			return err
		}
	}
	for _, w := range o.workloads {
		samples, err := b.run(ctx, w)
		if err != nil {
			return err
		}
		if err := writeReport(out, o, w, samples); err != nil {
			return err
		}
	}
	return nil
}
