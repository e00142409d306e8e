package main

import (
	"fmt"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/crypto/bcrypt"
)

// ask sends a request as it stands and returns the answer.
func ask(t *testing.T, address, request string) (*nethttp.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	return askOver(t, conn, request)
}

func TestSitesOfAConfig(t *testing.T) {
	up := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/ws" {
			c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			for {
				kind, p, err := c.ReadMessage()
				if err != nil || c.WriteMessage(kind, p) != nil {
					return
				}
			}
		}
		fmt.Fprintf(w, "%s %s for %s by %s", r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-For"))
	}))
	defer up.Close()
	hash, err := bcrypt.GenerateFromPassword([]byte("opensesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	one := site(t, map[string][]byte{"index.html": []byte("one"), "admin/secret": []byte("secret"), "admin/public/x": []byte("open"), "v/x": []byte("rewritten")})
	two := site(t, map[string][]byte{"index.html": []byte("two")})
	file := filepath.Join(t.TempDir(), "httpd.toml")
	text := fmt.Sprintf(`
[[site]]
hosts = ["one.example", "*.one.example"]
root = %q
[[site.redirect]]
from = "/old/{path...}"
to = "/new/{path}"
[[site.redirect]]
from = "/all/{path...}"
to = "/{path}"
code = 302
[[site.rewrite]]
from = "/version/{n}/{path...}"
to = "/v/{path}"
[[site.rewrite]]
from = "/door/{path...}"
to = "/admin/{path}"
[[site.header]]
set = { "X-All" = "1" }
[[site.header]]
path = "/v/"
set = { "X-V" = "1" }
[[site.auth]]
path = "/admin/"
realm = "the back"
users = { "ali" = %q }
[[site.auth]]
path = "/admin/public/"
[[site.proxy]]
path = "/api/"
to = [%q]
strip = "/api"
[site.cors]
origins = ["https://app.example"]
[[site]]
hosts = ["two.example"]
root = %q
`, one, hash, up.URL, two)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, "-l", "127.0.0.1:0", "-c", file)
	const right, wrong = "Authorization: Basic YWxpOm9wZW5zZXNhbWU=\r\n", "Authorization: Basic YWxpOm5vcGU=\r\n"
	for _, tt := range []struct {
		name, host, path, lines string
		status                  int
		body                    string
		header                  [2]string
	}{
		{"first", "one.example", "/", "", 200, "one", [2]string{"X-All", "1"}},
		{"below it", "www.one.example:80", "/", "", 200, "one", [2]string{}},
		{"second", "two.example", "/", "", 200, "two", [2]string{"X-All", ""}},
		{"no site", "three.example", "/", "", 421, "", [2]string{}},
		{"redirect", "one.example", "/old/a%20b?q=1", "", 308, "", [2]string{"Location", "/new/a%20b?q=1"}},
		{"redirect of a host", "one.example", "/all//evil.example", "", 302, "", [2]string{"Location", "/evil.example"}},
		{"redirect of an encoded host", "one.example", "/all/%2Fevil.example", "", 302, "", [2]string{"Location", "/evil.example"}},
		{"redirect of a backslash", "one.example", "/all/%5Cevil.example", "", 302, "", [2]string{"Location", "/%5Cevil.example"}},
		{"redirect of a line end", "one.example", "/all/%0D%0ASet-Cookie:x", "", 302, "", [2]string{"Set-Cookie", ""}},
		{"rewrite", "one.example", "/version/3/x", "", 200, "rewritten", [2]string{"X-All", "1"}},
		{"rewrite behind a password", "one.example", "/door/secret", "", 401, "", [2]string{}},
		{"rewrite to the outside", "one.example", "/version/3/%2e%2e/%2e%2e/etc/passwd", "", 308, "", [2]string{"Location", "/etc/passwd"}},
		{"no password", "one.example", "/admin/secret", "", 401, "", [2]string{"Www-Authenticate", `Basic realm="the back", charset="UTF-8"`}},
		{"encoded slash", "one.example", "/admin%2Fsecret", "", 401, "", [2]string{}},
		{"encoded letter", "one.example", "/%61dmin/secret", "", 401, "", [2]string{}},
		{"two slashes", "one.example", "//admin//secret", "", 401, "", [2]string{}},
		{"dots", "one.example", "/x/../admin/secret", "", 401, "", [2]string{}},
		{"wrong password", "one.example", "/admin/secret", wrong, 401, "", [2]string{}},
		{"right password", "one.example", "/admin/secret", right, 200, "secret", [2]string{}},
		{"right password again", "one.example", "/admin/secret", right, 200, "secret", [2]string{}},
		{"open below", "one.example", "/admin/public/x", "", 200, "open", [2]string{}},
		{"proxy", "one.example", "/api/x%2Fy?z", "", 200, "GET /x%2Fy?z for one.example by 127.0.0.1", [2]string{"X-All", "1"}},
		{"CORS", "one.example", "/", "Origin: https://app.example\r\n", 200, "one", [2]string{"Access-Control-Allow-Origin", "https://app.example"}},
		{"CORS of others", "one.example", "/", "Origin: https://evil.example\r\n", 200, "one", [2]string{"Access-Control-Allow-Origin", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := ask(t, p.address(), "GET "+tt.path+" HTTP/1.1\r\nHost: "+tt.host+"\r\n"+tt.lines+"\r\n")
			if res.StatusCode != tt.status || tt.body != "" && body != tt.body {
				t.Errorf("%d %q %v, want %d %q", res.StatusCode, body, res.Header, tt.status, tt.body)
			}
			if tt.header[0] != "" && res.Header.Get(tt.header[0]) != tt.header[1] {
				t.Errorf("%s: %q, want %q", tt.header[0], res.Header.Get(tt.header[0]), tt.header[1])
			}
		})
	}
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return net.Dial("tcp", p.address()) }}
	c, res, err := dialer.Dial("ws://one.example/api/ws", nil)
	if err != nil {
		t.Fatalf("%v, %v", err, res)
	}
	defer c.Close()
	if err := c.WriteMessage(websocket.TextMessage, []byte("through")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.ReadMessage(); err != nil || string(got) != "through" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLogFormats(t *testing.T) {
	dir := site(t, map[string][]byte{"a": []byte("here")})
	for format, want := range map[string]string{
		"json":     `"method":"GET","target":"/a","status":200,"bytes":4`,
		"combined": `"GET /a HTTP/1.1" 200 4 "-" "Go-http-client/1.1"`,
	} {
		p := start(t, "-l", "127.0.0.1:0", "--log", format, dir)
		get(t, p.url("/a"))
		p.stderr.await(t, want)
	}
}

func TestProxyProtocol(t *testing.T) {
	dir := site(t, map[string][]byte{"a": []byte("here")})
	p := start(t, "-l", "127.0.0.1:0", "--proxy-protocol", "127.0.0.0/8", dir)
	if res, _ := ask(t, p.address(), "PROXY TCP4 192.0.2.9 192.0.2.1 4711 80\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	p.stderr.await(t, " 192.0.2.9:4711 GET /a 200 ")
}

func TestQRCode(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(qrCode("http://192.0.2.1:8080/"), "\n"), "\n")
	if len(lines) < 12 || len(lines) > 20 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		if n := len([]rune(strings.TrimSuffix(strings.TrimPrefix(l, "  \x1b[30;107m"), "\x1b[0m"))); n != 2*len(lines) && n != 2*len(lines)-1 {
			t.Errorf("%d columns for %d lines", n, len(lines))
		}
	}
}
