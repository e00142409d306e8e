package middleware_test

import (
	"bufio"
	"fmt"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func prefixes(list ...string) (ps []netip.Prefix) {
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// who is an App that answers with the client's address and whether it came by TLS.
func who(opts middleware.RealIPOptions) *http.App {
	app := http.New()
	app.Use(middleware.RealIPWith(opts))
	app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, fmt.Sprint(c.ClientIP(), " ", middleware.IsHTTPS(c))) })
	return app
}

// The proxies are 10.0.0.0/8 and 2001:db8:a::/48; the peer is one of them unless the case says otherwise.
func TestRealIP(t *testing.T) {
	const proxy = "10.0.0.1:999"
	for _, tc := range []struct {
		name, peer string
		lines      []string
		want       string
	}{
		{"no header line", proxy, nil, "10.0.0.1"},
		{"one entry", proxy, []string{"192.0.2.1"}, "192.0.2.1"},
		{"peer that is not trusted", "192.0.2.9:1", []string{"192.0.2.1"}, "192.0.2.9"},
		{"peer that is not trusted claims to be a proxy", "192.0.2.9:1", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.9"},
		{"peer of IPv4 in IPv6", "[::ffff:10.0.0.1]:999", []string{"192.0.2.1"}, "192.0.2.1"},
		{"peer of IPv6", "[2001:db8:a::1]:999", []string{"2001:db8::1"}, "2001:db8::1"},
		{"made up at the left", proxy, []string{"127.0.0.1, 192.0.2.1"}, "192.0.2.1"},
		{"made up, looking like a proxy", proxy, []string{"10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		{"through two proxies", proxy, []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"through three, made up in front", proxy, []string{"1.1.1.1, 192.0.2.1, 2001:db8:a::7, 10.0.0.2"}, "192.0.2.1"},
		{"all are proxies: the leftmost", proxy, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"several lines are one list", proxy, []string{"1.1.1.1", "192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"the last line counts", proxy, []string{"192.0.2.1", "192.0.2.2"}, "192.0.2.2"},
		{"malformed at the right", proxy, []string{"192.0.2.1, garbage"}, "10.0.0.1"},
		{"malformed in the middle: the proxy that wrote it", proxy, []string{"192.0.2.1, garbage, 10.0.0.2"}, "10.0.0.2"},
		{"malformed at the left is never read", proxy, []string{"'; DROP TABLE, 192.0.2.1"}, "192.0.2.1"},
		{"unknown", proxy, []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		{"empty line", proxy, []string{""}, "10.0.0.1"},
		{"empty entry", proxy, []string{"192.0.2.1,"}, "10.0.0.1"},
		{"no blanks, many blanks", proxy, []string{"1.1.1.1,192.0.2.1 ,\t10.0.0.2  "}, "192.0.2.1"},
		{"with a port", proxy, []string{"192.0.2.1:4711"}, "192.0.2.1"},
		{"IPv6 with a port", proxy, []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv6 in brackets", proxy, []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with a zone", proxy, []string{"fe80::1%eth0"}, "10.0.0.1"},
		{"IPv4 in brackets", proxy, []string{"[192.0.2.1]"}, "10.0.0.1"},
		{"IPv4 in IPv6", proxy, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"a proxy as IPv4 in IPv6", proxy, []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{"leading zeros could be octal", proxy, []string{"192.0.2.010"}, "10.0.0.1"},
		{"port that is none", proxy, []string{"192.0.2.1:80 x"}, "10.0.0.1"},
		{"quotes", proxy, []string{`"192.0.2.1"`}, "10.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := who(middleware.RealIPOptions{Trusted: prefixes("10.0.0.0/8", "2001:db8:a::/48")})
			if got := clientOf(t, app, tc.peer, "X-Forwarded-For", tc.lines); got != tc.want+" false" {
				t.Errorf("%q, want %s", got, tc.want)
			}
		})
	}
}

func TestRealIPForwarded(t *testing.T) {
	const proxy = "10.0.0.1:999"
	for _, tc := range []struct {
		name  string
		lines []string
		want  string // with whether the client came by TLS
	}{
		{"RFC 7239 section 4", []string{`for="_gazonk"`}, "10.0.0.1 false"},
		{"RFC 7239 section 4, IPv6", []string{`For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17 false"},
		{"RFC 7239 section 4, all parameters", []string{`for=192.0.2.60;proto=http;by=203.0.113.43`}, "192.0.2.60 false"},
		{"RFC 7239 section 4, several", []string{`for=192.0.2.43, for=198.51.100.17`}, "198.51.100.17 false"},
		{"https", []string{`proto=HTTPS;for=192.0.2.1`}, "192.0.2.1 true"},
		{"https is the client's, not a proxy's", []string{`for=192.0.2.1;proto=http, for=10.0.0.2;proto=https`}, "192.0.2.1 false"},
		{"made up in front", []string{`for=127.0.0.1;proto=https, for=192.0.2.1`}, "192.0.2.1 false"},
		{"through two proxies", []string{`for=192.0.2.1;proto=https`, `for=10.0.0.2`}, "192.0.2.1 true"},
		{"a quote left open in front", []string{`for=", for=192.0.2.1`}, "192.0.2.1 false"},
		{"a quote left open in front of quotes", []string{`for="x, for="[2001:db8::1]:1"`}, "2001:db8::1 false"},
		{"a backslash in front of quotes", []string{`for="\, for="[2001:db8::1]:1"`}, "2001:db8::1 false"},
		{"comma in quotes", []string{`for=192.0.2.1;ext="a,b;c\"d"`}, "192.0.2.1 false"},
		{"escaped within the address", []string{`for="192\.0.2.1"`}, "192.0.2.1 false"},
		{"obfuscated port", []string{`for="192.0.2.1:_port"`}, "192.0.2.1 false"},
		{"brackets without quotes", []string{`for=[2001:db8::1]:80`}, "2001:db8::1 false"},
		{"IPv6 without brackets", []string{`for="2001:db8::1"`}, "10.0.0.1 false"},
		{"for twice", []string{`for=192.0.2.1;for=192.0.2.2`}, "10.0.0.1 false"},
		{"no for", []string{`for=192.0.2.1, proto=https`}, "10.0.0.1 false"},
		{"unknown", []string{`for=192.0.2.1, for=unknown`}, "10.0.0.1 false"},
		{"no value", []string{`for=`}, "10.0.0.1 false"},
		{"no =", []string{`for`}, "10.0.0.1 false"},
		{"something behind quotes", []string{`for="192.0.2.1"x`}, "10.0.0.1 false"},
		{"quotes that do not end", []string{`for="192.0.2.1`}, "10.0.0.1 false"},
		{"empty parameters", []string{`;for=192.0.2.1;;`}, "192.0.2.1 false"},
		{"blanks around semicolons", []string{`for=192.0.2.1 ; proto=https`}, "192.0.2.1 true"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := who(middleware.RealIPOptions{Trusted: prefixes("10.0.0.0/8"), Forwarded: true, Proto: true})
			if got := clientOf(t, app, proxy, "Forwarded", tc.lines); got != tc.want {
				t.Errorf("%q, want %s", got, tc.want)
			}
			// The header line that was not chosen comes from the client as it likes.
			if got := clientOf(t, app, proxy, "X-Forwarded-For", []string{"192.0.2.77"}); got != "10.0.0.1 false" {
				t.Errorf("X-Forwarded-For: %q", got)
			}
		})
	}
}

func TestRealIPProto(t *testing.T) {
	for _, tc := range []struct {
		peer  string
		proto bool
		lines []string
		want  bool
	}{
		{"10.0.0.1:1", true, []string{"https"}, true},
		{"10.0.0.1:1", true, []string{"HTTPS "}, true},
		{"10.0.0.1:1", true, []string{"http"}, false},
		{"10.0.0.1:1", true, []string{"https, http"}, false},
		{"10.0.0.1:1", true, []string{"https", "https"}, false},
		{"10.0.0.1:1", false, []string{"https"}, false},
		{"192.0.2.1:1", true, []string{"https"}, false},
	} {
		app := who(middleware.RealIPOptions{Trusted: prefixes("10.0.0.0/8"), Proto: tc.proto})
		if got := clientOf(t, app, tc.peer, "X-Forwarded-Proto", tc.lines); strings.HasSuffix(got, " true") != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

// clientOf asks the app who the client is, as from that peer.
func clientOf(t *testing.T, app *http.App, peer, name string, lines []string) string {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = peer
	r.Header[name] = lines
	res, err := app.Test(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := bufio.NewReader(res.Body).ReadString(0)
	if text == "" {
		t.Fatal(err)
	}
	return text
}

func TestRealIPOverSockets(t *testing.T) {
	onBoth(t, func() *http.App {
		return who(middleware.RealIPOptions{Trusted: prefixes("127.0.0.0/8")})
	}, func(t *testing.T, url string) {
		ask := askAt(t, url)
		if _, body := ask(t, "GET /", "X-Forwarded-For: 1.1.1.1", "x-forwarded-for: 192.0.2.1", "X-Forwarded-For: 127.0.0.2"); body != "192.0.2.1 false" {
			t.Errorf("%q", body)
		}
		// The next request on the connection is another client's.
		if _, body := ask(t, "GET /"); body != "127.0.0.1 false" {
			t.Errorf("%q", body)
		}
	})
}

func TestRealIPOfUnixSocket(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts middleware.RealIPOptions
		want string
	}{
		{"trusted", middleware.RealIPOptions{Unix: true}, "192.0.2.1 false"},
		{"trusted, with proxies behind it", middleware.RealIPOptions{Unix: true, Trusted: prefixes("192.0.2.0/24")}, "1.1.1.1 false"},
		{"not trusted", middleware.RealIPOptions{Trusted: prefixes("0.0.0.0/0", "::/0")}, "invalid IP false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			app := who(tc.opts)
			if _, err := app.Listen("unix:" + path); err != nil {
				t.Fatal(err)
			}
			startApp(t, app)
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.1\r\n\r\n")
			res, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, _ := bufio.NewReader(res.Body).ReadString(0); body != tc.want {
				t.Errorf("%q, want %q", body, tc.want)
			}
		})
	}
}

func TestRealIPOptionsThatCannotBe(t *testing.T) {
	mustPanic(t, map[string]func(){
		"nobody":            func() { middleware.RealIP() },
		"no prefix":         func() { middleware.RealIP(netip.Prefix{}) },
		"neither of 4 or 6": func() { middleware.RealIP(netip.PrefixFrom(netip.MustParseAddr("::ffff:0.0.0.0"), 90)) },
	})
	app := who(middleware.RealIPOptions{Trusted: prefixes("::ffff:10.0.0.0/104")})
	if got := clientOf(t, app, "10.0.0.1:1", "X-Forwarded-For", []string{"192.0.2.1"}); got != "192.0.2.1 false" {
		t.Errorf("a prefix of IPv4 in IPv6: %q", got)
	}
}

// Whatever a client sends, what a trusted proxy has added behind it is the client.
func FuzzRealIP(f *testing.F) {
	for _, s := range []string{"", ",", `for="`, `for="\`, `\`, "1.1.1.1, 10.0.0.9", `for="a,b"`, `"`, "for=10.0.0.9;proto=https"} {
		f.Add(s)
	}
	trusted := prefixes("10.0.0.0/8")
	plain := who(middleware.RealIPOptions{Trusted: trusted, Proto: true})
	forwarded := who(middleware.RealIPOptions{Trusted: trusted, Forwarded: true, Proto: true})
	f.Fuzz(func(t *testing.T, sent string) {
		if strings.IndexFunc(sent, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) >= 0 || len(sent) > 8000 {
			t.Skip("no field value")
		}
		if got := clientOf(t, plain, "10.0.0.1:1", "X-Forwarded-For", []string{sent + ", 192.0.2.1"}); got != "192.0.2.1 false" {
			t.Errorf("X-Forwarded-For: %q: %q", sent, got)
		}
		for _, added := range []string{`for=192.0.2.1`, `for="192.0.2.1:80";by="a,\"b"`, `by="[2001:db8::1]";for=192.0.2.1`} {
			if got := clientOf(t, forwarded, "10.0.0.1:1", "Forwarded", []string{sent + ", " + added}); got != "192.0.2.1 false" {
				t.Errorf("Forwarded: %q, %s: %q", sent, added, got)
			}
		}
		clientOf(t, plain, "10.0.0.1:1", "X-Forwarded-For", []string{sent})
		clientOf(t, forwarded, "10.0.0.1:1", "Forwarded", []string{sent})
	})
}

func ExampleRealIP() {
	app := http.New()
	app.Use(middleware.RealIP(netip.MustParsePrefix("192.0.2.0/24"))) // where the proxies are
	app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, "hello, "+c.ClientIP().String()) })

	// The request comes from 192.0.2.1, which has added the address of its client at the right.
	res := inProcess(app, "GET /", "X-Forwarded-For: 127.0.0.1, 203.0.113.7")
	text, _ := bufio.NewReader(res.Body).ReadString(0)
	fmt.Println(text)
	// Output: hello, 203.0.113.7
}
