package ws

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Close begins the closing handshake (RFC 6455 section 7.1): what was sent
// before leaves first, then a close frame with code and reason; a message of a Writer
// that is still open stays a fragment, and what waits behind that is dropped.
// Messages that arrive from then on are dropped; when the peer's close frame has come,
// or WithCloseTimeout has passed, the connection ends and OnClose runs, after Close has
// returned where that was called on the loop. Any goroutine; it does not wait.
//
// CodeNoStatus sends an empty close frame. The errors are ErrBadClose, ErrClosed
// when a close frame was sent before or the connection is gone, and
// reactor.ErrOutputFull.
func (c *Conn) Close(code Code, reason string) error {
	if !closable(code, reason) {
		return fmt.Errorf("%w: %v %q", ErrBadClose, code, reason)
	}
	if err := c.sendClose(code, reason); err != nil {
		return err
	}
	// An error is a loop that has quit: the answer came already, for a client whose
	// loop ends with it.
	_ = c.tcp.Loop().RunInLoop(c.awaitCloseInLoop)
	return nil
}

// sendClose sends the one close frame of this side, after which nothing is sent.
func (c *Conn) sendClose(code Code, reason string) error {
	var room [2 + maxReason]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sendCloseLocked(appendCloseBody(room[:0], code, reason))
}

// sendCloseLocked is sendClose of an encoded body. c.mu is held.
func (c *Conn) sendCloseLocked(body []byte) error {
	if c.closeSent {
		return ErrClosed
	}
	err := c.drainBacklog(true)
	if r := c.rare.Load(); r != nil {
		r.backlog = backlog{} // it waits for a Writer, which cannot go on
	}
	c.closeSent = true
	c.wakeWriters()
	if err != nil {
		return err
	}
	return c.writeFrame(closeByte, body)
}

// ended reports whether nothing can be sent any more. Any goroutine.
func (c *Conn) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeSent
}

func (c *Conn) awaitCloseInLoop() {
	if c.phase == open {
		c.phase = closing
		c.tcp.SetDeadline(c.tcp.Loop().Now() + c.shard.closeWithin)
		if m := c.rare.Load(); m != nil && m.intake != nil {
			// It may have been held. Not at once: what was read may have the peer's close
			// frame in it, and nobody who closes, or is refused by CloseSlow, expects the
			// connection to end in that call. A loop that has quit ends it without.
			_ = c.tcp.Loop().QueueInLoop(c.resume)
		}
	}
}

// closeTimeout is the Timeout callback: the peer did not close in time.
func (c *Conn) closeTimeout() {
	c.lost(errors.New("ws: the peer did not answer the close frame"))
	c.tcp.ForceClose()
}

// peerClosed handles the peer's close frame: it is echoed, with its code, unless
// it is itself the echo of ours. Then the server closes first (section 7.1.1); a
// client waits for that, with the same deadline.
func (c *Conn) peerClosed(body []byte) {
	code, reason, err := parseCloseBody(body)
	if err != nil {
		c.fail(err.(*violation))
		return
	}
	_ = c.sendClose(code, "") // ErrClosed: ours was sent before
	c.finish(code, reason)
	if c.isServer() {
		c.tcp.Shutdown()
	} else {
		c.tcp.SetDeadline(c.tcp.Loop().Now() + c.shard.closeWithin)
	}
}

// fail is _Fail the WebSocket Connection_ (section 7.1.7): the code is sent if
// no close frame was, nothing more is read, and the connection ends.
func (c *Conn) fail(v *violation) {
	if v != errPanic {
		c.shard.stats.Failed.Add(1)
	}
	_ = c.sendClose(v.code, v.reason)
	c.tcp.Shutdown()
	c.finish(v.code, v.reason)
}

// halfClosed is the HalfClose callback: the peer's FIN without a close frame.
func (c *Conn) halfClosed() {
	c.lost(errEOF)
	c.tcp.Shutdown()
}

var errEOF = errors.New("ws: the peer closed without a close frame")

// lost ends a connection that broke off. err may be nil.
func (c *Conn) lost(err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	c.finish(CodeAbnormal, reason)
}

// finish tells whoever wants to know, the handler last, and once. What still
// arrives is dropped; the reactor flushes, lingers and closes on its own deadline.
func (c *Conn) finish(code Code, reason string) {
	if c.phase == closed {
		return
	}
	c.phase = closed
	client := c.shard.client
	if client != nil {
		client.parted()
	}
	ends := c.endOutput()
	c.tcp.SetDeadline(0)
	if w := c.shard.wheel; w != nil {
		w.remove(c)
	}
	if !c.processing {
		c.dec.reset() // else by processed: the payload at hand may lie in it
	}
	c.freeDeflation()
	c.shard.stats.Closed.Add(1)
	for _, e := range ends {
		e.connEnded(c)
	}
	c.guard(func() { c.shard.handler.OnClose(c, code, reason) })
	if client != nil {
		client.lost(code, reason)
	}
}

// endOutput lets nothing more go out, and returns who wants to know of the end.
func (c *Conn) endOutput() (ends []ender) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeSent = true // or never will be
	if m := c.rare.Load(); m != nil {
		c.wakeWriters()
		ends, m.ends, m.backlog = m.ends, nil, backlog{}
	}
	return ends
}

var errPanic = &violation{CodeInternalError, "the handler failed"}

// guard runs f, which calls the handler. Loop goroutine only.
func (c *Conn) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	f()
}

// panicked reports a handler's panic and ends its connection, not the process.
func (c *Conn) panicked(v any) { c.panickedAt(v, debug.Stack()) }

func (c *Conn) panickedAt(v any, stack []byte) {
	c.shard.stats.Panics.Add(1)
	c.shard.log().Error("ws: handler panicked",
		"panic", v, "remote", c.RemoteAddr().String(), "stack", string(stack))
	c.fail(errPanic)
}

// drain is the Drain callback: the server shuts down. ErrClosed is a connection
// that is closing already.
func (c *Conn) drain() { _ = c.Close(CodeGoingAway, "the server is shutting down") }
