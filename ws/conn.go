package ws

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// Conn is one WebSocket connection, of a server or of a client, on a
// reactor.TcpConnection. Send, Close and whatever else says so may be called from
// any goroutine, also when the connection is long gone; the rest belongs to its
// loop. It lives for as long as somebody holds it; an idle one holds no buffer.
type Conn struct {
	tcp      *reactor.TcpConnection
	shard    *shard
	dec      decoder
	lastRead time.Duration // when something last came, on the loop's clock

	mu          sync.Mutex // keeps what goes out whole and in order
	value       any        // guarded by mu
	subprotocol string     // never changes
	deflate     *deflation // nil: not agreed on; never changes
	rare        atomic.Pointer[rare]
	header      [maxHeader]byte // guarded by mu: room for writeFrame
	closeSent   bool            // guarded by mu: nothing goes out any more

	phase      phase // this and what follows: loop only
	pinged     bool  // a ping is out, and nothing has come since
	paused     bool  // output is in the way: what has come in has to wait
	processing bool  // process is on the stack
	spoke      uint8 // of the wheel, and the place there
	place      int32
}

// rare is what few connections need.
type rare struct {
	backlog backlog       // guarded by Conn.mu
	writer  *Writer       // guarded by Conn.mu: the message that is being written
	room    chan struct{} // guarded by Conn.mu: closed when output has left or the end has come
	ends    []ender       // guarded by Conn.mu
	intake  *intake       // of worker or stream; set before OnOpen ends, like those
	worker  *worker       // set by Offload
	stream  *Stream       // set by StreamHandler
}

// ender wants to hear of a connection's end.
type ender interface {
	// connEnded runs on the connection's loop before OnClose, with no lock held.
	connEnded(*Conn)
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

// Subprotocol is what both sides agreed on, or "". Any goroutine.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Loop is the connection's loop, on which its handler runs: the place for its
// timers. Any goroutine.
func (c *Conn) Loop() *reactor.EventLoop { return c.tcp.Loop() }

// Client is the Client that the connection belongs to, nil for one of a server. Any
// goroutine.
func (c *Conn) Client() *Client { return c.shard.client }

// SetValue keeps v with the connection. Any goroutine.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	c.value = v
	c.mu.Unlock()
}

// Value is what SetValue was last given, at first what the accept hook returned
// (see WithAccept), or nil. Any goroutine.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// needRare returns c.rare, which it makes. c.mu is held.
func (c *Conn) needRare() *rare {
	m := c.rare.Load()
	if m == nil {
		m = new(rare)
		c.rare.Store(m)
	}
	return m
}

// attach has e hear of the connection's end. It is false when that has come
// already. Loop goroutine only.
func (c *Conn) attach(e ender) bool {
	if c.phase == closed {
		return false
	}
	c.mu.Lock()
	m := c.needRare()
	m.ends = append(m.ends, e)
	c.mu.Unlock()
	return true
}

// detach takes attach back. Loop goroutine only.
func (c *Conn) detach(e ender) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.needRare()
	for i, have := range m.ends {
		if have == e {
			last := len(m.ends) - 1
			m.ends[i], m.ends[last] = m.ends[last], nil
			m.ends = m.ends[:last]
			return
		}
	}
}

// isServer says which side of the connection this is.
func (c *Conn) isServer() bool { return c.dec.mode&fromServer == 0 }

// read is the Message callback.
func (c *Conn) read(in *reactor.Buffer) {
	c.lastRead = c.shard.loop.Now()
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
		if v := c.handle(ev); v != nil {
			c.fail(v)
			return
		}
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
func (c *Conn) handle(ev event) *violation {
	switch ev.op {
	case OpText, OpBinary:
		if ev.deflate {
			return c.deliverInflated(ev) // also when it is then dropped: it is in the window
		}
		c.deliver(ev)
	case ws.OpPing:
		// An error is a connection that is closing: nobody waits for the pong.
		_ = c.sendControl(ws.OpPong, ev.payload)
	case ws.OpClose:
		c.peerClosed(ev.payload)
	}
	return nil
}

// deliver hands a message, or a piece of one, to the handler.
func (c *Conn) deliver(ev event) {
	if c.phase != open {
		return
	}
	if h := c.shard.fragments; h != nil {
		h.OnFragment(c, ev.op, ev.payload, ev.last)
		return
	}
	c.shard.handler.OnMessage(c, ev.op, ev.payload)
}
