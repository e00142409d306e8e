// Command nbio-ws is github.com/lesismal/nbio's WebSocket on its own pollers,
// measured beside Carillon. Handlers run on the poller's goroutine.
package main

import (
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/members"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

const (
	name       = "nbio-ws"
	maxMessage = 16 << 20
)

func main() {
	addr, err := endpoint.Addr()
	if err != nil {
		log.Fatal(name+": ", err)
	}
	logging.SetLevel(logging.LevelError)
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network:                      "tcp",
		Addrs:                        []string{addr},
		Handler:                      stdhandler.WithWebSocket(name, upgrade(echo()), upgrade(broadcast())),
		NPoller:                      runtime.GOMAXPROCS(0),
		ServerExecutor:               func(f func()) { f() },
		SupportServerOnly:            true,
		ReleaseWebsocketPayload:      true,
		MaxWebsocketFramePayloadSize: maxMessage, // an answer in one frame
	})
	if err := engine.Start(); err != nil {
		log.Fatal(name+": ", err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	engine.Stop()
}

func upgrade(u *websocket.Upgrader) http.HandlerFunc {
	u.MessageLengthLimit = maxMessage
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = u.Upgrade(w, r, nil) // of an error Upgrade has told the client
	}
}

func echo() *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.OnMessage(func(c *websocket.Conn, op websocket.MessageType, p []byte) {
		_ = c.WriteMessage(op, p) // an error ends the connection by itself
	})
	return u
}

// broadcast writes to all on the sender's poller: a write does not block, and the
// package has nothing for one message to many.
func broadcast() *websocket.Upgrader {
	var all members.Set[*websocket.Conn]
	u := websocket.NewUpgrader()
	u.OnOpen(all.Add)
	u.OnClose(func(c *websocket.Conn, _ error) { all.Remove(c) })
	u.OnMessage(func(_ *websocket.Conn, op websocket.MessageType, p []byte) {
		all.Each(func(c *websocket.Conn) { _ = c.WriteMessage(op, p) })
	})
	return u
}
