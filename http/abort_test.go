package http

import (
	"bufio"
	"errors"
	"io"
	nethttp "net/http"
	"testing"
)

// aborting is an App whose handlers give up in the middle of an answer.
func aborting() *App {
	app := quiet(New())
	for suffix, opts := range map[string][]RouteOption{"": nil, "/inline": {Inline}} {
		app.Get("/good"+suffix, echo, opts...)
		app.Get("/text"+suffix, func(c *Ctx) error {
			_ = c.Text(200, "not to be sent")
			panic(nethttp.ErrAbortHandler)
		}, opts...)
		app.Get("/before"+suffix, func(c *Ctx) error { panic(nethttp.ErrAbortHandler) }, opts...)
		app.Get("/stream"+suffix, func(c *Ctx) error {
			return c.Stream(200, "text/plain", func(s *Stream) error {
				_, _ = s.WriteString("part")
				panic("within a stream")
			})
		}, opts...)
		app.Get("/stream/abort"+suffix, func(c *Ctx) error {
			return c.Stream(200, "text/plain", func(s *Stream) error {
				_, _ = s.WriteString("part")
				panic(nethttp.ErrAbortHandler)
			})
		}, opts...)
		app.Get("/flushed"+suffix, func(c *Ctx) error {
			return c.Stream(200, "text/plain", func(s *Stream) error {
				_, _ = s.WriteString("part")
				_ = s.Flush()
				_, _ = s.WriteString("more")
				panic(nethttp.ErrAbortHandler)
			})
		}, opts...)
		app.Get("/hints"+suffix, func(c *Ctx) error {
			_ = c.EarlyHints("</a>; rel=preload")
			_ = c.Text(200, "not to be sent")
			panic(nethttp.ErrAbortHandler)
		}, opts...)
	}
	return app
}

// http.ErrAbortHandler ends an answer of which nothing has left yet without a byte, as in net/http.
func TestAbortSendsNothing(t *testing.T) {
	onBoth(t, aborting, func(t *testing.T, url string) {
		for _, path := range []string{"/text", "/text/inline", "/before", "/before/inline", "/stream/abort", "/stream/abort/inline"} {
			c := dial(t, url[len("http://"):])
			send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
			if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
				t.Errorf("%s: %q, %v", path, rest, err)
			}
		}
	})
}

// However a handler ends, answers to the requests in front of it in the same packet arrive whole.
func TestBrokenAnswerSparesEarlierOnes(t *testing.T) {
	addr := serveApp(t, aborting())
	for _, version := range []string{"1.1", "1.0"} {
		request := func(path string) string {
			return "GET " + path + " HTTP/" + version + "\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"
		}
		for _, path := range []string{"/text", "/before", "/stream", "/stream/abort", "/flushed", "/hints"} {
			for _, suffix := range []string{"", "/inline"} {
				c := dial(t, addr)
				r := bufio.NewReader(c)
				send(t, c, request("/good/inline")+request("/good/inline")+request(path+suffix)+request("/good/inline"))
				for range 2 {
					if _, body := answer(t, r, "GET"); body != "GET /good/inline " {
						t.Errorf("in front of %s: %q", path+suffix, body)
					}
				}
				tornOrNothing(t, r, version+" "+path+suffix, path == "/text" || path == "/before" || path == "/stream/abort")
			}
		}
	}
}

// tornOrNothing wants no whole answer to come, and not a byte where nothing says so.
func tornOrNothing(t *testing.T, r *bufio.Reader, what string, nothing bool) {
	t.Helper()
	if nothing {
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q, %v", what, rest, err)
		}
		return
	}
	res, err := nethttp.ReadResponse(r, nil)
	for err == nil && res.StatusCode == 103 {
		res, err = nethttp.ReadResponse(r, nil)
	}
	if err == nil {
		_, err = io.ReadAll(res.Body)
	}
	if err == nil || errors.Is(err, bufio.ErrBufferFull) {
		t.Errorf("%s: the answer came whole", what)
	}
}
