package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests: far above what anything takes, even
// under the race detector on a busy machine.
const patience = 60 * time.Second

// binary is httpd, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "httpd-test")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "httpd")
		// The detector's pause at every exit would be most of what the tests take.
		os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
		args := []string{"build", "-buildvcs=false", "-race=" + strconv.FormatBool(underRace()), "-o", binary, "."}
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			panic("go build: " + err.Error() + "\n" + string(out))
		}
		return m.Run()
	}())
}

// process is a running httpd.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	what   string   // what it said that it serves
	urls   []string // as printed, in order
	said   []string // other lines of the announcement
	stderr *lines
	exited chan struct{}
}

// start runs httpd and returns when it has announced where it listens.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startIn(t, "", args...)
}

// startIn is start in a folder.
func startIn(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), stderr: newLines(), exited: make(chan struct{})}
	p.cmd.Dir = dir
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.launch(stderr)
	return p
}

func (p *process) launch(stderr io.Reader) {
	p.t.Helper()
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	announced := make(chan error, 1)
	go func() {
		var readers sync.WaitGroup
		readers.Go(func() { p.readStdout(stdout, announced) })
		if stderr != nil {
			readers.Go(func() { p.stderr.readFrom(stderr) })
		}
		readers.Wait()
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	p.t.Cleanup(func() {
		select {
		case <-p.exited:
		default:
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		if strings.Contains(strings.Join(p.stderr.all(), "\n"), "DATA RACE") {
			p.t.Error("the race detector found something in httpd")
		}
		if p.t.Failed() {
			p.t.Logf("stderr of httpd:\n%s", strings.Join(p.stderr.all(), "\n"))
		}
	})
	select {
	case err := <-announced:
		if err != nil {
			<-p.exited
			p.t.Fatalf("httpd did not start: %v", err)
		}
	case <-time.After(patience):
		p.t.Fatal("httpd announced nothing")
	}
}

// readStdout parses the announcement and drains what follows.
func (p *process) readStdout(r io.Reader, announced chan<- error) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		line := in.Text()
		if what, ok := strings.CutPrefix(line, "Carillon serves "); ok {
			p.what = what
		} else if url, ok := strings.CutPrefix(line, "  "); ok {
			p.urls = append(p.urls, url)
		} else if line == "Ctrl-C stops." {
			announced <- nil
			_, _ = io.Copy(io.Discard, r)
			return
		} else {
			p.said = append(p.said, line)
		}
	}
	announced <- errors.New("stdout ended")
}

// url returns path at the first address.
func (p *process) url(path string) string { return strings.TrimSuffix(p.urls[0], "/") + path }

// address returns the first address as HOST:PORT.
func (p *process) address() string {
	_, rest, _ := strings.Cut(p.urls[0], "://")
	return strings.TrimSuffix(rest, "/")
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit code, -1 when a signal ended the process.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatal("httpd did not end")
		return -1
	}
}

// lines collects a stream and lets one wait for a line.
type lines struct {
	mu      sync.Mutex
	list    []string
	changed chan struct{} // closed, and replaced, with every line
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

func (l *lines) readFrom(r io.Reader) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		l.mu.Lock()
		l.list = append(l.list, in.Text())
		close(l.changed)
		l.changed = make(chan struct{})
		l.mu.Unlock()
	}
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// await returns the first line that contains s.
func (l *lines) await(t *testing.T, s string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		i := slices.IndexFunc(l.list, func(line string) bool { return strings.Contains(line, s) })
		changed := l.changed
		var found string
		if i >= 0 {
			found = l.list[i]
		}
		l.mu.Unlock()
		if i >= 0 {
			return found
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no line with %q on stderr", s)
		}
	}
}
