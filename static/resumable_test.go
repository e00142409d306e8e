package static

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	tusLine    = "Tus-Resumable: 1.0.0"
	offsetType = "Content-Type: application/offset+octet-stream"
)

func metadata(name string) string {
	return "Upload-Metadata: type dGV4dA==,filename " + base64.StdEncoding.EncodeToString([]byte(name)) + ", empty"
}

// announce creates an upload and returns where it is.
func announce(t *testing.T, p *peer, folder, name string, length int, lines ...string) string {
	t.Helper()
	a := p.askBody("POST", folder, "", append(lines, tusLine, fmt.Sprintf("Upload-Length: %d", length), metadata(name))...)
	location := a.header.Get("Location")
	if a.code != 201 || !strings.HasPrefix(location, "./") || a.header.Get("Tus-Resumable") != "1.0.0" {
		t.Fatalf("POST %s: %d %s, %v", folder, a.code, a.body, a.header)
	}
	if _, err := time.Parse(time.RFC1123, a.header.Get("Upload-Expires")); err != nil && length > 0 {
		t.Errorf("Upload-Expires: %v", err)
	}
	return folder + location[2:]
}

func offset(n int) string { return fmt.Sprintf("Upload-Offset: %d", n) }

func TestResumable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	addr, stop := serveUploads(t, dir, UploadOptions{Sync: true})
	content := string(noise(1 << 20))
	p := dial(t, addr)
	at := announce(t, p, "/sub/", "grün #1?.bin", len(content))
	at2 := announce(t, p, "/", "other", 4)
	expect := func(p *peer, at string, want int) {
		t.Helper()
		h := p.ask("HEAD", at, tusLine)
		if h.code != 200 || h.header.Get("Upload-Offset") != fmt.Sprint(want) || h.header.Get("Cache-Control") != "no-store" {
			t.Errorf("HEAD: %d %v; want offset %d", h.code, h.header, want)
		}
	}
	expect(p, at, 0)
	if a := p.askBody("PATCH", at, content[:1000], tusLine, offsetType, offset(0)); a.code != 204 || a.header.Get("Upload-Offset") != "1000" {
		t.Errorf("the first part: %d %s %v", a.code, a.body, a.header)
	}
	for _, test := range []struct {
		lines []string
		code  int
	}{
		{[]string{tusLine, offsetType, offset(0)}, 409},
		{[]string{tusLine, offsetType, offset(1001)}, 409},
		{[]string{tusLine, offsetType}, 409},
		{[]string{tusLine, offsetType, "Upload-Offset: +1000"}, 409},
		{[]string{tusLine, "Content-Type: text/plain", offset(1000)}, 415},
		{[]string{tusLine, offset(1000)}, 415},
		{[]string{"Tus-Resumable: 0.2.2", offsetType, offset(1000)}, 412},
		{[]string{offsetType, offset(1000)}, 412},
	} {
		if a := p.askBody("PATCH", at, "x", test.lines...); a.code != test.code {
			t.Errorf("%q: %d %s; want %d", test.lines, a.code, a.body, test.code)
		}
	}
	if a := dial(t, addr).askBody("PATCH", at, content, tusLine, offsetType, offset(1000)); a.code != 400 {
		t.Errorf("more than was announced: %d", a.code)
	}

	// One that breaks keeps what has come, and meanwhile nobody else may write.
	broken := dial(t, addr)
	broken.sendBody("PATCH", at, len(content)-1000, content[1000:500_000], tusLine, offsetType, offset(1000))
	until(t, func() bool { return stagedBytes(t, dir) == 500_000 })
	if a := p.askBody("PATCH", at, "x", tusLine, offsetType, offset(1000)); a.code != 423 {
		t.Errorf("two at once: %d", a.code)
	}
	if a := p.ask("HEAD", at, tusLine); a.code != 423 {
		t.Errorf("HEAD of one that is being written: %d", a.code)
	}
	if got := p.ask("GET", "/sub/?format=json").body; strings.Contains(got, "gr") {
		t.Errorf("half of it is listed: %s", got)
	}
	broken.conn.Close()
	p.conn.Close()
	stop()

	addr, _ = serveUploads(t, dir, UploadOptions{}) // a restart
	p = dial(t, addr)
	expect(p, at, 500_000)
	if a := p.askBody("PATCH", at, content[500_000:], tusLine, offsetType, offset(500_000)); a.code != 204 || a.header.Get("Upload-Offset") != fmt.Sprint(len(content)) {
		t.Errorf("the rest: %d %s", a.code, a.body)
	}
	expect(p, at, len(content)) // whoever missed that
	if a := p.askBody("PATCH", at, "", tusLine, offsetType, offset(len(content))); a.code != 404 {
		t.Errorf("once more: %d", a.code)
	}
	if a := p.ask("GET", "/sub/gr%C3%BCn%20%231%3F.bin"); a.body != content {
		t.Errorf("the file: %d, %d bytes", a.code, len(a.body))
	}
	if a := p.askBody("DELETE", at2, "", tusLine); a.code != 204 {
		t.Errorf("DELETE: %d", a.code)
	}
	if a := p.ask("HEAD", at2, tusLine); a.code != 404 {
		t.Errorf("behind DELETE: %d", a.code)
	}
	if got := slices.Sorted(maps.Keys(tree(t, dir))); !slices.Equal(got, []string{"sub/", "sub/grün #1?.bin"}) {
		t.Errorf("in the end: %q", got)
	}
}

// until waits for what only the file system tells.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to hold")
		}
		time.Sleep(time.Millisecond)
	}
}

// stagedBytes is how much of all unfinished uploads has come.
func stagedBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, stagingName))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

func TestResumableCreation(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "taken", []byte("old"))
	addr, stop := serveUploads(t, dir, UploadOptions{MaxSize: 100, MaxUnfinished: 2})
	for name, test := range map[string]struct {
		lines []string
		body  string
		code  int
	}{
		"no length":      {[]string{tusLine, metadata("a")}, "", 400},
		"bad length":     {[]string{tusLine, "Upload-Length: -1", metadata("a")}, "", 400},
		"huge length":    {[]string{tusLine, "Upload-Length: 99999999999999999999", metadata("a")}, "", 400},
		"deferred":       {[]string{tusLine, "Upload-Defer-Length: 1", metadata("a")}, "", 400},
		"too long":       {[]string{tusLine, "Upload-Length: 101", metadata("a")}, "", 413},
		"no name":        {[]string{tusLine, "Upload-Length: 1"}, "", 400},
		"no base64":      {[]string{tusLine, "Upload-Length: 1", "Upload-Metadata: filename a b"}, "", 400},
		"hidden":         {[]string{tusLine, "Upload-Length: 1", metadata(".a")}, "", 403},
		"a path":         {[]string{tusLine, "Upload-Length: 1", metadata("a/b")}, "", 403},
		"a way out":      {[]string{tusLine, "Upload-Length: 1", metadata("../a")}, "", 403},
		"NUL":            {[]string{tusLine, "Upload-Length: 1", metadata("a\x00b")}, "", 403},
		"empty":          {[]string{tusLine, "Upload-Length: 1", metadata("")}, "", 403},
		"taken":          {[]string{tusLine, "Upload-Length: 1", metadata("taken")}, "", 409},
		"old version":    {[]string{"Tus-Resumable: 0.2.2", "Upload-Length: 1", metadata("a")}, "", 412},
		"with body":      {[]string{tusLine, "Upload-Length: 4", metadata("whole"), offsetType}, "body", 201},
		"body, no type":  {[]string{tusLine, "Upload-Length: 4", metadata("untyped")}, "body", 415},
		"empty file":     {[]string{tusLine, "Upload-Length: 0", metadata("zero")}, "", 201},
		"body too large": {[]string{tusLine, "Upload-Length: 3", metadata("over"), offsetType}, "body", 400},
	} {
		p := dial(t, addr)
		if a := p.askBody("POST", "/", test.body, test.lines...); a.code != test.code {
			t.Errorf("%s: %d %s; want %d", name, a.code, a.body, test.code)
		}
	}
	if got := tree(t, dir); got["whole"] != "body" || got["taken"] != "old" || len(got) != 4 && !maps.Equal(got, map[string]string{"whole": "body", "taken": "old", "zero": ""}) {
		t.Errorf("%q", got)
	}
	p := dial(t, addr)
	var last string
	many := 0
	for i := range 4 {
		a := p.askBody("POST", "/", "", tusLine, "Upload-Length: 9", metadata(fmt.Sprint(i)))
		if a.code == 503 {
			many++
			continue
		}
		last = "/" + a.header.Get("Location")[2:]
	}
	if many != 2 {
		t.Errorf("%d of 4 were refused, with a bound of 2", many)
	}
	for _, at := range []string{"/x?upload=", "/x?upload=../taken", "/x?upload=" + strings.Repeat("A", 26) + "-9", "/x?upload=%2e%2e", "/x?upload=taken",
		last[:len(last)-1] + "99999999999999999999", last + "1"} {
		for _, method := range []string{"HEAD", "PATCH", "DELETE"} {
			if a := dial(t, addr).askBody(method, at, "", tusLine, offset(0), offsetType); a.code != 404 {
				t.Errorf("%s %s: %d", method, at, a.code)
			}
		}
	}
	// Its name is taken meanwhile.
	put(t, dir, "meanwhile", []byte("mine"))
	taken := "/meanwhile" + last[strings.Index(last, "?"):]
	if a := p.askBody("PATCH", taken, "123456789", tusLine, offset(0), offsetType); a.code != 409 {
		t.Errorf("the name was taken: %d", a.code)
	}
	if a := p.ask("HEAD", taken, tusLine); a.code != 404 || tree(t, dir)["meanwhile"] != "mine" {
		t.Errorf("afterwards: %d", a.code)
	}
	p.conn.Close()
	stop()
	addr, _ = serveUploads(t, dir, UploadOptions{Expiry: -1})
	if a := dial(t, addr).askBody("POST", "/", "", tusLine, "Upload-Length: 9", metadata("x")); a.code != 415 {
		t.Errorf("where none can be resumed: %d", a.code)
	}
}

// What has expired is removed: when it is asked for it is gone, at the start, and
// when the next is announced.
func TestResumableExpires(t *testing.T) {
	dir := t.TempDir()
	o := UploadOptions{Expiry: time.Hour, MaxUnfinished: 1}
	addr, stop := serveUploads(t, dir, o)
	p := dial(t, addr)
	age := func() {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, stagingName, "*"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%q, %v", found, err)
		}
		past := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(found[0], past, past); err != nil {
			t.Fatal(err)
		}
	}
	at := announce(t, p, "/", "a", 9)
	age()
	if a := p.ask("HEAD", at, tusLine); a.code != 404 {
		t.Errorf("expired: %d", a.code)
	}
	announce(t, p, "/", "b", 9) // the only one that is allowed
	age()
	p.conn.Close()
	stop()
	_, stop = serveUploads(t, dir, o)
	if got := tree(t, dir); len(got) != 0 {
		t.Errorf("after the start: %q", got)
	}
	stop()

	// Nobody asks: a timer sees to it.
	addr, _ = serveUploads(t, dir, UploadOptions{Expiry: time.Millisecond})
	announce(t, dial(t, addr), "/", "c", 9)
	until(t, func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) == 0
	})
}

// On another disk than the unfinished uploads, the file is copied to its place.
func TestResumableToAnotherDisk(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", other, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no other disk can be made here: %v", err)
	}
	defer unix.Unmount(other, unix.MNT_DETACH)
	addr, stop := serveUploads(t, dir, UploadOptions{})
	p := dial(t, addr)
	at := announce(t, p, "/other/", "a", 9)
	if a := p.askBody("PATCH", at, "123456789", tusLine, offsetType, offset(0)); a.code != 204 {
		t.Errorf("%d %s", a.code, a.body)
	}
	p.conn.Close()
	stop()
	if got := tree(t, dir); !maps.Equal(got, map[string]string{"other/": "", "other/a": "123456789"}) {
		t.Errorf("%q", got)
	}
}
