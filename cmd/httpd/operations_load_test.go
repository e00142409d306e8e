package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// largeFile is one that a cache keeps open, rather than in memory.
var largeFile = noise(300_000)

// startFilesLoad asks for a small file, which says ok, and meanwhile for a large one, for a list, and for one to be put.
func startFilesLoad(t *testing.T, address string, ok func(string) bool) *load {
	l := &load{t: t, done: make(chan struct{}), dial: func() (net.Conn, error) { return net.Dial("tcp", address) }}
	l.add(2, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", ok)
	l.add(1, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", func(s string) bool { return s == string(largeFile) })
	l.add(1, "GET /in/ HTTP/1.1\r\nHost: x\r\n\r\n", func(s string) bool { return strings.Contains(s, "there") })
	put := noise(20_000)
	l.add(1, fmt.Sprintf("PUT /in/quick HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(put), put), func(string) bool { return true })
	return l
}

// upload is a file that is being put, a piece in each round.
type upload struct {
	conn  net.Conn
	sent  int
	whole []byte
}

func beginUpload(t *testing.T, address, target string) *upload {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	u := &upload{conn: conn, whole: noise((rounds + 1) * 10_000)}
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", target, len(u.whole))
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	asked := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(conn, asked); err != nil || !bytes.HasPrefix(asked, []byte("HTTP/1.1 100 ")) {
		t.Fatalf("%q, %v", asked, err)
	}
	return u
}

func (u *upload) goOn(t *testing.T) {
	t.Helper()
	if _, err := u.conn.Write(u.whole[u.sent : u.sent+10_000]); err != nil {
		t.Fatalf("an upload is broken off: %v", err)
	}
	u.sent += 10_000
}

// end sends the rest, and expects the file to be there then, which it was not before.
func (u *upload) end(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s is there before it is whole: %v", path, err)
	}
	if _, err := u.conn.Write(u.whole[u.sent:]); err != nil {
		t.Fatalf("an upload is broken off: %v", err)
	}
	_ = u.conn.SetReadDeadline(time.Now().Add(patience))
	if res, err := nethttp.ReadResponse(bufio.NewReader(u.conn), nil); err != nil || res.StatusCode != 201 {
		t.Fatalf("an upload ends by %v, %v", res, err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, u.whole) {
		t.Errorf("%d bytes of %d came, %v", len(got), len(u.whole), err)
	}
}

// expectClosed waits until a process has nothing open in dir: what served it is closed.
func expectClosed(t *testing.T, pid int, dir string) {
	t.Helper()
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir(fds)
		if err != nil {
			t.Fatal(err)
		}
		var open []string
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && (target == dir || strings.HasPrefix(target, dir+"/")) {
				open = append(open, target)
			}
		}
		if len(open) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still open in %d: %q", pid, open)
		}
	}
}
