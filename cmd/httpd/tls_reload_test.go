package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dialTLS opens connections for a load: each is a new one that trusts a.
func (a *authority) dialTLS(address string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return tls.Dial("tcp", address, a.trusting("localhost")) }
}

// Certificates are changed under load, by connections that are kept and by new ones: no request fails, no connection is dropped.
func TestCertificateReloadsUnderLoad(t *testing.T) {
	a := newAuthority(t)
	a.issue("0", "localhost")
	a.issue("1", "localhost")
	file := filepath.Join(t.TempDir(), "httpd.toml")
	dir := site(t, map[string][]byte{"a": []byte("here")})
	say := func(cert, key string) {
		t.Helper()
		text := fmt.Sprintf("listen = [\"https://127.0.0.1:0\"]\nlog = \"off\"\nroot = %q\n\ntls_cert = %q\ntls_key  = %q\n", dir, filepath.Join(a.dir, cert), filepath.Join(a.dir, key))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	say("0.crt", "0.key")
	p := start(t, "-c", file)
	first, err := shake(t, p.address(), a.trusting("localhost"))
	if err != nil {
		t.Fatal(err)
	}
	const request = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
	here := func(s string) bool { return s == "here" }
	kept := startLoadBy(t, a.dialTLS(p.address()), request, here)
	fresh := startLoadBy(t, a.dialTLS(p.address()), strings.Replace(request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1), here)
	refused := 0
	for i := 1; i <= rounds; i++ {
		name := fmt.Sprint(i % 2)
		say(name+".crt", name+".key")
		p.signal(syscall.SIGHUP)
		p.stderr.awaitNth(t, "config reloaded", i)
		if got := a.serverName(p.address(), "localhost"); got != name {
			t.Errorf("round %d: the certificate is %s", i, got)
		}
		kept.passes(20)
		fresh.passes(5)
		if i%5 != 0 {
			continue
		}
		for _, bad := range []struct{ cert, key, says string }{
			{"0.crt", "1.key", ":6: tls_key: " + filepath.Join(a.dir, "1.key") + ": is not the key of the certificate " + filepath.Join(a.dir, "0.crt")},
			{"none.crt", "1.key", ":5: tls_cert: open " + filepath.Join(a.dir, "none.crt")},
			{"0.crt", "0.crt", ":6: tls_key: " + filepath.Join(a.dir, "0.crt") + ": there is no private key"},
		} {
			say(bad.cert, bad.key)
			p.signal(syscall.SIGHUP)
			refused++
			if line := p.stderr.awaitNth(t, "the config is not reloaded", refused); !strings.Contains(line, file+bad.says) {
				t.Errorf("the log says %q, want %q", line, bad.says)
			}
			fresh.passes(5)
			if got := a.serverName(p.address(), "localhost"); got != name {
				t.Errorf("a bad pair has changed the certificate to %s", got)
			}
		}
	}
	kept.stop()
	fresh.stop()
	// The connection that was there before the first reload is still good.
	if res, body := askOver(t, first, request); res.StatusCode != 200 || body != "here" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// resumes says whether a client with a session of before is known again.
func resumes(t *testing.T, address string, config *tls.Config) bool {
	t.Helper()
	c, err := shake(t, address, config)
	if err != nil {
		t.Fatal(err)
	}
	askOver(t, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") // a ticket comes in front of the answer
	return c.ConnectionState().DidResume
}

// What clients remember of a server is good after a reload, and for the process that takes over: their sessions, and a certificate
// that they have made an exception for.
func TestSessionsOutliveReloadAndReplacement(t *testing.T) {
	dir := site(t, nil)
	file := configFile(t, "listen = [\"https://127.0.0.1:0\"]\ntls_self_signed = true\nroot = %q\n", dir)
	p := start(t, "-c", file, "--drain", "10s")
	last := p.cmd.Process.Pid
	t.Cleanup(func() {
		if last != p.cmd.Process.Pid {
			_ = syscall.Kill(last, syscall.SIGKILL)
		}
	})
	configs := map[string]*tls.Config{}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		configs[tls.VersionName(version)] = &tls.Config{InsecureSkipVerify: true, MaxVersion: version, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	}
	check := func(when string, want bool) {
		t.Helper()
		for name, config := range configs {
			if got := resumes(t, p.address(), config); got != want {
				t.Errorf("%s, %s: resumed %v", when, name, got)
			}
		}
	}
	print := func() string {
		t.Helper()
		c, err := shake(t, p.address(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		return fingerprint(c)
	}
	check("at first", false)
	check("again", true)
	before := print()
	p.signal(syscall.SIGHUP)
	p.stderr.await(t, "config reloaded")
	check("after a reload", true)
	for i := 1; i <= 2; i++ {
		if err := syscall.Kill(last, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		last = successor(t, p.stderr.awaitNth(t, "replaced by=", i))
		// The old process may accept for a moment longer: whichever it is, both have the same keys.
		check("after a replacement", true)
		if after := print(); after != before {
			t.Errorf("the certificate was %s and is %s", before, after)
		}
	}
	if err := syscall.Kill(last, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("the first process ended by %d", code)
	}
}

// A replacement loses no request over TLS either.
func TestReplacementsUnderLoadOverTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", "localhost")
	dir := site(t, map[string][]byte{"a": []byte("here")})
	p := start(t, "-l", "https://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--log", "off", "--drain", patience.String(), dir)
	l := startLoadBy(t, a.dialTLS(p.address()), "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", func(s string) bool { return s == "here" })
	last := p.cmd.Process.Pid
	t.Cleanup(func() {
		if last != p.cmd.Process.Pid {
			_ = syscall.Kill(last, syscall.SIGKILL)
		}
	})
	for i := 1; i <= rounds/2; i++ {
		l.passes(20)
		if err := syscall.Kill(last, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		last = successor(t, p.stderr.awaitNth(t, "replaced by=", i))
	}
	l.passes(100)
	l.stop()
	if err := syscall.Kill(last, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("the first process ended by %d", code)
	}
}

// A listener whose scheme has changed is the same socket for the process that takes over.
func TestReplacementThatSpeaksTLS(t *testing.T) {
	text := fmt.Sprintf("root = %q\n", site(t, map[string][]byte{"a": []byte("here")}))
	file := configFile(t, "listen = [\"127.0.0.1:0\"]\n%s", text)
	p := start(t, "-c", file)
	if status, _ := get(t, p.url("/a")); status != 200 {
		t.Errorf("status %d", status)
	}
	if err := os.WriteFile(file, []byte("listen = [\"https://127.0.0.1:0\"]\ntls_self_signed = true\n"+text), 0o644); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR2)
	last := successor(t, p.stderr.await(t, "replaced by="))
	defer syscall.Kill(last, syscall.SIGKILL)
	var c *tls.Conn
	for deadline := time.Now().Add(patience); ; { // until the one before accepts no more
		var err error
		if c, err = shake(t, p.address(), &tls.Config{InsecureSkipVerify: true}); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if res, body := askOver(t, c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 200 || body != "here" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// What a reload can change of TLS holds for the next connection.
func TestReloadOfTLSSettings(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("server", "localhost")
	dir := site(t, map[string][]byte{"a": []byte("here")})
	file := filepath.Join(t.TempDir(), "httpd.toml")
	n := 0
	say := func(text string) {
		t.Helper()
		text = fmt.Sprintf("listen = [\"https://127.0.0.1:0\", \"127.0.0.1:0\"]\nroot = %q\ntls_cert = %q\ntls_key = %q\n%s", dir, cert, key, text)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	say("")
	p := start(t, "-c", file)
	reload := func(text string) {
		t.Helper()
		say(text)
		p.signal(syscall.SIGHUP)
		n++
		p.stderr.awaitNth(t, "config reloaded", n)
	}
	old := a.trusting("localhost")
	old.MaxVersion = tls.VersionTLS12
	works := func(config *tls.Config) bool {
		t.Helper()
		_, err := shake(t, p.address(), config)
		return err == nil
	}
	if !works(old) {
		t.Error("TLS 1.2 is refused at first")
	}
	known := map[string]*tls.Config{}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := a.trusting("localhost")
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		if known[tls.VersionName(version)] = config; resumes(t, p.address(), config) || !resumes(t, p.address(), config) {
			t.Errorf("%s: the second session does not resume the first", tls.VersionName(version))
		}
	}
	reload("tls_min_version = \"1.3\"\n")
	if works(old) {
		t.Error("TLS 1.2 is accepted behind a reload that forbids it")
	}
	reload("tls_client_auth = \"required\"\ntls_client_ca = \"" + a.file + "\"\n")
	if works(old) {
		t.Error("a client without a certificate is accepted")
	}
	reload("tls_client_auth = \"required\"\ntls_client_ca = \"" + a.file + "\"\n")
	for name, config := range known { // a session from before does not stand for the certificate
		c, err := shake(t, p.address(), config)
		if err == nil {
			_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil {
			t.Errorf("%s: a session without a certificate is resumed where one is required", name)
		}
	}
	plain := strings.TrimSuffix(strings.TrimPrefix(p.urls[1], "http://"), "/")
	reload("https_redirect = true\nhttps_port = 444\n")
	if res, _ := ask(t, plain, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); res.Header.Get("Location") != "https://x:444/a" {
		t.Errorf("%d %q", res.StatusCode, res.Header.Get("Location"))
	}
	reload("hsts = \"1h\"\n")
	if res, _ := ask(t, plain, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	if !works(old) {
		t.Error("TLS 1.2 is refused in the end")
	}
	for _, line := range p.stderr.all() {
		if strings.Contains(line, "next start") {
			t.Error(line)
		}
	}
	say("acme = true\nacme_host = [\"one.example\"]\nacme_cache = \"x\"\n")
	p.signal(syscall.SIGHUP)
	if line := p.stderr.await(t, "next start"); !strings.Contains(line, "acme") {
		t.Errorf("%q", line)
	}
	if !works(old) {
		t.Error("what waits for the next start has changed something")
	}
}
