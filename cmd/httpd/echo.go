package main

import "github.com/carillon-go/carillon/ws"

// echo sends every message back as it came. It runs on the
// connection's loop: no connection needs a goroutine.
type echo struct{ ws.NopHandler }

func (echo) OnMessage(c *ws.Conn, op ws.Op, payload []byte) {
	c.Send(op, payload)
}
