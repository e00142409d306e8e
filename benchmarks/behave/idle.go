package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/proc"
)

// idleConnections opens n connections that make one request each and then keep
// still, and tells what each takes of the server's memory, and how many
// goroutines they hold together.
func idleConnections(ctx context.Context, s *launch.Server, n int) (bytes, held string, err error) {
	memoryBefore, goroutinesBefore, err := footprint(ctx, s)
	if err != nil {
		return "", "", err
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range n {
		c, err := dial(ctx, s, patience)
		if err != nil {
			return "", "", fmt.Errorf("idle connection %d: %w", i+1, err)
		}
		conns = append(conns, c)
		if err := once(c); err != nil {
			return "", "", fmt.Errorf("idle connection %d: %w", i+1, err)
		}
	}
	memory, many, err := footprint(ctx, s)
	if err != nil {
		return "", "", err
	}
	each := float64(memory-memoryBefore) / float64(n)
	return fmt.Sprintf("%.0f", each), fmt.Sprintf("%d", many-goroutinesBefore), nil
}

func footprint(ctx context.Context, s *launch.Server) (memory int64, count int, err error) {
	if err := collect(ctx, s); err != nil {
		return 0, 0, err
	}
	if memory, err = proc.ReadRSS(s.PID); err != nil {
		return 0, 0, errors.Join(s.Ended(), err)
	}
	count, err = goroutines(ctx, s)
	return memory, count, err
}

// once makes one request on c.
func once(c net.Conn) error {
	if _, err := io.WriteString(c, "GET /plaintext"+host); err != nil {
		return err
	}
	a, err := readAnswer(bufio.NewReaderSize(c, 512))
	if err == nil && a.Status != 200 {
		err = fmt.Errorf("status %d", a.Status)
	}
	return err
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
