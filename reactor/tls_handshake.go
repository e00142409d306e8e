package reactor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
)

// handshake is the opening of a tlsStream: crypto/tls's own handshake as a
// coroutine (iter.Pull), which is resumed when bytes have come and yields where it
// would wait for more. A step runs on the loop, or on a goroutine where callbacks of
// the tls.Config may block; until that has come back, raw and sealed are its own, and
// the socket is not read.
type handshake struct {
	t     *tlsStream
	state handshakeState // guarded by the gate
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	local InetAddress
	err   error // valid when the coroutine has ended
	away  bool  // a step runs on a goroutine
	dead  bool  // the connection is gone
}

// begin starts the handshake, or has it wait for its turn.
func (h *handshake) begin() {
	c, shared := h.t.c, h.t.shared
	h.local = c.LocalAddr()
	c.SetDeadline(c.Loop().Now() + shared.handshakeTimeout())
	if shared.gate.enter(h, shared.MaxHandshakes) {
		h.start()
		return
	}
	c.flags.set(pausedByTLS)
	c.updateReading()
}

// admitted is begin's other half, for one that had to wait.
func (h *handshake) admitted() {
	if h.dead {
		return // and has left the gate
	}
	h.t.c.flags.clear(pausedByTLS)
	h.start()
	h.t.c.updateReading()
}

func (h *handshake) start() {
	h.next, h.stop = iter.Pull(func(yield func(struct{}) bool) {
		h.yield = yield
		h.err = h.run()
	})
	if h.t.client {
		h.advance() // a client speaks first
	}
}

// run is the coroutine. A callback of the tls.Config that panics fails its
// handshake, not the process.
func (h *handshake) run() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("reactor: panic in a TLS callback: %v\n%s", v, debug.Stack())
		}
	}()
	return h.t.conn.Handshake()
}

// await gives the loop back until more has come; it is false when the connection is
// gone. It runs in the coroutine.
func (h *handshake) await() bool { return h.yield(struct{}{}) }

// advance runs the handshake as far as what has arrived lets it.
func (h *handshake) advance() {
	t := h.t
	if h.away || h.next == nil {
		return
	}
	t.raw.Own()
	if !t.shared.Blocking {
		_, more := h.next()
		h.advanced(more)
		return
	}
	h.away = true
	t.c.flags.set(pausedByTLS)
	t.c.updateReading()
	go h.step()
	t.c.Loop().HandedOut()
}

// step is one step on a goroutine.
func (h *handshake) step() {
	_, more := h.next()
	err := h.t.c.Loop().QueueInLoop(func() {
		h.away = false
		if h.dead {
			h.clean()
			return
		}
		h.t.c.flags.clear(pausedByTLS)
		h.advanced(more)
		if h.t.c.State() != Disconnected {
			h.t.c.updateReading()
		}
	})
	if err != nil {
		h.away = false
		h.clean()
	}
}

// advanced sends what a step has written, and sees to the end.
func (h *handshake) advanced(more bool) {
	t := h.t
	if t.sealed != nil {
		t.c.flushLaterInLoop()
	}
	switch {
	case more: // and all that had come is taken
	case h.err != nil:
		h.failed(h.err)
	default:
		h.complete()
	}
}

func (h *handshake) complete() {
	t, c := h.t, h.t.c
	h.leave()
	t.handshake = nil
	c.alarm.deadline = 0
	stats := &t.shared.Stats
	stats.Handshakes.Add(1)
	if t.conn.ConnectionState().DidResume {
		stats.Resumed.Add(1)
	}
	c.announceInLoop()
	if !c.flags.any(destroying) {
		t.open() // data may have come behind the handshake
	}
}

// failed ends a connection whose handshake has failed: what crypto/tls had to say
// about it, or the answer to somebody who does not speak TLS, still leaves.
func (h *handshake) failed(err error) {
	t, c := h.t, h.t.c
	t.endSealed = true
	h.report(err)
	c.setErr(err)
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.Conn != nil && t.shared.Refuse != nil {
		if answer := t.shared.Refuse(header.RecordHeader[:]); len(answer) > 0 {
			t.dropSealed()
			_, _ = t.Write(answer) // into memory
		}
	}
	if t.sealed == nil {
		c.closeInLoop(err)
		return
	}
	t.raw.RetrieveAll()
	c.endOutputInLoop(finWanted | discarding)
}

// report counts a failure and tells who wants to know, once.
func (h *handshake) report(err error) {
	if h.leave() {
		h.t.shared.Stats.Failures.Add(1)
		if f := h.t.shared.Failed; f != nil {
			f(h.t.c.peer, err)
		}
	}
}

// leave makes room in the gate; it is false when that was done before.
func (h *handshake) leave() bool { return h.t.shared.gate.leave(h) }

// abandon ends the handshake of a connection that is gone.
func (h *handshake) abandon(err error) {
	h.dead = true
	if err == nil {
		err = ErrClosed
	}
	h.report(err)
	if !h.away {
		h.clean()
	}
}

// clean ends the coroutine and frees what it held.
func (h *handshake) clean() {
	if h.stop != nil {
		h.stop()
	}
	h.t.raw.RetrieveAll()
	h.t.dropSealed()
}
