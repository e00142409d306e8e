package ws_test

import (
	"context"
	"fmt"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
	gorilla "github.com/gorilla/websocket"
)

// greeter greets each connection and counts the messages it sends.
type greeter struct{ ws.NopHandler }

func (greeter) OnOpen(c *ws.Conn) {
	c.SetValue(0)
	c.Send(ws.OpText, []byte("hello"))
}

func (greeter) OnMessage(c *ws.Conn, op ws.Op, p []byte) {
	n := c.Value().(int) + 1
	c.SetValue(n)
	c.Send(op, fmt.Appendf(nil, "%d: %s", n, p))
}

// A server of WebSockets, and a client of it.
func Example() {
	server := &http.Server{Handler: ws.Endpoint(greeter{})}
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Shutdown(context.Background())

	client, _, err := gorilla.DefaultDialer.Dial("ws://"+addr.String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	for _, m := range []string{"one", "two"} {
		client.WriteMessage(gorilla.TextMessage, []byte(m))
	}
	for range 3 {
		_, p, _ := client.ReadMessage()
		fmt.Println(string(p))
	}
	// Output:
	// hello
	// 1: one
	// 2: two
}
