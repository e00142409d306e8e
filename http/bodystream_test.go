package http

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// summed counts and hashes what passes.
type summed struct {
	n atomic.Int64
	h hash.Hash
}

func (s *summed) Write(p []byte) (int, error) {
	s.h.Write(p)
	s.n.Add(int64(len(p)))
	return len(p), nil
}

func (s *summed) String() string { return fmt.Sprintf("%d %x", s.n.Load(), s.h.Sum(nil)) }

func newSummed() *summed { return &summed{h: sha256.New()} }

// noise reads as bytes of which no part is like another.
func noise() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// chunks writes each Write as a chunk.
type chunks struct{ w io.Writer }

func (c chunks) Write(p []byte) (int, error) {
	_, err := fmt.Fprintf(c.w, "%x\r\n%s\r\n", len(p), p)
	return len(p), err
}

// sendBody posts size bytes of noise to path, chunked or not, and returns their sum once they are sent.
func sendBody(c net.Conn, path string, size int64, chunked bool) (sum *summed, sent chan error) {
	sum, sent = newSummed(), make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(c, 64<<10)
		var body io.Writer = w
		if chunked {
			fmt.Fprintf(w, "POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", path)
			body = chunks{w}
		} else {
			fmt.Fprintf(w, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", path, size)
		}
		_, err := io.CopyBuffer(io.MultiWriter(body, sum), io.LimitReader(noise(), size), make([]byte, 20011))
		if chunked {
			io.WriteString(w, "0\r\n\r\n")
		}
		sent <- errors.Join(err, w.Flush())
	}()
	return sum, sent
}

// underRaceLess is size, or a quarter where every access is watched.
func underRaceLess(size int64) int64 {
	if underRace() {
		return size / 4
	}
	return size
}

// A client that sends faster than the handler reads is slowed down; what it sends is kept, once it is read.
func TestStreamedBodyIsHeldBack(t *testing.T) {
	size := underRaceLess(64 << 20)
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprint("chunked ", chunked), func(t *testing.T) {
			release := make(chan struct{})
			app := New()
			app.Post("/sum", func(c *Ctx) error {
				<-release
				sum := newSummed()
				if _, err := io.Copy(sum, c.BodyReader()); err != nil {
					return err
				}
				return c.Text(200, sum.String())
			}, StreamBody, MaxBody(size))
			c := dial(t, serveApp(t, app))
			before := heapInUse()
			sum, sent := sendBody(c, "/sum", size, chunked)
			last, since := int64(-1), time.Now()
			until(t, "the client to be held back", func() bool {
				if n := sum.n.Load(); n != last {
					last, since = n, time.Now()
				}
				return last > 0 && time.Since(since) > 200*time.Millisecond
			})
			if last == size {
				t.Error("all of it was taken, and nobody has read")
			}
			if grown := heapInUse() - before; grown > 2<<20 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
			close(release)
			r := bufio.NewReader(c)
			res, body := answer(t, r, "POST")
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if body != sum.String() || res.Close {
				t.Errorf("%q, want %q", body, sum)
			}
			send(t, c, goodRequest)
			if res, _ := answer(t, r, "GET"); res.StatusCode != 404 {
				t.Errorf("behind it: %d", res.StatusCode)
			}
		})
	}
}

// A handler may answer while it reads, however long that goes on.
func TestFullDuplex(t *testing.T) {
	size := underRaceLess(100 << 20)
	app := New()
	app.Post("/echo", func(c *Ctx) error {
		return c.Stream(200, "x/y", func(s *Stream) error {
			if err := s.Flush(); err != nil {
				return err
			}
			_, err := io.Copy(s, c.BodyReader())
			return err
		})
	}, StreamBody, MaxBody(size))
	addr := serveApp(t, app)
	c := dial(t, addr)
	want, sent := sendBody(c, "/echo", size, true)
	res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := newSummed()
	if _, err := io.Copy(got, res.Body); err != nil {
		t.Fatalf("behind %d bytes: %v", got.n.Load(), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("%s, want %s", got, want)
	}
}

// bodies are handlers that treat their body in different ways.
func bodies() *App {
	app := quiet(New())
	app.Get("/good", echo)
	app.Post("/read", func(c *Ctx) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		return c.Text(200, string(body))
	}, StreamBody, MaxBody(1<<20))
	app.Post("/ignore", func(c *Ctx) error { return c.Text(200, "ignored") }, StreamBody, MaxBody(1<<20))
	app.Post("/limited", func(c *Ctx) error {
		if err := c.LimitBody(10); err != nil {
			return err
		}
		_, err := c.Body()
		return err
	}, StreamBody, MaxBody(1<<20))
	app.Post("/trailers", func(c *Ctx) error {
		body, err := io.ReadAll(c.BodyReader())
		if err != nil {
			return err
		}
		if n, err := c.BodyReader().Read(make([]byte, 1)); n != 0 || err != io.EOF {
			return fmt.Errorf("behind the end: %d, %w", n, err)
		}
		for name, value := range c.Trailers() {
			body = fmt.Appendf(body, " %s=%s", name, value)
		}
		return c.Text(200, string(body))
	}, StreamBody)
	app.Handle("POST /net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			nethttp.Error(w, err.Error(), 400)
		}
	}), MaxBody(1<<20))
	return app
}

// What is wrong with a body that is being read is told to its reader, and ends the connection, of which the answer tells.
func TestStreamedBodiesThatAreRefused(t *testing.T) {
	addr := serveApp(t, bodies())
	long := strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 17)
	for _, tc := range []struct {
		name, path, in string
		code           int
	}{
		{"malformed in the middle", "/read", "2\r\nok\r\n+2\r\nno\r\n0\r\n\r\n", 400},
		{"malformed trailers", "/read", "2\r\nok\r\n0\r\nHost: evil\r\n\r\n", 400},
		{"malformed, net/http", "/net", "2\r\nok\r\n+2\r\nno\r\n0\r\n\r\n", 400},
		{"too large", "/read", long, 413},
		{"too large for a lower limit", "/limited", "b\r\n12345678901\r\n" + long, 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, addr)
			r := bufio.NewReader(c)
			go io.WriteString(c, "POST "+tc.path+" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"+tc.in)
			res, body := answer(t, r, "POST")
			if res.StatusCode != tc.code || !res.Close && tc.path != "/limited" {
				t.Errorf("%d, close %v, %q; want %d", res.StatusCode, res.Close, body, tc.code)
			}
			closes(t, r)
			c.Close()
			next := dial(t, addr)
			send(t, next, goodRequest)
			if _, body := answer(t, bufio.NewReader(next), "GET"); body != "GET /good " {
				t.Errorf("the next connection: %q", body)
			}
		})
	}
}

// A body that its handler does not read is skipped up to a bound; beyond, or where the client still waits to be asked for it,
// the connection ends.
func TestBodyThatIsNotRead(t *testing.T) {
	addr := serveApp(t, bodies())
	for _, tc := range []struct {
		name, lines string
		size        int
		stays       bool
	}{
		{"small", "Content-Length: 10", 10, true},
		{"up to the bound", "Content-Length: 262144", 256 << 10, true},
		{"over the bound", "Content-Length: 600000", 600000, false},
		{"chunked", "Transfer-Encoding: chunked", 200 << 10, true},
		{"chunked, over the bound", "Transfer-Encoding: chunked", 600000, false},
		{"not asked for", "Expect: 100-continue\r\nContent-Length: 10", 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, addr)
			r := bufio.NewReader(c)
			send(t, c, "POST /ignore HTTP/1.1\r\nHost: h\r\n"+tc.lines+"\r\n\r\n")
			// The answer comes first: the body is what is left.
			if res, body := answer(t, r, "POST"); body != "ignored" || res.Close == tc.stays && tc.lines[0] != 'T' {
				t.Fatalf("%q, close %v", body, res.Close)
			}
			body := strings.Repeat("x", tc.size)
			if tc.lines[0] == 'T' {
				body = fmt.Sprintf("%x\r\n%s\r\n0\r\nX: y\r\n\r\n", tc.size, body)
			}
			if !tc.stays {
				go io.WriteString(c, body+goodRequest)
				closes(t, r)
				return
			}
			send(t, c, body+goodRequest)
			if _, body := answer(t, r, "GET"); body != "GET /good " {
				t.Errorf("behind it: %q", body)
			}
		})
	}
}

func TestTrailersOfStreamedBody(t *testing.T) {
	c := dial(t, serveApp(t, bodies()))
	r := bufio.NewReader(c)
	send(t, c, "POST /trailers HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: 1")
	send(t, c, "\r\nX-B: 2\r\n\r\n"+goodRequest)
	if _, body := answer(t, r, "POST"); body != "ok X-A=1 X-B=2" {
		t.Errorf("%q", body)
	}
	if _, body := answer(t, r, "GET"); body != "GET /good " {
		t.Errorf("behind it: %q", body)
	}
}

// A client that was to wait for 100 Continue and did not, and stops within its trailers: they are read once it goes on.
func TestTrailersThatWereNotAskedFor(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	app := New()
	app.Post("/", func(c *Ctx) error {
		close(entered)
		<-release
		body, err := c.Body()
		if err != nil {
			return err
		}
		return c.Text(200, string(body))
	}, StreamBody)
	app.Get("/seen", echo)
	addr := serveApp(t, app)
	c := dial(t, addr)
	send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
	<-entered
	send(t, c, "0\r\nX-A: ")
	app.Server.mustBeIdle(t, addr)
	close(release)
	r := bufio.NewReader(c)
	if res, _ := answer(t, r, "POST"); res.StatusCode != 100 {
		t.Fatal(res.StatusCode)
	}
	send(t, c, "1\r\n\r\n")
	if res, body := answer(t, r, "POST"); res.StatusCode != 200 || body != "" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// mustBeIdle returns when the server's loops have taken what had been sent to them before.
func (s *Server) mustBeIdle(t *testing.T, addr string) {
	for range 3 { // each is behind the reads of the round before
		for loop := range s.workers {
			done := make(chan struct{})
			if err := loop.QueueInLoop(func() { close(done) }); err != nil {
				t.Fatal(err)
			}
			<-done
		}
		c := dial(t, addr)
		send(t, c, goodRequest)
		answer(t, bufio.NewReader(c), "GET")
		c.Close()
	}
}

// A body that pauses while its handler waits for it is given up; one that is held back by its handler is not.
func TestBodyTimeoutOfStreams(t *testing.T) {
	const timeout = 100 * time.Millisecond
	app := bodies()
	app.Server.BodyTimeout = timeout
	app.Post("/late", func(c *Ctx) error {
		<-time.After(4 * timeout)
		sum := newSummed()
		if _, err := io.Copy(sum, c.BodyReader()); err != nil {
			return err
		}
		return c.Text(200, sum.String())
	}, StreamBody, MaxBody(16<<20))
	addr := serveApp(t, app)
	t.Run("the client's", func(t *testing.T) {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
		if res, body := answer(t, r, "POST"); res.StatusCode != 408 || !res.Close {
			t.Errorf("%d, close %v, %q", res.StatusCode, res.Close, body)
		}
		closes(t, r)
	})
	t.Run("the handler's", func(t *testing.T) {
		c := dial(t, addr)
		sum, sent := sendBody(c, "/late", 16<<20, false)
		if _, body := answer(t, bufio.NewReader(c), "POST"); body != sum.String() {
			t.Errorf("%q, want %q", body, sum)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
	t.Run("of what is skipped", func(t *testing.T) {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, "POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
		answer(t, r, "POST")
		closes(t, r)
	})
}

// A client that ends its stream within a body gets the handler's answer, and the connection ends at once.
func TestBodyThatEndsEarly(t *testing.T) {
	addr := serveApp(t, bodies())
	for _, in := range []string{"/read HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf", "/ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf",
		"/read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "/net HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf"} {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, "POST "+in)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if res, body := answer(t, r, "POST"); (res.StatusCode == 200) != strings.HasPrefix(in, "/ignore") {
			t.Errorf("%q: %d %q", in, res.StatusCode, body)
		}
		closes(t, r)
		c.Close()
	}
}
