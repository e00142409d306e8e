package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http/proxy"
)

// What any Connection line of a response names stays behind, not only what the first does.
func TestSecondConnectionLineOfAResponse(t *testing.T) {
	addr := front(t, scripted(t, says("HTTP/1.1 103 Early Hints\r\nConnection: X-A\r\nConnection: X-B\r\nX-A: 1\r\nX-B: 1\r\nLink: </a>\r\n\r\n"+
		"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nX-B: 1\r\nX-C: 1\r\nConnection: x-b\r\nContent-Length: 2\r\n\r\nok")))
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(c)
	if text := string(all); err != nil || strings.Contains(text, "X-A") || strings.Contains(text, "X-B") || !strings.Contains(text, "X-C: 1") ||
		!strings.Contains(text, "Link: </a>") {
		t.Errorf("%q, %v", text, err)
	}
}

// A tunnel to another HTTP would carry requests past all rules: the upstream is not asked for one, and the answer is a plain one.
func TestUpgradeToAnotherHTTP(t *testing.T) {
	for upgrade, passed := range map[string]bool{
		"h2c": false, "H2C": false, "websocket, h2c": false, "HTTP/2.0": false, "TLS/1.2": false, "websocket": true, "bells/1": true,
	} {
		seen := make(chan string, 1)
		up := upstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			seen <- r.Header.Get("Upgrade") + r.Header.Get("Connection") + r.Header.Get("Http2-Settings")
		})
		c := dial(t, front(t, up.URL))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: %s\r\n\r\n", upgrade)
		want := ""
		if passed {
			want = upgrade + "Upgrade"
		}
		if got := <-seen; got != want {
			t.Errorf("%s: the upstream was told %q, want %q", upgrade, got, want)
		}
		if res, err := nethttp.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			t.Errorf("%s: %v, %v", upgrade, res, err)
		}
	}
}

func TestEndlessInterimResponses(t *testing.T) {
	addr := front(t, scripted(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = nethttp.ReadRequest(r)
		for { // until it is hung up on
			if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); err != nil {
				return
			}
		}
	}))
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
	if all, err := io.ReadAll(c); err != nil || !strings.Contains(string(all), "HTTP/1.1 502 ") || strings.Count(string(all), "HTTP/1.1 103 ") > 100 {
		t.Errorf("%d bytes, %v", len(all), err)
	}
}

// Bodies that a response cannot have, whatever its header says.
func TestResponsesWithoutABody(t *testing.T) {
	for _, tt := range []struct{ method, text, want string }{
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "304"},
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204"},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200"},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200"},
		{"HEAD", "HTTP/1.1 200 OK\r\n\r\n", "200"},
	} {
		const next = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
		addr := front(t, scripted(t, func(c net.Conn, r *bufio.Reader) { says(tt.text)(c, r); says(next)(c, r) }))
		c := dial(t, addr)
		in := bufio.NewReader(c)
		fmt.Fprintf(c, "%s /1 HTTP/1.1\r\nHost: s\r\n\r\n", tt.method)
		res, err := nethttp.ReadResponse(in, &nethttp.Request{Method: tt.method})
		if got := body(t, res, err); got != "" || !strings.HasPrefix(res.Status, tt.want) {
			t.Errorf("%s %q: %s %q", tt.method, tt.text, res.Status, got)
			continue
		}
		io.WriteString(c, "GET /2 HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
		if res, err := nethttp.ReadResponse(in, nil); body(t, res, err) != "next" {
			t.Errorf("%s %q: the next was %d", tt.method, tt.text, res.StatusCode)
		}
	}
}

// An upstream that closes a connection it had kept is not down: a POST that met that is 502, and the next is asked there again.
func TestStaleConnectionIsNoFailure(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
	one := scripted(t, func(c net.Conn, r *bufio.Reader) {
		says(ok)(c, r)
		_, _ = nethttp.ReadRequest(r) // and hangs up on the second
	}, says(ok))
	two := scripted(t, says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntwo"))
	addr := front(t, one, proxy.WithUpstreams(two))
	answers := map[string]int{}
	ask := func(method string) {
		req, err := nethttp.NewRequestWithContext(t.Context(), method, "http://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client(t).Do(req)
		if text := body(t, res, err); res.StatusCode == 200 {
			answers[text]++
		} else {
			answers[res.Status]++
		}
	}
	ask("GET")
	ask("GET")
	for range 4 {
		ask("POST")
	}
	if answers["one"] != 2 || answers["two"] != 3 || answers["502 Bad Gateway"] != 1 {
		t.Errorf("%v", answers)
	}
}
