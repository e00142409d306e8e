// Echo sends each message back; and it is a client, to talk to it or to any other
// WebSocket. In one terminal
//
//	go run ./echo -listen 127.0.0.1:8080
//
// and in another
//
//	go run ./echo -to ws://127.0.0.1:8080/echo
//
// Each line that you type comes back. /echo has a handler on the loop that the message
// came on, /stream has a goroutine for each connection, which may block; nobody sees a
// difference from outside.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to serve at")
	to := flag.String("to", "", "`URL` to talk to, instead of serving")
	flag.Parse()
	var err error
	if *to != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = talk(ctx, *to, os.Stdin, os.Stdout)
		stop()
	} else {
		err = newApp().Run(*listen)
	}
	if err != nil {
		log.Fatal("echo: ", err)
	}
}

func newApp() *http.App {
	app := http.New()
	// Pages of any site may connect: there is nothing to protect.
	app.Get("/echo", ws.Endpoint(echo{}, ws.WithOrigins("*"), ws.WithDeflate(ws.Deflate{})))
	app.Get("/stream", ws.Endpoint(ws.StreamHandler(stream), ws.WithOrigins("*")))
	return app
}

type echo struct{ ws.NopHandler }

func (echo) OnMessage(c *ws.Conn, op ws.Op, p []byte) {
	_ = c.Send(op, p) // an error is a connection that ends
}

// stream copies messages of any length without holding more than a piece of each.
func stream(ctx context.Context, s *ws.Stream) error {
	for {
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
		if err := w.Close(); err != nil {
			return err
		}
	}
}

// talk sends lines and prints messages, until the lines or ctx or the server end it.
func talk(ctx context.Context, url string, in io.Reader, out io.Writer) error {
	s, err := ws.DialStream(ctx, url, ws.WithDeflate(ws.Deflate{}))
	if err != nil {
		return err
	}
	go func() {
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if s.Write(ctx, ws.OpText, lines.Bytes()) != nil {
				return // the end is read below
			}
		}
		_ = s.Close(ws.CodeNormalClosure, "")
	}()
	for {
		_, p, err := s.Read(ctx)
		switch {
		case errors.Is(err, &ws.CloseError{Code: ws.CodeNormalClosure}):
			return nil
		case ctx.Err() != nil:
			return s.Close(ws.CodeGoingAway, "interrupted")
		case err != nil:
			return err
		}
		fmt.Fprintf(out, "%s\n", p)
	}
}
