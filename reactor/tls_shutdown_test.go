package reactor_test

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// What becomes of handshakes when their server shuts down.

// TestTLSShutdownLetsHandshakesEnd: a client that was accepted, and goes on, is served
// and drained like others, whatever its handshake waited for when Shutdown began.
func TestTLSShutdownLetsHandshakesEnd(t *testing.T) {
	for name, before := range map[string]int{"nothing has come": 0, "half of the first message": 100, "the client's part is missing": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			drained := make(chan struct{}, 1)
			draining := false // the loop's
			server := serve(t, onTCP4, &reactor.Callbacks{
				Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
					echo(c, in)
					if draining {
						c.Shutdown()
					}
				},
				Drain: func(*reactor.TcpConnection) {
					draining = true
					drained <- struct{}{}
				},
			}, reactor.WithTLS(serverTLS()))
			raw := dialPlain(t, server.Addr())
			gate := &gatedConn{Conn: raw, free: before, open: make(chan struct{}), reached: make(chan struct{})}
			conn := tls.Client(gate, clientConfig())
			if before == 1<<20 {
				gate.free, gate.after = 0, 1 // the first message passes
			}
			shaken := make(chan error, 1)
			go func() { shaken <- conn.Handshake() }()
			receive(t, gate.reached, "the gate")
			eventually(t, "the connection is there", func() bool { return server.ConnectionCount() == 1 })
			ended := make(chan error, 1)
			go func() { ended <- server.Shutdown(t.Context()) }()
			eventually(t, "nobody listens", func() bool {
				c, err := net.Dial("tcp4", server.Addr().String())
				if err == nil {
					c.Close()
				}
				return err != nil
			})
			close(gate.open)
			must(t, receive(t, shaken, "the handshake"))
			receive(t, drained, "Drain")
			write(t, conn, "hello")
			expect(t, conn, "hello")
			check(t, conn.Close())
			must(t, receive(t, ended, "the end of Shutdown"))
		})
	}
}

// gatedConn lets so many writes pass, and of the next so many bytes; the rest waits
// until it is opened.
type gatedConn struct {
	net.Conn
	after, free   int
	open, reached chan struct{}
	once          sync.Once
}

func (c *gatedConn) Write(p []byte) (int, error) {
	if c.after > 0 {
		c.after--
		return c.Conn.Write(p)
	}
	n := min(c.free, len(p))
	c.free -= n
	if n > 0 {
		if _, err := c.Conn.Write(p[:n]); err != nil {
			return 0, err
		}
	}
	c.once.Do(func() { close(c.reached) })
	<-c.open
	m, err := c.Conn.Write(p[n:])
	return n + m, err
}

// TestTLSShutdownDuringHandshakes: connections that are none yet do not hold Shutdown
// up for long: those that have sent nothing, that wait for their turn, for the client,
// for a callback.
func TestTLSShutdownDuringHandshakes(t *testing.T) {
	hello := clientHello(t)
	over := serverTLS()
	over.MaxHandshakes = 2
	server, failed, held, release := heldServer(t, over)
	defer close(release)
	conns := []net.Conn{dialPlain(t, server.Addr())}
	for range 3 {
		conn := dialPlain(t, server.Addr())
		_, err := conn.Write(hello)
		must(t, err)
		conns = append(conns, conn)
	}
	for range 2 {
		receive(t, held, "a callback that waits")
	}
	eventually(t, "all are there", func() bool { return server.ConnectionCount() == len(conns) })
	began := time.Now()
	must(t, server.Shutdown(t.Context()))
	if took := time.Since(began); took > reactor.DefaultHandshakeTimeout-time.Second {
		t.Errorf("it took %v, as long as a handshake may take", took)
	}
	for _, conn := range conns {
		expectClosed(t, conn)
		if receive(t, failed, "the failure") == nil {
			t.Error("no error")
		}
	}
}
