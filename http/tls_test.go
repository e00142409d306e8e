package http

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// makeCertificate returns a certificate for names that is its own authority, and its files' contents.
func makeCertificate(names ...string) (cert tls.Certificate, certPEM, keyPEM []byte) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
	return must(tls.X509KeyPair(certPEM, keyPEM)), certPEM, keyPEM
}

// trusting is a client's side that trusts certs.
func trusting(certs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c.Leaf)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// serveTLS serves s by HTTPS.
func serveTLS(t testing.TB, s *Server) string {
	t.Helper()
	s.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	addr, err := s.ListenTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	startServer(t, s)
	return addr.String()
}

// tellTLS answers with what it knows of the connection.
func tellTLS(c *Ctx) error {
	state := c.TLS()
	if state == nil {
		return c.Text(200, fmt.Sprintf("%s %v", c.Scheme(), c.Secure()))
	}
	return c.Text(200, fmt.Sprintf("%s %v %s %s %d", c.Scheme(), c.Secure(), state.NegotiatedProtocol, state.ServerName, len(state.PeerCertificates)))
}

// TestHTTPS: what handlers of all kinds see of TLS, by ALPN http/1.1 also from a client that would rather speak HTTP/2, and of
// its absence, on one server.
func TestHTTPS(t *testing.T) {
	cert, _, _ := makeCertificate("localhost")
	app := New()
	app.Get("/inline", tellTLS, Inline)
	app.Get("/goroutine", tellTLS)
	app.Get("/wrapped", WrapFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.TLS == nil {
			fmt.Fprint(w, "http false")
			return
		}
		fmt.Fprintf(w, "https true %s %s %d", r.TLS.NegotiatedProtocol, r.TLS.ServerName, len(r.TLS.PeerCertificates))
	}))
	app.Get("/middleware", tellTLS, With(WrapMiddleware(func(h nethttp.Handler) nethttp.Handler { return h })))
	app.Server.TLS = &reactor.TLS{Config: &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "acme-tls/1"},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: trusting(cert).RootCAs,
	}}
	plain := must(app.Listen("127.0.0.1:0")).String()
	secure := must(app.ListenTLS("127.0.0.1:0")).String()
	app.prepare()
	startServer(t, &app.Server)
	config := trusting(cert)
	config.Certificates = []tls.Certificate{cert}
	transport := &nethttp.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &nethttp.Client{Transport: transport, Timeout: patience}
	for _, path := range []string{"/inline", "/goroutine", "/wrapped", "/middleware"} {
		for url, want := range map[string]string{"https://" + secure: "https true http/1.1 localhost 1", "http://" + plain: "http false"} {
			res, err := client.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			body := must(io.ReadAll(res.Body))
			res.Body.Close()
			if string(body) != want {
				t.Errorf("%s: %q, want %q", url+path, body, want)
			}
		}
	}
}

// TestTLSBehindNetHTTP: an App that net/http carries is told of net/http's TLS.
func TestTLSBehindNetHTTP(t *testing.T) {
	app := New()
	app.Get("/", tellTLS)
	s := httptest.NewTLSServer(app)
	defer s.Close()
	res, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body := must(io.ReadAll(res.Body)); !strings.HasPrefix(string(body), "https true") {
		t.Errorf("%q", body)
	}
}

// TestPlainHTTPOnTLSPort: a client that speaks plain HTTP is told so, in HTTP; one that speaks something else is not.
func TestPlainHTTPOnTLSPort(t *testing.T) {
	cert, _, _ := makeCertificate("localhost")
	addr := serveTLS(t, &Server{Handler: echo, TLS: &reactor.TLS{Config: &tls.Config{Certificates: []tls.Certificate{cert}}}})
	c := dialPlain(t, addr)
	send(t, c, goodRequest+goodRequest)
	r := bufio.NewReader(c)
	res, body := answer(t, r, "GET")
	if res.StatusCode != 400 || !res.Close || !strings.Contains(body, "https://") || res.Header.Get("Date") == "" {
		t.Errorf("%d, close %v, %q", res.StatusCode, res.Close, body)
	}
	closes(t, r)
	c = dialPlain(t, addr)
	send(t, c, "\x00\x01\x02\x03\x04\x05")
	if got, _ := io.ReadAll(c); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// TestListenTLSWithoutCertificate: a mistake is told at once.
func TestListenTLSWithoutCertificate(t *testing.T) {
	for name, over := range map[string]*reactor.TLS{"no TLS": nil, "no Config": {}, "no certificate": {Config: &tls.Config{}}} {
		s := &Server{Handler: echo, TLS: over}
		if _, err := s.ListenTLS("127.0.0.1:0"); !errors.Is(err, ErrNoCertificate) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if err := New().RunTLS("127.0.0.1:0", "no such file", "no such file"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// writePair writes a pair of files.
func writePair(t *testing.T, dir, name string, cert, key []byte) CertificateFiles {
	t.Helper()
	f := CertificateFiles{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
	if err := errors.Join(os.WriteFile(f.Cert, cert, 0o600), os.WriteFile(f.Key, key, 0o600)); err != nil {
		t.Fatal(err)
	}
	return f
}

// servedName is the serial number of the certificate that a client which asks for name is given.
func servedName(t *testing.T, addr, name string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// TestCertificates: the certificate is chosen by the name that is asked for, and read again when its files change: not before
// both have, and never a broken one.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	_, oneCert, oneKey := makeCertificate("one.example")
	_, twoCert, twoKey := makeCertificate("*.two.example")
	one, two := writePair(t, dir, "one", oneCert, oneKey), writePair(t, dir, "two", twoCert, twoKey)
	certs := must(NewCertificates(one, two))
	logged := &lockedBuffer{}
	certs.Logger = slog.New(slog.NewTextHandler(logged, nil))
	addr := serveTLS(t, &Server{Handler: echo, TLS: &reactor.TLS{Config: &tls.Config{GetCertificate: certs.GetCertificate}}})
	for name, want := range map[string]string{"one.example": "one.example", "a.two.example": "*.two.example", "else.example": "one.example"} {
		if got := servedName(t, addr, name); !slices.Contains(got.DNSNames, want) {
			t.Errorf("%s is served %v", name, got.DNSNames)
		}
	}
	before := servedName(t, addr, "one.example")
	_, newCert, newKey := makeCertificate("one.example")
	if err := os.WriteFile(one.Cert, newCert, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := certs.Reload(); err == nil {
		t.Error("a certificate with another's key was read")
	}
	if got := servedName(t, addr, "one.example"); !got.Equal(before) {
		t.Error("half of a pair is used")
	}
	if err := os.WriteFile(one.Key, newKey, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the new certificate is served", func() bool { return !servedName(t, addr, "one.example").Equal(before) })
	if err := os.Remove(two.Key); err != nil {
		t.Fatal(err)
	}
	until(t, "the missing file is noticed", func() bool {
		servedName(t, addr, "one.example")
		return strings.Contains(logged.String(), "the old ones stay")
	})
	if got := servedName(t, addr, "a.two.example"); !slices.Contains(got.DNSNames, "*.two.example") {
		t.Errorf("served %v", got.DNSNames)
	}
	if _, err := NewCertificates(); err == nil {
		t.Error("no files are certificates")
	}
}

// TestTruncatedBody: a FIN without close_notify is not the end of a request.
func TestTruncatedBody(t *testing.T) {
	cert, _, _ := makeCertificate("localhost")
	handled := make(chan string, 10)
	app := New()
	app.Post("/", func(c *Ctx) error {
		_, err := io.ReadAll(c.BodyReader())
		handled <- fmt.Sprint(err)
		return err
	}, StreamBody)
	app.Server.TLS = &reactor.TLS{Config: &tls.Config{Certificates: []tls.Certificate{cert}}}
	app.prepare()
	addr := serveTLS(t, &app.Server)
	plain := dialPlain(t, addr)
	c := tls.Client(plain, trusting(cert))
	send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	if err := plain.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-handled:
		if !strings.Contains(got, ErrClientGone.Error()) {
			t.Errorf("the handler was told %q", got)
		}
	case <-time.After(patience):
		t.Fatal("the handler waits")
	}
}

// TestOtherProtocolByALPN: who agrees on another protocol than HTTP, as a validation by ACME does, gets its handshake and no more.
func TestOtherProtocolByALPN(t *testing.T) {
	cert, _, _ := makeCertificate("localhost")
	addr := serveTLS(t, &Server{Handler: echo, TLS: &reactor.TLS{Config: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"acme-tls/1"}}}})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := trusting(cert)
		config.NextProtos, config.MaxVersion = []string{"acme-tls/1"}, version
		c := tls.Client(dialPlain(t, addr), config)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, goodRequest) // it may find the connection closed
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}
