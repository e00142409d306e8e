package http

import (
	"bytes"
	"log/slog"
	nethttp "net/http"
	"net/netip"
	"slices"

	"github.com/carillon-go/carillon/http/internal/mux"
)

// WrapMiddleware makes a Middleware of one of net/http. What stands behind it sees the request and its context as the
// middleware has changed them, but for the route, which was found before; its answer passes through the middleware's
// ResponseWriter. An upgrade by Ctx.Upgrade, such as ws.Endpoint's, passes it by.
//
// A handler that panics behind it is answered by 500, and logged, before the middleware could see the panic: one of net/http that
// recovers sees an answer only. http.ErrAbortHandler passes it. There is no Async behind it (ErrNoAsync).
func WrapMiddleware(m func(nethttp.Handler) nethttp.Handler) Middleware {
	return func(next Handler) Handler {
		h := m(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			from, ok := r.Context().Value(originKey{}).(*origin)
			if !ok {
				panic("http: a middleware of net/http has replaced the request's context instead of deriving from it")
			}
			if err := from.serve(w, r, next); err != nil {
				nethttp.Error(w, err.Error(), 400)
			}
		}))
		return func(c *Ctx) error { return serveNet(c, h, newOrigin(c.live())) }
	}
}

// origin is what a handler behind a middleware of net/http needs of the exchange in front of it. It is a copy, because the
// middleware may call that handler in a goroutine that outlives the exchange, as TimeoutHandler does.
type origin struct {
	life    *netContext
	server  *Server
	worker  *worker
	route   *Route
	refused *Error // why the route's handler is not to run
	limit   int64
	params  mux.Params
	matched []byte // the path that params are captures of
	client  netip.Addr
	noted   []slog.Attr
	onLoop  bool
	whole   bool // body is all of it
	body    []byte
	trailer nethttp.Header
}

func newOrigin(x *exchange) *origin {
	o := &origin{
		server: x.server, worker: x.worker, route: x.route, refused: x.refused, limit: x.limit, params: x.params,
		client: x.client, noted: slices.Clip(x.noted), onLoop: x.onLoop, whole: x.body.whole, body: x.body.data,
	}
	o.matched = bytes.Clone(x.path) // not mounted: what a mount takes off is gone from the request as well
	if x.matched != nil {
		o.matched = bytes.Clone(x.matched)
	}
	if x.conn != nil {
		o.body = bytes.Clone(o.body) // elsewhere it is nobody else's
	}
	if o.whole {
		o.trailer = netHeader(x.trailers())
	}
	return o
}

// serve runs next for r, an exchange of its own whose answer goes to w. Error: a request that a middleware has made
// unreadable.
func (o *origin) serve(w nethttp.ResponseWriter, r *nethttp.Request, next Handler) error {
	y := newExchange(o.server, o.worker)
	y.nested = o.life
	y.route, y.limit, y.params, y.matched = o.route, o.limit, o.params, o.matched
	if err := y.importRequest(&netCarrier{w: w, r: r}, r); err != nil {
		return err
	}
	y.client, y.noted, y.refused = o.client, o.noted, o.refused
	if _, ours := r.Body.(*netBody); o.whole && (ours || r.Body == nethttp.NoBody) {
		y.body.set(o.body)
		y.importTrailers(o.trailer)
	} else if r.Body == nil {
		y.body.set(nil)
	} else {
		y.body.reader = importedBody{r.Body, y, r}
	}
	c := &Ctx{}
	c.base = r.Context()
	y.bind(c, o.onLoop && o.worker.loop.IsInLoopThread()) // the middleware may have gone to another goroutine
	defer func() {
		c.x = nil
		c.end(ErrHandlerReturned)
	}()
	y.serve(next)
	return y.deliver(nil)
}
