package http

import (
	"errors"
	"log/slog"
	"net/netip"

	"github.com/carillon-go/carillon/reactor"
)

// Handler answers one request. It runs on the connection's loop where it is a Server's or a route's that is marked Inline:
// then it must not block, because everything else on that loop waits. Any other route's handler runs on a goroutine of its
// own and may block.
//
// An error that it returns becomes the answer, by its code when it is or wraps an *Error and else by 500, unless an answer
// was written before; a panic becomes 500 and ends the connection. A handler that writes nothing and returns nil has
// answered 200, or what SetStatus said, with an empty body, as in net/http.
//
// runtime.Goexit, which t.FailNow calls, is like a panic on a goroutine. On a loop it must not be called: nothing can stop it, and
// it ends the loop with all of its connections.
type Handler func(c *Ctx) error

// Middleware makes a handler out of another.
type Middleware func(Handler) Handler

// Ctx is one request and its response, as its handler sees it. It belongs to the goroutine that runs the handler until
// that returns. What is needed later is copied, or answered by Async.
//
// A Ctx is a context.Context as well, and as such may be used by any goroutine and for any time: it is done when the client
// has left, the time of SetTimeout has passed, the server was stopped by force, or the handler has returned. All its other
// methods panic behind the handler. Handlers that run on a loop share one Ctx, unless they use it as a context: while
// another of them runs, a Ctx that was kept is that one's, and nothing can tell.
//
// Strings that it returns are copies. Methods named Peek return views of a buffer that are valid until the handler
// returns.
type Ctx struct {
	x      *exchange // nil behind the handler
	serial uint64    // of the request, where several share a Ctx
	lifetime
}

// ErrStale is what a method of a Ctx panics with when its handler has returned.
var ErrStale = errors.New("http: Ctx used after its handler returned: copy what you need from it, answer before you return, or use Async")

// live returns the exchange that c stands for.
func (c *Ctx) live() *exchange {
	if c.x == nil {
		panic(ErrStale)
	}
	return c.x
}

// Server returns the server that the request came to.
func (c *Ctx) Server() *Server { return c.live().server }

// Loop returns the loop that the connection lives on; nil where net/http carries the request.
func (c *Ctx) Loop() *reactor.EventLoop {
	x := c.live()
	if x.worker == nil {
		return nil
	}
	return x.worker.loop
}

// Inline says whether the handler runs on the connection's loop, where it must not block.
func (c *Ctx) Inline() bool { return c.live().onLoop }

// RemoteAddr returns the address of the peer of the connection: the client, or the last proxy before us. See ClientIP.
func (c *Ctx) RemoteAddr() reactor.InetAddress {
	x := c.live()
	if x.conn == nil {
		return x.via.remoteAddr()
	}
	return x.conn.remoteAddr()
}

// LocalAddr returns the address that the client connected to.
func (c *Ctx) LocalAddr() reactor.InetAddress {
	x := c.live()
	if x.conn == nil {
		return x.via.localAddr()
	}
	return x.conn.local
}

// ClientIP returns the address of the client: what SetClientIP was given, else the IP address of RemoteAddr; not valid for a
// Unix socket. No header is believed here: middleware.RealIP does, from proxies that it was told to trust.
func (c *Ctx) ClientIP() netip.Addr {
	if x := c.live(); x.client.IsValid() {
		return x.client
	}
	return c.RemoteAddr().AddrPort().Addr()
}

// SetClientIP says who the client is, where a proxy that is trusted has told.
func (c *Ctx) SetClientIP(ip netip.Addr) { c.live().client = ip }

// Note adds attributes to what the server logs about this request, such as an error of its handler: for middleware that knows
// an id, or a user. They are not part of an access log, which has its own.
func (c *Ctx) Note(attrs ...slog.Attr) {
	x := c.live()
	x.noted = append(x.noted, attrs...)
}

// After has f called when the answer has been made, also by Async, and its status and length are known; what was added last
// is called first. The Ctx that f gets is the one that answered; header lines cannot be changed any more.
func (c *Ctx) After(f func(c *Ctx)) {
	x := c.live()
	x.after = append(x.after, f)
}
