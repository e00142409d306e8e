package static

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	for _, tc := range []struct {
		glob     string
		matching string // separated by blanks
		others   string
	}{
		{"*.css", "a.css x/a.css x/y/.css", "a.css/b a.cs a.cssx"},
		{"index.html", "index.html a/index.html", "xindex.html"},
		{"*", "a a/b", ""},
		{"/index.html", "index.html", "a/index.html"},
		{"/assets/*.js", "assets/a.js", "assets/a/b.js a.js x/assets/a.js"},
		{"assets/*.js", "assets/a.js", "x/assets/a.js"},
		{"/assets/**", "assets assets/a assets/a/b", "asset/a x/assets/a"},
		{"/assets/", "assets/a assets/a/b", "x/assets/a"},
		{"**/img/*.png", "img/a.png x/img/a.png x/y/img/a.png img/img/a.png", "img/x/a.png imgs/a.png"},
		{"/a/**/z", "a/z a/b/z a/b/c/z a/z/z", "a a/zz b/a/z"},
		{"/a/**/b/**/c", "a/b/c a/x/b/y/c a/b/b/c", "a/c a/b a/b/c/d"},
		{"/**", "a a/b", ""},
		{"/[ab]?/x", "a1/x b2/x", "c1/x a/x"},
	} {
		p, err := parsePattern(tc.glob)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(tc.matching) {
			if !p.matches(name) {
				t.Errorf("%q does not match %q", tc.glob, name)
			}
		}
		for name := range strings.FieldsSeq(tc.others) {
			if p.matches(name) {
				t.Errorf("%q matches %q", tc.glob, name)
			}
		}
	}
}

// What a pattern matches does not depend on how its "**" are tried.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"*.css", "/a/**/b", "**/x/**", "[a-z]", "/**/**/a"} {
		f.Add(seed, "a/b/x/y.css")
	}
	f.Fuzz(func(t *testing.T, glob, name string) {
		p, err := parsePattern(glob)
		if err != nil || strings.Count(name, "/") > 12 || len(p) > 12 {
			return
		}
		if got, want := p.matches(name), slowMatch(p, strings.Split(name, "/")); got != want {
			t.Fatalf("%q %q: %v, want %v", glob, name, got, want)
		}
	})
}

func slowMatch(p pattern, segments []string) bool {
	switch {
	case len(p) == 0:
		return len(segments) == 0
	case p[0] == "**":
		return slowMatch(p[1:], segments) || len(segments) > 0 && slowMatch(p, segments[1:])
	case len(segments) == 0:
		return false
	}
	ok, _ := filepath.Match(p[0], segments[0])
	return ok && slowMatch(p[1:], segments[1:])
}

func TestHeaderRules(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"assets", "docs"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"assets/a.js", "docs/index.html", "plain.foo", "404.html"} {
		put(t, dir, name, []byte(name))
	}
	p := dial(t, serve(t, dir,
		WithCacheControl("*", "no-cache"), WithCacheControl("/assets/", "public, max-age=31536000, immutable"),
		WithHeader("*.html", "X-Frame-Options", "DENY"), WithHeader("*.foo", "Content-Type", "text/x-foo"), WithHeader("*.html", "X-Content-Type-Options", "other"),
		WithErrorPage("404.html", 404)))
	for _, tc := range []struct {
		target, header, want string
	}{
		{"/plain.foo", "Cache-Control", "no-cache"},
		{"/plain.foo", "Content-Type", "text/x-foo"},
		{"/plain.foo", "X-Frame-Options", ""},
		{"/assets/a.js", "Cache-Control", "public, max-age=31536000, immutable"},
		{"/docs/", "X-Frame-Options", "DENY"},
		{"/docs/", "X-Content-Type-Options", "other"},
		{"/docs/index.html", "X-Frame-Options", "DENY"},
		{"/missing.html", "X-Frame-Options", "DENY"}, // of the page
		{"/missing.html", "Cache-Control", ""},
	} {
		a := p.ask("GET", tc.target)
		if got := strings.Join(a.header.Values(tc.header), "|"); got != tc.want {
			t.Errorf("%s: %s: %q, want %q", tc.target, tc.header, got, tc.want)
		}
		if tag := a.header.Get("ETag"); a.code == 200 {
			b := p.ask("GET", tc.target, "If-None-Match: "+tag)
			want := tc.want
			if tc.header == "Content-Type" {
				want = "" // RFC 9110 section 15.4.5
			}
			if got := b.header.Get(tc.header); b.code != 304 || got != want {
				t.Errorf("%s: 304: %d, %s: %q", tc.target, b.code, tc.header, got)
			}
		}
	}
}

func TestMediaTypes(t *testing.T) {
	f := new(Files)
	for _, opt := range []Option{WithMediaType(".Foo", "text/x-foo"), WithMediaType(".js", "application/x-own")} {
		if err := opt(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"a.foo": "text/x-foo", "a.FOO": "text/x-foo", "a.js": "application/x-own", "dir/a.html": "text/html; charset=utf-8",
		"README": "text/plain; charset=utf-8", "a.unknown-to-all": unknownType, "foo": unknownType, "a.foo/b": unknownType, "": unknownType,
	} {
		if got := f.mediaType(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestFallback(t *testing.T) {
	dir := trapTree(t)
	put(t, dir, "app.html", []byte("the application"))
	const html = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	for _, listing := range []bool{true, false} {
		p := dial(t, serve(t, dir, WithFallback("/app.html"), WithListing(listing)))
		for _, tc := range []struct {
			method, target, accept string
			code                   int
			app                    bool
		}{
			{"GET", "/users/7", html, 200, true},
			{"HEAD", "/users/7", html, 200, true},
			{"GET", "/users/7/", html, 200, true},
			{"GET", "/users/7?x=y", "Accept: TEXT/HTML;q=0.1", 200, true},
			{"GET", "/plain.txt", html, 200, false},
			{"GET", "/dir", html, 301, false},
			{"GET", "/users/7", "Accept: */*", 404, false},
			{"GET", "/users/7", "Accept: application/json", 404, false},
			{"GET", "/users/7", "Accept: text/html;q=0, */*", 404, false},
			{"GET", "/users/7", "X-None: 1", 404, false},
			{"GET", "/app.js", html, 404, false},
			{"GET", "/v1.2/app.css", html, 404, false},
			{"GET", "/.git/config", html, 404, false},
			{"GET", "/.hidden", html, 404, false},
			{"POST", "/users/7", html, 405, false},
		} {
			a := p.ask(tc.method, tc.target, tc.accept, "Content-Length: 0")
			if a.code != tc.code || tc.method == "GET" && (a.body == "the application") != tc.app {
				t.Errorf("%s %s %q: %d %.40q", tc.method, tc.target, tc.accept, a.code, a.body)
			}
			if tc.app && (a.header.Get("Vary") != "Accept" || a.header.Get("ETag") == "") {
				t.Errorf("%s: %v", tc.target, a.header)
			}
		}
		tag := p.ask("GET", "/x", html).header.Get("ETag")
		if a := p.ask("GET", "/y", html, "If-None-Match: "+tag); a.code != 304 {
			t.Errorf("If-None-Match: %d", a.code)
		}
	}
}

func TestErrorPages(t *testing.T) {
	dir := trapTree(t)
	put(t, dir, "404.html", []byte(verse))
	put(t, dir, "403.html", []byte("forbidden"))
	p := dial(t, serve(t, dir, WithErrorPage("404.html", 404), WithErrorPage("/missing.html", 500, 503), WithCompression(1, "gzip")))
	for _, target := range []string{"/missing", "/dir/missing.txt", "/.hidden", "/fifo", "/out-leaf", "/missing/"} {
		for range 3 {
			a := p.ask("GET", target, "Accept-Encoding: gzip", "Range: bytes=0-1", `If-None-Match: *`)
			if a.code != 404 || decoded(t, a) != verse || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s: %d %v", target, a.code, a.header)
			}
			for _, name := range []string{"ETag", "Last-Modified", "Accept-Ranges", "Content-Range", "Cache-Control"} {
				if got := a.header.Get(name); got != "" {
					t.Errorf("%s: %s: %q", target, name, got)
				}
			}
			if h := p.ask("HEAD", target); h.code != 404 || h.length != int64(len(verse)) {
				t.Errorf("HEAD %s: %d, %d bytes", target, h.code, h.length)
			}
		}
	}
	if a := p.ask("GET", "/404.html"); a.code != 200 || a.body != verse {
		t.Errorf("the page itself: %d", a.code)
	}
}

// A page that is missing leaves the error as it is.
func TestErrorPageMissing(t *testing.T) {
	p := dial(t, serve(t, trapTree(t), WithErrorPage("none.html", 404), WithFallback("dir")))
	for range 2 {
		if a := p.ask("GET", "/missing", "Accept: text/html"); a.code != 404 || !strings.Contains(a.body, "Not Found") {
			t.Errorf("%d %q", a.code, a.body)
		}
	}
}

func TestSymlinksDenied(t *testing.T) {
	dir := trapTree(t)
	p := dial(t, serve(t, dir, WithSymlinks(false)))
	for target, code := range map[string]int{
		"/plain.txt": 200, "/dir/inner.txt": 200, "/in-leaf": 404, "/in-dir": 404, "/in-dir/": 404, "/in-dir/inner.txt": 404, "/out-leaf": 404,
	} {
		if a := p.ask("GET", target); a.code != code {
			t.Errorf("%s: %d, want %d", target, a.code, code)
		}
	}
	for way, r := range bothWays(t, dir) {
		r.links = false
		for name, ok := range map[string]bool{"plain.txt": true, "dir/inner.txt": true, "in-leaf": false, "in-dir/inner.txt": false, "dir": true, ".": true} {
			f, err := r.lookup([]byte(name + "\x00"))
			if (err == nil) != ok {
				t.Errorf("%s: %s: %v", way, name, err)
			}
			if err == nil {
				f.close()
			}
		}
	}
}
