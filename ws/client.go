package ws

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// Client is one WebSocket after another to the same server: a single one without
// WithReconnect. It owns its connection, and holds its loop until it has ended: by
// Close, or when its connection is lost, or closed, and not to be followed by
// another. Its methods are for any goroutine.
type Client struct {
	*side
	target target
	loop   loan
	ctx    context.Context // of the attempts after the first connection; ended by Close
	stop   context.CancelFunc
	done   chan struct{}

	delays reactor.Backoff // of whoever connects
	since  time.Duration   // when conn was opened, on the loop's clock; loop only

	mu          sync.Mutex
	conn        *Conn
	connections int
	goodbye     *CloseError // what Close was given
	parting     bool        // Close had come when the connection was lost; loop only
	err         error
}

// Dial opens a WebSocket to url, "ws://HOST[:PORT][/PATH][?QUERY]", or "wss:" for one
// over TLS (see WithTLSConfig), as RFC 6455 section 4.1 says, and has h served on the
// client's loop as an Endpoint's handler is. A user and password in the URL are sent
// as Basic credentials. It waits until h.OnOpen has returned; ctx bounds only that.
//
// The errors are ErrBadURL, ErrBadRequest and ErrProxy; *HandshakeError when the
// server or the proxy refused; the network's and those of TLS, such as
// *tls.CertificateVerificationError, wrapped; that of ctx; and reactor.ErrOnLoop on
// the client's loop. On any other loop it must not be called
// either.
//
// With WithReconnect, h.OnOpen runs for each connection: there one subscribes again.
// c.Client().Connections() is 1 for the first.
func Dial(ctx context.Context, url string, h Handler, opts ...DialOption) (*Client, error) {
	if h == nil {
		panic("ws: Dial without a Handler")
	}
	c, err := newClient(url, h, opts)
	if err != nil {
		return nil, err
	}
	if err := c.dialFirst(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// newClient prepares a client, which holds its loop from then on.
func newClient(url string, h Handler, opts []DialOption) (*Client, error) {
	conf := defaults()
	conf.dial = dialDefaults()
	for _, opt := range opts {
		opt.applyToDial(&conf)
	}
	t, err := parseTarget(url)
	if err != nil {
		return nil, err
	}
	t.secure(conf.dial.tls)
	c := &Client{side: newSide(conf, fromServer, h), target: t, done: make(chan struct{}), delays: conf.dial.backoff}
	c.side.client = c
	c.ctx, c.stop = context.WithCancel(context.Background())
	if conf.dial.loop != nil {
		c.loop.EventLoop = conf.dial.loop
	} else if c.loop, err = clientLoop.borrow(); err != nil {
		return nil, err
	}
	return c, nil
}

// dialFirst makes the first connection. An error is the client's end.
func (c *Client) dialFirst(ctx context.Context) error {
	err := error(reactor.ErrOnLoop)
	if !c.loop.IsInLoopThread() {
		err = c.connect(ctx, 0)
	}
	if err != nil {
		c.ended(err)
	}
	return err
}

// Conn is the connection, nil while there is none.
func (c *Client) Conn() *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// Connections is how many connections were opened, the current one included: 1 for
// the first.
func (c *Client) Connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connections
}

// Send is Conn.Send on the connection there is; without one it is ErrNotConnected,
// and nothing is kept for the next.
func (c *Client) Send(op Op, p []byte) error {
	if conn := c.Conn(); conn != nil {
		return conn.Send(op, p)
	}
	return ErrNotConnected
}

// SendPrepared is Conn.SendPrepared on the connection there is, as Send is.
func (c *Client) SendPrepared(m *Prepared) error {
	if conn := c.Conn(); conn != nil {
		return conn.SendPrepared(m)
	}
	return ErrNotConnected
}

// Close ends the client for good: its connection as Conn.Close does, else the attempt,
// or the wait for the next. It does not wait: Done does. The errors are ErrBadClose,
// and ErrClosed when the client was closed before or has ended.
func (c *Client) Close(code Code, reason string) error {
	if !closable(code, reason) {
		return fmt.Errorf("%w: %v %q", ErrBadClose, code, reason)
	}
	c.mu.Lock()
	if c.goodbye != nil || c.err != nil {
		c.mu.Unlock()
		return ErrClosed
	}
	c.goodbye = &CloseError{code, reason}
	conn := c.conn
	c.mu.Unlock()
	c.stop()
	if conn != nil {
		_ = conn.Close(code, reason) // refused by one that is about to end as it is
	}
	return nil
}

// Done is closed when the client has ended, after the last OnClose.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says how the client ended: the last connection's *CloseError, also after Close;
// the error of the attempt that was the last; ErrClosed when Close came between two
// connections. It is nil before.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// opened takes note of a connection, before its OnOpen. Loop goroutine only.
func (c *Client) opened(conn *Conn) {
	c.since = c.loop.Now()
	c.mu.Lock()
	c.conn = conn
	c.connections++
	c.mu.Unlock()
}

// parted takes note that the connection is over, before its OnClose: Close comes
// between two connections from then on. Loop goroutine only.
func (c *Client) parted() {
	c.mu.Lock()
	c.conn, c.parting = nil, c.goodbye != nil
	c.mu.Unlock()
}

// lost follows the end of a connection, after its OnClose. Loop goroutine only.
func (c *Client) lost(code Code, reason string) {
	if c.parting || !c.dial.reconnect || !code.leadsBack() {
		c.ended(&CloseError{code, reason})
		return
	}
	if c.loop.Now()-c.since >= c.delays.Most {
		c.delays.Reset()
	}
	go c.connectAgain()
}

// ended is the end, with no connection left. Any goroutine, once.
func (c *Client) ended(err error) {
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	c.stop()
	close(c.done)
	c.loop.letGo()
}
