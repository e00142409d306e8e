package static

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Only the folders that Folders names take files, with what is in them; the others
// answer as where there are no uploads at all.
func TestUploadFolders(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"in/deep", "inner", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	addr, _ := serveUploads(t, dir, UploadOptions{Folders: []string{"/in/"}})
	p := dial(t, addr)
	const reading = "GET, HEAD, OPTIONS"
	for _, tt := range []struct {
		method, target string
		lines          []string
		code           int
		allow          string
	}{
		{"PUT", "/in/a", nil, 201, ""},
		{"PUT", "/in/deep/a", nil, 201, ""},
		{"PUT", "/a", nil, 405, reading},
		{"PUT", "/in", nil, 405, reading},
		{"PUT", "/inner/a", nil, 405, reading},
		{"PUT", "/other/a", nil, 405, reading},
		{"POST", "/", nil, 405, reading},
		{"POST", "/other/", []string{"Tus-Resumable: 1.0.0", "Upload-Length: 1", "Upload-Metadata: filename YQ=="}, 405, reading},
		{"POST", "/in/", []string{"Tus-Resumable: 1.0.0", "Upload-Length: 1", "Upload-Metadata: filename Yg=="}, 201, ""},
		{"PATCH", "/other/a?upload=x", nil, 405, reading},
		{"DELETE", "/other/a?upload=x", nil, 405, reading},
		{"OPTIONS", "/other/", nil, 204, reading},
		{"OPTIONS", "/in/", nil, 204, "GET, HEAD, POST, OPTIONS"},
		{"GET", "/in/a", nil, 200, ""},
	} {
		if a := p.askBody(tt.method, tt.target, "", tt.lines...); a.code != tt.code || a.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", tt.method, tt.target, a.code, a.header.Get("Allow"), tt.code, tt.allow)
		}
	}
	if a := p.ask("HEAD", "/other/a?upload=x", "Tus-Resumable: 1.0.0"); a.code != errTusGone.Code {
		t.Errorf("an upload of a folder that takes none: %d", a.code)
	}
	for target, want := range map[string]bool{"/in/": true, "/in/deep/": true, "/": false, "/inner/": false} {
		a := p.ask("GET", target)
		if got := strings.Contains(a.body, `class="upload`); a.code != 200 || got != want {
			t.Errorf("%s: %d, with a form: %v, want %v", target, a.code, got, want)
		}
	}
}

func TestUploadFoldersThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", nil)
	for path, want := range map[string]error{"/missing": fs.ErrNotExist, "/file": unix.ENOTDIR, "/.hidden": nil, "/../x": nil} {
		f, err := New(dir, WithUpload(UploadOptions{Folders: []string{path}}))
		if err == nil {
			f.Close()
		}
		if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), path[1:]) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if left := openBeneath(t, filepath.Dir(dir)); len(left) > 0 {
		t.Errorf("still open: %q", left)
	}
}
