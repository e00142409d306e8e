package middleware

import (
	"fmt"
	"log/slog"
	nethttp "net/http"
	"runtime/debug"

	"github.com/carillon-go/carillon/http"
)

// RecoverOptions are the options of Recover.
type RecoverOptions struct {
	// Logger gets a record for each panic. Default: the server's, see http.Server.Logger.
	Logger *slog.Logger
}

// Recover turns a panic of the handler into an error of status 500, which the ErrorHandler answers; the connection goes on.
// The record in the log has level Error, the panic's value and the stack, and the request's method, path, remote, and
// request_id when it has one. The client is told nothing of them.
//
// Some panics go on to the server. http.ErrAbortHandler of net/http cuts the connection without a record. A panic behind the
// beginning of an answer, or behind Async, is logged by the server, which ends the connection: there is nothing else left to
// tell the client.
//
// The server survives panics without Recover as well. What Recover adds is that middleware around it sees an error, and that
// the connection is kept. So it belongs inside of what has to see that, Log and Metrics, and around all the rest.
func Recover(opts ...RecoverOptions) http.Middleware {
	o := only("Recover", opts)
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) (err error) {
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if v == nethttp.ErrAbortHandler || c.Written() || c.Awaited() {
					panic(v)
				}
				logPanic(o.Logger, c, v)
				err = http.NewError(500, "")
			}()
			return next(c)
		}
	}
}

func logPanic(logger *slog.Logger, c *http.Ctx, v any) {
	if logger == nil {
		logger = logOf(c)
	}
	attrs := []any{
		slog.String("panic", fmt.Sprint(v)),
		slog.String(keyMethod, c.Method()),
		slog.String("path", c.Path()),
		slog.String(keyRemote, c.RemoteAddr().String()),
	}
	if id := RequestIDOf(c); id != "" {
		attrs = append(attrs, slog.String(keyRequestID, id))
	}
	logger.Error("middleware: panic in a handler", append(attrs, slog.String("stack", string(debug.Stack())))...)
}
