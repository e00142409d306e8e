package http

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// The clients that people have.

// tool finds a program, or skips the test.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("not installed: ", names)
	return ""
}

// output runs a program that must succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// forClients serves an App by HTTPS, and returns its URL and the file of its authority.
func forClients(t *testing.T) (url, authority string, over *reactor.TLS, cert tls.Certificate) {
	cert, certPEM, _ := makeCertificate("localhost")
	app := New()
	app.Get("/", func(c *Ctx) error {
		return c.Blob(200, "text/html; charset=utf-8", []byte("<!doctype html><title>t</title><p>Hello over "+c.Scheme()+"</p>"))
	})
	app.Post("/len", func(c *Ctx) error {
		n, err := io.Copy(io.Discard, c.BodyReader())
		if err != nil {
			return err
		}
		return c.Text(200, strconv.FormatInt(n, 10))
	}, StreamBody, MaxBody(64<<20))
	app.Get("/big", func(c *Ctx) error { return c.Blob(200, "text/plain", bytes.Repeat([]byte("0123456789"), 1<<20)) })
	over = &reactor.TLS{Config: &tls.Config{Certificates: []tls.Certificate{cert}}}
	app.Server.TLS = over
	app.prepare()
	_, port, _ := strings.Cut(serveTLS(t, &app.Server), ":")
	authority = filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(authority, certPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return "https://localhost:" + port, authority, over, cert
}

func TestCurlOverTLS(t *testing.T) {
	curl := tool(t, "curl")
	url, authority, _, _ := forClients(t)
	upload := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(upload, make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range [][]string{{"--tlsv1.2", "--tls-max", "1.2"}, {"--tlsv1.3"}} {
		run := func(args ...string) string {
			t.Helper()
			return output(t, curl, slices.Concat([]string{"-sS", "--ipv4", "--max-time", "20", "--cacert", authority}, version, args)...)
		}
		if got := run(url + "/"); !strings.Contains(got, "Hello over https") {
			t.Errorf("%q", got)
		}
		if got := run("-T", upload, "-X", "POST", url+"/len"); got != "20971520" {
			t.Errorf("%v: %q arrived", version, got)
		}
		if got := run("-o", os.DevNull, "-w", "%{size_download} %{http_version}\n", url+"/big", "-o", os.DevNull, url+"/big"); got != strings.Repeat("10485760 1.1\n", 2) {
			t.Errorf("%v: %q", version, got)
		}
	}
}

func TestWgetOverTLS(t *testing.T) {
	wget := tool(t, "wget")
	url, authority, _, _ := forClients(t)
	if got := output(t, wget, "-q", "-4", "-O", "-", "--tries=1", "--ca-certificate="+authority, url+"/"); !strings.Contains(got, "Hello over https") {
		t.Errorf("%q", got)
	}
}

// TestOpenSSL: sessions are resumed, keys are changed when the client asks for that, and TLS 1.2's renegotiation is refused.
func TestOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl")
	url, authority, over, _ := forClients(t)
	addr := "127.0.0.1" + url[strings.LastIndexByte(url, ':'):]
	session := filepath.Join(t.TempDir(), "session")
	const request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	client := func(commands []string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, openssl, slices.Concat([]string{"s_client", "-connect", addr, "-servername", "localhost", "-CAfile", authority, "-no_ign_eof"}, args)...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out lockedBuffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := func(text string, times int) {
			t.Helper()
			until(t, text, func() bool { return strings.Count(out.String(), text) >= times })
		}
		said("Verify return code", 1)
		for i, command := range commands { // letters that come alone
			if _, err := io.WriteString(in, command[:1]+"\n"); err != nil {
				t.Fatal(err)
			}
			said(command, i+1)
		}
		if len(commands) == 0 || commands[0] != "RENEGOTIATING" {
			if _, err := io.WriteString(in, request); err != nil {
				t.Fatal(err)
			}
			said("</p>", 1)
		}
		in.Close()
		err = cmd.Wait()
		return out.String(), err
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		if out, err := client(nil, version, "-sess_out", session); err != nil || !strings.Contains(out, "Hello over https") || !strings.Contains(out, "Verify return code: 0 (ok)") {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
		if out, err := client(nil, version, "-sess_in", session); err != nil || !strings.Contains(out, "Reused, ") {
			t.Errorf("%s: the session was not resumed: %v\n%s", version, err, out)
		}
	}
	if n := over.Stats.Resumed.Load(); n != 2 {
		t.Errorf("%d sessions were resumed", n)
	}
	if out, err := client([]string{"KEYUPDATE", "KEYUPDATE"}, "-tls1_3"); err != nil || strings.Count(out, "KEYUPDATE") != 2 || !strings.Contains(out, "Hello over https") {
		t.Errorf("KeyUpdate: %v\n%s", err, out)
	}
	if out, _ := client([]string{"RENEGOTIATING"}, "-tls1_2"); !strings.Contains(out, "error") || strings.Contains(out, "Hello") {
		t.Errorf("renegotiation was not refused:\n%s", out)
	}
}

// TestChromiumOverTLS: a browser that is told to trust this one key shows the page.
func TestChromiumOverTLS(t *testing.T) {
	if os.Getenv(reactor.PollerEnv) == string(reactor.PollerPoll) {
		t.Skip("once is enough: it takes seconds")
	}
	chromium := tool(t, "chromium", "chromium-browser", "google-chrome")
	url, _, over, cert := forClients(t)
	pin := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	got := output(t, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--disable-component-update",
		"--user-data-dir="+t.TempDir(), "--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(pin[:]),
		"--dump-dom", url+"/")
	if !strings.Contains(got, "Hello over https") {
		t.Errorf("%s", got)
	}
	if over.Stats.Handshakes.Load() == 0 {
		t.Error("no handshake")
	}
}
