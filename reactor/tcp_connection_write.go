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

// Send queues a copy of p. Bytes leave in the order in which Send was called, in
// one system call for all that the connection's Message callback sent, or all that
// one iteration of the loop did. Any goroutine.
//
// Errors: ErrClosed when the connection is closing or gone; ErrOutputFull when
// unsent output would pass the hard cap, which also closes the connection;
// ErrLoopClosed when the loop has quit. After an error none of p is sent.
func (c *TcpConnection) Send(p []byte) error {
	if c.gathers(len(p)) {
		return c.gather(p)
	}
	if len(p) >= directSize && c.Loop().IsInLoopThread() {
		return c.sendInLoop(p)
	}
	return c.enqueue(len(p), func(q *outputQueue) { q.appendBytes(p) })
}

// SendNow is Send for what goes to many connections: called on the loop, it writes p
// at once and without a copy where nothing waits to be sent and nothing has moved in
// this iteration, so that the connection need not be visited again to flush it. What
// the same iteration sends after it is joined as usual. WriteComplete does not come
// for what left at once.
func (c *TcpConnection) SendNow(p []byte) error {
	if c.PendingOutput() || !c.Loop().IsInLoopThread() || c.lastActive == c.Loop().Now() || c.channel.Writing() || c.tls() != nil {
		return c.Send(p)
	}
	if c.outClosed.Load() {
		return ErrClosed
	}
	n, err := sendRetry(c.channel.FD(), p, 0)
	switch {
	case err == nil && n == len(p):
		c.lastActive = c.Loop().Now()
		return nil
	case err != nil && err != unix.EAGAIN:
		c.setErr(err) // the kernel says why only once; the flush meets it again
	}
	return c.Send(p[max(n, 0):])
}

// SendString is Send of a string.
func (c *TcpConnection) SendString(s string) error { return c.Send(stringBytes(s)) }

// SendV is Send of several pieces as one: nothing else gets between them.
func (c *TcpConnection) SendV(pieces ...[]byte) error {
	total := 0
	for _, p := range pieces {
		total += len(p)
	}
	if c.gathers(total) {
		return c.gather(pieces...)
	}
	if total >= directSize && c.Loop().IsInLoopThread() {
		return c.sendInLoop(pieces...)
	}
	return c.enqueue(total, func(q *outputQueue) {
		for _, p := range pieces {
			q.appendBytes(p)
		}
	})
}

// SendFile queues n bytes of f from offset off, sent by sendfile(2) behind what
// was queued before. f is taken over: it is closed after its last byte, or when
// the connection is lost, and also when SendFile returns an error. A file that
// turns out shorter closes the connection with ErrFileTruncated, since its length
// was promised to the peer. Any goroutine. Errors: as for Send.
func (c *TcpConnection) SendFile(f File, off, n int64) error {
	if n <= 0 {
		return f.Close()
	}
	err := c.enqueue(fileWeight, func(q *outputQueue) { q.appendFile(f, off, n) })
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// enqueue appends to out and has the loop flush it.
func (c *TcpConnection) enqueue(weight int, add func(*outputQueue)) error {
	c.stopGathering()
	c.mu.Lock()
	if c.outClosed.Load() {
		c.mu.Unlock()
		return ErrClosed
	}
	if c.weight.Load()+int64(weight) > int64(c.shared.marks.hard) {
		c.outClosed.Store(true)
		c.mu.Unlock()
		c.forceClose(ErrOutputFull)
		return ErrOutputFull
	}
	// Before anything is added: what a loop that has quit refuses stays the caller's.
	if err := c.flushLaterLocked(); err != nil {
		c.mu.Unlock()
		return err
	}
	if c.out == nil {
		c.out = takeOutputQueue()
	}
	add(c.out)
	c.weight.Add(int64(weight))
	c.mu.Unlock()
	return nil
}

// flushLaterLocked has the loop flush the connection in its next round of output.
func (c *TcpConnection) flushLaterLocked() error {
	if c.dirty {
		return nil
	}
	err := c.Loop().queueFlush(c)
	c.dirty = err == nil
	return err
}

func (c *TcpConnection) flushLaterInLoop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.flushLaterLocked() // refused only from outside the loop
}

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

// CloseWrite sends a FIN behind the output: the peer sees the end of the stream,
// and may go on sending. The connection closes when the peer's FIN has come too.
// Send is refused from now on. Any goroutine.
func (c *TcpConnection) CloseWrite() { c.endOutput(finWanted) }

// Shutdown closes the connection in good order: output is sent, then a FIN; what
// the peer still sends is read and dropped, lest its answer be a reset that
// destroys our last bytes (RFC 9112 section 9.6); the connection closes when the
// peer's FIN has come. A peer that takes nothing for the linger time, or keeps its
// FIN back for 5 seconds (or the linger time, if shorter), is closed with
// ErrLinger. No Message comes after it. Any goroutine.
func (c *TcpConnection) Shutdown() { c.endOutput(finWanted | discarding) }

func (c *TcpConnection) endOutput(how connFlags) {
	c.mu.Lock()
	c.outClosed.Store(true)
	c.mu.Unlock()
	// Refused only by a loop that has quit.
	_ = c.Loop().RunInLoop(func() { c.endOutputInLoop(how) })
}

func (c *TcpConnection) endOutputInLoop(how connFlags) {
	if c.flags&how == how || c.flags.any(destroying) || c.State() == Disconnected {
		return
	}
	if how&discarding != 0 && c.shakingHands() && !c.tls().endSealed {
		c.closeInLoop(nil) // Shutdown during StartTLS: what waits cannot be sent in any order
		return
	}
	c.flags.set(how)
	if c.flags.any(discarding) {
		c.setState(Disconnecting)
		if !c.flags.any(delivering) {
			c.in.RetrieveAll()
		}
		c.lastActive = c.Loop().Now()
		c.updateReading()
		c.alarm.arm(c)
	}
	c.flushLaterInLoop()
}

func (c *TcpConnection) sendFin() {
	if !c.flags.any(finSent) {
		c.flags.set(finSent)
		if err := shutdownWrite(c.channel.FD()); err != nil {
			c.closeInLoop(err)
			return
		}
		c.lastActive = c.Loop().Now()
		c.alarm.arm(c) // for what is left to wait for, the time may be shorter
	}
	if c.flags.any(peerClosed) {
		c.closeInLoop(nil)
		return
	}
	c.updateReading()
}

// OutputBytes is how much output is not yet with the kernel, in bytes; a file
// that waits counts as 16 KiB, whatever its size. Any goroutine.
func (c *TcpConnection) OutputBytes() int { return int(c.weight.Load()) }

// PendingOutput reports whether any output is not yet with the kernel. Any
// goroutine.
func (c *TcpConnection) PendingOutput() bool { return c.OutputBytes() > 0 }
