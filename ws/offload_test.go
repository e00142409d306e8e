package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// calls records, in order, what a handler was called with.
type calls struct {
	log  chan string
	each func(what string, c *Conn) // nil: nothing
}

func newCalls() *calls { return &calls{log: make(chan string, 100_000)} }

func (h *calls) called(c *Conn, what string) {
	h.log <- what
	if h.each != nil {
		h.each(what, c)
	}
}

func (h *calls) OnOpen(c *Conn)                    { h.called(c, "open") }
func (h *calls) OnMessage(c *Conn, _ Op, p []byte) { h.called(c, "message "+string(p)) }
func (h *calls) OnClose(c *Conn, code Code, reason string) {
	h.called(c, fmt.Sprintf("close %d %s", code, reason))
}

func (h *calls) want(t *testing.T, what string) {
	t.Helper()
	if got := wait(t, what, h.log); got != what {
		t.Fatalf("%.60q, want %.60q", got, what)
	}
}

// idle waits until the connection's worker has no goroutine any more.
func idle(t *testing.T, c *Conn) {
	t.Helper()
	waitUntil(t, c, func() bool {
		k := &c.rare.Load().worker.calls
		k.mu.Lock()
		defer k.mu.Unlock()
		return !k.running
	})
}

// TestOffloadOrder: all that happens to a connection is told in its order, off the
// loop, OnClose last and once, and the goroutine is gone when nothing is to be told.
func TestOffloadOrder(t *testing.T) {
	h := newCalls()
	h.each = func(what string, c *Conn) {
		if c.Loop().IsInLoopThread() {
			t.Error(what, "runs on the loop")
		}
	}
	c, peer := openPair(t, newLoop(t), newTestSide(0, Offload(h)))
	h.want(t, "open")
	const messages = 2000
	for i := range messages {
		peer.write(join(more(ws.OpText, fmt.Sprint(i)), last("!")))
	}
	for i := range messages {
		h.want(t, fmt.Sprint("message ", i, "!"))
	}
	idle(t, c)
	peer.write(join(text("a"), text("b"), closing1(4000, "bye"), text("too late")))
	for _, what := range []string{"message a", "message b", "close 4000 bye"} {
		h.want(t, what)
	}
	peer.wantClose(4000)
	idle(t, c)
	if n := len(h.log); n > 0 {
		t.Error(n, "calls after OnClose:", <-h.log)
	}
}

// TestOffloadBlocks: a handler that blocks holds up neither its loop nor the others'
// connections, and the connection may be written to, pinged and closed meanwhile.
func TestOffloadBlocks(t *testing.T) {
	h := newCalls()
	release := make(chan struct{})
	h.each = func(what string, c *Conn) {
		switch what {
		case "message block":
			<-release
		case "message other":
			c.Send(OpText, []byte("answer"))
		}
	}
	loop := newLoop(t)
	s := newTestSide(0, Offload(h))
	c, peer := openPair(t, loop, s)
	_, other := openPair(t, loop, s)
	h.want(t, "open")
	h.want(t, "open")
	peer.write(text("block"))
	h.want(t, "message block")
	other.write(text("other"))
	other.want(ws.OpText, "answer")
	peer.write(join(text("behind"), ping("p")))
	peer.want(ws.OpPong, "p")
	if err := c.Send(OpText, []byte("from elsewhere")); err != nil {
		t.Fatal(err)
	}
	peer.want(ws.OpText, "from elsewhere")
	peer.write(closing1(1000, "done"))
	peer.wantClose(1000)
	close(release)
	for _, what := range []string{"message other", "message behind", "close 1000 done"} {
		h.want(t, what)
	}
}

// TestOffloadBackpressure: who is behind by 256 KiB is not read; when it has caught up
// it gets all the rest.
func TestOffloadBackpressure(t *testing.T) {
	for _, size := range []int{10, 10_000, 300 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			h := newCalls()
			release := make(chan struct{})
			h.each = func(what string, _ *Conn) {
				if strings.HasPrefix(what, "message") {
					<-release
				}
			}
			c, peer := openPair(t, newLoop(t), newTestSide(0, Offload(h)))
			h.want(t, "open")
			messages := 4 << 20 / (size + 200)
			go func() {
				for i := range messages {
					if _, err := peer.Write(binary1(string(numbered(i, size)))); err != nil {
						return // the test says what was missing
					}
				}
			}()
			// The worker is at the first message, and behind.
			waitUntil(t, c, func() bool { return c.paused && c.held() })
			held := onLoop(t, c, func() int {
				k := c.rare.Load().worker
				k.mu.Lock()
				defer k.mu.Unlock()
				return k.behind + c.tcp.Input().Len()
			})
			// What was read at once, 64 KiB beside the buffer, comes on top.
			if most := workAhead + size + messageWeight + size + 256<<10; held > most {
				t.Errorf("%d bytes are held, at most %d should be", held, most)
			}
			close(release)
			for i := range messages {
				h.want(t, "message "+string(numbered(i, size)))
			}
			peer.write(ping("read again"))
			peer.want(ws.OpPong, "read again")
			idle(t, c)
			onLoop(t, c, func() int {
				if k := c.rare.Load().worker; k.behind != 0 || k.waited || k.calls.queue != nil {
					t.Errorf("an idle worker has %+v", k)
				}
				return 0
			})
		})
	}
}

// TestOffloadHeldAndJammed: the worker is behind and the peer does not read: when the
// worker has caught up the output is still in the way of more.
func TestOffloadHeldAndJammed(t *testing.T) {
	h := newCalls()
	release, answer := make(chan struct{}), make([]byte, 40<<10)
	h.each = func(what string, c *Conn) {
		if strings.HasPrefix(what, "message") {
			<-release
			c.Send(OpBinary, answer)
		}
	}
	c, peer := openPair(t, newLoop(t), newTestSide(0, Offload(h), WithSendLimit(60<<20, CloseSlow)))
	h.want(t, "open")
	const messages, size = 400, 5000
	go peer.Write(bytes.Repeat(binary1(strings.Repeat("x", size)), messages))
	waitUntil(t, c, func() bool { return c.paused && c.held() })
	close(release)
	most := 0
	for range messages {
		waitUntil(t, c, func() bool { most = max(most, c.tcp.OutputBytes()); return true })
		peer.want(ws.OpBinary, string(answer))
	}
	// What the worker has already is answered, and what comes behind that only when
	// its answers have left.
	if bound := (workAhead/size + 2) * len(answer) * 2; most > bound {
		t.Errorf("%d bytes of output were held", most)
	}
}

// pieces is calls for a FragmentHandler.
type pieces struct{ *calls }

func (h pieces) OnFragment(c *Conn, op Op, p []byte, last bool) {
	h.called(c, fmt.Sprintf("piece %d %s %v", op, p, last))
}

// TestOffloadFragments: so are the pieces of messages.
func TestOffloadFragments(t *testing.T) {
	h := pieces{newCalls()}
	h.each = func(what string, c *Conn) {
		if c.Loop().IsInLoopThread() {
			t.Error(what, "runs on the loop")
		}
	}
	off := Offload(h)
	if _, ok := off.(FragmentHandler); !ok {
		t.Fatal("is no FragmentHandler")
	}
	if _, ok := Offload(newCalls()).(FragmentHandler); ok {
		t.Fatal("is one without being asked")
	}
	_, peer := openPair(t, newLoop(t), newTestSide(0, off))
	h.want(t, "open")
	peer.write(more(ws.OpText, "a"))
	h.want(t, "piece 1 a false")
	peer.write(last("b"))
	h.want(t, "piece 1 b true")
	peer.write(closing1(1000, ""))
	h.want(t, "close 1000 ")
}

// TestOffloadPayload: payloads stay what they are until the method returns, though
// the loop goes on, and buffers are poisoned when they are given back.
func TestOffloadPayload(t *testing.T) {
	rec := newRecorder()
	step := make(chan struct{})
	got := make(chan uint32, 100)
	rec.onMessage = func(_ *Conn, _ Op, p []byte) {
		<-step
		if !bytes.Equal(p[4:], bytes.Repeat([]byte("x"), len(p)-4)) {
			t.Error("the payload has changed")
		}
		got <- binary.BigEndian.Uint32(p)
	}
	_, peer := openPair(t, newLoop(t), newTestSide(0, Offload(rec)))
	const messages = 60
	for i := range messages {
		p := string(numbered(i, 1000+i))
		peer.write(join(more(ws.OpBinary, p[:i]), ping(""), last(p[i:])))
		peer.want(ws.OpPong, "")
	}
	close(step)
	for i := range messages {
		if n := wait(t, "message", got); int(n) != i {
			t.Fatalf("%d, want %d", n, i)
		}
	}
}

func TestOffloadNothing(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Offload(nil) did not panic")
		}
	}()
	Offload(nil)
}
