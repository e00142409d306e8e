package middleware

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// LineHandler is a slog.Handler for people: one line a record, in the order in
// which one reads it.
//
//	2026-01-31 15:04:05.123 192.0.2.7:53412 GET /index.html 200 5120B 412µs
//	2026-01-31 15:04:05.124 192.0.2.7:53414 - - 400 "malformed request line"
//	2026-01-31 15:04:05.125 WARN descriptors exhausted limit=1024 by="a client"
//
// The records of [Log] and [LogRefused] are written as in the first two lines, by
// their values alone; all others as level (unless it is Info), message and
// key=value. A value that is empty, holds a blank or begins with a quote stands in
// quotes. Whatever could move a cursor or forge a line, in any part of the record,
// is escaped as Go escapes it in a string.
//
// Each record is one Write, and Writes never overlap. Any goroutine may call its
// methods.
type LineHandler struct {
	out    *lineOutput
	prefix []byte // attributes of WithAttrs, rendered
	groups string // "a.b." in front of the next key
}

// NewLineHandler returns a handler that writes to w what is at level or above;
// nil means slog.LevelInfo.
func NewLineHandler(w io.Writer, level slog.Leveler) *LineHandler {
	return &LineHandler{out: newLineOutput(w, level)}
}

// Enabled reports whether a record of this level would be written.
func (h *LineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.out.enabled(level)
}

// Handle writes one line, and returns the error of the Write.
func (h *LineHandler) Handle(_ context.Context, r slog.Record) error {
	return h.out.write(func(b []byte) []byte { return h.appendRecord(b, r) })
}

func (h *LineHandler) appendRecord(b []byte, r slog.Record) []byte {
	if !r.Time.IsZero() {
		b = r.Time.AppendFormat(b, "2006-01-02 15:04:05.000 ")
	}
	request := r.Message == requestMessage
	if !request {
		if r.Level != slog.LevelInfo {
			b = append(append(b, r.Level.String()...), ' ')
		}
		b = append(appendEscaped(b, r.Message, nothing), ' ')
	}
	b = append(b, h.prefix...)
	r.Attrs(func(a slog.Attr) bool {
		if request && h.groups == "" && isRequestKey(a.Key) {
			b = appendRequestValue(b, a)
		} else {
			b = appendAttr(b, h.groups, a)
		}
		return true
	})
	if n := len(b); n > 0 && b[n-1] == ' ' {
		b = b[:n-1]
	}
	return append(b, '\n')
}

// WithAttrs returns a handler that puts attrs in front of every record's own.
func (h *LineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	derived := *h
	derived.prefix = slices.Clip(h.prefix)
	for _, a := range attrs {
		derived.prefix = appendAttr(derived.prefix, h.groups, a)
	}
	return &derived
}

// WithGroup returns a handler that prefixes all later keys with name and a dot.
func (h *LineHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	derived := *h
	derived.groups += name + "."
	return &derived
}

// appendRequestValue appends a bare value. Bytes carry their unit, because a
// number beside the status would be taken for anything.
func appendRequestValue(b []byte, a slog.Attr) []byte {
	b = appendValue(b, a.Value)
	if a.Key == keyBytes {
		b = append(b, 'B')
	}
	return append(b, ' ')
}

func appendAttr(b []byte, groups string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, groups, member)
		}
		return b
	}
	if a.Equal(slog.Attr{}) {
		return b
	}
	b = appendEscaped(b, groups, ' ')
	b = append(appendEscaped(b, a.Key, ' '), '=')
	return append(appendValue(b, v), ' ')
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindDuration:
		return append(b, roundDuration(v.Duration()).String()...)
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	default:
		return appendText(b, v.String())
	}
}

// appendText appends a value so that a reader, also a program, sees where it ends:
// behind the second quote if it begins with one, else at the next blank.
func appendText(b []byte, s string) []byte {
	if s != "" && s[0] != '"' && strings.IndexByte(s, ' ') < 0 {
		return appendEscaped(b, s, nothing)
	}
	b = appendEscaped(append(b, '"'), s, '"')
	return append(b, '"')
}

// roundDuration keeps three significant digits: what is behind them is noise.
func roundDuration(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// nothing is what appendEscaped need not escape on top of what it always does.
const nothing = 0

// appendEscaped appends s with every rune that is not printable, the backslash,
// and the byte also (a quote or a blank) as Go writes them in a string.
func appendEscaped(b []byte, s string, also byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '\\', c == '"' && also == '"':
				b = append(b, '\\', c)
			case c < ' ', c == 0x7f, c == ' ' && also == ' ':
				b = appendHex(b, c)
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = appendHex(b, c)
		case unicode.IsPrint(r):
			b = append(b, s[i:i+size]...)
		default:
			quoted := strconv.AppendQuoteRuneToASCII(nil, r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		i += size
	}
	return b
}

func appendHex(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'x', digits[c>>4], digits[c&15])
}
