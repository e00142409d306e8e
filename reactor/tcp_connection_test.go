package reactor_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// Promise 1 is checked by the guard of every server in these tests; here are the
// ways in which a connection may end.

// ends are the two ends of a life, as events.
type ends struct {
	up   chan *reactor.TcpConnection
	down chan error
}

func newEnds() *ends {
	return &ends{make(chan *reactor.TcpConnection, 64), make(chan error, 64)}
}

// connection is a Connection callback that announces both.
func (e *ends) connection(c *reactor.TcpConnection) {
	if c.Connected() {
		e.up <- c
	} else {
		e.down <- c.Err()
	}
}

// A server that is bound to no address of its own has connections to many.
func TestLocalAddrBehindWildcard(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		life := newEnds()
		server := serve(t, "0.0.0.0:0", &reactor.Callbacks{Connection: life.connection, Message: echo})
		to := addressOf(t, net.JoinHostPort(host, strconv.Itoa(int(server.Addr().AddrPort().Port()))))
		client := dial(t, to)
		c := receive(t, life.up, "the connection")
		inLoop(t, c.Loop(), func() {
			if c.LocalAddr() != to {
				t.Errorf("local address: got %v, want %v", c.LocalAddr(), to)
			}
		})
		client.Close()
		receive(t, life.down, "the end")
	}
}

func TestConnectionEchoes(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		server := serve(t, where, &reactor.Callbacks{Connection: life.connection, Message: echo})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		write(t, client, "hello")
		expect(t, client, "hello")
		inLoop(t, c.Loop(), func() {
			if c.State() != reactor.Connected || !c.Connected() || c.PeerClosed() {
				t.Errorf("state %v, peer closed %v", c.State(), c.PeerClosed())
			}
			if c.LocalAddr() != server.Addr() {
				t.Errorf("local address: got %v, want %v", c.LocalAddr(), server.Addr())
			}
			if !c.PeerAddr().IsUnix() && c.PeerAddr().String() != client.LocalAddr().String() {
				t.Errorf("peer address: got %v, want %v", c.PeerAddr(), client.LocalAddr())
			}
		})
		closeWrite(t, client)
		expectEnd(t, client, nil)
		if err := receive(t, life.down, "the end"); err != nil {
			t.Errorf("an orderly end says %v", err)
		}
		if c.State() != reactor.Disconnected {
			t.Errorf("state at the end: %v", c.State())
		}
	})
}

func echo(c *reactor.TcpConnection, in *reactor.Buffer) {
	_ = c.Send(in.Peek())
	in.RetrieveAll()
}

func TestConnectionEndsOnce(t *testing.T) {
	cases := []struct {
		name   string
		server func(cb *reactor.Callbacks)
		client func(t *testing.T, conn net.Conn)
		want   error // nil: any
	}{
		{
			name: "ForceClose in the up callback",
			server: func(cb *reactor.Callbacks) {
				next := cb.Connection
				cb.Connection = func(c *reactor.TcpConnection) { next(c); c.ForceClose(); c.ForceClose() }
			},
		},
		{
			name: "Shutdown in the up callback",
			server: func(cb *reactor.Callbacks) {
				next := cb.Connection
				cb.Connection = func(c *reactor.TcpConnection) { next(c); c.Shutdown() }
			},
			client: func(t *testing.T, conn net.Conn) { expectEnd(t, conn, nil); conn.Close() },
		},
		{
			name: "Shutdown in Message",
			server: func(cb *reactor.Callbacks) {
				cb.Message = func(c *reactor.TcpConnection, in *reactor.Buffer) { _ = c.Send(in.Peek()); c.Shutdown() }
			},
			client: func(t *testing.T, conn net.Conn) {
				write(t, conn, "bye")
				expectEnd(t, conn, []byte("bye"))
				conn.Close()
			},
		},
		{
			name: "ForceClose in Message, bytes left",
			server: func(cb *reactor.Callbacks) {
				cb.Message = func(c *reactor.TcpConnection, in *reactor.Buffer) { in.Retrieve(1); c.ForceClose() }
			},
			client: func(t *testing.T, conn net.Conn) { write(t, conn, "bye"); expectClosed(t, conn) },
		},
		{
			name: "ForceClose in WriteComplete",
			server: func(cb *reactor.Callbacks) {
				cb.WriteComplete = func(c *reactor.TcpConnection) { c.ForceClose() }
				cb.Message = echo
			},
			client: func(t *testing.T, conn net.Conn) { write(t, conn, "bye"); expectClosed(t, conn) },
		},
		{
			name: "ForceClose in HalfClose",
			server: func(cb *reactor.Callbacks) {
				cb.HalfClose = func(c *reactor.TcpConnection) { c.ForceClose() }
			},
			client: func(t *testing.T, conn net.Conn) { closeWrite(t, conn); expectClosed(t, conn) },
		},
		{
			name:   "reset by the peer",
			client: func(t *testing.T, conn net.Conn) { reset(t, conn) },
			want:   unix.ECONNRESET,
		},
		{
			name: "reset by the peer while output waits",
			server: func(cb *reactor.Callbacks) {
				next := cb.Connection
				cb.Connection = func(c *reactor.TcpConnection) {
					if next(c); c.Connected() {
						_ = c.Send(make([]byte, 8<<20))
					}
				}
			},
			client: func(t *testing.T, conn net.Conn) { expect(t, conn, strings.Repeat("\x00", 1000)); reset(t, conn) },
			want:   unix.ECONNRESET,
		},
		{
			name:   "the peer closes",
			client: func(t *testing.T, conn net.Conn) { write(t, conn, "bye"); conn.Close() },
		},
		{
			name: "everything at once in the up callback",
			server: func(cb *reactor.Callbacks) {
				next := cb.Connection
				cb.Connection = func(c *reactor.TcpConnection) {
					next(c)
					_ = c.SendString("x")
					c.CloseWrite()
					c.Shutdown()
					c.StopRead()
					c.SetDeadline(c.Loop().Now() - time.Second)
					c.ForceClose()
					c.StartRead()
					c.Shutdown()
				}
			},
			client: expectClosedBy,
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			life := newEnds()
			cb := &reactor.Callbacks{Connection: life.connection}
			if tc.server != nil {
				tc.server(cb)
			}
			server := serve(t, onTCP4, cb)
			client := dial(t, server.Addr())
			c := receive(t, life.up, "the connection")
			if tc.client != nil {
				tc.client(t, client)
			}
			err := receive(t, life.down, "the end")
			if tc.want != nil {
				wantError(t, err, tc.want)
			}
			wantError(t, c.Send([]byte("late")), reactor.ErrClosed)
			if c.OutputBytes() != 0 || c.PendingOutput() {
				t.Errorf("%d bytes of output are left", c.OutputBytes())
			}
			eventually(t, "the server counts no connection", func() bool { return server.ConnectionCount() == 0 })
		})
	}
}

func expectClosedBy(t *testing.T, conn net.Conn) { expectClosed(t, conn) }

// TestConnectionManyClosers closes each connection from many goroutines at once,
// while others send.
func TestConnectionManyClosers(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection, Message: echo}, reactor.WithThreads(2))
	for range 20 {
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		closers := []func(){
			c.ForceClose, c.Shutdown, c.CloseWrite,
			func() { _ = c.SendString("x") },
			func() { _ = c.Send(make([]byte, 100_000)) },
			func() { _, _ = client.Write([]byte("y")) },
			func() { client.Close() },
		}
		rand.Shuffle(len(closers), func(i, j int) { closers[i], closers[j] = closers[j], closers[i] })
		var wg sync.WaitGroup
		for _, f := range closers[:len(closers)-1] {
			wg.Go(f)
		}
		wg.Go(func() { c.ForceClose() })
		wg.Wait()
		receive(t, life.down, "the end")
	}
	if len(life.up)+len(life.down) != 0 {
		t.Errorf("%d further connections, %d further ends", len(life.up), len(life.down))
	}
}

// TestConnectionCallbacksHoldNoLock has every callback wait for a goroutine that
// uses the connection and its server: under a lock that would never end.
func TestConnectionCallbacksHoldNoLock(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		var server *testServer
		var called sync.Map
		use := func(name string, c *reactor.TcpConnection) {
			called.Store(name, true)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = c.SendString("x")
				_ = c.OutputBytes()
				_ = c.State()
				_ = server.ConnectionCount()
			}()
			receive(t, done, "a call from outside "+name)
			_ = c.SendString("x")
			_ = c.OutputBytes()
		}
		life := newEnds()
		full, halfClosed := make(chan struct{}), make(chan struct{})
		server = prepare(t, where, &reactor.Callbacks{
			Connection: func(c *reactor.TcpConnection) {
				life.connection(c)
				if !c.Connected() {
					use("down", c)
					return
				}
				use("up", c)
				_ = c.Send(make([]byte, 16<<20))
			},
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				use("Message", c)
				in.RetrieveAll()
				c.SetDeadline(c.Loop().Now())
			},
			WriteComplete: func(c *reactor.TcpConnection) {
				if _, again := called.Load("WriteComplete"); !again {
					use("WriteComplete", c)
				}
			},
			HighWater: func(c *reactor.TcpConnection, _ int) { use("HighWater", c); close(full) },
			LowWater:  func(c *reactor.TcpConnection) { use("LowWater", c) },
			HalfClose: func(c *reactor.TcpConnection) { use("HalfClose", c); close(halfClosed) },
			Timeout:   func(c *reactor.TcpConnection) { use("Timeout", c) },
			Drain:     func(c *reactor.TcpConnection) { use("Drain", c); c.Shutdown() },
		}, reactor.WithWaterMarks(1<<10, 4<<10, 64<<20))
		must(t, server.Start())
		client := dial(t, server.Addr())
		receive(t, life.up, "the connection")
		receive(t, full, "HighWater")
		go func() { _, _ = io.Copy(io.Discard, client) }()
		write(t, client, "x")
		eventually(t, "the deadline has passed", func() bool { _, ok := called.Load("Timeout"); return ok })
		eventually(t, "the output is out", func() bool { _, ok := called.Load("LowWater"); return ok })
		closeWrite(t, client)
		receive(t, halfClosed, "the half-close")
		must(t, server.Shutdown(t.Context()))
		server.guard.finish()
		for _, name := range strings.Fields("up Message WriteComplete HighWater LowWater HalfClose Timeout Drain down") {
			if _, ok := called.Load(name); !ok {
				t.Errorf("%s was never called", name)
			}
		}
	})
}

func TestConnectionKeepsContext(t *testing.T) {
	type session struct{ requests int }
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() {
				c.SetContext(&session{})
			} else if s := c.Context().(*session); s.requests != 2 {
				t.Errorf("the context counts %d", s.requests)
			}
			life.connection(c)
		},
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			c.Context().(*session).requests++
			echo(c, in)
		},
	})
	client := dial(t, server.Addr())
	for range 2 {
		write(t, client, "x")
		expect(t, client, "x")
	}
	client.Close()
	receive(t, life.down, "the end")
}

// TestConnectionSwitchesProtocol changes callbacks inside Message: what that one
// leaves is the new one's at once, without a further byte from the peer.
func TestConnectionSwitchesProtocol(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		var upper *reactor.Callbacks
		server := prepare(t, where, &reactor.Callbacks{
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				end := in.FindCRLF(0)
				if end < 0 {
					return // what is here stays in front of the next bytes
				}
				_ = c.SendString("<" + string(in.Peek()[:end]) + ">")
				in.Retrieve(end + 2)
				c.SetCallbacks(upper)
			},
		})
		upper = server.guard.watch(&reactor.Callbacks{
			Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				_ = c.SendString(strings.ToUpper(string(in.Peek())))
				in.RetrieveAll()
			},
		})
		server.start(t)
		client := dial(t, server.Addr())
		write(t, client, "upg")
		turn(t, server.loop)
		write(t, client, "rade\r\nleft over")
		expect(t, client, "<upgrade>LEFT OVER")
		write(t, client, " and on")
		expect(t, client, " AND ON")
	})
}

// TestSetCallbacksOutsideMessage: what the old protocol put off reaches the new one,
// though no further byte comes.
func TestSetCallbacksOutsideMessage(t *testing.T) {
	up := make(chan *reactor.TcpConnection, 1)
	server := serve(t, onTCP4, &reactor.Callbacks{
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) { up <- c },
	})
	client := dial(t, server.Addr())
	write(t, client, "put off")
	c := receive(t, up, "the first bytes")
	inLoop(t, c.Loop(), func() { c.SetCallbacks(server.guard.watch(&reactor.Callbacks{Message: echo})) })
	expect(t, client, "put off")
}

// TestConnectionWithoutMessageDiscards: a server that only talks.
func TestConnectionWithoutMessageDiscards(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	for range 32 {
		_, err := client.Write(make([]byte, 64<<10))
		must(t, err)
	}
	closeWrite(t, client)
	expectEnd(t, client, nil)
	receive(t, life.down, "the end")
	if n := c.Input().Len(); n != 0 {
		t.Errorf("%d bytes are kept for nobody", n)
	}
}

// TestConnectionReadsAllBeforeTheEnd: what came before an error is delivered.
func TestConnectionReadsAllBeforeTheEnd(t *testing.T) {
	life := newEnds()
	got := make(chan []byte, 1)
	var all []byte
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if life.connection(c); !c.Connected() {
				got <- slices.Clone(all)
			}
		},
		Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
			all = append(all, in.Peek()...)
			in.RetrieveAll()
		},
	})
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	sent := noise(100_000, 1)
	inLoop(t, c.Loop(), func() { // bytes and FIN arrive in one event
		_, err := client.Write(sent)
		must(t, err)
		must(t, client.Close())
		eventually(t, "all has arrived", func() bool { return unread(c) == len(sent) })
	})
	if read := receive(t, got, "the end"); string(read) != string(sent) {
		t.Error(difference(read, sent))
	}
	if err := <-life.down; err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("the end says %v", err)
	}
}
