package reactor_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// changingServer is an echo that changes over to TLS when it is told "secure".
func changingServer(t *testing.T, over *reactor.TLS, life *ends) *testServer {
	t.Helper()
	var server *testServer
	secured := &reactor.Callbacks{Connection: life.connection, Message: echo}
	server = prepare(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			if string(in.Peek()) != "secure" {
				return
			}
			in.RetrieveAll()
			check(t, c.SendString("ready"))
		},
		WriteComplete: func(c *reactor.TcpConnection) {
			c.SetCallbacks(server.guard.watch(secured))
			check(t, c.StartTLS(over, nil))
		},
	})
	server.start(t)
	return server
}

// changed connects to a changingServer, up to the beginning of TLS.
func changed(t *testing.T, server *testServer) net.Conn {
	t.Helper()
	conn := dialPlain(t, server.Addr())
	write(t, conn, "secure")
	expect(t, conn, "ready")
	return conn
}

// TestStartTLS: both sides change over; what is sent during the handshake, however
// much, leaves behind it, and Shutdown of the server finds the connection.
func TestStartTLS(t *testing.T) {
	for name, blocking := range map[string]bool{"loop": false, "goroutine": true} {
		t.Run(name, func(t *testing.T) {
			theirs := serverTLS()
			theirs.Blocking = blocking
			serverLife, life := newEnds(), newEnds()
			server := changingServer(t, theirs, serverLife)
			mine := &reactor.TLS{Config: clientConfig(), Blocking: blocking}
			text := noise(3*reactor.DefaultHighWater, 5)
			var got []byte
			all := make(chan string, 1)
			after := &reactor.Callbacks{Connection: life.connection, Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
				got = append(got, in.Peek()...)
				in.RetrieveAll()
				if len(got) == len(text) {
					all <- string(got)
				}
			}}
			done := make(chan *reactor.TcpConnection, 10)
			connectTo(t, runLoop(t), server.Addr(), &reactor.Callbacks{
				Connection: func(c *reactor.TcpConnection) {
					life.connection(c)
					if c.Connected() {
						c.SetHighWaterPause(true)
						check(t, c.SendString("secure"))
					}
				},
				Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
					if in.Len() < len("ready") {
						return
					}
					in.RetrieveAll()
					c.SetCallbacks(after)
					check(t, c.StartTLS(mine, func(c *reactor.TcpConnection) { done <- c }))
					if _, ok := c.TLS(); ok || c.Secure() {
						t.Error("secure before the handshake")
					}
					check(t, c.Send(text))
				},
			})
			c := receive(t, done, "the end of the handshake")
			if state, ok := c.TLS(); !ok || !c.Secure() || state.ServerName != "localhost" {
				t.Errorf("%v %+v", ok, state)
			}
			if s := receive(t, all, "the echo"); s != string(text) {
				t.Error(difference([]byte(s), text))
			}
			if n := theirs.Stats.Handshakes.Load() + mine.Stats.Handshakes.Load(); n != 2 || len(done) != 0 || len(life.up) != 1 {
				t.Errorf("%d handshakes, %d connections", n, len(life.up))
			}
			must(t, server.Shutdown(t.Context()))
			must(t, receive(t, life.down, "the client's end"))
			must(t, receive(t, serverLife.down, "the server's end"))
		})
	}
}

// TestStartTLSRefused: wherever TLS would not be between the two who have begun.
func TestStartTLSRefused(t *testing.T) {
	refused := make(chan error, 10)
	start := func(c *reactor.TcpConnection) {
		refused <- c.StartTLS(serverTLS(), func(*reactor.TcpConnection) { t.Error("secured") })
	}
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		HalfClose:  func(c *reactor.TcpConnection) { start(c); c.Shutdown() },
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			switch string(in.Peek()) {
			case "input":
				start(c) // and leaves it
			case "output":
				in.RetrieveAll()
				check(t, c.SendString("ready"))
				start(c)
			case "after CloseWrite":
				in.RetrieveAll()
				c.CloseWrite()
				start(c)
			}
		},
	})
	for said, want := range map[string]error{"input": reactor.ErrPlaintext, "output": reactor.ErrPlaintext,
		"after CloseWrite": reactor.ErrClosed, "": reactor.ErrClosed} {
		conn := dialPlain(t, server.Addr())
		c := receive(t, life.up, "the connection")
		if write(t, conn, said); said == "" {
			closeWrite(t, conn)
		}
		wantError(t, receive(t, refused, said), want)
		c.ForceClose()
		receive(t, life.down, "the end")
		inLoop(t, c.Loop(), func() { wantError(t, c.StartTLS(serverTLS(), nil), reactor.ErrClosed) })
	}
	twice := serve(t, onTLS, &reactor.Callbacks{Connection: life.connection})
	dial(t, twice.Addr())
	c := receive(t, life.up, "the connection")
	inLoop(t, c.Loop(), func() {
		if c.StartTLS(serverTLS(), nil) == nil {
			t.Error("TLS over TLS")
		}
	})
}

// TestStartTLSFails: a handshake that fails closes the connection, with its reason,
// and is counted, on either side.
func TestStartTLSFails(t *testing.T) {
	for name, tc := range map[string]struct {
		peer   func(net.Conn)
		reason func(error) bool
	}{
		"garbage":     {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, isAs[tls.RecordHeaderError]},
		"FIN":         {func(c net.Conn) { closeWrite(t, c) }, func(err error) bool { return errors.Is(err, reactor.ErrTruncated) }},
		"silence":     {func(net.Conn) {}, func(err error) bool { return errors.Is(err, reactor.ErrTimeout) }},
		"not trusted": {func(c net.Conn) { _ = tls.Server(c, serverTLS().Config).Handshake() }, isAs[x509.UnknownAuthorityError]},
		"reset": {func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(t, c) },
			func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer listener.Close()
			addr, err := reactor.ParseInetAddress(listener.Addr().String())
			must(t, err)
			mine := &reactor.TLS{Config: &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}, HandshakeTimeout: patience}
			if name == "silence" {
				mine.HandshakeTimeout = 20 * time.Millisecond
			}
			life := newEnds()
			connectTo(t, runLoop(t), addr, &reactor.Callbacks{
				Connection: func(c *reactor.TcpConnection) {
					life.connection(c)
					if c.Connected() {
						c.SetIdleTimeout(patience)
						check(t, c.StartTLS(mine, func(*reactor.TcpConnection) { t.Error("secured") }))
					}
				},
				Timeout: func(*reactor.TcpConnection) { t.Error("Timeout") },
			})
			conn, err := listener.Accept()
			must(t, err)
			defer conn.Close()
			tc.peer(conn)
			if err := receive(t, life.down, "the end"); !tc.reason(err) {
				t.Errorf("ended with %v", err)
			}
			if n := mine.Stats.Failures.Load(); n != 1 {
				t.Errorf("%d failures were counted", n)
			}
		})
	}
}

// isAs is errors.As for a type alone.
func isAs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// TestStartTLSEnds: CloseWrite and Shutdown during the handshake. What was sent before
// CloseWrite leaves; Shutdown closes at once.
func TestStartTLSEnds(t *testing.T) {
	serverLife := newEnds()
	server := changingServer(t, serverTLS(), serverLife)
	conn := changed(t, server)
	c := receive(t, serverLife.up, "the connection")
	inLoop(t, c.Loop(), func() {
		check(t, c.SendString("goodbye"))
		c.CloseWrite()
	})
	over := tls.Client(conn, clientConfig())
	expectEnd(t, over, []byte("goodbye"))
	must(t, over.CloseWrite())
	must(t, receive(t, serverLife.down, "the end"))

	conn = changed(t, server)
	c = receive(t, serverLife.up, "the connection")
	inLoop(t, c.Loop(), func() {
		check(t, c.SendString("never sent"))
		c.Shutdown()
	})
	expectClosed(t, conn)
	must(t, receive(t, serverLife.down, "the end"))
}
