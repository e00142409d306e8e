// Package middleware holds what many handlers want around them: one middleware,
// or one part of one, a file.
package middleware

import (
	"context"
	"log/slog"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// What the records of Log and LogRefused are made of, and [LineHandler] knows them by.
const (
	requestMessage = "request"
	keyRemote      = "remote"
	keyMethod      = "method"
	keyTarget      = "target"
	keyStatus      = "status"
	keyBytes       = "bytes"
	keyDuration    = "duration"
	keyReason      = "reason"
)

func isRequestKey(key string) bool {
	switch key {
	case keyRemote, keyMethod, keyTarget, keyStatus, keyBytes, keyDuration, keyReason:
		return true
	}
	return false
}

// Log writes one record for each request, when its handler has returned. The
// message is "request", the level Info, or Error when the status is 500 or
// above; the attributes, in this order:
//
//	remote    the peer's address, as of the connection: no header is believed
//	method
//	target    as it came in the request line
//	status    of the answer
//	bytes     of the body that was handed over for sending
//	duration  that the handler took; a body may still be on its way after it
//
// An error of the handler is answered here, by Ctx.Fail, so that its answer can be
// logged; middleware around Log gets nil in its place.
//
// In method and target every byte but visible ASCII is percent-encoded, so that
// no log handler gets to see a control byte from a client.
//
// The handler of l runs on the connection's loop: give it a writer that does not
// block, such as an [AsyncWriter]. A level that is not enabled costs nothing.
func Log(l *slog.Logger) http.Middleware {
	handler := l.Handler()
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			start, status := time.Now(), 500
			// Deferred, so that a handler that panics has its line too. The panic
			// goes on, with its stack, to the server, which answers 500.
			defer func() { logRequest(handler, c, status, start) }()
			if err := next(c); err != nil {
				c.Fail(err)
			}
			status = c.StatusCode()
			return nil
		}
	}
}

func logRequest(handler slog.Handler, c *http.Ctx, status int, start time.Time) {
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	ctx := context.Background()
	if !handler.Enabled(ctx, level) {
		return
	}
	now := time.Now()
	record := slog.NewRecord(now, level, requestMessage, 0)
	record.AddAttrs(
		slog.String(keyRemote, c.RemoteAddr().String()),
		slog.String(keyMethod, visible(c.Method())),
		slog.String(keyTarget, visible(c.Target())),
		slog.Int(keyStatus, status),
		slog.Int64(keyBytes, c.BytesSent()),
		slog.Duration(keyDuration, now.Sub(start)),
	)
	// A log that fails must not fail the request.
	_ = handler.Handle(ctx, record)
}

// LogRefused makes an http.Server's Refused of l: one record for each request that
// was refused before a handler saw it. The message is "request", the level Info; the
// attributes, in this order:
//
//	remote  as with [Log]
//	method  "-", as nothing of such a request is believed
//	target  "-"
//	status  of the answer
//	reason  what was wrong, as the answer tells the client
func LogRefused(l *slog.Logger) func(remote reactor.InetAddress, e *http.Error) {
	return func(remote reactor.InetAddress, e *http.Error) {
		l.LogAttrs(context.Background(), slog.LevelInfo, requestMessage,
			slog.String(keyRemote, remote.String()),
			slog.String(keyMethod, "-"),
			slog.String(keyTarget, "-"),
			slog.Int(keyStatus, e.Status()),
			slog.String(keyReason, e.Detail),
		)
	}
}

// visible percent-encodes every byte of s that is not visible ASCII.
func visible(s string) string {
	for i := 0; i < len(s); i++ {
		if !isVisible(s[i]) {
			return encodeInvisible(s, i)
		}
	}
	return s
}

func isVisible(c byte) bool { return c > ' ' && c < 0x7f }

func encodeInvisible(s string, from int) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, from, len(s)+16)
	copy(b, s)
	for i := from; i < len(s); i++ {
		if c := s[i]; isVisible(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}
