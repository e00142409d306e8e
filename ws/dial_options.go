package ws

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	stdhttp "net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// DefaultHandshakeTimeout is the time of WithHandshakeTimeout.
const DefaultHandshakeTimeout = 10 * time.Second

type dialOption func(*dialConfig)

func (o dialOption) applyToDial(c *config) { o(&c.dial) }

// dialConfig is what only a Dial has.
type dialConfig struct {
	loop            *reactor.EventLoop // nil: the shared one
	header          stdhttp.Header
	prepare         func(*stdhttp.Request) error
	jar             stdhttp.CookieJar
	proxy           func(*stdhttp.Request) (*url.URL, error)
	tls             *tls.Config         // nil: crypto/tls's defaults
	unix            reactor.InetAddress // instead of the URL's host, when valid
	lookup          func(ctx context.Context, network, host string) ([]netip.Addr, error)
	handshakeWithin time.Duration
	reconnect       bool
	backoff         reactor.Backoff
	failed          func(err error, retryIn time.Duration)
}

func dialDefaults() dialConfig {
	return dialConfig{
		proxy: stdhttp.ProxyFromEnvironment, lookup: net.DefaultResolver.LookupNetIP,
		handshakeWithin: DefaultHandshakeTimeout, header: stdhttp.Header{},
	}
}

// WithLoop runs the client on loop, which must go on running until the client has
// ended. By default all clients of the process share one loop, which runs while there
// are any.
func WithLoop(loop *reactor.EventLoop) DialOption {
	return dialOption(func(c *dialConfig) { c.loop = loop })
}

// WithHeader adds a header line to the opening request. Host replaces that of the
// URL. It panics for a name or a value that may not be sent, and for the names that
// the handshake itself sends.
func WithHeader(name, value string) DialOption {
	if err := checkHeaderLine(name, value); err != nil {
		panic(err.Error())
	}
	return dialOption(func(c *dialConfig) { c.header.Add(name, value) })
}

// WithRequest has f complete each opening request before it is sent: by a token that
// is fresh, or a query that says where to go on. It runs on a goroutine and may
// block; the request's context ends with the attempt. What it changes beside the
// header, the URL's path and query, and Host is not looked at. An error fails the
// attempt, like a network error.
func WithRequest(f func(*stdhttp.Request) error) DialOption {
	return dialOption(func(c *dialConfig) { c.prepare = f })
}

// WithCookieJar takes the cookies of the opening request from jar, and keeps those
// of the answer there.
func WithCookieJar(jar stdhttp.CookieJar) DialOption {
	return dialOption(func(c *dialConfig) { c.jar = jar })
}

// WithProxy chooses the proxy for an opening request, whose URL is an http: one here,
// or an https: one for wss:; nil, or a nil URL, is none. The connection goes through it
// by CONNECT (RFC 9110 section 9.3.6), with the credentials of its URL, and TLS begins
// behind its answer, with the server. The default is net/http.ProxyFromEnvironment:
// HTTP_PROXY, HTTPS_PROXY and NO_PROXY as they are when the process first asks, and
// none for localhost. Other proxies than http: ones fail with ErrProxy.
func WithProxy(choose func(*stdhttp.Request) (*url.URL, error)) DialOption {
	return dialOption(func(c *dialConfig) { c.proxy = choose })
}

// WithTLSConfig says how TLS is spoken for a wss: URL: whom to trust, with which
// certificate, as which versions. Without it, or where config says nothing else, the
// system's authorities are trusted, for the URL's host (RFC 6125). ALPN (RFC 7301) is
// config.NextProtos without "h2", "http/1.1" by default. config is copied. Its
// callbacks may wait: they run on a goroutine that lives for one step of a handshake.
func WithTLSConfig(config *tls.Config) DialOption {
	return dialOption(func(c *dialConfig) { c.tls = config })
}

// WithUnixSocket connects to a Unix socket instead of the URL's host, and to no
// proxy. A path that begins with "@" is in the abstract namespace (unix(7)).
func WithUnixSocket(path string) DialOption {
	addr, err := reactor.ParseInetAddress("unix:" + path)
	if err != nil {
		panic(err.Error())
	}
	return dialOption(func(c *dialConfig) { c.unix = addr })
}

// WithResolver has r look up the names of hosts: net.DefaultResolver by default.
func WithResolver(r *net.Resolver) DialOption {
	return dialOption(func(c *dialConfig) { c.lookup = r.LookupNetIP })
}

// WithHandshakeTimeout bounds one attempt to connect, from looking the name up to the
// server's answer, TLS included: DefaultHandshakeTimeout by default.
func WithHandshakeTimeout(d time.Duration) DialOption {
	if d <= 0 {
		panic(fmt.Sprintf("ws: WithHandshakeTimeout(%v)", d))
	}
	return dialOption(func(c *dialConfig) { c.handshakeWithin = d })
}

// WithReconnect has the client connect again when its connection was lost, or was
// closed in a way that says "later", and try again when an attempt failed. The delays
// between attempts are jittered and grow from least to most; they begin again at
// least after a connection that lasted for most.
//
// These ends of a connection lead to another: CodeGoingAway, CodeAbnormal,
// CodeInternalError, CodeServiceRestart, CodeTryAgainLater and CodeBadGateway. All
// others, CodeNormalClosure and an application's own among them, say that the same
// would happen again, or that it is done: they end the client.
//
// Of attempts that fail these end it, in Dial as well: an answer that is neither a
// WebSocket nor 408, 425, 429 or 5xx, a request or a proxy that cannot be used, and a
// loop that has quit. Whatever else fails is tried again, in Dial until its ctx ends:
// also for a certificate that is not trusted, since servers renew theirs.
func WithReconnect(least, most time.Duration) DialOption {
	if least <= 0 || most < least {
		panic(fmt.Sprintf("ws: WithReconnect(%v, %v)", least, most))
	}
	return dialOption(func(c *dialConfig) {
		c.reconnect, c.backoff = true, reactor.Backoff{Least: least, Most: most}
	})
}

// WithConnectFailed has f hear of each attempt that failed, with the time to the next,
// 0 when there is none. It runs on the goroutine that connects, which waits for it.
func WithConnectFailed(f func(err error, retryIn time.Duration)) DialOption {
	return dialOption(func(c *dialConfig) { c.failed = f })
}
