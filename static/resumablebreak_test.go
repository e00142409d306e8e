package static

import (
	"io"
	"maps"
	"testing"
)

// Whoever hears that all of an upload is there finds the file, also when the last request for it broke behind its last byte:
// the connection, or the process before the file had its name.
func TestResumableWholeButUnnamed(t *testing.T) {
	dir := t.TempDir()
	addr, stop := serveUploads(t, dir, UploadOptions{})
	p := dial(t, addr)
	at := announce(t, p, "/", "a.txt", 5)
	taken := announce(t, p, "/", "taken", 5)
	cut := func(at string, staged int64) {
		t.Helper()
		broken := dial(t, addr)
		broken.send("PATCH", at, tusLine, offsetType, offset(0), "Transfer-Encoding: chunked")
		if _, err := io.WriteString(broken.conn, "5\r\nhello\r\n"); err != nil { // no last chunk
			t.Fatal(err)
		}
		until(t, func() bool { return stagedBytes(t, dir) == staged })
		broken.conn.Close()
	}
	cut(at, 5)
	cut(taken, 10)
	p.conn.Close()
	stop()

	addr, stop = serveUploads(t, dir, UploadOptions{})
	p = dial(t, addr)
	put(t, dir, "taken", []byte("mine"))
	for range 2 { // the second is that of one that has missed the answer
		if a := p.ask("HEAD", at, tusLine); a.code != 200 || a.header.Get("Upload-Offset") != "5" || tree(t, dir)["a.txt"] != "hello" {
			t.Errorf("HEAD: %d %v, and there is %q", a.code, a.header, tree(t, dir))
		}
	}
	if a := p.ask("HEAD", taken, tusLine); a.code != 409 {
		t.Errorf("HEAD of one whose name is taken: %d", a.code)
	}
	p.conn.Close()
	stop()
	if got := tree(t, dir); !maps.Equal(got, map[string]string{"a.txt": "hello", "taken": "mine"}) {
		t.Errorf("in the end: %q", got)
	}
}

// A body that is longer than what is missing is not taken for the file, nor is its beginning.
func TestResumableTooLong(t *testing.T) {
	dir := t.TempDir()
	addr, _ := serveUploads(t, dir, UploadOptions{})
	at := announce(t, dial(t, addr), "/", "a.txt", 5)
	p := dial(t, addr)
	p.send("PATCH", at, tusLine, offsetType, offset(0), "Transfer-Encoding: chunked")
	if _, err := io.WriteString(p.conn, "6\r\nhello!\r\n0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a, err := p.receive("PATCH"); err != nil || a.code != 400 {
		t.Errorf("PATCH: %d, %v", a.code, err)
	}
	if a := dial(t, addr).ask("HEAD", at, tusLine); a.code != 200 || a.header.Get("Upload-Offset") != "0" {
		t.Errorf("HEAD: %d %v", a.code, a.header)
	}
	if a := dial(t, addr).askBody("PATCH", at, "right", tusLine, offsetType, offset(0)); a.code != 204 || tree(t, dir)["a.txt"] != "right" {
		t.Errorf("once more: %d, %q", a.code, tree(t, dir))
	}
}
