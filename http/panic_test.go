package http

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	nethttp "net/http"
	"runtime"
	"strings"
	"testing"
)

// quiet keeps what a test provokes out of its output.
func quiet(app *App) *App {
	app.Server.Logger = slog.New(slog.DiscardHandler)
	return app
}

type panicsWhole struct{}

func (panicsWhole) Whole(*Ctx, []byte) ([]byte, error)  { panic("in a filter") }
func (panicsWhole) Stream(*Ctx, io.Writer) FilterWriter { panic("in a filter") }

// panicking is an App whose handlers end in every way but a good one.
func panicking() *App {
	app := quiet(New())
	app.Get("/good", echo)
	app.Get("/handler", func(*Ctx) error { panic("in a handler") })
	app.Get("/goexit", func(*Ctx) error { runtime.Goexit(); return nil })
	app.Get("/nil", func(*Ctx) error { panic(nil) })
	app.Get("/after", func(c *Ctx) error {
		c.After(func(*Ctx) { panic("in After") })
		return c.Text(200, "fine")
	})
	app.Get("/middleware", echo, With(func(next Handler) Handler {
		return func(c *Ctx) error {
			if err := next(c); err != nil {
				return err
			}
			panic("behind the handler")
		}
	}))
	filtered := func(next Handler) Handler {
		return func(c *Ctx) error { c.AddFilter(panicsWhole{}); return next(c) }
	}
	stream := func(c *Ctx) error {
		return c.Stream(200, "text/plain", func(s *Stream) error { _, err := s.WriteString("x"); return err })
	}
	app.Get("/filter", echo, With(filtered))
	app.Get("/filter/stream", stream, With(filtered))
	app.Get("/filter/silent", func(*Ctx) error { return nil }, With(filtered))
	app.Get("/filter/error", func(*Ctx) error { return NewError(404, "") }, With(filtered))
	app.Get("/filter/panic", func(*Ctx) error { panic("ahead of a filter") }, With(filtered))
	app.Get("/filter/inline", func(*Ctx) error { return nil }, With(filtered), Inline)
	app.Get("/stream", func(c *Ctx) error {
		return c.Stream(200, "text/plain", func(s *Stream) error {
			_, _ = s.WriteString("part")
			panic("within a stream")
		})
	})
	app.Get("/stream/goexit", func(c *Ctx) error {
		return c.Stream(200, "text/plain", func(s *Stream) error {
			_, _ = s.WriteString("part")
			runtime.Goexit()
			return nil
		})
	})
	app.Handle("GET /net", nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) { panic("of net/http") }))
	app.Handle("GET /abort", nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) { panic(nethttp.ErrAbortHandler) }))
	app.Get("/wrapped", func(*Ctx) error { panic("behind a middleware") }, With(WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next })))
	return app
}

// However a handler ends, its request has an answer or its connection ends; the connection does not go on behind a panic, and
// the server does.
func TestHandlersThatPanic(t *testing.T) {
	addr := serveApp(t, panicking())
	for _, tc := range []struct {
		path string
		code int // 0: the answer is torn
	}{
		{"/handler", 500}, {"/goexit", 500}, {"/nil", 500}, {"/after", 200}, {"/middleware", 200}, {"/filter", 500},
		{"/filter/stream", 500}, {"/filter/silent", 500}, {"/filter/error", 404}, {"/filter/panic", 500}, {"/filter/inline", 500},
		{"/stream", 0}, {"/stream/goexit", 0}, {"/net", 500}, {"/abort", 0}, {"/wrapped", 500},
	} {
		t.Run(tc.path, func(t *testing.T) {
			c := dial(t, addr)
			r := bufio.NewReader(c)
			send(t, c, "GET "+tc.path+" HTTP/1.1\r\nHost: h\r\n\r\n"+goodRequest)
			res, err := nethttp.ReadResponse(r, nil)
			if tc.code == 0 {
				if err == nil {
					_, err = io.ReadAll(res.Body)
				}
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%v; want a torn answer", err)
				}
			} else {
				if err != nil || res.StatusCode != tc.code {
					t.Fatalf("%v, %v; want %d", res, err, tc.code)
				}
				if _, err := io.ReadAll(res.Body); err != nil {
					t.Error(err)
				}
				if tc.path == "/wrapped" {
					return // an answer like others
				}
			}
			closes(t, r)
			c.Close()
			next := dial(t, addr)
			send(t, next, goodRequest)
			if _, body := answer(t, bufio.NewReader(next), "GET"); body != "GET /good " {
				t.Errorf("the next connection: %q", body)
			}
		})
	}
}

// An ErrorHandler is code as well: one that panics has its error answered by text.
func TestErrorHandlerThatPanics(t *testing.T) {
	app := panicking()
	app.Get("/fails", func(*Ctx) error { return NewError(404, "") })
	app.Get("/fails/inline", func(*Ctx) error { return NewError(404, "") }, Inline)
	app.Server.ErrorHandler = func(*Ctx, *Error) error { panic("in an ErrorHandler") }
	addr := serveApp(t, app)
	for in, code := range map[string]int{
		"GET /handler": 500, "GET /goexit": 500, "GET /fails": 404, "GET /fails/inline": 404, "GET /nowhere": 404, "BREW /": 501,
	} {
		c := dial(t, addr)
		send(t, c, in+" HTTP/1.1\r\nHost: h\r\n\r\n")
		if res, body := answer(t, bufio.NewReader(c), "GET"); res.StatusCode != code || !strings.Contains(body, StatusText(code)) {
			t.Errorf("%s: %d %q, want %d", in, res.StatusCode, body, code)
		}
	}
}

// An ErrorHandler that answers nothing leaves that to the server: the connection must not go on without an answer.
func TestErrorHandlerThatIsSilent(t *testing.T) {
	app := panicking()
	app.Server.ErrorHandler = func(*Ctx, *Error) error { return nil }
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	send(t, c, "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n"+goodRequest)
	if res, body := answer(t, r, "GET"); res.StatusCode != 404 || body != "404 Not Found\n" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if _, body := answer(t, r, "GET"); body != "GET /good " {
		t.Errorf("behind it: %q", body)
	}
}
