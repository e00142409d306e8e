package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/proxy"
	"github.com/carillon-go/carillon/reactor"
)

func TestMain(m *testing.M) {
	reactor.PoisonBuffers(true)
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests. It passes only when something is broken.
const patience = 20 * time.Second

// front serves a proxy to target and returns its address.
func front(t *testing.T, target string, opts ...proxy.Option) string {
	t.Helper()
	app := http.New()
	app.Mount("/", proxy.New(target, opts...), http.Inline, http.StreamBody, http.MaxBody(1<<40))
	return run(t, app)
}

func run(t *testing.T, app *http.App) string {
	t.Helper()
	app.Server.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	app.Server.Loops = 1 // so that one connection to the upstream is found by the next request
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return addr.String()
}

func upstream(t *testing.T, h nethttp.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T) *nethttp.Client {
	t.Helper()
	tr := &nethttp.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &nethttp.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func body(t *testing.T, res *nethttp.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What an upstream is told of a request: each line of the table is one RFC's or one attack's.
func TestRequestFields(t *testing.T) {
	seen := make(chan *nethttp.Request, 1)
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { seen <- r })
	for _, tt := range []struct {
		name    string
		opts    []proxy.Option
		request string
		target  string
		host    string
		has     map[string]string
	}{
		{
			name: "plain", request: "GET /a/b?c=d&e HTTP/1.1\r\nHost: site.example\r\nAccept: x\r\n\r\n", target: "/a/b?c=d&e", host: "site.example",
			has: map[string]string{"Accept": "x", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "site.example",
				"Forwarded": `for=127.0.0.1;host="site.example";proto=http`, "Connection": "", "User-Agent": ""},
		},
		{
			name: "spelling stays", request: "GET /a%2Fb%20%41?x=%20%2f HTTP/1.1\r\nHost: s\r\n\r\n", target: "/a%2Fb%20%41?x=%20%2f",
		},
		{name: "empty query", request: "GET /? HTTP/1.1\r\nHost: s\r\n\r\n", target: "/?"},
		{name: "raw UTF-8", request: "GET /\xc3\xa4?\xc3\xa4 HTTP/1.1\r\nHost: s\r\n\r\n", target: "/%C3%A4?%C3%A4"},
		{name: "absolute form", request: "GET http://s/x HTTP/1.1\r\nHost: s\r\n\r\n", target: "/x", host: "s"},
		{
			name:    "hop by hop",
			request: "GET / HTTP/1.1\r\nHost: s\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nProxy-Connection: x\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Stays: 1\r\n\r\n",
			target:  "/", has: map[string]string{"X-Secret": "", "Keep-Alive": "", "Proxy-Authorization": "", "Proxy-Connection": "", "Te": "", "Upgrade": "", "X-Stays": "1"},
		},
		{name: "TE trailers", request: "GET / HTTP/1.1\r\nHost: s\r\nTE: trailers, gzip\r\n\r\n", target: "/", has: map[string]string{"Te": "trailers", "Connection": "TE"}},
		{
			name:    "forged",
			request: "GET / HTTP/1.1\r\nHost: s\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nX_Forwarded_For: 10.0.0.1\r\nX-Forwarded-Prefix: /evil\r\n\r\n",
			target:  "/", has: map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "s", "X-Real-Ip": "",
				"X_forwarded_for": "", "X-Forwarded-Prefix": "", "Forwarded": `for=127.0.0.1;host="s";proto=http`},
		},
		{
			name:    "forged by Connection",
			request: "GET / HTTP/1.1\r\nHost: s\r\nConnection: X-Forwarded-For, Host, Forwarded\r\n\r\n",
			target:  "/", host: "s", has: map[string]string{"X-Forwarded-For": "127.0.0.1"},
		},
		{
			name: "trusted", opts: []proxy.Option{proxy.TrustForwarded(netip.MustParsePrefix("127.0.0.0/8"))},
			request: "GET / HTTP/1.1\r\nHost: s\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\nForwarded: for=192.0.2.1\r\n\r\n",
			target:  "/", has: map[string]string{"X-Forwarded-For": "192.0.2.1, 192.0.2.2, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "outer",
				"Forwarded": `for=192.0.2.1, for=127.0.0.1;host="outer";proto=http`},
		},
		{name: "host replaced", opts: []proxy.Option{proxy.WithHost("inner.example")}, request: "GET / HTTP/1.1\r\nHost: s\r\n\r\n", target: "/", host: "inner.example", has: map[string]string{"X-Forwarded-Host": "s"}},
		{name: "host of the upstream", opts: []proxy.Option{proxy.WithHost("")}, request: "GET / HTTP/1.1\r\nHost: s\r\n\r\n", target: "/", host: strings.TrimPrefix(up.URL, "http://")},
		{name: "no body", request: "POST / HTTP/1.1\r\nHost: s\r\n\r\n", target: "/", has: map[string]string{"Content-Length": "0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, front(t, up.URL, tt.opts...))
			fmt.Fprint(c, tt.request)
			r := <-seen
			if r.RequestURI != tt.target {
				t.Errorf("target %q, want %q", r.RequestURI, tt.target)
			}
			if tt.host != "" && r.Host != tt.host {
				t.Errorf("host %q, want %q", r.Host, tt.host)
			}
			for name, want := range tt.has {
				if got := r.Header[name]; strings.Join(got, "|") != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if res, err := nethttp.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
				t.Errorf("%v, %v", res, err)
			}
		})
	}
}

func TestPathBelowAMount(t *testing.T) {
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, r.RequestURI) })
	app := http.New()
	app.Mount("/api", proxy.New(up.URL+"/base/"), http.Inline, http.StreamBody)
	app.Any("/whole/{rest...}", proxy.New(up.URL), http.Inline, http.StreamBody)
	addr := run(t, app)
	for path, want := range map[string]string{
		"/api/x%2Fy?q":     "/base/x%2Fy?q",
		"/%61pi/x":         "/base/x",
		"/api/":            "/base/",
		"/api%2Fx%20y":     "/base/x%20y",
		"/whole/x":         "/whole/x",
		"/whole/%C3%A4%25": "/whole/%C3%A4%25",
	} {
		c := dial(t, addr)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n", path)
		res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
		if got := body(t, res, err); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// Dot segments would leave the base of the upstream. An App redirects them; a Server without one leaves them in.
func TestDotSegmentsAreRefused(t *testing.T) {
	up := upstream(t, func(nethttp.ResponseWriter, *nethttp.Request) { t.Error("the upstream was asked") })
	s := &http.Server{Handler: proxy.New(up.URL + "/base")}
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	for _, path := range []string{"/../x", "/a/..", "/a/%2e%2E/b", "/a%2f..%2fb", "/./", `/a\..\b`, "/a%5c..%5Cb", "/a/..;/b", "/a/..;x=1/b", "/a/..%3b/b", "/a/.;"} {
		c := dial(t, addr.String())
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: s\r\n\r\n", path)
		if res, err := nethttp.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 400 {
			t.Errorf("%s: %v, %v", path, res, err)
		}
	}
}

func TestResponses(t *testing.T) {
	big := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(big)
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		h := w.Header()
		switch r.URL.Path {
		case "/plain":
			h.Add("Set-Cookie", "a=1")
			h.Add("Set-Cookie", "b=2")
			h.Set("Server", "theirs")
			io.WriteString(w, "plain")
		case "/big":
			h.Set("Content-Length", fmt.Sprint(len(big)))
			w.Write(big)
		case "/chunked":
			w.(nethttp.Flusher).Flush()
			w.Write(big)
		case "/trailers":
			h.Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.(nethttp.Flusher).Flush()
			h.Set("X-Sum", "42")
		case "/204":
			w.WriteHeader(204)
		case "/304":
			h.Set("Etag", `"x"`)
			w.WriteHeader(304)
		case "/hints":
			h.Set("Link", "</a.css>")
			w.WriteHeader(103)
			h.Del("Link")
			io.WriteString(w, "after")
		case "/hop":
			h.Set("Connection", "X-Hop")
			h.Set("X-Hop", "1")
			h.Set("Keep-Alive", "timeout=5")
			io.WriteString(w, "x")
		}
	})
	addr := front(t, up.URL)
	cl := client(t)
	get := func(method, path string) (*nethttp.Response, string) {
		req, err := nethttp.NewRequestWithContext(t.Context(), method, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := cl.Do(req)
		return res, body(t, res, err)
	}
	if res, got := get("GET", "/plain"); got != "plain" || len(res.Header["Set-Cookie"]) != 2 || res.Header.Get("Server") != "theirs" || len(res.Header["Date"]) != 1 || res.ContentLength != 5 {
		t.Errorf("%q %v", got, res.Header)
	}
	if res, got := get("HEAD", "/plain"); got != "" || res.ContentLength != 5 {
		t.Errorf("HEAD: %q %d", got, res.ContentLength)
	}
	for _, path := range []string{"/big", "/chunked"} {
		if res, got := get("GET", path); got != string(big) || (path == "/big") != (res.ContentLength == int64(len(big))) {
			t.Errorf("%s: %d bytes, length %d", path, len(got), res.ContentLength)
		}
	}
	if res, got := get("GET", "/trailers"); got != "body" || res.Trailer.Get("X-Sum") != "42" {
		t.Errorf("trailers: %q %v", got, res.Trailer)
	}
	if res, _ := get("GET", "/204"); res.StatusCode != 204 || res.Header.Get("Content-Length") != "" {
		t.Errorf("204: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := get("GET", "/304"); res.StatusCode != 304 || res.Header.Get("Etag") != `"x"` {
		t.Errorf("304: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := get("GET", "/hop"); res.Header.Get("X-Hop") != "" || res.Header.Get("Keep-Alive") != "" {
		t.Errorf("hop by hop: %v", res.Header)
	}
	c := dial(t, addr)
	fmt.Fprint(c, "GET /hints HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n") || !strings.HasSuffix(string(all), "after") {
		t.Errorf("early hints: %q, %v", all, err)
	}
	c = dial(t, addr)
	fmt.Fprint(c, "GET /chunked HTTP/1.0\r\n\r\n")
	if all, err = io.ReadAll(c); err != nil || !bytes.HasSuffix(all, append([]byte("\r\n\r\n"), big...)) {
		t.Errorf("HTTP/1.0: %d bytes, %v", len(all), err)
	}
}

func TestUploads(t *testing.T) {
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %d %v %v %q", n, r.ContentLength, r.TransferEncoding, err, r.Trailer.Get("X-Sum"))
	})
	for name, opts := range map[string][]http.RouteOption{
		"relayed":   {http.Inline, http.StreamBody},
		"streamed":  {http.StreamBody},
		"gathered":  {},
		"on a loop": {http.Inline},
	} {
		t.Run(name, func(t *testing.T) {
			app := http.New()
			app.Mount("/", proxy.New(up.URL), append(opts, http.MaxBody(64<<20))...)
			addr := run(t, app)
			const size = 5 << 20
			sized := true
			for _, known := range []int64{size, -1} {
				req, err := nethttp.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/", io.LimitReader(zeros{}, size))
				if err != nil {
					t.Fatal(err)
				}
				req.ContentLength = known
				req.Header.Set("Expect", "100-continue")
				want := fmt.Sprintf("%d %d [] <nil> %q", size, size, "")
				if known < 0 {
					req.Trailer = nethttp.Header{"X-Sum": {"7"}}
					want = fmt.Sprintf("%d -1 [chunked] <nil> %q", size, "7")
				}
				res, err := client(t).Do(req)
				if got := body(t, res, err); got != want {
					t.Errorf("known length %v: %s, want %s", sized, got, want)
				}
				sized = false
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An upstream that answers before it has the body must be heard.
func TestEarlyAnswerToAnUpload(t *testing.T) {
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Error(w, "too big", nethttp.StatusRequestEntityTooLarge)
	})
	c := dial(t, front(t, up.URL))
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
	res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
	if got := body(t, res, err); res.StatusCode != 413 || got != "too big\n" {
		t.Errorf("%d %q", res.StatusCode, got)
	}
}

// scripted is an upstream that says what it is told, whatever it is asked: a script for each connection.
func scripted(t *testing.T, scripts ...func(c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			scripts[min(i, len(scripts)-1)](c, bufio.NewReader(c))
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func says(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		if _, err := nethttp.ReadRequest(r); err == nil {
			io.WriteString(c, text)
		}
	}
}

func TestHostileResponses(t *testing.T) {
	for name, text := range map[string]string{
		"length and chunked":        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":               "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"the same length twice":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"length with a sign":        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
		"obs-fold":                  "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		"blank before the colon":    "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"NUL in a value":            "HTTP/1.1 200 OK\r\nX-A: \x00\r\nContent-Length: 0\r\n\r\n",
		"bare line feeds":           "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"bare carriage return":      "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
		"another coding":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"chunked twice":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked in 1.0":            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"no HTTP":                   "SSH-2.0-OpenSSH_9.9\r\n",
		"HTTP/2":                    "HTTP/2.0 200 OK\r\n\r\n",
		"status of two digits":      "HTTP/1.1 20 OK\r\n\r\n",
		"status 999":                "HTTP/1.1 999 OK\r\n\r\n",
		"204 with a body":           "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
		"103 with a body":           "HTTP/1.1 103 Early\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"101 that nobody asked for": "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"endless header":            "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000),
		"too many fields":           "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000) + "\r\n",
		"nothing":                   "",
		"half a head":               "HTTP/1.1 200 OK\r\nContent-",
	} {
		t.Run(name, func(t *testing.T) {
			addr := front(t, scripted(t, says(text), says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")))
			c := dial(t, addr)
			in := bufio.NewReader(c)
			fmt.Fprint(c, "GET /1 HTTP/1.1\r\nHost: s\r\n\r\n")
			res, err := nethttp.ReadResponse(in, nil)
			if got := body(t, res, err); res.StatusCode != 502 || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %v %q", res.StatusCode, res.Header, got)
			}
			fmt.Fprint(c, "GET /2 HTTP/1.1\r\nHost: s\r\n\r\n")
			if res, err = nethttp.ReadResponse(in, nil); body(t, res, err) != "next" {
				t.Errorf("the next request was answered by %d", res.StatusCode)
			}
		})
	}
}

// A body that goes wrong behind its head cannot be 502 any more: the client must see that it is not whole.
func TestResponsesThatBreakOff(t *testing.T) {
	for name, text := range map[string]string{
		"short of its length":   "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"no last chunk":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"bad chunk size":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n",
		"chunk without its end": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!0\r\n\r\n",
		"framing in trailers":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			res, err := client(t).Get("http://" + front(t, scripted(t, says(text))))
			if err != nil {
				return // nothing of it had been sent yet
			}
			defer res.Body.Close()
			if res.StatusCode == 502 {
				return // nor had anything here
			}
			if b, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%d %q was taken for whole", res.StatusCode, b)
			}
		})
	}
}

// Bytes behind a response, or on a connection that is idle, would be taken for the answer to the next request.
func TestResponseThatNobodyAskedFor(t *testing.T) {
	const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
	const good = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
	addr := front(t, scripted(t, says(good+stray), says(good)))
	cl := client(t)
	for range 2 {
		res, err := cl.Get("http://" + addr)
		if got := body(t, res, err); got != "good" {
			t.Errorf("got %q", got)
		}
	}
}

// A connection that the upstream closes just when it is used again: what is idempotent is sent once more, the rest is not.
func TestStaleConnection(t *testing.T) {
	for _, tt := range []struct {
		method, body string
		status       int
	}{{"GET", "", 200}, {"PUT", "abc", 200}, {"DELETE", "", 200}, {"POST", "abc", 502}} {
		t.Run(tt.method, func(t *testing.T) {
			const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
			addr := front(t, scripted(t, func(c net.Conn, r *bufio.Reader) {
				says(ok)(c, r)
				_, _ = nethttp.ReadRequest(r) // and hangs up on the second
			}, says(ok)))
			cl := client(t)
			res, err := cl.Get("http://" + addr)
			body(t, res, err)
			req, err := nethttp.NewRequestWithContext(t.Context(), tt.method, "http://"+addr, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err = cl.Do(req)
			if body(t, res, err); res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
		})
	}
}

func TestConnectionsAreKept(t *testing.T) {
	remotes := make(chan string, 10)
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { remotes <- r.RemoteAddr })
	addr := front(t, up.URL)
	cl := client(t)
	var seen []string
	for range 5 {
		res, err := cl.Post("http://"+addr, "text/plain", strings.NewReader("x"))
		body(t, res, err)
		seen = append(seen, <-remotes)
	}
	if seen = slices.Compact(seen); len(seen) != 1 {
		t.Errorf("%d connections for 5 requests", len(seen))
	}
}

func TestTimeouts(t *testing.T) {
	hang := func(c net.Conn, r *bufio.Reader) {
		_, _ = nethttp.ReadRequest(r)
		_, _ = io.Copy(io.Discard, r)
	}
	addr := front(t, scripted(t, hang), proxy.WithResponseTimeout(50*time.Millisecond))
	res, err := client(t).Get("http://" + addr)
	if body(t, res, err); res.StatusCode != 504 {
		t.Errorf("no answer: status %d", res.StatusCode)
	}
	addr = front(t, scripted(t, func(c net.Conn, r *bufio.Reader) {
		says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")(c, r)
		_, _ = io.Copy(io.Discard, r)
	}), proxy.WithIdleTimeout(50*time.Millisecond))
	res, err = client(t).Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a body: %q, %v", b, err)
	}
}

func TestUnreachableUpstream(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + l.Addr().String()
	l.Close()
	res, err := client(t).Get("http://" + front(t, dead))
	if body(t, res, err); res.StatusCode != 502 {
		t.Errorf("status %d", res.StatusCode)
	}
	// With another one beside it no request is lost, not even one that must not be repeated: nothing of it was sent.
	up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { _, _ = io.Copy(w, r.Body) })
	addr := front(t, dead, proxy.WithUpstreams(up.URL))
	cl := client(t)
	for range 6 {
		res, err := cl.Post("http://"+addr, "text/plain", strings.NewReader("hello"))
		if got := body(t, res, err); got != "hello" {
			t.Errorf("%d %q", res.StatusCode, got)
		}
	}
}

func TestUpstreamsTakeTurns(t *testing.T) {
	var urls []string
	for i := range 3 {
		urls = append(urls, upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, i) }).URL)
	}
	addr := front(t, urls[0], proxy.WithUpstreams(urls[1:]...))
	cl := client(t)
	count := map[string]int{}
	for range 9 {
		res, err := cl.Get("http://" + addr)
		count[body(t, res, err)]++
	}
	if count["0"] != 3 || count["1"] != 3 || count["2"] != 3 {
		t.Errorf("turns: %v", count)
	}
}

func TestUnixUpstream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &nethttp.Server{Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.WriteString(w, "over "+r.Host)
	})}}
	s.Start()
	defer s.Close()
	res, err := client(t).Get("http://" + front(t, "unix:"+path, proxy.WithHost("")))
	if got := body(t, res, err); got != "over localhost" {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestTargets(t *testing.T) {
	for _, target := range []string{"", "127.0.0.1:80", "ftp://x", "https://", "https://u@h", "https://h?x", "http://", "http://u@h", "http://h?x", "http://h#f", "http://h/../x", "unix:", "http://h:99999"} {
		if _, err := proxy.Open(target); err == nil {
			t.Errorf("%q was taken", target)
		}
	}
}

func mount(app *http.App, target string) {
	app.Mount("/", proxy.New(target), http.Inline, http.StreamBody)
}
