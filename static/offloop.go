package static

import (
	"errors"
	"sync"

	"github.com/carillon-go/carillon/http"
)

// offLoop has h answer on a goroutine that may block, for reading a folder or
// taking an upload, neither of which a loop can wait for. Where the handler is on
// one already, h runs at once; on a loop the answer is handed over by Ctx.Async.
// Close waits for h, and what comes later is refused.
//
// Behind a middleware of net/http nothing can be handed over; there h runs on the
// loop all the same when the route is marked Inline, and what the client does not
// take in time breaks the answer off. Such a route is better not marked.
func (f *Files) offLoop(c *http.Ctx, h http.Handler) error {
	if !f.jobs.enter() {
		return errClosed
	}
	job := func(c *http.Ctx) error {
		defer f.jobs.leave()
		return h(c)
	}
	if !c.Inline() {
		return job(c)
	}
	a, err := c.Async()
	switch {
	case errors.Is(err, http.ErrNoAsync):
		return job(c)
	case err == nil:
		err = a.Answer(job)
	}
	if err != nil {
		f.jobs.leave()
	}
	return err
}

// jobs counts what uses the root on goroutines. A server that has shut down may
// still start a handler whose client has gone: such a one must not find the root
// closed, or its number to be that of another file.
type jobs struct {
	mu      sync.Mutex
	running int
	closed  bool
	idle    sync.Cond // nothing is running
}

// enter says whether a job may begin; leave ends it.
func (j *jobs) enter() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	j.running++
	return true
}

func (j *jobs) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running--; j.running == 0 && j.closed {
		j.idle.Broadcast()
	}
}

// close lets no job begin any more, and waits for those that have.
func (j *jobs) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.idle.L = &j.mu
	for j.running > 0 {
		j.idle.Wait()
	}
}

var errClosed = http.NewError(503, "the folder is not served any more")
