package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	pebbleca "github.com/letsencrypt/pebble/v2/ca"
	pebbledb "github.com/letsencrypt/pebble/v2/db"
	pebbleva "github.com/letsencrypt/pebble/v2/va"
	pebblewfe "github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// issuerUnderTest is Pebble, Let's Encrypt's ACME server for tests, within this process. For it all names are 127.0.0.1.
type issuerUnderTest struct {
	directory string
	caFile    string         // vouches for directory
	roots     *x509.CertPool // vouch for what it issues
	server    *httptest.Server
	log       *lines
}

// newIssuer starts one that validates by these ports, and that does not issue for blocked.example.com.
func newIssuer(t *testing.T, httpPort, tlsPort int) *issuerUnderTest {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "5") // of 100: clients have to expect it
	i := &issuerUnderTest{log: newLines()}
	r, w := io.Pipe()
	go i.log.readFrom(r)
	logger := log.New(w, "", 0)
	db := pebbledb.NewMemoryStore()
	if err := db.AddBlockedDomain("blocked.example.com"); err != nil {
		t.Fatal(err)
	}
	ca := pebbleca.New(logger, db, "", "ecdsa", 0, 1, map[string]pebbleca.Profile{"default": {Description: "of tests"}})
	va := pebbleva.New(logger, httpPort, tlsPort, true, resolver(t), db)
	wfe := pebblewfe.New(logger, db, va, ca, []string{"pebble.test"}, true, false, 1, 1)
	i.server = httptest.NewTLSServer(wfe.Handler())
	t.Cleanup(i.server.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the issuer's log:\n%s", strings.Join(i.log.all(), "\n"))
		}
	})
	i.directory = i.server.URL + pebblewfe.DirectoryPath
	a := &authority{t: t}
	i.caFile = filepath.Join(t.TempDir(), "ca.pem")
	a.write(i.caFile, "CERTIFICATE", i.server.Certificate().Raw)
	i.roots = x509.NewCertPool()
	root, err := x509.ParseCertificate(ca.GetRootCert(0).DER)
	if err != nil {
		t.Fatal(err)
	}
	i.roots.AddCert(root)
	return i
}

// resolver is a DNS server that knows of 127.0.0.1 only.
func resolver(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan struct{})
	s := &dns.Server{Listener: l, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})}
	go func() {
		defer close(ended)
		_ = s.ActivateAndServe()
	}()
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	return l.Addr().String()
}

// sockets are listeners of a test, whose ports are known before httpd is started with them, as systemd does it.
type sockets struct {
	files []*os.File
	names []string
	ports []int
}

func (s *sockets) open(t *testing.T, name string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	port = l.Addr().(*net.TCPAddr).Port
	s.files, s.names, s.ports = append(s.files, f), append(s.names, name), append(s.ports, port)
	return port
}

// start starts httpd with them.
func (s *sockets) start(t *testing.T, args ...string) *process {
	t.Helper()
	line := fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s exec "$@"`, len(s.files), strings.Join(s.names, ":"))
	p := &process{t: t, cmd: exec.Command("sh", append([]string{"-c", line, "sh", binary}, args...)...), stderr: newLines(), exited: make(chan struct{})}
	p.cmd.ExtraFiles = s.files
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.launch(stderr)
	return p
}

// served wants name to be served with a certificate of the issuer, and returns that.
func (i *issuerUnderTest) served(t *testing.T, port int, name, want string) *x509.Certificate {
	t.Helper()
	c, err := shake(t, fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: i.roots, ServerName: name})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if res, body := askOver(t, c, "GET /a HTTP/1.1\r\nHost: "+name+"\r\n\r\n"); res.StatusCode != 200 || body != want {
		t.Errorf("%s: %d %q", name, res.StatusCode, body)
	}
	return c.ConnectionState().PeerCertificates[0]
}

const acmeConfig = `
listen = [%s]
acme = true
acme_directory = %q
acme_ca = %q
acme_cache = %q
acme_email = "somebody@example.com"
[[site]]
hosts = ["one.example.com", "*.one.example.com"]
root = %q
[[site]]
hosts = ["Two.Example.com"]
root = %[5]q
`

// Certificates come by either challenge: that over TLS alone, and that over plain HTTP where the other is not got through to.
func TestACME(t *testing.T) {
	dir := site(t, map[string][]byte{"a": []byte("here")})
	for _, by := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(by, func(t *testing.T) {
			s := new(sockets)
			tlsPort := s.open(t, "secure")
			listen, httpPort, validated := `"https://systemd:secure"`, 1, tlsPort // nobody is at port 1
			if by == "HTTP-01" {
				httpPort, validated = s.open(t, "open"), 1
				listen += `, "systemd:open"`
			}
			i := newIssuer(t, httpPort, validated)
			file := configFile(t, acmeConfig, listen, i.directory, i.caFile, "cache", dir)
			p := s.start(t, "-c", file)
			// At once, so that the handshake waits for the certificate.
			first := i.served(t, tlsPort, "one.example.com", "here")
			for _, host := range []string{"one.example.com", "two.example.com"} {
				p.stderr.await(t, "certificate host="+host)
			}
			i.served(t, tlsPort, "two.example.com", "here")
			for _, name := range []string{"www.one.example.com", "three.example.com", "localhost", ""} {
				if c, err := shake(t, fmt.Sprintf("127.0.0.1:%d", tlsPort), &tls.Config{InsecureSkipVerify: true, ServerName: name}); err == nil {
					t.Errorf("%q gets a certificate for %q", name, c.ConnectionState().PeerCertificates[0].DNSNames)
				}
			}
			if info, err := os.Stat(filepath.Join(filepath.Dir(file), "cache")); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the cache is %v, %v", info, err)
			}
			if by == "HTTP-01" {
				plain := fmt.Sprintf("127.0.0.1:%d", httpPort)
				if res, _ := ask(t, plain, "GET /a?b HTTP/1.1\r\nHost: one.example.com\r\n\r\n"); res.Header.Get("Location") != fmt.Sprintf("https://one.example.com:%d/a?b", tlsPort) {
					t.Errorf("%d to %q", res.StatusCode, res.Header.Get("Location"))
				}
				if res, _ := ask(t, plain, "GET /.well-known/acme-challenge/nothing HTTP/1.1\r\nHost: one.example.com\r\n\r\n"); res.StatusCode != 404 {
					t.Errorf("a challenge that there is not: %d", res.StatusCode)
				}
			}
			// The next process has the certificate of the one before, though nobody issues any more.
			p.signal(syscall.SIGTERM)
			if code := p.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			i.server.Close()
			s.start(t, "-c", file)
			if again := i.served(t, tlsPort, "one.example.com", "here"); again.SerialNumber.Cmp(first.SerialNumber) != 0 {
				t.Error("the second process has another certificate")
			}
		})
	}
}

// A reload may name more hosts; a name that nothing is issued for is told of, and does not keep the others waiting.
func TestACMEAfterAReload(t *testing.T) {
	s := new(sockets)
	port := s.open(t, "secure")
	i := newIssuer(t, 1, port)
	dir := site(t, map[string][]byte{"a": []byte("here")})
	text := fmt.Sprintf(acmeConfig, `"https://systemd:secure"`, i.directory, i.caFile, "cache", dir)
	file := configFile(t, "%s", text)
	p := s.start(t, "-c", file)
	i.served(t, port, "one.example.com", "here")
	text += fmt.Sprintf("[[site]]\nhosts = [\"blocked.example.com\", \"late.example.com\"]\nroot = %q\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "config reloaded")
	if line := p.stderr.await(t, "no certificate could be issued"); !strings.Contains(line, "host=blocked.example.com") {
		t.Errorf("the log says %q", line)
	}
	p.stderr.await(t, "certificate host=late.example.com")
	i.served(t, port, "late.example.com", "here")
}

// Client certificates that are required do not keep the issuer out, and it is let in to its challenges only.
func TestACMEWithClientCertificates(t *testing.T) {
	s := new(sockets)
	port := s.open(t, "secure")
	i := newIssuer(t, 1, port)
	a := newAuthority(t)
	dir := site(t, map[string][]byte{"a": []byte("here")})
	text := fmt.Sprintf("tls_client_auth = \"required\"\ntls_client_ca = %q\n", a.file) +
		fmt.Sprintf(acmeConfig, `"https://systemd:secure"`, i.directory, i.caFile, "cache", dir)
	p := s.start(t, "-c", configFile(t, "%s", text))
	p.stderr.await(t, "certificate host=one.example.com")
	p.stderr.await(t, "certificate host=two.example.com")
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if _, err := shake(t, address, &tls.Config{InsecureSkipVerify: true, ServerName: "one.example.com", NextProtos: []string{"acme-tls/1"}}); err == nil {
		t.Error("a handshake for a challenge that there is not")
	}
	certs := []tls.Certificate{must(tls.LoadX509KeyPair(a.issue("client")))}
	for name, config := range map[string]*tls.Config{"with": {Certificates: certs}, "without": {}} {
		config.RootCAs, config.ServerName = i.roots, "one.example.com"
		status := 0
		if c, err := shake(t, address, config); err == nil {
			_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: one.example.com\r\n\r\n")
			if res, err := nethttp.ReadResponse(bufio.NewReader(c), nil); err == nil {
				status = res.StatusCode
			}
		}
		if want := map[string]int{"with": 200, "without": 0}[name]; status != want {
			t.Errorf("%s a certificate: %d", name, status)
		}
	}
}

// While a certificate is being issued, all else is served: a handshake that waits costs no loop.
func TestACMEWaitsBesideTheLoops(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := httptest.NewTLSServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		once.Do(func() { close(asked) })
		<-answer
	}))
	defer slow.Close()
	defer close(answer)
	a := newAuthority(t)
	ca := filepath.Join(a.dir, "ca.pem")
	a.write(ca, "CERTIFICATE", slow.Certificate().Raw)
	cert, key := a.issue("three", "three.example.com")
	dir := site(t, map[string][]byte{"a": []byte("here")})
	text := "loops = 1\n" + fmt.Sprintf(acmeConfig, `"https://127.0.0.1:0"`, slow.URL, ca, "cache", dir) +
		fmt.Sprintf("[[site]]\nhosts = [\"three.example.com\"]\nroot = %q\ntls_cert = %q\ntls_key = %q\n", dir, cert, key)
	p := start(t, "-c", configFile(t, "%s", text))
	<-asked
	go func() { // waits until the end
		if c, err := net.Dial("tcp", p.address()); err == nil {
			defer c.Close()
			_ = tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "one.example.com"}).Handshake()
		}
	}()
	for range 20 {
		c, err := shake(t, p.address(), a.trusting("three.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		if res, body := askOver(t, c, "GET /a HTTP/1.1\r\nHost: three.example.com\r\n\r\n"); res.StatusCode != 200 || body != "here" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
}
