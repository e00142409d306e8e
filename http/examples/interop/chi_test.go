package interop

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/carillon-go/carillon/http"
)

// users is a part of an application that was written for chi.
func users() chi.Router {
	r := chi.NewRouter()
	r.Get("/", func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, "all at "+r.URL.Path) })
	r.Route("/{id}", func(r chi.Router) {
		r.Get("/", func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, "user "+chi.URLParam(r, "id")) })
		r.Put("/files/*", func(w nethttp.ResponseWriter, r *nethttp.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s of %s: %s %v", chi.URLParam(r, "*"), chi.URLParam(r, "id"), body, err)
		})
	})
	return r
}

func TestChiMounted(t *testing.T) {
	app := http.New()
	router := chi.NewRouter()
	router.Mount("/users", users())
	app.Mount("/api/{version}", http.Wrap(router), http.StreamBody)
	app.Get("/api/v1/ours", func(c *http.Ctx) error { return c.Text(200, "ours") })
	url := serve(t, app) + "/api/v1"
	c := client(t)
	for _, tc := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/users/", "", 200, "all at /users/"},
		{"GET", "/users/ada", "", 200, "user ada"},
		{"GET", "/users/ada%20l?x=1", "", 200, "user ada l"},
		{"PUT", "/users/ada/files/a/b.txt", "content", 200, "a/b.txt of ada: content <nil>"},
		{"GET", "/nowhere", "", 404, "404 page not found\n"},
		{"DELETE", "/users/ada", "", 405, ""},
		{"GET", "/ours", "", 200, "ours"}, // more specific than the mount
	} {
		if res, body := do(t, c, request(t, tc.method, url+tc.path, tc.body)); res.StatusCode != tc.code || body != tc.want {
			t.Errorf("%s %s: %d %q, want %d %q", tc.method, tc.path, res.StatusCode, body, tc.code, tc.want)
		}
	}
}

func TestChiRequestIDAndRealIP(t *testing.T) {
	app := http.New()
	//lint:ignore SA1019 programs have it, and what it does to RemoteAddr is the hard case: an address without a port
	app.Use(http.WrapMiddleware(chimiddleware.RequestID), http.WrapMiddleware(chimiddleware.RealIP))
	app.Get("/", func(c *http.Ctx) error {
		return c.Text(200, chimiddleware.GetReqID(c)+" "+c.ClientIP().String())
	})
	url := serve(t, app)
	for _, ip := range []string{"203.0.113.9", "2001:db8::9"} {
		if _, body := get(t, url, "X-Request-Id", "abc", "X-Real-IP", ip); body != "abc "+ip {
			t.Errorf("%q", body)
		}
	}
	if _, body := get(t, url); !strings.HasSuffix(body, " 127.0.0.1") || len(body) < len("x 127.0.0.1") {
		t.Errorf("%q", body)
	}
}

func TestChiCompress(t *testing.T) {
	const text = "again and "
	app := http.New()
	app.Use(http.WrapMiddleware(chimiddleware.Compress(5)))
	app.Get("/whole", func(c *http.Ctx) error { return c.Text(200, strings.Repeat(text, 1000)) })
	app.Get("/stream", func(c *http.Ctx) error {
		return c.Stream(200, "text/plain", func(s *http.Stream) error {
			for range 1000 {
				if _, err := s.WriteString(text); err != nil {
					return err
				}
				if err := s.Flush(); err != nil {
					return err
				}
			}
			return nil
		})
	})
	app.Get("/image", func(c *http.Ctx) error { return c.Blob(200, "image/png", []byte(strings.Repeat(text, 1000))) })
	url := serve(t, app)
	for _, path := range []string{"/whole", "/stream", "/image"} {
		res, body := get(t, url+path, "Accept-Encoding", "gzip")
		coding := res.Header.Get("Content-Encoding")
		if packed := path != "/image"; packed != (coding == "gzip") {
			t.Fatalf("%s: Content-Encoding %q", path, coding)
		} else if packed {
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			body = string(plain)
		}
		if body != strings.Repeat(text, 1000) {
			t.Errorf("%s: %d bytes", path, len(body))
		}
		if res, body := get(t, url+path); res.Header.Get("Content-Encoding") != "" || body != strings.Repeat(text, 1000) {
			t.Errorf("%s, not asked for: %v", path, res.Header)
		}
	}
}

// The context ends in time, and chi answers for a handler that then returns without an answer.
func TestChiTimeout(t *testing.T) {
	causes := make(chan error, 2)
	app := http.New()
	app.Use(http.WrapMiddleware(chimiddleware.Timeout(20 * time.Millisecond)))
	app.Get("/native", func(c *http.Ctx) error {
		<-c.Done()
		causes <- c.Err()
		return nil
	})
	app.Handle("/net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		<-r.Context().Done()
		causes <- r.Context().Err()
	}))
	app.Get("/fast", func(c *http.Ctx) error { return c.NoContent(200) })
	app.Get("/silent", func(c *http.Ctx) error { return nil })
	url := serve(t, app)
	for _, path := range []string{"/native", "/net"} {
		if res, _ := get(t, url+path); res.StatusCode != 504 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		if err := await(t, "the context's end", causes); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"/fast", "/silent"} {
		if res, body := get(t, url+path); res.StatusCode != 200 || body != "" || res.ContentLength != 0 {
			t.Errorf("%s: %d %q, length %d", path, res.StatusCode, body, res.ContentLength)
		}
	}
}
