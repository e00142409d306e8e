// Command gorilla is github.com/gorilla/websocket on net/http, measured beside
// Carillon: a goroutine for each connection, write buffers from a pool, and
// messages read into pooled buffers rather than by ReadMessage, which allocates.
package main

import (
	"bytes"
	"log"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/carillon-go/carillon/benchmarks/internal/members"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

const (
	name       = "gorilla"
	maxMessage = 16 << 20
)

// The sizes are those that the package's documentation advises where memory
// counts: what does not fit is read and written past the buffers.
var upgrader = websocket.Upgrader{ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, WriteBufferPool: &sync.Pool{}}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func main() {
	log.Fatal(stdhandler.Serve(name, stdhandler.WithWebSocket(name, upgrade(echo), upgrade(broadcast))))
}

// upgrade serves the connection on a goroutine of its own, so that what net/http
// needed for the request is free.
func upgrade(serve func(*websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		c.SetReadLimit(maxMessage)
		go func() {
			defer c.Close()
			serve(c)
		}()
	}
}

// each hands every message of c to f, which must not keep it, until one fails.
func each(c *websocket.Conn, f func(op int, p []byte) error) {
	for {
		op, r, err := c.NextReader()
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

func echo(c *websocket.Conn) { each(c, c.WriteMessage) }

// member is one connection of /broadcast. gorilla wants one writer at a time.
type member struct {
	mu sync.Mutex
	c  *websocket.Conn
}

var all members.Set[*member]

// broadcast writes to all from the sender's goroutine. That is less work than a
// goroutine and a channel for each, as gorilla's chat example has it, but a client
// that does not read holds up the others.
func broadcast(c *websocket.Conn) {
	m := &member{c: c}
	all.Add(m)
	defer all.Remove(m)
	each(c, func(op int, p []byte) error {
		message, err := websocket.NewPreparedMessage(op, bytes.Clone(p))
		if err != nil {
			return err
		}
		all.Each(func(to *member) {
			to.mu.Lock()
			_ = to.c.WritePreparedMessage(message) // its reader sees the end
			to.mu.Unlock()
		})
		return nil
	})
}
