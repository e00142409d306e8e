package reactor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestEdgeChannelRemembersReadiness: the edge comes while reading is off. There
// will be no other.
func TestEdgeChannelRemembersReadiness(t *testing.T) {
	loop := startLoop(t)
	near, far := socketPair(t)
	h := &recorder{}
	ch := watch(t, loop, near, h, true)
	do(t, loop, func() {
		if err := ch.DisableReading(); err != nil {
			t.Error(err)
		}
	})
	mustWrite(t, far, []byte("8 bytes."))
	settle(t, loop)
	h.onRead = func() { drainCounter(near); ch.drained(EventRead) }
	do(t, loop, func() {
		if h.reads != 0 {
			t.Error("read while reading was disabled")
		}
		if err := ch.EnableReading(); err != nil {
			t.Error(err)
		}
		if h.reads != 0 {
			t.Error("EnableReading called the handler itself")
		}
	})
	settle(t, loop)
	do(t, loop, func() {
		if h.reads != 1 {
			t.Errorf("handled %d times after reading was enabled, want once", h.reads)
		}
	})
}

// The same for the end of the stream, which is a hang-up.
func TestEdgeChannelRemembersHangup(t *testing.T) {
	loop := startLoop(t)
	near, far := socketPair(t)
	h := &recorder{}
	ch := watch(t, loop, near, h, true)
	do(t, loop, func() {
		if err := ch.DisableReading(); err != nil {
			t.Error(err)
		}
		h.onRead = func() { ch.drained(EventRead) }
	})
	unix.Shutdown(far, unix.SHUT_RDWR)
	settle(t, loop)
	do(t, loop, func() {
		ch.ready &^= EventRead // as if the bytes before the end had been read
		if err := ch.EnableReading(); err != nil {
			t.Error(err)
		}
	})
	settle(t, loop)
	do(t, loop, func() {
		if h.reads == 0 {
			t.Error("the end of the stream was forgotten")
		}
	})
}

// A handler that leaves bytes, for it had its share, is called again although no
// edge comes; it is called until the kernel has said that there is no more.
func TestEdgeChannelIsHandledAgainUntilUsedUp(t *testing.T) {
	loop := startLoop(t)
	near, far := socketPair(t)
	h, got, done := &recorder{}, "", make(chan struct{})
	ch := new(Channel)
	h.onRead = func() {
		var one [1]byte
		n, err := recvRetry(near, one[:])
		if err == unix.EAGAIN {
			ch.blocked(EventRead)
			return
		}
		got += string(one[:n])
		if len(got) == 3 {
			close(done)
			ch.drained(EventRead)
		}
	}
	do(t, loop, func() {
		ch.init(loop, near, h, true)
		if err := ch.EnableReading(); err != nil {
			t.Error(err)
		}
	})
	mustWrite(t, far, []byte("abc"))
	await(t, done)
	settle(t, loop)
	do(t, loop, func() {
		if got != "abc" || h.reads != 3 {
			t.Errorf("got %q in %d calls", got, h.reads)
		}
		_ = ch.Remove()
	})
}

// A channel that is both left over and reported anew is handled all the same
// while others are: neither starves.
func TestEdgeChannelDoesNotStarveOthers(t *testing.T) {
	loop := startLoop(t)
	busy, busyFar := socketPair(t)
	quiet, quietFar := socketPair(t)
	greedy := &recorder{} // never says that it has enough
	ch := watch(t, loop, busy, greedy, true)
	mustWrite(t, busyFar, []byte("x"))
	settle(t, loop)
	heard := make(chan struct{})
	h := &recorder{}
	h.onRead = func() { drainCounter(quiet); close(heard) }
	watch(t, loop, quiet, h, false)
	mustWrite(t, quietFar, []byte("8 bytes."))
	await(t, heard)
	fired := make(chan struct{})
	loop.RunAfter(0, func() { close(fired) })
	await(t, fired)
	do(t, loop, func() { ch.drained(EventRead); _ = ch.Remove() })
}

// TestEdgeChannelBlockedLooksAgain: an EAGAIN that did not come from the kernel
// (a system-call filter made it up) has used up the edge.
func TestEdgeChannelBlockedLooksAgain(t *testing.T) {
	loop := startLoop(t)
	near, far := socketPair(t)
	h, second := &recorder{}, make(chan struct{})
	ch := new(Channel)
	h.onRead = func() {
		if h.reads == 1 {
			ch.blocked(EventRead)
			return
		}
		drainCounter(near)
		ch.drained(EventRead)
		close(second)
	}
	do(t, loop, func() {
		ch.init(loop, near, h, true)
		if err := ch.EnableReading(); err != nil {
			t.Error(err)
		}
	})
	mustWrite(t, far, []byte("8 bytes."))
	await(t, second)
	do(t, loop, func() { _ = ch.Remove() })
}
