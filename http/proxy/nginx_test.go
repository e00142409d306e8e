package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// nginxConfig is of one process that has all that it needs in a folder. It closes each connection behind five requests, as
// an upstream may at any time.
const nginxConfig = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
%[2]s
events {}
http {
	access_log off;
	keepalive_requests 5;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	default_type text/plain;
	server {
		listen unix:%[1]s/socket;
		root %[1]s/files;
		location /echo { return 200 "$request_method $request_uri $http_host $http_x_forwarded_for"; }
		location /moved { return 301 /elsewhere; }
		location /refuse { client_max_body_size 1k; return 200; }
		location /zipped { gzip on; gzip_min_length 1; gzip_types text/plain; alias %[1]s/files; }
		location /put/ { dav_methods PUT DELETE; client_max_body_size 0; }
	}
}
`

// startNginx runs an upstream, and returns its target and the folder that it serves.
func startNginx(t *testing.T) (target, files string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir, err := os.MkdirTemp("", "proxy") // the name of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	files = filepath.Join(dir, "files")
	if err := os.MkdirAll(filepath.Join(files, "put"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, user), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("nginx: %s%s", said.String(), log)
		}
	})
	socket := filepath.Join(dir, "socket")
	until(t, "nginx listens", func() bool {
		select {
		case <-ended:
			t.Fatalf("nginx did not start: %s", said.String())
		default:
		}
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "unix:" + socket, files
}

// A server that is not of Go's making, and keeps, ends and refuses connections as it likes.
func TestNginx(t *testing.T) {
	target, files := startNginx(t)
	large := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(large)
	for name, content := range map[string][]byte{"small.txt": []byte("small"), "large.bin": large} {
		if err := os.WriteFile(filepath.Join(files, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	base := "http://" + front(t, target)
	c := client(t)
	ask := func(method, path string, content io.Reader, lines ...string) (*nethttp.Response, string) {
		t.Helper()
		r, err := nethttp.NewRequest(method, base+path, content)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(lines); i += 2 {
			r.Header.Set(lines[i], lines[i+1])
		}
		res, err := c.Do(r)
		return res, body(t, res, err)
	}
	etag := ""
	t.Run("semantics", func(t *testing.T) {
		res, got := ask("GET", "/small.txt", nil)
		if etag = res.Header.Get("Etag"); got != "small" || etag == "" {
			t.Fatalf("%q, ETag %q", got, etag)
		}
		for _, tt := range []struct {
			method, path string
			lines        []string
			code         int
			body         string
		}{
			{"GET", "/small.txt", []string{"If-None-Match", etag}, 304, ""},
			{"GET", "/small.txt", []string{"Range", "bytes=1-2"}, 206, "ma"},
			{"GET", "/small.txt", []string{"Range", "bytes=9-"}, 416, "-"},
			{"HEAD", "/small.txt", nil, 200, ""},
			{"HEAD", "/nowhere", nil, 404, ""},
			{"GET", "/nowhere", nil, 404, "-"},
			{"GET", "/moved", nil, 301, "-"},
			{"GET", "/echo?a=%2F&b", nil, 200, "GET /echo?a=%2F&b " + strings.TrimPrefix(base, "http://") + " 127.0.0.1"},
			{"DELETE", "/put/none", nil, 404, "-"},
		} {
			res, got := ask(tt.method, tt.path, nil, tt.lines...)
			if res.StatusCode != tt.code || tt.body != "-" && got != tt.body {
				t.Errorf("%s %s %q: %d %q, want %d %q", tt.method, tt.path, tt.lines, res.StatusCode, got, tt.code, tt.body)
			}
		}
		if res, got := ask("GET", "/zipped/small.txt", nil, "Accept-Encoding", "gzip"); res.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(got, "\x1f\x8b") {
			t.Errorf("%v %q", res.Header, got) // in chunks, as gzip's length is not known before
		}
		if _, got := ask("GET", "/large.bin", nil); got != string(large) {
			t.Errorf("%d bytes of %d", len(got), len(large))
		}
	})
	t.Run("bodies", func(t *testing.T) {
		for name, content := range map[string]io.Reader{"sized": bytes.NewReader(large), "chunked": io.MultiReader(bytes.NewReader(large))} {
			if res, got := ask("PUT", "/put/"+name, content); res.StatusCode != 201 {
				t.Errorf("%s: %d %q", name, res.StatusCode, got)
			}
			if got, err := os.ReadFile(filepath.Join(files, "put", name)); err != nil || !bytes.Equal(got, large) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		// It refuses by the head and reads no further, while we send.
		if res, _ := ask("POST", "/refuse", bytes.NewReader(large)); res.StatusCode != 413 {
			t.Errorf("refused by %d", res.StatusCode)
		}
	})
	t.Run("connections that end", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for range 50 {
					method := []string{"GET", "POST"}[i%2]
					r, err := nethttp.NewRequest(method, base+"/echo", strings.NewReader(""))
					if err != nil {
						t.Error(err)
						return
					}
					res, err := c.Do(r)
					if err != nil {
						t.Errorf("%s: %v", method, err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
					if res.StatusCode != 200 {
						t.Errorf("%s: %d", method, res.StatusCode)
					}
				}
			})
		}
		all.Wait()
	})
}
