package ws

import (
	"fmt"
	"runtime/debug"
	"unicode/utf8"
)

// Close begins the closing handshake (RFC 6455 section 7.1): what was sent
// before leaves first, then a close frame with code and reason. Messages that
// arrive from then on are dropped; when the peer's close frame has come, or
// WithCloseTimeout has passed, the connection ends and OnClose runs. Any
// goroutine; it does not wait.
//
// CodeNoStatus sends an empty close frame. The errors are ErrBadClose, ErrClosed
// when a close frame was sent before, and those of Send.
func (c *Conn) Close(code Code, reason string) error {
	if !code.Sendable() && (code != CodeNoStatus || reason != "") ||
		len(reason) > maxReason || !utf8.ValidString(reason) {
		return fmt.Errorf("%w: %v %q", ErrBadClose, code, reason)
	}
	if err := c.sendClose(code, reason); err != nil {
		return err
	}
	if err := c.tcp.Loop().RunInLoop(c.awaitCloseInLoop); err != nil {
		return fmt.Errorf("ws: close: %w", err)
	}
	return nil
}

// sendClose sends the one close frame of this side, after which nothing is sent.
func (c *Conn) sendClose(code Code, reason string) error {
	var room [maxHeader + maxReason + 2]byte
	frame := appendCloseFrame(room[:0], code, reason)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closeSent {
		return ErrClosed
	}
	c.closeSent = true
	return sendError(c.tcp.Send(frame))
}

func (c *Conn) awaitCloseInLoop() {
	if c.phase == open {
		c.phase = closing
		c.tcp.SetDeadline(c.tcp.Loop().Now() + c.endpoint.closeWithin)
	}
}

// peerClosed handles the peer's close frame: it is echoed, with its code, unless
// it is itself the echo of ours, and then the server closes first (section
// 7.1.1).
func (c *Conn) peerClosed(body []byte) {
	code, reason, err := parseCloseBody(body)
	if err != nil {
		c.fail(err.(*violation))
		return
	}
	_ = c.sendClose(code, "") // ErrClosed: ours was sent before
	c.tcp.Shutdown()
	c.finish(code, reason)
}

// fail is _Fail the WebSocket Connection_ (section 7.1.7): the code is sent if
// no close frame was, nothing more is read, and the connection ends.
func (c *Conn) fail(v *violation) {
	_ = c.sendClose(v.code, v.reason)
	c.tcp.Shutdown()
	c.finish(v.code, v.reason)
}

// lost ends a connection that broke off. err may be nil.
func (c *Conn) lost(err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	c.finish(CodeAbnormal, reason)
}

// finish tells the handler, once. What still arrives is dropped; the reactor
// flushes, lingers and closes on its own deadline.
func (c *Conn) finish(code Code, reason string) {
	if c.phase == closed {
		return
	}
	c.phase = closed
	c.mu.Lock()
	c.closeSent = true // or never will be
	c.mu.Unlock()
	c.tcp.SetDeadline(0)
	if !c.processing {
		c.dec.reset() // else by processed: the payload at hand may lie in it
	}
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	c.endpoint.handler.OnClose(c, code, reason)
}

var errPanic = &violation{CodeInternalError, "the handler failed"}

// panicked reports a handler's panic and ends its connection, not the process.
func (c *Conn) panicked(v any) {
	c.endpoint.log().Error("ws: handler panicked",
		"panic", v, "remote", c.RemoteAddr().String(), "stack", string(debug.Stack()))
	c.fail(errPanic)
}

// drain is the Drain callback: the server shuts down. ErrClosed is a connection
// that is closing already.
func (c *Conn) drain() { _ = c.Close(CodeGoingAway, "the server is shutting down") }
