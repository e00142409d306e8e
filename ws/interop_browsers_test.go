package ws

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// browsers are opening handshakes as these send them to example.com, but for the
// fields whose order and wording nobody looks at here.
var browsers = map[string]string{
	"Firefox": `GET /ws HTTP/1.1
Host: example.com
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: */*
Accept-Language: en-US,en;q=0.5
Accept-Encoding: gzip, deflate
Sec-WebSocket-Version: 13
Origin: http://example.com
Sec-WebSocket-Protocol: other, chat
Sec-WebSocket-Extensions: permessage-deflate
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Connection: keep-alive, Upgrade
Cookie: session=1; theme=dark
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: websocket
Sec-Fetch-Site: same-origin
Pragma: no-cache
Cache-Control: no-cache
Upgrade: websocket
`,
	"Chrome": `GET /ws HTTP/1.1
Host: example.com
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
Upgrade: websocket
Origin: http://example.com
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate
Accept-Language: en-US,en;q=0.9
Cookie: session=1; theme=dark
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: other, chat
`,
	"Safari": `GET /ws HTTP/1.1
Host: example.com
Origin: http://example.com
Sec-WebSocket-Protocol: other, chat
Pragma: no-cache
Accept: */*
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-Fetch-Site: same-origin
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate
Cache-Control: no-cache
Sec-Fetch-Mode: websocket
Cookie: session=1; theme=dark
User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15
Connection: Upgrade
Accept-Language: en-GB,en;q=0.9
Accept-Encoding: gzip, deflate
Upgrade: websocket
Sec-Fetch-Dest: websocket
`,
	"old Safari": `GET /ws HTTP/1.1
Upgrade: websocket
Connection: Upgrade
Host: example.com
Origin: http://example.com
Sec-WebSocket-Protocol: other, chat
Pragma: no-cache
Cache-Control: no-cache
Cookie: session=1; theme=dark
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: x-webkit-deflate-frame
User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_6) AppleWebKit/601.7.8 (KHTML, like Gecko) Version/9.1.3 Safari/537.86.7
`,
}

// TestBrowserHandshakes: each gets what it can make sense of, and nothing else.
func TestBrowserHandshakes(t *testing.T) {
	servers := map[string]*Deflate{
		"plain": nil, "deflate": {}, "takeover": {ContextTakeover: true},
		"small windows": {ContextTakeover: true, ServerWindowBits: 10, ClientWindowBits: 11},
	}
	const none, small = "", "; server_max_window_bits=10"
	want := map[string]map[string]string{
		"Firefox":    {"plain": none, "deflate": pmd + noContext, "takeover": pmd, "small windows": pmd + noClient + small},
		"Chrome":     {"plain": none, "deflate": pmd + noContext, "takeover": pmd, "small windows": pmd + small + "; client_max_window_bits=11"},
		"Safari":     {"plain": none, "deflate": pmd + noContext, "takeover": pmd, "small windows": pmd + noClient + small},
		"old Safari": {"plain": none, "deflate": none, "takeover": none, "small windows": none},
	}
	for name, d := range servers {
		opts := []EndpointOption{WithSubprotocols("chat")}
		if d != nil {
			opts = append(opts, WithDeflate(*d))
		}
		addr := start(t, newRecorder(), opts...)
		for browser, request := range browsers {
			t.Run(browser+" and "+name, func(t *testing.T) {
				request = strings.ReplaceAll(request, "\n", "\r\n")
				c := connect(t, addr)
				c.write(join([]byte(request+"\r\n"), text("plain")))
				resp := c.response()
				h := resp.Header
				if resp.StatusCode != 101 || h.Get("Sec-WebSocket-Protocol") != "chat" ||
					h.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
					strings.Join(h["Sec-Websocket-Extensions"], "|") != want[browser][name] {
					t.Fatal(resp.Status, h)
				}
				c.want(ws.OpText, "plain") // too short to be worth compressing
				c.write(closing1(1000, ""))
				c.wantClose(1000)

				c = connect(t, addr) // a page of another site
				c.write([]byte(strings.Replace(request, "Origin: http://", "Origin: http://not.", 1) + "\r\n"))
				if resp := c.response(); resp.StatusCode != 403 {
					t.Error("another origin:", resp.Status)
				}
			})
		}
	}
}
