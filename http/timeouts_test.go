package http

import (
	"bufio"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
