package vhost

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"
)

const secret = "SECRET: nobody may get this"

// traps makes a root with what a request may step on, behind the rules of a site.
func traps(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	for name, body := range map[string]string{
		"outside/secret.txt": secret, "outside/secret.gz": string(gzipped(t, secret)), "root-twin/secret.txt": secret,
		"root/plain.txt": "plain", "root/pre.js": text, "root/.git/config": secret, "root/.env": secret, "root/docs/.env": secret,
		"root/docs/page.txt": "page", "root/admin/secret": secret, "root/admin/deep/secret": secret, "root/app.html": "app", "root/in/keep": "",
	} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(top, "root")
	for name, target := range map[string]string{
		"out": "../outside/secret.txt", "outdir": "../outside", "absolute": filepath.Join(top, "outside"), "up": "..", "pre.js.gz": "../outside/secret.gz",
		"in/out": "../../outside", "leaf": "plain.txt",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// No spelling of a path leads past a rule, to what is hidden, or out of the root: what the rules match, and what the files and
// upstreams are looked up by, is one path. One that is not clean is sent to the one that is.
func TestPathsThroughTheRules(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	root := traps(t)
	address, _ := serve(t, fmt.Sprintf(`
root = %q
fallback = "app.html"
archives = ["tar"]
upload = ["/in"]
[[auth]]
path = "/admin/"
users = { "ali" = %q }
[[rewrite]]
from = "/door/{path...}"
to = "/{path}"
[[rewrite]]
from = "/under/{name}"
to = "/docs/{name}"
[[redirect]]
from = "/old/{path...}"
to = "/{path}"
`, root, hash), Options{})
	for _, tt := range []struct {
		target string
		code   int
		to     string // Location
	}{
		{"/plain.txt", 200, ""},
		{"/leaf", 200, ""},
		{"/pre.js", 200, ""}, // without the twin that leads out
		{"/docs/page.txt", 200, ""},
		{"/under/page.txt", 200, ""},
		{"/door/docs%2Fpage.txt", 200, ""},

		{"/admin/secret", 401, ""},
		{"/admin%2Fsecret", 401, ""},
		{"/admin%2fdeep%2fsecret", 401, ""},
		{"/%61dmin/secret", 401, ""},
		{"//admin/secret", 401, ""},
		{"/docs/../admin/secret", 401, ""},
		{"/docs%2F..%2Fadmin%2Fsecret", 401, ""},
		{"/./admin/secret", 401, ""},
		{"/door/admin/secret", 401, ""},
		{"/door/%2Fadmin/secret", 308, "/door/admin/secret"},
		{"/admin/?download=tar", 401, ""},
		{"/admin%252Fsecret", 404, ""}, // decoded once: a name with a percent sign
		{"/admin%5Csecret", 404, ""},
		{"/ADMIN/secret", 404, ""},

		{"/.env", 404, ""},
		{"/%2eenv", 404, ""},
		{"/%2Egit%2Fconfig", 404, ""},
		{"/.git/", 404, ""},
		{"/.git/?download=tar", 404, ""},
		{"/docs/.env", 404, ""},
		{"/docs%2F.env", 404, ""},
		{"/under/.env", 404, ""},
		{"/under/%2eenv", 404, ""},
		{"/door/.git/config", 404, ""},
		{"/door/%2egit%2fconfig", 404, ""},
		{"/old/.env", 308, "/.env"},

		{"/../outside/secret.txt", 308, "/outside/secret.txt"},
		{"/%2e%2e/outside/secret.txt", 308, "/outside/secret.txt"},
		{"/..%2foutside%2fsecret.txt", 308, "/outside/secret.txt"},
		{"/docs/..%2f..%2foutside/secret.txt", 308, "/outside/secret.txt"},
		{"/under/..%2f..%2foutside%2fsecret.txt", 308, "/outside/secret.txt"},
		{"/door/..%2f..%2foutside/secret.txt", 308, "/outside/secret.txt"},
		{"/../root-twin/secret.txt", 308, "/root-twin/secret.txt"},
		{"/%252e%252e/outside/secret.txt", 404, ""},
		{"/..%5coutside%5csecret.txt", 404, ""},
		{"/%c0%ae%c0%ae/outside/secret.txt", 404, ""},
		{"/out", 404, ""},
		{"/out/", 404, ""},
		{"/outdir", 404, ""},
		{"/outdir/", 404, ""},
		{"/outdir/secret.txt", 404, ""},
		{"/absolute/secret.txt", 404, ""},
		{"/up/outside/secret.txt", 404, ""},
		{"/in/out/secret.txt", 404, ""},
		{"/leaf/", 404, ""},
		{"/fifo", 404, ""},
	} {
		for _, lines := range [][]string{nil, {"Accept-Encoding: gzip"}, {"Accept: text/html"}} {
			a := ask(t, address, "GET", tt.target, "", lines...)
			page := len(lines) > 0 && lines[0] == "Accept: text/html"
			if fellBack := page && tt.code == 404 && a.code == 200 && a.body == "app"; a.code != tt.code && !fellBack {
				t.Errorf("%s: %d %.60q, want %d", tt.target, a.code, a.body, tt.code)
			}
			if to := a.header.Get("Location"); tt.to != to {
				t.Errorf("%s: leads to %q, want %q", tt.target, to, tt.to)
			} else if u, err := url.Parse(to); err != nil || u.Host != "" {
				t.Errorf("%s: leads to another host: %q", tt.target, to)
			}
			if strings.Contains(a.body, "SECRET") || strings.HasPrefix(a.body, string(gzipped(t, secret))) {
				t.Errorf("%s: got what is secret", tt.target)
			}
		}
	}
	before := names(t, filepath.Dir(root))
	for _, target := range []string{"/in/../new", "/in/..%2fnew", "/in/%2e%2e/new", "/in/out/new", "/in/.new", "/in/%2enew", "/new", "/admin/new", "/door/new", "/in%5c..%5cnew"} {
		if a := ask(t, address, "PUT", target, "x"); a.code < 300 {
			t.Errorf("PUT %s: %d", target, a.code)
		}
	}
	if after := names(t, filepath.Dir(root)); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("there is %q, was %q", after, before)
	}
}
