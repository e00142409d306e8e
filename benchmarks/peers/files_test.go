package peers_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

// files are of the sizes that are measured, and one of none.
var files = map[string]string{
	"0.txt":    "",
	"1k.txt":   pattern(1 << 10),
	"100k.bin": pattern(100 << 10),
	"10m.bin":  pattern(10 << 20),
}

// pattern repeats after a prime number of bytes, so that no block equals the next.
func pattern(size int) string {
	const period = 251
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i % period)
	}
	return string(p)
}

func staticDir(t *testing.T) string {
	dir := t.TempDir()
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkFiles(t *testing.T, server *launch.Server) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for range 2 { // for the second time what is cached answers
		for _, name := range slices.Sorted(maps.Keys(files)) {
			checkFile(t, client, server, name)
		}
	}
	for _, path := range []string{"/static/none", "/static/folder/none", "/static/1k.txt/none"} {
		if res, _ := fetch(t, client, "GET", server, path, ""); res.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", path, res.StatusCode)
		}
	}
	if _, body := fetch(t, client, "GET", server, "/static/../peers.go", ""); strings.Contains(body, "package") {
		t.Error("a file outside of the folder")
	}
}

// checkFile compares all that a client of one file could depend on.
func checkFile(t *testing.T, client *http.Client, server *launch.Server, name string) {
	whole, path := files[name], "/static/"+name
	type test struct {
		method, ranges, body, contentRange string
		status, length                     int
	}
	tests := []test{
		{"GET", "", whole, "", 200, len(whole)},
		{"HEAD", "", "", "", 200, len(whole)},
	}
	if n := len(whole); n > 0 {
		tests = append(tests,
			test{"GET", "bytes=100-199", whole[100:200], fmt.Sprintf("bytes 100-199/%d", n), 206, 100},
			test{"GET", "bytes=-7", whole[n-7:], fmt.Sprintf("bytes %d-%d/%d", n-7, n-1, n), 206, 7})
		ranges, want := fmt.Sprintf("bytes=%d-", n), fmt.Sprintf("bytes */%d", n)
		if res, _ := fetch(t, client, "GET", server, path, ranges); res.StatusCode != 416 || res.Header.Get("Content-Range") != want {
			t.Errorf("GET %s %q: %d, Content-Range %q; want 416, %q", path, ranges, res.StatusCode, res.Header.Get("Content-Range"), want)
		}
	}
	for _, tt := range tests {
		res, body := fetch(t, client, tt.method, server, path, tt.ranges)
		if res.StatusCode != tt.status || body != tt.body {
			t.Errorf("%s %s %q: %d, %d bytes; want %d, %d bytes", tt.method, path, tt.ranges, res.StatusCode, len(body), tt.status, len(tt.body))
		}
		if int(res.ContentLength) != tt.length || res.Header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%s %s %q: Content-Length %d, Content-Range %q; want %d, %q", tt.method, path, tt.ranges,
				res.ContentLength, res.Header.Get("Content-Range"), tt.length, tt.contentRange)
		}
		fields := []string{"Server", "Date", "Last-Modified"}
		if !strings.HasSuffix(path, ".bin") { // which Caddy knows no type for
			fields = append(fields, "Content-Type")
		}
		for _, field := range fields {
			if res.Header.Get(field) == "" {
				t.Errorf("%s %s %q: no %s in %v", tt.method, path, tt.ranges, field, res.Header)
			}
		}
	}
}

func fetch(t *testing.T, client *http.Client, method string, server *launch.Server, path, ranges string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+server.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	res, err := client.Do(req)
	if err != nil {
		giveUp(t, server, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, string(body)
}
