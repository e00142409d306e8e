package http

import (
	"bufio"
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// later is an App whose handlers leave their answer to others, by what asked is given.
func later(asked chan *Async) *App {
	app := quiet(New())
	app.Get("/good", echo)
	ask := func(c *Ctx) error {
		a, err := c.Async()
		if err != nil {
			return err
		}
		asked <- a
		return nil
	}
	app.Get("/later", ask)
	app.Get("/inline", ask, Inline)
	app.Get("/hurried", func(c *Ctx) error {
		c.SetTimeout(time.Millisecond)
		return ask(c)
	})
	app.Get("/panics", func(c *Ctx) error {
		if err := ask(c); err != nil {
			return err
		}
		panic("behind Async")
	})
	return app
}

func sayLater(c *Ctx) error { return c.Text(200, "later") }

// The time of a request's context may be over, or its client have closed its side: as long as an answer can be sent, it is.
func TestAsyncAnswersLate(t *testing.T) {
	asked := make(chan *Async, 1)
	addr := serveApp(t, later(asked))
	for _, path := range []string{"/hurried", "/later", "/inline"} {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"+goodRequest)
		a := <-asked
		if path != "/hurried" {
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		<-a.Context().Done()
		if err := a.Answer(sayLater); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, body := answer(t, r, "GET"); body != "later" {
			t.Errorf("%s: %q", path, body)
		}
		if _, body := answer(t, r, "GET"); body != "GET /good " {
			t.Errorf("behind %s: %q", path, body)
		}
	}
}

// An answer for a client that is gone is refused, and does no harm.
func TestAsyncBehindTheClient(t *testing.T) {
	asked := make(chan *Async, 1)
	app := later(asked)
	addr := serveApp(t, app)
	for _, path := range []string{"/later", "/inline"} {
		c := dial(t, addr)
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		a := <-asked
		if err := tcpOf(c).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		c.Close()
		<-a.Context().Done()
		until(t, "the connection to be gone", func() bool { return app.Server.ConnectionCount() == 0 })
		if err := a.Answer(func(*Ctx) error { t.Error("it ran"); return nil }); !errors.Is(err, ErrClientGone) {
			t.Errorf("%s: %v", path, err)
		}
		if err := a.Answer(sayLater); !errors.Is(err, ErrWritten) {
			t.Errorf("%s, again: %v", path, err)
		}
	}
}

// An answer may itself be left to others.
func TestAsyncWithinAsync(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Get("/nested", func(c *Ctx) error {
			first, err := c.Async()
			if err != nil {
				return err
			}
			go first.Answer(func(c *Ctx) error {
				second, err := c.Async()
				if err != nil {
					return err
				}
				go second.Answer(func(c *Ctx) error { return c.Text(200, "nested "+c.Path()) })
				return nil
			})
			return nil
		})
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for range 50 {
			if _, body := fetch(t, c, "GET", url+"/nested", ""); body != "nested /nested" {
				t.Fatalf("%q", body)
			}
		}
	})
}

// Answers come from the handler itself, from the loop, from a goroutine that was faster or slower than the handler, and by
// nothing but a panic.
func TestAsyncFromEverywhere(t *testing.T) {
	asked := make(chan *Async, 1)
	app := later(asked)
	app.Get("/itself", func(c *Ctx) error {
		a, err := c.Async()
		if err != nil {
			return err
		}
		if err := a.Answer(sayLater); err != nil {
			return err
		}
		if err := a.Answer(sayLater); !errors.Is(err, ErrWritten) {
			t.Errorf("answered twice: %v", err)
		}
		return errors.New("of no effect")
	})
	loop := func(c *Ctx) error {
		a, err := c.Async()
		if err != nil {
			return err
		}
		c.Loop().RunAfter(time.Millisecond, func() { _ = a.Answer(sayLater) })
		return nil
	}
	app.Get("/loop", loop)
	app.Get("/loop/inline", loop, Inline)
	app.Get("/written", func(c *Ctx) error {
		if err := c.Text(200, "later"); err != nil {
			return err
		}
		_, err := c.Async()
		if !errors.Is(err, ErrWritten) {
			t.Errorf("Async behind an answer: %v", err)
		}
		return nil
	})
	addr := serveApp(t, app)
	c := dial(t, addr)
	r := bufio.NewReader(c)
	for range 20 {
		for _, path := range []string{"/itself", "/loop", "/loop/inline", "/written"} {
			send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"+goodRequest)
			if _, body := answer(t, r, "GET"); body != "later" {
				t.Fatalf("%s: %q", path, body)
			}
			if _, body := answer(t, r, "GET"); body != "GET /good " {
				t.Fatalf("behind %s: %q", path, body)
			}
		}
	}
	send(t, c, "GET /panics HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, _ := answer(t, r, "GET"); res.StatusCode != 500 || !res.Close {
		t.Errorf("%d, close %v", res.StatusCode, res.Close)
	}
	if err := (<-asked).Answer(sayLater); !errors.Is(err, ErrWritten) {
		t.Errorf("behind a panic: %v", err)
	}
	closes(t, r)
}

// An answer that never comes keeps its connection, until the client leaves or Shutdown has waited long enough.
func TestAsyncThatNeverComes(t *testing.T) {
	asked := make(chan *Async, 2)
	app := later(asked)
	addr := serveApp(t, app)
	gone, held := dial(t, addr), dial(t, addr)
	send(t, gone, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n")
	a := <-asked
	send(t, held, "GET /inline HTTP/1.1\r\nHost: h\r\n\r\n")
	b := <-asked
	gone.Close()
	<-a.Context().Done()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := app.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	<-b.Context().Done()
	if cause := context.Cause(b.Context()); !errors.Is(cause, ErrServerClosed) {
		t.Error(cause)
	}
	if err := b.Answer(sayLater); !errors.Is(err, ErrClientGone) {
		t.Errorf("behind the server's end: %v", err)
	}
}

// Under net/http a client that leaves ends the request, though nobody answers; and a stream that breaks off cuts it, though
// it was another goroutine's.
func TestAsyncUnderNetHTTP(t *testing.T) {
	asked := make(chan *Async, 1)
	s := httptest.NewServer(later(asked))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := nethttp.NewRequestWithContext(ctx, "GET", s.URL+"/later", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	c := client(t)
	go func() {
		res, err := c.Do(req)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	go func() {
		a := <-asked
		_ = a.Answer(func(c *Ctx) error {
			return c.Stream(200, "text/plain", func(s *Stream) error {
				_, _ = s.WriteString("part")
				return errors.Join(s.Flush(), errors.New("the rest is lost"))
			})
		})
	}()
	res, err := c.Get(s.URL + "/later")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a part was taken for the whole: %q", body)
	}
}
