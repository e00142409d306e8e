package reactor_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/carillon-go/carillon/reactor"
)

// A discard server (RFC 863) that counts what each connection sent, in the
// connection's context.
func Example_discard() {
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		log.Fatal(err)
	}
	addr, err := reactor.ParseInetAddress("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server, err := reactor.NewTcpServer(loop, addr, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() {
				c.SetContext(new(int))
				return
			}
			fmt.Println(c.Name(), "sent", *c.Context().(*int), "bytes")
		},
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			*c.Context().(*int) += in.Len()
			in.RetrieveAll()
		},
	}, reactor.WithName("discard"))
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}

	for _, size := range []int{5, 1_000_000} {
		client, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		client.Write(make([]byte, size))
		client.(*net.TCPConn).CloseWrite()
		rest, err := io.ReadAll(client) // until the server has closed, too
		fmt.Println("back:", len(rest), err)
		client.Close()
	}

	server.Shutdown(context.Background())
	thread.Stop()
	// Unordered output:
	// discard#1 sent 5 bytes
	// back: 0 <nil>
	// discard#2 sent 1000000 bytes
	// back: 0 <nil>
}
