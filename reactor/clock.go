package reactor

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// The clock of EventLoop.Now: CLOCK_MONOTONIC, read through the Go runtime (which
// costs no system call), counted from the start of the process.

var (
	clockBase   = time.Now()
	clockOffset = measureClockOffset()
)

// monotonic reads the clock afresh; any goroutine. It is never 0, which stands
// for "not set".
func monotonic() time.Duration { return time.Since(clockBase) + 1 }

// later is d after at, which is not negative; where that would overflow into the
// past it is the end of time: the longest duration means "never".
func later(at, d time.Duration) time.Duration {
	if d > math.MaxInt64-at {
		return math.MaxInt64
	}
	return at + d
}

// kernelTime converts to nanoseconds of CLOCK_MONOTONIC, as timerfd_settime(2)
// takes them. The sum is at least 1: a time that has passed fires at once, and 0
// would disarm.
func kernelTime(at time.Duration) int64 {
	return max(int64(later(time.Duration(clockOffset), at)), 1)
}

// measureClockOffset compares the two clocks a few times and believes the
// comparison that took the least time. Should it be off all the same, a timer
// fires that much early, finds nothing due, and is set again.
func measureClockOffset() int64 {
	var offset int64
	shortest := time.Duration(1<<63 - 1)
	for range 5 {
		before := monotonic()
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			panic("reactor: clock_gettime: " + err.Error()) // Linux has it since 2.6
		}
		if took := monotonic() - before; took < shortest {
			shortest, offset = took, ts.Nano()-int64(before)
		}
	}
	return offset
}
