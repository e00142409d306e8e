package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

// patience bounds each wait for a server.
const patience = 30 * time.Second

const host = " HTTP/1.1\r\nHost: behave\r\n\r\n"

// dial connects to s; every read and write on the connection must be done within
// the time.
func dial(ctx context.Context, s *launch.Server, within time.Duration) (net.Conn, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp4", s.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.Name, err)
	}
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// readAnswer reads one response and its body.
func readAnswer(r *bufio.Reader) (launch.Answer, error) {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return launch.Answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return launch.Answer{Status: res.StatusCode, Header: res.Header, Body: string(body)}, err
}

// goroutines asks s how many it has.
func goroutines(ctx context.Context, s *launch.Server) (int, error) {
	a, err := s.Get(ctx, "/goroutines")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(a.Body))
	if a.Status != http.StatusOK || err != nil {
		return 0, fmt.Errorf("%s: GET /goroutines: %d %q", s.Name, a.Status, a.Body)
	}
	return n, nil
}

// collect has s collect its garbage and give free memory back to the kernel.
func collect(ctx context.Context, s *launch.Server) error {
	a, err := s.Get(ctx, "/gc")
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%s: GET /gc: %d", s.Name, a.Status)
	}
	return err
}
