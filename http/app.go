package http

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carillon-go/carillon/http/internal/mux"
	"github.com/carillon-go/carillon/reactor"
)

// App is what people import: a server with routes.
//
//	app := http.New()
//	app.Use(middleware.Recover(), middleware.Log(slog.Default()))
//	app.Get("/hello/{name}", func(c *http.Ctx) error { return c.Text(200, "Hello, "+c.Param("name")) })
//	log.Fatal(app.Run(":8080"))
//
// Its handlers run on goroutines and may block, but for those marked Inline. An App is a net/http Handler as well, so that it
// can run under a server of net/http. The zero App cannot be used: New makes one.
type App struct {
	Router

	// Server has the limits, timeouts and other settings. Its Handler is not used. It must not change once the App has
	// started.
	Server Server
	// ShutdownTimeout is how long Run lets requests end when it is told to stop. Default 10 s.
	ShutdownTimeout time.Duration

	tree     mux.Tree[Route]
	routes   []*Route
	fallback *Route
	once     sync.Once
	started  bool
}

// New returns an App without routes. Its errors are answered by ProblemErrors.
func New() *App {
	a := &App{}
	a.Router.app = a
	a.Server.ErrorHandler = ProblemErrors
	a.Server.find = a.find
	return a
}

func (a *App) mustBeOpen(what string) {
	a.mustBeMade()
	if a.started {
		panic(fmt.Sprintf("http: %s after the App has started: register everything before", what))
	}
}

// mustBeMade panics for an App, or a Router, that is none.
func (a *App) mustBeMade() {
	if a == nil || a.Router.app == nil {
		panic("http: an App is made by http.New(), its routers by Group: the zero value cannot be used")
	}
}

// prepare fixes the routes.
func (a *App) prepare() {
	a.mustBeMade()
	a.once.Do(func() {
		a.started = true
		// It streams, so that nobody is asked, or waited, for a body that is not wanted; without a body it is inline.
		a.fallback = &Route{router: &a.Router, handler: a.serveUnmatched, inline: len(a.around) == 0, stream: true, mount: -1}
		a.fallback.finish(&a.Server)
		for _, r := range a.routes {
			r.finish(&a.Server)
		}
	})
}

// Routes returns the routes in the order in which they were registered, for listing: see Route.String.
func (a *App) Routes() []*Route { return append([]*Route(nil), a.routes...) }

// Listen is Server.Listen.
func (a *App) Listen(addr string, options ...ListenOption) (reactor.InetAddress, error) {
	return a.Server.Listen(addr, options...)
}

// Start fixes the routes and is Server.Start.
func (a *App) Start() error {
	a.prepare()
	return a.Server.Start()
}

// Shutdown is Server.Shutdown.
func (a *App) Shutdown(ctx context.Context) error { return a.Server.Shutdown(ctx) }

// defaultShutdownTimeout is how long Run waits for requests to end.
const defaultShutdownTimeout = 10 * time.Second

// Run listens on the addresses, ":8080" when there is none, and serves until SIGINT or SIGTERM. Then it lets requests end, for
// ShutdownTimeout or up to a second signal. Errors: those of Listen, Start and Shutdown; nil when all requests had ended.
func (a *App) Run(addrs ...string) error {
	if len(addrs) == 0 {
		addrs = []string{":8080"}
	}
	return a.run(a.Listen, addrs...)
}

func (a *App) run(listen func(addr string, options ...ListenOption) (reactor.InetAddress, error), addrs ...string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for _, addr := range addrs {
		bound, err := listen(addr)
		if err != nil {
			return a.giveUp(err)
		}
		a.Server.logger().Info("http: listening", "address", bound.String())
	}
	if err := a.Start(); err != nil {
		return a.giveUp(err)
	}
	<-ctx.Done()
	wait := a.ShutdownTimeout
	if wait == 0 {
		wait = defaultShutdownTimeout
	}
	ending, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	again, stopAgain := signal.NotifyContext(ending, syscall.SIGINT, syscall.SIGTERM)
	defer stopAgain()
	stop()
	return a.Shutdown(again)
}

// giveUp frees what was opened before err.
func (a *App) giveUp(err error) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = a.Shutdown(ended) // nothing runs that could need time
	return err
}

// find returns the route of a request whose head is known. Any goroutine.
func (a *App) find(x *exchange) *Route {
	if e := a.tree.Literal(x.head.method, x.path, &x.params); e != nil {
		return &e.Value
	}
	if _, changed := mux.Clean(nil, x.path); changed {
		return a.fallback
	}
	e, ok := a.tree.Match(x.head.method, x.host(), x.path, &x.params)
	if !ok {
		return a.fallback
	}
	return &e.Value
}

// serveUnmatched answers where no pattern matches: by a redirect to a path that does, by the methods that the path has, or
// by 404.
func (a *App) serveUnmatched(c *Ctx) error {
	x := c.x
	path, changed := mux.Clean(nil, x.path) // the only path that is ever served
	if to, ok := a.redirected(x, path, changed); ok {
		return c.Redirect(308, to)
	}
	allowed := a.tree.Allowed(x.host(), path)
	if allowed == nil {
		return NewError(404, "")
	}
	if err := c.SetHeader("Allow", allowHeader(allowed)); err != nil {
		return err
	}
	if x.head.method == "OPTIONS" {
		return c.NoContent(204)
	}
	return NewError(405, "")
}

// allowHeader names the methods of a path, OPTIONS among them because it is always answered.
func allowHeader(methods []string) string {
	list := strings.Join(methods, ", ")
	if slices.Contains(methods, "OPTIONS") {
		return list
	}
	return list + ", OPTIONS"
}

// redirected says where a path leads whose dot segments or empty segments were left in, or that lacks its last slash. path is
// the clean form of x's; changed says whether that differs.
func (a *App) redirected(x *exchange, path []byte, changed bool) (string, bool) {
	var p mux.Params
	e, ok := a.tree.Match(x.head.method, x.host(), path, &p)
	switch {
	case e == nil || ok && !changed:
		return "", false
	case !ok:
		path = append(bytes.Clone(path), '/')
	}
	to := (&url.URL{Path: string(path)}).EscapedPath()
	if x.head.hasQuery {
		to += "?" + string(x.head.query.of(x.raw))
	}
	return to, true
}
