// Command gws is github.com/lxzan/gws on net/http, measured beside Carillon, with
// its event API and its Broadcaster.
package main

import (
	"bytes"
	"log"
	"net/http"

	"github.com/lxzan/gws"

	"github.com/carillon-go/carillon/benchmarks/internal/members"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

const name = "gws"

// Texts are checked to be UTF-8 (RFC 6455 section 8.1), which is not the default;
// messages of up to 16 MiB are.
var option = gws.ServerOption{CheckUtf8Enabled: true}

func main() {
	h := stdhandler.WithWebSocket(name, upgrade(&echo{}), upgrade(&broadcast{}))
	log.Fatal(stdhandler.Serve(name, h))
}

func upgrade(h gws.Event) http.HandlerFunc {
	o := option
	upgrader := gws.NewUpgrader(h, &o)
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has answered
		}
		go c.ReadLoop() // on a goroutine of its own, as its documentation advises
	}
}

// handler is the package's own, which answers a ping without its payload, set
// right.
type handler struct{ gws.BuiltinEventHandler }

func (handler) OnPing(c *gws.Conn, p []byte) { _ = c.WritePong(p) }

type echo struct{ handler }

func (*echo) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes()) // an error ends the connection by itself
}

type broadcast struct {
	handler
	all members.Set[*gws.Conn]
}

func (b *broadcast) OnOpen(c *gws.Conn)           { b.all.Add(c) }
func (b *broadcast) OnClose(c *gws.Conn, _ error) { b.all.Remove(c) }

// OnMessage copies: the Broadcaster may write after it returns.
func (b *broadcast) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	to := gws.NewBroadcaster(m.Opcode, bytes.Clone(m.Bytes()))
	defer to.Close()
	b.all.Each(func(c *gws.Conn) { _ = to.Broadcast(c) })
}
