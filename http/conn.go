package http

import (
	"errors"

	"github.com/carillon-go/carillon/reactor"
)

// conn is the HTTP side of a connection: which part of which request is awaited. It lives as the context of its
// TcpConnection until that is gone or another protocol takes it over. It is small, because idle connections are many:
// whatever only a request needs is the worker's, or an inbound. Loop goroutine only.
//
// Requests are answered strictly one after the other. Of a request that is whole, the handler runs within the Message
// callback; the answers of all requests of one read leave in one write, because Send gathers. When a client does not take
// its answers, or a file is on its way, no more requests are parsed and the socket is not read, until all output is out.
type conn struct {
	tcp    *reactor.TcpConnection
	worker *worker
	body   *inbound // of a request whose head is known and whose body is awaited
	head   progress
	flags  connFlags
}

type connFlags uint8

const (
	receivingHead connFlags = 1 << iota // the first bytes of a head have come
	sendingFile                         // until all output is out
	paused                              // reading has stopped and input may be waiting
	draining                            // the server shuts down: the next answer is the last
	finished                            // the last answer is out, or on its way: input is ignored
	detached                            // another protocol has the connection
)

func (c *conn) has(f connFlags) bool { return c.flags&f != 0 }
func (c *conn) set(f connFlags)      { c.flags |= f }
func (c *conn) clear(f connFlags)    { c.flags &^= f }

// outputBound is how much unsent output, in bytes, keeps a connection's next request from being parsed.
const outputBound = 64 << 10

func (c *conn) congested() bool {
	return c.tcp.OutputBytes() >= outputBound || c.has(sendingFile) && c.tcp.PendingOutput()
}

// serve takes requests from the front of in for as long as there are whole ones.
func (c *conn) serve(in *reactor.Buffer) {
	if c.has(detached) { // by an upgrade that set no callbacks
		c.worker.server.logger().Error("http: an upgraded connection has no callbacks of its own", "connection", c.tcp.Name())
		c.tcp.ForceClose()
		return
	}
	for in.Len() > 0 && !c.has(finished) {
		if c.congested() {
			c.set(paused)
			c.tcp.StopRead()
			return
		}
		var more bool
		if c.body != nil {
			more = c.readBody(in)
		} else {
			more = c.readHead(in)
		}
		if !more {
			return
		}
	}
}

// readHead parses a head and, when its body is there as well, handles the request. It says whether to go on.
func (c *conn) readHead(in *reactor.Buffer) bool {
	w, b := c.worker, in.Peek()
	n, err := c.head.parse(b, &w.limits, &w.head)
	if err != nil {
		return c.refuse(err)
	}
	if n == 0 {
		if !c.has(receivingHead) {
			c.set(receivingHead)
			c.tcp.SetDeadline(after(w.loop.Now(), w.times.header))
		}
		return false
	}
	if c.has(receivingHead) {
		c.clear(receivingHead)
		c.rest()
	}
	h := &w.head
	if h.length > w.limits.MaxBody {
		return c.refuse(errBodyTooBig)
	}
	if whole := n + int(h.length); !h.chunked && whole <= len(b) {
		w.ctx.begin(c, b[:n], h, b[n:whole])
		return c.handle(in, whole)
	}
	c.awaitBody(in, b[:n], h)
	return true
}

// awaitBody begins to gather a body.
func (c *conn) awaitBody(in *reactor.Buffer, raw []byte, h *head) {
	c.body = c.worker.take()
	c.body.start(raw, h)
	in.Retrieve(len(raw))
	if h.expect && in.Len() == 0 { // RFC 9110 section 10.1.1: not when the body is on its way already
		_ = c.tcp.Send(continueLine)
	}
	c.startBodyClock()
}

func (c *conn) startBodyClock() {
	now := c.worker.loop.Now()
	c.body.began, c.body.counted = now, 0
	c.tcp.SetDeadline(c.worker.times.bodyDeadline(now, now, 0))
}

// readBody gathers more of a body and, when it is whole, handles the request. It says whether to go on.
func (c *conn) readBody(in *reactor.Buffer) bool {
	w, body := c.worker, c.body
	before := in.Len()
	done, err := body.feed(in, w)
	if err != nil {
		return c.refuse(err)
	}
	if !done {
		c.tcp.SetDeadline(w.times.bodyDeadline(w.loop.Now(), body.began, body.counted))
		return in.Len() > 0 && in.Len() < before
	}
	c.rest()
	w.ctx.begin(c, body.raw, &body.head, body.data)
	if body.head.chunked {
		w.ctx.tail, w.ctx.tailRaw = &body.tail, body.tailRaw
	}
	return c.handle(in, 0)
}

// handle answers the request of the worker's Ctx, which takes up n bytes of in, and says whether to go on.
func (c *conn) handle(in *reactor.Buffer, n int) bool {
	ctx := &c.worker.ctx
	c.worker.handle()
	last, upgrade := ctx.close, ctx.upgrade
	ctx.end()
	c.dropBody()
	in.Retrieve(n)
	switch {
	case upgrade != nil && !last: // last: the server shuts down
		c.detach(upgrade)
		return false
	case last:
		c.finish()
		return false
	}
	return true
}

// refuse answers what cannot be a request, or not one for us, and closes: where the next one begins is unknown. The peer
// can read the answer, because Shutdown drops what it still sends until it has closed as well.
func (c *conn) refuse(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = errRequestLine
	}
	w := c.worker
	w.reportRefusal(c.tcp, e)
	w.head.reset()
	w.ctx.begin(c, nil, &w.head, nil)
	w.ctx.close = true
	w.writeError(&w.ctx, e.Code, e.Detail)
	w.ctx.end()
	c.finish()
	return false
}

// finish closes the connection behind the answers that it has been given.
func (c *conn) finish() {
	c.set(finished)
	c.dropBody()
	c.tcp.SetDeadline(0) // from here on the linger time rules
	c.tcp.Shutdown()
}

// detach gives the connection to another protocol.
func (c *conn) detach(to func(*reactor.TcpConnection)) {
	c.set(detached)
	c.tcp.SetDeadline(0)
	defer func() {
		if v := recover(); v != nil {
			c.worker.server.logger().Error("http: panic in an upgrade", "panic", v)
			c.tcp.ForceClose()
		}
	}()
	to(c.tcp)
}

func (c *conn) dropBody() {
	if c.body != nil {
		c.worker.give(c.body)
		c.body = nil
	}
}

// rest sets the deadline of a connection that is between requests.
func (c *conn) rest() {
	c.tcp.SetDeadline(after(c.worker.loop.Now(), c.worker.times.tick))
}
