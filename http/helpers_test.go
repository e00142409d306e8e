package http

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// patience bounds every wait of these tests. It passes only when something is broken.
const patience = 20 * time.Second

// serve starts s on a port of its own and returns its address; the end of the test shuts it down.
func serve(t testing.TB, s *Server) string {
	t.Helper()
	if s.Logger == nil {
		s.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	listen := s.Listen
	if overTLS {
		s.TLS, listen = &reactor.TLS{Config: &tls.Config{Certificates: []tls.Certificate{testCertificate()}}}, s.ListenTLS
	}
	addr, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	startServer(t, s)
	return addr.String()
}

// overTLS has serve and dial speak TLS: see TestMain.
var overTLS bool

var testCertificate = sync.OnceValue(func() tls.Certificate {
	cert, _, _ := makeCertificate("localhost")
	return cert
})

// startServer starts s, and shuts it down at the end of the test.
func startServer(t testing.TB, s *Server) {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, ErrServerClosed) {
			t.Errorf("shutdown: %v", err)
		}
	})
}

// peer is a client's connection.
type peer interface {
	net.Conn
	CloseWrite() error
}

// dial connects to a server that serve has started.
func dial(t testing.TB, addr string) peer {
	t.Helper()
	c := dialPlain(t, addr)
	if overTLS {
		return tls.Client(c, trusting(testCertificate()))
	}
	return c
}

// tcpOf is the TCP below a connection that dial has made.
func tcpOf(c peer) *net.TCPConn {
	if over, ok := c.(*tls.Conn); ok {
		return over.NetConn().(*net.TCPConn)
	}
	return c.(*net.TCPConn)
}

func dialPlain(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func send(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// answer reads one response.
func answer(t testing.TB, r *bufio.Reader, method string) (*nethttp.Response, string) {
	t.Helper()
	res, err := nethttp.ReadResponse(r, &nethttp.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// closes wants the stream to end here, without a reset.
func closes(t testing.TB, r io.Reader) {
	t.Helper()
	rest, err := io.ReadAll(r)
	if err != nil || len(rest) > 0 {
		t.Fatalf("want the end of the stream, have %q, %v", rest, err)
	}
}

// echo answers with what it understood of the request.
func echo(c *Ctx) error {
	if c.Path() == "/panic" {
		panic("as the client asked")
	}
	return c.Text(200, fmt.Sprintf("%s %s %s", c.Method(), c.Path(), must(c.PeekBody())))
}

// must is for what cannot fail where it stands.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// until waits for a condition that no event tells of.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// repeated reads as its text over and over.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		k := copy(p[n:], r.text[r.at:])
		n, r.at = n+k, (r.at+k)%len(r.text)
	}
	return n, nil
}

// drip sends text a byte at a time, for ever or until the connection is lost.
func drip(c net.Conn, text string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r := (&repeated{text: text}); ; <-tick.C {
		var b [1]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return
		}
		if _, err := c.Write(b[:]); err != nil {
			return
		}
	}
}
