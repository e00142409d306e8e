package vhost

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// names are those of all files and folders in dir, hidden ones as well.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		list = append(list, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// form is the body of a form with these files, and its Content-Type line.
func form(t *testing.T, files ...string) (body, line string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range files {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, "content of "+name)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

func TestUploads(t *testing.T) {
	large := strings.Repeat("x", 300_000)
	two, formType := form(t, "one", "two")
	tus := []string{"Tus-Resumable: 1.0.0", "Upload-Length: 5", "Upload-Metadata: filename bmV3"}
	const to = `upload = ["/in"]` + "\n"
	for _, tt := range []struct {
		name, config, method, target, body string
		lines                              []string
		code                               int
		adds                               []string // names in the root
	}{
		{"not allowed", "", "PUT", "/in/new", "hello", nil, 405, nil},
		{"a large one that is not", "", "PUT", "/in/new", large, nil, 413, nil},
		{"PUT", to, "PUT", "/in/new", "hello", nil, 201, []string{"/in/new"}},
		{"PUT of a large file", to, "PUT", "/in/new", large, nil, 201, []string{"/in/new"}},
		{"PUT in chunks", to, "PUT", "/in/new", "", []string{"Transfer-Encoding: chunked"}, 201, []string{"/in/new"}},
		{"PUT anywhere", `upload = ["/"]`, "PUT", "/docs/sub/new", "hello", nil, 201, []string{"/docs/sub/new"}},
		{"PUT elsewhere", to, "PUT", "/docs/new", "hello", nil, 405, nil},
		{"PUT over a file", to, "PUT", "/in/keep.txt", "hello", nil, 409, nil},
		{"PUT over a file that may go", to + "upload_overwrite = true", "PUT", "/in/keep.txt", "hello", nil, 204, nil},
		{"PUT of a hidden name", to, "PUT", "/in/.new", "hello", nil, 403, nil},
		{"PUT to the outside", to, "PUT", "/in/..%2f..%2fnew", "hello", nil, 308, nil},
		{"PUT of too much", to + `upload_max = "4KiB"`, "PUT", "/in/new", large, nil, 413, nil},
		{"PUT of as much as may be", to + "upload_max = 5", "PUT", "/in/new", "hello", nil, 201, []string{"/in/new"}},
		{"PUT to the disk", to + "upload_sync = true", "PUT", "/in/new", "hello", nil, 201, []string{"/in/new"}},
		{"form", to, "POST", "/in/", two, []string{formType}, 303, []string{"/in/one", "/in/two"}},
		{"form elsewhere", to, "POST", "/docs/", two, []string{formType}, 405, nil},
		{"form of too much", to + "upload_max = 3", "POST", "/in/", two, []string{formType}, 413, nil},
		{"form of more than all files may have", to + "upload_max = 3", "POST", "/in/", "", []string{formType, "Content-Length: 500000"}, 413, nil},
		{"form of another site's page", to, "POST", "/in/", two, []string{formType, "Origin: https://pages.example"}, 403, nil},
		{"form of a friend's page", to + `upload_origins = ["https://pages.example"]`, "POST", "/in/", two, []string{formType, "Origin: https://pages.example"}, 303, []string{"/in/one", "/in/two"}},
		{"tus", to, "POST", "/in/", "", tus, 201, []string{"/.carillon-uploads"}},
		{"tus in one go", to, "POST", "/in/", "hello", append(slices.Clone(tus), "Content-Type: application/offset+octet-stream"), 201, []string{"/in/new"}},
		{"no tus", to + "upload_resume = false", "POST", "/in/", "", tus, 415, nil},
		{"a body where none is wanted", to, "GET", "/in/keep.txt", large, nil, 413, nil},
		{"DELETE", to, "DELETE", "/in/keep.txt", "", nil, 405, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := folder(t)
			before := names(t, root)
			address, stop := serve(t, fmt.Sprintf("root = %q\n", root)+tt.config, Options{})
			var a answer
			if slices.Contains(tt.lines, "Transfer-Encoding: chunked") {
				a = askChunked(t, address, tt.method, tt.target, "hello")
			} else {
				a = ask(t, address, tt.method, tt.target, tt.body, tt.lines...)
			}
			if a.code != tt.code {
				t.Errorf("%d %q, want %d", a.code, a.body, tt.code)
			}
			stop()
			var added []string
			for _, name := range names(t, root) {
				if !slices.Contains(before, name) && !strings.HasPrefix(name, "/.carillon-uploads/") {
					added = append(added, name)
				}
			}
			if !slices.Equal(added, tt.adds) {
				t.Errorf("there is %q, want %q", added, tt.adds)
			}
			if left := openBeneath(t, root); len(left) > 0 {
				t.Errorf("still open: %q", left)
			}
		})
	}
}

func askChunked(t *testing.T, address, method, target string, chunks ...string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	text := method + " " + target + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range append(chunks, "") {
		text += fmt.Sprintf("%x\r\n%s\r\n", len(c), c)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return receive(t, bufio.NewReader(conn), method)
}

// An upload that breaks leaves nothing behind, whatever it came by.
func TestUploadsThatBreak(t *testing.T) {
	_, formType := form(t, "new")
	boundary := formType[strings.Index(formType, "boundary=")+len("boundary="):]
	for name, request := range map[string]string{
		"PUT":           "PUT /in/new HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf",
		"PUT in chunks": "PUT /in/new HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"form": "POST /in/ HTTP/1.1\r\nHost: x\r\n" + formType + "\r\nContent-Length: 1000000\r\n\r\n--" + boundary +
			"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"new\"\r\n\r\nhalf",
		"tus, before the client knows of it": "POST /in/ HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 9\r\nUpload-Metadata: filename bmV3\r\n" +
			"Content-Type: application/offset+octet-stream\r\nContent-Length: 9\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t)
			before := names(t, root)
			address, stop := serve(t, fmt.Sprintf("root = %q\nupload = [\"/in\"]\n", root), Options{})
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			until(t, "the file is being written", func() bool {
				return slices.ContainsFunc(openBeneath(t, root), func(name string) bool { return strings.HasPrefix(name, root+"/in") })
			})
			conn.Close()
			stop()
			if after := names(t, root); !slices.Equal(after, before) {
				t.Errorf("there is %q, want %q", after, before)
			}
		})
	}
}

// Whoever has no password puts nothing, and nothing is written before that is known.
func TestUploadsBehindAPassword(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("opensesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	root := folder(t)
	address, _ := serve(t, fmt.Sprintf("root = %q\nupload = [\"/in\"]\n[[auth]]\npath = \"PUT /in/\"\nusers = { \"ali\" = %q }\n", root, hash), Options{})
	large := strings.Repeat("x", 300_000)
	const right, wrong = "Authorization: Basic YWxpOm9wZW5zZXNhbWU=", "Authorization: Basic YWxpOm5vcGU="
	for _, tt := range []struct {
		name, target, body string
		lines              []string
		code               int
	}{
		{"none", "/in/new", "hello", nil, 401},
		{"none, a large file", "/in/new", large, nil, 401},
		{"none, by another spelling", "/%69n%2Fnew", "hello", nil, 401},
		{"wrong", "/in/new", large, []string{wrong}, 401},
		{"right", "/in/new", large, []string{right}, 201},
		{"right, and remembered", "/in/other", large, []string{right}, 201},
	} {
		a := ask(t, address, "PUT", tt.target, tt.body, tt.lines...)
		if a.code != tt.code {
			t.Errorf("%s: %d %q, want %d", tt.name, a.code, a.body, tt.code)
		}
		got, err := os.ReadFile(filepath.Join(root, "in/new"))
		if tt.code == 401 && err == nil || tt.code == 201 && string(got) != large {
			t.Errorf("%s: %d bytes, %v", tt.name, len(got), err)
		}
	}
	if a := ask(t, address, "GET", "/in/new", ""); a.code != 200 || a.body != large {
		t.Errorf("whoever reads needs no password here: %d", a.code)
	}
}

func TestFormLimit(t *testing.T) {
	for file, want := range map[int64]int64{1: formFiles * (1 + maxBody), 1 << 30: formFiles * (1<<30 + maxBody), 1 << 60: unbounded, 1 << 62: unbounded} {
		if got := formLimit(file); got != want {
			t.Errorf("%d for files of %d, want %d", got, file, want)
		}
	}
}
