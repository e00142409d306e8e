package reactor_test

import (
	"net"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// TestConnectionLimitIsShared: servers that have a limit in common have its bound
// together, and room at one makes room at the other.
func TestConnectionLimitIsShared(t *testing.T) {
	for name, limit := range map[string]*reactor.ConnectionLimit{
		"in all":      reactor.NewConnectionLimit(3, 0),
		"from one IP": reactor.NewConnectionLimit(0, 3),
	} {
		t.Run(name, func(t *testing.T) {
			life := newEnds()
			cb := &reactor.Callbacks{Connection: life.connection}
			one := serve(t, onTCP4, cb, reactor.WithConnectionLimit(limit))
			two := serve(t, onTCP4, cb, reactor.WithConnectionLimit(limit))
			var clients []net.Conn
			for _, server := range []*testServer{one, two, two} {
				clients = append(clients, dial(t, server.Addr()))
				receive(t, life.up, "a connection")
			}
			for _, server := range []*testServer{one, two} {
				expectClosed(t, dial(t, server.Addr()))
				if n := server.Rejected(); n != 1 {
					t.Errorf("%d were rejected, want 1", n)
				}
			}
			if n := limit.Count(); n != 3 {
				t.Errorf("%d are counted, want 3", n)
			}
			clients[2].Close()
			receive(t, life.down, "the end of one")
			eventually(t, "there is room", func() bool { return limit.Count() == 2 })
			dial(t, one.Addr())
			receive(t, life.up, "one more")
		})
	}
}

// TestConnectionLimitBesideOwnBounds: what a server's own bound turns away does not
// count against the limit that it shares, nor the other way round.
func TestConnectionLimitBesideOwnBounds(t *testing.T) {
	limit := reactor.NewConnectionLimit(2, 2)
	life := newEnds()
	cb := &reactor.Callbacks{Connection: life.connection}
	narrow := serve(t, onTCP4, cb, reactor.WithConnectionLimit(limit), reactor.WithMaxConnections(1))
	wide := serve(t, onTCP4, cb, reactor.WithMaxPerIP(5), reactor.WithConnectionLimit(limit))
	dial(t, narrow.Addr())
	receive(t, life.up, "a connection")
	for range 3 {
		expectClosed(t, dial(t, narrow.Addr()))
	}
	dial(t, wide.Addr())
	receive(t, life.up, "a connection beside those that were turned away")
	expectClosed(t, dial(t, wide.Addr()))
	if a, b, n := narrow.ConnectionCount(), wide.ConnectionCount(), limit.Count(); a != 1 || b != 1 || n != 2 {
		t.Errorf("%d and %d connections, %d counted", a, b, n)
	}
}

// TestConnectionLimitForUnixPeers: they count in all, and have no IP.
func TestConnectionLimitForUnixPeers(t *testing.T) {
	limit := reactor.NewConnectionLimit(2, 1)
	life := newEnds()
	server := serve(t, onUnix, &reactor.Callbacks{Connection: life.connection}, reactor.WithConnectionLimit(limit))
	for range 2 {
		dial(t, server.Addr())
		receive(t, life.up, "a connection")
	}
	expectClosed(t, dial(t, server.Addr()))
}
