package static

import (
	"bytes"
	"errors"
	"sync/atomic"

	"github.com/carillon-go/carillon/http"
)

// offLoop has h answer on a goroutine that may block: for the disk, or for a client that is slow to take a listing or to send
// an upload. Where the handler is on one already, h runs at once; on a loop the answer is handed over by Ctx.Async. Close waits
// for h, and what comes later is refused.
//
// Behind a middleware of net/http nothing can be handed over; there h runs on the loop all the same when the route is marked
// Inline, and what the client does not take in time breaks a listing off. Such a route is better not marked.
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
		c.Loop().HandedOut()
		err = a.Answer(job)
	}
	if err != nil {
		f.jobs.leave()
	}
	return err
}

// maxWaiting bounds how many requests wait for the disk at a time: each holds a thread of the process.
const maxWaiting = 64

// serveOffLoop has a goroutine serve what a query on a loop could not without waiting.
func (f *Files) serveOffLoop(c *http.Ctx, name []byte, is asked, held kept) error {
	later := query{f: f, name: bytes.Clone(name), asked: is, wait: true, kept: &held} // name lies on the stack, and stays there
	return f.offLoop(c, func(c *http.Ctx) error {
		if c.Inline() { // see offLoop
			return later.serve(c)
		}
		later.takeSlot()
		defer later.giveSlot()
		return later.serve(c)
	})
}

func (q *query) takeSlot() {
	q.f.slots <- struct{}{}
	q.slot = true
}

func (q *query) giveSlot() {
	if q.slot {
		q.slot = false
		<-q.f.slots
	}
}

// jobs counts what uses the root. A server that has shut down may still start a handler whose client has gone: such a one must
// not find the root closed, or its number to be that of another file.
type jobs struct {
	state atomic.Int64 // how many run, and closing
	idle  chan struct{}
}

// closing is a bit of jobs.state.
const closing = 1 << 62

func newJobs() jobs { return jobs{idle: make(chan struct{}, 1)} }

// enter says whether a job may begin; leave ends one that may.
func (j *jobs) enter() bool {
	if j.state.Add(1)&closing == 0 {
		return true
	}
	j.leave()
	return false
}

func (j *jobs) leave() {
	if j.state.Add(-1) != closing {
		return
	}
	select {
	case j.idle <- struct{}{}:
	default: // Close has been told
	}
}

// close lets no job begin any more, and waits for those that have. It returns false when it was called before.
func (j *jobs) close() bool {
	switch before := j.state.Or(closing); {
	case before&closing != 0:
		return false
	case before > 0:
		<-j.idle
	}
	return true
}

var errClosed = http.NewError(503, "the folder is not served any more")
