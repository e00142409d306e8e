package http

import (
	"bufio"
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// RFC 9110 section 15.3.6: a 205 has no content, however it is made.
func TestResetContentHasNoBody(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 64<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	onBoth(t, func() *App {
		app := New()
		app.Get("/text", func(c *Ctx) error { return c.Text(205, "body") })
		app.Get("/stream", func(c *Ctx) error {
			return c.Stream(205, "text/plain", func(s *Stream) error {
				if _, err := s.WriteString("body"); err != nil {
					return err
				}
				return s.Flush()
			})
		})
		app.Get("/stream/file", func(c *Ctx) error {
			return c.Stream(205, "text/plain", func(s *Stream) error {
				f := must(os.Open(file))
				defer f.Close()
				_, err := s.ReadFrom(f)
				return err
			})
		})
		app.Get("/file", func(c *Ctx) error { return c.SendFile(205, must(os.Open(file)), 0, 64<<10) })
		app.Handle("GET /net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Length", "4")
			w.WriteHeader(205)
			_, _ = io.WriteString(w, "body")
		}))
		app.Handle("GET /net/flush", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.WriteHeader(205)
			_ = nethttp.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, strings.Repeat("body", 4096))
		}))
		app.Get("/good", echo)
		return app
	}, func(t *testing.T, url string) {
		for _, path := range []string{"/text", "/stream", "/stream/file", "/file", "/net", "/net/flush"} {
			c := dial(t, strings.TrimPrefix(url, "http://"))
			r := bufio.NewReader(c)
			send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
			res, body := answer(t, r, "GET")
			if res.StatusCode != 205 || res.Header.Get("Content-Length") != "0" || body != "" || res.Header.Get("Content-Type") != "" {
				t.Errorf("%s: %d %v %d bytes", path, res.StatusCode, res.Header, len(body))
			}
			send(t, c, goodRequest)
			if _, body := answer(t, r, "GET"); body != "GET /good " {
				t.Errorf("behind %s: %q", path, body)
			}
		}
	})
}

// A stream of a code without a body sends no file either.
func TestNoContentFromFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 64<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	app := New()
	app.Get("/stream", func(c *Ctx) error {
		return c.Stream(204, "", func(s *Stream) error {
			f := must(os.Open(file))
			defer f.Close()
			_, err := s.ReadFrom(f)
			return err
		})
	})
	app.Get("/good", echo)
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	send(t, c, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n"+goodRequest)
	if res, _ := answer(t, r, "GET"); res.StatusCode != 204 {
		t.Errorf("%d", res.StatusCode)
	}
	if _, body := answer(t, r, "GET"); body != "GET /good " {
		t.Errorf("behind it: %q", body)
	}
}

// Whether the connection stays is the server's to say, once: RFC 9112 section 9.6.
func TestConnectionIsTheServers(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Get("/native", func(c *Ctx) error {
			if err := c.SetHeader("Connection", c.Header("X-Say")); err != nil {
				return err
			}
			return c.Text(200, "said")
		})
		app.Handle("GET /net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Connection", r.Header.Get("X-Say"))
			_, _ = io.WriteString(w, "said")
		}))
		return app
	}, func(t *testing.T, url string) {
		for _, tc := range []struct {
			asks, says string
			want       []string
			wantNet    []string // the same in another order, where net/http writes it
		}{
			{"close", "keep-alive", []string{"close"}, []string{"close"}},
			{"close", "Keep-Alive, upgrade", []string{"upgrade", "close"}, []string{"close", "upgrade"}},
			{"x", "keep-alive", nil, nil},
			{"x", "keep-alive, Upgrade", []string{"Upgrade"}, []string{"Upgrade"}},
			{"x", "close, keep-alive", []string{"close"}, []string{"close"}},
			{"x", "Upgrade, close", []string{"Upgrade", "close"}, []string{"close", "Upgrade"}},
		} {
			for _, path := range []string{"/native", "/net"} {
				c := dial(t, strings.TrimPrefix(url, "http://"))
				send(t, c, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: h\r\nConnection: %s\r\nX-Say: %s\r\n\r\n", path, tc.asks, tc.says))
				got := connectionLines(t, bufio.NewReader(c))
				if want := tc.want; !reflect.DeepEqual(got, want) && !reflect.DeepEqual(got, tc.wantNet) {
					t.Errorf("%s, asked %q, said %q: %q, want %q", path, tc.asks, tc.says, got, want)
				}
			}
		}
	})
}

// connectionLines reads a header section and returns its lines named Connection: net/http's client takes them out.
func connectionLines(t *testing.T, r *bufio.Reader) (values []string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return values
		}
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Connection") {
			values = append(values, value)
		}
	}
}
