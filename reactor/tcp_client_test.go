package reactor_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// failure is one call of WithConnectFailed's callback.
type failure struct {
	err     error
	retryIn time.Duration
}

// connectTo makes a client that is stopped with the test.
func connectTo(tb testing.TB, loop *reactor.EventLoop, addr reactor.InetAddress, cb *reactor.Callbacks, opts ...reactor.ClientOption) *reactor.TcpClient {
	tb.Helper()
	if _, ok := secured.Load(addr.String()); ok {
		opts = append(opts, reactor.WithClientTLS(&reactor.TLS{Config: clientConfig()}))
	}
	client := reactor.NewTcpClient(loop, addr, cb, opts...)
	must(tb, client.Connect())
	tb.Cleanup(func() { check(tb, client.Stop()); turn(tb, loop) })
	return client
}

func TestClientEchoes(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		server := serve(t, where, &reactor.Callbacks{Message: echo})
		life := newEnds()
		got := make(chan string, 10)
		client := connectTo(t, runLoop(t), server.Addr(), &reactor.Callbacks{
			Connection: life.connection,
			Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) {
				got <- string(in.Peek())
				in.RetrieveAll()
			},
		}, reactor.WithClientName("bee"))
		c := receive(t, life.up, "the connection")
		if client.Connection() != c || c.PeerAddr() != server.Addr() || c.Name() != "bee#1" {
			t.Errorf("connection %v of %v, peer %v, name %q", client.Connection(), c, c.PeerAddr(), c.Name())
		}
		must(t, client.Connect()) // there is one
		must(t, c.SendString("hello"))
		if s := receive(t, got, "the echo"); s != "hello" {
			t.Errorf("got %q", s)
		}
		must(t, client.Disconnect())
		if err := receive(t, life.down, "the end"); err != nil {
			t.Error(err)
		}
		eventually(t, "the client has no connection", func() bool { return client.Connection() == nil })
		if len(life.up) != 0 {
			t.Error("connected twice")
		}
	})
}

// TestClientRetries: refused attempts are repeated after growing delays, and the
// server that comes at last is found.
func TestClientRetries(t *testing.T) {
	const least, most = 8 * time.Millisecond, 64 * time.Millisecond
	everywhere(t, func(t *testing.T, where string) {
		addr := freeAddress(t, where)
		failures := make(chan failure, 100)
		life := newEnds()
		connectTo(t, runLoop(t), addr, &reactor.Callbacks{Connection: life.connection},
			reactor.WithRetryDelay(least, most),
			reactor.WithConnectFailed(func(err error, in time.Duration) { failures <- failure{err, in} }))
		top := least
		for i := range 6 {
			got := receive(t, failures, "a failure")
			if !errors.Is(got.err, unix.ECONNREFUSED) && !errors.Is(got.err, os.ErrNotExist) {
				t.Errorf("attempt %d: %v", i, got.err)
			}
			if got.retryIn < top/2 || got.retryIn > top {
				t.Errorf("attempt %d: again in %v, want %v to %v", i, got.retryIn, top/2, top)
			}
			top = min(2*top, most)
		}
		listener, err := net.Listen(network(addr), target(addr))
		must(t, err)
		defer listener.Close()
		receive(t, life.up, "the connection")
	})
}

func TestClientWithoutRetry(t *testing.T) {
	failures := make(chan failure, 10)
	addr := freeAddress(t, onTCP4)
	loop := runLoop(t)
	client := connectTo(t, loop, addr, &reactor.Callbacks{}, reactor.WithoutRetry(), reactor.WithRetryDelay(1, 1),
		reactor.WithConnectFailed(func(err error, in time.Duration) { failures <- failure{err, in} }))
	for range 2 {
		got := receive(t, failures, "the failure")
		if !errors.Is(got.err, unix.ECONNREFUSED) || got.retryIn != 0 {
			t.Errorf("%v, again in %v", got.err, got.retryIn)
		}
		turn(t, loop)
		if len(failures) != 0 {
			t.Error("tried again")
		}
		must(t, client.Connect())
	}
}

func TestClientConnectTimeout(t *testing.T) {
	failures := make(chan failure, 10)
	began := time.Now()
	connectTo(t, runLoop(t), blackhole(t), &reactor.Callbacks{}, reactor.WithConnectTimeout(20*time.Millisecond), reactor.WithoutRetry(),
		reactor.WithConnectFailed(func(err error, in time.Duration) { failures <- failure{err, in} }))
	wantError(t, receive(t, failures, "the timeout").err, unix.ETIMEDOUT)
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("given up after %v", took)
	}
}

// TestClientReconnects after a loss, and not after Disconnect.
func TestClientReconnects(t *testing.T) {
	serverLife, life := newEnds(), newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: serverLife.connection, Message: echo})
	loop := runLoop(t)
	client := connectTo(t, loop, server.Addr(), &reactor.Callbacks{Connection: life.connection},
		reactor.WithReconnect(), reactor.WithRetryDelay(time.Millisecond, 4*time.Millisecond))
	var last *reactor.TcpConnection
	for range 5 {
		c := receive(t, life.up, "a connection")
		if c == last || c.ID() == 0 {
			t.Error("the same connection again")
		}
		last = c
		receive(t, serverLife.up, "the server's side").ForceClose()
		receive(t, life.down, "the loss")
	}
	receive(t, life.up, "the last connection")
	must(t, client.Disconnect())
	receive(t, life.down, "its end")
	later := make(chan struct{})
	loop.RunAfter(50*time.Millisecond, func() { close(later) })
	receive(t, later, "a timer behind the retry")
	if len(life.up) != 0 || client.Connection() != nil {
		t.Error("connected again after Disconnect")
	}
	must(t, client.Connect())
	receive(t, life.up, "a connection after Connect")
}

func TestClientDoesNotReconnectUnasked(t *testing.T) {
	serverLife, life := newEnds(), newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: serverLife.connection})
	loop := runLoop(t)
	connectTo(t, loop, server.Addr(), &reactor.Callbacks{Connection: life.connection}, reactor.WithRetryDelay(1, 1))
	receive(t, life.up, "the connection")
	receive(t, serverLife.up, "the server's side").ForceClose()
	receive(t, life.down, "the loss")
	turn(t, loop)
	if len(life.up)+len(serverLife.up) != 0 {
		t.Error("connected again")
	}
}

// TestClientConnectWhileDisconnecting: the wish is kept until the old connection is
// gone.
func TestClientConnectWhileDisconnecting(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		server := serve(t, where, &reactor.Callbacks{Message: echo})
		life := newEnds()
		loop := runLoop(t)
		client := connectTo(t, loop, server.Addr(), &reactor.Callbacks{Connection: life.connection})
		for range 3 {
			receive(t, life.up, "a connection")
			inLoop(t, loop, func() {
				check(t, client.Disconnect())
				check(t, client.Connect())
			})
			receive(t, life.down, "the end of the old")
		}
		receive(t, life.up, "the last connection")
	})
}

// TestClientStop: Stop does not wait for a peer that reads nothing.
func TestClientStop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	addr, err := reactor.ParseInetAddress(listener.Addr().String())
	must(t, err)
	life := newEnds()
	client := connectTo(t, runLoop(t), addr, &reactor.Callbacks{Connection: life.connection})
	c := receive(t, life.up, "the connection")
	must(t, c.Send(make([]byte, 32<<20)))
	must(t, client.Stop())
	receive(t, life.down, "the end")
	wantError(t, c.SendString("late"), reactor.ErrClosed)
}
