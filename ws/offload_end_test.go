package ws

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/gobwas/ws"
)

// TestOffloadPanic: the connection of a handler that panics closes; what was queued
// behind is dropped, OnClose still comes, and others go on.
func TestOffloadPanic(t *testing.T) {
	h := newCalls()
	release := make(chan struct{})
	h.each = func(what string, _ *Conn) {
		if what == "message boom" {
			<-release
			panic(what)
		}
	}
	log, logged := newLog()
	stats := new(Stats)
	loop := newLoop(t)
	s := newTestSide(0, Offload(h), WithLogger(log), WithStats(stats))
	c, peer := openPair(t, loop, s)
	h.want(t, "open")
	peer.write(join(text("boom"), text("behind"), text("more"), ping("")))
	peer.want(ws.OpPong, "") // so that all are queued
	close(release)
	h.want(t, "message boom")
	h.want(t, "close 1011 the handler failed")
	peer.wantClose(CodeInternalError)
	if line := wait(t, "log line", logged); !strings.Contains(line, "message boom") || !strings.Contains(line, "offload_test.go") {
		t.Errorf("logged %q", line)
	}
	if n := stats.Panics.Load(); n != 1 {
		t.Error("panics:", n)
	}
	idle(t, c)
	_, other := openPair(t, loop, s)
	other.write(text("x"))
	h.want(t, "open")
	h.want(t, "message x")
}

// TestOffloadPanics has OnOpen and OnClose panic.
func TestOffloadPanics(t *testing.T) {
	for _, bad := range []string{"open", "close"} {
		t.Run(bad, func(t *testing.T) {
			h := newCalls()
			h.each = func(what string, _ *Conn) {
				if strings.HasPrefix(what, bad) {
					panic(what)
				}
			}
			log, logged := newLog()
			_, peer := openPair(t, newLoop(t), newTestSide(0, Offload(h), WithLogger(log)))
			h.want(t, "open")
			if bad == "open" {
				h.want(t, "close 1011 the handler failed")
				peer.wantClose(1011)
			} else {
				peer.write(closing1(1000, ""))
				h.want(t, "close 1000 ")
				peer.wantClose(1000)
			}
			wait(t, "log line", logged)
		})
	}
}

// TestOffloadLost loses the connection while work is queued: all of it is done, and
// OnClose comes behind.
func TestOffloadLost(t *testing.T) {
	h := newCalls()
	release := make(chan struct{})
	h.each = func(what string, _ *Conn) {
		if what == "message 0" {
			<-release
		}
	}
	stats := new(Stats)
	_, peer := openPair(t, newLoop(t), newTestSide(0, Offload(h), WithStats(stats)))
	h.want(t, "open")
	const messages = 100
	for i := range messages {
		peer.write(text(fmt.Sprint(i)))
	}
	peer.write(ping(""))
	peer.want(ws.OpPong, "")
	peer.Close()
	for stats.Closed.Load() == 0 {
		runtime.Gosched()
	}
	close(release)
	for i := range messages {
		h.want(t, fmt.Sprint("message ", i))
	}
	h.want(t, "close 1006 "+errEOF.Error())
}

// TestOffloadCloseWhileHeld: what is not read because the worker is behind may be the
// peer's close frame. Once this side closes, messages are dropped, and it is found.
func TestOffloadCloseWhileHeld(t *testing.T) {
	h := newCalls()
	release := make(chan struct{})
	h.each = func(what string, _ *Conn) {
		if strings.HasPrefix(what, "message") {
			<-release
		}
	}
	c, peer := openPair(t, newLoop(t), newTestSide(0, Offload(h), WithCloseTimeout(patience)))
	h.want(t, "open")
	go peer.Write(append(bytes.Repeat(binary1(strings.Repeat("x", 10_000)), 500), closing1(4000, "at last")...))
	waitUntil(t, c, func() bool { return c.paused && c.held() })
	if err := c.Close(4000, "enough"); err != nil {
		t.Fatal(err)
	}
	peer.wantClose(4000)
	close(release)
	for {
		what := wait(t, "OnClose", h.log)
		if strings.HasPrefix(what, "message") {
			continue
		}
		if what != "close 4000 at last" {
			t.Error(what)
		}
		break
	}
}

// TestOffloadShutdown: a server that shuts down while handlers work does not wait for
// them, and what they do afterwards fails in good order.
func TestOffloadShutdown(t *testing.T) {
	h := newCalls()
	release, done := make(chan struct{}), make(chan error, 1)
	h.each = func(what string, c *Conn) {
		if what == "message work" {
			<-release
			done <- c.Send(OpText, []byte("too late"))
			panic("nobody is left to close")
		}
	}
	log, logged := newLog()
	s := &http.Server{Handler: Endpoint(Offload(h), WithLogger(log))}
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	c := dial(t, addr.String(), text("work")...)
	h.want(t, "open")
	h.want(t, "message work")
	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		down <- s.Shutdown(ctx)
	}()
	c.want(ws.OpClose, "\x03\xe9the server is shutting down")
	c.write(closing1(1001, ""))
	c.wantEOF()
	c.Close()
	if err := wait(t, "end of Shutdown", down); err != nil {
		t.Error(err)
	}
	close(release)
	if err := wait(t, "error of Send", done); err == nil {
		t.Error("Send on a server that is down: no error")
	}
	h.want(t, "close 1001 ")
	wait(t, "log line", logged)
}
