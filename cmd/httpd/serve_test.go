package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// site makes a folder of files, by name.
func site(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// get returns status and body.
func get(t *testing.T, url string) (int, []byte) {
	t.Helper()
	client := nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

// tool runs a program and returns its output; it skips the test where the
// program is not installed.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestServesAFolder(t *testing.T) {
	picture := noise(300_000)
	dir := site(t, map[string][]byte{"index.html": []byte("<p>hello"), "deep/er/picture.png": picture, ".hidden": []byte("secret")})
	p := start(t, "-l", "127.0.0.1:0", dir)
	if p.what != dir {
		t.Errorf("says that it serves %q, want %q", p.what, dir)
	}
	for _, tt := range []struct {
		path   string
		status int
		body   []byte
	}{
		{"/", 200, []byte("<p>hello")},
		{"/deep/er/picture.png", 200, picture},
		{"/nowhere", 404, nil},
		{"/.hidden", 404, nil},
		{"/..%2f..%2fetc/passwd", 404, nil},
	} {
		status, body := get(t, p.url(tt.path))
		if status != tt.status || tt.body != nil && !bytes.Equal(body, tt.body) {
			t.Errorf("%s: status %d, %d bytes; want %d, %d bytes", tt.path, status, len(body), tt.status, len(tt.body))
		}
	}
	p.stderr.await(t, " GET / 200 8B ")
	p.stderr.await(t, " GET /nowhere 404 14B ")
	p.stderr.await(t, " GET /deep/er/picture.png 200 300000B ")
	p.stderr.await(t, " GET /nowhere 404 ")
}

func TestServesTheCurrentFolderByDefault(t *testing.T) {
	dir := site(t, map[string][]byte{"a.txt": []byte("here")})
	p := &process{t: t, cmd: exec.Command(binary, "--listen", "127.0.0.1:0", "--log", "off"), stderr: newLines(), exited: make(chan struct{})}
	p.cmd.Dir = dir
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.launch(stderr)
	if status, body := get(t, p.url("/a.txt")); status != 200 || string(body) != "here" {
		t.Errorf("got %d %q", status, body)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, line := range p.stderr.all() {
		if strings.Contains(line, "GET") {
			t.Errorf("logged with --log off: %q", line)
		}
	}
}

func TestSeveralListeners(t *testing.T) {
	dir := site(t, map[string][]byte{"a.txt": []byte("here")})
	socket := filepath.Join(t.TempDir(), "s")
	p := start(t, "-l", "127.0.0.1:0", "-l", "127.0.0.1:0", "-l", "unix:"+socket, dir)
	if len(p.urls) != 3 || p.urls[2] != "unix:"+socket {
		t.Fatalf("announced %q", p.urls)
	}
	for _, url := range p.urls[:2] {
		if status, _ := get(t, url+"a.txt"); status != 200 {
			t.Errorf("%s: %d", url, status)
		}
	}
	client := nethttp.Client{Transport: &nethttp.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	res, err := client.Get("http://any/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("over the Unix socket: %d", res.StatusCode)
	}
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// What a client writes in a request line must not reach the terminal as is.
func TestLogEscapes(t *testing.T) {
	p := start(t, "-l", "127.0.0.1:0", site(t, nil))
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /\xc2\x9b2J%1b[2J\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	fmt.Fprint(conn, "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	_, _ = io.Copy(io.Discard, conn)
	_, _ = get(t, p.url("/last"))
	p.stderr.await(t, "/last")
	for _, line := range p.stderr.all() {
		for _, c := range []byte(line) {
			if c < ' ' || c == 0x7f || c == 0xff || c == 0x9b {
				t.Fatalf("byte %#x in the log: %q", c, line)
			}
		}
	}
}

// A log that nobody reads must not stop the server.
func TestServesOnWithStderrBlocked(t *testing.T) {
	dir := site(t, map[string][]byte{"a.txt": []byte("here")})
	p := &process{t: t, cmd: exec.Command(binary, "-l", "127.0.0.1:0", dir), stderr: newLines(), exited: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p.cmd.Stderr = w
	p.launch(nil)
	w.Close()
	client := nethttp.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	long := strings.Repeat("x", 1000)
	for range 200 { // each line is longer than 1000 bytes; a pipe holds 64 KiB
		res, err := client.Get(p.url("/a.txt?" + long))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// As with `httpd 2>&1 >/dev/null | head -1`: the reader of stderr goes away.
func TestServesOnWithStderrClosed(t *testing.T) {
	dir := site(t, map[string][]byte{"a.txt": []byte("here")})
	socket := filepath.Join(t.TempDir(), "s")
	p := &process{
		t: t, cmd: exec.Command(binary, "-l", "127.0.0.1:0", "-l", "unix:"+socket, "--drain", patience.String(), dir),
		stderr: newLines(), exited: make(chan struct{}),
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = w
	p.launch(nil)
	w.Close()
	client := nethttp.Client{Timeout: patience}
	fetch := func() {
		t.Helper()
		res, err := client.Get(p.url("/a.txt"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "here" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	fetch()
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || !strings.Contains(line, " GET /a.txt 200 ") {
		t.Fatalf("the log begins with %q, %v", line, err)
	}
	r.Close()
	fetch() // its line meets a pipe without a reader, now or with those that follow
	for range 100 {
		fetch()
	}
	client.CloseIdleConnections()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestCurl(t *testing.T) {
	body := noise(2_000_000)
	p := start(t, "-l", "127.0.0.1:0", site(t, map[string][]byte{"a b.bin": body}))
	dir := t.TempDir()
	out := tool(t, dir, "curl", "-sS", "-f", "-o", "whole", "-w", "%{http_code} %{size_download}", p.url("/a%20b.bin"))
	if out != "200 2000000" {
		t.Errorf("curl says %q", out)
	}
	out = tool(t, dir, "curl", "-sS", "-f", "-o", "part", "-r", "100-199", "-w", "%{http_code} %{size_download}", p.url("/a%20b.bin"))
	if out != "206 100" {
		t.Errorf("curl of a range says %q", out)
	}
	expectFile(t, filepath.Join(dir, "whole"), body)
	expectFile(t, filepath.Join(dir, "part"), body[100:200])
	out = tool(t, dir, "curl", "-sS", "-f", "-I", p.url("/a%20b.bin"))
	if !strings.Contains(out, "HTTP/1.1 200 OK\r\n") || !strings.Contains(out, "Content-Length: 2000000\r\n") {
		t.Errorf("curl -I says %q", out)
	}
}

func TestWgetResumes(t *testing.T) {
	body := noise(3_000_000)
	p := start(t, "-l", "127.0.0.1:0", site(t, map[string][]byte{"big.bin": body}))
	dir := site(t, map[string][]byte{"big.bin": body[:1_000_000]})
	tool(t, dir, "wget", "--no-proxy", "-q", "-c", p.url("/big.bin"))
	expectFile(t, filepath.Join(dir, "big.bin"), body)
	p.stderr.await(t, " GET /big.bin 206 2000000B ")
}

func TestApacheBench(t *testing.T) {
	p := start(t, "-l", "127.0.0.1:0", "--log", "off", site(t, map[string][]byte{"a.txt": noise(1024)}))
	for _, mode := range [][]string{{}, {"-k"}} {
		args := append(mode, "-q", "-n", "2000", "-c", "50", p.url("/a.txt"))
		out := tool(t, "", "ab", args...)
		for _, want := range []string{"Complete requests: 2000", "Failed requests: 0"} {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
				t.Errorf("ab %v: no %q in\n%s", mode, want, out)
			}
		}
		if strings.Contains(out, "Non-2xx") {
			t.Errorf("ab %v:\n%s", mode, out)
		}
	}
}

func expectFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %s bytes differ from the %d sent", path, strconv.Itoa(len(got)), len(want))
	}
}
