// Command https measures what TLS costs Carillon and net/http: the server's CPU
// time for a request over a session that is there, that of a connection with a full
// handshake and one request, and its memory for an idle connection.
//
//	go run ./https                      # from the folder benchmarks
//	go run ./https -rounds 16 -to 10000
//
// It builds the servers, starts them on one CPU with GOMAXPROCS=1 and TLS=1, and
// drives them from this one, in turns. TLS 1.3 with the certificate of P-256 that
// each server makes; no session is resumed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
	"github.com/carillon-go/carillon/benchmarks/internal/stats"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

type options struct {
	rounds, conns, handshakes, from, to, serverCPU int
	slice                                          time.Duration
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("https: ")
	var o options
	flag.IntVar(&o.rounds, "rounds", 8, "rounds, in each of which every server has its turn")
	flag.IntVar(&o.conns, "connections", 64, "connections of the load of requests")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "length of a load of requests")
	flag.IntVar(&o.handshakes, "handshakes", 1000, "handshakes in a turn")
	flag.IntVar(&o.from, "from", 1000, "idle connections at the first reading of the memory")
	flag.IntVar(&o.to, "to", 4000, "idle connections at the second")
	flag.IntVar(&o.serverCPU, "server-cpu", 0, "CPU of the servers")
	flag.Parse()
	if o.rounds < 1 || o.conns < 1 || o.handshakes < 1 || o.from < 1 || o.to <= o.from || flag.NArg() > 0 {
		log.Fatal("want at least one round, connection and handshake, and 1 <= from < to")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o options) error {
	if err := os.Setenv("TLS", "1"); err != nil {
		return err
	}
	chosen, err := peers.Parse(peers.Subject + ",nethttp")
	if err != nil {
		return err
	}
	f, err := fleet.Build(ctx, "https", chosen)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.StartAll(ctx, o.serverCPU, nil); err != nil {
		return err
	}
	return measure(ctx, o, f.Running)
}

func measure(ctx context.Context, o options, servers []*launch.Server) error {
	requests, handshakes := make([][]float64, len(servers)), make([][]float64, len(servers))
	for round := range o.rounds {
		for i, s := range servers {
			cost, err := costOf(s, func() (int, error) { return load(ctx, s.Addr, o.conns, o.slice) })
			if err != nil {
				return err
			}
			requests[i] = append(requests[i], cost)
			if cost, err = costOf(s, func() (int, error) { return shakeHands(ctx, s.Addr, o.handshakes) }); err != nil {
				return err
			}
			handshakes[i] = append(handshakes[i], cost)
		}
		fmt.Fprintf(os.Stderr, "https: round %d of %d\n", round+1, o.rounds)
	}
	fmt.Println("CPU time of the server, and the first in relation to the others (medians, and the standard error)")
	report("a request", servers, requests)
	report("a connection with a full handshake and one request", servers, handshakes)
	for _, s := range servers {
		slope, err := idle(ctx, s, o.from, o.to)
		if err != nil {
			return err
		}
		fmt.Printf("an idle connection: %-8s %6.0f bytes (RSS from %d to %d connections, after a garbage collection)\n", s.Name, slope, o.from, o.to)
	}
	return nil
}

// costOf is the CPU time of s, in microseconds, for each of what f did.
func costOf(s *launch.Server, f func() (int, error)) (float64, error) {
	before, err := proc.ReadCPU(s.PID)
	if err != nil {
		return 0, err
	}
	n, err := f()
	if err != nil {
		return 0, errors.Join(err, s.Ended())
	}
	after, err := proc.ReadCPU(s.PID)
	if err != nil || n == 0 {
		return 0, errors.Join(err, fmt.Errorf("%s: %d were done", s.Name, n))
	}
	return float64(after.Sub(before).Total().Microseconds()) / float64(n), nil
}

func report(what string, servers []*launch.Server, costs [][]float64) {
	for i, s := range servers {
		fmt.Printf("%s: %-8s %7.1f µs", what, s.Name, stats.Median(costs[i]))
		if i > 0 {
			ratios := stats.Ratios(costs[0], costs[i])
			fmt.Printf("   ratio %.2f ± %.2f", stats.Median(ratios), stats.StdErr(ratios))
		}
		fmt.Println()
	}
}
