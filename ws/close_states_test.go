package ws

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// ofPeer is a frame as the peer of a connection in mode m sends it.
func ofPeer(m mode, op ws.OpCode, payload string) []byte {
	return cut{fin: true, op: op, payload: payload, unmasked: m == fromServer}.bytes()
}

// wantWire reads one whole frame, masked where that is right.
func (c *client) wantWire(m mode, op ws.OpCode, payload string) {
	c.t.Helper()
	f, err := c.wire()
	if err != nil || f.b0 != finBit|byte(op) || f.masked != (m == fromServer) || f.payload != payload {
		c.t.Fatalf("%+v, %v, want op %d %q", f, err, op, payload)
	}
}

// TestCloseEitherSide has the closing handshake begun by each side, and by both, in
// either mode. A client leaves it to the server to close the TCP connection first (RFC
// 6455 section 7.1.1).
func TestCloseEitherSide(t *testing.T) {
	for side, m := range modes {
		for _, first := range []string{"we", "the peer", "both"} {
			t.Run(side+", "+first, func(t *testing.T) {
				rec := newRecorder()
				c, peer := openPair(t, newLoop(t), newTestSide(m, rec))
				theirs := ofPeer(m, ws.OpClose, "\x0f\xa1theirs")
				want := "\x0f\xa1" // the echo of their code
				switch first {
				case "both":
					peer.write(theirs)
					fallthrough
				case "we":
					want = "\x0f\xa2ours"
					if err := c.Close(4002, "ours"); errors.Is(err, ErrClosed) {
						want = "\x0f\xa1" // theirs was faster
					} else if err != nil {
						t.Fatal(err)
					}
				case "the peer":
					peer.write(theirs)
				}
				peer.wantWire(m, ws.OpClose, want)
				if first == "we" {
					peer.write(theirs)
				}
				if got := wait(t, "OnClose", rec.closed); got.code != 4001 || got.reason != "theirs" {
					t.Error(got.code, got.reason)
				}
				if m == fromServer {
					if c.tcp.State() != reactor.Connected {
						t.Error("the client closes first:", c.tcp.State())
					}
					peer.closeWrite()
				}
				peer.wantEOF()
				if n := len(rec.closed); n > 0 {
					t.Error("OnClose ran", n, "times too often")
				}
			})
		}
	}
}

// TestCloseClientIsLeftOpen: a server that has closed the WebSocket and not the TCP
// connection is cut after the close timeout, and OnClose is not called again.
func TestCloseClientIsLeftOpen(t *testing.T) {
	rec := newRecorder()
	_, peer := openPair(t, newLoop(t), newTestSide(fromServer, rec, WithCloseTimeout(50*time.Millisecond)))
	peer.write(ofPeer(fromServer, ws.OpClose, ""))
	if got := wait(t, "OnClose", rec.closed); got.code != CodeNoStatus {
		t.Error(got.code, got.reason)
	}
	peer.wantWire(fromServer, ws.OpClose, "")
	if _, err := peer.wire(); err == nil {
		t.Error("still open")
	}
	if n := len(rec.closed); n > 0 {
		t.Error("OnClose ran", n, "times too often")
	}
}

// TestCloseViolation: what is wrong ends a connection in either mode, also one that
// waits for the peer's close frame.
func TestCloseViolation(t *testing.T) {
	for side, m := range modes {
		masked := cut{fin: true, op: ws.OpText, payload: "x", unmasked: m == 0}.bytes() // wrong either way
		for _, closing := range []bool{false, true} {
			t.Run(side, func(t *testing.T) {
				rec := newRecorder()
				c, peer := openPair(t, newLoop(t), newTestSide(m, rec))
				if closing {
					if err := c.Close(4000, ""); err != nil {
						t.Fatal(err)
					}
					peer.wantWire(m, ws.OpClose, "\x0f\xa0")
				}
				peer.write(masked)
				if !closing {
					v := errNotMasked
					if m == fromServer {
						v = errMasked
					}
					peer.wantWire(m, ws.OpClose, "\x03\xea"+v.reason)
				}
				if got := wait(t, "OnClose", rec.closed); got.code != CodeProtocolError {
					t.Error(got.code, got.reason)
				}
				peer.wantEOF()
			})
		}
	}
}

// TestCloseJammed closes while the output does not leave: a peer that reads at last
// gets all of it, and the handshake ends well; one that does not is cut at the
// deadline.
func TestCloseJammed(t *testing.T) {
	big := strings.Repeat("x", 12<<20) // far more than the kernel takes, and above the high-water mark
	for side, m := range modes {
		t.Run(side+", reads", func(t *testing.T) {
			rec := newRecorder()
			c, peer := openPair(t, newLoop(t), newTestSide(m, rec))
			if err := c.Send(OpBinary, []byte(big)); err != nil {
				t.Fatal(err)
			}
			waitUntil(t, c, func() bool { return c.paused })
			if err := c.Close(4000, "done"); err != nil {
				t.Fatal(err)
			}
			peer.write(ofPeer(m, ws.OpClose, "\x0f\xa0")) // not read yet
			peer.wantWire(m, ws.OpBinary, big)
			peer.wantWire(m, ws.OpClose, "\x0f\xa0done")
			if got := wait(t, "OnClose", rec.closed); got.code != 4000 {
				t.Error(got.code, got.reason)
			}
		})
		t.Run(side+", does not", func(t *testing.T) {
			const within = 50 * time.Millisecond
			rec := newRecorder()
			c, peer := openPair(t, newLoop(t), newTestSide(m, rec, WithCloseTimeout(within)))
			if err := c.Send(OpBinary, []byte(big)); err != nil {
				t.Fatal(err)
			}
			waitUntil(t, c, func() bool { return c.paused })
			began := time.Now()
			if err := c.Close(4000, "done"); err != nil {
				t.Fatal(err)
			}
			peer.write(ofPeer(m, ws.OpClose, "\x0f\xa0"))
			got := wait(t, "OnClose", rec.closed)
			if took := time.Since(began); got.code != CodeAbnormal || took < within-time.Millisecond {
				t.Error(got.code, got.reason, took)
			}
			peer.readAll() // the connection ends, or this does not
		})
	}
}

// TestCloseByJammingPeer: the peer closes and takes nothing of what was sent before.
func TestCloseByJammingPeer(t *testing.T) {
	rec := newRecorder()
	c, peer := openPair(t, newLoop(t), newTestSide(0, rec))
	narrow(t, c)
	if err := c.Send(OpBinary, make([]byte, 500<<10)); err != nil { // not paused
		t.Fatal(err)
	}
	peer.write(closing1(4000, "never mind"))
	if got := wait(t, "OnClose", rec.closed); got.code != 4000 || got.reason != "never mind" {
		t.Error(got.code, got.reason)
	}
	if err := c.Send(OpText, nil); !errors.Is(err, ErrClosed) {
		t.Error("Send:", err)
	}
	peer.wantWire(0, ws.OpBinary, string(make([]byte, 500<<10)))
	peer.wantWire(0, ws.OpClose, "\x0f\xa0")
	peer.wantEOF()
}

// TestCloseInOnOpen closes before anything was read; what came with the request is
// dropped.
func TestCloseInOnOpen(t *testing.T) {
	rec := newRecorder()
	rec.onOpen = func(c *Conn) {
		if err := errors.Join(c.Send(OpText, []byte("go away")), c.Close(4000, "full")); err != nil {
			t.Error(err)
		}
		if err := c.Send(OpText, nil); !errors.Is(err, ErrClosed) {
			t.Error("Send:", err)
		}
	}
	rec.onMessage = func(_ *Conn, _ Op, p []byte) { t.Errorf("OnMessage %q", p) }
	addr := start(t, rec)
	c := dial(t, addr, join(text("early"), ping("dropped"))...)
	c.want(ws.OpText, "go away")
	c.want(ws.OpClose, "\x0f\xa0full")
	c.write(closing1(4000, "bye"))
	c.wantEOF()
	if got := wait(t, "OnClose", rec.closed); got.code != 4000 || got.reason != "bye" {
		t.Error(got.code, got.reason)
	}
}

// TestCloseInOnClose: then it is too late for everything, and nothing happens again.
func TestCloseInOnClose(t *testing.T) {
	rec := newRecorder()
	errs := make(chan error, 10)
	rec.onClose = func(c *Conn, _ Code, _ string) {
		errs <- c.Send(OpText, []byte("x"))
		errs <- c.SendPrepared(Prepare(OpText, nil))
		errs <- c.Close(1000, "")
	}
	addr := start(t, rec)
	for name, peer := range map[string]func(*client){
		"closed":   func(c *client) { c.write(closing1(1000, "")); c.wantClose(1000) },
		"violated": func(c *client) { c.write(text("\xff")); c.wantClose(1007) },
		"lost":     func(c *client) { c.Close() },
	} {
		peer(dial(t, addr))
		wait(t, "OnClose", rec.closed)
		for range 3 {
			if err := wait(t, "error", errs); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n := len(rec.closed); n > 0 {
		t.Error("OnClose ran", n, "times too often")
	}
}

// TestCloseTwice has many close at once, on the loop and off it: one does.
func TestCloseTwice(t *testing.T) {
	rec := newRecorder()
	c, peer := openPair(t, newLoop(t), newTestSide(0, rec))
	const closers = 20
	errs := make(chan error, closers)
	for i := range closers {
		go func() {
			if i%2 == 0 {
				errs <- c.Close(4000, "")
			} else if err := c.Loop().QueueInLoop(func() { errs <- c.Close(4000, "") }); err != nil {
				t.Error(err)
			}
		}()
	}
	well := 0
	for range closers {
		switch err := wait(t, "end of Close", errs); {
		case err == nil:
			well++
		case !errors.Is(err, ErrClosed):
			t.Error(err)
		}
	}
	peer.want(ws.OpClose, "\x0f\xa0")
	peer.write(closing1(4000, ""))
	peer.wantEOF()
	wait(t, "OnClose", rec.closed)
	if well != 1 || len(rec.closed) > 0 {
		t.Errorf("%d closed, OnClose ran %d times too often", well, len(rec.closed))
	}
}

// TestCloseWithTheLoop: a loop that quits ends its connections, and what is done with
// them afterwards fails.
func TestCloseWithTheLoop(t *testing.T) {
	rec := newRecorder()
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := openPair(t, loop, newTestSide(0, rec))
	if err := c.Send(OpBinary, bytes.Repeat([]byte("x"), 8<<20)); err != nil {
		t.Fatal(err)
	}
	if err := thread.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal || got.reason != reactor.ErrLoopClosed.Error() {
		t.Error(got.code, got.reason)
	}
	for name, err := range map[string]error{
		"Send": c.Send(OpText, nil), "Close": c.Close(1000, ""), "SendPrepared": c.SendPrepared(Prepare(OpText, nil)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
