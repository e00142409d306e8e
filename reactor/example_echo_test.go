package reactor_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/carillon-go/carillon/reactor"
)

// An echo server (RFC 862). Its client sends, closes its side, and reads the rest:
// the peer's half-close does not cut the answer off.
func Example_echo() {
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
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			if err := c.Send(in.Peek()); err != nil {
				log.Print(err)
			}
			in.RetrieveAll()
		},
	}, reactor.WithThreads(2))
	if err != nil {
		log.Fatal(err) // such as a port in use
	}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}

	client, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(client, "ding, dong")
	client.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(client)
	fmt.Printf("%s %v\n", answer, err)
	client.Close()

	fmt.Println("server:", server.Shutdown(context.Background()))
	fmt.Println("loop:", thread.Stop())
	// Output:
	// ding, dong <nil>
	// server: <nil>
	// loop: <nil>
}
