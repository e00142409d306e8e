package ws

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/carillon-go/carillon/http"
)

// EndpointOption sets what an Endpoint does differently from the default. A value
// that makes no sense panics, when the option is made.
type EndpointOption interface{ applyToEndpoint(*config) }

// DialOption is EndpointOption for Dial.
type DialOption interface{ applyToDial(*config) }

// Option is an option for both sides.
type Option func(*config)

func (o Option) applyToEndpoint(c *config) { o(c) }
func (o Option) applyToDial(c *config)     { o(c) }

type endpointOption func(*config)

func (o endpointOption) applyToEndpoint(c *config) { o(c) }

type config struct {
	limits       limits
	subprotocols []string
	pingAfter    time.Duration
	pongWithin   time.Duration
	closeWithin  time.Duration
	sendLimit    int
	slow         SlowPolicy
	deflate      *Deflate // nil: not offered, and declined
	stats        *Stats
	logger       *slog.Logger

	// Of an Endpoint.
	origins []originPattern
	accept  func(*http.Ctx) (any, error)

	dial dialConfig
}

func defaults() config {
	return config{
		limits:      limits{message: 16 << 20, fragments: 1 << 17},
		pingAfter:   30 * time.Second,
		pongWithin:  20 * time.Second,
		closeWithin: 10 * time.Second,
		sendLimit:   DefaultSendLimit,
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

// WithSubprotocols names the subprotocols that are spoken, best first. A server
// chooses the first that the client offers; with none in common the connection
// opens without one, and Conn.Subprotocol is "". A client offers them all.
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
// While output waits for the peer, that it takes some is the sign of life; and one
// that is not read because an offloaded handler is behind is pinged and not judged.
//
// All connections of a loop share one timer, whose tick is an eighth of the
// shorter of the two times, at most a second. A ping may be two ticks early; within
// is never cut short, and both times together are not exceeded.
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

// WithSendLimit bounds what a connection holds for a peer that does not take it,
// in bytes, and says what becomes of messages beyond: by default DefaultSendLimit
// and CloseSlow. The message that passes the limit is still taken, so that the
// memory of one connection is bounded by the limit and the longest message; under
// DropOldest by the limit and two of those: one may be leaving, and the newest is
// kept. A message that waits counts for 64 bytes beside its payload. The hard cap of
// the reactor below, 64 MiB, holds as well.
func WithSendLimit(limit int, policy SlowPolicy) Option {
	if limit < 1 || policy > DropOldest {
		panic(fmt.Sprintf("ws: WithSendLimit(%d, %v)", limit, policy))
	}
	return func(c *config) { c.sendLimit, c.slow = limit, policy }
}

// WithDeflate compresses messages where the peer agrees; see Deflate for what that
// costs. Without it, the default, nothing is offered and everything declined.
func WithDeflate(d Deflate) Option {
	if err := d.validate(); err != nil {
		panic(err.Error())
	}
	return func(c *config) { c.deflate = &d }
}

// WithStats has s count what happens.
func WithStats(s *Stats) Option { return func(c *config) { c.stats = s } }

// WithLogger sets where panics of the handler are reported: slog.Default() by
// default.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// WithOrigins lets pages of other origins connect, besides those of the
// server's own host: "https://app.example", "https://*.app.example" (any
// subdomain, not app.example itself), either with a port, or "*" for all.
// Without it a page from elsewhere is answered 403.
func WithOrigins(origins ...string) EndpointOption {
	patterns := make([]originPattern, len(origins))
	for i, s := range origins {
		p, err := parseOriginPattern(s)
		if err != nil {
			panic(err.Error())
		}
		patterns[i] = p
	}
	return endpointOption(func(c *config) { c.origins = append(c.origins, patterns...) })
}

// WithAccept has f look at each opening handshake that is otherwise in order, at
// the cookies and header lines of its request, before it is answered. What f
// returns is the connection's first Conn.Value: who the client is, say. Header
// lines that f sets go out with the answer. An error refuses the client and is
// answered like that of any handler: an http.Error says with which status.
//
// f runs where the route's handler does: on a goroutine, unless the route is
// http.Inline.
func WithAccept(f func(*http.Ctx) (value any, err error)) EndpointOption {
	return endpointOption(func(c *config) { c.accept = f })
}
