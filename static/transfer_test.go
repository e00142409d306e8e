package static

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConditionsThroughSocket(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.txt", []byte("0123456789"))
	p := dial(t, serve(t, dir))
	tag := p.ask("GET", "/a.txt").header.Get("ETag")
	tests := []struct {
		lines []string
		code  int
		body  string
	}{
		{[]string{"If-None-Match: " + tag}, 304, ""},
		{[]string{"If-None-Match: W/" + tag}, 304, ""},
		{[]string{"If-None-Match: \"x\"", "If-None-Match: " + tag}, 304, ""}, // a list in two lines
		{[]string{"if-none-match: *"}, 304, ""},
		{[]string{`If-None-Match: "x"`}, 200, "0123456789"},
		{[]string{"If-Modified-Since: " + onTime}, 304, ""},
		{[]string{"If-Modified-Since: " + before}, 200, "0123456789"},
		{[]string{`If-None-Match: "x"`, "If-Modified-Since: " + onTime}, 200, "0123456789"},
		{[]string{"If-Match: " + tag}, 200, "0123456789"},
		{[]string{"If-Match: \"x\"", "If-Match: " + tag}, 200, "0123456789"},
		{[]string{`If-Match: "x"`}, 412, "-"},
		{[]string{"If-Unmodified-Since: " + before}, 412, "-"},
		{[]string{"If-None-Match: " + tag, "Range: bytes=1-2"}, 304, ""},
		{[]string{"Range: bytes=1-2", "If-Range: " + tag}, 206, "12"},
		{[]string{"Range: bytes=1-2", `If-Range: "x"`}, 200, "0123456789"},
		{[]string{"Range: bytes=1-2", "If-Range: " + onTime}, 206, "12"},
		{[]string{"Range: bytes=1-2", "If-Range: " + after}, 200, "0123456789"},
		{[]string{"Range: bytes=99-", `If-Range: "x"`}, 200, "0123456789"},
	}
	for _, method := range []string{"GET", "HEAD", "GET"} { // in the end from the cache
		for _, test := range tests {
			a := p.ask(method, "/a.txt", test.lines...)
			code := test.code
			if method == "HEAD" && code == 206 {
				code = 200 // a range is for GET alone: RFC 9110, 14.2
			}
			if a.code != code || method == "GET" && test.body != "-" && a.body != test.body {
				t.Errorf("%s %q: %d %q; want %d %q", method, test.lines, a.code, a.body, code, test.body)
			}
			if a.code == 304 && (a.header.Get("ETag") != tag || a.header.Get("Last-Modified") != onTime || a.length > 0) {
				t.Errorf("%s %q: 304 with %v, length %d", method, test.lines, a.header, a.length)
			}
			if a.code == 412 && a.header.Get("ETag") != "" {
				t.Errorf("%s %q: 412 with the ETag of what it does not send", method, test.lines)
			}
		}
	}
}

func TestRangesThroughSocket(t *testing.T) {
	dir := t.TempDir()
	large := noise(3 << 20)
	put(t, dir, "large.bin", large)
	put(t, dir, "empty.bin", nil)
	p := dial(t, serve(t, dir))
	n := len(large)
	tests := []struct {
		target, header string
		code           int
		from, to       int // of large
		contentRange   string
	}{
		{"/large.bin", "bytes=0-0", 206, 0, 1, fmt.Sprintf("bytes 0-0/%d", n)},
		{"/large.bin", "bytes=5-999", 206, 5, 1000, fmt.Sprintf("bytes 5-999/%d", n)},
		{"/large.bin", "bytes=1000000-", 206, 1000000, n, fmt.Sprintf("bytes 1000000-%d/%d", n-1, n)}, // by sendfile
		{"/large.bin", "bytes=-7", 206, n - 7, n, fmt.Sprintf("bytes %d-%d/%d", n-7, n-1, n)},
		{"/large.bin", "bytes=-99999999", 206, 0, n, fmt.Sprintf("bytes 0-%d/%d", n-1, n)},
		{"/large.bin", "bytes=9-5", 200, 0, n, ""},
		{"/large.bin", "lines=0-5", 200, 0, n, ""},
		{"/large.bin", fmt.Sprintf("bytes=%d-", n), 416, 0, 0, fmt.Sprintf("bytes */%d", n)},
		{"/large.bin", "bytes=-0", 416, 0, 0, fmt.Sprintf("bytes */%d", n)},
		{"/empty.bin", "bytes=-5", 200, 0, 0, ""},
		{"/empty.bin", "bytes=0-", 200, 0, 0, ""},
	}
	for i := range 3 * len(tests) { // as in TestPaths
		test := tests[i%len(tests)]
		a := p.ask("GET", test.target, "Range: "+test.header)
		if a.code != test.code || a.header.Get("Content-Range") != test.contentRange {
			t.Errorf("%s: %d %q; want %d %q", test.header, a.code, a.header.Get("Content-Range"), test.code, test.contentRange)
		}
		if a.code != 416 && a.body != string(large[test.from:test.to]) {
			t.Errorf("%s: wrong bytes, %d of them", test.header, len(a.body))
		}
		if h := p.ask("HEAD", test.target, "Range: "+test.header); h.code != 200 || h.header.Get("Content-Range") != "" {
			t.Errorf("HEAD %s: %d %q", test.header, h.code, h.header.Get("Content-Range"))
		}
	}
}

// Several ranges: from memory and by sendfile, and from both kinds once more out of the cache.
func TestSeveralRangesThroughSocket(t *testing.T) {
	dir := t.TempDir()
	bodies := map[string][]byte{"/small.txt": noise(1000), "/large.txt": noise(3 << 20)}
	for name, body := range bodies {
		put(t, dir, name, body)
	}
	p := dial(t, serve(t, dir))
	type span struct{ from, to int }
	hundreds := strings.Repeat("0-,", 200)
	apart := ""
	for i := range 40 {
		apart += fmt.Sprintf("%d-%d,", 10*i, 10*i)
	}
	for _, tc := range []struct {
		header string
		want   []span // none: the whole; one: as it is
	}{
		{"bytes=0-1,10-19", []span{{0, 2}, {10, 20}}},
		{"bytes=500-999,0-0,100-199", []span{{500, 1000}, {0, 1}, {100, 200}}},
		{"bytes=0-9,5-19,20-29", []span{{0, 30}}},
		{"bytes=900-999, 0-9, 905-950", []span{{900, 1000}, {0, 10}}},
		{"bytes=3-4," + hundreds, nil}, // one range, of everything
		{"bytes=" + apart, nil},        // more than one answer may have
		{"bytes=5-4,0-1", nil},         // broken grammar
	} {
		for name, body := range bodies {
			for range 3 {
				a := p.ask("GET", name, "Range: "+tc.header)
				var got [][]byte
				switch mediaType, params, _ := mime.ParseMediaType(a.header.Get("Content-Type")); {
				case mediaType == "multipart/byteranges":
					r := multipart.NewReader(strings.NewReader(a.body), params["boundary"])
					for i := 0; ; i++ {
						part, err := r.NextRawPart()
						if err != nil {
							break
						}
						b, err := io.ReadAll(part)
						if err != nil || part.Header.Get("Content-Type") != "text/plain; charset=utf-8" || i >= len(tc.want) ||
							part.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", tc.want[i].from, tc.want[i].to-1, len(body)) {
							t.Fatalf("%s %.40s: part %d: %v, %v", name, tc.header, i, part.Header, err)
						}
						got = append(got, b)
					}
				default:
					got = [][]byte{[]byte(a.body)}
				}
				want := tc.want
				code := 206
				if want == nil {
					want, code = []span{{0, len(body)}}, 200
					if strings.Contains(tc.header, hundreds) {
						code = 206
					}
				}
				if a.code != code || int(a.length) != len(a.body) || len(got) != len(want) || (code == 206) != (a.header.Get("Content-Range") != "" || len(got) > 1) {
					t.Fatalf("%s %.40s: %d, %d parts of %d, %v", name, tc.header, a.code, len(got), len(want), a.header)
				}
				for i, w := range want {
					if string(got[i]) != string(body[w.from:w.to]) {
						t.Errorf("%s %.40s: part %d has %d bytes, want %v", name, tc.header, i, len(got[i]), w)
					}
				}
			}
		}
	}
}

// Answers from memory and from files leave in the order of their requests.
func TestPipelined(t *testing.T) {
	dir := t.TempDir()
	small, large := noise(100), noise(1<<20)
	put(t, dir, "small", small)
	put(t, dir, "large", large)
	p := dial(t, serve(t, dir))
	order := []string{"/small", "/large", "/small", "/missing", "/large", "/small"}
	var batch strings.Builder
	for _, target := range order {
		batch.WriteString("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")
	}
	if _, err := io.WriteString(p.conn, batch.String()); err != nil {
		t.Fatal(err)
	}
	for i, target := range order {
		a, err := p.receive("GET")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"/small": string(small), "/large": string(large)}[target]
		if target == "/missing" && a.code != 404 || target != "/missing" && a.body != want {
			t.Errorf("answer %d (%s): %d, %d bytes", i, target, a.code, len(a.body))
		}
	}
}

// sparse makes a file of n zero bytes that takes no room on the disk.
func sparse(t *testing.T, dir, name string, n int64) string {
	t.Helper()
	full := put(t, dir, name, nil)
	if err := os.Truncate(full, n); err != nil {
		t.Fatal(err)
	}
	return full
}

// A file that shrinks while it is sent: the answer was promised whole, so the
// connection has to end early.
func TestTruncatedWhileSent(t *testing.T) {
	dir := t.TempDir()
	name := sparse(t, dir, "big", 256<<20)
	p := dial(t, serve(t, dir))
	p.send("GET", "/big")
	if _, err := p.in.Peek(1); err != nil { // the answer has begun
		t.Fatal(err)
	}
	if err := os.Truncate(name, 4096); err != nil {
		t.Fatal(err)
	}
	a, err := p.receive("GET")
	if !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) || int64(len(a.body)) >= 256<<20 {
		t.Errorf("%d bytes of %d, %v; want an end before that", len(a.body), a.length, err)
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// A file that is replaced by rename while it is sent arrives as it was.
func TestReplacedWhileSent(t *testing.T) {
	dir := t.TempDir()
	old := noise(24 << 20)
	name := put(t, dir, "big", old)
	p := dial(t, serve(t, dir))
	p.send("GET", "/big")
	if _, err := p.in.Peek(1); err != nil {
		t.Fatal(err)
	}
	fresh := put(t, dir, "fresh", []byte("new"))
	if err := os.Rename(fresh, name); err != nil {
		t.Fatal(err)
	}
	a, err := p.receive("GET")
	if err != nil || sha256.Sum256([]byte(a.body)) != sha256.Sum256(old) {
		t.Errorf("%d bytes of %d, %v", len(a.body), len(old), err)
	}
	if b := p.ask("GET", "/big"); b.body != "new" || b.header.Get("ETag") == a.header.Get("ETag") {
		t.Errorf("after the rename: %q, ETag %s then %s", b.body, a.header.Get("ETag"), b.header.Get("ETag"))
	}
}

// A client that leaves in the middle leaves no open file behind.
func TestClientLeaves(t *testing.T) {
	dir := t.TempDir()
	name := sparse(t, dir, "big", 256<<20)
	addr := serve(t, dir, WithCache(CacheBounds{})) // which would keep it open
	p := dial(t, addr)
	p.send("GET", "/big")
	if _, err := p.in.Peek(1); err != nil {
		t.Fatal(err)
	}
	p.conn.Close()
	deadline := time.Now().Add(10 * time.Second) // nothing outside the server tells when it has closed a file
	for isOpen(t, dir, name) {
		if time.Now().After(deadline) {
			t.Fatal("the file is still open")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func isOpen(t *testing.T, dir, name string) bool {
	for _, open := range openBeneath(t, dir) {
		if open == name {
			return true
		}
	}
	return false
}

func TestCurlAndWget(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	body := noise(5 << 20)
	put(t, dir, "file.bin", body)
	put(t, dir, "it's 100% #1?.txt", []byte("odd name"))
	base := "http://" + serve(t, dir)
	run := func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = out
		p, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v", name, args, err)
		}
		return p
	}
	if _, err := exec.LookPath("curl"); err == nil {
		if p := run("curl", "-sS", "--noproxy", "*", "-r", "1000-1999", base+"/file.bin"); string(p) != string(body[1000:2000]) {
			t.Errorf("curl -r: %d bytes", len(p))
		}
		if p := run("curl", "-sS", "--noproxy", "*", "-r", "-10", base+"/file.bin"); string(p) != string(body[len(body)-10:]) {
			t.Errorf("curl -r -10: %q", p)
		}
		if p := run("curl", "-sS", "--noproxy", "*", base+"/it%27s%20100%25%20%231%3F.txt"); string(p) != "odd name" {
			t.Errorf("curl of an odd name: %q", p)
		}
	} else {
		t.Log("no curl here")
	}
	if _, err := exec.LookPath("wget"); err == nil {
		local := filepath.Join(out, "file.bin")
		if err := os.WriteFile(local, body[:1234567], 0o644); err != nil {
			t.Fatal(err)
		}
		run("wget", "-q", "--no-proxy", "-c", base+"/file.bin")
		if p, err := os.ReadFile(local); err != nil || string(p) != string(body) {
			t.Errorf("wget -c: %d bytes of %d, %v", len(p), len(body), err)
		}
		run("wget", "-q", "--no-proxy", "-c", base+"/file.bin") // whole already: 416 is no failure
	} else {
		t.Log("no wget here")
	}
}
