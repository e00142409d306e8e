package http

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/carillon-go/carillon/http/internal/mux"
)

// exchange is one request and its answer: all that the server knows of them. A Ctx is a handler's ticket to it, which
// becomes void when the handler returns; the exchange then serves another request.
//
// An exchange of a connection comes from its loop's worker and goes back there. It is the loop's, but from start to done it
// is lent to the goroutine that runs the handler; what both need meanwhile is in pipe and room, which have locks. Where
// net/http carries the request, an exchange is made for it alone and belongs to the goroutine of ServeHTTP.
type exchange struct {
	server *Server
	worker *worker // nil where net/http carries the request
	conn   *conn   // nil likewise
	via    carrier // nil where conn takes the answer
	ticket *Ctx    // the handler's: the one whose context ends when the client leaves
	ctx    *Ctx    // the same, or that of a handler behind a middleware of net/http
	onLoop bool    // the handler runs on the loop's goroutine
	lent   bool    // a goroutine has had it

	sites   *Sites // that the route is of; nil without
	route   *Route
	params  mux.Params
	matched []byte // the path that params are captures of; nil: path
	mounted int    // bytes at the front of path that a mount took off

	raw     []byte     // the head as it was received
	head    head       // spans of raw
	path    []byte     // decoded; views raw where nothing was encoded
	decoded []byte     // storage for path
	rawKept []byte     // storage for raw, when it is not the connection's buffer
	client  netip.Addr // see Ctx.SetClientIP

	body  requestBody
	form  *formState // what FormValues and MultipartForm have read; nil before
	limit int64      // of the body, in bytes: the route's, or less
	// refused is answered, by the middleware of the route, in place of its handler: the body is not wanted
	refused *Error
	response

	nested *netContext    // of the middleware of net/http in front: see WrapMiddleware
	after  []func(c *Ctx) // see Ctx.After
	noted  []slog.Attr    // see Ctx.Note
	async  *Async         // an answer that is to come from elsewhere
	relay  *Relay         // it comes piece by piece, on the loop
	room   room
	hand   *hand         // the goroutine that runs the handler
	done   func()        // takes the exchange back, on the loop
	over   chan struct{} // closed when it is done, where net/http carries the request
}

// room is where a handler's goroutine waits until the client has taken output.
type room struct {
	mu   sync.Mutex
	wake sync.Cond
	turn uint64 // counts requests
	gone bool   // the connection is
	// expired: the time for writing that a handler of net/http has set is over
	expired bool
	// parked is an answer that nobody has begun when the handler returned. It may have been begun since.
	parked *Async
	// endless: the answer never ends of itself, so that a server that shuts down ends it
	endless bool
}

func newExchange(s *Server, w *worker) *exchange {
	x := &exchange{server: s, worker: w}
	x.room.wake.L = &x.room.mu
	x.done = func() { x.conn.complete(x) }
	return x
}

var rootPath = []byte("/")

// begin makes x the exchange of the request whose head has just been parsed from raw. conn is nil where via is not.
func (x *exchange) begin(conn *conn, via carrier, raw []byte) {
	x.conn, x.via, x.raw = conn, via, raw
	h := &x.head
	switch {
	case h.path.empty():
		x.path = rootPath
	case h.escaped:
		x.decoded = decodePath(x.decoded[:0], h.path.of(raw))
		x.path = x.decoded
	default:
		x.path = h.path.of(raw)
	}
	x.response.reset(h.close, h.minor == 0, h.method == "HEAD")
}

func (x *exchange) setRoute(r *Route) { x.route, x.limit = r, r.maxBody }

// keep makes x independent of the connection's buffer.
func (x *exchange) keep() {
	inRaw := !x.head.escaped && !x.head.path.empty()
	x.rawKept = append(x.rawKept[:0], x.raw...)
	x.raw = x.rawKept
	if inRaw {
		x.path = x.head.path.of(x.raw)
	}
}

// bind gives the handler a ticket.
func (x *exchange) bind(c *Ctx, onLoop bool) *Ctx {
	x.ticket, x.ctx, x.onLoop = c, c, onLoop
	c.x = x
	c.serial++
	return c
}

// end lets go of the request, and of storage that grew out of proportion.
func (x *exchange) end() {
	if x.sites != nil {
		x.sites.leave()
		x.sites = nil
	}
	x.conn, x.via, x.ticket, x.ctx, x.route, x.raw, x.path = nil, nil, nil, nil, nil, nil, nil
	x.matched, x.async, x.relay, x.form = nil, nil, nil, nil
	clear(x.after)
	x.after = x.after[:0]
	x.noted, x.refused = nil, nil
	x.mounted, x.client = 0, netip.Addr{}
	x.letGo()
	x.body.reset()
	if x.lent {
		x.lent = false
		x.room.next()
	}
	x.rawKept, x.decoded = kept(x.rawKept), kept(x.decoded)
}

// keptScratch is how many bytes of each buffer are kept from one request to the next.
const keptScratch = 32 << 10

func kept(b []byte) []byte {
	if cap(b) > keptScratch {
		return nil
	}
	return b[:0]
}

// relative is the path behind what mounts took off.
func (x *exchange) relative() []byte { return x.path[x.mounted:] }

// setEndless marks an answer that goes on until somebody ends it: a server that shuts down does.
func (x *exchange) setEndless() {
	if x.nested != nil {
		x.nested.setEndless()
		return
	}
	x.room.mu.Lock()
	x.room.endless = true
	x.room.mu.Unlock()
	if x.server.draining.Load() {
		x.endIfEndless()
	}
}

// endIfEndless ends the handler's context if its answer has no end. Any goroutine.
func (x *exchange) endIfEndless() {
	x.room.mu.Lock()
	endless := x.room.endless
	x.room.mu.Unlock()
	if endless {
		x.ticket.end(ErrServerClosed)
	}
}

// logError writes a record about the request, for the operator.
func (x *exchange) logError(msg string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("method", x.head.method), slog.String("path", string(x.path)),
		slog.String("remote", x.ctx.RemoteAddr().String()))
	x.server.logger().LogAttrs(context.Background(), slog.LevelError, "http: "+msg, append(attrs, x.noted...)...)
}
