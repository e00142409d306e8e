package ws

import (
	"slices"
	"strings"
	"testing"
)

// request is a client's opening request as lines of header.
func (hs *handshake) read(header string) {
	for line := range strings.Lines(header) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		hs.add(name, value)
	}
}

const goodHandshake = "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"

func TestHandshakeVerify(t *testing.T) {
	without := func(name string) string {
		var kept string
		for line := range strings.Lines(goodHandshake) {
			if !strings.HasPrefix(line, name+":") {
				kept += line
			}
		}
		return kept
	}
	with := func(name, value string) string { return without(name) + name + ": " + value + "\n" }
	for _, c := range []struct {
		name, method, proto, header string
		want                        *refusal
	}{
		{"good", "GET", "HTTP/1.1", goodHandshake, nil},
		{"POST", "POST", "HTTP/1.1", goodHandshake, refuseMethod},
		{"HEAD", "HEAD", "HTTP/1.1", goodHandshake, refuseMethod},
		{"HTTP/1.0", "GET", "HTTP/1.0", goodHandshake, refuseProto},
		{"no Upgrade", "GET", "HTTP/1.1", without("Upgrade"), askUpgrade},
		{"Upgrade to another", "GET", "HTTP/1.1", with("Upgrade", "h2c"), askUpgrade},
		{"Upgrade among others, in capitals", "GET", "HTTP/1.1", with("Upgrade", "h2c,\tWEBSOCKET"), nil},
		{"Upgrade is a word, not a part of one", "GET", "HTTP/1.1", with("Upgrade", "websockets"), askUpgrade},
		{"no Connection", "GET", "HTTP/1.1", without("Connection"), refuseConnection},
		{"Connection without upgrade", "GET", "HTTP/1.1", with("Connection", "keep-alive"), refuseConnection},
		{"Connection of Firefox", "GET", "HTTP/1.1", with("Connection", "keep-alive, Upgrade"), nil},
		{"Connection in two lines", "GET", "HTTP/1.1", "Connection: keep-alive\n" + goodHandshake, nil},
		{"Connection, empty elements", "GET", "HTTP/1.1", with("Connection", " ,, upgrade ,"), nil},
		{"no version", "GET", "HTTP/1.1", without("Sec-WebSocket-Version"), refuseVersion},
		{"version 8", "GET", "HTTP/1.1", with("Sec-WebSocket-Version", "8"), refuseVersion},
		{"version 130", "GET", "HTTP/1.1", with("Sec-WebSocket-Version", "130"), refuseVersion},
		{"version list", "GET", "HTTP/1.1", with("Sec-WebSocket-Version", "13, 8"), refuseVersion},
		{"two versions", "GET", "HTTP/1.1", goodHandshake + "Sec-WebSocket-Version: 13\n", refuseVersion},
		{"no key", "GET", "HTTP/1.1", without("Sec-WebSocket-Key"), refuseKey},
		{"empty key", "GET", "HTTP/1.1", with("Sec-WebSocket-Key", ""), refuseKey},
		{"key of 15 bytes", "GET", "HTTP/1.1", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"), refuseKey},
		{"key of 17 bytes", "GET", "HTTP/1.1", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE="), refuseKey},
		{"key of 18 bytes", "GET", "HTTP/1.1", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTEy"), refuseKey},
		{"key without padding", "GET", "HTTP/1.1", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), refuseKey},
		{"key that is not base64", "GET", "HTTP/1.1", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j!Q=="), refuseKey},
		{"key in the URL alphabet", "GET", "HTTP/1.1", with("Sec-WebSocket-Key", "_GhlIHNhbXBsZSBub25jZQ=="), refuseKey},
		{"two keys", "GET", "HTTP/1.1", goodHandshake + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", refuseKey},
		{"extensions, any", "GET", "HTTP/1.1", goodHandshake + "Sec-WebSocket-Extensions: permessage-deflate; nonsense=\"9\", x-foo; =\n", nil},
		{"names in lower case", "GET", "HTTP/1.1", strings.ToLower(without("Sec-WebSocket-Key")) + "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n", nil},
	} {
		var hs handshake
		hs.read(c.header)
		if got := hs.verify(c.method, c.proto); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestAcceptKey is the example of RFC 6455 section 1.3.
func TestAcceptKey(t *testing.T) {
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
}

func TestSubprotocol(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"", ""},
		{"Sec-WebSocket-Protocol: chat.v1\n", "chat.v1"},
		{"Sec-WebSocket-Protocol: chat.v1, chat.v2\n", "chat.v2"},
		{"Sec-WebSocket-Protocol: chat.v1\nSec-WebSocket-Protocol:  chat.v2\n", "chat.v2"},
		{"Sec-WebSocket-Protocol: CHAT.V2, ,other\n", ""},
	} {
		var hs handshake
		hs.read(c.header)
		if got := hs.subprotocol([]string{"chat.v2", "chat.v1"}); got != c.want {
			t.Errorf("%q: %q, want %q", c.header, got, c.want)
		}
	}
}

func TestOrigin(t *testing.T) {
	for _, c := range []struct {
		origin, host string
		allowed      []string
		want         bool
	}{
		{"http://example.com", "example.com", nil, true},
		{"https://example.com", "example.com", nil, true},
		{"https://EXAMPLE.com", "example.COM", nil, true},
		{"http://example.com", "example.com:80", nil, true},
		{"https://example.com", "example.com:443", nil, true},
		{"http://example.com:443", "example.com", nil, false},
		{"http://example.com:8080", "example.com:8080", nil, true},
		{"http://example.com:8080", "example.com", nil, false},
		{"http://[::1]:8080", "[::1]:8080", nil, true},
		{"http://evil.example", "example.com", nil, false},
		{"http://example.com.evil.example", "example.com", nil, false},
		{"http://evil@example.com", "example.com", nil, false},
		{"http://example.com/path", "example.com", nil, false},
		{"example.com", "example.com", nil, false},
		{"null", "example.com", nil, false},
		{"", "example.com", nil, false},
		{"http://%zz", "example.com", nil, false},
		{"file://", "example.com", nil, false},

		{"https://app.example", "api.example", []string{"https://app.example"}, true},
		{"https://app.example:443", "api.example", []string{"https://app.example"}, true},
		{"http://app.example", "api.example", []string{"https://app.example"}, false},
		{"https://app.example:8443", "api.example", []string{"https://app.example"}, false},
		{"https://app.example:8443", "api.example", []string{"https://x.example", "https://App.example:8443"}, true},
		{"https://api.example", "api.example", []string{"https://app.example"}, true},
		{"https://a.app.example", "api.example", []string{"https://*.app.example"}, true},
		{"https://a.b.app.example", "api.example", []string{"https://*.app.example"}, true},
		{"https://app.example", "api.example", []string{"https://*.app.example"}, false},
		{"https://evilapp.example", "api.example", []string{"https://*.app.example"}, false},
		{"https://evil.example", "api.example", []string{"*"}, true},
		{"null", "api.example", []string{"*"}, true},
		{"null", "api.example", []string{"https://app.example"}, false},
	} {
		hs := handshake{}
		hs.add("Origin", c.origin)
		conf := defaults()
		WithOrigins(c.allowed...).applyToEndpoint(&conf)
		if got := hs.originAllowed(c.host, conf.origins); got != c.want {
			t.Errorf("origin %q, host %q, allowed %q: %v", c.origin, c.host, c.allowed, got)
		}
	}
	if !(&handshake{}).originAllowed("example.com", nil) {
		t.Error("a client without Origin is no browser, and was refused")
	}
	twice := handshake{}
	twice.read("Origin: http://example.com\nOrigin: http://example.com\n")
	if twice.originAllowed("example.com", nil) {
		t.Error("two Origins were let in")
	}
}

// TestOptionsPanic checks that what a programmer got wrong shows at set-up.
func TestOptionsPanic(t *testing.T) {
	wrong := map[string]func(){
		"origin without scheme":  func() { WithOrigins("app.example") },
		"origin with path":       func() { WithOrigins("https://app.example/") },
		"star in the middle":     func() { WithOrigins("https://a.*.example") },
		"subprotocol with blank": func() { WithSubprotocols("chat v1") },
		"empty subprotocol":      func() { WithSubprotocols("") },
		"no fragment":            func() { WithMaxFragments(0) },
		"negative message":       func() { WithMaxMessage(-1) },
		"no time for a pong":     func() { WithKeepalive(1, 0) },
		"no time to close":       func() { WithCloseTimeout(0) },
		"no handler":             func() { Endpoint(nil) },
	}
	for name, f := range wrong {
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

func FuzzHandshake(f *testing.F) {
	f.Add(goodHandshake, "http://example.com")
	f.Add("Connection: ,keep-alive, Upgrade,\n", "https://*.a:443")
	f.Fuzz(func(t *testing.T, header, origin string) {
		var hs handshake
		hs.read(header)
		hs.add("Origin", origin)
		if hs.verify("GET", "HTTP/1.1") == nil && (!validKey(hs.key) || hs.version != "13") {
			t.Errorf("%q passed", header)
		}
		if sub := hs.subprotocol([]string{"chat"}); sub != "" && !slices.Contains(hs.protocols, sub) {
			t.Errorf("%q was not offered", sub)
		}
		if hs.originAllowed("example.com", nil) && !strings.Contains(strings.ToLower(origin), "example.com") {
			t.Errorf("origin %q is not example.com", origin)
		}
	})
}
