package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// transfer is one request on its way to an upstream, and its answer on the way back. Behind the handler that makes it, it is
// the loop's alone.
type transfer struct {
	p      *proxy
	relay  *http.Relay
	pool   *pool
	link   *link
	up     *upstream
	method string

	head     requestHead
	kept     []byte // of the body, as it was sent, for another attempt
	whole    bool   // kept is all of it so far
	bodyOver bool   // the request was sent to its end
	asking   reactor.TimerID

	tries     int
	interims  int
	heard     bool // the upstream has sent a byte for this request
	begun     bool // the answer
	paused    bool // the upstream, because the client is behind
	unwanted  bool // bytes of the body wait for the upstream to take some
	finished  bool
	switching bool // the link is a tunnel's now
}

const (
	// outputMark is how much, in bytes, may wait for the upstream before the client is paused.
	outputMark = 256 << 10
	// keptBody is how much of a body is kept for another attempt.
	keptBody = 64 << 10
	// askPatience is how long an upstream may leave an Expect: 100-continue without an answer before it is sent the body
	// all the same: RFC 9110 section 10.1.1.
	askPatience = time.Second
)

// Begin implements http.RelayHandler.
func (t *transfer) Begin(r *http.Relay) {
	t.relay = r
	t.pool = t.p.poolOf(r.Ctx().Loop())
	t.attempt()
}

// attempt sends the request over a connection that is there, or makes one.
func (t *transfer) attempt() {
	t.tries++
	t.up = t.p.pick(t.up)
	if t.tries == 1 {
		if l := t.pool.take(t.up); l != nil {
			t.link, l.user = l, t
			t.connected()
			return
		}
	}
	t.link = t.pool.dial(t.up, t)
}

// connected sends the head, and what was kept of the body.
func (t *transfer) connected() {
	l := t.link
	l.parser.Begin(t.method)
	t.heard = false
	_ = l.tcp.Send(t.head.bytes(t.p, t.up)) // what fails here is heard of by linkLost
	if len(t.kept) > 0 {
		_ = l.tcp.Send(t.kept)
	}
	l.tcp.SetDeadline(t.pool.loop.Now() + t.p.responseTimeout)
	if t.relay.Expects() {
		t.asking = t.pool.loop.RunAfter(askPatience, t.relay.Resume)
		return
	}
	t.relay.Resume()
}

// Body implements http.RelayHandler.
func (t *transfer) Body(p []byte) (more bool) {
	if t.link == nil || t.link.tcp == nil {
		return false
	}
	if t.whole = t.whole && len(t.kept)+len(p) <= keptBody && t.head.repeatable; !t.whole {
		t.kept = nil
	}
	if t.head.chunked {
		line := strconv.AppendInt(nil, int64(len(p)), 16)
		line = append(line, "\r\n"...)
		t.send(line, p, crlf)
	} else {
		t.send(p)
	}
	t.unwanted = t.link.tcp.OutputBytes() > outputMark
	return !t.unwanted
}

var crlf = []byte("\r\n")

func (t *transfer) send(pieces ...[]byte) {
	if t.whole {
		for _, p := range pieces {
			t.kept = append(t.kept, p...)
		}
	}
	_ = t.link.tcp.SendV(pieces...) // linkLost hears of what fails
}

// BodyEnd implements http.RelayHandler.
func (t *transfer) BodyEnd(err error) {
	switch {
	case t.finished || t.link == nil || t.link.tcp == nil:
	case err != nil:
		t.dropLink()
		t.fail(err)
	default:
		if t.head.chunked {
			end := []byte("0\r\n")
			for name, value := range t.relay.Ctx().Trailers() {
				if !t.head.dropped(name) {
					end = append(append(append(append(end, name...), ": "...), value...), "\r\n"...)
				}
			}
			t.send(end, crlf)
		}
		t.bodyOver = true
	}
}

// writable is called when the upstream has taken what was sent.
func (t *transfer) writable() {
	if t.unwanted && t.link.tcp.OutputBytes() <= outputMark {
		t.unwanted = false
		t.relay.Resume()
	}
}

// Gone implements http.RelayHandler: nobody waits for the answer any more.
func (t *transfer) Gone(error) {
	t.finished = true
	t.dropLink()
}

func (t *transfer) dropLink() {
	t.pool.loop.Cancel(t.asking)
	if l := t.link; l != nil {
		t.link = nil
		l.drop()
	}
}

// fail answers for an error, or cuts the answer that has begun.
func (t *transfer) fail(err error) {
	if t.finished {
		return
	}
	t.finished = true
	if t.begun {
		t.relay.Abort()
		return
	}
	t.relay.Fail(err)
}

func (t *transfer) badGateway(err error) {
	t.dropLink()
	t.fail(&http.Error{Code: 502, Detail: "the upstream gave no valid answer", Err: fmt.Errorf("proxy: %v: %w", t.up.addr, err)})
}

// connectFailed tries the next upstream, since nothing was sent to this one.
func (t *transfer) connectFailed(l *link, err error) {
	t.link = nil
	t.p.failed(l.up)
	if t.tries < len(t.p.upstreams)+1 && len(t.p.upstreams) > 1 {
		t.attempt()
		return
	}
	code, detail := 502, "the upstream cannot be reached"
	if errors.Is(err, unix.ETIMEDOUT) || errors.Is(err, reactor.ErrTimeout) { // the latter of TLS
		code, detail = 504, "the upstream cannot be reached in time"
	}
	t.fail(&http.Error{Code: code, Detail: detail, Err: fmt.Errorf("proxy: %w", err)})
}

// linkLost is called when the connection to the upstream has gone.
func (t *transfer) linkLost(l *link, err error) {
	t.link = nil
	t.pool.loop.Cancel(t.asking)
	if t.finished {
		return
	}
	// A connection that was kept may have been closed by the upstream just now: then the request was never looked at, or it
	// does no harm to repeat it (RFC 9110 section 9.2.2).
	if !t.heard && l.served > 0 && t.tries == 1 && t.head.repeatable && t.whole {
		t.again(l)
		return
	}
	if !t.heard && l.served == 0 { // one that was kept says nothing of the upstream: it may just have closed what was idle
		t.p.failed(l.up)
	}
	if err == nil {
		err = errors.New("the connection ended early")
	}
	t.fail(&http.Error{Code: 502, Detail: "the upstream broke off", Err: fmt.Errorf("proxy: %v: %w", l.up.addr, err)})
}

// again sends the request once more, over a new connection.
func (t *transfer) again(l *link) {
	t.tries++
	t.up = l.up
	t.relay.Pause() // until there is a connection
	t.link = t.pool.dial(l.up, t)
}

// upstreamEnded is called when the upstream sends no more.
func (t *transfer) upstreamEnded() {
	l := t.link
	if t.begun && l.parser.End() == nil {
		t.responded(false)
		return
	}
	t.link = nil
	l.drop()
	t.linkLost(l, nil)
}

// timeout is called when the upstream may have taken too long: its last activity says.
func (t *transfer) timeout() {
	l, now := t.link, t.pool.loop.Now()
	limit := t.p.responseTimeout
	if t.begun || l.tcp.PendingOutput() {
		limit = t.p.idleTimeout
	}
	since := l.tcp.LastActive()
	if t.paused || !t.bodyOver && !t.unwanted && !t.begun {
		since = now // it is the client that is waited for, and the server has its own patience with that
	}
	if at := since + limit; at > now {
		l.tcp.SetDeadline(at)
		return
	}
	t.dropLink()
	t.p.failed(l.up)
	t.fail(&http.Error{Code: 504, Detail: "the upstream took too long", Err: fmt.Errorf("proxy: %v was silent for %v", l.up.addr, limit)})
}
