package http

import (
	"errors"
	"fmt"
	"io"

	"github.com/carillon-go/carillon/reactor"
)

// A Relay answers a request piece by piece on the loop of its connection, without a goroutine, and takes the request's body
// likewise: what a proxy does. Where each side is told when the other is behind, no more than some hundred KiB are held of
// either direction, however long they are. All of its methods are for the loop's goroutine alone, and do nothing once the
// answer has ended.
type Relay struct {
	x      *exchange
	ctx    *Ctx
	h      RelayHandler
	stream *Stream
	off    int   // of a body that was there as a whole
	got    int64 // bytes of body so far
	wanted bool  // more of the body
	queued bool  // pump
	closed bool  // BodyEnd was called
	begun  bool
	ended  bool
}

// RelayHandler hears what comes from the client of a Relay. It is called on the connection's loop, and must not block. The first
// call is Begin, the last Gone, or whatever comes before the answer ends.
type RelayHandler interface {
	// Begin is called behind the handler that has asked for the Relay.
	Begin(r *Relay)
	// Body brings bytes of the request's body, after Resume. They are valid until it returns, which says whether to go on;
	// if not, Resume does.
	Body(p []byte) (more bool)
	// BodyEnd is called once, behind the last of the body: with nil, or with what keeps the rest from coming.
	BodyEnd(err error)
	// Room is called when the client has taken what was written, so that more may be.
	Room()
	// Gone is called when the connection is lost; the answer has ended by that.
	Gone(cause error)
}

// ErrNoRelay: a Relay for a request that does not live on a loop, because net/http carries it, or middleware of net/http waits
// for its answer; or whose body is another's to read, by Ctx.ReplaceBody.
var ErrNoRelay = errors.New("http: no Relay for a request that net/http carries, or whose body was replaced")

// Relay lets h answer the request after the handler has returned. What the handler then returns is logged when it is an error,
// and has no other effect. On a route that is Inline and StreamBody nothing leaves the loop, and the body is not waited for; on
// others h begins when they would have begun. Errors: ErrWritten when the answer has begun or is another's, and ErrNoRelay.
func (c *Ctx) Relay(h RelayHandler) error {
	x := c.live()
	switch {
	case x.conn == nil, x.nested != nil, x.body.replaced:
		return ErrNoRelay
	case x.phase != unanswered, x.async != nil:
		return ErrWritten
	}
	x.relay = &Relay{x: x, h: h}
	x.async = &Async{x: x, ticket: x.ticket, taken: true}
	return nil
}

// begin runs behind the handler.
func (r *Relay) begin() {
	x := r.x
	c := &Ctx{x: x}
	c.base = x.ticket
	r.ctx, x.ctx, x.async, x.onLoop = c, c, nil, true
	if x.conn.has(lost) {
		r.end(clientClosed)
		return
	}
	if p := x.body.pipe; p != nil {
		p.mu.Lock()
		p.arrived = r.pumpLater
		p.mu.Unlock()
	}
	r.begun = true
	r.guard(func() { r.h.Begin(r) })
}

// guard keeps a panic of h from ending more than the request.
func (r *Relay) guard(f func()) {
	if _, failed := r.x.call(func(*Ctx) error { f(); return nil }, r.ctx); failed && !r.ended {
		r.Abort()
	}
}

// Ctx returns the request, and the header lines of its answer to be, until the answer ends.
func (r *Relay) Ctx() *Ctx { return r.ctx }

// Expects says whether the client waits to be asked for the body (Expect: 100-continue), which Resume does.
func (r *Relay) Expects() bool {
	if p := r.x.body.pipe; p != nil && !r.ended {
		_, unasked := p.rest()
		return unasked
	}
	return false
}

// Resume has Body called with what comes of the body, and has the client asked for it if it waits for that.
func (r *Relay) Resume() {
	if r.ended || r.wanted {
		return
	}
	r.wanted = true
	if p := r.x.body.pipe; p != nil {
		p.ask()
	}
	r.pumpLater()
}

// Pause has Body not called until Resume is, for who cannot take any more of the body and has not been called by Body.
func (r *Relay) Pause() { r.wanted = false }

// pumpLater has the body passed on in the next round of functors, not within what has brought it.
func (r *Relay) pumpLater() {
	if r.queued || !r.wanted || r.closed || r.ended {
		return
	}
	r.queued = true
	if r.x.worker.loop.QueueInLoop(r.pump) != nil {
		r.queued = false // the loop has quit, and the connection with it
	}
}

func (r *Relay) pump() {
	r.queued = false
	for r.wanted && !r.closed && !r.ended {
		p, err := r.take()
		if r.got += int64(len(p)); r.got > r.x.limit { // which middleware may have lowered
			p, err = nil, errBodyTooBig
		}
		switch {
		case len(p) > 0:
			r.wanted = false
			r.guard(func() { r.wanted = r.h.Body(p) || r.wanted })
			continue
		case err == nil:
			return
		case err == io.EOF:
			err = nil
		}
		r.closed = true
		r.guard(func() { r.h.BodyEnd(err) })
	}
}

// take returns what has come of the body, or what is behind it.
func (r *Relay) take() ([]byte, error) {
	b := &r.x.body
	if b.pipe != nil && !b.whole {
		return b.pipe.take()
	}
	if b.failed != nil {
		return nil, b.failed
	}
	p := b.data[r.off:min(len(b.data), r.off+pipeSize)]
	if r.off += len(p); len(p) == 0 {
		return nil, io.EOF
	}
	return p, nil
}

// Interim sends an answer of 1xx other than 101, with lines of names and values; 100 asks for the body, as Resume does. A client
// of HTTP/1.0 is sent none. Errors: ErrBadStatus, ErrBadHeader, ErrWritten.
func (r *Relay) Interim(code int, lines ...[2]string) error {
	switch {
	case r.ended:
		return ErrWritten
	case code < 100 || code == 101 || code > 199:
		return fmt.Errorf("%w: %d is not interim", ErrBadStatus, code)
	case code == 100:
		if p := r.x.body.pipe; p != nil {
			p.ask()
		}
		return nil
	}
	var b []byte
	for _, l := range lines {
		if err := checkHeader(l[0], l[1]); err != nil {
			return err
		}
		b = appendLine(b, l[0], l[1])
	}
	return r.x.interim(code, b)
}

// Start begins the answer, with the header lines that Ctx was given and a body of length bytes, -1 for one whose end is not
// known yet. Errors: those of Ctx.Stream.
func (r *Relay) Start(code int, contentType string, length int64) error {
	if r.ended {
		return ErrWritten
	}
	if !isText(contentType) {
		return fmt.Errorf("%w: content type %q", ErrBadHeader, contentType)
	}
	if err := r.x.ready(code); err != nil {
		return err
	}
	s, err := r.x.beginStream(code, contentType, length)
	r.stream = s
	return err
}

// Write sends a part of the body, of which it keeps nothing. It says whether there is room for more: if not, wait for Room. Error:
// ErrTooLong, ErrWritten, or a filter's; the answer is to be ended by Abort then.
func (r *Relay) Write(p []byte) (room bool, err error) {
	if r.ended || r.stream == nil {
		return false, ErrWritten
	}
	_, err = r.stream.w.Write(p)
	return r.HasRoom(), err
}

// Flush sends what Write has gathered: call it when no more is at hand.
func (r *Relay) Flush() error {
	if r.ended || r.stream == nil {
		return ErrWritten
	}
	return r.ctx.Flush()
}

// HasRoom says whether the client has taken enough to be sent more.
func (r *Relay) HasRoom() bool { return !r.ended && r.x.conn.tcp.OutputBytes() <= roomMark }

// End ends the answer that Start has begun; short of a length that was promised the connection is cut.
func (r *Relay) End() {
	if r.ended {
		return
	}
	if r.stream == nil || r.x.endStream() != nil {
		r.Abort()
		return
	}
	r.finish()
}

// Abort cuts an answer that cannot be made whole. One that has not begun is 502.
func (r *Relay) Abort() {
	switch {
	case r.ended:
		return
	case r.x.phase == unanswered:
		r.Fail(NewError(502, ""))
		return
	}
	r.x.tear()
	r.finish()
}

// Fail answers for err, as Ctx.Fail does, and ends the answer.
func (r *Relay) Fail(err error) {
	if !r.ended {
		r.Answer(func(*Ctx) error { return err })
	}
}

// Answer has h make the whole answer, at once and on the loop.
func (r *Relay) Answer(h Handler) {
	if r.ended {
		return
	}
	x := r.x
	err, failed := x.call(h, r.ctx)
	if !failed && (err != nil || x.phase == unanswered) {
		_, failed = x.call(func(c *Ctx) error { x.conclude(c, err); return nil }, r.ctx)
	}
	if failed {
		x.breakOff()
	}
	r.finish()
}

// Upgrade answers by 101, with the header lines that Ctx was given, and hands the connection over, as Ctx.Upgrade does.
func (r *Relay) Upgrade(h func(conn *reactor.TcpConnection)) {
	r.Answer(func(c *Ctx) error {
		if err := c.NoContent(101); err != nil {
			return err
		}
		return c.Upgrade(h)
	})
}

// roomMade is called when the connection's output has shrunk.
func (r *Relay) roomMade() {
	if r.begun && !r.ended && r.HasRoom() {
		r.guard(r.h.Room)
	}
}

// lost is called when the connection is gone.
func (r *Relay) lost(cause error) {
	if !r.begun || r.ended {
		return
	}
	r.guard(func() { r.h.Gone(cause) })
	if r.ended {
		return
	}
	if r.x.phase == unanswered {
		r.end(clientClosed)
		return
	}
	r.x.phase = answered
	r.finish()
}

// end is for who has no client any more: only the log sees it.
func (r *Relay) end(code int) {
	_ = r.ctx.NoContent(code)
	r.finish()
}

// finish gives the exchange back.
func (r *Relay) finish() {
	if r.ended {
		return
	}
	r.ended = true
	x, c, ticket := r.x, r.ctx, r.x.ticket
	x.runAfter()
	c.x = nil
	x.completed()
	c.end(ErrHandlerReturned)
	ticket.end(ErrHandlerReturned)
}
