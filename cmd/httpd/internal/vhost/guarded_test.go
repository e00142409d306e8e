package vhost

import (
	"bufio"
	"fmt"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	ada     = "Authorization: Basic YWRhOng="
	nobodyA = "Authorization: Basic YWRhOnk="
)

// An archive of a folder holds what is below it, for which nobody was asked a password: such a folder has none.
func TestArchiveOfAFolderWithAPasswordBelow(t *testing.T) {
	for _, tt := range []struct {
		path   string // of the rule
		target string
		lines  []string
		code   int
	}{
		{"/admin/", "/?download=tar", nil, 403},
		{"/admin/", "/?x=y&download=tar", nil, 403},
		{"/admin/", "/?download=tar", []string{ada}, 403}, // the rule was not met, so whose password it is was not looked at
		{"/admin/", "/docs/?download=tar", nil, 200},
		{"/admin/", "/admin/?download=tar", nil, 401},
		{"/admin/", "/admin/?download=tar", []string{ada}, 200},
		{"/admin/deep/", "/admin/?download=tar", nil, 403},
		{"/admin/deep/secret", "/admin/?download=tar", nil, 403},
		{"/{any}/deep/", "/admin/?download=tar", nil, 403},
		{"/%61dmin/d%65ep/", "/admin/?download=tar", nil, 403},
		{"GET /admin/", "/?download=tar", nil, 403},
		{"POST /admin/", "/?download=tar", nil, 200},
		{"/", "/?download=tar", []string{ada}, 200},
		{"/", "/admin/?download=tar", []string{ada}, 200},
		{"/admin/", "/?format=json", nil, 200},
	} {
		address, stop := serve(t, fmt.Sprintf("root = %q\narchives = [\"tar\"]\n[[auth]]\npath = %q\nusers = { \"ada\" = %q }\n",
			traps(t), tt.path, hashed(t, "x", bcrypt.MinCost)), Options{})
		a := ask(t, address, "GET", tt.target, "", tt.lines...)
		if a.code != tt.code {
			t.Errorf("%s with a rule on %s: %d, want %d", tt.target, tt.path, a.code, tt.code)
		}
		if tt.code == 403 && strings.Contains(a.body, "SECRET") {
			t.Errorf("%s with a rule on %s: got what is secret", tt.target, tt.path)
		}
		stop()
	}
}

// A rule that lets everybody in guards nothing.
func TestArchiveBesideARuleWithoutUsers(t *testing.T) {
	address, _ := serve(t, fmt.Sprintf("root = %q\narchives = [\"tar\"]\n[[auth]]\npath = \"/docs/\"\n", traps(t)), Options{})
	if a := ask(t, address, "GET", "/?download=tar", ""); a.code != 200 {
		t.Errorf("%d", a.code)
	}
}

// The password of a folder is that of its name without the slash as well: an upstream may have the same there.
func TestPasswordOfAFolderWithoutItsSlash(t *testing.T) {
	up := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, r.RequestURI) }))
	defer up.Close()
	hash := hashed(t, "x", bcrypt.MinCost)
	address, stop := serve(t, fmt.Sprintf(`
[[proxy]]
path = "/"
to = %q
[[auth]]
path = "/admin/"
users = { "ada" = %q }
[[auth]]
path = "/all/{rest...}"
users = { "ada" = %q }
[[auth]]
path = "/open/"
[[auth]]
path = "/own/"
users = { "ada" = %q }
[[auth]]
path = "/own"
`, up.URL, hash, hash, hash), Options{})
	defer stop()
	for target, code := range map[string]int{
		"/admin/": 401, "/admin": 401, "/admin?x": 401, "/%61dmin": 401, "/all": 401, "/all/": 401, "/open": 200, "/own": 200, "/own/": 401,
		"/adminx": 200, "/": 200,
	} {
		if a := ask(t, address, "GET", target, ""); a.code != code {
			t.Errorf("%s: %d, want %d", target, a.code, code)
		}
	}
	if a := ask(t, address, "GET", "/admin", "", ada); a.code != 200 || a.body != "/admin" {
		t.Errorf("with the password: %d %q", a.code, a.body)
	}
	if a := ask(t, address, "GET", "/admin", "", nobodyA); a.code != 401 {
		t.Errorf("with a wrong password: %d", a.code)
	}
}

// A dot at the end of a host leads to the same site, and to the same rules.
func TestPasswordOfAHostWithADot(t *testing.T) {
	address, _ := serve(t, fmt.Sprintf("root = %q\n[[auth]]\npath = \"host.example/admin/\"\nusers = { \"ada\" = %q }\n",
		traps(t), hashed(t, "x", bcrypt.MinCost)), Options{})
	for _, host := range []string{"host.example", "HOST.example", "host.example.", "host.example.:80", "host.example:80"} {
		if a := ask(t, address, "GET", "http://"+host+"/admin/secret", ""); a.code != 401 && a.code != 400 {
			t.Errorf("%s: %d", host, a.code)
		}
		conn := dialed(t, address)
		fmt.Fprintf(conn, "GET /admin/secret HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		if a := receive(t, bufio.NewReader(conn), "GET"); a.code != 401 {
			t.Errorf("%s: %d", host, a.code)
		}
	}
}

func dialed(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func TestFolderName(t *testing.T) {
	for pattern, want := range map[string]string{
		"/admin/": "/admin", "/a/{rest...}": "/a", "/{user}/": "/{user}", "GET /a/b/": "GET /a/b", "host.example/a/": "host.example/a",
		"/": "", "GET /": "", "host.example/": "", "/{rest...}": "", "/a": "", "/a/{$}": "", "/a/{b}": "",
	} {
		if got := folderName(pattern); got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}
