package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/gen"
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

const (
	idleFrom = 1000   // connections at the first reading
	idleMost = 17_500 // that the servers have room for
	quickTLS = 4000   // and at most at the second, over TLS in a quick run
)

const (
	idleHTTP = "idle-http"
	idleWS   = "idle-ws"
	idleTLS  = "idle-tls"
)

// memory is one kind of idle connection.
type memory struct {
	name    string
	title   string
	servers []string
	quick   []string
	job     gen.Job
}

func memories() []memory {
	plain := gen.Job{Kind: gen.IdleHTTP, Path: "/plaintext", Want: []byte(endpoint.Text)}
	secure := plain
	secure.TLS = true
	return []memory{
		{name: idleHTTP, title: "idle keep-alive HTTP connection", servers: with("cepoll", goServers), quick: with("nethttp"), job: plain},
		{name: idleWS, title: "idle WebSocket connection", servers: with("cepoll-ws", sockets), quick: with("gws"),
			job: gen.Job{Kind: gen.IdleEcho, Path: "/ws", Body: message(small)}},
		{name: idleTLS, title: "idle HTTPS connection", servers: with("nethttp"), quick: with("nethttp"), job: secure},
	}
}

func (m *memory) on(o *options) []string {
	w := workload{servers: m.servers, quick: m.quick}
	return w.on(o)
}

// measureMemory has each server, fresh in each run, hold idle connections. The slope
// between two readings leaves out what a server takes for itself.
func (s *session) measureMemory(m *memory) error {
	names := slices.DeleteFunc(m.on(&s.options), func(name string) bool { return s.index(name) < 0 })
	if len(names) == 0 {
		return nil
	}
	result := outcome.Workload{Name: m.name, Title: m.title, Per: "connection"}
	for _, name := range names {
		result.Servers = append(result.Servers, outcome.Server{Name: name})
	}
	for round := range s.runs {
		for _, name := range fleet.InTurn(names, round) {
			of := &result.Servers[slices.Index(names, name)]
			sample, err := s.idle(m, name)
			if over := s.over(); over != nil {
				return over
			}
			if err != nil {
				of.Faults = append(of.Faults, fmt.Sprintf("run %d: %v", round+1, err))
				fmt.Fprintf(s.log, "%-14s %2d/%d %-12s %v\n", m.name, round+1, s.runs, name, err)
				continue
			}
			sample.Round = round
			of.Samples = append(of.Samples, sample)
			fmt.Fprintf(s.log, "%-14s %2d/%d %-12s %9.0f bytes %9.4f goroutines\n", m.name, round+1, s.runs, name, sample.Bytes, sample.Goroutines)
		}
	}
	s.result.Workloads = append(s.result.Workloads, result)
	return nil
}

// idle is one run on a fresh process.
func (s *session) idle(m *memory, name string) (outcome.Sample, error) {
	var env []string
	if m.job.TLS {
		env = append(env, "TLS=1")
	}
	target, err := s.start(name, s.serverCPU, env...)
	if err != nil {
		return outcome.Sample{}, err
	}
	defer target.Stop()
	j := m.job
	levels := s.levelsOf(m)
	j.Addr, j.Levels = target.Addr, levels
	var rss, goroutines []float64
	_, err = s.load.Run(s.ctx, j, func(int) error {
		bytes, count, err := target.settled(s.ctx)
		rss, goroutines = append(rss, bytes), append(goroutines, count)
		return err
	})
	if ended := target.Ended(); ended != nil {
		return outcome.Sample{}, ended
	}
	if err != nil {
		return outcome.Sample{}, err
	}
	between := float64(levels[1] - levels[0])
	// To a thousandth: a server's own goroutines come and go.
	each := math.Round(1000*(goroutines[1]-goroutines[0])/between) / 1000
	return outcome.Sample{RSS: rss[1], Bytes: (rss[1] - rss[0]) / between, Goroutines: each}, nil
}

// levelsOf are the numbers of connections at which the memory is read. A quick run has
// no time for sixteen thousand handshakes with each server.
func (s *session) levelsOf(m *memory) []int {
	if s.quick && m.job.TLS {
		return []int{s.levels[0], min(s.levels[1], quickTLS)}
	}
	return s.levels
}

// settled has a Go server give its free memory back, twice, since what a sync.Pool
// holds survives one collection, and reads what is left and how many goroutines
// there are.
func (s *server) settled(ctx context.Context) (rss, goroutines float64, err error) {
	goes := s.Has(peers.HTTP)
	for range 2 {
		if !goes {
			break
		}
		answer, err := s.Get(ctx, "/gc")
		if err != nil {
			return 0, 0, err
		}
		if answer.Status/100 != 2 {
			return 0, 0, fmt.Errorf("GET /gc: status %d", answer.Status)
		}
	}
	n, err := s.rss()
	if err != nil || !goes {
		return float64(n), 0, err
	}
	answer, err := s.Get(ctx, "/goroutines")
	if err != nil {
		return 0, 0, err
	}
	if answer.Status != http.StatusOK {
		return 0, 0, fmt.Errorf("GET /goroutines: status %d", answer.Status)
	}
	count, err := strconv.Atoi(strings.TrimSpace(answer.Body))
	return float64(n), float64(count), err
}
