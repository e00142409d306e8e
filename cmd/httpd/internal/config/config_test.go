package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "httpd.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func source(file string) *Source {
	return &Source{File: file, Env: func(string) string { return "" }}
}

const hash = "$2a$04$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy"

// mistake is a file with one, the line and the key that the error names, and words that it says of what would be right.
type mistake struct {
	name, text string
	line       int
	key        string
	says       []string
}

func TestMistakesInAFile(t *testing.T) {
	expectErrors(t, []mistake{
		{"no TOML", "listen = [\n", 1, "listen", nil},
		{"no value", "\nlog =\n", 2, "log", nil},
		{"unknown key", "drian = \"5s\"\n", 1, "drian", []string{"did you mean drain?"}},
		{"nothing like it", "frobnicate = 1\n", 1, "frobnicate", []string{"no such key"}},
		{"unknown key of a site", "[[site]]\nhosts = [\"a\"]\nroot = \"/\"\nindx = [\"x\"]\n", 4, "site.indx", []string{"did you mean site.index?"}},
		{"key in the wrong table", "\n[[site]]\nhosts = [\"a\"]\nroot = \"/\"\ndrain = \"5s\"\n", 5, "site.drain", []string{"did you mean drain?"}},
		{"unknown table", "[[sites]]\nroot = \"/\"\n", 1, "sites", []string{"did you mean"}},
		{"duration", "\n\ndrain = \"soon\"\n", 3, "drain", []string{`"soon"`, "10s"}},
		{"duration as number", "drain = 10\n", 1, "drain", []string{"10s"}},
		{"duration below zero", "drain = \"-1s\"\n", 1, "drain", []string{"below zero"}},
		{"log format", "log = \"xml\"\n", 1, "log", []string{`"xml"`, "text, json, combined or off"}},
		{"address", "listen = [\":80\", \"::1:80\"]\n", 1, "listen", []string{"::1:80", "HOST:PORT"}},
		{"list of numbers", "listen = [80]\n", 1, "listen", []string{"80", "quotes"}},
		{"list for one", "drain = [\"1s\"]\n", 1, "drain", []string{"one value"}},
		{"bool", "listing = \"yes\"\n", 1, "listing", []string{"true or false"}},
		{"network", "trusted_proxies = [\"10.0.0.0/33\"]\n", 1, "trusted_proxies", []string{"10.0.0.0/8"}},
		{"number", "loops = -1\n", 1, "loops", []string{"whole number"}},
		{"host", "[[site]]\nroot = \"/\"\nhosts = [\"a b\"]\n", 3, "site.hosts", []string{`"a b"`, "*.example.com"}},
		{"hosts outside", "hosts = [\"a\"]\n", 1, "hosts", []string{"[[site]]"}},
		{"site without hosts", "[[site]]\nroot = \"/\"\n", 1, "site.hosts", []string{"needs the hosts"}},
		{"host of two sites", "[[site]]\nhosts = [\"a\"]\nroot = \"/\"\n[[site]]\nroot = \"/\"\nhosts = [\"A\"]\n", 6, "site.hosts", []string{"already"}},
		{"site without anything", "[[site]]\nhosts = [\"a\"]\n", 1, "site.root", []string{"needs a root"}},
		{"pattern", "[[redirect]]\nto = \"/b\"\nfrom = \"/a/{x\"\n", 3, "redirect.from", []string{"byte"}},
		{"code", "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\ncode = 200\n", 4, "redirect.code", []string{"200", "308"}},
		{"no target", "[[redirect]]\nfrom = \"/a\"\n", 1, "redirect.to", []string{"missing"}},
		{"open redirect", "[[redirect]]\nfrom = \"/a/{p...}\"\nto = \"//{p}\"\n", 3, "redirect.to", []string{"one slash"}},
		{"open redirect by a backslash", "[[redirect]]\nfrom = \"/a/{p...}\"\nto = \"/\\\\{p}\"\n", 3, "redirect.to", []string{"one slash"}},
		{"other scheme", "[[redirect]]\nfrom = \"/a\"\nto = \"javascript:x\"\n", 3, "redirect.to", []string{"http"}},
		{"name that the pattern does not have", "[[redirect]]\nfrom = \"/a/{p...}\"\nto = \"/{q}\"\n", 3, "redirect.to", []string{"{q}"}},
		{"second of two that conflict", "[[redirect]]\nfrom = \"/a/{x}\"\nto = \"/b\"\n[[redirect]]\nfrom = \"/{x}/a\"\nto = \"/b\"\n", 5, "redirect.from", []string{"/a/a"}},
		{"second site's second redirect", "[[site]]\nhosts = [\"a\"]\nroot = \"/\"\n[[site.redirect]]\nfrom = \"/\"\nto = \"/x\"\n[[site]]\nhosts = [\"b\"]\nroot = \"/\"\n[[site.redirect]]\nfrom = \"/\"\nto = \"/x\"\n[[site.redirect]]\nfrom = \"/z\"\nto = \"z\"\n", 15, "site.redirect.to", []string{`"z"`}},
		{"rewrite to elsewhere", "[[rewrite]]\nfrom = \"/a\"\nto = \"http://evil\"\n", 3, "rewrite.to", []string{"one slash"}},
		{"header name", "[[header]]\nset = { \"X Y\" = \"1\" }\n", 2, "header.set", []string{"X Y"}},
		{"header value", "[[header]]\nset = { \"X\" = \"a\\nb\" }\n", 2, "header.set", []string{"control"}},
		{"header of the server", "[[header]]\nset = { \"Content-Length\" = \"1\" }\n", 2, "header.set", []string{"server's own"}},
		{"password in clear", "[[auth]]\npath = \"/\"\n[auth.users]\nalice = \"secret\"\n", 3, "auth.users", []string{"alice", "htpasswd -nB alice"}},
		{"missing file", "[[auth]]\npath = \"/\"\nfile = \"nowhere\"\n", 3, "auth.file", []string{"no such file"}},
		{"upstream", "[[proxy]]\npath = \"/\"\nto = [\"ftp://x\"]\n", 3, "proxy.to", []string{"http://HOST"}},
		{"proxy without upstream", "[[proxy]]\npath = \"/\"\n", 1, "proxy.to", []string{"missing"}},
		{"size", "[[proxy]]\npath = \"/\"\nto = [\"http://x\"]\nmax_body = \"10 apples\"\n", 4, "proxy.max_body", []string{"10MiB"}},
		{"password outside of the sites", "[[auth]]\npath = \"/\"\n[[site]]\nhosts = [\"a\"]\nroot = \"/\"\n", 1, "auth", []string{"no effect", "[[site]]"}},
		{"headers outside of the sites", "[[header]]\nset = { \"X\" = \"1\" }\n[[site]]\nhosts = [\"a\"]\nroot = \"/\"\n", 1, "header", []string{"no effect"}},
		{"cors outside of the sites", "[cors]\norigins = [\"https://a.example\"]\n[[site]]\nhosts = [\"a\"]\nroot = \"/\"\n", 1, "cors", []string{"no effect"}},
		{"fallback without a root", "[[site]]\nhosts = [\"a\"]\nfallback = \"x\"\n[[site.proxy]]\npath = \"/\"\nto = [\"http://x\"]\n", 3, "site.fallback", []string{"without root"}},
		{"host of a redirect that clients choose", "[[redirect]]\nfrom = \"/u/{p...}\"\nto = \"https://{p}.example.com/\"\n", 3, "redirect.to", []string{"host"}},
		{"host of a redirect that clients end", "[[redirect]]\nfrom = \"/{p...}\"\nto = \"https://example.com{p}\"\n", 3, "redirect.to", []string{"host"}},
		{"prefix that is not there", "[[proxy]]\npath = \"/api/\"\nto = [\"http://x\"]\nstrip = \"/apo\"\n", 4, "proxy.strip", []string{"/api/"}},
		{"prefix beyond the pattern's", "[[proxy]]\npath = \"/api\"\nto = [\"http://x\"]\nstrip = \"/api/v1\"\n", 4, "proxy.strip", []string{"/api"}},
		{"host for an upstream", "[[proxy]]\npath = \"/\"\nto = [\"http://x\"]\nhost = \"https://a\"\n", 4, "proxy.host", []string{"no host", "app.example.com"}},
		{"wildcard for an upstream", "[[proxy]]\npath = \"/\"\nto = [\"http://x\"]\nhost = \"*.a\"\n", 4, "proxy.host", []string{"no host"}},
		{"hash that takes hours", "[[auth]]\npath = \"/\"\nusers = { \"ada\" = \"$2a$31$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy\" }\n", 3, "auth.users", []string{"cost 31", "16 at most"}},
		{"network of neither kind", "trusted_proxies = [\"::ffff:0:0/90\"]\n", 1, "trusted_proxies", []string{"neither"}},
		{"credentials for all", "[cors]\norigins = [\"*\"]\ncredentials = true\n", 3, "cors.credentials", []string{"any page"}},
	})
}

func expectErrors(t *testing.T, mistakes []mistake) {
	t.Helper()
	for _, tt := range mistakes {
		t.Run(tt.name, func(t *testing.T) {
			tt.expectIn(t, write(t, tt.text))
		})
	}
}

// expectIn wants the mistake to be found in file.
func (tt mistake) expectIn(t *testing.T, file string) {
	t.Helper()
	_, err := source(file).Load()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	if e.Line != tt.line || e.Key != tt.key || e.File != file {
		t.Errorf("line %d, key %q; want %d, %q (%v)", e.Line, e.Key, tt.line, tt.key, err)
	}
	for _, word := range tt.says {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in %q", word, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "drain = \"1s\"\nlisten = [\":1\"]\nlog = \"json\"\nidle_timeout = \"7s\"\n")
	s := &Source{
		File: file,
		Env: func(name string) string {
			return map[string]string{"HTTPD_DRAIN": "2s", "HTTPD_LISTEN": ":2, :3", "HTTPD_ROOT": "/env"}[name]
		},
		Given: map[string][]string{"listen": {":4", "5"}}, Folder: "/arg",
	}
	c, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Listen, " "); got != ":4 :5" {
		t.Errorf("listen: %s", got)
	}
	if c.Drain.String() != `"2s"` || c.Log.Value != "json" || c.IdleTimeout.String() != `"7s"` || c.Root != "/arg" {
		t.Errorf("%+v", c)
	}
	s.Given, s.Folder = nil, ""
	if c, err = s.Load(); err != nil || strings.Join(c.Listen, " ") != ":2 :3" || c.Root != "/env" {
		t.Errorf("%v, %v", c, err)
	}
	s.Env = func(name string) string {
		if name == "HTTPD_LOG" {
			return "xml"
		}
		return ""
	}
	if _, err = s.Load(); err == nil || !strings.HasPrefix(err.Error(), "HTTPD_LOG: ") {
		t.Errorf("%v", err)
	}
}

const everything = `
listen = [":8080", "unix:/run/s"]
admin = ["127.0.0.1:9090"]
log = "combined"
drain = "5s"
proxy_protocol = ["10.0.0.0/8"]
trusted_proxies = ["10.0.0.0/8", "::1/128"]
loops = 2
root = "/srv"
index = ["index.html", "index.htm"]
listing = false

[[header]]
path = "/assets/"
set = { "Cache-Control" = "max-age=60", "X-A" = "b" }

[cors]
origins = ["https://a.example"]
max_age = "1m0s"

[[site]]
hosts = ["a.example", "*.a.example"]
root = "/a"

[[site.redirect]]
from = "/old/{path...}"
to = "/new/{path}"
code = 301

[[site.auth]]
path = "/admin/"
users = { "alice" = "` + hash + `" }

[[site.proxy]]
path = "/api/"
to = ["http://127.0.0.1:3000"]
strip = "/api"
max_body = "1MiB"
`

// Addresses of IPv4 in IPv6 are those of IPv4, as which peers are known.
func TestNetworksOfBothKinds(t *testing.T) {
	for text, want := range map[string]string{
		"::ffff:10.0.0.0/104": "10.0.0.0/8", "::ffff:192.0.2.1": "192.0.2.1/32", "10.1.2.3/8": "10.0.0.0/8", "2001:db8::1": "2001:db8::1/128",
	} {
		var n Networks
		if err := n.Set(text); err != nil || n[0].String() != want {
			t.Errorf("%s: %v, %v", text, n, err)
		}
	}
}

func TestHostForAnUpstream(t *testing.T) {
	for host, want := range map[string]bool{
		"upstream": true, "a.example": true, "a.example:8080": true, "192.0.2.1": true, "[2001:db8::1]": true, "[2001:db8::1]:80": true,
		"a b": false, "a.example:x": false, "a/b": false, "ä.example": false, "a\r\nX: y": false, ":80": false, "*.a.example": false, "u@a": false,
	} {
		if got := isHostAndPort(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestPrefixesToStrip(t *testing.T) {
	for _, tt := range []struct {
		pattern, prefix string
		want            bool
	}{
		{"/api/", "/api", true}, {"/api", "/api", true}, {"/api/{rest...}", "/api", true}, {"/api/v1/", "/api", true}, {"/", "/api", true},
		{"GET h.example/api/", "/api", true}, {"/{any}/x", "/api", true}, {"/%61pi/", "/api", true}, {"/api/", "/api/v1", true},
		{"/apis/", "/api", false}, {"/api", "/api/v1", false}, {"/x/", "/api", false}, {"/x/{any}", "/api", false},
	} {
		if got := strips(tt.pattern, tt.prefix); got != tt.want {
			t.Errorf("%s off %s: %v", tt.prefix, tt.pattern, got)
		}
	}
}

// printsTheSame prints what text says, wants that to say the same, and returns it as
// printed and as read again.
func printsTheSame(t *testing.T, text string) (printed string, again *Config) {
	t.Helper()
	first, err := source(write(t, text)).Load()
	if err != nil {
		t.Fatal(err)
	}
	var once, twice bytes.Buffer
	if err := first.Print(&once); err != nil {
		t.Fatal(err)
	}
	second, err := source(write(t, once.String())).Load()
	if err != nil {
		t.Fatalf("%v in\n%s", err, once.String())
	}
	if err := second.Print(&twice); err != nil {
		t.Fatal(err)
	}
	if once.String() != twice.String() {
		t.Errorf("%s\nbecame\n%s", once.String(), twice.String())
	}
	return once.String(), second
}

// What check prints is a file that says the same.
func TestPrintedConfigSaysTheSame(t *testing.T) {
	printed, _ := printsTheSame(t, everything)
	for _, word := range []string{`"1m0s"`, `"/old/{path...}"`, "listing = false", "[[site.proxy]]", "max_body = 1048576"} {
		if !strings.Contains(printed, word) {
			t.Errorf("no %s in\n%s", word, printed)
		}
	}
}

// Each setting has its words once, and all of them.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		if s.Key == "" || s.Doc == "" || s.Arg == "" || seen[s.Key] {
			t.Errorf("%+v", s)
		}
		seen[s.Key] = true
		_ = s.In(Default()).String()
	}
	for _, k := range Keys() {
		if strings.HasSuffix(k.Path, ".") || k.Doc == "" {
			t.Errorf("%+v", k)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(everything)
	f.Add(everyFileKey)
	f.Add("[[site]]\nhosts = [\"a\"]\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		if err := decode("f", []byte(text), c); err == nil {
			_ = located("f", []byte(text), c.check())
		}
	})
}
