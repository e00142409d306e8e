package http

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// HTTPS: what a Server makes of its TLS, and what a Ctx tells of its connection.

// ListenTLS is Listen for HTTPS, by the Server's TLS. One server may listen for both. Errors: also ErrNoCertificate.
func (s *Server) ListenTLS(addr string, options ...ListenOption) (reactor.InetAddress, error) {
	return s.listen(addr, true, options)
}

// ErrNoCertificate: ListenTLS without a TLS that says where certificates come from.
var ErrNoCertificate = errors.New("http: listen for HTTPS: Server.TLS has no certificate")

// prepareTLS makes TLS ready for the first listener that needs it.
func (s *Server) prepareTLS() error {
	t := s.TLS
	if t == nil || t.Config == nil || len(t.Config.Certificates) == 0 && t.Config.GetCertificate == nil && t.Config.GetConfigForClient == nil {
		return ErrNoCertificate
	}
	if s.secured {
		return nil
	}
	s.secured = true
	t.Config = t.Config.Clone()
	t.Config.NextProtos = spoken(t.Config.NextProtos)
	if t.Refuse == nil {
		t.Refuse = s.refusePlain
	}
	if t.Failed == nil {
		t.Failed = func(peer reactor.InetAddress, err error) {
			s.logger().Debug("http: TLS handshake failed", slog.String("remote", peer.String()), slog.Any("error", err))
		}
	}
	return nil
}

// spoken are the protocols that can be agreed on by ALPN (RFC 7301): HTTP/1.1, not HTTP/2, and what is not about HTTP, such as
// "acme-tls/1" of RFC 8737.
func spoken(protos []string) []string {
	protos = slices.DeleteFunc(slices.Clone(protos), func(p string) bool { return p == "h2" })
	if !slices.Contains(protos, "http/1.1") {
		protos = append(protos, "http/1.1")
	}
	return protos
}

// refusePlain answers a client that speaks plain HTTP where TLS is spoken. first are the first five bytes.
func (s *Server) refusePlain(first []byte) []byte {
	for _, c := range first[:3] { // of a method's name: the shortest is GET
		if c < 'A' || c > 'Z' {
			return nil
		}
	}
	const hint = "This port speaks HTTPS: use https:// instead of http://.\n"
	b := fmt.Appendf(nil, "HTTP/1.1 400 %s\r\nDate: %s\r\n", StatusText(400), time.Now().UTC().Format(timeFormat))
	if name := s.name(); name != "-" {
		b = appendLine(b, "Server", name)
	}
	return fmt.Appendf(b, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(hint), hint)
}

// ListenTLS is Server.ListenTLS.
func (a *App) ListenTLS(addr string, options ...ListenOption) (reactor.InetAddress, error) {
	return a.Server.ListenTLS(addr, options...)
}

// RunTLS is Run for HTTPS, on addr, or ":8443" where that is "". The certificate, with those of its issuers behind it, and its
// key come from PEM files, and again when these change: see Certificates. Both names are "" where Server.TLS says where
// certificates come from. Errors: also those of NewCertificates.
func (a *App) RunTLS(addr, certFile, keyFile string) error {
	if certFile != "" || keyFile != "" {
		certs, err := NewCertificates(CertificateFiles{certFile, keyFile})
		if err != nil {
			return err
		}
		certs.Logger = a.Server.logger()
		if a.Server.TLS == nil {
			a.Server.TLS = new(reactor.TLS)
		}
		if a.Server.TLS.Config == nil {
			a.Server.TLS.Config = new(tls.Config)
		}
		a.Server.TLS.Config.GetCertificate = certs.GetCertificate
	}
	if addr == "" {
		addr = ":8443"
	}
	return a.run(a.ListenTLS, addr)
}

// TLS returns what was agreed on with the client: the version, the name that it asked for, its certificates. It is nil where the
// connection is not over TLS; behind a proxy it is about the connection of the proxy.
func (c *Ctx) TLS() *tls.ConnectionState {
	x := c.live()
	if x.conn == nil {
		return x.via.tls()
	}
	if state, ok := x.conn.tcp.TLS(); ok {
		return &state
	}
	return nil
}

// Secure says whether the connection is over TLS. See middleware.IsHTTPS for what a proxy tells.
func (c *Ctx) Secure() bool {
	x := c.live()
	if x.conn == nil {
		return x.via.tls() != nil
	}
	return x.conn.tcp.Secure()
}

// Scheme returns "https" where the connection is over TLS, else "http".
func (c *Ctx) Scheme() string {
	if c.Secure() {
		return "https"
	}
	return "http"
}
