package static

import (
	"encoding/base64"
	"maps"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// A twin is sent in the place of its original: without Overwrite nobody may put one beside a file that is there.
func TestUploadOfTwins(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "app.js", []byte("original()"))
	if err := os.Symlink("app.js", filepath.Join(dir, "link.js")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	addr, stop := serveUploads(t, dir, UploadOptions{}, WithTwins("br", "gzip"))
	p := dial(t, addr)
	for target, want := range map[string]int{
		"/app.js.gz": 409, "/app.js.br": 409, "/link.js.gz": 409,
		"/app.js.zst": 201, "/app.js.gz.br": 201, "/folder.gz": 201, "/other.js.gz": 201, // of no file that is sent in that form
	} {
		if a := p.askBody("PUT", target, "evil"); a.code != want {
			t.Errorf("PUT %s: %d %s, want %d", target, a.code, a.body, want)
		}
	}
	for i, test := range []struct {
		files []string
		code  int
	}{
		{[]string{"fresh", "x", "app.js.gz", "evil"}, 409},
		{[]string{"both", "x", "both.br", "evil"}, 409},
		{[]string{"both.gz", "x", "both", "evil"}, 409},
		{[]string{"both.zst", "x", "both", "y"}, 303},
	} {
		body, kind := multipartOf(t, test.files...)
		if a := dial(t, addr).askBody("POST", "/", body, kind); a.code != test.code {
			t.Errorf("form %d: %d %s, want %d", i, a.code, a.body, test.code)
		}
	}
	meta := "Upload-Metadata: filename " + base64.StdEncoding.EncodeToString([]byte("app.js.gz"))
	if a := p.askBody("POST", "/", "", tusLine, "Upload-Length: 4", meta); a.code != 409 {
		t.Errorf("tus: %d", a.code)
	}
	at := announce(t, p, "/", "late.gz", 4) // its original comes meanwhile
	put(t, dir, "late", []byte("original"))
	if a := p.askBody("PATCH", at, "evil", tusLine, offsetType, offset(0)); a.code != 409 {
		t.Errorf("tus, at its end: %d", a.code)
	}
	for name, aged := range map[string]bool{"early": false, "aged": true} { // the twin was there first
		if a := p.askBody("PUT", "/"+name+".gz", "evil"); a.code != 201 {
			t.Errorf("%s: %d", name, a.code)
		}
		code := 409
		if aged {
			put(t, dir, name+".gz", []byte("evil"))
			code = 201
		}
		if a := p.askBody("PUT", "/"+name, "original"); a.code != code {
			t.Errorf("%s: %d %s, want %d", name, a.code, a.body, code)
		}
	}
	if a := p.ask("GET", "/aged", "Accept-Encoding: gzip"); a.body != "original" {
		t.Errorf("with an old twin: %q", a.body)
	}
	if a := p.ask("GET", "/app.js", "Accept-Encoding: gzip, br"); a.body != "original()" || a.header.Get("Content-Encoding") != "" {
		t.Errorf("what is served: %q %v", a.body, a.header)
	}
	p.conn.Close()
	stop()
	want := map[string]string{"app.js": "original()", "link.js": "-> app.js", "folder/": "", "app.js.zst": "evil", "app.js.gz.br": "evil",
		"folder.gz": "evil", "other.js.gz": "evil", "both.zst": "x", "both": "y", "late": "original",
		"early.gz": "evil", "aged.gz": "evil", "aged": "original"}
	if got := tree(t, dir); !maps.Equal(got, want) {
		t.Errorf("in the end: %q", got)
	}

	addr, _ = serveUploads(t, dir, UploadOptions{Overwrite: true})
	if a := dial(t, addr).askBody("PUT", "/app.js.gz", "mine"); a.code != 201 {
		t.Errorf("with Overwrite: %d", a.code)
	}
}

// MaxSize at the end of its range bounds nothing, and does not overflow.
func TestUploadWithoutBound(t *testing.T) {
	dir := t.TempDir()
	addr, _ := serveUploads(t, dir, UploadOptions{MaxSize: math.MaxInt64})
	body, kind := multipartOf(t, "form.txt", "by a form")
	if a := dial(t, addr).askBody("POST", "/", body, kind); a.code != 303 {
		t.Errorf("form: %d %s", a.code, a.body)
	}
	p := dial(t, addr)
	if a := p.askBody("PUT", "/put.txt", "by PUT"); a.code != 201 {
		t.Errorf("PUT: %d %s", a.code, a.body)
	}
	if a := p.askBody("PATCH", announce(t, p, "/", "tus.txt", 6), "by tus", tusLine, offsetType, offset(0)); a.code != 204 {
		t.Errorf("tus: %d %s", a.code, a.body)
	}
	if got := tree(t, dir); !maps.Equal(got, map[string]string{"form.txt": "by a form", "put.txt": "by PUT", "tus.txt": "by tus"}) {
		t.Errorf("in the end: %q", got)
	}
}
