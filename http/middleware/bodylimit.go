package middleware

import (
	"fmt"

	"github.com/carillon-go/carillon/http"
)

// BodyLimit bounds the body of a request to n bytes, 0 meaning none at all, where the limit of its route or of the server is
// not lower already: it can only lower them, because a body without StreamBody is received before any middleware runs. A
// body that is known to be larger is answered by 413 and the handler does not run; for any other, reading it ends with an
// *http.Error of 413.
//
// There is no default here; http.Limits.MaxBody is 4 MiB. Around Decompress it bounds what comes over the wire, and what
// Ctx.Body returns; inside of it what the body has been inflated to. It panics when n is below zero.
func BodyLimit(n int64) http.Middleware {
	if n < 0 {
		panic(fmt.Sprintf("middleware: BodyLimit(%d): below zero", n))
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if err := c.LimitBody(n); err != nil {
				return err
			}
			return next(c)
		}
	}
}
