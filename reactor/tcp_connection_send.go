package reactor

import (
	"errors"
)

// The outside of a connection's output: what any goroutine may call.

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
	if p = p[c.writeNow(p):]; len(p) == 0 {
		return nil
	}
	return c.Send(p)
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

// OutputBytes is how much output is not yet with the kernel, in bytes; a file
// that waits counts as 16 KiB, whatever its size. Over TLS, what is encrypted
// already (64 KiB at most) counts as the records that it is. Any goroutine.
func (c *TcpConnection) OutputBytes() int { return int(c.weight.Load()) }

// PendingOutput reports whether any output is not yet with the kernel. Any
// goroutine.
func (c *TcpConnection) PendingOutput() bool { return c.OutputBytes() > 0 }
