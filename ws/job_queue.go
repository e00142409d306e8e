package ws

import (
	"context"
	"sync"
)

// jobQueue runs jobs that may block, in their order, on a goroutine that there is
// only while there are some.
type jobQueue struct {
	mu      sync.Mutex
	queue   []job
	weight  int
	running bool
}

type job struct {
	run    func()
	weight int // in bytes
}

// do has run run. Any goroutine; it does not wait.
func (e *jobQueue) do(weight int, run func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = append(e.queue, job{run, weight})
	e.weight += weight
	if !e.running {
		e.running = true
		go e.work()
	}
}

func (e *jobQueue) work() {
	var batch []job
	for {
		e.mu.Lock()
		batch, e.queue = e.queue, batch[:0]
		if len(batch) == 0 {
			e.queue, e.running = nil, false
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
		for i, j := range batch {
			batch[i] = job{}
			j.run()
			e.mu.Lock()
			e.weight -= j.weight
			e.mu.Unlock()
		}
	}
}

// full reports whether more than limit bytes wait.
func (e *jobQueue) full(limit int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.weight > limit
}

// flush waits until all that was asked before has run.
func (e *jobQueue) flush(ctx context.Context) error {
	done := make(chan struct{})
	e.do(0, func() { close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
