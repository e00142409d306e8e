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

// logFormat is the value of --log.
type logFormat string

const (
	logText logFormat = "text"
	logOff  logFormat = "off"
)

var logFormats = []string{string(logText), string(logOff)}

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "format" }

func (f *logFormat) Set(s string) error {
	if !slices.Contains(logFormats, s) {
		return fmt.Errorf("want %s", oneOf(logFormats))
	}
	*f = logFormat(s)
	return nil
}

// logBacklog is how many bytes of log may wait for a slow stderr.
const logBacklog = 1 << 20

// accessLog is httpd's log: a line for each request, unless it is off, and what
// the server itself has to say, always.
type accessLog struct {
	requests bool
	logger   *slog.Logger
	out      *middleware.AsyncWriter
}

func newAccessLog(format logFormat, w io.Writer) *accessLog {
	out := middleware.NewAsyncWriter(w, logBacklog, func(lost int) string {
		return fmt.Sprintf("httpd: %d log lines dropped, stderr is too slow\n", lost)
	})
	return &accessLog{
		requests: format != logOff,
		logger:   slog.New(middleware.NewLineHandler(out, nil)),
		out:      out,
	}
}

// wrap adds the request log to h.
func (l *accessLog) wrap(h http.Handler) http.Handler {
	if !l.requests {
		return h
	}
	return middleware.Log(l.logger)(h)
}

// refused logs requests that no handler sees.
func (l *accessLog) refused() func(reactor.InetAddress, *http.Error) {
	if !l.requests {
		return nil
	}
	return middleware.LogRefused(l.logger)
}

// close writes what is pending. A stderr that nobody reads must not keep the
// process from ending.
func (l *accessLog) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.out.Close(ctx)
}
