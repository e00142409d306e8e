package http

import (
	"errors"
	"testing"
)

// After promises its function a call also when the answer is to come by Async, and the client has left before.
func TestAfterOfAsyncWithoutClient(t *testing.T) {
	t.Skip("Async.Answer gives the exchange back without its After functions when the client has gone: see the end of Async.Answer")
	called, asked := make(chan struct{}), make(chan *Async, 1)
	app := New()
	app.Get("/", func(c *Ctx) error {
		c.After(func(*Ctx) { close(called) })
		a, err := c.Async()
		asked <- a
		return err
	})
	conn := dial(t, serveApp(t, app))
	send(t, conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	a := <-asked
	conn.Close()
	<-a.Context().Done()
	until(t, "the handler has returned", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.parked
	})
	if err := a.Answer(func(c *Ctx) error { return c.NoContent(204) }); !errors.Is(err, ErrClientGone) {
		t.Error(err)
	}
	until(t, "After is called", func() bool {
		select {
		case <-called:
			return true
		default:
			return false
		}
	})
}
