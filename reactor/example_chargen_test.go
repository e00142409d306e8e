package reactor_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"

	"github.com/carillon-go/carillon/reactor"
)

// A character generator (RFC 864) sends as fast as its peer reads, and no faster:
// the next piece is made when the kernel has taken the one before.
func Example_chargen() {
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		log.Fatal(err)
	}
	addr, err := reactor.ParseInetAddress("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	page := pattern()
	most := 0 // loop goroutine only, until the thread has stopped
	send := func(c *reactor.TcpConnection) {
		if c.Send(page) == nil {
			most = max(most, c.OutputBytes())
		}
	}
	server, err := reactor.NewTcpServer(loop, addr, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() {
				send(c)
			}
		},
		WriteComplete: send,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}

	client, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(client)
	for i := range 500_000 {
		if !lines.Scan() {
			log.Fatal(lines.Err())
		}
		if i < 3 {
			fmt.Println(lines.Text())
		}
	}
	client.Close()

	server.Shutdown(context.Background())
	thread.Stop()
	fmt.Println("never more than one page waits:", most <= len(page))
	// Output:
	// !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefgh
	// "#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghi
	// #$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghij
	// never more than one page waits: true
}

// pattern is the classic one: lines of 72 characters, each beginning one further on.
func pattern() []byte {
	const printable, width = 94, 72
	var page []byte
	for first := range printable {
		for i := range width {
			page = append(page, byte('!'+(first+i)%printable))
		}
		page = append(page, '\r', '\n')
	}
	return page
}
