package main

import (
	"log"

	"github.com/carillon-go/carillon/ws"
)

// broadcast is the handler of /broadcast: what one connection sends goes to all
// of them, itself included, by a hub of one topic.
type broadcast struct {
	ws.NopHandler
	hub *ws.Hub
}

func newBroadcast() broadcast { return broadcast{hub: ws.NewHub()} }

const everybody = "everybody"

func (b broadcast) OnOpen(c *ws.Conn) {
	_ = b.hub.Join(c, everybody) // an error is a connection that ends
}

func (b broadcast) OnMessage(_ *ws.Conn, op ws.Op, p []byte) {
	if err := b.hub.Publish(everybody, op, p); err != nil {
		log.Print("broadcast: ", err) // more than the loops can send
	}
}
