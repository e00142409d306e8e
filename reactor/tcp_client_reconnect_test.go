package reactor_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// A client that is asked to connect by its own callbacks.

// TestReconnectAndConnect: a client that reconnects by itself, and is asked to as
// well when it is told of the loss, makes one connection.
func TestReconnectAndConnect(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		server := serve(t, where, &reactor.Callbacks{})
		loop := runLoop(t)
		life := newEnds()
		var client *reactor.TcpClient
		var once sync.Once
		client = reactor.NewTcpClient(loop, server.Addr(), &reactor.Callbacks{Connection: func(c *reactor.TcpConnection) {
			life.connection(c)
			if !c.Connected() {
				once.Do(func() { check(t, client.Connect()) })
			}
		}}, reactor.WithReconnect(), reactor.WithRetryDelay(time.Millisecond, time.Millisecond))
		must(t, client.Connect())
		receive(t, life.up, "the first connection").ForceClose()
		receive(t, life.down, "its loss")
		second := receive(t, life.up, "the second connection")
		later := make(chan struct{})
		loop.RunAfter(50*time.Millisecond, func() { close(later) })
		receive(t, later, "a timer behind the retry")
		if n := len(life.up); n != 0 || client.Connection() != second {
			t.Errorf("%d connections too many; the client's own is its second: %v", n, client.Connection() == second)
		}
		must(t, client.Stop())
		receive(t, life.down, "the end of the second")
		eventually(t, "the server has no connection", func() bool { return server.ConnectionCount() == 0 })
	})
}

// TestConnectInConnectFailed: an attempt that fails at once, as on a Unix socket, and
// is repeated by its own callback does not nest.
func TestConnectInConnectFailed(t *testing.T) {
	const attempts, deepest = 1000, 200
	depth := make(chan int, 1)
	var client *reactor.TcpClient
	n := 0
	client = reactor.NewTcpClient(runLoop(t), freeAddress(t, onUnix), &reactor.Callbacks{}, reactor.WithoutRetry(),
		reactor.WithConnectFailed(func(error, time.Duration) {
			if n++; n < attempts {
				check(t, client.Connect())
				return
			}
			depth <- runtime.Callers(0, make([]uintptr, 100*attempts))
		}))
	must(t, client.Connect())
	if frames := receive(t, depth, "the last attempt"); frames > deepest {
		t.Errorf("%d attempts are %d calls deep", attempts, frames)
	}
}

// TestConnectAfterStop: on the loop, too, where Stop has not yet got rid of the
// connection, a Connect that follows it connects.
func TestConnectAfterStop(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		server := serve(t, where, &reactor.Callbacks{})
		loop := runLoop(t)
		life := newEnds()
		client := connectTo(t, loop, server.Addr(), &reactor.Callbacks{Connection: life.connection})
		receive(t, life.up, "the connection")
		inLoop(t, loop, func() {
			check(t, client.Stop())
			check(t, client.Connect())
		})
		receive(t, life.down, "its end")
		receive(t, life.up, "the connection after Connect")
	})
}

// TestConnectAfterDisconnectByCallback: Disconnect in the callback that announces the
// connection, and Connect behind it, leave one connection, not none.
func TestConnectAfterDisconnectByCallback(t *testing.T) {
	server := serve(t, onUnix, &reactor.Callbacks{})
	life := newEnds()
	var client *reactor.TcpClient
	var once sync.Once
	loop := runLoop(t)
	client = reactor.NewTcpClient(loop, server.Addr(), &reactor.Callbacks{Connection: func(c *reactor.TcpConnection) {
		life.connection(c)
		once.Do(func() {
			check(t, client.Disconnect())
			check(t, client.Connect())
		})
	}})
	t.Cleanup(func() { check(t, client.Stop()); turn(t, loop) })
	must(t, client.Connect())
	receive(t, life.up, "the connection")
	receive(t, life.down, "its end")
	receive(t, life.up, "the connection after Connect")
}
