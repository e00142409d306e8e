package reactor_test

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// Promise 2: what is late for a connection that is closing or gone does nothing.

// TestConnectionClosesSibling has the first of two connections that are ready in
// one batch close the other: the other's event must not reach it.
func TestConnectionClosesSibling(t *testing.T) {
	life := newEnds()
	var pair [2]*reactor.TcpConnection // loop goroutine only
	var messages []*reactor.TcpConnection
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			in.RetrieveAll()
			messages = append(messages, c)
			for _, other := range pair {
				if other != c {
					other.ForceClose()
				}
			}
		},
	})
	for range 10 {
		var clients [2]net.Conn
		for i := range clients {
			clients[i] = dial(t, server.Addr())
			pair[i] = receive(t, life.up, "a connection")
		}
		inLoop(t, server.loop, func() { // the loop is held until both are ready
			messages = nil
			for i, client := range clients {
				write(t, client, "x")
				eventually(t, "the byte has arrived", func() bool { return unread(pair[i]) == 1 })
			}
		})
		if err := receive(t, life.down, "the end of the other"); err != nil {
			t.Errorf("closed by its sibling, but: %v", err)
		}
		turn(t, server.loop)
		inLoop(t, server.loop, func() {
			if len(messages) != 1 {
				t.Fatalf("%d messages in one batch, want 1", len(messages))
			}
			messages[0].ForceClose()
		})
		receive(t, life.down, "the end of the first")
	}
}

// TestConnectionLateCallsDoNothing calls every method of a connection that is
// gone, while its fd has a new owner, which must not feel it.
func TestConnectionLateCallsDoNothing(t *testing.T) {
	life := newEnds()
	var timeouts atomic.Int32
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			life.connection(c)
			if !c.Connected() { // the fd is still open
				c.StartRead()
				c.StopRead()
				c.SetDeadline(c.Loop().Now())
			}
		},
		Message: echo,
		Timeout: func(*reactor.TcpConnection) { timeouts.Add(1) },
	})
	former := dial(t, server.Addr())
	gone := receive(t, life.up, "the connection")
	fd := fdOf(t, gone)
	gone.ForceClose()
	receive(t, life.down, "its end")
	turn(t, server.loop)

	// The next client takes the fd of the former, the next connection the other.
	must(t, former.Close())
	client := dial(t, server.Addr())
	heir := receive(t, life.up, "a further connection")
	if got := fdOf(t, heir); got != fd {
		t.Fatalf("the new connection has fd %d, not %d", got, fd)
	}
	file := openTracked(t, []byte("late"))
	wantError(t, gone.Send([]byte("late")), reactor.ErrClosed)
	wantError(t, gone.SendString("late"), reactor.ErrClosed)
	wantError(t, gone.SendV([]byte("late")), reactor.ErrClosed)
	wantError(t, gone.SendFile(file, 0, 4), reactor.ErrClosed)
	file.expectClosed(t)
	gone.Shutdown()
	gone.CloseWrite()
	gone.ForceClose()
	inLoop(t, gone.Loop(), func() {
		wantError(t, gone.Send(make([]byte, 1<<20)), reactor.ErrClosed)
		gone.StopRead()
		gone.StartRead()
		gone.Shutdown()
		gone.CloseWrite()
		gone.ForceClose()
		gone.SetDeadline(gone.Loop().Now())
		gone.SetIdleTimeout(1)
		if addr := gone.LocalAddr(); addr.IsValid() {
			t.Errorf("a gone connection has the address %v", addr)
		}
	})
	turn(t, server.loop)
	write(t, client, "still here")
	expect(t, client, "still here")
	if heir.State() != reactor.Connected || timeouts.Load() != 0 || len(life.down) != 0 {
		t.Errorf("heir %v, %d timeouts, %d ends", heir.State(), timeouts.Load(), len(life.down))
	}
}

func fdOf(tb testing.TB, c *reactor.TcpConnection) (fd int) {
	tb.Helper()
	inLoop(tb, c.Loop(), func() { fd = c.Socket().FD() })
	return fd
}
