package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-go/carillon/http"
)

// Timeout ends the request's context d after the request has come here, with context.DeadlineExceeded; see Ctx.SetTimeout. When
// the handler returns that error and has not answered, the answer is 503. An *http.Error that the handler has made of it
// itself stays.
//
// The handler is not abandoned: it holds its goroutine until it returns, and is to look at its context, as whatever takes one
// does (database/sql, the client of net/http). One that never looks is not stopped. A client that
// sends its body too slowly, or takes its answer too slowly, is the server's to end: see http.Server's timeouts.
//
// There is no default. Timeout belongs inside of Log and Metrics, which are to see the 503, and around what takes time; a
// shorter one may stand on a route, a longer one has no effect. It panics when d is not above zero.
func Timeout(d time.Duration) http.Middleware {
	if d <= 0 {
		panic(fmt.Sprintf("middleware: Timeout(%v): want a time above zero", d))
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			c.SetTimeout(d)
			err := next(c)
			if !errors.Is(err, context.DeadlineExceeded) || c.Written() {
				return err
			}
			if _, own := errors.AsType[*http.Error](err); own {
				return err
			}
			return &http.Error{Code: 503, Detail: "the request took too long", Err: err}
		}
	}
}
