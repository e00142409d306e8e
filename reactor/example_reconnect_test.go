package reactor_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// A client that outlives its server: it retries until there is one, and connects
// again when it is lost, after delays that grow and are never quite the same.
func Example_reconnect() {
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		log.Fatal(err)
	}
	addr, err := reactor.ParseInetAddress("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// Each server greets, and goes down after its first connection.
	serve := func(greeting string) *reactor.TcpServer {
		server, err := reactor.NewTcpServer(loop, addr, &reactor.Callbacks{
			Connection: func(c *reactor.TcpConnection) {
				if c.Connected() {
					c.SendString(greeting)
				}
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := server.Start(); err != nil {
			log.Fatal(err)
		}
		return server
	}
	server := serve("good morning")
	addr = server.Addr()

	greetings, refused := make(chan string), make(chan struct{}, 1)
	client := reactor.NewTcpClient(loop, addr, &reactor.Callbacks{
		Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
			greeting := string(in.Peek())
			in.RetrieveAll()
			go func() { greetings <- greeting }()
		},
	}, reactor.WithReconnect(), reactor.WithRetryDelay(time.Millisecond, 20*time.Millisecond),
		reactor.WithConnectFailed(func(err error, _ time.Duration) {
			select {
			case refused <- struct{}{}:
			default:
			}
		}))
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-greetings)
	server.Shutdown(context.Background())
	<-refused
	fmt.Println("nobody is there")
	server = serve("good evening")
	fmt.Println(<-greetings)

	client.Disconnect()
	server.Shutdown(context.Background())
	thread.Stop()
	// Output:
	// good morning
	// nobody is there
	// good evening
}
