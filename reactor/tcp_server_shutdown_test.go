package reactor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

func TestShutdownBeforeStart(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		server := prepare(t, where, &reactor.Callbacks{})
		must(t, server.Shutdown(t.Context()))
		must(t, server.Shutdown(t.Context()))
		wantError(t, server.Start(), reactor.ErrServerClosed)
		if conn, err := net.Dial(network(server.Addr()), target(server.Addr())); err == nil {
			conn.Close()
			t.Error("the listener is still open")
		}
	})
}

func TestShutdownOnLoop(t *testing.T) {
	result := make(chan error, 1)
	var server *testServer
	server = prepare(t, onTCP4, &reactor.Callbacks{
		Message: func(*reactor.TcpConnection, *reactor.Buffer) { result <- server.Shutdown(context.Background()) },
	}, reactor.WithThreads(1))
	server.start(t)
	client := dial(t, server.Addr())
	write(t, client, "x")
	wantError(t, receive(t, result, "Shutdown returns"), reactor.ErrOnLoop)
	inLoop(t, server.loop, func() { wantError(t, server.Shutdown(t.Context()), reactor.ErrOnLoop) })
}

// TestServerShutdownDrains: output that waits is sent, and a Drain callback may
// finish what was begun; new connections are refused meanwhile.
func TestServerShutdownDrains(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		for _, withCallback := range []bool{true, false} {
			last := noise(4<<20, 14)
			life := newEnds()
			draining := make(chan *reactor.TcpConnection, 10)
			cb := &reactor.Callbacks{Connection: life.connection, Message: echo}
			if withCallback {
				cb.Drain = func(c *reactor.TcpConnection) { draining <- c }
			}
			server := prepare(t, where, cb, reactor.WithThreads(2))
			must(t, server.Start())
			client := dial(t, server.Addr())
			c := receive(t, life.up, "a connection")
			idle := dial(t, server.Addr())
			receive(t, life.up, "a connection")
			must(t, c.Send(last[:len(last)-4]))
			ended := make(chan error, 1)
			go func() { ended <- server.Shutdown(t.Context()) }()
			if withCallback {
				for range 2 {
					c := receive(t, draining, "Drain")
					go func() { _ = c.Send(last[len(last)-4:]); c.Shutdown() }()
				}
				expect(t, idle, string(last[len(last)-4:]))
				expectEnd(t, idle, nil)
				idle.Close()
				expectEnd(t, client, last)
			} else {
				expectEnd(t, idle, nil)
				idle.Close()
				expectEnd(t, client, last[:len(last)-4])
			}
			if conn, err := net.Dial(network(server.Addr()), target(server.Addr())); err == nil {
				conn.Close()
				t.Error("a server that shuts down accepts")
			}
			if len(ended) != 0 {
				t.Error("Shutdown has returned while a connection is left")
			}
			client.Close()
			must(t, receive(t, ended, "Shutdown returns"))
			server.guard.finish()
			if n := server.ConnectionCount(); n != 0 {
				t.Errorf("%d connections are left", n)
			}
		}
	})
}

// TestServerShutdownForces: when the context ends, so do the connections.
func TestServerShutdownForces(t *testing.T) {
	life := newEnds()
	drained := make(chan struct{}, 1)
	server := prepare(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Drain:      func(*reactor.TcpConnection) { drained <- struct{}{} }, // and nothing more
	}, reactor.WithThreads(1))
	must(t, server.Start())
	client := dial(t, server.Addr())
	receive(t, life.up, "a connection")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 { // a second call waits like the first
		go func() { ended <- server.Shutdown(ctx) }()
	}
	receive(t, drained, "Drain")
	cancel()
	// One forces the end, of which the other may hear before it looks at the context.
	err := errors.Join(receive(t, ended, "Shutdown returns"), receive(t, ended, "the other returns"))
	wantError(t, err, context.Canceled)
	wantError(t, receive(t, life.down, "the end"), context.Canceled)
	server.guard.finish()
	expectClosed(t, client)
}

// TestServerShutdownLeavesClosing: a connection that is at its end already is not
// asked to drain.
func TestServerShutdownLeavesClosing(t *testing.T) {
	life := newEnds()
	server := prepare(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Drain:      func(*reactor.TcpConnection) { t.Error("Drain of a connection that closes") },
	}, reactor.WithThreads(1))
	must(t, server.Start())
	clients := []net.Conn{dial(t, server.Addr()), dial(t, server.Addr())}
	first, second := receive(t, life.up, "a connection"), receive(t, life.up, "a connection")
	first.Shutdown()
	expectEnd(t, clients[0], nil)
	ended := make(chan error, 1)
	inLoop(t, first.Loop(), func() {
		go func() { ended <- server.Shutdown(t.Context()) }()
		eventually(t, "the drain is queued", func() bool { return server.Start() != nil })
		second.ForceClose() // its end is queued behind the drain
	})
	for _, client := range clients {
		client.Close()
	}
	must(t, receive(t, ended, "Shutdown returns"))
	server.guard.finish()
}

// TestServerShutdownWithoutConnections succeeds whatever the context says: there is
// nothing to wait for.
func TestServerShutdownWithoutConnections(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		server := prepare(t, onTCP4, &reactor.Callbacks{})
		must(t, server.Start())
		must(t, server.Shutdown(ended))
	}
}

// TestServerShutdownEndsThoughHeld: a callback that never returns holds its loop,
// the base loop or another, and Shutdown still ends.
func TestServerShutdownEndsThoughHeld(t *testing.T) {
	cases := map[string][]reactor.ServerOption{
		"the base loop":         nil,
		"another loop":          {reactor.WithThreads(2)},
		"one with SO_REUSEPORT": {reactor.WithThreads(1), reactor.WithReusePort()},
	}
	for name, opts := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits out its graces
			held, release := make(chan struct{}), make(chan struct{})
			server := prepare(t, onTCP4, &reactor.Callbacks{
				Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
					in.RetrieveAll()
					close(held)
					<-release
				},
			}, opts...)
			must(t, server.Start())
			client := dial(t, server.Addr())
			write(t, client, "x")
			receive(t, held, "the callback")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- server.Shutdown(ctx) }()
			select {
			case err := <-ended:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Shutdown says %v", err)
				}
			case <-time.After(patience):
				t.Error("Shutdown waits for a callback that never returns")
			}
			close(release)
			expectClosed(t, client)
			eventually(t, "the connection is gone", func() bool { return server.ConnectionCount() == 0 })
			if conn, err := net.Dial("tcp", server.Addr().String()); err == nil {
				conn.Close()
				t.Error("the listener is still open")
			}
		})
	}
}

// TestShutdownAfterQuit: the base loop may be in its last round when the server is
// shut down; its connections end with it.
func TestShutdownAfterQuit(t *testing.T) {
	for range 20 {
		loop, err := reactor.NewEventLoop(reactor.WithLoopLogger(nil))
		must(t, err)
		ended := make(chan error, 1)
		go func() { ended <- loop.Loop() }()
		down := make(chan error, 1)
		server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{
			Message: echo,
			Connection: func(c *reactor.TcpConnection) {
				if !c.Connected() {
					down <- c.Err()
				}
			},
		})
		must(t, err)
		must(t, server.Start())
		client := dial(t, server.Addr())
		write(t, client, "x")
		expect(t, client, "x")
		loop.Quit()
		must(t, server.Shutdown(t.Context()))
		must(t, receive(t, ended, "the end of the loop"))
		wantError(t, receive(t, down, "the end of the connection"), reactor.ErrLoopClosed)
	}
}

// TestShutdownsHaveContextsOfTheirOwn: while a callback holds a loop, a second call
// is bounded by its own context, not by that of the first.
func TestShutdownsHaveContextsOfTheirOwn(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	server := prepare(t, onTCP4, &reactor.Callbacks{
		Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
			in.RetrieveAll()
			close(held)
			<-release
		},
	})
	must(t, server.Start())
	client := dial(t, server.Addr())
	write(t, client, "x")
	receive(t, held, "the callback")
	patient, hurried := make(chan error, 1), make(chan error, 1)
	go func() { patient <- server.Shutdown(t.Context()) }()
	eventually(t, "the first has begun", func() bool { return server.Start() != nil })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	go func() { hurried <- server.Shutdown(ended) }()
	select {
	case err := <-hurried:
		wantError(t, err, context.Canceled)
	case <-time.After(patience):
		t.Error("the second waits for the first")
	}
	if len(patient) != 0 {
		t.Error("the first has returned while a callback holds its connection")
	}
	close(release)
	must(t, receive(t, patient, "the first returns"))
	expectClosed(t, client)
	server.guard.finish()
}

// TestShutdownBeforeLoop: a server whose base loop has not begun has nothing to wait
// for, though it was started; the loop, should it run after all, does not accept.
func TestShutdownBeforeLoop(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		var log bytes.Buffer
		loop, err := reactor.NewEventLoop(reactor.WithLoopLogger(slog.New(slog.NewTextHandler(&log, nil))))
		must(t, err)
		server, err := reactor.NewTcpServer(loop, addressOf(t, where), &reactor.Callbacks{})
		must(t, err)
		must(t, server.Start())
		ended := make(chan error, 1)
		go func() { ended <- server.Shutdown(context.Background()) }()
		must(t, receive(t, ended, "Shutdown returns"))
		if conn, err := net.Dial(network(server.Addr()), target(server.Addr())); err == nil {
			conn.Close()
			t.Error("the listener is still open")
		}
		loop.Quit()
		must(t, loop.Loop())
		if log.Len() != 0 {
			t.Errorf("the loop reports: %s", log.String())
		}
	})
}

// TestShutdownRacesWithTheLoop: whether the base loop has not begun, runs, or has
// ended when Start and Shutdown come, both return, and the listener is closed.
func TestShutdownRacesWithTheLoop(t *testing.T) {
	for i := range 100 {
		loop, err := reactor.NewEventLoop(reactor.WithLoopLogger(nil))
		must(t, err)
		server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{Message: echo})
		must(t, err)
		looped, quit, down := make(chan error, 1), make(chan struct{}), make(chan error, 1)
		go func() { looped <- loop.Loop() }()
		go func() { defer close(quit); loop.Quit() }()
		started := server.Start()
		if started != nil {
			wantError(t, started, reactor.ErrLoopClosed)
		}
		if i%2 == 0 {
			receive(t, quit, "Quit")
		}
		go func() { down <- server.Shutdown(context.Background()) }()
		must(t, receive(t, down, "Shutdown returns"))
		must(t, receive(t, looped, "Loop returns"))
		if conn, err := net.Dial("tcp", server.Addr().String()); err == nil {
			conn.Close()
			t.Fatalf("the listener is still open; Start said %v", started)
		}
	}
}
