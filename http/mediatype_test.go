package http

import (
	"mime"
	"strings"
	"testing"
)

func TestMediaType(t *testing.T) {
	tests := []struct{ name, want string }{
		{"index.html", "text/html; charset=utf-8"},
		{"INDEX.HTML", "text/html; charset=utf-8"},
		{"app.min.js", "text/javascript; charset=utf-8"},
		{"module.mjs", "text/javascript; charset=utf-8"},
		{"style.css", "text/css; charset=utf-8"},
		{"photo.JPeG", "image/jpeg"},
		{"logo.svg", "image/svg+xml; charset=utf-8"},
		{"x.wasm", "application/wasm"},
		{"data.json", "application/json"},
		{"video.mp4", "video/mp4"},
		{"font.woff2", "font/woff2"},
		{"notes.txt", "text/plain; charset=utf-8"},
		{"main.go", "text/plain; charset=utf-8"},
		{"backup.tar.gz", "application/gzip"},
		{"README", "text/plain; charset=utf-8"},
		{"Makefile", "text/plain; charset=utf-8"},
		{"program", "application/octet-stream"},
		{"html", "application/octet-stream"},     // a name, no extension
		{"x.README", "application/octet-stream"}, // an extension, no name
		{"x.", "application/octet-stream"},
		{"", "application/octet-stream"},
		{"x.unheard-of-and-long", "application/octet-stream"},
		{"x.ht\xffml", "application/octet-stream"},
		{"a.html/index", "application/octet-stream"}, // the dot of a folder
		{"a.html/README", "text/plain; charset=utf-8"},
		{"/a.b/x.png", "image/png"},
		{"a/", "application/octet-stream"},
	}
	for _, test := range tests {
		if got := MediaType(test.name); got != test.want || MediaType([]byte(test.name)) != got {
			t.Errorf("MediaType(%q) = %q; want %q", test.name, got, test.want)
		}
	}
}

// Every type parses, every text says that it is UTF-8, every key can be found.
func TestMediaTypeTable(t *testing.T) {
	for ext, mediaType := range types {
		base, params, err := mime.ParseMediaType(mediaType)
		if err != nil {
			t.Errorf(".%s: %q: %v", ext, mediaType, err)
		}
		if strings.HasPrefix(base, "text/") && params["charset"] != "utf-8" {
			t.Errorf(".%s: %q lacks its charset", ext, mediaType)
		}
		if got := MediaType("x." + ext); got != mediaType {
			t.Errorf(".%s is in the table and comes out as %q", ext, got)
		}
	}
	for name := range bareNames {
		if got := MediaType(name); got != plainText {
			t.Errorf("%s is in the table and comes out as %q", name, got)
		}
	}
}
