package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
	"github.com/carillon-go/carillon/reactor"
)

// logBacklog is how many bytes of log may wait for a slow stderr.
const logBacklog = 1 << 20

// accessLog is httpd's log: a line for each request, unless it is off, and what
// the server itself has to say, always.
type accessLog struct {
	format   string
	logger   *slog.Logger // the server's own
	requests *slog.Logger // nil when it is off
	out      *middleware.AsyncWriter
}

func newAccessLog(format string, w io.Writer) *accessLog {
	out := middleware.NewAsyncWriter(w, logBacklog, func(lost int) string {
		return fmt.Sprintf("httpd: %d log lines dropped, stderr is too slow\n", lost)
	})
	l := &accessLog{format: format, out: out, logger: slog.New(middleware.NewLineHandler(out, nil))}
	switch format {
	case "text":
		l.requests = l.logger
	case "json":
		l.logger = slog.New(slog.NewJSONHandler(out, nil))
		l.requests = l.logger
	case "combined":
		l.requests = slog.New(middleware.NewCombinedHandler(out, nil))
	}
	return l
}

// around is the middleware that logs requests.
func (l *accessLog) around() []http.Middleware {
	if l.requests == nil {
		return nil
	}
	return []http.Middleware{middleware.Log(l.requests, middleware.LogOptions{Combined: l.format == "combined", TLS: l.format == "json"})}
}

// wrap puts the request log around h, and between them what is inside.
func (l *accessLog) wrap(h http.Handler, inside ...http.Middleware) http.Handler {
	for _, m := range slices.Backward(append(l.around(), inside...)) {
		h = m(h)
	}
	return h
}

// refused logs requests that no handler sees.
func (l *accessLog) refused() func(reactor.InetAddress, *http.Error) {
	if l.requests == nil {
		return nil
	}
	return middleware.LogRefused(l.requests)
}

// close writes what is pending. A stderr that nobody reads must not keep the
// process from ending.
func (l *accessLog) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.out.Close(ctx)
}
