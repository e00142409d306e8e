package reactor_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// splitter forwards between a client and addr a byte at a time, so that each end
// sees the other's records in pieces.
func splitter(tb testing.TB, addr reactor.InetAddress) net.Conn {
	tb.Helper()
	near, far := net.Pipe()
	server, err := net.Dial("tcp", addr.String())
	must(tb, err)
	check(tb, server.(*net.TCPConn).SetNoDelay(true))
	done := make(chan struct{}, 2)
	forward := func(to io.WriteCloser, from io.Reader) {
		defer func() { to.Close(); done <- struct{}{} }()
		one := make([]byte, 1)
		for {
			if _, err := io.ReadFull(from, one); err != nil {
				return
			}
			if _, err := to.Write(one); err != nil {
				return
			}
		}
	}
	go forward(server, far)
	go forward(far, server)
	tb.Cleanup(func() { near.Close(); <-done; <-done })
	check(tb, near.SetDeadline(time.Now().Add(patience)))
	return near
}

// TestTLSAtEveryByte: handshakes and requests that come a byte at a time, in both
// versions. It pins what crypto/tls does not document: that a temporary error of its
// connection does not stick.
func TestTLSAtEveryByte(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for _, blocking := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				over := serverTLS()
				over.Blocking = blocking
				server := serve(t, onTCP4, &reactor.Callbacks{Message: echo}, reactor.WithTLS(over))
				config := clientConfig()
				config.MaxVersion = version
				client := tls.Client(splitter(t, server.Addr()), config)
				must(t, client.Handshake())
				for _, text := range []string{"x", "hello", string(noise(3000, 1))} {
					write(t, client, text)
					expect(t, client, text)
				}
				check(t, client.Close())
				if n := over.Stats.Handshakes.Load(); n != 1 {
					t.Errorf("%d handshakes were counted", n)
				}
			})
		}
	}
}

// TestTLSRefuses: what is no TLS is answered where there is an answer, and ends; a
// fresh connection is served.
func TestTLSRefuses(t *testing.T) {
	over := serverTLS()
	failed := make(chan error, 10)
	over.Failed = func(_ reactor.InetAddress, err error) { failed <- err }
	over.Refuse = func(first []byte) []byte {
		if string(first) == "GET /" {
			return []byte("this is TLS")
		}
		return nil
	}
	server := serve(t, onTCP4, &reactor.Callbacks{Message: echo}, reactor.WithTLS(over))
	for _, c := range []struct{ sent, want string }{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "this is TLS"},
		{"\x16\x03\x01\x00\x05hello", "\x15\x03\x01\x00\x02\x02P"}, // internal_error, which is what crypto/tls says
		{"\x16\x03\x01\xff\xff", "\x15\x03\x01\x00\x02\x02\x16"},   // record_overflow
		{"\x17\x03\x03\x00\x01x", ""},                              // data before there is a key
	} {
		conn, err := net.Dial("tcp", server.Addr().String())
		must(t, err)
		write(t, conn, c.sent)
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != c.want {
			t.Errorf("%q was answered by %q, %v; want %q", c.sent, got, err, c.want)
		}
		conn.Close()
		if err := receive(t, failed, "the failure"); err == nil {
			t.Error("no error")
		}
	}
	if n := over.Stats.Failures.Load(); n != 4 {
		t.Errorf("%d failures were counted of 4", n)
	}
	conn, err := tls.Dial("tcp", server.Addr().String(), clientConfig())
	must(t, err)
	defer conn.Close()
	write(t, conn, "hello")
	expect(t, conn, "hello")
}

// TestTLSHandshakeTimesOut: one who says nothing, or too slowly, is cut off,
// unannounced.
func TestTLSHandshakeTimesOut(t *testing.T) {
	over := serverTLS()
	over.HandshakeTimeout = 50 * time.Millisecond
	failed := make(chan error, 10)
	over.Failed = func(_ reactor.InetAddress, err error) { failed <- err }
	server := serve(t, onTCP4, &reactor.Callbacks{Message: echo}, reactor.WithTLS(over))
	for range 2 {
		conn, err := net.Dial("tcp", server.Addr().String())
		must(t, err)
		defer conn.Close()
	}
	slow := dialPlain(t, server.Addr())
	write(t, slow, "\x16\x03\x01\x40\x00\x01")
	dripped := make(chan struct{})
	go func() {
		defer close(dripped)
		for {
			if _, err := slow.Write([]byte{0}); err != nil {
				return
			}
			time.Sleep(time.Millisecond) // not a wait: a pace
		}
	}()
	for range 3 {
		if err := receive(t, failed, "the failure"); !errors.Is(err, reactor.ErrTimeout) {
			t.Errorf("failed with %v", err)
		}
	}
	receive(t, dripped, "the end of the slow one")
	if n := over.Stats.Failures.Load(); n != 3 {
		t.Errorf("%d failures were counted of 3", n)
	}
	expectServedSoon(t, server)
}
