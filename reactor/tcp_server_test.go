package reactor_test

import (
	"errors"
	"fmt"
	"net"

	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

func TestServerStart(t *testing.T) {
	t.Run("twice", func(t *testing.T) {
		server := serve(t, onTCP4, &reactor.Callbacks{Message: echo})
		must(t, server.Start())
		client := dial(t, server.Addr())
		write(t, client, "x")
		expect(t, client, "x")
	})
	t.Run("on the loop", func(t *testing.T) {
		server := prepare(t, onTCP4, &reactor.Callbacks{Message: echo})
		inLoop(t, server.loop, func() { wantError(t, server.Start(), reactor.ErrOnLoop) })
		server.start(t)
	})
	t.Run("on a loop that has quit", func(t *testing.T) {
		thread := reactor.NewEventLoopThread()
		loop, err := thread.StartLoop()
		must(t, err)
		server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{}, reactor.WithThreads(1))
		must(t, err)
		must(t, thread.Stop())
		wantError(t, server.Start(), reactor.ErrLoopClosed)
		must(t, server.Shutdown(t.Context()))
	})
	t.Run("with a pool that does not run", func(t *testing.T) {
		loop := runLoop(t)
		pool := reactor.NewEventLoopThreadPool(loop, 1)
		server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{}, reactor.WithPool(pool))
		must(t, err)
		if err := server.Start(); err == nil {
			t.Error("started all the same")
		}
		must(t, server.Shutdown(t.Context()))
	})
	t.Run("SO_REUSEPORT on a Unix socket", func(t *testing.T) {
		if _, err := reactor.NewTcpServer(runLoop(t), addressOf(t, onUnix), &reactor.Callbacks{}, reactor.WithReusePort()); err == nil {
			t.Error("accepted, though the kernel does not spread Unix connections")
		}
	})
}

// spread serves n clients and returns how many connections each loop has.
func spread(t *testing.T, n int, opts ...reactor.ServerOption) map[*reactor.EventLoop]int {
	t.Helper()
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection}, opts...)
	loops := make(map[*reactor.EventLoop]int)
	for range n {
		dial(t, server.Addr())
		c := receive(t, life.up, "a connection")
		loops[c.Loop()]++
	}
	if got := server.ConnectionCount(); got != n {
		t.Errorf("%d connections are counted, want %d", got, n)
	}
	if loops[server.loop] != 0 && len(opts) > 0 {
		t.Errorf("%d connections are on the base loop", loops[server.loop])
	}
	return loops
}

func TestServerSpreadsConnections(t *testing.T) {
	t.Run("on the base loop", func(t *testing.T) {
		if loops := spread(t, 4); len(loops) != 1 {
			t.Errorf("%d loops", len(loops))
		}
	})
	t.Run("in turn", func(t *testing.T) {
		for _, n := range spread(t, 12, reactor.WithThreads(3)) {
			if n != 4 {
				t.Errorf("a loop has %d connections, want 4", n)
			}
		}
	})
	t.Run("by the peer's address", func(t *testing.T) {
		if loops := spread(t, 12, reactor.WithThreads(3), reactor.WithPeerHash()); len(loops) != 1 {
			t.Errorf("one peer is on %d loops", len(loops))
		}
	})
	t.Run("by SO_REUSEPORT", func(t *testing.T) {
		// The kernel hashes; that all 64 go to one of three has a chance of 3^-63.
		if loops := spread(t, 64, reactor.WithThreads(3), reactor.WithReusePort()); len(loops) < 2 {
			t.Error("one loop accepts everything")
		}
	})
	t.Run("to the loop with the fewest", func(t *testing.T) {
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection}, reactor.WithThreads(2), reactor.WithLeastConnections())
		byLoop := make(map[*reactor.EventLoop][]*reactor.TcpConnection)
		connect := func() *reactor.EventLoop {
			dial(t, server.Addr())
			c := receive(t, life.up, "a connection")
			byLoop[c.Loop()] = append(byLoop[c.Loop()], c)
			return c.Loop()
		}
		for range 6 {
			connect()
		}
		if len(byLoop) != 2 {
			t.Fatalf("%d loops have connections", len(byLoop))
		}
		for loop, conns := range byLoop {
			if len(conns) != 3 {
				t.Errorf("%d of 6 connections are on one of 2 loops", len(conns))
			}
			for _, c := range conns[:2] {
				c.ForceClose()
				receive(t, life.down, "the end")
			}
			turn(t, loop)
			for range 2 {
				if connect() != loop {
					t.Error("the loop with fewer connections was passed over")
				}
			}
			break
		}
	})
}

// TestServersShareAPool: the connections of each server are its own.
func TestServersShareAPool(t *testing.T) {
	loop := runLoop(t)
	pool := reactor.NewEventLoopThreadPool(loop, 2)
	must(t, pool.Start())
	defer func() { must(t, pool.Stop()) }()
	life := newEnds()
	var servers [2]*reactor.TcpServer
	var clients [2]net.Conn
	for i := range servers {
		var err error
		servers[i], err = reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{Connection: life.connection, Message: echo}, reactor.WithPool(pool))
		must(t, err)
		must(t, servers[i].Start())
		clients[i] = dial(t, servers[i].Addr())
		receive(t, life.up, "a connection")
	}
	clients[0].Close()
	must(t, servers[0].Shutdown(t.Context()))
	write(t, clients[1], "x")
	expect(t, clients[1], "x")
	clients[1].Close()
	must(t, servers[1].Shutdown(t.Context()))
}

func TestServerBounds(t *testing.T) {
	cases := []struct {
		name string
		opt  reactor.ServerOption
	}{
		{"in all", reactor.WithMaxConnections(3)},
		{"from one IP", reactor.WithMaxPerIP(3)},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			life := newEnds()
			server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection}, tc.opt, reactor.WithThreads(2))
			var clients []net.Conn
			for range 3 {
				clients = append(clients, dial(t, server.Addr()))
				receive(t, life.up, "a connection")
			}
			for i := range uint64(3) {
				expectClosed(t, dial(t, server.Addr()))
				if n := server.Rejected(); n != i+1 {
					t.Errorf("%d were rejected, want %d", n, i+1)
				}
			}
			if n := server.ConnectionCount(); n != 3 || len(life.up) != 0 {
				t.Errorf("%d connections, %d announced beyond the bound", n, len(life.up))
			}
			clients[0].Close()
			receive(t, life.down, "the end of one")
			eventually(t, "there is room", func() bool { return server.ConnectionCount() == 2 })
			dial(t, server.Addr())
			receive(t, life.up, "one more")
		})
	}
	t.Run("another IP has its own bound", func(t *testing.T) {
		life := newEnds()
		server := serve(t, "0.0.0.0:0", &reactor.Callbacks{Connection: life.connection}, reactor.WithMaxPerIP(1))
		port := int(server.Addr().AddrPort().Port())
		for i := range 3 {
			local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i))}
			conn, err := net.DialTCP("tcp", local, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
			must(t, err)
			t.Cleanup(func() { conn.Close() })
			receive(t, life.up, "a connection")
		}
	})
	t.Run("Unix peers have no IP", func(t *testing.T) {
		life := newEnds()
		server := serve(t, onUnix, &reactor.Callbacks{Connection: life.connection}, reactor.WithMaxPerIP(1))
		for range 3 {
			dial(t, server.Addr())
			receive(t, life.up, "a connection")
		}
	})
}

// TestServerKeepAlive: the probes are set where the option says so.
func TestServerKeepAlive(t *testing.T) {
	for _, tc := range []struct {
		opt  reactor.ServerOption
		on   int
		idle int
	}{
		{reactor.WithKeepAlive(7 * time.Second), 1, 7},
		{reactor.WithKeepAlive(0), 0, 0},
	} {
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection}, tc.opt)
		dial(t, server.Addr())
		c := receive(t, life.up, "a connection")
		inLoop(t, c.Loop(), func() {
			on, err := unix.GetsockoptInt(c.Socket().FD(), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
			check(t, err)
			idle, err := unix.GetsockoptInt(c.Socket().FD(), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
			check(t, err)
			if on != tc.on || (on == 1 && idle != tc.idle) {
				t.Errorf("keepalive %d after %d s, want %d after %d s", on, idle, tc.on, tc.idle)
			}
		})
	}
}

// TestServerGivesBackFiles: after servers of each kind, with connections that ended
// in each way, as many fds are open as before.
func TestServerGivesBackFiles(t *testing.T) {
	round := func() {
		t.Run("round", func(t *testing.T) {
			everywhere(t, func(t *testing.T, where string) {
				life := newEnds()
				server := serve(t, where, &reactor.Callbacks{Connection: life.connection, Message: echo}, reactor.WithThreads(2))
				for i := range 9 {
					client := dial(t, server.Addr())
					c := receive(t, life.up, "a connection")
					must(t, c.SendFile(openTracked(t, []byte("file")), 0, 4))
					expect(t, client, "file")
					switch i % 3 {
					case 0:
						client.Close()
					case 1:
						c.ForceClose()
					case 2:
						c.Shutdown()
						client.Close()
					}
				}
			})
			prepared := prepare(t, onTCP4, &reactor.Callbacks{})
			must(t, prepared.Shutdown(t.Context()))
		})
	}
	round() // what the runtime opens once is open now
	before := openFiles(t)
	for range 3 {
		round()
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d fds are open, before %d", after, before)
	}
}

// TestServerManyConnections is a bounded stress: many clients echo pieces of random
// sizes through two loops, and end in random ways.
func TestServerManyConnections(t *testing.T) {
	const clients, rounds = 50, 4
	server := serve(t, onTCP4, &reactor.Callbacks{
		Message: echo,
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() && c.ID()%5 == 0 {
				c.SetIdleTimeout(time.Hour)
			}
		},
	}, reactor.WithThreads(2), reactor.WithWaterMarks(4<<10, 32<<10, 4<<20))
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for round := range rounds {
				if err := echoAndLeave(server.Addr().String(), uint64(i*rounds+round)); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "all connections are gone", func() bool { return server.ConnectionCount() == 0 })
}

func echoAndLeave(addr string, seed uint64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	data := noise(1+int(seed*7919)%150_000, seed)
	go func() { _, _ = conn.Write(data) }()
	leaveAt := len(data)
	if seed%3 == 0 {
		leaveAt /= 2 // in the middle of it
	}
	got := make([]byte, leaveAt)
	for n := 0; n < leaveAt; {
		k, err := conn.Read(got[n:])
		if err != nil {
			return fmt.Errorf("after %d bytes of %d: %w", n, leaveAt, err)
		}
		n += k
	}
	if string(got) != string(data[:leaveAt]) {
		return errors.New(difference(got, data[:leaveAt]))
	}
	if seed%2 == 0 {
		return conn.(*net.TCPConn).SetLinger(0)
	}
	return nil
}

// TestStartBeforeLoop: the goroutine that is going to be the base loop may start
// the server first.
func TestStartBeforeLoop(t *testing.T) {
	loop, err := reactor.NewEventLoop(reactor.WithLoopLogger(nil))
	must(t, err)
	server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{Message: echo})
	must(t, err)
	ended := make(chan error, 1)
	go func() {
		if err := server.Start(); err != nil {
			ended <- err
			return
		}
		ended <- loop.Loop()
	}()
	client := dial(t, server.Addr())
	write(t, client, "x")
	expect(t, client, "x")
	client.Close()
	must(t, server.Shutdown(t.Context()))
	loop.Quit()
	must(t, receive(t, ended, "the end of the loop"))
}
