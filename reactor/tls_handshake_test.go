package reactor_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// What can go wrong before a TLS connection is one.

// secureServer is an echo with a TLS of the test's own, and what it reports.
func secureServer(tb testing.TB, over *reactor.TLS, opts ...reactor.ServerOption) (server *testServer, failed chan error) {
	tb.Helper()
	failed = make(chan error, 1000)
	over.Failed = func(_ reactor.InetAddress, err error) { failed <- err }
	return serve(tb, onTCP4, &reactor.Callbacks{Message: echo}, append(opts, reactor.WithTLS(over))...), failed
}

// expectServed wants a fresh connection to be served.
func expectServed(tb testing.TB, server *testServer) {
	tb.Helper()
	conn := tls.Client(dialPlain(tb, server.Addr()), clientConfig())
	must(tb, conn.Handshake())
	write(tb, conn, "hello")
	expect(tb, conn, "hello")
	check(tb, conn.Close())
}

// expectServedSoon is expectServed where a handshake may time out, on a busy machine.
func expectServedSoon(tb testing.TB, server *testServer) {
	tb.Helper()
	eventually(tb, "a fresh connection is served", func() bool {
		conn := tls.Client(dialPlain(tb, server.Addr()), clientConfig())
		defer conn.Close()
		_, err := io.WriteString(conn, "hello")
		got := make([]byte, 5)
		if err == nil {
			_, err = io.ReadFull(conn, got)
		}
		return err == nil && string(got) == "hello"
	})
}

// cutConn breaks off when it has sent so much: with a reset, or with a FIN.
type cutConn struct {
	*net.TCPConn
	left  int
	reset bool
}

var errCut = errors.New("cut off by the test")

func (c *cutConn) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.TCPConn.Write(p)
	}
	_, _ = c.TCPConn.Write(p[:c.left])
	if c.reset {
		_ = c.SetLinger(0)
	}
	_ = c.TCPConn.Close()
	return 0, errCut
}

// TestTLSHandshakeCutOff: a client that is gone after any part of its handshake is
// counted, once, and nobody else is hurt.
func TestTLSHandshakeCutOff(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for _, blocking := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				over := serverTLS()
				over.Blocking = blocking
				server, failed := secureServer(t, over)
				cuts := int64(0)
				for at := 0; ; at += 37 {
					config := clientConfig()
					config.MinVersion, config.MaxVersion = version, version
					plain := dialPlain(t, server.Addr()).(*net.TCPConn)
					client := tls.Client(&cutConn{plain, at, at%2 == 0}, config)
					if client.Handshake() == nil {
						break
					}
					cuts++
					if receive(t, failed, "the failure") == nil {
						t.Errorf("cut off after %d bytes: no error", at)
					}
				}
				if cuts < 5 || over.Stats.Failures.Load() != cuts {
					t.Errorf("%d failures were counted of %d", over.Stats.Failures.Load(), cuts)
				}
				expectServed(t, server)
			})
		}
	}
}

// clientHello is what a client sends first.
func clientHello(tb testing.TB) []byte {
	tb.Helper()
	near, far := net.Pipe()
	go func() { _ = tls.Client(near, clientConfig()).Handshake() }()
	hello := make([]byte, 16<<10)
	n, err := far.Read(hello)
	must(tb, err)
	check(tb, far.Close())
	check(tb, near.Close())
	return hello[:n]
}

// TestTLSHandshakeFlood: clients that begin a handshake, as many as there may be at a
// time and more, and fall silent, do not keep others out for as long as the handshake
// timeout; those that send nothing, or half a message, keep out nobody at all.
func TestTLSHandshakeFlood(t *testing.T) {
	const most = 4
	hello := clientHello(t)
	for name, tc := range map[string]struct {
		sent []byte
		ends int
	}{"silent": {nil, 0}, "half a message": {hello[:len(hello)/2], 0}, "a message": {hello, most}} {
		t.Run(name, func(t *testing.T) {
			over := serverTLS()
			over.MaxHandshakes, over.HandshakeTimeout = most, 10*patience
			server, failed := secureServer(t, over)
			for range 2 * most {
				conn := dialPlain(t, server.Addr())
				_, err := conn.Write(tc.sent)
				must(t, err)
			}
			expectServed(t, server)
			for range tc.ends {
				wantError(t, receive(t, failed, "the end of a silent one"), reactor.ErrTimeout)
			}
		})
	}
}

// TestTLSHandshakeQueue: however few handshakes there may be at a time, all clients
// get their turn.
func TestTLSHandshakeQueue(t *testing.T) {
	for name, blocking := range map[string]bool{"loop": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			over := serverTLS()
			over.MaxHandshakes, over.Blocking = 1, blocking
			server, _ := secureServer(t, over, reactor.WithThreads(2))
			var wg sync.WaitGroup
			for range 30 {
				conn := dialPlain(t, server.Addr())
				wg.Go(func() {
					client := tls.Client(conn, clientConfig())
					_, err := io.WriteString(client, "hello")
					got := make([]byte, 5)
					if err == nil {
						_, err = io.ReadFull(client, got)
					}
					if err != nil || string(got) != "hello" {
						t.Errorf("%q, %v", got, err)
					}
				})
			}
			wg.Wait()
			if n := over.Stats.Failures.Load(); n != 0 {
				t.Errorf("%d failed", n)
			}
		})
	}
}

// TestTLSCallbackPanics: the handshake fails, the process goes on.
func TestTLSCallbackPanics(t *testing.T) {
	for name, blocking := range map[string]bool{"loop": false, "goroutine": true} {
		t.Run(name, func(t *testing.T) {
			over := serverTLS()
			over.Blocking = blocking
			var calm atomic.Bool
			over.Config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if !calm.Load() {
					panic("no certificate today")
				}
				return nil, nil
			}
			server, failed := secureServer(t, over)
			if err := tls.Client(dialPlain(t, server.Addr()), clientConfig()).Handshake(); err == nil {
				t.Error("the handshake succeeded")
			}
			if err := receive(t, failed, "the failure"); !strings.Contains(err.Error(), "no certificate today") {
				t.Error(err)
			}
			calm.Store(true)
			expectServed(t, server)
		})
	}
}

// heldServer is a server whose callback waits until the context of its handshake
// ends, or release is closed.
func heldServer(t *testing.T, over *reactor.TLS) (server *testServer, failed chan error, held chan struct{}, release chan struct{}) {
	held, release = make(chan struct{}, 100), make(chan struct{})
	over.Blocking = true
	over.Config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		held <- struct{}{}
		select {
		case <-hello.Context().Done():
			return nil, hello.Context().Err()
		case <-release:
			return nil, nil
		}
	}
	server, failed = secureServer(t, over)
	return server, failed, held, release
}

// TestTLSCallbackWaits: a callback that waits holds its own handshake, not the loop
// and not the others; also on a loop that is locked to its thread.
func TestTLSCallbackWaits(t *testing.T) {
	over := serverTLS()
	server, _, held, release := heldServer(t, over)
	results := make(chan error, 3)
	for range 3 {
		conn := dialPlain(t, server.Addr())
		go func() { results <- tls.Client(conn, clientConfig()).Handshake() }()
	}
	for range 3 {
		receive(t, held, "a callback that waits")
	}
	turn(t, server.loop)
	close(release)
	for range 3 {
		must(t, receive(t, results, "the end of a handshake"))
	}
	expectServed(t, server)
}

// TestTLSCallbackWaitsTooLong: the handshake times out, and the callback is told; its
// turn is another's only when it has returned.
func TestTLSCallbackWaitsTooLong(t *testing.T) {
	over := serverTLS()
	over.HandshakeTimeout, over.MaxHandshakes = 50*time.Millisecond, 1
	server, failed, held, release := heldServer(t, over)
	conn := dialPlain(t, server.Addr())
	go func() { _ = tls.Client(conn, clientConfig()).Handshake() }()
	receive(t, held, "the callback")
	wantError(t, receive(t, failed, "the timeout"), reactor.ErrTimeout)
	close(release)
	expectServedSoon(t, server)
}

// TestTLSLockedThread: coroutines and goroutines do not mind a loop that is locked to
// its thread, also where a client gives up.
func TestTLSLockedThread(t *testing.T) {
	for name, blocking := range map[string]bool{"loop": false, "goroutine": true} {
		t.Run(name, func(t *testing.T) {
			over := serverTLS()
			over.Blocking = blocking
			failed := make(chan error, 10)
			over.Failed = func(_ reactor.InetAddress, err error) { failed <- err }
			loop := runLoop(t, reactor.WithLockOSThread())
			server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{Message: echo}, reactor.WithTLS(over))
			must(t, err)
			must(t, server.Start())
			for range 3 {
				conn := tls.Client(dialPlain(t, server.Addr()), clientConfig())
				must(t, conn.Handshake())
				write(t, conn, "hello")
				expect(t, conn, "hello")
				check(t, conn.Close())
			}
			for range 3 {
				conn := dialPlain(t, server.Addr())
				_, err := conn.Write(clientHello(t))
				must(t, err)
				_, err = conn.Read(make([]byte, 1)) // the server's part is done
				must(t, err)
				reset(t, conn)
				receive(t, failed, "the failure")
			}
			must(t, server.Shutdown(t.Context()))
		})
	}
}

// TestTLSQuitDuringHandshakes: a loop that quits ends handshakes in every state;
// a step that comes back later finds nobody.
func TestTLSQuitDuringHandshakes(t *testing.T) {
	for name, blocking := range map[string]bool{"loop": false, "goroutine": true} {
		t.Run(name, func(t *testing.T) {
			loop, ended := endingLoop(t)
			held, release := make(chan struct{}, 1), make(chan struct{})
			back := make(chan struct{})
			over := serverTLS()
			over.Blocking = blocking
			if blocking {
				over.Config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
					defer close(back)
					held <- struct{}{}
					<-release
					return nil, nil
				}
			}
			failed := make(chan error, 10)
			over.Failed = func(_ reactor.InetAddress, err error) { failed <- err }
			server, err := reactor.NewTcpServer(loop, addressOf(t, onTCP4), &reactor.Callbacks{}, reactor.WithTLS(over))
			must(t, err)
			must(t, server.Start())
			conn := dialPlain(t, server.Addr())
			_, err = conn.Write(clientHello(t))
			must(t, err)
			if blocking {
				receive(t, held, "the callback")
			} else {
				_, err := conn.Read(make([]byte, 1)) // the server's part is done
				must(t, err)
			}
			loop.Quit()
			must(t, receive(t, ended, "the end of the loop"))
			wantError(t, receive(t, failed, "the failure"), reactor.ErrLoopClosed)
			expectClosed(t, conn)
			close(release)
			if blocking {
				receive(t, back, "the callback's end")
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = server.Shutdown(ctx) // frees what the loop has not
		})
	}
}

// TestTLSClientRefuses: a client that does not trust the server, or is answered by
// something else, counts that as an attempt that failed, and tries again.
func TestTLSClientRefuses(t *testing.T) {
	over := serverTLS()
	server, _ := secureServer(t, over)
	plain := serve(t, onTCP4, &reactor.Callbacks{Message: echo})
	mute := serve(t, onTCP4, &reactor.Callbacks{})
	for name, tc := range map[string]struct {
		addr   reactor.InetAddress
		change func(*reactor.TLS)
		want   string
	}{
		"another name":      {server.Addr(), func(o *reactor.TLS) { o.Config.ServerName = "example.com" }, "not example.com"},
		"unknown authority": {server.Addr(), func(o *reactor.TLS) { o.Config.RootCAs = nil }, "unknown authority"},
		"no TLS":            {plain.Addr(), func(*reactor.TLS) {}, "unexpected"},
		"no answer": {mute.Addr(), func(o *reactor.TLS) { o.HandshakeTimeout = 20 * time.Millisecond },
			reactor.ErrTimeout.Error()},
		"no common version": {server.Addr(), func(o *reactor.TLS) { o.Config.MaxVersion = tls.VersionTLS11 }, "version"},
	} {
		t.Run(name, func(t *testing.T) {
			failures := make(chan failure, 100)
			life := newEnds()
			mine := &reactor.TLS{Config: clientConfig()}
			tc.change(mine)
			client := connectTo(t, runLoop(t), tc.addr, &reactor.Callbacks{Connection: life.connection},
				reactor.WithClientTLS(mine), reactor.WithRetryDelay(time.Millisecond, 5*time.Millisecond),
				reactor.WithConnectFailed(func(err error, in time.Duration) { failures <- failure{err, in} }))
			for range 2 {
				if f := receive(t, failures, "the failure"); !strings.Contains(f.err.Error(), tc.want) {
					t.Errorf("got %v, want %q", f.err, tc.want)
				}
			}
			if client.Connection() != nil || len(life.up) != 0 {
				t.Error("a connection was announced")
			}
			must(t, client.Stop())
		})
	}
}

// TestTLSClientDisconnectsDuringHandshake: nothing is announced, and nothing tried
// again; a Connect that follows begins anew.
func TestTLSClientDisconnectsDuringHandshake(t *testing.T) {
	begun := make(chan *reactor.TcpConnection, 10)
	mute := serve(t, onTCP4, &reactor.Callbacks{
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) { in.RetrieveAll(); begun <- c },
	})
	life := newEnds()
	failures := make(chan failure, 100)
	client := connectTo(t, runLoop(t), mute.Addr(), &reactor.Callbacks{Connection: life.connection},
		reactor.WithClientTLS(&reactor.TLS{Config: clientConfig()}), reactor.WithReconnect(),
		reactor.WithConnectFailed(func(err error, in time.Duration) { failures <- failure{err, in} }))
	for range 3 {
		must(t, client.Connect())
		receive(t, begun, "the beginning of a handshake")
		must(t, client.Connect()) // under way already
		must(t, client.Disconnect())
		eventually(t, "nobody is connected", func() bool { return mute.ConnectionCount() == 0 })
	}
	if len(failures) != 0 || len(life.up) != 0 {
		t.Errorf("%d failures, %d connections", len(failures), len(life.up))
	}
}
