package static

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var allFormats = ArchiveOptions{Formats: []string{"tar", "tar.gz", "zip"}}

// unpack returns what an archive holds: the content by the name, "" for a folder.
func unpack(t *testing.T, format, body string) map[string]string {
	t.Helper()
	got := map[string]string{}
	if format == "zip" {
		z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			p, err := io.ReadAll(r) // it compares the checksum
			if err != nil {
				t.Fatalf("%q: %v", f.Name, err)
			}
			got[f.Name] = string(p)
		}
		return got
	}
	var r io.Reader = strings.NewReader(body)
	if format == "tar.gz" {
		g, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = g
	}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
			t.Errorf("%q is of type %c", h.Name, h.Typeflag)
		}
		p, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = string(p)
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // the end, with its checksum
		t.Error(err)
	}
	return got
}

func TestArchives(t *testing.T) {
	root := trapTree(t)
	large := noise(3 << 20)
	put(t, root, "dir/large.bin", large)
	put(t, root, "dir/photo.jpg", large[:200_000])
	put(t, root, "dir/empty", nil)
	put(t, root, "dir/tool.sh", []byte("#!/bin/sh"))
	if err := os.Chmod(filepath.Join(root, "dir/tool.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := dial(t, serve(t, root, WithArchives(allFormats)))
	for _, format := range allFormats.Formats {
		want := map[string]string{"dir/": "", "dir/inner.txt": "inner", "dir/large.bin": string(large),
			"dir/photo.jpg": string(large[:200_000]), "dir/empty": "", "dir/tool.sh": "#!/bin/sh"}
		a := p.ask("GET", "/dir/?download="+format)
		if a.code != 200 {
			t.Fatalf("%s: %d %s", format, a.code, a.body)
		}
		if got := unpack(t, format, a.body); !maps.Equal(got, want) {
			t.Errorf("%s has %q; want %q", format, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		if format != "tar" && len(a.body) > len(large) {
			t.Errorf("%s: not compressed, %d bytes", format, len(a.body))
		}
		_, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
		if err != nil || params["filename"] != "dir."+format || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v, %v", format, a.header, err)
		}
		h := p.ask("HEAD", "/dir/?download="+format)
		if h.code != 200 || h.header.Get("Content-Disposition") != a.header.Get("Content-Disposition") || h.body != "" {
			t.Errorf("%s: HEAD %d %v", format, h.code, h.header)
		}

		// The traps of the root, and names that need care.
		got := unpack(t, format, p.ask("GET", "/?download="+format).body)
		for name, content := range got {
			if strings.Contains(content, secret) || strings.Contains(name, "/.") || strings.Contains(name, "..") && !strings.Contains(name, "%2e") {
				t.Errorf("%s has %q", format, name)
			}
			if format == "zip" && strings.Contains(name, `\`) {
				t.Errorf("%s has %q, which some systems take for a path", format, name)
			}
		}
		for name, want := range map[string]string{"files/in-leaf": "plain", "files/in-roundabout": "plain", "files/odd/index.html/trap": "index.html is a folder here",
			"files/bad/keep.txt": "its index leads out", "files/hard/line\nbreak": "hard line\nbreak", "files/hard/grün": "hard grün", "files/hard/\xff\xfe": "hard \xff\xfe"} {
			if got[name] != want {
				t.Errorf("%s: %q is %q; want %q", format, name, got[name], want)
			}
		}
		for _, name := range []string{"files/in-dir/", "files/fifo", "files/socket", "files/out-dir/", "files/up/", "files/loop-a"} {
			if _, ok := got[name]; ok {
				t.Errorf("%s has %q", format, name)
			}
		}
	}
}

func TestArchivesAreAsked(t *testing.T) {
	root := trapTree(t)
	none := dial(t, serve(t, root))
	if a := none.ask("GET", "/dir/?download=zip"); !strings.HasPrefix(a.body, "<!DOCTYPE") || strings.Contains(a.body, "?download=") {
		t.Errorf("without WithArchives: %d %.60q", a.code, a.body)
	}
	p := dial(t, serve(t, root, WithArchives(ArchiveOptions{})))
	page := p.ask("GET", "/dir/").body
	if !strings.Contains(page, `href="?download=tar.gz"`) || !strings.Contains(page, `href="?download=zip"`) || strings.Contains(page, `download=tar"`) {
		t.Error("the page does not offer what is allowed")
	}
	for target, want := range map[string]int{"/dir/?download=tar": 400, "/dir/?download=": 400, "/dir/?download=rar": 400, "/dir?download=zip": 301,
		"/out-dir/?download=zip": 404, "/.git/?download=zip": 404, "/missing/?download=zip": 404, "/fifo/?download=zip": 404, "/site/?download=zip": 200} {
		if a := p.ask("GET", target); a.code != want {
			t.Errorf("%s: %d, want %d", target, a.code, want)
		}
	}
	if a := p.ask("GET", "/site/?download=zip"); a.body != "site index" {
		t.Errorf("a folder with an index file: %.60q", a.body)
	}
	for _, bad := range []ArchiveOptions{{Formats: []string{"rar"}}, {MaxFiles: -1}, {MaxBytes: -1}, {MaxDepth: -1}, {MaxAtOnce: -1}} {
		if f, err := New(root, WithArchives(bad)); err == nil {
			t.Errorf("%+v was taken", bad)
			f.Close()
		}
	}
}

func TestArchiveName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a\"b\r\nSet-Cookie: x", "grün", `back\slash`} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := dial(t, serve(t, dir, WithArchives(allFormats)))
	for target, want := range map[string]string{
		"/":                            `attachment; filename="files.zip"`,
		"/a%22b%0D%0ASet-Cookie:%20x/": `attachment; filename="a_b__Set-Cookie: x.zip"; filename*=UTF-8''a%22b__Set-Cookie%3A%20x.zip`,
		"/gr%C3%BCn/":                  `attachment; filename="gr_n.zip"; filename*=UTF-8''gr%C3%BCn.zip`,
		"/back%5Cslash/":               `attachment; filename="back_slash.zip"`,
	} {
		a := p.ask("GET", target+"?download=zip")
		if a.header.Get("Content-Disposition") != want || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %q", target, a.header.Get("Content-Disposition"))
		}
	}
}

func TestArchiveBounds(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "a/b/c/x", noise(1000))
	put(t, dir, "a/y", noise(1000)) // with the root: 6 names
	for _, test := range []struct {
		o    ArchiveOptions
		code int
		why  string
	}{
		{ArchiveOptions{MaxFiles: 6, MaxBytes: 2000, MaxDepth: 3}, 200, ""},
		{ArchiveOptions{MaxFiles: 5}, 413, "too many files"},
		{ArchiveOptions{MaxBytes: 1999}, 413, "too large"},
		{ArchiveOptions{MaxDepth: 2}, 413, "too deep"},
	} {
		a := dial(t, serve(t, dir, WithArchives(test.o))).ask("GET", "/?download=zip")
		if a.code != test.code || !strings.Contains(a.body, test.why) || test.code != 200 && a.header.Get("Content-Disposition") != "" {
			t.Errorf("%+v: %d %.60q", test.o, a.code, a.body)
		}
	}
}

// A file that gets shorter while it is packed breaks the answer off; and while one
// folder is packed, no more than allowed are.
func TestArchiveOfShrinkingFile(t *testing.T) {
	for _, format := range allFormats.Formats {
		dir := t.TempDir()
		big := sparse(t, dir, "big", 64<<20)
		if format != "tar" { // zeros would be nothing
			if err := os.WriteFile(big, bytes.Repeat(noise(1<<20), 48), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		put(t, dir, "last", []byte("last"))
		o := allFormats
		o.MaxAtOnce = 1
		addr := serve(t, dir, WithArchives(o))
		p := dial(t, addr)
		p.send("GET", "/?download="+format)
		if _, err := p.in.Peek(1); err != nil {
			t.Fatal(err)
		}
		if a := dial(t, addr).ask("GET", "/?download="+format); a.code != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: a second at once: %d", format, a.code)
		}
		if err := os.Truncate(big, 4096); err != nil {
			t.Fatal(err)
		}
		a, err := p.receive("GET")
		if err == nil {
			t.Errorf("%s: %d bytes, as if they were all", format, len(a.body))
		}
	}
}

// What is gone, or may not be read, between the survey and the packing.
func TestArchiveOfWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "stays", []byte("stays"))
	put(t, dir, "goes", []byte("goes"))
	put(t, dir, "turns", []byte("turns"))
	files, err := New(dir, WithArchives(allFormats))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	p := packing{archives: files.archives, ctx: t.Context(), root: files.root, held: files.held, base: "x"}
	if err := p.survey(); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, "goes"))
	os.Remove(filepath.Join(dir, "turns"))
	if err := unix.Mkfifo(filepath.Join(dir, "turns"), 0o644); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.write(newZip(&b)); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(unpack(t, "zip", b.String()))); !slices.Equal(got, []string{"x/", "x/stays"}) {
		t.Errorf("%q", got)
	}
	if len(p.names) != 4 {
		t.Errorf("%q", p.names)
	}
}

func BenchmarkArchive(b *testing.B) {
	dir := b.TempDir()
	text := noise(8 << 20)
	put(b, dir, "text", text)
	for _, format := range allFormats.Formats {
		b.Run(format, func(b *testing.B) {
			files, err := New(dir, WithArchives(allFormats))
			if err != nil {
				b.Fatal(err)
			}
			defer files.Close()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				p := packing{archives: files.archives, ctx: b.Context(), root: files.root, held: files.held}
				if err := p.survey(); err != nil {
					b.Fatal(err)
				}
				if err := p.write(packers[format](io.Discard)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
