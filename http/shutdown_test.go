package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// Shutdown closes idle connections, has requests that have begun answered, and tells those clients that it was the last.
func TestShutdownFinishesRequests(t *testing.T) {
	s := &Server{Handler: echo, Loops: 2}
	addr := serve(t, s)
	idle, used, head, body := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	usedReader := bufio.NewReader(used)
	send(t, used, goodRequest)
	answer(t, usedReader, "GET")
	send(t, head, goodRequest+"GET /head HTTP/1.1\r\n")
	headReader := bufio.NewReader(head)
	answer(t, headReader, "GET")
	send(t, body, goodRequest+post("Content-Length: 5", "he"))
	bodyReader := bufio.NewReader(body)
	answer(t, bodyReader, "GET")

	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- s.Shutdown(ctx)
	}()
	closes(t, idle)
	closes(t, usedReader)
	send(t, head, "Host: h\r\n\r\n"+goodRequest) // the one behind it is not answered any more
	send(t, body, "llo")
	if res, text := answer(t, headReader, "GET"); text != "GET /head " || !res.Close {
		t.Errorf("head in flight: %q, close %v", text, res.Close)
	}
	closes(t, headReader)
	if res, text := answer(t, bodyReader, "POST"); text != "POST / hello" || !res.Close {
		t.Errorf("body in flight: %q, close %v", text, res.Close)
	}
	closes(t, bodyReader)
	for _, c := range []net.Conn{idle, used, head, body} {
		c.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the server still listens")
	}
	if err := s.Shutdown(context.Background()); !errors.Is(err, ErrServerClosed) {
		t.Errorf("second Shutdown: %v", err)
	}
}

// A client that keeps its idle connection open, whatever the server does, does not hold Shutdown up.
func TestShutdownDoesNotWaitForTheIdle(t *testing.T) {
	s := &Server{Handler: echo, WriteTimeout: time.Hour}
	addr := serve(t, s)
	idle, used := dial(t, addr), dial(t, addr)
	send(t, used, goodRequest)
	answer(t, bufio.NewReader(used), "GET")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	closes(t, idle)
	closes(t, used)
}

// What the kernel still holds of an answer is not destroyed, though its client sends on while the server shuts down.
func TestShutdownSparesWhatIsOnItsWay(t *testing.T) {
	body := bytes.Repeat([]byte("carillon"), 32<<10)
	served := make(chan *reactor.TcpConnection, 2)
	s := &Server{Loops: 1, Handler: func(c *Ctx) error {
		served <- c.x.conn.tcp
		if err := c.x.conn.tcp.Socket().SetSendBuffer(2 * len(body)); err != nil {
			t.Error(err)
		}
		return c.Blob(200, "text/plain", body)
	}}
	addr := serve(t, s)
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		// Before connecting, so that the window stays small: much waits on the server's side.
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10)
		}); e != nil {
			return e
		}
		return err
	}}
	client, err := dialer.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send(t, client, goodRequest)
	r := bufio.NewReader(client)
	if _, err := r.Peek(1); err != nil {
		t.Fatal(err)
	}
	tcp := <-served
	until(t, "the kernel has the answer", func() bool { return !tcp.PendingOutput() })
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	until(t, "the server stops listening", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	send(t, client, goodRequest)
	if _, got := answer(t, r, "GET"); got != string(body) {
		t.Errorf("%d bytes of %d", len(got), len(body))
	}
	client.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// An upgrade that comes too late is refused, not begun and broken off.
func TestUpgradeWhileShuttingDown(t *testing.T) {
	s := &Server{Loops: 1, Handler: func(c *Ctx) error {
		if c.Path() != "/up" {
			return c.Text(200, "")
		}
		if err := c.NoContent(101); err != nil {
			return err
		}
		return c.Upgrade(func(*reactor.TcpConnection) { t.Error("upgraded") })
	}}
	addr := serve(t, s)
	c, idle := dial(t, addr), dial(t, addr)
	r := bufio.NewReader(c)
	send(t, c, goodRequest+"GET /up HTTP/1.1\r\nHost: h\r\n")
	answer(t, r, "GET")
	send(t, idle, goodRequest)
	ir := bufio.NewReader(idle)
	answer(t, ir, "GET")
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	closes(t, ir) // behind c in the loop's list: c has been told
	send(t, c, "\r\n")
	if res, _ := answer(t, r, "GET"); res.StatusCode != 503 || !res.Close {
		t.Errorf("%v", res)
	}
	closes(t, r)
	c.Close()
	idle.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A handler may ask the server about itself while other listeners are still being started.
func TestStartWhileServing(t *testing.T) {
	s := &Server{Loops: 1}
	s.Handler = func(c *Ctx) error { return c.Text(200, fmt.Sprint(c.Server().ConnectionCount() > 0)) }
	var conns []net.Conn
	for range 20 {
		addr, err := s.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, addr.String())
		send(t, c, goodRequest)
		conns = append(conns, c)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns {
		if _, body := answer(t, bufio.NewReader(c), "GET"); body != "true" {
			t.Error(body)
		}
		c.Close()
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A request that never becomes whole, and a handler that never returns, do not keep Shutdown for ever.
func TestShutdownEnds(t *testing.T) {
	release, running := make(chan struct{}), make(chan struct{})
	s := &Server{Loops: 2, Handler: func(c *Ctx) error {
		if c.Path() == "/stuck" {
			close(running)
			<-release
		}
		return nil
	}}
	addr := serve(t, s)
	half := dial(t, addr)
	send(t, half, "GET / HTTP/1.1\r\n")
	stuck := dial(t, addr)
	send(t, stuck, "GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
	<-running
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(release)
}
