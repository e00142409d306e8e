// Package fleet has the programs of the servers of one comparison, built once. It
// also says in which order a round visits them.
package fleet

import (
	"context"
	"os"
	"slices"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// Fleet is the programs in a folder of their own. Its methods are for one goroutine.
type Fleet struct {
	Dir     string // temporary; Close removes it
	Servers []peers.Server

	programs []string
}

// Build compiles the servers into a temporary folder whose name begins with prefix.
// Those that cannot be built are not in the fleet: failed says why, one error for
// each. After err nothing is left behind, and the fleet is an empty one.
func Build(ctx context.Context, prefix string, servers []peers.Server) (f *Fleet, failed []error, err error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return &Fleet{}, nil, err
	}
	f = &Fleet{Dir: dir}
	for _, s := range servers {
		program, err := launch.Build(ctx, dir, s)
		if ctx.Err() != nil {
			f.Close()
			return &Fleet{}, nil, ctx.Err()
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		f.Servers = append(f.Servers, s)
		f.programs = append(f.programs, program)
	}
	return f, failed, nil
}

// Start starts a process of server i on that CPU, with env added to its environment.
// Whoever starts it stops it.
func (f *Fleet) Start(ctx context.Context, i, cpu int, env ...string) (*launch.Server, error) {
	return launch.Start(ctx, f.Servers[i], f.programs[i], cpu, env...)
}

// Close removes the programs.
func (f *Fleet) Close() {
	if f.Dir != "" {
		_ = os.RemoveAll(f.Dir)
	}
}

// InTurn is the order of a round: each begins with another element, and every second
// one goes backwards. So what changes with time on the machine hits all alike, and
// nobody always comes behind the same neighbour.
func InTurn[T any](list []T, round int) []T {
	begin := round % len(list)
	order := slices.Concat(list[begin:], list[:begin])
	if round%2 == 1 {
		slices.Reverse(order[1:])
	}
	return order
}
