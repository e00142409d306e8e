package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
	"github.com/carillon-go/carillon/benchmarks/internal/stats"
	"github.com/carillon-go/carillon/benchmarks/internal/wsload"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

const (
	small = 125 // bytes: the longest payload with the shortest head
	big   = 64 << 10
)

// workload is one kind of load, and the figures that a slice of it gives.
type workload struct {
	name    string
	needs   peers.Part
	fresh   bool // each slice has a new process
	figures []figure
	title   func(options) string
	measure func(context.Context, *launch.Server, options) ([]float64, error) // the figures
}

// figure is a column of the table.
type figure struct {
	head     string
	decimals int
	compared bool // a column of ratios follows it
}

var workloads = []workload{
	echoWorkload("echo-64", small, 64),
	echoWorkload("echo-1000", small, 1000),
	echoWorkload("echo-64k", big, 64),
	{
		name: "broadcast", needs: peers.Broadcast,
		figures: []figure{{"CPU ms a broadcast", 2, true}, {"last receiver, mean ms", 2, true}, {"p99 ms", 2, false}},
		title: func(o options) string {
			return fmt.Sprintf("broadcast of %d B to %d connections, slices of %v", small, o.broadcast, o.slice)
		},
		measure: measureBroadcast,
	},
	{
		name: "idle", needs: peers.Echo, fresh: true,
		figures: []figure{{"bytes a connection", 0, true}, {"goroutines", 0, false}},
		title: func(o options) string {
			return fmt.Sprintf("memory of an idle connection, from %d to %d", idleFrom, o.idle)
		},
		measure: measureIdle,
	},
}

func workloadNames() string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return strings.Join(names, ",")
}

func findWorkload(name string) (workload, error) {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
	if i < 0 {
		return workload{}, fmt.Errorf("no workload %q: want some of %s", name, workloadNames())
	}
	return workloads[i], nil
}

func payload(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n] }

func echoWorkload(name string, size, connections int) workload {
	return workload{
		name: name, needs: peers.Echo,
		figures: []figure{{"CPU µs a message", 2, true}, {"messages a second", 0, false}},
		title: func(o options) string {
			return fmt.Sprintf("echo of %d B, %d connections, slices of %v", size, connections, o.slice)
		},
		measure: func(ctx context.Context, s *launch.Server, o options) ([]float64, error) {
			l, err := connect(ctx, s, "/ws", size, connections)
			if err != nil {
				return nil, err
			}
			defer l.Close()
			var used meter
			n, took, err := l.Echo(ctx, o.slice/10, o.slice, used.window(s))
			if err == nil {
				err = l.Faults().Err()
			}
			return []float64{used.total().Seconds() * 1e6 / float64(n), float64(n) / took.Seconds()}, err
		},
	}
}

// connect opens connections to a server. Whoever gets a client closes it.
func connect(ctx context.Context, s *launch.Server, path string, size, connections int) (*wsload.Client, error) {
	l, err := wsload.New(s.Addr, path, payload(size))
	if err != nil {
		return nil, err
	}
	if err := l.Grow(ctx, connections); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func measureBroadcast(ctx context.Context, s *launch.Server, o options) ([]float64, error) {
	l, err := connect(ctx, s, "/broadcast", small, o.broadcast)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var used meter
	took, err := l.Broadcast(ctx, o.slice, used.window(s))
	if err == nil {
		err = l.Faults().Err()
	}
	var ms []float64
	for _, d := range took {
		ms = append(ms, d.Seconds()*1e3)
	}
	return []float64{used.total().Seconds() * 1e3 / float64(len(ms)), stats.Mean(ms), stats.Quantile(ms, 0.99)}, err
}

// meter reads a server's CPU time at both ends of a window.
type meter []proc.CPU

func (m *meter) window(s *launch.Server) wsload.Window {
	return func() error {
		now, err := proc.ReadCPU(s.PID)
		*m = append(*m, now)
		return err
	}
}

func (m meter) total() time.Duration {
	if len(m) < 2 {
		return 0
	}
	return m[1].Sub(m[0]).Total()
}
