package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"runtime"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// until waits for a condition that no event tells of.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// stalled waits until a writer that is slowed down has got no byte further for a while, and returns how far it has come.
func stalled(t *testing.T, progress func() int64) int64 {
	t.Helper()
	last, since := progress(), time.Now()
	until(t, "the writer stalls", func() bool {
		if now := progress(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 200*time.Millisecond
	})
	return last
}

// bound is how much of a body may lie between two ends of which one does not read: the kernel's buffers are most of it.
const bound = 24 << 20

// A client that does not read must slow the upstream down, and one that goes on must get every byte.
func TestSlowClientSlowsTheUpstream(t *testing.T) {
	const size = 64 << 20
	sent := make(chan int64, 1<<16)
	addr := front(t, scripted(t, func(c net.Conn, r *bufio.Reader) {
		defer close(sent)
		if _, err := nethttp.ReadRequest(r); err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		piece := make([]byte, 64<<10)
		for n := int64(0); n < size; {
			k, err := c.Write(piece)
			if n += int64(k); err != nil {
				return
			}
			sent <- n
		}
	}))
	c := dial(t, addr)
	before := heap()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
	var at int64
	progress := func() int64 {
		for {
			select {
			case n, ok := <-sent:
				if !ok {
					return at
				}
				at = n
			default:
				return at
			}
		}
	}
	if n := stalled(t, progress); n > bound {
		t.Errorf("the upstream could send %d MiB to a client that reads nothing", n>>20)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d KiB are held", grown>>10)
	}
	res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// The same the other way round.
func TestSlowUpstreamSlowsTheClient(t *testing.T) {
	const size = 64 << 20
	goOn := make(chan struct{})
	addr := front(t, scripted(t, func(c net.Conn, r *bufio.Reader) {
		req, err := nethttp.ReadRequest(r)
		if err != nil {
			return
		}
		<-goOn
		n, err := io.Copy(io.Discard, req.Body)
		text := fmt.Sprintf("%d %v", n, err)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	}))
	c := dial(t, addr)
	before := heap()
	sent := make(chan int64, 1<<16)
	go func() {
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size)
		piece := make([]byte, 64<<10)
		for n := int64(0); n < size; {
			k, err := c.Write(piece)
			if n += int64(k); err != nil {
				break
			}
			sent <- n
		}
		close(sent)
	}()
	var at int64
	progress := func() int64 {
		for {
			select {
			case n, ok := <-sent:
				if !ok {
					return at
				}
				at = n
			default:
				return at
			}
		}
	}
	if n := stalled(t, progress); n > bound {
		t.Errorf("the client could send %d MiB to an upstream that reads nothing", n>>20)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d KiB are held", grown>>10)
	}
	close(goOn)
	res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
	if got := body(t, res, err); got != fmt.Sprintf("%d <nil>", size) {
		t.Errorf("the upstream got %s", got)
	}
	for range sent { // up to its end
	}
}

// A client that leaves takes its upstream connection along, so that work for nobody ends.
func TestClientThatLeaves(t *testing.T) {
	ended := make(chan error, 1)
	asked := make(chan struct{})
	addr := front(t, scripted(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = nethttp.ReadRequest(r)
		close(asked)
		_, err := r.ReadByte()
		ended <- err
	}))
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: s\r\n\r\n")
	<-asked
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-ended; err == nil {
		t.Error("a byte came")
	}
}

// A client that ends its side behind its request is still answered.
func TestClientThatHalfCloses(t *testing.T) {
	addr := front(t, scripted(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = nethttp.ReadRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}))
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: s\r\n\r\n")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
	if got := body(t, res, err); got != "ok" {
		t.Errorf("got %q", got)
	}
}

// Middleware around a proxy sees what it sends, and a limit that it sets holds.
func TestMiddlewareAroundTheProxy(t *testing.T) {
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		io.WriteString(w, "seven77")
	})
	logged := make(chan string, 10)
	app := http.New()
	app.Use(func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			c.After(func(c *http.Ctx) { logged <- fmt.Sprintf("%s %d %d", c.Method(), c.StatusCode(), c.BytesSent()) })
			if err := c.SetHeader("X-Outer", "1"); err != nil {
				return err
			}
			if err := c.LimitBody(10); err != nil {
				return err
			}
			return next(c)
		}
	})
	mount(app, up.URL)
	addr := run(t, app)
	cl := client(t)
	res, err := cl.Get("http://" + addr)
	if got := body(t, res, err); got != "seven77" || res.Header.Get("X-Outer") != "1" {
		t.Errorf("%q %v", got, res.Header)
	}
	if got := <-logged; got != "GET 200 7" {
		t.Errorf("logged %q", got)
	}
	res, err = cl.Post("http://"+addr, "text/plain", io.MultiReader(io.LimitReader(zeros{}, 100))) // chunked
	if body(t, res, err); res.StatusCode != 413 {
		t.Errorf("status %d", res.StatusCode)
	}
	<-logged
}
