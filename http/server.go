package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// Server answers HTTP/1.0 and HTTP/1.1 on a set of event loops. Set its fields, Listen on one address or more, Start, and
// in the end Shutdown. The fields must not change after Start; the methods may be called from any goroutine, Shutdown from
// any but the loops'.
//
// Durations: 0 means the default, a negative one none at all.
type Server struct {
	Handler Handler // required, unless SetSites was called
	Limits  Limits

	// HeaderTimeout bounds a request's head, from its first byte to its last: then 408. Default 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is how long a body may pause: then 408. Default 30 s.
	BodyTimeout time.Duration
	// MinBodyRate is the least bytes a second that a body must come with, on the average and beyond BodyTimeout: below it
	// 408. Default 240; a negative rate is none.
	MinBodyRate int
	// IdleTimeout is how long a connection may wait for the first byte of its next request: then it is closed. Default 75 s.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take no byte of an answer, and how long it may keep the connection open behind
	// the last: then the connection is cut. Default 30 s.
	WriteTimeout time.Duration
	// MinWriteRate is the least bytes a second that a client must take of what waits for it, on the average over
	// WriteTimeout: below it the connection is cut. Default 240; a negative rate is none. A Unix socket has none.
	MinWriteRate int
	// MaxConnections bounds the connections of all listeners together: further ones are closed as soon as they are accepted.
	// Default: what RLIMIT_NOFILE leaves when an eighth of it, at most 256, is kept for files and the like; negative: no bound.
	// The first Listen reads it.
	MaxConnections int
	// MaxConnectionsPerIP bounds those of one IP address likewise. Default none, because a proxy in front is one address.
	MaxConnectionsPerIP int

	// Loops is how many event loops serve connections. Default GOMAXPROCS. With 1 it accepts as well, with more a further
	// loop does.
	Loops int
	// LoopOptions go to each of the loops.
	LoopOptions []reactor.LoopOption
	// ListenOptions go to each listener, for example further bounds on its connections: reactor.WithMaxConnections.
	ListenOptions []reactor.ServerOption

	// TLS secures the addresses that ListenTLS binds: certificates, versions, client certificates (tls.Config.ClientAuth), how
	// long a handshake may take and how many may be under way. The first ListenTLS puts a copy into the place of its Config, in
	// which the protocols are those that this server speaks, http/1.1 and never h2. Where they are nil, its Refuse becomes one
	// that answers plain HTTP by 400 and a hint, and its Failed one that logs (Debug).
	TLS *reactor.TLS

	// Logger hears of handlers that panic or fail (Error), of what the reactor reports, and of requests that were refused
	// (Debug). Default slog.Default().
	Logger *slog.Logger
	// Refused hears of each request that was answered by an error, and its connection closed, before a handler could see
	// it: what cannot be parsed, passes a limit, or does not come in time. It runs on the connection's loop, so it must not
	// block. nil: nobody does.
	Refused func(remote reactor.InetAddress, e *Error)
	// ErrorHandler answers for an error that a handler has returned, or that kept the request from one. When it answers nothing,
	// or returns an error, one line of text is sent. Default TextErrors; that of an App is ProblemErrors.
	//
	// It runs in the goroutine that the handler of the route runs in. It runs on the connection's loop, where it must not block
	// (Ctx.Inline says so), for a Server's Handler and for Inline routes; for what is refused before a handler could run: what
	// cannot be parsed, or does not come in time; and for the 404 and 405 of an App without middleware. So it should not
	// block at all.
	ErrorHandler func(c *Ctx, e *Error) error
	// Name is the value of the Server header line. Default "carillon"; "-" sends none.
	Name string

	mu        sync.Mutex
	phase     serverPhase
	draining  atomic.Bool
	retire    atomic.Int64              // how long connections may still wait for a request while it is, in nanoseconds
	retireBy  atomic.Pointer[time.Time] // when the server has to have ended; nil for no such time
	find      func(x *exchange) *Route  // an App's; nil where Handler is all there is
	sites     atomic.Pointer[Sites]     // nil where nobody has set any
	base      *reactor.EventLoopThread
	pool      *reactor.EventLoopThreadPool
	workers   map[*reactor.EventLoop]*worker // read-only once the first connection can come
	listeners []*reactor.TcpServer
	limit     *reactor.ConnectionLimit // of all listeners
	secured   bool                     // TLS is ready
}

type serverPhase uint8

const (
	serverNew serverPhase = iota
	serverStarted
	serverClosed
)

const defaultName = "carillon"

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}

func (s *Server) name() string {
	if s.Name == "" {
		return defaultName
	}
	return s.Name
}

// Listen binds addr, as reactor.ParseInetAddress reads it, and returns the address with the port that was chosen for 0.
// From here on the kernel accepts connections; they are served from Start on. Errors: those of parsing, ErrServerStarted,
// ErrServerClosed, and those of the system, such as syscall.EADDRINUSE, wrapped.
func (s *Server) Listen(addr string, options ...ListenOption) (reactor.InetAddress, error) {
	return s.listen(addr, false, options)
}

func (s *Server) listen(addr string, secure bool, options []ListenOption) (reactor.InetAddress, error) {
	parsed, err := reactor.ParseInetAddress(addr)
	if err != nil {
		return reactor.InetAddress{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeNew(); err != nil {
		return reactor.InetAddress{}, err
	}
	base, err := s.prepare()
	if err != nil {
		return reactor.InetAddress{}, err
	}
	var listen listenOptions
	for _, set := range options {
		set(&listen)
	}
	opts := []reactor.ServerOption{reactor.WithPool(s.pool), reactor.WithLogger(s.logger()), reactor.WithName("http")}
	if write := s.timeouts().write; write > 0 {
		opts = append(opts, reactor.WithLinger(write))
	}
	if s.limit == nil {
		s.limit = s.connectionLimit()
	}
	opts = append(opts, reactor.WithConnectionLimit(s.limit))
	if secure {
		if err := s.prepareTLS(); err != nil {
			return reactor.InetAddress{}, err
		}
		opts = append(opts, reactor.WithTLS(s.TLS))
	}
	callbacks := s.callbacksFor(&listen, secure)
	opts = append(append(opts, s.ListenOptions...), listen.reactor...)
	l, err := reactor.NewTcpServer(base, parsed, callbacks, opts...)
	if err != nil {
		return reactor.InetAddress{}, err
	}
	s.listeners = append(s.listeners, l)
	return l.Addr(), nil
}

// connectionLimit is what MaxConnections and MaxConnectionsPerIP say.
func (s *Server) connectionLimit() *reactor.ConnectionLimit {
	most := s.MaxConnections
	if most == 0 {
		var limit unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < 1<<30 {
			most = max(int(limit.Cur-min(limit.Cur/8, 256)), 1)
		}
	}
	return reactor.NewConnectionLimit(most, s.MaxConnectionsPerIP)
}

func (s *Server) mustBeNew() error {
	switch s.phase {
	case serverStarted:
		return ErrServerStarted
	case serverClosed:
		return ErrServerClosed
	}
	return nil
}

// prepare starts the base loop, which the listeners need from the beginning, and lays out the pool.
func (s *Server) prepare() (*reactor.EventLoop, error) {
	opts := append([]reactor.LoopOption{reactor.WithLoopLogger(s.logger())}, s.LoopOptions...)
	if s.base == nil {
		s.base = reactor.NewEventLoopThread(append([]reactor.LoopOption{reactor.WithLoopName("base")}, opts...)...)
	}
	base, err := s.base.StartLoop()
	if err != nil || s.pool != nil {
		return base, err
	}
	n := s.Loops
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	if n == 1 {
		n = 0 // the base loop serves
	}
	s.pool = reactor.NewEventLoopThreadPool(base, n, opts...)
	return base, nil
}

// Start starts the loops and serves; it returns when connections are accepted. Errors: no Handler, nothing listened on,
// ErrServerStarted, ErrServerClosed, and those of the loops. After an error only Shutdown remains.
func (s *Server) Start() error {
	if err := s.startLoops(); err != nil {
		return err
	}
	// Without the lock: connections of one listener are served before the next listens, and a handler may take it.
	for _, l := range s.listeners {
		if err := l.Start(); err != nil {
			return err
		}
	}
	return nil
}

// startLoops checks what the server was given and makes everything ready for the first connection. From then on the
// listeners and workers are not changed any more.
func (s *Server) startLoops() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeNew(); err != nil {
		return err
	}
	if s.Handler == nil && s.find == nil && s.sites.Load() == nil {
		return errors.New("http: start a server: no Handler")
	}
	if !isText(s.Name) {
		return fmt.Errorf("http: start a server: %w: Name %q", ErrBadHeader, s.Name)
	}
	if len(s.listeners) == 0 {
		return errors.New("http: start a server: no address to listen on")
	}
	s.phase = serverStarted
	if s.find == nil && s.Handler != nil {
		only := &Route{chain: s.Handler, inline: true, maxBody: s.Limits.filled().MaxBody}
		s.find = func(*exchange) *Route { return only }
	}
	if err := s.pool.Start(); err != nil {
		return err
	}
	s.workers = make(map[*reactor.EventLoop]*worker)
	for _, loop := range s.pool.Loops() {
		s.workers[loop] = newWorker(s, loop)
	}
	return nil
}

// ConnectionCount is how many connections there are, upgraded and closing ones included.
func (s *Server) ConnectionCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.listeners {
		n += l.ConnectionCount()
	}
	return n
}

// stopGrace is how long Shutdown, when its context has ended, waits for loops that a handler may be holding.
const stopGrace = time.Second

// Shutdown stops listening, closes idle connections, has requests that have begun answered, and ends the loops. When ctx
// ends before, it cuts the connections that are left and returns ctx's error; it returns also when a handler holds its
// loop for ever. A server that was never started is freed as well. A second call returns ErrServerClosed.
func (s *Server) Shutdown(ctx context.Context) error { return s.Retire(ctx, 0) }

// Retire is Shutdown for a server whose place another takes, on the same listeners. A client cannot know that a connection on which
// it sends its next request is just being closed, and would count that request as lost. So connections that wait for a
// request are left open for idle; the answer to what they bring says that it is the last. So it is with connections whose answer
// had begun before, and could not say so.
func (s *Server) Retire(ctx context.Context, idle time.Duration) error {
	s.mu.Lock()
	if s.phase == serverClosed {
		s.mu.Unlock()
		return ErrServerClosed
	}
	for loop := range s.workers {
		if loop.IsInLoopThread() {
			s.mu.Unlock()
			return reactor.ErrOnLoop
		}
	}
	s.phase = serverClosed
	s.retire.Store(int64(idle))
	if by, ok := ctx.Deadline(); ok {
		s.retireBy.Store(&by)
	}
	s.draining.Store(true)
	listeners := s.listeners
	s.mu.Unlock()

	errs := make([]error, len(listeners)+1)
	var wg sync.WaitGroup
	for i, l := range listeners {
		wg.Go(func() { errs[i] = l.Shutdown(ctx) })
	}
	wg.Wait()
	for _, w := range s.workers {
		_ = w.loop.QueueInLoop(w.dismiss) // in front of Quit, so that it runs
	}
	errs[len(listeners)] = s.stopLoops(ctx)
	return errors.Join(errs...)
}

func (s *Server) stopLoops(ctx context.Context) error {
	if s.base == nil {
		return nil
	}
	stopped := make(chan error, 1)
	go func() { stopped <- errors.Join(s.pool.Stop(), s.base.Stop()) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case err := <-stopped:
		return err
	case <-grace.C:
		return fmt.Errorf("http: shutdown: a handler holds its loop: %w", ctx.Err())
	}
}
