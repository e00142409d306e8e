package http

import (
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"sync"
	"sync/atomic"

	"github.com/carillon-go/carillon/reactor"
)

// What a handler of net/http is given of a request may be held by goroutines that outlive the handler: TimeoutHandler leaves
// one behind, and so does a Transport that sends the body on. Behind the handler the exchange is another request's; so
// netContext and netBody are cut off from it then.

// netContext is the Ctx as the context of a request of net/http, which finds there what it expects. Any goroutine.
type netContext struct {
	*Ctx
	from *origin
	body *netBody // nil without a body
	w    *responseWriter

	mu    sync.Mutex
	over  bool     // the handler has returned: Ctx is a context only
	local net.Addr // once it was asked for
}

// originKey is where the context of a request that WrapMiddleware has made holds its *origin.
type originKey struct{}

// ourServer stands for our server where handlers look whether they are served at all: without it httputil.ReverseProxy does
// not abort an answer whose backend has died, and the client would take a part for the whole.
var ourServer = new(nethttp.Server)

func (n *netContext) Value(key any) any {
	switch key {
	case originKey{}:
		return n.from
	case nethttp.LocalAddrContextKey:
		if addr := n.localAddr(); addr != nil {
			return addr
		}
	}
	v := n.Ctx.Value(key)
	if v == nil && key == nethttp.ServerContextKey {
		return ourServer
	}
	return v
}

// localAddr is made when somebody wants it; nil where net/http has the connection, and behind the handler when nobody has asked
// before.
func (n *netContext) localAddr() net.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.local == nil && !n.over && n.Ctx.x.conn != nil {
		n.local = netAddr(n.Ctx.LocalAddr())
	}
	return n.local
}

// switchProtocols answers 101 for y, an exchange behind the handler, and leaves the connection to whom Upgrade is given on it:
// past the handler's ResponseWriter, which cannot hand a connection over.
func (n *netContext) switchProtocols(y *exchange) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return ErrNotUpgraded
	}
	x := n.w.x
	if err := x.ready(101); err != nil {
		return err
	}
	x.fields, x.own = append(x.fields[:0], y.fields...), y.own
	err := x.start(101, "", 0)
	x.phase = answered
	n.w.hijacked = true
	return err
}

// upgrade passes on what Upgrade was given.
func (n *netContext) upgrade(h func(conn *reactor.TcpConnection)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.over {
		n.w.x.setUpgrade(h)
	}
}

// setEndless passes on that the answer has no end of its own.
func (n *netContext) setEndless() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.over {
		n.w.x.setEndless()
	}
}

// end cuts off what is still held of the request. The handler's goroutine calls it when the handler is done.
func (n *netContext) end() {
	n.mu.Lock()
	n.over = true
	n.mu.Unlock()
	if n.body != nil {
		_ = n.body.Close()
	}
}

var _ context.Context = (*netContext)(nil)

// netBody is the body of a request as net/http's handlers read it. Any goroutine, one at a time; Close at any time.
type netBody struct {
	x    *exchange
	r    io.Reader
	into *nethttp.Request // gets the trailers
	pipe *pipe            // where r reads from in the end; nil when that never waits
	// shared: the exchange and its storage serve other requests when this one is over, so that no read may last longer
	shared bool

	reading sync.Mutex // held by Read, and by what waits for its end
	closed  atomic.Bool
}

// Read implements io.Reader. A body that is too large is a *nethttp.MaxBytesError, as those handlers expect.
func (b *netBody) Read(p []byte) (int, error) {
	if b.shared {
		b.reading.Lock()
		defer b.reading.Unlock()
	}
	if b.closed.Load() {
		return 0, nethttp.ErrBodyReadAfterClose
	}
	n, err := b.r.Read(p)
	switch {
	case err == io.EOF:
		for name, value := range b.x.trailers() {
			if b.into.Trailer == nil {
				b.into.Trailer = make(nethttp.Header)
			}
			b.into.Trailer.Add(name, value)
		}
	case errors.Is(err, errBodyTooBig):
		err = &nethttp.MaxBytesError{Limit: b.x.limit}
	}
	return n, err
}

// Close implements io.Closer: what was not read is skipped by the server. A read that waits ends.
func (b *netBody) Close() error {
	b.closed.Store(true)
	if b.pipe != nil {
		b.pipe.close(nethttp.ErrBodyReadAfterClose)
	}
	if b.shared {
		b.reading.Lock() // the pipe has let go of who reads
		defer b.reading.Unlock()
	}
	return nil
}
