package http

import (
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon/reactor"
)

// Wrap makes a Handler of one of net/http. Its ResponseWriter is a Flusher, a Hijacker, an io.ReaderFrom (sendfile(2) for
// files) and io.StringWriter, and knows http.ResponseController's deadlines; trailers and answers of 1xx work as in net/http.
// The request's context is the Ctx, its PathValue those of the route, and its URL.Path is Ctx.Path.
//
// Such handlers block: on a loop a body that is awaited, or a client that is behind, is an error instead.
func Wrap(h nethttp.Handler) Handler {
	if h == nil {
		panic("http: Wrap(nil): a handler is needed")
	}
	return func(c *Ctx) error {
		r, err := newNetRequest(c)
		if err != nil {
			return err
		}
		w := &responseWriter{c: c, x: c.x, header: make(nethttp.Header)}
		defer w.stopTimers()
		if body, ok := r.Body.(*netBody); ok {
			defer body.end()
		}
		h.ServeHTTP(w, r)
		return w.finish()
	}
}

// WrapFunc is Wrap of a function.
func WrapFunc(f func(w nethttp.ResponseWriter, r *nethttp.Request)) Handler {
	return Wrap(nethttp.HandlerFunc(f))
}

// ctxKey is where the context of a request that we have made holds its Ctx.
type ctxKey struct{}

// requestContext is the Ctx as the context of a request of net/http, which finds there what it expects. Any goroutine may
// use it, also behind the handler.
type requestContext struct {
	*Ctx
	conn *conn // nil where net/http has the connection
}

func (r requestContext) Value(key any) any {
	switch key {
	case ctxKey{}:
		return r.Ctx
	case nethttp.LocalAddrContextKey:
		if r.conn != nil {
			return netAddr(r.conn.local())
		}
	}
	return r.Ctx.Value(key)
}

var _ context.Context = requestContext{}

// newNetRequest makes the request that a handler of net/http is given.
func newNetRequest(c *Ctx) (*nethttp.Request, error) {
	x := c.live()
	target := c.Target()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, &Error{Code: 400, Detail: errTarget.Detail, Err: err}
	}
	if x.mounted > 0 {
		u.Path, u.RawPath = c.Path(), ""
	}
	r := &nethttp.Request{
		Method: c.Method(), URL: u, Proto: c.Proto(), ProtoMajor: 1, ProtoMinor: int(x.head.minor),
		Header: netHeader(c.Headers()), ContentLength: c.ContentLength(), Host: c.Host(), RequestURI: target,
		RemoteAddr: c.RemoteAddr().String(), Close: x.head.close, Body: nethttp.NoBody, Pattern: x.route.pattern.String(),
	}
	r.Header.Del("Host")
	if x.head.chunked {
		r.TransferEncoding = []string{"chunked"}
		r.Header.Del("Transfer-Encoding")
		r.Trailer = announcedTrailers(r.Header)
	}
	if x.head.chunked || x.head.length > 0 || x.body.reader != nil {
		r.Body = &netBody{c: c, r: c.BodyReader(), pipe: x.body.pipe, into: r}
	}
	for _, name := range x.route.pattern.Names() {
		r.SetPathValue(name, c.Param(name))
	}
	return r.WithContext(requestContext{c, x.outermost().conn}), nil
}

func netHeader(lines func(yield func(name, value string) bool)) nethttp.Header {
	h := make(nethttp.Header)
	for name, value := range lines {
		h.Add(name, value)
	}
	return h
}

// announcedTrailers takes the Trailer line out of h: net/http shows the names, and the values once the body was read.
func announcedTrailers(h nethttp.Header) nethttp.Header {
	lines := h["Trailer"]
	if len(lines) == 0 {
		return nil
	}
	delete(h, "Trailer")
	t := make(nethttp.Header)
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				t[nethttp.CanonicalHeaderKey(name)] = nil
			}
		}
	}
	return t
}

// netBody is the body of a request as net/http's handlers read it. Clients of net/http, as in a proxy, read and close it in
// goroutines of their own, also when the handler has returned.
type netBody struct {
	c      *Ctx
	r      io.Reader
	pipe   *pipe            // what r waits for; nil where that is not ours
	into   *nethttp.Request // gets the trailers
	closed atomic.Bool
	mu     sync.Mutex // held while r is read
}

// Read implements io.Reader. A body that is too large is a *nethttp.MaxBytesError, as those handlers expect.
func (b *netBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() {
		return 0, nethttp.ErrBodyReadAfterClose
	}
	n, err := b.r.Read(p)
	switch {
	case err == io.EOF:
		for name, value := range b.c.Trailers() {
			if b.into.Trailer == nil {
				b.into.Trailer = make(nethttp.Header)
			}
			b.into.Trailer.Add(name, value)
		}
	case errors.Is(err, errBodyTooBig):
		err = &nethttp.MaxBytesError{Limit: b.c.x.limit}
	}
	return n, err
}

// Close implements io.Closer: what was not read is skipped by the server.
func (b *netBody) Close() error {
	b.closed.Store(true)
	if b.mu.TryLock() {
		b.mu.Unlock()
	} else if b.pipe != nil {
		b.pipe.close(nethttp.ErrBodyReadAfterClose) // somebody waits there
	}
	return nil
}

// end is called when the handler has returned, and waits for who still reads: what is read is given back.
func (b *netBody) end() {
	_ = b.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
}

// WrapMiddleware makes a Middleware of one of net/http. What stands behind it sees the request and its context as the
// middleware has changed them, but for the route, which was found before; its answer passes through the middleware's
// ResponseWriter. An upgrade by Ctx.Upgrade, such as ws.Endpoint's, passes it by.
func WrapMiddleware(m func(nethttp.Handler) nethttp.Handler) Middleware {
	return func(next Handler) Handler {
		return Wrap(m(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			outer, ok := r.Context().Value(ctxKey{}).(*Ctx)
			if !ok {
				panic("http: a middleware of net/http has replaced the request's context instead of deriving from it")
			}
			if err := outer.live().behind(w, r, next); err != nil {
				nethttp.Error(w, err.Error(), 400)
			}
		})))
	}
}

// behind runs next for r, an exchange of its own whose answer goes to w. Error: a request that a middleware has made
// unreadable.
func (x *exchange) behind(w nethttp.ResponseWriter, r *nethttp.Request, next Handler) error {
	y := newExchange(x.server, x.worker)
	y.outer = x
	y.route, y.limit, y.params = x.route, x.limit, x.params // not mounted: what a mount takes off is gone from r as well
	y.matched = append(y.matched, x.path...)
	if x.matched != nil {
		y.matched = append(y.matched[:0], x.matched...)
	}
	carrier := &netCarrier{w: w, r: r}
	if err := y.importRequest(carrier, r); err != nil {
		return err
	}
	y.client = x.client
	if _, ours := r.Body.(*netBody); x.body.whole && (ours || r.Body == nethttp.NoBody) {
		y.body.set(x.body.data)
	} else {
		y.body.reader = r.Body
	}
	c := &Ctx{}
	c.base = r.Context()
	y.bind(c, x.onLoop)
	defer func() {
		c.x = nil
		c.end(ErrHandlerReturned)
	}()
	y.serve(next)
	return y.deliver(nil)
}

// netAddr is a as net/http's handlers expect it.
func netAddr(a reactor.InetAddress) net.Addr {
	if a.IsUnix() {
		return &net.UnixAddr{Name: a.Path(), Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a.AddrPort())
}
