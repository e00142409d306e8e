// Command fasthttp is github.com/valyala/fasthttp with the router of the same
// authors, measured beside Carillon.
package main

import (
	"encoding/json"
	"log"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

var (
	waits     endpoint.Waits
	plaintext = []byte(endpoint.Text)
)

func main() {
	addr, err := endpoint.Addr()
	if err != nil {
		log.Fatal("fasthttp: ", err)
	}
	routes := router.New()
	for _, r := range endpoint.Routes() {
		routes.GET(r.Path, route(r))
	}
	if dir := endpoint.StaticDir(); dir != "" {
		serve := files(dir)
		routes.GET("/static/{filepath:*}", serve)
		routes.HEAD("/static/{filepath:*}", serve)
	}
	server := &fasthttp.Server{Name: "fasthttp", Handler: handler(routes.Handler)}
	log.Fatal("fasthttp: ", server.ListenAndServe(addr))
}

func handler(routes fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(c *fasthttp.RequestCtx) {
		switch string(c.Path()) {
		case "/plaintext":
			c.SetContentType("text/plain")
			c.Response.SetBodyRaw(plaintext)
		case "/json":
			encode(c)
		case "/echo":
			echo(c)
		case "/gc":
			debug.FreeOSMemory()
		case "/goroutines":
			text(c, strconv.Itoa(runtime.NumGoroutine()))
		case "/wait":
			// Done of this context is that of the server: fasthttp does not tell a
			// handler that its client has gone.
			waits.Wait(c)
		case "/cancelled":
			text(c, waits.String())
		case "/panic":
			panic("asked for by GET /panic")
		default:
			routes(c)
		}
	}
}

// files keeps files open, and the small ones in memory, for ten seconds: its default.
func files(dir string) fasthttp.RequestHandler {
	fs := &fasthttp.FS{
		Root:            dir,
		PathRewrite:     fasthttp.NewPathSlashesStripper(1),
		AcceptByteRange: true,
	}
	return fs.NewRequestHandler()
}

func text(c *fasthttp.RequestCtx, s string) {
	c.SetContentType("text/plain")
	c.SetBodyString(s)
}

func encode(c *fasthttp.RequestCtx) {
	p, err := json.Marshal(endpoint.Message{Message: endpoint.Text})
	if err != nil {
		c.Error(err.Error(), 500)
		return
	}
	c.SetContentType("application/json")
	c.Response.SetBodyRaw(p)
}

func echo(c *fasthttp.RequestCtx) {
	if !c.IsPost() {
		c.Error("POST only", fasthttp.StatusMethodNotAllowed)
		return
	}
	c.SetContentType("application/octet-stream")
	c.Response.SetBodyRaw(c.PostBody()) // it is written before the request's buffer has another
}

func route(r endpoint.Route) fasthttp.RequestHandler {
	if r.Param == "" {
		return func(c *fasthttp.RequestCtx) { text(c, r.Plain) }
	}
	return func(c *fasthttp.RequestCtx) {
		if value, ok := c.UserValue(r.Param).(string); ok {
			text(c, value)
		}
	}
}
