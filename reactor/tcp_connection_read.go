package reactor

import "golang.org/x/sys/unix"

// The read path of TcpConnection: from the socket, through TLS where there is one, to
// the Message callback, and what pauses it.

// readBudget is how many reads one connection gets in one turn of the loop.
const readBudget = 16

// HandleRead implements EventHandler: read, deliver, and again while the kernel
// has more, within the budget. Output above the high-water mark is flushed first,
// and then either is below it, or pauses reading.
func (c *TcpConnection) HandleRead() {
	for range readBudget {
		if !c.channel.Reading() || c.pausesFor(c.OutputBytes()) {
			return
		}
		n, short, err := c.received().ReadFD(c.channel.FD(), c.Loop().extra)
		switch {
		case err == unix.EAGAIN && c.flags.any(outputLost):
			c.closeInLoop(nil)
			return
		case err == unix.EAGAIN:
			c.channel.blocked(EventRead | EventUrgent) // the mark was passed as well
			return
		case err != nil:
			c.closeInLoop(err)
			return
		case n == 0:
			c.channel.drained(EventRead)
			c.finReceived()
			return
		}
		drained := short && c.shortMeansDrained()
		if drained {
			c.channel.drained(EventRead)
		}
		if t := c.tls(); t != nil {
			t.open()
		} else {
			c.active()
			c.deliver()
		}
		if drained {
			return
		}
	}
}

// active notes that bytes have come, but not those that are dropped.
func (c *TcpConnection) active() {
	if !c.flags.any(discarding) {
		c.lastActive = c.Loop().Now()
	}
}

// received is what the socket is read into.
func (c *TcpConnection) received() *Buffer {
	if t := c.tls(); t != nil {
		return &t.raw
	}
	return &c.in
}

// finReceived handles the peer's FIN. TLS has an end of its own in front of it.
func (c *TcpConnection) finReceived() {
	if t := c.tls(); t != nil && !c.flags.any(discarding|outputLost) {
		t.fin = true
		t.open()
		return
	}
	c.peerClosedInLoop()
}

// shortMeansDrained reports whether a read that was not filled took all there was,
// so that the next edge announces what follows. Not after a hang-up: no edge will
// announce the end of the stream. Not where a read stops at a mark: at urgent data,
// and on a Unix socket behind a message that carries rights.
func (c *TcpConnection) shortMeansDrained() bool {
	return c.channel.ready&(EventHangup|EventError|EventUrgent) == 0 &&
		!c.peer.IsUnix() && !c.flags.any(outputLost)
}

// deliver hands the input to the Message callback, and to its successor when the
// callback switched protocols and left bytes.
func (c *TcpConnection) deliver() {
	c.flags.set(delivering)
	c.Loop().gatherFor(c)
	for !c.flags.any(discarding|destroying) && c.in.Len() > 0 {
		cb := c.cb
		if cb.Message == nil {
			c.in.RetrieveAll()
			break
		}
		cb.Message(c, &c.in)
		if cb == c.cb {
			break
		}
	}
	c.flags.clear(delivering)
	if c.flags.any(discarding | destroying) {
		c.in.RetrieveAll()
	}
	c.in.Own()
	c.writeGathered()
}

// peerClosedInLoop handles the end of the peer's stream: an event, not a close.
func (c *TcpConnection) peerClosedInLoop() {
	c.flags.set(peerClosed)
	c.updateReading()
	switch {
	case c.flags.any(finSent | outputLost):
		c.closeInLoop(nil)
	case c.flags.any(discarding):
		// The rest of the output goes out first.
	case c.cb.HalfClose != nil:
		c.cb.HalfClose(c)
	default:
		c.Shutdown()
	}
}

// HandleError implements EventHandler: output is lost; what the peer sent before
// the error is still read.
func (c *TcpConnection) HandleError() {
	c.channel.ready &^= EventError
	if err := c.Socket().TakeError(); err != nil {
		c.loseOutput(err)
	}
}

// HandleClose implements EventHandler: the peer is gone while reading is paused.
// Its bytes may still be read when reading resumes, and lead to the end of the
// stream; until then there is nothing to do.
func (c *TcpConnection) HandleClose() {}

// StopRead pauses reading: what the peer sends stays in the kernel, which slows
// the peer down. Loop goroutine only.
func (c *TcpConnection) StopRead() {
	c.flags.set(pausedByUser)
	c.updateReading()
}

// StartRead resumes it; what came meanwhile is delivered in the next iteration.
// Loop goroutine only.
func (c *TcpConnection) StartRead() {
	c.flags.clear(pausedByUser)
	c.updateReading()
}

// SetHighWaterPause says whether reading pauses while output is above the high-water
// mark, which is the default. A relay switches it off, since what fills a
// connection's output there is not its own input but that of another, which HighWater
// pauses instead: two sides that each wait until the other reads would wait for good.
// Loop goroutine only.
func (c *TcpConnection) SetHighWaterPause(on bool) {
	if on {
		c.flags.clear(readsWhenFull)
	} else {
		c.flags.set(readsWhenFull)
	}
	c.updateReading()
}

// pausesFor reports whether so much output keeps the connection from reading.
func (c *TcpConnection) pausesFor(pending int) bool {
	return pending > c.shared.marks.high && !c.flags.any(readsWhenFull) && !c.shakingHands()
}

// updateReading makes the channel's interest follow the reasons not to read. From
// Shutdown until the FIN is out nothing is read: the peer is slowed down rather
// than drained.
func (c *TcpConnection) updateReading() {
	reasons := pausedByUser | pausedByOutput | pausedByTLS | peerClosed | destroying
	if c.flags.any(readsWhenFull) || c.shakingHands() {
		reasons &^= pausedByOutput
	}
	wanted := !c.flags.any(reasons)
	if c.flags.any(discarding) {
		wanted = c.flags.any(finSent) && !c.flags.any(peerClosed|destroying)
	}
	var err error
	if wanted {
		err = c.channel.EnableReading()
	} else {
		err = c.channel.DisableReading()
	}
	if err != nil {
		c.closeInLoop(err)
		return
	}
	if t := c.tls(); wanted && t != nil {
		t.resume()
	}
}
