package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
)

const (
	stuckBytes  = 9 << 20 // of requests
	sampleEvery = 20 * time.Millisecond
	// drainTime bounds the whole exchange; the slowest peer answers what is sent
	// in a few seconds when it has a CPU to itself.
	drainTime = 2 * time.Minute
)

// stuckClient sends size bytes of requests on one connection and reads nothing
// for hold; then it reads everything. It tells by how much the server grew
// meanwhile, and whether all answers came, in the order of the requests.
func stuckClient(ctx context.Context, s *launch.Server, size int, hold time.Duration) (growth, answers string, err error) {
	if err := collect(ctx, s); err != nil {
		return "", "", err
	}
	before, err := proc.ReadRSS(s.PID)
	if err != nil {
		return "", "", err
	}
	c, err := dial(ctx, s, hold+drainTime)
	if err != nil {
		return "", "", err
	}
	defer c.Close()
	requests, count := pipelined(size)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = c.Write(requests) // a failure shows in the answers that are missing
	}()
	defer func() { c.Close(); <-written }()
	peak, err := peakRSS(ctx, s, hold)
	if err != nil {
		return "", "", err
	}
	answers = inOrder(bufio.NewReaderSize(impatient{c, time.Now().Add(drainTime)}, 64<<10), count)
	if err := s.Ended(); err != nil {
		answers += "; the process died"
	}
	return fmt.Sprintf("%.1f MiB", float64(max(peak-before, 0))/(1<<20)), answers, nil
}

// pipelined are requests of that many bytes or a few less, each for a user of
// its own.
func pipelined(size int) (requests []byte, count int) {
	for {
		before := len(requests)
		requests = append(requests, "GET /user/"...)
		requests = strconv.AppendInt(requests, int64(count), 10)
		requests = append(requests, host...)
		if len(requests) > size {
			return requests[:before], count
		}
		count++
	}
}

// peakRSS is the most memory that s holds in the next time.
func peakRSS(ctx context.Context, s *launch.Server, hold time.Duration) (peak int64, err error) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	end := time.After(hold)
	for {
		rss, err := proc.ReadRSS(s.PID)
		if err != nil {
			return 0, fmt.Errorf("while the client reads nothing: %w", errors.Join(s.Ended(), err))
		}
		peak = max(peak, rss)
		select {
		case <-tick.C:
		case <-end:
			return peak, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// impatient is a connection on which no read waits longer than patience, nor
// beyond until.
type impatient struct {
	net.Conn
	until time.Time
}

func (c impatient) Read(p []byte) (int, error) {
	deadline := time.Now().Add(patience)
	if deadline.After(c.until) {
		deadline = c.until
	}
	if err := c.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && deadline.Equal(c.until) {
		err = errTooSlow
	}
	return n, err
}

var errTooSlow = fmt.Errorf("it was too slow for %v", drainTime)

// inOrder reads answers to requests 0, 1, … and says how it went.
func inOrder(r *bufio.Reader, count int) string {
	for i := range count {
		a, err := readAnswer(r)
		switch {
		case err != nil:
			return fmt.Sprintf("%d of %d, then %s", i, count, reason(err))
		case a.Status != 200:
			return fmt.Sprintf("%d of %d, then status %d", i, count, a.Status)
		case a.Body != strconv.Itoa(i):
			return fmt.Sprintf("out of order: answer %d is %.20q", i, a.Body)
		}
	}
	return fmt.Sprintf("all %d in order", count)
}

const silence = "silence"

// reason names what a client meets in place of an answer.
func reason(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case isReset(err):
		return "the connection was reset"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return silence
	}
	return err.Error()
}
