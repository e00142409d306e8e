package middleware_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// encode applies a content coding to what write writes.
func encode(t testing.TB, name string, write func(w io.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "br":
		w = brotli.NewWriterLevel(&b, 2)
	case "zstd":
		w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	default:
		w, err = gzip.NewWriterLevel(&b, gzip.BestSpeed)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func encodeText(t testing.TB, name, text string) string {
	return encode(t, name, func(w io.Writer) { _, _ = io.WriteString(w, text) })
}

// unpacking echoes bodies, read in each way there is.
func unpacking(max int64) *http.App {
	app := http.New()
	app.Use(middleware.Decompress(max))
	echo := func(c *http.Ctx) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		return c.Text(200, string(body))
	}
	app.Post("/body", echo)
	app.Post("/inline", echo, http.Inline)
	app.Post("/stream", func(c *http.Ctx) error {
		body, err := io.ReadAll(c.BodyReader())
		if err != nil {
			return err
		}
		return c.Text(200, string(body))
	}, http.StreamBody)
	app.Handle("POST /net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if e, ok := errors.AsType[*http.Error](err); ok {
			w.WriteHeader(e.Code)
		}
		_, _ = w.Write(body)
	}))
	app.Post("/unread", func(c *http.Ctx) error { return c.Text(200, prose) })
	app.Post("/twice", echo, http.With(middleware.Decompress(1<<30)))
	app.Post("/less", echo, http.With(middleware.Decompress(10)))
	return app
}

func TestDecompress(t *testing.T) {
	onBoth(t, func() *http.App { return unpacking(int64(len(prose))) }, func(t *testing.T, url string) {
		for _, coding := range []string{"gzip", "zstd", "br"} {
			packed := encodeText(t, coding, prose)
			for _, tc := range []struct {
				name, path, header, body string
				code                     int
			}{
				{"whole", "/body", coding, packed, 200},
				{"on a loop", "/inline", coding, packed, 200},
				{"as it comes", "/stream", coding, packed, 200},
				{"net/http", "/net", coding, packed, 200},
				{"unread", "/unread", coding, packed, 200},
				{"two middlewares", "/twice", coding, packed, 200},
				{"two, the lower counts", "/less", coding, packed, 413},
				{"case", "/body", strings.ToUpper(coding), packed, 200},
				{"empty elements", "/body", " ," + coding + " ,", packed, 200},
				{"a byte too much", "/body", coding, encodeText(t, coding, prose+"x"), 413},
				{"a byte too much, on a loop", "/inline", coding, encodeText(t, coding, prose+"x"), 413},
				{"a byte too much, as it comes", "/stream", coding, encodeText(t, coding, prose+"x"), 413},
				{"not what it says", "/body", coding, prose, 400},
				{"not what it says, as it comes", "/stream", coding, "x", 400},
				{"cut", "/body", coding, packed[:len(packed)-1], 400},
				{"more behind it", "/body", coding, packed + "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", 400},
			} {
				res, body := do(t, request(t, "POST", url+tc.path, tc.body, "Content-Encoding:"+tc.header))
				if res.StatusCode != tc.code || tc.code == 200 && body != prose {
					t.Errorf("%s %s: %d %.60q", coding, tc.name, res.StatusCode, body)
				}
			}
		}
	})
}

// RFC 9110 sections 8.4 and 15.5.16.
func TestDecompressCodings(t *testing.T) {
	onBoth(t, func() *http.App { return unpacking(1 << 20) }, func(t *testing.T, url string) {
		packed := encodeText(t, "gzip", prose)
		for _, tc := range []struct {
			name, body string
			lines      []string
			code       int
			want       string
		}{
			{"none", "plain", nil, 200, "plain"},
			{"identity", "plain", []string{"Content-Encoding: identity"}, 200, "plain"},
			{"x-gzip", packed, []string{"Content-Encoding: x-gzip"}, 200, prose},
			{"unknown", "plain", []string{"Content-Encoding: deflate"}, 415, ""},
			{"any", "plain", []string{"Content-Encoding: *"}, 415, ""},
			{"a parameter", packed, []string{"Content-Encoding: gzip;q=1"}, 415, ""},
			{"two", packed, []string{"Content-Encoding: gzip, gzip"}, 415, ""},
			{"two lines", packed, []string{"Content-Encoding: gzip", "Content-Encoding: br"}, 415, ""},
			{"no body", "", []string{"Content-Encoding: deflate"}, 200, ""},
		} {
			res, body := do(t, request(t, "POST", url+"/body", tc.body, tc.lines...))
			if res.StatusCode != tc.code || tc.code == 200 && body != tc.want {
				t.Errorf("%s: %d %.60q", tc.name, res.StatusCode, body)
			}
			if got := res.Header.Get("Accept-Encoding"); (got == "gzip, zstd, br") != (tc.code == 415) {
				t.Errorf("%s: Accept-Encoding %q", tc.name, got)
			}
		}
		req := request(t, "POST", url+"/stream", "", "Content-Encoding: br")
		req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(""))
		if res, body := do(t, req); res.StatusCode != 200 || body != "" {
			t.Errorf("empty and chunked: %d %q", res.StatusCode, body)
		}
	})
}

// A window of 128 MiB would have the decoder hold as much.
func TestDecompressRefusesLargeWindows(t *testing.T) {
	app := unpacking(1 << 30)
	// RFC 8878 section 3.1.1: magic, a descriptor without content size, a window descriptor of 2^(10+17), a raw block of one byte.
	frame := "\x28\xb5\x2f\xfd\x00" + string([]byte{17 << 3}) + "\x09\x00\x00x"
	req := httptest.NewRequest("POST", "/body", strings.NewReader(frame))
	req.Header.Set("Content-Encoding", "zstd")
	if res, err := app.Test(req); err != nil || res.StatusCode != 413 {
		t.Errorf("%v %v", res, err)
	}
}

// gzipBomb has a member for each MiB: a gzip file may have several.
func gzipBomb(t *testing.T, mib int) string {
	return strings.Repeat(encode(t, "gzip", func(w io.Writer) { _, _ = w.Write(make([]byte, 1<<20)) }), mib)
}

// zstdBomb is a frame of RLE blocks, 128 KiB of zeros each: RFC 8878 sections 3.1.1.1 and 3.1.1.2.
func zstdBomb(_ *testing.T, mib int) string {
	const window, rle = (17 - 10) << 3, 1 << 1
	size := 128 << 10 << 3
	block := string([]byte{byte(size | rle), byte(size >> 8), byte(size >> 16), 0})
	last := "\x01\x00\x00" // raw, empty
	return "\x28\xb5\x2f\xfd\x00" + string([]byte{window}) + strings.Repeat(block, mib*8) + last
}

// brotliBomb repeats what an encoder makes of one more MiB of zeros: it refers to those before it, as does the next.
func brotliBomb(t *testing.T, mib int) string {
	var b bytes.Buffer
	w := brotli.NewWriterLevel(&b, 2)
	zeros := make([]byte, 1<<20)
	var ends []int
	for range 3 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, b.Len())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	made := b.String()
	return made[:ends[1]] + strings.Repeat(made[ends[1]:ends[2]], mib-2) + made[ends[2]:]
}

// A body of some KiB that inflates to 1 GiB is given up at the limit, and costs no memory to speak of.
func TestDecompressBomb(t *testing.T) {
	const max = 1 << 20
	bombs := make(map[string]string)
	for coding, bomb := range map[string]func(t *testing.T, mib int) string{"gzip": gzipBomb, "zstd": zstdBomb, "br": brotliBomb} {
		if plain := decode(t, coding, bomb(t, 8)); len(plain) != 8<<20 || strings.Trim(plain, "\x00") != "" {
			t.Fatalf("%s: a dud of %d bytes", coding, len(plain))
		}
		bombs[coding] = bomb(t, 1024)
	}
	app := unpacking(max)
	got := make(chan int, 1)
	app.Post("/count", func(c *http.Ctx) error {
		n, err := io.Copy(io.Discard, c.BodyReader())
		got <- int(n)
		return err
	}, http.StreamBody)
	url := startApp(t, app)
	for coding, bomb := range bombs {
		if len(bomb) > 2<<20 {
			t.Errorf("%s: a bomb of %d bytes", coding, len(bomb))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, path := range []string{"/body", "/stream", "/net", "/inline", "/count"} {
			res, _ := do(t, request(t, "POST", url+path, bomb, "Content-Encoding: "+coding))
			if res.StatusCode != 413 {
				t.Errorf("%s %s: %d", coding, path, res.StatusCode)
			}
		}
		if n := <-got; n != max {
			t.Errorf("%s: %d bytes came out", coding, n)
		}
		runtime.ReadMemStats(&after)
		// All that was allocated, not what is still there: five bodies of 1 MiB with their copies, and decoders.
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 200 {
			t.Errorf("%s: %d MiB for a bomb of %d KiB", coding, used, len(bomb)>>10)
		}
	}
}

// Decoders are used again, also after a body that was malformed or not read to its end.
func TestDecompressDecodersAreReusable(t *testing.T) {
	app := unpacking(1 << 20)
	app.Post("/some", func(c *http.Ctx) error {
		_, err := c.BodyReader().Read(make([]byte, 10))
		return errors.Join(err, c.NoContent(204))
	})
	for _, coding := range []string{"gzip", "zstd", "br"} {
		packed := encodeText(t, coding, prose)
		for i := range 20 {
			for _, tc := range []struct {
				path, body string
				code       int
			}{
				{"/body", packed, 200}, {"/body", packed[:len(packed)/2], 400}, {"/some", packed, 204}, {"/body", prose, 400}, {"/body", packed, 200},
			} {
				req := httptest.NewRequest("POST", tc.path, strings.NewReader(tc.body))
				req.Header.Set("Content-Encoding", coding)
				res, err := app.Test(req)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				if res.StatusCode != tc.code || tc.code == 200 && string(body) != prose {
					t.Fatalf("%s, round %d, %s: %d %.40q", coding, i, tc.path, res.StatusCode, body)
				}
			}
		}
	}
}

// Who keeps the reader past the request reads an error, not somebody else's body.
func TestDecompressReaderBehindItsRequest(t *testing.T) {
	app := http.New()
	app.Use(middleware.Decompress(1 << 20))
	var kept io.Reader
	app.Post("/", func(c *http.Ctx) error {
		kept = c.BodyReader()
		_, err := kept.Read(make([]byte, 1))
		return err
	})
	req := httptest.NewRequest("POST", "/", strings.NewReader(encodeText(t, "zstd", prose)))
	req.Header.Set("Content-Encoding", "zstd")
	if res, err := app.Test(req); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	if n, err := kept.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func ExampleDecompress() {
	app := http.New()
	app.Use(middleware.Decompress(8 << 20))
	app.Post("/", func(c *http.Ctx) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		return c.Text(200, string(body))
	})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "hello")
	_ = z.Close()
	for _, coding := range []string{"gzip", "compress"} {
		req := httptest.NewRequest("POST", "/", bytes.NewReader(packed.Bytes()))
		req.Header.Set("Content-Encoding", coding)
		res, err := app.Test(req)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%d %s\n", res.StatusCode, body)
	}
	// Output:
	// 200 hello
	// 415 {"detail":"a content coding that is not understood here","status":415,"title":"Unsupported Media Type"}
}

// Whatever a body holds: no panic, no more than the limit, and an error that a handler may return.
func FuzzDecompress(f *testing.F) {
	for _, coding := range []string{"gzip", "zstd", "br"} {
		f.Add(coding, []byte(encodeText(f, coding, "The carillon")))
		f.Add(coding, []byte{})
	}
	app := http.New()
	app.Use(middleware.Decompress(1 << 10))
	app.Post("/", func(c *http.Ctx) error {
		n, err := io.Copy(io.Discard, c.BodyReader())
		if e, ok := errors.AsType[*http.Error](err); n > 1<<10 || err != nil && (!ok || e.Code != 400 && e.Code != 413) {
			panic(fmt.Sprintf("%d bytes, %v", n, err))
		}
		return err
	})
	f.Fuzz(func(t *testing.T, coding string, body []byte) {
		if coding != "gzip" && coding != "zstd" && coding != "br" {
			return
		}
		req := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		req.Header.Set("Content-Encoding", coding)
		res, err := app.Test(req)
		if err != nil || res.StatusCode == 500 {
			t.Fatal(res, err)
		}
	})
}

// What is behind Decompress may pass the request on: nothing says any more that its body is compressed.
func TestDecompressHidesTheCoding(t *testing.T) {
	backend := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %s", r.Header.Values("Content-Encoding"), body)
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.Decompress(1 << 20))
		app.Handle("POST /proxy", httputil.NewSingleHostReverseProxy(target))
		app.Post("/native", func(c *http.Ctx) error {
			body, err := c.Body()
			if err != nil {
				return err
			}
			return c.Text(200, fmt.Sprintf("%q %d %s", c.Header("Content-Encoding"), c.ContentLength(), body))
		}, http.Inline)
		return app
	}, func(t *testing.T, base string) {
		for path, want := range map[string]string{"/proxy": `[] plain`, "/native": `"" -1 plain`} {
			req, err := nethttp.NewRequest("POST", base+path, strings.NewReader(encodeText(t, "gzip", "plain")))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Encoding", "gzip")
			res, err := nethttp.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != 200 || string(body) != want {
				t.Errorf("%s: %d %q %v, want %q", path, res.StatusCode, body, err, want)
			}
		}
		nethttp.DefaultClient.CloseIdleConnections()
	})
}
