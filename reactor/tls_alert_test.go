package reactor_test

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// TestTLSAlertBehindLostOutput: a client that is refused after its side of the
// handshake, and finds that first by what it sends, still says why.
func TestTLSAlertBehindLostOutput(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	addr, err := reactor.ParseInetAddress(listener.Addr().String())
	must(t, err)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		config := serverTLS().Config
		config.ClientAuth = tls.RequireAnyClientCert
		if tls.Server(conn, config).Handshake() == nil {
			t.Error("a client without a certificate was accepted")
		}
		reset(t, conn)
	}()
	life := newEnds()
	connectTo(t, runLoop(t), addr, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			life.connection(c)
			if c.Connected() {
				check(t, c.SendString("before the certificate has left"))
			}
		},
		WriteComplete: func(c *reactor.TcpConnection) {
			<-gone
			_ = c.SendString("into the void")
		},
	}, reactor.WithClientTLS(&reactor.TLS{Config: clientConfig()}))
	if err := receive(t, life.down, "the end"); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("ended with %v", err)
	}
}
