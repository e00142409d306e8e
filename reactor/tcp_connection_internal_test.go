package reactor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestHighWaterWithdrawsInterest: a connection that is paused by its output leaves
// the poller nothing to report, so that its loop sleeps instead of turning.
func TestHighWaterWithdrawsInterest(t *testing.T) {
	loop := startLoop(t)
	low := make(chan struct{})
	c, far := pairConnection(t, loop, &Callbacks{LowWater: func(*TcpConnection) { close(low) }})
	c.shared.marks = waterMarks{low: 1 << 10, high: 4 << 10, hard: 64 << 20}
	const size = 4 << 20
	reading := func() (on bool) {
		do(t, loop, func() {})
		do(t, loop, func() { on = c.channel.Reading() })
		return on
	}
	if !reading() {
		t.Fatal("a new connection does not read")
	}
	if err := c.Send(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, far, []byte("x"))
	if reading() {
		t.Error("above the high-water mark reading is still enabled")
	}
	p := make([]byte, 1<<20)
	for got := 0; got < size; {
		n, err := unix.Read(far, p)
		if err == unix.EAGAIN {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(far), Events: unix.POLLIN}}, -1)
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("after %d bytes: %d, %v", got, n, err)
		}
		got += n
	}
	await(t, low)
	if !reading() {
		t.Error("below the low-water mark reading stays disabled")
	}
}
