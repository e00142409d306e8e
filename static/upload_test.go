package static

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime/multipart"
	nethttp "net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// serveUploads starts a server as the documentation of WithUpload mounts it, and
// returns its address and what stops it: then no request is at work any more.
func serveUploads(t *testing.T, dir string, o UploadOptions, opts ...Option) (addr string, stop func()) {
	t.Helper()
	return serveUploadsBehind(t, dir, o, nil, opts...)
}

func serveUploadsBehind(t *testing.T, dir string, o UploadOptions, around []http.Middleware, opts ...Option) (addr string, stop func()) {
	t.Helper()
	files, err := New(dir, append(opts, WithUpload(o))...)
	if err != nil {
		t.Fatal(err)
	}
	app := http.New()
	app.Server.Loops = 1
	app.Use(around...)
	app.Mount("/", files.Serve, http.StreamBody, http.MaxBody(64<<20))
	app.Get("/{path...}", files.Serve, http.Inline)
	bound, err := app.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := files.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if left := openBeneath(t, dir); len(left) > 0 {
			t.Errorf("still open after the end: %q", left)
		}
	}
	t.Cleanup(stop)
	return bound.String(), stop
}

// tree returns the content of all files in dir, hidden ones as well, by their
// names; links by what they say.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, dir+"/")
		switch {
		case err != nil || path == dir:
			return err
		case d.IsDir():
			got[name+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			to, _ := os.Readlink(path)
			got[name] = "-> " + to
		case !d.Type().IsRegular():
			got[name] = d.Type().String()
		default:
			p, err := os.ReadFile(path)
			got[name] = string(p)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sendBody sends a request with a body of that length, of which only what is
// given comes.
func (p *peer) sendBody(method, target string, length int, body string, lines ...string) {
	p.tb.Helper()
	p.send(method, target, append(lines, fmt.Sprintf("Content-Length: %d", length))...)
	if _, err := io.WriteString(p.conn, body); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *peer) askBody(method, target, body string, lines ...string) answer {
	p.tb.Helper()
	p.sendBody(method, target, len(body), body, lines...)
	a, err := p.receive(method)
	if err != nil {
		p.tb.Fatalf("%s %q: %v", method, target, err)
	}
	return a
}

func TestPut(t *testing.T) {
	dir := t.TempDir()
	addr, _ := serveUploads(t, dir, UploadOptions{Overwrite: true, Sync: true})
	put(t, dir, "old.txt", []byte("old"))
	if err := os.Chmod(filepath.Join(dir, "old.txt"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := dial(t, addr)
	tag := p.ask("GET", "/old.txt").header.Get("ETag")
	large := string(noise(5 << 20))
	for i, test := range []struct {
		target, body string
		lines        []string
		code         int
	}{
		{"/new.txt", "new", nil, 201},
		{"/new.txt", "newer", nil, 204},
		{"/empty", "", nil, 201},
		{"/sub/large.bin", large, nil, 201},
		{"/gr%C3%BCn%20%23%3F%25.txt", "odd", nil, 201},
		{"/%FF%0A%22", "bytes", nil, 201},
		{"/new.txt", "x", []string{"If-None-Match: *"}, 412},
		{"/other.txt", "once", []string{"If-None-Match: *"}, 201},
		{"/old.txt", "x", []string{`If-Match: "x"`}, 412},
		{"/none.txt", "x", []string{"If-Match: *"}, 412},
		{"/old.txt", "x", []string{"If-Unmodified-Since: " + before}, 412},
		{"/old.txt", "fresh", []string{"If-Match: " + tag}, 204},
		{"/old.txt", "x", []string{"If-Match: " + tag}, 412},
		{"/sub/", "x", nil, 405},
		{"/", "x", nil, 405},
		{"/sub", "x", nil, 409},
		{"/missing/a", "x", nil, 409},
		{"/old.txt/a", "x", nil, 409},
		{"/part", "x", []string{"Content-Range: bytes 0-0/5"}, 400},
		{"/coded", "x", []string{"Content-Encoding: gzip"}, 415},
		{"/" + strings.Repeat("n", 256), "x", nil, 403},
		{"/.hidden", "x", nil, 403},
		{"/.carillon-uploads", "x", nil, 403},
		{"/sub/.env", "x", nil, 403},
		{"/%2e%2e/out", "x", nil, 404}, // cleaned by the App: no such route
		{"/a%00b", "x", nil, 400},
	} {
		a := p.askBody("PUT", test.target, test.body, test.lines...)
		if a.code != test.code && !(a.code == 308 || a.code == 403 || a.code == 400) || test.code < 300 && a.code != test.code {
			t.Errorf("%d: PUT %.40s %q: %d %s; want %d", i, test.target, test.lines, a.code, a.body, test.code)
		}
		if test.code < 300 && (a.header.Get("ETag") == "" || a.body != "") {
			t.Errorf("PUT %s: %v", test.target, a.header)
		}
		if strings.HasSuffix(test.target, "/") && a.header.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
			t.Errorf("PUT %s: Allow %q", test.target, a.header.Get("Allow"))
		}
	}
	want := map[string]string{"new.txt": "newer", "empty": "", "sub/": "", "sub/large.bin": large, "grün #?%.txt": "odd", "\xff\n\"": "bytes",
		"other.txt": "once", "old.txt": "fresh"}
	if got := tree(t, dir); !maps.Equal(got, want) {
		t.Errorf("in the end: %q", slices.Sorted(maps.Keys(got)))
	}
	if info, err := os.Stat(filepath.Join(dir, "old.txt")); err != nil || info.Mode() != 0o640 {
		t.Errorf("a file that was replaced has %v, %v", info.Mode(), err)
	}
	chunked := dial(t, addr)
	chunked.send("PUT", "/chunked", "Transfer-Encoding: chunked")
	if _, err := io.WriteString(chunked.conn, "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a, err := chunked.receive("PUT"); err != nil || a.code != 201 || chunked.ask("GET", "/chunked").body != "abcdefg" {
		t.Errorf("chunked: %d, %v", a.code, err)
	}
}

func TestPutWithoutOverwrite(t *testing.T) {
	dir := t.TempDir()
	addr, _ := serveUploads(t, dir, UploadOptions{MaxSize: 10})
	put(t, dir, "a", []byte("old"))
	p := dial(t, addr)
	for target, want := range map[string]int{"/a": 409, "/b": 201} {
		if a := p.askBody("PUT", target, "0123456789"); a.code != want {
			t.Errorf("%s: %d", target, a.code)
		}
	}
	if a := p.askBody("PUT", "/c", "0123456789a"); a.code != 413 {
		t.Errorf("too large: %d", a.code)
	}
	q := dial(t, addr)
	q.send("PUT", "/c", "Transfer-Encoding: chunked")
	if _, err := io.WriteString(q.conn, "b\r\n0123456789a\r\n0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a, err := q.receive("PUT"); err != nil || a.code != 413 {
		t.Errorf("too large, chunked: %d, %v", a.code, err)
	}
	if got := tree(t, dir); !maps.Equal(got, map[string]string{"a": "old", "b": "0123456789"}) {
		t.Errorf("%q", got)
	}
	// What is refused is refused before the client sends it.
	r := dial(t, addr)
	r.send("PUT", "/a", "Content-Length: 5", "Expect: 100-continue")
	if a, err := r.receive("PUT"); err != nil || a.code != 409 {
		t.Errorf("Expect: %d, %v", a.code, err)
	}
}

func TestWithoutUploads(t *testing.T) {
	p := dial(t, serve(t, trapTree(t)))
	for method, code := range map[string]int{"PUT": 405, "POST": 405, "PATCH": 405, "DELETE": 405, "OPTIONS": 204} {
		if a := p.askBody(method, "/dir/x", "x"); a.code != code || a.header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: %d %v", method, a.code, a.header)
		}
	}
	if a := p.ask("HEAD", "/plain.txt?upload=x", "Tus-Resumable: 1.0.0"); a.code != 200 {
		t.Errorf("HEAD: %d", a.code)
	}
	if a := p.ask("GET", "/dir/"); strings.Contains(a.body, "<form") || !strings.Contains(a.header.Get("Content-Security-Policy"), "form-action 'none'") {
		t.Error("the page has a form")
	}
}

// Nothing is ever written outside the root, nor through what is no file.
func TestUploadTraps(t *testing.T) {
	root := trapTree(t)
	top := filepath.Dir(root)
	before := tree(t, top)
	addr, stop := serveUploads(t, root, UploadOptions{Overwrite: true})
	for _, target := range []string{"/out-leaf", "/out-dir/secret.txt", "/out-dir/new", "/out-absolute", "/in-absolute", "/out-and-in", "/up/new", "/slash/tmp/new",
		"/twin/new", "/magic/tmp/new", "/loop-a", "/loop-a/new", "/dangling", "/fifo", "/socket", "/in-leaf", "/dir", "/.git/config", "/..x/a",
		"/dir/..%2f..%2fnew", "/dir/%2e%2e/new", "/..%2fnew", "/%2e%2e%2fnew", "/a%2f..%2f..%2fnew", "//new", "/dir//new", "/fifo/new"} {
		p := dial(t, addr)
		if a := p.askBody("PUT", target, "written"); a.code < 300 {
			t.Errorf("PUT %s: %d", target, a.code)
		}
	}
	p := dial(t, addr)
	if a := p.askBody("PUT", "/in-dir/new", "written"); a.code != 201 { // a link that stays within
		t.Errorf("PUT /in-dir/new: %d", a.code)
	}
	for _, name := range []string{"out-leaf", ".hidden", "fifo", "dir", "..", ".", ".carillon-uploads"} {
		body, kind := multipartOf(t, name, "written")
		if a := dial(t, addr).askBody("POST", "/", body, kind); a.code < 400 {
			t.Errorf("a form with %q: %d", name, a.code)
		}
	}
	stop()
	before["root/dir/new"] = "written"
	if got := tree(t, top); !maps.Equal(got, before) {
		for name, content := range got {
			if before[name] != content {
				t.Errorf("%q is now %q", name, content)
			}
		}
		for name := range before {
			if _, ok := got[name]; !ok {
				t.Errorf("%q is gone", name)
			}
		}
	}
}

// An upload that breaks, wherever it does, leaves nothing behind.
func TestUploadBreaks(t *testing.T) {
	form, kind := multipartOf(t, "a", string(noise(300_000)), "b", string(noise(300_000)))
	for name, parts := range map[string][]string{
		"put, head only":        {"PUT /new HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"},
		"put, half":             {"PUT /new HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n", string(noise(300_000))},
		"put, all but one byte": {"PUT /new HTTP/1.1\r\nHost: h\r\nContent-Length: 300001\r\n\r\n", string(noise(300_000))},
		"put over another":      {"PUT /old HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n", string(noise(300_000))},
		"put, chunked":          {"PUT /new HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n"},
		"put, last chunk":       {"PUT /new HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n0\r\n"},
		"put, bad chunk":        {"PUT /new HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\nxyz\r\n"},
		"form, first file":      {"POST / HTTP/1.1\r\nHost: h\r\n" + kind + "\r\nContent-Length: " + fmt.Sprint(len(form)) + "\r\n\r\n", form[:200_000]},
		"form, second file":     {"POST / HTTP/1.1\r\nHost: h\r\n" + kind + "\r\nContent-Length: " + fmt.Sprint(len(form)) + "\r\n\r\n", form[:500_000]},
		"form, last boundary":   {"POST / HTTP/1.1\r\nHost: h\r\n" + kind + "\r\nContent-Length: " + fmt.Sprint(len(form)) + "\r\n\r\n", form[:len(form)-6]},
		"form, cut and ended":   {"POST / HTTP/1.1\r\nHost: h\r\n" + kind + "\r\nContent-Length: 500000\r\n\r\n", form[:500_000]},
	} {
		for _, end := range []string{"closes", "half-closes", "resets"} {
			dir := t.TempDir()
			put(t, dir, "old", []byte("old"))
			addr, stop := serveUploads(t, dir, UploadOptions{Overwrite: true})
			p := dial(t, addr)
			for _, part := range parts {
				if _, err := io.WriteString(p.conn, part); err != nil && !strings.Contains(name, "bad") {
					t.Fatal(err)
				}
			}
			tcp := p.conn.(interface {
				CloseWrite() error
				SetLinger(int) error
			})
			switch end {
			case "half-closes":
				_ = tcp.CloseWrite()
				if a, err := p.receive("PUT"); err == nil && a.code < 400 {
					t.Errorf("%s: %d", name, a.code)
				}
			case "resets":
				_ = tcp.SetLinger(0)
			}
			p.conn.Close()
			stop()
			if got := tree(t, dir); !maps.Equal(got, map[string]string{"old": "old"}) {
				t.Errorf("%s, the client %s: left %q", name, end, slices.Sorted(maps.Keys(got)))
			}
		}
	}
}

// A handler whose client has gone may begin behind the server's Shutdown, and so
// behind Close: it must not use the root's number, which may be another file's.
func TestUploadBehindClose(t *testing.T) {
	dir := t.TempDir()
	files, err := New(dir, WithUpload(UploadOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	body, closed := make(chan struct{}), make(chan struct{})
	app := http.New()
	app.Mount("/", func(c *http.Ctx) error {
		c.ReplaceBody(readerFunc(func([]byte) (int, error) {
			body <- struct{}{}
			<-body
			return 0, io.EOF
		}))
		return files.Serve(c)
	})
	put := func() int {
		r, err := nethttp.NewRequest("PUT", "/a", strings.NewReader("x"))
		if err != nil {
			t.Error(err)
			return 0
		}
		res, err := app.Test(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		return res.StatusCode
	}
	code := make(chan int, 1)
	go func() { code <- put() }()
	<-body
	go func() {
		defer close(closed)
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}()
	until(t, func() bool { return files.jobs.state.Load()&closing != 0 })
	select {
	case <-closed:
		t.Error("Close did not wait for an upload")
	default:
	}
	body <- struct{}{}
	if got := <-code; got != 201 {
		t.Errorf("the upload that Close waits for: %d", got)
	}
	<-closed
	if got := put(); got != 503 {
		t.Errorf("behind Close: %d", got)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// multipartOf makes a form of files, each a name and its content, and its
// Content-Type line.
func multipartOf(t *testing.T, files ...string) (body, line string) {
	t.Helper()
	var b strings.Builder
	w := multipart.NewWriter(&b)
	_ = w.WriteField("comment", "no file")
	for i := 0; i < len(files); i += 2 {
		content := ""
		if i+1 < len(files) {
			content = files[i+1]
		}
		part, err := w.CreateFormFile("file", files[i])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

func TestUploadForm(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "sub/taken", []byte("old"))
	addr, _ := serveUploads(t, dir, UploadOptions{MaxSize: 1 << 20, MaxFiles: 3})
	large := string(noise(1 << 20))
	for name, test := range map[string]struct {
		files []string
		code  int
	}{
		"two":          {[]string{"one.txt", "1", "gr\xc3\xbcn #?.bin", large}, 303},
		"an old path":  {[]string{`C:\fakepath\path.txt`, "p", "../../up.txt", "u"}, 303},
		"taken":        {[]string{"fresh", "x", "taken", "y"}, 409},
		"too large":    {[]string{"fresh", "x", "large", large + "x"}, 413},
		"too many":     {[]string{"1", "", "2", "", "3", "", "4", ""}, 413},
		"twice":        {[]string{"fresh", "x", "fresh", "y"}, 400},
		"none":         {nil, 400},
		"hidden":       {[]string{"fresh", "x", ".htaccess", "y"}, 403},
		"a blank one":  {[]string{"", "", "blank.txt", "b"}, 303},
		"name too big": {[]string{strings.Repeat("n", 256), "x"}, 403},
	} {
		body, kind := multipartOf(t, test.files...)
		a := dial(t, addr).askBody("POST", "/sub/", body, kind)
		if a.code != test.code || a.code == 303 && a.header.Get("Location") != "./" {
			t.Errorf("%s: %d %s, Location %q; want %d", name, a.code, a.body, a.header.Get("Location"), test.code)
		}
	}
	p := dial(t, addr)
	if a := p.askBody("POST", "/sub/", "x=1", "Content-Type: application/x-www-form-urlencoded"); a.code != 415 {
		t.Errorf("another form: %d", a.code)
	}
	if a := p.askBody("POST", "/sub/taken", "x"); a.code != 405 || a.header.Get("Allow") != "GET, HEAD, PUT, OPTIONS" {
		t.Errorf("a form to a file: %d", a.code)
	}
	if a := p.ask("OPTIONS", "/sub/"); a.code != 204 || a.header.Get("Tus-Version") != "1.0.0" || a.header.Get("Tus-Max-Size") != "1048576" {
		t.Errorf("OPTIONS: %d %v", a.code, a.header)
	}
	want := map[string]string{"sub/": "", "sub/taken": "old", "sub/one.txt": "1", "sub/grün #?.bin": large, "sub/path.txt": "p", "sub/up.txt": "u", "sub/blank.txt": "b"}
	if got := tree(t, dir); !maps.Equal(got, want) {
		t.Errorf("in the end: %q", slices.Sorted(maps.Keys(got)))
	}
}

func TestUploadOfForeignPages(t *testing.T) {
	dir := t.TempDir()
	addr, _ := serveUploads(t, dir, UploadOptions{Overwrite: true, TrustedOrigins: []string{"https://friend.example"}})
	body, kind := multipartOf(t, "a", "x")
	for _, test := range []struct {
		lines []string
		code  int
	}{
		{[]string{"Sec-Fetch-Site: cross-site"}, 403},
		{[]string{"Sec-Fetch-Site: same-site"}, 403},
		{[]string{"Origin: http://evil.example"}, 403},
		{[]string{"Origin: null"}, 403},
		{[]string{"Origin: http://host.example"}, 0},
		{[]string{"Sec-Fetch-Site: same-origin"}, 0},
		{[]string{"Sec-Fetch-Site: cross-site", "Origin: https://friend.example"}, 0},
		{nil, 0},
	} {
		for _, how := range []string{"PUT", "POST", "tus"} {
			var a answer
			p := dial(t, addr)
			switch how {
			case "PUT":
				a = p.askBody("PUT", "/a", "x", test.lines...)
			case "POST":
				a = p.askBody("POST", "/", body, append(test.lines, kind)...)
			case "tus":
				a = p.askBody("POST", "/", "", append(test.lines, "Tus-Resumable: 1.0.0", "Upload-Length: 0", "Upload-Metadata: filename YQ==")...)
			}
			if test.code != 0 && a.code != test.code || test.code == 0 && a.code >= 400 {
				t.Errorf("%s %q: %d %s", how, test.lines, a.code, a.body)
			}
		}
	}
	if f, err := New(dir, WithUpload(UploadOptions{TrustedOrigins: []string{"friend.example/x"}})); err == nil {
		t.Error("a bad origin was taken")
		f.Close()
	}
}

// The two kinds of drafts, placed on a free name, on one that is taken, and over
// one.
func TestDraft(t *testing.T) {
	for kind, make := range map[string]func(int) (*draft, error){"without a name": newDraft, "hidden": newHiddenDraft} {
		dir := t.TempDir()
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			content string
			replace bool
			want    error
		}{{"one", false, nil}, {"two", false, unix.EEXIST}, {"three", true, nil}} {
			d, err := make(fd)
			if err != nil {
				t.Fatal(err)
			}
			if (d.temp == "") != (kind == "without a name") {
				t.Logf("%s: not on this file system", kind)
			}
			if n, err := d.fill(strings.NewReader(step.content)); n != int64(len(step.content)) || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if err := d.place(fd, "a", step.replace); err != step.want {
				t.Errorf("%s, %q: %v; want %v", kind, step.content, err, step.want)
			}
			d.discard()
		}
		unix.Close(fd)
		if got := tree(t, dir); !maps.Equal(got, map[string]string{"a": "three"}) {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

// A disk that is full is 507, known before or met while writing, and nothing
// stays behind.
func TestUploadToFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no small disk can be made here: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	addr, stop := serveUploads(t, dir, UploadOptions{})
	large := string(noise(1 << 20))
	form, kind := multipartOf(t, "small", "s", "large", large)
	for name, ask := range map[string]func(p *peer){
		"PUT": func(p *peer) { p.sendBody("PUT", "/a", len(large), "") },
		"PUT, chunked": func(p *peer) {
			p.send("PUT", "/a", "Transfer-Encoding: chunked")
			_, _ = io.WriteString(p.conn, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(large), large)) // may be refused in between
		},
		"form": func(p *peer) { p.sendBody("POST", "/", len(form), "", kind) },
		"tus, known before": func(p *peer) {
			p.sendBody("POST", "/", 0, "", "Tus-Resumable: 1.0.0", "Upload-Length: 1048576", "Upload-Metadata: filename YQ==")
		},
	} {
		p := dial(t, addr)
		ask(p)
		if a, err := p.receive("PUT"); err != nil || a.code != 507 {
			t.Errorf("%s: %d, %v", name, a.code, err)
		}
	}
	p := dial(t, addr)
	half := string(noise(150 << 10))
	var locations []string
	for _, name := range []string{"YQ==", "Yg=="} { // two of which one fits
		a := p.askBody("POST", "/", "", "Tus-Resumable: 1.0.0", "Upload-Length: 153600", "Upload-Metadata: filename "+name)
		locations = append(locations, strings.TrimPrefix(a.header.Get("Location"), "."))
	}
	for i, want := range []int{204, 507} {
		a := dial(t, addr).askBody("PATCH", locations[i], half, "Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream")
		if a.code != want {
			t.Errorf("tus %s: %d %s", locations[i], a.code, a.body)
		}
	}
	stop()
	if got := tree(t, dir); !maps.Equal(got, map[string]string{"a": half}) {
		t.Errorf("left behind: %q", slices.Sorted(maps.Keys(got)))
	}
}
