package http

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// callbacks connect a server to the reactor. Each finds its conn in the connection's context; after an upgrade the
// callbacks are another protocol's.
func (s *Server) callbacks() *reactor.Callbacks {
	of := func(tcp *reactor.TcpConnection) *conn { return tcp.Context().(*conn) }
	return &reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) {
			if tcp.Connected() {
				w := s.workers[tcp.Loop()]
				c := &conn{tcp: tcp, place: w.placeOf(tcp)}
				tcp.SetContext(c)
				c.begin()
				return
			}
			of(tcp).gone()
		},
		Message:       func(tcp *reactor.TcpConnection, in *reactor.Buffer) { of(tcp).serve(in) },
		WriteComplete: func(tcp *reactor.TcpConnection) { of(tcp).written() },
		LowWater:      func(tcp *reactor.TcpConnection) { of(tcp).roomMade() },
		HalfClose:     func(tcp *reactor.TcpConnection) { of(tcp).peerClosed() },
		Timeout:       func(tcp *reactor.TcpConnection) { of(tcp).timeout() },
		Drain:         func(tcp *reactor.TcpConnection) { of(tcp).drain() },
	}
}

// begin waits for the first request. A connection over which another protocol than HTTP/1 was agreed on by ALPN, such as a
// validation by ACME (RFC 8737 section 3), is ended: what has been made sure of for HTTP may not hold there.
func (c *conn) begin() {
	if state, ok := c.tcp.TLS(); ok && state.NegotiatedProtocol != "" && !strings.HasPrefix(state.NegotiatedProtocol, "http/1.") {
		c.finish()
		return
	}
	c.rest()
}

// gone is the Connection callback at the end.
func (c *conn) gone() {
	c.set(lost | finished)
	c.worker.forgetSlow(c)
	if !c.has(running) {
		c.release()
		return
	}
	cause, err := ErrClientGone, c.tcp.Err()
	byForce := err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) // Shutdown's ctx
	if c.worker.server.draining.Load() && byForce && !c.has(peerDone) {
		cause = ErrServerClosed
	}
	parked := c.x.room.lost() // ahead of the end of the context, which tells whoever answers to look
	c.abandon(cause)
	if parked != nil {
		parked.abandon()
	}
	if r := c.x.relay; r != nil {
		r.lost(cause)
	}
}

// abandon tells a handler at work that its client has left: its context ends, and reading the body fails.
func (c *conn) abandon(cause error) {
	x := c.x
	if p := x.body.pipe; p != nil && !x.body.in.whole {
		p.finish(errBodyCut)
	}
	x.ticket.end(cause)
}

// written is the WriteComplete callback: a connection that waited for it goes on.
func (c *conn) written() {
	c.clear(sendingFile)
	c.worker.forgetSlow(c)
	c.roomMade()
	if c.has(resetting) {
		c.reset()
		return
	}
	if !c.has(stopped) || c.has(running) {
		return
	}
	c.resume()
	// The peer could not send while we did not read: its clocks start anew.
	switch {
	case c.has(stopped | finished | detached | running):
	case c.x != nil:
		c.startBodyClock()
	case c.has(receivingHead):
		c.tcp.SetDeadline(after(c.worker.loop.Now(), c.worker.times.header))
	}
}

// roomMade tells a handler that waits for its client to take output.
func (c *conn) roomMade() {
	if !c.has(running) {
		return
	}
	c.x.room.made()
	if r := c.x.relay; r != nil {
		r.roomMade()
	}
}

// peerClosed is the HalfClose callback. What is unfinished now will never be whole, but answers to what has come are still
// sent. A handler at work hears of it as if the client had left, because nobody can tell whether it has: that takes a
// FIN as well.
func (c *conn) peerClosed() {
	if c.has(finished) {
		return
	}
	c.set(peerDone)
	switch {
	case c.has(running):
		c.abandon(ErrClientGone)
	case !c.has(stopped):
		c.finish()
	}
}

// timeout is the Timeout callback.
func (c *conn) timeout() {
	if c.has(lost | detached) {
		return
	}
	now, times := c.worker.loop.Now(), &c.worker.times
	if c.has(finished) {
		switch {
		case c.tcp.PendingOutput() && c.worker.tooSlow(c, now):
			c.cut()
		case c.has(resetting):
			c.reset()
		default:
			c.rest()
		}
		return
	}
	receiving := c.receiving()
	if c.has(ending) && c.x == nil && !receiving && !c.has(stopped) && !c.tcp.PendingOutput() {
		c.leave() // a server that retires has waited long enough for a request
		return
	}
	patience, expired := times.idle, c.leave
	switch {
	case c.has(stopped) || !receiving && c.tcp.PendingOutput():
		patience, expired = times.write, c.cut
		if c.tcp.PendingOutput() && c.worker.tooSlow(c, now) {
			c.cut()
			return
		}
	case receiving && c.has(running):
		c.giveUpBody()
		return
	case receiving:
		c.refuseLate()
		return
	}
	next := after(now, times.tick)
	if patience > 0 && (!c.has(running) || c.tcp.PendingOutput()) {
		at := c.tcp.LastActive() + patience
		if at <= now {
			expired()
			return
		}
		next = min(next, at) // the tick has to come as well: what is awaited may change before
	}
	c.tcp.SetDeadline(next)
}

// receiving says whether the client is to send the next byte of a request.
func (c *conn) receiving() bool {
	switch {
	case c.has(running):
		p := c.x.body.pipe
		return p != nil && !c.x.body.in.whole && p.waiting()
	case c.x != nil:
		return true
	}
	return c.has(receivingHead)
}

// refuseLate answers a request of which too little came in time.
func (c *conn) refuseLate() {
	switch {
	case c.x == nil:
		c.refuse(errTimeout)
	case c.has(skipping):
		c.finish()
	default:
		c.refuseRequest(c.x, errTimeout)
	}
}

// giveUpBody tells the handler that reads a body that it does not come in time; the connection ends behind its answer.
func (c *conn) giveUpBody() {
	c.x.body.pipe.finish(errTimeout)
	c.x.body.in.whole = true
	c.set(ending)
	c.rest()
}

// leave closes a connection that waits for a request: at once when the client's kernel has all of the last answer, since a
// client that keeps its side open would else hold it for the linger time.
func (c *conn) leave() {
	if n, err := c.tcp.Socket().Unacknowledged(); err != nil || n > 0 || c.tcp.PendingOutput() {
		c.finish()
		return
	}
	c.set(finished)
	c.tcp.Leave()
}

// cut closes a connection without regard for what is on its way to the client.
func (c *conn) cut() {
	if c.has(resetting) {
		_ = unix.SetsockoptLinger(c.tcp.Socket().FD(), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	c.set(finished)
	c.tcp.ForceClose()
}

// drain is the Drain callback: the server shuts down. A request that has begun is answered first.
func (c *conn) drain() {
	if c.has(finished | detached) {
		return
	}
	idle := c.worker.server.retireAfter()
	if c.x != nil || c.has(receivingHead|stopped) {
		if idle > 0 && c.x != nil {
			c.set(retiring)
		} else {
			c.set(ending)
		}
		if c.has(running) {
			c.x.endIfEndless()
		}
		return
	}
	if idle > 0 {
		c.set(ending) // and timeout looks when that is over
		c.tcp.SetDeadline(c.worker.loop.Now() + idle)
		return
	}
	c.leave()
}
