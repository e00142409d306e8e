package reactor

import "golang.org/x/sys/unix"

// Event is a set of readiness conditions of one fd.
type Event uint8

const (
	// EventRead: bytes, a connection to accept, or the peer's FIN can be read.
	EventRead Event = 1 << iota
	// EventWrite: the kernel takes bytes again.
	EventWrite
	// EventHangup: both directions are shut down (EPOLLHUP), or the peer has
	// shut down its writing side (EPOLLRDHUP). Bytes may still lie unread.
	EventHangup
	// EventError: the fd has a pending error (EPOLLERR).
	EventError
	// EventUrgent: urgent data lies in the stream (EPOLLPRI, tcp(7)); a read stops
	// at it, short of what there is. Only edge-triggered channels are told.
	EventUrgent
)

// EventHandler is what a Channel calls, on its loop's goroutine, when its fd is
// ready. It is an interface rather than four func values because a connection
// implements it itself and then pays nothing for its callbacks.
type EventHandler interface {
	// HandleRead is called when the fd is readable, or hung up, while reading
	// is enabled.
	HandleRead()
	// HandleWrite is called when the fd is writable while writing is enabled.
	HandleWrite()
	// HandleError is called when the fd has a pending error, whatever is
	// enabled, and before the other two; the bytes that came before the error
	// may still be read.
	HandleError()
	// HandleClose is called when the fd is hung up while reading is disabled,
	// so that nobody would otherwise notice.
	HandleClose()
}

// ReadHandler adapts a func to an EventHandler that only reads: for timers,
// wake-ups, listeners and other fds that are never written.
type ReadHandler func()

// HandleRead calls f.
func (f ReadHandler) HandleRead() { f() }

// HandleWrite does nothing: writing is never enabled.
func (ReadHandler) HandleWrite() {}

// HandleError calls f, which meets the error when it reads.
func (f ReadHandler) HandleError() { f() }

// HandleClose does nothing: such an fd has no peer.
func (ReadHandler) HandleClose() {}

// Channel is one fd's interest set, its returned events and its handler. It does
// not own the fd: whoever does removes the channel first and closes the fd after
// the batch of events in which it was removed.
//
// Updates go Channel → EventLoop → Poller. All methods must be called on the
// loop's goroutine.
//
// An edge-triggered channel is registered once, for everything, and is never
// modified after that: its interest is kept here, and so is the readiness that
// the poller reported while nobody was interested. The handler must tell it with
// drained or blocked when the kernel has no more; what it leaves is handled
// again in the next iteration. Where the poller is level-triggered (poll(2)) the
// same channel works by interest alone.
type Channel struct {
	loop     *EventLoop
	handler  EventHandler
	fd       int32
	interest Event
	returned Event // what the last poll reported
	ready    Event // edge-triggered: reported, and not yet known to be used up
	edge     bool  // asked for; in force only where the poller has it
	queued   bool  // in the loop's list of channels to handle again
	state    channelState
	slot     int32  // where the poller keeps it
	turn     uint64 // of the loop, in which it was last handled
}

type channelState uint8

const (
	channelNew channelState = iota
	channelAdded
	channelRemoved
)

// NewChannel returns a level-triggered channel of fd, not yet known to the
// loop's poller: EnableReading or EnableWriting registers it.
func NewChannel(loop *EventLoop, fd int, handler EventHandler) *Channel {
	ch := new(Channel)
	ch.init(loop, fd, handler, false)
	return ch
}

func (ch *Channel) init(loop *EventLoop, fd int, handler EventHandler, edge bool) {
	*ch = Channel{loop: loop, handler: handler, fd: int32(fd), edge: edge && loop.poller.EdgeTriggered()}
}

// FD returns the fd that the channel watches.
func (ch *Channel) FD() int { return int(ch.fd) }

// Interest returns the events that are enabled.
func (ch *Channel) Interest() Event { return ch.interest }

// Reading reports whether reading is enabled.
func (ch *Channel) Reading() bool { return ch.interest&EventRead != 0 }

// Writing reports whether writing is enabled.
func (ch *Channel) Writing() bool { return ch.interest&EventWrite != 0 }

// EnableReading registers interest in bytes to read. Errors: the poller's, and
// unix.EBADF for a negative fd.
func (ch *Channel) EnableReading() error { return ch.setInterest(ch.interest | EventRead) }

// DisableReading withdraws it.
func (ch *Channel) DisableReading() error { return ch.setInterest(ch.interest &^ EventRead) }

// EnableWriting registers interest in room to write. Errors: as EnableReading.
func (ch *Channel) EnableWriting() error { return ch.setInterest(ch.interest | EventWrite) }

// DisableWriting withdraws it.
func (ch *Channel) DisableWriting() error { return ch.setInterest(ch.interest &^ EventWrite) }

// DisableAll withdraws all interest; the channel stays registered.
func (ch *Channel) DisableAll() error { return ch.setInterest(0) }

// Remove takes the channel out of the poller; it handles no event after that,
// also none of the batch that is being handled.
func (ch *Channel) Remove() error {
	if !ch.leave() {
		return nil
	}
	return ch.loop.poller.RemoveChannel(ch)
}

// removeClosing is Remove where the fd is closed before the loop goes on.
func (ch *Channel) removeClosing() {
	if ch.leave() {
		ch.loop.poller.ForgetChannel(ch)
	}
}

// leave reports whether the channel was in the poller.
func (ch *Channel) leave() bool {
	ch.interest = 0
	if ch.state != channelAdded {
		return false
	}
	ch.state = channelRemoved
	ch.returned, ch.ready = 0, 0 // of this registration; there may be another
	return true
}

func (ch *Channel) setInterest(interest Event) error {
	if interest == ch.interest && ch.state == channelAdded {
		return nil
	}
	if interest == 0 && ch.state != channelAdded {
		ch.interest = 0 // nothing to withdraw, and the fd may be somebody else's
		return nil
	}
	if ch.fd < 0 {
		return unix.EBADF
	}
	before, added := ch.interest, interest&^ch.interest
	ch.interest = interest
	if ch.edge && ch.state == channelAdded {
		if ch.ready&added != 0 || (added&EventRead != 0 && ch.ready&EventHangup != 0) {
			ch.loop.handleAgain(ch)
		}
		return nil
	}
	if err := ch.loop.poller.UpdateChannel(ch); err != nil {
		ch.interest = before
		return err
	}
	ch.state = channelAdded
	return nil
}

// drained records that the handler took all that ev had to give: a short read.
// The next edge will say when there is more.
func (ch *Channel) drained(ev Event) { ch.ready &^= ev }

// blocked records that the kernel answered EAGAIN to ev. An EAGAIN that was made
// up on the way (a system-call filter, a fault injector) consumes the edge that
// it hides, so the poller is asked to look once more; where nothing is ready that
// is a cheap no-op.
func (ch *Channel) blocked(ev Event) {
	ch.ready &^= ev
	if ch.edge && ch.state == channelAdded {
		ch.loop.poller.Rearm(ch)
	}
}

// handleEvents dispatches what the poller returned, or, for a channel that is
// handled again, what it left.
func (ch *Channel) handleEvents() {
	got := ch.returned
	ch.returned = 0
	if ch.state != channelAdded {
		return
	}
	if ch.edge {
		ch.ready |= got
		got = ch.ready
		if ch.turn == ch.loop.turn {
			return // in the list twice: not used up before, and reported again
		}
		ch.turn = ch.loop.turn
	}
	if got&EventError != 0 {
		ch.handler.HandleError()
	}
	if got&(EventRead|EventHangup|EventError) != 0 && ch.state == channelAdded {
		if ch.Reading() {
			ch.handler.HandleRead()
		} else if got&EventHangup != 0 {
			ch.handler.HandleClose()
		}
	}
	if got&EventWrite != 0 && ch.Writing() && ch.state == channelAdded {
		ch.handler.HandleWrite()
	}
	if ch.edge && ch.state == channelAdded && ch.ready&ch.interest != 0 {
		ch.loop.handleAgain(ch)
	}
}
