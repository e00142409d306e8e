package http

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/carillon-go/carillon/http/internal/mux"
)

// Route is a pattern with its handler and what applies to it alone. It is made by the methods of Router and does not change
// once the App has started; then any goroutine may read it.
type Route struct {
	// What each request asks for stands together.
	chain   Handler // handler with all middleware around it
	maxBody int64   // bytes; 0 until the App starts: the server's
	inline  bool
	stream  bool
	mount   int // place among the captures of what is behind a mount; -1 for a route that is none

	pattern mux.Pattern
	router  *Router
	origin  string // file:line of its registration
	handler Handler
	around  []Middleware // of this route, the outermost first
	refuse  Handler      // the same middleware around the answer to a body that is not wanted; nil without any
}

// unrouted is the route of what could not be understood.
var unrouted = Route{chain: func(*Ctx) error { return nil }, inline: true}

// RouteOption sets what applies to one route, which it must not keep. It panics on a value that makes no sense.
type RouteOption func(r *Route)

// Inline has the route's handler, and the middleware around it, run on the connection's loop instead of on a goroutine: for
// handlers that never block. It saves handing the request over and back. The body is there when the handler starts, so a
// client that waits for 100 Continue is asked for it in any case.
func Inline(r *Route) { r.inline = true }

// StreamBody starts the route's handler when the head has come: it reads the body as it arrives, by Ctx.BodyReader, and the
// client is slowed down when the handler is behind. Without, a handler starts when the body is there. With Inline as well the
// handler runs on the loop, where reading would wait (reactor.ErrOnLoop): it passes the body on by Ctx.Relay, or leaves it to
// who answers for Ctx.Async.
func StreamBody(r *Route) { r.stream = true }

// MaxBody bounds the bodies of the route's requests, in bytes, instead of Server.Limits.MaxBody; 0 means none at all.
func MaxBody(bytes int64) RouteOption {
	if bytes < 0 {
		panic(fmt.Sprintf("http: MaxBody(%d): below zero", bytes))
	}
	return func(r *Route) {
		if r.maxBody = bytes; bytes == 0 {
			r.maxBody = noBody
		}
	}
}

// noBody stands for a limit of 0, which would be the server's.
const noBody = -1

// With puts middleware around one route, inside that of its group.
func With(around ...Middleware) RouteOption {
	return func(r *Route) { r.around = append(r.around, around...) }
}

// Method returns the method of the route's pattern, "" for any.
func (r *Route) Method() string { return r.pattern.Method() }

// Pattern returns the route's pattern as a whole, with the prefixes of its groups: "GET /api/users/{id}".
func (r *Route) Pattern() string { return r.pattern.String() }

// Origin returns the file and line that registered the route.
func (r *Route) Origin() string { return r.origin }

// String describes the route in one line: pattern, handler, and how it runs.
func (r *Route) String() string {
	var how []string
	if r.inline {
		how = append(how, "inline")
	}
	if r.stream {
		how = append(how, "streams its body")
	}
	if r.maxBody > 0 {
		how = append(how, fmt.Sprintf("body up to %d bytes", r.maxBody))
	}
	s := fmt.Sprintf("%-32s %s", r.pattern, nameOf(r.handler))
	if len(how) > 0 {
		s += " (" + strings.Join(how, ", ") + ")"
	}
	return s
}

// nameOf is a handler's function name without the path of its package.
func nameOf(h Handler) string {
	name := runtime.FuncForPC(reflect.ValueOf(h).Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], "-fm")
}

// finish makes the chain and fills in the server's limits.
func (r *Route) finish(s *Server) {
	h := r.handler
	if r.mount >= 0 {
		h = r.belowMount
	}
	r.chain = r.router.wrap(wrapped(h, r.around))
	r.refuse = r.router.wrap(wrapped(func(c *Ctx) error { return c.x.refused }, r.around))
	switch r.maxBody {
	case 0:
		r.maxBody = s.Limits.filled().MaxBody
	case noBody:
		r.maxBody = 0
	}
}

// belowMount takes the mount's prefix off the path, for the handler alone.
func (r *Route) belowMount(c *Ctx) error {
	x := c.x
	if x.matched == nil || bytes.Equal(x.matched, x.path) { // else a middleware of net/http has changed the path
		x.mounted = int(x.params.At(r.mount).Off) - 1
		defer func() { x.mounted = 0 }()
	}
	return r.handler(c)
}

// wrapped puts middleware around h, the first outermost.
func wrapped(h Handler, around []Middleware) Handler {
	for i := len(around) - 1; i >= 0; i-- {
		h = around[i](h)
	}
	return h
}

// Param returns what the wildcard of that name in the route's pattern has matched, percent-decoded; "" when there is none of
// that name. It holds a slash only for a {name...}.
func (c *Ctx) Param(name string) string { return string(c.PeekParam(name)) }

// PeekParam is Param without a copy.
func (c *Ctx) PeekParam(name string) []byte {
	x := c.live()
	if i := x.route.pattern.Index(name); i >= 0 {
		if x.matched != nil {
			return x.params.At(i).Of(x.matched)
		}
		return x.params.At(i).Of(x.path)
	}
	return nil
}

// Route returns the route that the request was matched to; nil where a Server without an App serves it, and where no
// pattern matched.
func (c *Ctx) Route() *Route {
	if r := c.live().route; r.router != nil && r.origin != "" {
		return r
	}
	return nil
}
