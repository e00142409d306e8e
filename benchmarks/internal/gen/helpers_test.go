package gen

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

func newEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// standard is net/http with what the jobs of the tests ask for.
func standard(t *testing.T, overTLS bool) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /plaintext", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, endpoint.Text) })
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})
	s := httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the load resets connections
	if overTLS {
		s.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// pretend serves connections by f until that returns, and then closes them.
func pretend(t *testing.T, f func(c net.Conn, in *bufio.Reader) error) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				_ = f(c, bufio.NewReader(c)) // the client leaves when it has seen enough
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// answering sends those bytes for each request; "" ends the connection.
func answering(bytes string) func(net.Conn, *bufio.Reader) error {
	return func(c net.Conn, in *bufio.Reader) error {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return err
			}
			if bytes == "" {
				return nil
			}
			if _, err := io.WriteString(c, bytes); err != nil {
				return err
			}
		}
	}
}

// conversing is a WebSocket server that answers pings and, to messages, what f says;
// nil ends the connection.
func conversing(f func(message string) []byte) func(net.Conn, *bufio.Reader) error {
	return func(c net.Conn, in *bufio.Reader) error {
		r, err := http.ReadRequest(in)
		if err != nil {
			return err
		}
		if r.Header.Get("Sec-WebSocket-Key") != handshakeKey {
			return errors.New("another key")
		}
		if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"); err != nil {
			return err
		}
		for {
			op, p, err := readMasked(in)
			if err != nil {
				return err
			}
			answer := append(appendHead(nil, opPong, len(p), 0), p...)
			if op == opPong {
				continue
			}
			if op != opPing {
				answer = f(string(p))
			}
			if answer == nil {
				return nil
			}
			if _, err := c.Write(answer); err != nil {
				return err
			}
		}
	}
}

// readMasked reads a frame of at most 125 bytes of payload.
func readMasked(in io.Reader) (op byte, p []byte, err error) {
	head := make([]byte, 6)
	if _, err := io.ReadFull(in, head); err != nil {
		return 0, nil, err
	}
	p = make([]byte, head[1]&127)
	if _, err := io.ReadFull(in, p); err != nil {
		return 0, nil, err
	}
	mask(p)
	return head[0] & 15, p, nil
}

func frame(op byte, p string) []byte { return append(appendHead(nil, op, len(p), 0), p...) }

// brief is the times of a job of a test.
func brief(j Job) Job {
	j.WarmUp, j.Time = 5*time.Millisecond, 40*time.Millisecond
	return j
}
