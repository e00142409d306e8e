// Command run measures Carillon beside its peers, and holds it against its targets.
//
//	go run ./run                # from the folder benchmarks: 30 to 40 minutes
//	go run ./run -quick         # less than five
//	go run ./run -workloads plaintext-64,churn -rounds 30
//	go run -C benchmarks ./run  # from the folder above
//
// It builds the servers, starts all of them pinned to one CPU with GOMAXPROCS=1, and
// has the load generator, on another CPU, drive one after the other in short slices
// and many rounds. Everything that it started ends with it. README.md says how it is
// measured, and what is fair.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/command"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// options are those of the command line.
type options struct {
	names     []string // of workloads, memories and curves; empty is all
	servers   []string // beside the subject; empty is all
	quick     bool
	rounds    int
	slice     time.Duration
	runs      int // of the memory of idle connections
	levels    []int
	serverCPU int
	loadCPU   int
	out       string
}

func main() {
	command.Main("run", func(args []string, stderr io.Writer) (func(context.Context) error, error) {
		o, err := parseFlags(args, stderr)
		return func(ctx context.Context) error { return run(ctx, o, os.Stdout, os.Stderr) }, err
	})
}

func parseFlags(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("workloads", "", "what to measure, by names with commas between them; all without:\n"+strings.Join(allNames(), " "))
	servers := flags.String("servers", "", "which servers to compare with, likewise; all without")
	flags.BoolVar(&o.quick, "quick", false, "few peers, few rounds, short slices: less than five minutes")
	flags.IntVar(&o.rounds, "rounds", 0, "rounds, in each of which every server has one slice of a workload (default 10, quick 4)")
	flags.DurationVar(&o.slice, "slice", 0, "length of a slice, after a warm-up of a fifth of it (default 1s, quick 400ms)")
	flags.IntVar(&o.runs, "runs", 0, "runs of each memory of idle connections (default 3, quick 1)")
	idle := flags.Int("idle", 16000, "idle connections at the second reading of their memory; the first is at 1,000")
	flags.IntVar(&o.serverCPU, "server-cpu", 0, "CPU of the servers")
	flags.IntVar(&o.loadCPU, "load-cpu", 1, "CPU of the load")
	flags.StringVar(&o.out, "out", "results", "`folder` for results.md, results.json, the plots and report.html")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q? there are only flags", flags.Arg(0))
	}
	o.names, o.servers, o.levels = split(*names), split(*servers), []int{idleFrom, *idle}
	o.byDefault()
	return o, o.validate()
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// byDefault fills in what the command line leaves out.
func (o *options) byDefault() {
	rounds, slice, runs := 10, time.Second, 3
	if o.quick {
		rounds, slice, runs = 4, 400*time.Millisecond, 1
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.slice == 0 {
		o.slice = slice
	}
	if o.runs == 0 {
		o.runs = runs
	}
}

func (o *options) validate() error {
	for _, name := range o.names {
		if !slices.Contains(allNames(), name) {
			return fmt.Errorf("no workload %q: want some of %s", name, strings.Join(allNames(), ","))
		}
	}
	for _, name := range o.servers {
		if !slices.Contains(peers.Names(), name) {
			return fmt.Errorf("no server %q: want some of %s", name, strings.Join(peers.Names(), ","))
		}
	}
	switch {
	case o.rounds < 1 || o.runs < 1:
		return errors.New("-rounds and -runs must be at least 1")
	case o.slice < 10*time.Millisecond:
		return fmt.Errorf("-slice is %v: that measures nothing", o.slice)
	case o.levels[1] <= idleFrom || o.levels[1] > idleMost:
		return fmt.Errorf("-idle must be above %d, the connections at the first reading, and at most %d, for which the servers have room", idleFrom, idleMost)
	case o.serverCPU < 0 || o.loadCPU < 0:
		return errors.New("-server-cpu and -load-cpu count from 0")
	case o.serverCPU == o.loadCPU:
		return fmt.Errorf("-server-cpu and -load-cpu are both %d: the load would take the servers' time", o.serverCPU)
	case o.out == "":
		return errors.New("-out names no folder")
	}
	return nil
}

// wants says whether that workload, memory or curve is to be measured.
func (o *options) wants(name string) bool { return len(o.names) == 0 || slices.Contains(o.names, name) }

// allNames are what can be named.
func allNames() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	for _, m := range memories() {
		names = append(names, m.name)
	}
	for _, c := range curves() {
		names = append(names, c.name)
	}
	return names
}
