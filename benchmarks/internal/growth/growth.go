// Package growth measures how the cost of an operation of Carillon grows with how
// much there is beside: routes, topics, timers. It does so in the process of the
// caller, and what it reports is CPU time of the loop's thread, user and system
// together, so neither the clients here nor others on the machine are in it.
package growth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/benchmarks/internal/fleet"
	"github.com/carillon-go/carillon/benchmarks/internal/stats"
)

// Curve is the cost of one operation at several sizes.
type Curve struct {
	Operation string // what is measured
	Beside    string // what X counts
	Points    []Point
}

// Point is the cost at one size.
type Point struct {
	X       int
	Nanos   float64   // of an operation: the median of Samples
	StdErr  float64   // of that median
	Samples []float64 // one a round
}

// Ratio is the cost at the last size as a multiple of that at the first, the median
// over pairs of the same round, with its standard error.
func (c Curve) Ratio() (ratio, stdErr float64) {
	if len(c.Points) == 0 {
		return stats.Median(nil), stats.StdErr(nil)
	}
	first, last := c.Points[0], c.Points[len(c.Points)-1]
	ratios := stats.Ratios(last.Samples, first.Samples)
	return stats.Median(ratios), stats.StdErr(ratios)
}

// interleave measures every size once a round, in the order of fleet.InTurn. A first
// round, which warms up, does not count.
func interleave(ctx context.Context, sizes []int, rounds int, measure func(ctx context.Context, x int) (nanos float64, err error)) ([]Point, error) {
	if len(sizes) == 0 || rounds < 1 || slices.Min(sizes) < 1 {
		return nil, fmt.Errorf("growth: %d rounds of the sizes %v: want at least one of each, and no size below 1", rounds, sizes)
	}
	points := make([]Point, len(sizes))
	order := make([]int, len(sizes))
	for i, x := range sizes {
		points[i].X, order[i] = x, i
	}
	for round := -1; round < rounds; round++ {
		for _, i := range fleet.InTurn(order, round+1) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			nanos, err := measure(ctx, sizes[i])
			if err != nil {
				return nil, fmt.Errorf("growth: size %d: %w", sizes[i], err)
			}
			if round >= 0 {
				points[i].Samples = append(points[i].Samples, nanos)
			}
		}
	}
	for i := range points {
		points[i].Nanos, points[i].StdErr = stats.Median(points[i].Samples), stats.StdErr(points[i].Samples)
	}
	return points, nil
}

// threadTime is the CPU time that the calling thread has used.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err) // no Linux is without that clock
	}
	return time.Duration(ts.Nano())
}
