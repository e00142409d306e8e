package http

import (
	"bufio"
	"fmt"
	"io"
	nethttp "net/http"
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

// Nothing is said to a connection that waits for a request: it is closed. A busy one outlives the timeout.
func TestIdleTimeout(t *testing.T) {
	const timeout = 200 * time.Millisecond
	addr := serve(t, &Server{Handler: echo, IdleTimeout: timeout})
	closes(t, dial(t, addr))
	steadily(t, timeout/2, func() (time.Duration, error) { return keepBusy(t, addr, 3*timeout) })
}

// keepBusy makes one request after the other for the time d, then none, and wants the connection closed then. pause is the
// longest time from one answer to the next.
func keepBusy(t *testing.T, addr string, d time.Duration) (pause time.Duration, err error) {
	c := dial(t, addr)
	defer c.Close()
	r := bufio.NewReader(c)
	start := time.Now()
	for last := start; last.Sub(start) < d; {
		var body []byte
		_, err := io.WriteString(c, goodRequest)
		if err == nil {
			var res *nethttp.Response
			if res, err = nethttp.ReadResponse(r, nil); err == nil {
				body, err = io.ReadAll(res.Body)
			}
		}
		now := time.Now()
		pause, last = max(pause, now.Sub(last)), now
		if err != nil {
			return pause, err
		}
		if string(body) != "GET /good " {
			t.Fatalf("%q", body)
		}
	}
	closes(t, r)
	return pause, nil
}

// steadily wants a try to succeed. One that fails proves nothing when the machine has held this process up for as long as
// most between two of its steps, as it then was not busy but gone: it is made once more.
func steadily(t *testing.T, most time.Duration, try func() (pause time.Duration, err error)) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		pause, err := try()
		if err == nil {
			return
		}
		if pause < most || time.Now().After(deadline) {
			t.Fatalf("cut off; the longest pause was %v: %v", pause, err)
		}
		t.Logf("once more: held up for %v", pause)
	}
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
	steadily(t, timeout/2, func() (time.Duration, error) { return readSlowly(t, addr, 2*timeout) })
}

// readSlowly requests two answers and reads 16 KiB of them every 5 ms for the time d, which is less than they hold. pause
// is the longest time from one read to the next.
func readSlowly(t *testing.T, addr string, d time.Duration) (pause time.Duration, err error) {
	c := dial(t, addr)
	defer c.Close()
	if err := tcpOf(c).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	send(t, c, goodRequest+goodRequest)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	buf, taken := make([]byte, 16<<10), 0
	start := time.Now()
	for last := start; last.Sub(start) < d; {
		<-tick.C
		n, err := c.Read(buf)
		taken += n
		now := time.Now()
		pause, last = max(pause, now.Sub(last)), now
		if err != nil {
			return pause, fmt.Errorf("after %d bytes: %w", taken, err)
		}
	}
	return pause, nil
}
