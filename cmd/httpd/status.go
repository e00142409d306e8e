package main

import (
	"encoding/json"
	"runtime"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
	"github.com/carillon-go/carillon/ws"
)

// status sends the server's figures to each connection, at once and then every
// second, on a timer of the connection's own loop.
type status struct {
	ws.NopHandler
	server  *http.Server
	chat    *chat
	started time.Time
	version string
}

// figures is what the page reads.
type figures struct {
	Connections int     `json:"connections"`
	Delivered   int64   `json:"delivered"` // messages of the chat, for each that got them
	Slow        int64   `json:"slow"`      // connections of the chat that were closed because they did not read
	Goroutines  int     `json:"goroutines"`
	Loops       int     `json:"loops"`
	Uptime      float64 `json:"uptime"` // seconds
	Version     string  `json:"version"`
	Go          string  `json:"go"`
}

func newStatus(server *http.Server, chat *chat) *status {
	return &status{server: server, chat: chat, started: time.Now(), version: moduleVersion()}
}

func (s *status) OnOpen(c *ws.Conn) {
	s.send(c)
	c.SetValue(c.Loop().RunEvery(time.Second, func() { s.send(c) }))
}

func (s *status) OnClose(c *ws.Conn, _ ws.Code, _ string) {
	c.Loop().Cancel(c.Value().(reactor.TimerID))
}

// send ignores the error of a connection that is closing: OnClose comes.
func (s *status) send(c *ws.Conn) {
	text, err := json.Marshal(figures{
		Connections: s.server.ConnectionCount(),
		Delivered:   s.chat.hub.Stats().Delivered.Load(),
		Slow:        s.chat.stats.Slow.Load(),
		Goroutines:  runtime.NumGoroutine(),
		Loops:       s.server.Loops,
		Uptime:      time.Since(s.started).Seconds(),
		Version:     s.version,
		Go:          runtime.Version(),
	})
	if err == nil {
		_ = c.Send(ws.OpText, text)
	}
}
