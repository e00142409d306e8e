package http

import (
	"errors"

	"github.com/carillon-go/carillon/reactor"
)

// Handler answers one request. It runs on the connection's loop, so it must not block: everything else on that loop
// waits. An error that it returns becomes the answer, by its code when it is or wraps an *Error and else by 500, unless an
// answer was written before; a panic becomes 500 and ends the connection. A handler that writes nothing and returns nil
// has answered 200, or what SetStatus said, with an empty body, as in net/http.
type Handler func(c *Ctx) error

// Middleware makes a handler out of another.
type Middleware func(Handler) Handler

// Ctx is one request and its response. It belongs to the handler that it was given to, on the loop's goroutine, until
// that handler returns; then the server uses it for another request. A method called while no handler runs panics; while
// one runs, a Ctx that was kept is that handler's, and nothing can tell.
//
// Strings that it returns are copies. Methods named Peek return views of the connection's buffer that are valid until
// the handler returns.
type Ctx struct {
	conn    *conn  // nil while no handler runs
	serial  uint64 // of the request, on its loop
	raw     []byte
	head    *head
	body    []byte
	tail    *head // trailers; nil without
	tailRaw []byte
	path    []byte // decoded; views raw where nothing was encoded
	decoded []byte // storage for path

	response
}

// ErrStale is what a method of a Ctx panics with while no handler has it.
var ErrStale = errors.New("http: Ctx used after its handler returned: copy what you need from it, or answer before you return")

func (c *Ctx) live() {
	if c.conn == nil {
		panic(ErrStale)
	}
}

// begin makes c the context of one request.
func (c *Ctx) begin(conn *conn, raw []byte, h *head, body []byte) {
	c.conn, c.raw, c.head, c.body = conn, raw, h, body
	c.tail, c.tailRaw = nil, nil
	c.serial++
	switch {
	case h.path.empty():
		c.path = rootPath
	case h.escaped:
		c.decoded = decodePath(c.decoded[:0], h.path.of(raw))
		c.path = c.decoded
	default:
		c.path = h.path.of(raw)
	}
	c.response.reset(h.close || conn.has(draining), h.minor == 0, h.method == "HEAD")
}

// end lets go of the request, and of storage that grew out of proportion.
func (c *Ctx) end() {
	c.conn, c.raw, c.head, c.body, c.tail, c.tailRaw, c.path = nil, nil, nil, nil, nil, nil, nil
	c.upgrade = nil
	if cap(c.fields) > keptScratch {
		c.fields = nil
	}
	if cap(c.out) > keptScratch {
		c.out = nil
	}
}

// keptScratch is how many bytes of each scratch buffer a loop keeps from one request to the next.
const keptScratch = 128 << 10

var rootPath = []byte("/")

// Server returns the server that the request came to.
func (c *Ctx) Server() *Server { c.live(); return c.conn.worker.server }

// Loop returns the loop that the connection lives on.
func (c *Ctx) Loop() *reactor.EventLoop { c.live(); return c.conn.worker.loop }

// RemoteAddr returns the address of the peer of the connection: the client, or the last proxy before us.
func (c *Ctx) RemoteAddr() reactor.InetAddress { c.live(); return c.conn.tcp.PeerAddr() }

// LocalAddr returns the address that the client connected to.
func (c *Ctx) LocalAddr() reactor.InetAddress { c.live(); return c.conn.tcp.LocalAddr() }
