package http

import (
	"bytes"
	"errors"
	"io/fs"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"
)

func TestFileState(t *testing.T) {
	old := time.Unix(dated+3600, 0)
	state := FileState{Size: 5, Modified: time.Unix(dated, 0), Inode: 7}
	v := state.Validators(old)
	if v.ETag[0] != '"' || !v.Modified.Equal(state.Modified) || v.Absent {
		t.Errorf("%+v", v)
	}
	for what, changed := range map[string]FileState{
		"size": {6, state.Modified, 7}, "nanosecond": {5, time.Unix(dated, 1), 7}, "second": {5, time.Unix(dated+1, 0), 7}, "inode": {5, state.Modified, 8},
	} {
		if changed.Validators(old).ETag == v.ETag {
			t.Errorf("another %s, the same ETag", what)
		}
	}
	if got := state.Validators(time.Unix(dated, 999_999_999)).ETag; got != "W/"+v.ETag { // RFC 9110, 8.8.1
		t.Errorf("within a second of the change: %s", got)
	}
	if got := state.Validators(time.Unix(dated-1, 0)).Modified; !got.IsZero() { // RFC 9110, 8.8.2.1
		t.Errorf("from the future: %v", got)
	}
	if got := (FileState{Modified: time.Unix(-1, 0)}).LastModified(old); !got.IsZero() {
		t.Errorf("from before the epoch: %v", got)
	}
}

// bareFS hides that its files can seek, and gives them no time.
type bareFS struct{ fs.FS }

type bareFile struct{ fs.File }

type bareInfo struct{ fs.FileInfo }

func (b bareFS) Open(name string) (fs.File, error) {
	f, err := b.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return bareFile{f}, nil
}

func (b bareFile) Stat() (fs.FileInfo, error) {
	info, err := b.File.Stat()
	return bareInfo{info}, err
}

func (bareInfo) ModTime() time.Time { return time.Time{} }

// lyingFS has files that are shorter than they say.
type lyingFS struct{ fstest.MapFS }

type lyingInfo struct{ fs.FileInfo }

func (l lyingFS) Open(name string) (fs.File, error) {
	f, err := l.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	return lyingFile{f}, nil
}

type lyingFile struct{ fs.File }

func (l lyingFile) Stat() (fs.FileInfo, error) {
	info, err := l.File.Stat()
	return lyingInfo{info}, err
}

func (l lyingInfo) Size() int64 { return l.FileInfo.Size() + 1 }

func TestFile(t *testing.T) {
	dir := t.TempDir()
	large := strings.Repeat("0123456789abcdef", 1<<16)
	for name, content := range map[string]string{"small.txt": "0123456789", "large.bin": large, "empty.html": "", "page": "<html>"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o644), os.Chtimes(path, time.Time{}, time.Unix(dated, 0))); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(outside, "secret"), nil, 0o644), os.Symlink(outside, filepath.Join(dir, "out"))); err != nil {
		t.Fatal(err)
	}
	root := must(os.OpenRoot(dir))
	defer root.Close()
	memory := fstest.MapFS{"small.txt": {Data: []byte("0123456789"), ModTime: time.Unix(dated, 0)}, "large.bin": {Data: []byte(large), ModTime: time.Unix(dated, 0)}}
	onBoth(t, func() *App {
		app := New()
		app.Get("/file/{name}", func(c *Ctx) error { return c.File(filepath.Join(dir, c.Param("name"))) })
		app.Get("/inline/{name}", func(c *Ctx) error { return c.File(filepath.Join(dir, c.Param("name"))) }, Inline)
		app.Get("/dirfs/{name...}", func(c *Ctx) error { return c.FileFS(os.DirFS(dir), c.Param("name")) })
		app.Get("/rootfs/{name...}", func(c *Ctx) error { return c.FileFS(root.FS(), c.Param("name")) })
		app.Get("/memory/{name...}", func(c *Ctx) error { return c.FileFS(memory, c.Param("name")) })
		app.Get("/memory-inline/{name...}", func(c *Ctx) error { return c.FileFS(memory, c.Param("name")) }, Inline)
		app.Get("/bare/{name...}", func(c *Ctx) error { return c.FileFS(bareFS{memory}, c.Param("name")) })
		app.Get("/lying/{name...}", func(c *Ctx) error { return c.FileFS(lyingFS{memory}, c.Param("name")) })
		app.Get("/attachment", func(c *Ctx) error { return c.Attachment(filepath.Join(dir, "page"), "Übersicht.html") })
		app.Get("/unnamed", func(c *Ctx) error { return c.Attachment(filepath.Join(dir, "small.txt"), "") })
		app.Get("/missing", func(c *Ctx) error { return c.Attachment(filepath.Join(dir, "none"), "x.html") })
		app.Get("/shown", func(c *Ctx) error { return c.InlineFile(filepath.Join(dir, "small.txt"), "a\r\nb.pdf") })
		app.Get("/teapot", func(c *Ctx) error {
			c.SetStatus(418)
			return c.File(filepath.Join(dir, "small.txt"))
		})
		app.Get("/typed", func(c *Ctx) error {
			if err := c.SetHeader("Content-Type", "text/x-own"); err != nil {
				return err
			}
			return c.Attachment(filepath.Join(dir, "large.bin"), "large.bin")
		})
		app.Post("/post", func(c *Ctx) error { return c.File(filepath.Join(dir, "small.txt")) })
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		get := func(method, path string, lines ...string) (*nethttp.Response, string) {
			req, err := nethttp.NewRequest(method, url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(lines); i += 2 {
				req.Header.Set(lines[i], lines[i+1])
			}
			return do(t, c, req)
		}
		res, _ := get("HEAD", "/file/small.txt")
		tag := res.Header.Get("ETag")
		if res.ContentLength != 10 || res.Header.Get("Last-Modified") != onTime || res.Header.Get("Accept-Ranges") != "bytes" || !strings.HasPrefix(tag, `"`) {
			t.Errorf("HEAD: %v", res.Header)
		}
		for _, tc := range []struct {
			method, path  string
			lines         []string
			code          int
			want          string
			header, value string
		}{
			{path: "/file/small.txt", code: 200, want: "0123456789", header: "Content-Type", value: "text/plain; charset=utf-8"},
			{path: "/inline/small.txt", code: 200, want: "0123456789", header: "X-Content-Type-Options", value: "nosniff"},
			{path: "/file/large.bin", code: 200, want: large, header: "Content-Type", value: "application/octet-stream"},
			{path: "/inline/large.bin", code: 200, want: large},
			{path: "/file/empty.html", code: 200, header: "Content-Type", value: "text/html; charset=utf-8"},
			{path: "/file/small.txt", lines: []string{"If-None-Match", tag}, code: 304, header: "ETag", value: tag},
			{path: "/file/small.txt", lines: []string{"If-Modified-Since", onTime}, code: 304, header: "Last-Modified", value: onTime},
			{path: "/file/small.txt", lines: []string{"If-Match", `"x"`}, code: 412, header: "ETag"},
			{path: "/file/small.txt", lines: []string{"If-None-Match", tag, "Range", "bytes=1-2"}, code: 304},
			{path: "/file/small.txt", lines: []string{"Range", "bytes=1-2"}, code: 206, want: "12", header: "Content-Range", value: "bytes 1-2/10"},
			{path: "/file/small.txt", lines: []string{"Range", "bytes=1-2", "If-Range", tag}, code: 206, want: "12"},
			{path: "/file/small.txt", lines: []string{"Range", "bytes=1-2", "If-Range", `"x"`}, code: 200, want: "0123456789"},
			{path: "/file/small.txt", lines: []string{"Range", "bytes=1-2,3-4"}, code: 206, want: "1234"},
			{path: "/memory/small.txt", lines: []string{"Range", "bytes=1-2,4-5"}, code: 200, want: "0123456789"},
			{path: "/file/small.txt", lines: []string{"Range", "bytes=10-"}, code: 416, header: "Content-Range", value: "bytes */10"},
			{path: "/file/empty.html", lines: []string{"Range", "bytes=-5"}, code: 200},
			{path: "/file/large.bin", lines: []string{"Range", "bytes=16-"}, code: 206, want: large[16:]},
			{method: "HEAD", path: "/file/small.txt", lines: []string{"Range", "bytes=1-2"}, code: 200, header: "Content-Length", value: "10"},
			{method: "POST", path: "/post", lines: []string{"Range", "bytes=1-2", "If-None-Match", tag}, code: 200, want: "0123456789"},
			{path: "/teapot", lines: []string{"If-None-Match", tag, "Range", "bytes=1-2"}, code: 418, want: "0123456789", header: "ETag"},
			{path: "/file/none", code: 404, want: `{"status":404,"title":"Not Found"}`},
			{path: "/file/fifo", code: 404},
			{path: "/file/..", code: 404},
			{path: "/file/small.txt%2Fx", code: 404},
			{path: "/file/" + strings.Repeat("x", 300), code: 404},
			{path: "/dirfs/small.txt", code: 200, want: "0123456789", header: "ETag", value: tag},
			{path: "/dirfs/", code: 404},
			{path: "/dirfs/fifo", code: 404},
			{path: "/dirfs/none", code: 404},
			{path: "/rootfs/small.txt", code: 200, want: "0123456789", header: "ETag", value: tag},
			{path: "/rootfs/large.bin", code: 200, want: large},
			{path: "/rootfs/out/secret", code: 404},
			{path: "/dirfs/..%2fx", code: 404},
			{path: "/dirfs/a%5C..%5Cx", code: 404},
			{path: "/memory/small.txt", code: 200, want: "0123456789", header: "Last-Modified", value: onTime},
			{path: "/memory/small.txt", lines: []string{"Range", "bytes=-3"}, code: 206, want: "789"},
			{path: "/memory/small.txt", lines: []string{"If-Modified-Since", onTime}, code: 304},
			{path: "/memory/large.bin", code: 200, want: large, header: "Content-Length", value: "1048576"},
			{path: "/memory/large.bin", lines: []string{"Range", "bytes=1000000-"}, code: 206, want: large[1000000:]},
			{path: "/memory-inline/large.bin", code: 200, want: large},
			{path: "/memory/none", code: 404},
			{method: "HEAD", path: "/memory/large.bin", code: 200, header: "Content-Length", value: "1048576"},
			{path: "/bare/small.txt", lines: []string{"If-Match", `"x"`}, code: 200, want: "0123456789", header: "ETag"},
			{path: "/bare/large.bin", lines: []string{"Range", "bytes=1000000-"}, code: 206, want: large[1000000:]},
			{path: "/lying/small.txt", code: 500},
			{path: "/attachment", code: 200, want: "<html>", header: "Content-Disposition", value: `attachment; filename="_bersicht.html"; filename*=UTF-8''%C3%9Cbersicht.html`},
			{path: "/attachment", code: 200, header: "Content-Type", value: "text/html; charset=utf-8"},
			{path: "/unnamed", code: 200, header: "Content-Disposition", value: `attachment; filename="small.txt"`},
			{path: "/missing", code: 404, header: "Content-Disposition"},
			{path: "/shown", code: 200, header: "Content-Disposition", value: `inline; filename="a__b.pdf"`},
			{path: "/typed", code: 200, want: large, header: "Content-Type", value: "text/x-own"},
		} {
			if tc.method == "" {
				tc.method = "GET"
			}
			res, body := get(tc.method, tc.path, tc.lines...)
			if res.StatusCode != tc.code || tc.want != "" && body != tc.want || tc.header != "" && res.Header.Get(tc.header) != tc.value {
				t.Errorf("%s %s %q: %d %.60q %v; want %d %.60q %s: %q", tc.method, tc.path, tc.lines, res.StatusCode, body, res.Header, tc.code, tc.want, tc.header, tc.value)
			}
		}
		// What was promised and cannot be kept ends the connection.
		if res, err := c.Get(url + "/lying/large.bin"); err == nil {
			defer res.Body.Close()
			if n, err := new(bytes.Buffer).ReadFrom(res.Body); err == nil {
				t.Errorf("%d bytes of %d were taken for the whole", n, res.ContentLength)
			}
		}
	})
}

func TestFileErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int // 0 is none of ours
	}{
		{fs.ErrNotExist, 404}, {fs.ErrInvalid, 404}, {unix.ENOTDIR, 404}, {unix.ENAMETOOLONG, 404}, {unix.ELOOP, 404}, {fs.ErrPermission, 403},
		{unix.EMFILE, 503}, {unix.ENFILE, 503}, {unix.EIO, 0},
	} {
		err := fileError(&fs.PathError{Op: "open", Path: "/secret", Err: tc.err})
		e, ok := errors.AsType[*Error](err)
		if ok != (tc.code != 0) || ok && (e.Code != tc.code || strings.Contains(e.Detail, "secret")) || !errors.Is(err, tc.err) {
			t.Errorf("%v becomes %v; want %d", tc.err, err, tc.code)
		}
	}
}
