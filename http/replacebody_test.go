package http

import (
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// doubled stands for a middleware that decodes: what is behind it reads the body twice over.
func doubled(next Handler) Handler {
	return func(c *Ctx) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		c.ReplaceBody(strings.NewReader(string(body) + string(body)))
		c.DropHeader("X-Once")
		return next(c)
	}
}

// What a handler is told of a body's length is not what the client has declared when something else is read in its place:
// ReverseProxy sends no more than it was told of.
func TestReplacedBodyHasNoLength(t *testing.T) {
	backend := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %q %q %s", r.ContentLength, r.Header.Values("Content-Length"), r.Header.Values("X-Once"), body)
	}))
	defer backend.Close()
	target := must(url.Parse(backend.URL))
	onBoth(t, func() *App {
		app := New()
		app.Use(doubled)
		native := func(c *Ctx) error {
			return c.Text(200, fmt.Sprintf("%d %q %q %s", c.ContentLength(), c.Header("Content-Length"), c.Header("X-Once"), must(c.PeekBody())))
		}
		proxy := Wrap(httputil.NewSingleHostReverseProxy(target))
		around := WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next })
		app.Post("/native", native)
		app.Post("/inline", native, Inline)
		app.Post("/behind", native, With(around))
		app.Post("/proxy", proxy)
		app.Post("/proxy/stream", proxy, StreamBody)
		app.Post("/proxy/behind", proxy, With(around))
		return app
	}, func(t *testing.T, base string) {
		for path, want := range map[string]string{
			"/native": `-1 "" "" abcabc`, "/inline": `-1 "" "" abcabc`, "/behind": `-1 "" "" abcabc`,
			"/proxy": `-1 [] [] abcabc`, "/proxy/stream": `-1 [] [] abcabc`, "/proxy/behind": `-1 [] [] abcabc`,
		} {
			req := must(nethttp.NewRequest("POST", base+path, strings.NewReader("abc")))
			req.Header.Set("X-Once", "1")
			if res, body := do(t, client(t), req); res.StatusCode != 200 || body != want {
				t.Errorf("%s: %d %q, want %q", path, res.StatusCode, body, want)
			}
		}
	})
}

// The next request on a connection has its own length again.
func TestReplacedBodyIsForgotten(t *testing.T) {
	app := New()
	app.Post("/doubled", echo, Inline, With(doubled))
	app.Post("/length", func(c *Ctx) error { return c.Text(200, fmt.Sprint(c.ContentLength())) }, Inline)
	base := "http://" + serveApp(t, app)
	c := client(t)
	if _, body := fetch(t, c, "POST", base+"/doubled", "ab"); body != "POST /doubled abab" {
		t.Errorf("%q", body)
	}
	if _, body := fetch(t, c, "POST", base+"/length", "ab"); body != "2" {
		t.Errorf("length %s, want 2", body)
	}
}
