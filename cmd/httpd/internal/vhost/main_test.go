package vhost

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

func TestMain(m *testing.M) {
	reactor.PoisonBuffers(true)
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests. It passes only when something is broken.
const patience = 20 * time.Second

// load reads the text of a config.
func load(t *testing.T, text string) (*config.Source, *config.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "httpd.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source := &config.Source{File: file, Env: func(string) string { return "" }}
	c, err := source.Load()
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return source, c
}

// serve serves the sites of a config, and returns the address and what stops that: then nothing is at work any more.
func serve(t *testing.T, text string, o Options) (address string, stop func()) {
	t.Helper()
	_, c := load(t, text)
	sites, err := Build(c, o)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	server := &http.Server{Loops: 1, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	server.SetSites(sites.Sites)
	bound, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		sites.Close()
	}
	t.Cleanup(stop)
	return bound.String(), stop
}

// answer is a response, read whole.
type answer struct {
	code   int
	header nethttp.Header
	body   string
}

// ask sends a request over a connection of its own; lines are header lines.
func ask(t *testing.T, address, method, target, body string, lines ...string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	head := method + " " + target + " HTTP/1.1\r\nHost: host.example\r\n"
	if body != "" {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	for _, l := range lines {
		head += l + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"+body); err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return receive(t, bufio.NewReader(conn), method)
}

func receive(t *testing.T, in *bufio.Reader, method string) answer {
	t.Helper()
	res, err := nethttp.ReadResponse(in, &nethttp.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(got)}
}

// until waits for what no other sign tells of.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to this: %s", what)
		}
	}
}

var text = strings.Repeat("a line of text that gets smaller\n", 100)

// folder makes a root with something for each setting. What is in it is a while old, so that it may be compressed.
func folder(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	root := filepath.Join(top, "root")
	for name, body := range map[string]string{
		"root/index.html": "<body>index</body>", "root/a.txt": "plain", "root/big.txt": text, "root/x.foo": "foo", "root/.hidden": "hidden",
		"root/app.html": "<body>app</body>", "root/404.html": "<body>nothing here</body>", "root/docs/page.txt": "page", "root/docs/sub/deep.txt": "deep",
		"root/assets/app.css": "p {}", "root/pre.js": text, "root/pre.js.gz": string(gzipped(t, text)), "root/in/keep.txt": "kept", "outside.txt": "outside",
	} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "a.txt", "linked": "docs", "out": "../outside.txt"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// openBeneath returns which open files of this process lie in dir, and dir itself.
func openBeneath(t *testing.T, dir string) (open []string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && (target == dir || strings.HasPrefix(target, dir+"/")) {
			open = append(open, target)
		}
	}
	return open
}
