// Command coder is github.com/coder/websocket on net/http, measured beside
// Carillon: a goroutine for each connection, and messages read into pooled buffers
// rather than by Read, which allocates.
package main

import (
	"bytes"
	"context"
	"log"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"github.com/carillon-go/carillon/benchmarks/internal/members"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

const (
	name       = "coder"
	maxMessage = 16 << 20
)

var (
	bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	all    members.Set[*websocket.Conn]
)

func main() {
	log.Fatal(stdhandler.Serve(name, stdhandler.WithWebSocket(name, upgrade(echo), upgrade(broadcast))))
}

// upgrade serves the connection on a goroutine of its own, so that what net/http
// needed for the request is free.
func upgrade(serve func(context.Context, *websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // Accept has answered
		}
		c.SetReadLimit(maxMessage)
		go func() {
			defer func() { _ = c.CloseNow() }()
			serve(context.Background(), c)
		}()
	}
}

// each hands every message of c to f, which must not keep it, until one fails.
func each(ctx context.Context, c *websocket.Conn, f func(websocket.MessageType, []byte) error) {
	for {
		op, r, err := c.Reader(ctx)
		if err != nil {
			return
		}
		body := bodies.Get().(*bytes.Buffer)
		body.Reset()
		if _, err = body.ReadFrom(r); err == nil {
			err = f(op, body.Bytes())
		}
		bodies.Put(body)
		if err != nil {
			return
		}
	}
}

func echo(ctx context.Context, c *websocket.Conn) {
	each(ctx, c, func(op websocket.MessageType, p []byte) error { return c.Write(ctx, op, p) })
}

// broadcast writes to all from the sender's goroutine: the package has nothing for
// one message to many.
func broadcast(ctx context.Context, c *websocket.Conn) {
	all.Add(c)
	defer all.Remove(c)
	each(ctx, c, func(op websocket.MessageType, p []byte) error {
		all.Each(func(to *websocket.Conn) {
			_ = to.Write(ctx, op, p) // its reader sees the end
		})
		return nil
	})
}
