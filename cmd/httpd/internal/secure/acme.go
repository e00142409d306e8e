package secure

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
)

// issuer has certificates issued by ACME (RFC 8555), keeps them in a folder, and has them renewed when two thirds of their time are
// over. The challenges are met by TLS-ALPN-01 (RFC 8737) on the listeners for TLS, and HTTP-01 on the others.
type issuer struct {
	manager *autocert.Manager
	answer  http.Handler // of HTTP-01
	logger  *slog.Logger
	ctx     context.Context
	stop    context.CancelFunc

	mu    sync.Mutex
	names []string // that certificates may be issued for
	busy  []string // those that obtain has begun with
	told  map[string]time.Time
}

const (
	// acmePatience bounds one request to the issuer.
	acmePatience = 30 * time.Second
	// acmeRetry is how long a name waits that no certificate could be issued for, for the first time and at most. Issuers count
	// what fails: Let's Encrypt lets a name fail 5 times an hour.
	acmeRetry, acmeRetryMost = 15 * time.Minute, 8 * time.Hour
	// tellEvery is how often a name is complained of.
	tellEvery = time.Minute
)

func newIssuer(c *config.Config, logger *slog.Logger) (*issuer, error) {
	dir, err := cacheFolder(string(c.ACMECache))
	if err != nil {
		return nil, config.At("acme_cache", err)
	}
	transport := nethttp.DefaultTransport.(*nethttp.Transport).Clone()
	if c.ACMECA != "" {
		pool, err := c.ACMECA.CertPool()
		if err != nil {
			return nil, config.At("acme_ca", err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	i := &issuer{logger: logger, told: map[string]time.Time{}}
	i.ctx, i.stop = context.WithCancel(context.Background())
	i.manager = &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(dir), HostPolicy: i.may, Email: string(c.ACMEEmail),
		Client: &acme.Client{
			DirectoryURL: string(c.ACMEDirectory), UserAgent: "carillon-httpd",
			HTTPClient: &nethttp.Client{Transport: transport, Timeout: acmePatience},
		},
	}
	if c.ACMEDirectory == "" {
		i.manager.Client.DirectoryURL = autocert.DefaultACMEDirectory
	}
	if slices.ContainsFunc(c.Listen, func(addr string) bool { _, secure := config.SplitAddr(addr); return !secure }) {
		i.answer = http.Wrap(i.manager.HTTPHandler(nethttp.NotFoundHandler()))
	}
	return i, nil
}

// cacheFolder makes the folder for certificates and the account's key.
func cacheFolder(dir string) (string, error) {
	if dir == "" {
		dir = os.Getenv("STATE_DIRECTORY") // systemd.exec(5)
		dir, _, _ = strings.Cut(dir, ":")
		if dir == "" {
			var err error
			if dir, err = os.UserCacheDir(); err != nil {
				return "", fmt.Errorf("is missing: a folder that stays, for certificates and the account (%w)", err)
			}
			dir = filepath.Join(dir, "carillon")
		}
		dir = filepath.Join(dir, "acme")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	probe, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return "", err
	}
	probe.Close()
	return dir, os.Remove(probe.Name())
}

// may is the manager's HostPolicy. host may have a port.
func (i *issuer) may(_ context.Context, host string) error {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Contains(i.names, strings.ToLower(host)) {
		return fmt.Errorf("no certificate is issued for %q", host)
	}
	return nil
}

// certificate returns that for the name in hello, which may have to be issued first.
func (i *issuer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := i.manager.GetCertificate(hello)
	if err != nil && !isValidation(hello) {
		i.complain(hello.ServerName, err)
	}
	return cert, err
}

// complain tells why a name has no certificate, not for each client that asks.
func (i *issuer) complain(name string, err error) {
	i.mu.Lock()
	last := i.told[name]
	now := time.Now()
	again := now.Sub(last) < tellEvery
	if !again {
		i.told[name] = now
	}
	i.mu.Unlock()
	if !again {
		i.logger.Error("no certificate could be issued", "host", name, "error", err)
	}
}

// obtain has certificates for names issued, or read from the folder, without waiting for a client who asks; so the first one does
// not wait, and renewals are planned. From now on certificates are issued for these names only.
func (i *issuer) obtain(names []string) {
	i.mu.Lock()
	i.names = names
	var fresh []string
	for _, n := range names {
		if !slices.Contains(i.busy, n) {
			fresh = append(fresh, n)
		}
	}
	i.busy = names
	i.mu.Unlock()
	go func() { // one after the other: issuers do not like crowds
		for _, n := range fresh {
			if !i.try(n) {
				go i.retry(n)
			}
		}
	}()
}

// retry tries a name again until it succeeds.
func (i *issuer) retry(name string) {
	for wait := acmeRetry; ; wait = min(2*wait, acmeRetryMost) {
		select {
		case <-i.ctx.Done():
			return
		case <-time.After(wait):
		}
		if i.try(name) {
			return
		}
	}
}

// try says whether that is all for a name.
func (i *issuer) try(name string) bool {
	if i.ctx.Err() != nil || i.may(i.ctx, name) != nil {
		return true
	}
	// A client of today, that asks for a certificate of ECDSA.
	cert, err := i.certificate(&tls.ClientHelloInfo{
		ServerName: name, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
	})
	if err != nil {
		return false
	}
	i.logger.Info("certificate", "host", name, "issuer", cert.Leaf.Issuer.CommonName, "until", cert.Leaf.NotAfter)
	return true
}

func (i *issuer) close() { i.stop() }

// challengePath is where HTTP-01 is answered: RFC 8555 section 8.3.
const challengePath = "/.well-known/acme-challenge/"

// challenges answers for HTTP-01, where plain HTTP is spoken.
func (i *issuer) challenges(next http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		if i.answer == nil || c.Secure() || !strings.HasPrefix(c.Path(), challengePath) {
			return next(c)
		}
		return i.answer(c)
	}
}
