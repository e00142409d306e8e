package reactor

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Connector makes one connection at a time to an address, and tries again, after
// growing, jittered, capped delays, until it is established or stopped. It owns
// the socket until it hands the fd over. It belongs to one loop; Start and Stop
// may be called from any goroutine.
type Connector struct {
	loop        *EventLoop
	addr        InetAddress
	established func(fd int)
	failed      func(err error, retryIn time.Duration)
	timeout     time.Duration
	retry       bool
	delay       Backoff

	wanted  atomic.Bool // Start was called, and Stop not since
	state   connectorState
	socket  Socket
	channel *Channel
	timer   TimerID // of the attempt, or of the wait for the next
}

type connectorState uint8

const (
	connectorIdle connectorState = iota
	connectorConnecting
	connectorWaiting // for the next attempt
)

// Defaults of Connector and TcpClient.
const (
	DefaultMinRetryDelay  = 500 * time.Millisecond
	DefaultMaxRetryDelay  = 30 * time.Second
	DefaultConnectTimeout = 10 * time.Second
)

// NewConnector prepares a connector that retries with the default delays.
// established is called on the loop with the fd, which is then the callee's own.
// failed, which may be nil, is called on the loop after each attempt that failed,
// with the time to the next.
func NewConnector(loop *EventLoop, addr InetAddress, established func(fd int), failed func(err error, retryIn time.Duration)) *Connector {
	return &Connector{
		loop: loop, addr: addr, established: established, failed: failed,
		timeout: DefaultConnectTimeout, retry: true,
		delay: Backoff{Least: DefaultMinRetryDelay, Most: DefaultMaxRetryDelay},
	}
}

// Start begins to connect; it does nothing while an attempt, or the wait for one,
// is under way. Error: ErrLoopClosed.
func (c *Connector) Start() error {
	c.wanted.Store(true)
	// Queued also on the loop: a callback that starts again, after an attempt that
	// ended at once, would otherwise call itself.
	return c.loop.QueueInLoop(func() {
		if c.wanted.Load() {
			c.startInLoop()
		}
	})
}

// Stop ends the attempt, or the wait for the next. A connection that was handed
// over is not touched; one that is established at this moment may still be.
// Called on the loop, no callback comes after it. Error: ErrLoopClosed.
func (c *Connector) Stop() error {
	c.wanted.Store(false)
	return c.loop.RunInLoop(c.stopInLoop)
}

func (c *Connector) startInLoop() {
	if c.state == connectorIdle && !c.loop.finishing {
		c.connectInLoop()
	}
}

func (c *Connector) stopInLoop() {
	c.loop.Cancel(c.timer)
	if c.state == connectorConnecting {
		c.abandon()
	}
	c.state = connectorIdle
	c.delay.Reset()
}

// restartInLoop connects again after a delay that goes on growing.
func (c *Connector) restartInLoop() {
	if c.state == connectorIdle && !c.loop.finishing {
		c.waitInLoop(c.delay.Next())
	}
}

func (c *Connector) connectInLoop() {
	socket, err := NewStreamSocket(c.addr)
	if err != nil {
		c.failInLoop(err)
		return
	}
	c.socket, c.channel, c.state = socket, nil, connectorConnecting
	c.loop.attempts[c] = struct{}{} // which closes the socket when the loop ends
	err = socket.Connect(c.addr)
	switch {
	case err == nil:
		c.finishInLoop()
	case errors.Is(err, unix.EINPROGRESS):
		c.awaitInLoop()
	default:
		c.abandon()
		c.failInLoop(err)
	}
}

// awaitInLoop waits until the socket becomes writable, which ends the attempt.
func (c *Connector) awaitInLoop() {
	c.channel = NewChannel(c.loop, c.socket.FD(), c)
	if err := c.channel.EnableWriting(); err != nil {
		c.abandon()
		c.failInLoop(err)
		return
	}
	c.timer = c.loop.RunAfter(c.timeout, func() {
		c.abandon()
		c.failInLoop(os.NewSyscallError("connect", unix.ETIMEDOUT))
	})
}

// HandleWrite implements EventHandler: the attempt has ended, one way or the other.
func (c *Connector) HandleWrite() {
	if c.state == connectorConnecting {
		c.finishInLoop()
	}
}

// HandleError implements EventHandler, like HandleWrite.
func (c *Connector) HandleError() { c.HandleWrite() }

// HandleRead implements EventHandler. Reading is never enabled.
func (c *Connector) HandleRead() {}

// HandleClose implements EventHandler, like HandleWrite.
func (c *Connector) HandleClose() { c.HandleWrite() }

// finishInLoop looks at how the attempt ended and hands the fd over.
func (c *Connector) finishInLoop() {
	c.loop.Cancel(c.timer)
	if err := c.verify(); err != nil {
		c.abandon()
		c.failInLoop(err)
		return
	}
	if c.channel != nil {
		if err := c.channel.Remove(); err != nil {
			c.abandon()
			c.failInLoop(err)
			return
		}
	}
	fd := c.socket.FD()
	c.state, c.channel, c.socket = connectorIdle, nil, Socket{-1}
	delete(c.loop.attempts, c)
	c.established(fd)
}

func (c *Connector) verify() error {
	if err := c.socket.TakeError(); err != nil {
		return os.NewSyscallError("connect", err)
	}
	if c.addr.IsUnix() {
		return nil
	}
	if c.socket.LocalAddr() == c.socket.PeerAddr() {
		return ErrSelfConnect
	}
	return errors.Join(c.socket.SetTCPNoDelay(true), c.socket.SetKeepAlive(DefaultKeepAlive))
}

// abandon closes the socket of an attempt.
func (c *Connector) abandon() {
	if c.channel != nil {
		_ = c.channel.Remove() // the fd is closed next
	}
	_ = c.socket.Close()
	c.channel, c.socket, c.state = nil, Socket{-1}, connectorIdle
	delete(c.loop.attempts, c)
}

// refusedInLoop is the end of an attempt that was established and then failed, in
// its TLS handshake.
func (c *Connector) refusedInLoop(err error) {
	if c.state == connectorIdle && !c.loop.finishing {
		c.failInLoop(err)
	}
}

func (c *Connector) failInLoop(err error) {
	c.state = connectorIdle
	err = fmt.Errorf("reactor: connect to %v: %w", c.addr, err)
	delay := time.Duration(0)
	if c.retry {
		delay = c.delay.Next()
		c.waitInLoop(delay)
	}
	if c.failed != nil {
		c.failed(err, delay)
	}
}

func (c *Connector) waitInLoop(delay time.Duration) {
	c.state = connectorWaiting
	c.timer = c.loop.RunAfter(delay, c.connectInLoop)
}
