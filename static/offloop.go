package static

import (
	"errors"

	"github.com/carillon-go/carillon/http"
)

// offLoop has h answer on a goroutine that may block, for reading a folder or
// taking an upload, neither of which a loop can wait for. Where the handler is on
// one already, h runs at once; on a loop the answer is handed over by Ctx.Async.
//
// Behind a middleware of net/http nothing can be handed over; there h runs on the
// loop all the same when the route is marked Inline, and what the client does not
// take in time breaks the answer off. Such a route is better not marked.
func offLoop(c *http.Ctx, h http.Handler) error {
	if !c.Inline() {
		return h(c)
	}
	a, err := c.Async()
	switch {
	case errors.Is(err, http.ErrNoAsync):
		return h(c)
	case err != nil:
		return err
	}
	return a.Answer(h)
}
