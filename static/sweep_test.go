package static

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// To look for what has expired takes no lock of what has not: whoever asks for that would be told that it is being written to.
func TestSweepLocksWhatHasExpired(t *testing.T) {
	was := lock
	defer func() { lock = was }()
	var locked atomic.Int32
	lock = func(fd int) error {
		locked.Add(1)
		return was(fd)
	}
	dir := t.TempDir()
	files, err := New(dir, WithUpload(UploadOptions{Expiry: time.Hour}))
	if err != nil {
		t.Fatal(err)
	}
	u := files.uploads
	var ids []string
	for range 3 {
		s, err := u.newStaged(9)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.id)
		s.close()
	}
	if n := locked.Load(); n != 3 {
		t.Errorf("three were made, and %d locks taken", n)
	}
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, stagingName, ids[1]), past, past); err != nil {
		t.Fatal(err)
	}
	staging, err := u.openStaging()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(staging)
	if left, err := u.sweep(staging); left != 2 || err != nil || locked.Load() != 4 {
		t.Errorf("%d are left, %v, and %d locks were taken", left, err, locked.Load())
	}
	if _, err := u.sweep(-1); err == nil {
		t.Error("a folder that cannot be read has nothing in it")
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}

// A file that has grown since it was opened is held open, and not in memory whatever its size.
func TestBodyThatGrows(t *testing.T) {
	dir := t.TempDir()
	r, err := openRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	put(t, dir, "a.txt", []byte("short"))
	f, err := r.lookup([]byte("a.txt\x00"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "a.txt", noise(largestBody+1))
	m := &form{file: f}
	if err := m.takeBody(true); err != nil || m.inMemory() || m.length != largestBody+1 {
		t.Errorf("%v, in memory %v, %d bytes", err, m.inMemory(), m.length)
	}
	m.dropFile()
}
