package gen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// batch is how many connections are being opened at once: fewer than any server's
// backlog.
const batch = 64

// client is one connection of the load, and what follows it in Churn.
type client struct {
	tcp     *reactor.TcpClient
	conn    *reactor.TcpConnection // nil while there is none
	since   time.Duration          // when what is due was asked, or should have been
	due     int                    // answers that have not come
	answers int                    // that have
	ready   bool                   // counted as open
	closing bool                   // of Churn: the answer is there

	at     int     // bytes of the answer's body that have come
	inBody bool    // of HTTP: the head is there
	frames *frames // of WebSocket; nil before the handshake's answer
}

// speaker is a protocol. Its methods are called on the loop.
type speaker interface {
	// greet is called when c is connected: r.opened, now or later, says that c can ask.
	greet(c *client) error
	// ask sends what is to be answered, and returns the number of answers.
	ask(c *client) (int, error)
	// take reads from what has come, and returns how many bytes it read and how many
	// answers ended there.
	take(c *client, b []byte) (n, answers int, err error)
}

// run is one job under way. All of it belongs to the loop, but for the channels, the
// methods that take a context, and what these set before they first queue.
type run struct {
	job      Job
	loop     *reactor.EventLoop
	addr     reactor.InetAddress
	options  []reactor.ClientOption
	speaker  speaker
	patience time.Duration
	origin   time.Time // of clock

	clients  []*client
	live     int // connections that are established
	target   int // of grow
	opening  int
	open     int           // that can ask
	grown    chan struct{} // closed when open is target
	gone     chan struct{} // closed when live is 0 after close
	answered func(c *client, n int, now time.Duration)

	load    // see load.go
	failed  chan struct{}
	failure error // before failed is closed
	closing bool
}

func newRun(loop *reactor.EventLoop, addr reactor.InetAddress, j Job, patience time.Duration) (*run, error) {
	r := &run{job: j, loop: loop, addr: addr, patience: patience, origin: time.Now(), failed: make(chan struct{}), gone: make(chan struct{})}
	r.options = []reactor.ClientOption{reactor.WithoutRetry(), reactor.WithClientLinger(patience),
		reactor.WithConnectFailed(func(err error, _ time.Duration) { r.fail(err) })}
	if j.TLS {
		config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
		r.options = append(r.options, reactor.WithClientTLS(&reactor.TLS{Config: config}))
	}
	if j.webSocket() {
		r.speaker = newSocket(r)
	} else {
		r.speaker = newRequests(r)
	}
	return r, r.prepareLoad()
}

// clock is the time since the run began.
func (r *run) clock() time.Duration { return time.Since(r.origin) }

// fail ends the job: the first error is its.
func (r *run) fail(err error) {
	if r.failure == nil && !r.closing {
		r.failure = err
		r.stopping = true
		close(r.failed)
	}
}

// wait is for done, and in the end for a failure, ctx or a time that is too long,
// of which what tells.
func (r *run) wait(ctx context.Context, done <-chan struct{}, long time.Duration, what func() error) error {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-r.failed:
		return r.failure
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	answer := make(chan error, 1)
	if err := r.loop.QueueInLoop(func() { answer <- what() }); err != nil {
		return err
	}
	return <-answer
}

// grow opens connections until there are n, each with its first exchange done where
// the job is of that sort.
func (r *run) grow(ctx context.Context, n int) error {
	grown := make(chan struct{})
	err := r.loop.QueueInLoop(func() {
		r.grown, r.target = grown, n
		r.answered = r.greeted
		r.openMore()
	})
	if err != nil {
		return err
	}
	for {
		before, now := 0, 0
		stuck := fmt.Errorf("no further connection in %v", r.patience)
		if err := r.loop.QueueInLoop(func() { before = r.open }); err != nil {
			return err
		}
		err := r.wait(ctx, grown, r.patience, func() error { now = r.open; return stuck })
		if err != stuck || now == before {
			return err
		}
	}
}

func (r *run) openMore() {
	for r.opening < batch && len(r.clients) < r.target && r.failure == nil {
		r.opening++
		c := r.newClient()
		r.clients = append(r.clients, c)
		if err := c.tcp.Connect(); err != nil {
			r.fail(err)
		}
	}
	if r.open == r.target && r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
}

func (r *run) newClient() *client {
	c := &client{}
	c.tcp = reactor.NewTcpClient(r.loop, r.addr, &reactor.Callbacks{
		Connection: func(conn *reactor.TcpConnection) {
			if conn.Connected() {
				r.up(c, conn)
			} else {
				r.down(c, conn.Err())
			}
		},
		Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) { r.message(c, in) },
	}, r.options...)
	return c
}

func (r *run) up(c *client, conn *reactor.TcpConnection) {
	c.conn = conn
	r.live++
	if r.closing {
		r.drop(c)
		return
	}
	if err := r.speaker.greet(c); err != nil {
		r.fail(err)
	}
}

// opened is what a speaker says when c can ask.
func (r *run) opened(c *client) {
	if r.job.Kind == Churn || r.job.greets() {
		r.ask(c, c.sinceOr(r.clock()))
		return
	}
	r.greeted(c, 0, 0)
}

// sinceOr is when Churn began to connect, and else now.
func (c *client) sinceOr(now time.Duration) time.Duration {
	if c.since > 0 {
		return c.since
	}
	return now
}

// greeted is the end of the first exchange.
func (r *run) greeted(c *client, _ int, _ time.Duration) {
	if !c.ready && c.due == 0 {
		c.ready = true
		r.opening--
		r.open++
		r.openMore()
	}
}

// ask has c ask what is due since then.
func (r *run) ask(c *client, since time.Duration) {
	n, err := r.speaker.ask(c)
	if err != nil {
		r.fail(err)
		return
	}
	c.since = since
	c.due += n
	r.outstanding += n
}

func (r *run) message(c *client, in *reactor.Buffer) {
	if r.failure != nil || r.closing {
		in.RetrieveAll()
		return
	}
	n, answers, err := r.speaker.take(c, in.Peek())
	in.Retrieve(n)
	if err != nil {
		r.fail(err)
		return
	}
	if answers > 0 {
		c.answers += answers
		c.due -= answers
		r.outstanding -= answers
		r.answered(c, answers, r.clock())
	}
}

var errLost = errors.New("the server closed a connection")

func (r *run) down(c *client, err error) {
	c.conn = nil
	r.live--
	switch {
	case r.closing:
		r.checkGone()
	case c.closing && !errors.Is(err, reactor.ErrLinger):
		r.churned(c)
	case err != nil:
		r.fail(fmt.Errorf("%w: %w", errLost, err))
	default:
		r.fail(errLost)
	}
}

// close resets all connections, so that none is left in TIME_WAIT, where ten
// thousand of them would use up the ports.
func (r *run) close() error {
	err := r.loop.QueueInLoop(func() {
		r.closing, r.stopping = true, true
		for _, c := range r.clients {
			if c.conn != nil {
				r.drop(c)
			} else if err := c.tcp.Stop(); err != nil {
				r.fail(err)
			}
		}
		r.checkGone()
	})
	if err != nil {
		return err
	}
	<-r.gone
	return nil
}

func (r *run) checkGone() {
	if r.live == 0 {
		select {
		case <-r.gone:
		default:
			close(r.gone)
		}
	}
}

// drop closes one with a reset. A socket that refuses the option is closed in the
// ordinary way.
func (r *run) drop(c *client) {
	_ = unix.SetsockoptLinger(c.conn.Socket().FD(), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	c.conn.ForceClose()
}
