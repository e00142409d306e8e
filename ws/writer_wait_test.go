package ws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

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
