package static

import (
	"bufio"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// RFC 9110 section 10.2.1: Allow has the methods that the resource knows, also where something may be uploaded.
func TestAllowWithUploads(t *testing.T) {
	dir := trapTree(t)
	addr, _ := serveUploads(t, dir, UploadOptions{})
	once, _ := serveUploads(t, dir, UploadOptions{Expiry: -1})
	for _, tc := range []struct {
		addr, method, target string
		code                 int
		allow                string
	}{
		{addr, "OPTIONS", "/plain.txt", 204, "GET, HEAD, PUT, OPTIONS"},
		{addr, "OPTIONS", "/dir/", 204, "GET, HEAD, POST, OPTIONS"},
		{addr, "OPTIONS", "/new?upload=x", 204, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
		{once, "OPTIONS", "/new?upload=x", 204, "GET, HEAD, PUT, OPTIONS"},
		{addr, "POST", "/new?upload=x", 405, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
		{once, "PATCH", "/new?upload=x", 405, "GET, HEAD, PUT, OPTIONS"},
		{addr, "DELETE", "/plain.txt", 405, "GET, HEAD, PUT, OPTIONS"},
		{addr, "DELETE", "/dir/", 405, "GET, HEAD, POST, OPTIONS"},
	} {
		a := dial(t, tc.addr).ask(tc.method, tc.target, "Content-Length: 0")
		if a.code != tc.code || a.header.Get("Allow") != tc.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", tc.method, tc.target, a.code, a.header.Get("Allow"), tc.code, tc.allow)
		}
	}
}

// Rules are about files: a listing has what they add, and stays what it is.
func TestHeaderRulesOnListing(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"assets", "assets/in", "secret"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := dial(t, serve(t, dir, WithArchives(ArchiveOptions{}),
		WithHeader("/assets/", "X-Frame-Options", "DENY"), WithHeader("*", "X-Content-Type-Options", "other"),
		WithHeader("/assets/", "Content-Type", "text/x-other"), WithHeader("*", "Content-Security-Policy", "default-src *"),
		WithHeader("/assets/", "Content-Disposition", "attachment"), WithCacheControl("/assets/", "public, immutable"),
		WithCacheControl("/secret/", "private, No-Store")))
	const page, archive = "", "?download=zip"
	for _, tc := range []struct{ target, header, want string }{
		{"/assets/" + page, "X-Frame-Options", "DENY"},
		{"/assets/in/" + page, "X-Frame-Options", "DENY"},
		{"/assets/" + archive, "X-Frame-Options", "DENY"},
		{"/" + page, "X-Frame-Options", ""},
		{"/assets/" + page, "X-Content-Type-Options", "nosniff"},
		{"/assets/" + page, "Content-Type", "text/html; charset=utf-8"},
		{"/assets/" + archive, "Content-Type", "application/zip"},
		{"/assets/" + page, "Content-Disposition", ""},
		{"/assets/" + archive, "Content-Disposition", `attachment; filename="assets.zip"`},
		{"/assets/" + page, "Cache-Control", "no-cache"},
		{"/assets/" + archive, "Cache-Control", "no-cache"},
		{"/secret/" + page, "Cache-Control", "private, No-Store"},
		{"/secret/" + archive, "Cache-Control", "private, No-Store"},
	} {
		a := p.ask("GET", tc.target)
		if got := strings.Join(a.header.Values(tc.header), "|"); a.code != 200 || strings.ReplaceAll(got, "attachment; filename=assets.zip", `attachment; filename="assets.zip"`) != tc.want {
			t.Errorf("%s: %d, %s: %q, want %q", tc.target, a.code, tc.header, got, tc.want)
		}
		if got := a.header.Get("Content-Security-Policy"); strings.Contains(got, "default-src *") {
			t.Errorf("%s: the page's own policy has become %q", tc.target, got)
		}
	}
}

// A folder that cannot be listed or packed has the error page and the fallback that a file would have, with the lines of the error.
func TestErrorPageOfListing(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "404.html", []byte("nothing here"))
	put(t, dir, "503.html", []byte("later"))
	put(t, dir, "app.html", []byte("the application"))
	files, err := New(dir, WithArchives(ArchiveOptions{}), WithErrorPage("404.html", 404), WithErrorPage("503.html", 503), WithFallback("app.html"))
	if err != nil {
		t.Fatal(err)
	}
	files.archives.atOnce.take(8) // by others
	addr := serveFiles(t, files, "one loop")
	p := dial(t, addr)
	for _, tc := range []struct {
		target, accept string
		code           int
		body, retry    string
	}{
		{"/missing/", "*/*", 404, "nothing here", ""},
		{"/missing/", "text/html", 200, "the application", ""},
		{"/missing/?download=zip", "*/*", 503, "later", "30"},
		{"/?download=zip", "text/html", 503, "later", "30"},
		{"/missing/?format=json", "*/*", 404, "nothing here", ""},
	} {
		for range 3 {
			a := p.ask("GET", tc.target, "Accept: "+tc.accept)
			if a.code != tc.code || a.body != tc.body || a.header.Get("Retry-After") != tc.retry {
				t.Errorf("%s, %s: %d %.40q %v", tc.target, tc.accept, a.code, a.body, a.header)
			}
		}
	}
	if a := p.ask("GET", "/?format=xml"); a.code != 400 {
		t.Errorf("format=xml: %d", a.code)
	}
}

// Who waits for a client has no place among those who wait for the disk.
func TestSlowListingKeepsNobodyFromDisk(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "small.txt", []byte("small"))
	if err := os.Truncate(put(t, dir, "large.bin", nil), 64<<20); err != nil { // more than sockets take
		t.Fatal(err)
	}
	files := coldFiles(t, dir, WithArchives(ArchiveOptions{Formats: []string{"tar"}}))
	files.slots = make(chan struct{}, 1)
	addr := serveFiles(t, files, "one loop")
	slow := dial(t, addr)
	slow.send("GET", "/?download=tar")
	if _, err := slow.in.Peek(1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if a := dial(t, addr).ask("GET", "/small.txt"); a.code != 200 || a.body != "small" {
			t.Errorf("beside a slow client: %d %q", a.code, a.body)
		}
	}
	slow.conn.Close()
}

// dialSlowly is dial with a window that lets the server's output go out in drops.
func dialSlowly(t *testing.T, addr string) *peer {
	t.Helper()
	var failed error
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return errors.Join(c.Control(func(fd uintptr) {
			failed = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 536))
		}), failed)
	}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn, bufio.NewReader(conn)}
}

// What comes behind Close is refused, whatever it asks for, and Close may be called again.
func TestServeBehindClose(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.txt", []byte("text"))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	app := http.New()
	app.Mount("/", files.Serve)
	get := func(target string) int {
		r, err := nethttp.NewRequest("GET", target, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := app.Test(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	for _, want := range []int{200, 503} {
		for _, target := range []string{"/a.txt", "/"} {
			if code := get(target); code != want {
				t.Errorf("%s: %d, want %d", target, code, want)
			}
		}
		if err := files.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// Nor has who waits for a client to take what was compressed for it.
func TestSlowReadersKeepNobodyFromDisk(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "small.txt", []byte("small"))
	digits := make([]byte, 2<<20)
	if _, err := rand.NewChaCha8([32]byte{}).Read(digits); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "text.txt", []byte(hex.EncodeToString(digits))) // half of it is left, which is more than a small window takes
	files := coldFiles(t, dir, WithErrorPage("text.txt", 404), WithCompression(1, "gzip"))
	files.slots = make(chan struct{}, 1)
	addr := serveFiles(t, files, "one loop")
	for _, target := range []string{"/text.txt", "/missing.txt"} {
		slow := dialSlowly(t, addr)
		slow.send("GET", target, "Accept-Encoding: gzip")
		if _, err := slow.in.Peek(1); err != nil {
			t.Fatal(err)
		}
		p := dial(t, addr)
		p.send("GET", "/small.txt")
		if err := p.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil { // before the server gives the other up
			t.Fatal(err)
		}
		if a, err := p.receive("GET"); a.code != 200 || a.body != "small" {
			t.Errorf("beside a slow client of %s: %d %q, %v", target, a.code, a.body, err)
		}
		slow.conn.Close()
	}
}
