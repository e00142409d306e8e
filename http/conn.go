package http

import "github.com/carillon-go/carillon/reactor"

// conn is the HTTP side of a connection: which part of which request is awaited. It lives as the context of its
// TcpConnection until that is gone or another protocol takes it over. It is small, because idle connections are many:
// whatever only a request needs is the worker's, or an exchange. Loop goroutine only.
//
// Requests are answered strictly one after the other. Where the handler runs on the loop it does so within the Message
// callback, and the answers of all requests of one read leave in one write, because Send gathers. Where it runs on a
// goroutine, bytes of the requests behind it wait, a few in the input and the rest in the kernel. So they do when a client
// does not take its answers, or a file is on its way.
type conn struct {
	tcp *reactor.TcpConnection
	*place
	x     *exchange // of a request whose body is awaited, or whose handler is at work
	head  progress
	flags connFlags
}

// place is what the connections of one loop to one local address share. It does not change.
type place struct {
	worker *worker
	local  reactor.InetAddress
	remote reactor.InetAddress // whom a preface has named; a place of that connection alone
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
	resetting                           // it is reset once the client has what was answered
	retiring                            // the server retires, and looks again behind the request that is at work
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
		_ = c.tcp.Send(x.takeBuf()) // to a connection that is gone: nobody to tell
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
	x.setRoute(w.server.route(x))
	if x.head.length > x.limit {
		return c.refuseBody(in, x, errBodyTooBig)
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
	if c.has(lost) { // the handler has closed the connection
		x.room.lost()
		x.ticket.end(ErrClientGone)
	}
	x.async.park()
}

// own makes x, until now the loop's scratch, the connection's, which keeps it over more than one read.
func (c *conn) own(x *exchange) {
	c.flush()
	c.x = x
	c.worker.scratch = c.worker.take()
}

// resume goes on behind what kept the connection from being read.
func (c *conn) resume() {
	if c.has(stopped) {
		c.clear(stopped)
		c.tcp.StartRead() // ahead of what may stop it again; it delivers nothing before this returns
	}
	c.serve(c.tcp.Input())
}

// rest sets the deadline of a connection that awaits nothing of its client, or a request.
func (c *conn) rest() {
	c.tcp.SetDeadline(after(c.worker.loop.Now(), c.worker.times.tick))
}
