package main

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
)

// sample is one slice of one server.
type sample struct {
	Server        string
	Round         int // from 0
	Requests      int64
	Rate          float64 // requests a second, as wrk says
	UserSeconds   float64 // CPU time of the server
	SystemSeconds float64
	Late          int64 // requests that took longer than 2 s
}

// cost is the CPU time of a request, in microseconds. It includes the share of
// accepting and closing the slice's connections.
func (s sample) cost() float64 {
	return (s.UserSeconds + s.SystemSeconds) * 1e6 / float64(s.Requests)
}

// measure drives a server for one slice.
func measure(ctx context.Context, l load, s *launch.Server, path string, slice time.Duration) (sample, error) {
	before, err := proc.ReadCPU(s.PID)
	if err != nil {
		return sample{}, broken(s, err)
	}
	r, err := l.run(ctx, "http://"+s.Addr+path, slice)
	if err != nil {
		return sample{}, broken(s, err)
	}
	after, err := proc.ReadCPU(s.PID)
	if err != nil {
		return sample{}, broken(s, err)
	}
	if err := r.fault(); err != nil {
		return sample{}, broken(s, err)
	}
	used := after.Sub(before)
	return sample{
		Server: s.Name, Requests: r.Requests, Rate: r.Rate, Late: r.Late,
		UserSeconds: used.User.Seconds(), SystemSeconds: used.System.Seconds(),
	}, nil
}

// broken tells of a failed slice how the server ended, if it did.
func broken(s *launch.Server, err error) error {
	if ended := s.Ended(); ended != nil {
		return ended
	}
	return fmt.Errorf("%s: %w", s.Name, err)
}
