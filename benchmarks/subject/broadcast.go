package main

import (
	"sync"

	"github.com/carillon-go/carillon/ws"
)

// broadcast is the handler of /broadcast: what one connection sends goes to all
// of them, itself included.
type broadcast struct {
	mu    sync.Mutex
	conns map[*ws.Conn]struct{} // guarded by mu
}

func newBroadcast() *broadcast { return &broadcast{conns: map[*ws.Conn]struct{}{}} }

func (b *broadcast) OnOpen(c *ws.Conn) {
	b.mu.Lock()
	b.conns[c] = struct{}{}
	b.mu.Unlock()
}

// OnMessage sends under the lock, so all get the messages in the same order; Send
// does not wait for anybody.
func (b *broadcast) OnMessage(_ *ws.Conn, op ws.Op, p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		_ = c.Send(op, p) // an error is a connection that ends: OnClose follows
	}
}

func (b *broadcast) OnClose(c *ws.Conn, _ ws.Code, _ string) {
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
}
