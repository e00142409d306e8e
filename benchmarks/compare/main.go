// Command compare measures what a request costs Carillon and its peers: the
// server's own CPU time, user and system together, and the requests a second.
//
//	go run ./compare                                  # from the folder benchmarks
//	go run ./compare -workload pipelined -servers subject,fasthttp,cepoll -rounds 16
//
// It builds the servers, starts all of them pinned to one CPU with GOMAXPROCS=1,
// and has wrk drive one after the other from another CPU, in short slices and
// many rounds. Everything that it started ends with it.
//
// The CPU time comes from /proc/PID/stat in ticks of 10 ms, so a slice of 2 s is
// known to about 1 %.
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
	"github.com/carillon-go/carillon/benchmarks/peers"
)

const defaultServers = "subject,nethttp,fasthttp,hertz,nbio,cepoll"

func main() {
	command.Main("compare", func(args []string, stderr io.Writer) (func(context.Context) error, error) {
		o, jsonFile, err := parseFlags(args, stderr)
		return func(ctx context.Context) error { return compare(ctx, o, jsonFile, os.Stdout, os.Stderr) }, err
	})
}

func compare(ctx context.Context, o options, jsonFile string, out, progress io.Writer) error {
	when := time.Now()
	s, err := newSession(ctx, o, progress)
	defer s.close()
	if err != nil {
		return err
	}
	samples, err := s.run(ctx)
	if err != nil {
		return err
	}
	if jsonFile != "" {
		if err := writeRaw(jsonFile, when, o, samples); err != nil {
			return err
		}
	}
	return writeReport(out, o, samples)
}

func parseFlags(args []string, stderr io.Writer) (o options, jsonFile string, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("workload", "plaintext", workloadNames())
	servers := flags.String("servers", defaultServers, "what to measure; the first is compared with the others; also hertz-sense, nbio-default")
	flags.IntVar(&o.connections, "connections", 64, "connections of the load")
	flags.IntVar(&o.rounds, "rounds", 8, "rounds, in each of which every server has one slice")
	flags.DurationVar(&o.slice, "slice", 2*time.Second, "length of a slice, in whole seconds")
	flags.DurationVar(&o.warmUp, "warm-up", time.Second, "load on each server before the first round, in whole seconds; 0 for none")
	flags.IntVar(&o.serverCPU, "server-cpu", 0, "CPU of the servers")
	flags.IntVar(&o.loadCPU, "load-cpu", 1, "CPU of wrk")
	flags.StringVar(&jsonFile, "json", "", "`file` for the raw samples")
	if err := flags.Parse(args); err != nil {
		return o, "", err
	}
	if flags.NArg() > 0 {
		return o, "", fmt.Errorf("what is %q? there are only flags", flags.Arg(0))
	}
	if o.workload, err = findWorkload(*name); err != nil {
		return o, "", err
	}
	if err := o.choose(*servers, stderr); err != nil {
		return o, "", err
	}
	return o, jsonFile, o.validate()
}

// choose reads the list of servers and leaves out those that the workload does
// not suit.
func (o *options) choose(list string, stderr io.Writer) error {
	named, err := peers.Parse(list)
	if err != nil {
		return err
	}
	for _, s := range named {
		if !o.workload.suits(s) {
			fmt.Fprintf(stderr, "compare: %s is left out: it does not offer %s\n", s.Name, o.workload.path)
			continue
		}
		o.servers = append(o.servers, s)
	}
	if len(o.servers) == 0 {
		return errors.New("no server is left to measure")
	}
	return nil
}

func (o *options) validate() error {
	switch {
	case o.connections < 1 || o.rounds < 1:
		return errors.New("-connections and -rounds must be at least 1")
	case o.slice < time.Second || o.slice%time.Second != 0:
		return fmt.Errorf("-slice is %v: wrk runs for whole seconds, at least one", o.slice)
	case o.warmUp < 0 || o.warmUp%time.Second != 0:
		return fmt.Errorf("-warm-up is %v: wrk runs for whole seconds", o.warmUp)
	case o.serverCPU < 0 || o.loadCPU < 0:
		return errors.New("-server-cpu and -load-cpu count from 0")
	case o.serverCPU == o.loadCPU:
		return fmt.Errorf("-server-cpu and -load-cpu are both %d: the load would take the servers' time", o.serverCPU)
	}
	return nil
}
