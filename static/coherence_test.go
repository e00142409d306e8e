package static

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// change is one thing that happens to a file, or above it. It returns what the next request must get.
type change struct {
	name   string
	target string
	do     func(dir string) error
	code   int
	body   string // of a 200
	beside string // a folder that is asked for as well, without its slash
}

func write(name, body string) func(dir string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644) }
}

func rename(from, to string) func(dir string) error {
	return func(dir string) error { return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)) }
}

func all(steps ...func(dir string) error) func(dir string) error {
	return func(dir string) error {
		for _, step := range steps {
			if err := step(dir); err != nil {
				return err
			}
		}
		return nil
	}
}

func link(target, name string) func(dir string) error {
	return func(dir string) error { return os.Symlink(target, filepath.Join(dir, name)) }
}

func remove(name string) func(dir string) error {
	return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
}

// atOnce are changes that inotify tells of: the request that follows one gets what is there then.
func atOnce(large string) []change {
	return []change{
		{"written", "/a/b/file.txt", write("a/b/file.txt", "new"), 200, "new", ""},
		{"written in place, the same size", "/a/b/file.txt", func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "a/b/file.txt"), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("X"), 0)
			f.Close()
			return err
		}, 200, "Xld", ""},
		{"written through another hard link", "/a/b/file.txt", write("elsewhere.txt", "linked"), 200, "linked", ""},
		{"appended", "/a/b/file.txt", func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "a/b/file.txt"), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString(" and more")
			f.Close()
			return err
		}, 200, "old and more", ""},
		{"truncated", "/a/b/file.txt", func(dir string) error { return os.Truncate(filepath.Join(dir, "a/b/file.txt"), 0) }, 200, "", ""},
		{"replaced by rename", "/a/b/file.txt", all(write("tmp", "fresh"), rename("tmp", "a/b/file.txt")), 200, "fresh", ""},
		{"large, replaced by rename", "/a/large.txt", all(write("tmp", "fresh"), rename("tmp", "a/large.txt")), 200, "fresh", ""},
		{"large, truncated", "/a/large.txt", func(dir string) error { return os.Truncate(filepath.Join(dir, "a/large.txt"), 100) }, 200, large[:100], ""},
		{"renamed away", "/a/b/file.txt", rename("a/b/file.txt", "a/b/other.txt"), 404, "", ""},
		{"removed", "/a/b/file.txt", remove("a/b/file.txt"), 404, "", ""},
		{"large, removed", "/a/large.txt", remove("a/large.txt"), 404, "", ""},
		{"a folder in its place", "/a/b/file.txt", all(remove("a/b/file.txt"), func(dir string) error {
			return os.Mkdir(filepath.Join(dir, "a/b/file.txt"), 0o755)
		}), 301, "", ""},
		{"a link that leads out in its place", "/a/b/file.txt", all(remove("a/b/file.txt"), link("/etc/passwd", "a/b/file.txt")), 404, "", ""},
		{"folder above renamed", "/a/b/file.txt", rename("a/b", "a/c"), 404, "", ""},
		{"folder above that renamed", "/a/b/file.txt", rename("a", "z"), 404, "", ""},
		{"folders above swapped", "/a/b/file.txt", all(rename("a/b", "a/c"), rename("v2", "a/b")), 200, "second", ""},
		{"folder above replaced by a link", "/a/b/file.txt", all(rename("a/b", "a/c"), link("../v2", "a/b")), 200, "second", ""},
		{"folder above replaced by a link that leads out", "/a/b/file.txt", all(rename("a/b", "a/c"), link("/etc", "a/b")), 404, "", ""},
		{"leaf link swapped", "/leaf", all(link("v2/file.txt", "tmp"), rename("tmp", "leaf")), 200, "second", ""},
		{"target of a leaf link replaced", "/leaf", all(write("tmp", "fresh"), rename("tmp", "a/b/file.txt")), 200, "fresh", ""},
		{"folder link swapped", "/current/file.txt", all(link("v2", "tmp"), rename("tmp", "current")), 200, "second", ""},
		{"file behind a folder link replaced", "/current/file.txt", all(write("tmp", "fresh"), rename("tmp", "a/b/file.txt")), 200, "fresh", ""},
		{"file of the root replaced", "/top.txt", all(write("tmp", "fresh"), rename("tmp", "top.txt")), 200, "fresh", ""},
		{"link swapped in a folder that was asked for", "/a/b/link", all(link("file.txt", "tmp"), rename("tmp", "a/b/link")), 200, "old", "/a/b"},
		{"twin added in a folder that was asked for", "/a/b/file.txt", write("a/b/file.txt.gz", "twin"), 200, "twin", "/a/b"},
		{"index replaced", "/site/", all(write("tmp", "fresh"), rename("tmp", "site/index.html")), 200, "fresh", ""},
	}
}

// coherenceTree builds what the changes need, with dates long past.
func coherenceTree(t *testing.T, large string) string {
	dir := t.TempDir()
	for _, folder := range []string{"a/b", "v2", "site"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range map[string]string{
		"a/b/file.txt": "old", "a/large.txt": large, "v2/file.txt": "second", "top.txt": "old", "site/index.html": "old",
	} {
		put(t, dir, name, []byte(body))
	}
	if err := os.Link(filepath.Join(dir, "a/b/file.txt"), filepath.Join(dir, "elsewhere.txt")); err != nil {
		t.Fatal(err)
	}
	if err := all(link("a/b/file.txt", "leaf"), link("a/b", "current"), link("../../v2/file.txt", "a/b/link"))(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What was cached is never served behind a change: on the loop that reads the events, on another, and off the loops. Without
// inotify it is for as long as the cache's lifetime is, and no longer.
func TestCacheCoherence(t *testing.T) {
	large := string(noise(3 * largestBody))
	for _, way := range []string{"one loop", "two loops", "goroutines", "no inotify"} {
		for _, ch := range atOnce(large) {
			t.Run(way+"/"+ch.name, func(t *testing.T) {
				t.Parallel()
				dir := coherenceTree(t, large)
				files, err := New(dir, WithCompression(1))
				if err != nil {
					t.Fatal(err)
				}
				if way == "no inotify" {
					closeFD(files.cache.fd)
					files.cache.fd = -1
				}
				p := dial(t, serveFiles(t, files, way))
				accept := "Accept-Encoding: identity"
				if ch.body == "twin" {
					accept = "Accept-Encoding: gzip"
				}
				for range 3 { // the second one is kept
					if a := p.ask("GET", ch.target, accept); a.code != 200 {
						t.Fatalf("before: %d", a.code)
					}
				}
				for range 3 {
					if ch.beside != "" && p.ask("GET", ch.beside).code != 301 {
						t.Fatalf("%s is no folder", ch.beside)
					}
				}
				if n := files.cached(); n == 0 {
					t.Fatal("nothing is cached")
				}
				if err := ch.do(dir); err != nil {
					t.Fatal(err)
				}
				changed := time.Now()
				a := p.ask("GET", ch.target, accept)
				for way == "no inotify" && (a.code != ch.code || a.code == 200 && a.body != ch.body) {
					if time.Since(changed) > lifetime+5*time.Second {
						break
					}
					a = p.ask("GET", ch.target, accept) // nothing tells
				}
				if a.code != ch.code || a.code == 200 && a.body != ch.body {
					t.Errorf("%d %.40q, want %d %.40q", a.code, a.body, ch.code, ch.body)
				}
			})
		}
	}
}

// cached is how many resources are in the cache.
func (f *Files) cached() int {
	f.cache.changing.Lock()
	defer f.cache.changing.Unlock()
	return len(f.cache.ring)
}

// serveFiles serves in one of the ways of TestCacheCoherence.
func serveFiles(t *testing.T, files *Files, way string) string {
	t.Helper()
	app := http.New()
	app.Server.Loops = 1
	opts := []http.RouteOption{http.Inline}
	switch way {
	case "two loops":
		app.Server.Loops = 2
	case "goroutines":
		opts = nil
	}
	app.Mount("/", files.Serve, opts...)
	addr := listening(t, app)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
		if n := len(files.cache.marks) + len(files.cache.folders) + len(files.cache.names) + files.cache.heldFDs + int(files.cache.heldBytes); n != 0 {
			t.Errorf("left in the cache behind its end: %d", n)
		}
	})
	return addr
}

// Two connections on two loops: whoever is told of a change by the one sees it on the other.
func TestCoherenceAcrossLoops(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "n.txt", []byte("0"))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveFiles(t, files, "two loops")
	peers := []*peer{dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)}
	for i := range 300 {
		want := fmt.Sprint(i)
		if err := all(write("tmp", want), rename("tmp", "n.txt"))(dir); err != nil {
			t.Fatal(err)
		}
		for j := range 8 {
			if a := peers[(i+j)%4].ask("GET", "/n.txt"); a.body != want {
				t.Fatalf("round %d: %q", i, a.body)
			}
		}
	}
}

// Renames of files and folders at full speed, while many ask: each answer is one of the states, whole.
func TestCoherenceUnderLoad(t *testing.T) {
	dir := t.TempDir()
	bodies := map[string]bool{}
	for _, v := range []string{"v1", "v2"} {
		if err := os.MkdirAll(filepath.Join(dir, v), 0o755); err != nil {
			t.Fatal(err)
		}
		body := strings.Repeat(v, largestBody)
		bodies[body] = true
		put(t, dir, v+"/file.txt", []byte(body))
	}
	files, err := New(dir, WithCache(CacheBounds{Entries: 2, Files: 1, Bytes: 1 << 20}))
	if err != nil {
		t.Fatal(err)
	}
	addr := serveFiles(t, files, "two loops")
	done := make(chan struct{})
	var asking sync.WaitGroup
	for i := range 4 {
		asking.Go(func() {
			p := dial(t, addr)
			for j := 0; ; j++ {
				select {
				case <-done:
					return
				default:
				}
				target := []string{"/v1/file.txt", "/v2/file.txt", "/v3/file.txt"}[(i+j)%3]
				p.send("GET", target)
				a, err := p.receive("GET")
				if err != nil || a.code != 404 && !bodies[a.body] {
					t.Errorf("%s: %d, %d bytes, %v", target, a.code, len(a.body), err)
					return
				}
			}
		})
	}
	swap := all(rename("v1", "v3"), rename("v2", "v1"), rename("v3", "v2"))
	for range 200 {
		if err := swap(dir); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	asking.Wait()
}
