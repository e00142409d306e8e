package ws

import (
	"sync"

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

// workAhead is how much a connection's goroutine may be behind, in bytes of payload
// and messageWeight for each message or piece of one, before the connection is not
// read any more.
const workAhead = 256 << 10

// intake counts what was received for a connection's goroutine and is not handled
// yet, and keeps the connection from being read while that is more than workAhead.
type intake struct {
	mu     sync.Mutex
	behind int  // the weight of what is queued or being handled; guarded by mu
	waited bool // the connection is not read until the goroutine has caught up; guarded by mu
}

// add is addLocked with k.mu not held.
func (k *intake) add(c *Conn, weight int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.addLocked(c, weight)
}

// addLocked counts what has come in. Loop goroutine only; k.mu is held.
func (k *intake) addLocked(c *Conn, weight int) {
	k.behind += weight
	if k.behind > workAhead && !k.waited {
		k.waited = true
		c.pause()
	}
}

// handled takes off what is done, and has the connection read again when its
// goroutine has caught up. Any goroutine.
func (k *intake) handled(c *Conn, weight int) {
	k.mu.Lock()
	k.behind -= weight
	again := k.waited && k.behind <= workAhead/2
	k.waited = k.waited && !again
	k.mu.Unlock()
	if again {
		_ = c.shard.loop.QueueInLoop(c.resume) // refused by a loop that has quit
	}
}

// full reports whether the connection waits for its goroutine.
func (k *intake) full() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.waited
}
