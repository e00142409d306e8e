// Package proxy passes requests on to other servers: a reverse proxy as an http.Handler.
//
//	app.Mount("/api", proxy.New("http://127.0.0.1:3000"), http.Inline, http.StreamBody)
//
// It lives on the loop of the client's connection, and so do its connections to the upstream, which are kept for further
// requests: a request costs no goroutine. Bodies stream in both directions, however long they are, and neither side can make
// the proxy hold more than some hundred KiB by reading slowly.
//
// Marked Inline and StreamBody, as above, the proxy sees a request as soon as its head has come. On other routes it works as
// well, but then the body is received as a whole before it is passed on, or a goroutine takes part.
//
// What is passed on is what Ctx.Path says, below a Mount without its prefix, and the query, spelled as the client has
// spelled it. The fields that concern one connection only (RFC 9110 section 7.6.1) stay behind; X-Forwarded-For,
// X-Forwarded-Proto, X-Forwarded-Host and Forwarded (RFC 7239) say who has asked, and what a client says there itself is
// dropped, unless its address is one that TrustForwarded names.
//
// A response is parsed as strictly as a request: what two readers could understand differently, such as a Content-Length
// beside a Transfer-Encoding, is answered by 502, and the connection to the upstream is closed. So is one on which bytes come
// that nobody has asked for. An upstream that cannot be reached is 502, one that is too slow is 504.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// Option sets how New proxies. It returns an error for a value that makes no sense.
type Option func(p *proxy) error

// Defaults.
const (
	DefaultConnectTimeout  = 5 * time.Second
	DefaultResponseTimeout = 60 * time.Second
	DefaultIdleTimeout     = 60 * time.Second
	DefaultKeepAlive       = 30 * time.Second
	DefaultMaxIdle         = 64
	DefaultDownTime        = 10 * time.Second
)

// WithUpstreams adds upstreams to that of New. They take turns; one that cannot be reached, or that breaks a connection off
// before it answers, is left out for the time of WithDownTime, unless no other is left.
func WithUpstreams(targets ...string) Option {
	return func(p *proxy) error {
		for _, t := range targets {
			if err := p.addUpstream(t); err != nil {
				return err
			}
		}
		return nil
	}
}

// WithDownTime sets how long an upstream that has failed is left out, where there are several; 0: it never is. Default
// DefaultDownTime.
func WithDownTime(d time.Duration) Option {
	return func(p *proxy) error { p.downTime = d; return notNegative("down time", d) }
}

// WithHost sends another Host than the client's; "" stands for the upstream's own. What the client has sent is in
// X-Forwarded-Host in any case.
func WithHost(host string) Option {
	return func(p *proxy) error {
		if strings.ContainsAny(host, " \t\r\n\x00/\\@?#") {
			return fmt.Errorf("proxy: %q is no host", host)
		}
		p.replaceHost, p.host = true, host
		return nil
	}
}

// WithConnectTimeout bounds a connection attempt. Default DefaultConnectTimeout.
func WithConnectTimeout(d time.Duration) Option {
	return func(p *proxy) error { p.connectTimeout = d; return positive("connect timeout", d) }
}

// WithResponseTimeout bounds how long an upstream may take, from the last byte that it was sent, to answer by a head: then 504.
// Default DefaultResponseTimeout.
func WithResponseTimeout(d time.Duration) Option {
	return func(p *proxy) error { p.responseTimeout = d; return positive("response timeout", d) }
}

// WithIdleTimeout bounds how long a body, in either direction, may pause at the upstream: then 504, or the end of the client's
// connection when its answer has begun. Default DefaultIdleTimeout.
func WithIdleTimeout(d time.Duration) Option {
	return func(p *proxy) error { p.idleTimeout = d; return positive("idle timeout", d) }
}

// WithTunnelTimeout bounds how long neither side of an upgraded connection, such as a WebSocket, may send a byte: then it
// is closed. Default 0: there is no bound, and TCP's keepalive finds peers that have vanished.
func WithTunnelTimeout(d time.Duration) Option {
	return func(p *proxy) error { p.tunnelTimeout = d; return notNegative("tunnel timeout", d) }
}

// WithKeepAlive sets how many connections without a request are kept, for each upstream on each loop, and for how long.
// Defaults DefaultMaxIdle, DefaultKeepAlive; 0 connections: none.
func WithKeepAlive(n int, d time.Duration) Option {
	return func(p *proxy) error {
		if n < 0 {
			return fmt.Errorf("proxy: %d connections to keep", n)
		}
		p.maxIdle, p.keepAlive = n, d
		return positive("keep-alive time", d)
	}
}

// TrustForwarded names the networks of proxies in front of this one, which are believed what they say of the client: their
// X-Forwarded-For and Forwarded are added to, and X-Forwarded-Proto and X-Forwarded-Host passed on.
func TrustForwarded(networks ...netip.Prefix) Option {
	return func(p *proxy) error {
		for _, n := range networks {
			if !n.IsValid() {
				return errors.New("proxy: a network to trust that is none")
			}
			p.trusted = append(p.trusted, n.Masked())
		}
		return nil
	}
}

// WithTLS sets how upstreams of https are spoken to: RootCAs in the place of the system's, a ServerName in the place of the host
// of the target, certificates of this side, InsecureSkipVerify. It is copied. Without it the system's roots are trusted, and the
// name of the target is what a certificate must be for.
func WithTLS(config *tls.Config) Option {
	return func(p *proxy) error { p.tls = config.Clone(); return nil }
}

func positive(what string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("proxy: %s %v is not above zero", what, d)
	}
	return nil
}

func notNegative(what string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("proxy: %s %v is below zero", what, d)
	}
	return nil
}

// proxy is what all requests to the same upstreams share. Any goroutine, once it is made.
type proxy struct {
	upstreams   []*upstream
	turn        atomic.Uint64
	replaceHost bool
	host        string
	trusted     []netip.Prefix
	tls         *tls.Config // of WithTLS; nil without

	connectTimeout, responseTimeout, idleTimeout, tunnelTimeout, keepAlive, downTime time.Duration
	maxIdle                                                                          int

	pools sync.Map // *reactor.EventLoop to *pool
}

// upstream is one server behind.
type upstream struct {
	addr reactor.InetAddress
	host string       // its own, as a Host header
	base string       // path in front of all that is passed on; without a slash at its end
	name string       // that its certificate must be for; "" without TLS
	tls  *reactor.TLS // nil without
	down atomic.Int64 // until when it is left out, in nanoseconds of the Unix time
}

// New makes the handler; it panics where Open returns an error.
func New(target string, opts ...Option) http.Handler {
	h, err := Open(target, opts...)
	if err != nil {
		panic(err)
	}
	return h
}

// Open makes a handler that passes requests on to target:
//
//	http://127.0.0.1:3000        a server
//	http://app.internal/base     one by name, port 80, below a path
//	https://app.internal         one that speaks TLS, port 443; see WithTLS
//	unix:/run/app.sock           a Unix socket
//
// A name is looked up once, here, which may take time. Errors: a target that cannot be read or found, and those of options.
func Open(target string, opts ...Option) (http.Handler, error) {
	p := &proxy{
		connectTimeout: DefaultConnectTimeout, responseTimeout: DefaultResponseTimeout, idleTimeout: DefaultIdleTimeout,
		keepAlive: DefaultKeepAlive, maxIdle: DefaultMaxIdle, downTime: DefaultDownTime,
	}
	if err := p.addUpstream(target); err != nil {
		return nil, err
	}
	for _, opt := range opts {
		if err := opt(p); err != nil {
			return nil, err
		}
	}
	for _, u := range p.upstreams {
		u.secure(p)
	}
	return p.serve, nil
}

// lookupTimeout bounds the search for an upstream's address.
const lookupTimeout = 10 * time.Second

func (p *proxy) addUpstream(target string) error {
	u, err := parseTarget(target)
	if err != nil {
		return err
	}
	p.upstreams = append(p.upstreams, u)
	return nil
}

// CheckTarget says what is wrong with a target, without looking a name up.
func CheckTarget(target string) error {
	_, _, err := splitTarget(target)
	return err
}

func parseTarget(target string) (*upstream, error) {
	addr, u, err := splitTarget(target)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	if u.addr, err = reactor.ResolveInetAddress(ctx, addr); err != nil {
		return nil, fmt.Errorf("proxy: upstream %q: %w", target, err)
	}
	return u, nil
}

func splitTarget(target string) (addr string, up *upstream, err error) {
	if strings.HasPrefix(target, "unix:") {
		_, err := reactor.ParseInetAddress(target)
		return target, &upstream{host: "localhost"}, err
	}
	u, err := url.Parse(target)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", nil, fmt.Errorf("proxy: upstream %q: want http://HOST[:PORT][/PATH], https://HOST[:PORT][/PATH] or unix:/path", target)
	case strings.Contains(u.Path+"/", "/../") || strings.Contains(u.Path+"/", "/./"):
		return "", nil, fmt.Errorf("proxy: upstream %q: dots in its path", target)
	}
	host, port, name := u.Hostname(), "80", ""
	if u.Scheme == "https" {
		port, name = "443", host
	}
	if p := u.Port(); p != "" {
		port = p
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port, &upstream{host: u.Host, base: strings.TrimRight(u.EscapedPath(), "/"), name: name}, nil
}

// serve is the http.Handler.
func (p *proxy) serve(c *http.Ctx) error {
	t, err := p.newTransfer(c)
	if err != nil {
		return err
	}
	return c.Relay(t)
}

// pick returns the upstream whose turn it is, leaving out those that are down, and that which was tried last if there is
// another.
func (p *proxy) pick(tried *upstream) *upstream {
	n := uint64(len(p.upstreams))
	first := p.turn.Add(1)
	now := time.Now().UnixNano()
	var spare *upstream
	for i := range n {
		u := p.upstreams[(first+i)%n]
		switch {
		case u == tried:
		case u.down.Load() <= now:
			return u
		case spare == nil:
			spare = u
		}
	}
	if spare != nil {
		return spare
	}
	return p.upstreams[first%n]
}

// failed leaves an upstream out for a while.
func (p *proxy) failed(u *upstream) {
	if len(p.upstreams) > 1 && p.downTime > 0 {
		u.down.Store(time.Now().Add(p.downTime).UnixNano())
	}
}
