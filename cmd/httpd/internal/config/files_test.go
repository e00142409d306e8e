package config

import (
	"slices"
	"strings"
	"testing"
)

func TestMistakesAboutFiles(t *testing.T) {
	const site = "[[site]]\nhosts = [\"a\"]\nroot = \"/\"\n"
	expectErrors(t, []mistake{
		{"symlinks", "symlinks = 1\n", 1, "symlinks", []string{"true or false"}},
		{"fallback of two lines", "fallback = \"a\\nb\"\n", 1, "fallback", []string{"control"}},
		{"coding", "precompressed = [\"br\", \"deflate\"]\n", 1, "precompressed", []string{`"deflate"`, "br, zstd or gzip, or none"}},
		{"coding of a site", site + "compress = [\"lzw\"]\n", 4, "site.compress", []string{`"lzw"`, "br, zstd or gzip"}},
		{"size", "compress_min = \"small\"\n", 1, "compress_min", []string{"10MiB"}},
		{"cache that is none", "cache = false\n\ncache_files = 10\n", 3, "cache_files", []string{"no effect without cache"}},
		{"memory", "cache_memory = \"1 GB RAM\"\n", 1, "cache_memory", []string{"10MiB"}},
		{"media type that is no text", "media_types = { \".foo\" = 1 }\n", 1, "media_types", []string{".foo", "quotes"}},
		{"media types as a list", "media_types = [\"x\"]\n", 1, "media_types", []string{"names and values"}},
		{"archive", "archives = [\"zip\", \"rar\"]\n", 1, "archives", []string{`"rar"`, "tar, tar.gz or zip"}},
		{"bound of no archive", "archive_max = \"1GiB\"\n", 1, "archive_max", []string{"no effect without archives"}},
		{"Cache-Control of nothing", site + "[[site.cache_control]]\nvalue = \"no-cache\"\n", 4, "site.cache_control.files", []string{"missing", "*.css"}},
		{"Cache-Control without one", "[[cache_control]]\nfiles = [\"*\"]\n", 1, "cache_control.value", []string{"missing", "no-cache"}},
		{"key of Cache-Control", "[[cache_control]]\npath = \"/\"\n", 2, "cache_control.path", []string{"no such key"}},
		{"error page of no code", "[[error_page]]\nfile = \"a\"\n", 1, "error_page.codes", []string{"missing", "[404]"}},
		{"error page that is none", "[[error_page]]\ncodes = [404]\n", 1, "error_page.file", []string{"missing", "/404.html"}},
		{"code without a page", site + "[[site.error_page]]\ncodes = [404]\nfile = \"a\"\n[[site.error_page]]\nfile = \"a\"\ncodes = [404, 401]\n", 9,
			"site.error_page.codes", []string{"401", "403, 404, 500 to 599, or 5xx"}},
		{"code that is none", "[[error_page]]\nfile = \"a\"\ncodes = [\"5x1\"]\n", 3, "error_page.codes", []string{"5x1"}},
		{"upload that is no folder", "upload = true\n", 1, "upload", []string{`"true"`, "/incoming"}},
		{"upload without a root", "[[site]]\nhosts = [\"a\"]\nupload = [\"/\"]\n[[site.redirect]]\nfrom = \"/\"\nto = \"/x\"\n", 3, "site.upload", []string{"no root"}},
		{"size of no upload", site + "upload_max = \"1GiB\"\n", 4, "site.upload_max", []string{"no effect without upload"}},
		{"overwriting without upload", "upload_overwrite = false\n", 1, "upload_overwrite", []string{"no effect without upload"}},
		{"origin", "upload = [\"/\"]\nupload_origins = [\"pages.example.com\"]\n", 2, "upload_origins", []string{"https://pages.example.com"}},
		{"expiry", "upload = [\"/\"]\nupload_expiry = \"a day\"\n", 2, "upload_expiry", []string{"10s"}},
		{"almost a key", "uploads = [\"/\"]\n", 1, "uploads", []string{"did you mean upload?"}},
	})
}

// A flag says more than the environment, and that more than a file, also where a list is emptied.
func TestPrecedenceOfFiles(t *testing.T) {
	file := write(t, `
symlinks = false
compress = ["gzip"]
precompressed = []
archives = ["tar"]
upload = ["/file"]
upload_max = "1MiB"
fallback = "file.html"
`)
	env := map[string]string{
		"HTTPD_SYMLINKS": "true", "HTTPD_COMPRESS": "br, zstd", "HTTPD_ARCHIVES": "zip,tar.gz", "HTTPD_UPLOAD": "/a,/b", "HTTPD_FALLBACK": "env.html",
	}
	flags := map[string][]string{"symlinks": {"false"}, "compress": {"none"}, "upload": {"/flag"}, "upload_max": {"2MiB"}, "fallback": {"flag.html"}}
	for _, tt := range []struct {
		name  string
		env   map[string]string
		flags map[string][]string
		want  string
	}{
		{"file", nil, nil, `false ["gzip"] [] ["tar"] ["/file"] 1048576 "file.html"`},
		{"environment", env, nil, `true ["br", "zstd"] [] ["zip", "tar.gz"] ["/a", "/b"] 1048576 "env.html"`},
		{"flags", env, flags, `false [] [] ["zip", "tar.gz"] ["/flag"] 2097152 "flag.html"`},
	} {
		s := &Source{File: file, Env: func(name string) string { return tt.env[name] }, Given: tt.flags}
		c, err := s.Load()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range []Value{&c.Symlinks, &c.Compress, &c.Precompressed, &c.Archives, &c.Upload, &c.UploadMax, &c.Fallback} {
			got = append(got, v.String())
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if !c.Precompressed.Given {
			t.Errorf("%s: the empty list of the file was not given", tt.name)
		}
	}
	s := source(file)
	s.Given = map[string][]string{"compress": {"lzw"}}
	if _, err := s.Load(); err == nil || !strings.HasPrefix(err.Error(), "--compress: ") {
		t.Errorf("%v", err)
	}
}

// everyFileKey has all keys of Files.
const everyFileKey = `
root = "/srv"
symlinks = false
fallback = "app.html"
precompressed = []
compress = ["zstd", "gzip"]
compress_min = "2KiB"
cache_names = 10
cache_files = 20
cache_memory = "1MiB"
media_types = { ".foo" = "text/x-foo" }
archives = ["zip"]
archive_max = "1MiB"
archive_files = 7
upload = ["/in", "/more"]
upload_max = "3MiB"
upload_overwrite = true
upload_resume = false
upload_expiry = "1h"
upload_sync = true
upload_origins = ["https://pages.example.com"]

[[cache_control]]
files = ["*.css", "/assets/"]
value = "max-age=60"

[[error_page]]
codes = [404, "5xx"]
file = "e.html"
`

func TestPrintedFilesSayTheSame(t *testing.T) {
	printed, again := printsTheSame(t, everyFileKey)
	for line := range strings.Lines(everyFileKey) {
		if key, _, ok := strings.Cut(line, " = "); ok && !strings.Contains(printed, "\n"+key+" = ") && !strings.HasPrefix(printed, key) {
			t.Errorf("no %s in\n%s", key, printed)
		}
	}
	if codes := again.ErrorPages[0].Codes.Each(); len(codes) != 101 || codes[0] != 404 || !slices.Contains(codes, 599) {
		t.Errorf("codes %v", codes)
	}
}

// A reload has all that a site can say, and not what the process is started by.
func TestSettingsOfASite(t *testing.T) {
	for _, s := range Settings() {
		want, known := map[string]bool{
			"root": true, "index": true, "listing": true, "symlinks": true, "upload": true, "cache": true, "trusted_proxies": true,
			"listen": false, "admin": false, "log": false, "loops": false, "drain": false,
		}[s.Key]
		if known && s.Reload != want {
			t.Errorf("%s: a reload has it: %v", s.Key, s.Reload)
		}
	}
}
