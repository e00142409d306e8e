package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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

// INPUTS, load: 9 MiB of pipelined GETs on one connection, and nobody reads the answers. The server must stop reading the
// socket and hold next to nothing, and go on where it stopped once the client reads.
func TestPipelinedFlood(t *testing.T) {
	var handled atomic.Int64
	page := strings.Repeat("p", 200)
	addr := serve(t, &Server{Loops: 1, Handler: func(c *Ctx) error { handled.Add(1); return c.Text(200, page) }})
	const request = "GET /flood HTTP/1.1\r\nHost: h\r\n\r\n"
	count := 9 << 20 / len(request)
	c := dial(t, addr)
	before := heapInUse()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, io.LimitReader(&repeated{text: request}, int64(count*len(request))))
		sent <- err
	}()
	// The flood has come to rest when no request was handled for a while; the kernel's buffers are full then.
	last, since := int64(-1), time.Now()
	until(t, "the server to stop reading", func() bool {
		if n := handled.Load(); n != last {
			last, since = n, time.Now()
		}
		return last > 0 && time.Since(since) > 300*time.Millisecond
	})
	if last == int64(count) {
		t.Fatal("all requests were handled although nobody read an answer")
	}
	if grown := heapInUse() - before; grown > 2<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	// All answers are equally long, whatever their Date.
	r := bufio.NewReaderSize(c, 64<<10)
	some, err := r.Peek(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, strings.Index(string(some), page)+len(page))
	for i := range count {
		if _, err := io.ReadFull(r, one); err != nil || string(one[:17]) != "HTTP/1.1 200 OK\r\n" || !strings.HasSuffix(string(one), page) {
			t.Fatalf("answer %d: %v %q", i, err, one)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
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

// INPUTS, load: 20,000 headers. The client can read its 431 although it is still sending.
func TestManyHeaders(t *testing.T) {
	addr := serve(t, &Server{Handler: echo})
	c := dial(t, addr)
	send(t, c, "GET / HTTP/1.1\r\nHost: h\r\n"+strings.Repeat("X: y\r\n", 20000)+"\r\n")
	r := bufio.NewReader(c)
	if res, _ := answer(t, r, "GET"); res.StatusCode != 431 {
		t.Error(res.StatusCode)
	}
	closes(t, r)
}

// A limit on a body that is exceeded while the client is still sending it.
func TestBodyOverTheLimitIsAnswered(t *testing.T) {
	addr := serve(t, &Server{Handler: echo, Limits: Limits{MaxBody: 1000}})
	for _, in := range []string{
		post("Content-Length: 3000000", strings.Repeat("b", 3000000)),
		chunkedPost(strings.Repeat("64\r\n"+strings.Repeat("c", 100)+"\r\n", 30000)),
	} {
		c := dial(t, addr)
		go io.WriteString(c, in) // an error is the server's right: it has answered
		r := bufio.NewReader(c)
		if res, _ := answer(t, r, "POST"); res.StatusCode != 413 || !res.Close {
			t.Error(res.StatusCode)
		}
		c.Close()
	}
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

// A head has to be whole in time, however busily it trickles in.
func TestSlowHeader(t *testing.T) {
	addr := serve(t, &Server{Handler: echo, HeaderTimeout: 100 * time.Millisecond})
	for _, ahead := range []string{"", goodRequest} {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, ahead+"GET / HTTP/1.1\r\nHost: h\r\n")
		if ahead != "" {
			answer(t, r, "GET")
		}
		go drip(c, "X: y\r\n")
		if res, _ := answer(t, r, "GET"); res.StatusCode != 408 || !res.Close {
			t.Errorf("%d, close %v", res.StatusCode, res.Close)
		}
		closes(t, r)
		c.Close()
	}
}

func TestSlowBody(t *testing.T) {
	t.Run("stands still", func(t *testing.T) {
		addr := serve(t, &Server{Handler: echo, BodyTimeout: 100 * time.Millisecond})
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, post("Content-Length: 5", "hell"))
		if res, _ := answer(t, r, "POST"); res.StatusCode != 408 || !res.Close {
			t.Errorf("%d, close %v", res.StatusCode, res.Close)
		}
		closes(t, r)
	})
	t.Run("trickles", func(t *testing.T) {
		addr := serve(t, &Server{Handler: echo, BodyTimeout: 100 * time.Millisecond, MinBodyRate: 1 << 20})
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, post("Transfer-Encoding: chunked", ""))
		go drip(c, "1\r\nx\r\n")
		if res, _ := answer(t, r, "POST"); res.StatusCode != 408 {
			t.Error(res.StatusCode)
		}
		closes(t, r)
		c.Close()
	})
	t.Run("slow enough", func(t *testing.T) {
		times := (&Server{}).timeouts()
		start, now := time.Minute, 2*time.Minute
		if got := times.bodyDeadline(now, start, 0); got != start+times.body {
			t.Errorf("nothing has come: %v", got)
		}
		if got := times.bodyDeadline(now, start, 100*240); got != now+times.body {
			t.Errorf("enough has come: %v", got)
		}
	})
}

// Nothing is said to a connection that waits for a request: it is closed.
func TestIdleTimeout(t *testing.T) {
	addr := serve(t, &Server{Handler: echo, IdleTimeout: 100 * time.Millisecond})
	closes(t, dial(t, addr))
	c := dial(t, addr)
	r := bufio.NewReader(c)
	start := time.Now()
	for time.Since(start) < 300*time.Millisecond { // a busy connection outlives the timeout
		send(t, c, goodRequest)
		if _, body := answer(t, r, "GET"); body != "GET /good " {
			t.Fatal(body)
		}
	}
	closes(t, r)
}

// A client that takes nothing of its answer is cut off; one that takes it slowly is not.
func TestSlowReader(t *testing.T) {
	big := make([]byte, 24<<20)
	s := &Server{WriteTimeout: 400 * time.Millisecond, Handler: func(c *Ctx) error {
		// What the kernel holds does not count as taken, so it must not hold much.
		if err := unix.SetsockoptInt(c.conn.tcp.Socket().FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10); err != nil {
			t.Error(err)
		}
		return c.Blob(200, "x/y", big)
	}}
	addr := serve(t, s)
	stuck := dial(t, addr)
	send(t, stuck, goodRequest)
	until(t, "the connection that reads nothing to be cut", func() bool { return s.ConnectionCount() == 0 })

	slow := dial(t, addr)
	if err := slow.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	send(t, slow, goodRequest+goodRequest)
	buf, start := make([]byte, 256<<10), time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Since(start) < 1200*time.Millisecond { // three times the timeout
		<-tick.C
		if _, err := slow.Read(buf); err != nil {
			t.Fatalf("a slow reader was cut off after %v: %v", time.Since(start), err)
		}
	}
}

// A client that resets the connection in the middle of an answer harms nobody else, and the file is closed.
func TestResetMidAnswer(t *testing.T) {
	path := sparse(t, 64<<20)
	closed := make(chan string, 1)
	s := &Server{Handler: func(c *Ctx) error {
		if c.Path() != "/file" {
			return echo(c)
		}
		return c.SendFile(200, open(t, path, closed), 0, 64<<20)
	}}
	addr := serve(t, s)
	c := dial(t, addr)
	send(t, c, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-closed
	until(t, "the connection to be gone", func() bool { return s.ConnectionCount() == 0 })
	next := dial(t, addr)
	send(t, next, goodRequest)
	if _, body := answer(t, bufio.NewReader(next), "GET"); body != "GET /good " {
		t.Error(body)
	}
}

func sparse(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("begin"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// watched is a file that tells when it is closed.
type watched struct {
	*os.File
	closed chan string
}

func (w *watched) Close() error {
	err := w.File.Close()
	w.closed <- w.Name()
	return err
}

func open(t *testing.T, path string, closed chan string) *watched {
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
	}
	return &watched{f, closed}
}

func TestSendFile(t *testing.T) {
	const size = 3 << 20
	path := sparse(t, size)
	closed := make(chan string, 8)
	addr := serve(t, &Server{Handler: func(c *Ctx) error {
		switch c.Path() {
		case "/all":
			return c.SendFile(200, open(t, path, closed), 0, size)
		case "/part":
			return errors.Join(c.SetHeader("Content-Type", "x/y"), c.SendFile(206, open(t, path, closed), 1, 4))
		case "/empty":
			return c.SendFile(200, open(t, path, closed), 0, 0)
		case "/short":
			return c.SendFile(200, open(t, path, closed), 0, size+1)
		case "/negative":
			return c.SendFile(200, open(t, path, closed), -1, 4)
		case "/twice":
			if err := errors.Join(c.Text(200, "text"), c.SendFile(200, open(t, path, closed), 0, 4)); !errors.Is(err, ErrWritten) {
				t.Error(err)
			}
			return nil
		}
		return echo(c)
	}})
	c := dial(t, addr)
	r := bufio.NewReaderSize(c, 1<<20)
	ask := func(method, path string) { send(t, c, method+" "+path+" HTTP/1.1\r\nHost: h\r\n\r\n") }
	// All at once: a file that is on its way keeps what follows in its order.
	ask("GET", "/all")
	ask("GET", "/text")
	ask("HEAD", "/all")
	ask("GET", "/part")
	ask("GET", "/empty")
	ask("GET", "/negative")
	ask("GET", "/twice")
	if res, body := answer(t, r, "GET"); len(body) != size || !strings.HasPrefix(body, "begin") || res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("all: %d bytes, %v", len(body), res.Header)
	}
	if _, body := answer(t, r, "GET"); body != "GET /text " {
		t.Errorf("text: %q", body)
	}
	if res, body := answer(t, r, "HEAD"); res.ContentLength != size || body != "" {
		t.Errorf("HEAD: %+v", res)
	}
	if res, body := answer(t, r, "GET"); res.StatusCode != 206 || body != "egin" || res.Header.Get("Content-Type") != "x/y" {
		t.Errorf("part: %+v %q", res, body)
	}
	if res, body := answer(t, r, "GET"); res.StatusCode != 200 || body != "" {
		t.Errorf("empty: %+v %q", res, body)
	}
	if res, _ := answer(t, r, "GET"); res.StatusCode != 500 {
		t.Errorf("negative: %+v", res)
	}
	if _, body := answer(t, r, "GET"); body != "text" {
		t.Errorf("twice: %q", body)
	}
	ask("GET", "/short")
	if n, err := io.Copy(io.Discard, r); err != nil || n < size || n > size+1000 {
		t.Errorf("short: %d bytes, %v", n, err) // the stream ends before the promised length
	}
	for range 7 {
		<-closed
	}
}

// Shutdown closes idle connections, has requests that have begun answered, and tells those clients that it was the last.
func TestShutdownFinishesRequests(t *testing.T) {
	s := &Server{Handler: echo, Loops: 2}
	addr := serve(t, s)
	idle, used, head, body := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	usedReader := bufio.NewReader(used)
	send(t, used, goodRequest)
	answer(t, usedReader, "GET")
	send(t, head, goodRequest+"GET /head HTTP/1.1\r\n")
	headReader := bufio.NewReader(head)
	answer(t, headReader, "GET")
	send(t, body, goodRequest+post("Content-Length: 5", "he"))
	bodyReader := bufio.NewReader(body)
	answer(t, bodyReader, "GET")

	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- s.Shutdown(ctx)
	}()
	closes(t, idle)
	closes(t, usedReader)
	send(t, head, "Host: h\r\n\r\n"+goodRequest) // the one behind it is not answered any more
	send(t, body, "llo")
	if res, text := answer(t, headReader, "GET"); text != "GET /head " || !res.Close {
		t.Errorf("head in flight: %q, close %v", text, res.Close)
	}
	closes(t, headReader)
	if res, text := answer(t, bodyReader, "POST"); text != "POST / hello" || !res.Close {
		t.Errorf("body in flight: %q, close %v", text, res.Close)
	}
	closes(t, bodyReader)
	for _, c := range []net.Conn{idle, used, head, body} {
		c.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the server still listens")
	}
	if err := s.Shutdown(context.Background()); !errors.Is(err, ErrServerClosed) {
		t.Errorf("second Shutdown: %v", err)
	}
}

// A request that never becomes whole, and a handler that never returns, do not keep Shutdown for ever.
func TestShutdownEnds(t *testing.T) {
	release, running := make(chan struct{}), make(chan struct{})
	s := &Server{Loops: 2, Handler: func(c *Ctx) error {
		if c.Path() == "/stuck" {
			close(running)
			<-release
		}
		return nil
	}}
	addr := serve(t, s)
	half := dial(t, addr)
	send(t, half, "GET / HTTP/1.1\r\n")
	stuck := dial(t, addr)
	send(t, stuck, "GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
	<-running
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(release)
}

// Many clients at once, on several loops, each with its own answers.
func TestManyClients(t *testing.T) {
	addr := serve(t, &Server{Handler: echo, Loops: 3})
	var wg sync.WaitGroup
	for i := range 64 {
		c := dial(t, addr)
		wg.Go(func() {
			r := bufio.NewReader(c)
			for j := range 50 {
				body := strings.Repeat(fmt.Sprint(i, j), j*20)
				if _, err := fmt.Fprintf(c, "PUT /%d/%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", i, j, len(body), body); err != nil {
					t.Error(err)
					return
				}
				if _, got := answer(t, r, "PUT"); got != fmt.Sprintf("PUT /%d/%d %s", i, j, body) {
					t.Errorf("client %d, request %d: %q", i, j, got)
					return
				}
			}
		})
	}
	wg.Wait()
}
