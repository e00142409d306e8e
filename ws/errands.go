package ws

import (
	"context"
	"sync"
)

// errands runs jobs that may block, in their order, on a goroutine that there is
// only while there are some.
type errands struct {
	mu      sync.Mutex
	queue   []errand
	weight  int
	running bool
}

type errand struct {
	run    func()
	weight int // in bytes
}

// do has run run. Any goroutine; it does not wait.
func (e *errands) do(weight int, run func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = append(e.queue, errand{run, weight})
	e.weight += weight
	if !e.running {
		e.running = true
		go e.work()
	}
}

func (e *errands) work() {
	var batch []errand
	for {
		e.mu.Lock()
		batch, e.queue = e.queue, batch[:0]
		if len(batch) == 0 {
			e.queue, e.running = nil, false
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
		for i, job := range batch {
			batch[i] = errand{}
			job.run()
			e.mu.Lock()
			e.weight -= job.weight
			e.mu.Unlock()
		}
	}
}

// full reports whether more than limit bytes wait.
func (e *errands) full(limit int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.weight > limit
}

// flush waits until all that was asked before has run.
func (e *errands) flush(ctx context.Context) error {
	done := make(chan struct{})
	e.do(0, func() { close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
