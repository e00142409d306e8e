package middleware

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
	"github.com/carillon-go/carillon/reactor"
)

// What the records of Log and LogRefused are made of, and [LineHandler] and [CombinedHandler] know them by.
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

// What LogOptions adds to them.
const (
	keyRequestID = "request_id"
	keyRoute     = "route"
	keyClient    = "client"
	keyProto     = "proto"
	keyReferer   = "referer"
	keyUserAgent = "user_agent"
	keyTLS       = "tls"
	keyCipher    = "cipher"
)

func isRequestKey(key string) bool {
	switch key {
	case keyRemote, keyMethod, keyTarget, keyStatus, keyBytes, keyDuration, keyReason:
		return true
	}
	return false
}

// LogOptions add attributes to the records of Log, behind its own and in this order. None is there by default.
type LogOptions struct {
	// RequestID adds request_id, which middleware RequestID has set, when there is one.
	RequestID bool
	// Route adds route, the pattern that has matched, when one has: "GET /users/{id}".
	Route bool
	// Combined adds what CombinedHandler writes: client, which is the IP address of Ctx.ClientIP, as far as one is known; proto,
	// "HTTP/1.1"; referer and user_agent, the fields of the request, when it has them.
	Combined bool
	// TLS adds tls, the version, "TLS 1.3", and cipher, "TLS_AES_128_GCM_SHA256", of the connection, when it is over TLS.
	TLS bool
}

// Log writes one record for each request, when its answer has been made. The
// message is "request", the level Info, or Error when the status is 500 or
// above; the attributes, in this order:
//
//	remote    the peer's address, as of the connection: no header is believed
//	method
//	target    as it came in the request line
//	status    of the answer
//	bytes     of the body that was handed over for sending
//	duration  until the answer was made, also by Async or as a stream; a body may
//	          still be on its way after it
//
// LogOptions tells of more.
//
// In what comes from the client every byte but visible ASCII is percent-encoded (but
// for the blanks in user_agent), so that no log handler gets to see a control byte.
//
// The records are made by the goroutine that answers, which is the connection's loop
// for a Server's handler and an Inline route: give l's handler a writer that does not
// block, such as an [AsyncWriter]. A level that is not enabled costs nearly nothing.
//
// Log belongs inside of RequestID and RealIP, whose findings it logs, and around all
// that answers. [LineHandler] writes the records for people, [CombinedHandler] and
// slog.JSONHandler for programs.
func Log(l *slog.Logger, opts ...LogOptions) http.Middleware {
	handler, o := l.Handler(), only("Log", opts)
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			start := time.Now()
			c.After(func(c *http.Ctx) { logRequest(handler, c, &o, start) })
			return next(c)
		}
	}
}

func logRequest(handler slog.Handler, c *http.Ctx, o *LogOptions, start time.Time) {
	level, status := slog.LevelInfo, c.StatusCode()
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
	o.addTo(&record, c)
	// A log that fails must not fail the request.
	_ = handler.Handle(ctx, record)
}

func (o *LogOptions) addTo(record *slog.Record, c *http.Ctx) {
	if o.RequestID {
		addText(record, keyRequestID, visible(RequestIDOf(c)))
	}
	if route := c.Route(); o.Route && route != nil {
		addText(record, keyRoute, route.Pattern())
	}
	if o.TLS && c.Secure() {
		state := c.TLS()
		addText(record, keyTLS, tls.VersionName(state.Version))
		addText(record, keyCipher, tls.CipherSuiteName(state.CipherSuite))
	}
	if !o.Combined {
		return
	}
	if ip := c.ClientIP(); ip.IsValid() {
		addText(record, keyClient, ip.String())
	}
	addText(record, keyProto, c.Proto())
	addText(record, keyReferer, visible(c.Header("Referer")))
	addText(record, keyUserAgent, visibleWords(c.Header("User-Agent")))
}

func addText(record *slog.Record, key, value string) {
	if value != "" {
		record.AddAttrs(slog.String(key, value))
	}
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

var (
	visibleBytes = syntax.Where(func(c byte) bool { return c > ' ' && c < 0x7f })
	wordBytes    = syntax.Where(func(c byte) bool { return c >= ' ' && c < 0x7f })
)

// visible percent-encodes every byte of s that is not visible ASCII.
func visible(s string) string { return visibleBytes.PercentEncode(s) }

// visibleWords is visible, but for blanks.
func visibleWords(s string) string { return wordBytes.PercentEncode(s) }
