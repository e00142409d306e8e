package ws

import (
	"errors"

	"github.com/carillon-go/carillon/reactor"
)

// A peer that does not take its answers is not read from. The reactor sees to
// that between two turns of its loop, by its high-water mark; a Conn does it
// inside one as well, since one read may hold thousands of small messages, each
// with a large answer. What was read and not handled waits in the input buffer.

// batchOutput is the output, in bytes, at which the rest of a read waits until
// that has left.
const batchOutput = reactor.DefaultHighWater

// pause puts off what was read, and reading.
func (c *Conn) pause() {
	c.paused = true
	c.tcp.StopRead()
}

// highWater is the HighWater callback: the reactor has stopped reading.
func (c *Conn) highWater() { c.paused = true }

// outputLeft is the LowWater and the WriteComplete callback: the output is out of
// the way. What waited to be sent is, and what was read is handled now.
func (c *Conn) outputLeft() {
	if c.rare.Load() != nil {
		c.mu.Lock()
		_ = c.drainBacklog(false) // an error ends the connection by itself
		c.wakeWriters()
		c.mu.Unlock()
	}
	c.resume()
}

// resume handles what was read while the connection was paused.
func (c *Conn) resume() {
	if !c.paused || c.held() {
		return
	}
	c.paused = false
	c.tcp.StartRead()
	c.processInput()
}

// held reports whether the connection's goroutine, where it has one, is still too
// far behind. Once the connection closes messages are dropped, so that nothing is in
// the way of the peer's close frame.
func (c *Conn) held() bool {
	m := c.rare.Load()
	return c.phase == open && m != nil && m.intake != nil && m.intake.full()
}

// halfClosed is the HalfClose callback: the peer's FIN without a close frame.
func (c *Conn) halfClosed() {
	c.lost(errEOF)
	c.tcp.Shutdown()
}

var errEOF = errors.New("ws: the peer closed without a close frame")
