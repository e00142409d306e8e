package reactor

import (
	"log/slog"
	"time"
)

// ServerOption sets an option of NewTcpServer.
type ServerOption func(*serverOptions)

type serverOptions struct {
	name     string
	threads  int
	pool     *EventLoopThreadPool
	pick     func(*EventLoopThreadPool, InetAddress) *EventLoop
	listen   listenOptions
	maxConns int
	maxPerIP int
	limits   []*ConnectionLimit // the server's own is among them
	marks    waterMarks
	linger   time.Duration
	tls      *TLS
	preface  func(*TcpConnection, []byte) (int, error)
	logger   *slog.Logger
}

// DefaultKeepAlive is how long a TCP connection may be silent before the kernel
// probes whether the peer is still there.
const DefaultKeepAlive = 3 * time.Minute

func (o *serverOptions) apply(loop *EventLoop, opts []ServerOption) {
	*o = serverOptions{
		name:   "server",
		pick:   func(p *EventLoopThreadPool, _ InetAddress) *EventLoop { return p.NextLoop() },
		listen: listenOptions{backlog: DefaultBacklog, fd: -1, keepAlive: DefaultKeepAlive},
		marks:  waterMarks{DefaultLowWater, DefaultHighWater, DefaultHardCap},
		linger: DefaultLinger,
		logger: loop.logger,
	}
	for _, opt := range opts {
		opt(o)
	}
	if o.maxConns > 0 || o.maxPerIP > 0 {
		o.limits = append(o.limits, NewConnectionLimit(o.maxConns, o.maxPerIP))
	}
}

// WithName names the server in logs and in its connections' names.
func WithName(name string) ServerOption { return func(o *serverOptions) { o.name = name } }

// WithThreads gives the server n loops of its own for its connections; the base
// loop then only accepts. 0, the default: the base loop does everything.
func WithThreads(n int) ServerOption { return func(o *serverOptions) { o.threads = n } }

// WithPool spreads the connections over a pool that the caller starts before the
// server and stops after it; several servers may share one.
func WithPool(pool *EventLoopThreadPool) ServerOption {
	return func(o *serverOptions) { o.pool = pool }
}

// WithLeastConnections gives a new connection to the loop that has the fewest,
// instead of to the loops in turn.
func WithLeastConnections() ServerOption {
	return func(o *serverOptions) {
		o.pick = func(p *EventLoopThreadPool, _ InetAddress) *EventLoop { return p.LeastConnections() }
	}
}

// WithPeerHash gives all connections of one peer address to the same loop.
func WithPeerHash() ServerOption {
	return func(o *serverOptions) {
		o.pick = func(p *EventLoopThreadPool, peer InetAddress) *EventLoop {
			return p.LoopForHash(string(peer.AddrPort().Addr().AsSlice()))
		}
	}
}

// WithReusePort lets every loop listen and accept for itself (SO_REUSEPORT); the
// kernel spreads the connections. TCP only.
func WithReusePort() ServerOption { return func(o *serverOptions) { o.listen.reusePort = true } }

// WithBacklog sets how many connections may wait to be accepted. Default:
// DefaultBacklog.
func WithBacklog(n int) ServerOption { return func(o *serverOptions) { o.listen.backlog = n } }

// WithListenFD takes over a socket that already listens, instead of opening one:
// systemd's socket activation, or the server that this process replaces. A Unix
// socket's path then stays when the server closes.
func WithListenFD(fd int) ServerOption {
	return func(o *serverOptions) { o.listen.fd, o.listen.keepPath = fd, true }
}

// WithKeepAlive sets the kernel's keepalive probes; 0 switches them off. Default:
// DefaultKeepAlive.
func WithKeepAlive(d time.Duration) ServerOption {
	return func(o *serverOptions) { o.listen.keepAlive = d }
}

// WithMaxConnections bounds the connections of the server; further ones are
// closed as soon as they are accepted. 0, the default: no bound.
func WithMaxConnections(n int) ServerOption { return func(o *serverOptions) { o.maxConns = n } }

// WithMaxPerIP bounds the connections from one IP address likewise. Unix peers
// are not counted.
func WithMaxPerIP(n int) ServerOption { return func(o *serverOptions) { o.maxPerIP = n } }

// WithConnectionLimit bounds the connections of all servers together that are given
// the same limit, in addition to the bounds of each. Further ones are closed as soon
// as they are accepted. It can be given more than once: all bounds hold.
func WithConnectionLimit(limit *ConnectionLimit) ServerOption {
	return func(o *serverOptions) { o.limits = append(o.limits, limit) }
}

// WithWaterMarks bounds the unsent output of a connection, in bytes: above high
// reading pauses and HighWater is called, at low it resumes, and past hard the
// connection is closed with ErrOutputFull. Defaults: DefaultLowWater,
// DefaultHighWater, DefaultHardCap.
func WithWaterMarks(low, high, hard int) ServerOption {
	if low < 0 || low > high || high > hard {
		panic("reactor: water marks need 0 <= low <= high <= hard")
	}
	return func(o *serverOptions) { o.marks = waterMarks{low, high, hard} }
}

// WithLinger sets how long Shutdown waits for a peer that takes no output, and, up
// to 5 seconds, for one that sends no FIN. Default: DefaultLinger.
func WithLinger(d time.Duration) ServerOption { return func(o *serverOptions) { o.linger = d } }

// WithTLSPreface has f read what stands in front of TLS, such as the header of a
// load balancer. It is given what has arrived so far and returns the length of the
// preface; 0 while more is needed, and -1 where there is none. An error closes the
// connection. It comes before the Connection callback, within the time of the
// handshake, and may use SetContext. Loop goroutine. Without WithTLS it does nothing.
func WithTLSPreface(f func(c *TcpConnection, b []byte) (n int, err error)) ServerOption {
	return func(o *serverOptions) { o.preface = f }
}

// WithLogger sets where the server reports. Default: its base loop's logger; nil
// discards.
func WithLogger(logger *slog.Logger) ServerOption {
	return func(o *serverOptions) { o.logger = orDiscard(logger) }
}
