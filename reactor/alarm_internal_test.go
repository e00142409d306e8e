package reactor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAlarmMovesLazily: moving a deadline later, as for each request, costs no
// timer, and activity does not touch the timer either.
func TestAlarmMovesLazily(t *testing.T) {
	loop := startLoop(t)
	c, far := pairConnection(t, loop, &Callbacks{})
	var before int
	var id TimerID
	do(t, loop, func() {
		c.SetIdleTimeout(time.Hour)
		c.SetDeadline(loop.Now() + time.Minute)
		before, id = len(loop.timers.heap), c.alarm.id
		for i := range 1000 {
			c.SetDeadline(loop.Now() + time.Minute + time.Duration(i)*time.Second)
			c.SetIdleTimeout(time.Hour)
		}
	})
	for range 100 {
		mustWrite(t, far, []byte("x"))
		do(t, loop, func() {})
	}
	do(t, loop, func() {
		if n := len(loop.timers.heap); n != before || c.alarm.id != id {
			t.Errorf("%d timers, before %d", n, before)
		}
		// Earlier needs a new timer each time; those that it replaces are bounded.
		for i := range 1000 {
			c.SetDeadline(loop.Now() + time.Minute - time.Duration(i)*time.Millisecond)
		}
		if n := len(loop.timers.heap); n > before+200 {
			t.Errorf("%d timers after moving earlier a thousand times", n)
		}
		c.closeInLoop(nil)
	})
	do(t, loop, func() {})
	do(t, loop, func() {
		if c.alarm.id.Valid() {
			t.Error("a connection that is gone holds a timer")
		}
	})
}

// TestAlarmAfterFin: the wait for the peer's FIN is bounded by itself, however long
// the linger time for the output is, and begins with our FIN.
func TestAlarmAfterFin(t *testing.T) {
	loop := startLoop(t)
	c, far := pairConnection(t, loop, &Callbacks{})
	c.shared.linger = time.Hour
	do(t, loop, func() {
		_ = c.Send(make([]byte, 1<<20)) // more than the pair takes at once
		c.Shutdown()
	})
	do(t, loop, func() {
		if end := loop.Now() + 50*time.Minute; !c.alarm.id.Valid() || c.alarm.at < end {
			t.Error("with output left the linger time holds")
		}
	})
	p := make([]byte, 1<<20)
	for {
		n, err := unix.Read(far, p)
		if err == unix.EAGAIN {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(far), Events: unix.POLLIN}}, -1)
			continue
		}
		if n == 0 || err != nil {
			break
		}
	}
	do(t, loop, func() {
		if latest := loop.Now() + maxFinWait; !c.alarm.id.Valid() || c.alarm.at > latest {
			t.Errorf("after our FIN the timer is set to %v from now, want at most %v", c.alarm.at-loop.Now(), maxFinWait)
		}
	})
}
