package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// load asks for a URL over several connections that are kept, until it is stopped, and tells of each request that failed.
type load struct {
	t        *testing.T
	dial     func() (net.Conn, error)
	done     chan struct{}
	workers  sync.WaitGroup
	requests atomic.Int64
	failures atomic.Int64
}

func startLoad(t *testing.T, address, request string, ok func(body string) bool) *load {
	return startLoadBy(t, func() (net.Conn, error) { return net.Dial("tcp", address) }, request, ok)
}

func startLoadBy(t *testing.T, dial func() (net.Conn, error), request string, ok func(body string) bool) *load {
	l := &load{t: t, dial: dial, done: make(chan struct{})}
	l.add(8, request, ok)
	return l
}

// add has so many more connections ask for something else meanwhile.
func (l *load) add(connections int, request string, ok func(body string) bool) {
	for range connections {
		l.workers.Go(func() { l.work(request, ok) })
	}
}

// work is as strict as a client can be: a connection may end only behind an answer that has said so.
func (l *load) work(request string, ok func(string) bool) {
	for {
		conn, err := l.dial()
		if err != nil {
			l.fail(err)
			return
		}
		in := bufio.NewReader(conn)
		for last, nth := false, 1; !last; nth++ {
			select {
			case <-l.done:
				conn.Close()
				return
			default:
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			sent := time.Now()
			_, writeErr := io.WriteString(conn, request)
			res, err := nethttp.ReadResponse(in, nil)
			if err != nil {
				line, _, _ := strings.Cut(request, "\r\n")
				l.fail(fmt.Errorf("%s: %w (write: %v), %v after it was sent, the %dth of its connection", line, err, writeErr, time.Since(sent), nth))
				conn.Close()
				return
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode/100 != 2 || !ok(string(body)) {
				l.fail(fmt.Errorf("status %d, %q, %v", res.StatusCode, body, err))
			}
			last = res.Close
			l.requests.Add(1)
		}
		conn.Close()
	}
}

func (l *load) fail(err error) {
	if l.failures.Add(1) < 5 {
		l.t.Errorf("a request failed: %v", err)
	}
}

// passes waits until n more requests have been answered.
func (l *load) passes(n int64) {
	l.t.Helper()
	for want, deadline := l.requests.Load()+n, time.Now().Add(patience); l.requests.Load() < want && l.failures.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatal("requests have stopped")
		}
	}
}

func (l *load) stop() {
	close(l.done)
	l.workers.Wait()
	l.t.Logf("%d requests, %d failures", l.requests.Load(), l.failures.Load())
}

const rounds = 20

func TestReloadsUnderLoad(t *testing.T) {
	var dirs []string
	for _, name := range []string{"first", "second"} {
		dirs = append(dirs, site(t, map[string][]byte{"a": []byte(name), "large": largeFile, "in/there": nil}))
	}
	file := filepath.Join(t.TempDir(), "httpd.toml")
	say := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	serving := func(i int) string {
		return fmt.Sprintf("listen = [\"127.0.0.1:0\"]\nroot = %q\nupload = [\"/in\"]\nupload_overwrite = true\n", dirs[i%2])
	}
	say(serving(0))
	p := start(t, "-c", file, "--log", "off")
	idle, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	l := startFilesLoad(t, p.address(), func(s string) bool { return s == "first" || s == "second" })
	slow := beginUpload(t, p.address(), "/in/slow")
	reloaded := func(n int) {
		t.Helper()
		p.stderr.awaitNth(t, "config reloaded", n)
	}
	for i := 1; i <= rounds; i++ {
		say(serving(i))
		p.signal(syscall.SIGHUP)
		reloaded(i)
		l.passes(20)
		slow.goOn(t)
		if i%5 == 0 { // a mistake changes nothing, and is told
			say("root = 1\nlisten = []\nlog = \"xml\"\n")
			p.signal(syscall.SIGHUP)
			line := p.stderr.awaitNth(t, "the config is not reloaded", i/5)
			if !strings.Contains(line, file+":3: log: ") {
				t.Errorf("the log says %q", line)
			}
			l.passes(20)
			if _, body := get(t, p.url("/a")); string(body) != []string{"first", "second"}[i%2] {
				t.Errorf("round %d: %q", i, body)
			}
		}
	}
	slow.end(t, filepath.Join(dirs[0], "in/slow"))
	l.stop()
	// The connection that was there before the first reload is still good.
	fmt.Fprint(idle, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, err := nethttp.ReadResponse(bufio.NewReader(idle), nil); err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %v", res, err)
	}
	expectClosed(t, p.cmd.Process.Pid, dirs[1])
	say("listen = [\":1\"]\nroot = \".\"\nfallback = \"x\"\n")
	p.signal(syscall.SIGHUP)
	if line := p.stderr.await(t, "next start"); !strings.Contains(line, "settings=[listen]") {
		t.Errorf("a setting that cannot change is not told, or another: %q", line)
	}
}

// awaitNth returns the nth line that contains s.
func (l *lines) awaitNth(t *testing.T, s string, n int) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		changed, seen := l.changed, 0
		for _, line := range l.list {
			if strings.Contains(line, s) {
				if seen++; seen == n {
					l.mu.Unlock()
					return line
				}
			}
		}
		l.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no %d lines with %q on stderr", n, s)
		}
	}
}

// generations follows the processes that take over from one another. They share stderr with the first.
func successor(t *testing.T, line string) int {
	t.Helper()
	_, rest, _ := strings.Cut(line, "by=")
	pid, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatalf("%q names no process", line)
	}
	return pid
}

func TestReplacementsUnderLoad(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	dir := site(t, map[string][]byte{"a": []byte("here"), "large": largeFile, "in/there": nil})
	p := start(t, "-l", "127.0.0.1:0", "-l", "unix:"+socket, "--log", "off", "--drain", patience.String(), "--upload=/in", "--upload-overwrite", dir)
	l := startFilesLoad(t, p.address(), func(s string) bool { return s == "here" })
	slow := beginUpload(t, p.address(), "/in/slow")
	pid := p.cmd.Process.Pid
	last := pid
	t.Cleanup(func() {
		if last != p.cmd.Process.Pid {
			_ = syscall.Kill(last, syscall.SIGKILL)
		}
	})
	for i := 1; i <= rounds; i++ {
		l.passes(20)
		if err := syscall.Kill(last, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		last = successor(t, p.stderr.awaitNth(t, "replaced by=", i))
		slow.goOn(t)
	}
	l.passes(100)
	l.stop()
	slow.end(t, filepath.Join(dir, "in/slow")) // to the first process, which has waited for it
	over := nethttp.Client{Timeout: patience, Transport: &nethttp.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	res, err := over.Get("http://any/a")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := syscall.Kill(last, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.stderr.await(t, "stopping")
	if code := p.wait(); code != 0 {
		t.Errorf("the first process ended by %d", code)
	}
}

// A binary that does not come to serve leaves the old one at work.
func TestReplacementThatFails(t *testing.T) {
	dir := site(t, map[string][]byte{"a": []byte("here")})
	file := filepath.Join(t.TempDir(), "httpd.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "root = %q\n", dir), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, "-l", "127.0.0.1:0", "-c", file)
	if err := os.WriteFile(file, []byte("rot = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR2)
	p.stderr.await(t, "not replaced, this process goes on")
	p.stderr.await(t, "did you mean root?")
	if status, body := get(t, p.url("/a")); status != 200 || string(body) != "here" {
		t.Errorf("%d %q", status, body)
	}
}

// A successor that cannot open all that it needs has taken a Unix socket over by then: its path stays, for the process that goes on.
func TestReplacementThatFailsBehindAUnixSocket(t *testing.T) {
	dir := site(t, map[string][]byte{"a": []byte("here")})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	socket := filepath.Join(t.TempDir(), "s")
	file := filepath.Join(t.TempDir(), "httpd.toml")
	write := func(addresses string) {
		t.Helper()
		if err := os.WriteFile(file, fmt.Appendf(nil, "root = %q\nlisten = [%s]\n", dir, addresses), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf("%q", "unix:"+socket))
	p := start(t, "-c", file)
	write(fmt.Sprintf("%q, %q", "unix:"+socket, taken.Addr()))
	p.signal(syscall.SIGUSR2)
	p.stderr.await(t, "not replaced, this process goes on")
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /a HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(all), "here") {
		t.Errorf("%q, %v", all, err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("ended by %d", code)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// As systemd starts a service with a socket: the descriptor is 3, and the environment says so.
func TestSocketActivation(t *testing.T) {
	dir := site(t, map[string][]byte{"a": []byte("here")})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	defer f.Close()
	// LISTEN_PID is that of the process itself, which a shell knows before it becomes httpd.
	p := &process{t: t, cmd: exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh", binary, "-l", "systemd", dir), stderr: newLines(), exited: make(chan struct{})}
	p.cmd.ExtraFiles = []*os.File{f}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.launch(stderr)
	if p.address() != f.Name() && !strings.HasPrefix(p.address(), "127.0.0.1:") {
		t.Errorf("listens on %s", p.address())
	}
	if status, _ := get(t, p.url("/a")); status != 200 {
		t.Errorf("status %d", status)
	}
}
