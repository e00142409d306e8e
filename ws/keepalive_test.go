package ws

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/gobwas/ws"
)

// TestKeepaliveFindsTheDead: a peer that does not even answer a ping is lost,
// within the set times; the ping may go out early by two ticks of the wheel, but
// the answer has all its time.
func TestKeepaliveFindsTheDead(t *testing.T) {
	const idle, within = 60 * time.Millisecond, 40 * time.Millisecond
	rec := newRecorder()
	addr := start(t, rec, WithKeepalive(idle, within))
	began := time.Now()
	c := dial(t, addr)
	got := wait(t, "OnClose", rec.closed)
	if took := time.Since(began); got.code != CodeAbnormal || got.reason != errNoPong.Error() || took < idle+within-2*within/8 {
		t.Errorf("OnClose got %v %q after %v", got.code, got.reason, took)
	}
	c.want(ws.OpPing, "")
	if _, _, err := c.frame(); err == nil {
		t.Error("still open")
	}
}

// TestKeepaliveKeepsTheLiving: pongs, and whatever else comes, are signs of life.
func TestKeepaliveKeepsTheLiving(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec, WithKeepalive(20*time.Millisecond, time.Minute))
	for _, answer := range [][]byte{pong(""), pong("unsolicited"), text("hello")} {
		c := dial(t, addr)
		for range 5 {
			c.want(ws.OpPing, "")
			c.write(answer)
			if answer[0]&0x0f == byte(ws.OpText) {
				c.want(ws.OpText, "hello")
			}
		}
	}
	select {
	case got := <-rec.closed:
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	default:
	}
}

// TestKeepaliveOfTheBusy: who keeps talking is not pinged.
func TestKeepaliveOfTheBusy(t *testing.T) {
	const idle = 200 * time.Millisecond
	addr := start(t, newRecorder(), WithKeepalive(idle, idle))
	c := dial(t, addr)
	pinged := false
	sent := time.Now()
	for began := time.Now(); time.Since(began) < 3*idle; {
		before := sent
		sent = time.Now()
		c.write(text("x"))
		op, _, err := c.frame()
		if err != nil {
			t.Fatal(err)
		}
		if op == ws.OpPing && time.Since(before) < idle/2 { // else this test was the one that was late
			pinged = true
		}
	}
	if pinged {
		t.Error("pinged while busy")
	}
}

// TestDrain: a server that shuts down says so to each peer, and waits for it.
func TestDrain(t *testing.T) {
	rec := newRecorder()
	s := &http.Server{Handler: Endpoint(rec)}
	addr := startServer(t, s)
	const peers = 20
	var all []*client
	for range peers {
		all = append(all, dial(t, addr))
		wait(t, "OnOpen", rec.opened)
	}
	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		down <- s.Shutdown(ctx)
	}()
	for _, c := range all {
		c.want(ws.OpClose, "\x03\xe9the server is shutting down")
		c.write(closing1(CodeGoingAway, ""))
		c.wantEOF()
		c.Close()
	}
	for range peers {
		if got := wait(t, "OnClose", rec.closed); got.code != CodeGoingAway {
			t.Errorf("OnClose got %v %q", got.code, got.reason)
		}
	}
	if err := wait(t, "end of Shutdown", down); err != nil {
		t.Error(err)
	}
}

// lookAt has the keepalive look at c as if nothing had come from the peer for ten
// times the times that were set, and returns whether c is still open and was pinged.
func lookAt(t *testing.T, c *Conn, pinged bool) (open, nowPinged bool) {
	t.Helper()
	r := onLoop(t, c, func() [2]bool {
		now := c.Loop().Now()
		c.lastRead, c.pinged = now-20*time.Hour, pinged
		next := c.keepaliveInLoop()
		return [2]bool{next > now && c.phase == 0, c.pinged}
	})
	return r[0], r[1]
}

// TestKeepaliveOfTheHeld: a peer that is not read, because the handler is behind, is
// not dead, whatever time passes; a ping keeps the line open.
func TestKeepaliveOfTheHeld(t *testing.T) {
	rec := newRecorder()
	release, handled := make(chan struct{}), make(chan int, 1000)
	rec.onMessage = func(_ *Conn, _ Op, p []byte) { <-release; handled <- len(p) }
	c, peer := openPair(t, newLoop(t), newTestSide(0, Offload(rec), WithKeepalive(time.Hour, time.Hour)))
	const messages = 40
	go peer.Write(bytes.Repeat(binary1(strings.Repeat("x", 10_000)), messages))
	waitUntil(t, c, func() bool { return c.paused })
	for range 3 {
		if open, _ := lookAt(t, c, true); !open {
			t.Fatal("dead")
		}
		peer.want(ws.OpPing, "")
		waitUntil(t, c, func() bool { return !c.tcp.PendingOutput() })
	}
	close(release)
	for range messages {
		if n := wait(t, "message", handled); n != 10_000 {
			t.Fatal(n)
		}
	}
	waitUntil(t, c, func() bool { return !c.paused })
	if open, _ := lookAt(t, c, true); open {
		t.Error("one that is read and has not answered is not dead")
	}
}

// TestKeepaliveBehindOutput: a ping would wait behind output that a living peer takes
// slowly; while it does, it is not dead, and it is pinged when that has left.
func TestKeepaliveBehindOutput(t *testing.T) {
	for name, size := range map[string]int{"paused": 8 << 20, "not paused": 900 << 10} {
		t.Run(name, func(t *testing.T) {
			c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder(), WithKeepalive(time.Hour, time.Hour)))
			if name == "not paused" {
				narrow(t, c)
			}
			if err := c.Send(OpBinary, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			for _, pinged := range []bool{false, true} {
				if open, now := lookAt(t, c, pinged); !open || now || !c.tcp.PendingOutput() {
					t.Fatalf("open %v, pinged %v", open, now)
				}
			}
			peer.want(ws.OpBinary, string(make([]byte, size)))
			waitUntil(t, c, func() bool { return !c.tcp.PendingOutput() && !c.paused })
			if open, pinged := lookAt(t, c, false); !open || !pinged {
				t.Errorf("open %v, pinged %v", open, pinged)
			}
			peer.want(ws.OpPing, "")
		})
	}
}

// TestKeepaliveOfTheJammed: a peer that takes nothing of what is sent is found dead
// too, though it could not be pinged.
func TestKeepaliveOfTheJammed(t *testing.T) {
	const idle, within = 60 * time.Millisecond, 40 * time.Millisecond
	for name, size := range map[string]int{"paused": 12 << 20, "not paused": 900 << 10} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder()
			rec.onOpen = func(c *Conn) {
				if name == "not paused" {
					if err := c.tcp.Socket().SetSendBuffer(32 << 10); err != nil {
						t.Error(err)
					}
				}
				if err := c.Send(OpBinary, make([]byte, size)); err != nil {
					t.Error(err)
				}
			}
			began := time.Now()
			openPair(t, newLoop(t), newTestSide(0, rec, WithKeepalive(idle, within)))
			got := wait(t, "OnClose", rec.closed)
			if took := time.Since(began); got.code != CodeAbnormal || got.reason != errNoPong.Error() || took < idle+within-within/4 {
				t.Error(got.code, got.reason, took)
			}
		})
	}
}
