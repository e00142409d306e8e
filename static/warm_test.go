package static

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// chill takes a file out of the page cache, and says whether that was possible with all that is from off on.
func chill(t *testing.T, name string, off int) bool {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	view, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(view)
	pages := make([]byte, (len(view)+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&view[0])), uintptr(len(view)), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, page := range pages[off/os.Getpagesize():] {
		if page&1 != 0 {
			return false
		}
	}
	return true
}

// A range of a file that is held open, in a part of it that lies on the disk alone, is fetched off the loop.
func TestColdRange(t *testing.T) {
	dir := t.TempDir()
	body := noise(16 << 20)
	name := put(t, dir, "large.bin", body)
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	files.slots = make(chan struct{}, 1)
	p := dial(t, serveFiles(t, files, "one loop"))
	for range 3 {
		p.ask("GET", "/large.bin", "Range: bytes=0-9")
	}
	if !chill(t, name, 8<<20) {
		t.Skip("this file system has nothing but its cache")
	}
	files.cache.changing.Lock()
	held := files.cache.names["large.bin"]
	files.cache.changing.Unlock()
	if held == nil {
		t.Fatal("it is not kept")
	}
	files.slots <- struct{}{} // who is off the loop waits here
	p.send("GET", "/large.bin", "Range: bytes=0-9,12000000-13999999")
	until(t, func() bool { return files.jobs.state.Load() > 0 })
	<-files.slots
	if a, err := p.receive("GET"); err != nil || a.code != 206 || len(a.body) < 2_000_010 {
		t.Errorf("%d, %d bytes, %v", a.code, len(a.body), err)
	}
	a := p.ask("GET", "/large.bin", "Range: bytes=15000000-15999999")
	if a.code != 206 || a.body != string(body[15_000_000:16_000_000]) {
		t.Errorf("one range: %d, %d bytes", a.code, len(a.body))
	}
	if f := held.plain().file; !f.warm(12_000_000, 2_000_000) {
		t.Error("it has been sent, and is cold")
	}
}

// On a file system of a network nothing is asked for on the loop, not even what is cached.
func TestRemoteRoot(t *testing.T) {
	for magic, want := range map[uint32]bool{unix.NFS_SUPER_MAGIC: true, unix.FUSE_SUPER_MAGIC: true, unix.SMB2_SUPER_MAGIC: true,
		unix.EXT4_SUPER_MAGIC: false, unix.XFS_SUPER_MAGIC: false, unix.TMPFS_MAGIC: false, unix.OVERLAYFS_SUPER_MAGIC: false} {
		if isRemoteType(magic) != want {
			t.Errorf("%#x: %v", magic, !want)
		}
	}
	dir := t.TempDir()
	put(t, dir, "small.txt", []byte("small"))
	put(t, dir, "large.txt", noise(2*largestBody))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	files.root.remote = true
	files.slots = make(chan struct{}, 1)
	p := dial(t, serveFiles(t, files, "one loop"))
	for i := range 4 {
		for target, size := range map[string]int{"/small.txt": 5, "/large.txt": 2 * largestBody} {
			files.slots <- struct{}{}
			p.send("GET", target)
			until(t, func() bool { return files.jobs.state.Load() > 0 })
			<-files.slots
			if a, err := p.receive("GET"); err != nil || a.code != 200 || len(a.body) != size {
				t.Errorf("%d: %s: %d, %d bytes, %v", i, target, a.code, len(a.body), err)
			}
		}
	}
}

// Who reads a folder has a place among those who wait for the disk until it is read, and none afterwards.
func TestListingHoldsItsPlace(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.txt", []byte("a"))
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{}
	app := http.New()
	app.Server.Loops = 1
	app.Get("/{path...}", func(c *http.Ctx) error {
		var none kept
		q := query{f: files, wait: true, kept: &none}
		q.name, q.folder, _ = appendName(nil, c.PeekPath())
		q.takeSlot()
		defer q.giveSlot()
		err := q.serveFolder(c)
		held[string(q.name)] = q.slot // one after the other
		return err
	})
	addr := listening(t, app)
	for target, want := range map[string]int{"/": 200, "/missing/": 404} {
		if a := dial(t, addr).ask("GET", target); a.code != want {
			t.Errorf("%s: %d, want %d", target, a.code, want)
		}
	}
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if held[""] || !held["missing"] {
		t.Errorf("places behind a listing that was sent, and one that could not be read: %v", held)
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}

// Uploads that wait for the disk to have them are bounded as well, and only where they do.
func TestSyncTakesAPlace(t *testing.T) {
	for _, on := range []bool{false, true} {
		files, err := New(t.TempDir(), WithUpload(UploadOptions{Sync: on}))
		if err != nil {
			t.Fatal(err)
		}
		held := -1
		err = files.uploads.sync(7, func(fd int) error {
			held = len(files.slots)
			return unix.Errno(fd)
		})
		if on && (held != 1 || err != unix.Errno(7)) || !on && (held != -1 || err != nil) || len(files.slots) != 0 {
			t.Errorf("Sync %v: %d places, %v, and %d behind it", on, held, err, len(files.slots))
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
}
