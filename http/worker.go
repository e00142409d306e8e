package http

import (
	"context"
	"fmt"
	"log/slog"
	nethttp "net/http"
	"runtime/debug"

	"github.com/carillon-go/carillon/reactor"
)

// worker is what the connections of one loop share. One exists for each loop of a server, for as long as the server runs;
// only the loop's goroutine touches it.
type worker struct {
	server     *Server
	loop       *reactor.EventLoop
	limits     Limits
	times      timeouts
	scratch    *exchange // of the request that is being read; where its handler runs on the loop, its whole life
	ctx        *Ctx      // of the handlers that run on the loop
	date       dateLine
	serverLine []byte
	spare      []*exchange
	hands      hands
	slow       map[*conn]slowReader
	places     map[reactor.InetAddress]*place
}

func newWorker(s *Server, loop *reactor.EventLoop) *worker {
	w := &worker{server: s, loop: loop, limits: s.Limits.filled(), times: s.timeouts(), ctx: new(Ctx)}
	w.scratch = newExchange(s, w)
	if s.Name != "-" {
		w.serverLine = []byte("Server: " + s.name() + "\r\n")
	}
	return w
}

// handle runs the handler of x on the loop.
func (w *worker) handle(x *exchange) {
	w.withCtx(x, func(*Ctx) { x.handle() })
}

// withCtx runs f with the loop's Ctx for x. A Ctx that was used as a context stays as it is for whoever holds it.
func (w *worker) withCtx(x *exchange, f func(c *Ctx)) {
	c := x.bind(w.ctx, true)
	f(c)
	c.x = nil
	switch {
	case x.async != nil:
		w.ctx = new(Ctx)
	case c.used.Load():
		c.end(ErrHandlerReturned)
		w.ctx = new(Ctx)
	default:
		c.forget()
	}
}

// runOffLoop runs the handler on a goroutine, and has the loop take the exchange back, with the goroutine's hand if it can
// run another: then it returns true.
func (x *exchange) runOffLoop() (again bool) {
	ticket, returned := x.ticket, false
	defer func() {
		x.concludeGoexit()
		ticket.x = nil
		if !returned || x.async != nil {
			x.hand = nil
		}
		if x.async != nil {
			x.async.park()
			return
		}
		again = x.completed() && returned
		ticket.end(ErrHandlerReturned)
	}()
	x.handle()
	returned = true
	return
}

// completed gives the exchange back. Whoever calls it must not touch it any more. It returns false when the loop has quit:
// then the connection is gone, and the exchange is garbage.
func (x *exchange) completed() bool {
	if x.conn == nil {
		close(x.over)
		return true
	}
	return x.worker.loop.QueueInLoop(x.done) == nil
}

// handle runs the route's handler and sees to it that the request has an answer, or that one will come.
func (x *exchange) handle() {
	if x.head.form == asteriskForm {
		_ = x.ctx.NoContent(200) // RFC 9110 section 9.3.7: about the server, so the server answers, as net/http's does
		return
	}
	if x.refused != nil {
		x.close = true
		x.serve(x.route.refuse)
		return
	}
	x.serve(x.route.chain)
}

func (x *exchange) serve(h Handler) {
	c := x.ctx
	if x.via != nil {
		defer func() { // an answer that is cut ends by a panic there
			if x.async == nil {
				x.runAfter()
			}
		}()
	}
	err, failed := x.call(h, c)
	if a := x.async; a != nil {
		if !failed || !a.claim(false) {
			if err != nil {
				x.logError("a handler failed behind Async", slog.Any("error", err))
			}
			return
		}
		x.async = nil
	}
	if !failed && (err != nil || x.phase == unanswered || x.status == 101 && !x.hijacked) {
		// Filters and the ErrorHandler run in here, and may panic like a handler.
		_, failed = x.call(func(c *Ctx) error { x.conclude(c, err); return nil }, c)
	}
	if failed {
		x.breakOff()
	}
	x.runAfter()
}

// breakOff answers, and ends the connection, for a handler that has panicked or ended its goroutine.
func (x *exchange) breakOff() {
	x.close = true
	switch x.phase {
	case unanswered:
		x.server.writeError(x.ctx, &Error{Code: 500})
	case streaming:
		x.tear()
	}
}

// runAfter calls what After was given, once.
func (x *exchange) runAfter() {
	for i := len(x.after) - 1; i >= 0; i-- {
		f := x.after[i]
		x.after = x.after[:i]
		if _, failed := x.call(func(c *Ctx) error { f(c); return nil }, x.ctx); failed {
			x.close = true
		}
	}
}

// concludeGoexit answers for a handler that has ended its goroutine.
func (x *exchange) concludeGoexit() {
	if x.async != nil {
		return
	}
	if x.phase != answered {
		x.breakOff()
	}
	x.runAfter()
}

// conclude answers for a handler that has returned err and may not have answered itself.
func (x *exchange) conclude(c *Ctx, err error) {
	switch {
	case err != nil:
		c.Fail(err)
	case x.phase == unanswered && x.status == 101:
		c.Fail(fmt.Errorf("%w: 101 without Upgrade", ErrBadStatus))
	case x.phase == unanswered && x.nested != nil && x.status == 200:
		// A middleware of net/http may answer for a handler that has not, as a timeout's does; else 200 comes by itself.
		x.via.header(x)
		x.phase = answered
	case x.phase == unanswered:
		if err := c.NoContent(x.status); err != nil {
			c.Fail(err)
		}
	case x.status == 101 && x.upgrade == nil:
		x.logError("a handler wrote 101 and did not Upgrade")
		x.close = true
	}
}

// call keeps a panic of the handler, or a runtime.Goexit in it, from ending more than the request.
func (x *exchange) call(h Handler, c *Ctx) (err error, failed bool) {
	failed = true
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == abortHandler {
			if x.via != nil {
				panic(v)
			}
			x.phase, x.torn, x.close = answered, true, true
			x.dropAnswer()
			return
		}
		x.logError("panic in a handler", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	}()
	err = h(c)
	return err, false
}

// abortHandler is what a handler panics with to cut the connection without a word in the log, and without what the client has
// not been sent yet of its answer.
var abortHandler = nethttp.ErrAbortHandler

// reportRefusal notes what clients do wrong, for whoever looks for it.
func (w *worker) reportRefusal(c *conn, e *Error) {
	if w.server.Refused != nil {
		w.server.Refused(c.remoteAddr(), e)
	}
	ctx, logger := context.Background(), w.server.logger()
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "http: request refused",
		slog.Int("status", e.Code), slog.String("reason", e.Detail), slog.String("remote", c.remoteAddr().String()))
}

// keptPlaces is how many places a loop keeps for later connections. A server has few, but one that is bound to a whole network.
const keptPlaces = 1024

// placeOf returns the place of a connection that is new. The kernel is asked for the address here, on the loop, because another
// goroutine that asked later could not be sure of the fd, and would have to wait for the loop.
func (w *worker) placeOf(tcp *reactor.TcpConnection) *place {
	local := tcp.LocalAddr()
	if p, ok := w.places[local]; ok {
		return p
	}
	if w.places == nil || len(w.places) >= keptPlaces {
		w.places = make(map[reactor.InetAddress]*place)
	}
	p := &place{worker: w, local: local}
	w.places[local] = p
	return p
}

// take returns an exchange without a request.
func (w *worker) take() *exchange {
	if n := len(w.spare); n > 0 {
		x := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return x
	}
	return newExchange(w.server, w)
}

// keptExchanges is how many exchanges a loop keeps for later requests. Handlers that run at the same time need one each.
const keptExchanges = 256

func (w *worker) give(x *exchange) {
	x.end()
	if len(w.spare) < keptExchanges {
		x.buf = kept(x.buf) // of an answer whose connection was lost
		w.spare = append(w.spare, x)
	}
}
