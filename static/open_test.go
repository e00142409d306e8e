package static

import (
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// secret stands in every file that no request may ever get.
const secret = "SECRET: this lies outside the root"

// trapTree builds a folder with a root in it that has every trap of the file
// system that a request may step on, and returns the root.
func trapTree(tb testing.TB) string {
	tb.Helper()
	top := tb.TempDir()
	root := filepath.Join(top, "root")
	put := func(name, body string) {
		tb.Helper()
		name = filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	link := func(target, name string) {
		tb.Helper()
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			tb.Fatal(err)
		}
	}
	put("outside/secret.txt", secret)
	put("outside/index.html", secret)
	put("root-twin/secret.txt", secret) // shares the root's name as a prefix
	put("root/plain.txt", "plain")
	put("root/.hidden", secret)
	put("root/.git/config", secret)
	put("root/dir/inner.txt", "inner")
	put("root/dir/.env", secret)
	put("root/site/index.html", "site index")
	put("root/odd/index.html/trap", "index.html is a folder here")
	put("root/bad/keep.txt", "its index leads out")
	put(`root/..x/a`, secret)
	put(`root/back\slash`, "backslash")
	for _, name := range hardNames() {
		put("root/hard/"+name, "hard "+name)
	}
	link("plain.txt", "in-leaf")
	link("dir", "in-dir")
	link("in-dir/../plain.txt", "in-roundabout")
	link("../outside/secret.txt", "out-leaf")
	link("../outside", "out-dir")
	link(filepath.Join(top, "outside/secret.txt"), "out-absolute")
	link(filepath.Join(root, "plain.txt"), "in-absolute") // absolute links fail even when they lead back in
	link("../root/plain.txt", "out-and-in")
	link("..", "up")
	link("/", "slash")
	link("../root-twin", "twin")
	link("/proc/self/root", "magic")
	link("loop-b", "loop-a")
	link("loop-a", "loop-b")
	link("nowhere", "dangling")
	link("../../outside/index.html", "bad/index.html")
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(root, "device"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))); err != nil {
		tb.Logf("no device among the traps: %v", err) // only root may make one
	}
	listenUnix(tb, filepath.Join(root, "socket"))
	if err := os.Chtimes(filepath.Join(root, "plain.txt"), time.Time{}, time.Unix(dated, 123456789)); err != nil {
		tb.Fatal(err)
	}
	return root
}

func listenUnix(tb testing.TB, path string) {
	tb.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		tb.Logf("no socket among the traps: %v", err) // a temporary folder with a name too long
		return
	}
	tb.Cleanup(func() { l.Close() })
}

// bothWays opens dir by openat2 and by os.Root.
func bothWays(tb testing.TB, dir string) map[string]*root {
	tb.Helper()
	direct, err := openRoot(dir)
	if err != nil {
		tb.Fatal(err)
	}
	if direct.walk != nil {
		tb.Log("openat2 cannot be used here: os.Root is tested twice")
	}
	fallback, err := openRoot(dir)
	if err != nil {
		tb.Fatal(err)
	}
	if fallback.walk == nil {
		if fallback.walk, err = os.OpenRoot(dir); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() {
		direct.close()
		fallback.close()
	})
	return map[string]*root{"openat2": direct, "os.Root": fallback}
}

func TestLookup(t *testing.T) {
	tests := []struct {
		name string
		kind kind
		err  error
	}{
		{"plain.txt", regular, nil},
		{".", folder, nil},
		{"dir", folder, nil},
		{"dir/inner.txt", regular, nil},
		{`back\slash`, regular, nil},
		{"in-leaf", regular, nil},
		{"in-dir", folder, nil},
		{"in-dir/inner.txt", regular, nil},
		{"in-roundabout", regular, nil},
		{"fifo", other, nil},
		{"socket", other, unix.ENXIO},
		{"missing", other, unix.ENOENT},
		{"dangling", other, unix.ENOENT},
		{"plain.txt/x", other, unix.ENOTDIR},
		{"loop-a", other, unix.ELOOP},
		{strings.Repeat("n", 300), other, unix.ENAMETOOLONG},
		{"out-leaf", other, unix.EXDEV},
		{"out-dir", other, unix.EXDEV},
		{"out-dir/secret.txt", other, unix.EXDEV},
		{"out-absolute", other, unix.EXDEV},
		{"in-absolute", other, unix.EXDEV},
		{"out-and-in", other, unix.EXDEV},
		{"up", other, unix.EXDEV},
		{"up/outside/secret.txt", other, unix.EXDEV},
		{"slash", other, unix.EXDEV},
		{"slash/etc/passwd", other, unix.EXDEV},
		{"twin/secret.txt", other, unix.EXDEV},
		{"magic/etc/passwd", other, unix.EXDEV},
		{"bad/index.html", other, unix.EXDEV},
		{"../outside/secret.txt", other, unix.EXDEV}, // never comes through appendName
		{"dir/../../outside/secret.txt", other, unix.EXDEV},
	}
	dir := trapTree(t)
	for way, r := range bothWays(t, dir) {
		for _, test := range tests {
			f, err := r.lookup([]byte(test.name + "\x00"))
			if !errors.Is(err, test.err) || f.kind != test.kind {
				t.Errorf("%s: lookup(%.40q) = kind %d, %v; want kind %d, %v", way, test.name, f.kind, err, test.kind, test.err)
			}
			if err == nil {
				checkInside(t, dir, f)
				f.close()
			}
		}
	}
}

// checkInside asks the kernel where an open fd lies.
func checkInside(tb testing.TB, dir string, f file) {
	tb.Helper()
	where, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(f.fd))
	if err != nil {
		tb.Fatal(err)
	}
	if where != dir && !strings.HasPrefix(where, dir+"/") {
		tb.Fatalf("opened %s, outside %s", where, dir)
	}
}

func TestLookupTellsWhatFstatSays(t *testing.T) {
	dir := trapTree(t)
	for way, r := range bothWays(t, dir) {
		f, err := r.lookup([]byte("plain.txt\x00"))
		if err != nil {
			t.Fatal(err)
		}
		if f.size != 5 || f.mtime.Sec != dated || f.mtime.Nsec != 123456789 || f.ino == 0 {
			t.Errorf("%s: %+v", way, f)
		}
		var p [16]byte
		for n, want := range map[int]string{5: "plain", 16: "plain", 2: "pl", 0: ""} {
			if n, err := f.read(p[:n], 0, true); err != nil || string(p[:n]) != want {
				t.Errorf("%s: read: %q, %v; want %q", way, p[:n], err, want)
			}
		}
		f.close()
		if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("%s: fd still open after close: %v", way, err)
		}
	}
}

func TestLookupKeepsFilesFromChildren(t *testing.T) {
	for way, r := range bothWays(t, trapTree(t)) {
		f, err := r.lookup([]byte("plain.txt\x00"))
		if err != nil {
			t.Fatal(err)
		}
		flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: close-on-exec is not set: %#x, %v", way, flags, err)
		}
		f.close()
	}
}

func TestOpenRootErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		filepath.Join(dir, "missing"): fs.ErrNotExist,
		plain:                         unix.ENOTDIR,
		"":                            fs.ErrNotExist,
	} {
		if r, err := openRoot(path); !errors.Is(err, want) || r != nil {
			t.Errorf("openRoot(%q) = %v, %v; want %v", path, r, err, want)
		}
	}
}

// Whatever a client writes: decoded once and looked up, it opens nothing
// outside the root, reads no secret, does not wait for a fifo, and openat2
// and os.Root see the same file.
func FuzzLookup(f *testing.F) {
	for _, seed := range []string{
		"/plain.txt", "/dir/inner.txt", "/in-dir/inner.txt", "/in-leaf/", "/out-leaf", "/out-dir/secret.txt", "/out-dir/", "/up/up/x",
		"/slash/etc/passwd", "/magic/etc/passwd", "/fifo", "/socket", "/.hidden", "/%2ehidden", "/dir/%2eenv", "/..x/a",
		"/../outside/secret.txt", "/%2e%2e/outside/secret.txt", "/..%2foutside%2fsecret.txt", "/%252e%252e/outside/secret.txt",
		"/..%5coutside%5csecret.txt", "/dir%2f..%2f..%2foutside/secret.txt", "/plain.txt%00.html", "/%c0%ae%c0%ae/outside/secret.txt",
		"/in-dir/../../outside/secret.txt", "//plain.txt", "/hard/100%25", "/hard/line%0abreak", "/loop-a", "/bad/index.html", "/twin/",
	} {
		f.Add(seed)
	}
	dir := trapTree(f)
	ways := bothWays(f, dir)
	f.Fuzz(func(t *testing.T, target string) {
		path, err := url.PathUnescape(target)
		if err != nil {
			return
		}
		name, isFolder, ok := appendName(nil, []byte(path))
		if !ok {
			return
		}
		if len(name) == 0 {
			name = []byte(".")
		}
		name = append(name, 0)
		a, errA := ways["openat2"].lookup(name)
		b, errB := ways["os.Root"].lookup(name)
		if (errA == nil) != (errB == nil) || a.ino != b.ino || a.kind != b.kind {
			t.Fatalf("%q (folder %v): openat2 %+v, %v; os.Root %+v, %v", name, isFolder, a, errA, b, errB)
		}
		if errA != nil {
			return
		}
		defer a.close()
		defer b.close()
		checkInside(t, dir, a)
		checkInside(t, dir, b)
		if a.kind != regular {
			return
		}
		body := make([]byte, 256)
		n, err := a.read(body, 0, true)
		if err != nil || strings.Contains(string(body[:n]), "SECRET") {
			t.Fatalf("%q read %q, %v", name, body[:n], err)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	dir := trapTree(b)
	deep := filepath.Join(dir, "one", "two")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(deep, "three"), nil, 0o644); err != nil {
		b.Fatal(err)
	}
	ways := bothWays(b, dir)
	for _, way := range []string{"openat2", "os.Root"} {
		for _, name := range []string{"plain.txt", "one/two/three"} {
			b.Run(way+"/"+filepath.Base(name), func(b *testing.B) {
				b.ReportAllocs()
				key := []byte(name + "\x00")
				for b.Loop() {
					f, err := ways[way].lookup(key)
					if err != nil {
						b.Fatal(err)
					}
					f.close()
				}
			})
		}
	}
}
