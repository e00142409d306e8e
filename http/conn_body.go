package http

import "github.com/carillon-go/carillon/reactor"

// How a connection receives the body of a request: gathered in front of the handler, read by it meanwhile, or skipped behind
// it. Loop goroutine only, where nothing else is said.

// awaitBody begins to receive a body: for the handler that reads it meanwhile, or to gather it.
func (c *conn) awaitBody(in *reactor.Buffer, x *exchange, n int) bool {
	x.keep()
	c.own(x)
	in.Retrieve(n)
	x.body.in.start(&x.head, &c.worker.limits, x.limit)
	asks := x.head.expect && in.Len() == 0 // RFC 9110 section 10.1.1: not when the body is on its way already
	if x.route.stream || asks && !x.route.inline {
		left := x.head.length
		if x.head.chunked {
			left = -1
		}
		x.body.pipe = newPipe(c.worker.loop, left, func() { _ = c.worker.loop.QueueInLoop(func() { c.resumeBody(x) }) })
		if asks {
			x.body.pipe.first = func(late bool) { c.askForBody(x, late) }
		}
		c.startBodyClock()
		if x.route.inline {
			return c.dispatch(x)
		}
		c.offload(x)
		return true
	}
	if asks {
		_ = c.tcp.Send(continueLine)
	}
	c.startBodyClock()
	return true
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// askForBody is called by the goroutine that reads a body when the client has not begun to send it; late says that there is
// an answer already, in front of which no other can go.
func (c *conn) askForBody(x *exchange, late bool) {
	if !late {
		_ = c.tcp.Send(continueLine)
	}
	_ = c.worker.loop.QueueInLoop(func() {
		if c.x == x && !c.has(lost) {
			c.startBodyClock()
		}
	})
}

func (c *conn) startBodyClock() {
	now, in := c.worker.loop.Now(), &c.x.body.in
	in.began, in.counted = now, 0
	c.tcp.SetDeadline(c.worker.times.bodyDeadline(now, now, 0))
}

// touchBodyClock moves the deadline of a body of which more has come.
func (c *conn) touchBodyClock() {
	in := &c.x.body.in
	c.tcp.SetDeadline(c.worker.times.bodyDeadline(c.worker.loop.Now(), in.began, in.counted))
}

// gather takes more of a body and, when it is whole, handles the request.
func (c *conn) gather(in *reactor.Buffer) bool {
	x := c.x
	n, err := x.receive(in.Peek())
	in.Retrieve(n)
	switch {
	case err != nil:
		return c.refuseBody(in, x, err)
	case !x.body.whole:
		c.touchBodyClock()
		return n > 0
	}
	c.rest()
	return c.dispatch(x)
}

// feed takes what comes while the handler runs: more of the body that it reads, or requests behind it.
func (c *conn) feed(in *reactor.Buffer) bool {
	x := c.x
	if x.body.pipe == nil || x.body.in.whole {
		if in.Len() > aheadBound {
			c.stop()
		}
		return false
	}
	n, err := x.receive(in.Peek())
	in.Retrieve(n)
	switch {
	case err != nil: // the handler hears of it; nothing behind it can be a request
		x.body.in.whole = true
		c.set(ending)
		in.RetrieveAll()
		c.rest()
		return false
	case x.body.in.whole:
		c.rest()
	case n == 0 && x.body.pipe.full():
		c.stop()
		return false
	default:
		c.touchBodyClock()
	}
	return n > 0
}

// resumeBody goes on with a body when its reader has made room.
func (c *conn) resumeBody(x *exchange) {
	if c.x == x && !c.has(lost) {
		c.startBodyClock() // the client could not send meanwhile
		c.resume()
	}
}

// skip drops what is left of a body that its handler has not read.
func (c *conn) skip(in *reactor.Buffer) bool {
	x := c.x
	n, err := x.skip(in.Peek())
	in.Retrieve(n)
	x.body.in.drained += int64(n) // counted starts anew with the clock
	switch {
	case err != nil, x.body.in.drained > drainBound:
		c.finish()
		return false
	case x.body.in.whole:
		c.clear(skipping)
		c.release()
		c.rest()
		c.retire()
	default:
		c.touchBodyClock()
	}
	return n > 0
}
