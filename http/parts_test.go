package http

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// RFC 9110 section 14.6: parts of a file, by sendfile, and of what is in memory, on the loop, off it, and under net/http.
func TestParts(t *testing.T) {
	body := make([]byte, 1<<20)
	for i := range body {
		body[i] = byte(i * 2654435761 >> 16)
	}
	name := filepath.Join(t.TempDir(), "body.bin")
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	file := func(c *Ctx) error {
		parts, err := c.SelectRanges(int64(len(body)), Validators{})
		if err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := c.SetHeader("Content-Type", "text/x-part"); err != nil {
			return err
		}
		return c.SendFileParts(f, int64(len(body)), parts)
	}
	memory := func(c *Ctx) error {
		parts, err := c.SelectRanges(int64(len(body)), Validators{})
		if err != nil {
			return err
		}
		return c.BlobParts("text/x-part", body, parts)
	}
	onBoth(t, func() *App {
		app := New()
		app.Get("/file", file)
		app.Get("/file-inline", file, Inline)
		app.Get("/memory", memory)
		app.Get("/memory-inline", memory, Inline)
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for _, path := range []string{"/file", "/file-inline", "/memory", "/memory-inline"} {
			for header, want := range map[string][]Range{
				"bytes=0-0,-1":                       {{0, 1}, {1<<20 - 1, 1}},
				"bytes=10-300000,0-5":                {{10, 299991}, {0, 6}},
				"bytes=0-9,20-400000,500000-":        {{0, 10}, {20, 399981}, {500000, 1<<20 - 500000}},
				"bytes=7-8":                          {{7, 2}},
				"bytes=" + strings.Repeat("3-,", 99): {{3, 1<<20 - 3}},
			} {
				req, err := nethttp.NewRequest("GET", url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Range", header)
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 206 || res.ContentLength != int64(len(got)) {
					t.Errorf("%s %.40s: %d, %d bytes of %d, %v", path, header, res.StatusCode, len(got), res.ContentLength, err)
					continue
				}
				if err := sameParts(res.Header, got, body, want); err != nil {
					t.Errorf("%s %.40s: %v", path, header, err)
				}
			}
		}
	})
	if open := openFDs(t, name); open > 0 {
		t.Errorf("%d descriptors are still open", open)
	}
}

// sameParts holds an answer against the parts of body that it should have.
func sameParts(h nethttp.Header, got, body []byte, want []Range) error {
	size := int64(len(body))
	if len(want) == 1 {
		if h.Get("Content-Range") != want[0].ContentRange(size) || h.Get("Content-Type") != "text/x-part" ||
			!bytes.Equal(got, body[want[0].Off:want[0].Off+want[0].Length]) {
			return fmt.Errorf("%v, %d bytes", h, len(got))
		}
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || mediaType != "multipart/byteranges" || h.Get("Content-Range") != "" {
		return fmt.Errorf("%v, %v", h, err)
	}
	r := multipart.NewReader(bytes.NewReader(got), params["boundary"])
	for _, part := range want {
		p, err := r.NextRawPart()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(p)
		if err != nil || p.Header.Get("Content-Range") != part.ContentRange(size) || p.Header.Get("Content-Type") != "text/x-part" ||
			!bytes.Equal(b, body[part.Off:part.Off+part.Length]) {
			return fmt.Errorf("part %v: %v, %d bytes, %v", part, p.Header, len(b), err)
		}
	}
	if _, err := r.NextRawPart(); err != io.EOF {
		return fmt.Errorf("behind the last part: %v", err)
	}
	return nil
}

// openFDs is how many descriptors of this process are of the file name.
func openFDs(t *testing.T, name string) (n int) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && target == name {
			n++
		}
	}
	return n
}

// A file that gets shorter between its parts ends the connection, and is closed.
func TestPartsOfAFileThatShrinks(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sparse.bin")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 256<<20); err != nil {
		t.Fatal(err)
	}
	app := New()
	app.Get("/", func(c *Ctx) error { return c.File(name) }, Inline)
	conn := dial(t, serveApp(t, app))
	send(t, conn, "GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=0-100000000,100000002-\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 4096); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, conn); n >= 256<<20 || err != nil && !isConnReset(err) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if open := openFDs(t, name); open > 0 {
		t.Errorf("%d descriptors are still open", open)
	}
}

func isConnReset(err error) bool { return strings.Contains(err.Error(), unix.ECONNRESET.Error()) }

func TestHeaderBlock(t *testing.T) {
	for _, pairs := range [][]string{
		{"A"}, {"A", "b", "C"}, {"a b", "c"}, {"A", "b\r\nC: d"}, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}, {"connection", "close"},
	} {
		if _, err := NewHeaderBlock(pairs...); err == nil {
			t.Errorf("%q is a block", pairs)
		}
	}
	block, err := NewHeaderBlock("Content-Type", "text/x-block", "Date", "never", "X-A", "1", "X-A", "2")
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func() *App {
		app := New()
		app.Get("/", func(c *Ctx) error {
			for _, name := range []string{"x-a", "X-B", "content-type"} {
				if err := c.SetHeader(name, "before"); err != nil {
					return err
				}
			}
			c.SetHeaderBlock(block)
			return c.Blob(200, "text/plain", []byte("x"))
		})
		return app
	}, func(t *testing.T, url string) {
		res, _ := fetch(t, client(t), "GET", url+"/", "")
		h := res.Header
		if h.Get("Content-Type") != "text/x-block" || h.Get("Date") != "never" || fmt.Sprint(h["X-A"], h["X-B"]) != "[1 2] [before]" {
			t.Errorf("%v", h)
		}
	})
}
