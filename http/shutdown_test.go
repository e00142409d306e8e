package http

import (
	"bufio"
	"context"
	"errors"
	"net"
	"testing"
	"time"
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
