// Command subject is Carillon as it is measured. It listens on 127.0.0.1:$PORT
// with GOMAXPROCS loops; every handler runs on its loop.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
	"github.com/carillon-go/carillon/static"
)

const endpoints = `GET  /plaintext
GET  /json
GET  /user/{id}
POST /echo
GET  /static/NAME   the file NAME of $STATIC_DIR
GET  /gc
GET  /goroutines
GET  /panic
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
	files, err := openFiles(os.Getenv("STATIC_DIR"))
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:       serve(files),
		IdleTimeout:   5 * time.Minute,
		ListenOptions: []reactor.ServerOption{reactor.WithMaxConnections(maxConnections)},
	}
	if _, err := server.Listen(addr); err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-stopped.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

// openFiles returns the handler of /static/. Package static looks a whole path
// up beneath its root, so the root is the folder above: the folder of the files
// must be called static itself. Without a folder there are no files.
func openFiles(folder string) (http.Handler, error) {
	if folder == "" {
		return notFound, nil
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if filepath.Base(folder) != "static" {
		return nil, fmt.Errorf("STATIC_DIR is %s: want a folder whose name is static", folder)
	}
	files, err := static.New(filepath.Dir(folder))
	if err != nil {
		return nil, err
	}
	return files.Serve, nil
}

var (
	staticPrefix = []byte("/static/")
	userPrefix   = []byte("/user/")
)

func serve(files http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		path := c.PeekPath()
		switch string(path) {
		case "/plaintext":
			return c.Text(200, endpoint.Text)
		case "/json":
			p, err := json.Marshal(endpoint.Message{Message: endpoint.Text})
			if err != nil {
				return err
			}
			return c.Blob(200, "application/json", p)
		case "/echo":
			return echo(c)
		case "/":
			return c.Text(200, endpoints)
		case "/gc":
			debug.FreeOSMemory()
			return c.NoContent(200)
		case "/goroutines":
			return c.Text(200, strconv.Itoa(runtime.NumGoroutine()))
		case "/panic":
			panic("asked for by GET /panic")
		case "/wait", "/cancelled":
			return waiting(c)
		}
		if id, ok := bytes.CutPrefix(path, userPrefix); ok && len(id) > 0 && bytes.IndexByte(id, '/') < 0 {
			return c.Blob(200, "text/plain; charset=utf-8", id)
		}
		if bytes.HasPrefix(path, staticPrefix) {
			return files(c)
		}
		return notFound(c)
	}
}

func echo(c *http.Ctx) error {
	if c.Method() != "POST" {
		return http.NewError(405, "POST only")
	}
	return c.Blob(200, "application/octet-stream", c.PeekBody())
}

// waiting answers /wait and /cancelled: what endpoint.Waits does and counts needs
// a handler that may block, which package http does not offer yet.
func waiting(*http.Ctx) error { return http.NewError(404, "no handler may wait yet") }

func notFound(*http.Ctx) error { return http.NewError(404, "") }
