package ws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
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

// TestWriterIsNotSlow: a Writer waits for its peer, and so the connection is not one
// whose peer is too slow, however small the limit is.
func TestWriterIsNotSlow(t *testing.T) {
	for _, limit := range []int{64 << 10, 1 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder(), WithSendLimit(limit, CloseSlow)))
			w, done := blockedWriter(t, context.Background(), c)
			if err := c.Send(OpText, []byte("behind")); err != nil {
				t.Fatal(err)
			}
			closed := make(chan error, 1)
			go func() {
				err := <-done
				closed <- errors.Join(err, w.Close())
			}()
			if _, p, _ := peer.message(nil); len(p) != 2<<20 {
				t.Fatal(len(p))
			}
			peer.want(ws.OpText, "behind")
			if err := <-closed; err != nil {
				t.Error(err)
			}
		})
	}
}

// blockedWriter is a Writer that waits for a peer that does not read.
func blockedWriter(t *testing.T, ctx context.Context, c *Conn) (*Writer, chan error) {
	t.Helper()
	narrow(t, c)
	w, err := c.NewWriter(ctx, OpBinary)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		n, err := w.Write(make([]byte, 2<<20))
		if err == nil && n != 2<<20 {
			err = fmt.Errorf("%d bytes were taken", n)
		}
		done <- err
	}()
	waitUntil(t, c, func() bool { return c.rare.Load().room != nil })
	return w, done
}

// TestWriterWakes has a Writer that waits go on, or give up, by all that may happen.
func TestWriterWakes(t *testing.T) {
	for name, test := range map[string]struct {
		event func(cancel context.CancelCauseFunc, c *Conn, peer *client)
		want  error
	}{
		"context": {func(cancel context.CancelCauseFunc, _ *Conn, _ *client) { cancel(errors.ErrUnsupported) }, errors.ErrUnsupported},
		"Close":   {func(_ context.CancelCauseFunc, c *Conn, _ *client) { c.Close(CodeGoingAway, "") }, ErrClosed},
		"Close on the loop": {func(_ context.CancelCauseFunc, c *Conn, _ *client) {
			c.Loop().QueueInLoop(func() { c.Close(CodeGoingAway, "") })
		}, ErrClosed},
		"peer gone":  {func(_ context.CancelCauseFunc, _ *Conn, peer *client) { peer.Close() }, ErrClosed},
		"peer reads": {func(_ context.CancelCauseFunc, _ *Conn, peer *client) { go peer.readAll() }, nil},
		"peer closes": {func(_ context.CancelCauseFunc, _ *Conn, peer *client) {
			peer.write(closing1(1000, ""))
		}, ErrClosed},
		"peer breaks the protocol": {func(_ context.CancelCauseFunc, _ *Conn, peer *client) {
			peer.write(text("\xff"))
		}, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder()
			c, peer := openPair(t, newLoop(t), newTestSide(0, rec))
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			w, done := blockedWriter(t, ctx, c)
			test.event(cancel, c, peer)
			if err := wait(t, "end of Write", done); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if err := w.Close(); !errors.Is(err, test.want) && test.want != errors.ErrUnsupported {
				t.Errorf("Close: %v, want %v", err, test.want)
			}
		})
	}
}

// readAll reads until the end, of anything.
func (c *client) readAll() {
	for {
		if _, err := c.wire(); err != nil {
			return
		}
	}
}

// TestWriterOnLoop: what would wait refuses to on the loop.
func TestWriterOnLoop(t *testing.T) {
	c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder()))
	err := onLoop(t, c, func() error { _, err := c.NewWriter(context.Background(), OpText); return err })
	if !errors.Is(err, reactor.ErrOnLoop) {
		t.Error("NewWriter:", err)
	}
	if _, err := c.NewWriter(context.Background(), ws.OpPing); !errors.Is(err, ErrBadOp) {
		t.Error("NewWriter of a ping:", err)
	}
	w := newWriter(t, c, OpText)
	if err := onLoop(t, c, func() error { _, err := w.Write([]byte("abc")); return errors.Join(err, w.Flush()) }); !errors.Is(err, reactor.ErrOnLoop) {
		t.Error("Flush:", err)
	}
	if err := onLoop(t, c, w.Close); err != nil {
		t.Error("Close, which does not wait:", err)
	}
	peer.want(ws.OpText, "abc")
}

// TestCloseInWriter closes the connection while a message is being written and others
// wait behind it: the fragment stays one, and nothing comes behind the close frame.
func TestCloseInWriter(t *testing.T) {
	for name, end := range map[string]func(*Conn, *client) error{
		"here":  func(c *Conn, _ *client) error { return c.Close(4000, "") },
		"there": func(_ *Conn, peer *client) error { _, err := peer.Write(closing1(4000, "")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder()
			c, peer := openPair(t, newLoop(t), newTestSide(0, rec))
			w := newWriter(t, c, OpText)
			if _, err := w.Write([]byte("half")); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := c.Send(OpText, []byte("waits")); err != nil {
				t.Fatal(err)
			}
			if err := end(c, peer); err != nil {
				t.Fatal(err)
			}
			if f, err := peer.wire(); err != nil || f.b0 != byte(OpText) || f.payload != "half" {
				t.Fatal(f, err)
			}
			peer.want(ws.OpClose, "\x0f\xa0")
			if err := w.Close(); !errors.Is(err, ErrClosed) {
				t.Error("Close of the Writer:", err)
			}
			waitUntil(t, c, func() bool { return c.rare.Load().backlog.len() == 0 })
			if _, err := c.NewWriter(context.Background(), OpText); !errors.Is(err, ErrClosed) {
				t.Error("NewWriter:", err)
			}
			if name == "here" {
				peer.write(closing1(4000, ""))
			}
			peer.wantEOF()
			wait(t, "OnClose", rec.closed)
		})
	}
}

// TestWritersTakeTurns has goroutines write and send at once; the peer, which is
// slow, gets each message whole.
func TestWritersTakeTurns(t *testing.T) {
	for side, m := range modes {
		t.Run(side, func(t *testing.T) {
			c, peer := openPair(t, newLoop(t), newTestSide(m, newRecorder()))
			narrow(t, c)
			const writers, each = 4, 20
			done := make(chan error, 2*writers)
			turn := make(chan struct{}, 1) // there is one Writer at a time
			for i := range writers {
				go func() {
					var err error
					for range each {
						turn <- struct{}{}
						p := []byte(strings.Repeat(string(rune('a'+i)), rand.IntN(100_000)))
						var w *Writer
						if w, err = c.NewWriter(context.Background(), OpText); err == nil {
							_, err = w.Write(p)
							err = errors.Join(err, w.Close())
						}
						<-turn
						if err != nil {
							break
						}
					}
					done <- err
				}()
				go func() {
					var err error
					for range each {
						err = errors.Join(err, c.Send(OpBinary, []byte(strings.Repeat(string(rune('a'+i)), 1000))))
					}
					done <- err
				}()
			}
			for range 2 * writers * each {
				_, p, _ := peer.message(nil)
				if p != "" && strings.Count(p, p[:1]) != len(p) {
					t.Fatal("messages are mixed")
				}
			}
			for range 2 * writers {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
