package http

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// partOf writes one part with the given header lines.
func partOf(disposition, body string, lines ...string) string {
	s := "--x\r\n"
	if disposition != "" {
		s += "Content-Disposition: " + disposition + "\r\n"
	}
	for _, line := range lines {
		s += line + "\r\n"
	}
	return s + "\r\n" + body + "\r\n"
}

const lastBoundary = "--x--\r\n"

// upload posts a multipart body in pieces of unknown length.
func upload(t testing.TB, c *nethttp.Client, url string, body io.Reader) (*nethttp.Response, string) {
	t.Helper()
	req, err := nethttp.NewRequest("POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	return do(t, c, req)
}

func TestMultipartParts(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		list := func(c *Ctx) error {
			var s strings.Builder
			for part, err := range c.Multipart(MultipartOptions{MaxParts: 4, MaxHeader: 300}) {
				if err != nil {
					return err
				}
				fmt.Fprintf(&s, "%s %v %q", part.Name, part.IsFile, part.Filename)
				if part.Name == "skip" {
					s.WriteString(" skipped; ")
					continue
				}
				text, err := io.ReadAll(part)
				if err != nil {
					return err
				}
				fmt.Fprintf(&s, " %.20q; ", text)
			}
			return c.Text(200, s.String())
		}
		app.Post("/", list)
		app.Post("/stream", list, StreamBody)
		app.Post("/inline", list, Inline)
		app.Post("/tight", list, StreamBody, MaxBody(1000))
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		field := partOf(`form-data; name="a"`, "1")
		for _, tc := range []struct {
			name, body string
			code       int
			want       string
		}{
			{"RFC 7578, 4.2", field + partOf(`form-data; name="f"; filename="a.txt"`, "content", "Content-Type: text/plain") + lastBoundary, 200, `a false "" "1"; f true "a.txt" "content"; `},
			{"RFC 7578, 4.2: path in a name", partOf(`form-data; name="f"; filename="../../etc/passwd"`, "") + lastBoundary, 200, `f true "passwd" ""; `},
			{"path of Windows", partOf(`form-data; name="f"; filename="C:\fakepath\x.txt"`, "") + lastBoundary, 200, `f true "x.txt" ""; `},
			{"no file chosen", partOf(`form-data; name="f"; filename=""`, "") + lastBoundary, 200, `f true "" ""; `},
			{"RFC 5987 name", partOf(`form-data; name="f"; filename*=UTF-8''%2e%2e%2f%C3%BC`, "") + lastBoundary, 200, `f true "ü" ""; `},
			{"skipped, and long", partOf(`form-data; name="skip"`, strings.Repeat("z", 100000)) + field + lastBoundary, 200, `skip false "" skipped; a false "" "1"; `},
			{"preamble and epilogue", "hello\r\n" + field + lastBoundary + "goodbye", 200, `a false "" "1"; `},
			{"empty", lastBoundary, 200, ""},
			{"RFC 7578, 4.2: no name", partOf(`form-data; filename="x"`, "") + lastBoundary, 400, errPartName.Detail},
			{"no disposition", partOf("", "") + lastBoundary, 400, errPartName.Detail},
			{"other disposition", partOf(`attachment; name="a"`, "") + lastBoundary, 400, errPartName.Detail},
			{"no last boundary", field, 400, "malformed multipart body"},
			{"cut in a part", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhal", 400, "malformed multipart body"},
			{"broken header", "--x\r\nnonsense\r\n\r\n\r\n" + lastBoundary, 400, "malformed multipart body"},
			{"other boundary", "--y\r\n\r\n\r\n--y--\r\n", 400, "malformed multipart body"},
			{"as many parts as allowed", strings.Repeat(field, 4) + lastBoundary, 200, strings.Repeat(`a false "" "1"; `, 4)},
			{"endless parts", strings.Repeat(field, 5) + lastBoundary, 413, errParts.Detail},
			{"large header", partOf(`form-data; name="a"`, "", "X-Pad: "+strings.Repeat("p", 300)) + lastBoundary, 413, errPartHeader.Detail},
			{"endless header", partOf(`form-data; name="a"`, "", "X-Pad: "+strings.Repeat("p", 100000)) + lastBoundary, 413, errPartHeader.Detail},
			{"endless header lines", partOf(`form-data; name="a"`, "", strings.Repeat("P: q\r\n", 30000)+"Q: r") + lastBoundary, 413, errPartHeader.Detail},
			{"endless header behind a part", field + partOf(`form-data; name="a"`, "", "X-Pad: "+strings.Repeat("p", 100000)) + lastBoundary, 413, errPartHeader.Detail},
		} {
			for _, target := range []string{"/", "/stream", "/inline"} {
				res, body := upload(t, c, url+target, strings.NewReader(tc.body))
				if tc.code >= 400 {
					body = problemOf(t, body).Detail
				}
				if res.StatusCode != tc.code || body != tc.want {
					t.Errorf("%s, %s: %d %s; want %d %s", tc.name, target, res.StatusCode, body, tc.code, tc.want)
				}
			}
		}
		// Of a stream the length is not known before.
		endless := io.MultiReader(strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"skip\"\r\n\r\n"), io.LimitReader(&repeated{text: "z"}, 1<<20))
		if res, _ := upload(t, c, url+"/tight", endless); res.StatusCode != 413 {
			t.Errorf("a part without end: %d", res.StatusCode)
		}
		for contentType, code := range map[string]int{
			"multipart/form-data": 400, "multipart/form-data; boundary=" + strings.Repeat("b", 71): 400, "multipart/mixed; boundary=x": 415, "text/plain": 415,
		} {
			req, err := nethttp.NewRequest("POST", url+"/", strings.NewReader(field+lastBoundary))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", contentType)
			if res, body := do(t, c, req); res.StatusCode != code || code == 415 && res.Header.Get("Accept") != "multipart/form-data" {
				t.Errorf("%q: %d %s; want %d", contentType, res.StatusCode, body, code)
			}
		}
	})
}

func TestMultipartForm(t *testing.T) {
	onDisk := make(chan *io.SectionReader, 10) // the files of a request that are on disk
	onBoth(t, func() *App {
		app := New()
		dir := t.TempDir()
		opts := MultipartOptions{MaxMemory: 1000, MaxValues: 100, TempDir: dir}
		show := func(c *Ctx) error {
			form, err := c.MultipartForm(opts)
			if err != nil {
				return err
			}
			if again, err := c.MultipartForm(MultipartOptions{}); err != nil || again != form {
				t.Errorf("read again: %v, %v", again, err)
			}
			if values, err := c.FormValues(); err != nil || values.Get("a") != form.Values.Get("a") {
				t.Errorf("values: %v, %v", values, err)
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
				t.Errorf("names on the disk: %v, %v", names, err)
			}
			var s strings.Builder
			fmt.Fprintf(&s, "%q", form.Values["a"])
			for _, h := range form.Files["f"] {
				content, err := io.ReadAll(h.Open())
				if err != nil || int64(len(content)) != h.Size || bytes.Count(content, content[:1]) != len(content) {
					t.Errorf("%s: %d bytes of %d, %v", h.Filename, len(content), h.Size, err)
				}
				if _, ok := h.from.(*os.File); ok {
					onDisk <- h.Open()
					s.WriteString(" disk")
				}
				fmt.Fprintf(&s, " %s %d%s", h.Filename, h.Size, content[:1])
			}
			return c.Text(200, s.String())
		}
		app.Post("/", show, MaxBody(1<<20))
		app.Post("/stream", show, StreamBody, MaxBody(1<<20))
		app.Post("/panic", func(c *Ctx) error {
			if err := show(c); err != nil {
				return err
			}
			panic("with a file on disk")
		}, MaxBody(1<<20))
		app.Post("/noroom", func(c *Ctx) error {
			_, err := c.MultipartForm(MultipartOptions{MaxMemory: -1, TempDir: filepath.Join(dir, "missing")})
			return err
		})
		app.Post("/save", func(c *Ctx) error {
			form, err := c.MultipartForm(opts)
			if err != nil {
				return err
			}
			path := filepath.Join(dir, "saved")
			defer os.Remove(path)
			if err := form.File("f").SaveAs(path); err != nil {
				return err
			}
			if err := form.File("f").SaveAs(path); !errors.Is(err, os.ErrExist) {
				t.Errorf("saved over another file: %v", err)
			}
			if form.File("none") != nil {
				t.Error("a file that is not there")
			}
			return c.File(path)
		}, MaxBody(1<<20))
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		file := func(name, c string, n int) string {
			return partOf(`form-data; name="f"; filename="`+name+`"`, strings.Repeat(c, n))
		}
		value := partOf(`form-data; name="a"`, "1")
		for _, tc := range []struct {
			name, target, body string
			code               int
			want               string
		}{
			{"in memory", "/", value + file("x", "x", 10) + value + file("y", "y", 20) + lastBoundary, 200, `["1" "1"] x 10x y 20y`},
			{"all of the memory", "/", file("x", "x", 1000) + lastBoundary, 200, `[] x 1000x`},
			{"on disk", "/", file("x", "x", 1001) + lastBoundary, 200, `[] disk x 1001x`},
			{"two on disk, one behind the other", "/stream", file("x", "x", 5000) + value + file("y", "y", 70000) + file("z", "z", 10) + lastBoundary, 200, `["1"] disk x 5000x disk y 70000y z 10z`},
			{"no file chosen", "/", partOf(`form-data; name="f"; filename=""`, "", "Content-Type: application/octet-stream") + lastBoundary, 200, `[]`},
			{"values too large", "/", partOf(`form-data; name="a"`, strings.Repeat("v", 100)) + lastBoundary, 413, errPartValues.Detail},
			{"values too large together", "/", strings.Repeat(value, 51) + lastBoundary, 413, errPartValues.Detail},
			{"too many parts", "/", strings.Repeat(file("x", "x", 1), 1001) + lastBoundary, 413, errParts.Detail},
			{"too large", "/stream", file("x", "x", 1<<20) + lastBoundary, 413, errBodyTooBig.Detail},
			{"cut off", "/", file("x", "x", 2000), 400, "malformed multipart body"},
			{"panic", "/panic", file("x", "x", 5000) + lastBoundary, 200, `[] disk x 5000x`},
			{"disk fails", "/noroom", file("x", "x", 5) + lastBoundary, 500, ""},
			{"saved", "/save", file("x", "x", 5) + lastBoundary, 200, "xxxxx"},
			{"saved from disk", "/save", file("x", "x", 1005) + lastBoundary, 200, strings.Repeat("x", 1005)},
		} {
			if tc.target == "/panic" {
				c = client(t) // its connection ends, which the answer before could not tell
			}
			res, body := upload(t, c, url+tc.target, strings.NewReader(tc.body))
			if tc.target == "/panic" {
				c = client(t)
			}
			if tc.code >= 400 {
				body = problemOf(t, body).Detail
			}
			if res.StatusCode != tc.code || body != tc.want {
				t.Errorf("%s: %d %.80s; want %d %.80s", tc.name, res.StatusCode, body, tc.code, tc.want)
			}
			if got, want := len(onDisk), strings.Count(tc.want, "disk"); got != want {
				t.Errorf("%s: %d files on disk; want %d", tc.name, got, want)
			}
			for len(onDisk) > 0 {
				file := <-onDisk
				until(t, "the file on disk is closed", func() bool {
					_, err := file.ReadAt(make([]byte, 1), 0)
					return errors.Is(err, os.ErrClosed)
				})
			}
		}
	})
}

// FuzzMultipartForm compares with net/http's way to read a form, for what both take.
func FuzzMultipartForm(f *testing.F) {
	for _, seed := range []string{
		partOf(`form-data; name="a"`, "1") + partOf(`form-data; name="f"; filename="x"`, strings.Repeat("x", 50)) + lastBoundary,
		partOf(`form-data; name="f"; filename=""`, "") + lastBoundary, "--x\r\n\r\n", "--x--", partOf("", "") + lastBoundary,
		"pre\r\n" + partOf(`form-data; name=a`, "--y\r\n") + "--x--\r\nepilogue",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body []byte) {
		c := ctxFor(t, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1\r\n\r\n")
		c.x.body.set(body)
		form, err := c.MultipartForm(MultipartOptions{MaxMemory: 20, MaxHeader: 1 << 20, TempDir: dir})
		defer c.x.runAfter()
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%v", err)
			}
			return
		}
		theirs, err := multipart.NewReader(bytes.NewReader(body), "x").ReadForm(1 << 20)
		if err != nil {
			if strings.Contains(err.Error(), "quotedprintable") || errors.Is(err, io.ErrUnexpectedEOF) {
				return // they decode a transfer encoding, which RFC 7578 section 4.7 has done away with
			}
			t.Fatalf("mime/multipart refuses it: %v", err)
		}
		defer theirs.RemoveAll()
		if bytes.Contains(bytes.ToLower(body), []byte("quoted-printable")) {
			return
		}
		for name, values := range form.Values {
			if fmt.Sprintf("%q", values) != fmt.Sprintf("%q", theirs.Value[name]) && !bytes.Contains(bytes.ToLower(body), []byte("filename")) {
				t.Fatalf("%q: %q; mime/multipart %q", name, values, theirs.Value[name])
			}
		}
		for _, list := range form.Files {
			for _, h := range list {
				content, err := io.ReadAll(h.Open())
				if err != nil || int64(len(content)) != h.Size || !bytes.Contains(body, content) || h.Filename != BaseName(h.Filename) {
					t.Fatalf("%q: %q of %d, %v", h.Filename, content, h.Size, err)
				}
			}
		}
	})
}
