package static

import (
	"bytes"
	"crypto/rand"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http/coding"
)

// decoded undoes what Content-Encoding says.
func decoded(t *testing.T, a answer) string {
	t.Helper()
	r := io.Reader(strings.NewReader(a.body))
	var err error
	switch name := a.header.Get("Content-Encoding"); name {
	case "":
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			r = z
		}
	default:
		t.Fatalf("Content-Encoding %q", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// encoded applies a coding.
func encoded(t *testing.T, c coding.Coding, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	e := coding.NewPool(1).Get(c, &b)
	if _, err := io.WriteString(e, body); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var verse = strings.Repeat("Frère Jacques, dormez-vous? Sonnez les matines! ", 100)

// Twins by q-value; those that cannot be sent are not there.
func TestTwins(t *testing.T) {
	dir := t.TempDir()
	twin := func(name string, c coding.Coding, body string) {
		put(t, dir, name+twinEndings[c], encoded(t, c, body))
	}
	for _, name := range []string{"all.js", "gz.js", "old.js", "none.js", "folder.js", "fifo.js", "out.js", "in.js", "empty.js", "large.bin"} {
		put(t, dir, name, []byte(verse))
	}
	for _, c := range twinCodings {
		twin("all.js", c, "twin of "+verse)
	}
	twin("gz.js", coding.Gzip, "twin of "+verse)
	twin("old.js", coding.Gzip, "stale")
	if err := os.Chtimes(filepath.Join(dir, "old.js.gz"), time.Time{}, time.Unix(dated-3600, 0)); err != nil {
		t.Fatal(err)
	}
	large := string(noise(6 * largestBody))
	put(t, dir, "large.bin.gz", encoded(t, coding.Gzip, large)) // one that goes by sendfile
	if err := os.Mkdir(filepath.Join(dir, "folder.js.gz"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo.js.gz"), 0o644); err != nil {
		t.Fatal(err)
	}
	outside := put(t, t.TempDir(), "secret", encoded(t, coding.Gzip, secret))
	if err := all(link(outside, "out.js.gz"), link("gz.js.gz", "in.js.gz"))(dir); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "empty.js.gz", nil)
	p := dial(t, serve(t, dir, WithCompression(1)))
	for _, tc := range []struct {
		target, accept string
		coding, vary   string
		want           string
	}{
		{"/all.js", "gzip, zstd, br", "br", "Accept-Encoding", "twin of " + verse},
		{"/all.js", "gzip, zstd", "zstd", "Accept-Encoding", "twin of " + verse},
		{"/all.js", "gzip", "gzip", "Accept-Encoding", "twin of " + verse},
		{"/all.js", "br;q=0.5, gzip;q=0.9", "gzip", "Accept-Encoding", "twin of " + verse},
		{"/all.js", "br;q=0, *", "zstd", "Accept-Encoding", "twin of " + verse},
		{"/all.js", "identity, br;q=0.5", "", "Accept-Encoding", verse},
		{"/all.js", "deflate", "", "Accept-Encoding", verse},
		{"/all.js", "", "", "Accept-Encoding", verse},
		{"/all.js", "*;q=0", "", "Accept-Encoding", verse}, // any answer is better than none
		{"/gz.js", "br, gzip", "gzip", "Accept-Encoding", "twin of " + verse},
		{"/gz.js", "br", "", "Accept-Encoding", verse},
		{"/in.js", "gzip", "gzip", "Accept-Encoding", "twin of " + verse},
		{"/large.bin", "gzip", "gzip", "Accept-Encoding", large},
		{"/old.js", "gzip", "", "", verse},
		{"/none.js", "gzip", "", "", verse},
		{"/folder.js", "gzip", "", "", verse},
		{"/fifo.js", "gzip", "", "", verse},
		{"/out.js", "gzip", "", "", verse},
		{"/empty.js", "gzip", "", "", verse},
		{"/all.js.gz", "gzip", "", "", "-"}, // the twin itself is a file like any other
	} {
		for try := range 3 { // not kept, kept, from the cache
			var lines []string
			if tc.accept != "" {
				lines = append(lines, "Accept-Encoding: "+tc.accept)
			}
			a := p.ask("GET", tc.target, lines...)
			if a.code != 200 || a.header.Get("Content-Encoding") != tc.coding || a.header.Get("Vary") != tc.vary {
				t.Errorf("%s %q, try %d: %d, coding %q, Vary %q", tc.target, tc.accept, try, a.code, a.header.Get("Content-Encoding"), a.header.Get("Vary"))
				continue
			}
			if plain := decoded(t, a); tc.want != "-" && plain != tc.want {
				t.Errorf("%s %q: %d bytes, want %d", tc.target, tc.accept, len(plain), len(tc.want))
			}
			h := p.ask("HEAD", tc.target, lines...)
			a.header.Del("Date")
			h.header.Del("Date")
			if h.length != a.length || !maps.EqualFunc(h.header, a.header, equalValues) {
				t.Errorf("%s %q: HEAD %v, GET %v", tc.target, tc.accept, h.header, a.header)
			}
		}
	}
}

// Each twin has its own ETag and ranges: RFC 9110 sections 8.8.3 and 14.2.
func TestTwinsAreRepresentations(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.js", []byte(verse))
	body := encoded(t, coding.Gzip, verse)
	put(t, dir, "a.js.gz", body)
	p := dial(t, serve(t, dir))
	plain, packed := p.ask("GET", "/a.js"), p.ask("GET", "/a.js", "Accept-Encoding: gzip")
	tag := packed.header.Get("ETag")
	if tag == plain.header.Get("ETag") || tag[0] != '"' || packed.header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("%v, %v", plain.header, packed.header)
	}
	for _, tc := range []struct {
		lines []string
		code  int
		body  string
	}{
		{[]string{"Accept-Encoding: gzip", "If-None-Match: " + tag}, 304, ""},
		{[]string{"If-None-Match: " + tag}, 200, verse},
		{[]string{"Accept-Encoding: gzip", "If-None-Match: " + plain.header.Get("ETag")}, 200, string(body)},
		{[]string{"Accept-Encoding: gzip", "Range: bytes=2-5"}, 206, string(body[2:6])},
		{[]string{"Accept-Encoding: gzip", "Range: bytes=2-5", "If-Range: " + tag}, 206, string(body[2:6])},
		{[]string{"Accept-Encoding: gzip", "Range: bytes=2-5", "If-Range: " + plain.header.Get("ETag")}, 200, string(body)},
		{[]string{"Range: bytes=2-5"}, 206, verse[2:6]},
	} {
		a := p.ask("GET", "/a.js", tc.lines...)
		if a.code != tc.code || a.body != tc.body || a.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %d, %d bytes, Vary %q", tc.lines, a.code, len(a.body), a.header.Get("Vary"))
		}
	}
}

// A twin that comes, goes or is renewed counts from the next request on.
func TestTwinsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.js", []byte(verse))
	p := dial(t, serve(t, dir, WithCompression(1)))
	ask := func(wantCoding, want string) {
		t.Helper()
		for range 3 {
			a := p.ask("GET", "/a.js", "Accept-Encoding: gzip, br")
			if a.header.Get("Content-Encoding") != wantCoding || decoded(t, a) != want {
				t.Fatalf("coding %q, want %q", a.header.Get("Content-Encoding"), wantCoding)
			}
		}
	}
	ask("", verse)
	put(t, dir, "a.js.gz", encoded(t, coding.Gzip, verse+"1"))
	ask("gzip", verse+"1")
	put(t, dir, "tmp", encoded(t, coding.Brotli, verse+"2"))
	if err := rename("tmp", "a.js.br")(dir); err != nil {
		t.Fatal(err)
	}
	ask("br", verse+"2")
	if err := remove("a.js.br")(dir); err != nil {
		t.Fatal(err)
	}
	ask("gzip", verse+"1")
	put(t, dir, "a.js.gz", encoded(t, coding.Gzip, verse+"3"))
	ask("gzip", verse+"3")
	if err := os.WriteFile(filepath.Join(dir, "a.js"), []byte("new"), 0o644); err != nil { // the twin is of something else now
		t.Fatal(err)
	}
	ask("", "new")
}

func TestCompression(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat(verse, 20)
	for name, body := range map[string]string{
		"a.js": text, "small.js": verse[:1023], "edge.js": verse[:1024], "a.png": text, "noise.txt": string(noise(1 << 10)),
		"big.txt": strings.Repeat("x", maxCompressed), "bigger.txt": strings.Repeat("x", maxCompressed+1), "a.svg": text, "empty.js": "",
	} {
		put(t, dir, name, []byte(body))
	}
	random := make([]byte, 3*largestBody) // which goes by sendfile, as no coding makes it smaller
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "random.txt", random)
	fresh := put(t, dir, "fresh.js", []byte(text))
	if err := os.Chtimes(fresh, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	p := dial(t, serve(t, dir))
	for _, tc := range []struct {
		target, accept string
		coding         string
		varies         bool
	}{
		{"/a.js", "gzip, zstd, br", "br", true},
		{"/a.js", "gzip, zstd", "zstd", true},
		{"/a.js", "gzip", "gzip", true},
		{"/a.js", "", "", true},
		{"/a.js", "gzip;q=0", "", true},
		{"/a.svg", "gzip", "gzip", true},
		{"/edge.js", "gzip", "gzip", true},
		{"/big.txt", "gzip", "gzip", true},
		{"/bigger.txt", "gzip", "", false},
		{"/random.txt", "gzip", "", true},
		{"/small.js", "gzip", "", false},
		{"/empty.js", "gzip", "", false},
		{"/a.png", "gzip", "", false},
		{"/fresh.js", "gzip", "", false},
	} {
		var first answer
		for try := range 3 {
			var lines []string
			if tc.accept != "" {
				lines = append(lines, "Accept-Encoding: "+tc.accept)
			}
			a := p.ask("GET", tc.target, lines...)
			want, err := os.ReadFile(dir + tc.target)
			if err != nil {
				t.Fatal(err)
			}
			if a.code != 200 || a.header.Get("Content-Encoding") != tc.coding || (a.header.Get("Vary") == "Accept-Encoding") != tc.varies ||
				decoded(t, a) != string(want) {
				t.Errorf("%s %q, try %d: %d %v", tc.target, tc.accept, try, a.code, a.header)
			}
			tag := a.header.Get("ETag")
			if tc.coding != "" && (!strings.HasPrefix(tag, `W/"`) || a.header.Get("Accept-Ranges") != "" || len(a.body) >= len(want)) {
				t.Errorf("%s %q: %v, %d bytes of %d", tc.target, tc.accept, a.header, len(a.body), len(want))
			}
			if try == 0 {
				first = a
			} else if tc.target != "/fresh.js" && (tag != first.header.Get("ETag") || a.body != first.body) {
				t.Errorf("%s %q: another answer the next time", tc.target, tc.accept)
			}
			if h := p.ask("HEAD", tc.target, lines...); h.length != a.length || h.header.Get("ETag") != tag || h.header.Get("Content-Encoding") != tc.coding {
				t.Errorf("HEAD %s %q: %v, GET %v", tc.target, tc.accept, h.header, a.header)
			}
			if b := p.ask("GET", tc.target, append(lines, "If-None-Match: "+tag)...); b.code != 304 || (b.header.Get("Vary") == "Accept-Encoding") != tc.varies || b.header.Get("ETag") != tag {
				t.Errorf("%s %q: If-None-Match: %d %v", tc.target, tc.accept, b.code, b.header)
			}
		}
	}
	// A range is of the file as it is, never of what is made on the fly.
	tag := p.ask("GET", "/a.js", "Accept-Encoding: gzip").header.Get("ETag")
	if a := p.ask("GET", "/a.js", "Accept-Encoding: gzip", "Range: bytes=2-5"); a.code != 206 || a.body != text[2:6] || a.header.Get("Content-Encoding") != "" {
		t.Errorf("range: %d %v", a.code, a.header)
	}
	if a := p.ask("GET", "/a.js", "Accept-Encoding: gzip", "Range: bytes=2-5", "If-Range: "+tag); a.code != 200 || decoded(t, a) != text {
		t.Errorf("range of what was made on the fly: %d %v", a.code, a.header)
	}
}

// Many ask at the same time for what has to be made first; what was made survives the next look at the file.
func TestCompressedOnce(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat(verse, 100)
	put(t, dir, "a.js", []byte(text))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveFiles(t, files, "two loops")
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			p := dial(t, addr)
			for range 20 {
				p.send("GET", "/a.js", "Accept-Encoding: br")
				if a, err := p.receive("GET"); err != nil || a.header.Get("Content-Encoding") != "br" {
					t.Errorf("%v %v", a.header, err)
				}
			}
		})
	}
	asking.Wait()
	made := func() *form {
		files.cache.changing.Lock()
		defer files.cache.changing.Unlock()
		return files.cache.names["a.js"].forms[coding.Brotli].Load()
	}
	before := made()
	files.cache.changing.Lock()
	files.cache.mu.Lock()
	files.cache.names["a.js"].expires = 0
	files.cache.mu.Unlock()
	files.cache.changing.Unlock()
	if a := dial(t, addr).ask("GET", "/a.js", "Accept-Encoding: br"); decoded(t, a) != text || made() != before || before == nil {
		t.Error("made a second time")
	}
}

func TestCodingOptions(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.js", []byte(verse))
	put(t, dir, "a.js.gz", encoded(t, coding.Gzip, "twin"))
	off := dial(t, serve(t, dir, WithTwins(), WithCompression(0)))
	if a := off.ask("GET", "/a.js", "Accept-Encoding: gzip"); a.body != verse || a.header.Get("Vary") != "" {
		t.Errorf("all off: %v", a.header)
	}
	uncached := dial(t, serve(t, dir, WithTwins(), WithCache(CacheBounds{})))
	for range 3 {
		if a := uncached.ask("GET", "/a.js", "Accept-Encoding: gzip"); a.body != verse {
			t.Errorf("without a cache: %v", a.header)
		}
	}
	gzipFirst := dial(t, serve(t, dir, WithTwins(), WithCompression(1, "gzip", "br")))
	if a := gzipFirst.ask("GET", "/a.js", "Accept-Encoding: br, gzip"); a.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip first: %v", a.header)
	}
	for _, opt := range []Option{
		WithTwins("deflate"), WithTwins("identity"), WithTwins("*"), WithCompression(-1), WithCompression(maxCompressed + 1),
		WithCompression(1, "x"), WithCache(CacheBounds{Entries: -1}), WithMediaType("foo", "a/b"), WithMediaType(".foo", "a b"), WithMediaType(".", "a/b"),
		WithMediaType(".foo", "text/plain\r\nX: y"),
		WithHeader("[", "A", "b"), WithHeader("", "A", "b"), WithHeader("/a//b", "A", "b"), WithHeader("/../b", "A", "b"), WithHeader("a**/b", "A", "b"),
		WithHeader("*", "A b", "c"), WithHeader("*", "A", "b\nc"), WithHeader("*", "etag", `"x"`), WithHeader("*", "Content-Length", "1"),
		WithFallback(""), WithFallback("/"), WithFallback("../x"), WithFallback("/.hidden"), WithErrorPage("x.html", 200), WithErrorPage("x.html"), WithErrorPage("/a/", 404),
	} {
		if f, err := New(dir, opt); err == nil {
			f.Close()
			t.Error("an option was taken that makes no sense")
		}
	}
}
