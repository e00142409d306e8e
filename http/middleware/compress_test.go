package middleware_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// decode undoes a content coding, strictly.
func decode(t testing.TB, name, body string) string {
	t.Helper()
	plain, err := io.ReadAll(decoder(t, name, strings.NewReader(body)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(plain)
}

func decoder(t testing.TB, name string, r io.Reader) io.Reader {
	t.Helper()
	switch name {
	case "br":
		return brotli.NewReader(r)
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		return z
	case "":
		return r
	}
	t.Fatalf("coding %q", name)
	return nil
}

var prose = strings.Repeat("The carillon of Mechelen has forty-nine bells. ", 200)

// ringing answers in all the ways that matter to Compress.
func ringing(app *http.App) {
	app.Get("/text", func(c *http.Ctx) error { return c.Text(200, prose) })
	app.Get("/inline", func(c *http.Ctx) error { return c.Text(200, prose) }, http.Inline)
	app.Get("/small", func(c *http.Ctx) error { return c.Text(200, prose[:1023]) })
	app.Get("/empty", func(c *http.Ctx) error { return c.Text(200, "") })
	app.Get("/large", func(c *http.Ctx) error { return c.Text(200, strings.Repeat(prose, 100)) })
	app.Get("/error", func(c *http.Ctx) error { return http.NewError(400, prose) })
	app.Get("/nothing", func(c *http.Ctx) error { return c.NoContent(204) })
	app.Get("/file", func(c *http.Ctx) error {
		f, err := os.Open("compress.go")
		if err != nil {
			return err
		}
		return errors.Join(c.SetHeader("Content-Type", "text/plain"), c.SendFile(200, f, 0, 2000))
	})
	app.Get("/stream", func(c *http.Ctx) error {
		return c.Stream(200, "text/html", func(s *http.Stream) error {
			for rest := prose; rest != ""; rest = rest[47:] {
				if _, err := s.WriteString(rest[:47]); err != nil {
					return err
				}
			}
			return c.SetTrailer("X-Sum", "9400")
		})
	})
	app.Handle("/net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", fmt.Sprint(len(prose)))
		_, _ = io.WriteString(w, prose)
	}))
	app.Get("/with", func(c *http.Ctx) error { // ?Name=value sets a header line
		name, value, _ := strings.Cut(c.RawQuery(), "=")
		code := 200
		if name == "status" {
			code = 206
		} else if err := c.SetHeader(name, value); err != nil {
			return err
		}
		return c.Text(code, prose)
	})
}

func TestCompress(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.Compress())
		ringing(app)
		return app
	}, func(t *testing.T, url string) {
		for _, tc := range []struct {
			name, path, accept string
			coding, vary       string
			want               string
		}{
			{"whole, brotli", "/text", "gzip, br, zstd", "br", "Accept-Encoding", prose},
			{"whole, zstd", "/text", "gzip, zstd", "zstd", "Accept-Encoding", prose},
			{"whole, gzip", "/text", "gzip", "gzip", "Accept-Encoding", prose},
			{"on a loop", "/inline", "br", "br", "Accept-Encoding", prose},
			{"large", "/large", "zstd", "zstd", "Accept-Encoding", strings.Repeat(prose, 100)},
			{"no line", "/text", "", "", "Accept-Encoding", prose},
			{"refused", "/text", "*;q=0", "", "Accept-Encoding", prose},
			{"below the threshold", "/small", "gzip", "", "Accept-Encoding", prose[:1023]},
			{"below it, identity refused", "/small", "gzip, identity;q=0", "gzip", "Accept-Encoding", prose[:1023]},
			{"empty", "/empty", "gzip, identity;q=0", "", "", ""},
			{"error document", "/error", "gzip", "gzip", "Accept-Encoding", `{"detail":"` + prose + `","status":400,"title":"Bad Request"}`},
			{"no body", "/nothing", "gzip", "", "", ""},
			{"file", "/file", "gzip", "", "", "-"},
			{"stream, brotli", "/stream", "br", "br", "Accept-Encoding", prose},
			{"stream, zstd", "/stream", "zstd", "zstd", "Accept-Encoding", prose},
			{"stream, gzip", "/stream", "gzip", "gzip", "Accept-Encoding", prose},
			{"stream, none", "/stream", "", "", "Accept-Encoding", prose},
			{"net/http", "/net", "gzip", "gzip", "Accept-Encoding", prose},
			{"type", "/with?Content-Type=image/png", "gzip", "", "", prose},
			{"event stream", "/with?Content-Type=text/event-stream", "gzip", "", "", prose},
			{"suffix", "/with?Content-Type=image/svg%2bxml", "gzip", "", "", prose}, // the query is not decoded
			{"coded already", "/with?Content-Encoding=xyz", "gzip", "xyz", "", prose},
			{"no-transform", "/with?Cache-Control=public,No-Transform", "gzip", "", "", prose},
			{"part", "/with?Content-Range=bytes", "gzip", "", "", prose},
			{"206", "/with?status=206", "gzip", "", "", prose},
			{"digest", "/with?Repr-Digest=x", "gzip", "", "", prose},
			{"no second Vary", "/with?Vary=accept-encoding", "gzip", "gzip", "accept-encoding", prose},
			{"Vary of another", "/with?Vary=Origin", "gzip", "gzip", "Origin Accept-Encoding", prose},
		} {
			req := request(t, "GET", url+tc.path, "")
			if tc.accept != "" {
				req.Header.Set("Accept-Encoding", tc.accept)
			}
			res, body := do(t, req)
			coding, vary := res.Header.Get("Content-Encoding"), strings.Join(res.Header["Vary"], " ")
			if coding != tc.coding || vary != tc.vary {
				t.Errorf("%s: coding %q, Vary %q, want %q, %q", tc.name, coding, vary, tc.coding, tc.vary)
				continue
			}
			if coding == "xyz" {
				coding = ""
			}
			if plain := decode(t, coding, body); plain != tc.want && tc.want != "-" {
				t.Errorf("%s: %d bytes, want %d", tc.name, len(plain), len(tc.want))
			}
			if coding != "" && len(body) >= len(tc.want) {
				t.Errorf("%s: grew from %d to %d", tc.name, len(tc.want), len(body))
			}
			if tc.path == "/stream" && res.Trailer.Get("X-Sum") != "9400" {
				t.Errorf("%s: trailers %v", tc.name, res.Trailer)
			}
		}
	})
}

// RFC 9110 section 9.3.2: the lines of HEAD are those of GET.
func TestCompressHEAD(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.Compress(), middleware.ETag())
		ringing(app)
		return app
	}, func(t *testing.T, url string) {
		for _, path := range []string{"/text", "/inline", "/small", "/large", "/stream", "/error", "/nothing", "/file"} {
			get, _ := do(t, request(t, "GET", url+path, "", "Accept-Encoding: zstd"))
			head, body := do(t, request(t, "HEAD", url+path, "", "Accept-Encoding: zstd"))
			for _, name := range []string{"Content-Encoding", "Content-Type", "Vary", "Etag"} {
				if get.Header.Get(name) != head.Header.Get(name) {
					t.Errorf("%s: %s: GET %q, HEAD %q", path, name, get.Header.Get(name), head.Header.Get(name))
				}
			}
			// RFC 9110 section 9.3.2 allows to leave out the length. net/http gives short streams of GET one.
			if length := head.Header.Get("Content-Length"); length != "" && length != get.Header.Get("Content-Length") || body != "" {
				t.Errorf("%s: GET says %d bytes, HEAD %s, with %d", path, get.ContentLength, length, len(body))
			}
		}
	})
}

// RFC 9110 section 8.8.1: a tag that stands for more than one sequence of bytes is weak.
func TestCompressMakesTagsWeak(t *testing.T) {
	app := http.New()
	app.Use(middleware.Compress())
	app.Get("/", func(c *http.Ctx) error {
		return errors.Join(c.SetHeader("ETag", c.RawQuery()), c.SetHeader("Accept-Ranges", "bytes"), c.Text(200, prose))
	})
	for _, tc := range []struct{ tag, accept, want, ranges string }{
		{`"a"`, "gzip", `W/"a"`, ""},
		{`W/"a"`, "gzip", `W/"a"`, ""},
		{`"a"`, "", `"a"`, "bytes"},
	} {
		req := httptest.NewRequest("GET", "/?"+tc.tag, nil)
		req.Header.Set("Accept-Encoding", tc.accept)
		res, err := app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("ETag"); got != tc.want || res.Header.Get("Accept-Ranges") != tc.ranges {
			t.Errorf("%+v: %q, %q", tc, got, res.Header.Get("Accept-Ranges"))
		}
	}
}

// A 304 has the Vary that its 200 would have: RFC 9110 section 15.4.5.
func TestCompressVaryOfConditionalRequests(t *testing.T) {
	app := http.New()
	app.Use(middleware.Compress())
	app.Get("/", func(c *http.Ctx) error { return c.NoContent(304) })
	for _, name := range []string{"If-None-Match", "If-Modified-Since"} {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set(name, "x")
		if res, err := app.Test(req); err != nil || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v %v", name, res, err)
		}
	}
}

// What a handler flushes reaches the client before the handler goes on.
func TestCompressPassesFlush(t *testing.T) {
	for _, coding := range []string{"br", "zstd", "gzip"} {
		t.Run(coding, func(t *testing.T) {
			read := make(chan struct{})
			onBoth(t, func() *http.App {
				app := http.New()
				app.Use(middleware.Compress(middleware.CompressOptions{Types: []string{"text/event-stream"}, Codings: []string{coding}}))
				app.Get("/", func(c *http.Ctx) error {
					return c.SSE(func(s *http.EventStream) error {
						for i := range 3 {
							if err := s.Send(http.Event{Data: fmt.Sprint("event ", i)}); err != nil {
								return err
							}
							<-read
						}
						return nil
					})
				})
				return app
			}, func(t *testing.T, url string) {
				res, err := (&nethttp.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(
					request(t, "GET", url, "", "Accept-Encoding: "+coding))
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if got := res.Header.Get("Content-Encoding"); got != coding {
					t.Fatalf("coding %q", got)
				}
				r := bufio.NewReader(decoder(t, coding, res.Body))
				for i := range 3 {
					if line, err := r.ReadString('\n'); line != fmt.Sprintf("data: event %d\n", i) {
						t.Fatalf("%q, %v", line, err)
					}
					if line, err := r.ReadString('\n'); line != "\n" {
						t.Fatalf("%q, %v", line, err)
					}
					read <- struct{}{}
				}
				if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
					t.Errorf("%q, %v", rest, err)
				}
			})
		})
	}
}

// Encoders and buffers are used again and again, by many at a time: nobody gets a byte of another's.
func TestCompressConcurrently(t *testing.T) {
	app := http.New()
	app.Use(middleware.Compress(middleware.CompressOptions{MinSize: 1}))
	app.Get("/{n}", func(c *http.Ctx) error { return c.Text(200, strings.Repeat(c.Param("n")+" ", 3000)) })
	app.Get("/torn/{n}", func(c *http.Ctx) error {
		return c.Stream(200, "text/plain", func(s *http.Stream) error {
			return errors.Join(s.Flush(), errors.New("leaves its encoder in the middle"))
		})
	})
	url := startApp(t, app)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			tr := &nethttp.Transport{DisableCompression: true}
			defer tr.CloseIdleConnections()
			for j := range 30 {
				n, coding := fmt.Sprint(i*100+j), []string{"br", "zstd", "gzip"}[j%3]
				if j%5 == 0 {
					if res, err := tr.RoundTrip(request(t, "GET", url+"/torn/"+n, "", "Accept-Encoding: "+coding)); err == nil {
						_, _ = io.ReadAll(res.Body)
						res.Body.Close()
					}
				}
				res, err := tr.RoundTrip(request(t, "GET", url+"/"+n, "", "Accept-Encoding: "+coding))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || decode(t, coding, string(body)) != strings.Repeat(n+" ", 3000) {
					t.Errorf("%s of %s: %v", coding, n, err)
				}
			}
		})
	}
	all.Wait()
}

// What does not get smaller is sent as it is.
func TestCompressWhatDoesNotShrink(t *testing.T) {
	app := http.New()
	app.Use(middleware.Compress(middleware.CompressOptions{MinSize: 1, Types: []string{"*/*"}}))
	app.Get("/", func(c *http.Ctx) error { return c.Blob(200, "application/x-noise", []byte{1, 2, 3, 200, 100, 50}) })
	for accept, want := range map[string]string{"gzip": "", "gzip, identity;q=0": "gzip"} {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Accept-Encoding", accept)
		res, err := app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		if got := res.Header.Get("Content-Encoding"); got != want || decode(t, got, string(body)) != "\x01\x02\x03\xc8\x64\x32" {
			t.Errorf("%s: %q %q", accept, got, body)
		}
	}
}

func ExampleCompress() {
	app := http.New()
	app.Use(middleware.Compress())
	app.Get("/", func(c *http.Ctx) error { return c.Text(200, strings.Repeat("ding dong ", 1000)) })

	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("Accept-Encoding", "gzip, br")
	res, err := app.Test(req)
	if err != nil {
		panic(err)
	}
	fmt.Println(res.Header.Get("Content-Encoding"), res.Header.Get("Vary"), res.ContentLength < 100)
	// Output: br Accept-Encoding true
}

func BenchmarkCompress(b *testing.B) {
	text, err := os.ReadFile("compress.go")
	if err != nil {
		b.Fatal(err)
	}
	for _, coding := range []string{"br", "zstd", "gzip"} {
		for level := 1; level <= 3; level++ {
			b.Run(fmt.Sprintf("%s-%d", coding, level), func(b *testing.B) {
				app := http.New()
				app.Use(middleware.Compress(middleware.CompressOptions{Level: level}))
				app.Get("/", func(c *http.Ctx) error { return c.Blob(200, "text/plain", text) })
				req := httptest.NewRequest("GET", "/", nil)
				req.Header.Set("Accept-Encoding", coding)
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				var size int64
				for b.Loop() {
					res, err := app.Test(req)
					if err != nil {
						b.Fatal(err)
					}
					size = res.ContentLength
				}
				b.ReportMetric(float64(size)/float64(len(text)), "ratio")
			})
		}
	}
}

// HEAD has the lines of GET also where the answer is a file that is small enough to be compressed.
func TestCompressHeadOfSmallFile(t *testing.T) {
	dir := fstest.MapFS{"a.txt": {Data: bytes.Repeat([]byte("text "), 1000), ModTime: time.Unix(1e9, 0)}}
	path := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(path, dir["a.txt"].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.Compress())
		app.Get("/file", func(c *http.Ctx) error { return c.File(path) })
		app.Get("/fs", func(c *http.Ctx) error { return c.FileFS(dir, "a.txt") })
		return app
	}, func(t *testing.T, url string) {
		for _, target := range []string{"/file", "/fs"} {
			get, _ := do(t, request(t, "GET", url+target, "", "Accept-Encoding: gzip"))
			head, _ := do(t, request(t, "HEAD", url+target, "", "Accept-Encoding: gzip"))
			if get.Header.Get("Content-Encoding") != "gzip" {
				t.Fatalf("%s: not compressed: %v", target, get.Header)
			}
			for _, name := range []string{"Content-Encoding", "Content-Length", "ETag", "Accept-Ranges", "Vary"} {
				if g, h := get.Header.Get(name), head.Header.Get(name); g != h {
					t.Errorf("%s: %s: GET has %q, HEAD %q", target, name, g, h)
				}
			}
		}
	})
}
