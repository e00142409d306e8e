package vhost

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/cmd/httpd/internal/live"
	"github.com/carillon-go/carillon/http"
)

// The page of --live has the script whether it comes from the disk or from the cache, from a file, a fallback or an error.
func TestLivePagesFromTheCache(t *testing.T) {
	root := folder(t)
	large := "<body>" + strings.Repeat("a page of more than is kept in memory\n", 10_000) + "</body>"
	if err := os.WriteFile(filepath.Join(root, "large.html"), []byte(large), 0o644); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("root = %q\nfallback = \"app.html\"\n[[error_page]]\ncodes = [404]\nfile = \"404.html\"\n", root)
	address, _ := serve(t, text, Options{Live: live.New(slog.New(slog.DiscardHandler)).Middleware})
	const script = `<script src="/.httpd/live.js" defer></script></body>`
	for _, tt := range []struct {
		target string
		code   int
	}{{"/", 200}, {"/large.html", 200}, {"/some/view", 200}, {"/nowhere.html", 404}} {
		etag := ""
		for i := range 4 {
			a := ask(t, address, "GET", tt.target, "", "Accept: text/html", "Accept-Encoding: gzip, br", "If-None-Match: "+etag)
			if a.code != tt.code || strings.Count(a.body, script) != 1 || a.header.Get("Etag") != "" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Encoding") != "" {
				t.Errorf("%s, %d times before: %d %v %.100q", tt.target, i, a.code, a.header, a.body)
			}
			plain := ask(t, address, "GET", tt.target, "")
			if strings.Contains(plain.body, script) {
				t.Errorf("%s: a program got the script", tt.target)
			}
			if etag = plain.header.Get("Etag"); etag == "" && plain.code == 200 {
				t.Errorf("%s: a program got no ETag", tt.target)
			}
		}
	}
}

// What a site held is closed behind the last request that it has begun, and not before.
func TestReplacedSitesAreClosed(t *testing.T) {
	root, other := folder(t), folder(t)
	build := func(root string) *Sites {
		t.Helper()
		_, c := load(t, fmt.Sprintf("root = %q\nupload = [\"/in\"]\n", root))
		sites, err := Build(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return sites
	}
	first, second := build(root), build(other)
	server := &http.Server{Loops: 2, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	server.SetSites(first.Sites)
	bound, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		second.Close()
	}()
	conn, err := net.Dial("tcp", bound.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "PUT /in/new HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = in.ReadString('\n')
	server.SetSites(second.Sites)
	if a := ask(t, bound.String(), "GET", "/in/new", ""); a.code != 404 {
		t.Errorf("%d", a.code)
	}
	select {
	case <-first.Drained():
		t.Fatal("drained with an upload at work")
	default:
	}
	if _, err := io.WriteString(conn, "whole"); err != nil {
		t.Fatal(err)
	}
	if a := receive(t, in, "PUT"); a.code != 201 {
		t.Errorf("%d %s", a.code, a.body)
	}
	<-first.Drained()
	first.Close()
	if got, err := os.ReadFile(filepath.Join(root, "in/new")); string(got) != "whole" {
		t.Errorf("%q, %v", got, err)
	}
	if left := openBeneath(t, root); len(left) > 0 {
		t.Errorf("still open: %q", left)
	}
	// The connection that began with the first is served by the second.
	if _, err := io.WriteString(conn, "GET /in/new HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a := receive(t, in, "GET"); a.code != 404 {
		t.Errorf("%d", a.code)
	}
}

// Rules, files and uploads of a site see the same path, and one site's settings are not another's.
func TestSettingsOfEachSite(t *testing.T) {
	root := folder(t)
	text := fmt.Sprintf(`
[[site]]
hosts = ["one.example"]
root = %[1]q
listing = false
[[site.rewrite]]
from = "/door/{path...}"
to = "/in/{path}"
[[site]]
hosts = ["two.example"]
root = %[1]q
upload = ["/in"]
[[site.rewrite]]
from = "/door/{path...}"
to = "/in/{path}"
[[site.rewrite]]
from = "/back/{path...}"
to = "/docs/{path}"
[[site.redirect]]
from = "/old/{path...}"
to = "/in/{path}"
`, root)
	address, _ := serve(t, text, Options{})
	for _, tt := range []struct {
		host, method, target string
		code                 int
	}{
		{"one.example", "GET", "/docs/", 404},
		{"two.example", "GET", "/docs/", 200},
		{"one.example", "PUT", "/in/a", 405},
		{"two.example", "PUT", "/in/a", 201},
		{"one.example", "PUT", "/door/b", 405},
		{"two.example", "PUT", "/door/b", 201},
		{"two.example", "PUT", "/back/b", 405},
		{"two.example", "PUT", "/old/b", 308},
		{"one.example", "GET", "/in/b", 200},
		{"three.example", "PUT", "/in/c", 421},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1\r\n\r\nx", tt.method, tt.target, tt.host)
		if a := receive(t, bufio.NewReader(conn), tt.method); a.code != tt.code {
			t.Errorf("%s %s of %s: %d, want %d", tt.method, tt.target, tt.host, a.code, tt.code)
		}
		conn.Close()
	}
}
