package reactor_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// Promise 4 and the pausing of reading.

// writeUntilBlocked writes until nothing has been taken for a while, and returns
// how much was. More than limit must never be.
func writeUntilBlocked(t *testing.T, conn net.Conn, limit int) (written int) {
	t.Helper()
	piece := noise(64<<10, 9)
	for written <= limit {
		must(t, conn.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		n, err := conn.Write(piece)
		written += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			must(t, conn.SetWriteDeadline(time.Now().Add(patience)))
			return written
		}
		must(t, err)
	}
	t.Fatalf("%d bytes were taken of a client that reads nothing", written)
	return written
}

// TestWaterMarks runs an echo whose client writes and does not read: reading
// pauses once, the client blocks, memory stays bounded, far below what one turn of
// the loop could read; then the client reads, and everything comes back.
func TestWaterMarks(t *testing.T) {
	const low, high, hard = 16 << 10, 64 << 10, 256 << 10
	onPlain(t, func(t *testing.T, where string) {
		life := newEnds()
		var messages atomic.Int32
		marks := make(chan string, 100)
		server := serve(t, where, &reactor.Callbacks{
			Connection: life.connection,
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				messages.Add(1)
				check(t, c.Send(in.Peek()))
				in.RetrieveAll()
			},
			HighWater: func(c *reactor.TcpConnection, pending int) {
				if pending <= high || pending != c.OutputBytes() {
					t.Errorf("HighWater at %d bytes, OutputBytes %d", pending, c.OutputBytes())
				}
				marks <- "high"
			},
			LowWater: func(c *reactor.TcpConnection) {
				if n := c.OutputBytes(); n > low {
					t.Errorf("LowWater at %d bytes", n)
				}
				marks <- "low"
			},
		}, reactor.WithWaterMarks(low, high, hard))
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		written := writeUntilBlocked(t, client, 64<<20)
		if got := receive(t, marks, "HighWater"); got != "high" || len(marks) != 0 {
			t.Fatalf("%s, and %d more", got, len(marks))
		}
		if n := c.OutputBytes(); n <= high || n > hard {
			t.Errorf("%d bytes wait between the marks %d and %d", n, high, hard)
		}
		paused := messages.Load()
		turn(t, c.Loop())
		if n := messages.Load(); n != paused {
			t.Errorf("%d messages while reading is paused", n-paused)
		}
		_, err := io.CopyN(io.Discard, client, int64(written))
		must(t, err)
		if got := receive(t, marks, "LowWater"); got != "low" {
			t.Errorf("got %s, want low", got)
		}
		write(t, client, "still there?")
		expect(t, client, "still there?")
		closeWrite(t, client)
		expectEnd(t, client, nil)
		if err := receive(t, life.down, "the end"); err != nil {
			t.Error(err)
		}
	})
}

// TestWaterMarksTellOnce: HighWater comes once for one rise, however much follows.
func TestWaterMarksTellOnce(t *testing.T) {
	life := newEnds()
	marks := make(chan string, 100)
	server := serve(t, onUnix, &reactor.Callbacks{
		Connection: life.connection,
		HighWater:  func(*reactor.TcpConnection, int) { marks <- "high" },
		LowWater:   func(*reactor.TcpConnection) { marks <- "low" },
	}, reactor.WithWaterMarks(0, 1000, 64<<20))
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	for round := range 3 {
		const pieces, size = 20, 400_000
		for range pieces {
			must(t, c.Send(make([]byte, size)))
			turn(t, c.Loop())
		}
		_, err := io.CopyN(io.Discard, client, pieces*size)
		must(t, err)
		receive(t, marks, "HighWater")
		receive(t, marks, "LowWater")
		if len(marks) != 0 {
			t.Fatalf("round %d: %d more", round, len(marks))
		}
	}
}

// TestHighWaterWithoutPause: where it is so wished, a connection whose output is full
// goes on reading, and is told all the same.
func TestHighWaterWithoutPause(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		marks, got := make(chan string, 100), make(chan int, 100)
		server := serve(t, where, &reactor.Callbacks{
			Connection: func(c *reactor.TcpConnection) {
				if c.Connected() {
					c.SetHighWaterPause(false)
				}
				life.connection(c)
			},
			Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
				got <- in.Len()
				in.RetrieveAll()
			},
			HighWater: func(*reactor.TcpConnection, int) { marks <- "high" },
			LowWater:  func(*reactor.TcpConnection) { marks <- "low" },
		}, reactor.WithWaterMarks(1<<10, 4<<10, 64<<20))
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		const size = 16 << 20
		must(t, c.Send(make([]byte, size)))
		receive(t, marks, "HighWater")
		for range 3 {
			write(t, client, "x")
			if n := receive(t, got, "a message while output is full"); n != 1 {
				t.Errorf("%d bytes", n)
			}
		}
		inLoop(t, c.Loop(), func() { c.SetHighWaterPause(true) })
		write(t, client, "x")
		turn(t, c.Loop())
		if len(got) != 0 || len(marks) != 0 {
			t.Errorf("%d messages, %d marks while reading is paused again", len(got), len(marks))
		}
		_, err := io.CopyN(io.Discard, client, size)
		must(t, err)
		receive(t, got, "the message that waited")
		if mark := receive(t, marks, "LowWater"); mark != "low" {
			t.Errorf("got %s, want low", mark)
		}
	})
}

// TestHardCap: a producer that does not listen to HighWater loses the connection,
// not the server its memory.
func TestHardCap(t *testing.T) {
	const hard = 256 << 10
	for name, loop := range map[string]bool{"on the loop": true, "off the loop": false} {
		t.Run(name, func(t *testing.T) {
			life := newEnds()
			server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection}, reactor.WithWaterMarks(1<<10, 4<<10, hard))
			dial(t, server.Addr())
			c := receive(t, life.up, "the connection")
			var err error
			sent := 0
			produce := func() {
				for err == nil {
					err = c.Send(make([]byte, 1000))
					if n := c.OutputBytes(); n > hard {
						t.Errorf("%d bytes wait, more than the hard cap", n)
					}
					if sent++; sent > 1_000_000 {
						t.Error("a gigabyte was taken for a peer that reads nothing")
						return
					}
				}
			}
			if loop {
				inLoop(t, c.Loop(), produce)
			} else {
				produce()
			}
			wantError(t, err, reactor.ErrOutputFull)
			wantError(t, c.Send([]byte("x")), reactor.ErrClosed)
			wantError(t, receive(t, life.down, "the end"), reactor.ErrOutputFull)
			if n := c.OutputBytes(); n != 0 {
				t.Errorf("%d bytes are kept of a connection that is gone", n)
			}
		})
	}
	t.Run("one Send that is too large", func(t *testing.T) {
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection}, reactor.WithWaterMarks(1<<10, 4<<10, hard))
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		inLoop(t, c.Loop(), func() { wantError(t, c.Send(make([]byte, hard+1)), reactor.ErrOutputFull) })
		expectEnd(t, client, nil)
		wantError(t, receive(t, life.down, "the end"), reactor.ErrOutputFull)
	})
}

// TestStopRead: nothing is delivered while reading is paused, and nothing is lost
// when it resumes, though the readiness was announced meanwhile.
func TestStopRead(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		got := make(chan string, 100)
		server := serve(t, where, &reactor.Callbacks{
			Connection: life.connection,
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				c.StopRead()
				got <- string(in.Peek())
				in.RetrieveAll()
			},
		})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		for _, text := range []string{"one", "two", "three"} {
			write(t, client, text)
			if s := receive(t, got, text); s != text {
				t.Fatalf("got %q, want %q", s, text)
			}
			write(t, client, "more")
			inLoop(t, c.Loop(), func() {
				eventually(t, "more has arrived", func() bool { return unread(c) >= 4 })
			})
			turn(t, c.Loop())
			if len(got) != 0 {
				t.Fatal("a message while reading is paused")
			}
			inLoop(t, c.Loop(), c.StartRead)
			if s := receive(t, got, "more"); s != "more" {
				t.Fatalf("got %q, want more", s)
			}
			inLoop(t, c.Loop(), c.StartRead)
		}
	})
}

// TestStopReadKeepsTheEnd: bytes and FIN that came while reading was paused are
// all there when it resumes.
func TestStopReadKeepsTheEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		var got bytes.Buffer
		server := serve(t, where, &reactor.Callbacks{
			Connection: func(c *reactor.TcpConnection) {
				if c.Connected() {
					c.StopRead()
				}
				life.connection(c)
			},
			Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
				got.Write(in.Peek())
				in.RetrieveAll()
			},
		})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		want := noise(50_000, 10)
		_, err := client.Write(want)
		must(t, err)
		closeWrite(t, client)
		turn(t, c.Loop())
		if len(life.down) != 0 || !c.Connected() {
			t.Fatal("the end was read while reading was paused")
		}
		inLoop(t, c.Loop(), c.StartRead)
		receive(t, life.down, "the end")
		if !bytes.Equal(got.Bytes(), want) {
			t.Error(difference(got.Bytes(), want))
		}
	})
}

// TestStopReadBlocksPeer: what is not read slows the peer down.
func TestStopReadBlocksPeer(t *testing.T) {
	life := newEnds()
	var got atomic.Int64
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			if got.Add(int64(in.Len())) == int64(in.Len()) {
				c.StopRead()
			}
			in.RetrieveAll()
		},
	})
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	written := writeUntilBlocked(t, client, 64<<20)
	if n := got.Load(); n > 64<<10 {
		t.Errorf("%d bytes were read in one message before StopRead held", n)
	}
	inLoop(t, c.Loop(), c.StartRead)
	eventually(t, "all that was written is read", func() bool { return got.Load() == int64(written) })
}

// TestLowWaterThoughRefilled: a WriteComplete callback that fills the output again, to
// between the marks, does not keep reading paused: LowWater has come before it.
func TestLowWaterThoughRefilled(t *testing.T) {
	const low, high, refill = 4 << 10, 1 << 20, 12 << 10 // too little to be written at once
	life, marks, got := newEnds(), make(chan string, 100), make(chan int, 100)
	note := func(mark string) {
		select {
		case marks <- mark:
		default: // only the first ones count
		}
	}
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		WriteComplete: func(c *reactor.TcpConnection) {
			note("complete")
			if c.Connected() {
				_ = c.Send(make([]byte, refill))
			}
		},
		HighWater: func(*reactor.TcpConnection, int) { note("high") },
		LowWater:  func(*reactor.TcpConnection) { note("low") },
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			got <- in.Len()
			c.ForceClose()
		},
	}, reactor.WithWaterMarks(low, high, 64<<20))
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	must(t, c.Send(make([]byte, 16<<20)))
	if mark := receive(t, marks, "HighWater"); mark != "high" {
		t.Errorf("got %s, want high", mark)
	}
	write(t, client, "x")
	drained := make(chan struct{})
	go func() { defer close(drained); _, _ = io.Copy(io.Discard, client) }()
	if mark := receive(t, marks, "LowWater"); mark != "low" {
		t.Errorf("got %s, want low", mark)
	}
	if n := receive(t, got, "what waited"); n != 1 {
		t.Errorf("%d bytes", n)
	}
	receive(t, life.down, "the end")
	receive(t, drained, "the client's end")
}
