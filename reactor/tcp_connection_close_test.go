package reactor_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// Promise 5 and the orderly end.

// TestHalfCloseIsAnswered: a client that sends its request and its FIN still gets
// the whole answer, without a callback of the server's for it.
func TestHalfCloseIsAnswered(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		answer := noise(3<<20, 11)
		life := newEnds()
		server := serve(t, where, &reactor.Callbacks{
			Connection: life.connection,
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				if string(in.Peek()) == "request" {
					in.RetrieveAll()
					check(t, c.Send(answer))
				}
			},
		})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		inLoop(t, c.Loop(), func() { // both arrive in one event
			write(t, client, "request")
			closeWrite(t, client)
		})
		expectEnd(t, client, answer)
		if err := receive(t, life.down, "the end"); err != nil {
			t.Error(err)
		}
	})
}

// TestHalfCloseCallback: a server that asks to be told may answer later, from any
// goroutine, and ends the connection when it likes.
func TestHalfCloseCallback(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		halfClosed := make(chan *reactor.TcpConnection, 10)
		server := serve(t, where, &reactor.Callbacks{
			Connection: life.connection,
			HalfClose: func(c *reactor.TcpConnection) {
				if !c.PeerClosed() || !c.Connected() {
					t.Errorf("peer closed %v, state %v", c.PeerClosed(), c.State())
				}
				c.StopRead()
				c.StartRead() // there is nothing to read any more
				halfClosed <- c
			},
		})
		client := dial(t, server.Addr())
		closeWrite(t, client)
		c := receive(t, halfClosed, "the half-close")
		for range 3 {
			turn(t, c.Loop())
			must(t, c.SendString("late "))
			expect(t, client, "late ")
		}
		if len(halfClosed) != 0 || len(life.down) != 0 {
			t.Errorf("%d more half-closes, %d ends", len(halfClosed), len(life.down))
		}
		must(t, c.SendString("answer"))
		c.CloseWrite()
		expectEnd(t, client, []byte("answer"))
		if err := receive(t, life.down, "the end"); err != nil {
			t.Error(err)
		}
	})
}

// TestCloseWriteKeepsReceiving: after CloseWrite the peer sees the end, and what it
// sends is still delivered.
func TestCloseWriteKeepsReceiving(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		got := make(chan string, 10)
		server := serve(t, where, &reactor.Callbacks{
			Connection: func(c *reactor.TcpConnection) {
				if c.Connected() {
					check(t, c.SendString("question"))
					c.CloseWrite()
					c.CloseWrite()
					wantError(t, c.SendString("no more"), reactor.ErrClosed)
				}
				life.connection(c)
			},
			Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
				got <- string(in.Peek())
				in.RetrieveAll()
			},
		})
		client := dial(t, server.Addr())
		expectEnd(t, client, []byte("question"))
		for _, s := range []string{"an", "swer"} {
			write(t, client, s)
			if m := receive(t, got, "the answer"); m != s {
				t.Errorf("got %q, want %q", m, s)
			}
		}
		must(t, client.Close())
		if err := receive(t, life.down, "the end"); err != nil {
			t.Error(err)
		}
	})
}

// TestShutdownBytesSurvivePeerThatSends: the last bytes reach a peer that goes on
// sending, since what it sends is read, and does not provoke a reset.
func TestShutdownBytesSurvivePeerThatSends(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		last := noise(2<<20, 12)
		life := newEnds()
		var messages atomic.Int32
		server := serve(t, where, &reactor.Callbacks{
			Connection: life.connection,
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				messages.Add(1)
				check(t, c.Send(last))
				c.Shutdown()
				wantError(t, c.SendString("late"), reactor.ErrClosed)
			},
		})
		client := dial(t, server.Addr())
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			piece := make([]byte, 4096)
			for {
				select {
				case <-stop:
					stopped <- nil
					return
				default:
				}
				if _, err := client.Write(piece); err != nil {
					stopped <- err
					return
				}
			}
		}()
		expectEnd(t, client, last)
		// The stream has ended, and the server still takes what comes.
		close(stop)
		if err := receive(t, stopped, "the writer stops"); err != nil {
			t.Errorf("writing to a server that shuts down: %v", err)
		}
		for range 100 {
			write(t, client, "more")
		}
		if len(life.down) != 0 {
			t.Error("closed before the peer's FIN")
		}
		must(t, client.Close())
		if err := receive(t, life.down, "the end"); err != nil {
			t.Error(err)
		}
		if n := messages.Load(); n != 1 {
			t.Errorf("%d messages, want none after Shutdown", n-1)
		}
	})
}

// TestShutdownDropsLeftovers: what Message left is not delivered after Shutdown,
// neither at the next bytes nor at a change of protocol.
func TestShutdownDropsLeftovers(t *testing.T) {
	life := newEnds()
	var messages []string
	var server *testServer
	server = prepare(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			messages = append(messages, string(in.Peek()))
			c.SetCallbacks(server.guard.watch(&reactor.Callbacks{
				Connection: life.connection,
				Message:    func(*reactor.TcpConnection, *reactor.Buffer) { t.Error("Message after Shutdown") },
			}))
			c.Shutdown()
		},
	})
	server.start(t)
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	write(t, client, "left")
	expectEnd(t, client, nil)
	write(t, client, "more")
	client.Close()
	receive(t, life.down, "the end")
	if !slices.Equal(messages, []string{"left"}) || c.Input().Len() != 0 {
		t.Errorf("messages %q, %d bytes kept", messages, c.Input().Len())
	}
}

// TestLinger: a peer that does not do its part of the end is given up.
func TestLinger(t *testing.T) {
	const linger = 50 * time.Millisecond
	cases := []struct {
		name   string
		output int
		peer   func(t *testing.T, c io.ReadWriter)
	}{
		{"a peer that reads nothing", 16 << 20, func(*testing.T, io.ReadWriter) {}},
		{"a peer that never closes", 1000, func(t *testing.T, c io.ReadWriter) {
			if n, err := io.Copy(io.Discard, c); n != 1000 || err != nil {
				t.Errorf("read %d bytes, %v", n, err)
			}
		}},
		{"a peer that never closes and goes on sending", 0, func(_ *testing.T, c io.ReadWriter) {
			for {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, where string) {
				life := newEnds()
				server := serve(t, where, &reactor.Callbacks{Connection: life.connection}, reactor.WithLinger(linger))
				began := time.Now() // the loop's clock, which counts, may be from when the connection came
				client := dial(t, server.Addr())
				c := receive(t, life.up, "the connection")
				must(t, c.Send(make([]byte, tc.output)))
				c.Shutdown()
				tc.peer(t, client)
				wantError(t, receive(t, life.down, "the end"), reactor.ErrLinger)
				if took := time.Since(began); took < linger {
					t.Errorf("closed after %v, before the linger time %v", took, linger)
				}
			})
		})
	}
}

// TestLingerSparesTheSlow: a peer that goes on taking output is not given up,
// though the whole takes many times the linger time.
func TestLingerSparesTheSlow(t *testing.T) {
	const linger, reads = 500 * time.Millisecond, 60
	life := newEnds()
	server := serve(t, onUnix, &reactor.Callbacks{Connection: life.connection}, reactor.WithLinger(linger))
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	inLoop(t, c.Loop(), func() { check(t, c.Socket().SetSendBuffer(1)) })
	want := noise(reads*1000, 13)
	must(t, c.Send(want))
	c.Shutdown()
	ticker := time.NewTicker(linger / 20)
	defer ticker.Stop()
	var got []byte
	piece := make([]byte, 1000)
	for len(got) < len(want) {
		<-ticker.C // a slow peer is what this is about
		n, err := client.Read(piece)
		must(t, err)
		got = append(got, piece[:n]...)
	}
	if string(got) != string(want) {
		t.Error(difference(got, want))
	}
	expectEnd(t, client, nil)
	client.Close()
	if err := receive(t, life.down, "the end"); err != nil {
		t.Error(err)
	}
}

// TestResetWhilePaused: an error is noticed though nobody reads or writes.
func TestResetWhilePaused(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: func(c *reactor.TcpConnection) {
		if c.Connected() {
			c.StopRead()
		}
		life.connection(c)
	}})
	client := dial(t, server.Addr())
	receive(t, life.up, "the connection")
	reset(t, client)
	if err := receive(t, life.down, "the end"); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the end says %v", err)
	}
}

func TestNameAndState(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection}, reactor.WithName("bell"))
	dial(t, server.Addr())
	dial(t, server.Addr())
	one, two := receive(t, life.up, "a connection"), receive(t, life.up, "a connection")
	if !strings.HasPrefix(one.Name(), "bell#") || one.Name() == two.Name() || one.ID() == two.ID() {
		t.Errorf("names %q and %q", one.Name(), two.Name())
	}
}
