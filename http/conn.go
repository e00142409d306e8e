package http

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// conn is the HTTP side of a connection: which part of which request is awaited. It lives as the context of its
// TcpConnection until that is gone or another protocol takes it over. It is small, because idle connections are many:
// whatever only a request needs is the worker's, or an exchange. Loop goroutine only.
//
// Requests are answered strictly one after the other. Where the handler runs on the loop it does so within the Message
// callback, and the answers of all requests of one read leave in one write, because Send gathers. Where it runs on a
// goroutine, bytes of the requests behind it wait, a few in the input and the rest in the kernel. So they do when a client
// does not take its answers, or a file is on its way.
type conn struct {
	tcp    *reactor.TcpConnection
	worker *worker
	x      *exchange // of a request whose body is awaited, or whose handler is at work
	head   progress
	flags  connFlags
}

type connFlags uint16

const (
	receivingHead connFlags = 1 << iota // the first bytes of a head have come
	sendingFile                         // until all output is out
	stopped                             // the socket is not read, and input may be waiting
	ending                              // the next answer is the last
	finished                            // the last answer is out, or on its way: input is ignored
	detached                            // another protocol has the connection
	running                             // x is with its handler
	skipping                            // x is answered, and what is left of its body is dropped
	peerDone                            // the client sends no more
	lost                                // the connection is gone
)

func (c *conn) has(f connFlags) bool { return c.flags&f != 0 }
func (c *conn) set(f connFlags)      { c.flags |= f }
func (c *conn) clear(f connFlags)    { c.flags &^= f }

const (
	// outputBound is how much unsent output, in bytes, keeps a connection's next request from being parsed.
	outputBound = 64 << 10
	// aheadBound is how many bytes behind a request whose handler runs are read.
	aheadBound = 16 << 10
)

func (c *conn) congested() bool {
	return c.tcp.OutputBytes()+len(c.worker.scratch.buf) >= outputBound || c.has(sendingFile) && c.tcp.PendingOutput()
}

// serve takes what can be taken from the front of in.
func (c *conn) serve(in *reactor.Buffer) {
	if c.has(detached) { // by an upgrade that set no callbacks
		c.worker.server.logger().Error("http: an upgraded connection has no callbacks of its own", "connection", c.tcp.Name())
		c.tcp.ForceClose()
		return
	}
	for in.Len() > 0 && !c.has(finished) {
		if !c.step(in) {
			break
		}
	}
	c.flush()
	if c.has(peerDone) && !c.has(finished|detached|stopped) {
		c.endInput()
	}
}

// endInput is called when the client sends no more and what it has sent is used up: what is unfinished now will never be
// whole. A handler at work has its say.
func (c *conn) endInput() {
	if !c.has(running) {
		c.finish()
		return
	}
	if p := c.x.body.pipe; p != nil && !c.x.body.in.whole {
		p.finish(ErrClientGone)
	}
}

// step takes one part of a request, and says whether to go on.
func (c *conn) step(in *reactor.Buffer) bool {
	switch {
	case c.has(running):
		return c.feed(in)
	case c.congested():
		c.stop()
		return false
	case c.has(skipping):
		return c.skip(in)
	case c.x != nil:
		return c.gather(in)
	}
	return c.readHead(in)
}

// flush sends the answers that have been gathered in the loop's scratch.
func (c *conn) flush() {
	if x := c.worker.scratch; len(x.buf) > 0 {
		_ = c.tcp.Send(x.buf) // to a connection that is gone: nobody to tell
		x.buf = kept(x.buf)
	}
}

// stop leaves the socket alone until written or complete go on.
func (c *conn) stop() {
	if !c.has(stopped) {
		c.set(stopped)
		c.tcp.StopRead()
	}
}

// readHead parses a head and, when its body need not be awaited, handles the request.
func (c *conn) readHead(in *reactor.Buffer) bool {
	w, b := c.worker, in.Peek()
	x := w.scratch
	n, err := c.head.parse(b, &w.limits, &x.head)
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
	x.begin(c, nil, b[:n])
	x.setRoute(w.server.find(x))
	if x.head.length > x.limit {
		return c.refuseRequest(x, errBodyTooBig)
	}
	if x.head.chunked || x.head.length > int64(len(b)-n) {
		return c.awaitBody(in, x, n)
	}
	whole := n + int(x.head.length)
	x.body.set(b[n:whole])
	if x.route.inline {
		c.worker.handle(x)
		if x.async == nil {
			in.Retrieve(whole)
			return c.answered(x)
		}
	}
	x.keep()
	x.body.kept = append(x.body.kept[:0], x.body.data...)
	x.body.set(x.body.kept)
	c.own(x)
	in.Retrieve(whole)
	if x.async != nil {
		c.await(x)
	} else {
		c.offload(x)
	}
	return true
}

// await leaves a request whose handler has returned to whom it has asked to answer.
func (c *conn) await(x *exchange) {
	c.set(running)
	x.lent, x.onLoop = true, false
	x.async.park()
}

// own makes x, until now the loop's scratch, the connection's, which keeps it over more than one read.
func (c *conn) own(x *exchange) {
	c.flush()
	c.x = x
	c.worker.scratch = c.worker.take()
}

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
		return c.refuseRequest(x, err)
	case !x.body.whole:
		c.touchBodyClock()
		return n > 0
	}
	c.rest()
	if !x.route.inline {
		c.offload(x)
		return true
	}
	c.worker.handle(x)
	if x.async != nil {
		c.await(x)
		return true
	}
	return c.answered(x)
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
	switch {
	case err != nil, x.body.in.counted > drainBound:
		c.finish()
		return false
	case x.body.in.whole:
		c.clear(skipping)
		c.release()
		c.rest()
	default:
		c.touchBodyClock()
	}
	return n > 0
}

// offload starts the handler on a goroutine.
func (c *conn) offload(x *exchange) {
	c.set(running)
	x.lent = true
	x.bind(new(Ctx), false)
	c.worker.giveToHand(x)
}

// complete takes an exchange back from the goroutine that its handler ran on, or from whoever has answered for it.
func (c *conn) complete(x *exchange) {
	c.clear(running)
	c.worker.takeHand(x)
	if x.body.pipe != nil {
		x.body.pipe.drop()
	}
	if c.has(lost | detached) {
		c.release()
		return
	}
	if c.answered(x) {
		c.resume()
	}
}

// answered sends the answer of x and says whether the connection goes on.
func (c *conn) answered(x *exchange) bool {
	last, upgrade := x.close || c.has(ending), x.upgrade
	if x != c.worker.scratch || last || upgrade != nil {
		_ = x.deliver(nil)
	}
	if x.hasFile {
		c.set(sendingFile)
	}
	endless := x.torn && x.http10 && x.length < 0
	switch unread := x.body.pipe != nil && !x.body.in.whole; {
	case unread && c.has(peerDone):
		last = true // the rest never comes
	case unread && !last:
		x.body.in.counted = 0
		c.set(skipping)
		c.startBodyClock()
		return true
	}
	c.endExchange(x)
	switch {
	case endless:
		c.reset()
		return false
	case last: // the server shuts down: no upgrade any more
		c.finish()
		return false
	case upgrade != nil:
		c.detach(upgrade)
		return false
	}
	return true
}

// endExchange lets the next request have x.
func (c *conn) endExchange(x *exchange) {
	if x == c.x {
		c.release()
		return
	}
	x.end()
}

// release gives the connection's exchange back.
func (c *conn) release() {
	if c.x != nil {
		c.worker.give(c.x)
		c.x = nil
	}
}

// resume goes on behind what kept the connection from being read.
func (c *conn) resume() {
	if c.has(stopped) {
		c.clear(stopped)
		c.tcp.StartRead() // ahead of what may stop it again; it delivers nothing before this returns
	}
	c.serve(c.tcp.Input())
}

// refuse answers what cannot be a request, and closes: where the next one begins is unknown. The peer can read the answer,
// because Shutdown drops what it still sends until it has closed as well.
func (c *conn) refuse(err error) bool {
	w := c.worker
	x := w.scratch
	x.head.reset()
	x.begin(c, nil, nil)
	x.setRoute(&unrouted)
	return c.refuseRequest(x, err)
}

// refuseRequest does the same for a request that is known but whose body is not wanted, or not sound.
func (c *conn) refuseRequest(x *exchange, err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = errRequestLine
	}
	w := c.worker
	w.reportRefusal(c.tcp, e)
	x.body.set(nil)
	x.close = true
	w.withCtx(x, func(ctx *Ctx) { w.server.writeError(ctx, e) })
	x.close = true
	return c.answered(x)
}

// finish closes the connection behind the answers that it has been given.
func (c *conn) finish() {
	c.set(finished)
	if !c.has(running) {
		c.release()
	}
	c.rest() // the linger time rules from here on, but that a client may be too slow
	c.tcp.Shutdown()
}

// reset ends a connection whose last answer is a part of one, and whose end would be that of the answer: no client takes a
// reset for that.
func (c *conn) reset() {
	_ = unix.SetsockoptLinger(c.tcp.Socket().FD(), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	c.cut()
}

// detach gives the connection to another protocol.
func (c *conn) detach(to func(*reactor.TcpConnection)) {
	c.set(detached)
	c.worker.forgetSlow(c)
	c.tcp.SetDeadline(0)
	if c.has(stopped) {
		c.clear(stopped)
		c.tcp.StartRead()
	}
	defer func() {
		if v := recover(); v != nil {
			c.worker.server.logger().Error("http: panic in an upgrade", "panic", v)
			c.tcp.ForceClose()
		}
	}()
	to(c.tcp)
}

// rest sets the deadline of a connection that awaits nothing of its client, or a request.
func (c *conn) rest() {
	c.tcp.SetDeadline(after(c.worker.loop.Now(), c.worker.times.tick))
}

// local asks for the local address, from the loop or from the goroutine of x's handler.
func (c *conn) local(x *exchange) reactor.InetAddress {
	if x.onLoop {
		return c.tcp.LocalAddr()
	}
	answer := make(chan reactor.InetAddress, 1)
	if c.worker.loop.QueueInLoop(func() { answer <- c.tcp.LocalAddr() }) != nil {
		return reactor.InetAddress{}
	}
	return <-answer
}
