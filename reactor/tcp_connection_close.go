package reactor

// How a connection ends: in good order, at once, and what is done at the very end.

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
	if c.flags.any(peerClosed) {
		c.closeInLoop(nil) // close(2) sends it
		return
	}
	if !c.flags.any(finSent) {
		c.flags.set(finSent)
		if err := shutdownWrite(c.channel.FD()); err != nil {
			c.closeInLoop(err)
			return
		}
		c.lastActive = c.Loop().Now()
		c.alarm.arm(c) // for what is left to wait for, the time may be shorter
	}
	c.updateReading()
}

// ForceClose drops the output that is not sent and closes the connection. The
// Connection callback still comes, from the loop, after this returns. Any
// goroutine.
func (c *TcpConnection) ForceClose() { c.forceClose(nil) }

// Leave closes a connection that has no output waiting at once, and waits for nothing
// of the peer, which over TLS is told that the stream ends here (close_notify) where
// ForceClose would leave it to guess. Loop goroutine only.
func (c *TcpConnection) Leave() {
	if t := c.tls(); t != nil && !c.PendingOutput() && t.sealEnd() {
		_, _ = t.writeSealed() // if the kernel takes it
	}
	c.closeInLoop(nil)
}

func (c *TcpConnection) forceClose(err error) {
	// Refused only by a loop that has quit, which closed its connections.
	_ = c.Loop().RunInLoop(func() { c.closeInLoop(err) })
}

// closeInLoop begins the end: no callback but the last runs after it. Destruction
// itself is queued, so that events of this batch that are still to be handled
// find an object that is whole.
func (c *TcpConnection) closeInLoop(err error) {
	if c.flags.any(destroying) || c.State() == Disconnected {
		return
	}
	c.flags.set(destroying)
	c.setErr(err)
	c.mu.Lock()
	c.outClosed.Store(true)
	c.mu.Unlock()
	c.setState(Disconnecting)
	// The fd is about to be removed and closed: what cannot be disabled now is
	// ignored until then.
	_ = c.channel.DisableAll()
	c.Loop().destroyLater(c)
}

func (c *TcpConnection) destroyInLoop() {
	c.alarm.stop(c.Loop())
	c.discardOutput()
	if !c.flags.any(delivering) {
		c.in.RetrieveAll()
	}
	c.setState(Disconnected)
	c.channel.removeClosing()
	if t := c.tls(); t != nil {
		t.close()
	}
	if c.flags.any(announced) && c.cb.Connection != nil {
		c.cb.Connection(c)
	}
	c.Loop().abandon(c)
	c.endUnannounced()
}

// endUnannounced closes the fd and tells the owner.
func (c *TcpConnection) endUnannounced() {
	c.mu.Lock()
	c.outClosed.Store(true)
	c.mu.Unlock()
	c.setState(Disconnected)
	_ = c.Socket().Close()
	c.channel.fd = -1
	c.shared.gone(c)
}
