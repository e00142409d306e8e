package http

import (
	"bufio"
	"bytes"
	"io"
	nethttp "net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"time"
)

// Whoever still reads a body when its handler has returned is told so, and neither waits for ever nor sees what comes later.
func TestBodyReadBehindTheHandler(t *testing.T) {
	late := make(chan error, 1)
	read := func(r io.Reader) {
		_, err := io.Copy(io.Discard, r)
		late <- err
	}
	app := New()
	app.Get("/good", echo)
	app.Post("/native", func(c *Ctx) error { go read(c.BodyReader()); return nil }, StreamBody)
	app.Handle("POST /net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { go read(r.Body) }))
	app.Handle("POST /timeout", nethttp.TimeoutHandler(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		read(r.Body)
	}), time.Millisecond, "late"))
	app.Any("/gathered", WrapFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { go read(r.Body) }))
	addr := serveApp(t, app)
	for _, path := range []string{"/native", "/net", "/timeout", "/gathered"} {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		rest := "56789"
		in := "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234"
		if path == "/gathered" {
			in, rest = in+rest, ""
		}
		send(t, c, in)
		answer(t, r, "POST")
		if err := <-late; err == nil && path != "/gathered" {
			t.Errorf("%s: read on behind the handler", path)
		}
		send(t, c, rest+goodRequest)
		if _, body := answer(t, r, "GET"); body != "GET /good " {
			t.Errorf("%s: behind it: %q", path, body)
		}
	}
}

// A proxy of the standard library still copies a body when the answer is there already.
func TestReverseProxyIsAnsweredEarly(t *testing.T) {
	upstream := serveApp(t, bodies())
	app := quiet(New())
	app.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", upstream
	}, Transport: &nethttp.Transport{DisableKeepAlives: true}})
	addr := serveApp(t, app)
	for range 20 {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, "POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n"+strings.Repeat("x", 1000))
		if res, body := answer(t, r, "POST"); res.StatusCode != 200 || body != "ignored" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
		go io.Copy(c, bytes.NewReader(make([]byte, 499000)))
		closes(t, r)
		c.Close()
	}
}

// Exchanges serve one request after the other: trailers of one must not be those of the next.
func TestTrailersAreTheirRequestsOwn(t *testing.T) {
	app := New()
	say := func(c *Ctx) error {
		if _, err := c.Body(); err != nil {
			return err
		}
		s := ""
		for name, value := range c.Trailers() {
			s += name + "=" + value
		}
		return c.Text(200, s)
	}
	app.Post("/offloaded", say)
	app.Post("/inline", say, Inline)
	app.Post("/stream", say, StreamBody)
	app.Server.Loops = 1
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	for _, path := range []string{"/offloaded", "/inline", "/stream"} {
		for _, tc := range []struct{ framing, body, want string }{
			{"Transfer-Encoding: chunked", "1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n", "X-Sum=1"},
			{"Content-Length: 1", "x", ""},
			{"Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n", ""},
			{"Content-Length: 0", "", ""},
		} {
			send(t, c, "POST "+path+" HTTP/1.1\r\nHost: h\r\n"+tc.framing+"\r\n\r\n"+tc.body)
			if _, body := answer(t, r, "POST"); body != tc.want {
				t.Errorf("%s, %s: trailers %q, want %q", path, tc.framing, body, tc.want)
			}
		}
	}
}
