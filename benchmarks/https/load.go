package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
)

var config = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}

const patience = 20 * time.Second

// dial connects, does the handshake and makes one request.
func dial(ctx context.Context, addr, path string) (*tls.Conn, error) {
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp4", addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(plain, config)
	err = errors.Join(c.SetDeadline(time.Now().Add(patience)), ask(c, path, endpoint.Text))
	if err != nil {
		plain.Close()
		return nil, err
	}
	return c, nil
}

// ask makes a request whose answer ends with that text; "" is any.
func ask(c *tls.Conn, path, text string) error {
	if _, err := c.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		return err
	}
	var buf [1024]byte
	for n := 0; ; {
		m, err := c.Read(buf[n:])
		if err != nil {
			return fmt.Errorf("after %q: %w", buf[:n], err)
		}
		if n += m; strings.HasSuffix(string(buf[:n]), text) {
			return nil
		}
	}
}

// load has so many connections ask, one request after the other, for so long, and
// returns how many were answered. The handshakes are part of the server's time; they
// are a fraction of a percent.
func load(ctx context.Context, addr string, conns int, long time.Duration) (int, error) {
	var answered atomic.Int64
	errs := make([]error, conns)
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() {
			c, err := dial(ctx, addr, "/plaintext")
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			for end := time.Now().Add(long); time.Now().Before(end); answered.Add(1) {
				if errs[i] = ask(c, "/plaintext", endpoint.Text); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return int(answered.Load()), errors.Join(errs...)
}

// shakeHands makes n connections, eight at a time.
func shakeHands(ctx context.Context, addr string, n int) (int, error) {
	const together = 8
	errs := make([]error, together)
	var wg sync.WaitGroup
	for i := range together {
		wg.Go(func() {
			for range n / together {
				c, err := dial(ctx, addr, "/plaintext")
				if err != nil {
					errs[i] = err
					return
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	return n / together * together, errors.Join(errs...)
}

// idle is the slope of the server's memory, in bytes a connection.
func idle(ctx context.Context, s *launch.Server, from, to int) (float64, error) {
	var conns []*tls.Conn
	defer func() {
		for _, c := range conns {
			c.NetConn().Close()
		}
	}()
	var rss [2]int64
	for i, n := range []int{from, to} {
		for len(conns) < n {
			c, err := dial(ctx, s.Addr, "/plaintext")
			if err != nil {
				return 0, fmt.Errorf("%s: connection %d: %w", s.Name, len(conns)+1, errors.Join(err, s.Ended()))
			}
			conns = append(conns, c)
		}
		c := conns[0]
		if err := errors.Join(c.SetDeadline(time.Now().Add(patience)), ask(c, "/gc", "")); err != nil {
			return 0, err
		}
		var err error
		if rss[i], err = proc.ReadRSS(s.PID); err != nil {
			return 0, err
		}
	}
	return float64(rss[1]-rss[0]) / float64(to-from), nil
}
