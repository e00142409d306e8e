package ws

import (
	"context"
	"errors"
	"io"
	stdhttp "net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// dialed dials and closes the client behind the test.
func dialed(t testing.TB, url string, h Handler, opts ...DialOption) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url, opts = dialedSide(url, opts)
	c, err := Dial(ctx, url, h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ended(t, c) })
	return c
}

// ended closes a client, if need be, and waits for its end.
func ended(t testing.TB, c *Client) {
	t.Helper()
	c.Close(CodeNormalClosure, "")
	wait(t, "end of the client", c.Done())
}

// refusedBy dials what must fail.
func refusedBy(t testing.TB, url string, opts ...DialOption) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url, opts = dialedSide(url, opts)
	c, err := Dial(ctx, url, newRecorder(), opts...)
	if err == nil {
		c.Close(CodeNormalClosure, "")
		t.Fatal("Dial succeeded")
	}
	return err
}

// inbox is a handler that keeps messages.
type inbox struct {
	*recorder
	messages chan string
}

func newInbox() *inbox {
	in := &inbox{newRecorder(), make(chan string, 1000)}
	in.onMessage = func(_ *Conn, _ Op, p []byte) { in.messages <- string(p) }
	return in
}

func TestDial(t *testing.T) {
	addr := start(t, newRecorder(), WithSubprotocols("chat"))
	in := newInbox()
	c := dialed(t, "ws://"+addr+"/ws", in, WithSubprotocols("other", "chat"))
	conn := wait(t, "OnOpen", in.opened)
	if c.Conn() != conn || conn.Client() != c || c.Connections() != 1 || conn.Subprotocol() != "chat" {
		t.Error(c.Conn(), conn.Client(), c.Connections(), conn.Subprotocol())
	}
	for _, s := range []string{"", "hello", strings.Repeat("x", 70000)} {
		if err := c.Send(OpText, []byte(s)); err != nil {
			t.Fatal(err)
		}
		if got := wait(t, "echo", in.messages); got != s {
			t.Errorf("%.20q, want %.20q", got, s)
		}
	}
	if err := c.SendPrepared(Prepare(OpBinary, []byte("prepared"))); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, "echo", in.messages); got != "prepared" {
		t.Error(got)
	}
	if err := c.Close(1005, "x"); !errors.Is(err, ErrBadClose) {
		t.Error("bad close:", err)
	}
	if err := c.Close(4001, "done"); err != nil {
		t.Error(err)
	}
	wait(t, "end", c.Done())
	if got := wait(t, "OnClose", in.closed); got.code != 4001 {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	if !errors.Is(c.Err(), &CloseError{Code: 4001}) || c.Conn() != nil {
		t.Error(c.Err(), c.Conn())
	}
	if err := c.Send(OpText, nil); !errors.Is(err, ErrNotConnected) {
		t.Error("Send after the end:", err)
	}
	if err := c.Close(1000, ""); !errors.Is(err, ErrClosed) {
		t.Error("second Close:", err)
	}
}

// TestAnswerVerified goes through RFC 6455 section 4.1, what the client does with the
// server's answer, point by point.
func TestAnswerVerified(t *testing.T) {
	without := func(name string) func(string) string {
		return func(head string) string {
			var kept string
			for line := range strings.Lines(head) {
				if !strings.HasPrefix(line, name+":") {
					kept += line
				}
			}
			return kept
		}
	}
	with := func(lines string) func(string) string {
		return func(head string) string { return strings.TrimSuffix(head, "\r\n") + lines + "\r\n\r\n" }
	}
	instead := func(name, lines string) func(string) string {
		return func(head string) string { return with(lines)(without(name)(head)) }
	}
	swap := func(old, with string) func(string) string {
		return func(head string) string { return strings.Replace(head, old, with, 1) }
	}
	for _, c := range []struct {
		name   string
		change func(string) string // of a good answer that agrees on "b"
		wrong  string              // of the error; "": good
	}{
		{"good", with("Sec-WebSocket-Protocol: b"), ""},
		{"no subprotocol", with("X: y"), ""},
		{"1: 200", swap("101 Switching Protocols", "200 OK"), "200 OK"},
		{"1: HTTP/1.0", swap("HTTP/1.1", "HTTP/1.0"), "not HTTP/1.1"},
		{"1: HTTP/2.0", swap("HTTP/1.1", "HTTP/2.0"), "status line"},
		{"1: an informational answer before", func(s string) string { return "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + s }, ""},
		{"2: no Upgrade", without("Upgrade"), "Upgrade is not websocket"},
		{"2: Upgrade in other case", swap("Upgrade: websocket", "upgrade: WebSocket"), ""},
		{"2: Upgrade to another", swap("Upgrade: websocket", "Upgrade: h2c"), "Upgrade is not websocket"},
		{"2: Upgrade to two", swap("Upgrade: websocket", "Upgrade: websocket, h2c"), "Upgrade is not websocket"},
		{"3: no Connection", without("Connection"), "Connection does not"},
		{"3: Connection without the token", swap("Connection: Upgrade", "Connection: keep-alive"), "Connection does not"},
		{"3: Connection with others", swap("Connection: Upgrade", "Connection: keep-alive, uPGRADE"), ""},
		{"3: Connection in two lines", with("Connection: x"), ""},
		{"4: no Accept", without("Sec-WebSocket-Accept"), "Sec-WebSocket-Accept"},
		{"4: Accept of another key", instead("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "Sec-WebSocket-Accept"},
		{"4: Accept twice", with("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "Sec-WebSocket-Accept"},
		{"4: blanks around Accept", swap("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: \t "), ""},
		{"5: an extension", with("Sec-WebSocket-Extensions: permessage-deflate"), "extension"},
		{"5: an unknown extension", with("Sec-WebSocket-Extensions: x-foo; a=1"), "extension"},
		{"6: another subprotocol", with("Sec-WebSocket-Protocol: c"), "subprotocol"},
		{"6: subprotocol in other case", with("Sec-WebSocket-Protocol: B"), "subprotocol"},
		{"6: two subprotocols", with("Sec-WebSocket-Protocol: a, b"), "subprotocol"},
		{"6: subprotocol twice", with("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b"), "subprotocol"},
		{"6: empty subprotocol", with("Sec-WebSocket-Protocol: "), "subprotocol"},
		{"bare LF", func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }, "status line"},
		{"NUL", with("X: a\x00b"), "malformed header line"},
		{"folded line", with("X: a\r\n b"), "malformed header line"},
		{"blank before the colon", with("X : a"), "malformed header line"},
		{"no HTTP", func(string) string { return "SSH-2.0-OpenSSH_9.9\r\n" }, "status line"},
		{"TLS", func(string) string { return "\x15\x03\x01\x00\x02\x02\x46" }, "status line"},
		{"head too long", with("X: " + strings.Repeat("x", maxAnswerHead)), "header block too large"},
		{"head without end", func(s string) string { return s[:len(s)-2] + strings.Repeat("X: y\r\n", maxAnswerHead/6) }, "too many header lines"},
		{"a line end of its own", with("X: a\nY: b"), "malformed header line"},
		{"a body behind 101", with("Content-Length: 5"), "101 with a body"},
		{"informational answers without end", func(string) string { return strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000) }, "longer than 16 KiB"},
		{"nothing", func(string) string { return "" }, "unexpected EOF"},
		{"half an answer", func(s string) string { return s[:len(s)-2] }, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := script(t, func(p *peer) {
				p.send(c.change(p.good("")))
				if c.wrong == "" {
					p.serveEcho()
				}
				closeWriting(p.Conn)
				p.waitEOF()
			})
			if c.wrong == "" {
				in := newInbox()
				client := dialed(t, "ws://"+addr, in, WithSubprotocols("a", "b"))
				client.Send(OpText, []byte("x"))
				wait(t, "echo", in.messages)
				return
			}
			err := refusedBy(t, "ws://"+addr, WithSubprotocols("a", "b"))
			var refused *HandshakeError
			if errors.As(err, &refused) == strings.Contains(c.wrong, "EOF") || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%v, want %q", err, c.wrong)
			}
		})
	}
}

// TestAnswerSplit cuts the answer, and what comes right behind it, at every byte.
func TestAnswerSplit(t *testing.T) {
	cuts := make(chan int, 1)
	addr := script(t, func(p *peer) {
		at := <-cuts
		all := join([]byte(p.good("X: y\r\n")), fromServer1(ws.OpText, "early"), fromServer1(ws.OpPing, "p"), fromServer1(ws.OpText, "later"))
		if at == 0 {
			for i := range all {
				p.Write(all[i : i+1])
			}
		} else {
			at = min(at, len(all))
			p.Write(all[:at])
			p.Write(all[at:])
		}
		p.want(ws.OpPong, "p")
		p.serveEcho()
	})
	for at := range 190 {
		in := newInbox()
		cuts <- at
		c := dialed(t, "ws://"+addr, in)
		for _, want := range []string{"early", "later"} {
			if got := wait(t, "message", in.messages); got != want {
				t.Fatalf("cut at %d: %q, want %q", at, got, want)
			}
		}
		ended(t, c)
	}
}

// TestRefusal hands out what the server said.
func TestRefusal(t *testing.T) {
	long := strings.Repeat("x", 3*maxAnswerBody)
	for _, c := range []struct {
		name, answer string
		status       int
		body         string
		hold         bool // the server does not close
	}{
		{"403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nX-Why: because\r\n\r\nno, n", 403, "no, n", true},
		{"chunked", "HTTP/1.1 503 Busy\r\nX-Why: because\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno,\r\n2\r\n n\r\n0\r\n\r\n", 503, "no, n", true},
		{"up to the end", "HTTP/1.1 400 Bad\r\nX-Why: because\r\n\r\nno, n", 400, "no, n", false},
		{"without body", "HTTP/1.1 204 No Content\r\nX-Why: because\r\n\r\n", 204, "", true},
		{"long", "HTTP/1.1 500 Oops\r\nX-Why: because\r\nContent-Length: 100000\r\n\r\n" + long, 500, long[:maxAnswerBody], true},
		{"long, chunked", "HTTP/1.1 500 Oops\r\nX-Why: because\r\nTransfer-Encoding: chunked\r\n\r\n3000\r\n" + long, 500, long[:maxAnswerBody], true},
		{"long, up to the end", "HTTP/1.1 500 Oops\r\nX-Why: because\r\n\r\n" + long, 500, long[:maxAnswerBody], true},
		{"cut off", "HTTP/1.1 500 Oops\r\nX-Why: because\r\nContent-Length: 100\r\n\r\nno, n", 500, "no, n", false},
		{"broken chunks", "HTTP/1.1 500 Oops\r\nX-Why: because\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nno, n\r\nzz\r\n", 500, "no, n", true},
		{"redirect, not followed", "HTTP/1.1 302 Found\r\nX-Why: because\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", 302, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := script(t, func(p *peer) {
				half := len(c.answer) / 2
				p.send(c.answer[:half])
				p.send(c.answer[half:])
				if c.hold {
					p.waitEOF()
				}
			})
			err := refusedBy(t, "ws://"+addr)
			var refused *HandshakeError
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
			if refused.Status != c.status || string(refused.Body) != c.body || refused.Header.Get("X-Why") != "because" || refused.Proxy {
				t.Errorf("%d, %d bytes %.20q, %v", refused.Status, len(refused.Body), refused.Body, refused.Header)
			}
		})
	}
}

// TestRequest looks at what is sent.
func TestRequest(t *testing.T) {
	reqs := make(chan *stdhttp.Request, 1)
	addr := script(t, func(p *peer) {
		reqs <- p.req
		p.send(p.good("Set-Cookie: again=1\r\n"))
		p.serveEcho()
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for i := range 2 {
		dialed(t, "ws://me:se%20cret@"+addr+"/a%2Fb?q=x y\xc3\xa9&z", NopHandler{},
			WithSubprotocols("a", "b"), WithHeader("X-One", "1"), WithHeader("X-One", "2"), WithCookieJar(jar),
			WithRequest(func(r *stdhttp.Request) error {
				r.Header.Set("X-Token", "fresh")
				r.URL.RawQuery += "&last=7"
				r.Method, r.Body = "POST", io.NopCloser(strings.NewReader("not sent"))
				return nil
			}))
		r := wait(t, "request", reqs)
		user, password, _ := r.BasicAuth()
		h := r.Header
		keys[h.Get("Sec-WebSocket-Key")] = true
		if r.Method != "GET" || r.RequestURI != "/a%2Fb?q=x%20y%C3%A9&z&last=7" || r.Host != addr || user != "me" || password != "se cret" ||
			r.ContentLength != 0 || h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" || h.Get("Sec-WebSocket-Version") != "13" ||
			!validKey(h.Get("Sec-WebSocket-Key")) || h.Get("Sec-WebSocket-Protocol") != "a, b" ||
			strings.Join(h["X-One"], "|") != "1|2" || h.Get("X-Token") != "fresh" || h["User-Agent"] != nil || h["Origin"] != nil {
			t.Errorf("%s %s %v", r.Method, r.RequestURI, h)
		}
		if got := h.Get("Cookie"); (got == "again=1") != (i == 1) {
			t.Errorf("request %d: cookie %q", i, got)
		}
	}
	if len(keys) != 2 {
		t.Error("the same key twice")
	}
	dialed(t, "ws://"+addr, NopHandler{}, WithHeader("Host", "example.com:81"), WithHeader("User-Agent", "me"))
	if r := wait(t, "request", reqs); r.Host != "example.com:81" || r.RequestURI != "/" || r.UserAgent() != "me" {
		t.Error(r.Host, r.RequestURI, r.UserAgent())
	}
	err = refusedBy(t, "ws://"+addr, WithRequest(func(r *stdhttp.Request) error { r.Header.Set("X", "a\nb"); return nil }))
	if !errors.Is(err, ErrBadRequest) {
		t.Error("a line end in a value:", err)
	}
	err = refusedBy(t, "ws://"+addr, WithRequest(func(r *stdhttp.Request) error { return io.ErrNoProgress }))
	if !errors.Is(err, io.ErrNoProgress) {
		t.Error("WithRequest failed:", err)
	}
}

func TestDialURL(t *testing.T) {
	for url, want := range map[string]error{
		"ftp://example.com/":          ErrBadURL,
		"example.com":                 ErrBadURL,
		"ws:example.com":              ErrBadURL,
		"ws:///path":                  ErrBadURL,
		"ws://:80/":                   ErrBadURL,
		"ws://example.com/#part":      ErrBadURL,
		"ws://example.com/#":          ErrBadURL,
		"ws://example.com:0/":         ErrBadURL,
		"ws://example.com:65536/":     ErrBadURL,
		"ws://example.com:x/":         ErrBadURL,
		"ws://exa mple.com/":          ErrBadURL,
		"ws://example.com/\x00":       ErrBadURL,
		"ws://[::1/":                  ErrBadURL,
		"ws://me:pass@example.com:0/": ErrBadURL,
	} {
		err := refusedBy(t, url)
		if !errors.Is(err, want) || strings.Contains(err.Error(), "pass") {
			t.Errorf("%q: %v, want %v", url, err, want)
		}
	}
	for raw, want := range map[string]target{
		"ws://example.com":         {host: "example.com", port: 80},
		"ws://example.com:":        {host: "example.com", port: 80},
		"http://[::1]:8080/x":      {host: "::1", port: 8080},
		"ws://[fe80::1%25eth0]/x?": {host: "fe80::1%eth0", port: 80},
		"wss://example.com":        {host: "example.com", port: 443},
		"https://example.com:80/x": {host: "example.com", port: 80},
	} {
		got, err := parseTarget(raw)
		if err != nil || got.host != want.host || got.port != want.port {
			t.Errorf("%q: %v %v, %v", raw, got.host, got.port, err)
		}
	}
}

func TestDialOptionsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"line end in a header":     func() { WithHeader("X", "a\r\nb") },
		"header name":              func() { WithHeader("X Y", "a") },
		"the handshake's own":      func() { WithHeader("sec-websocket-key", "a") },
		"Connection":               func() { WithHeader("connection", "close") },
		"no time to shake hands":   func() { WithHandshakeTimeout(0) },
		"delays the wrong way":     func() { WithReconnect(2, 1) },
		"no delay":                 func() { WithReconnect(0, 1) },
		"Unix socket without path": func() { WithUnixSocket("") },
		"Dial without a handler":   func() { Dial(context.Background(), "ws://example.com", nil) },
		"no function":              func() { StreamHandler(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
