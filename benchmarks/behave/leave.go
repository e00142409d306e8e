package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

const (
	notOffered = "not offered"
	askEvery   = 20 * time.Millisecond
	// slowAnswer is how long GET /cancelled takes when it had to wait for the
	// handler of /wait: others take a few milliseconds.
	slowAnswer = time.Second
)

// clientLeaves disconnects while a handler waits for that, and tells how long it
// took until the handler heard of it.
func clientLeaves(ctx context.Context, s *launch.Server) (string, error) {
	a, err := s.Get(ctx, "/cancelled")
	if err != nil {
		return "", err
	}
	if a.Status == http.StatusNotFound {
		return notOffered, nil
	}
	c, err := dial(ctx, s, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /wait"+host); err != nil {
		return "", err
	}
	stalled, _, err := waitsUntil(ctx, s, func(r endpoint.WaitsReport) bool { return r.Started > 0 })
	if err != nil {
		return "", err
	}
	left := time.Now()
	if err := c.Close(); err != nil {
		return "", err
	}
	alsoStalled, r, err := waitsUntil(ctx, s, func(r endpoint.WaitsReport) bool { return r.Ended > 0 })
	if err != nil {
		return "", err
	}
	return heard(r, left, stalled || alsoStalled), nil
}

// heard words what the server counted.
func heard(r endpoint.WaitsReport, left time.Time, stalled bool) string {
	verdict := "never"
	if r.Cancelled > 0 {
		verdict = fmt.Sprintf("%.1f ms", float64(max(r.LastAt.Sub(left), 0).Microseconds())/1000)
	}
	if stalled {
		verdict += "; nobody else was served while the handler waited"
	}
	return verdict
}

// waitsUntil asks for the count of waiting handlers until it is as wanted.
// stalled tells that an answer took so long that the waiting handler must have
// kept the server from giving it.
func waitsUntil(ctx context.Context, s *launch.Server, wanted func(endpoint.WaitsReport) bool) (stalled bool, r endpoint.WaitsReport, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		asked := time.Now()
		a, err := s.Get(ctx, "/cancelled")
		if err != nil {
			return false, r, err
		}
		stalled = stalled || time.Since(asked) > slowAnswer
		if r, err = endpoint.ParseWaits(a.Body); err != nil {
			return false, r, err
		}
		if wanted(r) {
			return stalled, r, nil
		}
		select {
		case <-ctx.Done():
			return false, r, errors.Join(errors.New("the handler of /wait never began or never ended"), ctx.Err())
		case <-time.After(askEvery):
		}
	}
}
