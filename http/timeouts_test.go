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

// bigAnswers serves answers of 8 MiB, of which the kernel holds little: what it holds does not count as taken.
func bigAnswers(t *testing.T, writeTimeout time.Duration) (*Server, string) {
	big := make([]byte, 8<<20)
	s := &Server{WriteTimeout: writeTimeout, Loops: 1, Handler: func(c *Ctx) error {
		if err := unix.SetsockoptInt(c.x.conn.tcp.Socket().FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10); err != nil {
			t.Error(err)
		}
		return c.Blob(200, "x/y", big)
	}}
	return s, serve(t, s)
}

// A client that takes nothing of its answer is cut off.
func TestStuckReader(t *testing.T) {
	s, addr := bigAnswers(t, 100*time.Millisecond)
	send(t, dial(t, addr), goodRequest)
	until(t, "the connection that reads nothing to be cut", func() bool { return s.ConnectionCount() == 0 })
}

// A client that takes its answer slowly, but does, is not.
func TestSlowReader(t *testing.T) {
	const timeout = time.Second
	_, addr := bigAnswers(t, timeout)
	for attempt := 1; ; attempt++ {
		taken, pause, err := readSlowly(t, addr, 2*timeout)
		if err == nil {
			return
		}
		// Where the machine has held this process up for as long, the client was not slow but gone: that proves nothing.
		if pause < timeout/2 || attempt == 5 {
			t.Fatalf("cut off after %d bytes; its longest pause was %v: %v", taken, pause, err)
		}
		t.Logf("once more: the client paused for %v", pause)
	}
}

// readSlowly requests two answers and reads 16 KiB of them every 5 ms for the time d, which is less than they hold. pause
// is the longest time from one read to the next.
func readSlowly(t *testing.T, addr string, d time.Duration) (taken int, pause time.Duration, err error) {
	c := dial(t, addr)
	defer c.Close()
	if err := c.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	send(t, c, goodRequest+goodRequest)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 16<<10)
	start := time.Now()
	for last := start; last.Sub(start) < d; {
		<-tick.C
		n, err := c.Read(buf)
		taken += n
		now := time.Now()
		pause, last = max(pause, now.Sub(last)), now
		if err != nil {
			return taken, pause, err
		}
	}
	return taken, pause, nil
}
