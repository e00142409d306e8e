package reactor_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// relay joins two connections of one loop: what one side sends the other receives.
// Neither a side that reads slowly nor one that has closed its output makes it
// hold more than the water marks allow, or lose a byte. All of it runs on the loop.
type relay struct {
	front, back *reactor.TcpConnection
	most        int // bytes held for one side
	paused      chan<- struct{}
}

// newRelay begins with a connection of the server's, and opens the other one.
func newRelay(front *reactor.TcpConnection, to reactor.InetAddress, low, high, hard int, paused chan<- struct{}) *relay {
	r := &relay{front: front, paused: paused}
	front.SetHighWaterPause(false) // it is the other side that fills the output
	front.StopRead()               // until there is somebody to send it to
	cb := r.callbacks()
	cb.Connection = func(c *reactor.TcpConnection) {
		if !c.Connected() {
			r.closed(c)
			return
		}
		r.back = c
		c.SetHighWaterPause(false)
		front.StartRead()
	}
	client := reactor.NewTcpClient(front.Loop(), to, cb,
		reactor.WithoutRetry(), reactor.WithClientWaterMarks(low, high, hard),
		reactor.WithConnectFailed(func(error, time.Duration) { front.ForceClose() }))
	if err := client.Connect(); err != nil {
		front.ForceClose()
	}
	return r
}

// callbacks are the same for both sides.
func (r *relay) callbacks() *reactor.Callbacks {
	return &reactor.Callbacks{
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			other := r.other(c)
			if other.Send(in.Peek()) != nil {
				c.ForceClose()
			}
			in.RetrieveAll()
			r.most = max(r.most, other.OutputBytes())
		},
		// c's peer reads slowly: read no more from the side that c's output is from.
		HighWater: func(c *reactor.TcpConnection, _ int) {
			r.other(c).StopRead()
			select {
			case r.paused <- struct{}{}:
			default:
			}
		},
		LowWater:  func(c *reactor.TcpConnection) { r.other(c).StartRead() },
		HalfClose: func(c *reactor.TcpConnection) { r.other(c).CloseWrite() },
	}
}

func (r *relay) other(c *reactor.TcpConnection) *reactor.TcpConnection {
	if c == r.front {
		return r.back
	}
	return r.front
}

// closed ends the other side as this one ended.
func (r *relay) closed(c *reactor.TcpConnection) {
	switch other := r.other(c); {
	case other == nil:
	case c.Err() != nil:
		other.ForceClose()
	default:
		other.Shutdown()
	}
}

// A TCP relay in front of an echo server, with a client that at first only sends:
// everything on the way fills up, the relay stops reading, and holds no more than
// its marks allow; then the client reads, and every byte has come through.
func Example_relay() {
	const low, high, hard, size = 64 << 10, 256 << 10, 4 << 20, 64 << 20
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		log.Fatal(err)
	}
	local, err := reactor.ParseInetAddress("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for conn, err := echo.Accept(); err == nil; conn, err = echo.Accept() {
			go func() { io.Copy(conn, conn); conn.Close() }()
		}
	}()
	target, err := reactor.ParseInetAddress(echo.Addr().String())
	if err != nil {
		log.Fatal(err)
	}

	paused, ended := make(chan struct{}, 1), make(chan *relay, 1)
	server, err := reactor.NewTcpServer(loop, local, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() {
				r := newRelay(c, target, low, high, hard, paused)
				c.SetContext(r)
				cb := r.callbacks()
				cb.Connection = func(c *reactor.TcpConnection) { r.closed(c); ended <- r }
				c.SetCallbacks(cb)
			}
		},
	}, reactor.WithWaterMarks(low, high, hard))
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
	sent := noise(size, 1)
	go func() {
		client.Write(sent)
		client.(*net.TCPConn).CloseWrite()
	}()
	<-paused
	fmt.Println("paused for a client that does not read")
	got, err := io.ReadAll(client)
	fmt.Println("all came back:", bytes.Equal(got, sent), err)
	client.Close()
	r := <-ended
	const turn = 2 << 20 // no turn of the loop reads more
	fmt.Println("held more than the high mark and a turn's reads:", r.most > high+turn)

	echo.Close()
	server.Shutdown(context.Background())
	thread.Stop()
	// Output:
	// paused for a client that does not read
	// all came back: true <nil>
	// held more than the high mark and a turn's reads: false
}
