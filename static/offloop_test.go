package static

import (
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
)

// coldFiles is a folder of which the kernel never says that it has anything in its caches, as one before Linux 5.12.
func coldFiles(t *testing.T, dir string, opts ...Option) *Files {
	t.Helper()
	files, err := New(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	files.root.cached = false
	return files
}

// What would make a loop wait is answered from a goroutine: the same answers, in the order of their requests, also below the
// prefix of a mount.
func TestColdDisk(t *testing.T) {
	dir := trapTree(t)
	put(t, dir, "large.bin", noise(1<<20))
	files := coldFiles(t, dir, WithErrorPage("plain.txt", 404), WithFallback("site/index.html"))
	app := http.New()
	app.Server.Loops = 1
	app.Mount("/below", func(c *http.Ctx) error {
		if !c.Inline() {
			t.Error("not on the loop")
		}
		return files.Serve(c)
	}, http.Inline)
	addr := listening(t, app)
	p := dial(t, addr)
	tests := []struct {
		target string
		code   int
		want   string // the body, or the Location
	}{
		{"/below/plain.txt", 200, "plain"},
		{"/below/dir/inner.txt", 200, "inner"},
		{"/below/large.bin", 200, string(noise(1 << 20))},
		{"/below/site/", 200, "site index"},
		{"/below/dir", 301, "./dir/"},
		{"/below/missing.txt", 404, "plain"},
		{"/below/.hidden", 404, "plain"},
		{"/below/out-leaf", 404, "plain"},
		{"/below/fifo", 404, "plain"},
	}
	for range 3 {
		for _, test := range tests {
			p.send("GET", test.target)
		}
		for _, test := range tests {
			a, err := p.receive("GET")
			if err != nil {
				t.Fatal(err)
			}
			if a.code == 301 {
				a.body = a.header.Get("Location")
			}
			if a.code != test.code || a.body != test.want {
				t.Errorf("%s: %d, %d bytes %.40q", test.target, a.code, len(a.body), a.body)
			}
		}
	}
	if a := p.ask("GET", "/below/view", "Accept: text/html"); a.code != 200 || a.body != "site index" {
		t.Errorf("fallback: %d %q", a.code, a.body)
	}
	p.conn.Close()
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
	if left := openBeneath(t, dir); len(left) > 0 {
		t.Errorf("still open: %q", left)
	}
}

// Behind a middleware of net/http there is no Async, and under net/http no loop: the answers are the same.
func TestUnderNetHTTP(t *testing.T) {
	dir := t.TempDir()
	large := string(noise(3 * largestBody))
	put(t, dir, "small.txt", []byte(verse))
	put(t, dir, "large.txt", []byte(large))
	files := coldFiles(t, dir)
	app := http.New()
	app.Mount("/plain", files.Serve, http.Inline)
	app.Mount("/wrapped", files.Serve, http.Inline, http.With(http.WrapMiddleware(func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { next.ServeHTTP(w, r) })
	})))
	server := httptest.NewServer(app)
	ask := func(base, target string, lines ...string) answer {
		p := dial(t, strings.TrimPrefix(base, "http://"))
		defer p.conn.Close()
		return p.ask("GET", target, lines...)
	}
	reactorApp := http.New()
	reactorApp.Mount("/wrapped", files.Serve, http.Inline, http.With(http.WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next })))
	addr := listening(t, reactorApp)
	for range 3 {
		for _, base := range []string{server.URL + " /plain", server.URL + " /wrapped", addr + " /wrapped"} {
			host, prefix, _ := strings.Cut(base, " ")
			for name, want := range map[string]string{"/small.txt": verse, "/large.txt": large} {
				if a := ask(host, prefix+name, "Accept-Encoding: gzip"); a.code != 200 || decoded(t, a) != want || a.header.Get("Content-Encoding") != "gzip" {
					t.Errorf("%s%s: %d, %v", base, name, a.code, a.header)
				}
				if a := ask(host, prefix+name, "Range: bytes=0-9,20-29"); a.code != 206 || !strings.Contains(a.body, want[:10]) || !strings.Contains(a.body, want[20:30]) {
					t.Errorf("%s%s: two ranges: %d, %d bytes", base, name, a.code, len(a.body))
				}
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "small.txt"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if a := ask(server.URL, "/plain/small.txt"); a.body != "new" {
		t.Errorf("behind a change: %q", a.body)
	}
	server.Close()
	if err := reactorApp.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}
