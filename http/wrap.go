package http

import (
	"net"
	nethttp "net/http"
	"net/url"
	"strings"

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
	return func(c *Ctx) error { return serveNet(c, h, nil) }
}

// serveNet has h answer. from is what a handler behind h will need; nil when there is none.
func serveNet(c *Ctx, h nethttp.Handler, from *origin) error {
	r, life, err := newNetRequest(c, from)
	if err != nil {
		return err
	}
	w := &responseWriter{c: c, x: c.x, header: netLines(c.x.fields)}
	life.w = w
	defer func() {
		w.stopTimers()
		life.end()
	}()
	h.ServeHTTP(w, r)
	return w.finish()
}

// WrapFunc is Wrap of a function.
func WrapFunc(f func(w nethttp.ResponseWriter, r *nethttp.Request)) Handler {
	return Wrap(nethttp.HandlerFunc(f))
}

// newNetRequest makes the request that a handler of net/http is given.
func newNetRequest(c *Ctx, from *origin) (*nethttp.Request, *netContext, error) {
	x := c.live()
	target := c.Target()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, nil, &Error{Code: 400, Detail: errTarget.Detail, Err: err}
	}
	if x.mounted > 0 {
		u.Path, u.RawPath = c.Path(), ""
	}
	life := &netContext{Ctx: c, from: from}
	if from != nil {
		from.life = life
	}
	r := (&nethttp.Request{
		Method: c.Method(), URL: u, Proto: c.Proto(), ProtoMajor: 1, ProtoMinor: int(x.head.minor),
		Header: netHeader(c.Headers()), ContentLength: c.ContentLength(), Host: c.Host(), RequestURI: target,
		RemoteAddr: c.RemoteAddr().String(), TLS: c.TLS(), Close: x.head.close, Body: nethttp.NoBody, Pattern: x.route.pattern.String(),
	}).WithContext(life)
	r.Header.Del("Host")
	if x.head.chunked {
		r.TransferEncoding = []string{"chunked"}
		r.Header.Del("Transfer-Encoding")
		r.Trailer = announcedTrailers(r.Header)
	}
	if x.head.chunked || x.head.length > 0 || x.body.replaced || x.body.reader != nil {
		life.body = &netBody{x: x, r: c.BodyReader(), into: r, pipe: x.body.pipe, shared: x.conn != nil}
		r.Body = life.body
	}
	for _, name := range x.route.pattern.Names() {
		r.SetPathValue(name, c.Param(name))
	}
	return r, life, nil
}

func netHeader(lines func(yield func(name, value string) bool)) nethttp.Header {
	h := make(nethttp.Header)
	for name, value := range lines {
		h.Add(name, value)
	}
	return h
}

// announcedTrailers takes the Trailer line out of h: net/http shows the names, and the values once the body was read. It is
// never nil, so that copies of the request share what comes later.
func announcedTrailers(h nethttp.Header) nethttp.Header {
	lines := h["Trailer"]
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

// netAddr is a as net/http's handlers expect it.
func netAddr(a reactor.InetAddress) net.Addr {
	if a.IsUnix() {
		return &net.UnixAddr{Name: a.Path(), Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a.AddrPort())
}
