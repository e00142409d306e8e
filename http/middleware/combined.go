package middleware

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"
)

// CombinedHandler is a slog.Handler for the programs that read the combined log format of Apache: one line for each record of
// [Log] and [LogRefused].
//
//	192.0.2.7 - - [31/Jan/2026:15:04:05 +0100] "GET /index.html HTTP/1.1" 200 5120 "https://example.org/" "curl/8.5"
//	192.0.2.7 - - [31/Jan/2026:15:04:05 +0100] "-" 400 - "-" "-"
//
// Give Log the option Combined: without it the address is that of the connection, and protocol, referer and user agent are
// missing. A value that is not there is "-", as are a body of no bytes, and the names of the user, which nobody has proved.
// In values, quotes and backslashes, and all that is not printable, are escaped as Go does in a string, which Apache does too,
// so that no client can forge a line or a part of one.
//
// Other records, and attributes that have no place in the format, are not written: such a log is for requests alone. Groups are
// ignored.
//
// Each record is one Write, and Writes never overlap. Any goroutine may call its methods.
type CombinedHandler struct {
	out   *lineOutput
	attrs []slog.Attr // of WithAttrs
}

// NewCombinedHandler returns a handler that writes to w what is at level or above; nil means slog.LevelInfo.
func NewCombinedHandler(w io.Writer, level slog.Leveler) *CombinedHandler {
	return &CombinedHandler{out: newLineOutput(w, level)}
}

// Enabled reports whether a record of this level would be written.
func (h *CombinedHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.out.enabled(level)
}

// WithAttrs returns a handler that writes those of attrs that the format has a place for, where a record has none of its own.
func (h *CombinedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	derived := *h
	derived.attrs = append(slices.Clip(h.attrs), attrs...)
	return &derived
}

// WithGroup returns h: the format has no place for groups.
func (h *CombinedHandler) WithGroup(string) slog.Handler { return h }

// Handle writes one line, and returns the error of the Write.
func (h *CombinedHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message != requestMessage {
		return nil
	}
	var l combinedLine
	for _, a := range h.attrs {
		l.take(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		l.take(a)
		return true
	})
	return h.out.write(func(b []byte) []byte { return l.appendTo(b, r.Time) })
}

// combinedLine is what the format has a place for.
type combinedLine struct {
	remote, client, method, target, proto, status, referer, agent string
	bytes                                                         int64
}

func (l *combinedLine) take(a slog.Attr) {
	v := a.Value.Resolve()
	switch a.Key {
	case keyRemote:
		l.remote = v.String()
	case keyClient:
		l.client = v.String()
	case keyMethod:
		l.method = v.String()
	case keyTarget:
		l.target = v.String()
	case keyProto:
		l.proto = v.String()
	case keyStatus:
		l.status = v.String()
	case keyReferer:
		l.referer = v.String()
	case keyUserAgent:
		l.agent = v.String()
	case keyBytes:
		if v.Kind() == slog.KindInt64 {
			l.bytes = v.Int64()
		}
	}
}

func (l *combinedLine) appendTo(b []byte, at time.Time) []byte {
	b = append(l.appendHost(b), " - - ["...)
	b = at.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = l.appendRequest(append(b, "] "...))
	b = append(appendOrDash(append(b, ' '), l.status, ' '), ' ')
	if l.bytes > 0 {
		b = strconv.AppendInt(b, l.bytes, 10)
	} else {
		b = append(b, '-')
	}
	b = appendQuoted(append(b, ' '), l.referer)
	b = appendQuoted(append(b, ' '), l.agent)
	return append(b, '\n')
}

// appendHost appends the client's address, without a port.
func (l *combinedLine) appendHost(b []byte) []byte {
	host := l.client
	if host == "" {
		var err error
		if host, _, err = net.SplitHostPort(l.remote); err != nil {
			host = l.remote
		}
	}
	return appendOrDash(b, host, ' ')
}

// appendRequest appends the request line. LogRefused has none to tell of.
func (l *combinedLine) appendRequest(b []byte) []byte {
	if l.method == "" || l.method == "-" {
		return append(b, `"-"`...)
	}
	line := l.method + " " + l.target
	if l.proto != "" {
		line += " " + l.proto
	}
	return appendQuoted(b, line)
}

func appendQuoted(b []byte, s string) []byte {
	return append(appendOrDash(append(b, '"'), s, '"'), '"')
}

// appendOrDash appends s with the byte also escaped, as appendEscaped does.
func appendOrDash(b []byte, s string, also byte) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendEscaped(b, s, also)
}
