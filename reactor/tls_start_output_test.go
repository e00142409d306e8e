package reactor_test

import (
	"crypto/tls"
	"errors"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// TestStartTLSInMessage: what a Message callback sends behind its StartTLS waits for
// the end of the handshake, however short it is.
func TestStartTLSInMessage(t *testing.T) {
	life, begun := newEnds(), make(chan error, 1)
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			in.RetrieveAll()
			if !c.Secure() {
				begun <- errors.Join(c.StartTLS(serverTLS(), nil), c.SendString("secret"))
			}
		},
	})
	conn := dialPlain(t, server.Addr())
	write(t, conn, "secure")
	must(t, receive(t, begun, "StartTLS"))
	over := tls.Client(conn, clientConfig())
	must(t, over.Handshake())
	expect(t, over, "secret")
	must(t, over.CloseWrite())
	must(t, receive(t, life.down, "the end"))
}

// TestStartTLSFailsWithOutput: what waits for a handshake that fails is dropped, and
// does not keep the alert's FIN back.
func TestStartTLSFailsWithOutput(t *testing.T) {
	life, theirs := newEnds(), serverTLS()
	theirs.HandshakeTimeout = 10 * patience
	server := changingServer(t, theirs, life)
	conn := changed(t, server)
	c := receive(t, life.up, "the connection")
	more := openTracked(t, []byte("more of it"))
	inLoop(t, c.Loop(), func() { // behind StartTLS
		check(t, c.SendString("secret"))
		check(t, c.SendFile(more, 0, 10))
	})
	old := clientConfig()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := tls.Client(conn, old).Handshake(); err == nil {
		t.Fatal("the server speaks TLS 1.1")
	}
	more.expectClosed(t)
	expectClosed(t, conn) // while our side is still open
	closeWrite(t, conn)
	if err := receive(t, life.down, "the end"); err == nil || errors.Is(err, reactor.ErrLinger) {
		t.Errorf("ended with %v", err)
	}
	if n := c.OutputBytes(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}
