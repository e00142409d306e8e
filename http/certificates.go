package http

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// CertificateFiles are two files in PEM: a certificate with those of its issuers behind it, and its private key. They may be
// the same file.
type CertificateFiles struct{ Cert, Key string }

// Certificates are certificates from files, which are read again when they change, so that a renewed one is used without a
// restart. A client gets the first that is for the name that it asks for and that it can use, else the first.
//
//	certs, err := http.NewCertificates(http.CertificateFiles{"example.com.crt", "example.com.key"})
//	server.TLS = &reactor.TLS{Config: &tls.Config{GetCertificate: certs.GetCertificate}}
//
// The methods may be called from any goroutine.
type Certificates struct {
	// Logger hears of certificates that were read again, or could not be: then the old ones stay. Default slog.Default().
	// It must not change once GetCertificate can be called.
	Logger *slog.Logger

	files   []CertificateFiles
	current atomic.Pointer[[]tls.Certificate]
	checked atomic.Int64 // when the files were last looked at, in nanoseconds of checkClock

	mu    sync.Mutex
	stamp []fileStamp // of the files that were read last, also in vain
}

// checkEvery is how long a change of the files may be overlooked.
const checkEvery = time.Second

// checkClock is the beginning of a monotonic clock.
var checkClock = time.Now()

// fileStamp is what tells that a file has changed.
type fileStamp struct {
	changed time.Time
	size    int64
}

// NewCertificates reads them. Errors: those of reading and of tls.X509KeyPair, with the name of the file.
func NewCertificates(files ...CertificateFiles) (*Certificates, error) {
	if len(files) == 0 {
		return nil, errors.New("http: NewCertificates without files")
	}
	c := &Certificates{files: files}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// GetCertificate is for tls.Config. It never waits: that files have changed is found, at most once a second, and seen to, by a
// goroutine beside, and until it is through the old certificates are given.
func (c *Certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	now, last := int64(time.Since(checkClock)), c.checked.Load()
	if now-last >= int64(checkEvery) && c.checked.CompareAndSwap(last, now) {
		go c.reloadChanged()
	}
	certs := *c.current.Load()
	for i := range certs {
		if hello.SupportsCertificate(&certs[i]) == nil {
			return &certs[i], nil
		}
	}
	return &certs[0], nil
}

// Reload reads all files again, as on SIGHUP. After an error the old certificates stay, all of them.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked.Store(int64(time.Since(checkClock)))
	return c.reloadLocked(c.stamps())
}

func (c *Certificates) reloadLocked(stamp []fileStamp) error {
	c.stamp = stamp
	certs := make([]tls.Certificate, len(c.files))
	for i, f := range c.files {
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return fmt.Errorf("http: certificate %s with key %s: %w", f.Cert, f.Key, err)
		}
		certs[i] = cert
	}
	c.current.Store(&certs)
	return nil
}

// reloadChanged reads the files again where any has changed. A pair of which only one file is replaced yet does not fit, and
// is read again when the other is.
func (c *Certificates) reloadChanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp := c.stamps()
	if slices.Equal(stamp, c.stamp) {
		return
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.Default()
	}
	if err := c.reloadLocked(stamp); err != nil {
		logger.Error("http: certificates that have changed cannot be used, the old ones stay", slog.Any("error", err))
		return
	}
	logger.Info("http: certificates were read again", slog.Int("count", len(c.files)))
}

// stamps looks at all files; one that is not there has the zero stamp.
func (c *Certificates) stamps() (all []fileStamp) {
	for _, f := range c.files {
		for _, name := range []string{f.Cert, f.Key} {
			var s fileStamp
			if info, err := os.Stat(name); err == nil {
				s = fileStamp{info.ModTime(), info.Size()}
			}
			all = append(all, s)
		}
	}
	return all
}
