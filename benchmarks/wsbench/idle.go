package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
	"github.com/carillon-go/carillon/benchmarks/internal/wsload"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

const (
	idleFrom = 1000 // connections at the first reading
	idleStep = 64   // connections that exchange their message at once
)

// measureIdle returns the slope of the server's memory, and its goroutines in the
// end, NaN where it does not tell.
func measureIdle(ctx context.Context, s *launch.Server, o options) ([]float64, error) {
	l, err := connect(ctx, s, "/ws", small, 0)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var rss [2]int64
	for i, n := range []int{idleFrom, o.idle} {
		if err := fill(ctx, l, n); err != nil {
			return nil, err
		}
		if err := collect(ctx, s); err != nil {
			return nil, err
		}
		if rss[i], err = proc.ReadRSS(s.PID); err != nil {
			return nil, err
		}
	}
	count, err := goroutines(ctx, s)
	if err == nil {
		err = l.Faults().Err()
	}
	return []float64{float64(rss[1]-rss[0]) / float64(o.idle-idleFrom), count}, err
}

// fill opens connections until there are n, each of which exchanges one message.
func fill(ctx context.Context, l *wsload.Client, n int) error {
	for have := l.Connections(); have < n; have = l.Connections() {
		if err := l.Grow(ctx, min(n, have+idleStep)); err != nil {
			return err
		}
		if err := l.Exchange(ctx, have); err != nil {
			return err
		}
	}
	return nil
}

// collect has a Go server give its free memory back, twice: what a sync.Pool holds
// survives one collection.
func collect(ctx context.Context, s *launch.Server) error {
	if !s.Has(peers.HTTP) {
		return nil
	}
	for range 2 {
		a, err := s.Get(ctx, "/gc")
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			return fmt.Errorf("GET /gc: status %d", a.Status)
		}
	}
	return nil
}

func goroutines(ctx context.Context, s *launch.Server) (float64, error) {
	if !s.Has(peers.HTTP) {
		return math.NaN(), nil
	}
	a, err := s.Get(ctx, "/goroutines")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(a.Body))
	return float64(n), err
}
