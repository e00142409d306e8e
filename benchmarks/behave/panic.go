package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

// panicTime is how long a client waits for the answer of a handler that panics,
// and then for the process to die of it.
const panicTime = 5 * time.Second

// handlerPanics tells what the client of a handler that panics gets, and whether
// the server lives on.
func handlerPanics(ctx context.Context, s *launch.Server) (string, error) {
	c, err := dial(ctx, s, panicTime)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /panic"+host); err != nil {
		return "", err
	}
	a, err := readAnswer(bufio.NewReader(c))
	if err == nil && a.Status == http.StatusNotFound {
		return notOffered, nil
	}
	return gets(a, err) + "; " + livesOn(ctx, s), nil
}

// gets words an answer, or why there is none.
func gets(a launch.Answer, err error) string {
	if err == nil {
		return fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
	}
	if why := reason(err); why != silence {
		return "no answer: " + why
	}
	return fmt.Sprintf("no answer within %v", panicTime)
}

// livesOn asks s for something else. A process that dies of a panic first prints
// it, so a connection that fails is followed by waiting for that end.
func livesOn(ctx context.Context, s *launch.Server) string {
	a, err := s.Get(ctx, "/plaintext")
	if err == nil && a.Status == http.StatusOK {
		return "the process lives"
	}
	select {
	case <-s.Done():
		return "the process dies"
	case <-time.After(panicTime):
	case <-ctx.Done():
	}
	return fmt.Sprintf("the process lives, but serves no more (%v)", err)
}
