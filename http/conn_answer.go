package http

import (
	"errors"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// What a connection does behind a request: it hands it to its handler, takes it back, sends the answer, and goes on to the
// next or ends. Loop goroutine only.

// dispatch has the connection's own exchange handled, where its route says, and says whether to go on.
func (c *conn) dispatch(x *exchange) bool {
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
	endless := x.torn && x.http10 && x.length < 0
	if endless && !x.partly { // nothing of it needs to go out, so no reset can take the answers in front of it along
		x.dropAnswer()
		endless = false
	}
	if x != c.worker.scratch || last || upgrade != nil {
		_ = x.deliver(nil)
	}
	if x.hasFile {
		c.set(sendingFile)
	}
	switch unread := x.body.pipe != nil && !x.body.in.whole; {
	case unread && c.has(peerDone):
		last = true // the rest never comes
	case unread && !last:
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
	c.retire()
	return true
}

// retire is for a request that was at work when the server retired. What has begun to answer it then, such as a list that is
// sent as it is made, has not said that it is the last.
func (c *conn) retire() {
	if c.has(retiring) {
		c.clear(retiring)
		c.drain()
	}
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
	w.reportRefusal(c, e)
	x.body.set(nil)
	x.close = true
	w.withCtx(x, func(ctx *Ctx) { w.server.writeError(ctx, e) })
	x.close = true
	return c.answered(x)
}

// refuseBody answers a request whose body is not wanted or not sound: by the route's middleware, which may have something else
// to say, as that nobody may do this without a key. The connection closes behind it.
func (c *conn) refuseBody(in *reactor.Buffer, x *exchange, err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || x.route.refuse == nil {
		return c.refuseRequest(x, err)
	}
	x.refused = e
	x.body.set(nil)
	c.set(ending)
	if c.x == nil {
		x.keep()
		c.own(x)
	}
	in.RetrieveAll() // nothing behind it can be a request
	return c.dispatch(x)
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

// resetPause is how long a connection that is to be reset waits for the client's kernel before it looks again.
const resetPause = 20 * time.Millisecond

// reset ends a connection whose last answer is a part of one, and whose end would be that of the answer: no client takes a
// reset for that. It takes along what is still on its way, which may be answers to earlier requests; so it waits for that, as
// long as a client may take for its answers.
func (c *conn) reset() {
	c.set(finished | resetting)
	now, write := c.worker.loop.Now(), c.worker.times.write
	if late := write > 0 && c.tcp.LastActive()+write <= now; !late {
		if c.tcp.PendingOutput() {
			c.rest()
			return
		}
		if n, err := c.tcp.Socket().Unacknowledged(); err == nil && n > 0 {
			c.tcp.SetDeadline(now + resetPause)
			return
		}
	}
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
