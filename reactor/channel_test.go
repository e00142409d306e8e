package reactor

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// watch registers a channel of fd on the loop and removes it at the end, unless
// the test has done that. edge asks for edge-triggering.
func watch(t testing.TB, loop *EventLoop, fd int, handler EventHandler, edge bool) *Channel {
	t.Helper()
	ch := new(Channel)
	do(t, loop, func() {
		ch.init(loop, fd, handler, edge)
		if err := ch.EnableReading(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { do(t, loop, func() { _ = ch.Remove() }) })
	return ch
}

// settle returns when all that was ready before it has been handled, together
// with what the handlers left for the next iteration.
func settle(t testing.TB, loop *EventLoop) {
	t.Helper()
	for range 3 {
		do(t, loop, func() {})
	}
}

func TestChannelIsReportedUntilItIsRead(t *testing.T) {
	loop := startLoop(t)
	near, far := socketPair(t)
	h, third := &recorder{}, make(chan struct{})
	h.onRead = func() {
		if h.reads == 3 {
			drainCounter(near)
			close(third)
		}
	}
	watch(t, loop, near, h, false)
	mustWrite(t, far, []byte("8 bytes."))
	await(t, third)
	settle(t, loop)
	do(t, loop, func() {
		if h.reads != 3 {
			t.Errorf("handled %d times, want 3: it was read then", h.reads)
		}
	})
}

func TestChannelInterest(t *testing.T) {
	loop := startLoop(t)
	near, _ := socketPair(t)
	h := &recorder{}
	ch := watch(t, loop, near, h, false)
	do(t, loop, func() {
		if ch.FD() != near || !ch.Reading() || ch.Writing() || ch.Interest() != EventRead {
			t.Errorf("fd %d, interest %b", ch.FD(), ch.Interest())
		}
		if err := ch.EnableWriting(); err != nil {
			t.Error(err)
		}
	})
	settle(t, loop)
	do(t, loop, func() {
		if h.writes == 0 || h.reads != 0 {
			t.Errorf("%d writes, %d reads, of an fd with room to write and nothing to read", h.writes, h.reads)
		}
		if err := ch.DisableWriting(); err != nil {
			t.Error(err)
		}
		h.writes = 0
	})
	settle(t, loop)
	do(t, loop, func() {
		if h.writes != 0 {
			t.Error("written although writing was disabled")
		}
		if err := ch.DisableAll(); err != nil || ch.Interest() != 0 {
			t.Errorf("interest %b after DisableAll, %v", ch.Interest(), err)
		}
	})
}

// TestPromise2RemovedChannelOfTheSameBatch: two channels are ready in one batch;
// the first to be handled removes the other, closes its fd, and registers a new
// channel whose fd gets the same number. Neither may see the event.
func TestPromise2RemovedChannelOfTheSameBatch(t *testing.T) {
	for _, edge := range []bool{false, true} {
		loop := startLoop(t)
		a, aFar := socketPair(t)
		b, bFar := socketPair(t)
		idle, _ := socketPair(t) // what the new channel watches: nothing to read
		channels := map[int]*Channel{}
		handlers := map[int]*recorder{a: {}, b: {}}
		newcomer, fresh := &recorder{}, new(Channel)
		handle := func(self, other int) func() {
			return func() {
				if err := channels[other].Remove(); err != nil {
					t.Error(err)
				}
				unix.Close(other)
				if err := unix.Dup3(idle, other, unix.O_CLOEXEC); err != nil {
					t.Error(err)
				}
				fresh.init(loop, other, newcomer, edge)
				if err := fresh.EnableReading(); err != nil {
					t.Error(err)
				}
				_ = channels[self].DisableAll()
			}
		}
		handlers[a].onRead, handlers[b].onRead = handle(a, b), handle(b, a)
		do(t, loop, func() {
			// Within one functor, so that one poll finds both.
			for _, fd := range []int{a, b} {
				channels[fd] = new(Channel)
				channels[fd].init(loop, fd, handlers[fd], edge)
				if err := channels[fd].EnableReading(); err != nil {
					t.Error(err)
				}
			}
			mustWrite(t, aFar, []byte("x"))
			mustWrite(t, bFar, []byte("x"))
		})
		settle(t, loop)
		do(t, loop, func() {
			if got := handlers[a].reads + handlers[b].reads; got != 1 {
				t.Errorf("edge %v: %d of the two channels were handled, want only the one that removed the other", edge, got)
			}
			if newcomer.reads != 0 {
				t.Errorf("edge %v: the event went to the fd's next owner", edge)
			}
			_ = fresh.Remove()
			_ = channels[a].Remove()
			_ = channels[b].Remove()
		})
	}
}

// A channel that was removed and is registered again starts afresh: what was
// reported to its earlier life is forgotten.
func TestChannelRemoveForgetsReadiness(t *testing.T) {
	for _, edge := range []bool{false, true} {
		loop := startLoop(t)
		near, far := socketPair(t)
		h := &recorder{}
		ch := new(Channel)
		do(t, loop, func() {
			ch.init(loop, near, h, edge)
			if err := ch.EnableReading(); err != nil {
				t.Error(err)
			}
			// As if both had been reported, in the batch that is being handled.
			ch.returned = EventRead
			if ch.edge {
				ch.ready = EventRead
				loop.handleAgain(ch)
			}
			if err := ch.Remove(); err != nil {
				t.Error(err)
			}
			if err := ch.EnableReading(); err != nil {
				t.Error(err)
			}
			ch.handleEvents()
			if h.reads != 0 {
				t.Errorf("edge %v: an event from before the removal was handled", edge)
			}
		})
		settle(t, loop)
		do(t, loop, func() {
			if h.reads != 0 {
				t.Errorf("edge %v: readiness from before the removal was handled", edge)
			}
			h.onRead = func() { drainCounter(near); ch.drained(EventRead) }
			mustWrite(t, far, []byte("8 bytes."))
		})
		settle(t, loop)
		do(t, loop, func() {
			if h.reads != 1 {
				t.Errorf("edge %v: registered again it was handled %d times, want once", edge, h.reads)
			}
			_ = ch.Remove()
		})
	}
}

// Withdrawing interest from a channel that is not registered must not register
// it: its fd may be closed, and have another owner by now.
func TestChannelDisableDoesNotRegister(t *testing.T) {
	loop := startLoop(t)
	near, _ := socketPair(t)
	for _, edge := range []bool{false, true} {
		ch := new(Channel)
		disableAll := func(when string) {
			for _, disable := range []func() error{ch.DisableReading, ch.DisableWriting, ch.DisableAll, ch.Remove} {
				if err := disable(); err != nil {
					t.Errorf("%s: %v", when, err)
				}
				if loop.poller.HasChannel(ch) {
					t.Errorf("%s: registered by being disabled", when)
					_ = loop.poller.RemoveChannel(ch)
				}
			}
		}
		do(t, loop, func() {
			ch.init(loop, near, &recorder{}, edge)
			disableAll("before it was enabled")
			if err := ch.EnableReading(); err != nil {
				t.Error(err)
			}
			if err := ch.Remove(); err != nil {
				t.Error(err)
			}
			ch.fd = -1 // as a connection does when its fd is closed
			disableAll("after it was removed")
		})
	}
}

// An fd that hung up is level-triggered for ever: where nobody is interested it is
// reported once, and must not keep the loop busy.
func TestChannelWithoutInterestIsSilent(t *testing.T) {
	loop, counter := startCountedLoop(t)
	near, far := socketPair(t)
	h := &recorder{}
	ch := watch(t, loop, near, h, false)
	do(t, loop, func() {
		if err := ch.DisableReading(); err != nil {
			t.Error(err)
		}
	})
	unix.Shutdown(far, unix.SHUT_RDWR)
	settle(t, loop)
	before := counter.polls.Load()
	const rounds = 20
	for range rounds {
		do(t, loop, func() {})
	}
	if polls := counter.polls.Load() - before; polls > 3*rounds {
		t.Errorf("%d iterations for %d tasks: the loop spins", polls, rounds)
	}
	do(t, loop, func() {
		if h.closes != 1 || h.reads != 0 {
			t.Errorf("%d closes and %d reads without interest, want one and none", h.closes, h.reads)
		}
		h.onRead = func() { _ = ch.Remove() }
		if err := ch.EnableReading(); err != nil {
			t.Error(err)
		}
	})
	settle(t, loop)
	do(t, loop, func() {
		if h.reads != 1 {
			t.Errorf("enabled again, the end of the stream was reported %d times", h.reads)
		}
	})
}

func TestChannelHangupWithReadingDisabled(t *testing.T) {
	loop := startLoop(t)
	near, far := socketPair(t)
	h, closed := &recorder{}, make(chan struct{})
	ch := new(Channel)
	h.onClose = func() { _ = ch.Remove(); close(closed) }
	do(t, loop, func() {
		ch.init(loop, near, h, false)
		if err := ch.EnableWriting(); err != nil {
			t.Error(err)
		}
	})
	settle(t, loop)
	unix.Shutdown(far, unix.SHUT_RDWR)
	await(t, closed)
	do(t, loop, func() {
		if h.reads != 0 {
			t.Error("read while reading was disabled")
		}
		if last := h.order[len(h.order)-1]; last != "close" {
			t.Errorf("%s came after the handler had removed the channel", last)
		}
	})
}

// The write end of a pipe whose reader is gone has an error.
func TestChannelErrorComesFirst(t *testing.T) {
	loop := startLoop(t)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[1])
	unix.Close(pipe[0])
	h, failed := &recorder{}, make(chan struct{})
	ch := new(Channel)
	h.onWrite = func() { _ = ch.Remove(); close(failed) }
	do(t, loop, func() {
		ch.init(loop, pipe[1], h, false)
		if err := ch.EnableWriting(); err != nil {
			t.Error(err)
		}
	})
	await(t, failed)
	do(t, loop, func() {
		if want := []string{"error", "write"}; !slices.Equal(h.order, want) {
			t.Errorf("the handler was called for %v, want %v", h.order, want)
		}
	})
}

func TestChannelRefusedByThePoller(t *testing.T) {
	loop := startLoop(t)
	do(t, loop, func() {
		ch := NewChannel(loop, -1, &recorder{})
		if err := ch.EnableReading(); !errors.Is(err, unix.EBADF) {
			t.Errorf("registering fd -1: %v", err)
		}
		if err := ch.Remove(); err != nil {
			t.Error(err)
		}
	})
}
