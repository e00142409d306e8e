package http

import (
	"fmt"
	nethttp "net/http"
	"runtime"
	"strings"

	"github.com/carillon-go/carillon/http/internal/mux"
)

// Router registers routes below a prefix, with middleware around them. An App is the outermost; Group makes those below.
// It is filled by one goroutine, before the App starts: registering later panics, as does what can never work: a pattern
// that is malformed or conflicts with another, a nil handler, options that contradict each other.
//
// Patterns are those of net/http's ServeMux: "[METHOD ][HOST]/[PATH]", where a segment of the path may be {name}, the last
// {name...} or {$}, and a path that ends in a slash stands for all below it. Of two patterns that match, the more specific
// is taken; two of which neither is more specific are a conflict. A pattern for GET matches HEAD as well. One thing
// differs: the path is matched after it was decoded, so that "%2F" is a slash for everybody, and {name} never holds one.
type Router struct {
	app    *App
	outer  *Router
	prefix string // "[HOST]/path", without a slash at its end
	around []Middleware
}

// Use puts middleware around all of the router's routes, those registered before as well as later, and around its groups';
// the first is the outermost. That of an App is also around what the App answers itself: 404, 405, OPTIONS, redirects.
func (r *Router) Use(around ...Middleware) {
	r.app.mustBeOpen("Use")
	for _, m := range around {
		if m == nil {
			panic("http: Use(nil): a Middleware is needed")
		}
	}
	r.around = append(r.around, around...)
}

// Group returns a router for what lies below prefix, a pattern's "[HOST]/path" without {name...}, {$} or a method. "" groups
// routes for the sake of their middleware. A path below prefix that no route matches is the App's to answer, by 404 or 405:
// the group's middleware is not around that, so it does not hide which routes there are.
func (r *Router) Group(prefix string, around ...Middleware) *Router {
	r.app.mustBeOpen("Group")
	g := &Router{app: r.app, outer: r, prefix: r.join(strings.TrimSuffix(prefix, "/"))}
	if prefix != "" {
		if _, err := mux.Parse(g.prefix + "/"); err != nil {
			panic(fmt.Sprintf("http: Group(%q): %v", prefix, err))
		}
	}
	g.Use(around...)
	return g
}

// join puts the prefix in front of a pattern's host and path.
func (r *Router) join(path string) string {
	if r.prefix != "" && path != "" && path[0] != '/' {
		panic(fmt.Sprintf("http: pattern %q in the group %q: a path must begin with a slash, and a host belongs to the outermost group", path, r.prefix))
	}
	return r.prefix + path
}

// Get registers h for GET and HEAD.
func (r *Router) Get(path string, h Handler, opts ...RouteOption) { r.On("GET", path, h, opts...) }

// Head registers h for HEAD alone; HEAD is otherwise served by the handler of GET.
func (r *Router) Head(path string, h Handler, opts ...RouteOption) { r.On("HEAD", path, h, opts...) }

// Post registers h for POST.
func (r *Router) Post(path string, h Handler, opts ...RouteOption) { r.On("POST", path, h, opts...) }

// Put registers h for PUT.
func (r *Router) Put(path string, h Handler, opts ...RouteOption) { r.On("PUT", path, h, opts...) }

// Patch registers h for PATCH.
func (r *Router) Patch(path string, h Handler, opts ...RouteOption) { r.On("PATCH", path, h, opts...) }

// Delete registers h for DELETE.
func (r *Router) Delete(path string, h Handler, opts ...RouteOption) {
	r.On("DELETE", path, h, opts...)
}

// Options registers h for OPTIONS, which is otherwise answered with the methods that the path has.
func (r *Router) Options(path string, h Handler, opts ...RouteOption) {
	r.On("OPTIONS", path, h, opts...)
}

// Any registers h for every method that has no route of its own.
func (r *Router) Any(path string, h Handler, opts ...RouteOption) { r.On("", path, h, opts...) }

// On registers h for a method; "" is any.
func (r *Router) On(method, path string, h Handler, opts ...RouteOption) {
	r.add(method, r.join(path), h, -1, opts)
}

// Handle registers a handler of net/http for a pattern, which may begin with a method. It streams bodies both ways, as it
// would under net/http, within the server's limits.
func (r *Router) Handle(pattern string, h nethttp.Handler, opts ...RouteOption) {
	if h == nil {
		panic(fmt.Sprintf("http: Handle(%q, nil): a handler is needed", pattern))
	}
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	}
	r.add(method, r.join(strings.TrimLeft(path, " \t")), Wrap(h), -1, append([]RouteOption{StreamBody}, opts...))
}

// Mount gives everything below prefix to h, whatever the method. To h, but not to middleware around it, Ctx.Path begins behind
// the prefix; Ctx.RawPath and Ctx.Target are as the client sent them.
func (r *Router) Mount(prefix string, h Handler, opts ...RouteOption) {
	path := r.join(strings.TrimSuffix(prefix, "/")) + "/{" + mountedPath + "...}"
	r.add("", path, h, 0, opts)
}

// mountedPath names the part of a path that is behind a mount's prefix.
const mountedPath = "mounted_path"

func (r *Router) add(method, path string, h Handler, mount int, opts []RouteOption) {
	pattern := path
	if method != "" {
		pattern = method + " " + path
	}
	r.app.mustBeOpen(pattern)
	if h == nil {
		panic(fmt.Sprintf("http: no handler for %q", pattern))
	}
	parsed, err := mux.Parse(pattern)
	if err != nil {
		panic(fmt.Sprintf("http: %v", err))
	}
	route := Route{router: r, pattern: parsed, origin: caller(), handler: h, mount: mount}
	if mount >= 0 {
		route.mount = parsed.Index(mountedPath)
	}
	for _, set := range opts {
		set(&route)
	}
	e, err := r.app.tree.Add(parsed, route, route.origin)
	if err != nil {
		panic(fmt.Sprintf("http: %v", err))
	}
	e.Value.pattern = e.Pattern // which shares what it can
	r.app.routes = append(r.app.routes, &e.Value)
}

// caller is the file and line, outside this file, that registers a route.
func caller() string {
	_, self, _, _ := runtime.Caller(0)
	for skip := 2; ; skip++ {
		_, file, line, ok := runtime.Caller(skip)
		if !ok {
			return "?"
		}
		if file != self {
			return fmt.Sprintf("%s:%d", file, line)
		}
	}
}

// wrap puts the router's middleware around h, and that of the routers it is a group of around that.
func (r *Router) wrap(h Handler) Handler {
	h = wrapped(h, r.around)
	if r.outer != nil {
		return r.outer.wrap(h)
	}
	return h
}
