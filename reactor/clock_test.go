package reactor

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestClockIsTheKernelsMonotonic: a reading of ours, converted, lies between two
// readings of CLOCK_MONOTONIC around it.
func TestClockIsTheKernelsMonotonic(t *testing.T) {
	kernel := func() int64 {
		var ts unix.Timespec
		must(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts))
		return ts.Nano()
	}
	const tolerance = int64(ms) // measured once, at the start, between two instructions
	for range 100 {
		before := kernel()
		ours := kernelTime(monotonic())
		after := kernel()
		if ours < before-tolerance || ours > after+tolerance {
			t.Fatalf("ours is %d, the kernel's went from %d to %d", ours, before, after)
		}
	}
}

func TestMonotonicNeverStandsForUnset(t *testing.T) {
	last := time.Duration(0)
	for range 1000 {
		now := monotonic()
		if now <= 0 || now < last {
			t.Fatalf("%v after %v", now, last)
		}
		last = now
	}
}

func TestLater(t *testing.T) {
	const end = time.Duration(math.MaxInt64)
	for _, c := range []struct{ at, d, want time.Duration }{
		{0, 0, 0},
		{5, 7, 12},
		{5, -7, -2},
		{5, math.MinInt64, math.MinInt64 + 5},
		{5, end, end},
		{5, end - 5, end},
		{5, end - 6, end - 1},
		{end, 0, end},
		{end, 1, end},
		{end, end, end},
		{end, -1, end - 1},
	} {
		if got := later(c.at, c.d); got != c.want {
			t.Errorf("later(%d, %d) is %d, want %d", c.at, c.d, got, c.want)
		}
	}
}

// timerfd_settime(2) takes 0 for "disarm" and refuses negative times.
func TestKernelTimeIsPositive(t *testing.T) {
	for _, at := range []time.Duration{math.MinInt64, -time.Duration(clockOffset), -1, 0, 1, math.MaxInt64} {
		if got := kernelTime(at); got < 1 {
			t.Errorf("kernelTime(%d) is %d", at, got)
		}
	}
}
