package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// large is an App that answers without end, and tells why each answer ended. What the kernel holds is little.
func large(t *testing.T, ended chan error) *App {
	app := quiet(New())
	piece := make([]byte, 64<<10)
	small := func(next Handler) Handler {
		return func(c *Ctx) error {
			if err := unix.SetsockoptInt(c.x.conn.tcp.Socket().FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10); err != nil {
				t.Error(err)
			}
			return next(c)
		}
	}
	app.Use(small)
	app.Get("/good", echo)
	app.Get("/stream", func(c *Ctx) error {
		return c.Stream(200, "x/y", func(s *Stream) error {
			for {
				if _, err := s.Write(piece); err != nil {
					ended <- err
					return err
				}
			}
		})
	})
	app.Get("/events", func(c *Ctx) error {
		return c.SSE(func(s *EventStream) error {
			for {
				if err := s.Send(Event{Data: string(piece)}); err != nil {
					ended <- err
					return err
				}
			}
		})
	})
	return app
}

// A client that takes less than the least rate is cut, wherever the answer comes from; one that takes more is not, however
// long that lasts.
func TestLeastWriteRate(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	for _, path := range []string{"/stream", "/events"} {
		ended := make(chan error, 1)
		app := large(t, ended)
		app.Server.WriteTimeout, app.Server.MinWriteRate = timeout, 4<<20
		c := dial(t, serveApp(t, app))
		if err := tcpOf(c).SetReadBuffer(32 << 10); err != nil {
			t.Fatal(err)
		}
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for b := make([]byte, 1<<10); ; <-tick.C { // a fifth of a MiB a second
				if _, err := c.Read(b); err != nil {
					return
				}
			}
		}()
		if err := <-ended; !errors.Is(err, ErrClientGone) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", path, err)
		}
		<-cut
	}
	ended := make(chan error, 1)
	app := large(t, ended)
	app.Server.WriteTimeout, app.Server.MinWriteRate = 5*timeout, 1<<10
	addr := serveApp(t, app)
	steadily(t, 5*timeout/2, func() (pause time.Duration, err error) {
		c := dial(t, addr)
		defer func() { c.Close(); <-ended }()
		send(t, c, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
		r := bufio.NewReader(c)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		start := time.Now()
		for last := start; last.Sub(start) < 8*timeout; <-tick.C {
			_, err := io.CopyN(io.Discard, r, 16<<10)
			now := time.Now()
			pause, last = max(pause, now.Sub(last)), now
			if err != nil {
				return pause, fmt.Errorf("an honest reader was cut: %w", err)
			}
		}
		return pause, nil
	})
}

// A peer that resets its connection, or vanishes without a word, within an answer ends its handler; a peer that sends nothing
// has its request's body given up.
func TestPeersThatVanish(t *testing.T) {
	for _, path := range []string{"/stream", "/events"} {
		ended := make(chan error, 2)
		app := large(t, ended)
		app.Server.WriteTimeout = 200 * time.Millisecond
		addr := serveApp(t, app)
		reset, silent := dial(t, addr), dial(t, addr)
		for _, c := range []peer{reset, silent} {
			send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
			if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tcpOf(reset).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		reset.Close()
		for range 2 {
			if err := <-ended; !errors.Is(err, ErrClientGone) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", path, err)
			}
		}
		until(t, "the connections to be gone", func() bool { return app.Server.ConnectionCount() == 0 })
	}
}

// A gathered body that stands still, or trickles, is given up before its handler on a goroutine would run.
func TestSlowBodyOfOffloadedHandler(t *testing.T) {
	app := New()
	app.Server.BodyTimeout, app.Server.MinBodyRate = 100*time.Millisecond, 1<<20
	app.Post("/", func(*Ctx) error { t.Error("the handler ran"); return nil })
	app.Get("/good", echo)
	addr := serveApp(t, app)
	for _, trickles := range []bool{false, true} {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, goodRequest+post("Content-Length: 100000", "x"))
		answer(t, r, "GET")
		if trickles {
			go drip(c, "x")
		}
		if res, _ := answer(t, r, "POST"); res.StatusCode != 408 || !res.Close {
			t.Errorf("%d, close %v", res.StatusCode, res.Close)
		}
		closes(t, r)
		c.Close()
	}
}

// A file that becomes shorter while it is sent tears its answer.
func TestFileTruncatedWhileItIsSent(t *testing.T) {
	const size = 32 << 20
	name := filepath.Join(t.TempDir(), "file")
	app := large(t, nil)
	app.Get("/file", func(c *Ctx) error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return c.SendFile(200, f, 0, size)
	})
	addr := serveApp(t, app)
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	c := dial(t, addr)
	send(t, c, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n"+goodRequest)
	res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<20); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("%d bytes were taken for all", n)
	}
	c.Close()
	next := dial(t, addr)
	send(t, next, goodRequest)
	if _, body := answer(t, bufio.NewReader(next), "GET"); body != "GET /good " {
		t.Errorf("the next connection: %q", body)
	}
}

// Connections beyond the bound are closed at once, and there is room again when others have gone.
func TestMostConnections(t *testing.T) {
	for _, s := range []*Server{{MaxConnections: 2}, {MaxConnectionsPerIP: 2}} {
		app := New()
		app.Server.MaxConnections, app.Server.MaxConnectionsPerIP = s.MaxConnections, s.MaxConnectionsPerIP
		app.Get("/good", echo)
		addr := serveApp(t, app)
		var kept []peer
		for range 2 {
			c := dial(t, addr)
			send(t, c, goodRequest)
			answer(t, bufio.NewReader(c), "GET")
			kept = append(kept, c)
		}
		refused := dial(t, addr)
		if n, err := refused.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("a third connection was served")
		}
		kept[0].Close()
		until(t, "room for another", func() bool {
			c := dial(t, addr)
			defer c.Close()
			if _, err := io.WriteString(c, goodRequest); err != nil {
				return false
			}
			_, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
			return err == nil
		})
	}
}

// The bounds are those of a server, however many addresses it listens on.
func TestMostConnectionsOverAllListeners(t *testing.T) {
	for _, s := range []*Server{{MaxConnections: 2}, {MaxConnectionsPerIP: 2}} {
		app := New()
		app.Server.MaxConnections, app.Server.MaxConnectionsPerIP = s.MaxConnections, s.MaxConnectionsPerIP
		app.Get("/good", echo)
		further := must(app.Listen("127.0.0.1:0")).String()
		addr := serveApp(t, app)
		for _, to := range []string{addr, further} {
			c := dial(t, to)
			send(t, c, goodRequest)
			answer(t, bufio.NewReader(c), "GET")
		}
		for _, to := range []string{addr, further} {
			if n, err := dial(t, to).Read(make([]byte, 1)); n > 0 || err == nil {
				t.Error("a third connection was served")
			}
		}
		if n := app.Server.ConnectionCount(); n != 2 {
			t.Errorf("%d connections", n)
		}
	}
}

// Many connections that rest behind a request for a handler on a goroutine hold little memory, and no goroutine.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const conns, each = 2000, 2500
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 2*conns+500 {
		t.Skipf("only %d files can be open", limit.Cur)
	}
	app := New()
	app.Get("/good", echo)
	app.Post("/good", echo, StreamBody)
	app.Server.Loops = 2
	addr := serveApp(t, app)
	before, goroutines := heapInUse(), runtime.NumGoroutine()
	all := make([]peer, conns)
	for i := range all {
		all[i] = dial(t, addr)
	}
	buf := make([]byte, 4<<10)
	request := []byte(goodRequest)
	upload := []byte("POST /good HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
	for i, c := range all {
		in := request
		if i%2 == 0 {
			in = upload
		}
		if _, err := c.Write(in); err != nil {
			t.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(buf[:n], []byte("/good ")) && !bytes.HasSuffix(buf[:n], []byte("hello")); {
			k, err := c.Read(buf[n:])
			if err != nil {
				t.Fatalf("%d: %v %q", i, err, buf[:n])
			}
			n += k
		}
	}
	// No two handlers ran at the same time, so a loop has kept one goroutine for the next at the most.
	until(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines+app.Server.Loops })
	if grown := heapInUse() - before; grown > conns*each {
		t.Errorf("%d bytes for each connection", grown/conns)
	} else {
		t.Logf("%d bytes for each connection", grown/conns)
	}
	for _, c := range all {
		c.Close()
	}
}

// INPUTS, load: 20,000 header lines, and a head that never ends, while a handler of the same connection is at work.
func TestManyHeadersBehindOffloadedRequest(t *testing.T) {
	release := make(chan struct{})
	app := New()
	app.Get("/good", func(c *Ctx) error { <-release; return echo(c) })
	addr := serveApp(t, app)
	c := dial(t, addr)
	go func() {
		_, _ = io.WriteString(c, goodRequest+"GET / HTTP/1.1\r\nHost: h\r\n"+strings.Repeat("X: y\r\n", 20000)+"\r\n")
	}()
	close(release)
	r := bufio.NewReader(c)
	if _, body := answer(t, r, "GET"); body != "GET /good " {
		t.Error(body)
	}
	if res, _ := answer(t, r, "GET"); res.StatusCode != 431 || !res.Close {
		t.Errorf("%d, close %v", res.StatusCode, res.Close)
	}
	closes(t, r)
}
