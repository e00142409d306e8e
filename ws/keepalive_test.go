package ws

import (
	"bytes"
	"context"
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
	addr := start(t, rec, WithKeepalive(20*time.Millisecond, 5*time.Second))
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
	for began := time.Now(); time.Since(began) < 3*idle; {
		sent := time.Now()
		c.write(text("x"))
		op, _, err := c.frame()
		if err != nil {
			t.Fatal(err)
		}
		if op == ws.OpPing && time.Since(sent) < idle/2 { // else this test was the one that was late
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
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	const peers = 20
	var all []*client
	for range peers {
		all = append(all, dial(t, addr.String()))
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

// TestKeepaliveOfTheHeld: a peer that is not read, because the handler is behind, is
// not dead.
func TestKeepaliveOfTheHeld(t *testing.T) {
	const idle = 32 * time.Millisecond
	rec := newRecorder()
	release, handled := make(chan struct{}), make(chan int, 1000)
	rec.onMessage = func(_ *Conn, _ Op, p []byte) { <-release; handled <- len(p) }
	loop := newLoop(t)
	c, peer := openPair(t, loop, newTestSide(0, Offload(rec), WithKeepalive(idle, idle)))
	tick := clock(t, loop, newTestSide(0, newRecorder(), WithKeepalive(idle, 10*time.Second)))
	frame := binary1(string(bytes.Repeat([]byte("x"), 10_000)))
	const messages = 40
	go peer.Write(bytes.Repeat(frame, messages))
	waitUntil(t, c, func() bool { return c.paused })
	go peer.readAll()
	tick(10)
	select {
	case got := <-rec.closed:
		t.Fatal(got.code, got.reason)
	default:
	}
	close(release)
	for range messages {
		if n := wait(t, "message", handled); n != 10_000 {
			t.Fatal(n)
		}
	}
}

// TestKeepaliveBehindOutput: a ping waits behind output that a living peer takes
// slowly; while it does, it is not dead.
func TestKeepaliveBehindOutput(t *testing.T) {
	const idle = 200 * time.Millisecond
	rec := newRecorder()
	loop := newLoop(t)
	c, peer := openPair(t, loop, newTestSide(0, rec, WithKeepalive(idle, idle)))
	narrow(t, c)
	tick := clock(t, loop, newTestSide(0, newRecorder(), WithKeepalive(idle, 10*time.Second)))
	const size = 900 << 10 // below the mark at which a connection is paused
	if err := c.Send(OpBinary, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	const step = 100 << 10
	for took := 0; took+step < size; took += step {
		if _, err := peer.r.Discard(step); err != nil {
			t.Fatalf("after %d bytes: %v", took, err)
		}
		tick(1)
	}
	select {
	case got := <-rec.closed:
		t.Fatal(got.code, got.reason)
	default:
	}
}

// TestKeepaliveOfTheJammed: a peer that takes nothing of what is sent is found dead
// too, though it could not be pinged.
func TestKeepaliveOfTheJammed(t *testing.T) {
	const idle, within = 60 * time.Millisecond, 40 * time.Millisecond
	for name, size := range map[string]int{"paused": 8 << 20, "not paused": 900 << 10} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder()
			c, _ := openPair(t, newLoop(t), newTestSide(0, rec, WithKeepalive(idle, within)))
			narrow(t, c)
			began := time.Now()
			if err := c.Send(OpBinary, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			got := wait(t, "OnClose", rec.closed)
			if took := time.Since(began); got.code != CodeAbnormal || got.reason != errNoPong.Error() || took < idle+within-within/4 {
				t.Error(got.code, got.reason, took)
			}
		})
	}
}
