package ws

import (
	"errors"
	"io"
	"net"
	stdhttp "net/http"
	"net/url"
	"strings"
	"testing"
)

// proxy is a small proxy of CONNECT that answers by f, and relays when that is true.
func proxy(t testing.TB, f func(*peer) bool) *url.URL {
	t.Helper()
	addr := scriptOn(t, listen(t, "127.0.0.1:0"), func(p *peer) {
		var err error
		if p.req, err = stdhttp.ReadRequest(p.r); err != nil || !f(p) {
			return
		}
		server, err := net.Dial("tcp", p.req.RequestURI)
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			io.Copy(server, p.r)
			server.Close()
		}()
		io.Copy(p, server)
		p.Close()
		<-ended
	})
	return &url.URL{Scheme: "http", Host: addr}
}

func TestProxy(t *testing.T) {
	addr := start(t, newRecorder())
	asked := make(chan *stdhttp.Request, 1)
	through := proxy(t, func(p *peer) bool {
		asked <- p.req
		// Whatever length it announces: an answer to CONNECT has no body.
		p.send("HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n")
		return true
	})
	through.User = url.UserPassword("me", "secret")
	in := newInbox()
	c := dialed(t, "ws://"+addr, in, WithProxy(func(r *stdhttp.Request) (*url.URL, error) {
		if r.URL.Scheme != "http" || r.URL.Host != addr {
			t.Error(r.URL)
		}
		return through, nil
	}))
	r := wait(t, "CONNECT", asked)
	// "me:secret"
	if r.Method != "CONNECT" || r.RequestURI != addr || r.Host != addr || r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" || r.Header.Get("Sec-WebSocket-Key") != "" {
		t.Error(r.Method, r.RequestURI, r.Header)
	}
	c.Send(OpText, []byte("through"))
	if got := wait(t, "echo", in.messages); got != "through" {
		t.Error(got)
	}
}

func TestProxyRefuses(t *testing.T) {
	choose := func(u *url.URL) DialOption {
		return WithProxy(func(*stdhttp.Request) (*url.URL, error) { return u, nil })
	}
	answer := func(s string) *url.URL {
		return proxy(t, func(p *peer) bool {
			p.send(s)
			p.waitEOF()
			return false
		})
	}
	const example = "ws://example.com/"
	for _, c := range []struct {
		answer string
		status int
		body   string
	}{
		{"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwho", 407, "who"},
		{"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", 502, ""},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 101, ""},
		{"what?\r\n", 0, ""},
	} {
		err := refusedBy(t, example, choose(answer(c.answer)))
		var refused *HandshakeError
		if !errors.As(err, &refused) || !refused.Proxy || refused.Status != c.status || string(refused.Body) != c.body || !strings.Contains(err.Error(), "proxy") {
			t.Errorf("%.20q: %v", c.answer, err)
		}
	}
	if err := refusedBy(t, example, choose(answer("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 "))); !errors.Is(err, errBeforeAsked) {
		t.Error("bytes behind the proxy's answer:", err)
	}
	for _, bad := range []string{"socks5://127.0.0.1:1080", "https://127.0.0.1:1", "http://", "http://127.0.0.1:0"} {
		u, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if err := refusedBy(t, example, choose(u)); !errors.Is(err, ErrProxy) || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := refusedBy(t, example, WithProxy(func(*stdhttp.Request) (*url.URL, error) { return nil, io.ErrNoProgress })); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// TestProxyOfTheEnvironment: it is asked by default, and never for localhost.
func TestProxyOfTheEnvironment(t *testing.T) {
	conf := defaults()
	conf.dial = dialDefaults()
	if conf.dial.proxy == nil {
		t.Fatal("no proxy function")
	}
	req, err := stdhttp.NewRequest("GET", "http://127.0.0.1:80/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := conf.dial.proxy(req); u != nil || err != nil {
		t.Error(u, err)
	}
}
