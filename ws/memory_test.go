package ws

import (
	"bytes"
	"io"
	"testing"
	"unsafe"
)

// TestEchoAllocates echoes 125 bytes over a socket: nothing may be allocated, on
// either side. AllocsPerRun counts those of the whole process.
func TestEchoAllocates(t *testing.T) {
	if underRace() {
		t.Skip("under the race detector sync.Pool forgets at random")
	}
	c := dial(t, start(t, echo{}))
	sent := binary1(string(bytes.Repeat([]byte("x"), 125)))
	got := make([]byte, 127)
	trip := func() {
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.r, got); err != nil {
			t.Fatal(err)
		}
	}
	// The pool of buffers learns from some 42,000 uses what size is common, and
	// the tests before this one have taught it others.
	for range 50_000 {
		trip()
	}
	if allocs := testing.AllocsPerRun(2000, trip); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestSendAllocates sends from another goroutine: nothing may be allocated, for a
// message that leaves at once, by a server or by a client. The frames are of the size
// class that the test above taught the reactor's pool.
func TestSendAllocates(t *testing.T) {
	if underRace() {
		t.Skip("under the race detector sync.Pool forgets at random")
	}
	p := bytes.Repeat([]byte("x"), 119)
	prepared := Prepare(OpBinary, p)
	for side, m := range modes {
		for name, send := range map[string]func(*Conn) error{
			"Send":         func(c *Conn) error { return c.Send(OpBinary, p) },
			"SendPrepared": func(c *Conn) error { return c.SendPrepared(prepared) },
		} {
			t.Run(side+" "+name, func(t *testing.T) {
				c, peer := openPair(t, newLoop(t), newTestSide(m, newRecorder(), WithKeepalive(0, 0)))
				got := make([]byte, 2+len(p))
				if m == fromServer {
					got = make([]byte, 6+len(p))
				}
				trip := func() {
					if err := send(c); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(peer.r, got); err != nil {
						t.Fatal(err)
					}
				}
				for range 50_000 { // as above, without the way through the kernel
					bb := maskedFrames.Get()
					bb.B = append(bb.B[:0], got...)
					maskedFrames.Put(bb)
				}
				for range 5000 {
					trip()
				}
				if allocs := testing.AllocsPerRun(2000, trip); allocs > 0 {
					t.Errorf("%v allocations", allocs)
				}
				if c.rare.Load() != nil {
					t.Error("an ordinary connection has what only few need")
				}
			})
		}
	}
}

// echo is the smallest handler.
type echo struct{ NopHandler }

func (echo) OnMessage(c *Conn, op Op, p []byte) { c.Send(op, p) }

// TestConnSize keeps an idle connection small: the reactor's part of the 700
// bytes that it may cost in all is some 300.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 128 {
		t.Errorf("Conn has %d bytes", size)
	}
}

// TestIdleHoldsNothing: after messages of every kind the connection has no
// buffer and no message in flight.
func TestIdleHoldsNothing(t *testing.T) {
	rec := newRecorder()
	c := dial(t, start(t, rec))
	server := wait(t, "OnOpen", rec.opened)
	big := bytes.Repeat([]byte("x"), 300<<10)
	go c.Write(join(text("a"), more(OpText, "b"), ping(""), last("c"), text(string(big))))
	for range 4 {
		if _, _, err := c.frame(); err != nil {
			t.Fatal(err)
		}
	}
	if n := onLoop(t, server, func() int {
		if server.dec.msg != nil || server.tcp.Input().Peek() != nil || server.tcp.PendingOutput() {
			return 1
		}
		return 0
	}); n != 0 {
		t.Error("an idle connection holds memory")
	}
}
