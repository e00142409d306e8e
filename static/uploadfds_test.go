package static

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A form of many files does not hold them all open, and leaves none of them behind when it breaks off.
func TestFormHoldsFewFilesOpen(t *testing.T) {
	dir := t.TempDir()
	addr, stop := serveUploads(t, dir, UploadOptions{Overwrite: true, Sync: true})
	const n = 50
	want := map[string]string{}
	var files []string
	for i := range n {
		name := fmt.Sprintf("f%d", i)
		want[name] = strings.Repeat(name, i)
		files = append(files, name, want[name])
	}
	put(t, dir, "f49", []byte("old"))
	if err := os.Chmod(filepath.Join(dir, "f49"), 0o640); err != nil {
		t.Fatal(err)
	}
	body, kind := multipartOf(t, files...)
	cut := strings.LastIndex(body, "--") - 100 // in the last file but one
	broken := dial(t, addr)
	broken.sendBody("POST", "/", len(body), body[:cut], kind)
	names := func() int {
		found, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	until(t, func() bool { return names() >= n-openDrafts-3 }) // hidden ones
	if open := openBeneath(t, dir); len(open) > openDrafts+2 {
		t.Errorf("%d files are open", len(open))
	}
	broken.conn.Close()
	until(t, func() bool { return names() == 1 })

	p := dial(t, addr)
	p.sendBody("POST", "/", len(body), body[:cut], kind)
	if _, err := io.WriteString(p.conn, body[cut:]); err != nil {
		t.Fatal(err)
	}
	if a, err := p.receive("POST"); err != nil || a.code != 303 {
		t.Errorf("%d %s, %v", a.code, a.body, err)
	}
	p.conn.Close()
	stop()
	if got := tree(t, dir); !maps.Equal(got, want) {
		t.Errorf("in the end: %q", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "f49")); err != nil || info.Mode() != 0o640 {
		t.Errorf("a file that was replaced has %v, %v", info.Mode(), err)
	}
}

// Where there are no locks, no upload can be resumed, and none stays behind.
func TestResumableWithoutLocks(t *testing.T) {
	dir := t.TempDir()
	was := lock
	defer func() { lock = was }()
	lock = func(int) error { return unix.ENOLCK }
	addr, stop := serveUploads(t, dir, UploadOptions{})
	p := dial(t, addr)
	for range 3 {
		if a := p.askBody("POST", "/", "", tusLine, "Upload-Length: 4", metadata("a.txt")); a.code != 500 {
			t.Errorf("%d %s", a.code, a.body)
		}
	}
	if open := openBeneath(t, dir); len(open) > 0 {
		t.Errorf("open: %q", open)
	}
	p.conn.Close()
	stop()
	if got := tree(t, dir); !maps.Equal(got, map[string]string{stagingName + "/": ""}) {
		t.Errorf("in the end: %q", got)
	}
}

// To name a coding twice would open each twin twice.
func TestCodingNamedTwice(t *testing.T) {
	for _, names := range [][]string{{"gzip", "x-gzip"}, {"br", "gzip", "br"}} {
		for what, opt := range map[string]Option{"twins": WithTwins(names...), "compression": WithCompression(1, names...)} {
			if files, err := New(t.TempDir(), opt); err == nil {
				t.Errorf("%s in %q: no error", what, names)
				files.Close()
			}
		}
	}
}
