package http

import (
	"bufio"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// INPUTS, load: 9 MiB of pipelined GETs on one connection, and nobody reads the answers. The server must stop reading the
// socket and hold next to nothing, and go on where it stopped once the client reads.
func TestPipelinedFlood(t *testing.T) {
	var handled atomic.Int64
	page := strings.Repeat("p", 200)
	addr := serve(t, &Server{Loops: 1, Handler: func(c *Ctx) error { handled.Add(1); return c.Text(200, page) }})
	const request = "GET /flood HTTP/1.1\r\nHost: h\r\n\r\n"
	count := 9 << 20 / len(request)
	c := dial(t, addr)
	if err := c.SetDeadline(time.Now().Add(10 * patience)); err != nil {
		t.Fatal(err)
	}
	before := heapInUse()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, io.LimitReader(&repeated{text: request}, int64(count*len(request))))
		sent <- err
	}()
	// The flood has come to rest when no request was handled for a while; the kernel's buffers are full then.
	last := whenQuiet(t, &handled)
	if last == int64(count) {
		t.Fatal("all requests were handled although nobody read an answer")
	}
	if grown := heapInUse() - before; grown > 2<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	r := bufio.NewReaderSize(c, 64<<10)
	readPages(t, r, count, page)
	if err := <-sent; err != nil {
		t.Error(err)
	}
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

// whenQuiet returns how many requests were handled once that stands still, because nobody takes the answers.
func whenQuiet(t *testing.T, handled *atomic.Int64) int64 {
	t.Helper()
	last, since := int64(-1), time.Now()
	until(t, "the server to stop reading", func() bool {
		if n := handled.Load(); n != last {
			last, since = n, time.Now()
		}
		return last > 0 && time.Since(since) > 300*time.Millisecond
	})
	return last
}

// readPages reads count answers of 200 that are all alike: equally long, whatever their Date, and ending in page.
func readPages(t *testing.T, r *bufio.Reader, count int, page string) {
	t.Helper()
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
}
