package reactor

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Callbacks are what a connection calls. One value is shared by all connections
// of a server; any field may be nil. All of them run on the connection's loop,
// one at a time, none while a lock is held. Connection comes first and last.
type Callbacks struct {
	// Connection: with c.Connected() the connection is established, once,
	// before everything else; without, it is gone, exactly once, after
	// everything else, and c.Err() says why.
	Connection func(c *TcpConnection)
	// Message: bytes arrived. What it leaves in in is there in front of the
	// next bytes. nil: what arrives is discarded.
	Message func(c *TcpConnection, in *Buffer)
	// WriteComplete: all output was handed to the kernel. It does not come for what
	// CloseWrite or Shutdown ends.
	WriteComplete func(c *TcpConnection)
	// HighWater: unsent output passed the high-water mark; reading has paused,
	// unless SetHighWaterPause says otherwise.
	// pending is in bytes, as OutputBytes counts.
	HighWater func(c *TcpConnection, pending int)
	// LowWater: unsent output fell to the low-water mark after a HighWater;
	// reading has resumed.
	LowWater func(c *TcpConnection)
	// HalfClose: the peer's FIN was read: it sends no more, but may still
	// receive. nil: Shutdown.
	HalfClose func(c *TcpConnection)
	// Timeout: the time of SetDeadline or SetIdleTimeout passed. nil: the
	// connection is closed with ErrTimeout.
	Timeout func(c *TcpConnection)
	// Drain: the server shuts down; finish what was begun, then Shutdown. nil:
	// Shutdown. During a TLS handshake it comes behind that.
	Drain func(c *TcpConnection)
}

// State is the state of a connection. It only ever moves forward.
type State uint32

// The states of a connection.
const (
	Connecting State = iota
	Connected
	Disconnecting
	Disconnected
)

func (s State) String() string {
	return [...]string{"connecting", "connected", "disconnecting", "disconnected"}[s]
}

// What else is in TcpConnection.state, for those who are not on its loop.
const (
	stateMask  = 0xff
	tlsStarted = 0x100 // by StartTLS: rare.tls is there
	tlsSecured = 0x200 // a handshake is complete
)

// TcpConnection is one established stream, TCP or Unix. It owns its socket, its
// input Buffer and its output, all of which it gives back at the end; an idle
// connection holds no buffer. It belongs to one loop for all its life. Methods
// may be called from any goroutine where they say so, and at any time, also when
// the connection is gone: they then do nothing, or return ErrClosed.
//
// The zero value is not usable: TcpServer and TcpClient create connections.
type TcpConnection struct {
	channel Channel
	shared  *connShared
	cb      *Callbacks
	context any
	in      Buffer
	sending *outputQueue // the loop's: in front of out

	mu    sync.Mutex
	out   *outputQueue // what Send appended since the last flush
	dirty bool         // queued for a flush

	// Of the loop's again, and here because there is room: all of a connection is
	// 288 bytes, which is one of the allocator's sizes.
	flags connFlags
	place int32 // in the loop's connections

	weight    atomic.Int64 // of all that is not yet with the kernel
	state     atomic.Uint32
	outClosed atomic.Bool // no more Send; set with mu held

	id         uint64
	peer       InetAddress
	rare       *connRare
	lastActive time.Duration
	alarm      alarm
}

// connRare is what a connection over plain TCP has no need of before its end. Loop
// goroutine only.
type connRare struct {
	err error // why the connection closed
	tls *tlsStream
}

// needRare returns c.rare, which it makes.
func (c *TcpConnection) needRare() *connRare {
	if c.rare == nil {
		c.rare = new(connRare)
	}
	return c.rare
}

// setErr keeps why the connection closes: the first reason.
func (c *TcpConnection) setErr(err error) {
	if err != nil && c.Err() == nil {
		c.needRare().err = err
	}
}

// tls returns the connection's TLS, nil where there is none. Any goroutine: rare is
// there from the beginning, or since tlsStarted.
func (c *TcpConnection) tls() *tlsStream {
	if c.shared.tls == nil && c.state.Load()&tlsStarted == 0 {
		return nil
	}
	return c.rare.tls
}

type connFlags uint16

const (
	pausedByUser   connFlags = 1 << iota
	pausedByOutput           // above the high-water mark
	peerClosed               // the peer's FIN was read
	finWanted                // CloseWrite or Shutdown: FIN once the output is out
	finSent                  //
	unreported               // output was taken since the last WriteComplete
	discarding               // Shutdown: what still arrives is dropped
	destroying               // destruction is queued
	delivering               // inside Message
	outputLost               // the peer takes no more; what it sent is still read
	readsWhenFull            // output above the high-water mark does not pause reading
	announced                // the Connection callback has run
	pausedByTLS              // a handshake waits for its turn, or is worked on elsewhere
	drainsLater              // the server shuts down, and a handshake is to be finished first
)

func (f *connFlags) set(bits connFlags)     { *f |= bits }
func (f *connFlags) clear(bits connFlags)   { *f &^= bits }
func (f connFlags) any(bits connFlags) bool { return f&bits != 0 }

// connShared is what all connections of one owner on one loop have in common.
type connShared struct {
	loop   *EventLoop
	name   string
	logger *slog.Logger
	marks  waterMarks
	linger time.Duration
	local  InetAddress // of all connections; not valid: each has its own
	tls    *TLS        // nil: none
	client bool
	gone   func(*TcpConnection) // the last thing that happens to a connection
	// preface reads what stands in front of TLS; nil: nothing does
	preface func(*TcpConnection, []byte) (int, error)
}

// DefaultLinger is how long after Shutdown a peer may take no byte of the output
// that is left.
const DefaultLinger = 30 * time.Second

// maxFinWait is how long a peer that has all output, and our FIN, may keep back
// its own; a shorter linger time holds for this as well.
const maxFinWait = 5 * time.Second

func newTcpConnection(shared *connShared, fd int, id uint64, peer InetAddress, cb *Callbacks) *TcpConnection {
	c := &TcpConnection{shared: shared, cb: cb, id: id, peer: peer}
	c.channel.init(shared.loop, fd, c, true)
	if shared.tls != nil {
		c.rare = &connRare{tls: newTLSStream(c, shared.tls, shared.client)}
	}
	return c
}

// establishInLoop registers the connection and announces it, or has TLS do so. One
// that the poller refuses is closed unannounced.
func (c *TcpConnection) establishInLoop() {
	l := c.Loop()
	c.lastActive = l.Now()
	if err := c.channel.EnableReading(); err != nil {
		c.shared.logger.Error("connection refused by the poller", "connection", c.Name(), "error", err)
		c.endUnannounced()
		return
	}
	l.adopt(c)
	if t := c.tls(); t != nil {
		t.handshake.begin()
		return
	}
	c.announceInLoop()
}

// announceInLoop tells the user that the connection is established.
func (c *TcpConnection) announceInLoop() {
	c.flags.set(announced)
	c.setState(Connected)
	if c.cb.Connection != nil {
		c.cb.Connection(c)
	}
}

// SetCallbacks replaces the connection's callbacks, for a change of protocol. Bytes
// that the old ones leave in the input are delivered to the new Message: at once
// when called inside Message, which returns first, else in the next round of
// functors, unless reading is then paused. Loop goroutine only.
func (c *TcpConnection) SetCallbacks(cb *Callbacks) {
	c.cb = cb
	if c.flags.any(delivering) || c.in.Len() == 0 {
		return
	}
	// Refused only by a loop that has quit.
	_ = c.Loop().QueueInLoop(func() {
		if !c.flags.any(pausedByUser) && c.State() != Disconnected {
			c.deliver()
		}
	})
}

// SetContext keeps v with the connection. Loop goroutine only.
func (c *TcpConnection) SetContext(v any) { c.context = v }

// Context returns what SetContext kept. Loop goroutine only.
func (c *TcpConnection) Context() any { return c.context }

// Input returns the input buffer, for callbacks other than Message that go on
// with what it left. Loop goroutine only.
func (c *TcpConnection) Input() *Buffer { return &c.in }

// Loop returns the connection's loop. Any goroutine.
func (c *TcpConnection) Loop() *EventLoop { return c.shared.loop }

// ID returns a number that no other connection of the same owner ever has. Any
// goroutine.
func (c *TcpConnection) ID() uint64 { return c.id }

// Name returns the owner's name and ID, for logs. Any goroutine.
func (c *TcpConnection) Name() string { return fmt.Sprintf("%s#%d", c.shared.name, c.id) }

// PeerAddr returns the peer's address as it was when the connection was
// established; a Unix peer is usually unnamed. Any goroutine.
func (c *TcpConnection) PeerAddr() InetAddress { return c.peer }

// LocalAddr returns the local address; it is not valid any more when the connection is
// gone. The kernel is asked where the server's own does not tell. Loop goroutine only.
func (c *TcpConnection) LocalAddr() InetAddress {
	s := c.Socket()
	if s.FD() >= 0 && c.shared.local.IsValid() {
		return c.shared.local
	}
	return s.LocalAddr()
}

// Socket gives access to the socket's options. It stays the connection's own: do
// not close it. Loop goroutine only.
func (c *TcpConnection) Socket() Socket { return Socket{c.channel.FD()} }

// State returns the connection's state. Any goroutine.
func (c *TcpConnection) State() State { return State(c.state.Load() & stateMask) }

// setState changes the state. Loop goroutine only.
func (c *TcpConnection) setState(s State) {
	c.state.Store(c.state.Load()&^stateMask | uint32(s))
}

// Connected reports whether the connection is established and neither side has
// begun to close it. Any goroutine.
func (c *TcpConnection) Connected() bool { return c.State() == Connected }

// PeerClosed reports whether the peer's FIN was read. Loop goroutine only.
func (c *TcpConnection) PeerClosed() bool { return c.flags.any(peerClosed) }

// Err says why the connection closed: nil for an orderly end, else ErrTimeout,
// ErrLinger, ErrOutputFull, ErrFileTruncated or what the kernel said. Loop
// goroutine only.
func (c *TcpConnection) Err() error {
	if c.rare == nil {
		return nil
	}
	return c.rare.err
}

// LastActive is when a byte last moved either way, on the clock of EventLoop.Now. Over
// TLS what has come counts when it is delivered, or taken by the handshake, so that a
// record that never becomes whole is none. Loop goroutine only.
func (c *TcpConnection) LastActive() time.Duration { return c.lastActive }
