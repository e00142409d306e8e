package static

import (
	"errors"
	"html"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	sizes := map[string]int{"empty.txt": 0, "one.txt": 1, "small.txt": largestBody, "sent.txt": largestBody + 1, "large.txt": 3 << 20}
	for name, size := range sizes {
		put(t, dir, name, noise(size))
	}
	p := dial(t, serve(t, dir))
	names := slices.Sorted(maps.Keys(sizes))
	for i := range 3 * len(names) { // as in TestPaths
		name := names[i%len(names)]
		size := sizes[name]
		a := p.ask("GET", "/"+name)
		if a.code != 200 || a.length != int64(size) || a.body != string(noise(size)) {
			t.Errorf("%s: %d, Content-Length %d, %d bytes", name, a.code, a.length, len(a.body))
		}
		for field, want := range map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "Last-Modified": onTime,
			"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
		} {
			if got := a.header.Get(field); got != want {
				t.Errorf("%s: %s: %q; want %q", name, field, got, want)
			}
		}
		if tag := a.header.Get("ETag"); len(tag) < 5 || tag[0] != '"' {
			t.Errorf("%s: ETag %q", name, tag)
		}
		h := p.ask("HEAD", "/"+name)
		a.header.Del("Date")
		h.header.Del("Date")
		if h.code != a.code || h.length != a.length || h.body != "" || !maps.EqualFunc(h.header, a.header, equalValues) {
			t.Errorf("%s: HEAD %d %v %d; GET %d %v", name, h.code, h.header, len(h.body), a.code, a.header)
		}
	}
}

func equalValues(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }

func TestMethods(t *testing.T) {
	p := dial(t, serve(t, trapTree(t)))
	for method, code := range map[string]int{"POST": 405, "PUT": 405, "DELETE": 405, "PATCH": 405, "OPTIONS": 204} {
		a := p.ask(method, "/plain.txt", "Content-Length: 0")
		if a.code != code || a.header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: %d, Allow %q", method, a.code, a.header.Get("Allow"))
		}
	}
	if a := p.ask("GET", "/plain.txt", "Content-Length: 3", "", "xyz"); a.code != 200 || a.body != "plain" {
		t.Errorf("GET with a body: %d %q", a.code, a.body)
	}
}

// Targets as a client writes them, before anything is decoded.
func TestPaths(t *testing.T) {
	tests := []struct {
		target string
		code   int
		want   string // the body of a 200, "" not looked at; the Location of a 301
	}{
		{"/plain.txt", 200, "plain"},
		{"/plain.txt?x=1", 200, "plain"},
		{"/%70lain.txt", 200, "plain"},
		{"/dir/inner.txt", 200, "inner"},
		{"/dir%2Finner.txt", 200, "inner"},
		{"/in-leaf", 200, "plain"},
		{"/in-dir/inner.txt", 200, "inner"},
		{"/in-roundabout", 200, "plain"},
		{"/site/", 200, "site index"},
		{"/site/index.html", 200, "site index"},
		{"/back%5Cslash", 200, "backslash"},
		{"/", 200, ""},
		{"/?sort=size", 200, ""},
		{"/dir/", 200, ""},
		{"/in-dir/", 200, ""},
		{"/odd/", 200, ""}, // index.html is a folder: no index
		{"/hard/100%25", 200, "hard 100%"},
		{"/hard/%252e%252e", 200, "hard %2e%2e"},
		{"/hard/a%252fb", 200, "hard a%2fb"},

		{"/dir", 301, "./dir/"},
		{"/dir?a=1&b=//evil.example", 301, "./dir/?a=1&b=//evil.example"},
		{"/in-dir", 301, "./in-dir/"},
		{"/odd/index.html", 301, "./index.html/"},

		{"/missing", 404, ""},
		{"/missing/", 404, ""},
		{"/plain.txt/", 404, ""},
		{"/plain.txt/x", 404, ""},
		{"/in-leaf/", 404, ""},
		{"/fifo", 404, ""},
		{"/fifo/", 404, ""},
		{"/socket", 404, ""},
		{"/device", 404, ""},
		{"/device/", 404, ""},
		{"/dangling", 404, ""},
		{"/loop-a", 404, ""},
		{"/loop-a/", 404, ""},
		{"/bad/", 404, ""}, // its index leads out: no listing instead
		{"/bad/index.html", 404, ""},
		{"/out-leaf", 404, ""},
		{"/out-leaf/", 404, ""},
		{"/out-dir", 404, ""},
		{"/out-dir/", 404, ""},
		{"/out-dir/secret.txt", 404, ""},
		{"/out-absolute", 404, ""},
		{"/in-absolute", 404, ""},
		{"/up/", 404, ""},
		{"/up/outside/secret.txt", 404, ""},
		{"/slash/etc/passwd", 404, ""},
		{"/magic/etc/passwd", 404, ""},
		{"/twin/secret.txt", 404, ""},
		{"/.hidden", 404, ""},
		{"/%2ehidden", 404, ""},
		{"/%2Ehidden", 404, ""},
		{"/.git/config", 404, ""},
		{"/.git/", 404, ""},
		{"/dir/.env", 404, ""},
		{"/dir%2F.env", 404, ""},
		{"/..x/a", 404, ""},
		{"//plain.txt", 404, ""},
		{"//evil.example/..", 404, ""},
		{"/%2Fevil.example/", 404, ""},
		{"/dir//inner.txt", 404, ""},
		{"/./plain.txt", 404, ""},
		{"/dir/../plain.txt", 404, ""},
		{"/../outside/secret.txt", 404, ""},
		{"/../root-twin/secret.txt", 404, ""},
		{"/%2e%2e/outside/secret.txt", 404, ""},
		{"/%2e%2e%2foutside%2fsecret.txt", 404, ""},
		{"/..%2foutside%2fsecret.txt", 404, ""},
		{"/dir/..%2f..%2foutside/secret.txt", 404, ""},
		{"/%252e%252e/outside/secret.txt", 404, ""},
		{"/..%5coutside%5csecret.txt", 404, ""},
		{"/..%255coutside", 404, ""},
		{"/%c0%ae%c0%ae/outside/secret.txt", 404, ""},
		{"/%c0%ae%c0%ae%c0%afoutside", 404, ""},
		{"/%e0%80%ae%e0%80%ae/outside/secret.txt", 404, ""},
		{"/" + strings.Repeat("x", 300), 404, ""},
		{"/" + strings.Repeat("x/", 3000), 404, ""},
		{"http://host.example/plain.txt", 200, "plain"},
	}
	p := dial(t, serve(t, trapTree(t)))
	for i := range 3 * len(tests) { // the second time something is kept, the third time it comes from the cache
		test := tests[i%len(tests)]
		a := p.ask("GET", test.target)
		got := a.body
		if a.code == 301 {
			got = a.header.Get("Location")
		}
		if a.code != test.code || test.want != "" && got != test.want {
			t.Errorf("%.60q: %d %.60q; want %d %q", test.target, a.code, got, test.code, test.want)
		}
		if strings.Contains(a.body, "SECRET") || strings.Contains(a.body, "root:") {
			t.Errorf("%.60q: the answer is from outside", test.target)
		}
	}
}

// Refused before there is a path: the connection may end.
func TestPathsThatHTTPRefuses(t *testing.T) {
	addr := serve(t, trapTree(t))
	for _, target := range []string{"/plain.txt%00", "/plain.txt%00.html", "/%zz", "/..%00/"} {
		a := dial(t, addr).ask("GET", target)
		if a.code != 400 && a.code != 404 {
			t.Errorf("%q: %d", target, a.code)
		}
	}
}

// A folder whose name reads like an address must not send anyone there.
func TestRedirectStaysOnTheHost(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{`\evil.example`, "https:evil.example", "javascript:alert(1)", "line\r\nX-Evil: 1", "50%25", "q?x#y"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := dial(t, serve(t, dir))
	for _, target := range []string{
		"/%5cevil.example", "/https:evil.example", "/javascript:alert(1)", "/line%0d%0aX-Evil:%201", "/50%2525", "/q%3fx%23y",
	} {
		a := p.ask("GET", target)
		base, err := url.Parse("http://host.example" + target)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := base.Parse(a.header.Get("Location"))
		if a.code != 301 || err != nil || ref.Host != "host.example" || ref.Path != base.Path+"/" || a.header.Get("X-Evil") != "" {
			t.Errorf("%q: %d, Location %q leads to %v, %v", target, a.code, a.header.Get("Location"), ref, err)
		}
		if again := p.ask("GET", ref.RequestURI()); again.code != 200 {
			t.Errorf("%q: its target %q answers %d", target, ref.RequestURI(), again.code)
		}
	}
}

func TestListingThroughSocket(t *testing.T) {
	p := dial(t, serve(t, trapTree(t)))
	a := p.ask("GET", "/hard/")
	if a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Content-Security-Policy") != policyBase+"; form-action 'none'" ||
		!strings.Contains(policyBase, "frame-ancestors 'self'") {
		t.Errorf("header: %v", a.header)
	}
	found := rows.FindAllStringSubmatch(a.body, -1)
	if len(found) < len(hardNames())/2 {
		t.Fatalf("%d rows", len(found))
	}
	for _, row := range found[1:] {
		link := html.UnescapeString(row[1])
		name, err := url.PathUnescape(link)
		if err != nil {
			t.Fatal(err)
		}
		if file := p.ask("GET", "/hard/"+link); file.code != 200 || file.body != "hard "+name {
			t.Errorf("the link %q of the listing answers %d %q", link, file.code, file.body)
		}
	}
	h := p.ask("HEAD", "/hard/")
	if h.code != 200 || h.length != a.length || h.body != "" {
		t.Errorf("HEAD: %d, %d bytes; GET %d bytes", h.code, h.length, a.length)
	}
}

func TestOptions(t *testing.T) {
	dir := trapTree(t)
	bare := dial(t, serve(t, dir, WithListing(false)))
	for target, code := range map[string]int{"/": 404, "/dir/": 404, "/dir": 301, "/site/": 200, "/plain.txt": 200} {
		if a := bare.ask("GET", target); a.code != code {
			t.Errorf("without listing, %s: %d; want %d", target, a.code, code)
		}
	}
	two := dial(t, serve(t, dir, WithIndex("start.html", "inner.txt")))
	if a := two.ask("GET", "/dir/"); a.body != "inner" {
		t.Errorf("second index name: %d %q", a.code, a.body)
	}
	none := dial(t, serve(t, dir, WithIndex()))
	if a := none.ask("GET", "/site/"); !strings.Contains(a.body, "index.html") {
		t.Errorf("no index name: %d %q", a.code, a.body)
	}
	for _, name := range []string{"", ".htm", "../x", "a/", "/a"} {
		if f, err := New(dir, WithIndex(name)); err == nil {
			t.Errorf("index name %q was taken", name)
			f.Close()
		}
	}
}

func TestNewErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := New(missing); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("New of a missing folder: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Dir of a missing folder did not panic")
		}
	}()
	Dir(missing)
}

func TestAnswerTo(t *testing.T) {
	for err, want := range map[error]int{
		unix.ENOENT: 404, unix.ENOTDIR: 404, unix.EXDEV: 404, unix.ELOOP: 404, unix.ENXIO: 404, unix.ENAMETOOLONG: 404,
		unix.EACCES: 403, unix.EMFILE: 503, unix.ENFILE: 503, unix.EAGAIN: 503,
	} {
		var e *http.Error
		if !errors.As(answerTo(err), &e) || e.Status() != want {
			t.Errorf("%v becomes %v; want %d", err, answerTo(err), want)
		}
	}
	if !errors.Is(answerTo(unix.EIO), unix.EIO) {
		t.Error("EIO must come out of Serve as it is, to be logged")
	}
}

// A fresh file has a weak ETag, which serves a cache and not a resumed download.
func TestFreshFile(t *testing.T) {
	dir := t.TempDir()
	name := put(t, dir, "a.txt", []byte("0123456789"))
	if err := os.Chtimes(name, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	p := dial(t, serve(t, dir))
	a := p.ask("GET", "/a.txt")
	tag := a.header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || a.header.Get("Last-Modified") != "" {
		t.Fatalf("file from the future: %v", a.header)
	}
	if b := p.ask("GET", "/a.txt", "If-None-Match: "+tag); b.code != 304 {
		t.Errorf("If-None-Match with the weak tag: %d", b.code)
	}
	if b := p.ask("GET", "/a.txt", "Range: bytes=1-2", "If-Range: "+tag); b.code != 200 {
		t.Errorf("If-Range with the weak tag: %d", b.code)
	}
}
