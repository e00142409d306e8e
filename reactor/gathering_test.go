package reactor_test

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// TestGatheredInOrder: what a Message callback sends, in every way there is and with
// another goroutine in between, leaves in that order.
func TestGatheredInOrder(t *testing.T) {
	large := strings.Repeat("L", 40<<10)
	small := func(c *reactor.TcpConnection) string { check(t, c.SendString("small ")); return "small " }
	ways := map[string]func(c *reactor.TcpConnection) string{
		"Send": small,
		"SendV": func(c *reactor.TcpConnection) string {
			check(t, c.SendV([]byte("one "), nil, []byte("two ")))
			return "one two "
		},
		"SendNow": func(c *reactor.TcpConnection) string { check(t, c.SendNow([]byte("now "))); return "now " },
		"large":   func(c *reactor.TcpConnection) string { check(t, c.SendString(large)); return large },
		"filled": func(c *reactor.TcpConnection) string { // just below what is written at once
			check(t, c.SendString(large[:16<<10-1]))
			return large[:16<<10-1]
		},
		"file": func(c *reactor.TcpConnection) string {
			check(t, c.SendFile(openTracked(t, []byte("a file ")), 0, 7))
			return "a file "
		},
		"goroutine": func(c *reactor.TcpConnection) string {
			var wg sync.WaitGroup
			wg.Go(func() { check(t, c.SendString("elsewhere ")) })
			wg.Wait()
			return "elsewhere "
		},
	}
	everywhere(t, func(t *testing.T, where string) {
		for first, one := range ways {
			for second, two := range ways {
				sent := make(chan string, 1)
				server := serve(t, where, &reactor.Callbacks{Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
					in.RetrieveAll()
					sent <- small(c) + one(c) + small(c) + two(c) + small(c)
					c.CloseWrite()
				}})
				conn := dial(t, server.Addr())
				write(t, conn, "go")
				want := receive(t, sent, "the callback")
				t.Log(first, "and", second)
				expectEnd(t, conn, []byte(want))
				check(t, conn.Close())
			}
		}
	})
}

// TestGatheredBehindABlockedSocket: the kernel takes a part of what was gathered, or
// nothing; the rest follows, and WriteComplete comes when all is out.
func TestGatheredBehindABlockedSocket(t *testing.T) {
	onPlain(t, func(t *testing.T, where string) {
		complete := make(chan int, 1000)
		answer := noise(16<<10, 7)
		const times = 100
		server := serve(t, where, &reactor.Callbacks{
			Connection: func(c *reactor.TcpConnection) {
				if c.Connected() {
					check(t, c.Socket().SetSendBuffer(1))
				}
			},
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				for ; in.Len() > 0; in.Retrieve(1) {
					check(t, c.Send(answer[:len(answer)/2]))
					check(t, c.Send(answer[len(answer)/2:]))
				}
			},
			WriteComplete: func(c *reactor.TcpConnection) { complete <- c.OutputBytes() },
		})
		conn := dialNarrow(t, server.Addr())
		for range times {
			write(t, conn, "x")
		}
		var want []byte
		for range times {
			want = append(want, answer...)
		}
		expect(t, conn, string(want))
		if n := receive(t, complete, "WriteComplete"); n != 0 {
			t.Errorf("WriteComplete with %d bytes left", n)
		}
	})
}

// TestGatheredAndClosed: ForceClose in a Message callback drops what it has sent, and
// what the next connection's callback sends is that alone; Shutdown lets it out.
func TestGatheredAndClosed(t *testing.T) {
	onPlain(t, func(t *testing.T, where string) {
		life := newEnds()
		server := serve(t, where, &reactor.Callbacks{
			Connection: life.connection,
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				how := string(in.Peek())
				in.RetrieveAll()
				check(t, c.SendString(how))
				switch how {
				case "force":
					c.ForceClose()
				case "shutdown":
					c.Shutdown()
				}
				wantError(t, c.SendString("late"), reactor.ErrClosed)
			},
		})
		for _, how := range []string{"force", "shutdown", "force"} {
			conn := dial(t, server.Addr())
			c := receive(t, life.up, "the connection")
			write(t, conn, how)
			if how == "force" {
				expectClosed(t, conn)
			} else {
				expectEnd(t, conn, []byte(how))
				check(t, conn.Close())
			}
			must(t, receive(t, life.down, "the end"))
			if n := c.OutputBytes(); n != 0 {
				t.Errorf("%s: %d bytes are left", how, n)
			}
		}
	})
}

// TestGatheredAboveTheHardCap: what is gathered counts.
func TestGatheredAboveTheHardCap(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			in.RetrieveAll()
			check(t, c.SendString("1234567"))
			wantError(t, c.SendString("1234"), reactor.ErrOutputFull)
		},
	}, reactor.WithWaterMarks(1, 5, 10))
	write(t, dial(t, server.Addr()), "go")
	wantError(t, receive(t, life.down, "the end"), reactor.ErrOutputFull)
}

// TestGatheredForAnother: a callback sends on other connections of its loop, whose
// own callbacks come in the same iteration.
func TestGatheredForAnother(t *testing.T) {
	var all []*reactor.TcpConnection // the loop's
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if life.connection(c); c.Connected() {
				all = append(all, c)
			}
		},
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			said := string(in.Peek())
			in.RetrieveAll()
			for _, other := range all {
				check(t, other.SendString(said))
				check(t, other.SendString(said))
			}
		},
	})
	a, b := dial(t, server.Addr()), dial(t, server.Addr())
	c := receive(t, life.up, "the first")
	receive(t, life.up, "the second")
	inLoop(t, c.Loop(), func() { // so that both are found in one iteration
		write(t, a, "1")
		write(t, b, "1")
	})
	expect(t, a, "1111")
	expect(t, b, "1111")
}

// TestGatheredBesideGoroutines: each sender's pieces arrive whole and in its order,
// while the loop gathers answers and goroutines send on the same connection.
func TestGatheredBesideGoroutines(t *testing.T) {
	const senders, each = 3, 2000
	onPlain(t, func(t *testing.T, where string) {
		life := newEnds()
		server := serve(t, where, &reactor.Callbacks{
			Connection: life.connection,
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				for ; in.Len() >= 4; in.Retrieve(4) {
					check(t, c.Send(in.Peek()[:4]))
				}
			},
		})
		conn := dialNarrow(t, server.Addr())
		c := receive(t, life.up, "the connection")
		piece := func(sender, i int) []byte { return []byte{byte(sender), byte(i >> 16), byte(i >> 8), byte(i)} }
		for sender := 1; sender <= senders; sender++ {
			go func() {
				for i := range each {
					check(t, c.Send(piece(sender, i)))
				}
			}()
		}
		go func() {
			for i := range each {
				if _, err := conn.Write(piece(0, i)); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		var next [senders + 1]int
		var got [4]byte
		for range (senders + 1) * each {
			_, err := io.ReadFull(conn, got[:])
			must(t, err)
			sender := int(got[0])
			if sender > senders || string(got[:]) != string(piece(sender, next[sender])) {
				t.Fatalf("got % x, the next are %v", got, next)
			}
			next[sender]++
		}
	})
}
