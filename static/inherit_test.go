package static

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http/coding"
)

// A twin that has gone is not kept as what was compressed on the fly is, where nothing tells of it.
func TestTwinThatHasGone(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.txt", noise(8<<10))
	put(t, dir, "a.txt.gz", []byte("old twin"))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	closeFD(files.cache.fd)
	files.cache.fd = -1
	p := dial(t, serveFiles(t, files, "one loop"))
	for range 3 {
		if a := p.ask("GET", "/a.txt", "Accept-Encoding: gzip"); a.body != "old twin" {
			t.Fatalf("before: %q", a.body)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a.txt.gz")); err != nil {
		t.Fatal(err)
	}
	for gone := time.Now(); p.ask("GET", "/a.txt", "Accept-Encoding: gzip").body == "old twin"; {
		if time.Since(gone) > lifetime+5*time.Second {
			t.Fatal("it is served all the same")
		}
	}
}

// expire has each name looked up again that is asked for next.
func (k *cache) expire() {
	k.changing.Lock()
	defer k.changing.Unlock()
	for _, r := range k.ring {
		r.expires = 0
	}
}

// What was compressed on the fly outlives the second look at its file, also one that a loop cannot make itself.
func TestCompressedFormOutlivesLook(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.txt", noise(100<<10))
	for _, cold := range []bool{false, true} {
		files, err := New(dir)
		if err != nil {
			t.Fatal(err)
		}
		files.root.cached = files.root.cached && !cold
		p := dial(t, serveFiles(t, files, "one loop"))
		form := func() *form {
			if a := p.ask("GET", "/a.txt", "Accept-Encoding: gzip"); a.header.Get("Content-Encoding") != "gzip" {
				t.Fatalf("%d %v", a.code, a.header)
			}
			files.cache.changing.Lock()
			defer files.cache.changing.Unlock()
			if r := files.cache.names["a.txt"]; r != nil {
				return r.forms[coding.Gzip].Load()
			}
			return nil
		}
		form()
		first := form()
		if first == nil {
			t.Fatal("it is not kept")
		}
		for range 3 {
			files.cache.expire()
			if again := form(); again != first {
				t.Errorf("cold %v: it was made again", cold)
			}
		}
		files.cache.check(t)
	}
}
