package http

import (
	"bufio"
	"context"
	"errors"
	nethttp "net/http"
	"testing"
	"time"
)

// Why a request's context ends is told by its cause, and what was derived from it ends with it, also behind the handler.
func TestCausesOfRequestContexts(t *testing.T) {
	type key struct{}
	derived := make(chan context.Context, 1)
	app := New()
	app.Get("/returns", func(c *Ctx) error {
		c.Set(key{}, "value")
		ctx, cancel := context.WithCancel(c)
		t.Cleanup(cancel)
		derived <- ctx
		return c.Text(200, "")
	})
	app.Get("/inline", func(c *Ctx) error {
		ctx, cancel := context.WithCancel(c)
		t.Cleanup(cancel)
		c.Set(key{}, "value")
		derived <- ctx
		return c.Text(200, "")
	}, Inline)
	app.Get("/timeout", func(c *Ctx) error {
		c.Set(key{}, "value")
		c.SetTimeout(time.Hour)
		c.SetTimeout(time.Millisecond)
		c.SetTimeout(time.Hour)
		if at, ok := c.Deadline(); !ok || time.Until(at) > time.Minute {
			t.Errorf("deadline %v, %v", at, ok)
		}
		derived <- context.WithoutCancel(c)
		<-c.Done()
		derived <- c
		return c.Text(200, "")
	})
	app.Handle("/net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		r.Context().(*netContext).Set(key{}, "value")
		derived <- r.Context()
	}))
	addr := serveApp(t, app)
	c := dial(t, addr)
	r := bufio.NewReader(c)
	for _, tc := range []struct {
		path       string
		err, cause error
	}{
		{"/returns", context.Canceled, ErrHandlerReturned}, {"/inline", context.Canceled, ErrHandlerReturned},
		{"/net", context.Canceled, ErrHandlerReturned}, {"/timeout", context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		send(t, c, "GET "+tc.path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		ctx := <-derived
		if tc.path == "/timeout" {
			if ctx.Err() != nil || ctx.Value(key{}) != "value" {
				t.Errorf("without cancel: %v", ctx.Err())
			}
			ctx = <-derived
		}
		answer(t, r, "GET")
		<-ctx.Done()
		if !errors.Is(ctx.Err(), tc.err) || !errors.Is(context.Cause(ctx), tc.cause) || ctx.Value(key{}) != "value" {
			t.Errorf("%s: %v because of %v, value %v", tc.path, ctx.Err(), context.Cause(ctx), ctx.Value(key{}))
		}
	}
}

// A Ctx that is kept is a context still, and nothing else; another request's handler does not change that.
func TestStaleCtxOfOffloadedHandler(t *testing.T) {
	var kept *Ctx
	app := New()
	app.Get("/keep", func(c *Ctx) error { kept = c; return c.Text(200, "") })
	app.Get("/use", func(c *Ctx) error {
		for name, use := range map[string]func(){
			"Path": func() { kept.Path() }, "Text": func() { _ = kept.Text(200, "") }, "Body": func() { _, _ = kept.Body() },
			"SetHeader": func() { _ = kept.SetHeader("A", "b") }, "Async": func() { _, _ = kept.Async() },
			"SetTimeout": func() { kept.SetTimeout(time.Hour) }, "Header": func() { kept.Header("Host") },
			"After": func() { kept.After(func(*Ctx) {}) }, "BodyReader": func() { kept.BodyReader() },
			"Flush": func() { _ = kept.Flush() }, "Param": func() { kept.Param("x") }, "Route": func() { kept.Route() },
		} {
			func() {
				defer func() {
					if v := recover(); v != ErrStale {
						t.Errorf("%s: %v", name, v)
					}
				}()
				use()
			}()
		}
		<-kept.Done()
		if !errors.Is(context.Cause(kept), ErrHandlerReturned) {
			t.Error(context.Cause(kept))
		}
		return c.Text(200, "used")
	})
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	send(t, c, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n")
	answer(t, r, "GET")
	send(t, c, "GET /use HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, body := answer(t, r, "GET"); body != "used" {
		t.Error(body)
	}
}

// What net/http keeps in a request's context can be asked for at any time by any goroutine.
func TestLocalAddrBehindTheHandler(t *testing.T) {
	kept := make(chan context.Context, 1)
	app := New()
	app.Handle("/net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Context().Value(nethttp.LocalAddrContextKey) == nil {
			t.Error("no local address")
		}
		kept <- r.Context()
	}))
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	for range 20 {
		send(t, c, "GET /net HTTP/1.1\r\nHost: h\r\n\r\n")
		ctx := <-kept
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for ctx.Err() == nil {
				ctx.Value(nethttp.LocalAddrContextKey)
			}
			ctx.Value(nethttp.LocalAddrContextKey)
		}()
		answer(t, r, "GET")
		<-asked
	}
}
