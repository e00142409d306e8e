package reactor

import (
	"errors"

	"golang.org/x/sys/unix"
)

// The write path of TcpConnection. Send and its kin append to the queue out, under
// the lock, from any goroutine; the loop moves out behind sending at the end of its
// iteration and writes sending, without a lock. In front of both is what a Message
// callback gathers.

// waterMarks bound a connection's unsent output, in bytes.
type waterMarks struct{ low, high, hard int }

// Default water marks, in bytes of unsent output of one connection.
const (
	DefaultLowWater  = 256 << 10
	DefaultHighWater = 1 << 20
	DefaultHardCap   = 64 << 20
)

const (
	// fileWeight is what a file that waits to be sent counts for, in bytes: it
	// takes no memory to speak of, but an fd.
	fileWeight = 16 << 10
	// directSize is from where on it is cheaper to write at once than to copy.
	directSize = 16 << 10
)

// sendInLoop writes large pieces straight from the caller's memory, behind what
// is queued, and copies only what the kernel does not take.
func (c *TcpConnection) sendInLoop(pieces ...[]byte) error {
	total := 0
	for _, p := range pieces {
		total += len(p)
	}
	if err := c.enqueue(total, func(q *outputQueue) {
		for _, p := range pieces {
			q.lend(p)
		}
	}); err != nil {
		return err
	}
	c.takeOutput()
	if !c.channel.Writing() {
		// An error shows again when the rest is flushed, outside this call, but
		// the kernel says why only once.
		switch err := c.writeSending(); {
		case err == unix.EAGAIN:
			c.awaitWritable()
		case err != nil:
			c.setErr(err)
		}
	}
	c.sending.own()
	return nil
}

// writeNow writes what the kernel takes of p, which nothing that is queued stands in
// front of, and returns how much. What is left has to be queued.
func (c *TcpConnection) writeNow(p []byte) int {
	n, err := sendRetry(c.channel.FD(), p, 0)
	if err != nil && err != unix.EAGAIN {
		c.setErr(err) // the kernel says why only once; the flush meets it again
	}
	if n > 0 {
		c.lastActive = c.Loop().Now()
	}
	return max(n, 0)
}

// takeOutput moves what Send appended to the loop's own queue.
func (c *TcpConnection) takeOutput() {
	c.mu.Lock()
	out := c.out
	c.out = nil
	c.mu.Unlock()
	if out == nil {
		return
	}
	c.flags.set(unreported)
	if c.sending == nil {
		c.sending = out
	} else {
		c.sending.appendQueue(out)
	}
}

// flushInLoop is called by the loop at the end of an iteration in which something
// was sent.
func (c *TcpConnection) flushInLoop() {
	c.mu.Lock()
	c.dirty = false
	c.mu.Unlock()
	if c.channel.Writing() {
		// The kernel takes no more: HandleWrite goes on. Until then all that is
		// sent is joined in out, however small the pieces are.
		c.checkWaterMarks()
		return
	}
	c.takeOutput()
	c.writeInLoop()
}

// HandleWrite implements EventHandler: the kernel takes bytes again.
func (c *TcpConnection) HandleWrite() {
	c.takeOutput()
	c.writeInLoop()
}

func (c *TcpConnection) writeInLoop() {
	if c.flags.any(destroying) || c.State() == Disconnected {
		c.discardOutput()
		return
	}
	var err error
	if c.unsent() {
		err = c.writeSending()
	}
	switch {
	case err == unix.EAGAIN:
		c.awaitWritable()
	case err != nil:
		c.loseOutput(err)
		return
	case c.unsent():
		c.waitWritable(false)
		c.flushLaterInLoop() // the budget is used up
	default:
		c.waitWritable(false)
		c.checkWaterMarks() // before WriteComplete: that may fill the output again
		c.outputDone()
		return
	}
	c.checkWaterMarks()
}

// awaitWritable goes on when the kernel, which has answered EAGAIN, takes more.
func (c *TcpConnection) awaitWritable() {
	c.channel.blocked(EventWrite)
	c.waitWritable(true)
}

// unsent reports whether there is anything to write.
func (c *TcpConnection) unsent() bool {
	if t := c.tls(); t != nil {
		return t.unsent()
	}
	return !c.sending.empty()
}

// writeSending writes what fd takes, and accounts for it.
func (c *TcpConnection) writeSending() error {
	if t := c.tls(); t != nil {
		return t.write()
	}
	_, err := c.writeQueue(c.sending)
	return err
}

// writeQueue writes what fd takes of q.
func (c *TcpConnection) writeQueue(q *outputQueue) (sent int64, err error) {
	weight, sent, err := q.writeTo(c.channel.FD(), &c.Loop().iovecs)
	if sent > 0 {
		c.lastActive = c.Loop().Now()
	}
	c.weight.Add(int64(-weight))
	return sent, err
}

func (c *TcpConnection) waitWritable(wait bool) {
	var err error
	if wait {
		err = c.channel.EnableWriting()
	} else {
		err = c.channel.DisableWriting()
	}
	if err != nil {
		c.closeInLoop(err)
	}
}

// outputDone runs when all that was taken is with the kernel.
func (c *TcpConnection) outputDone() {
	if c.PendingOutput() {
		return // LowWater has sent more
	}
	if c.sending != nil {
		c.sending.free()
		c.sending = nil
	}
	if c.flags.any(finWanted) {
		t := c.tls()
		if c.shakingHands() && !c.flags.any(discarding) {
			return // CloseWrite during StartTLS: the handshake has more to send
		}
		if t != nil && t.sealEnd() {
			c.flushLaterInLoop() // the end of the TLS stream leaves before the FIN
			return
		}
		c.sendFin()
		return
	}
	report := c.flags.any(unreported)
	c.flags.clear(unreported)
	if report && c.cb.WriteComplete != nil && !c.flags.any(destroying) {
		c.cb.WriteComplete(c)
	}
}

// loseOutput: the peer takes no more. What it sent before is still read, as far
// as the user is reading, and then the connection closes with err.
func (c *TcpConnection) loseOutput(err error) {
	c.setErr(err)
	c.mu.Lock()
	c.outClosed.Store(true)
	c.mu.Unlock()
	c.discardOutput()
	c.waitWritable(false)
	c.flags.set(outputLost)
	c.flags.clear(pausedByOutput)
	c.updateReading()
	if errors.Is(err, ErrFileTruncated) || c.Loop().QueueInLoop(c.readRestInLoop) != nil {
		c.closeInLoop(err)
	}
}

// readRestInLoop reads what is left after the output was lost, a budget at a time.
func (c *TcpConnection) readRestInLoop() {
	if c.flags.any(destroying) || c.State() == Disconnected {
		return
	}
	c.HandleRead()
	if !c.channel.Reading() || c.Loop().QueueInLoop(c.readRestInLoop) != nil {
		c.closeInLoop(nil)
	}
}

// discardOutput drops what is not sent. No Send may come in between: outClosed is
// set.
func (c *TcpConnection) discardOutput() {
	c.takeOutput()
	if c.sending != nil {
		c.sending.discard()
		c.sending = nil
	}
	if t := c.tls(); t != nil {
		t.dropSealed()
	}
	c.weight.Store(0)
}

// checkWaterMarks pauses and resumes reading as the output grows and shrinks, and
// tells the producer.
func (c *TcpConnection) checkWaterMarks() {
	if c.flags.any(destroying) {
		return
	}
	pending, paused := c.OutputBytes(), c.flags.any(pausedByOutput)
	switch {
	case !paused && pending > c.shared.marks.high:
		c.flags.set(pausedByOutput)
		c.updateReading()
		if c.cb.HighWater != nil {
			c.cb.HighWater(c, pending)
		}
	case paused && pending <= c.shared.marks.low:
		c.flags.clear(pausedByOutput)
		c.updateReading()
		if c.cb.LowWater != nil {
			c.cb.LowWater(c)
		}
	}
	if t := c.tls(); t != nil && c.channel.Reading() {
		t.resume() // it stopped at the mark, and what was above it is written already
	}
}
