package reactor_test

import (
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// TestStartFailsHalfway: one of the loops that are to listen has quit. Whoever the
// others have let in is not kept by a server that will never be.
func TestStartFailsHalfway(t *testing.T) {
	base := runLoop(t)
	pool := reactor.NewEventLoopThreadPool(base, 2, reactor.WithLoopLogger(nil))
	must(t, pool.Start())
	t.Cleanup(func() { check(t, pool.Stop()) })
	server, err := reactor.NewTcpServer(base, addressOf(t, onTCP4), &reactor.Callbacks{},
		reactor.WithPool(pool), reactor.WithReusePort(), reactor.WithLogger(nil))
	must(t, err)
	client := dial(t, server.Addr()) // waits for the first loop to listen
	pool.Loops()[1].Quit()
	wantError(t, server.Start(), reactor.ErrLoopClosed)
	expectClosed(t, client)
	must(t, client.Close())
	ended := make(chan error, 1)
	go func() { ended <- server.Shutdown(t.Context()) }()
	must(t, receive(t, ended, "Shutdown returns"))
	wantError(t, server.Start(), reactor.ErrServerClosed)
	if n := server.ConnectionCount(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
