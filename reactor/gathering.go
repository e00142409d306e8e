package reactor

// gathering is what a connection sends from within its own Message callback: it is
// put into memory of the loop, and written when the callback returns. Nearly all
// answers leave this way, and need no lock, no queue and no second visit. Whatever
// does not fit in here goes through the queues, behind what was gathered.
type gathering struct {
	conn *TcpConnection // whose callback runs; nil: nothing is gathered
	buf  []byte
}

// keptGathering is how many bytes of memory are kept from one callback to the next.
const keptGathering = directSize

// gatherFor has what c sends gathered, where nothing is in front of it.
func (l *EventLoop) gatherFor(c *TcpConnection) {
	if l.gathering.conn == nil && !c.PendingOutput() && !c.channel.Writing() && c.tls() == nil {
		l.gathering.conn = c
	}
}

// gathers reports whether n bytes that are sent now are to be gathered. Not if there
// is other output: another goroutine has sent, and that comes first.
func (c *TcpConnection) gathers(n int) bool {
	l := c.Loop()
	if !l.IsInLoopThread() || l.gathering.conn != c {
		return false
	}
	had := len(l.gathering.buf)
	return had+n <= min(keptGathering, c.shared.marks.hard) && c.OutputBytes() == had
}

// gather is Send where gathers says so.
func (c *TcpConnection) gather(pieces ...[]byte) error {
	if c.outClosed.Load() {
		return ErrClosed
	}
	g := &c.Loop().gathering
	had := len(g.buf)
	for _, p := range pieces {
		g.buf = append(g.buf, p...)
	}
	c.weight.Add(int64(len(g.buf) - had))
	return nil
}

// stopGathering puts what was gathered in front of what is about to be queued. Any
// goroutine may call it; it does nothing but on the loop's.
func (c *TcpConnection) stopGathering() {
	l := c.Loop()
	if l.IsInLoopThread() && l.gathering.conn == c {
		l.gathering.conn = nil
		c.queueGathered(0)
	}
}

// queueGathered queues what was gathered but for its first sent bytes.
func (c *TcpConnection) queueGathered(sent int) {
	g := &c.Loop().gathering
	if rest := g.buf[sent:]; len(rest) > 0 {
		if c.sending == nil {
			c.sending = takeOutputQueue()
		}
		c.sending.appendBytes(rest)
		c.flags.set(unreported)
		c.flushLaterInLoop()
	}
	g.buf = g.buf[:0]
}

// writeGathered writes what the callback that has just returned has sent.
func (c *TcpConnection) writeGathered() {
	g := &c.Loop().gathering
	if g.conn != c {
		return
	}
	g.conn = nil
	if len(g.buf) == 0 {
		return
	}
	if c.flags.any(destroying) {
		g.buf = g.buf[:0] // dropped, like all output of a connection that is closed by force
		return
	}
	n := c.writeNow(g.buf)
	c.weight.Add(int64(-n))
	if n < len(g.buf) {
		c.queueGathered(n)
		return
	}
	g.buf = g.buf[:0]
	if c.cb.WriteComplete != nil && !c.flags.any(finWanted) && !c.PendingOutput() {
		c.cb.WriteComplete(c)
	}
}
