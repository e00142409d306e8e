package ws

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// newWriter begins a message.
func newWriter(t *testing.T, c *Conn, op Op) *Writer {
	t.Helper()
	w, err := c.NewWriter(context.Background(), op)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// modes are the two sides of a connection.
var modes = map[string]mode{"server": 0, "client": fromServer}

// TestWriterFragments writes messages of all lengths about that of a fragment, in
// pieces of different sizes, and looks at the frames: op and FIN in their place, none
// longer than 16 KiB, none empty but that of an empty message, masked by a client
// only, with another key each.
func TestWriterFragments(t *testing.T) {
	const full = fragmentSize
	for side, m := range modes {
		t.Run(side, func(t *testing.T) {
			c, peer := openPair(t, newLoop(t), newTestSide(m, newRecorder()))
			keys := map[uint32]bool{}
			frames := 0
			for _, n := range []int{0, 1, 125, 126, full - 1, full, full + 1, 3*full - 1, 3 * full, 200_000} {
				for _, piece := range []int{n + 1, 1000, full, full + 7} {
					want := numbered(n, max(n, 4))[:n]
					go writeInPieces(t, c, want, piece)
					got := ""
					for i := 0; ; i++ {
						f, err := peer.wire()
						if err != nil {
							t.Fatal(err)
						}
						got += f.payload
						last := len(got) == n
						wantB0 := byte(0)
						if i == 0 {
							wantB0 = byte(OpBinary)
						}
						if last {
							wantB0 |= finBit
						}
						if f.b0 != wantB0 || f.masked != (m == fromServer) || !last && len(f.payload) != full || len(f.payload) == 0 && n > 0 {
							t.Fatalf("%d bytes in pieces of %d, frame %d: first byte %#x, masked %v, %d bytes", n, piece, i, f.b0, f.masked, len(f.payload))
						}
						keys[f.key] = true
						frames++
						if last {
							break
						}
					}
					if got != string(want) {
						t.Fatalf("%d bytes in pieces of %d came as others", n, piece)
					}
				}
			}
			if m == fromServer && len(keys) < frames-1 { // two that are the same: once in 2^32 / frames^2 runs
				t.Errorf("%d keys for %d frames", len(keys), frames)
			}
		})
	}
}

func writeInPieces(t *testing.T, c *Conn, p []byte, piece int) {
	w, err := c.NewWriter(context.Background(), OpBinary)
	if err != nil {
		t.Error(err)
		return
	}
	for len(p) > 0 && err == nil {
		chunk := append([]byte(nil), p[:min(piece, len(p))]...)
		n := 0
		if n, err = w.Write(chunk); n != len(chunk) {
			t.Errorf("Write took %d of %d", n, len(chunk))
		}
		clear(chunk) // Write has copied it
		p = p[n:]
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Error(err)
	}
}

// TestWriterFlush sends what there is, and nothing when that is nothing.
func TestWriterFlush(t *testing.T) {
	c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder()))
	w := newWriter(t, c, OpText)
	for _, s := range []string{"", "a", "", "bc"} {
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Flush(), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []wireFrame{{b0: byte(OpText), payload: "a"}, {b0: 0, payload: "bc"}, {b0: finBit}} {
		if f, err := peer.wire(); err != nil || f != want {
			t.Fatalf("%+v, %v, want %+v", f, err, want)
		}
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Error("Write after Close:", err)
	}
	if err := w.Flush(); !errors.Is(err, ErrClosed) {
		t.Error("Flush after Close:", err)
	}
	if err := w.Close(); !errors.Is(err, ErrClosed) {
		t.Error("second Close:", err)
	}
	if err := c.Send(OpText, []byte("next")); err != nil {
		t.Fatal(err)
	}
	peer.want(ws.OpText, "next")
}

// TestWriterGoesFirst: other messages wait behind the one that is written, in their
// order; pongs pass.
func TestWriterGoesFirst(t *testing.T) {
	for _, policy := range []SlowPolicy{CloseSlow, DropNewest, DropOldest} {
		t.Run(policy.String(), func(t *testing.T) {
			c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder(), WithSendLimit(1<<20, policy)))
			if err := c.Send(OpText, []byte("before")); err != nil {
				t.Fatal(err)
			}
			w := newWriter(t, c, OpBinary)
			step := func(s string) {
				t.Helper()
				if _, err := w.Write([]byte(s)); err != nil {
					t.Fatal(err)
				}
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			step("one")
			for i := range 3 {
				if err := sendNumbered(c, i, 100); err != nil {
					t.Fatal(err)
				}
			}
			peer.want(ws.OpText, "before")
			peer.write(join(ping("p"), text("an echo, which waits as well")))
			if f, err := peer.wire(); err != nil || f.b0 != byte(OpBinary) {
				t.Fatal(f, err)
			}
			peer.want(ws.OpPong, "p")
			step("two")
			if f, err := peer.wire(); err != nil || f.b0 != 0 || f.payload != "two" {
				t.Fatal(f, err)
			}
			if _, err := c.NewWriter(context.Background(), OpText); !errors.Is(err, ErrWriting) {
				t.Error("second Writer:", err)
			}
			waitUntil(t, c, func() bool { return c.rare.Load().backlog.len() == 4 })
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if f, err := peer.wire(); err != nil || f.b0 != finBit || f.payload != "" {
				t.Fatal(f, err)
			}
			for i := range 3 {
				peer.wantNumbered(i, 100)
			}
			peer.want(ws.OpText, "an echo, which waits as well")
		})
	}
}

// waitUntil asks on the connection's loop, with its lock held, turn for turn, until
// the answer is yes.
func waitUntil(t testing.TB, c *Conn, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !onLoop(t, c, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return f()
	}); {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v", patience)
		}
	}
}

// TestWriterSendLimit: what waits behind a message is bounded too.
func TestWriterSendLimit(t *testing.T) {
	const limit = 10_000
	c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder(), WithSendLimit(limit, DropNewest)))
	w := newWriter(t, c, OpText)
	sent := 0
	for ; ; sent++ {
		if err := sendNumbered(c, sent, 100); errors.Is(err, ErrSlow) {
			break
		} else if err != nil || holds(c) > limit+100+messageWeight {
			t.Fatal(sent, err, holds(c))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	peer.want(ws.OpText, "")
	for i := range sent {
		peer.wantNumbered(i, 100)
	}
}
