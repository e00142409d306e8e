package http

import (
	"bufio"
	"context"
	"errors"
	"testing"
	"time"
)

// A handler that does not return holds its own connection, and nothing else: neither others of the loop, nor, beyond its
// deadline, Shutdown.
func TestHandlerThatNeverReturns(t *testing.T) {
	release, entered, cause := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	app := New()
	app.Server.Loops = 1
	app.Get("/good", echo)
	app.Get("/stuck", func(c *Ctx) error {
		close(entered)
		<-c.Done()
		cause <- context.Cause(c)
		<-release
		return c.Text(200, "too late")
	})
	addr := serveApp(t, app)
	stuck := dial(t, addr)
	send(t, stuck, "GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
	defer close(release)
	<-entered
	c := dial(t, addr)
	r := bufio.NewReader(c)
	for range 10 {
		send(t, c, goodRequest)
		answer(t, r, "GET")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	shut := make(chan error, 1)
	go func() { shut <- app.Shutdown(ctx) }()
	select {
	case err := <-shut:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Shutdown waits for the handler")
	}
	if err := <-cause; !errors.Is(err, ErrServerClosed) {
		t.Errorf("the handler's context ended because of %v", err)
	}
}
