package ws

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// TestCloseByPeer sends close frames of every good kind: each is echoed with its
// code, and OnClose has code and reason.
func TestCloseByPeer(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec)
	for _, code := range []Code{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		c := dial(t, addr, join(closing1(code, "reason"), text("too late"), ping(""), closing1(4001, ""))...)
		c.wantClose(code)
		if got := wait(t, "OnClose", rec.closed); got.code != code || got.reason != "reason" {
			t.Errorf("%d: OnClose got %v %q", code, got.code, got.reason)
		}
	}
	c := dial(t, addr, whole1(ws.OpClose, "")...)
	c.wantClose(CodeNoStatus)
	if got := wait(t, "OnClose", rec.closed); got.code != CodeNoStatus || got.reason != "" {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	c = dial(t, addr, join(more(ws.OpText, "half a mess"), closing1(1000, "in between"))...)
	c.wantClose(1000)
	if got := wait(t, "OnClose", rec.closed); got.reason != "in between" {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	served(t, addr)
}

// TestCloseByServer closes from another goroutine: what was sent before comes
// first, what is sent after is refused, what arrives after is dropped, and the
// peer's answer ends it.
func TestCloseByServer(t *testing.T) {
	rec := newRecorder()
	rec.onMessage = func(c *Conn, _ Op, p []byte) { t.Errorf("OnMessage %q after Close", p) }
	addr := start(t, rec)
	c := dial(t, addr)
	server := wait(t, "OnOpen", rec.opened)
	big := strings.Repeat("x", 5<<20)
	if err := errors.Join(server.Send(OpBinary, []byte(big)), server.Close(4000, "so long")); err != nil {
		t.Fatal(err)
	}
	if err := server.Send(OpText, nil); !errors.Is(err, ErrClosed) || !errors.Is(err, reactor.ErrClosed) {
		t.Error("Send after Close:", err)
	}
	if err := server.Close(1000, ""); !errors.Is(err, ErrClosed) {
		t.Error("second Close:", err)
	}
	c.want(ws.OpBinary, big)
	c.want(ws.OpClose, "\x0f\xa0so long")
	c.write(join(text("dropped"), ping("not answered"), more(ws.OpText, "drop"), last("ped"), closing1(4000, "you too")))
	c.wantEOF()
	if got := wait(t, "OnClose", rec.closed); got.code != 4000 || got.reason != "you too" {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
}

// TestCloseInOnMessage closes while more messages lie in the same segment.
func TestCloseInOnMessage(t *testing.T) {
	rec := newRecorder()
	rec.onMessage = func(c *Conn, _ Op, p []byte) {
		if err := c.Close(CodeNormalClosure, string(p)); err != nil {
			t.Error(err)
		}
	}
	c := dial(t, start(t, rec), join(text("first"), text("second"), closing1(1001, ""))...)
	c.want(ws.OpClose, "\x03\xe8first")
	c.wantEOF()
	if got := wait(t, "OnClose", rec.closed); got.code != 1001 {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
}

// TestCloseUnanswered checks the deadline of the closing handshake: for a peer
// that is silent, one that goes on talking, and one that does not read.
func TestCloseUnanswered(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec, WithCloseTimeout(100*time.Millisecond))
	for name, peer := range map[string]func(c *client, stop chan struct{}){
		"silent": func(*client, chan struct{}) {},
		"talking": func(c *client, stop chan struct{}) {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := c.Write(ping("x")); err != nil {
						return
					}
				}
			}
		},
	} {
		c := dial(t, addr)
		server := wait(t, "OnOpen", rec.opened)
		began := time.Now()
		if err := server.Close(CodeGoingAway, ""); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() { peer(c, stop) })
		got := wait(t, "OnClose", rec.closed)
		if took := time.Since(began); got.code != CodeAbnormal || took < 90*time.Millisecond {
			t.Errorf("%s: %v %q after %v", name, got.code, got.reason, took)
		}
		close(stop)
		group.Wait()
		c.want(ws.OpClose, "\x03\xe9")
		if _, err := c.r.ReadByte(); err == nil {
			t.Errorf("%s: still open", name)
		}
	}
	c := dial(t, addr)
	server := wait(t, "OnOpen", rec.opened)
	if err := errors.Join(server.Send(OpBinary, make([]byte, 32<<20)), server.Close(CodeGoingAway, "")); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal {
		t.Errorf("does not read: %v %q", got.code, got.reason)
	}
	c.Close()
	served(t, addr)
}

// TestCloseFromBothSides has close frames cross each other on the wire.
func TestCloseFromBothSides(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec)
	for range 50 {
		c := dial(t, addr)
		server := wait(t, "OnOpen", rec.opened)
		done := make(chan error, 1)
		go func() { done <- server.Close(1000, "") }()
		c.write(closing1(1000, ""))
		if err := <-done; err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		c.wantClose(1000)
		if got := wait(t, "OnClose", rec.closed); got.code != 1000 {
			t.Fatal(got)
		}
	}
	if n := len(rec.closed); n > 0 {
		t.Errorf("OnClose ran %d times too often", n)
	}
}

// TestNothingAfterClose has goroutines send as fast as they can while one closes.
func TestNothingAfterClose(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec)
	for range 20 {
		c := dial(t, addr)
		server := wait(t, "OnOpen", rec.opened)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for server.Send(OpText, []byte("x")) == nil {
				}
			})
		}
		c.want(ws.OpText, "x")
		if err := server.Close(1000, ""); err != nil {
			t.Fatal(err)
		}
		for {
			op, _, err := c.frame()
			if err != nil {
				t.Fatal(err)
			}
			if op == ws.OpClose {
				break
			}
		}
		c.write(closing1(1000, ""))
		c.wantEOF()
		group.Wait()
		wait(t, "OnClose", rec.closed)
	}
}

func TestCloseRefusesBadCodes(t *testing.T) {
	rec := newRecorder()
	c := dial(t, start(t, rec))
	server := wait(t, "OnOpen", rec.opened)
	for _, b := range []struct {
		code   Code
		reason string
	}{
		{0, ""}, {999, ""}, {1004, ""}, {1005, "reason without code"}, {1006, ""}, {1015, ""}, {1016, ""}, {2999, ""},
		{5000, ""}, {1000, strings.Repeat("x", 124)}, {1000, "\xff"},
	} {
		if err := server.Close(b.code, b.reason); !errors.Is(err, ErrBadClose) {
			t.Errorf("Close(%d, %.10q): %v", b.code, b.reason, err)
		}
	}
	if err := server.Close(CodeNoStatus, ""); err != nil {
		t.Error(err)
	}
	c.want(ws.OpClose, "")
}

// TestLost loses connections in each way: OnClose runs once, with CodeAbnormal.
func TestLost(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec)
	for name, lose := range map[string]func(*client){
		"FIN":                     func(c *client) { c.Close() },
		"reset":                   func(c *client) { tcpOf(c.Conn).SetLinger(0); tcpOf(c.Conn).Close() },
		"half-close":              func(c *client) { c.closeWrite() },
		"FIN in a frame's header": func(c *client) { c.write(text("abc")[:1]); c.Close() },
		"FIN in a message":        func(c *client) { c.write(text("abc")[:7]); c.Close() },
		"FIN between fragments":   func(c *client) { c.write(more(ws.OpText, "abc")); c.Close() },
	} {
		c := dial(t, addr)
		server := wait(t, "OnOpen", rec.opened)
		lose(c)
		if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal || got.conn != server {
			t.Errorf("%s: OnClose got %v %q", name, got.code, got.reason)
		}
		if err := server.Send(OpText, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Send: %v", name, err)
		}
		if err := server.Close(1000, ""); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
	served(t, addr)
	wait(t, "OnClose", rec.closed)
	if n := len(rec.closed); n > 0 {
		t.Errorf("OnClose ran %d times too often", n)
	}
}

// TestHalfCloseKeepsWhatWasSent: messages that came before the FIN are answered.
func TestHalfCloseKeepsWhatWasSent(t *testing.T) {
	c := dial(t, start(t, newRecorder()))
	c.write(join(text("one"), text("two")))
	c.closeWrite()
	c.want(ws.OpText, "one")
	c.want(ws.OpText, "two")
	c.wantEOF()
}

// TestPanic has each of the handler's methods panic: its connection closes with
// 1011, the process and everybody else go on.
func TestPanic(t *testing.T) {
	boom := func(*Conn) { panic("boom") }
	for name, set := range map[string]func(*recorder){
		"OnOpen":    func(r *recorder) { r.onOpen = boom },
		"OnMessage": func(r *recorder) { r.onMessage = func(c *Conn, _ Op, _ []byte) { boom(c) } },
		"OnClose":   func(r *recorder) { r.onClose = func(c *Conn, _ Code, _ string) { boom(c) } },
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder()
			set(rec)
			log, logged := newLog()
			addr := start(t, rec, WithLogger(log))
			for range 2 {
				c := dial(t, addr, join(text("a"), more(ws.OpText, "b"), closing1(1000, ""))...)
				want := CodeInternalError
				if name == "OnClose" {
					c.want(ws.OpText, "a")
					want = 1000
				}
				c.wantClose(want)
				if got := wait(t, "OnClose", rec.closed); got.code != want {
					t.Errorf("OnClose got %v %q", got.code, got.reason)
				}
				if line := wait(t, "log line", logged); !strings.Contains(line, "boom") || !strings.Contains(line, "close_test.go") {
					t.Errorf("logged %q", line)
				}
			}
			if n := len(rec.closed); n > 0 {
				t.Errorf("OnClose ran %d times too often", n)
			}
		})
	}
}
