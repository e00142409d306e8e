package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

// serve runs a server of h for an example.
func serve(h http.Handler) (url string, stop func()) {
	server := &http.Server{Handler: h}
	addr, err := server.Listen("127.0.0.1:0")
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		panic(err)
	}
	return "ws://" + addr.String() + "/", func() { server.Shutdown(context.Background()) }
}

// subscriber asks for a topic on each of its connections, the first and those that
// follow a loss.
type subscriber struct {
	ws.NopHandler
	messages chan string
}

func (subscriber) OnOpen(c *ws.Conn) {
	hello := "subscribe"
	if c.Client().Connections() > 1 {
		hello = "subscribe again"
	}
	c.Send(ws.OpText, []byte(hello))
}

func (s subscriber) OnMessage(_ *ws.Conn, _ ws.Op, p []byte) { s.messages <- string(p) }

// A client that comes back when it loses its server.
func ExampleDial() {
	url, stop := serve(ws.Endpoint(greeter{}))
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	h := subscriber{messages: make(chan string, 10)}
	client, err := ws.Dial(ctx, url, h,
		ws.WithReconnect(100*time.Millisecond, 10*time.Second),
		ws.WithHeader("Authorization", "Bearer token"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-h.messages)
	fmt.Println(<-h.messages)
	client.Close(ws.CodeNormalClosure, "")
	<-client.Done()
	fmt.Println(client.Err())
	// Output:
	// hello
	// 1: subscribe
	// ws: closed: 1000 normal closure
}

// shout answers each message in capitals, on a goroutine of its own.
func shout(ctx context.Context, s *ws.Stream) error {
	for {
		op, p, err := s.Read(ctx)
		if err != nil {
			return err
		}
		if err := s.Write(ctx, op, []byte(strings.ToUpper(string(p)))); err != nil {
			return err
		}
	}
}

// Both sides on goroutines that block.
func ExampleStreamHandler() {
	url, stop := serve(ws.Endpoint(ws.StreamHandler(shout)))
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := ws.DialStream(ctx, url)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Write(ctx, ws.OpText, []byte("hello")); err != nil {
		fmt.Println(err)
	}
	_, p, err := s.Read(ctx)
	fmt.Println(string(p), err)
	fmt.Println(s.Close(ws.CodeNormalClosure, "bye"))
	_, _, err = s.Read(ctx)
	fmt.Println(errors.Is(err, &ws.CloseError{Code: ws.CodeNormalClosure}))
	// Output:
	// HELLO <nil>
	// <nil>
	// true
}

// A message of any length, passed on as it comes.
func ExampleStream_Reader() {
	url, stop := serve(ws.Endpoint(ws.StreamHandler(func(ctx context.Context, s *ws.Stream) error {
		op, r, err := s.Reader(ctx)
		if err != nil {
			return err
		}
		w, err := s.Writer(ctx, op)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		return w.Close()
	})))
	defer stop()
	s, err := ws.DialStream(context.Background(), url)
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Write(context.Background(), ws.OpBinary, make([]byte, 1_000_000))
	_, p, err := s.Read(context.Background())
	fmt.Println(len(p), err)
	_, _, err = s.Read(context.Background())
	fmt.Println(err)
	// Output:
	// 1000000 <nil>
	// ws: closed: 1000 normal closure
}
