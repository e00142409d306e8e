package reactor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// handshake is the opening of a tlsStream: crypto/tls's own handshake as a
// coroutine (iter.Pull), which is resumed when a record has come and yields where it
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
	end   time.Duration   // of all of it, on the loop's clock
	ctx   context.Context // nil: nothing waits
	quit  context.CancelFunc
	told  func(*TcpConnection) // of a StartTLS that is complete; may be nil
	err   error                // valid when the coroutine has ended

	prefaced bool // what stands in front of TLS was read
	asked    bool // for its turn
	turn     bool // it has it
	away     bool // a step runs on a goroutine
	dead     bool // the connection is gone
	reported bool
	parted   atomic.Bool // the connection, or the loop, was gone before a step came back
}

// crowdedWait is how long a peer may keep its handshake waiting while others wait
// for their turn.
const crowdedWait = time.Second

// begin starts a client's handshake; that of a server begins with what the client
// sends, so that a client which sends nothing takes nobody's turn.
func (h *handshake) begin() {
	c := h.t.c
	h.local = c.LocalAddr()
	h.end = later(c.Loop().Now(), h.t.shared.handshakeTimeout())
	c.SetDeadline(h.end)
	if h.t.client {
		h.ask()
	}
}

// ask takes a turn, or has the connection wait for one.
func (h *handshake) ask() {
	h.asked = true
	c, shared := h.t.c, h.t.shared
	if shared.gate.enter(h, shared.MaxHandshakes) {
		h.turn = true
		h.step()
		return
	}
	c.flags.set(pausedByTLS)
	c.updateReading()
}

// admitted is ask's other half, for one that had to wait.
func (h *handshake) admitted() {
	if h.dead || h.t.c.flags.any(destroying) {
		return // and leaves the gate
	}
	h.turn = true
	h.t.c.flags.clear(pausedByTLS)
	h.step()
	if h.t.c.State() != Disconnected {
		h.t.c.updateReading()
	}
}

// advance runs the handshake as far as what has arrived lets it.
func (h *handshake) advance() {
	t := h.t
	if h.away {
		return
	}
	t.raw.Own()
	switch {
	case !h.asked && !h.readPreface(), !t.ready():
	case h.turn:
		h.step()
	case !h.asked:
		h.ask()
	}
}

// readPreface takes what stands in front of TLS, and says whether it is through.
func (h *handshake) readPreface() bool {
	t, c := h.t, h.t.c
	if h.prefaced || c.shared.preface == nil || t.client {
		return true
	}
	n, err := c.shared.preface(c, t.raw.Peek())
	if err == nil && n == 0 && t.fin {
		err = ErrTruncated
	}
	switch {
	case err != nil:
		h.failed(err)
		return false
	case n == 0:
		return false
	case n > 0:
		t.raw.Retrieve(n)
	}
	h.prefaced = true
	return true
}

// step resumes the coroutine, here or elsewhere.
func (h *handshake) step() {
	c := h.t.c
	if !h.t.shared.Blocking {
		more := h.resume()
		h.advanced(more)
		return
	}
	h.away = true
	c.SetDeadline(h.end) // the peer is not to blame for what a callback takes
	c.flags.set(pausedByTLS)
	c.updateReading()
	if h.ctx == nil {
		h.ctx, h.quit = context.WithCancel(context.Background())
	}
	c.Loop().Go(h.stepAway)
}

// stepAway is one step on a goroutine.
func (h *handshake) stepAway() {
	more := h.resume()
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
	if err != nil && h.parted.Swap(true) {
		h.clean() // the connection is gone as well
	}
}

// resume runs the coroutine until it yields, and says whether it has more to do. It
// is made on the goroutine that steps it first: one made on a loop that is locked to
// its thread could not be resumed on another.
func (h *handshake) resume() (more bool) {
	if h.next == nil {
		h.next, h.stop = iter.Pull(func(yield func(struct{}) bool) {
			h.yield = yield
			h.err = h.run()
		})
	}
	_, more = h.next()
	return more
}

// run is the coroutine. A callback of the tls.Config that panics fails its
// handshake, not the process.
func (h *handshake) run() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("reactor: panic in a TLS callback: %v", v)
			h.t.c.shared.logger.Error("panic in a TLS callback",
				"connection", h.t.c.Name(), "panic", v, "stack", string(debug.Stack()))
		}
	}()
	if h.ctx != nil {
		return h.t.conn.HandshakeContext(h.ctx)
	}
	return h.t.conn.Handshake()
}

// await gives the loop back until more has come; it is false when the connection is
// gone. It runs in the coroutine.
func (h *handshake) await() bool { return h.yield(struct{}{}) }

// advanced sends what a step has written, and sees to the end.
func (h *handshake) advanced(more bool) {
	t := h.t
	t.c.active()
	if t.sealed != nil {
		t.c.flushLaterInLoop()
	}
	switch {
	case t.c.flags.any(destroying): // nobody is interested any more
	case more:
		h.patience()
	case h.err != nil:
		h.failed(h.err)
	default:
		h.complete()
	}
}

// patience sets how long the peer may take for what it sends next. Also called when
// the first one begins to wait for a turn.
func (h *handshake) patience() {
	c := h.t.c
	if h.away || h.dead || h.t.handshake != h || c.flags.any(destroying|discarding) {
		return
	}
	end := h.end
	if h.t.shared.gate.crowded() {
		end = min(end, later(c.Loop().Now(), crowdedWait))
	}
	c.SetDeadline(end)
}

// shutdownWait is how long a handshake may take from the shutdown of its server on.
const shutdownWait = 2 * time.Second

// hurry brings the end forward, for a server that shuts down.
func (h *handshake) hurry() {
	h.end = min(h.end, later(h.t.c.Loop().Now(), shutdownWait))
	h.t.c.SetDeadline(h.end)
}

func (h *handshake) complete() {
	t, c := h.t, h.t.c
	h.leave()
	h.release()
	t.handshake = nil
	dropBuffers(t.conn)
	c.alarm.deadline = 0
	c.state.Store(c.state.Load() | tlsSecured)
	stats := &t.shared.Stats
	stats.Handshakes.Add(1)
	if t.conn.ConnectionState().DidResume {
		stats.Resumed.Add(1)
	}
	if c.flags.any(announced) {
		h.startedTLS()
	} else {
		c.announceInLoop()
	}
	if !c.flags.any(destroying) {
		t.open() // data may have come behind the handshake
	}
	if c.flags.any(drainsLater) {
		drain(c)
	}
}

// failed ends a connection whose handshake has failed: what crypto/tls had to say
// about it, or the answer to somebody who does not speak TLS, still leaves.
func (h *handshake) failed(err error) {
	t, c := h.t, h.t.c
	t.endSealed = true
	h.report(err)
	h.leave()
	h.release()
	c.setErr(err)
	h.refuse(err)
	if t.client && t.sealed != nil {
		_, _ = t.writeSealed() // the alert, if the kernel takes it
	}
	if t.client || t.sealed == nil {
		c.closeInLoop(err)
		return
	}
	t.raw.RetrieveAll()
	t.dropPlaintext()
	c.endOutputInLoop(finWanted | discarding)
}

// refuse answers a client that does not speak TLS.
func (h *handshake) refuse(err error) {
	header, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || header.Conn == nil || h.t.shared.Refuse == nil {
		return
	}
	if answer := h.t.shared.Refuse(header.RecordHeader[:]); len(answer) > 0 {
		h.t.dropSealed()
		_, _ = h.t.Write(answer) // into memory
	}
}

// report counts a failure and tells who wants to know, once.
func (h *handshake) report(err error) {
	if h.reported {
		return
	}
	h.reported = true
	h.t.shared.Stats.Failures.Add(1)
	if f := h.t.shared.Failed; f != nil {
		f(h.t.c.peer, err)
	}
}

// leave makes room in the gate.
func (h *handshake) leave() { h.t.shared.gate.leave(h) }

// release ends what a callback may still be waiting for.
func (h *handshake) release() {
	if h.quit != nil {
		h.quit()
	}
}

// abandon ends the handshake of a connection that is gone. A step that is away keeps
// its turn until it has come back.
func (h *handshake) abandon(err error) {
	h.dead = true
	if err == nil {
		err = ErrClosed
	}
	h.report(err)
	h.release()
	if !h.away || h.parted.Swap(true) {
		h.clean()
	}
}

// clean ends the coroutine and frees what it held.
func (h *handshake) clean() {
	switch {
	case h.stop == nil:
	case h.t.shared.Blocking:
		// The coroutine was made on a goroutine like this, and a loop that is locked to
		// its thread cannot switch to it. It ends at once.
		var stopped sync.WaitGroup
		stopped.Go(h.stop)
		stopped.Wait()
	default:
		h.stop()
	}
	h.away = false
	h.leave()
	h.t.raw.RetrieveAll()
	h.t.dropSealed()
}
