package interop

import (
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// Handlers of net/http may leave goroutines behind that still hold the request: TimeoutHandler does, and a Transport that sends
// the request's body on. What they can reach of it must not be another request's, and must not keep them for ever.

// hasty answers 503 behind TimeoutHandler for a handler that still waits for the body.
func hasty(h nethttp.Handler) nethttp.Handler {
	return nethttp.TimeoutHandler(h, 30*time.Millisecond, "too slow")
}

func TestBodyIsReadBehindTimeout(t *testing.T) {
	for _, middleware := range []bool{false, true} {
		ended := make(chan error, 1)
		app := http.New()
		if middleware {
			app.Post("/", func(c *http.Ctx) error {
				_, err := c.Body()
				ended <- err
				return err
			}, http.StreamBody, http.With(http.WrapMiddleware(hasty)))
		} else {
			app.Handle("/", hasty(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				_, err := io.ReadAll(r.Body)
				ended <- err
			})))
		}
		c, r := dial(t, serve(t, app))
		send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
		if res, body := answer(t, r, "POST"); res.StatusCode != 503 || body != "too slow" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
		if err := await(t, "the end of who reads the body", ended); err == nil {
			t.Error("half a body was taken for the whole")
		}
		// The body's other half and a request behind it: of another handler by then.
		send(t, c, " whole"+"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok")
		if res, _ := answer(t, r, "POST"); res.StatusCode != 200 {
			t.Errorf("behind it: %d", res.StatusCode)
		}
		if err := await(t, "the second", ended); err != nil {
			t.Error(err)
		}
	}
}

// A body that came whole is in storage that the next request uses.
func TestBodyIsNobodyElses(t *testing.T) {
	late := map[string]chan struct{}{"/native": make(chan struct{}), "/net": make(chan struct{})}
	seen := make(chan string, 1)
	app := http.New()
	app.Post("/native", func(c *http.Ctx) error {
		<-late["/native"]
		body, err := c.Body()
		if err != nil {
			body = nil // no longer there: fine as well
		}
		seen <- string(body)
		return nil
	}, http.With(http.WrapMiddleware(hasty)))
	app.Handle("/net", hasty(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		<-late["/net"]
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = nil
		}
		seen <- string(body)
	})))
	app.Post("/other", func(c *http.Ctx) error { return c.NoContent(204) })
	url := serve(t, app)
	const mine, others = "mine mine mine", "OTHERS OTHERS!"
	for _, path := range []string{"/native", "/net"} {
		c, r := dial(t, url)
		send(t, c, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, len(mine), mine)
		if res, _ := answer(t, r, "POST"); res.StatusCode != 503 {
			t.Errorf("%d", res.StatusCode)
		}
		for range 3 {
			send(t, c, "POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(others), others)
			if res, _ := answer(t, r, "POST"); res.StatusCode != 204 {
				t.Errorf("%d", res.StatusCode)
			}
		}
		close(late[path])
		if got := await(t, "the late reader", seen); got != mine && got != "" {
			t.Errorf("%s reads %q", path, got)
		}
	}
}

// A goroutine that outlives its handler may ask the context whatever it likes, also while others are served.
func TestContextBehindTimeout(t *testing.T) {
	done := make(chan struct{}, 1)
	url := serveHandler(t, hasty(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/late" {
			return
		}
		if addr, ok := r.Context().Value(nethttp.LocalAddrContextKey).(net.Addr); !ok || addr.String() != r.Host {
			t.Errorf("local address %v", addr)
		}
		if _, ok := r.Context().Value(nethttp.ServerContextKey).(*nethttp.Server); !ok {
			t.Error("no server in the context: ReverseProxy needs it")
		}
		<-r.Context().Done()
		for range 1000 {
			r.Context().Value(nethttp.LocalAddrContextKey)
			r.Context().Value("anything")
			_ = r.Context().Err()
		}
		done <- struct{}{}
	})))
	c, r := dial(t, url)
	for range 20 {
		send(t, c, "GET /late HTTP/1.1\r\nHost: %s\r\n\r\n", strings.TrimPrefix(url, "http://"))
		if res, _ := answer(t, r, "GET"); res.StatusCode != 503 {
			t.Fatal(res.StatusCode)
		}
		send(t, c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		answer(t, r, "GET")
		await(t, "the late one", done)
	}
}

// Close ends reads that wait, as a Transport's does when it gives a request up.
func TestCloseBodyWhileReading(t *testing.T) {
	url := serveHandler(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.ContentLength == 0 {
			return
		}
		half, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			if _, err := io.ReadFull(r.Body, make([]byte, len("half"))); err != nil {
				t.Error(err)
			}
			close(half)
			_, err := r.Body.Read(make([]byte, 1))
			ended <- err
		}()
		<-half
		r.Body.Close()
		if err := await(t, "the reader's end", ended); err == nil || err == io.EOF {
			t.Errorf("read while it is closed: %v", err)
		}
		if _, err := r.Body.Read(make([]byte, 1)); err != nethttp.ErrBodyReadAfterClose {
			t.Errorf("read behind Close: %v", err)
		}
	}))
	c, r := dial(t, url)
	send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
	if res, _ := answer(t, r, "POST"); res.StatusCode != 200 {
		t.Errorf("%d", res.StatusCode)
	}
	send(t, c, " whole"+"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, _ := answer(t, r, "GET"); res.StatusCode != 200 {
		t.Errorf("behind it: %d", res.StatusCode)
	}
}
