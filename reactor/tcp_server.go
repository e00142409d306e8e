package reactor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// TcpServer accepts connections on a base loop and spreads them over a pool of
// loops. It owns its acceptors, its connections, and the pool that WithThreads
// makes; not the base loop. All methods may be called from any goroutine.
type TcpServer struct {
	base    *EventLoop
	pool    *EventLoopThreadPool
	ownPool bool
	cb      *Callbacks
	opts    serverOptions
	addr    InetAddress
	pending Socket // of the first acceptor, until Start knows its loop

	// lifecycle holds one token: whoever puts it in is in Start, or begins Shutdown.
	// mu is what loops take, and is never held while anything waits.
	lifecycle chan struct{}
	acceptors []*Acceptor

	mu     sync.Mutex
	phase  serverPhase
	shared map[*EventLoop]*connShared // its content is read-only once it is set
	empty  chan struct{}              // closed when the last connection of a closing server is gone

	nextID   atomic.Uint64
	count    atomic.Int64
	rejected atomic.Uint64
	refusing atomic.Bool // a listener could not be closed yet
}

type serverPhase uint8

const (
	serverNew serverPhase = iota
	serverRunning
	serverStopping // the listeners are being closed
	serverClosing  // no connection comes any more
)

// NewTcpServer binds and listens, so that an address in use is an error here;
// connections wait in the kernel until Start. cb must not change afterwards.
// Errors: those of socket(2), bind(2) and listen(2), wrapped.
func NewTcpServer(loop *EventLoop, addr InetAddress, cb *Callbacks, opts ...ServerOption) (*TcpServer, error) {
	s := &TcpServer{base: loop, cb: cb,
		empty: make(chan struct{}), lifecycle: make(chan struct{}, 1)}
	s.opts.apply(loop, opts)
	if addr.IsUnix() && s.opts.listen.reusePort {
		return nil, fmt.Errorf("reactor: listen on %v: SO_REUSEPORT does not spread Unix connections", addr)
	}
	socket, err := openListener(addr, s.opts.listen)
	if err != nil {
		return nil, fmt.Errorf("reactor: listen on %v: %w", addr, err)
	}
	s.pending, s.addr = socket, socket.LocalAddr()
	if s.pool = s.opts.pool; s.pool == nil {
		s.pool = NewEventLoopThreadPool(loop, s.opts.threads, WithLoopLogger(s.opts.logger))
		s.ownPool = true
	}
	return s, nil
}

// Addr returns the address that is listened on, with the port that the kernel
// chose for port 0.
func (s *TcpServer) Addr() InetAddress { return s.addr }

// ConnectionCount is how many connections there are, closing ones included.
func (s *TcpServer) ConnectionCount() int { return int(s.count.Load()) }

// Rejected is how many connections the bounds on their number have turned away.
func (s *TcpServer) Rejected() uint64 { return s.rejected.Load() }

// Start starts the server's own loops and accepts; it returns when it accepts, or,
// when the base loop does not run yet, at once: it then accepts from Loop on. After
// an error only Shutdown remains. Errors: ErrServerClosed after Shutdown, ErrOnLoop
// on a loop's goroutine, ErrLoopClosed, and those of starting loops.
func (s *TcpServer) Start() error {
	if s.base.IsInLoopThread() {
		return ErrOnLoop
	}
	s.lifecycle <- struct{}{}
	defer func() { <-s.lifecycle }()
	switch s.currentPhase() {
	case serverRunning:
		return nil
	case serverStopping, serverClosing:
		return ErrServerClosed
	}
	if err := s.startLoops(); err != nil {
		return err
	}
	if err := s.startAcceptors(); err != nil {
		err = errors.Join(err, s.closeAcceptors(context.Background(), s.acceptors))
		s.acceptors = nil
		s.setPhase(serverClosing)
		s.eachConnection(drain) // those that the first listeners let in
		s.signalEmpty()
		return errors.Join(err, s.stopPool())
	}
	s.setPhase(serverRunning)
	return nil
}

func (s *TcpServer) startLoops() error {
	if s.ownPool {
		if err := s.pool.Start(); err != nil {
			return err
		}
	}
	if len(s.pool.Loops()) == 0 {
		return errors.New("reactor: the server's pool was not started")
	}
	s.shareWithLoops()
	return nil
}

func (s *TcpServer) shareWithLoops() {
	shared := make(map[*EventLoop]*connShared)
	local := s.connectionAddr()
	for _, loop := range s.pool.Loops() {
		shared[loop] = &connShared{
			loop: loop, name: s.opts.name, logger: s.opts.logger,
			marks: s.opts.marks, linger: s.opts.linger, tls: s.opts.tls, gone: s.gone,
			preface: s.opts.preface, local: local,
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = shared
}

// connectionAddr is the local address that all connections have, unless the kernel is
// told to steer others here (bpf(2), sk_lookup). It is not valid where each may have
// another: behind a wildcard, and behind a listener that somebody else has opened,
// perhaps for any destination (IP_TRANSPARENT, ip(7)).
func (s *TcpServer) connectionAddr() InetAddress {
	if s.opts.listen.fd >= 0 || !s.addr.IsUnix() && s.addr.AddrPort().Addr().IsUnspecified() {
		return InetAddress{}
	}
	return s.addr
}

func (s *TcpServer) currentPhase() serverPhase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase
}

func (s *TcpServer) setPhase(phase serverPhase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phase
}

// startAcceptors opens one acceptor on the base loop, or with SO_REUSEPORT one on
// each loop, and has them listen.
func (s *TcpServer) startAcceptors() error {
	loops := []*EventLoop{s.base}
	if s.opts.listen.reusePort {
		loops = s.pool.Loops()
	}
	listen := s.opts.listen
	listen.fd, s.pending = s.pending.FD(), Socket{-1}
	for _, loop := range loops {
		accept := func(fd int, peer InetAddress) { s.accepted(loop, fd, peer) }
		a, err := newAcceptor(loop, s.addr, accept, listen, s.opts.logger)
		if err != nil {
			return err
		}
		s.acceptors = append(s.acceptors, a)
		listen.fd = -1
		if err := s.listen(a); err != nil {
			return err
		}
	}
	return nil
}

// listen has a accept. A base loop that does not run yet, as when its goroutine
// calls Start and then Loop, is not waited for.
func (s *TcpServer) listen(a *Acceptor) error {
	if a.loop.begun() {
		return onLoop(a.loop, a.Listen)
	}
	return a.loop.QueueInLoop(func() {
		if err := a.Listen(); err != nil && !errors.Is(err, ErrClosed) {
			s.opts.logger.Error("listening fails", "address", s.addr.String(), "error", err)
		}
	})
}

// onLoop runs f on loop and waits for its error.
func onLoop(loop *EventLoop, f func() error) error {
	result := make(chan error, 1)
	if err := loop.QueueInLoop(func() { result <- f() }); err != nil {
		return err
	}
	return <-result
}

// accepted gives a new connection to a loop. It runs on the acceptor's.
func (s *TcpServer) accepted(loop *EventLoop, fd int, peer InetAddress) {
	if !s.admit(peer) {
		_ = closeFD(fd)
		return
	}
	if !s.opts.listen.reusePort {
		loop = s.opts.pick(s.pool, peer)
	}
	s.pool.count(loop, 1)
	c := newTcpConnection(s.shared[loop], fd, s.nextID.Add(1), peer, s.cb)
	if loop.RunInLoop(c.establishInLoop) != nil {
		c.endUnannounced()
	}
}

// admit counts a connection, or turns it away.
func (s *TcpServer) admit(peer InetAddress) bool {
	if s.refusing.Load() {
		return false
	}
	for i, l := range s.opts.limits {
		if !l.take(peer) {
			releaseAll(s.opts.limits[:i], peer)
			s.rejected.Add(1)
			return false
		}
	}
	s.count.Add(1)
	return true
}

func releaseAll(limits []*ConnectionLimit, peer InetAddress) {
	for _, l := range limits {
		l.release(peer)
	}
}

// gone is the last thing that happens to a connection, on its loop.
func (s *TcpServer) gone(c *TcpConnection) {
	s.pool.count(c.Loop(), -1)
	releaseAll(s.opts.limits, c.peer)
	if s.count.Add(-1) == 0 {
		s.signalEmpty()
	}
}
