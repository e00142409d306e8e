package http

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// How an answer reaches the connection. On the loop nothing waits: the connection holds what the client does not take, up
// to its hard cap. A goroutine waits until the client has taken enough, so that a slow client slows it down.

const (
	// roomMark is how much output, in bytes, a connection may hold when a goroutine adds to it.
	roomMark = 256 << 10
	// largestPiece is how much it adds at a time.
	largestPiece = 256 << 10
)

// deliver hands over what is in buf, and p behind it.
func (x *exchange) deliver(p []byte) error {
	buf := x.takeBuf()
	if x.phase != unanswered {
		x.partly = true
	}
	switch {
	case len(buf) == 0 && len(p) == 0:
		return nil
	case x.via != nil:
		return x.deliverVia(buf, p)
	case len(p) == 0:
		return gone(x.conn.tcp.Send(buf))
	case len(buf) == 0:
		return gone(x.conn.tcp.Send(p))
	}
	return gone(x.conn.tcp.SendV(buf, p))
}

func (x *exchange) deliverVia(buf, p []byte) error {
	if len(buf) > 0 {
		if err := x.via.write(buf); err != nil || len(p) == 0 {
			return err
		}
	}
	return x.via.write(p)
}

// deliverLarge sends a body that is all there.
func (x *exchange) deliverLarge(body []byte) error {
	if x.onLoop || x.via != nil {
		// That the client is gone is nobody's error: an answer that is small does not hear of it either.
		if err := x.deliver(body); err != nil && err != ErrClientGone {
			return err
		}
		return nil
	}
	for len(body) > 0 {
		n := min(len(body), largestPiece)
		if err := x.awaitRoom(); err != nil {
			return err
		}
		if err := x.deliver(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// deliverFile sends a file behind what is in buf. Its errors close f.
func (x *exchange) deliverFile(f reactor.File, off, n int64) error {
	if x.via != nil {
		if err := x.deliver(nil); err != nil {
			return closing(f, err)
		}
		return x.via.file(f, off, n)
	}
	if err := x.awaitRoom(); err != nil && !x.onLoop {
		return closing(f, err)
	}
	x.hasFile = true
	_ = x.deliver(nil) // a connection that is gone refuses the file as well
	if err := gone(x.conn.tcp.SendFile(f, off, n)); err != nil && err != ErrClientGone {
		return err
	}
	return nil
}

// duplicate returns f under a descriptor of its own, for who may outlive its owner. Errors: those of fcntl(2).
func duplicate(f reactor.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "duplicate"), nil
}

// awaitRoom waits until the client has taken enough of the output. Errors: ErrClientGone, and reactor.ErrOnLoop where waiting
// would hold the loop.
func (x *exchange) awaitRoom() error {
	if x.conn == nil || x.conn.tcp.OutputBytes() <= roomMark {
		return nil
	}
	switch {
	case x.relay != nil:
		return nil // it asks for the room itself
	case x.onLoop:
		return reactor.ErrOnLoop
	}
	x.room.mu.Lock()
	defer x.room.mu.Unlock()
	for !x.room.gone && x.conn.tcp.OutputBytes() > roomMark {
		if x.room.expired {
			return os.ErrDeadlineExceeded
		}
		x.room.wake.Wait()
	}
	if x.room.gone {
		return ErrClientGone
	}
	return nil
}

// made wakes the handler's goroutine. Loop goroutine only, as is lost.
func (r *room) made() {
	r.mu.Lock()
	r.wake.Broadcast()
	r.mu.Unlock()
}

// lost tells it that nobody takes any more, and returns who was to answer behind the handler, if it has returned.
func (r *room) lost() (parked *Async) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parked, r.parked = r.parked, nil
	r.gone = true
	r.wake.Broadcast()
	return parked
}

// expire ends waits, and all later ones of the same request, until it is called with false. Any goroutine.
func (r *room) expire(turn uint64, on bool) {
	r.mu.Lock()
	if r.turn == turn {
		r.expired = on
		r.wake.Broadcast()
	}
	r.mu.Unlock()
}

// next makes the room that of another request.
func (r *room) next() {
	r.mu.Lock()
	r.turn++
	r.gone, r.expired, r.endless, r.parked = false, false, false, nil
	r.mu.Unlock()
}
