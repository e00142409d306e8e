package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pairs writes certificates and keys into a folder: a.crt with a.key, b.key, and what is neither.
func pairs(t *testing.T, dir string) {
	t.Helper()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
		cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		certPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
		keyPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		put(name+".crt", certPEM)
		put(name+".key", keyPEM)
		put(name+".pem", keyPEM+certPEM)
	}
	put("none", "hello\n")
	put("broken.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})))
	put("locked.key", string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})))
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// Every mistake names the file, the line, the key, and what would be right.
func TestMistakesInTLSSettings(t *testing.T) {
	dir := t.TempDir()
	pairs(t, dir)
	file := filepath.Join(dir, "httpd.toml")
	const listen = "listen = [\"https://:8443\"]\n"
	const good = listen + "tls_cert = \"a.crt\"\ntls_key = \"a.key\"\n"
	const acme = listen + "acme = true\n"
	for _, tt := range []mistake{
		{"key missing", listen + "tls_cert = \"a.crt\"\n", 2, "tls_cert", []string{"needs tls_key", "private key"}},
		{"certificate missing", "tls_key = \"a.key\"\n", 1, "tls_key", []string{"needs tls_cert"}},
		{"no such certificate", listen + "tls_cert = \"c.crt\"\ntls_key = \"a.key\"\n", 2, "tls_cert", []string{dir + "/c.crt", "no such file"}},
		{"no such key", listen + "tls_cert = \"a.crt\"\n\ntls_key = \"c.key\"\n", 4, "tls_key", []string{dir + "/c.key", "no such file"}},
		{"a folder", listen + "tls_cert = \"folder\"\ntls_key = \"a.key\"\n", 2, "tls_cert", []string{dir + "/folder", "is a directory"}},
		{"no certificate in it", listen + "tls_cert = \"none\"\ntls_key = \"a.key\"\n", 2, "tls_cert", []string{dir + "/none", "BEGIN CERTIFICATE"}},
		{"no key in it", listen + "tls_cert = \"a.crt\"\ntls_key = \"none\"\n", 3, "tls_key", []string{dir + "/none", "BEGIN PRIVATE KEY"}},
		{"broken", listen + "tls_cert = \"broken.crt\"\ntls_key = \"a.key\"\n", 2, "tls_cert", []string{dir + "/broken.crt", "malformed"}},
		{"the two exchanged", listen + "tls_cert = \"a.key\"\ntls_key = \"a.crt\"\n", 2, "tls_cert", []string{dir + "/a.key", "no certificate"}},
		{"of two pairs", listen + "tls_cert = \"a.crt\"\ntls_key = \"b.key\"\n", 3, "tls_key", []string{dir + "/b.key", "is not the key of the certificate " + dir + "/a.crt"}},
		{"with a password", listen + "tls_cert = \"a.crt\"\ntls_key = \"locked.key\"\n", 3, "tls_key", []string{"encrypted", "openssl pkey"}},
		{"of the second site", good + "[[site]]\nhosts = [\"a\"]\nroot = \"/\"\ntls_cert = \"a.crt\"\ntls_key = \"a.key\"\n[[site]]\nhosts = [\"b\"]\nroot = \"/\"\ntls_cert = \"b.crt\"\ntls_key = \"a.key\"\n", 13, "site.tls_key", []string{"is not the key"}},
		{"key of a site missing", good + "[[site]]\nhosts = [\"a\"]\nroot = \"/\"\ntls_cert = \"a.crt\"\n", 7, "site.tls_cert", []string{"needs tls_key"}},
		{"no listener for it", "listen = [\":80\"]\ntls_cert = \"a.crt\"\ntls_key = \"a.key\"\n", 1, "listen", []string{"https://:80"}},
		{"nothing for the listener", "\n" + listen, 2, "listen", []string{"tls_cert and tls_key, tls_self_signed, or acme"}},
		{"nothing for the operator's listener", "admin = [\"https://:1\"]\n", 1, "admin", []string{"tls_cert and tls_key"}},
		{"two at once", good + "tls_self_signed = true\n", 4, "tls_self_signed", []string{"not together with tls_cert"}},
		{"two at once, ACME", acme + "acme_host = [\"a.example\"]\ntls_self_signed = true\n", 4, "tls_self_signed", []string{"acme"}},
		{"version", good + "tls_min_version = \"1.1\"\n", 4, "tls_min_version", []string{`"1.1"`, "1.2 or 1.3"}},
		{"clients of nobody", good + "tls_client_auth = \"required\"\n", 4, "tls_client_auth", []string{"required needs tls_client_ca"}},
		{"clients that nobody asks", good + "tls_client_ca = \"a.crt\"\n", 4, "tls_client_ca", []string{"optional or required"}},
		{"clients of no file", good + "tls_client_auth = \"optional\"\ntls_client_ca = \"c.crt\"\n", 5, "tls_client_ca", []string{dir + "/c.crt", "no such file"}},
		{"clients of no authority", good + "tls_client_auth = \"optional\"\ntls_client_ca = \"none\"\n", 5, "tls_client_ca", []string{dir + "/none", "BEGIN CERTIFICATE"}},
		{"how clients are asked", good + "tls_client_auth = \"yes\"\n", 4, "tls_client_auth", []string{"off, optional or required"}},
		{"ACME for nobody", acme, 2, "acme", []string{"acme_host"}},
		{"ACME for a wildcard", acme + "acme_host = [\"*.example.com\"]\n", 3, "acme_host", []string{"single names"}},
		{"ACME for an address", acme + "acme_host = [\"192.0.2.1\"]\n", 3, "acme_host", []string{"not for addresses"}},
		{"ACME for a name of one's own", acme + "acme_host = [\"intranet\"]\n", 3, "acme_host", []string{"example.com"}},
		{"ACME for sites that have certificates", acme + "[[site]]\nhosts = [\"a.example\"]\nroot = \"/\"\ntls_cert = \"a.crt\"\ntls_key = \"a.key\"\n", 2, "acme", []string{"for which hosts?"}},
		{"ACME by plain HTTP", acme + "acme_host = [\"a.example\"]\nacme_directory = \"http://acme.example/dir\"\n", 4, "acme_directory", []string{"https://"}},
		{"ACME's authority", acme + "acme_host = [\"a.example\"]\nacme_ca = \"none\"\n", 4, "acme_ca", []string{"no certificate in it"}},
		{"ACME's settings without it", good + "acme_email = \"a@example.com\"\n", 4, "acme_email", []string{"acme = true"}},
		{"redirect to nowhere", "https_redirect = true\n", 1, "https_redirect", []string{"https://", "trusted_proxies"}},
		{"HSTS without TLS", "hsts = \"1h\"\n", 1, "hsts", []string{"https://"}},
		{"port", good + "https_port = 65536\n", 4, "https_port", []string{"65535"}},
		{"listener with a path", "listen = [\"https://a:1/b\"]\n", 1, "listen", []string{"1/b"}},
		{"upstream's authority", "[[proxy]]\npath = \"/\"\nto = [\"https://127.0.0.1\"]\nca = \"none\"\n", 4, "proxy.ca", []string{dir + "/none", "BEGIN CERTIFICATE"}},
		{"authority of plain HTTP", "[[proxy]]\npath = \"/\"\nto = [\"http://127.0.0.1\"]\nca = \"a.crt\"\n", 4, "proxy.ca", []string{"upstreams of https"}},
		{"name of plain HTTP", "[[proxy]]\npath = \"/\"\nto = [\"unix:/x\"]\nserver_name = \"a\"\n", 4, "proxy.server_name", []string{"upstreams of https"}},
		{"insecure with a name", "[[proxy]]\npath = \"/\"\nto = [\"https://127.0.0.1\"]\nserver_name = \"a\"\ninsecure = true\n", 5, "proxy.insecure", []string{"server_name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			tt.expectIn(t, file)
		})
	}
}

// Where httpd listens when nobody says.
func TestListenDefault(t *testing.T) {
	dir := t.TempDir()
	pairs(t, dir)
	for _, tt := range []struct{ text, listen, names string }{
		{"", ":8080", ""},
		{"tls_self_signed = true\n", "https://:8443", ""},
		{"tls_cert = \"a.pem\"\ntls_key = \"a.pem\"\n", "https://:8443", ""},
		{"tls_self_signed = true\nhttps_redirect = true\n", "https://:8443 :8080", ""},
		{"acme = true\nacme_host = [\"b.example\", \"A.Example.\", \"a.example\"]\n", "https://:443 :80", "b.example a.example"},
		{"acme = true\n[[site]]\nhosts = [\"a.example\", \"*.a.example\", \"localhost\"]\nroot = \"/\"\n[[site]]\nhosts = [\"b.example\"]\nroot = \"/\"\ntls_cert = \"a.crt\"\ntls_key = \"a.key\"\n", "https://:443 :80", "a.example"},
		{"listen = [\"8443\", \"http://:1\", \"https://2\", \"https://unix:/x\", \"https://systemd:name\", \"https://systemd\"]\ntls_self_signed = true\n", ":8443 :1 https://:2 https://unix:/x https://systemd:name https://systemd", ""},
	} {
		file := filepath.Join(dir, "httpd.toml")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := source(file).Load()
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got := strings.Join(c.Listen, " "); got != tt.listen {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.listen)
		}
		if got := c.NamesForACME(); c.ACME.Value && !slices.Equal(got, strings.Fields(tt.names)) {
			t.Errorf("%q: issued for %q", tt.text, got)
		}
	}
}

// What a reload takes over, and what it leaves for the next start.
func TestReload(t *testing.T) {
	old, next := Default(), Default()
	next.Drain, next.HSTS, next.TLSMinVersion.Value, next.TLSCert, next.Index = 1, 2, "1.3", "x", Names{"y"}
	next.Listen, next.ACMEEmail, next.Sites = Addrs{":1"}, "z", []Site{{Root: "/"}}
	if waits := old.Reload(next); !slices.Equal(waits, []string{"listen", "drain", "acme_email"}) {
		t.Errorf("%q wait", waits)
	}
	if old.HSTS != 2 || old.TLSMinVersion.Value != "1.3" || old.TLSCert != "x" || len(old.Index) != 1 || len(old.Sites) != 1 {
		t.Errorf("%+v", old)
	}
	if old.Drain == 1 || len(old.Listen) > 0 || old.ACMEEmail != "" {
		t.Errorf("%+v has what was to wait", old)
	}
}
