package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

// echo answers each message with itself.
type echo struct{ ws.NopHandler }

func (echo) OnMessage(c *ws.Conn, op ws.Op, p []byte) { _ = c.Send(op, p) }

// runServer serves until stdin ends.
func runServer() error {
	socket := ws.Endpoint(echo{})
	server := &http.Server{Handler: func(c *http.Ctx) error {
		switch c.Path() {
		case "/ws":
			return socket(c)
		case "/settle":
			debug.FreeOSMemory()
			return c.Text(200, strconv.Itoa(runtime.NumGoroutine()))
		default:
			return c.Text(200, "Hello, World!")
		}
	}}
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	fmt.Println(addr)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // whoever is left is idle
	if err := server.Shutdown(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
