package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
)

// askOver is ask over a connection that is there.
func askOver(t *testing.T, conn net.Conn, request string) (*nethttp.Response, string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// configFile writes a config and returns its file.
func configFile(t *testing.T, text string, args ...any) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "httpd.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, text, args...), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCurlOverTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", "localhost")
	body := noise(2_000_000)
	p := start(t, "-l", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--log", "json", site(t, map[string][]byte{"a b.bin": body}))
	if !strings.HasPrefix(p.urls[0], "https://127.0.0.1:") {
		t.Fatalf("announced %q", p.urls)
	}
	for version, flags := range map[string][]string{"TLS 1.2": {"--tlsv1.2", "--tls-max", "1.2"}, "TLS 1.3": {"--tlsv1.3"}} {
		dir := t.TempDir()
		args := slices.Concat([]string{"-sS", "-f", "--cacert", a.file, "-o", "whole", "-w", "%{http_code} %{size_download} %{ssl_verify_result}"}, flags, []string{p.url("/a%20b.bin")})
		if out := tool(t, dir, "curl", args...); out != "200 2000000 0" {
			t.Errorf("%s: curl says %q", version, out)
		}
		expectFile(t, filepath.Join(dir, "whole"), body)
		if line := p.stderr.await(t, `"tls":"`+version+`"`); !strings.Contains(line, `"cipher":"TLS_`) {
			t.Errorf("the log says %s", line)
		}
	}
	if res, text := ask(t, p.address(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 400 || !strings.Contains(text, "https://") {
		t.Errorf("plain HTTP: %d %q", res.StatusCode, text)
	}
}

func TestOldestVersionOfTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", "localhost")
	p := start(t, "-l", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--tls-min-version", "1.3", site(t, nil))
	for version, ok := range map[uint16]bool{tls.VersionTLS12: false, tls.VersionTLS13: true} {
		config := a.trusting("localhost")
		config.MaxVersion = version
		if _, err := shake(t, p.address(), config); (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

// Which certificate a client gets is what the sites say, and which site it gets is what its Host says.
func TestCertificatesOfSites(t *testing.T) {
	a := newAuthority(t)
	text := "listen = [\"https://127.0.0.1:0\"]\n"
	add := func(name string, hosts ...string) string {
		cert, key := a.issue(name, hosts...)
		return fmt.Sprintf("tls_cert = %q\ntls_key = %q\n", cert, key)
	}
	text += add("outside", "outside.example", "three.example") + fmt.Sprintf("root = %q\n", site(t, map[string][]byte{"a": []byte("outside")}))
	for _, s := range []struct{ name, host, pair string }{
		{"one", "one.example", add("one", "one.example")},
		{"below", "*.one.example", add("below", "*.one.example")},
		{"two", "two.example", add("two", "two.example", "other.example")},
		{"three", "three.example", ""},
	} {
		text += fmt.Sprintf("[[site]]\nhosts = [%q]\nroot = %q\n", s.host, site(t, map[string][]byte{"a": []byte(s.name)})) + s.pair
	}
	p := start(t, "-c", configFile(t, "%s", text))
	for _, tt := range []struct{ name, cert, body string }{
		{"one.example", "one", "one"}, {"ONE.example.", "one", "one"}, {"www.one.example", "below", "below"}, {"a.www.one.example", "below", "below"},
		{"two.example", "two", "two"}, {"three.example", "outside", "three"}, {"other.example", "two", "outside"},
		{"nobody.example", "outside", "outside"}, {"", "outside", "outside"}, {"127.0.0.1", "outside", "outside"},
	} {
		if got := a.serverName(p.address(), tt.name); got != tt.cert {
			t.Errorf("%q gets the certificate %q, want %q", tt.name, got, tt.cert)
		}
		config := a.trusting(strings.TrimSuffix(tt.name, "."))
		config.InsecureSkipVerify = tt.name == "" || tt.name == "nobody.example" || strings.HasPrefix(tt.name, "a.")
		c, err := shake(t, p.address(), config)
		if err != nil {
			t.Errorf("%q: %v", tt.name, err)
			continue
		}
		host := tt.name
		if host == "" {
			host = "x"
		}
		if res, body := askOver(t, c, "GET /a HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); res.StatusCode != 200 || body != tt.body {
			t.Errorf("%q: %d %q, want %q", tt.name, res.StatusCode, body, tt.body)
		}
	}
}

// A certificate that browsers will refuse is told at the start.
func TestWarningsAboutCertificates(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("one", "www.one.example")
	p := start(t, "-c", configFile(t, "listen = [\"https://127.0.0.1:0\"]\n[[site]]\nhosts = [\"one.example\", \"www.one.example\"]\nroot = %q\ntls_cert = %q\ntls_key = %q\n", site(t, nil), cert, key))
	line := p.stderr.await(t, "not for a host of its site")
	if !strings.Contains(line, "host=one.example") || !strings.Contains(line, cert) || !strings.Contains(line, "www.one.example") {
		t.Errorf("the log says %q", line)
	}
}

func TestRedirectToHTTPS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", "localhost")
	dir := site(t, map[string][]byte{"a": []byte("here")})
	p := start(t, "-l", "https://127.0.0.1:0", "-l", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--https-redirect", "--hsts", "8760h", dir)
	_, port, _ := net.SplitHostPort(p.address())
	plain := strings.TrimSuffix(strings.TrimPrefix(p.urls[1], "http://"), "/")
	for path, want := range map[string]string{"/a?b=c": "/a?b=c", "/nowhere": "/nowhere", "/.well-known/acme-challenge/x": "/.well-known/acme-challenge/x"} {
		res, _ := ask(t, plain, "GET "+path+" HTTP/1.1\r\nHost: one.example:80\r\n\r\n")
		if got := res.Header.Get("Location"); res.StatusCode != 308 || got != "https://one.example:"+port+want {
			t.Errorf("%s: %d to %q", path, res.StatusCode, got)
		}
		if got := res.Header.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("by plain HTTP: %q", got)
		}
	}
	c, err := shake(t, p.address(), a.trusting("localhost"))
	if err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{"/a": 200, "/nowhere": 404} {
		if res, _ := askOver(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != status || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
			t.Errorf("%s: %d %q", path, res.StatusCode, res.Header.Get("Strict-Transport-Security"))
		}
	}
	p = start(t, "-l", "127.0.0.1:0", "--trusted-proxies", "127.0.0.1", "--https-redirect", dir)
	for proto, status := range map[string]int{"http": 308, "https": 200} {
		res, _ := ask(t, p.address(), "GET /a HTTP/1.1\r\nHost: one.example\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: "+proto+"\r\n\r\n")
		if res.StatusCode != status || status == 308 && res.Header.Get("Location") != "https://one.example/a" {
			t.Errorf("behind a proxy, %s: %d %q", proto, res.StatusCode, res.Header.Get("Location"))
		}
	}
}

func TestClientCertificates(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	cert, key := a.issue("server", "localhost")
	dir := site(t, map[string][]byte{"a": []byte("here")})
	pair := func(c, k string) []tls.Certificate { return []tls.Certificate{must(tls.LoadX509KeyPair(c, k))} }
	good, foreign := pair(a.issue("client")), pair(b.issue("client"))
	for _, tt := range []struct {
		how   string
		certs []tls.Certificate
		ok    bool
	}{
		{"required", good, true}, {"required", foreign, false}, {"required", nil, false},
		{"optional", good, true}, {"optional", foreign, false}, {"optional", nil, true},
	} {
		p := start(t, "-l", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--tls-client-auth", tt.how, "--tls-client-ca", a.file, dir)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := a.trusting("localhost")
			config.MaxVersion = version
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { // also one that is not asked for
				if tt.certs == nil {
					return new(tls.Certificate), nil
				}
				return &tt.certs[0], nil
			}
			status := 0
			if c, err := shake(t, p.address(), config); err == nil {
				_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
				if res, err := nethttp.ReadResponse(bufio.NewReader(c), nil); err == nil {
					status = res.StatusCode
				}
			}
			if (status == 200) != tt.ok {
				t.Errorf("%s, %d certificates, %s: status %d", tt.how, len(tt.certs), tls.VersionName(version), status)
			}
		}
	}
}

// fingerprint is what a client sees of the certificate.
func fingerprint(c *tls.Conn) string {
	sum := sha256.Sum256(c.ConnectionState().PeerCertificates[0].Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

func TestSelfSigned(t *testing.T) {
	p := start(t, "-l", "https://127.0.0.1:0", "-l", "https://[::1]:0", "--tls-self-signed", site(t, map[string][]byte{"a": []byte("here")}))
	if len(p.said) != 1 {
		t.Fatalf("said %q", p.said)
	}
	c, err := shake(t, p.address(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := "Self-signed certificate, SHA-256 " + fingerprint(c); got != p.said[0] {
		t.Errorf("a client sees %q, said was %q", got, p.said[0])
	}
	leaf := c.ConnectionState().PeerCertificates[0]
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if res, body := askOver(t, c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 200 || body != "here" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// The demo's pages find its WebSockets at wss.
func TestDemoOverTLS(t *testing.T) {
	p := start(t, "demo", "-l", "https://127.0.0.1:0", "--tls-self-signed")
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	c, _, err := dialer.Dial("wss://"+p.address()+"/ws", nethttp.Header{"Origin": {strings.TrimSuffix(p.urls[0], "/")}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.WriteMessage(websocket.TextMessage, []byte("ding")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.ReadMessage(); err != nil || string(got) != "ding" {
		t.Errorf("%q, %v", got, err)
	}
}

// Each listener speaks what its address says, also the operator's, and a Unix socket.
func TestListenersOfBothKinds(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", "localhost")
	socket := filepath.Join(t.TempDir(), "s")
	p := start(t, "-l", "127.0.0.1:0", "-l", "https://127.0.0.1:0", "-l", "https://unix:"+socket, "--admin", "https://127.0.0.1:0",
		"--tls-cert", cert, "--tls-key", key, site(t, map[string][]byte{"a": []byte("here")}))
	if !strings.HasPrefix(p.urls[0], "http://") || !strings.HasPrefix(p.urls[1], "https://") {
		t.Errorf("announced %q", p.urls)
	}
	if status, _ := get(t, p.url("/a")); status != 200 {
		t.Errorf("plain: %d", status)
	}
	for network, address := range map[string]string{"unix": socket, "tcp": adminAddress(t, p)} {
		raw, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(raw, a.trusting("localhost"))
		path := map[string]string{"unix": "/a", "tcp": "/-/health"}[network]
		if res, _ := askOver(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 200 {
			t.Errorf("%s: %d", address, res.StatusCode)
		}
		c.Close()
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestProxyProtocolInFrontOfTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", "localhost")
	p := start(t, "-l", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--proxy-protocol", "127.0.0.0/8", site(t, map[string][]byte{"a": []byte("here")}))
	raw, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fmt.Fprint(raw, "PROXY TCP4 192.0.2.9 192.0.2.1 4711 443\r\n")
	if res, _ := askOver(t, tls.Client(raw, a.trusting("localhost")), "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	p.stderr.await(t, " 192.0.2.9:4711 GET /a 200 ")
}

// A proxy of a config to upstreams of https, and what they are told of the client's side.
func TestProxyToHTTPS(t *testing.T) {
	up := httptest.NewTLSServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "%s by %s", r.TLS.ServerName, r.Header.Get("X-Forwarded-Proto"))
	}))
	defer up.Close()
	a := newAuthority(t)
	ca := filepath.Join(a.dir, "up.pem")
	a.write(ca, "CERTIFICATE", up.Certificate().Raw)
	cert, key := a.issue("server", "localhost")
	p := start(t, "-c", configFile(t, `
listen = ["https://127.0.0.1:0", "127.0.0.1:0"]
tls_cert = %q
tls_key = %q
[[proxy]]
path = "/known/"
to = [%[3]q]
ca = %[4]q
server_name = "example.com"
[[proxy]]
path = "/unknown/"
to = [%[3]q]
[[proxy]]
path = "/any/"
to = [%[3]q]
insecure = true
`, cert, key, up.URL, ca))
	for path, want := range map[string]string{"/known/": "200 example.com by ", "/unknown/": "502 ", "/any/": "200  by "} {
		c, err := shake(t, p.address(), a.trusting("localhost"))
		if err != nil {
			t.Fatal(err)
		}
		res, body := askOver(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := fmt.Sprintf("%d %s", res.StatusCode, body); !strings.HasPrefix(got, want) || strings.HasPrefix(want, "200") && got != want+"https" {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		res, body = ask(t, strings.TrimSuffix(strings.TrimPrefix(p.urls[1], "http://"), "/"), "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := fmt.Sprintf("%d %s", res.StatusCode, body); strings.HasPrefix(want, "200") && got != want+"http" {
			t.Errorf("%s by plain HTTP: %q, want %q", path, got, want)
		}
	}
}
