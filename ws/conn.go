package ws

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// Conn is one WebSocket connection on a reactor.TcpConnection. Send, Close and
// whatever else says so may be called from any goroutine, also when the
// connection is long gone; the rest belongs to its loop. It lives for as long as
// somebody holds it; an idle one holds no buffer.
type Conn struct {
	tcp      *reactor.TcpConnection
	endpoint *endpoint
	dec      decoder
	lastRead time.Duration // when something last came, on the loop's clock

	mu          sync.Mutex      // keeps what goes out whole and in order
	value       any             // guarded by mu
	subprotocol string          // never changes
	header      [maxHeader]byte // guarded by mu: room for send
	closeSent   bool            // guarded by mu: nothing goes out any more

	phase      phase // this and what follows: loop only
	pinged     bool  // a ping is out, and nothing has come since
	paused     bool  // output is in the way: what has come in has to wait
	processing bool  // process is on the stack
}

// phase is how far the connection's end has come.
type phase uint8

const (
	open    phase = iota
	closing       // our close frame is out, the peer's is awaited
	closed        // nothing more is received; OnClose has run
)

// RemoteAddr is the peer's address. Any goroutine.
func (c *Conn) RemoteAddr() reactor.InetAddress { return c.tcp.PeerAddr() }

// Subprotocol is what WithSubprotocols and the client agreed on, or "". Any
// goroutine.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Loop is the connection's loop, on which its handler runs: the place for its
// timers. Any goroutine.
func (c *Conn) Loop() *reactor.EventLoop { return c.tcp.Loop() }

// SetValue keeps v with the connection. Any goroutine.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	c.value = v
	c.mu.Unlock()
}

// Value is what SetValue was last given, or nil. Any goroutine.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// Send sends p as one message. Any goroutine; messages leave in the order of
// the calls, and what one iteration of the loop sends leaves in one write. p is
// copied. A text must be UTF-8, which is not checked.
//
// Send does not wait for a slow peer: what it has not taken yet is held in
// memory. Past the high-water mark of the server nothing more is read from that
// peer; past the hard cap the connection is closed. The errors are ErrBadOp,
// ErrClosed, and reactor.ErrOutputFull; without one the message is on its way,
// which does not say that it arrives.
func (c *Conn) Send(op Op, p []byte) error {
	if op != OpText && op != OpBinary {
		return ErrBadOp
	}
	return c.send(op, p)
}

// send sends one frame.
func (c *Conn) send(op ws.OpCode, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closeSent {
		return ErrClosed
	}
	return sendError(c.tcp.SendV(appendHeader(c.header[:0], op, len(p)), p))
}

func sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, reactor.ErrClosed), errors.Is(err, reactor.ErrLoopClosed):
		return ErrClosed
	default:
		return fmt.Errorf("ws: send: %w", err)
	}
}

// read is the Message callback.
func (c *Conn) read(in *reactor.Buffer) {
	c.lastRead = c.tcp.Loop().Now()
	if c.pinged {
		c.answered()
	}
	c.process(in)
}

// processInput is process for what lies in the input already.
func (c *Conn) processInput() {
	if in := c.tcp.Input(); in.Len() > 0 && !c.processing {
		c.process(in)
	}
}

// process handles all frames that are whole, and as much of the last as is there.
func (c *Conn) process(in *reactor.Buffer) {
	c.processing = true
	defer c.processed(in)
	for c.phase != closed && !c.paused {
		ev, n, err := c.dec.next(in.Peek())
		if err != nil {
			c.fail(err.(*violation))
			return
		}
		if n == 0 {
			return
		}
		c.handle(ev)
		in.Retrieve(n)
		c.dec.done()
		if c.tcp.OutputBytes() > batchOutput {
			c.pause()
		}
	}
}

// processed ends process, also when the handler panicked.
func (c *Conn) processed(in *reactor.Buffer) {
	c.processing = false
	if v := recover(); v != nil {
		c.panicked(v)
	}
	if c.phase == closed {
		c.dec.reset()
		in.RetrieveAll()
	}
}

// handle acts on one event. After our own close frame messages and pings are
// no longer answered (RFC 6455 section 5.5.1); the peer's close still is.
func (c *Conn) handle(ev event) {
	switch ev.op {
	case OpText, OpBinary:
		if c.phase == open {
			c.endpoint.handler.OnMessage(c, ev.op, ev.payload)
		}
	case ws.OpPing:
		// An error is a connection that is closing: nobody waits for the pong.
		_ = c.send(ws.OpPong, ev.payload)
	case ws.OpClose:
		c.peerClosed(ev.payload)
	}
}
