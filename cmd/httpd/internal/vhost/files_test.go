package vhost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/static"
)

// Each setting of a site's files, as a client sees it.
func TestFiles(t *testing.T) {
	root := folder(t)
	const page, gzip = "Accept: text/html", "Accept-Encoding: gzip"
	for _, tt := range []struct {
		name, config, target string
		lines                []string
		code                 int
		body                 string    // that, or a part of it
		header               [2]string // a line; empty for one that must not be there
	}{
		{"index", "", "/", nil, 200, "<body>index", [2]string{}},
		{"other index", `index = ["nowhere", "a.txt"]`, "/", nil, 200, "plain", [2]string{}},
		{"listing", "", "/docs/", nil, 200, "page.txt", [2]string{}},
		{"no listing", "listing = false", "/docs/", nil, 404, "", [2]string{}},
		{"hidden", "", "/.hidden", nil, 404, "", [2]string{}},

		{"link", "", "/link", nil, 200, "plain", [2]string{}},
		{"folder by a link", "", "/linked/page.txt", nil, 200, "page", [2]string{}},
		{"link that leads out", "", "/out", nil, 404, "", [2]string{}},
		{"no links", "symlinks = false", "/link", nil, 404, "", [2]string{}},
		{"no links to folders", "symlinks = false", "/linked/page.txt", nil, 404, "", [2]string{}},

		{"no fallback", "", "/some/view", []string{page}, 404, "", [2]string{}},
		{"fallback", `fallback = "app.html"`, "/some/view", []string{page}, 200, "<body>app", [2]string{}},
		{"fallback for a program", `fallback = "app.html"`, "/some/view", nil, 404, "", [2]string{}},
		{"fallback for a file", `fallback = "app.html"`, "/some/file.js", []string{page}, 404, "", [2]string{}},
		{"fallback in front of a file", `fallback = "app.html"`, "/a.txt", []string{page}, 200, "plain", [2]string{}},

		{"error page", "[[error_page]]\ncodes = [404]\nfile = \"/404.html\"", "/nowhere", nil, 404, "<body>nothing here", [2]string{"Content-Type", "text/html; charset=utf-8"}},
		{"error page of others", "[[error_page]]\ncodes = [403, \"5xx\"]\nfile = \"/404.html\"", "/nowhere", nil, 404, "404 Not Found", [2]string{}},
		{"error page of the method", "[[error_page]]\ncodes = [404]\nfile = \"/404.html\"", "/nowhere", []string{"Content-Length: 5000"}, 413, "", [2]string{}},

		{"Cache-Control", "[[cache_control]]\nfiles = [\"*.css\", \"*.js\"]\nvalue = \"max-age=60\"", "/assets/app.css", nil, 200, "p {}", [2]string{"Cache-Control", "max-age=60"}},
		{"Cache-Control of others", "[[cache_control]]\nfiles = [\"*.css\", \"*.js\"]\nvalue = \"max-age=60\"", "/a.txt", nil, 200, "plain", [2]string{"Cache-Control", ""}},
		{"later Cache-Control", "[[cache_control]]\nfiles = [\"/assets/\"]\nvalue = \"no-cache\"\n[[cache_control]]\nfiles = [\"*.css\"]\nvalue = \"no-store\"", "/assets/app.css", nil, 200, "p {}", [2]string{"Cache-Control", "no-store"}},
		{"Cache-Control over a header", "[[header]]\nset = { \"Cache-Control\" = \"private\" }\n[[cache_control]]\nfiles = [\"*.css\"]\nvalue = \"no-store\"", "/assets/app.css", nil, 200, "p {}", [2]string{"Cache-Control", "no-store"}},

		{"unknown media type", "", "/x.foo", nil, 200, "foo", [2]string{"Content-Type", "application/octet-stream"}},
		{"media type", `media_types = { ".foo" = "text/x-foo; charset=utf-8", ".bar" = "a/b" }`, "/x.foo", nil, 200, "foo", [2]string{"Content-Type", "text/x-foo; charset=utf-8"}},

		{"precompressed", "compress = []", "/pre.js", []string{gzip}, 200, "\x1f\x8b", [2]string{"Content-Encoding", "gzip"}},
		{"precompressed in another coding", "compress = []\nprecompressed = [\"br\"]", "/pre.js", []string{gzip}, 200, text, [2]string{"Content-Encoding", ""}},
		{"not precompressed", "compress = []\nprecompressed = []", "/pre.js", []string{gzip}, 200, text, [2]string{"Content-Encoding", ""}},

		{"compressed", "", "/big.txt", []string{gzip}, 200, "\x1f\x8b", [2]string{"Content-Encoding", "gzip"}},
		{"compressed as the site likes it", `compress = ["gzip", "br"]`, "/big.txt", []string{"Accept-Encoding: br, gzip"}, 200, "\x1f\x8b", [2]string{"Content-Encoding", "gzip"}},
		{"not compressed", `compress = "none"`, "/big.txt", []string{gzip}, 200, text, [2]string{"Content-Encoding", ""}},
		{"too small to compress", `compress_min = "1MiB"`, "/big.txt", []string{gzip}, 200, text, [2]string{"Content-Encoding", ""}},
		{"no cache, so not compressed", "cache = false", "/big.txt", []string{gzip}, 200, text, [2]string{"Content-Encoding", ""}},

		{"no archive", "", "/docs/?download=zip", nil, 200, "<!DOCTYPE html>", [2]string{}},
		{"archive", `archives = ["zip"]`, "/docs/?download=zip", nil, 200, "PK", [2]string{"Content-Type", "application/zip"}},
		{"archive in another format", `archives = ["zip"]`, "/docs/?download=tar", nil, 400, "", [2]string{}},
		{"archive that is too large", "archives = [\"zip\"]\narchive_max = 5", "/docs/?download=zip", nil, 413, "", [2]string{}},
		{"archive of too many files", "archives = [\"tar\"]\narchive_files = 2", "/docs/?download=tar", nil, 413, "", [2]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, _ := serve(t, fmt.Sprintf("root = %q\n", root)+tt.config, Options{})
			for range 2 { // from the disk, and from the cache
				a := ask(t, address, "GET", tt.target, "", tt.lines...)
				if a.code != tt.code || !strings.Contains(a.body, tt.body) {
					t.Errorf("%d %.100q, want %d %.100q", a.code, a.body, tt.code, tt.body)
				}
				if tt.header[0] != "" && a.header.Get(tt.header[0]) != tt.header[1] {
					t.Errorf("%s: %q, want %q", tt.header[0], a.header.Get(tt.header[0]), tt.header[1])
				}
			}
		})
	}
}

// What static does not take is told by file, line and key, and nothing stays open.
func TestMistakesAboutFiles(t *testing.T) {
	root := folder(t)
	for _, tt := range []struct {
		config, key string
		line        int
		says        string
	}{
		{`index = [".hidden"]`, "site.index", 4, ".hidden"},
		{`fallback = "../app.html"`, "site.fallback", 4, "../app.html"},
		{`fallback = "docs/"`, "site.fallback", 4, "docs/"},
		{"[[site.error_page]]\ncodes = [404]\nfile = \"/.404\"", "site.error_page.file", 6, "/.404"},
		{"[[site.cache_control]]\nfiles = [\"*\"]\nvalue = \"a\"\n[[site.cache_control]]\nfiles = [\"[a\"]\nvalue = \"b\"", "site.cache_control.files", 8, `"[a"`},
		{`media_types = { "foo" = "a/b" }`, "site.media_types", 4, `"foo"`},
		{`media_types = { ".foo" = "a" }`, "site.media_types", 4, `"a"`},
		{`compress_min = "5MiB"`, "site.compress_min", 4, "4194304"},
		{`upload = ["/in", "/nowhere"]`, "site.upload", 4, "/nowhere: no such file"},
		{`upload = ["/a.txt"]`, "site.upload", 4, "/a.txt: not a directory"},
		{`upload = ["/.in"]`, "site.upload", 4, ".in"},
	} {
		source, c := load(t, fmt.Sprintf("[[site]]\nhosts = [\"a\"]\nroot = %q\n%s\n", root, tt.config))
		_, err := Build(c, Options{})
		e, ok := errors.AsType[*config.Error](source.Locate(err))
		if !ok {
			t.Errorf("%s: %v", tt.config, err)
			continue
		}
		if e.Key != tt.key || e.Line != tt.line || !strings.Contains(e.Error(), tt.says) {
			t.Errorf("%s: %v, want line %d, %s, %q", tt.config, e, tt.line, tt.key, tt.says)
		}
		if left := openBeneath(t, filepath.Dir(root)); len(left) > 0 {
			t.Errorf("%s: still open: %q", tt.config, left)
		}
	}
}

func TestMissingRoot(t *testing.T) {
	root := folder(t)
	source, c := load(t, fmt.Sprintf("root = %q\n[[site]]\nhosts = [\"a\"]\nroot = \"nowhere\"\n", root))
	_, err := Build(c, Options{})
	if got := fmt.Sprint(source.Locate(err)); !strings.Contains(got, ":4: site.root: ") || !strings.HasSuffix(got, "nowhere: no such file or directory") {
		t.Errorf("%s", got)
	}
	if left := openBeneath(t, root); len(left) > 0 {
		t.Errorf("still open: %q", left)
	}
}

func TestCacheBounds(t *testing.T) {
	d := static.DefaultCacheBounds()
	for _, tt := range []struct {
		files config.Files
		roots int
		want  static.CacheBounds
	}{
		{config.Files{}, 1, d},
		{config.Files{}, 4, static.CacheBounds{Entries: d.Entries, Files: d.Files / 4, Bytes: d.Bytes}},
		{config.Files{CacheNames: 1, CacheFiles: 2, CacheMemory: 3}, 4, static.CacheBounds{Entries: 1, Files: 2, Bytes: 3}},
		{config.Files{Cache: config.Bool{Given: true}}, 1, static.CacheBounds{}},
	} {
		if got := cacheBounds(&config.Site{Files: tt.files}, tt.roots); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.files, got, tt.want)
		}
	}
}

// The bounds reach the cache: as many files stay open as the site says.
func TestCacheFiles(t *testing.T) {
	root := folder(t)
	var names []string
	for i := range 3 {
		name := fmt.Sprintf("large%d", i)
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, 1<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Join(root, name))
	}
	for config, want := range map[string]int{"": 3, "cache_files = 1": 1, "cache = false": 0} {
		address, stop := serve(t, fmt.Sprintf("root = %q\n", root)+config, Options{})
		for range 2 {
			for _, name := range names {
				ask(t, address, "GET", "/"+filepath.Base(name), "")
			}
		}
		held := 0
		for _, open := range openBeneath(t, root) {
			if slices.Contains(names, open) {
				held++
			}
		}
		if held != want {
			t.Errorf("%q: %d files are open, want %d", config, held, want)
		}
		stop()
		if left := openBeneath(t, root); len(left) > 0 {
			t.Errorf("%q: still open behind Close: %q", config, left)
		}
	}
}
