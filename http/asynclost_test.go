package http

import (
	"context"
	"errors"
	"testing"
)

// forgetting is an App that nobody ever answers for: ended gets the status that After is told, asked each Async. A handler
// at /slow returns when release is closed.
func forgetting(asked chan *Async, ended chan int, release chan struct{}) *App {
	app := quiet(New())
	app.Use(func(next Handler) Handler {
		return func(c *Ctx) error {
			c.After(func(c *Ctx) { ended <- c.StatusCode() })
			return next(c)
		}
	})
	ask := func(c *Ctx) error {
		a, err := c.Async()
		if err == nil {
			asked <- a
		}
		return err
	}
	app.Get("/later", ask)
	app.Get("/inline", ask, Inline)
	app.Get("/slow", func(c *Ctx) error {
		err := ask(c)
		<-release
		return err
	})
	app.Get("/cut", func(c *Ctx) error {
		c.live().conn.tcp.ForceClose()
		return ask(c)
	}, Inline)
	return app
}

// What counts requests by After, such as a gauge of those in flight, hears of one that nobody answers when its client leaves.
func TestAsyncThatNobodyAnswersEndsWithItsClient(t *testing.T) {
	for _, path := range []string{"/later", "/inline", "/slow", "/cut"} {
		t.Run(path, func(t *testing.T) {
			asked, ended, release := make(chan *Async, 1), make(chan int, 1), make(chan struct{})
			app := forgetting(asked, ended, release)
			c := dial(t, serveApp(t, app))
			send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
			a := <-asked
			hangUp(t, c)
			<-a.Context().Done()
			until(t, "the connection to be gone", func() bool { return app.Server.ConnectionCount() == 0 })
			close(release)
			if code := <-ended; code != clientClosed {
				t.Errorf("After is told %d, want %d", code, clientClosed)
			}
			if err := a.Answer(func(*Ctx) error { t.Error("it ran"); return nil }); !errors.Is(err, ErrClientGone) {
				t.Errorf("Answer: %v", err)
			}
			if err := a.Answer(sayLater); !errors.Is(err, ErrWritten) {
				t.Errorf("Answer again: %v", err)
			}
		})
	}
}

// hangUp closes a connection so that the peer knows that nobody is there.
func hangUp(t *testing.T, c peer) {
	t.Helper()
	if err := tcpOf(c).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// So it does when the server is stopped by force.
func TestAsyncThatNobodyAnswersEndsWithTheServer(t *testing.T) {
	for _, path := range []string{"/later", "/inline"} {
		asked, ended := make(chan *Async, 1), make(chan int, 1)
		app := forgetting(asked, ended, nil)
		c := dial(t, serveApp(t, app))
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		a := <-asked
		now, cancel := context.WithCancel(t.Context())
		cancel()
		if err := app.Shutdown(now); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Shutdown: %v", path, err)
		}
		if code := <-ended; code != clientClosed {
			t.Errorf("%s: After is told %d, want %d", path, code, clientClosed)
		}
		if cause := context.Cause(a.Context()); !errors.Is(cause, ErrServerClosed) {
			t.Errorf("%s: the context ended by %v", path, cause)
		}
	}
}
