// Command subject is Carillon as it is measured: an App that listens on
// 127.0.0.1:$PORT with GOMAXPROCS loops. What is measured is handled on the loops, but
// for what is below /offload/.
package main

import (
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
	"github.com/carillon-go/carillon/static"
	"github.com/carillon-go/carillon/ws"
)

const endpoints = `GET  /plaintext, /json     also below /offload, on goroutines
GET  /user/{id}            among 100 routes
POST /echo
GET  /static/NAME          the file NAME of $STATIC_DIR
GET  /ws                   WebSocket: each message comes back, compressed for those who offer it
GET  /broadcast            WebSocket: each message goes to all connections here
GET  /gc, /goroutines, /panic, /wait, /cancelled
`

// maxConnections is also what `ulimit -n` must be above.
const maxConnections = 18000

func main() {
	log.SetFlags(0)
	log.SetPrefix("subject: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	addr, err := endpoint.Addr()
	if err != nil {
		return err
	}
	app := http.New()
	app.Server.IdleTimeout = 5 * time.Minute
	app.Server.MaxConnections = maxConnections
	app.ShutdownTimeout = 5 * time.Second
	addRoutes(app)
	if dir := os.Getenv("STATIC_DIR"); dir != "" {
		files, err := static.New(dir)
		if err != nil {
			return err
		}
		defer files.Close()
		app.Mount("/static", files.Serve, http.Inline)
	}
	config, err := endpoint.TLS()
	if err != nil {
		return err
	}
	if config != nil {
		app.Server.TLS = &reactor.TLS{Config: config}
		return app.RunTLS(addr, "", "")
	}
	return app.Run(addr)
}

func addRoutes(app *http.App) {
	app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, endpoints) }, http.Inline)
	app.Get("/plaintext", plaintext, http.Inline)
	app.Get("/json", message, http.Inline)
	app.Get("/offload/plaintext", plaintext)
	app.Get("/offload/json", message)
	app.Post("/echo", echo, http.Inline)
	for _, r := range endpoint.Routes() {
		h := param(r.Param)
		if r.Param == "" {
			h = func(c *http.Ctx) error { return text(c, []byte(r.Plain)) }
		}
		app.Get(r.Path, h, http.Inline)
	}
	app.Get("/ws", ws.Endpoint(socketEcho{}, ws.WithDeflate(ws.Deflate{})), http.Inline)
	app.Get("/broadcast", ws.Endpoint(newBroadcast()), http.Inline)
	app.Get("/gc", func(c *http.Ctx) error {
		debug.FreeOSMemory()
		return c.NoContent(200)
	}, http.Inline)
	app.Get("/goroutines", func(c *http.Ctx) error { return c.Text(200, strconv.Itoa(runtime.NumGoroutine())) }, http.Inline)
	app.Get("/panic", func(*http.Ctx) error { panic("asked for by GET /panic") })
	var waits endpoint.Waits
	app.Get("/wait", func(c *http.Ctx) error {
		waits.Wait(c)
		return c.NoContent(204)
	})
	app.Get("/cancelled", func(c *http.Ctx) error { return c.Text(200, waits.String()) })
}

var hello = []byte(endpoint.Text)

func plaintext(c *http.Ctx) error { return text(c, hello) }

// text has the Content-Type of the peers, which is shorter than that of Ctx.Text.
func text(c *http.Ctx, p []byte) error { return c.Blob(200, "text/plain", p) }

func message(c *http.Ctx) error { return c.JSON(200, &endpoint.Message{Message: endpoint.Text}) }

func echo(c *http.Ctx) error {
	body, err := c.PeekBody()
	if err != nil {
		return err
	}
	return c.Blob(200, "application/octet-stream", body)
}

// socketEcho is the handler of /ws. Messages of up to 16 MiB are the default.
type socketEcho struct{ ws.NopHandler }

func (socketEcho) OnMessage(c *ws.Conn, op ws.Op, p []byte) {
	_ = c.Send(op, p) // an error is a connection that ends by itself
}

func param(name string) http.Handler {
	return func(c *http.Ctx) error { return text(c, c.PeekParam(name)) }
}
