package reactor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// shutdownGrace is how long Shutdown, when its context has ended, still waits for
// forced closes and for loops to quit before it gives up on a callback that never
// returns.
const shutdownGrace = time.Second

// Shutdown stops accepting, has every connection finish by its Drain callback (or
// Shutdown), waits until all are gone, and stops the server's own loops. When ctx
// ends first the connections that are left are closed by force, and ctx's error
// is returned. It ends even where a callback never returns. A further call, also
// while another waits, waits for the connections as long as its own ctx allows, and
// then closes them by force. Error: ErrOnLoop on one of the server's loops.
func (s *TcpServer) Shutdown(ctx context.Context) error {
	if s.onOwnLoop() {
		return ErrOnLoop
	}
	before, acceptors, err := s.beginShutdown(ctx)
	if err != nil {
		return err
	}
	var errs []error
	if before < serverStopping {
		errs = append(errs, s.closePending(), s.closeAcceptors(ctx, acceptors))
		s.setPhase(serverClosing)
		s.eachConnection(drain)
		s.signalEmpty()
	}
	if !cameInTime(ctx, s.empty) {
		errs = append(errs, ctx.Err())
		s.refusing.Store(true)
		s.eachConnection(func(c *TcpConnection) { c.closeInLoop(ctx.Err()) })
		waitUpTo(shutdownGrace, s.empty)
	}
	if before == serverRunning {
		errs = append(errs, s.stopPool())
	}
	return errors.Join(errs...)
}

// beginShutdown takes the acceptors from a server that is not being shut down yet.
// It waits for a Start that is under way as long as ctx allows.
func (s *TcpServer) beginShutdown(ctx context.Context) (before serverPhase, acceptors []*Acceptor, err error) {
	select {
	case s.lifecycle <- struct{}{}:
	default:
		select {
		case s.lifecycle <- struct{}{}:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	defer func() { <-s.lifecycle }()
	if before = s.currentPhase(); before < serverStopping {
		acceptors, s.acceptors = s.acceptors, nil
		s.setPhase(serverStopping)
	}
	return before, acceptors, nil
}

// signalEmpty tells those who wait in Shutdown that no connection is left, once no
// more can come.
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

// drain asks a connection to finish, unless it is at its end already. One whose TLS
// handshake is under way was accepted, and its peer is about to ask for something: it
// is asked when that is through, which must be soon.
func drain(c *TcpConnection) {
	switch {
	case c.State() == Connecting:
		c.flags.set(drainsLater)
		c.tls().handshake.hurry()
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
func (s *TcpServer) closeAcceptors(ctx context.Context, acceptors []*Acceptor) error {
	results := make(chan error, len(acceptors))
	for _, a := range acceptors {
		closeAcceptor(a, results)
	}
	var errs []error
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for range acceptors {
			errs = append(errs, <-results)
		}
	}()
	if !cameInTime(ctx, closed) && !waitUpTo(shutdownGrace, closed) {
		s.refusing.Store(true)
		return s.heldError()
	}
	return errors.Join(errs...)
}

// closeAcceptor closes a where nothing else can be using it: before its loop
// begins, on the loop, or when that has ended.
func closeAcceptor(a *Acceptor, result chan<- error) {
	if a.loop.unlessBegun(func() { result <- a.Close() }) {
		return
	}
	if a.loop.QueueInLoop(func() { result <- a.Close() }) != nil {
		go func() {
			<-a.loop.ended
			result <- a.Close()
		}()
	}
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
