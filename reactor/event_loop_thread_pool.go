package reactor

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync/atomic"
)

// EventLoopThreadPool is a base loop and n loops in goroutines of their own. With
// n = 0 the base loop does all the work. It owns its n threads, not the base
// loop. Start and Stop are called by the owner; the picking methods may be called
// from any goroutine once Start has returned.
type EventLoopThreadPool struct {
	base    *EventLoop
	threads []*EventLoopThread
	loops   []*EventLoop
	load    []atomic.Int64 // connections a loop, for LeastConnections
	next    atomic.Uint64
	seed    maphash.Seed
	opts    []LoopOption
	n       int
}

// NewEventLoopThreadPool prepares a pool of n threads beside base.
func NewEventLoopThreadPool(base *EventLoop, n int, opts ...LoopOption) *EventLoopThreadPool {
	return &EventLoopThreadPool{base: base, n: max(n, 0), opts: opts, seed: maphash.MakeSeed()}
}

// Start starts the loops; when it returns nil all of them run. On an error those
// that had started are stopped again.
func (p *EventLoopThreadPool) Start() error {
	if p.loops != nil {
		return nil
	}
	for i := range p.n {
		opts := append([]LoopOption{WithLoopName(fmt.Sprintf("loop-%d", i))}, p.opts...)
		thread := NewEventLoopThread(opts...)
		loop, err := thread.StartLoop()
		if err != nil {
			err = errors.Join(fmt.Errorf("reactor: loop %d of %d: %w", i, p.n, err), p.Stop())
			p.loops = nil
			return err
		}
		p.threads = append(p.threads, thread)
		p.loops = append(p.loops, loop)
	}
	if p.n == 0 {
		p.loops = []*EventLoop{p.base}
	}
	p.load = make([]atomic.Int64, len(p.loops))
	return nil
}

// Stop makes the pool's own loops quit and waits until they have ended; the pool
// cannot be started again. On one of them it does nothing and returns ErrOnLoop.
func (p *EventLoopThreadPool) Stop() error {
	for _, t := range p.threads {
		if t.loop.IsInLoopThread() {
			return ErrOnLoop
		}
	}
	var errs []error
	for _, t := range p.threads {
		errs = append(errs, t.Stop())
	}
	p.threads = nil
	return errors.Join(errs...)
}

// Loops returns the loops that connections are spread over: the pool's own, or
// the base loop when it has none. The caller must not change the slice.
func (p *EventLoopThreadPool) Loops() []*EventLoop { return p.loops }

// NextLoop picks the loops in turn.
func (p *EventLoopThreadPool) NextLoop() *EventLoop {
	return p.loops[(p.next.Add(1)-1)%uint64(len(p.loops))]
}

// LeastConnections picks the loop with the fewest connections, as counted by the
// servers that share the pool.
func (p *EventLoopThreadPool) LeastConnections() *EventLoop {
	least := 0
	for i := range p.load {
		if p.load[i].Load() < p.load[least].Load() {
			least = i
		}
	}
	return p.loops[least]
}

// LoopForHash picks by key: the same key, the same loop, for the pool's lifetime.
func (p *EventLoopThreadPool) LoopForHash(key string) *EventLoop {
	return p.loops[maphash.String(p.seed, key)%uint64(len(p.loops))]
}

// count adds n connections to what LeastConnections knows of loop.
func (p *EventLoopThreadPool) count(loop *EventLoop, n int64) {
	for i, l := range p.loops {
		if l == loop {
			p.load[i].Add(n)
			return
		}
	}
}
