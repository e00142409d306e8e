package reactor_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// What happens to connections around Quit.

// endingLoop is a loop whose end the test brings about, and waits for.
func endingLoop(tb testing.TB) (*reactor.EventLoop, <-chan error) {
	tb.Helper()
	loop, err := reactor.NewEventLoop(reactor.WithLoopLogger(nil))
	must(tb, err)
	ended := make(chan error, 1)
	go func() { ended <- loop.Loop() }()
	tb.Cleanup(loop.Quit)
	return loop, ended
}

// TestQuitSendFileRefused: a file that a loop in its last iteration refuses is
// closed by SendFile, and by nobody else.
func TestQuitSendFileRefused(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
	dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	file := openTracked(t, []byte("late"))
	held, release := make(chan struct{}), make(chan struct{})
	must(t, server.loop.QueueInLoop(func() { close(held); <-release }))
	receive(t, held, "the loop's last iteration")
	server.loop.Quit()
	wantError(t, c.SendFile(file, 0, 4), reactor.ErrLoopClosed)
	close(release)
	wantError(t, receive(t, life.down, "the end"), reactor.ErrLoopClosed)
	file.expectClosed(t)
	if n := c.OutputBytes(); n != 0 {
		t.Errorf("%d bytes are accounted for what was refused", n)
	}
}

// TestQuitSendsWhatWasTaken: a Send on the loop succeeds in its last iteration, also
// after one from elsewhere was refused, and so it must be sent.
func TestQuitSendsWhatWasTaken(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		server := serve(t, where, &reactor.Callbacks{Connection: life.connection})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		held, release := make(chan struct{}), make(chan struct{})
		must(t, server.loop.QueueInLoop(func() {
			close(held)
			<-release
			check(t, c.SendString("last"))
		}))
		receive(t, held, "the loop's last iteration")
		server.loop.Quit()
		wantError(t, c.SendString("refused"), reactor.ErrLoopClosed)
		close(release)
		expectEnd(t, client, []byte("last"))
		receive(t, life.down, "the end")
	})
}

// TestQuitKeepsTheLastCallbackApart: a connection that a callback closes after Quit
// ends when that callback has returned, as at any other time. The guard sees it.
func TestQuitKeepsTheLastCallbackApart(t *testing.T) {
	life := newEnds()
	var server *testServer
	server = prepare(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			in.RetrieveAll()
			server.loop.Quit()
			c.ForceClose()
			if c.State() == reactor.Disconnected {
				t.Error("gone before Message has returned")
			}
		},
	})
	server.start(t)
	client := dial(t, server.Addr())
	write(t, client, "x")
	if err := receive(t, life.down, "the end"); err != nil {
		t.Error(err)
	}
	expectClosed(t, client)
}

// TestQuitEndsReconnecting: a client that connects again whenever it loses its
// connection, which on a Unix socket succeeds at once, does not keep its loop alive.
func TestQuitEndsReconnecting(t *testing.T) {
	for name, opts := range map[string][]reactor.ClientOption{
		"by hand":       nil,
		"WithReconnect": {reactor.WithReconnect(), reactor.WithRetryDelay(0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, onUnix, &reactor.Callbacks{})
			loop, ended := endingLoop(t)
			up := make(chan struct{}, 1)
			var client *reactor.TcpClient
			connections := 0 // loop goroutine, and this one behind it
			client = reactor.NewTcpClient(loop, server.Addr(), &reactor.Callbacks{Connection: func(c *reactor.TcpConnection) {
				switch {
				case c.Connected():
					if connections++; connections == 1 {
						up <- struct{}{}
					}
				case connections < 1000: // enough to fail
					_ = client.Connect() // refused by a loop that has quit
				}
			}}, opts...)
			must(t, client.Connect())
			receive(t, up, "the connection")
			loop.Quit()
			must(t, receive(t, ended, "the end of the loop"))
			if connections != 1 {
				t.Errorf("%d connections were made after Quit", connections-1)
			}
		})
	}
}

// TestQuitClosesAttempts: the sockets of attempts to connect are the loop's to close
// when it ends before they do.
func TestQuitClosesAttempts(t *testing.T) {
	addr := blackhole(t)
	before := openFiles(t)
	for range 10 {
		loop, ended := endingLoop(t)
		client := reactor.NewTcpClient(loop, addr, &reactor.Callbacks{Connection: func(*reactor.TcpConnection) {
			t.Error("connected to a listener that lets nobody in")
		}})
		must(t, client.Connect())
		connector := reactor.NewConnector(loop, addr, func(fd int) { _ = unix.Close(fd) }, nil)
		must(t, connector.Start())
		inLoop(t, loop, func() {})
		loop.Quit()
		must(t, receive(t, ended, "the end of the loop"))
		wantError(t, client.Stop(), reactor.ErrLoopClosed)
		wantError(t, connector.Stop(), reactor.ErrLoopClosed)
	}
	if n := openFiles(t) - before; n > 0 {
		t.Errorf("%d fds are left by 20 attempts", n)
	}
}
