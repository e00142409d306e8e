// Package fleet has the servers of one comparison: built once, and started all
// together or one by one. It also says in which order a round visits them.
package fleet

import (
	"context"
	"os"
	"slices"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// Fleet is the programs in a folder of their own, and the processes of those that
// run. Its methods are for one goroutine.
type Fleet struct {
	Dir     string // temporary; Close removes it
	Servers []peers.Server
	Running []*launch.Server // since StartAll, in the order of Servers

	programs []string
}

// Build compiles the servers into a temporary folder whose name begins with
// prefix. After an error nothing is left behind, and the fleet is an empty one.
func Build(ctx context.Context, prefix string, servers []peers.Server) (*Fleet, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return &Fleet{}, err
	}
	f := &Fleet{Dir: dir, Servers: servers}
	for _, s := range servers {
		program, err := launch.Build(ctx, dir, s)
		if err != nil {
			f.Close()
			return &Fleet{}, err
		}
		f.programs = append(f.programs, program)
	}
	return f, nil
}

// Start starts a further process of server i on that CPU. Whoever starts it stops
// it.
func (f *Fleet) Start(ctx context.Context, i, cpu int) (*launch.Server, error) {
	return launch.Start(ctx, f.Servers[i], f.programs[i], cpu)
}

// StartAll starts every server on that CPU; check, when there is one, sees each
// before the next is started. StopAll or Close ends them, also after an error.
func (f *Fleet) StartAll(ctx context.Context, cpu int, check func(context.Context, *launch.Server) error) error {
	for i := range f.Servers {
		s, err := f.Start(ctx, i, cpu)
		if err != nil {
			return err
		}
		f.Running = append(f.Running, s)
		if check == nil {
			continue
		}
		if err := check(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// StopAll ends what StartAll started.
func (f *Fleet) StopAll() {
	for _, s := range f.Running {
		s.Stop()
	}
	f.Running = nil
}

// Close ends the servers and removes the programs.
func (f *Fleet) Close() {
	f.StopAll()
	if f.Dir != "" {
		_ = os.RemoveAll(f.Dir)
	}
}

// Rotate returns list from element n on, and then those before: each round visits
// all and begins with another, so that what changes with time on the machine hits
// all alike.
func Rotate[T any](list []T, n int) []T {
	n %= len(list)
	return slices.Concat(list[n:], list[:n])
}
