package static

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// check holds what the cache counts against what it holds.
func (k *cache) check(t *testing.T) {
	t.Helper()
	k.changing.Lock()
	defer k.changing.Unlock()
	fds, weight := 0, int64(0)
	for i, r := range k.ring {
		if r.place != i || r.dropped || !r.ready || k.names[r.name] != r {
			t.Errorf("%q in the ring: place %d of %d, dropped %v, ready %v", r.name, r.place, i, r.dropped, r.ready)
		}
		fds += r.files
		weight += r.weight
		for _, m := range r.marks {
			if _, ok := m.dependents[r]; !ok || m.wd == pending || k.marks[m.wd] != m {
				t.Errorf("%q depends on a mark that does not know it", r.name)
			}
		}
	}
	if fds != k.heldFDs || weight != k.heldBytes || len(k.names) != len(k.ring) {
		t.Errorf("%d descriptors, %d bytes, %d names; counted %d, %d, %d", fds, weight, len(k.ring), k.heldFDs, k.heldBytes, len(k.names))
	}
	if len(k.ring) > k.bounds.Entries || fds > k.bounds.Files || weight > k.bounds.Bytes {
		t.Errorf("%d names, %d descriptors, %d bytes are above %+v", len(k.ring), fds, weight, k.bounds)
	}
	for wd, m := range k.marks {
		if m.wd != wd || len(m.dependents) == 0 {
			t.Errorf("mark %d (%d) with %d dependents", wd, m.wd, len(m.dependents))
		}
	}
}

// Each bound holds, with files large and small, whoever is asked for.
func TestCacheBounds(t *testing.T) {
	dir := t.TempDir()
	for i := range 40 {
		put(t, dir, fmt.Sprintf("small%d.txt", i), noise(2000))
		put(t, dir, fmt.Sprintf("large%d.txt", i), noise(largestBody+1+i))
	}
	for _, bounds := range []CacheBounds{
		{Entries: 4096, Files: 1024, Bytes: 64 << 20}, {Entries: 5, Files: 1024, Bytes: 64 << 20}, {Entries: 4096, Files: 3, Bytes: 64 << 20},
		{Entries: 4096, Files: 1024, Bytes: 20 << 10}, {Entries: 1, Files: 1, Bytes: 1 << 20}, {Entries: 4096, Files: 0, Bytes: 64 << 20}, {Entries: 10, Files: 5},
	} {
		files, err := New(dir, WithCache(bounds))
		if err != nil {
			t.Fatal(err)
		}
		p := dial(t, serveFiles(t, files, "one loop"))
		for i := range 400 {
			target, size := fmt.Sprintf("/small%d.txt", i%40), 2000
			if i%3 == 0 {
				target, size = fmt.Sprintf("/large%d.txt", i%40), largestBody+1+i%40
			}
			accept := "gzip"
			if i%2 == 0 {
				accept = "identity"
			}
			if a := p.ask("GET", target, "Accept-Encoding: "+accept); a.code != 200 || len(decoded(t, a)) != size {
				t.Fatalf("%+v: %s: %d, %d bytes", bounds, target, a.code, len(a.body))
			}
			files.cache.check(t)
		}
	}
}

// What nobody asks for is let go of; what somebody does stays.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.txt", noise(3*largestBody))
	put(t, dir, "b.txt", noise(10))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, serveFiles(t, files, "one loop"))
	for range 3 {
		p.ask("GET", "/a.txt")
		p.ask("GET", "/b.txt")
	}
	files.cache.sweep()
	p.ask("GET", "/a.txt")
	files.cache.sweep()
	if n := files.cached(); n != 1 {
		t.Errorf("%d are held, want that which was asked for", n)
	}
	files.cache.sweep()
	if n := files.cached(); n != 0 || len(files.cache.marks) != 0 || len(openBeneath(t, dir)) != 0 {
		t.Errorf("%d are held, %d watches, open %q", n, len(files.cache.marks), openBeneath(t, dir))
	}
}

// IN_Q_OVERFLOW: nobody knows what has happened, so nothing is believed any more.
func TestOverflow(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.txt", []byte("a"))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, serveFiles(t, files, "one loop"))
	for range 2 {
		p.ask("GET", "/a.txt")
	}
	files.cache.changing.Lock()
	event := make([]byte, unix.SizeofInotifyEvent)
	event[0], event[1], event[2], event[3] = 0xff, 0xff, 0xff, 0xff // wd -1
	event[5] = unix.IN_Q_OVERFLOW >> 8
	files.cache.handleEvents(event)
	held, marks := len(files.cache.names), len(files.cache.marks)+len(files.cache.folders)
	files.cache.changing.Unlock()
	if held != 0 || marks != 0 {
		t.Errorf("%d names and %d marks are left", held, marks)
	}
	for range 3 {
		if a := p.ask("GET", "/a.txt"); a.body != "a" {
			t.Errorf("behind it: %d %q", a.code, a.body)
		}
	}
	files.cache.check(t)
}

// Files that are asked for once, as by a crawler, do not drive out those that are asked for often.
func TestCrawler(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "hot.txt", []byte("hot"))
	for i := range 50 {
		put(t, dir, fmt.Sprintf("cold%d.txt", i), []byte("cold"))
	}
	files, err := New(dir, WithCache(CacheBounds{Entries: 1, Files: 1, Bytes: 1 << 20}))
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, serveFiles(t, files, "one loop"))
	p.ask("GET", "/hot.txt")
	p.ask("GET", "/hot.txt")
	files.cache.changing.Lock()
	hot := files.cache.names["hot.txt"]
	files.cache.changing.Unlock()
	for i := range 50 {
		p.ask("GET", fmt.Sprintf("/cold%d.txt", i))
	}
	files.cache.changing.Lock()
	defer files.cache.changing.Unlock()
	if hot == nil || hot.dropped {
		t.Error("it was driven out")
	}
}

// A file that may not be read any more is not served from the cache, nor one in a folder that may not be passed.
func TestChmodBehindTheCache(t *testing.T) {
	for _, what := range []string{"a/b.txt", "a"} {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, dir, "a/b.txt", []byte("text"))
		files, err := New(dir)
		if err != nil {
			t.Fatal(err)
		}
		app := http.New() // on goroutines: see TestForbidden
		app.Mount("/", asNobody(files.Serve))
		addr := listening(t, app)
		p := dial(t, addr)
		for range 3 {
			if a := p.ask("GET", "/a/b.txt"); a.code != 200 {
				t.Fatalf("before: %d", a.code)
			}
		}
		if err := os.Chmod(filepath.Join(dir, what), 0); err != nil {
			t.Fatal(err)
		}
		if a := p.ask("GET", "/a/b.txt"); a.code != 403 {
			t.Errorf("%s is closed, and the answer %d", what, a.code)
		}
		if err := os.Chmod(filepath.Join(dir, what), 0o755); err != nil {
			t.Fatal(err)
		}
		p.conn.Close()
		if err := errors.Join(app.Shutdown(t.Context()), files.Close()); err != nil {
			t.Error(err)
		}
	}
}

// A file that is sent from the cache and is removed meanwhile arrives whole; its descriptor goes with the last answer.
func TestRemovedWhileSentFromTheCache(t *testing.T) {
	dir := t.TempDir()
	body := noise(16 << 20)
	name := put(t, dir, "big.txt", body)
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveFiles(t, files, "one loop")
	for range 2 {
		dial(t, addr).ask("GET", "/big.txt")
	}
	slow := []*peer{dial(t, addr), dial(t, addr)}
	for _, p := range slow {
		p.send("GET", "/big.txt")
		if _, err := p.in.Peek(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if a := dial(t, addr).ask("GET", "/big.txt"); a.code != 404 {
		t.Errorf("behind the removal: %d", a.code)
	}
	for _, p := range slow {
		if a, err := p.receive("GET"); err != nil || a.body != string(body) {
			t.Errorf("%d bytes, %v", len(a.body), err)
		}
	}
	deadline := time.Now().Add(10 * time.Second) // nothing outside the server tells when it has closed a file
	for len(openBeneath(t, dir)) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("still open: %q", openBeneath(t, dir))
		}
		time.Sleep(time.Millisecond)
	}
}

func FuzzHandleEvents(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00a.txt\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, events []byte) {
		k := newCache(DefaultCacheBounds())
		defer k.close()
		r := newResource("a.txt")
		k.names["a.txt"] = r
		m := &mark{wd: 1, paths: []string{""}, dependents: make(map[*resource]struct{})}
		k.marks[1], k.folders[""] = m, m
		k.depend(r, m)
		k.changing.Lock()
		k.handleEvents(events)
		k.changing.Unlock()
	})
}

// What is cached is answered without an allocation, on a loop.
func TestHitsDoNotAllocate(t *testing.T) {
	if underRace() {
		t.Skip("allocations cannot be counted under -race")
	}
	dir := t.TempDir()
	put(t, dir, "small.txt", []byte("text"))
	put(t, dir, "large.txt", noise(2*largestBody))
	conn := dial(t, serve(t, dir)).conn
	buf := make([]byte, 4*largestBody)
	for name, size := range map[string]int{"small.txt": 4, "large.txt": 2 * largestBody} {
		request := []byte("GET /" + name + " HTTP/1.1\r\nHost: h\r\n\r\n")
		ask := func() {
			if _, err := conn.Write(request); err != nil {
				t.Fatal(err)
			}
			for n, end := 0, len(buf); n < end; {
				more, err := conn.Read(buf[n:])
				if err != nil {
					t.Fatal(err)
				}
				n += more
				if head := bytes.Index(buf[:n], []byte("\r\n\r\n")); head >= 0 {
					end = head + 4 + size
				}
			}
		}
		for range 10 {
			ask()
		}
		const n = 1000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			ask()
		}
		runtime.ReadMemStats(&after)
		if each := float64(after.Mallocs-before.Mallocs) / n; each > 0.5 { // a second look at the file, each second, has some
			t.Errorf("%s: %.2f allocations a request", name, each)
		}
	}
}
