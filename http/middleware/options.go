package middleware

import (
	"fmt"
	"log/slog"

	"github.com/carillon-go/carillon/http"
)

// only returns the options that a middleware was given: at most one value, the zero value stands for the defaults.
func only[T any](name string, opts []T) T {
	if len(opts) > 1 {
		panic(fmt.Sprintf("middleware: %s: options given %d times", name, len(opts)))
	}
	var o T
	if len(opts) == 1 {
		o = opts[0]
	}
	return o
}

// logOf returns the logger of the server that the request came to.
func logOf(c *http.Ctx) *slog.Logger {
	if l := c.Server().Logger; l != nil {
		return l
	}
	return slog.Default()
}
