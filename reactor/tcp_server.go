package reactor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
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

	// lifecycle serialises Start and Shutdown, and is held while they wait for
	// loops; mu is what loops take, and is never held while anything waits.
	lifecycle sync.Mutex
	acceptors []*Acceptor

	mu     sync.Mutex
	phase  serverPhase
	shared map[*EventLoop]*connShared // its content is read-only once it is set
	perIP  map[netip.Addr]int
	empty  chan struct{} // closed when the last connection of a closing server is gone

	nextID   atomic.Uint64
	count    atomic.Int64
	rejected atomic.Uint64
	refusing atomic.Bool // a listener could not be closed yet
}

type serverPhase uint8

const (
	serverNew serverPhase = iota
	serverRunning
	serverClosing
)

// shutdownGrace is how long Shutdown, when its context has ended, still waits for
// forced closes and for loops to quit before it gives up on a callback that never
// returns.
const shutdownGrace = time.Second

// NewTcpServer binds and listens, so that an address in use is an error here;
// connections wait in the kernel until Start. cb must not change afterwards.
// Errors: those of socket(2), bind(2) and listen(2), wrapped.
func NewTcpServer(loop *EventLoop, addr InetAddress, cb *Callbacks, opts ...ServerOption) (*TcpServer, error) {
	s := &TcpServer{base: loop, cb: cb, perIP: make(map[netip.Addr]int), empty: make(chan struct{})}
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
// when the base loop does not run yet, at once: it then accepts from Loop on. Errors: ErrServerClosed after Shutdown, ErrOnLoop on a
// loop's goroutine, ErrLoopClosed, and those of starting loops.
func (s *TcpServer) Start() error {
	if s.base.IsInLoopThread() {
		return ErrOnLoop
	}
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	switch s.currentPhase() {
	case serverRunning:
		return nil
	case serverClosing:
		return ErrServerClosed
	}
	if s.ownPool {
		if err := s.pool.Start(); err != nil {
			return err
		}
	}
	if len(s.pool.Loops()) == 0 {
		return errors.New("reactor: the server's pool was not started")
	}
	s.shareWithLoops()
	if err := s.startAcceptors(); err != nil {
		return errors.Join(err, s.closeAcceptors(context.Background()), s.stopPool())
	}
	s.setPhase(serverRunning)
	return nil
}

func (s *TcpServer) shareWithLoops() {
	shared := make(map[*EventLoop]*connShared)
	for _, loop := range s.pool.Loops() {
		shared[loop] = &connShared{
			loop: loop, name: s.opts.name, logger: s.opts.logger,
			marks: s.opts.marks, linger: s.opts.linger, gone: s.gone,
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = shared
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
		if err := a.Listen(); err != nil {
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
	if n := s.count.Add(1); s.opts.maxConns > 0 && n > int64(s.opts.maxConns) {
		s.count.Add(-1)
		s.rejected.Add(1)
		return false
	}
	if s.opts.maxPerIP <= 0 || peer.IsUnix() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ip := peer.AddrPort().Addr()
	if s.perIP[ip] >= s.opts.maxPerIP {
		s.count.Add(-1)
		s.rejected.Add(1)
		return false
	}
	s.perIP[ip]++
	return true
}

// gone is the last thing that happens to a connection, on its loop.
func (s *TcpServer) gone(c *TcpConnection) {
	s.pool.count(c.Loop(), -1)
	if s.opts.maxPerIP > 0 && !c.peer.IsUnix() {
		s.mu.Lock()
		ip := c.peer.AddrPort().Addr()
		if s.perIP[ip]--; s.perIP[ip] == 0 {
			delete(s.perIP, ip)
		}
		s.mu.Unlock()
	}
	if s.count.Add(-1) == 0 {
		s.signalEmpty()
	}
}

// signalEmpty tells Shutdown that no connection is left.
func (s *TcpServer) signalEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != serverClosing || s.count.Load() != 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}

// Shutdown stops accepting, has every connection finish by its Drain callback (or
// Shutdown), waits until all are gone, and stops the server's own loops. When ctx
// ends first the connections that are left are closed by force, and ctx's error
// is returned. It ends even where a callback never returns. A second call waits
// for the connections like the first. Error: ErrOnLoop on one of the server's
// loops.
func (s *TcpServer) Shutdown(ctx context.Context) error {
	if s.onOwnLoop() {
		return ErrOnLoop
	}
	errs, first := s.stopAccepting(ctx)
	s.signalEmpty()
	if !cameInTime(ctx, s.empty) {
		errs = append(errs, ctx.Err())
		s.eachConnection(func(c *TcpConnection) { c.closeInLoop(ctx.Err()) })
		waitUpTo(shutdownGrace, s.empty)
	}
	if first {
		errs = append(errs, s.stopPool())
	}
	return errors.Join(errs...)
}

// stopAccepting closes the listeners and has the connections drain. first is
// whether this call, rather than an earlier one, ended the server.
func (s *TcpServer) stopAccepting(ctx context.Context) (errs []error, first bool) {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	before := s.currentPhase()
	if before == serverClosing {
		return nil, false
	}
	errs = append(errs, s.closePending(), s.closeAcceptors(ctx))
	s.setPhase(serverClosing)
	s.eachConnection(drain)
	return errs, before == serverRunning
}

func (s *TcpServer) onOwnLoop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for loop := range s.shared {
		if loop.IsInLoopThread() {
			return true
		}
	}
	return s.base.IsInLoopThread()
}

// drain asks a connection to finish, unless it is at its end already.
func drain(c *TcpConnection) {
	switch {
	case !c.Connected():
	case c.cb.Drain != nil:
		c.cb.Drain(c)
	default:
		c.Shutdown()
	}
}

// eachConnection runs f for every connection, on its loop, soon.
func (s *TcpServer) eachConnection(f func(*TcpConnection)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for loop, shared := range s.shared {
		// A loop that has quit has closed its connections.
		_ = loop.QueueInLoop(func() {
			for _, c := range slices.Clone(loop.conns) {
				if c.shared == shared {
					f(c)
				}
			}
		})
	}
}

// closePending closes the listener of a server that was never started.
func (s *TcpServer) closePending() error {
	if s.pending.FD() < 0 {
		return nil
	}
	socket := s.pending
	s.pending = Socket{-1}
	return closeListener(socket, s.addr, s.opts.listen)
}

// closeAcceptors closes the listeners, each on its loop: afterwards every
// connection that was accepted is known to its loop, or queued to be. A loop that a
// callback holds is waited for until ctx has ended and the grace is over; it closes
// its listener when the callback returns, and admits nobody until then.
func (s *TcpServer) closeAcceptors(ctx context.Context) error {
	results := make(chan error, len(s.acceptors))
	for _, a := range s.acceptors {
		if a.loop.QueueInLoop(func() { results <- a.Close() }) != nil {
			go func() {
				if a.loop.begun() {
					<-a.loop.ended // it may still be in its last round
				}
				results <- a.Close()
			}()
		}
	}
	var errs []error
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for range cap(results) {
			errs = append(errs, <-results)
		}
	}()
	s.acceptors = nil
	if !cameInTime(ctx, closed) && !waitUpTo(shutdownGrace, closed) {
		s.refusing.Store(true)
		return s.heldError()
	}
	return errors.Join(errs...)
}

func (s *TcpServer) heldError() error {
	return fmt.Errorf("reactor: %w: a loop of %q is held by a callback", context.DeadlineExceeded, s.opts.name)
}

// stopPool stops the server's own loops, without waiting longer than the grace
// for one that is held by a callback.
func (s *TcpServer) stopPool() error {
	if !s.ownPool {
		return nil
	}
	var err error
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		err = s.pool.Stop()
	}()
	if !waitUpTo(shutdownGrace, stopped) {
		return s.heldError()
	}
	return err
}

// cameInTime waits for done, and reports whether it came before ctx had ended. When
// both have, done counts.
func cameInTime(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return waitUpTo(0, done)
	}
}

// waitUpTo waits for done, and reports whether it came within d.
func waitUpTo(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
