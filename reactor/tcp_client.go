package reactor

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ClientOption sets an option of NewTcpClient.
type ClientOption func(*clientOptions)

type clientOptions struct {
	name      string
	reconnect bool
	retry     bool
	least     time.Duration
	most      time.Duration
	timeout   time.Duration
	failed    func(err error, retryIn time.Duration)
	marks     waterMarks
	linger    time.Duration
	tls       *TLS
	logger    *slog.Logger
}

// WithClientName names the client in its connections' names.
func WithClientName(name string) ClientOption { return func(o *clientOptions) { o.name = name } }

// WithReconnect makes the client connect again when its connection is lost, other
// than by Disconnect or Stop.
func WithReconnect() ClientOption { return func(o *clientOptions) { o.reconnect = true } }

// WithRetryDelay sets the shortest and the longest delay between attempts.
// Defaults: DefaultMinRetryDelay, DefaultMaxRetryDelay.
func WithRetryDelay(least, most time.Duration) ClientOption {
	return func(o *clientOptions) { o.least, o.most = least, most }
}

// WithoutRetry makes the client give up after one attempt that failed.
func WithoutRetry() ClientOption { return func(o *clientOptions) { o.retry = false } }

// WithConnectTimeout bounds one attempt. Default: DefaultConnectTimeout.
func WithConnectTimeout(d time.Duration) ClientOption {
	return func(o *clientOptions) { o.timeout = d }
}

// WithConnectFailed has f called on the loop after each attempt that failed, with
// the time to the next; 0 when there is none.
func WithConnectFailed(f func(err error, retryIn time.Duration)) ClientOption {
	return func(o *clientOptions) { o.failed = f }
}

// WithClientWaterMarks is WithWaterMarks for a client's connection.
func WithClientWaterMarks(low, high, hard int) ClientOption {
	var o serverOptions
	WithWaterMarks(low, high, hard)(&o)
	return func(c *clientOptions) { c.marks = o.marks }
}

// WithClientLinger is WithLinger for a client's connection.
func WithClientLinger(d time.Duration) ClientOption { return func(o *clientOptions) { o.linger = d } }

// TcpClient keeps at most one connection to an address. It owns its Connector and
// its connection, not the loop. All methods may be called from any goroutine.
type TcpClient struct {
	loop      *EventLoop
	cb        *Callbacks
	opts      clientOptions
	connector *Connector
	shared    connShared
	nextID    uint64        // loop goroutine only
	since     time.Duration // when the connection was established; loop goroutine only

	wanted atomic.Bool // Connect was called, and neither Disconnect nor Stop since
	again  bool        // Connect was called while a connection closed; loop goroutine only

	mu   sync.Mutex
	conn *TcpConnection
}

// NewTcpClient prepares a client; Connect starts it. cb must not change
// afterwards.
func NewTcpClient(loop *EventLoop, addr InetAddress, cb *Callbacks, opts ...ClientOption) *TcpClient {
	c := &TcpClient{loop: loop, cb: cb, opts: clientOptions{
		name: "client", retry: true, least: DefaultMinRetryDelay, most: DefaultMaxRetryDelay,
		timeout: DefaultConnectTimeout, marks: waterMarks{DefaultLowWater, DefaultHighWater, DefaultHardCap},
		linger: DefaultLinger, logger: loop.logger,
	}}
	for _, opt := range opts {
		opt(&c.opts)
	}
	c.shared = connShared{loop: loop, name: c.opts.name, logger: c.opts.logger,
		marks: c.opts.marks, linger: c.opts.linger, tls: c.opts.tls, client: true, gone: c.goneInLoop}
	c.connector = NewConnector(loop, addr, c.establishedInLoop, c.opts.failed)
	c.connector.retry, c.connector.timeout = c.opts.retry, c.opts.timeout
	c.connector.delay = Backoff{Least: c.opts.least, Most: max(c.opts.least, c.opts.most)}
	return c
}

// Connect begins to connect, and goes on trying; while a connection closes it waits
// for its end. It does nothing when there is a connection, or an attempt, already.
// Error: ErrLoopClosed.
func (c *TcpClient) Connect() error {
	c.wanted.Store(true)
	// Queued also on the loop: see Connector.Start.
	return c.loop.QueueInLoop(func() {
		conn := c.current()
		switch {
		case !c.wanted.Load():
		case conn == nil || conn.State() == Disconnected:
			c.connector.startInLoop()
		case conn.State() == Disconnecting:
			c.again = true
		}
	})
}

// Disconnect ends an attempt, or shuts the connection down in good order, and
// does not connect again until Connect; a Connect that follows before the loop has
// come to it takes it back. Error: ErrLoopClosed.
func (c *TcpClient) Disconnect() error { return c.end((*TcpConnection).Shutdown) }

// Stop is Disconnect that drops output which is not sent.
func (c *TcpClient) Stop() error { return c.end((*TcpConnection).ForceClose) }

func (c *TcpClient) end(how func(*TcpConnection)) error {
	c.wanted.Store(false)
	return c.loop.RunInLoop(func() {
		if c.wanted.Load() {
			return // Connect came in between
		}
		c.again = false
		c.connector.stopInLoop()
		switch conn := c.current(); {
		case conn == nil:
		case conn.State() == Connecting: // a TLS handshake is under way
			c.setConnection(nil) // so that its end is not a failure, should Connect follow at once
			conn.closeInLoop(nil)
		default:
			how(conn)
		}
	})
}

// Connection returns the connection, nil while there is none; one over TLS is there
// from the end of its handshake on.
func (c *TcpClient) Connection() *TcpConnection {
	if conn := c.current(); conn != nil && conn.State() != Connecting {
		return conn
	}
	return nil
}

func (c *TcpClient) current() *TcpConnection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

func (c *TcpClient) setConnection(conn *TcpConnection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
}

func (c *TcpClient) establishedInLoop(fd int) {
	if conn := c.current(); conn != nil && conn.State() != Disconnected {
		_ = closeFD(fd) // there is one already, and one is the promise
		return
	}
	c.nextID++
	c.since = c.loop.Now()
	conn := newTcpConnection(&c.shared, fd, c.nextID, Socket{fd}.PeerAddr(), c.cb)
	c.setConnection(conn)
	conn.establishInLoop()
}

// goneInLoop connects again where that is wanted. The delay goes on growing
// unless the connection lasted, so that a server which accepts and hangs up at
// once is not hammered.
func (c *TcpClient) goneInLoop(conn *TcpConnection) {
	if c.current() != conn {
		return // followed by another already
	}
	c.setConnection(nil)
	if !conn.flags.any(announced) && c.wanted.Load() && !c.again {
		c.connector.refusedInLoop(conn.Err())
		return
	}
	if c.again {
		c.again = false
		c.connector.startInLoop()
		return
	}
	if !c.opts.reconnect || !c.wanted.Load() {
		return
	}
	if c.loop.Now()-c.since >= c.opts.most {
		c.connector.delay.Reset()
	}
	c.connector.restartInLoop()
}
