// Command hertz is github.com/cloudwego/hertz on its netpoll transport, measured
// beside Carillon.
package main

import (
	"context"
	"flag"
	"log"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/hlog"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

var plaintext = []byte(endpoint.Text)

func main() {
	sense := flag.Bool("sense-disconnect", false, "cancel a handler's context when its client leaves (hertz leaves it off: it costs)")
	flag.Parse()
	addr, err := endpoint.Addr()
	if err != nil {
		log.Fatal("hertz: ", err)
	}
	hlog.SetLevel(hlog.LevelError)
	h := server.Default( // with its recovery from panics
		server.WithHostPorts(addr),
		server.WithDisablePrintRoute(true),
		server.WithSenseClientDisconnection(*sense),
	)
	register(h)
	h.Spin()
}

func register(h *server.Hertz) {
	var waits endpoint.Waits
	h.GET("/plaintext", func(_ context.Context, c *app.RequestContext) {
		c.SetContentType("text/plain")
		c.Response.SetBodyRaw(plaintext)
	})
	h.GET("/json", func(_ context.Context, c *app.RequestContext) {
		c.JSON(200, endpoint.Message{Message: endpoint.Text})
	})
	h.POST("/echo", func(_ context.Context, c *app.RequestContext) {
		c.SetContentType("application/octet-stream")
		c.Response.SetBody(c.Request.Body())
	})
	h.GET("/gc", func(context.Context, *app.RequestContext) { debug.FreeOSMemory() })
	h.GET("/goroutines", func(_ context.Context, c *app.RequestContext) {
		text(c, strconv.Itoa(runtime.NumGoroutine()))
	})
	h.GET("/wait", func(ctx context.Context, _ *app.RequestContext) { waits.Wait(ctx) })
	h.GET("/cancelled", func(_ context.Context, c *app.RequestContext) { text(c, waits.String()) })
	h.GET("/panic", func(context.Context, *app.RequestContext) { panic("asked for by GET /panic") })
	for _, r := range endpoint.Routes() {
		h.GET(pattern(r.Path), route(r))
	}
}

// pattern turns "/user/{id}" into hertz's "/user/:id".
func pattern(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

func route(r endpoint.Route) app.HandlerFunc {
	if r.Param == "" {
		return func(_ context.Context, c *app.RequestContext) { text(c, r.Plain) }
	}
	return func(_ context.Context, c *app.RequestContext) { text(c, c.Param(r.Param)) }
}

func text(c *app.RequestContext, s string) {
	c.SetContentType("text/plain")
	c.Response.SetBodyString(s)
}
