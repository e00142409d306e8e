package static

import (
	"errors"

	"github.com/carillon-go/carillon/http"
)

// offLoop has h answer on a goroutine that may block, for reading a folder or
// taking an upload, neither of which a loop can wait for. Where the handler is on
// one already, h runs at once; on a loop the answer is handed over by Ctx.Async.
// Close waits for h.
//
// Behind a middleware of net/http nothing can be handed over; there h runs on the
// loop all the same when the route is marked Inline, and what the client does not
// take in time breaks the answer off. Such a route is better not marked.
func (f *Files) offLoop(c *http.Ctx, h http.Handler) error {
	f.jobs.Add(1)
	job := func(c *http.Ctx) error {
		defer f.jobs.Done()
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
		f.jobs.Done()
	}
	return err
}
