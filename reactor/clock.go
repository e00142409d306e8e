package reactor

import (
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

// kernelTime converts to nanoseconds of CLOCK_MONOTONIC, as timerfd_settime(2)
// takes them.
func kernelTime(at time.Duration) int64 { return int64(at) + clockOffset }

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
