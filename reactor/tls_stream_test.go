package reactor_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// TLS connections that are established.

// dialTLS connects to a server that has a TLS of the test's own.
func dialTLS(tb testing.TB, server *testServer, config *tls.Config) *tls.Conn {
	tb.Helper()
	conn := tls.Client(dialPlain(tb, server.Addr()), config)
	must(tb, conn.Handshake())
	return conn
}

// TestTLSTruncated: a FIN without close_notify is not taken for the end: between
// records, within one, and where the server has ended its own stream before.
func TestTLSTruncated(t *testing.T) {
	for name, tc := range map[string]struct {
		rest  []byte
		first bool // the server's stream ends first
	}{
		"between records":           {nil, false},
		"in a header":               {[]byte{dataRecord, 3}, false},
		"in a record":               {[]byte{dataRecord, 3, 3, 1, 0, 'x'}, false},
		"after the server's stream": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			life := newEnds()
			var halfClosed atomic.Bool
			server := serve(t, onTLS, &reactor.Callbacks{Connection: life.connection, Message: echo,
				HalfClose: func(c *reactor.TcpConnection) { halfClosed.Store(true); c.Shutdown() }})
			conn := dial(t, server.Addr()).(*tls.Conn)
			c := receive(t, life.up, "the connection")
			write(t, conn, "hello")
			expect(t, conn, "hello")
			if tc.first {
				c.CloseWrite()
				expectEnd(t, conn, nil)
			}
			_, err := conn.NetConn().Write(tc.rest)
			must(t, err)
			must(t, conn.NetConn().(*net.TCPConn).CloseWrite())
			if err := receive(t, life.down, "the end"); !errors.Is(err, reactor.ErrTruncated) {
				t.Errorf("ended with %v", err)
			}
			if halfClosed.Load() {
				t.Error("taken for the end of the stream")
			}
		})
	}
}

// TestTLSHalfClose: either side may end its stream and go on receiving, by close_notify
// alone, without a FIN.
func TestTLSHalfClose(t *testing.T) {
	life := newEnds()
	ended := make(chan *reactor.TcpConnection, 1)
	server := serve(t, onTLS, &reactor.Callbacks{Connection: life.connection, Message: echo,
		HalfClose: func(c *reactor.TcpConnection) { ended <- c }})
	conn := dial(t, server.Addr()).(*tls.Conn)
	write(t, conn, "hello")
	expect(t, conn, "hello")
	must(t, conn.CloseWrite())
	c := receive(t, ended, "the end of the client's stream")
	must(t, c.SendString("still there"))
	expect(t, conn, "still there")
	c.CloseWrite()
	expectEnd(t, conn, nil)
	if err := receive(t, life.down, "the end"); err != nil {
		t.Error(err)
	}

	conn = dial(t, server.Addr()).(*tls.Conn)
	receive(t, life.up, "the first connection")
	c = receive(t, life.up, "the second connection")
	c.CloseWrite()
	expectEnd(t, conn, nil)
	write(t, conn, "still there")
	must(t, conn.CloseWrite())
	if err := receive(t, life.down, "the end"); err != nil {
		t.Error(err)
	}
}

// TestTLSEndWhilePaused: the end of the stream that lies in the same read as data
// waits until reading goes on, like the data behind a StopRead.
func TestTLSEndWhilePaused(t *testing.T) {
	life := newEnds()
	var text []byte
	got, ended := make(chan string, 10), make(chan struct{}, 10)
	server := serve(t, onTLS, &reactor.Callbacks{Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			text = append(text, in.Peek()...)
			in.RetrieveAll()
			c.StopRead()
			got <- string(text)
		},
		HalfClose: func(c *reactor.TcpConnection) { ended <- struct{}{}; c.Shutdown() }})
	hold := &holdingConn{TCPConn: dialPlain(t, server.Addr()).(*net.TCPConn)}
	conn := tls.Client(hold, clientConfig())
	must(t, conn.Handshake())
	c := receive(t, life.up, "the connection")
	hold.holding = true
	write(t, conn, "hello")
	must(t, conn.CloseWrite())
	_, err := hold.TCPConn.Write(hold.held)
	must(t, err)
	if s := receive(t, got, "the data"); s != "hello" {
		t.Errorf("got %q", s)
	}
	turn(t, c.Loop())
	if len(ended) != 0 {
		t.Error("the end was told while reading is paused")
	}
	inLoop(t, c.Loop(), c.StartRead)
	receive(t, ended, "the end of the stream")
	expectEnd(t, conn, nil)
	receive(t, life.down, "the end")
}

// holdingConn keeps what is written, so that it can leave in one segment.
type holdingConn struct {
	*net.TCPConn
	holding bool
	held    []byte
}

// SetWriteDeadline does nothing: tls.Conn.CloseWrite makes a passed one stay.
func (h *holdingConn) SetWriteDeadline(time.Time) error { return nil }

func (h *holdingConn) Write(p []byte) (int, error) {
	if !h.holding {
		return h.TCPConn.Write(p)
	}
	h.held = append(h.held, p...)
	return len(p), nil
}

// TestTLSGoesOnAboveTheMark: records that lie behind one whose answer passes the
// high-water mark are handled though the mark is never reported, because the kernel
// takes the answer at once.
func TestTLSGoesOnAboveTheMark(t *testing.T) {
	const high, records = 4 << 10, 20
	all := make(chan struct{})
	const size = records * 16 << 10
	left := size
	server := serve(t, onTLS, &reactor.Callbacks{
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			left -= in.Len()
			in.RetrieveAll()
			check(t, c.Send(make([]byte, high+1)))
			if left == 0 {
				close(all)
			}
		},
	}, reactor.WithWaterMarks(1<<10, high, 64<<20))
	hold := &holdingConn{TCPConn: dialPlain(t, server.Addr()).(*net.TCPConn)}
	conn := tls.Client(hold, clientConfig())
	must(t, conn.Handshake())
	hold.holding = true
	_, err := conn.Write(make([]byte, size))
	must(t, err)
	_, err = hold.TCPConn.Write(hold.held)
	must(t, err)
	receive(t, all, "all that was sent")
}

// TestTLSBackpressure: an echo whose client writes and does not read: reading pauses,
// what waits is bounded, and in the end everything comes back.
func TestTLSBackpressure(t *testing.T) {
	const low, high, hard = 16 << 10, 64 << 10, 256 << 10
	life := newEnds()
	server := serve(t, onTLS, &reactor.Callbacks{Connection: life.connection, Message: echo},
		reactor.WithWaterMarks(low, high, hard))
	conn := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	text := noise(24<<20, 3)
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(text)
		sent <- errors.Join(err, conn.(*tls.Conn).CloseWrite())
	}()
	eventually(t, "reading has paused", func() bool { return c.OutputBytes() > high })
	if n := c.OutputBytes(); n > hard {
		t.Errorf("%d bytes wait", n)
	}
	expectEnd(t, conn, text)
	must(t, receive(t, sent, "the end of writing"))
	if err := receive(t, life.down, "the end"); err != nil {
		t.Error(err)
	}
}

// TestTLSSwitchesProtocol: bytes that the old callbacks leave are the new ones', also
// those of records that are not decrypted yet.
func TestTLSSwitchesProtocol(t *testing.T) {
	var server *testServer
	server = prepare(t, onTLS, &reactor.Callbacks{Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
		in.Retrieve(len("switch"))
		c.SetCallbacks(server.guard.watch(&reactor.Callbacks{Message: echo}))
	}})
	server.start(t)
	hold := &holdingConn{TCPConn: dialPlain(t, server.Addr()).(*net.TCPConn)}
	conn := tls.Client(hold, clientConfig())
	must(t, conn.Handshake())
	hold.holding = true
	want := noise(100_000, 4)
	write(t, conn, "switch"+string(want[:10]))
	_, err := conn.Write(want[10:])
	must(t, err)
	go func() { _, _ = hold.TCPConn.Write(hold.held) }()
	got := make([]byte, len(want))
	_, err = io.ReadFull(conn, got)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v, %s", err, difference(got, want))
	}
}

// TestTLSOverUnix: TLS does not mind what carries it; callbacks see where they are.
func TestTLSOverUnix(t *testing.T) {
	for name, blocking := range map[string]bool{"loop": false, "goroutine": true} {
		t.Run(name, func(t *testing.T) {
			over := serverTLS()
			over.Blocking = blocking
			local := make(chan net.Addr, 1)
			over.Config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				local <- hello.Conn.LocalAddr()
				return nil, nil
			}
			server := serve(t, onUnix, &reactor.Callbacks{Message: echo}, reactor.WithTLS(over))
			conn := dialTLS(t, server, clientConfig())
			write(t, conn, "hello")
			expect(t, conn, "hello")
			must(t, conn.CloseWrite())
			expectEnd(t, conn, nil)
			if a := receive(t, local, "the address"); a.Network() != "unix" || a.String() != server.Addr().Path() {
				t.Errorf("the local address is %v %v", a.Network(), a)
			}
		})
	}
}

// TestTLSState: what was negotiated can be asked for from any goroutine; sessions are
// resumed, clients prove who they are.
func TestTLSState(t *testing.T) {
	over := serverTLS()
	over.Config.NextProtos = []string{"echo/1"}
	over.Config.ClientAuth = tls.RequireAndVerifyClientCert
	over.Config.ClientCAs = x509.NewCertPool()
	over.Config.ClientCAs.AddCert(certificate().Leaf)
	failed := make(chan error, 10)
	over.Failed = func(_ reactor.InetAddress, err error) { failed <- err }
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection, Message: echo}, reactor.WithTLS(over))
	config := clientConfig()
	config.NextProtos, config.Certificates = []string{"echo/1"}, []tls.Certificate{certificate()}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for round := range 2 {
			config := config.Clone()
			config.MinVersion, config.MaxVersion = version, version
			config.ClientSessionCache = cacheOf(version, config.ClientSessionCache)
			conn := dialTLS(t, server, config)
			write(t, conn, "hello")
			expect(t, conn, "hello")
			c := receive(t, life.up, "the connection")
			state, ok := c.TLS()
			if !ok || !c.Secure() || state.Version != version || state.NegotiatedProtocol != "echo/1" ||
				state.ServerName != "localhost" || len(state.PeerCertificates) != 1 || state.DidResume != (round == 1) {
				t.Errorf("%v, %+v", ok, state)
			}
			check(t, conn.Close())
			receive(t, life.down, "the end")
		}
	}
	if n, resumed := over.Stats.Handshakes.Load(), over.Stats.Resumed.Load(); n != 4 || resumed != 2 {
		t.Errorf("%d handshakes, %d resumed", n, resumed)
	}
	anonymous := clientConfig()
	anonymous.MaxVersion = tls.VersionTLS12
	if err := tls.Client(dialPlain(t, server.Addr()), anonymous).Handshake(); err == nil {
		t.Error("a client without a certificate was let in")
	}
	if receive(t, failed, "the failure") == nil {
		t.Error("no error")
	}
}

var caches sync.Map

// cacheOf keeps a cache for each version: a session of another is not resumed.
func cacheOf(version uint16, cache tls.ClientSessionCache) tls.ClientSessionCache {
	kept, _ := caches.LoadOrStore(version, cache)
	return kept.(tls.ClientSessionCache)
}

// TestTLSReload: certificates change under load, and every connection gets one that
// was valid when it came.
func TestTLSReload(t *testing.T) {
	var current atomic.Pointer[tls.Certificate]
	first, second := certificate(), certificate()
	current.Store(&first)
	over := serverTLS()
	over.Config.Certificates = nil
	over.Config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }
	server := serve(t, onTCP4, &reactor.Callbacks{Message: echo}, reactor.WithTLS(over), reactor.WithThreads(2))
	done := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				current.Store([]*tls.Certificate{&first, &second}[i%2])
				time.Sleep(100 * time.Microsecond) // not a wait: a pace
			}
		}
	})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for i := range 20 {
				raw, err := net.Dial("tcp", server.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				_ = raw.SetDeadline(time.Now().Add(patience))
				conn := tls.Client(raw, clientConfig())
				text := noise(1+i*1000, uint64(i))
				go func() { _, _ = conn.Write(text) }()
				got := make([]byte, len(text))
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != string(text) {
					t.Errorf("%v, %s", err, difference(got, text))
				}
				_ = conn.Close()
			}
		})
	}
	clients.Wait()
	close(done)
	reloads.Wait()
	if n := over.Stats.Handshakes.Load(); n != 160 {
		t.Errorf("%d handshakes", n)
	}
}

// TestTLSLeaves: a connection that closes at once says so to a client over TLS.
func TestTLSLeaves(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		server := serve(t, where, &reactor.Callbacks{Connection: life.connection, Message: echo})
		client := dial(t, server.Addr())
		write(t, client, "hello")
		expect(t, client, "hello")
		c := receive(t, life.up, "the connection")
		inLoop(t, c.Loop(), c.Leave)
		expectEnd(t, client, nil)
		if err := receive(t, life.down, "the end"); err != nil {
			t.Error(err)
		}
	})
}

// TestTLSTrickledRecord: a record that comes byte by byte does not keep a connection from
// being idle.
func TestTLSTrickledRecord(t *testing.T) {
	const idle = 60 * time.Millisecond
	fired := make(chan struct{}, 100)
	server := serve(t, onTLS, &reactor.Callbacks{
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			echo(c, in)
			c.SetIdleTimeout(idle)
		},
		Timeout: func(c *reactor.TcpConnection) { fired <- struct{}{}; c.ForceClose() },
	})
	conn := dial(t, server.Addr()).(*tls.Conn)
	write(t, conn, "hello")
	expect(t, conn, "hello")
	raw := conn.NetConn()
	_, err := raw.Write([]byte{dataRecord, 3, 3, 0x40, 0})
	must(t, err)
	ticker := time.NewTicker(idle / 6)
	defer ticker.Stop()
	for range 100 {
		select {
		case <-ticker.C:
			_, _ = raw.Write([]byte("x")) // which fails once the connection is closed
		case <-fired:
			return
		}
	}
	t.Error("no Timeout")
}

// TestTLSHandshakeIsActivity: a client that takes longer for its part of the handshake than the
// idle timeout is not idle when the connection begins.
func TestTLSHandshakeIsActivity(t *testing.T) {
	active := make(chan [2]time.Duration, 1)
	server := serve(t, onTLS, &reactor.Callbacks{Connection: func(c *reactor.TcpConnection) {
		if c.Connected() {
			active <- [2]time.Duration{c.LastActive(), c.Loop().Now()}
		}
	}})
	held := &heldConn{Conn: dialPlain(t, server.Addr()), at: make(chan struct{}), on: make(chan struct{})}
	done := make(chan error, 1)
	conn := tls.Client(held, clientConfig())
	go func() { done <- conn.Handshake() }()
	receive(t, held.at, "the client's last message")
	var sent time.Duration // when the server's part was over, at the latest
	inLoop(t, server.loop, func() { sent = server.loop.Now() })
	close(held.on)
	must(t, receive(t, done, "the end of the handshake"))
	if got := receive(t, active, "the connection"); got[0] < sent || got[0] != got[1] {
		t.Errorf("last active at %v, when it is %v", got[0], got[1])
	}
}

// heldConn holds what is written second.
type heldConn struct {
	net.Conn
	writes int
	at, on chan struct{}
}

func (h *heldConn) Write(p []byte) (int, error) {
	if h.writes++; h.writes == 2 {
		close(h.at)
		<-h.on
	}
	return h.Conn.Write(p)
}
