package http

import "github.com/carillon-go/carillon/reactor"

// callbacks connect a server to the reactor. Each finds its conn in the connection's context; after an upgrade the
// callbacks are another protocol's.
func (s *Server) callbacks() *reactor.Callbacks {
	of := func(tcp *reactor.TcpConnection) *conn { return tcp.Context().(*conn) }
	return &reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) {
			if tcp.Connected() {
				c := &conn{tcp: tcp, worker: s.workers[tcp.Loop()]}
				tcp.SetContext(c)
				c.rest()
				return
			}
			of(tcp).dropBody()
		},
		Message:       func(tcp *reactor.TcpConnection, in *reactor.Buffer) { of(tcp).serve(in) },
		WriteComplete: func(tcp *reactor.TcpConnection) { of(tcp).written() },
		HalfClose:     func(tcp *reactor.TcpConnection) { of(tcp).peerClosed() },
		Timeout:       func(tcp *reactor.TcpConnection) { of(tcp).timeout() },
		Drain:         func(tcp *reactor.TcpConnection) { of(tcp).drain() },
	}
}

// written is the WriteComplete callback: a connection that waited for it goes on.
func (c *conn) written() {
	c.clear(sendingFile)
	if !c.has(paused) {
		return
	}
	c.clear(paused)
	c.tcp.StartRead() // ahead of what may stop it again; it delivers nothing before this returns
	c.serve(c.tcp.Input())
	// The peer could not send while we did not read: its clocks start anew.
	switch {
	case c.has(paused | finished | detached):
	case c.body != nil:
		c.startBodyClock()
	case c.has(receivingHead):
		c.tcp.SetDeadline(after(c.worker.loop.Now(), c.worker.times.header))
	}
}

// peerClosed is the HalfClose callback. All that came before it has been served, because nothing is read while requests
// wait; what is unfinished now will never be whole. Answers on their way are still sent.
func (c *conn) peerClosed() {
	if !c.has(finished) {
		c.finish()
	}
}

// timeout is the Timeout callback.
func (c *conn) timeout() {
	if c.has(finished | detached) {
		return
	}
	now, times := c.worker.loop.Now(), &c.worker.times
	receiving := c.body != nil || c.has(receivingHead)
	patience, expired := times.idle, c.leave
	switch {
	case c.has(paused) || !receiving && c.tcp.PendingOutput():
		patience, expired = times.write, c.cut
	case receiving:
		c.refuse(errTimeout)
		return
	}
	next := after(now, times.tick)
	if patience > 0 {
		at := c.tcp.LastActive() + patience
		if at <= now {
			expired()
			return
		}
		next = min(next, at) // the tick has to come as well: what is awaited may change before
	}
	c.tcp.SetDeadline(next)
}

// leave closes a connection that waits for a request: at once when the client's kernel has all of the last answer, since a
// client that keeps its side open would else hold it for the linger time.
func (c *conn) leave() {
	if n, err := c.tcp.Socket().Unacknowledged(); err != nil || n > 0 || c.tcp.PendingOutput() {
		c.finish()
		return
	}
	c.cut()
}

// cut closes a connection without regard for what is on its way to the client.
func (c *conn) cut() {
	c.set(finished)
	c.tcp.ForceClose()
}

// drain is the Drain callback: the server shuts down. A request that has begun is answered first.
func (c *conn) drain() {
	if c.has(finished | detached) {
		return
	}
	if c.body != nil || c.has(receivingHead|paused) {
		c.set(draining)
		return
	}
	c.leave()
}
