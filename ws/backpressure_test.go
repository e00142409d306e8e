package ws

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// deafPeer sends frame after frame and reads nothing until the server has
// stopped reading; what the server then holds must be bounded. At last it reads
// its answers, with each, as many as it sent frames.
func deafPeer(t *testing.T, rec *recorder, addr string, frame []byte, each func(c *client)) {
	t.Helper()
	c := dial(t, addr)
	server := wait(t, "OnOpen", rec.opened)
	stop, sent := make(chan struct{}), make(chan int, 1)
	go func() {
		batch := bytes.Repeat(frame, 64<<10/len(frame))
		for n := 0; ; n += 64 << 10 / len(frame) {
			select {
			case <-stop:
				sent <- n
				return
			default:
				if _, err := c.Write(batch); err != nil {
					sent <- n
					return
				}
			}
		}
	}()
	// The server has stopped reading when what it holds stays the same for many
	// turns of its loop, while the client is at it.
	held, most := 0, 0
	for same := 0; same < 500; same++ {
		now := onLoop(t, server, func() int {
			if !server.paused {
				return 0
			}
			return server.tcp.OutputBytes() + server.tcp.Input().Len()
		})
		if now != held || now == 0 {
			same = 0
		}
		held, most = now, max(most, now)
	}
	if most > 4*reactor.DefaultHighWater {
		t.Errorf("%d bytes are held", most)
	}
	close(stop)
	for got := 0; ; got++ {
		select {
		case n := <-sent:
			for ; got < n; got++ {
				each(c)
			}
			return
		default:
			each(c)
		}
	}
}

// onLoop runs f on the connection's loop and returns what it returned.
func onLoop[T any](t testing.TB, c *Conn, f func() T) T {
	t.Helper()
	result := make(chan T, 1)
	if err := c.Loop().QueueInLoop(func() { result <- f() }); err != nil {
		t.Fatal(err)
	}
	return wait(t, "turn of the loop", result)
}

// TestPingFlood: pongs that nobody takes do not pile up.
func TestPingFlood(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec)
	body := strings.Repeat("p", 125)
	deafPeer(t, rec, addr, ping(body), func(c *client) { c.want(ws.OpPong, body) })
	served(t, addr)
}

// TestSlowReader: nor do the echoes of one who only writes, and none is lost.
func TestSlowReader(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec)
	body := strings.Repeat("x", 1000)
	deafPeer(t, rec, addr, text(body), func(c *client) { c.want(ws.OpText, body) })
	served(t, addr)
}

// TestAmplification: thousands of small messages in one read, each with a large
// answer, are answered as fast as the answers leave, not all at once.
func TestAmplification(t *testing.T) {
	answer := strings.Repeat("x", 100<<10)
	rec := newRecorder()
	most := 0
	rec.onMessage = func(c *Conn, op Op, p []byte) {
		most = max(most, c.tcp.OutputBytes())
		if err := c.Send(op, []byte(answer)); err != nil {
			t.Error(err)
		}
	}
	addr := start(t, rec)
	const messages = 500
	c := dial(t, addr, bytes.Repeat(text(""), messages)...)
	for range messages {
		c.want(ws.OpText, answer)
	}
	c.write(closing1(1000, ""))
	c.wantClose(1000)
	wait(t, "OnClose", rec.closed)
	if most > 2<<20 {
		t.Errorf("%d bytes of output were held", most)
	}
}

// TestFINBehindWaitingInput: the peer sent, closed its side, and then reads: all
// is answered.
func TestFINBehindWaitingInput(t *testing.T) {
	answer := strings.Repeat("x", 100<<10)
	rec := newRecorder()
	rec.onMessage = func(c *Conn, op Op, p []byte) { c.Send(op, []byte(answer)) }
	const messages = 500
	c := dial(t, start(t, rec), bytes.Repeat(text(""), messages)...)
	c.closeWrite()
	for range messages {
		c.want(ws.OpText, answer)
	}
	c.wantEOF()
	if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal {
		t.Error(got)
	}
}

// TestHardCap: a peer that takes nothing is cut off when the cap is reached, and
// the sender is told.
func TestHardCap(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec, WithSendLimit(1<<30, CloseSlow))
	c := dial(t, addr)
	server := wait(t, "OnOpen", rec.opened)
	chunk := make([]byte, 1<<20)
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = server.Send(OpBinary, chunk)
	}
	if !errors.Is(err, reactor.ErrOutputFull) {
		t.Error("Send:", err)
	}
	if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal || got.reason != reactor.ErrOutputFull.Error() {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	if err := server.Send(OpText, nil); !errors.Is(err, ErrClosed) {
		t.Error("Send:", err)
	}
	c.Close()
	served(t, addr)
}
