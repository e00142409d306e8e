package ws

import (
	"fmt"
	"log/slog"
	"time"
)

// Option sets what an Endpoint does differently from the default. A value that
// makes no sense panics, when the Endpoint is made.
type Option func(*config)

type config struct {
	limits       limits
	origins      []originPattern
	subprotocols []string
	pingAfter    time.Duration
	pongWithin   time.Duration
	closeWithin  time.Duration
	logger       *slog.Logger
}

func defaults() config {
	return config{
		limits:      limits{message: 16 << 20, fragments: 1 << 17},
		pingAfter:   30 * time.Second,
		pongWithin:  20 * time.Second,
		closeWithin: 10 * time.Second,
	}
}

// WithMaxMessage bounds the payload of one message, in bytes: 16 MiB by
// default. A longer one closes the connection with CodeMessageTooBig as soon as
// a frame announces it. A message costs memory as it arrives, never before.
func WithMaxMessage(n int64) Option {
	if n < 0 {
		panic(fmt.Sprintf("ws: WithMaxMessage(%d)", n))
	}
	return func(c *config) { c.limits.message = n }
}

// WithMaxFragments bounds the frames of one message: 131,072 by default, which
// lets 8 MiB through in frames of 64 bytes. More closes the connection with
// CodePolicyViolation.
func WithMaxFragments(n int) Option {
	if n < 1 {
		panic(fmt.Sprintf("ws: WithMaxFragments(%d)", n))
	}
	return func(c *config) { c.limits.fragments = n }
}

// WithOrigins lets pages of other origins connect, besides those of the
// server's own host: "https://app.example", "https://*.app.example" (any
// subdomain, not app.example itself), either with a port, or "*" for all.
// Without it a page from elsewhere is answered 403.
func WithOrigins(origins ...string) Option {
	patterns := make([]originPattern, len(origins))
	for i, s := range origins {
		p, err := parseOriginPattern(s)
		if err != nil {
			panic(err.Error())
		}
		patterns[i] = p
	}
	return func(c *config) { c.origins = append(c.origins, patterns...) }
}

// WithSubprotocols names the subprotocols served, best first. The first that
// the client offers is chosen; with none in common the connection opens without
// one, and Conn.Subprotocol is "".
func WithSubprotocols(names ...string) Option {
	for _, name := range names {
		if !isToken(name) {
			panic(fmt.Sprintf("ws: subprotocol %q is no token", name))
		}
	}
	return func(c *config) { c.subprotocols = append(c.subprotocols, names...) }
}

// WithKeepalive sends a ping to a peer from which nothing came for idle, and
// takes the connection for lost (CodeAbnormal) when then nothing comes for
// another within. The default is 30 s and 20 s: below the 60 s after which
// common proxies drop a silent connection. idle 0 turns it off: then a peer
// that vanished without a word is found only when something is sent to it.
//
// It costs a connection no timer of its own: its deadline is looked at when it
// has passed, not moved with each message.
func WithKeepalive(idle, within time.Duration) Option {
	if idle < 0 || idle > 0 && within <= 0 {
		panic(fmt.Sprintf("ws: WithKeepalive(%v, %v)", idle, within))
	}
	return func(c *config) { c.pingAfter, c.pongWithin = idle, within }
}

// WithCloseTimeout bounds the time from Conn.Close to the peer's close frame,
// flushing what was sent before included: 10 s by default. Then the connection
// is cut, and OnClose gets CodeAbnormal.
func WithCloseTimeout(d time.Duration) Option {
	if d <= 0 {
		panic(fmt.Sprintf("ws: WithCloseTimeout(%v)", d))
	}
	return func(c *config) { c.closeWithin = d }
}

// WithLogger sets where panics of the handler are reported: slog.Default() by
// default.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) { c.logger = l }
}
