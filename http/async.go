package http

import (
	"context"
	"errors"
	"sync"
)

// Async is an answer that comes later, from elsewhere: see Ctx.Async. Any goroutine may call its methods, at any time.
type Async struct {
	x      *exchange
	ticket *Ctx // of the request's first handler; only its context is used any more

	mu     sync.Mutex
	parked bool    // that handler has returned
	taken  bool    // somebody answers, or has
	lost   bool    // the client had gone before: who comes first with an answer is told so
	later  Handler // came before that handler had returned
}

// clientClosed is what logs show for a request whose client has left before there was an answer.
const clientClosed = 499

// ErrNoAsync: an answer that must be given before the handler returns, because a middleware of net/http waits for it.
var ErrNoAsync = errors.New("http: no Async behind a middleware of net/http")

// Async lets the handler return before there is an answer: it comes by the Answer of what Async returns, and until then the
// connection waits; when the client leaves before somebody answers, the request ends as a 499. What the handler itself returns is logged when it is an error, and has no other effect. Called again, it
// returns the same. Errors: ErrWritten when the answer has begun, and ErrNoAsync.
func (c *Ctx) Async() (*Async, error) {
	x := c.live()
	switch {
	case x.phase != unanswered, x.relay != nil:
		return nil, ErrWritten
	case x.nested != nil:
		return nil, ErrNoAsync
	case x.async == nil:
		x.async = &Async{x: x, ticket: x.ticket}
	}
	return x.async, nil
}

// Awaited says whether Async was called, so that the answer is to come from elsewhere.
func (c *Ctx) Awaited() bool { return c.live().async != nil }

// Context is done when the client has left, so that an answer is of no use, and behind the answer.
func (a *Async) Context() context.Context { return a.ticket }

// Answer has h answer the request, once, with a Ctx that is valid until h returns. h runs in the goroutine that calls
// Answer; or, when the handler that asked has not returned yet, in one of its own behind that. Errors: ErrWritten for all
// calls but the first, and ErrClientGone, when nobody waits any more; h does not run then.
// That the Context is done, by its timeout or because the client has closed its side, does not keep an answer from being sent.
func (a *Async) Answer(h Handler) error {
	a.mu.Lock()
	if a.taken {
		err := ErrWritten
		if a.lost {
			a.lost, err = false, ErrClientGone
		}
		a.mu.Unlock()
		return err
	}
	a.taken = true
	if !a.parked {
		a.later = h
		a.mu.Unlock()
		return nil
	}
	a.mu.Unlock()
	if !a.reachable() {
		a.giveUp()
		return ErrClientGone
	}
	a.run(h)
	return nil
}

// reachable says whether an answer can still be sent. Only for who answers.
func (a *Async) reachable() bool {
	if a.x.conn == nil {
		return a.ticket.base.Err() == nil // of net/http's request
	}
	a.x.room.mu.Lock()
	defer a.x.room.mu.Unlock()
	return !a.x.room.gone
}

// giveUp ends the request without its client, for those who wait for that, such as After. Only for who answers.
func (a *Async) giveUp() { a.run(func(c *Ctx) error { return c.NoContent(clientClosed) }) }

// park is called when the handler that asked has returned; from now on x is whose that answers. A client that has gone before
// is given up here, one that goes later by its connection.
func (a *Async) park() {
	x := a.x
	if r := x.relay; r != nil {
		// Queued also on the loop, so that it begins behind the handler. A loop that has quit has closed the connection.
		_ = x.worker.loop.QueueInLoop(r.begin)
		return
	}
	x.room.mu.Lock()
	a.mu.Lock()
	a.parked = true
	h, late := a.later, false
	if h == nil && !a.taken {
		if late = x.room.gone; !late {
			x.room.parked = a
		}
	}
	a.mu.Unlock()
	x.room.mu.Unlock()
	switch {
	case h != nil:
		go a.run(h)
	case late:
		a.abandon()
	}
}

// abandon ends, on a goroutine of its own, a request whose client has gone and that nobody has begun to answer.
func (a *Async) abandon() {
	if a.claim(true) {
		go a.giveUp()
	}
}

// claim keeps everybody else from answering: lost says that the client has gone, else the handler that asked has panicked. It
// says whether that was possible.
func (a *Async) claim(lost bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.taken {
		return false
	}
	a.taken, a.lost = true, lost
	return true
}

func (a *Async) run(h Handler) {
	x := a.x
	c := &Ctx{x: x}
	c.base = a.ticket
	x.ctx, x.async = c, nil
	x.onLoop = x.worker != nil && x.worker.loop.IsInLoopThread()
	defer func() {
		if x.via != nil && recover() != nil { // what call lets pass: the answer is to be cut, by ServeHTTP
			x.phase, x.torn = answered, true
		}
		x.concludeGoexit()
		c.x = nil
		if next := x.async; next != nil { // h has left its answer to others as well
			next.park()
			return
		}
		x.completed()
		c.end(ErrHandlerReturned)
		a.ticket.end(ErrHandlerReturned)
	}()
	x.serve(h)
}
